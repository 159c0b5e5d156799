//! `similar_to_escape(pattern [, escape])`: the regular expression of a pattern of SIMILAR TO, as in Postgres.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::{escape_character, of_texts};

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
        of_texts(&arguments, |texts| match texts {
            [pattern, escape] => Ok(regex(pattern, escape_character(escape)?)),
            texts => Ok(regex(texts.first().unwrap_or(&""), Some('\\'))),
        })
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
