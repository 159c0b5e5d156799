//! `time_in_stage([period, from, to, zone])`: how long customers are in each stage, by the period of their first sight.
//!
//! # Signature
//! `time_in_stage([period => 'month'|'day'|'week'|'quarter'|'year', from date, to date, zone]) → table`: NULL is an argument
//! that was left out. `from` and `to` may be expressions without columns.
//! # Shape
//! One row per cohort and stage, also where nobody of the cohort was in it, in the order of cohorts and of the model.
//! # Units
//! `days`, `mean_days` and `median_days` are in days of 24 hours, with their fraction.
//! # Definition
//! A customer's cohort is the calendar period (in `zone`) of the beginning of the first interval; `from` and `to`, both
//! included, choose which cohorts are shown. Intervals that last at the moment that the snapshot describes are open: they
//! count in `days`, up to that moment, and not in the mean and the median, which are of times that have ended and NULL
//! without any. Cohorts are compared by ended times with care: a young cohort has ended its short ones only.
//! # Errors
//! Invalid argument for a period or zone that does not exist, and for an argument that depends on rows; invalid datetime
//! for a text that is no date; undefined function for an argument that does not exist.
//! # Cost
//! Scans of `lifecycle_history` and a group per cohort and stage; medians keep the length of every interval.
//! # Source
//! Our own.
//! # Example
//! `SELECT * FROM time_in_stage('quarter') WHERE stage = 'at_risk'`.

use datafusion::logical_expr::Documentation;

use crate::error::Result;
use crate::functions::lifecycle::{ZONE, date, days_of, documented, micros, model, numbered, period};
use crate::functions::period::{Period, local};
use crate::functions::table::{Arguments, Parameter, TableFunction};

/// Its declaration.
pub(crate) const FUNCTION: TableFunction = TableFunction {
    name: "time_in_stage",
    parameters: PARAMETERS,
    columns: COLUMNS,
    documentation,
    query,
};

const PARAMETERS: &[Parameter] = &[
    period(
        Some("month"),
        "Calendar period of cohorts; weeks begin on Monday.",
    ),
    date("from", "First cohort shown, by a date in it."),
    date("to", "Last cohort shown, by a date in it."),
    ZONE,
];

const COLUMNS: &[(&str, &str)] = &[
    ("cohort", "First day of the calendar period of first sight"),
    ("stage", "The stage"),
    ("customers", "Customers of the cohort who were ever in it"),
    ("intervals", "Their intervals in it"),
    (
        "open",
        "Intervals that had not ended at the moment that the snapshot describes",
    ),
    (
        "days",
        "Days of 24 hours of all intervals, of open ones up to that moment",
    ),
    (
        "mean_days",
        "Mean days of the intervals that have ended; NULL without any",
    ),
    (
        "median_days",
        "Median days of the intervals that have ended; NULL without any",
    ),
];

fn documentation() -> Documentation {
    documented(
        PARAMETERS,
        "How long customers are in each stage: one row per cohort (the calendar period of first sight) and stage.",
        "time_in_stage([period => 'month'|'day'|'week'|'quarter'|'year', from date, to date, zone])",
        "SELECT stage, sum(intervals) AS intervals, sum(days)::bigint AS days FROM time_in_stage() GROUP BY stage ORDER BY stage;\n\
         +-------------+-----------+--------+\n\
         | stage       | intervals | days   |\n\
         +-------------+-----------+--------+\n\
         | acquisition | 372       | 88407  |\n\
         | advocacy    | 47        | 7050   |\n\
         | at_risk     | 237       | 23669  |\n\
         | awareness   | 457       | 182694 |\n\
         | conversion  | 240       | 20351  |\n\
         | lapsed      | 162       | 50632  |\n\
         | loyalty     | 53        | 7825   |\n\
         | retention   | 114       | 12947  |\n\
         | terminated  | 8         | 2443   |\n\
         | won_back    | 46        | 3645   |\n\
         +-------------+-----------+--------+",
    )
}

fn query(arguments: &Arguments<'_>) -> Result<String> {
    let period = Period::of(arguments.text("period"));
    let zone = arguments.zone()?;
    let present = arguments.present();
    let seen = period.number(&local("min(h.entered_at)", &zone));
    let (from, to) = (arguments.date("from")?, arguments.date("to")?);
    let (from_number, to_number) = (period.number(&from), period.number(&to));
    let cohort = period.start("c.number");
    let until =
        format!("CASE WHEN h.left_at IS NULL OR h.left_at > {present} THEN {present} ELSE h.left_at END");
    let micros = micros("h.entered_at", &until);
    let ended = "CASE WHEN NOT open THEN micros END";
    let (days, mean_days) = (days_of("sum(micros)"), days_of(&format!("sum({ended})")));
    let median_days = format!("median({})", days_of(ended));
    let model = model(arguments);
    let stages = numbered(model.stages().iter().map(|stage| stage.name.as_str()));
    Ok(format!(
        "WITH known AS (SELECT * FROM public.lifecycle_history WHERE entered_at <= {present}), \
         firsts AS (SELECT h.customer_id, {seen} AS number FROM known h GROUP BY h.customer_id), \
         spans AS (\
           SELECT h.customer_id, c.number, h.stage, {micros} AS micros, \
             h.left_at IS NULL OR h.left_at > {present} AS open \
           FROM known h JOIN firsts c ON c.customer_id = h.customer_id), \
         counted AS (\
           SELECT number, stage, count(DISTINCT customer_id) AS customers, count(*) AS intervals, \
             count(CASE WHEN open THEN 1 END) AS open, {days} AS days, \
             {mean_days} / nullif(count({ended}), 0) AS mean_days, {median_days} AS median_days \
           FROM spans GROUP BY 1, 2), \
         configured AS (SELECT column1 AS position, column2 AS stage FROM (VALUES {stages})), \
         stages AS (\
           SELECT min(position) AS position, stage FROM (\
             SELECT position, stage FROM configured \
             UNION ALL SELECT CAST(1000000 AS bigint), stage FROM counted) GROUP BY stage), \
         cohorts AS (SELECT DISTINCT number FROM firsts) \
         SELECT {cohort} AS cohort, s.stage AS stage, coalesce(t.customers, 0) AS customers, \
           coalesce(t.intervals, 0) AS intervals, coalesce(t.open, 0) AS open, \
           coalesce(t.days, CAST(0 AS double precision)) AS days, t.mean_days AS mean_days, t.median_days AS median_days \
         FROM cohorts c CROSS JOIN stages s \
         LEFT JOIN counted t ON t.number = c.number AND t.stage = s.stage \
         WHERE ({from} IS NULL OR c.number >= {from_number}) AND ({to} IS NULL OR c.number <= {to_number}) \
         ORDER BY c.number, s.position, s.stage"
    ))
}
