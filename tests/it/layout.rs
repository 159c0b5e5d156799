//! What a statement reads of a lake: the files, row groups and pages that can hold an answer, and no others.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{Bounds, RunOptions, Setup, TestLake, TestServer};

use crate::support::{connect, lines, one, parquet};

pub(crate) const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[money]
currency = "EUR"
[time]
as_of = "2026-03-01T00:00:00Z"
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount" }
[server]
authentication = "trust"
"#;

/// Orders of January 2026: keys, and of each the address.
pub(crate) fn orders(keys: &[&str], address: impl Fn(usize) -> Option<String>) -> Vec<u8> {
    let times = TimestampMicrosecondArray::from_iter_values(
        (0..keys.len()).map(|row| 1_767_225_600_000_000 + row as i64),
    );
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(StringArray::from(keys.to_vec()))),
        (
            "email",
            Arc::new((0..keys.len()).map(address).collect::<StringArray>()),
        ),
        ("amount", Arc::new(Float64Array::from(vec![1.0; keys.len()]))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// The files that the plan of a query reads.
pub(crate) async fn files(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let plan = lines(client, &format!("EXPLAIN {sql}")).await.join("\n");
    let mut files: Vec<String> = plan
        .split(|symbol: char| symbol == '[' || symbol == ']' || symbol == ',' || symbol.is_whitespace())
        .filter(|word| word.contains(".parquet"))
        .map(|word| word.split(':').next().unwrap_or(word).to_owned())
        .collect();
    files.sort();
    files.dedup();
    files
}

#[tokio::test]
async fn a_file_without_a_value_does_not_hide_the_bounds_of_the_others() {
    let known = |row: usize| Some(format!("p{row}@example.org"));
    let lake = TestLake::of(
        CONFIG,
        &[
            ("orders/a.parquet", &orders(&["a1", "a2"], known)),
            ("orders/b.parquet", &orders(&["b1", "b2"], known)),
            // Orders of nobody.
            ("orders/c.parquet", &orders(&["c1", "c2"], |_| None)),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;

    // As they landed: the address of no file is beyond p1, and c has none.
    let sql = "SELECT id FROM raw.shop WHERE id = 'b1'";
    assert_eq!(files(&client, sql).await, ["orders/b.parquet"]);
    assert_eq!(lines(&client, sql).await, ["b1"]);
    let sql = "SELECT id FROM raw.shop WHERE email = 'p1@example.org'";
    assert_eq!(
        files(&client, sql).await,
        ["orders/a.parquet", "orders/b.parquet"]
    );

    // Unified: one file of customers, one of nobody.
    assert_eq!(files(&client, "SELECT order_id FROM orders").await.len(), 2);
    let id = one(&client, "SELECT customer_id FROM orders WHERE order_id = 'a1'").await;
    let sql = format!("SELECT order_id FROM orders WHERE customer_id = '{id}' ORDER BY 1");
    assert_eq!(files(&client, &sql).await.len(), 1);
    assert_eq!(lines(&client, &sql).await, ["a1", "b1"]);
    let sql = "SELECT order_id FROM orders WHERE customer_id IS NULL ORDER BY 1";
    assert_eq!(files(&client, sql).await.len(), 1);
    assert_eq!(lines(&client, sql).await, ["c1", "c2"]);
}

/// What a plan's metrics say, by name, of all its scans together.
async fn metric(client: &tokio_postgres::Client, sql: &str, name: &str) -> Vec<String> {
    let plan = lines(client, &format!("EXPLAIN ANALYZE {sql}")).await.join("\n");
    plan.split(name)
        .skip(1)
        .filter_map(|rest| rest.strip_prefix('='))
        .map(|rest| rest.split([',', ']']).next().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn one_customer_is_found_by_reading_a_few_pages() {
    // 40,000 customers: more than a bucket, ten row groups of customers in it.
    const CUSTOMERS: usize = 40_000;
    let keys: Vec<String> = (0..CUSTOMERS).map(|row| format!("k{row}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let file = orders(&keys, |row| Some(format!("p{row}@example.org")));
    let visits = "[[source]]\nname = \"visits\"\nkind = \"event\"\npath = \"visits/\"\ntime = \"at\"\n\
                  identifiers = { email = \"email\" }\ncolumns = { name = \"id\" }\n[server]";
    let lake = TestLake::of(
        &CONFIG.replace("[server]", visits),
        &[("orders/a.parquet", &file), ("visits/a.parquet", &file)],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let id = one(
        &client,
        "SELECT customer_id FROM orders WHERE order_id = 'k31415'",
    )
    .await;
    let of = |table: &str| format!("SELECT * FROM {table} WHERE customer_id = '{id}'");
    for table in [
        "customer_360",
        "customers",
        "orders",
        "events",
        "lifecycle_history",
    ] {
        let sql = of(table);
        assert_eq!(files(&client, &sql).await.len(), 1, "{table}");
        assert!(!lines(&client, &sql).await.is_empty(), "{table}");
        // At most two pages of the twenty that the file has.
        let pages = metric(&client, &sql, "pages_matched").await.concat();
        assert!(matches!(pages.as_str(), "1" | "2"), "{table}: {pages}");
        // They are kept.
        let decoded = metric(&client, &sql, "pages_decoded").await.concat();
        assert_eq!(decoded, "0", "{table}");
    }
    // By the address, of which no file of the table is sorted: a page of the index, and one of the table.
    let sql = "SELECT customer_id FROM identities WHERE value = 'p31415@example.org'";
    assert_eq!(one(&client, sql).await, id);
    let pages = metric(&client, sql, "pages_matched").await;
    assert_eq!(pages.len(), 2);
    assert!(
        pages.iter().all(|pages| matches!(pages.as_str(), "1" | "2")),
        "{pages:?}"
    );
}

#[tokio::test]
async fn the_first_rows_of_an_order_are_the_first_of_all() {
    // Customers in several files, and rows of nobody beside them.
    let keys: Vec<String> = (0..70_000).map(|row| format!("o{row:05}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let landed = orders(&keys, |row| (row % 7 != 0).then(|| format!("c{row}@example.org")));
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &landed)]));
    let client = connect(&server).await;
    let mut all = lines(
        &client,
        "SELECT customer_id FROM orders WHERE customer_id IS NOT NULL",
    )
    .await;
    all.sort();
    for limit in [1, 10, 1_000] {
        let first = lines(
            &client,
            &format!("SELECT customer_id FROM orders ORDER BY customer_id LIMIT {limit}"),
        )
        .await;
        assert_eq!(first, all[..limit], "{limit}");
    }
}

/// Files that runs over new files have added stand in no order with each other, as those of nobody do, of which a large
/// lake has a hundred. A sort of their rows takes as many parts of its memory as there are threads, and not files.
#[tokio::test]
async fn a_sort_of_many_files_takes_the_memory_of_a_few() {
    const FILES: usize = 12;
    let config = CONFIG.replace("[server]", "[server]\nthreads = 2\nstatement_memory = \"48MB\"");
    let lake = TestLake::of(&config, &[]);
    let keep_apart = RunOptions {
        bounds: Bounds {
            added_files: FILES,
            replaced: u64::MAX,
            touched: 100,
            small: 0,
        },
        ..RunOptions::SETTLED
    };
    for file in 0..FILES {
        let keys: Vec<String> = (0..50).map(|row| format!("{file:02}-{row:02}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let path = format!("orders/{file}.parquet");
        lake.land(
            &path,
            &orders(&keys, |row| Some(format!("p{file}{row}@example.org"))),
        );
        lake.try_run(Setup::default(), keep_apart).unwrap();
    }
    let stored = lake.manifest().tables["public.orders"].files.len();
    assert!(stored >= FILES, "{stored}");
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let found = lines(&client, "SELECT order_id FROM orders ORDER BY amount, order_id").await;
    let expected = (0..FILES).flat_map(|file| (0..50).map(move |row| format!("{file:02}-{row:02}")));
    assert_eq!(found, expected.collect::<Vec<_>>());
    // The order in which files are stored is not lost where it is asked for.
    let by_customer = lines(&client, "SELECT customer_id FROM orders ORDER BY customer_id").await;
    assert!(by_customer.len() == found.len() && by_customer.is_sorted());
    let plan = lines(
        &client,
        "EXPLAIN SELECT customer_id FROM orders ORDER BY customer_id",
    )
    .await;
    assert!(!plan.join("\n").contains("SortExec"), "{plan:?}");
}
