//! Values of sources as values of canonical types. What cannot be converted becomes NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use chrono::{Datelike, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use perennial_base::ErrorClass;
use perennial_engine::schema::timestamp;
use perennial_engine::type_name;

use crate::error::Result;

const SAFE: CastOptions<'static> = CastOptions {
    safe: true,
    format_options: arrow::util::display::FormatOptions::new(),
};

/// Days from 0001-01-01 to 1970-01-01.
const EPOCH_DAYS: i32 = 719_163;

/// A column in the type wanted.
pub(crate) fn convert(array: &ArrayRef, target: &DataType, zone: Tz) -> Result<ArrayRef> {
    match target {
        DataType::Timestamp(..) => Ok(Arc::new(instants(array, zone)?)),
        DataType::Date32 => dates(array, zone),
        _ => Ok(cast_with_options(array, target, &SAFE)?),
    }
}

/// The rows, in their order, of which a number became NULL as the decimal type has no room for it.
pub(crate) fn too_large(given: &ArrayRef, taken: &ArrayRef) -> Result<Vec<usize>> {
    let DataType::Decimal128(precision, scale) = taken.data_type() else {
        return Ok(Vec::new());
    };
    if taken.null_count() == 0 || !can_cast_types(given.data_type(), &DataType::Float64) {
        return Ok(Vec::new());
    }
    let numbers = cast_with_options(given, &DataType::Float64, &SAFE)?;
    let numbers = numbers.as_primitive::<Float64Type>();
    let bound = 10_f64.powi(i32::from(*precision) - i32::from(*scale));
    let beyond =
        |row: &usize| taken.is_null(*row) && numbers.is_valid(*row) && numbers.value(*row).abs() >= bound;
    Ok((0..taken.len()).filter(beyond).collect())
}

/// Traits keep simple types; everything else is text.
pub(crate) fn trait_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Boolean => DataType::Boolean,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(..) => timestamp(),
        data_type if data_type.is_integer() => DataType::Int64,
        data_type if data_type.is_floating() => DataType::Float64,
        DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        _ => DataType::Utf8,
    }
}

/// Whether values of a type may be instants.
///
/// # Errors
/// What is wrong with it otherwise, and for numbers what to do about it.
pub(crate) fn may_be_moments(data_type: &DataType) -> Result<(), perennial_engine::Error> {
    let moments = matches!(
        data_type,
        DataType::Null
            | DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Dictionary(..)
    );
    if moments {
        return Ok(());
    }
    let message = format!("a value of type {} is no time", type_name(data_type));
    let error = perennial_engine::Error::new(ErrorClass::TypeMismatch, message);
    // Which unit a number has is for the mapping to say.
    Err(match data_type.is_numeric() {
        true => error.with_hint(
            "Say what it counts: to_timestamp(…) takes seconds since 1970, to_timestamp_millis(…) milliseconds.",
        ),
        false => error,
    })
}

/// Instants in UTC microseconds. Values without a zone are wall-clock times in `zone`, dates are midnight there; a
/// wall-clock time that the zone skips is read with the offset before the gap, one that it has twice is the first.
pub(crate) fn instants(array: &ArrayRef, zone: Tz) -> Result<TimestampMicrosecondArray> {
    let naive = match array.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let utc = cast_with_options(
                array,
                &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                &SAFE,
            )?;
            return Ok(timestamps(&utc).with_timezone("UTC"));
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            return text_instants(array, zone);
        }
        DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => {
            cast_with_options(array, &DataType::Timestamp(TimeUnit::Microsecond, None), &SAFE)?
        }
        _ => return Ok(TimestampMicrosecondArray::new_null(array.len()).with_timezone("UTC")),
    };
    let naive = timestamps(&naive);
    if zone == Tz::UTC {
        return Ok(naive.with_timezone("UTC"));
    }
    let shifted: TimestampMicrosecondArray = naive
        .iter()
        .map(|value| value.and_then(|micros| from_wall_clock(micros, zone)))
        .collect();
    Ok(shifted.with_timezone("UTC"))
}

/// The instant at which clocks in `zone` show `micros` after 1970-01-01 00:00.
pub(crate) fn from_wall_clock(micros: i64, zone: Tz) -> Option<i64> {
    let wall = chrono::DateTime::from_timestamp_micros(micros)?.naive_utc();
    let instant = match zone.from_local_datetime(&wall) {
        chrono::LocalResult::Single(instant) => instant.with_timezone(&Utc),
        chrono::LocalResult::Ambiguous(first, _) => first.with_timezone(&Utc),
        chrono::LocalResult::None => {
            let before = zone
                .offset_from_utc_datetime(&(wall - chrono::TimeDelta::days(1)))
                .fix();
            Utc.from_utc_datetime(&(wall - before))
        }
    };
    Some(instant.timestamp_micros())
}

/// Text that names its offset is an instant; other text is what a clock on the wall shows.
fn text_instants(array: &ArrayRef, zone: Tz) -> Result<TimestampMicrosecondArray> {
    let text = cast_with_options(array, &DataType::Utf8, &SAFE)?;
    let read_at = |offset: &str| -> Result<TimestampMicrosecondArray> {
        let target = DataType::Timestamp(TimeUnit::Microsecond, Some(offset.into()));
        Ok(timestamps(&cast_with_options(&text, &target, &SAFE)?))
    };
    let here = read_at("+00:00")?;
    if zone == Tz::UTC {
        return Ok(here.with_timezone("UTC"));
    }
    // Where the reader's offset makes no difference, the text has one of its own.
    let elsewhere = read_at("+01:00")?;
    let instants: TimestampMicrosecondArray = here
        .iter()
        .zip(&elsewhere)
        .map(|(here, elsewhere)| match here {
            Some(micros) if Some(micros) != elsewhere => from_wall_clock(micros, zone),
            instant => instant,
        })
        .collect();
    Ok(instants.with_timezone("UTC"))
}

fn timestamps(array: &ArrayRef) -> TimestampMicrosecondArray {
    array
        .as_any()
        .downcast_ref::<TimestampMicrosecondArray>()
        .cloned()
        .unwrap_or_else(|| TimestampMicrosecondArray::new_null(array.len()))
}

/// Calendar days; instants are the day that they lie on in `zone`.
fn dates(array: &ArrayRef, zone: Tz) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let instants = instants(array, zone)?;
            let days: Date32Array = instants
                .iter()
                .map(|value| value.and_then(|micros| day_of(micros, zone)))
                .collect();
            Ok(Arc::new(days))
        }
        _ => Ok(cast_with_options(array, &DataType::Date32, &SAFE)?),
    }
}

/// The calendar day in `zone`, as days since 1970-01-01.
pub(crate) fn day_of(micros: i64, zone: Tz) -> Option<i32> {
    let utc = chrono::DateTime::from_timestamp_micros(micros)?;
    let day: NaiveDate = utc.with_timezone(&zone).date_naive();
    Some(day.num_days_from_ce() - EPOCH_DAYS)
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[track_caller]
    fn check(texts: &[&str], zone: Tz, expected: &[Option<&str>]) {
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let instants = instants(&array, zone).unwrap();
        let shown: Vec<Option<String>> = instants
            .iter()
            .map(|value| {
                value.map(|micros| {
                    chrono::DateTime::from_timestamp_micros(micros)
                        .unwrap()
                        .to_rfc3339()
                })
            })
            .collect();
        let expected: Vec<Option<String>> = expected.iter().map(|text| text.map(str::to_owned)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn times_without_a_zone_are_read_in_the_source_s() {
        check(
            &[
                "2026-01-15 12:00:00",
                "2026-07-15",
                "2026-07-15T12:00:00Z",
                "2026-07-15 12:00:00+05:30",
                "soon",
            ],
            Tz::Europe__Berlin,
            &[
                Some("2026-01-15T11:00:00+00:00"),
                Some("2026-07-14T22:00:00+00:00"),
                Some("2026-07-15T12:00:00+00:00"),
                Some("2026-07-15T06:30:00+00:00"),
                None,
            ],
        );
    }

    #[test]
    fn text_at_the_change_of_clocks_is_a_time_too() {
        check(
            &[
                "2026-03-29 02:30:00",
                "2026-10-25 02:30:00",
                "2026-10-25 02:30:00+01:00",
            ],
            Tz::Europe__Berlin,
            &[
                Some("2026-03-29T01:30:00+00:00"),
                Some("2026-10-25T00:30:00+00:00"),
                Some("2026-10-25T01:30:00+00:00"),
            ],
        );
    }

    #[test]
    fn wall_clock_times_at_the_change_of_clocks() {
        let wall = |text: &str| {
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
                .unwrap()
                .and_utc()
                .timestamp_micros()
        };
        // Clocks in Berlin go from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25.
        assert_eq!(
            from_wall_clock(wall("2026-03-29 02:30"), Tz::Europe__Berlin),
            Some(wall("2026-03-29 01:30"))
        );
        assert_eq!(
            from_wall_clock(wall("2026-10-25 02:30"), Tz::Europe__Berlin),
            Some(wall("2026-10-25 00:30"))
        );
        assert_eq!(
            day_of(wall("2026-06-30 22:30"), Tz::Europe__Berlin),
            day_of(wall("2026-07-01 12:00"), Tz::UTC)
        );
    }
}
