//! The rows of a running statement: produced on the runtime for computing, handed over through a short channel,
//! stopped by a user, a deadline or a lost client at any moment.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, StreamExt};
use perennial_base::ErrorClass;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Error, Result, StopReason};
use crate::rules::stoppable::stoppable;
use crate::session::cursor::Fetch;
use crate::session::request::{Canceller, Request};

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
}

#[derive(Debug)]
enum Source {
    /// A plan; its last item is an error or `None`.
    Running {
        items: mpsc::Receiver<Result<Option<RecordBatch>>>,
        _task: Task,
    },
    Ready(std::vec::IntoIter<RecordBatch>),
    Cursor(Box<Fetch>),
    Ended,
}

/// A running plan: it is aborted where it yields, and joins of it end where they do not.
#[derive(Debug)]
struct Task(
    AbortHandle,
    #[expect(dead_code, reason = "it cancels when it is dropped")] DropGuard,
);

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
            source: Source::Ready(batches.into_iter()),
            canceller: Canceller::default(),
            _request: None,
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
        }
    }

    /// Starts a plan on the runtime for computing.
    pub(crate) fn start(
        runtime: &tokio::runtime::Handle,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        schema: SchemaRef,
        canceller: Canceller,
        request: Option<Request>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let shown = Arc::clone(&schema);
        let over = CancellationToken::new();
        let end = over.clone();
        let work = async move {
            let plan = stoppable(plan, &over);
            let mut stream = match plan.and_then(|plan| execute_stream(plan, context)) {
                Ok(stream) => stream,
                Err(error) => {
                    let _ = sender.send(Err(error.into())).await;
                    return;
                }
            };
            loop {
                let item = match std::panic::AssertUnwindSafe(stream.next()).catch_unwind().await {
                    Ok(None) => Ok(None),
                    Ok(Some(Ok(batch))) if batch.num_rows() == 0 => continue,
                    // The columns are those of the plan; the names are those that the user wrote.
                    Ok(Some(Ok(batch))) => renamed(&shown, batch).map(Some),
                    Ok(Some(Err(error))) => Err(error.into()),
                    Err(panic) => Err(panicked(&panic)),
                };
                let last = !matches!(item, Ok(Some(_)));
                if sender.send(item).await.is_err() || last {
                    return;
                }
            }
        };
        let task = Task(runtime.spawn(work).abort_handle(), end.drop_guard());
        Self {
            schema,
            tag: "SELECT",
            source: Source::Running {
                items: receiver,
                _task: task,
            },
            canceller,
            _request: request,
        }
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
                Source::Running { items, .. } => match items.recv().await {
                    Some(item) => item,
                    // The plan has not come to its end, so its threads have.
                    None => Err(Error::Stopped(StopReason::Shutdown)),
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

    /// Lets the rows outlive the request that started them.
    pub(crate) fn kept(mut self) -> Self {
        self._request = None;
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
