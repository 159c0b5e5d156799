//! The rows of one key, of files that are sorted by it: a page or two instead of a scan.
//!
//! A scan of a Parquet file costs a fraction of a millisecond for each column, whatever it gives: readers, decompressors and
//! pages are made for it, of which one row is kept. Here decoded pages are kept instead ([`pages`]), the bounds of a file's
//! pages are read once, and a look-up is two binary searches.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchOptions, StringViewArray, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use perennial_lake::{Lake, RowSet};

use crate::keyed::pages::{KeyedFile, Pages, Reader};
use crate::pinned::PinnedReaders;
use crate::session::parameters::open::Key;

pub(crate) mod pages;

/// So many rows a key is taken to have, where plans are chosen by size.
const ROWS_OF_A_KEY: usize = 64;

/// The files of a table that is sorted by text, to be asked for one value of it.
#[derive(Debug)]
pub(crate) struct KeyedFiles {
    lake: Lake,
    schema: SchemaRef,
    /// The column by which all files are sorted.
    column: usize,
    files: Vec<KeyedFile>,
}

impl KeyedFiles {
    /// Files with the table's columns, all of them sorted by `column`, ascending with NULLs last, each with the number of its
    /// rows and those of them that do not count; none when the column is no text.
    pub(crate) fn new(
        lake: &Lake,
        schema: &SchemaRef,
        column: usize,
        files: &[PartitionedFile],
        counted: Vec<(u64, Option<Arc<RowSet>>)>,
    ) -> Option<Self> {
        let files = files.iter().zip(counted);
        (schema.field(column).data_type() == &DataType::Utf8View).then(|| Self {
            lake: lake.clone(),
            schema: Arc::clone(schema),
            column,
            files: files
                .map(|(file, (rows, mask))| KeyedFile::new(file, column, rows, mask))
                .collect(),
        })
    }

    /// The key that filters, which all hold, fix.
    pub(crate) fn key(&self, filters: &[Expr]) -> Option<Key> {
        let name = self.schema.field(self.column).name();
        let is_column = |side: &Expr| matches!(side, Expr::Column(column) if column.name() == name);
        filters.iter().find_map(|filter| {
            let Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) = filter
            else {
                return None;
            };
            let value = match (is_column(left), is_column(right)) {
                (true, false) => right,
                (false, true) => left,
                _ => return None,
            };
            Key::of(value)
        })
    }

    /// The numbers of the files that may have rows of a key.
    fn with(&self, key: &str) -> Vec<usize> {
        let files = self.files.iter().enumerate();
        files
            .filter(|(_, file)| file.may_have(key))
            .map(|(at, _)| at)
            .collect()
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct KeyScan {
    table: Arc<KeyedFiles>,
    key: Key,
    projection: Vec<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl KeyScan {
    pub(crate) fn try_new(table: Arc<KeyedFiles>, key: Key, projection: Option<&Vec<usize>>) -> Result<Self> {
        let projection = match projection {
            Some(columns) => columns.clone(),
            None => (0..table.schema.fields().len()).collect(),
        };
        let schema = Arc::new(table.schema.project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            table,
            key,
            projection,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for KeyScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, .. } = self;
        write!(f, "KeyScan: {} = {key}", table.schema.field(table.column).name())?;
        let Key::Known(value) = key else {
            return Ok(());
        };
        let files = table.with(value);
        let paths = files.into_iter().filter_map(|at| table.files.get(at));
        let paths: Vec<_> = paths.map(|file| file.path().as_ref()).collect();
        write!(f, ", files=[{}]", paths.join(", "))
    }
}

impl ExecutionPlan for KeyScan {
    fn name(&self) -> &'static str {
        "KeyScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            metrics: ExecutionPlanMetricsSet::new(),
            ..Self::clone(&self)
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(pages) = context.session_config().get_extension::<Pages>() else {
            return internal_err!("a look-up by key without pages");
        };
        let schema = Arc::clone(self.properties.eq_properties.schema());
        // Nothing equals NULL.
        let Some(key) = self.key.value()? else {
            let none = stream::empty();
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, none)));
        };
        let footers = context.runtime_env().cache_manager.get_file_metadata_cache();
        let counter = |name| MetricBuilder::new(&self.metrics).counter(name, partition);
        let lookup = Arc::new(LookUp {
            readers: PinnedReaders::new(&self.table.lake, footers),
            table: Arc::clone(&self.table),
            key,
            projection: self.projection.clone(),
            schema: Arc::clone(&schema),
            pages,
            metrics: self.metrics.clone(),
            matched: counter("pages_matched"),
            decoded: counter("pages_decoded"),
        });
        let files = stream::iter(self.table.with(&lookup.key));
        let finder = Arc::clone(&lookup);
        let batches = files
            .then(move |file| {
                let finder = Arc::clone(&finder);
                async move { finder.find(file).await }
            })
            .map_ok(|found| stream::iter(found.into_iter().map(Ok)))
            .try_flatten()
            .and_then(move |(file, page)| {
                let lookup = Arc::clone(&lookup);
                async move { lookup.rows(file, page).await }
            });
        let batches = RecordBatchStreamAdapter::new(schema, batches.boxed());
        Ok(Box::pin(cooperative(batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(self.properties.eq_properties.schema());
        statistics.num_rows = Precision::Inexact(ROWS_OF_A_KEY);
        Ok(Arc::new(statistics))
    }
}

/// A running look-up.
#[derive(Debug)]
struct LookUp {
    readers: PinnedReaders,
    table: Arc<KeyedFiles>,
    key: String,
    projection: Vec<usize>,
    schema: SchemaRef,
    pages: Arc<Pages>,
    metrics: ExecutionPlanMetricsSet,
    matched: Count,
    decoded: Count,
}

impl LookUp {
    fn file(&self, at: usize) -> Result<&KeyedFile> {
        match self.table.files.get(at) {
            Some(file) => Ok(file),
            None => internal_err!("file {at} of a table with fewer"),
        }
    }

    /// The pages of a file that may have rows of the key.
    async fn find(&self, at: usize) -> Result<Vec<(usize, usize)>> {
        let file = self.file(at)?;
        let key = self.table.schema.field(self.table.column).name();
        let bounds = file.bounds(key, || self.reader(file)).await?;
        Ok(bounds.with(&self.key).map(|page| (at, page)).collect())
    }

    fn reader(&self, file: &KeyedFile) -> Result<Reader> {
        self.readers.create_reader(0, file.planned(), None, &self.metrics)
    }

    /// The rows of the key in a page, which may be none.
    async fn rows(&self, at: usize, page: usize) -> Result<RecordBatch> {
        let file = self.file(at)?;
        let fields = self.table.schema.fields();
        let key = &fields[self.table.column];
        let wanted: Vec<&FieldRef> = self.projection.iter().map(|column| &fields[*column]).collect();
        let names = wanted.iter().chain([&key]).map(|field| field.name().as_str());
        let bounds = file.bounds(key.name(), || self.reader(file)).await?;
        let (columns, decoded) = bounds
            .page(page, names, &self.pages, file, || self.reader(file))
            .await?;
        self.matched.add(1);
        self.decoded.add(usize::from(decoded));
        let range = match columns.get(key.name()) {
            Some(keys) => equal(keys.as_any().downcast_ref(), &self.key),
            None => return internal_err!("a file without the column that it is sorted by"),
        };
        let arrays = wanted
            .iter()
            .map(|field| match columns.get(field.name()) {
                Some(array) if array.data_type() == field.data_type() => {
                    Ok(array.slice(range.start, range.len()))
                }
                Some(array) => Ok(cast(&array.slice(range.start, range.len()), field.data_type())?),
                // A column that came later.
                None => Ok(new_null_array(field.data_type(), range.len())),
            })
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(range.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        match file.left(bounds.place(page) + range.start as u64, range.len()) {
            Some(left) => Ok(filter_record_batch(&rows, &left)?),
            None => Ok(rows),
        }
    }
}

/// Where a key stands among sorted ones, NULLs last.
fn equal(keys: Option<&StringViewArray>, key: &str) -> std::ops::Range<usize> {
    let Some(keys) = keys else {
        return 0..0;
    };
    let valued = keys.len() - keys.null_count();
    let first = |beyond: &dyn Fn(&str) -> bool| {
        let (mut low, mut high) = (0, valued);
        while low < high {
            let middle = low.midpoint(high);
            if beyond(keys.value(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    };
    first(&|value| value >= key)..first(&|value| value > key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next number of a sequence that spreads well.
    fn next(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) as usize
    }

    #[test]
    fn two_searches_find_what_a_look_at_every_value_finds() {
        let mut seed = 7;
        for _ in 0..2_000 {
            let mut values: Vec<String> = (0..next(&mut seed) % 20)
                .map(|_| format!("k{}", next(&mut seed) % 9))
                .collect();
            values.sort();
            let nulls = next(&mut seed) % 3;
            let all = values.iter().map(Some).chain(std::iter::repeat_n(None, nulls));
            let array: StringViewArray = all.collect();
            for key in ["", "k", "k0", "k4", "k8", "k80", "z"] {
                let first = values.iter().filter(|value| value.as_str() < key).count();
                let count = values.iter().filter(|value| value.as_str() == key).count();
                assert_eq!(
                    equal(Some(&array), key),
                    first..first + count,
                    "{key} in {values:?}"
                );
            }
        }
    }
}
