//! The tables of a statement, by the names that its columns may be qualified with.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Statement, TableFactor, Visit, Visitor};

use super::names::folded;
use super::using::called;

/// How a statement knows a name of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A table is called so.
    Called,
    /// The table of this name is called otherwise.
    Under(String),
    /// Not at all.
    Not,
}

/// How a statement, with its subqueries, knows a name of a table.
pub(crate) fn tables(statement: &Statement, name: &str) -> Known {
    struct Names<'a> {
        wanted: &'a str,
        found: Known,
    }
    impl Visitor for Names<'_> {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let alias = match factor {
                TableFactor::Function { alias, name, .. } => match alias {
                    Some(alias) => Some(folded(&alias.name)),
                    None => name.0.last().and_then(|part| part.as_ident()).map(folded),
                },
                TableFactor::UNNEST { alias, .. } | TableFactor::NestedJoin { alias, .. } => match alias {
                    Some(alias) => Some(folded(&alias.name)),
                    None => Some("unnest".to_owned()),
                },
                other => called(other),
            };
            if alias.as_deref() == Some(self.wanted) {
                self.found = Known::Called;
                return ControlFlow::Break(());
            }
            if let (TableFactor::Table { name, .. }, Some(alias)) = (factor, alias) {
                let last = name.0.last().and_then(|part| part.as_ident()).map(folded);
                if last.as_deref() == Some(self.wanted) {
                    self.found = Known::Under(alias);
                }
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names {
        wanted: name,
        found: Known::Not,
    };
    // What ends it early is that the name is found.
    let _: ControlFlow<()> = statement.visit(&mut names);
    names.found
}
