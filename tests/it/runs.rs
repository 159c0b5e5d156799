//! What a run makes of versions, moments, currencies and files that disagree, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::SortOptions;
use arrow::row::{RowConverter, SortField};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_testkit::{Fault, Faults, Operation, RunOptions, Setup, TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{connect, lines, one, parquet};

/// 2026-01-01 in UTC.
const NEW_YEAR: i64 = 1_767_225_600_000_000;
const DAY: i64 = 86_400_000_000;

/// A lake of orders; `more` is put behind its sections.
pub(crate) fn config(lake: &str, more: &str) -> String {
    format!(
        r#"
[lake]
url = "./lake"
refresh = "off"
{lake}
[money]
currency = "EUR"
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = {{ email = "email" }}
columns = {{ amount = "amount", status = "state", currency = "currency" }}
{more}
[server]
authentication = "trust"
"#
    )
}

/// An order: key, address, state, currency, day of 2026 from 0.
pub(crate) type Order<'a> = (&'a str, &'a str, &'a str, &'a str, i64);

/// A file of orders of 10 each.
pub(crate) fn orders(rows: &[Order<'_>]) -> Vec<u8> {
    let text = |of: fn(&Order<'_>) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| NEW_YEAR + row.4 * DAY));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", text(|row| row.0.to_owned())),
        ("email", text(|row| row.1.to_owned())),
        ("state", text(|row| row.2.to_owned())),
        ("currency", text(|row| row.3.to_owned())),
        ("amount", Arc::new(Float64Array::from(vec![10.0; rows.len()]))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// A file of one row that has words where orders have numbers.
fn words() -> Vec<u8> {
    let columns = ["id", "email", "state", "currency", "amount", "at"];
    let columns = columns.map(|name| (name, Arc::new(StringArray::from(vec!["words"])) as ArrayRef));
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// The lake, unified and served, and a client.
async fn served(lake: TestLake) -> (TestServer, Client) {
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    (server, client)
}

const STATES: &str = "SELECT path, state FROM perennial.files ORDER BY path";

#[tokio::test]
async fn the_schema_of_most_rows_is_the_source_s_whatever_the_files_are_called() {
    let good = orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "bob@example.org", "paid", "EUR", 1),
    ]);
    let lake = TestLake::of(
        &config("", ""),
        &[("orders/a.parquet", &words()), ("orders/b.parquet", &good)],
    );
    let (_server, client) = served(lake).await;
    assert_eq!(
        lines(&client, STATES).await,
        ["orders/a.parquet|quarantined", "orders/b.parquet|live"]
    );
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "2");
}

#[tokio::test]
async fn a_file_that_fits_beside_another_one_is_taken_whatever_they_are_called() {
    let order = |key: &str, more: Option<Option<&str>>| {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(vec![key]))),
            ("email", Arc::new(StringArray::from(vec!["ann@example.org"]))),
            ("state", Arc::new(StringArray::from(vec!["paid"]))),
            ("currency", Arc::new(StringArray::from(vec!["EUR"]))),
            ("amount", Arc::new(Float64Array::from(vec![10.0]))),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![NEW_YEAR]).with_timezone("UTC")),
            ),
        ];
        if let Some(more) = more {
            columns.push(("more", Arc::new(StringArray::from(vec![more]))));
        }
        parquet(&RecordBatch::try_from_iter(columns).unwrap())
    };
    // The first file has a value in every row, so that none may lack the column, until a file has come that has NULL there.
    let lake = TestLake::of(
        &config("", ""),
        &[("orders/b.parquet", &order("1", Some(Some("x"))))],
    );
    lake.unify();
    lake.land("orders/a.parquet", &order("2", None));
    let report = lake.unify();
    assert_eq!(report.quarantined.len(), 1, "{report:?}");
    lake.land("orders/c.parquet", &order("3", Some(None)));
    lake.unify();
    let (_server, client) = served(lake).await;
    assert_eq!(
        lines(&client, STATES).await,
        [
            "orders/a.parquet|live",
            "orders/b.parquet|live",
            "orders/c.parquet|live"
        ]
    );
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "3");
}

#[tokio::test]
async fn a_refused_file_is_judged_anew_when_another_has_gone() {
    let first = orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "bob@example.org", "paid", "EUR", 1),
    ]);
    let lake = TestLake::of(&config("", ""), &[("orders/a.parquet", &first)]);
    lake.unify();
    // Another type, and more rows: the files that are served keep the contract.
    let columns = ["id", "email", "state", "currency", "amount", "at"];
    let columns = columns.map(|name| {
        let value = match name {
            "at" => "2026-01-05",
            "currency" => "EUR",
            _ => "7",
        };
        (name, Arc::new(StringArray::from(vec![value; 3])) as ArrayRef)
    });
    lake.land(
        "orders/b.parquet",
        &parquet(&RecordBatch::try_from_iter(columns).unwrap()),
    );
    lake.unify();
    fs::remove_file(lake.root().join("orders/a.parquet")).unwrap();
    lake.unify();
    let (_server, client) = served(lake).await;
    assert_eq!(lines(&client, STATES).await, ["orders/b.parquet|live"]);
    assert_eq!(
        one(&client, "SELECT order_id, amount FROM orders").await,
        "7|7.0000"
    );
}

#[tokio::test]
async fn the_newest_version_decides_also_where_nothing_but_the_file_tells_which_it_is() {
    let lake = TestLake::of(
        &config("", ""),
        &[
            (
                "orders/1.parquet",
                &orders(&[
                    ("1", "ann@example.org", "pending", "EUR", 0),
                    ("2", "bob@example.org", "paid", "EUR", 0),
                ]),
            ),
            (
                "orders/2.parquet",
                &orders(&[
                    ("1", "ann@example.org", "paid", "EUR", 0),
                    ("2", "bob@example.org", "cancelled", "EUR", 0),
                ]),
            ),
        ],
    );
    let (_server, client) = served(lake).await;
    let stages = "SELECT c.email, h.stage FROM lifecycle_history h JOIN customers c USING (customer_id) \
                  WHERE h.entered_at = '2026-01-01' AND (h.left_at IS NULL OR h.left_at > h.entered_at) ORDER BY 1";
    assert_eq!(
        lines(&client, stages).await,
        ["ann@example.org|conversion", "bob@example.org|acquisition"]
    );
    assert_eq!(
        lines(&client, "SELECT email, orders FROM customer_360 ORDER BY 1").await,
        ["ann@example.org|1", "bob@example.org|0"]
    );
}

#[tokio::test]
async fn an_identifier_is_seen_when_a_version_carries_it() {
    let lake = TestLake::of(
        &config("", ""),
        &[(
            "orders/1.parquet",
            &orders(&[
                ("1", "ann@example.org", "paid", "EUR", 0),
                ("1", "zoe@example.org", "paid", "EUR", 9),
            ]),
        )],
    );
    let (_server, client) = served(lake).await;
    assert_eq!(
        lines(
            &client,
            "SELECT value, first_seen_at::date, last_seen_at::date FROM identities ORDER BY value"
        )
        .await,
        [
            "ann@example.org|2026-01-01|2026-01-01",
            "zoe@example.org|2026-01-10|2026-01-10"
        ]
    );
    assert_eq!(
        one(&client, "SELECT email FROM customers").await,
        "zoe@example.org"
    );
}

#[tokio::test]
async fn a_fact_on_orders_is_of_the_customer_of_the_order() {
    let more = "[lifecycle.facts]\nclosing = \"orders where status = 'final'\"";
    let lake = TestLake::of(
        &config("", more),
        &[
            (
                "orders/1.parquet",
                &orders(&[
                    ("1", "ann@example.org", "pending", "EUR", 0),
                    ("2", "bob@example.org", "final", "EUR", 0),
                    ("3", "cleo@example.org", "paid", "EUR", 0),
                ]),
            ),
            (
                "orders/2.parquet",
                &orders(&[
                    ("1", "ann@example.org", "paid", "EUR", 0),
                    ("3", "cleo@example.org", "paid", "EUR", 0),
                ]),
            ),
        ],
    );
    let (_server, client) = served(lake).await;
    let ended = "SELECT c.email FROM lifecycle_history h JOIN customers c USING (customer_id) WHERE h.stage = 'terminated'";
    assert_eq!(lines(&client, ended).await, ["bob@example.org"]);
}

#[tokio::test]
async fn nothing_later_than_the_moment_described_is_known() {
    let more = "[time]\nas_of = \"2026-01-10T00:00:00Z\"";
    let lake = TestLake::of(
        &config("", more),
        &[(
            "orders/1.parquet",
            &orders(&[
                ("1", "ann@example.org", "paid", "EUR", 0),
                ("2", "ann@example.org", "paid", "EUR", 20),
                ("3", "bob@example.org", "paid", "EUR", 30),
            ]),
        )],
    );
    let (_server, client) = served(lake).await;
    assert_eq!(
        lines(&client, "SELECT email, orders, lifecycle_stage FROM customer_360").await,
        ["ann@example.org|1|conversion"]
    );
    assert_eq!(
        lines(&client, "SELECT email FROM customers").await,
        ["ann@example.org"]
    );
    assert_eq!(
        one(
            &client,
            "SELECT rows_landed, rows_unified, rows_filtered FROM perennial.files"
        )
        .await,
        "3|1|2"
    );
}

#[test]
fn a_run_says_which_currencies_have_no_rate() {
    let lake = TestLake::of(
        &config("", ""),
        &[(
            "orders/1.parquet",
            &orders(&[
                ("1", "ann@example.org", "paid", "EUR", 0),
                ("2", "ann@example.org", "paid", "usd", 3),
                ("3", "ann@example.org", "paid", "USD", 1),
            ]),
        )],
    );
    lake.unify();
    let missing = lake.rate_doubts().missing;
    let named: Vec<_> = missing
        .iter()
        .map(|rate| (rate.currency.as_str(), rate.day.as_str(), rate.amounts))
        .collect();
    assert_eq!(named, [("USD", "2026-01-02", 2)]);
}

#[test]
fn old_snapshots_go_with_their_files() {
    let lake = TestLake::of(&config("keep_snapshots = 1\nkeep_for = 0", ""), &[]);
    for (number, key) in ["1", "2", "3"].iter().enumerate() {
        let rows = [(*key, "ann@example.org", "paid", "EUR", 0)];
        lake.land(&format!("orders/{number}.parquet"), &orders(&rows));
        lake.unify();
    }
    let snapshots = files(&lake.root().join("_perennial/snapshots"));
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    let mut there = files(&lake.root().join("_perennial/data"));
    let mut named = data_files(&lake);
    there.sort();
    named.sort();
    assert_eq!(there, named);
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let lake = TestLake::of(
        &config("", ""),
        &[(
            "orders/1.parquet",
            &orders(&[("1", "ann@example.org", "paid", "EUR", 0)]),
        )],
    );
    let puts = |lake: &TestLake, full: Option<usize>| {
        let faults = Faults::new();
        if let Some(nth) = full {
            faults.nth(Operation::Put, nth, Fault::Full);
        }
        let outcome = lake.try_run(Setup::failing(&faults), RunOptions::SETTLED);
        (outcome, faults.requests(Operation::Put))
    };
    let (_, all) = puts(&lake.copy(), None);
    assert!(all > 10, "{all}");
    // The disk is full when nearly all is written.
    let (outcome, _) = puts(&lake, Some(all - 3));
    let told = outcome.unwrap_err();
    assert!(told.contains("no space left"), "{told}");
    assert_eq!(files(&lake.root().join("_perennial")), Vec::<PathBuf>::new());
}

/// Who plans over a table relies on the order that its manifest declares.
#[test]
fn every_file_has_the_order_that_is_declared() {
    let lake = TestLake::demo_small();
    let mut checked = 0;
    for (name, table) in lake.manifest().tables {
        let sort: Vec<&str> = table.sort.iter().map(String::as_str).collect();
        for file in table.files {
            let path = lake.root().join(file.path);
            assert!(sorted(&path, &sort), "{name} is not sorted by {sort:?}");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} files");
}

/// Whether the rows of a file are in the order of some columns, NULLs last.
fn sorted(path: &Path, sort: &[&str]) -> bool {
    let file = fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let rows = reader.metadata().file_metadata().num_rows() as usize;
    let batch = reader
        .with_batch_size(rows)
        .build()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let last = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let columns: Vec<ArrayRef> = sort
        .iter()
        .map(|name| Arc::clone(batch.column_by_name(name).unwrap()))
        .collect();
    let fields = columns
        .iter()
        .map(|column| SortField::new_with_options(column.data_type().clone(), last));
    let rows = RowConverter::new(fields.collect())
        .unwrap()
        .convert_columns(&columns)
        .unwrap();
    (1..rows.num_rows()).all(|row| rows.row(row - 1) <= rows.row(row))
}

fn data_files(lake: &TestLake) -> Vec<PathBuf> {
    let manifest = lake.manifest();
    let files = manifest.data_files();
    files.map(|path| lake.root().join(path)).collect()
}

/// All files below a folder; none where it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn a_run_tells_what_it_has_read_and_where_it_stands() {
    let file = |key: &str| {
        orders(&[
            (key, "ann@example.org", "paid", "EUR", 0),
            (&format!("{key}b"), "bob@example.org", "paid", "EUR", 1),
        ])
    };
    let lake = TestLake::of(
        &config("", ""),
        &[
            ("orders/a.parquet", &file("1")),
            ("orders/b.parquet", &file("2")),
            ("orders/c.parquet", b"PAR1"),
        ],
    );
    let (_server, client) = served(lake).await;
    assert_eq!(
        lines(
            &client,
            "SELECT state, phase, phase_total, phase_expected_at, snapshot, files_read, rows_read, customers \
             FROM perennial.runs"
        )
        .await,
        ["committed|commit|||1|2|4|2"]
    );
}
