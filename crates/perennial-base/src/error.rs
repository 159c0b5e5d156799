//! What an error means to the person who reads it: whose fault it is, and what to do about it.
//!
//! Every crate has one error enum that implements [`UserError`]. The class travels up through the engine
//! unchanged; only the Postgres front turns it into a SQLSTATE and only the command line into an exit code.

use std::error::Error;

/// What happened, as far as a caller has to tell cases apart.
///
/// The classes are as fine as the codes that Postgres clients act upon, and no finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The statement or file is not of the grammar.
    Syntax,
    /// A relation that does not exist, or that the role may not know of.
    UndefinedTable,
    /// A database other than the one served.
    UndefinedDatabase,
    /// A column that does not exist.
    UndefinedColumn,
    /// No function of that name takes these arguments.
    UndefinedFunction,
    /// A schema, setting, type or other named thing that does not exist.
    UndefinedObject,
    /// A column name that means more than one column.
    AmbiguousColumn,
    /// A name that is taken.
    DuplicateObject,
    /// A relation's name that is taken.
    DuplicateTable,
    /// A column that stands twice where it may stand once.
    DuplicateColumn,
    /// A definition that contradicts itself.
    InvalidDefinition,
    /// Something that others need.
    Dependents,
    /// A column outside of GROUP BY and of every aggregate.
    Grouping,
    /// Types that do not go together.
    TypeMismatch,
    /// A type that cannot be cast to another.
    CannotCoerce,
    /// A function that is called as one of another kind is, such as a window function without OVER.
    WrongObjectType,
    /// A window function, or a window, where none may stand.
    Windowing,
    /// A place in ORDER BY or GROUP BY that the select list does not have.
    InvalidColumnReference,
    /// A table name or alias that FROM has twice.
    DuplicateAlias,
    /// A regular expression that is none.
    InvalidRegex,
    /// A root or power that there is none of.
    InvalidPower,
    /// A logarithm that there is none of.
    InvalidLogarithm,
    /// Bounds or a number of buckets that there are none of.
    InvalidBucket,
    /// A LIMIT below zero.
    InvalidLimit,
    /// An OFFSET below zero.
    InvalidOffset,
    /// An argument, option or configured value outside of its domain.
    InvalidArgument,
    /// Text that is not a value of the type asked for.
    InvalidText,
    /// Text that is not a date or time.
    InvalidDatetime,
    /// A date or time outside of the range served.
    DatetimeOverflow,
    /// A number outside of its type's range.
    NumericOverflow,
    /// A division by zero.
    DivisionByZero,
    /// A scalar subquery that gave more than one row.
    Cardinality,
    /// Data that breaks a rule of the function that reads it.
    DataError,
    /// A text that is too long for its column.
    TooLong,
    /// A NULL where there may be none.
    NotNull,
    /// Something that is not served, and may be one day.
    Unsupported,
    /// A write to what can only be read.
    ReadOnly,
    /// The role lacks the right.
    PermissionDenied,
    /// A statement too deep or too large to plan.
    TooComplex,
    /// A value or result above a fixed bound.
    TooLarge,
    /// The memory budget is used up.
    OutOfMemory,
    /// The disk, or the spill budget, is full.
    DiskFull,
    /// No place for one more connection.
    TooManyConnections,
    /// A configured bound on something a session holds.
    LimitExceeded,
    /// Stopped by the user, a timeout or the other end.
    Cancelled,
    /// The server is going away.
    Shutdown,
    /// A store or service that does not answer as it should.
    Unavailable,
    /// A data file that was admitted and can no longer be read.
    DamagedFile,
    /// A data file that was admitted and is no longer there.
    MissingFile,
    /// A setting that cannot be changed now.
    FixedSetting,
    /// A parameter that the statement does not have.
    UndefinedParameter,
    /// An operation that the object's state does not allow.
    NotInState,
    /// A cursor name that is taken.
    DuplicateCursor,
    /// A prepared statement's name that is taken.
    DuplicateStatement,
    /// A savepoint that does not exist.
    UndefinedSavepoint,
    /// A statement that cannot run inside of a transaction.
    ActiveTransaction,
    /// A statement in a transaction that has failed before.
    TransactionAborted,
    /// A cursor that does not exist.
    UndefinedCursor,
    /// A prepared statement that does not exist.
    UndefinedStatement,
    /// A statement that only makes sense inside of a transaction.
    NoTransaction,
    /// Somebody else was faster; the same call may succeed now.
    Conflict,
    /// A defect of Perennial.
    Internal,
}

impl ErrorClass {
    /// Every class, for tests that must not forget one.
    pub const ALL: [Self; 62] = [
        Self::Syntax,
        Self::UndefinedTable,
        Self::UndefinedDatabase,
        Self::UndefinedColumn,
        Self::UndefinedFunction,
        Self::UndefinedObject,
        Self::AmbiguousColumn,
        Self::DuplicateObject,
        Self::DuplicateTable,
        Self::DuplicateColumn,
        Self::InvalidDefinition,
        Self::Dependents,
        Self::Grouping,
        Self::TypeMismatch,
        Self::CannotCoerce,
        Self::WrongObjectType,
        Self::Windowing,
        Self::InvalidColumnReference,
        Self::DuplicateAlias,
        Self::InvalidRegex,
        Self::InvalidPower,
        Self::InvalidLogarithm,
        Self::InvalidBucket,
        Self::InvalidLimit,
        Self::InvalidOffset,
        Self::InvalidArgument,
        Self::InvalidText,
        Self::InvalidDatetime,
        Self::DatetimeOverflow,
        Self::NumericOverflow,
        Self::DivisionByZero,
        Self::Cardinality,
        Self::DataError,
        Self::TooLong,
        Self::NotNull,
        Self::Unsupported,
        Self::ReadOnly,
        Self::PermissionDenied,
        Self::TooComplex,
        Self::TooLarge,
        Self::OutOfMemory,
        Self::DiskFull,
        Self::TooManyConnections,
        Self::LimitExceeded,
        Self::Cancelled,
        Self::Shutdown,
        Self::Unavailable,
        Self::DamagedFile,
        Self::MissingFile,
        Self::FixedSetting,
        Self::UndefinedParameter,
        Self::NotInState,
        Self::DuplicateCursor,
        Self::DuplicateStatement,
        Self::UndefinedSavepoint,
        Self::ActiveTransaction,
        Self::TransactionAborted,
        Self::UndefinedCursor,
        Self::UndefinedStatement,
        Self::NoTransaction,
        Self::Conflict,
        Self::Internal,
    ];
}

/// An error that can be shown to a user: `Display` is the primary message (lower case, no full stop, names in
/// double quotes), the rest is what Postgres shows below it.
pub trait UserError: Error {
    /// What happened.
    fn class(&self) -> ErrorClass;

    /// More facts, in full sentences.
    fn detail(&self) -> Option<String> {
        None
    }

    /// What to do about it, in full sentences.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Where in the statement, as a 1-based count of characters.
    fn position(&self) -> Option<usize> {
        None
    }
}

/// A number of things in words: `1 row`, `3 rows`; `what` is one of them, of those that take an s.
pub fn counted(number: impl Into<u64>, what: &str) -> String {
    match number.into() {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// The name in `known` that `name` was probably meant to be, if one is near enough to suggest: a third of the letters of the
/// shorter of the two may be wrong, and of names of one or two letters none.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within(name, known, |letters| letters / 3)
}

/// The same of columns, of which there are few to choose from: half of the letters may be wrong, and three at most, as in
/// Postgres (`updateFuzzyAttrMatchState`).
pub fn nearest_column<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within(name, known, |letters| (letters / 2).min(3))
}

fn nearest_within<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    wrong: impl Fn(usize) -> usize,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    let letters = name.chars().count();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= wrong(candidate.chars().count().min(letters)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_suggests_a_slip_and_nothing_far() {
        let known = ["record_key", "identifiers", "traits", "time"];
        assert_eq!(nearest("identifers", known), Some("identifiers"));
        assert_eq!(nearest("tmie", known), Some("time"));
        assert_eq!(nearest("colour", known), None);
        // Of three letters one may be wrong, of fewer none: nearly every short name is near to another one.
        assert_eq!(nearest("knd", ["kind", "name"]), Some("kind"));
        assert_eq!(nearest("mod", ["cos", "md5", "round"]), None);
        assert_eq!(nearest("ab", ["abs", "a", "cb"]), None);
        // Of columns more may be wrong.
        assert_eq!(nearest("amnt", ["amount", "time"]), None);
        assert_eq!(nearest_column("amnt", ["amount", "time"]), Some("amount"));
        assert_eq!(nearest_column("colour", known), None);
    }
}
