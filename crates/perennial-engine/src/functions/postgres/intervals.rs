//! Intervals as Postgres counts with them: a month has thirty days and a day 24 hours where they are compared and divided.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Timelike};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Function, Taken, form};
use super::zoned::wall_clocks;
use crate::schema::named_type;

const DAY: i64 = 86_400_000_000;

const KEY: &str = "perennial_interval_key";

/// The name of the function that rounds the seconds of an interval to a number of digits.
pub(crate) const DIGITS: &str = "perennial_interval_digits";

fn interval(_: &[DataType]) -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

const KEYS: Function = Function::new(KEY, &[form(&[Taken::Interval], key)], |_| DataType::Int64);

const MULTIPLIED: Function = Function::new(
    "perennial_interval_multiply",
    &[form(&[Taken::Interval, Taken::Float], |call| {
        scaled(call, |value, by| Some(value * by))
    })],
    interval,
);

const DIVIDED: Function = Function::new(
    "perennial_interval_divide",
    &[form(&[Taken::Interval, Taken::Float], |call| {
        scaled(call, |value, by| (by != 0.0).then(|| value / by))
    })],
    interval,
);

const DIFFERENCE: Function = Function::new(
    "perennial_between",
    &[
        form(&[Taken::Wall, Taken::Wall], between),
        form(&[Taken::Instant, Taken::Instant], between),
    ],
    interval,
);

/// The function behind an interval times a number.
pub(crate) fn multiply_function() -> Arc<ScalarUDF> {
    MULTIPLIED.udf()
}

/// The function behind an interval divided by a number.
pub(crate) fn divide_function() -> Arc<ScalarUDF> {
    DIVIDED.udf()
}

/// The function behind the difference of two moments.
pub(crate) fn between_function() -> Arc<ScalarUDF> {
    DIFFERENCE.udf()
}

/// The function behind comparisons.
pub(crate) fn key_function() -> Arc<ScalarUDF> {
    KEYS.udf()
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Big, Date, Float, Instant, Int, Interval, Wall};
    const ALL: &[Function] = &[
        KEYS,
        MULTIPLIED,
        DIVIDED,
        DIFFERENCE,
        Function::new(DIGITS, &[form(&[Interval, Int], rounded)], interval),
        Function::new(
            "age",
            &[
                form(&[Wall, Wall], age),
                form(&[Instant, Instant], age),
                form(&[Instant, Wall], age),
                form(&[Instant, Date], age),
                form(&[Instant, Big], age_of_transaction),
            ],
            |taken| match taken {
                [_, DataType::Int64] => DataType::Int32,
                other => interval(other),
            },
        ),
        Function::new(
            "justify_days",
            &[form(&[Interval], |call| each(call, justified_days))],
            interval,
        ),
        Function::new(
            "justify_hours",
            &[form(&[Interval], |call| each(call, justified_hours))],
            interval,
        ),
        Function::new(
            "justify_interval",
            &[form(&[Interval], |call| each(call, justified))],
            interval,
        ),
        Function::new(
            "make_interval",
            &[
                form(&[], make),
                form(&[Int], make),
                form(&[Int, Int], make),
                form(&[Int, Int, Int], make),
                form(&[Int, Int, Int, Int], make),
                form(&[Int, Int, Int, Int, Int], make),
                form(&[Int, Int, Int, Int, Int, Int], make),
                form(&[Int, Int, Int, Int, Int, Int, Float], make),
            ],
            interval,
        ),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// Nothing that is read has been written by a transaction with a number, so none is older than another.
fn age_of_transaction(call: &Call<'_>) -> Result<ArrayRef> {
    let (Some(number), Some(field)) = (call.columns.get(1), call.fields.get(1)) else {
        return Err(beyond());
    };
    if named_type(field) != Some("xid") {
        let message = format!(
            "function age({}) does not exist",
            crate::error::type_name(field.data_type())
        );
        return Err(raised(ErrorClass::UndefinedFunction, message));
    }
    let ages: Int32Array = number.as_primitive::<Int64Type>().unary(|_| 0);
    Ok(Arc::new(ages))
}

fn beyond() -> DataFusionError {
    raised(ErrorClass::DatetimeOverflow, "interval out of range")
}

fn intervals(column: &ArrayRef) -> Result<IntervalMonthDayNanoArray> {
    let column = match column.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => Arc::clone(column),
        _ => cast(column, &interval(&[]))?,
    };
    Ok(column.as_primitive::<IntervalMonthDayNanoType>().clone())
}

/// The length of an interval in microseconds, by which intervals are compared.
fn key(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(column) = call.columns.first() else {
        return Err(beyond());
    };
    let keys: Int64Array = intervals(column)?.unary(|value| {
        let days = i64::from(value.months) * 30 + i64::from(value.days);
        days.saturating_mul(DAY).saturating_add(value.nanoseconds / 1000)
    });
    Ok(Arc::new(keys))
}

/// Seconds of so many digits; what lies between two is rounded away from zero.
fn rounded(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, digits] = call.columns.as_slice() else {
        return Err(beyond());
    };
    let digits = digits.as_primitive::<Int32Type>();
    let digits = if digits.is_empty() { 6 } else { digits.value(0) };
    let unit = 10_i64.pow(9 - u32::try_from(digits.clamp(0, 6)).unwrap_or(6));
    let answers: IntervalMonthDayNanoArray = intervals(column)?.unary(|value| IntervalMonthDayNano {
        nanoseconds: (value.nanoseconds + value.nanoseconds.signum() * (unit / 2)) / unit * unit,
        ..value
    });
    Ok(Arc::new(answers))
}

fn each(call: &Call<'_>, of: fn(IntervalMonthDayNano) -> IntervalMonthDayNano) -> Result<ArrayRef> {
    let Some(column) = call.columns.first() else {
        return Err(beyond());
    };
    let answers: IntervalMonthDayNanoArray = intervals(column)?.unary(of);
    Ok(Arc::new(answers))
}

fn moved(mut value: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let month = value.days / 30;
    value.days -= month * 30;
    value.months += month;
    if value.months > 0 && value.days < 0 {
        value.days += 30;
        value.months -= 1;
    } else if value.months < 0 && value.days > 0 {
        value.days -= 30;
        value.months += 1;
    }
    value
}

fn justified_days(value: IntervalMonthDayNano) -> IntervalMonthDayNano {
    moved(value)
}

fn justified_hours(mut value: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let day = DAY * 1000;
    let days = value.nanoseconds / day;
    value.nanoseconds -= days * day;
    value.days += i32::try_from(days).unwrap_or(0);
    if value.days > 0 && value.nanoseconds < 0 {
        value.nanoseconds += day;
        value.days -= 1;
    } else if value.days < 0 && value.nanoseconds > 0 {
        value.nanoseconds -= day;
        value.days += 1;
    }
    value
}

fn justified(value: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let day = DAY * 1000;
    let mut value = value;
    let days = value.nanoseconds / day;
    value.nanoseconds -= days * day;
    value.days += i32::try_from(days).unwrap_or(0);
    let months = value.days / 30;
    value.days -= months * 30;
    value.months += months;
    if value.months > 0 && (value.days < 0 || (value.days == 0 && value.nanoseconds < 0)) {
        value.days += 30;
        value.months -= 1;
    } else if value.months < 0 && (value.days > 0 || (value.days == 0 && value.nanoseconds > 0)) {
        value.days -= 30;
        value.months += 1;
    }
    if value.days > 0 && value.nanoseconds < 0 {
        value.nanoseconds += day;
        value.days -= 1;
    } else if value.days < 0 && value.nanoseconds > 0 {
        value.nanoseconds -= day;
        value.days += 1;
    }
    value
}

fn scaled(call: &Call<'_>, by: fn(f64, f64) -> Option<f64>) -> Result<ArrayRef> {
    let [values, factors] = call.columns.as_slice() else {
        return Err(beyond());
    };
    let (values, factors) = (intervals(values)?, factors.as_primitive::<Float64Type>());
    let answers = values
        .iter()
        .zip(factors)
        .map(|pair| match pair {
            (Some(value), Some(factor)) => spread(value, |part| by(part, factor)).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<IntervalMonthDayNanoArray>>()?;
    Ok(Arc::new(answers))
}

/// Every part of an interval through `of`; fractions of a month go on as days of thirty, those of a day as time
/// (`interval_mul` and `interval_div` in timestamp.c).
fn spread(value: IntervalMonthDayNano, of: impl Fn(f64) -> Option<f64>) -> Result<IntervalMonthDayNano> {
    let zero = || raised(ErrorClass::DivisionByZero, "division by zero");
    // As Postgres rounds to microseconds while it counts in seconds.
    let micro = |seconds: f64| (seconds * 1e6).round_ties_even() / 1e6;
    let months = of(f64::from(value.months)).ok_or_else(zero)?;
    let days = of(f64::from(value.days)).ok_or_else(zero)?;
    let micros = of((value.nanoseconds / 1000) as f64).ok_or_else(zero)?;
    let (whole_months, mut whole_days) = (months.trunc(), days.trunc());
    let month_days = micro((months - whole_months) * 30.0);
    let mut seconds = micro((days - whole_days + month_days - month_days.trunc()) * 86_400.0);
    if seconds.abs() >= 86_400.0 {
        whole_days += (seconds / 86_400.0).trunc();
        seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
    }
    whole_days += month_days.trunc();
    let micros = (micros + seconds * 1e6).round_ties_even();
    let fits = |value: f64| value.abs() <= f64::from(i32::MAX);
    if !fits(whole_months) || !fits(whole_days) || micros.abs() * 1000.0 >= 9.2e18 {
        return Err(beyond());
    }
    Ok(IntervalMonthDayNano::new(
        whole_months as i32,
        whole_days as i32,
        micros as i64 * 1000,
    ))
}

/// Sums divided by counts.
pub(super) fn divided(sums: &ArrayRef, counts: &ArrayRef) -> Result<ArrayRef> {
    let counts = cast(counts, &DataType::Float64)?;
    let pairs = intervals(sums)?;
    let answers = pairs
        .iter()
        .zip(counts.as_primitive::<Float64Type>())
        .map(|pair| match pair {
            (Some(value), Some(count)) => {
                spread(value, |part| (count != 0.0).then(|| part / count)).map(Some)
            }
            _ => Ok(None),
        })
        .collect::<Result<IntervalMonthDayNanoArray>>()?;
    Ok(Arc::new(answers))
}

/// The difference of two moments in days and time.
fn between(call: &Call<'_>) -> Result<ArrayRef> {
    let [later, earlier] = call.columns.as_slice() else {
        return Err(beyond());
    };
    let (later, earlier) = (
        later.as_primitive::<TimestampMicrosecondType>(),
        earlier.as_primitive::<TimestampMicrosecondType>(),
    );
    let answers: IntervalMonthDayNanoArray = arrow::compute::try_binary(later, earlier, |later, earlier| {
        let micros = i64::checked_sub(later, earlier);
        let split = micros.and_then(|micros| Some((i32::try_from(micros / DAY).ok()?, micros % DAY * 1000)));
        let (days, nanoseconds) = split.ok_or_else(|| {
            arrow::error::ArrowError::ArithmeticOverflow("interval out of range".to_owned())
        })?;
        Ok(IntervalMonthDayNano::new(0, days, nanoseconds))
    })?;
    Ok(Arc::new(answers))
}

/// The difference in years, months, days and time, counted from the earlier (`timestamp_age` in timestamp.c). Moments with a
/// zone are told on the session's wall clock.
fn age(call: &Call<'_>) -> Result<ArrayRef> {
    let [later, earlier] = call.columns.as_slice() else {
        return Err(beyond());
    };
    // A day begins at midnight, wherever.
    let midnight = DataType::Timestamp(TimeUnit::Microsecond, None);
    let clocks = |column: &ArrayRef| match column.data_type() {
        DataType::Date32 => wall_clocks(&cast(column, &midnight)?, call.zone()),
        _ => wall_clocks(column, call.zone()),
    };
    let (later, earlier) = (clocks(later)?, clocks(earlier)?);
    let answers = later
        .iter()
        .zip(earlier.iter())
        .map(|pair| match pair {
            (Some(later), Some(earlier)) => {
                let time = |micros| DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc());
                match (time(later), time(earlier)) {
                    (Some(later), Some(earlier)) => Ok(Some(aged(later, earlier))),
                    _ => Err(beyond()),
                }
            }
            _ => Ok(None),
        })
        .collect::<Result<IntervalMonthDayNanoArray>>()?;
    Ok(Arc::new(answers))
}

fn aged(later: chrono::NaiveDateTime, earlier: chrono::NaiveDateTime) -> IntervalMonthDayNano {
    if later < earlier {
        let back = aged(earlier, later);
        return IntervalMonthDayNano::new(-back.months, -back.days, -back.nanoseconds);
    }
    let clock = |time: &chrono::NaiveDateTime| {
        i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000)
    };
    let mut micros = clock(&later) - clock(&earlier);
    let mut days = i64::from(later.day()) - i64::from(earlier.day());
    let mut months = (i64::from(later.year()) - i64::from(earlier.year())) * 12 + i64::from(later.month())
        - i64::from(earlier.month());
    if micros < 0 {
        micros += DAY;
        days -= 1;
    }
    if days < 0 {
        // Days of the earlier month are borrowed.
        days += i64::from(earlier.num_days_in_month());
        months -= 1;
    }
    IntervalMonthDayNano::new(
        i32::try_from(months).unwrap_or(0),
        i32::try_from(days).unwrap_or(0),
        micros * 1000,
    )
}

fn make(call: &Call<'_>) -> Result<ArrayRef> {
    let int = |place: usize, row: usize| -> Option<i64> {
        match call.columns.get(place) {
            None => Some(0),
            // An argument that was left aside is NULL.
            Some(column) if column.is_null(row) => Some(0),
            Some(column) => Some(i64::from(column.as_primitive::<Int32Type>().value(row))),
        }
    };
    let answers = (0..call.rows)
        .map(|row| {
            let part = |place| int(place, row).unwrap_or(0);
            let seconds = match call.columns.get(6) {
                Some(column) if column.is_valid(row) => column.as_primitive::<Float64Type>().value(row),
                _ => 0.0,
            };
            let months = i32::try_from(part(0) * 12 + part(1)).map_err(|_| beyond())?;
            let days = i32::try_from(part(2) * 7 + part(3)).map_err(|_| beyond())?;
            let micros =
                (part(4) * 3600 + part(5) * 60) * 1_000_000 + (seconds * 1e6).round_ties_even() as i64;
            let nanoseconds = micros.checked_mul(1000).ok_or_else(beyond)?;
            Ok(Some(IntervalMonthDayNano::new(months, days, nanoseconds)))
        })
        .collect::<Result<IntervalMonthDayNanoArray>>()?;
    Ok(Arc::new(answers))
}
