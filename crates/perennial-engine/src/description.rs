//! What a client may know of the catalog: the relations, columns, functions, roles and settings that one role
//! sees in one snapshot. The Postgres front makes `pg_catalog` and `information_schema` of it.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;
use std::sync::Arc;

use crate::error::Result;
use crate::session::settings::OutputStyle;

/// The one database that is served.
pub const DATABASE: &str = "perennial";

/// Everything a role sees in a snapshot.
#[derive(Debug, Clone)]
pub struct CatalogDescription {
    /// The snapshot described; 0 before the first commit.
    pub snapshot: u64,
    /// The schemas in the order of the search path, then by name.
    pub schemas: Vec<SchemaDescription>,
    /// SQL functions that Perennial adds to the engine's own, and the engine's own.
    pub functions: Vec<FunctionDescription>,
    /// The roles that exist.
    pub roles: Vec<RoleDescription>,
}

/// One schema.
#[derive(Debug, Clone)]
pub struct SchemaDescription {
    /// Its name.
    pub name: String,
    /// Whether it is gone with the session.
    pub temporary: bool,
    /// What it holds, in a sentence.
    pub comment: String,
    /// Its relations, by name.
    pub relations: Vec<RelationDescription>,
}

/// Whether a relation holds rows or is computed from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// Rows in files.
    Table,
    /// A query with a name.
    View,
}

/// One relation.
#[derive(Debug, Clone)]
pub struct RelationDescription {
    /// Its name.
    pub name: String,
    /// Table or view.
    pub kind: RelationKind,
    /// What a row is, in a sentence.
    pub comment: String,
    /// Its columns in order.
    pub columns: Vec<ColumnDescription>,
    /// Rows, where the manifest knows them.
    pub rows: Option<u64>,
    /// Bytes stored, where the manifest knows them.
    pub bytes: Option<u64>,
    /// The query of a view.
    pub definition: Option<String>,
    /// The columns that identify a row; empty where there is no such promise.
    pub primary_key: Vec<String>,
    /// References to other relations.
    pub foreign_keys: Vec<ForeignKey>,
}

/// One column.
#[derive(Debug, Clone)]
pub struct ColumnDescription {
    /// Its name.
    pub name: String,
    /// Its type as the engine has it.
    pub data_type: DataType,
    /// The name in `pg_type` of a type that Arrow lacks.
    pub named_type: Option<String>,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it says, with its unit.
    pub comment: String,
}

/// A reference from columns of one relation to the key of another.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// Columns of the referring relation.
    pub columns: Vec<String>,
    /// Schema of the relation referred to.
    pub references_schema: String,
    /// The relation referred to.
    pub references_relation: String,
    /// Its key columns.
    pub references_columns: Vec<String>,
}

/// What sort of function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// One value for each row.
    Scalar,
    /// One value for a group.
    Aggregate,
    /// One value for each row of a window.
    Window,
    /// Rows.
    Table,
}

/// One function, as documented.
#[derive(Debug, Clone)]
pub struct FunctionDescription {
    /// The schema it belongs to: `public` for Perennial's own, `pg_catalog` for the rest.
    pub schema: String,
    /// Its SQL name.
    pub name: String,
    /// Its kind.
    pub kind: FunctionKind,
    /// The family in the reference.
    pub family: String,
    /// How it is called.
    pub syntax: String,
    /// What it gives.
    pub description: String,
    /// An example with its answer.
    pub example: Option<String>,
    /// Names and descriptions of the arguments.
    pub arguments: Vec<(String, String)>,
    /// The SQL types of the arguments, in their order; none where the declaration does not say it.
    pub argument_types: Vec<Option<String>>,
    /// The place of the argument that may stand any number of times, with others behind it.
    pub repeated: Option<usize>,
    /// The SQL type of the answer, where the declaration says it.
    pub result: Option<String>,
}

impl FunctionDescription {
    /// The statement of the example, without the answer and the fences of the page.
    pub fn example_sql(&self) -> Option<&str> {
        let example = self.example.as_deref()?.trim();
        let sql = example.strip_prefix("```sql").unwrap_or(example);
        let end = ["\n+--", "```"].into_iter().filter_map(|end| sql.find(end)).min();
        Some(sql.get(..end.unwrap_or(sql.len())).unwrap_or(sql).trim())
    }
}

/// One role.
#[derive(Debug, Clone)]
pub struct RoleDescription {
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub owner: bool,
}

/// One session setting.
#[derive(Debug, Clone)]
pub struct SettingDescription {
    /// Its name as in `SHOW`.
    pub name: String,
    /// The value a new session has.
    pub default: String,
    /// What values it takes, in words.
    pub takes: String,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// What it does.
    pub description: String,
}

/// One setting as it stands in a session. Durations are in milliseconds.
#[derive(Debug, Clone)]
pub struct SettingState {
    /// What does not depend on the session.
    pub description: SettingDescription,
    /// The value in force.
    pub value: String,
    /// The value that RESET goes back to.
    pub reset: String,
    /// Where the value in force is from, as `pg_settings.source` says it.
    pub source: &'static str,
}

/// A cursor as `pg_cursors` lists it. Moments are in microseconds since 1970.
#[derive(Debug, Clone)]
pub struct CursorState {
    /// Its name.
    pub name: String,
    /// The text with which it was declared.
    pub statement: String,
    /// Whether it outlives its transaction.
    pub holdable: bool,
    /// Whether it goes backward.
    pub scrollable: bool,
    /// When it was declared.
    pub created: i64,
}

/// A prepared statement as `pg_prepared_statements` lists it.
#[derive(Debug, Clone)]
pub struct StatementState {
    /// Its name.
    pub name: String,
    /// The text with which it was prepared.
    pub statement: String,
    /// When it was prepared, in microseconds since 1970.
    pub prepared: i64,
    /// The types of its parameters.
    pub parameters: Vec<FieldRef>,
    /// Their identifiers, as the client of the wire protocol was told them; none for one that was made by PREPARE.
    pub told: Option<Vec<u32>>,
}

/// A relation that shows what a session has of its own.
#[derive(Debug, Clone)]
pub enum OwnRows {
    /// `pg_settings`.
    Settings(Vec<SettingState>),
    /// `pg_cursors`.
    Cursors(Vec<CursorState>),
    /// `pg_prepared_statements`.
    Statements(Vec<StatementState>),
}

/// What session functions such as `current_user` answer, for one session.
pub trait SessionFacts: Send + Sync + std::fmt::Debug {
    /// The role in force.
    fn current_user(&self) -> String;
    /// The role that logged in.
    fn session_user(&self) -> String;
    /// The number that names the session to `pg_cancel_backend`.
    fn backend_pid(&self) -> i32;
    /// The existing schemas of the search path, without the implicit ones.
    fn current_schemas(&self) -> Vec<String>;
    /// The value of a setting, if there is one of that name.
    fn setting(&self, name: &str) -> Option<String>;
    /// Changes a setting, without a value to what a reset goes back to; `local` ends with the transaction. Answers the
    /// value as it is shown.
    fn change_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String>;
    /// The catalog that the role sees.
    fn catalog(&self) -> Arc<CatalogDescription>;
    /// Stops the statement that another session runs; with `terminate`, the session. Answers whether there was such a
    /// session. Only an owner may stop another role's.
    fn signal(&self, pid: i32, terminate: bool) -> Result<bool>;
}

/// What objects are called, for one session.
pub trait ObjectNames: Send + Sync + std::fmt::Debug {
    /// A value of a `reg…` type as text: the name that the session's search path leads to, and digits for an identifier that
    /// nothing has. None where the type names no objects.
    fn name(&self, type_name: &str, oid: i64) -> Option<String>;
}

/// The system relations and functions that a front adds to every session.
pub trait SystemCatalog: Send + Sync + std::fmt::Debug {
    /// The relations of the system schemas as (schema, relation, rows), made once for a description.
    fn relations(&self, description: &CatalogDescription) -> Result<Vec<SystemRelation>>;

    /// A relation of what a session has, in the place of that which [`Self::relations`] gives.
    ///
    /// # Errors
    /// Never in practice: the rows have the columns of the relation.
    fn own(&self, rows: &OwnRows) -> Result<SystemRelation>;

    /// The functions that answer from the session.
    fn functions(&self, facts: Arc<dyn SessionFacts>) -> Vec<ScalarUDF>;

    /// The names of objects.
    fn object_names(&self, facts: Arc<dyn SessionFacts>) -> Arc<dyn ObjectNames>;

    /// The function that reads text as values of a type, as parameters are read.
    fn reader(&self, target: &FieldRef, style: OutputStyle) -> ScalarUDF;

    /// The function that writes values of any type as text, as results are written.
    fn writer(&self, style: OutputStyle) -> ScalarUDF;

    /// The function that writes values of any type as JSON, in the form of `to_json`.
    fn json_writer(&self, style: OutputStyle) -> ScalarUDF;

    /// One text as a value of a type.
    ///
    /// # Errors
    /// 22P02, 22003, 22007 or 22008.
    fn read(&self, text: &str, target: &DataType, style: &OutputStyle) -> Result<ScalarValue>;
}

/// One relation of a system schema.
#[derive(Debug, Clone)]
pub struct SystemRelation {
    /// `pg_catalog` or `information_schema`.
    pub schema: &'static str,
    /// The relation's name.
    pub name: &'static str,
    /// All its rows.
    pub rows: RecordBatch,
}
