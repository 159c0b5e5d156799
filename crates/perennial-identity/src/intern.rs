//! Identifiers and sets of them, each kept once and told apart by a 32-bit number.
//!
//! Both are known by their hash alone: 96 bits of `xxh3_128` with a seed that is drawn anew in every process, so that
//! nobody can look for two values of one hash. That two of a billion values share one is less likely than one in a hundred
//! billion runs. So looking a value up reads one entry, and never the value.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::batch::Value;
use crate::store::{Column, Texts};
use crate::{Batch, Error};

static SEED: LazyLock<u64> = LazyLock::new(|| DefaultHashBuilder::default().hash_one(0));

/// How many entries a table has room for.
const ROOM: usize = 1 << 12;
/// How many of them may be taken.
const FULL: usize = ROOM / 4 * 3;
/// How many keys are looked up together.
const TOGETHER: usize = 128;

/// The hash by which a thing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Key([u32; 3]);

/// Which number the thing of each key has. Tables of one size, each for the keys that begin with the same bits; one that is
/// full is split into two. So nothing is ever copied as a whole, and what a split frees the next one takes. Unlike the tables
/// of the library they can be touched ahead, many keys at a time: when all together are larger than the caches, waiting for
/// memory is what a look-up costs.
#[derive(Debug)]
struct Numbers {
    /// The table of each beginning of `depth` bits.
    directory: Vec<u32>,
    depth: u32,
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    /// Probed in a line.
    entries: Vec<Entry>,
    length: usize,
    /// How many bits the keys have in common.
    depth: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: Key,
    /// The number and one; 0 where nothing is.
    follower: u32,
}

/// The identifiers: typed values.
#[derive(Debug)]
pub(crate) struct IdentifierTable {
    numbers: Numbers,
    texts: Texts,
    /// Where the text of each value is.
    places: Column<u32>,
    types: Column<u8>,
}

/// Sets of identifiers, sorted and distinct; number 0 is the empty set.
#[derive(Debug)]
pub(crate) struct SetTable {
    numbers: Numbers,
    /// The members of all sets, in pieces; a set is in one piece.
    members: Vec<Vec<u32>>,
    /// Where the members of each set start: the piece, and the place in it.
    starts: Column<u32>,
    scratch: Vec<u32>,
}

/// How many members a piece has, as a power of two. A larger set has a piece of its own.
const MEMBERS_BITS: usize = 16;
const MEMBERS: usize = 1 << MEMBERS_BITS;

impl Key {
    /// The key of a normalised value of an identifier type.
    pub(crate) fn of_value(identifier_type: u8, value: &str) -> Self {
        let seed = SEED.wrapping_add(u64::from(identifier_type));
        Self::of_hash(xxh3_128_with_seed(value.as_bytes(), seed))
    }

    /// The key of a set of sorted members.
    fn of_set(sorted: &[u32]) -> Self {
        // Nearly all sets have a handful of members; longer ones are hashed in pieces, each with the hash so far.
        let mut bytes = [0; 64];
        let mut hash = u128::from(*SEED) + sorted.len() as u128;
        for chunk in sorted.chunks(12) {
            let (before, members) = bytes.split_at_mut(16);
            before.copy_from_slice(&hash.to_le_bytes());
            for (place, member) in members.chunks_exact_mut(4).zip(chunk) {
                place.copy_from_slice(&member.to_le_bytes());
            }
            hash = xxh3_128_with_seed(&bytes[..16 + 4 * chunk.len()], *SEED);
        }
        Self::of_hash(hash)
    }

    fn of_hash(hash: u128) -> Self {
        Self([hash as u32, (hash >> 32) as u32, (hash >> 64) as u32])
    }

    /// Its first bits, at most 32.
    fn beginning(self, bits: u32) -> usize {
        (u64::from(self.0[2]) >> (32 - bits)) as usize
    }

    /// Where in a table the search for it begins.
    fn start(self) -> usize {
        self.0[0] as usize % ROOM
    }
}

impl Numbers {
    fn new() -> Self {
        Self {
            directory: vec![0],
            depth: 0,
            tables: vec![Table::new(0)],
        }
    }

    fn table(&self, key: Key) -> usize {
        self.directory[key.beginning(self.depth)] as usize
    }

    /// Brings what the look-up of these keys reads into the caches, all at once instead of one after the other.
    fn touch(&self, keys: impl Iterator<Item = Key>) {
        let touched = |key: Key| self.tables[self.table(key)].entries[key.start()].follower;
        black_box(keys.fold(0, |all, key| all ^ touched(key)));
    }

    /// The number of the thing of a key; none after [`Self::forget`].
    fn find(&self, key: Key) -> Option<u32> {
        let table = self.tables.get(self.table(key))?;
        table.entries[table.place(key)].follower.checked_sub(1)
    }

    /// The number of the thing of a key; where it is new, the number `next`, and true.
    fn find_or_insert(&mut self, key: Key, next: u32) -> Result<(u32, bool), Error> {
        let mut table = self.table(key);
        while self.tables[table].length >= FULL {
            self.split(table)?;
            table = self.table(key);
        }
        let table = &mut self.tables[table];
        let place = table.place(key);
        let entry = &mut table.entries[place];
        if let Some(number) = entry.follower.checked_sub(1) {
            return Ok((number, false));
        }
        *entry = Entry {
            key,
            follower: next + 1,
        };
        table.length += 1;
        Ok((next, true))
    }

    /// Gives the keys of a table whose next bit is set a table of their own.
    fn split(&mut self, number: usize) -> Result<(), Error> {
        let depth = self.tables[number].depth + 1;
        if depth > self.depth {
            if depth > u32::BITS / 2 + 8 {
                return Err(Error::TooMany {
                    what: "values and sets",
                });
            }
            self.directory = self.directory.iter().flat_map(|table| [*table; 2]).collect();
            self.depth += 1;
        }
        let entries = std::mem::replace(&mut self.tables[number], Table::new(depth)).entries;
        let other = next_number(self.tables.len(), "tables")?;
        self.tables.push(Table::new(depth));
        let mut beginning = 0;
        for entry in entries.into_iter().filter(|entry| entry.follower != 0) {
            beginning = entry.key.beginning(depth);
            let of = if beginning % 2 == 0 {
                number
            } else {
                other as usize
            };
            let table = &mut self.tables[of];
            let place = table.place(entry.key);
            table.entries[place] = entry;
            table.length += 1;
        }
        // All beginnings in the directory that go on from the second half's.
        let width = self.depth - depth;
        let first = (beginning | 1) << width;
        self.directory[first..first + (1 << width)].fill(other);
        Ok(())
    }

    fn forget(&mut self) {
        *self = Self {
            directory: vec![0],
            depth: 0,
            tables: Vec::new(),
        };
    }

    fn memory(&self) -> usize {
        self.tables.len() * (ROOM * size_of::<Entry>() + size_of::<Table>())
            + self.directory.len() * size_of::<u32>()
    }
}

impl Table {
    fn new(depth: u32) -> Self {
        Self {
            entries: vec![Entry::default(); ROOM],
            length: 0,
            depth,
        }
    }

    /// Where a key is or would be: a table is never full.
    fn place(&self, key: Key) -> usize {
        let mut place = key.start();
        loop {
            let entry = &self.entries[place];
            if entry.follower == 0 || entry.key == key {
                return place;
            }
            place = (place + 1) % ROOM;
        }
    }
}

impl IdentifierTable {
    pub(crate) fn new() -> Self {
        Self {
            numbers: Numbers::new(),
            texts: Texts::default(),
            places: Column::default(),
            types: Column::default(),
        }
    }

    /// The number of a value, whose key is that of [`Key::of_value`].
    pub(crate) fn intern(&mut self, key: Key, identifier_type: u8, value: &str) -> Result<u32, Error> {
        let next = next_number(self.places.len(), "identifiers")?;
        let (number, new) = self.numbers.find_or_insert(key, next)?;
        if new {
            let place = self.texts.push(value)?;
            self.places.push(place);
            self.types.push(identifier_type);
        }
        Ok(number)
    }

    /// The numbers of all values of a batch.
    pub(crate) fn intern_all(&mut self, batch: &Batch) -> Result<Vec<u32>, Error> {
        let mut numbers = Vec::with_capacity(batch.values().len());
        let mut texts = batch.texts();
        for values in batch.values().chunks(TOGETHER) {
            self.numbers.touch(values.iter().map(|value| value.key));
            for (
                Value {
                    key, identifier_type, ..
                },
                text,
            ) in values.iter().zip(&mut texts)
            {
                numbers.push(self.intern(*key, *identifier_type, text)?);
            }
        }
        Ok(numbers)
    }

    pub(crate) fn find(&self, identifier_type: u8, value: &str) -> Option<u32> {
        self.numbers.find(Key::of_value(identifier_type, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn type_of(&self, number: u32) -> usize {
        usize::from(self.types[number])
    }

    pub(crate) fn value_of(&self, number: u32) -> Cow<'_, str> {
        self.texts.get(self.places[number])
    }

    /// The values, which can leave memory.
    pub(crate) fn texts_mut(&mut self) -> &mut Texts {
        &mut self.texts
    }

    /// Frees what only interning and finding need.
    pub(crate) fn forget_keys(&mut self) {
        self.numbers.forget();
    }

    /// What it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.numbers.memory() + self.texts.memory() + self.places.memory() + self.types.memory()
    }
}

impl SetTable {
    pub(crate) fn new() -> Self {
        let mut starts = Column::default();
        starts.push(0);
        Self {
            numbers: Numbers::new(),
            members: vec![Vec::new()],
            starts,
            scratch: Vec::new(),
        }
    }

    /// The number of the set of these members, in any order and as often as they like.
    pub(crate) fn intern(&mut self, members: impl IntoIterator<Item = u32>) -> Result<u32, Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend(members);
        scratch.sort_unstable();
        scratch.dedup();
        let number = self.intern_sorted(Key::of_set(&scratch), &scratch);
        self.scratch = scratch;
        number
    }

    /// The numbers of sets whose members end at `ends`.
    pub(crate) fn intern_all(&mut self, members: &mut [u32], ends: &[usize]) -> Result<Vec<u32>, Error> {
        let mut sets = Vec::with_capacity(ends.len());
        let mut keys = [Key::default(); TOGETHER];
        let mut rest = members;
        let mut done = 0;
        for ends in ends.chunks(TOGETHER) {
            let last = ends.last().copied().unwrap_or(done);
            let (members, more) = std::mem::take(&mut rest)
                .split_at_mut_checked(last - done)
                .unwrap_or_default();
            rest = more;
            let mut lengths = [0; TOGETHER];
            let mut start = 0;
            for ((end, key), length) in ends.iter().zip(&mut keys).zip(&mut lengths) {
                let set = &mut members[start..end - done];
                set.sort_unstable();
                start = end - done;
                *length = distinct(set);
                *key = Key::of_set(&set[..*length]);
            }
            let keys = &keys[..ends.len()];
            self.numbers.touch(keys.iter().copied());
            let mut start = 0;
            for ((end, key), length) in ends.iter().zip(keys).zip(lengths) {
                sets.push(self.intern_sorted(*key, &members[start..start + length])?);
                start = end - done;
            }
            done = last;
        }
        Ok(sets)
    }

    pub(crate) fn union(&mut self, a: u32, b: u32) -> Result<u32, Error> {
        if a == b {
            return Ok(a);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(self.members_of(a));
        scratch.extend_from_slice(self.members_of(b));
        scratch.sort_unstable();
        scratch.dedup();
        let number = self.intern_sorted(Key::of_set(&scratch), &scratch);
        self.scratch = scratch;
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn members_of(&self, number: u32) -> &[u32] {
        let start = self.starts[number] as usize;
        let (piece, start) = (start >> MEMBERS_BITS, start % MEMBERS);
        // A set ends where the next begins, or with its piece.
        let next = number as usize + 1;
        let next = (next < self.len()).then(|| self.starts[next as u32] as usize);
        let members = &self.members[piece];
        match next {
            Some(next) if next >> MEMBERS_BITS == piece => &members[start..next % MEMBERS],
            _ => &members[start..],
        }
    }

    /// Frees what only interning needs.
    pub(crate) fn forget_keys(&mut self) {
        self.numbers.forget();
    }

    /// What it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let members: usize = self.members.iter().map(Vec::capacity).sum();
        self.numbers.memory() + members * size_of::<u32>() + self.starts.memory()
    }

    fn intern_sorted(&mut self, key: Key, sorted: &[u32]) -> Result<u32, Error> {
        if sorted.is_empty() {
            return Ok(0);
        }
        let next = next_number(self.starts.len(), "sets of identifiers")?;
        let (number, new) = self.numbers.find_or_insert(key, next)?;
        if new {
            // A piece begins where it is told from the end of another: sets start below its length of old.
            if self
                .members
                .last()
                .is_none_or(|piece| piece.len() + sorted.len() >= MEMBERS)
            {
                self.members.push(Vec::with_capacity(sorted.len().max(MEMBERS)));
            }
            let piece = self.members.len() - 1;
            let start = (piece << MEMBERS_BITS) + self.members[piece].len();
            let start = u32::try_from(start).map_err(|_| Error::TooMany {
                what: "members of sets of identifiers",
            })?;
            self.members[piece].extend_from_slice(sorted);
            self.starts.push(start);
        }
        Ok(number)
    }
}

/// Moves the distinct ones of sorted numbers to the front and counts them.
fn distinct(sorted: &mut [u32]) -> usize {
    let mut length = 0;
    for place in 0..sorted.len() {
        if length == 0 || sorted[place] != sorted[length - 1] {
            sorted[length] = sorted[place];
            length += 1;
        }
    }
    length
}

/// `length` as the number of the next thing. The greatest number stays free: it stands for none.
pub(crate) fn next_number(length: usize, what: &'static str) -> Result<u32, Error> {
    u32::try_from(length)
        .ok()
        .filter(|number| *number < u32::MAX)
        .ok_or(Error::TooMany { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(table: &mut IdentifierTable, of_type: u8, value: &str) -> u32 {
        table
            .intern(Key::of_value(of_type, value), of_type, value)
            .unwrap()
    }

    #[test]
    fn equal_values_of_a_type_are_one_number() {
        let mut table = IdentifierTable::new();
        let numbers: Vec<u32> = [(0, "a"), (1, "a"), (0, "a"), (0, ""), (63, "\0ä"), (63, "")]
            .map(|(of_type, value)| intern(&mut table, of_type, value))
            .to_vec();
        assert_eq!(numbers, [0, 1, 0, 2, 3, 4]);
        assert_eq!((table.type_of(3), table.value_of(3).as_ref()), (63, "\0ä"));
        assert_eq!(
            (table.find(1, "a"), table.find(2, "a"), table.len()),
            (Some(1), None, 5)
        );
    }

    #[test]
    fn many_values_and_sets_keep_their_numbers() {
        let (mut values, mut sets) = (IdentifierTable::new(), SetTable::new());
        for _ in 0..2 {
            for number in 0..20_000_u32 {
                assert_eq!(intern(&mut values, 7, &number.to_string()), number);
                assert_eq!(
                    sets.intern((0..40).map(|step| number + step)).unwrap(),
                    number + 1
                );
            }
        }
        for number in 0..20_000 {
            assert_eq!(values.value_of(number), number.to_string());
            assert!(
                sets.members_of(number + 1)
                    .iter()
                    .copied()
                    .eq(number..number + 40)
            );
        }
    }

    #[test]
    fn sets_have_neither_order_nor_repetition() {
        let mut sets = SetTable::new();
        assert_eq!(sets.intern([]).unwrap(), 0);
        let both = sets.intern([9, 3, 9]).unwrap();
        let (three, nine) = (sets.intern([3]).unwrap(), sets.intern([9]).unwrap());
        assert_eq!(sets.members_of(both), [3, 9]);
        assert_eq!(sets.union(nine, three).unwrap(), both);
        assert_eq!(sets.union(both, 0).unwrap(), both);
    }

    #[test]
    fn sets_of_any_size_are_found_again() {
        let mut sets = SetTable::new();
        let sizes = [
            1,
            2,
            MEMBERS as u32 - 1,
            5,
            MEMBERS as u32,
            7,
            MEMBERS as u32 + 9,
            3,
            30_000,
            40_000,
        ];
        let numbers: Vec<u32> = sizes.iter().map(|size| sets.intern(0..*size).unwrap()).collect();
        for (number, size) in numbers.iter().zip(sizes) {
            assert!(sets.members_of(*number).iter().copied().eq(0..size), "{size}");
        }
        assert!(sets.members_of(0).is_empty());
    }
}
