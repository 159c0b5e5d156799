//! `like_escape(pattern, escape)`: a pattern of LIKE with the backslash in the place of its escape character, as in Postgres.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::escape_character;
use super::rowwise::{Call, Form, Function, Taken, form};

/// Its name.
pub(crate) const NAME: &str = "like_escape";

/// The function.
pub(super) fn function() -> Arc<ScalarUDF> {
    const FORMS: &[Form] = &[form(&[Taken::Text, Taken::Text], of_rows)];
    Function::new(NAME, FORMS, |_| DataType::Utf8).udf()
}

fn of_rows(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| match (call.text(0, row), call.text(1, row)) {
        (Some(pattern), Some(escape)) => Ok(Some(escaped(pattern, escape_character(escape)?))),
        _ => Ok(None),
    })
}

/// What stands behind the escape character stands for itself; so does every backslash, unless it is the escape character.
fn escaped(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(next) = chars.next() {
        let literal = match next {
            next if Some(next) == escape => chars.next().unwrap_or(next),
            '\\' => next,
            other => {
                out.push(other);
                continue;
            }
        };
        if matches!(literal, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(literal);
    }
    out
}
