//! `similar_to_escape(pattern [, escape])`: the regular expression of a pattern of SIMILAR TO, as in Postgres.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::escape_character;
use super::rowwise::{Call, Form, Function, Taken, form};

/// Its name.
pub(crate) const NAME: &str = "similar_to_escape";

/// The function.
pub(super) fn function() -> Arc<ScalarUDF> {
    use Taken::Text;
    const FORMS: &[Form] = &[form(&[Text], by_backslash), form(&[Text, Text], by_character)];
    Function::new(NAME, FORMS, |_| DataType::Utf8).udf()
}

fn by_backslash(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| Ok(call.text(0, row).map(|pattern| regex(pattern, Some('\\')))))
}

fn by_character(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| match (call.text(0, row), call.text(1, row)) {
        (Some(pattern), Some(escape)) => Ok(Some(regex(pattern, escape_character(escape)?))),
        _ => Ok(None),
    })
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
