//! The rows of a few keys, of files that are sorted by them: a page or two for each instead of a scan.
//!
//! A scan of a Parquet file costs a fraction of a millisecond for each column, whatever it gives: readers, decompressors and
//! pages are made for it, of which one row is kept. Here decoded pages are kept instead ([`pages`]), the bounds of a file's
//! pages are read once, and a look-up is two binary searches.
//!
//! The keys are in the statement, or found in an index when it runs, or those of the rows on the other side of a join
//! ([`join`]).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringViewArray, UInt64Array,
    new_null_array,
};
use arrow::compute::{cast, filter_record_batch, take};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt, stream};
use perennial_lake::{Lake, RowSet};

use crate::keyed::join::Gathered;
use crate::keyed::pages::{KeyedFile, Pages, Reader};
use crate::named::in_file;
use crate::pinned::PinnedReaders;
use crate::session::parameters::open::Key;

pub(crate) mod join;
pub(crate) mod pages;
pub(crate) mod sought;

/// So many rows a key is taken to have, where plans are chosen by size.
const ROWS_OF_A_KEY: usize = 64;
/// Files, and pages, that are asked for at once: most of the time of a distant store goes to waiting.
const REQUESTS: usize = 8;
/// More keys than these in a statement are looked for by a scan.
pub(crate) const FEW: usize = 64;

/// The files of a table that is sorted by text, to be asked for values of it.
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

    /// The column by which all files are sorted, by its place in the table.
    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// The place of a column of the table.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.schema.index_of(name).ok()
    }

    /// The few keys of which filters, which all hold, leave no other.
    pub(crate) fn keys(&self, filters: &[Expr]) -> Option<Vec<Key>> {
        let name = self.schema.field(self.column).name();
        filters
            .iter()
            .filter_map(|filter| fixed(filter, name))
            .min_by_key(Vec::len)
    }
}

/// The few values that a condition leaves to a column.
fn fixed(condition: &Expr, name: &str) -> Option<Vec<Key>> {
    let is_column = |side: &Expr| matches!(side, Expr::Column(column) if column.name() == name);
    let keys = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq if is_column(left) => vec![Key::of(right)?],
            Operator::Eq if is_column(right) => vec![Key::of(left)?],
            Operator::And => return fixed(left, name).or_else(|| fixed(right, name)),
            Operator::Or => {
                let mut keys = fixed(left, name)?;
                keys.extend(fixed(right, name)?);
                keys
            }
            _ => return None,
        },
        Expr::InList(list) if !list.negated && list.list.len() <= FEW && is_column(&list.expr) => {
            list.list.iter().map(Key::of).collect::<Option<_>>()?
        }
        _ => return None,
    };
    (keys.len() <= FEW).then_some(keys)
}

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    /// What a statement says.
    Fixed(Vec<Key>),
    /// The first column of the rows of a plan.
    Of(Arc<dyn ExecutionPlan>),
    /// Those that a join has gathered when this runs.
    Gathered,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct KeyScan {
    table: Arc<KeyedFiles>,
    keys: Keys,
    projection: Vec<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl KeyScan {
    pub(crate) fn try_new(
        table: Arc<KeyedFiles>,
        keys: Keys,
        projection: Option<&Vec<usize>>,
    ) -> Result<Self> {
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
            keys,
            projection,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for KeyScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, keys, .. } = self;
        write!(f, "KeyScan: {}", table.schema.field(table.column).name())?;
        let keys = match keys {
            Keys::Fixed(keys) => keys,
            Keys::Of(_) => return write!(f, " of an index"),
            Keys::Gathered => return write!(f, " of the other side"),
        };
        match keys.as_slice() {
            [key] => write!(f, " = {key}")?,
            keys => {
                let keys: Vec<_> = keys.iter().map(Key::to_string).collect();
                write!(f, " in ({})", keys.join(", "))?;
            }
        }
        let known = keys.iter().map(|key| match key {
            Key::Known(text) => Some(text.clone()),
            Key::Open(_) => None,
        });
        let Some(known) = known.collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let known = in_order(known);
        let files = table.files.iter().filter(|file| file.may_have(&known));
        let paths: Vec<_> = files.map(|file| file.path().as_ref()).collect();
        write!(f, ", files=[{}]", paths.join(", "))
    }
}

/// Keys as a look-up wants them.
fn in_order(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl ExecutionPlan for KeyScan {
    fn name(&self) -> &'static str {
        "KeyScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        match &self.keys {
            Keys::Of(index) => vec![index],
            Keys::Fixed(_) | Keys::Gathered => Vec::new(),
        }
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; self.children().len()])
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(index) => Arc::new(Self {
                keys: Keys::Of(index),
                ..Self::clone(&self)
            }),
            None => self,
        })
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
        let footers = context.runtime_env().cache_manager.get_file_metadata_cache();
        let counter = |name| MetricBuilder::new(&self.metrics).counter(name, partition);
        let lookup = Arc::new(LookUp {
            readers: PinnedReaders::new(&self.table.lake, footers),
            table: Arc::clone(&self.table),
            projection: self.projection.clone(),
            schema: Arc::clone(&schema),
            pages,
            metrics: self.metrics.clone(),
            matched: counter("pages_matched"),
            decoded: counter("pages_decoded"),
        });
        let keys = match &self.keys {
            // Nothing equals NULL.
            Keys::Fixed(keys) => {
                let known = keys.iter().filter_map(|key| key.value().transpose());
                let known = known.collect::<Result<_>>().map(in_order).map(Arc::new);
                stream::once(std::future::ready(known)).boxed()
            }
            Keys::Gathered => {
                let gathered = Gathered::of(&context)?;
                stream::once(std::future::ready(Ok(gathered.keys()))).boxed()
            }
            Keys::Of(index) => {
                let index = index.execute(0, context)?;
                stream::once(found(index).map_ok(in_order).map_ok(Arc::new)).boxed()
            }
        };
        let batches = keys
            .map_ok(move |keys| lookup_of(Arc::clone(&lookup), keys))
            .try_flatten();
        let batches = RecordBatchStreamAdapter::new(schema, batches.boxed());
        Ok(Box::pin(cooperative(batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(self.properties.eq_properties.schema());
        let keys = match &self.keys {
            Keys::Fixed(keys) => keys.len(),
            Keys::Of(_) | Keys::Gathered => 1,
        };
        statistics.num_rows = Precision::Inexact(keys * ROWS_OF_A_KEY);
        Ok(Arc::new(statistics))
    }
}

/// The texts in the first column of rows.
async fn found(mut rows: SendableRecordBatchStream) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    while let Some(batch) = rows.next().await {
        texts(batch?.column(0), &mut keys)?;
    }
    Ok(keys)
}

/// Adds the texts of a column.
fn texts(column: &ArrayRef, keys: &mut Vec<String>) -> Result<()> {
    let column = cast(column, &DataType::Utf8View)?;
    keys.extend(column.as_string_view().iter().flatten().map(str::to_owned));
    Ok(())
}

/// The rows of keys, which are in order.
fn lookup_of(
    lookup: Arc<LookUp>,
    keys: Arc<Vec<String>>,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let files = (0..lookup.table.files.len())
        .filter(|at| {
            lookup
                .table
                .files
                .get(*at)
                .is_some_and(|file| file.may_have(&keys))
        })
        .collect::<Vec<_>>();
    let (finder, sought) = (Arc::clone(&lookup), Arc::clone(&keys));
    stream::iter(files)
        .map(move |file| {
            let (finder, sought) = (Arc::clone(&finder), Arc::clone(&sought));
            async move { finder.find(file, &sought).await }
        })
        .buffered(REQUESTS)
        .map_ok(|found| stream::iter(found.into_iter().map(Ok)))
        .try_flatten()
        .map_ok(move |(file, page)| {
            let (lookup, keys) = (Arc::clone(&lookup), Arc::clone(&keys));
            async move { lookup.rows(file, page, &keys).await }
        })
        .try_buffered(REQUESTS)
}

/// A running look-up.
#[derive(Debug)]
struct LookUp {
    readers: PinnedReaders,
    table: Arc<KeyedFiles>,
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

    /// The pages of a file that may have rows of the keys.
    async fn find(&self, at: usize, keys: &[String]) -> Result<Vec<(usize, usize)>> {
        let file = self.file(at)?;
        let key = self.table.schema.field(self.table.column).name();
        let bounds = file.bounds(key, || self.reader(file)).await;
        let bounds = bounds.map_err(|error| self.in_file(file, error))?;
        Ok(bounds.with(keys).map(|page| (at, page)).collect())
    }

    fn reader(&self, file: &KeyedFile) -> Result<Reader> {
        self.readers.create_reader(0, file.planned(), None, &self.metrics)
    }

    fn in_file(&self, file: &KeyedFile, error: DataFusionError) -> DataFusionError {
        in_file(&self.table.lake, file.path(), error)
    }

    /// The rows of the keys in a page, which may be none.
    async fn rows(&self, at: usize, page: usize, keys: &[String]) -> Result<RecordBatch> {
        let file = self.file(at)?;
        let fields = self.table.schema.fields();
        let key = &fields[self.table.column];
        let wanted: Vec<&FieldRef> = self.projection.iter().map(|column| &fields[*column]).collect();
        let names = wanted.iter().chain([&key]).map(|field| field.name().as_str());
        let named = |error| self.in_file(file, error);
        let bounds = file.bounds(key.name(), || self.reader(file)).await;
        let bounds = bounds.map_err(named)?;
        let found = bounds.page(page, names, &self.pages, file, || self.reader(file));
        let (columns, decoded) = found.await.map_err(named)?;
        self.matched.add(1);
        self.decoded.add(usize::from(decoded));
        let places = match columns.get(key.name()) {
            Some(values) => Places::of(values.as_any().downcast_ref(), keys),
            None => return internal_err!("a file without the column that it is sorted by"),
        };
        let arrays = wanted
            .iter()
            .map(|field| match columns.get(field.name()) {
                Some(array) if array.data_type() == field.data_type() => places.taken(array),
                Some(array) => Ok(cast(&places.taken(array)?, field.data_type())?),
                // A column that came later.
                None => Ok(new_null_array(field.data_type(), places.len())),
            })
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        match places.left(file, bounds.place(page)) {
            Some(left) => Ok(filter_record_batch(&rows, &left)?),
            None => Ok(rows),
        }
    }
}

/// Rows of a page.
enum Places {
    /// They follow each other.
    Together(Range<usize>),
    Apart(UInt64Array),
}

impl Places {
    /// The rows of keys, which are in order, among sorted values.
    fn of(values: Option<&StringViewArray>, keys: &[String]) -> Self {
        let mut places: Vec<Range<usize>> = Vec::new();
        for key in among(values, keys) {
            let range = equal(values, key);
            match places.last_mut() {
                _ if range.is_empty() => {}
                Some(last) if last.end == range.start => last.end = range.end,
                _ => places.push(range),
            }
        }
        match places.as_slice() {
            [] => Self::Together(0..0),
            [range] => Self::Together(range.clone()),
            _ => Self::Apart(places.into_iter().flatten().map(|row| row as u64).collect()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Together(range) => range.len(),
            Self::Apart(rows) => rows.len(),
        }
    }

    fn taken(&self, column: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Self::Together(range) => column.slice(range.start, range.len()),
            Self::Apart(rows) => take(column, rows, None)?,
        })
    }

    /// Which of the rows count, of a page that begins at `place` in its file; none when all do.
    fn left(&self, file: &KeyedFile, place: u64) -> Option<BooleanArray> {
        match self {
            Self::Together(range) => file.left(place + range.start as u64, range.len()),
            Self::Apart(rows) => {
                let first = rows.values().first().copied()?;
                let last = rows.values().last().copied()?;
                let left = file.left(place + first, (last - first + 1) as usize)?;
                let counts = rows.values().iter().map(|row| left.value((row - first) as usize));
                Some(counts.map(Some).collect())
            }
        }
    }
}

/// Those of the keys, which are in order, that are not outside of sorted values.
fn among<'a>(values: Option<&StringViewArray>, keys: &'a [String]) -> &'a [String] {
    let Some(values) = values.filter(|values| values.len() > values.null_count()) else {
        return &[];
    };
    let (least, most) = (
        values.value(0),
        values.value(values.len() - values.null_count() - 1),
    );
    let from = keys.partition_point(|key| key.as_str() < least);
    let until = keys.partition_point(|key| key.as_str() <= most);
    keys.get(from..until).unwrap_or_default()
}

/// Where a key stands among sorted ones, NULLs last.
fn equal(keys: Option<&StringViewArray>, key: &str) -> Range<usize> {
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
            let keys = ["k", "k1", "k2", "k5", "k8"].map(str::to_owned);
            let expected = values.iter().filter(|value| keys.contains(value)).count();
            let places = Places::of(Some(&array), &keys);
            let taken = places.taken(&(Arc::new(array) as ArrayRef)).unwrap();
            let taken = taken.as_string_view().iter().flatten();
            assert_eq!((places.len(), taken.clone().count()), (expected, expected));
            assert!(
                taken.into_iter().all(|value| keys.contains(&value.to_owned())),
                "{values:?}"
            );
        }
    }
}
