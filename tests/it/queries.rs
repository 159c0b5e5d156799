//! Results in the simple and the extended protocol: several statements, portals, streams of any length.

use std::pin::pin;

use futures::{StreamExt, TryStreamExt};
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::ToSql;

use crate::support::{connect, lines, one};

const MILLION: i64 = 1_000_000;
const NOTHING: [&(dyn ToSql + Sync); 0] = [];

#[tokio::test]
async fn every_statement_of_a_simple_query_answers() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let messages = client
        .simple_query("SELECT 1 AS a; ; SET application_name = 'x'; SELECT 2, 'b' -- end")
        .await
        .unwrap();
    let shown: Vec<String> = messages
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::RowDescription(columns) => columns
                .iter()
                .map(|column| column.name())
                .collect::<Vec<_>>()
                .join(","),
            SimpleQueryMessage::Row(row) => (0..row.len())
                .map(|index| row.get(index).unwrap_or("NULL"))
                .collect::<Vec<_>>()
                .join(","),
            SimpleQueryMessage::CommandComplete(count) => format!("complete {count}"),
            other => format!("{other:?}"),
        })
        .collect();
    // Without a name a column is called "?column?", as in PostgreSQL.
    assert_eq!(
        shown,
        [
            "a",
            "1",
            "complete 1",
            "complete 0",
            "?column?,?column?",
            "2,b",
            "complete 1"
        ]
    );
}

#[tokio::test]
async fn an_empty_query_is_answered() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    for sql in ["", " ;; ", "-- nothing"] {
        assert_eq!(lines(&client, sql).await, Vec::<String>::new(), "{sql:?}");
    }
    assert_eq!(client.execute("", &NOTHING).await.unwrap(), 0);
}

#[tokio::test]
async fn statements_before_the_one_that_fails_answer_and_those_behind_it_do_not_run() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let stream = client
        .simple_query_raw("SELECT 1; SELECT 1/0; SELECT 2")
        .await
        .unwrap();
    let (mut rows, mut failed) = (0, None);
    let mut stream = pin!(stream);
    while let Some(message) = stream.next().await {
        match message {
            Ok(SimpleQueryMessage::Row(_)) => rows += 1,
            Ok(_) => {}
            Err(error) => failed = Some(crate::support::code(&error)),
        }
    }
    assert_eq!((rows, failed.as_deref()), (1, Some("22012")));
    assert_eq!(one(&client, "SELECT 3").await, "3");
}

#[tokio::test]
async fn a_prepared_statement_describes_what_it_takes_and_gives() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    // Column types as PostgreSQL 15 describes them.
    let sql = "SELECT n AS number, n::text AS word, n > $1 AS above, n / 2.0 AS half, $2::date AS day \
               FROM (VALUES (1::int), (2::int)) AS t(n) WHERE n < $3";
    let statement = client.prepare(sql).await.unwrap();
    let parameters: Vec<&str> = statement
        .params()
        .iter()
        .map(|parameter| parameter.name())
        .collect();
    let columns: Vec<(&str, &str)> = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_().name()))
        .collect();
    assert_eq!(parameters, ["int4", "date", "int4"]);
    assert_eq!(
        columns,
        [
            ("number", "int4"),
            ("word", "text"),
            ("above", "bool"),
            ("half", "numeric"),
            ("day", "date")
        ]
    );
}

#[tokio::test]
async fn literals_have_the_types_of_postgres() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let sql =
        "SELECT 3000000000, 1.5, 'a', true, NULL, date '2026-01-01', interval '1 day', 1 / 2.0, count(*)";
    let statement = client.prepare(sql).await.unwrap();
    let types: Vec<&str> = statement
        .columns()
        .iter()
        .map(|column| column.type_().name())
        .collect();
    assert_eq!(
        types,
        [
            "int8", "numeric", "text", "bool", "text", "date", "interval", "numeric", "int8"
        ]
    );
}

#[tokio::test]
async fn a_prepared_statement_runs_again_with_other_values() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let statement = client
        .prepare("SELECT x FROM generate_series(1, 10) AS t(x) WHERE x > $1 ORDER BY x LIMIT $2")
        .await
        .unwrap();
    for (above, limit, expected) in [
        (3_i32, 2_i64, vec![4, 5]),
        (9, 5, vec![10]),
        (10, 5, vec![]),
        (0, 0, vec![]),
    ] {
        let rows = client.query(&statement, &[&above, &limit]).await.unwrap();
        let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(numbers, expected, "above {above} limit {limit}");
    }
}

#[tokio::test]
async fn portals_give_their_rows_in_portions_side_by_side() {
    let server = TestServer::start(TestLake::empty());
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let up = transaction
        .bind(
            "SELECT x FROM generate_series(1::bigint, 25) AS t(x) ORDER BY x",
            &[],
        )
        .await
        .unwrap();
    let down = transaction
        .bind(
            "SELECT x FROM generate_series(1::bigint, 25) AS t(x) ORDER BY x DESC",
            &[],
        )
        .await
        .unwrap();
    let portions = [(&up, 1..=10), (&up, 11..=20), (&up, 21..=25)];
    for (portal, expected) in portions {
        let rows = transaction.query_portal(portal, 10).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(),
            expected.collect::<Vec<i64>>()
        );
        let other: i64 = transaction.query_portal(&down, 1).await.unwrap()[0].get(0);
        assert!((23..=25).contains(&other), "{other}");
    }
    // A portal at its end gives nothing more.
    assert_eq!(transaction.query_portal(&up, 10).await.unwrap().len(), 0);
    assert_eq!(transaction.query_portal(&down, 0).await.unwrap().len(), 22);
}

#[tokio::test]
async fn a_million_rows_stream_in_the_extended_protocol() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let sql = "SELECT x, 'row ' || x AS word FROM generate_series(1, 1000000) AS t(x)";
    let stream = client.query_raw(sql, NOTHING).await.unwrap();
    let (count, sum, letters) = stream
        .try_fold((0, 0, 0), async |(count, sum, letters), row| {
            Ok((
                count + 1,
                sum + i64::from(row.get::<_, i32>(0)),
                letters + row.get::<_, &str>(1).len(),
            ))
        })
        .await
        .unwrap();
    assert_eq!(
        (count, sum, letters),
        (MILLION, MILLION * (MILLION + 1) / 2, letters_of_a_million())
    );
}

#[tokio::test]
async fn a_million_rows_stream_in_the_simple_protocol() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let sql = "SELECT x, 'row ' || x AS word FROM generate_series(1, 1000000) AS t(x)";
    let stream = client.simple_query_raw(sql).await.unwrap();
    let (count, sum, letters) = stream
        .try_fold((0, 0, 0), async |(count, sum, letters), message| match message {
            SimpleQueryMessage::Row(row) => {
                let number: i64 = row.get(0).and_then(|text| text.parse().ok()).unwrap();
                Ok((count + 1, sum + number, letters + row.get(1).map_or(0, str::len)))
            }
            _ => Ok((count, sum, letters)),
        })
        .await
        .unwrap();
    assert_eq!(
        (count, sum, letters),
        (MILLION, MILLION * (MILLION + 1) / 2, letters_of_a_million())
    );
}

/// "row " a million times, and the digits of 1 to 1,000,000: 9 of one digit, 90 of two, … and one of seven.
fn letters_of_a_million() -> usize {
    4_000_000 + 9 + 90 * 2 + 900 * 3 + 9_000 * 4 + 90_000 * 5 + 900_000 * 6 + 7
}

#[tokio::test]
async fn a_client_that_stops_reading_does_not_disturb_the_others() {
    let server = TestServer::start(TestLake::empty());
    let reader = connect(&server).await;
    let other = connect(&server).await;
    let stream = reader
        .query_raw("SELECT x FROM generate_series(1, 1000000000000) AS t(x)", NOTHING)
        .await
        .unwrap();
    let mut stream = pin!(stream);
    let first: i64 = stream.try_next().await.unwrap().unwrap().get(0);
    assert_eq!(first, 1);
    // The first stream is left open, far from its end.
    assert_eq!(
        one(&other, "SELECT count(*) FROM generate_series(1, 1000)").await,
        "1000"
    );
    drop(reader);
}
