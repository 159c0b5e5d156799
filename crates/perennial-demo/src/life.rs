//! What people do, from the day they arrive until the end of history, and what the systems note of it.
//!
//! Purchases follow the model that the prediction functions fit (Fader, Hardie and Lee 2005): while alive, a customer
//! orders at a rate of their own (gamma), and after each order stops for good with a probability of their own (beta).
//! What they spend follows Gamma-Gamma. Both run on the clock of [`calendar::ACTIVITY`], so that seasons show.

mod relations;
mod shop;
mod web;

use crate::{
    calendar::{self, ACTIVITY, ARRIVALS, DAY, END, START},
    dirt, marketing,
    person::{Bond, Person},
    random::{Chance, Purpose, unique_key},
    rows::{
        Account, Change, Consent, Contact, Event, Interaction, Item, Order, Reader, Refund, Response, Truth,
    },
    source::Source,
};

pub(crate) use self::web::visitor;

/// Families of unique keys.
const ORDER_KEY: u8 = 1;
const REFUND_KEY: u8 = 2;
const EVENT_KEY: u8 = 3;
const DEVICE_KEY: u8 = 4;
const TICKET_KEY: u8 = 5;
const RESPONSE_KEY: u8 = 6;

/// The rows of a batch of people.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) contacts: Vec<Contact>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) orders: Vec<Order>,
    pub(crate) items: Vec<Item>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) events: Vec<Event>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) interactions: Vec<Interaction>,
    pub(crate) responses: Vec<Response>,
    pub(crate) changes: Vec<Change>,
    pub(crate) consents: Vec<Consent>,
    pub(crate) truth: Vec<Truth>,
}

/// The world that people live in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// How many customers there are.
    pub(crate) customers: u64,
}

/// One customer's life.
struct Life<'a> {
    world: World,
    person: &'a Person,
    chance: Chance,
    batch: &'a mut Batch,
    /// The account in the shop, if there is one.
    user: Option<u64>,
    /// When the business came to know the person.
    known_at: i64,
    /// When the person stopped having to do with the business.
    ended_at: i64,
    /// The position of the channel that brought the person.
    channel: usize,
    /// How satisfied the person is, from 0 to 1.
    satisfaction: f64,
    /// How likely the person is to stop after an order.
    dropout: f64,
    /// How many keys of each family have been given out.
    keys: [u64; 8],
}

/// Lives the life of a customer.
pub(crate) fn customer(world: World, index: u64, batch: &mut Batch) {
    let person = Person::new(world.seed, index);
    let mut chance = Chance::new(world.seed, Purpose::Life, index);
    let channel = marketing::acquiring_channel(&mut chance);
    let quality = marketing::CHANNELS[channel].quality;
    let dropout = (chance.beta(0.85, 2.9) / quality.sqrt()).min(0.98);
    let satisfaction = (0.85 - 0.75 * dropout + 0.15 * chance.normal()).clamp(0.02, 0.98);
    let known_at = ARRIVALS
        .moment(chance.uniform() * ARRIVALS.end())
        .unwrap_or(END - DAY);
    let user = (person.bond == Bond::Member).then(|| 1_000_001 + 2 * index);
    let mut life = Life {
        world,
        person: &person,
        chance,
        batch,
        user,
        known_at,
        ended_at: END,
        channel,
        satisfaction,
        dropout,
        keys: [0; 8],
    };
    life.live();
}

/// Accounts that people of the business made to try things out. Each counts as a person of its own.
pub(crate) fn test_account(world: World, number: u64, id: u64, batch: &mut Batch) {
    let mut chance = Chance::new(world.seed, Purpose::TestAccount, number);
    let at = START + (chance.uniform() * (END - START) as f64) as i64;
    let email = match number % 3 {
        0 => "test@example.com".to_owned(),
        _ => format!("qa+{number}@kranich.example"),
    };
    let key = 900_000_001 + number;
    batch.accounts.push(Account {
        key,
        email: email.clone(),
        first_name: Some("Test".to_owned()),
        last_name: Some("Test".to_owned()),
        country: "DE",
        registered_at: at,
    });
    batch.truth.push(Truth {
        source: Source::Accounts,
        key,
        person: id,
    });
    let order = unique_key(world.seed, ORDER_KEY, id, 0);
    batch.orders.push(Order {
        key: order,
        user: Some(key),
        email,
        created_at: at,
        updated_at: at,
        total_cents: 100,
        currency: "EUR",
        state: if number.is_multiple_of(2) {
            "cancelled"
        } else {
            "paid"
        },
        channel: None,
        campaign: None,
        coupon: None,
        discount_cents: 0,
        cost_cents: 0,
    });
    batch.truth.push(Truth {
        source: Source::Orders,
        key: order,
        person: id,
    });
}

impl Life<'_> {
    fn live(&mut self) {
        self.discover();
        if self.user.is_some() {
            self.register();
        }
        let orders = self.buy();
        self.close_account(orders.last().map_or(self.known_at, |order| order.at));
        if self.user.is_some() {
            self.subscribe();
        }
        self.come_back(&orders);
        self.recommend(&orders);
        self.be_contacted();
        self.read();
        self.talk(&orders);
        self.answer(&orders);
    }

    /// An account, with the answers to the two questions about consent.
    fn register(&mut self) {
        let Some(user) = self.user else { return };
        self.account(user, self.known_at);
        // A few forget that they have an account and make a second.
        if self.chance.happens(0.006) {
            let at = self.known_at + self.waiting(200.0);
            self.account(user + 1, at);
        }
        for (purpose, rate) in [("marketing", 0.58), ("analytics", 0.71)] {
            let mut granted = self.chance.happens(rate);
            let mut at = self.known_at;
            self.consent(at, purpose, granted);
            while self.chance.happens(0.11) {
                at += self.waiting(220.0);
                granted = !granted;
                self.consent(at, purpose, granted);
            }
        }
    }

    fn account(&mut self, key: u64, registered_at: i64) {
        if registered_at >= END {
            return;
        }
        let (first_name, last_name) = dirt::names(&mut self.chance, self.person);
        let email = dirt::email(&mut self.chance, self.person);
        let country = self.person.country.code;
        self.batch.accounts.push(Account {
            key,
            email,
            first_name,
            last_name,
            country,
            registered_at,
        });
        self.note(Source::Accounts, key);
    }

    fn consent(&mut self, at: i64, purpose: &'static str, granted: bool) {
        if at >= END {
            return;
        }
        let email = dirt::email(&mut self.chance, self.person);
        let consent = Consent {
            email,
            at,
            purpose,
            granted,
        };
        // The log delivers at least once.
        if self.chance.happens(0.004) {
            self.batch.consents.push(consent.clone());
        }
        self.batch.consents.push(consent);
    }

    /// A few who have stopped buying close their accounts.
    fn close_account(&mut self, last_at: i64) {
        if self.user.is_none() || !self.chance.happens(0.09 * (1.1 - self.satisfaction)) {
            return;
        }
        let at = last_at + calendar::HOUR + self.waiting(75.0);
        if at < END {
            self.ended_at = at;
            self.visit(web::Visit::account(at, "account_closed"));
        }
    }

    /// A time that passes, with the given mean in days.
    fn waiting(&mut self, mean_days: f64) -> i64 {
        (self.chance.exponential(mean_days) * DAY as f64) as i64
    }

    /// A moment that is a number of busy days later, if history has it.
    fn after(at: i64, busy_days: f64) -> Option<i64> {
        ACTIVITY.moment(ACTIVITY.reading(at) + busy_days)
    }

    /// The answer to whose a record is.
    fn note(&mut self, source: Source, key: u64) {
        self.batch.truth.push(Truth {
            source,
            key,
            person: self.person.id(),
        });
    }

    fn new_key(&mut self, family: u8) -> u64 {
        let count = &mut self.keys[usize::from(family)];
        *count += 1;
        unique_key(self.world.seed, family, self.person.index, *count)
    }
}
