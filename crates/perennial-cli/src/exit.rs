//! Exit codes: whose turn it is.

use std::fmt;
use std::io::{self, ErrorKind};

use perennial_base::config::ConfigErrors;
use perennial_base::{ErrorClass, UserError};

use crate::show;

/// Done.
pub(crate) const DONE: u8 = 0;
/// The user's input.
pub(crate) const INPUT: u8 = 1;
/// The command line.
pub(crate) const USAGE: u8 = 2;
/// The environment: store, port, disk.
pub(crate) const ENVIRONMENT: u8 = 3;
/// A defect of ours.
pub(crate) const DEFECT: u8 = 70;
/// Ctrl-C before the work was done, as shells say it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The user has ended the work before it was done.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// The lake that an error is about.
#[derive(Debug)]
pub(crate) struct InLake(pub(crate) String);

impl fmt::Display for InLake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lake \"{}\" cannot be used", self.0)
    }
}

/// The statement that an error is about.
#[derive(Debug)]
pub(crate) struct InStatement(pub(crate) String);

impl fmt::Display for InStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the statement failed: {}", self.0)
    }
}

/// The line of a statement with the character at a position, counted from 1, and a mark below it.
fn pointed(statement: &str, position: usize) -> Option<String> {
    let mut before = position.checked_sub(1)?;
    for (number, line) in (1..).zip(statement.split('\n')) {
        let length = line.chars().count();
        if before <= length {
            let label = format!("LINE {number}: ");
            let indent = " ".repeat(label.len() + before);
            return Some(format!("{label}{line}\n{indent}^"));
        }
        before -= length + 1;
    }
    None
}

/// Shows an error and gives its exit code.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        for (problem, hint) in errors.told() {
            show::problem(&problem, None, hint.as_deref());
        }
        if let Some(rest) = errors.rest() {
            show::note(&rest);
        }
        return code(errors.class());
    }
    if error.is::<Interrupted>() {
        show::note(&error.to_string());
        return INTERRUPTED;
    }
    let known: Option<&dyn UserError> = error
        .downcast_ref::<perennial_unify::Error>()
        .map(|error| error as &dyn UserError)
        .or_else(|| {
            error
                .downcast_ref::<perennial_engine::Error>()
                .map(|error| error as &dyn UserError)
        })
        .or_else(|| {
            error
                .downcast_ref::<perennial_lake::Error>()
                .map(|error| error as &dyn UserError)
        })
        .or_else(|| {
            error
                .downcast_ref::<perennial_pgserver::Error>()
                .map(|error| error as &dyn UserError)
        })
        .or_else(|| {
            error
                .downcast_ref::<perennial_demo::Error>()
                .map(|error| error as &dyn UserError)
        });
    match known {
        Some(known) => {
            let lake = error.downcast_ref::<InLake>();
            let code = told(known, lake.map(|InLake(url)| url.as_str()));
            let statement = error.downcast_ref::<InStatement>();
            if let (Some(InStatement(statement)), Some(position)) = (statement, known.position())
                && let Some(place) = pointed(statement, position)
            {
                show::text(&place);
            }
            code
        }
        None => {
            let cause = error.chain().skip(1).next_back().map(ToString::to_string);
            let full = matches!(
                kind_of_system(error),
                Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
            );
            let hint = full.then_some("Make room on the disk, or write to one that has some.");
            show::problem(&error.to_string(), cause.as_deref(), hint);
            code_of_system(error)
        }
    }
}

/// Shows an error of ours and gives its exit code. Paths in a lake are relative to it, so that its place is said too
/// when the store is at fault.
pub(crate) fn told(error: &dyn UserError, lake: Option<&str>) -> u8 {
    let (message, class) = (error.to_string(), error.class());
    let code = code(class);
    let place = lake
        .filter(|lake| code == ENVIRONMENT && !message.contains(lake))
        .map(|lake| format!("The lake is \"{lake}\"."));
    let detail = match (error.detail(), place) {
        (Some(detail), Some(place)) => Some(format!("{detail} {place}")),
        (detail, place) => detail.or(place),
    };
    let hint = error.hint().or_else(|| {
        (class == ErrorClass::UndefinedTable).then(|| {
            "SELECT table_schema, table_name FROM information_schema.tables shows what there is.".to_owned()
        })
    });
    show::problem(&message, detail.as_deref(), hint.as_deref());
    code
}

/// The exit code of a class.
fn code(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Internal => DEFECT,
        ErrorClass::Unavailable
        | ErrorClass::DiskFull
        | ErrorClass::OutOfMemory
        | ErrorClass::DamagedFile
        | ErrorClass::MissingFile
        | ErrorClass::Conflict
        | ErrorClass::Shutdown => ENVIRONMENT,
        _ => INPUT,
    }
}

/// What the operating system refuses, where it does.
fn kind_of_system(error: &anyhow::Error) -> Option<ErrorKind> {
    let mut causes = error.chain();
    causes
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

/// The exit code of what the operating system refuses: a name that leads nowhere is the user's.
fn code_of_system(error: &anyhow::Error) -> u8 {
    match kind_of_system(error) {
        None
        | Some(
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidData
            | ErrorKind::InvalidFilename,
        ) => INPUT,
        Some(_) => ENVIRONMENT,
    }
}
