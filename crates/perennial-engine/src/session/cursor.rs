//! Cursors: a running statement that hands out rows in portions, forward; with SCROLL backward too. A portal of the wire protocol that has a name is
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
use crate::session::scroll::Scroll;
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
    /// What was given, where it can be asked for again.
    scroll: Option<Scroll>,
}

/// What a FETCH asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many rows from the next one on.
    Forward(u64),
    /// So many rows from the one before on, backward.
    Backward(u64),
    /// One row by its place, from the end where it is negative.
    Absolute(i64),
    /// One row by how far it is.
    Relative(i64),
}

/// A portion of a cursor that is being fetched, batch by batch.
#[derive(Debug)]
pub(crate) struct Fetch {
    schema: SchemaRef,
    slot: Arc<Mutex<Option<Left>>>,
    left: Option<Left>,
    step: Step,
}

impl Cursor {
    pub(crate) fn new(
        rows: Rows,
        (hold, scroll): (bool, Option<Scroll>),
        number: u64,
        bytes: usize,
        listed: Listed,
    ) -> Self {
        let cursor = Self {
            schema: Arc::clone(rows.schema()),
            bound: None,
            left: Arc::default(),
            hold,
            number,
            bytes,
            _listed: listed,
        };
        cursor.fill(rows, scroll);
        cursor
    }

    /// Gives the cursor its rows.
    fn fill(&self, rows: Rows, scroll: Option<Scroll>) {
        *self.left.lock() = Some(Left {
            rows: rows.kept(),
            rest: None,
            scroll,
        });
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Begins a step. Until that ends the cursor gives nothing to others.
    ///
    /// # Errors
    /// Class `NotInState` where it goes forward only.
    fn fetch(&self, step: Step) -> Result<Fetch> {
        let mut left = self.left.lock();
        let scrolls = left.as_ref().is_none_or(|left| left.scroll.is_some());
        let step = if scrolls { step } else { step.forward()? };
        Ok(Fetch {
            schema: Arc::clone(&self.schema),
            left: left.take(),
            slot: Arc::clone(&self.left),
            step,
        })
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
            _listed: self.list_cursor(name, prepared.0.parsed.submitted(), (false, false)),
        };
        cursors.insert(name.to_owned(), cursor);
        Ok(())
    }

    /// At most so many of the rows that a cursor has not given yet.
    ///
    /// # Errors
    /// Class `UndefinedCursor`; what starting its query finds wrong.
    pub async fn portion(&self, name: &str, wanted: usize) -> Result<Rows> {
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        self.stepped(name, Step::Forward(wanted)).await
    }

    /// The rows that a step of a cursor gives.
    ///
    /// # Errors
    /// As [`Self::portion`]; class `NotInState` for a step back without SCROLL.
    pub(crate) async fn stepped(&self, name: &str, step: Step) -> Result<Rows> {
        let bound = self
            .cursors
            .lock()
            .get_mut(name)
            .and_then(|cursor| cursor.bound.take());
        if let Some((prepared, values)) = bound {
            let rows = self.start(&prepared, values).await?;
            if let Some(cursor) = self.cursors.lock().get(name) {
                cursor.fill(rows, None);
            }
        }
        let cursors = self.cursors.lock();
        let cursor = cursors.get(name).ok_or_else(|| no_cursor(name))?;
        Ok(Rows::fetch(
            cursor.fetch(step)?,
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
        let Some(left) = self.left.as_mut() else {
            return Ok(None);
        };
        if let Some(scroll) = &mut left.scroll {
            return scroll.next(&mut left.rows, &mut self.step).await;
        }
        let Step::Forward(wanted @ 1..) = self.step else {
            return Ok(None);
        };
        let batch = match left.rest.take() {
            Some(batch) => batch,
            None => match left.rows.next().await.transpose()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let rows = batch
            .num_rows()
            .min(usize::try_from(wanted).unwrap_or(usize::MAX));
        self.step = Step::Forward(wanted - rows as u64);
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

impl Step {
    /// What a direction asks for.
    ///
    /// # Errors
    /// Class `Syntax` or `InvalidArgument` for a number that is none.
    pub(crate) fn of(direction: &FetchDirection) -> Result<Self> {
        let forward = |rows: i64| match u64::try_from(rows) {
            // None is the row that the cursor stands on.
            Ok(0) => Self::Relative(0),
            Ok(rows) => Self::Forward(rows),
            Err(_) => Self::Backward(rows.unsigned_abs()),
        };
        Ok(match direction {
            FetchDirection::Next | FetchDirection::Forward { limit: None } => Self::Forward(1),
            FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => {
                forward(number(limit)?)
            }
            FetchDirection::All | FetchDirection::ForwardAll => Self::Forward(u64::MAX),
            FetchDirection::Prior | FetchDirection::Backward { limit: None } => Self::Backward(1),
            FetchDirection::Backward { limit: Some(limit) } => forward(number(limit)?.saturating_neg()),
            FetchDirection::BackwardAll => Self::Backward(u64::MAX),
            FetchDirection::First => Self::Absolute(1),
            FetchDirection::Last => Self::Absolute(-1),
            FetchDirection::Absolute { limit } => Self::Absolute(number(limit)?),
            FetchDirection::Relative { limit } => Self::Relative(number(limit)?),
        })
    }

    /// The same of a cursor that goes forward only.
    fn forward(self) -> Result<Self> {
        match self {
            Self::Forward(_) => Ok(self),
            Self::Relative(0) => Ok(Self::Forward(0)),
            Self::Relative(1) => Ok(Self::Forward(1)),
            Self::Relative(_) | Self::Absolute(_) | Self::Backward(_) => {
                Err(Error::new(ErrorClass::NotInState, "cursor can only scan forward")
                    .with_hint("Declare it with SCROLL option to enable backward scan."))
            }
        }
    }
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
