//! The functions on the catalog and the session, family by family.

mod acl;
mod definitions;
mod names;
mod privileges;
mod session;
mod sizes;

use super::builtin::{ANY, type_named};
use super::function::SystemFunction;

/// Every function.
pub(crate) fn all() -> impl Iterator<Item = &'static SystemFunction> {
    [
        acl::FUNCTIONS,
        definitions::FUNCTIONS,
        names::FUNCTIONS,
        privileges::FUNCTIONS,
        session::FUNCTIONS,
        sizes::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// One list of arguments of a function, as `pg_proc` has it.
pub(crate) struct Documented {
    /// The function's name.
    pub(crate) name: &'static str,
    /// The types of its arguments.
    pub(crate) arguments: Vec<i64>,
    /// The type of its answer.
    pub(crate) result: i64,
}

impl Documented {
    /// What tells it apart from functions of the same name.
    pub(crate) fn key(&self) -> String {
        format!("{}{:?}", self.name, self.arguments)
    }
}

/// Every function once for each list of arguments, without the helpers of casts, which nobody calls by name.
pub(crate) fn documented() -> impl Iterator<Item = Documented> {
    all()
        .filter(|function| !function.name.starts_with("perennial_"))
        .flat_map(|function| {
            function.overloads.iter().map(|overload| Documented {
                name: function.name,
                arguments: overload.iter().map(|kind| kind.type_oid()).collect(),
                result: type_named(function.result).map_or(ANY, |built_in| built_in.oid),
            })
        })
}
