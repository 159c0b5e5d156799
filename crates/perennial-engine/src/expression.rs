//! SQL expressions of the configuration over the columns of a relation.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Cast, Expr, TryCast};
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

/// Plans a predicate for evaluation on batches of a schema.
///
/// # Errors
/// As [`expression`]; class `TypeMismatch` when it is not a truth value.
pub fn predicate(state: &SessionState, sql: &str, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let expr = expression(state, sql, schema)?;
    let physical = state.create_physical_expr(expr, schema)?;
    let data_type = physical.data_type(schema.as_arrow())?;
    if data_type != arrow::datatypes::DataType::Boolean {
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
