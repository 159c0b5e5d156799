//! Typed access to the sections of a configuration: whatever is wrong is collected, never only the first.

use std::collections::BTreeSet;

use super::Expression;
use super::document::{Entry, Node, Value};
use super::errors::{ConfigErrors, ConfigProblem, MAX_PROBLEMS, Place, Problem};
use super::registry::{self, Form, SectionSpec, ValueType};
use crate::error::nearest;

mod values;

/// A section of the file under its declaration.
#[derive(Debug, Clone)]
pub(super) struct Section<'a> {
    pub(super) spec: &'static SectionSpec,
    /// How messages call it: `[lake]`, `[[source]] "orders"`.
    pub(super) label: String,
    pub(super) place: Place,
    pub(super) entries: &'a [Entry],
}

impl<'a> Section<'a> {
    /// The entries whose keys are the user's own.
    pub(super) fn own_entries(&self) -> impl Iterator<Item = &'a Entry> {
        let spec = self.spec;
        self.entries.iter().filter(move |entry| {
            spec.key(&entry.key).is_none() && !spec.children().any(|child| child == entry.key)
        })
    }

    /// Place of a key's value, or of the section when the key is not there.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map_or_else(|| self.place.clone(), |entry| entry.node.place.clone())
    }
}

/// A text and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) place: &'a Place,
}

impl Text<'_> {
    pub(super) fn expression(self) -> Expression {
        Expression {
            sql: self.text.to_owned(),
            at: self.place.spot(),
        }
    }
}

/// Collects the problems, and which registered keys were asked for.
#[derive(Debug, Default)]
pub(super) struct Reader {
    problems: Vec<ConfigProblem>,
    left_out: usize,
    /// Section path and key, so that a test can hold the registry against the reader.
    pub(super) asked: BTreeSet<(&'static str, &'static str)>,
}

impl Reader {
    /// The problems in the order of the file, if there are any.
    pub(super) fn finish(mut self, file: &str) -> Result<(), ConfigErrors> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        Err(ConfigErrors {
            file: file.to_owned(),
            problems: self.problems,
            left_out: self.left_out,
        })
    }

    pub(super) fn report(&mut self, place: &Place, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(ConfigProblem {
                place: place.clone(),
                problem,
            });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn invalid(
        &mut self,
        section: &Section<'_>,
        key: &str,
        place: &Place,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (key, section) = (key.to_owned(), section.label.clone());
        self.report(
            place,
            Problem::Invalid {
                key,
                section,
                reason: reason.into(),
                remedy: remedy.into(),
            },
        );
    }

    /// Reports a key that is not there, unless one that does not exist was probably meant to be it: that one is reported.
    pub(super) fn missing(&mut self, section: &Section<'_>, key: &str, remedy: impl Into<String>) {
        let unknown = section.own_entries().filter(|_| section.spec.own_keys.is_none());
        let mut meant = unknown.filter_map(|entry| nearest(&entry.key, section.spec.names()));
        if meant.any(|meant| meant == key) {
            return;
        }
        let (key, label) = (key.to_owned(), section.label.clone());
        self.report(
            &section.place,
            Problem::MissingKey {
                key,
                section: label,
                remedy: remedy.into(),
            },
        );
    }

    /// Reports a name that is none of `known`.
    pub(super) fn unknown_name<'k>(
        &mut self,
        section: &Section<'_>,
        what: &str,
        name: Text<'_>,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let remedy = did_you_mean(name.text, known, what);
        let (what, section) = (what.to_owned(), section.label.clone());
        let problem = Problem::UnknownName {
            what,
            name: name.text.to_owned(),
            section,
            remedy,
        };
        self.report(name.place, problem);
    }

    /// The section over these entries; keys that it does not have are reported.
    pub(super) fn section<'a>(
        &mut self,
        spec: &'static SectionSpec,
        label: String,
        place: Place,
        entries: &'a [Entry],
    ) -> Section<'a> {
        let section = Section {
            spec,
            label,
            place,
            entries,
        };
        if spec.own_keys.is_none() {
            for entry in section.own_entries() {
                let remedy = did_you_mean(
                    &entry.key,
                    spec.names(),
                    if spec.path.is_empty() { "section" } else { "key" },
                );
                let problem = if spec.path.is_empty() {
                    Problem::UnknownSection {
                        name: entry.key.clone(),
                        remedy,
                    }
                } else {
                    Problem::UnknownKey {
                        key: entry.key.clone(),
                        section: section.label.clone(),
                        remedy,
                    }
                };
                self.report(&entry.place, problem);
            }
        }
        for key in spec.keys {
            let ValueType::Unsupported(remedy) = key.value else {
                continue;
            };
            self.asked.insert((spec.path, key.name));
            if let Some(entry) = entries.iter().find(|entry| entry.key == key.name) {
                let (key, section) = (key.name.to_owned(), section.label.clone());
                self.report(
                    &entry.place,
                    Problem::Unsupported {
                        key,
                        section,
                        remedy: remedy.to_owned(),
                    },
                );
            }
        }
        section
    }

    /// The section `[path]` below `parent`.
    pub(super) fn table<'a>(&mut self, parent: &Section<'a>, path: &'static str) -> Option<Section<'a>> {
        let spec = registry::section(path)?;
        let entry = find(parent, path)?;
        match &entry.node.value {
            Value::Table(entries) => {
                Some(self.section(spec, spec.header(), entry.node.place.clone(), entries))
            }
            _ => {
                self.wrong_form(parent, entry, spec);
                None
            }
        }
    }

    /// The sections `[[path]]` below `parent`, each called by its `name` or `type`.
    pub(super) fn list<'a>(&mut self, parent: &Section<'a>, path: &'static str) -> Vec<Section<'a>> {
        let (Some(spec), Some(entry)) = (registry::section(path), find(parent, path)) else {
            return Vec::new();
        };
        let Value::List(items) = &entry.node.value else {
            self.wrong_form(parent, entry, spec);
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let Value::Table(entries) = &item.value else {
                self.wrong_form(parent, entry, spec);
                break;
            };
            let name = entries
                .iter()
                .find_map(|entry| match (&*entry.key, &entry.node.value) {
                    ("name" | "type", Value::Text(name)) => Some(name),
                    _ => None,
                });
            let label = match name {
                Some(name) => format!("{} \"{name}\"", spec.header()),
                None => format!("{} number {}", spec.header(), index + 1),
            };
            sections.push(self.section(spec, label, item.place.clone(), entries));
        }
        sections
    }

    fn wrong_form(&mut self, parent: &Section<'_>, entry: &Entry, spec: &SectionSpec) {
        let (expected, remedy) = match spec.form {
            Form::List => (
                "a list of tables",
                format!("write {} with two brackets on each side", spec.header()),
            ),
            Form::Table | Form::Inline => (
                "one table",
                format!("write {} with one bracket on each side, once", spec.header()),
            ),
        };
        self.wrong_type(parent, &entry.key, &entry.node, expected, remedy);
    }

    /// The inline table at `node` as a section of its own.
    pub(super) fn inline<'a>(
        &mut self,
        parent: &Section<'a>,
        key: &str,
        path: &'static str,
        node: &'a Node,
    ) -> Option<Section<'a>> {
        let Value::Table(entries) = &node.value else {
            return None;
        };
        let label = format!("\"{key}\" of {}", parent.label);
        Some(self.section(registry::section(path)?, label, node.place.clone(), entries))
    }

    pub(super) fn wrong_type(
        &mut self,
        section: &Section<'_>,
        key: &str,
        node: &Node,
        expected: &str,
        remedy: impl Into<String>,
    ) {
        let problem = Problem::WrongType {
            key: key.to_owned(),
            section: section.label.clone(),
            expected: expected.to_owned(),
            found: node.value.type_name().to_owned(),
            remedy: remedy.into(),
        };
        self.report(&node.place, problem);
    }
}

/// The nearest known name as a question, or all of them.
pub(super) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>, what: &str) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => format!("there is no {what} to name"),
        None => format!("known: {}", known.join(", ")),
    }
}

fn find<'a>(parent: &Section<'a>, path: &str) -> Option<&'a Entry> {
    let name = path.rsplit('.').next().unwrap_or(path);
    parent.entries.iter().find(|entry| entry.key == name)
}
