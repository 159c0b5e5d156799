//! What Postgres computes otherwise than the engine: functions behind operators and casts, and functions that take the
//! place of the engine's own.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use crate::error::Error;

pub(crate) mod integers;
pub(crate) mod round;
pub(crate) mod similar;
pub(crate) mod timezone;

/// All of them; registered behind the engine's own functions.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = integers::functions();
    all.extend([round::function(), similar::function(), timezone::function()]);
    all
}

/// An error with a class of its own, on its way through the engine.
fn raised(class: ErrorClass, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(class, message)))
}
