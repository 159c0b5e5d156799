//! The extended protocol: prepared statements, and portals that keep their rows between calls.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use perennial_engine::session::Held;
use perennial_engine::{Outcome, Prepared, TransactionState};
use pgwire::api::Type;

use super::{Connection, Running, stop};
use crate::backend;
use crate::error::{Error, Result};
use crate::frame::{Bind, Format, Target};
use crate::parameters;
use crate::types::{self, Shape};

/// Portals that a session may hold.
const LIMIT: usize = 1_000;

/// A prepared statement.
#[derive(Clone)]
pub(super) struct Statement {
    /// The plan; none for an empty query.
    prepared: Option<Prepared>,
    /// The types of the parameters as the client is told.
    parameters: Vec<Type>,
}

impl Statement {
    /// One that the session holds under a name.
    fn held(held: Held) -> Self {
        let inferred = held
            .prepared
            .as_ref()
            .map(Prepared::parameters)
            .unwrap_or_default();
        let inferred = inferred.iter().enumerate();
        let parameters = inferred.map(|(index, inferred)| {
            let told = held.told.as_ref().and_then(|told| told.get(index));
            told.and_then(|oid| Type::from_oid(*oid))
                .unwrap_or_else(|| types::pg_type(inferred))
        });
        Self {
            parameters: parameters.collect(),
            prepared: held.prepared,
        }
    }
}

/// A statement with its parameters.
pub(super) struct Portal {
    prepared: Option<Prepared>,
    formats: Vec<Format>,
    state: State,
}

enum State {
    /// Has not run.
    Ready(Vec<ScalarValue>),
    /// The session has it among its cursors, where SQL finds it, too.
    Cursor,
    /// Has rows left.
    Suspended(Box<Running>),
    /// Gave all its rows: it gives none any more.
    Exhausted(String),
    /// Ran, and cannot run again.
    Spent,
}

impl Connection {
    pub(super) async fn parse(&mut self, name: String, sql: &str, oids: &[u32]) -> Result<()> {
        if name.is_empty() {
            self.unnamed = None;
        }
        let declared = oids
            .iter()
            .map(|oid| declared(*oid))
            .collect::<Result<Vec<_>>>()?;
        let canceller = &self.canceller;
        let reading = self.session.parse(sql);
        let parsed = self
            .transport
            .attend(reading, |error| stop(canceller, error))
            .await??;
        let statement = match parsed.as_slice() {
            [] => Statement {
                prepared: None,
                parameters: Vec::new(),
            },
            [parsed] => {
                let fields: Vec<_> = declared
                    .iter()
                    .map(|pair| pair.as_ref().map(|(_, field)| Arc::clone(field)))
                    .collect();
                let canceller = &self.canceller;
                let planning = self.session.prepare(parsed, &fields);
                let prepared = self
                    .transport
                    .attend(planning, |error| stop(canceller, error))
                    .await??;
                let inferred = prepared.parameters().iter().enumerate();
                let parameters = inferred.map(|(index, inferred)| match declared.get(index) {
                    Some(Some((pg_type, _))) => pg_type.clone(),
                    _ => types::pg_type(inferred),
                });
                let parameters: Vec<Type> = parameters.collect();
                Statement {
                    parameters,
                    prepared: Some(prepared),
                }
            }
            _ => return Err(Error::MultipleCommands),
        };
        if name.is_empty() {
            self.unnamed = Some(statement);
        } else {
            let told = statement.parameters.iter().map(Type::oid).collect();
            self.session
                .hold_statement(&name, statement.prepared.as_ref(), Some(told))?;
        }
        backend::bare(&mut self.transport.output, b'1');
        Ok(())
    }

    pub(super) fn bind(&mut self, bind: Bind) -> Result<()> {
        let Bind {
            portal: name,
            statement,
            parameter_formats,
            parameters,
            result_formats,
        } = bind;
        let Statement {
            prepared,
            parameters: wire,
        } = self.statement(&statement)?;
        if parameter_formats.len() > 1 && parameter_formats.len() != parameters.len() {
            return Err(Error::protocol(format!(
                "bind message has {} parameter formats but {} parameters",
                parameter_formats.len(),
                parameters.len()
            )));
        }
        if parameters.len() != wire.len() {
            return Err(Error::protocol(format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                parameters.len(),
                wire.len()
            )));
        }
        let style = self.session.output_style();
        let expected = prepared.as_ref().map(Prepared::parameters).unwrap_or_default();
        let mut values = Vec::with_capacity(parameters.len());
        for (index, ((value, wire), expected)) in parameters.into_iter().zip(&wire).zip(expected).enumerate()
        {
            let format = format_of(&parameter_formats, index);
            values.push(parameters::decode(
                value,
                format,
                wire,
                expected.data_type(),
                index + 1,
                &style,
            )?);
        }
        let columns = |prepared| self.session.columns(prepared);
        if let Some(output) = prepared.as_ref().and_then(columns) {
            expand(&result_formats, output.fields().len())?;
        }
        if name.is_empty() {
            self.portals.remove("");
        } else if self.has_portal(&name) {
            return Err(Error::DuplicatePortal { name });
        } else if self.portals.len() >= LIMIT {
            return Err(Error::TooMany {
                what: "portals",
                limit: LIMIT,
            });
        }
        let state = match &prepared {
            Some(query)
                if !name.is_empty()
                    && query.is_query()
                    && self.session.transaction() == TransactionState::Open =>
            {
                self.session.open_portal(&name, query, values)?;
                State::Cursor
            }
            _ => State::Ready(values),
        };
        let portal = Portal {
            prepared,
            formats: result_formats,
            state,
        };
        self.portals.insert(name, portal);
        backend::bare(&mut self.transport.output, b'2');
        Ok(())
    }

    /// The statement of a name.
    fn statement(&self, name: &str) -> Result<Statement> {
        let found = match name {
            "" => self.unnamed.clone(),
            name => self.session.held_statement(name).map(Statement::held),
        };
        found.ok_or_else(|| Error::UndefinedStatement {
            name: name.to_owned(),
        })
    }

    /// Whether there is a portal or a cursor of this name. What SQL has closed is none any more.
    fn has_portal(&self, name: &str) -> bool {
        let portal = self.portals.get(name);
        let kept = portal.is_some_and(|portal| !matches!(portal.state, State::Cursor));
        kept || self.session.cursor(name).is_some()
    }

    pub(super) fn describe(&mut self, target: Target, name: &str) -> Result<()> {
        let (prepared, formats): (_, &[Format]) = match target {
            Target::Statement => {
                let statement = self.statement(name)?;
                let out = &mut self.transport.output;
                backend::parameter_description(out, statement.parameters.iter().map(Type::oid));
                (statement.prepared, &[])
            }
            Target::Portal => match self.portals.get(name) {
                Some(portal) => (portal.prepared.clone(), &portal.formats),
                None => {
                    // A cursor is a portal too; drivers ask for its columns after DECLARE.
                    let cursor = self.session.cursor(name);
                    let schema = cursor.ok_or_else(|| Error::UndefinedPortal {
                        name: name.to_owned(),
                    })?;
                    let shapes = Shape::of(&schema);
                    let formats = expand(&[], shapes.len())?;
                    return backend::row_description(&mut self.transport.output, &shapes, &formats);
                }
            },
        };
        let columns = |prepared| self.session.columns(prepared);
        let out = &mut self.transport.output;
        match prepared.as_ref().and_then(columns) {
            Some(schema) => {
                let shapes = Shape::of(&schema);
                let formats = expand(formats, shapes.len())?;
                backend::row_description(out, &shapes, &formats)
            }
            None => {
                backend::bare(out, b'n');
                Ok(())
            }
        }
    }

    pub(super) async fn execute(&mut self, name: &str, max_rows: usize) -> Result<()> {
        // Taken out while it runs: the end of a transaction closes the other portals, not the one that ends
        // it.
        let portal = self.portals.remove(name);
        let Some(Portal {
            prepared,
            formats,
            state,
        }) = portal
        else {
            return Err(Error::UndefinedPortal {
                name: name.to_owned(),
            });
        };
        let most = if max_rows == 0 { usize::MAX } else { max_rows };
        let before = self.session.transaction();
        let state = match (state, &prepared) {
            (State::Ready(values), Some(prepared)) => self.start(prepared, values, &formats, most).await?,
            (State::Ready(values), None) => {
                backend::bare(&mut self.transport.output, b'I');
                State::Ready(values)
            }
            (State::Suspended(_) | State::Cursor, _) if before == TransactionState::Failed => {
                return Err(Error::FailedTransaction);
            }
            (State::Suspended(running), _) => self.resume(running, most).await?,
            (State::Cursor, _) => {
                self.continue_cursor(name, &formats, most).await?;
                State::Cursor
            }
            (State::Exhausted(tag), _) => {
                backend::command_complete(&mut self.transport.output, &tag);
                State::Exhausted(tag)
            }
            (State::Spent, _) => {
                return Err(Error::SpentPortal {
                    name: name.to_owned(),
                });
            }
        };
        self.leave_transaction(before);
        if before == TransactionState::Idle || self.session.transaction() != TransactionState::Idle {
            self.portals.insert(
                name.to_owned(),
                Portal {
                    prepared,
                    formats,
                    state,
                },
            );
        }
        Ok(())
    }

    async fn start(
        &mut self,
        prepared: &Prepared,
        values: Vec<ScalarValue>,
        formats: &[Format],
        most: usize,
    ) -> Result<State> {
        let canceller = &self.canceller;
        let starting = self.session.run(prepared, values);
        match self
            .transport
            .attend(starting, |error| stop(canceller, error))
            .await??
        {
            Outcome::Rows(rows) => {
                let formats = expand(formats, rows.schema().fields().len())?;
                let running = Running::new(&self.session, rows, &formats);
                self.resume(Box::new(running), most).await
            }
            Outcome::Copy(copy) if copy.file.is_some() => {
                self.write_file(copy).await?;
                Ok(State::Spent)
            }
            Outcome::Copy(copy) => {
                let mut running = self.open_copy(copy)?;
                self.send(&mut running, usize::MAX).await?;
                Ok(State::Spent)
            }
            Outcome::Done(tag) => {
                self.done(&tag);
                Ok(State::Spent)
            }
            _ => Err(Error::internal(
                "the engine gave an outcome that the front does not know",
            )),
        }
    }

    /// Sends the next rows of a portal that is a cursor.
    async fn continue_cursor(&mut self, name: &str, formats: &[Format], most: usize) -> Result<()> {
        if self.session.cursor(name).is_none() {
            return Err(Error::UndefinedPortal {
                name: name.to_owned(),
            });
        }
        let canceller = &self.canceller;
        let asking = self.session.portion(name, most);
        let rows = self
            .transport
            .attend(asking, |error| stop(canceller, error))
            .await??;
        let formats = expand(formats, rows.schema().fields().len())?;
        let mut running = Running::new(&self.session, rows.of_portal(), &formats);
        self.send(&mut running, most).await.map(drop)
    }

    async fn resume(&mut self, mut running: Box<Running>, most: usize) -> Result<State> {
        let finished = self.send(&mut running, most).await?;
        Ok(if finished {
            State::Exhausted(running.rows.tag(0))
        } else {
            State::Suspended(running)
        })
    }

    pub(super) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement if name.is_empty() => self.unnamed = None,
            Target::Statement => {
                self.session.release_statement(name);
            }
            Target::Portal => {
                self.portals.remove(name);
                self.session.close_cursor(name);
            }
        }
        backend::bare(&mut self.transport.output, b'3');
    }
}

/// A declared parameter type; none for 0 and `unknown`, which leave it to the planner.
fn declared(oid: u32) -> Result<Option<(Type, FieldRef)>> {
    let pg_type = match Type::from_oid(oid) {
        None if oid == 0 => return Ok(None),
        Some(Type::UNKNOWN) => return Ok(None),
        Some(pg_type) => pg_type,
        None => return Err(Error::UnsupportedType { oid }),
    };
    let field = types::field(&pg_type).ok_or(Error::UnsupportedType { oid })?;
    Ok(Some((pg_type, field)))
}

fn format_of(formats: &[Format], index: usize) -> Format {
    match formats {
        [] => Format::Text,
        [one] => *one,
        many => many.get(index).copied().unwrap_or(Format::Text),
    }
}

/// One format for each column: none given = all text, one = for all.
fn expand(formats: &[Format], columns: usize) -> Result<Vec<Format>> {
    if formats.len() > 1 && formats.len() != columns {
        return Err(Error::protocol(format!(
            "bind message has {} result formats but query has {columns} columns",
            formats.len()
        )));
    }
    Ok((0..columns).map(|index| format_of(formats, index)).collect())
}
