//! What the snapshot before says of the identities and links of a bucket's customers: since when.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, Schema, TimestampMicrosecondType};
use perennial_base::relation::{PUBLIC, relation};
use perennial_identity::CustomerId;
use perennial_lake::{DataFile, Manifest, Scalar};
use xxhash_rust::xxh3::Xxh3;

use crate::columns::{counts, instants, texts, written_schema};
use crate::error::Result;
use crate::stored::{Tables, Touched};

/// What of a customer holds for a time: the table of what holds, that of the times that are over, and the columns of text
/// that say what it is.
#[derive(Debug, Clone, Copy)]
struct Holding {
    now: &'static str,
    over: &'static str,
    texts: &'static [&'static str],
}

const IDENTITIES: Holding = Holding {
    now: "identities",
    over: "identity_history",
    texts: &["customer_id", "type", "value"],
};

const LINKS: Holding = Holding {
    now: "identity_links",
    over: "identity_link_history",
    texts: &[
        "customer_id",
        "source_a",
        "record_a",
        "source_b",
        "record_b",
        "reason",
        "type",
        "value",
    ],
};

/// The tables of the snapshot before, and the snapshot that comes.
#[derive(Debug)]
pub(crate) struct Before {
    stored: Tables,
    manifest: Option<Manifest>,
    /// The groups that are worked out anew, where not all are.
    touched: Option<Touched>,
    /// The number of the snapshot that this run makes, and its moment.
    pub(crate) number: u64,
    pub(crate) moment: i64,
}

/// What the snapshot before says of a range of ids.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) identities: Times,
    pub(crate) links: Times,
}

/// Since when what holds does, and the times that are over.
#[derive(Debug)]
pub(crate) struct Times {
    of: Holding,
    since: HashMap<u64, (i64, i64)>,
    rows: Vec<Row>,
    over: Vec<(Row, i64, i64)>,
    number: u64,
    moment: i64,
}

/// Something that holds, or did, since a moment and its snapshot.
#[derive(Debug)]
struct Row {
    texts: Vec<Option<String>>,
    from: i64,
    snapshot: i64,
}

impl Row {
    fn hash(&self) -> u64 {
        let texts: Vec<&str> = self
            .texts
            .iter()
            .map(|text| text.as_deref().unwrap_or_default())
            .collect();
        hash(&texts)
    }
}

impl Before {
    pub(crate) fn new(
        stored: &Tables,
        previous: Option<&Manifest>,
        touched: Option<&Touched>,
        moment: i64,
    ) -> Self {
        Self {
            stored: stored.clone(),
            manifest: previous.cloned(),
            touched: touched.cloned(),
            number: previous.map_or(1, |previous| previous.number + 1),
            moment,
        }
    }

    /// What is known of the ids in bucket `bucket` of 2^`bits`.
    pub(crate) async fn of(&self, bucket: u32, bits: u32) -> Result<Past> {
        Ok(Past {
            identities: self.times(IDENTITIES, bucket, bits).await?,
            links: self.times(LINKS, bucket, bits).await?,
        })
    }

    async fn times(&self, of: Holding, bucket: u32, bits: u32) -> Result<Times> {
        let mut times = Times {
            of,
            since: HashMap::new(),
            rows: Vec::new(),
            over: Vec::new(),
            number: self.number,
            moment: self.moment,
        };
        let mine = |id: &str| id.parse::<CustomerId>().is_ok_and(|id| id.bucket(bits) == bucket);
        let ends: &[(&str, &[&str])] = &[
            (of.now, &["valid_from", "snapshot"]),
            (
                of.over,
                &["valid_from", "valid_to", "from_snapshot", "to_snapshot"],
            ),
        ];
        for (table, dates) in ends {
            let stored = self.manifest.as_ref().map(|manifest| &manifest.tables);
            let Some(table) = stored.and_then(|tables| tables.get(&format!("{PUBLIC}.{table}"))) else {
                continue;
            };
            let mut overlapping = table.clone();
            overlapping.files.retain(|file| overlaps(file, bucket, bits));
            let columns = [of.texts, *dates].concat();
            for file in self.stored.files_of(&overlapping, self.touched.as_ref()).await? {
                for batch in file.rows(&columns).await? {
                    times.take(&batch, mine);
                }
            }
        }
        Ok(times)
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

impl Times {
    /// Since when, and since which snapshot, what these texts say holds.
    pub(crate) fn since(&self, texts: &[&str]) -> (i64, i64) {
        let known = self.since.get(&hash(texts));
        known.copied().unwrap_or((self.moment, self.number as i64))
    }

    /// The times that are over: those known before, and those of what `now`, the table of what holds, has no more.
    pub(crate) fn history(mut self, now: &RecordBatch) -> Result<RecordBatch> {
        let Some(relation) = relation(PUBLIC, self.of.over) else {
            return Ok(RecordBatch::new_empty(Arc::new(Schema::empty())));
        };
        let columns: Vec<_> = self.of.texts.iter().map(|name| text(now, name)).collect();
        let current: HashSet<u64> = (0..now.num_rows())
            .map(|row| {
                hash(
                    &columns
                        .iter()
                        .map(|column| value(*column, row).unwrap_or_default())
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        let (moment, number) = (self.moment, self.number as i64);
        let gone = self.rows.into_iter().filter(|row| !current.contains(&row.hash()));
        self.over.extend(gone.map(|row| (row, moment, number)));
        let over = &self.over;
        let mut columns: Vec<ArrayRef> = (0..self.of.texts.len())
            .map(|at| texts(over.iter().map(|(row, ..)| row.texts.get(at)?.as_deref())))
            .collect();
        columns.extend([
            instants(over.iter().map(|(row, ..)| Some(row.from))),
            instants(over.iter().map(|(_, to, _)| Some(*to))),
            counts(over.iter().map(|(row, ..)| row.snapshot as u64)),
            counts(over.iter().map(|(_, _, snapshot)| *snapshot as u64)),
        ]);
        Ok(RecordBatch::try_new(written_schema(relation), columns)?)
    }

    /// Takes in the rows of a table whose ids are `mine`.
    fn take(&mut self, batch: &RecordBatch, mine: impl Fn(&str) -> bool) {
        let number = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let instant = |name: &str| {
            batch
                .column_by_name(name)?
                .as_primitive_opt::<TimestampMicrosecondType>()
        };
        let columns: Vec<_> = self.of.texts.iter().map(|name| text(batch, name)).collect();
        let Some(snapshot) = number("snapshot").or_else(|| number("from_snapshot")) else {
            // A table of an earlier version does not know since when; what is known from now on is right.
            return;
        };
        let (from, ended) = (
            instant("valid_from"),
            instant("valid_to").zip(number("to_snapshot")),
        );
        for row in 0..batch.num_rows() {
            let of_row = columns.iter().map(|column| value(*column, row));
            let of_row: Vec<Option<&str>> = of_row.collect();
            if !of_row.first().copied().flatten().is_some_and(&mine) {
                continue;
            }
            let known = Row {
                texts: of_row.into_iter().map(|text| text.map(str::to_owned)).collect(),
                // An earlier version knew the snapshot of a link alone.
                from: from.map_or(self.moment, |from| from.value(row)),
                snapshot: snapshot.value(row),
            };
            match ended {
                Some((to, in_snapshot)) => self.over.push((known, to.value(row), in_snapshot.value(row))),
                None => {
                    self.since.insert(known.hash(), (known.from, known.snapshot));
                    self.rows.push(known);
                }
            }
        }
    }
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn value(column: Option<&StringArray>, row: usize) -> Option<&str> {
    column
        .filter(|column| column.is_valid(row))
        .map(|column| column.value(row))
}
