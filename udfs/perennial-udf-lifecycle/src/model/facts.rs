//! What is known about one customer, and what of it a rule can ask for at a moment.

use super::condition::{Direction, Span, SubscriptionState};

/// An amount in ten-thousandths of the reporting currency, as `numeric(18,4)` stores it.
pub type Money = i128;

/// All facts of one customer. Instants are UTC microseconds; every slice is sorted by the instant that its item's
/// documentation names first, `effective_at` for all of them; of items at one instant, the later in the slice is the newer.
///
/// What was corrected later was known as it was until then: a correction withdraws the former version and gives the new one,
/// both effective when the correction was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct CustomerFacts<'a> {
    /// When the customer was first seen: before it the customer is in no stage.
    pub first_seen_at: i64,
    /// When the first strong identifier arrived.
    pub identified_at: Option<i64>,
    /// The versions of the customer's orders.
    pub orders: &'a [OrderVersion],
    /// The refunds of these orders.
    pub refunds: &'a [Refund],
    /// The change log of the customer's subscriptions.
    pub subscriptions: &'a [SubscriptionChange],
    /// Answers to NPS surveys.
    pub nps: &'a [Score],
    /// Answers to CSAT surveys.
    pub csat: &'a [Score],
    /// Closings, referrals, interactions and events. Kinds that the model does not ask for are passed over.
    pub named: &'a [NamedFact],
}

/// A version of an order. It holds from `effective_at` until the order's next version; an order that never changed
/// has one version, effective when it was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderVersion {
    /// From when on this version holds; not before `placed_at`.
    pub effective_at: i64,
    /// The order, counted from 0 within the customer without gaps.
    pub order: u32,
    /// When the order was placed.
    pub placed_at: i64,
    /// Its amount, unknown without a rate for its currency.
    pub amount: Option<Money>,
    /// Whether its status is one that counts.
    pub paid: bool,
}

impl OrderVersion {
    /// The only version of an order, effective when it was placed.
    pub fn only(order: u32, placed_at: i64, amount: Option<Money>, paid: bool) -> Self {
        Self {
            effective_at: placed_at,
            order,
            placed_at,
            amount,
            paid,
        }
    }
}

/// A refund. An order whose refunds reach its amount does not count from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refund {
    /// From when on this is known: when it was made, or corrected.
    pub effective_at: i64,
    /// Whether this takes back the equal refund given before, instead of adding one.
    pub withdrawn: bool,
    /// When it was made.
    pub at: i64,
    /// The order, numbered as in [`OrderVersion::order`].
    pub order: u32,
    /// Its amount; one that is unknown makes the revenue unknown and no order void.
    pub amount: Option<Money>,
}

/// A change of a subscription. Of two of one subscription and `at`, the later effective one replaces the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// From when on this is known: when it took effect, or was corrected.
    pub effective_at: i64,
    /// When it took effect.
    pub at: i64,
    /// The subscription, counted from 0 within the customer without gaps.
    pub subscription: u32,
    /// Monthly recurring revenue from now on; 0 ends it. `None` is an amount that no rate converts: it runs.
    pub mrr: Option<Money>,
    /// How it runs.
    pub status: SubscriptionStatus,
}

/// How a subscription runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SubscriptionStatus {
    /// Paid for, or ended when its MRR is 0.
    #[default]
    Paying,
    /// Paid for, and late.
    PastDue,
    /// Not paid for yet, whatever its MRR: no order, and no end of silence.
    Trial,
    /// Ended, whatever MRR it had.
    Ended,
}

/// An answer to a survey.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// From when on this is known: when it was given, or corrected.
    pub effective_at: i64,
    /// Whether this takes back the equal answer given before.
    pub withdrawn: bool,
    /// When it was given.
    pub at: i64,
    /// The score.
    pub score: f64,
}

/// A fact that has only a kind and an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedFact {
    /// From when on this is known: when it happened, or was corrected.
    pub effective_at: i64,
    /// Whether this takes back the equal fact given before.
    pub withdrawn: bool,
    /// When it happened.
    pub at: i64,
    /// Its kind, as the model numbers it (`StageModel::kind`).
    pub kind: KindId,
}

impl Refund {
    /// A refund that was never corrected.
    pub fn only(at: i64, order: u32, amount: Option<Money>) -> Self {
        Self {
            effective_at: at,
            withdrawn: false,
            at,
            order,
            amount,
        }
    }
}

impl SubscriptionChange {
    /// A change that was never corrected.
    pub fn only(at: i64, subscription: u32, mrr: Option<Money>, status: SubscriptionStatus) -> Self {
        Self {
            effective_at: at,
            at,
            subscription,
            mrr,
            status,
        }
    }
}

impl Score {
    /// An answer that was never corrected.
    pub fn only(at: i64, score: f64) -> Self {
        Self {
            effective_at: at,
            withdrawn: false,
            at,
            score,
        }
    }
}

impl NamedFact {
    /// A fact that was never corrected.
    pub fn only(at: i64, kind: KindId) -> Self {
        Self {
            effective_at: at,
            withdrawn: false,
            at,
            kind,
        }
    }
}

/// The number of a kind of facts in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct KindId(pub u16);

/// What rules can ask for at a moment. There is one evaluator, and this is all that it sees; a sweep over a customer's
/// facts answers it, and so do columns in which somebody counted the facts already.
///
/// Lengths and ages are in microseconds.
pub trait Facts {
    /// The length of a span at this moment.
    fn window(&self, span: Span) -> i64;
    /// Orders that count.
    fn orders(&self) -> u64;
    /// Orders that count, placed less than `length` ago.
    fn orders_within(&self, length: i64) -> u64;
    /// Amounts of paid orders less their refunds, if all are known.
    fn revenue(&self) -> Option<Money>;
    /// Amounts of paid orders placed, less refunds made, less than `length` ago, if all are known.
    fn revenue_within(&self, length: i64) -> Option<Money>;
    /// Facts of a kind.
    fn count(&self, kind: KindId) -> u64;
    /// Facts of a kind less than `length` ago.
    fn count_within(&self, kind: KindId, length: i64) -> u64;
    /// Time since the last order or the last moment of a paying subscription; zero while one runs.
    fn silence(&self) -> Option<i64>;
    /// Time since the first order.
    fn tenure(&self) -> Option<i64>;
    /// The latest NPS answer.
    fn nps(&self) -> Option<Answer>;
    /// The latest CSAT answer.
    fn csat(&self) -> Option<Answer>;
    /// Whether the subscriptions are in this state.
    fn subscription(&self, state: SubscriptionState) -> bool;
    /// Monthly recurring revenue, if all of it is known.
    fn mrr(&self) -> Option<Money>;
    /// How long ago, and where, the MRR of the then paying customer last went.
    fn mrr_moved(&self) -> Option<(i64, Direction)>;
    /// Whether a strong identifier is known.
    fn identified(&self) -> bool;
    /// How long ago an order last ended a lapse.
    fn returned(&self) -> Option<i64>;
    /// How long ago a subscription last started after a time without one.
    fn restarted(&self) -> Option<i64>;
    /// Whether the relationship was ended, and no order came after it.
    fn closed(&self) -> bool;
}

/// An answer to a survey, seen from a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// How long ago it was given.
    pub age: i64,
    /// The score.
    pub score: f64,
}
