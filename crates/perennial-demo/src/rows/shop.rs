//! Rows of the shop and of billing.

use std::sync::Arc;

use arrow::{array::Int32Array, error::ArrowError};

use super::{Column, Row, integers, money, text, times};
use crate::{
    catalogue::Product,
    marketing::{CAMPAIGNS, CHANNELS},
    source::Source,
};

/// A version of an order in the shop.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) key: u64,
    pub(crate) user: Option<u64>,
    pub(crate) email: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) total_cents: i64,
    pub(crate) currency: &'static str,
    pub(crate) state: &'static str,
    pub(crate) channel: Option<usize>,
    pub(crate) campaign: Option<usize>,
    pub(crate) coupon: Option<&'static str>,
    pub(crate) discount_cents: i64,
    pub(crate) cost_cents: i64,
}

impl Row for Order {
    const SOURCE: Source = Source::Orders;

    fn at(&self) -> i64 {
        self.created_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            (
                "user_id",
                integers(rows, |row| row.user.and_then(|user| i64::try_from(user).ok())),
                true,
            ),
            ("customer_email", text(rows, |row| Some(&row.email)), false),
            ("created_at", times(rows, |row| row.created_at), false),
            ("updated_at", times(rows, |row| row.updated_at), false),
            ("total_cents", integers(rows, |row| Some(row.total_cents)), false),
            ("currency", text(rows, |row| Some(row.currency)), false),
            ("state", text(rows, |row| Some(row.state)), false),
            (
                "utm_source",
                text(rows, |row| row.channel.map(|channel| CHANNELS[channel].name)),
                true,
            ),
            (
                "utm_campaign",
                text(rows, |row| row.campaign.map(|campaign| CAMPAIGNS[campaign].name)),
                true,
            ),
            ("coupon", text(rows, |row| row.coupon), true),
            (
                "discount_cents",
                integers(rows, |row| Some(row.discount_cents)),
                false,
            ),
            ("cost_cents", integers(rows, |row| Some(row.cost_cents)), false),
        ])
    }
}

/// A line of an order.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) order: u64,
    /// When the order was created: items lie beside their orders.
    pub(crate) created_at: i64,
    pub(crate) product: Product,
    pub(crate) quantity: i32,
    pub(crate) unit_cents: i64,
}

impl Row for Item {
    const SOURCE: Source = Source::OrderItems;

    fn at(&self) -> i64 {
        self.created_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "order_id",
                text(rows, |row| Some(Source::Orders.key_text(row.order))),
                false,
            ),
            ("product_id", text(rows, |row| Some(row.product.id())), false),
            (
                "category",
                text(rows, |row| Some(row.product.category().name)),
                false,
            ),
            (
                "quantity",
                Arc::new(rows.iter().map(|row| Some(row.quantity)).collect::<Int32Array>()),
                false,
            ),
            ("unit_price", money(rows, |row| row.unit_cents)?, false),
        ])
    }
}

/// Money given back for an order.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) key: u64,
    pub(crate) order: u64,
    pub(crate) refunded_at: i64,
    pub(crate) cents: i64,
    pub(crate) reason: &'static str,
}

impl Row for Refund {
    const SOURCE: Source = Source::Refunds;

    fn at(&self) -> i64 {
        self.refunded_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "refund_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            (
                "order_id",
                text(rows, |row| Some(Source::Orders.key_text(row.order))),
                false,
            ),
            ("refunded_at", times(rows, |row| row.refunded_at), false),
            ("amount", money(rows, |row| row.cents)?, false),
            ("reason", text(rows, |row| Some(row.reason)), false),
        ])
    }
}

/// A change of a subscription.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: u64,
    pub(crate) user: u64,
    pub(crate) changed_at: i64,
    pub(crate) plan: &'static str,
    pub(crate) mrr_cents: i64,
    pub(crate) status: &'static str,
}

impl Row for Change {
    const SOURCE: Source = Source::Subscriptions;

    fn at(&self) -> i64 {
        self.changed_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "subscription_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            (
                "user_id",
                integers(rows, |row| i64::try_from(row.user).ok()),
                false,
            ),
            ("changed_at", times(rows, |row| row.changed_at), false),
            ("plan", text(rows, |row| Some(row.plan)), false),
            ("mrr", money(rows, |row| row.mrr_cents)?, false),
            ("status", text(rows, |row| Some(row.status)), false),
        ])
    }
}
