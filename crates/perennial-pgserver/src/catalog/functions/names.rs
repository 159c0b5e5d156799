//! Names: what they mean, whether they can be seen, how they are quoted.

use perennial_engine::error::Result;

use crate::catalog::builtin;
use crate::catalog::cell::Cell;
use crate::catalog::function::{Argument, Arguments, Call, Kind, SystemFunction};
use crate::catalog::names::RegKind;
use crate::catalog::text::{quote_identifier, quote_literal};
use crate::catalog::types::format_builtin;

/// An object by its name or its identifier; what has no type of its own, such as a parameter, is a name.
const BY_NAME: &[&[Kind]] = &[&[Kind::Text], &[Kind::Object]];

pub(super) const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction::reads("to_regclass", &[&[Kind::Text]], "regclass", |c, a| {
        to_reg(c, a, RegKind::Class)
    }),
    SystemFunction::reads("to_regtype", &[&[Kind::Text]], "regtype", |c, a| {
        to_reg(c, a, RegKind::Type)
    }),
    SystemFunction::reads("to_regproc", &[&[Kind::Text]], "regproc", |c, a| {
        to_reg(c, a, RegKind::Procedure)
    }),
    SystemFunction::reads("to_regnamespace", &[&[Kind::Text]], "regnamespace", |c, a| {
        to_reg(c, a, RegKind::Namespace)
    }),
    SystemFunction::reads("to_regrole", &[&[Kind::Text]], "regrole", |c, a| {
        to_reg(c, a, RegKind::Role)
    }),
    SystemFunction::reads("perennial_regclass_in", BY_NAME, "regclass", |c, a| {
        reg_in(c, a, RegKind::Class)
    }),
    SystemFunction::reads("perennial_regtype_in", BY_NAME, "regtype", |c, a| {
        reg_in(c, a, RegKind::Type)
    }),
    SystemFunction::reads("perennial_regproc_in", BY_NAME, "regproc", |c, a| {
        reg_in(c, a, RegKind::Procedure)
    }),
    SystemFunction::reads("perennial_regnamespace_in", BY_NAME, "regnamespace", |c, a| {
        reg_in(c, a, RegKind::Namespace)
    }),
    SystemFunction::reads("perennial_regrole_in", BY_NAME, "regrole", |c, a| {
        reg_in(c, a, RegKind::Role)
    }),
    SystemFunction::reads("perennial_regclass_out", &[&[Kind::Oid]], "text", |c, a| {
        reg_out(c, a, RegKind::Class)
    }),
    SystemFunction::reads("perennial_regtype_out", &[&[Kind::Oid]], "text", |c, a| {
        reg_out(c, a, RegKind::Type)
    }),
    SystemFunction::reads("perennial_regproc_out", &[&[Kind::Oid]], "text", |c, a| {
        reg_out(c, a, RegKind::Procedure)
    }),
    SystemFunction::reads("perennial_regnamespace_out", &[&[Kind::Oid]], "text", |c, a| {
        reg_out(c, a, RegKind::Namespace)
    }),
    SystemFunction::reads("perennial_regrole_out", &[&[Kind::Object]], "text", |c, a| {
        reg_out(c, a, RegKind::Role)
    }),
    SystemFunction::reads("perennial_regoperator_out", &[&[Kind::Oid]], "text", |_, a| {
        Ok(operator(a.oid(0)))
    }),
    SystemFunction::reads("pg_table_is_visible", &[&[Kind::Oid]], "bool", table_is_visible),
    SystemFunction::reads(
        "pg_type_is_visible",
        &[&[Kind::Oid]],
        "bool",
        |call, arguments| Ok(maybe(call.names().type_is_visible(arguments.oid(0)))),
    ),
    SystemFunction::reads(
        "pg_function_is_visible",
        &[&[Kind::Oid]],
        "bool",
        |call, arguments| Ok(maybe(call.names().procedure_is_visible(arguments.oid(0)))),
    ),
    SystemFunction::reads("pg_operator_is_visible", &[&[Kind::Oid]], "bool", |_, a| {
        Ok(built_in(a, "pg_operator"))
    }),
    SystemFunction::reads("pg_opclass_is_visible", &[&[Kind::Oid]], "bool", |_, a| {
        Ok(built_in(a, "pg_opclass"))
    }),
    SystemFunction::reads("pg_opfamily_is_visible", &[&[Kind::Oid]], "bool", |_, a| {
        Ok(built_in(a, "pg_opfamily"))
    }),
    SystemFunction::reads("pg_collation_is_visible", &[&[Kind::Oid]], "bool", |_, a| {
        Ok(built_in(a, "pg_collation"))
    }),
    SystemFunction::reads("pg_conversion_is_visible", &[&[Kind::Oid]], "bool", nothing),
    SystemFunction::reads("pg_statistics_obj_is_visible", &[&[Kind::Oid]], "bool", nothing),
    SystemFunction::reads("pg_ts_config_is_visible", &[&[Kind::Oid]], "bool", nothing),
    SystemFunction::reads("pg_ts_dict_is_visible", &[&[Kind::Oid]], "bool", nothing),
    SystemFunction::reads("pg_ts_parser_is_visible", &[&[Kind::Oid]], "bool", nothing),
    SystemFunction::reads("pg_ts_template_is_visible", &[&[Kind::Oid]], "bool", nothing),
    SystemFunction::reads("quote_ident", &[&[Kind::Text]], "text", |_, arguments| {
        Ok(Cell::owned(quote_identifier(arguments.text(0))))
    }),
    SystemFunction::reads("quote_literal", &[&[Kind::Shown]], "text", |_, arguments| {
        Ok(Cell::owned(quote_literal(arguments.text(0))))
    }),
    SystemFunction::reads("quote_nullable", &[&[Kind::Shown]], "text", quote_nullable).sees_nulls(),
];

/// The object of a name; null if there is none.
fn to_reg(call: &Call<'_>, arguments: &Arguments<'_>, kind: RegKind) -> Result<Cell<'static>> {
    let text = arguments.text(0);
    // Digits are no name here, unlike in a cast.
    if text.trim().starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(Cell::Null);
    }
    Ok(Cell::maybe_int(call.names().find(kind, text)?))
}

/// The object of a name or identifier; an error if there is none of the name.
fn reg_in(call: &Call<'_>, arguments: &Arguments<'_>, kind: RegKind) -> Result<Cell<'static>> {
    match arguments.at(0) {
        Argument::Text(text) => call.names().read(kind, text).map(Cell::Int),
        _ => Ok(Cell::maybe_int(arguments.int(0))),
    }
}

/// The name of an identifier.
fn reg_out(call: &Call<'_>, arguments: &Arguments<'_>, kind: RegKind) -> Result<Cell<'static>> {
    Ok(Cell::owned(call.names().show(kind, arguments.oid(0))))
}

/// An operator with the types of its sides, all of which are in `pg_catalog`.
fn operator(oid: i64) -> Cell<'static> {
    let Some((name, left, right)) = builtin::operator(oid) else {
        return Cell::owned(oid.to_string());
    };
    let side = |oid: i64| format_builtin(oid, None).unwrap_or_else(|| "NONE".to_owned());
    Cell::owned(format!("{name}({},{})", side(left), side(right)))
}

fn table_is_visible(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let names = call.names();
    Ok(maybe(
        names
            .model
            .class(arguments.oid(0))
            .map(|class| names.class_is_visible(class)),
    ))
}

/// What PostgreSQL has built in is in `pg_catalog`, which every search path leads to.
fn built_in(arguments: &Arguments<'_>, relation: &str) -> Cell<'static> {
    let oid = arguments.oid(0).to_string();
    let exists = builtin::rows(relation)
        .iter()
        .any(|row| row.first() == Some(&oid.as_str()));
    maybe(exists.then_some(true))
}

/// Objects of a sort that Perennial has none of: no identifier names one.
fn nothing(_: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(Cell::Null)
}

fn quote_nullable(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(match arguments.at(0) {
        Argument::Text(text) => Cell::owned(quote_literal(text)),
        _ => Cell::text("NULL"),
    })
}

fn maybe(value: Option<bool>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Bool)
}
