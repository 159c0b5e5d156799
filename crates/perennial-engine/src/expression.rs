//! SQL expressions of the configuration over the columns of a relation.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Cast, Expr, TryCast, Volatility, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias, SelectItem, SetExpr, Statement};
use perennial_base::{ErrorClass, UserError};

use crate::engine::Engine;
use crate::error::{Error, Result, type_name};
use crate::session::planning::{parameter_names, plans_over, sort_of};
use crate::sql::normalise::{Context, normalise};
use crate::sql::parse::{END_OF_INPUT, parse};

/// Functions that tell the time.
const OF_THE_CLOCK: [&str; 3] = ["now", "current_date", "current_time"];

/// Whether a statement selects one row of several expressions.
fn is_row(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else {
        return false;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    matches!(
        select.projection.as_slice(),
        [SelectItem::UnnamedExpr(SqlExpr::Tuple(_))]
    )
}

/// Plans one SQL expression over a schema.
///
/// # Errors
/// Everything that planning finds wrong, in Postgres' words.
pub fn expression(state: &SessionState, sql: &str, schema: &DFSchema) -> Result<Expr> {
    // A select list of one item is the only place where every expression may stand. The bracket keeps what belongs to a
    // statement out of it, and on a line of its own it is no part of a comment.
    let parsed = parse(&format!("SELECT (\n{sql}\n)")).map_err(|error| misread(sql, error))?;
    let [parsed] = parsed.as_slice() else {
        return Err(not_one(sql));
    };
    let mut statement = parsed.statement().clone();
    // Several expressions between brackets are a row.
    if is_row(&statement) {
        return Err(not_one(sql));
    }
    normalise(
        &mut statement,
        &Context {
            text: parsed.text(),
            relations: &|_| None,
            reading: None,
            config: None,
            functions: &|name| sort_of(state, name),
            parameters: &|name| parameter_names(state, name),
        },
    )?;
    let Statement::Query(query) = statement else {
        return Err(not_one(sql));
    };
    let SetExpr::Select(select) = *query.body else {
        return Err(not_one(sql));
    };
    let item = match <[SelectItem; 1]>::try_from(select.projection) {
        Ok([SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr)])
            if select.from.is_empty() =>
        {
            expr
        }
        _ => return Err(not_one(sql)),
    };
    let item = ExprWithAlias {
        expr: item,
        alias: None,
    };
    Ok(state.create_logical_expr_from_sql_expr(item, schema)?)
}

/// Plans an expression as a client would who selects it from a relation of these columns, up to how the query would run.
/// [`expression`] says what it reads, and leaves its types to the query.
///
/// # Errors
/// Everything that such a query is refused for before it runs, in Postgres' words.
pub async fn selected(engine: &Engine, sql: &str, relation: &str, columns: &SchemaRef) -> Result<()> {
    plans_over(
        engine,
        &format!("SELECT (\n{sql}\n) FROM {relation}"),
        relation,
        columns,
    )
    .await
}

/// Plans an expression for evaluation on batches of a schema.
///
/// # Errors
/// Types that do not go together, functions that cannot be run, and functions such as `now()` and `random()`, with which a
/// row would be another one at each run.
pub fn physical(state: &SessionState, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let mut moving = None;
    expr.apply(|part| {
        if let Expr::ScalarFunction(call) = part {
            let volatile = call.func.signature().volatility == Volatility::Volatile;
            if volatile || OF_THE_CLOCK.contains(&call.func.name()) {
                moving = Some(call.func.name().to_owned());
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if let Some(name) = moving {
        return Err(
            Error::new(ErrorClass::InvalidArgument, format!("{name}() gives another value at each run"))
                .with_hint("A row is read once, whenever it lands. In a segment, as_of_at is the moment that the snapshot describes, and recency_days and tenure_days move with it."),
        );
    }
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    // Some functions, such as coalesce, are other expressions in short and exist in these alone.
    let expr = simplifier.simplify(simplifier.coerce(expr, schema)?)?;
    Ok(state.create_physical_expr(expr, schema)?)
}

/// The same expression with casts that give NULL where they fail, so that one bad row does not fail all.
///
/// # Errors
/// Never in practice: the rewrite itself cannot fail.
pub fn lenient(expr: Expr) -> Result<Expr> {
    let rewritten = expr.transform(|expr| {
        Ok::<_, DataFusionError>(match expr {
            Expr::Cast(Cast { expr, field }) => Transformed::yes(Expr::TryCast(TryCast { expr, field })),
            other => Transformed::no(other),
        })
    })?;
    Ok(rewritten.data)
}

/// Whether one of the casts in an expression fails over a row, of those that [`lenient`] makes NULL; none without casts.
/// The empty text is no value that a cast could lose.
///
/// # Errors
/// Never in practice: the walk itself cannot fail.
pub fn cast_fails(expr: &Expr) -> Result<Option<Expr>> {
    let mut fails: Option<Expr> = None;
    expr.apply(|part| {
        if let Expr::Cast(Cast { expr, field }) = part {
            let from = lenient(expr.as_ref().clone())?;
            let to = Expr::TryCast(TryCast {
                expr: Box::new(from.clone()),
                field: Arc::clone(field),
            });
            let text = Expr::Cast(Cast::new(Box::new(from.clone()), DataType::Utf8));
            let fail = from.is_not_null().and(text.not_eq(lit(""))).and(to.is_null());
            fails = Some(match fails.take() {
                Some(others) => others.or(fail),
                None => fail,
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(fails)
}

/// Plans a predicate for evaluation on batches of a schema.
///
/// # Errors
/// As [`expression`]; class `TypeMismatch` when it is not a truth value.
pub fn predicate(state: &SessionState, sql: &str, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let expr = expression(state, sql, schema)?;
    let physical = physical(state, expr, schema)?;
    let data_type = physical.data_type(schema.as_arrow())?;
    if data_type != DataType::Boolean {
        return Err(
            Error::new(ErrorClass::TypeMismatch, format!("\"{sql}\" is not a condition"))
                .with_detail(format!("It gives {}.", type_name(&data_type))),
        );
    }
    Ok(physical)
}

fn not_one(sql: &str) -> Error {
    Error::new(ErrorClass::Syntax, format!("\"{sql}\" is not one SQL expression"))
}

/// What is wrong with the text of an expression that could not be parsed between brackets: without them, nothing that
/// nobody has written is named.
fn misread(sql: &str, error: Error) -> Error {
    if error.class() != ErrorClass::Syntax {
        return error;
    }
    match parse(&format!("SELECT {sql}")) {
        Ok(_) => not_one(sql),
        Err(plain) if plain.to_string() == END_OF_INPUT => {
            Error::new(ErrorClass::Syntax, format!("\"{sql}\" ends too early"))
                .with_hint("Complete the expression.")
        }
        // A place in a statement is none in the expression.
        Err(plain) => Error::new(plain.class(), format!("{plain} in \"{sql}\"")),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        let schema = arrow::datatypes::Schema::new(vec![
            arrow::datatypes::Field::new("a", DataType::Int64, true),
            arrow::datatypes::Field::new("b", DataType::Utf8, true),
        ]);
        let schema = DFSchema::try_from(schema).unwrap();
        let said = match expression(&SessionContext::new().state(), sql, &schema) {
            Ok(expr) => expr.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{sql}");
    }

    #[test]
    fn what_is_wrong_with_an_expression_names_what_was_written() {
        check("a +", "\"a +\" ends too early");
        check("(a", "\"(a\" ends too early");
        check("coalesce(a, 1", "\"coalesce(a, 1\" ends too early");
        check("a)", "syntax error at or near \")\" in \"a)\"");
        check("a * * 2", "syntax error at or near \"*\" in \"a * * 2\"");
        check("'x", "unterminated quoted string at or near \"'x\" in \"'x\"");
        for several in [
            "a, b",
            "a; SELECT 1",
            "a FROM t",
            "a AS c",
            "a LIMIT 1",
            "a WHERE true",
        ] {
            check(several, &format!("\"{several}\" is not one SQL expression"));
        }
        check("c", "column \"c\" does not exist");
    }

    #[test]
    fn a_comment_does_not_reach_beyond_the_expression() {
        check("a -- in cents", "a");
    }
}
