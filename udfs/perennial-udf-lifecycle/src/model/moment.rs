//! What is known about a customer at a moment, moved forward through time.

use super::{
    Leaf, StageModel,
    condition::{Direction, Span, SubscriptionState, Test},
    facts::{Answer, CustomerFacts, Facts, KindId, Money, OrderVersion, Refund, Score},
    ledger::Ledger,
    orders::{OrderLine, Surroundings},
    subscriptions::Subscriptions,
};

/// The facts at or before an instant, in forms that answer every test in constant or logarithmic time. The buffers are
/// reused from customer to customer.
#[derive(Debug)]
pub(super) struct Moment<'m> {
    model: &'m StageModel,
    at: i64,
    line: OrderLine,
    orders: Vec<Order>,
    ledger: Ledger,
    subscriptions: Subscriptions,
    /// Instants of the named facts, by kind.
    named: Vec<Vec<i64>>,
    /// The answers that stand, oldest first.
    nps: Vec<Score>,
    csat: Vec<Score>,
    /// The refunds that stand; kept with the ledger.
    refunds: Vec<Refund>,
    /// When subscriptions started, as they stand in the line.
    started: Vec<i64>,
    identified_at: Option<i64>,
    taken: Taken,
    arrived: Arrived,
    /// Kinds of which a fact arrived at this moment.
    named_now: Vec<KindId>,
    keep_gaps: bool,
    keep_returns: bool,
    keep_ledger: bool,
    adaptive: bool,
    /// Whether a window matters before the first order.
    windows_without_orders: bool,
}

/// An order as of the moment.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    version: Option<OrderVersion>,
    refunded: Money,
    refunds: u32,
    /// Where it stands in the line, while it counts.
    counted: Option<i64>,
}

impl Order {
    fn paid(&self) -> Option<&OrderVersion> {
        self.version.as_ref().filter(|version| version.paid)
    }

    fn counts(&self) -> Option<i64> {
        let version = self.paid()?;
        let void = self.refunds > 0 && version.amount.is_some_and(|amount| self.refunded >= amount);
        (!void).then_some(version.placed_at)
    }
}

/// How many items of each slice are taken in.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    orders: usize,
    refunds: usize,
    subscriptions: usize,
    nps: usize,
    csat: usize,
    named: usize,
}

/// What the last advance brought that a test may have changed by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrived {
    /// Another order counts, or one stopped to count by a change of its own.
    pub(super) order: bool,
    /// An order stopped to count by a refund.
    pub(super) refund: bool,
    pub(super) subscription: bool,
    /// A refund was booked as revenue.
    pub(super) refund_booked: bool,
    pub(super) nps: bool,
    pub(super) csat: bool,
}

impl<'m> Moment<'m> {
    pub(super) fn new(model: &'m StageModel) -> Self {
        let adaptive = model.adaptive();
        let named_window = |test: &Test| {
            test.spans()
                .iter()
                .flatten()
                .any(|s| !matches!(s, Span::Lasting(_)))
        };
        Self {
            model,
            at: i64::MIN,
            line: OrderLine::default(),
            orders: Vec::new(),
            ledger: Ledger::default(),
            subscriptions: Subscriptions::default(),
            named: vec![Vec::new(); model.kinds().len()],
            nps: Vec::new(),
            csat: Vec::new(),
            refunds: Vec::new(),
            started: Vec::new(),
            named_now: Vec::new(),
            identified_at: None,
            taken: Taken::default(),
            arrived: Arrived::default(),
            keep_gaps: adaptive,
            keep_returns: model.asks(|test| matches!(test, Test::ReturnedWithin(_))),
            keep_ledger: model.asks(|test| matches!(test, Test::Revenue(_) | Test::RevenueWithin(..))),
            adaptive,
            windows_without_orders: model.asks(|test| {
                let needs_an_order = matches!(
                    test,
                    Test::Silence(_) | Test::Tenure(_) | Test::OrdersWithin(..) | Test::ReturnedWithin(_)
                );
                named_window(test) && !needs_an_order
            }),
        }
    }

    /// Reports gaps between orders from now on.
    pub(super) fn listen_to_gaps(&mut self) {
        self.keep_gaps = true;
        self.line.gap_changes = Some(Vec::new());
    }

    pub(super) fn gap_changes(&mut self) -> impl Iterator<Item = (i64, i8)> + '_ {
        self.line
            .gap_changes
            .iter_mut()
            .flat_map(|changes| changes.drain(..))
    }

    /// Forgets everything, before the facts of a customer.
    pub(super) fn reset(&mut self, facts: &CustomerFacts<'_>) {
        let orders = facts
            .orders
            .iter()
            .map(|version| version.order as usize + 1)
            .max()
            .unwrap_or(0);
        self.at = i64::MIN;
        self.line.clear();
        self.orders.clear();
        self.orders.resize(orders, Order::default());
        self.ledger.clear();
        self.subscriptions.reset(facts.subscriptions);
        self.named.iter_mut().for_each(Vec::clear);
        self.nps.clear();
        self.csat.clear();
        self.refunds.clear();
        self.started.clear();
        self.named_now.clear();
        self.identified_at = None;
        self.taken = Taken::default();
        self.arrived = Arrived::default();
    }

    /// When the next fact arrives.
    pub(super) fn next_arrival(&self, facts: &CustomerFacts<'_>) -> Option<i64> {
        let taken = &self.taken;
        [
            facts.orders.get(taken.orders).map(|version| version.effective_at),
            facts.refunds.get(taken.refunds).map(|refund| refund.effective_at),
            facts
                .subscriptions
                .get(taken.subscriptions)
                .map(|change| change.effective_at),
            facts.nps.get(taken.nps).map(|score| score.effective_at),
            facts.csat.get(taken.csat).map(|score| score.effective_at),
            facts.named.get(taken.named).map(|fact| fact.effective_at),
            facts.identified_at.filter(|_| self.identified_at.is_none()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes in all facts at or before `at`, which is not before the last such instant.
    pub(super) fn advance(&mut self, facts: &CustomerFacts<'_>, at: i64) {
        self.at = at;
        self.arrived = Arrived::default();
        self.named_now.clear();
        let mut corrected = false;
        while let Some(change) = next(facts.subscriptions, &mut self.taken.subscriptions, |c| {
            c.effective_at <= at
        }) {
            if change.effective_at != change.at {
                corrected = true;
                continue;
            }
            self.subscriptions.apply(change);
            let more = facts.subscriptions.get(self.taken.subscriptions);
            if more.is_none_or(|next| next.at != change.at || next.effective_at != next.at) {
                self.settle_subscriptions(change.at);
            }
        }
        if corrected {
            self.replay_subscriptions(facts);
        }
        while let Some(version) = next(facts.orders, &mut self.taken.orders, |v| v.effective_at <= at) {
            self.take_version(version);
        }
        while let Some(refund) = next(facts.refunds, &mut self.taken.refunds, |r| r.effective_at <= at) {
            self.take_refund(refund);
        }
        while let Some(score) = next(facts.nps, &mut self.taken.nps, |s| s.effective_at <= at) {
            take_score(&mut self.nps, score);
            self.arrived.nps |= score.effective_at == at;
        }
        while let Some(score) = next(facts.csat, &mut self.taken.csat, |s| s.effective_at <= at) {
            take_score(&mut self.csat, score);
            self.arrived.csat |= score.effective_at == at;
        }
        while let Some(fact) = next(facts.named, &mut self.taken.named, |f| f.effective_at <= at) {
            if let Some(series) = self.named.get_mut(usize::from(fact.kind.0)) {
                let place = series.partition_point(|known| *known <= fact.at);
                if !fact.withdrawn {
                    series.insert(place, fact.at);
                } else if let Some(last) = place.checked_sub(1)
                    && series.get(last) == Some(&fact.at)
                {
                    series.remove(last);
                }
            }
            if fact.effective_at == at && !self.named_now.contains(&fact.kind) {
                self.named_now.push(fact.kind);
            }
        }
        self.identified_at = facts.identified_at.filter(|identified_at| *identified_at <= at);
    }

    pub(super) fn arrived(&self) -> Arrived {
        self.arrived
    }

    pub(super) fn identified_now(&self) -> bool {
        self.identified_at == Some(self.at)
    }

    pub(super) fn named_now(&self, kind: KindId) -> bool {
        self.named_now.contains(&kind)
    }

    /// Whether another median of the population begins to hold for this customer now.
    pub(super) fn population_now(&self) -> bool {
        self.population_matters()
            && self.model.population.next_change(self.at.saturating_sub(1)) == Some(self.at)
    }

    /// The next instant after this one at which the population's median changes a window of this customer.
    pub(super) fn next_population_change(&self) -> Option<i64> {
        if self.population_matters() {
            self.model.population.next_change(self.at)
        } else {
            None
        }
    }

    /// The customer's own median gap, once there are orders enough for one.
    pub(super) fn own_gap(&self) -> Option<i64> {
        self.line.own_median()
    }

    fn population_matters(&self) -> bool {
        self.adaptive
            && self.line.own_median().is_none()
            && (self.windows_without_orders || !self.line.placed_at().is_empty())
    }

    /// The next instant after this one at which a test's answer may change although nothing arrives and no window
    /// changes.
    pub(super) fn deadline(&self, leaf: &Leaf) -> Option<i64> {
        let oldest_leaves = |series: &[i64], span: Span| {
            let length = self.window(span);
            let first = series.partition_point(|at| *at <= self.at.saturating_sub(length));
            series.get(first).map(|at| at.saturating_add(length))
        };
        match &leaf.test {
            Test::OrdersWithin(span, _) => oldest_leaves(self.line.placed_at(), *span),
            Test::RevenueWithin(span, _) => oldest_leaves(self.ledger.booked_at(), *span),
            Test::CountWithin(_, span, _) => oldest_leaves(self.series(leaf.kind), *span),
            test => {
                let edges = self.edges(test).into_iter().flatten();
                edges.filter(|edge| *edge > self.at).min()
            }
        }
    }

    /// The instants at which a length of time that the test asks for ends.
    fn edges(&self, test: &Test) -> [Option<i64>; 2] {
        let since = match test {
            Test::Silence(_) if self.subscriptions.paying() => None,
            Test::Silence(_) => self.silence().map(|silence| self.at.saturating_sub(silence)),
            Test::Tenure(_) => self.line.placed_at().first().copied(),
            Test::NpsLatest(..) => self.nps.last().map(|score| score.at),
            Test::CsatLatest(..) => self.csat.last().map(|score| score.at),
            Test::MrrMovedWithin(..) => self.subscriptions.moved().map(|(at, _)| at),
            Test::ReturnedWithin(_) => self.line.returned_at(),
            Test::RestartedWithin(_) => self.subscriptions.restarted_at(),
            Test::OrdersWithin(..)
            | Test::RevenueWithin(..)
            | Test::CountWithin(..)
            | Test::Orders(_)
            | Test::Revenue(_)
            | Test::Count(..)
            | Test::Subscription(_)
            | Test::Mrr(_)
            | Test::Identified(_)
            | Test::Closed(_) => None,
        };
        let edge = |span: Option<Span>| Some(since?.saturating_add(self.window(span?)));
        test.spans().map(edge)
    }

    /// Whether it is the upper of two lengths that ends now.
    pub(super) fn upper_ends(&self, test: &Test) -> bool {
        matches!(self.edges(test), [lower, Some(upper)] if upper == self.at && lower != Some(self.at))
    }

    fn series(&self, kind: KindId) -> &[i64] {
        self.named.get(usize::from(kind.0)).map_or(&[], Vec::as_slice)
    }

    fn age(&self, at: i64) -> i64 {
        self.at.saturating_sub(at)
    }

    fn answer(&self, scores: &[Score]) -> Option<Answer> {
        scores.last().map(|score| Answer {
            age: self.age(score.at),
            score: score.score,
        })
    }

    fn settle_subscriptions(&mut self, at: i64) {
        self.arrived.subscription = true;
        for _ in 0..self.subscriptions.settle(at) {
            // A started subscription counts as an order.
            self.started.push(at);
            let (line, around) = self.line_and_surroundings();
            line.insert(at, around);
        }
    }

    /// Takes in all changes of subscriptions anew, as they stand after a correction.
    fn replay_subscriptions(&mut self, facts: &CustomerFacts<'_>) {
        for at in std::mem::take(&mut self.started) {
            let (line, around) = self.line_and_surroundings();
            line.remove(at, around);
        }
        let known = facts.subscriptions.get(..self.taken.subscriptions);
        let mut known = known.unwrap_or_default().to_vec();
        // Of one instant, the later effective one replaces the former.
        known.sort_by_key(|change| change.at);
        self.subscriptions.reset(facts.subscriptions);
        for (place, change) in known.iter().enumerate() {
            self.subscriptions.apply(change);
            if known.get(place + 1).is_none_or(|next| next.at != change.at) {
                self.settle_subscriptions(change.at);
            }
        }
        // Whether an order ended a lapse depends on the subscriptions before it.
        let (line, around) = self.line_and_surroundings();
        line.anew(around);
    }

    fn take_version(&mut self, version: &OrderVersion) {
        let place = version.order as usize;
        if self.keep_ledger {
            self.book(place, |ledger, at, amount| ledger.remove(at, amount));
        }
        if let Some(order) = self.orders.get_mut(place) {
            order.version = Some(*version);
        }
        if self.keep_ledger {
            self.book(place, Ledger::add);
        }
        self.arrived.order |= self.recount(place);
    }

    fn take_refund(&mut self, refund: &Refund) {
        let place = refund.order as usize;
        let Some(order) = self.orders.get_mut(place) else {
            return;
        };
        let (amount, booked) = (refund.amount.unwrap_or(0), negative(refund.amount));
        if refund.withdrawn {
            order.refunds = order.refunds.saturating_sub(1);
            order.refunded = order.refunded.saturating_sub(amount);
        } else {
            order.refunds += 1;
            order.refunded = order.refunded.saturating_add(amount);
        }
        let paid = order.paid().is_some();
        if self.keep_ledger {
            if !refund.withdrawn {
                self.refunds.push(*refund);
            } else if let Some(place) = self.refunds.iter().position(|known| {
                (known.order, known.at, known.amount) == (refund.order, refund.at, refund.amount)
            }) {
                self.refunds.swap_remove(place);
            }
            if paid {
                match refund.withdrawn {
                    true => self.ledger.remove(refund.at, booked),
                    false => self.ledger.add(refund.at, booked),
                }
                self.arrived.refund_booked = true;
            }
        }
        self.arrived.refund |= self.recount(place);
    }

    /// Books the amount and the known refunds of an order if it is paid.
    fn book(&mut self, place: usize, mut book: impl FnMut(&mut Ledger, i64, Option<Money>)) {
        let Some(order) = self.orders.get(place) else {
            return;
        };
        let Some(version) = order.paid() else { return };
        book(&mut self.ledger, version.placed_at, version.amount);
        if order.refunds > 0 {
            for refund in self
                .refunds
                .iter()
                .filter(|refund| refund.order as usize == place)
            {
                book(&mut self.ledger, refund.at, negative(refund.amount));
            }
        }
    }

    /// Puts the line right for an order; answers whether it changed.
    fn recount(&mut self, place: usize) -> bool {
        let Some(order) = self.orders.get_mut(place) else {
            return false;
        };
        let counts = order.counts();
        let counted = std::mem::replace(&mut order.counted, counts);
        if counts == counted {
            return false;
        }
        let (line, around) = self.line_and_surroundings();
        if let Some(placed_at) = counted {
            line.remove(placed_at, around);
        }
        if let Some(placed_at) = counts {
            line.insert(placed_at, around);
        }
        true
    }

    fn line_and_surroundings(&mut self) -> (&mut OrderLine, Surroundings<'_>) {
        let around = Surroundings {
            model: self.model,
            subscriptions: &self.subscriptions,
            keep_gaps: self.keep_gaps,
            keep_returns: self.keep_returns,
        };
        (&mut self.line, around)
    }
}

impl Facts for Moment<'_> {
    fn window(&self, span: Span) -> i64 {
        self.line.window(span, self.at, self.model)
    }

    fn orders(&self) -> u64 {
        self.line.placed_at().len() as u64
    }

    fn orders_within(&self, length: i64) -> u64 {
        count_after(self.line.placed_at(), self.at.saturating_sub(length))
    }

    fn revenue(&self) -> Option<Money> {
        self.ledger.total()
    }

    fn revenue_within(&self, length: i64) -> Option<Money> {
        self.ledger.total_after(self.at.saturating_sub(length))
    }

    fn count(&self, kind: KindId) -> u64 {
        self.series(kind).len() as u64
    }

    fn count_within(&self, kind: KindId, length: i64) -> u64 {
        count_after(self.series(kind), self.at.saturating_sub(length))
    }

    fn silence(&self) -> Option<i64> {
        self.subscriptions
            .silence_at(self.at, self.line.placed_at().last().copied())
    }

    fn tenure(&self) -> Option<i64> {
        self.line.placed_at().first().map(|first| self.age(*first))
    }

    fn nps(&self) -> Option<Answer> {
        self.answer(&self.nps)
    }

    fn csat(&self) -> Option<Answer> {
        self.answer(&self.csat)
    }

    fn subscription(&self, state: SubscriptionState) -> bool {
        self.subscriptions.state(state)
    }

    fn mrr(&self) -> Option<Money> {
        self.subscriptions.mrr()
    }

    fn mrr_moved(&self) -> Option<(i64, Direction)> {
        self.subscriptions
            .moved()
            .map(|(at, direction)| (self.age(at), direction))
    }

    fn identified(&self) -> bool {
        self.identified_at.is_some()
    }

    fn returned(&self) -> Option<i64> {
        self.line.returned_at().map(|at| self.age(at))
    }

    fn restarted(&self) -> Option<i64> {
        self.subscriptions.restarted_at().map(|at| self.age(at))
    }

    fn closed(&self) -> bool {
        let closing = self
            .model
            .kind(&super::Kind::Closing)
            .and_then(|kind| self.series(kind).last());
        closing.is_some_and(|closed_at| {
            self.line
                .placed_at()
                .last()
                .is_none_or(|order| order <= closed_at)
        })
    }
}

/// The next item of a slice, if it has arrived.
fn next<'a, T>(items: &'a [T], taken: &mut usize, arrived: impl Fn(&T) -> bool) -> Option<&'a T> {
    let item = items.get(*taken).filter(|item| arrived(item))?;
    *taken += 1;
    Some(item)
}

fn count_after(series: &[i64], instant: i64) -> u64 {
    (series.len() - series.partition_point(|at| *at <= instant)) as u64
}

fn negative(amount: Option<Money>) -> Option<Money> {
    amount.map(Money::saturating_neg)
}

/// Puts an answer among those that stand, or takes it out.
fn take_score(scores: &mut Vec<Score>, score: &Score) {
    let place = scores.partition_point(|known| known.at <= score.at);
    if !score.withdrawn {
        scores.insert(place, *score);
    } else if let Some(place) = scores
        .iter()
        .rposition(|known| known.at == score.at && known.score == score.score)
    {
        scores.remove(place);
    }
}
