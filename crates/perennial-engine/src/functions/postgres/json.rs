//! Operators and functions on `json` and `jsonb`, which are kept as text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use perennial_base::ErrorClass;
use serde_json::Value;

use super::raised;
use super::rowwise::{Body, Call, Function, Taken, form};

fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

fn truth(_: &[DataType]) -> DataType {
    DataType::Boolean
}

const GET: Function = Function::new(
    "perennial_json_get",
    &[
        form(&[Taken::Text, Taken::Text], |call| found(call, by_key, shown)),
        form(&[Taken::Text, Taken::Big], |call| found(call, by_place, shown)),
    ],
    text,
);
const GET_TEXT: Function = Function::new(
    "perennial_json_get_text",
    &[
        form(&[Taken::Text, Taken::Text], |call| found(call, by_key, plain)),
        form(&[Taken::Text, Taken::Big], |call| found(call, by_place, plain)),
    ],
    text,
);
const PATH: Function = Function::new(
    "perennial_json_path",
    &[
        form(&[Taken::Text, Taken::Texts], |call| found(call, by_path, shown)),
        form(&[Taken::Text, Taken::Text], |call| found(call, by_path, shown)),
    ],
    text,
);
const PATH_TEXT: Function = Function::new(
    "perennial_json_path_text",
    &[
        form(&[Taken::Text, Taken::Texts], |call| found(call, by_path, plain)),
        form(&[Taken::Text, Taken::Text], |call| found(call, by_path, plain)),
    ],
    text,
);
const HAS: Function = Function::new(
    "perennial_json_has",
    &[form(&[Taken::Text, Taken::Text], has)],
    truth,
);

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const TYPE: Body =
        |call| call.texts(|row| Ok(value(call, row)?.as_ref().map(|value| kind(value).to_owned())));
    const ALL: &[Function] = &[
        GET,
        GET_TEXT,
        PATH,
        PATH_TEXT,
        HAS,
        Function::new("json_typeof", &[form(&[Taken::Text], TYPE)], text),
        Function::new("jsonb_typeof", &[form(&[Taken::Text], TYPE)], text),
        Function::new("json_array_length", &[form(&[Taken::Text], length)], |_| {
            DataType::Int32
        }),
        Function::new("jsonb_array_length", &[form(&[Taken::Text], length)], |_| {
            DataType::Int32
        }),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// The function behind an operator.
pub(crate) fn behind(op: &BinaryOperator) -> Option<Arc<ScalarUDF>> {
    Some(match op {
        BinaryOperator::Arrow => GET.udf(),
        BinaryOperator::LongArrow => GET_TEXT.udf(),
        BinaryOperator::HashArrow => PATH.udf(),
        BinaryOperator::HashLongArrow => PATH_TEXT.udf(),
        BinaryOperator::Question => HAS.udf(),
        _ => return None,
    })
}

fn value(call: &Call<'_>, row: usize) -> Result<Option<Value>> {
    let Some(text) = call.text(0, row) else {
        return Ok(None);
    };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|_| -> DataFusionError {
            raised(ErrorClass::InvalidText, "invalid input syntax for type json")
        })
}

type Step = for<'a> fn(&'a Value, &Call<'_>, usize) -> Option<&'a Value>;

fn found(call: &Call<'_>, step: Step, shown: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    call.texts(|row| {
        let whole = value(call, row)?;
        Ok(whole
            .as_ref()
            .and_then(|whole| step(whole, call, row))
            .and_then(shown))
    })
}

fn by_key<'a>(whole: &'a Value, call: &Call<'_>, row: usize) -> Option<&'a Value> {
    whole.as_object()?.get(call.text(1, row)?)
}

fn at(items: &[Value], place: i64) -> Option<&Value> {
    let place = if place < 0 {
        place + i64::try_from(items.len()).ok()?
    } else {
        place
    };
    items.get(usize::try_from(place).ok()?)
}

fn by_place<'a>(whole: &'a Value, call: &Call<'_>, row: usize) -> Option<&'a Value> {
    let places = call.columns.get(1)?.as_primitive::<Int64Type>();
    if places.is_null(row) {
        return None;
    }
    at(whole.as_array()?, places.value(row))
}

fn by_path<'a>(whole: &'a Value, call: &Call<'_>, row: usize) -> Option<&'a Value> {
    let path = call.columns.get(1)?;
    let steps: Vec<String> = if let Some(lists) = path.as_list_opt::<i32>() {
        if lists.is_null(row) {
            return None;
        }
        let items = lists.value(row);
        let items = items.as_string::<i32>();
        items
            .iter()
            .map(|item| item.map(str::to_owned))
            .collect::<Option<_>>()?
    } else {
        crate::rules::array_literal::elements(call.text(1, row)?)?
            .into_iter()
            .collect::<Option<_>>()?
    };
    steps.iter().try_fold(whole, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => at(items, step.parse().ok()?),
        _ => None,
    })
}

/// As `->>` gives it: text without its quotes, NULL for null.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => shown(other),
    }
}

/// As jsonb is written: a blank behind every colon and comma.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where `plain` may give nothing"
)]
fn shown(value: &Value) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out);
    Some(out)
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            // Shorter keys first, as jsonb keeps them.
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
            for (place, key) in keys.into_iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                if let Some(field) = fields.get(key) {
                    write(field, out);
                }
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn has(call: &Call<'_>) -> Result<ArrayRef> {
    let answers = (0..call.rows)
        .map(|row| {
            let (Some(whole), Some(key)) = (value(call, row)?, call.text(1, row)) else {
                return Ok(None);
            };
            Ok(Some(match &whole {
                Value::Object(fields) => fields.contains_key(key),
                Value::Array(items) => items.iter().any(|item| item.as_str() == Some(key)),
                other => other.as_str() == Some(key),
            }))
        })
        .collect::<Result<BooleanArray>>()?;
    Ok(Arc::new(answers))
}

fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let answers = (0..call.rows)
        .map(|row| match value(call, row)? {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(i32::try_from(items.len()).ok()),
            Some(other) => {
                let what = if other.is_object() {
                    "a non-array"
                } else {
                    "a scalar"
                };
                Err(raised(
                    ErrorClass::InvalidArgument,
                    format!("cannot get array length of {what}"),
                ))
            }
        })
        .collect::<Result<Int32Array>>()?;
    Ok(Arc::new(answers))
}
