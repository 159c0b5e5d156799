//! `[identity]`.

use std::collections::HashSet;

use super::Names;
use crate::config::document::{Entry, Value};
use crate::config::errors::{Place, Problem};
use crate::config::reader::{Reader, Section, Text};
use crate::config::{IdentifierConfig, IdentityConfig, Normalise, SourceConfig, Spot, SurvivorshipRule};
use crate::error::nearest;

/// Bound of `limit` and `max_customers`.
const MAX_COUNT: u32 = 1_000_000;

pub(super) fn read(reader: &mut Reader, root: &Section<'_>, sources: &[SourceConfig]) -> IdentityConfig {
    let mut config = IdentityConfig {
        blocked: Vec::new(),
        identifiers: Vec::new(),
        default_rule: SurvivorshipRule::MostRecent,
        trait_rules: Vec::new(),
    };
    if let Some(identity) = reader.table(root, "identity") {
        let blocked = reader.texts(&identity, "blocked").unwrap_or_default();
        config.blocked = blocked.into_iter().map(|value| value.text.to_owned()).collect();
        read_identifiers(reader, &identity, &mut config);
        read_survivorship(reader, &identity, sources, &mut config);
    }
    let listed = config.identifiers.len();
    for source in sources {
        for (name, written) in &source.identifiers {
            if config.identifiers.iter().all(|known| known.name != *name) {
                let listed = config.identifiers.get(..listed).unwrap_or_default();
                check_listed(reader, source, name, written.at, listed);
                config.identifiers.push(by_name(name));
            }
        }
    }
    config
}

/// A type that the list does not have is one of its own, unless it is nearly one of the list: that is reported.
fn check_listed(
    reader: &mut Reader,
    source: &SourceConfig,
    name: &str,
    at: Spot,
    listed: &[IdentifierConfig],
) {
    let near = nearest(name, listed.iter().map(|listed| listed.name.as_str()));
    let Some(near) = listed.iter().find(|listed| Some(listed.name.as_str()) == near) else {
        return;
    };
    let (line, column) = (at.line, at.column);
    let problem = Problem::UnknownName {
        what: "identifier".to_owned(),
        name: name.to_owned(),
        section: format!("[[source]] \"{}\"", source.name),
        remedy: format!(
            "did you mean \"{}\" of [[identity.identifier]] in line {}? If \"{name}\" is another one, list it there, too",
            near.name, near.named_at.line
        ),
    };
    reader.report(&Place::Line { line, column }, problem);
}

/// What holds for a type of that name unless the file says otherwise: an address is compared as one, and an
/// anonymous id names nobody.
fn by_name(name: &str) -> IdentifierConfig {
    IdentifierConfig {
        name: name.to_owned(),
        normalise: if name == "email" {
            Normalise::Email
        } else {
            Normalise::Text
        },
        strong: name != "anonymous_id",
        limit: None,
        max_customers: None,
        at: Spot::default(),
        named_at: Spot::default(),
    }
}

fn read_identifiers(reader: &mut Reader, identity: &Section<'_>, config: &mut IdentityConfig) {
    let mut names = Names::new("identifier type");
    for section in reader.list(identity, "identity.identifier") {
        let name = reader.needed_name(&section, "type");
        let normalise = reader
            .text(&section, "normalise")
            .and_then(|text| normalise(reader, &section, text));
        let strong = reader.boolean(&section, "strong");
        let limit = reader.integer(&section, "limit", 1..=MAX_COUNT);
        let max_customers = reader.integer(&section, "max_customers", 1..=MAX_COUNT);
        if let Some(name) = name {
            names.add(reader, name);
            let default = by_name(name.text);
            config.identifiers.push(IdentifierConfig {
                normalise: normalise.unwrap_or(default.normalise),
                strong: strong.unwrap_or(default.strong),
                limit,
                max_customers,
                at: section.place_of("normalise").spot(),
                named_at: name.place.spot(),
                name: default.name,
            });
        }
    }
}

fn normalise(reader: &mut Reader, section: &Section<'_>, text: Text<'_>) -> Option<Normalise> {
    match text.text {
        "text" => Some(Normalise::Text),
        "email" => Some(Normalise::Email),
        "email_gmail" => Some(Normalise::EmailGmail),
        other => match other.strip_prefix("phone:") {
            Some(region) if region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Some(Normalise::Phone(region.to_owned()))
            }
            None if other != "phone" => {
                reader.unknown_name(
                    section,
                    "normalise",
                    text,
                    ["text", "email", "email_gmail", "phone:XX"],
                );
                None
            }
            _ => {
                let reason = format!("is \"{other}\", without a region of two capital letters");
                let remedy = "write the country of numbers without a country code, as \"phone:DE\"";
                reader.invalid(section, "normalise", text.place, reason, remedy);
                None
            }
        },
    }
}

fn read_survivorship(
    reader: &mut Reader,
    identity: &Section<'_>,
    sources: &[SourceConfig],
    config: &mut IdentityConfig,
) {
    let Some(section) = reader.table(identity, "identity.survivorship") else {
        return;
    };
    if let Some(word) = reader.choice(&section, "default") {
        match simple_rule(word) {
            Some(rule) => config.default_rule = rule,
            None => needs_order(reader, &section, "default"),
        }
    }
    let traits: Vec<&str> = {
        let mut seen = HashSet::new();
        let names = sources
            .iter()
            .flat_map(|source| &source.traits)
            .map(|(name, _)| name.as_str());
        names.filter(|name| seen.insert(*name)).collect()
    };
    for entry in section.own_entries() {
        let name = Text {
            text: &entry.key,
            place: &entry.place,
        };
        if !traits.contains(&name.text) {
            reader.unknown_name(&section, "trait", name, traits.iter().copied());
        }
        if let Some(rule) = read_rule(reader, &section, entry, sources) {
            config.trait_rules.push((entry.key.clone(), rule));
        }
    }
}

fn read_rule(
    reader: &mut Reader,
    section: &Section<'_>,
    entry: &Entry,
    sources: &[SourceConfig],
) -> Option<SurvivorshipRule> {
    if !matches!(entry.node.value, Value::Table(_)) {
        let word = reader.as_text(section, &entry.key, &entry.node)?;
        if word.text == "source_priority" {
            needs_order(reader, section, &entry.key);
            return None;
        }
        let rule = simple_rule(word.text);
        if rule.is_none() {
            reader.unknown_name(
                section,
                "rule",
                word,
                crate::config::registry::RULES.iter().copied(),
            );
        }
        return rule;
    }
    let table = reader.inline(section, &entry.key, "identity.survivorship.rule", &entry.node)?;
    let given = reader.node(&table, "rule").is_some();
    let order = reader.texts(&table, "order");
    if !given {
        reader.missing(&table, "rule", "add rule = \"source_priority\"");
    }
    let word = reader.choice(&table, "rule")?;
    let names = || sources.iter().map(|source| source.name.as_str());
    for source in order.iter().flatten() {
        if !names().any(|name| name == source.text) {
            reader.unknown_name(&table, "source", *source, names());
        }
    }
    match (simple_rule(word), order) {
        (None, Some(order)) if !order.is_empty() => Some(SurvivorshipRule::SourcePriority(
            order.iter().map(|source| source.text.to_owned()).collect(),
        )),
        (None, _) => {
            reader.missing(
                &table,
                "order",
                "add order = [\"<source>\", …], first choice first",
            );
            None
        }
        (Some(_), Some(_)) => {
            let reason = format!("has no meaning for the rule \"{word}\"");
            reader.invalid(&table, "order", &table.place_of("order"), reason, "take it out");
            None
        }
        (Some(rule), None) => Some(rule),
    }
}

fn needs_order(reader: &mut Reader, section: &Section<'_>, key: &str) {
    let place = section.place_of(key);
    let remedy = match key {
        "default" => {
            "set it for single traits: first_name = { rule = \"source_priority\", order = [\"<source>\"] }"
        }
        _ => "write { rule = \"source_priority\", order = [\"<source>\", …] }",
    };
    reader.invalid(section, key, &place, "needs an order of sources", remedy);
}

/// The rules that need nothing but their name.
fn simple_rule(word: &str) -> Option<SurvivorshipRule> {
    match word {
        "most_recent" => Some(SurvivorshipRule::MostRecent),
        "most_frequent" => Some(SurvivorshipRule::MostFrequent),
        "first" => Some(SurvivorshipRule::First),
        "longest" => Some(SurvivorshipRule::Longest),
        _ => None,
    }
}
