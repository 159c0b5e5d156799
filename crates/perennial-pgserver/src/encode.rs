//! Columns to bytes: text and binary, as Postgres writes them.
//!
//! The encoder of a column is chosen once for each batch and owns its arrays; rows are then written one after
//! the other into one buffer that the connection keeps. A value costs one indirect call and no allocation.

mod array;
mod datetime;
mod interval;
mod json;
mod number;
mod numeric;
mod plain;
mod record;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use bytes::{BufMut, BytesMut};
use perennial_engine::description::ObjectNames;
use perennial_engine::schema::is_record;
use pgwire::api::Type;

use crate::backend;
use crate::catalog::types::format_builtin;
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::OutputStyle;
use crate::types;

pub(crate) use datetime::{DAY_MICROS, EPOCH_DAYS, EPOCH_MICROS, days_from_civil};
pub(crate) use numeric::{Digits, NEGATIVE};
pub(crate) use plain::{uuid, uuid_text};

/// Largest row in bytes; Postgres' own bound is a little less than 1 GiB.
pub(crate) const ROW_LIMIT: usize = 1 << 30;

/// Writes the value of a row, which is known not to be null.
type Put = Box<dyn Fn(usize, &mut BytesMut) -> Result<()> + Send + Sync>;

/// One column of one batch, ready to be written.
pub(crate) struct Column {
    nulls: Option<NullBuffer>,
    put: Put,
}

impl Column {
    /// Chooses how `array` is written as `pg_type` in `format`.
    ///
    /// # Errors
    /// 0A000 where a type has no such form.
    pub(crate) fn try_new(
        array: &ArrayRef,
        pg_type: &Type,
        format: Format,
        style: &OutputStyle,
    ) -> Result<Self> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self {
            nulls,
            put: put(array, pg_type, format, style)?,
        })
    }

    /// Chooses how `array` is written as the column that `field` describes.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub(crate) fn of(field: &Field, array: &ArrayRef, format: Format, style: &OutputStyle) -> Result<Self> {
        Self::with_digits(array, &types::pg_type(field), Digits::of(field), format, style)
    }

    /// Writes `array` as JSON.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub(crate) fn as_json(field: &Field, array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        Ok(Self {
            nulls: array.logical_nulls().filter(|nulls| nulls.null_count() > 0),
            put: json::put_field(field, array, style)?,
        })
    }

    fn with_digits(
        array: &ArrayRef,
        pg_type: &Type,
        digits: Option<Digits>,
        format: Format,
        style: &OutputStyle,
    ) -> Result<Self> {
        let Some(digits) = digits else {
            return Self::try_new(array, pg_type, format, style);
        };
        Ok(Self {
            nulls: array.logical_nulls().filter(|nulls| nulls.null_count() > 0),
            put: numeric::of_own_digits(array, digits, format)?,
        })
    }

    /// Whether the row has no value.
    pub(crate) fn vacant(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Writes the bytes of a value that is not null.
    pub(crate) fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        (self.put)(row, out)
    }

    /// Writes a field as rows, arrays and binary COPY have it: its length, -1 for null, then its bytes.
    pub(crate) fn write_field(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.vacant(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let start = out.len();
        out.put_i32(0);
        self.write(row, out)?;
        let length = out.len() - start - 4;
        let length = i32::try_from(length).map_err(|_| Error::TooLarge { what: "a value" })?;
        if let Some(word) = out.get_mut(start..start + 4) {
            word.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}

/// The types and formats of a result, kept for all its batches.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<(Type, Option<Digits>, Format)>,
    /// What objects are called.
    names: Option<Arc<dyn ObjectNames>>,
}

/// Whether objects are among what is written, such as the relations of `regclass`.
pub(crate) fn names_objects(schema: &Schema) -> bool {
    let mut fields = schema.fields().iter();
    fields.any(|field| types::named_type(field).is_some_and(|name| name.starts_with("reg")))
}

impl Layout {
    /// The layout of rows of `schema`, each column in its format.
    pub(crate) fn new(schema: &Schema, formats: &[Format], names: Option<Arc<dyn ObjectNames>>) -> Self {
        let types = schema
            .fields()
            .iter()
            .map(|field| (types::pg_type(field), Digits::of(field)));
        Self {
            columns: types
                .zip(formats)
                .map(|((pg_type, digits), format)| (pg_type, digits, *format))
                .collect(),
            names,
        }
    }

    /// Chooses the encoders of a batch.
    pub(crate) fn columns(&self, batch: &RecordBatch, style: &OutputStyle) -> Result<Vec<Column>> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::internal("a batch has other columns than its statement"));
        }
        let pairs = batch.columns().iter().zip(&self.columns);
        pairs
            .map(|(array, (pg_type, digits, format))| {
                let called = match (&self.names, format) {
                    (Some(names), Format::Text) => called(array, pg_type, names.as_ref()),
                    _ => None,
                };
                Column::with_digits(called.as_ref().unwrap_or(array), pg_type, *digits, *format, style)
            })
            .collect()
    }
}

/// The rows of one batch on their way to the client.
pub(crate) struct Rows {
    columns: Vec<Column>,
    next: usize,
    end: usize,
}

impl Rows {
    /// Makes the rows of a batch ready.
    pub(crate) fn try_new(layout: &Layout, batch: &RecordBatch, style: &OutputStyle) -> Result<Self> {
        Ok(Self {
            columns: layout.columns(batch, style)?,
            next: 0,
            end: batch.num_rows(),
        })
    }

    /// Rows that are not written yet.
    pub(crate) fn left(&self) -> usize {
        self.end - self.next
    }

    /// Writes rows by `put` until `most` are written, `out` holds `enough` bytes, or none is left; says how
    /// many.
    ///
    /// # Errors
    /// The first value that cannot be written; `out` then ends with the last whole row.
    pub(crate) fn write(
        &mut self,
        out: &mut BytesMut,
        most: usize,
        enough: usize,
        mut put: impl FnMut(&[Column], usize, &mut BytesMut) -> Result<()>,
    ) -> Result<usize> {
        let first = self.next;
        let stop = self.end.min(first.saturating_add(most));
        while self.next < stop && out.len() < enough {
            let start = out.len();
            if let Err(error) = put(&self.columns, self.next, out) {
                out.truncate(start);
                return Err(error);
            }
            self.next += 1;
        }
        Ok(self.next - first)
    }
}

/// Writes a row as a DataRow message.
pub(crate) fn write_row(columns: &[Column], row: usize, out: &mut BytesMut) -> Result<()> {
    let start = out.len();
    out.put_u8(b'D');
    out.put_i32(0);
    out.put_i16(i16::try_from(columns.len()).map_err(|_| Error::TooLarge {
        what: "the list of columns",
    })?);
    for column in columns {
        column.write_field(row, out)?;
        if out.len() - start > ROW_LIMIT {
            return Err(Error::TooLarge { what: "a row" });
        }
    }
    backend::close(out, start + 1);
    Ok(())
}

/// The values of a batch as Postgres writes them in text; `None` = null.
///
/// # Errors
/// The first value that has no text form.
pub fn text_rows(batch: &RecordBatch, style: &OutputStyle) -> Result<Vec<Vec<Option<String>>>> {
    let layout = Layout::new(&batch.schema(), &vec![Format::Text; batch.num_columns()], None);
    let columns = layout.columns(batch, style)?;
    let mut scratch = BytesMut::new();
    let mut cell = |column: &Column, row: usize| -> Result<Option<String>> {
        if column.vacant(row) {
            return Ok(None);
        }
        scratch.clear();
        column.write(row, &mut scratch)?;
        Ok(Some(String::from_utf8_lossy(&scratch).into_owned()))
    };
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| cell(column, row)).collect())
        .collect()
}

/// The one choice of an encoder.
fn put(array: &ArrayRef, pg_type: &Type, format: Format, style: &OutputStyle) -> Result<Put> {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            if dictionary.values().is_empty() {
                return Ok(Box::new(|_, _| Ok(()))); // every row is null
            }
            let keys = dictionary.normalized_keys();
            let values = put(dictionary.values(), pg_type, format, style)?;
            Ok(Box::new(move |row, out| {
                keys.get(row).map_or(Ok(()), |key| values(*key, out))
            }))
        }
        DataType::RunEndEncoded(_, values) => {
            let flat =
                arrow::compute::cast(array, values.data_type()).map_err(|_| no_form(pg_type, format))?;
            put(&flat, pg_type, format, style)
        }
        _ if matches!(*pg_type, Type::JSON) && !array.data_type().is_string() => json::put(array, style),
        _ if *pg_type == Type::REGTYPE && format == Format::Text && !array.data_type().is_string() => {
            named_type(array)
        }
        DataType::Boolean => Ok(plain::boolean(array, format)),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            number::integer(array, pg_type, format)
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => number::integer(array, pg_type, format),
        DataType::UInt64 => number::unsigned(array, pg_type, format),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => number::float(array, format, style),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => numeric::decimal(array, format),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => plain::text(array, pg_type, format),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            plain::bytes(array, pg_type, format, style)
        }
        DataType::Date32 | DataType::Date64 => datetime::date(array, format, style),
        DataType::Time32(_) | DataType::Time64(_) => datetime::time(array, format),
        DataType::Timestamp(..) => datetime::timestamp(array, format, style),
        DataType::Interval(_) | DataType::Duration(_) => interval::interval(array, format, style),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => array::list(array, pg_type, format, style),
        DataType::Null => Ok(Box::new(|_, _| Ok(()))),
        DataType::Struct(fields) if is_record(fields) => record::record(array, fields, format, style),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => json::put(array, style),
    }
}

/// Objects, and lists of them, by their names; none where a column has none.
fn called(array: &ArrayRef, pg_type: &Type, names: &dyn ObjectNames) -> Option<ArrayRef> {
    if let (Some(item), Some(list)) = (types::element(pg_type), array.as_list_opt::<i32>()) {
        let values = called(list.values(), &item, names)?;
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let list = ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned());
        return Some(Arc::new(list.ok()?));
    }
    names.name(pg_type.name(), 0)?;
    let numbers = arrow::compute::cast(array, &DataType::Int64).ok()?;
    let numbers = numbers.as_primitive::<Int64Type>().iter();
    let texts = numbers.map(|number| names.name(pg_type.name(), number?));
    Some(Arc::new(texts.collect::<StringArray>()))
}

/// A type by its name, and by its number where there is none of that.
fn named_type(array: &ArrayRef) -> Result<Put> {
    let numbers = arrow::compute::cast(array, &DataType::Int64)
        .map_err(|_| no_form(&Type::REGTYPE, Format::Text))?
        .as_primitive::<Int64Type>()
        .clone();
    Ok(Box::new(move |row, out| {
        let number = numbers.value(row);
        let name = format_builtin(number, None).unwrap_or_else(|| number.to_string());
        out.put_slice(name.as_bytes());
        Ok(())
    }))
}

fn no_form(pg_type: &Type, format: Format) -> Error {
    let format = if format == Format::Text { "text" } else { "binary" };
    Error::NoWireForm {
        format,
        type_name: types::sql_name(pg_type),
    }
}

#[cfg(test)]
mod tests;
