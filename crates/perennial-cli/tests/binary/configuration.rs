//! What `check`, `unify` and `init` say of a configuration that is not what it should be.

use std::fs;

use crate::support::{ANN, BOB, BOTH, CONFIG, CUSTOMERS, Client, Place, Running, Told, orders};

/// The configuration with something else instead of what it has.
fn with(text: &str, instead: &str) -> String {
    assert_eq!(CONFIG.matches(text).count(), 1, "{text}");
    CONFIG.replace(text, instead)
}

#[test]
fn an_expression_that_is_none_is_named_as_it_was_written() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    let key = "hint: A key of several columns is one text: a || '/' || b.";
    for (text, instead, parts) in [
        (
            "record_key = \"id\"",
            "record_key = \"id, email\"",
            [
                "error: bad.toml:12:14: record_key of source \"shop\": \"id, email\" is not one SQL expression",
                key,
            ],
        ),
        (
            "record_key = \"id\"",
            "record_key = \"row(id, email)\"",
            [
                "error: bad.toml:12:14: record_key of source \"shop\": a value of type record cannot become text",
                key,
            ],
        ),
        (
            "amount = \"amount\"",
            "amount = \"amount +\"",
            [
                "error: bad.toml:15:22: columns.amount of source \"shop\": \"amount +\" ends too early",
                "hint: Complete the expression.",
            ],
        ),
        (
            "amount = \"amount\"",
            "amount = \"row(amount, id)\"",
            [
                "error: bad.toml:15:22: columns.amount of source \"shop\": a value of type record cannot become numeric",
                "hint: Write an expression of one value of that type.",
            ],
        ),
        (
            "status = \"state\"",
            "status = \"at < 3\"",
            [
                "error: bad.toml:15:41: columns.status of source \"shop\": ",
                "timestamp with time zone",
            ],
        ),
        (
            "time = \"at\"",
            "time = \"at\"\nwhere = \"amount\"",
            [
                "error: bad.toml:14:9: where of source \"shop\": a value of type double precision is no condition",
                "hint: Write what has to be true of a row, such as amount IS NOT NULL.",
            ],
        ),
    ] {
        place.write("bad.toml", &with(text, instead));
        let told = place
            .run(&["check", "--config", "bad.toml"])
            .exits(1)
            .says(&parts);
        for arrow in ["Utf8", "Float64", "Struct", "Timestamp", "Decimal"] {
            assert!(!told.stderr.contains(arrow), "{}", told.stderr);
        }
    }
}

#[test]
fn a_key_of_two_columns_is_written_as_the_reference_says() {
    let place = Place::new();
    // Number 1 is of two shops, and one row has no shop.
    let rows = "SELECT id, shop, 'ann@example.org' AS email, amount::float8 AS amount, 'paid' AS state, 'EUR' AS currency, \
         at::timestamptz AS at FROM (VALUES (1, 'a', 10, '2026-01-01T00:00:00Z'), (1, 'b', 20, '2026-01-02T00:00:00Z'), \
         (1, 'b', 30, '2026-01-03T00:00:00Z'), (2, NULL, 40, '2026-01-04T00:00:00Z')) AS t (id, shop, amount, at)";
    place.land("orders/a.parquet", &place.parquet(rows));
    let orders = "SELECT order_id, amount FROM orders ORDER BY 1";
    let both = "record_key = \"id || '/' || shop\"\nmax_bad_rows = 0.5";
    place.write("perennial.toml", &with("record_key = \"id\"", both));
    place.run(&["unify"]).exits(0);
    // Of 1/b the newer version counts; the row without a shop has no key.
    assert_eq!(place.answers(orders), ["1/a,10.0000", "1/b,30.0000"]);
    let rejected = "SELECT rejections FROM perennial.files";
    assert_eq!(
        place.answers(rejected),
        ["\"{\"\"record_key is NULL or empty\"\":1}\""]
    );
    let absent = "record_key = \"id || '/' || coalesce(shop, '')\"";
    place.write("perennial.toml", &with("record_key = \"id\"", absent));
    place.run(&["unify"]).exits(0);
    assert_eq!(
        place.answers(orders),
        ["1/a,10.0000", "1/b,30.0000", "2/,40.0000"]
    );
}

#[test]
fn check_tells_of_a_key_of_few_values_whatever_the_number_of_rows() {
    let place = Place::new();
    // More rows than are compared with each other, all of two "keys", which a sample of keys may well leave out.
    let rows = "SELECT CASE WHEN i % 2 = 0 THEN 'ch' ELSE 'fr' END AS id, 'p' || (i % 1000) || '@example.org' AS email, \
         i::float8 AS amount, 'paid' AS state, 'EUR' AS currency, timestamptz '2026-01-01 00:00:00Z' AS at \
         FROM generate_series(1, 1000001) AS t (i)";
    place.land("orders/a.parquet", &place.parquet(rows));
    place.run(&["check"]).exits(0).says(&[
        "warning: record_key = id of shop may be no key: rows with one value of it differ (1000001 of 1000001 rows, 2 values such as ",
    ]);
}

#[test]
fn check_tells_of_identifiers_that_the_list_or_a_source_alone_names() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    place.run(&["check"]).exits(0);
    let list = "[[identity.identifier]]\ntype = \"loyalty_card\"\n[server]";
    place.write("list.toml", &with("[server]", list));
    place.run(&["check", "--config", "list.toml"]).exits(0).says(&[
        "warning: list.toml:17:8: no source maps the identifier \"loyalty_card\": add it to the identifiers of a source, or take it out",
        "warning: list.toml:14:25: identifier \"email\" of source \"shop\" is not listed in [[identity.identifier]], so that it has no limits and comes behind those that are: list it to say how strong it is",
    ]);
    // Nearly the same name is a slip on either side.
    place.write(
        "slip.toml",
        &with("[server]", &list.replace("loyalty_card", "emial")),
    );
    place.run(&["unify", "--config", "slip.toml"]).exits(1).says(&[
        "error: slip.toml:14:25: unknown identifier \"email\" in [[source]] \"shop\"",
        "hint: did you mean \"emial\" of [[identity.identifier]] in line 17? If \"email\" is another one, list it there, too",
    ]);
}

#[test]
fn a_stage_that_nobody_can_be_in_is_named_with_line_and_column() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    let stages = "[[lifecycle.stage]]\nname = \"buyer\"\norders = { at_least = 1 }\n[[lifecycle.stage]]\nname = \"loyal\"\n\
                  orders = { at_least = 4 }\n[[lifecycle.stage]]\nname = \"rest\"\n[server]";
    place.write("bad.toml", &with("[server]", stages));
    for command in ["check", "unify"] {
        place.run(&[command, "--config", "bad.toml"]).exits(1).says(&[
            "error: bad.toml:19:1: lifecycle stage \"loyal\" is never reached: stage \"buyer\" in line 16 takes all its customers first",
        ]);
    }
}

#[test]
fn a_path_that_is_none_is_named_with_line_and_column() {
    let place = Place::new();
    for (path, why) in [
        ("orders//a/", "an empty segment"),
        ("orders/[a", "invalid range pattern"),
    ] {
        place.write("bad.toml", &with("\"orders/\"", &format!("\"{path}\"")));
        for command in ["check", "unify"] {
            let said = format!("error: bad.toml:11:8: path of source \"shop\": invalid path \"{path}\": ");
            place
                .run(&[command, "--config", "bad.toml"])
                .exits(1)
                .says(&[&said, why]);
        }
    }
}

#[test]
fn a_date_is_a_moment_of_the_present() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    let berlin = "as_of = \"2026-07-01\"\nzone = \"Europe/Berlin\"";
    let as_of = "as_of = \"2026-04-01T00:00:00Z\"";
    // In summer clocks in Berlin are two hours ahead.
    for (instead, moment) in [
        ("as_of = \"2026-04-01\"", "2026-04-01T00:00:00Z"),
        (berlin, "2026-06-30T22:00:00Z"),
    ] {
        place.write("perennial.toml", &with(as_of, instead));
        place.run(&["unify"]).exits(0);
        let sql = "SELECT DISTINCT as_of_at FROM customer_360";
        assert_eq!(place.answers(sql), [moment], "{instead}");
    }
    place.write("bad.toml", &with(as_of, "as_of = \"2026-13-01\""));
    place.run(&["check", "--config", "bad.toml"]).exits(1).says(&[
        "bad.toml:7:9: \"as_of\" in [time] is not a time",
        "hint: write an RFC 3339 time, such as \"2026-07-01T00:00:00Z\", or a date such as \"2026-07-01\"",
    ]);
}

#[test]
fn a_run_tells_whether_it_was_full_and_what_it_reads_no_more() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN])));
    place
        .run(&["unify"])
        .exits(0)
        .says(&["snapshot 1: 1 customer from 1 row of 1 file\n"]);
    place.land("orders/b.parquet", &place.parquet(&orders(&[BOB])));
    place
        .run(&["unify"])
        .exits(0)
        .says(&["snapshot 2: 2 customers from 1 row of 1 file\n"]);
    fs::remove_file(place.path("lake/orders/b.parquet")).unwrap();
    place.run(&["unify"]).exits(0).says(&[
        "snapshot 3: 1 customer, by what was read before (1 file read no more)\n",
        "1 file of source \"shop\" has left the lake: 1 row is served no more\n",
    ]);
    assert_eq!(
        place.answers("SELECT scope, why_full FROM perennial.runs ORDER BY snapshot"),
        ["full,it is the first run", "increment,", "increment,"]
    );
    fs::remove_file(place.path("lake/orders/a.parquet")).unwrap();
    place.run(&["unify"]).exits(0).says(&[
        "snapshot 4: 0 customers, as there are no files to read (1 file read no more)\n",
        "1 file of source \"shop\" has left the lake: 1 row is served no more\n",
    ]);
    assert_eq!(
        place.answers("SELECT why_full FROM perennial.runs WHERE snapshot = 4"),
        ["\"source \"\"shop\"\": no file of it is served any more\""]
    );
}

#[test]
fn init_takes_the_file_by_the_name_that_the_other_commands_have_for_it() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    place
        .run(&["init", "./lake", "--config", "mine.toml"])
        .exits(0)
        .says(&["wrote mine.toml"]);
    place.run(&["unify", "--config", "mine.toml"]).exits(0);
    assert!(place.path("mine.toml").exists());
}

#[test]
fn a_relation_of_another_schema_is_named_for_one_that_is_not_there() {
    let place = Place::unified();
    place.run(&["query", "SELECT * FROM shop"]).exits(1).says(&[
        "error: relation \"shop\" does not exist",
        "hint: Perhaps you meant \"raw.shop\".",
    ]);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn a_log_level_that_is_set_and_empty_is_the_default() {
    let place = Place::unified();
    place.run(&["unify", "--full"]).exits(0);
    // A snapshot that nobody asks for cannot be read, and a warning says so.
    place.write("lake/_perennial/snapshots/00000000000000000001.json", "{");
    let warned = |level: Option<&str>| {
        let mut command = place.command(&["query", "SELECT 1"]);
        command.env_remove("PERENNIAL_LOG");
        if let Some(level) = level {
            command.env("PERENNIAL_LOG", level);
        }
        let told = Told::by(command).exits(0);
        told.stderr.contains("an older snapshot cannot be read")
    };
    assert!(!warned(Some("error")) && !warned(Some("off")));
    assert!(!warned(Some("perennial_unify=debug")));
    for level in [
        None,
        Some(""),
        Some("warn"),
        Some("WARN"),
        Some("perennial_engine=warn"),
    ] {
        assert!(warned(level), "{level:?}");
    }
    assert!(warned(Some("error, perennial=warn, datafusion=error")));
}

#[test]
fn a_slip_in_the_filter_of_the_log_does_not_silence_it() {
    let place = Place::unified();
    for (filter, why) in [
        ("wran", "\"wran\" is neither a level nor a part of Perennial"),
        (
            "perennial_unfiy=debug",
            "\"perennial_unfiy\" is neither a level nor a part of Perennial",
        ),
        ("perennial_unify=loud", "error parsing level filter"),
        ("datafusion=debug", "nothing of Perennial would be logged"),
    ] {
        let remedy = "write error, warn, info, debug, trace or off, or a part of Perennial with one of these, such as \
                      perennial_unify=debug, of perennial_engine, perennial_lake, ";
        place
            .run(&["check", "--log", filter])
            .exits(2)
            .says(&[why, remedy, "--log"]);
        let mut command = place.command(&["check"]);
        command.env("PERENNIAL_LOG", filter);
        Told::by(command).exits(2).says(&[why]);
    }
}

#[test]
fn a_word_that_can_say_nothing_is_told() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    let words = "SELECT a, b, c, d, 'same' AS verdict, TIMESTAMPTZ '2026-02-01 00:00:00Z' AS at FROM (VALUES \
                 ('shop', '1', 'shop', '1'), ('shpo', '1', 'shop', '2'), ('shop', '1', 'shop', '9')) AS t (a, b, c, d)";
    place.land("desk/a.parquet", &place.parquet(words));
    let desk = "[[source]]\nname = \"desk\"\nkind = \"identity_override\"\npath = \"desk/\"\ntime = \"at\"\n\
                columns = { source_a = \"a\", record_a = \"b\", source_b = \"c\", record_b = \"d\", verdict = \"verdict\" }\n[server]";
    place.write("perennial.toml", &with("[server]", desk));
    place.run(&["check"]).exits(0).says(&[
        "warning: desk/a.parquet of desk speaks of records of source \"shpo\", which does not exist: did you mean \"shop\"?",
    ]);
    place.run(&["unify"]).exits(0);
    assert_eq!(
        place.answers("SELECT source_a, record_b, state FROM perennial.identity_overrides ORDER BY record_b"),
        [
            "shop,1,one record",
            "shpo,2,unknown source",
            "shop,9,unknown record"
        ]
    );
}

#[test]
fn what_is_doubtful_is_said_by_check_and_by_whatever_works_with_it() {
    let place = Place::new();
    // By the address, two orders of Ann at one time are versions of one, and nothing tells the newer.
    let again = "('3', 'ann@example.org', 30.0, 'EUR', '2026-01-03T00:00:00Z')";
    let rows = [
        ANN,
        BOB,
        again,
        "('4', 'max@example.org', 1.0, 'EUR', '2026-01-04T00:00:00Z')",
    ];
    place.land("orders/a.parquet", &place.parquet(&orders(&rows)));
    let segment = "[[segment]]\nname = \"fans\"\nwhere = \"lifecycle_stage = 'loyalti'\"\n[server]";
    let config = with("[server]", segment).replace("record_key = \"id\"", "record_key = \"email\"");
    place.write("perennial.toml", &config);
    let doubts = [
        "warning: perennial.toml:18:9: segment \"fans\" asks for the stage \"loyalti\", which the lifecycle does not have: did you mean \"loyalty\"?",
        "warning: record_key = email of shop may be no key: rows with one value of it differ (2 of 4 rows, 1 value such as \"ann@example.org\")",
    ];
    for command in ["check", "unify"] {
        place.run(&[command]).exits(0).says(&doubts);
    }
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving on ");
    for doubt in doubts {
        server.line(doubt);
    }
    server.signal("INT");
    server.end().exits(0);
}

/// Stages that overlap, and a preset that they replace; a stage that asks for a fact which is not there is no stage.
#[test]
fn a_list_of_stages_that_was_probably_not_meant_is_told() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    let stages = "[lifecycle]\npreset = \"classic\"\n\
                  [[lifecycle.stage]]\nname = \"some\"\norders = { at_least = 1, at_most = 5 }\n\
                  [[lifecycle.stage]]\nname = \"more\"\norders = { at_least = 4, at_most = 9 }\n\
                  [[lifecycle.stage]]\nname = \"rest\"\n[server]";
    place.write("perennial.toml", &with("[server]", stages));
    for command in ["check", "unify"] {
        place.run(&[command]).exits(0).says(&[
            "warning: perennial.toml:17:10: preset = \"classic\" has no effect, as [[lifecycle.stage]] replaces its stages: take out one of the two",
            "warning: perennial.toml:21:1: lifecycle stage \"more\" overlaps with \"some\" in line 18: customers with orders ≥ 4 and ≤ 5 are in \"some\", which comes first; let one range end where the other begins if that is not meant",
        ]);
    }
    let ended = stages.replace("orders = { at_least = 1, at_most = 5 }", "closed = true");
    place.write("perennial.toml", &with("[server]", &ended));
    for command in ["check", "unify"] {
        place.run(&[command]).exits(1).says(&[
            "error: perennial.toml:18:1: no customer can ever be in lifecycle stage \"some\": closed = true never holds without the fact \"closing\", which [lifecycle.facts] does not have",
            "hint: Add it, as in closing = \"events where name = '…'\", or take the stage out.",
        ]);
    }
}

#[test]
fn a_segment_that_cannot_be_is_found_before_files_are_read() {
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    let segment = "[[segment]]\nname = \"some\"\nwhere = \"net_revnue > 5\"\n[server]";
    place.write("bad.toml", &with("[server]", segment));
    let told = place.run(&["unify", "--config", "bad.toml"]).exits(1);
    let told = told.says(&["error: bad.toml:18:9: segment \"some\": column \"net_revnue\" does not exist"]);
    assert!(!told.stderr.contains("read files"), "{}", told.stderr);
    place.run(&["unify"]).exits(0).says(&["read files"]);
}

#[test]
fn what_is_wrong_with_the_form_is_said_as_everything_else() {
    let place = Place::new();
    place.write(
        "key.toml",
        &with("record_key = \"id\"", "record_key = [\"id\", \"email\"]"),
    );
    let told = place.run(&["check", "--config", "key.toml"]).exits(1);
    assert_eq!(
        told.stderr,
        "error: key.toml:12:14: \"record_key\" in [[source]] \"shop\" must be a text with a SQL expression, not a list\n\
         hint: a key of several columns is one text: record_key = \"id || '/' || email\"\n"
    );
    for (given, port) in [
        ("5714", "5714"),
        ("localhost:5714", "5714"),
        ("everywhere", "5433"),
    ] {
        let form = format!("write an address and a port, such as 127.0.0.1:{port}");
        place.run(&["serve", "--listen", given]).exits(2).says(&[&form]);
    }
}

#[test]
fn a_server_that_refuses_a_configuration_says_when_it_reads_another() {
    let place = Place::unified();
    let followed = with("refresh = \"off\"", "refresh = \"100ms\"");
    place.write("perennial.toml", &followed.replace("\"orders/\"", "\"ordres/\""));
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let mut server = Running::start(place.command(&serve));
    let told = server.hears("run failed; what is served stays as it is");
    for part in [
        "perennial.toml:11:8",
        "Did you mean \\\"orders/\\\"?",
        "Start the server again after a change of the configuration: it reads the file when it starts.",
    ] {
        assert!(told.contains(part), "it lacks {part:?}: {told}");
    }
    drop(server);
    // So it is.
    place.write("perennial.toml", &followed);
    place.land(
        "orders/c.parquet",
        &place.parquet(&orders(&[
            "('3', 'cy@example.org', 1.0, 'EUR', '2026-01-03T00:00:00Z')",
        ])),
    );
    let mut server = Running::start(place.command(&serve));
    let mut client = Client::connect(&server.line("serving on "));
    client.ask_until("SELECT count(*) FROM customers", "3");
}

#[test]
fn what_is_doubtful_is_told_again_while_nothing_is_new() {
    let place = Place::new();
    let dollars = "('2', 'bob@example.org', 20.5, 'USD', '2026-01-02T00:00:00Z')";
    place.land(
        "orders/a.parquet",
        &place.parquet(&orders(&[ANN, dollars, dollars])),
    );
    place.land(
        "orders/b.parquet",
        &place.parquet(&orders(&[
            "('2', 'cy@example.org', 1.0, 'USD', '2026-01-09T00:00:00Z')",
        ])),
    );
    place.write("perennial.toml", &with("record_key = \"id\"\n", ""));
    let rate = "3 amounts in USD, the first of 2026-01-02, have no exchange rate of the day or before and stay NULL, as is the revenue of 2 customers: land rates in a source of kind fx_rate";
    let first = place.run(&["unify"]).exits(0).says(&["snapshot 1: ", rate]);
    assert_eq!(first.stderr.matches(rate).count(), 1, "{}", first.stderr);
    place.run(&["unify"]).exits(0).says(&["nothing is new", rate]);
    // What another file adds does not hide what there was before.
    place.land("orders/c.parquet", &place.parquet(&orders(&[BOB])));
    place.run(&["unify"]).exits(0).says(&["snapshot 2: ", rate]);
    // A server says it, too, when it has looked.
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.hears(rate);
}

#[test]
fn a_server_tells_of_doubtful_keys_when_it_has_made_the_first_snapshot() {
    let place = Place::new();
    let row = |day: u32| format!("('1', 'p{day}@example.org', 5.0, 'EUR', '2026-01-{day:02}T00:00:00Z')");
    let rows: Vec<String> = (1..=9).map(row).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    place.land("orders/a.parquet", &place.parquet(&orders(&rows)));
    place.write("perennial.toml", &with("refresh = \"off\"", "refresh = \"1s\""));
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.line(
        "warning: record_key = id of shop may be no key: rows with one value of it differ (9 of 9 rows, ",
    );
}

/// The words of the page are landed as it says.
#[test]
fn a_person_s_word_is_landed_as_the_page_shows_it() {
    let place = Place::unified();
    let page = place.run(&["settings"]).exits(0).stdout;
    let between = |start: &str| {
        let (_, behind) = page.split_once(start).unwrap();
        behind.split_once("\n```").unwrap().0.to_owned()
    };
    let source = between("```toml\n");
    place.write(
        "perennial.toml",
        &with("[server]", &format!("{source}\n[server]")),
    );
    let script = between("```sh\n")
        .replace("perennial query", "\"$0\" query")
        .replace("crm", "shop")
        .replace("4711", "1")
        .replace("4712", "2");
    Told::by(place.script(&script)).exits(0);
    place.run(&["check"]).exits(0);
    assert_eq!(place.answers("SELECT count(*) FROM customers"), ["2"]);
    place.run(&["unify"]).exits(0);
    assert_eq!(
        place.answers(
            "SELECT record_a, record_b, verdict, decided_at::date, state FROM perennial.identity_overrides"
        ),
        ["1,2,same,2026-02-01,applied"]
    );
    assert_eq!(place.answers("SELECT count(*) FROM customers"), ["1"]);
}
