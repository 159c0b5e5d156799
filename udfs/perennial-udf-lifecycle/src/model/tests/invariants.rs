//! The invariants of the lifecycle, on random customers.

use proptest::{collection::vec, option, prelude::*};

use super::{plain::Plain, rules, *};

/// Instants collide often, with each other and with the ends of windows: whole days, or one microsecond beside.
fn instant() -> impl Strategy<Value = i64> {
    let day = prop_oneof![Just(0), Just(30), Just(90), Just(180), Just(365), 0..600_i64];
    (day, prop_oneof![8 => Just(0), 1 => Just(-1), 1 => Just(1)]).prop_map(|(day, beside)| day * DAY + beside)
}

fn money() -> impl Strategy<Value = Option<Money>> {
    option::weighted(0.9, (0..4_i128).prop_map(|euros| euros * 10_000))
}

fn order(order: u32) -> impl Strategy<Value = Vec<OrderVersion>> {
    let version = (
        prop_oneof![3 => Just(0), 1 => 0..100 * DAY],
        money(),
        prop::bool::weighted(0.8),
    );
    (instant(), vec(version, 1..3)).prop_map(move |(placed_at, versions)| {
        let version = |(later, amount, paid): (i64, Option<Money>, bool)| OrderVersion {
            effective_at: placed_at + later,
            order,
            placed_at,
            amount,
            paid,
        };
        versions.into_iter().map(version).collect()
    })
}

/// A fact and, at times, what became of it: how much later, and what it was corrected to; `None` took it out.
type Corrected<T> = (T, Option<(i64, Option<T>)>);

fn corrected<T: Clone + std::fmt::Debug>(
    fact: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Corrected<T>> {
    let later = prop_oneof![Just(0), Just(30 * DAY), 0..200 * DAY];
    let correction = (later, option::weighted(0.7, fact.clone()));
    (fact, option::weighted(0.3, correction))
}

/// The fact, and what stands for its correction.
fn versions<T, F>((fact, correction): Corrected<(i64, T)>, make: impl Fn(i64, bool, i64, T) -> F) -> Vec<F>
where
    T: Copy,
{
    let (at, value) = fact;
    let mut versions = vec![make(at, false, at, value)];
    if let Some((later, corrected)) = correction {
        let effective_at = corrected.map_or(at + later, |(new_at, _)| (at + later).max(new_at));
        versions.push(make(effective_at, true, at, value));
        versions.extend(corrected.map(|(new_at, value)| make(effective_at, false, new_at, value)));
    }
    versions
}

fn refunds() -> impl Strategy<Value = Vec<Refund>> {
    let fact = (instant().boxed(), (0..8_u32, money()).boxed());
    corrected(fact).prop_map(|given| {
        versions(given, |effective_at, withdrawn, at, (order, amount)| Refund {
            effective_at,
            withdrawn,
            at,
            order,
            amount,
        })
    })
}

/// A change, and at times another state of the same subscription and instant that became known later.
fn subscription_changes() -> impl Strategy<Value = Vec<SubscriptionChange>> {
    let status = prop_oneof![
        3 => Just(SubscriptionStatus::Paying),
        1 => Just(SubscriptionStatus::PastDue),
        1 => Just(SubscriptionStatus::Trial),
        1 => Just(SubscriptionStatus::Ended),
    ]
    .boxed();
    let later = prop_oneof![Just(30 * DAY), 0..200 * DAY];
    let correction = option::weighted(0.2, (later, money(), status.clone()));
    (instant(), 0..3_u32, money(), status, correction).prop_map(
        |(at, subscription, mrr, status, correction)| {
            let mut changes = vec![SubscriptionChange::only(at, subscription, mrr, status)];
            changes.extend(correction.map(|(later, mrr, status)| SubscriptionChange {
                effective_at: at + later,
                ..SubscriptionChange::only(at, subscription, mrr, status)
            }));
            changes
        },
    )
}

fn scores(highest: u8) -> impl Strategy<Value = Vec<Score>> {
    let fact = (instant().boxed(), (0..=highest).boxed());
    let score = corrected(fact).prop_map(|given| {
        versions(given, |effective_at, withdrawn, at, score| Score {
            effective_at,
            withdrawn,
            at,
            score: f64::from(score),
        })
    });
    vec(score, 0..3).prop_map(|scores| scores.concat())
}

fn named() -> impl Strategy<Value = Vec<NamedFact>> {
    let fact = (instant().boxed(), (0..5_u16).boxed());
    corrected(fact).prop_map(|given| {
        versions(given, |effective_at, withdrawn, at, kind| NamedFact {
            effective_at,
            withdrawn,
            at,
            kind: KindId(kind),
        })
    })
}

pub(super) fn customer() -> impl Strategy<Value = Customer> {
    let orders = (0..7_u32).prop_flat_map(|count| (0..count).map(order).collect::<Vec<_>>());
    let first_seen_at = (-10..40_i64).prop_map(|day| day * DAY);
    (
        (first_seen_at, option::of(instant())),
        (orders, vec(refunds(), 0..4)),
        prop_oneof![1 => Just(vec![]), 1 => vec(subscription_changes(), 0..7)],
        (scores(10), scores(5)),
        vec(named(), 0..5),
    )
        .prop_map(
            |((first_seen_at, identified_at), (orders, refunds), subscriptions, (nps, csat), named)| {
                let orders = orders.into_iter().flatten().collect();
                Customer {
                    first_seen_at,
                    identified_at,
                    orders,
                    refunds: refunds.concat(),
                    subscriptions: subscriptions.concat(),
                    nps,
                    csat,
                    named: named.concat(),
                }
                .sorted()
            },
        )
}

/// The same model with windows that adapt, and medians of a population that change.
pub(super) fn adaptive(model: StageModel) -> StageModel {
    let window = |gap_multiple| Window::Adaptive {
        gap_multiple,
        min: days(20),
        max: days(300),
    };
    let months = (0..24).map(|month| {
        (
            month * 30 * DAY,
            (month > 1).then_some((40 + month % 5 * 10) * DAY),
        )
    });
    let windows = Windows {
        active: window(1.5),
        lapse: window(3.0),
    };
    model
        .with_windows(windows)
        .unwrap()
        .with_population(PopulationGaps::new(months.collect()))
}

/// The same model with one window that adapts and one that is fixed.
fn mixed(model: StageModel) -> StageModel {
    let windows = Windows {
        active: Window::Fixed(days(20)),
        ..adaptive(model.clone()).windows().clone()
    };
    adaptive(model).with_windows(windows).unwrap()
}

fn model() -> impl Strategy<Value = StageModel> {
    let base = prop_oneof![
        3 => Just(StageModel::default_model()),
        3 => Just(every_test()),
        3 => language::any_model(),
        1 => prop::sample::select(PRESETS.to_vec()).prop_map(|preset| StageModel::preset(preset).unwrap()),
    ];
    (base, 0..4).prop_map(|(model, windows)| match windows {
        0 => adaptive(model),
        1 => mixed(model),
        _ => model,
    })
}

const CASES: u32 = 3_000;

/// Thousands of cases (or `PROPTEST_CASES`) from a seed that is printed, or from `PROPTEST_RNG_SEED`.
#[expect(
    clippy::disallowed_methods,
    reason = "the cases of a test are no settings of the product"
)]
pub(super) fn cases() -> ProptestConfig {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = *SEED.get_or_init(|| {
        let random = || std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0);
        number("PROPTEST_RNG_SEED").unwrap_or_else(random)
    });
    println!("PROPTEST_RNG_SEED={seed} repeats these cases");
    ProptestConfig {
        cases: number("PROPTEST_CASES").map_or(CASES, |cases| cases as u32),
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed),
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(super) const NOW: i64 = 1_000 * DAY;

fn stage_in(intervals: &[Interval], at: i64) -> Option<usize> {
    let within = |i: &&Interval| i.entered_at <= at && i.left_at.is_none_or(|left_at| at < left_at);
    intervals.iter().find(within).map(|interval| interval.stage)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn intervals_tile_the_time_from_first_sight(customer in customer(), model in model()) {
        let intervals = history(&model, &customer.facts(), NOW);
        prop_assert_eq!(intervals.first().map(|i| i.entered_at), Some(customer.first_seen_at));
        prop_assert_eq!(intervals.first().and_then(|i| i.previous), None);
        prop_assert_eq!(intervals.last().map(|i| i.left_at), Some(None));
        for pair in intervals.windows(2) {
            prop_assert_eq!(pair[0].left_at, Some(pair[1].entered_at));
            prop_assert!(pair[0].entered_at < pair[1].entered_at && pair[1].entered_at <= NOW);
            prop_assert!(pair[0].stage != pair[1].stage);
            prop_assert_eq!(pair[1].previous, Some(pair[0].stage));
        }
    }

    #[test]
    fn every_moment_is_what_the_rules_say_of_the_facts_until_then(
        customer in customer(),
        model in model(),
        moments in vec(instant(), 8),
    ) {
        let intervals = history(&model, &customer.facts(), NOW);
        let changes = intervals.iter().flat_map(|i| [i.entered_at - 1, i.entered_at, i.entered_at + 1]);
        for at in moments.into_iter().chain(changes) {
            let plain = Plain { model: &model, customer: &customer, at };
            let expected = (at >= customer.first_seen_at).then(|| rules::stage_of(&plain));
            let name = |stage: Option<usize>| stage.and_then(|stage| model.stage_name(stage));
            prop_assert_eq!(name(stage_in(&intervals, at)), name(expected), "history at {}", at);
            prop_assert_eq!(name(stage_at(&model, &customer.facts(), at)), name(expected), "stage at {}", at);
        }
    }

    #[test]
    fn later_facts_never_change_an_earlier_stage(customer in customer(), model in model(), at in instant()) {
        let all = history(&model, &customer.facts(), NOW);
        let known = customer.clone().up_to(at);
        let then = history(&model, &known.facts(), NOW);
        prop_assert_eq!(stage_in(&then, at), stage_in(&all, at));
        let mut until: Vec<Interval> = all.into_iter().filter(|interval| interval.entered_at <= at).collect();
        if let Some(last) = until.last_mut() {
            last.left_at = None;
        }
        prop_assert_eq!(history(&model, &customer.facts(), at), until);
    }

    #[test]
    fn the_next_change_is_that_of_a_longer_history(customer in customer(), model in model(), at in instant()) {
        // Far enough for every window to have run out.
        let whole = history(&model, &customer.facts(), NOW + 100 * 366 * 86_400_000_000);
        let expected = whole.iter().map(|interval| interval.entered_at).find(|entered_at| *entered_at > at);
        let next = Evaluator::new(&model).history(&customer.facts(), at, &mut Vec::new());
        prop_assert_eq!(next, expected);
    }

    #[test]
    fn an_evaluator_forgets_the_customer_before(
        customers in vec(customer(), 3),
        model in model(),
    ) {
        let mut evaluator = Evaluator::new(&model);
        for customer in &customers {
            let mut intervals = Vec::new();
            evaluator.history(&customer.facts(), NOW, &mut intervals);
            prop_assert_eq!(intervals, history(&model, &customer.facts(), NOW));
        }
    }
}
