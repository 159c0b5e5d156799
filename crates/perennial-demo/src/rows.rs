//! The rows of every source, as its system exports them.

mod people;
mod reference;
mod shop;
mod web;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray},
    error::ArrowError,
};

pub(crate) use self::{
    people::{Account, Consent, Contact, Interaction, Reader, Response},
    reference::{Entry, Rate, Spend},
    shop::{Change, Item, Order, Refund},
    web::Event,
};
use crate::source::Source;

/// A column of a table: its name, its values, and whether a value may be missing.
pub(crate) type Column = (&'static str, ArrayRef, bool);

/// A row of a source.
pub(crate) trait Row: Sized {
    /// The source that it is of.
    const SOURCE: Source;

    /// When it happened, in microseconds since 1970-01-01 UTC: the order of rows in a file, and which file.
    fn at(&self) -> i64;

    /// The file that it is in, if its time alone does not say.
    fn part(&self) -> i32 {
        Self::SOURCE.part_at(self.at())
    }

    /// Rows as columns.
    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError>;
}

/// The person behind a record: the answer that identity resolution should find.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) source: Source,
    pub(crate) key: u64,
    pub(crate) person: u64,
}

impl Truth {
    /// Answers as columns.
    pub(crate) fn columns(rows: &[Self]) -> Vec<Column> {
        vec![
            ("source", text(rows, |row| Some(row.source.name())), false),
            (
                "record_key",
                text(rows, |row| Some(row.source.key_text(row.key))),
                false,
            ),
            (
                "person_id",
                integers(rows, |row| i64::try_from(row.person).ok()),
                false,
            ),
        ]
    }
}

fn text<'a, R, T: AsRef<str>>(rows: &'a [R], value: impl Fn(&'a R) -> Option<T>) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<StringArray>())
}

fn integers<R>(rows: &[R], value: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<Int64Array>())
}

fn times<R>(rows: &[R], value: impl Fn(&R) -> i64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(value)).with_timezone("UTC"))
}

fn days<R: Row>(rows: &[R]) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(
        rows.iter().map(|row| crate::calendar::day_of(row.at())),
    ))
}

fn money<R>(rows: &[R], cents: impl Fn(&R) -> i64) -> Result<ArrayRef, ArrowError> {
    decimals(rows, cents, 2)
}

fn decimals<R>(rows: &[R], units: impl Fn(&R) -> i64, scale: i8) -> Result<ArrayRef, ArrowError> {
    let values = Decimal128Array::from_iter_values(rows.iter().map(|row| i128::from(units(row))));
    Ok(Arc::new(values.with_precision_and_scale(12, scale)?))
}
