//! Rules of ours over plans.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

pub(crate) mod all_of_sets;
pub(crate) mod array_literal;
pub(crate) mod casts;
pub(crate) mod comparisons;
pub(crate) mod dependent_join;
pub(crate) mod few_rows;
pub(crate) mod floats;
pub(crate) mod guarded;
pub(crate) mod look_ups;
pub(crate) mod many_files;
pub(crate) mod moments;
pub(crate) mod ordered_scan;
pub(crate) mod postgres;
pub(crate) mod stoppable;
pub(crate) mod yielding;

/// Rewrites each expression of a plan, from the inputs up, over the columns that it may name; columns keep their names.
/// `rewrite` is told whether the expression is one to sort by.
fn each_expression(
    plan: LogicalPlan,
    mut rewrite: impl FnMut(Expr, &DFSchema, bool) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(
                scan.table_name.clone(),
                &scan.source.schema(),
            )?);
        }
        let names = NamePreserver::new(&plan);
        let sorts = matches!(plan, LogicalPlan::Sort(_));
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(rewrite(expr, &schema, sorts)?.update_data(|expr| name.restore(expr)))
        })
    })
    .and_then(|plan| {
        if plan.transformed {
            plan.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(plan)
        }
    })
    .map(|plan| plan.data)
}
