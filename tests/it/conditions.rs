//! Metrics, segments and facts of the lifecycle that cannot be asked for.

use perennial_testkit::{RunOptions, Setup};

use crate::check::{lake, three};
use crate::runs::{config, orders};

#[test]
fn a_metric_that_cannot_be_planned_or_has_a_taken_name_is_named_with_its_place_and_refuses_a_run() {
    let metric = |name: &str, sql: &str| format!("[[metric]]\nname = \"{name}\"\nsql = \"{sql}\"\n");
    let good = metric("arpu", "sum(net_revenue) / count(*)");
    let one = lake(&[], &good, &[("orders/1.parquet", &three())]);
    one.check().unwrap();
    one.unify();
    for (bad, key, column, why) in [
        (
            metric("arpu", "sum(net_revnue) / count(*)"),
            "sql =",
            7,
            "metric \"arpu\": column \"net_revnue\" does not exist",
        ),
        (
            metric("nps", "avg(nps_latest)"),
            "name = \"nps\"",
            8,
            "metric \"nps\": \"nps\" is a function already\nChoose another name.",
        ),
        (
            metric("net_revenue", "sum(gross_revenue)"),
            "name = \"net_revenue\"",
            8,
            "metric \"net_revenue\": \"net_revenue\" is a column of customer_360 already\nChoose another name.",
        ),
        (
            metric("addresses", "sum(email)"),
            "sql =",
            7,
            "metric \"addresses\": function sum(text) does not exist",
        ),
    ] {
        let text = config("", &bad);
        one.configure(&text);
        let line = text.lines().position(|line| line.starts_with(key)).unwrap() + 1;
        let said = format!("perennial.toml:{line}:{column}: {why}");
        let errors = one.check().unwrap_err();
        assert!(errors.len() == 1 && errors[0].contains(&said), "{errors:?}");
        let refused = one.try_run(Setup::default(), RunOptions::SETTLED).unwrap_err();
        assert!(refused.contains(&said), "{refused}");
    }
}

#[test]
fn a_condition_that_a_query_would_refuse_for_its_types_is_refused_with_its_place() {
    let segment = |sql: &str| format!("[[segment]]\nname = \"some\"\nwhere = \"{sql}\"\n");
    let fact = |sql: &str| format!("[lifecycle.facts]\nclosing = \"{sql}\"\n");
    let one = lake(&[], "", &[("orders/1.parquet", &three())]);
    for (bad, key, why) in [
        (
            segment("email = 3"),
            "where =",
            "segment \"some\": operator does not exist: text = integer",
        ),
        (
            segment("orders > email"),
            "where =",
            "segment \"some\": operator does not exist: bigint > text",
        ),
        (
            fact("orders where status = 3"),
            "closing =",
            "lifecycle fact \"closing\": operator does not exist: text = integer",
        ),
    ] {
        let text = config("", &bad);
        one.configure(&text);
        let line = text.lines().position(|line| line.starts_with(key)).unwrap() + 1;
        let errors = one.check().unwrap_err();
        let [error] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        assert!(
            error.contains(&format!("perennial.toml:{line}:")) && error.contains(why),
            "{error}"
        );
        let refused = one.try_run(Setup::default(), RunOptions::SETTLED).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn what_is_said_of_a_trait_that_no_file_has_had_is_not_refused_for_its_type() {
    let club = "[[source]]\nname = \"club\"\nkind = \"profile\"\npath = \"club/\"\nrecord_key = \"id\"\n\
                time = \"at\"\nidentifiers = { email = \"email\" }\ntraits = { points = \"points\" }\n\
                [[segment]]\nname = \"noble\"\nwhere = \"points >= 100\"\n\
                [[metric]]\nname = \"points_each\"\nsql = \"avg(points)\"\n";
    let one = lake(&[], club, &[("orders/1.parquet", &three())]);
    one.check().unwrap();
    one.try_run(Setup::default(), RunOptions::SETTLED).unwrap();
}

/// As a value that cannot be worked out fails no other, so do a condition and the other customers.
#[test]
fn a_condition_that_fails_over_some_rows_stops_no_run_and_is_told() {
    let more = "[[segment]]\nname = \"big\"\nwhere = \"10 / orders >= 10\"\n";
    let rows = orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "bob@example.org", "open", "EUR", 1),
        ("3", "cy@example.org", "paid", "EUR", 2),
        ("4", "cy@example.org", "paid", "EUR", 3),
    ]);
    let changes = [("[server]", "[lifecycle]\nunpaid_statuses = [\"open\"]\n[server]")];
    let one = lake(&changes, more, &[("orders/1.parquet", &rows)]);
    let report = one.try_run(Setup::default(), RunOptions::SETTLED).unwrap();
    let told = report.noticed.told("perennial.toml");
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(
        told.ends_with(
            ": segment \"big\" cannot be worked out for 1 customer, who is no member: division by zero"
        ),
        "{told}"
    );
    // Ten by one order is ten, and by two orders five.
    let sql = "SELECT email FROM segment_members JOIN customers USING (customer_id)";
    let members = one.try_query(Setup::default(), sql).unwrap();
    assert_eq!(members, [[Some("ann@example.org".to_owned())]]);
}

#[test]
fn a_status_that_no_order_has_is_told_where_one_is_near_that_counts() {
    let rows = orders(&[
        ("1", "ann@example.org", "paid", "EUR", 0),
        ("2", "bob@example.org", "Cancelled", "EUR", 1),
    ]);
    for (statuses, told) in [
        (
            "\"canceld\"",
            &[
                "perennial.toml: no order has the status \"canceld\" of unpaid_statuses, and those with \"cancelled\" count: did you mean \"cancelled\"?",
            ][..],
        ),
        ("\"cancelled\", \"canceled\"", &[]),
    ] {
        let lifecycle = format!("[lifecycle]\nunpaid_statuses = [{statuses}]\n[server]");
        let one = lake(&[("[server]", &lifecycle)], "", &[("orders/1.parquet", &rows)]);
        let report = one.try_run(Setup::default(), RunOptions::SETTLED).unwrap();
        assert_eq!(report.noticed.told("perennial.toml"), told);
    }
}
