//! The catalogs as tools read them.

use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::SimpleQueryMessage;

use crate::support::{connect, lines, one, told};

const PSQL: &str = include_str!("../captured/psql.sql");
/// The oid of `customer_360` where the statements were recorded.
const RECORDED_OID: &str = "16386";

/// A recorded statement: the meta-command that sent it, the names of its answer's columns, its text.
struct Recorded<'a> {
    command: &'a str,
    columns: Vec<&'a str>,
    sql: &'a str,
}

fn recorded(text: &str) -> Vec<Recorded<'_>> {
    text.split("\n\n-- \\")
        .skip(1)
        .map(|block| {
            let (command, rest) = block.split_once('\n').unwrap();
            let (columns, sql) = rest.split_once('\n').unwrap();
            let columns = columns.strip_prefix("-- columns: ").unwrap().split('|').collect();
            Recorded {
                command,
                columns,
                sql,
            }
        })
        .collect()
}

#[tokio::test]
async fn what_psql_sends_is_answered_with_the_columns_of_postgres() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let oid = one(&client, "SELECT 'customer_360'::regclass::oid").await;
    let mut wrong = Vec::new();
    let all = recorded(PSQL);
    assert!(all.len() > 30);
    for Recorded {
        command,
        columns,
        sql,
    } in &all
    {
        let sql = sql.replace(RECORDED_OID, &oid);
        match client.simple_query(&sql).await {
            Err(error) => wrong.push(format!("\\{command}: {}\n{sql}", told(&error))),
            Ok(messages) => {
                let named = messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::RowDescription(columns) => Some(
                        columns
                            .iter()
                            .map(|column| column.name().to_owned())
                            .collect::<Vec<_>>(),
                    ),
                    _ => None,
                });
                if named.as_deref().is_none_or(|named| named != columns) {
                    wrong.push(format!("\\{command}: {named:?}, not {columns:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn every_relation_and_column_has_a_comment() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let relations = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname IN ('public', 'raw', 'perennial') AND c.relkind IN ('r', 'v', 'm', 'f', 'p')";
    assert!(lines(&client, relations).await.len() > 40);
    let silent = format!("{relations} AND coalesce(obj_description(c.oid, 'pg_class'), '') = '' ORDER BY 1");
    assert_eq!(lines(&client, &silent).await, Vec::<String>::new());
    // The columns of a landed file are the source's own: what they say is not for us to know.
    let silent = "SELECT n.nspname || '.' || c.relname || '.' || a.attname \
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
                  WHERE n.nspname IN ('public', 'perennial') AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND a.attnum > 0 \
                  AND c.relname <> 'products' AND coalesce(col_description(c.oid, a.attnum), '') = '' ORDER BY 1";
    assert_eq!(lines(&client, silent).await, Vec::<String>::new());
    // A comment that repeats names says nothing.
    let hollow = "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
                  WHERE a.attnum > 0 AND col_description(c.oid, a.attnum) LIKE '%' || a.attname || ' of ' || c.relname || '%'";
    assert_eq!(lines(&client, hollow).await, Vec::<String>::new());
    let told = "SELECT col_description('lifecycle_funnel'::regclass, attnum) FROM pg_attribute \
                WHERE attrelid = 'lifecycle_funnel'::regclass AND attname = 'converted'";
    assert!(
        one(&client, told)
            .await
            .starts_with("Those who entered the next stage")
    );
}

#[tokio::test]
async fn a_primary_key_names_one_row() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let keys = "SELECT table_name, string_agg(column_name, ', ' ORDER BY ordinal_position) \
                FROM information_schema.key_column_usage WHERE table_schema = 'public' AND constraint_name LIKE '%\\_pkey' \
                GROUP BY table_name ORDER BY table_name";
    let keys = lines(&client, keys).await;
    assert!(keys.contains(&"orders|source, order_id".to_owned()), "{keys:?}");
    assert!(keys.contains(&"events|source, record_key".to_owned()), "{keys:?}");
    for key in keys {
        let (relation, columns) = key.split_once('|').unwrap();
        let twice = format!("SELECT {columns} FROM {relation} GROUP BY {columns} HAVING count(*) > 1");
        assert!(lines(&client, &twice).await.is_empty(), "{relation} ({columns})");
    }
}

#[tokio::test]
async fn comments_say_by_which_rule_a_value_was_chosen() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for relation in ["customers", "customer_360"] {
        for (column, told) in [
            ("email", "seen last"),
            ("phone", "seen last"),
            ("first_name", "survivorship rule"),
        ] {
            let sql = format!(
                "SELECT col_description(attrelid, attnum) FROM pg_attribute \
                 WHERE attrelid = '{relation}'::regclass AND attname = '{column}'"
            );
            let comment = one(&client, &sql).await;
            assert!(comment.contains(told), "{relation}.{column}: {comment}");
        }
    }
}

#[tokio::test]
async fn both_catalogs_tell_the_same_columns() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let served = "('public', 'raw', 'perennial')";
    let attributes = format!(
        "SELECT n.nspname, c.relname, a.attnum, a.attname, NOT a.attnotnull \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE n.nspname IN {served} AND c.relkind IN ('r', 'v') AND a.attnum > 0 ORDER BY 1, 2, 3"
    );
    let columns = format!(
        "SELECT table_schema, table_name, ordinal_position, column_name, is_nullable = 'YES' \
         FROM information_schema.columns WHERE table_schema IN {served} ORDER BY 1, 2, 3"
    );
    let attributes = lines(&client, &attributes).await;
    assert!(attributes.len() > 300);
    assert_eq!(attributes, lines(&client, &columns).await);
}

#[tokio::test]
async fn the_described_types_are_those_of_the_results() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for relation in [
        "customer_360",
        "orders",
        "events",
        "lifecycle_history",
        "identities",
    ] {
        let statement = client
            .prepare(&format!("SELECT * FROM {relation}"))
            .await
            .unwrap();
        let described: Vec<String> = statement
            .columns()
            .iter()
            .map(|column| format!("{}|{}", column.name(), column.type_().oid()))
            .collect();
        let sql = format!(
            "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = '{relation}'::regclass AND attnum > 0 ORDER BY attnum"
        );
        assert_eq!(described, lines(&client, &sql).await, "{relation}");
    }
}

#[tokio::test]
async fn oids_hold_over_a_restart() {
    let lake = TestLake::demo_small();
    let sql = "SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let server = TestServer::start(lake.clone());
        seen.push(lines(&connect(&server).await, sql).await);
    }
    assert_eq!(seen.first(), seen.last());
    let first = &seen[0];
    let distinct: std::collections::HashSet<_> = first.iter().map(|line| line.split('|').next()).collect();
    assert_eq!(distinct.len(), first.len());
}
