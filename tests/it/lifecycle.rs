//! What was known at a moment is what a lake says that describes the moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{connect, execute, lines, one, parquet};

/// 2026-01-01 in UTC.
const START: i64 = 1_767_225_600_000_000;
const DAY: i64 = 86_400_000_000;

/// The beginning of a day, counted from the start of 2026.
pub(crate) fn midnight(mut day: i64) -> String {
    for year in 2026.. {
        let february = if year % 4 == 0 { 29 } else { 28 };
        for (month, length) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            .into_iter()
            .enumerate()
        {
            if day < length {
                return format!("{year}-{:02}-{:02}T00:00:00Z", month + 1, day + 1);
            }
            day -= length;
        }
    }
    String::new()
}

pub(crate) fn config(as_of_day: i64) -> String {
    let source = |name: &str, kind: &str, identifiers: &str, columns: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nkind = \"{kind}\"\npath = \"{name}/\"\nrecord_key = \"id\"\ntime = \"at\"\n\
             updated_at = \"updated\"\n{identifiers}columns = {{ {columns} }}\n"
        )
    };
    let email = "identifiers = { email = \"email\" }\n";
    let sources = [
        source("orders", "order", email, "amount = \"number\", status = \"word\""),
        source(
            "surveys",
            "survey",
            email,
            "survey = \"word\", score = \"number\"",
        ),
        source(
            "refunds",
            "refund",
            "",
            "order_id = \"word\", amount = \"number\"",
        ),
        source(
            "plans",
            "subscription",
            email,
            "mrr = \"number\", status = \"word\"",
        ),
        source("events", "event", email, "name = \"word\""),
    ];
    format!(
        "[lake]\nurl = \"./lake\"\nrefresh = \"off\"\n[time]\nas_of = \"{}\"\n[money]\ncurrency = \"EUR\"\n{}\
         [lifecycle.facts]\nclosing = \"events where name = 'closed'\"\nreferral = \"events where name = 'referral'\"\n\
         [server]\nauthentication = \"trust\"\n",
        midnight(as_of_day),
        sources.concat()
    )
}

/// A version of a row: key, address, day, day of the version, a word and a number.
#[derive(Debug, Clone)]
pub(crate) struct Row(
    pub(crate) String,
    pub(crate) String,
    pub(crate) i64,
    pub(crate) i64,
    pub(crate) &'static str,
    pub(crate) f64,
);

pub(crate) fn file(rows: &[Row], word: impl Fn(&Row) -> String) -> Vec<u8> {
    let text = |of: &dyn Fn(&Row) -> String| {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>()) as ArrayRef
    };
    let instants = |of: &dyn Fn(&Row) -> i64| {
        let instants =
            TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| START + of(row) * DAY));
        Arc::new(instants.with_timezone("UTC")) as ArrayRef
    };
    let columns = [
        ("id", text(&|row| row.0.clone())),
        ("email", text(&|row| row.1.clone())),
        ("at", instants(&|row| row.2)),
        ("updated", instants(&|row| row.3)),
        ("word", text(&word)),
        (
            "number",
            Arc::new(rows.iter().map(|row| Some(row.5)).collect::<Float64Array>()) as ArrayRef,
        ),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// A stream of numbers, the same for one seed.
struct Stream(u64);

impl Stream {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Rows of a kind: `most` of each customer at most, and a correction or two of some.
fn rows(
    stream: &mut Stream,
    customers: u64,
    kind: &str,
    most: u64,
    words: &[&'static str],
    numbers: &[f64],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for customer in 0..customers {
        for number in 0..stream.below(most + 1) {
            let key = format!("{kind}{customer}-{number}");
            let (at, email) = (stream.below(500) as i64, format!("c{customer}@example.org"));
            let mut updated = at;
            for _ in 0..=[0, 0, 0, 1, 2][stream.below(5) as usize] {
                let (word, number) = (stream.one(words), stream.one(numbers));
                rows.push(Row(key.clone(), email.clone(), at, updated, word, number));
                updated += 1 + stream.below(120) as i64;
            }
        }
    }
    rows
}

/// What a session reads as of a moment, and a lake that describes the moment reads at all.
const FACTS: [(&str, &str); 8] = [
    ("orders", "f.order_id, f.source"),
    ("surveys", "f.record_key"),
    ("refunds", "f.record_key"),
    ("subscriptions", "f.subscription_id, f.time"),
    ("events", "f.record_key"),
    ("lifecycle_history", "f.entered_at"),
    ("stage_transitions_monthly", "1, 2, 3"),
    ("lifecycle_funnel", "1"),
];

/// Compares every fact that two clients read, customers by their addresses.
async fn same_facts(one: &Client, other: &Client, day: i64) {
    for (relation, order) in FACTS {
        let columns = "SELECT string_agg('f.' || column_name, ', ' ORDER BY ordinal_position) \
                       FROM information_schema.columns \
                       WHERE table_schema = 'public' AND column_name <> 'customer_id' AND table_name = ";
        let columns = lines(one, &format!("{columns}'{relation}'")).await.concat();
        let of_customers = !order.starts_with('1');
        let sql = match of_customers {
            true => format!(
                "SELECT i.value, {columns} FROM {relation} f JOIN identities i USING (customer_id) ORDER BY 1, {order}"
            ),
            false => format!("SELECT {columns} FROM {relation} f ORDER BY {order}"),
        };
        let (told, known) = (lines(one, &sql).await, lines(other, &sql).await);
        if of_customers {
            let count = format!("SELECT count(*), count(customer_id) FROM {relation}");
            assert_eq!(
                lines(one, &count).await,
                lines(other, &count).await,
                "{relation}, day {day}"
            );
        }
        let wrong: Vec<_> = told
            .iter()
            .zip(&known)
            .filter(|(told, known)| told != known)
            .collect();
        assert!(
            wrong.is_empty() && told.len() == known.len() && (day < 100 || !told.is_empty()),
            "{relation}, day {day}: {} and {}, {wrong:#?}",
            told.len(),
            known.len()
        );
    }
}

/// Facts of all kinds with their corrections, of `customers` people.
pub(crate) fn corrected_facts(customers: u64) -> [(&'static str, Vec<u8>); 5] {
    let mut stream = Stream(crate::support::seed(7));
    let numbers = [10.0, 20.0];
    let of = |row: &Row| row.4.to_owned();
    let orders = rows(
        &mut stream,
        customers,
        "o",
        5,
        &["paid", "paid", "paid", "cancelled", "pending"],
        &numbers,
    );
    let surveys = rows(
        &mut stream,
        customers,
        "s",
        3,
        &["nps", "nps", "csat"],
        &[3.0, 9.0, 10.0],
    );
    let refunds = rows(&mut stream, customers, "r", 1, &[""], &[5.0, 10.0, 20.0]);
    let plans = rows(
        &mut stream,
        customers,
        "p",
        1,
        &["active", "trial", "past_due"],
        &[0.0, 30.0, 50.0],
    );
    let events = rows(
        &mut stream,
        customers,
        "e",
        2,
        &["view", "closed", "referral"],
        &[0.0],
    );
    [
        ("orders/a.parquet", file(&orders, of)),
        ("surveys/a.parquet", file(&surveys, of)),
        // A refund is of the customer's first order.
        (
            "refunds/a.parquet",
            file(&refunds, |row| row.0.replacen('r', "o", 1)),
        ),
        ("plans/a.parquet", file(&plans, of)),
        ("events/a.parquet", file(&events, of)),
    ]
}

#[tokio::test]
async fn history_is_what_was_known_then() {
    let files = corrected_facts(80);
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (*path, bytes.as_slice()))
        .collect();
    let all = TestServer::start(TestLake::of(&config(900), &files));
    let of_all = connect(&all).await;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for day in [40, 130, 220, 365, 480, 700] {
        let then = TestServer::start(TestLake::of(&config(day), &files));
        let of_then = connect(&then).await;
        let known = lines(
            &of_then,
            "SELECT c.email, s.lifecycle_stage FROM customer_360 s JOIN customers c USING (customer_id) ORDER BY 1",
        )
        .await;
        let told = format!(
            "SELECT c.email, a.stage FROM lifecycle_at('{}') a JOIN customers c ON c.customer_id = a.customer_id ORDER BY 1",
            midnight(day)
        );
        let told = lines(&of_all, &told).await;
        let wrong: Vec<_> = told
            .iter()
            .zip(&known)
            .filter(|(told, known)| told != known)
            .collect();
        assert!(
            wrong.is_empty() && told.len() == known.len(),
            "day {day}: {wrong:?}"
        );
        execute(&of_all, &format!("SET perennial.as_of = '{}'", midnight(day))).await;
        same_facts(&of_all, &of_then, day).await;
        execute(&of_all, "RESET perennial.as_of").await;
        for line in &told {
            *seen
                .entry(line.split('|').next_back().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

/// A survey that is corrected, and an order that becomes final, change nothing before they do.
#[tokio::test]
async fn a_correction_is_a_fact_of_its_own_moment() {
    let row = |key: &str, at, updated, word, number| {
        Row(key.into(), "ann@example.org".into(), at, updated, word, number)
    };
    let of = |row: &Row| row.4.to_owned();
    let orders = file(
        &[row("o1", 0, 0, "paid", 10.0), row("o1", 0, 100, "final", 10.0)],
        of,
    );
    let surveys = file(
        &[row("s1", 20, 20, "nps", 9.0), row("s1", 20, 50, "nps", 3.0)],
        of,
    );
    let files: [(&str, &[u8]); 2] = [("orders/a.parquet", &orders), ("surveys/a.parquet", &surveys)];
    let config = config(120).replace("events where name = 'closed'", "orders where status = 'final'");
    let server = TestServer::start(TestLake::of(&config, &files));
    let client = connect(&server).await;
    let history = "SELECT stage, extract(epoch FROM entered_at - timestamptz '2026-01-01 00:00:00+00')::bigint / 86400, reason \
                   FROM lifecycle_history ORDER BY entered_at";
    assert_eq!(
        lines(&client, history).await,
        [
            "conversion|0|first seen",
            "advocacy|20|nps answer",
            "conversion|50|nps answer",
            "at_risk|90|silence reached the active window",
            "terminated|100|closing",
        ]
    );
    assert_eq!(one(&client, "SELECT score FROM surveys").await, "3");
}

#[test]
fn an_event_that_a_stage_asks_for_and_nobody_has_is_told_with_its_place() {
    let stages = "[[lifecycle.stage]]\nname = \"trial\"\nevents = { name = \"trail_started\", at_least = 1 }\n\
                  [[lifecycle.stage]]\nname = \"rest\"\n";
    let config = crate::runs::config("", stages);
    let order = ("1", "ann@example.org", "paid", "EUR", 0);
    let lake = TestLake::of(&config, &[("orders/1.parquet", &crate::runs::orders(&[order]))]);
    let line = config
        .lines()
        .position(|line| line.starts_with("events ="))
        .unwrap()
        + 1;
    let told = format!(
        "perennial.toml:{line}:1: no customer has an event \"trail_started\", for which stage \"trial\" asks: correct the name, or land such events"
    );
    assert_eq!(lake.unify().noticed.told("perennial.toml"), [told]);
}
