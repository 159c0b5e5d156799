//! Snapshots that come while the lake is served, and what clients keep of those before.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use perennial_testkit::{TestLake, TestServer};

use crate::support::{Bytes, becomes, code, connect, execute, lines, one, parquet};

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
    order_of(
        id,
        Arc::new(Float64Array::from(vec![amount])),
        Arc::new(Int32Array::from(vec![1])),
    )
}

/// One order of 2026, its numbers of the types that the file has them in.
fn order_of(id: &str, amount: ArrayRef, pieces: ArrayRef) -> Vec<u8> {
    let times = TimestampMicrosecondArray::from_iter_values([1_767_225_600_000_000]);
    let columns: [(&str, ArrayRef); 5] = [
        ("order_id", Arc::new(StringArray::from(vec![id]))),
        ("email", Arc::new(StringArray::from(vec!["ann@example.org"]))),
        ("amount", amount),
        ("pieces", pieces),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// A number of the units of its last digit, as a column of one row.
fn decimal(units: i128, precision: u8, scale: i8) -> ArrayRef {
    let column = Decimal128Array::from(vec![units]).with_precision_and_scale(precision, scale);
    Arc::new(column.unwrap())
}

/// The configuration as a server has it that looks for files every `refresh`; `amount` is what an order is worth. It
/// describes one moment, so that no run comes from the clock alone.
fn config(refresh: &str, amount: &str) -> String {
    let lake = format!("url = \"./lake\"\nrefresh = \"{refresh}\"");
    let config = CONFIG.replace("url = \"./lake\"", &lake);
    let config = config.replace("amount = \"amount\"", &format!("amount = \"{amount}\""));
    format!("{config}[time]\nas_of = \"2026-02-01T00:00:00Z\"\n")
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

#[tokio::test]
async fn a_prepared_statement_gives_numbers_that_have_grown_whole() {
    let pieces = || Arc::new(Int32Array::from(vec![1]));
    let first = order_of("1", decimal(150, 10, 2), pieces());
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &first)]));
    let client = connect(&server).await;
    let sql = "SELECT amount FROM raw.orders ORDER BY amount";
    execute(&client, &format!("PREPARE amounts AS {sql}")).await;
    let amounts = client.prepare(sql).await.unwrap();
    assert_eq!(lines(&client, "EXECUTE amounts").await, ["1.50"]);
    // More digits on both sides of the point than the statement was planned for.
    let second = order_of("2", decimal(123_456_789_012_345_678, 18, 4), pieces());
    server.lake().land("orders/b.parquet", &second);
    server.lake().unify();
    server.engine().refresh().await.unwrap();
    assert_eq!(
        lines(&client, "EXECUTE amounts").await,
        ["1.5000", "12345678901234.5678"]
    );
    let rows = client.query(&amounts, &[]).await.unwrap();
    let sent: Vec<String> = rows.iter().map(|row| row.get::<_, Bytes>(0).hex()).collect();
    // Of PostgreSQL's numeric: count of groups of four digits, power of the first, sign, digits behind the point, groups.
    assert_eq!(
        sent,
        [
            "0002000000000004".to_owned() + "00011388",
            "0005000300000004".to_owned() + "000c0d801ed204d2162e"
        ]
    );
}

#[tokio::test]
async fn a_prepared_statement_compares_a_column_that_has_grown_as_it_is() {
    let amount = || decimal(100, 10, 2);
    let first = order_of("1", amount(), Arc::new(Int32Array::from(vec![7])));
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &first)]));
    let client = connect(&server).await;
    let pieces = client.prepare("SELECT pieces FROM raw.orders").await.unwrap();
    let above = client
        .prepare("SELECT count(*) FROM raw.orders WHERE pieces > $1")
        .await
        .unwrap();
    assert_eq!(above.params()[0].name(), "int4");
    let count = async |least: i32| -> i64 { client.query_one(&above, &[&least]).await.unwrap().get(0) };
    assert_eq!((count(0).await, count(7).await), (1, 0));
    // Three thousand million pieces are more than the parameter's type can say.
    let second = order_of("2", amount(), Arc::new(Int64Array::from(vec![3_000_000_000])));
    server.lake().land("orders/b.parquet", &second);
    server.lake().unify();
    server.engine().refresh().await.unwrap();
    assert_eq!((count(0).await, count(i32::MAX).await), (2, 1));
    // The client was told of int4, and is given no other type and no part of the number under that name.
    let error = client.query(&pieces, &[]).await.unwrap_err();
    assert_eq!(code(&error), "0A000");
}

#[tokio::test]
async fn a_server_leaves_a_newer_snapshot_of_another_configuration_alone() {
    let lake = TestLake::of(
        &config("off", "amount"),
        &[("orders/a.parquet", &order("1", 1.0))],
    );
    let server = TestServer::start(lake);
    server.lake().configure(&config("off", "amount * 100"));
    assert_eq!(server.lake().unify().snapshot, Some(2));
    server.lake().land("orders/b.parquet", &order("2", 2.0));
    assert_eq!(server.look().await.snapshot, None);
    // It serves what the other configuration makes of the files.
    let client = connect(&server).await;
    assert_eq!(one(&client, "SELECT sum(amount) FROM orders").await, "100.0000");
    assert_eq!(
        lines(&client, "SELECT snapshot FROM perennial.snapshots ORDER BY 1").await,
        ["1", "2"]
    );
}

#[tokio::test]
async fn a_server_takes_over_from_a_run_that_began_before_it_did() {
    let lake = TestLake::of(
        &config("off", "amount"),
        &[("orders/a.parquet", &order("1", 1.0))],
    );
    let server = TestServer::start(lake);
    server.lake().configure(&config("off", "amount * 100"));
    assert_eq!(server.lake().unify().snapshot, Some(2));
    // A run of a process with the former configuration, that was under way when this one was started.
    let path = server
        .lake()
        .root()
        .join("_perennial/snapshots/00000000000000000002.json");
    let mut manifest = serde_json::to_value(server.lake().manifest()).unwrap();
    manifest["run"]["started_at"] = "2026-01-01T00:00:00.000000Z".into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    assert_eq!(server.look().await.snapshot, Some(3));
    let client = connect(&server).await;
    assert_eq!(one(&client, "SELECT sum(amount) FROM orders").await, "1.0000");
}

#[tokio::test]
async fn a_server_takes_over_from_the_configuration_that_it_has_found() {
    let lake = TestLake::of(
        &config("off", "amount * 100"),
        &[("orders/a.parquet", &order("1", 1.0))],
    );
    assert_eq!(lake.unify().snapshot, Some(1));
    lake.configure(&config("off", "amount"));
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sum = "SELECT sum(amount) FROM orders";
    assert_eq!(one(&client, sum).await, "100.0000");
    // The snapshot was there when the server began: nobody has changed the file since.
    assert_eq!(server.look().await.snapshot, Some(2));
    assert_eq!(one(&client, sum).await, "1.0000");
}

#[tokio::test]
async fn a_server_goes_on_from_a_newer_snapshot_of_its_own_configuration() {
    let lake = TestLake::of(
        &config("off", "amount"),
        &[("orders/a.parquet", &order("1", 1.0))],
    );
    let server = TestServer::start(lake);
    assert_eq!(server.lake().unify().snapshot, Some(2));
    server.lake().land("orders/b.parquet", &order("2", 2.0));
    assert_eq!(server.look().await.snapshot, Some(3));
    let client = connect(&server).await;
    assert_eq!(one(&client, "SELECT sum(amount) FROM orders").await, "3.0000");
}

#[tokio::test]
async fn a_server_that_follows_the_lake_does_not_undo_another_configuration() {
    let lake = TestLake::of(
        &config("100ms", "amount"),
        &[("orders/a.parquet", &order("1", 1.0))],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sum = "SELECT sum(amount) FROM orders";
    assert_eq!(one(&client, sum).await, "1.0000");
    server.lake().configure(&config("100ms", "amount * 100"));
    assert_eq!(server.lake().unify().snapshot, Some(2));
    becomes(&client, sum, "100.0000").await;
    server.lake().land("orders/b.parquet", &order("2", 2.0));
    // Nobody has committed in between.
    assert_eq!(server.lake().unify().snapshot, Some(3));
    becomes(&client, sum, "300.0000").await;
}
