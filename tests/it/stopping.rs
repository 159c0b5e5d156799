//! Statements that do not end by themselves: cancelled, timed out, left.

use std::pin::pin;

use futures::TryStreamExt;
use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

use crate::support::{code, connect, connect_with, execute, one};

/// Days of work without a row.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1::bigint, 10000000) AS a(x), generate_series(1, 10000000) AS b(y) WHERE x * y = 7";
/// Days of rows.
const STREAM: &str = "SELECT x FROM generate_series(1, 1000000000000) AS t(x)";
const NOTHING: [&(dyn ToSql + Sync); 0] = [];

/// Runs a statement that gives a row and then computes, stops it by `stop` while it computes, and gives its SQLSTATE. The
/// row tells that the statement runs, so one request is enough and none is late.
async fn stopped(client: &Client, stop: impl AsyncFnOnce()) -> String {
    let sql = format!("SELECT 0 UNION ALL {ENDLESS}");
    let mut stream = pin!(client.query_raw(&sql, NOTHING).await.unwrap());
    assert!(stream.try_next().await.unwrap().is_some());
    stop().await;
    let end = stream.try_next().await;
    end.map(|row| row.is_some())
        .map_err(|error| code(&error))
        .unwrap_err()
}

#[tokio::test]
async fn a_statement_that_computes_is_cancelled() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let token = client.cancel_token();
    let cancel = async || token.cancel_query(NoTls).await.unwrap();
    assert_eq!(stopped(&client, cancel).await, "57014");
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_statement_that_sends_is_cancelled() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    {
        let mut stream = pin!(client.query_raw(STREAM, NOTHING).await.unwrap());
        assert!(stream.try_next().await.unwrap().is_some());
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        let error = loop {
            match stream.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the rows came to an end"),
                Err(error) => break error,
            }
        };
        let message = error.as_db_error().map(|error| error.message().to_owned());
        assert_eq!(
            (code(&error).as_str(), message.as_deref()),
            ("57014", Some("canceling statement due to user request"))
        );
    }
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_cancelled_statement_fails_its_transaction() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN").await;
    let token = client.cancel_token();
    let cancel = async || token.cancel_query(NoTls).await.unwrap();
    assert_eq!(stopped(&client, cancel).await, "57014");
    let refused = client.batch_execute("SELECT 1").await;
    assert_eq!(refused.map_err(|error| code(&error)), Err("25P02".to_owned()));
    execute(&client, "ROLLBACK").await;
}

#[tokio::test]
async fn a_backend_is_cancelled_by_its_number() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let other = connect(&server).await;
    let pid = one(&client, "SELECT pg_backend_pid()").await;
    let sql = format!("SELECT pg_cancel_backend({pid})");
    let cancel = async || assert_eq!(one(&other, &sql).await, "t");
    assert_eq!(stopped(&client, cancel).await, "57014");
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "SET statement_timeout = '50ms'").await;
    for sql in [ENDLESS, STREAM] {
        let error = client.batch_execute(sql).await.unwrap_err();
        let message = error.as_db_error().map(|error| error.message().to_owned());
        assert_eq!(
            (code(&error).as_str(), message.as_deref()),
            ("57014", Some("canceling statement due to statement timeout")),
            "{sql}"
        );
        let extended = client.query(sql, &[]).await.map(|rows| rows.len());
        assert_eq!(
            extended.map_err(|error| code(&error)),
            Err("57014".to_owned()),
            "{sql}"
        );
    }
    execute(&client, "RESET statement_timeout").await;
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

/// One thread for all statements.
const ONE_THREAD: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[server]
authentication = "trust"
threads = 1
"#;
/// A join without a match, of a million rows with as many: between two places where it yields it holds each row of one side
/// against a batch of the other, which takes the better part of an hour.
const UNMATCHED: &str = "SELECT count(*) FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(y) \
                         WHERE repeat((x + y)::text, 100) LIKE '%z%'";

#[tokio::test]
async fn a_join_that_is_stopped_leaves_its_thread_to_others() {
    let server = TestServer::start(TestLake::of(ONE_THREAD, &[]));
    let (client, other) = (connect(&server).await, connect(&server).await);
    execute(&client, "SET statement_timeout = '1s'").await;
    let late = client.batch_execute(UNMATCHED).await;
    assert_eq!(late.map_err(|error| code(&error)), Err("57014".to_owned()));
    assert_eq!(one(&other, "SELECT 1").await, "1");
}

/// One place, and no reserve.
const ONE_PLACE: &str = r#"
[lake]
url = "./lake"
[server]
authentication = "trust"
max_connections = 1
reserved_connections = 0
"#;

#[tokio::test]
async fn the_statement_of_a_client_that_has_gone_is_stopped() {
    let server = TestServer::start(TestLake::of(ONE_PLACE, &[]));
    let (client, connection) = tokio_postgres::connect(&server.connection_string(), NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(one(&client, "SELECT 1").await, "1");
    let running = tokio::spawn(async move { client.batch_execute(ENDLESS).await });
    let refused = connect_with(&server.connection_string()).await.map(drop);
    assert_eq!(refused.map_err(|error| error.sqlstate), Err("53300".to_owned()));
    connection.abort();
    assert!(running.await.unwrap().is_err());
    // The place is free once the session has ended, and the session ends with its statement.
    while let Err(error) = connect_with(&server.connection_string()).await {
        assert_eq!(error.sqlstate, "53300");
    }
}

#[tokio::test]
async fn what_comes_too_late_stops_nothing() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let other = connect(&server).await;
    let pid = one(&client, "SELECT pg_backend_pid()").await;
    let cancel = format!("SELECT pg_cancel_backend({pid})");
    assert_eq!(one(&other, &cancel).await, "t");
    assert_eq!(one(&client, "SELECT 1").await, "1");
    assert_eq!(one(&other, &cancel).await, "t");
    assert_eq!(client.query("SELECT 1", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_time_limit_of_a_fetch_is_its_own() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let declare = format!("BEGIN; DECLARE c CURSOR FOR SELECT 0 UNION ALL {ENDLESS}");
    execute(&client, &declare).await;
    assert_eq!(one(&client, "FETCH 1 FROM c").await, "0");
    execute(&client, "SET statement_timeout = '50ms'").await;
    let late = client.batch_execute("FETCH ALL FROM c").await;
    assert_eq!(late.map_err(|error| code(&error)), Err("57014".to_owned()));
    execute(&client, "ROLLBACK").await;
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn the_time_limit_of_a_portal_is_that_of_each_execution() {
    let server = TestServer::start(TestLake::empty());
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let sql = format!("SELECT 0 UNION ALL {ENDLESS}");
    let portal = transaction.bind(&sql, &NOTHING).await.unwrap();
    assert_eq!(transaction.query_portal(&portal, 1).await.unwrap().len(), 1);
    transaction
        .batch_execute("SET statement_timeout = '50ms'")
        .await
        .unwrap();
    let late = transaction.query_portal(&portal, 1).await.map(|rows| rows.len());
    assert_eq!(late.map_err(|error| code(&error)), Err("57014".to_owned()));
}

#[tokio::test]
async fn a_fetch_streams_and_is_cancelled() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, &format!("BEGIN; DECLARE c CURSOR FOR {STREAM}")).await;
    {
        let mut stream = pin!(client.query_raw("FETCH ALL FROM c", NOTHING).await.unwrap());
        // The first row comes although there is no last one.
        assert!(stream.try_next().await.unwrap().is_some());
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        let error = loop {
            match stream.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the rows came to an end"),
                Err(error) => break error,
            }
        };
        assert_eq!(code(&error), "57014");
    }
    execute(&client, "ROLLBACK").await;
}

/// Two roles, one of them an owner.
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

#[tokio::test]
async fn an_idle_session_is_ended_by_an_owner_and_by_no_stranger() {
    let server = TestServer::start(TestLake::of(ROLES, &[]));
    let login = |user: &str| {
        format!(
            "host=127.0.0.1 port={} user={user} dbname=perennial",
            server.port()
        )
    };
    let boss = connect_with(&login("boss")).await.unwrap();
    let clerk = connect_with(&login("clerk")).await.unwrap();
    let (idle, connection) = tokio_postgres::connect(&login("boss"), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let pid = one(&idle, "SELECT pg_backend_pid()").await;
    let end = format!("SELECT pg_terminate_backend({pid})");
    let refused = clerk.batch_execute(&end).await;
    assert_eq!(refused.map_err(|error| code(&error)), Err("42501".to_owned()));
    assert_eq!(one(&idle, "SELECT 1").await, "1");
    assert_eq!(one(&boss, &end).await, "t");
    let farewell = connection.await.unwrap();
    assert_eq!(farewell.map_err(|error| code(&error)), Err("57P01".to_owned()));
    let clerks = one(&clerk, "SELECT pg_backend_pid()").await;
    assert_eq!(
        one(&boss, &format!("SELECT pg_terminate_backend({clerks})")).await,
        "t"
    );
    assert_eq!(one(&boss, "SELECT pg_terminate_backend(0)").await, "f");
}
