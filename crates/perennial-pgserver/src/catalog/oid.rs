//! Object identifiers that are the same in every process: a hash of what the object is and of its names.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The first identifier that PostgreSQL gives to a user's object; lower ones are its own.
const FIRST: u64 = 16_384;
/// Identifiers stay below 2^31: some clients read them as signed.
const END: u64 = 1 << 31;

/// What an identifier names. Two objects of different kinds may share a name, never an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A schema.
    Namespace,
    /// A table, view or index.
    Class,
    /// The row type of a relation.
    RowType,
    /// The array over a row type.
    RowArray,
    /// A key; the first name is schema and relation.
    Constraint,
    /// The rewrite rule of a view.
    Rule,
    /// A function.
    Function,
    /// A role.
    Role,
    /// The database.
    Database,
}

/// An object before it has its identifier: kind, the name that it is within, its own name.
pub(crate) type Key = (Kind, String, String);

/// The identifiers of a set of objects.
#[derive(Debug)]
pub(crate) struct Oids(HashMap<Key, i64>);

impl Oids {
    /// Gives every key its identifier. Where two keys hash alike, the one that sorts first keeps the hash and the
    /// other is hashed again with the next seed, so that the order of `keys` does not matter.
    pub(crate) fn new(mut keys: Vec<Key>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let mut used = HashSet::with_capacity(keys.len());
        let mut oids = HashMap::with_capacity(keys.len());
        for key in keys {
            let oid = (0..)
                .map(|seed| hash(&key, seed))
                .find(|oid| used.insert(*oid))
                .unwrap_or_default();
            oids.insert(key, oid);
        }
        Self(oids)
    }

    /// The identifier of an object; 0, PostgreSQL's "none", for one that was not among the keys.
    pub(crate) fn of(&self, kind: Kind, within: &str, name: &str) -> i64 {
        self.0
            .get(&(kind, within.to_owned(), name.to_owned()))
            .copied()
            .unwrap_or_default()
    }
}

/// The identifier that a key has unless another came first.
fn hash((kind, within, name): &Key, seed: u64) -> i64 {
    let mut bytes = Vec::with_capacity(within.len() + name.len() + 2);
    bytes.push(*kind as u8);
    bytes.extend_from_slice(within.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(name.as_bytes());
    let folded = FIRST + xxh3_64_with_seed(&bytes, seed) % (END - FIRST);
    i64::try_from(folded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let keys: Vec<Key> = (0..2_000)
            .map(|n| (Kind::Class, "public".to_owned(), format!("relation_{n}")))
            .collect();
        let reversed: Vec<Key> = keys.iter().rev().cloned().collect();
        let (one, other) = (Oids::new(keys.clone()), Oids::new(reversed));
        let mut seen = HashSet::new();
        for (kind, within, name) in &keys {
            let oid = one.of(*kind, within, name);
            assert_eq!(oid, other.of(*kind, within, name));
            assert!((16_384..1 << 31).contains(&oid));
            assert!(seen.insert(oid));
        }
        assert_eq!(one.of(Kind::Role, "", "nobody"), 0);
    }

    #[test]
    fn kinds_and_names_are_told_apart() {
        let key = |kind, within: &str, name: &str| (kind, within.to_owned(), name.to_owned());
        let keys = vec![
            key(Kind::Class, "public", "customers"),
            key(Kind::RowType, "public", "customers"),
            key(Kind::Class, "publi", "ccustomers"),
            key(Kind::Class, "", "customers"),
        ];
        let oids = Oids::new(keys.clone());
        let distinct: HashSet<i64> = keys
            .iter()
            .map(|(kind, within, name)| oids.of(*kind, within, name))
            .collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
