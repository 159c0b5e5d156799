//! What ends before its end, and files that are not whole: signals, kills, quarantine.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::support::{ANN, BOB, BOTH, CUSTOMERS, Client, Place, Running, orders};

#[test]
fn serve_ends_at_a_signal_and_says_so() {
    let place = Place::unified();
    for signal in ["INT", "TERM"] {
        let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
        let address = server.line("serving on ");
        let mut client = Client::connect(&address);
        assert_eq!(client.ask("SELECT count(*) FROM customer_360"), "2");
        server.signal(signal);
        server.line("stopping: ");
        assert_eq!(client.farewell(), "57P01", "{signal}");
        server.end().exits(0).says(&["stopped"]);
    }
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn a_run_that_is_killed_changes_nothing_and_the_next_one_is_right() {
    let place = Place::new();
    let numbers = |first: u32, last: u32| {
        place.parquet(&format!(
            "SELECT x::text AS id, 'c' || (x % 5000) || '@example.org' AS email, 10.0::float8 AS amount, 'paid' AS state, \
             'EUR' AS currency, to_timestamp(1767225600 + x * 60) AS at FROM generate_series({first}, {last}) AS t(x)"
        ))
    };
    let totals = "SELECT count(*), sum(orders), sum(net_revenue) FROM customer_360";
    let (before, after) = (["5000,20000,200000.0000"], ["5000,40000,400000.0000"]);
    place.land("orders/a.parquet", &numbers(1, 20_000));
    place.run(&["unify"]).exits(0);
    assert_eq!(place.answers(totals), before);

    place.land("orders/b.parquet", &numbers(20_001, 40_000));
    for phase in ["read files", "write customers", "commit"] {
        let mut run = Running::start(place.command(&["unify"]));
        run.line(phase);
        run.signal("KILL");
        let told = run.end();
        let answers = place.answers(totals);
        // A commit takes effect once or not at all; before it there is nothing to take effect.
        if phase == "commit" {
            assert!(answers == before || answers == after, "{answers:?}");
        } else {
            assert_eq!(told.status.signal(), Some(9), "{phase}: {}", told.stderr);
            assert_eq!(answers, before, "{phase}");
        }
    }
    place.run(&["unify"]).exits(0);
    assert_eq!(place.answers(totals), after);
    let files = "SELECT path, state, rows_landed, rows_unified FROM perennial.files ORDER BY path";
    assert_eq!(
        place.answers(files),
        [
            "orders/a.parquet,live,20000,20000",
            "orders/b.parquet,live,20000,20000"
        ]
    );
}

#[test]
fn a_demo_that_is_interrupted_is_in_nobodys_way() {
    let place = Place::new();
    let demo = |customers| ["demo", "--dir", "demo", "--no-serve", "--customers", customers];
    let mut making = Running::start(place.command(&demo("1000000")));
    making.line("making 1000000 people");
    making.signal("INT");
    making.end().exits(130).says(&["interrupted"]);
    assert!(!place.path("demo").exists(), "nothing stays");

    // Files that have just been made are waited for, so that this run has not read them yet.
    let mut unifying = Running::start(place.command(&demo("50")));
    unifying.line("look at the lake");
    unifying.signal("TERM");
    unifying.end().exits(130).says(&["interrupted"]);
    let mut there: Vec<String> = fs::read_dir(place.path("demo"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(there, ["lake", "perennial.toml", "truth.parquet"]);

    place.run(&demo("50")).exits(0).says(&[
        "using the demo of 50 people with seed 7 in demo; remove the folder for another one",
        "snapshot 1: ",
    ]);
    let count = [
        "query",
        "--config",
        "demo/perennial.toml",
        "--format",
        "csv",
        "SELECT count(*) > 50 FROM customers",
    ];
    assert!(place.run(&count).exits(0).stdout.ends_with("\ntrue\n"));
}

#[test]
fn files_that_are_not_whole_are_named_once_and_keep_nobody_out() {
    let place = Place::new();
    let good = place.parquet(&orders(&[ANN, BOB]));
    let words = place.parquet("SELECT 'w' AS id, 'eve@example.org' AS email, 'a lot' AS amount, 'paid' AS state, 'EUR' AS currency, 'soon' AS at");
    let rejected = place.parquet(&orders(&[
        "('9', 'eve@example.org', NULL, 'EUR', '2026-01-03T00:00:00Z')",
    ]));
    place.land("orders/a.parquet", &good);
    place.land("orders/b-cut.parquet", &good[..good.len() / 2]);
    place.land("orders/c-empty.parquet", b"");
    place.land(
        "orders/d-text.parquet",
        b"id,email,amount\n1,ann@example.org,10\n",
    );
    place.land("orders/e-words.parquet", &words);
    place.land("orders/f-rejected.parquet", &rejected);
    let reasons = [
        (
            "orders/b-cut.parquet",
            "is cut or still being written: it does not end with \"PAR1\"",
        ),
        ("orders/c-empty.parquet", "is empty"),
        (
            "orders/d-text.parquet",
            "is not a Parquet file: begins with \"id,ema\" instead of \"PAR1\"",
        ),
        (
            "orders/e-words.parquet",
            "column \"amount\" has another type: text in this file, double precision in the files before",
        ),
        (
            "orders/f-rejected.parquet",
            "has no good row among 1: amount is NULL or is not a number (1 row)",
        ),
    ];
    // The first run, one that has nothing to do, and one that judges anew.
    for arguments in [vec!["unify"], vec!["unify"], vec!["unify", "--full"]] {
        let told = place.run(&arguments).exits(0);
        for (path, reason) in reasons {
            let line = format!("quarantined: {path} of shop: {reason}");
            assert_eq!(
                told.stderr.matches(path).count(),
                1,
                "{path} is told once:\n{}",
                told.stderr
            );
            assert!(
                told.stderr.lines().any(|said| said == line),
                "{line}\n{}",
                told.stderr
            );
        }
        assert!(
            told.stderr.contains("hint: Land a repaired file in its place"),
            "{}",
            told.stderr
        );
        assert_eq!(place.answers(CUSTOMERS), BOTH);
    }
    let states = "SELECT count(*) FILTER (WHERE state = 'live'), count(*) FILTER (WHERE state = 'quarantined') FROM perennial.files";
    assert_eq!(place.answers(states), ["1,5"]);

    // Repaired or removed, nothing is held against them.
    for (path, _) in &reasons[1..] {
        fs::remove_file(place.path("lake").join(path)).unwrap();
    }
    let repaired = orders(&["('3', 'cy@example.org', 1.0, 'EUR', '2026-01-03T00:00:00Z')"]);
    place.land("orders/b-cut.parquet", &place.parquet(&repaired));
    let told = place.run(&["unify"]).exits(0);
    assert!(!told.stderr.contains("quarantined"), "{}", told.stderr);
    assert_eq!(
        place.answers(CUSTOMERS),
        [BOTH[0], BOTH[1], "cy@example.org,1,1.0000"]
    );
}
