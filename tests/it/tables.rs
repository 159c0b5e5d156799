//! Files of reference tables: no mapping reads them, and statements read all of them.

use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use perennial_testkit::{TestLake, TestServer};

use crate::matrix::{CONFIG, columns, dictionary_bomb, orders, written};
use crate::support::{connect, lines, one};

/// A reference table is read to its end before it is served: no mapping reads it later.
#[tokio::test]
async fn a_reference_table_that_is_broken_deep_inside_is_named() {
    let config = CONFIG.replace(
        "[server]",
        "[[source]]\nname = \"products\"\nkind = \"table\"\npath = \"products/\"\n[server]",
    );
    let properties = || {
        WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(10_000))
    };
    let mut broken = written(columns("x", 50_000), properties());
    let lake = TestLake::of(
        &config,
        &[("products/a.parquet", &written(columns("a", 50_000), properties()))],
    );
    // In the third of five row groups: a first look decodes rows of the first and the last.
    let at = broken.len() / 2;
    broken[at..at + 2_000].fill(0xff);
    lake.land("products/b.parquet", &broken);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sql = "SELECT path, state, reason LIKE 'cannot be decoded%' FROM perennial.files ORDER BY 1";
    assert_eq!(
        lines(&client, sql).await,
        ["products/a.parquet|live|", "products/b.parquet|quarantined|t"]
    );
    let sum = "SELECT count(*), sum(amount), max(length(email)) FROM products";
    assert_eq!(one(&client, sum).await, "50000|50000|18");
    // A look that finds nothing new reads nothing again.
    assert_eq!(server.look().await.snapshot, None);
}

#[tokio::test]
async fn a_bomb_in_a_reference_table_is_named_and_disturbs_nothing_beside_it() {
    let config = CONFIG.replace(
        "[server]",
        "[[source]]\nname = \"products\"\nkind = \"table\"\npath = \"products/\"\n[server]",
    );
    let lake = TestLake::of(
        &config,
        &[
            ("products/a.parquet", &orders("a", 3)),
            ("products/b.parquet", &dictionary_bomb("state")),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sql = "SELECT path, state, rows_landed, reason FROM perennial.files ORDER BY 1";
    assert_eq!(
        lines(&client, sql).await,
        [
            "products/a.parquet|live|3|",
            "products/b.parquet|quarantined|2000|unpacks to more than 268435456 bytes (column \"state\")",
        ]
    );
    let states = "SELECT count(*), max(state) FROM products";
    assert_eq!(one(&client, states).await, "3|paid");
}
