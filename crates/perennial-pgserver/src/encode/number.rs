//! Integers and floats.

use arrow::array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType};
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::{Put, no_form, numeric};
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::OutputStyle;
use crate::types;

/// Integers that fit into 64 bits with their sign.
pub(super) fn integer(array: &ArrayRef, pg_type: &Type, format: Format) -> Result<Put> {
    match array.data_type() {
        DataType::Int8 => signed::<Int8Type>(array, pg_type, format),
        DataType::Int16 => signed::<Int16Type>(array, pg_type, format),
        DataType::Int32 => signed::<Int32Type>(array, pg_type, format),
        DataType::Int64 => signed::<Int64Type>(array, pg_type, format),
        DataType::UInt8 => signed::<UInt8Type>(array, pg_type, format),
        DataType::UInt16 => signed::<UInt16Type>(array, pg_type, format),
        DataType::UInt32 => signed::<UInt32Type>(array, pg_type, format),
        _ => Err(no_form(pg_type, format)),
    }
}

fn signed<T>(array: &ArrayRef, pg_type: &Type, format: Format) -> Result<Put>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let values = array.as_primitive::<T>().values().clone();
    Ok(match (format, pg_type) {
        (Format::Text, &Type::REGPROC) => Box::new(move |row, out| {
            match values[row].into() {
                0 => out.put_u8(b'-'),
                value => put_integer(value, out),
            }
            Ok(())
        }),
        (Format::Text, _) => Box::new(move |row, out| {
            put_integer(values[row].into(), out);
            Ok(())
        }),
        (Format::Binary, &Type::INT2) => Box::new(move |row, out| {
            let value: i64 = values[row].into();
            out.put_i16(i16::try_from(value).map_err(|_| out_of_range("smallint", value))?);
            Ok(())
        }),
        (Format::Binary, &Type::INT4) => Box::new(move |row, out| {
            let value: i64 = values[row].into();
            out.put_i32(i32::try_from(value).map_err(|_| out_of_range("integer", value))?);
            Ok(())
        }),
        (Format::Binary, &Type::INT8) => Box::new(move |row, out| {
            out.put_i64(values[row].into());
            Ok(())
        }),
        (Format::Binary, _) if types::oid_like(pg_type) => Box::new(move |row, out| {
            let value: i64 = values[row].into();
            out.put_u32(u32::try_from(value).map_err(|_| out_of_range("oid", value))?);
            Ok(())
        }),
        (Format::Binary, _) => return Err(no_form(pg_type, format)),
    })
}

/// Unsigned 64-bit integers, which only `numeric` holds.
pub(super) fn unsigned(array: &ArrayRef, pg_type: &Type, format: Format) -> Result<Put> {
    let values = array.as_primitive::<UInt64Type>().values().clone();
    Ok(match (format, pg_type) {
        (Format::Text, _) => Box::new(move |row, out| {
            out.put_slice(itoa::Buffer::new().format(values[row]).as_bytes());
            Ok(())
        }),
        (Format::Binary, &Type::NUMERIC) => Box::new(move |row, out| {
            numeric::put_binary(false, u128::from(values[row]), 0, out);
            Ok(())
        }),
        (Format::Binary, _) if types::oid_like(pg_type) => Box::new(move |row, out| {
            let value = values[row];
            out.put_u32(u32::try_from(value).map_err(|_| out_of_range("oid", value))?);
            Ok(())
        }),
        (Format::Binary, _) => return Err(no_form(pg_type, format)),
    })
}

fn out_of_range(type_name: &str, value: impl ToString) -> Error {
    Error::numeric_overflow(type_name, &value.to_string())
}

pub(super) fn put_integer(value: i64, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn float(array: &ArrayRef, format: Format, style: &OutputStyle) -> Result<Put> {
    let extra = style.extra_float_digits;
    Ok(match (array.data_type(), format) {
        (DataType::Float64, Format::Text) => {
            let values = array.as_primitive::<Float64Type>().values().clone();
            Box::new(move |row, out| {
                put_float8(values[row], extra, out);
                Ok(())
            })
        }
        (DataType::Float64, Format::Binary) => {
            let values = array.as_primitive::<Float64Type>().values().clone();
            Box::new(move |row, out| {
                out.put_f64(values[row]);
                Ok(())
            })
        }
        (DataType::Float32, Format::Text) => {
            let values = array.as_primitive::<Float32Type>().values().clone();
            Box::new(move |row, out| {
                put_float4(values[row], extra, out);
                Ok(())
            })
        }
        (DataType::Float32, Format::Binary) => {
            let values = array.as_primitive::<Float32Type>().values().clone();
            Box::new(move |row, out| {
                out.put_f32(values[row]);
                Ok(())
            })
        }
        (_, Format::Text) => {
            let values = array.as_primitive::<Float16Type>().values().clone();
            Box::new(move |row, out| {
                put_float4(values[row].to_f32(), extra, out);
                Ok(())
            })
        }
        (_, Format::Binary) => {
            let values = array.as_primitive::<Float16Type>().values().clone();
            Box::new(move |row, out| {
                out.put_f32(values[row].to_f32());
                Ok(())
            })
        }
    })
}

/// `double precision`: the shortest digits that read back as the same value when `extra` is positive, 15 +
/// `extra` digits otherwise; fixed notation for exponents from -4 to 14.
pub(super) fn put_float8(value: f64, extra: i32, out: &mut BytesMut) {
    if put_special(value.is_nan(), value.is_infinite(), value.is_sign_negative(), out) {
        return;
    }
    if extra <= 0 {
        return put_precise(value, 15 + extra, out);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let bits = value.to_bits();
    if on_boundary(
        text,
        bits & ((1 << 52) - 1),
        (bits >> 52 & 0x7ff) as i32 - 1075,
        52,
    ) {
        let text = beside_boundary(
            text,
            |digits| format!("{value:.digits$e}"),
            |text| text.parse() == Ok(value),
        );
        return put_digits(&text, 15, out);
    }
    put_digits(text, 15, out);
}

/// `real`, by the same rules with 6 digits.
pub(super) fn put_float4(value: f32, extra: i32, out: &mut BytesMut) {
    if put_special(value.is_nan(), value.is_infinite(), value.is_sign_negative(), out) {
        return;
    }
    if extra <= 0 {
        return put_precise(f64::from(value), 6 + extra, out);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let bits = u64::from(value.to_bits());
    if on_boundary(text, bits & ((1 << 23) - 1), (bits >> 23 & 0xff) as i32 - 150, 23) {
        let text = beside_boundary(
            text,
            |digits| format!("{value:.digits$e}"),
            |text| text.parse() == Ok(value),
        );
        return put_digits(&text, 6, out);
    }
    put_digits(text, 6, out);
}

fn put_special(nan: bool, infinite: bool, negative: bool, out: &mut BytesMut) -> bool {
    if nan {
        out.put_slice(b"NaN");
    } else if infinite {
        out.put_slice(if negative { b"-Infinity" } else { b"Infinity" });
    }
    nan || infinite
}

/// Lays out a number written by `ryu` or `{:e}` as Postgres does: fixed notation for decimal exponents from
/// -4 to below `limit`, otherwise scientific with a sign and at least two digits of exponent.
fn put_digits(text: &str, limit: i32, out: &mut BytesMut) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // At most 17 significant digits, with the zeros that fixed notation puts around them.
    let mut digits = [0_u8; 40];
    let mut count = 0;
    let mut point = whole.len() as i32 + exponent.parse::<i32>().unwrap_or(0);
    for digit in whole.bytes().chain(fraction.bytes()) {
        if count == 0 && digit == b'0' {
            point -= 1;
        } else if let Some(place) = digits.get_mut(count) {
            *place = digit;
            count += 1;
        }
    }
    while count > 0 && digits.get(count - 1) == Some(&b'0') {
        count -= 1;
    }
    if negative {
        out.put_u8(b'-');
    }
    let digits = digits.get(..count).unwrap_or_default();
    let Some((first, rest)) = digits.split_first() else {
        return out.put_u8(b'0');
    };
    let exponent = point - 1;
    if !(-4..limit).contains(&exponent) {
        out.put_u8(*first);
        if !rest.is_empty() {
            out.put_u8(b'.');
            out.put_slice(rest);
        }
        out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.put_u8(b'0');
        }
        return put_integer(i64::from(exponent.abs()), out);
    }
    if point <= 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', point.unsigned_abs() as usize);
        return out.put_slice(digits);
    }
    match digits.split_at_checked(point as usize) {
        Some((whole, fraction)) => {
            out.put_slice(whole);
            if !fraction.is_empty() {
                out.put_u8(b'.');
                out.put_slice(fraction);
            }
        }
        None => {
            out.put_slice(digits);
            out.put_bytes(b'0', point as usize - count);
        }
    }
}

/// C's `%.{digits}g`, which Postgres uses when `extra_float_digits` is zero or less.
fn put_precise(value: f64, digits: i32, out: &mut BytesMut) {
    let digits = digits.max(1);
    let text = format!("{value:.*e}", digits as usize - 1);
    put_digits(&text, digits, out);
}

/// Whether the shortest digits lie exactly half-way to a neighbour of the float `(2^bits + fraction) *
/// 2^power`. Such digits read back right only under round-half-even, so Postgres does not use them
/// (src/common/d2s.c: `acceptBounds = false`).
fn on_boundary(text: &str, fraction: u64, power: i32, bits: u32) -> bool {
    // Below that the midpoints are fractions whose digits are never the shortest.
    if power < 1 {
        return false;
    }
    let (digits, scale) = decimal(text);
    // 5^24 has more bits than a midpoint.
    let Some(fives) = u32::try_from(scale)
        .ok()
        .filter(|scale| *scale < 24)
        .map(|scale| 5_u128.pow(scale))
    else {
        return false;
    };
    let value = digits * fives;
    if value == 0 {
        return false;
    }
    let odd = (
        value >> value.trailing_zeros(),
        value.trailing_zeros() as i32 + scale,
    );
    let mantissa = u128::from(fraction) + (1 << bits);
    let below = if fraction == 0 {
        (4 * mantissa - 1, power - 2)
    } else {
        (2 * mantissa - 1, power - 1)
    };
    odd == below || odd == (2 * mantissa + 1, power - 1)
}

/// The fewest digits that lie properly between the midpoints: `exact` rounds to so many decimals.
fn beside_boundary(shortest: &str, exact: impl Fn(usize) -> String, same: impl Fn(&str) -> bool) -> String {
    let (digits, scale) = decimal(shortest);
    let mut candidates = (0..=16).map(exact);
    let fitting = candidates.find(|text| same(text) && decimal(text) != (digits, scale));
    fitting.unwrap_or_else(|| shortest.to_owned())
}

/// A text such as `-1.50e3` as digits without trailing zeros and a power of ten.
fn decimal(text: &str) -> (u128, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut scale = exponent.parse::<i32>().unwrap_or(0);
    let mut digits = 0;
    let mut decimals = false;
    for character in mantissa.bytes() {
        match character {
            b'.' => decimals = true,
            b'0'..=b'9' => {
                digits = digits * 10 + u128::from(character - b'0');
                scale -= i32::from(decimals);
            }
            _ => {}
        }
    }
    while digits > 0 && digits % 10 == 0 {
        digits /= 10;
        scale += 1;
    }
    (digits, scale)
}
