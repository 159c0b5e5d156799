//! Values on their way in and out, in binary and in text.

use perennial_testkit::{TestLake, TestServer};

use crate::support::{Bytes, code, connect, lines};

/// Type, text, binary: `SELECT encode(<type>send(<text>::<type>), 'hex')` of PostgreSQL 15.20 with TimeZone UTC.
const VALUES: &[(&str, &str, &str)] = &[
    ("int2", "-32768", "8000"),
    ("int4", "2147483647", "7fffffff"),
    ("int8", "-9223372036854775808", "8000000000000000"),
    ("text", "naïve 'q' \\ ☕", "6e61c3af766520277127205c20e29895"),
    ("text", "", ""),
    ("bool", "t", "01"),
    ("bool", "f", "00"),
    ("float4", "3.4028235e+38", "7f7fffff"),
    ("float8", "0.1", "3fb999999999999a"),
    ("float8", "NaN", "7ff8000000000000"),
    ("float8", "-Infinity", "fff0000000000000"),
    ("date", "2026-02-28", "00002553"),
    ("date", "1969-12-31", "ffffd532"),
    ("timestamp", "2026-03-29 02:30:00.123456", "0002f11f478cfc40"),
    ("timestamptz", "2026-03-29 02:30:00.123456+00", "0002f11f478cfc40"),
    ("timestamptz", "1969-12-31 23:59:59.999999+00", "fffca2fec4c81fff"),
    ("time", "23:59:59.999999", "000000141dd75fff"),
    ("bytea", "\\x00ff10", "00ff10"),
    (
        "int4[]",
        "{1,NULL,-3}",
        "00000001000000010000001700000003000000010000000400000001ffffffff00000004fffffffd",
    ),
    ("int8[]", "{}", "000000000000000000000014"),
    (
        "text[]",
        "{a,\"b c\",NULL,\"\",\"d\\\"e\"}",
        "0000000100000001000000190000000500000001000000016100000003622063ffffffff0000000000000003642265",
    ),
    (
        "float8[]",
        "{1.5,NaN}",
        "0000000100000000000002bd0000000200000001000000083ff8000000000000000000087ff8000000000000",
    ),
    (
        "bool[]",
        "{t,f,NULL}",
        "000000010000000100000010000000030000000100000001010000000100ffffffff",
    ),
    (
        "timestamptz[]",
        "{\"2026-01-01 00:00:00+00\"}",
        "0000000100000000000004a00000000100000001000000080002ea470ae86000",
    ),
    (
        "date[]",
        "{2026-01-01}",
        "00000001000000000000043a00000001000000010000000400002519",
    ),
];

#[tokio::test]
async fn a_value_of_every_type_comes_back_as_it_went() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let mut wrong = Vec::new();
    for (type_name, text, binary) in VALUES {
        let sql = format!("SELECT $1::{type_name} AS value");
        let answer = match client.query_one(&sql, &[&Bytes::of(binary)]).await {
            Ok(row) => row.get::<_, Bytes>(0).hex(),
            Err(error) => crate::support::told(&error),
        };
        if answer != *binary {
            wrong.push(format!("{type_name} {text}: {answer}, not {binary}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_value_in_text_is_the_same_as_in_binary() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let mut wrong = Vec::new();
    for (type_name, text, binary) in VALUES {
        let sql = format!("SELECT '{}'::{type_name} AS value", text.replace('\'', "''"));
        let answer = match client.query_one(&sql, &[]).await {
            Ok(row) => row.get::<_, Bytes>(0).hex(),
            Err(error) => crate::support::told(&error),
        };
        if answer != *binary {
            wrong.push(format!("{type_name} {text}: {answer}, not {binary}"));
        }
        let answer = match client.simple_query(&sql).await {
            Ok(messages) => messages
                .iter()
                .find_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })
                .unwrap_or_default(),
            Err(error) => crate::support::told(&error),
        };
        if answer != *text {
            wrong.push(format!("{type_name} {text}: {answer} in text"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn null_is_a_value_of_every_type() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    for (type_name, ..) in VALUES {
        let sql = format!("SELECT $1::{type_name} AS value");
        let row = client.query_one(&sql, &[&None::<Bytes>]).await;
        let row = row.unwrap_or_else(|error| panic!("{type_name}: {}", crate::support::told(&error)));
        assert_eq!(row.get::<_, Option<Bytes>>(0), None, "{type_name}");
    }
}

#[tokio::test]
async fn a_parameter_of_a_table_function_has_the_type_that_it_takes() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let mut wrong = Vec::new();
    for (sql, expected) in [
        ("SELECT stage FROM lifecycle_at($1)", vec!["timestamptz"]),
        (
            "SELECT moves FROM stage_transitions($1, $2::date + 1)",
            vec!["date", "date"],
        ),
    ] {
        let described = match client.prepare(sql).await {
            Ok(statement) => statement
                .params()
                .iter()
                .map(|parameter| parameter.name().to_owned())
                .collect(),
            Err(error) => vec![crate::support::told(&error)],
        };
        if described != expected {
            wrong.push(format!("{sql}: {described:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The answer with values is that of the same statement with constants.
#[tokio::test]
async fn arguments_of_table_functions_may_be_parameters() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let sql = "SELECT sum(value)::text || ' of ' || count(*) FROM cohort_retention($1, mode => $2, \"from\" => $4::text) WHERE period <= $3";
    let statement = client.prepare(sql).await.unwrap();
    let from = "2024-01-01";
    for (period, mode, most) in [
        ("quarter", "rolling", 3_i64),
        ("year", "bounded", 1),
        ("quarter", "bounded", 2),
    ] {
        let found = client
            .query_one(&statement, &[&period, &mode, &most, &from])
            .await
            .unwrap();
        let constants = sql
            .replace("$1", &format!("'{period}'"))
            .replace("$2", &format!("'{mode}'"))
            .replace("$3", &most.to_string())
            .replace("$4", "'2024-01-01'");
        assert_eq!(
            [found.get::<_, String>(0)],
            lines(&client, &constants).await[..],
            "{constants}"
        );
    }
    let wrong = client
        .query(&statement, &[&"fortnight", &"bounded", &1_i64, &from])
        .await
        .unwrap_err();
    assert_eq!(code(&wrong), "22023");
    // What the value decides the columns by was described before it came.
    let by_measure = client
        .prepare("SELECT value FROM cohort_retention('year', measure => $1)")
        .await
        .unwrap();
    assert!(!client.query(&by_measure, &[&"orders"]).await.unwrap().is_empty());
    let other = client.query(&by_measure, &[&"revenue"]).await.unwrap_err();
    assert_eq!(code(&other), "0A000");
    lines(
        &client,
        "PREPARE retained AS SELECT count(*) FROM cohort_retention($1)",
    )
    .await;
    let (prepared, written) = (
        "EXECUTE retained('year')",
        "SELECT count(*) FROM cohort_retention('year')",
    );
    assert_eq!(lines(&client, prepared).await, lines(&client, written).await);
    let customer = lines(
        &client,
        "SELECT customer_id FROM identity_links ORDER BY 1 LIMIT 1",
    )
    .await
    .remove(0);
    let explained = "SELECT count(*)::text FROM explain_identity($1)";
    let found = client
        .query_one(explained, &[&customer])
        .await
        .unwrap()
        .get::<_, String>(0);
    let written = explained.replace("$1", &format!("'{customer}'"));
    assert_eq!(lines(&client, &written).await, [found.as_str()]);
    assert_ne!(found, "0");
}
