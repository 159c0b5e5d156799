//! What Postgres computes otherwise than the engine: functions behind operators and casts, and functions that take the
//! place of the engine's own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use perennial_base::ErrorClass;

use crate::error::Error;

pub(crate) mod integers;
pub(crate) mod json;
pub(crate) mod like;
pub(crate) mod round;
pub(crate) mod similar;
pub(crate) mod timezone;

/// All of them; registered behind the engine's own functions.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = integers::functions();
    all.extend([
        json::function(),
        like::function(),
        round::function(),
        similar::function(),
        timezone::function(),
    ]);
    all
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
