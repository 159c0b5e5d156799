//! Statements as text and as trees: splitting, parsing, and what Postgres' grammar has that the planner lacks.

pub(crate) mod assignment;
mod brackets;
pub(crate) mod calls;
pub(crate) mod depth;
mod dialect;
pub(crate) mod fetch;
pub(crate) mod floats;
pub(crate) mod from;
pub(crate) mod literals;
pub(crate) mod modes;
pub(crate) mod names;
pub(crate) mod normalise;
pub(crate) mod offset;
pub(crate) mod parse;
pub(crate) mod partitions;
pub(crate) mod places;
pub(crate) mod postgres;
pub(crate) mod precedence;
pub(crate) mod rows;
pub(crate) mod sets;
mod slip;
pub(crate) mod spelt;
pub(crate) mod subquery;
pub(crate) mod tableoid;
pub(crate) mod tables;
pub(crate) mod types;
pub(crate) mod undefined;
pub(crate) mod using;
pub(crate) mod whole_row;
pub(crate) mod windows;

pub use parse::Parsed;
