//! `lifecycle_at(ts)`: the stage of every customer at a moment.
//!
//! # Signature
//! `lifecycle_at(ts timestamptz) → table`: the moment may be an expression without columns.
//! # Shape
//! One row per customer known then. No rows before the first sight of anybody, for NULL, and after the moment that the
//! snapshot describes.
//! # Units
//! `days_in_stage` is in days of 24 hours, with their fraction.
//! # Definition
//! A customer is in the interval of `lifecycle_history` that has begun at or before `ts` (`≤`) and has not ended at `ts`
//! (`<`). Only what was known then is given: not when the stage will end.
//! # Errors
//! Invalid argument for a moment that depends on rows, invalid datetime for a text that is no moment; undefined function
//! for another number of arguments.
//! # Cost
//! One scan of `lifecycle_history`.
//! # Source
//! Our own.
//! # Example
//! `SELECT stage, count(*) FROM lifecycle_at(now() - interval '1 year') GROUP BY stage`.

use datafusion::logical_expr::Documentation;

use crate::error::Result;
use crate::functions::lifecycle::{days, documented};
use crate::functions::table::{Arguments, Parameter, TableFunction};

/// Its declaration.
pub(crate) const FUNCTION: TableFunction = TableFunction {
    name: "lifecycle_at",
    parameters: PARAMETERS,
    columns: COLUMNS,
    documentation,
    query,
};

const PARAMETERS: &[Parameter] = &[Parameter {
    name: "ts",
    default: None,
    choices: &[],
    expression: true,
    description: "The moment asked about: a timestamp, or an expression without columns such as `now() - interval '1 year'` or `$1`. A timestamp without zone is read in the session's.",
}];

const COLUMNS: &[(&str, &str)] = &[
    ("customer_id", "The customer"),
    ("stage", "Stage that the customer was in"),
    ("entered_at", "Since when"),
    ("previous_stage", "Stage before this one; NULL at first sight"),
    ("reason", "What brought the customer into the stage"),
    (
        "days_in_stage",
        "Days of 24 hours from entered_at to the moment asked about",
    ),
];

fn documentation() -> Documentation {
    documented(
        PARAMETERS,
        "The stage of every customer at a moment: one row per customer known then. Under one snapshot's \
         identities the answer for a past moment is what was computed on that day. No rows for NULL, and none for a \
         moment after the one that the snapshot describes (`[time] as_of`, else `now()`).",
        "lifecycle_at(ts timestamptz)",
        "SELECT stage, count(*) FROM lifecycle_at('2026-01-01') GROUP BY stage ORDER BY stage;\n\
         +-------------+-------+\n\
         | stage       | count |\n\
         +-------------+-------+\n\
         | acquisition | 141   |\n\
         | advocacy    | 8     |\n\
         | at_risk     | 25    |\n\
         | awareness   | 286   |\n\
         | conversion  | 29    |\n\
         | lapsed      | 94    |\n\
         | loyalty     | 12    |\n\
         | retention   | 18    |\n\
         | terminated  | 4     |\n\
         | won_back    | 6     |\n\
         +-------------+-------+",
    )
}

fn query(arguments: &Arguments<'_>) -> Result<String> {
    let (ts, present) = (arguments.instant("ts"), arguments.present());
    let days = days("h.entered_at", &ts);
    Ok(format!(
        "SELECT h.customer_id AS customer_id, h.stage AS stage, h.entered_at AS entered_at, \
           h.previous_stage AS previous_stage, h.reason AS reason, {days} AS days_in_stage \
         FROM public.lifecycle_history h \
         WHERE h.entered_at <= {ts} AND (h.left_at IS NULL OR h.left_at > {ts}) AND {ts} <= {present}"
    ))
}
