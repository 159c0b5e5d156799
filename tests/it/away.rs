//! A lake that goes away while it is served, as a disk that is not mounted, and comes back.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{TestLake, TestServer};

use crate::support::{code, connect, one, parquet, told};

const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[money]
currency = "EUR"
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", status = "'paid'" }
[server]
authentication = "trust"
"#;

fn orders() -> Vec<u8> {
    let times = TimestampMicrosecondArray::from(vec![1_767_225_600_000_000, 1_767_225_600_000_001]);
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(StringArray::from(vec!["1", "2"]))),
        (
            "email",
            Arc::new(StringArray::from(vec!["ann@example.org", "bob@example.org"])),
        ),
        ("amount", Arc::new(Float64Array::from(vec![10.0, 20.5]))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

#[tokio::test]
async fn a_statement_says_that_the_lake_is_away_and_answers_when_it_is_back() {
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &orders())]));
    let client = connect(&server).await;
    let (lake, away) = (server.lake().root(), server.lake().folder().join("away"));
    let queries = [
        ("SELECT sum(amount) FROM orders", "30.5000"),
        ("SELECT sum(amount) FROM raw.shop", "30.5"),
        (
            "SELECT orders FROM customer_360 WHERE customer_id = (SELECT min(customer_id) FROM customers)",
            "1",
        ),
    ];
    let fails = async |sql: &str, state: &str, parts: [&str; 2]| {
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(code(&error), state, "{sql}\n{}", told(&error));
        for part in parts {
            assert!(told(&error).contains(part), "{sql}\n{}", told(&error));
        }
    };
    fs::rename(&lake, &away).unwrap();
    for (sql, _) in queries {
        fails(
            sql,
            "58030",
            ["the folder of the lake is not there", "Mount its disk"],
        )
        .await;
    }
    // The folder over which it is mounted.
    fs::create_dir(&lake).unwrap();
    for (sql, _) in queries {
        fails(sql, "58030", ["the lake is not in its folder", "Mount its disk"]).await;
    }
    fs::remove_dir(&lake).unwrap();
    fs::rename(&away, &lake).unwrap();
    for (sql, answer) in queries {
        assert_eq!(one(&client, sql).await, answer, "{sql}");
    }
    // One file is somebody's to remove.
    server.lake().remove("orders/a.parquet");
    let gone = [
        "file \"orders/a.parquet\" is no longer there",
        "Run the statement again",
    ];
    fails("SELECT count(DISTINCT amount) FROM raw.shop", "58P01", gone).await;
}
