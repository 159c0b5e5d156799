//! `to_char`, `to_date`, `to_timestamp` and `to_number` with the patterns of Postgres (formatting.c).

mod numbers;
mod read;
mod tokens;
mod write;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Decimal128Array, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Function, Taken, form};
use super::zoned::zone;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Exact, Float, Instant, Interval, Text, Time, Wall};
    const ALL: &[Function] = &[
        Function::new(
            "to_char",
            &[
                form(&[Wall, Text], times),
                form(&[Instant, Text], times),
                form(&[Interval, Text], times),
                form(&[Time, Text], times),
                form(&[Exact, Text], exact),
                form(&[Float, Text], float),
            ],
            |_| DataType::Utf8,
        )
        .also(&["date_format"]),
        Function::new("to_date", &[form(&[Text, Text], to_date)], |_| DataType::Date32),
        Function::new(
            "to_timestamp",
            &[
                form(&[Text, Text], to_timestamp),
                form(&[Float], of_epoch),
                form(&[Instant], same),
            ],
            |_| DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        Function::new("to_number", &[form(&[Text, Text], to_number)], |_| {
            DataType::Decimal128(38, numbers::READ_SCALE)
        })
        .of_own_digits(),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

fn times(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, ..] = call.columns.as_slice() else {
        return plan_err!("to_char takes a value and a pattern");
    };
    let session = zone(call.zone())?;
    let fixed = (call.columns.get(1).is_some_and(|patterns| patterns.len() == 1))
        .then(|| call.text(1, 0).map(tokens::tokens))
        .flatten();
    call.texts(|row| {
        if column.is_null(row) {
            return Ok(None);
        }
        let Some(pattern) = call.text(1, row) else {
            return Ok(None);
        };
        let moment = match column.data_type() {
            DataType::Interval(_) => {
                write::Moment::of_interval(column.as_primitive::<IntervalMonthDayNanoType>().value(row))
            }
            DataType::Time64(_) => {
                write::Moment::of_time(column.as_primitive::<Time64MicrosecondType>().value(row))
            }
            data_type => {
                let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
                let zone = matches!(data_type, DataType::Timestamp(_, Some(_))).then_some(&session);
                write::Moment::of(micros, zone)
                    .ok_or_else(|| raised(ErrorClass::DatetimeOverflow, "timestamp out of range"))?
            }
        };
        let own;
        let tokens = match &fixed {
            Some(tokens) => tokens,
            None => {
                own = tokens::tokens(pattern);
                &own
            }
        };
        write::text(&moment, tokens).map(Some)
    })
}

fn exact(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, ..] = call.columns.as_slice() else {
        return plan_err!("to_char takes a value and a pattern");
    };
    call.texts(|row| {
        let Some(pattern) = call.text(1, row).filter(|_| column.is_valid(row)) else {
            return Ok(None);
        };
        let text = match column.data_type() {
            DataType::Decimal256(..) => column.as_primitive::<Decimal256Type>().value_as_string(row),
            _ => column.as_primitive::<Decimal128Type>().value_as_string(row),
        };
        numbers::text(&text, pattern).map(Some)
    })
}

fn float(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, ..] = call.columns.as_slice() else {
        return plan_err!("to_char takes a value and a pattern");
    };
    let numbers = column.as_primitive::<Float64Type>();
    call.texts(|row| {
        let Some(pattern) = call.text(1, row).filter(|_| numbers.is_valid(row)) else {
            return Ok(None);
        };
        // Fifteen digits, as Postgres prints a double precision here.
        let number = numbers.value(row);
        let whole = if number == 0.0 {
            1
        } else {
            number.abs().log10().floor() as i32 + 1
        };
        let decimals = usize::try_from((15 - whole.max(0)).clamp(0, 15)).unwrap_or(0);
        numbers::text(&format!("{number:.decimals$}"), pattern).map(Some)
    })
}

fn to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let days = (0..call.rows)
        .map(|row| match (call.text(0, row), call.text(1, row)) {
            (Some(text), Some(pattern)) => read::date(text, pattern).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<Date32Array>>()?;
    Ok(Arc::new(days))
}

fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let session = zone(call.zone())?;
    let instants = (0..call.rows)
        .map(|row| match (call.text(0, row), call.text(1, row)) {
            (Some(text), Some(pattern)) => read::timestamp(text, pattern, &session).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(instants.with_timezone("UTC")))
}

fn of_epoch(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(seconds) = call.columns.first() else {
        return plan_err!("to_timestamp takes seconds since 1970");
    };
    let instants: TimestampMicrosecondArray = seconds.as_primitive::<Float64Type>().try_unary(|seconds| {
        let micros = (seconds * 1e6).round_ties_even();
        if micros.is_nan() || micros.abs() >= 9.2e18 {
            return Err(raised(
                ErrorClass::DatetimeOverflow,
                format!("timestamp out of range: \"{seconds}\""),
            ));
        }
        Ok(micros as i64)
    })?;
    Ok(Arc::new(instants.with_timezone("UTC")))
}

fn same(call: &Call<'_>) -> Result<ArrayRef> {
    match call.columns.first() {
        Some(column) => Ok(cast(column, call.returns.data_type())?),
        None => plan_err!("to_timestamp takes seconds since 1970"),
    }
}

fn to_number(call: &Call<'_>) -> Result<ArrayRef> {
    let read = (0..call.rows)
        .map(|row| match (call.text(0, row), call.text(1, row)) {
            (Some(text), Some(pattern)) => numbers::read(text, pattern),
            _ => Ok(None),
        })
        .collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(read.with_precision_and_scale(38, numbers::READ_SCALE)?))
}
