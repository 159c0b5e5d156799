//! The same lake on every store: a local folder, an S3 server, an Azure one, and a stub of Google's.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use perennial_testkit::environment::{skipped, variable};
use perennial_testkit::{
    Clock, Fault, Faults, FixedClock, Operation, RunOptions, Setup, SystemClock, TestLake, TestServer, gcs,
};
use tokio_postgres::Client;

use crate::layout::{CONFIG, orders};
use crate::support::{connect, lines, one};

/// Places of stores, each of this test alone; the local folder has none. A store that is not there is told.
pub(crate) fn places(test: &str) -> Vec<Option<String>> {
    static GOOGLE: Once = Once::new();
    let mut places = vec![None];
    let prefix = format!("{test}-{}", std::process::id());
    for name in ["PERENNIAL_TEST_S3", "PERENNIAL_TEST_AZURE"] {
        match variable(name) {
            Some(url) => places.push(Some(format!("{url}/{prefix}"))),
            None => skipped(format_args!("{name} is not set, `cargo xtask test` sets it")),
        }
    }
    match variable("PERENNIAL_TEST_GCS") {
        Some(address) => {
            GOOGLE.call_once(|| gcs::serve(&address));
            places.push(Some(format!("gs://perennial-tests/{prefix}")));
        }
        None => skipped("PERENNIAL_TEST_GCS is not set, `cargo xtask test` sets it"),
    }
    places
}

fn lake(place: Option<&str>, config: &str, files: &[(&str, &[u8])]) -> TestLake {
    match place {
        Some(url) => TestLake::at(url, config, files),
        None => TestLake::of(config, files),
    }
}

/// Every row of every table of a schema, in text, in an order that does not depend on the plan.
async fn everything(client: &Client, schema: &str) -> Vec<String> {
    let names = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}' ORDER BY 1"
    );
    let mut all = Vec::new();
    for name in lines(client, &names).await {
        let mut rows = lines(client, &format!("SELECT * FROM {schema}.\"{name}\"")).await;
        rows.sort();
        all.push(format!("{name}: {} rows", rows.len()));
        all.extend(rows);
    }
    all
}

pub(crate) const SETTLED: RunOptions = RunOptions::SETTLED;

/// Files below a folder, with their paths relative to it.
fn files(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && relative != "_perennial" {
            files(root, &path, found);
        } else if path.is_file() {
            found.push((relative, fs::read(&path).unwrap()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_store_gives_the_demo_byte_for_byte() {
    let demo = TestLake::demo_landed();
    let config = fs::read_to_string(demo.folder().join("perennial.toml")).unwrap();
    let mut landed = Vec::new();
    files(&demo.root(), &demo.root(), &mut landed);
    let landed: Vec<(&str, &[u8])> = landed
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    let mut first: Option<Vec<String>> = None;
    let moment = SystemClock.now() + 3_600_000_000;
    for place in places("demo") {
        // The moment of the run is in the tables: one for all, and late enough that every file has come to rest.
        let setup = Setup {
            clock: Some(Arc::new(FixedClock::new(moment))),
            ..Setup::default()
        };
        let server = TestServer::start_with(lake(place.as_deref(), &config, &landed), setup);
        let client = connect(&server).await;
        let found = everything(&client, "public").await;
        assert!(found.len() > 1_000, "{place:?}");
        let Some(first) = &first else {
            first = Some(found);
            continue;
        };
        let other = first.iter().zip(&found).find(|(one, other)| one != other);
        assert_eq!((first.len(), other), (found.len(), None), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_land_are_replaced_and_go_on_every_store() {
    let known = |row: usize| Some(format!("p{row}@example.org"));
    for place in places("changes") {
        let lake = lake(
            place.as_deref(),
            CONFIG,
            &[
                ("orders/a.parquet", &orders(&["a1", "a2"], known)),
                ("orders/größe %2F#1 b.parquet", &orders(&["b1"], known)),
                ("orders/cut.parquet", b"PAR1"),
                ("orders/month=2026-01/c.parquet", &orders(&["c1"], known)),
            ],
        );
        let server = TestServer::start(lake);
        let client = connect(&server).await;
        let keys = "SELECT string_agg(order_id, ',' ORDER BY order_id) FROM orders";
        assert_eq!(one(&client, keys).await, "a1,a2,b1,c1", "{place:?}");
        let raw = "SELECT string_agg(id, ',' ORDER BY id) FROM raw.shop WHERE id > 'a1'";
        assert_eq!(one(&client, raw).await, "a2,b1,c1", "{place:?}");
        assert_eq!(
            lines(
                &client,
                "SELECT path, state FROM perennial.files ORDER BY path COLLATE \"C\""
            )
            .await,
            [
                "orders/a.parquet|live",
                "orders/cut.parquet|quarantined",
                "orders/größe %2F#1 b.parquet|live",
                "orders/month=2026-01/c.parquet|live",
            ],
            "{place:?}"
        );
        // Nothing is new.
        assert_eq!(server.look().await.snapshot, None, "{place:?}");

        let lake = server.lake();
        lake.land("orders/a.parquet", &orders(&["a3"], known));
        lake.land("orders/d.parquet", &orders(&["d1"], known));
        // Between two looks a scan meets a file that is not the one of its snapshot.
        let error = client
            .simple_query("SELECT string_agg(id, ',') FROM raw.shop")
            .await
            .unwrap_err();
        assert_eq!(
            crate::support::code(&error),
            "40001",
            "{place:?}: {}",
            crate::support::told(&error)
        );
        lake.remove("orders/month=2026-01/c.parquet");
        assert_eq!(server.look().await.snapshot, Some(2), "{place:?}");
        assert_eq!(one(&client, keys).await, "a3,b1,d1", "{place:?}");
        assert_eq!(one(&client, raw).await, "a3,b1,d1", "{place:?}");
        assert_eq!(server.look().await.snapshot, None, "{place:?}");
        assert!(lake.names("_perennial/probe").is_empty(), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_race_on_every_store_and_one_of_each_number_wins() {
    let known = |row: usize| Some(format!("p{row}@example.org"));
    for place in places("race") {
        let lake = lake(
            place.as_deref(),
            CONFIG,
            &[("orders/a.parquet", &orders(&["a1"], known))],
        );
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let lake = lake.clone();
                std::thread::spawn(move || lake.try_run(Setup::default(), SETTLED))
            })
            .collect();
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        let won: Vec<u64> = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().unwrap().snapshot)
            .collect();
        // Whoever comes second finds nothing new.
        assert_eq!(won, [1], "{place:?}");
        assert_eq!(lake.names("_perennial/snapshots").len(), 1, "{place:?}");
        let rows = lake
            .try_query(Setup::default(), "SELECT order_id FROM orders")
            .unwrap();
        assert_eq!(rows, [[Some("a1".to_owned())]], "{place:?}");
    }
}

/// What the lake of the faults has to say, whatever the store did before.
pub(crate) fn answers(lake: &TestLake, setup: Setup) -> Result<Vec<Vec<Option<String>>>, String> {
    let sql = "SELECT o.order_id, c.email, r.amount FROM orders o \
               JOIN customers c USING (customer_id) JOIN raw.shop r ON r.id = o.order_id ORDER BY 1";
    lake.try_query(setup, sql)
}

#[tokio::test]
async fn a_store_that_is_slow_busy_or_breaks_off_changes_no_answer_and_quarantines_nothing() {
    let known = |row: usize| Some(format!("p{row}@example.org"));
    let files: &[(&str, &[u8])] = &[
        ("orders/a.parquet", &orders(&["a1", "a2"], known)),
        ("orders/b.parquet", &orders(&["b1"], known)),
    ];
    let reference = TestLake::of(CONFIG, files);
    reference.unify();
    let expected = answers(&reference, Setup::default()).unwrap();
    assert_eq!(expected.len(), 3);
    let cases = [
        (Operation::Any, 1, Fault::Slow(Duration::from_millis(2))),
        (Operation::Any, 7, Fault::Status(503)),
        (Operation::Get, 5, Fault::Break),
        (Operation::Get, 6, Fault::Cut),
        (Operation::Put, 2, Fault::LoseReply),
        (Operation::Any, 9, Fault::Refuse),
    ];
    for (operation, every, fault) in cases {
        let lake = TestLake::of(CONFIG, files);
        let faults = Faults::new();
        faults.every(operation, every, fault);
        match lake.try_run(Setup::failing(&faults), SETTLED) {
            Ok(report) => assert_eq!(report.quarantined, [], "{fault:?}"),
            // Slow is no failure.
            Err(told) => assert!(
                !matches!(fault, Fault::Slow(_)) && (told.contains("the store") || told.contains("cannot ")),
                "{fault:?}: {told}"
            ),
        }
        faults.clear();
        let report = lake.try_run(Setup::failing(&faults), SETTLED).unwrap();
        assert_eq!(report.quarantined, [], "{fault:?}");
        assert_eq!(
            answers(&lake, Setup::default()).as_ref(),
            Ok(&expected),
            "{fault:?}"
        );
        // Queries meet the same.
        faults.every(operation, every, fault);
        match answers(&lake, Setup::failing(&faults)) {
            Ok(found) => assert_eq!(found, expected, "{fault:?}"),
            Err(told) => {
                assert!(
                    !matches!(fault, Fault::Slow(_))
                        && (told.starts_with("58030") || told.starts_with("cannot ")),
                    "{fault:?}: {told}"
                );
                assert!(!told.contains("/tmp"), "{fault:?}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn each_lost_answer_to_a_put_leaves_one_snapshot_more() {
    let known = |row: usize| Some(format!("p{row}@example.org"));
    let files: &[(&str, &[u8])] = &[("orders/a.parquet", &orders(&["a1"], known))];
    let counted = Faults::new();
    TestLake::of(CONFIG, files)
        .try_run(Setup::failing(&counted), SETTLED)
        .unwrap();
    let puts = counted.requests(Operation::Put);
    assert!(puts > 5, "{puts}");
    for nth in 1..=puts {
        let lake = TestLake::of(CONFIG, files);
        let faults = Faults::new();
        faults.nth(Operation::Put, nth, Fault::LoseReply);
        let first = lake.try_run(Setup::failing(&faults), SETTLED);
        let second = lake.try_run(Setup::default(), SETTLED).unwrap();
        let snapshots = [first.ok().and_then(|report| report.snapshot), second.snapshot];
        assert_eq!(snapshots.into_iter().flatten().count(), 1, "put {nth}");
        let rows = lake
            .try_query(Setup::default(), "SELECT order_id FROM orders")
            .unwrap();
        assert_eq!(rows, [[Some("a1".to_owned())]], "put {nth}");
    }
}
