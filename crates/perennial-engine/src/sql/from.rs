//! Calls in FROM of functions that give a list or one value, and `WITH ORDINALITY`, as queries.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableAliasColumnDef, TableFactor,
    TableFunctionArgs, Value,
};
use perennial_base::ErrorClass;

use super::calls::{Sort, over_required};
use super::parse::parse_query;
use super::sets::{LISTS, SPLITS};
use crate::error::{Error, Result};
use crate::functions::series;
use crate::functions::table::{constant, derived, list_of};

/// The column that `WITH ORDINALITY` adds.
const ORDINALITY: &str = "ordinality";

/// Writes every call in one way: `LATERAL f(…)` and `unnest(…)` are `f(…)`, as what a call sees does not depend on the word.
pub(crate) fn plain(factor: &mut TableFactor) {
    let (name, args, alias, with_ordinality) = match factor {
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            ..
        } => (name.clone(), std::mem::take(args), alias.take(), *with_ordinality),
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_ordinality: true,
            ..
        } => {
            let args = std::mem::take(array_exprs).into_iter();
            let args = args.map(|array| FunctionArg::Unnamed(FunctionArgExpr::Expr(array)));
            (
                vec![Ident::new("unnest")].into(),
                args.collect(),
                alias.take(),
                true,
            )
        }
        TableFactor::UNNEST {
            alias, array_exprs, ..
        } if array_exprs.len() == 1 => return name_column(alias, "unnest"),
        _ => return,
    };
    *factor = TableFactor::Table {
        name,
        alias,
        args: Some(TableFunctionArgs { args, settings: None }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
}

/// Replaces a call by a query. Anything else is left as it is.
///
/// # Errors
/// When the function may not stand in FROM, and when its rows cannot be counted.
pub(crate) fn expand(factor: &mut TableFactor, functions: &dyn Fn(&str) -> Option<Sort>) -> Result<()> {
    let TableFactor::Table {
        name,
        alias,
        args,
        with_ordinality,
        ..
    } = factor
    else {
        return Ok(());
    };
    let counted = *with_ordinality;
    let Some(called) = name.0.last().and_then(|part| part.as_ident()) else {
        return Ok(());
    };
    let called = called.value.to_lowercase();
    let Some(args) = args else {
        return match counted {
            true => Err(Error::new(
                ErrorClass::Syntax,
                "syntax error at or near \"ORDINALITY\"",
            )),
            false => Ok(()),
        };
    };
    if let Some(lists) = lists(&called, args) {
        // With constants the planner streams the series itself, and only the column's name is missing.
        let integers = of_integers(&called, &args.args);
        if called == "generate_series" && !counted && args.args.iter().all(is_constant) {
            name_column(alias, &called);
            if integers && let Some(bounds) = args.args.iter().map(bound).collect::<Option<Vec<_>>>() {
                args.args = bounds;
                *name = vec![Ident::new(series::NAME)].into();
            }
            return Ok(());
        }
        *factor = unnested(&called, &lists, integers, alias.take(), counted)?;
        return Ok(());
    }
    match functions(&called) {
        // What the planner knows as a table.
        _ if called == "range" => Ok(()),
        Some(Sort::Scalar) => {
            let named = alias
                .as_ref()
                .map_or_else(|| Ident::new(&called), |alias| alias.name.clone());
            let counter = if counted {
                ", CAST(1 AS bigint) AS ordinality"
            } else {
                ""
            };
            let query = parse_query(&format!(
                "SELECT {called}({}) AS {named}{counter}",
                list_of(&args.args)
            ))?;
            *factor = derived(query, with_all_names(alias.take(), 1, counted), &called, true);
            Ok(())
        }
        Some(Sort::Aggregate { .. }) => Err(Error::new(
            ErrorClass::Grouping,
            "aggregate functions are not allowed in functions in FROM",
        )),
        Some(Sort::Window) => Err(over_required(&called)),
        None => Ok(()),
    }
}

/// Refuses `WITH ORDINALITY` of a call that became a query whose rows have no order.
///
/// # Errors
/// Class `Unsupported`.
pub(crate) fn not_counted(called: &str) -> Error {
    Error::new(
        ErrorClass::Unsupported,
        format!("WITH ORDINALITY is not supported for {called}"),
    )
    .with_hint("Count its rows with row_number() OVER (ORDER BY …).")
}

/// The lists whose elements a call gives as rows, as SQL.
fn lists(called: &str, args: &TableFunctionArgs) -> Option<Vec<String>> {
    if called == "unnest" {
        return Some(args.args.iter().map(ToString::to_string).collect());
    }
    let split = SPLITS.iter().find(|(set, _)| *set == called);
    let list = match split {
        Some((_, array)) => array,
        None => LISTS.iter().find(|list| **list == called)?,
    };
    Some(vec![format!("{list}({})", list_of(&args.args))])
}

/// `generate_series(1, t.n) AS s` becomes `LATERAL (SELECT unnest(generate_series(1, t.n)) AS s) AS s`.
fn unnested(
    called: &str,
    lists: &[String],
    integers: bool,
    alias: Option<TableAlias>,
    counted: bool,
) -> Result<TableFactor> {
    let name = alias
        .as_ref()
        .map_or_else(|| Ident::new(called), |alias| alias.name.clone());
    // A column of each list must have a name of its own.
    let named = |at: usize| match (
        lists.len(),
        alias.as_ref().and_then(|alias| alias.columns.get(at)),
    ) {
        (_, Some(column)) => Ok(column.name.clone()),
        (1, None) => Ok(name.clone()),
        _ => Err(Error::new(
            ErrorClass::Unsupported,
            "unnest of several arrays needs names for its columns",
        )
        .with_hint("Name them all: unnest(a, b) WITH ORDINALITY AS t(x, y, n).")),
    };
    let mut items = Vec::with_capacity(lists.len() + 1);
    for (at, list) in lists.iter().enumerate() {
        let name = named(at)?;
        items.push(match integers {
            true => format!("CAST(unnest({list}) AS integer) AS {name}"),
            false => format!("unnest({list}) AS {name}"),
        });
    }
    if counted {
        let lengths: Vec<String> = lists.iter().map(|list| format!("array_length({list})")).collect();
        items.push(format!(
            "CAST(unnest(generate_series(1, greatest({}))) AS bigint) AS {ORDINALITY}",
            lengths.join(", ")
        ));
    }
    let query = parse_query(&format!("SELECT {}", items.join(", ")))?;
    Ok(derived(
        query,
        with_all_names(alias, lists.len(), counted),
        called,
        true,
    ))
}

/// The column of ordinality keeps its name where an alias names those before it only.
fn with_all_names(alias: Option<TableAlias>, columns: usize, counted: bool) -> Option<TableAlias> {
    alias.map(|mut alias| {
        if counted && alias.columns.len() == columns {
            alias.columns.push(TableAliasColumnDef {
                name: Ident::new(ORDINALITY),
                data_type: None,
            });
        }
        alias
    })
}

fn name_column(slot: &mut Option<TableAlias>, called: &str) {
    let alias = slot.get_or_insert_with(|| TableAlias {
        explicit: false,
        name: Ident::new(called),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        });
    }
}

/// Whether a call is of a series of integers, as its arguments say themselves: the planner counts in bigint.
pub(super) fn of_integers(called: &str, args: &[FunctionArg]) -> bool {
    called == "generate_series"
        && args.iter().all(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => is_integer(expr),
            _ => false,
        })
}

fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse::<i32>().is_ok(),
            _ => false,
        },
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_integer(expr),
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Int(_)
                | DataType::Integer(_)
                | DataType::Int4(_)
                | DataType::SmallInt(_)
                | DataType::Int2(_)
        ),
        _ => false,
    }
}

/// A constant of a series as the number that it is.
fn bound(arg: &FunctionArg) -> Option<FunctionArg> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
        return None;
    };
    let number: i32 = constant(expr)?.parse().ok()?;
    let number = Expr::value(Value::Number(number.to_string(), false));
    Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(number)))
}

fn is_constant(arg: &FunctionArg) -> bool {
    matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if constant(expr).is_some())
}
