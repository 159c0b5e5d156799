//! `a IS DISTINCT FROM b AND c`: the parser takes everything that follows for the right side, and Postgres no more than
//! `b`, since IS binds tighter than NOT, AND and OR.

use std::mem::replace;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Statement, UnaryOperator, VisitMut, VisitorMut};

use crate::sql::depth::nothing;

/// Gives the right side of IS DISTINCT FROM back what it took too much.
pub(crate) fn distinct_from(statement: &mut Statement) {
    struct Operators;
    impl VisitorMut for Operators {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            raise(expr);
            ControlFlow::Continue(())
        }
    }
    // The visitor never breaks.
    let _: ControlFlow<()> = statement.visit(&mut Operators);
}

/// Makes `a IS DISTINCT FROM [b AND c]` into `[a IS DISTINCT FROM b] AND c`, and then `NOT [d AND c]` into `[NOT d] AND c`
/// and `e AND [d OR c]` into `[e AND d] OR c`. None of the brackets is written: those that are have a node of their own.
fn raise(expr: &mut Expr) {
    let (last, weaker): (_, fn(&BinaryOperator) -> bool) = match expr {
        Expr::IsDistinctFrom(_, last)
        | Expr::IsNotDistinctFrom(_, last)
        | Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: last,
        } => (last, |op| matches!(op, BinaryOperator::And | BinaryOperator::Or)),
        Expr::BinaryOp {
            op: BinaryOperator::And,
            right: last,
            ..
        } => (last, |op| matches!(op, BinaryOperator::Or)),
        _ => return,
    };
    if !matches!(last.as_ref(), Expr::BinaryOp { op, .. } if weaker(op)) {
        return;
    }
    let mut chain = replace(last.as_mut(), nothing());
    let first = first(&mut chain, weaker);
    **last = replace(first, nothing());
    *first = replace(expr, nothing());
    *expr = chain;
}

/// The first operand of a chain of such operators.
fn first(expr: &mut Expr, weaker: fn(&BinaryOperator) -> bool) -> &mut Expr {
    if !matches!(expr, Expr::BinaryOp { op, .. } if weaker(op)) {
        return expr;
    }
    match expr {
        Expr::BinaryOp { left, .. } => first(left, weaker),
        operand => operand,
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::parse::parse;

    /// What a condition means, every operator in brackets.
    fn meaning(condition: &str) -> String {
        use datafusion::sql::sqlparser::ast::{BinaryOperator::And, BinaryOperator::Or};
        use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};
        fn shown(expr: &Expr) -> String {
            match expr {
                Expr::BinaryOp { left, op, right } if matches!(op, And | Or) => {
                    format!("[{} {op} {}]", shown(left), shown(right))
                }
                Expr::UnaryOp { op, expr } => format!("[{op} {}]", shown(expr)),
                Expr::IsDistinctFrom(left, right) => format!("[{} <> {}]", shown(left), shown(right)),
                Expr::IsNotDistinctFrom(left, right) => format!("[{} == {}]", shown(left), shown(right)),
                other => other.to_string(),
            }
        }
        let statement = parse(&format!("SELECT {condition}")).unwrap().remove(0);
        let Statement::Query(query) = statement.statement() else {
            unreachable!()
        };
        let SetExpr::Select(select) = query.body.as_ref() else {
            unreachable!()
        };
        let SelectItem::UnnamedExpr(expr) = &select.projection[0] else {
            unreachable!()
        };
        shown(expr)
    }

    #[test]
    fn distinct_from_binds_tighter_than_not_and_or() {
        for (written, meant) in [
            ("a IS DISTINCT FROM b AND c", "[[a <> b] AND c]"),
            ("a IS NOT DISTINCT FROM b OR c AND d", "[[a == b] OR [c AND d]]"),
            ("a IS NOT DISTINCT FROM b AND c OR d", "[[[a == b] AND c] OR d]"),
            ("NOT a IS DISTINCT FROM b AND c", "[[NOT [a <> b]] AND c]"),
            ("x AND a IS DISTINCT FROM b OR c", "[[x AND [a <> b]] OR c]"),
            (
                "x AND NOT a IS DISTINCT FROM b OR c OR d",
                "[[[x AND [NOT [a <> b]]] OR c] OR d]",
            ),
            ("x OR a IS DISTINCT FROM b AND c", "[x OR [[a <> b] AND c]]"),
            (
                "a IS DISTINCT FROM b AND c IS DISTINCT FROM d AND e",
                "[[a <> b] AND [[c <> d] AND e]]",
            ),
            ("a IS DISTINCT FROM (b AND c)", "[a <> (b AND c)]"),
            ("a IS DISTINCT FROM b + 1 = c", "[a <> b + 1 = c]"),
        ] {
            assert_eq!(meaning(written), meant, "{written}");
        }
    }
}
