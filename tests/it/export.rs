//! `COPY … TO` a file of the lake: who may, where it goes, and what is in it.

use std::fs::{self, File};

use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{code, connect_with, execute, one};

const ROLES: &str = r#"
[lake]
url = "./lake"
[server]
authentication = "trust"
[[role]]
name = "boss"
owner = true
[[role]]
name = "clerk"
"#;

const QUERY: &str = "SELECT n::int AS n, word, n / 4.0 AS part, timestamptz '2024-05-06 07:08:09+00' AS at \
    FROM (VALUES (1, 'a'), (2, E'tab\\there, \"quoted\"'), (3, ''), (4, NULL)) AS t(n, word) ORDER BY n";

async fn login(server: &TestServer, user: &str) -> Client {
    let port = server.port();
    connect_with(&format!(
        "host=127.0.0.1 port={port} user={user} dbname=perennial"
    ))
    .await
    .unwrap()
}

#[tokio::test]
async fn a_file_has_what_a_client_would_get() {
    let server = TestServer::start(TestLake::of(ROLES, &[]));
    let boss = login(&server, "boss").await;
    for (name, options) in [
        ("a/all.csv", ""),
        ("a/other.csv", "WITH (FORMAT csv, HEADER, DELIMITER ';')"),
        ("b", "WITH (FORMAT binary)"),
        ("c.tsv", ""),
    ] {
        execute(&boss, &format!("COPY ({QUERY}) TO '{name}' {options}")).await;
        let sent = match name {
            "a/all.csv" => "WITH (FORMAT csv)",
            "c.tsv" => "WITH (FORMAT text)",
            _ => options,
        };
        let stream = boss
            .copy_out(&format!("COPY ({QUERY}) TO STDOUT {sent}"))
            .await
            .unwrap();
        let chunks: Vec<_> = stream.try_collect().await.unwrap();
        let written = fs::read(server.lake().root().join("_exports").join(name)).unwrap();
        assert_eq!(written, chunks.concat(), "{name}");
    }
}

#[tokio::test]
async fn parquet_and_json_are_read_by_others() {
    let server = TestServer::start(TestLake::of(ROLES, &[]));
    let boss = login(&server, "boss").await;
    // A second one takes the place of the first.
    for query in ["SELECT 1 AS x", QUERY] {
        execute(&boss, &format!("COPY ({query}) TO 'x/all.parquet'")).await;
    }
    let exports = server.lake().root().join("_exports");
    let file = File::open(exports.join("x/all.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    let table = arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string();
    for expected in ["| 1 | a ", "| 2 | tab", "0.25", "2024-05-06T07:08:09Z"] {
        assert!(table.contains(expected), "{expected} in\n{table}");
    }
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 4);

    execute(&boss, &format!("COPY ({QUERY}) TO 'all.json'")).await;
    let lines = fs::read_to_string(exports.join("all.json")).unwrap();
    let objects: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 4);
    assert_eq!(objects[1]["word"], "tab\there, \"quoted\"");
    assert_eq!(objects[2]["word"], "");
    assert!(objects[3]["word"].is_null());
}

#[tokio::test]
async fn only_owners_write_files_and_nowhere_else() {
    let server = TestServer::start(TestLake::of(ROLES, &[]));
    let (boss, clerk) = (login(&server, "boss").await, login(&server, "clerk").await);
    for (client, target, expected) in [
        (&clerk, "'all.csv'", "42501"),
        (&boss, "'../all.csv'", "22023"),
        (&boss, "'/tmp/all.csv'", "22023"),
        (&boss, "'s3://bucket/all.csv'", "22023"),
        (&boss, "'all'", "22023"),
        (&boss, "'x/'", "22023"),
        (&boss, "PROGRAM 'cat'", "42501"),
    ] {
        let outcome = client
            .batch_execute(&format!("COPY (SELECT 1 AS x) TO {target}"))
            .await;
        assert_eq!(
            outcome.map_err(|error| code(&error)),
            Err(expected.to_owned()),
            "{target}"
        );
    }
    // What fails in the middle leaves nothing behind.
    let broken = "COPY (SELECT 1 / (x - 3) FROM generate_series(1, 5) AS t(x)) TO 'broken.csv'";
    let outcome = boss.batch_execute(broken).await;
    assert_eq!(outcome.map_err(|error| code(&error)), Err("22012".to_owned()));
    assert!(!server.lake().root().join("_exports/broken.csv").exists());
    assert_eq!(one(&boss, "SELECT 1").await, "1");
}
