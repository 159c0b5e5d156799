//! Values that are bytes already: booleans, text and its named kinds, bytea, uuid.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::{Put, no_form};
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::OutputStyle;

pub(super) fn boolean(array: &ArrayRef, format: Format) -> Put {
    let values = array.as_boolean().values().clone();
    match format {
        Format::Text => Box::new(move |row, out| {
            out.put_u8(if values.value(row) { b't' } else { b'f' });
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            out.put_u8(u8::from(values.value(row)));
            Ok(())
        }),
    }
}

pub(super) fn text(array: &ArrayRef, pg_type: &Type, format: Format) -> Result<Put> {
    let write: fn(&str, &mut BytesMut) -> Result<()> = match (format, pg_type) {
        (_, &Type::CHAR) => |text, out| {
            out.put_slice(text.as_bytes().get(..1).unwrap_or_default());
            Ok(())
        },
        (Format::Text, _) => raw,
        (Format::Binary, &Type::JSONB) => |text, out| {
            out.put_u8(1); // the version of the format
            raw(text, out)
        },
        (Format::Binary, &Type::UUID) => |text, out| {
            out.put_slice(&uuid(text).ok_or_else(|| Error::invalid_text("uuid", text))?);
            Ok(())
        },
        (Format::Binary, &Type::ACLITEM | &Type::PG_LSN | &Type::INET | &Type::ANYARRAY) => {
            return Err(no_form(pg_type, format));
        }
        (Format::Binary, _) => raw,
    };
    Ok(match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
        _ => {
            let values = array.as_string_view().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
    })
}

pub(super) fn bytes(array: &ArrayRef, pg_type: &Type, format: Format, style: &OutputStyle) -> Result<Put> {
    let write: fn(&[u8], &mut BytesMut) -> Result<()> = match (format, pg_type, style.hex_bytea) {
        (Format::Binary, ..) => |bytes, out| {
            out.put_slice(bytes);
            Ok(())
        },
        (Format::Text, &Type::UUID, _) => |bytes, out| {
            put_uuid(bytes, out);
            Ok(())
        },
        (Format::Text, _, true) => |bytes, out| {
            put_hex(bytes, out);
            Ok(())
        },
        (Format::Text, _, false) => |bytes, out| {
            put_escaped(bytes, out);
            Ok(())
        },
    };
    Ok(match array.data_type() {
        DataType::Binary => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary().clone();
            Box::new(move |row, out| write(values.value(row), out))
        }
        _ => return Err(no_form(pg_type, format)),
    })
}

fn raw(text: &str, out: &mut BytesMut) -> Result<()> {
    out.put_slice(text.as_bytes());
    Ok(())
}

const HEX: [u8; 16] = *b"0123456789abcdef";

fn hex(byte: u8) -> [u8; 2] {
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
}

pub(super) fn put_hex(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    bytes.iter().for_each(|byte| out.put_slice(&hex(*byte)));
}

/// `bytea_output = escape`: printable ASCII as it is, the backslash doubled, the rest in octal.
fn put_escaped(bytes: &[u8], out: &mut BytesMut) {
    for byte in bytes {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            0x20..=0x7e => out.put_u8(*byte),
            _ => out.put_slice(&[
                b'\\',
                b'0' + (byte >> 6),
                b'0' + (byte >> 3 & 7),
                b'0' + (byte & 7),
            ]),
        }
    }
}

pub(super) fn put_uuid(bytes: &[u8], out: &mut BytesMut) {
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.put_u8(b'-');
        }
        out.put_slice(&hex(*byte));
    }
}

/// A uuid in its usual form.
pub(crate) fn uuid_text(bytes: &[u8]) -> String {
    let mut out = BytesMut::with_capacity(36);
    put_uuid(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads a uuid as Postgres does: 32 hex digits, hyphens after any group of four, braces around.
pub(crate) fn uuid(text: &str) -> Option<[u8; 16]> {
    let inner = text
        .strip_prefix('{')
        .map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    let mut bytes = [0; 16];
    let mut digits = 0;
    let mut after_hyphen = true;
    for character in inner.bytes() {
        if character == b'-' {
            if after_hyphen || digits % 4 != 0 {
                return None;
            }
            after_hyphen = true;
            continue;
        }
        let value = (character as char).to_digit(16)? as u8;
        let byte = bytes.get_mut(digits / 2)?;
        *byte = *byte << 4 | value;
        digits += 1;
        after_hyphen = false;
    }
    (digits == 32 && !after_hyphen).then_some(bytes)
}
