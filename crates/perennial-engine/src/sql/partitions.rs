//! `pg_partition_ancestors`: nothing is partitioned, so that it gives no row wherever it stands.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Select, SelectItem, SetExpr, TableAlias, TableFactor, Value,
};

use super::parse::parse_query;
use crate::error::Result;

const NAME: &str = "pg_partition_ancestors";

/// A select list that calls it has no rows: those of a list with a function that gives a set are as many as it gives.
pub(crate) fn in_select_list(select: &mut Select) -> Result<()> {
    let calls = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Function(function))
        | SelectItem::ExprWithAlias {
            expr: Expr::Function(function),
            ..
        } => {
            let name = function.name.0.last().and_then(|part| part.as_ident());
            name.is_some_and(|name| name.value.eq_ignore_ascii_case(NAME))
        }
        _ => false,
    };
    if !select.projection.iter().any(calls) {
        return Ok(());
    }
    if select.from.is_empty() {
        // The relation of who inherits from whom is empty.
        if let SetExpr::Select(nobody) = *parse_query("SELECT 1 FROM pg_catalog.pg_inherits")?.body {
            select.from = nobody.from;
        }
        return Ok(());
    }
    let never = Expr::value(Value::Boolean(false));
    select.selection = Some(match select.selection.take() {
        None => never,
        Some(condition) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(condition))),
            op: BinaryOperator::And,
            right: Box::new(never),
        },
    });
    Ok(())
}

/// In FROM it stands for the relation of who inherits from whom, which is empty.
pub(crate) fn in_from(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table {
        name,
        alias,
        args: Some(_),
        with_ordinality,
        ..
    } = factor
    else {
        return Ok(());
    };
    let called = name.0.last().and_then(|part| part.as_ident());
    if !called.is_some_and(|called| called.value.eq_ignore_ascii_case(NAME)) {
        return Ok(());
    }
    let sql = if *with_ordinality {
        "SELECT inhparent AS relid, CAST(inhseqno AS bigint) AS ordinality FROM pg_catalog.pg_inherits"
    } else {
        "SELECT inhparent AS relid FROM pg_catalog.pg_inherits"
    };
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: false,
        name: Ident::new(NAME),
        columns: Vec::new(),
        at: None,
    });
    *factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(parse_query(sql)?),
        alias: Some(alias),
        sample: None,
    };
    Ok(())
}
