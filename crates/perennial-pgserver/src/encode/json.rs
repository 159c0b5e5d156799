//! Structs, maps and lists of them as JSON text, in the form of Postgres' `to_json`: numbers as they are,
//! times in ISO 8601, everything else as strings.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::{Column, Digits, Put, array, no_form};
use crate::error::Result;
use crate::frame::Format;
use crate::style::{DateForm, DateStyle, OutputStyle};
use crate::types;

/// The encoder of a value as JSON text, which is also its binary form.
pub(super) fn put(array: &ArrayRef, style: &OutputStyle) -> Result<Put> {
    let value = Value::new(array, &iso(style))?;
    Ok(Box::new(move |row, out| value.put(row, out)))
}

/// The encoder of a value of a field as JSON text.
pub(super) fn put_field(field: &Field, array: &ArrayRef, style: &OutputStyle) -> Result<Put> {
    let value = Value::of_field(field, array, &iso(style))?;
    Ok(Box::new(move |row, out| value.put(row, out)))
}

fn iso(style: &OutputStyle) -> OutputStyle {
    OutputStyle {
        date_style: DateStyle {
            form: DateForm::Iso,
            day_first: false,
        },
        hex_bytea: true,
        extra_float_digits: 1,
        ..*style
    }
}

/// A column as JSON, nulls included.
struct Value {
    nulls: Option<NullBuffer>,
    write: Put,
}

impl Value {
    fn new(array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self {
            nulls,
            write: write(array, style)?,
        })
    }

    /// A member of a struct: what is JSON text already is put in as it is.
    fn of_field(field: &Field, array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        let document =
            matches!(types::pg_type(field), Type::JSON | Type::JSONB) && array.data_type().is_string();
        if !document && Digits::of(field).is_none() {
            return Self::new(array, style);
        }
        if !document {
            let column = Column::of(field, array, Format::Text, style)?;
            let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
            return Ok(Self {
                nulls,
                write: Box::new(move |row, out| column.write(row, out)),
            });
        }
        let column = Column::try_new(array, &Type::JSON, Format::Text, style)?;
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self {
            nulls,
            write: Box::new(move |row, out| column.write(row, out)),
        })
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.put_slice(b"null");
            return Ok(());
        }
        (self.write)(row, out)
    }
}

fn write(array: &ArrayRef, style: &OutputStyle) -> Result<Put> {
    match array.data_type() {
        DataType::Struct(fields) => {
            let members = fields
                .iter()
                .zip(array.as_struct().columns())
                .map(|(field, column)| {
                    let mut name = BytesMut::new();
                    put_string(field.name(), &mut name);
                    Ok((name, Value::of_field(field, column, style)?))
                });
            let members = members.collect::<Result<Vec<_>>>()?;
            Ok(Box::new(move |row, out| {
                for (position, (name, value)) in members.iter().enumerate() {
                    out.put_u8(if position == 0 { b'{' } else { b',' });
                    out.put_slice(name);
                    out.put_u8(b':');
                    value.put(row, out)?;
                }
                out.put_slice(if members.is_empty() { b"{}" } else { b"}" });
                Ok(())
            }))
        }
        DataType::Map(..) => {
            let map = array.as_map().clone();
            let names = Column::try_new(map.keys(), &Type::TEXT, Format::Text, style)?;
            let values = Value::new(map.values(), style)?;
            Ok(Box::new(move |row, out| {
                let offsets = map.offsets();
                out.put_u8(b'{');
                for (position, item) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    if position > 0 {
                        out.put_u8(b',');
                    }
                    put_quoted(&names, item, out)?;
                    out.put_u8(b':');
                    values.put(item, out)?;
                }
                out.put_u8(b'}');
                Ok(())
            }))
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => {
            let (ranges, items) = array::items(array).ok_or_else(|| no_form(&Type::JSON, Format::Text))?;
            let items = Value::new(&items, style)?;
            Ok(Box::new(move |row, out| {
                out.put_u8(b'[');
                for (position, item) in ranges(row).enumerate() {
                    if position > 0 {
                        out.put_u8(b',');
                    }
                    items.put(item, out)?;
                }
                out.put_u8(b']');
                Ok(())
            }))
        }
        DataType::Union(..) => {
            let union = array.as_union().clone();
            let DataType::Union(fields, _) = union.data_type() else {
                return Err(no_form(&Type::JSON, Format::Text));
            };
            let members = fields
                .iter()
                .map(|(id, field)| Ok((id, Value::of_field(field, union.child(id), style)?)));
            let members = members.collect::<Result<BTreeMap<_, _>>>()?;
            Ok(Box::new(move |row, out| match members.get(&union.type_id(row)) {
                Some(value) => value.put(union.value_offset(row), out),
                None => {
                    out.put_slice(b"null");
                    Ok(())
                }
            }))
        }
        DataType::Null => Ok(Box::new(|_, out| {
            out.put_slice(b"null");
            Ok(())
        })),
        DataType::Boolean => {
            let values = array.as_boolean().values().clone();
            Ok(Box::new(move |row, out| {
                out.put_slice(if values.value(row) { b"true" } else { b"false" });
                Ok(())
            }))
        }
        other => scalar(array, other, style),
    }
}

/// Numbers without quotes, unless they are none; the rest with them.
fn scalar(array: &ArrayRef, data_type: &DataType, style: &OutputStyle) -> Result<Put> {
    let pg_type = types::pg_type(&Field::new("", data_type.clone(), true));
    let column = Column::try_new(array, &pg_type, Format::Text, style)?;
    let number = [
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
    ];
    if number.contains(&pg_type) {
        return Ok(Box::new(move |row, out| {
            let start = out.len();
            column.write(row, out)?;
            let finite = out.last().is_some_and(u8::is_ascii_digit);
            if !finite {
                let word = out.split_off(start);
                out.put_u8(b'"');
                out.put_slice(&word);
                out.put_u8(b'"');
            }
            Ok(())
        }));
    }
    let instant = matches!(pg_type, Type::TIMESTAMP | Type::TIMESTAMPTZ);
    let zoned = pg_type == Type::TIMESTAMPTZ;
    Ok(Box::new(move |row, out| {
        let start = out.len();
        put_quoted(&column, row, out)?;
        if instant {
            iso_instant(out, start, zoned);
        }
        Ok(())
    }))
}

/// `2024-01-31 10:00:00+02` to `2024-01-31T10:00:00+02:00`.
fn iso_instant(out: &mut BytesMut, start: usize, zoned: bool) {
    let Some(written) = out.get_mut(start..) else {
        return;
    };
    if let Some(space) = written.iter_mut().find(|byte| **byte == b' ') {
        *space = b'T';
    }
    let hours_only = written.len() > 4 && matches!(written.get(written.len() - 4), Some(b'+' | b'-'));
    if zoned && hours_only {
        out.truncate(out.len() - 1);
        out.put_slice(b":00\"");
    }
}

fn put_quoted(column: &Column, row: usize, out: &mut BytesMut) -> Result<()> {
    let start = out.len();
    column.write(row, out)?;
    let text = out.split_off(start);
    put_string(&String::from_utf8_lossy(&text), out);
    Ok(())
}

fn put_string(text: &str, out: &mut BytesMut) {
    out.put_u8(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0x08 => out.put_slice(b"\\b"),
            0x0c => out.put_slice(b"\\f"),
            0..=0x1f => out.put_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.put_u8(byte),
        }
    }
    out.put_u8(b'"');
}
