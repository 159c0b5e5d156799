//! SQL expressions of the configuration over the columns of a relation.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Cast, Expr, TryCast, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{ExprWithAlias, SelectItem, SetExpr, Statement};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::session::planning::parameter_names;
use crate::sql::normalise::{Context, normalise};
use crate::sql::parse::parse;

/// Plans one SQL expression over a schema.
///
/// # Errors
/// Everything that planning finds wrong, in Postgres' words.
pub fn expression(state: &SessionState, sql: &str, schema: &DFSchema) -> Result<Expr> {
    // A select list of one item is the only place where every expression may stand.
    let parsed = parse(&format!("SELECT ({sql})"))?;
    let [parsed] = parsed.as_slice() else {
        return Err(not_one(sql));
    };
    let mut statement = parsed.statement().clone();
    let aggregates = |name: &str| state.aggregate_functions().contains_key(name);
    normalise(
        &mut statement,
        &Context {
            relations: &|_| None,
            reading: None,
            config: None,
            aggregates: &aggregates,
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
    let physical = state.create_physical_expr(expr, schema)?;
    let data_type = physical.data_type(schema.as_arrow())?;
    if data_type != DataType::Boolean {
        return Err(
            Error::new(ErrorClass::TypeMismatch, format!("\"{sql}\" is not a condition"))
                .with_detail(format!("It gives {data_type}.")),
        );
    }
    Ok(physical)
}

fn not_one(sql: &str) -> Error {
    Error::new(ErrorClass::Syntax, format!("\"{sql}\" is not one SQL expression"))
}
