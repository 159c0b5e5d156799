//! `stage_transitions([from, to, period, zone])`: how often customers went from one stage to another, by period.
//!
//! # Signature
//! `stage_transitions([from date, to date, period => 'month'|'day'|'week'|'quarter'|'year', zone]) → table`: NULL is an
//! argument that was left out. `from` and `to` may be expressions without columns.
//! # Shape
//! One row per period and pair of different stages, in each period from that of the first move up to the present one, also
//! without moves; in the order of periods and of the model.
//! # Units
//! `moves` is a number of moves, `customers` of customers.
//! # Definition
//! A move is the beginning of an interval of `lifecycle_history`; it is of the calendar period (in `zone`) of its
//! `entered_at`. The first interval of a customer is a move from no stage (`from_stage` NULL). Moves are counted, not their
//! net: who goes to a stage and back within a period has moved twice. A stage does not follow itself. `from` and `to`, both
//! included, choose which periods are shown; a period is complete when it has ended (`≤`) at the moment that the snapshot
//! describes.
//! # Errors
//! Invalid argument for a period or zone that does not exist, and for an argument that depends on rows; invalid datetime
//! for a text that is no date; undefined function for an argument that does not exist.
//! # Cost
//! One scan of `lifecycle_history`; the answer has a row for each period and pair: with ten stages, a hundred in a period.
//! # Source
//! Our own.
//! # Example
//! `SELECT * FROM stage_transitions(period => 'week') WHERE moves > 0`.

use datafusion::logical_expr::Documentation;

use crate::error::Result;
use crate::functions::lifecycle::{ZONE, date, documented, model, numbered, period};
use crate::functions::period::{Period, local};
use crate::functions::table::{Arguments, Parameter, TableFunction};

/// Its declaration.
pub(crate) const FUNCTION: TableFunction = TableFunction {
    name: "stage_transitions",
    parameters: PARAMETERS,
    columns: COLUMNS,
    documentation,
    query,
};

const PARAMETERS: &[Parameter] = &[
    date("from", "First period shown, by a date in it."),
    date("to", "Last period shown, by a date in it."),
    period(
        Some("month"),
        "Calendar period of the moves; weeks begin on Monday.",
    ),
    ZONE,
];

const COLUMNS: &[(&str, &str)] = &[
    ("period_start", "First day of the calendar period of the moves"),
    ("from_stage", "Stage that was left; NULL at first sight"),
    ("to_stage", "Stage that was entered"),
    ("moves", "Moves between them in the period, not their net"),
    ("customers", "Customers who made them"),
    (
        "complete",
        "Whether the period had ended at the moment that the snapshot describes",
    ),
];

fn documentation() -> Documentation {
    documented(
        PARAMETERS,
        "How often customers went from one stage to another: one row per period, former stage (NULL at first sight) and \
         next stage. Pairs and periods without moves are there with 0.",
        "stage_transitions([from date, to date, period => 'month'|'day'|'week'|'quarter'|'year', zone])",
        "SELECT from_stage, to_stage, moves FROM stage_transitions('2026-01-01', '2026-01-31') WHERE moves > 0 ORDER BY 1, 2;\n\
         +-------------+-------------+-------+\n\
         | from_stage  | to_stage    | moves |\n\
         +-------------+-------------+-------+\n\
         | acquisition | conversion  | 6     |\n\
         | at_risk     | lapsed      | 4     |\n\
         | at_risk     | retention   | 2     |\n\
         | awareness   | acquisition | 3     |\n\
         | conversion  | acquisition | 1     |\n\
         | conversion  | advocacy    | 3     |\n\
         | conversion  | at_risk     | 4     |\n\
         | conversion  | retention   | 1     |\n\
         | lapsed      | won_back    | 3     |\n\
         | loyalty     | advocacy    | 1     |\n\
         | retention   | at_risk     | 4     |\n\
         | retention   | loyalty     | 2     |\n\
         |             | acquisition | 8     |\n\
         |             | awareness   | 8     |\n\
         +-------------+-------------+-------+",
    )
}

fn query(arguments: &Arguments<'_>) -> Result<String> {
    let period = Period::of(arguments.text("period"));
    let zone = arguments.zone()?;
    let present = arguments.present();
    let number = period.number(&local("h.entered_at", &zone));
    let now = period.number(&local(&present, &zone));
    let (from, to) = (arguments.date("from")?, arguments.date("to")?);
    let (from_number, to_number) = (period.number(&from), period.number(&to));
    let (start, next) = (period.start("p.number"), period.start("p.number + 1"));
    let today = arguments.today(&zone);
    let model = model(arguments);
    let stages = numbered(model.stages().iter().map(|stage| stage.name.as_str()));
    Ok(format!(
        "WITH moves AS (\
           SELECT h.customer_id, {number} AS number, h.previous_stage AS from_stage, h.stage AS to_stage \
           FROM public.lifecycle_history h WHERE h.entered_at <= {present}), \
         counted AS (\
           SELECT number, coalesce(from_stage, '') AS from_stage, to_stage, count(*) AS moves, \
             count(DISTINCT customer_id) AS customers FROM moves GROUP BY 1, 2, 3), \
         bounds AS (SELECT min(number) AS low, max({now}) AS high FROM moves), \
         periods AS (SELECT unnest(range(low, high + 1)) AS number FROM bounds WHERE low IS NOT NULL), \
         configured AS (SELECT column1 AS position, column2 AS stage FROM (VALUES {stages})), \
         stages AS (\
           SELECT min(position) AS position, stage FROM (\
             SELECT position, stage FROM configured \
             UNION ALL SELECT CAST(1000000 AS bigint), to_stage FROM counted) GROUP BY stage), \
         former AS (SELECT position, stage FROM stages UNION ALL SELECT CAST(-1 AS bigint), '') \
         SELECT {start} AS period_start, nullif(f.stage, '') AS from_stage, t.stage AS to_stage, \
           coalesce(c.moves, 0) AS moves, coalesce(c.customers, 0) AS customers, {next} <= {today} AS complete \
         FROM periods p CROSS JOIN former f CROSS JOIN stages t \
         LEFT JOIN counted c ON c.number = p.number AND c.from_stage = f.stage AND c.to_stage = t.stage \
         WHERE f.stage <> t.stage \
           AND ({from} IS NULL OR p.number >= {from_number}) AND ({to} IS NULL OR p.number <= {to_number}) \
         ORDER BY p.number, f.position, f.stage, t.position, t.stage"
    ))
}
