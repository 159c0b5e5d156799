//! The versions of each record, and whose it is.

use std::cmp::Ordering;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use hashbrown::HashMap;
use perennial_base::Kind;
use perennial_identity::{GraphBuilder, SetId, SignatureId, Tally};
use perennial_lake::SourceManifest;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Result;
use crate::noticed::{FewValues, OddTimes, Useless};
use crate::overrides::Words;
use crate::records::{Counts, DROPPED, LEADING_COLUMNS, NOBODY, Rows, Staged};
use crate::scratch::Stored;
use crate::side::SideBuilder;

/// What is known of the records of all sources.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) orders: Orders,
    /// By signature, an element of its group.
    pub(crate) elements: Vec<u32>,
    /// By signature, whether an earlier run may have read a record of it.
    before: Vec<bool>,
    pub(crate) words: Words,
    pub(crate) warned: Vec<Warned>,
    pub(crate) useless: Vec<Useless>,
    pub(crate) few_values: Vec<FewValues>,
    pub(crate) odd_times: Vec<OddTimes>,
}

impl Staged {
    /// Gives columns of the rows that are the newest of their record, and are left in, batch by batch.
    ///
    /// # Errors
    /// When a column is not there, when rows cannot be read back, and the first of `each`.
    pub(crate) fn newest(
        &self,
        columns: &[&str],
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let columns = columns.iter().map(|name| self.schema.index_of(name));
        let columns: Vec<usize> = columns.collect::<std::result::Result<_, _>>()?;
        for (heap, side) in self.heaps.iter().zip(&self.sides) {
            let mut side = side.read();
            for batch in heap.batches(Some(&columns)) {
                let batch = batch?;
                let beside = side.next(batch.num_rows())?;
                let newest: BooleanArray = beside.iter().map(|(_, newer)| Some(*newer == 0)).collect();
                each(&filter_record_batch(&batch, &newest)?)?;
            }
        }
        Ok(())
    }
}

/// The values of a file that identify nobody.
#[derive(Debug)]
pub(crate) struct Warned {
    pub(crate) source: u16,
    /// The number of the file in its source.
    pub(crate) file: u32,
    pub(crate) tally: Tally,
}

impl Known {
    /// Whether an earlier run may have read a record of the signature.
    pub(crate) fn before(&self, signature: SignatureId) -> bool {
        self.before.get(signature.number() as usize) == Some(&true)
    }

    /// An element of the group of a signature.
    pub(crate) fn element(&self, signature: SignatureId) -> Option<u32> {
        self.elements.get(signature.number() as usize).copied()
    }

    fn person(&mut self, signature: Option<SignatureId>, element: u32, before: bool) -> u32 {
        let Some(signature) = signature else { return NOBODY };
        let at = signature.number() as usize;
        if before {
            self.before.resize(self.before.len().max(at + 1), false);
            if let Some(slot) = self.before.get_mut(at) {
                *slot = true;
            }
        }
        if self.elements.len() <= at {
            self.elements.resize(at + 1, element);
        }
        if let Some(slot) = self.elements.get_mut(at) {
            *slot = element;
        }
        signature.number()
    }
}

/// Signatures of orders by 96 bits of the hash of their key, sixteen bytes each: refunds and items belong to their order's
/// customer.
#[derive(Debug, Default)]
pub(crate) struct Orders(HashMap<[u32; 3], u32>);

impl Orders {
    /// The first that is told of an order stays.
    fn insert(&mut self, key: &str, signature: u32) {
        self.0.entry(Self::hash(key)).or_insert(signature);
    }

    pub(crate) fn signature(&self, key: &str) -> Option<u32> {
        self.0.get(&Self::hash(key)).copied()
    }

    fn hash(key: &str) -> [u32; 3] {
        let hash = order_hash(key);
        [hash as u32, (hash >> 32) as u32, (hash >> 64) as u32]
    }
}

/// The hash by which an order is found.
pub(crate) fn order_hash(key: &str) -> u128 {
    xxh3_128(key.as_bytes())
}

/// The rows of a heap that have keys: which of them are versions of one record, and whose it is.
#[expect(clippy::too_many_arguments, reason = "the pieces of one loop, named")]
pub(crate) fn keyed(
    graph: &mut GraphBuilder,
    kind: Kind,
    staged: &Staged,
    heap: &Stored,
    dropped: &[bool],
    counts: &mut [Counts],
    known: &mut Known,
    out: &mut SideBuilder,
) -> Result<()> {
    let batch = heap.load(&staged.schema, Some(&LEADING_COLUMNS))?;
    let rows = Rows::new(&batch);
    let mut side = vec![(NOBODY, DROPPED); batch.num_rows()];
    let stored = |row: u32| staged.stored.get(rows.file(row)) == Some(&true);
    let left = |row: u32| dropped.get(rows.file(row)) == Some(&false);
    // A stored row that is not left is of a file that is served no more.
    let read = (0..batch.num_rows() as u32).filter(|row| left(*row) || stored(*row));
    // Every change of a subscription is a fact of its own moment.
    let by_time = kind == Kind::Subscription;
    let moment = |row: u32| if by_time { rows.time(row) } else { 0 };
    let version = |row: u32| {
        (
            rows.key(row),
            moment(row),
            rows.updated(row),
            rows.file(row),
            rows.row(row),
        )
    };
    let order = sorted_by_key(read, |row| rows.key(row), |a, b| version(a).cmp(&version(b)));
    let mut sightings: Vec<(SetId, i64)> = Vec::new();
    let mut versions: Vec<u32> = Vec::new();
    for all in order.chunk_by(|a, b| rows.key(*a) == rows.key(*b) && moment(*a) == moment(*b)) {
        versions.clear();
        versions.extend(all.iter().copied().filter(|row| left(*row)));
        let Some((newest, _)) = versions.split_last() else {
            continue;
        };
        sightings.clear();
        sightings.extend(versions.iter().map(|row| (rows.set(*row), rows.time(*row))));
        let of_moment = by_time.then(|| change_key(rows.key(*newest), rows.time(*newest)));
        let record_key = if let Some(of_moment) = &of_moment {
            of_moment.as_str()
        } else {
            rows.key(*newest)
        };
        let signature = if kind.person_bearing() {
            graph.versions(staged.source, &sightings, record_key)?
        } else {
            None
        };
        let known_before = all
            .iter()
            .any(|row| staged.before.get(rows.file(*row)) == Some(&true));
        let number = known.person(signature, rows.element(*newest), known_before);
        if kind == Kind::Order {
            known.orders.insert(rows.key(*newest), number);
        }
        // Of what an earlier run has counted, nothing changes but that its newest version may be the newest no more, and an
        // older one may be again.
        let was = all.iter().rfind(|row| stored(**row));
        if was != Some(newest) {
            if let Some(counts) = was.and_then(|row| counts.get_mut(rows.file(*row))) {
                counts.outdated += 1;
            }
            let again = Some(newest).filter(|row| stored(**row));
            if let Some(counts) = again.and_then(|row| counts.get_mut(rows.file(*row))) {
                counts.revived += 1;
            }
        }
        for (place, row) in versions.iter().enumerate() {
            let newer = (versions.len() - 1 - place) as u32;
            if let Some(slot) = side.get_mut(*row as usize) {
                *slot = (number, newer);
            }
            if let Some(counts) = counts.get_mut(rows.file(*row)).filter(|_| !stored(*row)) {
                let count = if newer == 0 {
                    &mut counts.unified
                } else {
                    &mut counts.superseded
                };
                *count += 1;
            }
        }
    }
    out.push(&side)
}

/// Rows in the order of `compare`, which asks for the order of their keys first.
///
/// Most comparisons end with a number: the eight bytes of a key that follow what all keys begin with.
fn sorted_by_key<'a>(
    rows: impl Iterator<Item = u32> + Clone,
    key: impl Fn(u32) -> &'a str,
    compare: impl Fn(u32, u32) -> Ordering,
) -> Vec<u32> {
    let mut keys = rows.clone().map(&key);
    let first = keys.next().unwrap_or_default().as_bytes();
    let common = keys.fold(first.len(), |common, key| {
        let same = first.iter().zip(key.as_bytes()).take(common);
        same.take_while(|(a, b)| a == b).count()
    });
    let begins = |row: u32| {
        let mut bytes = [0; 8];
        let rest = key(row).as_bytes().iter().skip(common);
        bytes
            .iter_mut()
            .zip(rest)
            .for_each(|(byte, of_key)| *byte = *of_key);
        u64::from_be_bytes(bytes)
    };
    let mut order: Vec<(u64, u32)> = rows.map(|row| (begins(row), row)).collect();
    order.sort_unstable_by(|(a, row_a), (b, row_b)| a.cmp(b).then_with(|| compare(*row_a, *row_b)));
    order.into_iter().map(|(_, row)| row).collect()
}

/// The rows of a heap without keys: each is a record of its own, known by its place.
#[expect(clippy::too_many_arguments, reason = "the pieces of one loop, named")]
pub(crate) fn unkeyed(
    graph: &mut GraphBuilder,
    kind: Kind,
    staged: &Staged,
    heap: &Stored,
    manifest: &SourceManifest,
    dropped: &[bool],
    counts: &mut [Counts],
    known: &mut Known,
    out: &mut SideBuilder,
) -> Result<()> {
    let mut side = Vec::new();
    let mut key = String::new();
    for batch in heap.batches(Some(&LEADING_COLUMNS)) {
        let batch = batch?;
        side.clear();
        let rows = Rows::new(&batch);
        for row in 0..batch.num_rows() as u32 {
            let file = rows.file(row);
            if dropped.get(file) != Some(&false) {
                side.push((NOBODY, DROPPED));
                continue;
            }
            let set = rows.set(row);
            let mut number = NOBODY;
            if set != SetId::EMPTY || matches!(kind, Kind::Profile | Kind::Order) {
                place(&mut key, path_of(manifest, file), rows.row(row));
                let signature = person(graph, kind, staged.source, set, rows.time(row), &key)?;
                let known_before = staged.before.get(file) == Some(&true);
                number = known.person(signature, rows.element(row), known_before);
                if kind == Kind::Order {
                    known.orders.insert(&key, number);
                }
            }
            side.push((number, 0));
            if let Some(counts) = counts.get_mut(file)
                && staged.stored.get(file) != Some(&true)
            {
                counts.unified += 1;
            }
        }
        out.push(&side)?;
    }
    Ok(())
}

fn person(
    graph: &mut GraphBuilder,
    kind: Kind,
    source: u16,
    set: SetId,
    time: i64,
    key: &str,
) -> Result<Option<SignatureId>> {
    if !kind.person_bearing() {
        return Ok(None);
    }
    Ok(graph.record(source, set, time, key)?)
}

/// The key of a change of a subscription: each is a record of its own moment.
pub(crate) fn change_key(key: &str, time: i64) -> String {
    format!("{key}@{time}")
}

/// The key of a row in a source without one: its place.
pub(crate) fn place(key: &mut String, path: &str, row: i64) {
    use std::fmt::Write;
    key.clear();
    key.push_str(path);
    // Writing to a string cannot fail.
    let _ = write!(key, ":{row}");
}

pub(crate) fn path_of(manifest: &SourceManifest, file: usize) -> &str {
    manifest.files.get(file).map_or("", |file| file.path.as_str())
}
