//! Amounts that are worth something in the snapshot before and would be NULL by another configuration, as the currency that
//! it gives them has no exchange rate.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::collect;
use perennial_base::Kind;
use perennial_base::config::{Config, SourceConfig};
use perennial_engine::Engine;
use perennial_lake::{FileState, Manifest, SourceFile};

use crate::error::{Error, Result};
use crate::landing::Landing;
use crate::left_out::{Cause, LeftOut, renamed};
use crate::money::Rates;
use crate::records::Staged;
use crate::repriced::rates_now;
use crate::stored::Tables;
use crate::values::day_of;

/// Currencies without a rate that are told apart: of a column that has more they are none.
const CURRENCIES: usize = 64;

/// The amounts of one source by whether they are worth something in the reporting currency.
#[derive(Debug, Default)]
pub(crate) struct Priced {
    with: u64,
    without: u64,
    /// Those without, by currency.
    currencies: BTreeMap<String, u64>,
}

impl Priced {
    /// Takes an amount of a day.
    pub(crate) fn take(&mut self, rates: &Rates, currency: Option<&str>, day: i32) {
        let Some(currency) = currency.and_then(|currency| rates.without(currency, day)) else {
            self.with += 1;
            return;
        };
        self.without += 1;
        let currency = currency.to_uppercase();
        if self.currencies.len() < CURRENCIES || self.currencies.contains_key(&currency) {
            *self.currencies.entry(currency).or_default() += 1;
        }
    }

    /// The same share of so many amounts.
    pub(crate) fn of(self, amounts: u64) -> Self {
        let all = u128::from(self.with + self.without);
        let scaled = u128::from(amounts) * u128::from(self.with);
        let with = scaled.checked_div(all).unwrap_or(0) as u64;
        Self {
            with,
            without: amounts - with,
            currencies: self.currencies,
        }
    }

    /// The currency of most of those without a rate.
    fn currency(&self) -> Option<&str> {
        let most = self.currencies.iter().rev().max_by_key(|(_, amounts)| **amounts);
        most.map(|(currency, _)| currency.as_str())
    }

    /// How many amounts are worth nothing any more, as they lack a rate that they had; none where those are not most.
    fn lost(&self, before: &Before) -> Option<u64> {
        let newly = self.without.saturating_sub(before.without);
        let lost = newly.min(before.with.saturating_sub(self.with));
        let left = (self.with + self.without).min(before.with);
        (2 * self.with < before.with && 2 * newly > left).then_some(lost)
    }
}

/// The amounts of a source in a snapshot: worth something, and not.
#[derive(Debug, Default)]
struct Before {
    with: u64,
    without: u64,
}

impl Before {
    async fn of(
        stored: &Tables,
        state: &SessionState,
        previous: &Manifest,
        kind: Kind,
        source: &str,
    ) -> Result<Self> {
        let table = kind.relation().map(|relation| format!("public.{relation}"));
        let Some(table) = table.and_then(|table| previous.tables.get(&table)) else {
            return Ok(Self::default());
        };
        let rows = provider_as_source(Arc::new(stored.table(table)?));
        let plan = LogicalPlanBuilder::scan("facts", rows, None)?
            .filter(ident("source").eq(lit(source)))?
            .aggregate(Vec::<Expr>::new(), [count(lit(1)), count(ident("amount"))])?
            .build()?;
        let plan = state.create_physical_plan(&plan).await?;
        let counted = collect(plan, state.task_ctx()).await?;
        let sum = |at: usize| -> u64 {
            let columns = counted.iter().map(|batch| batch.column(at));
            let counts = columns.flat_map(|column| column.as_primitive::<Int64Type>().values());
            counts.map(|count| count.unsigned_abs()).sum()
        };
        let (all, with) = (sum(0), sum(1));
        Ok(Self {
            with,
            without: all - with,
        })
    }
}

/// What the snapshot before loses by amounts that are NULL now, in the order of the sources: where it was made with the same
/// configuration, it is the rates that have gone and not the configuration that takes them away.
///
/// # Errors
/// When the snapshot cannot be read.
pub(crate) async fn unpriced(
    engine: &Arc<Engine>,
    state: &SessionState,
    previous: Option<&Manifest>,
    landing: &Landing,
    mut priced: Vec<(&SourceConfig, Priced)>,
) -> Result<Vec<LeftOut>> {
    let config = engine.config();
    let mut found = Vec::new();
    let Some(previous) = previous.filter(|previous| previous.config_hash != config.hash) else {
        return Ok(found);
    };
    // Otherwise no half can be lost, whatever there was.
    priced.retain(|(_, priced)| priced.without > priced.with);
    if priced.is_empty() {
        return Ok(found);
    }
    let stored = Tables::new(engine, state, Some(previous)).await?;
    let renamed = renamed(config, Some(previous), landing);
    for (source, priced) in priced {
        let called = renamed.iter().find(|renamed| renamed.to == source.name);
        let called = called.map_or(&source.name, |renamed| &renamed.from);
        let before = Before::of(&stored, state, previous, source.kind, called).await?;
        let (Some(written), Some(currency)) = (source.column("currency"), priced.currency()) else {
            continue;
        };
        let Some(lost) = priced.lost(&before) else {
            continue;
        };
        let files = previous.sources.get(called).map(|source| source.files.as_slice());
        let live = |file: &&SourceFile| file.state == FileState::Live;
        let mut files = files.unwrap_or_default().iter().filter(live);
        let first = files.next().map(|file| file.path.clone());
        found.push(LeftOut {
            source: source.name.clone(),
            rows: lost,
            files: u64::from(first.is_some()) + files.count() as u64,
            first: first.unwrap_or_default(),
            cause: Cause::Unpriced {
                at: written.at,
                sql: written.sql.clone(),
                currency: currency.to_owned(),
                reporting: config.currency.clone(),
                of: priced.with + lost,
            },
        });
    }
    Ok(found)
}

/// Refuses a run after which most amounts of a source would be NULL because of the configuration alone.
///
/// # Errors
/// The first of [`unpriced`].
pub(crate) async fn keep_priced(
    engine: &Arc<Engine>,
    state: &SessionState,
    previous: Option<&Manifest>,
    landing: &Landing,
    staged: &[Staged],
) -> Result<()> {
    let config = engine.config();
    if previous.is_none_or(|previous| previous.config_hash == config.hash) {
        return Ok(());
    }
    let rates = rates_now(config, staged.iter())?;
    let mut priced = Vec::new();
    for staged in staged {
        let source = config.sources.get(usize::from(staged.source));
        if let Some(source) = source.filter(|source| has_currencies(source)) {
            priced.push((source, amounts(config, &rates, staged)?));
        }
    }
    let lost = unpriced(engine, state, previous, landing, priced).await?;
    lost.into_iter()
        .next()
        .map_or(Ok(()), |lost| Err(Error::LeftOut(Box::new(lost))))
}

/// Whether the amounts of a source are in currencies of their own.
pub(crate) fn has_currencies(source: &SourceConfig) -> bool {
    matches!(source.kind, Kind::Order | Kind::Spend) && source.column("currency").is_some()
}

/// The amounts of rows that have been read.
fn amounts(config: &Config, rates: &Rates, staged: &Staged) -> Result<Priced> {
    let mut priced = Priced::default();
    let day = if staged.kind.timed() { "_time" } else { "date" };
    staged.newest(&["currency", day], |batch| {
        let currencies = batch.column(0).as_string::<i32>();
        let (instants, days) = (
            batch.column(1).as_primitive_opt::<TimestampMicrosecondType>(),
            batch.column(1).as_primitive_opt::<Date32Type>(),
        );
        for row in 0..batch.num_rows() {
            let day = match (instants, days) {
                (Some(instants), _) => day_of(instants.value(row), config.zone),
                (_, Some(days)) => Some(days.value(row)),
                _ => None,
            };
            let currency = currencies.is_valid(row).then(|| currencies.value(row));
            priced.take(rates, currency, day.unwrap_or(i32::MAX));
        }
        Ok(())
    })?;
    Ok(priced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priced(with: u64, without: u64) -> Priced {
        Priced {
            with,
            without,
            ..Priced::default()
        }
    }

    #[test]
    fn what_was_worth_nothing_before_is_not_lost_now() {
        let check = |now: [u64; 2], before: [u64; 2], expected: Option<u64>| {
            let [with, without] = before;
            let lost = priced(now[0], now[1]).lost(&Before { with, without });
            assert_eq!(lost, expected, "{now:?} {before:?}");
        };
        // Exchanged columns.
        check([0, 100], [100, 0], Some(100));
        check([49, 51], [100, 0], Some(51));
        check([50, 50], [100, 0], None);
        check([0, 1_100], [100, 1_000], Some(100));
        // An earlier moment, before rates begin: what follows it is not there, and the rest had no rate before.
        check([0, 1_000], [300, 1_000], None);
        // And one by which those that are left lose theirs.
        check([0, 40], [100, 0], Some(40));
        // A condition that leaves out what has one.
        check([45, 60], [100, 60], None);
        // Orders in another currency that land beside.
        check([100, 1_000], [100, 0], None);
        check([0, 0], [0, 0], None);
    }

    #[test]
    fn the_currency_of_most_amounts_is_named_however_it_is_written() {
        let rates = Rates::new("USD");
        let mut priced = Priced::default();
        for currency in ["GBP", "eur", " EUR ", "chf", "usd", ""] {
            priced.take(&rates, Some(currency), 0);
        }
        priced.take(&rates, None, 0);
        assert_eq!((priced.with, priced.without), (3, 4));
        assert_eq!(priced.currency(), Some("EUR"));
        let of_versions = priced.of(14);
        assert_eq!((of_versions.with, of_versions.without), (6, 8));
        assert_eq!(Priced::default().of(3).without, 3);
    }

    #[test]
    fn of_a_column_that_is_no_currency_few_values_are_kept() {
        let rates = Rates::new("USD");
        let mut priced = Priced::default();
        for order in 0..1_000 {
            priced.take(&rates, Some(&order.to_string()), 0);
        }
        assert_eq!((priced.without, priced.currencies.len()), (1_000, CURRENCIES));
    }
}
