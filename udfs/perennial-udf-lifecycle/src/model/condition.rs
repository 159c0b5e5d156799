//! The language of stage rules: conditions on facts, joined by AND and OR.

use std::{
    ops::{Bound, RangeBounds},
    time::Duration,
};

use super::facts::{Answer, Facts, KindId, Money};

/// Microseconds, the unit of every instant and length in the model.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A length of `days` days of 24 hours each.
pub const fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

/// What must hold for a stage.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// Every one of them; nothing to fulfil when empty.
    All(Vec<Self>),
    /// At least one of them.
    Any(Vec<Self>),
    /// One fact.
    Test(Test),
}

impl Condition {
    /// Whether everybody fulfils it.
    pub(crate) fn empty(&self) -> bool {
        matches!(self, Self::All(conditions) if conditions.iter().all(Self::empty))
    }
}

impl From<Test> for Condition {
    fn from(test: Test) -> Self {
        Self::Test(test)
    }
}

/// A fact, compared with a bound. A fact that is unknown (the latest NPS answer of somebody who was never asked, the
/// silence of somebody who never ordered, a revenue with an amount that no rate converts) fulfils no comparison.
///
/// "Within" a length means less than that length ago: a fact at instant *f* counts in `[f, f + length)`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Test {
    /// Orders that count, ever.
    Orders(Bounds<u64>),
    /// Orders that count, placed within a length.
    OrdersWithin(Span, Bounds<u64>),
    /// Amounts of paid orders less their refunds, ever.
    Revenue(Bounds<Money>),
    /// Amounts of paid orders placed, less refunds made, within a length.
    RevenueWithin(Span, Bounds<Money>),
    /// Facts of a kind, ever.
    Count(Kind, Bounds<u64>),
    /// Facts of a kind within a length.
    CountWithin(Kind, Span, Bounds<u64>),
    /// Time since the last order that counts, or since the last moment of a paying subscription; zero while one runs.
    Silence(Bounds<Span>),
    /// Time since the first order that counts.
    Tenure(Bounds<Span>),
    /// The latest NPS score, if given within the length.
    NpsLatest(Option<Span>, Bounds<f64>),
    /// The latest CSAT score, if given within the length.
    CsatLatest(Option<Span>, Bounds<f64>),
    /// The state of the customer's subscriptions together.
    Subscription(SubscriptionState),
    /// Monthly recurring revenue of all subscriptions; zero without one.
    Mrr(Bounds<Money>),
    /// The latest change of a paying customer's MRR went in this direction, within the length.
    MrrMovedWithin(Direction, Span),
    /// Whether a strong identifier is known.
    Identified(bool),
    /// Time since an order last ended a silence that had reached the lapse window.
    ReturnedWithin(Bounds<Span>),
    /// Time since a subscription last started after a time in which a former one had ended.
    RestartedWithin(Bounds<Span>),
    /// A closing fact with no later order.
    Closed(bool),
}

impl Test {
    /// The fact's name in the configuration.
    pub fn fact(&self) -> &str {
        match self {
            Self::Count(Kind::Fact(name), _) | Self::CountWithin(Kind::Fact(name), ..) => name,
            Self::Count(Kind::Closing, _) | Self::CountWithin(Kind::Closing, ..) => "closing",
            Self::Orders(_) => "orders",
            Self::OrdersWithin(..) => "orders_within",
            Self::Revenue(_) => "revenue",
            Self::RevenueWithin(..) => "revenue_within",
            Self::Count(Kind::Referral, _) => "referrals",
            Self::Count(Kind::Interaction, _) => "interactions",
            Self::Count(..) => "events",
            Self::CountWithin(Kind::Referral, ..) => "referrals_within",
            Self::CountWithin(Kind::Interaction, ..) => "interactions_within",
            Self::CountWithin(..) => "events_within",
            Self::Silence(_) => "silence",
            Self::Tenure(_) => "tenure",
            Self::NpsLatest(..) => "nps_latest",
            Self::CsatLatest(..) => "csat_latest",
            Self::Subscription(_) => "subscription",
            Self::Mrr(_) => "mrr",
            Self::MrrMovedWithin(..) => "mrr_moved_within",
            Self::Identified(_) => "identified",
            Self::ReturnedWithin(_) => "returned_within",
            Self::RestartedWithin(_) => "restarted_within",
            Self::Closed(_) => "closed",
        }
    }

    pub(crate) fn kind(&self) -> Option<&Kind> {
        match self {
            Self::Count(kind, _) | Self::CountWithin(kind, ..) => Some(kind),
            Self::Closed(_) => Some(&Kind::Closing),
            _ => None,
        }
    }

    /// The lengths that the test compares with, for the search of the moment at which its answer may change.
    pub(crate) fn spans(&self) -> [Option<Span>; 2] {
        match self {
            Self::OrdersWithin(span, _)
            | Self::RevenueWithin(span, _)
            | Self::CountWithin(_, span, _)
            | Self::MrrMovedWithin(_, span) => [Some(*span), None],
            Self::NpsLatest(span, _) | Self::CsatLatest(span, _) => [*span, None],
            Self::Silence(bounds)
            | Self::Tenure(bounds)
            | Self::ReturnedWithin(bounds)
            | Self::RestartedWithin(bounds) => [bounds.lower(), bounds.upper()],
            _ => [None, None],
        }
    }

    /// Whether the test holds. `kind` is the number of the test's kind of fact, if it has one.
    pub(crate) fn holds(&self, kind: KindId, facts: &impl Facts) -> bool {
        let within = |age: Option<i64>, span: Span| age.is_some_and(|age| age < facts.window(span));
        let answered = |answer: Option<Answer>, span: Option<Span>, bounds: &Bounds<f64>| {
            answer.is_some_and(|answer| {
                span.is_none_or(|span| answer.age < facts.window(span)) && bounds.contains(&answer.score)
            })
        };
        let lasting = |length: Option<i64>, bounds: &Bounds<Span>| {
            length.is_some_and(|length| {
                bounds.lower().is_none_or(|span| length >= facts.window(span))
                    && bounds.upper().is_none_or(|span| length < facts.window(span))
            })
        };
        match self {
            Self::Orders(bounds) => bounds.contains(&facts.orders()),
            Self::OrdersWithin(span, bounds) => bounds.contains(&facts.orders_within(facts.window(*span))),
            Self::Revenue(bounds) => facts.revenue().is_some_and(|revenue| bounds.contains(&revenue)),
            Self::RevenueWithin(span, bounds) => facts
                .revenue_within(facts.window(*span))
                .is_some_and(|revenue| bounds.contains(&revenue)),
            Self::Count(_, bounds) => bounds.contains(&facts.count(kind)),
            Self::CountWithin(_, span, bounds) => {
                bounds.contains(&facts.count_within(kind, facts.window(*span)))
            }
            Self::Silence(bounds) => lasting(facts.silence(), bounds),
            Self::Tenure(bounds) => lasting(facts.tenure(), bounds),
            Self::NpsLatest(span, bounds) => answered(facts.nps(), *span, bounds),
            Self::CsatLatest(span, bounds) => answered(facts.csat(), *span, bounds),
            Self::Subscription(state) => facts.subscription(*state),
            Self::Mrr(bounds) => facts.mrr().is_some_and(|mrr| bounds.contains(&mrr)),
            Self::MrrMovedWithin(direction, span) => facts
                .mrr_moved()
                .is_some_and(|(age, moved)| moved == *direction && within(Some(age), *span)),
            Self::Identified(identified) => facts.identified() == *identified,
            Self::ReturnedWithin(bounds) => lasting(facts.returned(), bounds),
            Self::RestartedWithin(bounds) => lasting(facts.restarted(), bounds),
            Self::Closed(closed) => facts.closed() == *closed,
        }
    }
}

/// A named kind of facts that the model counts or looks for. One record may be facts of several kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The relationship was ended (`closing` of `[lifecycle.facts]`).
    Closing,
    /// The customer brought somebody (`referral` of `[lifecycle.facts]`).
    Referral,
    /// A contact with the business, of source kind `interaction`.
    Interaction,
    /// An event of this name.
    Event(String),
    /// An event, whatever its name.
    AnyEvent,
    /// A fact of this name in `[lifecycle.facts]`.
    Fact(String),
}

impl Kind {
    /// The kind of a fact of `[lifecycle.facts]`.
    pub fn of_fact(name: &str) -> Self {
        match name {
            "closing" => Self::Closing,
            "referral" => Self::Referral,
            own => Self::Fact(own.to_owned()),
        }
    }

    /// The name in `[lifecycle.facts]` by which rows become facts of a built-in kind, if it is needed for any.
    pub(crate) fn mapped_as(&self) -> Option<&'static str> {
        match self {
            Self::Closing => Some("closing"),
            Self::Referral => Some("referral"),
            _ => None,
        }
    }
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The model's active window.
    Active,
    /// The model's lapse window.
    Lapse,
    /// This long.
    Lasting(Duration),
}

/// What the subscriptions of a customer amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// At least one is paid for, be it late.
    Active,
    /// At least one is paid for, and at least one of those is past due.
    PastDue,
    /// None is paid for, and at least one is on trial.
    Trial,
    /// One was paid for once, and none runs.
    Ended,
}

/// Where the MRR of a paying customer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Up.
    Expansion,
    /// Down, and not to zero.
    Contraction,
}

/// The bounds of a comparison. Lengths of time are half-open whatever the bound says: `at least` begins at the very
/// moment at which `at most` ends, because a customer whose silence reaches a window has left it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds<T> {
    lower: Bound<T>,
    upper: Bound<T>,
}

impl<T: Copy> Bounds<T> {
    /// From `lower` to `upper`.
    pub const fn new(lower: Bound<T>, upper: Bound<T>) -> Self {
        Self { lower, upper }
    }

    /// `value` or more.
    pub const fn at_least(value: T) -> Self {
        Self::new(Bound::Included(value), Bound::Unbounded)
    }

    /// `value` or less.
    pub const fn at_most(value: T) -> Self {
        Self::new(Bound::Unbounded, Bound::Included(value))
    }

    /// Less than `value`.
    pub const fn less_than(value: T) -> Self {
        Self::new(Bound::Unbounded, Bound::Excluded(value))
    }

    /// `value` itself.
    pub const fn equal_to(value: T) -> Self {
        Self::new(Bound::Included(value), Bound::Included(value))
    }

    fn contains(&self, value: &T) -> bool
    where
        T: PartialOrd,
    {
        (self.lower, self.upper).contains(value)
    }

    pub(crate) fn lower(&self) -> Option<T> {
        edge(self.lower)
    }

    pub(crate) fn upper(&self) -> Option<T> {
        edge(self.upper)
    }

    /// Both bounds.
    pub(crate) fn edges(&self) -> (Bound<T>, Bound<T>) {
        (self.lower, self.upper)
    }
}

fn edge<T>(bound: Bound<T>) -> Option<T> {
    match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value),
        Bound::Unbounded => None,
    }
}
