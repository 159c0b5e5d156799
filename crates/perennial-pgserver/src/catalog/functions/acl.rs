//! Lists of privileges: what an object has by default, and a list taken apart.

use std::borrow::Cow;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use perennial_base::ErrorClass;
use perennial_engine::error::{Error, Result};

use crate::catalog::cell::Cell;
use crate::catalog::function::{Argument, Arguments, Call, Kind, SystemFunction};
use crate::catalog::text::quote_identifier;

pub(super) const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction::reads("acldefault", &[&[Kind::Text, Kind::Oid]], "_aclitem", default),
    // The columns of aclexplode, an element for each row.
    SystemFunction::reads(
        "perennial_acl_grantors",
        &[&[Kind::Any]],
        "_oid",
        |call, arguments| ids(call, arguments, |privilege| privilege.grantor),
    ),
    SystemFunction::reads(
        "perennial_acl_grantees",
        &[&[Kind::Any]],
        "_oid",
        |call, arguments| ids(call, arguments, |privilege| privilege.grantee),
    ),
    SystemFunction::reads(
        "perennial_acl_privileges",
        &[&[Kind::Any]],
        "_text",
        |call, arguments| {
            let all = privileges(call, arguments);
            let names = all.into_iter().map(|privilege| Cow::Borrowed(privilege.name));
            Ok(Cell::Texts(names.collect()))
        },
    ),
    SystemFunction::reads(
        "perennial_acl_grantable",
        &[&[Kind::Any]],
        "_int4",
        |call, arguments| ids(call, arguments, |privilege| i64::from(privilege.grantable)),
    ),
];

/// Letters of privileges in the order of Postgres (acl.h).
const PRIVILEGES: [(char, &str); 14] = [
    ('a', "INSERT"),
    ('r', "SELECT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('T', "TEMPORARY"),
    ('c', "CONNECT"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// One row of `aclexplode`.
struct Privilege {
    grantor: i64,
    /// 0 = everybody.
    grantee: i64,
    name: &'static str,
    grantable: bool,
}

/// What everybody has by default, and the owner, as `acldefault` in acl.c.
fn default(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (everybody, owner) = match arguments.text(0) {
        "c" => ("", ""),
        "r" => ("", "arwdDxt"),
        "s" => ("", "rwU"),
        "d" => ("Tc", "CTc"),
        "f" => ("X", "X"),
        "l" | "T" => ("U", "U"),
        "L" => ("", "rw"),
        "n" => ("", "UC"),
        "p" => ("", "sA"),
        "t" => ("", "C"),
        "F" | "S" => ("", "U"),
        other => {
            let message = format!("unrecognized objtype abbreviation: {other}");
            return Err(Error::new(ErrorClass::InvalidArgument, message));
        }
    };
    let oid = arguments.oid(1);
    let role = call.model().roles.iter().find(|role| role.oid == oid);
    let role = role.map_or_else(|| oid.to_string(), |role| quote_identifier(&role.name));
    let item = |grantee: &str, privileges: &str| {
        (!privileges.is_empty()).then(|| Cow::Owned(format!("{grantee}={privileges}/{role}")))
    };
    let items = [item("", everybody), item(&role, owner)];
    Ok(Cell::Texts(items.into_iter().flatten().collect()))
}

fn ids(call: &Call<'_>, arguments: &Arguments<'_>, of: fn(&Privilege) -> i64) -> Result<Cell<'static>> {
    Ok(Cell::Ints(privileges(call, arguments).iter().map(of).collect()))
}

fn privileges(call: &Call<'_>, arguments: &Arguments<'_>) -> Vec<Privilege> {
    let Argument::List(items) = arguments.at(0) else {
        return Vec::new();
    };
    let Ok(items) = cast(items, &DataType::Utf8) else {
        return Vec::new();
    };
    let role = |name: &str| call.model().role(name).map_or(0, |role| role.oid);
    let mut privileges = Vec::new();
    for item in items.as_string::<i32>().iter().flatten() {
        let Some((grantee, given, grantor)) = parts(item) else {
            continue;
        };
        let (grantee, grantor) = (role(&grantee), role(&grantor));
        for (letter, name) in PRIVILEGES {
            if let Some((_, behind)) = given.split_once(letter) {
                privileges.push(Privilege {
                    grantor,
                    grantee,
                    name,
                    grantable: behind.starts_with('*'),
                });
            }
        }
    }
    privileges
}

/// Grantee, letters and grantor of `name=rw*/name`; a name in quotes is given without them.
fn parts(item: &str) -> Option<(String, &str, String)> {
    let end = match item.strip_prefix('"') {
        Some(quoted) => quoted.find("\"=")? + 2,
        None => item.find('=')?,
    };
    let (grantee, rest) = item.split_at_checked(end)?;
    let (letters, grantor) = rest.strip_prefix('=')?.split_once('/')?;
    let plain = |name: &str| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_owned(),
    };
    Some((plain(grantee), letters, plain(grantor)))
}
