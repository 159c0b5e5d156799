//! How large things are.

use perennial_base::ErrorClass;
use perennial_engine::description::DATABASE;
use perennial_engine::error::{Error, Result};

use crate::catalog::cell::Cell;
use crate::catalog::function::{Argument, Arguments, Call, Kind, SystemFunction};
use crate::catalog::model::Class;
use crate::catalog::text::size_pretty;

pub(super) const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction::reads("pg_size_pretty", &[&[Kind::Int]], "text", |_, arguments| {
        Ok(Cell::owned(size_pretty(arguments.oid(0))))
    }),
    SystemFunction::reads(
        "pg_relation_size",
        &[&[Kind::Object], &[Kind::Object, Kind::Text]],
        "int8",
        relation_size,
    ),
    SystemFunction::reads("pg_table_size", &[&[Kind::Object]], "int8", relation_size),
    SystemFunction::reads(
        "pg_total_relation_size",
        &[&[Kind::Object]],
        "int8",
        relation_size,
    ),
    SystemFunction::reads("pg_indexes_size", &[&[Kind::Object]], "int8", indexes_size),
    SystemFunction::reads("pg_database_size", &[&[Kind::Object]], "int8", database_size),
    SystemFunction::reads("pg_tablespace_size", &[&[Kind::Object]], "int8", |call, _| {
        Ok(whole_size(call))
    }),
    SystemFunction::reads("pg_tablespace_location", &[&[Kind::Oid]], "text", |_, _| {
        Ok(Cell::text(""))
    }),
    SystemFunction::reads(
        "pg_relation_is_publishable",
        &[&[Kind::Object]],
        "bool",
        |_, _| Ok(Cell::Bool(false)),
    ),
    SystemFunction::reads("pg_stat_get_numscans", &[&[Kind::Oid]], "int8", |_, _| {
        Ok(Cell::Null)
    }),
];

/// The bytes of a relation's files. Only the main fork exists; an identifier that nothing has gives null.
fn relation_size(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    match arguments.at(1) {
        Argument::Text("fsm" | "vm" | "init") => return Ok(Cell::Int(0)),
        Argument::Text(fork) if *fork != "main" => {
            return Err(Error::new(ErrorClass::InvalidArgument, "invalid fork name")
                .with_hint("Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\"."));
        }
        _ => {}
    }
    Ok(class(call, arguments)?.map_or(Cell::Null, |class| Cell::Int(bytes(class))))
}

fn indexes_size(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(class(call, arguments)?.map_or(Cell::Null, |_| Cell::Int(0)))
}

fn database_size(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    match arguments.at(0) {
        Argument::Text(name) if *name != DATABASE => Err(Error::new(
            ErrorClass::UndefinedObject,
            format!("database \"{name}\" does not exist"),
        )),
        Argument::Int(oid) if *oid != call.model().database => Ok(Cell::Null),
        _ => Ok(whole_size(call)),
    }
}

fn whole_size(call: &Call<'_>) -> Cell<'static> {
    Cell::Int(
        call.model()
            .classes
            .iter()
            .map(bytes)
            .fold(0, i64::saturating_add),
    )
}

fn class<'c>(call: &'c Call<'_>, arguments: &Arguments<'_>) -> Result<Option<&'c Class>> {
    match arguments.at(0) {
        Argument::Text(name) => call.names().class(name).map(Some),
        _ => Ok(call.names().model.class(arguments.oid(0))),
    }
}

fn bytes(class: &Class) -> i64 {
    class
        .bytes
        .map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}
