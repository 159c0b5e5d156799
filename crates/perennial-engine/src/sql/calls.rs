//! How a function may be called, by what it is: with OVER, DISTINCT, ORDER BY, FILTER and WITHIN GROUP, in Postgres' words.
//! The planner takes no notice of most of them where they do not belong.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, Query, Select, Statement,
    Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use perennial_base::ErrorClass;
use perennial_udf_kit::FunctionError;

use super::names::folded;
use super::parse::position;
use crate::error::{Error, Result};

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// One row to one value.
    Scalar,
    /// Many rows to one value; also over a window.
    Aggregate {
        /// Whether it is one of Perennial's, for which every row counts.
        own: bool,
    },
    /// Each row among the rows of its partition.
    Window,
}

/// Checks a call of a function that is known.
///
/// # Errors
/// Class `WrongObjectType` or `Unsupported`.
pub(crate) fn check(function: &Function, sort: Sort) -> Result<()> {
    let Some(name) = function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .map(folded)
    else {
        return Ok(());
    };
    let written = Written::of(function);
    // The planner takes the value of these for granted.
    if written.empty && written.over && ["first_value", "last_value", "nth_value"].contains(&name.as_str()) {
        let message = format!("function {name}() does not exist");
        return Err(Error::new(ErrorClass::UndefinedFunction, message));
    }
    match sort {
        Sort::Scalar => {
            let parts = [
                (written.distinct, "DISTINCT"),
                (written.within_group, "WITHIN GROUP"),
                (written.ordered, "ORDER BY"),
                (written.filtered, "FILTER"),
            ];
            if let Some((_, part)) = parts.into_iter().find(|(written, _)| *written) {
                return Err(misused(format!(
                    "{part} specified, but {name} is not an aggregate function"
                )));
            }
            if written.over {
                return Err(misused(format!(
                    "OVER specified, but {name} is not a window function nor an aggregate function"
                )));
            }
        }
        Sort::Window if !written.over => return Err(over_required(&name)),
        Sort::Window if written.filtered => {
            return Err(refused(
                "FILTER is not implemented for non-aggregate window functions",
            ));
        }
        Sort::Aggregate { .. } if written.over && written.within_group => {
            return Err(refused(&format!(
                "OVER is not supported for ordered-set aggregate {name}"
            )));
        }
        Sort::Window | Sort::Aggregate { .. } => {}
    }
    if written.over && written.distinct {
        return Err(refused("DISTINCT is not implemented for window functions"));
    }
    if written.over && written.ordered {
        return Err(refused(
            "aggregate ORDER BY is not implemented for window functions",
        ));
    }
    if sort == (Sort::Aggregate { own: true }) && written.distinct {
        return Err(Error::from_user(&FunctionError::Distinct { function: name }));
    }
    Ok(())
}

/// Whether a statement calls a function of a name.
pub(crate) fn calls(statement: &Statement, name: &str) -> bool {
    struct Called<'a>(&'a str);
    impl Visitor for Called<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function)
                    if function
                        .name
                        .0
                        .last()
                        .and_then(|part| part.as_ident())
                        .map(folded)
                        .as_deref()
                        == Some(self.0) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    statement.visit(&mut Called(name)).is_break()
}

/// Refuses aggregates in WHERE, which is asked of rows before there are groups.
///
/// # Errors
/// Class `Grouping`, at the place of the first.
pub(crate) fn in_where(select: &Select, functions: &dyn Fn(&str) -> Option<Sort>, text: &str) -> Result<()> {
    let mut first = Aggregates {
        functions,
        queries: 0,
    };
    match select
        .selection
        .as_ref()
        .map(|condition| condition.visit(&mut first))
    {
        Some(ControlFlow::Break(at)) => Err(Error::new(
            ErrorClass::Grouping,
            "aggregate functions are not allowed in WHERE",
        )
        .with_position(position(text, at))),
        _ => Ok(()),
    }
}

/// Looks for an aggregate outside of subqueries.
struct Aggregates<'a> {
    functions: &'a dyn Fn(&str) -> Option<Sort>,
    queries: usize,
}

impl Visitor for Aggregates<'_> {
    type Break = Location;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Location> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Location> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Location> {
        if let Expr::Function(function) = expr
            && self.queries == 0
            && function.over.is_none()
            && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
            && matches!((self.functions)(&folded(name)), Some(Sort::Aggregate { .. }))
        {
            return ControlFlow::Break(name.span.start);
        }
        ControlFlow::Continue(())
    }
}

/// A window function where no OVER follows.
pub(crate) fn over_required(name: &str) -> Error {
    misused(format!("window function {name} requires an OVER clause"))
}

fn misused(message: String) -> Error {
    Error::new(ErrorClass::WrongObjectType, message)
}

fn refused(message: &str) -> Error {
    Error::new(ErrorClass::Unsupported, message)
}

/// What stands in a call beside the arguments.
struct Written {
    empty: bool,
    distinct: bool,
    ordered: bool,
    within_group: bool,
    filtered: bool,
    over: bool,
}

impl Written {
    fn of(function: &Function) -> Self {
        let (mut empty, mut distinct, mut ordered) = (false, false, false);
        if let FunctionArguments::List(list) = &function.args {
            empty = list.args.is_empty();
            distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
            ordered = list
                .clauses
                .iter()
                .any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
        }
        Self {
            empty,
            distinct,
            ordered,
            within_group: !function.within_group.is_empty(),
            filtered: function.filter.is_some(),
            over: function.over.is_some(),
        }
    }
}
