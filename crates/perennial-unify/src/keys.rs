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
use perennial_engine::release::source_table;
use perennial_lake::{FileState, SourceManifest};

use crate::error::Result;
use crate::mapping::Mapping;
use crate::repeats::hashed;

/// Rows that are compared with each other, about: of a larger source those of some keys, and of these all.
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
    /// Rows that were compared: all of the source, or of a large one those of some keys.
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
/// records. Rows that say the same have landed twice. And most rows of a source are hardly versions of the others.
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
    let live = manifest.files.iter().filter(|file| file.state == FileState::Live);
    let landed: u64 = live.map(|file| file.landed).sum();
    let every = landed.div_ceil(COMPARED).max(1);
    let met = scan.keys(every).await?;
    let found = |value: String, doubt: Doubt| DoubtfulKey {
        source: source.name.clone(),
        key: key.sql.clone(),
        value,
        doubt,
        compared: met.compared,
    };
    if !met.repeated.is_empty() {
        let said: Vec<String> = mapping
            .reads()
            .into_iter()
            .filter_map(|at| Some(mapping.input().fields().get(at)?.name().clone()))
            // Where a row lies is nothing that it says.
            .filter(|name| !manifest.partitions.contains(name))
            .collect();
        if let Some((value, keys, rows)) = scan.differing(every, &met.repeated, &said).await? {
            let [_, updated, time] = scan.leading;
            let by = [("updated_at", updated), ("time", time)];
            let by = by
                .into_iter()
                .find_map(|(name, written)| Some((name, written?.sql.clone())));
            return Ok(Some(found(value, Doubt::Unordered { keys, rows, by })));
        }
    }
    let older = met.compared - met.keys;
    // A subscription is its changes.
    let doubtful = source.kind != Kind::Subscription && older > met.compared / 2;
    let value = met.value.filter(|_| doubtful);
    Ok(value.map(|value| found(value, Doubt::Versions(older))))
}

/// What the keys of a source are.
#[derive(Default)]
struct Met {
    /// Rows that were compared.
    compared: u64,
    /// Different keys.
    keys: u64,
    /// Hashes of keys with their versions that more than one row has.
    repeated: HashSet<u64>,
    /// A key that more than one row has.
    value: Option<String>,
}

/// The rows of one key and version: what the first says, how many there are, and whether another says something else.
struct Said {
    said: u64,
    rows: u64,
    differ: bool,
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
    async fn keys(&self, every: u64) -> Result<Met> {
        let mut met = Met::default();
        let (mut keys, mut units) = (HashSet::new(), HashSet::new());
        let mut rows = self.rows(&[]).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let hashes = Hashes::of(&batch)?;
            for row in 0..batch.num_rows() {
                let Some((key, unit)) = hashes.of_row(row, every) else {
                    continue;
                };
                met.compared += 1;
                if !keys.insert(key) && met.value.is_none() {
                    met.value = hashes.text(row);
                }
                if !units.insert(unit) {
                    met.repeated.insert(unit);
                }
            }
        }
        met.keys = keys.len() as u64;
        Ok(met)
    }

    /// Of keys and versions that several rows have, those whose rows differ in these columns: the key of one, how many there
    /// are, and their rows.
    async fn differing(
        &self,
        every: u64,
        repeated: &HashSet<u64>,
        columns: &[String],
    ) -> Result<Option<(String, u64, u64)>> {
        let mut first: HashMap<u64, Said> = HashMap::new();
        let mut value = None;
        let mut rows = self.rows(columns).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let hashes = Hashes::of(&batch)?;
            let said = batch.columns().get(LEADING..).unwrap_or_default();
            for (row, said) in hashed(said, batch.num_rows())?.into_iter().enumerate() {
                let unit = hashes.of_row(row, every).map(|(_, unit)| unit);
                let Some(unit) = unit.filter(|unit| repeated.contains(unit)) else {
                    continue;
                };
                let known = first.entry(unit).or_insert(Said {
                    said,
                    rows: 0,
                    differ: false,
                });
                known.rows += 1;
                known.differ |= known.said != said;
                if known.differ && value.is_none() {
                    value = hashes.text(row);
                }
            }
        }
        let differ = || first.values().filter(|said| said.differ);
        let rows = differ().map(|said| said.rows).sum();
        Ok(value.map(|value| (value, differ().count() as u64, rows)))
    }

    /// What leads, and these columns, of all rows that the source's filter leaves.
    async fn rows(&self, columns: &[String]) -> Result<SendableRecordBatchStream> {
        let table: Arc<dyn TableProvider> = Arc::new(source_table(self.engine.lake(), self.manifest)?);
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
