//! The engine's errors, and the one place where an engine error of DataFusion becomes one a user can read.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use perennial_base::error::{ErrorClass, UserError, nearest, nearest_column};
use perennial_udf_kit::FunctionError;

use crate::named::damage;

mod calls;
mod debug;
mod room;
mod types;
mod wording;

pub use perennial_udf_kit::parameters::type_name;
pub(crate) use room::too_long;
use room::{exhausted, io_error};
use types::named_in;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between a statement's text and its rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement that cannot be parsed, planned or run.
    #[error("{message}")]
    Statement {
        /// What happened.
        class: ErrorClass,
        /// The primary message.
        message: String,
        /// More facts.
        detail: Option<String>,
        /// What to do about it.
        hint: Option<String>,
        /// Where in the statement, 1-based characters.
        position: Option<usize>,
    },
    /// The statement was stopped.
    #[error("{0}")]
    Stopped(StopReason),
    /// A statement in a transaction that has failed.
    #[error("current transaction is aborted, commands ignored until end of transaction block")]
    TransactionAborted,
    /// A store that does not answer, or a snapshot that cannot be read.
    #[error(transparent)]
    Lake(#[from] perennial_lake::Error),
}

/// Why a statement was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// A cancel request or `pg_cancel_backend`.
    User,
    /// `statement_timeout`.
    Timeout,
    /// The client has closed its connection.
    ClientGone,
    /// The server is shutting down.
    Shutdown,
    /// `pg_terminate_backend`.
    Terminated,
    /// The process has more memory than it may have, and this statement has reserved most.
    Memory,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "canceling statement due to user request",
            Self::Timeout => "canceling statement due to statement timeout",
            Self::ClientGone => "connection to client lost",
            Self::Memory => "out of memory",
            Self::Shutdown | Self::Terminated => "terminating connection due to administrator command",
        })
    }
}

impl Error {
    /// An error of a class with a message.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self::Statement {
            class,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    /// An error of another crate as one of a statement.
    pub fn from_user(error: &impl UserError) -> Self {
        statement(error)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Statement { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Adds more facts.
    #[must_use]
    pub fn with_detail(mut self, text: impl Into<String>) -> Self {
        if let Self::Statement { detail, .. } = &mut self {
            *detail = Some(text.into());
        }
        self
    }

    /// Takes away where in the statement, of one that was not sent.
    #[must_use]
    pub(crate) fn without_position(mut self) -> Self {
        if let Self::Statement { position, .. } = &mut self {
            *position = None;
        }
        self
    }

    /// Adds where in the statement.
    #[must_use]
    pub fn with_position(mut self, at: usize) -> Self {
        if let Self::Statement { position, .. } = &mut self {
            *position = Some(at);
        }
        self
    }
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Statement { class, .. } => *class,
            Self::Stopped(StopReason::Shutdown | StopReason::Terminated) => ErrorClass::Shutdown,
            Self::Stopped(StopReason::Memory) => ErrorClass::OutOfMemory,
            Self::Stopped(_) => ErrorClass::Cancelled,
            Self::TransactionAborted => ErrorClass::TransactionAborted,
            Self::Lake(error) => error.class(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Statement { detail, .. } => detail.clone(),
            Self::Lake(error) => error.detail(),
            Self::Stopped(StopReason::Memory) => Some(
                "The server has come to have more memory than it may have, of which this statement had reserved most."
                    .to_owned(),
            ),
            Self::Stopped(_) | Self::TransactionAborted => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Statement {
                hint: None,
                class: ErrorClass::DivisionByZero,
                ..
            } => Some("NULLIF(x, 0) in place of a divisor x gives NULL.".to_owned()),
            Self::Statement { hint, .. } => hint.clone(),
            Self::Lake(error) => error.hint(),
            Self::Stopped(StopReason::Memory) => {
                Some("Select less, or try again when fewer statements run.".to_owned())
            }
            Self::Stopped(_) | Self::TransactionAborted => None,
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Statement { position, .. } => *position,
            _ => None,
        }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        translate(&error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        translate_arrow(&error)
    }
}

/// Reads a DataFusion error as Postgres would word it.
fn translate(error: &DataFusionError) -> Error {
    if let Some(own) = own_error(error) {
        return own;
    }
    if let Some(lake) = crate::pinned::lake_error(error) {
        return statement(lake);
    }
    let root = error.find_root();
    match root {
        DataFusionError::SchemaError(schema, _) => translate_schema(schema),
        DataFusionError::SQL(parser, _) => Error::new(ErrorClass::Syntax, parser.to_string()),
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::ParquetError(message) => damage(error, first_line(message)),
            arrow => translate_arrow(arrow),
        },
        DataFusionError::ResourcesExhausted(message) => exhausted(message),
        DataFusionError::NotImplemented(message) => wording::reworded(message)
            .unwrap_or_else(|| Error::new(ErrorClass::Unsupported, debug::told(first_line(message)))),
        // The text of a store can have paths of the server in it, and worse.
        DataFusionError::ObjectStore(store) => {
            statement(&perennial_lake::Error::store("read", "a data file", store))
        }
        DataFusionError::IoError(io) => io_error(io),
        DataFusionError::ParquetError(parquet) => damage(error, first_line(&parquet.to_string())),
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => translate_message(message),
        DataFusionError::Configuration(message) => {
            Error::new(ErrorClass::InvalidArgument, debug::told(first_line(message)))
        }
        DataFusionError::ExecutionJoin(join) => {
            let text = join.to_string();
            too_long(&text).unwrap_or_else(|| internal(&text))
        }
        other => {
            let text = other.strip_backtrace();
            match by_message(&text) {
                Some(error) => error,
                None => internal(&text),
            }
        }
    }
}

/// An error of another crate as one of a statement.
fn statement(error: &impl UserError) -> Error {
    Error::Statement {
        class: error.class(),
        message: error.to_string(),
        detail: error.detail(),
        hint: error.hint(),
        position: None,
    }
}

/// An error of ours that travelled through the engine as an external one.
fn own_error(error: &DataFusionError) -> Option<Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(DataFusionError::External(inner)) = current.downcast_ref::<DataFusionError>() {
            if let Some(function) = inner.downcast_ref::<FunctionError>() {
                return Some(statement(function));
            }
            if let Some(Error::Statement {
                class,
                message,
                detail,
                hint,
                position,
            }) = inner.downcast_ref::<Error>()
            {
                return Some(Error::Statement {
                    class: *class,
                    message: message.clone(),
                    detail: detail.clone(),
                    hint: hint.clone(),
                    position: *position,
                });
            }
        }
        source = current.source();
    }
    None
}

fn translate_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let shown = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", unquoted(&field.name)),
            };
            let error = Error::new(
                ErrorClass::UndefinedColumn,
                format!("column {shown} does not exist"),
            );
            let names = valid_fields.iter().map(|column| column.name.as_str());
            match nearest_column(&field.name, names) {
                Some(near) if near != field.name => error.with_hint(wording::column(near, valid_fields)),
                _ => error,
            }
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            ErrorClass::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            ErrorClass::AmbiguousColumn,
            format!("column reference \"{name}\" is ambiguous"),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => specified_twice(qualifier.table()),
    }
}

/// A name that FROM has twice.
pub(crate) fn specified_twice(name: &str) -> Error {
    Error::new(
        ErrorClass::DuplicateAlias,
        format!("table name \"{name}\" specified more than once"),
    )
}

fn translate_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(ErrorClass::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(detail) => {
            Error::new(ErrorClass::NumericOverflow, "value out of range").with_detail(sentence(detail))
        }
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ComputeError(message) => translate_message(message),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => translate(inner),
            None => translate_message(&inner.to_string()),
        },
        ArrowError::MemoryError(message) => exhausted(message),
        ArrowError::IoError(_, io) => io_error(io),
        ArrowError::ParquetError(message) => {
            Error::new(ErrorClass::DamagedFile, "a data file cannot be read").with_detail(first_line(message))
        }
        other => translate_message(&other.to_string()),
    }
}

fn translate_message(message: &str) -> Error {
    by_message(message).unwrap_or_else(|| {
        Error::new(
            ErrorClass::InvalidArgument,
            debug::told(first_line(strip_prefixes(message))),
        )
    })
}

/// DataFusion has one variant for many a planning fault; its wording tells them apart.
fn by_message(message: &str) -> Option<Error> {
    if let Some(error) = wording::reworded(message).or_else(|| too_long(message)) {
        return Some(error);
    }
    let message = strip_prefixes(message);
    let line = first_line(message);
    if let Some(rest) = line.strip_prefix("table '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        return Some(Error::new(
            ErrorClass::UndefinedTable,
            format!("relation \"{}\" does not exist", relation_name(name)),
        ));
    }
    if let Some(rest) = line
        .strip_prefix("table function '")
        .or_else(|| line.strip_prefix("Table function '"))
    {
        let name = rest.split('\'').next().unwrap_or(rest);
        return Some(undefined_function(name, message));
    }
    if let Some(rest) = line.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        return Some(undefined_function(name, message));
    }
    if line.contains("must be in GROUP BY")
        || line.contains("references non-aggregate values")
        || line.contains("must appear in the GROUP BY clause")
    {
        return Some(grouping(line));
    }
    if line.contains("Divide by zero") || line.contains("division by zero") {
        return Some(Error::new(ErrorClass::DivisionByZero, "division by zero"));
    }
    if line.contains("Overflow happened") || line.contains("overflow") && !line.contains("stack") {
        return Some(
            Error::new(ErrorClass::NumericOverflow, "value out of range").with_detail(sentence(line)),
        );
    }
    if let Some(error) = invalid_text(line) {
        return Some(error);
    }
    if line.contains("Failed to coerce arguments")
        || line.contains("No function matches the given name and argument types")
        || line.contains("Error during planning: Function")
        || line.contains("does not support the input types")
        || line.contains("function signature")
        || line.contains("expects") && line.contains("arguments")
    {
        return Some(
            Error::new(ErrorClass::UndefinedFunction, debug::told(line)).with_hint(calls::NO_FUNCTION),
        );
    }
    if line.contains("Cannot infer common argument type")
        || line.contains("There isn't result type")
        || line.contains("cannot coerce")
        || line.contains("Unsupported CAST")
        || line.contains("Cannot coerce")
    {
        return Some(
            Error::new(ErrorClass::TypeMismatch, debug::told(line))
                .with_hint("You might need to add explicit type casts."),
        );
    }
    if line.contains("Too many rows") || line.contains("more than one row") {
        return Some(Error::new(
            ErrorClass::Cardinality,
            "more than one row returned by a subquery used as an expression",
        ));
    }
    if line.contains("Recursion") || line.contains("recursion limit") || line.contains("too deeply") {
        return Some(
            Error::new(ErrorClass::TooComplex, "statement is too complex").with_hint("Nest less deeply."),
        );
    }
    None
}

fn undefined_function(name: &str, message: &str) -> Error {
    let error = Error::new(
        ErrorClass::UndefinedFunction,
        format!("function {name} does not exist"),
    );
    if crate::functions::table::TABLE_FUNCTIONS
        .iter()
        .any(|function| function.name == name)
    {
        return error.with_hint(format!(
            "It gives a table and stands in FROM: SELECT * FROM {name}(…)."
        ));
    }
    // The planner names the nearest of all functions, however far that is.
    let named = message.split("Did you mean '").nth(1);
    let near = named.and_then(|rest| nearest(name, rest.split('\'').next()));
    match near {
        Some(near) => error.with_hint(format!("Perhaps you meant \"{near}\".")),
        None => error.with_hint(calls::NO_FUNCTION),
    }
}

fn grouping(line: &str) -> Error {
    let column = line
        .split("Expression ")
        .nth(1)
        .and_then(|rest| rest.split(" could not").next())
        .or_else(|| line.split('"').nth(1));
    match column {
        Some(column) => Error::new(
            ErrorClass::Grouping,
            format!(
                "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
                unquoted(column)
            ),
        ),
        None if line.starts_with("HAVING clause references") => Error::new(
            ErrorClass::Grouping,
            "HAVING has a column that must appear in the GROUP BY clause or be used in an aggregate function",
        ),
        None => Error::new(ErrorClass::Grouping, debug::told(line)),
    }
}

fn invalid_text(line: &str) -> Option<Error> {
    if let Some(rest) = line.strip_prefix("Error parsing timestamp from '") {
        let value = rest.split('\'').next()?;
        return Some(Error::new(
            ErrorClass::InvalidDatetime,
            format!("invalid input syntax for type timestamp: \"{value}\""),
        ));
    }
    for (start, class, type_name) in [("Cannot parse string '", ErrorClass::InvalidDatetime, "date")] {
        if let Some(rest) = line.strip_prefix(start) {
            let value = rest.split('\'').next()?;
            return Some(Error::new(
                class,
                format!("invalid input syntax for type {type_name}: \"{value}\""),
            ));
        }
    }
    if let Some((_, target)) = line
        .strip_prefix("Can't cast value ")
        .and_then(|rest| rest.rsplit_once(" to type "))
    {
        let target = input_type(target.trim_end_matches('.'));
        return Some(Error::new(
            ErrorClass::NumericOverflow,
            format!("{target} out of range"),
        ));
    }
    if let Some((_, target)) = line
        .strip_prefix("value of ")
        .and_then(|rest| rest.split_once(" is out of range "))
    {
        return Some(Error::new(
            ErrorClass::NumericOverflow,
            format!("{} out of range", input_type(target)),
        ));
    }
    if let Some(error) = wording::out_of_range(line) {
        return Some(error);
    }
    if line.starts_with("Invalid timezone") || line.contains("time zone") && line.contains("nvalid") {
        return Some(Error::new(ErrorClass::InvalidArgument, lower_first(line)));
    }
    None
}

fn internal(text: &str) -> Error {
    tracing::error!(error = text, "internal error");
    Error::new(ErrorClass::Internal, "internal error")
        .with_detail(sentence(first_line(text)))
        .with_hint("This is a defect of Perennial; the server's log has more.")
}

/// What stands between the start of a line and a middle, and what follows the middle.
fn between<'a>(line: &'a str, start: &str, middle: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(start)?.rsplit_once(middle)
}

fn strip_prefixes(message: &str) -> &str {
    let mut message = message.trim_start();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "Arrow error: ",
        "Cast error: ",
        "Parser error: ",
        "Invalid argument error: ",
        "Compute error: ",
        "Schema error: ",
        "Optimizer rule ",
    ] {
        if let Some(rest) = message.strip_prefix(prefix) {
            message = rest;
        }
    }
    message
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message).trim()
}

fn lower_first(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        // An acronym or a quoted name keeps its case.
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn unquoted(name: &str) -> String {
    name.replace('"', "")
}

/// The name a user wrote: the catalog and the schemas of the search path are left out.
fn relation_name(name: &str) -> &str {
    let name = name.strip_prefix("perennial.").unwrap_or(name);
    name.strip_prefix(crate::catalog::SEARCH_PATH)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(name)
}

/// A type that the planner names, as messages about values of it say it: those of Postgres leave out that there is no zone.
fn input_type(written: &str) -> String {
    match named_in(written) {
        name if name.starts_with("timestamp") => "timestamp".to_owned(),
        name if name.starts_with("time ") => "time".to_owned(),
        name => name,
    }
}
