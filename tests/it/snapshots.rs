//! Snapshots with readers: what was known then, transactions while old ones go, several processes over one lake.

use std::sync::Arc;

use perennial_testkit::{
    Clock, Fault, Faults, FixedClock, Operation, RunOptions, Setup, TestLake, TestServer,
};

use crate::layout::{CONFIG, orders};
use crate::support::{becomes, code, connect, execute, lines, one, told};
use crate::worlds::land;

const FULL: RunOptions = RunOptions {
    full: true,
    ..RunOptions::SETTLED
};

/// Keeps nothing but the newest snapshot.
fn forgetful() -> String {
    CONFIG.replace(
        "refresh = \"off\"",
        "refresh = \"off\"\nkeep_snapshots = 1\nkeep_for = \"0s\"",
    )
}

fn known(row: usize) -> Option<String> {
    Some(format!("p{row}@example.org"))
}

const KEYS: &str = "SELECT string_agg(order_id, ',' ORDER BY order_id) FROM orders";

/// The data files that are there.
fn data_files(lake: &TestLake) -> Vec<String> {
    lake.names("_perennial/data")
}

#[tokio::test]
async fn a_session_reads_what_was_known_in_the_snapshot_that_it_selects() {
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders(&["a1"], known))]);
    let server = TestServer::start(lake);
    server.lake().land("orders/b.parquet", &orders(&["b1"], known));
    assert_eq!(server.look().await.snapshot, Some(2));
    server.lake().land("orders/c.parquet", &orders(&["c1"], known));
    assert_eq!(server.look().await.snapshot, Some(3));
    let (client, other) = (connect(&server).await, connect(&server).await);
    assert_eq!(one(&client, KEYS).await, "a1,b1,c1");
    let prepared = client.prepare(KEYS).await.unwrap();
    execute(&client, "SET perennial.snapshot = 1").await;
    assert_eq!(one(&client, "SHOW perennial.snapshot").await, "1");
    assert_eq!(one(&client, KEYS).await, "a1");
    // As it landed too, of the files that are there still; and prepared before.
    assert_eq!(one(&client, "SELECT count(*) FROM raw.shop").await, "1");
    assert_eq!(
        one(&client, "SELECT path FROM perennial.files").await,
        "orders/a.parquet"
    );
    let row = client.query_one(&prepared, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "a1");
    execute(&client, "SET perennial.snapshot TO '2'").await;
    assert_eq!(one(&client, KEYS).await, "a1,b1");
    assert_eq!(one(&other, KEYS).await, "a1,b1,c1");

    // In a transaction it moves the statements behind it, and goes with it.
    execute(&client, "BEGIN; SET LOCAL perennial.snapshot = 3").await;
    assert_eq!(one(&client, KEYS).await, "a1,b1,c1");
    execute(&client, "COMMIT").await;
    assert_eq!(one(&client, KEYS).await, "a1,b1");
    execute(&client, "RESET perennial.snapshot").await;
    assert_eq!(one(&client, KEYS).await, "a1,b1,c1");

    let error = client
        .batch_execute("SET perennial.snapshot = 41")
        .await
        .unwrap_err();
    assert_eq!(
        told(&error),
        "42704: snapshot 41 is not kept\nHINT: SELECT snapshot FROM perennial.snapshots lists those that are."
    );
    let error = client
        .batch_execute("SET perennial.snapshot = 'old'")
        .await
        .unwrap_err();
    assert_eq!(code(&error), "22023");
    assert_eq!(one(&client, KEYS).await, "a1,b1,c1");
}

#[tokio::test]
async fn a_session_reads_facts_until_a_moment_of_the_snapshot_that_it_selects() {
    let lake = TestLake::of(
        CONFIG,
        &[("orders/a.parquet", &orders(&["a1", "a2", "a3"], known))],
    );
    let server = TestServer::start(lake);
    server.lake().land("orders/b.parquet", &orders(&["b1"], known));
    assert_eq!(server.look().await.snapshot, Some(2));
    let (client, other) = (connect(&server).await, connect(&server).await);
    let prepared = client.prepare(KEYS).await.unwrap();
    // Orders are a microsecond apart from midnight on; of both files, the first of each.
    execute(&client, "SET perennial.as_of = '2026-01-01'").await;
    assert_eq!(one(&client, "SHOW perennial.as_of").await, "2026-01-01T00:00:00Z");
    assert_eq!(one(&client, KEYS).await, "a1,b1");
    let row = client.query_one(&prepared, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "a1,b1");
    execute(&client, "SET perennial.snapshot = 1").await;
    assert_eq!(one(&client, KEYS).await, "a1");
    execute(&client, "SET TimeZone = 'Europe/Berlin'").await;
    execute(&client, "SET perennial.as_of = '2026-01-01 01:00:00.000001'").await;
    assert_eq!(one(&client, KEYS).await, "a1,a2");
    assert_eq!(
        lines(&client, "SELECT value FROM identities ORDER BY 1").await,
        ["p0@example.org", "p1@example.org"]
    );
    execute(&client, "RESET perennial.snapshot").await;
    assert_eq!(one(&client, KEYS).await, "a1,a2,b1");
    assert_eq!(one(&other, KEYS).await, "a1,a2,a3,b1");
    // As they landed, and what the platform says of itself, have no moment.
    assert_eq!(one(&client, "SELECT count(*) FROM raw.shop").await, "4");

    for relation in [
        "customers",
        "customer_360",
        "trait_lineage",
        "identity_links",
        "segments",
    ] {
        let sql = format!("SELECT count(*) FROM {relation}");
        let error = client.simple_query(&sql).await.unwrap_err();
        assert_eq!(
            told(&error).lines().next().unwrap(),
            format!("0A000: relation \"{relation}\" is not served as of a moment")
        );
        assert!(
            told(&error).contains("HINT: RESET perennial.as_of"),
            "{}",
            told(&error)
        );
    }
    let refused = [
        (
            "'yesterday'",
            "22007: invalid input syntax for type timestamp with time zone: \"yesterday\"\n\
             HINT: Write it as '2026-01-01', '2026-01-01 18:30:00' or '2026-01-01T18:30:00+02:00'.",
        ),
        (
            "'2026-03-02'",
            "22023: perennial.as_of is later than [time] as_of, which the lake describes\n\
             HINT: Give a moment that has been, or '' for the present.",
        ),
    ];
    for (value, expected) in refused {
        let set = format!("SET perennial.as_of = {value}");
        assert_eq!(told(&client.batch_execute(&set).await.unwrap_err()), expected);
    }
    assert_eq!(one(&client, KEYS).await, "a1,a2,b1");
    execute(&client, "SET perennial.as_of = ''").await;
    assert_eq!(one(&client, KEYS).await, "a1,a2,a3,b1");
    assert_eq!(one(&client, "SELECT count(*) FROM customer_360").await, "3");
}

#[tokio::test]
async fn lines_of_later_orders_and_later_spend_are_not_there_at_a_moment() {
    let config = CONFIG.replace(
        "[server]",
        "[[source]]\nname = \"lines\"\nkind = \"order_item\"\npath = \"lines/\"\n\
         columns = { order_id = \"id\", product_id = \"id\", quantity = \"1\", unit_price = \"amount\" }\n\
         [[source]]\nname = \"ads\"\nkind = \"spend\"\npath = \"ads/\"\n\
         columns = { date = \"at::date + (amount * length(id))::int\", channel = \"id\", amount = \"amount\" }\n\
         [server]",
    );
    let lake = TestLake::of(
        &config,
        &[
            ("orders/a.parquet", &orders(&["a1", "a2"], known)),
            ("lines/a.parquet", &orders(&["a1", "a2", "a2", "z9"], known)),
            // Spent one, two and three days after new year.
            ("ads/a.parquet", &orders(&["a", "bb", "ccc"], known)),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let told = "SELECT (SELECT string_agg(order_id, ',') FROM order_items), (SELECT string_agg(channel, ',' ORDER BY 1) FROM spend)";
    assert_eq!(lines(&client, "SELECT count(*) FROM order_items").await, ["4"]);
    execute(&client, "SET perennial.as_of = '2026-01-01'").await;
    assert_eq!(lines(&client, told).await, ["a1|"]);
    execute(&client, "SET perennial.as_of = '2026-01-03'").await;
    assert_eq!(lines(&client, told).await, ["a1,a2,a2|a,bb"]);
}

#[tokio::test]
async fn a_transaction_keeps_its_files_while_old_snapshots_go() {
    let lake = TestLake::of(&forgetful(), &[("orders/a.parquet", &orders(&["a1"], known))]);
    let server = TestServer::start(lake);
    let (reader, idle) = (connect(&server).await, connect(&server).await);
    execute(&reader, "BEGIN").await;
    assert_eq!(one(&reader, KEYS).await, "a1");
    execute(&reader, "DECLARE c CURSOR FOR SELECT order_id FROM orders").await;
    for round in 0..3 {
        let path = format!("orders/b{round}.parquet");
        server.lake().land(&path, &orders(&[&format!("b{round}")], known));
        assert_eq!(server.look().await.snapshot, Some(round + 2));
        assert_eq!(one(&reader, KEYS).await, "a1");
    }
    assert_eq!(
        one(
            &reader,
            "SELECT order_id FROM identities JOIN orders USING (customer_id)"
        )
        .await,
        "a1"
    );
    assert_eq!(lines(&reader, "FETCH ALL FROM c").await, ["a1"]);
    // The first is there for its reader, the newest for everybody; those between went.
    assert_eq!(
        lines(&idle, "SELECT snapshot FROM perennial.snapshots ORDER BY 1").await,
        ["1", "4"]
    );
    let with_reader = data_files(server.lake()).len();
    execute(&reader, "COMMIT").await;
    drop(reader);
    server.lake().land("orders/d.parquet", &orders(&["d1"], known));
    becomes(
        &idle,
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'",
        "0",
    )
    .await;
    assert_eq!(server.look().await.snapshot, Some(5));
    assert_eq!(
        lines(&idle, "SELECT snapshot FROM perennial.snapshots ORDER BY 1").await,
        ["5"]
    );
    let without = data_files(server.lake()).len();
    assert!(without < with_reader, "{without} of {with_reader}");
}

#[tokio::test]
async fn a_reader_in_another_process_is_leased_what_it_reads() {
    let config = forgetful().replace("refresh = \"off\"", "refresh = \"100ms\"");
    let lake = TestLake::of(&config, &[("orders/a.parquet", &orders(&["a1"], known))]);
    // It serves and follows; what it reads is known to others by its lease alone.
    let server = TestServer::start(lake.clone());
    let (reader, watcher) = (connect(&server).await, connect(&server).await);
    execute(&reader, "BEGIN").await;
    assert_eq!(one(&reader, KEYS).await, "a1");
    let leased = async {
        while lake.names("_perennial/leases").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), leased)
        .await
        .unwrap();
    for round in 2..=4 {
        assert_eq!(
            lake.try_run(Setup::default(), FULL).unwrap().snapshot,
            Some(round)
        );
        becomes(
            &watcher,
            "SELECT max(snapshot) FROM perennial.snapshots",
            &round.to_string(),
        )
        .await;
        assert_eq!(
            one(&reader, "SELECT string_agg(value, ',') FROM identities").await,
            "p0@example.org"
        );
    }
    assert!(
        lake.names("_perennial/snapshots")
            .contains(&format!("_perennial/snapshots/{:020}.json", 1))
    );
    // The server ends and gives its lease up: the next run elsewhere removes what it read.
    drop((reader, watcher, server));
    assert_eq!(lake.try_run(Setup::default(), FULL).unwrap().snapshot, Some(5));
    assert_eq!(lake.names("_perennial/snapshots").len(), 1);
    assert!(lake.names("_perennial/leases").is_empty());
}

#[tokio::test]
async fn the_lease_of_a_dead_reader_expires() {
    let lake = TestLake::of(&forgetful(), &[("orders/a.parquet", &orders(&["a1"], known))]);
    lake.unify();
    // A process that died: its lease names snapshot 1 and is not renewed.
    let now = perennial_testkit::SystemClock.now();
    let lease = format!("{{\"snapshots\":[1],\"expires_at\":{}}}", now + 60_000_000);
    lake.land("_perennial/leases/dead.json", lease.as_bytes());
    let at = |after: i64| Setup {
        clock: Some(Arc::new(FixedClock::new(now + after))),
        ..Setup::default()
    };
    lake.try_run(at(1_000_000), FULL).unwrap();
    assert_eq!(lake.names("_perennial/snapshots").len(), 2);
    lake.try_run(at(200_000_000), FULL).unwrap();
    let left = lake.names("_perennial/snapshots");
    assert_eq!(left, [format!("_perennial/snapshots/{:020}.json", 3)]);
}

#[tokio::test]
async fn several_servers_over_one_lake_commit_one_after_the_other_and_agree() {
    let config = CONFIG.replace("refresh = \"off\"", "refresh = \"50ms\"");
    let lake = TestLake::of(&config, &[("orders/a.parquet", &orders(&["a1"], known))]);
    lake.unify();
    let servers: Vec<_> = (0..3).map(|_| TestServer::start(lake.clone())).collect();
    let mut clients = Vec::new();
    for server in &servers {
        clients.push(connect(server).await);
    }
    for round in 0..6 {
        lake.land(
            &format!("orders/b{round}.parquet"),
            &orders(&[&format!("b{round}")], known),
        );
    }
    for client in &clients {
        becomes(client, KEYS, "a1,b0,b1,b2,b3,b4,b5").await;
    }
    // A serial history: numbers without gaps, each made from the one before.
    let newest = one(&clients[0], "SELECT max(snapshot) FROM perennial.snapshots").await;
    for client in &clients {
        becomes(client, "SELECT max(snapshot) FROM perennial.snapshots", &newest).await;
        let history = lines(
            client,
            "SELECT snapshot, parent FROM perennial.snapshots ORDER BY 1",
        )
        .await;
        for (at, line) in history.iter().enumerate() {
            let parent = if at == 0 { String::new() } else { at.to_string() };
            assert_eq!(*line, format!("{}|{parent}", at + 1));
        }
        let files = "SELECT count(*), sum(rows_unified) FROM perennial.files WHERE state = 'live'";
        assert_eq!(one(client, files).await, "7|7");
    }
}

#[tokio::test]
async fn planning_lists_and_opens_nothing() {
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders(&["a1", "a2"], known))]);
    lake.unify();
    let faults = Faults::new();
    let server = TestServer::start_with(lake, Setup::failing(&faults));
    let client = connect(&server).await;
    let asked =
        || [Operation::Any, Operation::Get, Operation::List].map(|operation| faults.requests(operation));
    let before = asked();
    for table in lines(
        &client,
        "SELECT table_schema || '.' || table_name FROM information_schema.tables \
         WHERE table_schema IN ('public', 'raw', 'perennial') ORDER BY 1",
    )
    .await
    {
        lines(&client, &format!("EXPLAIN SELECT * FROM {table}")).await;
        client
            .prepare(&format!("SELECT count(*) FROM {table}"))
            .await
            .unwrap();
    }
    for sql in [
        "EXPLAIN SELECT * FROM customer_360 WHERE customer_id = 'x'",
        "EXPLAIN SELECT count(*) FROM orders JOIN customers USING (customer_id) WHERE amount > 1",
        "EXPLAIN SELECT * FROM cohort_retention('month')",
        "EXPLAIN SELECT * FROM raw.shop WHERE id LIKE 'a%' ORDER BY at DESC LIMIT 3",
    ] {
        assert!(!lines(&client, sql).await.is_empty(), "{sql}");
    }
    assert_eq!(asked(), before);
    assert_eq!(one(&client, KEYS).await, "a1,a2");
    assert!(asked()[1] > before[1]);
}

#[tokio::test]
async fn a_run_is_leased_what_it_builds_on() {
    let lake = TestLake::of(&forgetful(), &[]);
    land(&lake, "orders/a.parquet", &orders(&["a1"], known));
    lake.unify();
    land(&lake, "orders/b.parquet", &orders(&["b1"], known));
    let first = format!("_perennial/snapshots/{:020}.json", 1);
    let base = data_files(&lake);
    // The run stops where it puts its first file behind the lease, once told and once told again: it reads snapshot 1 later.
    let faults = Faults::new();
    faults.nth(Operation::Put, 3, Fault::Hold);
    let slow = std::thread::spawn({
        let (lake, setup) = (lake.clone(), Setup::failing(&faults));
        move || lake.try_run(setup, RunOptions::default())
    });
    faults.held().await;
    for round in 2..=4 {
        assert_eq!(
            lake.try_run(Setup::default(), FULL).unwrap().snapshot,
            Some(round)
        );
    }
    let names = lake.names("_perennial/snapshots");
    assert_eq!(names, [first, format!("_perennial/snapshots/{:020}.json", 4)]);
    let kept = data_files(&lake);
    assert!(
        base.iter().all(|file| kept.contains(file)),
        "{base:?} of {kept:?}"
    );
    faults.let_go();
    // Others were faster; it starts again from theirs, which hold all that it was to add.
    let report = slow.join().unwrap().unwrap();
    assert_eq!((report.snapshot, report.files_new), (None, 0));
    assert_eq!(lake.names("_perennial/leases"), Vec::<String>::new());
    land(&lake, "orders/c.parquet", &orders(&["c1"], known));
    assert_eq!(lake.try_run(Setup::default(), FULL).unwrap().snapshot, Some(5));
    assert_eq!(lake.names("_perennial/snapshots").len(), 1);
}

/// Who asks the server sees that it runs no more, and who runs beside it whose snapshot has the new file.
#[tokio::test]
async fn a_server_says_in_sql_that_it_follows_no_more() {
    let lake = TestLake::of(CONFIG, &[("orders/a.parquet", &orders(&["a1"], known))]);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let told = "SELECT state, error FROM perennial.runs WHERE error IS NOT NULL";
    // Another process with the same configuration is no reason to stop.
    server.lake().land("orders/b.parquet", &orders(&["b1"], known));
    let run = || {
        server
            .lake()
            .try_run(Setup::default(), RunOptions::SETTLED)
            .unwrap()
    };
    assert_eq!(run().snapshot, Some(2));
    let looked = server.look().await;
    assert_eq!((looked.snapshot, looked.overtaken), (None, Some(2)));
    assert_eq!(server.look().await.overtaken, None);
    assert_eq!(lines(&client, told).await, [""; 0]);
    // One with another is.
    server
        .lake()
        .configure(&CONFIG.replace("record_key = \"id\"", "record_key = \"'k' || id\""));
    assert_eq!(run().snapshot, Some(3));
    server.lake().land("orders/c.parquet", &orders(&["c1"], known));
    for _ in 0..2 {
        assert_eq!(server.look().await.snapshot, None);
    }
    assert_eq!(
        lines(&client, told).await,
        [
            "failed|another process has made snapshot 3 with another configuration: this one serves it, and looks for no files until it is restarted"
        ]
    );
    assert_eq!(one(&client, "SELECT count(*) FROM orders").await, "2");
}
