//! The rules read a second time, as plainly as can be: of the model's own evaluation nothing is asked.

use std::ops::Bound;

use super::{plain::Plain, *};

/// The first stage of which every condition holds, by its place.
pub(super) fn stage_of(plain: &Plain<'_>) -> usize {
    let holding = |stage: &StageRule| stage.conditions.iter().filter(|each| holds(each, plain)).count();
    let stages = plain.model.stages().iter();
    let place = stages
        .enumerate()
        .find(|(_, stage)| holding(stage) == stage.conditions.len());
    place.map(|(place, _)| place).unwrap()
}

fn holds(condition: &Condition, plain: &Plain<'_>) -> bool {
    match condition {
        Condition::All(each) => each.iter().filter(|one| holds(one, plain)).count() == each.len(),
        Condition::Any(each) => each.iter().filter(|one| holds(one, plain)).count() > 0,
        Condition::Test(test) => fulfils(test, plain),
    }
}

/// Whether a value is on the right side of both bounds.
fn between<T: PartialOrd>(value: T, bounds: (Bound<T>, Bound<T>)) -> bool {
    let above = match bounds.0 {
        Bound::Included(low) => value >= low,
        Bound::Excluded(low) => value > low,
        Bound::Unbounded => true,
    };
    let below = match bounds.1 {
        Bound::Included(high) => value <= high,
        Bound::Excluded(high) => value < high,
        Bound::Unbounded => true,
    };
    above && below
}

/// Lengths are from the lower to below the upper, however they are written.
fn lasts(length: Option<i64>, bounds: &Bounds<Span>, plain: &Plain<'_>) -> bool {
    let window = |bound: Bound<Span>| match bound {
        Bound::Included(span) | Bound::Excluded(span) => Some(plain.window(span)),
        Bound::Unbounded => None,
    };
    let (low, high) = (window(bounds.edges().0), window(bounds.edges().1));
    match (length, low, high) {
        (None, ..) => false,
        (Some(length), Some(low), Some(high)) => low <= length && length < high,
        (Some(length), Some(low), None) => low <= length,
        (Some(length), None, Some(high)) => length < high,
        (Some(_), None, None) => true,
    }
}

fn answered(answer: Option<Answer>, span: Option<Span>, bounds: &Bounds<f64>, plain: &Plain<'_>) -> bool {
    match (answer, span) {
        (None, _) => false,
        (Some(answer), Some(span)) if answer.age >= plain.window(span) => false,
        (Some(answer), _) => between(answer.score, bounds.edges()),
    }
}

fn fulfils(test: &Test, plain: &Plain<'_>) -> bool {
    let number = |kind: &Kind| plain.model.kind(kind).unwrap();
    let amount = |amount: Option<Money>, bounds: &Bounds<Money>| match amount {
        Some(amount) => between(amount, bounds.edges()),
        None => false,
    };
    match test {
        Test::Orders(bounds) => between(plain.orders(), bounds.edges()),
        Test::OrdersWithin(span, bounds) => between(plain.orders_within(plain.window(*span)), bounds.edges()),
        Test::Revenue(bounds) => amount(plain.revenue(), bounds),
        Test::RevenueWithin(span, bounds) => amount(plain.revenue_within(plain.window(*span)), bounds),
        Test::Count(kind, bounds) => between(plain.count(number(kind)), bounds.edges()),
        Test::CountWithin(kind, span, bounds) => between(
            plain.count_within(number(kind), plain.window(*span)),
            bounds.edges(),
        ),
        Test::Silence(bounds) => lasts(plain.silence(), bounds, plain),
        Test::Tenure(bounds) => lasts(plain.tenure(), bounds, plain),
        Test::ReturnedWithin(bounds) => lasts(plain.returned(), bounds, plain),
        Test::RestartedWithin(bounds) => lasts(plain.restarted(), bounds, plain),
        Test::NpsLatest(span, bounds) => answered(plain.nps(), *span, bounds, plain),
        Test::CsatLatest(span, bounds) => answered(plain.csat(), *span, bounds, plain),
        Test::Subscription(state) => plain.subscription(*state),
        Test::Mrr(bounds) => amount(plain.mrr(), bounds),
        Test::MrrMovedWithin(direction, span) => match plain.mrr_moved() {
            Some((age, moved)) => age < plain.window(*span) && moved == *direction,
            None => false,
        },
        Test::Identified(wanted) => plain.identified() == *wanted,
        Test::Closed(wanted) => plain.closed() == *wanted,
    }
}
