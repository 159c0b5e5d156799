//! All stages of a customer, and the stage at one moment.

use super::{CustomerFacts, Kind, KindId, Leaf, Rule, StageModel, Test, moment::Moment};

/// A time in one stage: `[entered_at, left_at)`, in UTC microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The stage, by its place in [`StageModel::stages`].
    pub stage: usize,
    /// When the customer entered it.
    pub entered_at: i64,
    /// When the customer left it; `None` for the present stage.
    pub left_at: Option<i64>,
    /// The stage before; `None` for the first.
    pub previous: Option<usize>,
    /// Why the customer entered it.
    pub reason: Reason,
}

/// The fact or the window that changed a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The first sight of the customer.
    FirstSeen,
    /// An order was placed, or changed.
    Order,
    /// A refund.
    Refund,
    /// A change of a subscription.
    Subscription,
    /// A strong identifier became known.
    Identified,
    /// An answer to an NPS survey.
    Nps,
    /// An answer to a CSAT survey.
    Csat,
    /// A named fact.
    Named(KindId),
    /// Another median of the population began to hold.
    Population,
    /// Time passed.
    Window {
        /// The number of the test whose answer that changed.
        test: usize,
        /// Whether it was the upper of the test's two lengths that ended.
        upper: bool,
    },
}

impl StageModel {
    /// A reason in words: `order`, `event "signed_up"`, `silence reached the active window`.
    pub fn describe(&self, reason: Reason) -> String {
        match reason {
            Reason::FirstSeen => "first seen".to_owned(),
            Reason::Order => "order".to_owned(),
            Reason::Refund => "refund".to_owned(),
            Reason::Subscription => "subscription".to_owned(),
            Reason::Identified => "identified".to_owned(),
            Reason::Nps => "nps answer".to_owned(),
            Reason::Csat => "csat answer".to_owned(),
            Reason::Named(kind) => match self.kinds().get(usize::from(kind.0)) {
                Some(Kind::Closing) => "closing".to_owned(),
                Some(Kind::Referral) => "referral".to_owned(),
                Some(Kind::Interaction) => "interaction".to_owned(),
                Some(Kind::Event(name)) => format!("event \"{name}\""),
                Some(Kind::Fact(name)) => format!("fact \"{name}\""),
                Some(Kind::AnyEvent) | None => "event".to_owned(),
            },
            Reason::Population => "the population's median gap changed".to_owned(),
            Reason::Window { test, upper } => match self.leaves.get(test) {
                Some(Leaf { test, .. }) => describe_window(test, upper),
                None => "time passed".to_owned(),
            },
        }
    }
}

/// Evaluates a model for customer after customer, with buffers that are kept. One per thread.
#[derive(Debug)]
pub struct Evaluator<'m> {
    pub(super) model: &'m StageModel,
    pub(super) moment: Moment<'m>,
    /// The answers of all tests now, and before the last step.
    answers: Vec<bool>,
    before: Vec<bool>,
}

impl<'m> Evaluator<'m> {
    /// An evaluator of a model.
    pub fn new(model: &'m StageModel) -> Self {
        Self {
            model,
            moment: Moment::new(model),
            answers: Vec::new(),
            before: Vec::new(),
        }
    }

    /// Appends the intervals of a customer to `intervals`: from first_seen_at to `now`, without gaps or overlaps,
    /// neighbours in different stages, the last one open. Facts after `now` are not looked at; a customer first seen
    /// after `now` has no interval.
    ///
    /// Gives the first instant after `now` at which the history will have another interval if nothing but `facts`, those
    /// after `now` among them, becomes known; `None` when the last interval stays open for ever.
    ///
    /// Costs one evaluation of all tests for every fact that arrives and every window that runs out.
    pub fn history(
        &mut self,
        facts: &CustomerFacts<'_>,
        now: i64,
        intervals: &mut Vec<Interval>,
    ) -> Option<i64> {
        let mut at = facts.first_seen_at;
        let mut open: Option<Interval> = None;
        self.moment.reset(facts);
        let next_change = loop {
            self.moment.advance(facts, at);
            let next_expiry = self.answer();
            let answers = &self.answers;
            let stage = self
                .model
                .first(|leaf| answers.get(leaf).copied().unwrap_or(false));
            if at > now && open.is_none_or(|interval| interval.stage != stage) {
                break Some(at);
            }
            match &mut open {
                Some(interval) if interval.stage == stage => {}
                Some(interval) => {
                    interval.left_at = Some(at);
                    let previous = interval.stage;
                    intervals.push(*interval);
                    let reason = self.reason(previous, stage);
                    open = Some(Interval {
                        stage,
                        entered_at: at,
                        left_at: None,
                        previous: Some(previous),
                        reason,
                    });
                }
                None => {
                    let reason = Reason::FirstSeen;
                    open = Some(Interval {
                        stage,
                        entered_at: at,
                        left_at: None,
                        previous: None,
                        reason,
                    });
                }
            }
            let next = [
                self.moment.next_arrival(facts),
                next_expiry,
                self.moment.next_population_change(),
            ];
            match next.into_iter().flatten().min() {
                Some(next) => at = next,
                None => break None,
            }
        };
        intervals.extend(open);
        next_change
    }

    /// The stage at an instant, decided by the rules on the facts at or before it; `None` before first_seen_at.
    pub fn stage_at(&mut self, facts: &CustomerFacts<'_>, at: i64) -> Option<usize> {
        if at < facts.first_seen_at {
            return None;
        }
        self.moment.reset(facts);
        self.moment.advance(facts, at);
        Some(self.model.stage_of(&self.moment))
    }

    /// Answers all tests; gives the next instant at which an answer may change by itself.
    fn answer(&mut self) -> Option<i64> {
        std::mem::swap(&mut self.answers, &mut self.before);
        self.answers.clear();
        let mut next: Option<i64> = None;
        for leaf in &self.model.leaves {
            self.answers.push(leaf.test.holds(leaf.kind, &self.moment));
            next = [next, self.moment.deadline(leaf)].into_iter().flatten().min();
        }
        next
    }

    /// Why the stage changed: the first test of the deciding rule whose answer did, and what changed that.
    fn reason(&self, previous: usize, stage: usize) -> Reason {
        // A rule above the former one began to hold, or the former one ceased to.
        let (rule, began) = (previous.min(stage), stage < previous);
        let answer = |answers: &[bool], leaf: usize| answers.get(leaf).copied().unwrap_or(false);
        let changed =
            |leaf: usize| answer(&self.answers, leaf) == began && answer(&self.before, leaf) != began;
        let changed = self
            .model
            .rules
            .get(rule)
            .and_then(|rule: &Rule| rule.find(&changed));
        match changed.and_then(|at| self.model.leaves.get(at).map(|leaf| (at, leaf))) {
            Some((at, leaf)) => self.reason_of(at, leaf),
            None => Reason::Population,
        }
    }

    fn reason_of(&self, at: usize, leaf: &Leaf) -> Reason {
        let moment = &self.moment;
        let arrived = moment.arrived();
        let time = || {
            if moment.population_now() {
                Reason::Population
            } else {
                Reason::Window {
                    test: at,
                    upper: moment.upper_ends(&leaf.test),
                }
            }
        };
        let by_orders = || {
            let by = [
                (arrived.order, Reason::Order),
                (arrived.subscription, Reason::Subscription),
                (arrived.refund, Reason::Refund),
            ];
            by.into_iter()
                .find(|(arrived, _)| *arrived)
                .map(|(_, reason)| reason)
        };
        let if_now = |now: bool, reason: Reason| if now { Some(reason) } else { None };
        let fact = match &leaf.test {
            Test::Orders(_) | Test::OrdersWithin(..) | Test::Silence(_) | Test::Tenure(_) => by_orders(),
            Test::ReturnedWithin(_) => by_orders(),
            Test::Closed(_) => {
                if_now(moment.named_now(leaf.kind), Reason::Named(leaf.kind)).or_else(by_orders)
            }
            Test::Revenue(_) | Test::RevenueWithin(..) => {
                by_orders().or(if_now(arrived.refund_booked, Reason::Refund))
            }
            Test::Count(..) | Test::CountWithin(..) => {
                if_now(moment.named_now(leaf.kind), Reason::Named(leaf.kind))
            }
            Test::NpsLatest(..) => if_now(arrived.nps, Reason::Nps),
            Test::CsatLatest(..) => if_now(arrived.csat, Reason::Csat),
            Test::Subscription(_) | Test::Mrr(_) | Test::MrrMovedWithin(..) | Test::RestartedWithin(_) => {
                if_now(arrived.subscription, Reason::Subscription)
            }
            Test::Identified(_) => if_now(moment.identified_now(), Reason::Identified),
        };
        fact.unwrap_or_else(|| match &leaf.test {
            // Without a length to run out of, a change of an order's amount is all that is left.
            Test::Revenue(_) => Reason::Order,
            _ => time(),
        })
    }
}

/// The intervals of one customer; see [`Evaluator::history`].
pub fn history(model: &StageModel, facts: &CustomerFacts<'_>, now: i64) -> Vec<Interval> {
    let mut intervals = Vec::new();
    Evaluator::new(model).history(facts, now, &mut intervals);
    intervals
}

/// The stage of one customer at an instant; see [`Evaluator::stage_at`].
pub fn stage_at(model: &StageModel, facts: &CustomerFacts<'_>, at: i64) -> Option<usize> {
    Evaluator::new(model).stage_at(facts, at)
}

fn describe_window(test: &Test, upper: bool) -> String {
    let fact = test.fact();
    let (first, second) = test.spans().into();
    let Some(span) = (if upper { second } else { first }).or(second) else {
        return format!("{fact} changed");
    };
    match test {
        Test::Silence(_) | Test::Tenure(_) => format!("{fact} reached {span}"),
        Test::ReturnedWithin(bounds) | Test::RestartedWithin(bounds)
            if !upper && bounds.lower().is_some() =>
        {
            format!("{fact} reached {span}")
        }
        Test::CountWithin(Kind::Fact(_) | Kind::Closing, ..) => format!("{fact} within {span} ran out"),
        Test::CountWithin(Kind::Event(name), ..) => format!("event \"{name}\" within {span} ran out"),
        _ => format!("{fact} {span} ran out"),
    }
}
