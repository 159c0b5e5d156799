//! `COPY … TO STDOUT`, byte for byte as PostgreSQL 15.20 writes it.

use futures::TryStreamExt;
use perennial_testkit::{TestLake, TestServer};

use crate::support::{Bytes, code, connect, one};

const QUERY: &str = "SELECT n::int AS n, word FROM (VALUES (1, 'a'), (2, E'tab\\there, \"quoted\"\\nand \\\\ back'), (3, ''), (4, NULL)) AS t(n, word) ORDER BY n";

async fn copied(options: &str) -> Vec<u8> {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let stream = client
        .copy_out(&format!("COPY ({QUERY}) TO STDOUT {options}"))
        .await;
    let stream = stream.unwrap_or_else(|error| panic!("{options}: {}", crate::support::told(&error)));
    let chunks: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(one(&client, "SELECT 1").await, "1", "{options}");
    chunks.concat()
}

#[tokio::test]
async fn text_and_csv_are_written_as_postgres_writes_them() {
    for (options, expected) in [
        (
            "",
            "1\ta\n2\ttab\\there, \"quoted\"\\nand \\\\ back\n3\t\n4\t\\N\n",
        ),
        (
            "WITH (FORMAT text, DELIMITER '|', NULL 'nil')",
            "1|a\n2|tab\\there, \"quoted\"\\nand \\\\ back\n3|\n4|nil\n",
        ),
        (
            "WITH (FORMAT csv)",
            "1,a\n2,\"tab\there, \"\"quoted\"\"\nand \\ back\"\n3,\"\"\n4,\n",
        ),
        (
            "WITH (FORMAT csv, HEADER, FORCE_QUOTE (word))",
            "n,word\n1,\"a\"\n2,\"tab\there, \"\"quoted\"\"\nand \\ back\"\n3,\"\"\n4,\n",
        ),
        (
            "WITH (FORMAT csv, DELIMITER ';', QUOTE '''', NULL '-')",
            "1;a\n2;'tab\there, \"quoted\"\nand \\ back'\n3;\n4;-\n",
        ),
        (
            "CSV HEADER",
            "n,word\n1,a\n2,\"tab\there, \"\"quoted\"\"\nand \\ back\"\n3,\"\"\n4,\n",
        ),
    ] {
        assert_eq!(
            String::from_utf8(copied(options).await).unwrap(),
            expected,
            "{options}"
        );
    }
}

#[tokio::test]
async fn every_column_is_quoted_on_request() {
    let expected = "\"1\",\"a\"\n\"2\",\"tab\there, \"\"quoted\"\"\nand \\ back\"\n\"3\",\"\"\n\"4\",\n";
    for options in [
        "WITH (FORMAT csv, FORCE_QUOTE (n, word))",
        "WITH (FORMAT csv, FORCE_QUOTE *)",
        "CSV FORCE QUOTE *",
    ] {
        assert_eq!(
            String::from_utf8(copied(options).await).unwrap(),
            expected,
            "{options}"
        );
    }
}

#[tokio::test]
async fn binary_is_written_as_postgres_writes_it() {
    let expected = "5047434f50590aff0d0a0000000000000000000002000000040000000100000001610002000000040000\
                    00020000001d74616209686572652c202271756f746564220a616e64205c206261636b000200000004\
                    000000030000000000020000000400000004ffffffffffff";
    assert_eq!(Bytes(copied("WITH (FORMAT binary)").await).hex(), expected);
}

#[tokio::test]
async fn a_relation_is_copied_whole_or_by_columns() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for sql in [
        "COPY orders TO STDOUT",
        "COPY orders (order_id, amount) TO STDOUT",
        "COPY public.orders TO STDOUT CSV",
    ] {
        let stream = client
            .copy_out(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {}", crate::support::told(&error)));
        let bytes = stream.try_fold(0, async |sum, chunk| {
            Ok(sum + chunk.iter().filter(|byte| **byte == b'\n').count())
        });
        assert_eq!(
            bytes.await.unwrap().to_string(),
            one(&client, "SELECT count(*) FROM orders").await,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn nothing_is_copied_in() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let refused = client.batch_execute("COPY orders FROM STDIN").await;
    assert_eq!(refused.map_err(|error| code(&error)), Err("25006".to_owned()));
}

#[tokio::test]
async fn an_error_within_a_copy_ends_it() {
    let server = TestServer::start(TestLake::empty());
    let client = connect(&server).await;
    let sql = "COPY (SELECT 1 / (x - 500000) FROM generate_series(1, 1000000) AS t(x)) TO STDOUT";
    let ended = async { client.copy_out(sql).await?.try_for_each(async |_| Ok(())).await }.await;
    assert_eq!(ended.map_err(|error| code(&error)), Err("22012".to_owned()));
    assert_eq!(one(&client, "SELECT 1").await, "1");
}
