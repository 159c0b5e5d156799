//! Amounts booked at instants, with running sums.

use super::facts::Money;

/// Bookings sorted by instant. Bookings mostly come at the end; one further back sums anew what stands behind it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    at: Vec<i64>,
    amounts: Vec<Option<Money>>,
    /// The sum and the count of unknown amounts, up to and with each booking.
    sums: Vec<(Money, u64)>,
}

impl Ledger {
    pub(super) fn clear(&mut self) {
        self.at.clear();
        self.amounts.clear();
        self.sums.clear();
    }

    /// Instants of the bookings.
    pub(super) fn booked_at(&self) -> &[i64] {
        &self.at
    }

    pub(super) fn add(&mut self, at: i64, amount: Option<Money>) {
        let place = self.at.partition_point(|other| *other <= at);
        self.at.insert(place, at);
        self.amounts.insert(place, amount);
        self.sum_from(place);
    }

    pub(super) fn remove(&mut self, at: i64, amount: Option<Money>) {
        let first = self.at.partition_point(|other| *other < at);
        let equals = self
            .at
            .iter()
            .zip(&self.amounts)
            .skip(first)
            .take_while(|(other, _)| **other == at);
        if let Some(place) = equals
            .map(|(_, booked)| booked)
            .position(|booked| *booked == amount)
        {
            self.at.remove(first + place);
            self.amounts.remove(first + place);
            self.sum_from(first + place);
        }
    }

    /// The sum of all bookings, if all amounts are known.
    pub(super) fn total(&self) -> Option<Money> {
        self.total_after(i64::MIN)
    }

    /// The sum of the bookings after an instant, if their amounts are known.
    pub(super) fn total_after(&self, instant: i64) -> Option<Money> {
        let (sum, unknown) = self.sums.last().copied().unwrap_or_default();
        let before = self.at.partition_point(|at| *at <= instant);
        let (sum_before, unknown_before) = before
            .checked_sub(1)
            .and_then(|at| self.sums.get(at))
            .copied()
            .unwrap_or_default();
        (unknown == unknown_before).then(|| sum.saturating_sub(sum_before))
    }

    fn sum_from(&mut self, place: usize) {
        self.sums.truncate(place);
        let (mut sum, mut unknown) = self.sums.last().copied().unwrap_or_default();
        for amount in self.amounts.iter().skip(place) {
            match amount {
                Some(amount) => sum = sum.saturating_add(*amount),
                None => unknown += 1,
            }
            self.sums.push((sum, unknown));
        }
    }
}
