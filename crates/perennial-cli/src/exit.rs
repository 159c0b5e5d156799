//! Exit codes: whose turn it is.

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

/// Shows an error and gives its exit code.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        show::text(&errors.to_string());
        return INPUT;
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
        Some(error) => {
            show::problem(
                &error.to_string(),
                error.detail().as_deref(),
                error.hint().as_deref(),
            );
            code(error.class())
        }
        None => {
            show::problem(&error.to_string(), None, None);
            INPUT
        }
    }
}

/// The exit code of a class.
pub(crate) fn code(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Internal => DEFECT,
        ErrorClass::Unavailable
        | ErrorClass::DiskFull
        | ErrorClass::OutOfMemory
        | ErrorClass::DamagedFile
        | ErrorClass::Conflict
        | ErrorClass::Shutdown => ENVIRONMENT,
        _ => INPUT,
    }
}
