//! Landed files that change while statements read them.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use parquet::file::properties::WriterProperties;
use perennial_testkit::{TestLake, TestServer};

use crate::matrix::{CONFIG, orders, with, written};
use crate::support::{becomes, code, connect, lines, one, told};

/// The server does not wait for its next look when a statement has found that a file is another one, or is gone.
#[tokio::test]
async fn a_file_that_changed_under_a_statement_is_looked_at_at_once() {
    let config = CONFIG.replace("refresh = \"off\"", "refresh = \"1d\"");
    let files: [(&str, &[u8]); 2] = [
        ("orders/a.parquet", &orders("a", 100)),
        ("orders/b.parquet", &orders("b", 10)),
    ];
    let server = TestServer::start(TestLake::of(&config, &files));
    let client = connect(&server).await;
    let sql = "SELECT count(*), min(id) || max(id) FROM raw.shop";
    assert_eq!(one(&client, sql).await, "110|a-0b-9");
    let fails = async |expected: &str| {
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(code(&error), expected, "{}", told(&error));
    };
    let works = async |expected: &str| {
        let patience = std::time::Duration::from_secs(60);
        let until = async { while client.simple_query(sql).await.is_err() {} };
        tokio::time::timeout(patience, until).await.unwrap();
        assert_eq!(one(&client, sql).await, expected);
    };
    server.lake().land("orders/a.parquet", &orders("c", 200));
    fails("40001").await;
    works("210|b-0c-99").await;
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "210");
    server.lake().remove("orders/b.parquet");
    fails("58P01").await;
    works("200|c-0c-99").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_gives_one_version_of_a_file_or_says_that_it_changed() {
    let version = |number: usize| {
        let states: ArrayRef = Arc::new(StringArray::from(vec![format!("v{number}"); 3_000]));
        written(with("a", 3_000, "state", states), WriterProperties::builder())
    };
    let config = CONFIG.replace("refresh = \"off\"", "refresh = \"50ms\"");
    let server = TestServer::start(TestLake::of(&config, &[("orders/a.parquet", &version(0))]));
    let mut readers = Vec::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    for _ in 0..3 {
        let (client, stopped) = (connect(&server).await, stopped.clone());
        readers.push(tokio::spawn(async move {
            let sql =
                "SELECT count(*), min(state || '!'), max(state || '!'), count(DISTINCT id) FROM raw.shop";
            let mut answers = 0;
            while !*stopped.borrow() {
                match client.simple_query(sql).await {
                    Ok(_) => {
                        let line = lines(&client, "SELECT 1").await;
                        assert_eq!(line, ["1"]);
                        answers += 1;
                    }
                    Err(error) => {
                        let shown = told(&error);
                        assert!(matches!(code(&error).as_str(), "40001" | "58P01"), "{shown}");
                        assert!(!shown.contains("/tmp"), "{shown}");
                        continue;
                    }
                }
                if let Ok(rows) = client.simple_query(sql).await {
                    for row in rows {
                        if let tokio_postgres::SimpleQueryMessage::Row(row) = row {
                            // All of it, or nothing where it was not there.
                            assert!(matches!(row.get(0), Some("3000" | "0")), "{row:?}");
                            assert_eq!(row.get(0), row.get(3));
                            assert_eq!(row.get(1), row.get(2));
                        }
                    }
                }
            }
            answers
        }));
    }
    let client = connect(&server).await;
    for number in 1..=60 {
        server.lake().land("orders/a.parquet", &version(number));
        // In between the file is not there at all.
        if number % 10 == 0 {
            server.lake().remove("orders/a.parquet");
            server.lake().land("orders/a.parquet", &version(number));
        }
        assert_eq!(one(&client, "SELECT 1").await, "1");
    }
    becomes(&client, "SELECT min(status) || max(status) FROM orders", "v60v60").await;
    stop.send(true).unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    let sql = "SELECT count(*), min(state), max(state) FROM raw.shop";
    assert_eq!(one(&client, sql).await, "3000|v60|v60");
}
