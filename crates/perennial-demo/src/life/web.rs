//! Visits to the web site, of people who are known and of people who stay unknown.

use crate::{
    calendar::{ARRIVALS, DAY, END, MINUTE, SECOND, START},
    catalogue::Product,
    marketing,
    random::{Chance, Purpose, unique_key},
    rows::{Event, Truth},
    source::Source,
};

use super::{Batch, DEVICE_KEY, EVENT_KEY, Life, World, shop::Purchase};

/// A share of the visits of known people happens on somebody else's device.
const BORROWED: f64 = 0.01;
/// The tracker delivers at least once.
const DELIVERED_TWICE: f64 = 0.003;

/// A visit that is to be noted.
pub(super) struct Visit<'a> {
    /// When it begins, or for a visit to the checkout when it ends.
    at: i64,
    channel: usize,
    campaign: Option<usize>,
    /// Whether the person logs in if there is an account.
    logs_in: Login,
    /// Products looked at without being bought.
    browsed: u64,
    bought: &'a [Product],
    order: Option<u64>,
    /// An event about the account at the end of the visit.
    account: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    No,
    Maybe,
    Yes,
    /// The account is made in this visit.
    SignUp,
}

/// A step of a visit: the event, the product concerned, and the mean of the seconds until it.
type Step = (&'static str, Option<Product>, f64);

impl<'a> Visit<'a> {
    /// A visit that ends at the checkout, with an order or without.
    pub(super) fn checkout(
        at: i64,
        order: Option<u64>,
        bought: &'a [Product],
        channel: usize,
        campaign: Option<usize>,
    ) -> Self {
        Self {
            campaign,
            bought,
            order,
            ..Self::browse(at, channel, 0)
        }
    }

    /// A visit about the account.
    pub(super) fn account(at: i64, event: &'static str) -> Self {
        // People go to their account directly.
        Self {
            logs_in: Login::Yes,
            account: Some(event),
            ..Self::browse(at, 3, 0)
        }
    }

    fn browse(at: i64, channel: usize, browsed: u64) -> Self {
        Self {
            at,
            channel,
            campaign: None,
            logs_in: Login::Maybe,
            browsed,
            bought: &[],
            order: None,
            account: None,
        }
    }
}

impl Life<'_> {
    /// The visits before the business comes to know the person, and the one in which it does.
    pub(super) fn discover(&mut self) {
        for _ in 0..self.chance.poisson(0.8) {
            let at = self.known_at - self.waiting(7.0) - MINUTE;
            let browsed = self.chance.below(3);
            let campaign = marketing::campaign_of(&mut self.chance, self.channel, at);
            self.visit(Visit {
                campaign,
                logs_in: Login::No,
                ..Visit::browse(at, self.channel, browsed)
            });
        }
        let campaign = marketing::campaign_of(&mut self.chance, self.channel, self.known_at);
        let logs_in = if self.user.is_some() {
            Login::SignUp
        } else {
            Login::No
        };
        self.visit(Visit {
            campaign,
            logs_in,
            ..Visit::browse(self.known_at, self.channel, 1)
        });
    }

    /// Visits without an order, while the person is interested.
    pub(super) fn come_back(&mut self, orders: &[Purchase]) {
        let interest_ends = orders.last().map_or(self.known_at, |last| last.at) + self.waiting(60.0);
        let weeks = (interest_ends.min(self.ended_at) - self.known_at) as f64 / (7.0 * DAY as f64);
        for _ in 0..self.chance.poisson((0.25 + 0.03 * weeks.max(0.0)).min(30.0)) {
            let share = self.chance.uniform();
            let Some(at) = Self::after(self.known_at, 7.0 * weeks.max(0.5) * share) else {
                continue;
            };
            let channel = marketing::visiting_channel(&mut self.chance);
            let campaign = marketing::campaign_of(&mut self.chance, channel, at);
            let browsed = 1 + self.chance.below(2);
            self.visit(Visit {
                campaign,
                ..Visit::browse(at, channel, browsed)
            });
        }
    }

    /// The satisfied tell others.
    pub(super) fn recommend(&mut self, orders: &[Purchase]) {
        if self.user.is_none() || orders.is_empty() || self.satisfaction < 0.62 || !self.chance.happens(0.16)
        {
            return;
        }
        for _ in 0..=self.chance.poisson(0.6) {
            let order = orders[self.chance.position(orders.len())];
            let at = order.at + 5 * DAY + self.waiting(20.0);
            self.visit(Visit::account(at, "referral_sent"));
        }
    }

    /// Notes the events of a visit.
    pub(super) fn visit(&mut self, visit: Visit<'_>) {
        if visit.at > self.ended_at {
            return;
        }
        let logs_in = match visit.logs_in {
            Login::No => false,
            Login::Maybe => self
                .chance
                .happens(if visit.bought.is_empty() { 0.45 } else { 0.9 }),
            Login::Yes | Login::SignUp => true,
        };
        let borrowed = self.chance.happens(BORROWED);
        let device = if borrowed {
            let other = self.chance.below(self.world.customers);
            unique_key(self.world.seed, DEVICE_KEY, other, 0)
        } else {
            let number = self.device_number();
            unique_key(self.world.seed, DEVICE_KEY, self.person.index, number)
        };
        let steps = steps(&mut self.chance, &visit, logs_in && self.user.is_some());
        let gaps: Vec<i64> = steps
            .iter()
            .map(|(_, _, mean)| pause(&mut self.chance, *mean))
            .collect();
        let mut at = if visit.bought.is_empty() {
            visit.at
        } else {
            visit.at - gaps.iter().sum::<i64>()
        };
        let mut user = None;
        for ((name, product, _), gap) in steps.into_iter().zip(gaps) {
            at += gap;
            if matches!(name, "login" | "sign_up") {
                user = self.user;
            }
            let order = visit.order.filter(|_| name == "purchase");
            let key = self.new_key(EVENT_KEY);
            let (channel, campaign) = (Some(visit.channel), visit.campaign);
            let event = Event {
                key,
                device,
                user,
                name,
                at,
                channel,
                campaign,
                product,
                order,
            };
            if push(&mut self.batch.events, &mut self.chance, event) {
                self.note(Source::Events, key);
            }
        }
    }

    /// Which of their devices a person uses: everyone has one, some two, a few three.
    fn device_number(&mut self) -> u64 {
        let devices =
            1 + u64::from(self.person.index % 10 < 4) + u64::from(self.person.index.is_multiple_of(10));
        if self.chance.happens(0.7) {
            0
        } else {
            self.chance.below(devices)
        }
    }
}

/// Lives the life of a visitor who never says who they are. The answers call the visitor `id`.
pub(crate) fn visitor(world: World, number: u64, id: u64, batch: &mut Batch) {
    let mut chance = Chance::new(world.seed, Purpose::Visitor, number);
    let device = unique_key(world.seed, DEVICE_KEY, id, 0);
    let channel = marketing::acquiring_channel(&mut chance);
    let mut next = ARRIVALS.moment(chance.uniform() * ARRIVALS.end());
    let mut count = 0;
    while let Some(start) = next {
        let campaign = marketing::campaign_of(&mut chance, channel, start);
        let browsed = chance.poisson(0.9);
        let visit = Visit {
            campaign,
            logs_in: Login::No,
            ..Visit::browse(start, channel, browsed)
        };
        let mut at = start;
        for (name, product, mean) in steps(&mut chance, &visit, false) {
            at += pause(&mut chance, mean);
            count += 1;
            let key = unique_key(world.seed, EVENT_KEY, id, count);
            let (channel, user, order) = (Some(channel), None, None);
            let event = Event {
                key,
                device,
                user,
                name,
                at,
                channel,
                campaign,
                product,
                order,
            };
            if push(&mut batch.events, &mut chance, event) {
                batch.truth.push(Truth {
                    source: Source::Events,
                    key,
                    person: id,
                });
            }
        }
        next = Some(start + (chance.exponential(12.0) * DAY as f64) as i64)
            .filter(|at| chance.happens(0.3) && *at < END);
    }
}

fn steps(chance: &mut Chance, visit: &Visit<'_>, logs_in: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![("page_view", None, 0.0)];
    if logs_in && visit.logs_in != Login::SignUp {
        steps.push(("login", None, 15.0));
    }
    for _ in 0..visit.browsed {
        let budget = 400.0 + chance.exponential(2_200.0);
        let product = Product::choose(chance, None, budget);
        steps.push(("product_view", Some(product), 45.0));
        // Most of what is put into a basket stays there.
        if chance.happens(0.12) {
            steps.push(("add_to_cart", Some(product), 30.0));
        }
    }
    for product in visit.bought.iter().take(2) {
        if chance.happens(0.35) {
            steps.push(("product_view", Some(*product), 60.0));
        }
        steps.push(("add_to_cart", Some(*product), 25.0));
    }
    if !visit.bought.is_empty() {
        steps.push(("checkout", None, 40.0));
    }
    if visit.order.is_some() {
        steps.push(("purchase", None, 70.0));
    }
    if logs_in && visit.logs_in == Login::SignUp {
        steps.push(("sign_up", None, 50.0));
    }
    steps.extend(visit.account.map(|name| (name, None, 40.0)));
    steps
}

fn pause(chance: &mut Chance, mean_seconds: f64) -> i64 {
    if mean_seconds == 0.0 {
        0
    } else {
        2 * SECOND + (chance.exponential(mean_seconds) * SECOND as f64) as i64
    }
}

/// Notes an event that lies within history; says whether it did.
fn push(events: &mut Vec<Event>, chance: &mut Chance, event: Event) -> bool {
    let twice = chance.happens(DELIVERED_TWICE);
    if !(START..END).contains(&event.at) {
        return false;
    }
    if twice {
        events.push(event.clone());
    }
    events.push(event);
    true
}
