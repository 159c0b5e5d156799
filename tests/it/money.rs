//! What is money and what is not: contracts on trial, refunds of orders whose keys are not unique, amounts without a rate.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use perennial_testkit::{TestLake, TestServer};

use crate::support::{connect, lines, number, one, parquet};

/// 2025-01-01 in UTC.
const NEW_YEAR: i64 = 1_735_689_600_000_000;
const DAY: i64 = 86_400_000_000;

/// A lake of these sources as of the middle of 2025.
fn config(sources: &str) -> String {
    format!(
        r#"
[lake]
url = "./lake"
refresh = "off"
[time]
as_of = "2025-07-01T00:00:00Z"
[money]
currency = "EUR"
{sources}
[server]
authentication = "trust"
"#
    )
}

/// A source of orders in a folder of its name.
fn orders_of(name: &str) -> String {
    format!(
        r#"
[[source]]
name = "{name}"
kind = "order"
path = "{name}/"
record_key = "id"
time = "at"
identifiers = {{ email = "email" }}
columns = {{ amount = "amount", currency = "currency" }}
"#
    )
}

/// A source of refunds in a folder of its name.
fn refunds_of(name: &str) -> String {
    format!(
        r#"
[[source]]
name = "{name}"
kind = "refund"
path = "{name}/"
record_key = "id"
time = "at"
columns = {{ order_id = "order_id", amount = "amount" }}
"#
    )
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn numbers(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// Moments by the day of 2025 from 0.
fn days(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    let moments = values.into_iter().map(|day| NEW_YEAR + day * DAY);
    Arc::new(TimestampMicrosecondArray::from_iter_values(moments).with_timezone("UTC"))
}

/// An order of 10: key, address, currency, day.
type Order<'a> = (&'a str, &'a str, &'a str, i64);

fn orders(rows: &[Order<'_>]) -> Vec<u8> {
    file(vec![
        ("id", texts(rows.iter().map(|row| row.0))),
        ("email", texts(rows.iter().map(|row| row.1))),
        ("currency", texts(rows.iter().map(|row| row.2))),
        ("amount", numbers(rows.iter().map(|_| 10.0))),
        ("at", days(rows.iter().map(|row| row.3))),
    ])
}

/// A refund: key, order, amount, day.
type Refund<'a> = (&'a str, &'a str, f64, i64);

fn refunds(rows: &[Refund<'_>]) -> Vec<u8> {
    file(vec![
        ("id", texts(rows.iter().map(|row| row.0))),
        ("order_id", texts(rows.iter().map(|row| row.1))),
        ("amount", numbers(rows.iter().map(|row| row.2))),
        ("at", days(rows.iter().map(|row| row.3))),
    ])
}

/// Contracts, and who counts as a subscriber.
const CONTRACTS: &str = r#"
[[source]]
name = "billing"
kind = "subscription"
path = "billing/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { mrr = "mrr", status = "status" }
[[segment]]
name = "subscribers"
where = "mrr > 0"
"#;

#[tokio::test]
async fn a_contract_on_trial_or_cancelled_is_no_recurring_revenue() {
    // The words of three billing systems; Bob pays after his trial, Cleo pays for one contract and tries another, and Dan's
    // was cancelled at the price that he had paid.
    let contracts = [
        ("1", "ann@example.org", "trialing", 20.0, 0),
        ("2", "bob@example.org", "trial", 20.0, 0),
        ("2", "bob@example.org", "active", 20.0, 14),
        ("3", "cleo@example.org", "active", 30.0, 0),
        ("4", "cleo@example.org", "In_Trial", 50.0, 3),
        ("5", "dan@example.org", "active", 40.0, 0),
        ("5", "dan@example.org", "canceled", 40.0, 9),
    ];
    let billing = file(vec![
        ("id", texts(contracts.iter().map(|row| row.0))),
        ("email", texts(contracts.iter().map(|row| row.1))),
        ("status", texts(contracts.iter().map(|row| row.2))),
        ("mrr", numbers(contracts.iter().map(|row| row.3))),
        ("at", days(contracts.iter().map(|row| row.4))),
    ]);
    let lake = TestLake::of(&config(CONTRACTS), &[("billing/1.parquet", &billing)]);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        lines(
            &client,
            "SELECT email, mrr FROM customer_360 WHERE mrr > 0 ORDER BY 1"
        )
        .await,
        ["bob@example.org|20.0000", "cleo@example.org|30.0000"]
    );
    assert_eq!(one(&client, "SELECT count(*) FROM customer_360").await, "4");
    assert_eq!(
        lines(
            &client,
            "SELECT c.email FROM lifecycle_history h JOIN customers c USING (customer_id) \
             WHERE h.stage = 'at_risk' ORDER BY 1"
        )
        .await,
        ["dan@example.org"],
        "only he whose contract has ended falls silent"
    );
    assert_eq!(
        lines(
            &client,
            "SELECT c.email FROM segment_members m JOIN customers c USING (customer_id) \
             WHERE m.segment = 'subscribers' ORDER BY 1"
        )
        .await,
        ["bob@example.org", "cleo@example.org"]
    );
}

#[tokio::test]
async fn two_refunds_of_one_key_in_two_sources_are_each_for_the_order_that_they_name() {
    let sources = [
        orders_of("shop"),
        refunds_of("shop_refunds"),
        refunds_of("till_refunds"),
    ];
    let placed = orders(&[
        ("A", "ann@example.org", "EUR", 0),
        ("B", "bob@example.org", "EUR", 0),
    ]);
    let lake = TestLake::of(
        &config(&sources.concat()),
        &[
            ("shop/1.parquet", &placed),
            ("shop_refunds/1.parquet", &refunds(&[("1", "A", 10.0, 5)])),
            ("till_refunds/1.parquet", &refunds(&[("1", "B", 4.0, 6)])),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        lines(&client, "SELECT order_id, refunded FROM orders ORDER BY 1").await,
        ["A|10.0000", "B|4.0000"]
    );
    // The order that was given back as a whole counts no more.
    assert_eq!(
        lines(
            &client,
            "SELECT email, orders, net_revenue FROM customer_360 ORDER BY 1"
        )
        .await,
        ["ann@example.org|0|0.0000", "bob@example.org|1|6.0000"]
    );
}

#[tokio::test]
async fn of_orders_of_one_key_in_two_sources_a_refund_is_for_that_of_the_first() {
    let keys: Vec<String> = (0..9).map(|key| key.to_string()).collect();
    let address = |source: &str, key: &str| match key {
        // Somebody who has bought in both.
        "8" => "both@example.org".to_owned(),
        key => format!("{source}{key}@example.org"),
    };
    let placed = |source: &str, day: i64| {
        file(vec![
            ("id", texts(&keys)),
            ("email", texts(keys.iter().map(|key| address(source, key)))),
            ("currency", texts(keys.iter().map(|_| "EUR"))),
            ("amount", numbers(keys.iter().map(|_| 10.0))),
            ("at", days(keys.iter().map(|_| day))),
        ])
    };
    let given_back: Vec<Refund<'_>> = keys
        .iter()
        .map(|key| (key.as_str(), key.as_str(), 10.0, 20))
        .collect();
    let sources = [orders_of("shop"), orders_of("till"), refunds_of("refunds")];
    let lake = TestLake::of(
        &config(&sources.concat()),
        &[
            ("shop/1.parquet", &placed("shop", 10)),
            // Those of the second source came first in time.
            ("till/1.parquet", &placed("till", 0)),
            ("refunds/1.parquet", &refunds(&given_back)),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        lines(
            &client,
            "SELECT source, count(*), sum(refunded) FROM orders GROUP BY 1 ORDER BY 1"
        )
        .await,
        ["shop|9|90.0000", "till|9|0.0000"]
    );
    // Nobody pays for what was given back to somebody else.
    assert_eq!(
        lines(
            &client,
            "SELECT substr(email, 1, 4), count(*), sum(orders), sum(net_revenue) FROM customer_360 GROUP BY 1 ORDER BY 1"
        )
        .await,
        ["both|1|1|10.0000", "shop|8|0|0.0000", "till|8|8|80.0000"]
    );
    assert_eq!(
        lines(
            &client,
            "SELECT substr(c.email, 1, 4), count(*) FROM refunds r JOIN customers c USING (customer_id) GROUP BY 1 ORDER BY 1"
        )
        .await,
        ["both|1", "shop|8"]
    );
}

/// Exchange rates.
const RATES: &str = r#"
[[source]]
name = "rates"
kind = "fx_rate"
path = "rates/"
columns = { date = "date", currency = "currency", rate = "rate" }
"#;

#[tokio::test]
async fn revenue_is_unknown_and_not_zero_while_a_rate_is_missing() {
    // January: Ann and Bob buy first. February: both again, Ann in dollars, and Cleo first. March: Ann again.
    let placed = orders(&[
        ("1", "ann@example.org", "EUR", 5),
        ("2", "bob@example.org", "EUR", 6),
        ("3", "ann@example.org", "USD", 35),
        ("4", "bob@example.org", "EUR", 36),
        ("5", "cleo@example.org", "EUR", 37),
        ("6", "ann@example.org", "EUR", 63),
    ]);
    let sources = [orders_of("shop"), RATES.to_owned()];
    let lake = TestLake::of(&config(&sources.concat()), &[("shop/1.parquet", &placed)]);
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    let revenue = async |mode: &str| {
        let sql = format!(
            "SELECT cohort, period, value FROM cohort_retention('month', measure => 'revenue', mode => '{mode}') \
             WHERE period_start < '2025-04-01' ORDER BY 1, 2"
        );
        lines(&client, &sql).await
    };
    // What the order in dollars is part of is unknown, whatever else is; where nobody bought it is 0.
    assert_eq!(
        revenue("bounded").await,
        [
            "2025-01-01|0|20.0000",
            "2025-01-01|1|",
            "2025-01-01|2|10.0000",
            "2025-02-01|0|10.0000",
            "2025-02-01|1|0.0000"
        ]
    );
    assert_eq!(
        revenue("unbounded").await,
        [
            "2025-01-01|0|",
            "2025-01-01|1|",
            "2025-01-01|2|10.0000",
            "2025-02-01|0|10.0000",
            "2025-02-01|1|0.0000"
        ]
    );
    assert_eq!(
        revenue("rolling").await,
        [
            "2025-01-01|0|20.0000",
            "2025-01-01|1|",
            "2025-01-01|2|",
            "2025-02-01|0|10.0000",
            "2025-02-01|1|0.0000"
        ]
    );
    let of_customers = "SELECT email, orders, gross_revenue, net_revenue FROM customer_360 ORDER BY 1";
    assert_eq!(
        lines(&client, of_customers).await,
        [
            "ann@example.org|3||",
            "bob@example.org|2|20.0000|20.0000",
            "cleo@example.org|1|10.0000|10.0000"
        ]
    );
    // Half a euro for a dollar from the first day of 2025 on: day 20,089 since 1970.
    let first_day: ArrayRef = Arc::new(Date32Array::from(vec![20_089]));
    let rates = file(vec![
        ("date", first_day),
        ("currency", texts(["USD"])),
        ("rate", numbers([0.5])),
    ]);
    server.lake().land("rates/1.parquet", &rates);
    server.lake().unify();
    assert_eq!(server.lake().rate_doubts().missing, []);
    server.engine().refresh().await.unwrap();
    assert_eq!(
        revenue("bounded").await,
        [
            "2025-01-01|0|20.0000",
            "2025-01-01|1|15.0000",
            "2025-01-01|2|10.0000",
            "2025-02-01|0|10.0000",
            "2025-02-01|1|0.0000"
        ]
    );
    assert_eq!(
        one(
            &client,
            "SELECT gross_revenue FROM customer_360 WHERE email = 'ann@example.org'"
        )
        .await,
        "25.0000"
    );
}

#[tokio::test]
async fn items_and_refunds_are_told_in_the_reporting_currency_beside_what_landed() {
    let lines_of = "[[source]]\nname = \"lines\"\nkind = \"order_item\"\npath = \"lines/\"\n\
        columns = { order_id = \"id\", product_id = \"id\", quantity = \"pieces\", unit_price = \"price\" }\n";
    let sources = [
        orders_of("shop"),
        refunds_of("returns"),
        lines_of.to_owned(),
        RATES.to_owned(),
    ];
    // A dollar is 90 cents until the tenth day, and 80 from then on; of pounds there is no rate, and of Z no order.
    let placed = orders(&[
        ("A", "ann@example.org", "usd", 1),
        ("B", "bob@example.org", "EUR", 1),
        ("C", "cleo@example.org", "GBP", 1),
        ("D", "dan@example.org", "", 1),
        ("E", "eve@example.org", "USD", 10),
    ]);
    let first_day = (NEW_YEAR / DAY) as i32;
    let days_of_rates: ArrayRef = Arc::new(Date32Array::from(vec![first_day, first_day + 10]));
    let rates = file(vec![
        ("date", days_of_rates),
        ("currency", texts(["USD", "USD"])),
        ("rate", numbers([0.9, 0.8])),
    ]);
    let items = file(vec![
        ("id", texts(["A", "B", "C", "D", "E", "Z"])),
        ("pieces", numbers([2.0, 1.0, 1.0, 1.0, 3.0, 1.0])),
        ("price", numbers([10.05, 7.0, 9.0, 0.5, 5.0, 99.0])),
    ]);
    // One after the rate has changed, one of no order, and one that was booked before its order was placed.
    let back = refunds(&[("r1", "A", 4.0, 12), ("r2", "Z", 9.0, 2), ("r3", "E", 5.0, 3)]);
    let files: [(&str, &[u8]); 4] = [
        ("shop/1.parquet", &placed),
        ("rates/1.parquet", &rates),
        ("lines/1.parquet", &items),
        ("returns/1.parquet", &back),
    ];
    let server = TestServer::start(TestLake::of(&config(&sources.concat()), &files));
    let client = connect(&server).await;
    let told = "SELECT order_id, unit_price, currency, original_unit_price FROM order_items ORDER BY 1";
    assert_eq!(
        lines(&client, told).await,
        [
            "A|9.0450|USD|10.0500",
            "B|7.0000|EUR|7.0000",
            "C||GBP|9.0000",
            "D|0.5000|EUR|0.5000",
            "E|4.0000|USD|5.0000",
            "Z||EUR|99.0000"
        ]
    );
    // 2 × 9.045 + 7 + 0.5 + 3 × 4.
    let sum = "SELECT sum(quantity * unit_price) FROM order_items";
    assert_eq!(number(&client, sum).await, 37.59);
    let told = "SELECT record_key, amount, currency, original_amount FROM refunds ORDER BY 1";
    assert_eq!(
        lines(&client, told).await,
        ["r1|3.6000|USD|4.0000", "r2||EUR|9.0000", "r3|4.0000|USD|5.0000"]
    );
    client
        .batch_execute("SET perennial.as_of = '2025-01-06'")
        .await
        .unwrap();
    assert_eq!(lines(&client, told).await, ["r2||EUR|9.0000", "r3||EUR|5.0000"]);
    assert_eq!(number(&client, sum).await, 25.59);
}

#[tokio::test]
async fn a_currency_is_written_as_iso_4217_has_it_wherever_it_is_read() {
    let sources = format!(
        r#"{}
[[source]]
name = "ads"
kind = "spend"
path = "ads/"
columns = {{ date = "day", channel = "channel", amount = "amount", currency = "currency" }}
[[source]]
name = "rates"
kind = "fx_rate"
path = "rates/"
columns = {{ date = "day", currency = "currency", rate = "rate" }}
"#,
        orders_of("shop")
    );
    let placed = orders(&[
        ("A", "ann@example.org", "usd", 1),
        ("B", "bob@example.org", " Usd ", 1),
        ("C", "cleo@example.org", "USD", 1),
        ("D", "dan@example.org", "", 1),
    ]);
    let day = || -> ArrayRef { Arc::new(Date32Array::from(vec![(NEW_YEAR / DAY) as i32])) };
    let ads = file(vec![
        ("day", day()),
        ("channel", texts(["search"])),
        ("amount", numbers([100.0])),
        ("currency", texts(["usd"])),
    ]);
    let rates = file(vec![
        ("day", day()),
        ("currency", texts(["usd "])),
        ("rate", numbers([0.5])),
    ]);
    let lake = TestLake::of(
        &config(&sources),
        &[
            ("shop/1.parquet", &placed),
            ("ads/1.parquet", &ads),
            ("rates/1.parquet", &rates),
        ],
    );
    let server = TestServer::start(lake);
    let client = connect(&server).await;
    assert_eq!(
        lines(
            &client,
            "SELECT order_id, currency, amount FROM orders ORDER BY 1"
        )
        .await,
        ["A|USD|5.0000", "B|USD|5.0000", "C|USD|5.0000", "D|EUR|10.0000"]
    );
    assert_eq!(
        one(&client, "SELECT currency || ' ' || amount FROM spend").await,
        "USD 50.0000"
    );
    assert_eq!(
        one(&client, "SELECT currency FROM perennial.fx_rates").await,
        "USD"
    );
}

#[test]
fn refunds_that_belong_to_no_order_and_facts_that_nobody_has_are_told_with_their_place() {
    let sources = format!("{}{}", orders_of("shop"), refunds_of("returns"));
    let right = config(&sources) + "[lifecycle.facts]\nclosing = \"refunds where amount > 100\"\n";
    let slip = right.replace("order_id = \"order_id\"", "order_id = \"id\"");
    let of_ann: Vec<_> = ["1", "2", "3", "4"]
        .map(|key| (key, "ann@example.org", "EUR", 0))
        .to_vec();
    let given_back = [("r1", "1", 10.0, 1), ("r2", "2", 5.0, 1), ("4", "3", 5.0, 2)];
    let lake = TestLake::of(
        &slip,
        &[
            ("shop/1.parquet", &orders(&of_ann)),
            ("returns/1.parquet", &refunds(&given_back)),
        ],
    );
    let place = |config: &str, text: &str| {
        let before: Vec<&str> = config[..config.find(text).unwrap()].split('\n').collect();
        format!("{}:{}", before.len(), before.last().unwrap().len() + 1)
    };
    let lost = format!(
        "perennial.toml:{}: by order_id = id, 2 of 3 rows of source \"returns\" belong to no order: is it the record_key of an order?",
        place(&slip, "\"id\", amount")
    );
    let idle = format!(
        "perennial.toml:{}: no customer has a row of refunds that fulfils the lifecycle fact \"closing\": correct the condition, or land such rows",
        place(&slip, "\"refunds where")
    );
    assert_eq!(
        lake.check().unwrap().noticed.told("perennial.toml"),
        std::slice::from_ref(&lost)
    );
    assert_eq!(lake.unify().noticed.told("perennial.toml"), [lost, idle]);
    let met = right.replace("amount > 100", "amount >= 10");
    lake.configure(&met);
    assert_eq!(lake.check().unwrap().noticed.told("perennial.toml"), [""; 0]);
    assert_eq!(lake.unify().noticed.told("perennial.toml"), [""; 0]);
    // An order may land behind its refund.
    lake.land("returns/2.parquet", &refunds(&[("r5", "17", 1.0, 3)]));
    assert_eq!(lake.check().unwrap().noticed.told("perennial.toml"), [""; 0]);
    assert_eq!(lake.unify().noticed.told("perennial.toml"), [""; 0]);
}

#[test]
fn what_is_no_currency_is_said_to_be_none() {
    let rows = [
        ("1", "ann@example.org", "EUX", 0),
        ("2", "ann@example.org", "EUX", 1),
        ("3", "ann@example.org", "EUR", 1),
    ];
    let lake = TestLake::of(&config(&orders_of("shop")), &[("shop/1.parquet", &orders(&rows))]);
    let told = |customers: &str| {
        format!(
            "amounts in EUX, the first of 2025-01-01, have no exchange rate of the day or before and stay NULL{customers}: ISO 4217 has no such currency; did you mean \"EUR\"?"
        )
    };
    let [landed] = &lake.check().unwrap().rates.missing[..] else {
        panic!()
    };
    assert_eq!(landed.to_string(), format!("2 landed {}", told("")));
    lake.unify();
    let [served] = &lake.rate_doubts().missing[..] else {
        panic!()
    };
    assert_eq!(
        served.to_string(),
        format!("2 {}", told(", as is the revenue of 1 customer"))
    );
}
