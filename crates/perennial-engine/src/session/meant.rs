//! What was probably meant by a name that nothing has.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use datafusion::sql::sqlparser::ast::Statement;
use perennial_base::relation::PUBLIC;
use perennial_base::{Config, ErrorClass, UserError, nearest};

use crate::catalog::Relations;
use crate::error::Error;
use crate::landed::called;
use crate::sql::tables::{Known, tables};

/// The error of a column of a table that FROM does not have: it is the table that is missed.
pub(super) fn not_in_from(error: Error, statement: &Statement) -> Error {
    if error.class() != ErrorClass::UndefinedColumn {
        return error;
    }
    let message = error.to_string();
    let column = message
        .strip_prefix("column ")
        .and_then(|rest| rest.strip_suffix(" does not exist"));
    let table = column.and_then(|column| Some(column.split_once('.')?.0));
    let Some(table) = table.filter(|table| !table.contains('"')) else {
        return error;
    };
    let missing = match tables(statement, table) {
        Known::Called => return error,
        Known::Under(alias) => Error::new(
            ErrorClass::UndefinedTable,
            format!("invalid reference to FROM-clause entry for table \"{table}\""),
        )
        .with_hint(format!(
            "Perhaps you meant to reference the table alias \"{alias}\"."
        )),
        Known::Not => Error::new(
            ErrorClass::UndefinedTable,
            format!("missing FROM-clause entry for table \"{table}\""),
        ),
    };
    match error.position() {
        Some(place) => missing.with_position(place),
        None => missing,
    }
}

/// The error of a relation that does not exist, with the one that was probably meant: of that name in another schema, or of
/// a name that is near.
pub(super) fn elsewhere(error: Error, schemas: &BTreeMap<String, Arc<Relations>>) -> Error {
    let message = error.to_string();
    let missing = error.class() == ErrorClass::UndefinedTable && error.hint().is_none();
    let name = message
        .strip_prefix("relation \"")
        .and_then(|rest| rest.strip_suffix("\" does not exist"))
        .filter(|_| missing);
    let Some(name) = name else { return error };
    let in_schema = || {
        let mut schemas = schemas.iter();
        let (schema, _) = schemas.find(|(_, relations)| relations.relation(name).is_some())?;
        Some(format!("{schema}.{name}"))
    };
    let near = || {
        let served = schemas.iter().flat_map(|(schema, relations)| {
            let named = |name| match schema.as_str() {
                PUBLIC => name,
                schema => format!("{schema}.{name}"),
            };
            relations.table_names().into_iter().map(named)
        });
        let served: Vec<String> = served.collect();
        let wanted = name.strip_prefix("public.").unwrap_or(name);
        nearest(wanted, served.iter().map(String::as_str)).map(str::to_owned)
    };
    match in_schema().or_else(near) {
        Some(meant) => error.with_hint(format!("Perhaps you meant \"{meant}\".")),
        None => error,
    }
}

/// Adds what a column is called, to one who asks for it by the name under which it has landed.
pub(super) fn meant(error: Error, config: &Config, statement: &str) -> Error {
    if error.class() != ErrorClass::UndefinedColumn || error.hint().is_some() {
        return error;
    }
    let message = error.to_string();
    let name = message
        .strip_prefix("column ")
        .and_then(|rest| rest.strip_suffix(" does not exist"))
        .map(|name| name.rsplit('.').next().unwrap_or(name).trim_matches('"'));
    match name.and_then(|name| called(config, statement, name)) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
