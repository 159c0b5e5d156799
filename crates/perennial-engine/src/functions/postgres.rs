//! What Postgres computes otherwise than the engine: functions behind operators and casts, and functions that take the
//! place of the engine's own.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use perennial_base::ErrorClass;

use crate::error::Error;

mod avg;
mod buckets;
mod document;
pub(crate) mod equals_any;
pub(crate) mod float;
mod growing;
mod identifiers;
pub(crate) mod integers;
pub(crate) mod intervals;
pub(crate) mod json;
pub(crate) mod json_build;
pub(crate) mod json_edit;
pub(crate) mod like;
pub(crate) mod matches;
mod moments;
mod now;
mod numbers;
pub(crate) mod numeric;
mod ordered_set;
mod pattern;
pub(crate) mod quotient;
pub(crate) mod record;
pub(crate) mod round;
mod rowwise;
pub(crate) mod similar;
mod small;
mod sum;
pub(crate) mod texts;
pub(crate) mod timezone;
pub(crate) mod typed;
pub(crate) mod undefined;
pub(crate) mod zoned;

/// All functions of single rows; registered behind the engine's own functions.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = integers::functions();
    all.extend([
        now::function(),
        like::function(),
        similar::function(),
        timezone::function(),
        equals_any::function(),
        float::function(),
        quotient::function(),
        numeric::function(),
        undefined::function(),
        buckets::function(),
    ]);
    all.extend(round::functions());
    all.extend(numbers::functions());
    all.extend(intervals::functions());
    all.extend(zoned::functions());
    all.extend(pattern::functions());
    all.extend(json::functions());
    all.extend(json_build::functions());
    all.extend(json_edit::functions());
    all.extend(texts::functions());
    all.extend(growing::functions());
    all.extend(record::functions());
    all.extend(small::functions());
    all.extend(moments::functions());
    all.extend(matches::functions());
    all.extend(identifiers::functions());
    all
}

/// All aggregates, likewise.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let every = bool_and_udaf().as_ref().clone().with_aliases(["every"]);
    let mut all = vec![sum::function(), avg::function(), Arc::new(every)];
    all.extend(ordered_set::functions());
    all
}

/// The escape character of a pattern; none for the empty text.
fn escape_character(escape: &str) -> Result<Option<char>> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(raised(ErrorClass::InvalidArgument, "invalid escape string")),
    }
}

/// A text as `json` keeps it, or as `jsonb` does where `binary`.
///
/// # Errors
/// Class `InvalidText` where it is no JSON.
pub fn document(text: &str, binary: bool) -> crate::Result<String> {
    Ok(document::stored(text, binary)?)
}

/// An error with a class of its own, on its way through the engine.
fn raised(class: ErrorClass, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(class, message)))
}
