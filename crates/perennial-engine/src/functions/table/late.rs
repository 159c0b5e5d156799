//! Parameters of a statement (`$1`) where a table function takes constants. The query that a call stands for depends on their
//! values: such a statement is planned for its columns with values that are allowed, and anew each time it is executed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Statement, TableFactor, Value, VisitMut, VisitorMut,
};

use crate::error::{Error, Result};
use crate::functions::table::{Parameter, TABLE_FUNCTIONS};

/// What stands for the id of a customer, which alone has neither a default nor choices.
const NOBODY: &str = "0000000000000000";

/// Writes the values of parameters where they stand for constants of table functions, or values that are allowed there.
/// Gives which parameters those are, from 0.
///
/// # Errors
/// When a value has no text.
pub(crate) fn write_late(
    statement: &mut Statement,
    values: Option<&[ScalarValue]>,
) -> Result<BTreeSet<usize>> {
    let mut late = Late {
        values,
        found: BTreeSet::new(),
    };
    match statement.visit(&mut late) {
        ControlFlow::Continue(()) => Ok(late.found),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Late<'a> {
    values: Option<&'a [ScalarValue]>,
    found: BTreeSet<usize>,
}

impl Late<'_> {
    /// The text that stands for a parameter of the statement; none for NULL.
    fn text(&self, index: usize, of: &Parameter) -> Result<Option<String>> {
        let Some(values) = self.values else {
            let allowed = of.default.or(of.choices.first().copied());
            return Ok(Some(allowed.unwrap_or(NOBODY).to_owned()));
        };
        match values
            .get(index)
            .map(|value| value.cast_to(&DataType::Utf8))
            .transpose()?
        {
            Some(ScalarValue::Utf8(text)) => Ok(text),
            _ => Ok(None),
        }
    }
}

impl VisitorMut for Late<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let (name, args) = match factor {
            TableFactor::Table {
                name,
                args: Some(args),
                ..
            } => (name, &mut args.args),
            TableFactor::Function { name, args, .. } => (name, args),
            _ => return ControlFlow::Continue(()),
        };
        let called = name.0.last().and_then(|part| part.as_ident());
        let function = called.and_then(|called| {
            let mut known = TABLE_FUNCTIONS.iter();
            known.find(|known| known.name.eq_ignore_ascii_case(&called.value))
        });
        let Some(function) = function else {
            return ControlFlow::Continue(());
        };
        for (position, arg) in args.iter_mut().enumerate() {
            let (parameter, expr) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    (function.parameters.get(position), expr)
                }
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(expr),
                    ..
                } => {
                    let mut known = function.parameters.iter();
                    let named = known.find(|known| known.name.eq_ignore_ascii_case(&name.value));
                    (named, expr)
                }
                _ => continue,
            };
            let constant = parameter.filter(|parameter| !parameter.expression);
            let (Some(parameter), Some(index)) = (constant, number(expr)) else {
                continue;
            };
            let value = match self.text(index, parameter) {
                Ok(text) => text.map_or(Value::Null, Value::SingleQuotedString),
                Err(error) => return ControlFlow::Break(error),
            };
            self.found.insert(index);
            *expr = Expr::Value(value.into());
        }
        ControlFlow::Continue(())
    }
}

/// The number, from 0, of the parameter that an expression is.
fn number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => {
                let number: u16 = name.strip_prefix('$')?.parse().ok()?;
                usize::from(number).checked_sub(1)
            }
            _ => None,
        },
        Expr::Cast { expr, .. } | Expr::Nested(expr) => number(expr),
        _ => None,
    }
}
