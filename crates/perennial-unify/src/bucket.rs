//! One bucket of customers: everything about them is worked out in memory and written.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use chrono_tz::Tz;
use perennial_base::Kind;
use perennial_base::relation::{PUBLIC, relation};
use perennial_engine::release::past_table_name;
use perennial_identity::survivorship::SurvivorshipRule;
use perennial_identity::{Customer, CustomerId, Resolution};
use perennial_udf_lifecycle::model::{PopulationGapsBuilder, StageModel};

use crate::columns::Facts;
use crate::due::Due;
use crate::error::Result;
use crate::facts::{OrderFacts, orders, tables};
use crate::golden::golden;
use crate::groups::owner;
use crate::money::Rates;
use crate::output::{Output, name_of, sort_of};
use crate::past::Before;
use crate::route::{Buckets, Routed};
use crate::segments::{Members, Segments};
use crate::stages::{Collector, PlannedFact, count_gaps, history};
use crate::summary::{customer_360, without_moving};
use crate::superseded::superseded;
use crate::undecided::Failures;
use crate::unpaid::Unpaid;

/// What all buckets share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) resolution: Resolution,
    pub(crate) model: StageModel,
    pub(crate) named_facts: Vec<PlannedFact>,
    /// By kind of facts of the model, whether a customer has one of those that are collected by name.
    pub(crate) met: Vec<AtomicBool>,
    pub(crate) rates: Rates,
    pub(crate) zone: Tz,
    /// The moment that the run describes.
    pub(crate) now: i64,
    /// Whether later runs describe later moments.
    pub(crate) moves: bool,
    pub(crate) unpaid: Unpaid,
    pub(crate) buckets: Buckets,
    pub(crate) routed: Routed,
    pub(crate) output: Arc<Output>,
    pub(crate) before: Before,
    pub(crate) segments: Segments,
    pub(crate) failures: Failures,
    pub(crate) names: Names,
    /// Ids as text, by customer.
    pub(crate) ids: Vec<[u8; CustomerId::TEXT_LENGTH]>,
    /// Groups, by customer.
    pub(crate) groups: Vec<u32>,
}

/// The names of the configuration, by number.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) sources: Vec<String>,
    pub(crate) identifiers: Vec<String>,
    pub(crate) default_rule: (SurvivorshipRule, Vec<u16>),
    pub(crate) rules: HashMap<String, (SurvivorshipRule, Vec<u16>)>,
}

impl Shared {
    pub(crate) fn customer_id(&self, customer: u32) -> &str {
        self.ids
            .get(customer as usize)
            .and_then(|id| std::str::from_utf8(id).ok())
            .unwrap_or_default()
    }

    /// The customer that a retired id leads to.
    fn successor(&self, id: &str) -> Option<u32> {
        let id: CustomerId = id.parse().ok()?;
        let ids = self.resolution.ids();
        let at = ids.binary_search_by_key(&id, |published| published.id).ok()?;
        owner(&self.resolution, ids.get(at)?)
    }

    /// The groups of rows by the id of their customer, or of who it became; none for ids that are gone.
    pub(crate) fn groups_of(&self, ids: &StringArray) -> ArrayRef {
        let mut last: Option<(&str, Option<u32>)> = None;
        let groups = ids.iter().map(|id| {
            let id = id?;
            let known = last.filter(|(known, _)| *known == id).map(|(_, group)| group);
            let group = known.unwrap_or_else(|| {
                let found = self
                    .ids
                    .binary_search_by(|known| known.as_slice().cmp(id.as_bytes()));
                let owner = found.ok().map(|at| at as u32).or_else(|| self.successor(id))?;
                self.groups.get(owner as usize).copied()
            });
            last = Some((id, group));
            group
        });
        Arc::new(groups.collect::<UInt32Array>())
    }

    pub(crate) fn customer(&self, customer: u32) -> Option<&Customer> {
        self.resolution.customers().get(customer as usize)
    }

    pub(crate) fn customers(&self, range: Range<u32>) -> &[Customer] {
        self.resolution
            .customers()
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn source_name(&self, source: u16) -> &str {
        self.names
            .sources
            .get(usize::from(source))
            .map_or("", String::as_str)
    }

    pub(crate) fn identifier_types(&self) -> usize {
        self.names.identifiers.len()
    }

    pub(crate) fn identifier_name(&self, kind: usize) -> &str {
        self.names.identifiers.get(kind).map_or("", String::as_str)
    }

    pub(crate) fn is_identifier(&self, name: &str) -> bool {
        self.names.identifiers.iter().any(|identifier| identifier == name)
    }

    /// The survivorship rule of a trait, and the order of sources where it has one.
    pub(crate) fn rule(&self, name: &str) -> (SurvivorshipRule, &[u16]) {
        let (rule, order) = self.names.rules.get(name).unwrap_or(&self.names.default_rule);
        (*rule, order)
    }

    fn load(&self, bucket: usize) -> Result<Loaded> {
        let mut facts = HashMap::new();
        for kind in Kind::ALL {
            if let Some(schema) = self.routed.schema(kind) {
                facts.insert(kind, Facts::new(self.routed.load(kind, bucket)?, schema)?);
            }
        }
        // Orders and refunds are read together: either may have no source.
        for kind in [Kind::Order, Kind::Refund] {
            if let std::collections::hash_map::Entry::Vacant(slot) = facts.entry(kind) {
                slot.insert(Facts::new(None, &crate::route::empty_schema(kind))?);
            }
        }
        let order_facts = match (facts.get(&Kind::Order), facts.get(&Kind::Refund)) {
            (Some(of_orders), Some(refunds)) => orders(self, of_orders, refunds)?,
            _ => OrderFacts::default(),
        };
        let (tables, groups) = tables(self, &facts, &order_facts)?;
        Ok(Loaded {
            facts,
            order_facts,
            tables,
            groups,
        })
    }
}

struct Loaded {
    facts: HashMap<Kind, Facts>,
    order_facts: OrderFacts,
    tables: Vec<(&'static perennial_base::relation::Relation, RecordBatch)>,
    /// By table, the groups of its rows.
    groups: Vec<ArrayRef>,
}

/// Counts the gaps between the orders of a bucket's customers, for adaptive windows.
pub(crate) fn gaps(shared: &Shared, bucket: usize, gaps: &mut PopulationGapsBuilder<'_>) -> Result<()> {
    let loaded = shared.load(bucket)?;
    let mut collector = Collector::new(shared, &loaded.facts, &loaded.order_facts)?;
    count_gaps(&mut collector, shared.buckets.range(bucket), gaps)
}

/// Works out and writes everything about the customers of a bucket; the buckets behind those are the facts of
/// nobody. Answers the members of the segments.
pub(crate) async fn process(shared: Arc<Shared>, bucket: usize) -> Result<Members> {
    let loaded = shared.load(bucket)?;
    let number = (bucket < shared.buckets.len()).then_some(bucket as u32);
    for ((relation, batch), groups) in loaded.tables.iter().zip(&loaded.groups) {
        let groups = Some(Arc::clone(groups));
        shared
            .output
            .write(&name_of(relation), number, batch, groups, &sort_of(relation))
            .await?;
    }
    for (relation, batch, groups) in superseded(&shared, &loaded.facts, &loaded.order_facts)? {
        shared
            .output
            .write(
                &past_table_name(relation),
                number,
                &batch,
                Some(groups),
                &sort_of(relation),
            )
            .await?;
    }
    let mut due = Due::new(&shared);
    for facts in loaded.facts.values() {
        due.facts(facts);
    }
    if number.is_none() {
        due.write(&shared.output, number).await?;
        return Ok(Members::default());
    }
    let customers = shared.buckets.range(bucket);
    let empty;
    let profiles = match loaded.facts.get(&Kind::Profile) {
        Some(profiles) => profiles,
        None => {
            empty = Facts::new(None, &crate::route::empty_schema(Kind::Profile))?;
            &empty
        }
    };
    let bits = shared.buckets.len().trailing_zeros();
    let past = shared.before.of(bucket as u32, bits).await?;
    let golden = golden(&shared, customers.clone(), profiles, past).await?;
    let (history, present) = {
        let mut collector = Collector::new(&shared, &loaded.facts, &loaded.order_facts)?;
        history(&shared, &mut collector, customers.clone(), &mut due)?
    };
    let summary = customer_360(
        &shared,
        customers,
        &loaded.facts,
        &loaded.order_facts,
        &present,
        &golden.added,
        &mut due,
    )?;
    due.write(&shared.output, number).await?;
    let members = shared.segments.members(&summary, &shared.failures)?;
    let summary = without_moving(&summary)?;
    drop(loaded);
    for (name, batch) in [
        ("customers", &golden.customers),
        ("identities", &golden.identities),
        ("identity_history", &golden.history),
        ("identity_links", &golden.links),
        ("identity_link_history", &golden.link_history),
        ("trait_lineage", &golden.lineage),
        ("lifecycle_history", &history),
        ("customer_360", &summary),
    ] {
        if let Some(relation) = relation(PUBLIC, name) {
            let ids = batch.column(batch.schema_ref().index_of("customer_id")?);
            let groups = Some(shared.groups_of(ids.as_string::<i32>()));
            shared
                .output
                .write(&name_of(relation), number, batch, groups, &sort_of(relation))
                .await?;
        }
    }
    Ok(members)
}
