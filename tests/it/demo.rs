//! The small demo, unified: who is who, where they stand, what they bought.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_testkit::{TestLake, TestServer};

use crate::support::{connect, lines, number, one, rows};

/// Every record that a served relation names, with its customer: facts; profiles by the identifier that is their key, or
/// by their only one.
const CUSTOMERS_OF_RECORDS: &str = "
SELECT source, order_id AS record_key, customer_id FROM orders WHERE customer_id IS NOT NULL
UNION SELECT source, record_key, customer_id FROM events WHERE customer_id IS NOT NULL
UNION SELECT source, record_key, customer_id FROM interactions WHERE customer_id IS NOT NULL
UNION SELECT source, record_key, customer_id FROM surveys WHERE customer_id IS NOT NULL
UNION SELECT source, subscription_id, customer_id FROM subscriptions WHERE customer_id IS NOT NULL
UNION SELECT 'crm_contacts', value, customer_id FROM identities WHERE type = 'crm_id'
UNION SELECT 'shop_accounts', value, customer_id FROM identities WHERE type = 'user_id'
UNION SELECT 'email_newsletter', n.subscriber_id::text, i.customer_id FROM raw.email_newsletter n
      JOIN identities i ON i.type = 'email' AND i.value = normalise_email(n.email, 'gmail')";

/// The person behind every record: (source, key) and person.
fn truth(path: &Path) -> Vec<((String, String), String)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    let text = |batch: &RecordBatch, name: &str, row: usize| {
        let column: &dyn Array = batch.column_by_name(name).unwrap();
        ArrayFormatter::try_new(column, &FormatOptions::default())
            .unwrap()
            .value(row)
            .to_string()
    };
    let mut all = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let record = (text(&batch, "source", row), text(&batch, "record_key", row));
            all.push((record, text(&batch, "person_id", row)));
        }
    }
    all
}

/// Pairs within groups of these sizes.
fn pairs(sizes: impl IntoIterator<Item = u64>) -> f64 {
    sizes.into_iter().map(|size| (size * (size - 1) / 2) as f64).sum()
}

fn sizes<K: Eq + std::hash::Hash>(keys: impl IntoIterator<Item = K>) -> Vec<u64> {
    let mut counts: HashMap<K, u64> = HashMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts.into_values().collect()
}

#[tokio::test]
async fn records_of_one_person_find_each_other() {
    let lake = TestLake::demo_small();
    let mut truth = truth(&lake.folder().join("truth.parquet"));
    truth.sort();
    truth.dedup();
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let mut found: HashMap<(String, String), String> = HashMap::new();
    for row in rows(&client, CUSTOMERS_OF_RECORDS).await {
        let [source, key, customer] = <[Option<String>; 3]>::try_from(row)
            .unwrap()
            .map(Option::unwrap_or_default);
        found.insert((source, key), customer);
    }
    // A record that nobody owns is alone.
    let alone = |record: &(String, String)| format!("{} {}", record.0, record.1);
    let customer: Vec<String> = truth
        .iter()
        .map(|(record, _)| found.get(record).cloned().unwrap_or_else(|| alone(record)))
        .collect();
    let known = truth
        .iter()
        .filter(|(record, _)| found.contains_key(record))
        .count();
    assert!(
        known * 100 > truth.len() * 95,
        "{known} of {} records have a customer",
        truth.len()
    );
    let together = pairs(sizes(
        truth
            .iter()
            .zip(&customer)
            .map(|((_, person), customer)| (person, customer)),
    ));
    let precision = together / pairs(sizes(&customer));
    let recall = together / pairs(sizes(truth.iter().map(|(_, person)| person)));
    println!("precision {precision:.4}, recall {recall:.4}");
    assert!(
        precision >= 0.95 && recall >= 0.85,
        "precision {precision}, recall {recall}"
    );
}

#[tokio::test]
async fn the_intervals_of_every_customer_tile() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let intervals = "WITH h AS (
        SELECT *, row_number() OVER w AS number, lag(stage) OVER w AS stage_before, lag(left_at) OVER w AS end_before,
               lead(entered_at) OVER w AS next_start
        FROM lifecycle_history WINDOW w AS (PARTITION BY customer_id ORDER BY entered_at))";
    for (what, sql) in [
        (
            "begin at first_seen_at",
            "FROM h JOIN customers c USING (customer_id) WHERE number = 1 AND entered_at <> first_seen_at",
        ),
        (
            "follow each other",
            "FROM h WHERE number > 1 AND (end_before IS NULL OR end_before <> entered_at)",
        ),
        ("take time", "FROM h WHERE left_at <= entered_at"),
        (
            "end with an open one",
            "FROM h WHERE (next_start IS NULL) <> (left_at IS NULL)",
        ),
        (
            "name the one before",
            "FROM h WHERE previous_stage IS DISTINCT FROM stage_before",
        ),
        ("differ from the one before", "FROM h WHERE stage = stage_before"),
        ("have a reason", "FROM h WHERE coalesce(reason, '') = ''"),
        (
            "lead to the present stage",
            "FROM h JOIN customer_360 c USING (customer_id) WHERE left_at IS NULL \
             AND (stage <> lifecycle_stage OR entered_at <> stage_entered_at)",
        ),
        (
            "are of everybody",
            "FROM customers c LEFT JOIN h USING (customer_id) WHERE h.customer_id IS NULL",
        ),
    ] {
        assert_eq!(
            one(&client, &format!("{intervals} SELECT count(*) {sql}")).await,
            "0",
            "intervals {what}"
        );
    }
    assert!(number(&client, "SELECT count(*) FROM lifecycle_history").await > 300.0);
}

#[tokio::test]
async fn revenue_is_what_the_raw_orders_add_up_to() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    // The newest version of each order that is no draft, in euros at the newest rate of its day in Berlin or before.
    let raw = "WITH newest AS (
            SELECT *, row_number() OVER (PARTITION BY id ORDER BY updated_at DESC) AS version FROM raw.shop_orders),
        orders AS (SELECT id, total_cents, currency, state, (created_at AT TIME ZONE 'Europe/Berlin')::date AS day
                   FROM newest WHERE version = 1 AND state <> 'draft'),
        rated AS (SELECT o.id, o.total_cents, o.currency, o.state, f.rate,
                         row_number() OVER (PARTITION BY o.id ORDER BY f.date DESC) AS place
                  FROM orders o LEFT JOIN raw.finance_fx_rates f ON f.currency = o.currency AND f.date <= o.day)
        SELECT count(*), count(DISTINCT currency),
               sum(CASE WHEN currency = 'EUR' THEN total_cents / 100.0 ELSE round(total_cents / 100.0 * rate, 4) END)
        FROM rated WHERE place = 1";
    let expected = rows(&client, raw).await.concat();
    let [Some(count), Some(currencies), Some(sum)] = &expected[..] else {
        panic!("{expected:?}")
    };
    assert_eq!(currencies, "2");
    assert_eq!(&one(&client, "SELECT count(*) FROM orders").await, count);
    let (sum, served): (f64, f64) = (
        sum.parse().unwrap(),
        number(&client, "SELECT sum(amount) FROM orders").await,
    );
    assert!(
        (sum - served).abs() < 0.01,
        "{served} is served, {sum} has landed"
    );
    // What customers are said to have spent is what their paid orders add up to, to the cent.
    let paid = "SELECT sum(amount) FROM orders WHERE paid AND customer_id IS NOT NULL";
    assert_eq!(
        one(&client, paid).await,
        one(&client, "SELECT sum(gross_revenue) FROM customer_360").await
    );
}

#[tokio::test]
async fn orders_are_worth_their_items_less_the_discount_in_whatever_currency_they_are() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let orders = "SELECT o.currency, max(abs(o.amount + coalesce(o.discount, 0) - i.value)) < 0.01, bool_and(o.currency = i.currency) \
                  FROM orders o JOIN (SELECT order_id, currency, sum(quantity * unit_price) AS value FROM order_items GROUP BY 1, 2) AS i \
                  USING (order_id) GROUP BY 1 ORDER BY 1";
    assert_eq!(lines(&client, orders).await, ["EUR|t|t", "USD|t|t"]);
    // A draft is no order, and its items are worth nothing yet.
    let lost = "SELECT count(*) FROM order_items WHERE unit_price IS NULL AND time IS NOT NULL OR original_unit_price IS NULL";
    assert_eq!(one(&client, lost).await, "0");
}

#[tokio::test]
async fn every_landed_row_is_accounted_for() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let unequal = "SELECT source, path, rows_landed, rows_unified, rows_superseded, rows_filtered, rows_rejected \
                   FROM perennial.files \
                   WHERE rows_landed <> rows_unified + rows_superseded + rows_filtered + rows_rejected";
    assert_eq!(lines(&client, unequal).await, Vec::<String>::new());
    for (source, relation) in [
        ("shop_orders", "orders"),
        ("shop_order_items", "order_items"),
        ("shop_refunds", "refunds"),
        ("web_events", "events"),
        ("support_interactions", "interactions"),
        ("survey_responses", "surveys"),
        ("consent_log", "consents"),
        ("ads_spend", "spend"),
    ] {
        let unified = format!("SELECT sum(rows_unified) FROM perennial.files WHERE source = '{source}'");
        let served = format!("SELECT count(*) FROM {relation} WHERE source = '{source}'");
        assert_eq!(
            one(&client, &unified).await,
            one(&client, &served).await,
            "{relation}"
        );
        let landed = format!("SELECT sum(rows_landed) FROM perennial.files WHERE source = '{source}'");
        assert_eq!(
            one(&client, &landed).await,
            one(&client, &format!("SELECT count(*) FROM raw.{source}")).await,
            "{source}"
        );
    }
}

#[tokio::test]
async fn customers_keep_their_ids_over_a_second_full_run() {
    let lake = TestLake::demo_landed();
    let first = lake.unify();
    let second = lake.unify();
    assert_eq!((first.snapshot, second.snapshot), (Some(1), Some(2)));
    assert_eq!(first.customers, second.customers);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sql = "SELECT type, value, customer_id FROM identities ORDER BY 1, 2";
    let after = lines(&client, sql).await;
    assert!(after.len() > 300);
    let shared = TestServer::start(TestLake::demo_small());
    // A lake of the same files that was unified once has the same people under the same ids.
    assert_eq!(lines(&connect(&shared).await, sql).await, after);
    assert_eq!(one(&client, "SELECT count(*) FROM identity_redirects").await, "0");
}

#[tokio::test]
async fn nobody_holds_more_identifiers_than_the_limits_allow() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    for (identifier, limit) in [("user_id", 1), ("crm_id", 3), ("email", 5), ("phone", 3)] {
        let sql = format!(
            "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM identities WHERE type = '{identifier}' GROUP BY customer_id) AS held"
        );
        assert!(number(&client, &sql).await <= f64::from(limit), "{identifier}");
    }
    let shared = "SELECT count(*) FROM (SELECT type, value FROM identities GROUP BY 1, 2 HAVING count(DISTINCT customer_id) > 1) AS s";
    assert_eq!(one(&client, shared).await, "0");
}
