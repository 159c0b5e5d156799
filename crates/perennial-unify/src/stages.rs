//! Lifecycle history: the facts of each customer, handed to the stage model.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::physical_expr::PhysicalExpr;
use perennial_base::Kind;
use perennial_base::relation::{PUBLIC, relation};
use perennial_udf_lifecycle::model::{
    CustomerFacts, Evaluator, Interval, Kind as FactKind, KindId, NamedFact, OrderVersion,
    PopulationGapsBuilder, Refund, Score, StageModel, SubscriptionChange, SubscriptionStatus,
};

use crate::bucket::Shared;
use crate::columns::{Facts, instants, optional, texts, written_schema};
use crate::error::{Error, Result};
use crate::facts::OrderFacts;

/// A fact of `[lifecycle.facts]`, planned over its relation.
#[derive(Debug)]
pub(crate) struct PlannedFact {
    pub(crate) kind: KindId,
    pub(crate) relation: &'static str,
    pub(crate) predicate: Arc<dyn PhysicalExpr>,
    pub(crate) name: String,
    /// The line of the configuration.
    pub(crate) line: usize,
}

/// The facts of the customers of a bucket, by customer.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    orders: Vec<OrderVersion>,
    refunds: Vec<Refund>,
    subscriptions: Vec<SubscriptionChange>,
    nps: Vec<Score>,
    csat: Vec<Score>,
    named: Vec<NamedFact>,
}

/// Walks through the customers of a bucket in order and collects the facts of each.
pub(crate) struct Collector<'a> {
    shared: &'a Shared,
    facts: &'a HashMap<Kind, Facts>,
    order_facts: &'a OrderFacts,
    /// By planned fact: the rows of its kind that it holds for, each with its moment.
    holding: Vec<(KindId, Kind, Vec<Option<i64>>)>,
    events: EventKinds,
    cursors: HashMap<Kind, usize>,
    collected: Collected,
}

struct EventKinds {
    by_name: HashMap<String, KindId>,
    any: Option<KindId>,
    interaction: Option<KindId>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        facts: &'a HashMap<Kind, Facts>,
        order_facts: &'a OrderFacts,
        tables: &[(&'static perennial_base::relation::Relation, RecordBatch)],
    ) -> Result<Self> {
        let model = &shared.model;
        let mut by_name = HashMap::new();
        for kind in model.kinds() {
            if let (FactKind::Event(name), Some(id)) = (kind, model.kind(kind)) {
                by_name.insert(name.clone(), id);
            }
        }
        let mut holding = Vec::new();
        for planned in &shared.named_facts {
            let Some((_, table)) = tables
                .iter()
                .find(|(relation, _)| relation.name == planned.relation)
            else {
                continue;
            };
            let Some(kind) = Kind::ALL
                .into_iter()
                .find(|kind| kind.relation() == Some(planned.relation))
            else {
                continue;
            };
            let (Some(time), Some(of_kind)) = (table.column_by_name("time"), facts.get(&kind)) else {
                continue;
            };
            let time = time.as_primitive::<TimestampMicrosecondType>();
            let holds = planned
                .predicate
                .evaluate(table)
                .and_then(|value| value.into_array(table.num_rows()))
                .map_err(|cause| Error::Predicate {
                    what: "lifecycle fact",
                    name: planned.name.clone(),
                    line: planned.line,
                    cause: Box::new(cause.into()),
                })?;
            let holds = holds.as_boolean();
            // The table has the current rows only, in their order.
            let mut next = 0..table.num_rows();
            let moments = (0..of_kind.len()).map(|row| {
                let row = of_kind.current(row).then(|| next.next()).flatten()?;
                let holds = holds.is_valid(row) && holds.value(row) && time.is_valid(row);
                holds.then(|| time.value(row))
            });
            holding.push((planned.kind, kind, moments.collect()));
        }
        Ok(Self {
            shared,
            facts,
            order_facts,
            holding,
            events: EventKinds {
                by_name,
                any: model.kind(&FactKind::AnyEvent),
                interaction: model.kind(&FactKind::Interaction),
            },
            cursors: HashMap::new(),
            collected: Collected::default(),
        })
    }

    fn rows(&mut self, kind: Kind, customer: u32) -> Range<usize> {
        match self.facts.get(&kind) {
            Some(facts) => facts.rows_of(customer, self.cursors.entry(kind).or_insert(0)),
            None => 0..0,
        }
    }

    /// The facts of a customer; to be called in ascending order.
    pub(crate) fn customer(&mut self, customer: u32) -> Result<CustomerFacts<'_>> {
        self.orders(customer)?;
        self.subscriptions(customer)?;
        self.surveys(customer)?;
        self.named(customer)?;
        let known = self.shared.customer(customer);
        Ok(CustomerFacts {
            first_seen_at: known.map_or(0, |known| known.first_seen_at),
            identified_at: known.and_then(|known| known.identified_at),
            orders: &self.collected.orders,
            refunds: &self.collected.refunds,
            subscriptions: &self.collected.subscriptions,
            nps: &self.collected.nps,
            csat: &self.collected.csat,
            named: &self.collected.named,
        })
    }

    fn orders(&mut self, customer: u32) -> Result<()> {
        let rows = self.rows(Kind::Order, customer);
        let refund_rows = self.rows(Kind::Refund, customer);
        self.collected.orders.clear();
        self.collected.refunds.clear();
        let (Some(orders), Some(refunds)) = (self.facts.get(&Kind::Order), self.facts.get(&Kind::Refund))
        else {
            return Ok(());
        };
        let mut numbers: HashMap<(u16, &str), u32> = HashMap::new();
        let mut versions: Vec<usize> = rows.collect();
        // Versions of an order may differ in its time: they are put together again, oldest first.
        versions.sort_by_key(|row| {
            (
                orders.source(*row),
                orders.key(*row),
                std::cmp::Reverse(orders.newer(*row)),
            )
        });
        for row in versions {
            let next = numbers.len() as u32;
            let key = (orders.source(row), orders.key(row));
            let first = !numbers.contains_key(&key);
            let order = *numbers.entry(key).or_insert(next);
            let placed_at = orders.time(row);
            self.collected.orders.push(OrderVersion {
                // An order is a fact of the moment at which it was placed; what became of it later, of later ones.
                effective_at: if first {
                    placed_at
                } else {
                    orders.version_at(row).max(placed_at)
                },
                order,
                placed_at,
                amount: self.order_facts.amount.get(row).copied().flatten(),
                paid: self.order_facts.paid.get(row).copied().unwrap_or(false),
            });
        }
        self.collected.orders.sort_by_key(|version| version.effective_at);
        for row in refund_rows {
            let Some(order) = self.order_facts.order_of_refund.get(row).copied().flatten() else {
                continue;
            };
            let key = (orders.source(order as usize), orders.key(order as usize));
            if let Some(order) = numbers.get(&key) {
                self.collected.refunds.push(Refund {
                    at: refunds.time(row),
                    order: *order,
                    amount: self.order_facts.refund_amount.get(row).copied().flatten(),
                });
            }
        }
        self.collected.refunds.sort_by_key(|refund| refund.at);
        Ok(())
    }

    fn subscriptions(&mut self, customer: u32) -> Result<()> {
        let rows = self.rows(Kind::Subscription, customer);
        self.collected.subscriptions.clear();
        let Some(facts) = self.facts.get(&Kind::Subscription) else {
            return Ok(());
        };
        let mrr = facts.money("mrr")?;
        let status = facts.text("status")?;
        let mut numbers: HashMap<(u16, &str), u32> = HashMap::new();
        for row in rows {
            let next = numbers.len() as u32;
            let subscription = *numbers.entry((facts.source(row), facts.key(row))).or_insert(next);
            self.collected.subscriptions.push(SubscriptionChange {
                at: facts.time(row),
                subscription,
                mrr: mrr.is_valid(row).then(|| mrr.value(row)),
                status: subscription_status(optional(status, row)),
            });
        }
        Ok(())
    }

    fn surveys(&mut self, customer: u32) -> Result<()> {
        let rows = self.rows(Kind::Survey, customer);
        self.collected.nps.clear();
        self.collected.csat.clear();
        let Some(facts) = self.facts.get(&Kind::Survey) else {
            return Ok(());
        };
        let survey = facts.text("survey")?;
        let score = facts.float("score")?;
        for row in rows {
            let answer = Score {
                at: facts.time(row),
                score: score.value(row),
            };
            match survey.value(row).trim().to_lowercase().as_str() {
                "nps" => self.collected.nps.push(answer),
                "csat" => self.collected.csat.push(answer),
                _ => {}
            }
        }
        Ok(())
    }

    fn named(&mut self, customer: u32) -> Result<()> {
        self.collected.named.clear();
        let mut spans: HashMap<Kind, Range<usize>> = HashMap::new();
        let held: Vec<Kind> = self.holding.iter().map(|(_, kind, _)| *kind).collect();
        for kind in [Kind::Event, Kind::Interaction] {
            spans.insert(kind, self.rows(kind, customer));
        }
        for kind in held {
            let facts = self.facts.get(&kind);
            // Other kinds were walked through above; their rows are found again by customer.
            spans
                .entry(kind)
                .or_insert_with(|| facts.map_or(0..0, |facts| span_of(facts, customer)));
        }
        if let (Some(facts), Some(span)) = (self.facts.get(&Kind::Event), spans.get(&Kind::Event))
            && (self.events.any.is_some() || !self.events.by_name.is_empty())
        {
            let name = facts.text("name")?;
            for row in span.clone() {
                let kinds = self
                    .events
                    .any
                    .into_iter()
                    .chain(self.events.by_name.get(name.value(row)).copied());
                let at = facts.time(row);
                self.collected
                    .named
                    .extend(kinds.map(|kind| NamedFact { at, kind }));
            }
        }
        if let (Some(kind), Some(facts), Some(span)) = (
            self.events.interaction,
            self.facts.get(&Kind::Interaction),
            spans.get(&Kind::Interaction),
        ) {
            self.collected.named.extend(span.clone().map(|row| NamedFact {
                at: facts.time(row),
                kind,
            }));
        }
        for (id, kind, moments) in &self.holding {
            let of_customer = spans.get(kind).and_then(|span| moments.get(span.clone()));
            let moments = of_customer.into_iter().flatten().flatten();
            self.collected
                .named
                .extend(moments.map(|at| NamedFact { at: *at, kind: *id }));
        }
        self.collected.named.sort_by_key(|fact| fact.at);
        Ok(())
    }
}

/// The state of a contract by the words that billing systems have for it.
pub(crate) fn subscription_status(status: Option<&str>) -> SubscriptionStatus {
    match status.map(|status| status.trim().to_lowercase()).as_deref() {
        Some("trial" | "trialing" | "in_trial") => SubscriptionStatus::Trial,
        Some("past_due" | "overdue" | "unpaid") => SubscriptionStatus::PastDue,
        _ => SubscriptionStatus::Paying,
    }
}

fn span_of(facts: &Facts, customer: u32) -> Range<usize> {
    let (mut low, mut high) = (0, facts.len());
    while low < high {
        let middle = low.midpoint(high);
        if facts.customer(middle) < customer {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let start = low;
    let mut end = start;
    while end < facts.len() && facts.customer(end) == customer {
        end += 1;
    }
    start..end
}

/// Adds the customers of a bucket to the population's gaps.
pub(crate) fn count_gaps(
    collector: &mut Collector<'_>,
    customers: Range<u32>,
    gaps: &mut PopulationGapsBuilder<'_>,
) -> Result<()> {
    for customer in customers {
        gaps.add(&collector.customer(customer)?);
    }
    Ok(())
}

/// The history of the customers of a bucket, and of each customer the present interval.
pub(crate) fn history(
    shared: &Shared,
    collector: &mut Collector<'_>,
    customers: Range<u32>,
) -> Result<(RecordBatch, Vec<Option<Interval>>)> {
    let model: &StageModel = &shared.model;
    let mut evaluator = Evaluator::new(model);
    let mut intervals: Vec<Interval> = Vec::new();
    let mut owners: Vec<u32> = Vec::new();
    let mut present = Vec::with_capacity(customers.len());
    for customer in customers {
        let facts = collector.customer(customer)?;
        let before = intervals.len();
        evaluator.history(&facts, shared.now, &mut intervals);
        owners.resize(intervals.len(), customer);
        present.push(intervals.get(before..).and_then(|own| own.last().copied()));
    }
    let stage = |stage: usize| model.stage_name(stage);
    let reasons: Vec<String> = intervals
        .iter()
        .map(|interval| model.describe(interval.reason))
        .collect();
    let Some(relation) = relation(PUBLIC, "lifecycle_history") else {
        return Ok((
            RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())),
            present,
        ));
    };
    let batch = RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(owners.iter().map(|owner| Some(shared.customer_id(*owner)))),
            texts(intervals.iter().map(|interval| stage(interval.stage))),
            instants(intervals.iter().map(|interval| Some(interval.entered_at))),
            instants(intervals.iter().map(|interval| interval.left_at)),
            texts(intervals.iter().map(|interval| interval.previous.and_then(stage))),
            texts(reasons.iter().map(|reason| Some(reason.as_str()))),
        ],
    )?;
    Ok((batch, present))
}
