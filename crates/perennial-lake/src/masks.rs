//! Rows of data files that no longer count. A data file never changes: a run that works out some customers anew writes
//! their rows into further files, and masks what the former files hold of them. All masks of a snapshot are one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::store::Lake;

/// Places of rows in a file, from 0, as runs that follow each other with gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    /// Start and end of each run.
    runs: Vec<(u64, u64)>,
}

impl RowSet {
    /// Adds the rows from `start` to before `end`; they must not lie before rows that are in the set.
    pub fn push(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        match self.runs.last_mut() {
            Some((_, last)) if *last >= start => *last = end.max(*last),
            _ => self.runs.push((start, end)),
        }
    }

    /// How many rows are in the set.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|(start, end)| end - start).sum()
    }

    /// Whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs: start and end of each, ascending.
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }

    /// The rows of a file of `rows` rows that are not in the set.
    #[must_use]
    pub fn complement(&self, rows: u64) -> Self {
        let mut rest = Self::default();
        let mut from = 0;
        for (start, end) in &self.runs {
            rest.push(from, (*start).min(rows));
            from = *end;
        }
        rest.push(from, rows);
        rest
    }

    /// The set in parts of `rows` rows each, the last of what is left.
    pub fn parts(&self, rows: u64) -> Vec<Self> {
        let (mut parts, mut part, mut left) = (Vec::new(), Self::default(), rows.max(1));
        for (start, end) in &self.runs {
            let mut start = *start;
            while start < *end {
                let taken = left.min(end - start);
                part.push(start, start + taken);
                (start, left) = (start + taken, left - taken);
                if left == 0 {
                    parts.push(std::mem::take(&mut part));
                    left = rows.max(1);
                }
            }
        }
        parts.extend(Some(part).filter(|part| !part.is_empty()));
        parts
    }

    /// The rows that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<(u64, u64)> = self.runs.iter().chain(&other.runs).copied().collect();
        all.sort_unstable();
        let mut union = Self::default();
        for (start, end) in all {
            union.push(start, end);
        }
        union
    }

    /// The rows that are in this set and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let rows = self.runs.last().map_or(0, |(_, end)| *end);
        // What is neither outside of this set nor in the other.
        self.complement(rows).union(other).complement(rows)
    }
}

/// The masked rows of every data file that has any, by the file's path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks(BTreeMap<String, Arc<RowSet>>);

impl Masks {
    /// The table of a manifest that holds the masks; not served.
    pub const TABLE: &str = "internal.masks";

    /// The masked rows of a file.
    pub fn of(&self, path: &str) -> Option<&Arc<RowSet>> {
        self.0.get(path)
    }

    /// Sets the masked rows of a file.
    pub fn set(&mut self, path: &str, rows: RowSet) {
        if rows.is_empty() {
            self.0.remove(path);
        } else {
            self.0.insert(path.to_owned(), Arc::new(rows));
        }
    }

    /// Whether no row of any file is masked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the files that are not wanted any more.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|path, _| wanted(path));
    }

    /// The columns of the table.
    pub fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("first", DataType::Int64, false),
            Field::new("rows", DataType::Int64, false),
        ]))
    }

    /// The masks as rows of the table.
    ///
    /// # Errors
    /// Never, as long as the schema is that of the columns.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let runs = || {
            self.0
                .iter()
                .flat_map(|(path, rows)| rows.runs().iter().map(move |run| (path.as_str(), *run)))
        };
        let files: StringArray = runs().map(|(path, _)| Some(path)).collect();
        let first = Int64Array::from_iter_values(runs().map(|(_, (start, _))| start as i64));
        let rows = Int64Array::from_iter_values(runs().map(|(_, (start, end))| (end - start) as i64));
        RecordBatch::try_new(
            Self::schema(),
            vec![Arc::new(files), Arc::new(first), Arc::new(rows)],
        )
        .map_err(|error| Error::Malformed {
            path: Self::TABLE.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The masks of a snapshot.
    ///
    /// # Errors
    /// When the store fails, and when the file is damaged: without masks the tables would show rows twice.
    pub async fn read(lake: &Lake, manifest: &Manifest) -> Result<Self> {
        let mut masks: BTreeMap<String, RowSet> = BTreeMap::new();
        let table = manifest.tables.get(Self::TABLE);
        for file in table.into_iter().flat_map(|table| &table.files) {
            let failed = |error: object_store::Error| Error::store("read", &file.path, &error);
            let damaged = || Error::DamagedSnapshot {
                number: manifest.number,
                reason: "its masks cannot be read".to_owned(),
            };
            let found = lake.store().get(&lake.path(&file.path)?).await.map_err(failed)?;
            let bytes = found.bytes().await.map_err(failed)?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
                .and_then(ParquetRecordBatchReaderBuilder::build)
                .map_err(|_| damaged())?;
            for batch in reader {
                let batch = batch.map_err(|_| damaged())?;
                let column = |at: usize| batch.columns().get(at).ok_or_else(damaged);
                let paths = column(0)?.as_string_opt::<i32>().ok_or_else(damaged)?;
                let first = column(1)?.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                let rows = column(2)?.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                let mut last: Option<(&str, &mut RowSet)> = None;
                for row in 0..paths.len() {
                    let (path, start) = (paths.value(row), first.value(row) as u64);
                    let set = match last.take() {
                        Some((known, set)) if known == path => set,
                        _ => masks.entry(path.to_owned()).or_default(),
                    };
                    set.push(start, start.saturating_add(rows.value(row) as u64));
                    last = Some((path, set));
                }
            }
        }
        let masks = masks.into_iter().map(|(path, rows)| (path, Arc::new(rows)));
        Ok(Self(masks.collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set_of(rows: &BTreeSet<u64>) -> RowSet {
        let mut set = RowSet::default();
        rows.iter().for_each(|row| set.push(*row, row + 1));
        set
    }

    fn rows_of(set: &RowSet) -> BTreeSet<u64> {
        set.runs().iter().flat_map(|(start, end)| *start..*end).collect()
    }

    proptest! {
        #[test]
        fn sets_of_rows_are_sets(
            a in proptest::collection::btree_set(0_u64..60, 0..40),
            b in proptest::collection::btree_set(0_u64..60, 0..40),
        ) {
            let (first, second) = (set_of(&a), set_of(&b));
            prop_assert_eq!(&rows_of(&first), &a);
            prop_assert_eq!(first.count(), a.len() as u64);
            prop_assert_eq!(first.union(&second), set_of(&a.union(&b).copied().collect()));
            prop_assert_eq!(first.without(&second), set_of(&a.difference(&b).copied().collect()));
            let rest = (0..60).filter(|row| !a.contains(row)).collect();
            prop_assert_eq!(first.complement(60), set_of(&rest));
        }

        #[test]
        fn parts_of_a_set_follow_each_other(
            rows in proptest::collection::btree_set(0_u64..60, 0..40),
            most in 1_u64..12,
        ) {
            let parts = set_of(&rows).parts(most);
            let together: Vec<u64> = parts.iter().flat_map(rows_of).collect();
            prop_assert_eq!(together, rows.into_iter().collect::<Vec<_>>());
            let full = parts.split_last().map_or(&[][..], |(_, full)| full);
            prop_assert!(full.iter().all(|part| part.count() == most));
            prop_assert!(parts.iter().all(|part| (1..=most).contains(&part.count())));
        }
    }
}
