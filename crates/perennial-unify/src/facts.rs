//! The unified facts of a bucket: events, orders, items, refunds and the rest, each with its customer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::take;
use perennial_base::Kind;
use perennial_base::relation::{PUBLIC, Relation, relation};

use crate::bucket::Shared;
use crate::columns::{Facts, instants, money, optional, texts, written_schema};
use crate::error::Result;
use crate::records::NOBODY;
use crate::route::GROUPS;
use crate::values::day_of;
use crate::versions::order_hash;

/// What is worked out about the orders of a bucket, by row.
#[derive(Debug, Default)]
pub(crate) struct OrderFacts {
    /// In the reporting currency.
    pub(crate) amount: Vec<Option<i128>>,
    pub(crate) paid: Vec<bool>,
    /// The refunds of the order, by row of the refunds.
    pub(crate) refunds: Vec<Vec<u32>>,
    /// Given back so far; `None` when the amount of a refund is unknown.
    pub(crate) refunded: Vec<Option<i128>>,
    /// Whether the order counts: paid and not wholly refunded.
    pub(crate) counts: Vec<bool>,
    /// In the reporting currency, by row of the refunds.
    pub(crate) refund_amount: Vec<Option<i128>>,
    /// The order of a refund, by row of the refunds.
    pub(crate) order_of_refund: Vec<Option<u32>>,
    /// When the order was placed.
    placed_at: Vec<i64>,
    /// What their amounts are in, as the source names it.
    currency: Option<StringArray>,
    /// The current row of each order, by its customer and key.
    by_key: HashMap<(u32, u128), u32>,
}

impl OrderFacts {
    /// The current row of an order.
    fn order(&self, customer: u32, key: &str) -> Option<u32> {
        self.by_key.get(&(customer, order_hash(key))).copied()
    }

    /// The currency of an order as its source names it.
    fn named(&self, order: u32) -> Option<&str> {
        let currency = self.currency.as_ref()?;
        let named = optional(currency, order as usize).map(str::trim);
        named.filter(|currency| !currency.is_empty())
    }

    /// The currency of an order; that of reports when it has none, or there is no order.
    fn currency<'a>(&'a self, shared: &'a Shared, order: Option<u32>) -> &'a str {
        let named = order.and_then(|order| self.named(order));
        named.unwrap_or(shared.rates.reporting())
    }

    /// An amount of an order in the reporting currency, at the rate of the order's day.
    fn worth(
        &self,
        shared: &Shared,
        amount: &Decimal128Array,
        row: usize,
        order: Option<u32>,
    ) -> Option<i128> {
        let order = order?;
        let amount = amount.is_valid(row).then(|| amount.value(row))?;
        let placed_at = self.placed_at.get(order as usize)?;
        let day = day_of(*placed_at, shared.zone).unwrap_or(i32::MAX);
        shared.rates.convert(amount, self.named(order), day)
    }
}

/// Works out orders and their refunds.
pub(crate) fn orders(shared: &Shared, orders: &Facts, refunds: &Facts) -> Result<OrderFacts> {
    let amount = orders.money("amount")?;
    let status = orders.text("status")?;
    let mut facts = OrderFacts {
        currency: Some(orders.text("currency")?.clone()),
        ..OrderFacts::default()
    };
    let mut statuses = HashSet::new();
    for row in 0..orders.len() {
        facts.placed_at.push(orders.time(row));
        let converted = facts.worth(shared, amount, row, Some(row as u32));
        facts.amount.push(converted);
        let status = optional(status, row).map(|status| status.trim().to_lowercase());
        facts
            .paid
            .push(status.as_ref().is_none_or(|status| !shared.unpaid.has(status)));
        statuses.extend(status);
        if orders.current(row) {
            // Of two sources that use one key, the first in the configuration holds the order.
            facts
                .by_key
                .entry((orders.customer(row), order_hash(orders.key(row))))
                .and_modify(|known| {
                    if orders.source(row) < orders.source(*known as usize) {
                        *known = row as u32;
                    }
                })
                .or_insert(row as u32);
        }
    }
    shared.unpaid.met(statuses);
    facts.refunds = vec![Vec::new(); orders.len()];
    let order_id = refunds.text("order_id")?;
    let given_back = refunds.money("amount")?;
    for row in 0..refunds.len() {
        let order = facts.order(refunds.customer(row), order_id.value(row));
        let converted = facts.worth(shared, given_back, row, order);
        facts.refund_amount.push(converted);
        facts.order_of_refund.push(order);
        // An older version of a refund is history, and no money.
        if refunds.current(row)
            && let Some(slot) = order.and_then(|order| facts.refunds.get_mut(order as usize))
        {
            slot.push(row as u32);
        }
    }
    for row in 0..orders.len() {
        let of_order = facts.refunds.get(row).map(Vec::as_slice).unwrap_or_default();
        let until_now = || {
            let given_back = of_order.iter().map(|refund| *refund as usize);
            given_back.filter(|refund| refunds.time(*refund) <= shared.now)
        };
        let refunded: Option<i128> = until_now()
            .map(|refund| facts.refund_amount.get(refund).copied().flatten())
            .sum();
        let paid = facts.paid.get(row).copied().unwrap_or(false);
        let whole = match (refunded, facts.amount.get(row).copied().flatten()) {
            (Some(refunded), Some(amount)) => until_now().next().is_some() && refunded >= amount,
            _ => false,
        };
        facts.refunded.push(refunded);
        facts.counts.push(paid && !whole && orders.current(row));
    }
    Ok(facts)
}

/// Tables by relation.
pub(crate) type Tables = Vec<(&'static Relation, RecordBatch)>;

/// The tables of a bucket's facts, by relation name, and beside each the groups of its rows.
pub(crate) fn tables(
    shared: &Shared,
    facts: &HashMap<Kind, Facts>,
    order_facts: &OrderFacts,
) -> Result<(Tables, Vec<ArrayRef>)> {
    let mut out = Vec::new();
    for (kind, facts) in facts {
        let name = match kind {
            // What they say is in golden records; here is whose they are.
            Kind::Profile => Some("profiles"),
            // It belongs to nobody and is written once, with the rates.
            Kind::Spend => None,
            kind => kind.relation(),
        };
        let Some(relation) = name.and_then(|name| relation(PUBLIC, name)) else {
            continue;
        };
        let rows: Vec<usize> = (0..facts.len()).filter(|row| facts.current(*row)).collect();
        let groups = take(
            facts.batch.column(GROUPS),
            &UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32)),
            None,
        )?;
        let table = table(shared, *kind, relation, facts, order_facts, rows.into_iter())?;
        out.push(((relation, table), groups));
    }
    out.sort_by_key(|((relation, _), _)| relation.name);
    Ok(out.into_iter().unzip())
}

/// The columns of a relation, of these rows.
pub(crate) fn table(
    shared: &Shared,
    kind: Kind,
    relation: &'static Relation,
    facts: &Facts,
    orders: &OrderFacts,
    rows: impl Iterator<Item = usize>,
) -> Result<RecordBatch> {
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    let indices = UInt32Array::from(rows.clone());
    let schema = written_schema(relation);
    let each = |of: &dyn Fn(usize) -> Option<i128>| money(rows.iter().map(|row| of(*row as usize)));
    let order_of = orders_of(kind, facts, orders, &rows)?;
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = match (field.name().as_str(), kind) {
            ("customer_id", _) => texts(rows.iter().map(|row| match facts.customer(*row as usize) {
                NOBODY => None,
                customer => Some(shared.customer_id(customer)),
            })),
            ("record_key", _) | ("order_id", Kind::Order) | ("subscription_id", _) => {
                texts(rows.iter().map(|row| Some(facts.key(*row as usize))))
            }
            ("source", _) => texts(
                rows.iter()
                    .map(|row| Some(shared.source_name(facts.source(*row as usize)))),
            ),
            ("time", Kind::OrderItem) => {
                let placed_at = |order: &Option<u32>| orders.placed_at.get((*order)? as usize).copied();
                instants(order_of.iter().map(placed_at))
            }
            ("time", _) => instants(rows.iter().map(|row| Some(facts.time(*row as usize)))),
            ("updated_at", _) => instants(rows.iter().map(|row| Some(facts.version_at(*row as usize)))),
            ("amount", Kind::Order) => each(&|row| orders.amount.get(row).copied().flatten())?,
            ("amount", Kind::Refund) => each(&|row| orders.refund_amount.get(row).copied().flatten())?,
            ("original_amount", _) => take(facts.column("amount")?, &indices, None)?,
            ("original_unit_price", _) => take(facts.column("unit_price")?, &indices, None)?,
            ("refunded", Kind::Order) => each(&|row| orders.refunded.get(row).copied().flatten())?,
            ("paid", _) => {
                let paid = rows
                    .iter()
                    .map(|row| orders.paid.get(*row as usize).copied().unwrap_or(false));
                Arc::new(BooleanArray::from_iter(paid.map(Some)))
            }
            ("currency", Kind::Order | Kind::OrderItem | Kind::Refund) => {
                texts(order_of.iter().map(|order| Some(orders.currency(shared, *order))))
            }
            ("discount" | "cost", Kind::Order) | ("unit_price", Kind::OrderItem) => {
                let amount = facts.money(field.name())?;
                let of = rows.iter().zip(&order_of);
                money(of.map(|(row, order)| orders.worth(shared, amount, *row as usize, *order)))?
            }
            (name, _) => take(facts.column(name)?, &indices, None)?,
        };
        columns.push(column);
    }
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// By row, the row of the order that it is part of; nothing of kinds that are part of none.
fn orders_of(kind: Kind, facts: &Facts, orders: &OrderFacts, rows: &[u32]) -> Result<Vec<Option<u32>>> {
    let rows = rows.iter();
    Ok(match kind {
        Kind::Order => rows.map(|row| Some(*row)).collect(),
        Kind::OrderItem => {
            let order_id = facts.text("order_id")?;
            rows.map(|row| orders.order(facts.customer(*row as usize), order_id.value(*row as usize)))
                .collect()
        }
        Kind::Refund => rows
            .map(|row| orders.order_of_refund.get(*row as usize).copied().flatten())
            .collect(),
        _ => Vec::new(),
    })
}

/// Acquisition spend, which belongs to no customer.
pub(crate) fn spend(shared: &Shared, facts: &Facts) -> Result<RecordBatch> {
    let Some(relation) = relation(PUBLIC, "spend") else {
        return Ok(facts.batch.clone());
    };
    let dates = facts
        .column("date")?
        .as_primitive::<arrow::datatypes::Date32Type>();
    let amount = facts.money("amount")?;
    let currency = facts.text("currency")?;
    let converted = (0..facts.len()).map(|row| {
        let amount = amount.is_valid(row).then(|| amount.value(row))?;
        let (currency, day) = (optional(currency, row), dates.value(row));
        shared.rates.convert(amount, currency, day)
    });
    let columns: Vec<ArrayRef> = vec![
        Arc::clone(facts.column("date")?),
        Arc::clone(facts.column("channel")?),
        Arc::clone(facts.column("campaign")?),
        money(converted)?,
        texts((0..facts.len()).map(|row| Some(optional(currency, row).unwrap_or(shared.rates.reporting())))),
        Arc::clone(facts.column("amount")?),
        texts((0..facts.len()).map(|row| Some(shared.source_name(facts.source(row))))),
    ];
    Ok(RecordBatch::try_new(written_schema(relation), columns)?)
}
