//! The partition into customers, before they have names.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::cluster::{Clusters, cluster};
use crate::graph::{Graph, NONE, Signature};
use crate::groups::Groups;
use crate::warnings::Tally;
use crate::{
    Change, ChangeKind, Customer, CustomerId, Error, Fate, PreviousIds, PublishedId, Resolution, SignatureId,
    Source, record_hash,
};

/// The records of every customer. What is left to do is to give the customers their ids.
///
/// An id goes with its founding record. Where that record no longer exists, or is nobody's any more, the id is an
/// *orphan*: it goes with what is left of its customer. Only the previous snapshot knows what the customer held, so
/// the caller tells it, before [`Partition::publish`]:
///
/// ```text
/// if partition.asks_for_previous() {
///     for (id, type, value) in previous identities {
///         partition.held(id, type, value);
///     }
/// }
/// ```
///
/// From that it also knows of which customer a new one was a part. Where a new one took no identifier with it, as one of
/// two records that a person says are different, its founding record tells:
///
/// ```text
/// for (id, source, key, time) in previous records of partition.asks_for_founders(before) {
///     partition.belonged(id, source, key, time);
/// }
/// ```
#[derive(Debug)]
pub struct Partition {
    graph: Graph,
    holders: Groups,
    clusters: Clusters,
    /// The signature that holds the founding record of each component.
    founders: Vec<u32>,
    previous: PreviousIds,
    /// The component of each previous id, as far as its founding record tells.
    places: Vec<u32>,
    /// The component of orphans.
    remains: HashMap<u32, u32>,
    /// Whether a component has the founding record of a previous id.
    founded: Vec<bool>,
    /// The oldest previous id that held an identifier of the components without one.
    parts: HashMap<u32, u32>,
    /// The founding records that are asked for, and the components that they found.
    asked: HashMap<u128, u32>,
    /// The previous id that had the founding record of a component.
    left: HashMap<u32, u32>,
    tally: Tally,
}

impl Partition {
    /// `previous_founders` are the signatures of the founding records of the previous ids.
    pub(crate) fn try_new(
        graph: Graph,
        previous: PreviousIds,
        previous_founders: Vec<u32>,
        tally: Tally,
    ) -> Result<Self, Error> {
        let holders = Groups::new(graph.identifiers.len(), graph.edges())?;
        let clusters = cluster(&graph, &holders)?;
        let mut founders = vec![NONE; clusters.count as usize];
        for (signature, component) in (0_u32..).zip(&clusters.signatures) {
            if let Some(founder) = founders.get_mut(*component as usize)
                && (*founder == NONE || graph.founding_order(signature, *founder) == Ordering::Less)
            {
                *founder = signature;
            }
        }
        let places: Vec<u32> = previous_founders
            .into_iter()
            .map(|signature| {
                clusters
                    .signatures
                    .get(signature as usize)
                    .copied()
                    .unwrap_or(NONE)
            })
            .collect();
        let mut founded = vec![false; clusters.count as usize];
        for place in &places {
            if let Some(founded) = founded.get_mut(*place as usize) {
                *founded = true;
            }
        }
        Ok(Self {
            graph,
            holders,
            clusters,
            founders,
            previous,
            places,
            remains: HashMap::new(),
            founded,
            parts: HashMap::new(),
            asked: HashMap::new(),
            left: HashMap::new(),
            tally,
        })
    }

    /// How many customers there are.
    pub fn customers(&self) -> usize {
        self.founders.len()
    }

    /// Whether two signatures are of one customer; false when either belongs to nobody.
    pub fn same(&self, a: SignatureId, b: SignatureId) -> bool {
        let component = |id: SignatureId| {
            self.clusters
                .signatures
                .get(id.0 as usize)
                .filter(|label| **label != NONE)
        };
        component(a).is_some_and(|label| component(b) == Some(label))
    }

    /// The current ids of the previous snapshot whose founding record no longer leads to a customer, sorted.
    pub fn orphans(&self) -> Vec<CustomerId> {
        let mut orphans: Vec<CustomerId> = self
            .previous
            .as_slice()
            .iter()
            .zip(&self.places)
            .filter(|(published, place)| published.fate == Fate::Current && **place == NONE)
            .map(|(published, _)| published.id)
            .collect();
        orphans.sort_unstable();
        orphans
    }

    /// The signatures of the founding records of customers without a published id.
    pub fn newcomers(&self) -> impl Iterator<Item = SignatureId> + '_ {
        let founders = self.founders.iter().zip(&self.founded);
        founders
            .filter(|(_, founded)| !**founded)
            .map(|(founder, _)| SignatureId(*founder))
    }

    /// Whether the previous identities tell anything: there are orphans, or customers without a published id.
    pub fn asks_for_previous(&self) -> bool {
        !self.previous.is_empty() && (self.founded.contains(&false) || !self.orphans().is_empty())
    }

    /// The sources of the founding records of customers without a published id, as far as those were there `before`: the
    /// previous snapshot knows whose they were then.
    pub fn asks_for_founders(&mut self, before: impl Fn(SignatureId) -> bool) -> BTreeSet<Arc<str>> {
        let mut sources = BTreeSet::new();
        if self.previous.is_empty() {
            return sources;
        }
        for (component, founder) in (0..).zip(&self.founders) {
            if !self.founded[component as usize] && before(SignatureId(*founder)) {
                let signature = self.graph.signature(*founder);
                let source = &self.graph.sources[usize::from(signature.source)];
                let key = self.graph.key(signature);
                self.asked
                    .insert(known_again(source, &key, signature.first_at), component);
                if !sources.contains(&source.name) {
                    sources.insert(Arc::clone(&source.name));
                }
            }
        }
        sources
    }

    /// Tells whose a record was in the previous snapshot, by the text of the id: the customer that it founds now was a part
    /// of that one. A record of a source without keys is known by its place and its time. Without effect for a record that
    /// founds nobody new.
    pub fn belonged(&mut self, id: &str, source: &str, key: &str, time: i64) {
        let Some(source) = self.graph.sources.iter().find(|known| *known.name == *source) else {
            return;
        };
        if let Some(component) = self.asked.get(&known_again(source, key, time))
            && let Some(number) = id.parse().ok().and_then(|id| self.previous.number_of(id))
        {
            self.left.insert(*component, number);
        }
    }

    /// Tells that an id held an identifier in the previous snapshot. An orphan stays with the customer who holds it now;
    /// where its identifiers went to several, with the one whose founding record is the earliest. A customer who gets a
    /// new id was a part of the oldest that held one of its identifiers. Without effect for an identifier that nobody
    /// holds.
    pub fn held(&mut self, id: CustomerId, identifier_type: usize, value: &str) {
        let current = |number: &u32| self.previous.as_slice()[*number as usize].fate == Fate::Current;
        let Some(number) = self.previous.number_of(id).filter(current) else {
            return;
        };
        let component = u8::try_from(identifier_type)
            .ok()
            .and_then(|identifier_type| self.graph.identifiers.find(identifier_type, value))
            .map_or(NONE, |identifier| self.clusters.identifiers[identifier as usize]);
        if component == NONE {
            return;
        }
        if !self.founded[component as usize] {
            let previous = self.previous.as_slice();
            let oldest = self.parts.entry(component).or_insert(number);
            if previous[number as usize].age_order(&previous[*oldest as usize]) == Ordering::Less {
                *oldest = number;
            }
        }
        if self.places[number as usize] != NONE {
            return;
        }
        let Self {
            graph,
            founders,
            remains,
            ..
        } = self;
        let founder = |component: u32| founders[component as usize];
        let place = remains.entry(number).or_insert(component);
        if graph.founding_order(founder(component), founder(*place)) == Ordering::Less {
            *place = component;
        }
    }

    /// Gives every customer its id, in the snapshot of this number and moment (microseconds since 1970). A customer keeps the oldest of the published ids
    /// that belong to it: the least by publishing snapshot, founding time, founding source and record hash. The others
    /// of its ids lead to that one, in one hop. A customer without any gets an id made from its founding record, whose
    /// time, source name and key are the least.
    ///
    /// # Errors
    /// More than 2^32 - 1 ids ever published; too little memory.
    pub fn publish(mut self, snapshot: u64, at: i64) -> Result<Resolution, Error> {
        let beside = self.memory() + self.memory_to_publish();
        self.graph.hold(beside)?;
        let away = self.graph.away.clone();
        away.guard(|| self.name(snapshot, at))
    }

    fn name(mut self, snapshot: u64, at: i64) -> Result<Resolution, Error> {
        let survivors = self.place_previous();
        let mut ids = vec![None; self.founders.len()];
        for (id, survivor) in ids.iter_mut().zip(&survivors) {
            *id = self
                .previous
                .as_slice()
                .get(*survivor as usize)
                .map(|published| published.id);
        }
        let mut changes = self.split_off(&ids);
        let survive = (0_u32..)
            .zip(&ids)
            .filter_map(|(component, id)| Some(((*id)?, component)));
        let mut order: Vec<(CustomerId, u32)> = survive.collect();
        let minted = self.mint(&mut ids, &mut order, snapshot, at);
        order.sort_unstable();
        // Every component has an id by now.
        let ids: Vec<CustomerId> = ids.into_iter().flatten().collect();
        let mut changes: Vec<Change> = changes
            .drain(..)
            .filter_map(|(component, other)| {
                Some(Change {
                    kind: ChangeKind::Split,
                    customer: *ids.get(component as usize)?,
                    other: Some(other),
                })
            })
            .collect();
        let mut published = self.previous.into_vec();
        for (entry, place) in published.iter_mut().zip(&self.places) {
            let fate = fate(entry, ids.get(*place as usize).copied(), snapshot);
            if fate != entry.fate {
                changes.push(change(entry.id, entry.fate, fate));
                (entry.fate, entry.fate_at) = (fate, at);
            }
        }
        changes.sort_unstable();
        if published.is_empty() {
            published = minted;
        } else {
            published.reserve_exact(minted.len());
            published.extend(minted);
        }
        self.graph.identifiers.forget_keys();
        drop((ids, self.founders, self.places, self.founded));
        Resolution::try_new(
            self.graph,
            self.holders,
            self.clusters,
            order,
            published,
            changes,
            self.tally,
        )
    }

    /// What the partition holds beside the graph, in bytes. What it was told of the past is not counted.
    fn memory(&self) -> usize {
        let labels = self.clusters.signatures.len() + self.clusters.identifiers.len();
        self.holders.memory()
            + (labels + self.founders.len() + self.places.len()) * size_of::<u32>()
            + self.founded.len()
    }

    /// What publishing takes besides, in bytes: ids, what is known of customers, and the identifiers of each.
    fn memory_to_publish(&self) -> usize {
        let customer = size_of::<Customer>()
            + size_of::<PublishedId>()
            + size_of::<Wanted>()
            + size_of::<Option<CustomerId>>()
            + size_of::<CustomerId>()
            + size_of::<(CustomerId, u32)>()
            + size_of::<u32>();
        let group = 2 * size_of::<u32>();
        self.founders.len() * (customer + group) + self.graph.identifiers.len() * size_of::<u32>()
    }

    /// The components that get a new id although their founding record was an older customer's, or else one of their
    /// identifiers, with that one's id.
    fn split_off(&self, ids: &[Option<CustomerId>]) -> Vec<(u32, CustomerId)> {
        let new = |component: u32| ids[component as usize].is_none();
        (0..)
            .zip(&self.founders)
            .filter(|(component, _)| new(*component))
            .filter_map(|(component, _)| {
                let number = self.left.get(&component).or_else(|| self.parts.get(&component))?;
                Some((component, self.previous.as_slice()[*number as usize].id))
            })
            .collect()
    }

    /// Completes the places of the previous ids and gives the oldest of each component.
    fn place_previous(&mut self) -> Vec<u32> {
        for (number, component) in &self.remains {
            self.places[*number as usize] = *component;
        }
        let mut survivors = vec![NONE; self.founders.len()];
        let previous = self.previous.as_slice();
        for (number, component) in (0_u32..).zip(&self.places) {
            if let Some(survivor) = survivors.get_mut(*component as usize)
                && previous
                    .get(*survivor as usize)
                    .is_none_or(|oldest| previous[number as usize].age_order(oldest) == Ordering::Less)
            {
                *survivor = number;
            }
        }
        // A retired id whose founding record is gone as well follows the id that it leads to. It never survives: where it
        // leads there is an id already.
        for (number, published) in previous.iter().enumerate() {
            if let Fate::Redirected { to, .. } = published.fate
                && self.places[number] == NONE
                && let Some(target) = self.previous.number_of(to)
            {
                self.places[number] = self.places[target as usize];
            }
        }
        survivors
    }

    /// Makes the missing ids, and never one that was published before. Where two founding records would make one id, the
    /// earlier record has it.
    fn mint(
        &self,
        ids: &mut [Option<CustomerId>],
        order: &mut Vec<(CustomerId, u32)>,
        snapshot: u64,
        at: i64,
    ) -> Vec<PublishedId> {
        let hash = |founder: u32, salt: u32| {
            let signature = self.graph.signature(founder);
            let Signature {
                source,
                set,
                first_at,
                ..
            } = *signature;
            let key = self.graph.key(signature);
            self.graph.founding_hash(source, set, first_at, &key, salt)
        };
        let mut wanted: Vec<Wanted> = (0..)
            .zip(&self.founders)
            .filter(|(component, _)| ids[*component as usize].is_none())
            .map(|(component, founder)| {
                let signature = self.graph.signature(*founder);
                Wanted {
                    hash: hash(*founder, 0),
                    founding_at: signature.first_at,
                    component,
                    source: signature.source,
                }
            })
            .collect();
        // The upper 80 bits are the id, and numbers are compared faster.
        wanted.sort_unstable_by_key(|wanted| (wanted.hash >> 48, wanted.component));
        // Nearly never do two want the same: only those are told apart in the order of their founding records.
        let mut contested: Vec<u32> = Vec::new();
        let mut taken = HashSet::new();
        for same in wanted.chunk_by(|a, b| a.hash >> 48 == b.hash >> 48) {
            match same {
                [one] if self.previous.number_of(one.id()).is_none() => {
                    ids[one.component as usize] = Some(one.id());
                }
                _ => contested.extend(same.iter().map(|wanted| wanted.component)),
            }
        }
        if !contested.is_empty() {
            taken.extend(
                wanted
                    .iter()
                    .filter(|wanted| ids[wanted.component as usize].is_some())
                    .map(Wanted::id),
            );
        }
        let founder = |component: u32| self.founders[component as usize];
        contested.sort_unstable_by(|a, b| self.graph.founding_order(founder(*a), founder(*b)));
        for component in contested {
            let ids_of_salts = (0..).map(|salt| CustomerId::from_hash(hash(founder(component), salt)));
            ids[component as usize] = ids_of_salts
                .into_iter()
                .find(|id| self.previous.number_of(*id).is_none() && taken.insert(*id));
        }
        order.reserve_exact(wanted.len());
        let made = wanted.iter().filter_map(|wanted| {
            let id = ids[wanted.component as usize]?;
            order.push((id, wanted.component));
            Some(PublishedId {
                id,
                minted_snapshot: snapshot,
                founding_source: self.graph.sources[usize::from(wanted.source)].name.clone(),
                founding_at: wanted.founding_at,
                founding_hash: wanted.hash,
                fate: Fate::Current,
                fate_at: at,
            })
        });
        let mut minted = Vec::with_capacity(wanted.len());
        minted.extend(made);
        minted
    }
}

/// The hash by which a record of the previous snapshot is known again.
fn known_again(source: &Source, key: &str, time: i64) -> u128 {
    match source.keyed {
        true => record_hash(&source.name, key),
        false => record_hash(&source.name, &format!("{key}@{time}")),
    }
}

/// A component without an id, by its founding record.
struct Wanted {
    hash: u128,
    founding_at: i64,
    component: u32,
    source: u16,
}

impl Wanted {
    /// The id that it has unless another has it.
    fn id(&self) -> CustomerId {
        CustomerId::from_hash(self.hash)
    }
}

/// What becomes of an id whose customer is now called `current`. What was so before stays dated as before.
fn fate(published: &PublishedId, current: Option<CustomerId>, snapshot: u64) -> Fate {
    match (current, published.fate) {
        (Some(current), _) if current == published.id => Fate::Current,
        (Some(current), fate @ Fate::Redirected { to, .. }) if to == current => fate,
        (Some(to), _) => Fate::Redirected { to, snapshot },
        (None, fate @ Fate::Gone { .. }) => fate,
        (None, _) => Fate::Gone { snapshot },
    }
}

/// What happened to an id whose fate was another before.
fn change(id: CustomerId, before: Fate, after: Fate) -> Change {
    let (kind, customer, other) = match (before, after) {
        (Fate::Redirected { to, .. }, Fate::Current) => (ChangeKind::Split, id, Some(to)),
        (_, Fate::Current) => (ChangeKind::Returned, id, None),
        (_, Fate::Redirected { to, .. }) => (ChangeKind::Merged, to, Some(id)),
        (_, Fate::Gone { .. }) => (ChangeKind::Gone, id, None),
    };
    Change {
        kind,
        customer,
        other,
    }
}
