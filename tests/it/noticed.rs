//! What runs and `check` notice of rows: it is probably not meant, and it is done all the same.

use perennial_testkit::{RunOptions, Setup};

use crate::check::{EMAIL, lake, three};
use crate::left_out::place;
use crate::runs::{Order, config, orders};

const ANN: &str = "ann@example.org";
/// An order whose key is an address.
const ADDRESS: Order<'_> = ("cy@example.org", ANN, "paid", "EUR", 0);

#[test]
fn an_identifier_of_which_no_value_can_be_used_is_named_with_one() {
    // The orders' keys are no addresses; an identifier of any text can be used.
    let lake = lake(
        &[(EMAIL, "email = \"id\", user_id = \"email\"")],
        "",
        &[("orders/1.parquet", &three())],
    );
    let unusable = lake.check().unwrap().unusable;
    let named: Vec<[&str; 4]> = unusable
        .iter()
        .map(|found| [&found.source, &found.path, &found.name, &found.value].map(String::as_str))
        .collect();
    assert_eq!(named, [["shop", "orders/1.parquet", "email", "1"]]);
}

#[test]
fn a_run_names_an_identifier_of_which_no_value_can_be_used() {
    let one = lake(
        &[(EMAIL, "email = \"id\", user_id = \"email\"")],
        "",
        &[("orders/1.parquet", &three())],
    );
    let run = || {
        let report = one.try_run(Setup::default(), RunOptions::SETTLED).unwrap();
        (report.full, report.noticed.told("perennial.toml"))
    };
    let place = place(&config("", ""), "\"email\" }");
    let told = |values: u32, such: &str| {
        format!(
            "perennial.toml:{place}: none of the {values} values of email of source \"shop\" can be used, such as \"{such}\": correct the mapping or the identifier's normalise"
        )
    };
    assert_eq!(run(), (true, vec![told(3, "1")]));
    // A part tells of what it has read; that a few values are bad says nothing of the mapping.
    let land = |path: &str, keys: std::ops::Range<u32>| {
        let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
        let rows: Vec<_> = keys
            .iter()
            .map(|key| (key.as_str(), "ann@example.org", "paid", "EUR", 0))
            .collect();
        one.land(path, &orders(&rows));
    };
    land("orders/2.parquet", 20..29);
    assert_eq!(run(), (false, vec![]));
    land("orders/3.parquet", 30..40);
    assert_eq!(run(), (false, vec![told(10, "30")]));
    // In a run over everything, that a few values can be used is chance.
    one.remove("orders/2.parquet");
    one.remove("orders/3.parquet");
    one.land(
        "orders/1.parquet",
        &orders(&[
            ADDRESS,
            ("50", ANN, "paid", "EUR", 0),
            ("51", ANN, "paid", "EUR", 0),
        ]),
    );
    let full = RunOptions {
        full: true,
        ..RunOptions::SETTLED
    };
    let noticed = || {
        let report = one.try_run(Setup::default(), full).unwrap();
        report.noticed.told("perennial.toml")
    };
    let most = told(3, "50").replace(
        "none of the 3 values of email of source \"shop\" can be used",
        "2 of the 3 values of email of source \"shop\" are none",
    );
    assert_eq!(noticed(), [most]);
    one.land(
        "orders/1.parquet",
        &orders(&[ADDRESS, ("50", ANN, "paid", "EUR", 0)]),
    );
    assert_eq!(noticed(), [""; 0]);
}

#[test]
fn an_identifier_with_a_handful_of_values_in_thousands_of_rows_is_told() {
    let keys: Vec<String> = (0..2_000).map(|key| key.to_string()).collect();
    let rows = |count: usize| {
        let rows = keys.iter().take(count).enumerate();
        let rows = rows.map(|(at, key)| (key.as_str(), ["a@x.org", "b@x.org"][at % 2], "paid", "EUR", 0));
        orders(&rows.collect::<Vec<_>>())
    };
    let noticed = |count| {
        let lake = lake(&[], "", &[("orders/1.parquet", &rows(count))]);
        lake.unify().noticed.told("perennial.toml")
    };
    let place = place(&config("", ""), "\"email\" }");
    assert_eq!(
        noticed(2_000),
        [format!(
            "perennial.toml:{place}: by email = email, 2000 rows of source \"shop\" have 2 different values, each of which is taken for one person: correct the mapping if it is none"
        )]
    );
    assert_eq!(noticed(1_999), Vec::<String>::new());
}

/// A source of answers.
const SURVEYS: &str = r#"
[[source]]
name = "answers"
kind = "survey"
path = "answers/"
time = "at"
identifiers = { email = "email" }
columns = { survey = "state", score = "amount * id::float8" }
max_bad_rows = 0.8
"#;

#[test]
fn an_answer_that_nps_does_not_have_is_a_bad_row() {
    // Ten times 1, 0.75 and 1.1 of nps, which takes the first, and 2 of csat, whose scale is not fixed.
    let answers = [
        ("1", "NPS"),
        ("0.75", " nps"),
        ("1.1", "nps"),
        ("2", "csat"),
        ("-0.1", "nps"),
    ];
    let answers = answers.map(|(score, survey)| (score, "ann@example.org", survey, "EUR", 0));
    let lake = lake(
        &[],
        SURVEYS,
        &[
            ("orders/1.parquet", &three()),
            ("answers/1.parquet", &orders(&answers)),
        ],
    );
    let rejected = lake.check().unwrap().rejected;
    let reasons: Vec<_> = rejected
        .into_iter()
        .flat_map(|rejected| rejected.reasons)
        .collect();
    let why = "score is no answer of nps: a whole number from 0 to 10";
    assert_eq!(reasons, [(why.to_owned(), 3)]);
    lake.unify();
    let sql = "SELECT survey || ' ' || score FROM surveys ORDER BY 1";
    let rows = lake.try_query(Setup::default(), sql).unwrap();
    let rows: Vec<_> = rows.into_iter().flatten().flatten().collect();
    assert_eq!(rows, ["NPS 10", "csat 20"]);
}

#[test]
fn an_identifier_that_is_missing_or_unusable_here_and_there_is_not_named() {
    // One of three addresses is none; then one is not given, and the first that is given is none.
    for expression in ["email", "CASE WHEN state = 'open' THEN email END"] {
        let instead = format!("email = \"{expression}\"");
        let lake = lake(&[(EMAIL, &instead)], "", &[("orders/1.parquet", &three())]);
        let unusable = lake.check().unwrap().unusable;
        assert!(unusable.is_empty(), "{expression}: {unusable:?}");
    }
}

/// Seconds that are read as milliseconds lie in 1970, and the other way round in a year of five digits.
#[test]
fn times_of_the_future_and_of_long_ago_are_told_with_the_place_of_their_expression() {
    for (time, said) in [
        (
            "at + interval '100 years'",
            "are of the future, such as 2126-01-01",
        ),
        ("at - interval '50 years'", "are before 1990, such as 1976-01-01"),
    ] {
        let written = format!("time = \"{time}\"");
        let lake = lake(
            &[("time = \"at\"", &written)],
            "",
            &[("orders/1.parquet", &three())],
        );
        let line = config("", "")
            .lines()
            .position(|line| line == "time = \"at\"")
            .unwrap()
            + 1;
        let told = format!(
            "perennial.toml:{line}:8: by time = {time}, 3 of 3 rows of source \"shop\" {said}: is it read in the unit in which it is written?"
        );
        let noticed = lake.check().unwrap().noticed.told("perennial.toml");
        assert!(noticed.contains(&told), "{noticed:?}");
        let noticed = lake.unify().noticed.told("perennial.toml");
        assert!(noticed.contains(&told), "{noticed:?}");
    }
    let right = lake(&[], "", &[("orders/1.parquet", &three())]);
    assert_eq!(right.check().unwrap().noticed.odd_times, []);
    assert_eq!(right.unify().noticed.odd_times, []);
}

#[test]
fn a_moment_before_everything_leaves_nobody_and_is_told() {
    let told = |as_of: &str| {
        let moment = format!("[time]\nas_of = \"{as_of}\"");
        let lake = lake(&[], &moment, &[("orders/1.parquet", &three())]);
        let report = lake.unify();
        (report.customers, report.noticed.told("perennial.toml"))
    };
    let nobody = "perennial.toml: there is no customer, as every row is of later than [time] as_of: write a later moment, or take it out to describe the present";
    assert_eq!(told("2020-01-01"), (0, vec![nobody.to_owned()]));
    let (customers, told) = told("2026-06-01");
    assert!(customers > 0 && told.is_empty(), "{told:?}");
}

#[test]
fn a_filter_that_leaves_nothing_is_told_in_a_first_run() {
    let told = |state: &str| {
        let filtered = format!("record_key = \"id\"\nwhere = \"state = '{state}'\"");
        let lake = lake(
            &[("record_key = \"id\"", &filtered)],
            "",
            &[("orders/1.parquet", &three())],
        );
        lake.unify().noticed.told("perennial.toml")
    };
    let [nothing] = &told("PAID")[..] else {
        panic!("{:?}", told("PAID"))
    };
    assert!(
        nothing.starts_with("perennial.toml:")
            && nothing.ends_with(
                ": by where = state = 'PAID', nothing is left of the 3 rows of source \"shop\": correct the condition"
            ),
        "{nothing}"
    );
    assert_eq!(told("paid"), [""; 0]);
}
