//! Lakes in which nothing says who a person is: what `init` proposes for them, and what is written by hand, is checked, unified
//! and served. Whose rows are of nobody is by design 01: what somebody did belongs to no customer, and a profile is one.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use perennial_testkit::{RunOptions, Setup, TestLake, TestServer};

use crate::proposed::taken;
use crate::support::{connect, lines, one, parquet};

/// 2026-01-01 in UTC, in days and in microseconds since 1970.
const DAY: i32 = 20_454;
const TIME: i64 = 1_767_225_600_000_000;

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn numbers(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// As many days, from the first on.
fn days(count: i32) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(DAY..DAY + count))
}

/// As many moments, a second apart.
fn times(count: i64) -> ArrayRef {
    let times = (0..count).map(|second| TIME + second * 1_000_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
}

fn products() -> Vec<u8> {
    file(vec![
        ("product_id", texts(&["p1", "p2"])),
        ("name", texts(&["Filter", "Kettle"])),
        ("category", texts(&["paper", "metal"])),
    ])
}

/// Two purchases of 10 and 20.5, one of the web and one of the store, with these keys.
fn sales(keys: [&str; 2]) -> Vec<u8> {
    file(vec![
        ("order_id", texts(&keys)),
        ("amount", numbers(&[10.0, 20.5])),
        ("ordered_at", times(2)),
        ("channel", texts(&["web", "store"])),
    ])
}

fn costs() -> Vec<u8> {
    file(vec![
        ("day", days(2)),
        ("channel", texts(&["search", "social"])),
        ("amount", numbers(&[3.0, 4.0])),
    ])
}

#[tokio::test]
async fn what_is_proposed_for_files_without_a_person_is_served() {
    let purchases = file(vec![
        ("order_id", texts(&["1", "2"])),
        ("amount", numbers(&[10.0, 20.5])),
        ("ordered_at", times(2)),
    ]);
    let german = file(vec![
        ("order_no", texts(&["1", "2"])),
        ("e_mail", texts(&["ann@example.org", "bob@example.org"])),
        ("datum", texts(&["11.11.2026", "12.11.2026"])),
        ("betrag", texts(&["1,50", "2,50"])),
    ]);
    let clicks = file(vec![("event", texts(&["view", "view"])), ("ts", times(2))]);
    for (path, bytes, sql, expected) in [
        (
            "products/1.parquet",
            products(),
            "SELECT product_id, name, category FROM public.products ORDER BY 1",
            &["p1|Filter|paper", "p2|Kettle|metal"][..],
        ),
        (
            "purchases/1.parquet",
            purchases,
            "SELECT count(*), sum(amount) FROM public.purchases",
            &["2|30.5"],
        ),
        (
            "german/1.parquet",
            german,
            "SELECT e_mail, betrag FROM public.german ORDER BY 1",
            &["ann@example.org|1,50", "bob@example.org|2,50"],
        ),
        (
            "clicks/1.parquet",
            clicks,
            "SELECT event, count(*) FROM public.clicks GROUP BY 1",
            &["view|2"],
        ),
        (
            "sales/1.parquet",
            sales(["1", "2"]),
            "SELECT order_id, amount, channel, customer_id IS NULL FROM orders ORDER BY 1",
            &["1|10.0000|web|t", "2|20.5000|store|t"],
        ),
        (
            "ads/1.parquet",
            costs(),
            "SELECT date, channel, amount FROM spend ORDER BY 1",
            &["2026-01-01|search|3.0000", "2026-01-02|social|4.0000"],
        ),
    ] {
        let lake = TestLake::of("[lake]\nurl = \"./lake\"\n", &[(path, &bytes)]);
        let proposed = taken(&lake);
        lake.unify();
        let server = TestServer::start(lake);
        let client = connect(&server).await;
        assert_eq!(lines(&client, sql).await, expected, "{path}\n{proposed}");
        assert_eq!(
            one(&client, "SELECT count(*) FROM customers").await,
            "0",
            "{path}"
        );
    }
}

const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[money]
currency = "EUR"
[time]
as_of = "2026-03-01T00:00:00Z"
[[source]]
name = "sales"
kind = "order"
path = "sales/"
record_key = "order_id"
time = "ordered_at"
identifiers = {}
columns = { amount = "amount", channel = "channel" }
[[source]]
name = "views"
kind = "event"
path = "views/"
time = "at"
identifiers = {}
columns = { name = "event" }
[[source]]
name = "people"
kind = "profile"
path = "people/"
record_key = "id"
time = "at"
identifiers = {}
traits = { full_name = "name" }
[server]
authentication = "trust"
"#;

#[tokio::test]
async fn what_somebody_did_is_nobody_s_and_a_profile_is_a_customer() {
    let people = file(vec![
        ("id", texts(&["a", "b"])),
        ("name", texts(&["Ann", "Bob"])),
        ("at", times(2)),
    ]);
    let views = file(vec![("event", texts(&["view", "view"])), ("at", times(2))]);
    let first = sales(["1", "2"]);
    let files: [(&str, &[u8]); 3] = [
        ("sales/1.parquet", &first),
        ("views/1.parquet", &views),
        ("people/1.parquet", &people),
    ];
    let lake = TestLake::of(CONFIG, &files);
    lake.check().unwrap();
    lake.unify();
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let facts = "SELECT (SELECT count(*) FROM orders), (SELECT sum(amount) FROM orders), (SELECT count(*) FROM events), \
                 (SELECT count(customer_id) FROM orders), (SELECT count(customer_id) FROM events), \
                 (SELECT count(*) FROM identities)";
    let customers = "SELECT full_name, orders FROM customer_360 ORDER BY 1";
    assert_eq!(one(&client, facts).await, "2|30.5000|2|0|0|0");
    assert_eq!(lines(&client, customers).await, ["Ann|0", "Bob|0"]);
    let ids = "SELECT string_agg(customer_id, ' ' ORDER BY customer_id) FROM customers";
    let before = one(&client, ids).await;
    // What lands later joins what is there.
    server.lake().land("sales/2.parquet", &sales(["3", "4"]));
    assert_eq!(server.look().await.snapshot, Some(2));
    assert_eq!(one(&client, facts).await, "4|61.0000|2|0|0|0");
    assert_eq!(one(&client, ids).await, before);
}

#[tokio::test]
async fn a_lake_without_sources_is_served_without_rows() {
    let lake = TestLake::of(
        "[lake]\nurl = \"./lake\"\n[server]\nauthentication = \"trust\"\n",
        &[],
    );
    lake.check().unwrap();
    let refused = lake.try_run(Setup::default(), RunOptions::SETTLED).unwrap_err();
    assert!(
        refused.contains("The configuration has no [[source]]."),
        "{refused}"
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "0");
    assert_eq!(
        one(&client, "SELECT count(*) FROM perennial.snapshots").await,
        "0"
    );
}
