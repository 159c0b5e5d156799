//! Who may do what: every role reads everything, and nothing that is served can be written.

use perennial_base::ErrorClass;
use perennial_engine::description::DATABASE;
use perennial_engine::error::{Error, Result};

use crate::catalog::builtin;
use crate::catalog::cell::Cell;
use crate::catalog::function::{Argument, Arguments, Call, Kind, SystemFunction};
use crate::catalog::model::{Class, Role};
use crate::catalog::names::RegKind;

/// An object and a privilege, for the role in force or for one that is named.
const ON_OBJECT: &[&[Kind]] = &[
    &[Kind::Object, Kind::Text],
    &[Kind::Object, Kind::Object, Kind::Text],
];
/// A relation, a column and a privilege.
const ON_COLUMN: &[&[Kind]] = &[
    &[Kind::Object, Kind::Object, Kind::Text],
    &[Kind::Object, Kind::Object, Kind::Object, Kind::Text],
];

pub(super) const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction::reads("has_table_privilege", ON_OBJECT, "bool", |c, a| {
        relation(c, a, TABLE)
    }),
    SystemFunction::reads("has_any_column_privilege", ON_OBJECT, "bool", |c, a| {
        relation(c, a, COLUMN)
    }),
    SystemFunction::reads("has_column_privilege", ON_COLUMN, "bool", column),
    SystemFunction::reads("has_sequence_privilege", ON_OBJECT, "bool", |c, a| {
        relation(c, a, SEQUENCE)
    }),
    SystemFunction::reads("has_schema_privilege", ON_OBJECT, "bool", schema),
    SystemFunction::reads("has_database_privilege", ON_OBJECT, "bool", database),
    SystemFunction::reads("has_function_privilege", ON_OBJECT, "bool", function),
    SystemFunction::reads("has_type_privilege", ON_OBJECT, "bool", type_privilege),
    SystemFunction::reads("has_language_privilege", ON_OBJECT, "bool", |c, a| {
        shared(c, a, LANGUAGE)
    }),
    SystemFunction::reads("has_tablespace_privilege", ON_OBJECT, "bool", |c, a| {
        shared(c, a, TABLESPACE)
    }),
    SystemFunction::reads("pg_has_role", ON_OBJECT, "bool", member),
    SystemFunction::reads("row_security_active", &[&[Kind::Object]], "bool", |c, a| {
        Ok(class(c, a.at(0))?.map_or(Cell::Null, |_| Cell::Bool(false)))
    }),
];

/// The privileges of a sort of object, each with whether it is held on what can be seen.
type Privileges = &'static [(&'static str, bool)];

const TABLE: Privileges = &[
    ("SELECT", true),
    ("INSERT", false),
    ("UPDATE", false),
    ("DELETE", false),
    ("TRUNCATE", false),
    ("REFERENCES", false),
    ("TRIGGER", false),
    ("RULE", false),
];
const COLUMN: Privileges = &[
    ("SELECT", true),
    ("INSERT", false),
    ("UPDATE", false),
    ("REFERENCES", false),
];
const SEQUENCE: Privileges = &[("USAGE", false), ("SELECT", false), ("UPDATE", false)];
const SCHEMA: Privileges = &[("USAGE", true), ("CREATE", false)];
const DATABASE_WIDE: Privileges = &[
    ("CONNECT", true),
    ("TEMPORARY", true),
    ("TEMP", true),
    ("CREATE", false),
];
const FUNCTION: Privileges = &[("EXECUTE", true)];
const TYPE: Privileges = &[("USAGE", true)];
const LANGUAGE: Privileges = &[("USAGE", false)];
const TABLESPACE: Privileges = &[("CREATE", false)];

/// The role that is asked about, none for everybody, and where the object's arguments begin.
fn asked<'c>(
    call: &'c Call<'_>,
    arguments: &Arguments<'_>,
    of_session: usize,
) -> Result<(Option<&'c Role>, usize)> {
    if arguments.len() == of_session {
        return Ok((call.model().role(&call.facts.current_user()), 0));
    }
    let role = match arguments.at(0) {
        Argument::Text("public") => None,
        Argument::Text(name) => Some(role_named(call, name)?),
        _ => call
            .model()
            .roles
            .iter()
            .find(|role| role.oid == arguments.oid(0)),
    };
    Ok((role, 1))
}

/// Whether any of a list of privileges is held; only an owner could grant it.
fn holds(role: Option<&Role>, list: &str, privileges: Privileges) -> Result<Cell<'static>> {
    let mut held = false;
    for wanted in list.split(',') {
        let wanted = wanted.trim().to_ascii_uppercase();
        let (name, grants) = match wanted.strip_suffix("WITH GRANT OPTION") {
            Some(name) => (name.trim_end(), true),
            None => (wanted.as_str(), false),
        };
        let Some((_, possible)) = privileges.iter().find(|(privilege, _)| *privilege == name) else {
            return Err(unrecognized(list));
        };
        held |= *possible && (!grants || role.is_some_and(|role| role.owner));
    }
    Ok(Cell::Bool(held))
}

fn unrecognized(privilege: &str) -> Error {
    Error::new(
        ErrorClass::InvalidArgument,
        format!("unrecognized privilege type: \"{privilege}\""),
    )
}

fn role_named<'c>(call: &'c Call<'_>, name: &str) -> Result<&'c Role> {
    call.model().role(name).ok_or_else(|| {
        Error::new(
            ErrorClass::UndefinedObject,
            format!("role \"{name}\" does not exist"),
        )
    })
}

/// The relation of an argument: an error for a name that nothing has, none for an identifier that nothing has.
fn class<'c>(call: &'c Call<'_>, argument: &Argument<'_>) -> Result<Option<&'c Class>> {
    match argument {
        Argument::Text(name) => call.names().class(name).map(Some),
        Argument::Int(oid) => Ok(call.names().model.class(*oid)),
        _ => Ok(None),
    }
}

fn relation(call: &Call<'_>, arguments: &Arguments<'_>, privileges: Privileges) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    if class(call, arguments.at(at))?.is_none() {
        return Ok(Cell::Null);
    }
    holds(asked, arguments.text(at + 1), privileges)
}

fn column(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 3)?;
    let Some(class) = class(call, arguments.at(at))? else {
        return Ok(Cell::Null);
    };
    let exists = match arguments.at(at + 1) {
        Argument::Text(name) if class.column(name).is_none() => {
            return Err(Error::new(
                ErrorClass::UndefinedColumn,
                format!("column \"{name}\" of relation \"{}\" does not exist", class.name),
            ));
        }
        Argument::Int(number) => class.columns_with_numbers().any(|(known, _)| known == *number),
        _ => true,
    };
    if !exists {
        return Ok(Cell::Null);
    }
    holds(asked, arguments.text(at + 2), COLUMN)
}

fn schema(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    let model = call.model();
    let known = match arguments.at(at) {
        Argument::Text(name) if model.namespace(name).is_none() => {
            return Err(Error::new(
                ErrorClass::UndefinedObject,
                format!("schema \"{name}\" does not exist"),
            ));
        }
        Argument::Int(oid) => model.namespaces.iter().any(|namespace| namespace.oid == *oid),
        _ => true,
    };
    if !known {
        return Ok(Cell::Null);
    }
    holds(asked, arguments.text(at + 1), SCHEMA)
}

fn database(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    match arguments.at(at) {
        Argument::Text(name) if *name != DATABASE => Err(Error::new(
            ErrorClass::UndefinedObject,
            format!("database \"{name}\" does not exist"),
        )),
        Argument::Int(oid) if *oid != call.model().database => Ok(Cell::Null),
        _ => holds(asked, arguments.text(at + 1), DATABASE_WIDE),
    }
}

fn function(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    let oid = match arguments.at(at) {
        // A function is named with its arguments, which do not tell Perennial's apart.
        Argument::Text(text) => call
            .names()
            .read(RegKind::Procedure, text.split('(').next().unwrap_or(text))?,
        _ => arguments.oid(at),
    };
    if call.names().procedure_is_visible(oid).is_none() {
        return Ok(Cell::Null);
    }
    holds(asked, arguments.text(at + 1), FUNCTION)
}

fn type_privilege(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    let oid = match arguments.at(at) {
        Argument::Text(text) => call.names().read(RegKind::Type, text)?,
        _ => arguments.oid(at),
    };
    if builtin::type_of(oid).is_none() && call.model().class_of_type(oid).is_none() {
        return Ok(Cell::Null);
    }
    holds(asked, arguments.text(at + 1), TYPE)
}

/// Objects that are there for the form, on which nobody has a right.
fn shared(call: &Call<'_>, arguments: &Arguments<'_>, privileges: Privileges) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    holds(asked, arguments.text(at + 1), privileges)
}

/// Whether a role has another's rights: its own, and an owner everybody's.
fn member(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (asked, at) = asked(call, arguments, 2)?;
    let role = match arguments.at(at) {
        Argument::Text(name) => Some(role_named(call, name)?),
        _ => call
            .model()
            .roles
            .iter()
            .find(|role| role.oid == arguments.oid(at)),
    };
    let Some(role) = role else { return Ok(Cell::Null) };
    for wanted in arguments.text(at + 1).split(',') {
        let wanted = wanted.trim().to_ascii_uppercase();
        let name = wanted
            .strip_suffix("WITH ADMIN OPTION")
            .or_else(|| wanted.strip_suffix("WITH GRANT OPTION"));
        if !["USAGE", "MEMBER"].contains(&name.unwrap_or(&wanted).trim_end()) {
            return Err(unrecognized(arguments.text(at + 1)));
        }
    }
    Ok(Cell::Bool(
        asked.is_some_and(|asked| asked.owner || asked.oid == role.oid),
    ))
}
