//! Amounts in the reporting currency. The rate is the latest one at or before the fact's day.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Date32Type, Decimal128Type, DecimalType};

use crate::error::Result;

/// Digits behind the point of rates.
const RATE_SCALE: u32 = 10;

/// All exchange rates, and the reporting currency.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    reporting: String,
    by_currency: HashMap<String, Vec<(i32, i128)>>,
}

impl Rates {
    pub(crate) fn new(reporting: &str) -> Self {
        Self {
            reporting: reporting.to_uppercase(),
            by_currency: HashMap::new(),
        }
    }

    /// Rates of one currency: day and rate.
    #[cfg(test)]
    pub(crate) fn of(reporting: &str, currency: &str, rates: &[(i32, i128)]) -> Self {
        let mut of = Self::new(reporting);
        of.by_currency.insert(currency.to_owned(), rates.to_vec());
        of
    }

    pub(crate) fn reporting(&self) -> &str {
        &self.reporting
    }

    /// The currencies that are converted by a rate.
    pub(crate) fn currencies(&self) -> impl Iterator<Item = &str> {
        let known = self.by_currency.keys().map(String::as_str);
        known.filter(|currency| !currency.eq_ignore_ascii_case(&self.reporting))
    }

    /// The first day on which the currency of reports has a rate to itself that is not 1, and the rate.
    pub(crate) fn of_itself(&self) -> Option<(i32, String)> {
        let mut rates = self.by_currency.get(&self.reporting)?.iter();
        let one = 10_i128.pow(RATE_SCALE);
        // What was worked out over a third currency is one but for rounding.
        let (day, rate) = rates.find(|(_, rate)| (rate - one).abs() > one / 1_000)?;
        let rate = Decimal128Type::format_decimal(*rate, Decimal128Type::MAX_PRECISION, RATE_SCALE as i8);
        Some((*day, rate.trim_end_matches('0').trim_end_matches('.').to_owned()))
    }

    /// The days on which a rate of a currency begins to hold.
    pub(crate) fn days(&self, currency: &str) -> impl Iterator<Item = i32> {
        let rates = self.by_currency.get(currency).into_iter().flatten();
        rates.map(|(day, _)| *day)
    }

    /// Adds the rows of a source: `date`, `currency` and `rate` by name.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let dates = batch
            .column(schema.index_of("date")?)
            .as_primitive::<Date32Type>();
        let currencies = batch.column(schema.index_of("currency")?).as_string::<i32>();
        let rates = batch
            .column(schema.index_of("rate")?)
            .as_primitive::<Decimal128Type>();
        for row in 0..batch.num_rows() {
            if dates.is_valid(row) && currencies.is_valid(row) && rates.is_valid(row) {
                let currency = currencies.value(row).trim().to_uppercase();
                self.by_currency
                    .entry(currency)
                    .or_default()
                    .push((dates.value(row), rates.value(row)));
            }
        }
        Ok(())
    }

    /// Puts the rates in order. Of two rates of one day the greater holds, whatever their order of arrival.
    pub(crate) fn finish(&mut self) {
        for rates in self.by_currency.values_mut() {
            rates.sort_unstable();
            rates.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 = kept.1.max(later.1);
                }
                same
            });
        }
    }

    /// An amount of `currency` in the reporting currency, both in ten-thousandths; `None` without a rate. No currency
    /// is the reporting one.
    pub(crate) fn convert(&self, amount: i128, currency: Option<&str>, day: i32) -> Option<i128> {
        let Some(currency) = self.other(currency) else {
            return Some(amount);
        };
        let rate = self.rate(currency, day)?;
        rounded(amount.checked_mul(rate)?, 10_i128.pow(RATE_SCALE))
    }

    /// A currency, where it is another one than that of reports and has no rate at or before a day.
    pub(crate) fn without<'a>(&self, currency: &'a str, day: i32) -> Option<&'a str> {
        let currency = self.other(Some(currency));
        currency.filter(|currency| self.rate(currency, day).is_none())
    }

    /// A currency, where it is another one than that of reports.
    fn other<'a>(&self, currency: Option<&'a str>) -> Option<&'a str> {
        let currency = currency.map(str::trim).filter(|currency| !currency.is_empty());
        currency.filter(|currency| !currency.eq_ignore_ascii_case(&self.reporting))
    }

    /// The latest rate at or before a day.
    pub(crate) fn rate(&self, currency: &str, day: i32) -> Option<i128> {
        let rates = match self.by_currency.get(currency) {
            Some(rates) => rates,
            None => self.by_currency.get(&currency.to_uppercase())?,
        };
        let at = rates.partition_point(|(from, _)| *from <= day).checked_sub(1)?;
        rates.get(at).map(|(_, rate)| *rate)
    }
}

/// Half away from zero, as numeric rounds in Postgres.
fn rounded(value: i128, divisor: i128) -> Option<i128> {
    let half = divisor / 2;
    let shifted = if value >= 0 {
        value.checked_add(half)?
    } else {
        value.checked_sub(half)?
    };
    Some(shifted / divisor)
}

/// A quotient of two amounts in ten-thousandths by a count.
pub(crate) fn average(sum: i128, count: i128) -> Option<i128> {
    if count == 0 { None } else { rounded(sum, count) }
}

/// Codes of currencies as ISO 4217 writes them: three letters in upper case. Text of another form keeps its case, blank
/// text is no currency.
pub(crate) fn currencies(array: &StringArray) -> ArrayRef {
    let code = |text: &str| {
        let text = text.trim();
        let iso = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        match text {
            "" => None,
            _ if iso => Some(text.to_ascii_uppercase()),
            other => Some(other.to_owned()),
        }
    };
    Arc::new(
        array
            .iter()
            .map(|text| text.and_then(code))
            .collect::<StringArray>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: i128 = 10_000;

    fn rates() -> Rates {
        let mut rates = Rates::of("EUR", "USD", &[(20, 9_000_000_000), (10, 8_500_000_000)]);
        rates.finish();
        rates
    }

    #[test]
    fn the_latest_rate_at_or_before_the_day_holds() {
        let rates = rates();
        assert_eq!(rates.convert(100 * UNIT, Some("usd"), 19), Some(85 * UNIT));
        assert_eq!(rates.convert(100 * UNIT, Some("USD"), 20), Some(90 * UNIT));
        assert_eq!(rates.convert(100 * UNIT, Some("USD"), 9), None);
        assert_eq!(rates.convert(100 * UNIT, Some("GBP"), 20), None);
        assert_eq!(rates.convert(100 * UNIT, None, 9), Some(100 * UNIT));
    }

    #[test]
    fn a_rate_of_the_reporting_currency_has_to_be_one() {
        let one = 10_i128.pow(RATE_SCALE);
        assert_eq!(rates().of_itself(), None);
        let to_itself = |rates: &[(i32, i128)]| Rates::of("EUR", "EUR", rates).of_itself();
        assert_eq!(to_itself(&[(1, one), (2, one)]), None);
        assert_eq!(
            to_itself(&[(1, one), (2, 10_842_000_000)]),
            Some((2, "1.0842".to_owned()))
        );
        assert_eq!(to_itself(&[(1, one - 1)]), None);
        assert_eq!(to_itself(&[(1, 2 * one)]), Some((1, "2".to_owned())));
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        // 0.0001 USD at 0.85 is 0.000085; 0.0010 at 0.85 is 0.00085.
        assert_eq!(rates().convert(1, Some("USD"), 10), Some(1));
        assert_eq!(rates().convert(-10, Some("USD"), 10), Some(-9));
        assert_eq!(average(-5, 2), Some(-3));
    }
}
