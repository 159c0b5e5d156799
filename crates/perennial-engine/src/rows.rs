//! The rows of a running statement: produced on the runtime for computing, handed over through a short channel,
//! stopped by a user, a deadline or a lost client at any moment.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use perennial_base::ErrorClass;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, StopReason};

/// Batches that wait for a slow reader before the plan waits too.
const BATCHES_AHEAD: usize = 2;

/// Stops a statement; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<Mutex<Option<StopReason>>>,
}

impl Stop {
    /// Stops the statement for a reason; the first reason counts.
    pub fn stop(&self, reason: StopReason) {
        self.reason.lock().get_or_insert(reason);
        self.token.cancel();
    }

    /// The error once stopped.
    pub(crate) fn error(&self) -> Option<Error> {
        self.token
            .is_cancelled()
            .then(|| Error::Stopped(self.reason.lock().unwrap_or(StopReason::User)))
    }

    /// Completes when stopped.
    pub(crate) async fn stopped(&self) -> Error {
        self.token.cancelled().await;
        Error::Stopped(self.reason.lock().unwrap_or(StopReason::User))
    }

    /// Stops by itself after `timeout`; zero = never. The timer ends with the guard. It runs where its caller runs, not
    /// where plans do: a plan that keeps its threads busy cannot hold it back.
    pub(crate) fn after(&self, timeout: Duration) -> Option<Timer> {
        (!timeout.is_zero()).then(|| {
            let stop = self.clone();
            let task = tokio::spawn(async move {
                tokio::time::sleep(timeout).await;
                stop.stop(StopReason::Timeout);
            });
            Timer(task.abort_handle())
        })
    }
}

/// A running `statement_timeout`.
#[derive(Debug)]
pub(crate) struct Timer(AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a statement gives, batch by batch. Dropping it stops the plan.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    tag: &'static str,
    batches: Source,
    stop: Stop,
    _timer: Option<Timer>,
    _task: Option<Task>,
}

#[derive(Debug)]
enum Source {
    Running(mpsc::Receiver<Result<RecordBatch>>),
    Ready(std::vec::IntoIter<RecordBatch>),
}

#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Rows {
    /// Rows that are there already, such as those of SHOW.
    pub(crate) fn ready(tag: &'static str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self {
            schema,
            tag,
            batches: Source::Ready(batches.into_iter()),
            stop: Stop::default(),
            _timer: None,
            _task: None,
        }
    }

    /// Starts a plan on the runtime for computing.
    pub(crate) fn start(
        runtime: &tokio::runtime::Handle,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        schema: SchemaRef,
        stop: Stop,
        timer: Option<Timer>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let token = stop.token.clone();
        let shown = Arc::clone(&schema);
        let work = async move {
            let mut stream = match execute_stream(plan, context) {
                Ok(stream) => stream,
                Err(error) => {
                    let _ = sender.send(Err(error.into())).await;
                    return;
                }
            };
            loop {
                let next = tokio::select! {
                    biased;
                    () = token.cancelled() => return,
                    next = std::panic::AssertUnwindSafe(stream.next()).catch_unwind() => next,
                };
                let item = match next {
                    Ok(None) => return,
                    Ok(Some(Ok(batch))) if batch.num_rows() == 0 => continue,
                    // The columns are those of the plan; the names are those that the user wrote.
                    Ok(Some(Ok(batch))) => renamed(&shown, batch),
                    Ok(Some(Err(error))) => Err(error.into()),
                    Err(panic) => Err(panicked(&panic)),
                };
                let failed = item.is_err();
                if sender.send(item).await.is_err() || failed {
                    return;
                }
            }
        };
        let task = runtime.spawn(work);
        Self {
            schema,
            tag: "SELECT",
            batches: Source::Running(receiver),
            stop,
            _timer: timer,
            _task: Some(Task(task.abort_handle())),
        }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch; `None` at the end. An error is the last item.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        match &mut self.batches {
            Source::Ready(batches) => batches.next().map(Ok),
            Source::Running(receiver) => {
                tokio::select! {
                    biased;
                    error = self.stop.stopped() => { receiver.close(); Some(Err(error)) }
                    item = receiver.recv() => match item {
                        Some(item) => Some(item),
                        None => self.stop.error().map(Err),
                    },
                }
            }
        }
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
}

/// A value that does not fit is an error, never a NULL.
const EXACT: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};

/// The batch under other names and with nullability as promised.
fn renamed(schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch> {
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
    tracing::error!(panic = text, "a statement panicked");
    Error::new(ErrorClass::Internal, "internal error")
        .with_hint("This is a defect of Perennial; the server's log has more.")
}
