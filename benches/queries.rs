//! Questions of an analyst over the unified tables, beside DuckDB over the same Parquet files; the answers must agree.
//!
//! `cargo xtask bench queries -- 100000` takes the number of people in the demo. Product and peer answer in turn; processor
//! time is that of the whole process, client excluded.

use std::time::Instant;

use bench_support::{DuckDb, Meter, Result, Samples, Served, Table, arguments, canonical, say};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const RUNS: usize = 7;

/// A question in both dialects; `None`: the same words.
struct Question {
    name: &'static str,
    ours: &'static str,
    duckdb: Option<&'static str>,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "cohort retention by month",
        ours: "WITH counted AS (
                 SELECT customer_id, date_trunc('month', time)::date AS month FROM orders
                 WHERE customer_id IS NOT NULL AND paid GROUP BY 1, 2),
               firsts AS (SELECT customer_id, min(month) AS cohort FROM counted GROUP BY 1)
               SELECT f.cohort, c.month, count(*) FROM counted c JOIN firsts f USING (customer_id) GROUP BY 1, 2",
        duckdb: None,
    },
    // The calendar is that of the demo's zone, in which the function counts by default; the demo describes the start of July 2026,
    // a month that is there and has no ratio.
    Question {
        name: "cohort_retention('month')",
        ours: "SELECT cohort, period, cohort_customers, value, ratio FROM cohort_retention('month')",
        duckdb: Some(
            "WITH counted AS (
               SELECT customer_id, date_trunc('month', time AT TIME ZONE 'Europe/Berlin')::date AS month FROM orders
               WHERE customer_id IS NOT NULL AND paid AND (coalesce(refunded, 0) = 0 OR refunded < amount) GROUP BY 1, 2),
             firsts AS (SELECT customer_id, min(month) AS cohort FROM counted GROUP BY 1),
             active AS (
               SELECT f.cohort, date_diff('month', f.cohort, c.month) AS period, count(*) AS customers
               FROM counted c JOIN firsts f USING (customer_id) GROUP BY 1, 2),
             grid AS (
               SELECT cohort, count(*) AS size,
                      unnest(range(date_diff('month', cohort, date '2026-07-01') + 1)) AS period
               FROM firsts GROUP BY cohort)
             SELECT cohort, period, size, coalesce(customers, 0),
                    CASE WHEN cohort + to_months(period::int) < date '2026-07-01' THEN coalesce(customers, 0) / size END
             FROM grid LEFT JOIN active USING (cohort, period)",
        ),
    },
    Question {
        name: "value by stage and first channel",
        ours: "SELECT lifecycle_stage, first_touch_channel, count(*), sum(net_revenue), avg(orders::float8)
               FROM customer_360 GROUP BY 1, 2",
        duckdb: None,
    },
    Question {
        name: "NPS by quarter",
        ours: "SELECT date_trunc('quarter', time)::date, nps(score) FROM surveys WHERE survey = 'nps' GROUP BY 1",
        duckdb: Some(
            "SELECT date_trunc('quarter', time)::date,
                    100.0 * (count(*) FILTER (score >= 9) - count(*) FILTER (score <= 6)) / count(score)
             FROM surveys WHERE survey = 'nps' GROUP BY 1",
        ),
    },
    Question {
        name: "CAC by channel",
        ours: "WITH firsts AS (
                 SELECT first_touch_channel AS channel, count(*) AS customers FROM customer_360 WHERE orders > 0 GROUP BY 1),
               paid AS (SELECT channel, sum(amount) AS amount FROM spend GROUP BY 1)
               SELECT channel, cac(amount, customers) FROM paid JOIN firsts USING (channel)",
        duckdb: Some(
            "WITH firsts AS (
               SELECT first_touch_channel AS channel, count(*) AS customers FROM customer_360 WHERE orders > 0 GROUP BY 1),
             paid AS (SELECT channel, sum(amount) AS amount FROM spend GROUP BY 1)
             SELECT channel, amount / customers FROM paid JOIN firsts USING (channel)",
        ),
    },
    Question {
        name: "funnel within a day",
        ours: "SELECT steps, count(*) FROM (
                 SELECT customer_id, window_funnel(interval '1 day', time,
                        name = 'page_view', name = 'add_to_cart', name = 'checkout') AS steps
                 FROM events WHERE customer_id IS NOT NULL GROUP BY 1) AS reached WHERE steps > 0 GROUP BY 1",
        duckdb: Some(
            "WITH views AS (SELECT customer_id, time FROM events WHERE customer_id IS NOT NULL AND name = 'page_view'),
             carts AS (
               SELECT v.customer_id, v.time, min(e.time) AS cart FROM views v LEFT JOIN events e
               ON e.customer_id = v.customer_id AND e.name = 'add_to_cart' AND e.time > v.time AND e.time <= v.time + INTERVAL 1 DAY
               GROUP BY 1, 2),
             checkouts AS (
               SELECT c.customer_id, c.time, c.cart, min(e.time) AS checkout FROM carts c LEFT JOIN events e
               ON e.customer_id = c.customer_id AND e.name = 'checkout' AND e.time > c.cart AND e.time <= c.time + INTERVAL 1 DAY
               GROUP BY 1, 2, 3)
             SELECT steps, count(*) FROM (
               SELECT customer_id, max(CASE WHEN checkout IS NOT NULL THEN 3 WHEN cart IS NOT NULL THEN 2 ELSE 1 END) AS steps
               FROM checkouts GROUP BY 1) GROUP BY 1",
        ),
    },
    Question {
        name: "hundred best customers of a year",
        ours: "SELECT c.customer_id, sum(o.amount) AS revenue FROM orders o JOIN customers c USING (customer_id)
               WHERE o.paid AND o.time >= '2025-07-01 00:00:00+00' AND o.time < '2026-07-01 00:00:00+00'
               GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 100",
        duckdb: None,
    },
    Question {
        name: "products bought together",
        ours: "SELECT a.category, b.category, count(*) FROM order_items a
               JOIN order_items b ON a.order_id = b.order_id AND a.category < b.category GROUP BY 1, 2",
        duckdb: None,
    },
];

fn main() -> Result<()> {
    let customers: u64 = arguments().first().map_or(Ok(100_000), |size| size.parse())?;
    let (lake, served) = Served::demo(customers)?;
    let mut duckdb = DuckDb::start(&lake.tables()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&served.connection_string()?, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("SET TimeZone = 'UTC'").await?;
        compare(&client, served.meter(), &mut duckdb).await
    })
}

async fn compare(client: &Client, product: Meter, duckdb: &mut DuckDb) -> Result<()> {
    let peer = duckdb.meter();
    let mut table = Table::new(&[
        "question",
        "rows",
        "ours ms",
        "DuckDB ms",
        "wall ratio",
        "ours cpu ms",
        "DuckDB cpu ms",
        "cpu ratio",
    ]);
    for question in QUESTIONS {
        let (mut ours, mut theirs) = ((Samples::default(), 0.0), (Samples::default(), 0.0));
        let mut rows = 0;
        // The first round warms both and compares their answers; it does not count.
        for round in 0..=RUNS {
            let (cpu, start) = (product.cpu_seconds()?, Instant::now());
            let answer = ask(client, question.ours).await?;
            let (wall, cpu) = (start.elapsed().as_secs_f64(), product.cpu_seconds()? - cpu);
            let (peer_cpu, start) = (peer.cpu_seconds()?, Instant::now());
            let peer_answer = duckdb.query(question.duckdb.unwrap_or(question.ours))?;
            let (peer_wall, peer_cpu) = (start.elapsed().as_secs_f64(), peer.cpu_seconds()? - peer_cpu);
            if round == 0 {
                rows = answer.len();
                agree(question.name, &answer, &peer_answer)?;
                continue;
            }
            ours.0.add(wall * 1e3);
            ours.1 += cpu * 1e3;
            theirs.0.add(peer_wall * 1e3);
            theirs.1 += peer_cpu * 1e3;
        }
        // The system counts in steps of 10 ms, so the sum over all rounds is what can be compared.
        let of_round = |sum: f64| sum / RUNS as f64;
        table.row([
            question.name.to_owned(),
            rows.to_string(),
            ours.0.show(),
            theirs.0.show(),
            format!("{:.2}", ours.0.median() / theirs.0.median()),
            format!("{:.1}", of_round(ours.1)),
            format!("{:.1}", of_round(theirs.1)),
            format!("{:.2}", ours.1 / theirs.1),
        ]);
    }
    table.print();
    Ok(())
}

async fn ask(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let mut rows = Vec::new();
    for message in client.simple_query(sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push(
                (0..row.len())
                    .map(|column| row.get(column).map(str::to_owned))
                    .collect(),
            );
        }
    }
    Ok(rows)
}

fn agree(name: &str, ours: &[Vec<Option<String>>], theirs: &[Vec<Option<String>>]) -> Result<()> {
    let (ours, theirs) = (canonical(ours), canonical(theirs));
    if ours == theirs {
        return Ok(());
    }
    let differing = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
    say(format_args!(
        "{} rows against {}; first difference: {differing:?}",
        ours.len(),
        theirs.len()
    ));
    Err(format!("\"{name}\": the answers differ").into())
}
