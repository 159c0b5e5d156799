//! The first hour: files that are called as plainly as can be, the commands of the README over them, and the demo.

use std::fs;
use std::process::Command;

use crate::support::{CONFIG, Client, Place, Running, Told};

const README: &str = include_str!("../../../../README.md");

/// Files of a small business: persons, contracts, clicks in milliseconds, sales in two currencies.
const PEOPLE: &str = "SELECT * FROM (VALUES ('p1', 'ann@example.org', 'Ann', TIMESTAMPTZ '2026-01-01 00:00:00Z'), \
     ('p2', 'bob@example.org', 'Bob', TIMESTAMPTZ '2026-01-02 00:00:00Z')) AS t (id, email, name, created_at)";
const CLICKS: &str =
    "SELECT * FROM (VALUES ('ann@example.org', 'click', 1767225600123::bigint)) AS t (email, event, ts)";
const PLANS: &str = "SELECT email, plan, monthly_price::float8 AS monthly_price, status, start_date FROM (VALUES \
     ('ann@example.org', 'pro', 20.0, 'active', DATE '2026-02-01')) AS t (email, plan, monthly_price, status, start_date)";
const SALES: &str = "SELECT order_id, email, amount::float8 AS amount, currency, ordered_at FROM (VALUES \
     ('o1', 'ann@example.org', 10.0, 'eur', TIMESTAMPTZ '2026-01-05 00:00:00Z')) \
     AS t (order_id, email, amount, currency, ordered_at)";

/// The commands of the README for files of one's own, without `perennial` and without what follows a `#`.
fn commands() -> Vec<String> {
    let block = README
        .split("```sh\n")
        .find(|block| block.starts_with("perennial init"))
        .unwrap();
    let block = block.split("```").next().unwrap();
    let command = |line: &str| line.split(" #").next().unwrap().trim().to_owned();
    block.lines().map(command).collect()
}

#[test]
fn the_commands_of_the_readme_lead_from_files_to_answers() {
    let place = Place::new();
    fs::remove_file(place.path("perennial.toml")).unwrap();
    for (path, sql) in [
        ("people/1.parquet", PEOPLE),
        ("clicks/1.parquet", CLICKS),
        ("plans/1.parquet", PLANS),
        ("orders/1.parquet", SALES),
    ] {
        let bytes = place.parquet(sql);
        place.land(path, &bytes);
    }
    let commands = commands();
    assert_eq!(commands.len(), 5, "{commands:?}");
    let mut answer = String::new();
    for command in commands {
        let arguments = command.replacen("perennial", "\"$0\"", 1);
        if command.starts_with("perennial serve") {
            place.run(&["serve", "--help"]).exits(0);
            continue;
        }
        let told = Told::by(place.script(&arguments)).exits(0);
        if command.starts_with("perennial query") {
            answer = told.stdout;
        }
    }
    assert!(
        answer.contains("(1 row)") || answer.contains("(2 rows)"),
        "{answer}"
    );

    assert_eq!(
        place.answers("SELECT full_name, email, mrr, orders FROM customer_360 ORDER BY 1"),
        ["Ann,ann@example.org,20.0000,1", "Bob,bob@example.org,,0"]
    );
    // No millisecond is lost, and a currency is written as ISO 4217 has it.
    assert_eq!(
        place.answers("SELECT date_part('milliseconds', time)::int FROM events"),
        ["123"]
    );
    assert_eq!(place.answers("SELECT currency FROM orders"), ["EUR"]);
}

/// As folders are called on a Mac, where an é is an e and its accent, and in Thailand.
#[test]
fn init_takes_a_folder_whose_name_has_marks_of_their_own() {
    let place = Place::new();
    let bytes = place.parquet("SELECT * FROM (VALUES ('o1', 'ann@example.org', 10.0, TIMESTAMPTZ '2026-01-05 00:00:00Z')) AS t (order_id, email, amount, ordered_at)");
    for (number, name) in ["kunde\u{301}n", "ข้อมูล"].into_iter().enumerate() {
        let folder = place.path(name).join("orders");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.parquet"), &bytes).unwrap();
        let out = format!("{number}.toml");
        place.run(&["init", &format!("./{name}"), "--out", &out]).exits(0);
        place.run(&["check", "--config", &out]).exits(0);
        let text = fs::read_to_string(place.path(&out)).unwrap();
        assert!(text.contains(&format!("url = \"./{name}\"")), "{text}");
    }
}

#[test]
fn init_says_what_it_is_not_sure_of() {
    let place = Place::new();
    let old = "SELECT order_id, email, amount::float8 AS amount, ordered_at FROM (VALUES \
         ('o1', 'ann@example.org', 10.0, TIMESTAMPTZ '2019-01-05 00:00:00Z'), \
         ('o2', 'bob@example.org', 10.0, TIMESTAMPTZ '2019-03-01 00:00:00Z')) AS t (order_id, email, amount, ordered_at)";
    let items = "SELECT * FROM (VALUES ('o1', 'beans', 2::bigint, 5.0::float8)) AS t (order_id, sku, qty, unit_price)";
    let opens = "SELECT * FROM (VALUES ('ann@example.org', 'spring')) AS t (email, mailing)";
    for (path, sql) in [
        ("shop/2019_orders.parquet", old),
        ("shop/2019_items.parquet", items),
        ("opens/1.parquet", opens),
    ] {
        let bytes = place.parquet(sql);
        place.land(path, &bytes);
    }
    place.run(&["init", "./lake", "--out", "new.toml"]).exits(0).says(&[
        "note: shop: \"shop/2019_items.parquet\" and \"shop/2019_orders.parquet\" have few columns in common",
        "give each kind of file a folder of its own",
        "note: opens is served as a table, and joins no customer, although \"email\" points to persons",
    ]);
    let text = fs::read_to_string(place.path("new.toml")).unwrap();
    assert!(text.matches("have few columns in common").count() == 2, "{text}");

    // Without the other kind of files the newest order is known, and it is old.
    fs::remove_file(place.path("lake/shop/2019_items.parquet")).unwrap();
    place
        .run(&["init", "./lake", "--out", "old.toml"])
        .exits(0)
        .says(&["note: Nothing has happened since 2019-03-01: by the clock every customer has lapsed"]);
    let text = fs::read_to_string(place.path("old.toml")).unwrap();
    assert!(text.contains("# as_of = \"2019-03-02T00:00:00Z\"\n"), "{text}");
    assert!(!text.contains("have few columns in common"), "{text}");
    // With the comment taken away the run describes that day: who bought the day before has not lapsed.
    place.write("old.toml", &text.replace("# as_of", "as_of"));
    place.run(&["unify", "--config", "old.toml"]).exits(0);
    let told = place
        .run(&[
            "query",
            "--config",
            "old.toml",
            "--format",
            "csv",
            "SELECT recency_days FROM customer_360 ORDER BY 1",
        ])
        .exits(0);
    assert_eq!(told.stdout.lines().nth(1), Some("1.0"), "{}", told.stdout);
}

#[test]
fn files_of_two_kinds_in_one_folder_are_two_sources_where_their_names_tell_them_apart() {
    let place = Place::new();
    let orders = |id: &str| {
        format!(
            "SELECT '{id}' AS order_id, 'ann@example.org' AS email, 10.0::float8 AS amount, TIMESTAMPTZ '2026-01-05 00:00:00Z' AS ordered_at"
        )
    };
    let items = "SELECT * FROM (VALUES ('o1', 'beans', 2::bigint, 5.0::float8)) AS t (order_id, sku, qty, unit_price)";
    for (path, sql) in [
        ("shop/orders_2025.parquet", orders("o1").as_str()),
        ("shop/orders_2026.parquet", orders("o2").as_str()),
        ("shop/items_2026.parquet", items),
    ] {
        let bytes = place.parquet(sql);
        place.land(path, &bytes);
    }
    fs::remove_file(place.path("perennial.toml")).unwrap();
    let told = place.run(&["init", "./lake"]).exits(0).says(&[
        "shop/items_*.parquet: items (order_item)",
        "shop/orders_*.parquet: orders (order)",
    ]);
    assert!(!told.stderr.contains("few columns in common"), "{}", told.stderr);
    place.run(&["check"]).exits(0);
    place.run(&["unify"]).exits(0);
    assert_eq!(
        place.answers("SELECT order_id, amount FROM orders ORDER BY 1"),
        ["o1,10.0000", "o2,10.0000"]
    );
    assert_eq!(
        place.answers("SELECT order_id, quantity FROM order_items"),
        ["o1,2.0"]
    );
}

#[test]
fn a_query_before_the_first_run_is_an_error_and_no_empty_answer() {
    let place = Place::new();
    let bytes = place.parquet(&crate::support::orders(&[crate::support::ANN]));
    place.land("orders/a.parquet", &bytes);
    let note = "nothing has been unified yet";
    for sql in [
        "SELECT * FROM customers",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM public.orders)",
        "SELECT * FROM cohort_retention('month')",
    ] {
        let told = place.run(&["query", sql]).exits(1);
        let told = told.says(&[note, "`perennial unify`", "\"./lake\""]);
        assert_eq!(told.stdout, "", "{sql}");
    }
    // What does not come from a run is there before it.
    for sql in [
        "SELECT 1",
        "SELECT count(*) FROM perennial.functions",
        "WITH RECURSIVE orders AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM orders WHERE n < 3) SELECT * FROM orders",
        "SELECT count(*) FROM pg_catalog.pg_class",
    ] {
        place.run(&["query", sql]).exits(0).says(&[note]);
    }
    place.run(&["unify"]).exits(0);
    let told = place.run(&["query", "SELECT * FROM customers"]).exits(0);
    assert!(!told.stderr.contains(note), "{}", told.stderr);
}

#[test]
fn a_demo_that_is_there_says_what_it_is() {
    let place = Place::new();
    let demo = |customers: &str| {
        let arguments = [
            "demo",
            "--no-serve",
            "--dir",
            "demo",
            "--customers",
            customers,
            "--seed",
            "3",
        ];
        place.run(&arguments).exits(0)
    };
    demo("40").says(&["making 40 people"]);
    demo("5000")
        .says(&["using the demo of 40 people with seed 3 in demo; remove the folder for another one"]);
}

#[test]
fn a_demo_stays_away_from_a_lake_that_it_has_not_made() {
    let place = Place::unified();
    let written = place.written();
    let demo = ["demo", "--no-serve", "--customers", "40", "--dir"];
    place.run(&[&demo[..], &["."]].concat()).exits(1).says(&[
        "error: \"./perennial.toml\" is not of a demo",
        "hint: Choose another folder with --dir; `perennial serve --config ./perennial.toml` serves this one.",
    ]);
    assert_eq!(fs::read_to_string(place.path("perennial.toml")).unwrap(), CONFIG);
    // Nor does it settle beside files that it has not made, as it says later to remove its folder.
    let told = place.run(&[&demo[..], &["lake"]].concat());
    told.exits(1).says(&[
        "error: the folder \"lake\" is not empty, and what it has is no demo",
        "hint: Choose another folder with --dir",
    ]);
    assert!(!place.path("lake/perennial.toml").exists());
    assert_eq!(place.written(), written);
}

/// What psql answers to a query of the demo, a line of values between bars for each row. The README asks for psql, so
/// a machine without it fails.
fn psql(connect: &str, query: &str) -> Vec<Vec<String>> {
    let mut psql = Command::new("psql");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            psql.env_remove(name);
        }
    }
    psql.args(connect.split_whitespace())
        .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query]);
    let output = psql.output().expect("psql, which the README asks for");
    let told = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success() && told.1.is_empty(), "{query}\n{told:?}");
    let values = |line: &str| line.split('|').map(str::to_owned).collect();
    told.0.lines().map(values).collect()
}

#[test]
fn the_demo_serves_the_queries_that_it_prints_until_it_is_told_to_end() {
    let place = Place::new();
    let arguments = [
        "demo",
        "--dir",
        "demo",
        "--customers",
        "200",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut demo = Running::start(place.command(&arguments));
    let mut files = demo.line("");
    while !files.contains(" files, ") {
        files = demo.line("");
    }
    let connect = demo.line("  psql ");
    demo.line("and try");
    let queries = [(); 3].map(|()| format!("SELECT {}", demo.line("  SELECT ")));
    demo.line("Ctrl-C ends it.");
    for query in &queries {
        assert!(
            README.contains(query.as_str()),
            "the README has another query than {query}"
        );
    }

    let [stages, cohorts, channels] = queries.map(|query| psql(&connect, &query));
    let number = |text: &String| text.parse::<f64>().unwrap();
    // Everybody is in one stage: at least the people that were asked for, but for those who are one customer or unseen.
    let people: f64 = stages.iter().map(|row| number(&row[1])).sum();
    assert!(stages.len() > 3 && people > 150.0, "{stages:?}");
    let descending = stages
        .windows(2)
        .all(|pair| number(&pair[0][1]) >= number(&pair[1][1]));
    assert!(descending, "{stages:?}");
    // By definition everybody is there in the period of the first order.
    assert_eq!(cohorts.len(), 20);
    assert!(
        cohorts.iter().any(|row| row.iter().any(|value| value == "1")),
        "{cohorts:?}"
    );
    assert!(!channels.is_empty());
    for row in &channels {
        assert!((-100.0..=100.0).contains(&number(&row[1])), "{row:?}");
    }

    // What was made is what was read.
    let read = place.run(&[
        "query",
        "--config",
        "demo/perennial.toml",
        "--format",
        "csv",
        "SELECT files_read || ' files, ' || rows_read || ' rows' FROM perennial.runs",
    ]);
    let read = read.exits(0).stdout;
    let read = read.lines().nth(1).unwrap().trim_matches('"');
    assert!(files.starts_with(read), "{files}, and {read} were read");

    demo.signal("INT");
    demo.line("stopping: ");
    demo.end().exits(0).says(&["stopped"]);
}

#[test]
fn a_server_on_files_that_nobody_has_unified_begins_at_once_and_says_so() {
    let place = Place::new();
    let bytes = place.parquet(&crate::support::orders(&[crate::support::ANN]));
    place.land("orders/a.parquet", &bytes);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    // It does not look for files by itself.
    let mut server = Running::start(place.command(&serve));
    server.line("serving on ");
    server.line("warning: nothing has been unified yet, and lake.refresh is \"off\"");
    server.signal("INT");
    server.end().exits(0);
    place.write(
        "perennial.toml",
        &CONFIG.replace("refresh = \"off\"", "refresh = \"1h\""),
    );
    let mut server = Running::start(place.command(&serve));
    let address = server.line("serving on ");
    server.line("nothing has been unified yet: ");
    Client::connect(&address).ask_until("SELECT count(*) FROM customers", "1");
}

/// What a snapshot does not describe it does not explain.
#[test]
fn a_moment_after_the_snapshot_is_wrong_input_of_explain() {
    let place = Place::unified();
    let id = place.answers("SELECT min(customer_id) FROM customers").concat();
    let explain = |at: &str| place.run(&["lifecycle", "explain", &id, "--at", at]);
    explain("9999-01-01").exits(1).says(&[
        "error: 9999-01-01 00:00:00+00 is after ",
        ", the moment that the snapshot describes",
        "hint: Ask for that moment or an earlier one",
    ]);
    place.run(&["lifecycle", "explain", &id]).exits(0);
}

/// Rules of which the snapshot does not know yet are told as such.
#[test]
fn explain_says_where_the_snapshot_is_of_another_configuration() {
    let place = Place::unified();
    let id = place.answers("SELECT min(customer_id) FROM customers").concat();
    let configure = |lifecycle: &str| {
        place.write(
            "perennial.toml",
            &CONFIG.replace("[server]", &format!("{lifecycle}\n[server]")),
        );
    };
    let explain = || place.run(&["lifecycle", "explain", &id]);
    configure("[[lifecycle.stage]]\nname = \"buyer\"\norders = 1\n[[lifecycle.stage]]\nname = \"rest\"");
    let told = explain().exits(0).stdout;
    let note = "  note: these rules give buyer: the configuration has changed since the snapshot was made, and `perennial unify` applies it";
    assert!(
        told.contains("stage    at_risk since") && told.contains(note),
        "{told}"
    );

    configure("[lifecycle]\nactive = { gap_multiple = 2.0, min = \"5 days\", max = \"80 days\" }");
    explain().exits(1).says(&[
        "error: the snapshot does not have the population's median gaps, which windows that adapt follow",
        "hint: `perennial unify` makes one that does.",
    ]);
    place.run(&["unify"]).exits(0);
    let told = explain().exits(0).stdout;
    assert!(
        told.contains("note: the active window is 80.00 days here: its max"),
        "{told}"
    );
}
