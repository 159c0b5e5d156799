//! Table functions over the unified relations. Each is called with values and stands for a query, which is put
//! in its place before planning: so it prunes, distributes and obeys access control like any other query.
//! Where an argument is a moment, an expression without columns may stand, such as `now() - interval '1 year'`; a parameter
//! of the statement (`$1`) may stand for any argument.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::logical_expr::Documentation;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, Query, TableAlias, TableFactor,
    TableFunctionArgs, UnaryOperator, Value, visit_expressions,
};
use perennial_base::{Config, ErrorClass, nearest};

use crate::error::{Error, Result};
use crate::functions::period::local;
use crate::functions::{cohort_retention, explain_identity, lifecycle};
use crate::sql::from::not_counted;
use crate::sql::parse::parse_query;

pub(crate) mod late;

/// One table function.
#[derive(Debug)]
pub struct TableFunction {
    /// Its SQL name.
    pub name: &'static str,
    /// Its parameters in order.
    pub parameters: &'static [Parameter],
    /// The columns of its answer in order, each with what it says.
    pub columns: &'static [(&'static str, &'static str)],
    /// What a row of its answer is.
    pub documentation: fn() -> Documentation,
    /// The query that a call stands for.
    pub query: fn(&Arguments<'_>) -> Result<String>,
}

impl TableFunction {
    /// What it gives: a row, and its columns.
    pub(crate) fn described(&self) -> Documentation {
        let mut documentation = (self.documentation)();
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, what)| format!("- `{name}`: {what}"))
            .collect();
        documentation.description += &format!("\n\nColumns:\n\n{}", columns.join("\n"));
        documentation
    }
}

/// One parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, for `name => value`.
    pub name: &'static str,
    /// The value when a call does not give one; none = it must.
    pub default: Option<&'static str>,
    /// The only values it takes; empty = any.
    pub choices: &'static [&'static str],
    /// Whether it takes any expression of one value, and not only constants.
    pub expression: bool,
    /// What it says.
    pub description: &'static str,
}

/// Every table function.
pub const TABLE_FUNCTIONS: &[TableFunction] = &[
    cohort_retention::FUNCTION,
    lifecycle::lifecycle_at::FUNCTION,
    lifecycle::stage_transitions::FUNCTION,
    lifecycle::lifecycle_funnel::FUNCTION,
    lifecycle::time_in_stage::FUNCTION,
    explain_identity::FUNCTION,
];

/// The values of a call, by parameter. The empty text stands for NULL.
#[derive(Debug)]
pub struct Arguments<'a> {
    values: BTreeMap<&'static str, String>,
    /// The SQL of values that are no constants.
    expressions: BTreeMap<&'static str, String>,
    config: Option<&'a Config>,
}

impl Arguments<'_> {
    /// The configuration, where there is one.
    pub fn config(&self) -> Option<&Config> {
        self.config
    }

    /// The moment that the snapshot describes, as SQL: `[time] as_of`, or the clock.
    pub fn present(&self) -> String {
        let as_of = self.config.and_then(|config| config.as_of);
        match as_of.and_then(chrono::DateTime::from_timestamp_micros) {
            Some(as_of) => format!(
                "CAST('{}' AS timestamptz)",
                as_of.format("%Y-%m-%dT%H:%M:%S%.6fZ")
            ),
            None => "now()".to_owned(),
        }
    }

    /// The day of [`Self::present`] in a zone, as SQL.
    pub fn today(&self, zone: &str) -> String {
        format!("CAST({} AS date)", local(&self.present(), zone))
    }

    /// An argument that is a moment, as SQL; `NULL` when it was not given.
    pub fn instant(&self, name: &str) -> String {
        let value = match self.expressions.get(name) {
            Some(sql) => format!("({sql})"),
            None if self.text(name).is_empty() => "NULL".to_owned(),
            None => self.literal(name),
        };
        format!("CAST({value} AS timestamptz)")
    }

    /// The value of a parameter; empty when it was not given and has no default.
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// The value as a SQL literal.
    pub fn literal(&self, name: &str) -> String {
        literal(self.text(name))
    }

    /// The zone asked for, or the lake's.
    pub fn zone(&self) -> Result<String> {
        let text = match self.text("zone") {
            "" => self.config.map_or("UTC", |config| config.zone.name()),
            given => given,
        };
        match crate::session::settings::Zone::parse(text) {
            Some(zone) => Ok(zone.engine_name()),
            None => Err(Error::new(
                ErrorClass::InvalidArgument,
                format!("time zone \"{text}\" not recognized"),
            )
            .with_hint("Use a name such as 'Europe/Berlin' or an offset such as '+02:00'.")),
        }
    }

    /// A date argument as a SQL expression; `NULL` when it was not given.
    pub fn date(&self, name: &str) -> Result<String> {
        if let Some(sql) = self.expressions.get(name) {
            return Ok(format!("CAST(({sql}) AS date)"));
        }
        match self.text(name) {
            "" => Ok("CAST(NULL AS date)".to_owned()),
            text => match chrono::NaiveDate::parse_from_str(text.get(..10).unwrap_or(text), "%Y-%m-%d") {
                Ok(date) => Ok(format!("DATE '{date}'")),
                Err(_) => Err(Error::new(
                    ErrorClass::InvalidDatetime,
                    format!("invalid input syntax for type date: \"{text}\""),
                )),
            },
        }
    }
}

/// Text as a SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Arguments as they were written.
pub(crate) fn list_of(args: &[FunctionArg]) -> String {
    let arguments: Vec<String> = args.iter().map(ToString::to_string).collect();
    arguments.join(", ")
}

/// A query in the place of a call in FROM, by the call's alias or by the function's name.
pub(crate) fn derived(query: Query, alias: Option<TableAlias>, called: &str, lateral: bool) -> TableFactor {
    let by_name = || TableAlias {
        explicit: false,
        name: Ident::new(called),
        columns: Vec::new(),
        at: None,
    };
    TableFactor::Derived {
        lateral,
        subquery: Box::new(query),
        alias: Some(alias.unwrap_or_else(by_name)),
        sample: None,
    }
}

/// Replaces a call of a table function by its query. Anything else is left as it is.
pub(crate) fn expand(factor: &mut TableFactor, config: Option<&Config>) -> Result<()> {
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
    let Some(function) = TABLE_FUNCTIONS.iter().find(|function| function.name == called) else {
        return Ok(());
    };
    if *with_ordinality {
        return Err(not_counted(function.name));
    }
    let arguments = read(function, args, config)?;
    let sql = (function.query)(&arguments)?;
    *factor = derived(parse_query(&sql)?, alias.take(), function.name, false);
    Ok(())
}

fn read<'a>(
    function: &'static TableFunction,
    args: &TableFunctionArgs,
    config: Option<&'a Config>,
) -> Result<Arguments<'a>> {
    let mut values = BTreeMap::new();
    let mut expressions = BTreeMap::new();
    for (position, arg) in args.args.iter().enumerate() {
        let (parameter, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => match function.parameters.get(position) {
                Some(parameter) => (parameter, expr),
                None => return Err(no_such_call(function)),
            },
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(expr),
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            } => {
                let wanted = name.value.to_lowercase();
                match function
                    .parameters
                    .iter()
                    .find(|parameter| parameter.name == wanted)
                {
                    Some(parameter) => (parameter, expr),
                    None => {
                        let error = no_such_call(function);
                        return Err(
                            match nearest(
                                &wanted,
                                function.parameters.iter().map(|parameter| parameter.name),
                            ) {
                                Some(near) => {
                                    error.with_hint(format!("Perhaps you meant the argument \"{near}\"."))
                                }
                                None => error,
                            },
                        );
                    }
                }
            }
            _ => return Err(no_such_call(function)),
        };
        let Some(value) = constant(expr) else {
            if parameter.expression && of_one_value(expr) {
                expressions.insert(parameter.name, expr.to_string());
                values.insert(parameter.name, String::new());
                continue;
            }
            let what = if parameter.expression {
                "must not depend on rows"
            } else {
                "must be a constant"
            };
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                format!("argument \"{}\" of {} {what}", parameter.name, function.name),
            )
            .with_hint(if parameter.expression {
                "Write a value, or an expression of values such as now()."
            } else {
                "Write the value itself: the statement is planned by it, before a query could give it."
            }));
        };
        // NULL is an argument that was left out, where it may be.
        if value.is_empty() && parameter.default.is_some() {
            continue;
        }
        if parameter.expression
            && let Some(named) = function
                .parameters
                .iter()
                .find(|other| other.choices.contains(&value.as_str()))
        {
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                format!(
                    "\"{value}\" is no {} of {}, but a {}",
                    parameter.name, function.name, named.name
                ),
            )
            .with_hint(format!(
                "Write {} => '{value}'; it is one of: {}.",
                named.name,
                named.choices.join(", ")
            )));
        }
        if !parameter.choices.is_empty() && !parameter.choices.contains(&value.as_str()) {
            let (name, function) = (parameter.name, function.name);
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                match value.as_str() {
                    "" => format!("{name} of {function} is NULL or empty"),
                    value => format!("invalid {name} \"{value}\" of {function}"),
                },
            )
            .with_hint(format!("Use one of: {}.", parameter.choices.join(", "))));
        }
        values.insert(parameter.name, value);
    }
    for parameter in function.parameters {
        if let Some(default) = parameter.default {
            values.entry(parameter.name).or_insert_with(|| default.to_owned());
        } else if !values.contains_key(parameter.name) {
            return Err(no_such_call(function));
        }
    }
    Ok(Arguments {
        values,
        expressions,
        config,
    })
}

fn no_such_call(function: &TableFunction) -> Error {
    let documentation = (function.documentation)();
    Error::new(
        ErrorClass::UndefinedFunction,
        format!("no function {} takes these arguments", function.name),
    )
    .with_hint(format!("It is called as {}.", documentation.syntax_example))
}

/// Whether an expression has one value for the whole statement: no column and no query is in it.
fn of_one_value(expr: &Expr) -> bool {
    let mut one = true;
    let _: ControlFlow<()> = visit_expressions(expr, |expr| {
        one &= !matches!(
            expr,
            Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::CompoundFieldAccess { .. }
                | Expr::Subquery(_)
                | Expr::Exists { .. }
                | Expr::InSubquery { .. }
        );
        ControlFlow::Continue(())
    });
    one
}

/// The text of a literal; NULL is the empty text.
pub(crate) fn constant(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            Value::Number(number, _) => Some(number.to_string()),
            Value::Boolean(value) => Some(value.to_string()),
            Value::Null => Some(String::new()),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => constant(expr).map(|text| format!("-{text}")),
        Expr::TypedString(typed) => match &typed.value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Cast { expr, .. } | Expr::Nested(expr) => constant(expr),
        Expr::Interval(interval) => constant(&interval.value),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
