//! `jsonb` made of `jsonb`: `||`, `-`, `#-`, `jsonb_set`, and documents without their nulls.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::document::{self, Json, Node, from_end, quoted};
use super::json::{path, unfit};
use super::rowwise::{Call, Function, Taken, Typed, form};

fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

const JOIN: Function = Function::new(
    "perennial_jsonb_concat",
    &[form(&[Taken::Text, Taken::Text], joined)],
    text,
)
.typed(Typed::As("jsonb"));
const WITHOUT: Function = Function::new(
    "perennial_jsonb_delete",
    &[
        form(&[Taken::Text, Taken::Text], |call| {
            without(call, |call, row| Some(vec![call.text(1, row)?.to_owned()]))
        }),
        form(&[Taken::Text, Taken::Texts], |call| {
            without(call, |call, row| path(call, 1, row))
        }),
        form(&[Taken::Text, Taken::Big], without_place),
    ],
    text,
)
.typed(Typed::As("jsonb"));
const WITHOUT_PATH: Function = Function::new(
    "perennial_jsonb_delete_path",
    &[
        form(&[Taken::Text, Taken::Texts], without_path),
        form(&[Taken::Text, Taken::Text], without_path),
    ],
    text,
)
.typed(Typed::As("jsonb"));

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Bool, Text, Texts};
    const ALL: &[Function] = &[
        JOIN,
        WITHOUT,
        WITHOUT_PATH,
        Function::new(
            "jsonb_set",
            &[
                form(&[Text, Texts, Text], set),
                form(&[Text, Texts, Text, Bool], set),
                form(&[Text, Text, Text], set),
                form(&[Text, Text, Text, Bool], set),
            ],
            text,
        )
        .typed(Typed::As("jsonb")),
        Function::new("json_strip_nulls", &[form(&[Text], stripped)], text).typed(Typed::As("json")),
        Function::new("jsonb_strip_nulls", &[form(&[Text], stripped)], text).typed(Typed::As("jsonb")),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// The function behind an operator whose left side is `jsonb`.
pub(crate) fn behind(op: &BinaryOperator) -> Option<Arc<ScalarUDF>> {
    Some(match op {
        BinaryOperator::StringConcat => JOIN.udf(),
        BinaryOperator::Minus => WITHOUT.udf(),
        BinaryOperator::HashMinus => WITHOUT_PATH.udf(),
        _ => return None,
    })
}

fn array<'a>(items: impl IntoIterator<Item = Node<'a>>) -> Node<'a> {
    Node {
        raw: "",
        value: Json::Array(items.into_iter().collect()),
    }
}

fn joined(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| {
        let (Some(one), Some(other)) = (call.text(0, row), call.text(1, row)) else {
            return Ok(None);
        };
        let (one, other) = (document::read(one)?, document::read(other)?);
        let whole = match (one.value, other.value) {
            (Json::Object(mut members), Json::Object(others)) => {
                members.extend(others);
                return Ok(Some(
                    Node {
                        raw: "",
                        value: Json::Object(members),
                    }
                    .jsonb(),
                ));
            }
            (one, other) => {
                let items = |raw, value| match value {
                    Json::Array(items) => items,
                    value => vec![Node { raw, value }],
                };
                array(items("", one).into_iter().chain(items("", other)))
            }
        };
        Ok(Some(whole.jsonb()))
    })
}

/// Without members of these keys, or texts among the elements.
fn without(call: &Call<'_>, keys: fn(&Call<'_>, usize) -> Option<Vec<String>>) -> Result<ArrayRef> {
    call.texts(|row| {
        let (Some(text), Some(keys)) = (call.text(0, row), keys(call, row)) else {
            return Ok(None);
        };
        let mut whole = document::read(text)?;
        match &mut whole.value {
            Json::Object(members) => members.retain(|(key, _)| !keys.contains(key)),
            Json::Array(items) => {
                items.retain(|item| !matches!(&item.value, Json::Text(text) if keys.contains(text)));
            }
            _ => return Err(unfit("cannot delete from scalar".to_owned())),
        }
        Ok(Some(whole.jsonb()))
    })
}

fn without_place(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| {
        let places = call
            .columns
            .get(1)
            .map(|places| places.as_primitive::<Int64Type>());
        let place = places
            .filter(|places| places.is_valid(row))
            .map(|places| places.value(row));
        let (Some(text), Some(place)) = (call.text(0, row), place) else {
            return Ok(None);
        };
        let mut whole = document::read(text)?;
        match &mut whole.value {
            Json::Array(items) => {
                if let Some(place) = from_end(place, items.len()).filter(|place| *place < items.len()) {
                    items.remove(place);
                }
            }
            Json::Object(_) => return Err(unfit("cannot delete from object using integer index".to_owned())),
            _ => return Err(unfit("cannot delete from scalar".to_owned())),
        }
        Ok(Some(whole.jsonb()))
    })
}

fn without_path(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| {
        let (Some(text), Some(path)) = (call.text(0, row), path(call, 1, row)) else {
            return Ok(None);
        };
        let mut whole = document::read(text)?;
        change(&mut whole, &path, None, false, 1, "cannot delete path in scalar")?;
        Ok(Some(whole.jsonb()))
    })
}

fn set(call: &Call<'_>) -> Result<ArrayRef> {
    let create = call.columns.get(3).map(|create| create.as_boolean().clone());
    call.texts(|row| {
        let creates = match &create {
            Some(create) if create.is_null(row) => return Ok(None),
            Some(create) => create.value(row),
            None => true,
        };
        let (Some(text), Some(path), Some(value)) =
            (call.text(0, row), path(call, 1, row), call.text(2, row))
        else {
            return Ok(None);
        };
        let (mut whole, value) = (document::read(text)?, document::read(value)?);
        change(
            &mut whole,
            &path,
            Some(&value),
            creates,
            1,
            "cannot set path in scalar",
        )?;
        Ok(Some(whole.jsonb()))
    })
}

/// Puts a value at the end of a path, or takes what is there away. `depth` is the place of the path's first step.
fn change<'a>(
    node: &mut Node<'a>,
    path: &[String],
    value: Option<&Node<'a>>,
    creates: bool,
    depth: usize,
    scalar: &str,
) -> Result<()> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(());
    };
    match &mut node.value {
        Json::Object(members) => {
            let found = members.iter().rposition(|(key, _)| key == step);
            match (found, value) {
                (Some(_), None) if rest.is_empty() => members.retain(|(key, _)| key != step),
                (Some(at), Some(value)) if rest.is_empty() => {
                    if let Some((_, member)) = members.get_mut(at) {
                        *member = value.clone();
                    }
                }
                (Some(at), _) => {
                    if let Some((_, member)) = members.get_mut(at)
                        && matches!(member.value, Json::Object(_) | Json::Array(_))
                    {
                        change(member, rest, value, creates, depth + 1, scalar)?;
                    }
                }
                (None, Some(value)) if rest.is_empty() && creates => {
                    members.push((step.clone(), value.clone()));
                }
                (None, _) => {}
            }
        }
        Json::Array(items) => {
            let place = step.parse::<i64>().map_err(|_| {
                unfit(format!(
                    "path element at position {depth} is not an integer: {}",
                    quoted(step)
                ))
            })?;
            let found = from_end(place, items.len()).filter(|at| *at < items.len());
            match (found, value) {
                (Some(at), None) if rest.is_empty() => {
                    items.remove(at);
                }
                (Some(at), value) => {
                    if let Some(item) = items.get_mut(at) {
                        match value {
                            Some(value) if rest.is_empty() => *item = value.clone(),
                            _ if matches!(item.value, Json::Object(_) | Json::Array(_)) => {
                                change(item, rest, value, creates, depth + 1, scalar)?;
                            }
                            _ => {}
                        }
                    }
                }
                (None, Some(value)) if rest.is_empty() && creates => {
                    let at = if place < 0 { 0 } else { items.len() };
                    items.insert(at, value.clone());
                }
                (None, _) => {}
            }
        }
        _ if depth == 1 => return Err(unfit(scalar.to_owned())),
        _ => {}
    }
    Ok(())
}

fn stripped(call: &Call<'_>) -> Result<ArrayRef> {
    let jsonb = call.gives_jsonb();
    call.texts(|row| {
        let Some(text) = call.text(0, row) else {
            return Ok(None);
        };
        let mut whole = document::read(text)?;
        strip(&mut whole);
        Ok(Some(if jsonb { whole.jsonb() } else { compact(&whole) }))
    })
}

fn strip(node: &mut Node<'_>) {
    match &mut node.value {
        Json::Object(members) => {
            members.retain(|(_, member)| member.value != Json::Null);
            members.iter_mut().for_each(|(_, member)| strip(member));
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Without blanks, members as they were written.
fn compact(node: &Node<'_>) -> String {
    match &node.value {
        Json::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, node)| format!("{}:{}", quoted(key), compact(node)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(compact).collect();
            format!("[{}]", items.join(","))
        }
        _ => node.raw.to_owned(),
    }
}
