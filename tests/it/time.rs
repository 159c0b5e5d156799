//! What time alone changes: without `[time] as_of` a snapshot describes its own moment, for every customer alike.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{Clock, FixedClock, RunOptions, Setup, TestLake, TestServer};

use crate::runs::{config, orders};
use crate::support::{code, connect, execute, lines, parquet};
use crate::worlds::land;

/// 2026-01-01 in UTC.
const NEW_YEAR: i64 = 1_767_225_600_000_000;
const DAY: i64 = 86_400_000_000;

const SETTLED: RunOptions = RunOptions::SETTLED;

const MORE: &str = r#"
[[segment]]
name = "quiet"
where = "recency_days >= 33"
"#;

/// Of a customer, by the address: the moment, days since, orders of the last 30 days, the stage and since when.
fn of(address: &str) -> String {
    format!(
        "SELECT as_of_at, tenure_days, recency_days, orders_30_days, orders_90_days, lifecycle_stage, stage_entered_at \
         FROM customer_360 WHERE email = '{address}'"
    )
}

/// The days are those of the calendar of 2026, counted by hand; silence of 90 days makes `at_risk`, of 180 `lapsed`.
#[test]
fn a_customer_whom_no_new_file_touches_is_told_as_of_the_moment_of_the_snapshot() {
    let lake = TestLake::of(&config("", MORE), &[]);
    let clock = Arc::new(FixedClock::new(NEW_YEAR + 29 * DAY + DAY / 2));
    let look = || {
        let setup = Setup {
            clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
            ..Setup::default()
        };
        let queries = [
            of("ada@example.com"),
            of("bob@example.com"),
            "SELECT email, entered_at FROM segment_members JOIN customers USING (customer_id)".to_owned(),
            "SELECT email, stage, entered_at, left_at FROM lifecycle_history JOIN customers USING (customer_id) \
             WHERE email LIKE 'ada%'"
                .to_owned(),
        ];
        lake.answers_of(setup, SETTLED, &queries)
    };
    let order = |key: &'static str, person: &'static str, day| orders(&[(key, person, "paid", "EUR", day)]);
    land(&lake, "orders/a.parquet", &order("a1", "ada@example.com", 0));
    land(&lake, "orders/b.parquet", &order("b1", "bob@example.com", 20));
    let (report, answers) = look();
    assert!(report.full && report.snapshot == Some(1));
    assert_eq!(
        answers[0],
        ["2026-01-30 12:00:00+00|29.5|29.5|1|1|conversion|2026-01-01 00:00:00+00"]
    );
    assert!(answers[2].is_empty());

    // Half a day later ada's order is 30 days old to the microsecond, and out of the window; bob's is not.
    clock.advance(DAY / 2);
    land(&lake, "orders/c.parquet", &order("c1", "eve@example.com", 29));
    let (report, answers) = look();
    assert_eq!(
        (report.snapshot, report.full, report.why_full),
        (Some(2), false, None)
    );
    let at = "2026-01-31 00:00:00+00";
    assert_eq!(
        answers[0],
        [format!("{at}|30|30|0|1|conversion|2026-01-01 00:00:00+00")]
    );
    assert_eq!(
        answers[1],
        [format!("{at}|10|10|1|1|conversion|2026-01-21 00:00:00+00")]
    );

    // Nothing lands; the first look of another day brings ada into the segment.
    clock.set(NEW_YEAR + 34 * DAY);
    let (report, answers) = look();
    assert_eq!((report.snapshot, report.full), (Some(3), false));
    assert_eq!(answers[2], ["ada@example.com|2026-02-04 00:00:00+00"]);
    clock.advance(DAY / 4);
    assert_eq!(look().0.snapshot, None);

    // What ran out in between did so at its own moment, and she has been in the segment since she came into it.
    clock.set(NEW_YEAR + 200 * DAY);
    let (report, answers) = look();
    assert_eq!((report.snapshot, report.full), (Some(4), false));
    assert_eq!(
        answers[0],
        ["2026-07-20 00:00:00+00|200|200|0|0|lapsed|2026-06-30 00:00:00+00"]
    );
    assert!(answers[2].contains(&"ada@example.com|2026-02-04 00:00:00+00".to_owned()));
    assert_eq!(
        answers[3],
        [
            "ada@example.com|at_risk|2026-04-01 00:00:00+00|2026-06-30 00:00:00+00",
            "ada@example.com|conversion|2026-01-01 00:00:00+00|2026-04-01 00:00:00+00",
            "ada@example.com|lapsed|2026-06-30 00:00:00+00|∅",
        ]
    );

    // Clocks of machines differ: a moment that is a little earlier is the one that is served.
    clock.advance(-DAY / 1_000);
    land(&lake, "orders/d.parquet", &order("d1", "dan@example.com", 100));
    let (report, answers) = look();
    assert_eq!((report.snapshot, report.full), (Some(5), false));
    assert!(answers[0][0].starts_with("2026-07-20 00:00:00+00|"));
    // A clock that was wrong by months is no reason to tell the future.
    clock.set(NEW_YEAR + 50 * DAY);
    land(&lake, "orders/e.parquet", &order("e1", "fay@example.com", 10));
    let (report, answers) = look();
    assert_eq!(
        report.why_full.as_deref(),
        Some("the clock was set back: it stands before the moment that is served")
    );
    assert_eq!(
        answers[0],
        ["2026-02-20 00:00:00+00|50|50|0|1|conversion|2026-01-01 00:00:00+00"]
    );
}

/// A fact of the future counts from its moment on, also when nothing lands then.
#[test]
fn a_fact_of_the_future_is_due_at_its_moment() {
    let lake = TestLake::of(&config("", ""), &[]);
    let clock = Arc::new(FixedClock::new(NEW_YEAR + 10 * DAY));
    let known = "SELECT email, orders, last_order_at, last_seen_at FROM customer_360".to_owned();
    let look = || {
        let setup = Setup {
            clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
            ..Setup::default()
        };
        lake.answers_of(setup, SETTLED, std::slice::from_ref(&known))
    };
    let rows = [
        ("a1", "ada@example.com", "paid", "EUR", 5),
        ("a2", "ada@example.com", "paid", "EUR", 20),
        ("b1", "bob@example.com", "paid", "EUR", 15),
    ];
    land(&lake, "orders/a.parquet", &orders(&rows));
    assert_eq!(
        look().1[0],
        ["ada@example.com|1|2026-01-06 00:00:00+00|2026-01-06 00:00:00+00"]
    );
    clock.set(NEW_YEAR + 15 * DAY);
    let (report, answers) = look();
    assert!(!report.full);
    assert_eq!(
        answers[0],
        [
            "ada@example.com|1|2026-01-06 00:00:00+00|2026-01-06 00:00:00+00",
            "bob@example.com|1|2026-01-16 00:00:00+00|2026-01-16 00:00:00+00"
        ]
    );
    clock.set(NEW_YEAR + 21 * DAY);
    let (report, answers) = look();
    assert!(!report.full);
    assert_eq!(
        answers[0][0],
        "ada@example.com|2|2026-01-21 00:00:00+00|2026-01-21 00:00:00+00"
    );
}

const BEYOND: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[money]
currency = "EUR"
[[source]]
name = "shop"
kind = "order"
path = "shop/"
record_key = "id"
time = "at"
updated_at = "updated"
identifiers = { email = "id" }
columns = { amount = "1" }
max_bad_rows = 0.9
[[source]]
name = "ads"
kind = "spend"
path = "ads/"
columns = { date = "at", channel = "'web'", amount = "1" }
max_bad_rows = 0.9
[[identity.identifier]]
type = "email"
[server]
authentication = "trust"
"#;

/// Systems write 0001-01-01, 9999-12-31 and infinity for "never": such a row is rejected, and told, and disturbs nobody.
#[tokio::test]
async fn a_time_at_which_nothing_can_have_happened_is_a_bad_row() {
    const SECOND: i64 = 1_000_000;
    // 1900-01-01 and 2200-01-01, by `date -u -d 1900-01-01 +%s`.
    let (first, last) = (-2_208_988_800 * SECOND, 7_258_118_400 * SECOND);
    let year_1 = -62_135_596_800 * SECOND;
    let year_9999 = 253_402_214_400 * SECOND;
    let rows: [(&str, i64, i64); 9] = [
        ("good", NEW_YEAR, NEW_YEAR),
        ("first", first, first),
        ("last", last - 1, last - 1),
        ("minus infinity", -i64::MAX, NEW_YEAR),
        ("infinity", i64::MAX, NEW_YEAR),
        ("year 1", year_1, NEW_YEAR),
        ("early", first - DAY - 1, NEW_YEAR),
        ("late", last + DAY, NEW_YEAR),
        ("for ever", NEW_YEAR, year_9999),
    ];
    let times = |of: fn(&(&str, i64, i64)) -> i64| -> ArrayRef {
        let times: TimestampMicrosecondArray = rows.iter().map(|row| Some(of(row))).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let file = RecordBatch::try_from_iter([
        (
            "id",
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringArray>()) as ArrayRef,
        ),
        ("at", times(|row| row.1)),
        ("updated", times(|row| row.2)),
    ]);
    let file = parquet(&file.unwrap());
    let lake = TestLake::of(BEYOND, &[("shop/a.parquet", &file), ("ads/a.parquet", &file)]);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sql = "SELECT source, state, rows_landed, rows_unified, rows_rejected, rejections, values_lost FROM perennial.files \
               ORDER BY 1";
    assert_eq!(
        lines(&client, sql).await,
        [
            "ads|live|9|4|5|{\"date is NULL or is not a date\":2,\"date is out of range: it goes from 1900-01-01 to 2199-12-31\":3}|0",
            "shop|live|9|3|6|{\"time is out of range: it goes from 1900-01-01 to 2199-12-31\":5,\"updated_at is out of range: \
             it goes from 1900-01-01 to 2199-12-31\":1}|0",
        ]
    );
    let orders = "SELECT order_id, updated_at = time FROM orders ORDER BY 1";
    assert_eq!(lines(&client, orders).await, ["first|t", "good|t", "last|t"]);
    // Whatever is served answers.
    let relations = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'perennial') \
                     UNION ALL SELECT schemaname || '.' || viewname FROM pg_views \
                     WHERE schemaname IN ('public', 'perennial')";
    let relations = lines(&client, relations).await;
    assert!(relations.len() > 30, "{relations:?}");
    for relation in relations {
        lines(&client, &format!("SELECT * FROM {relation}")).await;
    }
    execute(&client, "SET perennial.as_of = '1900-01-01'").await;
    lines(&client, "SELECT * FROM orders").await;
    execute(&client, "RESET perennial.as_of").await;
    for moment in ["0001-06-01", "1600-01-01", "9999-12-31"] {
        let sql = format!("SELECT * FROM lifecycle_at('{moment}')");
        assert_eq!(lines(&client, &sql).await, Vec::<String>::new(), "{moment}");
    }
    for moment in ["1899-12-30", "0001-01-01"] {
        let error = client
            .batch_execute(&format!("SET perennial.as_of = '{moment}'"))
            .await
            .unwrap_err();
        assert_eq!(code(&error), "22008");
    }
}
