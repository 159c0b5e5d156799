//! What EXPLAIN gives: one column of lines, as in Postgres. The engine gives a row for each of its plans.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;

use crate::error::Result;
use crate::rows::Rows;
use crate::sql::names::shown_schema;

/// The columns of a plan's rows as a client sees them.
pub(super) fn output_of(plan: &LogicalPlan) -> SchemaRef {
    match plan {
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => columns(&["QUERY PLAN"]),
        plan => shown_schema(plan.schema().as_arrow()),
    }
}

/// The columns that the engine gives.
pub(super) fn of_the_engine() -> SchemaRef {
    columns(&["plan_type", "plan"])
}

fn columns(names: &[&str]) -> SchemaRef {
    let fields = names.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows of the engine's as lines.
pub(super) fn lines(rows: Rows) -> Rows {
    rows.shaped(columns(&["QUERY PLAN"]), in_lines)
}

/// Each plan behind a line that says which it is.
fn in_lines(plans: &RecordBatch) -> Result<RecordBatch> {
    let mut lines = StringBuilder::new();
    if let [kinds, texts] = plans.columns() {
        for (kind, text) in kinds.as_string::<i32>().iter().zip(texts.as_string::<i32>()) {
            lines.append_value(kind.unwrap_or_default().replace('_', " "));
            for line in text.unwrap_or_default().lines().filter(|line| !line.is_empty()) {
                lines.append_value(format!("  {line}"));
            }
        }
    }
    let lines: ArrayRef = Arc::new(lines.finish());
    Ok(RecordBatch::try_new(columns(&["QUERY PLAN"]), vec![lines])?)
}
