//! The served relations: names, columns, types and comments, declared once.
//!
//! What a run writes, what the endpoint serves, the SQL comments and the reference page all read this list.
//! `customers` and `customer_360` also carry one column for each trait and identifier type of the configuration,
//! behind `customer_id`.

mod column_type;
mod identity;
mod platform;

pub use column_type::ColumnType;

use crate::kind::INTERACTION_CHANNEL;

/// One served column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it says, with its unit.
    pub comment: &'static str,
    /// Whether it changes from moment to moment without any new fact: it is not stored, and worked out from the other
    /// columns and the moment that the snapshot describes whenever it is read.
    pub moving: bool,
    /// The unit of a measure whose type does not tell it.
    pub unit: Option<&'static str>,
}

/// One served relation.
#[derive(Debug, Clone, Copy)]
pub struct Relation {
    /// Its schema: `public` or `perennial`.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub comment: &'static str,
    /// Its columns in order.
    pub columns: &'static [Column],
    /// The columns that identify a row.
    pub primary_key: &'static [&'static str],
    /// The column after `customer_id` by which rows are sorted in the files of a person table.
    pub sort: &'static [&'static str],
    /// Whether rows belong to customers (and are stored by customer).
    pub person: bool,
}

/// The relation of a schema and name.
pub fn relation(schema: &str, name: &str) -> Option<&'static Relation> {
    relations().find(|relation| relation.schema == schema && relation.name == name)
}

/// Relations of schema `public` that a run writes, in the order of the documentation.
pub fn unified() -> impl Iterator<Item = &'static Relation> {
    UNIFIED.iter()
}

/// Every served relation with fixed columns.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    UNIFIED.iter().chain(platform::PLATFORM)
}

/// The schema that a client opens first.
pub const PUBLIC: &str = "public";
/// The schema of the platform about itself.
pub const PERENNIAL: &str = "perennial";
/// The schema of the sources as they landed.
pub const RAW: &str = "raw";

/// What each schema holds.
pub const SCHEMAS: [(&str, &str); 3] = [
    (PUBLIC, "Unified customers, their facts and their lifecycle"),
    (RAW, "Every source as it landed"),
    (
        PERENNIAL,
        "The platform about itself: sources, files, snapshots, runs, functions",
    ),
];

const fn not_null(name: &'static str, column_type: ColumnType, comment: &'static str) -> Column {
    Column {
        name,
        column_type,
        nullable: false,
        comment,
        moving: false,
        unit: None,
    }
}

const fn null(name: &'static str, column_type: ColumnType, comment: &'static str) -> Column {
    Column {
        name,
        column_type,
        nullable: true,
        comment,
        moving: false,
        unit: None,
    }
}

const fn moving(column: Column) -> Column {
    Column {
        moving: true,
        ..column
    }
}

const fn in_unit(unit: &'static str, column: Column) -> Column {
    Column {
        unit: Some(unit),
        ..column
    }
}

use ColumnType::{Bool, Date, Float, Int, Money, Text, TextList, Timestamp};

const CUSTOMER_ID: Column = not_null("customer_id", Text, "The resolved person");
/// A fact whose record has no usable identifier belongs to nobody known.
const CUSTOMER_ID_OF_FACT: Column = null(
    "customer_id",
    Text,
    "The resolved person; null when the record has no identifier that names one",
);
const SOURCE: Column = not_null("source", Text, "The source that the row came from");
const RECORD_KEY: Column = not_null("record_key", Text, "The record's key in its source");
const TIME: Column = not_null("time", Timestamp, "When it happened");
const CHANNEL: Column = null("channel", Text, "Marketing or sales channel");
const CAMPAIGN: Column = null("campaign", Text, "Campaign within the channel");
const CURRENCY_OF_ORDER: Column = not_null(
    "currency",
    Text,
    "Currency of the order, ISO 4217; the reporting currency while the order is not known or names none",
);

/// The relations of schema `public`.
const UNIFIED: &[Relation] = &[
    Relation {
        schema: PUBLIC,
        name: "customers",
        comment: "Golden record: one row per customer, traits chosen by survivorship rules; of records of the future too",
        columns: &[
            CUSTOMER_ID,
            not_null("first_seen_at", Timestamp, "Time of the earliest record"),
            not_null("last_seen_at", Timestamp, "Time of the latest record"),
            null(
                "identified_at",
                Timestamp,
                "First time of a strong identifier; null for an anonymous visitor",
            ),
            not_null("records", Int, "Records that belong to the customer"),
            not_null("sources", TextList, "Sources that the records came from"),
        ],
        primary_key: &["customer_id"],
        sort: &[],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "customer_360",
        comment: "One row per customer: golden record, lifecycle stage, value, engagement and satisfaction as of the snapshot; without customers whose first record is of the future",
        columns: &[
            CUSTOMER_ID,
            moving(not_null(
                "as_of_at",
                Timestamp,
                "The moment that the row describes",
            )),
            not_null("lifecycle_stage", Text, "Stage that the customer is in"),
            not_null(
                "stage_entered_at",
                Timestamp,
                "Since when the customer is in this stage",
            ),
            null("previous_stage", Text, "Stage before this one"),
            not_null("first_seen_at", Timestamp, "Time of the earliest record"),
            not_null(
                "last_seen_at",
                Timestamp,
                "Time of the latest record up to as_of_at",
            ),
            null(
                "identified_at",
                Timestamp,
                "First time of a strong identifier; null for an anonymous visitor",
            ),
            moving(in_unit(
                "days",
                not_null(
                    "tenure_days",
                    Float,
                    "Days of 24 hours since first_seen_at; the fact `tenure` of stages begins with the first order",
                ),
            )),
            not_null("orders", Int, "Orders that count: paid and not wholly refunded"),
            null("first_order_at", Timestamp, "Time of the first order that counts"),
            null("last_order_at", Timestamp, "Time of the last order that counts"),
            moving(in_unit(
                "days",
                null("recency_days", Float, "Days of 24 hours since last_order_at"),
            )),
            in_unit(
                "days",
                null(
                    "median_gap_days",
                    Float,
                    "Median days between consecutive orders; null below two orders",
                ),
            ),
            not_null(
                "orders_30_days",
                Int,
                "Orders less than 30 days of 24 hours before as_of_at",
            ),
            not_null(
                "orders_90_days",
                Int,
                "Orders less than 90 days of 24 hours before as_of_at",
            ),
            not_null(
                "orders_365_days",
                Int,
                "Orders less than 365 days of 24 hours before as_of_at",
            ),
            null(
                "gross_revenue",
                Money,
                "Amounts of paid orders; null when the rate of one is missing",
            ),
            null(
                "refunded",
                Money,
                "Amounts given back of paid orders, at the rate of the order; null when the rate of one is missing",
            ),
            null(
                "net_revenue",
                Money,
                "gross_revenue less refunded; null when gross_revenue is",
            ),
            null(
                "aov",
                Money,
                "Average order value: gross_revenue by paid orders, wholly refunded ones among them; null without one",
            ),
            not_null("events", Int, "Events"),
            null("first_event_at", Timestamp, "Time of the first event"),
            null("last_event_at", Timestamp, "Time of the last event"),
            not_null(
                "events_30_days",
                Int,
                "Events less than 30 days of 24 hours before as_of_at",
            ),
            not_null(
                "events_90_days",
                Int,
                "Events less than 90 days of 24 hours before as_of_at",
            ),
            not_null(
                "events_365_days",
                Int,
                "Events less than 365 days of 24 hours before as_of_at",
            ),
            null(
                "first_touch_channel",
                Text,
                "Channel of the earliest event or order that has one, paid or not; at one moment the first by order of the sources in the configuration, then by key",
            ),
            null(
                "last_touch_channel",
                Text,
                "Channel of the latest event or order that has one, paid or not; at one moment the last by order of the sources in the configuration, then by key",
            ),
            not_null("interactions", Int, "Contacts with service or sales"),
            null("last_interaction_at", Timestamp, "Time of the last contact"),
            in_unit(
                "points",
                null(
                    "nps_latest",
                    Float,
                    "Latest answer to the NPS question, 0 to 10 points; of two at one moment the last by order of the sources, then by key",
                ),
            ),
            null("nps_latest_at", Timestamp, "When it was given"),
            null(
                "mrr",
                Money,
                "Monthly recurring revenue: the sum over subscriptions that are paid for; null for a customer who never had a subscription or a trial",
            ),
            not_null("sources", TextList, "Sources that the records came from"),
        ],
        primary_key: &["customer_id"],
        sort: &[],
        person: true,
    },
    identity::IDENTITIES,
    identity::IDENTITY_HISTORY,
    identity::IDENTITY_LINKS,
    identity::IDENTITY_LINK_HISTORY,
    identity::IDENTITY_REDIRECTS,
    identity::IDENTITY_CHANGES,
    identity::PROFILES,
    Relation {
        schema: PUBLIC,
        name: "trait_lineage",
        comment: "One row per customer and trait: which record supplied the value, and by which rule",
        columns: &[
            CUSTOMER_ID,
            not_null("trait", Text, "The trait"),
            not_null("value", Text, "The value chosen, as text"),
            SOURCE,
            RECORD_KEY,
            not_null("time", Timestamp, "Time of the record that supplied the value"),
            not_null("rule", Text, "The survivorship rule"),
            not_null("candidates", Int, "Records that had a value"),
        ],
        primary_key: &["customer_id", "trait"],
        sort: &["trait"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "events",
        comment: "One row per event",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            RECORD_KEY,
            TIME,
            not_null("name", Text, "What happened, as the source names it"),
            CHANNEL,
            CAMPAIGN,
            null(
                "properties",
                Text,
                "Columns of the source that the mapping does not name, as a JSON object",
            ),
            SOURCE,
        ],
        primary_key: &["source", "record_key"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "orders",
        comment: "One row per order, whatever its status",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            not_null("order_id", Text, "The order's record key"),
            TIME,
            null(
                "amount",
                Money,
                "Value in the reporting currency; null while its rate is missing",
            ),
            not_null("currency", Text, "Currency of the original amount, ISO 4217"),
            not_null("original_amount", Money, "Value in the original currency"),
            null("status", Text, "State of the order, as the source names it"),
            not_null("paid", Bool, "Whether the status is not one of the unpaid ones"),
            null("refunded", Money, "Given back so far, in the reporting currency"),
            CHANNEL,
            CAMPAIGN,
            null("discount", Money, "Discount given, in the reporting currency"),
            null("cost", Money, "Cost of the goods, in the reporting currency"),
            not_null("updated_at", Timestamp, "When this version became true"),
            SOURCE,
        ],
        primary_key: &["source", "order_id"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "order_items",
        comment: "One row per line of an order",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            not_null("order_id", Text, "The order's record key"),
            null(
                "time",
                Timestamp,
                "Time of the order; null while the order is not known, because it has not landed, is left out by its source or comes after the moment described",
            ),
            not_null("product_id", Text, "The product"),
            null("category", Text, "The product's category"),
            not_null("quantity", Float, "Units bought"),
            null(
                "unit_price",
                Money,
                "Price of a unit in the reporting currency, at the rate of the order; null while its rate or order is missing",
            ),
            CURRENCY_OF_ORDER,
            not_null("original_unit_price", Money, "Price in the original currency"),
            SOURCE,
        ],
        primary_key: &[],
        sort: &["time", "order_id"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "refunds",
        comment: "One row per refund",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            RECORD_KEY,
            not_null("order_id", Text, "The order's record key"),
            TIME,
            null(
                "amount",
                Money,
                "Given back, in the reporting currency; null while its rate or order is missing",
            ),
            CURRENCY_OF_ORDER,
            not_null("original_amount", Money, "Given back, in the original currency"),
            SOURCE,
        ],
        primary_key: &["source", "record_key"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "subscriptions",
        comment: "One row per change of a subscription",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            not_null("subscription_id", Text, "The subscription's record key"),
            TIME,
            null("plan", Text, "The plan from this moment on"),
            not_null(
                "mrr",
                Money,
                "Monthly recurring revenue from this moment on; 0 = ended",
            ),
            null("status", Text, "State of the contract, as the source names it"),
            SOURCE,
        ],
        primary_key: &["source", "subscription_id", "time"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "surveys",
        comment: "One row per answer",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            RECORD_KEY,
            TIME,
            not_null("survey", Text, "The question asked: nps, csat or ces"),
            not_null("score", Float, "The answer, on the scale of its survey"),
            null("comment", Text, "What the person wrote"),
            SOURCE,
        ],
        primary_key: &["source", "record_key"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "interactions",
        comment: "One row per contact with service or sales",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            RECORD_KEY,
            TIME,
            null("channel", Text, INTERACTION_CHANNEL),
            null("type", Text, "What it was about"),
            null("direction", Text, "inbound or outbound"),
            null("outcome", Text, "How it ended"),
            null("sentiment", Text, "The mood, where the source has it"),
            SOURCE,
        ],
        primary_key: &["source", "record_key"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "consents",
        comment: "One row per permission given or withdrawn",
        columns: &[
            CUSTOMER_ID_OF_FACT,
            RECORD_KEY,
            TIME,
            not_null("purpose", Text, "What the data may be used for"),
            not_null("granted", Bool, "Given (true) or withdrawn (false)"),
            SOURCE,
        ],
        primary_key: &["source", "record_key"],
        sort: &["time"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "spend",
        comment: "One row per day, channel and campaign of acquisition spend",
        columns: &[
            not_null("date", Date, "The day"),
            not_null("channel", Text, "The channel paid"),
            CAMPAIGN,
            null(
                "amount",
                Money,
                "Spent, in the reporting currency; null while its rate is missing",
            ),
            not_null("currency", Text, "Currency of the original amount, ISO 4217"),
            not_null("original_amount", Money, "Spent, in the original currency"),
            SOURCE,
        ],
        primary_key: &[],
        sort: &["date"],
        person: false,
    },
    Relation {
        schema: PUBLIC,
        name: "lifecycle_history",
        comment: "One row per stage interval of a customer: [entered_at, left_at), without gaps or overlaps",
        columns: &[
            CUSTOMER_ID,
            not_null("stage", Text, "The stage"),
            not_null("entered_at", Timestamp, "When the customer entered it"),
            null(
                "left_at",
                Timestamp,
                "When the customer left it; null for the present stage",
            ),
            null("previous_stage", Text, "The stage before; null for the first"),
            not_null("reason", Text, "The fact or the window that caused the change"),
        ],
        primary_key: &["customer_id", "entered_at"],
        sort: &["entered_at"],
        person: true,
    },
    Relation {
        schema: PUBLIC,
        name: "segments",
        comment: "One row per segment of the configuration",
        columns: &[
            not_null("segment", Text, "Name of the segment"),
            null("description", Text, "What it is for"),
            not_null("definition", Text, "SQL predicate over customer_360"),
            not_null("members", Int, "Customers in it"),
        ],
        primary_key: &["segment"],
        sort: &["segment"],
        person: false,
    },
    Relation {
        schema: PUBLIC,
        name: "segment_members",
        comment: "One row per segment and member",
        columns: &[
            not_null("segment", Text, "Name of the segment"),
            CUSTOMER_ID,
            not_null(
                "entered_at",
                Timestamp,
                "Moment of the snapshot in which the customer became a member",
            ),
        ],
        primary_key: &["segment", "customer_id"],
        sort: &["segment", "customer_id"],
        person: false,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_keys_are_columns() {
        let mut names = HashSet::new();
        for relation in relations() {
            assert!(
                names.insert((relation.schema, relation.name)),
                "{} stands twice",
                relation.name
            );
            let columns: HashSet<_> = relation.columns.iter().map(|column| column.name).collect();
            assert_eq!(
                columns.len(),
                relation.columns.len(),
                "{} repeats a column",
                relation.name
            );
            for key in relation.primary_key.iter().chain(relation.sort) {
                assert!(columns.contains(key), "{}.{key} is not a column", relation.name);
            }
        }
    }
}
