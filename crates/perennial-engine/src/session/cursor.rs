//! Cursors: a running statement that hands out rows in portions, forward. A portal of the wire protocol that has a name is
//! one too, from its Bind on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{FetchDirection, Value, ValueWithSpan};
use parking_lot::Mutex;
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::session::listed::Listed;
use crate::session::{Prepared, Session, no_cursor};

/// An open cursor.
#[derive(Debug)]
pub(crate) struct Cursor {
    schema: SchemaRef,
    /// The query of a portal that has not run yet.
    bound: Option<(Prepared, Vec<ScalarValue>)>,
    /// Taken out by the FETCH that runs.
    left: Arc<Mutex<Option<Left>>>,
    /// Whether it outlives its transaction.
    pub(crate) hold: bool,
    /// Its place in the order in which the session opened cursors.
    pub(crate) number: u64,
    /// The length of its query.
    pub(crate) bytes: usize,
    /// Keeps it in `pg_cursors`.
    _listed: Listed,
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
    pub(crate) fn new(rows: Rows, hold: bool, number: u64, bytes: usize, listed: Listed) -> Self {
        let cursor = Self {
            schema: Arc::clone(rows.schema()),
            bound: None,
            left: Arc::default(),
            hold,
            number,
            bytes,
            _listed: listed,
        };
        cursor.fill(rows);
        cursor
    }

    /// Gives the cursor its rows.
    fn fill(&self, rows: Rows) {
        let rows = rows.kept();
        *self.left.lock() = Some(Left { rows, rest: None });
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

impl Session {
    /// Makes a cursor of a portal with a name, which begins to run when somebody asks for its rows: by Execute, FETCH or
    /// MOVE. It ends with its transaction.
    ///
    /// # Errors
    /// Class `DuplicateCursor`; one of a statement that is no query.
    pub fn open_portal(&self, name: &str, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<()> {
        let schema = prepared.output().filter(|_| prepared.is_query());
        let schema = schema.ok_or_else(|| super::unsupported("a portal of this statement"))?;
        let mut cursors = self.cursors.lock();
        if cursors.contains_key(name) {
            return Err(already_there(name));
        }
        let cursor = Cursor {
            schema: Arc::clone(schema),
            bound: Some((prepared.clone(), values)),
            left: Arc::default(),
            hold: false,
            number: self.opened.fetch_add(1, Ordering::Relaxed),
            bytes: prepared.text().len(),
            _listed: self.list_cursor(name, prepared.0.parsed.submitted(), false),
        };
        cursors.insert(name.to_owned(), cursor);
        Ok(())
    }

    /// At most so many of the rows that a cursor has not given yet.
    ///
    /// # Errors
    /// Class `UndefinedCursor`; what starting its query finds wrong.
    pub async fn portion(&self, name: &str, wanted: usize) -> Result<Rows> {
        let bound = self
            .cursors
            .lock()
            .get_mut(name)
            .and_then(|cursor| cursor.bound.take());
        if let Some((prepared, values)) = bound {
            let rows = self.start(&prepared, values).await?;
            if let Some(cursor) = self.cursors.lock().get(name) {
                cursor.fill(rows);
            }
        }
        let cursors = self.cursors.lock();
        let cursor = cursors.get(name).ok_or_else(|| no_cursor(name))?;
        Ok(Rows::fetch(
            cursor.fetch(wanted),
            self.canceller(),
            self.own_request(),
        ))
    }

    /// Closes a cursor; answers whether there was one.
    pub fn close_cursor(&self, name: &str) -> bool {
        self.cursors.lock().remove(name).is_some()
    }
}

/// The error of a second cursor of one name.
pub(crate) fn already_there(name: &str) -> Error {
    Error::new(
        ErrorClass::DuplicateCursor,
        format!("cursor \"{name}\" already exists"),
    )
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
        | FetchDirection::Relative { limit } => forward(number(limit)?),
        FetchDirection::Backward { limit: Some(limit) } => forward(number(limit)?.saturating_neg()),
        FetchDirection::All | FetchDirection::ForwardAll => Ok(usize::MAX),
        _ => Err(backward()),
    }
}

fn forward(rows: i64) -> Result<usize> {
    usize::try_from(rows).map_err(|_| backward())
}

fn backward() -> Error {
    Error::new(ErrorClass::NotInState, "cursor can only scan forward")
        .with_hint("Declare it anew to start at its first row.")
}

fn number(limit: &ValueWithSpan) -> Result<i64> {
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
