//! A second reading of the facts, as plain as can be: every question looks at all facts up to the moment, again.

use super::*;

pub(super) struct Plain<'a> {
    pub(super) model: &'a StageModel,
    pub(super) customer: &'a Customer,
    pub(super) at: i64,
}

impl Plain<'_> {
    /// Instants of the orders that count, started subscriptions among them.
    pub(super) fn placed_at(&self) -> Vec<i64> {
        let count = self
            .customer
            .orders
            .iter()
            .map(|v| v.order + 1)
            .max()
            .unwrap_or(0);
        let mut placed_at: Vec<i64> = (0..count).filter_map(|order| self.counts(order)).collect();
        for change in self.distinct_changes() {
            let started = !self.paying(change.subscription, change.at - 1)
                && self.paying(change.subscription, change.at);
            placed_at.extend(started.then_some(change.at));
        }
        placed_at.sort();
        placed_at
    }

    fn version(&self, order: u32) -> Option<&OrderVersion> {
        let newest = self
            .customer
            .orders
            .iter()
            .rfind(|v| v.order == order && v.effective_at <= self.at);
        newest.filter(|version| version.paid)
    }

    fn refunds(&self, order: u32) -> Vec<Refund> {
        let mut refunds: Vec<Refund> = Vec::new();
        for refund in &self.customer.refunds {
            if refund.order != order || refund.effective_at > self.at {
                continue;
            }
            let same = |r: &Refund| (r.at, r.amount) == (refund.at, refund.amount);
            match (refund.withdrawn, refunds.iter().position(same)) {
                (false, _) => refunds.push(*refund),
                (true, Some(place)) => drop(refunds.remove(place)),
                (true, None) => {}
            }
        }
        refunds
    }

    fn counts(&self, order: u32) -> Option<i64> {
        let version = self.version(order)?;
        let refunds = self.refunds(order);
        let refunded: Money = refunds.iter().filter_map(|r| r.amount).sum();
        match version.amount {
            Some(amount) if !refunds.is_empty() && refunded >= amount => None,
            _ => Some(version.placed_at),
        }
    }

    /// The changes up to the moment, one per subscription and instant.
    fn distinct_changes(&self) -> Vec<SubscriptionChange> {
        let mut changes: Vec<SubscriptionChange> = Vec::new();
        for change in self
            .customer
            .subscriptions
            .iter()
            .filter(|c| c.effective_at <= self.at)
        {
            changes.retain(|c| (c.at, c.subscription) != (change.at, change.subscription));
            changes.push(*change);
        }
        changes.sort_by_key(|change| change.at);
        changes
    }

    fn change_instants(&self) -> Vec<i64> {
        let mut instants: Vec<i64> = self.distinct_changes().iter().map(|change| change.at).collect();
        instants.dedup();
        instants
    }

    fn state(&self, subscription: u32, at: i64) -> Option<SubscriptionChange> {
        let changes = self.distinct_changes();
        let newest = changes
            .into_iter()
            .rfind(|c| c.subscription == subscription && c.at <= at);
        newest.filter(|change| match change.status {
            SubscriptionStatus::Trial => true,
            SubscriptionStatus::Ended => false,
            _ => change.mrr != Some(0),
        })
    }

    fn paying(&self, subscription: u32, at: i64) -> bool {
        self.state(subscription, at)
            .is_some_and(|change| change.status != SubscriptionStatus::Trial)
    }

    fn any(&self, at: i64, wanted: impl Fn(&SubscriptionChange) -> bool) -> bool {
        (0..4)
            .filter_map(|subscription| self.state(subscription, at))
            .any(|change| wanted(&change))
    }

    fn any_paying(&self, at: i64) -> bool {
        (0..4).any(|subscription| self.paying(subscription, at))
    }

    fn mrr_at(&self, at: i64) -> Option<Money> {
        (0..4)
            .filter(|s| self.paying(*s, at))
            .map(|s| self.state(s, at).unwrap().mrr)
            .sum()
    }

    fn silence_at(&self, at: i64, orders: &[i64]) -> Option<i64> {
        let mut last = *orders.last()?;
        if self.any_paying(at) {
            return Some(0);
        }
        for instant in self
            .change_instants()
            .into_iter()
            .filter(|instant| *instant <= at)
        {
            if self.any_paying(instant - 1) && !self.any_paying(instant) {
                last = last.max(instant);
            }
        }
        Some(at - last)
    }

    fn length(&self, span: Span, at: i64, orders: &[i64]) -> i64 {
        let window = match span {
            Span::Lasting(length) => return length.as_micros() as i64,
            Span::Active => &self.model.windows().active,
            Span::Lapse => &self.model.windows().lapse,
        };
        match window {
            Window::Fixed(length) => length.as_micros() as i64,
            Window::Adaptive {
                gap_multiple,
                min,
                max,
            } => {
                let mut gaps: Vec<i64> = orders.windows(2).map(|pair| pair[1] - pair[0]).collect();
                gaps.sort();
                let own = || match gaps.len() {
                    n if n % 2 == 1 => gaps[n / 2],
                    n => (gaps[n / 2 - 1] + gaps[n / 2]).div_euclid(2),
                };
                let gap = if orders.len() >= 3 {
                    Some(own())
                } else {
                    self.model.population.median_at(at)
                };
                let length = gap.map_or(*max, |gap| {
                    Duration::from_micros((gap as f64 * gap_multiple).round() as u64).clamp(*min, *max)
                });
                length.as_micros() as i64
            }
        }
    }

    fn named(&self, kind: KindId) -> Vec<i64> {
        let mut standing: Vec<i64> = Vec::new();
        for fact in &self.customer.named {
            if fact.kind != kind || fact.effective_at > self.at {
                continue;
            }
            match (fact.withdrawn, standing.iter().position(|at| *at == fact.at)) {
                (false, _) => standing.push(fact.at),
                (true, Some(place)) => drop(standing.remove(place)),
                (true, None) => {}
            }
        }
        standing.sort_unstable();
        standing
    }

    fn booked(&self, after: i64) -> Option<Money> {
        let count = self
            .customer
            .orders
            .iter()
            .map(|v| v.order + 1)
            .max()
            .unwrap_or(0);
        let mut total = 0;
        for order in 0..count {
            let Some(version) = self.version(order) else {
                continue;
            };
            if version.placed_at > after {
                total += version.amount?;
            }
            for refund in self.refunds(order).into_iter().filter(|refund| refund.at > after) {
                total -= refund.amount?;
            }
        }
        Some(total)
    }

    fn latest(&self, scores: &[Score]) -> Option<Answer> {
        let mut standing: Vec<Score> = Vec::new();
        for score in scores.iter().filter(|score| score.effective_at <= self.at) {
            let same = |s: &Score| (s.at, s.score) == (score.at, score.score);
            match (score.withdrawn, standing.iter().rposition(same)) {
                (false, _) => standing.push(*score),
                (true, Some(place)) => drop(standing.remove(place)),
                (true, None) => {}
            }
        }
        // Of answers at one instant, the one that came to be known last.
        let score = standing.iter().max_by_key(|score| score.at)?;
        Some(Answer {
            age: self.at - score.at,
            score: score.score,
        })
    }
}

impl Facts for Plain<'_> {
    fn window(&self, span: Span) -> i64 {
        self.length(span, self.at, &self.placed_at())
    }

    fn orders(&self) -> u64 {
        self.placed_at().len() as u64
    }

    fn orders_within(&self, length: i64) -> u64 {
        self.placed_at()
            .iter()
            .filter(|at| self.at - **at < length)
            .count() as u64
    }

    fn revenue(&self) -> Option<Money> {
        self.booked(i64::MIN)
    }

    fn revenue_within(&self, length: i64) -> Option<Money> {
        self.booked(self.at - length)
    }

    fn count(&self, kind: KindId) -> u64 {
        self.named(kind).len() as u64
    }

    fn count_within(&self, kind: KindId, length: i64) -> u64 {
        self.named(kind)
            .iter()
            .filter(|at| self.at - **at < length)
            .count() as u64
    }

    fn silence(&self) -> Option<i64> {
        self.silence_at(self.at, &self.placed_at())
    }

    fn tenure(&self) -> Option<i64> {
        self.placed_at().first().map(|first| self.at - first)
    }

    fn nps(&self) -> Option<Answer> {
        self.latest(&self.customer.nps)
    }

    fn csat(&self) -> Option<Answer> {
        self.latest(&self.customer.csat)
    }

    fn subscription(&self, state: SubscriptionState) -> bool {
        let trial = self.any(self.at, |change| change.status == SubscriptionStatus::Trial);
        match state {
            SubscriptionState::Active => self.any_paying(self.at),
            SubscriptionState::PastDue => {
                self.any(self.at, |change| change.status == SubscriptionStatus::PastDue)
            }
            SubscriptionState::Trial => !self.any_paying(self.at) && trial,
            SubscriptionState::Ended => {
                let paid = self
                    .change_instants()
                    .into_iter()
                    .any(|instant| self.any_paying(instant));
                paid && !self.any_paying(self.at) && !trial
            }
        }
    }

    fn mrr(&self) -> Option<Money> {
        self.mrr_at(self.at)
    }

    fn mrr_moved(&self) -> Option<(i64, Direction)> {
        let mut moved = None;
        for instant in self.change_instants() {
            moved = match (self.mrr_at(instant - 1), self.mrr_at(instant)) {
                (Some(before), Some(now)) if before > 0 && now > before => {
                    Some((instant, Direction::Expansion))
                }
                (Some(before), Some(now)) if now > 0 && now < before => {
                    Some((instant, Direction::Contraction))
                }
                (Some(before), Some(now)) if now > 0 && now == before => moved,
                _ => None,
            };
        }
        moved.map(|(at, direction)| (self.at - at, direction))
    }

    fn identified(&self) -> bool {
        self.customer
            .identified_at
            .is_some_and(|identified_at| identified_at <= self.at)
    }

    fn returned(&self) -> Option<i64> {
        let orders = self.placed_at();
        let latest = (0..orders.len()).rfind(|k| {
            let (before, at) = (&orders[..*k], orders[*k] - 1);
            let silence = self.silence_at(at, before);
            silence.is_some_and(|silence| silence >= self.length(Span::Lapse, at, before))
        });
        latest.map(|k| self.at - orders[k])
    }

    fn restarted(&self) -> Option<i64> {
        let starts = self
            .change_instants()
            .into_iter()
            .filter(|u| !self.any_paying(u - 1) && self.any_paying(*u));
        starts.skip(1).last().map(|at| self.at - at)
    }

    fn closed(&self) -> bool {
        let kind = self.model.kind(&Kind::Closing);
        let closed_at = kind.and_then(|kind| self.named(kind).last().copied());
        closed_at.is_some_and(|closed_at| self.placed_at().iter().all(|order| *order <= closed_at))
    }
}
