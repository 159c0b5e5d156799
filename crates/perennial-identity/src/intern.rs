//! Texts and sets of numbers, each kept once and told apart by a 32-bit number.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Error;

/// The identifiers: typed values in one arena.
#[derive(Debug, Default)]
pub(crate) struct IdentifierTable {
    text: String,
    /// Where each value ends.
    ends: Vec<usize>,
    types: Vec<u8>,
    table: HashTable<Slot>,
}

/// Sets of identifiers, sorted and distinct; number 0 is the empty set.
#[derive(Debug)]
pub(crate) struct SetTable {
    members: Vec<u32>,
    ends: Vec<usize>,
    table: HashTable<Slot>,
    scratch: Vec<u32>,
}

/// A number with a part of its hash, so that neither a growing table nor a comparison that fails has to look at what the
/// number stands for: that is far away in memory.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    number: u32,
}

impl IdentifierTable {
    pub(crate) fn intern(&mut self, identifier_type: u8, value: &str) -> Result<u32, Error> {
        if let Some(number) = self.find(identifier_type, value) {
            return Ok(number);
        }
        let number = next_number(self.ends.len(), "identifiers")?;
        self.text.push_str(value);
        self.ends.push(self.text.len());
        self.types.push(identifier_type);
        let slot = Slot {
            hash: identifier_hash(identifier_type, value),
            number,
        };
        self.table
            .insert_unique(slot.spread(), slot, |other| other.spread());
        Ok(number)
    }

    pub(crate) fn find(&self, identifier_type: u8, value: &str) -> Option<u32> {
        let slot = Slot {
            hash: identifier_hash(identifier_type, value),
            number: 0,
        };
        let equal = |other: &Slot| {
            other.hash == slot.hash
                && self.types[other.number as usize] == identifier_type
                && slice_of(&self.text, &self.ends, other.number) == value
        };
        self.table.find(slot.spread(), equal).map(|found| found.number)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn type_of(&self, number: u32) -> usize {
        usize::from(self.types[number as usize])
    }

    pub(crate) fn value_of(&self, number: u32) -> &str {
        slice_of(&self.text, &self.ends, number)
    }

    /// Frees what only interning and finding need.
    pub(crate) fn forget_hashes(&mut self) {
        self.table = HashTable::new();
    }
}

impl Slot {
    /// The hash that the table sees: its upper bits depend on all bits of the part that is kept.
    fn spread(self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl SetTable {
    pub(crate) fn new() -> Self {
        let empty = Slot {
            hash: set_hash(&[]),
            number: 0,
        };
        let mut table = HashTable::new();
        table.insert_unique(empty.spread(), empty, |other: &Slot| other.spread());
        Self {
            members: Vec::new(),
            ends: vec![0],
            table,
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
        let number = self.intern_sorted(&scratch);
        self.scratch = scratch;
        number
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
        let number = self.intern_sorted(&scratch);
        self.scratch = scratch;
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn members_of(&self, number: u32) -> &[u32] {
        set_slice(&self.members, &self.ends, number)
    }

    fn intern_sorted(&mut self, sorted: &[u32]) -> Result<u32, Error> {
        let hash = set_hash(sorted);
        let Self {
            members, ends, table, ..
        } = self;
        let equal = |other: &Slot| other.hash == hash && set_slice(members, ends, other.number) == sorted;
        if let Some(found) = table.find(Slot { hash, number: 0 }.spread(), equal) {
            return Ok(found.number);
        }
        let number = next_number(ends.len(), "sets of identifiers")?;
        members.extend_from_slice(sorted);
        ends.push(members.len());
        let slot = Slot { hash, number };
        table.insert_unique(slot.spread(), slot, |other| other.spread());
        Ok(number)
    }
}

/// `length` as the number of the next thing. The greatest number stays free: it stands for none.
pub(crate) fn next_number(length: usize, what: &'static str) -> Result<u32, Error> {
    u32::try_from(length)
        .ok()
        .filter(|number| *number < u32::MAX)
        .ok_or(Error::TooMany { what })
}

fn identifier_hash(identifier_type: u8, value: &str) -> u32 {
    xxh3_64_with_seed(value.as_bytes(), u64::from(identifier_type)) as u32
}

fn set_hash(sorted: &[u32]) -> u32 {
    // Nearly all sets have a handful of members; longer ones are hashed in pieces.
    let mut bytes = [0; 64];
    let hash = sorted.chunks(16).fold(sorted.len() as u64, |seed, chunk| {
        for (place, member) in bytes.chunks_exact_mut(4).zip(chunk) {
            place.copy_from_slice(&member.to_le_bytes());
        }
        xxh3_64_with_seed(&bytes[..4 * chunk.len()], seed)
    });
    hash as u32
}

fn slice_of<'a>(text: &'a str, ends: &[usize], number: u32) -> &'a str {
    let (start, end) = bounds(ends, number);
    &text[start..end]
}

fn set_slice<'a>(members: &'a [u32], ends: &[usize], number: u32) -> &'a [u32] {
    let (start, end) = bounds(ends, number);
    &members[start..end]
}

fn bounds(ends: &[usize], number: u32) -> (usize, usize) {
    let number = number as usize;
    (
        number.checked_sub(1).map_or(0, |before| ends[before]),
        ends[number],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_of_a_type_are_one_number() {
        let mut table = IdentifierTable::default();
        let numbers: Vec<u32> = [(0, "a"), (1, "a"), (0, "a"), (0, ""), (63, "\0ä"), (63, "")]
            .map(|(of_type, value)| table.intern(of_type, value).unwrap())
            .to_vec();
        assert_eq!(numbers, [0, 1, 0, 2, 3, 4]);
        assert_eq!((table.type_of(3), table.value_of(3)), (63, "\0ä"));
        assert_eq!(
            (table.find(1, "a"), table.find(2, "a"), table.len()),
            (Some(1), None, 5)
        );
    }

    #[test]
    fn many_values_and_sets_keep_their_numbers() {
        let (mut values, mut sets) = (IdentifierTable::default(), SetTable::new());
        for _ in 0..2 {
            for number in 0..20_000_u32 {
                assert_eq!(values.intern(7, &number.to_string()).unwrap(), number);
                assert_eq!(
                    sets.intern((0..40).map(|step| number + step)).unwrap(),
                    number + 1
                );
            }
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
}
