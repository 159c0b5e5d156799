//! `perennial lifecycle explain`: what it marks is the stage that it names.

use perennial_testkit::{TestLake, TestServer};
use tokio_postgres::Client;

use crate::lifecycle::{Row, config, corrected_facts, file, midnight};
use crate::support::{connect, lines, one};

/// Windows from a handful of days to some months, so that many customers are silent and many are not.
const ADAPTIVE: &str = "[lifecycle]\nactive = { gap_multiple = 1.5, min = \"5 days\", max = \"200 days\" }\n\
                        lapse = { gap_multiple = 3.0, min = \"20 days\", max = \"300 days\" }\n[lifecycle.facts]";

fn adaptive(as_of_day: i64) -> String {
    config(as_of_day).replace("[lifecycle.facts]", ADAPTIVE)
}

fn ann(key: &str, at: i64, updated: i64, word: &'static str) -> Row {
    Row(key.into(), "ann@example.org".into(), at, updated, word, 10.0)
}

fn of(config: &str, files: &[(&str, Vec<u8>)]) -> TestServer {
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (*path, bytes.as_slice()))
        .collect();
    TestServer::start(TestLake::of(config, &files))
}

/// What is explained of the customer with an address, line by line.
async fn lines_of(server: &TestServer, client: &Client, email: &str, at: &str) -> Vec<String> {
    let id = one(
        client,
        &format!("SELECT customer_id FROM customers WHERE email = '{email}'"),
    )
    .await;
    server.explained(&id, at).await.unwrap().lines()
}

#[tokio::test]
async fn what_is_marked_is_the_stage_of_the_moment_for_every_customer() {
    let server = of(&adaptive(900), &corrected_facts(16));
    let client = connect(&server).await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for day in [25, 130, 290, 410, 560] {
        let at = midnight(day);
        let sql = format!("SELECT customer_id, stage FROM lifecycle_at('{at}')");
        for told in lines(&client, &sql).await {
            let (id, stage) = told.split_once('|').unwrap();
            let explained = server.explained(id, &at).await.unwrap().lines();
            let held = explained.iter().filter_map(|line| line.strip_prefix("  ✓ "));
            let held: Vec<&str> = held.collect();
            if held != [stage] || !explained[1].starts_with(&format!("stage    {stage} since")) {
                wrong.push(format!("day {day}, {stage}:\n{}", explained.join("\n")));
            }
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
    assert!(
        wrong.is_empty(),
        "{} of {asked} differ\n{}",
        wrong.len(),
        wrong[0]
    );
}

/// The order counted until it was cancelled on day 50.
#[tokio::test]
async fn an_order_that_was_cancelled_later_counts_where_it_did() {
    let orders = [ann("o1", 0, 0, "paid"), ann("o1", 0, 50, "cancelled")];
    let files = [("orders/a.parquet", file(&orders, |row| row.4.to_owned()))];
    let server = of(&config(90), &files);
    let client = connect(&server).await;
    let told = lines_of(&server, &client, "ann@example.org", &midnight(10)).await;
    assert!(
        told[1].starts_with("stage    conversion since 2026-01-01"),
        "{told:#?}"
    );
    let rule = told.iter().position(|line| line == "  ✓ conversion").unwrap();
    assert_eq!(told[rule + 2], "      ✓ orders = 1: 1", "{told:#?}");
    let told = lines_of(&server, &client, "ann@example.org", &midnight(60)).await;
    assert!(told.contains(&"      ✓ orders = 0: 0".to_owned()), "{told:#?}");
    assert!(!told.iter().any(|line| line.contains("note")), "{told:#?}");
}

#[tokio::test]
async fn a_window_that_adapts_is_told_where_a_rule_compares_with_it() {
    let who =
        |who: &str, key: &str, day| Row(key.into(), format!("{who}@example.org"), day, day, "paid", 10.0);
    // Six gaps of ten days are Zed's, from February on the population's median; Ann has one order.
    let mut rows: Vec<Row> = (0..7).map(|n| who("zed", &format!("z{n}"), n * 10)).collect();
    rows.push(ann("a1", 65, 65, "paid"));
    let visit = [Row("e1".into(), "bob@example.org".into(), 70, 70, "view", 0.0)];
    let word = |row: &Row| row.4.to_owned();
    let files = [
        ("orders/a.parquet", file(&rows, word)),
        ("events/a.parquet", file(&visit, word)),
    ];
    let server = of(&adaptive(100), &files);
    let client = connect(&server).await;
    let notes = async |email: &str, day| {
        let told = lines_of(&server, &client, email, &midnight(day)).await;
        let notes = told.iter().filter(|line| line.contains("note:"));
        notes.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        notes("ann@example.org", 75).await,
        [
            "note: the active window is 15.00 days here: 1.5 × 10.00 days, the median gap of all customers, as this one has fewer than three orders",
            "note: the lapse window is 30.00 days here: 3 × 10.00 days, the median gap of all customers, as this one has fewer than three orders",
        ]
    );
    let own = notes("zed@example.org", 75).await;
    assert_eq!(
        own[0],
        "note: the active window is 15.00 days here: 1.5 × 10.00 days, the median gap between the customer's own orders"
    );
    assert_eq!(
        notes("zed@example.org", 0).await[0],
        "note: the active window is 200.00 days here: its max: no customer had ordered twice before the month began"
    );
    // Who never ordered has no silence to compare with a window.
    assert_eq!(notes("bob@example.org", 80).await, [""; 0]);
}

#[tokio::test]
async fn a_moment_after_that_of_the_snapshot_is_refused() {
    let orders = [ann("o1", 0, 0, "paid")];
    let files = [("orders/a.parquet", file(&orders, |row| row.4.to_owned()))];
    let server = of(&config(90), &files);
    let client = connect(&server).await;
    let id = one(&client, "SELECT customer_id FROM customers").await;
    let error = server.explained(&id, "2026-04-01 00:00:01+00").await.unwrap_err();
    assert_eq!(
        error,
        "2026-04-01 00:00:01+00 is after 2026-04-01 00:00:00+00, the moment that the snapshot describes"
    );
    let told = server.explained(&id, "2026-04-01 00:00:00+00").await.unwrap();
    assert_eq!(told.interval[0].as_deref(), Some("at_risk"));
}
