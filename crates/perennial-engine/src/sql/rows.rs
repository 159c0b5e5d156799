//! VALUES with subqueries in it, of which the planner makes no rows: a SELECT for each row, one behind the other.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, Visit, Visitor,
};

use super::parse::parse_query;
use crate::error::Result;

/// Puts SELECTs in the place of a list of rows that asks for queries.
pub(crate) fn with_queries(query: &mut Query) -> Result<()> {
    let SetExpr::Values(values) = query.body.as_ref() else {
        return Ok(());
    };
    if !values.rows.iter().flat_map(|row| &row.content).any(asks) {
        return Ok(());
    }
    let mut all: Option<Box<SetExpr>> = None;
    for row in &values.rows {
        let mut one = parse_query("SELECT 1")?;
        if let SetExpr::Select(select) = one.body.as_mut() {
            let named = row
                .content
                .iter()
                .enumerate()
                .map(|(at, expr)| SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: Ident::new(format!("column{}", at + 1)),
                });
            select.projection = named.collect();
        }
        all = Some(match all {
            None => one.body,
            Some(before) => Box::new(SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left: before,
                right: one.body,
            }),
        });
    }
    if let Some(all) = all {
        query.body = all;
    }
    Ok(())
}

fn asks(expr: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}
