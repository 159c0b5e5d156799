//! Amounts that stay NULL, as no exchange rate of their day or before has landed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::{count, min};
use datafusion::logical_expr::{LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::collect;
use perennial_base::{counted, currency};
use perennial_engine::Engine;

use crate::error::Result;
use crate::money::Rates;
use crate::repriced::rates_before;
use crate::run::READ_MEMORY;
use crate::stored::Tables;
use crate::values::day_of;

/// A currency without a rate: amounts in it are NULL until one lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRate {
    /// The currency, as ISO 4217 writes it.
    pub currency: String,
    /// The day of the first of the amounts, `YYYY-MM-DD`.
    pub day: String,
    /// How many amounts need it.
    pub amounts: u64,
    /// Whether the amounts are those of landed rows, of which some may be older versions of others, and not of what is
    /// served.
    pub landed: bool,
}

/// The currencies of amounts of the newest snapshot that have no rate, in the order of the alphabet.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn missing_rates(engine: &Arc<Engine>) -> Result<Vec<MissingRate>> {
    let config = engine.config();
    let release = engine.release();
    let Some(manifest) = release.manifest() else {
        return Ok(Vec::new());
    };
    let state = engine.work_state(READ_MEMORY)?;
    let stored = Tables::new(engine, &state, Some(manifest)).await?;
    let rates = rates_before(&stored, config, manifest).await?;
    let mut missing = Missing::default();
    for (table, day) in [("public.orders", "time"), ("public.spend", "date")] {
        let Some(table) = manifest.tables.get(table) else {
            continue;
        };
        let rows = provider_as_source(Arc::new(stored.table(table)?));
        // Where no amount is NULL the files say so, and are not read.
        let plan = LogicalPlanBuilder::scan("facts", rows, None)?
            .filter(ident("amount").is_null())?
            .aggregate([ident("currency")], [min(ident(day)), count(lit(1))])?
            .build()?;
        let plan = state.create_physical_plan(&plan).await?;
        for batch in collect(plan, state.task_ctx()).await? {
            let currencies = batch.column(0).as_string::<i32>();
            let amounts = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                // An amount may be NULL although there is a rate: with it, it is too large.
                let day = day_at(&batch, row, config.zone);
                missing.wants(
                    &rates,
                    currencies.value(row),
                    day,
                    amounts.value(row).unsigned_abs(),
                );
            }
        }
    }
    Ok(missing.told(false))
}

/// The day of a row in the second column; the last of all for an instant beyond the calendar.
fn day_at(batch: &RecordBatch, row: usize, zone: chrono_tz::Tz) -> i32 {
    let days = batch.column(1).as_primitive_opt::<Date32Type>();
    let instants = batch.column(1).as_primitive_opt::<TimestampMicrosecondType>();
    match (days, instants) {
        (Some(days), _) => days.value(row),
        (_, Some(instants)) => day_of(instants.value(row), zone).unwrap_or(i32::MAX),
        _ => i32::MAX,
    }
}

/// By currency the first day for which a rate was wanted and not there, and for how many amounts.
#[derive(Debug, Default)]
pub(crate) struct Missing(BTreeMap<String, (i32, u64)>);

impl Missing {
    /// Notes that so many amounts of a currency want a rate, where there is none.
    pub(crate) fn wants(&mut self, rates: &Rates, currency: &str, day: i32, amounts: u64) {
        if let Some(currency) = rates.without(currency, day) {
            let (first, sum) = self.0.entry(currency.to_uppercase()).or_insert((day, 0));
            (*first, *sum) = (day.min(*first), *sum + amounts);
        }
    }

    /// What was noted, of amounts as they have `landed` or as they are served.
    pub(crate) fn told(self, landed: bool) -> Vec<MissingRate> {
        let named = self.0.into_iter().map(|(currency, (day, amounts))| MissingRate {
            currency,
            day: day_name(day),
            amounts,
            landed,
        });
        named.collect()
    }
}

/// A day since 1970-01-01 in the calendar's words.
fn day_name(day: i32) -> String {
    chrono::DateTime::from_timestamp(i64::from(day) * 86_400, 0).map_or_else(
        || "an unknown day".to_owned(),
        |day| day.format("%Y-%m-%d").to_string(),
    )
}

impl fmt::Display for MissingRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            currency: code,
            day,
            amounts,
            landed,
        } = self;
        let what = if *landed { "landed amount" } else { "amount" };
        let (the_first, has, stays) = match amounts {
            1 => ("", "has", "stays"),
            _ => ("the first ", "have", "stay"),
        };
        let amounts = counted(*amounts, what);
        write!(
            f,
            "{amounts} in {code}, {the_first}of {day}, {has} no exchange rate of the day or before and {stays} NULL: "
        )?;
        match currency::nearest(code) {
            _ if currency::is_code(code) => f.write_str("land rates in a source of kind fx_rate"),
            Some(near) => write!(f, "ISO 4217 has no such currency; did you mean \"{near}\"?"),
            None => {
                f.write_str("ISO 4217 has no such currency; correct currency in the columns of the source")
            }
        }
    }
}
