//! Cursors: a running statement that hands out rows in portions, forward.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{FetchDirection, Value, ValueWithSpan};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::rows::Rows;

/// An open cursor.
#[derive(Debug)]
pub(crate) struct Cursor {
    rows: Rows,
    /// The rest of a batch that was handed out in part.
    rest: Option<RecordBatch>,
    /// Whether it outlives its transaction.
    pub(crate) hold: bool,
}

/// How many rows a FETCH or MOVE goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Portion {
    Rows(usize),
    All,
}

impl Cursor {
    pub(crate) fn new(rows: Rows, hold: bool) -> Self {
        Self {
            rows,
            rest: None,
            hold,
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.rows.schema()
    }

    /// The next batch of at most `rows` rows.
    pub(crate) async fn next(&mut self, rows: usize) -> Option<Result<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match self.rows.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        if batch.num_rows() > rows {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
            return Some(Ok(batch.slice(0, rows)));
        }
        Some(Ok(batch))
    }

    /// The next portion, whole.
    pub(crate) async fn portion(&mut self, portion: Portion) -> Result<Vec<RecordBatch>> {
        let mut wanted = match portion {
            Portion::Rows(rows) => rows,
            Portion::All => usize::MAX,
        };
        let mut batches = Vec::new();
        while wanted > 0 {
            match self.next(wanted).await {
                Some(batch) => {
                    let batch = batch?;
                    wanted -= batch.num_rows().min(wanted);
                    batches.push(batch);
                }
                None => break,
            }
        }
        Ok(batches)
    }
}

/// Reads a direction; only forward ones are served.
pub(crate) fn portion(direction: &FetchDirection) -> Result<Portion> {
    match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(Portion::Rows(1)),
        FetchDirection::Count { limit }
        | FetchDirection::Forward { limit: Some(limit) }
        | FetchDirection::Relative { limit } => number(limit).map(Portion::Rows),
        FetchDirection::All | FetchDirection::ForwardAll => Ok(Portion::All),
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
