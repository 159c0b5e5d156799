//! The population's median gap between orders, month by month, for adaptive windows.

use std::collections::BTreeMap;

use super::{StageModel, facts::CustomerFacts, moment::Moment};

const HOUR: i64 = 3_600_000_000;

/// The median gap between orders of the whole population, fixed at each month's start from the facts before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PopulationGaps {
    months: Vec<(i64, Option<i64>)>,
}

impl PopulationGaps {
    /// From `(start, median)` of every month, in microseconds and by ascending start; `None` where no customer had
    /// ordered twice before. A median holds until the next month's start.
    pub fn new(months: Vec<(i64, Option<i64>)>) -> Self {
        Self { months }
    }

    /// As [`Self::new`] takes them.
    pub fn months(&self) -> &[(i64, Option<i64>)] {
        &self.months
    }

    /// Counts gaps for the months that start at these instants, ascending.
    pub fn builder(model: &StageModel, month_starts: Vec<i64>) -> PopulationGapsBuilder<'_> {
        let counts = vec![BTreeMap::new(); month_starts.len()];
        let mut moment = Moment::new(model);
        moment.listen_to_gaps();
        PopulationGapsBuilder {
            moment,
            month_starts,
            counts,
        }
    }

    /// The median that holds at an instant, in microseconds.
    pub fn median_at(&self, instant: i64) -> Option<i64> {
        let begun = self.months.partition_point(|(start, _)| *start <= instant);
        begun
            .checked_sub(1)
            .and_then(|at| self.months.get(at))
            .and_then(|(_, median)| *median)
    }

    /// When, after an instant, another median begins to hold.
    pub(super) fn next_change(&self, instant: i64) -> Option<i64> {
        let now = self.median_at(instant);
        let begun = self.months.partition_point(|(start, _)| *start <= instant);
        self.months
            .iter()
            .skip(begun)
            .find(|(_, median)| *median != now)
            .map(|(start, _)| *start)
    }
}

/// Counts the gaps of many customers. Gaps are counted in whole hours, so that counts of parts of a population add up
/// (see [`Self::merge`]) and take little memory however many customers there are. An order that stops to count takes
/// its gaps along from then on, and not before.
#[derive(Debug)]
pub struct PopulationGapsBuilder<'m> {
    moment: Moment<'m>,
    month_starts: Vec<i64>,
    /// By month: what came and went in it and is known at its end, hours to count.
    counts: Vec<BTreeMap<i64, i64>>,
}

impl PopulationGapsBuilder<'_> {
    /// Adds a customer.
    pub fn add(&mut self, facts: &CustomerFacts<'_>) {
        let moment = &mut self.moment;
        moment.reset(facts);
        while let Some(at) = moment.next_arrival(facts) {
            moment.advance(facts, at);
            // The first month that starts after the change knows of it.
            let month = self.month_starts.partition_point(|start| *start <= at);
            let Some(counts) = self.counts.get_mut(month) else {
                return;
            };
            for (gap, change) in moment.gap_changes() {
                *counts.entry(gap / HOUR).or_default() += i64::from(change);
            }
        }
    }

    /// Adds what another builder of the same months counted.
    pub fn merge(&mut self, other: Self) {
        for (counts, others) in self.counts.iter_mut().zip(other.counts) {
            for (hours, count) in others {
                *counts.entry(hours).or_default() += count;
            }
        }
    }

    /// The medians: the lower of the middle two when the gaps are even.
    pub fn finish(self) -> PopulationGaps {
        let mut known: BTreeMap<i64, i64> = BTreeMap::new();
        let mut months = Vec::with_capacity(self.month_starts.len());
        for (start, counts) in self.month_starts.into_iter().zip(self.counts) {
            for (hours, count) in counts {
                *known.entry(hours).or_default() += count;
            }
            known.retain(|_, count| *count > 0);
            months.push((start, median(&known)));
        }
        PopulationGaps { months }
    }
}

fn median(counts: &BTreeMap<i64, i64>) -> Option<i64> {
    let total: i64 = counts.values().sum();
    let mut seen = 0;
    counts
        .iter()
        .find(|(_, count)| {
            seen += **count;
            seen * 2 >= total
        })
        .map(|(hours, _)| hours * HOUR)
}
