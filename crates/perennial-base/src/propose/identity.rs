//! Identifiers over all folders: keys of customers that other folders point to, types, and what is not shared.

use std::collections::BTreeMap;

use super::source::Draft;
use super::words::{Concept, plain};
use super::{ColumnFacts, ProposedSource};
use crate::config::{IdentifierConfig, Normalise, Spot};
use crate::kind::Kind;

/// Folders whose `id` is the id that other folders call `customer_id` or `user_id`.
const PEOPLE: &[&str] = &[
    "customers",
    "customer",
    "users",
    "user",
    "accounts",
    "account",
    "members",
    "kunden",
    "nutzer",
];
/// Region of phone numbers without a country code when the numbers do not say one.
const DEFAULT_REGION: &str = "US";
/// A person has a handful of addresses; more is a shared mailbox.
const EMAIL_LIMIT: u32 = 5;

/// Where a folder of customers has a unique `id` and others have a user id, the `id` is that user id.
pub(super) fn map_customer_keys(drafts: &mut [Draft<'_>]) {
    let user_id = |draft: &Draft<'_>| draft.config.identifiers.iter().any(|(name, _)| name == "user_id");
    let Some(pointing) = drafts
        .iter()
        .find(|draft| user_id(draft))
        .map(|draft| draft.config.name.clone())
    else {
        return;
    };
    for draft in drafts.iter_mut() {
        let last = draft
            .facts
            .path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .map(plain)
            .unwrap_or_default();
        let key = draft
            .config
            .record_key
            .as_ref()
            .map(|key| key.sql.clone())
            .unwrap_or_default();
        let fits = draft.config.kind == Kind::Profile && PEOPLE.contains(&last.as_str()) && key == "id";
        if fits && !user_id(draft) {
            let reason = format!("the key of \"{last}\", to which the user_id of {pointing} seems to point");
            draft.add_identifier("user_id", &key, reason);
        }
    }
}

/// The types in use, strongest first.
pub(super) fn identifiers(
    drafts: &[Draft<'_>],
    sources: &[ProposedSource],
) -> Vec<(IdentifierConfig, String)> {
    let order = [
        "user_id",
        "crm_id",
        "national_id",
        "email",
        "phone",
        "anonymous_id",
    ];
    let rank = |name: &str| {
        let stem = |known: &str| {
            name.strip_prefix(known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        order.into_iter().position(stem).unwrap_or(order.len())
    };
    let mut names: Vec<&str> = users(sources).into_keys().collect();
    names.sort_by_key(|name| (rank(name), *name));
    let describe = |name: &str| {
        let mut config = IdentifierConfig {
            name: name.to_owned(),
            normalise: Normalise::Text,
            strong: true,
            limit: None,
            max_customers: None,
            at: Spot::default(),
            named_at: Spot::default(),
        };
        let reason = match rank(name) {
            0 => {
                "an id that a system of yours gives; rename it in one source if two systems number their users apart"
            }
            1 | 2 => "an id that points to one person",
            3 => {
                config.limit = Some(EMAIL_LIMIT);
                if gmail(drafts) {
                    config.normalise = Normalise::EmailGmail;
                    return (
                        config,
                        "an address points to one person, who has a handful of them; change the limit to what you know; \
                         Gmail delivers to one mailbox whatever the dots in a name and what follows a +"
                            .to_owned(),
                    );
                }
                config.normalise = Normalise::Email;
                "an address points to one person, who has a handful of them; change the limit to what you know"
            }
            4 => {
                let (region, why) = phone_region(drafts);
                config.normalise = Normalise::Phone(region);
                return (config, why);
            }
            _ => {
                config.strong = false;
                config.max_customers = Some(1);
                "a browser or device names nobody by itself, and one that several persons share joins nobody"
            }
        };
        (config, reason.to_owned())
    };
    names.into_iter().map(describe).collect()
}

/// What joins across sources, and what does not.
pub(super) fn notes(sources: &[ProposedSource]) -> Vec<String> {
    let mut notes = Vec::new();
    for source in sources {
        let config = &source.config;
        if config.kind.person_bearing() && config.identifiers.is_empty() {
            let name = &config.name;
            notes.push(match config.kind {
                Kind::Profile => format!("{name} has no identifier that another row or source could share: none of its rows will be joined."),
                _ => format!("{name} has no column that points to a person: its rows are served, and belong to no customer."),
            });
        }
    }
    let with_person: Vec<&ProposedSource> = sources
        .iter()
        .filter(|source| !source.config.identifiers.is_empty())
        .collect();
    if with_person.len() > 1 {
        let users = users(sources);
        for source in with_person {
            let alone = source
                .config
                .identifiers
                .iter()
                .all(|(name, _)| users.get(name.as_str()).is_none_or(|users| *users < 2));
            if alone {
                let name = &source.config.name;
                notes.push(format!("{name} shares no identifier type with another source: its customers stay apart from theirs."));
            }
        }
    }
    notes
}

/// That a folder is served as a table although its rows point to persons, and what to write where they mean something.
pub(super) fn unused(draft: &Draft<'_>) -> Option<String> {
    if draft.config.kind != Kind::Table {
        return None;
    }
    let who = [
        Concept::UserId,
        Concept::CrmId,
        Concept::Email,
        Concept::Phone,
        Concept::NationalId,
        Concept::AnonymousId,
    ];
    let column = who.into_iter().find_map(|concept| {
        let named = draft.concepts.iter().find(|(known, _)| *known == concept);
        named.map(|(_, column)| *column)
    })?;
    let name = &draft.config.name;
    Some(format!(
        "{name} is served as a table, and joins no customer, although \"{column}\" points to persons: nothing says what \
         its rows are. Where each describes a person write kind = \"profile\", where each is something that a person \
         did kind = \"event\" with time and columns = {{ name = … }}; then list \"{column}\" in identifiers."
    ))
}

/// In how many sources each type stands.
fn users(sources: &[ProposedSource]) -> BTreeMap<&str, usize> {
    let mut users = BTreeMap::new();
    for (name, _) in sources.iter().flat_map(|source| &source.config.identifiers) {
        *users.entry(name.as_str()).or_insert(0) += 1;
    }
    users
}

/// Whether addresses of Gmail are among those that were sampled.
fn gmail(drafts: &[Draft<'_>]) -> bool {
    let addresses = drafts.iter().flat_map(|draft| {
        let named = draft
            .concepts
            .iter()
            .filter(|(concept, _)| *concept == Concept::Email);
        named.filter_map(|(_, name)| draft.facts_of(name))
    });
    addresses.flat_map(|column| &column.samples).any(|text| {
        let text = text.trim().to_lowercase();
        text.ends_with("@gmail.com") || text.ends_with("@googlemail.com")
    })
}

/// The region of most numbers with a country code, with its reason.
fn phone_region(drafts: &[Draft<'_>]) -> (String, String) {
    const PREFIXES: &[(&str, &str)] = &[
        ("+1", "US"),
        ("+31", "NL"),
        ("+32", "BE"),
        ("+33", "FR"),
        ("+34", "ES"),
        ("+39", "IT"),
        ("+41", "CH"),
        ("+43", "AT"),
        ("+44", "GB"),
        ("+45", "DK"),
        ("+46", "SE"),
        ("+47", "NO"),
        ("+48", "PL"),
        ("+49", "DE"),
        ("+55", "BR"),
        ("+61", "AU"),
        ("+64", "NZ"),
        ("+81", "JP"),
        ("+91", "IN"),
    ];
    let is_phone = |draft: &Draft<'_>, column: &ColumnFacts| {
        draft
            .config
            .identifiers
            .iter()
            .any(|(name, sql)| name.starts_with("phone") && sql.sql.trim_matches('"') == column.name)
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for draft in drafts {
        for column in draft
            .facts
            .columns
            .iter()
            .filter(|column| is_phone(draft, column))
        {
            for sample in &column.samples {
                let international = match sample.trim().strip_prefix("00") {
                    Some(rest) => format!("+{rest}"),
                    None => sample.trim().to_owned(),
                };
                if let Some((_, region)) = PREFIXES
                    .iter()
                    .find(|(prefix, _)| international.starts_with(prefix))
                {
                    *counts.entry(region).or_insert(0) += 1;
                }
            }
        }
    }
    match counts.into_iter().max_by_key(|(_, count)| *count) {
        Some((region, _)) => (
            region.to_owned(),
            format!("numbers without a country code are read as of {region}, as most with one are"),
        ),
        None => (
            DEFAULT_REGION.to_owned(),
            format!(
                "no number has a country code: {DEFAULT_REGION} is a guess, write the country of your customers"
            ),
        ),
    }
}
