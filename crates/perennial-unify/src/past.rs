//! What the snapshot before says of the identities of a bucket's customers: since when.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use perennial_base::relation::{PUBLIC, relation};
use perennial_identity::CustomerId;
use perennial_lake::{DataFile, Manifest, Scalar, TableManifest};
use xxhash_rust::xxh3::Xxh3;

use crate::columns::{counts, instants, texts, written_schema};
use crate::error::Result;
use crate::stored::{Tables, Touched};

/// The tables, and the columns that are read of each.
const TABLES: [(&str, &[&str]); 3] = [
    (
        "public.identities",
        &["customer_id", "type", "value", "valid_from", "snapshot"],
    ),
    (
        "public.identity_history",
        &[
            "customer_id",
            "type",
            "value",
            "valid_from",
            "valid_to",
            "from_snapshot",
            "to_snapshot",
        ],
    ),
    (
        "public.identity_links",
        &[
            "customer_id",
            "source_a",
            "record_a",
            "source_b",
            "record_b",
            "reason",
            "type",
            "value",
            "snapshot",
        ],
    ),
];

/// The tables of the snapshot before, and the snapshot that comes.
#[derive(Debug)]
pub(crate) struct Before {
    stored: Tables,
    tables: Vec<(&'static str, &'static [&'static str], TableManifest)>,
    /// The groups that are worked out anew, where not all are.
    touched: Option<Touched>,
    /// The number of the snapshot that this run makes, and its moment.
    pub(crate) number: u64,
    pub(crate) moment: i64,
}

/// The identities of a range of ids in the snapshot before.
#[derive(Debug)]
pub(crate) struct Past {
    /// Since when and since which snapshot a value names a customer, by their hash.
    identities: HashMap<u64, (i64, i64)>,
    links: HashMap<u64, i64>,
    rows: Vec<Identity>,
    history: Vec<Closed>,
    number: u64,
    moment: i64,
}

#[derive(Debug)]
struct Identity {
    customer: String,
    kind: String,
    value: String,
    from: i64,
    snapshot: i64,
}

/// A time that is over.
#[derive(Debug)]
struct Closed {
    identity: Identity,
    to: i64,
    to_snapshot: i64,
}

impl Before {
    pub(crate) fn new(
        stored: &Tables,
        previous: Option<&Manifest>,
        touched: Option<&Touched>,
        moment: i64,
    ) -> Self {
        let tables = TABLES
            .into_iter()
            .filter_map(|(name, columns)| Some((name, columns, previous?.tables.get(name)?.clone())))
            .collect();
        Self {
            stored: stored.clone(),
            tables,
            touched: touched.cloned(),
            number: previous.map_or(1, |previous| previous.number + 1),
            moment,
        }
    }

    /// What is known of the ids in bucket `bucket` of 2^`bits`.
    pub(crate) async fn of(&self, bucket: u32, bits: u32) -> Result<Past> {
        let mut past = Past {
            identities: HashMap::new(),
            links: HashMap::new(),
            rows: Vec::new(),
            history: Vec::new(),
            number: self.number,
            moment: self.moment,
        };
        for (name, columns, table) in &self.tables {
            let mut overlapping = table.clone();
            overlapping.files.retain(|file| overlaps(file, bucket, bits));
            for file in self.stored.files_of(&overlapping, self.touched.as_ref()).await? {
                for batch in file.rows(columns).await? {
                    past.take(name, &batch, |id| {
                        id.parse::<CustomerId>().is_ok_and(|id| id.bucket(bits) == bucket)
                    });
                }
            }
        }
        Ok(past)
    }
}

/// Whether a file may have rows of a bucket.
fn overlaps(file: &DataFile, bucket: u32, bits: u32) -> bool {
    let shift = 128 - bits;
    let first = u128::from(bucket).checked_shl(shift).unwrap_or(0);
    let last = first | u128::MAX.checked_shr(bits).unwrap_or(0);
    let text = |bound: u128| CustomerId::from_hash(bound).to_string();
    let Some(stats) = file.columns.iter().find(|column| column.name == "customer_id") else {
        return true;
    };
    let below = matches!(&stats.max, Some(Scalar::Text(max)) if *max < text(first));
    let above = matches!(&stats.min, Some(Scalar::Text(min)) if *min > text(last));
    !below && !above
}

/// A hash of texts, each with its length.
fn hash(texts: &[&str]) -> u64 {
    let mut hasher = Xxh3::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.digest()
}

impl Past {
    /// Since when and since which snapshot a value names a customer.
    pub(crate) fn since(&self, customer: &str, kind: &str, value: &str) -> (i64, i64) {
        let known = self.identities.get(&hash(&[customer, kind, value]));
        known.copied().unwrap_or((self.moment, self.number as i64))
    }

    /// The first snapshot with a link, named by all its texts.
    pub(crate) fn linked(&self, texts: &[&str]) -> i64 {
        let known = self.links.get(&hash(texts));
        known.copied().unwrap_or(self.number as i64)
    }

    /// The times that are over: those known before, and those of values that `now` names the customer of no more.
    pub(crate) fn history(mut self, now: &RecordBatch) -> Result<Option<RecordBatch>> {
        let Some(relation) = relation(PUBLIC, "identity_history") else {
            return Ok(None);
        };
        let text = |column: usize, row: usize| now.column(column).as_string::<i32>().value(row);
        let current: HashSet<u64> = (0..now.num_rows())
            .map(|row| hash(&[text(0, row), text(1, row), text(2, row)]))
            .collect();
        for identity in self.rows {
            if !current.contains(&hash(&[&identity.customer, &identity.kind, &identity.value])) {
                self.history.push(Closed {
                    identity,
                    to: self.moment,
                    to_snapshot: self.number as i64,
                });
            }
        }
        let rows = &self.history;
        Ok(Some(RecordBatch::try_new(
            written_schema(relation),
            vec![
                texts(rows.iter().map(|row| Some(row.identity.customer.as_str()))),
                texts(rows.iter().map(|row| Some(row.identity.kind.as_str()))),
                texts(rows.iter().map(|row| Some(row.identity.value.as_str()))),
                instants(rows.iter().map(|row| Some(row.identity.from))),
                instants(rows.iter().map(|row| Some(row.to))),
                counts(rows.iter().map(|row| row.identity.snapshot as u64)),
                counts(rows.iter().map(|row| row.to_snapshot as u64)),
            ],
        )?))
    }

    /// Takes in the rows of a table whose ids are `mine`.
    fn take(&mut self, table: &str, batch: &RecordBatch, mine: impl Fn(&str) -> bool) {
        let text = |name: &str| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt::<i32>())
        };
        let number = |name: &str| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_primitive_opt::<Int64Type>())
        };
        let instant = |name: &str| {
            let column = batch.column_by_name(name);
            column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        };
        let Some(customers) = text("customer_id") else {
            return;
        };
        let rows = (0..batch.num_rows()).filter(|row| mine(customers.value(*row)));
        match table {
            "public.identity_links" => {
                let columns = [
                    "source_a", "record_a", "source_b", "record_b", "reason", "type", "value",
                ]
                .map(text);
                // A table of an earlier version does not know since when; what is known from now on is right.
                let Some(snapshot) = number("snapshot") else {
                    return;
                };
                for row in rows {
                    let of_row = columns.map(|column| {
                        column
                            .filter(|column| column.is_valid(row))
                            .map_or("", |column| column.value(row))
                    });
                    let texts = [&[customers.value(row)], &of_row[..]].concat();
                    self.links.insert(hash(&texts), snapshot.value(row));
                }
            }
            _ => {
                let (Some(kinds), Some(values)) = (text("type"), text("value")) else {
                    return;
                };
                let Some(from) = instant("valid_from") else { return };
                let closed = instant("valid_to").zip(number("to_snapshot"));
                let Some(snapshot) = number("snapshot").or_else(|| number("from_snapshot")) else {
                    return;
                };
                for row in rows {
                    let identity = Identity {
                        customer: customers.value(row).to_owned(),
                        kind: kinds.value(row).to_owned(),
                        value: values.value(row).to_owned(),
                        from: from.value(row),
                        snapshot: snapshot.value(row),
                    };
                    match closed {
                        Some((to, to_snapshot)) => self.history.push(Closed {
                            identity,
                            to: to.value(row),
                            to_snapshot: to_snapshot.value(row),
                        }),
                        None => {
                            let key = hash(&[&identity.customer, &identity.kind, &identity.value]);
                            self.identities.insert(key, (identity.from, identity.snapshot));
                            self.rows.push(identity);
                        }
                    }
                }
            }
        }
    }
}
