//! Definitions that are no model, and models as the configuration file writes them.

use std::collections::HashMap;

use perennial_base::config::{
    Bound, LifecycleConfig, NamedFact as ConfigFact, Spot, StageCondition, StageConfig,
};

use super::*;
use crate::error::Error;

#[test]
fn models_that_leave_somebody_out_are_errors() {
    let rule = |name: &str| StageRule::new(name, [Test::Identified(true).into()]);
    let all = |name: &str| StageRule::new(name, []);
    let error = |stages| StageModel::try_new(stages).unwrap_err();
    assert_eq!(error(vec![]), Error::NoStages);
    assert_eq!(
        error(vec![rule("a")]),
        Error::NoDefault {
            stage: "a".into(),
            at: None
        }
    );
    assert_eq!(
        error(vec![rule("a"), all("a")]),
        Error::DuplicateStage {
            stage: "a".into(),
            at: None
        }
    );
    assert_eq!(
        error(vec![all("a"), rule("b"), all("c")]),
        Error::Unreachable {
            stage: "b".into(),
            before: "a".into(),
            at: None
        }
    );
    assert_eq!(
        StageModel::preset("x").unwrap_err(),
        Error::UnknownPreset { preset: "x".into() }
    );
    let window = Window::Adaptive {
        gap_multiple: 1.0,
        min: days(2),
        max: days(1),
    };
    let windows = Windows {
        active: window,
        ..Windows::default()
    };
    assert_eq!(
        StageModel::default_model().with_windows(windows).unwrap_err(),
        Error::InvalidWindow {
            window: "active",
            what: "min is longer than its max"
        }
    );
}

pub(super) fn condition(fact: &str) -> StageCondition {
    StageCondition {
        fact: fact.to_owned(),
        days: None,
        name: None,
        at_least: None,
        at_most: None,
        less_than: None,
        more_than: None,
        equals: None,
        at: Spot { line: 1, column: 1 },
    }
}

pub(super) fn stage(
    name: &str,
    conditions: Vec<StageCondition>,
    any: Vec<Vec<StageCondition>>,
) -> StageConfig {
    StageConfig {
        name: name.to_owned(),
        conditions,
        any,
        at: Spot { line: 1, column: 1 },
    }
}

pub(super) fn config(stages: Vec<StageConfig>) -> LifecycleConfig {
    let fact = |name: &str| ConfigFact {
        name: name.to_owned(),
        relation: "events".to_owned(),
        predicate: perennial_base::config::Expression {
            sql: "true".to_owned(),
            at: Spot { line: 1, column: 1 },
        },
    };
    LifecycleConfig {
        preset: "default".to_owned(),
        preset_at: None,
        active: Window::Fixed(days(30)),
        lapse: Window::Fixed(days(60)),
        unpaid_statuses: Vec::new(),
        facts: ["visit", "closing", "referral"].map(fact).to_vec(),
        stages,
    }
}

/// Reads one condition, as the only one of a stage.
#[track_caller]
fn check_condition(written: StageCondition, expected: Result<Test, &str>) {
    let read = StageModel::from_config(&config(vec![
        stage("s", vec![written], vec![]),
        stage("rest", vec![], vec![]),
    ]));
    match (read, expected) {
        (Ok(model), Ok(test)) => assert_eq!(model.stages()[0].conditions, [Condition::from(test)]),
        (Err(error), Err(message)) => assert_eq!(error.to_string(), message),
        (read, expected) => panic!("{read:?} instead of {expected:?}"),
    }
}

#[test]
fn conditions_of_the_configuration_are_tests() {
    use std::ops::Bound::{Excluded, Included};
    let number = |n| Some(Bound::Number(n));
    let word = |w: &str| Some(Bound::Word(w.to_owned()));
    let year = Span::Lasting(days(365));
    let blank = condition;
    check_condition(
        StageCondition {
            at_least: number(4.0),
            ..blank("orders")
        },
        Ok(Test::Orders(Bounds::at_least(4))),
    );
    check_condition(
        StageCondition {
            days: Some(365.0),
            at_least: number(3.0),
            ..blank("orders_within")
        },
        Ok(Test::OrdersWithin(year, Bounds::at_least(3))),
    );
    check_condition(
        StageCondition {
            more_than: number(10.5),
            less_than: number(20.0),
            ..blank("revenue")
        },
        Ok(Test::Revenue(Bounds::new(Excluded(105_000), Excluded(200_000)))),
    );
    check_condition(
        StageCondition {
            at_most: word("active"),
            ..blank("silence")
        },
        Ok(Test::Silence(Bounds::at_most(Span::Active))),
    );
    check_condition(
        StageCondition {
            at_least: Some(Bound::Duration(days(365))),
            ..blank("tenure")
        },
        Ok(Test::Tenure(Bounds::at_least(year))),
    );
    check_condition(
        StageCondition {
            days: Some(365.0),
            at_least: number(9.0),
            ..blank("nps_latest")
        },
        Ok(Test::NpsLatest(Some(year), Bounds::at_least(9.0))),
    );
    check_condition(
        StageCondition {
            days: Some(365.0),
            ..blank("referrals_within")
        },
        Ok(Test::CountWithin(Kind::Referral, year, Bounds::at_least(1))),
    );
    check_condition(
        StageCondition {
            name: Some("view".into()),
            at_most: number(2.0),
            ..blank("events")
        },
        Ok(Test::Count(
            Kind::Event("view".into()),
            Bounds::new(std::ops::Bound::Unbounded, Included(2)),
        )),
    );
    check_condition(
        StageCondition {
            days: Some(365.0),
            equals: number(2.0),
            ..blank("visit")
        },
        Ok(Test::CountWithin(
            Kind::Fact("visit".into()),
            year,
            Bounds::equal_to(2),
        )),
    );
    check_condition(
        StageCondition {
            at_most: word("active"),
            ..blank("returned_within")
        },
        Ok(Test::ReturnedWithin(Bounds::at_most(Span::Active))),
    );
    check_condition(
        StageCondition {
            days: Some(365.0),
            ..blank("returned_within")
        },
        Ok(Test::ReturnedWithin(Bounds::less_than(year))),
    );
    // Both edges count.
    check_condition(
        StageCondition {
            at_least: Some(Bound::Duration(days(10))),
            at_most: Some(Bound::Duration(days(60))),
            ..blank("returned_within")
        },
        Ok(Test::ReturnedWithin(Bounds::new(
            Included(Span::Lasting(days(10))),
            Included(Span::Lasting(days(60))),
        ))),
    );
    check_condition(
        StageCondition {
            equals: word("active"),
            ..blank("restarted_within")
        },
        Ok(Test::RestartedWithin(Bounds::less_than(Span::Active))),
    );
    check_condition(
        StageCondition {
            equals: word("ended"),
            ..blank("subscription")
        },
        Ok(Test::Subscription(SubscriptionState::Ended)),
    );
    check_condition(
        StageCondition {
            equals: Some(Bound::Bool(true)),
            ..blank("identified")
        },
        Ok(Test::Identified(true)),
    );
}

#[test]
fn conditions_outside_of_the_language_are_errors() {
    let number = |n| Some(Bound::Number(n));
    check_condition(
        condition("order"),
        Err("1:1: lifecycle stage \"s\" asks for \"order\", which is not a fact"),
    );
    let wrong = |written: StageCondition, what: &str| {
        let message = format!(
            "1:1: condition \"{}\" of lifecycle stage \"s\" {what}",
            written.fact
        );
        check_condition(written, Err(&message));
    };
    wrong(condition("mrr"), "needs a bound such as at_least");
    wrong(condition("closed"), "must be true or false");
    wrong(
        StageCondition {
            at_least: number(2.5),
            ..condition("orders")
        },
        "has a bound of another type",
    );
    wrong(
        StageCondition {
            at_least: number(2.0),
            ..condition("orders_within")
        },
        "needs a number of days",
    );
    let both = StageCondition {
        at_least: number(2.0),
        more_than: number(1.0),
        ..condition("orders")
    };
    wrong(both, "has both at_least and more_than");
}

#[test]
fn stages_of_the_configuration_replace_the_preset() {
    let truth = |fact: &str, truth| StageCondition {
        equals: Some(Bound::Bool(truth)),
        ..condition(fact)
    };
    let stages = vec![
        stage("done", vec![truth("closed", true)], vec![]),
        stage(
            "known",
            vec![],
            vec![
                vec![truth("identified", true)],
                vec![StageCondition {
                    at_least: Some(Bound::Number(1.0)),
                    ..condition("orders")
                }],
            ],
        ),
        stage("new", vec![], vec![]),
    ];
    let model = StageModel::from_config(&config(stages)).unwrap();
    let customer = Customer {
        orders: vec![OrderVersion::only(0, 5 * DAY, None, true)],
        ..Customer::default()
    };
    let names: HashMap<i64, &str> = [4, 5]
        .map(|day| {
            (
                day,
                model
                    .stage_name(stage_at(&model, &customer.facts(), day * DAY).unwrap())
                    .unwrap(),
            )
        })
        .into();
    assert_eq!(names, HashMap::from([(4, "new"), (5, "known")]));
    let preset = StageModel::from_config(&config(vec![])).unwrap();
    assert_eq!(preset.stages(), StageModel::default_model().stages());
    assert_eq!(preset.windows().active, Window::Fixed(days(30)));
}
