//! Calls of table functions, and what they become.

use datafusion::sql::sqlparser::ast::{SelectItem, SetExpr};
use perennial_base::UserError;

use super::*;

/// What stands in FROM.
fn factor(call: &str) -> TableFactor {
    let query = parse_query(&format!("SELECT * FROM {call}")).unwrap();
    let SetExpr::Select(mut select) = *query.body else {
        panic!("{call} is in no SELECT")
    };
    select.from.remove(0).relation
}

fn arguments<'a>(call: &str, config: Option<&'a Config>) -> Result<(&'static TableFunction, Arguments<'a>)> {
    let TableFactor::Table {
        name,
        args: Some(args),
        ..
    } = factor(call)
    else {
        panic!("{call} is no call")
    };
    let name = name.to_string();
    let function = TABLE_FUNCTIONS.iter().find(|function| function.name == name);
    let function = function.unwrap();
    Ok((function, read(function, &args, config)?))
}

/// The query that a call stands for.
pub(crate) fn query_of(call: &str, config: Option<&Config>) -> Result<String> {
    let (function, arguments) = arguments(call, config)?;
    (function.query)(&arguments)
}

#[track_caller]
fn check(call: &str, expected: [&str; 4]) {
    let (_, arguments) = arguments(call, None).unwrap();
    let found = ["period", "measure", "mode", "zone"].map(|name| arguments.text(name).to_owned());
    assert_eq!(found, expected, "{call}");
}

#[test]
fn arguments_go_by_place_and_by_name_and_may_be_left_out() {
    check("cohort_retention('week')", ["week", "customers", "bounded", ""]);
    check(
        "cohort_retention('week', 'orders', 'rolling', NULL, NULL, 'UTC')",
        ["week", "orders", "rolling", "UTC"],
    );
    check(
        "cohort_retention(mode => 'rolling', period => 'day')",
        ["day", "customers", "rolling", ""],
    );
    check(
        "cohort_retention('day', NULL, mode => NULL)",
        ["day", "customers", "bounded", ""],
    );
    check(
        "cohort_retention('week'::text, ('orders'))",
        ["week", "orders", "bounded", ""],
    );
}

#[track_caller]
fn check_error(call: &str, class: ErrorClass, message: &str, hint: Option<&str>) {
    let error = query_of(call, None).unwrap_err();
    assert_eq!(
        (error.class(), error.to_string()),
        (class, message.to_owned()),
        "{call}"
    );
    if let Some(hint) = hint {
        assert_eq!(error.hint().as_deref(), Some(hint), "{call}");
    }
}

#[test]
fn a_call_that_does_not_fit_says_how_it_is_meant() {
    let undefined = "no function cohort_retention takes these arguments";
    for call in [
        "cohort_retention()",
        "cohort_retention('day', 'orders', 'rolling', NULL, NULL, 'UTC', 7)",
    ] {
        check_error(call, ErrorClass::UndefinedFunction, undefined, None);
    }
    check_error(
        "cohort_retention(perod => 'day')",
        ErrorClass::UndefinedFunction,
        undefined,
        Some("Perhaps you meant the argument \"period\"."),
    );
    check_error(
        "cohort_retention('fortnight')",
        ErrorClass::InvalidArgument,
        "invalid period \"fortnight\" of cohort_retention",
        Some("Use one of: day, week, month, quarter, year."),
    );
    check_error(
        "cohort_retention('day', zone => 'Mars/Olympus')",
        ErrorClass::InvalidArgument,
        "time zone \"Mars/Olympus\" not recognized",
        None,
    );
    check_error(
        "cohort_retention('day', \"from\" => 'soon')",
        ErrorClass::InvalidDatetime,
        "invalid input syntax for type date: \"soon\"",
        None,
    );
    check_error(
        "cohort_retention('day', mode => lower('ROLLING'))",
        ErrorClass::InvalidArgument,
        "argument \"mode\" of cohort_retention must be a constant",
        None,
    );
    for row in ["c.first_seen_at", "(SELECT now())"] {
        check_error(
            &format!("lifecycle_at({row})"),
            ErrorClass::InvalidArgument,
            "argument \"ts\" of lifecycle_at must not depend on rows",
            None,
        );
    }
}

#[test]
fn moments_and_days_stand_in_the_query_as_they_were_written() {
    let (_, of_day) = arguments(
        "cohort_retention('day', \"from\" => date '2026-01-31', \"to\" => $1)",
        None,
    )
    .unwrap();
    assert_eq!(of_day.date("from").unwrap(), "DATE '2026-01-31'");
    assert_eq!(of_day.date("to").unwrap(), "CAST(($1) AS date)");
    let (_, left_out) = arguments("cohort_retention('day')", None).unwrap();
    assert_eq!(left_out.date("from").unwrap(), "CAST(NULL AS date)");
    for (call, expected) in [
        (
            "lifecycle_at(now() - interval '1 year')",
            "CAST((now() - INTERVAL '1 year') AS timestamptz)",
        ),
        ("lifecycle_at('O''Hara')", "CAST('O''Hara' AS timestamptz)"),
        ("lifecycle_at(NULL)", "CAST(NULL AS timestamptz)"),
    ] {
        assert_eq!(arguments(call, None).unwrap().1.instant("ts"), expected);
    }
}

/// Every call that differs in a choice.
fn calls(function: &TableFunction) -> Vec<String> {
    let mut lists = vec![String::new()];
    for parameter in function.parameters {
        let values: Vec<String> = match (parameter.choices, parameter.default) {
            ([], Some(_)) => continue,
            ([], None) => vec!["'k4vgqpxqtbvmsack'".to_owned()],
            (choices, _) => choices.iter().map(|choice| literal(choice)).collect(),
        };
        lists = lists
            .iter()
            .flat_map(|list| values.iter().map(move |value| (list, value)))
            .map(|(list, value)| format!("{list}, {} => {value}", parameter.name))
            .collect();
    }
    lists
        .iter()
        .map(|list| format!("{}({})", function.name, list.trim_start_matches(", ")))
        .collect()
}

/// The names of the columns of a query.
fn columns(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
                    names.last().unwrap().value.clone()
                }
                item => item.to_string(),
            })
            .collect(),
        SetExpr::SetOperation { left, .. } => columns(left),
        other => panic!("{other}"),
    }
}

#[test]
fn every_call_gives_the_columns_that_are_declared() {
    for function in TABLE_FUNCTIONS {
        let declared: Vec<&str> = function.columns.iter().map(|(name, _)| *name).collect();
        let syntax = (function.documentation)().syntax_example;
        for parameter in function.parameters {
            assert!(syntax.contains(parameter.name), "{} in {syntax}", parameter.name);
        }
        for call in calls(function) {
            let query = parse_query(&query_of(&call, None).unwrap()).unwrap();
            assert_eq!(columns(&query.body), declared, "{call}");
        }
    }
}

#[track_caller]
fn check_expanded(call: &str, start: &str, end: &str) {
    let mut factor = factor(call);
    expand(&mut factor, None).unwrap();
    crate::sql::from::expand(&mut factor, &|_| None).unwrap();
    let text = factor.to_string();
    assert!(text.starts_with(start) && text.ends_with(end), "{call}: {text}");
}

#[test]
fn a_call_is_replaced_by_its_query_and_nothing_else_is() {
    check_expanded(
        "cohort_retention('day')",
        "(WITH counted AS (",
        ") cohort_retention",
    );
    check_expanded("Cohort_Retention('day') AS c", "(WITH counted AS (", ") AS c");
    check_expanded("orders AS o", "orders", "o");
    check_expanded("no_such('day')", "no_such(", "'day')");
    check_expanded(
        "generate_series(1, t.n) AS s",
        "LATERAL (SELECT unnest(generate_series(1, t.n)) AS s)",
        " AS s",
    );
    // The planner streams a series of constants itself, and counts in bigint.
    check_expanded("generate_series(1, 3) AS n", "perennial_series(1, 3)", "n (n)");
    check_expanded(
        "generate_series(1, 3000000000) AS n",
        "generate_series(1, 3000000000)",
        "n (n)",
    );
}
