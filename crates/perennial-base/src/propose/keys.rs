//! Keys of rows: what is unique, and what names a row of which several versions have landed.

use super::source::Draft;
use super::sql::{column_sql, expression, quote, time_sql};
use super::words::{self, Concept, plain};
use super::{ColumnFacts, ColumnShape, FolderFacts, KeyQuestion, RepeatedKey};
use crate::config::render::string;
use crate::kind::Kind;

/// Share of the keys with several rows whose other columns stay as they are, from which the rows are taken for versions.
const SAME: f64 = 0.95;
/// The same over all columns, where none says when the row came to be.
const MOSTLY_SAME: f64 = 0.5;

/// Endings of names of keys.
const ENDINGS: &[&str] = &["id", "key", "uuid", "guid", "nr", "number", "nummer"];

/// What to ask of the rows of a folder: how those relate to each other that share a value in a column named like a key,
/// with each column that may order their versions, and with none.
pub fn key_questions(facts: &FolderFacts) -> Vec<KeyQuestion> {
    let concepts = words::of_folder(facts);
    let moments = [Concept::Updated, Concept::Occurred]
        .into_iter()
        .flat_map(|moment| {
            let named = concepts.iter().filter(move |(concept, _)| *concept == moment);
            named.map(|(_, column)| Some((*column).to_owned()))
        });
    let versions: Vec<Option<String>> = std::iter::once(None).chain(moments).collect();
    let keys = facts.columns.iter().filter(|column| {
        key_like(column, &concepts) && column.unique_over_all_rows != Some(true) && column.null_ratio == 0.0
    });
    keys.flat_map(|key| {
        versions.iter().map(|version| KeyQuestion {
            key: key.name.clone(),
            version: version.clone(),
        })
    })
    .collect()
}

fn says(concepts: &[(Concept, &str)], column: &ColumnFacts, concept: Concept) -> bool {
    concepts
        .iter()
        .any(|(known, name)| *known == concept && *name == column.name)
}

/// Concepts of columns that name a row, the most telling first.
const NAMING: [Concept; 5] = [
    Concept::Key,
    Concept::OrderId,
    Concept::CrmId,
    Concept::UserId,
    Concept::NationalId,
];

fn key_like(column: &ColumnFacts, concepts: &[(Concept, &str)]) -> bool {
    let name = plain(&column.name);
    let spelled = ENDINGS.iter().any(|ending| {
        name == *ending
            || name
                .strip_suffix(ending)
                .is_some_and(|start| start.ends_with('_'))
    });
    let named = NAMING.into_iter().any(|concept| says(concepts, column, concept));
    matches!(column.shape, ColumnShape::Text | ColumnShape::Int) && (spelled || named)
}

impl<'a> Draft<'a> {
    /// A key is proposed when it was seen to be unique over all rows, or to name rows that landed in several versions;
    /// contracts are the exception, for their rows are changes.
    pub(super) fn map_key(&mut self) {
        if self.config.kind == Kind::Subscription {
            self.map_contract();
            return;
        }
        let facts = self.facts;
        let mut keys: Vec<&ColumnFacts> = facts
            .columns
            .iter()
            .filter(|column| key_like(column, &self.concepts) && self.own(column))
            .collect();
        keys.sort_by_key(|column| {
            let says = |concept| says(&self.concepts, column, concept);
            NAMING.into_iter().position(says).unwrap_or(NAMING.len())
        });
        let unique =
            |column: &&&ColumnFacts| column.unique_over_all_rows == Some(true) && column.null_ratio == 0.0;
        if let Some(column) = keys.iter().find(unique) {
            let rows = facts.rows;
            self.config.record_key = Some(column_sql(column));
            self.reason("record_key", format!("unique over all {rows} rows"));
            self.use_column(column);
            return;
        }
        match self.config.kind {
            Kind::Table => return,
            Kind::FxRate => {
                self.reason(
                    "record_key",
                    "no record_key: a rate is known by its day and currency",
                );
                return;
            }
            _ => {}
        }
        let versions = keys
            .iter()
            .find_map(|column| self.versions(column).map(|found| (*column, found)));
        if let Some((column, (version, why))) = versions {
            self.config.record_key = Some(column_sql(column));
            self.reason("record_key", why);
            self.use_column(column);
            self.versions_by = version;
            return;
        }
        self.keyless(&keys);
    }

    /// Whether a column can name the rows themselves: ids of persons, products and orders name something else, unless
    /// the rows are just that.
    fn own(&self, column: &ColumnFacts) -> bool {
        let says = |concept| says(&self.concepts, column, concept);
        let of_persons = [
            Concept::UserId,
            Concept::CrmId,
            Concept::NationalId,
            Concept::AnonymousId,
            Concept::Phone,
        ];
        match self.config.kind {
            Kind::Table => true,
            Kind::Profile => {
                !says(Concept::OrderId) && !says(Concept::ProductId) && !says(Concept::AnonymousId)
            }
            Kind::Order => !of_persons.into_iter().any(says) && !says(Concept::ProductId),
            _ => !of_persons.into_iter().any(says) && !says(Concept::OrderId) && !says(Concept::ProductId),
        }
    }

    /// The column that orders the versions of the rows with one key, if those are versions of one row, and why.
    fn versions(&self, key: &ColumnFacts) -> Option<(Option<&'a ColumnFacts>, String)> {
        let answers = || {
            let repeats = self.facts.repeats.iter();
            repeats.filter(|answer| answer.key == key.name && answer.determined && answer.repeated > 0)
        };
        if let Some(equal) = answers().find(|answer| answer.version.is_none()) {
            let keys = equal.repeated;
            return Some((
                None,
                format!(
                    "{keys} values stand in several rows, which are equal: rows that landed more than once"
                ),
            ));
        }
        answers().find_map(|answer| {
            let version = self.facts_of(answer.version.as_deref()?)?;
            let constant = |name: &str| {
                let known = answer.constant.iter().find(|(column, _)| column == name);
                known.map(|(_, share)| *share)
            };
            let updated = says(&self.concepts, version, Concept::Updated);
            let came = self.concepts.iter().find(|(concept, name)| {
                *concept == Concept::Occurred && *name != version.name && self.facts_of(name).is_some()
            });
            let stays = match came {
                Some((_, came)) if updated => constant(came).is_some_and(|share| share >= SAME),
                None if updated || self.config.kind == Kind::Profile => mean(answer) >= MOSTLY_SAME,
                Some(_) | None => false,
            };
            stays.then(|| {
                let (keys, by) = (answer.repeated, &version.name);
                let why = format!(
                    "{keys} values stand in several rows, which are equal but for what changed at \"{by}\": versions \
                     of one row, of which the newest counts"
                );
                (Some(version), why)
            })
        })
    }

    /// Says why there is no key, and what to write where a person knows better.
    fn keyless(&mut self, keys: &[&ColumnFacts]) {
        let quoted: Vec<String> = keys.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let unchecked = keys.iter().any(|column| column.unique_over_all_rows.is_none());
        let why = match quoted.as_slice() {
            [] => "no column is named like a key of the rows".to_owned(),
            [..] if unchecked => format!("whether {} is unique is not known", quoted.join(" or ")),
            [only] => format!("{only} is named like a key and is not unique, or has nulls"),
            several => format!("{} are named like keys, and none is unique", several.join(", ")),
        };
        let remedy = match keys.first().filter(|column| column.null_ratio == 0.0) {
            Some(column) => format!(
                "; where the rows with one value are versions of one row, write record_key = {}, and in updated_at what \
                 orders them",
                string(&quote(&column.name))
            ),
            None => String::new(),
        };
        self.reason(
            "record_key",
            format!("no record_key: {why}: every row counts as its own fact{remedy}"),
        );
    }

    /// That rows of several files may be the same ones again, of which each counts.
    pub(super) fn exports_note(&self) -> Option<String> {
        let counted = matches!(self.config.kind, Kind::Order | Kind::Profile);
        let keyless = self.config.record_key.is_none() && self.facts.files > 1;
        let repeats = |column: &&ColumnFacts| {
            key_like(column, &self.concepts)
                && self.own(column)
                && column.null_ratio == 0.0
                && column.unique_over_all_rows == Some(false)
        };
        let column = self
            .facts
            .columns
            .iter()
            .find(repeats)
            .filter(|_| counted && keyless)?;
        Some(format!(
            "{}: \"{}\" is not unique, and every row counts: where each file is an export of the same rows, write record_key = {}.",
            self.config.name,
            column.name,
            string(&quote(&column.name))
        ))
    }

    /// The key of contracts: their id, else that of the rows, else the person, who is taken to have one at a time.
    fn map_contract(&mut self) {
        if let Some(column) = self.free(Concept::SubscriptionId) {
            self.config.record_key = Some(column_sql(column));
            self.reason(
                "record_key",
                "names the contract: the rows with one key are its changes",
            );
            self.use_column(column);
            return;
        }
        if let Some(column) = self.free(Concept::Key) {
            self.config.record_key = Some(column_sql(column));
            self.reason(
                "record_key",
                "taken to name the contract: the rows with one key are its changes",
            );
            self.use_column(column);
            return;
        }
        let persons = [
            Concept::UserId,
            Concept::CrmId,
            Concept::Email,
            Concept::Phone,
            Concept::NationalId,
        ];
        if let Some(column) = persons.into_iter().find_map(|concept| self.free(concept)) {
            self.config.record_key = Some(column_sql(column));
            self.reason(
                "record_key",
                "no column names the contract: a person is taken to have one at a time, of which the rows are the changes",
            );
        }
    }

    /// What orders the versions of a key, where it is another column than the time.
    pub(super) fn map_versions(&mut self, time: &ColumnFacts) {
        if self.config.record_key.is_none() {
            return;
        }
        let versions = self.versions_by.or_else(|| self.free(Concept::Updated));
        if let Some(column) = versions.filter(|column| column.name != time.name) {
            self.config.updated_at = Some(expression(time_sql(column).0));
            self.reason("updated_at", "orders the versions of one key");
            self.use_column(column);
        }
    }
}

/// The share of keys over all columns that stay as they are.
fn mean(answer: &RepeatedKey) -> f64 {
    let shares = answer.constant.iter().map(|(_, share)| *share);
    shares.sum::<f64>() / answer.constant.len().max(1) as f64
}
