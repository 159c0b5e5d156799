//! Intervals in Postgres' four styles, after `EncodeInterval` (src/backend/utils/adt/datetime.c).

use arrow::array::types::{
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType,
};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::datetime::{DAY_MICROS, put_fraction};
use super::{Put, no_form, number};
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::{IntervalStyle, OutputStyle};

/// An interval as Postgres holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    months: i32,
    days: i32,
    micros: i64,
}

/// Intervals, and durations, which are differences of timestamps and therefore in days and a rest as Postgres
/// gives them. What is finer than a microsecond is cut off.
pub(super) fn interval(array: &ArrayRef, format: Format, style: &OutputStyle) -> Result<Put> {
    let style = style.interval_style;
    Ok(match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>().values().clone();
            let value = move |row: usize| {
                let value = values[row];
                Ok(Interval {
                    months: value.months,
                    days: value.days,
                    micros: value.nanoseconds / 1000,
                })
            };
            interval_put(value, format, style)
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let values = array.as_primitive::<IntervalDayTimeType>().values().clone();
            let value = move |row: usize| {
                let value = values[row];
                Ok(Interval {
                    months: 0,
                    days: value.days,
                    micros: i64::from(value.milliseconds) * 1000,
                })
            };
            interval_put(value, format, style)
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let values = array.as_primitive::<IntervalYearMonthType>().values().clone();
            interval_put(
                move |row| {
                    Ok(Interval {
                        months: values[row],
                        days: 0,
                        micros: 0,
                    })
                },
                format,
                style,
            )
        }
        DataType::Duration(TimeUnit::Second) => {
            let values = array.as_primitive::<DurationSecondType>().values().clone();
            interval_put(
                move |row| difference(i128::from(values[row]) * 1_000_000),
                format,
                style,
            )
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            let values = array.as_primitive::<DurationMillisecondType>().values().clone();
            interval_put(
                move |row| difference(i128::from(values[row]) * 1000),
                format,
                style,
            )
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            let values = array.as_primitive::<DurationMicrosecondType>().values().clone();
            interval_put(move |row| difference(i128::from(values[row])), format, style)
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            let values = array.as_primitive::<DurationNanosecondType>().values().clone();
            interval_put(
                move |row| difference(i128::from(values[row]) / 1000),
                format,
                style,
            )
        }
        _ => return Err(no_form(&Type::INTERVAL, format)),
    })
}

fn difference(micros: i128) -> Result<Interval> {
    let day = i128::from(DAY_MICROS);
    let days = i32::try_from(micros / day).map_err(|_| Error::DatetimeOverflow {
        type_name: "interval",
    })?;
    Ok(Interval {
        months: 0,
        days,
        micros: (micros % day) as i64,
    })
}

fn interval_put(
    value: impl Fn(usize) -> Result<Interval> + Send + Sync + 'static,
    format: Format,
    style: IntervalStyle,
) -> Put {
    match format {
        Format::Text => Box::new(move |row, out| {
            Parts::new(value(row)?).put(style, out);
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            let value = value(row)?;
            out.put_i64(value.micros);
            out.put_i32(value.days);
            out.put_i32(value.months);
            Ok(())
        }),
    }
}

/// The fields that are shown; each keeps its own sign.
#[derive(Debug, Clone, Copy)]
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

impl Parts {
    fn new(interval: Interval) -> Self {
        let micros = interval.micros;
        Self {
            years: i64::from(interval.months / 12),
            months: i64::from(interval.months % 12),
            days: i64::from(interval.days),
            hours: micros / 3_600_000_000,
            minutes: micros / 60_000_000 % 60,
            seconds: micros / 1_000_000 % 60,
            micros: micros % 1_000_000,
        }
    }

    fn fields(&self) -> [i64; 7] {
        [
            self.years,
            self.months,
            self.days,
            self.hours,
            self.minutes,
            self.seconds,
            self.micros,
        ]
    }

    fn put(&self, style: IntervalStyle, out: &mut BytesMut) {
        match style {
            IntervalStyle::PostgresVerbose => self.put_verbose(out),
            IntervalStyle::SqlStandard => self.put_sql(out),
            IntervalStyle::Iso8601 => self.put_iso(out),
            _ => self.put_postgres(out),
        }
    }

    fn time_negative(&self) -> bool {
        [self.hours, self.minutes, self.seconds, self.micros]
            .iter()
            .any(|field| *field < 0)
    }

    fn has_time(&self) -> bool {
        [self.hours, self.minutes, self.seconds, self.micros]
            .iter()
            .any(|field| *field != 0)
    }

    /// `1 year 2 mons -3 days +04:05:06`: a plus sign only where the field before is negative.
    fn put_postgres(&self, out: &mut BytesMut) {
        let mut first = true;
        let mut after_negative = false;
        for (value, unit) in [(self.years, "year"), (self.months, "mon"), (self.days, "day")] {
            if value == 0 {
                continue;
            }
            if !first {
                out.put_u8(b' ');
            }
            if after_negative && value > 0 {
                out.put_u8(b'+');
            }
            number::put_integer(value, out);
            put_unit(unit, value == 1, out);
            after_negative = value < 0;
            first = false;
        }
        if first || self.has_time() {
            if !first {
                out.put_u8(b' ');
            }
            if self.time_negative() {
                out.put_u8(b'-');
            } else if after_negative {
                out.put_u8(b'+');
            }
            self.put_clock(2, out);
        }
    }

    /// `@ 1 year 2 mons ago`: the first field decides the direction.
    fn put_verbose(&self, out: &mut BytesMut) {
        out.put_u8(b'@');
        let mut first = true;
        let mut before = false;
        let units = [
            (self.years, "year"),
            (self.months, "mon"),
            (self.days, "day"),
            (self.hours, "hour"),
            (self.minutes, "min"),
        ];
        for (value, unit) in units {
            if value == 0 {
                continue;
            }
            if first {
                before = value < 0;
            }
            let shown = if before { -value } else { value };
            out.put_u8(b' ');
            number::put_integer(shown, out);
            put_unit(unit, shown == 1, out);
            first = false;
        }
        if self.seconds != 0 || self.micros != 0 {
            out.put_u8(b' ');
            let negative = self.seconds < 0 || self.micros < 0;
            if first {
                before = negative;
            }
            if negative != before {
                out.put_u8(b'-');
            }
            self.put_seconds(1, out);
            put_unit("sec", self.seconds.abs() == 1 && self.micros == 0, out);
            first = false;
        }
        if first {
            out.put_slice(b" 0");
        }
        if before {
            out.put_slice(b" ago");
        }
    }

    /// `1-2`, `3 4:05:06`, and with explicit signs `+1-2 -3 +4:05:06` where the standard has no form.
    fn put_sql(&self, out: &mut BytesMut) {
        let fields = self.fields();
        let negative = fields.iter().any(|field| *field < 0);
        let positive = fields.iter().any(|field| *field > 0);
        let year_month = self.years != 0 || self.months != 0;
        let day_time = self.days != 0 || self.has_time();
        if !negative && !positive {
            return out.put_u8(b'0');
        }
        let put_pair = |out: &mut BytesMut| {
            number::put_integer(self.years.abs(), out);
            out.put_u8(b'-');
            number::put_integer(self.months.abs(), out);
        };
        let sign = |negative: bool| if negative { b'-' } else { b'+' };
        if (negative && positive) || (year_month && day_time) {
            out.put_u8(sign(self.years < 0 || self.months < 0));
            put_pair(out);
            out.put_u8(b' ');
            out.put_u8(sign(self.days < 0));
            number::put_integer(self.days.abs(), out);
            out.put_u8(b' ');
            out.put_u8(sign(self.time_negative()));
            return self.put_clock(1, out);
        }
        if negative {
            out.put_u8(b'-');
        }
        if year_month {
            return put_pair(out);
        }
        if self.days != 0 {
            number::put_integer(self.days.abs(), out);
            out.put_u8(b' ');
        }
        self.put_clock(1, out);
    }

    /// `P1Y2M3DT4H5M6S`.
    fn put_iso(&self, out: &mut BytesMut) {
        if self.fields().iter().all(|field| *field == 0) {
            return out.put_slice(b"PT0S");
        }
        let put_part = |value: i64, unit: u8, out: &mut BytesMut| {
            if value != 0 {
                number::put_integer(value, out);
                out.put_u8(unit);
            }
        };
        out.put_u8(b'P');
        put_part(self.years, b'Y', out);
        put_part(self.months, b'M', out);
        put_part(self.days, b'D', out);
        if self.has_time() {
            out.put_u8(b'T');
        }
        put_part(self.hours, b'H', out);
        put_part(self.minutes, b'M', out);
        if self.seconds != 0 || self.micros != 0 {
            if self.seconds < 0 || self.micros < 0 {
                out.put_u8(b'-');
            }
            self.put_seconds(1, out);
            out.put_u8(b'S');
        }
    }

    /// `04:05:06.7` without a sign; the hours have at least so many digits.
    fn put_clock(&self, digits: usize, out: &mut BytesMut) {
        put_padded(self.hours, digits, out);
        out.put_u8(b':');
        put_padded(self.minutes, 2, out);
        out.put_u8(b':');
        self.put_seconds(2, out);
    }

    fn put_seconds(&self, digits: usize, out: &mut BytesMut) {
        put_padded(self.seconds, digits, out);
        put_fraction(self.micros.abs(), out);
    }
}

fn put_padded(value: i64, digits: usize, out: &mut BytesMut) {
    if digits == 2 && value.abs() < 10 {
        out.put_u8(b'0');
    }
    number::put_integer(value.abs(), out);
}

fn put_unit(unit: &str, singular: bool, out: &mut BytesMut) {
    out.put_u8(b' ');
    out.put_slice(unit.as_bytes());
    if !singular {
        out.put_u8(b's');
    }
}
