//! Operators and casts that Postgres computes otherwise than the engine: dates plus intervals, integers that do not wrap
//! around, numbers that are rounded and not cut off.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::functions_nested::array_has::array_has_any_udf;
use datafusion::logical_expr::expr::{BinaryExpr, Cast, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawWindowExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::functions::postgres::{float, integers, intervals, json, json_edit, quotient, round};
use crate::rules::{comparisons, each_expression, named_types};
use crate::schema::PG_TYPE;

/// Operators on dates, times, intervals and quotients, by the types of their sides.
#[derive(Debug)]
pub(crate) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let expr = if comparisons::compares(&expr.op) {
            let (left, right, _) = named_types::beside(expr.left, expr.right, schema);
            RawBinaryExpr { left, right, ..expr }
        } else {
            expr
        };
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if let Some(error) = comparisons::impossible(&expr, schema) {
            return Err(error);
        }
        let RawBinaryExpr {
            op,
            left: one,
            right: other,
        } = expr;
        let jsonb = |side: &Expr| {
            let field = side.to_field(schema);
            field.is_ok_and(|(_, field)| field.metadata().get(PG_TYPE).is_some_and(|name| name == "jsonb"))
        };
        if let Some(function) = json_edit::behind(&op)
            && jsonb(&one)
            && (op != BinaryOperator::StringConcat || jsonb(&other) || matches!(other, Expr::Literal(..)))
        {
            return Ok(PlannerResult::Planned(function.call(vec![one, other])));
        }
        Ok(match operated(&op, (&one, &left), (&other, &right)) {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(RawBinaryExpr {
                op,
                left: one,
                right: other,
            }),
        })
    }

    fn plan_window(&self, window: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        // Numbers and ranks of rows are bigint, buckets integer.
        let data_type = match window.func_def.name() {
            "row_number" | "rank" | "dense_rank" => DataType::Int64,
            "ntile" => DataType::Int32,
            _ => return Ok(PlannerResult::Original(window)),
        };
        let call = WindowFunction {
            fun: window.func_def,
            params: WindowFunctionParams {
                args: window.args,
                partition_by: window.partition_by,
                order_by: window.order_by,
                window_frame: window.window_frame,
                filter: window.filter,
                null_treatment: window.null_treatment,
                distinct: window.distinct,
            },
        };
        let call = Expr::WindowFunction(Box::new(call));
        Ok(PlannerResult::Planned(Expr::Cast(Cast::new(
            Box::new(call),
            data_type,
        ))))
    }
}

fn operated(op: &BinaryOperator, one: (&Expr, &DataType), other: (&Expr, &DataType)) -> Option<Expr> {
    use BinaryOperator::{Divide, Minus, Multiply, Plus};
    use DataType::{Date32, Interval, Timestamp};
    let ((left, left_type), (right, right_type)) = (one, other);
    let cast = |expr: &Expr, to: DataType| Expr::Cast(Cast::new(Box::new(expr.clone()), to));
    let wall_clock = || Timestamp(TimeUnit::Microsecond, None);
    let sum = |left: Expr, operator: Operator, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
    };
    let days = |left: Expr, right: Expr| cast(&sum(left, Operator::Minus, right), DataType::Int32);
    let two = |function: Arc<ScalarUDF>| Some(function.call(vec![left.clone(), right.clone()]));
    let exact = |found: &DataType| found.is_integer() || found.is_decimal();
    if let Some((function, turned)) = json::behind(op)
        && left_type.is_string()
    {
        let (one, other) = if turned { (right, left) } else { (left, right) };
        return Some(function.call(vec![one.clone(), other.clone()]));
    }
    // A constant in quotes has no type of its own: it takes that of the other side.
    if let Some(literal) = beside_literal(op, one, other) {
        return Some(literal);
    }
    match (op, left_type, right_type) {
        (BinaryOperator::PGOverlap, DataType::List(_), DataType::List(_)) => two(array_has_any_udf()),
        // A date and an interval make a timestamp.
        (Plus, Date32, Interval(_)) => Some(sum(cast(left, wall_clock()), Operator::Plus, right.clone())),
        (Minus, Date32, Interval(_)) => Some(sum(cast(left, wall_clock()), Operator::Minus, right.clone())),
        (Plus, Interval(_), Date32) => Some(sum(cast(right, wall_clock()), Operator::Plus, left.clone())),
        // Days between two dates, of which a text beside the other is one, are an integer.
        (Minus, Date32, Date32) => Some(days(left.clone(), right.clone())),
        (Minus, Date32, DataType::Utf8) if matches!(right, Expr::Literal(..)) => {
            Some(days(left.clone(), cast(right, Date32)))
        }
        // A text beside a timestamp is an interval.
        (Plus | Minus, Timestamp(..), DataType::Utf8) if matches!(right, Expr::Literal(..)) => {
            let operator = if *op == Plus {
                Operator::Plus
            } else {
                Operator::Minus
            };
            let interval = cast(right, Interval(IntervalUnit::MonthDayNano));
            Some(sum(left.clone(), operator, interval))
        }
        (Minus, Timestamp(_, None) | Date32, Timestamp(_, None)) | (Minus, Timestamp(_, None), Date32) => {
            let sides = vec![cast(left, wall_clock()), cast(right, wall_clock())];
            Some(intervals::between_function().call(sides))
        }
        (Minus, Timestamp(_, Some(zone)), Timestamp(_, _) | Date32)
        | (Minus, Timestamp(_, None) | Date32, Timestamp(_, Some(zone))) => {
            let instant = || Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone)));
            let sides = vec![cast(left, instant()), cast(right, instant())];
            Some(intervals::between_function().call(sides))
        }
        (Multiply, Interval(_), number) if number.is_numeric() => two(intervals::multiply_function()),
        (Multiply, number, Interval(_)) if number.is_numeric() => {
            Some(intervals::multiply_function().call(vec![right.clone(), left.clone()]))
        }
        (Divide, Interval(_), number) if number.is_numeric() => two(intervals::divide_function()),
        (Divide, one, other)
            if one.is_numeric() && other.is_floating() || one.is_floating() && other.is_numeric() =>
        {
            two(quotient::function())
        }
        (Divide, one, other) if exact(one) && exact(other) && (one.is_decimal() || other.is_decimal()) => {
            two(quotient::function())
        }
        _ => None,
    }
}

/// Arithmetic of numbers with a constant in quotes.
fn beside_literal(op: &BinaryOperator, one: (&Expr, &DataType), other: (&Expr, &DataType)) -> Option<Expr> {
    let quoted = |(expr, found): (&Expr, &DataType)| found.is_string() && matches!(expr, Expr::Literal(..));
    let taken = |found: &DataType| found.is_integer() || found.is_floating();
    let operator = match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        _ => return None,
    };
    let as_other = |expr: &Expr, to: &DataType| Expr::Cast(Cast::new(Box::new(expr.clone()), to.clone()));
    let (left, right) = if quoted(other) && taken(one.1) {
        (one.0.clone(), as_other(other.0, one.1))
    } else if quoted(one) && taken(other.1) {
        (as_other(one.0, other.1), other.0.clone())
    } else {
        return None;
    };
    Some(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        operator,
        Box::new(right),
    )))
}

/// Runs when all types are known.
#[derive(Debug)]
pub(crate) struct Numbers;

impl AnalyzerRule for Numbers {
    fn name(&self) -> &'static str {
        "postgres_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        each_expression(plan, |expr, schema, _| {
            expr.transform_up(|expr| number(expr, schema))
        })
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
        Expr::Cast(Cast { expr, field })
            if *field.data_type() == DataType::Float64
                && expr.get_type(schema).is_ok_and(|found| found.is_decimal()) =>
        {
            Ok(Transformed::yes(float::function().call(vec![*expr])))
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
