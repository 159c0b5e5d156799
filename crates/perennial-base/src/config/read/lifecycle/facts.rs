//! The facts that conditions of stages may name, and which bounds go with each.

use crate::config::reader::{Reader, Section};
use crate::config::{Bound, StageCondition};

/// What a fact is, as far as its bounds go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactType {
    /// A count, an amount or a score.
    Number {
        /// Whether `days` belongs to it.
        days: Days,
        /// Whether `name` picks events.
        name: bool,
    },
    /// A span of time; `days` can stand for the bound when the fact is about the last days.
    Duration {
        /// Whether `days` belongs to it.
        days: Days,
    },
    /// True or false.
    Truth,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Whether a condition has `days`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days {
    No,
    May,
    Must,
    /// `days` takes the place of the bound.
    InsteadOfBound,
}

const fn number(days: Days) -> FactType {
    FactType::Number { days, name: false }
}

const FACTS: &[(&str, FactType)] = &[
    ("orders", number(Days::No)),
    ("orders_within", number(Days::Must)),
    ("revenue", number(Days::No)),
    ("revenue_within", number(Days::Must)),
    (
        "events",
        FactType::Number {
            days: Days::No,
            name: true,
        },
    ),
    (
        "events_within",
        FactType::Number {
            days: Days::Must,
            name: true,
        },
    ),
    ("silence", FactType::Duration { days: Days::No }),
    ("tenure", FactType::Duration { days: Days::No }),
    ("nps_latest", number(Days::May)),
    ("csat_latest", number(Days::May)),
    ("referrals_within", number(Days::Must)),
    ("interactions_within", number(Days::Must)),
    ("subscription", FactType::Word(&["active", "ended"])),
    ("mrr", number(Days::No)),
    ("identified", FactType::Truth),
    (
        "returned_within",
        FactType::Duration {
            days: Days::InsteadOfBound,
        },
    ),
    ("closed", FactType::Truth),
];

/// Names of the built-in facts.
pub(super) fn known_facts<'a>() -> impl Iterator<Item = &'a str> {
    FACTS.iter().map(|(name, _)| *name)
}

/// The type of a built-in fact, or of one of the user's own: how many rows of its relation fit its predicate.
pub(super) fn fact_type<'a>(name: &str, mut own: impl Iterator<Item = &'a str>) -> Option<FactType> {
    let built_in = FACTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, fact_type)| *fact_type);
    built_in.or_else(|| own.any(|known| known == name).then(|| number(Days::May)))
}

/// Whether window and bounds go together; what does not is reported.
pub(super) fn check(
    reader: &mut Reader,
    section: &Section<'_>,
    condition: &StageCondition,
    fact_type: FactType,
) -> bool {
    let (days, named) = match fact_type {
        FactType::Number { days, name } => (days, name),
        FactType::Duration { days } => (days, false),
        FactType::Truth | FactType::Word(_) => (Days::No, false),
    };
    if condition.name.is_some() && !named {
        let place = section.place_of("name");
        reader.invalid(
            section,
            "name",
            &place,
            "picks events, and this fact counts none",
            "take it out",
        );
        return false;
    }
    let bounds = bounds(condition).count();
    match (days, condition.days) {
        (Days::No, Some(_)) => {
            let remedy = "take it out, or use a fact that ends in _within";
            reader.invalid(
                section,
                "days",
                &section.place_of("days"),
                "has no meaning for this fact",
                remedy,
            );
            return false;
        }
        (Days::Must, None) => {
            reader.missing(
                section,
                "days",
                "add days = 365: the window up to the moment asked about",
            );
            return false;
        }
        (Days::InsteadOfBound, Some(_)) if bounds == 0 => return true,
        (Days::InsteadOfBound, Some(_)) => {
            let remedy = "write { days = 30 } or { at_most = \"active\" }";
            reader.invalid(
                section,
                "days",
                &section.place_of("days"),
                "stands beside a bound",
                remedy,
            );
            return false;
        }
        _ => {}
    }
    check_bounds(reader, section, condition, fact_type)
}

fn bounds(condition: &StageCondition) -> impl Iterator<Item = (&'static str, &Bound)> {
    [
        ("at_least", &condition.at_least),
        ("more_than", &condition.more_than),
        ("at_most", &condition.at_most),
        ("less_than", &condition.less_than),
        ("equals", &condition.equals),
    ]
    .into_iter()
    .filter_map(|(key, bound)| bound.as_ref().map(|bound| (key, bound)))
}

/// One bound, or one below and one above between which a value can lie.
fn check_bounds(
    reader: &mut Reader,
    section: &Section<'_>,
    condition: &StageCondition,
    fact_type: FactType,
) -> bool {
    let given: Vec<(&str, &Bound)> = bounds(condition).collect();
    let only_equals = matches!(fact_type, FactType::Truth | FactType::Word(_));
    let lower = |key: &str| key == "at_least" || key == "more_than";
    let upper = |key: &str| key == "at_most" || key == "less_than";
    match given.as_slice() {
        [] => {
            reader.missing(
                section,
                if only_equals { "equals" } else { "at_least" },
                "add a bound",
            );
            false
        }
        [(key, _)] if only_equals && *key != "equals" => {
            reader.invalid(
                section,
                key,
                &section.place_of(key),
                "needs an order, and this fact has none",
                "write equals",
            );
            false
        }
        [_] => true,
        [(low_key, low), (high_key, high)] if lower(low_key) && upper(high_key) => {
            let strict = *low_key == "more_than" || *high_key == "less_than";
            let (empty, equal) = match (low, high) {
                (Bound::Number(low), Bound::Number(high)) => (low > high, low == high),
                (Bound::Duration(low), Bound::Duration(high)) => (low > high, low == high),
                (Bound::Word(low), Bound::Word(high)) => (low == "lapse" && high == "active", low == high),
                _ => (false, false),
            };
            let impossible = empty || (equal && strict);
            if impossible {
                let reason = format!("leaves no value above {low_key}");
                reader.invalid(
                    section,
                    high_key,
                    &section.place_of(high_key),
                    reason,
                    "write a larger bound",
                );
            }
            !impossible
        }
        [(first, _), .., (last, _)] => {
            let reason = format!("does not go with {first}");
            let remedy = "write one bound, or one below and one above";
            reader.invalid(section, last, &section.place_of(last), reason, remedy);
            false
        }
    }
}
