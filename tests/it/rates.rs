//! Exchange rates that land day by day: what each changes is worked out, and nothing else.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use perennial_testkit::{Report, RunOptions, Setup, TestLake};

use crate::support::parquet;
use crate::worlds::{HOUR, NEW_YEAR, land, rest};

/// 2026-01-01 in days since 1970.
const FIRST_DAY: i32 = 20_454;
const CONFIG: &str = r#"
[lake]
url = "./lake"
refresh = "off"
[time]
zone = "Europe/Berlin"
as_of = "2026-07-01T00:00:00Z"
[money]
currency = "EUR"
[[source]]
name = "shop"
kind = "order"
path = "shop/"
record_key = "id"
time = "at"
updated_at = "updated"
identifiers = { email = "email" }
columns = { amount = "amount", currency = "currency", discount = "amount / 10" }
[[source]]
name = "returns"
kind = "refund"
path = "returns/"
record_key = "id"
time = "at"
columns = { order_id = "order_id", amount = "amount" }
[[source]]
name = "lines"
kind = "order_item"
path = "lines/"
columns = { order_id = "order_id", product_id = "'beans'", quantity = "2", unit_price = "price" }
[[source]]
name = "ads"
kind = "spend"
path = "ads/"
columns = { date = "day", channel = "'search'", amount = "amount", currency = "currency" }
[[source]]
name = "rates"
kind = "fx_rate"
path = "rates/"
columns = { date = "day", currency = "currency", rate = "rate" }
[[segment]]
name = "large"
where = "gross_revenue >= 10"
[server]
authentication = "trust"
"#;

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn numbers(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// Moments by the hour of 2026.
fn hours(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    let moments = values.into_iter().map(|hour| NEW_YEAR + hour * HOUR);
    Arc::new(TimestampMicrosecondArray::from_iter_values(moments).with_timezone("UTC"))
}

/// Days by their number in 2026, from 0.
fn days(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    let days = values.into_iter().map(|day| FIRST_DAY + day);
    Arc::new(Date32Array::from_iter_values(days))
}

/// Orders of 10: key, currency, hour; each of a customer of its own.
fn orders(rows: &[(&str, &str, i64)]) -> Vec<u8> {
    let emails: Vec<String> = rows.iter().map(|row| format!("{}@example.org", row.0)).collect();
    file(vec![
        ("id", texts(rows.iter().map(|row| row.0))),
        ("email", texts(emails.iter().map(String::as_str))),
        ("currency", texts(rows.iter().map(|row| row.1))),
        ("amount", numbers(rows.iter().map(|_| 10.0))),
        ("at", hours(rows.iter().map(|row| row.2))),
        ("updated", hours(rows.iter().map(|row| row.2))),
    ])
}

/// A rate: currency, day, euros.
fn rate(currency: &str, day: i32, rate: f64) -> Vec<u8> {
    file(vec![
        ("day", days([day])),
        ("currency", texts([currency])),
        ("rate", numbers([rate])),
    ])
}

struct Rated {
    lake: TestLake,
    landed: u64,
}

impl Rated {
    fn new() -> Self {
        let lake = TestLake::of(CONFIG, &[]);
        // `edge` is of the evening of day 9, which is day 10 in Berlin already.
        let placed = [
            ("early", "usd", 5 * 24),
            ("late", "USD", 15 * 24),
            ("edge", "USD", 9 * 24 + 23),
            ("own", "EUR", 15 * 24),
            ("pound", "GBP", 15 * 24),
        ];
        land(&lake, "shop/1.parquet", &orders(&placed));
        let given_back = file(vec![
            ("id", texts(["r1"])),
            ("order_id", texts(["late"])),
            ("amount", numbers([4.0])),
            ("at", hours([16 * 24])),
        ]);
        land(&lake, "returns/1.parquet", &given_back);
        let lines = file(vec![
            ("order_id", texts(["early", "late", "own", "pound", "lost"])),
            ("price", numbers([1.5; 5])),
        ]);
        land(&lake, "lines/1.parquet", &lines);
        let ads = file(vec![
            ("day", days([9, 10])),
            ("amount", numbers([100.0, 100.0])),
            ("currency", texts(["USD", "USD"])),
        ]);
        land(&lake, "ads/1.parquet", &ads);
        land(&lake, "rates/0.parquet", &rate("USD", 0, 0.5));
        Self { lake, landed: 0 }
    }

    fn land(&mut self, path: &str, bytes: &[u8]) {
        land(&self.lake, path, bytes);
        // No two versions of a file are of one moment.
        self.landed += 1;
        rest(&self.lake.root().join(path), self.landed);
    }

    /// Runs, and says what the orders and the spend are worth; the same as when everything is worked out.
    fn run(&self, full: bool) -> (Report, String) {
        let (report, answers) = self.answers(full);
        (report, answers[..2].concat().join(" "))
    }

    /// Runs, and says what items and refunds are worth.
    fn parts(&self, full: bool) -> String {
        self.answers(full).1[2..4].concat().join(" ")
    }

    fn answers(&self, full: bool) -> (Report, Vec<Vec<String>>) {
        let queries = [
            "SELECT order_id, amount, refunded, discount FROM orders",
            "SELECT date, amount FROM spend",
            "SELECT order_id, currency, unit_price, original_unit_price FROM order_items",
            "SELECT order_id, currency, amount, original_amount FROM refunds",
            "SELECT first_order_at, gross_revenue, net_revenue, customer_id FROM customer_360",
            "SELECT segment, count(*) FROM segment_members GROUP BY 1",
            "SELECT * FROM perennial.fx_rates",
        ]
        .map(str::to_owned);
        let options = |full| RunOptions {
            full,
            settle: true,
            ..RunOptions::default()
        };
        let twin = self.lake.copy();
        let (_, anew) = twin.answers_of(Setup::default(), options(true), &queries);
        let (report, answers) = self.lake.answers_of(Setup::default(), options(false), &queries);
        assert_eq!(answers, anew);
        assert_eq!(report.full, full, "{:?}", report.why_full);
        (report, answers)
    }

    /// The files of a table and how many rows of each are masked.
    fn files(&self, table: &str) -> Vec<(String, u64)> {
        let manifest = self.lake.manifest();
        let files = manifest.tables[table].files.iter();
        files.map(|file| (file.path.clone(), file.masked)).collect()
    }
}

#[test]
fn rates_that_land_change_the_orders_of_their_currency_and_days_and_nothing_else() {
    let mut rated = Rated::new();
    let (_, told) = rated.run(true);
    assert_eq!(
        told,
        "early|5.0000|0.0000|0.5000 edge|5.0000|0.0000|0.5000 late|5.0000|2.0000|0.5000 own|10.0000|0.0000|1.0000 \
         pound|∅|0.0000|∅ 2026-01-10|50.0000 2026-01-11|50.0000"
    );
    // From day 10 on.
    rated.land("rates/1.parquet", &rate("usd", 10, 0.8));
    let (_, told) = rated.run(false);
    assert_eq!(
        told,
        "early|5.0000|0.0000|0.5000 edge|8.0000|0.0000|0.8000 late|8.0000|3.2000|0.8000 own|10.0000|0.0000|1.0000 \
         pound|∅|0.0000|∅ 2026-01-10|50.0000 2026-01-11|80.0000"
    );
    // Nothing is sold on the day of this one or later.
    let before = [
        "public.orders",
        "public.customer_360",
        "public.order_items",
        "public.spend",
        "internal.nodes",
    ]
    .map(|table| rated.files(table));
    rated.land("rates/2.parquet", &rate("USD", 100, 0.9));
    let (report, same) = rated.run(false);
    assert_eq!((report.snapshot, &same), (Some(3), &told));
    let after = [
        "public.orders",
        "public.customer_360",
        "public.order_items",
        "public.spend",
        "internal.nodes",
    ]
    .map(|table| rated.files(table));
    assert_eq!(after, before);
    // The first of a currency.
    rated.land("rates/3.parquet", &rate("GBP", 0, 2.0));
    let (_, told) = rated.run(false);
    assert!(told.contains("pound|20.0000|0.0000|2.0000"), "{told}");
    // Between two others.
    rated.land("rates/4.parquet", &rate("USD", 4, 0.6));
    let (_, told) = rated.run(false);
    assert!(
        told.starts_with("early|6.0000|0.0000|0.6000 edge|8.0000"),
        "{told}"
    );
    assert!(told.ends_with("2026-01-10|60.0000 2026-01-11|80.0000"), "{told}");
}

#[test]
fn rates_that_go_or_are_replaced_leave_the_one_before_in_force() {
    let mut rated = Rated::new();
    rated.land("rates/1.parquet", &rate("USD", 10, 0.8));
    rated.land("rates/2.parquet", &rate("USD", 4, 0.6));
    let (_, told) = rated.run(true);
    assert!(
        told.starts_with("early|6.0000|0.0000|0.6000 edge|8.0000|0.0000|0.8000 late|8.0000|3.2000|0.8000")
    );
    rated.lake.remove("rates/1.parquet");
    let (_, told) = rated.run(false);
    assert!(
        told.starts_with("early|6.0000|0.0000|0.6000 edge|6.0000|0.0000|0.6000 late|6.0000|2.4000|0.6000"),
        "{told}"
    );
    assert!(told.ends_with("2026-01-10|60.0000 2026-01-11|60.0000"), "{told}");
    rated.land("rates/2.parquet", &rate("USD", 4, 0.7));
    let (_, told) = rated.run(false);
    assert!(
        told.starts_with("early|7.0000|0.0000|0.7000 edge|7.0000|0.0000|0.7000 late|7.0000|2.8000|0.7000"),
        "{told}"
    );
}

#[test]
fn of_rates_of_which_none_is_left_nothing_stays_and_they_come_back() {
    let mut rated = Rated::new();
    let (_, at_first) = rated.run(true);
    let none = file(vec![
        ("day", days([0; 0])),
        ("currency", texts([""; 0])),
        ("rate", numbers([0.0; 0])),
    ]);
    rated.land("rates/0.parquet", &none);
    let (_, told) = rated.run(false);
    assert!(
        told.starts_with("early|∅|0.0000|∅ edge|∅|0.0000|∅ late|∅|∅|∅ own|10.0000"),
        "{told}"
    );
    assert!(told.ends_with("2026-01-10|∅ 2026-01-11|∅"), "{told}");
    rated.land("rates/0.parquet", &rate("USD", 0, 0.5));
    let (_, told) = rated.run(false);
    assert_eq!(told, at_first);
}

#[test]
fn items_and_refunds_are_worth_what_the_rate_and_the_currency_of_their_order_make_of_them() {
    let mut rated = Rated::new();
    assert_eq!(
        rated.parts(true),
        "early|USD|0.7500|1.5000 late|USD|0.7500|1.5000 lost|EUR|∅|1.5000 own|EUR|1.5000|1.5000 pound|GBP|∅|1.5000 \
         late|USD|2.0000|4.0000"
    );
    rated.land("rates/1.parquet", &rate("usd", 10, 0.8));
    rated.land("rates/2.parquet", &rate("GBP", 0, 2.0));
    assert_eq!(
        rated.parts(false),
        "early|USD|0.7500|1.5000 late|USD|1.2000|1.5000 lost|EUR|∅|1.5000 own|EUR|1.5000|1.5000 pound|GBP|3.0000|1.5000 \
         late|USD|3.2000|4.0000"
    );
    // An order in another currency than was said at first, and one that lands behind its item.
    let placed = [("own", "USD", 15 * 24), ("lost", "gbp", 3 * 24)];
    rated.land("shop/2.parquet", &orders(&placed));
    assert_eq!(
        rated.parts(false),
        "early|USD|0.7500|1.5000 late|USD|1.2000|1.5000 lost|GBP|3.0000|1.5000 own|USD|1.2000|1.5000 pound|GBP|3.0000|1.5000 \
         late|USD|3.2000|4.0000"
    );
    rated.lake.remove("shop/2.parquet");
    assert!(
        rated
            .parts(false)
            .contains("lost|EUR|∅|1.5000 own|EUR|1.5000|1.5000")
    );
}

#[test]
fn a_rate_that_is_not_above_zero_is_none() {
    let mut rated = Rated::new();
    rated.land("rates/1.parquet", &rate("USD", 0, -1.0));
    rated.land("rates/2.parquet", &rate("USD", 0, 0.0));
    let (_, told) = rated.run(true);
    assert!(told.starts_with("early|5.0000|0.0000|0.5000"), "{told}");
    let sql = "SELECT DISTINCT reason FROM perennial.files WHERE state = 'quarantined'";
    let rows = rated.lake.try_query(Setup::default(), sql).unwrap();
    let reason = "has no good row among 1: rate is not above zero (1 row)";
    assert_eq!(rows, [[Some(reason.to_owned())]]);
}
