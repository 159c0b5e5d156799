//! What `perennial init` proposes, unified as it stands, against counts that others made of the same files.

use std::process::Command;

use perennial_testkit::environment::{skipped, variable};
use perennial_testkit::{TestLake, TestServer};

use crate::cdnow::file;
use crate::support::{connect, lines, one};

/// 2026-11-01 in UTC, in microseconds since 1970: four months after the last row of the demo.
const NOW: i64 = 1_793_491_200_000_000;

const DUCKDB: &str = include_str!("proposed.py");

/// The questions of `proposed.py`, in its order, to what is served.
const QUESTIONS: &[&str] = &[
    "SELECT currency, count(*), sum(original_amount) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT currency, count(*), sum(original_amount) FROM orders WHERE paid GROUP BY 1 ORDER BY 1",
    "SELECT round(sum(amount - coalesce(refunded, 0)))::bigint FROM orders WHERE paid",
    "SELECT count(*), round(sum(quantity * unit_price))::bigint FROM order_items",
    "SELECT count(*), sum(original_amount)::numeric(12, 2) FROM refunds",
    "SELECT count(*) FROM events",
    "SELECT name, count(*) FROM events GROUP BY 1 ORDER BY 1",
    "SELECT channel, type, direction, count(*) FROM interactions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT survey, count(*), avg(score)::numeric(9, 4) FROM surveys GROUP BY 1 ORDER BY 1",
    "SELECT count(DISTINCT subscription_id) FROM subscriptions",
    "SELECT purpose, count(*), count(*) FILTER (WHERE granted) FROM consents GROUP BY 1 ORDER BY 1",
    "SELECT currency, channel, sum(original_amount) FROM spend GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT count(*) FROM identities WHERE type = 'user_id'",
    "SELECT count(*) FROM identities WHERE type = 'crm_id'",
];

/// The lake with what is proposed for it, and what the proposal says can be taken as it stands.
pub(crate) fn taken(lake: &TestLake) -> String {
    let proposed = lake.proposal(NOW).replace("# as_of = ", "as_of = ");
    lake.configure(&format!("{proposed}\n[server]\nauthentication = \"trust\"\n"));
    let report = lake
        .check()
        .unwrap_or_else(|errors| panic!("{errors:?}\n{proposed}"));
    assert!(
        report.quarantined.is_empty() && report.rejected.is_empty() && report.rates.missing.is_empty(),
        "{report:?}\n{proposed}"
    );
    proposed
}

#[tokio::test]
async fn a_lake_of_many_systems_is_proposed_as_what_it_is() {
    let Some(python) = variable("PERENNIAL_TEST_PYTHON") else {
        skipped("PERENNIAL_TEST_PYTHON is not set");
        return;
    };
    let lake = TestLake::demo_landed();
    let counted = Command::new(&python)
        .args(["-c", DUCKDB])
        .arg(lake.root())
        .output()
        .unwrap();
    assert!(
        counted.status.success(),
        "{}",
        String::from_utf8_lossy(&counted.stderr)
    );
    let counted = String::from_utf8(counted.stdout).unwrap();
    let counted: Vec<Vec<&str>> = counted.split("--\n").map(|part| part.lines().collect()).collect();
    let proposed = taken(&lake);
    lake.unify();
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    for (question, expected) in QUESTIONS.iter().zip(counted.iter().take(QUESTIONS.len())) {
        assert_eq!(
            lines(&client, question).await,
            *expected,
            "{question}\n{proposed}"
        );
    }
    // Every part of the business finds its customers: of the accounts all, of the orders all with an address or account.
    let lost = "SELECT count(*) FROM orders o JOIN raw.orders r ON r.id = o.order_id AND r.updated_at = o.updated_at \
                WHERE o.customer_id IS NULL AND r.user_id IS NOT NULL";
    assert_eq!(one(&client, lost).await, "0");
    let shared = "SELECT count(*) FROM (SELECT customer_id FROM identities WHERE type IN ('user_id', 'crm_id') \
                  GROUP BY 1 HAVING count(DISTINCT type) = 2) AS both_systems";
    assert_ne!(one(&client, shared).await, "0");
}

#[tokio::test]
async fn purchases_are_proposed_as_orders_and_the_published_figures_come_out() {
    let Some(file) = file() else { return };
    let lake = TestLake::of("[lake]\nurl = \"./lake\"\n", &[("cdnow_master.parquet", &file)]);
    taken(&lake);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    // Fader and Hardie: 23,570 people, 69,659 purchases, first in January, February and March 1997.
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "23570");
    assert_eq!(
        one(&client, "SELECT count(*), sum(amount) FROM orders").await,
        "69659|2500315.6300"
    );
    let first =
        "SELECT date_trunc('month', first_order_at)::date, count(*) FROM customer_360 GROUP BY 1 ORDER BY 1";
    assert_eq!(
        lines(&client, first).await,
        ["1997-01-01|7846", "1997-02-01|8476", "1997-03-01|7248"]
    );
}
