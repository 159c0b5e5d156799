//! How deep and how large a statement is. Everything behind the parser walks its tree by recursion, so a tree is taken
//! over only when it is shallow enough for the stacks there.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, Query, Select, SetExpr, Statement, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use crate::functions::together::NAME;
use crate::sql::names::folded;
use crate::sql::parse::{MAX_DEPTH, MAX_NODES};
use crate::sql::subquery::call;

/// Chains of AND and OR up to this long stay as they are written.
const SHORT: usize = 64;
/// Chains up to this long are the optimiser's: it finds in them what can be looked up, and which files to leave out.
const OPEN: usize = 512;

/// A long chain as one that is not: all terms stand in a call that the optimiser does not open, but for those with
/// subqueries, which are planned as joins where they stand.
fn together(terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    let (mut outside, inside): (Vec<Expr>, Vec<Expr>) = terms.into_iter().partition(has_query);
    if !inside.is_empty() {
        outside.push(call(NAME, bracketed(inside, op)));
    }
    bracketed(outside, op)
}

fn has_query(expr: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}

/// Makes long chains of AND and of OR shallow: `a OR b OR c OR …` nests one level for each term as it is parsed, and
/// means the same however it is bracketed.
pub(crate) fn balance(statement: &mut Statement) {
    struct Chains;
    impl VisitorMut for Chains {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::BinaryOp { op, .. } = expr
                && matches!(op, BinaryOperator::And | BinaryOperator::Or)
            {
                let op = op.clone();
                if length(expr, &op) > SHORT {
                    let mut terms = Vec::new();
                    let mut rest = std::mem::replace(expr, nothing());
                    while let Some((left, right)) = halves(&mut rest, &op) {
                        terms.push(right);
                        rest = left;
                    }
                    terms.push(rest);
                    terms.reverse();
                    *expr = match terms.len() {
                        ..=OPEN => bracketed(terms, &op),
                        _ => together(terms, &op),
                    };
                }
            }
            ControlFlow::Continue(())
        }
    }
    // The visitor never breaks.
    let _: ControlFlow<()> = statement.visit(&mut Chains);
}

/// What stands for an expression while it is taken apart.
pub(crate) fn nothing() -> Expr {
    Expr::value(Value::Null)
}

/// How many terms the left-deep chain of an operator has.
fn length(mut expr: &Expr, chain: &BinaryOperator) -> usize {
    let mut terms = 1;
    while let Expr::BinaryOp { left, op, .. } = expr
        && op == chain
    {
        terms += 1;
        expr = left;
    }
    terms
}

/// Both sides of an operator, taken out of it.
fn halves(expr: &mut Expr, chain: &BinaryOperator) -> Option<(Expr, Expr)> {
    match expr {
        Expr::BinaryOp { left, op, right } if op == chain => Some((
            std::mem::replace(left.as_mut(), nothing()),
            std::mem::replace(right.as_mut(), nothing()),
        )),
        _ => None,
    }
}

/// The terms in their order, each half in brackets of its own.
fn bracketed(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    if terms.len() < 2 {
        return terms.pop().unwrap_or_else(nothing);
    }
    let right = terms.split_off(terms.len() / 2);
    Expr::BinaryOp {
        left: Box::new(bracketed(terms, op)),
        op: op.clone(),
        right: Box::new(bracketed(right, op)),
    }
}

/// Whether a statement is shallow and small enough to be planned.
pub(crate) fn within_bounds(statement: &Statement) -> bool {
    let mut measure = Measure::default();
    statement.visit(&mut measure).is_continue()
}

/// What was visited so far. A query of a WITH counts wherever it is named, as it is planned there.
#[derive(Default)]
struct Measure {
    /// Expressions and queries of each query that is open, and of the statement around them.
    nodes: Vec<usize>,
    depth: usize,
    /// What each open query names by its WITH.
    named: Vec<Vec<Named>>,
}

/// A query of a WITH.
struct Named {
    name: String,
    query: *const Query,
    /// None while it is not known, as within itself.
    nodes: usize,
}

impl Measure {
    fn enter(&mut self, nodes: usize, levels: usize) -> ControlFlow<()> {
        self.depth += levels;
        let too_many = match self.nodes.last_mut() {
            Some(sum) => {
                *sum = sum.saturating_add(nodes);
                *sum > MAX_NODES
            }
            None => {
                self.nodes.push(nodes);
                nodes > MAX_NODES
            }
        };
        if too_many || self.depth > MAX_DEPTH {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Visitor for Measure {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.enter(1, 1)
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.nodes.push(0);
        let named = query
            .with
            .iter()
            .flat_map(|with| &with.cte_tables)
            .map(|cte| Named {
                name: folded(&cte.alias.name),
                query: &raw const *cte.query,
                nodes: 0,
            });
        self.named.push(named.collect());
        self.enter(1, 1 + operations(&query.body))
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.depth -= 1 + operations(&query.body);
        self.named.pop();
        let nodes = self.nodes.pop().unwrap_or_default();
        let around = self.named.last_mut().into_iter().flatten();
        for named in around.filter(|named| std::ptr::eq(named.query, query)) {
            named.nodes = nodes;
        }
        self.enter(nodes, 0)
    }

    fn pre_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.enter(1, 0)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let [part] = relation.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let name = part.as_ident().map(folded);
        let mut all = self.named.iter().rev().flatten();
        let nodes = all
            .find(|named| Some(&named.name) == name.as_ref())
            .map(|named| named.nodes);
        self.enter(nodes.unwrap_or_default(), 0)
    }
}

/// How many UNIONs and their like follow each other: each is a level.
fn operations(mut body: &SetExpr) -> usize {
    let mut levels = 0;
    while let SetExpr::SetOperation { left, .. } = body {
        levels += 1;
        body = left;
    }
    levels
}
