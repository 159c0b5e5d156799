//! Columns that change from moment to moment without any new fact. They are not stored: whoever reads them works them out
//! from the stored columns and from the moment that the snapshot describes.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use perennial_base::relation::Relation;

use crate::error::Result;

/// Microseconds of a day of 24 hours.
const DAY: f64 = 86_400_000_000.0;

/// What a moving column is at a moment, in microseconds; none for a column that does not move.
fn at(column: &str, moment: i64) -> Option<Expr> {
    let days_since = |since: &str| {
        let since = cast(Expr::Column(Column::new_unqualified(since)), DataType::Int64);
        cast(lit(moment) - since, DataType::Float64) / lit(DAY)
    };
    Some(match column {
        "as_of_at" => lit(ScalarValue::TimestampMicrosecond(
            Some(moment),
            Some("UTC".into()),
        )),
        "tenure_days" => days_since("first_seen_at"),
        "recency_days" => days_since("last_order_at"),
        _ => return None,
    })
}

/// An expression over a relation as it is at a moment, over stored columns alone.
///
/// # Errors
/// Never in practice: the rewrite itself cannot fail.
pub fn expression_at(expr: Expr, relation: &Relation, moment: i64) -> Result<Expr> {
    let rewritten = expr.transform(|expr| {
        let moving = match &expr {
            Expr::Column(column) if moves(relation, column.name()) => at(column.name(), moment),
            _ => None,
        };
        Ok(match moving {
            Some(moving) => Transformed::yes(moving),
            None => Transformed::no(expr),
        })
    })?;
    Ok(rewritten.data)
}

/// Whether a column of a relation is one of these.
pub fn moves(relation: &Relation, column: &str) -> bool {
    relation
        .columns
        .iter()
        .any(|declared| declared.moving && declared.name == column)
}

/// A stored table with its relation's moving columns, each at its declared place. A table that holds them itself is left as
/// it is.
pub(crate) fn with_moving(
    table: Arc<dyn TableProvider>,
    relation: &Relation,
    moment: i64,
) -> Result<Arc<dyn TableProvider>> {
    let stored = table.schema();
    let mut missing = relation
        .columns
        .iter()
        .filter(|column| column.moving && stored.index_of(column.name).is_err())
        .peekable();
    if missing.peek().is_none() {
        return Ok(table);
    }
    let place = |name: &str| relation.columns.iter().position(|column| column.name == name);
    let mut columns = Vec::with_capacity(stored.fields().len());
    for field in stored.fields() {
        while let (Some(next), Some(here)) = (missing.peek(), place(field.name()))
            && place(next.name) < Some(here)
        {
            columns.extend(at(next.name, moment).map(|expr| expr.alias(next.name)));
            missing.next();
        }
        columns.push(Expr::Column(Column::new_unqualified(field.name())));
    }
    columns.extend(missing.filter_map(|column| Some(at(column.name, moment)?.alias(column.name))));
    let plan = LogicalPlanBuilder::scan(relation.name, provider_as_source(table), None)?
        .project(columns)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
