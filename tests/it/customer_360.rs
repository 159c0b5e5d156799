//! `customer_360` at its edges, every answer worked out by hand: windows to the microsecond, ties of channels, money in
//! several currencies, what comes after the moment described. The breadth of it is in `oracle/customer_360/`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use perennial_testkit::{TestLake, TestServer};

use crate::identity;
use crate::support::{connect, lines, one, parquet};

/// `[time] as_of`: 2025-07-01 in UTC.
const NOW: i64 = 1_751_328_000_000_000;
const DAY: i64 = 86_400_000_000;

/// The order of the sources is not that of their names: ties go by it.
const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[time]
as_of = "2025-07-01T00:00:00Z"
[money]
currency = "EUR"
[[source]]
name = "zeta"
kind = "order"
path = "zeta/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", currency = "currency", status = "status", channel = "channel" }
[[source]]
name = "clicks"
kind = "event"
path = "clicks/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { name = "name", channel = "channel" }
[[source]]
name = "alpha"
kind = "order"
path = "alpha/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", currency = "currency", status = "status", channel = "channel" }
[[source]]
name = "refunds"
kind = "refund"
path = "refunds/"
record_key = "id"
time = "at"
columns = { order_id = "order_id", amount = "amount" }
[[source]]
name = "lines"
kind = "order_item"
path = "lines/"
columns = { order_id = "order_id", product_id = "product", quantity = "quantity", unit_price = "price" }
[[source]]
name = "answers"
kind = "survey"
path = "answers/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { survey = "survey", score = "score" }
[[source]]
name = "rates"
kind = "fx_rate"
path = "rates/"
columns = { date = "date", currency = "currency", rate = "rate" }
[server]
authentication = "trust"
"#;

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    let missing = |text: &'a str| (text != "-").then_some(text);
    Arc::new(StringArray::from_iter(values.into_iter().map(missing)))
}

fn numbers(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// Moments, each told by how long before [`NOW`] it is.
fn ago(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    let moments = values.into_iter().map(|ago| NOW - ago);
    Arc::new(TimestampMicrosecondArray::from_iter_values(moments).with_timezone("UTC"))
}

/// An order: key, address, amount, currency, status, channel, how long ago. `-` is NULL.
type Order<'a> = (&'a str, &'a str, f64, &'a str, &'a str, &'a str, i64);

fn orders(rows: &[Order<'_>]) -> Vec<u8> {
    file(vec![
        ("id", texts(rows.iter().map(|row| row.0))),
        ("email", texts(rows.iter().map(|row| row.1))),
        ("amount", numbers(rows.iter().map(|row| row.2))),
        ("currency", texts(rows.iter().map(|row| row.3))),
        ("status", texts(rows.iter().map(|row| row.4))),
        ("channel", texts(rows.iter().map(|row| row.5))),
        ("at", ago(rows.iter().map(|row| row.6))),
    ])
}

/// An event: key, address, channel, how long ago.
type Event<'a> = (&'a str, &'a str, &'a str, i64);

fn events(rows: &[Event<'_>]) -> Vec<u8> {
    file(vec![
        ("id", texts(rows.iter().map(|row| row.0))),
        ("email", texts(rows.iter().map(|row| row.1))),
        ("name", texts(rows.iter().map(|_| "view"))),
        ("channel", texts(rows.iter().map(|row| row.2))),
        ("at", ago(rows.iter().map(|row| row.3))),
    ])
}

/// A refund: key, order, amount, how long ago.
type Refund<'a> = (&'a str, &'a str, f64, i64);

fn refunds(rows: &[Refund<'_>]) -> Vec<u8> {
    file(vec![
        ("id", texts(rows.iter().map(|row| row.0))),
        ("order_id", texts(rows.iter().map(|row| row.1))),
        ("amount", numbers(rows.iter().map(|row| row.2))),
        ("at", ago(rows.iter().map(|row| row.3))),
    ])
}

async fn answers(files: &[(&str, &[u8])], sql: &str) -> Vec<String> {
    let server = TestServer::start(TestLake::of(CONFIG, files));
    lines(&connect(&server).await, sql).await
}

#[tokio::test]
async fn a_window_of_days_is_open_at_its_far_end_and_closed_at_the_moment_described() {
    let edge = "edge@example.org";
    // Exactly a window ago is out of it; a microsecond later is in. The moment itself counts, and nothing behind it.
    let moments = [
        365 * DAY,
        365 * DAY - 1,
        90 * DAY,
        90 * DAY - 1,
        30 * DAY + 1,
        30 * DAY,
        30 * DAY - 1,
        0,
        -1,
    ];
    let keys: Vec<String> = (0..moments.len()).map(|at| format!("k{at}")).collect();
    let bought: Vec<Order<'_>> = keys
        .iter()
        .zip(moments)
        .map(|(key, at)| (key.as_str(), edge, 1.0, "EUR", "paid", "-", at))
        .collect();
    let done: Vec<Event<'_>> = keys
        .iter()
        .zip(moments)
        .map(|(key, at)| (key.as_str(), edge, "-", at))
        .collect();
    let sql = "SELECT orders, orders_30_days, orders_90_days, orders_365_days, events, events_30_days, events_90_days, events_365_days, \
               first_order_at = as_of_at - interval '365 days', last_order_at = as_of_at, \
               first_event_at = as_of_at - interval '365 days', last_event_at = as_of_at, last_seen_at = as_of_at, \
               tenure_days, recency_days, net_revenue FROM customer_360";
    let files: [(&str, &[u8]); 2] = [
        ("zeta/1.parquet", &orders(&bought)),
        ("clicks/1.parquet", &events(&done)),
    ];
    assert_eq!(
        answers(&files, sql).await,
        ["8|2|5|7|8|2|5|7|t|t|t|t|t|365|0|8.0000"]
    );
}

#[tokio::test]
async fn of_channels_at_one_instant_the_source_decides_and_then_the_key() {
    let tie = "tie@example.org";
    let (first, last) = (100 * DAY, 10 * DAY);
    // Before and after the ties stand what has no channel.
    let zeta = [
        ("z0", tie, 1.0, "EUR", "paid", "-", first + DAY),
        ("z2", tie, 1.0, "EUR", "paid", "ads 2", first),
        ("z1", tie, 1.0, "EUR", "paid", "ads 1", first),
        ("z3", tie, 1.0, "EUR", "paid", "ads 3", last),
    ];
    let clicks = [
        ("c0", tie, "  ", first + DAY),
        ("c1", tie, "social", first),
        ("c2", tie, "social", last),
        ("c9", tie, "", last - DAY),
    ];
    // What was not paid for came by a channel too. A channel of the day after is not known yet.
    let alpha = [
        ("a1", tie, 1.0, "EUR", "paid", "mail 1", first),
        ("a3", tie, 1.0, "EUR", "cancelled", "mail 3", last),
        ("a2", tie, 1.0, "EUR", "paid", "mail 2", last),
        ("a9", tie, 1.0, "EUR", "paid", "mail 9", -DAY),
    ];
    // The first of all comes from the first source, zeta, under its least key; the last from the last one, alpha, under its
    // greatest. By the names of the sources, or by key alone, it would be alpha's and zeta's.
    let sql = "SELECT first_touch_channel, last_touch_channel FROM customer_360";
    let files: [(&str, &[u8]); 3] = [
        ("zeta/1.parquet", &orders(&zeta)),
        ("clicks/1.parquet", &events(&clicks)),
        ("alpha/1.parquet", &orders(&alpha)),
    ];
    assert_eq!(answers(&files, sql).await, ["ads 1|mail 3"]);
}

#[tokio::test]
async fn refunds_take_the_currency_and_the_rate_of_their_order() {
    let (money, swiss, free) = ("money@example.org", "swiss@example.org", "free@example.org");
    let zeta = [
        // A hundred dollars at 0.9 of the order's day; 0.8 holds from the tenth day before now.
        ("usd", money, 100.0, "USD", "paid", "-", 20 * DAY),
        ("eur", money, 10.05, "EUR", "paid", "-", 15 * DAY),
        ("whole", money, 20.0, "eur", "paid", "-", 12 * DAY),
        ("void", money, 7.0, "EUR", "cancelled", "-", 11 * DAY),
        ("chf", swiss, 5.0, "CHF", "paid", "-", 9 * DAY),
        ("gift", free, 0.0, "EUR", "paid", "-", 9 * DAY),
    ];
    let back = [
        // 50 dollars at 0.9, given back when 0.8 held: 45 euros.
        ("r1", "usd", 50.0, 5 * DAY),
        ("r2", "whole", 15.0, 4 * DAY),
        ("r3", "whole", 5.0, 0),
        // After the moment described.
        ("r4", "eur", 10.05, -1),
        // Of an order that was never paid for nothing can be given back.
        ("r5", "void", 7.0, 3 * DAY),
    ];
    let day = |ago: i64| (NOW / DAY - ago) as i32;
    let rates = file(vec![
        (
            "date",
            Arc::new(Date32Array::from(vec![day(30), day(10)])) as ArrayRef,
        ),
        ("currency", texts(["USD", "USD"])),
        ("rate", numbers([0.9, 0.8])),
    ]);
    // 90 + 10.05 + 20 in three paid orders, of which one was given back wholly: 120.05 / 3 = 40.0167.
    let sql = "SELECT email, orders, gross_revenue, refunded, net_revenue, aov, round(median_gap_days) AS gap, round(recency_days) AS recency \
               FROM customer_360 ORDER BY email";
    let files: [(&str, &[u8]); 3] = [
        ("zeta/1.parquet", &orders(&zeta)),
        ("refunds/1.parquet", &refunds(&back)),
        ("rates/1.parquet", &rates),
    ];
    assert_eq!(
        answers(&files, sql).await,
        [
            "free@example.org|1|0.0000|0.0000|0.0000|0.0000||9",
            "money@example.org|2|120.0500|65.0000|55.0500|40.0167|5|15",
            "swiss@example.org|1||0.0000||||9",
        ]
    );
}

#[tokio::test]
async fn whoever_never_ordered_has_no_average_and_the_newest_answer_counts() {
    let nora = "nora@example.org";
    let asked = [
        ("s1", "nps", 3.0, 40 * DAY),
        ("s3", " NPS ", 9.0, 5 * DAY),
        ("s2", "nps", 7.0, 5 * DAY),
        ("s4", "csat", 1.0, DAY),
        ("s5", "nps", 0.0, -1),
    ];
    let surveys = file(vec![
        ("id", texts(asked.iter().map(|row| row.0))),
        ("email", texts(asked.iter().map(|_| nora))),
        ("survey", texts(asked.iter().map(|row| row.1))),
        ("score", numbers(asked.iter().map(|row| row.2))),
        ("at", ago(asked.iter().map(|row| row.3))),
    ]);
    // Of the two answers at one instant the one with the greater key is the newer.
    let sql = "SELECT orders, first_order_at, last_order_at, recency_days, median_gap_days, gross_revenue, refunded, net_revenue, aov, \
               events, first_event_at, interactions, last_interaction_at, mrr, first_touch_channel, \
               nps_latest, nps_latest_at = as_of_at - interval '5 days', lifecycle_stage, tenure_days, sources FROM customer_360";
    assert_eq!(
        answers(&[("answers/1.parquet", &surveys)], sql).await,
        ["0|||||0.0000|0.0000|0.0000||0||0||||9|t|acquisition|40|{answers}"]
    );
}

#[tokio::test]
async fn whoever_comes_later_is_nobody_yet_and_what_was_bought_then_is_of_no_order() {
    let zeta = [
        ("now", "ann@example.org", 10.0, "EUR", "paid", "ads", 0),
        ("later", "bob@example.org", 20.0, "EUR", "paid", "ads", -1),
        ("again", "ann@example.org", 30.0, "EUR", "paid", "mail", -DAY),
    ];
    let bought = ["now", "later", "again"];
    let items = file(vec![
        ("order_id", texts(bought)),
        ("product", texts(["beans", "cups", "filters"])),
        ("quantity", numbers([1.0, 2.0, 3.0])),
        ("price", numbers([10.0, 10.0, 10.0])),
    ]);
    let server = TestServer::start(TestLake::of(
        CONFIG,
        &[("zeta/1.parquet", &orders(&zeta)), ("lines/1.parquet", &items)],
    ));
    let client = connect(&server).await;
    let people = "SELECT email, orders, net_revenue, last_touch_channel FROM customer_360";
    assert_eq!(lines(&client, people).await, ["ann@example.org|1|10.0000|ads"]);
    assert_eq!(lines(&client, "SELECT order_id FROM orders").await, ["now"]);
    // An item is told by its order alone: where that is not known at the moment described, so is neither whose it is nor when
    // it was bought. Every row that landed stays accounted for.
    let items = "SELECT product_id, customer_id IS NOT NULL, time IS NOT NULL FROM order_items ORDER BY 1";
    assert_eq!(
        lines(&client, items).await,
        ["beans|t|t", "cups|f|f", "filters|f|f"]
    );
    let counted = "SELECT source, rows_landed, rows_unified, rows_filtered FROM perennial.files ORDER BY 1";
    assert_eq!(lines(&client, counted).await, ["lines|3|3|0", "zeta|3|1|2"]);
}

#[tokio::test]
async fn white_space_around_a_trait_is_no_part_of_it() {
    let with_trait = identity::config("survivorship = { first_name = \"most_frequent\" }", "").replacen(
        "phone = \"phone\" }",
        "phone = \"phone\" }\ntraits = { first_name = \"first\" }",
        1,
    );
    let profiles = identity::table(&[
        ("id", &["k1", "k2", "k3"]),
        ("email", &["ann@x.de"; 3]),
        ("phone", &[""; 3]),
        ("at", &["2026-01-01", "2026-01-02", "2026-01-03"]),
        ("first", &["Nele ", "\tNele", "Nelly"]),
    ]);
    let server = TestServer::start(TestLake::of(&with_trait, &[("crm/1.parquet", &profiles)]));
    let client = connect(&server).await;
    let served = "SELECT '<' || first_name || '>' FROM customers";
    assert_eq!(one(&client, served).await, "<Nele>");
    let lineage = "SELECT '<' || value || '>', record_key FROM trait_lineage";
    assert_eq!(lines(&client, lineage).await, ["<Nele>|k2"]);
}
