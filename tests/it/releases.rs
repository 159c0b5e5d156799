//! Snapshots that come while the lake is served, and what clients keep of those before.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{TestLake, TestServer};

use crate::support::{code, connect, execute, lines, one, parquet};

/// A source that is called as a unified relation is: what the name means depends on the search path.
const CONFIG: &str = r#"
[lake]
url = "./lake"
[money]
currency = "EUR"
[[source]]
name = "orders"
kind = "order"
path = "orders/"
record_key = "order_id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount" }
[server]
authentication = "trust"
"#;

/// One order of 2026.
fn order(id: &str, amount: f64) -> Vec<u8> {
    let times = TimestampMicrosecondArray::from_iter_values([1_767_225_600_000_000]);
    let columns: [(&str, ArrayRef); 4] = [
        ("order_id", Arc::new(StringArray::from(vec![id]))),
        ("email", Arc::new(StringArray::from(vec!["ann@example.org"]))),
        ("amount", Arc::new(Float64Array::from(vec![amount]))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

#[tokio::test]
async fn a_look_without_news_leaves_the_release_as_it_is() {
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &order("1", 1.0))]));
    let before = server.engine().release();
    assert_eq!(server.engine().refresh().await.unwrap(), 1);
    assert!(Arc::ptr_eq(&before, &server.engine().release()));
}

#[tokio::test]
async fn an_old_snapshot_that_cannot_be_read_does_not_stop_the_newest() {
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &order("1", 1.0))]));
    server.lake().land("orders/b.parquet", &order("2", 2.0));
    server.lake().unify();
    let first = server
        .lake()
        .root()
        .join("_perennial/snapshots/00000000000000000001.json");
    std::fs::write(first, "{").unwrap();
    assert_eq!(server.engine().refresh().await.unwrap(), 2);
    let client = connect(&server).await;
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "2");
    // A server that starts now has not seen the first one whole.
    let again = TestServer::start(server.lake().clone());
    let client = connect(&again).await;
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "2");
    assert_eq!(
        lines(&client, "SELECT snapshot FROM perennial.snapshots").await,
        ["2"]
    );
}

#[tokio::test]
async fn a_prepared_statement_outlives_a_snapshot_and_never_changes_its_types() {
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &order("1", 1.0))]));
    let client = connect(&server).await;
    let amounts = client
        .prepare("SELECT order_id, amount FROM orders ORDER BY order_id")
        .await
        .unwrap();
    let moment = client.prepare("SELECT now()").await.unwrap();
    assert_eq!(client.query(&amounts, &[]).await.unwrap().len(), 1);
    server.lake().land("orders/b.parquet", &order("2", 2.0));
    server.lake().unify();
    server.engine().refresh().await.unwrap();
    assert_eq!(client.query(&amounts, &[]).await.unwrap().len(), 2);
    // An instant is one type in every zone.
    execute(&client, "SET TIME ZONE 'Asia/Tokyo'").await;
    assert_eq!(client.query(&moment, &[]).await.unwrap().len(), 1);
    // As it landed the amount is double precision, unified it is numeric.
    execute(&client, "SET search_path = raw").await;
    let error = client.query(&amounts, &[]).await.unwrap_err();
    let message = error.as_db_error().map(|error| error.message().to_owned());
    assert_eq!(
        (code(&error).as_str(), message.as_deref()),
        ("0A000", Some("cached plan must not change result type"))
    );
    execute(&client, "RESET search_path").await;
    assert_eq!(client.query(&amounts, &[]).await.unwrap().len(), 2);
}
