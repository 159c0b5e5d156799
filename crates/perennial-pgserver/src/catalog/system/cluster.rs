//! Schemas, functions, roles, settings, the database and time zones of `pg_catalog`.

use std::borrow::Cow;

use arrow::error::ArrowError;
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetComponents, OffsetName, TZ_VARIANTS};
use perennial_engine::description::DATABASE;

use super::System;
use crate::catalog::builtin::{ANY, DATABASE_OWNER, OWNER, PUBLIC_OID};
use crate::catalog::cell::Cell;
use crate::catalog::model::{Model, Procedure, Role};
use crate::catalog::shape::PG_CATALOG;

/// The encoding of the database: UTF-8.
const UTF8: i64 = 6;
/// The tablespace `pg_default`.
const TABLESPACE: i64 = 1663;
/// The language `internal`.
const INTERNAL: i64 = 12;

pub(super) fn fill(model: &Model, now: i64, system: &mut System) -> Result<(), ArrowError> {
    fill_namespaces(model, system)?;
    fill_database(model, system)?;
    fill_procedures(model, system)?;
    fill_roles(model, system)?;
    fill_time_zones(now, system)
}

fn fill_namespaces(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    system.fill(
        PG_CATALOG,
        "pg_namespace",
        &model.namespaces,
        &[
            ("oid", |namespace| Cell::Int(namespace.oid)),
            ("nspname", |namespace| Cell::text(&namespace.name)),
            ("nspowner", |namespace| {
                Cell::Int(match namespace.oid {
                    PUBLIC_OID => DATABASE_OWNER.0,
                    _ => OWNER,
                })
            }),
        ],
    )
}

fn fill_database(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    system.fill(
        PG_CATALOG,
        "pg_database",
        &[model.database],
        &[
            ("oid", |oid| Cell::Int(*oid)),
            ("datname", |_| Cell::text(DATABASE)),
            ("datdba", |_| Cell::Int(OWNER)),
            ("encoding", |_| Cell::Int(UTF8)),
            ("datlocprovider", |_| Cell::text("c")),
            ("datallowconn", |_| Cell::Bool(true)),
            ("datconnlimit", |_| Cell::Int(-1)),
            ("dattablespace", |_| Cell::Int(TABLESPACE)),
            ("datcollate", |_| Cell::text("C.UTF-8")),
            ("datctype", |_| Cell::text("C.UTF-8")),
        ],
    )
}

fn fill_procedures(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    system.fill(
        PG_CATALOG,
        "pg_proc",
        &model.procedures,
        &[
            ("oid", |procedure| Cell::Int(procedure.oid)),
            ("proname", |procedure| Cell::text(&procedure.name)),
            ("pronamespace", |procedure| Cell::Int(procedure.namespace)),
            ("proowner", |_| Cell::Int(OWNER)),
            ("prolang", |_| Cell::Int(INTERNAL)),
            ("procost", |_| Cell::Float(1.0)),
            ("prorows", |procedure| {
                Cell::Float(if procedure.returns_set { 1_000.0 } else { 0.0 })
            }),
            ("provariadic", |procedure| {
                Cell::Int(if procedure.variadic { ANY } else { 0 })
            }),
            ("prokind", |procedure| Cell::text(procedure.kind)),
            ("proretset", |procedure| Cell::Bool(procedure.returns_set)),
            ("provolatile", |_| Cell::text("s")),
            ("proparallel", |_| Cell::text("s")),
            ("pronargs", |procedure| {
                Cell::Int(procedure.arguments.len().try_into().unwrap_or_default())
            }),
            ("prorettype", |procedure| Cell::Int(procedure.result)),
            ("proargtypes", |procedure| Cell::Ints(procedure.arguments.clone())),
            ("proallargtypes", |procedure| {
                if procedure.variadic {
                    Cell::Ints(procedure.arguments.clone())
                } else {
                    Cell::Null
                }
            }),
            ("proargmodes", argument_modes),
            ("proargnames", argument_names),
            ("prosrc", |procedure| Cell::text(&procedure.name)),
        ],
    )?;
    let aggregates: Vec<&Procedure> = model
        .procedures
        .iter()
        .filter(|procedure| procedure.kind == "a")
        .collect();
    system.fill(
        PG_CATALOG,
        "pg_aggregate",
        &aggregates,
        &[
            ("aggfnoid", |procedure| Cell::Int(procedure.oid)),
            ("aggkind", |_| Cell::text("n")),
            ("aggfinalmodify", |_| Cell::text("r")),
            ("aggmfinalmodify", |_| Cell::text("r")),
        ],
    )
}

/// Nothing where all are arguments for one value.
fn argument_modes(procedure: &Procedure) -> Cell<'_> {
    if !procedure.variadic {
        return Cell::Null;
    }
    let last = procedure.arguments.len().saturating_sub(1);
    Cell::Texts(
        (0..procedure.arguments.len())
            .map(|at| Cow::Borrowed(if at == last { "v" } else { "i" }))
            .collect(),
    )
}

fn argument_names(procedure: &Procedure) -> Cell<'_> {
    if procedure.argument_names.is_empty() {
        return Cell::Null;
    }
    Cell::Texts(
        procedure
            .argument_names
            .iter()
            .map(|name| Cow::Borrowed(name.as_str()))
            .collect(),
    )
}

fn fill_roles(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    system.fill(
        PG_CATALOG,
        "pg_roles",
        &model.roles,
        &[
            ("rolname", |role| Cell::text(&role.name)),
            ("rolsuper", |role| Cell::Bool(role.owner)),
            ("rolinherit", |_| Cell::Bool(true)),
            ("rolcreaterole", |role| Cell::Bool(role.owner)),
            ("rolcreatedb", |_| Cell::Bool(false)),
            ("rolcanlogin", |role| Cell::Bool(role.login)),
            ("rolreplication", |_| Cell::Bool(false)),
            ("rolconnlimit", |_| Cell::Int(-1)),
            ("rolpassword", |_| Cell::text("********")),
            ("rolbypassrls", |role| Cell::Bool(role.owner)),
            ("oid", |role| Cell::Int(role.oid)),
        ],
    )?;
    let users: Vec<&Role> = model.roles.iter().filter(|role| role.login).collect();
    system.fill(
        PG_CATALOG,
        "pg_user",
        &users,
        &[
            ("usename", |role| Cell::text(&role.name)),
            ("usesysid", |role| Cell::Int(role.oid)),
            ("usecreatedb", |_| Cell::Bool(false)),
            ("usesuper", |role| Cell::Bool(role.owner)),
            ("userepl", |_| Cell::Bool(false)),
            ("usebypassrls", |role| Cell::Bool(role.owner)),
            ("passwd", |_| Cell::text("********")),
        ],
    )
}

/// A time zone at an instant: name, abbreviation, microseconds ahead of UTC, and whether summer time is in force.
type Zone = (&'static str, String, i64, bool);

fn fill_time_zones(now: i64, system: &mut System) -> Result<(), ArrowError> {
    let now = DateTime::from_timestamp_micros(now)
        .unwrap_or_default()
        .naive_utc();
    let zones: Vec<Zone> = TZ_VARIANTS
        .iter()
        .map(|zone| {
            let offset = zone.offset_from_utc_datetime(&now);
            let ahead = i64::from(offset.fix().local_minus_utc()) * 1_000_000;
            let abbreviation = offset.abbreviation().unwrap_or_default().to_owned();
            (zone.name(), abbreviation, ahead, !offset.dst_offset().is_zero())
        })
        .collect();
    system.fill(
        PG_CATALOG,
        "pg_timezone_names",
        &zones,
        &[
            ("name", |(name, ..)| Cell::text(name)),
            ("abbrev", |(_, abbreviation, ..)| Cell::text(abbreviation)),
            ("utc_offset", |(.., ahead, _)| Cell::Int(*ahead)),
            ("is_dst", |(.., summer)| Cell::Bool(*summer)),
        ],
    )
}
