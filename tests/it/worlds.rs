//! Random lakes: a configuration with a source of every kind, and files for it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use perennial_testkit::TestLake;

use crate::support::parquet;

/// The part of the configuration without which every run describes its own moment.
pub(crate) const AS_OF: &str = "[time]\nas_of = \"2026-03-01T00:00:00Z\"\n";
/// 2026-01-01 in UTC.
pub(crate) const NEW_YEAR: i64 = 1_767_225_600_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;
const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
keep_snapshots = 1
keep_for = "0s"
[time]
as_of = "2026-03-01T00:00:00Z"
[money]
currency = "EUR"

[[source]]
name = "crm"
kind = "profile"
path = "crm/"
record_key = "id"
time = "at"
identifiers = { email = "email", phone = "phone", user_id = "user" }
traits = { first_name = "word", city = "city" }
[[source]]
name = "letters"
kind = "profile"
path = "letters/"
time = "at"
identifiers = { email = "email" }
traits = { city = "coalesce(region, city)" }
[[source]]
name = "shop"
kind = "order"
path = "shop/"
record_key = "id"
time = "at"
updated_at = "updated"
identifiers = { email = "email", user_id = "user" }
columns = { amount = "amount", status = "state", currency = "currency", channel = "city" }
[[source]]
name = "till"
kind = "order"
path = "till/"
record_key = "id"
time = "at"
identifiers = { phone = "phone" }
columns = { amount = "amount", channel = "region" }
[[source]]
name = "market"
kind = "order"
path = "market/"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount" }
[[source]]
name = "lines"
kind = "order_item"
path = "lines/"
columns = { order_id = "order_id", product_id = "word", quantity = "pieces", unit_price = "amount" }
[[source]]
name = "returns"
kind = "refund"
path = "returns/"
record_key = "id"
time = "at"
columns = { order_id = "order_id", amount = "amount" }
[[source]]
name = "visits"
kind = "event"
path = "visits/"
time = "at"
identifiers = { anonymous_id = "visitor", email = "email" }
columns = { name = "word" }
[[source]]
name = "clicks"
kind = "event"
path = "clicks/"
record_key = "id"
time = "at"
identifiers = { anonymous_id = "visitor", user_id = "user" }
columns = { name = "word" }
[[source]]
name = "plans"
kind = "subscription"
path = "plans/"
record_key = "id"
time = "at"
updated_at = "updated"
identifiers = { email = "email" }
columns = { plan = "word", mrr = "amount" }
[[source]]
name = "asked"
kind = "survey"
path = "asked/"
record_key = "id"
time = "at"
updated_at = "updated"
identifiers = { email = "email" }
columns = { survey = "'nps'", score = "floor(amount)", comment = "word" }
[[source]]
name = "calls"
kind = "interaction"
path = "calls/"
record_key = "id"
time = "at"
identifiers = { phone = "phone" }
columns = { channel = "'phone'", type = "word" }
[[source]]
name = "permits"
kind = "consent"
path = "permits/"
time = "at"
identifiers = { email = "email", phone = "phone" }
columns = { purpose = "word", granted = "granted" }
[[source]]
name = "ads"
kind = "spend"
path = "ads/"
record_key = "id"
columns = { date = "at", channel = "city", amount = "amount", currency = "currency" }
[[source]]
name = "rates"
kind = "fx_rate"
path = "rates/"
columns = { date = "at", currency = "'USD'", rate = "amount" }
[[source]]
name = "said"
kind = "identity_override"
path = "said/"
time = "at"
columns = { source_a = "'crm'", record_a = "id", source_b = "'crm'", record_b = "order_id", verdict = "case when granted then 'same' else 'different' end" }
[[source]]
name = "desk"
kind = "identity_override"
path = "desk/"
record_key = "id"
time = "at"
updated_at = "updated"
columns = { source_a = "'crm'", record_a = "order_id", source_b = "case word when 'view' then 'shop' else 'crm' end", record_b = "about", verdict = "case when granted then 'same' else 'different' end" }
[[source]]
name = "places"
kind = "identity_override"
path = "places/"
time = "at"
columns = { source_a = "'crm'", record_a = "id", source_b = "'letters'", record_b = "about", verdict = "'same'" }

[[identity.identifier]]
type = "user_id"
strong = true
limit = 1
[[identity.identifier]]
type = "email"
normalise = "email"
strong = true
limit = 2
[[identity.identifier]]
type = "phone"
normalise = "phone:DE"
max_customers = 2
[[identity.identifier]]
type = "anonymous_id"
max_customers = 1

[[segment]]
name = "buyers"
where = "last_order_at IS NOT NULL"
[[segment]]
name = "known"
where = "identified_at IS NOT NULL"
[[segment]]
name = "lapsing"
where = "recency_days >= 14 AND recency_days < 40"
[[segment]]
name = "fresh"
where = "tenure_days < 21"
[[segment]]
name = "settled"
where = "first_seen_at + INTERVAL '20 days' < as_of_at AND orders_30_days > 0"
[server]
authentication = "trust"
"#;

/// Stages that ask for facts of their own names.
const STAGES: &str = r#"
[lifecycle.facts]
complaint = "surveys where score < 3"
cancellation = "orders where status = 'cancelled'"
referral = "events where name = 'signup'"
closing = "subscriptions where plan = 'free'"
[[lifecycle.stage]]
name = "cross"
complaint = { at_least = 1 }
[[lifecycle.stage]]
name = "fickle"
cancellation = { at_least = 1, at_most = 2 }
[[lifecycle.stage]]
name = "helper"
referrals_within = { days = 20, at_least = 1 }
[[lifecycle.stage]]
name = "ended"
closed = true
[[lifecycle.stage]]
name = "buyer"
orders = { at_least = 1 }
[[lifecycle.stage]]
name = "rest"
"#;

/// Facts of the names that the preset asks for.
const FACTS: &str = r#"
[lifecycle.facts]
referral = "interactions where type = 'view'"
closing = "orders where status = 'cancelled' and amount > 4"
"#;

/// The configuration of a world: whether time passes in it, and by its seed the stages.
pub(crate) fn config(seed: u64, moves: bool) -> String {
    let config = match moves {
        true => CONFIG.replace(AS_OF, ""),
        false => CONFIG.to_owned(),
    };
    let stages = match seed % 5 {
        0 | 1 => STAGES,
        2 | 3 => FACTS,
        _ => "",
    };
    config + stages
}

/// The relations that a run makes, and of the files what does not depend on when they were looked at.
pub(crate) fn queries() -> Vec<String> {
    let relations = [
        "customers",
        "customer_360",
        "profiles",
        "trait_lineage",
        "events",
        "orders",
        "order_items",
        "refunds",
        "subscriptions",
        "surveys",
        "interactions",
        "consents",
        "spend",
        "lifecycle_history",
        "segments",
        "segment_members",
        "cohort_retention_monthly",
        "lifecycle_funnel",
        "stage_transitions_monthly",
        "time_in_stage_monthly",
        "perennial.identity_conflicts",
        "perennial.identity_warnings",
        "perennial.identity_blocked",
        "perennial.identity_overrides",
        "perennial.fx_rates",
        "perennial.sources",
        "raw.till",
        "raw.letters",
        "raw.lines",
    ];
    let mut queries: Vec<String> = relations
        .iter()
        .map(|relation| format!("SELECT * FROM {relation}"))
        .collect();
    queries.push(
        "SELECT source, path, state, reason, rows_landed, rows_unified, rows_superseded, rows_filtered, rows_rejected, \
         rejections FROM perennial.files"
            .to_owned(),
    );
    // The moment of a run is its own.
    queries.extend(
        [
            "customer_id, type, value, first_seen_at, last_seen_at, sources, records, snapshot FROM identities",
            "customer_id, type, value, from_snapshot, to_snapshot FROM identity_history",
            "customer_id, source_a, record_a, source_b, record_b, reason, type, value, linked_at, records, snapshot \
             FROM identity_links",
            "customer_id, source_a, record_a, source_b, record_b, reason, type, value, from_snapshot, to_snapshot \
             FROM identity_link_history",
            "snapshot, change, customer_id, other_customer_id, cause FROM identity_changes",
            "retired_customer_id, customer_id, snapshot FROM identity_redirects",
        ]
        .map(|query| format!("SELECT {query}")),
    );
    // Statistics answer some questions, and the order of files others.
    for relation in ["orders", "events", "customers", "identities", "customer_360"] {
        queries.push(format!(
            "SELECT count(*), min(customer_id), max(customer_id), count(DISTINCT customer_id) FROM {relation}"
        ));
        queries.push(format!(
            "SELECT customer_id FROM {relation} ORDER BY customer_id NULLS LAST LIMIT 3"
        ));
    }
    queries.push(
        "SELECT min(time), max(time), count(customer_id), min(amount), max(amount) FROM orders".to_owned(),
    );
    queries.push("SELECT customer_id, count(*), max(time) FROM events GROUP BY 1".to_owned());
    // What records said before.
    for day in ["2026-01-11", "2026-02-10"] {
        queries.push(format!("SET perennial.as_of = '{day}T00:00:00Z'"));
        for kind in [
            "orders",
            "events",
            "refunds",
            "subscriptions",
            "surveys",
            "interactions",
            "consents",
        ] {
            queries.push(format!("SELECT * FROM {kind}"));
        }
    }
    queries
}

/// Of [`queries`] those whose answers do not depend on when what landed, once customers have names that do not.
pub(crate) fn without_past() -> Vec<String> {
    let of_past = |query: &String| {
        [
            "snapshot",
            "identity_changes",
            "FROM segment_members",
            "min(customer_id)",
            "LIMIT",
            "FROM raw.",
        ]
        .iter()
        .any(|word| query.contains(word))
    };
    let mut queries: Vec<String> = queries().into_iter().filter(|query| !of_past(query)).collect();
    queries.splice(
        0..0,
        [
            "customer_id, type, value, first_seen_at, last_seen_at, sources, records FROM identities",
            "customer_id, source_a, record_a, source_b, record_b, reason, type, value, linked_at, records \
             FROM identity_links",
            "segment, customer_id FROM segment_members",
        ]
        .map(|query| format!("SELECT {query}")),
    );
    queries
}

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn one_of<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len() as u64) as usize]
    }
}

/// A row of any source: every column that a source may have.
#[derive(Clone)]
pub(crate) struct Row {
    id: String,
    order_id: String,
    email: Option<String>,
    phone: Option<String>,
    user: Option<String>,
    visitor: Option<String>,
    word: String,
    city: Option<String>,
    state: String,
    currency: Option<String>,
    amount: Option<f64>,
    granted: bool,
    at: Option<i64>,
    updated: i64,
    more: Option<String>,
    /// A key of another row, or a place.
    pub(crate) about: String,
    pieces: i64,
}

pub(crate) fn row(draws: &mut Draws, people: u64) -> Row {
    let some = |draws: &mut Draws, text: String| (draws.below(3) > 0).then_some(text);
    let person = draws.below(people);
    let other = draws.below(people);
    let at = NEW_YEAR + draws.below(60 * 24) as i64 * HOUR;
    let email = match draws.below(12) {
        0 => "info@acme.example".to_owned(),
        1 => "not an address".to_owned(),
        2 => format!("P{other}@Example.com"),
        _ => format!("p{person}@example.com"),
    };
    let phone = match draws.below(8) {
        0 => "000000".to_owned(),
        1 => format!("030 555{:03}", draws.below(4)),
        _ => format!("030 777{person:03}"),
    };
    let visitor = format!("v{}", if draws.below(4) == 0 { other } else { person });
    let more = format!("m{}", draws.below(3));
    Row {
        id: format!("k{}", draws.below(4 * people)),
        order_id: format!("k{}", draws.below(4 * people)),
        email: some(draws, email),
        phone: some(draws, phone),
        user: (draws.below(3) == 0).then(|| format!("u{person}")),
        visitor: some(draws, visitor),
        word: draws
            .one_of(&["view", "signup", "login", "free", "pro"])
            .to_owned(),
        city: draws.one_of(&["", "Rome", "Oslo", "Bonn"]).to_owned().into(),
        state: draws.one_of(&["paid", "paid", "cancelled"]).to_owned(),
        currency: draws.one_of(&["EUR", "USD", ""]).to_owned().into(),
        amount: (draws.below(200) > 0).then(|| draws.below(10) as f64 + 0.5),
        granted: draws.below(2) == 0,
        at: (draws.below(200) > 0).then_some(at),
        updated: at + draws.below(200) as i64 * HOUR,
        more: some(draws, more),
        about: format!("k{}", draws.below(4 * people)),
        pieces: draws.below(5) as i64,
    }
}

/// What columns a file has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Columns {
    /// Whether there is one more.
    pub(crate) more: bool,
    /// Whether numbers have narrow types.
    pub(crate) narrow: bool,
}

pub(crate) fn file(rows: &[Row], has: Columns) -> Vec<u8> {
    fn text<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<&'a str>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    }
    let times = |of: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        let times: TimestampMicrosecondArray = rows.iter().map(of).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", text(rows, |row| Some(&row.id))),
        ("order_id", text(rows, |row| Some(&row.order_id))),
        ("email", text(rows, |row| row.email.as_deref())),
        ("phone", text(rows, |row| row.phone.as_deref())),
        ("user", text(rows, |row| row.user.as_deref())),
        ("visitor", text(rows, |row| row.visitor.as_deref())),
        ("word", text(rows, |row| Some(&row.word))),
        ("city", text(rows, |row| row.city.as_deref())),
        ("state", text(rows, |row| Some(&row.state))),
        ("currency", text(rows, |row| row.currency.as_deref())),
        ("about", text(rows, |row| Some(&row.about))),
        (
            "granted",
            Arc::new(rows.iter().map(|row| Some(row.granted)).collect::<BooleanArray>()),
        ),
        ("at", times(&|row| row.at)),
        ("updated", times(&|row| Some(row.updated))),
    ];
    let (amounts, pieces) = (
        rows.iter().map(|row| row.amount),
        rows.iter().map(|row| Some(row.pieces)),
    );
    let numbers: [ArrayRef; 2] = match has.narrow {
        true => [
            Arc::new(
                amounts
                    .map(|amount| Some(amount? as f32))
                    .collect::<Float32Array>(),
            ),
            Arc::new(pieces.map(|pieces| Some(pieces? as i32)).collect::<Int32Array>()),
        ],
        false => [
            Arc::new(amounts.collect::<Float64Array>()),
            Arc::new(pieces.collect::<Int64Array>()),
        ],
    };
    columns.extend(["amount", "pieces"].into_iter().zip(numbers));
    if has.more {
        columns.push(("more", text(rows, |row| row.more.as_deref())));
    }
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// Lands a file that has come to rest long ago, in 2020.
pub(crate) fn land(lake: &TestLake, path: &str, bytes: &[u8]) {
    lake.land(path, bytes);
    rest(&lake.root().join(path), 0);
}

pub(crate) fn rest(path: &Path, seconds: u64) {
    let landed = fs::File::options().write(true).open(path).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800 + seconds);
    landed.set_modified(at).unwrap();
}

pub(crate) const SOURCES: [&str; 18] = [
    "crm", "letters", "shop", "till", "market", "lines", "returns", "visits", "clicks", "plans", "asked",
    "calls", "permits", "ads", "rates", "said", "desk", "places",
];
