//! Whose the records were of which persons speak: a word takes them from customers who stay, and of whom no other change
//! tells.

use hashbrown::{HashMap, HashSet};

use crate::graph::{Graph, NONE};
use crate::{CustomerId, Fate, PreviousIds, record_hash};

/// The records that words name, by their signatures, and the previous ids of their customers, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    records: HashMap<u128, u32>,
    /// Those that carry an identifier.
    carriers: HashMap<u32, Vec<u32>>,
    /// The id that a record founded.
    founded: HashMap<u32, u32>,
    /// The customer of a record of which persons had spoken before; none for nobody's.
    known: HashMap<u32, Option<u32>>,
    /// The customers who held an identifier of a record.
    held: HashMap<u32, Vec<u32>>,
}

impl Spoken {
    /// The records of the words of a graph; `founders` are the signatures of the founding records of the previous ids.
    pub(crate) fn new(graph: &Graph, previous: &PreviousIds, founders: &[u32]) -> Self {
        let mut spoken = Self::default();
        if previous.is_empty() {
            return spoken;
        }
        for word in graph.words.iter().filter(|word| word.known()) {
            for ((source, key), signature) in [(&word.word.a, word.a), (&word.word.b, word.b)] {
                if spoken
                    .records
                    .insert(record_hash(source, key), signature)
                    .is_some()
                {
                    continue;
                }
                for identifier in graph.sets.members_of(graph.signature(signature).set) {
                    spoken.carriers.entry(*identifier).or_default().push(signature);
                }
            }
        }
        let signatures: HashSet<u32> = spoken.records.values().copied().collect();
        let founded = (0_u32..).zip(founders.iter().copied());
        spoken.founded = founded
            .filter(|(_, signature)| *signature != NONE && signatures.contains(signature))
            .map(|(number, signature)| (signature, number))
            .collect();
        spoken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The signatures of the records.
    pub(crate) fn signatures(&self) -> impl Iterator<Item = u32> {
        self.records.values().copied()
    }

    /// Takes in that a customer held an identifier.
    pub(crate) fn held(&mut self, identifier: u32, customer: u32) {
        for signature in self.carriers.get(&identifier).into_iter().flatten() {
            self.held.entry(*signature).or_default().push(customer);
        }
    }

    /// Takes in whose a record was.
    pub(crate) fn was(&mut self, source: &str, key: &str, id: Option<CustomerId>, previous: &PreviousIds) {
        if let Some(signature) = self.records.get(&record_hash(source, key)) {
            let number = id.and_then(|id| previous.number_of(id));
            self.known.insert(*signature, number);
        }
    }

    /// The previous customer of a record; none for nobody's, and where it cannot be told from the one who has it now, of
    /// whom `here` says whether a previous customer has become it. A record of which nobody had spoken was with its
    /// identifiers; where several customers held those, with the oldest.
    pub(crate) fn before(
        &self,
        signature: u32,
        previous: &PreviousIds,
        here: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        if let Some(known) = self.known.get(&signature) {
            return *known;
        }
        let ids = previous.as_slice();
        if let Some(number) = self.founded.get(&signature) {
            return match ids[*number as usize].fate {
                Fate::Current => Some(*number),
                Fate::Redirected { to, .. } => previous.number_of(to),
                Fate::Gone { .. } => None,
            };
        }
        let held = self.held.get(&signature)?;
        if held.iter().any(|number| here(*number)) {
            return None;
        }
        let age = |a: &u32, b: &u32| ids[*a as usize].age_order(&ids[*b as usize]);
        held.iter().copied().min_by(age)
    }
}
