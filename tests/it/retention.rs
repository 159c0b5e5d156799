//! `cohort_retention` by its definition: cohorts are calendar periods of the lake's zone.

use perennial_testkit::{TestLake, TestServer};

use crate::support::{connect, lines, number};

/// The first order that counts of each customer, on the wall clock of the demo's zone.
const FIRSTS: &str = "SELECT customer_id, min(time AT TIME ZONE 'Europe/Berlin') AS first FROM orders \
                      WHERE paid AND customer_id IS NOT NULL AND coalesce(refunded, 0) < amount GROUP BY 1";

#[tokio::test]
async fn a_cohort_is_whoever_ordered_first_in_the_calendar_period() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for period in ["day", "week", "month", "quarter", "year"] {
        let cohorts = format!(
            "SELECT cohort, cohort_customers FROM cohort_retention('{period}') WHERE period = 0 ORDER BY 1"
        );
        let expected = format!(
            "SELECT date_trunc('{period}', first)::date, count(*) FROM ({FIRSTS}) AS f GROUP BY 1 ORDER BY 1"
        );
        let cohorts = lines(&client, &cohorts).await;
        assert!(cohorts.len() > 3, "{period}");
        assert_eq!(cohorts, lines(&client, &expected).await, "{period}");
    }
}

#[tokio::test]
async fn periods_follow_each_other_on_the_calendar() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for (period, step) in [
        ("day", "1 day"),
        ("week", "7 days"),
        ("month", "1 month"),
        ("quarter", "3 months"),
        ("year", "1 year"),
    ] {
        let apart = format!(
            "SELECT count(*) FROM (SELECT period_start, lag(period_start) OVER (PARTITION BY cohort ORDER BY period) AS before \
             FROM cohort_retention('{period}')) AS p WHERE before IS NOT NULL AND period_start <> before + INTERVAL '{step}'"
        );
        assert_eq!(number(&client, &apart).await, 0.0, "{period}");
        let unlike = format!(
            "SELECT count(*) FROM cohort_retention('{period}') WHERE period = 0 AND (period_start <> cohort OR ratio <> 1)"
        );
        assert_eq!(number(&client, &unlike).await, 0.0, "{period}");
    }
}
