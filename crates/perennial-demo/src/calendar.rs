//! The time that the demo business has lived through, and how busy each of its days was.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

/// Microseconds in a second, minute, hour and day.
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The first day of history, 2023-01-01, in days since 1970-01-01.
pub(crate) const FIRST_DAY: i32 = 19_358;
/// The number of days of history; the last is 2026-06-30.
pub(crate) const DAYS: i32 = 1_277;
/// The first moment of history, in microseconds since 1970-01-01 UTC.
pub(crate) const START: i64 = FIRST_DAY as i64 * DAY;
/// The first moment after history.
pub(crate) const END: i64 = START + DAYS as i64 * DAY;

/// Customers arrive this many times faster at the end of history than at its start.
const GROWTH: f64 = 2.6;
/// How busy each month of the year is, January first.
const MONTHS: [f64; 12] = [
    0.92, 0.90, 0.98, 0.99, 1.0, 0.93, 0.84, 0.82, 0.98, 1.05, 1.22, 1.36,
];
/// How busy each hour of a day (UTC) is.
const HOURS: [f64; 24] = [
    0.5, 0.3, 0.2, 0.2, 0.3, 0.6, 1.2, 2.0, 2.6, 2.8, 2.9, 3.0, 3.1, 2.9, 2.8, 2.9, 3.2, 3.8, 4.4, 4.6, 4.0,
    2.9, 1.8, 1.0,
];

/// When people buy: busy days count more than quiet ones, and one unit of the scale is an average day.
pub(crate) static ACTIVITY: LazyLock<Scale> = LazyLock::new(|| Scale::new(|day, _| season(day)));

/// When people arrive: as [`ACTIVITY`], and more and more of them over the years.
pub(crate) static ARRIVALS: LazyLock<Scale> =
    LazyLock::new(|| Scale::new(|day, elapsed| season(day) * (1.0 + (GROWTH - 1.0) * elapsed)));

/// A clock that runs faster on busy days and in busy hours, so that an even stream of chance becomes a business with
/// seasons.
#[derive(Debug)]
pub(crate) struct Scale {
    /// The reading at the start of each day, and at the end of the last.
    days: Vec<f64>,
    /// The same within a day, hour by hour, from 0 to 1.
    hours: [f64; 25],
}

impl Scale {
    fn new(weight: impl Fn(NaiveDate, f64) -> f64) -> Self {
        let mut days = vec![0.0];
        let mut total = 0.0;
        for day in 0..DAYS {
            total += weight(date(FIRST_DAY + day), f64::from(day) / f64::from(DAYS));
            days.push(total);
        }
        for reading in &mut days {
            *reading *= f64::from(DAYS) / total;
        }
        let busiest: f64 = HOURS.iter().sum();
        let mut hours = [0.0; 25];
        let mut reading = 0.0;
        for (slot, hour) in hours.iter_mut().skip(1).zip(HOURS) {
            reading += hour / busiest;
            *slot = reading;
        }
        Self { days, hours }
    }

    /// The reading at the end of history.
    pub(crate) fn end(&self) -> f64 {
        f64::from(DAYS)
    }

    /// The moment of a reading; before the start of history it is the start, after the end there is none.
    pub(crate) fn moment(&self, reading: f64) -> Option<i64> {
        if reading >= self.end() {
            return None;
        }
        let (day, within_day) = locate(&self.days, reading.max(0.0));
        let (hour, within_hour) = locate(&self.hours, within_day);
        let at = START + day as i64 * DAY + hour as i64 * HOUR + (within_hour * HOUR as f64) as i64;
        Some(at.min(END - 1))
    }

    /// The reading at a moment.
    pub(crate) fn reading(&self, at: i64) -> f64 {
        let since = (at - START).clamp(0, END - START - 1);
        let day = (since / DAY) as usize;
        let hour = (since % DAY / HOUR) as usize;
        let within_hour = (since % HOUR) as f64 / HOUR as f64;
        let within_day = between(&self.hours, hour, within_hour);
        between(&self.days, day, within_day)
    }

    /// The share of all activity that falls on a day, counted from the first.
    pub(crate) fn share(&self, day: usize) -> f64 {
        (between(&self.days, day, 1.0) - between(&self.days, day, 0.0)) / self.end()
    }
}

/// The date of a day since 1970-01-01.
pub(crate) fn date(day: i32) -> NaiveDate {
    NaiveDate::default() + TimeDelta::days(i64::from(day))
}

/// The day of a moment, since 1970-01-01.
pub(crate) fn day_of(at: i64) -> i32 {
    i32::try_from(at.div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// The interval of ascending `bounds` that holds `value`, and how far into it the value lies, from 0 to 1.
fn locate(bounds: &[f64], value: f64) -> (usize, f64) {
    let after = bounds
        .partition_point(|bound| *bound <= value)
        .clamp(1, bounds.len() - 1);
    let (low, high) = (bounds[after - 1], bounds[after]);
    (after - 1, ((value - low) / (high - low)).clamp(0.0, 1.0))
}

fn between(bounds: &[f64], index: usize, fraction: f64) -> f64 {
    let index = index.min(bounds.len() - 2);
    bounds[index] + (bounds[index + 1] - bounds[index]) * fraction
}

fn season(day: NaiveDate) -> f64 {
    let month = MONTHS[day.month0() as usize];
    let week = match day.weekday() {
        Weekday::Mon => 1.10,
        Weekday::Tue | Weekday::Wed | Weekday::Thu => 1.0,
        Weekday::Fri => 0.92,
        Weekday::Sat => 0.80,
        Weekday::Sun => 1.18,
    };
    month * week * sale(day)
}

/// Black Friday (the day after the fourth Thursday of November), the days around it, and the last days before
/// Christmas on which parcels still arrive, and those on which they no longer do.
fn sale(day: NaiveDate) -> f64 {
    match (day.month(), day.day()) {
        (11, _) | (12, 1..=3) => {
            let thursday = NaiveDate::from_weekday_of_month_opt(day.year(), 11, Weekday::Thu, 4);
            match thursday.map(|thursday| (day - thursday).num_days()) {
                Some(1) => 4.2,
                Some(4) => 2.9,
                Some(-3..=3) => 2.1,
                _ => 1.0,
            }
        }
        (12, 10..=19) => 1.35,
        (12, 23..=26) => 0.45,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_has_the_days_that_it_says() {
        assert_eq!(date(FIRST_DAY).to_string(), "2023-01-01");
        assert_eq!(date(day_of(END - 1)).to_string(), "2026-06-30");
    }

    #[test]
    fn reading_and_moment_are_inverse() {
        for reading in [0.0, 0.4, 1.0, 365.25, 700.9, 1_276.99] {
            let at = ACTIVITY.moment(reading).unwrap();
            assert!((ACTIVITY.reading(at) - reading).abs() < 1e-6, "{reading}");
            assert!((START..END).contains(&at));
        }
        assert_eq!(ACTIVITY.moment(ACTIVITY.end()), None);
        assert_eq!(ACTIVITY.moment(-1.0), Some(START));
    }

    #[test]
    fn black_friday_is_the_busiest_day_of_each_year() {
        for (year, expected) in [(2023, "2023-11-24"), (2024, "2024-11-29"), (2025, "2025-11-28")] {
            let first = (NaiveDate::from_ymd_opt(year, 1, 1).unwrap() - date(FIRST_DAY)).num_days() as usize;
            let busiest = (first..first + 365)
                .max_by(|a, b| ACTIVITY.share(*a).total_cmp(&ACTIVITY.share(*b)))
                .map(|day| date(FIRST_DAY + day as i32).to_string());
            assert_eq!(busiest.as_deref(), Some(expected));
        }
    }
}
