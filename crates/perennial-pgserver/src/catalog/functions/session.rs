//! Functions that answer from the session and the server.

use std::borrow::Cow;

use arrow::array::{Array, AsArray};
use perennial_base::ErrorClass;
use perennial_engine::description::DATABASE;
use perennial_engine::error::{Error, Result};

use crate::catalog::cell::Cell;
use crate::catalog::function::{Argument, Arguments, Call, Kind, SystemFunction};
use crate::catalog::shape::PG_CATALOG;
use crate::catalog::text::{encoding_name, encoding_number};
use crate::catalog::types::ColumnType;
use crate::types::PG_TYPE;

pub(super) const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction::reads("version", &[&[]], "text", version),
    SystemFunction::reads("current_database", &[&[]], "name", |_, _| {
        Ok(Cell::text(DATABASE))
    }),
    SystemFunction::reads("current_catalog", &[&[]], "name", |_, _| Ok(Cell::text(DATABASE))),
    SystemFunction::reads("current_user", &[&[]], "name", current_user),
    SystemFunction::reads("current_role", &[&[]], "name", current_user),
    SystemFunction::reads("user", &[&[]], "name", current_user),
    SystemFunction::reads("session_user", &[&[]], "name", |call, _| {
        Ok(Cell::owned(call.facts.session_user()))
    }),
    SystemFunction::reads("current_schema", &[&[]], "name", current_schema),
    SystemFunction::reads("current_schemas", &[&[Kind::Bool]], "_name", current_schemas),
    SystemFunction::reads(
        "current_setting",
        &[&[Kind::Text], &[Kind::Text, Kind::Bool]],
        "text",
        current_setting,
    ),
    // The same beside set_config.
    SystemFunction::reads(
        "perennial_current_setting",
        &[&[Kind::Text], &[Kind::Text, Kind::Bool]],
        "text",
        current_setting,
    )
    .acts(),
    SystemFunction::reads(
        "set_config",
        &[&[Kind::Text, Kind::Text, Kind::Bool]],
        "text",
        set_config,
    )
    .acts()
    .sees_nulls(),
    SystemFunction::reads("pg_backend_pid", &[&[]], "int4", |call, _| {
        Ok(Cell::Int(i64::from(call.facts.backend_pid())))
    }),
    SystemFunction::reads("pg_cancel_backend", &[&[Kind::Int]], "bool", |call, arguments| {
        signal(call, arguments, false)
    })
    .acts(),
    SystemFunction::reads(
        "pg_terminate_backend",
        &[&[Kind::Int], &[Kind::Int, Kind::Int]],
        "bool",
        |call, arguments| signal(call, arguments, true),
    )
    .acts(),
    // Nobody waits for anybody.
    SystemFunction::reads("pg_blocking_pids", &[&[Kind::Int]], "_int4", |_, _| {
        Ok(Cell::Ints(Vec::new()))
    }),
    SystemFunction::reads("pg_is_in_recovery", &[&[]], "bool", |_, _| Ok(Cell::Bool(false))),
    SystemFunction::reads("pg_is_wal_replay_paused", &[&[]], "bool", not_in_recovery).acts(),
    SystemFunction::reads("pg_postmaster_start_time", &[&[]], "timestamptz", started),
    SystemFunction::reads("pg_conf_load_time", &[&[]], "timestamptz", started),
    SystemFunction::reads("txid_current", &[&[]], "int8", |call, _| Ok(snapshot(call))),
    SystemFunction::reads("txid_current_if_assigned", &[&[]], "int8", |_, _| Ok(Cell::Null)),
    SystemFunction::reads("pg_typeof", &[&[Kind::Any]], "regtype", type_of).sees_nulls(),
    SystemFunction::reads("pg_advisory_unlock_all", &[&[]], "text", |_, _| {
        Ok(Cell::text(""))
    })
    .acts(),
    SystemFunction::reads("pg_my_temp_schema", &[&[]], "oid", |call, _| {
        Ok(Cell::Int(
            call.names().model.temporary().map_or(0, |schema| schema.oid),
        ))
    }),
    SystemFunction::reads("pg_is_other_temp_schema", &[&[Kind::Oid]], "bool", |_, _| {
        Ok(Cell::Bool(false))
    }),
    SystemFunction::reads("inet_server_addr", &[&[]], "inet", |_, _| Ok(Cell::Null)),
    SystemFunction::reads("inet_server_port", &[&[]], "int4", |_, _| Ok(Cell::Null)),
    SystemFunction::reads("inet_client_addr", &[&[]], "inet", |_, _| Ok(Cell::Null)),
    SystemFunction::reads("inet_client_port", &[&[]], "int4", |_, _| Ok(Cell::Null)),
    SystemFunction::reads("pg_client_encoding", &[&[]], "name", |_, _| {
        Ok(Cell::text("UTF8"))
    }),
    SystemFunction::reads("getdatabaseencoding", &[&[]], "name", |_, _| {
        Ok(Cell::text("UTF8"))
    }),
    SystemFunction::reads("pg_encoding_to_char", &[&[Kind::Int]], "name", |_, arguments| {
        Ok(Cell::text(encoding_name(arguments.oid(0))))
    }),
    SystemFunction::reads("pg_char_to_encoding", &[&[Kind::Text]], "int4", |_, arguments| {
        Ok(Cell::Int(encoding_number(arguments.text(0))))
    }),
    SystemFunction::reads("array_lower", &[&[Kind::Any, Kind::Int]], "int4", array_lower),
    SystemFunction::reads("array_upper", &[&[Kind::Any, Kind::Int]], "int4", array_upper),
];

/// The version whose catalogs are served comes first: clients choose their statements by it.
fn version(call: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    let served = call
        .facts
        .setting("server_version")
        .unwrap_or_else(|| "15.0".to_owned());
    let number = served.split(' ').next().unwrap_or(&served);
    Ok(Cell::owned(format!(
        "PostgreSQL {number} (Perennial {}) on {}-{}, 64-bit",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )))
}

fn current_user(call: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(Cell::owned(call.facts.current_user()))
}

fn current_schema(call: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(call
        .facts
        .current_schemas()
        .into_iter()
        .next()
        .map_or(Cell::Null, Cell::owned))
}

fn current_schemas(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let mut path = call.facts.current_schemas();
    if arguments.bool(0) {
        let own = call.names().model.temporary().map(|schema| schema.name.as_str());
        for implicit in [Some(PG_CATALOG), own].into_iter().flatten() {
            if !path.iter().any(|schema| schema == implicit) {
                path.insert(0, implicit.to_owned());
            }
        }
    }
    Ok(Cell::Texts(path.into_iter().map(Cow::Owned).collect()))
}

fn current_setting(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let name = arguments.text(0);
    match call.facts.setting(name) {
        Some(value) => Ok(Cell::owned(value)),
        None if arguments.bool(1) => Ok(Cell::Null),
        None => Err(Error::new(
            ErrorClass::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )),
    }
}

/// A null value brings that back to which RESET goes.
fn set_config(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let Argument::Text(name) = arguments.at(0) else {
        return Err(Error::new(
            ErrorClass::InvalidArgument,
            "SET requires parameter name",
        ));
    };
    let value = match arguments.at(1) {
        Argument::Text(value) => Some(*value),
        _ => None,
    };
    call.facts
        .change_setting(name, value, arguments.bool(2))
        .map(Cell::owned)
}

fn signal(call: &Call<'_>, arguments: &Arguments<'_>, terminate: bool) -> Result<Cell<'static>> {
    let pid = arguments.int(0).and_then(|pid| i32::try_from(pid).ok());
    let found = pid.map(|pid| call.facts.signal(pid, terminate)).transpose()?;
    Ok(Cell::Bool(found.unwrap_or(false)))
}

fn not_in_recovery(_: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    Err(Error::new(ErrorClass::Unsupported, "recovery is not in progress"))
}

fn started(call: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(Cell::Int(call.process.started))
}

/// Transactions write nothing that has a number, so the snapshot stands for the moment.
fn snapshot(call: &Call<'_>) -> Cell<'static> {
    Cell::Int(i64::try_from(call.model().snapshot).unwrap_or(i64::MAX))
}

fn type_of(call: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    let Some(field) = call.fields.first() else {
        return Ok(Cell::Null);
    };
    let untyped = field.data_type().is_null().then_some("unknown");
    let name = field.metadata().get(PG_TYPE).map(String::as_str);
    Ok(Cell::Int(
        ColumnType::named(name.or(untyped), field.data_type()).oid,
    ))
}

/// The first subscript of a dimension: 1, but 0 in the vectors of the catalog.
fn array_lower(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(length(arguments).map_or(Cell::Null, |_| Cell::Int(first_subscript(call))))
}

fn array_upper(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(length(arguments).map_or(Cell::Null, |length| Cell::Int(first_subscript(call) + length - 1)))
}

fn first_subscript(call: &Call<'_>) -> i64 {
    let named = call
        .fields
        .first()
        .and_then(|field| field.metadata().get(PG_TYPE));
    i64::from(!named.is_some_and(|name| name == "int2vector" || name == "oidvector"))
}

/// The length of a dimension; none where the list is empty or has fewer dimensions.
fn length(arguments: &Arguments<'_>) -> Option<i64> {
    let Argument::List(list) = arguments.at(0) else {
        return None;
    };
    let mut list = list.clone();
    for _ in 1..arguments.int(1).filter(|dimension| *dimension >= 1)? {
        let inner = list.as_list_opt::<i32>().filter(|inner| !inner.is_empty())?;
        list = inner.value(0);
    }
    i64::try_from(list.len()).ok().filter(|length| *length > 0)
}
