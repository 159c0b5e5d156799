//! `[lifecycle]`.

use std::time::Duration;

use super::Names;
use crate::config::document::{Node, Value};
use crate::config::reader::{Reader, Section, Text};
use crate::config::stage_facts::{FactType, fact_type, known_facts};
use crate::config::{Bound, Expression, LifecycleConfig, NamedFact, StageCondition, StageConfig, Window};
use crate::kind::Kind;

mod facts;

const DAY: Duration = Duration::from_secs(86_400);
const DEFAULT_ACTIVE: Duration = DAY.saturating_mul(90);
const DEFAULT_LAPSE: Duration = DAY.saturating_mul(180);
/// Both spellings of a cancelled order.
const DEFAULT_UNPAID: [&str; 5] = ["cancelled", "canceled", "failed", "draft", "pending"];
/// A multiple of a gap beyond this is a slip.
const MAX_MULTIPLE: f64 = 1_000.0;
const MAX_DAYS: f64 = 36_500.0;

pub(super) fn read(reader: &mut Reader, root: &Section<'_>) -> LifecycleConfig {
    let mut config = LifecycleConfig {
        preset: "default".to_owned(),
        preset_at: None,
        active: Window::Fixed(DEFAULT_ACTIVE),
        lapse: Window::Fixed(DEFAULT_LAPSE),
        unpaid_statuses: DEFAULT_UNPAID.map(str::to_owned).to_vec(),
        facts: Vec::new(),
        stages: Vec::new(),
    };
    let Some(section) = reader.table(root, "lifecycle") else {
        return config;
    };
    if let Some(preset) = reader.choice(&section, "preset") {
        config.preset = preset.to_owned();
        config.preset_at = Some(section.place_of("preset").spot());
    }
    let active = read_window(reader, &section, "active");
    let lapse = read_window(reader, &section, "lapse");
    config.active = active.unwrap_or(config.active);
    config.lapse = lapse.unwrap_or(config.lapse);
    check_windows(reader, &section, &config.active, &config.lapse);
    if let Some(statuses) = reader.texts(&section, "unpaid_statuses") {
        config.unpaid_statuses = statuses
            .iter()
            .map(|status| status.text.trim().to_lowercase())
            .collect();
    }
    if let Some(facts) = reader.table(&section, "lifecycle.facts") {
        config.facts = read_facts(reader, &facts);
    }
    config.stages = read_stages(reader, &section, &config.facts);
    config
}

fn read_window(reader: &mut Reader, section: &Section<'_>, key: &'static str) -> Option<Window> {
    let node = reader.node(section, key)?;
    let Some(table) = reader.inline(section, key, "lifecycle.window", node) else {
        let duration = reader.as_duration(section, key, node)?;
        if duration.is_zero() {
            reader.invalid(
                section,
                key,
                &node.place,
                "is zero",
                "write a duration such as \"90 days\"",
            );
        }
        return Some(Window::Fixed(duration));
    };
    for (key, remedy) in [
        ("gap_multiple", "2.0"),
        ("min", "\"30 days\""),
        ("max", "\"365 days\""),
    ] {
        if reader.node(&table, key).is_none() {
            reader.missing(&table, key, format!("add {key} = {remedy}"));
        }
    }
    let gap_multiple = reader.number(&table, "gap_multiple", f64::MIN_POSITIVE..=MAX_MULTIPLE);
    let min = reader.duration(&table, "min");
    let max = reader.duration(&table, "max");
    let (gap_multiple, min, max) = (gap_multiple?, min?, max?);
    if min.is_zero() || min > max {
        let reason = if min.is_zero() {
            "is zero"
        } else {
            "is longer than max"
        };
        reader.invalid(
            &table,
            "min",
            &table.place_of("min"),
            reason,
            "write a shorter duration above zero than max",
        );
        return None;
    }
    Some(Window::Adaptive {
        gap_multiple,
        min,
        max,
    })
}

/// A customer must have been at risk before having lapsed, whatever the customer's rhythm.
fn check_windows(reader: &mut Reader, section: &Section<'_>, active: &Window, lapse: &Window) {
    let ordered = match (active, lapse) {
        (
            Window::Adaptive {
                gap_multiple: active,
                min: active_min,
                max: active_max,
            },
            Window::Adaptive {
                gap_multiple: lapse,
                min: lapse_min,
                max: lapse_max,
            },
        ) => active < lapse && active_min < lapse_min && active_max < lapse_max,
        (active, lapse) => longest(active) < shortest(lapse),
    };
    if !ordered {
        let given = section.entries.iter().any(|entry| entry.key == "lapse");
        let key = if given { "lapse" } else { "active" };
        let reason = "leaves no time between active and lapse";
        let remedy = "make lapse longer than active at every bound (their defaults are 90 and 180 days)";
        reader.invalid(section, key, &section.place_of(key), reason, remedy);
    }
}

fn longest(window: &Window) -> Duration {
    match window {
        Window::Fixed(duration) => *duration,
        Window::Adaptive { max, .. } => *max,
    }
}

fn shortest(window: &Window) -> Duration {
    match window {
        Window::Fixed(duration) => *duration,
        Window::Adaptive { min, .. } => *min,
    }
}

fn read_facts(reader: &mut Reader, section: &Section<'_>) -> Vec<NamedFact> {
    let relations: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| (kind.person_bearing() || kind.timed()) && *kind != Kind::Profile)
        .filter_map(Kind::relation)
        .collect();
    let mut facts = Vec::new();
    for entry in section.own_entries() {
        let Some(text) = reader.as_text(section, &entry.key, &entry.node) else {
            continue;
        };
        if !reader.plain_name(section, &entry.key, &entry.key, &entry.place) {
            continue;
        }
        if known_facts().any(|fact| fact == entry.key) {
            let remedy = "choose another name";
            reader.invalid(
                section,
                &entry.key,
                &entry.place,
                "is the name of a built-in fact",
                remedy,
            );
            continue;
        }
        let (relation, predicate) = split_fact(text.text);
        if !relations.contains(&relation) {
            let name = Text {
                text: relation,
                place: text.place,
            };
            reader.unknown_name(section, "relation", name, relations.iter().copied());
        } else if predicate.is_empty() {
            let reason = "has nothing after where";
            reader.invalid(
                section,
                &entry.key,
                text.place,
                reason,
                "write \"events where name = 'referral_sent'\"",
            );
        } else {
            let predicate = Expression {
                sql: predicate.to_owned(),
                at: text.place.spot(),
            };
            facts.push(NamedFact {
                name: entry.key.clone(),
                relation: relation.to_owned(),
                predicate,
            });
        }
    }
    facts
}

/// `relation where predicate`; without `where` every row counts.
fn split_fact(text: &str) -> (&str, &str) {
    let text = text.trim();
    let Some((relation, rest)) = text.split_once(char::is_whitespace) else {
        return (text, "true");
    };
    let rest = rest.trim_start();
    match rest.get(..5) {
        Some(word) if word.eq_ignore_ascii_case("where") && !continues(rest) => (relation, rest[5..].trim()),
        _ => (text, "true"),
    }
}

/// Whether the first word of the text is longer than `where`.
fn continues(rest: &str) -> bool {
    rest.chars()
        .nth(5)
        .is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn read_stages(reader: &mut Reader, lifecycle: &Section<'_>, facts: &[NamedFact]) -> Vec<StageConfig> {
    let mut names = Names::new("stage");
    let mut stages = Vec::new();
    let mut default_line = None;
    let sections = reader.list(lifecycle, "lifecycle.stage");
    for section in &sections {
        let name = reader.needed_label(section, "name");
        if let Some(name) = name {
            names.add(reader, name);
        }
        if let Some(line) = default_line {
            let reason = format!("is never reached: the stage in line {line} has no conditions");
            let remedy = "move the stage without conditions to the end";
            reader.invalid(section, "name", &section.place, reason, remedy);
        }
        let mut conditions = Vec::new();
        for entry in section.own_entries() {
            let fact = Text {
                text: &entry.key,
                place: &entry.place,
            };
            conditions.extend(read_condition(reader, section, fact, &entry.node, facts));
        }
        let any = read_any(reader, section, facts);
        let written =
            section.own_entries().next().is_some() || section.entries.iter().any(|e| e.key == "any");
        if !written && default_line.is_none() {
            default_line = Some(section.place.line());
        }
        if let Some(name) = name {
            let (name, at) = (name.text.to_owned(), section.place.spot());
            stages.push(StageConfig {
                name,
                conditions,
                any,
                at,
            });
        }
    }
    if let (Some(last), None) = (sections.last(), default_line) {
        let reason = "is the last stage and has conditions, so that some customers are in none";
        let remedy = "add a last [[lifecycle.stage]] with nothing but a name";
        reader.invalid(last, "name", &last.place, reason, remedy);
    }
    stages
}

fn read_any(reader: &mut Reader, section: &Section<'_>, facts: &[NamedFact]) -> Vec<Vec<StageCondition>> {
    let Some(node) = reader.node(section, "any") else {
        return Vec::new();
    };
    let remedy = "write any = [{ orders = { at_least = 4 } }, { mrr = { more_than = 0 } }]";
    let Value::List(groups) = &node.value else {
        reader.wrong_type(section, "any", node, "a list of tables of conditions", remedy);
        return Vec::new();
    };
    if groups.is_empty() {
        reader.invalid(
            section,
            "any",
            &node.place,
            "is empty, so that it never holds",
            remedy,
        );
    }
    let mut any = Vec::with_capacity(groups.len());
    for group in groups {
        match &group.value {
            Value::Table(entries) if !entries.is_empty() => {
                let mut conditions = Vec::new();
                for entry in entries {
                    let fact = Text {
                        text: &entry.key,
                        place: &entry.place,
                    };
                    conditions.extend(read_condition(reader, section, fact, &entry.node, facts));
                }
                any.push(conditions);
            }
            Value::Table(_) => {
                reader.invalid(
                    section,
                    "any",
                    &group.place,
                    "has a group without conditions",
                    remedy,
                );
            }
            _ => reader.wrong_type(section, "any", group, "a list of tables of conditions", remedy),
        }
    }
    any
}

fn read_condition(
    reader: &mut Reader,
    section: &Section<'_>,
    fact: Text<'_>,
    node: &Node,
    facts: &[NamedFact],
) -> Option<StageCondition> {
    let own = || facts.iter().map(|fact| fact.name.as_str());
    let Some(fact_type) = fact_type(fact.text, own()) else {
        reader.unknown_name(section, "fact", fact, known_facts().chain(own()));
        return None;
    };
    let mut condition = StageCondition {
        fact: fact.text.to_owned(),
        days: None,
        name: None,
        at_least: None,
        at_most: None,
        less_than: None,
        more_than: None,
        equals: None,
        at: fact.place.spot(),
    };
    let Some(table) = reader.inline(section, fact.text, "lifecycle.stage.condition", node) else {
        condition.equals = Some(read_bound(reader, section, fact.text, node, fact_type)?);
        let shape = Section {
            label: format!("\"{}\" of {}", fact.text, section.label),
            entries: &[],
            place: fact.place.clone(),
            ..section.clone()
        };
        return facts::check(reader, &shape, &condition, fact_type).then_some(condition);
    };
    condition.days = reader.number(&table, "days", f64::MIN_POSITIVE..=MAX_DAYS);
    condition.name = reader.text(&table, "name").map(|name| name.text.to_owned());
    let mut complete = condition.days.is_some() || reader.node(&table, "days").is_none();
    for (key, bound) in [
        ("at_least", &mut condition.at_least),
        ("at_most", &mut condition.at_most),
        ("less_than", &mut condition.less_than),
        ("more_than", &mut condition.more_than),
        ("equals", &mut condition.equals),
    ] {
        if let Some(node) = reader.node(&table, key) {
            *bound = read_bound(reader, &table, key, node, fact_type);
            complete &= bound.is_some();
        }
    }
    (complete && facts::check(reader, &table, &condition, fact_type)).then_some(condition)
}

/// A bound of the type that the fact has.
fn read_bound(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &str,
    node: &Node,
    fact_type: FactType,
) -> Option<Bound> {
    match (fact_type, &node.value) {
        (FactType::Count { .. }, Value::Integer(count)) if *count >= 0 => Some(Bound::Number(*count as f64)),
        (FactType::Count { .. }, Value::Integer(_) | Value::Float(_)) => {
            let reason = "is not a whole number from 0 on";
            reader.invalid(section, key, &node.place, reason, "write a count such as 3");
            None
        }
        (FactType::Number { .. }, Value::Integer(number)) => Some(Bound::Number(*number as f64)),
        (FactType::Number { .. }, Value::Float(number)) => Some(Bound::Number(*number)),
        (FactType::Duration | FactType::Since, Value::Text(word))
            if ["active", "lapse"].contains(&word.as_str()) =>
        {
            Some(Bound::Word(word.clone()))
        }
        (FactType::Duration | FactType::Since, Value::Text(_) | Value::Integer(0)) => {
            reader.as_duration(section, key, node).map(Bound::Duration)
        }
        (FactType::Truth, Value::Boolean(truth)) => Some(Bound::Bool(*truth)),
        (FactType::Word { words, .. }, Value::Text(word)) => {
            if words.contains(&word.as_str()) {
                return Some(Bound::Word(word.clone()));
            }
            let name = Text {
                text: word,
                place: &node.place,
            };
            reader.unknown_name(section, "state", name, words.iter().copied());
            None
        }
        (fact_type, _) => {
            let remedy;
            let (expected, remedy) = match fact_type {
                FactType::Count { .. } | FactType::Number { .. } => {
                    ("a number", "write the digits without quotes")
                }
                FactType::Duration | FactType::Since => {
                    ("a duration", "write \"30 days\", \"active\" or \"lapse\"")
                }
                FactType::Truth => ("true or false", "write true or false without quotes"),
                FactType::Word { words, .. } => {
                    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                    remedy = format!("write one of {}", words.join(", "));
                    ("a text", remedy.as_str())
                }
            };
            reader.wrong_type(section, key, node, expected, remedy);
            None
        }
    }
}
