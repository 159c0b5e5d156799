//! Which kind the rows of a folder are: rules in order, the most telling first.

use super::FolderFacts;
use super::source::Draft;
use super::words::{Concept, plain};
use crate::kind::Kind;

/// What a folder offers: concepts with the columns that may say them, and what is known of these.
pub(super) struct Offer<'a> {
    pub(super) concepts: &'a [(Concept, &'a str)],
    pub(super) facts: &'a FolderFacts,
}

impl Offer<'_> {
    /// The first column that may say it.
    pub(super) fn column(&self, concept: Concept) -> Option<&str> {
        self.concepts
            .iter()
            .find(|(known, _)| *known == concept)
            .map(|(_, column)| *column)
    }

    fn has(&self, concept: Concept) -> bool {
        self.column(concept).is_some()
    }

    /// Whether the path or a column holds one of these words.
    fn speaks_of(&self, words: &[&str]) -> bool {
        let path = self.facts.path.to_lowercase();
        words.iter().any(|word| path.contains(word))
    }

    /// The first column that points to a person.
    pub(super) fn person(&self) -> Option<&str> {
        [
            Concept::UserId,
            Concept::Email,
            Concept::CrmId,
            Concept::Phone,
            Concept::AnonymousId,
            Concept::NationalId,
        ]
        .into_iter()
        .find_map(|concept| self.column(concept))
    }

    /// How many columns describe a person, without those that are `named` something else already.
    fn traits(&self, named: Option<&str>) -> usize {
        let traits = self.concepts.iter().filter(|(concept, column)| {
            matches!(concept, Concept::Trait(_)) && named.is_none_or(|named| named != *column)
        });
        traits.count()
    }

    /// The first column that may say it and has another value in every row.
    fn unique(&self, concept: Concept) -> Option<&str> {
        let named = self.concepts.iter().filter(|(known, _)| *known == concept);
        let mut named = named.map(|(_, column)| *column);
        named.find(|name| {
            let column = self.facts.columns.iter().find(|column| column.name == *name);
            column.is_some_and(|column| column.unique_over_all_rows == Some(true) && column.null_ratio == 0.0)
        })
    }

    fn moment(&self) -> Option<&str> {
        self.column(Concept::Occurred)
            .or_else(|| self.column(Concept::Updated))
    }
}

const ORDER_WORDS: &[&str] = &[
    "order",
    "purchase",
    "transaction",
    "sale",
    "bestell",
    "kauf",
    "umsatz",
];
const ADVERTISING_WORDS: &[&str] = &[
    "ads",
    "advert",
    "spend",
    "marketing",
    "campaign",
    "cost",
    "kampagne",
    "kosten",
    "werbung",
];
const EVENT_WORDS: &[&str] = &[
    "event", "track", "click", "web", "visit", "session", "log", "ereignis",
];
const REFUND_WORDS: &[&str] = &[
    "refund",
    "return",
    "erstattung",
    "retoure",
    "gutschrift",
    "chargeback",
];
const SURVEY_WORDS: &[&str] = &["survey", "nps", "csat", "ces", "feedback", "umfrage", "befragung"];
const INTERACTION_WORDS: &[&str] = &[
    "support",
    "ticket",
    "call",
    "interaction",
    "service",
    "chat",
    "helpdesk",
    "anruf",
    "anfrage",
];
const PERSON_WORDS: &[&str] = &[
    "customer",
    "contact",
    "user",
    "profile",
    "account",
    "member",
    "lead",
    "person",
    "people",
    "subscriber",
    "kunde",
    "kontakt",
    "nutzer",
    "mitglied",
];
const CONTRACT_WORDS: &[&str] = &[
    "subscription",
    "contract",
    "membership",
    "billing",
    "abo",
    "vertrag",
];
/// Moments at which somebody becomes known, as opposed to moments at which something happens.
const REGISTERED: &[&str] = &[
    "created_at",
    "created",
    "created_on",
    "creation_date",
    "signup_date",
    "signed_up_at",
    "signup_at",
    "registered_at",
    "registration_date",
    "subscribed_at",
    "joined_at",
    "joined_on",
    "member_since",
    "customer_since",
    "first_seen_at",
    "erstellt_am",
    "angelegt_am",
];

/// A kind and why, if the folder offers what it needs.
type Rule = fn(&Offer<'_>) -> Option<(Kind, String)>;

/// The kind and why.
pub(super) fn choose(offer: &Offer<'_>) -> (Kind, String) {
    let rules: [Rule; 9] = [
        fx_rate,
        order_item,
        refund,
        subscription,
        survey,
        consent,
        event,
        spend_or_order,
        interaction,
    ];
    rules
        .into_iter()
        .find_map(|rule| rule(offer))
        .or_else(|| profile(offer))
        .unwrap_or_else(|| {
            let reason = "nothing says what the rows are of: served as a reference table, as it landed";
            (Kind::Table, reason.to_owned())
        })
}

/// What is called as an override's columns are called is meant as one.
pub(super) fn overrides(facts: &FolderFacts) -> Option<(Kind, String)> {
    let kind = Kind::IdentityOverride;
    let there = |name: &str| facts.columns.iter().any(|column| column.name == name);
    kind.columns().iter().all(|column| there(column.name)).then(|| {
        let reason = "two records and a verdict on each row: whether they are one customer's";
        (kind, reason.to_owned())
    })
}

fn fx_rate(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (rate, currency) = (offer.column(Concept::Rate)?, offer.column(Concept::Currency)?);
    let day = offer.moment()?;
    offer.person().is_none().then(|| {
        (
            Kind::FxRate,
            format!("a day (\"{day}\"), a currency (\"{currency}\") and a rate (\"{rate}\"), and no person"),
        )
    })
}

fn order_item(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (order, quantity) = (offer.column(Concept::OrderId)?, offer.column(Concept::Quantity)?);
    let price = offer
        .column(Concept::UnitPrice)
        .or_else(|| offer.column(Concept::Amount))?;
    let product = offer.column(Concept::ProductId)?;
    let reason = format!(
        "an order (\"{order}\"), a product (\"{product}\"), a quantity (\"{quantity}\") and a price (\"{price}\") on each row"
    );
    Some((Kind::OrderItem, reason))
}

fn refund(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (order, amount) = (offer.column(Concept::OrderId)?, offer.column(Concept::Amount)?);
    let moment = offer.moment()?;
    let named = offer.speaks_of(REFUND_WORDS)
        || offer.concepts.iter().any(|(_, column)| {
            REFUND_WORDS
                .iter()
                .any(|word| column.to_lowercase().contains(word))
        });
    named.then(|| {
        (Kind::Refund, format!("an order (\"{order}\"), an amount (\"{amount}\") and a time (\"{moment}\"), and the names speak of refunds"))
    })
}

fn subscription(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let planned = |concept| {
        offer.column(Concept::Plan)?;
        offer.column(concept)
    };
    let moment = offer.moment()?;
    if let Some(id) = offer.column(Concept::SubscriptionId) {
        let revenue = offer.column(Concept::Mrr).or_else(|| planned(Concept::Amount))?;
        let reason = format!(
            "a contract (\"{id}\"), its recurring revenue (\"{revenue}\") and a time (\"{moment}\") on each row"
        );
        return Some((Kind::Subscription, reason));
    }
    let person = offer.person()?;
    let revenue = offer
        .column(Concept::Mrr)
        .filter(|_| offer.has(Concept::Plan) || offer.has(Concept::Status));
    let named = || planned(Concept::Amount).filter(|_| offer.speaks_of(CONTRACT_WORDS));
    let revenue = revenue.or_else(named)?;
    let reason = format!(
        "a person (\"{person}\"), recurring revenue (\"{revenue}\") and a time (\"{moment}\") on each row"
    );
    Some((Kind::Subscription, reason))
}

fn survey(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (score, moment) = (offer.column(Concept::Score)?, offer.moment()?);
    let named = offer.has(Concept::Survey)
        || offer.speaks_of(SURVEY_WORDS)
        || SURVEY_WORDS
            .iter()
            .any(|word| score.to_lowercase().contains(word));
    (named && offer.person().is_some()).then(|| {
        (
            Kind::Survey,
            format!("a score from 0 to 10 (\"{score}\") and a time (\"{moment}\"), and a word for surveys"),
        )
    })
}

fn consent(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (purpose, granted) = (offer.column(Concept::Purpose)?, offer.column(Concept::Granted)?);
    let (moment, person) = (offer.moment()?, offer.person()?);
    let reason = format!(
        "a purpose (\"{purpose}\"), yes or no (\"{granted}\"), a time (\"{moment}\") and a person (\"{person}\")"
    );
    Some((Kind::Consent, reason))
}

fn event(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (name, moment, person) = (
        offer.column(Concept::EventName)?,
        offer.moment()?,
        offer.person()?,
    );
    // "name" and "type" are names of anything; they are events where the folder or an anonymous id says so.
    let telling = !["name", "type"].contains(&name.to_lowercase().as_str());
    let traits = offer.traits(Some(name));
    let sure = telling || offer.has(Concept::AnonymousId) || offer.speaks_of(EVENT_WORDS);
    (sure && traits < 3 && !offer.speaks_of(INTERACTION_WORDS)).then(|| {
        (Kind::Event, format!("a name of what happened (\"{name}\"), a time (\"{moment}\") and a person (\"{person}\") on each row"))
    })
}

fn spend_or_order(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let moment = offer.moment()?;
    match (
        offer.person(),
        offer
            .column(Concept::Amount)
            .or_else(|| offer.column(Concept::Cost)),
    ) {
        (None, Some(amount)) => {
            let channel = offer.column(Concept::Channel)?;
            // Money that is spent has no key of an order.
            if let (Some(order), Some(amount)) =
                (offer.unique(Concept::OrderId), offer.column(Concept::Amount))
            {
                let reason = format!(
                    "an order (\"{order}\", unique over all rows), an amount (\"{amount}\") and a time (\"{moment}\") on each row, and no person"
                );
                return Some((Kind::Order, reason));
            }
            let reason = format!(
                "a day (\"{moment}\"), a channel (\"{channel}\") and an amount (\"{amount}\"), and no person"
            );
            Some((Kind::Spend, reason))
        }
        (Some(person), Some(_)) => {
            let amount = offer.column(Concept::Amount)?;
            let names = [
                Concept::Trait("first_name"),
                Concept::Trait("last_name"),
                Concept::Trait("birth_date"),
            ];
            let describes_person = names.into_iter().filter(|concept| offer.has(*concept)).count() >= 2;
            let sure = !describes_person || offer.has(Concept::OrderId) || offer.speaks_of(ORDER_WORDS);
            sure.then(|| {
                (Kind::Order, format!("an amount (\"{amount}\"), a time (\"{moment}\") and a person (\"{person}\") on each row"))
            })
        }
        _ => None,
    }
}

/// That rows are taken for money spent although they may be purchases.
pub(super) fn close_to_orders(draft: &Draft<'_>) -> Option<String> {
    let offer = Offer {
        concepts: &draft.concepts,
        facts: draft.facts,
    };
    if draft.config.kind != Kind::Spend || !offer.has(Concept::Amount) {
        return None;
    }
    let advertised = offer.speaks_of(ADVERTISING_WORDS);
    let named = |column: &str, what: &str| Some(format!("\"{column}\" {what}"));
    let why = if let Some(order) = offer.column(Concept::OrderId) {
        named(order, "is called as the id of an order is")
    } else if advertised {
        None
    } else if let Some(key) = offer.unique(Concept::Key) {
        named(key, "names each row")
    } else {
        let spoken = offer.speaks_of(ORDER_WORDS);
        spoken.then(|| "the path speaks of purchases".to_owned())
    };
    let name = &draft.config.name;
    Some(format!(
        "{name} is taken for money spent on channels, which counts as costs, although {}: where each row is a purchase \
         write kind = \"order\" with time, identifiers = {{}}, amount and channel.",
        why?
    ))
}

fn interaction(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let (moment, person) = (offer.moment()?, offer.person()?);
    let word = [Concept::Direction, Concept::Outcome, Concept::Sentiment];
    let told = word.into_iter().find_map(|concept| offer.column(concept));
    let traits = offer.traits(None);
    let why = match told {
        Some(column) if traits < 3 => format!("\"{column}\""),
        _ if offer.speaks_of(INTERACTION_WORDS) && traits < 3 => "the folder's name".to_owned(),
        _ => return None,
    };
    Some((
        Kind::Interaction,
        format!("a time (\"{moment}\"), a person (\"{person}\"), and {why} speaks of contacts"),
    ))
}

fn profile(offer: &Offer<'_>) -> Option<(Kind, String)> {
    let columns_of = |wanted: fn(Concept) -> bool| -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for (concept, column) in offer.concepts {
            // A bare "name" or "state" is that of anything where nothing else describes a person.
            let bare = ["name", "state"].contains(&plain(column).as_str());
            if wanted(*concept) && !columns.contains(column) && !bare {
                columns.push(column);
            }
        }
        columns
    };
    let telling = columns_of(|concept| {
        matches!(
            concept,
            Concept::Email
                | Concept::Phone
                | Concept::NationalId
                | Concept::Trait("first_name" | "last_name" | "full_name" | "birth_date")
        )
    });
    let identity = columns_of(|concept| {
        matches!(
            concept,
            Concept::UserId | Concept::CrmId | Concept::Email | Concept::Phone | Concept::NationalId
        )
    });
    let mut described = columns_of(|concept| matches!(concept, Concept::Trait(_)));
    let reached = offer.has(Concept::Email) || offer.has(Concept::Phone);
    if let (true, true, Some(name)) = (
        reached,
        described.is_empty(),
        offer.column(Concept::Trait("full_name")),
    ) {
        described.push(name);
    }
    let person = offer.person();
    let columns = if telling.len() >= 2 {
        telling
    } else if person.is_some() && offer.speaks_of(PERSON_WORDS) {
        if telling.is_empty() {
            return Some((Kind::Profile, "the folder's name speaks of persons".to_owned()));
        }
        telling
    } else if !identity.is_empty() && identity.len() + described.len() >= 2 && nothing_happened(offer) {
        let mut columns = identity;
        columns.extend(
            described
                .into_iter()
                .filter(|column| !columns.contains(column))
                .collect::<Vec<_>>(),
        );
        columns
    } else {
        return None;
    };
    let columns: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    let reason = format!("columns that describe a person: {}", columns.join(", "));
    Some((Kind::Profile, reason))
}

/// Whether no column and no word speaks of something that a person did, so that identifiers beside a country or a
/// name are what a system knows of persons.
fn nothing_happened(offer: &Offer<'_>) -> bool {
    let facts = [
        Concept::AnonymousId,
        Concept::OrderId,
        Concept::ProductId,
        Concept::Quantity,
        Concept::Amount,
        Concept::UnitPrice,
        Concept::SubscriptionId,
        Concept::Mrr,
        Concept::Score,
        Concept::Purpose,
        Concept::Campaign,
    ];
    let moments = offer
        .concepts
        .iter()
        .filter(|(concept, _)| *concept == Concept::Occurred)
        .all(|(_, column)| REGISTERED.contains(&plain(column).as_str()));
    let named = [EVENT_WORDS, ORDER_WORDS, INTERACTION_WORDS, SURVEY_WORDS];
    moments
        && !facts.into_iter().any(|concept| offer.has(concept))
        && !named.into_iter().any(|words| offer.speaks_of(words))
}
