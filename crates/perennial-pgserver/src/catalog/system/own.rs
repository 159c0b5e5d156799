//! The relations of what a session has of its own: settings, cursors and prepared statements.

use arrow::error::ArrowError;
use perennial_engine::description::{CursorState, SettingState, StatementState};

use super::System;
use crate::catalog::cell::Cell;
use crate::catalog::shape::PG_CATALOG;
use crate::types;

const PG_SETTINGS: &str = "pg_settings";
const PG_CURSORS: &str = "pg_cursors";
const PG_PREPARED_STATEMENTS: &str = "pg_prepared_statements";

/// The settings of a session.
pub(super) fn fill_settings(
    settings: &[SettingState],
    system: &mut System,
) -> Result<&'static str, ArrowError> {
    let mut settings: Vec<&SettingState> = settings.iter().collect();
    settings.sort_by_key(|setting| setting.description.name.to_lowercase());
    system.fill(
        PG_CATALOG,
        PG_SETTINGS,
        &settings,
        &[
            ("name", |setting| Cell::text(&setting.description.name)),
            ("setting", |setting| Cell::text(&setting.value)),
            ("unit", |setting| Cell::maybe(setting.description.unit.as_deref())),
            ("category", |_| Cell::text("Client Connection Defaults")),
            ("short_desc", |setting| {
                Cell::text(&setting.description.description)
            }),
            ("context", |_| Cell::text("user")),
            ("vartype", |setting| {
                Cell::text(variable_type(&setting.description.default))
            }),
            ("source", |setting| Cell::text(setting.source)),
            ("boot_val", |setting| Cell::text(&setting.description.default)),
            ("reset_val", |setting| Cell::text(&setting.reset)),
            ("pending_restart", |_| Cell::Bool(false)),
        ],
    )?;
    Ok(PG_SETTINGS)
}

/// The open cursors of a session, and its portals with a name.
pub(super) fn fill_cursors(cursors: &[CursorState], system: &mut System) -> Result<&'static str, ArrowError> {
    system.fill(
        PG_CATALOG,
        PG_CURSORS,
        cursors,
        &[
            ("name", |cursor| Cell::text(&cursor.name)),
            ("statement", |cursor| Cell::text(&cursor.statement)),
            ("is_holdable", |cursor| Cell::Bool(cursor.holdable)),
            ("is_binary", |_| Cell::Bool(false)),
            ("is_scrollable", |cursor| Cell::Bool(cursor.scrollable)),
            ("creation_time", |cursor| Cell::Int(cursor.created)),
        ],
    )?;
    Ok(PG_CURSORS)
}

/// The prepared statements of a session that have a name. Each is planned once, for any values.
pub(super) fn fill_statements(
    statements: &[StatementState],
    system: &mut System,
) -> Result<&'static str, ArrowError> {
    system.fill(
        PG_CATALOG,
        PG_PREPARED_STATEMENTS,
        statements,
        &[
            ("name", |statement| Cell::text(&statement.name)),
            ("statement", |statement| Cell::text(&statement.statement)),
            ("prepare_time", |statement| Cell::Int(statement.prepared)),
            ("parameter_types", |statement| Cell::Ints(types_of(statement))),
            ("from_sql", |statement| Cell::Bool(statement.told.is_none())),
            ("generic_plans", |_| Cell::Int(0)),
            ("custom_plans", |_| Cell::Int(0)),
        ],
    )?;
    Ok(PG_PREPARED_STATEMENTS)
}

/// The identifiers of the types of a statement's parameters.
fn types_of(statement: &StatementState) -> Vec<i64> {
    match &statement.told {
        Some(told) => told.iter().copied().map(i64::from).collect(),
        None => {
            let parameters = statement.parameters.iter();
            parameters
                .map(|field| i64::from(types::pg_type(field).oid()))
                .collect()
        }
    }
}

/// What a setting takes, told from its default.
fn variable_type(default: &str) -> &'static str {
    if ["on", "off"].contains(&default) {
        "bool"
    } else if default.parse::<i64>().is_ok() {
        "integer"
    } else {
        "string"
    }
}
