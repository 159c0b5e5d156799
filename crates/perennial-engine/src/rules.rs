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
pub(crate) mod named_types;
pub(crate) mod ordered_input;
pub(crate) mod ordered_scan;
pub(crate) mod postgres;
pub(crate) mod stoppable;
pub(crate) mod yielding;

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a select list.
    Selected,
    /// Among what rows are sorted by.
    Sorting,
    Elsewhere,
}

impl Place {
    fn of(plan: &LogicalPlan) -> Self {
        match plan {
            LogicalPlan::Projection(_) => Self::Selected,
            LogicalPlan::Sort(_) => Self::Sorting,
            _ => Self::Elsewhere,
        }
    }
}

/// Rewrites each expression of a plan, from the inputs up, over the columns that it may name; columns keep their names.
fn each_expression(
    plan: LogicalPlan,
    mut rewrite: impl FnMut(Expr, &DFSchema, Place) -> Result<Transformed<Expr>>,
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
        let place = Place::of(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(rewrite(expr, &schema, place)?.update_data(|expr| name.restore(expr)))
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
