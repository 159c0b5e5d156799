//! Rows of the web tracker.

use arrow::error::ArrowError;

use super::{Column, Row, text, times};
use crate::{
    catalogue::Product,
    marketing::{CAMPAIGNS, CHANNELS},
    source::Source,
};

/// Something that happened on the web site.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) key: u64,
    pub(crate) device: u64,
    /// Known from the log-in on.
    pub(crate) user: Option<u64>,
    pub(crate) name: &'static str,
    pub(crate) at: i64,
    pub(crate) channel: Option<usize>,
    pub(crate) campaign: Option<usize>,
    pub(crate) product: Option<Product>,
    pub(crate) order: Option<u64>,
}

impl Row for Event {
    const SOURCE: Source = Source::Events;

    fn at(&self) -> i64 {
        self.at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "event_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            (
                "anonymous_id",
                text(rows, |row| Some(format!("{:016x}", row.device))),
                false,
            ),
            // The tracker writes numbers as text.
            (
                "user_id",
                text(rows, |row| row.user.map(|user| user.to_string())),
                true,
            ),
            ("name", text(rows, |row| Some(row.name)), false),
            ("at", times(rows, |row| row.at), false),
            (
                "channel",
                text(rows, |row| row.channel.map(|channel| CHANNELS[channel].name)),
                true,
            ),
            (
                "campaign",
                text(rows, |row| row.campaign.map(|campaign| CAMPAIGNS[campaign].name)),
                true,
            ),
            ("page_url", text(rows, page), true),
            ("product_id", text(rows, |row| row.product.map(Product::id)), true),
            (
                "order_id",
                text(rows, |row| row.order.map(|order| Source::Orders.key_text(order))),
                true,
            ),
        ])
    }
}

fn page(event: &Event) -> Option<String> {
    const SHOP: &str = "https://kranich.example";
    match (event.name, event.product) {
        ("page_view", None) => Some(format!("{SHOP}/")),
        ("product_view" | "add_to_cart", Some(product)) => {
            Some(format!("{SHOP}/{}/{}", product.category().name, product.id()))
        }
        ("checkout" | "purchase", _) => Some(format!("{SHOP}/checkout")),
        ("sign_up" | "login" | "account_closed" | "referral_sent", _) => Some(format!("{SHOP}/account")),
        _ => None,
    }
}
