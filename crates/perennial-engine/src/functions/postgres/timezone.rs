//! `timezone(zone, time)`, which is `time AT TIME ZONE zone`: the wall clock of an instant in a zone, and the instant of a
//! wall clock.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use perennial_base::ErrorClass;

use super::raised;
use crate::session::settings::Zone as Settled;

/// Its name.
pub(crate) const NAME: &str = "timezone";

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(TimeZoneOf {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeZoneOf {
    signature: Signature,
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn wall_clock() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

impl ScalarUDFImpl for TimeZoneOf {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let time = match arguments {
            [
                _,
                DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Date64,
            ] => instant(),
            [_, DataType::Timestamp(_, None)] => wall_clock(),
            // A text of unknown type is an instant.
            [
                _,
                DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null,
            ] => instant(),
            _ => return plan_err!("function {NAME} takes a zone and a timestamp"),
        };
        Ok(vec![DataType::Utf8, time])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [_, DataType::Timestamp(_, Some(_))] => Ok(wall_clock()),
            [_, DataType::Timestamp(_, None)] => Ok(instant()),
            _ => plan_err!("function {NAME} takes a zone and a timestamp"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [zone, time] = arguments.args.as_slice() else {
            return plan_err!("function {NAME} takes a zone and a timestamp");
        };
        let scalar = matches!((zone, time), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let fixed = match zone {
            ColumnarValue::Scalar(zone) => Some(zone.to_array()?),
            ColumnarValue::Array(_) => None,
        };
        let zones = match &fixed {
            Some(one) => cast(one, &DataType::Utf8)?,
            None => cast(&zone.to_array(rows)?, &DataType::Utf8)?,
        };
        let zones = zones.as_string::<i32>();
        let times = time.to_array(if scalar { 1 } else { rows })?;
        let zoned = matches!(times.data_type(), DataType::Timestamp(_, Some(_)));
        let times = cast(&times, if zoned { &INSTANT } else { &WALL_CLOCK })?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let known = match &fixed {
            Some(_) if zones.is_null(0) => None,
            Some(_) => Some(parse(zones.value(0))?),
            None => None,
        };
        let value = |row: usize| -> Result<Option<i64>> {
            if times.is_null(row) {
                return Ok(None);
            }
            let zone = match (&fixed, known) {
                (Some(_), None) => return Ok(None),
                (Some(_), Some(zone)) => zone,
                (None, _) if zones.is_null(row) => return Ok(None),
                (None, _) => parse(zones.value(row))?,
            };
            shifted(times.value(row), zone, zoned).map(Some)
        };
        let shifted = (0..times.len())
            .map(value)
            .collect::<Result<TimestampMicrosecondArray>>()?;
        let shifted: ArrayRef = if zoned {
            Arc::new(shifted)
        } else {
            Arc::new(shifted.with_timezone("UTC"))
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&shifted, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(shifted))
    }
}

static INSTANT: std::sync::LazyLock<DataType> = std::sync::LazyLock::new(instant);
static WALL_CLOCK: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// A zone by its name, or by its offset; the sign of an offset is Postgres' here, which counts west of Greenwich.
#[derive(Debug, Clone, Copy)]
enum Zone {
    Named(Tz),
    Fixed(TimeDelta),
}

fn parse(text: &str) -> Result<Zone> {
    let unknown = || {
        raised(
            ErrorClass::InvalidArgument,
            format!("time zone \"{text}\" not recognized"),
        )
    };
    let trimmed = text.trim();
    if let Some(Settled::Fixed(offset)) = Settled::of_abbreviation(trimmed) {
        return Ok(Zone::Fixed(TimeDelta::seconds(i64::from(
            offset.local_minus_utc(),
        ))));
    }
    if let Ok(zone) = trimmed.parse::<Tz>() {
        return Ok(Zone::Named(zone));
    }
    if let Some(zone) = chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(trimmed))
    {
        return Ok(Zone::Named(*zone));
    }
    if trimmed.eq_ignore_ascii_case("z") {
        return Ok(Zone::Fixed(TimeDelta::zero()));
    }
    let (west, digits) = match trimmed.split_at_checked(1) {
        Some(("+", rest)) => (true, rest),
        Some(("-", rest)) => (false, rest),
        _ => return Err(unknown()),
    };
    let mut parts = digits
        .split(':')
        .map(|part| part.parse::<i64>().ok().filter(|part| part.cmp(&60).is_lt()));
    let hours = parts
        .next()
        .flatten()
        .filter(|hours| *hours <= 15)
        .ok_or_else(unknown)?;
    let minutes = parts.next().map_or(Ok(0), |part| part.ok_or_else(unknown))?;
    if parts.next().is_some() {
        return Err(unknown());
    }
    let offset = TimeDelta::minutes(hours * 60 + minutes);
    Ok(Zone::Fixed(if west { -offset } else { offset }))
}

/// A zone as a function is given it, in the form of the settings.
pub(super) fn named(text: &str) -> Result<Settled> {
    Ok(match parse(text)? {
        Zone::Named(zone) => Settled::Named(zone),
        Zone::Fixed(offset) => {
            let seconds = i32::try_from(offset.num_seconds()).unwrap_or(0);
            let offset = chrono::FixedOffset::east_opt(seconds).ok_or_else(|| {
                raised(
                    ErrorClass::InvalidArgument,
                    format!("time zone \"{text}\" not recognized"),
                )
            })?;
            Settled::Fixed(offset)
        }
    })
}

/// The instant of a wall clock in a zone, both in microseconds.
pub(super) fn instant_of(local: i64, zone: &Settled) -> Option<i64> {
    let time = DateTime::from_timestamp_micros(local)?.naive_utc();
    let instant = match zone {
        Settled::Named(zone) => utc(time, *zone)?,
        Settled::Fixed(offset) => time.checked_sub_offset(*offset)?,
    };
    Some(instant.and_utc().timestamp_micros())
}

fn shifted(micros: i64, zone: Zone, zoned: bool) -> Result<i64> {
    let beyond = || -> DataFusionError { raised(ErrorClass::InvalidDatetime, "timestamp out of range") };
    let time = DateTime::from_timestamp_micros(micros)
        .ok_or_else(beyond)?
        .naive_utc();
    let shifted = match (zone, zoned) {
        (Zone::Named(zone), true) => time.checked_add_offset(zone.offset_from_utc_datetime(&time).fix()),
        (Zone::Fixed(offset), true) => time.checked_add_signed(offset),
        (Zone::Named(zone), false) => utc(time, zone),
        (Zone::Fixed(offset), false) => time.checked_sub_signed(offset),
    };
    Ok(shifted.ok_or_else(beyond)?.and_utc().timestamp_micros())
}

/// The instant of a wall clock. A time that there is twice is the later one, standard time; one that a change of clocks
/// skips is read with the offset before the change: as in Postgres.
fn utc(time: NaiveDateTime, zone: Tz) -> Option<NaiveDateTime> {
    let offset = match zone.offset_from_local_datetime(&time) {
        LocalResult::Single(offset) => offset,
        LocalResult::Ambiguous(_, later) => later,
        LocalResult::None => zone.offset_from_utc_datetime(&time.checked_sub_signed(TimeDelta::days(1))?),
    };
    time.checked_sub_offset(offset.fix())
}
