//! Stages that nobody can be in, and lists of stages that were probably not meant as they are.

use super::{language::read, *};
use crate::error::Error;
use perennial_base::UserError;

/// Stages and a last one for the rest; the first begins in line 5.
fn stages(stages: &[(&str, &str)]) -> String {
    let stage =
        |(name, conditions): &(&str, &str)| format!("[[lifecycle.stage]]\nname = \"{name}\"\n{conditions}\n");
    let text: String = stages.iter().map(stage).collect();
    format!("{text}[[lifecycle.stage]]\nname = \"rest\"\n")
}

#[track_caller]
fn check_reach(stages: &str, expected: &[&str]) {
    let config = read(stages);
    let problems: Vec<String> = StageModel::problems(&config.lifecycle)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(problems, expected);
    assert_eq!(
        StageModel::from_config(&config.lifecycle).is_ok(),
        expected.is_empty()
    );
}

#[test]
fn stages_that_nobody_can_be_in_are_errors_with_their_lines() {
    check_reach(
        &stages(&[
            ("buyer", "orders = { at_least = 1 }"),
            ("loyal", "orders = { at_least = 4 }"),
        ]),
        &[
            "8:1: lifecycle stage \"loyal\" is never reached: stage \"buyer\" in line 5 takes all its customers first",
        ],
    );
    check_reach(
        &stages(&[
            ("at_risk", "silence = { at_least = \"active\" }"),
            ("lapsed", "silence = { at_least = \"lapse\" }"),
        ]),
        &[
            "8:1: lifecycle stage \"lapsed\" is never reached: stage \"at_risk\" in line 5 takes all its customers first",
        ],
    );
    check_reach(
        &stages(&[("odd", "orders = 0\nsilence = { at_least = \"active\" }")]),
        &[
            "5:1: no customer can ever be in lifecycle stage \"odd\": orders = 0 and silence ≥ the active window exclude each other",
        ],
    );
    check_reach(
        &stages(&[
            ("first", "orders = 1"),
            ("one", "orders = { at_least = 1, at_most = 1 }"),
        ]),
        &[
            "8:1: lifecycle stage \"one\" is never reached: stage \"first\" in line 5 takes the very same customers first",
        ],
    );
    check_reach(
        &stages(&[
            ("one", "orders = 1"),
            ("more", "orders = { at_least = 2 }"),
            ("buyer", "orders = { at_least = 1 }"),
        ]),
        &[
            "11:1: lifecycle stage \"buyer\" is never reached: stages \"one\" in line 5 and \"more\" in line 8 take all its customers first",
        ],
    );
    check_reach(
        &stages(&[
            ("quiet", "silence = { at_least = \"active\" }"),
            ("fresh", "silence = { less_than = \"active\" }"),
            ("buyer", "orders = { at_least = 1 }"),
        ]),
        &[
            "11:1: lifecycle stage \"buyer\" is never reached: stages \"quiet\" in line 5 and \"fresh\" in line 8 take all its customers first",
        ],
    );
    check_reach(
        &stages(&[
            ("recent", "orders_within = { days = 365, at_least = 1 }"),
            ("month", "orders_within = { days = 30, at_least = 2 }"),
            ("rich", "mrr = { more_than = 0 }\nsubscription = \"trial\""),
        ]),
        &[
            "8:1: lifecycle stage \"month\" is never reached: stage \"recent\" in line 5 takes all its customers first",
            "11:1: no customer can ever be in lifecycle stage \"rich\": mrr > 0 and subscription = trial exclude each other",
        ],
    );
    check_reach(
        &stages(&[
            ("known", "identified = true"),
            ("unknown", "identified = false"),
            ("buyer", "orders = { at_least = 1 }"),
        ]),
        &[
            "11:1: lifecycle stage \"buyer\" is never reached: stages \"known\" in line 5 and \"unknown\" in line 8 take all its customers first",
        ],
    );
    // An overlap is what an order of stages is for.
    check_reach(
        &stages(&[
            (
                "loyal",
                "orders = { at_least = 4 }\nsilence = { less_than = \"active\" }",
            ),
            (
                "buyer",
                "orders = { at_least = 1 }\nany = [{ identified = true }, { revenue = { more_than = 0 } }]",
            ),
            ("gone", "silence = { at_least = \"lapse\" }"),
        ]),
        &[],
    );
    // What adapts has no order with a fixed length between its bounds.
    let adaptive = "active = { gap_multiple = 2.0, min = \"30 days\", max = \"90 days\" }\n\
                    lapse = { gap_multiple = 4.0, min = \"60 days\", max = \"365 days\" }\n";
    check_reach(
        &format!(
            "{adaptive}{}",
            stages(&[
                ("a", "silence = { at_least = \"60 days\" }"),
                ("b", "silence = { at_least = \"active\" }")
            ])
        ),
        &[],
    );
    check_reach(
        &format!(
            "{adaptive}{}",
            stages(&[
                ("a", "silence = { at_least = \"30 days\" }"),
                ("b", "silence = { at_least = \"active\" }")
            ])
        ),
        &[
            "10:1: lifecycle stage \"b\" is never reached: stage \"a\" in line 7 takes all its customers first",
        ],
    );
}

/// No single earlier stage takes them, nor do ranges of a single fact.
#[test]
fn stages_that_others_take_by_several_facts_are_never_reached() {
    check_reach(
        &stages(&[
            ("visitor", "orders = 0"),
            ("quiet", "silence = { at_least = \"active\" }"),
            ("active", "silence = { less_than = \"active\" }"),
            ("known", "identified = true"),
        ]),
        &[
            "14:1: lifecycle stage \"known\" is never reached: stages \"visitor\" in line 5 and \"quiet\" in line 8 and \"active\" in line 11 take all its customers first",
        ],
    );
    check_reach(
        &stages(&[
            ("promoter", "nps_latest = { at_least = 9 }"),
            ("other", "nps_latest = { at_most = 8 }"),
            (
                "asked",
                "nps_latest = { at_least = 0 }\norders = { at_least = 1 }",
            ),
        ]),
        &[
            "11:1: lifecycle stage \"asked\" is never reached: stages \"promoter\" in line 5 and \"other\" in line 8 take all its customers first",
        ],
    );
    // Who was never asked is in neither; an amount may be negative, or have no rate.
    check_reach(
        &stages(&[
            ("promoter", "nps_latest = { at_least = 9 }"),
            ("other", "nps_latest = { at_most = 8 }"),
            ("subscriber", "mrr = { at_least = 0 }"),
            ("buyer", "orders = { at_least = 1 }"),
        ]),
        &[],
    );
}

#[test]
fn stages_that_ask_for_what_there_is_not_are_errors() {
    let written = stages(&[
        ("ended", "closed = true"),
        ("friend", "referrals_within = { days = 365, at_least = 1 }"),
        ("fan", "nps_latest = { at_least = 11 }"),
    ]);
    check_reach(
        &written,
        &[
            "5:1: no customer can ever be in lifecycle stage \"ended\": closed = true never holds without the fact \"closing\", which [lifecycle.facts] does not have",
            "8:1: no customer can ever be in lifecycle stage \"friend\": referrals within 365 days ≥ 1 never holds without the fact \"referral\", which [lifecycle.facts] does not have",
            "11:1: no customer can ever be in lifecycle stage \"fan\": nps_latest ≥ 11 never holds, as answers are whole numbers from 0 to 10",
        ],
    );
    let problems = StageModel::problems(&read(&written).lifecycle);
    assert_eq!(
        problems[0].hint().unwrap(),
        "Add it, as in closing = \"events where name = '…'\", or take the stage out."
    );
    let facts = "[lifecycle.facts]\nclosing = \"events where name = 'end'\"\nreferral = \"events where name = 'ref'\"\n";
    let mapped = read(&format!("{facts}{written}"));
    assert_eq!(StageModel::problems(&mapped.lifecycle).len(), 1);
    // Who has not ended anything has not closed either, and a preset may ask for what nobody mapped.
    check_reach(
        &stages(&[("open", "closed = false"), ("buyer", "orders = { at_least = 1 }")]),
        &[
            "8:1: lifecycle stage \"buyer\" is never reached: stage \"open\" in line 5 takes all its customers first",
        ],
    );
    check_reach("preset = \"default\"\n", &[]);
    assert!(matches!(problems[2], Error::NeverHolds { unmapped: None, .. }));
}

#[track_caller]
fn check_doubts(written: &str, expected: &[&str]) {
    let doubts = StageModel::doubts(&read(written).lifecycle);
    let told: Vec<String> = doubts.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[test]
fn ranges_that_overlap_in_part_are_told_with_what_they_share() {
    let overlap = |first: &str, second: &str| stages(&[("some", first), ("more", second)]);
    let told = |shared: &str, lines: u32| {
        format!(
            "{}:1: lifecycle stage \"more\" overlaps with \"some\" in line 5: customers with {shared} are in \"some\", which comes first; let one range end where the other begins if that is not meant",
            5 + lines
        )
    };
    let orders = |low: u8, high: u8| format!("orders = {{ at_least = {low}, at_most = {high} }}");
    check_doubts(
        &overlap(&orders(1, 5), &orders(4, 9)),
        &[&told("orders ≥ 4 and ≤ 5", 3)],
    );
    check_doubts(
        &overlap(&orders(4, 9), "orders = { at_least = 1, less_than = 5 }"),
        &[&told("orders = 4", 3)],
    );
    check_doubts(
        &overlap("orders = { at_least = 3 }", "orders = { at_most = 5 }"),
        &[&told("orders ≥ 3 and ≤ 5", 3)],
    );
    let silent = |low: &str, high: &str| {
        format!("identified = true\nsilence = {{ at_least = \"{low}\", less_than = \"{high}\" }}")
    };
    check_doubts(
        &overlap(&silent("10 days", "active"), &silent("30 days", "lapse")),
        &[&told(
            "identified = true and silence ≥ 30 days and < the active window",
            4,
        )],
    );
    // One in the other is how a list is written, and neighbours meet.
    check_doubts(&overlap(&orders(4, 9), "orders = { at_least = 1 }"), &[]);
    check_doubts(&overlap(&orders(1, 5), &orders(6, 9)), &[]);
    // What is not of the same facts is a rank of its own.
    check_doubts(
        &overlap(
            &orders(1, 5),
            "orders = { at_least = 4, at_most = 9 }\nidentified = true",
        ),
        &[],
    );
    // The stage before both has them already.
    check_doubts(
        &stages(&[
            ("middle", &orders(4, 5)),
            ("some", &orders(1, 5)),
            ("more", &orders(4, 9)),
        ]),
        &[],
    );
}

#[test]
fn a_preset_that_stages_replace_is_told() {
    let written = stages(&[("buyer", "orders = { at_least = 1 }")]);
    check_doubts(
        &format!("preset = \"classic\"\n{written}"),
        &[
            "5:10: preset = \"classic\" has no effect, as [[lifecycle.stage]] replaces its stages: take out one of the two",
        ],
    );
    check_doubts("preset = \"classic\"\n", &[]);
}
