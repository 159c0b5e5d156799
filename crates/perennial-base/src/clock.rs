//! What time it is, as something that is handed in: a program that asks the system in one place only can be
//! tested at any instant.
//!
//! An instant is an `i64` of microseconds since 1970-01-01T00:00:00 UTC, here and in every table.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};

/// A source of the present.
pub trait Clock: Debug + Send + Sync {
    /// The present, in microseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn now(&self) -> i64 {
        Utc::now().timestamp_micros()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `micros`.
    pub fn new(micros: i64) -> Self {
        Self(AtomicI64::new(micros))
    }

    /// Sets the clock to `micros`.
    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }

    /// Moves the clock by `micros`, backwards when negative.
    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A day of 24 hours, in microseconds.
pub const DAY: i64 = 86_400_000_000;

/// The instants at which something can have happened to a customer, from 1900-01-01 to 2199-12-31 in any zone, so with a day
/// more on both sides: times beyond are what systems write for "never" and "unknown" (0001-01-01, 9999-12-31, infinity), or
/// are read in a wrong unit.
pub const HAPPENS: Range<i64> = -2_208_988_800_000_000 - DAY..7_258_118_400_000_000 + DAY;

/// An instant as RFC 3339 text in UTC with six digits of the second, `2026-01-01T00:00:00.000000Z`; none when it
/// is outside of the calendar (some 262,000 years either way).
pub fn rfc3339(micros: i64) -> Option<String> {
    DateTime::from_timestamp_micros(micros)
        .map(|instant| instant.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The instant that an RFC 3339 text names, cut to the microsecond; none when the text is not one.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|instant| instant.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_instant_agree() {
        #[track_caller]
        fn check(text: &str, micros: i64) {
            assert_eq!(parse_rfc3339(text), Some(micros));
            assert_eq!(
                rfc3339(micros).and_then(|text| parse_rfc3339(&text)),
                Some(micros)
            );
        }
        check("1970-01-01T00:00:00Z", 0);
        check("1969-12-31T23:59:59.999999Z", -1);
        check("2026-01-01T01:00:00.000001+01:00", 1_767_225_600_000_001);
        assert_eq!(
            rfc3339(1_767_225_600_000_001).as_deref(),
            Some("2026-01-01T00:00:00.000001Z")
        );
        assert_eq!(rfc3339(i64::MAX), None);
        assert_eq!(parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn a_fixed_clock_moves_when_told() {
        let clock = FixedClock::new(5);
        clock.advance(-2);
        assert_eq!(clock.now(), 3);
        clock.set(9);
        assert_eq!(clock.now(), 9);
        assert!(SystemClock.now() > 1_767_225_600_000_000);
    }
}
