//! What a session holds, as `pg_cursors` and `pg_prepared_statements` list it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::description::{CursorState, StatementState};
use crate::session::{Prepared, Session};

/// The lists, in the order in which things were made.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<BTreeMap<u64, Held>>);

#[derive(Debug)]
enum Held {
    Cursor(CursorState),
    Statement(StatementState),
}

impl Lists {
    pub(crate) fn cursors(&self) -> Vec<CursorState> {
        let held = self.0.lock();
        let cursors = held.values().filter_map(|held| match held {
            Held::Cursor(cursor) => Some(cursor.clone()),
            Held::Statement(_) => None,
        });
        cursors.collect()
    }

    pub(crate) fn statements(&self) -> Vec<StatementState> {
        let held = self.0.lock();
        let statements = held.values().filter_map(|held| match held {
            Held::Statement(statement) => Some(statement.clone()),
            Held::Cursor(_) => None,
        });
        statements.collect()
    }
}

/// Keeps a thing listed until it is dropped.
#[derive(Debug)]
pub(crate) struct Listed {
    lists: Arc<Lists>,
    number: u64,
}

impl Listed {
    fn new(lists: &Arc<Lists>, held: Held) -> Self {
        let mut all = lists.0.lock();
        let number = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(number, held);
        Self {
            lists: Arc::clone(lists),
            number,
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.lists.0.lock().remove(&self.number);
    }
}

impl Session {
    pub(crate) fn list_cursor(
        &self,
        name: &str,
        statement: &str,
        (holdable, scrollable): (bool, bool),
    ) -> Listed {
        let cursor = CursorState {
            name: name.to_owned(),
            statement: statement.to_owned(),
            holdable,
            scrollable,
            created: self.engine.clock().now(),
        };
        Listed::new(&self.shared.lists, Held::Cursor(cursor))
    }

    /// Lists a prepared statement; one of the wire protocol with the identifiers of the types that its client was told for
    /// its parameters.
    pub(crate) fn list_statement(&self, name: &str, prepared: &Prepared, told: Option<Vec<u32>>) -> Listed {
        let statement = StatementState {
            name: name.to_owned(),
            statement: prepared.0.parsed.submitted().to_owned(),
            prepared: self.engine.clock().now(),
            parameters: prepared.parameters().to_vec(),
            told,
        };
        Listed::new(&self.shared.lists, Held::Statement(statement))
    }
}
