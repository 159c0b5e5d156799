//! Scalar subqueries and EXISTS as values, in a form that the planner can turn into joins.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, OrderBy,
    OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};
use std::ops::ControlFlow;

use crate::functions::{or_empty, single_value};
use crate::sql::parse::parse;

/// `(SELECT x FROM t WHERE …)` becomes `(SELECT perennial_single_value(x) FROM t WHERE …)`: the same by the
/// definition of a scalar subquery. `(SELECT x FROM t WHERE … ORDER BY y LIMIT 1)` becomes
/// `(SELECT first_value(x ORDER BY y) FROM t WHERE …)`.
pub(crate) fn scalar(query: &mut Query, aggregates: &dyn Fn(&str) -> bool) {
    if is_one_row(query, aggregates) && limits_to_some(query) {
        query.limit_clause = None;
    }
    if first_of_rows(query, aggregates) {
        return;
    }
    let plain = query.limit_clause.is_none() && query.fetch.is_none() && query.order_by.is_none();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    if !plain || !one_row_each(select, aggregates) {
        return;
    }
    let [item] = select.projection.as_mut_slice() else {
        return;
    };
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            *expr = call(single_value::NAME, expr.clone());
        }
        _ => {}
    }
}

/// Whether a query gives one row because it aggregates all rows.
fn is_one_row(query: &Query, aggregates: &dyn Fn(&str) -> bool) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    let aggregated = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            aggregate_in(expr, aggregates)
        }
        _ => false,
    });
    ungrouped && aggregated && query.fetch.is_none()
}

/// Whether a LIMIT, without OFFSET, leaves a row.
fn limits_to_some(query: &Query) -> bool {
    matches!(
        &query.limit_clause,
        Some(LimitClause::LimitOffset { limit: Some(Expr::Value(limit)), offset: None, limit_by })
            if limit_by.is_empty()
                && matches!(&limit.value, Value::Number(number, _) if number.parse().is_ok_and(|number: u64| number > 0))
    )
}

/// Puts an aggregate in the place of ORDER BY and LIMIT 1; says whether it did.
fn first_of_rows(query: &mut Query, aggregates: &dyn Fn(&str) -> bool) -> bool {
    let one = matches!(
        &query.limit_clause,
        Some(LimitClause::LimitOffset { limit: Some(Expr::Value(limit)), offset: None, limit_by })
            if limit_by.is_empty() && matches!(&limit.value, Value::Number(number, _) if number == "1")
    );
    let keys = match &query.order_by {
        None => Vec::new(),
        Some(OrderBy {
            kind: OrderByKind::Expressions(keys),
            ..
        }) => keys.clone(),
        Some(_) => return false,
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return false;
    };
    if !one || query.fetch.is_some() || !one_row_each(select, aggregates) {
        return false;
    }
    let [item] = select.projection.as_mut_slice() else {
        return false;
    };
    let (expr, named) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value.clone())),
        _ => return false,
    };
    let of_the_list = |key: &Expr| match key {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::Identifier(name) => named.as_ref() == Some(&name.value),
        _ => false,
    };
    let keys: Vec<OrderByExpr> = keys
        .into_iter()
        .map(|mut key| {
            if of_the_list(&key.expr) {
                key.expr = expr.clone();
            }
            key
        })
        .collect();
    let mut first = function("first_value", vec![expr.clone()]);
    if let (FunctionArguments::List(list), false) = (&mut first.args, keys.is_empty()) {
        list.clauses.push(FunctionArgumentClause::OrderBy(keys));
    }
    *expr = Expr::Function(first);
    (query.order_by, query.limit_clause) = (None, None);
    true
}

/// EXISTS in a select list is a value; in WHERE it stays, as the planner makes a semi-join of it.
pub(crate) fn values_of_exists(expr: &mut Expr, aggregates: &dyn Fn(&str) -> bool) {
    struct Values<'a>(&'a dyn Fn(&str) -> bool, usize);
    impl VisitorMut for Values<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.1 += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.1 -= 1;
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Exists { subquery, negated } = expr
                && self.1 == 0
                && let Some(value) = exists(subquery, *negated, self.0)
            {
                *expr = value;
            }
            ControlFlow::Continue(())
        }
    }
    // The visitor never breaks.
    let _: ControlFlow<()> = expr.visit(&mut Values(aggregates, 0));
}

/// `EXISTS (SELECT …)` as a value becomes `(SELECT count(*) FROM …) > 0`.
pub(crate) fn exists(query: &Query, negated: bool, aggregates: &dyn Fn(&str) -> bool) -> Option<Expr> {
    let plain = query.limit_clause.is_none() && query.fetch.is_none();
    let mut counted = query.clone();
    counted.order_by = None;
    match counted.body.as_mut() {
        SetExpr::Select(select) if plain && one_row_each(select, aggregates) => {
            let one = Expr::value(Value::Number("1".into(), false));
            select.projection = vec![SelectItem::ExprWithAlias {
                expr: call("count", one),
                alias: Ident::new("count"),
            }];
        }
        _ => counted = around("SELECT count(*) AS count FROM (SELECT 1) AS counted", query)?,
    }
    let op = if negated {
        BinaryOperator::Eq
    } else {
        BinaryOperator::Gt
    };
    let zero = Expr::value(Value::Number("0".into(), false));
    let count = Expr::Subquery(Box::new(counted));
    let coalesced = Expr::Function(function("coalesce", vec![count, zero.clone()]));
    Some(Expr::BinaryOp {
        left: Box::new(coalesced),
        op,
        right: Box::new(zero),
    })
}

/// `ARRAY(SELECT x FROM t ORDER BY y)` becomes `(SELECT perennial_or_empty(array_agg(x ORDER BY y)) FROM t)`: over no rows
/// the aggregate is NULL, and the array is empty.
pub(crate) fn array(called: &Function, aggregates: &dyn Fn(&str) -> bool) -> Option<Expr> {
    let FunctionArguments::Subquery(query) = &called.args else {
        return None;
    };
    if !called.name.to_string().eq_ignore_ascii_case("array") {
        return None;
    }
    let plain = query.limit_clause.is_none() && query.fetch.is_none();
    let mut gathered = query.as_ref().clone();
    let order = gathered.order_by.take();
    let select = match gathered.body.as_mut() {
        SetExpr::Select(select) if plain && one_row_each(select, aggregates) => select,
        _ => return of_all_rows(query),
    };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    let mut gather = function("array_agg", vec![item.clone()]);
    if let (
        FunctionArguments::List(list),
        Some(OrderBy {
            kind: OrderByKind::Expressions(keys),
            ..
        }),
    ) = (&mut gather.args, order)
    {
        // A key that is a place in the select list is the only item.
        let keys = keys.into_iter().map(|mut key| {
            if matches!(&key.expr, Expr::Value(value) if matches!(value.value, Value::Number(..))) {
                key.expr = item.clone();
            }
            key
        });
        list.clauses.push(FunctionArgumentClause::OrderBy(keys.collect()));
    }
    *item = call(or_empty::NAME, Expr::Function(gather));
    Some(Expr::Subquery(Box::new(gathered)))
}

/// An array of the rows of any query, in its order.
fn of_all_rows(query: &Query) -> Option<Expr> {
    const AROUND: &str =
        "SELECT perennial_or_empty(array_agg(gathered.item)) FROM (SELECT 1) AS gathered (item)";
    Some(Expr::Subquery(Box::new(around(AROUND, query)?)))
}

/// A query with another one in the place of that in its FROM.
fn around(sql: &str, query: &Query) -> Option<Query> {
    let parsed = parse(sql).ok()?;
    let Statement::Query(mut around) = parsed.first()?.statement().clone() else {
        return None;
    };
    let SetExpr::Select(select) = around.body.as_mut() else {
        return None;
    };
    let factor = &mut select.from.first_mut()?.relation;
    if let TableFactor::Derived { subquery, .. } = factor {
        **subquery = query.clone();
    }
    Some(*around)
}

/// Whether EXISTS is true of a query whatever there is, because it aggregates all rows.
pub(crate) fn always_exists(query: &Query, aggregates: &dyn Fn(&str) -> bool) -> bool {
    let unlimited = query.limit_clause.is_none() || limits_to_some(query);
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    unlimited && select.having.is_none() && is_one_row(query, aggregates)
}

/// Whether every row of the tables gives a row: no grouping, no aggregate, something to read from.
fn one_row_each(select: &Select, aggregates: &dyn Fn(&str) -> bool) -> bool {
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    let aggregated = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            aggregate_in(expr, aggregates)
        }
        _ => false,
    });
    ungrouped
        && select.having.is_none()
        && select.distinct.is_none()
        && !select.from.is_empty()
        && !aggregated
}

/// Whether an aggregate is called in an expression, outside of its subqueries.
fn aggregate_in(expr: &Expr, aggregates: &dyn Fn(&str) -> bool) -> bool {
    struct Calls<'a> {
        aggregates: &'a dyn Fn(&str) -> bool,
        depth: usize,
    }
    impl Visitor for Calls<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(function) = expr
                && self.depth == 0
                && (self.aggregates)(&function.name.to_string().to_lowercase())
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    expr.visit(&mut Calls { aggregates, depth: 0 }).is_break()
}

pub(crate) fn call(name: &str, argument: Expr) -> Expr {
    Expr::Function(function(name, vec![argument]))
}

/// A call of a function.
pub(crate) fn call_of(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(function(name, arguments))
}

pub(crate) fn function(name: &str, arguments: Vec<Expr>) -> Function {
    Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}
