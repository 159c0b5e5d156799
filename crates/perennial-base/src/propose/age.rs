//! Whether anything has happened lately. Where nothing has, the clock makes every customer a lapsed one.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::ColumnFacts;
use super::moments::{TimeForm, time_form};
use super::source::Draft;
use super::words::Concept;

/// Days without a row after which files are taken for an archive.
const LONG_AGO: i64 = 92;

/// The first midnight behind the newest row, and what speaks for it.
pub(super) fn as_of(drafts: &[Draft<'_>], now: i64) -> Option<(String, String)> {
    let today = DateTime::from_timestamp_micros(now)?.date_naive();
    let newest = drafts
        .iter()
        .filter(|draft| draft.config.kind.timed())
        .flat_map(moments)
        .filter_map(newest)
        .max()?;
    let behind = newest.checked_add_days(chrono::Days::new(1))?;
    ((today - newest).num_days() > LONG_AGO).then(|| {
        (
            format!("{behind}T00:00:00Z"),
            format!(
                "nothing has happened since {newest}: by the clock every customer has lapsed; with this key a run describes \
                 the end of that day"
            ),
        )
    })
}

/// What is told beside the file.
pub(super) fn note(moment: &str, reason: &str) -> String {
    let fact = reason.split(';').next().unwrap_or(reason);
    format!(
        "{}; to describe the end of the data instead, set [time] as_of = \"{moment}\".",
        capital(fact)
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The columns of a source that say when something happened.
fn moments<'d>(draft: &'d Draft<'_>) -> impl Iterator<Item = &'d ColumnFacts> {
    let says = |column: &ColumnFacts| {
        draft.concepts.iter().any(|(concept, name)| {
            matches!(concept, Concept::Occurred | Concept::Updated) && *name == column.name
        })
    };
    draft.facts.columns.iter().filter(move |column| says(column))
}

/// The day of the column's largest value.
fn newest(column: &ColumnFacts) -> Option<NaiveDate> {
    let text = column.max.as_deref()?.trim();
    let number = || text.parse::<i64>().ok();
    let instant = match time_form(column)? {
        TimeForm::Seconds => DateTime::from_timestamp(number()?, 0)?.naive_utc(),
        TimeForm::Milliseconds => DateTime::from_timestamp_millis(number()?)?.naive_utc(),
        TimeForm::Microseconds => DateTime::from_timestamp_micros(number()?)?.naive_utc(),
        TimeForm::Digits => {
            NaiveDateTime::new(NaiveDate::parse_from_str(text, "%Y%m%d").ok()?, NaiveTime::MIN)
        }
        // The largest text is not the newest day.
        TimeForm::OtherText(_) => return None,
        TimeForm::Native | TimeForm::IsoText => {
            let day = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
            NaiveDateTime::new(day, NaiveTime::MIN)
        }
    };
    Some(instant.date())
}
