//! Lifecycle history: the facts of each customer, handed to the stage model.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::physical_expr::PhysicalExpr;
use perennial_base::config::Spot;
use perennial_base::relation::{PUBLIC, relation};
use perennial_base::{ErrorClass, Kind};
use perennial_udf_lifecycle::model::{
    CustomerFacts, Evaluator, Interval, Kind as FactKind, KindId, NamedFact, OrderVersion,
    PopulationGapsBuilder, Refund, Score, StageModel, SubscriptionChange, SubscriptionStatus,
};

use crate::bucket::Shared;
use crate::columns::{Facts, instants, optional, texts, written_schema};
use crate::due::Due;
use crate::error::Result;
use crate::facts::{OrderFacts, table};
use crate::superseded::VERSIONED;
use crate::undecided::Condition;

/// A fact of `[lifecycle.facts]`, planned over its relation.
#[derive(Debug)]
pub(crate) struct PlannedFact {
    pub(crate) kind: KindId,
    pub(crate) relation: &'static str,
    pub(crate) predicate: Arc<dyn PhysicalExpr>,
    pub(crate) name: String,
    /// Where it stands in the configuration.
    pub(crate) at: Spot,
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
            let Some(kind) = Kind::ALL
                .into_iter()
                .find(|kind| kind.relation() == Some(planned.relation))
            else {
                continue;
            };
            let (Some(relation), Some(of_kind)) = (relation(PUBLIC, planned.relation), facts.get(&kind))
            else {
                continue;
            };
            // Every version is asked, not only the current one.
            let rows = 0..of_kind.len();
            let table = table(shared, kind, relation, of_kind, order_facts, rows.clone())?;
            let Some(time) = table.column_by_name("time") else {
                continue;
            };
            let time = time.as_primitive::<TimestampMicrosecondType>();
            let condition = Condition {
                what: "lifecycle fact",
                name: &planned.name,
                at: planned.at,
                predicate: &planned.predicate,
            };
            let holds = shared.failures.ask(condition, &table)?.into_iter().zip(rows);
            let moments = holds.map(|(holds, row)| (holds && time.is_valid(row)).then(|| time.value(row)));
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
                effective_at: effective_at(orders, row, first),
                order,
                placed_at,
                amount: self.order_facts.amount.get(row).copied().flatten(),
                paid: self.order_facts.paid.get(row).copied().unwrap_or(false),
            });
        }
        self.collected.orders.sort_by_key(|version| version.effective_at);
        let order_facts = self.order_facts;
        let given = &mut self.collected.refunds;
        each_record(refunds, refund_rows, false, |record| {
            let refund = |row: usize| {
                let order = order_facts.order_of_refund.get(row).copied().flatten()? as usize;
                let order = *numbers.get(&(orders.source(order), orders.key(order)))?;
                let amount = order_facts.refund_amount.get(row).copied().flatten();
                Some((refunds.time(row), order, amount))
            };
            corrections(
                refunds,
                record,
                refund,
                |(at, order, amount), effective_at, withdrawn| {
                    given.push(Refund {
                        effective_at,
                        withdrawn,
                        at,
                        order,
                        amount,
                    });
                },
            );
        });
        given.sort_by_key(|refund| refund.effective_at);
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
        let changes = &mut self.collected.subscriptions;
        // A change is a fact of its own moment: only rows of one key and time are versions of one.
        each_record(facts, rows, true, |record| {
            for (place, row) in record.iter().copied().enumerate() {
                let next = numbers.len() as u32;
                let key = (facts.source(row), facts.key(row));
                changes.push(SubscriptionChange {
                    effective_at: effective_at(facts, row, place == 0),
                    at: facts.time(row),
                    subscription: *numbers.entry(key).or_insert(next),
                    mrr: mrr.is_valid(row).then(|| mrr.value(row)),
                    status: subscription_status(optional(status, row)),
                });
            }
        });
        changes.sort_by_key(|change| change.effective_at);
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
        let (nps, csat) = (&mut self.collected.nps, &mut self.collected.csat);
        each_record(facts, rows, false, |record| {
            let answer = |row: usize| {
                let kind = survey.value(row).trim();
                let of_nps = kind.eq_ignore_ascii_case("nps");
                (of_nps || kind.eq_ignore_ascii_case("csat"))
                    .then(|| (of_nps, facts.time(row), score.value(row)))
            };
            corrections(
                facts,
                record,
                answer,
                |(of_nps, at, score), effective_at, withdrawn| {
                    let answers = if of_nps { &mut *nps } else { &mut *csat };
                    answers.push(Score {
                        effective_at,
                        withdrawn,
                        at,
                        score,
                    });
                },
            );
        });
        nps.sort_by_key(|score| score.effective_at);
        csat.sort_by_key(|score| score.effective_at);
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
            let (any, by_name) = (self.events.any, &self.events.by_name);
            let named = &mut self.collected.named;
            each_record(facts, span.clone(), false, |record| {
                if let Some(kind) = any {
                    let at = |row: usize| Some(facts.time(row));
                    corrections(facts, record, at, |at, known, gone| {
                        put(named, kind, at, known, gone);
                    });
                }
                let event = |row: usize| Some((*by_name.get(name.value(row))?, facts.time(row)));
                corrections(facts, record, event, |(kind, at), known, gone| {
                    put(named, kind, at, known, gone);
                });
            });
        }
        if let (Some(kind), Some(facts), Some(span)) = (
            self.events.interaction,
            self.facts.get(&Kind::Interaction),
            spans.get(&Kind::Interaction),
        ) {
            let named = &mut self.collected.named;
            each_record(facts, span.clone(), false, |record| {
                let at = |row: usize| Some(facts.time(row));
                corrections(facts, record, at, |at, known, gone| {
                    put(named, kind, at, known, gone);
                });
            });
        }
        for (id, kind, moments) in &self.holding {
            let (Some(facts), Some(span)) = (self.facts.get(kind), spans.get(kind)) else {
                continue;
            };
            let named = &mut self.collected.named;
            each_record(facts, span.clone(), *kind == Kind::Subscription, |record| {
                let at = |row: usize| moments.get(row).copied().flatten();
                corrections(facts, record, at, |at, known, gone| {
                    put(named, *id, at, known, gone);
                });
            });
        }
        self.collected.named.sort_by_key(|fact| fact.effective_at);
        for fact in &self.collected.named {
            if let Some(met) = self.shared.met.get(usize::from(fact.kind.0)) {
                met.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

fn put(named: &mut Vec<NamedFact>, kind: KindId, at: i64, effective_at: i64, withdrawn: bool) {
    named.push(NamedFact {
        effective_at,
        withdrawn,
        at,
        kind,
    });
}

/// From when on a version is known: a record is a fact of its own time, what became of it later is one of later times.
pub(crate) fn effective_at(facts: &Facts, row: usize, first: bool) -> i64 {
    match first {
        true => facts.time(row),
        false => facts.version_at(row).max(facts.time(row)),
    }
}

/// Calls back with the versions of every record of a customer, oldest first. Records that are another customer's by now, and
/// here only in older versions, are left out.
pub(crate) fn each_record(
    facts: &Facts,
    rows: Range<usize>,
    of_a_moment: bool,
    mut record: impl FnMut(&[usize]),
) {
    if rows.clone().all(|row| facts.current(row)) {
        for row in rows {
            record(&[row]);
        }
        return;
    }
    let moment = |row: usize| of_a_moment.then(|| facts.time(row));
    let identity = |row: usize| (facts.source(row), facts.key(row), moment(row));
    let mut sorted: Vec<usize> = rows.collect();
    sorted.sort_by_key(|row| (identity(*row), std::cmp::Reverse(facts.newer(*row))));
    let mut records: Vec<&[usize]> = sorted
        .chunk_by(|one, other| identity(*one) == identity(*other))
        .filter(|versions| versions.last().is_some_and(|newest| facts.current(*newest)))
        .collect();
    // In the order in which they came, so that of two facts at one instant the same one is the newer.
    records.sort_by_key(|versions| versions.last().copied());
    for versions in records {
        record(versions);
    }
}

/// Calls back with what a record says, from when on, and with what it does not say any more from when on.
fn corrections<T: Copy + PartialEq>(
    facts: &Facts,
    record: &[usize],
    says: impl Fn(usize) -> Option<T>,
    mut known: impl FnMut(T, i64, bool),
) {
    let mut before = None;
    let mut since = i64::MIN;
    for (place, row) in record.iter().enumerate() {
        let now = says(*row);
        since = effective_at(facts, *row, place == 0).max(since);
        if now != before {
            if let Some(before) = before {
                known(before, since, true);
            }
            if let Some(now) = now {
                known(now, since, false);
            }
            before = now;
        }
    }
}

/// The kinds of which older versions decide what was known at a past moment.
pub(crate) fn versioned_kinds(model: &StageModel, facts: &[perennial_base::config::NamedFact]) -> Vec<Kind> {
    let mut kinds = VERSIONED.to_vec();
    for fact in facts
        .iter()
        .filter(|fact| model.kind(&FactKind::of_fact(&fact.name)).is_some())
    {
        kinds.extend(
            Kind::ALL
                .into_iter()
                .find(|kind| kind.relation() == Some(fact.relation.as_str())),
        );
    }
    kinds
}

/// Whether a predicate asks only for what a record says of its own moment.
pub(crate) fn fixed_columns(
    relation: &str,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Result<(), perennial_engine::Error> {
    let columns = datafusion::physical_expr::utils::collect_columns(predicate);
    if relation == "orders" && columns.iter().any(|column| column.name() == "refunded") {
        let message = "column \"refunded\" is what was given back until now, and a fact is of its own moment";
        return Err(perennial_engine::Error::new(ErrorClass::InvalidArgument, message)
            .with_hint("Make a fact of the relation refunds."));
    }
    Ok(())
}

/// The state of a contract by the words that billing systems have for it.
pub(crate) fn subscription_status(status: Option<&str>) -> SubscriptionStatus {
    match status.map(|status| status.trim().to_lowercase()).as_deref() {
        Some("trial" | "trialing" | "in_trial") => SubscriptionStatus::Trial,
        Some("past_due" | "overdue" | "unpaid") => SubscriptionStatus::PastDue,
        Some(
            "canceled" | "cancelled" | "ended" | "expired" | "terminated" | "churned" | "incomplete_expired",
        ) => SubscriptionStatus::Ended,
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

/// The history of the customers of a bucket, and of each customer the present interval. When there will be another one is
/// noted in `due`.
pub(crate) fn history(
    shared: &Shared,
    collector: &mut Collector<'_>,
    customers: Range<u32>,
    due: &mut Due,
) -> Result<(RecordBatch, Vec<Option<Interval>>)> {
    let model: &StageModel = &shared.model;
    let mut evaluator = Evaluator::new(model);
    let mut intervals: Vec<Interval> = Vec::new();
    let mut owners: Vec<u32> = Vec::new();
    let mut present = Vec::with_capacity(customers.len());
    for customer in customers {
        let facts = collector.customer(customer)?;
        let before = intervals.len();
        due.customer(
            shared,
            customer,
            evaluator.history(&facts, shared.now, &mut intervals),
        );
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
