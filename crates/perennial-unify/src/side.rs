//! What resolving finds out of each row, beside the rows of a heap and in their order.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};

use crate::error::Result;
use crate::scratch::{Heap, Spool, Stored};

/// The signature of a row, and how many newer versions of its record there are
/// ([`DROPPED`](crate::records::DROPPED) for a row that is left out).
pub(crate) type Beside = (u32, u32);

/// Takes in what stands beside the rows.
pub(crate) struct SideBuilder(Heap);

/// What stands beside the rows of a heap. Like the rows it goes to a file when there is much of it.
#[derive(Debug)]
pub(crate) struct Side(Stored);

impl SideBuilder {
    pub(crate) fn new(spool: &Arc<Spool>) -> Self {
        let column = |name: &str| Field::new(name, DataType::UInt32, false);
        let schema = Schema::new(vec![column("signature"), column("newer")]);
        Self(Heap::new(spool, Arc::new(schema)))
    }

    pub(crate) fn push(&mut self, beside: &[Beside]) -> Result<()> {
        let column = |values: UInt32Array| Arc::new(values) as _;
        let columns = vec![
            column(beside.iter().map(|(signature, _)| *signature).collect()),
            column(beside.iter().map(|(_, newer)| *newer).collect()),
        ];
        self.0.push(RecordBatch::try_new(self.0.schema(), columns)?)
    }

    pub(crate) fn finish(self) -> Side {
        Side(self.0.finish())
    }
}

impl Side {
    pub(crate) fn read(&self) -> Reader<impl Iterator<Item = Result<RecordBatch>>> {
        Reader {
            batches: self.0.batches(None),
            held: Vec::new(),
        }
    }
}

/// Reads a side from its start.
pub(crate) struct Reader<I> {
    batches: I,
    held: Vec<Beside>,
}

impl<I: Iterator<Item = Result<RecordBatch>>> Reader<I> {
    /// What stands beside the next `rows` rows.
    pub(crate) fn next(&mut self, rows: usize) -> Result<Vec<Beside>> {
        while self.held.len() < rows
            && let Some(batch) = self.batches.next()
        {
            let batch = batch?;
            let column = |at: usize| batch.column(at).as_primitive::<UInt32Type>().values();
            let pairs = column(0).iter().zip(column(1));
            self.held
                .extend(pairs.map(|(signature, newer)| (*signature, *newer)));
        }
        let rest = self.held.split_off(rows.min(self.held.len()));
        Ok(std::mem::replace(&mut self.held, rest))
    }
}
