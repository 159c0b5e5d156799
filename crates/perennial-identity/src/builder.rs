//! Taking in records: values to numbers, records to signatures.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::graph::{Bounds, Graph, NONE, Signature};
use crate::intern::{IdentifierTable, Key, SetTable, next_number};
use crate::memory::Memory;
use crate::overrides::{self, Override, Word};
use crate::spill::{Away, Spill};
use crate::store::{Column, Texts};
use crate::warnings::Tally;
use crate::{Batch, Error, Partition, PreviousIds, Rules, Warning, record_hash};

/// How many sources there may be: as many as a [`SourceSet`] has places.
const MAX_SOURCES: usize = 128;

/// After how many signatures more memory is asked for.
const ASKED_AFTER: u32 = 1 << 14;

/// A source of records that carry identifiers. A record is known by its source's name and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name, unique among the sources.
    pub name: Arc<str>,
    /// Whether every record of it is a person (a profile), known by an identifier or not. A record of any other source
    /// that no identifier joins to anything belongs to nobody.
    pub person: bool,
    /// Whether its records have keys of their own. The key of a record without one is its place, where another record may
    /// stand the next time: what it says belongs to what it is known by.
    pub keyed: bool,
}

/// A set of sources, by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SourceSet(u128);

/// A normalised value of an identifier type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentifierId(pub(crate) u32);

/// A set of identifiers, whatever source it was seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetId(pub(crate) u32);

/// A source and a set of identifiers: every record of the source that carries just this set. Records of a person
/// source have one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignatureId(pub(crate) u32);

/// Takes in identifiers and records, in any order, and resolves them.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    /// The first signature of each set that records of facts share; each knows the next.
    shared: Column<u32>,
    previous: PreviousIds,
    /// The signature of the founding record of each previous id, as far as the record still exists.
    founders: Vec<u32>,
    /// The signatures of the records that persons speak of, by their hash; none until the record comes.
    named: HashMap<u128, u32>,
    tally: Tally,
}

impl Source {
    /// A source of facts: orders, events, anything that somebody did.
    pub fn facts(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            person: false,
            keyed: true,
        }
    }

    /// A source of persons: profiles.
    pub fn persons(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            person: true,
            keyed: true,
        }
    }

    /// The same source, whose records are known by their place alone.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.keyed = false;
        self
    }
}

impl SourceSet {
    /// Whether the source of this index is in the set.
    pub fn contains(self, source: u16) -> bool {
        1_u128
            .checked_shl(u32::from(source))
            .is_some_and(|bit| self.0 & bit != 0)
    }

    /// The indices in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        (0..MAX_SOURCES as u16).filter(move |source| self.contains(*source))
    }

    /// The set with this source; a builder refuses indices that have no place.
    pub(crate) fn insert(&mut self, source: u16) {
        self.0 |= 1_u128.checked_shl(u32::from(source)).unwrap_or(0);
    }
}

impl IdentifierId {
    /// The identifier as a plain number: they count from 0.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl SetId {
    /// The set without a member: the record of nobody known.
    pub const EMPTY: Self = Self(0);

    /// The set as a plain number, for storing it beside a row.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The set of a [`Self::number`]; of any other number, a set that its builder refuses.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl SignatureId {
    /// The signature as a plain number, for storing it beside a row.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The signature of a [`Self::number`]; of any other number, one that belongs to nobody.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl GraphBuilder {
    /// A builder for these rules and sources. An index of a source is its place in `sources`. The ids of the past are
    /// needed from the start, because the builder looks out for their founding records.
    ///
    /// # Errors
    /// More than 128 sources, two of one name.
    pub fn try_new(rules: &Rules, sources: Vec<Source>, previous: PreviousIds) -> Result<Self, Error> {
        if sources.len() > MAX_SOURCES {
            return Err(Error::TooManySources {
                count: sources.len(),
                limit: MAX_SOURCES,
            });
        }
        for (place, source) in sources.iter().enumerate() {
            if sources.iter().take(place).any(|other| other.name == source.name) {
                return Err(Error::DuplicateSource {
                    name: source.name.to_string(),
                });
            }
        }
        let founders = vec![NONE; previous.len()];
        let graph = Graph {
            bounds: rules.identifiers().iter().map(Bounds::of).collect(),
            type_names: rules.identifiers().iter().map(|rule| rule.name.clone()).collect(),
            ranks: sources
                .iter()
                .map(|source| sources.iter().filter(|other| other.name < source.name).count())
                .collect(),
            sources,
            identifiers: IdentifierTable::new(),
            sets: SetTable::new(),
            signatures: Column::default(),
            keys: Texts::default(),
            words: Vec::new(),
            sightings: HashMap::new(),
            budget: Memory::unbounded(),
            away: Away::default(),
        };
        Ok(Self {
            graph,
            shared: Column::default(),
            previous,
            founders,
            named: HashMap::new(),
            tally: Tally::default(),
        })
    }

    /// The same builder, which asks `grant` before it and what comes of it take memory: whether this many bytes may be
    /// held altogether. What is held in the end is held as long as the [`Resolution`](crate::Resolution).
    #[must_use]
    pub fn within(mut self, grant: impl FnMut(usize) -> bool + Send + Sync + 'static) -> Self {
        self.graph.budget = Memory::granted_by(grant);
        self
    }

    /// The same builder, which sends the texts of values and of keys to `spill` when memory is not granted otherwise. That
    /// changes nothing but the time that it takes. What could not be read back is told by
    /// [`Resolution::intact`](crate::Resolution::intact).
    #[must_use]
    pub fn spilling(mut self, spill: impl Spill + 'static) -> Self {
        self.graph.away = Away::new(spill);
        self.graph.identifiers.texts_mut().away(&self.graph.away);
        self.graph.keys.away(&self.graph.away);
        self
    }

    /// What the builder holds, in bytes. What it was told of the past is not counted.
    pub fn memory(&self) -> usize {
        self.graph.memory() + self.shared.memory()
    }

    /// Takes in what persons say of records. The records themselves come later: the builder has to know whom it must not
    /// take together with others of equal identifiers.
    pub fn overrides(&mut self, words: impl IntoIterator<Item = Override>) {
        for word in words {
            for (source, key) in [&word.a, &word.b] {
                self.named.insert(record_hash(source, key), NONE);
            }
            self.graph.words.push(Word {
                word,
                a: NONE,
                b: NONE,
            });
        }
    }

    /// The number of a normalised value of an identifier type.
    ///
    /// # Errors
    /// A type that the rules do not have; more than 2^32 - 1 values.
    pub fn intern(&mut self, identifier_type: usize, normalised: &str) -> Result<IdentifierId, Error> {
        let of_type = u8::try_from(identifier_type).unwrap_or(u8::MAX);
        self.check_type(of_type)?;
        self.graph
            .identifiers
            .intern(Key::of_value(of_type, normalised), of_type, normalised)
            .map(IdentifierId)
    }

    /// The number of the set of identifiers of each row.
    ///
    /// # Errors
    /// As [`Self::intern`] and [`Self::set`]; too little memory.
    pub fn sets(&mut self, rows: &Batch) -> Result<Vec<SetId>, Error> {
        let types = rows.values().iter().map(|value| value.identifier_type);
        types.max().map_or(Ok(()), |greatest| self.check_type(greatest))?;
        let mut members = self.graph.identifiers.intern_all(rows)?;
        let sets = self.graph.sets.intern_all(&mut members, rows.ends())?;
        self.graph.hold(self.shared.memory())?;
        Ok(sets.into_iter().map(SetId).collect())
    }

    /// The number of a set of identifiers, which may come in any order and repeat.
    ///
    /// # Errors
    /// An identifier of another builder; more than 2^32 - 1 sets.
    pub fn set(&mut self, identifiers: &[IdentifierId]) -> Result<SetId, Error> {
        let known = self.graph.identifiers.len();
        if let Some(unknown) = identifiers
            .iter()
            .find(|identifier| identifier.0 as usize >= known)
        {
            return Err(Error::UnknownIndex {
                what: "identifier",
                index: unknown.0 as usize,
            });
        }
        self.graph
            .sets
            .intern(identifiers.iter().map(|identifier| identifier.0))
            .map(SetId)
    }

    /// The set of the members of both sets. The versions of a record are one record, and all their identifiers identify
    /// it: its set is the union of the sets of its versions.
    ///
    /// # Errors
    /// A set of another builder; more than 2^32 - 1 sets.
    pub fn union(&mut self, a: SetId, b: SetId) -> Result<SetId, Error> {
        self.check_set(a)?;
        self.check_set(b)?;
        self.graph.sets.union(a.0, b.0).map(SetId)
    }

    /// Takes in a record with all its versions, each with the identifiers that it carries and its time: one record, which
    /// all of them identify, though each only from when a version carried it. Otherwise as [`Self::record`].
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn versions(
        &mut self,
        source: u16,
        versions: &[(SetId, i64)],
        key: &str,
    ) -> Result<Option<SignatureId>, Error> {
        let mut union = SetId::EMPTY;
        for (set, _) in versions {
            union = self.union(union, *set)?;
        }
        let times = versions.iter().map(|(_, time)| *time);
        let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
        let alike = versions.iter().all(|(set, _)| *set == union);
        let Some(signature) = self.take_in(source, union, first, key, !alike)? else {
            return Ok(None);
        };
        let Graph {
            sets,
            signatures,
            sightings,
            ..
        } = &mut self.graph;
        let known = &mut signatures[signature.0].last_at;
        *known = last.max(*known);
        if !alike {
            for (set, time) in versions {
                for identifier in sets.members_of(set.0) {
                    let (first, last) = sightings
                        .entry((signature.0, *identifier))
                        .or_insert((*time, *time));
                    (*first, *last) = ((*time).min(*first), (*time).max(*last));
                }
            }
        }
        Ok(Some(signature))
    }

    /// Takes in a record that has one version: its source, its identifiers, its time in microseconds since 1970, and its
    /// key, unique in the source. Gives the signature by which the customer of the record is asked for later; none for a
    /// record of a source of facts that carries no identifier, as it belongs to nobody.
    ///
    /// # Errors
    /// A source or set of another builder; more than 2^32 - 1 signatures.
    pub fn record(
        &mut self,
        source: u16,
        set: SetId,
        time: i64,
        key: &str,
    ) -> Result<Option<SignatureId>, Error> {
        self.take_in(source, set, time, key, false)
    }

    /// Takes in a record; `apart` gives it a signature of its own.
    fn take_in(
        &mut self,
        source: u16,
        set: SetId,
        time: i64,
        key: &str,
        apart: bool,
    ) -> Result<Option<SignatureId>, Error> {
        self.check_set(set)?;
        let Some(Source { name, person, .. }) = self.graph.sources.get(usize::from(source)) else {
            return Err(Error::UnknownIndex {
                what: "source",
                index: usize::from(source),
            });
        };
        let named = match self.named.is_empty() {
            true => None,
            false => self.named.get_mut(&record_hash(name, key)),
        };
        if set == SetId::EMPTY && !person && named.is_none() {
            return Ok(None);
        }
        let apart = apart || named.is_some();
        if let Some(signature) = named {
            *signature = next_number(self.graph.signatures.len(), "groups of records")?;
        }
        let founder =
            (!self.previous.is_empty()).then(|| self.graph.founding_hash(source, set.0, time, key, 0));
        let number = if apart || self.graph.sources[usize::from(source)].person {
            self.push(source, set.0, time, key)?
        } else {
            self.join(source, set.0, time, key)?
        };
        if let Some(hash) = founder {
            for previous in self.previous.founded_by(hash) {
                self.founders[previous as usize] = number;
            }
        }
        Ok(Some(SignatureId(number)))
    }

    /// Counts records whose value is on the block list, by the entry that says so.
    pub fn blocked(&mut self, entry: u16, identifier_type: usize, value: &str, source: u16, records: u64) {
        self.tally.blocked(entry, identifier_type, value, source, records);
    }

    /// Counts records whose value is not one of its type.
    pub fn malformed(&mut self, identifier_type: usize, value: &str, source: u16, records: u64) {
        self.tally.malformed(identifier_type, value, source, records);
    }

    /// Takes in what was counted apart, for a file that may be left out.
    pub fn warned(&mut self, tally: &Tally) {
        self.tally.merge(tally);
    }

    /// Takes over what an earlier run counted of values on the block list and of malformed ones.
    pub fn counted(&mut self, warning: &Warning) {
        self.tally.take_over(warning);
    }

    /// Tells the ids of the past, before the first record is taken in.
    pub fn remember(&mut self, previous: PreviousIds) {
        self.founders = vec![NONE; previous.len()];
        self.previous = previous;
    }

    /// The members of a set; none for a set of another builder.
    pub fn members(&self, set: SetId) -> impl Iterator<Item = IdentifierId> + '_ {
        let known = self.check_set(set).is_ok();
        let members: &[u32] = if known {
            self.graph.sets.members_of(set.0)
        } else {
            &[]
        };
        members.iter().copied().map(IdentifierId)
    }

    /// The hash by which a published id knows its founding record, of a record with this set, time and key; none for a
    /// source or a set of another builder.
    pub fn founding_hash(&self, source: u16, set: SetId, time: i64, key: &str) -> Option<u128> {
        let known = self.check_set(set).is_ok() && usize::from(source) < self.graph.sources.len();
        known.then(|| self.graph.founding_hash(source, set.0, time, key, 0))
    }

    /// The type and the value of an identifier of this builder.
    pub fn identifier(&self, identifier: IdentifierId) -> (usize, Cow<'_, str>) {
        let identifiers = &self.graph.identifiers;
        (
            identifiers.type_of(identifier.0),
            identifiers.value_of(identifier.0),
        )
    }

    /// How many signatures there are so far; their numbers are below this.
    pub fn signatures(&self) -> usize {
        self.graph.signatures.len()
    }

    /// Joins what belongs together. The outcome depends on the records alone, not on the order in which they came.
    ///
    /// # Errors
    /// More than 2^32 - 1 signatures and identifiers together; too little memory.
    pub fn resolve(self) -> Result<Partition, Error> {
        let Self {
            mut graph,
            shared,
            previous,
            founders,
            named,
            tally,
        } = self;
        drop(shared);
        graph.sets.forget_keys();
        if previous.is_empty() {
            // Nobody asks who holds a value now.
            graph.identifiers.forget_keys();
        }
        for Word { word, a, b } in &mut graph.words {
            let signature = |(source, key): &(String, String)| {
                named.get(&record_hash(source, key)).copied().unwrap_or(NONE)
            };
            (*a, *b) = (signature(&word.a), signature(&word.b));
        }
        overrides::sort(&mut graph.words);
        graph.hold(graph.memory_to_cluster())?;
        let away = graph.away.clone();
        away.guard(|| Partition::try_new(graph, previous, founders, tally))
    }

    fn check_type(&self, identifier_type: u8) -> Result<(), Error> {
        if usize::from(identifier_type) < self.graph.bounds.len() {
            return Ok(());
        }
        Err(Error::UnknownIndex {
            what: "identifier type",
            index: usize::from(identifier_type),
        })
    }

    fn check_set(&self, set: SetId) -> Result<(), Error> {
        if (set.0 as usize) < self.graph.sets.len() {
            return Ok(());
        }
        Err(Error::UnknownIndex {
            what: "set of identifiers",
            index: set.0 as usize,
        })
    }

    /// A signature of its own for a record.
    fn push(&mut self, source: u16, set: u32, time: i64, key: &str) -> Result<u32, Error> {
        let number = next_number(self.graph.signatures.len(), "groups of records")?;
        if number.is_multiple_of(ASKED_AFTER) {
            self.graph.hold(self.shared.memory())?;
        }
        let key = self.graph.keys.push(key)?;
        self.graph.signatures.push(Signature {
            source,
            set,
            records: 1,
            first_at: time,
            last_at: time,
            key,
            next: NONE,
        });
        Ok(number)
    }

    /// The signature that a record shares with all of its source and set.
    fn join(&mut self, source: u16, set: u32, time: i64, key: &str) -> Result<u32, Error> {
        while self.shared.len() <= set as usize {
            self.shared.push(NONE);
        }
        let mut number = self.shared[set];
        while number != NONE {
            let signature = &mut self.graph.signatures[number];
            if signature.source == source {
                signature.records += 1;
                signature.last_at = signature.last_at.max(time);
                if time < signature.first_at
                    || time == signature.first_at && *key < *self.graph.keys.get(signature.key)
                {
                    signature.first_at = time;
                    signature.key = self.graph.keys.replace(signature.key, key)?;
                }
                return Ok(number);
            }
            number = signature.next;
        }
        let number = self.push(source, set, time, key)?;
        self.graph.signatures[number].next = std::mem::replace(&mut self.shared[set], number);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_sets_hold_every_index_and_no_more() {
        let mut set = SourceSet::default();
        for source in [127, 0, 64, 128, u16::MAX] {
            set.insert(source);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 127]);
        assert!(!set.contains(128) && !set.contains(1));
    }
}
