//! Values of types that Postgres does not compare: `text = integer` has no answer that depends on the values.
//!
//! Asked of a plan before the planner adds casts of its own. A constant in quotes has no type and takes that of the other
//! side.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, InList, InSubquery};
use datafusion::logical_expr::planner::RawBinaryExpr;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion::sql::sqlparser::tokenizer::Location;
use perennial_base::ErrorClass;

use crate::error::{Error, type_name};
use crate::functions::postgres::equals_any;
use crate::sql::places::position_of_operator;

/// Whether all that a plan compares can be compared; `sql` is its text.
///
/// # Errors
/// Class `UndefinedFunction` with the types of the first comparison that cannot be made, and its place where that is known.
pub(crate) fn checked(plan: &LogicalPlan, sql: &str) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node {
            for (left, right) in &join.on {
                let left = Side::of(left, join.left.schema());
                compared(&left, ("=", "="), &Side::of(right, join.right.schema()), sql)?;
            }
        }
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = node {
            let columns =
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
            schema.merge(&columns);
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                expression(expr, &schema, sql)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// Whether an operator compares its sides.
pub(crate) fn compares(op: &BinaryOperator) -> bool {
    symbol_of(op).is_some()
}

fn symbol_of(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        _ => return None,
    })
}

/// The error of a comparison that the planner cannot make either, which it says in words of its own.
pub(crate) fn impossible(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<DataFusionError> {
    let symbol = symbol_of(&expr.op)?;
    let (left, right) = (Side::of(&expr.left, schema), Side::of(&expr.right, schema));
    comparison_coercion(left.data_type.as_ref()?, right.data_type.as_ref()?)
        .is_none()
        .then(|| compared(&left, (symbol, symbol), &right, "").err())
        .flatten()
}

fn expression(expr: &Expr, schema: &DFSchema, sql: &str) -> Result<()> {
    let side = |expr| Side::of(expr, schema);
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match symbol(*op) {
            Some(symbol) => compared(&side(left), (symbol, written(*op, symbol)), &side(right), sql),
            None => Ok(()),
        },
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let (from, to) = if *negated { ("<", ">") } else { (">=", "<=") };
            let word = if *negated { "NOT" } else { "BETWEEN" };
            let value = side(expr);
            compared(&value, (from, word), &side(low), sql)?;
            compared(&value, (to, word), &side(high), sql)
        }
        Expr::InList(InList { expr, list, negated }) => {
            let value = side(expr);
            list.iter()
                .try_for_each(|item| compared(&value, of_list(*negated), &side(item), sql))
        }
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) => match subquery.subquery.schema().fields().first() {
            Some(field) => compared(
                &side(expr),
                of_list(*negated),
                &Side::typed(field.data_type()),
                sql,
            ),
            None => Ok(()),
        },
        Expr::Case(Case {
            expr: Some(value),
            when_then_expr,
            ..
        }) => {
            let value = side(value);
            when_then_expr
                .iter()
                .try_for_each(|(when, _)| compared(&value, ("=", "WHEN"), &side(when), sql))
        }
        Expr::ScalarFunction(call) if call.name() == equals_any::NAME => match call.args.as_slice() {
            [list, value] => match list.get_type(schema) {
                Ok(DataType::List(item)) => {
                    compared(&side(value), ("=", "="), &Side::typed(item.data_type()), sql)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The operator behind IN, and its word in the statement.
fn of_list(negated: bool) -> (&'static str, &'static str) {
    if negated { ("<>", "NOT") } else { ("=", "IN") }
}

/// What stands in the statement for an operator.
fn written(op: Operator, symbol: &'static str) -> &'static str {
    match op {
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => "IS",
        _ => symbol,
    }
}

/// How Postgres writes an operator that compares.
pub(crate) fn symbol(op: Operator) -> Option<&'static str> {
    Some(match op {
        Operator::Eq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        _ => return None,
    })
}

/// One side of a comparison.
struct Side {
    /// None where the side takes the type of the other.
    data_type: Option<DataType>,
    /// The name of the type.
    name: String,
    /// Where its last column stands in the statement.
    column: Option<Location>,
}

impl Side {
    fn of(expr: &Expr, schema: &DFSchema) -> Self {
        let mut side = match expr.get_type(schema) {
            Ok(data_type) => Self::typed(&data_type),
            Err(_) => Self::typed(&DataType::Null),
        };
        match expr {
            Expr::Literal(value, _) if is_text(&value.data_type()) => side.data_type = None,
            Expr::Placeholder(_) if side.data_type.as_ref().is_some_and(is_text) => side.data_type = None,
            expr if fits_integer(expr) => side.name = type_name(&DataType::Int32),
            _ => {}
        }
        let column = |expr: &Expr| {
            if let Some(span) = expr.spans().and_then(|spans| spans.first()) {
                side.column = Some(Location {
                    line: span.end.line,
                    column: span.end.column,
                });
            }
            Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
        };
        // The walk never fails.
        let _: Result<TreeNodeRecursion> = expr.apply(column);
        side
    }

    fn typed(data_type: &DataType) -> Self {
        Self {
            data_type: Some(data_type.clone()).filter(|data_type| *data_type != DataType::Null),
            name: type_name(data_type),
            column: None,
        }
    }
}

/// A whole number that Postgres takes as an integer.
fn fits_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(number)), _) => i32::try_from(*number).is_ok(),
        Expr::Negative(inner) => fits_integer(inner),
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    family(data_type) == Some(Family::Text)
}

/// Types of one family are compared with each other.
#[derive(PartialEq, Eq)]
enum Family {
    Boolean,
    Number,
    Text,
    Bytes,
    Moment,
    Time,
    Interval,
    List,
    Record,
}

fn family(data_type: &DataType) -> Option<Family> {
    Some(match data_type {
        DataType::Boolean => Family::Boolean,
        number if number.is_numeric() => Family::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Family::Text,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Family::Moment,
        DataType::Time32(_) | DataType::Time64(_) => Family::Time,
        DataType::Interval(_) | DataType::Duration(_) => Family::Interval,
        DataType::List(_) | DataType::LargeList(_) => Family::List,
        DataType::Struct(_) => Family::Record,
        DataType::Dictionary(_, value) => return family(value),
        bytes if bytes.is_binary() => Family::Bytes,
        _ => return None,
    })
}

/// `symbol` is the operator, and the word that stands for it in the statement.
fn compared(left: &Side, (symbol, written): (&str, &str), right: &Side, sql: &str) -> Result<()> {
    let (Some(one), Some(other)) = (&left.data_type, &right.data_type) else {
        return Ok(());
    };
    match (family(one), family(other)) {
        (Some(one), Some(other)) if one != other => {}
        _ => return Ok(()),
    }
    let error = Error::new(
        ErrorClass::UndefinedFunction,
        format!("operator does not exist: {} {symbol} {}", left.name, right.name),
    )
    .with_hint(
        "No operator matches the given name and argument types. You might need to add explicit type casts.",
    );
    // `= ANY(ARRAY[…])` comes here as IN.
    let position = position_of_operator(sql, written, left.column)
        .or_else(|| position_of_operator(sql, symbol, left.column));
    let error = match position {
        Some(position) => error.with_position(position),
        None => error,
    };
    Err(DataFusionError::External(Box::new(error)))
}
