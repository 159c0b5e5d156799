//! A served table: the files that a snapshot names, planned from the manifest alone. Planning lists nothing and
//! opens nothing.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use perennial_lake::{ColumnStats, Lake, RowSet, Scalar};

use crate::keyed::sought::Sought;
use crate::keyed::{KeyScan, KeyedFiles, Keys};
use crate::named::NamedSource;
use crate::pinned::PinnedReaders;

/// One file of a table.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// Its path in the store.
    pub path: Path,
    /// Its size.
    pub bytes: u64,
    /// Its rows, masked ones too.
    pub rows: u64,
    /// The rows that do not count.
    pub mask: Option<Arc<RowSet>>,
    /// Whether its rows may lie anywhere in the order of the table, so that it is read beside all other files.
    pub apart: bool,
    /// Bounds of its columns.
    pub columns: Vec<ColumnStats>,
    /// Values of the hive partition columns.
    pub partitions: Vec<ScalarValue>,
    /// When it was written, microseconds: with size and tag it tells a file from another one at its place. 0 for files
    /// that never change.
    pub last_modified: i64,
    /// The store's tag of the content, where the store gives one.
    pub e_tag: Option<String>,
}

impl StoredFile {
    fn rows_left(&self) -> u64 {
        let masked = self.mask.as_ref().map_or(0, |mask| mask.count());
        self.rows.saturating_sub(masked)
    }
}

/// Marks a file that shares its group with no other.
#[derive(Debug)]
struct Apart;

/// A table made of immutable Parquet files.
#[derive(Debug)]
pub struct FileTable {
    lake: Lake,
    store: ObjectStoreUrl,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
    /// By file, what no value of a column is beyond: good for leaving files out, not for answers.
    bounds: Vec<Arc<Statistics>>,
    /// Of all files together.
    statistics: Statistics,
    sort: Vec<usize>,
    rows: u64,
    bytes: u64,
    /// Whether the files are our own, so that what they say of themselves is true.
    own: bool,
    /// The same files, to be asked for values of the column that they are sorted by.
    keyed: Option<Arc<KeyedFiles>>,
    /// Other files that say which of those values rows with a value in another column have.
    index: Option<Arc<KeyedFiles>>,
}

/// Columns of text that name few rows: where files are sorted by one of them, rows are looked up.
const KEYS: [&str; 2] = ["customer_id", "value"];

impl FileTable {
    /// A table over `files`. `partition_columns` stand behind the columns of the files and take the values that
    /// each file carries; `sort` names the columns that every file is sorted by.
    ///
    /// # Errors
    /// When the lake's store has no url.
    pub fn new(
        lake: &Lake,
        schema: SchemaRef,
        partition_columns: Vec<arrow::datatypes::FieldRef>,
        files: Vec<StoredFile>,
        sort: &[String],
    ) -> Result<Self> {
        Self::with_virtual_columns(lake, schema, partition_columns, Vec::new(), files, sort)
    }

    /// As [`FileTable::new`], with columns that the reader makes, such as the row's number in its file.
    ///
    /// # Errors
    /// As [`FileTable::new`].
    pub fn with_virtual_columns(
        lake: &Lake,
        schema: SchemaRef,
        partition_columns: Vec<arrow::datatypes::FieldRef>,
        virtual_columns: Vec<arrow::datatypes::FieldRef>,
        files: Vec<StoredFile>,
        sort: &[String],
    ) -> Result<Self> {
        let store = ObjectStoreUrl::parse(lake.store_url())?;
        let sort: Vec<usize> = sort.iter().map_while(|name| schema.index_of(name).ok()).collect();
        let stored = partition_columns.is_empty() && virtual_columns.is_empty();
        let files: Vec<_> = files
            .into_iter()
            .filter(|file| file.mask.is_none() || file.rows_left() > 0)
            .collect();
        let rows = files.iter().map(StoredFile::rows_left).sum();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let schema = TableSchema::builder(schema)
            .with_table_partition_cols(partition_columns)
            .with_virtual_columns(virtual_columns)
            .build();
        let bounds = files
            .iter()
            .map(|file| Arc::new(typed(&schema, statistics(&schema, file, Precision::Exact))))
            .collect();
        let counted: Vec<_> = files.iter().map(|file| (file.rows, file.mask.clone())).collect();
        let files: Vec<_> = files.into_iter().map(|file| planned(&schema, file)).collect();
        let statistics = summed(schema.table_schema(), &files);
        let keyed = sort
            .first()
            .filter(|column| stored && KEYS.contains(&schema.table_schema().field(**column).name().as_str()))
            .and_then(|column| KeyedFiles::new(lake, schema.table_schema(), *column, &files, counted))
            .map(Arc::new);
        Ok(Self {
            lake: lake.clone(),
            store,
            schema,
            files,
            bounds,
            statistics,
            sort,
            rows,
            bytes,
            own: true,
            keyed,
            index: None,
        })
    }

    /// The same table with an index: a table that is sorted by a column of this one, and has with each of its values what
    /// this table is sorted by in every row with that value. It may have more.
    pub fn with_index(mut self, index: &Self) -> Self {
        self.index = index.keyed.clone();
        self
    }

    /// The same table of files that somebody else has written: no statistics, index or filter in them decides what is read.
    pub fn landed(mut self) -> Self {
        self.own = false;
        self.keyed = None;
        self
    }

    /// Rows of all files.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The files that may hold rows for which all `filters` are true.
    fn pruned(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let Some(predicate) = conjunction(filters.iter().cloned()) else {
            return Ok(self.files.clone());
        };
        let schema = self.schema.table_schema();
        let physical = state.create_physical_expr(predicate, &DFSchema::try_from(Arc::clone(schema))?)?;
        let Some(pruning) = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(schema))
            .build(physical)
        else {
            return Ok(self.files.clone());
        };
        let keep = pruning.prune(&PrunableStatistics::new(self.bounds.clone(), Arc::clone(schema)))?;
        Ok(self
            .files
            .iter()
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(file, _)| file.clone())
            .collect())
    }

    /// The rows that may fulfil filters, where these leave few keys, or few values of the index.
    fn looked_up(&self, projection: Option<&Vec<usize>>, filters: &[Expr]) -> Result<Option<KeyScan>> {
        let Some(table) = &self.keyed else {
            return Ok(None);
        };
        if let Some(keys) = table.keys(filters) {
            return KeyScan::try_new(Arc::clone(table), Keys::Fixed(keys), projection).map(Some);
        }
        let key = self.schema.table_schema().field(table.column()).name();
        let indexed = self.index.as_ref().and_then(|index| {
            let (values, key) = (index.keys(filters)?, index.place(key)?);
            Some(KeyScan::try_new(
                Arc::clone(index),
                Keys::Fixed(values),
                Some(&vec![key]),
            ))
        });
        let Some(keys) = indexed.transpose()? else {
            return Ok(None);
        };
        KeyScan::try_new(Arc::clone(table), Keys::Of(Arc::new(keys)), projection).map(Some)
    }

    /// Shares the files among `partitions` groups of about equal size, in their order. Files without a value in the first
    /// column of the order, which are those of nobody, and files apart have a group each: beside others they would hide the
    /// order.
    fn groups(&self, files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
        let first = self.sort.first();
        let valued = |file: &PartitionedFile| {
            let column = first.and_then(|at| file.statistics.as_ref()?.column_statistics.get(*at));
            column.is_none_or(|column| column.min_value.get_value().is_some())
                && file.extensions.get::<Apart>().is_none()
        };
        let (files, rest): (Vec<_>, Vec<_>) = files.into_iter().partition(valued);
        let mut groups = shared(files, partitions);
        groups.extend(rest.into_iter().map(|file| FileGroup::new(vec![file])));
        groups
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(found) = self.looked_up(projection, filters)? {
            return Ok(Arc::new(found));
        }
        let files = self.pruned(state, filters)?;
        if files.is_empty() {
            let schema = self.schema.table_schema();
            let schema = match projection {
                Some(indices) => Arc::new(schema.project(indices)?),
                None => Arc::clone(schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let table_schema = self.schema.table_schema();
        let statistics = if files.len() == self.files.len() {
            self.statistics.clone()
        } else {
            summed(table_schema, &files)
        };
        // The order holds inside of a file; a group of several files has none unless their ranges follow each
        // other, which the engine checks from the statistics.
        let ordering = LexOrdering::new(self.sort.iter().map(|index| {
            PhysicalSortExpr::new_default(Arc::new(Column::new(table_schema.field(*index).name(), *index)))
                .nulls_last()
        }));
        let runtime = state.runtime_env();
        let footers = PinnedReaders::new(&self.lake, runtime.cache_manager.get_file_metadata_cache());
        let mut options = state.default_table_options().parquet;
        options.global.pruning = self.own;
        options.global.enable_page_index = self.own;
        options.global.bloom_filter_on_read = self.own;
        let source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(footers));
        let source = Arc::new(NamedSource::new(&self.lake, Arc::new(source)));
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(self.groups(files, state.config().target_partitions()))
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(if filters.is_empty() { limit } else { None })
            .with_output_ordering(ordering.into_iter().collect())
            .build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        Ok(match &self.keyed {
            // Of a limited scan other rows would be missing.
            Some(keyed) if limit.is_none() => Arc::new(Sought::new(scan, keyed, projection)),
            _ => scan,
        })
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }
}

/// Shares files among so many groups of about equal size, in their order.
pub(crate) fn shared(files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    let total: u64 = files.iter().map(PartitionedFile::effective_size).sum();
    let share = total.div_ceil(partitions.max(1) as u64).max(1);
    let mut groups: Vec<Vec<PartitionedFile>> = Vec::new();
    let mut filled = u64::MAX;
    for file in files {
        if filled >= share && groups.len() < partitions.max(1) {
            groups.push(Vec::new());
            filled = 0;
        }
        filled = filled.saturating_add(file.effective_size());
        if let Some(group) = groups.last_mut() {
            group.push(file);
        }
    }
    groups.into_iter().map(FileGroup::new).collect()
}

fn planned(schema: &TableSchema, file: StoredFile) -> PartitionedFile {
    let mut statistics = statistics(schema, &file, Precision::Inexact);
    if file.mask.is_some() {
        // What is masked may be what the bounds are of.
        statistics = statistics.to_inexact();
        statistics.num_rows = Precision::Exact(file.rows_left() as usize);
    }
    let mask = file.mask.as_ref().map(|mask| selection(mask, file.rows));
    // A path from text would be encoded once more.
    let meta = ObjectMeta {
        location: file.path,
        last_modified: chrono::DateTime::from_timestamp_micros(file.last_modified).unwrap_or_default(),
        size: file.bytes,
        e_tag: file.e_tag,
        version: None,
    };
    let mut planned = PartitionedFile::new_from_meta(meta)
        .with_partition_values(file.partitions)
        .with_statistics(Arc::new(statistics));
    if let Some(mask) = mask {
        planned = planned.with_extension(ParquetRowSelection::new(mask));
    }
    if file.apart {
        planned = planned.with_extension(Apart);
    }
    planned
}

/// The rows of a file that are left, as the reader wants them.
fn selection(mask: &RowSet, rows: u64) -> RowSelection {
    let mut selectors = Vec::with_capacity(2 * mask.runs().len() + 1);
    let mut from = 0;
    for (start, end) in mask.runs() {
        let (start, end) = ((*start).min(rows), (*end).min(rows));
        selectors.push(RowSelector::select((start - from) as usize));
        selectors.push(RowSelector::skip((end - start) as usize));
        from = end;
    }
    selectors.push(RowSelector::select((rows - from) as usize));
    RowSelection::from(selectors)
}

/// What is known of a file's columns. Bounds of text may be cut; `text` says as what they count.
fn statistics(
    schema: &TableSchema,
    file: &StoredFile,
    text: fn(ScalarValue) -> Precision<ScalarValue>,
) -> Statistics {
    let table = schema.table_schema();
    let mut statistics = Statistics::new_unknown(table);
    statistics.num_rows = Precision::Exact(file.rows as usize);
    statistics.total_byte_size = Precision::Inexact(file.bytes as usize);
    for stats in &file.columns {
        if let Ok(index) = table.index_of(&stats.name)
            && let Some(column) = statistics.column_statistics.get_mut(index)
        {
            *column = column_statistics(table.field(index).data_type(), stats, text);
        }
    }
    let columns = schema.file_schema().fields().len();
    for (offset, value) in file.partitions.iter().enumerate() {
        if let Some(column) = statistics.column_statistics.get_mut(columns + offset) {
            column.min_value = Precision::Exact(value.clone());
            column.max_value = Precision::Exact(value.clone());
            column.null_count = Precision::Exact(if value.is_null() { file.rows as usize } else { 0 });
        }
    }
    statistics
}

/// Bounds as columns of one type: a bound that is not known is a NULL of the column's type. The library takes a NULL
/// without a type beside values for a mixture, and then knows the bounds of no file at all
/// (datafusion-common `pruning.rs`, `get_exact_column_statistics`).
fn typed(schema: &TableSchema, mut statistics: Statistics) -> Statistics {
    let fields = schema.table_schema().fields();
    for (column, field) in statistics.column_statistics.iter_mut().zip(fields) {
        for bound in [&mut column.min_value, &mut column.max_value] {
            if matches!(bound, Precision::Absent)
                && let Ok(null) = ScalarValue::try_from(field.data_type())
            {
                *bound = Precision::Exact(null);
            }
        }
    }
    statistics
}

fn column_statistics(
    data_type: &DataType,
    stats: &ColumnStats,
    text: fn(ScalarValue) -> Precision<ScalarValue>,
) -> ColumnStatistics {
    let bound = |scalar: &Option<Scalar>| {
        scalar
            .as_ref()
            .and_then(|scalar| scalar_value(scalar, data_type))
            .map_or(Precision::Absent, |value| {
                if data_type.is_string() {
                    text(value)
                } else {
                    Precision::Exact(value)
                }
            })
    };
    ColumnStatistics {
        null_count: stats
            .nulls
            .map_or(Precision::Absent, |nulls| Precision::Exact(nulls as usize)),
        min_value: bound(&stats.min),
        max_value: bound(&stats.max),
        ..ColumnStatistics::new_unknown()
    }
}

/// A bound of the manifest as a value of the column's type.
pub(crate) fn scalar_value(scalar: &Scalar, data_type: &DataType) -> Option<ScalarValue> {
    let value = match scalar {
        Scalar::Null => return None,
        Scalar::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Scalar::Int(value) => ScalarValue::Int64(Some(*value)),
        Scalar::Float(value) if value.is_nan() => return None,
        Scalar::Float(value) => ScalarValue::Float64(Some(*value)),
        Scalar::Text(value) => ScalarValue::Utf8(Some(value.clone())),
        Scalar::Timestamp(micros) => ScalarValue::TimestampMicrosecond(
            Some(*micros),
            match data_type {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            },
        ),
        Scalar::Date(days) => ScalarValue::Date32(Some(*days)),
        Scalar::Decimal {
            value,
            precision,
            scale,
        } => ScalarValue::Decimal128(Some(value.parse().ok()?), *precision, *scale),
    };
    if &value.data_type() == data_type {
        Some(value)
    } else {
        value.cast_to(data_type).ok()
    }
}

/// Statistics of several files together.
fn summed(schema: &SchemaRef, files: &[PartitionedFile]) -> Statistics {
    let parts = files.iter().filter_map(|file| file.statistics.as_deref());
    Statistics::try_merge_iter(parts, schema).unwrap_or_else(|_| Statistics::new_unknown(schema))
}

/// A schema with the string types that the reader produces without copies.
pub fn with_views(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
            }
            DataType::Binary | DataType::LargeBinary => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::BinaryView))
            }
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new(fields))
}
