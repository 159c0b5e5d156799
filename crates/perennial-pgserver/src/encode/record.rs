//! Records: `(1,"x y",)` in text, and in binary the number of fields, each with the type that it has.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Fields;
use bytes::{BufMut, BytesMut};

use super::{Column, Put};
use crate::error::Result;
use crate::frame::Format;
use crate::style::OutputStyle;
use crate::types;

pub(super) fn record(array: &ArrayRef, fields: &Fields, format: Format, style: &OutputStyle) -> Result<Put> {
    let columns = fields
        .iter()
        .zip(array.as_struct().columns())
        .map(|(field, column)| {
            let column = Column::of(field, &Arc::clone(column), format, style)?;
            Ok((types::pg_type(field).oid(), column))
        });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(match format {
        Format::Text => Box::new(move |row, out| put_text(&columns, row, out)),
        Format::Binary => Box::new(move |row, out| put_binary(&columns, row, out)),
    })
}

fn put_text(columns: &[(u32, Column)], row: usize, out: &mut BytesMut) -> Result<()> {
    out.put_u8(b'(');
    for (position, (_, column)) in columns.iter().enumerate() {
        if position > 0 {
            out.put_u8(b',');
        }
        if !column.vacant(row) {
            let start = out.len();
            column.write(row, out)?;
            quote(out, start);
        }
    }
    out.put_u8(b')');
    Ok(())
}

fn put_binary(columns: &[(u32, Column)], row: usize, out: &mut BytesMut) -> Result<()> {
    out.put_i32(columns.len() as i32);
    for (oid, column) in columns {
        out.put_u32(*oid);
        column.write_field(row, out)?;
    }
    Ok(())
}

/// Puts quotes around what was written since `start`, if Postgres would; quotes and backslashes inside are doubled.
fn quote(out: &mut BytesMut, start: usize) {
    let field = out.get(start..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t'..=b'\r');
    if !field.is_empty() && !field.iter().any(special) {
        return;
    }
    let field = out.split_off(start);
    out.reserve(field.len() + 2);
    out.put_u8(b'"');
    for byte in field {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(byte);
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}
