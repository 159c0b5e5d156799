//! Landed files that change while statements read them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, StringArray};
use parquet::file::properties::WriterProperties;
use perennial_testkit::{RunOptions, Setup, TestLake, TestServer};

use crate::matrix::{CONFIG, orders, with, written};
use crate::support::{becomes, code, connect, one, told};

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
        let patience = Duration::from_secs(60);
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

/// A file that is another one whenever it is looked at, with a time of long ago as tools that copy times give it, stops no run
/// over the files beside it.
#[test]
fn a_file_that_never_rests_stops_no_run() {
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders("a", 100))]);
    let folder = lake.root().join("orders");
    let write = |rows: usize| {
        let hidden = folder.join("_b");
        fs::write(&hidden, orders("b", rows)).unwrap();
        let file = fs::File::options().write(true).open(&hidden).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000))
            .unwrap();
        fs::rename(&hidden, folder.join("b.parquet")).unwrap();
    };
    write(1_000);
    let options = RunOptions {
        ..RunOptions::SETTLED
    };
    let stop = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            for rows in (1_001..2_000).cycle() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                write(rows);
            }
        });
        let report = lake.try_run(Setup::default(), options);
        stop.store(true, Ordering::SeqCst);
        report
    });
    assert_eq!(report.unwrap().snapshot, Some(1));
    let count = |condition: &str| {
        let sql = format!("SELECT count(*)::text FROM orders WHERE order_id LIKE '{condition}'");
        lake.try_query(Setup::default(), &sql).unwrap()[0][0]
            .clone()
            .unwrap()
    };
    assert_eq!(count("a-%"), "100");
    // When it rests, its rows are there.
    write(10);
    lake.try_run(Setup::default(), options).unwrap();
    assert_eq!((count("a-%"), count("b-%")), ("100".to_owned(), "10".to_owned()));
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
            // Once more when the file rests: then it answers.
            loop {
                let over = *stopped.borrow();
                match client.simple_query(sql).await {
                    Ok(rows) => {
                        for row in rows {
                            if let tokio_postgres::SimpleQueryMessage::Row(row) = row {
                                // All of it, or nothing where it was not there.
                                assert!(matches!(row.get(0), Some("3000" | "0")), "{row:?}");
                                assert_eq!(row.get(0), row.get(3));
                                assert_eq!(row.get(1), row.get(2));
                                assert!(!over || row.get(1) == Some("v60!"), "{row:?}");
                            }
                        }
                        if over {
                            return;
                        }
                    }
                    Err(error) => {
                        let shown = told(&error);
                        assert!(matches!(code(&error).as_str(), "40001" | "58P01"), "{shown}");
                        assert!(!shown.contains("/tmp"), "{shown}");
                    }
                }
            }
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
