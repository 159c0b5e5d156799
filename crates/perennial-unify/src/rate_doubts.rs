//! What is probably wrong about exchange rates: amounts stay NULL, as no rate of their day or before has landed, or the rates
//! lead to another currency than that of reports.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::{count, min, sum};
use datafusion::logical_expr::{LogicalPlanBuilder, ident, lit, when};
use datafusion::physical_plan::collect;
use perennial_base::{counted, currency};
use perennial_engine::Engine;

use crate::error::Result;
use crate::money::Rates;
use crate::repriced::rates_before;
use crate::run::READ_MEMORY;
use crate::stored::Tables;
use crate::values::day_of;

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RateDoubts {
    /// The currencies of amounts that have no rate, in the order of the alphabet.
    pub missing: Vec<MissingRate>,
    /// The currency of reports, where it has a rate that is not 1.
    pub foreign: Option<ForeignRates>,
}

impl RateDoubts {
    /// What there is to say, each with the currency of which it is said.
    pub fn told(&self) -> impl Iterator<Item = (&str, String)> {
        let foreign = self.foreign.iter();
        let foreign = foreign.map(|foreign| (foreign.currency.as_str(), foreign.to_string()));
        let missing = self.missing.iter();
        foreign.chain(missing.map(|missing| (missing.currency.as_str(), missing.to_string())))
    }
}

/// Rates of the currency of reports to itself that are not 1: all rates beside them lead to another currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRates {
    /// The currency of reports.
    pub currency: String,
    /// The first day of such a rate, `YYYY-MM-DD`.
    pub day: String,
    /// The rate.
    pub rate: String,
}

/// A currency without a rate: amounts in it are NULL until one lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRate {
    /// The currency, as ISO 4217 writes it.
    pub currency: String,
    /// The day of the first of the amounts, `YYYY-MM-DD`.
    pub day: String,
    /// How many amounts need it.
    pub amounts: u64,
    /// How many customers have such a paid order, so that their revenue is NULL; 0 of landed amounts.
    pub customers: u64,
    /// Whether the amounts are those of landed rows, of which some may be older versions of others, and not of what is
    /// served.
    pub landed: bool,
}

/// What is in doubt about the rates and amounts of the newest snapshot.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn rate_doubts(engine: &Arc<Engine>) -> Result<RateDoubts> {
    let config = engine.config();
    let release = engine.release();
    let Some(manifest) = release.manifest() else {
        return Ok(RateDoubts::default());
    };
    let state = engine.work_state(READ_MEMORY)?;
    let stored = Tables::new(engine, &state, Some(manifest)).await?;
    let rates = rates_before(&stored, config, manifest).await?;
    let mut missing = Missing::default();
    let payer = when(ident("paid"), ident("customer_id")).end()?;
    let facts = [
        ("public.orders", "time", payer),
        ("public.spend", "date", lit(ScalarValue::Utf8(None))),
    ];
    for (table, day, payer) in facts {
        let Some(table) = manifest.tables.get(table) else {
            continue;
        };
        let rows = provider_as_source(Arc::new(stored.table(table)?));
        // Where no amount is NULL the files say so, and are not read.
        let plan = LogicalPlanBuilder::scan("facts", rows, None)?
            .filter(ident("amount").is_null())?
            // By customer first: the different ones of millions are counted beside the disk.
            .aggregate(
                [ident("currency"), payer.alias("payer")],
                [min(ident(day)).alias("day"), count(lit(1)).alias("amounts")],
            )?
            .aggregate(
                [ident("currency")],
                [min(ident("day")), sum(ident("amounts")), count(ident("payer"))],
            )?
            .build()?;
        let plan = state.create_physical_plan(&plan).await?;
        for batch in collect(plan, state.task_ctx()).await? {
            let currencies = batch.column(0).as_string::<i32>();
            let [amounts, customers] = [2, 3].map(|at| batch.column(at).as_primitive::<Int64Type>());
            for row in 0..batch.num_rows() {
                // An amount may be NULL although there is a rate: with it, it is too large.
                let day = day_at(&batch, row, config.zone);
                let count = |of: &Int64Array| of.value(row).unsigned_abs();
                let counts = (count(amounts), count(customers));
                missing.wants(&rates, currencies.value(row), day, counts);
            }
        }
    }
    Ok(RateDoubts {
        missing: missing.told(false),
        foreign: foreign(&rates),
    })
}

/// That the currency of reports has a rate which is not 1.
pub(crate) fn foreign(rates: &Rates) -> Option<ForeignRates> {
    let (day, rate) = rates.of_itself()?;
    Some(ForeignRates {
        currency: rates.reporting().to_owned(),
        day: day_name(day),
        rate,
    })
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

/// By currency the first day for which a rate was wanted and not there, for how many amounts, and of how many customers.
#[derive(Debug, Default)]
pub(crate) struct Missing(BTreeMap<String, (i32, u64, u64)>);

impl Missing {
    /// Notes that so many amounts of a currency, of so many customers, want a rate, where there is none.
    pub(crate) fn wants(&mut self, rates: &Rates, currency: &str, day: i32, counts: (u64, u64)) {
        if let Some(currency) = rates.without(currency, day) {
            let wanted = self.0.entry(currency.to_uppercase()).or_insert((day, 0, 0));
            *wanted = (day.min(wanted.0), wanted.1 + counts.0, wanted.2 + counts.1);
        }
    }

    /// What was noted, of amounts as they have `landed` or as they are served.
    pub(crate) fn told(self, landed: bool) -> Vec<MissingRate> {
        let named = self.0.into_iter();
        let named = named.map(|(currency, (day, amounts, customers))| MissingRate {
            currency,
            day: day_name(day),
            amounts,
            customers,
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

impl fmt::Display for ForeignRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { currency, day, rate } = self;
        write!(
            f,
            "the exchange rate of {currency} to itself, the currency of [money], is {rate} on {day} and not 1: the rates lead to another currency, and all that is converted by them is wrong; correct [money] currency, or land rates to {currency}"
        )
    }
}

impl fmt::Display for MissingRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            currency: code,
            day,
            amounts,
            customers,
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
            "{amounts} in {code}, {the_first}of {day}, {has} no exchange rate of the day or before and {stays} NULL"
        )?;
        if *customers > 0 {
            write!(f, ", as is the revenue of {}", counted(*customers, "customer"))?;
        }
        f.write_str(": ")?;
        match currency::nearest(code) {
            _ if currency::is_code(code) => f.write_str("land rates in a source of kind fx_rate"),
            Some(near) => write!(f, "ISO 4217 has no such currency; did you mean \"{near}\"?"),
            None => {
                f.write_str("ISO 4217 has no such currency; correct currency in the columns of the source")
            }
        }
    }
}
