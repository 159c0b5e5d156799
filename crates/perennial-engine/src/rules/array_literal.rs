//! `array_column = '{1,2}'`: a text literal beside an array is an array, as Postgres reads it.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable};
use perennial_base::ErrorClass;

use crate::error::Error;

/// See the module.
#[derive(Debug)]
pub(crate) struct ArrayLiterals;

impl ExprPlanner for ArrayLiterals {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let left = expr.left.get_type(schema);
        let right = expr.right.get_type(schema);
        if let (Ok(DataType::List(item)), Some(text)) = (left, text_literal(&expr.right)) {
            expr.right = Expr::Literal(list(text, item.data_type())?, None);
        } else if let (Ok(DataType::List(item)), Some(text)) = (right, text_literal(&expr.left)) {
            expr.left = Expr::Literal(list(text, item.data_type())?, None);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn text_literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Some(text),
        _ => None,
    }
}

fn list(text: &str, item: &DataType) -> Result<ScalarValue> {
    let elements = elements(text).ok_or_else(|| {
        Error::new(
            ErrorClass::InvalidText,
            format!("malformed array literal: \"{text}\""),
        )
        .with_detail("An array literal is written as {a,b,c}.")
    })?;
    let values = elements
        .into_iter()
        .map(|element| match element {
            Some(element) => ScalarValue::Utf8(Some(element)).cast_to(item),
            None => ScalarValue::try_from(item),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, item)))
}

/// The elements of a one-dimensional array literal; none when it is malformed.
pub(crate) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut elements = Vec::new();
    let (mut element, mut quoted, mut inside) = (String::new(), false, false);
    let mut chars = inner.chars();
    loop {
        match chars.next() {
            Some('\\') => element.push(chars.next()?),
            Some('"') => {
                inside = !inside;
                quoted = true;
            }
            Some(next @ (',' | '{' | '}')) if !inside => {
                if next != ',' {
                    return None;
                }
                elements.push(finished(&mut element, &mut quoted)?);
            }
            Some(next) => element.push(next),
            None if inside => return None,
            None => {
                elements.push(finished(&mut element, &mut quoted)?);
                return Some(elements);
            }
        }
    }
}

/// An element, or none for NULL; nothing at all where no element stands.
fn finished(element: &mut String, quoted: &mut bool) -> Option<Option<String>> {
    let text = std::mem::take(element);
    if std::mem::take(quoted) {
        return Some(Some(text));
    }
    match text.trim() {
        "" => None,
        text => Some((!text.eq_ignore_ascii_case("null")).then(|| text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[Option<&str>]>) {
        let expected = expected.map(|elements| {
            elements
                .iter()
                .map(|element| element.map(str::to_owned))
                .collect()
        });
        assert_eq!(elements(text), expected, "{text}");
    }

    // What PostgreSQL 15 makes of the same literals as text[].
    #[test]
    fn literals_are_read_as_postgres_does() {
        check("{}", Some(&[]));
        check("{a, b }", Some(&[Some("a"), Some("b")]));
        check(
            r#"{"a,b","NULL",NULL,"x\"y"}"#,
            Some(&[Some("a,b"), Some("NULL"), None, Some("x\"y")]),
        );
        check("a,b", None);
        check("{\"a}", None);
        check("{a,,b}", None);
    }
}
