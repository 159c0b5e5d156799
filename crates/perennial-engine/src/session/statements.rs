//! Prepared statements with a name. There is one list of them, whether SQL or the wire protocol made them, as in Postgres.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::schema::named_type;
use crate::session::listed::Listed;
use crate::session::{Outcome, Prepared, Session, unsupported};
use crate::sql::names::folded;

/// Statements with a name that a session may hold, and cursors.
const MAX_HELD: usize = 1_000;
/// Bytes of their texts, each kind for itself.
const MAX_HELD_BYTES: usize = 16 << 20;

/// A statement that a session holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// The statement; none for an empty one.
    pub prepared: Option<Prepared>,
    /// The identifiers of the types of its parameters, as the client of the wire protocol was told them; none for one that was
    /// made by PREPARE.
    pub told: Option<Arc<[u32]>>,
    _listed: Option<Arc<Listed>>,
}

impl Session {
    /// Holds a statement, or an empty one, under a name, which is compared letter by letter.
    ///
    /// # Errors
    /// `DuplicateStatement` where the name is taken, `LimitExceeded` where there are too many or their texts are too long.
    pub fn hold_statement(
        &self,
        name: &str,
        prepared: Option<&Prepared>,
        told: Option<Vec<u32>>,
    ) -> Result<()> {
        let mut statements = self.statements.lock();
        if statements.contains_key(name) {
            return Err(Error::new(
                ErrorClass::DuplicateStatement,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let length = |prepared: Option<&Prepared>| prepared.map_or(0, |prepared| prepared.text().len());
        let held = statements.values().map(|held| length(held.prepared.as_ref()));
        let bytes = held.sum::<usize>() + length(prepared);
        room("prepared statements", statements.len(), bytes)?;
        let held = Held {
            prepared: prepared.cloned(),
            told: told.as_deref().map(Arc::from),
            _listed: prepared.map(|prepared| Arc::new(self.list_statement(name, prepared, told))),
        };
        statements.insert(name.to_owned(), held);
        Ok(())
    }

    /// The statement of a name.
    pub fn held_statement(&self, name: &str) -> Option<Held> {
        self.statements.lock().get(name).cloned()
    }

    /// Forgets a statement; answers whether there was one.
    pub fn release_statement(&self, name: &str) -> bool {
        self.statements.lock().remove(name).is_some()
    }

    pub(super) fn release_statements(&self) {
        self.statements.lock().clear();
    }

    /// DEALLOCATE.
    pub(super) fn deallocate(&self, name: &Ident) -> Result<Outcome> {
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") {
            self.release_statements();
            return Ok(Outcome::Done("DEALLOCATE ALL".to_owned()));
        }
        match self.release_statement(&folded(name)) {
            true => Ok(Outcome::Done("DEALLOCATE".to_owned())),
            false => Err(no_statement(&folded(name))),
        }
    }

    /// The statement that an EXECUTE names.
    pub(super) fn statement_named(&self, name: Option<&ObjectName>) -> Result<Prepared> {
        let parts = name.into_iter().flat_map(|name| &name.0);
        let name = parts.filter_map(|part| part.as_ident()).map(folded).next_back();
        let name = name.unwrap_or_default();
        let held = self.held_statement(&name);
        held.and_then(|held| held.prepared)
            .ok_or_else(|| no_statement(&name))
    }

    pub(super) async fn execute_named(
        &self,
        name: Option<&ObjectName>,
        arguments: &[Expr],
    ) -> Result<Outcome> {
        let prepared = self.statement_named(name)?;
        let wanted = prepared.parameters().len();
        if wanted != arguments.len() {
            let name = name.map(ToString::to_string).unwrap_or_default();
            return Err(Error::new(
                ErrorClass::Syntax,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .with_detail(format!(
                "Expected {wanted} parameters but got {}.",
                arguments.len()
            )));
        }
        let values = self.values_of(arguments, prepared.parameters()).await?;
        // Places in what was prepared are none in what was sent.
        let outcome = Box::pin(self.run(&prepared, values)).await;
        outcome.map_err(Error::without_position)
    }

    /// The values of constant expressions, as the types wanted.
    async fn values_of(&self, arguments: &[Expr], types: &[FieldRef]) -> Result<Vec<ScalarValue>> {
        if arguments.is_empty() {
            return Ok(Vec::new());
        }
        let items: Vec<String> = arguments
            .iter()
            .enumerate()
            .zip(types)
            .map(|((at, expr), field)| match named_type(field) {
                Some(name) => format!("CAST({expr} AS {name}) AS p{at}"),
                None => format!("{expr} AS p{at}"),
            })
            .collect();
        let mut rows = self.rows_of(&format!("SELECT {}", items.join(", "))).await?;
        let batch = rows
            .next()
            .await
            .transpose()?
            .ok_or_else(|| unsupported("these arguments"))?;
        batch
            .columns()
            .iter()
            .zip(types)
            .map(|(column, field)| Ok(ScalarValue::try_from_array(column, 0)?.cast_to(field.data_type())?))
            .collect()
    }
}

/// Refuses one more of what a session holds: `held` there are, and with it their texts have so many bytes.
pub(super) fn room(what: &str, held: usize, bytes: usize) -> Result<()> {
    let error = if held >= MAX_HELD {
        format!("too many {what}: at most {MAX_HELD}")
    } else if bytes > MAX_HELD_BYTES {
        format!("the texts of {what} are too long: at most {MAX_HELD_BYTES} bytes together")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorClass::LimitExceeded, error)
        .with_hint("Close what is not needed any more with CLOSE or DEALLOCATE."))
}

fn no_statement(name: &str) -> Error {
    Error::new(
        ErrorClass::UndefinedStatement,
        format!("prepared statement \"{name}\" does not exist"),
    )
}
