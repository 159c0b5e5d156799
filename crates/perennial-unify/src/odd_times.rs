//! Times that are probably read in another unit than they were written in, as seconds of what are milliseconds.

use chrono::DateTime;
use perennial_base::clock::DAY;
use perennial_base::config::SourceConfig;

use crate::noticed::OddTimes;

/// 1990-01-01: what is stored of customers is hardly older, and 1970 is what a wrong unit leaves.
const EARLIEST: i64 = 631_152_000_000_000;

/// The times of rows that were read.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Times {
    rows: u64,
    early: Odd,
    late: Odd,
}

/// How many are odd, and the first of them that was read.
#[derive(Debug, Default, Clone, Copy)]
struct Odd {
    rows: u64,
    first: Option<i64>,
}

impl Odd {
    fn take(&mut self, time: i64) {
        self.rows += 1;
        self.first.get_or_insert(time);
    }

    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            first: self.first.or(other.first),
        }
    }
}

impl Times {
    /// Takes times that are read at a moment.
    pub(crate) fn take(&mut self, times: &[i64], now: i64) {
        self.rows += times.len() as u64;
        for time in times {
            if *time < EARLIEST {
                self.early.take(*time);
            // Clocks of different machines differ by less than a day.
            } else if *time > now.saturating_add(DAY) {
                self.late.take(*time);
            }
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            early: self.early.and(other.early),
            late: self.late.and(other.late),
        }
    }

    /// What is odd about the times of a source, of at least so many rows; nothing where those are not most.
    pub(crate) fn told(self, source: &SourceConfig, least: u64) -> Option<OddTimes> {
        let written = source.time.as_ref().filter(|_| source.kind.timed())?;
        let most = |odd: &Odd| odd.rows >= least && 2 * odd.rows > self.rows;
        let (odd, late) = [(self.early, false), (self.late, true)]
            .into_iter()
            .find(|(odd, _)| most(odd))?;
        let first = odd.first.and_then(DateTime::from_timestamp_micros);
        Some(OddTimes {
            source: source.name.clone(),
            at: written.at,
            time: written.sql.clone(),
            rows: self.rows,
            odd: odd.rows,
            late,
            first: first.map_or_else(
                || "beyond the calendar".to_owned(),
                |first| first.format("%Y-%m-%d").to_string(),
            ),
        })
    }
}
