//! Operators and casts that Postgres computes otherwise than the engine: dates plus intervals, integers that do not wrap
//! around, numbers that are rounded and not cut off.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::logical_expr::expr::{BinaryExpr, Cast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::functions::postgres::{integers, round};

/// A date and an interval make a timestamp.
#[derive(Debug)]
pub(crate) struct DatesAndIntervals;

impl ExprPlanner for DatesAndIntervals {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let operator = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let is = |expr: &Expr, wanted: fn(&DataType) -> bool| {
            expr.get_type(schema).is_ok_and(|found| wanted(&found))
        };
        let date = |found: &DataType| matches!(found, DataType::Date32);
        let interval = |found: &DataType| matches!(found, DataType::Interval(_));
        let timestamp = |expr: Expr| {
            Expr::Cast(Cast::new(
                Box::new(expr),
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ))
        };
        let RawBinaryExpr { op, left, right } = expr;
        if is(&left, date) && is(&right, interval) {
            let sum = BinaryExpr::new(Box::new(timestamp(left)), operator, Box::new(right));
            return Ok(PlannerResult::Planned(Expr::BinaryExpr(sum)));
        }
        if operator == Operator::Plus && is(&left, interval) && is(&right, date) {
            let sum = BinaryExpr::new(Box::new(timestamp(right)), operator, Box::new(left));
            return Ok(PlannerResult::Planned(Expr::BinaryExpr(sum)));
        }
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// Runs when all types are known.
#[derive(Debug)]
pub(crate) struct Numbers;

impl AnalyzerRule for Numbers {
    fn name(&self) -> &'static str {
        "postgres_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            if let LogicalPlan::TableScan(scan) = &plan {
                schema.merge(&DFSchema::try_from_qualified_schema(
                    scan.table_name.clone(),
                    &scan.source.schema(),
                )?);
            }
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr
                    .transform_up(|expr| number(expr, &schema))?
                    .update_data(|expr| name.restore(expr)))
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
}

fn number(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let behind = integers::behind(op).filter(|_| {
                let (one, other) = (left.get_type(schema), right.get_type(schema));
                matches!((one, other), (Ok(one), Ok(other)) if one == other && one.is_signed_integer())
            });
            Ok(match behind {
                Some(function) => Transformed::yes(function.call(vec![*left, *right])),
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            })
        }
        Expr::Cast(Cast { expr, field }) if field.data_type().is_integer() && !is_rounded(&expr) => {
            let rounds = expr.get_type(schema).is_ok_and(|found| {
                found.is_floating() || matches!(found, DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if scale > 0)
            });
            Ok(if rounds {
                let rounded = round::function().call(vec![*expr]);
                Transformed::yes(Expr::Cast(Cast {
                    expr: Box::new(rounded),
                    field,
                }))
            } else {
                Transformed::no(Expr::Cast(Cast { expr, field }))
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_rounded(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if matches!(call.name(), "round" | "trunc" | "floor" | "ceil") && call.args.len() == 1)
}
