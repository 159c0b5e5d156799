//! The tables that are about no person: advertising, exchange rates and the catalogue.

use crate::{
    calendar::{ARRIVALS, DAY, DAYS, FIRST_DAY, START, date},
    catalogue::Product,
    marketing::{CAMPAIGNS, CHANNELS},
    random::{Chance, Purpose},
    rows::{Entry, Rate, Spend},
};

use chrono::{Datelike, Weekday};

/// Euros for a dollar on the first day, in millionths.
const FIRST_RATE: f64 = 934_000.0;
/// Rates are known for this many days before history, so that its first day, a Sunday, has one.
const RATES_BEFORE: i32 = 10;
/// How much dearer a new customer became over the whole of history.
const DEARER: f64 = 0.35;

/// What every campaign cost on every day that it ran.
pub(crate) fn spend(seed: u64, customers: u64) -> Vec<Spend> {
    let mut chance = Chance::new(seed, Purpose::Reference, 0);
    let mut rows = Vec::new();
    for day in 0..DAYS {
        let month = date(FIRST_DAY + day).month();
        let arrivals = customers as f64 * ARRIVALS.share(usize::try_from(day).unwrap_or_default());
        for (number, campaign) in CAMPAIGNS.iter().enumerate() {
            let channel = &CHANNELS[campaign.channel];
            let beside: f64 = CAMPAIGNS
                .iter()
                .filter(|other| other.channel == campaign.channel)
                .map(|other| other.weight_in(month))
                .sum();
            let share = if beside > 0.0 {
                campaign.weight_in(month) / beside
            } else {
                0.0
            };
            let dearer = 1.0 + DEARER * f64::from(day) / f64::from(DAYS);
            let euros = arrivals * channel.share * channel.cost * share * dearer * chance.gamma(20.0, 20.0);
            if euros > 0.0 {
                let at = START + i64::from(day) * DAY;
                rows.push(Spend {
                    at,
                    campaign: number,
                    cents: (100.0 * euros) as i64,
                });
            }
        }
    }
    rows
}

/// The exchange rate of the dollar on every working day.
pub(crate) fn rates(seed: u64) -> Vec<Rate> {
    let mut chance = Chance::new(seed, Purpose::Reference, 1);
    let mut rate = FIRST_RATE;
    let mut rows = Vec::new();
    for day in -RATES_BEFORE..DAYS {
        // A walk that is drawn back to where it began.
        rate *= (0.0042 * chance.normal() + 0.004 * (FIRST_RATE / rate).ln()).exp();
        if !matches!(date(FIRST_DAY + day).weekday(), Weekday::Sat | Weekday::Sun) {
            let at = START + i64::from(day) * DAY;
            rows.push(Rate {
                at,
                currency: "USD",
                millionths: rate as i64,
            });
        }
    }
    rows
}

/// The catalogue.
pub(crate) fn products() -> Vec<Entry> {
    Product::all().map(Entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_a_rate_at_or_before_it_and_none_is_absurd() {
        let rates = rates(7);
        assert!(rates.first().is_some_and(|first| first.at < START));
        assert!(rates.windows(2).all(|pair| pair[1].at - pair[0].at <= 3 * DAY));
        assert!(
            rates
                .iter()
                .all(|rate| (700_000..1_200_000).contains(&rate.millionths))
        );
    }

    #[test]
    fn campaigns_cost_what_a_new_customer_is_worth() {
        let euros = spend(7, 20_000).iter().map(|row| row.cents).sum::<i64>() as f64 / 100.0;
        let per_customer = euros / 20_000.0;
        assert!((6.0..16.0).contains(&per_customer), "{per_customer}");
    }
}
