//! Orders, what is in them, and what is given back.

use crate::{
    calendar::{DAY, END, HOUR, MINUTE},
    catalogue::Product,
    dirt, marketing,
    person::Bond,
    rows::{Item, Order, Refund},
    source::Source,
};

use super::{Life, ORDER_KEY, REFUND_KEY, web::Visit};

/// The purchase rate of customers in weeks: the shape and rate of its gamma distribution.
const RATE: (f64, f64) = (0.55, 10.5);
/// What an order is worth in euros: the shapes of the two gamma distributions, and the rate of the second.
const SPEND: (f64, f64, f64) = (6.2, 3.7, 15.4);
/// A parcel takes this many days on average.
const DELIVERY_DAYS: f64 = 3.0;
/// Nobody orders more often than this in three and a half years.
const MOST_ORDERS: usize = 400;

/// An order that a customer completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purchase {
    pub(super) at: i64,
    pub(super) refunded: bool,
}

impl Life<'_> {
    /// Every order of a life, oldest first.
    pub(super) fn buy(&mut self) -> Vec<Purchase> {
        let buys = match self.person.bond {
            Bond::Member => self.chance.happens(0.85),
            Bond::Guest => true,
            Bond::Lead => false,
        };
        let mut purchases = Vec::new();
        if !buys {
            return purchases;
        }
        let pace = match self.person.bond {
            Bond::Member => 1.25,
            _ => 0.5,
        };
        let rate = self.chance.gamma(RATE.0, RATE.1) * pace * marketing::CHANNELS[self.channel].quality;
        let spend = self.chance.gamma(SPEND.1, SPEND.2);
        let hesitation = if self.user.is_none() || self.chance.happens(0.6) {
            0.01
        } else {
            12.0
        };
        let mut next = Self::after(self.known_at, self.chance.exponential(hesitation));
        for number in 0..MOST_ORDERS {
            let Some(at) = next else { break };
            purchases.extend(self.order(at, number == 0, spend));
            next = if self.chance.happens(self.dropout) {
                None
            } else {
                Self::after(at, 0.05 + self.chance.exponential(7.0 / rate.max(1e-6)))
            };
        }
        purchases
    }

    /// Places an order; gives it back unless it was left at the checkout.
    fn order(&mut self, at: i64, first: bool, spend: f64) -> Option<Purchase> {
        let key = self.new_key(ORDER_KEY);
        let currency = self.person.country.currency;
        let budget = 100.0 * self.chance.gamma(SPEND.0, spend);
        let lines = self.basket(budget, currency);
        let value: i64 = lines
            .iter()
            .map(|(_, quantity, cents)| i64::from(*quantity) * cents)
            .sum();
        let cost = lines
            .iter()
            .map(|(product, quantity, cents)| {
                f64::from(*quantity) * *cents as f64 * product.category().cost_ratio
            })
            .sum::<f64>();
        let (coupon, off) = self.coupon(first);
        let discount_cents = value * off / 100;
        let channel = if first {
            self.channel
        } else {
            marketing::visiting_channel(&mut self.chance)
        };
        let campaign = marketing::campaign_of(&mut self.chance, channel, at);
        let (state, updated_at) = self.outcome(at);
        let order = Order {
            key,
            // Some do not log in although they have an account.
            user: self.user.filter(|_| self.chance.happens(0.93)),
            email: dirt::email(&mut self.chance, self.person),
            created_at: at,
            updated_at,
            total_cents: value - discount_cents,
            currency,
            state,
            // Browsers that block trackers hide where an order comes from.
            channel: Some(channel).filter(|_| self.chance.happens(0.92)),
            campaign,
            coupon,
            discount_cents,
            cost_cents: cost as i64,
        };
        let placed = !matches!(state, "draft" | "failed");
        let products: Vec<Product> = lines.iter().map(|(product, ..)| *product).collect();
        for (product, quantity, unit_cents) in lines {
            self.batch.items.push(Item {
                order: key,
                created_at: at,
                product,
                quantity,
                unit_cents,
            });
        }
        if self.chance.happens(0.58) {
            let completed = Some(key).filter(|_| placed);
            self.visit(Visit::checkout(at, completed, &products, channel, campaign));
        }
        let paid = matches!(state, "paid" | "shipped");
        let refunded = paid && self.refund(key, updated_at, order.total_cents);
        self.export(order);
        self.note(Source::Orders, key);
        placed.then_some(Purchase { at, refunded })
    }

    /// Products that are bought together, for about `budget` cents: product, quantity, price.
    fn basket(&mut self, budget: f64, currency: &str) -> Vec<(Product, i32, i64)> {
        let count = (1 + self.chance.poisson(1.45)).min(12);
        let each = budget / (0.45 * count as f64 + 0.55);
        let mut lines: Vec<(Product, i32, i64)> = Vec::new();
        for _ in 0..count {
            let beside = lines.first().map(|(product, ..)| *product);
            let product = Product::choose(&mut self.chance, beside, each);
            match lines.iter_mut().find(|(other, ..)| *other == product) {
                Some((_, quantity, _)) => *quantity += 1,
                None => lines.push((product, 1, product.price(currency))),
            }
        }
        lines
    }

    /// A coupon and what it takes off, in percent.
    fn coupon(&mut self, first: bool) -> (Option<&'static str>, i64) {
        match self.chance.uniform() {
            share if first && share < 0.22 => (Some("WELCOME10"), 10),
            share if !first && share < 0.05 => (Some("THANKYOU5"), 5),
            share if !first && share < 0.09 => (Some("COMEBACK15"), 15),
            _ => (None, 0),
        }
    }

    /// How an order ended, and when the shop wrote that down.
    fn outcome(&mut self, at: i64) -> (&'static str, i64) {
        let moments = (self.chance.between(1.0, 40.0) * MINUTE as f64) as i64;
        let shipped_at = at + HOUR + self.waiting(1.2);
        let (state, updated_at) = match self.chance.uniform() {
            share if share < 0.015 => ("draft", at),
            share if share < 0.045 => ("failed", at + moments),
            share if share < 0.075 => ("cancelled", at + self.waiting(0.8)),
            share if share < 0.083 => ("pending", at),
            share if share < 0.13 => ("paid", at + moments),
            _ => ("shipped", shipped_at),
        };
        match state {
            "shipped" | "cancelled" if updated_at >= END => ("paid", (at + moments).min(END - 1)),
            _ => (state, updated_at.min(END - 1)),
        }
    }

    /// Writes an order down: now and then once more as it was before it was paid, or once too often.
    fn export(&mut self, order: Order) {
        if order.updated_at > order.created_at && self.chance.happens(0.03) {
            let before = Order {
                state: "pending",
                updated_at: order.created_at,
                ..order.clone()
            };
            self.batch.orders.push(before);
        }
        if self.chance.happens(0.004) {
            self.batch.orders.push(order.clone());
        }
        self.batch.orders.push(order);
    }

    /// Gives all or a part of the money back; says whether it did.
    fn refund(&mut self, order: u64, paid_at: i64, cents: i64) -> bool {
        if cents <= 0 || !self.chance.happens(0.03 + 0.06 * (1.0 - self.satisfaction)) {
            return false;
        }
        let whole = self.chance.happens(0.55);
        let share = if whole { 1.0 } else { self.chance.between(0.1, 0.7) };
        let reason = self
            .chance
            .pick(&["damaged", "not_as_expected", "late", "wrong_item", "changed_mind"]);
        let refunded_at = paid_at + (DELIVERY_DAYS * DAY as f64) as i64 + self.waiting(6.0);
        if refunded_at >= END {
            return false;
        }
        let key = self.new_key(REFUND_KEY);
        let cents = ((cents as f64 * share) as i64).clamp(1, cents);
        self.batch.refunds.push(Refund {
            key,
            order,
            refunded_at,
            cents,
            reason,
        });
        true
    }
}
