//! How a session wants its values in text: the engine keeps the settings, the encoders read them here.

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::OffsetName;

pub(crate) use perennial_engine::{DateForm, DateStyle, IntervalStyle, OutputStyle, Zone};

/// The offset of a zone at an instant in seconds since 1970, in seconds east of Greenwich, and the zone's
/// name for it (`CEST`) written to `name`, where it has one. Beyond chrono's calendar the rules of its last
/// year hold.
pub(crate) fn offset_at(zone: &Zone, instant: i64, name: Option<&mut String>) -> i32 {
    match zone {
        Zone::Fixed(offset) => offset.local_minus_utc(),
        Zone::Named(zone) => {
            let edge = if instant < 0 {
                NaiveDateTime::MIN
            } else {
                NaiveDateTime::MAX
            };
            let moment = DateTime::from_timestamp(instant, 0).map_or(edge, |moment| moment.naive_utc());
            let offset = zone.offset_from_utc_datetime(&moment);
            if let Some(name) = name {
                name.push_str(offset.abbreviation().unwrap_or_default());
            }
            offset.fix().local_minus_utc()
        }
    }
}

/// The instant, in seconds since 1970, of a local time in a zone. In the hour that a clock change skips, the
/// offset before the change counts; in the hour that comes twice, the one after it: both as in Postgres.
pub(crate) fn instant_of(zone: &Zone, local: i64) -> i64 {
    match zone {
        Zone::Fixed(offset) => local - i64::from(offset.local_minus_utc()),
        Zone::Named(_) => {
            // The two offsets that can be in force around the local time.
            let before = i64::from(offset_at(zone, local.saturating_sub(86_400), None));
            let after = i64::from(offset_at(zone, local.saturating_add(86_400), None));
            let fits = |offset: i64| i64::from(offset_at(zone, local - offset, None)) == offset;
            if fits(after) {
                local - after
            } else {
                local - before
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_around_a_clock_change_are_read_as_postgres_reads_them() {
        // select extract(epoch from timestamptz '…') with TimeZone 'Europe/Berlin', PostgreSQL 15.
        let berlin = Zone::Named(chrono_tz::Europe::Berlin);
        let local = |text: &str| {
            let moment = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
            instant_of(&berlin, moment.and_utc().timestamp())
        };
        assert_eq!(local("2024-03-31 01:30"), 1_711_845_000);
        assert_eq!(local("2024-03-31 02:30"), 1_711_848_600);
        assert_eq!(local("2024-03-31 03:30"), 1_711_848_600);
        assert_eq!(local("2024-10-27 02:30"), 1_729_992_600);
        assert_eq!(local("2024-10-27 03:30"), 1_729_996_200);
        assert_eq!(local("2024-07-01 12:00"), 1_719_828_000);
    }
}
