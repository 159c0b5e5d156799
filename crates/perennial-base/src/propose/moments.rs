//! Moments: what they are called, and how columns say them.

use chrono::{Datelike, NaiveDate, NaiveDateTime};

use super::words::{Concept, NAMES, mostly, plain};
use super::{ColumnFacts, ColumnShape};

/// How a column says a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// As a date or timestamp.
    Native,
    /// As text in the form of ISO 8601.
    IsoText,
    /// As text in another form, as `to_timestamp` takes it.
    OtherText(&'static str),
    /// As a day in eight digits, `20260131`.
    Digits,
    /// As seconds since 1970.
    Seconds,
    /// As milliseconds since 1970.
    Milliseconds,
    /// As microseconds since 1970.
    Microseconds,
}

/// The form in which the column says a moment, if it can.
pub(super) fn time_form(column: &ColumnFacts) -> Option<TimeForm> {
    // Between 2001 and 2033 seconds have ten digits that begin with 1, milliseconds thirteen, microseconds sixteen.
    let digits = |text: &str, count: usize| {
        text.len() == count && text.starts_with('1') && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match column.shape {
        ColumnShape::Date | ColumnShape::Timestamp | ColumnShape::WallClock => Some(TimeForm::Native),
        ColumnShape::Text if mostly(column, iso_date_like) => Some(TimeForm::IsoText),
        ColumnShape::Text | ColumnShape::Int if mostly(column, eight_digits) => Some(TimeForm::Digits),
        ColumnShape::Text => other_text(column).map(TimeForm::OtherText),
        ColumnShape::Int if mostly(column, |text| digits(text, 10)) => Some(TimeForm::Seconds),
        ColumnShape::Int if mostly(column, |text| digits(text, 13)) => Some(TimeForm::Milliseconds),
        ColumnShape::Int if mostly(column, |text| digits(text, 16)) => Some(TimeForm::Microseconds),
        _ => None,
    }
}

/// `2026-01-31`, with or without a time behind it.
fn iso_date_like(text: &str) -> bool {
    let shape: Option<String> = text.get(..10).map(|date| {
        date.chars()
            .map(|c| if c.is_ascii_digit() { '9' } else { c })
            .collect()
    });
    shape.as_deref() == Some("9999-99-99")
        && text
            .get(10..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['T', ' ']))
}

/// Endings of names of moments, and words in names of moments that say nothing of what happened: when something is to
/// come, when it ended, and what a machine did with the row.
const MOMENTS: &[&str] = &[
    "at",
    "on",
    "time",
    "ts",
    "timestamp",
    "date",
    "datetime",
    "am",
    "datum",
    "zeit",
    "zeitpunkt",
];
const CHANGES: &[&str] = &[
    "updated",
    "update",
    "modified",
    "modification",
    "lastmodified",
    "lastmodifieddate",
    "aktualisiert",
    "geaendert",
];
const OTHER_MOMENTS: &[&str] = &[
    "birth",
    "born",
    "expires",
    "expired",
    "expiry",
    "expiration",
    "until",
    "due",
    "end",
    "ends",
    "ended",
    "next",
    "renews",
    "renewal",
    "scheduled",
    "planned",
    "expected",
    "estimated",
    "deleted",
    "geburts",
    "ablauf",
    "ende",
];
const OF_MACHINES: &[&str] = &[
    "received",
    "sent",
    "loaded",
    "ingested",
    "inserted",
    "synced",
    "sync",
    "imported",
    "exported",
    "extracted",
    "processed",
    "etl",
    "dbt",
    "load",
    "batch",
];

/// What a name that ends like that of a moment may say, where no list has it: `opened_at`, `subscribed_on`,
/// `last_modified_date`.
pub(super) fn moment_like(name: &str) -> Option<Concept> {
    let words: Vec<&str> = name.split('_').collect();
    let ends = words.len() > 1 && words.last().is_some_and(|last| MOMENTS.contains(last));
    if of_another(name) {
        None
    } else if words.iter().any(|word| CHANGES.contains(word)) {
        Some(Concept::Updated)
    } else {
        ends.then_some(Concept::Occurred)
    }
}

/// Whether the name is that of a moment at which nothing happened yet, or something ended.
pub(super) fn of_another(name: &str) -> bool {
    name.split('_').any(|word| OTHER_MOMENTS.contains(&word))
}

/// Whether the column is called like a moment at which something happened or was changed.
pub(super) fn named_moment(column: &ColumnFacts) -> bool {
    let name = plain(&column.name);
    let listed = NAMES.iter().any(|(concept, names)| {
        matches!(concept, Concept::Occurred | Concept::Updated) && names.contains(&name.as_str())
    });
    listed || moment_like(&name).is_some()
}

/// Whether the column's moments say where the clock hangs that shows them; days are the same everywhere.
pub(super) fn says_zone(column: &ColumnFacts) -> bool {
    let offset = |text: &str| {
        let time = text.get(10..).unwrap_or_default();
        time.is_empty() || time.ends_with(['Z', 'z']) || time.contains(['+', '-'])
    };
    match column.shape {
        ColumnShape::WallClock => false,
        ColumnShape::Text => mostly(column, offset),
        _ => true,
    }
}

/// How far a column is from being the moment at which the rows happened; of several the nearest is taken. A name that is
/// known comes before one that only ends like a moment, and what machines did with the rows comes last.
pub(super) fn moment_rank(column: &ColumnFacts) -> u8 {
    let name = plain(&column.name);
    let known = NAMES
        .iter()
        .any(|(concept, names)| *concept == Concept::Occurred && names.contains(&name.as_str()));
    let of_a_machine = name.split('_').any(|word| OF_MACHINES.contains(&word));
    match (of_a_machine, known) {
        (true, _) => 3,
        _ if column.null_ratio > 0.0 => 2,
        (_, false) => 1,
        (_, true) => 0,
    }
}

/// `20260131`, of a year that a customer may be born or buy in.
fn eight_digits(text: &str) -> bool {
    text.len() == 8
        && ["18", "19", "20"]
            .into_iter()
            .any(|century| text.starts_with(century))
        && NaiveDate::parse_from_str(text, "%Y%m%d").is_ok()
}

/// Forms of days, and of times behind them.
const DAYS: &[(&str, &[&str])] = &[
    ("%d.%m.%Y", &["%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"]),
    ("%Y/%m/%d", &["%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S"]),
    ("%d/%m/%Y", &["%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"]),
    ("%m/%d/%Y", &["%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"]),
];

/// The one form in which most samples are moments. Days and months that may be either are none: `01/02/2026`.
fn other_text(column: &ColumnFacts) -> Option<&'static str> {
    // Years of two digits are not read as those of the first century.
    let full = |day: NaiveDate| day.year() >= 1800;
    let day = |form: &&'static str| {
        mostly(column, |text| {
            NaiveDate::parse_from_str(text, form).is_ok_and(full)
        })
    };
    let time = |form: &&'static str| {
        mostly(column, |text| {
            NaiveDateTime::parse_from_str(text, form).is_ok_and(|time| full(time.date()))
        })
    };
    let days = DAYS.iter().map(|(form, _)| *form).filter(day);
    let times = DAYS
        .iter()
        .flat_map(|(_, forms)| forms.iter().copied())
        .filter(time);
    let mut forms = days.chain(times);
    match (forms.next(), forms.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(shape: ColumnShape, samples: &[&str]) -> Option<TimeForm> {
        time_form(&ColumnFacts {
            name: "ordered_at".to_owned(),
            shape,
            distinct_ratio: None,
            null_ratio: 0.0,
            unique_over_all_rows: None,
            samples: samples.iter().map(|text| (*text).to_owned()).collect(),
            min: None,
            max: None,
        })
    }

    #[test]
    fn forms_of_moments() {
        use ColumnShape::{Float, Int, Text};
        for (shape, samples, expected) in [
            (
                Text,
                ["2026-01-31T10:00:00Z", "2026-01-31"],
                Some(TimeForm::IsoText),
            ),
            (
                Text,
                ["31.01.2026", "01.02.2026"],
                Some(TimeForm::OtherText("%d.%m.%Y")),
            ),
            (
                Text,
                ["31/01/2026", "30/01/2026"],
                Some(TimeForm::OtherText("%d/%m/%Y")),
            ),
            (
                Text,
                ["01/31/2026", "12/24/2026"],
                Some(TimeForm::OtherText("%m/%d/%Y")),
            ),
            (Text, ["01/02/2026", "03/04/2026"], None),
            (
                Text,
                ["1/31/2026 9:05", "12/24/2026 23:59"],
                Some(TimeForm::OtherText("%m/%d/%Y %H:%M")),
            ),
            (Text, ["20260131", "20251224"], Some(TimeForm::Digits)),
            (Int, ["20260131", "20251224"], Some(TimeForm::Digits)),
            (Int, ["20261331", "20251299"], None),
            (Int, ["1767225600", "1767225601"], Some(TimeForm::Seconds)),
            (Float, ["1.5", "2.5"], None),
            (Text, ["31.01.26", "01.02.26"], None),
            (Text, ["soon", "later"], None),
        ] {
            assert_eq!(form(shape, &samples), expected, "{samples:?}");
        }
    }
}
