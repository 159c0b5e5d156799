//! Functions of the catalog that give the rows of a relation of it. Nothing is partitioned and nothing is foreign, so that
//! `pg_partition_ancestors`, `pg_partition_tree` and `pg_options_to_table` give no row wherever they stand.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Select, SelectItem, SetExpr, TableAlias, TableFactor, Value,
};

use super::parse::parse_query;
use crate::error::Result;

const NAME: &str = "pg_partition_ancestors";
/// In FROM only.
const TREE: &str = "pg_partition_tree";
const OPTIONS: &str = "pg_options_to_table";

/// In FROM only, each with the relation of which it gives all rows.
const WHOLE: [(&str, &str); 7] = [
    ("pg_show_all_settings", "pg_settings"),
    ("pg_timezone_names", "pg_timezone_names"),
    ("pg_timezone_abbrevs", "pg_timezone_abbrevs"),
    ("pg_cursor", "pg_cursors"),
    ("pg_prepared_statement", "pg_prepared_statements"),
    ("pg_lock_status", "pg_locks"),
    (
        "pg_available_extension_versions",
        "pg_available_extension_versions",
    ),
];

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

/// In FROM they stand for relations, which are empty but for those of [`WHOLE`].
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
    let Some(called) = called.map(|called| called.value.to_lowercase()) else {
        return Ok(());
    };
    let whole = WHOLE.iter().find(|(function, _)| *function == called);
    let sql = if let Some((_, relation)) = whole {
        &format!("SELECT * FROM pg_catalog.{relation}")
    } else if called == TREE {
        "SELECT inhrelid AS relid, inhparent AS parentrelid, true AS isleaf, inhseqno AS level FROM pg_catalog.pg_inherits"
    } else if called == OPTIONS {
        // Options are those of foreign tables, of which there are none.
        "SELECT srvname AS option_name, srvname AS option_value FROM pg_catalog.pg_foreign_server WHERE false"
    } else if called != NAME {
        return Ok(());
    } else if *with_ordinality {
        "SELECT inhparent AS relid, CAST(inhseqno AS bigint) AS ordinality FROM pg_catalog.pg_inherits"
    } else {
        "SELECT inhparent AS relid FROM pg_catalog.pg_inherits"
    };
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: false,
        name: Ident::new(called),
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
