//! Customers and the relations about them.

use std::borrow::Cow;

use crate::cluster::{Clusters, Refused};
use crate::graph::{Graph, NONE};
use crate::groups::Groups;
use crate::overrides::{self, OverrideLink, OverrideOutcome, OverrideState, Verdict};
use crate::warnings::Tally;
use crate::{
    Change, CustomerId, Error, IdentifierId, PublishedId, SetId, SignatureId, SourceSet, Warning, WarningKind,
};

/// The outcome of a run: customers, numbered from 0 in the order of their ids, and what joins them.
#[derive(Debug)]
pub struct Resolution {
    graph: Graph,
    holders: Groups,
    /// The customer of each signature and identifier.
    customer_of_signature: Vec<u32>,
    customer_of_identifier: Vec<u32>,
    /// The identifiers of each customer, by type and value.
    held: Groups,
    customers: Vec<Customer>,
    ids: Vec<PublishedId>,
    changes: Vec<Change>,
    refused: Vec<Refused>,
    warnings: Vec<Warning>,
}

/// A customer. Times are in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The id.
    pub id: CustomerId,
    /// The time of its first record.
    pub first_seen_at: i64,
    /// The time of its last record.
    pub last_seen_at: i64,
    /// How many records it has; the versions of a record are one.
    pub records: u64,
    /// The sources of its records.
    pub sources: SourceSet,
    /// The time of the first record with a strong identifier; none for an anonymous visitor.
    pub identified_at: Option<i64>,
}

/// A row of `identities`: a value that identifies a customer. A value is one customer's at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The number of the customer.
    pub customer: u32,
    /// The index of the identifier type in the rules.
    pub identifier_type: usize,
    /// The normalised value.
    pub value: Cow<'a, str>,
    /// The time of the customer's first record with it, in microseconds since 1970.
    pub first_seen_at: i64,
    /// The time of the customer's last record with it.
    pub last_seen_at: i64,
    /// How many of the customer's records hold it.
    pub records: u64,
    /// The sources of these records.
    pub sources: SourceSet,
}

/// A record by its source and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record<'a> {
    /// The index of the source.
    pub source: u16,
    /// The record key.
    pub key: Cow<'a, str>,
}

/// A row of `identity_links`: two records that are one customer's because both hold a value. The records of a value form
/// a star around the earliest; records of one source with equal identifiers are represented by their earliest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link<'a> {
    /// The number of the customer.
    pub customer: u32,
    /// The earliest record with the value.
    pub earliest: Record<'a>,
    /// The other record.
    pub other: Record<'a>,
    /// For how many records, all of the same source and with the same identifiers, the other one stands.
    pub records: u64,
    /// The index of the identifier type in the rules.
    pub identifier_type: usize,
    /// The normalised value.
    pub value: Cow<'a, str>,
    /// The time of the other record, when the link came to be, in microseconds since 1970.
    pub at: i64,
}

/// Records of one source with equal identifiers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordGroup<'a> {
    /// The earliest.
    pub earliest: Record<'a>,
    /// How many they are, more than one.
    pub records: u64,
    /// The time of the last, in microseconds since 1970.
    pub last_at: i64,
}

/// A row of `identity_conflicts`: a record that holds a value and is nevertheless not joined to it, because the customer
/// would hold too many values of a type, or because a person says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict<'a> {
    /// The earliest of the records, all of one source and with the same identifiers, that hold the value.
    pub record: Record<'a>,
    /// How many records these are.
    pub records: u64,
    /// The time of the record, in microseconds since 1970.
    pub at: i64,
    /// The customer of the records.
    pub record_customer: Option<u32>,
    /// The index of the type of the value in the rules.
    pub identifier_type: usize,
    /// The normalised value.
    pub value: Cow<'a, str>,
    /// The customer of the value; none when no other record brought it to one.
    pub value_customer: Option<u32>,
    /// The index of the type whose limit the join would exceed; none where a person keeps the two apart.
    pub limited_type: Option<usize>,
    /// That limit.
    pub limit: Option<u32>,
}

impl Resolution {
    /// Numbers the components in `order`, which is that of their ids, and gathers what is known of each.
    pub(crate) fn try_new(
        mut graph: Graph,
        holders: Groups,
        clusters: Clusters,
        order: Vec<(CustomerId, u32)>,
        mut published: Vec<PublishedId>,
        changes: Vec<Change>,
        tally: Tally,
    ) -> Result<Self, Error> {
        if published.len() >= NONE as usize {
            return Err(Error::TooMany {
                what: "published customer ids",
            });
        }
        published.sort_unstable_by_key(|entry| entry.id);
        let mut number_of = vec![NONE; order.len()];
        for (number, (_, component)) in (0_u32..).zip(&order) {
            number_of[*component as usize] = number;
        }
        let renumber = |mut labels: Vec<u32>| -> Vec<u32> {
            for label in &mut labels {
                *label = number_of.get(*label as usize).copied().unwrap_or(NONE);
            }
            labels
        };
        let customer_of_signature = renumber(clusters.signatures);
        let customer_of_identifier = renumber(clusters.identifiers);
        drop(number_of);
        let sorted_ids = order.iter().map(|(id, _)| *id);
        let customers = gather(
            &graph,
            &holders,
            &customer_of_signature,
            &customer_of_identifier,
            sorted_ids,
        );
        drop(order);
        let mut held = Groups::new(
            customers.len(),
            customer_of_identifier
                .iter()
                .copied()
                .zip(0_u32..)
                .filter(|(customer, _)| *customer != NONE),
        )?;
        for customer in 0..clusters.count {
            held.of_mut(customer).sort_unstable_by(|a, b| {
                let identifiers = &graph.identifiers;
                let by_type = identifiers.type_of(*a).cmp(&identifiers.type_of(*b));
                by_type.then_with(|| identifiers.value_of(*a).cmp(&identifiers.value_of(*b)))
            });
        }
        let mut warnings: Vec<Warning> = tally.warnings().collect();
        warnings.extend(clusters.withheld.iter().map(|withheld| {
            Warning {
                kind: WarningKind::OverMaxCustomers {
                    customers: withheld.customers,
                    max_customers: withheld.max_customers,
                },
                identifier_type: graph.identifiers.type_of(withheld.identifier),
                source: None,
                value: Some(graph.identifiers.value_of(withheld.identifier).into_owned()),
                records: holders
                    .of(withheld.identifier)
                    .iter()
                    .map(|number| graph.signature(*number).records)
                    .sum(),
            }
        }));
        warnings.sort_by(|a, b| (a.identifier_type, a).cmp(&(b.identifier_type, b)));
        let labels = customer_of_signature.len() + customer_of_identifier.len();
        let beside = holders.memory()
            + held.memory()
            + labels * size_of::<u32>()
            + customers.len() * size_of::<Customer>()
            + published.len() * size_of::<PublishedId>();
        graph.hold(beside)?;
        Ok(Self {
            graph,
            holders,
            customer_of_signature,
            customer_of_identifier,
            held,
            customers,
            ids: published,
            changes,
            refused: clusters.refused,
            warnings,
        })
    }

    /// Whether all texts that were asked for so far could be read back from where they went when memory was short.
    ///
    /// # Errors
    /// When one could not be read: what was told is not to be trusted.
    pub fn intact(&self) -> Result<(), Error> {
        self.graph.away.check()
    }

    /// The customers in the order of their ids; the place of one is its number.
    pub fn customers(&self) -> &[Customer] {
        &self.customers
    }

    /// The number of the customer who has these records; none when they are nobody's.
    pub fn customer_of(&self, signature: SignatureId) -> Option<u32> {
        known(&self.customer_of_signature, signature.0)
    }

    /// The number of the customer who holds this identifier; none when no record holds it or it joins nobody.
    pub fn customer_of_identifier(&self, identifier: IdentifierId) -> Option<u32> {
        known(&self.customer_of_identifier, identifier.0)
    }

    /// The type and the value of every member of a set that the builder gave; none for any other set.
    pub fn members(&self, set: SetId) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
        let sets = &self.graph.sets;
        let members: &[u32] = match (set.0 as usize) < sets.len() {
            true => sets.members_of(set.0),
            false => &[],
        };
        members.iter().map(|identifier| self.identifier(*identifier))
    }

    /// The type and the value of every identifier that was taken in, whether it identifies anybody or not.
    pub fn identifier_values(&self) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
        (0..self.graph.identifiers.len() as u32).map(|identifier| self.identifier(identifier))
    }

    fn identifier(&self, identifier: u32) -> (usize, Cow<'_, str>) {
        let identifiers = &self.graph.identifiers;
        (identifiers.type_of(identifier), identifiers.value_of(identifier))
    }

    /// Every id ever published, with its fate, sorted by id: what the next run takes as
    /// [`PreviousIds`](crate::PreviousIds).
    pub fn ids(&self) -> &[PublishedId] {
        &self.ids
    }

    /// What happened to the ids that were published before, by kind and id.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Records of a customer that are one because they are of one source and carry equal identifiers.
    pub fn groups_of_customer(&self, customer: u32) -> impl Iterator<Item = RecordGroup<'_>> {
        self.held_by(customer).iter().flat_map(move |identifier| {
            self.holders_in(*identifier).filter_map(move |number| {
                let signature = self.graph.signature(number);
                let mut members = self.graph.sets.members_of(signature.set).iter();
                // A signature with several identifiers is told of once.
                let first = members.find(|member| self.customer_of_identifier[**member as usize] == customer);
                (signature.records > 1 && first == Some(identifier)).then(|| RecordGroup {
                    earliest: self.founding_record(number),
                    records: signature.records,
                    last_at: signature.last_at,
                })
            })
        })
    }

    /// Every value that identifies a customer, by customer, type and value.
    pub fn identities(&self) -> impl Iterator<Item = Identity<'_>> {
        self.held
            .items()
            .iter()
            .filter_map(|identifier| self.identity(*identifier))
    }

    /// As [`Self::identities`], of one customer.
    pub fn identities_of(&self, customer: u32) -> impl Iterator<Item = Identity<'_>> {
        self.held_by(customer)
            .iter()
            .filter_map(|identifier| self.identity(*identifier))
    }

    /// As [`Self::links`], of one customer.
    pub fn links_of_customer(&self, customer: u32) -> impl Iterator<Item = Link<'_>> {
        self.held_by(customer)
            .iter()
            .flat_map(|identifier| self.links_of(*identifier))
    }

    fn held_by(&self, customer: u32) -> &[u32] {
        match (customer as usize) < self.customers.len() {
            true => self.held.of(customer),
            false => &[],
        }
    }

    /// Why records are one customer, by customer, type, value and time of the other record.
    pub fn links(&self) -> impl Iterator<Item = Link<'_>> {
        self.held
            .items()
            .iter()
            .flat_map(|identifier| self.links_of(*identifier))
    }

    /// What persons say of records, newest first, and what became of it.
    pub fn overrides(&self) -> impl Iterator<Item = OverrideOutcome<'_>> {
        self.graph.words.iter().map(|word| {
            let customer_a = known(&self.customer_of_signature, word.a);
            let customer_b = known(&self.customer_of_signature, word.b);
            let same = customer_a.is_some() && customer_a == customer_b;
            let state = match word.word.verdict {
                _ if !word.known() => OverrideState::UnknownRecord,
                _ if word.word.a == word.word.b => OverrideState::OneRecord,
                Verdict::Same if same => OverrideState::Applied,
                Verdict::Different if !same => OverrideState::Applied,
                _ => OverrideState::Overruled,
            };
            OverrideOutcome {
                word: &word.word,
                state,
                customer_a,
                customer_b,
            }
        })
    }

    /// The pairs of records that are one customer's because a person says so, of each customer.
    pub fn override_links(&self) -> impl Iterator<Item = OverrideLink<'_>> {
        let customer = |signature: u32| known(&self.customer_of_signature, signature);
        let joins = overrides::joins(&self.graph.words, |a, b| {
            customer(a).is_some() && customer(a) == customer(b)
        });
        joins.into_iter().filter_map(move |word| {
            let (a, b) = match self.graph.founding_order(word.a, word.b) {
                std::cmp::Ordering::Greater => (word.b, word.a),
                _ => (word.a, word.b),
            };
            Some(OverrideLink {
                customer: customer(a)?,
                earliest: self.founding_record(a),
                other: self.founding_record(b),
                at: word.word.time,
            })
        })
    }

    /// The joins that a limit or a person's word refused, in the order in which they were tried.
    pub fn conflicts(&self) -> impl Iterator<Item = Conflict<'_>> {
        self.refused.iter().map(|refused| {
            let signature = self.graph.signature(refused.signature);
            Conflict {
                record: self.founding_record(refused.signature),
                records: signature.records,
                at: signature.first_at,
                record_customer: known(&self.customer_of_signature, refused.signature),
                identifier_type: self.graph.identifiers.type_of(refused.identifier),
                value: self.graph.identifiers.value_of(refused.identifier),
                value_customer: known(&self.customer_of_identifier, refused.identifier),
                limited_type: refused.exceeded_type,
                limit: refused
                    .exceeded_type
                    .and_then(|of_type| self.graph.bounds[of_type].limit),
            }
        })
    }

    /// The values that identify nobody, by type, reason, source and value.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The signatures of the customer of `identifier` that hold it.
    fn holders_in(&self, identifier: u32) -> impl Iterator<Item = u32> {
        let customer = self.customer_of_identifier[identifier as usize];
        self.holders
            .of(identifier)
            .iter()
            .copied()
            .filter(move |signature| self.customer_of_signature[*signature as usize] == customer)
    }

    fn identity(&self, identifier: u32) -> Option<Identity<'_>> {
        let mut identity = Identity {
            customer: known(&self.customer_of_identifier, identifier)?,
            identifier_type: self.graph.identifiers.type_of(identifier),
            value: self.graph.identifiers.value_of(identifier),
            first_seen_at: i64::MAX,
            last_seen_at: i64::MIN,
            records: 0,
            sources: SourceSet::default(),
        };
        for number in self.holders_in(identifier) {
            let signature = self.graph.signature(number);
            let (first, last) = self.graph.sighted(number, identifier);
            identity.first_seen_at = identity.first_seen_at.min(first);
            identity.last_seen_at = identity.last_seen_at.max(last);
            identity.records += signature.records;
            identity.sources.insert(signature.source);
        }
        Some(identity)
    }

    fn links_of(&self, identifier: u32) -> impl Iterator<Item = Link<'_>> {
        let mut holders: Vec<u32> = self.holders_in(identifier).collect();
        // A text that cannot be read any more is another one at each comparison, which would end in a panic.
        holders.sort_by_cached_key(|holder| self.graph.founding_key(*holder));
        let customer = self.customer_of_identifier[identifier as usize];
        let sighted = move |number: u32| self.graph.sighted(number, identifier).0;
        let since = holders.first().map_or(i64::MIN, |number| sighted(*number));
        let earliest = holders.first().map(|number| self.founding_record(*number));
        let others = holders.into_iter().skip(1);
        earliest.into_iter().flat_map(move |earliest| {
            others.clone().map(move |number| Link {
                customer,
                earliest: earliest.clone(),
                other: self.founding_record(number),
                records: self.graph.signature(number).records,
                identifier_type: self.graph.identifiers.type_of(identifier),
                value: self.graph.identifiers.value_of(identifier),
                at: sighted(number).max(since),
            })
        })
    }

    fn founding_record(&self, signature: u32) -> Record<'_> {
        let signature = self.graph.signature(signature);
        Record {
            source: signature.source,
            key: self.graph.key(signature),
        }
    }
}

impl Customer {
    /// Whether a strong identifier makes it an identified person rather than an anonymous visitor.
    pub fn identified(&self) -> bool {
        self.identified_at.is_some()
    }
}

fn known(customers: &[u32], number: u32) -> Option<u32> {
    customers
        .get(number as usize)
        .copied()
        .filter(|customer| *customer != NONE)
}

/// The customers, from their records and strong identifiers.
fn gather(
    graph: &Graph,
    holders: &Groups,
    customer_of_signature: &[u32],
    customer_of_identifier: &[u32],
    ids: impl Iterator<Item = CustomerId>,
) -> Vec<Customer> {
    let mut customers: Vec<Customer> = ids
        .map(|id| Customer {
            id,
            first_seen_at: i64::MAX,
            last_seen_at: i64::MIN,
            records: 0,
            sources: SourceSet::default(),
            identified_at: None,
        })
        .collect();
    for (signature, number) in graph.signatures.iter().zip(customer_of_signature) {
        if let Some(customer) = customers.get_mut(*number as usize) {
            customer.first_seen_at = customer.first_seen_at.min(signature.first_at);
            customer.last_seen_at = customer.last_seen_at.max(signature.last_at);
            customer.records += signature.records;
            customer.sources.insert(signature.source);
        }
    }
    for (identifier, number) in (0_u32..).zip(customer_of_identifier) {
        let Some(customer) = customers.get_mut(*number as usize) else {
            continue;
        };
        if !graph.bounds[graph.identifiers.type_of(identifier)].strong {
            continue;
        }
        let first = holders
            .of(identifier)
            .iter()
            .filter(|signature| customer_of_signature[**signature as usize] == *number)
            .map(|signature| graph.sighted(*signature, identifier).0)
            .min();
        customer.identified_at = customer.identified_at.into_iter().chain(first).min();
    }
    customers
}
