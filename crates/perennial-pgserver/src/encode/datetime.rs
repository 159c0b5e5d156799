//! Dates, times and timestamps: microseconds since 2000 in binary, the session's DateStyle in text.

use arrow::array::types::{
    Date32Type, Date64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimeUnit};
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::{Put, no_form, number};
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::{DateForm, DateStyle, OutputStyle, Zone, offset_at};

/// Days from 1970-01-01 to 2000-01-01, Postgres' first day.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// Microseconds between the same.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Year (astronomical: 0 is 1 BC), month and day of a day counted from 1970-01-01, in the proleptic Gregorian
/// calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(super) fn date(array: &ArrayRef, format: Format, style: &OutputStyle) -> Result<Put> {
    Ok(match array.data_type() {
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>().values().clone();
            date_put(move |row| values[row], format, style.date_style)
        }
        DataType::Date64 => {
            let values = array.as_primitive::<Date64Type>().values().clone();
            let day = move |row: usize| {
                let days = values[row].div_euclid(DAY_MICROS / 1000);
                i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
            };
            date_put(day, format, style.date_style)
        }
        _ => return Err(no_form(&Type::DATE, format)),
    })
}

fn date_put(day: impl Fn(usize) -> i32 + Send + Sync + 'static, format: Format, style: DateStyle) -> Put {
    match format {
        Format::Text => Box::new(move |row, out| {
            match day(row) {
                i32::MAX => out.put_slice(b"infinity"),
                i32::MIN => out.put_slice(b"-infinity"),
                days => put_date(i64::from(days), style, out),
            }
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            let days = match day(row) {
                infinite @ (i32::MAX | i32::MIN) => infinite,
                days => days
                    .checked_sub(EPOCH_DAYS)
                    .ok_or(Error::DatetimeOverflow { type_name: "date" })?,
            };
            out.put_i32(days);
            Ok(())
        }),
    }
}

pub(super) fn time(array: &ArrayRef, format: Format) -> Result<Put> {
    fn time_put(micros: impl Fn(usize) -> i64 + Send + Sync + 'static, format: Format) -> Put {
        match format {
            Format::Text => Box::new(move |row, out| {
                put_time(micros(row), out);
                Ok(())
            }),
            Format::Binary => Box::new(move |row, out| {
                out.put_i64(micros(row));
                Ok(())
            }),
        }
    }
    Ok(match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            let values = array.as_primitive::<Time32SecondType>().values().clone();
            time_put(move |row| i64::from(values[row]) * 1_000_000, format)
        }
        DataType::Time32(_) => {
            let values = array.as_primitive::<Time32MillisecondType>().values().clone();
            time_put(move |row| i64::from(values[row]) * 1000, format)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let values = array.as_primitive::<Time64NanosecondType>().values().clone();
            time_put(move |row| values[row].div_euclid(1000), format)
        }
        DataType::Time64(_) => {
            let values = array.as_primitive::<Time64MicrosecondType>().values().clone();
            time_put(move |row| values[row], format)
        }
        _ => return Err(no_form(&Type::TIME, format)),
    })
}

/// Timestamps of any unit. What is finer than a microsecond is cut off towards the past, so that a value
/// never moves into the next second, day or month.
pub(super) fn timestamp(array: &ArrayRef, format: Format, style: &OutputStyle) -> Result<Put> {
    let DataType::Timestamp(unit, zone) = array.data_type() else {
        return Err(no_form(&Type::TIMESTAMP, format));
    };
    let zone = zone.is_some().then_some(style.time_zone);
    let style = style.date_style;
    Ok(match unit {
        TimeUnit::Second => {
            let values = array.as_primitive::<TimestampSecondType>().values().clone();
            timestamp_put(move |row| scaled(values[row], 1_000_000), format, style, zone)
        }
        TimeUnit::Millisecond => {
            let values = array.as_primitive::<TimestampMillisecondType>().values().clone();
            timestamp_put(move |row| scaled(values[row], 1000), format, style, zone)
        }
        TimeUnit::Microsecond => {
            let values = array.as_primitive::<TimestampMicrosecondType>().values().clone();
            timestamp_put(move |row| Ok(values[row]), format, style, zone)
        }
        TimeUnit::Nanosecond => {
            let values = array.as_primitive::<TimestampNanosecondType>().values().clone();
            let micros = move |row: usize| match values[row] {
                infinite @ (i64::MAX | i64::MIN) => Ok(infinite),
                nanos => Ok(nanos.div_euclid(1000)),
            };
            timestamp_put(micros, format, style, zone)
        }
    })
}

fn scaled(value: i64, factor: i64) -> Result<i64> {
    match value {
        i64::MAX | i64::MIN => Ok(value),
        _ => value.checked_mul(factor).ok_or(Error::DatetimeOverflow {
            type_name: "timestamp",
        }),
    }
}

fn timestamp_put(
    micros: impl Fn(usize) -> Result<i64> + Send + Sync + 'static,
    format: Format,
    style: DateStyle,
    zone: Option<Zone>,
) -> Put {
    match format {
        Format::Text => Box::new(move |row, out| {
            put_timestamp(micros(row)?, style, zone.as_ref(), out);
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            let micros = match micros(row)? {
                infinite @ (i64::MAX | i64::MIN) => infinite,
                micros => micros.checked_sub(EPOCH_MICROS).ok_or(Error::DatetimeOverflow {
                    type_name: "timestamp",
                })?,
            };
            out.put_i64(micros);
            Ok(())
        }),
    }
}

pub(super) fn put_date(days: i64, style: DateStyle, out: &mut BytesMut) {
    let (year, month, day) = civil(days);
    put_civil(year, month, day, style, b'-', out);
    put_era(year, out);
}

/// Writes microseconds since 1970 in a DateStyle; with a zone, as local time there with its offset or name.
pub(super) fn put_timestamp(micros: i64, style: DateStyle, zone: Option<&Zone>, out: &mut BytesMut) {
    match micros {
        i64::MAX => return out.put_slice(b"infinity"),
        i64::MIN => return out.put_slice(b"-infinity"),
        _ => {}
    }
    let mut name = String::new();
    let named = (style.form != DateForm::Iso).then_some(&mut name);
    let offset = zone.map_or(0, |zone| offset_at(zone, micros.div_euclid(1_000_000), named));
    // In days and microseconds of the day, so that no offset overflows at the edge of the range.
    let shifted = micros.rem_euclid(DAY_MICROS) + i64::from(offset) * 1_000_000;
    let days = micros.div_euclid(DAY_MICROS) + shifted.div_euclid(DAY_MICROS);
    let clock = shifted.rem_euclid(DAY_MICROS);
    let (year, month, day) = civil(days);
    if style.form == DateForm::Postgres {
        let weekday = usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
        out.put_slice(WEEKDAYS[weekday % 7].as_bytes());
        out.put_u8(b' ');
        let month = MONTHS[(month as usize + 11) % 12].as_bytes();
        if style.day_first {
            put_two(day, out);
            out.put_u8(b' ');
            out.put_slice(month);
        } else {
            out.put_slice(month);
            out.put_u8(b' ');
            put_two(day, out);
        }
        out.put_u8(b' ');
        put_time(clock, out);
        out.put_u8(b' ');
        put_year(year, out);
    } else {
        put_civil(year, month, day, style, b'/', out);
        out.put_u8(b' ');
        put_time(clock, out);
    }
    if zone.is_some() {
        match style.form {
            DateForm::Iso => put_offset(offset, out),
            // The name of a zone without letters is its offset.
            _ if name.is_empty() => {
                out.put_u8(b' ');
                put_offset(offset, out);
            }
            _ => {
                out.put_u8(b' ');
                out.put_slice(name.as_bytes());
            }
        }
    }
    put_era(year, out);
}

fn put_civil(year: i64, month: u32, day: u32, style: DateStyle, sql_separator: u8, out: &mut BytesMut) {
    let (separator, day_first) = match style.form {
        DateForm::Sql => (b'/', style.day_first),
        DateForm::German => (b'.', true),
        DateForm::Postgres => (sql_separator, style.day_first),
        _ => {
            put_year(year, out);
            out.put_u8(b'-');
            put_two(month, out);
            out.put_u8(b'-');
            return put_two(day, out);
        }
    };
    let (first, second) = if day_first { (day, month) } else { (month, day) };
    put_two(first, out);
    out.put_u8(separator);
    put_two(second, out);
    out.put_u8(separator);
    put_year(year, out);
}

fn put_year(year: i64, out: &mut BytesMut) {
    let year = if year > 0 { year } else { 1 - year };
    if year < 1000 {
        out.put_bytes(
            b'0',
            if year < 10 {
                3
            } else if year < 100 {
                2
            } else {
                1
            },
        );
    }
    number::put_integer(year, out);
}

fn put_era(year: i64, out: &mut BytesMut) {
    if year <= 0 {
        out.put_slice(b" BC");
    }
}

fn put_two(value: u32, out: &mut BytesMut) {
    out.put_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// Writes microseconds of a day as `04:05:06.789`, without trailing zeros.
pub(super) fn put_time(micros: i64, out: &mut BytesMut) {
    let seconds = micros / 1_000_000;
    put_two((seconds / 3600) as u32, out);
    out.put_u8(b':');
    put_two((seconds / 60 % 60) as u32, out);
    out.put_u8(b':');
    put_two((seconds % 60) as u32, out);
    put_fraction(micros % 1_000_000, out);
}

/// Writes microseconds of a second as `.789`; nothing for zero.
pub(super) fn put_fraction(micros: i64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    let mut digits = [b'0'; 6];
    let mut rest = micros;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let end = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |last| last + 1);
    out.put_u8(b'.');
    out.put_slice(digits.get(..end).unwrap_or_default());
}

/// Writes an offset as `+02`, `-09:30` or `+00:53:28`.
fn put_offset(seconds: i32, out: &mut BytesMut) {
    out.put_u8(if seconds < 0 { b'-' } else { b'+' });
    let seconds = seconds.unsigned_abs();
    put_two(seconds / 3600, out);
    if !seconds.is_multiple_of(3600) {
        out.put_u8(b':');
        put_two(seconds / 60 % 60, out);
    }
    if !seconds.is_multiple_of(60) {
        out.put_u8(b':');
        put_two(seconds % 60, out);
    }
}
