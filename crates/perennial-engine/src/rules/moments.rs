//! Dates beside timestamps: the date is its midnight, in the session's zone where the other side has one. The planner would
//! count both in nanoseconds, which no date after 2262 has.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ExprSchema, Result};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, Cast, InList};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::analyzer::AnalyzerRule;

use crate::rules::each_expression;

/// Runs before the planner looks for the types in which values meet; `rules::casts` then gives the casts their zone.
#[derive(Debug)]
pub(crate) struct Moments;

impl AnalyzerRule for Moments {
    fn name(&self) -> &'static str {
        "postgres_moments"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        each_expression(plan, |expr, schema, _| {
            expr.transform_up(|mut expr| {
                let changed = meet(&mut expr, schema);
                Ok(if changed {
                    Transformed::yes(expr)
                } else {
                    Transformed::no(expr)
                })
            })
        })
    }
}

/// The timestamp that dates become which meet it; of two, the one with a zone.
pub(super) fn met<'a>(types: impl Iterator<Item = &'a DataType> + Clone) -> Option<DataType> {
    let dates = types.clone().any(|found| *found == DataType::Date32);
    let rank = |found: &&DataType| match found {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => 2,
        DataType::Timestamp(TimeUnit::Microsecond, None) => 1,
        _ => 0,
    };
    let timestamp = types.max_by_key(rank).filter(|found| rank(found) > 0);
    timestamp.filter(|_| dates).cloned()
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    let all = [Eq, NotEq, Lt, LtEq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom];
    all.contains(&op)
}

/// Casts dates among the values that an expression brings together.
fn meet(expr: &mut Expr, schema: &dyn ExprSchema) -> bool {
    let values: Vec<&mut Expr> = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            vec![left, right]
        }
        Expr::Between(Between { expr, low, high, .. }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => {
            std::iter::once(expr.as_mut()).chain(list.iter_mut()).collect()
        }
        Expr::ScalarFunction(call)
            if matches!(call.func.name(), "coalesce" | "nullif" | "greatest" | "least") =>
        {
            call.args.iter_mut().collect()
        }
        Expr::Case(Case {
            expr: value,
            when_then_expr,
            else_expr,
        }) => {
            let (when, then): (Vec<&mut Expr>, Vec<&mut Expr>) = when_then_expr
                .iter_mut()
                .map(|(when, then)| (when.as_mut(), then.as_mut()))
                .unzip();
            let answers: Vec<&mut Expr> = then.into_iter().chain(else_expr.as_deref_mut()).collect();
            let asked: Vec<&mut Expr> = value.as_deref_mut().into_iter().chain(when).collect();
            // Conditions without a value are booleans, among which there is no date.
            let changed = cast_dates(asked, schema);
            return cast_dates(answers, schema) || changed;
        }
        _ => return false,
    };
    cast_dates(values, schema)
}

fn cast_dates(values: Vec<&mut Expr>, schema: &dyn ExprSchema) -> bool {
    let types: Vec<DataType> = values
        .iter()
        .map(|value| value.get_type(schema).unwrap_or(DataType::Null))
        .collect();
    let Some(timestamp) = met(types.iter()) else {
        return false;
    };
    for (value, _) in values
        .into_iter()
        .zip(&types)
        .filter(|(_, found)| **found == DataType::Date32)
    {
        *value = Expr::Cast(Cast::new(Box::new(value.clone()), timestamp.clone()));
    }
    true
}
