//! What `check` says of a configuration and the files that it is for.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use perennial_testkit::{Doubt, Noticed, TestLake};

use crate::runs::{config, orders};
use crate::support::parquet;

/// Three orders of two people.
pub(crate) fn three() -> Vec<u8> {
    orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "unknown", "open", "EUR", 1),
        ("3", "bob@example.org", "open", "EUR", 2),
    ])
}

/// A lake of these files, whose configuration has something else instead of what it usually has.
pub(crate) fn lake(changes: &[(&str, &str)], more: &str, files: &[(&str, &[u8])]) -> TestLake {
    let mut config = config("", more);
    for (usual, instead) in changes {
        assert_eq!(config.matches(usual).count(), 1, "{usual} in {config}");
        config = config.replace(usual, instead);
    }
    TestLake::of(&config, files)
}

/// The expression of the orders' amounts.
const AMOUNT: &str = "amount = \"amount\"";
/// The expression of the orders' key.
const KEY: &str = "record_key = \"id\"";
/// The expression of the orders' identifier.
pub(crate) const EMAIL: &str = "email = \"email\"";

#[test]
fn a_configuration_that_fits_is_told_nothing() {
    let lake = lake(&[], "", &[("orders/1.parquet", &three())]);
    let report = lake.check().unwrap();
    let sources: Vec<_> = report
        .sources
        .iter()
        .map(|source| (source.name.as_str(), source.files, source.rows))
        .collect();
    assert_eq!(sources, [("shop", 1, 3)]);
    assert!(
        report.quarantined.is_empty()
            && report.rejected.is_empty()
            && report.unusable.is_empty()
            && report.of_no_source.is_empty()
            && report.doubtful_keys.is_empty()
            && report.astray.is_empty()
            && report.noticed == Noticed::default(),
        "{report:?}"
    );
}

#[test]
fn a_mapping_that_rejects_every_row_does_not_fit() {
    let lake = lake(
        &[(AMOUNT, "amount = \"state\"")],
        "",
        &[("orders/1.parquet", &three())],
    );
    let config = config("", "");
    let line = config
        .lines()
        .position(|line| line.starts_with("columns"))
        .unwrap()
        + 1;
    let errors = lake.check().unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    let said = format!(
        "perennial.toml:{line}:22: columns.amount of source \"shop\": every row at the start of orders/1.parquet would be \
         rejected: amount is NULL or is not a number\nCorrect the expression, or the files."
    );
    assert!(error.ends_with(&said), "{error}");
}

#[test]
fn a_file_of_which_every_row_is_rejected_is_a_warning_beside_one_that_is_served() {
    let bad = orders(&[("4", "ann@example.org", "open", "EUR", 0)]);
    let paid = (AMOUNT, "amount = \"CASE state WHEN 'paid' THEN amount END\"");
    let good = orders(&[("1", "ann@example.org", "paid", "EUR", 0)]);
    let one = lake(
        &[paid],
        "",
        &[("orders/1.parquet", &good), ("orders/2.parquet", &bad)],
    );
    let warned = one.check().unwrap().quarantined.into_iter();
    let warned: Vec<_> = warned.map(|file| (file.source, file.path, file.reason)).collect();
    assert_eq!(warned.len(), 1);
    assert_eq!(warned, one.unify().quarantined);
    // With none that is served it is the mapping.
    one.land("orders/1.parquet", &bad);
    let errors = one.check().unwrap_err();
    assert!(
        errors[0].contains("every row at the start of orders/2.parquet would be rejected"),
        "{errors:?}"
    );
}

#[test]
fn all_slips_of_a_source_are_named_at_once_in_the_order_of_the_file() {
    let slips = [
        (KEY, "record_key = \"idd\"", "record_key", "idd"),
        ("time = \"at\"", "time = \"att\"", "time", "att"),
        (EMAIL, "email = \"emial\"", "identifiers.email", "emial"),
        (AMOUNT, "amount = \"amuont\"", "columns.amount", "amuont"),
        (
            "status = \"state\"",
            "status = \"sate\"",
            "columns.status",
            "sate",
        ),
    ];
    let changes = slips.map(|(usual, instead, ..)| (usual, instead));
    let lake = lake(&changes, "", &[("orders/1.parquet", &three())]);
    let errors = lake.check().unwrap_err();
    let written = changes.iter().fold(config("", ""), |text, (usual, instead)| {
        text.replace(usual, instead)
    });
    let expected = slips.map(|(.., key, column)| {
        let quoted = format!("\"{column}\"");
        let (number, line) = (1..)
            .zip(written.lines())
            .find(|(_, line)| line.contains(&quoted))
            .unwrap();
        let at = line.find(&quoted).unwrap() + 1;
        format!("perennial.toml:{number}:{at}: {key} of source \"shop\": column {quoted} does not exist")
    });
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for (error, expected) in errors.iter().zip(&expected) {
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
    // So does the reason for which nothing of it is served.
    let unfit = lake.unify().unfit;
    let [(_, reason)] = unfit.as_slice() else {
        panic!("{unfit:?}")
    };
    let told: Vec<&str> = reason.split("; ").collect();
    assert_eq!(told.len(), slips.len(), "{reason}");
    for (told, (.., key, column)) in told.iter().zip(slips) {
        assert!(
            told.starts_with(&format!("{key} of the source, in perennial.toml:"))
                && told.ends_with(&format!("column \"{column}\" does not exist")),
            "{told}"
        );
    }
}

/// What is in doubt about the key of these orders: value, reason, and rows compared.
fn doubt(key: &str, rows: &[(&str, &str, &str, &str, i64)]) -> Option<(String, Doubt, u64)> {
    let file = orders(rows);
    let lake = lake(&[(KEY, key)], "", &[("orders/1.parquet", &file)]);
    let mut doubtful = lake.check().unwrap().doubtful_keys;
    assert!(doubtful.len() < 2, "{doubtful:?}");
    let found = doubtful.pop()?;
    assert_eq!((found.source.as_str(), found.key.as_str()), ("shop", "id"));
    Some((found.value, found.doubt, found.compared))
}

#[test]
fn a_key_of_rows_that_differ_is_in_doubt_unless_something_tells_the_newest() {
    let dated = "record_key = \"id\"\nupdated_at = \"at\"";
    let unordered = |by: Option<&str>| Doubt::Unordered {
        keys: 1,
        rows: 2,
        by: by.map(|sql| ("updated_at", sql.to_owned())),
    };
    let order = |key, state, day| (key, "ann@example.org", state, "EUR", day);
    let once = [
        order("1", "paid", 0),
        order("2", "open", 0),
        order("3", "open", 5),
    ];
    let again = [
        order("1", "paid", 0),
        order("2", "open", 0),
        order("1", "paid", 0),
    ];
    let other = [
        order("1", "paid", 0),
        order("2", "open", 0),
        order("1", "open", 0),
    ];
    let later = [
        order("1", "paid", 0),
        order("2", "open", 0),
        order("1", "open", 1),
    ];
    for key in [KEY, dated] {
        // What has landed twice as it was is one order, whatever its time.
        assert_eq!((doubt(key, &once), doubt(key, &again)), (None, None), "{key}");
    }
    let one = |doubt| Some(("1".to_owned(), doubt, 3));
    assert_eq!(doubt(KEY, &other), one(unordered(None)));
    assert_eq!(doubt(KEY, &later), one(unordered(None)));
    assert_eq!(doubt(dated, &other), one(unordered(Some("at"))));
    assert_eq!(doubt(dated, &later), None);
    // Three orders of one key, each later than the one before: two of four rows are older ones, then three of five.
    let mut versions = vec![
        order("1", "a", 0),
        order("1", "b", 1),
        order("1", "c", 2),
        order("2", "a", 0),
    ];
    assert_eq!(doubt(dated, &versions), None);
    versions.push(order("1", "d", 3));
    assert_eq!(
        doubt(dated, &versions),
        Some(("1".to_owned(), Doubt::Versions(3), 5))
    );
    // A filter leaves rows out, and the key may be any expression.
    let filtered = "record_key = \"id\"\nwhere = \"state <> 'open'\"";
    assert_eq!(doubt(filtered, &other), None);
}

#[test]
fn a_key_of_profiles_has_the_versions_of_its_times() {
    let profiles = "record_key = \"id\"\ntraits = { state = \"state\" }";
    let changes = [
        ("kind = \"order\"", "kind = \"profile\""),
        (
            "columns = { amount = \"amount\", status = \"state\", currency = \"currency\" }",
            "",
        ),
        (KEY, profiles),
    ];
    let person = |state, day| ("1", "ann@example.org", state, "EUR", day);
    for (second, expected) in [(person("open", 1), 0), (person("open", 0), 1)] {
        let file = orders(&[person("paid", 0), second]);
        let lake = lake(&changes, "", &[("orders/1.parquet", &file)]);
        assert_eq!(lake.check().unwrap().doubtful_keys.len(), expected);
    }
}

#[test]
fn exports_of_the_same_records_are_versions_by_their_files() {
    let order = |key, state| (key, "ann@example.org", state, "EUR", 0);
    let first = [order("1", "open"), order("2", "open"), order("3", "open")];
    let changed = [
        order("1", "paid"),
        order("2", "open"),
        order("3", "open"),
        order("4", "open"),
    ];
    let twice = [
        order("1", "open"),
        order("2", "open"),
        order("3", "open"),
        order("3", "paid"),
    ];
    // Another shop that numbers from 1.
    let others = first.map(|(key, _, state, currency, day)| (key, "bob@example.org", state, currency, day));
    for (second, doubtful) in [(&changed[..], 0), (&twice[..], 1), (&others[..], 1)] {
        let lake = lake(&[], "", &[("orders/1.parquet", &orders(&first))]);
        lake.land("orders/2.parquet", &orders(second));
        assert_eq!(lake.check().unwrap().doubtful_keys.len(), doubtful, "{second:?}");
    }
    // By its name the first export is the last one.
    let lake = lake(&[], "", &[]);
    for (path, rows, seconds) in [
        ("orders/9.parquet", &first[..], 1),
        ("orders/10.parquet", &changed, 2),
    ] {
        lake.land(path, &orders(rows));
        let file = std::fs::File::options()
            .append(true)
            .open(lake.root().join(path))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + seconds))
            .unwrap();
    }
    assert_eq!(lake.check().unwrap().doubtful_keys.len(), 1);
}

#[test]
fn stages_that_nobody_can_be_in_are_told_with_their_line() {
    let stages = "[[lifecycle.stage]]\nname = \"buyer\"\norders = { at_least = 1 }\n[[lifecycle.stage]]\nname = \"loyal\"\n\
                  orders = { at_least = 4 }\n[[lifecycle.stage]]\nname = \"rest\"\n";
    let lake = lake(&[], stages, &[("orders/1.parquet", &three())]);
    let errors = lake.check().unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    let said = "lifecycle stage \"loyal\" is never reached: stage \"buyer\" in line";
    assert!(
        error.contains("perennial.toml:") && error.contains(said),
        "{error}"
    );
}

/// A row is read once: with what changes from run to run it would be another row by when it was read.
#[test]
fn what_another_run_would_read_differently_is_an_error_with_its_place() {
    let config = config("", "");
    let line = |text: &str| 1 + config.lines().position(|line| line.starts_with(text)).unwrap();
    for (usual, instead, at) in [
        (
            KEY,
            "record_key = \"random()::text\"",
            format!("{}:14: record_key", line(KEY)),
        ),
        (
            AMOUNT,
            "amount = \"extract(epoch FROM now())\"",
            format!("{}:22: columns.amount", line("columns")),
        ),
    ] {
        let lake = lake(&[(usual, instead)], "", &[("orders/1.parquet", &three())]);
        let errors = lake.check().unwrap_err();
        let name = if usual == KEY { "random" } else { "now" };
        let told =
            format!("perennial.toml:{at} of source \"shop\": {name}() gives another value at each run");
        assert!(errors[0].contains(&told), "{errors:?}");
    }
    let filter = format!("{KEY}\nwhere = \"at < now()\"");
    let lake = lake(&[(KEY, &filter)], "", &[("orders/1.parquet", &three())]);
    let errors = lake.check().unwrap_err();
    assert!(
        errors[0].contains("where of source \"shop\": now() gives another value"),
        "{errors:?}"
    );
}

#[test]
fn a_fact_may_not_ask_for_what_is_known_only_now() {
    let facts = "[lifecycle.facts]\nclosing = \"orders where refunded > 0\"\n";
    let lake = lake(&[], facts, &[("orders/1.parquet", &three())]);
    let errors = lake.check().unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert!(
        error.contains("column \"refunded\" is what was given back until now"),
        "{error}"
    );
}

#[test]
fn rows_that_would_be_rejected_are_counted_with_their_reason() {
    let lake = lake(
        &[
            (AMOUNT, "amount = \"CASE state WHEN 'paid' THEN amount END\""),
            (KEY, "record_key = \"id\"\nmax_bad_rows = 0.6"),
        ],
        "",
        &[("orders/1.parquet", &three())],
    );
    let rejected = lake.check().unwrap().rejected;
    let [rejected] = rejected.as_slice() else {
        panic!("{rejected:?}")
    };
    assert_eq!(
        (rejected.source.as_str(), rejected.path.as_str()),
        ("shop", "orders/1.parquet")
    );
    assert_eq!(
        rejected.reasons,
        [("amount is NULL or is not a number".to_owned(), 2_u64)]
    );
}

#[test]
fn a_filter_that_leaves_no_row_is_no_mistake_of_the_mapping() {
    let lake = lake(
        &[
            (AMOUNT, "amount = \"state\""),
            (KEY, "record_key = \"id\"\nwhere = \"state = 'returned'\""),
        ],
        "",
        &[("orders/1.parquet", &three())],
    );
    assert!(lake.check().unwrap().rejected.is_empty());
}

#[test]
fn files_of_no_source_are_named() {
    let good = three();
    let files: [(&str, &[u8]); 5] = [
        ("orders/1.parquet", &good),
        ("order/1.parquet", b"whatever it holds"),
        ("refunds/2026/1.parquet", b"whatever it holds"),
        ("refunds/readme.txt", b"no table"),
        ("refunds/_temporary/2.parquet", b"not done"),
    ];
    let lake = lake(&[], "", &files);
    // What a run writes is the platform's own.
    lake.unify();
    let found = lake.check().unwrap().of_no_source;
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["order/1.parquet", "refunds/2026/1.parquet"]);
}

/// Exchange rates.
const RATES: &str = r#"
[[source]]
name = "rates"
kind = "fx_rate"
path = "rates/"
columns = { date = "date", currency = "currency", rate = "rate" }
"#;

/// A rate of a half for each currency, from a day of 2026 on.
fn rates(rows: &[(&str, i32)]) -> Vec<u8> {
    // 2026-01-01 is day 20,454 since 1970.
    let days = Date32Array::from_iter_values(rows.iter().map(|row| 20_454 + row.1));
    let columns: [(&str, ArrayRef); 3] = [
        ("date", Arc::new(days)),
        (
            "currency",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
        ),
        ("rate", Arc::new(Float64Array::from(vec![0.5; rows.len()]))),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// The currencies named, each with its day and the number of its amounts.
fn missing(lake: &TestLake) -> Vec<String> {
    let missing = lake.check().unwrap().rates.missing;
    missing
        .iter()
        .map(|rate| format!("{} {} {}", rate.currency, rate.day, rate.amounts))
        .collect()
}

/// Orders in four currencies; the one in francs is a draft.
fn abroad() -> Vec<u8> {
    orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "ann@example.org", "paid", "usd", 3),
        ("3", "ann@example.org", "paid", "USD", 1),
        ("4", "bob@example.org", "paid", "GBP", 5),
        ("5", "bob@example.org", "draft", "CHF", 0),
    ])
}

const NO_DRAFTS: &str = "record_key = \"id\"\nwhere = \"state <> 'draft'\"";

#[test]
fn currencies_without_rates_are_named_with_the_first_day_that_needs_one() {
    let lake = lake(&[(KEY, NO_DRAFTS)], RATES, &[("orders/1.parquet", &abroad())]);
    assert_eq!(missing(&lake), ["GBP 2026-01-06 1", "USD 2026-01-02 2"]);
}

#[test]
fn a_currency_whose_rates_begin_too_late_is_named() {
    let known = rates(&[("USD", 1), ("GBP", 6)]);
    let lake = lake(
        &[(KEY, NO_DRAFTS)],
        RATES,
        &[("orders/1.parquet", &abroad()), ("rates/1.parquet", &known)],
    );
    assert_eq!(missing(&lake), ["GBP 2026-01-06 1"]);
}

#[test]
fn currencies_with_rates_are_not_named() {
    let known = rates(&[("USD", 0), ("GBP", 5)]);
    let lake = lake(
        &[(KEY, NO_DRAFTS)],
        RATES,
        &[("orders/1.parquet", &abroad()), ("rates/1.parquet", &known)],
    );
    assert_eq!(missing(&lake), Vec::<String>::new());
}

#[test]
fn rates_that_lead_to_another_currency_are_told() {
    // A table that has a rate of the euro other than 1 is not one to the euro.
    let known = rates(&[("USD", 0), ("GBP", 0), ("EUR", 3)]);
    let lake = lake(
        &[(KEY, NO_DRAFTS)],
        RATES,
        &[("orders/1.parquet", &abroad()), ("rates/1.parquet", &known)],
    );
    let foreign = lake.check().unwrap().rates.foreign.unwrap();
    assert_eq!(
        (
            foreign.currency.as_str(),
            foreign.day.as_str(),
            foreign.rate.as_str()
        ),
        ("EUR", "2026-01-04", "0.5")
    );
    lake.unify();
    assert_eq!(lake.rate_doubts().foreign, Some(foreign));
    lake.land("rates/1.parquet", &rates(&[("USD", 0), ("GBP", 0)]));
    lake.unify();
    assert_eq!(
        (lake.rate_doubts().foreign, lake.check().unwrap().rates.foreign),
        (None, None)
    );
}

#[test]
fn the_day_of_a_rate_is_one_of_the_lake_s_zone() {
    // Midnight in UTC is still the evening before in New York.
    let zone = "[time]\nzone = \"America/New_York\"";
    let more = format!("{RATES}\n{zone}");
    let lake = lake(&[(KEY, NO_DRAFTS)], &more, &[("orders/1.parquet", &abroad())]);
    assert_eq!(missing(&lake), ["GBP 2026-01-05 1", "USD 2026-01-01 2"]);
}

#[test]
fn orders_later_than_the_moment_described_need_no_rate() {
    let more = format!("{RATES}\n[time]\nas_of = \"2026-01-04T00:00:00Z\"");
    let lake = lake(&[(KEY, NO_DRAFTS)], &more, &[("orders/1.parquet", &abroad())]);
    assert_eq!(missing(&lake), ["USD 2026-01-02 2"]);
}

#[tokio::test]
async fn a_landed_column_says_what_it_becomes() {
    let lake = lake(&[], "", &[("orders/1.parquet", &three())]);
    let server = perennial_testkit::TestServer::start(lake);
    let client = crate::support::connect(&server).await;
    let comments = "SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a \
                    WHERE a.attrelid = 'raw.shop'::regclass AND a.attname IN ('id', 'at', 'email', 'state') ORDER BY 1";
    assert_eq!(
        crate::support::lines(&client, comments).await,
        [
            "at|As it landed; served as orders.time: When it happened",
            "email|As it landed; served as customers.email",
            "id|As it landed; served as orders.order_id: The order's record key",
            "state|As it landed; served as orders.status: State of the order, as the source names it",
        ]
    );
    let error = client
        .batch_execute("SELECT max(at) FROM orders")
        .await
        .unwrap_err();
    assert_eq!(
        error.as_db_error().and_then(|error| error.hint()),
        Some("Source \"shop\" maps its column \"at\" to \"time\".")
    );
}
