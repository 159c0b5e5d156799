//! What decides how values look in text.

use chrono::{FixedOffset, TimeZone, Utc};
use chrono_tz::Tz;

/// A zone by name or by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A name of the time-zone database.
    Named(Tz),
    /// A fixed offset.
    Fixed(FixedOffset),
}

impl Zone {
    /// Seconds east of UTC at a moment in microseconds since 1970.
    pub fn offset_seconds(&self, micros: i64) -> i32 {
        use chrono::Offset;
        match self {
            Self::Fixed(offset) => offset.local_minus_utc(),
            Self::Named(zone) => Utc.timestamp_micros(micros).single().map_or(0, |moment| {
                zone.offset_from_utc_datetime(&moment.naive_utc())
                    .fix()
                    .local_minus_utc()
            }),
        }
    }

    /// The spelling that the engine takes.
    pub fn engine_name(&self) -> String {
        match self {
            Self::Named(zone) => zone.name().to_owned(),
            Self::Fixed(offset) => offset.to_string(),
        }
    }

    /// The offset that an abbreviation stands for, whatever a zone of that name does with its clocks.
    pub fn of_abbreviation(text: &str) -> Option<Self> {
        let hours = match text.to_ascii_uppercase().as_str() {
            "GMT" | "UTC" | "WET" | "Z" | "ZULU" => 0,
            "BST" | "CET" | "WEST" | "MET" => 1,
            "CEST" | "EET" | "MEST" => 2,
            "EEST" | "MSK" => 3,
            "JST" | "KST" => 9,
            "AEST" => 10,
            "AEDT" => 11,
            "ADT" => -3,
            "AST" | "EDT" => -4,
            "EST" | "CDT" => -5,
            "CST" | "MDT" => -6,
            "MST" | "PDT" => -7,
            "PST" | "AKDT" => -8,
            "AKST" => -9,
            "HST" => -10,
            _ => return None,
        };
        FixedOffset::east_opt(hours * 3600).map(Self::Fixed)
    }

    /// A zone from its name in any case (`europe/berlin`), or hours or `±HH:MM` east of Greenwich.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(zone) = chrono_tz::TZ_VARIANTS
            .iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(text))
        {
            return Some(Self::Named(*zone));
        }
        if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
            return Some(Self::Named(Tz::UTC));
        }
        let (sign, digits) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => (1, text),
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let seconds = hours
            .parse::<i32>()
            .ok()?
            .checked_mul(3600)?
            .checked_add(minutes.parse::<i32>().ok()?.checked_mul(60)?)?;
        FixedOffset::east_opt(sign * seconds).map(Self::Fixed)
    }
}

/// The order of day, month and year, and the form of dates in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateStyle {
    /// The form.
    pub form: DateForm,
    /// Whether the day stands before the month.
    pub day_first: bool,
}

/// The form of dates in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DateForm {
    /// `1997-12-17`.
    Iso,
    /// `12/17/1997`.
    Sql,
    /// `Wed Dec 17 1997`.
    Postgres,
    /// `17.12.1997`.
    German,
}

/// The form of intervals in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`.
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`.
    PostgresVerbose,
    /// `1-2 3 4:05:06`.
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`.
    Iso8601,
}

/// Everything that decides how a value looks in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputStyle {
    /// Zone of `timestamp with time zone`.
    pub time_zone: Zone,
    /// Form of dates.
    pub date_style: DateStyle,
    /// Form of intervals.
    pub interval_style: IntervalStyle,
    /// Whether bytea is in hexadecimal digits.
    pub hex_bytea: bool,
    /// Digits of floats.
    pub extra_float_digits: i32,
}
