//! The orders that count at a moment, in the order in which they were placed.

use super::{StageModel, Window, condition::Span, subscriptions::Subscriptions, window_length};

/// How many orders a customer's own median gap needs.
const ORDERS_FOR_OWN_MEDIAN: usize = 3;

/// Instants of the counted orders with what follows from them in order: the gaps, and the returns from a lapse. Orders
/// mostly come and go at the end; a change further back replays what stands behind it.
#[derive(Debug, Default)]
pub(super) struct OrderLine {
    placed_at: Vec<i64>,
    /// Sorted; kept only for adaptive windows.
    gaps: Vec<i64>,
    /// Places in `placed_at`; kept only for models that ask for returns.
    returns: Vec<usize>,
    replay: Vec<i64>,
    /// Gaps that came (1) and went (-1), when somebody listens.
    pub(super) gap_changes: Option<Vec<(i64, i8)>>,
}

/// What the line depends on besides its orders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) model: &'a StageModel,
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) keep_gaps: bool,
    pub(super) keep_returns: bool,
}

impl OrderLine {
    pub(super) fn clear(&mut self) {
        self.placed_at.clear();
        self.gaps.clear();
        self.returns.clear();
        // What nobody fetched is of the customer before.
        if let Some(changes) = &mut self.gap_changes {
            changes.clear();
        }
    }

    pub(super) fn placed_at(&self) -> &[i64] {
        &self.placed_at
    }

    /// When an order last ended a lapse.
    pub(super) fn returned_at(&self) -> Option<i64> {
        self.returns
            .last()
            .and_then(|at| self.placed_at.get(*at))
            .copied()
    }

    pub(super) fn insert(&mut self, placed_at: i64, around: Surroundings<'_>) {
        let at = self.placed_at.partition_point(|other| *other <= placed_at);
        self.rewind(at);
        self.push(placed_at, around);
        self.replay(around);
    }

    pub(super) fn remove(&mut self, placed_at: i64, around: Surroundings<'_>) {
        let at = self.placed_at.partition_point(|other| *other < placed_at);
        if self.placed_at.get(at) == Some(&placed_at) {
            self.rewind(at + 1);
            self.pop();
            self.replay(around);
        }
    }

    /// Works out anew what follows from the orders and what they depend on.
    pub(super) fn anew(&mut self, around: Surroundings<'_>) {
        self.rewind(0);
        self.replay(around);
    }

    /// The customer's own median gap in microseconds; the mean of the middle two, rounded down, when they are even.
    pub(super) fn own_median(&self) -> Option<i64> {
        if self.placed_at.len() < ORDERS_FOR_OWN_MEDIAN {
            return None;
        }
        let middle = self.gaps.len() / 2;
        let upper = *self.gaps.get(middle)?;
        let lower = if self.gaps.len().is_multiple_of(2) {
            *self.gaps.get(middle - 1)?
        } else {
            upper
        };
        Some(lower + (upper - lower) / 2)
    }

    /// The length of a span at an instant, with the orders that are in the line.
    pub(super) fn window(&self, span: Span, at: i64, model: &StageModel) -> i64 {
        let length = |window: &Window| {
            window_length(window, || {
                self.own_median().or_else(|| model.population.median_at(at))
            })
        };
        match span {
            Span::Active => length(&model.windows.active),
            Span::Lapse => length(&model.windows.lapse),
            Span::Lasting(duration) => super::condition::micros(duration),
        }
    }

    fn push(&mut self, placed_at: i64, around: Surroundings<'_>) {
        if around.keep_returns && self.lapsed_before(placed_at, around) {
            self.returns.push(self.placed_at.len());
        }
        if around.keep_gaps
            && let Some(last) = self.placed_at.last()
        {
            let gap = placed_at - last;
            let at = self.gaps.partition_point(|other| *other <= gap);
            self.gaps.insert(at, gap);
            self.report(gap, 1);
        }
        self.placed_at.push(placed_at);
    }

    fn pop(&mut self) -> Option<i64> {
        let placed_at = self.placed_at.pop()?;
        if self.returns.last() == Some(&self.placed_at.len()) {
            self.returns.pop();
        }
        if let Some(last) = self.placed_at.last() {
            let gap = placed_at - last;
            let at = self.gaps.partition_point(|other| *other < gap);
            if self.gaps.get(at) == Some(&gap) {
                self.gaps.remove(at);
                self.report(gap, -1);
            }
        }
        Some(placed_at)
    }

    /// Whether silence had reached the lapse window before an order at `placed_at`: at the last instant before it.
    fn lapsed_before(&self, placed_at: i64, around: Surroundings<'_>) -> bool {
        let before = placed_at.saturating_sub(1);
        around
            .subscriptions
            .silence_at(before, self.placed_at.last().copied())
            .is_some_and(|silence| silence >= self.window(Span::Lapse, before, around.model))
    }

    fn rewind(&mut self, length: usize) {
        while self.placed_at.len() > length {
            let placed_at = self.pop();
            self.replay.extend(placed_at);
        }
    }

    fn replay(&mut self, around: Surroundings<'_>) {
        while let Some(placed_at) = self.replay.pop() {
            self.push(placed_at, around);
        }
    }

    fn report(&mut self, gap: i64, change: i8) {
        if let Some(changes) = &mut self.gap_changes {
            changes.push((gap, change));
        }
    }
}
