//! What the user got wrong: the command line, the configuration, the mappings, a statement. The exit code is 1, or 2 for
//! the command line, and nothing changes.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{ANN, BOB, BOTH, CONFIG, CUSTOMERS, Place, Told, orders};

/// The same command fed with a line.
fn fed(mut command: Command, input: &str) -> Told {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Told {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn the_command_line_is_explained() {
    let place = Place::new();
    for (arguments, parts) in [
        (
            vec!["unfy"],
            [
                "unrecognized subcommand 'unfy'",
                "similar subcommand exists: 'unify'",
            ],
        ),
        (
            vec!["unify", "--fulll"],
            [
                "unexpected argument '--fulll'",
                "similar argument exists: '--full'",
            ],
        ),
        (
            vec!["serve", "--listen", "here"],
            ["invalid value 'here' for '--listen", "--help"],
        ),
        (vec!["query"], ["required arguments", "<SQL>"]),
        (vec![], ["Usage: perennial", "Commands:"]),
    ] {
        let told = place.run(&arguments).exits(2).says(&parts);
        assert_eq!(told.stdout, "", "{arguments:?}");
    }
    let help = place.run(&["--help"]).exits(0);
    assert!(help.stdout.contains("Usage: perennial") && help.stderr.is_empty());
    assert_eq!(
        place.run(&["--version"]).exits(0).stdout,
        concat!("perennial ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_configuration_that_is_wrong_is_named_with_line_and_remedy() {
    let place = Place::unified();
    let before = place.written();
    place.write("bad.toml", &CONFIG.replace("refresh =", "refersh ="));
    for (config, parts) in [
        (
            "bad.toml",
            [
                "bad.toml:3:1: unknown key \"refersh\" in [lake]",
                "hint: did you mean \"refresh\"?",
            ],
        ),
        (
            "absent.toml",
            [
                "absent.toml: cannot read the configuration: no such file",
                "`perennial init <folder or URL>` writes one",
            ],
        ),
        (
            "lake",
            [
                "lake: cannot read the configuration: it is a folder",
                "hint: --config names the file itself",
            ],
        ),
    ] {
        for command in [
            vec!["check"],
            vec!["unify"],
            vec!["serve"],
            vec!["query", "SELECT 1"],
        ] {
            let arguments = [command, vec!["--config", config]].concat();
            place.run(&arguments).exits(1).says(&parts);
        }
    }
    assert_eq!(place.written(), before);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn a_mapping_or_segment_that_does_not_fit_is_named_by_its_own_file_and_line() {
    let place = Place::unified();
    let before = place.written();
    let segment =
        |condition: &str| format!("{CONFIG}[[segment]]\nname = \"some\"\nwhere = \"{condition}\"\n");
    place.write("mapping.toml", &CONFIG.replace("\"amount\"", "\"amuont\""));
    place.write("segment.toml", &segment("net_revnue > 5"));
    place.write("zero.toml", &segment("1 / (orders - orders) > 0"));
    for (config, parts) in [
        (
            "mapping.toml",
            [
                "error: mapping.toml:15: columns.amount of source \"shop\": column \"amuont\" does not exist",
                "hint: Perhaps you meant to reference the column \"amount\".",
            ],
        ),
        (
            "segment.toml",
            [
                "error: segment.toml:20: segment \"some\": column \"net_revnue\" does not exist",
                "hint: Perhaps you meant to reference the column \"net_revenue\".",
            ],
        ),
    ] {
        for command in ["check", "unify"] {
            place.run(&[command, "--config", config]).exits(1).says(&parts);
        }
    }
    // What no plan shows, the run does.
    place.run(&["unify", "--config", "zero.toml"]).exits(1).says(&[
        "error: zero.toml:20: segment \"some\": division by zero",
        "hint: A segment is a condition on the columns of customer_360.",
    ]);
    assert_eq!(place.written(), before);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
    place.run(&["check"]).exits(0);
}

#[test]
fn a_statement_that_is_wrong_is_answered_as_postgres_answers_it() {
    let place = Place::unified();
    for (sql, parts) in [
        (
            "SELECT * FROM custmers",
            vec![
                "error: relation \"custmers\" does not exist",
                "hint: SELECT table_schema, table_name FROM information_schema.tables shows what there is.",
            ],
        ),
        (
            "SELECT emial FROM customers",
            vec![
                "error: column \"emial\" does not exist",
                "hint: Perhaps you meant to reference the column \"email\".",
            ],
        ),
        (
            "SELECT orders / 0 FROM customer_360",
            vec!["error: division by zero"],
        ),
        ("SELEC 1", vec!["error: syntax error at or near \"SELEC\""]),
        (
            "SELECT 1; SELECT 2",
            vec!["error: give exactly one statement, not 2"],
        ),
        (
            "DELETE FROM customers",
            vec![
                "error: cannot execute DELETE in a read-only transaction",
                "hint: Served relations come from the lake",
            ],
        ),
    ] {
        let told = place.run(&["query", sql]).exits(1).says(&parts);
        assert_eq!(told.stdout, "", "{sql}");
    }
    let listed = place.answers("SELECT table_schema, table_name FROM information_schema.tables");
    assert!(listed.contains(&"public,customers".to_owned()), "{listed:?}");
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn check_fails_when_no_row_of_a_file_can_be_used() {
    let place = Place::new();
    let nothing = orders(&["('1', 'ann@example.org', NULL, 'EUR', '2026-01-01T00:00:00Z')"]);
    place.land("orders/a.parquet", &place.parquet(&nothing));
    place.write("other.toml", CONFIG);
    for config in ["perennial.toml", "other.toml"] {
        let told = place.run(&["check", "--config", config]).exits(1).says(&[
            "error: source \"shop\": every row at the start of orders/a.parquet would be rejected: amount is missing or is not a number",
            "hint: Correct the mapping in line 8 and below.",
        ]);
        assert_eq!(told.stdout, "");
    }
    assert!(place.written().is_empty());
}

#[test]
fn check_names_what_a_run_would_leave_out() {
    let place = Place::new();
    let odd = "('3', 'eve at example', 5.0, 'USD', '2026-01-03T00:00:00Z')";
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    place.land("orders/b.parquet", &place.parquet(&orders(&[odd])));
    place.land("orders/c.parquet", b"");
    place.land("stray/x.parquet", &place.parquet(&orders(&[ANN])));
    let told = place.run(&["check"]).exits(0).says(&[
        "warning: orders/c.parquet of shop would be quarantined: is empty",
        "warning: no email at the start of orders/b.parquet of shop can be used, such as \"eve at example\": correct the mapping or the identifier's normalise",
        "warning: stray/x.parquet belongs to no source",
        "warning: amounts in USD have no rate on 2026-01-03 or before and stay NULL: land one in a source of kind fx_rate",
    ]);
    assert_eq!(
        told.stdout,
        "shop: 2 files, 3 rows\nthe configuration fits the files\n"
    );
    // Each thing is said once.
    assert_eq!(
        told.stderr.matches("orders/c.parquet").count(),
        1,
        "{}",
        told.stderr
    );
    assert!(place.written().is_empty());
}

#[test]
fn unify_names_files_of_no_source_and_keys_that_are_none() {
    let place = Place::new();
    // All rows say the same of themselves by the key that is written here.
    let row = |day: u32| format!("('1', 'p{day}@example.org', 5.0, 'EUR', '2026-01-{day:02}T00:00:00Z')");
    let rows: Vec<String> = (1..=9).map(row).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    place.land("orders/a.parquet", &place.parquet(&orders(&rows)));
    place.land("stray/x.parquet", &place.parquet(&orders(&[ANN])));
    place.run(&["unify"]).exits(0).says(&[
        "warning: 8 of 9 rows of shop are older versions of others by record_key = id: is it the key of a record?",
        "warning: stray/x.parquet belongs to no source",
    ]);
}

#[test]
fn init_names_what_it_was_given() {
    let place = Place::new();
    for (lake, parts) in [
        (
            "foo://x",
            [
                "error: invalid lake url \"foo://x\": this kind of store is not supported",
                "hint: Use a folder such as",
            ],
        ),
        (
            "s3://",
            [
                "error: invalid lake url \"s3://\": it names no bucket",
                "s3://bucket/prefix",
            ],
        ),
        (
            "./absent",
            [
                "error: the folder \"./absent\" cannot be read: create it",
                "detail: No such file",
            ],
        ),
        (
            "./lake",
            [
                "no readable Parquet file below \"./lake\"",
                "land one, then run init again",
            ],
        ),
    ] {
        let told = place
            .run(&["init", lake, "--out", "new.toml"])
            .exits(1)
            .says(&parts);
        assert!(!told.stderr.contains("perennial.toml"), "{}", told.stderr);
        assert!(!place.path("new.toml").exists(), "{lake}");
    }
    // What is there stays as it is.
    place
        .run(&["init", "./lake"])
        .exits(1)
        .says(&["error: \"perennial.toml\" exists already; choose another file with --out, or remove it"]);
    assert_eq!(
        std::fs::read_to_string(place.path("perennial.toml")).unwrap(),
        CONFIG
    );
}

#[test]
fn password_is_an_argument_or_a_line_of_a_pipe() {
    let place = Place::new();
    let given = place.run(&["password", "--password", "open sesame"]).exits(0);
    let piped = fed(place.command(&["password"]), "open sesame\nnot read\n").exits(0);
    for told in [&given, &piped] {
        assert!(told.stdout.starts_with("SCRAM-SHA-256$4096:"), "{}", told.stdout);
        assert_eq!((told.stdout.lines().count(), told.stderr.as_str()), (1, ""));
    }
    assert_ne!(given.stdout, piped.stdout, "every verifier has a salt of its own");
    for nothing in ["", "\n"] {
        fed(place.command(&["password"]), nothing)
            .exits(1)
            .says(&["error: an empty password lets everybody in; choose one"]);
    }
    // The verifier is one that a server takes.
    let role = format!(
        "{}[[role]]\nname = \"admin\"\nowner = true\npassword = \"{}\"\n",
        CONFIG.replace("\"trust\"", "\"scram-sha-256\""),
        piped.stdout.trim()
    );
    place.write("role.toml", &role);
    place.run(&["check", "--config", "role.toml"]).exits(0);
}
