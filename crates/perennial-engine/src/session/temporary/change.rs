//! Statements that change what a session has of its own: which of them do, the queries in them, and what they leave.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    AlterTable, AlterTableOperation, FromTable, ObjectName, ObjectNamePart, ObjectType, RenameTableNameKind,
    SetExpr, Statement, TableFactor, TableObject, TableWithJoins,
};
use perennial_base::ErrorClass;

use super::{ALIAS, BATCH_ROWS, Own, Table, Temporary, create, own_name, schema_name};
use crate::error::{Error, Result};
use crate::rows::renamed;
use crate::session::parameters::placed_by_name;
use crate::session::utility::write_refused;
use crate::session::{NoticeKind, Outcome, Prepared, Session, TransactionState, unsupported};
use crate::sql::assignment::{self, Source};
use crate::sql::names::folded;
use crate::sql::parse::Parsed;

/// Whether a statement may be about relations of the session's own; whether it is, its names say.
pub(crate) fn concerns(statement: &Statement) -> bool {
    match statement {
        Statement::CreateTable(create) => create.temporary || in_own_schema(&create.name),
        Statement::CreateView(create) => {
            !create.materialized && (create.temporary || in_own_schema(&create.name))
        }
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Select(select) => {
                let into = select.into.as_ref();
                into.is_some_and(|into| into.temporary || in_own_schema(&into.name))
            }
            _ => false,
        },
        Statement::Drop { object_type, .. } => matches!(object_type, ObjectType::Table | ObjectType::View),
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Truncate(_)
        | Statement::AlterTable(_)
        | Statement::CreateIndex(_)
        | Statement::Analyze(_) => true,
        _ => false,
    }
}

/// Whether a name stands behind the name of the schema that every session has of its own.
fn in_own_schema(name: &ObjectName) -> bool {
    let first = name.0.first().filter(|_| name.0.len() > 1);
    let first = first.and_then(ObjectNamePart::as_ident);
    first.is_some_and(|schema| folded(schema) == ALIAS)
}

/// What a statement changes, by its name.
fn target(statement: &Statement) -> Option<&ObjectName> {
    match statement {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => Some(name),
            _ => None,
        },
        Statement::Update(update) => named(&update.table),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            named(from.first()?)
        }
        Statement::Truncate(truncate) => truncate.table_names.first().map(|table| &table.name),
        Statement::AlterTable(alter) => Some(&alter.name),
        Statement::CreateIndex(index) => Some(&index.table_name),
        Statement::Analyze(analyze) => analyze.table_name.as_ref(),
        _ => None,
    }
}

fn named(table: &TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, args: None, .. } => Some(name),
        _ => None,
    }
}

impl Session {
    /// What the session has of its own.
    pub(crate) fn temporary(&self) -> Temporary {
        self.shared.temporary.lock().clone()
    }

    /// Makes a value the one that the session has.
    pub(super) fn keep(&self, temporary: Temporary) {
        let mut kept = self.shared.temporary.lock();
        if self.transaction() == TransactionState::Idle {
            self.before_request.lock().get_or_insert_with(|| kept.clone());
        }
        *kept = temporary;
    }

    /// Ends the statements that a client has sent together, which are one transaction where it began none: what they have
    /// changed is kept, or undone where one has failed.
    pub fn end_request(&self, failed: bool) {
        let Some(before) = self.before_request.lock().take() else {
            return;
        };
        if self.transaction() != TransactionState::Idle {
            return;
        }
        let mut kept = self.shared.temporary.lock();
        *kept = match failed {
            true => before,
            false => kept.clone().committed(),
        };
    }

    /// The query inside of a statement that concerns the session's own relations, planned; none where it needs none.
    ///
    /// # Errors
    /// What planning finds wrong; `ReadOnly` for a relation that is not the session's.
    pub(crate) async fn plan_own(
        &self,
        parsed: &Parsed,
        declared: &[Option<FieldRef>],
    ) -> Result<Option<Prepared>> {
        let planned = self.plan_query_of_own(parsed, declared).await;
        planned.map_err(|error| placed_by_name(error, parsed.text()))
    }

    async fn plan_query_of_own(
        &self,
        parsed: &Parsed,
        declared: &[Option<FieldRef>],
    ) -> Result<Option<Prepared>> {
        let statement = parsed.statement();
        let query = match statement {
            Statement::CreateTable(create) => create::query_of(create)?,
            Statement::CreateView(create) => create.query.as_ref().clone(),
            Statement::Query(query) => match create::without_into(query) {
                Some((query, _)) => query,
                None => return Err(write_refused(statement)),
            },
            Statement::Insert(insert) => {
                let (name, table) = self.own_table(statement)?;
                if insert.on.is_some() {
                    return Err(unsupported("ON CONFLICT")
                        .with_hint("A temporary table has no keys: leave ON CONFLICT out."));
                }
                if insert.returning.is_some() {
                    return Err(assignment::returning("INSERT"));
                }
                let targets = assignment::targets(insert, &name, &table.columns)?;
                let source = assignment::source(insert);
                let width = match source {
                    Source::Rows(query) => {
                        let source = parsed.inner(Statement::Query(Box::new(query.clone())));
                        let source = Box::pin(self.plan(&source, declared)).await?;
                        source.output().map_or(0, |output| output.fields().len())
                    }
                    Source::Defaults | Source::Values(_) => 0,
                };
                assignment::inserted(insert, &table.columns, &targets, &source, width)?
            }
            Statement::Update(update) => {
                let (name, table) = self.own_table(statement)?;
                assignment::updated(update, &name, &table.columns)?
            }
            Statement::Delete(delete) => {
                let (_, table) = self.own_table(statement)?;
                assignment::left(delete, &table.columns)?
            }
            Statement::Truncate(truncate) => {
                for table in &truncate.table_names {
                    self.own_table_of(&table.name, statement)?;
                }
                return Ok(None);
            }
            Statement::Drop { .. } => return Ok(None),
            _ => {
                self.own_table(statement)?;
                return Ok(None);
            }
        };
        let query = parsed.inner(Statement::Query(Box::new(query)));
        Box::pin(self.plan(&query, declared)).await.map(Some)
    }

    /// Runs a statement that concerns the session's own relations.
    pub(crate) async fn change_own(&self, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Outcome> {
        let parsed = &prepared.0.parsed;
        let statement = parsed.statement();
        let mut inner = prepared.0.inner.clone();
        if inner.is_some() && self.changed_table(statement) != prepared.0.changes {
            // The table is another one than that for which the statement was planned.
            let declared: Vec<_> = prepared.parameters().iter().cloned().map(Some).collect();
            inner = self.plan_own(parsed, &declared).await?;
        }
        match (statement, inner.as_ref()) {
            (Statement::CreateTable(create), Some(inner)) => {
                self.create_table(create, parsed, inner, values).await
            }
            (Statement::CreateView(create), Some(inner)) => self.create_view(create, inner),
            (Statement::Query(query), Some(inner)) => match create::without_into(query) {
                Some((_, into)) => self.select_into(&into, inner, values).await,
                None => Err(write_refused(statement)),
            },
            (Statement::Insert(_), Some(inner)) => {
                let (name, table) = self.own_table(statement)?;
                let mut table = table.as_ref().clone();
                let count = self.fill(&mut table, &name, inner, values).await?;
                self.put(&name, table);
                done(format!("INSERT 0 {count}"))
            }
            (Statement::Update(_), Some(inner)) => {
                let (name, table) = self.own_table(statement)?;
                let mut changed = table.emptied();
                let count = self.fill(&mut changed, &name, inner, values).await?;
                self.put(&name, changed);
                done(format!("UPDATE {count}"))
            }
            (Statement::Delete(_), Some(inner)) => {
                let (name, table) = self.own_table(statement)?;
                let mut left = table.emptied();
                let count = self.fill(&mut left, &name, inner, values).await?;
                self.put(&name, left);
                done(format!("DELETE {}", table.rows().saturating_sub(count)))
            }
            (Statement::Truncate(truncate), _) => {
                for table in &truncate.table_names {
                    let (name, table) = self.own_table_of(&table.name, statement)?;
                    self.put(&name, table.emptied());
                }
                done("TRUNCATE TABLE")
            }
            (
                Statement::Drop {
                    object_type,
                    if_exists,
                    names,
                    cascade,
                    ..
                },
                _,
            ) => self.drop_own(statement, (object_type, names), *if_exists, *cascade),
            (Statement::AlterTable(alter), _) => self.rename(alter, statement),
            (Statement::CreateIndex(_), _) => {
                self.own_table(statement)?;
                self.notice(
                    NoticeKind::Notice,
                    "no index was made: temporary tables are in memory, and are read as a whole",
                );
                done("CREATE INDEX")
            }
            (Statement::Analyze(_), _) => done("ANALYZE"),
            _ => Err(write_refused(statement)),
        }
    }

    /// Which table of the session's own a statement changes, if there is one of the name.
    pub(crate) fn changed_table(&self, statement: &Statement) -> Option<u64> {
        let own = self.own_named(target(statement)?)?;
        match self.temporary().get(&own) {
            Some(Own::Table(table)) => Some(table.id),
            _ => None,
        }
    }

    /// The name of a relation of the session's own that a name leads to: along the search path, which may have it behind
    /// others.
    fn own_named(&self, name: &ObjectName) -> Option<String> {
        let own = own_name(name, self.login.pid)?;
        self.temporary().get(&own)?;
        if name.0.len() > 1 {
            return Some(own);
        }
        let path = self.shared.settings.lock().search_path();
        let before = path.iter().position(|schema| schema == ALIAS).unwrap_or_default();
        let release = self.release();
        let hidden = path.iter().take(before).any(|schema| {
            let relations = release.schemas().get(schema);
            relations.is_some_and(|relations| relations.relation(&own).is_some())
        });
        (!hidden).then_some(own)
    }

    /// The table of the session's own that a statement changes.
    fn own_table(&self, statement: &Statement) -> Result<(String, Arc<Table>)> {
        match target(statement) {
            Some(name) => self.own_table_of(name, statement),
            None => Err(write_refused(statement)),
        }
    }

    fn own_table_of(&self, name: &ObjectName, statement: &Statement) -> Result<(String, Arc<Table>)> {
        let own = self.own_named(name);
        let found = own.as_ref().and_then(|own| self.temporary().get(own).cloned());
        match (own, found) {
            (Some(own), Some(Own::Table(table))) => Ok((own, table)),
            (Some(own), Some(Own::View(_))) => Err(Error::new(
                ErrorClass::WrongObjectType,
                format!("\"{own}\" is a view, whose rows cannot be changed"),
            )),
            _ if self.is_served(name) => Err(write_refused(statement)),
            _ => Err(missing("relation", name)),
        }
    }

    /// Whether a name leads to a relation that all sessions have.
    fn is_served(&self, name: &ObjectName) -> bool {
        let parts: Vec<String> = name
            .0
            .iter()
            .filter_map(ObjectNamePart::as_ident)
            .map(folded)
            .collect();
        let release = self.release();
        let has = |schema: &str, name: &str| {
            let relations = release.schemas().get(schema);
            relations.is_some_and(|relations| relations.relation(name).is_some())
        };
        match parts.as_slice() {
            [name] => {
                let path = self.shared.settings.lock().search_path();
                path.iter()
                    .map(String::as_str)
                    .chain(["pg_catalog"])
                    .any(|schema| has(schema, name))
            }
            [.., schema, name] => has(schema, name),
            [] => false,
        }
    }

    fn put(&self, name: &str, table: Table) {
        self.keep(self.temporary().with(name, Some(Own::Table(Arc::new(table)))));
    }

    /// Puts the rows of a query into a table. Gives how many there are; of an UPDATE's, which say it, how many are changed.
    pub(super) async fn fill(
        &self,
        table: &mut Table,
        name: &str,
        query: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<u64> {
        let mut rows = self.start(query, values).await?;
        let width = table.schema.fields().len();
        // Rows are copied out of what they were read from, which is not held any longer.
        let mut whole = BatchCoalescer::new(Arc::clone(&table.schema), BATCH_ROWS);
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            count += match batch.columns().get(width) {
                Some(changed) => changed.as_boolean().true_count(),
                None => batch.num_rows(),
            };
            let places: Vec<usize> = (0..width).collect();
            whole.push_batch(taken(&table.schema, name, &batch.project(&places)?)?)?;
            while let Some(batch) = whole.next_completed_batch() {
                table.push(batch, name, &self.temporary_pool)?;
            }
        }
        whole.finish_buffered_batch()?;
        while let Some(batch) = whole.next_completed_batch() {
            table.push(batch, name, &self.temporary_pool)?;
        }
        Ok(count as u64)
    }

    fn drop_own(
        &self,
        statement: &Statement,
        (object_type, names): (&ObjectType, &[ObjectName]),
        if_exists: bool,
        cascade: bool,
    ) -> Result<Outcome> {
        let (what, tag) = match object_type {
            ObjectType::View => ("view", "DROP VIEW"),
            _ => ("table", "DROP TABLE"),
        };
        let mut left = self.temporary();
        for name in names {
            let own = self.own_named(name).filter(|own| left.get(own).is_some());
            let Some(own) = own else {
                if self.is_served(name) {
                    return Err(write_refused(statement));
                }
                if !if_exists {
                    return Err(missing(what, name));
                }
                self.notice(
                    NoticeKind::Notice,
                    format!("{what} \"{}\" does not exist, skipping", shown(name)),
                );
                continue;
            };
            if matches!(left.get(&own), Some(Own::View(_))) != (what == "view") {
                let other = if what == "view" { "table" } else { "view" };
                return Err(
                    Error::new(ErrorClass::WrongObjectType, format!("\"{own}\" is not a {what}"))
                        .with_hint(format!("Use DROP {} to remove a {other}.", other.to_uppercase())),
                );
            }
            let dependents = left.dependents(&own);
            if !dependents.is_empty() && !cascade {
                let details: Vec<String> = dependents
                    .iter()
                    .map(|view| left.dependency(view, &own))
                    .collect();
                return Err(Error::new(
                    ErrorClass::Dependents,
                    format!("cannot drop {what} {own} because other objects depend on it"),
                )
                .with_detail(details.join("\n"))
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            for gone in dependents.iter().chain([&own]) {
                left = left.with(gone, None);
            }
        }
        self.keep(left);
        done(tag)
    }

    /// ALTER TABLE … RENAME TO.
    fn rename(&self, alter: &AlterTable, statement: &Statement) -> Result<Outcome> {
        let (name, table) = self.own_table(statement)?;
        let [AlterTableOperation::RenameTable { table_name }] = alter.operations.as_slice() else {
            return Err(unsupported("ALTER of a temporary table but RENAME TO")
                .with_hint("CREATE TEMP TABLE … AS SELECT makes one of other columns."));
        };
        let (RenameTableNameKind::As(new) | RenameTableNameKind::To(new)) = table_name;
        let new = own_name(new, self.login.pid).ok_or_else(|| write_refused(statement))?;
        let temporary = self.temporary();
        if temporary.get(&new).is_some() {
            let message = format!("relation \"{new}\" already exists");
            return Err(Error::new(ErrorClass::DuplicateTable, message));
        }
        if let Some(view) = temporary.dependents(&name).first() {
            return Err(Error::new(
                ErrorClass::Dependents,
                format!("cannot rename table {name} because view {view} reads it by its name"),
            ));
        }
        self.keep(temporary.with(&name, None).with(&new, Some(Own::Table(table))));
        done("ALTER TABLE")
    }

    /// Forgets everything that the session has of its own.
    pub(crate) fn discard_own(&self) {
        *self.shared.temporary.lock() = Temporary::default();
    }

    /// The name of the schema of what the session has of its own.
    pub(crate) fn own_schema(&self) -> String {
        schema_name(self.login.pid)
    }
}

/// Rows as a table takes them.
fn taken(schema: &SchemaRef, table: &str, rows: &RecordBatch) -> Result<RecordBatch> {
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        if !field.is_nullable() && column.logical_null_count() > 0 {
            return Err(Error::new(
                ErrorClass::NotNull,
                format!(
                    "null value in column \"{}\" of relation \"{table}\" violates not-null constraint",
                    field.name()
                ),
            ));
        }
    }
    let rows = renamed(schema, rows.clone())?;
    Ok(RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec())?)
}

fn missing(what: &str, name: &ObjectName) -> Error {
    Error::new(
        ErrorClass::UndefinedTable,
        format!("{what} \"{}\" does not exist", shown(name)),
    )
}

fn shown(name: &ObjectName) -> String {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(ObjectNamePart::as_ident)
        .map(folded)
        .collect();
    parts.join(".")
}

fn done(tag: impl Into<String>) -> Result<Outcome> {
    Ok(Outcome::Done(tag.into()))
}
