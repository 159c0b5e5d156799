//! The language of the configuration: the one list of facts, the presets written in it, and stages that nobody can be in.

use perennial_base::config::{
    Bound, Config, StageCondition,
    stage_facts::{FactType, STAGE_FACTS},
};
use proptest::prelude::*;

use super::{invariants, plain::Plain, rules, *};
use crate::error::Error;

/// A configuration with these lines at its end, which begin in line 5.
pub(super) fn read(lifecycle: &str) -> Config {
    let text = format!("[lake]\nurl = \"x\"\n\n[lifecycle]\n{lifecycle}");
    Config::parse(&text, std::path::Path::new("."), &|_| None).expect("a configuration that can be read")
}

#[test]
fn the_model_understands_every_fact_of_the_list() {
    for fact in STAGE_FACTS {
        let condition = match fact.fact_type {
            FactType::Count { .. } | FactType::Number { .. } => "at_least = 1".to_owned(),
            FactType::Duration | FactType::Since => "less_than = \"30 days\"".to_owned(),
            FactType::Truth => "equals = true".to_owned(),
            FactType::Word { words, .. } => format!("equals = \"{}\"", words[0]),
        };
        let days = match fact.fact_type.days() {
            perennial_base::config::stage_facts::Days::Must => ", days = 30",
            _ => "",
        };
        let config = read(&format!(
            "[[lifecycle.stage]]\nname = \"a\"\n{} = {{ {condition}{days} }}\n[[lifecycle.stage]]\nname = \"b\"",
            fact.name
        ));
        let model = StageModel::unjudged(&config.lifecycle).unwrap();
        let [Condition::Test(test)] = model.stages()[0].conditions.as_slice() else {
            panic!("one condition of {}", fact.name)
        };
        assert_eq!(test.fact(), fact.name);
    }
}

fn span(span: Span) -> String {
    match span {
        Span::Active => "\"active\"".to_owned(),
        Span::Lapse => "\"lapse\"".to_owned(),
        Span::Lasting(length) => format!("\"{} days\"", length.as_secs() / 86_400),
    }
}

fn days_of(span: Span) -> String {
    match span {
        Span::Lasting(length) => format!("days = {}, ", length.as_secs() / 86_400),
        _ => panic!("named windows are no number of days"),
    }
}

fn bounds<T: Copy>(bounds: &Bounds<T>, text: impl Fn(T) -> String) -> String {
    let lower = bounds.lower().map(|low| format!("at_least = {}", text(low)));
    let upper = match bounds.edges().1 {
        std::ops::Bound::Included(high) => Some(format!("at_most = {}", text(high))),
        std::ops::Bound::Excluded(high) => Some(format!("less_than = {}", text(high))),
        std::ops::Bound::Unbounded => None,
    };
    lower.into_iter().chain(upper).collect::<Vec<_>>().join(", ")
}

fn toml(test: &Test) -> String {
    let whole = |count: u64| count.to_string();
    let (days, rest) = match test {
        Test::Orders(counts) | Test::Count(_, counts) => (String::new(), bounds(counts, whole)),
        Test::OrdersWithin(length, counts) | Test::CountWithin(_, length, counts) => {
            (days_of(*length), bounds(counts, whole))
        }
        Test::NpsLatest(Some(length), scores) => {
            (days_of(*length), bounds(scores, |score| score.to_string()))
        }
        Test::Silence(lengths)
        | Test::Tenure(lengths)
        | Test::ReturnedWithin(lengths)
        | Test::RestartedWithin(lengths) => (String::new(), bounds(lengths, span)),
        Test::Subscription(state) => (String::new(), format!("equals = \"{state}\"")),
        Test::MrrMovedWithin(direction, length) => (days_of(*length), format!("equals = \"{direction}\"")),
        Test::Identified(truth) | Test::Closed(truth) => (String::new(), format!("equals = {truth}")),
        other => panic!("no preset asks for {other}"),
    };
    format!("{} = {{ {days}{rest} }}", test.fact())
}

fn line(condition: &Condition) -> String {
    match condition {
        Condition::Test(test) => toml(test),
        Condition::Any(groups) => {
            let group = |group: &Condition| match group {
                Condition::All(conditions) => conditions.iter().map(line).collect::<Vec<_>>().join(", "),
                condition => line(condition),
            };
            let groups: Vec<String> = groups
                .iter()
                .map(|each| format!("{{ {} }}", group(each)))
                .collect();
            format!("any = [{}]", groups.join(", "))
        }
        Condition::All(_) => panic!("no preset nests groups"),
    }
}

/// Groups of one are their only member.
fn plainly(condition: &Condition) -> Condition {
    match condition {
        Condition::Any(each) => Condition::Any(each.iter().map(plainly).collect()),
        Condition::All(all) if all.len() == 1 => plainly(&all[0]),
        Condition::All(all) => Condition::All(all.iter().map(plainly).collect()),
        Condition::Test(test) => Condition::Test(test.clone()),
    }
}

#[test]
fn presets_can_be_written_out() {
    for preset in PRESETS {
        let model = StageModel::preset(preset).unwrap();
        // Own windows have no name in facts that ask for days: what says "active" there is written out.
        let mut stages: Vec<StageRule> = model.stages().to_vec();
        for stage in &mut stages {
            stage.conditions = stage.conditions.iter().map(with_days).collect();
        }
        let text: String = stages
            .iter()
            .map(|stage| {
                let lines: Vec<String> = stage.conditions.iter().map(line).collect();
                format!(
                    "[[lifecycle.stage]]\nname = \"{}\"\n{}\n",
                    stage.name,
                    lines.join("\n")
                )
            })
            .collect();
        let facts = "[lifecycle.facts]\nclosing = \"events where name = 'end'\"\nreferral = \"events where name = 'ref'\"\n";
        let read = StageModel::from_config(&read(&format!("{facts}{text}")).lifecycle).unwrap();
        for (written, stage) in read.stages().iter().zip(&stages) {
            let plain = |rule: &StageRule| rule.conditions.iter().map(plainly).collect::<Vec<_>>();
            assert_eq!(plain(written), plain(stage), "{preset}, {}", stage.name);
        }
        assert_eq!(read.stages().len(), stages.len());
        assert_eq!(model.unreachable_stages(), []);
    }
}

#[test]
fn the_way_up_of_each_preset() {
    let ways = [
        (
            "default",
            "awareness acquisition conversion retention loyalty advocacy",
        ),
        ("classic", "reach acquisition conversion retention loyalty"),
        (
            "acquisition_engagement_retention",
            "acquisition engagement retention",
        ),
        ("subscription", "prospect trial onboarding active expansion"),
    ];
    for (preset, way) in ways {
        assert_eq!(StageModel::preset(preset).unwrap().funnel().join(" "), way);
    }
}

fn with_days(condition: &Condition) -> Condition {
    match condition {
        Condition::Test(Test::CountWithin(kind, Span::Active, counts)) => {
            Test::CountWithin(kind.clone(), Span::Lasting(days(90)), *counts).into()
        }
        Condition::Test(test) => test.clone().into(),
        Condition::All(all) => Condition::All(all.iter().map(with_days).collect()),
        Condition::Any(any) => Condition::Any(any.iter().map(with_days).collect()),
    }
}

/// `referral` and `closing` are names like any other, and the sign of a fact of either is the fact itself.
#[test]
fn own_facts_hold_by_their_own_names() {
    let config = read(
        "[lifecycle.facts]\nreferral = \"events where name = 'ref'\"\nclosing = \"events where name = 'end'\"\n\
         [[lifecycle.stage]]\nname = \"referrer\"\nreferral = { at_least = 1 }\n\
         [[lifecycle.stage]]\nname = \"ended\"\nclosing = { at_least = 1 }\n\
         [[lifecycle.stage]]\nname = \"rest\"\n",
    );
    let model = StageModel::from_config(&config.lifecycle).unwrap();
    assert_eq!(model.kinds(), [Kind::Referral, Kind::Closing]);
}

fn test() -> impl Strategy<Value = Test> {
    let span = || {
        prop_oneof![
            Just(Span::Active),
            Just(Span::Lapse),
            (20..200_u64).prop_map(|n| Span::Lasting(days(n)))
        ]
    };
    let counts = || {
        (0..4_u64, prop::option::of(0..3_u64)).prop_map(|(low, more)| match more {
            Some(more) => Bounds::new(
                std::ops::Bound::Included(low),
                std::ops::Bound::Included(low + more),
            ),
            None => Bounds::at_least(low),
        })
    };
    let few = || (0..3_u64).prop_map(Bounds::at_most);
    let spans = || {
        prop_oneof![
            span().prop_map(Bounds::at_least),
            span().prop_map(Bounds::less_than),
            (span(), span()).prop_map(|(low, high)| Bounds::new(
                std::ops::Bound::Included(low),
                std::ops::Bound::Excluded(high)
            )),
        ]
    };
    let amounts = || {
        (0..3_i128, any::<bool>()).prop_map(|(euros, above)| {
            if above {
                Bounds::at_least(euros * 10_000)
            } else {
                Bounds::at_most(euros * 10_000)
            }
        })
    };
    let states = prop::sample::select(vec![
        SubscriptionState::Active,
        SubscriptionState::PastDue,
        SubscriptionState::Trial,
        SubscriptionState::Ended,
    ]);
    let kinds = || prop::sample::select(vec![Kind::Closing, Kind::Referral]);
    prop_oneof![
        2 => counts().prop_map(Test::Orders),
        1 => few().prop_map(Test::Orders),
        2 => (span(), counts()).prop_map(|(span, counts)| Test::OrdersWithin(span, counts)),
        1 => (span(), few()).prop_map(|(span, counts)| Test::OrdersWithin(span, counts)),
        3 => spans().prop_map(Test::Silence),
        1 => spans().prop_map(Test::Tenure),
        1 => spans().prop_map(Test::ReturnedWithin),
        1 => spans().prop_map(Test::RestartedWithin),
        1 => states.prop_map(Test::Subscription),
        1 => amounts().prop_map(Test::Mrr),
        1 => amounts().prop_map(Test::Revenue),
        1 => span().prop_map(|span| Test::MrrMovedWithin(Direction::Expansion, span)),
        1 => any::<bool>().prop_map(Test::Identified),
        1 => any::<bool>().prop_map(Test::Closed),
        1 => (kinds(), counts()).prop_map(|(kind, counts)| Test::Count(kind, counts)),
        1 => (kinds(), span(), counts()).prop_map(|(kind, span, counts)| Test::CountWithin(kind, span, counts)),
        1 => (0..24_u8).prop_map(|half| Test::NpsLatest(None, Bounds::at_least(f64::from(half) / 2.0))),
        1 => (span(), 0..24_u8).prop_map(|(span, half)| {
            Test::NpsLatest(Some(span), Bounds::less_than(f64::from(half) / 2.0))
        }),
    ]
}

/// A model of random rules; the last stage takes the rest.
pub(super) fn any_model() -> impl Strategy<Value = StageModel> {
    let condition = prop_oneof![
        4 => test().prop_map(Condition::from),
        1 => prop::collection::vec(test().prop_map(Condition::from), 1..3).prop_map(Condition::Any),
    ];
    let conditions = prop::collection::vec(condition, 1..3);
    prop::collection::vec(conditions, 1..6).prop_map(|stages| {
        let mut rules: Vec<StageRule> = stages
            .into_iter()
            .enumerate()
            .map(|(at, conditions)| StageRule::new(format!("s{at}"), conditions))
            .collect();
        rules.push(StageRule::new("rest", []));
        StageModel::try_new(rules).unwrap()
    })
}

proptest! {
    #![proptest_config(invariants::cases())]

    #[test]
    fn who_is_called_unreachable_is(
        model in any_model(),
        adapts in any::<bool>(),
        customers in prop::collection::vec(invariants::customer(), 3),
    ) {
        let model = if adapts { invariants::adaptive(model) } else { model };
        let names = |errors: Vec<Error>| -> Vec<String> {
            let name = |error| match error {
                Error::NeverHolds { stage, .. } | Error::Shadowed { stage, .. } => stage,
                other => panic!("{other}"),
            };
            errors.into_iter().map(name).collect()
        };
        let unreachable = names(model.unreachable_stages());
        let unmapped = [Kind::Closing, Kind::Referral];
        let unreachable_without = names(model.unreachable(&unmapped));
        let lacking = |fact: &NamedFact| unmapped.iter().all(|kind| model.kind(kind) != Some(fact.kind));
        for customer in &customers {
            for interval in history(&model, &customer.facts(), invariants::NOW) {
                let stage = model.stage_name(interval.stage).unwrap();
                prop_assert!(!unreachable.iter().any(|name| name == stage), "{} is reached", stage);
                let plain = Plain { model: &model, customer, at: interval.entered_at };
                prop_assert_eq!(rules::stage_of(&plain), interval.stage);
            }
            let mut without = customer.clone();
            without.named.retain(lacking);
            for interval in history(&model, &without.facts(), invariants::NOW) {
                let stage = model.stage_name(interval.stage).unwrap();
                prop_assert!(!unreachable_without.iter().any(|name| name == stage), "{} is reached", stage);
            }
        }
    }
}

#[test]
fn bounds_of_the_configuration_are_told_with_their_line() {
    let error = |condition: &str| {
        let text = format!(
            "[lake]\nurl = \"x\"\n[[lifecycle.stage]]\nname = \"a\"\n{condition}\n[[lifecycle.stage]]\nname = \"b\"\n"
        );
        Config::parse(&text, std::path::Path::new("."), &|_| None)
            .unwrap_err()
            .to_string()
    };
    for (condition, message) in [
        (
            "silence = \"active\"",
            "is a length of time, which is never met to the microsecond",
        ),
        ("orders = { at_least = 2.5 }", "is not a whole number from 0 on"),
        ("orders = { at_least = -1 }", "is not a whole number from 0 on"),
        ("orders = 1.5", "is not a whole number from 0 on"),
        ("mrr_moved_within = \"expansion\"", "missing key \"days\""),
    ] {
        let error = error(condition);
        assert!(error.starts_with("perennial.toml:5:"), "{error}");
        assert!(error.contains(message), "{error}");
    }
    let written = StageCondition {
        at_least: Some(Bound::Number(2.5)),
        ..definitions::condition("orders")
    };
    let config = definitions::config(vec![
        definitions::stage("s", vec![written], vec![]),
        definitions::stage("rest", vec![], vec![]),
    ]);
    assert_eq!(
        StageModel::problems(&config)[0].to_string(),
        "1:1: condition \"orders\" of lifecycle stage \"s\" has a bound of another type"
    );
}
