//! Cursors: a running statement that hands out rows in portions, forward.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{FetchDirection, Value, ValueWithSpan};
use parking_lot::Mutex;
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::rows::Rows;

/// An open cursor.
#[derive(Debug)]
pub(crate) struct Cursor {
    schema: SchemaRef,
    /// Taken out by the FETCH that runs.
    left: Arc<Mutex<Option<Left>>>,
    /// Whether it outlives its transaction.
    pub(crate) hold: bool,
    /// Its place in the order in which the session opened cursors.
    pub(crate) number: u64,
    /// The length of its query.
    pub(crate) bytes: usize,
}

/// What a cursor has not given yet.
#[derive(Debug)]
struct Left {
    rows: Rows,
    /// The rest of a batch that was handed out in part.
    rest: Option<RecordBatch>,
}

/// A portion of a cursor that is being fetched, batch by batch.
#[derive(Debug)]
pub(crate) struct Fetch {
    schema: SchemaRef,
    slot: Arc<Mutex<Option<Left>>>,
    left: Option<Left>,
    wanted: usize,
}

impl Cursor {
    pub(crate) fn new(rows: Rows, hold: bool, number: u64, bytes: usize) -> Self {
        let rows = rows.kept();
        Self {
            schema: Arc::clone(rows.schema()),
            left: Arc::new(Mutex::new(Some(Left { rows, rest: None }))),
            hold,
            number,
            bytes,
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Begins to fetch at most `wanted` rows. Until that ends the cursor gives nothing to others.
    pub(crate) fn fetch(&self, wanted: usize) -> Fetch {
        Fetch {
            schema: Arc::clone(&self.schema),
            left: self.left.lock().take(),
            slot: Arc::clone(&self.left),
            wanted,
        }
    }
}

impl Fetch {
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch of the portion; after an error the cursor gives no rows any more.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(left) = self.left.as_mut().filter(|_| self.wanted > 0) else {
            return Ok(None);
        };
        let batch = match left.rest.take() {
            Some(batch) => batch,
            None => match left.rows.next().await.transpose()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let rows = batch.num_rows().min(self.wanted);
        self.wanted -= rows;
        if rows < batch.num_rows() {
            left.rest = Some(batch.slice(rows, batch.num_rows() - rows));
            return Ok(Some(batch.slice(0, rows)));
        }
        Ok(Some(batch))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        *self.slot.lock() = self.left.take();
    }
}

/// How many rows a direction asks for; only forward ones are served.
pub(crate) fn portion(direction: &FetchDirection) -> Result<usize> {
    match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(1),
        FetchDirection::Count { limit }
        | FetchDirection::Forward { limit: Some(limit) }
        | FetchDirection::Relative { limit } => number(limit),
        FetchDirection::All | FetchDirection::ForwardAll => Ok(usize::MAX),
        _ => Err(Error::new(ErrorClass::NotInState, "cursor can only scan forward")
            .with_hint("Declare it anew to start at its first row.")),
    }
}

fn number(limit: &ValueWithSpan) -> Result<usize> {
    match &limit.value {
        Value::Number(text, _) => text.to_string().parse().map_err(|_| {
            Error::new(
                ErrorClass::InvalidArgument,
                format!("invalid number of rows \"{text}\""),
            )
        }),
        other => Err(Error::new(
            ErrorClass::Syntax,
            format!("syntax error at or near \"{other}\""),
        )),
    }
}
