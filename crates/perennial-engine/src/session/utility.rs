//! Statements that are not queries: settings, transactions, cursors, prepared statements, COPY.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    CloseCursor, Declare, DiscardObject, FetchDirection, Ident, Query, Reset, Statement, TransactionMode,
};
use perennial_base::ErrorClass;

mod setting;

use setting::{setting_name, show_schema, variable_name};

use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::session::copy::{self, CopyOut};
use crate::session::cursor::{Cursor, Step, already_there};
use crate::session::export::is_export;
use crate::session::scroll::Scroll;
use crate::session::statements::room;
use crate::session::temporary::change::concerns;
use crate::session::transaction::Savepoint;
use crate::session::{
    NoticeKind, Outcome, Prepared, PreparedStatement, Session, TransactionState, no_cursor, unsupported,
};
use crate::sql::names::folded;
use crate::sql::parse::{Parsed, query_of, read_only};

/// Whether the planner takes the statement; an error for what is never served.
pub(crate) fn is_query(statement: &Statement) -> Result<bool> {
    if concerns(statement) {
        return Ok(false);
    }
    if let Some(query) = query_of(statement) {
        if !read_only(query) {
            return Err(write_refused(statement));
        }
        return Ok(true);
    }
    match statement {
        Statement::Set(_)
        | Statement::Reset(_)
        | Statement::ShowVariable { .. }
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Close { .. }
        | Statement::Discard { .. }
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate { .. }
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        | Statement::NOTIFY { .. }
        | Statement::Copy { .. } => Ok(false),
        Statement::ShowTables { .. } => Err(shown_otherwise("tables", "\\dt")),
        Statement::ShowDatabases { .. } => Err(shown_otherwise("databases", "\\l")),
        Statement::ShowSchemas { .. } => Err(shown_otherwise("schemas", "\\dn")),
        _ => Err(write_refused(statement)),
    }
}

/// What other systems show and Postgres has in its catalog.
fn shown_otherwise(what: &str, command: &str) -> Error {
    let relation = match what {
        "tables" => "information_schema.tables",
        "schemas" => "information_schema.schemata",
        _ => "pg_database",
    };
    Error::new(
        ErrorClass::UndefinedObject,
        format!("unrecognized configuration parameter \"{what}\""),
    )
    .with_hint(format!(
        "SELECT * FROM {relation} lists them, and {command} in psql."
    ))
}

/// Everything else would change something.
pub(crate) fn write_refused(statement: &Statement) -> Error {
    let verb = statement
        .to_string()
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase();
    let verb = verb
        .split(['(', '"'])
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let first = verb.split(' ').next().unwrap_or_default();
    match first {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "SELECT" | "WITH" => {
            let what = if matches!(first, "SELECT" | "WITH") {
                "SELECT INTO"
            } else {
                first
            };
            Error::new(
                ErrorClass::ReadOnly,
                format!("cannot execute {what} in a read-only transaction"),
            )
            .with_hint(
                "Served relations come from the lake: land a Parquet file, and the next run unifies it. Rows of the session's own \
                 go into a temporary table.",
            )
        }
        "CREATE" | "ALTER" | "DROP" | "GRANT" | "REVOKE" | "COMMENT" => Error::new(
            ErrorClass::ReadOnly,
            format!("cannot execute {verb} in a read-only transaction"),
        )
        .with_hint(match verb.as_str() {
            "CREATE TABLE" | "CREATE VIEW" | "CREATE UNLOGGED" => {
                "CREATE TEMP TABLE and CREATE TEMP VIEW make what is gone with the session."
            }
            _ => "Relations, roles and segments are declared in perennial.toml.",
        }),
        _ => unsupported(&verb),
    }
}

impl Session {
    /// The shape of a statement that is not a query.
    pub(crate) async fn plan_utility(
        &self,
        parsed: &Parsed,
        declared: &[Option<FieldRef>],
    ) -> Result<Prepared> {
        // A cursor's parameters are those of its query; other statements have none of their own.
        let is_cursor = matches!(parsed.statement(), Statement::Declare { .. });
        let is_own = concerns(parsed.statement());
        let inner = match inner(parsed.statement())? {
            _ if is_own => self.plan_own(parsed, declared).await?,
            _ if is_export(parsed.statement()) => Some(self.plan_export(parsed).await?),
            Some(inner) => {
                let (inner, types) = (parsed.inner(inner), if is_cursor { declared } else { &[] });
                Some(Box::pin(self.plan(&inner, types)).await?)
            }
            None => None,
        };
        if let (Statement::Copy { .. }, Some(inner)) = (parsed.statement(), &inner)
            && !inner.parameters().is_empty()
        {
            let message = format!("there is no parameter ${}", inner.parameters().len());
            return Err(Error::new(ErrorClass::UndefinedParameter, message));
        }
        let parameters = inner
            .as_ref()
            .filter(|_| is_cursor || is_own)
            .map(Prepared::parameters);
        let output = match parsed.statement() {
            Statement::ShowVariable { variable } => Some(show_schema(&variable_name(variable))),
            Statement::Fetch { name, into, .. } => {
                let name = folded(name);
                let schema = self.cursor(&name).ok_or_else(|| no_cursor(&name))?;
                into.is_none().then_some(schema)
            }
            Statement::Execute { name, .. } => self.statement_named(name.as_ref())?.output().cloned(),
            _ => None,
        };
        Ok(Prepared(Arc::new(PreparedStatement {
            parsed: parsed.clone(),
            parameters: parameters.unwrap_or_default().to_vec(),
            output,
            late: false,
            inner,
            changes: self.changed_table(parsed.statement()),
            plan: None,
        })))
    }

    /// Runs a statement that is not a query.
    pub(crate) async fn utility(&self, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Outcome> {
        let statement = prepared.0.parsed.statement();
        if concerns(statement) {
            return self.change_own(prepared, values).await;
        }
        if let Some(inner) = &prepared.0.inner {
            return self.with_inner(statement, inner, values).await;
        }
        match statement {
            Statement::Set(set) => {
                let before = self.shared.settings.lock().all_values();
                let outcome = self.set(set, prepared.0.parsed.deferrable())?;
                // A snapshot that is not kept is told at once, and not selected.
                if let Err(error) = self.selected().await {
                    self.shared.settings.lock().restore(before);
                    return Err(error);
                }
                Ok(outcome)
            }
            Statement::Reset(reset) => {
                match &reset.reset {
                    Reset::ALL => self.shared.settings.lock().reset_all(),
                    Reset::ConfigurationParameter(name) => {
                        self.shared.settings.lock().reset(&setting_name(name))?;
                    }
                }
                done("RESET")
            }
            Statement::ShowVariable { variable } => self.show(&variable_name(variable)).map(Outcome::Rows),
            Statement::StartTransaction { modes, begin, .. } => {
                self.begin(modes, prepared.0.parsed.deferrable(), *begin)
            }
            Statement::Commit { chain, .. } => self.end(true, *chain),
            Statement::Rollback {
                savepoint: None,
                chain,
            } => self.end(false, *chain),
            Statement::Rollback {
                savepoint: Some(name),
                ..
            } => {
                self.in_transaction("ROLLBACK TO SAVEPOINT")?;
                let back = self.shared.transaction.lock().rollback_to(&folded(name));
                let back = back.ok_or_else(|| no_savepoint(name))?;
                self.shared.settings.lock().restore(back.settings);
                *self.shared.temporary.lock() = back.temporary;
                self.cursors
                    .lock()
                    .retain(|_, cursor| cursor.number < back.cursors);
                done("ROLLBACK")
            }
            Statement::Savepoint { name } => {
                self.in_transaction("SAVEPOINT")?;
                let savepoint = Savepoint {
                    name: folded(name),
                    settings: self.shared.settings.lock().all_values(),
                    cursors: self.opened.load(Ordering::Relaxed),
                    temporary: self.temporary(),
                };
                self.shared.transaction.lock().savepoint(savepoint);
                done("SAVEPOINT")
            }
            Statement::ReleaseSavepoint { name } => {
                self.in_transaction("RELEASE SAVEPOINT")?;
                if !self.shared.transaction.lock().release_savepoint(&folded(name)) {
                    return Err(no_savepoint(name));
                }
                done("RELEASE")
            }
            Statement::Fetch {
                name,
                direction,
                into: None,
                ..
            } => self.fetch(name, direction).await.map(Outcome::Rows),
            Statement::Fetch { name, direction, .. } => moved(self.fetch(name, direction).await?).await,
            Statement::Close {
                cursor: CloseCursor::All,
            } => {
                self.cursors.lock().clear();
                done("CLOSE CURSOR ALL")
            }
            Statement::Close {
                cursor: CloseCursor::Specific { name },
            } => {
                let name = folded(name);
                match self.close_cursor(&name) {
                    true => done("CLOSE CURSOR"),
                    false => Err(no_cursor(&name)),
                }
            }
            Statement::Discard { object_type } => self.discard(object_type),
            Statement::Execute { name, parameters, .. } => {
                self.execute_named(name.as_ref(), parameters).await
            }
            Statement::Deallocate { name, .. } => self.deallocate(name),
            Statement::LISTEN { .. } => done("LISTEN"),
            Statement::UNLISTEN { .. } => done("UNLISTEN"),
            Statement::NOTIFY { .. } => done("NOTIFY"),
            _ => Err(write_refused(statement)),
        }
    }

    /// Runs a statement around another one.
    async fn with_inner(
        &self,
        statement: &Statement,
        inner: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        match statement {
            Statement::Declare { stmts } => self.declare(stmts, inner, values).await,
            Statement::Prepare { name, .. } => {
                self.hold_statement(&folded(name), Some(inner), None)?;
                done("PREPARE")
            }
            _ => self.copy_out(statement, inner).await,
        }
    }

    fn begin(&self, modes: &[TransactionMode], deferrable: Option<bool>, begin: bool) -> Result<Outcome> {
        if self.transaction() == TransactionState::Idle {
            self.open_transaction();
        } else {
            self.notice(
                NoticeKind::ActiveTransaction,
                "there is already a transaction in progress",
            );
        }
        self.transaction_modes(modes, deferrable, false)?;
        done(if begin { "BEGIN" } else { "START TRANSACTION" })
    }

    fn open_transaction(&self) {
        let release = self.engine.release();
        let now = self.engine.clock().now();
        let cursors = self.opened.load(Ordering::Relaxed);
        let temporary = self.temporary();
        self.shared
            .transaction
            .lock()
            .begin(release, now, cursors, temporary);
        self.shared.settings.lock().begin();
    }

    /// Ends the transaction; with `chain` the next one of the same kind begins.
    fn end(&self, commit: bool, chain: bool) -> Result<Outcome> {
        let state = self.transaction();
        if chain {
            let verb = if commit { "COMMIT" } else { "ROLLBACK" };
            self.in_transaction(&format!("{verb} AND CHAIN"))?;
        }
        if state == TransactionState::Idle {
            self.notice(
                NoticeKind::NoActiveTransaction,
                "there is no transaction in progress",
            );
            return done(if commit { "COMMIT" } else { "ROLLBACK" });
        }
        let committed = commit && state == TransactionState::Open;
        let isolation = self.shared.settings.lock().value("transaction_isolation")?;
        let before = self.shared.transaction.lock().cursors();
        let begun = self.shared.transaction.lock().end();
        let temporary = if committed {
            self.temporary().committed()
        } else {
            begun
        };
        *self.shared.temporary.lock() = temporary;
        self.shared.settings.lock().end(committed);
        // A held cursor of an earlier transaction is not undone with this one.
        self.cursors
            .lock()
            .retain(|_, cursor| cursor.hold && (committed || cursor.number < before));
        if chain {
            self.open_transaction();
            let mut settings = self.shared.settings.lock();
            settings.set("transaction_isolation", &isolation, true)?;
        }
        done(if committed { "COMMIT" } else { "ROLLBACK" })
    }

    fn in_transaction(&self, what: &str) -> Result<()> {
        if self.transaction() == TransactionState::Idle {
            return Err(Error::new(
                ErrorClass::NoTransaction,
                format!("{what} can only be used in transaction blocks"),
            ));
        }
        Ok(())
    }

    async fn declare(
        &self,
        declarations: &[Declare],
        query: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        let (declaration, name, _) = cursor(declarations)?;
        let hold = declaration.hold.unwrap_or(false);
        if !hold {
            self.in_transaction("DECLARE CURSOR")?;
        }
        let name = folded(name);
        if self.cursors.lock().contains_key(&name) {
            return Err(already_there(&name));
        }
        let bytes = query.text().len();
        {
            let cursors = self.cursors.lock();
            let held = cursors.values().map(|cursor| cursor.bytes);
            room("cursors", cursors.len(), held.sum::<usize>() + bytes)?;
        }
        let rows = self.start(query, values).await?;
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let scroll = declaration.scroll.unwrap_or(false);
        let kept = scroll.then(|| Scroll::new(self.scrolled.clone()));
        let listed = self.list_cursor(&name, query.0.parsed.submitted(), (hold, scroll));
        let cursor = Cursor::new(rows, (hold, kept), number, bytes, listed);
        self.cursors.lock().insert(name, cursor);
        done("DECLARE CURSOR")
    }

    /// Plans and starts a query given as text.
    pub(super) async fn rows_of(&self, sql: &str) -> Result<Rows> {
        let parsed = self.read(sql).await?;
        let [parsed] = parsed.as_slice() else {
            return Err(unsupported("this query"));
        };
        let prepared = Box::pin(self.prepare(parsed, &[])).await?;
        self.start(&prepared, Vec::new()).await
    }

    async fn fetch(&self, name: &Ident, direction: &FetchDirection) -> Result<Rows> {
        self.stepped(&folded(name), Step::of(direction)?).await
    }

    async fn copy_out(&self, statement: &Statement, query: &Prepared) -> Result<Outcome> {
        if is_export(statement) {
            return self.export(statement, query).await;
        }
        let rows = self.start(query, Vec::new()).await?;
        let options = copy::options(statement, rows.schema(), None)?;
        Ok(Outcome::Copy(CopyOut {
            rows: rows.with_tag("COPY"),
            options,
            file: None,
        }))
    }

    fn discard(&self, what: &DiscardObject) -> Result<Outcome> {
        if *what == DiscardObject::ALL {
            if self.transaction() != TransactionState::Idle {
                return Err(Error::new(
                    ErrorClass::ActiveTransaction,
                    "DISCARD ALL cannot run inside a transaction block",
                ));
            }
            self.cursors.lock().clear();
            self.release_statements();
            self.shared.settings.lock().reset_all();
        }
        if matches!(what, DiscardObject::ALL | DiscardObject::TEMP) {
            self.discard_own();
        }
        done(&format!("DISCARD {what}"))
    }
}

/// What stands inside of a statement that is no query.
fn inner(statement: &Statement) -> Result<Option<Statement>> {
    Ok(match statement {
        Statement::Declare { stmts } => {
            let (_, _, query) = cursor(stmts)?;
            Some(Statement::Query(Box::new(query.clone())))
        }
        // What is none goes no deeper, however deep the text does.
        Statement::Prepare { statement, .. } if is_query(statement)? || concerns(statement) => {
            Some(statement.as_ref().clone())
        }
        Statement::Prepare { .. } => {
            let hint = "Write SELECT, VALUES or EXPLAIN behind AS.";
            return Err(unsupported("PREPARE of a statement that is no query").with_hint(hint));
        }
        Statement::Copy { .. } => Some(Statement::Query(copy::query(statement)?)),
        _ => None,
    })
}

/// The one cursor of a DECLARE, its name and its query.
fn cursor(declarations: &[Declare]) -> Result<(&Declare, &Ident, &Query)> {
    let [declaration] = declarations else {
        return Err(unsupported("DECLARE of anything but one cursor"));
    };
    match (declaration.names.as_slice(), &declaration.for_query) {
        ([name], Some(query)) => Ok((declaration, name, query)),
        (_, Some(_)) => Err(unsupported("DECLARE of several cursors")),
        _ => Err(unsupported("DECLARE of anything but one cursor")),
    }
}

/// Passes over rows of a cursor.
async fn moved(mut rows: Rows) -> Result<Outcome> {
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        count += batch?.num_rows();
    }
    done(&format!("MOVE {count}"))
}

fn done(tag: &str) -> Result<Outcome> {
    Ok(Outcome::Done(tag.to_owned()))
}

fn no_savepoint(name: &Ident) -> Error {
    Error::new(
        ErrorClass::UndefinedSavepoint,
        format!("savepoint \"{}\" does not exist", folded(name)),
    )
}
