//! What a client is told when a statement fails, and what the connection can do afterwards.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::error::ErrorPosition;

use crate::matrix;
use crate::support::{code, connect, one, told};

/// SQLSTATE, 1-based position (0 = not compared), how the message begins, statement: what PostgreSQL 15.20 answers.
const FAILURES: &[(&str, u32, &str, &str)] = &[
    ("42601", 1, "syntax error at or near \"SELEC\"", "SELEC 1"),
    ("42601", 11, "syntax error at end of input", "SELECT 1 +"),
    ("42601", 12, "syntax error at or near \"5\"", "SELECT TOP 5 1"),
    (
        "42601",
        10,
        "syntax error at or near \";\"",
        "SELECT (1; SELECT 2",
    ),
    (
        "42601",
        8,
        "unterminated quoted string at or near \"'abc\"",
        "SELECT 'abc",
    ),
    (
        "42601",
        8,
        "unterminated quoted identifier at or near \"\"abc\"",
        "SELECT \"abc",
    ),
    (
        "42601",
        0,
        "VALUES lists must all be the same length",
        "SELECT * FROM (VALUES (1),(2,3)) t",
    ),
    (
        "42601",
        0,
        "each UNION query must have the same number of columns",
        "SELECT 1 UNION SELECT 1, 2",
    ),
    (
        "42809",
        8,
        "window function row_number requires an OVER clause",
        "SELECT row_number()",
    ),
    (
        "42809",
        8,
        "OVER specified, but upper is not a window function nor an aggregate function",
        "SELECT upper('a') OVER ()",
    ),
    (
        "42809",
        8,
        "DISTINCT specified, but upper is not an aggregate function",
        "SELECT upper(DISTINCT 'a')",
    ),
    (
        "42883",
        8,
        "function percentile_cont(numeric) does not exist",
        "SELECT percentile_cont(0.5)",
    ),
    ("22003", 0, "integer out of range", "SELECT 99999999999::int"),
    ("22003", 0, "smallint out of range", "SELECT 99999::smallint"),
    (
        "42P01",
        15,
        "relation \"absent\" does not exist",
        "SELECT * FROM absent",
    ),
    (
        "42P01",
        15,
        "relation \"absent.orders\" does not exist",
        "SELECT * FROM absent.orders",
    ),
    (
        "42P01",
        0,
        "relation \"absent\" does not exist",
        "SELECT 'absent'::regclass",
    ),
    (
        "42703",
        8,
        "column \"amuont\" does not exist",
        "SELECT amuont FROM orders",
    ),
    (
        "42703",
        8,
        "column o.absent does not exist",
        "SELECT o.absent FROM orders o",
    ),
    (
        "42703",
        32,
        "column \"c\" does not exist",
        "SELECT 1 AS a, 2 AS b ORDER BY c",
    ),
    (
        "42702",
        8,
        "column reference \"customer_id\" is ambiguous",
        "SELECT customer_id FROM orders a JOIN orders b ON a.order_id=b.order_id",
    ),
    (
        "42883",
        8,
        "function absent(integer, unknown) does not exist",
        "SELECT absent(1, 'a')",
    ),
    (
        "42P01",
        8,
        "missing FROM-clause entry for table \"x\"",
        "SELECT x.amount FROM orders o",
    ),
    (
        "22P02",
        12,
        "malformed array literal: \"{1,2\"",
        "SELECT 1,  '{1,2'::int[]",
    ),
    (
        "42883",
        8,
        "function sum(text) does not exist",
        "SELECT sum(customer_id) FROM orders",
    ),
    (
        "42883",
        0,
        "operator does not exist: text + integer",
        "SELECT customer_id + 1::int FROM orders",
    ),
    (
        "42803",
        8,
        "column \"orders.customer_id\" must appear in the GROUP BY clause or be used in an aggregate function",
        "SELECT customer_id, count(*) FROM orders",
    ),
    (
        "42803",
        28,
        "aggregate functions are not allowed in WHERE",
        "SELECT * FROM orders WHERE count(*) > 1",
    ),
    (
        "42804",
        0,
        "argument of WHERE must be type boolean, not type numeric",
        "SELECT count(*) FROM orders WHERE amount",
    ),
    ("42704", 0, "type \"absent\" does not exist", "SELECT 1::absent"),
    ("42P02", 0, "there is no parameter $1", "SELECT $1"),
    ("22012", 0, "division by zero", "SELECT 1/0"),
    ("22012", 0, "division by zero", "SELECT 1.0/0"),
    ("22012", 0, "division by zero", "SELECT 1 % 0"),
    (
        "22P02",
        8,
        "invalid input syntax for type integer: \"x\"",
        "SELECT 'x'::int",
    ),
    (
        "22P02",
        8,
        "invalid input syntax for type boolean: \"x\"",
        "SELECT 'x'::bool",
    ),
    (
        "22P02",
        0,
        "invalid input syntax for type numeric: \"x\"",
        "SELECT 'x'::numeric",
    ),
    (
        "22007",
        8,
        "invalid input syntax for type timestamp",
        "SELECT 'x'::timestamptz",
    ),
    (
        "22007",
        17,
        "invalid input syntax for type interval: \"x\"",
        "SELECT interval 'x'",
    ),
    (
        "22008",
        8,
        "date/time field value out of range: \"2026-02-30\"",
        "SELECT '2026-02-30'::date",
    ),
    (
        "21000",
        0,
        "more than one row returned by a subquery used as an expression",
        "SELECT (SELECT x FROM generate_series(1,2) t(x))",
    ),
    (
        "26000",
        0,
        "prepared statement \"absent\" does not exist",
        "EXECUTE absent",
    ),
    (
        "26000",
        0,
        "prepared statement \"absent\" does not exist",
        "DEALLOCATE absent",
    ),
    (
        "34000",
        0,
        "cursor \"absent\" does not exist",
        "FETCH 1 FROM absent",
    ),
    (
        "25P01",
        0,
        "SAVEPOINT can only be used in transaction blocks",
        "SAVEPOINT s",
    ),
    // Served relations are those of a standby, of which PostgreSQL says the same.
    (
        "25006",
        0,
        "cannot execute INSERT in a read-only transaction",
        "INSERT INTO orders VALUES (1)",
    ),
    (
        "25006",
        0,
        "cannot execute UPDATE in a read-only transaction",
        "UPDATE orders SET amount = 0",
    ),
    (
        "25006",
        0,
        "cannot execute DELETE in a read-only transaction",
        "DELETE FROM orders",
    ),
    (
        "25006",
        0,
        "cannot execute CREATE TABLE in a read-only transaction",
        "CREATE TABLE t (a int)",
    ),
    (
        "25006",
        0,
        "cannot execute DROP TABLE in a read-only transaction",
        "DROP TABLE orders",
    ),
    (
        "42883",
        18,
        "operator does not exist: text = integer",
        "SELECT 'a'::text = 1",
    ),
    (
        "42883",
        13,
        "operator does not exist: boolean = integer",
        "SELECT true = 1",
    ),
    (
        "42883",
        50,
        "operator does not exist: text = integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x = 1",
    ),
    (
        "42883",
        62,
        "operator does not exist: text = integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x = '1' AND x IN (1, 2)",
    ),
    (
        "42883",
        50,
        "operator does not exist: text <> integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x NOT IN (1)",
    ),
    (
        "42883",
        50,
        "operator does not exist: text >= integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x BETWEEN 1 AND 2",
    ),
    (
        "42883",
        50,
        "operator does not exist: text = integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x IN (SELECT 1)",
    ),
    (
        "42883",
        70,
        "operator does not exist: text = integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) JOIN (VALUES (1)) w(y) ON x = y",
    ),
    (
        "42883",
        50,
        "operator does not exist: text = integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x IS DISTINCT FROM 1",
    ),
    (
        "42883",
        15,
        "operator does not exist: text = integer",
        "SELECT CASE x WHEN 1 THEN 2 END FROM (VALUES ('a')) v(x)",
    ),
    (
        "42883",
        50,
        "operator does not exist: text = integer",
        "SELECT x FROM (VALUES ('a'), ('1')) v(x) WHERE x = ANY(ARRAY[1])",
    ),
];

/// Statements that PostgreSQL refuses because their values or types make no sense, with its SQLSTATE. What is answered all
/// the same stands in crates/perennial-pgserver/DIFFERENCES.md.
const NONSENSE: &[(&str, &str)] = &[
    ("22003", "SELECT 40000::int2"),
    ("2201B", "SELECT 'a' ~ '('"),
    ("2201F", "SELECT sqrt(-1)"),
    ("2201W", "SELECT 1 LIMIT -1"),
    ("2201X", "SELECT 1 OFFSET -1"),
    ("42P10", "SELECT 1 ORDER BY 2"),
    ("42712", "SELECT 1 FROM (SELECT 1) AS a, (SELECT 2) AS a"),
    ("42712", "SELECT 1 FROM pg_class JOIN pg_class ON true"),
    ("42846", "SELECT true::date"),
    ("42846", "SELECT date '2026-01-01'::boolean"),
    ("22023", "SELECT date_trunc('absent', now())"),
];

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let mut wrong = Vec::new();
    for (sqlstate, sql) in NONSENSE {
        let answer = match client.simple_query(sql).await {
            Ok(_) => format!("answers {:?}", crate::support::lines(&client, sql).await),
            Err(error) if code(&error) == *sqlstate => continue,
            Err(error) => told(&error),
        };
        wrong.push(format!("{sql}: {answer}, not {sqlstate}"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        NONSENSE.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn a_failed_statement_is_answered_as_postgres_does_and_leaves_the_connection_usable() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let mut wrong = Vec::new();
    for (sqlstate, position, message, sql) in FAILURES {
        let error = client
            .batch_execute(sql)
            .await
            .map_err(|error| error.as_db_error().cloned());
        let answer = match error {
            Ok(()) => "no error".to_owned(),
            Err(None) => "the connection is gone".to_owned(),
            Err(Some(error)) => {
                let at = match error.position() {
                    Some(ErrorPosition::Original(at)) if *position > 0 => *at,
                    _ => 0,
                };
                format!("{} at {at}: {}", error.code().code(), error.message())
            }
        };
        let expected = format!("{sqlstate} at {position}: {message}");
        if !answer.starts_with(&expected) {
            wrong.push(format!("{sql}\n  answers  {answer}\n  expected {expected}"));
        }
        assert_eq!(one(&client, "SELECT 1").await, "1", "after {sql}");
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        FAILURES.len(),
        wrong.join("\n")
    );
}

/// The scan of a file must not evaluate what may fail: it would be an error of the file, and ahead of its guards.
#[tokio::test]
async fn a_condition_over_stored_rows_fails_as_anywhere_and_behind_its_guards() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for (sqlstate, message, condition) in [
        ("22012", "division by zero", "amount / 0 > 1"),
        (
            "22012",
            "division by zero",
            "status = 'paid' AND amount / (amount - amount) > 1",
        ),
        (
            "22P02",
            "invalid input syntax for type integer",
            "status::int > 1",
        ),
        (
            "22003",
            "bigint out of range",
            "time IS NOT NULL AND amount::int8 * 9223372036854775807 > 0",
        ),
        ("2201B", "invalid regular expression", "status ~ '('"),
    ] {
        let sql = format!("SELECT count(*) FROM orders WHERE {condition}");
        let error = client.simple_query(&sql).await.unwrap_err();
        let told = error.as_db_error().unwrap();
        assert!(
            code(&error) == sqlstate && told.message().starts_with(message),
            "{condition}: {told:?}"
        );
    }
    for (guard, condition) in [
        ("orders > 0", "net_revenue / orders > 50"),
        ("last_order_at IS NOT NULL", "10 / orders > 1"),
        ("net_revenue > 0", "net_revenue / orders > 50"),
    ] {
        let guarded = one(
            &client,
            &format!("SELECT count(*) FROM customer_360 WHERE {guard} AND {condition}"),
        )
        .await;
        let counted = one(
            &client,
            &format!(
                "SELECT count(CASE WHEN {guard} THEN CASE WHEN {condition} THEN 1 END END) FROM customer_360"
            ),
        )
        .await;
        assert_eq!(guarded, counted, "{guard} AND {condition}");
        assert_ne!(guarded, "0", "{guard} AND {condition}");
    }
}

#[tokio::test]
async fn what_is_wrong_has_a_remedy() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for (sql, part) in [
        ("SELECT amuont FROM orders", "amount"),
        ("SELECT * FROM custmers", "\"customers\""),
        ("SELECT * FROM public.custmers", "\"customers\""),
        ("SELECT * FROM snapshots", "\"perennial.snapshots\""),
        ("SELECT * FROM perennial.snapshot", "\"perennial.snapshots\""),
        (
            "SELECT normalise_emial(email) FROM customer_360",
            "normalise_email",
        ),
        ("SET statement_timout = 0", "statement_timeout"),
        ("SELECT * FORM orders", "\"FROM\" by \"FORM\""),
        ("SELECT amount / 0 FROM orders", "NULLIF(x, 0)"),
        ("SELECT count(*) FROM orders JOIN refunds", "CROSS JOIN"),
        ("SELECT count(*) FROM (orders JOIN refunds)", "CROSS JOIN"),
        (
            "SELECT count(*) FROM orders o LEFT JOIN refunds r WHERE o.order_id = r.order_id",
            "CROSS JOIN",
        ),
        ("SELECT amount / (amount - amount) FROM orders", "NULLIF(x, 0)"),
        // What stands in the place of a day is meant for another argument.
        (
            "SELECT * FROM stage_transitions('quarter')",
            "Write period => 'quarter'; it is one of: day, week, month, quarter, year.",
        ),
        (
            "SELECT * FROM explain_identity((SELECT customer_id FROM customers LIMIT 1))",
            "Write the value itself",
        ),
    ] {
        let error = client.batch_execute(sql).await.unwrap_err();
        let hint = error
            .as_db_error()
            .and_then(|error| error.hint())
            .unwrap_or_default();
        assert!(hint.contains(part), "{sql}: {hint:?}");
    }
}

/// However deep a statement is, the server answers it or refuses it, and goes on.
#[tokio::test]
async fn deep_statements_are_answered_or_refused() {
    const TERMS: usize = 20_000;
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let refused = [
        format!("SELECT 1{}", " + 1".repeat(TERMS)),
        format!("SELECT 'a'{}", " || 'a'".repeat(TERMS)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(TERMS)),
        format!("SELECT {}1{}", "(".repeat(TERMS), ")".repeat(TERMS)),
        format!("SELECT {}1{}", "abs(".repeat(TERMS), ")".repeat(TERMS)),
        format!("SELECT 1{}", " + 1".repeat(600_000)),
    ];
    for sql in refused {
        let shown: String = sql.chars().take(40).collect();
        let error = client.simple_query(&sql).await.map(|_| ()).expect_err(&shown);
        assert_eq!(code(&error), "54001", "{shown}");
    }
    let chosen: Vec<String> = (0..2_000).map(|value| format!("x = {value}")).collect();
    let chosen = format!(
        "SELECT count(*) FROM generate_series(1, 10000) AS t(x) WHERE {}",
        chosen.join(" OR ")
    );
    assert_eq!(one(&client, &chosen).await, "1999");
}

/// Writes nonsense into the first half of a file, whose size and time stay what they were.
fn damage(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let before = file.metadata().unwrap();
    file.write_all_at(&vec![0xff; before.len() as usize / 2 - 100], 100)
        .unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

#[tokio::test]
async fn a_file_that_is_damaged_after_it_was_admitted_is_named() {
    let landed = matrix::orders("a", 3_000);
    let lake = TestLake::of(
        matrix::CONFIG,
        &[
            ("orders/a.parquet", &landed),
            ("orders/b.parquet", &matrix::orders("b", 3)),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let id = one(&client, "SELECT customer_id FROM orders WHERE order_id = 'a-7'").await;
    let fails = async |sql: &str, expected: &str| {
        let error = client.simple_query(sql).await.unwrap_err();
        assert!(told(&error).starts_with(expected), "{sql}: {}", told(&error));
    };
    let root = server.lake().root();
    damage(&root.join("orders/a.parquet"));
    fails(
        "SELECT max(id) FROM raw.shop",
        "XX001: file \"orders/a.parquet\" cannot be read\nDETAIL: ",
    )
    .await;
    let manifest = server.lake().manifest();
    for (table, sql) in [
        ("orders", "SELECT max(order_id) FROM orders".to_owned()),
        // Looked up by the key.
        (
            "customers",
            format!("SELECT * FROM customers WHERE customer_id = '{id}'"),
        ),
    ] {
        let path = &manifest.tables[&format!("public.{table}")].files[0].path;
        damage(&root.join(path));
        fails(&sql, &format!("XX001: data file \"{path}\" is damaged: ")).await;
    }
    // The others are none of it.
    assert_eq!(one(&client, "SELECT count(*) FROM customer_360").await, "3003");
}

#[tokio::test]
async fn texts_of_more_than_an_array_holds_are_a_limit_and_no_defect() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    // The texts are one, as often as there are rows: that they have no room is known before they are made.
    let sql = "SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 2200)";
    let error = client.simple_query(sql).await.unwrap_err();
    assert_eq!(
        told(&error),
        "54000: a text, or the texts of a column together, grew beyond 2 GB\n\
         HINT: Put together fewer rows, or shorter texts."
    );
    assert_eq!(one(&client, "SELECT 1").await, "1");
}
