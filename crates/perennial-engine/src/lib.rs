//! The only place where a session is made: catalog, functions, rules and limits over one shared runtime.
//!
//! An [`Engine`] follows the lake's newest snapshot. Each connection has a [`Session`] of its own: settings,
//! transaction, cursors and prepared statements. A statement goes `parse` → `prepare` → `run`; its rows come out
//! of a short channel and stop at once when the statement is stopped.

pub mod catalog;
pub mod description;
pub mod engine;
pub mod error;
pub mod expression;
pub mod functions;
mod keyed;
mod landed;
pub mod limits;
pub mod moving;
pub mod named;
pub mod pinned;
pub mod provider;
pub mod release;
pub mod rows;
mod rules;
pub mod schema;
pub mod session;
pub mod sql;
mod system;
pub mod views;

pub use description::{
    CatalogDescription, ColumnDescription, DATABASE, ForeignKey, FunctionDescription, FunctionKind,
    RelationDescription, RelationKind, RoleDescription, SchemaDescription, SessionFacts, SettingDescription,
    SystemCatalog, SystemRelation,
};
pub use engine::{Engine, EngineOptions, LeaseGuard};
pub use error::{Error, Result, StopReason, type_name};
pub use functions::postgres::document;
pub use perennial_lake::ExportWriter;
pub use release::Release;
pub use rows::Rows;
pub use session::settings::{DateForm, DateStyle, IntervalStyle, OutputStyle, Zone};
pub use session::{
    Canceller, CopyFormat, CopyOut, Login, Notice, Outcome, Prepared, Request, Session, TransactionState,
};
pub use sql::Parsed;
pub use system::{Run, listed};
