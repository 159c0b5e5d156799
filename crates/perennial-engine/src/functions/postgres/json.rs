//! Operators and functions on `json` and `jsonb`, which are kept as text: `json` as it was written, `jsonb` as Postgres
//! shows it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use perennial_base::ErrorClass;

use super::document::{self, Json, Node};
use super::raised;
use super::rowwise::{Body, Call, Function, Taken, Typed, form};
use crate::schema::PG_TYPE;

fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

fn texts(_: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn truth(_: &[DataType]) -> DataType {
    DataType::Boolean
}

const GET: Function = Function::new(
    "perennial_json_get",
    &[
        form(&[Taken::Text, Taken::Text], |call| found(call, by_key, part)),
        form(&[Taken::Text, Taken::Big], |call| found(call, by_place, part)),
    ],
    text,
)
.typed(Typed::AsFirst);
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
        form(&[Taken::Text, Taken::Texts], |call| found(call, by_path, part)),
        form(&[Taken::Text, Taken::Text], |call| found(call, by_path, part)),
    ],
    text,
)
.typed(Typed::AsFirst);
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
const HAS_ANY: Function = Function::new(
    "perennial_json_has_any",
    &[form(&[Taken::Text, Taken::Texts], |call| has_keys(call, false))],
    truth,
);
const HAS_ALL: Function = Function::new(
    "perennial_json_has_all",
    &[form(&[Taken::Text, Taken::Texts], |call| has_keys(call, true))],
    truth,
);
const CONTAINS: Function = Function::new(
    "perennial_jsonb_contains",
    &[form(&[Taken::Text, Taken::Text], contains)],
    truth,
);

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const TYPE: Body = |call| {
        call.texts(|row| match call.text(0, row) {
            Some(text) => Ok(Some(document::read(text)?.kind().to_owned())),
            None => Ok(None),
        })
    };
    const PRETTY: Body = |call| {
        call.texts(|row| match call.text(0, row) {
            Some(text) => Ok(Some(document::read(text)?.pretty())),
            None => Ok(None),
        })
    };
    const LENGTH: fn(&[DataType]) -> DataType = |_| DataType::Int32;
    const ALL: &[Function] = &[
        GET,
        GET_TEXT,
        PATH,
        PATH_TEXT,
        HAS,
        HAS_ANY,
        HAS_ALL,
        CONTAINS,
        Function::new("json_typeof", &[form(&[Taken::Text], TYPE)], text),
        Function::new("jsonb_typeof", &[form(&[Taken::Text], TYPE)], text),
        Function::new("json_array_length", &[form(&[Taken::Text], length)], LENGTH),
        Function::new("jsonb_array_length", &[form(&[Taken::Text], length)], LENGTH),
        Function::new("jsonb_pretty", &[form(&[Taken::Text], PRETTY)], text),
        Function::new(
            "perennial_json_elements",
            &[form(&[Taken::Text, Taken::Text], |call| elements(call, false))],
            texts,
        ),
        Function::new(
            "perennial_json_elements_text",
            &[form(&[Taken::Text, Taken::Text], |call| elements(call, true))],
            texts,
        ),
        Function::new(
            "perennial_json_keys",
            &[form(&[Taken::Text, Taken::Text], |call| {
                of_members(call, |key, _| Some(key.to_owned()))
            })],
            texts,
        ),
        Function::new(
            "perennial_json_values",
            &[form(&[Taken::Text, Taken::Text], |call| {
                of_members(call, |_, node| Some(shown(call, node)))
            })],
            texts,
        ),
        Function::new(
            "perennial_json_values_text",
            &[form(&[Taken::Text, Taken::Text], |call| {
                of_members(call, |_, node| node.plain(|node| shown(call, node)))
            })],
            texts,
        ),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// The function behind an operator, and whether its sides are the other way round.
pub(crate) fn behind(op: &BinaryOperator) -> Option<(Arc<ScalarUDF>, bool)> {
    let function = match op {
        BinaryOperator::Arrow => GET,
        BinaryOperator::LongArrow => GET_TEXT,
        BinaryOperator::HashArrow => PATH,
        BinaryOperator::HashLongArrow => PATH_TEXT,
        BinaryOperator::Question => HAS,
        BinaryOperator::QuestionPipe => HAS_ANY,
        BinaryOperator::QuestionAnd => HAS_ALL,
        BinaryOperator::AtArrow | BinaryOperator::ArrowAt => CONTAINS,
        _ => return None,
    };
    Some((function.udf(), *op == BinaryOperator::ArrowAt))
}

/// Whether the first argument is `json`, which is passed on as it was written.
fn is_written(call: &Call<'_>) -> bool {
    let named = call
        .fields
        .first()
        .and_then(|field| field.metadata().get(PG_TYPE));
    named.is_some_and(|name| name == "json")
}

fn shown(call: &Call<'_>, node: &Node<'_>) -> String {
    if is_written(call) {
        node.raw.to_owned()
    } else {
        node.jsonb()
    }
}

type Step = for<'n, 'a> fn(&'n Node<'a>, &Call<'_>, usize) -> Option<&'n Node<'a>>;

fn found(call: &Call<'_>, step: Step, given: fn(&Call<'_>, &Node<'_>) -> Option<String>) -> Result<ArrayRef> {
    call.texts(|row| {
        let Some(text) = call.text(0, row) else {
            return Ok(None);
        };
        let whole = document::read(text)?;
        Ok(step(&whole, call, row).and_then(|node| given(call, node)))
    })
}

fn part(call: &Call<'_>, node: &Node<'_>) -> Option<String> {
    Some(shown(call, node))
}

fn plain(call: &Call<'_>, node: &Node<'_>) -> Option<String> {
    node.plain(|node| shown(call, node))
}

fn by_key<'n, 'a>(whole: &'n Node<'a>, call: &Call<'_>, row: usize) -> Option<&'n Node<'a>> {
    whole.member(call.text(1, row)?)
}

fn by_place<'n, 'a>(whole: &'n Node<'a>, call: &Call<'_>, row: usize) -> Option<&'n Node<'a>> {
    let places = call.columns.get(1)?.as_primitive::<Int64Type>();
    if places.is_null(row) {
        return None;
    }
    whole.element(places.value(row))
}

fn by_path<'n, 'a>(whole: &'n Node<'a>, call: &Call<'_>, row: usize) -> Option<&'n Node<'a>> {
    let steps = path(call, 1, row)?;
    steps.iter().try_fold(whole, |node, step| match &node.value {
        Json::Object(_) => node.member(step),
        Json::Array(_) => node.element(step.parse().ok()?),
        _ => None,
    })
}

/// A path, as an array or as the text of one.
pub(super) fn path(call: &Call<'_>, place: usize, row: usize) -> Option<Vec<String>> {
    let path = call.columns.get(place)?;
    let Some(lists) = path.as_list_opt::<i32>() else {
        return crate::rules::array_literal::elements(call.text(place, row)?)?
            .into_iter()
            .collect();
    };
    if lists.is_null(row) {
        return None;
    }
    let items = lists.value(row);
    let items = items.as_string::<i32>();
    items.iter().map(|item| item.map(str::to_owned)).collect()
}

fn truths(call: &Call<'_>, of: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
    let answers = (0..call.rows).map(of).collect::<Result<BooleanArray>>()?;
    Ok(Arc::new(answers))
}

/// Whether an object has a key, an array a text, or a text is the key.
fn has_key(whole: &Node<'_>, key: &str) -> bool {
    let is = |node: &Node<'_>| matches!(&node.value, Json::Text(text) if text == key);
    match &whole.value {
        Json::Object(_) => whole.member(key).is_some(),
        Json::Array(items) => items.iter().any(is),
        _ => is(whole),
    }
}

fn has(call: &Call<'_>) -> Result<ArrayRef> {
    truths(call, |row| {
        let (Some(text), Some(key)) = (call.text(0, row), call.text(1, row)) else {
            return Ok(None);
        };
        Ok(Some(has_key(&document::read(text)?, key)))
    })
}

/// Whether it has all of the keys, or any of them.
fn has_keys(call: &Call<'_>, all: bool) -> Result<ArrayRef> {
    truths(call, |row| {
        let (Some(text), Some(keys)) = (call.text(0, row), path(call, 1, row)) else {
            return Ok(None);
        };
        let whole = document::read(text)?;
        let mut each = keys.iter().map(|key| has_key(&whole, key));
        Ok(Some(if all {
            each.all(|has| has)
        } else {
            each.any(|has| has)
        }))
    })
}

fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    truths(call, |row| {
        let (Some(one), Some(other)) = (call.text(0, row), call.text(1, row)) else {
            return Ok(None);
        };
        Ok(Some(document::read(one)?.contains(&document::read(other)?)))
    })
}

fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let length = |row| {
        let Some(text) = call.text(0, row) else {
            return Ok(None);
        };
        let whole = document::read(text)?;
        match &whole.value {
            Json::Array(items) => Ok(i32::try_from(items.len()).ok()),
            _ => Err(unfit(format!("cannot get array length of {}", no_array(&whole)))),
        }
    };
    let answers = (0..call.rows).map(length).collect::<Result<Int32Array>>()?;
    Ok(Arc::new(answers))
}

fn no_array(node: &Node<'_>) -> &'static str {
    match &node.value {
        Json::Object(_) => "a non-array",
        _ => "a scalar",
    }
}

pub(super) fn unfit(message: String) -> DataFusionError {
    raised(ErrorClass::InvalidArgument, message)
}

/// What a document is made of, as a list; none for NULL.
fn lists<'c>(
    call: &'c Call<'_>,
    mut of: impl FnMut(Node<'c>, &str) -> Result<Vec<Option<String>>>,
) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let Some(text) = call.text(0, row) else {
            lists.append_null();
            continue;
        };
        let items = of(document::read(text)?, call.text(1, row).unwrap_or_default())?;
        lists.append_value(items);
    }
    Ok(Arc::new(lists.finish()))
}

fn elements(call: &Call<'_>, text: bool) -> Result<ArrayRef> {
    lists(call, |whole, called| match &whole.value {
        Json::Array(items) => Ok(items
            .iter()
            .map(|item| if text { plain(call, item) } else { part(call, item) })
            .collect()),
        _ => {
            let what = match &whole.value {
                Json::Object(_) if called.starts_with("jsonb") => "an object",
                _ => no_array(&whole),
            };
            Err(unfit(match what {
                "an object" => "cannot extract elements from an object".to_owned(),
                "a scalar" if called.starts_with("jsonb") => {
                    "cannot extract elements from a scalar".to_owned()
                }
                what => format!("cannot call {called} on {what}"),
            }))
        }
    })
}

fn of_members(call: &Call<'_>, of: impl Fn(&str, &Node<'_>) -> Option<String>) -> Result<ArrayRef> {
    lists(call, |whole, called| match &whole.value {
        Json::Object(all) if is_written(call) => Ok(all.iter().map(|(key, node)| of(key, node)).collect()),
        Json::Object(all) => Ok(document::members(all)
            .into_iter()
            .map(|(key, node)| of(key, node))
            .collect()),
        other => {
            let what = if matches!(other, Json::Array(_)) {
                "an array"
            } else {
                "a scalar"
            };
            Err(unfit(match called {
                "json_each" | "json_each_text" if what == "an array" => {
                    "cannot deconstruct an array as an object".to_owned()
                }
                "json_each" | "json_each_text" => "cannot deconstruct a scalar".to_owned(),
                "jsonb_each" | "jsonb_each_text" => format!("cannot call {called} on a non-object"),
                called => format!("cannot call {called} on {what}"),
            }))
        }
    })
}
