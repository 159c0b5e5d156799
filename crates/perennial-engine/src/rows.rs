//! The rows of a running statement: produced on the threads of its lane, handed over through a short channel,
//! stopped by a user, a deadline or a lost client at any moment.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, StreamExt};
use perennial_base::{ErrorClass, UserError};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::engine::Lane;
use crate::error::{Error, Result, StopReason, too_long};
use crate::release::Release;
use crate::rules::stoppable::stoppable;
use crate::session::cursor::Fetch;
use crate::session::plans::Standing;
use crate::session::request::{Canceller, Request, Stop};

/// Batches that wait for a slow reader before the plan waits too.
const BATCHES_AHEAD: usize = 2;

/// What a statement gives, batch by batch. Dropping it stops the plan.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    tag: &'static str,
    source: Source,
    canceller: Canceller,
    /// The request of a caller who began none.
    _request: Option<Request>,
    /// What is read: its files stay while there are rows to come.
    release: Option<Arc<Release>>,
    /// Told when a file is not the one that the release names.
    outdated: Option<Arc<Notify>>,
    /// Makes of the batches of a plan those that are given.
    shape: Option<fn(&RecordBatch) -> Result<RecordBatch>>,
}

#[derive(Debug)]
enum Source {
    /// A plan.
    Running {
        items: mpsc::Receiver<Item>,
        task: Task,
    },
    Ready(std::vec::IntoIter<RecordBatch>),
    Cursor(Box<Fetch>),
    Ended,
}

/// What is executed.
#[derive(Debug)]
pub(crate) enum Plan {
    /// A plan for these rows.
    Once(Arc<dyn ExecutionPlan>),
    /// A plan that gives other rows afterwards.
    Standing(Arc<Standing>),
}

/// A running plan: it is aborted where it yields, and joins of it end where they do not.
#[derive(Debug)]
struct Task {
    running: AbortHandle,
    /// Ends it, also while nobody asks for its rows.
    stop: Stop,
    /// Where it runs.
    _lane: Lane,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.stop.stop(StopReason::ClientGone);
        self.running.abort();
    }
}

impl Rows {
    /// Rows that are there already, such as those of SHOW.
    pub(crate) fn ready(tag: &'static str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self {
            schema,
            tag,
            source: Source::Ready(batches.into_iter()),
            canceller: Canceller::default(),
            _request: None,
            release: None,
            outdated: None,
            shape: None,
        }
    }

    /// A portion of a cursor.
    pub(crate) fn fetch(fetch: Fetch, canceller: Canceller, request: Option<Request>) -> Self {
        Self {
            schema: Arc::clone(fetch.schema()),
            tag: "FETCH",
            source: Source::Cursor(Box::new(fetch)),
            canceller,
            _request: request,
            release: None,
            outdated: None,
            shape: None,
        }
    }

    /// Starts a plan on its lane, until it is stopped.
    pub(crate) fn start(
        (lane, stop): (Lane, Stop),
        plan: Plan,
        context: Arc<TaskContext>,
        schema: SchemaRef,
        canceller: Canceller,
        request: Option<Request>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let shown = Arc::clone(&schema);
        let end = stop.clone();
        let work = async move {
            let (plan, standing) = match plan {
                Plan::Once(plan) => (stoppable(plan, end.token()), None),
                // It has no joins.
                Plan::Standing(standing) => (Ok(Arc::clone(&standing.plan)), Some(standing)),
            };
            let last = match plan.and_then(|plan| execute_stream(plan, context)) {
                Ok(stream) => tokio::select! {
                    biased;
                    error = end.stopped() => Some(Err(error)),
                    last = handed_over(stream, &shown, &sender) => last,
                },
                Err(error) => Some(Err(error.into())),
            };
            // The next execution may come as soon as this one is known to have ended.
            drop(standing);
            if let Some(last) = last {
                let _ = sender.send(last).await;
            }
        };
        let task = Task {
            running: lane.handle().spawn(work).abort_handle(),
            stop,
            _lane: lane,
        };
        Self {
            schema,
            tag: "SELECT",
            source: Source::Running {
                items: receiver,
                task,
            },
            canceller,
            _request: request,
            release: None,
            outdated: None,
            shape: None,
        }
    }

    /// The same rows, which tell when a file is not the one that the release names.
    pub(crate) fn telling(mut self, outdated: Arc<Notify>) -> Self {
        self.outdated = Some(outdated);
        self
    }

    /// The same rows in another shape: with these columns, which a function makes of each batch.
    pub(crate) fn shaped(
        mut self,
        schema: SchemaRef,
        shape: fn(&RecordBatch) -> Result<RecordBatch>,
    ) -> Self {
        (self.schema, self.shape) = (schema, Some(shape));
        self
    }

    /// The same rows, which keep a release in use.
    pub(crate) fn of(mut self, release: Arc<Release>) -> Self {
        self.release = Some(release);
        self
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch; `None` at the end. An error is the last item. What stops it is the request that waits for the
    /// batch, not the one that started the statement.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        let next = async {
            match &mut self.source {
                Source::Ready(batches) => Ok(batches.next()),
                Source::Running { items, task } => tokio::select! {
                    biased;
                    error = task.stop.stopped() => Err(error),
                    // Where the plan has not come to its end, its threads have.
                    item = items.recv() => item.unwrap_or(Err(Error::Stopped(StopReason::Shutdown))),
                },
                Source::Cursor(fetch) => Box::pin(fetch.next()).await,
                Source::Ended => Ok(None),
            }
        };
        let item = tokio::select! {
            biased;
            error = self.canceller.stopped() => Err(error),
            item = next => item,
        };
        if let (Err(error), Some(outdated)) = (&item, &self.outdated)
            && matches!(error.class(), ErrorClass::Conflict | ErrorClass::MissingFile)
        {
            outdated.notify_one();
        }
        let item = match (item, self.shape) {
            (Ok(Some(batch)), Some(shape)) => shape(&batch).map(Some),
            (item, _) => item,
        };
        if !matches!(item, Ok(Some(_))) {
            self.source = Source::Ended;
        }
        item.transpose()
    }

    /// The command tag after `rows` rows were sent.
    pub fn tag(&self, rows: u64) -> String {
        match self.tag {
            "SHOW" | "EXPLAIN" => self.tag.to_owned(),
            tag => format!("{tag} {rows}"),
        }
    }

    pub(crate) fn with_tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// The same rows as those of a portal, whose tag is that of its query.
    #[must_use]
    pub fn of_portal(self) -> Self {
        self.with_tag("SELECT")
    }

    /// Lets the rows outlive the request that started them.
    pub(crate) fn kept(mut self) -> Self {
        self._request = None;
        self
    }
}

/// An item of a running plan; the last is an error or `None`.
type Item = Result<Option<RecordBatch>>;

/// Hands the batches of a plan over, and gives the last item; none where nobody takes them any more.
async fn handed_over(
    mut stream: SendableRecordBatchStream,
    schema: &SchemaRef,
    items: &mpsc::Sender<Item>,
) -> Option<Item> {
    loop {
        let item = match std::panic::AssertUnwindSafe(stream.next()).catch_unwind().await {
            Ok(Some(Ok(batch))) if batch.num_rows() == 0 => continue,
            // The columns are those of the plan; the names are those that the user wrote.
            Ok(Some(Ok(batch))) => renamed(schema, batch).map(Some),
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(None) => Ok(None),
            Err(panic) => Err(panicked(&panic)),
        };
        if !matches!(item, Ok(Some(_))) {
            return Some(item);
        }
        items.send(item).await.ok()?;
    }
}

/// A value that does not fit is an error, never a NULL.
const EXACT: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};

/// The batch under other names and with nullability as promised.
pub(crate) fn renamed(schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| cast_with_options(column, field.data_type(), &EXACT))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    Ok(RecordBatch::try_new(schema, columns)?)
}

pub(crate) fn panicked(panic: &Box<dyn std::any::Any + Send>) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    if let Some(error) = too_long(&text) {
        return error;
    }
    tracing::error!(panic = text, "a statement panicked");
    Error::new(ErrorClass::Internal, "internal error")
        .with_hint("This is a defect of Perennial; the server's log has more.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use arrow::error::ArrowError;
    use datafusion::catalog::memory::MemorySourceConfig;
    use datafusion::common::config::ConfigOptions;
    use datafusion::common::{JoinType, ScalarValue};
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    use datafusion::physical_expr::ScalarFunctionExpr;
    use datafusion::physical_plan::joins::NestedLoopJoinExec;
    use datafusion::physical_plan::joins::utils::JoinFilter;
    use datafusion::physical_plan::projection::ProjectionExec;
    use parking_lot::Mutex;
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    /// Rows on each side of the join: few enough for one batch, and enough that each row of one side is held against all
    /// of the other at a time.
    const SIDE: usize = 1_000;

    /// A join without a match that runs on the only thread of a runtime.
    struct Unmatched {
        compute: Runtime,
        rows: Rows,
        /// How often its condition was evaluated.
        evaluations: Arc<AtomicUsize>,
        /// Tells that the condition is evaluated for the first time.
        begun: Receiver<()>,
        /// What that first time waits for.
        leave: Sender<()>,
    }

    fn numbers(values: Vec<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn unmatched() -> Unmatched {
        let evaluations = Arc::new(AtomicUsize::new(0));
        let (begins, begun) = channel();
        let (leave, left) = channel();
        let (counted, left) = (Arc::clone(&evaluations), Mutex::new(left));
        let never = move |_: &[ColumnarValue]| -> datafusion::common::Result<ColumnarValue> {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                begins.send(()).unwrap();
                left.lock().recv().unwrap();
            }
            Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(false))))
        };
        let condition = call(never);
        let filter = JoinFilter::new(Arc::new(condition), Vec::new(), Arc::new(Schema::empty()));
        let side = || {
            let batch = numbers((0..SIDE as i64).collect());
            MemorySourceConfig::try_new_exec(&[vec![batch.clone()]], batch.schema(), None).unwrap()
        };
        let join = NestedLoopJoinExec::try_new(side(), side(), Some(filter), &JoinType::Inner, None).unwrap();
        let schema = join.schema();
        let compute = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let rows = Rows::start(
            (Lane::on(compute.handle().clone()), Stop::default()),
            Plan::Once(Arc::new(join)),
            Arc::new(TaskContext::default()),
            schema,
            Canceller::default(),
            None,
        );
        Unmatched {
            compute,
            rows,
            evaluations,
            begun,
            leave,
        }
    }

    #[test]
    fn a_join_that_never_matches_ends_when_nobody_waits_for_it() {
        let join = unmatched();
        join.begun.recv().unwrap();
        drop(join.rows);
        join.leave.send(()).unwrap();
        // The only thread has time for something else, and not because the join has come to its end.
        join.compute.block_on(join.compute.spawn(async {})).unwrap();
        assert_eq!(join.evaluations.load(Ordering::SeqCst), 1);
    }

    /// A call of a function without arguments.
    fn call(
        of: impl Fn(&[ColumnarValue]) -> datafusion::common::Result<ColumnarValue> + Send + Sync + 'static,
    ) -> ScalarFunctionExpr {
        let function = create_udf(
            "called",
            Vec::new(),
            DataType::Boolean,
            Volatility::Volatile,
            Arc::new(of),
        );
        ScalarFunctionExpr::new(
            "called",
            Arc::new(function),
            Vec::new(),
            Arc::new(Field::new("called", DataType::Boolean, false)),
            Arc::new(ConfigOptions::default()),
        )
    }

    /// What a plan ends with that does this with each row.
    fn end_of(
        does: impl Fn() -> datafusion::common::Result<ColumnarValue> + Send + Sync + 'static,
    ) -> (ErrorClass, String) {
        let input =
            MemorySourceConfig::try_new_exec(&[vec![numbers(vec![7])]], numbers(Vec::new()).schema(), None);
        let call = call(move |_| does());
        let plan =
            ProjectionExec::try_new([(Arc::new(call) as _, "called".to_owned())], input.unwrap()).unwrap();
        let schema = plan.schema();
        let compute = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let mut rows = Rows::start(
            (Lane::on(compute.handle().clone()), Stop::default()),
            Plan::Once(Arc::new(plan)),
            Arc::new(TaskContext::default()),
            schema,
            Canceller::default(),
            None,
        );
        let error = compute.block_on(rows.next()).unwrap().unwrap_err();
        (error.class(), error.to_string())
    }

    #[test]
    fn texts_that_outgrow_their_array_are_the_statements_fault_and_other_panics_ours() {
        let long = "a text, or the texts of a column together, grew beyond 2 GB";
        let long = (ErrorClass::TooLarge, long.to_owned());
        // Arrow's own panic, without the texts.
        let offsets = || {
            OffsetBuffer::<i32>::from_lengths([i32::MAX as usize, 1]);
            unreachable!()
        };
        assert_eq!(end_of(offsets), long);
        assert_eq!(end_of(|| panic!("byte array offset overflow")), long);
        let error = || Err(ArrowError::OffsetOverflowError(1 << 31).into());
        assert_eq!(end_of(error), long);
        let error = || Err(ArrowError::ComputeError("byte array offset overflow".to_owned()).into());
        assert_eq!(end_of(error), long);
        // A value of a user that has those words is no such text.
        let error = || {
            Err(ArrowError::CastError(
                "Cannot cast string 'offset overflow' to value of Int32 type".to_owned(),
            )
            .into())
        };
        assert_ne!(end_of(error).0, ErrorClass::TooLarge);
        let defect = (ErrorClass::Internal, "internal error".to_owned());
        assert_eq!(end_of(|| panic!("index out of bounds")), defect);
    }

    #[test]
    fn where_memory_is_short_rows_end_that_nobody_asks_for() {
        let batches = vec![numbers(vec![7]); BATCHES_AHEAD + 2];
        let input = MemorySourceConfig::try_new_exec(&[batches], numbers(Vec::new()).schema(), None).unwrap();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let call = call(move |_| {
            let _holds = &holds;
            Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
        });
        let plan = ProjectionExec::try_new([(Arc::new(call) as _, "called".to_owned())], input).unwrap();
        let schema = plan.schema();
        let compute = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let stop = Stop::default();
        let mut rows = Rows::start(
            (Lane::on(compute.handle().clone()), stop.clone()),
            Plan::Once(Arc::new(plan)),
            Arc::new(TaskContext::default()),
            schema,
            Canceller::default(),
            None,
        );
        compute.block_on(rows.next()).unwrap().unwrap();
        stop.stop(StopReason::Memory);
        // What the plan holds goes while its reader is elsewhere.
        while Arc::strong_count(&held) > 1 {
            std::thread::yield_now();
        }
        let error = compute.block_on(rows.next()).unwrap().unwrap_err();
        assert_eq!(error.class(), ErrorClass::OutOfMemory);
        assert!(compute.block_on(rows.next()).is_none());
    }

    #[test]
    fn a_join_that_never_matches_goes_on_while_somebody_waits_for_it() {
        let mut join = unmatched();
        join.leave.send(()).unwrap();
        let next = join.compute.block_on(join.rows.next());
        assert!(next.is_none(), "{next:?}");
        assert_eq!(join.evaluations.load(Ordering::SeqCst), SIDE);
    }

    #[test]
    fn a_number_that_does_not_fit_its_column_is_an_error_and_no_null() {
        let narrow: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        let fits = renamed(&narrow, numbers(vec![7, -7])).unwrap();
        assert_eq!(*fits.column(0).as_primitive::<Int32Type>().values(), [7_i32, -7]);
        renamed(&narrow, numbers(vec![7, 3_000_000_000])).unwrap_err();
    }
}
