//! Intervals in text: Postgres' own forms, SQL's and ISO 8601's.

use arrow::array::types::IntervalMonthDayNano;

use super::datetime::fraction;
use crate::error::{Error, Result};

/// Sums while an interval is read; 128 bits, so that only the end can overflow.
#[derive(Debug, Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

const MICROS: i128 = 1_000_000;
const DAY: i128 = 86_400 * MICROS;

/// Reads an interval.
///
/// # Errors
/// 22007 for a text that is none, 22008 for one that is out of range.
pub(super) fn interval(text: &str) -> Result<IntervalMonthDayNano> {
    let sum = match text.strip_prefix('P') {
        Some(iso) => read_iso(iso),
        None => read(text),
    };
    let sum = sum.ok_or_else(|| Error::invalid_datetime("interval", text))?;
    let overflow = |_| Error::DatetimeOverflow {
        type_name: "interval",
    };
    Ok(IntervalMonthDayNano {
        months: i32::try_from(sum.months).map_err(overflow)?,
        days: i32::try_from(sum.days).map_err(overflow)?,
        nanoseconds: i64::try_from(sum.micros * 1000).map_err(overflow)?,
    })
}

impl Sum {
    /// Adds `value` units, a value being in millionths. A fraction of a month counts in days of a 30-day
    /// month, a fraction of a day in time, as in Postgres.
    fn add(&mut self, value: i128, unit: &str) -> Option<()> {
        let (months, days, micros) = match unit {
            "year" | "years" | "yr" | "yrs" | "y" => (12, 0, 0),
            "month" | "months" | "mon" | "mons" => (1, 0, 0),
            "decade" | "decades" | "dec" | "decs" => (120, 0, 0),
            "century" | "centuries" | "cent" | "c" => (1200, 0, 0),
            "millennium" | "millennia" | "mil" | "mils" => (12_000, 0, 0),
            "week" | "weeks" | "w" => (0, 7, 0),
            "day" | "days" | "d" => (0, 1, 0),
            "hour" | "hours" | "hr" | "hrs" | "h" => (0, 0, 3600 * MICROS),
            "minute" | "minutes" | "min" | "mins" | "m" => (0, 0, 60 * MICROS),
            "second" | "seconds" | "sec" | "secs" | "s" => (0, 0, MICROS),
            "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => (0, 0, 1000),
            "microsecond" | "microseconds" | "usec" | "usecs" | "us" => (0, 0, 1),
            _ => return None,
        };
        let months = value * months;
        self.months += months / MICROS;
        // A year's fraction is whole months; a month's goes on as days.
        let days = value * days
            + if unit.starts_with('y') {
                0
            } else {
                months % MICROS * 30
            };
        self.days += days / MICROS;
        self.micros += days % MICROS * DAY / MICROS + value * micros / MICROS;
        Some(())
    }

    fn negate(&mut self) {
        *self = Self {
            months: -self.months,
            days: -self.days,
            micros: -self.micros,
        };
    }
}

/// `1 year 2 mons -3 days +04:05:06.7`, `@ 1 hour ago`, `1-2 3 4:05:06`, `04:05`, `15` (seconds).
fn read(text: &str) -> Option<Sum> {
    let lower = text.to_ascii_lowercase();
    let words = split_words(lower.strip_prefix('@').unwrap_or(&lower));
    let mut words = words.iter().map(String::as_str).peekable();
    let mut sum = Sum::default();
    let mut any = false;
    // In SQL's form one sign at the front holds for all fields.
    let sql_sign =
        lower.starts_with('-') && !lower.contains(|character: char| character.is_ascii_alphabetic());
    while let Some(word) = words.next() {
        if word == "ago" {
            sum.negate();
            return (any && words.next().is_none()).then_some(sum);
        }
        any = true;
        let explicit = word.starts_with(['+', '-']);
        let negative = word.starts_with('-') || (sql_sign && !explicit);
        let sign = if negative { -1 } else { 1 };
        let digits = word.trim_start_matches(['+', '-']);
        if let Some((years, months)) = digits.split_once('-') {
            let months = years.parse::<i128>().ok()? * 12
                + months.parse::<i128>().ok().filter(|months| *months < 12)?;
            sum.months += sign * months;
        } else if digits.contains(':') {
            sum.micros += sign * clock(digits)?;
        } else {
            let value = sign * millionths(digits)?;
            let unit = words.next_if(|next| {
                next.starts_with(|character: char| character.is_ascii_alphabetic()) && *next != "ago"
            });
            // A bare number before a time is days, at the end seconds.
            let unit = unit.unwrap_or(if words.peek().is_some_and(|next| next.contains(':')) {
                "day"
            } else {
                "second"
            });
            sum.add(value, unit)?;
        }
    }
    any.then_some(sum)
}

/// Words are cut at blanks and between a number and its unit: `1day2hours`.
fn split_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split_ascii_whitespace() {
        let mut letters = None;
        for character in part.chars() {
            let letter = character.is_ascii_alphabetic();
            match words.last_mut() {
                // A sign may stand apart from its number.
                Some(word)
                    if letters == Some(letter)
                        || (letters.is_none() && matches!(word.as_str(), "+" | "-")) =>
                {
                    word.push(character);
                }
                _ => words.push(character.to_string()),
            }
            letters = Some(letter);
        }
    }
    words
}

/// `4:05`, `4:05:06.7` in microseconds.
fn clock(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let hours = hours.parse::<u32>().ok()?;
    let minutes = minutes.parse::<u32>().ok().filter(|minutes| *minutes < 60)?;
    let seconds = millionths(seconds).filter(|seconds| *seconds < 60 * MICROS)?;
    parts
        .next()
        .is_none()
        .then_some((i128::from(hours) * 3600 + i128::from(minutes) * 60) * MICROS + seconds)
}

/// An unsigned decimal in millionths.
fn millionths(text: &str) -> Option<i128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() > 18
        || (whole.is_empty() && decimals.is_empty())
        || !decimals.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        i128::from(whole.parse::<u64>().ok()?)
    };
    Some(whole * MICROS + i128::from(fraction(decimals)))
}

/// What follows the P of `P1Y2M3DT4H5M6.7S` and `P2W`.
fn read_iso(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut rest = text;
    let mut time = false;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            if time {
                return None;
            }
            time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|character: char| character.is_ascii_alphabetic())?;
        let (number, after) = rest.split_at_checked(end)?;
        let (unit, after) = after.split_at_checked(1)?;
        let (sign, digits) = number
            .strip_prefix('-')
            .map_or((1, number.trim_start_matches('+')), |digits| (-1, digits));
        let unit = match (unit, time) {
            ("Y", false) => "year",
            ("M", false) => "month",
            ("W", false) => "week",
            ("D", false) => "day",
            ("H", true) => "hour",
            ("M", true) => "minute",
            ("S", true) => "second",
            _ => return None,
        };
        sum.add(sign * millionths(digits)?, unit)?;
        rest = after;
        any = true;
    }
    any.then_some(sum)
}
