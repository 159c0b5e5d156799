//! Dates and times in text: the forms that Postgres and its drivers write, with the session's zone and order.

use crate::encode::{DAY_MICROS, days_from_civil};
use crate::error::{Error, Result};
use crate::style::{OutputStyle, Zone, instant_of};

/// Why a text is no date or time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// It has not the form of one.
    Form,
    /// A field has a value that there is none of.
    Range,
    /// A zone that nobody knows.
    Zone(String),
}

type Read<T> = std::result::Result<T, Fault>;

impl Fault {
    fn error(self, type_name: &str, text: &str) -> Error {
        match self {
            Self::Form => Error::invalid_datetime(type_name, text),
            Self::Range => Error::field_overflow(text),
            Self::Zone(name) => Error::UndefinedZone {
                name: name.to_ascii_lowercase(),
            },
        }
    }
}

/// A date, in days since 1970; what follows it (a time, a zone: pgjdbc sends one) is read and left aside.
pub(super) fn date(text: &str, style: &OutputStyle) -> Result<i32> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i32::MAX),
        "-infinity" => return Ok(i32::MIN),
        "epoch" => return Ok(0),
        _ => {}
    }
    let moment = Moment::read(text, style).map_err(|fault| fault.error("date", text))?;
    i32::try_from(moment.days()?).map_err(|_| Error::DatetimeOverflow { type_name: "date" })
}

/// A time of day in microseconds.
pub(super) fn time(text: &str) -> Result<i64> {
    if text.trim().eq_ignore_ascii_case("allballs") {
        return Ok(0);
    }
    let mut reader = Reader { text: text.trim() };
    let clock = reader.clock().map_err(|fault| fault.error("time", text))?;
    reader.zone();
    if !reader.text.trim().is_empty() {
        return Err(Error::invalid_datetime("time", text));
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
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i64::MAX),
        "-infinity" => return Ok(i64::MIN),
        "epoch" => return Ok(0),
        _ => {}
    }
    let moment = Moment::read(text, style).map_err(|fault| fault.error(type_name, text))?;
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
    /// `2024-01-31[{ |T}10:00[:00[.5]][ PM]][zone][ BC]`, also `01/31/2024`, `31.01.2024`, `Jan 31 2024`, `31-Jan-2024` and
    /// `20240131`.
    fn read(text: &str, style: &OutputStyle) -> Read<Self> {
        let mut reader = Reader { text: text.trim() };
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
            // What looks like the name of a zone and is none.
            let name = rest.contains('/') && rest.starts_with(|first: char| first.is_ascii_alphabetic());
            return Err(if name {
                Fault::Zone(rest.to_owned())
            } else {
                Fault::Form
            });
        }
        Ok(moment)
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
    fn number(&mut self, most: usize) -> Read<(u32, usize)> {
        let length = self
            .text
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = self.text.split_at_checked(length).ok_or(Fault::Form)?;
        let value = digits.parse().map_err(|_| Fault::Form)?;
        self.text = rest;
        Ok((value, length))
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

    /// The letters at the front.
    fn word(&mut self) -> String {
        let length = self
            .text
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(length);
        self.text = rest;
        word.to_ascii_lowercase()
    }

    /// The month that a name of three letters or more stands for.
    fn month(&mut self) -> Read<u32> {
        const NAMES: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let word = self.word();
        let place = NAMES.iter().position(|name| {
            *name == word || name.get(..3) == Some(&word) || (word == "sept" && *name == "september")
        });
        place
            .and_then(|place| u32::try_from(place + 1).ok())
            .ok_or(Fault::Form)
    }

    fn blanks(&mut self) {
        self.text = self.text.trim_start_matches([' ', ',', '-', '/', '.']);
    }

    fn date(&mut self, style: &OutputStyle) -> Read<(i64, u32, u32)> {
        let (year, month, day) = if self.text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let month = self.month()?;
            self.blanks();
            let (day, _) = self.number(2)?;
            self.blanks();
            (self.year()?, month, day)
        } else {
            self.digits_first(style)?
        };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let longest = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap || self.text.trim_end().to_ascii_lowercase().ends_with("bc") => 29,
            2 => 28,
            _ => 31,
        };
        let valid = year > 0 && (1..=12).contains(&month) && (1..=longest).contains(&day);
        if valid {
            Ok((i64::from(year), month, day))
        } else {
            Err(Fault::Range)
        }
    }

    fn digits_first(&mut self, style: &OutputStyle) -> Read<(u32, u32, u32)> {
        let (first, length) = self.number(8)?;
        let separator = self.text.chars().next();
        if length == 8 && !matches!(separator, Some('-' | '/' | '.')) {
            return Ok((first / 10_000, first / 100 % 100, first % 100));
        }
        let Some(separator) = separator.filter(|next| matches!(next, '-' | '/' | '.' | ' ')) else {
            return Err(Fault::Form);
        };
        self.skip(separator);
        if self.text.starts_with(|next: char| next.is_ascii_alphabetic()) {
            let month = self.month()?;
            self.blanks();
            if length >= 3 {
                return Ok((first, month, self.number(2)?.0));
            }
            return Ok((self.year()?, month, first));
        }
        if separator == ' ' {
            return Err(Fault::Form);
        }
        let (second, digits) = self.number(3)?;
        if separator == '.' && length == 4 && digits == 3 {
            return Self::day_of_year(first, second);
        }
        if !self.skip(separator) {
            return Err(Fault::Form);
        }
        if length >= 3 {
            return Ok((first, second, self.number(2)?.0));
        }
        let year = self.year()?;
        Ok(if separator == '.' || style.date_style.day_first {
            (year, second, first)
        } else {
            (year, first, second)
        })
    }

    /// A year; one of two digits is the nearest to 2020.
    fn year(&mut self) -> Read<u32> {
        let (year, length) = self.number(7)?;
        Ok(match (length, year) {
            (1 | 2, 0..70) => year + 2000,
            (1 | 2, _) => year + 1900,
            _ => year,
        })
    }

    fn day_of_year(year: u32, day: u32) -> Read<(u32, u32, u32)> {
        let found = i32::try_from(year)
            .ok()
            .and_then(|year| chrono::NaiveDate::from_yo_opt(year, day))
            .ok_or(Fault::Range)?;
        Ok((
            year,
            chrono::Datelike::month(&found),
            chrono::Datelike::day(&found),
        ))
    }

    /// `10:00`, `10:00:00`, `10:00:00.123456`, `100000`, `10:00 PM` in microseconds; finer digits round, 24:00:00 is the end
    /// of the day.
    fn clock(&mut self) -> Read<i64> {
        let (first, length) = self.number(6)?;
        let (mut hours, minutes, mut seconds, mut micros) = match (length, self.text.starts_with(':')) {
            (1 | 2, true) => {
                self.skip(':');
                (first, self.number(2)?.0, 0, 0)
            }
            (4, false) => (first / 100, first % 100, 0, 0),
            (6, false) => (first / 10_000, first / 100 % 100, first % 100, 0),
            _ => return Err(Fault::Form),
        };
        if length <= 2 && self.skip(':') {
            seconds = self.number(2)?.0;
        }
        if self.text.starts_with('.') && (length == 6 || length <= 2) {
            self.skip('.');
            let length = self.text.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = self.text.split_at_checked(length).ok_or(Fault::Form)?;
            self.text = rest;
            micros = fraction(digits);
        }
        let rest = self.text.trim_start();
        if let Some(half) = rest.get(..2)
            && !rest
                .get(2..)
                .is_some_and(|after| after.starts_with(|next: char| next.is_ascii_alphanumeric()))
            && (half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("pm"))
        {
            if hours > 12 {
                return Err(Fault::Range);
            }
            hours = hours % 12 + if half.eq_ignore_ascii_case("pm") { 12 } else { 0 };
            self.text = rest.get(2..).unwrap_or_default();
        }
        let valid = minutes < 60 && seconds <= 60 && hours <= 24;
        let clock =
            (i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)) * 1_000_000 + micros;
        if valid && clock <= DAY_MICROS {
            Ok(clock)
        } else {
            Err(Fault::Range)
        }
    }

    /// `Z`, `+02`, `+02:00`, `-0930`, `UTC`, `CET`, `Europe/Berlin`; what is none of these is left.
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
            None => Zone::of_abbreviation(word).or_else(|| Zone::parse(word))?,
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
