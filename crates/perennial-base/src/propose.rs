//! Proposes a configuration from facts about landed files: what `perennial init` writes.
//!
//! It is a pure function of names, types and sampled values. Every guess carries its reason, which is written above
//! the key as a comment; what nothing speaks for is left out, and that is said too.

use std::collections::HashSet;

use crate::config::{IdentifierConfig, RoleConfig, SourceConfig, render};
use crate::kind::Kind;

mod age;
mod identity;
mod keys;
mod kinds;
mod moments;
mod money;
mod source;
mod sql;
mod words;

pub use keys::key_questions;

/// What is known of the files of one folder, or of one pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderFacts {
    /// Folder or glob below the lake's root, as it will stand in `path`.
    pub path: String,
    /// Files in it.
    pub files: usize,
    /// Rows of all files.
    pub rows: u64,
    /// The columns.
    pub columns: Vec<ColumnFacts>,
    /// Names of the hive partitions.
    pub partitions: Vec<String>,
    /// Where the files have little in common: one file of each kind, by its path below the lake's root.
    pub unlike: Vec<String>,
    /// The answers to [`key_questions`].
    pub repeats: Vec<RepeatedKey>,
}

/// What to find out about the rows that share a value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuestion {
    /// The column that may be their key.
    pub key: String,
    /// The column that may order them; none where they may be equal.
    pub version: Option<String>,
}

/// How rows relate to each other that share a value of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedKey {
    /// The column that may be their key.
    pub key: String,
    /// The column that may order them; none where they may be equal.
    pub version: Option<String>,
    /// Values that stand in several of the rows that were compared.
    pub repeated: u64,
    /// Whether rows that share the value and the version are equal in all columns but hive partitions.
    pub determined: bool,
    /// By other column, the share of those values, 0 to 1, whose rows all have the same in it.
    pub constant: Vec<(String, f64)>,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnFacts {
    /// Its name, exactly as in the files.
    pub name: String,
    /// What its values are.
    pub shape: ColumnShape,
    /// Distinct values by values, of the sampled values that are not null; none when nothing was sampled.
    pub distinct_ratio: Option<f64>,
    /// Nulls by rows, 0 to 1.
    pub null_ratio: f64,
    /// Whether no value stands twice in all rows of all files; none when that was not checked.
    pub unique_over_all_rows: Option<bool>,
    /// Sampled values that are not null, as text.
    pub samples: Vec<String>,
    /// The smallest value, as text.
    pub min: Option<String>,
    /// The largest value, as text.
    pub max: Option<String>,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnShape {
    /// Text.
    Text,
    /// Whole numbers.
    Int,
    /// Floating-point numbers.
    Float,
    /// Decimal numbers.
    Decimal,
    /// Days.
    Date,
    /// Instants.
    Timestamp,
    /// What a clock shows: dates with times, without a time zone.
    WallClock,
    /// True or false.
    Bool,
    /// Bytes.
    Binary,
    /// Lists, structs and maps.
    Nested,
}

/// A proposed configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// One source for each folder, in the order given.
    pub sources: Vec<ProposedSource>,
    /// The types of identifiers, strongest first, each with its reason.
    pub identifiers: Vec<(IdentifierConfig, String)>,
    /// The reporting currency, where the files agree on one.
    pub currency: Option<String>,
    /// Why it is that currency, or none.
    pub currency_reason: String,
    /// The moment of the newest row, where it is long ago, with what follows from that: `[time] as_of`.
    pub as_of: Option<(String, String)>,
    /// What a person should know before the configuration is used, in full sentences.
    pub notes: Vec<String>,
}

/// A proposed source.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposedSource {
    /// The source; lines are 0.
    pub config: SourceConfig,
    /// Reasons by key (`kind`, `time`, `columns.amount`), also of keys that were left out.
    pub reasons: Vec<(String, String)>,
    /// Columns that the mapping does not name; they stay available in schema `raw`.
    pub unmapped: Vec<String>,
}

/// Proposes a configuration for the folders of a lake. `now` is the present in microseconds since 1970.
pub fn propose(folders: &[FolderFacts], now: i64) -> Proposal {
    let mut taken = HashSet::new();
    let mut drafts: Vec<source::Draft<'_>> = folders
        .iter()
        .map(|facts| source::draft(facts, &mut taken))
        .collect();
    identity::map_customer_keys(&mut drafts);
    let money = money::currency(&drafts);
    let mut notes = money.notes;
    let sources: Vec<ProposedSource> = drafts.iter().map(source::Draft::finish).collect();
    let identifiers = identity::identifiers(&drafts, &sources);
    notes.extend(drafts.iter().filter_map(source::Draft::mixed_note));
    notes.extend(drafts.iter().filter_map(source::Draft::exports_note));
    notes.extend(source::alike(&drafts));
    notes.extend(identity::notes(&sources));
    notes.extend(drafts.iter().filter_map(kinds::close_to_orders));
    notes.extend(drafts.iter().filter_map(identity::unused));
    let as_of = age::as_of(&drafts, now);
    if let Some((moment, reason)) = &as_of {
        notes.push(age::note(moment, reason));
    }
    Proposal {
        sources,
        identifiers,
        currency: money.currency,
        currency_reason: money.reason,
        as_of,
        notes,
    }
}

impl Proposal {
    /// The configuration file with a comment for each guess.
    ///
    /// `lake_url` is written as it is; `roles` are written with their verifiers.
    pub fn to_toml(&self, lake_url: &str, roles: &[RoleConfig]) -> String {
        let mut text = String::from(
            "# Proposed by `perennial init` from the names, types and values of the files.\n\
             # Each guess has its reason above it: change what is not so, then run `perennial check`.\n\n",
        );
        for note in &self.notes {
            text.push_str(&render::comment(&format!("NOTE: {note}")));
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!(
            "[lake]\n{}url = {}\n\n[money]\n",
            render::comment(
                "where the files land, as it was given to init; a folder is relative to that of this file"
            ),
            render::string(lake_url)
        ));
        let reason = &self.currency_reason;
        match &self.currency {
            Some(currency) => {
                text.push_str(&render::comment(reason));
                text.push_str(&format!("currency = {}\n", render::string(currency)));
            }
            None => {
                text.push_str(&render::comment(&format!("{reason}: without this key it is EUR")));
                text.push_str("# currency = \"EUR\"\n");
            }
        }
        if let Some((moment, reason)) = &self.as_of {
            text.push_str("\n[time]\n");
            text.push_str(&render::comment(reason));
            text.push_str(&render::comment(&format!("as_of = {}", render::string(moment))));
        }
        for source in &self.sources {
            text.push('\n');
            text.push_str(&render::source(&source.config, &source.reasons));
            let (name, schema) = (&source.config.name, &source.config.schema);
            if source.config.kind == Kind::Table {
                let comment = format!("served as {schema}.{name}, with all its columns");
                text.push_str(&render::comment(&comment));
            } else if !source.unmapped.is_empty() {
                let columns = source.unmapped.join(", ");
                let comment = format!("not mapped, available as raw.{name}: {columns}");
                text.push_str(&render::comment(&comment));
            }
        }
        for (identifier, reason) in &self.identifiers {
            text.push('\n');
            text.push_str(&render::identifier(identifier, reason));
        }
        for role in roles {
            text.push('\n');
            text.push_str(&render::role(role));
        }
        text
    }
}

#[cfg(test)]
mod tests;
