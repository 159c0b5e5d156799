//! Temporary tables of sessions: whose they are, how long they last and how much they may hold. What statements on them
//! answer is in `slt/pg_compat/temporary.slt`.

use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{code, connect, connect_with, execute, lines, one};

async fn refused(client: &Client, sql: &str) -> String {
    client
        .batch_execute(sql)
        .await
        .map_err(|error| code(&error))
        .unwrap_err()
}

#[tokio::test]
async fn each_session_has_its_own() {
    let server = TestServer::start(TestLake::empty());
    let (one_client, other) = (connect(&server).await, connect(&server).await);
    execute(&one_client, "CREATE TEMP TABLE kept AS SELECT 1 AS x").await;
    assert_eq!(refused(&other, "SELECT * FROM kept").await, "42P01");
    execute(&other, "CREATE TEMP TABLE kept AS SELECT 2 AS x").await;
    assert_eq!(one(&one_client, "SELECT x FROM kept").await, "1");
    assert_eq!(one(&other, "SELECT x FROM kept").await, "2");
    let told = "SELECT count(*) FROM pg_class WHERE relname = 'kept'";
    assert_eq!(one(&other, told).await, "1");
}

/// As in Postgres, statements that are sent together are one transaction.
#[tokio::test]
async fn what_is_sent_together_is_done_together() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let failing = "CREATE TEMP TABLE t (x int); INSERT INTO t VALUES (1); SELECT 1 / 0";
    assert_eq!(refused(&client, failing).await, "22012");
    assert_eq!(refused(&client, "SELECT * FROM t").await, "42P01");
    execute(&client, "CREATE TEMP TABLE t (x int); INSERT INTO t VALUES (1)").await;
    assert_eq!(
        refused(&client, "INSERT INTO t VALUES (2); SELECT 1 / 0").await,
        "22012"
    );
    assert_eq!(lines(&client, "SELECT x FROM t").await, ["1"]);
    let dropped = "CREATE TEMP TABLE brief ON COMMIT DROP AS SELECT 7 AS x; SELECT x FROM brief";
    execute(&client, dropped).await;
    assert_eq!(refused(&client, "SELECT * FROM brief").await, "42P01");
}

#[tokio::test]
async fn rows_are_bound_by_memory_and_given_back() {
    const CONFIG: &str = "[lake]\nurl = \"./lake\"\n[server]\nauthentication = \"trust\"\nmemory = \"256MB\"\nstatement_memory = \"32MB\"\n";
    let server = TestServer::start(TestLake::of(CONFIG, &[]));
    let client = connect(&server).await;
    let fill = "INSERT INTO t SELECT repeat('x', 1000) || n FROM generate_series(1, 20000) AS s(n)";
    execute(&client, "CREATE TEMP TABLE t (x text)").await;
    execute(&client, fill).await;
    assert_eq!(refused(&client, fill).await, "53200");
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "20000");
    execute(&client, "TRUNCATE t").await;
    execute(&client, fill).await;
}

#[tokio::test]
async fn parameters_are_of_the_types_of_columns() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    execute(&client, "CREATE TEMP TABLE t (id int, name text, seen date)").await;
    let insert = client
        .prepare("INSERT INTO t (id, name) VALUES ($1, $2)")
        .await
        .unwrap();
    for id in 1..=20_i32 {
        let count = client.execute(&insert, &[&id, &format!("n{id}")]).await.unwrap();
        assert_eq!(count, 1);
    }
    let changed = client
        .execute("UPDATE t SET name = $1 WHERE id > $2", &[&"many", &15_i32])
        .await;
    assert_eq!(changed.unwrap(), 5);
    let left = client.execute("DELETE FROM t WHERE name = $1", &[&"many"]).await;
    assert_eq!(left.unwrap(), 5);
    assert_eq!(
        one(&client, "SELECT count(*) || ' ' || max(id) FROM t").await,
        "15 15"
    );
}

/// One list of prepared statements, whoever made them.
#[tokio::test]
async fn deallocate_reaches_what_a_driver_prepared() {
    let server = TestServer::start(TestLake::empty());
    let client = connect_with(&server.connection_string()).await.unwrap();
    let prepared = client.prepare("SELECT 1 + $1::int").await.unwrap();
    let name = one(&client, "SELECT name FROM pg_prepared_statements").await;
    assert_eq!(one(&client, &format!("EXECUTE {name}(2)")).await, "3");
    execute(&client, &format!("DEALLOCATE {name}")).await;
    let outcome = client.query(&prepared, &[&1_i32]).await;
    assert_eq!(
        outcome.map(drop).map_err(|error| code(&error)),
        Err("26000".to_owned())
    );
}
