//! What the user got wrong: the command line, the configuration, the mappings, a statement. The exit code is 1, or 2 for
//! the command line, and nothing changes.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::support::{ANN, BOB, BOTH, CONFIG, CUSTOMERS, Client, Place, Running, Told, orders};

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
    place.write(
        "key.toml",
        &CONFIG.replace("record_key = \"id\"", "record_key = \"nothing_like_it\""),
    );
    place.write("segment.toml", &segment("net_revnue > 5"));
    place.write("zero.toml", &segment("1 / (orders - orders) > 0"));
    for (config, parts) in [
        (
            "mapping.toml",
            [
                "error: mapping.toml:15:22: columns.amount of source \"shop\": column \"amuont\" does not exist",
                "hint: Perhaps you meant to reference the column \"amount\".",
            ],
        ),
        (
            "key.toml",
            [
                "error: key.toml:12:14: record_key of source \"shop\": column \"nothing_like_it\" does not exist",
                "hint: The files have the columns id, email, amount, state, currency, at.",
            ],
        ),
        (
            "segment.toml",
            [
                "error: segment.toml:20:9: segment \"some\": column \"net_revnue\" does not exist",
                "hint: Perhaps you meant to reference the column \"net_revenue\".",
            ],
        ),
    ] {
        for command in ["check", "unify"] {
            place.run(&[command, "--config", config]).exits(1).says(&parts);
        }
    }
    // A stage that no model has is no error: the model may get it.
    place.write(
        "stage.toml",
        &segment("lifecycle_stage IN ('loyalty', 'loyality')"),
    );
    place.run(&["check", "--config", "stage.toml"]).exits(0).says(&[
        "warning: stage.toml:20:9: segment \"some\" asks for the stage \"loyality\", which the lifecycle does not have: did you mean \"loyalty\"?",
    ]);
    assert_eq!(place.written(), before);
    // One that fails over a customer fails over no other.
    place.run(&["unify", "--config", "zero.toml"]).exits(0).says(&[
        "warning: zero.toml:20:9: segment \"some\" cannot be worked out for 2 customers, who are no members: division by zero",
    ]);
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
                "hint: Perhaps you meant \"customers\".",
            ],
        ),
        (
            "SELECT * FROM invoices",
            vec![
                "error: relation \"invoices\" does not exist",
                "hint: SELECT table_schema, table_name FROM information_schema.tables shows what there is.",
            ],
        ),
        (
            "SELECT emial FROM customers",
            vec![
                "error: column \"emial\" does not exist",
                "hint: Perhaps you meant to reference the column \"customers.email\".",
            ],
        ),
        (
            "SELECT orders / 0 FROM customer_360",
            vec!["error: division by zero"],
        ),
        (
            "SELEC 1",
            vec![
                "error: syntax error at or near \"SELEC\"",
                "\nLINE 1: SELEC 1\n        ^\n",
            ],
        ),
        (
            "SELECT 1,\n  2 FORM customers WHERE",
            vec!["\nLINE 2:   2 FORM customers WHERE\n                 ^\n"],
        ),
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
        let place_of_it = format!("error: {config}:15:22: columns.amount of source \"shop\": ");
        let told = place.run(&["check", "--config", config]).exits(1).says(&[
            &place_of_it,
            "every row at the start of orders/a.parquet would be rejected: amount is NULL or is not a number",
            "hint: Correct the expression, or the files.",
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
        "warning: 1 landed amount in USD, of 2026-01-03, has no exchange rate of the day or before and stays NULL: land rates in a source of kind fx_rate",
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
        "warning: record_key = id of shop may be no key: rows with one value of it differ (9 of 9 rows, 1 value such as \"1\")",
        "warning: stray/x.parquet belongs to no source",
    ]);
    let unclaimed = "SELECT source, state, reason FROM perennial.files WHERE path = 'stray/x.parquet'";
    assert_eq!(
        place.answers(unclaimed),
        [",unclaimed,\"no path of the configuration leads to it: add a [[source]] for it, or move it\""]
    );
    // Such a file is news by itself, and so is its end.
    place.land("stray/y.parquet", b"whatever it holds");
    fs::remove_file(place.path("lake/stray/x.parquet")).unwrap();
    place.run(&["unify"]).exits(0);
    let unclaimed = "SELECT path FROM perennial.files WHERE state = 'unclaimed'";
    assert_eq!(place.answers(unclaimed), ["stray/y.parquet"]);
}

#[test]
fn a_path_that_leads_nowhere_is_told_with_the_nearest_that_there_is() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    place.land("crm/contacts/a.parquet", &place.parquet(&orders(&[ANN])));
    fs::create_dir(place.path("lake/empty")).unwrap();
    for (path, told) in [
        ("ordrs/", ": did you mean \"orders/\"?"),
        ("orders/b.parquet", ": did you mean \"orders/a.parquet\"?"),
        (
            "cmr/contacts/*.parquet",
            ": did you mean \"crm/contacts/*.parquet\"?",
        ),
        ("orders/*.pq", "; \"orders/\" has a.parquet"),
        ("elsewhere/", "; \".\" has crm/, empty/, orders/"),
        ("empty/", "; \"empty/\" has no files yet"),
    ] {
        place.write(
            "perennial.toml",
            &CONFIG.replace("\"orders/\"", &format!("\"{path}\"")),
        );
        let warning = format!(
            "warning: source \"shop\" has no files yet: path = \"{path}\" leads to none of the lake{told}"
        );
        for (command, code) in [("check", 0), ("unify", 1)] {
            place.run(&[command]).exits(code).says(&[&warning]);
        }
    }
}

#[test]
fn what_is_wrong_in_the_configuration_is_named_with_line_and_column() {
    let place = Place::unified();
    let with = |text: &str, instead: &str| {
        assert!(CONFIG.contains(text), "{text}");
        CONFIG.replace(text, instead)
    };
    let identifier = "[[identity.identifier]]\ntype = \"phone\"\nnormalise = \"phone:XX\"\n[server]";
    for (config, parts) in [
        (
            with("[server]", identifier),
            [
                "error: bad.toml:18:13: normalise of identifier \"phone\": region \"XX\" does not exist",
                "hint: A region is a two-letter country code of ISO 3166-1, such as \"DE\" or \"US\".",
            ],
        ),
        (
            with("time = \"at\"", "time = \"amount\""),
            [
                "error: bad.toml:13:8: time of source \"shop\": a value of type double precision is no time",
                "hint: Say what it counts: to_timestamp(…) takes seconds since 1970, to_timestamp_millis(…) milliseconds.",
            ],
        ),
        (
            with("kind = \"order\"", "knd = \"order\""),
            [
                "bad.toml:10:1: unknown key \"knd\" in [[source]] \"shop\"",
                "hint: did you mean \"kind\"?",
            ],
        ),
    ] {
        place.write("bad.toml", &config);
        for command in ["check", "unify"] {
            let told = place
                .run(&[command, "--config", "bad.toml"])
                .exits(1)
                .says(&parts);
            assert!(!told.stderr.contains("missing key"), "{}", told.stderr);
        }
    }
    // Text in which there is no time shows in the rows alone.
    place.write("bad.toml", &with("time = \"at\"", "time = \"email\""));
    place.run(&["check", "--config", "bad.toml"]).exits(1).says(&[
        "error: bad.toml:13:8: time of source \"shop\": every row at the start of orders/a.parquet would be rejected: time is NULL or is not a time",
    ]);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn check_tells_of_a_key_that_is_none() {
    let place = Place::new();
    // Two orders of one day have one number, one has landed twice as it was.
    let row = |id: &str, amount: &str| {
        format!("('{id}', 'ann@example.org', {amount}, 'EUR', '2026-01-01T00:00:00Z')")
    };
    let rows = [
        row("1", "5.0"),
        row("2", "6.0"),
        row("1", "7.0"),
        row("3", "8.0"),
        row("3", "8.0"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    place.land("orders/a.parquet", &place.parquet(&orders(&rows)));
    place.run(&["check"]).exits(0).says(&[
        "warning: record_key = id of shop may be no key: rows with one value of it differ (2 of 5 rows, 1 value such as \"1\"), \
         and no updated_at says which is the newest, so that the last by file and row counts: \
         write a key that is unique for each record, or add updated_at",
    ]);
}

#[test]
fn unify_says_why_it_worked_out_everything() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN])));
    let anew = "everything was worked out anew: ";
    let first = place.run(&["unify"]).exits(0);
    assert!(!first.stderr.contains(anew), "{}", first.stderr);
    place.land("orders/b.parquet", &place.parquet(&orders(&[BOB])));
    let part = place.run(&["unify"]).exits(0);
    assert!(!part.stderr.contains(anew), "{}", part.stderr);
    let asked = format!("{anew}it was asked for");
    place.run(&["unify", "--full"]).exits(0).says(&[&asked]);
    place.write("perennial.toml", &CONFIG.replace("2026-04-01", "2026-05-01"));
    let other = format!("{anew}the configuration is another");
    place.run(&["unify"]).exits(0).says(&[&other]);
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
    assert_eq!(fs::read_to_string(place.path("perennial.toml")).unwrap(), CONFIG);
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

#[test]
fn a_file_that_no_object_can_be_named_after_is_told_with_what_to_do() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN])));
    let bytes = place.parquet(&orders(&[BOB]));
    for name in [&b"line\nbreak.parquet"[..], b"\xff.parquet", b"_hidden\n.parquet"] {
        fs::write(place.path("lake/orders").join(OsStr::from_bytes(name)), &bytes).unwrap();
    }
    // The name of an upload under way, for which it has been at rest for too long.
    let upload = place.path("lake/orders/b.parquet#2");
    fs::write(&upload, &bytes).unwrap();
    let upload = fs::File::options().write(true).open(upload).unwrap();
    upload.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    for command in ["check", "unify"] {
        let told = place.run(&[command]).exits(0).says(&[
            "warning: orders/b.parquet#2 belongs to no source: names that end in # and digits are those of uploads ",
            "warning: orders/line\\nbreak.parquet belongs to no source: its name has a control character, ",
            "warning: orders/\\xff.parquet belongs to no source: its name has a control character, ",
        ]);
        assert!(!told.stderr.contains("line\nbreak"), "{}", told.stderr);
    }
    place
        .run(&["init", "./lake", "--out", "new.toml"])
        .exits(0)
        .says(&[
            "left out: orders/b.parquet#2: names that end in # and digits are those of uploads ",
            "left out: orders/line\\nbreak.parquet: its name has a control character, ",
        ]);
    let reason = "\"its name has a control character, such as a line break, or is not UTF-8 (shown as \\n or \\xff), and no \
                  object of a store can be called so: rename it\"";
    assert_eq!(
        place.answers("SELECT path, state, reason FROM perennial.files ORDER BY state, path"),
        [
            "orders/a.parquet,live,".to_owned(),
            format!("orders/\\xff.parquet,unclaimed,{reason}"),
            "orders/b.parquet#2,unclaimed,\"names that end in # and digits are those of uploads under way, and this one has come \
             to rest: rename it\""
                .to_owned(),
            format!("orders/line\\nbreak.parquet,unclaimed,{reason}"),
        ]
    );
    let orders_of = "SELECT count(*) FROM orders";
    assert_eq!(place.answers(orders_of), ["1"]);
    let renamed = place.path("lake/orders/renamed.parquet");
    fs::rename(place.path("lake/orders/line\nbreak.parquet"), renamed).unwrap();
    place.run(&["unify"]).exits(0);
    assert_eq!(place.answers(orders_of), ["2"]);
    assert_eq!(
        place.answers("SELECT count(*) FROM perennial.files WHERE state = 'unclaimed'"),
        ["2"]
    );
}

#[test]
fn a_lake_without_files_is_called_so() {
    let place = Place::new();
    fs::remove_dir(place.path("lake/orders")).unwrap();
    for (command, code) in [("check", 0), ("unify", 1)] {
        place.run(&[command]).exits(code).says(&[
            "warning: source \"shop\" has no files yet: path = \"orders/\" leads to none of the lake, which has no files yet",
        ]);
    }
}

#[test]
fn a_server_tells_of_a_name_that_no_object_can_have_once() {
    let place = Place::unified();
    let refreshed = CONFIG.replace("refresh = \"off\"", "refresh = \"100ms\"");
    place.write("perennial.toml", &refreshed);
    let bytes = place.parquet(&orders(&[BOB]));
    fs::write(place.path("lake/orders/line\nbreak.parquet"), bytes).unwrap();
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let mut client = Client::connect(&server.line("serving on "));
    server.hears("belongs to no source");
    // Looks go on.
    for (day, customers) in [(3, "3"), (4, "4")] {
        let row = format!("('{day}', 'p{day}@example.org', 1.0, 'EUR', '2026-01-0{day}T00:00:00Z')");
        place.land(&format!("orders/{day}.parquet"), &place.parquet(&orders(&[&row])));
        client.ask_until("SELECT count(*) FROM customers", customers);
    }
    drop(client);
    server.signal("INT");
    let told = server.end().exits(0).stderr;
    assert_eq!(told.matches("break.parquet").count(), 1, "{told}");
    assert!(!told.contains("\nbreak"), "{told}");
}

#[test]
fn a_run_that_serves_no_file_of_a_source_does_not_end_as_done() {
    let place = Place::new();
    place.land("orders/a.parquet", b"id,amount\n1,10\n");
    let nothing = "error: no file of source \"shop\" can be served";
    place.run(&["check"]).exits(1).says(&[nothing]);
    let told = place.run(&["unify"]).exits(1);
    told.says(&["quarantined: orders/a.parquet of shop: ", nothing]);
    // Beside a file that is served, one that is not is told and no more.
    let bytes = place.parquet(&orders(&[ANN]));
    place.land("orders/b.parquet", &bytes);
    let told = place
        .run(&["unify"])
        .exits(0)
        .says(&["quarantined: orders/a.parquet of shop: "]);
    assert!(!told.stderr.contains("error"), "{}", told.stderr);
}
