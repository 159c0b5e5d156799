//! CREATE TEMP TABLE, CREATE TEMP TABLE AS, SELECT INTO TEMP and CREATE TEMP VIEW.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableLikeKind, CreateView, DataType as SqlType,
    ExactNumberInfo, Ident, ObjectName, OnCommit, Query, Select, SelectInto, SetExpr, Visit, Visitor,
};
use perennial_base::ErrorClass;

use super::{ALIAS, Own, Table, Temporary, View, own_name};
use crate::error::{Error, Result};
use crate::schema::{DIGITS, WRITTEN};
use crate::session::parameters::sql_type_of;
use crate::session::{NoticeKind, Outcome, Prepared, Session, unsupported};
use crate::sql::assignment::{Column, declared};
use crate::sql::names::folded;
use crate::sql::parse::{Parsed, parse_query};

/// Temporary relations that a session may have.
const MAX_RELATIONS: usize = 1_000;
/// What a numeric without a number of digits keeps: as many behind the point as casts of text give.
const NUMERIC: SqlType = SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(38, 16));
/// Columns that a relation may have, as in Postgres.
const MAX_COLUMNS: usize = 1_600;

/// The query whose columns are those of the new table.
pub(super) fn query_of(create: &CreateTable) -> Result<Query> {
    let refused = [
        (create.or_replace, "CREATE OR REPLACE TABLE"),
        (create.partition_by.is_some(), "PARTITION BY"),
        (create.inherits.is_some(), "INHERITS"),
    ];
    if let Some((_, what)) = refused.into_iter().find(|(given, _)| *given) {
        return Err(unsupported(what));
    }
    if !create.constraints.is_empty() {
        return Err(no_constraints());
    }
    match (&create.query, &create.like) {
        (Some(_), _) if !create.columns.is_empty() => Err(Error::new(
            ErrorClass::Syntax,
            "CREATE TABLE AS takes names of columns without types",
        )),
        (Some(query), _) => Ok(query.as_ref().clone()),
        (None, Some(CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like))) => {
            let mut query = parse_query("SELECT * FROM other")?;
            put_table(&mut query, &like.name);
            Ok(query)
        }
        (None, None) => declared(&columns_of(&create.columns)?),
    }
}

/// Puts the name of a table in the place of the only one of a query.
fn put_table(query: &mut Query, table: &ObjectName) {
    use datafusion::sql::sqlparser::ast::TableFactor;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(TableFactor::Table { name, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    {
        *name = table.clone();
    }
}

/// The columns that a CREATE TABLE declares.
fn columns_of(definitions: &[ColumnDef]) -> Result<Vec<Column>> {
    definitions
        .iter()
        .map(|definition| {
            let name = folded(&definition.name);
            let written = definition.data_type.to_string().to_lowercase();
            if [
                "serial",
                "bigserial",
                "smallserial",
                "serial4",
                "serial8",
                "serial2",
            ]
            .contains(&written.as_str())
            {
                return Err(
                    unsupported(&format!("a column of type {written} in a temporary table"))
                        .with_hint("Number rows with row_number() OVER () where they are read."),
                );
            }
            let mut default = None;
            for option in &definition.options {
                match &option.option {
                    ColumnOption::Default(expr) => default = Some(expr.clone()),
                    ColumnOption::Null | ColumnOption::NotNull | ColumnOption::Collation(_) => {}
                    _ => return Err(no_constraints()),
                }
            }
            Ok(Column {
                name,
                sql_type: Some(with_digits(&definition.data_type)),
                default,
            })
        })
        .collect()
}

fn with_digits(sql_type: &SqlType) -> SqlType {
    match sql_type {
        SqlType::Numeric(ExactNumberInfo::None)
        | SqlType::Decimal(ExactNumberInfo::None)
        | SqlType::Dec(ExactNumberInfo::None) => NUMERIC,
        other => other.clone(),
    }
}

fn no_constraints() -> Error {
    unsupported("a constraint other than NOT NULL in a temporary table")
        .with_hint("Leave out keys, UNIQUE, CHECK, REFERENCES and generated columns.")
}

fn is_not_null(definition: &ColumnDef) -> bool {
    let mut options = definition.options.iter();
    options.any(|option| matches!(option.option, ColumnOption::NotNull))
}

/// The query of a SELECT INTO without its INTO, and where the rows go.
pub(super) fn without_into(query: &Query) -> Option<(Query, SelectInto)> {
    let mut query = query.clone();
    let into = match query.body.as_mut() {
        SetExpr::Select(select) => {
            let select: &mut Select = select;
            select.into.take()
        }
        _ => None,
    };
    Some((query, into?))
}

/// Columns under the names of a list, of which there may be fewer; without a type they are text.
fn called<'a>(
    schema: &SchemaRef,
    names: impl ExactSizeIterator<Item = &'a Ident>,
    many: &str,
) -> Result<SchemaRef> {
    let columns = schema.fields();
    if names.len() > columns.len() {
        return Err(Error::new(ErrorClass::Syntax, many));
    }
    if columns.len() > MAX_COLUMNS {
        let message = format!("tables can have at most {MAX_COLUMNS} columns");
        return Err(Error::new(ErrorClass::TooComplex, message));
    }
    let mut names = names.map(folded);
    let mut seen = HashSet::new();
    let mut fields = Vec::with_capacity(columns.len());
    for field in columns {
        let name = names.next().unwrap_or_else(|| field.name().clone());
        if !seen.insert(name.clone()) {
            return Err(Error::new(
                ErrorClass::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let data_type = match field.data_type() {
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        };
        let field = Field::new(name, data_type, true).with_metadata(field.metadata().clone());
        fields.push(field);
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The relations of the session that a query reads.
fn reads(query: &Query, temporary: &Temporary, pid: i32) -> Vec<String> {
    struct Names<'a>(&'a Temporary, i32, Vec<String>);
    impl Visitor for Names<'_> {
        type Break = ();
        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            if let Some(name) = own_name(relation, self.1)
                && self.0.get(&name).is_some()
            {
                self.2.push(name);
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(temporary, pid, Vec::new());
    // The visitor never breaks.
    let _: ControlFlow<()> = query.visit(&mut names);
    names.2
}

impl Session {
    /// The name of a new relation, if there is none of the session's own; none where there may be one, and is.
    fn new_name(&self, name: &ObjectName, if_not_exists: bool) -> Result<Option<String>> {
        let Some(own) = own_name(name, self.login.pid) else {
            return Err(Error::new(
                ErrorClass::InvalidDefinition,
                "cannot create temporary relation in non-temporary schema",
            )
            .with_hint(format!("Leave the schema out, or write {ALIAS}.")));
        };
        if self.temporary().get(&own).is_none() {
            if self.temporary().len() >= MAX_RELATIONS {
                return Err(Error::new(
                    ErrorClass::LimitExceeded,
                    format!("too many temporary tables and views: at most {MAX_RELATIONS}"),
                )
                .with_hint("Drop those that are not needed any more."));
            }
            return Ok(Some(own));
        }
        let message = format!("relation \"{own}\" already exists");
        if if_not_exists {
            self.notice(NoticeKind::Exists, format!("{message}, skipping"));
            return Ok(None);
        }
        Err(Error::new(ErrorClass::DuplicateTable, message))
    }

    /// CREATE TEMP TABLE, with or without a query.
    pub(super) async fn create_table(
        &self,
        create: &CreateTable,
        parsed: &Parsed,
        inner: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        let from_query = create.query.is_some();
        let tag = if from_query {
            "CREATE TABLE AS"
        } else {
            "CREATE TABLE"
        };
        let Some(name) = self.new_name(&create.name, create.if_not_exists)? else {
            return Ok(Outcome::Done(tag.to_owned()));
        };
        let on_commit = create.on_commit.unwrap_or(OnCommit::PreserveRows);
        let names = parsed.column_names().iter();
        let schema = self.columns_of_query(inner, names, "too many column names were specified")?;
        if from_query {
            let rows = parsed.with_data().then_some((inner, values));
            return self.create_table_as(&name, schema, on_commit, rows).await;
        }
        let mut columns = match &create.like {
            Some(_) => columns_as(&schema),
            None => columns_of(&create.columns)?,
        };
        let given = inner
            .output()
            .map(|output| output.fields().clone())
            .unwrap_or_default();
        let mut fields = Vec::with_capacity(columns.len());
        for (place, field) in schema.fields().iter().enumerate() {
            let definition = create.columns.get(place);
            let nullable = match &create.like {
                Some(_) => given.get(place).is_none_or(|field| field.is_nullable()),
                None => !definition.is_some_and(is_not_null),
            };
            let mut field = field.as_ref().clone().with_nullable(nullable);
            if columns
                .get(place)
                .is_some_and(|column| column.sql_type.as_ref() == Some(&NUMERIC))
            {
                let digits = (DIGITS.to_owned(), WRITTEN.to_owned());
                field = field.with_metadata([digits].into());
            }
            fields.push(field);
        }
        columns.truncate(fields.len());
        let table = Table::new(columns, Arc::new(Schema::new(fields)), on_commit);
        self.keep(self.temporary().with(&name, Some(Own::Table(Arc::new(table)))));
        Ok(Outcome::Done(tag.to_owned()))
    }

    /// SELECT INTO TEMP.
    pub(super) async fn select_into(
        &self,
        into: &SelectInto,
        inner: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        let name = self.new_name(&into.name, false)?.unwrap_or_default();
        let schema = self.columns_of_query(inner, [].iter(), "")?;
        self.create_table_as(&name, schema, OnCommit::PreserveRows, Some((inner, values)))
            .await
    }

    /// A table with the rows of a query, if they are wanted.
    async fn create_table_as(
        &self,
        name: &str,
        schema: SchemaRef,
        on_commit: OnCommit,
        rows: Option<(&Prepared, Vec<ScalarValue>)>,
    ) -> Result<Outcome> {
        let schema = with_room(&schema);
        let mut table = Table::new(columns_as(&schema), schema, on_commit);
        let tag = match rows {
            Some((query, values)) => {
                let count = self.fill(&mut table, name, query, values).await?;
                format!("SELECT {count}")
            }
            None => "CREATE TABLE AS".to_owned(),
        };
        self.keep(self.temporary().with(name, Some(Own::Table(Arc::new(table)))));
        Ok(Outcome::Done(tag))
    }

    /// CREATE TEMP VIEW.
    pub(super) fn create_view(&self, create: &CreateView, inner: &Prepared) -> Result<Outcome> {
        let done = || Outcome::Done("CREATE VIEW".to_owned());
        let temporary = self.temporary();
        let known = own_name(&create.name, self.login.pid).filter(|name| temporary.get(name).is_some());
        let name = match known {
            Some(name) if create.or_replace => match temporary.get(&name) {
                Some(Own::View(_)) => name,
                _ => {
                    let message = format!("\"{name}\" is not a view");
                    return Err(Error::new(ErrorClass::WrongObjectType, message));
                }
            },
            _ => match self.new_name(&create.name, create.if_not_exists)? {
                Some(name) => name,
                None => return Ok(done()),
            },
        };
        if !inner.parameters().is_empty() {
            let message = format!("there is no parameter ${}", inner.parameters().len());
            return Err(Error::new(ErrorClass::UndefinedParameter, message));
        }
        let names = create.columns.iter().map(|column| &column.name);
        let schema = self.columns_of_query(
            inner,
            names,
            "CREATE VIEW specifies more column names than columns",
        )?;
        if let Some(Own::View(before)) = temporary.get(&name) {
            replaces(&before.schema, &schema)?;
        }
        let reads = reads(&create.query, &temporary, self.login.pid);
        if reads
            .iter()
            .any(|read| *read == name || temporary.dependents(&name).contains(read))
        {
            return Err(unsupported("a view that reads itself"));
        }
        let (path, style) = {
            let settings = self.shared.settings.lock();
            (settings.search_path(), settings.output_style())
        };
        let view = View {
            query: create.query.as_ref().clone(),
            schema,
            reads,
            path,
            style,
        };
        self.keep(temporary.with(&name, Some(Own::View(Arc::new(view)))));
        Ok(done())
    }

    fn columns_of_query<'a>(
        &self,
        inner: &Prepared,
        names: impl ExactSizeIterator<Item = &'a Ident>,
        many: &str,
    ) -> Result<SchemaRef> {
        let output = inner.output().ok_or_else(|| unsupported("this query"))?;
        called(output, names, many)
    }
}

/// Whether a view of these columns may take the place of another: those that it had stay, and others come behind them.
fn replaces(before: &SchemaRef, after: &SchemaRef) -> Result<()> {
    let refused = |message: String| Err(Error::new(ErrorClass::InvalidDefinition, message));
    for (place, was) in before.fields().iter().enumerate() {
        let Some(is) = after.fields().get(place) else {
            return refused("cannot drop columns from view".to_owned());
        };
        if was.name() != is.name() {
            return refused(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                was.name(),
                is.name()
            ));
        }
        if was.data_type() != is.data_type() {
            return refused(format!(
                "cannot change data type of view column \"{}\"",
                was.name()
            ));
        }
    }
    Ok(())
}

/// The columns of a query as those of a table: its numerics have the digits of their values, and longer ones may come.
fn with_room(schema: &SchemaRef) -> SchemaRef {
    let wide = |field: &Arc<Field>| match field.data_type() {
        DataType::Decimal128(_, scale) => {
            let wide = DataType::Decimal128(38, *scale);
            Arc::new(field.as_ref().clone().with_data_type(wide))
        }
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(wide).collect::<Vec<_>>()))
}

/// What assignments to columns of a query go by.
fn columns_as(schema: &SchemaRef) -> Vec<Column> {
    let column = |field: &Arc<Field>| Column {
        name: field.name().clone(),
        sql_type: sql_type_of(field),
        default: None,
    };
    schema.fields().iter().map(column).collect()
}
