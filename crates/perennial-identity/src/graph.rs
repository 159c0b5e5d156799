//! Signatures and identifiers: the two kinds of nodes, and the orders that depend on the data alone.

use std::borrow::Cow;
use std::cmp::Ordering;

use hashbrown::HashMap;

use crate::intern::{IdentifierTable, SetTable};
use crate::memory::Memory;
use crate::overrides::Word;
use crate::published::{salted_place_hash, salted_record_hash};
use crate::spill::Away;
use crate::store::{Column, Texts};
use crate::{Error, IdentifierRule, Source};

/// The number that stands for none.
pub(crate) const NONE: u32 = u32::MAX;

/// What was taken in.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) bounds: Vec<Bounds>,
    /// The names of the identifier types.
    pub(crate) type_names: Vec<String>,
    pub(crate) sources: Vec<Source>,
    /// The place of each source in the order of their names.
    pub(crate) ranks: Vec<usize>,
    pub(crate) identifiers: IdentifierTable,
    pub(crate) sets: SetTable,
    pub(crate) signatures: Column<Signature>,
    /// The keys of the founding records.
    pub(crate) keys: Texts,
    /// What persons say of records, newest first once all records are in.
    pub(crate) words: Vec<Word>,
    /// The first and the last time that a record carried an identifier, where it did not always.
    pub(crate) sightings: HashMap<(u32, u32), (i64, i64)>,
    /// Holds what all this takes, and what is made of it.
    pub(crate) budget: Memory,
    /// Where texts go when that is too much.
    pub(crate) away: Away,
}

/// What the graph has to know of an identifier type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) strong: bool,
    pub(crate) limit: Option<u32>,
    pub(crate) max_customers: Option<u32>,
}

/// The records of a source that carry one set of identifiers, or one record of a person source.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) set: u32,
    pub(crate) source: u16,
    pub(crate) records: u64,
    /// The time of the founding record: the least of all.
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    /// Where the key of the founding record is: the record with the least (time, key).
    pub(crate) key: u32,
    /// Another signature with the same set whose records share it; none behind the last.
    pub(crate) next: u32,
}

impl Bounds {
    pub(crate) fn of(rule: &IdentifierRule) -> Self {
        Self {
            strong: rule.strong,
            limit: rule.limit,
            max_customers: rule.max_customers,
        }
    }
}

impl Graph {
    pub(crate) fn signature(&self, number: u32) -> &Signature {
        &self.signatures[number]
    }

    /// The key of the founding record of a signature.
    pub(crate) fn key(&self, signature: &Signature) -> Cow<'_, str> {
        self.keys.get(signature.key)
    }

    /// The first and the last time that the records of a signature carried one of its identifiers.
    pub(crate) fn sighted(&self, signature: u32, identifier: u32) -> (i64, i64) {
        let always = || {
            let signature = self.signature(signature);
            (signature.first_at, signature.last_at)
        };
        let known = self.sightings.get(&(signature, identifier));
        known.copied().unwrap_or_else(always)
    }

    pub(crate) fn person(&self, signature: &Signature) -> bool {
        self.sources[usize::from(signature.source)].person
    }

    /// The hash by which a record is known again, with a salt; see [`crate::record_hash`] and [`crate::place_hash`].
    pub(crate) fn founding_hash(&self, source: u16, set: u32, time: i64, key: &str, salt: u32) -> u128 {
        let Source { name, keyed, .. } = &self.sources[usize::from(source)];
        if *keyed {
            return salted_record_hash(name, key, salt);
        }
        let members = self.sets.members_of(set);
        let values: Vec<Cow<'_, str>> = members
            .iter()
            .map(|identifier| self.identifiers.value_of(*identifier))
            .collect();
        let mut values: Vec<(&str, &str)> = members
            .iter()
            .zip(&values)
            .map(|(identifier, value)| {
                let of_type = self.identifiers.type_of(*identifier);
                (self.type_names[of_type].as_str(), value.as_ref())
            })
            .collect();
        values.sort_unstable();
        salted_place_hash(name, key, time, &values, salt)
    }

    /// Holds what it takes, and this many bytes beside it, from now on. Where that is too much, texts leave memory.
    pub(crate) fn hold(&mut self, beside: usize) -> Result<(), Error> {
        if self.away.somewhere() {
            if self.budget.grants(self.memory() + beside) {
                return Ok(());
            }
            self.identifiers.texts_mut().spill()?;
            self.keys.spill()?;
        }
        self.budget.hold(self.memory() + beside)
    }

    /// What it holds, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let sighting = size_of::<((u32, u32), (i64, i64))>() + 1;
        self.identifiers.memory()
            + self.sets.memory()
            + self.signatures.memory()
            + self.keys.memory()
            + self.sightings.capacity() * sighting
    }

    /// What clustering takes besides, in bytes: both directions of the edges, the forest, and the labels.
    pub(crate) fn memory_to_cluster(&self) -> usize {
        let nodes = self.identifiers.len() + self.signatures.len();
        let mut edges = vec![0; self.bounds.len()];
        for (identifier, _) in self.edges() {
            edges[self.identifiers.type_of(identifier)] += 1;
        }
        let limits = self.bounds.iter().filter(|bounds| bounds.limit.is_some()).count();
        // An edge is held once by its identifier and, where there are limits, once with those of its type to be tried in
        // order.
        let ordered = match limits > 0 || !self.words.is_empty() {
            true => edges.iter().max().copied().unwrap_or(0) * size_of::<(i64, u32, u32)>(),
            false => 0,
        };
        let edges: usize = edges.into_iter().sum();
        let group = 2 * size_of::<u32>();
        let node = 3 * size_of::<u32>() + 1 + limits.div_ceil(4) * size_of::<u32>();
        self.identifiers.len() * group + edges * size_of::<u32>() + ordered + nodes * node
    }

    /// The order of the founding records of two signatures: time, source name, record key.
    pub(crate) fn founding_order(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.signature(a), self.signature(b));
        a.first_at.cmp(&b.first_at).then_with(|| self.name_order(a, b))
    }

    /// The order of two edges of one identifier type: time, value, source name, record key. An edge is (time,
    /// identifier, signature).
    pub(crate) fn edge_order(&self, a: (i64, u32, u32), b: (i64, u32, u32)) -> Ordering {
        let value = |edge: (i64, u32, u32)| self.identifiers.value_of(edge.1);
        let by_value = || {
            if a.1 == b.1 {
                Ordering::Equal
            } else {
                value(a).cmp(&value(b))
            }
        };
        a.0.cmp(&b.0)
            .then_with(by_value)
            .then_with(|| self.name_order(self.signature(a.2), self.signature(b.2)))
    }

    /// Every edge as (identifier, signature).
    pub(crate) fn edges(&self) -> impl Iterator<Item = (u32, u32)> + Clone {
        (0_u32..)
            .zip(self.signatures.iter())
            .flat_map(|(number, signature)| {
                self.sets
                    .members_of(signature.set)
                    .iter()
                    .map(move |identifier| (*identifier, number))
            })
    }

    /// What two signatures are ordered by in [`Self::founding_order`]; the text is read once.
    pub(crate) fn founding_key(&self, signature: u32) -> (i64, usize, Cow<'_, str>) {
        let signature = self.signature(signature);
        let rank = self.ranks[usize::from(signature.source)];
        (signature.first_at, rank, self.key(signature))
    }

    fn name_order(&self, a: &Signature, b: &Signature) -> Ordering {
        let rank = |signature: &Signature| self.ranks[usize::from(signature.source)];
        rank(a).cmp(&rank(b)).then_with(|| self.key(a).cmp(&self.key(b)))
    }
}
