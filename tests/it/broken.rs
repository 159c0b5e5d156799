//! Sources that do not fit their files, beside sources that do; and values that cannot be worked out.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{RunOptions, Setup, TestLake, TestServer};

use crate::runs::{config, orders};
use crate::support::{connect, lines, one, parquet};

/// 2026-01-01, in microseconds and in days since 1970.
const NEW_YEAR: i64 = 1_767_225_600_000_000;
const NEW_YEAR_DAY: i32 = 20_454;

/// A run that waits for files which have just landed.
const SETTLED: RunOptions = RunOptions::SETTLED;

/// What a CRM knows of people: their cities, and a week after the day on which they signed.
const CRM: &str = r#"
[[source]]
name = "crm"
kind = "profile"
path = "crm/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
traits = { city = "city", reminded_on = "signed + 7" }
"#;

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Two people of the CRM: their keys begin like this, and their files have these columns too.
fn people(key: &str, more: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let times = TimestampMicrosecondArray::from(vec![NEW_YEAR; 2]).with_timezone("UTC");
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", texts(&[&format!("{key}1"), &format!("{key}2")])),
        (
            "email",
            texts(&["ann@example.org", &format!("{key}@example.org")]),
        ),
        ("at", Arc::new(times)),
    ];
    columns.extend(more);
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

fn signed() -> (&'static str, ArrayRef) {
    ("signed", Arc::new(Date32Array::from(vec![NEW_YEAR_DAY; 2])))
}

fn cities() -> (&'static str, ArrayRef) {
    ("city", texts(&["Bonn", "Ulm"]))
}

fn shop() -> Vec<u8> {
    orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "bob@example.org", "paid", "EUR", 1),
    ])
}

/// The column in which the expression of the trait `city` begins: behind `traits = { city = `.
const TRAIT: usize = 19;

fn line_of(text: &str) -> usize {
    config("", CRM)
        .lines()
        .position(|line| line.starts_with(text))
        .unwrap()
        + 1
}

const FILES: &str =
    "SELECT path, state, coalesce(reason, '-') FROM perennial.files WHERE source = 'crm' ORDER BY path";

#[tokio::test]
async fn a_source_whose_mapping_does_not_fit_stops_no_other() {
    let lake = TestLake::of(
        &config("", CRM),
        &[
            ("orders/1.parquet", &shop()),
            ("crm/1.parquet", &people("a", vec![signed()])),
        ],
    );
    let line = line_of("traits");
    let why = format!(
        "traits.city of the source, in perennial.toml:{line}:{TRAIT}: column \"city\" does not exist"
    );
    let errors = lake.check().unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert!(
        error.contains(&format!(
            ":{line}:{TRAIT}: traits.city of source \"crm\": column \"city\" does not exist"
        )),
        "{error}"
    );
    let report = lake.unify();
    assert_eq!(report.unfit, [("crm".to_owned(), why.clone())]);
    {
        let server = TestServer::start(lake.clone());
        let client = connect(&server).await;
        assert_eq!(
            one(&client, "SELECT count(*), sum(amount) FROM orders").await,
            "2|20.0000"
        );
        assert_eq!(one(&client, "SELECT count(*) FROM customers").await, "2");
        assert_eq!(
            lines(&client, FILES).await,
            [format!(
                "crm/1.parquet|quarantined|the mapping does not fit the files of the source: {why}"
            )]
        );
        let sources = "SELECT source, files, files_quarantined, coalesce(reason, '-') FROM perennial.sources ORDER BY 1";
        assert_eq!(
            lines(&client, sources).await,
            [format!("crm|0|1|{why}"), "shop|1|0|-".to_owned()]
        );
        assert_eq!(
            one(
                &client,
                "SELECT sources_unfit FROM perennial.runs WHERE state = 'committed'"
            )
            .await,
            "crm"
        );
    }
    // Nothing new is nothing new, also beside a source that does not fit.
    let again = lake.try_run(Setup::default(), SETTLED).unwrap();
    assert_eq!(again.snapshot, None);

    // Files with the column heal it, those that were there included.
    lake.land("crm/2.parquet", &people("b", vec![signed(), cities()]));
    let report = lake.try_run(Setup::default(), SETTLED).unwrap();
    assert_eq!(report.unfit, []);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        lines(&client, FILES).await,
        ["crm/1.parquet|live|-", "crm/2.parquet|live|-"]
    );
    let found = "SELECT email, coalesce(city, '-'), reminded_on FROM customers ORDER BY 1";
    assert_eq!(
        lines(&client, found).await,
        [
            "a@example.org|-|2026-01-08",
            "ann@example.org|Bonn|2026-01-08",
            "b@example.org|Ulm|2026-01-08",
            "bob@example.org|-|",
        ]
    );
}

#[tokio::test]
async fn rows_that_are_served_do_not_vanish_for_a_slip_in_the_configuration() {
    let lake = TestLake::of(
        &config("", CRM),
        &[
            ("orders/1.parquet", &shop()),
            ("crm/1.parquet", &people("a", vec![signed(), cities()])),
        ],
    );
    lake.unify();
    lake.configure(&config("", &CRM.replace("\"city\"", "\"town\"")));
    let refused = lake.try_run(Setup::default(), SETTLED).unwrap_err();
    let line = line_of("traits");
    assert!(
        refused.contains(&format!(
            ":{line}:{TRAIT}: traits.city of source \"crm\": column \"town\" does not exist"
        )),
        "{refused}"
    );
    // What was there is there.
    let served = lake
        .try_query(Setup::default(), "SELECT count(city) FROM customers")
        .unwrap();
    assert_eq!(served, [[Some("2".to_owned())]]);
}

#[tokio::test]
async fn a_file_that_breaks_a_mapping_is_quarantined_alone() {
    let lake = TestLake::of(
        &config("", CRM),
        &[
            ("orders/1.parquet", &shop()),
            ("crm/1.parquet", &people("a", vec![signed(), cities()])),
        ],
    );
    lake.unify();
    // Dates may become timestamps, but a number of days cannot be added to those.
    let times = TimestampMicrosecondArray::from(vec![NEW_YEAR; 2]);
    lake.land(
        "crm/2.parquet",
        &people("b", vec![("signed", Arc::new(times)), cities()]),
    );
    lake.land("crm/3.parquet", &people("c", vec![signed(), cities()]));
    let report = lake.unify();
    assert_eq!(report.unfit, []);
    let [(source, path, reason)] = report.quarantined.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!((source.as_str(), path.as_str()), ("crm", "crm/2.parquet"));
    assert!(
        reason.starts_with(
            "does not go with the mapping: traits.reminded_on of the source, in perennial.toml:"
        ),
        "{reason}"
    );
    let served = lake
        .try_query(Setup::default(), "SELECT count(reminded_on) FROM customers")
        .unwrap();
    assert_eq!(served, [[Some("3".to_owned())]]);
}

#[tokio::test]
async fn a_slip_in_a_condition_is_told_of_the_condition_beside_a_stray_file() {
    let stray: Vec<&str> = vec!["x"; 1_000];
    let stray = parquet(&RecordBatch::try_from_iter([("note", texts(&stray))]).unwrap());
    let slip = config("", "where = \"stat <> 'draft'\"");
    let lake = TestLake::of(
        &slip,
        &[("orders/1.parquet", &shop()), ("orders/stray.parquet", &stray)],
    );
    let errors = lake.check().unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert!(
        error.contains("where of source \"shop\": column \"stat\" does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn values_that_cannot_be_worked_out_are_counted_with_the_first_reason() {
    let times = TimestampMicrosecondArray::from_iter_values((0..5).map(|row| NEW_YEAR + row));
    let file = RecordBatch::try_from_iter([
        ("id", texts(&["1", "2", "3", "4", "5"])),
        ("email", texts(&["ann@example.org"; 5])),
        ("at", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("amount", Arc::new(Int64Array::from(vec![10; 5]))),
        ("state", texts(&["paid", "paid", "paid", "draft", "paid"])),
        ("currency", texts(&["EUR"; 5])),
        // The fourth row is filtered; an empty text is no value that could be lost.
        ("off", texts(&["1.5", "", "ten", "twelve", "many"])),
        (
            "units",
            Arc::new(Int64Array::from(vec![Some(2), Some(0), None, Some(0), Some(5)])),
        ),
    ]);
    let file = parquet(&file.unwrap());
    let text = config("", "where = \"state <> 'draft'\"").replace(
        "amount = \"amount\"",
        "amount = \"amount\", discount = \"CAST(off AS DECIMAL(18,4))\", cost = \"amount / units\"",
    );
    let lake = TestLake::of(&text, &[("orders/1.parquet", &file)]);
    let checked = lake.check().unwrap().lost;
    let checked: Vec<(&str, u64)> = checked
        .iter()
        .map(|lost| (lost.key.as_str(), lost.values))
        .collect();
    assert_eq!(checked, [("columns.discount", 2), ("columns.cost", 1)]);
    let report = lake.unify();
    assert_eq!(report.values_lost, [("shop".to_owned(), 3)]);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        lines(&client, "SELECT order_id, discount, cost FROM orders ORDER BY 1").await,
        ["1|1.5000|5.0000", "2||", "3||", "5||2.0000"]
    );
    assert_eq!(
        one(
            &client,
            "SELECT rows_unified, rows_rejected, values_lost, losses FROM perennial.files"
        )
        .await,
        "4|0|3|{\"columns.cost\":{\"reason\":\"division by zero\",\"row\":1,\"values\":1},\
         \"columns.discount\":{\"reason\":\"invalid input syntax for type numeric: \\\"ten\\\"\",\"row\":2,\"values\":2}}"
    );
    assert_eq!(
        one(&client, "SELECT values_lost FROM perennial.sources").await,
        "3"
    );
}
