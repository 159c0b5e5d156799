//! Whether the `record_key` of a source is the key of a record, as far as the rows tell that have landed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use perennial_base::Kind;
use perennial_base::config::{Expression, SourceConfig};
use perennial_engine::Engine;
use perennial_engine::expression::{expression, lenient};
use perennial_engine::provider::FileTable;
use perennial_engine::release::source_table;
use perennial_lake::{FileState, SourceFile, SourceManifest};

use crate::error::Result;
use crate::mapping::Mapping;
use crate::records::{input, one_file};
use crate::repeats::hashed;

/// Rows of a sample, about. Of a larger source there are two: the first rows, which have any key of fewer values more than
/// once, and the rows of some keys, which tell of keys whose rows lie far apart.
const COMPARED: u64 = 1_000_000;
/// Columns in front of those that rows are compared by: the key, `updated_at`, `time`.
const LEADING: usize = 3;

/// A `record_key` by which rows are taken for versions of one record that probably are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtfulKey {
    /// The source.
    pub source: String,
    /// The expression of its `record_key`.
    pub key: String,
    /// A value of it that is in doubt.
    pub value: String,
    /// Why.
    pub doubt: Doubt,
    /// Rows that were compared: all of the source, or of a large one the first, or those of some keys.
    pub compared: u64,
}

/// Why a key is in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Rows with one key say different things, and nothing tells which of them is the newest.
    Unordered {
        /// Values of the key, each at one time where there are times.
        keys: u64,
        /// Rows with them.
        rows: u64,
        /// The key of the mapping and the expression by which they are of one time; none where nothing orders versions.
        by: Option<(&'static str, String)>,
    },
    /// Most rows are older versions of others: so many.
    Versions(u64),
}

/// What is in doubt about the key of a source.
///
/// Rows with one key are versions of one record. Which of them counts has to be told by `updated_at`, or by `time` where
/// every change has a time of its own; rows that say different things at one time, or at no time, are probably of different
/// records. Rows that say the same have landed twice. And most rows of a source are hardly versions of the others, unless
/// each of its files is an export of the same records.
///
/// # Errors
/// When the files cannot be read.
pub(crate) async fn doubtful_key(
    engine: &Engine,
    state: &SessionState,
    source: &SourceConfig,
    manifest: &SourceManifest,
    mapping: &Mapping,
) -> Result<Option<DoubtfulKey>> {
    let Some(key) = &source.record_key else {
        return Ok(None);
    };
    // Of other kinds, the time is that of what happened: all versions have it.
    let changes = matches!(source.kind, Kind::Profile | Kind::Subscription);
    let scan = Scan {
        engine,
        state,
        source,
        manifest,
        leading: [
            Some(key),
            source.updated_at.as_ref(),
            source.time.as_ref().filter(|_| changes),
        ],
    };
    let landed: u64 = live_files(manifest).map(|file| file.landed).sum();
    let every = landed.div_ceil(COMPARED).max(1);
    let mut samples = vec![Sample::new(1, COMPARED)];
    if every > 1 {
        samples.insert(0, Sample::new(every, 2 * COMPARED));
    }
    scan.keys(&mut samples).await?;
    let found = |value: String, doubt: Doubt, compared: u64| DoubtfulKey {
        source: source.name.clone(),
        key: key.sql.clone(),
        value,
        doubt,
        compared,
    };
    let said: Vec<String> = mapping
        .reads()
        .into_iter()
        .filter_map(|at| Some(mapping.input().fields().get(at)?.name().clone()))
        // Where a row lies is nothing that it says.
        .filter(|name| !manifest.partitions.contains(name))
        .collect();
    let repeats = samples.iter().any(|sample| sample.older() > 0);
    let exports = repeats && scan.exports(every, &said).await?;
    // The last file by its path counts, which is the newest where they have landed in that order.
    let ordered = exports && live_files(manifest).is_sorted_by_key(|file| file.last_modified);
    let unordered = samples
        .iter()
        .filter(|sample| !ordered && !sample.repeated.is_empty());
    for sample in unordered {
        if let Some(differing) = scan.differing(sample, &said).await? {
            let [_, updated, time] = scan.leading;
            let by = [("updated_at", updated), ("time", time)];
            let by = by
                .into_iter()
                .find_map(|(name, written)| Some((name, written?.sql.clone())));
            let Differing {
                value,
                keys,
                rows,
                compared,
            } = differing;
            return Ok(Some(found(value, Doubt::Unordered { keys, rows, by }, compared)));
        }
    }
    // A subscription is its changes.
    let mostly_older = |sample: &Sample| sample.older() > sample.compared / 2;
    let doubtful = samples
        .into_iter()
        .find(|sample| source.kind != Kind::Subscription && !exports && mostly_older(sample));
    Ok(doubtful.and_then(|sample| {
        let (older, compared) = (sample.older(), sample.compared);
        Some(found(sample.value?, Doubt::Versions(older), compared))
    }))
}

fn live_files(manifest: &SourceManifest) -> impl Iterator<Item = &SourceFile> {
    manifest.files.iter().filter(|file| file.state == FileState::Live)
}

/// What the keys of some rows are. It takes memory for at most as many rows as it has room for.
#[derive(Debug)]
struct Sample {
    /// Of keys one in so many is taken.
    every: u64,
    /// Room for so many rows; those behind them are not taken.
    room: u64,
    /// Rows that were taken.
    compared: u64,
    /// Hashes of their keys.
    keys: HashSet<u64>,
    /// Hashes of their keys with their versions.
    units: HashSet<u64>,
    /// Those of them that more than one row has.
    repeated: HashSet<u64>,
    /// A key that more than one row has.
    value: Option<String>,
}

impl Sample {
    fn new(every: u64, room: u64) -> Self {
        Self {
            every,
            room,
            compared: 0,
            keys: HashSet::new(),
            units: HashSet::new(),
            repeated: HashSet::new(),
            value: None,
        }
    }

    fn take(&mut self, hashes: &Hashes, row: usize) {
        let Some((key, unit)) = hashes
            .of_row(row, self.every)
            .filter(|_| self.compared < self.room)
        else {
            return;
        };
        self.compared += 1;
        if !self.keys.insert(key) && self.value.is_none() {
            self.value = hashes.text(row);
        }
        if !self.units.insert(unit) {
            self.repeated.insert(unit);
        }
    }

    /// Rows that are no first of their key.
    fn older(&self) -> u64 {
        self.compared - self.keys.len() as u64
    }
}

/// Rows of one key and version that say different things.
struct Differing {
    /// The key of one of them.
    value: String,
    /// Keys with such rows.
    keys: u64,
    /// Such rows.
    rows: u64,
    /// Rows that were compared.
    compared: u64,
}

/// The rows of one key, or key and version: what the first says, how many there are, and whether another says something else.
struct Said {
    said: u64,
    rows: u64,
    differ: bool,
}

impl Said {
    fn new(said: u64) -> Self {
        Self {
            said,
            rows: 0,
            differ: false,
        }
    }

    fn take(&mut self, said: u64) {
        self.rows += 1;
        self.differ |= self.said != said;
    }
}

/// Key, and key with version, of the rows of a batch.
struct Hashes {
    keys: Vec<u64>,
    units: Vec<u64>,
    given: ArrayRef,
}

impl Hashes {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let (columns, rows) = (batch.columns(), batch.num_rows());
        Ok(Self {
            keys: hashed(columns.get(..1).unwrap_or_default(), rows)?,
            units: hashed(columns.get(..LEADING).unwrap_or_default(), rows)?,
            given: Arc::clone(batch.column(0)),
        })
    }

    /// Those of a row that is compared: it has a key, and of keys one in `every` is taken.
    fn of_row(&self, row: usize, every: u64) -> Option<(u64, u64)> {
        let key = self.keys.get(row).copied().filter(|_| self.given.is_valid(row))?;
        key.is_multiple_of(every)
            .then(|| (key, self.units.get(row).copied().unwrap_or_default()))
    }

    fn text(&self, row: usize) -> Option<String> {
        let key = arrow::compute::cast(&self.given.slice(row, 1), &DataType::Utf8).ok()?;
        Some(key.as_string_opt::<i32>()?.value(0).to_owned())
    }
}

/// The files of a source.
struct Scan<'a> {
    engine: &'a Engine,
    state: &'a SessionState,
    source: &'a SourceConfig,
    manifest: &'a SourceManifest,
    /// The key, and what orders its versions.
    leading: [Option<&'a Expression>; LEADING],
}

impl Scan<'_> {
    async fn keys(&self, samples: &mut [Sample]) -> Result<()> {
        let mut rows = self.rows(&[]).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let hashes = Hashes::of(&batch)?;
            for sample in &mut *samples {
                for row in 0..batch.num_rows() {
                    sample.take(&hashes, row);
                }
            }
        }
        Ok(())
    }

    /// Of keys and versions that several rows of a sample have, those whose rows differ in these columns.
    async fn differing(&self, sample: &Sample, columns: &[String]) -> Result<Option<Differing>> {
        let mut first: HashMap<u64, Said> = HashMap::new();
        let (mut value, mut compared) = (None, 0);
        let mut rows = self.rows(columns).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let hashes = Hashes::of(&batch)?;
            let said = batch.columns().get(LEADING..).unwrap_or_default();
            for (row, said) in hashed(said, batch.num_rows())?.into_iter().enumerate() {
                let Some((_, unit)) = hashes.of_row(row, sample.every) else {
                    continue;
                };
                compared += 1;
                if !sample.repeated.contains(&unit) {
                    continue;
                }
                let known = first.entry(unit).or_insert(Said::new(said));
                known.take(said);
                if known.differ && value.is_none() {
                    value = hashes.text(row);
                }
            }
        }
        let differ = || first.values().filter(|said| said.differ);
        Ok(value.map(|value| Differing {
            value,
            keys: differ().count() as u64,
            rows: differ().map(|said| said.rows).sum(),
            compared,
        }))
    }

    /// Whether each of several files is an export of the same records, all of them or those that have changed: no file has
    /// a key twice, and most of those that several files have are of the same person, or moment, in all of them.
    async fn exports(&self, every: u64, said: &[String]) -> Result<bool> {
        // Whose a record is, and when it happened, changes least of all that it says.
        let key = self.source.record_key.as_ref().map(|key| key.sql.as_str());
        let state = matches!(self.source.kind, Kind::Profile | Kind::Subscription);
        let people = self.source.identifiers.iter().map(|(_, written)| written);
        let lasting: Vec<&Expression> = people
            .chain(self.source.time.as_ref().filter(|_| !state))
            .filter(|written| Some(written.sql.as_str()) != key)
            .collect();
        let said = if lasting.is_empty() { said } else { &[] };
        let (columns, partitions) = input(self.manifest);
        let mut known: HashMap<u64, Said> = HashMap::new();
        for file in live_files(self.manifest) {
            let mut keys = HashSet::new();
            let table = one_file(self.engine, &columns, &partitions, file)?;
            let mut rows = self.of_table(table, said, &lasting).await?;
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let hashes = Hashes::of(&batch)?;
                let said = batch.columns().get(LEADING..).unwrap_or_default();
                for (row, said) in hashed(said, batch.num_rows())?.into_iter().enumerate() {
                    let Some((key, _)) = hashes.of_row(row, every) else {
                        continue;
                    };
                    if !keys.insert(key) {
                        return Ok(false);
                    }
                    known.entry(key).or_insert(Said::new(said)).take(said);
                }
            }
        }
        let several = || known.values().filter(|said| said.rows > 1);
        // Of a large source those of some keys are looked at, among which may be none that two files have.
        let differ = several().filter(|said| said.differ).count();
        Ok(several().count() > 2 * differ)
    }

    /// What leads, and these columns, of all rows that the source's filter leaves.
    async fn rows(&self, columns: &[String]) -> Result<SendableRecordBatchStream> {
        self.of_table(source_table(self.engine.lake(), self.manifest)?, columns, &[])
            .await
    }

    /// The same of a table with the columns of the source, and then these expressions.
    async fn of_table(
        &self,
        table: FileTable,
        columns: &[String],
        expressions: &[&Expression],
    ) -> Result<SendableRecordBatchStream> {
        let table: Arc<dyn TableProvider> = Arc::new(table);
        let schema = DFSchema::try_from(table.schema())?;
        let planned = |written: &Expression| -> Result<Expr> {
            Ok(expression(self.state, &written.sql, &schema).and_then(lenient)?)
        };
        let mut exprs = Vec::with_capacity(LEADING + columns.len());
        for (place, written) in self.leading.into_iter().enumerate() {
            let expr = written.map(planned).transpose()?;
            let expr = expr.unwrap_or_else(|| lit(ScalarValue::Null));
            exprs.push(expr.alias(format!("leading column {place}")));
        }
        exprs.extend(columns.iter().map(ident));
        for (place, written) in expressions.iter().enumerate() {
            exprs.push(planned(written)?.alias(format!("expression {place}")));
        }
        let source = provider_as_source(table);
        let mut plan = LogicalPlanBuilder::scan(self.source.name.as_str(), source, None)?;
        if let Some(filter) = &self.source.filter {
            plan = plan.filter(planned(filter)?)?;
        }
        let plan = plan.project(exprs)?.build()?;
        let plan = self.state.create_physical_plan(&plan).await?;
        Ok(execute_stream(plan, self.state.task_ctx())?)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::{Field, Schema};

    use super::*;

    /// What a sample says of so many rows of which row n has this key: rows taken, different keys, keys that repeat.
    fn taken(sample: &mut Sample, rows: i64, key: impl Fn(i64) -> i64) -> (u64, usize, usize) {
        let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![field("key"), field("updated"), field("time")]));
        for from in (0..rows).step_by(1_000) {
            let numbers: Vec<i64> = (from..rows.min(from + 1_000)).collect();
            let none = || column(vec![0; numbers.len()]);
            let keys = column(numbers.iter().map(|row| key(*row)).collect());
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![keys, none(), none()]).unwrap();
            let hashes = Hashes::of(&batch).unwrap();
            for row in 0..batch.num_rows() {
                sample.take(&hashes, row);
            }
        }
        (sample.compared, sample.keys.len(), sample.repeated.len())
    }

    #[test]
    fn the_first_rows_have_every_key_of_few_values_more_than_once() {
        // Each of the keys alone, and so whichever of them a sample by keys would have left out.
        for key in 0..50 {
            let mut sample = Sample::new(1, 1_000);
            assert_eq!(taken(&mut sample, 20_000, |_| key), (1_000, 1, 1));
            assert_eq!(sample.value, Some(key.to_string()));
            assert_eq!(sample.older(), 999);
        }
        // Of 1,000 rows with 990 keys in turn, the last ten have a key for the second time.
        let mut sample = Sample::new(1, 1_000);
        assert_eq!(taken(&mut sample, 20_000, |row| row % 990), (1_000, 990, 10));
    }

    #[test]
    fn rows_of_some_keys_find_a_key_whose_rows_lie_far_apart_and_take_no_more_room_than_there_is() {
        let mut sample = Sample::new(20, 2_000);
        let (rows, keys, repeated) = taken(&mut sample, 20_000, |row| row % 10_000);
        // Each key has two rows, of which both are taken or none.
        assert_eq!((rows, repeated), (2 * keys as u64, keys));
        assert!((300..700).contains(&keys), "{keys} of 10,000 keys, one in 20");
        let mut sample = Sample::new(1, 2_000);
        assert_eq!(taken(&mut sample, 20_000, |row| row).0, 2_000);
        assert!(sample.keys.len() + sample.units.len() <= 4_000);
    }
}
