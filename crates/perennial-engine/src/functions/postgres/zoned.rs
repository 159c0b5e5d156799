//! The parts and the beginnings of times. What has a zone is told on the session's wall clock, as in Postgres.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{DatePart, cast, date_part};
use arrow::datatypes::{
    DataType, Field, FieldRef, Int32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use chrono::{Datelike, NaiveDate};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Function, Taken, form};
use crate::error::type_name;
use crate::session::settings::Zone;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// `extract(field FROM time)`, which is numeric.
pub(crate) const EXTRACT: &str = "perennial_extract";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Instant, Interval, Text, Time, Wall};
    const TRUNC: Function = Function::new(
        "date_trunc",
        &[
            form(&[Text, Wall], trunc),
            form(&[Text, Instant], trunc),
            form(&[Text, Instant, Text], trunc),
            form(&[Text, Interval], trunc_interval),
        ],
        |taken| taken.get(1).cloned().unwrap_or(DataType::Null),
    )
    .also(&["datetrunc"]);
    const PART: Function = Function::new(
        "date_part",
        &[
            form(&[Text, Wall], part),
            form(&[Text, Instant], part),
            form(&[Text, Interval], part),
            form(&[Text, Time], part),
        ],
        |_| DataType::Float64,
    )
    .also(&["datepart"]);
    let extract = ScalarUDF::from(Extract {
        signature: Signature::user_defined(Volatility::Immutable),
    });
    vec![TRUNC.udf(), PART.udf(), Arc::new(extract)]
}

/// A zone as the session's settings name it.
pub(super) fn zone(name: &str) -> Result<Zone> {
    Zone::parse(name).ok_or_else(|| {
        raised(
            ErrorClass::InvalidArgument,
            format!("time zone \"{name}\" not recognized"),
        )
    })
}

pub(super) fn is_utc(zone: &Zone) -> bool {
    matches!(zone, Zone::Named(chrono_tz::Tz::UTC | chrono_tz::Tz::Etc__UTC))
}

/// Wall clocks of a column of timestamps in microseconds: those without a zone as they are, the others in a zone.
pub(super) fn wall_clocks(column: &ArrayRef, zone_name: &str) -> Result<TimestampMicrosecondArray> {
    let instants = column.as_primitive::<TimestampMicrosecondType>();
    if !matches!(column.data_type(), DataType::Timestamp(_, Some(_))) {
        return Ok(instants.clone());
    }
    let zone = zone(zone_name)?;
    if is_utc(&zone) {
        return Ok(instants.clone().with_timezone_opt(None::<&str>));
    }
    let local: TimestampMicrosecondArray =
        instants.unary(|micros| micros + i64::from(zone.offset_seconds(micros)) * SECOND);
    Ok(local.with_timezone_opt(None::<&str>))
}

/// What a time is taken apart into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Dow,
    IsoDow,
    Doy,
    IsoYear,
    Epoch,
    Julian,
    Zone,
    ZoneHour,
    ZoneMinute,
}

/// The names of units, as `datetktbl` and `deltatktbl` of Postgres have them.
fn unit(name: &str) -> Option<Unit> {
    Some(match name.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Unit::Microseconds,
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Unit::Milliseconds,
        "second" | "seconds" | "s" | "sec" | "secs" => Unit::Second,
        "minute" | "minutes" | "m" | "min" | "mins" => Unit::Minute,
        "hour" | "hours" | "h" | "hr" | "hrs" => Unit::Hour,
        "day" | "days" | "d" => Unit::Day,
        "week" | "weeks" | "w" => Unit::Week,
        "month" | "months" | "mon" | "mons" => Unit::Month,
        "quarter" | "qtr" => Unit::Quarter,
        "year" | "years" | "y" | "yr" | "yrs" => Unit::Year,
        "decade" | "decades" | "dec" | "decs" => Unit::Decade,
        "century" | "centuries" | "c" | "cent" => Unit::Century,
        "millennium" | "millennia" | "mil" | "mils" => Unit::Millennium,
        "dow" => Unit::Dow,
        "isodow" => Unit::IsoDow,
        "doy" => Unit::Doy,
        "isoyear" => Unit::IsoYear,
        "epoch" => Unit::Epoch,
        "julian" | "jd" | "j" => Unit::Julian,
        "timezone" => Unit::Zone,
        "timezone_hour" | "timezone_h" => Unit::ZoneHour,
        "timezone_minute" | "timezone_m" => Unit::ZoneMinute,
        _ => return None,
    })
}

fn unknown(name: &str, data_type: &DataType) -> DataFusionError {
    raised(
        ErrorClass::InvalidArgument,
        format!("unit \"{name}\" not recognized for type {}", type_name(data_type)),
    )
}

fn unsupported(name: &str, data_type: &DataType) -> DataFusionError {
    raised(
        ErrorClass::Unsupported,
        format!("unit \"{name}\" not supported for type {}", type_name(data_type)),
    )
}

/// Digits behind the point of a field of a type.
fn digits(name: &str, data_type: &DataType) -> i8 {
    match unit(name) {
        Some(Unit::Epoch) if *data_type == DataType::Date32 => 0,
        Some(Unit::Second | Unit::Epoch) => 6,
        Some(Unit::Milliseconds) => 3,
        _ => 0,
    }
}

/// The field of every value, times ten to the power of [`digits`].
fn parts(name: &str, column: &ArrayRef, zone_name: &str) -> Result<Int64Array> {
    let data_type = column.data_type();
    let unit = unit(name).ok_or_else(|| unknown(name, data_type))?;
    match data_type {
        DataType::Interval(_) => of_intervals(name, unit, column),
        DataType::Time64(_) => of_times(name, unit, column),
        _ => of_moments(name, unit, column, zone_name),
    }
}

fn of_times(name: &str, unit: Unit, column: &ArrayRef) -> Result<Int64Array> {
    let times = column.as_primitive::<Time64MicrosecondType>();
    Ok(match unit {
        Unit::Microseconds | Unit::Milliseconds | Unit::Second => {
            times.unary(|micros| micros % (60 * SECOND))
        }
        Unit::Minute => times.unary(|micros| micros / (60 * SECOND) % 60),
        Unit::Hour => times.unary(|micros| micros / HOUR),
        Unit::Epoch => times.unary(|micros| micros),
        _ => return Err(unsupported(name, column.data_type())),
    })
}

fn of_intervals(name: &str, unit: Unit, column: &ArrayRef) -> Result<Int64Array> {
    let column = cast(column, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let values = column.as_primitive::<IntervalMonthDayNanoType>();
    let micros = |value: IntervalMonthDayNano| value.nanoseconds / 1000;
    let months = |value: IntervalMonthDayNano| i64::from(value.months);
    Ok(match unit {
        Unit::Microseconds | Unit::Milliseconds | Unit::Second => {
            values.unary(|value| micros(value) % (60 * SECOND))
        }
        Unit::Minute => values.unary(|value| micros(value) / (60 * SECOND) % 60),
        Unit::Hour => values.unary(|value| micros(value) / HOUR),
        Unit::Day => values.unary(|value| i64::from(value.days)),
        Unit::Month => values.unary(|value| months(value) % 12),
        Unit::Quarter => values.unary(|value| months(value) % 12 / 3 + 1),
        Unit::Year => values.unary(|value| months(value) / 12),
        Unit::Decade => values.unary(|value| months(value) / 120),
        Unit::Century => values.unary(|value| months(value) / 1200),
        Unit::Millennium => values.unary(|value| months(value) / 12_000),
        // A year has 365.25 days here, a month that is left thirty.
        Unit::Epoch => values.unary(|value| {
            let (years, months) = (months(value) / 12, months(value) % 12);
            let quarter_days = years * 1461 + (months * 30 + i64::from(value.days)) * 4;
            quarter_days * (DAY / 4) + micros(value)
        }),
        _ => return Err(unsupported(name, column.data_type())),
    })
}

fn of_moments(name: &str, unit: Unit, column: &ArrayRef, zone_name: &str) -> Result<Int64Array> {
    let data_type = column.data_type();
    let zoned = matches!(data_type, DataType::Timestamp(_, Some(_)));
    if *data_type == DataType::Date32
        && matches!(
            unit,
            Unit::Microseconds | Unit::Milliseconds | Unit::Second | Unit::Minute | Unit::Hour
        )
    {
        return Err(unsupported(name, data_type));
    }
    let moments = match data_type {
        DataType::Date32 => cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
        _ => Arc::clone(column),
    };
    if unit == Unit::Epoch {
        let instants = moments.as_primitive::<TimestampMicrosecondType>();
        return Ok(match data_type {
            DataType::Date32 => instants.unary(|micros| micros / SECOND),
            _ => instants.unary(|micros| micros),
        });
    }
    if matches!(unit, Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute) {
        if !zoned {
            return Err(unsupported(name, data_type));
        }
        let zone = zone(zone_name)?;
        let instants = moments.as_primitive::<TimestampMicrosecondType>();
        return Ok(instants.unary(|micros| {
            let offset = i64::from(zone.offset_seconds(micros));
            match unit {
                Unit::Zone => offset,
                Unit::ZoneHour => offset / 3600,
                _ => offset % 3600 / 60,
            }
        }));
    }
    let local = wall_clocks(&moments, zone_name)?;
    let of = |part: DatePart| -> Result<arrow::array::Int32Array> {
        Ok(date_part(&local, part)?.as_primitive::<Int32Type>().clone())
    };
    let same = |part: DatePart| -> Result<Int64Array> { Ok(of(part)?.unary(i64::from)) };
    // Years before 1 are counted without a year 0.
    let span = |years: i64| {
        move |year: i32| {
            let year = i64::from(year);
            if year > 0 {
                (year + years - 1) / years
            } else {
                -((years - year) / years)
            }
        }
    };
    Ok(match unit {
        Unit::Microseconds | Unit::Milliseconds | Unit::Second => {
            local.unary(|micros| micros.rem_euclid(60 * SECOND))
        }
        Unit::Minute => same(DatePart::Minute)?,
        Unit::Hour => same(DatePart::Hour)?,
        Unit::Day => same(DatePart::Day)?,
        Unit::Week => same(DatePart::Week)?,
        Unit::Month => same(DatePart::Month)?,
        Unit::Quarter => same(DatePart::Quarter)?,
        Unit::Year => of(DatePart::Year)?.unary(|year| i64::from(if year > 0 { year } else { year - 1 })),
        Unit::Decade => of(DatePart::Year)?.unary(|year| i64::from(year).div_euclid(10)),
        Unit::Century => of(DatePart::Year)?.unary(span(100)),
        Unit::Millennium => of(DatePart::Year)?.unary(span(1000)),
        Unit::Dow => same(DatePart::DayOfWeekSunday0)?,
        Unit::IsoDow => of(DatePart::DayOfWeekMonday0)?.unary(|day| i64::from(day) + 1),
        Unit::Doy => same(DatePart::DayOfYear)?,
        Unit::IsoYear => same(DatePart::YearISO)?,
        // The Julian day of 1970-01-01.
        Unit::Julian => local.unary(|micros| micros.div_euclid(DAY) + 2_440_588),
        Unit::Epoch | Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => {
            return Err(unsupported(name, data_type));
        }
    })
}

fn part(call: &Call<'_>) -> Result<ArrayRef> {
    let [names, column] = call.columns.as_slice() else {
        return plan_err!("date_part takes a field and a time");
    };
    let of = |name: &str, column: &ArrayRef| -> Result<Float64Array> {
        let factor = 10_f64.powi(i32::from(digits(name, column.data_type())));
        Ok(parts(name, column, call.zone())?.unary(|part| part as f64 / factor))
    };
    if names.len() == 1 {
        return Ok(Arc::new(match call.text(0, 0) {
            Some(name) => of(name, column)?,
            None => Float64Array::new_null(call.rows),
        }));
    }
    let answers = (0..call.rows)
        .map(|row| match call.text(0, row) {
            Some(name) => {
                let one = of(name, &column.slice(row, 1))?;
                Ok(one.is_valid(0).then(|| one.value(0)))
            }
            None => Ok(None),
        })
        .collect::<Result<Float64Array>>()?;
    Ok(Arc::new(answers))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extract {
    signature: Signature,
}

impl ScalarUDFImpl for Extract {
    fn name(&self) -> &'static str {
        EXTRACT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [_, time] = given else {
            return plan_err!("extract takes a field and a time");
        };
        let taken = match time {
            DataType::Date32 | DataType::Date64 => Taken::Date,
            DataType::Time32(_) | DataType::Time64(_) => Taken::Time,
            DataType::Interval(_) | DataType::Duration(_) => Taken::Interval,
            DataType::Timestamp(_, None) => Taken::Wall,
            DataType::Timestamp(_, Some(_))
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::LargeUtf8
            | DataType::Null => Taken::Instant,
            other => {
                return plan_err!("Function 'extract' failed to match any signature (DataType: {other})");
            }
        };
        Ok(vec![DataType::Utf8, taken.data_type(time)])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(20, 6))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = arguments
            .scalar_arguments
            .first()
            .and_then(|field| field.and_then(|field| field.try_as_str()));
        let scale = match (field, arguments.arg_fields) {
            (Some(Some(name)), [_, time]) => digits(name, time.data_type()),
            _ => 6,
        };
        let data_type = DataType::Decimal128(20, scale);
        Ok(Arc::new(Field::new(EXTRACT, data_type, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(name), time] = arguments.args.as_slice() else {
            return plan_err!("extract takes a field and a time");
        };
        let Some(Some(name)) = name.try_as_str() else {
            return plan_err!("extract takes a field and a time");
        };
        let scalar = matches!(time, ColumnarValue::Scalar(_));
        let column = time.to_array(if scalar { 1 } else { arguments.number_rows })?;
        let zone = arguments
            .config_options
            .execution
            .time_zone
            .as_deref()
            .unwrap_or("UTC");
        let parts = parts(name, &column, zone)?;
        let scale = digits(name, column.data_type());
        let numbers: Decimal128Array = parts.unary(i128::from);
        let numbers: ArrayRef = Arc::new(numbers.with_precision_and_scale(20, scale)?);
        if scalar {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&numbers, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(numbers))
    }
}

/// The beginning of the unit that a wall clock is in.
fn beginning(unit: Unit, micros: i64) -> Option<i64> {
    let floor = |span: i64| Some(micros - micros.rem_euclid(span));
    let days = micros.div_euclid(DAY);
    let date = || NaiveDate::from_num_days_from_ce_opt(i32::try_from(days + 719_163).ok()?);
    let start = |year: i32, month: u32| {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        i64::from(first.num_days_from_ce() - 719_163).checked_mul(DAY)
    };
    match unit {
        Unit::Microseconds => Some(micros),
        Unit::Milliseconds => floor(1000),
        Unit::Second => floor(SECOND),
        Unit::Minute => floor(60 * SECOND),
        Unit::Hour => floor(HOUR),
        Unit::Day => floor(DAY),
        // 1970-01-01 was a Thursday.
        Unit::Week => Some((days - (days + 3).rem_euclid(7)) * DAY),
        Unit::Month => date().and_then(|date| start(date.year(), date.month())),
        Unit::Quarter => date().and_then(|date| start(date.year(), date.month0() / 3 * 3 + 1)),
        Unit::Year => date().and_then(|date| start(date.year(), 1)),
        Unit::Decade => date().and_then(|date| start(date.year().div_euclid(10) * 10, 1)),
        Unit::Century => date().and_then(|date| start((date.year() - 1).div_euclid(100) * 100 + 1, 1)),
        Unit::Millennium => date().and_then(|date| start((date.year() - 1).div_euclid(1000) * 1000 + 1, 1)),
        _ => None,
    }
}

fn trunc(call: &Call<'_>) -> Result<ArrayRef> {
    let [names, column, ..] = call.columns.as_slice() else {
        return plan_err!("date_trunc takes a field and a time");
    };
    let session = zone(call.zone())?;
    let zoned = matches!(column.data_type(), DataType::Timestamp(_, Some(_)));
    let moments = column.as_primitive::<TimestampMicrosecondType>();
    let known = |name: &str| {
        let known = unit(name).ok_or_else(|| unknown(name, column.data_type()))?;
        match beginning(known, 0) {
            Some(_) => Ok(known),
            None => Err(unsupported(name, column.data_type())),
        }
    };
    let beyond = || raised(ErrorClass::DatetimeOverflow, "timestamp out of range");
    let of = |unit: Unit, zone: &Zone, micros: i64| -> Result<i64> {
        if !zoned || is_utc(zone) {
            return beginning(unit, micros).ok_or_else(beyond);
        }
        let offset = i64::from(zone.offset_seconds(micros)) * SECOND;
        let local = beginning(unit, micros + offset).ok_or_else(beyond)?;
        // Hours and less keep the offset that they are in; the beginning of a day has its own.
        if matches!(
            unit,
            Unit::Microseconds | Unit::Milliseconds | Unit::Second | Unit::Minute | Unit::Hour
        ) {
            return Ok(local - offset);
        }
        super::timezone::instant_of(local, zone).ok_or_else(beyond)
    };
    let single = names.len() == 1 && call.columns.get(2).is_none_or(|zones| zones.len() == 1);
    let answers: TimestampMicrosecondArray = if single {
        let zone = match call.columns.get(2) {
            None => Some(session),
            Some(_) => call.text(2, 0).map(super::timezone::named).transpose()?,
        };
        match (call.text(0, 0), zone) {
            (Some(name), Some(zone)) => {
                let unit = known(name)?;
                moments.try_unary(|micros| of(unit, &zone, micros))?
            }
            _ => TimestampMicrosecondArray::new_null(call.rows),
        }
    } else {
        (0..call.rows)
            .map(|row| {
                let zone = match call.columns.get(2) {
                    None => Some(session),
                    Some(_) => call.text(2, row).map(super::timezone::named).transpose()?,
                };
                match (call.text(0, row), zone) {
                    (Some(name), Some(zone)) if moments.is_valid(row) => {
                        of(known(name)?, &zone, moments.value(row)).map(Some)
                    }
                    _ => Ok(None),
                }
            })
            .collect::<Result<_>>()?
    };
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    Ok(Arc::new(answers.with_timezone_opt(zone)))
}

fn trunc_interval(call: &Call<'_>) -> Result<ArrayRef> {
    let [_, column] = call.columns.as_slice() else {
        return plan_err!("date_trunc takes a field and a time");
    };
    let values = column.as_primitive::<IntervalMonthDayNanoType>();
    let of = |name: &str, value: IntervalMonthDayNano| -> Result<IntervalMonthDayNano> {
        let unit = unit(name).ok_or_else(|| unknown(name, column.data_type()))?;
        let months = |span: i32| IntervalMonthDayNano::new(value.months / span * span, 0, 0);
        let nanos = |span: i64| {
            let span = span * 1000;
            IntervalMonthDayNano::new(value.months, value.days, value.nanoseconds / span * span)
        };
        Ok(match unit {
            Unit::Millennium => months(12_000),
            Unit::Century => months(1200),
            Unit::Decade => months(120),
            Unit::Year => months(12),
            Unit::Quarter => months(3),
            Unit::Month => months(1),
            Unit::Day => IntervalMonthDayNano::new(value.months, value.days, 0),
            Unit::Hour => nanos(HOUR),
            Unit::Minute => nanos(60 * SECOND),
            Unit::Second => nanos(SECOND),
            Unit::Milliseconds => nanos(1000),
            Unit::Microseconds => value,
            _ => return Err(unsupported(name, column.data_type())),
        })
    };
    let answers = (0..call.rows)
        .map(|row| match call.text(0, row) {
            Some(name) if values.is_valid(row) => of(name, values.value(row)).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<IntervalMonthDayNanoArray>>()?;
    Ok(Arc::new(answers))
}
