//! How people find the demo business: channels, what they cost, how good the customers are that they bring, and the
//! campaigns that run in them.

use crate::{calendar, random::Chance};

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: &'static str,
    /// Its share of new customers.
    pub(crate) share: f64,
    /// Its share of the later visits.
    pub(crate) visits: f64,
    /// How much more often than the average its customers buy.
    pub(crate) quality: f64,
    /// What a new customer costs in it, in euros, at the start of history.
    pub(crate) cost: f64,
}

/// The channels.
pub(crate) const CHANNELS: [Channel; 8] = [
    Channel {
        name: "organic_search",
        share: 0.23,
        visits: 0.21,
        quality: 1.10,
        cost: 0.0,
    },
    Channel {
        name: "paid_search",
        share: 0.21,
        visits: 0.13,
        quality: 1.00,
        cost: 21.0,
    },
    Channel {
        name: "paid_social",
        share: 0.20,
        visits: 0.10,
        quality: 0.70,
        cost: 17.0,
    },
    Channel {
        name: "direct",
        share: 0.13,
        visits: 0.27,
        quality: 1.20,
        cost: 0.0,
    },
    Channel {
        name: "referral",
        share: 0.09,
        visits: 0.03,
        quality: 1.55,
        cost: 0.0,
    },
    Channel {
        name: "affiliate",
        share: 0.07,
        visits: 0.04,
        quality: 0.60,
        cost: 14.0,
    },
    Channel {
        name: "email",
        share: 0.04,
        visits: 0.20,
        quality: 1.15,
        cost: 0.0,
    },
    Channel {
        name: "display",
        share: 0.03,
        visits: 0.02,
        quality: 0.50,
        cost: 33.0,
    },
];

/// A campaign: a channel's activity between two dates.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) name: &'static str,
    /// The channel's position in [`CHANNELS`].
    pub(crate) channel: usize,
    /// How much of the channel it carries while it runs, relative to the others.
    pub(crate) weight: f64,
    /// The first and the last month of the year in which it runs.
    pub(crate) months: (u32, u32),
    /// What it is billed in.
    pub(crate) currency: &'static str,
}

/// The campaigns. Channels without one have none to pay for either.
pub(crate) const CAMPAIGNS: [Campaign; 14] = [
    campaign("search_brand", 1, 0.4, (1, 12), "EUR"),
    campaign("search_generic", 1, 0.45, (1, 12), "EUR"),
    campaign("search_us", 1, 0.15, (1, 12), "USD"),
    campaign("social_prospecting", 2, 0.5, (1, 12), "EUR"),
    campaign("social_retargeting", 2, 0.3, (1, 12), "EUR"),
    campaign("social_us_launch", 2, 0.2, (3, 9), "USD"),
    campaign("black_friday", 2, 1.5, (11, 11), "EUR"),
    campaign("partner_network", 5, 1.0, (1, 12), "EUR"),
    campaign("newsletter_weekly", 6, 0.7, (1, 12), "EUR"),
    campaign("winback_series", 6, 0.3, (1, 12), "EUR"),
    campaign("christmas_gifts", 6, 1.2, (11, 12), "EUR"),
    campaign("friends_bring_friends", 4, 1.0, (1, 12), "EUR"),
    campaign("display_brand", 7, 1.0, (1, 12), "EUR"),
    campaign("spring_harvest", 7, 0.8, (4, 5), "EUR"),
];

const fn campaign(
    name: &'static str,
    channel: usize,
    weight: f64,
    months: (u32, u32),
    currency: &'static str,
) -> Campaign {
    Campaign {
        name,
        channel,
        weight,
        months,
        currency,
    }
}

impl Campaign {
    /// Its weight in a month of the year: 0 while it does not run.
    pub(crate) fn weight_in(&self, month: u32) -> f64 {
        if (self.months.0..=self.months.1).contains(&month) {
            self.weight
        } else {
            0.0
        }
    }
}

/// A channel that brings a new customer.
pub(crate) fn acquiring_channel(chance: &mut Chance) -> usize {
    channel_by(chance, |channel| channel.share)
}

/// A channel through which a customer comes back.
pub(crate) fn visiting_channel(chance: &mut Chance) -> usize {
    channel_by(chance, |channel| channel.visits)
}

/// A campaign of a channel that ran at a moment, if the channel had one. A tenth of the visits lost the tag.
pub(crate) fn campaign_of(chance: &mut Chance, channel: usize, at: i64) -> Option<usize> {
    let month = chrono::Datelike::month(&calendar::date(calendar::day_of(at)));
    let weight = |index: &usize| {
        let campaign = &CAMPAIGNS[*index];
        if campaign.channel == channel {
            campaign.weight_in(month)
        } else {
            0.0
        }
    };
    let positions: [usize; CAMPAIGNS.len()] = std::array::from_fn(|index| index);
    let index = *chance.weighted(&positions, weight);
    (weight(&index) > 0.0 && chance.happens(0.9)).then_some(index)
}

fn channel_by(chance: &mut Chance, weight: impl Fn(&Channel) -> f64) -> usize {
    let positions: [usize; CHANNELS.len()] = std::array::from_fn(|index| index);
    *chance.weighted(&positions, |index| weight(&CHANNELS[*index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_every_paid_channel_has_a_campaign_all_year() {
        let total = |of: fn(&Channel) -> f64| CHANNELS.iter().map(of).sum::<f64>();
        assert!((total(|channel| channel.share) - 1.0).abs() < 1e-9);
        assert!((total(|channel| channel.visits) - 1.0).abs() < 1e-9);
        for (position, channel) in CHANNELS
            .iter()
            .enumerate()
            .filter(|(_, channel)| channel.cost > 0.0)
        {
            let all_year = |campaign: &&Campaign| campaign.channel == position && campaign.months == (1, 12);
            assert!(
                CAMPAIGNS.iter().any(|campaign| all_year(&campaign)),
                "{}",
                channel.name
            );
        }
    }
}
