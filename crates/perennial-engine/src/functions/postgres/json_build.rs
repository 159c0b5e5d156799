//! JSON of values: `to_json`, `row_to_json`, the builders, and what stands behind `json_agg` and `json_object_agg`.
//!
//! What a value is in JSON the front says, as it does of texts: `rules::casts` puts its writer around each argument that
//! [`written_as`] names. A value that comes without is of a simple type, in a plan of our own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::document::{self, quoted};
use super::rowwise::{Body, Call, Form, Function, Taken, Typed, form};
use crate::error::Error;
use crate::schema::PG_TYPE;

/// The elements of `json_agg`; with a second argument those that have parts, each in a line of its own.
pub(crate) const ELEMENT: &str = "perennial_json_element";
/// The members of `json_object_agg`.
pub(crate) const MEMBER: &str = "perennial_json_member";
/// Elements and members between their brackets.
pub(crate) const ARRAY: [&str; 2] = ["perennial_json_array", "perennial_jsonb_array"];
pub(crate) const OBJECT: [&str; 2] = ["perennial_json_object", "perennial_jsonb_object"];
/// A text as a document.
pub(crate) const READ: [&str; 2] = ["perennial_json", "perennial_jsonb"];

/// What an argument has to be written as before a function takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Text,
    Json,
}

/// What the argument at a place is written as.
pub(crate) fn written_as(function: &str, place: usize) -> Option<Written> {
    let text = |text: bool| if text { Written::Text } else { Written::Json };
    match function {
        "concat" | "concat_ws" | "format" => Some(Written::Text),
        "json_build_object" | "jsonb_build_object" => Some(text(place.is_multiple_of(2))),
        MEMBER => Some(text(place == 0)),
        "json_build_array" | "jsonb_build_array" | "to_json" | "to_jsonb" => Some(Written::Json),
        ELEMENT | "row_to_json" | "array_to_json" => (place == 0).then_some(Written::Json),
        _ => None,
    }
}

fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

const fn json(name: &'static str, forms: &'static [Form]) -> Function {
    Function::new(name, forms, text).typed(Typed::As("json"))
}

const fn jsonb(name: &'static str, forms: &'static [Form]) -> Function {
    json(name, forms).typed(Typed::As("jsonb"))
}

const fn any_number(body: Body) -> Form {
    Form {
        takes: &[Taken::Any],
        variadic: true,
        body,
    }
}

/// The function of a name in [`READ`].
pub(crate) fn reader(name: &'static str) -> Arc<ScalarUDF> {
    const FORMS: &[Form] = &[form(&[Taken::Text], read)];
    let function = if name == READ[1] {
        jsonb(name, FORMS)
    } else {
        json(name, FORMS)
    };
    function.udf()
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Any, Bool, Text};
    const OBJECTS: &[Form] = &[any_number(object)];
    const ARRAYS: &[Form] = &[any_number(array)];
    const VALUE: Form = form(&[Any], value);
    const ALL: &[Function] = &[
        json("json_build_object", OBJECTS).of_any_number(),
        jsonb("jsonb_build_object", OBJECTS).of_any_number(),
        json("json_build_array", ARRAYS).of_any_number(),
        jsonb("jsonb_build_array", ARRAYS).of_any_number(),
        json("to_json", &[VALUE]),
        jsonb("to_jsonb", &[VALUE]),
        json("row_to_json", &[VALUE, form(&[Any, Bool], in_lines)]),
        json("array_to_json", &[VALUE]),
        json(ELEMENT, &[form(&[Any], element), form(&[Any, Bool], element)]),
        json(MEMBER, &[form(&[Any, Any], member)]),
        json(ARRAY[0], &[form(&[Text], gathered)]),
        jsonb(ARRAY[1], &[form(&[Text], gathered)]),
        json(OBJECT[0], &[form(&[Text], gathered_members)]),
        jsonb(OBJECT[1], &[form(&[Text], gathered_members)]),
        json(READ[0], &[form(&[Text], read)]),
        jsonb(READ[1], &[form(&[Text], read)]),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// An argument as JSON, NULL for NULL.
fn document(call: &Call<'_>, place: usize) -> Result<StringArray> {
    let column = &call.columns[place];
    let texts = cast(column, &DataType::Utf8)?.as_string::<i32>().clone();
    let named = call
        .fields
        .get(place)
        .and_then(|field| field.metadata().get(PG_TYPE));
    if named.is_some_and(|name| name.starts_with("json")) {
        return Ok(texts);
    }
    let bare = column.data_type().is_numeric() || column.data_type() == &DataType::Boolean;
    // Numbers that JSON does not have, such as NaN, are text.
    let fits = |text: &str| bare && document::read(text).is_ok();
    Ok(texts
        .iter()
        .map(|text| text.map(|text| if fits(text) { text.to_owned() } else { quoted(text) }))
        .collect())
}

fn documents(call: &Call<'_>) -> Result<Vec<StringArray>> {
    (0..call.columns.len())
        .map(|place| document(call, place))
        .collect()
}

fn at(texts: &StringArray, row: usize) -> Option<&str> {
    let row = if texts.len() == 1 { 0 } else { row };
    texts.is_valid(row).then(|| texts.value(row))
}

/// What was made, in the form of the type that the function gives.
fn given(call: &Call<'_>, made: String) -> Result<Option<String>> {
    Ok(Some(if call.gives_jsonb() {
        document::read(&made)?.jsonb()
    } else {
        made
    }))
}

fn value(call: &Call<'_>) -> Result<ArrayRef> {
    let values = document(call, 0)?;
    call.texts(|row| match at(&values, row) {
        Some(value) => given(call, value.to_owned()),
        None => Ok(None),
    })
}

fn read(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| match call.text(0, row) {
        Some(text) => document::stored(text, call.gives_jsonb()).map(Some),
        None => Ok(None),
    })
}

/// With a line for each member, where that is asked for.
fn in_lines(call: &Call<'_>) -> Result<ArrayRef> {
    let values = document(call, 0)?;
    let lines = call.columns[1].as_boolean();
    call.texts(|row| {
        let Some(value) = at(&values, row).filter(|_| lines.is_valid(row)) else {
            return Ok(None);
        };
        if !lines.value(row) {
            return Ok(Some(value.to_owned()));
        }
        let node = document::read(value)?;
        let document::Json::Object(members) = &node.value else {
            return Ok(Some(value.to_owned()));
        };
        let members: Vec<String> = members
            .iter()
            .map(|(key, node)| format!("{}:{}", quoted(key), node.raw))
            .collect();
        Ok(Some(format!("{{{}}}", members.join(",\n "))))
    })
}

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let values = documents(call)?;
    call.texts(|row| {
        let values: Vec<&str> = values
            .iter()
            .map(|value| at(value, row).unwrap_or("null"))
            .collect();
        given(call, format!("[{}]", values.join(", ")))
    })
}

/// The keys of an object: the text of what is given.
fn keys(call: &Call<'_>, place: usize) -> Result<StringArray> {
    let column = &call.columns[place];
    let named = call
        .fields
        .get(place)
        .and_then(|field| field.metadata().get(PG_TYPE));
    if column.data_type().is_nested() || named.is_some_and(|name| name.starts_with("json")) {
        return Err(refused(
            "key value must be scalar, not array, composite, or json",
            None,
        ));
    }
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn object(call: &Call<'_>) -> Result<ArrayRef> {
    if !call.columns.len().is_multiple_of(2) {
        let name = if call.gives_jsonb() { "jsonb" } else { "json" };
        let hint =
            format!("The arguments of {name}_build_object() must consist of alternating keys and values.");
        return Err(refused(
            "argument list must have even number of elements",
            Some(&hint),
        ));
    }
    let mut members = Vec::with_capacity(call.columns.len() / 2);
    for place in (0..call.columns.len()).step_by(2) {
        members.push((keys(call, place)?, document(call, place + 1)?));
    }
    call.texts(|row| {
        let mut written = Vec::with_capacity(members.len());
        for (place, (keys, values)) in members.iter().enumerate() {
            let Some(key) = at(keys, row) else {
                let message = format!("argument {} cannot be null", 2 * place + 1);
                return Err(refused(&message, Some("Object keys should be text.")));
            };
            written.push(format!("{} : {}", quoted(key), at(values, row).unwrap_or("null")));
        }
        given(call, format!("{{{}}}", written.join(", ")))
    })
}

fn element(call: &Call<'_>) -> Result<ArrayRef> {
    let values = document(call, 0)?;
    let start = if call.columns.len() > 1 { "\n " } else { "" };
    call.texts(|row| Ok(Some(format!("{start}{}", at(&values, row).unwrap_or("null")))))
}

fn member(call: &Call<'_>) -> Result<ArrayRef> {
    let (keys, values) = (keys(call, 0)?, document(call, 1)?);
    call.texts(|row| {
        let Some(key) = at(&keys, row) else {
            return Err(refused("field name must not be null", None));
        };
        Ok(Some(format!(
            "{} : {}",
            quoted(key),
            at(&values, row).unwrap_or("null")
        )))
    })
}

fn gathered(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| match call.text(0, row) {
        // The first element stands in the line of the bracket.
        Some(elements) => given(
            call,
            format!("[{}]", elements.strip_prefix("\n ").unwrap_or(elements)),
        ),
        None => Ok(None),
    })
}

fn gathered_members(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| match call.text(0, row) {
        Some(members) => given(call, format!("{{ {members} }}")),
        None => Ok(None),
    })
}

fn refused(message: &str, hint: Option<&str>) -> DataFusionError {
    let error = Error::new(ErrorClass::InvalidArgument, message);
    let error = match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    };
    DataFusionError::External(Box::new(error))
}
