//! The rows that a cursor with SCROLL has given, so that it can go back to them: the last ones, within a bound.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::session::cursor::Step;

/// Bytes of the rows that the cursors of a session keep.
const MAX_KEPT: usize = 16 << 20;

/// Bytes of rows that the cursors of a session keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(Arc<AtomicUsize>);

/// See the module. Rows are counted from 1.
#[derive(Debug)]
pub(crate) struct Scroll {
    batches: VecDeque<RecordBatch>,
    kept: Kept,
    /// Rows before those of the batches.
    gone: u64,
    /// Rows that the query has given so far.
    read: u64,
    /// Whether these are all.
    whole: bool,
    /// The row that the cursor stands on; 0 before the first, one more than there are behind the last.
    at: u64,
}

impl Drop for Scroll {
    fn drop(&mut self) {
        let bytes = self.batches.iter().map(size_of).sum();
        self.kept.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Scroll {
    pub(crate) fn new(kept: Kept) -> Self {
        Self {
            batches: VecDeque::new(),
            kept,
            gone: 0,
            read: 0,
            whole: false,
            at: 0,
        }
    }

    /// The next batch of what a step gives; what is left of the step stays in it.
    pub(crate) async fn next(&mut self, rows: &mut Rows, step: &mut Step) -> Result<Option<RecordBatch>> {
        match *step {
            Step::Forward(wanted) => self.forward(rows, step, wanted).await,
            Step::Backward(wanted) => self.backward(step, wanted),
            Step::Absolute(place) => {
                let row = match u64::try_from(place) {
                    Ok(row) => row,
                    Err(_) => {
                        while self.more(rows).await? {}
                        (self.read + 1).saturating_sub(place.unsigned_abs())
                    }
                };
                self.only(rows, step, row).await
            }
            Step::Relative(by) => {
                let row = self.at.saturating_add_signed(by);
                self.only(rows, step, row).await
            }
        }
    }

    async fn forward(
        &mut self,
        rows: &mut Rows,
        step: &mut Step,
        wanted: u64,
    ) -> Result<Option<RecordBatch>> {
        if wanted == 0 {
            return Ok(None);
        }
        while self.at >= self.read {
            if !self.more(rows).await? {
                self.at = self.read + 1;
                *step = Step::Forward(0);
                return Ok(None);
            }
        }
        let (batch, before) = self.batch_of(self.at + 1)?;
        let from = self.at - before;
        let count = (batch.num_rows() as u64 - from).min(wanted);
        let slice = batch.slice(from as usize, count as usize);
        self.at += count;
        *step = Step::Forward(wanted - count);
        Ok(Some(slice))
    }

    fn backward(&mut self, step: &mut Step, wanted: u64) -> Result<Option<RecordBatch>> {
        if wanted == 0 {
            return Ok(None);
        }
        let last = self.at.saturating_sub(1).min(self.read);
        if last == 0 {
            self.at = 0;
            *step = Step::Backward(0);
            return Ok(None);
        }
        let (batch, before) = self.batch_of(last)?;
        let count = (last - before).min(wanted);
        let places = (last - before - count..last - before).rev();
        let turned = take_record_batch(&batch, &UInt64Array::from_iter_values(places))?;
        self.at = last - count + 1;
        *step = Step::Backward(wanted - count);
        Ok(Some(turned))
    }

    /// Goes to a row, and gives it.
    async fn only(&mut self, rows: &mut Rows, step: &mut Step, row: u64) -> Result<Option<RecordBatch>> {
        *step = Step::Forward(0);
        if row == 0 {
            self.at = 0;
            return Ok(None);
        }
        while self.read < row && self.more(rows).await? {}
        self.at = (row - 1).min(self.read);
        if row > self.read {
            self.at = self.read + 1;
            return Ok(None);
        }
        self.forward(rows, step, 1).await
    }

    /// Reads on; says whether there was more.
    async fn more(&mut self, rows: &mut Rows) -> Result<bool> {
        if self.whole {
            return Ok(false);
        }
        let Some(batch) = rows.next().await.transpose()? else {
            self.whole = true;
            return Ok(false);
        };
        self.read += batch.num_rows() as u64;
        self.kept.0.fetch_add(size_of(&batch), Ordering::Relaxed);
        self.batches.push_back(batch);
        while self.kept.0.load(Ordering::Relaxed) > MAX_KEPT && self.batches.len() > 1 {
            if let Some(oldest) = self.batches.pop_front() {
                self.kept.0.fetch_sub(size_of(&oldest), Ordering::Relaxed);
                self.gone += oldest.num_rows() as u64;
            }
        }
        Ok(true)
    }

    /// The batch that has a row, and how many rows are before it.
    fn batch_of(&self, row: u64) -> Result<(RecordBatch, u64)> {
        let mut before = self.gone;
        for batch in self.batches.iter().filter(|_| row > self.gone) {
            let behind = before + batch.num_rows() as u64;
            if row <= behind {
                return Ok((batch.clone(), before));
            }
            before = behind;
        }
        Err(Error::new(
            ErrorClass::LimitExceeded,
            format!("row {row} of the cursor is not kept any more"),
        )
        .with_detail(format!(
            "Of the cursors with SCROLL of a session the last {} MB of rows are kept, of this one from row {} on.",
            MAX_KEPT >> 20,
            self.gone + 1
        ))
        .with_hint("Declare it anew to start at its first row."))
    }
}

fn size_of(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| column.get_array_memory_size())
        .sum()
}
