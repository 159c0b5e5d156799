//! `like_escape(pattern, escape)`: a pattern of LIKE with the backslash in the place of its escape character, as in Postgres.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::{escape_character, of_texts};

/// Its name.
pub(crate) const NAME: &str = "like_escape";

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(LikeEscape {
        signature: Signature::new(TypeSignature::String(2), Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LikeEscape {
    signature: Signature,
}

impl ScalarUDFImpl for LikeEscape {
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
            [pattern, escape] => Ok(escaped(pattern, escape_character(escape)?)),
            texts => Ok(texts.concat()),
        })
    }
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
