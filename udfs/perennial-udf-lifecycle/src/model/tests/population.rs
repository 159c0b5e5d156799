//! The population's medians against a plain median, and reasons against the rules that they name.

use proptest::{collection::vec, prelude::*};

use super::{invariants, language, plain::Plain, *};

const HOUR: i64 = DAY / 24;

fn starts() -> Vec<i64> {
    (0..24).map(|month| month * 30 * DAY).collect()
}

/// The lower of the middle two gaps of all customers, by what was known before an instant.
fn plain_median(model: &StageModel, customers: &[Customer], start: i64) -> Option<i64> {
    let mut gaps: Vec<i64> = Vec::new();
    for customer in customers {
        let at = start - 1;
        let orders = Plain { model, customer, at }.placed_at();
        gaps.extend(orders.windows(2).map(|pair| (pair[1] - pair[0]) / HOUR * HOUR));
    }
    gaps.sort_unstable();
    gaps.get(gaps.len().saturating_sub(1) / 2).copied()
}

fn medians(model: &StageModel, customers: &[Customer], parts: usize) -> PopulationGaps {
    let mut whole = PopulationGaps::builder(model, starts());
    for part in 0..parts {
        let mut builder = PopulationGaps::builder(model, starts());
        for customer in customers.iter().skip(part).step_by(parts) {
            builder.add(&customer.facts());
        }
        whole.merge(builder);
    }
    whole.finish()
}

proptest! {
    #![proptest_config(invariants::cases())]

    #[test]
    fn the_population_is_the_plain_median(
        customers in vec(invariants::customer(), 0..8),
        parts in 1..4_usize,
    ) {
        let model = invariants::adaptive(StageModel::default_model());
        let gaps = medians(&model, &customers, parts);
        for start in starts() {
            let expected = plain_median(&model, &customers, start);
            prop_assert_eq!(gaps.median_at(start), expected, "at day {}", start / DAY);
        }
    }

    #[test]
    fn later_facts_never_change_an_earlier_median(
        customers in vec(invariants::customer(), 0..8),
        month in 1..24_usize,
    ) {
        let model = invariants::adaptive(StageModel::default_model());
        let until = starts()[month] - 1;
        let known: Vec<Customer> = customers.iter().map(|customer| customer.clone().up_to(until)).collect();
        let (all, then) = (medians(&model, &customers, 1), medians(&model, &known, 1));
        for start in starts().into_iter().take(month + 1) {
            prop_assert_eq!(all.median_at(start), then.median_at(start));
        }
    }

    /// A reason is a fact that arrived at that moment, or a length of time that ended then.
    #[test]
    fn reasons_are_of_their_moment(customer in invariants::customer(), model in language::any_model()) {
        let arrivals = |at: i64, reason: Reason| match reason {
            Reason::Order => customer.orders.iter().any(|version| version.effective_at == at),
            Reason::Refund => customer.refunds.iter().any(|refund| refund.effective_at == at),
            Reason::Subscription => customer.subscriptions.iter().any(|change| change.effective_at == at),
            Reason::Identified => customer.identified_at == Some(at),
            Reason::Nps => customer.nps.iter().any(|score| score.effective_at == at),
            Reason::Csat => customer.csat.iter().any(|score| score.effective_at == at),
            Reason::Named(kind) => customer.named.iter().any(|fact| (fact.effective_at, fact.kind) == (at, kind)),
            _ => true,
        };
        let mut intervals = history(&model, &customer.facts(), invariants::NOW).into_iter();
        prop_assert_eq!(intervals.next().map(|first| first.reason), Some(Reason::FirstSeen));
        for interval in intervals {
            prop_assert!(arrivals(interval.entered_at, interval.reason), "{:?}", interval);
            let arrived = [
                Reason::Order, Reason::Refund, Reason::Subscription, Reason::Identified, Reason::Nps, Reason::Csat,
            ];
            let quiet = arrived.iter().all(|reason| !arrivals(interval.entered_at, *reason))
                && customer.named.iter().all(|fact| fact.effective_at != interval.entered_at);
            let window = matches!(interval.reason, Reason::Window { .. });
            prop_assert!(!quiet || window, "{:?}", interval);
        }
    }
}

/// Others' orders of June and July say nothing about March: they were drained into the month of the next customer.
#[test]
fn gaps_that_nobody_may_know_yet_are_forgotten() {
    let orders = |days: &[i64]| Customer {
        orders: days
            .iter()
            .enumerate()
            .map(|(order, day)| OrderVersion::only(order as u32, day * DAY, None, true))
            .collect(),
        ..Customer::default()
    };
    let model = StageModel::default_model();
    let mut builder = PopulationGaps::builder(&model, vec![30 * DAY, 60 * DAY]);
    for customer in [orders(&[500, 512]), orders(&[1])] {
        builder.add(&customer.facts());
    }
    assert_eq!(builder.finish().median_at(60 * DAY), None);
}

#[test]
fn reasons_name_the_fact_and_the_length_that_ended() {
    let rule = |name: &str, test: Test| StageRule::new(name, [test.into()]);
    let month = Span::Lasting(days(30));
    let quiet = Bounds::new(
        std::ops::Bound::Included(month),
        std::ops::Bound::Excluded(Span::Lapse),
    );
    let model = StageModel::try_new(vec![
        rule(
            "visitor",
            Test::CountWithin(Kind::Fact("visit".into()), month, Bounds::at_least(1)),
        ),
        rule("quiet", Test::Silence(quiet)),
        StageRule::new("rest", []),
    ])
    .unwrap();
    let customer = Customer {
        orders: vec![OrderVersion::only(0, 100 * DAY, None, true)],
        named: vec![NamedFact::only(10 * DAY, KindId(0))],
        ..Customer::default()
    };
    let told: Vec<(i64, String)> = history(&model, &customer.facts(), 1_000 * DAY)
        .iter()
        .map(|interval| (interval.entered_at / DAY, model.describe(interval.reason)))
        .collect();
    let expected = [
        (0, "first seen"),
        (10, "fact \"visit\""),
        (40, "visit within 30 days ran out"),
        (130, "silence reached 30 days"),
        (280, "silence reached the lapse window"),
    ];
    assert_eq!(told, expected.map(|(day, reason)| (day, reason.to_owned())));
}
