//! Identifiers of rows, gathered before the graph is locked.

use crate::intern::Key;

/// The identifiers of some rows, in their order. Gathering them does most of the work of
/// [`GraphBuilder::sets`](crate::GraphBuilder::sets) without the builder, so that threads do it side by side.
#[derive(Debug, Default)]
pub struct Batch {
    text: String,
    values: Vec<Value>,
    /// Where the values of each row end.
    rows: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) key: Key,
    pub(crate) identifier_type: u8,
    /// Where its text ends.
    end: usize,
}

impl Batch {
    /// Adds a normalised value of an identifier type to the row that is being gathered. The index of a type that rules
    /// cannot have is refused by the builder.
    pub fn push(&mut self, identifier_type: usize, normalised: &str) {
        let identifier_type = u8::try_from(identifier_type).unwrap_or(u8::MAX);
        self.text.push_str(normalised);
        self.values.push(Value {
            key: Key::of_value(identifier_type, normalised),
            identifier_type,
            end: self.text.len(),
        });
    }

    /// Ends the row: the next value is the next row's.
    pub fn end_row(&mut self) {
        self.rows.push(self.values.len());
    }

    /// How many rows were ended.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Forgets all rows, to gather others.
    pub fn clear(&mut self) {
        self.text.clear();
        self.values.clear();
        self.rows.clear();
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The texts of the values.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().scan(0, |start, value| {
            let text = self.text.get(*start..value.end)?;
            *start = value.end;
            Some(text)
        })
    }

    /// Where the values of each row end.
    pub(crate) fn ends(&self) -> &[usize] {
        &self.rows
    }
}
