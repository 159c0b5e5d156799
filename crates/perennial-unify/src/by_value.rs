//! The index of `identities`: whom a value names, in the order of the values. It is not served: a look-up of a value finds in
//! it the customers whose rows are to be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use futures::StreamExt;
use perennial_base::ErrorClass;
use perennial_engine::Engine;
use perennial_engine::provider::{FileTable, StoredFile};
use perennial_engine::release::VALUES;
use perennial_lake::TableManifest;

use crate::error::Result;
use crate::output::{Output, row_group_rows};
use crate::stored::{Tables, group_field};

const IDENTITIES: &str = "public.identities";
const SORT: [&str; 2] = ["value", "customer_id"];
/// Memory of the sorts together; beyond it, they go to files. Merging them takes that of one more.
const MEMORY: usize = 256 << 20;
/// How many stretches of the identities are sorted side by side at most.
const SORTS: usize = 4;
/// The part of a sort's memory that stays for merging what it has written to files.
const MERGING: usize = 4;
/// Batches of a sorted stretch that wait to be merged.
const BUFFERED: usize = 2;
/// Rows of a file of a run over everything.
const FILE_ROWS: u64 = 1 << 20;

/// Writes the index of the identities that a run has written beside its other tables.
pub(crate) async fn write(
    engine: &Engine,
    stored: &Tables,
    tables: &mut BTreeMap<String, TableManifest>,
    output: &Output,
    part: bool,
) -> Result<()> {
    let Some(identities) = tables.get(IDENTITIES) else {
        return Ok(());
    };
    let columns = identities.schema.schema();
    let columns = SORT.iter().map(|name| Ok(columns.field_with_name(name)?.clone()));
    let columns: Vec<Field> = columns.collect::<Result<_>>()?;
    output.declare(VALUES, &Arc::new(Schema::new(columns.clone())), &SORT)?;
    if identities.rows() > 0 {
        let columns = columns.into_iter().chain([group_field()]);
        let columns: SchemaRef = Arc::new(Schema::new(columns.collect::<Vec<_>>()));
        let files = identities.files.iter().map(|file| {
            Ok(StoredFile {
                apart: false,
                ..stored.file(file, None)?
            })
        });
        let files = files.collect::<Result<_>>()?;
        let table = FileTable::new(engine.lake(), Arc::clone(&columns), Vec::new(), files, &[])?;
        let rows = in_order(engine, table).await?;
        let per_file = (!part).then_some(FILE_ROWS);
        output
            .stream(VALUES, &columns, &SORT, row_group_rows(VALUES), per_file, rows)
            .await?;
    }
    tables.extend(output.finish());
    Ok(())
}

/// The rows of the identities in the order of the index.
///
/// Stretches of them are sorted side by side, each with a part of the memory that is its own: of one pool, a sort that still
/// reads takes what another one needs to merge what it has written to files.
async fn in_order(engine: &Engine, table: FileTable) -> Result<SendableRecordBatchStream> {
    let order = SORT
        .iter()
        .enumerate()
        .map(|(at, name)| PhysicalSortExpr::new_default(Arc::new(Column::new(name, at))).nulls_last());
    let order = LexOrdering::new(order).ok_or_else(|| {
        perennial_engine::Error::new(ErrorClass::Internal, "the index of values has no order")
    })?;
    let side_by_side = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stretches = side_by_side.min(SORTS);
    let state = || -> Result<SessionState> {
        let mut state = engine.work_state(MEMORY / stretches)?;
        let execution = &mut state.config_mut().options_mut().execution;
        execution.target_partitions = stretches;
        execution.sort_spill_reservation_bytes = MEMORY / stretches / MERGING;
        Ok(state)
    };
    let plan = table.scan(&state()?, None, &[], None).await?;
    let schema = plan.schema();
    let sorted = SortExec::new(order.clone(), plan).with_preserve_partitioning(true);
    let sorted: Arc<dyn ExecutionPlan> = Arc::new(sorted);
    let stretches = 0..sorted.output_partitioning().partition_count();
    let streams = stretches.map(|stretch| {
        let (sorted, context) = (Arc::clone(&sorted), state()?.task_ctx());
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), BUFFERED);
        let sender = stream.tx();
        let sorting = async move {
            let mut rows = sorted.execute(stretch, context)?;
            while let Some(batch) = rows.next().await {
                // Nobody takes them any more.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        stream.spawn_on(sorting, engine.cpu());
        Ok(stream.build())
    });
    let streams = streams.collect::<Result<Vec<_>>>()?;
    let context = state()?.task_ctx();
    let merged = StreamingMergeBuilder::new()
        .with_streams(streams)
        .with_schema(schema)
        .with_expressions(&order)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(context.session_config().batch_size())
        .with_reservation(MemoryConsumer::new("index of values").register(context.memory_pool()))
        .build()?;
    Ok(merged)
}
