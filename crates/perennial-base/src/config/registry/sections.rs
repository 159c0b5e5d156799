//! The sections and keys.

mod serving;

use super::{Form, KeySpec, SectionSpec, ValueType};

/// The kinds, as words of the file.
pub const KINDS: &[&str] = &[
    "profile",
    "event",
    "order",
    "order_item",
    "refund",
    "subscription",
    "survey",
    "interaction",
    "consent",
    "spend",
    "fx_rate",
    "identity_override",
    "table",
];
/// The lifecycle presets.
pub const PRESETS: &[&str] = &[
    "default",
    "classic",
    "acquisition_engagement_retention",
    "subscription",
];
/// The survivorship rules.
pub const RULES: &[&str] = &[
    "most_recent",
    "most_frequent",
    "first",
    "source_priority",
    "longest",
];
/// The ways to log in.
pub const AUTHENTICATIONS: &[&str] = &["trust", "scram-sha-256"];
/// The ways to come, of a rule for who may log in.
const CONNECTIONS: &[&str] = &["local", "host", "hostssl", "hostnossl"];
/// What such a rule asks of a client.
const METHODS: &[&str] = &["trust", "scram-sha-256", "cert", "reject"];

const fn key(
    name: &'static str,
    value: ValueType,
    default: &'static str,
    unit: &'static str,
    description: &'static str,
) -> KeySpec {
    KeySpec {
        name,
        value,
        default,
        unit,
        description,
    }
}

const WINDOW_KEYS: &[KeySpec] = &[
    key(
        "gap_multiple",
        ValueType::Number,
        "",
        "",
        "Multiple of the customer's own median gap between orders",
    ),
    key(
        "min",
        ValueType::Duration,
        "",
        "duration",
        "The window is never shorter",
    ),
    key(
        "max",
        ValueType::Duration,
        "",
        "duration",
        "The window is never longer",
    ),
];

/// Every section, in the order of the reference page.
pub const SECTIONS: &[SectionSpec] = &[
    SectionSpec {
        path: "lake",
        form: Form::Table,
        description: "Where the files land.",
        keys: &[
            key(
                "url",
                ValueType::Text,
                "",
                "",
                "Root of the object storage: a folder, or an URL as `s3://bucket/prefix`; credentials come from the environment only",
            ),
            key(
                "refresh",
                ValueType::Duration,
                "`\"10s\"`",
                "duration",
                "How often the lake is looked at for new files; `\"off\"` = only `perennial unify`",
            ),
            key(
                "keep_snapshots",
                ValueType::Integer,
                "3",
                "snapshots",
                "How many of the newest snapshots stay in any case, from 1 to 100000",
            ),
            key(
                "keep_for",
                ValueType::Duration,
                "`\"1h\"`",
                "duration",
                "How long a snapshot stays after a newer one has taken its place; what reads it for longer may lose it",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "time",
        form: Form::Table,
        description: "The calendar.",
        keys: &[
            key(
                "zone",
                ValueType::Text,
                "`\"UTC\"`",
                "IANA time zone",
                "Calendar of the ready-made day, week and month views, and zone of times without one",
            ),
            key(
                "as_of",
                ValueType::Text,
                "the clock",
                "RFC 3339 time, or a date",
                "The moment that counts as the present (of a date the first one in `zone`), for a lake that no longer grows: stages, recency and windows are worked out for it",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "money",
        form: Form::Table,
        description: "The reporting currency.",
        keys: &[key(
            "currency",
            ValueType::Text,
            "`\"EUR\"`",
            "ISO 4217",
            "Reporting currency; amounts in others need a source of kind `fx_rate`",
        )],
        own_keys: None,
    },
    SectionSpec {
        path: "source",
        form: Form::List,
        description: "A named set of files of one kind, and what its columns mean. Every expression is SQL over the source's own columns.",
        keys: &[
            key(
                "name",
                ValueType::Text,
                "",
                "",
                "Name of the source, and of its relation in schema `raw`",
            ),
            key("kind", ValueType::Choice(KINDS), "", "", "What its rows are"),
            key(
                "path",
                ValueType::Text,
                "",
                "",
                "A folder (with its subfolders) or a glob below the lake's root. A change that leads to files no more which are served is refused: see `perennial unify --allow-removal`",
            ),
            key(
                "format",
                ValueType::Choice(&["parquet"]),
                "`\"parquet\"`",
                "",
                "Format of the files",
            ),
            key(
                "record_key",
                ValueType::Sql,
                "every row counts",
                "",
                "Rows with the same key are versions of one record; a row without one is rejected. A key of several columns is one text, `a \\|\\| '/' \\|\\| b`, with a sign between them that their values do not have; it is absent where one of them is, so write `coalesce(b, '')` for one that may be",
            ),
            key(
                "time",
                ValueType::Sql,
                "needed by kinds with a moment",
                "",
                "When a row became true",
            ),
            key(
                "updated_at",
                ValueType::Sql,
                "`time`",
                "",
                "Orders the versions of one key, such as a time or a partition column; of equal ones the last counts, by the path of the file and the place in it",
            ),
            key(
                "zone",
                ValueType::Text,
                "that of `[time]`",
                "IANA time zone",
                "Zone of times without one",
            ),
            key(
                "identifiers",
                ValueType::SqlTable,
                "needed by kinds that concern a person",
                "",
                "Identifier type to expression; `{}` = the source has none",
            ),
            key(
                "traits",
                ValueType::SqlTable,
                "`{}`",
                "",
                "Trait to expression; of profiles",
            ),
            key(
                "columns",
                ValueType::SqlTable,
                "`{}`",
                "",
                "Canonical column of the kind to expression",
            ),
            key(
                "where",
                ValueType::Sql,
                "all rows",
                "",
                "Rows for which it is not true are left out, before versions are told apart; rows for which it cannot be worked out are rejected",
            ),
            key(
                "max_bad_rows",
                ValueType::Number,
                "`0.01`; for kind `identity_override` `0.5`",
                "share, 0 to 1",
                "Share of rejected rows, rounded up to a whole row, above which a file is quarantined; with 0 the first one does it, and a file of which no row is left is quarantined below 1",
            ),
            key(
                "schema",
                ValueType::Text,
                "`\"public\"`",
                "",
                "Schema in which a source of kind `table` is served",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "identity",
        form: Form::Table,
        description: "Which records are one person.",
        keys: &[
            key(
                "blocked",
                ValueType::TextList,
                "`[]`",
                "",
                "Values that identify nobody, joined to the built-in list: perennial.identity_blocked has both",
            ),
            key(
                "probabilistic",
                ValueType::Unsupported("take the table out; records are joined by shared identifiers"),
                "none",
                "",
                "Joining records by similarity",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "identity.identifier",
        form: Form::List,
        description: "A type of identifier, strongest first. Types that sources map and that are not listed follow in the order of their first use, with these defaults.",
        keys: &[
            key(
                "type",
                ValueType::Text,
                "",
                "",
                "Name of the type, as in `identifiers` of sources",
            ),
            key(
                "normalise",
                ValueType::Text,
                "`\"email\"` for the type `email`, otherwise `\"text\"`",
                "",
                "How values are made comparable: `text`, `email`, `email_gmail` or `phone:XX` with the default region XX",
            ),
            key(
                "strong",
                ValueType::Boolean,
                "`false` for the type `anonymous_id`, otherwise `true`",
                "",
                "Whether it names a known person; weak identifiers alone are an anonymous visitor",
            ),
            key(
                "limit",
                ValueType::Integer,
                "none",
                "values",
                "A customer never holds more values of it",
            ),
            key(
                "max_customers",
                ValueType::Integer,
                "none",
                "customers",
                "A value that would join more of them identifies nobody",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "identity.survivorship",
        form: Form::Table,
        description: "How a trait's value is chosen among the records of a customer.",
        keys: &[key(
            "default",
            ValueType::Choice(RULES),
            "`\"most_recent\"`",
            "",
            "Rule of the traits without one of their own",
        )],
        own_keys: Some(
            "a trait, with a rule's name or `{ rule = \"source_priority\", order = [\"<source>\", …] }`",
        ),
    },
    SectionSpec {
        path: "identity.survivorship.rule",
        form: Form::Inline,
        description: "The rule of one trait.",
        keys: &[
            key("rule", ValueType::Choice(RULES), "", "", "The rule"),
            key(
                "order",
                ValueType::TextList,
                "needed by `source_priority`",
                "",
                "Sources, first choice first",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "lifecycle",
        form: Form::Table,
        description: "Where a customer stands.",
        keys: &[
            key(
                "preset",
                ValueType::Choice(PRESETS),
                "`\"default\"`",
                "",
                "The list of stages, unless the file has its own",
            ),
            key(
                "active",
                ValueType::Window,
                "`\"90 days\"`",
                "duration",
                "Silence below which a customer is active",
            ),
            key(
                "lapse",
                ValueType::Window,
                "`\"180 days\"`",
                "duration",
                "Silence from which a customer has lapsed",
            ),
            key(
                "unpaid_statuses",
                ValueType::TextList,
                "`[\"cancelled\", \"canceled\", \"failed\", \"draft\", \"pending\"]`",
                "",
                "Statuses of orders that do not count, whatever their case",
            ),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "lifecycle.window",
        form: Form::Inline,
        description: "A window that follows the customer's own rhythm: the value of `active` or `lapse`. From three orders on it is \
                      `gap_multiple` times the median gap between the customer's orders; of an even number of gaps, the mean of the \
                      middle two. Before, it is as many times the median gap between orders of all customers: of gaps in whole \
                      hours, the lower of the middle two. That median is fixed at each month's start in the lake's zone, from what \
                      was known before it; while no customer had ordered twice, the window is `max`.",
        keys: WINDOW_KEYS,
        own_keys: None,
    },
    SectionSpec {
        path: "lifecycle.facts",
        form: Form::Table,
        description: "Named facts over unified relations.",
        keys: &[],
        own_keys: Some(
            "the name of a fact (`referral`, `closing`, or one for stages of your own), with a text such as `\"events where name = 'referral_sent'\"`",
        ),
    },
    SectionSpec {
        path: "lifecycle.stage",
        form: Form::List,
        description: "Stages of your own instead of a preset's: the first whose conditions hold, the last has none.",
        keys: &[
            key("name", ValueType::Text, "", "", "Name of the stage"),
            key(
                "any",
                ValueType::Conditions,
                "none",
                "",
                "Groups of conditions, one of which must hold",
            ),
        ],
        own_keys: Some("a fact, with a bound or a table of bounds; all conditions must hold"),
    },
    SectionSpec {
        path: "lifecycle.stage.condition",
        form: Form::Inline,
        description: "The bounds of one condition. A bare value is `equals`.",
        keys: &[
            key(
                "days",
                ValueType::Number,
                "needed by facts that end in `_within`",
                "days of 24 hours",
                "Length of the window up to the moment asked about",
            ),
            key("name", ValueType::Text, "all", "", "Name of the events counted"),
            key("at_least", ValueType::Bound, "none", "", "≥"),
            key("at_most", ValueType::Bound, "none", "", "≤; of lengths of time <"),
            key("less_than", ValueType::Bound, "none", "", "<"),
            key(
                "more_than",
                ValueType::Bound,
                "none",
                "",
                ">; of lengths of time ≥",
            ),
            key("equals", ValueType::Bound, "none", "", "="),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "segment",
        form: Form::List,
        description: "A named set of customers.",
        keys: &[
            key("name", ValueType::Text, "", "", "Its name"),
            key("description", ValueType::Text, "none", "", "What it is for"),
            key("where", ValueType::Sql, "", "", "Predicate over `customer_360`"),
        ],
        own_keys: None,
    },
    SectionSpec {
        path: "metric",
        form: Form::List,
        description: "A metric of your own, listed in `perennial.metrics`.",
        keys: &[
            key(
                "name",
                ValueType::Text,
                "",
                "",
                "Its name, which no column of `customer_360` and no function has",
            ),
            key(
                "sql",
                ValueType::Sql,
                "",
                "",
                "Its definition: an expression over `customer_360`, which may aggregate",
            ),
            key("unit", ValueType::Text, "none", "", "Its unit"),
            key("description", ValueType::Text, "none", "", "What it says"),
        ],
        own_keys: None,
    },
    serving::SERVER,
    serving::ACCESS,
    serving::ROLE,
];
