//! `lifecycle_funnel([from, to, stages, zone])`: how far customers ever came, and how long it took.
//!
//! # Signature
//! `lifecycle_funnel([from date, to date, stages text, zone]) → table`: stages are names with commas between them. NULL is
//! an argument that was left out. `from` and `to` may be expressions without columns.
//! # Shape
//! One row per stage of the funnel, in its order.
//! # Units
//! `customers` and `converted` are numbers of customers, `ratio` is a part of one, `median_days` is in days of 24 hours.
//! # Definition
//! The stages of the funnel are the way up: those of the model that stand for growth, weakest claim first
//! ([`StageModel::funnel`](perennial_udf_lifecycle::model::StageModel::funnel)), or those given. A customer has reached a
//! stage with its first interval in it. A customer has converted who enters the next stage of the funnel at or after that
//! (`≥`); whoever skips a stage has not reached it. `from` and `to`, both included, choose customers by the day (in `zone`)
//! of their first sight. The last stage has no next one, and without customers there is no ratio: NULL.
//! # Errors
//! Invalid argument for a stage that the model does not have, a zone that does not exist, and an argument that depends on
//! rows; invalid datetime for a text that is no date; undefined function for an argument that does not exist.
//! # Cost
//! Scans of `lifecycle_history`, one for each time that the query names it, and a group per customer and stage.
//! # Source
//! Our own; a funnel of stages instead of events.
//! # Example
//! `SELECT * FROM lifecycle_funnel(stages => 'conversion, retention, loyalty')`.

use datafusion::logical_expr::Documentation;
use perennial_base::{ErrorClass, nearest};

use crate::error::{Error, Result};
use crate::functions::lifecycle::{ZONE, date, days, documented, model, numbered};
use crate::functions::period::{Period, local};
use crate::functions::table::{Arguments, Parameter, TableFunction};

/// Its declaration.
pub(crate) const FUNCTION: TableFunction = TableFunction {
    name: "lifecycle_funnel",
    parameters: PARAMETERS,
    columns: COLUMNS,
    documentation,
    query,
};

const PARAMETERS: &[Parameter] = &[
    date("from", "Only customers first seen on this day or later."),
    date("to", "Only customers first seen on this day or earlier."),
    Parameter {
        name: "stages",
        default: Some(""),
        choices: &[],
        expression: false,
        description: "The stages of the funnel in order, with commas between them; by default the model's way up.",
    },
    ZONE,
];

const COLUMNS: &[(&str, &str)] = &[
    ("position", "Place of the stage on the way up, from 0"),
    ("stage", "The stage"),
    ("customers", "Customers who were ever in it"),
    (
        "converted",
        "Those who entered the next stage at or after their first time in this one; NULL for the last stage",
    ),
    (
        "ratio",
        "converted by customers; NULL for the last stage and without customers",
    ),
    (
        "median_days",
        "Median days of 24 hours from the first entry to that of the next stage",
    ),
];

fn documentation() -> Documentation {
    documented(
        PARAMETERS,
        "How far customers ever came: one row per stage of the way up.",
        "lifecycle_funnel([from date, to date, stages text, zone])",
        "SELECT stage, customers, converted, ratio::numeric(5, 3) AS ratio FROM lifecycle_funnel() ORDER BY position;\n\
         +-------------+-----------+-----------+-------+\n\
         | stage       | customers | converted | ratio |\n\
         +-------------+-----------+-----------+-------+\n\
         | awareness   | 457       | 128       | 0.280 |\n\
         | acquisition | 367       | 193       | 0.526 |\n\
         | conversion  | 238       | 99        | 0.416 |\n\
         | retention   | 99        | 38        | 0.384 |\n\
         | loyalty     | 40        | 9         | 0.225 |\n\
         | advocacy    | 38        |           |       |\n\
         +-------------+-----------+-----------+-------+",
    )
}

fn query(arguments: &Arguments<'_>) -> Result<String> {
    let model = model(arguments);
    let known: Vec<&str> = model.stages().iter().map(|stage| stage.name.as_str()).collect();
    let given: Vec<&str> = arguments
        .text("stages")
        .split(',')
        .map(str::trim)
        .filter(|stage| !stage.is_empty())
        .collect();
    if let Some(unknown) = given.iter().find(|stage| !known.contains(*stage)) {
        let hint = match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("Perhaps you meant \"{near}\"."),
            None => format!("The stages are: {}.", known.join(", ")),
        };
        return Err(Error::new(
            ErrorClass::InvalidArgument,
            format!("lifecycle stage \"{unknown}\" does not exist"),
        )
        .with_hint(hint));
    }
    let steps = if given.is_empty() { model.funnel() } else { given };
    let zone = arguments.zone()?;
    let present = arguments.present();
    let (from, to) = (arguments.date("from")?, arguments.date("to")?);
    let number = |local: &str| Period::of("day").number(local);
    let seen = number(&local("min(h.entered_at)", &zone));
    let (from_number, to_number) = (number(&from), number(&to));
    let days = days("p.reached_at", "n.next_at");
    let last = steps.len().saturating_sub(1);
    let steps = numbered(steps);
    Ok(format!(
        "WITH steps AS (SELECT column1 AS position, column2 AS stage FROM (VALUES {steps})), \
         known AS (SELECT * FROM public.lifecycle_history WHERE entered_at <= {present}), \
         shown AS (\
           SELECT h.customer_id FROM known h GROUP BY h.customer_id \
           HAVING ({from} IS NULL OR {seen} >= {from_number}) AND ({to} IS NULL OR {seen} <= {to_number})), \
         reached AS (\
           SELECT h.customer_id, s.position, min(h.entered_at) AS reached_at \
           FROM known h JOIN steps s ON s.stage = h.stage JOIN shown c ON c.customer_id = h.customer_id GROUP BY 1, 2), \
         nexts AS (\
           SELECT r.customer_id, r.position, min(h.entered_at) AS next_at \
           FROM reached r JOIN steps s ON s.position = r.position + 1 \
             JOIN known h ON h.customer_id = r.customer_id AND h.stage = s.stage AND h.entered_at >= r.reached_at \
           GROUP BY 1, 2) \
         SELECT s.position AS position, s.stage AS stage, count(p.customer_id) AS customers, \
           CASE WHEN s.position < {last} THEN count(n.customer_id) END AS converted, \
           CASE WHEN s.position < {last} THEN \
             CAST(count(n.customer_id) AS double precision) / nullif(count(p.customer_id), 0) END AS ratio, \
           median({days}) AS median_days \
         FROM steps s LEFT JOIN reached p ON p.position = s.position \
           LEFT JOIN nexts n ON n.customer_id = p.customer_id AND n.position = p.position \
         GROUP BY s.position, s.stage ORDER BY s.position"
    ))
}
