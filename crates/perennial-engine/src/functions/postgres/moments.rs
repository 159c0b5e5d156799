//! Moments made of their parts, and moved to the beginning of the span that they lie in: `make_time`, `make_timestamp`,
//! `make_timestamptz` and `date_bin`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int32Type, IntervalMonthDayNanoType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Function, Taken, form};
use super::small::day;
use super::timezone;
use super::zoned::zone;

const SECOND: f64 = 1_000_000.0;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Float, Instant, Int, Interval, Text, Wall};
    const WALL: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
    const ALL: &[Function] = &[
        Function::new("make_time", &[form(&[Int, Int, Float], time)], |_| {
            DataType::Time64(TimeUnit::Microsecond)
        }),
        Function::new(
            "make_timestamp",
            &[form(&[Int, Int, Int, Int, Int, Float], wall)],
            |_| WALL,
        ),
        Function::new(
            "make_timestamptz",
            &[
                form(&[Int, Int, Int, Int, Int, Float], instant),
                form(&[Int, Int, Int, Int, Int, Float, Text], instant),
            ],
            |_| DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        Function::new(
            "date_bin",
            &[
                form(&[Interval, Wall], binned),
                form(&[Interval, Instant], binned),
                form(&[Interval, Wall, Wall], binned),
                form(&[Interval, Instant, Instant], binned),
            ],
            |taken| taken.get(1).cloned().unwrap_or(WALL),
        ),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// The value of an argument; none for NULL.
fn value<T: ArrowPrimitiveType>(call: &Call<'_>, place: usize, row: usize) -> Option<T::Native> {
    let column = call.columns.get(place).filter(|column| column.is_valid(row))?;
    Some(column.as_primitive_opt::<T>()?.value(row))
}

/// The microseconds since midnight of an hour, a minute and seconds from a place of the arguments on.
///
/// # Errors
/// Class `DatetimeOverflow` for what no clock shows; 24:00:00 and the sixtieth second are the next day and minute.
fn clock(call: &Call<'_>, from: usize, row: usize) -> Result<Option<i64>> {
    let whole = |place| value::<Int32Type>(call, place, row).map(i64::from);
    let seconds = value::<Float64Type>(call, from + 2, row);
    let (Some(hour), Some(minute), Some(second)) = (whole(from), whole(from + 1), seconds) else {
        return Ok(None);
    };
    let micros = (second * SECOND).round_ties_even();
    let micros = (0.0..=60.0 * SECOND).contains(&micros).then_some(micros as i64);
    let fits = (0..=24).contains(&hour) && (0..60).contains(&minute);
    let clock = micros.map(|micros| (hour * 60 + minute) * MINUTE + micros);
    match clock.filter(|clock| fits && *clock <= DAY) {
        Some(clock) => Ok(Some(clock)),
        None => Err(raised(
            ErrorClass::DatetimeOverflow,
            format!("time field value out of range: {hour}:{minute:02}:{second:02}"),
        )),
    }
}

fn time(call: &Call<'_>) -> Result<ArrayRef> {
    let times = (0..call.rows).map(|row| clock(call, 0, row));
    Ok(Arc::new(times.collect::<Result<Time64MicrosecondArray>>()?))
}

/// The microseconds of a wall clock since 1970.
fn local(call: &Call<'_>, row: usize) -> Result<Option<i64>> {
    let (Some(days), Some(clock)) = (day(call, row)?, clock(call, 3, row)?) else {
        return Ok(None);
    };
    let micros = i64::from(days).checked_mul(DAY);
    let micros = micros.and_then(|micros| micros.checked_add(clock));
    micros.map(Some).ok_or_else(beyond)
}

fn beyond() -> DataFusionError {
    raised(ErrorClass::DatetimeOverflow, "timestamp out of range")
}

fn wall(call: &Call<'_>) -> Result<ArrayRef> {
    let walls = (0..call.rows).map(|row| local(call, row));
    Ok(Arc::new(walls.collect::<Result<TimestampMicrosecondArray>>()?))
}

/// In a zone by its name, or by an offset east of Greenwich; otherwise in the session's.
fn instant(call: &Call<'_>) -> Result<ArrayRef> {
    let session = zone(call.zone())?;
    let zoned = call.columns.len() > 6;
    let one = |row| {
        let Some(local) = local(call, row)? else {
            return Ok(None);
        };
        let own;
        let zone = match call.text(6, row) {
            Some(name) => {
                own = timezone::named(&eastward(name))?;
                &own
            }
            None if zoned => return Ok(None),
            None => &session,
        };
        timezone::instant_of(local, zone).map(Some).ok_or_else(beyond)
    };
    let instants = (0..call.rows).map(one);
    let instants = instants.collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(instants.with_timezone("UTC")))
}

/// An offset with the sign that `AT TIME ZONE` gives it, which counts west.
fn eastward(name: &str) -> String {
    match name.trim().split_at_checked(1) {
        Some(("+", rest)) => format!("-{rest}"),
        Some(("-", rest)) => format!("+{rest}"),
        _ => name.to_owned(),
    }
}

/// As `timestamp_bin` in timestamp.c. Without an origin spans are counted from 1970.
fn binned(call: &Call<'_>) -> Result<ArrayRef> {
    let mut answers = TimestampMicrosecondBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let moment = value::<TimestampMicrosecondType>(call, 1, row);
        let origin = match call.columns.len() {
            2 => Some(0),
            _ => value::<TimestampMicrosecondType>(call, 2, row),
        };
        let stride = value::<IntervalMonthDayNanoType>(call, 0, row);
        let (Some(stride), Some(moment), Some(origin)) = (stride, moment, origin) else {
            answers.append_null();
            continue;
        };
        if stride.months != 0 {
            let message = "timestamps cannot be binned into intervals containing months or years";
            return Err(raised(ErrorClass::Unsupported, message));
        }
        let stride = i64::from(stride.days) * DAY + stride.nanoseconds / 1000;
        if stride <= 0 {
            let message = "stride must be greater than zero";
            return Err(raised(ErrorClass::DatetimeOverflow, message));
        }
        let within = moment.checked_sub(origin).map(|since| since.rem_euclid(stride));
        let begin = within.and_then(|within| moment.checked_sub(within));
        answers.append_value(begin.ok_or_else(beyond)?);
    }
    Ok(Arc::new(
        answers.finish().with_data_type(call.returns.data_type().clone()),
    ))
}
