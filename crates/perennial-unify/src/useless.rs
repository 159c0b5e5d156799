//! Identifiers of a source whose values say that they are probably mapped to another column: most are none of their type, or
//! a handful of values stands in thousands of rows.

use std::collections::BTreeSet;

use perennial_base::Kind;
use perennial_base::config::{Expression, SourceConfig};
use perennial_identity::Rules;
use perennial_lake::{FileState, SourceManifest};
use xxhash_rust::xxh3::xxh3_64;

use crate::noticed::{FewValues, Useless};
use crate::records::{Counts, Staged};

/// Values that tell of the mapping, at least, beside files that were read before: a few bad values are a few bad values.
const FEW: u64 = 10;
/// Different values up to which a column may be none of a person's.
const DIFFERENT: usize = 16;
/// How many rows each of them has then, on average: a customer has less.
const ROWS_PER_VALUE: u64 = 1_000;
/// How many rows the only value of a source has that is taken for one customer, who then has all of it.
const ROWS_OF_ONE: u64 = 100;

/// The values of a type that can be used.
#[derive(Debug, Default, Clone)]
pub(crate) struct Used {
    rows: u64,
    /// Hashes of the different ones, one more than [`DIFFERENT`] at most.
    different: BTreeSet<u64>,
}

impl Used {
    pub(crate) fn take(&mut self, value: &str) {
        self.rows += 1;
        if self.different.len() <= DIFFERENT {
            self.different.insert(xxh3_64(value.as_bytes()));
        }
    }

    fn and(mut self, other: &Self) -> Self {
        self.rows += other.rows;
        let more = (DIFFERENT + 1).saturating_sub(self.different.len());
        let new: Vec<u64> = other.different.difference(&self.different).copied().collect();
        self.different.extend(new.into_iter().take(more));
        self
    }
}

/// How many rows tell of the mapping of a source.
pub(crate) fn telling(staged: &Staged) -> u64 {
    if staged.stored.contains(&true) { FEW } else { 1 }
}

/// What was counted in the files that are served.
pub(crate) fn read<'a>(
    counts: &'a [Counts],
    manifest: &'a SourceManifest,
) -> impl Iterator<Item = &'a Counts> {
    let files = counts.iter().zip(&manifest.files);
    let live = files.filter(|(_, file)| file.state == FileState::Live);
    live.map(|(counted, _)| counted)
}

/// What was given of a type of identifier.
struct Given<'a> {
    used: Used,
    /// Values that cannot be used.
    unusable: u64,
    /// Those of them that are none of the type, and one of these, or of those that are blocked.
    malformed: u64,
    such: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn of(kind: usize, counts: &[&'a Counts]) -> Self {
        let mut given = Self {
            used: Used::default(),
            unusable: 0,
            malformed: 0,
            such: None,
        };
        for counted in counts {
            if let Some(used) = counted.usable.get(&kind) {
                given.used = given.used.and(used);
            }
            let (unusable, malformed, such) = counted.warnings.of_type(kind);
            given.unusable += unusable;
            given.malformed += malformed;
            given.such = given.such.into_iter().chain(such).min();
        }
        given
    }

    /// That no value can be used, or that most are none of the type.
    fn useless(&self, source: &str, name: &str, written: &Expression, whole: bool) -> Option<Useless> {
        let of = self.used.rows + self.unusable;
        let values = match self.used.rows {
            0 => self.unusable,
            _ => self.malformed,
        };
        // What a few new rows lack says nothing of the others.
        let told = match whole {
            true => values > 0 && 2 * values > of,
            false => values >= FEW && values == of,
        };
        told.then_some(())?;
        Some(Useless {
            source: source.to_owned(),
            name: name.to_owned(),
            at: written.at,
            values,
            of,
            value: self.such?.to_owned(),
        })
    }

    /// That a handful of values stands in thousands of rows, of which so many are the newest of their record.
    fn few(&self, source: &str, name: &str, written: &Expression, newest: u64) -> Option<FewValues> {
        let different = self.used.different.len();
        let rows = self.used.rows.min(newest);
        let few = match different {
            1 => rows >= ROWS_OF_ONE,
            _ => (2..=DIFFERENT).contains(&different) && rows >= ROWS_PER_VALUE * different as u64,
        };
        few.then(|| FewValues {
            source: source.to_owned(),
            name: name.to_owned(),
            at: written.at,
            sql: written.sql.clone(),
            rows: self.used.rows,
            different: different as u64,
        })
    }
}

/// What the values of a source's identifiers say of its mapping, in the files that were read.
#[derive(Debug, Default)]
pub(crate) struct Doubtful {
    pub(crate) useless: Vec<Useless>,
    pub(crate) few: Vec<FewValues>,
    /// The types of which no value is used.
    pub(crate) unused: Vec<String>,
}

/// See [`Doubtful`].
pub(crate) fn useless(
    source: &SourceConfig,
    rules: &Rules,
    staged: &Staged,
    counts: &[Counts],
    manifest: &SourceManifest,
) -> Doubtful {
    let read: Vec<&Counts> = read(counts, manifest).collect();
    let whole = !staged.stored.contains(&true);
    let live = manifest.files.iter().filter(|file| file.state == FileState::Live);
    let newest = live.map(|file| file.unified).sum();
    // A machine, or a large account, has as many events as it likes.
    let counts_people = whole && source.kind != Kind::Event;
    let mut doubtful = Doubtful::default();
    for kind in &staged.types {
        let name = rules.identifiers().get(*kind).map(|rule| &rule.name);
        let mapped = source.identifiers.iter().find(|(known, _)| Some(known) == name);
        let Some((name, written)) = mapped else {
            continue;
        };
        let given = Given::of(*kind, &read);
        let useless = given.useless(&source.name, name, written, whole);
        doubtful.useless.extend(useless);
        let few = given.few(&source.name, name, written, newest);
        doubtful.few.extend(few.filter(|_| counts_people));
        // What is blocked is a value, that somebody does not want.
        if given.used.rows == 0 && given.unusable == given.malformed {
            doubtful.unused.push(name.clone());
        }
    }
    doubtful
}

#[cfg(test)]
mod tests {
    use perennial_base::config::Spot;

    use super::*;

    /// Values that were used, each in so many rows.
    fn used(values: std::ops::Range<u32>, rows: u32) -> Used {
        let mut used = Used::default();
        for value in values.flat_map(|value| (0..rows).map(move |_| value)) {
            used.take(&value.to_string());
        }
        used
    }

    #[test]
    fn values_are_few_over_all_files_of_a_source() {
        let written = Expression {
            sql: "country".to_owned(),
            at: Spot { line: 1, column: 1 },
        };
        let check = |files: &[Used], newest: u64, expected: Option<u64>| {
            let given = Given {
                used: files.iter().fold(Used::default(), Used::and),
                unusable: 0,
                malformed: 0,
                such: None,
            };
            let few = given.few("shop", "user_id", &written, newest);
            assert_eq!(few.map(|few| few.different), expected);
        };
        let many = u64::MAX;
        check(&[], many, None);
        check(&[used(0..1, 99)], many, None);
        check(&[used(0..1, 60), used(0..1, 40)], many, Some(1));
        check(&[used(0..2, 999)], many, None);
        check(&[used(0..8, 1_000), used(8..16, 1_000)], many, Some(16));
        check(&[used(0..8, 2_000), used(8..17, 2_000)], many, None);
        check(&[used(0..17, 2_000), used(0..17, 2_000)], many, None);
        // Versions of a few records are no rows of many.
        check(&[used(0..15, 2_000)], 15, None);
    }
}
