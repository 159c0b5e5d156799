//! Times in the form of a pattern.

use std::fmt::Write as _;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike};
use chrono_tz::OffsetName;
use datafusion::common::Result;
use perennial_base::ErrorClass;

use super::super::raised;
use super::tokens::{Case, Token};
use crate::session::settings::Zone;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
pub(super) const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// A time as its fields.
#[derive(Debug, Default)]
pub(super) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    date: Option<NaiveDate>,
    /// Seconds east of Greenwich, and what the zone is called then.
    offset: i64,
    zone: String,
}

impl Moment {
    /// A moment since 1970, on the wall clock of a zone where there is one.
    pub(super) fn of(micros: i64, zone: Option<&Zone>) -> Option<Self> {
        let offset = zone.map_or(0, |zone| i64::from(zone.offset_seconds(micros)));
        let local = DateTime::from_timestamp_micros(micros + offset * 1_000_000)?.naive_utc();
        let name = match zone {
            Some(Zone::Named(zone)) => {
                let moment = DateTime::from_timestamp_micros(micros)?.naive_utc();
                let offset = zone.offset_from_utc_datetime(&moment);
                let name = offset.abbreviation().unwrap_or_default();
                if name.is_empty() {
                    offset.fix().to_string()
                } else {
                    name.to_owned()
                }
            }
            _ => String::new(),
        };
        Some(Self {
            year: i64::from(local.year()),
            month: i64::from(local.month()),
            day: i64::from(local.day()),
            hour: i64::from(local.hour()),
            minute: i64::from(local.minute()),
            second: i64::from(local.second()),
            micros: i64::from(local.nanosecond() / 1000),
            date: Some(local.date()),
            offset,
            zone: name,
        })
    }

    pub(super) fn of_interval(value: IntervalMonthDayNano) -> Self {
        let time = Self::of_time(value.nanoseconds / 1000);
        Self {
            year: i64::from(value.months / 12),
            month: i64::from(value.months % 12),
            day: i64::from(value.days),
            ..time
        }
    }

    pub(super) fn of_time(micros: i64) -> Self {
        Self {
            hour: micros / 3_600_000_000,
            minute: micros / 60_000_000 % 60,
            second: micros / 1_000_000 % 60,
            micros: micros % 1_000_000,
            ..Self::default()
        }
    }

    fn date(&self) -> Result<NaiveDate> {
        self.date.ok_or_else(|| {
            raised(
                ErrorClass::InvalidDatetime,
                "invalid format specification for an interval value",
            )
        })
    }

    /// The year as it is counted: there is none before 1.
    fn shown_year(&self) -> i64 {
        if self.date.is_some() && self.year <= 0 {
            1 - self.year
        } else {
            self.year
        }
    }
}

/// The text of a moment.
pub(super) fn text(moment: &Moment, tokens: &[Token]) -> Result<String> {
    let mut out = String::new();
    for token in tokens {
        match token {
            Token::Literal(character) | Token::Quoted(character) => out.push(*character),
            Token::Field {
                word,
                case,
                fill,
                ordinal,
            } => {
                let start = out.len();
                field(moment, word, *case, *fill, &mut out)?;
                if let Some(case) = ordinal {
                    let ending = ending(out.get(start..).unwrap_or_default());
                    if *case == Case::Upper {
                        out.push_str(&ending.to_uppercase());
                    } else {
                        out.push_str(ending);
                    }
                }
            }
        }
    }
    Ok(out)
}

/// `st`, `nd`, `rd` or `th`, whichever belongs behind a number.
pub(super) fn ending(number: &str) -> &'static str {
    let mut digits = number.trim().chars().rev().filter(char::is_ascii_digit);
    let (last, before) = (digits.next(), digits.next());
    match (before, last) {
        (Some('1'), _) => "th",
        (_, Some('1')) => "st",
        (_, Some('2')) => "nd",
        (_, Some('3')) => "rd",
        _ => "th",
    }
}

pub(super) fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Capital => text.to_owned(),
    }
}

fn field(moment: &Moment, word: &str, case: Case, fill: bool, out: &mut String) -> Result<()> {
    let number = |value: i64, width: usize, out: &mut String| {
        // Writing to a text cannot fail.
        let _ = match (fill, value < 0) {
            (false, _) => write!(out, "{value}"),
            (true, true) => write!(out, "-{:0width$}", -value),
            (true, false) => write!(out, "{value:0width$}"),
        };
    };
    let padded = |text: &str, width: usize, out: &mut String| {
        let _ = if fill {
            write!(out, "{text:width$}")
        } else {
            write!(out, "{text}")
        };
    };
    let year = moment.shown_year();
    let iso = |moment: &Moment| moment.date().map(|date| date.iso_week());
    match word {
        "A.M." | "P.M." => out.push_str(&cased(if moment.hour % 24 >= 12 { "P.M." } else { "A.M." }, case)),
        "AM" | "PM" => out.push_str(&cased(if moment.hour % 24 >= 12 { "PM" } else { "AM" }, case)),
        "A.D." | "B.C." => out.push_str(&cased(
            if moment.date()?.year() <= 0 {
                "B.C."
            } else {
                "A.D."
            },
            case,
        )),
        "AD" | "BC" => out.push_str(&cased(if moment.date()?.year() <= 0 { "BC" } else { "AD" }, case)),
        "HH" | "HH12" => number(
            match moment.hour % 12 {
                0 => 12,
                hour => hour,
            },
            2,
            out,
        ),
        "HH24" => number(moment.hour, 2, out),
        "MI" => number(moment.minute, 2, out),
        "SS" => number(moment.second, 2, out),
        "MS" => {
            let _ = write!(out, "{:03}", moment.micros / 1000);
        }
        "US" => {
            let _ = write!(out, "{:06}", moment.micros);
        }
        "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let digits = usize::from(word.as_bytes().last().map_or(0, |digit| digit - b'0'));
            let micros = format!("{:06}", moment.micros);
            out.push_str(micros.get(..digits).unwrap_or_default());
        }
        "SSSS" | "SSSSS" => {
            let _ = write!(out, "{}", moment.hour * 3600 + moment.minute * 60 + moment.second);
        }
        "TZ" => out.push_str(&cased(&moment.zone, case)),
        "TZH" => {
            let sign = if moment.offset < 0 { '-' } else { '+' };
            let _ = write!(out, "{sign}{:02}", moment.offset.abs() / 3600);
        }
        "TZM" => {
            let _ = write!(out, "{:02}", moment.offset.abs() % 3600 / 60);
        }
        "OF" => {
            let sign = if moment.offset < 0 { '-' } else { '+' };
            let _ = write!(out, "{sign}{:02}", moment.offset.abs() / 3600);
            let minutes = moment.offset.abs() % 3600 / 60;
            if minutes != 0 {
                let _ = write!(out, ":{minutes:02}");
            }
        }
        "MONTH" | "MON" | "RM" => {
            let place = usize::try_from(moment.month - 1).ok();
            if word == "RM" {
                let roman = place
                    .and_then(|place| ROMAN.get(place))
                    .copied()
                    .unwrap_or_default();
                padded(&cased(roman, case), 4, out);
            } else {
                moment.date()?;
                let name = place
                    .and_then(|place| MONTHS.get(place))
                    .copied()
                    .unwrap_or_default();
                if word == "MON" {
                    out.push_str(&cased(name.get(..3).unwrap_or_default(), case));
                } else {
                    padded(&cased(name, case), 9, out);
                }
            }
        }
        "MM" => number(moment.month, 2, out),
        "DAY" | "DY" => {
            let place = moment.date()?.weekday().num_days_from_sunday() as usize;
            let name = DAYS.get(place).copied().unwrap_or_default();
            if word == "DY" {
                out.push_str(&cased(name.get(..3).unwrap_or_default(), case));
            } else {
                padded(&cased(name, case), 9, out);
            }
        }
        "DDD" => number(i64::from(moment.date()?.ordinal()), 3, out),
        "IDDD" => {
            let day = (i64::from(iso(moment)?.week()) - 1) * 7
                + i64::from(moment.date()?.weekday().number_from_monday());
            number(day, 3, out);
        }
        "DD" => number(moment.day, 2, out),
        "D" => number(i64::from(moment.date()?.weekday().number_from_sunday()), 1, out),
        "ID" => number(i64::from(moment.date()?.weekday().number_from_monday()), 1, out),
        "WW" => number(i64::from(moment.date()?.ordinal0() / 7 + 1), 2, out),
        "IW" => number(i64::from(iso(moment)?.week()), 2, out),
        "W" => number((moment.day - 1) / 7 + 1, 1, out),
        "Q" if moment.month > 0 => number((moment.month - 1) / 3 + 1, 1, out),
        "CC" => {
            let century = if moment.date.is_none() {
                year / 100
            } else if moment.year > 0 {
                (year - 1) / 100 + 1
            } else {
                -((year - 1) / 100 + 1)
            };
            number(century, 2, out);
        }
        "J" => number(i64::from(moment.date()?.num_days_from_ce()) + 1_721_425, 0, out),
        "Y,YYY" => {
            let _ = write!(out, "{},{:03}", year / 1000, year % 1000);
        }
        "YYYY" => number(year, 4, out),
        "YYY" => number(year % 1000, 3, out),
        "YY" => number(year % 100, 2, out),
        "Y" => number(year % 10, 1, out),
        "IYYY" => number(i64::from(iso(moment)?.year()), 4, out),
        "IYY" => number(i64::from(iso(moment)?.year()) % 1000, 3, out),
        "IY" => number(i64::from(iso(moment)?.year()) % 100, 2, out),
        "I" => number(i64::from(iso(moment)?.year()) % 10, 1, out),
        _ => {}
    }
    Ok(())
}
