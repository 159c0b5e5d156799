//! One customer at a time: what is kept between executions of a prepared statement is never stale, and the rows of a key are
//! those that a scan finds.

use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};

use crate::layout::{CONFIG, orders};
use crate::support::{connect, execute, lines, one};

/// What a statement gives, in order, each time of several.
async fn asked(client: &Client, statement: &Statement, values: &[&(dyn ToSql + Sync)]) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..4 {
        let rows = client.query(statement, values).await.unwrap();
        let mut keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        keys.sort();
        answers.push(keys);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

#[tokio::test]
async fn the_rows_of_a_key_are_those_that_a_scan_finds() {
    // Customers with one order and with thousands, orders of nobody, several files, and pages that end inside of a customer.
    let keys: Vec<String> = (0..30_000).map(|row| format!("o{row:05}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let address = |row: usize| match row % 10 {
        0 => None,
        1..=3 => Some("often@example.org".to_owned()),
        4 => Some(format!("twice{}@example.org", row / 20)),
        _ => Some(format!("once{row}@example.org")),
    };
    let lake = TestLake::of(
        CONFIG,
        &[
            ("orders/a.parquet", &orders(&keys[..20_000], address)),
            ("orders/b.parquet", &orders(&keys[20_000..], address)),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sample = "SELECT customer_id FROM orders WHERE customer_id IS NOT NULL \
                  GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 12";
    let mut customers = lines(&client, sample).await;
    customers.extend(
        lines(
            &client,
            "SELECT min(customer_id) FROM orders UNION SELECT max(customer_id) FROM orders",
        )
        .await,
    );
    customers.extend(["", "a", "zzzz", "nobody"].map(str::to_owned));
    let keyed = client
        .prepare("SELECT order_id FROM orders WHERE customer_id = $1")
        .await
        .unwrap();
    let mirrored = client
        .prepare("SELECT order_id FROM orders WHERE $1 = customer_id AND order_id > $2")
        .await
        .unwrap();
    for customer in &customers {
        // No key is seen in this one.
        let scanned =
            format!("SELECT order_id FROM orders WHERE customer_id || '' = '{customer}' ORDER BY 1");
        let scanned = lines(&client, &scanned).await;
        assert_eq!(asked(&client, &keyed, &[customer]).await, scanned, "{customer}");
        let literal = format!("SELECT order_id FROM orders WHERE customer_id = '{customer}' ORDER BY 1");
        assert_eq!(lines(&client, &literal).await, scanned, "{customer}");
        let behind: Vec<String> = scanned
            .into_iter()
            .filter(|key| key.as_str() > "o15000")
            .collect();
        assert_eq!(
            asked(&client, &mirrored, &[customer, &"o15000"]).await,
            behind,
            "{customer}"
        );
    }
    let nobody: Option<&str> = None;
    assert!(asked(&client, &keyed, &[&nobody]).await.is_empty());
    let count = one(
        &client,
        &format!(
            "SELECT count(*) FROM orders WHERE customer_id = '{}'",
            customers[0]
        ),
    )
    .await;
    assert_eq!(count, "9000");
}

#[tokio::test]
async fn what_is_kept_of_a_plan_is_of_the_newest_snapshot_and_the_settings_of_now() {
    let one_person = |_| Some("p@example.org".to_owned());
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders(&["a1"], one_person))]);
    let server = TestServer::start(lake);
    let (client, other) = (connect(&server).await, connect(&server).await);
    let customer = one(&client, "SELECT customer_id FROM orders").await;
    let sql = "SELECT order_id FROM orders WHERE customer_id = $1";
    let statement = client.prepare(sql).await.unwrap();
    // The orders are of midnight in Greenwich.
    let early =
        "SELECT order_id FROM orders WHERE customer_id = $1 AND time < TIMESTAMPTZ '2026-01-01 05:00:00'";
    let early = client.prepare_typed(early, &[Type::TEXT]).await.unwrap();
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1"]);

    // A new snapshot is read by the next execution, and an old one by who selects it.
    server
        .lake()
        .land("orders/b.parquet", &orders(&["b1"], one_person));
    assert_eq!(server.look().await.snapshot, Some(2));
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1", "b1"]);
    execute(&client, "SET perennial.snapshot = 1").await;
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1"]);
    execute(&client, "RESET perennial.snapshot").await;
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1", "b1"]);
    execute(&client, "SET perennial.as_of = '2025-01-01'").await;
    assert!(asked(&client, &statement, &[&customer]).await.is_empty());
    execute(&client, "RESET perennial.as_of").await;

    // In a transaction all executions read one snapshot.
    execute(&client, "BEGIN").await;
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1", "b1"]);
    server
        .lake()
        .land("orders/c.parquet", &orders(&["c1"], one_person));
    assert_eq!(server.look().await.snapshot, Some(3));
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1", "b1"]);
    execute(&client, "COMMIT").await;
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1", "b1", "c1"]);

    // A path on which the table is not, and a zone in which it is another hour already.
    execute(&client, "SET search_path = raw").await;
    client.query(&statement, &[&customer]).await.unwrap_err();
    execute(&client, "RESET search_path").await;
    assert_eq!(asked(&client, &statement, &[&customer]).await, ["a1", "b1", "c1"]);
    for (zone, expected) in [("UTC", 3), ("Asia/Tokyo", 0), ("UTC", 3)] {
        execute(&client, &format!("SET TimeZone = '{zone}'")).await;
        assert_eq!(
            asked(&client, &early, &[&customer]).await.len(),
            expected,
            "{zone}"
        );
    }
    // What looks at the session or the clock is never kept.
    let setting = client
        .prepare("SELECT current_setting('application_name') FROM orders WHERE customer_id = $1 LIMIT 1")
        .await
        .unwrap();
    for name in ["one", "two", "three", "four"] {
        execute(&client, &format!("SET application_name = '{name}'")).await;
        let row = client.query_one(&setting, &[&customer]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), name);
    }
    let now = client
        .prepare("SELECT CAST(clock_timestamp() AS text), CAST(now() AS text)")
        .await;
    if let Ok(now) = now {
        let mut before = String::new();
        for _ in 0..4 {
            let row = client.query_one(&now, &[]).await.unwrap();
            assert_ne!(row.get::<_, String>(0), before);
            before = row.get(0);
        }
    }
    assert_eq!(one(&other, "SELECT count(*) FROM orders").await, "3");
}

#[tokio::test]
async fn values_decide_in_every_execution_what_a_kept_plan_gives() {
    let lake = TestLake::of(
        CONFIG,
        &[(
            "orders/a.parquet",
            &orders(&["a1", "a2", "a3"], |row| Some(format!("p{row}@example.org"))),
        )],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let all = lines(&client, "SELECT order_id FROM orders ORDER BY 1").await;
    let first = one(&client, "SELECT customer_id FROM orders WHERE order_id = 'a1'").await;
    let nothing: Option<&str> = None;

    let either = "SELECT order_id FROM orders WHERE $1::text IS NULL OR customer_id = $1";
    let either = client.prepare(either).await.unwrap();
    for _ in 0..3 {
        assert_eq!(asked(&client, &either, &[&nothing]).await, all);
        assert_eq!(asked(&client, &either, &[&first]).await, ["a1"]);
        assert!(asked(&client, &either, &[&"x"]).await.is_empty());
    }
    let limited = "SELECT order_id FROM orders WHERE order_id >= $1 ORDER BY 1 LIMIT $2";
    let limited = client.prepare(limited).await.unwrap();
    for (from, count) in [("a1", 1_i64), ("a2", 5), ("a1", 2), ("a3", 0)] {
        let expected: Vec<_> = all
            .iter()
            .filter(|key| key.as_str() >= from)
            .take(count as usize)
            .collect();
        assert_eq!(
            asked(&client, &limited, &[&from, &count])
                .await
                .iter()
                .collect::<Vec<_>>(),
            expected
        );
    }
    let number = client
        .prepare_typed("SELECT $1 + 1", &[Type::INT8])
        .await
        .unwrap();
    for value in 0..5_i64 {
        let row = client.query_one(&number, &[&value]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), value + 1);
    }
    let division = client
        .prepare_typed("SELECT 6 / $1", &[Type::INT8])
        .await
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            client
                .query_one(&division, &[&2_i64])
                .await
                .unwrap()
                .get::<_, i64>(0),
            3
        );
        client.query_one(&division, &[&0_i64]).await.unwrap_err();
    }
}

#[tokio::test]
async fn two_portals_of_one_statement_keep_their_values() {
    let lake = TestLake::of(
        CONFIG,
        &[(
            "orders/a.parquet",
            &orders(&["a1", "a2", "b1", "b2"], |row| {
                Some(format!("p{}@example.org", row / 2))
            }),
        )],
    );
    let server = TestServer::start(lake);
    let mut client = connect(&server).await;
    let of = |key: &str| format!("SELECT customer_id FROM orders WHERE order_id = '{key}'");
    let (a, b) = (one(&client, &of("a1")).await, one(&client, &of("b1")).await);
    let sql = "SELECT order_id FROM orders WHERE customer_id = $1";
    let statement = client.prepare(sql).await.unwrap();
    assert_eq!(asked(&client, &statement, &[&a]).await, ["a1", "a2"]);
    let transaction = client.transaction().await.unwrap();
    let first = transaction.bind(&statement, &[&a]).await.unwrap();
    let second = transaction.bind(&statement, &[&b]).await.unwrap();
    let mut found = Vec::new();
    for portal in [&first, &second, &second, &first] {
        let rows = transaction.query_portal(portal, 1).await.unwrap();
        found.extend(
            rows.iter()
                .map(|row| row.get::<_, String>(0).chars().next().unwrap()),
        );
    }
    assert_eq!(found, ['a', 'b', 'b', 'a']);
}
