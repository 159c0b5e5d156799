//! A run that dies, at each of its steps: the next one finds the former snapshot or the new one, never a half, and ends
//! as if nothing had happened. A step is a request to the store: between two of them nothing lasts.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::environment::variable;
use perennial_testkit::{Bounds, Fault, Faults, Operation, RunOptions, Setup, TestLake};

use crate::layout::CONFIG;
use crate::support::{parquet, seed};
use crate::worlds::land;

/// A second file beside those of a full run is merged with the first, and the table of which most has been replaced is
/// written anew.
const RUN: RunOptions = RunOptions {
    bounds: Bounds {
        added_files: 1,
        replaced: 25,
        touched: 100,
        small: 0,
    },
    ..RunOptions::SETTLED
};
/// Tells the child process which lake it works on, and at which request it dies.
const CHILD: &str = "PERENNIAL_TEST_KILL";

/// Orders: of each the key, the address and the log-in, of which one may be empty.
fn orders(rows: &[[&str; 3]]) -> Vec<u8> {
    let text = |at: usize| -> ArrayRef {
        let values = rows
            .iter()
            .map(|row| Some(row[at]).filter(|value| !value.is_empty()));
        Arc::new(values.collect::<StringArray>())
    };
    let times = TimestampMicrosecondArray::from_iter_values(
        (0..rows.len()).map(|row| 1_767_225_600_000_000 + row as i64),
    );
    let columns: [(&str, ArrayRef); 5] = [
        ("id", text(0)),
        ("email", text(1)),
        ("login", text(2)),
        ("amount", Arc::new(Float64Array::from(vec![1.0; rows.len()]))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// A lake before a run.
struct Prepared {
    lake: TestLake,
    /// Whether the run has to work out everything, as it is the first.
    full: bool,
    /// The number of the newest snapshot and the orders in it, and those of the snapshot that the next run makes.
    before: [Option<&'static str>; 2],
    after: [Option<&'static str>; 2],
}

/// Two files, one of which is none, and no snapshot.
fn new() -> Prepared {
    let lake = empty();
    land(
        &lake,
        "orders/a.parquet",
        &orders(&[["a1", "ann@example.org", ""], ["a2", "bob@example.org", ""]]),
    );
    land(&lake, "orders/cut.parquet", b"PAR1");
    Prepared {
        lake,
        full: true,
        before: [None, Some("0")],
        after: [Some("1"), Some("2")],
    }
}

fn empty() -> TestLake {
    let config = CONFIG
        .replace(
            "refresh = \"off\"",
            "refresh = \"off\"\nkeep_snapshots = 1\nkeep_for = \"0s\"",
        )
        .replace(
            "{ email = \"email\" }",
            "{ email = \"email\", login = \"login\" }",
        )
        .replace(
            "[server]",
            "[[identity.identifier]]\ntype = \"email\"\n[[identity.identifier]]\ntype = \"login\"\n[server]",
        );
    TestLake::of(&config, &[])
}

/// A lake with a snapshot, old ones to be removed, and files that are new, one of which is none.
fn small() -> Prepared {
    let lake = empty();
    land(
        &lake,
        "orders/a.parquet",
        &orders(&[["a1", "ann@example.org", ""], ["a2", "bob@example.org", ""]]),
    );
    lake.unify();
    land(
        &lake,
        "orders/b.parquet",
        &orders(&[["b1", "ida@example.org", ""], ["b2", "zoe@example.org", ""]]),
    );
    land(&lake, "orders/cut.parquet", b"PAR1");
    Prepared {
        lake,
        full: false,
        before: [Some("1"), Some("2")],
        after: [Some("2"), Some("4")],
    }
}

/// As [`small`], with a run over an added file behind the full one; what is new joins two customers and corrects an
/// order. The next run does all that a run may do that works out a part: it masks rows, merges files, writes a table anew
/// and redirects an id.
fn busy() -> Prepared {
    let lake = empty();
    let first = [
        ["a1", "ann@example.org", ""],
        ["a2", "bob@example.org", ""],
        ["a3", "", "cy"],
        ["a4", "", ""],
        ["a5", "dee@example.org", ""],
        ["a6", "eve@example.org", ""],
        ["a7", "fay@example.org", ""],
        ["a8", "gus@example.org", ""],
    ];
    land(&lake, "orders/a.parquet", &orders(&first));
    lake.unify();
    land(
        &lake,
        "orders/b.parquet",
        &orders(&[["b1", "ann@example.org", ""], ["b2", "zoe@example.org", ""]]),
    );
    let report = lake.try_run(Setup::default(), RUN).unwrap();
    assert!(!report.full && report.snapshot == Some(2));
    land(
        &lake,
        "orders/c.parquet",
        &orders(&[
            ["c1", "bob@example.org", "cy"],
            ["a5", "dee@example.org", ""],
            ["c2", "ann@example.org", ""],
        ]),
    );
    land(&lake, "orders/cut.parquet", b"PAR1");
    Prepared {
        lake,
        full: false,
        before: [Some("2"), Some("10")],
        after: [Some("3"), Some("12")],
    }
}

/// What the lake says, but for times and numbers of snapshots.
fn says(lake: &TestLake, after: Option<RunOptions>) -> Vec<Vec<Option<String>>> {
    let queries = [
        "SELECT order_id, customer_id, amount FROM orders ORDER BY 1",
        "SELECT customer_id, email FROM customers ORDER BY 1",
        "SELECT customer_id, type, value FROM identities ORDER BY 3",
        "SELECT retired_customer_id, customer_id FROM identity_redirects",
        "SELECT customer_id, orders, net_revenue, lifecycle_stage FROM customer_360 ORDER BY 1",
        "SELECT customer_id, stage, entered_at FROM lifecycle_history ORDER BY 1, 3",
        "SELECT path, state, reason, rows_landed, rows_unified FROM perennial.files ORDER BY path",
        "SELECT id, email FROM raw.shop ORDER BY 1",
    ];
    lake.try_queries_after(Setup::default(), after, &queries).unwrap()
}

/// The newest snapshot is the former one or the new one, with all of its rows.
fn whole(prepared: &Prepared, lake: &TestLake, step: &str) {
    let sql = "SELECT (SELECT max(snapshot) FROM perennial.snapshots), count(*) FROM orders";
    let found = lake.try_query(Setup::default(), sql).unwrap();
    let is = |expected: [Option<&str>; 2]| found == [expected.map(|value| value.map(str::to_owned))];
    assert!(is(prepared.before) || is(prepared.after), "{step}: {found:?}");
}

/// How many requests a run makes, and what it leaves.
fn reference(prepared: &Prepared) -> (usize, Vec<Vec<Option<String>>>) {
    let lake = prepared.lake.copy();
    let faults = Faults::new();
    let report = lake.try_run(Setup::failing(&faults), RUN).unwrap();
    assert_eq!(report.full, prepared.full, "{:?}", report.why_full);
    (faults.requests(Operation::Any), says(&lake, None))
}

/// A run dies at some of its requests.
fn dies(prepared: &Prepared, steps: impl Iterator<Item = usize>, expected: &[Vec<Option<String>>]) {
    let (mut tried, mut dead) = (0, 0);
    for step in steps {
        let lake = prepared.lake.copy();
        let faults = Faults::new();
        faults.nth(Operation::Any, step, Fault::Die);
        let died = lake.try_run(Setup::failing(&faults), RUN);
        (tried, dead) = (tried + 1, dead + usize::from(died.is_err()));
        whole(prepared, &lake, &format!("{step}: {died:?}"));
        assert_eq!(says(&lake, Some(RUN)), expected, "{step}");
    }
    // After its commit a run has nothing to lose, and says so by its success.
    assert!(2 * dead > tried, "{dead} of {tried} runs died");
}

/// From the seed on every third request is tried; `cargo xtask soak` tries others.
#[test]
fn a_first_run_that_dies_is_as_if_it_had_not_been() {
    let prepared = new();
    let (requests, expected) = reference(&prepared);
    assert!(requests > 30, "{requests}");
    let first = 1 + seed(1) as usize % 3;
    dies(&prepared, (first..=requests).step_by(3), &expected);
}

#[test]
fn a_run_that_dies_at_any_request_is_as_if_it_had_not_been() {
    let prepared = small();
    let (requests, expected) = reference(&prepared);
    assert!(requests > 40, "{requests}");
    dies(&prepared, 1..=requests, &expected);
}

/// From the seed on every ninth request is tried; `cargo xtask soak` tries others.
#[test]
fn a_run_that_masks_merges_and_redirects_may_die_too() {
    let prepared = busy();
    let (requests, expected) = reference(&prepared);
    let first = 1 + seed(1) as usize % 9;
    dies(&prepared, (first..=requests).step_by(9), &expected);
}

#[test]
fn the_busy_run_masks_merges_and_redirects() {
    let prepared = busy();
    let lake = prepared.lake.copy();
    lake.try_run(Setup::default(), RUN).unwrap();
    let (before, after) = (prepared.lake.manifest(), lake.manifest());
    let (tables, known) = (after.tables.iter(), before.tables.values());
    let known: HashSet<&str> = known
        .flat_map(|table| table.files.iter().map(|file| file.path.as_str()))
        .collect();
    let (mut masked, mut merged, mut anew) = (0, Vec::new(), Vec::new());
    for (name, table) in tables {
        masked += table.files.iter().map(|file| file.masked).sum::<u64>();
        let had = before
            .tables
            .get(name)
            .map_or(0, |table| table.files.iter().filter(|file| file.delta).count());
        let mut fresh = table
            .files
            .iter()
            .filter(|file| !known.contains(file.path.as_str()));
        let added = table.files.iter().filter(|file| file.delta).count();
        if had == 1 && added == 1 && fresh.clone().any(|file| file.delta) {
            merged.push(name);
        }
        if fresh.any(|file| !file.delta) {
            anew.push(name);
        }
    }
    assert!(
        masked > 0 && merged.len() > 3 && !anew.is_empty(),
        "{masked} rows masked, {merged:?} merged, {anew:?} written anew"
    );
    let redirects = "SELECT count(*) FROM identity_redirects";
    let redirects = lake.try_query(Setup::default(), redirects).unwrap();
    assert_eq!(redirects, [[Some("1".to_owned())]]);
}

/// From the seed on every ninth request is tried; `cargo xtask soak` tries others.
#[test]
fn a_process_that_is_killed_at_any_of_its_steps_leaves_a_lake_to_go_on_from() {
    let prepared = busy();
    let (requests, expected) = reference(&prepared);
    let first = 1 + seed(1) as usize % 9;
    let (mut tried, mut killed) = (0, 0);
    for step in (first..=requests).step_by(9) {
        let lake = prepared.lake.copy();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(CHILD, format!("{step}:{}", lake.folder().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        (tried, killed) = (tried + 1, killed + usize::from(!status.success()));
        whole(&prepared, &lake, &format!("{step}"));
        assert_eq!(says(&lake, Some(RUN)), expected, "{step}");
    }
    // The order of requests differs from run to run, their number hardly; the last are behind the commit.
    assert!(2 * killed > tried, "{killed} of {tried} processes were killed");
}

/// Not a test by itself: the process that is killed.
#[test]
fn child() {
    let Some(order) = variable(CHILD) else { return };
    let (step, folder) = order.split_once(':').unwrap();
    let faults = Faults::new();
    faults.nth(Operation::Any, step.parse().unwrap(), Fault::Kill);
    let lake = TestLake::in_folder(Path::new(folder));
    lake.try_run(Setup::failing(&faults), RUN).unwrap();
}
