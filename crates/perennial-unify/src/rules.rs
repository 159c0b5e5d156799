//! The rules of identity resolution, from the configuration, and the graph that follows them.

use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryConsumer;
use perennial_base::Kind;
use perennial_base::config::{Config, Normalise};
use perennial_engine::Engine;
use perennial_identity::{GraphBuilder, IdentifierRule, Normalisation, PreviousIds, Rules, Source};

use crate::error::{Error, Result};
use crate::scratch::Scratch;

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
            let normalisation: Normalisation = rule.parse().map_err(|cause| {
                let (name, at) = (identifier.name.clone(), identifier.at);
                Error::Identifier { name, at, cause }.of_file(&config.file)
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

/// A builder for the identities of the sources, which share the server's memory with the statements that it serves. What is
/// seldom read of them goes to files when there is not enough.
pub(crate) fn graph(
    engine: &Engine,
    config: &Config,
    rules: &Rules,
    previous: PreviousIds,
    scratch: &Arc<Scratch>,
) -> Result<GraphBuilder> {
    let sources = config.sources.iter().map(|written| {
        let source = match written.kind {
            Kind::Profile => Source::persons(written.name.as_str()),
            _ => Source::facts(written.name.as_str()),
        };
        match written.record_key {
            Some(_) => source,
            None => source.without_keys(),
        }
    });
    let shared = engine.work_state(usize::MAX)?;
    let memory = MemoryConsumer::new("identities").register(&shared.runtime_env().memory_pool);
    let builder = GraphBuilder::try_new(rules, sources.collect(), previous)?;
    Ok(builder
        .within(move |bytes| memory.try_resize(bytes).is_ok())
        .spilling(scratch.bytes()))
}
