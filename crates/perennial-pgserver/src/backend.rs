//! The messages that the server sends, written straight into the output buffer.

use bytes::{BufMut, BytesMut};
use perennial_base::UserError;

use crate::error::{Error, Result};
use crate::frame::Format;
use crate::sqlstate;
use crate::types::Shape;

/// Writes one message: the type byte, the length word and whatever `body` writes.
pub(crate) fn message(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let start = out.len();
    out.put_i32(0);
    body(out);
    close(out, start);
}

/// Sets the length word at `start` to what was written since. Rows are bounded before they come here, so that
/// every length fits.
pub(crate) fn close(out: &mut BytesMut, start: usize) {
    let length = i32::try_from(out.len() - start).unwrap_or(i32::MAX);
    if let Some(word) = out.get_mut(start..start + 4) {
        word.copy_from_slice(&length.to_be_bytes());
    }
}

/// Text with its NUL; what the text holds behind a NUL of its own could not be told from the next field.
pub(crate) fn text(out: &mut BytesMut, text: &str) {
    out.put_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    out.put_u8(0);
}

pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

pub(crate) fn backend_key(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    message(out, b'K', |out| {
        out.put_i32(pid);
        out.put_slice(secret);
    });
}

pub(crate) fn ready(out: &mut BytesMut, status: u8) {
    message(out, b'Z', |out| out.put_u8(status));
}

pub(crate) fn command_complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

/// A message that consists of its type: ParseComplete, BindComplete, NoData and their like.
pub(crate) fn bare(out: &mut BytesMut, kind: u8) {
    message(out, kind, |_| {});
}

pub(crate) fn parameter_description(out: &mut BytesMut, oids: impl ExactSizeIterator<Item = u32>) {
    message(out, b't', |out| {
        out.put_u16(u16::try_from(oids.len()).unwrap_or(u16::MAX));
        oids.for_each(|oid| out.put_u32(oid));
    });
}

/// Describes the columns of a result.
///
/// # Errors
/// 54000 for more columns than a row message can count.
pub(crate) fn row_description(out: &mut BytesMut, columns: &[Shape], formats: &[Format]) -> Result<()> {
    let count = i16::try_from(columns.len()).map_err(|_| Error::TooLarge {
        what: "the list of columns",
    })?;
    message(out, b'T', |out| {
        out.put_i16(count);
        for (column, format) in columns.iter().zip(formats) {
            text(out, &column.name);
            out.put_i32(0); // not known to be a column of a relation
            out.put_i16(0);
            out.put_u32(column.pg_type.oid());
            out.put_i16(column.size);
            out.put_i32(column.modifier);
            out.put_i16(format.code());
        }
    });
    Ok(())
}

/// Opens a COPY … TO STDOUT of so many columns.
pub(crate) fn copy_out(out: &mut BytesMut, format: Format, columns: usize) -> Result<()> {
    let count = i16::try_from(columns).map_err(|_| Error::TooLarge {
        what: "the list of columns",
    })?;
    message(out, b'H', |out| {
        out.put_i8(if format == Format::Binary { 1 } else { 0 });
        out.put_i16(count);
        (0..count).for_each(|_| out.put_i16(format.code()));
    });
    Ok(())
}

/// An error as Postgres shows it.
pub(crate) fn error(out: &mut BytesMut, error: &Error, fatal: bool) {
    let severity = if fatal || error.fatal() { "FATAL" } else { "ERROR" };
    message(out, b'E', |out| {
        head(out, severity, sqlstate::code(error), &error.to_string());
        let fields = [
            (b'D', error.detail()),
            (b'H', error.hint()),
            (b'P', error.position().map(|position| position.to_string())),
        ];
        for (kind, value) in fields {
            if let Some(value) = value {
                out.put_u8(kind);
                text(out, &value);
            }
        }
        out.put_u8(0);
    });
}

/// A notice or warning.
pub(crate) fn notice(out: &mut BytesMut, severity: &str, code: &str, words: &str) {
    message(out, b'N', |out| {
        head(out, severity, code, words);
        out.put_u8(0);
    });
}

fn head(out: &mut BytesMut, severity: &str, code: &str, words: &str) {
    for (kind, value) in [(b'S', severity), (b'V', severity), (b'C', code), (b'M', words)] {
        out.put_u8(kind);
        text(out, value);
    }
}

/// Asks for an authentication step: 0 done, 10 SASL mechanisms, 11 challenge, 12 outcome.
pub(crate) fn authentication(out: &mut BytesMut, step: i32, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_i32(step);
        out.put_slice(data);
    });
}

/// Says which minor version and options are not spoken.
pub(crate) fn negotiate(out: &mut BytesMut, version: i32, unknown: &[String]) {
    message(out, b'v', |out| {
        out.put_i32(version);
        out.put_i32(i32::try_from(unknown.len()).unwrap_or(i32::MAX));
        unknown.iter().for_each(|name| text(out, name));
    });
}
