//! `tableoid`, a column of every table: the number of the table itself, which is one for all its rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Ident, ObjectName, Query, Select, TableFactor, Value, VisitMut, VisitorMut,
};

use super::names::folded;
use super::subquery::call;
use super::using::{Names, Relations};

const NAME: &str = "tableoid";
/// The function that gives the number of a relation by its name.
const BY_NAME: &str = "perennial_regclass_in";

/// Puts the numbers of the tables in FROM in the place of the column, in a select whose subqueries have been seen to.
pub(crate) fn in_select(select: &mut Select, names: &Names, relations: Relations<'_>) {
    let mut tables = Vec::new();
    for item in &select.from {
        for factor in std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation)) {
            tables.push(table(factor, names, relations));
        }
    }
    let mut tables = Tables { tables, depth: 0 };
    if tables.tables.iter().any(Option::is_some) {
        // The visitor never breaks.
        let _: ControlFlow<()> = select.visit(&mut tables);
    }
}

/// How a table is called in its query, and its own name. None for a query, and for a table that has such a column.
fn table(factor: &TableFactor, names: &Names, relations: Relations<'_>) -> Option<(String, String)> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = factor
    else {
        return None;
    };
    let called = match alias {
        Some(alias) if alias.columns.is_empty() => folded(&alias.name),
        Some(_) => return None,
        None => folded(name.0.last()?.as_ident()?),
    };
    let hidden = match name.0.as_slice() {
        [alone] => names.knows(&folded(alone.as_ident()?)),
        _ => false,
    };
    let columns = relations(name).filter(|_| !hidden)?;
    (!columns.iter().any(|column| column == NAME)).then(|| (called, name.to_string()))
}

struct Tables {
    tables: Vec<Option<(String, String)>>,
    /// How many queries stand around.
    depth: usize,
}

impl VisitorMut for Tables {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let named = match expr {
            // Without the name of its table it is that of the only one.
            Expr::Identifier(column) if self.depth == 0 && folded(column) == NAME => {
                match self.tables.as_slice() {
                    [Some((_, name))] => Some(name),
                    _ => None,
                }
            }
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, column] if folded(column) == NAME => {
                    let mut known = self.tables.iter().flatten();
                    known
                        .find(|(called, _)| *called == folded(table))
                        .map(|(_, name)| name)
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(name) = named {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(call(
                    BY_NAME,
                    Expr::value(Value::SingleQuotedString(name.clone())),
                )),
                data_type: DataType::Custom(ObjectName::from(vec![Ident::new("oid")]), Vec::new()),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}
