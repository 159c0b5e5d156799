//! The text of a configuration as a tree in which every key and value knows its place.

use std::collections::HashSet;

use toml::de::{DeTable, DeValue};

use super::errors::{ConfigProblem, Place, Problem};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A TOML value; numbers outside of what can be held are kept as their text, so that they can be named.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date or time of TOML, or a number out of range: nothing asks for one.
    Other(&'static str),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its place and value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Value {
    /// The type with its article, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "a truth value",
            Self::Other(name) => name,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// What is said of a value that is none.
const NO_VALUE: &str = "neither a number nor a text: texts stand in quotes";

/// Parses `text`; entries of tables are in the order of the file.
///
/// # Errors
/// Every line that is not TOML, by the first place in it that is not.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<ConfigProblem>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(entries(table.get_ref(), &lines));
    }
    let mut problems: Vec<ConfigProblem> = Vec::new();
    let mut told = HashSet::new();
    for error in errors {
        let place = error.span().map_or(Place::Whole, |span| lines.place(span.start));
        // The parser goes on within the line, and takes the rest of one slip for others.
        if let Place::Line { line, .. } = place
            && !told.insert(line)
        {
            continue;
        }
        let reason = match error.message() {
            // Of what begins with a point, as ./lake does.
            message if message.starts_with("invalid mantissa") => NO_VALUE.to_owned(),
            message => message.to_owned(),
        };
        let problem = Problem::Grammar { reason };
        problems.push(ConfigProblem { place, problem });
    }
    Err(problems)
}

fn entries(table: &DeTable<'_>, lines: &Lines<'_>) -> Vec<Entry> {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let place = lines.place(key.span().start);
            let node = Node {
                value: convert(value.get_ref(), lines),
                place: lines.place(value.span().start),
            };
            (
                key.span().start,
                Entry {
                    key: key.get_ref().to_string(),
                    place,
                    node,
                },
            )
        })
        .collect();
    entries.sort_by_key(|(start, _)| *start);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn convert(value: &DeValue<'_>, lines: &Lines<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number out of range"), Value::Integer),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => Value::Other("a number out of range"),
        },
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node {
                    value: convert(item.get_ref(), lines),
                    place: lines.place(item.span().start),
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries(table, lines)),
    }
}

/// Finds line and column of a byte offset.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let after_breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line
            .checked_sub(1)
            .and_then(|index| self.starts.get(index))
            .copied()
            .unwrap_or(0);
        let before = self
            .text
            .get(start..offset.min(self.text.len()))
            .unwrap_or_default();
        Place::Line {
            line,
            column: before.chars().count() + 1,
        }
    }
}
