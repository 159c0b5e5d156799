//! Rows about no person: advertising, exchange rates and the catalogue.

use arrow::error::ArrowError;

use super::{Column, Row, days, decimals, money, text};
use crate::{
    catalogue::Product,
    marketing::{CAMPAIGNS, CHANNELS},
    source::Source,
};

/// What was spent on a campaign in a day.
#[derive(Debug, Clone)]
pub(crate) struct Spend {
    /// The start of the day.
    pub(crate) at: i64,
    pub(crate) campaign: usize,
    pub(crate) cents: i64,
}

impl Row for Spend {
    const SOURCE: Source = Source::Spend;

    fn at(&self) -> i64 {
        self.at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        let campaign = |row: &Self| &CAMPAIGNS[row.campaign];
        Ok(vec![
            ("date", days(rows), false),
            (
                "channel",
                text(rows, |row| Some(CHANNELS[campaign(row).channel].name)),
                false,
            ),
            ("campaign", text(rows, |row| Some(campaign(row).name)), false),
            ("amount", money(rows, |row| row.cents)?, false),
            ("currency", text(rows, |row| Some(campaign(row).currency)), false),
        ])
    }
}

/// What a unit of a currency cost in euros.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    /// The start of the day.
    pub(crate) at: i64,
    pub(crate) currency: &'static str,
    /// Millionths of a euro.
    pub(crate) millionths: i64,
}

impl Row for Rate {
    const SOURCE: Source = Source::Rates;

    fn at(&self) -> i64 {
        self.at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            ("date", days(rows), false),
            ("currency", text(rows, |row| Some(row.currency)), false),
            ("rate", decimals(rows, |row| row.millionths, 6)?, false),
        ])
    }
}

/// An entry of the catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Entry(pub(crate) Product);

impl Row for Entry {
    const SOURCE: Source = Source::Products;

    fn at(&self) -> i64 {
        0
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            ("product_id", text(rows, |row| Some(row.0.id())), false),
            ("name", text(rows, |row| Some(row.0.name())), false),
            ("category", text(rows, |row| Some(row.0.category().name)), false),
            ("price", money(rows, |row| row.0.price("EUR"))?, false),
        ])
    }
}
