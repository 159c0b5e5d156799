//! `numeric`: decimal text, and Postgres' groups of four digits in binary.

use arrow::array::types::{Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};
use perennial_engine::schema::{DIGITS, WRITTEN, own_digits};
use pgwire::api::Type;

use super::{Put, no_form};
use crate::error::Result;
use crate::frame::Format;

/// The sign word of a negative `numeric`.
pub(crate) const NEGATIVE: u16 = 0x4000;

pub(super) fn decimal(array: &ArrayRef, format: Format) -> Result<Put> {
    Ok(match array.data_type() {
        DataType::Decimal32(_, scale) => narrow(
            array.as_primitive::<Decimal32Type>().values().clone(),
            *scale,
            format,
        ),
        DataType::Decimal64(_, scale) => narrow(
            array.as_primitive::<Decimal64Type>().values().clone(),
            *scale,
            format,
        ),
        DataType::Decimal128(_, scale) => narrow(
            array.as_primitive::<Decimal128Type>().values().clone(),
            *scale,
            format,
        ),
        DataType::Decimal256(_, scale) => {
            let values = array.as_primitive::<Decimal256Type>().values().clone();
            let scale = *scale;
            let write = if format == Format::Text {
                put_text
            } else {
                put_binary_digits
            };
            Box::new(move |row, out| {
                let text = values[row].to_string();
                let digits = text.strip_prefix('-').unwrap_or(&text);
                write(text.starts_with('-'), digits.as_bytes(), scale, out);
                Ok(())
            })
        }
        _ => return Err(no_form(&Type::NUMERIC, format)),
    })
}

/// How many digits behind the point a value of a column has, where it is its own business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    /// As a quotient, so many at least.
    Quotient(i8),
    /// As many as are not zeros at the end.
    Written,
}

impl Digits {
    /// Those of a column; none for one whose values all have the digits of its type.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        if !field.data_type().is_decimal() {
            return None;
        }
        match field.metadata().get(DIGITS)?.as_str() {
            WRITTEN => Some(Self::Written),
            minimum => minimum.parse().ok().map(Self::Quotient),
        }
    }

    /// The digits to be shown of a value with `scale` of them.
    fn kept(self, digits: &[u8], scale: i8) -> i8 {
        match self {
            Self::Quotient(minimum) => {
                let length = if digits == b"0" { 0 } else { digits.len() };
                own_digits(length, scale, minimum)
            }
            Self::Written => {
                let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
                let zeros = i8::try_from(zeros).unwrap_or(i8::MAX);
                if digits == b"0" { 0 } else { (scale - zeros).max(0) }
            }
        }
    }
}

/// Decimals whose values have digits of their own.
pub(super) fn of_own_digits(array: &ArrayRef, digits: Digits, format: Format) -> Result<Put> {
    let write = if format == Format::Text {
        put_text
    } else {
        put_binary_digits
    };
    let put = move |text: &str, scale: i8, out: &mut BytesMut| {
        let all = text.strip_prefix('-').unwrap_or(text).as_bytes();
        let kept = digits.kept(all, scale);
        let dropped = usize::from((scale - kept).unsigned_abs());
        let shown = all
            .len()
            .checked_sub(dropped)
            .and_then(|length| all.get(..length));
        let shown = shown.filter(|shown| !shown.is_empty()).unwrap_or(b"0");
        write(text.starts_with('-') && shown != b"0", shown, kept, out);
    };
    Ok(match array.data_type() {
        DataType::Decimal256(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal256Type>().values().clone(), *scale);
            Box::new(move |row, out| {
                put(&values[row].to_string(), scale, out);
                Ok(())
            })
        }
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>().values().clone(), *scale);
            Box::new(move |row, out| {
                let mut buffer = itoa::Buffer::new();
                put(buffer.format(values[row]), scale, out);
                Ok(())
            })
        }
        _ => return decimal(array, format),
    })
}

fn narrow<T>(values: ScalarBuffer<T>, scale: i8, format: Format) -> Put
where
    T: arrow::datatypes::ArrowNativeType + Into<i128>,
{
    match (format, u32::try_from(scale)) {
        (Format::Binary, Ok(scale)) => Box::new(move |row, out| {
            let value: i128 = values[row].into();
            put_binary(value < 0, value.unsigned_abs(), scale, out);
            Ok(())
        }),
        (format, _) => {
            let write = if format == Format::Text {
                put_text
            } else {
                put_binary_digits
            };
            Box::new(move |row, out| {
                let value: i128 = values[row].into();
                let mut buffer = itoa::Buffer::new();
                write(
                    value < 0,
                    buffer.format(value.unsigned_abs()).as_bytes(),
                    scale,
                    out,
                );
                Ok(())
            })
        }
    }
}

/// Writes `digits` * 10^-`scale` in plain notation with `scale` decimals, as Postgres shows a `numeric` of
/// that scale.
pub(super) fn put_text(negative: bool, digits: &[u8], scale: i8, out: &mut BytesMut) {
    if negative {
        out.put_u8(b'-');
    }
    let scale = isize::from(scale);
    if scale <= 0 {
        out.put_slice(digits);
        if digits != b"0" {
            out.put_bytes(b'0', scale.unsigned_abs());
        }
        return;
    }
    let scale = scale.unsigned_abs();
    match digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
        Some(whole) => {
            let (whole, fraction) = digits.split_at(whole);
            out.put_slice(whole);
            out.put_u8(b'.');
            out.put_slice(fraction);
        }
        None => {
            out.put_slice(b"0.");
            out.put_bytes(b'0', scale - digits.len());
            out.put_slice(digits);
        }
    }
}

/// Writes `magnitude` * 10^-`scale` in groups of four digits, straight from the integer. `scale` is at most
/// 38.
pub(super) fn put_binary(negative: bool, magnitude: u128, scale: u32, out: &mut BytesMut) {
    // 39 digits and up to 3 zeros of padding in groups of four.
    let mut groups = [0_u16; 12];
    let mut count = 0;
    let mut push = |group: u64, count: &mut usize| {
        if let Some(place) = groups.get_mut(*count) {
            *place = group as u16;
            *count += 1;
        }
    };
    let mut rest = magnitude;
    // The lowest group may be filled only in part: 1.5 is the groups 1 and 5000.
    let partial = scale % 4;
    if partial > 0 {
        let unit = 10_u128.pow(partial);
        push((rest % unit) as u64 * 10_u64.pow(4 - partial), &mut count);
        rest /= unit;
    }
    while rest > u128::from(u64::MAX) {
        push((rest % 10_000) as u64, &mut count);
        rest /= 10_000;
    }
    let mut rest = rest as u64;
    while rest > 0 {
        push(rest % 10_000, &mut count);
        rest /= 10_000;
    }
    let fraction_groups = scale.div_ceil(4) as i16;
    let filled = groups.get(..count).unwrap_or_default();
    let low = filled.iter().take_while(|group| **group == 0).count();
    let groups = filled.get(low..).unwrap_or_default();
    put_groups(
        negative,
        groups.iter().rev().copied(),
        count as i16 - 1 - fraction_groups,
        scale as u16,
        out,
    );
}

/// The same from decimal digits, for what is wider than 128 bits or has a negative scale.
pub(super) fn put_binary_digits(negative: bool, digits: &[u8], scale: i8, out: &mut BytesMut) {
    let mut padded = digits.to_vec();
    let fraction = usize::try_from(scale).unwrap_or(0);
    let zeros = usize::try_from(-i16::from(scale)).unwrap_or((4 - fraction % 4) % 4);
    padded.extend(std::iter::repeat_n(b'0', zeros));
    let groups: Vec<u16> = padded
        .rchunks(4)
        .rev()
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |group, digit| group * 10 + u16::from(digit - b'0'))
        })
        .collect();
    let weight = groups.len() as i16 - 1 - fraction.div_ceil(4) as i16;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let significant = groups
        .get(leading..groups.len().max(leading + trailing) - trailing)
        .unwrap_or_default();
    put_groups(
        negative,
        significant.iter().copied(),
        weight - leading as i16,
        fraction as u16,
        out,
    );
}

fn put_groups(
    negative: bool,
    groups: impl ExactSizeIterator<Item = u16>,
    weight: i16,
    decimals: u16,
    out: &mut BytesMut,
) {
    let zero = groups.len() == 0;
    out.put_u16(groups.len() as u16);
    out.put_i16(if zero { 0 } else { weight });
    out.put_u16(if negative && !zero { NEGATIVE } else { 0 });
    out.put_u16(decimals);
    groups.for_each(|group| out.put_u16(group));
}
