//! Parameters from bytes: text and binary forms of every type served, as values of the types that the plan
//! expects.

mod array;
mod datetime;
mod interval;
mod numeric;

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use crate::encode::{EPOCH_DAYS, EPOCH_MICROS, uuid};
use crate::error::{Error, Result};
use crate::frame::{Body, Format};
use crate::style::OutputStyle;
use crate::types;

/// Reads one parameter.
///
/// `wire` is the type that the client was told or has declared, `expected` the type of the plan's placeholder
/// and `number` its 1-based number. A `numeric` with more digits than the expected decimal type holds comes
/// back as a wider decimal: no digit is dropped silently.
///
/// # Errors
/// 22P02, 22003, 22007 or 22008 for text, 22P03 for bytes that are not of the type, 22021 for text that is
/// not UTF-8.
pub(crate) fn decode(
    value: Option<Bytes>,
    format: Format,
    wire: &Type,
    expected: &DataType,
    number: usize,
    style: &OutputStyle,
) -> Result<ScalarValue> {
    let Some(value) = value else {
        return ScalarValue::try_from(expected).map_err(|_| mismatch(&DataType::Null, expected));
    };
    let read = match format {
        Format::Text => {
            let text = std::str::from_utf8(&value).map_err(|_| Error::NotUtf8)?;
            if text.contains('\0') {
                return Err(Error::NotUtf8);
            }
            from_text(text, wire, expected, style)?
        }
        Format::Binary => {
            let mut body = Body(value);
            let read = from_binary(&mut body, wire, expected).map_err(|error| match error {
                Error::Protocol { .. } => Error::InvalidBinary { number },
                other => other,
            })?;
            if !body.is_empty() {
                return Err(Error::InvalidBinary { number });
            }
            read
        }
    };
    fit(read, expected)
}

/// One text as a value of the plan's type.
///
/// # Errors
/// 22P02, 22003, 22007 or 22008.
pub(crate) fn read_text(
    text: &str,
    wire: &Type,
    expected: &DataType,
    style: &OutputStyle,
) -> Result<ScalarValue> {
    fit(from_text(text, wire, expected, style)?, expected)
}

/// Turns a value of the wire's type into the plan's.
fn fit(value: ScalarValue, expected: &DataType) -> Result<ScalarValue> {
    let from = value.data_type();
    // Digits are kept: see `decode`.
    let wider = from.is_decimal() && expected.is_decimal();
    if from == *expected || expected.is_null() || wider {
        return Ok(value);
    }
    if let ScalarValue::FixedSizeBinary(_, Some(bytes)) = &value
        && matches!(
            expected,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    {
        return fit(ScalarValue::Utf8(Some(crate::encode::uuid_text(bytes))), expected);
    }
    value.cast_to(expected).map_err(|_| mismatch(&from, expected))
}

fn mismatch(from: &DataType, to: &DataType) -> Error {
    let name = |data_type: &DataType| {
        types::sql_name(&types::pg_type(&arrow::datatypes::Field::new(
            "",
            data_type.clone(),
            true,
        )))
    };
    Error::Mismatch {
        from: name(from),
        to: name(to),
    }
}

fn from_text(text: &str, wire: &Type, expected: &DataType, style: &OutputStyle) -> Result<ScalarValue> {
    let name = || types::sql_name(wire);
    let trimmed = text.trim_matches(|character: char| character.is_ascii_whitespace() || character == '\x0b');
    Ok(match *wire {
        Type::BOOL => ScalarValue::Boolean(Some(
            boolean(trimmed).ok_or_else(|| Error::invalid_text(&name(), text))?,
        )),
        Type::INT2 => ScalarValue::Int16(Some(integer(trimmed, text, &name())?)),
        Type::INT4 => ScalarValue::Int32(Some(integer(trimmed, text, &name())?)),
        Type::INT8 => ScalarValue::Int64(Some(integer(trimmed, text, &name())?)),
        Type::FLOAT4 => {
            let value: f32 = float(trimmed, text, &name())?;
            ScalarValue::Float32(Some(value))
        }
        Type::FLOAT8 => ScalarValue::Float64(Some(float(trimmed, text, &name())?)),
        Type::NUMERIC => numeric::from_text(trimmed, expected)?,
        Type::BYTEA => ScalarValue::Binary(Some(
            bytea(text).ok_or_else(|| Error::invalid_text("bytea", text))?,
        )),
        Type::UUID => {
            let bytes = uuid(text).ok_or_else(|| Error::invalid_text("uuid", text))?;
            ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec()))
        }
        Type::DATE => ScalarValue::Date32(Some(datetime::date(trimmed, style)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(datetime::time(trimmed)?)),
        Type::TIMESTAMP => {
            ScalarValue::TimestampMicrosecond(Some(datetime::timestamp(trimmed, style, false)?), None)
        }
        Type::TIMESTAMPTZ => {
            let micros = datetime::timestamp(trimmed, style, true)?;
            ScalarValue::TimestampMicrosecond(Some(micros), zone_of(expected))
        }
        Type::INTERVAL => ScalarValue::IntervalMonthDayNano(Some(interval::interval(trimmed)?)),
        Type::JSON | Type::JSONB => document(text, wire)?,
        // A name instead of a number is for the casts in SQL, which know the catalog.
        _ if types::oid_like(wire) => {
            ScalarValue::Int64(Some(i64::from(integer::<u32>(trimmed, text, &name())?)))
        }
        _ => match types::element(wire) {
            Some(item) => {
                let inner = array::item_type(expected);
                let read = |text: &str| fit(from_text(text, &item, &inner, style)?, &inner);
                if matches!(*wire, Type::INT2_VECTOR | Type::OID_VECTOR) {
                    let items = trimmed.split_ascii_whitespace().collect::<Vec<_>>().join(",");
                    array::from_text(&format!("{{{items}}}"), &item, &inner, read)?
                } else {
                    array::from_text(text, &item, &inner, read)?
                }
            }
            None => ScalarValue::Utf8(Some(text.to_owned())),
        },
    })
}

fn from_binary(body: &mut Body, wire: &Type, expected: &DataType) -> Result<ScalarValue> {
    Ok(match *wire {
        Type::BOOL => ScalarValue::Boolean(Some(body.fixed::<1>()? != [0])),
        Type::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(body.fixed()?))),
        Type::INT4 => ScalarValue::Int32(Some(i32::from_be_bytes(body.fixed()?))),
        Type::INT8 => ScalarValue::Int64(Some(i64::from_be_bytes(body.fixed()?))),
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(body.fixed()?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(body.fixed()?))),
        Type::NUMERIC => numeric::from_binary(body, expected)?,
        Type::BYTEA => ScalarValue::Binary(Some(body.rest().to_vec())),
        Type::UUID => ScalarValue::FixedSizeBinary(16, Some(body.fixed::<16>()?.to_vec())),
        Type::DATE => {
            let days = i32::from_be_bytes(body.fixed()?);
            let infinite = matches!(days, i32::MAX | i32::MIN);
            let days = if infinite {
                Some(days)
            } else {
                days.checked_add(EPOCH_DAYS)
            };
            ScalarValue::Date32(Some(days.ok_or(Error::DatetimeOverflow { type_name: "date" })?))
        }
        Type::TIME => {
            let micros = i64::from_be_bytes(body.fixed()?);
            if !(0..=86_400_000_000).contains(&micros) {
                return Err(Error::DatetimeOverflow { type_name: "time" });
            }
            ScalarValue::Time64Microsecond(Some(micros))
        }
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(instant(body)?), None),
        Type::TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(Some(instant(body)?), zone_of(expected)),
        Type::INTERVAL => {
            let micros = i64::from_be_bytes(body.fixed()?);
            let nanoseconds = micros.checked_mul(1000).ok_or(Error::DatetimeOverflow {
                type_name: "interval",
            })?;
            let (days, months) = (
                i32::from_be_bytes(body.fixed()?),
                i32::from_be_bytes(body.fixed()?),
            );
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano {
                months,
                days,
                nanoseconds,
            }))
        }
        Type::JSONB => {
            if body.fixed::<1>()? != [1] {
                return Err(Error::protocol("unsupported jsonb version"));
            }
            document(&text(body.rest())?, wire)?
        }
        Type::JSON => document(&text(body.rest())?, wire)?,
        _ if types::oid_like(wire) => ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(body.fixed()?)))),
        _ => match types::element(wire) {
            Some(item) => {
                let inner = array::item_type(expected);
                array::from_binary(body, &item, &inner, |body| {
                    fit(from_binary(body, &item, &inner)?, &inner)
                })?
            }
            None => ScalarValue::Utf8(Some(text(body.rest())?)),
        },
    })
}

fn text(bytes: Bytes) -> Result<String> {
    match std::str::from_utf8(&bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Error::NotUtf8),
    }
}

fn document(text: &str, wire: &Type) -> Result<ScalarValue> {
    let read = perennial_engine::document(text, *wire == Type::JSONB)?;
    Ok(ScalarValue::Utf8(Some(read)))
}

fn instant(body: &mut Body) -> Result<i64> {
    let micros = i64::from_be_bytes(body.fixed()?);
    if matches!(micros, i64::MAX | i64::MIN) {
        return Ok(micros);
    }
    micros.checked_add(EPOCH_MICROS).ok_or(Error::DatetimeOverflow {
        type_name: "timestamp",
    })
}

/// The zone of the plan's type: it changes how a timestamp is shown inside the engine, never which instant it
/// is.
fn zone_of(expected: &DataType) -> Option<Arc<str>> {
    match expected {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => Some(Arc::clone(zone)),
        _ => Some("+00:00".into()),
    }
}

/// Any beginning of true, false, yes, no, on (not of `o`), off, and 1 and 0, as `parse_bool` takes them.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(text.as_str());
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || text == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

fn integer<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    trimmed: &str,
    text: &str,
    name: &str,
) -> Result<T> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    trimmed
        .parse()
        .map_err(|error: std::num::ParseIntError| match error.kind() {
            PosOverflow | NegOverflow => Error::numeric_overflow(name, trimmed),
            _ => Error::invalid_text(name, text),
        })
}

/// A float that the type can hold: `1e400` is an error, not infinity.
fn float<T: Float>(trimmed: &str, text: &str, name: &str) -> Result<T> {
    let value: T = trimmed.parse().map_err(|_| Error::invalid_text(name, text))?;
    let written_infinite = trimmed.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    if value.into().is_infinite() && !written_infinite {
        return Err(Error::numeric_overflow(name, trimmed));
    }
    Ok(value)
}

trait Float: std::str::FromStr + Copy + Into<f64> {}
impl Float for f32 {}
impl Float for f64 {}

/// `\x` and hex digits with blanks between bytes, or the escape form.
fn bytea(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    if let Some(hex) = text.strip_prefix("\\x") {
        let mut digits = hex.chars();
        while let Some(high) = digits.next() {
            if !high.is_ascii_whitespace() {
                bytes.push((high.to_digit(16)? << 4 | digits.next()?.to_digit(16)?) as u8);
            }
        }
        return Some(bytes);
    }
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (
                b'\\',
                [
                    high @ b'0'..=b'3',
                    middle @ b'0'..=b'7',
                    low @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => ((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'), after),
            (b'\\', _) => return None,
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
