//! The rules of identity resolution, from the configuration.

use perennial_base::UserError;
use perennial_base::config::{Config, Normalise};
use perennial_identity::{IdentifierRule, Normalisation, Rules};

use crate::error::Result;

pub(crate) fn rules(config: &Config) -> Result<Rules> {
    let identifiers = config
        .identity
        .identifiers
        .iter()
        .map(|identifier| {
            let rule = match &identifier.normalise {
                Normalise::Text => "exact".to_owned(),
                Normalise::Email => "email".to_owned(),
                Normalise::EmailGmail => "email_gmail".to_owned(),
                Normalise::Phone(region) => format!("phone:{region}"),
            };
            let normalisation: Normalisation =
                rule.parse().map_err(|error: perennial_normalise::Error| {
                    let message = format!(
                        "identifier \"{}\": normalise = \"{rule}\": {error}",
                        identifier.name
                    );
                    perennial_engine::Error::new(error.class(), message)
                        .with_hint("A region has two letters, as in \"phone:DE\".")
                })?;
            let mut rule = IdentifierRule::new(identifier.name.as_str()).with_normalise(normalisation);
            if identifier.strong {
                rule = rule.with_strong();
            }
            if let Some(limit) = identifier.limit {
                rule = rule.with_limit(limit);
            }
            if let Some(max_customers) = identifier.max_customers {
                rule = rule.with_max_customers(max_customers);
            }
            Ok(rule)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Rules::try_new(identifiers, &config.identity.blocked)?)
}
