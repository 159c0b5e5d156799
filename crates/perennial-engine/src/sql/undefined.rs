//! Calls of a function that is not there.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Statement, Value, VisitMut, VisitorMut,
};

use super::literals::integer;
use super::names::folded;
use super::subquery::call_of;
use crate::functions::postgres::undefined::{NAME, UNTYPED};

/// Puts what tells of its arguments in the place of each call of a function; says whether there was one.
pub(crate) fn told_of(statement: &mut Statement, name: &str) -> bool {
    let mut calls = Calls { name, found: false };
    // The visitor never breaks.
    let _: ControlFlow<()> = statement.visit(&mut calls);
    calls.found
}

struct Calls<'a> {
    name: &'a str,
    found: bool,
}

impl VisitorMut for Calls<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = &*expr else {
            return ControlFlow::Continue(());
        };
        let called = function
            .name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(folded);
        if called.as_deref() != Some(self.name) {
            return ControlFlow::Continue(());
        }
        let given: &[FunctionArg] = match &function.args {
            FunctionArguments::List(list) => &list.args,
            _ => &[],
        };
        let text = |text: String| Expr::value(Value::SingleQuotedString(text));
        let (mut untyped, mut arguments) = (String::new(), Vec::with_capacity(given.len()));
        for argument in given {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument else {
                continue;
            };
            let quoted = matches!(argument, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)));
            untyped.push(if quoted { UNTYPED } else { '-' });
            let mut argument = argument.clone();
            integer(&mut argument);
            arguments.push(argument);
        }
        let all = [text(self.name.to_owned()), text(untyped)]
            .into_iter()
            .chain(arguments);
        *expr = call_of(NAME, all.collect());
        self.found = true;
        ControlFlow::Continue(())
    }
}
