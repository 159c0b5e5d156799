//! What a conjunction of tests allows of each quantity.

use std::ops::Bound;

use crate::model::{
    Bounds, Direction, Kind, Money, Span, SubscriptionState, Test, Window, Windows, condition::micros,
};

/// Something that a test asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Quantity {
    Orders,
    OrdersWithin(Span),
    Revenue,
    RevenueWithin(Span),
    Count(Kind),
    CountWithin(Kind, Span),
    Silence,
    Tenure,
    Returned,
    Restarted,
    NpsScore,
    NpsAge,
    CsatScore,
    CsatAge,
    Subscription,
    Mrr,
    MrrDirection,
    MrrMovedAge,
    Identified,
    Closed,
}

/// The values of a quantity that are allowed; the quantity is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Range {
    /// Whole numbers, both ends included: counts, and amounts in ten-thousandths.
    Whole(i128, i128),
    /// Scores.
    Score(Bound<f64>, Bound<f64>),
    /// Not below any of the first, and below all of the second. Windows that adapt have no order that is known for every
    /// customer, so all bounds are kept.
    Length(Vec<Span>, Vec<Span>),
    /// A bit for each value.
    Set(u8),
}

pub(super) const PAID: u8 = 1;
pub(super) const LATE: u8 = 2;
const TRIAL: u8 = 4;
const ENDED: u8 = 8;
const NEVER: u8 = 16;
pub(super) const ANY_SUBSCRIPTION: u8 = PAID | LATE | TRIAL | ENDED | NEVER;
pub(super) const NO: u8 = 1;
pub(super) const YES: u8 = 2;
const MICROSECOND: Span = Span::Lasting(std::time::Duration::from_micros(1));
/// How often what follows from what follows is looked at.
const ROUNDS: usize = 4;

/// What is so for every customer: how lengths of time compare, and which facts nobody has.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// The shortest and the longest that the windows can be.
    active: (i64, i64),
    lapse: (i64, i64),
    /// Whether the lapse window is never shorter than the active one, as the configuration demands.
    ordered: bool,
    /// Kinds of facts that no row is mapped to.
    unmapped: Vec<Kind>,
}

impl World {
    pub(super) fn of(windows: &Windows, unmapped: &[Kind]) -> Self {
        let range = |window: &Window| match window {
            Window::Fixed(length) => (micros(*length), micros(*length)),
            Window::Adaptive { min, max, .. } => (micros(*min), micros(*max)),
        };
        let ordered = match (&windows.active, &windows.lapse) {
            (
                Window::Adaptive {
                    gap_multiple: active,
                    min,
                    max,
                },
                Window::Adaptive {
                    gap_multiple: lapse,
                    min: lapse_min,
                    max: lapse_max,
                },
            ) => active <= lapse && min <= lapse_min && max <= lapse_max,
            (active, lapse) => range(active).1 <= range(lapse).0,
        };
        Self {
            active: range(&windows.active),
            lapse: range(&windows.lapse),
            ordered,
            unmapped: unmapped.to_vec(),
        }
    }

    /// Whether nobody has a fact of this kind.
    pub(super) fn lacks(&self, kind: &Kind) -> bool {
        self.unmapped.contains(kind)
    }

    fn range(&self, span: Span) -> (i64, i64) {
        match span {
            Span::Active => self.active,
            Span::Lapse => self.lapse,
            Span::Lasting(length) => (micros(length), micros(length)),
        }
    }

    /// The length of a span that is the same for every customer.
    pub(super) fn fixed(&self, span: Span) -> Option<i64> {
        let (shortest, longest) = self.range(span);
        (shortest == longest).then_some(shortest)
    }

    /// Whether the first is never longer than the second.
    fn at_most(&self, first: Span, second: Span) -> bool {
        first == second
            || (self.ordered && (first, second) == (Span::Active, Span::Lapse))
            || self.range(first).1 <= self.range(second).0
    }
}

impl Range {
    fn counts(bounds: &Bounds<u64>) -> Self {
        let (low, high) = whole(bounds.edges(), i128::from);
        Self::Whole(low.max(0), high)
    }

    fn amounts(bounds: &Bounds<Money>) -> Self {
        let (low, high) = whole(bounds.edges(), |amount| amount);
        Self::Whole(low, high)
    }

    fn lengths(low: Option<Span>, high: Option<Span>) -> Self {
        Self::Length(low.into_iter().collect(), high.into_iter().collect())
    }

    fn and(&mut self, other: &Self) {
        match (self, other) {
            (Self::Whole(low, high), Self::Whole(other_low, other_high)) => {
                *low = (*low).max(*other_low);
                *high = (*high).min(*other_high);
            }
            (Self::Score(low, high), Self::Score(other_low, other_high)) => {
                if tighter(*other_low, *low, |a, b| a > b) {
                    *low = *other_low;
                }
                if tighter(*other_high, *high, |a, b| a < b) {
                    *high = *other_high;
                }
            }
            (Self::Length(lows, highs), Self::Length(other_lows, other_highs)) => {
                for (spans, others) in [(lows, other_lows), (highs, other_highs)] {
                    for span in others {
                        if !spans.contains(span) {
                            spans.push(*span);
                        }
                    }
                }
            }
            (Self::Set(set), Self::Set(other)) => *set &= other,
            _ => {}
        }
    }

    fn empty(&self, world: &World) -> bool {
        match self {
            Self::Whole(low, high) => low > high,
            Self::Score(low, high) => match (low, high) {
                (Bound::Included(low), Bound::Included(high)) => low > high,
                (
                    Bound::Included(low) | Bound::Excluded(low),
                    Bound::Included(high) | Bound::Excluded(high),
                ) => low >= high,
                _ => false,
            },
            Self::Length(lows, highs) => highs
                .iter()
                .any(|high| world.range(*high).1 <= 0 || lows.iter().any(|low| world.at_most(*high, *low))),
            Self::Set(set) => *set == 0,
        }
    }

    /// Whether every value of this range is in the other.
    fn within(&self, other: &Self, world: &World) -> bool {
        match (self, other) {
            (Self::Whole(low, high), Self::Whole(other_low, other_high)) => {
                low >= other_low && high <= other_high
            }
            (Self::Score(low, high), Self::Score(other_low, other_high)) => {
                !tighter(*other_low, *low, |a, b| a > b) && !tighter(*other_high, *high, |a, b| a < b)
            }
            (Self::Length(lows, highs), Self::Length(other_lows, other_highs)) => {
                reached(lows, other_lows, world)
                    && other_highs
                        .iter()
                        .all(|other| highs.iter().any(|high| world.at_most(*high, *other)))
            }
            (Self::Set(set), Self::Set(other)) => set & !other == 0,
            _ => false,
        }
    }
}

/// Whether a length that is not below `lows` is not below `others` either.
fn reached(lows: &[Span], others: &[Span], world: &World) -> bool {
    others
        .iter()
        .all(|other| world.range(*other).1 <= 0 || lows.iter().any(|low| world.at_most(*other, *low)))
}

pub(super) fn whole<T>((low, high): (Bound<T>, Bound<T>), number: impl Fn(T) -> i128) -> (i128, i128) {
    let low = match low {
        Bound::Included(low) => number(low),
        Bound::Excluded(low) => number(low).saturating_add(1),
        Bound::Unbounded => i128::MIN,
    };
    let high = match high {
        Bound::Included(high) => number(high),
        Bound::Excluded(high) => number(high).saturating_sub(1),
        Bound::Unbounded => i128::MAX,
    };
    (low, high)
}

/// Whether a bound allows less than another; `beyond` says which way.
fn tighter(bound: Bound<f64>, than: Bound<f64>, beyond: impl Fn(f64, f64) -> bool) -> bool {
    match (bound, than) {
        (Bound::Unbounded, _) => false,
        (_, Bound::Unbounded) => true,
        (Bound::Excluded(a), Bound::Included(b)) => a == b || beyond(a, b),
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => beyond(a, b),
    }
}

/// What is allowed of each quantity; of others, anything is.
#[derive(Debug, Clone, Default)]
pub(super) struct Region {
    /// What the tests say.
    written: Vec<(Quantity, Range)>,
    /// The same, with what follows from it.
    allowed: Vec<(Quantity, Range)>,
}

impl Region {
    /// What the tests allow together, and what follows from it.
    pub(super) fn of(tests: &[&Test], world: &World) -> Self {
        let mut region = Self::default();
        for test in tests {
            region.test(test);
        }
        region.written = region.allowed.clone();
        region.conclude(world);
        region
    }

    /// This region, as far as the quantities are also in these ranges.
    pub(super) fn narrowed(&self, ranges: &[(Quantity, Range)], world: &World) -> Self {
        let mut region = self.clone();
        for (quantity, range) in ranges {
            region.allow(quantity.clone(), range.clone());
        }
        region.conclude(world);
        region
    }

    /// What the tests say.
    pub(super) fn written(&self) -> &[(Quantity, Range)] {
        &self.written
    }

    /// What is allowed of a quantity; `None` when it may be anything, or unknown.
    pub(super) fn allowed(&self, quantity: &Quantity, world: &World) -> Option<Range> {
        self.get(quantity).cloned().or_else(|| known(quantity, world))
    }

    pub(super) fn empty(&self, world: &World) -> bool {
        self.allowed.iter().any(|(_, range)| range.empty(world))
    }

    /// Whether everybody in this region is in the other.
    pub(super) fn within(&self, other: &Self, world: &World) -> bool {
        other
            .written
            .iter()
            .all(|(quantity, range)| self.implies(quantity, range, world))
    }

    fn implies(&self, quantity: &Quantity, range: &Range, world: &World) -> bool {
        let Some(mut own) = self.allowed(quantity, world) else {
            return false;
        };
        if let Some(more) = self.counted(quantity, world) {
            own.and(&more);
        }
        own.within(range, world)
    }

    fn get(&self, quantity: &Quantity) -> Option<&Range> {
        self.allowed
            .iter()
            .find(|(known, _)| known == quantity)
            .map(|(_, range)| range)
    }

    fn allow(&mut self, quantity: Quantity, range: Range) {
        match self.allowed.iter_mut().find(|(known, _)| *known == quantity) {
            Some((_, known)) => known.and(&range),
            None => self.allowed.push((quantity, range)),
        }
    }

    fn test(&mut self, test: &Test) {
        use Quantity as Q;
        match test {
            Test::Orders(bounds) => self.allow(Q::Orders, Range::counts(bounds)),
            Test::OrdersWithin(span, bounds) => self.allow(Q::OrdersWithin(*span), Range::counts(bounds)),
            Test::Revenue(bounds) => self.allow(Q::Revenue, Range::amounts(bounds)),
            Test::RevenueWithin(span, bounds) => {
                self.allow(Q::RevenueWithin(*span), Range::amounts(bounds));
            }
            Test::Count(kind, bounds) => self.allow(Q::Count(kind.clone()), Range::counts(bounds)),
            Test::CountWithin(kind, span, bounds) => {
                self.allow(Q::CountWithin(kind.clone(), *span), Range::counts(bounds));
            }
            Test::Silence(bounds) => self.span(Q::Silence, bounds),
            Test::Tenure(bounds) => self.span(Q::Tenure, bounds),
            Test::ReturnedWithin(bounds) => self.span(Q::Returned, bounds),
            Test::RestartedWithin(bounds) => self.span(Q::Restarted, bounds),
            Test::NpsLatest(span, bounds) => self.score(Q::NpsScore, Q::NpsAge, *span, bounds),
            Test::CsatLatest(span, bounds) => self.score(Q::CsatScore, Q::CsatAge, *span, bounds),
            Test::Subscription(state) => {
                let set = match state {
                    SubscriptionState::Active => PAID | LATE,
                    SubscriptionState::PastDue => LATE,
                    SubscriptionState::Trial => TRIAL,
                    SubscriptionState::Ended => ENDED,
                };
                self.allow(Q::Subscription, Range::Set(set));
            }
            Test::Mrr(bounds) => self.allow(Q::Mrr, Range::amounts(bounds)),
            Test::MrrMovedWithin(direction, span) => {
                let set = match direction {
                    Direction::Expansion => YES,
                    Direction::Contraction => NO,
                };
                self.allow(Q::MrrDirection, Range::Set(set));
                self.allow(Q::MrrMovedAge, Range::lengths(None, Some(*span)));
            }
            Test::Identified(truth) => self.allow(Q::Identified, Range::Set(if *truth { YES } else { NO })),
            Test::Closed(truth) => self.allow(Q::Closed, Range::Set(if *truth { YES } else { NO })),
        }
    }

    fn span(&mut self, quantity: Quantity, bounds: &Bounds<Span>) {
        self.allow(quantity, Range::lengths(bounds.lower(), bounds.upper()));
    }

    fn score(&mut self, score: Quantity, age: Quantity, within: Option<Span>, bounds: &Bounds<f64>) {
        let (low, high) = bounds.edges();
        self.allow(score, Range::Score(low, high));
        self.allow(age, Range::lengths(None, within));
    }

    /// Adds what follows from what is allowed, by the meaning of the facts.
    fn conclude(&mut self, world: &World) {
        for _ in 0..ROUNDS {
            self.conclude_once(world);
        }
    }

    fn conclude_once(&mut self, world: &World) {
        use Quantity as Q;
        for (quantity, range) in &mut self.allowed {
            match (&*quantity, &*range) {
                (Q::NpsScore, Range::Score(low, high)) => *range = answers(*low, *high),
                _ => {
                    if let Some(known) = known(quantity, world) {
                        range.and(&known);
                    }
                }
            }
        }
        let has = |region: &Self, quantity: &Q| region.get(quantity).is_some();
        let at_least = |count: i128| Range::Whole(count, i128::MAX);
        // What exists with a first order only, or a second one.
        for (quantity, orders) in [
            (Q::Silence, 1),
            (Q::Tenure, 1),
            (Q::Returned, 2),
            (Q::Restarted, 2),
        ] {
            if has(self, &quantity) {
                self.allow(Q::Orders, at_least(orders));
            }
        }
        if has(self, &Q::MrrDirection) {
            self.allow(Q::Mrr, at_least(1));
        }
        match self.get(&Q::Mrr) {
            Some(Range::Whole(low, high)) if *low > 0 || *high < 0 => {
                self.allow(Q::Subscription, Range::Set(PAID | LATE));
            }
            _ => {}
        }
        if let Some(Range::Set(set)) = self.get(&Q::Subscription) {
            let set = *set;
            if set & (TRIAL | NEVER) == 0 {
                self.allow(Q::Orders, at_least(1));
            }
            if set & (PAID | LATE) == 0 {
                self.allow(Q::Mrr, Range::Whole(0, 0));
            }
            if set & !(PAID | LATE) == 0 {
                self.allow(Q::Silence, Range::lengths(None, Some(MICROSECOND)));
            }
        }
        if self.get(&Q::Closed) == Some(&Range::Set(YES)) {
            self.allow(Q::Count(Kind::Closing), at_least(1));
        }
        // Of counts within lengths of time, each bounds the others.
        let quantities: Vec<Q> = self
            .allowed
            .iter()
            .map(|(quantity, _)| quantity.clone())
            .collect();
        for quantity in quantities {
            if let Some(range) = self.counted(&quantity, world) {
                self.allow(quantity.clone(), range);
            }
            match &quantity {
                Q::OrdersWithin(span) => {
                    if let Some(Range::Whole(low @ 1.., _)) = self.get(&quantity) {
                        let (low, high) = (*low, Some(*span));
                        self.allow(Q::Orders, at_least(low));
                        self.allow(Q::Silence, Range::lengths(None, high));
                    }
                }
                Q::CountWithin(kind, _) => {
                    if let Some(Range::Whole(low @ 1.., _)) = self.get(&quantity) {
                        let low = *low;
                        self.allow(Q::Count(kind.clone()), at_least(low));
                    }
                }
                _ => {}
            }
        }
        // With an order, silence and tenure are known, and silence ≤ time since a return ≤ tenure.
        if matches!(self.get(&Q::Orders), Some(Range::Whole(1.., _))) {
            self.allow(Q::Silence, Range::lengths(None, None));
            self.allow(Q::Tenure, Range::lengths(None, None));
        }
        for (shorter, longer) in [
            (Q::Silence, Q::Returned),
            (Q::Silence, Q::Tenure),
            (Q::Returned, Q::Tenure),
            (Q::Restarted, Q::Tenure),
        ] {
            if let (Some(Range::Length(lows, _)), Some(Range::Length(_, highs))) =
                (self.get(&shorter), self.get(&longer))
            {
                let (lows, highs) = (lows.clone(), highs.clone());
                self.allow(longer, Range::Length(lows, Vec::new()));
                self.allow(shorter, Range::Length(Vec::new(), highs));
            }
        }
    }

    /// What other counts say of a count: more of a time are at least as many, and all are at least as many as those of a time.
    fn counted(&self, quantity: &Quantity, world: &World) -> Option<Range> {
        use Quantity as Q;
        let (all, span) = match quantity {
            Q::OrdersWithin(span) => (Q::Orders, *span),
            Q::CountWithin(kind, span) => (Q::Count(kind.clone()), *span),
            _ => return None,
        };
        let mut range = Range::Whole(0, i128::MAX);
        if let Some(Range::Whole(_, high)) = self.get(&all) {
            range.and(&Range::Whole(0, *high));
        }
        for (other, known) in &self.allowed {
            let length = match (other, quantity) {
                (Q::OrdersWithin(length), Q::OrdersWithin(_)) => *length,
                (Q::CountWithin(kind, length), Q::CountWithin(own, _)) if kind == own => *length,
                _ => continue,
            };
            if let Range::Whole(low, high) = known {
                if world.at_most(length, span) {
                    range.and(&Range::Whole(*low, i128::MAX));
                }
                if world.at_most(span, length) {
                    range.and(&Range::Whole(0, *high));
                }
            }
        }
        Some(range)
    }
}

/// All values of a quantity that is always known.
pub(super) fn known(quantity: &Quantity, world: &World) -> Option<Range> {
    let count = |kind: &Kind| Range::Whole(0, if world.lacks(kind) { 0 } else { i128::MAX });
    match quantity {
        Quantity::Orders | Quantity::OrdersWithin(_) => Some(Range::Whole(0, i128::MAX)),
        Quantity::Count(kind) | Quantity::CountWithin(kind, _) => Some(count(kind)),
        Quantity::Closed if world.lacks(&Kind::Closing) => Some(Range::Set(NO)),
        Quantity::Identified | Quantity::Closed => Some(Range::Set(NO | YES)),
        Quantity::Subscription => Some(Range::Set(ANY_SUBSCRIPTION)),
        _ => None,
    }
}

/// The answers of NPS that lie in a range: whole numbers from 0 to 10.
fn answers(low: Bound<f64>, high: Bound<f64>) -> Range {
    let low = match low {
        Bound::Included(low) => low.ceil(),
        Bound::Excluded(low) => low.floor() + 1.0,
        Bound::Unbounded => 0.0,
    };
    let high = match high {
        Bound::Included(high) => high.floor(),
        Bound::Excluded(high) => high.ceil() - 1.0,
        Bound::Unbounded => 10.0,
    };
    Range::Score(Bound::Included(low.max(0.0)), Bound::Included(high.min(10.0)))
}
