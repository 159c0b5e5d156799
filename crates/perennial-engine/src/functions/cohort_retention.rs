//! `cohort_retention(period [, measure, mode, from, to, zone])`: who comes back, by the period of the first order.
//!
//! # Signature
//! `cohort_retention(period [, measure => 'customers'|'orders'|'revenue', mode => 'bounded'|'unbounded'|'rolling',
//! from date, to date, zone]) → table`: a period is `day`, `week`, `month`, `quarter` or `year`. NULL for an optional
//! argument is its default, and NULL as the period is an error. `from` and `to` may be expressions without columns.
//! # Shape
//! One row per cohort and period from 0 up to the one of the newest order, or of the present where that is later: also
//! where nobody came back. In the order of cohort and period.
//! # Units
//! `period` counts calendar periods; `value` is customers or orders (`bigint`), or money in the reporting currency
//! (`numeric`); `ratio` is a part of one.
//! # Definition
//! A customer's cohort is the calendar period (in `zone`) of the first order that counts; period 0 is that period
//! itself. Orders that count are those of `customer_360.orders`: paid and not wholly refunded. All history decides
//! the cohort; `from` and `to`, both included, only choose which cohorts are shown. Weeks begin on Monday.
//!
//! A period is complete when it has ended (`≤`) at the moment that the snapshot describes (`[time] as_of`, else `now()`);
//! the ratio of an incomplete one is NULL. With `unbounded` later orders can still change the answer, also that of a
//! complete period: it counts whoever has come back by now. `revenue` is NULL where the rate of an amount is missing.
//! # Errors
//! Invalid argument for a period, measure, mode or zone that does not exist, and for an argument that depends on rows;
//! invalid datetime for a text that is no date; undefined function for an argument that does not exist, or none for the
//! period.
//! # Cost
//! One scan of `orders` and a group per customer and period; the answer has up to n(n+1)/2 rows for n periods.
//! # Source
//! Bounded and unbounded retention are Amplitude's "return on" and "return on or after"; rolling counts whoever has
//! returned so far and never falls.
//! # Example
//! `SELECT * FROM cohort_retention('month', mode => 'rolling') WHERE period <= 12`.

use datafusion::logical_expr::{DocSection, Documentation};
use perennial_udf_kit::family::RETENTION;

use crate::error::Result;
use crate::functions::period::{PERIODS, Period, local};
use crate::functions::table::{Arguments, Parameter, TableFunction};

/// Its declaration.
pub(crate) const FUNCTION: TableFunction = TableFunction {
    name: "cohort_retention",
    parameters: PARAMETERS,
    columns: COLUMNS,
    documentation,
    query,
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "period",
        default: None,
        choices: PERIODS,
        expression: false,
        description: "Calendar period of cohorts and of activity; weeks begin on Monday.",
    },
    Parameter {
        name: "measure",
        default: Some("customers"),
        choices: &["customers", "orders", "revenue"],
        expression: false,
        description: "What is counted: customers who ordered, their orders, or their net revenue.",
    },
    Parameter {
        name: "mode",
        default: Some("bounded"),
        choices: &["bounded", "unbounded", "rolling"],
        expression: false,
        description: "bounded: in that very period; unbounded: in it or any later one; rolling: in any period from 1 up to it.",
    },
    Parameter {
        name: "from",
        default: Some(""),
        choices: &[],
        expression: true,
        description: "First cohort shown, by a date in it.",
    },
    Parameter {
        name: "to",
        default: Some(""),
        choices: &[],
        expression: true,
        description: "Last cohort shown, by a date in it.",
    },
    Parameter {
        name: "zone",
        default: Some(""),
        choices: &[],
        expression: false,
        description: "Zone of the calendar; the lake's by default.",
    },
];

const COLUMNS: &[(&str, &str)] = &[
    ("cohort", "First day of the calendar period of the first order"),
    ("period", "Periods after that one; 0 is the cohort's own"),
    ("period_start", "First day of this period"),
    ("cohort_customers", "Customers of the cohort"),
    (
        "value",
        "Customers or orders that count in this period, a whole number, or their net revenue, a numeric",
    ),
    (
        "ratio",
        "value by that of period 0, for customers by the cohort's size; NULL while the period has not ended",
    ),
    (
        "complete",
        "Whether the period had ended at the moment that the snapshot describes",
    ),
];

/// What it gives.
pub(crate) fn documentation() -> Documentation {
    let section = DocSection {
        include: true,
        label: RETENTION,
        description: None,
    };
    let mut builder = Documentation::builder(
        section,
        "Who comes back: one row per cohort (the calendar period of the first order) and period after it. The periods go on to the one that the present lies in; those in which nobody came \
         back are there with 0. What is unbounded counts whoever has \
         come back by now. The example is of `perennial demo --customers 300`.",
        "cohort_retention(period [, measure => 'customers'|'orders'|'revenue', mode => 'bounded'|'unbounded'|'rolling', from, to, zone])",
    );
    for parameter in PARAMETERS {
        builder = builder.with_argument(parameter.name, parameter.description);
    }
    builder
        .with_sql_example(
            "```sql\n\
             SELECT cohort, period, cohort_customers, value, ratio::numeric(5, 3) AS ratio FROM cohort_retention('quarter') WHERE period <= 2 ORDER BY 1, 2 LIMIT 6;\n\
             +------------+--------+------------------+-------+-------+\n\
             | cohort     | period | cohort_customers | value | ratio |\n\
             +------------+--------+------------------+-------+-------+\n\
             | 2023-01-01 | 0      | 5                | 5     | 1.000 |\n\
             | 2023-01-01 | 1      | 5                | 1     | 0.200 |\n\
             | 2023-01-01 | 2      | 5                | 0     | 0.000 |\n\
             | 2023-04-01 | 0      | 13               | 13    | 1.000 |\n\
             | 2023-04-01 | 1      | 13               | 6     | 0.462 |\n\
             | 2023-04-01 | 2      | 13               | 6     | 0.462 |\n\
             +------------+--------+------------------+-------+-------+\n\
             ```",
        )
        .build()
}

fn query(arguments: &Arguments<'_>) -> Result<String> {
    let period = Period::of(arguments.text("period"));
    let zone = arguments.zone()?;
    let local = local("o.time", &zone);
    let today = arguments.today(&zone);
    let number = period.number(&local);
    let from = arguments.date("from")?;
    let to = arguments.date("to")?;
    let from_number = period.number(&from);
    let to_number = period.number(&to);
    let start = period.start("g.cohort_number + g.period");
    let next = period.start("g.cohort_number + g.period + 1");
    let cohort = period.start("g.cohort_number");
    // What is counted stays a bigint; the sum of a bigint is a numeric.
    let (measure, summed) = match arguments.text("measure") {
        "orders" => ("a.orders", "::bigint"),
        "revenue" => ("a.revenue", ""),
        _ => ("1", "::bigint"),
    };
    // A customer's activity counts for the periods that the mode says; each customer once for `customers`.
    let (joined, value) = match (arguments.text("mode"), arguments.text("measure")) {
        ("unbounded", "customers") => ("l.last_period >= g.period", "count(l.customer_id)"),
        ("rolling", "customers") => (
            "CASE WHEN g.period = 0 THEN true ELSE l.first_return <= g.period END",
            "count(l.customer_id)",
        ),
        _ => ("", ""),
    };
    let cells = if joined.is_empty() {
        let range = match arguments.text("mode") {
            "unbounded" => "a.period >= g.period",
            "rolling" => "(a.period <= g.period AND (a.period > 0 OR g.period = 0))",
            _ => "a.period = g.period",
        };
        format!(
            "SELECT g.cohort_number, g.period, g.size, \
             CASE WHEN count(a.cohort_number) = count({measure}) OR count(a.cohort_number) = 0 \
               THEN coalesce(sum(CASE WHEN a.cohort_number IS NOT NULL THEN {measure} END), 0){summed} END AS value \
             FROM grid g LEFT JOIN activity a ON a.cohort_number = g.cohort_number AND {range} \
             GROUP BY g.cohort_number, g.period, g.size"
        )
    } else {
        format!(
            "SELECT g.cohort_number, g.period, g.size, {value} AS value \
             FROM grid g LEFT JOIN (SELECT cohort_number, customer_id, max(period) AS last_period, \
                min(CASE WHEN period > 0 THEN period END) AS first_return FROM activity GROUP BY 1, 2) l \
             ON l.cohort_number = g.cohort_number AND {joined} \
             GROUP BY g.cohort_number, g.period, g.size"
        )
    };
    let base = if arguments.text("measure") == "customers" {
        "g.size"
    } else {
        "first_value(g.value) OVER (PARTITION BY g.cohort_number ORDER BY g.period)"
    };
    let present = period.number(&today);
    Ok(format!(
        "WITH counted AS (\
           SELECT o.customer_id, {number} AS number, o.amount - o.refunded AS revenue \
           FROM public.orders o \
           WHERE o.customer_id IS NOT NULL AND o.paid AND (coalesce(o.refunded, 0) = 0 OR o.refunded < o.amount)), \
         firsts AS (SELECT customer_id, min(number) AS cohort_number FROM counted GROUP BY 1), \
         activity AS (\
           SELECT f.cohort_number, c.customer_id, c.number - f.cohort_number AS period, count(*) AS orders, CASE WHEN count(c.revenue) = count(*) THEN sum(c.revenue) END AS revenue \
           FROM counted c JOIN firsts f ON f.customer_id = c.customer_id GROUP BY 1, 2, 3), \
         last AS (SELECT greatest(max(number), {present}) AS number FROM counted), \
         sizes AS (SELECT cohort_number, count(*) AS size FROM firsts GROUP BY 1), \
         grid AS (\
           SELECT s.cohort_number, s.size, unnest(range(0, l.number - s.cohort_number + 1)) AS period \
           FROM sizes s CROSS JOIN last l), \
         cells AS ({cells}) \
         SELECT {cohort} AS cohort, g.period AS period, {start} AS period_start, g.size AS cohort_customers, \
           g.value AS value, CASE WHEN {next} <= {today} THEN CAST(g.value AS double precision) / nullif(CAST({base} AS double precision), 0) END AS ratio, {next} <= {today} AS complete \
         FROM cells g \
         WHERE ({from} IS NULL OR g.cohort_number >= {from_number}) AND ({to} IS NULL OR g.cohort_number <= {to_number}) \
         ORDER BY 1, 2"
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::util::display::array_value_to_string;
    use datafusion::prelude::SessionContext;
    use perennial_base::Config;

    use crate::functions::table::tests::query_of;

    /// Anna orders in January and March, Bob half an hour before February, by UTC, and in February, with a refund whose
    /// rate is missing. The orders of Cleo (unpaid), Dora (wholly refunded) and of nobody do not count.
    const ORDERS: &str = "CREATE TABLE orders AS SELECT customer_id, \
         arrow_cast(time, 'Timestamp(Microsecond, Some(\"UTC\"))') AS time, \
         CAST(amount AS decimal(18, 4)) AS amount, CAST(refunded AS decimal(18, 4)) AS refunded, paid \
         FROM (VALUES ('anna', '2026-01-10T12:00:00Z', 10, 0, true), ('anna', '2026-03-05T12:00:00Z', 20, 4, true), \
         ('bob', '2026-01-31T23:30:00Z', 5, 0, true), ('bob', '2026-02-10T12:00:00Z', 7, NULL, true), \
         ('cleo', '2026-01-05T12:00:00Z', 8, 0, false), ('dora', '2026-01-06T12:00:00Z', 9, 9, true), \
         (NULL, '2026-01-07T12:00:00Z', 6, 0, true)) AS o (customer_id, time, amount, refunded, paid)";

    /// Rows as `cohort period customers value ratio complete`, at the moment at which April begins.
    #[track_caller]
    fn check(arguments: &str, expected: &[&str]) {
        let text = "[lake]\nurl = \"./lake\"\n[time]\nas_of = \"2026-04-01T00:00:00Z\"\n";
        let config = Config::parse(text, Path::new("."), &|_| None).unwrap();
        let query = query_of(&format!("cohort_retention({arguments})"), Some(&config)).unwrap();
        let shown = format!(
            "SELECT cohort, period, cohort_customers, value, ratio, complete FROM ({query}) AS c ORDER BY 1, 2"
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let batches = runtime.block_on(async {
            let context = SessionContext::new();
            context.sql(ORDERS).await.unwrap().collect().await.unwrap();
            context.sql(&shown).await.unwrap().collect().await.unwrap()
        });
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let values = batch
                    .columns()
                    .iter()
                    .map(|column| array_value_to_string(column, row));
                rows.push(values.collect::<Result<Vec<_>, _>>().unwrap().join(" "));
            }
        }
        assert_eq!(rows, expected, "{arguments}");
    }

    #[test]
    fn customers_come_back_in_that_period_in_it_or_later_or_up_to_it() {
        check(
            "'month'",
            &[
                "2026-01-01 0 2 2 1.0 true",
                "2026-01-01 1 2 1 0.5 true",
                "2026-01-01 2 2 1 0.5 true",
                "2026-01-01 3 2 0  false",
            ],
        );
        check(
            "'month', mode => 'unbounded'",
            &[
                "2026-01-01 0 2 2 1.0 true",
                "2026-01-01 1 2 2 1.0 true",
                "2026-01-01 2 2 1 0.5 true",
                "2026-01-01 3 2 0  false",
            ],
        );
        check(
            "'month', mode => 'rolling'",
            &[
                "2026-01-01 0 2 2 1.0 true",
                "2026-01-01 1 2 1 0.5 true",
                "2026-01-01 2 2 2 1.0 true",
                "2026-01-01 3 2 2  false",
            ],
        );
    }

    #[test]
    fn orders_are_counted_and_revenue_is_unknown_where_a_rate_is_missing() {
        check(
            "'month', measure => 'orders', mode => 'unbounded'",
            &[
                "2026-01-01 0 2 4 1.0 true",
                "2026-01-01 1 2 2 0.5 true",
                "2026-01-01 2 2 1 0.25 true",
                "2026-01-01 3 2 0  false",
            ],
        );
        check(
            "'month', measure => 'revenue'",
            &[
                "2026-01-01 0 2 15.0000 1.0 true",
                "2026-01-01 1 2   true",
                "2026-01-01 2 2 16.0000 1.0666666666666667 true",
                "2026-01-01 3 2 0.0000  false",
            ],
        );
    }

    #[test]
    fn cohorts_are_of_the_calendar_of_the_zone_and_all_history_decides_them() {
        // In Berlin Bob's first order is of February.
        check(
            "'month', zone => 'Europe/Berlin'",
            &[
                "2026-01-01 0 1 1 1.0 true",
                "2026-01-01 1 1 0 0.0 true",
                "2026-01-01 2 1 1 1.0 true",
                "2026-01-01 3 1 0  false",
                "2026-02-01 0 1 1 1.0 true",
                "2026-02-01 1 1 0 0.0 true",
                "2026-02-01 2 1 0  false",
            ],
        );
        check("'month', \"from\" => '2026-02-01'", &[]);
        check("'year', \"to\" => '2026-12-31'", &["2026-01-01 0 2 2  false"]);
        check(
            "'quarter'",
            &["2026-01-01 0 2 2 1.0 true", "2026-01-01 1 2 0  false"],
        );
    }
}
