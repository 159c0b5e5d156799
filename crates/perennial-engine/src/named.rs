//! Damage that names its file: a decoder knows bytes, and not where they are from.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use object_store::path::Path;
use perennial_base::ErrorClass;
use perennial_lake::{Lake, PLATFORM_FOLDER};

use crate::error::Error;
use crate::pinned::{lake_error, store_error};

/// An error over the bytes of a file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
struct InFile {
    /// Relative to the lake.
    path: String,
    #[source]
    error: DataFusionError,
}

/// The error, with the file of which it is when its bytes are at fault.
pub(crate) fn in_file(lake: &Lake, location: &Path, error: DataFusionError) -> DataFusionError {
    let of_bytes = match error.find_root() {
        DataFusionError::ParquetError(_) => true,
        DataFusionError::ArrowError(arrow, _) => matches!(arrow.as_ref(), ArrowError::ParquetError(_)),
        _ => false,
    };
    match lake.relative(location) {
        Some(path) if of_bytes && lake_error(&error).is_none() && store_error(&error).is_none() => {
            DataFusionError::External(Box::new(InFile { path, error }))
        }
        _ => error,
    }
}

/// The error as it was before its file was named.
pub fn without_file(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<InFile>() {
            Ok(named) => named.error,
            Err(other) => DataFusionError::External(other),
        },
        other => other,
    }
}

/// What a user is told of a file that could be read and cannot be read any more, for this reason.
pub(crate) fn damage(error: &DataFusionError, reason: &str) -> Error {
    let sources = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| {
        error.source()
    });
    let named = sources.filter_map(|error| match error.downcast_ref() {
        Some(DataFusionError::External(inner)) => inner.downcast_ref::<InFile>(),
        _ => None,
    });
    let Some(InFile { path, .. }) = named.last() else {
        return Error::new(ErrorClass::DamagedFile, "a data file cannot be read")
            .with_detail(reason)
            .with_hint("perennial.files names the files and their state.");
    };
    if path.split('/').next() == Some(PLATFORM_FOLDER) {
        let reason = reason.trim_start_matches("Parquet error: ").to_owned();
        let path = path.clone();
        return Error::from_user(&perennial_lake::Error::DamagedData { path, reason });
    }
    Error::new(ErrorClass::DamagedFile, format!("file \"{path}\" cannot be read"))
        .with_detail(reason)
        .with_hint("It could be read when it was admitted; land it once more.")
}

/// Files of a source, with errors that name them.
pub(crate) struct NamedSource {
    lake: Lake,
    inner: Arc<dyn FileSource>,
}

impl NamedSource {
    pub(crate) fn new(lake: &Lake, inner: Arc<dyn FileSource>) -> Self {
        Self {
            lake: lake.clone(),
            inner,
        }
    }

    fn of(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self::new(&self.lake, inner))
    }
}

impl FileSource for NamedSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner
            .create_file_opener(object_store, base_config, partition)
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = self
            .inner
            .create_morselizer(object_store, base_config, partition)?;
        let lake = self.lake.clone();
        Ok(Box::new(NamedFiles { lake, inner }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.of(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, form: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(form, formatter)
    }

    fn supports_repartitioning(&self) -> bool {
        self.inner.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        self.inner.repartitioned(
            target_partitions,
            repartition_file_min_size,
            output_ordering,
            config,
        )
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_filters(filters, config)?;
        Ok(FilterPushdownPropagation {
            filters: pushed.filters,
            updated_node: pushed.updated_node.map(|inner| self.of(inner)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        equivalences: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_sort(order, equivalences)?;
        Ok(pushed.map(|inner| self.of(inner)))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_projection(projection)?;
        Ok(pushed.map(|inner| self.of(inner)))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(visit)
    }
}

/// What begins to read a file.
#[derive(Debug)]
struct NamedFiles {
    lake: Lake,
    inner: Box<dyn Morselizer>,
}

impl Morselizer for NamedFiles {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let of = Of {
            lake: self.lake.clone(),
            location: file.object_meta.location.clone(),
        };
        match self.inner.plan_file(file) {
            Ok(inner) => Ok(of.planner(inner)),
            Err(error) => Err(of.name(error)),
        }
    }
}

/// The file of a piece.
#[derive(Debug, Clone)]
struct Of {
    lake: Lake,
    location: Path,
}

impl Of {
    fn name(&self, error: DataFusionError) -> DataFusionError {
        in_file(&self.lake, &self.location, error)
    }

    fn planner(&self, inner: Box<dyn MorselPlanner>) -> Box<dyn MorselPlanner> {
        Box::new(Piece {
            of: self.clone(),
            inner,
        })
    }
}

/// A part of a file, or what plans parts.
#[derive(Debug)]
struct Piece<T> {
    of: Of,
    inner: T,
}

impl MorselPlanner for Piece<Box<dyn MorselPlanner>> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let of = self.of;
        let Some(mut plan) = self.inner.plan().map_err(|error| of.name(error))? else {
            return Ok(None);
        };
        let morsels = plan.take_morsels().into_iter();
        let morsels = morsels.map(|inner| -> Box<dyn Morsel> {
            Box::new(Piece {
                of: of.clone(),
                inner,
            })
        });
        let planners = plan.take_ready_planners().into_iter();
        let mut named = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.map(|inner| of.planner(inner)).collect());
        if let Some(pending) = plan.take_pending_planner() {
            named.set_pending_planner(async move {
                match pending.await {
                    Ok(inner) => Ok(of.planner(inner)),
                    Err(error) => Err(of.name(error)),
                }
            });
        }
        Ok(Some(named))
    }
}

impl Morsel for Piece<Box<dyn Morsel>> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let of = self.of;
        let rows = self.inner.into_stream();
        rows.map(move |batch| batch.map_err(|error| of.name(error)))
            .boxed()
    }
}
