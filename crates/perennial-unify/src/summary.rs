//! `customer_360`: one row per customer as of the run's moment.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::FieldRef;
use perennial_base::Kind;
use perennial_base::clock::DAY;
use perennial_base::relation::{PUBLIC, relation};
use perennial_engine::moving::moves;
use perennial_udf_lifecycle::model::{Interval, SubscriptionStatus};

use crate::bucket::Shared;
use crate::columns::{Facts, counts, floats, instants, money, optional, text_lists, texts, written_schema};
use crate::due::Due;
use crate::error::Result;
use crate::facts::OrderFacts;
use crate::golden::with_added;
use crate::money::average;
use crate::stages::subscription_status;

/// The windows of the counts.
const WINDOWS: [i64; 3] = [30 * DAY, 90 * DAY, 365 * DAY];

/// What is known of one customer.
#[derive(Debug, Default, Clone)]
struct Summary<'a> {
    orders: u64,
    first_order_at: Option<i64>,
    last_order_at: Option<i64>,
    median_gap_days: Option<f64>,
    orders_within: [u64; 3],
    paid_orders: i128,
    gross_revenue: Option<i128>,
    refunded: Option<i128>,
    events: u64,
    first_event_at: Option<i64>,
    last_event_at: Option<i64>,
    events_within: [u64; 3],
    first_touch: Option<Touch<'a>>,
    last_touch: Option<Touch<'a>>,
    interactions: u64,
    last_interaction_at: Option<i64>,
    nps: Option<(i64, f64)>,
    mrr: Option<i128>,
    /// When the first of what is counted within a window leaves it.
    next_edge: Option<i64>,
}

/// A channel, in the order of time, source and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Touch<'a> {
    at: i64,
    source: u16,
    key: &'a str,
    channel: &'a str,
}

/// The rows of a bucket's customers; when they will be others is noted in `due`.
pub(crate) fn customer_360(
    shared: &Shared,
    customers: Range<u32>,
    facts: &HashMap<Kind, Facts>,
    order_facts: &OrderFacts,
    present: &[Option<Interval>],
    added: &[(FieldRef, ArrayRef)],
    due: &mut Due,
) -> Result<RecordBatch> {
    let mut rows: Vec<Summary<'_>> = vec![
        Summary {
            gross_revenue: Some(0),
            refunded: Some(0),
            ..Summary::default()
        };
        customers.len()
    ];
    let walk = Walk {
        shared,
        customers: customers.clone(),
    };
    if let (Some(orders), Some(refunds)) = (facts.get(&Kind::Order), facts.get(&Kind::Refund)) {
        walk.orders(orders, refunds, order_facts, &mut rows)?;
    }
    if let Some(events) = facts.get(&Kind::Event) {
        walk.events(events, &mut rows)?;
    }
    if let Some(interactions) = facts.get(&Kind::Interaction) {
        walk.each(
            interactions,
            |row, at| {
                if let Some(summary) = rows.get_mut(row) {
                    summary.interactions += 1;
                    summary.last_interaction_at = Some(at);
                }
            },
            |_, _| {},
        );
    }
    if let Some(surveys) = facts.get(&Kind::Survey) {
        let survey = surveys.text("survey")?;
        let score = surveys.float("score")?;
        walk.each(
            surveys,
            |_, _| {},
            |row, fact| {
                if survey.value(fact).trim().eq_ignore_ascii_case("nps")
                    && let Some(summary) = rows.get_mut(row)
                {
                    summary.nps = Some((surveys.time(fact), score.value(fact)));
                }
            },
        );
    }
    if let Some(subscriptions) = facts.get(&Kind::Subscription) {
        walk.subscriptions(subscriptions, &mut rows)?;
    }
    for (customer, row) in customers.clone().zip(&rows) {
        due.customer(shared, customer, row.next_edge);
    }
    let last_seen = last_seen(&walk, facts);
    table(shared, customers, &rows, &last_seen, present, added)
}

/// When each customer was last seen, up to the moment.
fn last_seen(walk: &Walk<'_>, facts: &HashMap<Kind, Facts>) -> Vec<i64> {
    let now = walk.shared.now;
    let customers = walk.shared.customers(walk.customers.clone());
    let mut last: Vec<i64> = customers.iter().map(|customer| customer.last_seen_at).collect();
    if last.iter().all(|last| *last <= now) {
        return last;
    }
    // Records of the future are not seen yet: the last of those before counts.
    for (last, customer) in last.iter_mut().zip(customers).filter(|(last, _)| **last > now) {
        *last = customer.first_seen_at;
    }
    for facts in facts.values() {
        walk.each(
            facts,
            |place, at| {
                if let (Some(last), Some(customer)) = (last.get_mut(place), customers.get(place))
                    && customer.last_seen_at > now
                {
                    *last = (*last).max(at);
                }
            },
            |_, _| {},
        );
    }
    last
}

/// The columns that are stored: those that change with every moment are worked out when they are read.
pub(crate) fn without_moving(summary: &RecordBatch) -> Result<RecordBatch> {
    let relation = relation(PUBLIC, "customer_360");
    let fields = summary.schema_ref().fields().iter().enumerate();
    let stored = fields.filter(|(_, field)| !relation.is_some_and(|relation| moves(relation, field.name())));
    let stored: Vec<usize> = stored.map(|(at, _)| at).collect();
    Ok(summary.project(&stored)?)
}

/// The rows of a kind that are of this bucket's customers, and not after the run's moment.
struct Walk<'s> {
    shared: &'s Shared,
    customers: Range<u32>,
}

impl Walk<'_> {
    /// Calls back with (place of the customer, time) and (place of the customer, row).
    fn each(&self, facts: &Facts, mut at: impl FnMut(usize, i64), mut row: impl FnMut(usize, usize)) {
        for fact in 0..facts.len() {
            let customer = facts.customer(fact);
            if facts.current(fact)
                && self.customers.contains(&customer)
                && facts.time(fact) <= self.shared.now
            {
                let place = (customer - self.customers.start) as usize;
                at(place, facts.time(fact));
                row(place, fact);
            }
        }
    }

    /// Counts something of a moment in the windows that it is in, and notes when it leaves the first of them.
    fn within(&self, at: i64, counts: &mut [u64; 3], next_edge: &mut Option<i64>) {
        for (count, window) in counts.iter_mut().zip(WINDOWS) {
            if self.shared.now - at < window {
                *count += 1;
                let edge = at.saturating_add(window);
                *next_edge = Some(next_edge.map_or(edge, |next| next.min(edge)));
            }
        }
    }

    fn orders<'f>(
        &self,
        orders: &'f Facts,
        refunds: &Facts,
        of_orders: &OrderFacts,
        rows: &mut [Summary<'f>],
    ) -> Result<()> {
        let channel = orders.text("channel")?;
        let mut placed: Vec<Vec<i64>> = vec![Vec::new(); rows.len()];
        self.each(
            orders,
            |_, _| {},
            |place, row| {
                let Some(summary) = rows.get_mut(place) else {
                    return;
                };
                let at = orders.time(row);
                touch(summary, orders, row, optional(channel, row));
                if of_orders.paid.get(row) != Some(&true) {
                    return;
                }
                summary.paid_orders += 1;
                let amount = of_orders.amount.get(row).copied().flatten();
                summary.gross_revenue = summary
                    .gross_revenue
                    .zip(amount)
                    .map(|(sum, amount)| sum + amount);
                for refund in of_orders.refunds.get(row).map(Vec::as_slice).unwrap_or_default() {
                    if refunds.time(*refund as usize) <= self.shared.now {
                        let amount = of_orders.refund_amount.get(*refund as usize).copied().flatten();
                        summary.refunded = summary.refunded.zip(amount).map(|(sum, amount)| sum + amount);
                    }
                }
                if of_orders.counts.get(row) == Some(&true) {
                    summary.orders += 1;
                    summary.first_order_at.get_or_insert(at);
                    summary.last_order_at = Some(at);
                    self.within(at, &mut summary.orders_within, &mut summary.next_edge);
                    if let Some(placed) = placed.get_mut(place) {
                        placed.push(at);
                    }
                }
            },
        );
        for (summary, placed) in rows.iter_mut().zip(placed) {
            summary.median_gap_days = median_gap(&placed);
        }
        Ok(())
    }

    fn events<'f>(&self, events: &'f Facts, rows: &mut [Summary<'f>]) -> Result<()> {
        let channel = events.text("channel")?;
        self.each(
            events,
            |_, _| {},
            |place, row| {
                let Some(summary) = rows.get_mut(place) else {
                    return;
                };
                let at = events.time(row);
                summary.events += 1;
                summary.first_event_at.get_or_insert(at);
                summary.last_event_at = Some(at);
                self.within(at, &mut summary.events_within, &mut summary.next_edge);
                touch(summary, events, row, optional(channel, row));
            },
        );
        Ok(())
    }

    /// The sum of the newest revenue of each subscription.
    fn subscriptions(&self, facts: &Facts, rows: &mut [Summary<'_>]) -> Result<()> {
        let mrr = facts.money("mrr")?;
        let status = facts.text("status")?;
        let mut newest: HashMap<(usize, u16, &str), i128> = HashMap::new();
        self.each(
            facts,
            |_, _| {},
            |place, row| {
                let status = subscription_status(optional(status, row));
                let paid = !matches!(status, SubscriptionStatus::Trial | SubscriptionStatus::Ended);
                newest.insert(
                    (place, facts.source(row), facts.key(row)),
                    if mrr.is_valid(row) && paid {
                        mrr.value(row)
                    } else {
                        0
                    },
                );
            },
        );
        for ((place, ..), amount) in newest {
            if let Some(summary) = rows.get_mut(place) {
                *summary.mrr.get_or_insert(0) += amount;
            }
        }
        Ok(())
    }
}

fn touch<'f>(summary: &mut Summary<'f>, facts: &'f Facts, row: usize, channel: Option<&'f str>) {
    let Some(channel) = channel.filter(|channel| !channel.trim().is_empty()) else {
        return;
    };
    let touch = Touch {
        at: facts.time(row),
        source: facts.source(row),
        key: facts.key(row),
        channel,
    };
    summary.first_touch = Some(summary.first_touch.map_or(touch, |first| first.min(touch)));
    summary.last_touch = Some(summary.last_touch.map_or(touch, |last| last.max(touch)));
}

/// The median of the gaps between consecutive orders, in days; of an even number the mean of the two in the middle.
fn median_gap(placed: &[i64]) -> Option<f64> {
    let mut gaps: Vec<i64> = placed
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)? - pair.first()?))
        .collect();
    gaps.sort_unstable();
    let middle = gaps.len() / 2;
    let upper = *gaps.get(middle)? as f64;
    let median = if gaps.len() % 2 == 1 {
        upper
    } else {
        (upper + *gaps.get(middle.checked_sub(1)?)? as f64) / 2.0
    };
    Some(median / DAY as f64)
}

fn table(
    shared: &Shared,
    range: Range<u32>,
    rows: &[Summary<'_>],
    last_seen: &[i64],
    present: &[Option<Interval>],
    added: &[(FieldRef, ArrayRef)],
) -> Result<RecordBatch> {
    let Some(relation) = relation(PUBLIC, "customer_360") else {
        return with_added(Vec::new(), added);
    };
    let customers = shared.customers(range.clone());
    let stage = |at: usize| shared.model.stage_name(at);
    let days = |micros: i64| micros as f64 / DAY as f64;
    let number = |of: &dyn Fn(&Summary<'_>) -> u64| counts(rows.iter().map(of));
    let moment = |of: &dyn Fn(&Summary<'_>) -> Option<i64>| instants(rows.iter().map(of));
    let schema = written_schema(relation);
    let mut declared = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column: ArrayRef = match field.name().as_str() {
            "customer_id" => texts(range.clone().map(|customer| Some(shared.customer_id(customer)))),
            "as_of_at" => instants(rows.iter().map(|_| Some(shared.now))),
            "lifecycle_stage" => texts(
                present
                    .iter()
                    .map(|now| Some(now.and_then(|now| stage(now.stage)).unwrap_or_default())),
            ),
            "stage_entered_at" => instants(
                present
                    .iter()
                    .map(|now| Some(now.map_or(shared.now, |now| now.entered_at))),
            ),
            "previous_stage" => texts(
                present
                    .iter()
                    .map(|now| now.and_then(|now| now.previous).and_then(stage)),
            ),
            "first_seen_at" => instants(customers.iter().map(|customer| Some(customer.first_seen_at))),
            "last_seen_at" => instants(last_seen.iter().copied().map(Some)),
            "identified_at" => instants(
                customers
                    .iter()
                    .map(|customer| customer.identified_at.filter(|at| *at <= shared.now)),
            ),
            "tenure_days" => floats(
                customers
                    .iter()
                    .map(|customer| Some(days(shared.now - customer.first_seen_at))),
            ),
            "orders" => number(&|row| row.orders),
            "first_order_at" => moment(&|row| row.first_order_at),
            "last_order_at" => moment(&|row| row.last_order_at),
            "recency_days" => floats(
                rows.iter()
                    .map(|row| row.last_order_at.map(|last| days(shared.now - last))),
            ),
            "median_gap_days" => floats(rows.iter().map(|row| row.median_gap_days)),
            "orders_30_days" => number(&|row| row.orders_within[0]),
            "orders_90_days" => number(&|row| row.orders_within[1]),
            "orders_365_days" => number(&|row| row.orders_within[2]),
            "gross_revenue" => money(rows.iter().map(|row| row.gross_revenue))?,
            "refunded" => money(rows.iter().map(|row| row.refunded))?,
            "net_revenue" => money(rows.iter().map(|row| Some(row.gross_revenue? - row.refunded?)))?,
            "aov" => money(
                rows.iter()
                    .map(|row| average(row.gross_revenue?, row.paid_orders)),
            )?,
            "events" => number(&|row| row.events),
            "first_event_at" => moment(&|row| row.first_event_at),
            "last_event_at" => moment(&|row| row.last_event_at),
            "events_30_days" => number(&|row| row.events_within[0]),
            "events_90_days" => number(&|row| row.events_within[1]),
            "events_365_days" => number(&|row| row.events_within[2]),
            "first_touch_channel" => texts(rows.iter().map(|row| row.first_touch.map(|touch| touch.channel))),
            "last_touch_channel" => texts(rows.iter().map(|row| row.last_touch.map(|touch| touch.channel))),
            "interactions" => number(&|row| row.interactions),
            "last_interaction_at" => moment(&|row| row.last_interaction_at),
            "nps_latest" => floats(rows.iter().map(|row| row.nps.map(|(_, score)| score))),
            "nps_latest_at" => moment(&|row| row.nps.map(|(at, _)| at)),
            "mrr" => money(rows.iter().map(|row| row.mrr))?,
            "sources" => text_lists(
                customers
                    .iter()
                    .map(|customer| customer.sources.iter().map(|source| shared.source_name(source))),
            ),
            other => {
                return Err(perennial_engine::Error::new(
                    perennial_base::ErrorClass::Internal,
                    format!("customer_360 declares a column \"{other}\" that nothing computes"),
                )
                .into());
            }
        };
        declared.push((field.clone(), column));
    }
    let all = with_added(declared, added)?;
    // Somebody who is first seen after the moment described is not known at it.
    let known = arrow::array::BooleanArray::from_iter(present.iter().map(|now| Some(now.is_some())));
    Ok(arrow::compute::filter_record_batch(&all, &known)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_gap_is_that_of_numpy() {
        // numpy.median(numpy.diff([0, 10, 40, 41])) = 10, of [0, 10, 40] = 20.
        let days = |days: &[i64]| days.iter().map(|day| day * DAY).collect::<Vec<_>>();
        assert_eq!(median_gap(&days(&[0, 10, 40, 41])), Some(10.0));
        assert_eq!(median_gap(&days(&[0, 10, 40])), Some(20.0));
        assert_eq!(median_gap(&days(&[0])), None);
    }
}
