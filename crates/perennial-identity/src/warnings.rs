//! Values that identify nobody, counted and never dropped silently.

use std::collections::BTreeMap;

/// How many distinct values are reported per reason (each entry of the block list is one), type and source; the rest is one row without a value.
pub(crate) const REPORTED_VALUES: usize = 10_000;

/// A value, or what is left of many, that identifies nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Why it identifies nobody.
    pub kind: WarningKind,
    /// The index of the identifier type in the rules.
    pub identifier_type: usize,
    /// The index of the source; absent where the reason lies in several.
    pub source: Option<u16>,
    /// The value; absent in the one row that sums up the values beyond the first ten thousand of its kind, type and
    /// source.
    pub value: Option<String>,
    /// How many records hold it.
    pub records: u64,
}

/// Why a value identifies nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WarningKind {
    /// It is on the block list.
    Blocked {
        /// The place of the entry in [`crate::Rules::blocked`].
        entry: u16,
    },
    /// It is not a value of its type, for example an email without an at sign.
    Malformed,
    /// It would join more customers than `max_customers` allows.
    OverMaxCustomers {
        /// How many customers, as built from stronger identifiers alone, hold it.
        customers: u32,
        /// The bound.
        max_customers: u32,
    },
}

/// Counts per reason, type, source and value, with bounded memory: the least values in text order are kept, and
/// their counts are exact whatever the order of arrival. One for each file lets a file be left out as a whole.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    groups: BTreeMap<(WarningKind, usize, u16), Group>,
}

#[derive(Debug, Default, Clone)]
struct Group {
    values: BTreeMap<String, u64>,
    rest: u64,
}

impl Tally {
    /// Counts records whose value is on the block list, by the entry that says so.
    pub fn blocked(&mut self, entry: u16, identifier_type: usize, value: &str, source: u16, records: u64) {
        let kind = WarningKind::Blocked { entry };
        self.add(kind, identifier_type, source, value, records);
    }

    /// Counts records whose value is not one of its type.
    pub fn malformed(&mut self, identifier_type: usize, value: &str, source: u16, records: u64) {
        self.add(WarningKind::Malformed, identifier_type, source, value, records);
    }

    /// Takes in the counts of another. Which values are kept and their counts are the same as if all had been counted in
    /// one: a value among the least of all is among the least of its part.
    pub fn merge(&mut self, other: &Self) {
        for ((kind, identifier_type, source), group) in &other.groups {
            for (value, records) in &group.values {
                self.add(*kind, *identifier_type, *source, value, *records);
            }
            let own = self.groups.entry((*kind, *identifier_type, *source)).or_default();
            own.rest = own.rest.saturating_add(group.rest);
        }
    }

    /// How many records were counted for values of a type, those of them whose value is not one of it, and the first of such
    /// values in the order of the alphabet; where there is none, the first that is on the block list.
    pub fn of_type(&self, identifier_type: usize) -> (u64, u64, Option<&str>) {
        let (mut records, mut malformed) = (0_u64, 0_u64);
        let (mut first, mut blocked) = (None, None);
        for ((kind, of_type, _), group) in &self.groups {
            if *of_type != identifier_type {
                continue;
            }
            let counted = group
                .values
                .values()
                .fold(group.rest, |sum, count| sum.saturating_add(*count));
            records = records.saturating_add(counted);
            let least = group.values.keys().next().map(String::as_str);
            match kind {
                WarningKind::Malformed => {
                    malformed = malformed.saturating_add(counted);
                    first = first.into_iter().chain(least).min();
                }
                WarningKind::Blocked { .. } => blocked = blocked.into_iter().chain(least).min(),
                _ => {}
            }
        }
        (records, malformed, first.or(blocked))
    }

    pub(crate) fn add(
        &mut self,
        kind: WarningKind,
        identifier_type: usize,
        source: u16,
        value: &str,
        records: u64,
    ) {
        let group = self.groups.entry((kind, identifier_type, source)).or_default();
        if let Some(count) = group.values.get_mut(value) {
            *count = count.saturating_add(records);
            return;
        }
        if group.values.len() < REPORTED_VALUES {
            group.values.insert(value.to_owned(), records);
            return;
        }
        // The greatest kept value only ever falls, so a value once left out can never come back with a part of its
        // count.
        let falls_out = match group.values.last_entry() {
            Some(greatest) if value < greatest.key().as_str() => {
                let (_, count) = greatest.remove_entry();
                group.values.insert(value.to_owned(), records);
                count
            }
            _ => records,
        };
        group.rest = group.rest.saturating_add(falls_out);
    }

    /// Adds what another tally has answered.
    pub(crate) fn take_over(&mut self, warning: &Warning) {
        let Warning {
            kind,
            identifier_type,
            source: Some(source),
            value,
            records,
        } = warning
        else {
            return;
        };
        match value {
            Some(value) => self.add(*kind, *identifier_type, *source, value, *records),
            None => {
                let group = self.groups.entry((*kind, *identifier_type, *source)).or_default();
                group.rest = group.rest.saturating_add(*records);
            }
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The rows, sorted by kind, type, source and value, the sum of the rest behind its values.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> + '_ {
        self.groups
            .iter()
            .flat_map(|((kind, identifier_type, source), group)| {
                let values = group
                    .values
                    .iter()
                    .map(|(value, records)| (Some(value.clone()), *records));
                let rest = (group.rest > 0).then_some((None, group.rest));
                values.chain(rest).map(|(value, records)| Warning {
                    kind: *kind,
                    identifier_type: *identifier_type,
                    source: Some(*source),
                    value,
                    records,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_that_is_taken_over_counts_as_if_it_had_never_been_two() {
        let values: Vec<String> = (0..REPORTED_VALUES + 70)
            .map(|number| format!("{:06}", number * 7_919 % 10_070))
            .collect();
        let (first, second) = values.split_at(REPORTED_VALUES + 20);
        let mut whole = Tally::default();
        let mut before = Tally::default();
        let mut after = Tally::default();
        for value in first {
            whole.add(WarningKind::Blocked { entry: 4 }, 1, 2, value, 3);
            before.add(WarningKind::Blocked { entry: 4 }, 1, 2, value, 3);
        }
        before
            .warnings()
            .collect::<Vec<_>>()
            .iter()
            .for_each(|warning| after.take_over(warning));
        for value in second {
            whole.add(WarningKind::Blocked { entry: 4 }, 1, 2, value, 1);
            after.add(WarningKind::Blocked { entry: 4 }, 1, 2, value, 1);
        }
        assert_eq!(
            after.warnings().collect::<Vec<_>>(),
            whole.warnings().collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_values_of_a_type_are_counted_with_the_first_that_is_none() {
        let mut tally = Tally::default();
        assert_eq!(tally.of_type(0), (0, 0, None));
        tally.blocked(3, 0, "a", 0, 2);
        assert_eq!(tally.of_type(0), (2, 0, Some("a")));
        tally.malformed(0, "c", 0, 1);
        tally.malformed(0, "b", 1, 4);
        tally.malformed(1, "a", 0, 8);
        assert_eq!(tally.of_type(0), (7, 5, Some("b")));
    }

    #[test]
    fn values_beyond_the_bound_are_summed_up_in_any_order() {
        let values: Vec<String> = (0..REPORTED_VALUES + 50)
            .map(|number| format!("{number:06}"))
            .collect();
        let mut forward = Tally::default();
        let mut backward = Tally::default();
        for _ in 0..2 {
            values
                .iter()
                .for_each(|value| forward.add(WarningKind::Malformed, 0, 0, value, 1));
            values
                .iter()
                .rev()
                .for_each(|value| backward.add(WarningKind::Malformed, 0, 0, value, 1));
        }
        let warnings = forward.warnings().collect::<Vec<_>>();
        assert_eq!(warnings, backward.warnings().collect::<Vec<_>>());
        // In parts that overlap, each over the bound or not, and in either order.
        let mut parts = [0, 1, 2].map(|_| Tally::default());
        for (place, value) in values.iter().enumerate() {
            let part = usize::from(place % 7 == 0);
            parts[part].malformed(0, value, 0, 1);
            parts[2].malformed(0, value, 0, 1);
        }
        for order in [[0, 1, 2], [2, 1, 0]] {
            let mut merged = Tally::default();
            order.iter().for_each(|part| merged.merge(&parts[*part]));
            assert_eq!(merged.warnings().collect::<Vec<_>>(), warnings);
        }
        assert_eq!(warnings.len(), REPORTED_VALUES + 1);
        assert!(
            warnings
                .iter()
                .take(REPORTED_VALUES)
                .all(|warning| warning.records == 2)
        );
        assert_eq!(
            warnings.last().map(|warning| (&warning.value, warning.records)),
            Some((&None, 100))
        );
    }
}
