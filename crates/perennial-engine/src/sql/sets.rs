//! Functions that give sets. Where Postgres gives a row for each value of one in a select list, the planner unnests a list;
//! several in one list go side by side, as in Postgres.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    Query, Select, SelectItem, SetExpr, TableFactor, Value, VisitMut, VisitorMut,
};

use super::from::{not_counted, of_integers};
use super::literals::cast;
use super::names::folded;
use super::parse::parse_query;
use super::subquery::{call, function};
use crate::error::{Error, Result};
use crate::functions::postgres::matches;
use crate::functions::table::{derived, list_of};

/// Functions that give a list here and a set in Postgres.
pub(crate) const LISTS: [&str; 2] = ["generate_series", "generate_subscripts"];

/// Functions that give a set in Postgres, each with the one that gives its rows as an array.
pub(crate) const SPLITS: [(&str, &str); 3] = [
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("regexp_matches", matches::ROWS),
];

/// Functions that take a document apart: what gives the rows, or the keys and values, as arrays, and the type of a value.
const DOCUMENTS: [(&str, &[&str], Option<&str>); 10] = [
    (
        "json_array_elements",
        &["perennial_json_elements"],
        Some("perennial_json"),
    ),
    (
        "jsonb_array_elements",
        &["perennial_json_elements"],
        Some("perennial_jsonb"),
    ),
    (
        "json_array_elements_text",
        &["perennial_json_elements_text"],
        None,
    ),
    (
        "jsonb_array_elements_text",
        &["perennial_json_elements_text"],
        None,
    ),
    ("json_object_keys", &["perennial_json_keys"], None),
    ("jsonb_object_keys", &["perennial_json_keys"], None),
    (
        "json_each",
        &["perennial_json_keys", "perennial_json_values"],
        Some("perennial_json"),
    ),
    (
        "jsonb_each",
        &["perennial_json_keys", "perennial_json_values"],
        Some("perennial_jsonb"),
    ),
    (
        "json_each_text",
        &["perennial_json_keys", "perennial_json_values_text"],
        None,
    ),
    (
        "jsonb_each_text",
        &["perennial_json_keys", "perennial_json_values_text"],
        None,
    ),
];

/// The columns, as SQL, of a function that takes a document apart.
fn parts(called: &str, document: &str) -> Option<Vec<String>> {
    let (_, lists, typed) = DOCUMENTS.iter().find(|(name, ..)| *name == called)?;
    let columns = lists.iter().enumerate().map(|(at, list)| {
        let unnested = format!("unnest({list}({document}, '{called}'))");
        match typed {
            Some(typed) if at + 1 == lists.len() => format!("{typed}({unnested})"),
            _ => unnested,
        }
    });
    Some(columns.collect())
}

/// What takes a list of privileges apart, and its columns, as SQL over the list.
const PRIVILEGES: &str = "aclexplode";
const PRIVILEGES_COLUMNS: [(&str, &str, &str); 4] = [
    ("grantor", "perennial_acl_grantors", "::oid"),
    ("grantee", "perennial_acl_grantees", "::oid"),
    ("privilege_type", "perennial_acl_privileges", ""),
    ("is_grantable", "perennial_acl_grantable", " = 1"),
];

/// The columns of a list of privileges, each with its name.
fn privileges(list: &str) -> [(&'static str, String); 4] {
    PRIVILEGES_COLUMNS.map(|(name, function, typed)| (name, format!("unnest({function}({list})){typed}")))
}

/// The elements of an array, `x`, each with its place from 1 on, `n`.
const EXPANDED: &str = "_pg_expandarray";

/// The words of the grammar, and which of them a name may be.
const KEYWORDS: &str = "pg_get_keywords";
const KEYWORDS_COLUMNS: [&str; 5] = ["word", "catcode", "barelabel", "catdesc", "baredesc"];

/// Unnests the sets in a select list.
///
/// # Errors
/// Never for what was parsed.
pub(crate) fn in_select_list(select: &mut Select) -> Result<()> {
    let mut sets = Sets { depth: 0 };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && let ControlFlow::Break(error) = expr.visit(&mut sets)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// In FROM the elements of an array, the parts of a document and the words of the grammar are queries.
pub(crate) fn in_from(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table {
        name,
        alias,
        args: Some(args),
        with_ordinality,
        ..
    } = factor
    else {
        return Ok(());
    };
    let Some(called) = name.0.last().and_then(|part| part.as_ident()) else {
        return Ok(());
    };
    let called = called.value.to_lowercase();
    let sql = match called.as_str() {
        EXPANDED => {
            let array = list_of(&args.args);
            format!("SELECT unnest({array}) AS x, {} AS n", places(&array))
        }
        PRIVILEGES => {
            let columns = privileges(&list_of(&args.args)).map(|(name, sql)| format!("{sql} AS {name}"));
            format!("SELECT {}", columns.join(", "))
        }
        KEYWORDS => {
            let columns =
                KEYWORDS_COLUMNS.map(|column| format!("unnest(perennial_keywords('{column}')) AS {column}"));
            format!("SELECT {}", columns.join(", "))
        }
        called => match parts(called, &list_of(&args.args)).as_deref() {
            Some([keys, values]) => format!("SELECT {keys} AS key, {values} AS value"),
            Some([column]) => {
                let named = if called.ends_with("_keys") {
                    called
                } else {
                    "value"
                };
                format!("SELECT {column} AS {named}")
            }
            _ => return Ok(()),
        },
    };
    if *with_ordinality {
        return Err(not_counted(&called));
    }
    *factor = derived(parse_query(&sql)?, alias.take(), &called, true);
    Ok(())
}

/// The elements of an array as records with their places.
fn elements(array: &str) -> Result<Expr> {
    let sql = format!(
        "SELECT named_struct('x', unnest({array}), 'n', {})",
        places(array)
    );
    only_expression(&sql)
}

/// The expression of a query of one.
fn only_expression(sql: &str) -> Result<Expr> {
    let mut query = parse_query(sql)?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(Expr::value(Value::Null));
    };
    Ok(match select.projection.pop() {
        Some(SelectItem::UnnamedExpr(expr)) => expr,
        _ => Expr::value(Value::Null),
    })
}

/// The places of the elements of an array, as SQL.
fn places(array: &str) -> String {
    format!("CAST(unnest(generate_series(1, array_length({array}))) AS integer)")
}

struct Sets {
    /// How many queries stand around.
    depth: usize,
}

impl VisitorMut for Sets {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(called) = expr else {
            return ControlFlow::Continue(());
        };
        if self.depth > 0 || called.over.is_some() {
            return ControlFlow::Continue(());
        }
        let name = last_name(called);
        if LISTS.contains(&name.as_str()) {
            let integers =
                matches!(&called.args, FunctionArguments::List(list) if of_integers(&name, &list.args));
            let rows = call("unnest", expr.clone());
            *expr = match integers {
                true => cast(rows, DataType::Integer(None)),
                false => rows,
            };
        } else if let Some((_, array)) = SPLITS.iter().find(|(set, _)| *set == name) {
            called.name = ObjectName::from(vec![Ident::new(*array)]);
            *expr = call("unnest", expr.clone());
        } else if let Some(document) = only_argument(called)
            && let Some(parts) = parts(&name, &document.to_string())
        {
            let sql = match parts.as_slice() {
                [keys, values] => format!("SELECT perennial_record('key', {keys}, 'value', {values})"),
                parts => format!("SELECT {}", parts.join(", ")),
            };
            match only_expression(&sql) {
                Ok(parts) => *expr = parts,
                Err(error) => return ControlFlow::Break(error),
            }
        } else if name == PRIVILEGES
            && let Some(list) = only_argument(called)
        {
            let columns = privileges(&list.to_string()).map(|(name, sql)| format!("'{name}', {sql}"));
            match only_expression(&format!("SELECT perennial_record({})", columns.join(", "))) {
                Ok(record) => *expr = record,
                Err(error) => return ControlFlow::Break(error),
            }
        } else if name == EXPANDED
            && let Some(array) = only_argument(called)
        {
            match elements(&array.to_string()) {
                Ok(elements) => *expr = elements,
                Err(error) => return ControlFlow::Break(error),
            }
        } else if name == "unnest"
            && let Some(rows) = only_argument(called)
            && unnested(rows).is_some()
        {
            // A list that somebody unnests by himself.
            *expr = rows.clone();
        } else if name == "array_length"
            && let Some(rows) = only_argument(called)
            && let Some(inner) = unnested(rows)
            && let Some(Expr::Function(list)) = only_argument(inner)
            && LISTS.contains(&last_name(list).as_str())
        {
            // How many rows a list gives, which only WITH ORDINALITY asks.
            *expr = call("array_length", Expr::Function(list.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// The call that unnests a list, also where its elements are cast.
fn unnested(expr: &Expr) -> Option<&Function> {
    match expr {
        Expr::Cast { expr, .. } => unnested(expr),
        Expr::Function(called) => (last_name(called) == "unnest").then_some(called),
        _ => None,
    }
}

fn last_name(function: &Function) -> String {
    let name = function.name.0.last().and_then(|part| part.as_ident());
    name.map(|name| name.value.to_lowercase()).unwrap_or_default()
}

fn only_argument(function: &Function) -> Option<&Expr> {
    match &function.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

/// `(record).field` by the name of the field.
pub(crate) fn field_of_record(expr: &Expr) -> Option<Expr> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return None;
    };
    let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice() else {
        return None;
    };
    let name = Expr::value(Value::SingleQuotedString(folded(field)));
    Some(Expr::Function(function(
        "get_field",
        vec![root.as_ref().clone(), name],
    )))
}
