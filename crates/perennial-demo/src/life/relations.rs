//! What customers have to do with the business beside buying: the CRM, the newsletter, subscriptions, support and
//! surveys.

use crate::{
    calendar::{DAY, END, HOUR},
    dirt,
    person::Bond,
    rows::{Change, Contact, Interaction, Reader, Response},
    source::{EARLIER_EXPORT, LATER_EXPORT, Source},
};

use super::{Life, RESPONSE_KEY, TICKET_KEY, shop::Purchase};

/// The plans of the coffee box and what they are worth a month, in euro cents, cheapest first.
const PLANS: [(&str, i64); 4] = [
    ("box_mini", 1_290),
    ("box_classic_yearly", 2_075),
    ("box_classic", 2_490),
    ("box_roaster", 3_990),
];
const PRAISE: [&str; 5] = [
    "Great coffee and fast delivery.",
    "Sehr lecker, immer wieder gerne!",
    "I have told all my colleagues.",
    "Rien à redire, parfait.",
    "The decaf is the best I know.",
];
const COMPLAINTS: [&str; 5] = [
    "The parcel took two weeks.",
    "Die Bohnen waren zu dunkel geröstet.",
    "Nobody answered my mail.",
    "Trop cher pour ce que c'est.",
    "The cup arrived broken.",
];

impl Life<'_> {
    /// Contacts in the CRM: versions of one, and for some a second that is the same person.
    pub(super) fn be_contacted(&mut self) {
        let rate = match self.person.bond {
            Bond::Member => 0.62,
            Bond::Guest => 0.5,
            Bond::Lead => 1.0,
        };
        if !self.chance.happens(rate) {
            return;
        }
        let contacts = 1 + u64::from(self.chance.happens(0.04));
        for number in 0..contacts {
            let at = self.known_at + HOUR + if number == 0 { 0 } else { self.waiting(150.0) };
            self.contact(2 * self.person.index + number + 1, at);
        }
    }

    fn contact(&mut self, key: u64, created_at: i64) {
        if created_at >= END {
            return;
        }
        let person = self.person;
        let (first_name, last_name) = dirt::names(&mut self.chance, person);
        let country = person.country.code;
        let mut contact = Contact {
            key,
            export: Source::Contacts.part_at(created_at),
            email: Some(dirt::email(&mut self.chance, person)).filter(|_| self.chance.happens(0.94)),
            phone: dirt::phone(&mut self.chance, person),
            first_name,
            last_name,
            birth_day: Some(person.birth_day).filter(|_| self.chance.happens(0.6)),
            city: Some(person.city).filter(|_| self.chance.happens(0.85)),
            country: Some(if self.chance.happens(0.05) {
                country.to_lowercase()
            } else {
                country.to_owned()
            }),
            modified_at: created_at,
        };
        self.batch.contacts.push(contact.clone());
        self.note(Source::Contacts, key);
        for _ in 0..self.chance.poisson(0.55) {
            contact.modified_at += HOUR + self.waiting(240.0);
            if contact.modified_at >= END {
                break;
            }
            contact.export = Source::Contacts.part_at(contact.modified_at);
            self.revise(&mut contact);
            self.batch.contacts.push(contact.clone());
        }
        let last = self.batch.contacts.len() - 1;
        let newest = self.batch.contacts[last].clone();
        if newest.export == EARLIER_EXPORT && self.chance.happens(0.08) {
            self.batch.contacts.push(Contact {
                export: LATER_EXPORT,
                ..newest
            });
        }
    }

    /// What somebody at a desk changes in a contact.
    fn revise(&mut self, contact: &mut Contact) {
        match self.chance.below(4) {
            0 => contact.phone = dirt::phone(&mut self.chance, self.person).or_else(|| contact.phone.take()),
            1 => contact.email = Some(dirt::email(&mut self.chance, self.person)),
            2 => contact.city = Some(self.chance.pick(self.person.country.cities)),
            _ => {
                contact.birth_day = Some(self.person.birth_day);
                (contact.first_name, contact.last_name) = dirt::names(&mut self.chance, self.person);
            }
        }
    }

    /// The newsletter.
    pub(super) fn read(&mut self) {
        let rate = match self.person.bond {
            Bond::Member => 0.45,
            Bond::Guest => 0.2,
            Bond::Lead => 0.7,
        };
        let subscribed_at = self.known_at
            + if self.chance.happens(0.7) {
                0
            } else {
                self.waiting(90.0)
            };
        if !self.chance.happens(rate) || subscribed_at >= END {
            return;
        }
        let key = self.person.index + 1;
        let email = dirt::email(&mut self.chance, self.person);
        let first_name =
            dirt::name(&mut self.chance, self.person.first_name).filter(|_| self.chance.happens(0.7));
        let reader = Reader {
            key,
            email,
            first_name,
            subscribed_at,
        };
        if self.chance.happens(0.01) {
            self.batch.readers.push(reader.clone());
        }
        self.batch.readers.push(reader);
        self.note(Source::Newsletter, key);
    }

    /// The coffee box: plans taken, changed, left and taken again.
    pub(super) fn subscribe(&mut self) {
        let Some(user) = self.user.filter(|_| self.chance.happens(0.2)) else {
            return;
        };
        let key = self.person.index + 1;
        let mut at = self.known_at + self.waiting(100.0);
        let mut plan = self
            .chance
            .weighted(&[(0, 0.4), (1, 0.12), (2, 0.36), (3, 0.12)], |(_, share)| *share)
            .0;
        let mut status = "active";
        let mut changes = 0;
        while at < self.ended_at {
            let (name, mrr) = PLANS[plan];
            let mrr_cents = if status == "cancelled" { 0 } else { mrr };
            self.batch.changes.push(Change {
                key,
                user,
                changed_at: at,
                plan: name,
                mrr_cents,
                status,
            });
            changes += 1;
            let unhappy = 1.0 - self.satisfaction;
            let (pause, next) = match status {
                "cancelled" if self.chance.happens(0.2) => (self.waiting(120.0) + DAY, "active"),
                "cancelled" => break,
                "past_due" => {
                    let next = if self.chance.happens(0.72) {
                        "active"
                    } else {
                        "cancelled"
                    };
                    (7 * DAY + self.waiting(5.0), next)
                }
                _ => {
                    let moves = [
                        ("up", 0.24 * self.satisfaction),
                        ("down", 0.20 * unhappy),
                        ("past_due", 0.10),
                        ("cancelled", 0.12 + 0.75 * unhappy),
                    ];
                    let next = self.chance.weighted(&moves, |(_, weight)| *weight).0;
                    (20 * DAY + self.waiting(190.0), next)
                }
            };
            at += pause;
            status = match next {
                "up" => {
                    plan = (plan + 1).min(PLANS.len() - 1);
                    "active"
                }
                "down" => {
                    plan = plan.saturating_sub(1);
                    "active"
                }
                other => other,
            };
        }
        if changes > 0 {
            self.note(Source::Subscriptions, key);
            self.cancel_at_the_end(key);
        }
    }

    /// Who closes the account also ends the subscription.
    fn cancel_at_the_end(&mut self, key: u64) {
        let running = self
            .batch
            .changes
            .last()
            .filter(|last| last.key == key && last.mrr_cents > 0)
            .cloned();
        let Some(last) = running.filter(|_| self.ended_at < END) else {
            return;
        };
        let changed_at = self.ended_at;
        self.batch.changes.push(Change {
            changed_at,
            mrr_cents: 0,
            status: "cancelled",
            ..last
        });
    }

    /// Conversations with the support team.
    pub(super) fn talk(&mut self, orders: &[Purchase]) {
        for order in orders {
            let rate = if order.refunded {
                0.7
            } else {
                0.05 + 0.12 * (1.0 - self.satisfaction)
            };
            if self.chance.happens(rate) {
                let at = order.at + DAY + self.waiting(3.0);
                let topic = if order.refunded { "return" } else { self.topic() };
                self.ticket(at, topic, "inbound");
            }
        }
        if orders.is_empty() && self.chance.happens(0.05) {
            let at = self.known_at + self.waiting(10.0);
            self.ticket(at, "product", "inbound");
        }
    }

    fn topic(&mut self) -> &'static str {
        self.chance.pick(&[
            "delivery",
            "product",
            "billing",
            "account",
            "delivery",
            "complaint",
        ])
    }

    fn ticket(&mut self, opened_at: i64, topic: &'static str, direction: &'static str) {
        if opened_at >= END.min(self.ended_at) {
            return;
        }
        let channel = self.chance.pick(&["email", "email", "chat", "phone"]);
        let phone = dirt::phone(&mut self.chance, self.person).filter(|_| channel == "phone");
        let email = match phone {
            Some(_) => None,
            None => Some(dirt::email(&mut self.chance, self.person)),
        };
        let happy = self.chance.uniform() < self.satisfaction;
        let outcome = match self.chance.uniform() {
            share if share < 0.72 => "resolved",
            share if share < 0.84 => "refunded",
            share if share < 0.93 => "escalated",
            _ => "unanswered",
        };
        let sentiment = match (outcome, happy) {
            ("resolved" | "refunded", true) => "positive",
            ("resolved" | "refunded", false) => "neutral",
            (_, true) => "neutral",
            (_, false) => "negative",
        };
        let key = self.new_key(TICKET_KEY);
        let ticket = Interaction {
            key,
            email,
            phone,
            opened_at,
            channel,
            topic,
            direction,
            outcome,
            sentiment,
        };
        self.batch.interactions.push(ticket);
        self.note(Source::Interactions, key);
        if direction == "inbound" && self.chance.happens(0.3) {
            let level = 1.0 + 4.5 * self.satisfaction + 0.8 * self.chance.normal();
            let answered_at = opened_at + self.waiting(1.0);
            self.response(answered_at, "csat", level.round().clamp(1.0, 5.0) as i32, 3);
        }
    }

    /// Surveys after orders: whether the customer would recommend the business. Some of those who would not are
    /// called.
    pub(super) fn answer(&mut self, orders: &[Purchase]) {
        for order in orders {
            if !self.chance.happens(0.13) {
                continue;
            }
            let at = order.at + 10 * DAY + self.waiting(4.0);
            let level = 3.2 + 7.2 * self.satisfaction + 1.3 * self.chance.normal();
            let score = level.round().clamp(0.0, 10.0) as i32;
            if at >= self.ended_at {
                continue;
            }
            self.response(at, "nps", score, 7);
            if score <= 6 && self.chance.happens(0.4) {
                let called_at = at + DAY + self.waiting(4.0);
                self.ticket(called_at, "feedback", "outbound");
            }
        }
    }

    /// An answer; scores below `good` come with complaints, if with a comment.
    fn response(&mut self, answered_at: i64, survey: &'static str, score: i32, good: i32) {
        if answered_at >= END {
            return;
        }
        let key = self.new_key(RESPONSE_KEY);
        let comments = if score < good { &COMPLAINTS } else { &PRAISE };
        let comment = Some(self.chance.pick(comments)).filter(|_| self.chance.happens(0.28));
        let email = dirt::email(&mut self.chance, self.person);
        self.batch.responses.push(Response {
            key,
            email,
            survey,
            score,
            comment,
            answered_at,
        });
        self.note(Source::Responses, key);
    }
}
