//! Histories worked out by hand from the definition of the default model.

use super::*;

fn orders(placed_on: &[i64]) -> Vec<OrderVersion> {
    let amount = Some(100_000);
    placed_on
        .iter()
        .zip(0..)
        .map(|(day, order)| OrderVersion::only(order, day * DAY, amount, true))
        .collect()
}

/// Compares the history until `now` with `(stage, day of entry, reason)`.
#[track_caller]
fn check_model(model: &StageModel, customer: &Customer, now: i64, expected: &[(&str, i64, &str)]) {
    let intervals = history(model, &customer.facts(), now * DAY);
    let found: Vec<(&str, i64, String)> = intervals
        .iter()
        .map(|interval| {
            assert_eq!(interval.entered_at % DAY, 0, "{interval:?}");
            (
                model.stage_name(interval.stage).unwrap(),
                interval.entered_at / DAY,
                model.describe(interval.reason),
            )
        })
        .collect();
    let found: Vec<(&str, i64, &str)> = found.iter().map(|(s, d, r)| (*s, *d, r.as_str())).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check(customer: &Customer, now: i64, expected: &[(&str, i64, &str)]) {
    check_model(&StageModel::default_model(), customer, now, expected);
}

fn named(model: &StageModel, kind: &Kind, day: i64) -> NamedFact {
    NamedFact::only(day * DAY, model.kind(kind).unwrap())
}

#[test]
fn a_visitor_becomes_a_prospect_and_a_customer_and_falls_silent() {
    let customer = Customer {
        identified_at: Some(3 * DAY),
        orders: orders(&[10]),
        ..Customer::default()
    };
    check(
        &customer,
        1_000,
        &[
            ("awareness", 0, "first seen"),
            ("acquisition", 3, "identified"),
            ("conversion", 10, "order"),
            ("at_risk", 100, "silence reached the active window"),
            ("lapsed", 190, "silence reached the lapse window"),
        ],
    );
}

#[test]
fn the_boundary_of_a_window_leaves_the_stage() {
    let model = StageModel::default_model();
    let customer = Customer {
        orders: orders(&[0]),
        ..Customer::default()
    };
    let at = |at| {
        model
            .stage_name(stage_at(&model, &customer.facts(), at).unwrap())
            .unwrap()
    };
    assert_eq!(at(90 * DAY - 1), "conversion");
    assert_eq!(at(90 * DAY), "at_risk");
    assert_eq!(at(180 * DAY - 1), "at_risk");
    assert_eq!(at(180 * DAY), "lapsed");
    assert_eq!(stage_at(&model, &customer.facts(), -1), None);
    assert_eq!(history(&model, &customer.facts(), -1), []);
}

#[test]
fn who_returns_after_a_lapse_is_won_back_for_one_active_window() {
    let customer = Customer {
        orders: orders(&[0, 200, 250]),
        ..Customer::default()
    };
    check(
        &customer,
        300,
        &[
            ("conversion", 0, "first seen"),
            ("at_risk", 90, "silence reached the active window"),
            ("lapsed", 180, "silence reached the lapse window"),
            ("won_back", 200, "order"),
            ("retention", 290, "returned_within the active window ran out"),
        ],
    );
}

#[test]
fn an_order_at_the_instant_of_the_lapse_is_no_return() {
    let customer = Customer {
        orders: orders(&[0, 180]),
        ..Customer::default()
    };
    check(
        &customer,
        200,
        &[
            ("conversion", 0, "first seen"),
            ("at_risk", 90, "silence reached the active window"),
            ("retention", 180, "order"),
        ],
    );
}

#[test]
fn loyalty_needs_four_orders_and_three_within_a_year() {
    let customer = Customer {
        orders: orders(&[0, 80, 160, 240, 320, 400, 480]),
        ..Customer::default()
    };
    check(
        &customer,
        500,
        &[
            ("conversion", 0, "first seen"),
            ("retention", 80, "order"),
            ("loyalty", 240, "order"),
        ],
    );
    let spread = Customer {
        orders: orders(&[0, 1, 2, 3, 89, 178, 267, 356, 445]),
        ..Customer::default()
    };
    check(
        &spread,
        500,
        &[
            ("conversion", 0, "first seen"),
            ("retention", 1, "order"),
            ("loyalty", 3, "order"),
        ],
    );
}

#[test]
fn promoters_and_referrers_are_advocates_for_a_year_while_active() {
    let model = StageModel::default_model();
    let customer = Customer {
        orders: orders(&[0, 80, 160, 240, 320, 400]),
        nps: vec![Score::only(10 * DAY, 9.0)],
        named: vec![named(&model, &Kind::Referral, 50)],
        ..Customer::default()
    };
    check(
        &customer,
        500,
        &[
            ("conversion", 0, "first seen"),
            ("advocacy", 10, "nps answer"),
            ("loyalty", 415, "referrals_within 365 days ran out"),
            ("at_risk", 490, "silence reached the active window"),
        ],
    );
    let detractor = Customer {
        orders: orders(&[0]),
        nps: vec![Score::only(10 * DAY, 9.0), Score::only(20 * DAY, 3.0)],
        ..Customer::default()
    };
    check(
        &detractor,
        50,
        &[
            ("conversion", 0, "first seen"),
            ("advocacy", 10, "nps answer"),
            ("conversion", 20, "nps answer"),
        ],
    );
}

#[test]
fn a_closed_account_is_terminated_until_a_later_order() {
    let model = StageModel::default_model();
    let closings = vec![
        named(&model, &Kind::Closing, 0),
        named(&model, &Kind::Closing, 20),
    ];
    let customer = Customer {
        orders: orders(&[0, 30]),
        named: closings,
        ..Customer::default()
    };
    check(
        &customer,
        40,
        &[("terminated", 0, "first seen"), ("retention", 30, "order")],
    );
    let customer = Customer {
        orders: orders(&[5]),
        named: vec![named(&model, &Kind::Closing, 5)],
        identified_at: Some(0),
        ..Customer::default()
    };
    check(
        &customer,
        40,
        &[("acquisition", 0, "first seen"), ("terminated", 5, "closing")],
    );
}

#[test]
fn a_full_refund_takes_an_order_back_from_its_own_time_on() {
    let refund = |day, order, amount| Refund::only(day * DAY, order, Some(amount));
    let customer = Customer {
        identified_at: Some(0),
        orders: orders(&[1, 11]),
        refunds: vec![
            refund(5, 0, 40_000),
            refund(20, 1, 100_000),
            refund(30, 0, 60_000),
        ],
        ..Customer::default()
    };
    check(
        &customer,
        200,
        &[
            ("acquisition", 0, "first seen"),
            ("conversion", 1, "order"),
            ("retention", 11, "order"),
            ("conversion", 20, "refund"),
            ("acquisition", 30, "refund"),
        ],
    );
}

#[test]
fn an_order_of_amount_zero_or_unknown_counts_until_a_refund_reaches_it() {
    let order = |order, amount| OrderVersion::only(order, DAY, amount, true);
    let refund = |order, amount| Refund::only(2 * DAY, order, amount);
    let customer = Customer {
        orders: vec![
            order(0, Some(0)),
            order(1, None),
            order(2, Some(0)),
            order(3, Some(5)),
        ],
        refunds: vec![refund(1, Some(5)), refund(2, Some(0)), refund(3, None)],
        ..Customer::default()
    };
    let model = StageModel::default_model();
    let mut moment = moment::Moment::new(&model);
    moment.reset(&customer.facts());
    moment.advance(&customer.facts(), DAY);
    assert_eq!(moment.orders(), 4);
    moment.advance(&customer.facts(), 2 * DAY);
    assert_eq!(moment.orders(), 3);
}

#[test]
fn unpaid_orders_count_from_when_they_are_paid_and_cancelled_ones_no_more() {
    let version = |day: i64, paid| OrderVersion {
        effective_at: day * DAY,
        order: 0,
        placed_at: 0,
        amount: Some(1),
        paid,
    };
    let customer = Customer {
        orders: vec![version(0, false), version(10, true), version(30, false)],
        ..Customer::default()
    };
    check(
        &customer,
        50,
        &[
            ("awareness", 0, "first seen"),
            ("conversion", 10, "order"),
            ("awareness", 30, "order"),
        ],
    );
}

#[test]
fn an_active_subscription_is_an_order_and_never_silent() {
    let change =
        |day: i64, mrr| SubscriptionChange::only(day * DAY, 0, Some(mrr), SubscriptionStatus::Paying);
    let customer = Customer {
        subscriptions: vec![change(5, 100), change(400, 150), change(600, 0)],
        ..Customer::default()
    };
    check(
        &customer,
        900,
        &[
            ("awareness", 0, "first seen"),
            ("conversion", 5, "subscription"),
            ("at_risk", 690, "silence reached the active window"),
            ("lapsed", 780, "silence reached the lapse window"),
        ],
    );
    // Billing systems mostly leave the price of a contract that is cancelled as it was.
    let cancelled = SubscriptionChange::only(600 * DAY, 0, Some(150), SubscriptionStatus::Ended);
    let customer = Customer {
        subscriptions: vec![change(5, 100), change(400, 150), cancelled],
        ..Customer::default()
    };
    check(
        &customer,
        700,
        &[
            ("awareness", 0, "first seen"),
            ("conversion", 5, "subscription"),
            ("at_risk", 690, "silence reached the active window"),
        ],
    );
    let model = StageModel::preset("subscription").unwrap();
    let customer = Customer {
        subscriptions: vec![
            SubscriptionChange {
                status: SubscriptionStatus::Trial,
                ..change(5, 0)
            },
            change(19, 100),
            change(400, 150),
            SubscriptionChange {
                status: SubscriptionStatus::PastDue,
                ..change(595, 150)
            },
            change(600, 0),
            change(700, 150),
            change(800, 100),
        ],
        ..Customer::default()
    };
    check_model(
        &model,
        &customer,
        900,
        &[
            ("prospect", 0, "first seen"),
            ("trial", 5, "subscription"),
            ("onboarding", 19, "subscription"),
            ("active", 49, "tenure reached 30 days"),
            ("expansion", 400, "subscription"),
            ("active", 490, "mrr_moved_within 90 days ran out"),
            ("past_due", 595, "subscription"),
            ("churned", 600, "subscription"),
            ("won_back", 700, "subscription"),
            ("active", 790, "restarted_within 90 days ran out"),
            ("contraction", 800, "subscription"),
            ("active", 890, "mrr_moved_within 90 days ran out"),
        ],
    );
}

#[test]
fn adaptive_windows_follow_the_customer_and_before_that_the_population() {
    let window = |gap_multiple| Window::Adaptive {
        gap_multiple,
        min: days(5),
        max: days(200),
    };
    let windows = Windows {
        active: window(2.0),
        lapse: window(4.0),
    };
    // Gaps of 10 and 20 days: median 15, so active for 30 days and lapsed after 60.
    let customer = Customer {
        orders: orders(&[0, 10, 30]),
        ..Customer::default()
    };
    // Before the third order the population counts: 4 days until day 8, 40 days from then on.
    let population = PopulationGaps::new(vec![(-DAY, Some(4 * DAY)), (9 * DAY, Some(40 * DAY))]);
    let model = StageModel::default_model()
        .with_windows(windows)
        .unwrap()
        .with_population(population);
    check_model(
        &model,
        &customer,
        200,
        &[
            ("conversion", 0, "first seen"),
            ("at_risk", 8, "silence reached the active window"),
            ("conversion", 9, "the population's median gap changed"),
            ("retention", 10, "order"),
            ("at_risk", 60, "silence reached the active window"),
            ("lapsed", 90, "silence reached the lapse window"),
        ],
    );
}

#[test]
fn the_population_knows_at_a_months_start_what_was_known_before() {
    let model = StageModel::default_model();
    let mut builder = PopulationGaps::builder(&model, vec![0, 15 * DAY, 30 * DAY, 60 * DAY]);
    let refunded = Customer {
        orders: orders(&[0, 10, 14]),
        refunds: vec![Refund::only(20 * DAY, 1, Some(100_000))],
        ..Customer::default()
    };
    builder.add(&refunded.facts());
    let mut other = PopulationGaps::builder(&model, vec![0, 15 * DAY, 30 * DAY, 60 * DAY]);
    other.add(
        &Customer {
            orders: orders(&[0, 30, 31]),
            ..Customer::default()
        }
        .facts(),
    );
    builder.merge(other);
    let population = builder.finish();
    let median = |day: i64| population.median_at(day * DAY).map(|median| median / DAY);
    assert_eq!(median(-1), None);
    assert_eq!(median(0), None);
    assert_eq!(median(14), None);
    assert_eq!(median(15), Some(4), "gaps 4 and 10: the lower of the middle two");
    assert_eq!(
        median(30),
        Some(14),
        "the order of day 10 is void since day 20; that of day 30 is not before day 30"
    );
    assert_eq!(median(60), Some(14), "gaps 1, 14 and 30");
}

#[test]
fn other_presets_name_other_stages() {
    let customer = Customer {
        identified_at: Some(3 * DAY),
        orders: orders(&[10, 20]),
        ..Customer::default()
    };
    check_model(
        &StageModel::preset("classic").unwrap(),
        &customer,
        1_000,
        &[
            ("reach", 0, "first seen"),
            ("acquisition", 3, "identified"),
            ("conversion", 10, "order"),
            ("retention", 20, "order"),
        ],
    );
    check_model(
        &StageModel::preset("acquisition_engagement_retention").unwrap(),
        &customer,
        1_000,
        &[
            ("acquisition", 0, "first seen"),
            ("engagement", 10, "order"),
            ("retention", 20, "order"),
        ],
    );
    for preset in PRESETS {
        let model = StageModel::preset(preset).unwrap();
        StageModel::try_new(model.stages().to_vec()).unwrap();
    }
}

/// An answer that is corrected later was what it was until then.
#[test]
fn a_corrected_answer_does_not_change_what_was_known_before() {
    let correction = |withdrawn, score| Score {
        effective_at: 60 * DAY,
        withdrawn,
        ..Score::only(10 * DAY, score)
    };
    let customer = Customer {
        identified_at: Some(0),
        orders: vec![OrderVersion::only(0, 5 * DAY, None, true)],
        nps: vec![
            Score::only(10 * DAY, 9.0),
            correction(true, 9.0),
            correction(false, 3.0),
        ],
        ..Customer::default()
    };
    check(
        &customer,
        90,
        &[
            ("acquisition", 0, "first seen"),
            ("conversion", 5, "order"),
            ("advocacy", 10, "nps answer"),
            ("conversion", 60, "nps answer"),
        ],
    );
}

#[test]
fn a_stage_is_explained_by_the_rules_that_were_tried() {
    let model = StageModel::default_model();
    let customer = Customer {
        identified_at: Some(0),
        orders: orders(&[10, 40]),
        ..Customer::default()
    };
    let explained = Evaluator::new(&model)
        .explain(&customer.facts(), 100 * DAY)
        .unwrap();
    assert_eq!(model.stage_name(explained.stage), Some("retention"));
    let told: Vec<String> = explained
        .rules
        .iter()
        .flat_map(|rule| {
            let stage = model.stage_name(rule.stage).unwrap();
            rule.tests.iter().map(move |test| {
                let until = test.until.map(|until| until / DAY);
                format!(
                    "{stage}: {} {} {} {until:?}",
                    test.condition, test.known, test.holds
                )
            })
        })
        .collect();
    assert_eq!(
        [&told[0], &told[1], &told[2], &told[4], &told[12]],
        [
            "terminated: closed = true false false None",
            "lapsed: silence ≥ the lapse window 60.00 days false Some(220)",
            "at_risk: silence ≥ the active window 60.00 days false Some(130)",
            "advocacy: nps_latest within 365 days ≥ 9 unknown false None",
            "retention: orders ≥ 2 2 true None",
        ]
    );
    assert_eq!(Evaluator::new(&model).explain(&customer.facts(), -1), None);
}
