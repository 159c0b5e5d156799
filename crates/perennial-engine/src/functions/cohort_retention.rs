//! `cohort_retention(period [, measure, mode, from, to, zone])`: who comes back, by the period of the first order.
//!
//! # Definition
//! A customer's cohort is the calendar period (in `zone`) of the first order that counts; period 0 is that period
//! itself. Orders that count are those of `customer_360.orders`: paid and not wholly refunded. All history decides
//! the cohort; `from` and `to` only choose which cohorts are shown. Every cohort has a row for each period up to
//! the one of the newest order, also where nobody came back.
//!
//! A period is complete when it has ended at the moment that the snapshot describes (`[time] as_of`, else `now()`); the ratio of an incomplete one is NULL. With `unbounded` a later period
//! can still change the answer, so a ratio is NULL there until the newest period is complete.
//!
//! # Source
//! Bounded and unbounded retention are Amplitude's "return on" and "return on or after"; rolling counts whoever has
//! returned so far and never falls.

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
