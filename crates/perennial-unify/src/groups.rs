//! Groups of records: what can have an effect on each other. A group is a connected component over values of identifiers,
//! keys of records, ids of orders and what persons say of records, whatever limits and bounds refuse; so it holds whole
//! customers, whole orders, all versions of a record and all words on it, and working out a group anew needs nothing from
//! outside of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use parking_lot::Mutex;
use perennial_base::Kind;
use perennial_identity::{GraphBuilder, Resolution, SetId, SignatureId, record_hash};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::Result;
use crate::records::NOBODY;
use crate::scratch::{Heap, Scratch, Stored};
use crate::versions::place;

/// No element yet.
const NONE: u32 = u32::MAX;
const ORDER_SEED: u64 = 1 << 32;
/// Nodes are sorted in memory a part at a time: those whose hashes begin with the same bits.
const PART_BITS: u32 = 6;
/// How many nodes wait to be shared among the parts.
const WAITING: usize = 1 << 19;

/// What rows name, as hashes, each with an element of the forest. Two things of one hash are in one group: that is too
/// much then, and never too little. The elements are in memory, eight bytes each; the hashes go to files when they become
/// many.
#[derive(Debug)]
pub(crate) struct Nodes {
    scratch: Arc<Scratch>,
    parts: Vec<Heap>,
    /// Nodes that are in no part yet.
    waiting: Vec<(u64, u32)>,
    forest: Vec<u32>,
    /// By element, the minute of the latest row that has it.
    latest: Vec<u32>,
    of_set: Vec<u32>,
    of_identifier: Vec<u32>,
    /// Whether rows without a key are noted as well, by their place.
    places: bool,
    /// The sources without keys.
    unkeyed: HashSet<String>,
    /// The records that persons speak of.
    spoken: HashSet<u64>,
    /// The sources without keys of whose records persons speak.
    placed: HashSet<String>,
    /// Places of rows that are asked for only: no later run finds a row by them.
    passing: HashSet<u64>,
}

/// Nodes in the order of their hashes, each once, with an element.
#[derive(Debug)]
pub(crate) struct Settled {
    parts: Vec<Stored>,
}

/// The groups of the elements.
#[derive(Debug)]
pub(crate) struct Labels {
    by_element: Vec<u32>,
    /// How many groups there have ever been.
    pub(crate) groups: u32,
}

/// What a batch of rows names.
pub(crate) struct Named<'a> {
    pub(crate) kind: Kind,
    pub(crate) number: u16,
    pub(crate) source: &'a str,
    pub(crate) path: &'a str,
    /// By row: set of identifiers, key, order, place in the file, time.
    pub(crate) sets: &'a [u32],
    pub(crate) key: Option<&'a arrow::array::StringArray>,
    pub(crate) order: Option<&'a arrow::array::StringArray>,
    pub(crate) rows: &'a [i64],
    pub(crate) time: &'a [i64],
    /// Of what persons say: source and key of one record, source and key of the other.
    pub(crate) words: Option<[&'a arrow::array::StringArray; 4]>,
}

/// The nodes of one row besides its identifiers.
struct Hashes {
    records: [Option<u64>; 2],
    order: Option<u64>,
    spoken: [Option<u64>; 2],
}

impl Named<'_> {
    fn hashes(&self) -> Vec<Hashes> {
        let mut text = String::new();
        (0..self.sets.len())
            .map(|row| {
                let mut hashes = Hashes {
                    records: [None; 2],
                    order: self.order.map(|order| order_node(order.value(row))),
                    spoken: self.spoken(row),
                };
                let record = |key: &str| Some(record_node(self.source, key));
                match self.key {
                    Some(key) => {
                        let key = key.value(row);
                        hashes.records = [record(key), None];
                        if self.kind == Kind::Subscription {
                            // Each change is a record of its own.
                            text.clear();
                            text.push_str(key);
                            text.push('@');
                            text.push_str(&self.time.get(row).copied().unwrap_or(0).to_string());
                            hashes.records = [record(key), record(&text)];
                        }
                        if self.kind == Kind::Order {
                            hashes.order = Some(order_node(key));
                        }
                    }
                    None if self.kind == Kind::Order => {
                        place(&mut text, self.path, self.rows.get(row).copied().unwrap_or(0));
                        hashes.order = Some(order_node(&text));
                    }
                    None => {}
                }
                hashes
            })
            .collect()
    }

    /// The records that a person speaks of in a row.
    fn spoken(&self, row: usize) -> [Option<u64>; 2] {
        let Some([source_a, record_a, source_b, record_b]) = self.words else {
            return [None; 2];
        };
        let record = |source: &arrow::array::StringArray, key: &arrow::array::StringArray| {
            Some(record_node(source.value(row).trim(), key.value(row).trim()))
        };
        [record(source_a, record_a), record(source_b, record_b)]
    }
}

/// The node of a record: a part of the hash by which a published id knows its founding record.
fn record_node(source: &str, key: &str) -> u64 {
    record_hash(source, key) as u64
}

fn order_node(key: &str) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), ORDER_SEED)
}

fn identifier_node(identifier_type: usize, value: &str) -> u64 {
    xxh3_64_with_seed(value.as_bytes(), 1 + identifier_type as u64)
}

/// The minute of a time in microseconds; all before 1970 are the first.
fn minute(time: i64) -> u32 {
    u32::try_from(time / 60_000_000).unwrap_or(if time < 0 { 0 } else { u32::MAX })
}

fn part_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("hash", DataType::UInt64, false),
        Field::new("element", DataType::UInt32, false),
    ]))
}

fn part(hashes: Vec<u64>, elements: Vec<u32>) -> Result<RecordBatch> {
    let (hashes, elements) = (UInt64Array::from(hashes), UInt32Array::from(elements));
    let columns = vec![Arc::new(hashes) as _, Arc::new(elements) as _];
    Ok(RecordBatch::try_new(part_schema(), columns)?)
}

/// The nodes of a part.
fn nodes_of(batch: &RecordBatch) -> impl Iterator<Item = (u64, u32)> {
    let hashes = batch.column(0).as_primitive::<UInt64Type>().values();
    let elements = batch.column(1).as_primitive::<UInt32Type>().values();
    hashes.iter().copied().zip(elements.iter().copied())
}

impl Nodes {
    /// Nodes of all rows, or of those that are new; then rows without a key are noted by their place, for the sake of ids
    /// that such a row has founded and of persons who speak of it. `unkeyed` are the sources without keys, where any persons
    /// speak at all. What persons say
    /// is to be taken in before the records of which they speak.
    pub(crate) fn new(places: bool, unkeyed: HashSet<String>, scratch: &Arc<Scratch>) -> Self {
        let spool = scratch.spool();
        Self {
            scratch: Arc::clone(scratch),
            parts: (0..1 << PART_BITS)
                .map(|_| Heap::new(&spool, part_schema()))
                .collect(),
            waiting: Vec::new(),
            forest: Vec::new(),
            latest: Vec::new(),
            of_set: Vec::new(),
            of_identifier: Vec::new(),
            places,
            unkeyed,
            spoken: HashSet::new(),
            placed: HashSet::new(),
            passing: HashSet::new(),
        }
    }

    /// Whether persons speak of records of sources without keys.
    pub(crate) fn speaks_of_places(&self) -> bool {
        !self.placed.is_empty()
    }

    /// Whether a node is of a row that a later run finds by it.
    pub(crate) fn stays(&self, hash: u64) -> bool {
        !self.passing.contains(&hash)
    }

    /// An element of its own.
    pub(crate) fn element(&mut self) -> u32 {
        let element = self.forest.len() as u32;
        self.forest.push(element);
        self.latest.push(0);
        element
    }

    fn note(&mut self, hash: u64, element: u32) {
        self.waiting.push((hash, element));
    }

    /// Shares the nodes that wait among the parts.
    /// Shares out the nodes that wait, when they are many.
    fn share_many(&mut self) -> Result<()> {
        match self.waiting.len() >= WAITING {
            true => self.share(),
            false => Ok(()),
        }
    }

    fn share(&mut self) -> Result<()> {
        let mut shares: Vec<(Vec<u64>, Vec<u32>)> = vec![Default::default(); self.parts.len()];
        for (hash, element) in std::mem::take(&mut self.waiting) {
            if let Some((hashes, elements)) = shares.get_mut((hash >> (u64::BITS - PART_BITS)) as usize) {
                hashes.push(hash);
                elements.push(element);
            }
        }
        for ((hashes, elements), heap) in shares.into_iter().zip(&mut self.parts) {
            heap.push(part(hashes, elements)?)?;
        }
        Ok(())
    }

    pub(crate) fn root(&mut self, element: u32) -> u32 {
        let mut at = element;
        while let Some(parent) = self
            .forest
            .get(at as usize)
            .copied()
            .filter(|parent| *parent != at)
        {
            let above = self.forest.get(parent as usize).copied().unwrap_or(parent);
            if let Some(slot) = self.forest.get_mut(at as usize) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    pub(crate) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.forest.get_mut(a.max(b) as usize) {
            *slot = a.min(b);
        }
    }

    /// Takes in rows, and gives the element of each. The text is hashed before anything is locked.
    pub(crate) fn take(
        nodes: &Mutex<Self>,
        named: &Named<'_>,
        graph: &Mutex<GraphBuilder>,
    ) -> Result<Vec<u32>> {
        let mut hashes = named.hashes();
        let graph = graph.lock();
        let mut nodes = nodes.lock();
        if let Some([source_a, _, source_b, _]) = named.words {
            for source in source_a.iter().chain(source_b).flatten().map(str::trim) {
                if nodes.unkeyed.contains(source) {
                    nodes.placed.insert(source.to_owned());
                }
            }
        }
        if named.key.is_none() && named.kind.person_bearing() {
            nodes.places(named, &mut hashes, &graph);
        }
        let elements = nodes.add(named, hashes, &graph);
        // Others may read while nodes go to files.
        drop(graph);
        nodes.share_many()?;
        Ok(elements)
    }

    /// The nodes of rows without a key.
    fn places(&mut self, named: &Named<'_>, hashes: &mut [Hashes], graph: &GraphBuilder) {
        if !self.places && !self.placed.contains(named.source) {
            return;
        }
        let asked_for = self.unkeyed.contains(named.source);
        let mut text = String::new();
        for (row, hashes) in hashes.iter_mut().enumerate() {
            let at = |of: &[i64]| of.get(row).copied().unwrap_or(0);
            place(&mut text, named.path, at(named.rows));
            let record = record_node(named.source, &text);
            if self.places {
                let set = SetId::from_number(named.sets.get(row).copied().unwrap_or(0));
                let hash = graph.founding_hash(named.number, set, at(named.time), &text);
                hashes.records = [hash.map(|hash| hash as u64), asked_for.then_some(record)];
                if asked_for && !self.spoken.contains(&record) {
                    self.passing.insert(record);
                }
            } else if self.spoken.contains(&record) {
                hashes.records = [Some(record), None];
            }
        }
    }

    fn add(&mut self, named: &Named<'_>, hashes: Vec<Hashes>, graph: &GraphBuilder) -> Vec<u32> {
        let mut elements = Vec::with_capacity(hashes.len());
        // The order of the row before, and its element: what is about one order often stands together.
        let mut last: Option<(u64, u32)> = None;
        for ((set, time), hashes) in named.sets.iter().zip(named.time).zip(hashes) {
            let mut element = self.of_set(SetId::from_number(*set), graph);
            if let Some(order) = hashes.order {
                match last.filter(|(known, _)| *known == order) {
                    Some((_, of_order)) if element == NONE => element = of_order,
                    Some((_, of_order)) => self.join(element, of_order),
                    None => {
                        if element == NONE {
                            element = self.element();
                        }
                        self.note(order, element);
                        last = Some((order, element));
                    }
                }
            }
            if element == NONE {
                element = self.element();
            }
            for record in hashes.records.into_iter().flatten() {
                self.note(record, element);
            }
            for record in hashes.spoken.into_iter().flatten() {
                self.note(record, element);
                self.spoken.insert(record);
            }
            if let Some(latest) = self.latest.get_mut(element as usize) {
                *latest = (*latest).max(minute(*time));
            }
            elements.push(element);
        }
        elements
    }

    fn of_set(&mut self, set: SetId, graph: &GraphBuilder) -> u32 {
        let number = set.number() as usize;
        if set == SetId::EMPTY {
            return NONE;
        }
        if self.of_set.len() <= number {
            self.of_set.resize(number + 1, NONE);
        }
        if let Some(known) = self.of_set.get(number).copied().filter(|known| *known != NONE) {
            return known;
        }
        let mut of_set = NONE;
        for member in graph.members(set) {
            let at = member.number() as usize;
            if self.of_identifier.len() <= at {
                self.of_identifier.resize(at + 1, NONE);
            }
            let mut element = self.of_identifier.get(at).copied().unwrap_or(NONE);
            if element == NONE {
                element = if of_set == NONE { self.element() } else { of_set };
                let (kind, value) = graph.identifier(member);
                self.note(identifier_node(kind, &value), element);
                if let Some(slot) = self.of_identifier.get_mut(at) {
                    *slot = element;
                }
            }
            if of_set == NONE {
                of_set = element;
            } else {
                self.join(of_set, element);
            }
        }
        if let Some(slot) = self.of_set.get_mut(number) {
            *slot = of_set;
        }
        of_set
    }

    /// Joins what has the same hash. Rows are taken in no more.
    pub(crate) fn settle(&mut self) -> Result<Settled> {
        self.share()?;
        (self.of_set, self.of_identifier) = (Vec::new(), Vec::new());
        let spool = self.scratch.spool();
        let mut parts = Vec::with_capacity(self.parts.len());
        for heap in std::mem::take(&mut self.parts) {
            let mut nodes: Vec<(u64, u32)> = Vec::new();
            for batch in heap.finish().batches(None) {
                nodes.extend(nodes_of(&batch?));
            }
            nodes.sort_unstable();
            nodes.dedup_by(|(hash, element), (known, first)| {
                let same = hash == known;
                if same {
                    self.join(*first, *element);
                }
                same
            });
            let (hashes, elements) = nodes.into_iter().unzip();
            let mut settled = Heap::new(&spool, part_schema());
            settled.push(part(hashes, elements)?)?;
            parts.push(settled.finish());
        }
        Ok(Settled { parts })
    }

    /// Ties every published id to its founding record, wherever its customer is now.
    pub(crate) fn published(&mut self, resolution: &Resolution, of_customer: &[u32]) -> Result<()> {
        for id in resolution.ids() {
            if let Some(element) = owner(resolution, id).and_then(|owner| of_customer.get(owner as usize)) {
                self.note(id.founding_hash as u64, *element);
                self.share_many()?;
            }
        }
        self.share()
    }

    /// Numbers the groups from 0, in the order of their latest rows: new rows are mostly of whom there was something new a
    /// short while ago, so that what a later run touches stands close together.
    pub(crate) fn numbered(mut self) -> Labels {
        let elements = 0..self.forest.len() as u32;
        let mut latest = std::mem::take(&mut self.latest);
        let at = |of: &[u32], element: u32| of.get(element as usize).copied().unwrap_or(NONE);
        let mut roots = Vec::new();
        for element in elements.clone() {
            let (root, of_element) = (self.root(element), at(&latest, element));
            if root == element {
                roots.push(root);
            }
            if let Some(of_root) = latest.get_mut(root as usize) {
                *of_root = (*of_root).max(of_element);
            }
        }
        roots.sort_unstable_by_key(|root| (at(&latest, *root), *root));
        // The times of roots are not needed any more: their places take the numbers.
        let mut by_element = latest;
        for (label, root) in (0..).zip(&roots) {
            if let Some(slot) = by_element.get_mut(*root as usize) {
                *slot = label;
            }
        }
        for element in elements {
            let root = self.root(element);
            let label = at(&by_element, root);
            if let Some(slot) = by_element.get_mut(element as usize) {
                *slot = label;
            }
        }
        Labels {
            by_element,
            groups: roots.len() as u32,
        }
    }

    /// Numbers the groups of the elements: as `known` says of any element of the group, or from `next`. Answers also which
    /// of the known groups have become part of another.
    pub(crate) fn renumbered(mut self, known: &HashMap<u32, u32>, next: u32) -> (Labels, Vec<(u32, u32)>) {
        let mut of_root: HashMap<u32, u32> = HashMap::new();
        for (group, element) in known {
            let root = self.root(*element);
            let least = of_root.entry(root).or_insert(*group);
            *least = (*least).min(*group);
        }
        let mut merged = Vec::new();
        for (group, element) in known {
            let root = self.root(*element);
            match of_root.get(&root) {
                Some(least) if least != group => merged.push((*group, *least)),
                _ => {}
            }
        }
        merged.sort_unstable();
        let mut groups = next;
        let by_element = (0..self.forest.len() as u32)
            .map(|element| {
                let root = self.root(element);
                *of_root.entry(root).or_insert_with(|| {
                    groups += 1;
                    groups - 1
                })
            })
            .collect();
        (Labels { by_element, groups }, merged)
    }
}

impl Settled {
    /// The nodes part by part.
    pub(crate) fn parts(self) -> impl Iterator<Item = Result<Vec<(u64, u32)>>> + Send {
        let parts = self.parts.into_iter().filter(|part| part.rows() > 0);
        parts.map(|part| {
            let mut nodes = Vec::with_capacity(part.rows());
            for batch in part.batches(None) {
                nodes.extend(nodes_of(&batch?));
            }
            Ok(nodes)
        })
    }
}

impl Labels {
    /// The group of an element.
    pub(crate) fn of(&self, element: u32) -> u32 {
        self.by_element.get(element as usize).copied().unwrap_or(NONE)
    }
}

/// The number of the customer that a published id is, or leads to.
pub(crate) fn owner(resolution: &Resolution, id: &perennial_identity::PublishedId) -> Option<u32> {
    let current = match id.fate {
        perennial_identity::Fate::Current => id.id,
        perennial_identity::Fate::Redirected { to, .. } => to,
        perennial_identity::Fate::Gone { .. } => return None,
    };
    let found = resolution
        .customers()
        .binary_search_by_key(&current, |customer| customer.id);
    found.ok().map(|number| number as u32)
}

/// An element of each customer, from those of the signatures.
pub(crate) fn of_customers(resolution: &Resolution, of_signature: &[u32]) -> Vec<u32> {
    let mut elements = vec![NOBODY; resolution.customers().len()];
    for (signature, element) in (0_u32..).zip(of_signature) {
        let customer = resolution.customer_of(SignatureId::from_number(signature));
        if let Some(slot) = customer.and_then(|customer| elements.get_mut(customer as usize)) {
            *slot = *element;
        }
    }
    elements
}

/// The groups of the runs before, some of which have become part of others since.
#[derive(Debug)]
pub(crate) struct Merged(Vec<u32>);

impl Merged {
    /// `count` groups, and which of them is part of which other.
    pub(crate) fn new(count: u32, parts: &[(u32, u32)]) -> Self {
        let mut roots: Vec<u32> = (0..count).collect();
        for (part, whole) in parts {
            if let Some(slot) = roots.get_mut(*part as usize) {
                *slot = *whole;
            }
        }
        let mut merged = Self(roots);
        for group in 0..count {
            let root = merged.root(group);
            if let Some(slot) = merged.0.get_mut(group as usize) {
                *slot = root;
            }
        }
        merged
    }

    /// The group that a group is part of now.
    pub(crate) fn root(&self, group: u32) -> u32 {
        let mut at = group;
        while let Some(whole) = self.0.get(at as usize).copied().filter(|whole| *whole != at) {
            at = whole;
        }
        at
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests;
