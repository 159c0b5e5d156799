//! Windows by name: `OVER w`, `OVER (w ROWS …)` and `WINDOW v AS (w ORDER BY x)`, written out where they are used, as in
//! Postgres (`transformWindowDefinitions` in parse_clause.c). The planner knows the first form alone, in a select list.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Ident, NamedWindowDefinition, NamedWindowExpr, OrderByKind, Query, Select, SetExpr,
    VisitMut, VisitorMut, WindowSpec, WindowType,
};
use perennial_base::ErrorClass;

use super::names::folded;
use crate::error::{Error, Result};

/// Writes out the windows in ORDER BY of a query, which sees those of its select.
///
/// # Errors
/// As [`in_select`].
pub(crate) fn in_order(query: &mut Query) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Ok(());
    };
    let windows = Windows::defined(&select.named_window)?;
    match query.order_by.as_mut().map(|order| &mut order.kind) {
        Some(OrderByKind::Expressions(keys)) => keys.iter_mut().try_for_each(|key| windows.write_out(key)),
        _ => Ok(()),
    }
}

/// Writes out the windows of a select, which names none any more.
///
/// # Errors
/// Class `UndefinedObject` for a window that is not there, `Windowing` for one that is there twice, or that cannot be
/// copied with what is added to it.
pub(crate) fn in_select(select: &mut Select) -> Result<()> {
    let windows = Windows::defined(&std::mem::take(&mut select.named_window))?;
    for item in &mut select.projection {
        windows.write_out(item)?;
    }
    if let Some(Distinct::On(keys)) = &mut select.distinct {
        keys.iter_mut().try_for_each(|key| windows.write_out(key))?;
    }
    Ok(())
}

/// The windows of a select, by their names.
#[derive(Default)]
struct Windows(Vec<(String, WindowSpec)>);

impl Windows {
    fn defined(definitions: &[NamedWindowDefinition]) -> Result<Self> {
        let mut windows = Self::default();
        for NamedWindowDefinition(name, window) in definitions {
            let name = folded(name);
            if windows.0.iter().any(|(known, _)| *known == name) {
                return Err(windowing(format!("window \"{name}\" is already defined")));
            }
            let window = match window {
                NamedWindowExpr::NamedWindow(other) => windows.named(other)?.clone(),
                NamedWindowExpr::WindowSpec(spec) => windows.whole(spec)?,
            };
            windows.0.push((name, window));
        }
        Ok(windows)
    }

    fn named(&self, name: &Ident) -> Result<&WindowSpec> {
        let name = folded(name);
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, window)| window).ok_or_else(|| {
            Error::new(
                ErrorClass::UndefinedObject,
                format!("window \"{name}\" does not exist"),
            )
        })
    }

    /// A window together with what it has from the one that it names.
    fn whole(&self, added: &WindowSpec) -> Result<WindowSpec> {
        let mut whole = added.clone();
        let Some(name) = whole.window_name.take() else {
            return Ok(whole);
        };
        let copied = self.named(&name)?;
        let name = folded(&name);
        let overridden = |clause| windowing(format!("cannot override {clause} clause of window \"{name}\""));
        if !added.partition_by.is_empty() {
            return Err(overridden("PARTITION BY"));
        }
        if !added.order_by.is_empty() && !copied.order_by.is_empty() {
            return Err(overridden("ORDER BY"));
        }
        if copied.window_frame.is_some() {
            let error = windowing(format!(
                "cannot copy window \"{name}\" because it has a frame clause"
            ));
            let alone = added.order_by.is_empty() && added.window_frame.is_none();
            return Err(match alone {
                true => error.with_hint("Omit the parentheses in this OVER clause."),
                false => error,
            });
        }
        whole.partition_by.clone_from(&copied.partition_by);
        if whole.order_by.is_empty() {
            whole.order_by.clone_from(&copied.order_by);
        }
        Ok(whole)
    }

    fn write_out(&self, tree: &mut impl VisitMut) -> Result<()> {
        let mut written = WriteOut {
            windows: self,
            depth: 0,
        };
        match tree.visit(&mut written) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

/// A subquery has windows of its own.
struct WriteOut<'a> {
    windows: &'a Windows,
    depth: usize,
}

impl VisitorMut for WriteOut<'_> {
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
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let whole = match &function.over {
            Some(window) if self.depth == 0 => match window {
                WindowType::NamedWindow(name) => self.windows.named(name).cloned(),
                WindowType::WindowSpec(spec) => self.windows.whole(spec),
            },
            _ => return ControlFlow::Continue(()),
        };
        match whole {
            Ok(whole) => {
                function.over = Some(WindowType::WindowSpec(whole));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn windowing(message: String) -> Error {
    Error::new(ErrorClass::Windowing, message)
}
