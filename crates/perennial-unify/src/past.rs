//! What the snapshot before says of the identities and links of a bucket's customers: since when.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Int64Type, Schema, TimestampMicrosecondType};
use futures::StreamExt;
use perennial_base::relation::{PUBLIC, relation};
use perennial_identity::CustomerId;
use perennial_lake::{DataFile, Manifest, Scalar};
use xxhash_rust::xxh3::Xxh3;

use crate::columns::{counts, instants, written_schema};
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

/// The columns behind those texts, in both tables.
const SINCE: [&str; 2] = ["valid_from", "snapshot"];
const FROM_TO: [&str; 4] = ["valid_from", "valid_to", "from_snapshot", "to_snapshot"];

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
#[derive(Debug, Clone)]
pub(crate) struct Before {
    stored: Tables,
    manifest: Option<Arc<Manifest>>,
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
    before: Before,
    bucket: (u32, u32),
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
            manifest: previous.cloned().map(Arc::new),
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
            before: self.clone(),
            bucket: (bucket, bits),
        };
        for batch in self.rows(of.now, of, &SINCE, (bucket, bits)).await? {
            // A table of an earlier version does not know since when; what is known from now on is right.
            let (Some(from), Some(snapshot)) = (instant(&batch, "valid_from"), number(&batch, "snapshot"))
            else {
                continue;
            };
            let hashes = hashes(&batch, of).into_iter().enumerate();
            times
                .since
                .extend(hashes.map(|(row, hash)| (hash, (from.value(row), snapshot.value(row)))));
        }
        Ok(times)
    }

    /// The texts of `of`, and more columns, of a table in the snapshot before, of the ids in a bucket.
    async fn rows(
        &self,
        table: &str,
        of: Holding,
        more: &[&'static str],
        (bucket, bits): (u32, u32),
    ) -> Result<Vec<RecordBatch>> {
        let stored = self.manifest.as_ref().map(|manifest| &manifest.tables);
        let Some(table) = stored.and_then(|tables| tables.get(&format!("{PUBLIC}.{table}"))) else {
            return Ok(Vec::new());
        };
        let mut overlapping = table.clone();
        overlapping.files.retain(|file| overlaps(file, bucket, bits));
        let columns = [of.texts, more].concat();
        let mine = |id: Option<&str>| {
            let id = id.and_then(|id| id.parse::<CustomerId>().ok());
            Some(id.is_some_and(|id| id.bucket(bits) == bucket))
        };
        let mut rows = Vec::new();
        let files = self.stored.files_of(&overlapping, self.touched.as_ref()).await?;
        let mut read = self.stored.read(files, &columns);
        while let Some(batches) = read.next().await {
            for batch in batches? {
                if let Some(ids) = text(&batch, "customer_id") {
                    let mine: BooleanArray = ids.iter().map(mine).collect();
                    rows.push(filter_record_batch(&batch, &mine)?);
                }
            }
        }
        Ok(rows)
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
        known
            .copied()
            .unwrap_or((self.before.moment, self.before.number as i64))
    }

    /// The times that are over: those known before, and those of what `now`, the table of what holds, has no more.
    pub(crate) async fn history(self, now: &RecordBatch) -> Result<RecordBatch> {
        let Some(relation) = relation(PUBLIC, self.of.over) else {
            return Ok(RecordBatch::new_empty(Arc::new(Schema::empty())));
        };
        let (before, schema) = (&self.before, written_schema(relation));
        let mut over = Vec::new();
        for batch in before.rows(self.of.over, self.of, &FROM_TO, self.bucket).await? {
            over.push(RecordBatch::try_new(
                Arc::clone(&schema),
                batch.columns().to_vec(),
            )?);
        }
        let current: HashSet<u64> = hashes(now, self.of).into_iter().collect();
        // Mostly all of it holds on, and is not read again.
        if self.since.keys().any(|hash| !current.contains(hash)) {
            for batch in before.rows(self.of.now, self.of, &SINCE, self.bucket).await? {
                let hashes = hashes(&batch, self.of).into_iter();
                let gone: BooleanArray = hashes.map(|hash| Some(!current.contains(&hash))).collect();
                let rows = gone.true_count();
                let mut columns = filter_record_batch(&batch, &gone)?.columns().to_vec();
                let Some(snapshot) = columns.pop() else { continue };
                columns.push(instants((0..rows).map(|_| Some(before.moment))));
                columns.push(snapshot);
                columns.push(counts((0..rows).map(|_| before.number)));
                over.push(RecordBatch::try_new(Arc::clone(&schema), columns)?);
            }
        }
        Ok(concat_batches(&schema, &over)?)
    }
}

/// What each row says, as one number.
fn hashes(batch: &RecordBatch, of: Holding) -> Vec<u64> {
    let columns: Vec<_> = of.texts.iter().map(|name| text(batch, name)).collect();
    let of_row = |row: usize| {
        let texts = columns
            .iter()
            .map(|column| value(*column, row).unwrap_or_default());
        hash(&texts.collect::<Vec<_>>())
    };
    (0..batch.num_rows()).map(of_row).collect()
}

fn number<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()
}

fn instant<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a TimestampMicrosecondArray> {
    batch
        .column_by_name(name)?
        .as_primitive_opt::<TimestampMicrosecondType>()
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn value(column: Option<&StringArray>, row: usize) -> Option<&str> {
    column
        .filter(|column| column.is_valid(row))
        .map(|column| column.value(row))
}
