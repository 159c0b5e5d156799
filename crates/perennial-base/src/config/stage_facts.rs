//! The facts that conditions of stages may name: the one list that the reader checks against, the stage model
//! understands, and the reference prints.

/// A fact of the language of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageFact {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it is compared with.
    pub fact_type: FactType,
    /// What it says, for the reference.
    pub description: &'static str,
}

/// What a fact is, as far as its bounds go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactType {
    /// How many: a whole number from 0 on.
    Count {
        /// Whether `days` belongs to it.
        days: Days,
        /// Whether `name` picks events.
        name: bool,
    },
    /// An amount or a score.
    Number {
        /// Whether `days` belongs to it.
        days: Days,
    },
    /// A length of time: a duration, or the name of a window.
    Duration,
    /// Something that happened this long ago; a bare value, or `days` in place of a bound, is "less than this long ago".
    Since,
    /// True or false.
    Truth,
    /// One of these words.
    Word {
        /// The words.
        words: &'static [&'static str],
        /// Whether `days` belongs to it.
        days: Days,
    },
}

/// Whether a condition has `days`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// It must not.
    No,
    /// It may.
    May,
    /// It must.
    Must,
}

impl FactType {
    /// Whether `days` belongs to a condition on such a fact.
    pub fn days(self) -> Days {
        match self {
            Self::Count { days, .. } | Self::Number { days } | Self::Word { days, .. } => days,
            Self::Since => Days::May,
            Self::Duration | Self::Truth => Days::No,
        }
    }

    /// Whether `name` picks events.
    pub fn named(self) -> bool {
        matches!(self, Self::Count { name: true, .. })
    }

    /// Whether it is compared by `equals` alone.
    pub fn only_equals(self) -> bool {
        matches!(self, Self::Truth | Self::Word { .. })
    }

    /// The bounds that go with it, in words.
    pub fn bounds(self) -> String {
        match self {
            Self::Count { .. } => "whole number from 0 on".to_owned(),
            Self::Number { .. } => "number".to_owned(),
            Self::Duration => "duration, `\"active\"` or `\"lapse\"`, with a bound above or below".to_owned(),
            Self::Since => {
                "duration, `\"active\"` or `\"lapse\"`; a bare one, or `days` alone, is less than".to_owned()
            }
            Self::Truth => "`true` or `false`".to_owned(),
            Self::Word { words, .. } => {
                let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                words.join(", ")
            }
        }
    }
}

/// The type of a fact of `[lifecycle.facts]`: how many rows of its relation fit its predicate.
pub const OWN_FACT: FactType = count(Days::May);

/// All built-in facts.
pub const STAGE_FACTS: &[StageFact] = &[
    fact(
        "orders",
        count(Days::No),
        "Orders that count, started subscriptions among them",
    ),
    fact(
        "orders_within",
        count(Days::Must),
        "Orders that count, placed within the last `days`",
    ),
    fact(
        "revenue",
        NUMBER,
        "Amounts of paid orders less their refunds, in the reporting currency",
    ),
    fact(
        "revenue_within",
        FactType::Number { days: Days::Must },
        "The same of orders placed and refunds made within the last `days`",
    ),
    fact("events", EVENTS, "Events, or those of one `name`"),
    fact(
        "events_within",
        FactType::Count {
            days: Days::Must,
            name: true,
        },
        "The same within the last `days`",
    ),
    fact(
        "silence",
        FactType::Duration,
        "Time since the last order that counts, or the last moment of a paid subscription; zero while one runs, unknown without an order",
    ),
    fact(
        "tenure",
        FactType::Duration,
        "Time since the first order that counts; `tenure_days` of `customer_360` begins with the first record",
    ),
    fact(
        "nps_latest",
        SCORE,
        "The latest NPS score, if given within the last `days`",
    ),
    fact(
        "csat_latest",
        SCORE,
        "The latest CSAT score, if given within the last `days`",
    ),
    fact(
        "referrals",
        count(Days::No),
        "Rows of the fact `referral` of `[lifecycle.facts]`",
    ),
    fact(
        "referrals_within",
        count(Days::Must),
        "The same within the last `days`",
    ),
    fact(
        "interactions",
        count(Days::No),
        "Contacts with the business, of sources of kind `interaction`",
    ),
    fact(
        "interactions_within",
        count(Days::Must),
        "The same within the last `days`",
    ),
    fact(
        "subscription",
        FactType::Word {
            words: &["active", "past_due", "trial", "ended"],
            days: Days::No,
        },
        "At least one subscription is paid for; at least one of those is late; none is paid for and one is on trial; one was paid for and none runs",
    ),
    fact(
        "mrr",
        NUMBER,
        "Monthly recurring revenue of all subscriptions; 0 without one",
    ),
    fact(
        "mrr_moved_within",
        FactType::Word {
            words: &["expansion", "contraction"],
            days: Days::Must,
        },
        "Where the revenue of a paying customer last went, within the last `days`",
    ),
    fact(
        "identified",
        FactType::Truth,
        "Whether a strong identifier is known",
    ),
    fact(
        "returned_within",
        FactType::Since,
        "Time since an order last ended a lapse",
    ),
    fact(
        "restarted_within",
        FactType::Since,
        "Time since a subscription last started after a time without one",
    ),
    fact(
        "closed",
        FactType::Truth,
        "Whether a row of the fact `closing` of `[lifecycle.facts]` has no order after it",
    ),
];

const NUMBER: FactType = FactType::Number { days: Days::No };
const SCORE: FactType = FactType::Number { days: Days::May };
const EVENTS: FactType = FactType::Count {
    days: Days::No,
    name: true,
};

const fn fact(name: &'static str, fact_type: FactType, description: &'static str) -> StageFact {
    StageFact {
        name,
        fact_type,
        description,
    }
}

const fn count(days: Days) -> FactType {
    FactType::Count { days, name: false }
}

/// The type of a fact by its name: a built-in one, or one of the user's own.
pub fn fact_type<'a>(name: &str, mut own: impl Iterator<Item = &'a str>) -> Option<FactType> {
    let built_in = STAGE_FACTS.iter().find(|known| known.name == name);
    match built_in {
        Some(known) => Some(known.fact_type),
        None => own.any(|known| known == name).then_some(OWN_FACT),
    }
}

/// The names of the built-in facts.
pub fn known_facts<'a>() -> impl Iterator<Item = &'a str> {
    STAGE_FACTS.iter().map(|known| known.name)
}
