//! Files that land: good ones, bad ones beside them, and new ones while the lake is served.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use perennial_testkit::{FixedClock, Looks, Setup, TestLake, TestServer};

use crate::matrix;
use crate::support::{becomes, connect, lines, one, parquet};
use crate::worlds::rest;

const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "100ms"
[money]
currency = "EUR"
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", status = "state" }
where = "state <> 'draft'"
[server]
authentication = "trust"
"#;

/// 2026-01-01 in UTC.
const DAY: i64 = 1_767_225_600_000_000;

/// An order: key, address, amount, state.
type Order<'a> = (&'a str, &'a str, Option<f64>, &'a str);

fn orders(rows: &[Order<'_>]) -> Vec<u8> {
    let times = TimestampMicrosecondArray::from_iter_values((0..rows.len()).map(|row| DAY + row as i64));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringArray>()),
        ),
        (
            "email",
            Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>()),
        ),
        (
            "amount",
            Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        ),
        (
            "state",
            Arc::new(rows.iter().map(|row| Some(row.3)).collect::<StringArray>()),
        ),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// The same columns, the amount in words.
fn words() -> Vec<u8> {
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as Arc<dyn Array>;
    let columns = [
        ("id", "w1"),
        ("email", "eve@example.org"),
        ("amount", "a lot"),
        ("state", "paid"),
        ("at", "soon"),
    ];
    let columns = columns.map(|(name, value)| (name, text(value)));
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

const UNEQUAL: &str = "SELECT source, path, rows_landed, rows_unified, rows_superseded, rows_filtered, rows_rejected \
                       FROM perennial.files WHERE state = 'live' \
                       AND rows_landed <> rows_unified + rows_superseded + rows_filtered + rows_rejected";

#[tokio::test]
async fn bad_files_are_named_and_disturb_nothing() {
    let good = orders(&[
        ("1", "ann@example.org", Some(10.0), "paid"),
        ("2", "bob@example.org", Some(20.5), "paid"),
        ("3", "ann@example.org", Some(99.0), "draft"),
    ]);
    let truncated = &good[..good.len() / 2];
    let server = TestServer::start(TestLake::of(
        CONFIG,
        &[
            ("orders/a.parquet", &good),
            ("orders/b-truncated.parquet", truncated),
            ("orders/c-empty.parquet", b""),
            (
                "orders/d-text.parquet",
                b"id,email,amount\n1,ann@example.org,10\n",
            ),
            ("orders/e-words.parquet", &words()),
            (
                "orders/f.parquet",
                &orders(&[("4", "Ann@Example.org", Some(5.0), "paid")]),
            ),
            ("orders/.hidden.parquet", b"not looked at"),
        ],
    ));
    let client = connect(&server).await;
    assert_eq!(
        one(&client, "SELECT count(*), sum(amount) FROM orders").await,
        "3|35.5000"
    );
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "2");
    assert_eq!(one(&client, "SELECT count(*) FROM raw.shop").await, "4");
    let files = "SELECT path, state, coalesce(reason, '') <> '' FROM perennial.files ORDER BY path";
    assert_eq!(
        lines(&client, files).await,
        [
            "orders/a.parquet|live|f",
            "orders/b-truncated.parquet|quarantined|t",
            "orders/c-empty.parquet|quarantined|t",
            "orders/d-text.parquet|quarantined|t",
            "orders/e-words.parquet|quarantined|t",
            "orders/f.parquet|live|f",
        ]
    );
    // The reason says what is wrong with this file.
    let reason = "SELECT reason FROM perennial.files WHERE path = 'orders/e-words.parquet'";
    assert!(one(&client, reason).await.contains("amount"));
    assert_eq!(
        one(&client, "SELECT files, files_quarantined FROM perennial.sources").await,
        "2|4"
    );
}

#[tokio::test]
async fn every_row_of_a_file_is_accounted_for() {
    let first = orders(&[
        ("1", "ann@example.org", Some(10.0), "paid"),
        ("2", "bob@example.org", Some(20.0), "draft"),
        ("3", "cy@example.org", Some(30.0), "paid"),
    ]);
    // Order 1 comes in a newer version, and then a third time in the same file.
    let second = orders(&[
        ("4", "ann@example.org", Some(1.0), "paid"),
        ("1", "ann@example.org", Some(11.0), "paid"),
        ("1", "ann@example.org", Some(12.0), "paid"),
    ]);
    let server = TestServer::start(TestLake::of(
        CONFIG,
        &[("orders/a.parquet", &first), ("orders/b.parquet", &second)],
    ));
    let client = connect(&server).await;
    assert_eq!(
        lines(
            &client,
            "SELECT path, rows_landed, rows_unified, rows_superseded, rows_filtered, rows_rejected \
             FROM perennial.files ORDER BY path"
        )
        .await,
        ["orders/a.parquet|3|1|1|1|0", "orders/b.parquet|3|2|1|0|0"]
    );
    assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new());
    assert_eq!(
        lines(&client, "SELECT order_id, amount FROM orders ORDER BY 1").await,
        ["1|12.0000", "3|30.0000", "4|1.0000"]
    );
}

#[tokio::test]
async fn rows_that_break_a_required_expression_are_counted_with_their_reason() {
    let keys: Vec<String> = (0..200).map(|row| format!("k{row}")).collect();
    let amount = |row: usize| (row != 7).then_some(1.0);
    let rows: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(row, key)| (key.as_str(), "ann@example.org", amount(row), "paid"))
        .collect();
    let file = orders(&rows);
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &file)]));
    let client = connect(&server).await;
    let sql = "SELECT state, rows_landed, rows_unified, rows_rejected, rejections FROM perennial.files";
    let answer = one(&client, sql).await;
    assert!(
        answer.starts_with("live|200|199|1|{") && answer.contains("amount"),
        "{answer}"
    );
}

/// Money is `numeric(18,4)`: 14 digits before the point.
#[tokio::test]
async fn an_amount_that_is_too_large_is_told_with_its_bounds() {
    let config = CONFIG.replace("record_key =", "max_bad_rows = 0.9\nrecord_key =");
    let large = 9e13;
    let file = orders(&[
        ("1", "ann@example.org", Some(large), "paid"),
        ("2", "ann@example.org", Some(-large), "paid"),
        ("3", "ann@example.org", Some(1e14), "paid"),
        ("4", "ann@example.org", Some(-1e20), "paid"),
        ("5", "ann@example.org", Some(f64::NAN), "paid"),
        ("6", "ann@example.org", None, "paid"),
    ]);
    let server = TestServer::start(TestLake::of(&config, &[("orders/a.parquet", &file)]));
    let client = connect(&server).await;
    let amounts = "SELECT order_id, amount FROM orders ORDER BY 1";
    assert_eq!(
        lines(&client, amounts).await,
        ["1|90000000000000.0000", "2|-90000000000000.0000"]
    );
    let told = one(&client, "SELECT rejections FROM perennial.files").await;
    let beyond = "\"amount is out of range: it goes from -99999999999999.9999 to 99999999999999.9999\":2";
    assert!(
        told.contains(beyond) && told.contains("is not a number\":2"),
        "{told}"
    );
    assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new());
}

/// A condition of a source that cannot be worked out leaves nothing out silently.
#[tokio::test]
async fn rows_of_which_nobody_can_say_whether_they_count_are_rejected() {
    let condition = |sql: &str| {
        let written = r#"where = "state <> 'draft'""#;
        assert!(CONFIG.contains(written));
        CONFIG.replace(written, &format!("where = \"{sql}\"\nmax_bad_rows = 0.5"))
    };
    let file = orders(&[
        ("1", "ann@example.org", Some(1.0), "2"),
        ("2", "bob@example.org", Some(1.0), "x"),
        ("3", "cy@example.org", Some(1.0), "1"),
    ]);
    let lake = TestLake::of(&condition("state::int > 1"), &[("orders/a.parquet", &file)]);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let sql = "SELECT state, rows_landed, rows_unified, rows_filtered, rows_rejected, rejections FROM perennial.files";
    let answer = one(&client, sql).await;
    assert!(
        answer.starts_with("live|3|1|1|1|{") && answer.contains("where cannot be worked out"),
        "{answer}"
    );
    assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new());

    let lake = TestLake::of(&condition("state"), &[("orders/a.parquet", &file)]);
    let told = lake.check().unwrap_err().join("\n");
    assert!(
        told.contains("where of source \"shop\"") && told.contains("no condition"),
        "{told}"
    );
}

/// The last file with a partition goes, and expressions still name its column.
#[tokio::test]
async fn a_partition_that_no_file_has_any_more_is_null() {
    let written = r#"status = "state" }"#;
    assert!(CONFIG.contains(written));
    let config = CONFIG.replace(written, r#"status = "state", channel = "place" }"#);
    let first = orders(&[("1", "ann@example.org", Some(1.0), "paid")]);
    let second = orders(&[("2", "bob@example.org", Some(2.0), "paid")]);
    let third = orders(&[("3", "cy@example.org", Some(3.0), "paid")]);
    let lake = TestLake::of(
        &config,
        &[
            ("orders/place=web/a.parquet", &first),
            ("orders/b.parquet", &second),
        ],
    );
    lake.unify();
    let sql = "SELECT order_id || ':' || coalesce(channel, '-') FROM orders ORDER BY 1";
    let told = |lake: &TestLake| -> Vec<String> {
        let rows = lake.try_query(Setup::default(), sql).unwrap();
        rows.into_iter().flatten().flatten().collect()
    };
    assert_eq!(told(&lake), ["1:web", "2:-"]);
    lake.remove("orders/place=web/a.parquet");
    lake.land("orders/c.parquet", &third);
    lake.unify();
    assert_eq!(told(&lake), ["2:-", "3:-"]);
}

#[tokio::test]
async fn a_file_above_the_bound_of_bad_rows_is_quarantined() {
    let bad = orders(&[
        ("1", "ann@example.org", Some(1.0), "paid"),
        ("2", "bob@example.org", None, "paid"),
        ("5", "eve@example.org", None, "paid"),
    ]);
    // One slip in a handful is a bad row and no bad file.
    let good = orders(&[
        ("3", "cy@example.org", Some(3.0), "paid"),
        ("4", "dan@example.org", None, "paid"),
    ]);
    let server = TestServer::start(TestLake::of(
        CONFIG,
        &[("orders/a.parquet", &good), ("orders/b.parquet", &bad)],
    ));
    let client = connect(&server).await;
    assert_eq!(
        lines(&client, "SELECT path, state FROM perennial.files ORDER BY path").await,
        ["orders/a.parquet|live", "orders/b.parquet|quarantined"]
    );
    assert_eq!(one(&client, "SELECT sum(amount) FROM orders").await, "3.0000");
    assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "1");
}

#[tokio::test]
async fn a_file_that_lands_replaces_or_goes_is_seen_without_a_restart() {
    let first = orders(&[("1", "ann@example.org", Some(10.0), "paid")]);
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &first)]));
    let client = connect(&server).await;
    let sum = "SELECT sum(amount) FROM orders";
    assert_eq!(one(&client, sum).await, "10.0000");

    server.lake().land(
        "orders/b.parquet",
        &orders(&[("2", "bob@example.org", Some(5.0), "paid")]),
    );
    becomes(&client, sum, "15.0000").await;
    assert_eq!(one(&client, "SELECT count(*) FROM customer_360").await, "2");

    // A file that is bad first and is then repaired.
    server.lake().land("orders/c.parquet", b"PAR1");
    becomes(
        &client,
        "SELECT count(*) FROM perennial.files WHERE state = 'quarantined'",
        "1",
    )
    .await;
    assert_eq!(one(&client, sum).await, "15.0000");
    server.lake().land(
        "orders/c.parquet",
        &orders(&[("3", "cy@example.org", Some(7.0), "paid")]),
    );
    becomes(&client, sum, "22.0000").await;

    std::fs::remove_file(server.lake().root().join("orders/b.parquet")).unwrap();
    becomes(&client, sum, "17.0000").await;
    assert_eq!(lines(&client, UNEQUAL).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_transaction_keeps_the_snapshot_that_it_began_with() {
    let first = orders(&[("1", "ann@example.org", Some(10.0), "paid")]);
    let server = TestServer::start(TestLake::of(CONFIG, &[("orders/a.parquet", &first)]));
    let (reader, other) = (connect(&server).await, connect(&server).await);
    let sum = "SELECT sum(amount) FROM orders";
    reader.batch_execute("BEGIN").await.unwrap();
    assert_eq!(one(&reader, sum).await, "10.0000");
    server.lake().land(
        "orders/b.parquet",
        &orders(&[("2", "bob@example.org", Some(5.0), "paid")]),
    );
    becomes(&other, sum, "15.0000").await;
    assert_eq!(one(&reader, sum).await, "10.0000");
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(one(&reader, sum).await, "15.0000");
}

/// Orders of a shop that calls the amount otherwise.
fn totals(rows: usize) -> Vec<u8> {
    let text = |make: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new((0..rows).map(|row| Some(make(row))).collect::<StringArray>())
    };
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| DAY + row as i64));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", text(&|row| format!("t{row}"))),
        ("email", text(&|row| format!("t{row}@example.org"))),
        ("total", Arc::new(Float64Array::from(vec![1.0; rows]))),
        ("state", text(&|_| "paid".to_owned())),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

#[tokio::test]
async fn a_file_without_the_columns_of_the_mapping_is_refused_however_many_rows_it_has() {
    let server = TestServer::start(TestLake::of(
        CONFIG,
        &[
            (
                "orders/a.parquet",
                &orders(&[("1", "ann@example.org", Some(10.0), "paid")]),
            ),
            ("orders/b.parquet", &totals(50)),
        ],
    ));
    let client = connect(&server).await;
    assert_eq!(
        lines(
            &client,
            "SELECT path, state, reason FROM perennial.files ORDER BY path"
        )
        .await,
        [
            "orders/a.parquet|live|",
            "orders/b.parquet|quarantined|has no column \"amount\", which columns.amount of the source needs",
        ]
    );
    assert_eq!(one(&client, "SELECT sum(amount) FROM orders").await, "10.0000");
    assert_eq!(
        lines(&client, "SELECT column_name FROM information_schema.columns WHERE table_schema = 'raw' ORDER BY ordinal_position").await,
        ["id", "email", "amount", "state", "at"],
    );
}

#[tokio::test]
async fn a_file_replaced_by_one_with_other_columns_does_not_stop_the_rest() {
    let server = TestServer::start(TestLake::of(
        CONFIG,
        &[(
            "orders/a.parquet",
            &orders(&[("1", "ann@example.org", Some(10.0), "paid")]),
        )],
    ));
    let client = connect(&server).await;
    server.lake().land("orders/a.parquet", &totals(3));
    becomes(
        &client,
        "SELECT reason FROM perennial.files",
        "has no column \"amount\", which columns.amount of the source needs",
    )
    .await;
    server.lake().land(
        "orders/b.parquet",
        &orders(&[("2", "bob@example.org", Some(20.5), "paid")]),
    );
    becomes(&client, "SELECT sum(amount) FROM orders", "20.5000").await;
}

/// A club with points, and orders; who has a hundred points is noble.
const CLUB: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[[source]]
name = "club"
kind = "profile"
path = "club/"
record_key = "id"
time = "TIMESTAMPTZ '2026-01-01 00:00:00Z'"
identifiers = { email = "email" }
traits = { points = "points" }
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount" }
[[segment]]
name = "noble"
where = "points >= 100"
[server]
authentication = "trust"
"#;

#[test]
fn a_trait_keeps_its_type_when_the_last_file_of_its_source_has_gone() {
    let points: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["1", "2"]))),
        (
            "email",
            Arc::new(StringArray::from(vec!["ann@example.org", "bob@example.org"])),
        ),
        ("points", Arc::new(Int64Array::from(vec![250, 9]))),
    ];
    let points = parquet(&RecordBatch::try_from_iter(points).unwrap());
    let of = |key: &str| orders(&[(key, "ann@example.org", Some(1.0), "paid")]);
    let lake = TestLake::of(
        CLUB,
        &[("club/a.parquet", &points), ("orders/a.parquet", &of("1"))],
    );
    let queries = [
        "SELECT email FROM segment_members JOIN customers USING (customer_id) WHERE segment = 'noble'",
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'customers' AND column_name = 'points'",
        "SELECT email, points FROM customers ORDER BY 1",
    ]
    .map(str::to_owned);
    let told = || {
        let (report, answers) = lake.answers(false, &queries);
        (report.why_full, answers)
    };
    let (first, answers) = told();
    assert_eq!(first.as_deref(), Some("it is the first run"));
    assert_eq!(
        answers,
        [
            vec!["ann@example.org"],
            vec!["bigint"],
            vec!["ann@example.org|250", "bob@example.org|9"]
        ]
    );

    // Nobody has points; the condition is as sound as before.
    lake.remove("club/a.parquet");
    lake.check().unwrap();
    let (full, answers) = told();
    assert!(full.is_some());
    assert_eq!(answers, [vec![], vec!["bigint"], vec!["ann@example.org|∅"]]);
    // So it is for the runs behind that one, small and large, and when the file is there again.
    lake.land("orders/b.parquet", &of("2"));
    let (part, answers) = told();
    assert_eq!(part, None);
    assert_eq!(answers, [vec![], vec!["bigint"], vec!["ann@example.org|∅"]]);
    let (_, answers) = lake.answers(true, &queries);
    assert_eq!(answers, [vec![], vec!["bigint"], vec!["ann@example.org|∅"]]);
    lake.land("club/b.parquet", &points);
    let (_, answers) = told();
    assert_eq!(answers[0], ["ann@example.org"]);
}

/// A writer that writes a file bit by bit, and is looked at meanwhile.
#[tokio::test]
async fn a_file_that_grows_is_read_when_it_has_come_to_rest() {
    // Files of the test are written at the moment of its clock, but for the first one.
    const MOMENT: u64 = 1_000;
    let clock = FixedClock::new(1_577_836_800_000_000 + MOMENT as i64 * 1_000_000);
    let lake = TestLake::of(matrix::CONFIG, &[("orders/a.parquet", &matrix::orders("a", 3))]);
    rest(&lake.root().join("orders/a.parquet"), 0);
    let setup = Setup {
        clock: Some(Arc::new(clock)),
        ..Setup::default()
    };
    let server = TestServer::start_with(lake, setup);
    let client = connect(&server).await;
    let says = async |expected: &str| {
        let sql = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM perennial.files)";
        assert_eq!(one(&client, sql).await, expected);
    };
    let write = |bytes: &[u8]| {
        server.lake().land("orders/b.parquet", bytes);
        rest(&server.lake().root().join("orders/b.parquet"), MOMENT);
    };
    let mut looks = Looks::default();
    let whole = matrix::orders("b", 50);
    let quarters = (1..=4).map(|quarter| &whole[..whole.len() * quarter / 4]);
    // The last look but one sees all of it, and cannot know that nothing more comes.
    for part in quarters {
        write(part);
        let (report, seen) = server.look_again(looks).await;
        looks = seen;
        assert_eq!(report.snapshot, None, "{} bytes", part.len());
        says("3|1").await;
    }
    let (report, mut looks) = server.look_again(looks).await;
    assert_eq!(report.snapshot, Some(2));
    says("53|2").await;

    // One that is served is written anew: its rows stay until it is done.
    for part in [&whole[..100], &whole[..2_000], &matrix::orders("c", 20)] {
        write(part);
        let (report, seen) = server.look_again(looks).await;
        looks = seen;
        assert_eq!(report.snapshot, None, "{} bytes", part.len());
        says("53|2").await;
    }
    let (report, _) = server.look_again(looks).await;
    assert_eq!(report.snapshot, Some(3));
    says("23|2").await;
    let files = "SELECT path, state, rows_landed, rows_unified FROM perennial.files ORDER BY 1";
    assert_eq!(
        lines(&client, files).await,
        ["orders/a.parquet|live|3|3", "orders/b.parquet|live|20|20"]
    );
}
