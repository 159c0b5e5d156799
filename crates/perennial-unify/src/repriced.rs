//! What exchange rates that have landed, or have gone, change: the amounts of some currencies on some days. A run that does
//! not work out everything takes the groups of the stored orders among them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, Schema, TimestampMicrosecondType, UInt32Type};
use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use perennial_base::Kind;
use perennial_base::clock::DAY;
use perennial_base::config::Config;
use perennial_lake::{Manifest, TableManifest};

use crate::error::Result;
use crate::ledger;
use crate::money::Rates;
use crate::records::Staged;
use crate::stored::{GROUP, Tables};
use crate::values::day_of;

/// The table of the rates of a snapshot.
pub(crate) const RATES: &str = "perennial.fx_rates";
const CURRENCY: &str = "c_currency";

/// Days on which another rate holds than before, by currency.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Repriced(HashMap<String, Vec<Range<i32>>>);

impl Repriced {
    /// The difference between the rates of two moments.
    pub(crate) fn between(before: &Rates, now: &Rates) -> Self {
        let currencies: HashSet<&str> = before.currencies().chain(now.currencies()).collect();
        let mut repriced = HashMap::new();
        for currency in currencies {
            // A rate holds from its day to that of the next.
            let days: BTreeSet<i32> = before.days(currency).chain(now.days(currency)).collect();
            let ends = days.iter().skip(1).copied().chain([i32::MAX]);
            let other = days
                .iter()
                .zip(ends)
                .filter(|(day, _)| before.rate(currency, **day) != now.rate(currency, **day))
                .map(|(day, end)| *day..end);
            let other: Vec<Range<i32>> = other.collect();
            if !other.is_empty() {
                repriced.insert(currency.to_owned(), other);
            }
        }
        Self(repriced)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an amount of a currency on a day is worth something else now.
    fn holds(&self, currency: &str, day: i32) -> bool {
        let days = self.0.get(&currency.trim().to_uppercase());
        // The last day is that of times beyond the calendar.
        let day = day.min(i32::MAX - 1);
        days.is_some_and(|days| days.iter().any(|days| days.contains(&day)))
    }

    /// The first day, and the end of the days; none of no days.
    fn span(&self) -> Option<Range<i32>> {
        let all = || self.0.values().flatten();
        Some(all().map(|days| days.start).min()?..all().map(|days| days.end).max()?)
    }

    /// The groups of the stored orders whose amounts change. No refund and no item is apart from its order.
    pub(crate) async fn orders(
        &self,
        stored: &Tables,
        state: &SessionState,
        config: &Config,
        previous: &Manifest,
    ) -> Result<Vec<u32>> {
        let mut groups = HashSet::new();
        for table in ledgers(config, previous, Kind::Order) {
            self.concerned(stored, state, config, table, "_time", |group| {
                groups.insert(group);
            })
            .await?;
        }
        Ok(groups.into_iter().collect())
    }

    /// Whether the amount of any stored spend changes.
    pub(crate) async fn spend(
        &self,
        stored: &Tables,
        state: &SessionState,
        config: &Config,
        previous: &Manifest,
    ) -> Result<bool> {
        let mut any = false;
        for table in ledgers(config, previous, Kind::Spend) {
            self.concerned(stored, state, config, table, "c_date", |_| any = true)
                .await?;
        }
        Ok(any)
    }

    /// Tells the group of each row of a ledger whose amount changes. What lies outside of all days is not read, as far as
    /// files and row groups say so: pages of a ledger have no bounds, and rows of a full run stand by their groups.
    async fn concerned(
        &self,
        stored: &Tables,
        state: &SessionState,
        config: &Config,
        table: &TableManifest,
        day: &str,
        mut tell: impl FnMut(u32),
    ) -> Result<()> {
        let columns: Option<Vec<_>> = [GROUP, day, CURRENCY]
            .map(|name| table.schema.schema().field_with_name(name).ok().cloned())
            .into_iter()
            .collect();
        let (Some(columns), Some(span)) = (columns, self.span()) else {
            return Ok(());
        };
        let dated = day == "c_date";
        let bound = |of: i32, zones: i64| match dated {
            true => ScalarValue::Date32(Some(of)),
            // A day of any zone begins and ends within a day of that of UTC.
            false => {
                let at = (i64::from(of) + zones).saturating_mul(DAY);
                ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()))
            }
        };
        let files = Arc::new(stored.columns(table, Arc::new(Schema::new(columns)))?);
        let plan = LogicalPlanBuilder::scan("ledger", provider_as_source(files), None)?
            .filter(
                ident(CURRENCY)
                    .is_not_null()
                    .and(ident(day).gt_eq(lit(bound(span.start, -1))))
                    .and(ident(day).lt_eq(lit(bound(span.end, 1)))),
            )?
            .build()?;
        let plan = state.create_physical_plan(&plan).await?;
        let mut stream = execute_stream(plan, state.task_ctx())?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let groups = batch.column(0).as_primitive::<UInt32Type>();
            let currencies = batch.column(2).as_string::<i32>();
            for row in 0..batch.num_rows() {
                let day = match dated {
                    true => Some(batch.column(1).as_primitive::<Date32Type>().value(row)),
                    false => {
                        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
                        day_of(times.value(row), config.zone)
                    }
                };
                if self.holds(currencies.value(row), day.unwrap_or(i32::MAX)) {
                    tell(groups.value(row));
                }
            }
        }
        Ok(())
    }
}

/// The rates of a snapshot.
pub(crate) async fn rates_before(stored: &Tables, config: &Config, previous: &Manifest) -> Result<Rates> {
    let mut rates = Rates::new(&config.currency);
    for batch in stored
        .rows(Some(previous), RATES, &["date", "currency", "rate"])
        .await?
    {
        rates.add(&batch)?;
    }
    rates.finish();
    Ok(rates)
}

/// The rates of sources that have been read: of each record the newest version.
pub(crate) fn rates_now<'a>(config: &Config, staged: impl Iterator<Item = &'a Staged>) -> Result<Rates> {
    let mut rates = Rates::new(&config.currency);
    for staged in staged.filter(|staged| staged.kind == Kind::FxRate) {
        staged.newest(&["date", "currency", "rate"], |batch| rates.add(batch))?;
    }
    rates.finish();
    Ok(rates)
}

/// The ledgers of the sources of a kind.
fn ledgers<'a>(
    config: &'a Config,
    previous: &'a Manifest,
    kind: Kind,
) -> impl Iterator<Item = &'a TableManifest> {
    let sources = config.sources.iter().filter(move |source| source.kind == kind);
    sources.filter_map(|source| previous.tables.get(&ledger::table_of(&source.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates of one currency against the euro, in tenths: day and rate.
    fn rates(of: &[(i32, i128)]) -> Rates {
        let of: Vec<(i32, i128)> = of
            .iter()
            .map(|(day, rate)| (*day, rate * 1_000_000_000))
            .collect();
        let mut rates = Rates::of("EUR", "USD", &of);
        rates.finish();
        rates
    }

    #[track_caller]
    fn check(before: &[(i32, i128)], now: &[(i32, i128)], days: Option<Range<i32>>) {
        let repriced = Repriced::between(&rates(before), &rates(now));
        let expected = days.map(|days| ("USD".to_owned(), vec![days]));
        assert_eq!(repriced, Repriced(expected.into_iter().collect()));
    }

    #[test]
    fn a_rate_holds_from_its_day_to_that_of_the_next() {
        let end = i32::MAX;
        check(&[], &[(10, 9)], Some(10..end));
        check(&[(10, 9)], &[(10, 9), (20, 8)], Some(20..end));
        check(&[(10, 9), (30, 7)], &[(10, 9), (20, 8), (30, 7)], Some(20..30));
        check(&[(10, 9), (30, 7)], &[(5, 8), (10, 9), (30, 7)], Some(5..10));
        // Gone, and the one before holds again.
        check(&[(10, 9), (20, 8), (30, 7)], &[(10, 9), (30, 7)], Some(20..30));
        check(&[(10, 9)], &[], Some(10..end));
        // The same rate once more, and two of one day of which the greater holds.
        check(&[(10, 9)], &[(10, 9), (20, 9)], None);
        check(&[(10, 9)], &[(10, 9), (10, 8)], None);
        check(&[(10, 9)], &[(10, 9), (10, 10)], Some(10..end));
    }

    #[test]
    fn amounts_are_of_a_currency_however_it_is_written() {
        let repriced = Repriced::between(&rates(&[]), &rates(&[(10, 9), (20, 8)]));
        assert!(repriced.holds(" usd", 10) && repriced.holds("USD", 25));
        assert!(!repriced.holds("USD", 9) && !repriced.holds("GBP", 10));
    }

    #[test]
    fn rates_of_the_reporting_currency_change_nothing() {
        let mut now = Rates::of("USD", "USD", &[(10, 9_000_000_000)]);
        now.finish();
        assert!(Repriced::between(&Rates::new("USD"), &now).is_empty());
    }
}
