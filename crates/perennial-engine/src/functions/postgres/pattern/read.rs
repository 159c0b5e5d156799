//! Times read by a pattern.

use chrono::{Datelike, NaiveDate};
use datafusion::common::{DataFusionError, Result};
use perennial_base::ErrorClass;

use super::super::{raised, timezone};
use super::tokens::{Token, tokens};
use super::write::{DAYS, MONTHS, ROMAN};
use crate::session::settings::Zone;

/// What a text says.
#[derive(Debug, Default)]
struct Read {
    year: Option<i64>,
    /// The year is that of ISO 8601's weeks.
    iso: bool,
    month: Option<i64>,
    day: Option<i64>,
    of_year: Option<i64>,
    week: Option<i64>,
    weekday: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    half_day: bool,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    before_christ: bool,
    offset: Option<i64>,
}

/// The days since 1970 that a text says.
pub(super) fn date(text: &str, pattern: &str) -> Result<i32> {
    let read = fields(text, pattern)?;
    let date = read.date(text)?;
    read.clock(text)?;
    Ok(date.num_days_from_ce() - 719_163)
}

/// The microseconds since 1970 that a text says, on the wall clock of a zone where it names none.
pub(super) fn timestamp(text: &str, pattern: &str, zone: &Zone) -> Result<i64> {
    let read = fields(text, pattern)?;
    let days = i64::from(read.date(text)?.num_days_from_ce() - 719_163);
    let local = days * 86_400_000_000 + read.clock(text)?;
    match read.offset {
        Some(offset) => Ok(local - offset * 1_000_000),
        None => timezone::instant_of(local, zone).ok_or_else(|| beyond(text)),
    }
}

fn beyond(text: &str) -> DataFusionError {
    raised(
        ErrorClass::DatetimeOverflow,
        format!("date/time field value out of range: \"{text}\""),
    )
}

impl Read {
    fn date(&self, text: &str) -> Result<NaiveDate> {
        let year = match self.year {
            Some(year) if self.before_christ => 1 - year,
            Some(year) => year,
            None => 0,
        };
        // Without a year it is that of 1 BC.
        let year = i32::try_from(year).map_err(|_| beyond(text))?;
        let found = if let Some(julian) = self.julian {
            i32::try_from(julian - 1_721_425)
                .ok()
                .and_then(NaiveDate::from_num_days_from_ce_opt)
        } else if self.iso {
            let week = u32::try_from(self.week.unwrap_or(1)).ok();
            let day = u8::try_from(self.weekday.unwrap_or(1) - 1).ok();
            week.zip(day.and_then(|day| chrono::Weekday::try_from(day).ok()))
                .and_then(|(week, day)| NaiveDate::from_isoywd_opt(year, week, day))
        } else if let (Some(day), None) = (self.of_year, self.month) {
            u32::try_from(day)
                .ok()
                .and_then(|day| NaiveDate::from_yo_opt(year, day))
        } else {
            let month = u32::try_from(self.month.unwrap_or(1)).ok();
            let day = u32::try_from(self.day.unwrap_or(1)).ok();
            month
                .zip(day)
                .and_then(|(month, day)| NaiveDate::from_ymd_opt(year, month, day))
        };
        found.ok_or_else(|| beyond(text))
    }

    fn clock(&self, text: &str) -> Result<i64> {
        let mut hour = self.hour;
        if self.half_day {
            if !(1..=12).contains(&hour) && hour != 0 {
                return Err(raised(
                    ErrorClass::InvalidDatetime,
                    format!("hour \"{hour}\" is invalid for the 12-hour clock"),
                ));
            }
            match self.afternoon {
                Some(true) if hour < 12 => hour += 12,
                Some(false) if hour == 12 => hour = 0,
                _ => {}
            }
        }
        if !(0..24).contains(&hour) || !(0..60).contains(&self.minute) || !(0..60).contains(&self.second) {
            return Err(beyond(text));
        }
        Ok((hour * 3600 + self.minute * 60 + self.second) * 1_000_000 + self.micros)
    }
}

fn separator(character: char) -> bool {
    character.is_ascii() && !character.is_ascii_alphanumeric() && !character.is_ascii_control()
}

fn fields(text: &str, pattern: &str) -> Result<Read> {
    let tokens = tokens(pattern);
    let mut read = Read::default();
    let mut rest = text.trim_start();
    for (place, token) in tokens.iter().enumerate() {
        if rest.is_empty() {
            break;
        }
        match token {
            Token::Quoted(_) => {
                let mut chars = rest.chars();
                chars.next();
                rest = chars.as_str();
            }
            Token::Literal(character) if separator(*character) => {
                // A separator stands for any one, and for blanks before it.
                rest = rest.trim_start();
                if let Some(next) = rest
                    .chars()
                    .next()
                    .filter(|next| separator(*next) && *next != '+')
                    && !(next == '-'
                        && matches!(tokens.get(place + 1), Some(Token::Field { word: "TZH", .. })))
                {
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
            Token::Literal(_) => {
                let mut chars = rest.chars();
                chars.next();
                rest = chars.as_str();
            }
            Token::Field { word, ordinal, .. } => {
                rest = rest.trim_start();
                let follows_digits = matches!(
                    tokens.get(place + 1),
                    Some(Token::Field { word, .. }) if !matches!(*word, "MONTH" | "MON" | "DAY" | "DY" | "AM" | "PM" | "A.M." | "P.M." | "AD" | "BC" | "RM" | "TZH" | "TZ")
                );
                rest = field(&mut read, word, rest, follows_digits)?;
                if ordinal.is_some() {
                    rest = rest.get(2..).unwrap_or_default();
                }
            }
        }
    }
    Ok(read)
}

/// Digits at the front: as many as there are, or `width` where a number follows at once.
fn number<'a>(rest: &'a str, word: &str, width: usize, fixed: bool) -> Result<(i64, usize, &'a str)> {
    let signed = rest.starts_with(['-', '+']);
    let digits = rest.get(usize::from(signed)..).unwrap_or_default();
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let length = if fixed { length.min(width) } else { length };
    let invalid = || {
        let shown: String = rest.chars().take(width.max(1)).collect();
        raised(
            ErrorClass::InvalidDatetime,
            format!("invalid value \"{shown}\" for \"{word}\""),
        )
    };
    let value: i64 = digits
        .get(..length)
        .filter(|digits| !digits.is_empty())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(invalid)?;
    let value = if rest.starts_with('-') { -value } else { value };
    Ok((value, length, digits.get(length..).unwrap_or_default()))
}

/// A name at the front, in any case, as its place; `short` names have three letters.
fn name<'a>(rest: &'a str, word: &str, names: &[&str], short: bool) -> Result<(i64, &'a str)> {
    for (place, name) in names.iter().enumerate() {
        let name = if short {
            name.get(..3).unwrap_or(name)
        } else {
            name
        };
        if rest
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
        {
            return Ok((
                i64::try_from(place).unwrap_or(0),
                rest.get(name.len()..).unwrap_or_default(),
            ));
        }
    }
    let shown: String = rest.chars().take_while(|letter| letter.is_alphabetic()).collect();
    Err(raised(
        ErrorClass::InvalidDatetime,
        format!("invalid value \"{shown}\" for \"{word}\""),
    ))
}

fn field<'a>(read: &mut Read, word: &str, rest: &'a str, fixed: bool) -> Result<&'a str> {
    let of = |width: usize| number(rest, word, width, fixed);
    // Years of fewer digits are those next to 2020.
    let near = |year: i64, digits: usize| match digits {
        1 | 2 if year < 70 => year + 2000,
        1 | 2 if year < 100 => year + 1900,
        3 if year < 100 => year + 2000,
        3 if (100..520).contains(&year) => year + 2000,
        3 if (520..1000).contains(&year) => year + 1000,
        _ => year,
    };
    Ok(match word {
        "YYYY" | "IYYY" => {
            let (year, length, rest) = of(4)?;
            read.year = Some(if length < 4 && word == "YYYY" {
                near(year, length)
            } else {
                year
            });
            read.iso |= word == "IYYY";
            rest
        }
        "YYY" | "YY" | "Y" | "IYY" | "IY" | "I" => {
            let (year, length, rest) = of(word.trim_start_matches('I').len().max(1))?;
            read.year = Some(near(year, length));
            read.iso |= word.starts_with('I');
            rest
        }
        "Y,YYY" => {
            let (thousands, _, after) = number(rest, word, 4, false)?;
            let (years, _, after) = number(after.trim_start_matches(','), word, 3, true)?;
            read.year = Some(thousands * 1000 + years);
            after
        }
        "MM" => {
            let (month, _, rest) = of(2)?;
            read.month = Some(month);
            rest
        }
        "MONTH" | "MON" => {
            let (place, rest) = name(rest, word, &MONTHS, word == "MON")?;
            read.month = Some(place + 1);
            rest
        }
        "RM" => {
            // The longest of those that fit: VIII before V.
            let mut order: Vec<usize> = (0..ROMAN.len()).collect();
            order.sort_by_key(|place| std::cmp::Reverse(ROMAN.get(*place).map_or(0, |roman| roman.len())));
            let found = order.into_iter().find(|place| {
                ROMAN.get(*place).is_some_and(|roman| {
                    rest.get(..roman.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(roman))
                })
            });
            let Some(place) = found else {
                return Err(raised(
                    ErrorClass::InvalidDatetime,
                    format!("invalid value \"{rest}\" for \"RM\""),
                ));
            };
            read.month = i64::try_from(place + 1).ok();
            rest.get(ROMAN.get(place).map_or(0, |roman| roman.len())..)
                .unwrap_or_default()
        }
        "DD" => {
            let (day, _, rest) = of(2)?;
            read.day = Some(day);
            rest
        }
        "DDD" | "IDDD" => {
            let (day, _, rest) = of(3)?;
            read.of_year = Some(day);
            rest
        }
        "DAY" | "DY" => name(rest, word, &DAYS, word == "DY")?.1,
        "ID" => {
            let (day, _, rest) = of(1)?;
            read.weekday = Some(day);
            rest
        }
        "IW" => {
            let (week, _, rest) = of(2)?;
            read.week = Some(week);
            rest
        }
        "D" | "W" | "Q" => of(1)?.2,
        "WW" => {
            let (week, _, rest) = of(2)?;
            read.of_year = Some((week - 1) * 7 + 1);
            rest
        }
        "J" => {
            let (day, _, rest) = of(7)?;
            read.julian = Some(day);
            rest
        }
        "HH24" => {
            let (hour, _, rest) = of(2)?;
            read.hour = hour;
            rest
        }
        "HH12" | "HH" => {
            let (hour, _, rest) = of(2)?;
            read.hour = hour;
            read.half_day = true;
            rest
        }
        "MI" => {
            let (minute, _, rest) = of(2)?;
            read.minute = minute;
            rest
        }
        "SS" => {
            let (second, _, rest) = of(2)?;
            read.second = second;
            rest
        }
        "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let (value, length, rest) = of(if word == "MS" { 3 } else { 6 })?;
            let missing = u32::try_from(6_usize.saturating_sub(length)).unwrap_or(0);
            read.micros = value * 10_i64.pow(missing);
            rest
        }
        "SSSS" | "SSSSS" => {
            let (seconds, _, rest) = of(5)?;
            (read.hour, read.minute, read.second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            rest
        }
        "AM" | "PM" | "A.M." | "P.M." => {
            read.half_day = true;
            let names = if word.len() == 2 {
                ["AM", "PM"]
            } else {
                ["A.M.", "P.M."]
            };
            let (place, rest) = name(rest, word, &names, false)?;
            read.afternoon = Some(place == 1);
            rest
        }
        "AD" | "BC" | "A.D." | "B.C." => {
            let names = if word.len() == 2 {
                ["AD", "BC"]
            } else {
                ["A.D.", "B.C."]
            };
            let (place, rest) = name(rest, word, &names, false)?;
            read.before_christ = place == 1;
            rest
        }
        "TZH" => {
            let west = rest.starts_with('-');
            let (hours, _, rest) = number(rest.trim_start_matches(['+', '-']), word, 2, true)?;
            read.offset = Some(if west { -hours * 3600 } else { hours * 3600 });
            rest
        }
        "TZM" => {
            let (minutes, _, rest) = of(2)?;
            let hours = read.offset.unwrap_or(0);
            read.offset = Some(if hours < 0 {
                hours - minutes * 60
            } else {
                hours + minutes * 60
            });
            rest
        }
        _ => rest,
    })
}
