//! What Postgres computes otherwise than the engine: functions behind operators and casts, and functions that take the
//! place of the engine's own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use perennial_base::ErrorClass;

use crate::error::Error;

mod avg;
pub(crate) mod integers;
pub(crate) mod intervals;
pub(crate) mod json;
mod json_object;
pub(crate) mod like;
mod numbers;
pub(crate) mod numeric;
mod pattern;
pub(crate) mod quotient;
pub(crate) mod round;
mod rowwise;
pub(crate) mod similar;
mod sum;
mod texts;
pub(crate) mod timezone;
pub(crate) mod zoned;

/// All functions of single rows; registered behind the engine's own functions.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = integers::functions();
    all.extend([
        json_object::function(),
        like::function(),
        similar::function(),
        timezone::function(),
        quotient::function(),
        numeric::function(),
    ]);
    all.extend(round::functions());
    all.extend(numbers::functions());
    all.extend(intervals::functions());
    all.extend(zoned::functions());
    all.extend(pattern::functions());
    all.extend(json::functions());
    all.extend(texts::functions());
    all
}

/// All aggregates, likewise.
pub(crate) fn aggregates() -> [Arc<AggregateUDF>; 2] {
    [sum::function(), avg::function()]
}

/// The answers of a function from texts to a text; NULL where an argument is.
fn of_texts(
    arguments: &ScalarFunctionArgs,
    answer: impl Fn(&[&str]) -> Result<String>,
) -> Result<ColumnarValue> {
    let scalar = arguments
        .args
        .iter()
        .all(|value| matches!(value, ColumnarValue::Scalar(_)));
    let rows = if scalar { 1 } else { arguments.number_rows };
    let texts = arguments
        .args
        .iter()
        .map(|value| Ok(cast(&value.to_array(rows)?, &DataType::Utf8)?))
        .collect::<Result<Vec<ArrayRef>>>()?;
    let of_row = |row: usize| -> Option<Vec<&str>> {
        let values = texts.iter().map(|texts| texts.as_string::<i32>());
        values
            .map(|values| values.is_valid(row).then(|| values.value(row)))
            .collect()
    };
    let answers = (0..rows)
        .map(|row| of_row(row).map(|texts| answer(&texts)).transpose())
        .collect::<Result<StringArray>>()?;
    let answers: ArrayRef = Arc::new(answers);
    Ok(if scalar {
        ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?)
    } else {
        ColumnarValue::Array(answers)
    })
}

/// The escape character of a pattern; none for the empty text.
fn escape_character(escape: &str) -> Result<Option<char>> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(raised(ErrorClass::InvalidArgument, "invalid escape string")),
    }
}

/// An error with a class of its own, on its way through the engine.
fn raised(class: ErrorClass, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(class, message)))
}
