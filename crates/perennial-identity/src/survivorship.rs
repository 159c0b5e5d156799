//! Which of a customer's records supplies a trait of the golden record.

use std::cmp::Reverse;
use std::str::FromStr;

use hashbrown::HashMap;

use crate::Error;

/// The rule by which a value is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SurvivorshipRule {
    /// The value that became true last.
    #[default]
    MostRecent,
    /// The value that most records have; of equally frequent ones the most recent.
    MostFrequent,
    /// The value that became true first.
    First,
    /// The value of the source that stands first in the order of sources; within a source the most recent. Sources that
    /// are not in the order come last, as if they were one.
    SourcePriority,
    /// The value with the most characters; of equally long ones the most recent.
    Longest,
}

/// A value that a record offers for a trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The value; none and blank text never win.
    pub value: Option<&'a str>,
    /// When the record became true, in microseconds since 1970.
    pub time: i64,
    /// The index of the source in the configuration: ties go to the lower.
    pub source: u16,
    /// The record key: ties within a source go to the lesser.
    pub key: &'a str,
}

impl SurvivorshipRule {
    /// Every rule.
    pub const ALL: [Self; 5] = [
        Self::MostRecent,
        Self::MostFrequent,
        Self::First,
        Self::SourcePriority,
        Self::Longest,
    ];

    /// The name of the rule in the configuration and in `trait_lineage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MostRecent => "most_recent",
            Self::MostFrequent => "most_frequent",
            Self::First => "first",
            Self::SourcePriority => "source_priority",
            Self::Longest => "longest",
        }
    }

    /// The place of the candidate whose value survives; none when no candidate has a value. Only
    /// [`Self::SourcePriority`] looks at `source_order`.
    ///
    /// Candidates that tie by the rule are told apart by source index, then record key, then value: the value that
    /// survives does not depend on the order of the candidates.
    pub fn choose(self, candidates: &[Candidate<'_>], source_order: &[u16]) -> Option<usize> {
        let mut frequencies: HashMap<&str, usize> = HashMap::new();
        if self == Self::MostFrequent {
            for value in candidates.iter().filter_map(Candidate::usable) {
                *frequencies.entry(value).or_default() += 1;
            }
        }
        let merit = |candidate: &Candidate<'_>, value: &str| match self {
            Self::MostRecent | Self::First => 0,
            Self::MostFrequent => frequencies.get(value).copied().unwrap_or(0),
            Self::Longest => value.chars().count(),
            Self::SourcePriority => {
                let place = source_order.iter().position(|source| *source == candidate.source);
                source_order.len() - place.unwrap_or(source_order.len())
            }
        };
        candidates
            .iter()
            .enumerate()
            .filter_map(|(place, candidate)| {
                let value = candidate.usable()?;
                let age = i128::from(candidate.time);
                let age = if self == Self::First { age } else { -age };
                Some((
                    Reverse(merit(candidate, value)),
                    age,
                    candidate.source,
                    candidate.key,
                    value,
                    place,
                ))
            })
            .min()
            .map(|(.., place)| place)
    }
}

impl FromStr for SurvivorshipRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.name() == text)
            .ok_or_else(|| Error::UnknownSurvivorshipRule {
                text: text.to_owned(),
            })
    }
}

impl<'a> Candidate<'a> {
    fn usable(&self) -> Option<&'a str> {
        self.value.filter(|value| !value.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<&'static str>, i64, u16, &'static str);

    const ROWS: [Row; 6] = [
        (Some("Anna"), 10, 0, "a"),
        (Some("Ann"), 30, 1, "b"),
        (Some("Anna"), 20, 2, "c"),
        (None, 50, 0, "d"),
        (Some(" \t"), 60, 0, "e"),
        (Some("Anneliese"), 5, 2, "f"),
    ];

    fn candidates(rows: &[Row]) -> Vec<Candidate<'static>> {
        rows.iter()
            .map(|(value, time, source, key)| Candidate {
                value: *value,
                time: *time,
                source: *source,
                key,
            })
            .collect()
    }

    #[track_caller]
    fn check(rule: &str, order: &[u16], rows: &[Row], expected: Option<usize>) {
        let rule: SurvivorshipRule = rule.parse().unwrap();
        assert_eq!(rule.choose(&candidates(rows), order), expected, "{rule:?}");
    }

    #[test]
    fn each_rule_chooses_its_value() {
        check("most_recent", &[], &ROWS, Some(1));
        check("most_frequent", &[], &ROWS, Some(2));
        check("first", &[], &ROWS, Some(5));
        check("longest", &[], &ROWS, Some(5));
        check("source_priority", &[2, 0], &ROWS, Some(2));
        check("source_priority", &[0, 2], &ROWS, Some(0));
        check("source_priority", &[], &ROWS, Some(1));
        check("source_priority", &[7], &ROWS, Some(1));
    }

    #[test]
    fn null_and_blank_never_win() {
        for rule in SurvivorshipRule::ALL {
            check(rule.name(), &[0], &[], None);
            check(
                rule.name(),
                &[0],
                &[
                    (None, 1, 0, "a"),
                    (Some(""), 2, 0, "b"),
                    (Some("\u{a0}"), 3, 0, "c"),
                ],
                None,
            );
            check(
                rule.name(),
                &[0],
                &[(None, 9, 0, "a"), (Some("x"), i64::MIN, 5, "b")],
                Some(1),
            );
        }
    }

    #[test]
    fn ties_go_to_the_first_source_then_to_the_least_key() {
        for rule in SurvivorshipRule::ALL {
            check(
                rule.name(),
                &[],
                &[(Some("bb"), 1, 1, "a"), (Some("aa"), 1, 0, "z")],
                Some(1),
            );
            check(
                rule.name(),
                &[],
                &[(Some("aa"), 1, 0, "z"), (Some("bb"), 1, 0, "b")],
                Some(1),
            );
        }
    }

    #[test]
    fn characters_are_counted_rather_than_bytes() {
        check(
            "longest",
            &[],
            &[(Some("äöü"), 9, 0, "a"), (Some("abcd"), 1, 0, "b")],
            Some(1),
        );
    }

    #[test]
    fn names_are_rules() {
        assert!(matches!(
            "latest".parse::<SurvivorshipRule>(),
            Err(Error::UnknownSurvivorshipRule { .. })
        ));
    }

    proptest! {
        #[test]
        fn the_order_of_candidates_does_not_matter(
            rows in prop::collection::vec((prop::option::of("[ab ]{0,2}"), 0_i64..3, 0_u16..3, "[xy]"), 0..8)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        ) {
            fn view(rows: &[(Option<String>, i64, u16, String)]) -> Vec<Candidate<'_>> {
                rows.iter()
                    .map(|(value, time, source, key)| Candidate { value: value.as_deref(), time: *time, source: *source, key })
                    .collect()
            }
            let (a, b) = (view(&rows.0), view(&rows.1));
            for rule in SurvivorshipRule::ALL {
                prop_assert_eq!(rule.choose(&a, &[1, 2]).map(|place| a[place]), rule.choose(&b, &[1, 2]).map(|place| b[place]));
            }
        }
    }
}
