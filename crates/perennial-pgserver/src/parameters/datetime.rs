//! Dates and times in text: the forms that Postgres and its drivers write, with the session's zone and order.

use crate::encode::{DAY_MICROS, days_from_civil};
use crate::error::{Error, Result};
use crate::style::{OutputStyle, Zone, instant_of};

/// A date, in days since 1970; what follows it (a time, a zone: pgjdbc sends one) is read and left aside.
pub(super) fn date(text: &str, style: &OutputStyle) -> Result<i32> {
    match text.to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i32::MAX),
        "-infinity" => return Ok(i32::MIN),
        "epoch" => return Ok(0),
        _ => {}
    }
    let moment = Moment::read(text, style).ok_or_else(|| Error::invalid_datetime("date", text))?;
    i32::try_from(moment.days()?).map_err(|_| Error::DatetimeOverflow { type_name: "date" })
}

/// A time of day in microseconds.
pub(super) fn time(text: &str) -> Result<i64> {
    let mut reader = Reader { text };
    let clock = reader
        .clock()
        .ok_or_else(|| Error::invalid_datetime("time", text))?;
    reader.zone();
    if !reader.text.trim().is_empty() {
        return Err(Error::invalid_datetime("time", text));
    }
    if clock > DAY_MICROS {
        return Err(Error::DatetimeOverflow { type_name: "time" });
    }
    Ok(clock)
}

/// A timestamp in microseconds since 1970. Without `zoned`, a zone in the text is left aside, as in Postgres;
/// with it, a text without one is local time in the session's zone.
pub(super) fn timestamp(text: &str, style: &OutputStyle, zoned: bool) -> Result<i64> {
    let type_name = if zoned {
        "timestamp with time zone"
    } else {
        "timestamp"
    };
    match text.to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i64::MAX),
        "-infinity" => return Ok(i64::MIN),
        "epoch" => return Ok(0),
        _ => {}
    }
    let moment = Moment::read(text, style).ok_or_else(|| Error::invalid_datetime(type_name, text))?;
    let overflow = || Error::DatetimeOverflow { type_name };
    let local = moment.days()?.checked_mul(86_400).ok_or_else(overflow)?;
    let local = local + moment.clock.div_euclid(1_000_000);
    let seconds = match (zoned, moment.zone) {
        (false, _) => local,
        (true, Some(zone)) => instant_of(&zone, local),
        (true, None) => instant_of(&style.time_zone, local),
    };
    let micros = seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(moment.clock % 1_000_000));
    micros.ok_or_else(overflow)
}

/// What a text says.
struct Moment {
    year: i64,
    month: u32,
    day: u32,
    /// Microseconds of the day.
    clock: i64,
    zone: Option<Zone>,
}

impl Moment {
    /// `2024-01-31[{ |T}10:00[:00[.5]]][zone][ BC]`, also `01/31/2024` and `31.01.2024`.
    fn read(text: &str, style: &OutputStyle) -> Option<Self> {
        let mut reader = Reader { text };
        let (year, month, day) = reader.date(style)?;
        let mut moment = Self {
            year,
            month,
            day,
            clock: 0,
            zone: None,
        };
        let separated = reader.text.starts_with(['T', 't', ' ']);
        let rest = reader.text.trim_start_matches(['T', 't']).trim_start();
        if separated && rest.starts_with(|character: char| character.is_ascii_digit()) {
            reader.text = rest;
            moment.clock = reader.clock()?;
        }
        moment.zone = reader.zone();
        let rest = reader.text.trim();
        if rest.eq_ignore_ascii_case("BC") {
            moment.year = 1 - moment.year;
        } else if !rest.is_empty() && !rest.eq_ignore_ascii_case("AD") {
            return None;
        }
        Some(moment)
    }

    fn days(&self) -> Result<i64> {
        // Postgres' dates begin with 4713 BC.
        if !(-4713..=5_874_897).contains(&self.year) {
            return Err(Error::DatetimeOverflow { type_name: "date" });
        }
        Ok(days_from_civil(self.year, self.month, self.day))
    }
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    /// So many digits at the front, as a number.
    fn number(&mut self, most: usize) -> Option<(u32, usize)> {
        let length = self
            .text
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = self.text.split_at_checked(length)?;
        let value = digits.parse().ok()?;
        self.text = rest;
        Some((value, length))
    }

    fn skip(&mut self, character: char) -> bool {
        match self.text.strip_prefix(character) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn date(&mut self, style: &OutputStyle) -> Option<(i64, u32, u32)> {
        let (first, length) = self.number(8)?;
        let (year, month, day) = if self.text.starts_with(['-', '/', '.']) {
            let separator = self.text.chars().next()?;
            self.skip(separator);
            let (second, _) = self.number(2)?;
            if !self.skip(separator) {
                return None;
            }
            let (third, _) = self.number(7)?;
            match (length, separator, style.date_style.day_first) {
                (3.., ..) => (first, second, third),
                (_, '.', _) | (_, _, true) => (third, second, first),
                _ => (third, first, second),
            }
        } else if length == 8 {
            (first / 10_000, first / 100 % 100, first % 100)
        } else {
            return None;
        };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let longest = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap || self.text.trim_end().to_ascii_lowercase().ends_with("bc") => 29,
            2 => 28,
            _ => 31,
        };
        let valid = year > 0 && (1..=12).contains(&month) && (1..=longest).contains(&day);
        valid.then_some((i64::from(year), month, day))
    }

    /// `10:00`, `10:00:00`, `10:00:00.123456` in microseconds; finer digits round, 24:00:00 is the end of the
    /// day.
    fn clock(&mut self) -> Option<i64> {
        let (hours, _) = self.number(2)?;
        if !self.skip(':') {
            return None;
        }
        let (minutes, _) = self.number(2)?;
        let mut seconds = 0;
        let mut micros = 0;
        if self.skip(':') {
            seconds = self.number(2)?.0;
            if self.skip('.') {
                let length = self.text.bytes().take_while(u8::is_ascii_digit).count();
                let (digits, rest) = self.text.split_at_checked(length)?;
                self.text = rest;
                micros = fraction(digits);
            }
        }
        let valid = minutes < 60 && seconds <= 60 && hours <= 24;
        let clock =
            (i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)) * 1_000_000 + micros;
        (valid && clock <= DAY_MICROS).then_some(clock)
    }

    /// `Z`, `+02`, `+02:00`, `-0930`, `UTC`, `Europe/Berlin`; what is none of these is left.
    fn zone(&mut self) -> Option<Zone> {
        let text = self.text.trim_start();
        let length = text.find(' ').unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(length)?;
        let zone = match word.strip_prefix(['+', '-']) {
            Some(digits) => Self::offset(digits, word.starts_with('-'))?,
            None if word.is_empty() || word.eq_ignore_ascii_case("BC") || word.eq_ignore_ascii_case("AD") => {
                return None;
            }
            None if word.starts_with(|character: char| character.is_ascii_digit()) => return None,
            None => Zone::parse(word)?,
        };
        self.text = rest;
        Some(zone)
    }

    fn offset(digits: &str, west: bool) -> Option<Zone> {
        let plain: String = digits.chars().filter(|character| *character != ':').collect();
        if plain.is_empty() || plain.len() > 6 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part =
            |range: std::ops::Range<usize>| plain.get(range).map_or(Some(0), |part| part.parse::<i32>().ok());
        let hours = plain.get(..plain.len().min(2))?.parse::<i32>().ok()?;
        let (minutes, seconds) = (part(2..4)?, part(4..6)?);
        if hours > 15 || minutes > 59 || seconds > 59 {
            return None;
        }
        let seconds = hours * 3600 + minutes * 60 + seconds;
        chrono::FixedOffset::east_opt(if west { -seconds } else { seconds }).map(Zone::Fixed)
    }
}

/// Digits behind the point as microseconds, rounded half up.
pub(super) fn fraction(digits: &str) -> i64 {
    let digit = |place: usize| {
        digits
            .as_bytes()
            .get(place)
            .map_or(0, |digit| i64::from(digit - b'0'))
    };
    let micros = (0..6).fold(0, |micros, place| micros * 10 + digit(place));
    micros + i64::from(digit(6) >= 5)
}
