//! Which bounds go with which fact.

use crate::config::reader::{Reader, Section};
use crate::config::stage_facts::{Days, FactType};
use crate::config::{Bound, StageCondition};

/// Whether window and bounds go together; what does not is reported.
pub(super) fn check(
    reader: &mut Reader,
    section: &Section<'_>,
    condition: &StageCondition,
    fact_type: FactType,
) -> bool {
    if condition.name.is_some() && !fact_type.named() {
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
    match (fact_type.days(), condition.days) {
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
        (_, Some(_)) if fact_type == FactType::Since && bounds == 0 => return true,
        (_, Some(_)) if fact_type == FactType::Since => {
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
    let only_equals = fact_type.only_equals();
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
        [(key @ "equals", _)] if fact_type == FactType::Duration => {
            let reason = "is a length of time, which is never met to the microsecond";
            let remedy = "write { at_least = \"active\" } or { less_than = \"active\" }";
            reader.invalid(section, key, &section.place_of(key), reason, remedy);
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
