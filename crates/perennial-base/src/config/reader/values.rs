//! One getter for each type of value: it reports what does not fit and gives none.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Reader, Section, Text};
use crate::config::Expression;
use crate::config::document::{Node, Value};
use crate::config::errors::Place;
use crate::config::registry::ValueType;
use crate::config::units::{parse_duration, parse_size};

/// Postgres keeps 63 bytes of a name.
const MAX_NAME: usize = 63;

impl Reader {
    /// The value of a key; every other getter goes through here.
    pub(in crate::config) fn node<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<&'a Node> {
        self.asked.insert((section.spec.path, key));
        section
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// A text that is not blank.
    pub(in crate::config) fn text<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<Text<'a>> {
        let node = self.node(section, key)?;
        self.as_text(section, key, node)
    }

    /// The node as a text that is not blank.
    pub(in crate::config) fn as_text<'a>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        node: &'a Node,
    ) -> Option<Text<'a>> {
        let expected = section.spec.key(key).map_or("a text", |key| key.value.describe());
        let Value::Text(text) = &node.value else {
            let remedy = match &node.value {
                Value::List(parts) => listed(key, parts),
                _ => "put the value in double quotes".to_owned(),
            };
            self.wrong_type(section, key, node, expected, remedy);
            return None;
        };
        if text.trim().is_empty() {
            self.invalid(
                section,
                key,
                &node.place,
                "is empty",
                format!("write {expected}, or take the key out"),
            );
            return None;
        }
        Some(Text {
            text,
            place: &node.place,
        })
    }

    /// A text that must be there.
    pub(in crate::config) fn needed<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
        remedy: &str,
    ) -> Option<Text<'a>> {
        if self.node(section, key).is_none() {
            self.missing(section, key, remedy);
        }
        self.text(section, key)
    }

    /// A text that must be there and be usable as the name of a relation or column without quotes.
    pub(in crate::config) fn needed_name<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<Text<'a>> {
        let name = self.needed(section, key, &format!("add {key} = \"a_name\""))?;
        self.plain_name(section, key, name.text, name.place)
            .then_some(name)
    }

    /// A text that must be there and be usable as a name in quotes.
    pub(in crate::config) fn needed_label<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<Text<'a>> {
        let name = self.needed(section, key, &format!("add {key} = \"a name\""))?;
        if name.text.len() > MAX_NAME || name.text.chars().any(char::is_control) {
            let reason = "must have 63 bytes at most and no control characters";
            self.invalid(section, key, name.place, reason, "choose a shorter name");
            return None;
        }
        Some(name)
    }

    /// Whether `name` is usable without quotes; reported when not.
    pub(in crate::config) fn plain_name(
        &mut self,
        section: &Section<'_>,
        key: &str,
        name: &str,
        place: &Place,
    ) -> bool {
        let mut characters = name.chars();
        let starts = characters
            .next()
            .is_some_and(|c| c.is_ascii_lowercase() || c == '_');
        let plain = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if starts && plain && name.len() <= MAX_NAME {
            return true;
        }
        let reason = "is not a name of lower-case letters, digits and _ that starts with a letter";
        let remedy = match plain_form(name) {
            Some(plain) => format!("write \"{plain}\""),
            None => "choose a name such as \"shop_orders\"".to_owned(),
        };
        self.invalid(section, key, place, reason, remedy);
        false
    }

    /// One of the words that the registry lists for the key.
    pub(in crate::config) fn choice<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<&'a str> {
        let word = self.text(section, key)?;
        let Some(ValueType::Choice(words)) = section.spec.key(key).map(|key| key.value) else {
            return Some(word.text);
        };
        if words.contains(&word.text) {
            return Some(word.text);
        }
        self.unknown_name(section, key, word, words.iter().copied());
        None
    }

    pub(in crate::config) fn expression(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<Expression> {
        self.text(section, key).map(Text::expression)
    }

    /// A table of expressions by name, in the order of the file; none when the key is not there.
    pub(in crate::config) fn expressions<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<Vec<(Text<'a>, Expression)>> {
        let node = self.node(section, key)?;
        let Value::Table(entries) = &node.value else {
            let remedy = format!("write {key} = {{ name = \"expression\" }}");
            self.wrong_type(section, key, node, ValueType::SqlTable.describe(), remedy);
            return Some(Vec::new());
        };
        let mut expressions = Vec::with_capacity(entries.len());
        for entry in entries {
            let path = format!("{key}.{}", entry.key);
            if let Some(sql) = self.as_text(section, &path, &entry.node) {
                expressions.push((
                    Text {
                        text: &entry.key,
                        place: &entry.place,
                    },
                    sql.expression(),
                ));
            }
        }
        Some(expressions)
    }

    /// A list of texts that are not blank.
    pub(in crate::config) fn texts<'a>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<Vec<Text<'a>>> {
        let node = self.node(section, key)?;
        let Value::List(items) = &node.value else {
            let remedy = format!("write {key} = [\"one\", \"two\"]");
            self.wrong_type(section, key, node, ValueType::TextList.describe(), remedy);
            return None;
        };
        Some(
            items
                .iter()
                .filter_map(|item| self.as_text(section, key, item))
                .collect(),
        )
    }

    pub(in crate::config) fn boolean(&mut self, section: &Section<'_>, key: &'static str) -> Option<bool> {
        let node = self.node(section, key)?;
        if let Value::Boolean(truth) = node.value {
            return Some(truth);
        }
        self.wrong_type(
            section,
            key,
            node,
            ValueType::Boolean.describe(),
            "write true or false without quotes",
        );
        None
    }

    pub(in crate::config) fn integer(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let node = self.node(section, key)?;
        let Value::Integer(number) = node.value else {
            let remedy = "write the digits without quotes";
            self.wrong_type(section, key, node, ValueType::Integer.describe(), remedy);
            return None;
        };
        let (low, high) = (range.start(), range.end());
        let inside = u32::try_from(number).ok().filter(|number| range.contains(number));
        if inside.is_none() {
            let reason = format!("is {number}, outside of {low} to {high}");
            self.invalid(
                section,
                key,
                &node.place,
                reason,
                format!("write a number from {low} to {high}"),
            );
        }
        inside
    }

    pub(in crate::config) fn number(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let node = self.node(section, key)?;
        let number = match node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => {
                let remedy = "write the digits without quotes";
                self.wrong_type(section, key, node, ValueType::Number.describe(), remedy);
                return None;
            }
        };
        if range.contains(&number) {
            return Some(number);
        }
        let (low, high) = (range.start(), range.end());
        if *low == f64::MIN_POSITIVE {
            let reason = format!("is {number}, and must be more than 0, at most {high}");
            let size = if number < *low { "larger" } else { "smaller" };
            self.invalid(
                section,
                key,
                &node.place,
                reason,
                format!("write a {size} number"),
            );
            return None;
        }
        let reason = format!("is {number}, outside of {low} to {high}");
        self.invalid(
            section,
            key,
            &node.place,
            reason,
            format!("write a number from {low} to {high}"),
        );
        None
    }

    /// A duration; a bare 0 needs no unit.
    pub(in crate::config) fn duration(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<Duration> {
        let node = self.node(section, key)?;
        self.as_duration(section, key, node)
    }

    /// A duration, or none for `off`.
    pub(in crate::config) fn duration_or_off(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<Option<Duration>> {
        let node = self.node(section, key)?;
        if matches!(&node.value, Value::Text(word) if word == "off") {
            return Some(None);
        }
        self.as_duration(section, key, node).map(Some)
    }

    pub(in crate::config) fn as_duration(
        &mut self,
        section: &Section<'_>,
        key: &str,
        node: &Node,
    ) -> Option<Duration> {
        let remedy = "write a number with a unit, such as \"10s\", \"1 hour\" or \"90 days\"";
        match &node.value {
            Value::Integer(0) => Some(Duration::ZERO),
            Value::Text(text) => match parse_duration(text) {
                Ok(duration) => Some(duration),
                Err(reason) => {
                    self.invalid(
                        section,
                        key,
                        &node.place,
                        format!("is \"{text}\", which {reason}"),
                        remedy,
                    );
                    None
                }
            },
            _ => {
                self.wrong_type(section, key, node, ValueType::Duration.describe(), remedy);
                None
            }
        }
    }

    /// A size in bytes, above zero.
    pub(in crate::config) fn size(&mut self, section: &Section<'_>, key: &'static str) -> Option<u64> {
        let node = self.node(section, key)?;
        let remedy = "write a number with a unit, such as \"512MiB\" or \"20GB\"";
        let (text, size) = match &node.value {
            Value::Integer(number) => (
                number.to_string(),
                u64::try_from(*number).map_err(|_| "is negative".to_owned()),
            ),
            Value::Text(text) => (format!("\"{text}\""), parse_size(text)),
            _ => {
                self.wrong_type(section, key, node, ValueType::Size.describe(), remedy);
                return None;
            }
        };
        match size {
            Ok(0) => self.invalid(section, key, &node.place, "is zero", remedy),
            Ok(size) => return Some(size),
            Err(reason) => {
                self.invalid(
                    section,
                    key,
                    &node.place,
                    format!("is {text}, which {reason}"),
                    remedy,
                );
            }
        }
        None
    }
}

/// What to write in the place of a list: of the columns of a key one expression.
fn listed(key: &str, parts: &[Node]) -> String {
    let texts = parts.iter().map(|part| match &part.value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    });
    match texts.collect::<Option<Vec<_>>>() {
        Some(columns) if key == "record_key" && columns.len() > 1 => format!(
            "a key of several columns is one text: record_key = \"{}\"",
            columns.join(" || '/' || ")
        ),
        _ => "write one text in double quotes, without the brackets".to_owned(),
    }
}

/// The name in lower case with _ for everything else, when that makes a plain name.
fn plain_form(name: &str) -> Option<String> {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    let useful = plain.starts_with(|c: char| c.is_ascii_lowercase()) && plain.len() <= MAX_NAME;
    useful.then_some(plain)
}
