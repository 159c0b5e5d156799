//! `EXCEPT ALL` and `INTERSECT ALL` count: of equal rows, each on the right side takes, or keeps, one on the left.
//!
//! The planner joins by the values alone, and a row on the right side meets all that are equal. Here equal rows of each
//! side are numbered, and the numbers are joined too.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};

/// The name of the numbers; no identifier that can be typed holds its first character.
const COPY: &str = "\u{1}copy";

/// A plan as it comes from the planner, whose joins that find NULL equal to NULL are those of sets.
pub(crate) fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        Ok(match plan {
            LogicalPlan::Join(join) if of_all(&join) => Transformed::yes(numbered(join)?),
            other => Transformed::no(other),
        })
    })
    .data()
}

fn of_all(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.filter.is_none()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn numbered(join: Join) -> Result<LogicalPlan> {
    let columns = join.left.schema().columns();
    let mut on = join.on;
    on.push((
        Expr::Column(Column::from_name(COPY)),
        Expr::Column(Column::from_name(COPY)),
    ));
    let joined = Join::try_new(
        Arc::new(with_numbers(join.left)?),
        Arc::new(with_numbers(join.right)?),
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(joined))
        .project(columns.into_iter().map(Expr::Column))?
        .build()
}

fn with_numbers(side: Arc<LogicalPlan>) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = side.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(columns.clone()).build()?;
    let name = number.schema_name().to_string();
    let number_column = Expr::Column(Column::from_name(name)).alias(COPY);
    LogicalPlanBuilder::from(side)
        .window([number])?
        .project(columns.into_iter().chain([number_column]))?
        .build()
}
