//! A run that dies, at each of its steps: the next one finds the former snapshot or the new one, never a half, and ends
//! as if nothing had happened. A step is a request to the store: between two of them nothing lasts.

use std::path::Path;
use std::process::{Command, Stdio};

use perennial_testkit::environment::variable;
use perennial_testkit::{Fault, Faults, Operation, RunOptions, Setup, TestLake};

use crate::layout::{CONFIG, orders};

const RUN: RunOptions = RunOptions {
    full: false,
    settle: true,
    yields: false,
};
/// Tells the child process which lake it works on, and at which request it dies.
const CHILD: &str = "PERENNIAL_TEST_KILL";

fn known(row: usize) -> Option<String> {
    Some(format!("p{row}@example.org"))
}

/// A lake with a snapshot, old ones to be removed, and files that are new.
fn prepared() -> TestLake {
    let config = CONFIG.replace(
        "refresh = \"off\"",
        "refresh = \"off\"\nkeep_snapshots = 1\nkeep_for = \"0s\"",
    );
    let lake = TestLake::of(&config, &[("orders/a.parquet", &orders(&["a1", "a2"], known))]);
    lake.unify();
    lake.land(
        "orders/b.parquet",
        &orders(&["b1", "b2"], |row| Some(format!("q{row}@example.org"))),
    );
    lake.land("orders/cut.parquet", b"PAR1");
    lake
}

/// What the lake says, but for times and numbers of snapshots.
fn says(lake: &TestLake, after: Option<RunOptions>) -> Vec<Vec<Option<String>>> {
    let queries = [
        "SELECT order_id, customer_id, amount FROM orders ORDER BY 1",
        "SELECT customer_id, email FROM customers ORDER BY 1",
        "SELECT customer_id, type, value FROM identities ORDER BY 3",
        "SELECT customer_id, orders, net_revenue, lifecycle_stage FROM customer_360 ORDER BY 1",
        "SELECT customer_id, stage, entered_at FROM lifecycle_history ORDER BY 1, 3",
        "SELECT path, state, reason, rows_landed, rows_unified FROM perennial.files ORDER BY path",
        "SELECT id, email FROM raw.shop ORDER BY 1",
    ];
    lake.try_queries_after(Setup::default(), after, &queries).unwrap()
}

/// The newest snapshot is the former one or the new one, with all of its rows.
fn whole(lake: &TestLake, step: &str) {
    let sql = "SELECT (SELECT max(snapshot) FROM perennial.snapshots), count(*) FROM orders";
    let found = lake.try_query(Setup::default(), sql).unwrap();
    let is = |snapshot: &str, rows: &str| found == [[Some(snapshot.to_owned()), Some(rows.to_owned())]];
    assert!(is("1", "2") || is("2", "4"), "{step}: {found:?}");
}

/// How many requests a run makes, and what it leaves.
fn reference(prepared: &TestLake) -> (usize, Vec<Vec<Option<String>>>) {
    let lake = prepared.copy();
    let faults = Faults::new();
    lake.try_run(Setup::failing(&faults), RUN).unwrap();
    (faults.requests(Operation::Any), says(&lake, None))
}

#[test]
fn a_run_that_dies_at_any_request_is_as_if_it_had_not_been() {
    let prepared = prepared();
    let (requests, expected) = reference(&prepared);
    assert!(requests > 40, "{requests}");
    for step in 1..=requests {
        let lake = prepared.copy();
        let faults = Faults::new();
        faults.nth(Operation::Any, step, Fault::Die);
        let died = lake.try_run(Setup::failing(&faults), RUN);
        whole(&lake, &format!("{step}: {died:?}"));
        assert_eq!(says(&lake, Some(RUN)), expected, "{step}");
    }
}

#[test]
fn a_process_that_is_killed_at_any_of_its_steps_leaves_a_lake_to_go_on_from() {
    let prepared = prepared();
    let (requests, expected) = reference(&prepared);
    let mut killed = 0;
    for step in (1..=requests).step_by(9) {
        let lake = prepared.copy();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(CHILD, format!("{step}:{}", lake.folder().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        killed += usize::from(!status.success());
        whole(&lake, &format!("{step}"));
        assert_eq!(says(&lake, Some(RUN)), expected, "{step}");
    }
    // The order of requests differs from run to run, their number hardly.
    assert!(killed > 3, "{killed} of {requests} steps");
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
