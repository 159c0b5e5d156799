//! Small functions that the engine lacks: `num_nulls`, `num_nonnulls`, `isfinite`, `justify_days` and its like.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, IntervalMonthDayNanoArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Int32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use chrono::NaiveDate;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Form, Function, Taken, form};

const DAY: i64 = 86_400_000_000_000;
const MONTH: i64 = 30;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Any, Date, Instant, Int, Interval, Wall};
    const INTERVAL: fn(&[DataType]) -> DataType = |_| DataType::Interval(IntervalUnit::MonthDayNano);
    const NULLS: &[Form] = &[Form {
        takes: &[Any, Any],
        variadic: true,
        body: |call| counted(call, true),
    }];
    const VALUES: &[Form] = &[Form {
        takes: &[Any, Any],
        variadic: true,
        body: |call| counted(call, false),
    }];
    const FINITE: &[Form] = &[
        form(&[Date], finite),
        form(&[Wall], finite),
        form(&[Instant], finite),
        form(&[Interval], finite),
    ];
    const ALL: &[Function] = &[
        Function::new("num_nulls", NULLS, |_| DataType::Int32),
        Function::new("num_nonnulls", VALUES, |_| DataType::Int32),
        Function::new("isfinite", FINITE, |_| DataType::Boolean),
        Function::new("make_date", &[form(&[Int, Int, Int], made)], |_| DataType::Date32),
        Function::new(
            "justify_days",
            &[form(&[Interval], |call| justified(call, days))],
            INTERVAL,
        ),
        Function::new(
            "justify_hours",
            &[form(&[Interval], |call| justified(call, hours))],
            INTERVAL,
        ),
        Function::new(
            "justify_interval",
            &[form(&[Interval], |call| justified(call, whole))],
            INTERVAL,
        ),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// How many of the arguments are NULL, or are not.
fn counted(call: &Call<'_>, null: bool) -> Result<ArrayRef> {
    let nulls: Vec<_> = call.columns.iter().map(Array::logical_nulls).collect();
    let counted = |row| {
        let is_null = |column: &ArrayRef, nulls: &Option<arrow::buffer::NullBuffer>| {
            let row = if column.len() == 1 { 0 } else { row };
            nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
        };
        let each = call.columns.iter().zip(&nulls);
        let found = each
            .filter(|(column, nulls)| is_null(column, nulls) == null)
            .count();
        i32::try_from(found).unwrap_or(i32::MAX)
    };
    Ok(Arc::new(Int32Array::from_iter_values(
        (0..call.rows).map(counted),
    )))
}

/// No value is infinite.
fn finite(call: &Call<'_>) -> Result<ArrayRef> {
    let valid = |row| {
        call.columns
            .first()
            .filter(|column| column.is_valid(row))
            .map(|_| true)
    };
    Ok(Arc::new((0..call.rows).map(valid).collect::<BooleanArray>()))
}

fn made(call: &Call<'_>) -> Result<ArrayRef> {
    let days = (0..call.rows).map(|row| day(call, row));
    Ok(Arc::new(days.collect::<Result<Date32Array>>()?))
}

/// The days since 1970 of a year, a month and a day, the first three arguments; none for NULL.
///
/// # Errors
/// Class `DatetimeOverflow` for what is no day.
pub(super) fn day(call: &Call<'_>, row: usize) -> Result<Option<i32>> {
    let part = |place: usize| {
        let column = call.columns.get(place).filter(|column| column.is_valid(row))?;
        Some(column.as_primitive::<Int32Type>().value(row))
    };
    let (Some(year), Some(month), Some(day)) = (part(0), part(1), part(2)) else {
        return Ok(None);
    };
    // Before the first year there is the first before Christ.
    let counted = if year < 0 { year + 1 } else { year };
    let parts = u32::try_from(month).ok().zip(u32::try_from(day).ok());
    let date = parts.and_then(|(month, day)| NaiveDate::from_ymd_opt(counted, month, day));
    let date = date.filter(|_| year != 0).ok_or_else(|| {
        let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
        raised(ErrorClass::DatetimeOverflow, message)
    })?;
    Ok(Some(Date32Type::from_naive_date(date)))
}

/// Months, days and nanoseconds.
type Parts = (i64, i64, i64);

fn justified(call: &Call<'_>, by: fn(Parts) -> Parts) -> Result<ArrayRef> {
    let Some(intervals) = call.columns.first() else {
        return Err(raised(ErrorClass::UndefinedFunction, "an interval is missing"));
    };
    let justify = |interval: Option<IntervalMonthDayNano>| {
        let Some(interval) = interval else {
            return Ok(None);
        };
        let (months, days, nanoseconds) =
            by((interval.months.into(), interval.days.into(), interval.nanoseconds));
        match (i32::try_from(months), i32::try_from(days)) {
            (Ok(months), Ok(days)) => Ok(Some(IntervalMonthDayNano::new(months, days, nanoseconds))),
            _ => Err(raised(ErrorClass::TooLarge, "interval out of range")),
        }
    };
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let answers = intervals.iter().map(justify);
    Ok(Arc::new(answers.collect::<Result<IntervalMonthDayNanoArray>>()?))
}

/// One unit of the greater for so many of the lesser, until both have one sign.
fn same_sign(greater: i64, lesser: i64, unit: i64) -> (i64, i64) {
    match (greater.signum(), lesser.signum()) {
        (1, -1) => (greater - 1, lesser + unit),
        (-1, 1) => (greater + 1, lesser - unit),
        _ => (greater, lesser),
    }
}

fn days((months, days, rest): Parts) -> Parts {
    let (months, days) = same_sign(months + days / MONTH, days % MONTH, MONTH);
    (months, days, rest)
}

fn hours((months, days, rest): Parts) -> Parts {
    let (days, rest) = same_sign(days + rest / DAY, rest % DAY, DAY);
    (months, days, rest)
}

/// As `interval_justify_interval` in timestamp.c.
fn whole((months, days, rest): Parts) -> Parts {
    let (days, rest) = (days + rest / DAY, rest % DAY);
    let (months, days) = (months + days / MONTH, days % MONTH);
    let below = if days == 0 { rest.signum() } else { days.signum() };
    let (months, days) = match (months.signum(), below) {
        (1, -1) => (months - 1, days + MONTH),
        (-1, 1) => (months + 1, days - MONTH),
        _ => (months, days),
    };
    let (days, rest) = same_sign(days, rest, DAY);
    (months, days, rest)
}
