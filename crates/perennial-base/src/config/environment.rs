//! Keys that the environment overrides: `PERENNIAL__SECTION__KEY`.

use std::collections::BTreeMap;

use super::document::{Entry, Node, Value};
use super::errors::{ConfigProblem, Place, Problem};
use super::reader::did_you_mean;
use super::registry::{self, KeySpec, ValueType};

/// What every variable of ours starts with.
const PREFIX: &str = "PERENNIAL__";

/// Puts the values of set variables in the place of the keys that they name.
pub(super) fn apply(root: &mut Vec<Entry>, environment: &dyn Fn(&str) -> Option<String>) {
    for (section, key) in registry::environment_keys() {
        let name = registry::environment_name(section.path, key.name);
        if let Some(text) = environment(&name) {
            set(root, section.path, key, &text, &Place::Environment { name });
        }
    }
}

/// The variables of this process that have our prefix. Bytes that are no text are replaced, so that the reader of the
/// key reports them.
pub(super) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Variables with our prefix that override nothing: most likely a slip.
pub(super) fn unknown(names: impl Iterator<Item = String>) -> Vec<ConfigProblem> {
    let known: Vec<String> = registry::environment_keys()
        .map(|(section, key)| registry::environment_name(section.path, key.name))
        .collect();
    names
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name))
        .map(|name| {
            let remedy = did_you_mean(&name, known.iter().map(String::as_str), "variable");
            let problem = Problem::Invalid {
                key: name.clone(),
                section: "the environment".to_owned(),
                reason: "overrides no key".to_owned(),
                remedy,
            };
            ConfigProblem {
                place: Place::Environment { name },
                problem,
            }
        })
        .collect()
}

/// Sets a key, making the sections on the way; what is no table on the way is left for the reader to report.
fn set(entries: &mut Vec<Entry>, path: &str, key: &KeySpec, text: &str, place: &Place) {
    if path.is_empty() {
        let node = Node {
            value: value(key.value, text),
            place: place.clone(),
        };
        match entries.iter_mut().find(|entry| entry.key == key.name) {
            Some(entry) => entry.node = node,
            None => entries.push(Entry {
                key: key.name.to_owned(),
                place: place.clone(),
                node,
            }),
        }
        return;
    }
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    if !entries.iter().any(|entry| entry.key == name) {
        let node = Node {
            value: Value::Table(Vec::new()),
            place: Place::Whole,
        };
        entries.push(Entry {
            key: name.to_owned(),
            place: Place::Whole,
            node,
        });
    }
    if let Some(Value::Table(children)) = entries
        .iter_mut()
        .find(|entry| entry.key == name)
        .map(|entry| &mut entry.node.value)
    {
        set(children, rest, key, text, place);
    }
}

/// The text as a value of the key's type; what does not fit stays text, which the reader reports.
fn value(value_type: ValueType, text: &str) -> Value {
    let text = text.trim();
    match value_type {
        ValueType::Boolean => text.parse().ok().map(Value::Boolean),
        ValueType::Integer => text.parse().ok().map(Value::Integer),
        ValueType::Number => text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Value::Float),
        _ => None,
    }
    .unwrap_or_else(|| Value::Text(text.to_owned()))
}
