//! Windows that adapt and the presets over a lake: every interval worked out by hand from design 03.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use perennial_testkit::{RunOptions, Setup, TestLake};

use crate::support::parquet;
use crate::worlds::{HOUR, NEW_YEAR, land};

const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[time]
as_of = "2026-09-01T00:00:00Z"
[money]
currency = "EUR"
[[source]]
name = "people"
kind = "profile"
path = "people/"
record_key = "email"
time = "at"
identifiers = { email = "email" }
[[source]]
name = "shop"
kind = "order"
path = "shop/"
time = "at"
identifiers = { email = "email" }
columns = { amount = "number" }
[[source]]
name = "calls"
kind = "interaction"
path = "calls/"
time = "at"
identifiers = { email = "email" }
columns = { channel = "'phone'", type = "word" }
[[source]]
name = "billing"
kind = "subscription"
path = "billing/"
record_key = "email"
time = "at"
identifiers = { email = "email" }
columns = { mrr = "number", status = "word" }
[server]
authentication = "trust"
"#;

/// Who, when (a day from the start of 2026), a word and a number.
type Row = (&'static str, i64, &'static str, f64);

fn file(rows: &[Row]) -> Vec<u8> {
    let emails = rows.iter().map(|row| format!("{}@example.org", row.0));
    let times = rows.iter().map(|row| NEW_YEAR + row.1 * 24 * HOUR);
    let columns: [(&str, ArrayRef); 4] = [
        ("email", Arc::new(StringArray::from_iter_values(emails))),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ),
        (
            "word",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        ),
        (
            "number",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3))),
        ),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

/// Orders of somebody on some days.
fn orders(who: &'static str, days: &[i64]) -> Vec<Row> {
    days.iter().map(|day| (who, *day, "", 10.0)).collect()
}

/// The stages of these people by the lifecycle of `section`, each with the day on which it begins, after one run over
/// `landed`, and after a run for each file of it.
#[track_caller]
fn check(section: &str, landed: &[(&str, Vec<Row>)], expected: &[(&str, &str)]) {
    let config = format!("{CONFIG}[lifecycle]\n{section}\n");
    let sql = "SELECT split_part(email, '@', 1), stage, entered_at::date FROM lifecycle_history \
               JOIN customers USING (customer_id)"
        .to_owned();
    let options = RunOptions {
        settle: true,
        ..RunOptions::default()
    };
    for pieces in [false, true] {
        let lake = TestLake::of(&config, &[]);
        let mut answers = Vec::new();
        for (number, (source, rows)) in landed.iter().enumerate() {
            land(&lake, &format!("{source}/{number}.parquet"), &file(rows));
            if pieces || number + 1 == landed.len() {
                (_, answers) = lake.answers_of(Setup::default(), options, std::slice::from_ref(&sql));
            }
        }
        for (who, stages) in expected {
            let start = format!("{who}|");
            let of = answers[0].iter().filter_map(|line| line.strip_prefix(&start));
            let mut of: Vec<(&str, &str)> = of.map(|line| line.split_once('|').unwrap()).collect();
            of.sort_by_key(|(_, day)| *day);
            let told: Vec<String> = of.iter().map(|(stage, day)| format!("{stage} {day}")).collect();
            assert_eq!(told.join(", "), *stages, "{who}, in pieces: {pieces}");
        }
    }
}

#[test]
fn windows_that_adapt_follow_each_customer_s_own_rhythm_and_the_population_s_until_there_is_one() {
    // Zed gives the population its median gap, 10 days, from December on: twice that is the window of who has fewer than
    // three orders. No others' gaps change it: 1, 1, 10, 10, 10, 10, 40, 40 in April.
    let zed = orders("zed", &[-61, -51, -41]);
    // Her own gaps are of 10 days: active for 20 after the last order on day 20.
    let ann = orders("ann", &[0, 10, 20]);
    // One order on day 33.
    let bob = orders("bob", &[33]);
    // Day 0 to 40 is more than the population's 20 days; with the third order on day 80 the gaps are his own, of 40.
    let eve = orders("eve", &[0, 40, 80]);
    // Gaps of a day would be a window of two: it is never shorter than five, counted from day 33.
    let sam = orders("sam", &[31, 32, 33]);
    check(
        "active = { gap_multiple = 2.0, min = \"5 days\", max = \"100 days\" }\nlapse = \"150 days\"",
        &[
            ("shop", zed),
            ("shop", [ann, bob].concat()),
            ("shop", eve),
            ("shop", sam),
        ],
        &[
            (
                "ann",
                "conversion 2026-01-01, retention 2026-01-11, at_risk 2026-02-10, lapsed 2026-06-20",
            ),
            (
                "bob",
                "conversion 2026-02-03, at_risk 2026-02-23, lapsed 2026-07-03",
            ),
            (
                "eve",
                "conversion 2026-01-01, at_risk 2026-01-21, retention 2026-02-10, at_risk 2026-03-02, \
                 retention 2026-03-22, at_risk 2026-06-10, lapsed 2026-08-19",
            ),
            (
                "sam",
                "conversion 2026-02-01, retention 2026-02-02, at_risk 2026-02-08, lapsed 2026-07-03",
            ),
        ],
    );
}

/// A prospect who is called on day 9 and buys on days 120 and 151; a buyer of four orders in four days; a contract.
fn mixed() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("people", vec![("pat", 0, "", 0.0)]),
        ("calls", vec![("pat", 9, "call", 0.0)]),
        (
            "shop",
            [orders("pat", &[120, 151]), orders("dan", &[0, 1, 2, 3])].concat(),
        ),
        (
            "billing",
            vec![
                ("sue", 0, "trialing", 20.0),
                ("sue", 14, "active", 20.0),
                ("sue", 73, "active", 50.0),
                ("sue", 181, "canceled", 50.0),
                ("sue", 212, "active", 50.0),
            ],
        ),
    ]
}

#[test]
fn the_classic_preset_says_how_far_a_customer_has_come() {
    check(
        "preset = \"classic\"",
        &mixed(),
        &[
            (
                "pat",
                "acquisition 2026-01-01, conversion 2026-05-01, retention 2026-06-01",
            ),
            // Loyalty ends with the lapse window of 180 days.
            (
                "dan",
                "conversion 2026-01-01, retention 2026-01-02, loyalty 2026-01-04, retention 2026-07-03",
            ),
        ],
    );
}

#[test]
fn the_preset_of_three_stages_counts_contact_as_engagement() {
    check(
        "preset = \"acquisition_engagement_retention\"",
        &mixed(),
        &[
            // The call counts for the active window of 90 days.
            (
                "pat",
                "acquisition 2026-01-01, engagement 2026-01-10, acquisition 2026-04-10, engagement 2026-05-01, \
                 retention 2026-06-01",
            ),
            ("dan", "engagement 2026-01-01, retention 2026-01-02"),
        ],
    );
}

#[test]
fn the_preset_for_contracts_follows_their_state_and_price() {
    check(
        "preset = \"subscription\"",
        &mixed(),
        &[
            // Thirty days of onboarding from the first paid day on, which is the first order; ninety of expansion.
            (
                "sue",
                "trial 2026-01-01, onboarding 2026-01-15, active 2026-02-14, expansion 2026-03-15, active 2026-06-13, \
                 churned 2026-07-01, won_back 2026-08-01",
            ),
            ("pat", "prospect 2026-01-01"),
        ],
    );
}
