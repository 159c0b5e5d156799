//! The subscriptions of one customer, taken together.

use super::{
    condition::{Direction, SubscriptionState},
    facts::{Money, SubscriptionChange, SubscriptionStatus},
};

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Running {
    #[default]
    No,
    Trial,
    Paying {
        mrr: Option<Money>,
        past_due: bool,
    },
}

impl Running {
    fn paying(self) -> bool {
        matches!(self, Self::Paying { .. })
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Subscription {
    now: Running,
    /// Before the instant at which it was touched.
    before: Option<Running>,
}

/// What all subscriptions amount to at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Totals {
    paying: u32,
    past_due: u32,
    trial: u32,
    mrr: Money,
    unknown_mrr: u32,
}

/// The state after the changes applied so far, and all times in which at least one subscription was paid for.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    each: Vec<Subscription>,
    touched: Vec<u32>,
    totals: Totals,
    settled: Totals,
    /// `[start, end)` in which at least one was paid for; the last one may be open (`i64::MAX`).
    paid: Vec<(i64, i64)>,
    moved: Option<(i64, Direction)>,
}

impl Subscriptions {
    pub(super) fn reset(&mut self, changes: &[SubscriptionChange]) {
        let count = changes
            .iter()
            .map(|change| change.subscription as usize + 1)
            .max()
            .unwrap_or(0);
        self.each.clear();
        self.each.resize(count, Subscription::default());
        self.touched.clear();
        self.totals = Totals::default();
        self.settled = Totals::default();
        self.paid.clear();
        self.moved = None;
    }

    /// Takes a change in. Changes of one instant count together, at [`Self::settle`].
    pub(super) fn apply(&mut self, change: &SubscriptionChange) {
        let Some(subscription) = self.each.get_mut(change.subscription as usize) else {
            return;
        };
        let next = match (change.status, change.mrr) {
            (SubscriptionStatus::Trial, _) => Running::Trial,
            (SubscriptionStatus::Ended, _) | (_, Some(0)) => Running::No,
            (status, mrr) => Running::Paying {
                mrr,
                past_due: status == SubscriptionStatus::PastDue,
            },
        };
        if subscription.before.is_none() {
            subscription.before = Some(subscription.now);
            self.touched.push(change.subscription);
        }
        let previous = std::mem::replace(&mut subscription.now, next);
        self.totals.take(previous);
        self.totals.add(next);
    }

    /// Ends an instant; answers how many subscriptions started at it.
    pub(super) fn settle(&mut self, at: i64) -> usize {
        let mut started = 0;
        for touched in self.touched.drain(..) {
            if let Some(subscription) = self.each.get_mut(touched as usize) {
                let before = subscription.before.take().unwrap_or_default();
                started += usize::from(!before.paying() && subscription.now.paying());
            }
        }
        let (before, now) = (self.settled, self.totals);
        match (before.paying > 0, now.paying > 0) {
            (false, true) => self.paid.push((at, i64::MAX)),
            (true, false) => {
                if let Some((_, end)) = self.paid.last_mut() {
                    *end = at;
                }
            }
            _ => {}
        }
        self.moved = match (before.known_mrr(), now.known_mrr()) {
            (Some(before), Some(now)) if before > 0 && now > 0 => match now.cmp(&before) {
                std::cmp::Ordering::Greater => Some((at, Direction::Expansion)),
                std::cmp::Ordering::Less => Some((at, Direction::Contraction)),
                std::cmp::Ordering::Equal => self.moved,
            },
            _ => None,
        };
        self.settled = now;
        started
    }

    /// Silence at an instant up to which all changes are applied, given the last order at or before it.
    pub(super) fn silence_at(&self, instant: i64, last_order: Option<i64>) -> Option<i64> {
        let last_order = last_order?;
        let begun = self.paid.partition_point(|(start, _)| *start <= instant);
        let last = match begun.checked_sub(1).and_then(|at| self.paid.get(at)) {
            Some((_, end)) if *end > instant => return Some(0),
            Some((_, end)) => last_order.max(*end),
            None => last_order,
        };
        Some(instant.saturating_sub(last))
    }

    pub(super) fn paying(&self) -> bool {
        self.totals.paying > 0
    }

    pub(super) fn state(&self, state: SubscriptionState) -> bool {
        match state {
            SubscriptionState::Active => self.totals.paying > 0,
            SubscriptionState::PastDue => self.totals.past_due > 0,
            SubscriptionState::Trial => self.totals.paying == 0 && self.totals.trial > 0,
            SubscriptionState::Ended => {
                self.totals.paying == 0 && self.totals.trial == 0 && !self.paid.is_empty()
            }
        }
    }

    pub(super) fn mrr(&self) -> Option<Money> {
        self.totals.known_mrr()
    }

    pub(super) fn moved(&self) -> Option<(i64, Direction)> {
        self.moved
    }

    /// When the latest time with a subscription began, if there was one before.
    pub(super) fn restarted_at(&self) -> Option<i64> {
        match self.paid.as_slice() {
            [_, .., (start, _)] => Some(*start),
            _ => None,
        }
    }
}

impl Totals {
    fn known_mrr(&self) -> Option<Money> {
        (self.unknown_mrr == 0).then_some(self.mrr)
    }

    fn add(&mut self, running: Running) {
        match running {
            Running::No => {}
            Running::Trial => self.trial += 1,
            Running::Paying { mrr, past_due } => {
                self.paying += 1;
                self.past_due += u32::from(past_due);
                self.unknown_mrr += u32::from(mrr.is_none());
                self.mrr = self.mrr.saturating_add(mrr.unwrap_or(0));
            }
        }
    }

    fn take(&mut self, running: Running) {
        match running {
            Running::No => {}
            Running::Trial => self.trial -= 1,
            Running::Paying { mrr, past_due } => {
                self.paying -= 1;
                self.past_due -= u32::from(past_due);
                self.unknown_mrr -= u32::from(mrr.is_none());
                self.mrr = self.mrr.saturating_sub(mrr.unwrap_or(0));
            }
        }
    }
}
