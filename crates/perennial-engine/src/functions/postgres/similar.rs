//! `similar_to_escape(pattern [, escape])`: the regular expression of a pattern of SIMILAR TO, as in Postgres.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use perennial_base::ErrorClass;

use super::raised;

/// Its name.
pub(crate) const NAME: &str = "similar_to_escape";

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(SimilarToEscape {
        signature: Signature::one_of(
            vec![TypeSignature::String(1), TypeSignature::String(2)],
            Volatility::Immutable,
        ),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SimilarToEscape {
    signature: Signature,
}

impl ScalarUDFImpl for SimilarToEscape {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
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
        let text = |at: usize, row: usize| -> Option<&str> {
            let values = texts.get(at)?.as_string::<i32>();
            values.is_valid(row).then(|| values.value(row))
        };
        let regexes = (0..rows)
            .map(|row| {
                let Some(pattern) = text(0, row) else {
                    return Ok(None);
                };
                let escape = match texts.len() {
                    1 => Some('\\'),
                    _ => match text(1, row) {
                        Some(escape) => one(escape)?,
                        None => return Ok(None),
                    },
                };
                Ok(Some(regex(pattern, escape)))
            })
            .collect::<Result<StringArray>>()?;
        let regexes: ArrayRef = Arc::new(regexes);
        if scalar {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&regexes, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(regexes))
    }
}

/// The escape character; none for the empty text.
fn one(escape: &str) -> Result<Option<char>, DataFusionError> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(raised(ErrorClass::InvalidArgument, "invalid escape string")),
    }
}

/// `%` is any text, `_` any character, `|`, `*`, `+`, `?`, `{}`, `()` and `[]` as in a regular expression; all else stands
/// for itself. The whole text has to match.
fn regex(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("^(?:");
    let (mut chars, mut bracket) = (pattern.chars(), false);
    while let Some(next) = chars.next() {
        if Some(next) == escape {
            if let Some(literal) = chars.next() {
                push_literal(&mut out, literal);
            }
        } else if bracket {
            match next {
                ']' => bracket = false,
                '\\' | '[' => out.push('\\'),
                _ => {}
            }
            out.push(next);
        } else {
            match next {
                '%' => out.push_str("(?s:.*)"),
                '_' => out.push_str("(?s:.)"),
                // A group of a pattern is not one that captures.
                '(' => out.push_str("(?:"),
                '[' => {
                    bracket = true;
                    out.push('[');
                }
                '|' | '*' | '+' | '?' | '{' | '}' | ')' => out.push(next),
                literal => push_literal(&mut out, literal),
            }
        }
    }
    out.push_str(")$");
    out
}

fn push_literal(out: &mut String, literal: char) {
    if literal.is_ascii_punctuation() && literal != '_' {
        out.push('\\');
    }
    out.push(literal);
}
