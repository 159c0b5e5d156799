//! Transactions, savepoints and settings of a session.

use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use crate::support::{code, connect, execute, one};

#[track_caller]
fn check(outcome: Result<(), tokio_postgres::Error>, sqlstate: &str) {
    assert_eq!(outcome.map_err(|error| code(&error)), Err(sqlstate.to_owned()));
}

async fn run(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(sql).await
}

#[tokio::test]
async fn a_failed_transaction_refuses_everything_until_its_end() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN").await;
    check(run(&client, "SELECT 1/0").await, "22012");
    check(run(&client, "SELECT 1").await, "25P02");
    check(run(&client, "SET application_name = 'x'").await, "25P02");
    check(client.query("SELECT 1", &[]).await.map(drop), "25P02");
    execute(&client, "ROLLBACK").await;
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn an_error_of_the_extended_protocol_fails_the_transaction_too() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN").await;
    check(client.query("SELECT absent", &[]).await.map(drop), "42703");
    check(client.query("SELECT 1", &[]).await.map(drop), "25P02");
    execute(&client, "COMMIT").await;
    assert_eq!(one(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_savepoint_outlives_the_error_behind_it() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN; SAVEPOINT a; SAVEPOINT b").await;
    check(run(&client, "SELECT 1/0").await, "22012");
    execute(&client, "ROLLBACK TO SAVEPOINT a").await;
    assert_eq!(one(&client, "SELECT 1").await, "1");
    // b was made after a and has gone with the way back; a is still there.
    check(run(&client, "RELEASE SAVEPOINT b").await, "3B001");
    execute(&client, "ROLLBACK TO a; RELEASE a; COMMIT").await;
    check(run(&client, "SAVEPOINT c").await, "25P01");
}

#[tokio::test]
async fn a_transaction_sees_one_moment() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN").await;
    let first = one(&client, "SELECT now()").await;
    let second = one(&client, "SELECT now()").await;
    execute(&client, "COMMIT").await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn settings_are_set_shown_and_put_back() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let other = connect(&server).await;
    execute(
        &client,
        "SET application_name = 'report'; SET statement_timeout = '2min'",
    )
    .await;
    assert_eq!(one(&client, "SHOW application_name").await, "report");
    assert_eq!(one(&client, "SHOW statement_timeout").await, "2min");
    assert_eq!(
        one(&client, "SELECT current_setting('application_name')").await,
        "report"
    );
    assert_eq!(one(&other, "SHOW application_name").await, "");
    execute(&client, "RESET application_name").await;
    assert_eq!(one(&client, "SHOW application_name").await, "");
    execute(&client, "RESET ALL").await;
    assert_eq!(one(&client, "SHOW statement_timeout").await, "0");
    check(run(&client, "SHOW absent").await, "42704");
    check(run(&client, "SET absent = 1").await, "42704");
    check(run(&client, "SET statement_timeout = 'soon'").await, "22023");
    check(run(&client, "SET TimeZone = 'Mars/Olympus'").await, "22023");
}

/// Durations are in the unit that the relation tells, as in Postgres; everything else is what SHOW says.
#[tokio::test]
async fn the_relation_of_settings_is_that_of_the_session() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let other = connect(&server).await;
    let row = async |client: &Client, name: &str| {
        let sql = format!(
            "SELECT concat_ws('|', setting, unit, source, reset_val) FROM pg_settings WHERE name = '{name}'"
        );
        one(client, &sql).await
    };
    assert_eq!(row(&client, "statement_timeout").await, "0|ms|default|0");
    execute(
        &client,
        "SET statement_timeout = '5s'; SET timezone = 'Asia/Tokyo'; BEGIN; SET LOCAL statement_timeout = '2min'; SET LOCAL DateStyle = 'German'",
    )
    .await;
    assert_eq!(row(&client, "statement_timeout").await, "120000|ms|session|0");
    assert_eq!(row(&client, "DateStyle").await, "German, DMY|session|ISO, MDY");
    execute(&client, "COMMIT").await;
    assert_eq!(row(&client, "statement_timeout").await, "5000|ms|session|0");
    assert_eq!(row(&client, "TimeZone").await, "Asia/Tokyo|session|UTC");
    assert_eq!(row(&client, "DateStyle").await, "ISO, MDY|default|ISO, MDY");
    assert_eq!(row(&other, "statement_timeout").await, "0|ms|default|0");
    let prepared = client
        .prepare("SELECT setting FROM pg_catalog.pg_settings WHERE name = $1")
        .await
        .unwrap();
    for timeout in ["1000", "2000", "3000"] {
        execute(&client, &format!("SET statement_timeout = {timeout}")).await;
        let read = client
            .query_one(&prepared, &[&"statement_timeout"])
            .await
            .unwrap();
        assert_eq!(read.get::<_, String>(0), timeout);
    }
    execute(&client, "RESET ALL").await;
    assert_eq!(row(&client, "statement_timeout").await, "0|ms|default|0");
    assert_eq!(row(&client, "application_name").await, "|default|");
    let differing = "SELECT string_agg(name, ', ') FROM pg_settings WHERE setting <> current_setting(name) AND unit IS NULL";
    assert_eq!(one(&client, differing).await, "");
}

#[tokio::test]
async fn a_setting_follows_its_transaction() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN; SET application_name = 'a'; ROLLBACK").await;
    assert_eq!(one(&client, "SHOW application_name").await, "");
    execute(&client, "BEGIN; SET LOCAL application_name = 'b'").await;
    assert_eq!(one(&client, "SHOW application_name").await, "b");
    execute(&client, "COMMIT").await;
    assert_eq!(one(&client, "SHOW application_name").await, "");
    execute(&client, "BEGIN; SET application_name = 'c'; COMMIT").await;
    assert_eq!(one(&client, "SHOW application_name").await, "c");
}

#[tokio::test]
async fn the_time_zone_of_the_session_is_that_of_its_answers() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let sql = "SELECT '2026-07-01 12:00:00+00'::timestamptz";
    // As PostgreSQL 15 answers.
    for (zone, expected) in [
        ("UTC", "2026-07-01 12:00:00+00"),
        ("Europe/Berlin", "2026-07-01 14:00:00+02"),
        ("Asia/Kolkata", "2026-07-01 17:30:00+05:30"),
        ("America/New_York", "2026-07-01 08:00:00-04"),
    ] {
        execute(&client, &format!("SET TIME ZONE '{zone}'")).await;
        assert_eq!(one(&client, sql).await, expected, "{zone}");
        assert_eq!(one(&client, "SHOW TimeZone").await, zone);
    }
    execute(&client, "SET TIME ZONE 'Europe/Berlin'").await;
    let day = "SELECT date_trunc('day', '2026-07-01 23:00:00+00'::timestamptz)";
    assert_eq!(one(&client, day).await, "2026-07-02 00:00:00+02");
}

#[tokio::test]
async fn cursors_give_their_rows_in_portions() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(
        &client,
        "BEGIN; DECLARE c CURSOR FOR SELECT x FROM generate_series(1, 5) AS t(x) ORDER BY x",
    )
    .await;
    assert_eq!(crate::support::lines(&client, "FETCH 2 FROM c").await, ["1", "2"]);
    // The count is that of the command's tag.
    assert_eq!(client.execute("MOVE 1 FROM c", &[]).await.unwrap(), 1);
    assert_eq!(
        crate::support::lines(&client, "FETCH FORWARD ALL FROM c").await,
        ["4", "5"]
    );
    assert_eq!(client.execute("MOVE c", &[]).await.unwrap(), 0);
    assert_eq!(
        crate::support::lines(&client, "FETCH c").await,
        Vec::<String>::new()
    );
    execute(&client, "CLOSE c").await;
    check(run(&client, "FETCH c").await, "34000");
    execute(&client, "ROLLBACK").await;
    check(run(&client, "DECLARE c CURSOR FOR SELECT 1").await, "25P01");
}

#[tokio::test]
async fn what_a_cursor_keeps_to_go_back_is_bounded() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let declare = "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT x FROM generate_series(1, 6000000) AS t(x)";
    execute(&client, declare).await;
    assert_eq!(client.execute("MOVE ALL FROM c", &[]).await.unwrap(), 6_000_000);
    assert_eq!(one(&client, "FETCH PRIOR FROM c").await, "6000000");
    assert_eq!(one(&client, "FETCH ABSOLUTE -1000 FROM c").await, "5999001");
    check(run(&client, "FETCH FIRST FROM c").await, "53400");
    execute(&client, "ROLLBACK").await;
}

#[tokio::test]
async fn a_portal_with_a_name_is_a_cursor_of_its_transaction() {
    let server = TestServer::start(TestLake::empty());
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let query = "SELECT x FROM generate_series(1::bigint, 9) AS t(x) ORDER BY x";
    let portal = transaction.bind(query, &[]).await.unwrap();
    let other = transaction.bind("SELECT 7::bigint", &[]).await.unwrap();
    let client = transaction.client();
    let listed = "SELECT name FROM pg_cursors WHERE statement LIKE '%generate_series(1::%' ORDER BY name";
    let name = one(client, listed).await;
    // asyncpg moves the portals of its cursors by MOVE, before they have run as well.
    execute(client, &format!("MOVE FORWARD 3 FROM {name}")).await;
    let numbers = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>();
    let next = transaction.query_portal(&portal, 2).await.unwrap();
    assert_eq!(numbers(next), [4, 5]);
    assert_eq!(one(client, &format!("FETCH {name}")).await, "6");
    let alone = transaction.query_portal(&other, 0).await.unwrap();
    assert_eq!(numbers(alone), [7]);
    let rest = transaction.query_portal(&portal, 0).await.unwrap();
    assert_eq!(numbers(rest), [7, 8, 9]);
    execute(client, &format!("CLOSE {name}")).await;
    let closed = transaction.query_portal(&portal, 1).await;
    check(closed.map(drop), "34000");
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn what_a_session_holds_is_listed() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let other = connect(&server).await;
    execute(
        &client,
        "BEGIN; DECLARE later NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
    )
    .await;
    execute(&client, "PREPARE twice (int, text) AS SELECT $1 * 2, $2").await;
    let cursors = "SELECT name, statement, is_holdable, is_binary, is_scrollable, creation_time IS NULL FROM pg_cursors";
    let declared = "later|BEGIN; DECLARE later NO SCROLL CURSOR WITH HOLD FOR SELECT 1|t|f|f|f";
    assert_eq!(crate::support::lines(&client, cursors).await, [declared]);
    // A statement of the wire protocol with a name, as drivers prepare them.
    let prepared = client.prepare("SELECT $1::bigint + 1").await.unwrap();
    let statements = "SELECT statement, from_sql, array_length(parameter_types, 1) FROM pg_prepared_statements ORDER BY from_sql DESC";
    assert_eq!(
        crate::support::lines(&client, statements).await,
        [
            "PREPARE twice (int, text) AS SELECT $1 * 2, $2|t|2",
            "SELECT $1::bigint + 1|f|1"
        ]
    );
    drop(prepared);
    execute(&client, "DEALLOCATE twice; ROLLBACK").await;
    let both = "SELECT (SELECT count(*) FROM pg_cursors) + (SELECT count(*) FROM pg_prepared_statements)";
    assert_eq!(one(&client, both).await, "0");
    assert_eq!(one(&other, both).await, "0");
}

#[tokio::test]
async fn the_query_of_a_cursor_takes_parameters() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let declare = "DECLARE c CURSOR FOR SELECT x FROM generate_series(1, 9) AS t(x) WHERE x > $1 ORDER BY x";
    execute(&client, "BEGIN").await;
    client.execute(declare, &[&6_i32]).await.unwrap();
    assert_eq!(
        crate::support::lines(&client, "FETCH ALL FROM c").await,
        ["7", "8", "9"]
    );
    execute(&client, "COMMIT").await;
    // A COPY has none, in Postgres either.
    let copied = client.prepare("COPY (SELECT $1::text) TO STDOUT").await;
    check(copied.map(|_| ()), "42P02");
}

#[tokio::test]
async fn what_is_wrong_inside_of_a_statement_has_its_place_in_the_whole() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "BEGIN; SAVEPOINT s").await;
    for around in [
        "DECLARE c CURSOR FOR {}",
        "COPY ({}) TO STDOUT",
        "COPY customers (customer_id, nope) TO STDOUT",
        "COPY   nope TO STDOUT",
        "PREPARE p AS {}",
    ] {
        let sql = around.replace("{}", "SELECT 1,   nope FROM customers");
        let error = client.batch_execute(&sql).await.unwrap_err();
        let place = error.as_db_error().and_then(|error| error.position()).cloned();
        let expected = sql.find("nope").map(|at| ErrorPosition::Original(at as u32 + 1));
        assert_eq!(place, expected, "{sql}");
        execute(&client, "ROLLBACK TO s").await;
    }
}

#[tokio::test]
async fn statements_are_prepared_in_sql() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "PREPARE twice (int) AS SELECT $1 * 2").await;
    assert_eq!(one(&client, "EXECUTE twice(21)").await, "42");
    check(run(&client, "PREPARE twice AS SELECT 1").await, "42P05");
    execute(&client, "DEALLOCATE twice").await;
    // A statement inside of a statement inside of a statement …
    let nested = format!("PREPARE a {}AS SELECT 1", "AS PREPARE a ".repeat(2_000));
    check(run(&client, &nested).await, "0A000");
    check(run(&client, "EXECUTE twice(21)").await, "26000");
}

#[tokio::test]
async fn a_session_put_back_is_as_new() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "SET application_name = 'x'; PREPARE p AS SELECT 1").await;
    execute(&client, "DISCARD ALL").await;
    assert_eq!(one(&client, "SHOW application_name").await, "");
    check(run(&client, "EXECUTE p").await, "26000");
}

#[tokio::test]
async fn the_way_back_to_a_savepoint_undoes_settings_and_closes_later_cursors() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(
        &client,
        "SET application_name = 'a'; BEGIN; SET application_name = 'b'; DECLARE early CURSOR FOR SELECT 1; \
         SAVEPOINT s; SET application_name = 'c'; SET LOCAL TimeZone = 'Asia/Tokyo'; DECLARE late CURSOR FOR SELECT 2",
    )
    .await;
    check(run(&client, "SELECT 1/0").await, "22012");
    execute(&client, "ROLLBACK TO SAVEPOINT s").await;
    assert_eq!(one(&client, "SHOW application_name").await, "b");
    assert_eq!(one(&client, "SHOW TimeZone").await, "UTC");
    assert_eq!(one(&client, "FETCH early").await, "1");
    check(run(&client, "FETCH late").await, "34000");
    execute(&client, "ROLLBACK").await;
    assert_eq!(one(&client, "SHOW application_name").await, "a");
}

#[tokio::test]
async fn a_chained_transaction_follows_at_once() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    check(run(&client, "COMMIT AND CHAIN").await, "25P01");
    execute(&client, "BEGIN ISOLATION LEVEL SERIALIZABLE").await;
    let first = one(&client, "SELECT now()").await;
    execute(&client, "COMMIT AND CHAIN").await;
    assert_ne!(one(&client, "SELECT now()").await, first);
    assert_eq!(one(&client, "SHOW transaction_isolation").await, "serializable");
    // Only inside of a transaction.
    execute(&client, "SAVEPOINT s; ROLLBACK AND CHAIN; SAVEPOINT s; COMMIT").await;
    check(run(&client, "SAVEPOINT s").await, "25P01");
}

#[tokio::test]
async fn a_rollback_leaves_the_held_cursors_of_earlier_transactions() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(
        &client,
        "BEGIN; DECLARE kept CURSOR WITH HOLD FOR SELECT 1; COMMIT",
    )
    .await;
    execute(
        &client,
        "BEGIN; DECLARE undone CURSOR WITH HOLD FOR SELECT 2; ROLLBACK",
    )
    .await;
    assert_eq!(one(&client, "FETCH kept").await, "1");
    check(run(&client, "FETCH undone").await, "34000");
}

#[tokio::test]
async fn what_a_session_holds_is_bounded() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let prepare: Vec<String> = (0..1_000)
        .map(|at| format!("PREPARE p{at} AS SELECT 1"))
        .collect();
    execute(&client, &prepare.join(";")).await;
    check(run(&client, "PREPARE more AS SELECT 1").await, "53400");
    execute(&client, "DEALLOCATE p0; PREPARE more AS SELECT 1").await;
    assert_eq!(one(&client, "EXECUTE more").await, "1");
}
