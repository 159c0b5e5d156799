//! Calls of functions as the planner and the executor make them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use perennial_base::FixedClock;
use perennial_engine::description::{SessionFacts, SystemCatalog};

use super::Relations;
use super::fixture::Session;
use crate::catalog::PgCatalog;

pub(super) fn catalog() -> PgCatalog {
    PgCatalog::new(Arc::new(FixedClock::new(1_000_000)))
}

pub(super) fn find(session: &Arc<Session>, name: &str) -> ScalarUDF {
    let facts: Arc<dyn SessionFacts> = session.clone();
    catalog()
        .functions(facts)
        .into_iter()
        .find(|function| function.name() == name)
        .unwrap()
}

/// Calls a function as the planner and the executor do: coercion, return field, evaluation.
pub(super) fn call(
    session: &Arc<Session>,
    name: &str,
    arguments: Vec<ColumnarValue>,
    rows: usize,
) -> Result<ArrayRef, String> {
    let fields = arguments
        .iter()
        .map(|argument| Arc::new(Field::new("a", argument.data_type(), true)))
        .collect();
    call_with(session, name, arguments, fields, rows)
}

pub(super) fn call_with(
    session: &Arc<Session>,
    name: &str,
    arguments: Vec<ColumnarValue>,
    arg_fields: Vec<FieldRef>,
    rows: usize,
) -> Result<ArrayRef, String> {
    let function = find(session, name);
    let types: Vec<DataType> = arguments.iter().map(ColumnarValue::data_type).collect();
    let coerced = function.coerce_types(&types).map_err(|error| error.to_string())?;
    let args: Vec<ColumnarValue> = arguments
        .iter()
        .zip(&coerced)
        .map(|(argument, to)| argument.cast_to(to, None).unwrap())
        .collect();
    let arg_fields: Vec<FieldRef> = arg_fields
        .into_iter()
        .zip(&coerced)
        .map(|(field, to)| Arc::new(field.as_ref().clone().with_data_type(to.clone())))
        .collect();
    let scalars = vec![None; args.len()];
    let return_field = function
        .return_field_from_args(ReturnFieldArgs {
            arg_fields: &arg_fields,
            scalar_arguments: &scalars,
        })
        .unwrap();
    let expected = return_field.data_type().clone();
    let config_options = Arc::new(ConfigOptions::default());
    let answer = function
        .invoke_with_args(ScalarFunctionArgs {
            args,
            arg_fields,
            number_rows: rows,
            return_field,
            config_options,
        })
        .map_err(|error| error.to_string())?;
    let answer = answer.into_array(rows).map_err(|error| error.to_string())?;
    assert_eq!((answer.data_type(), answer.len()), (&expected, rows), "{name}");
    Ok(answer)
}

pub(super) fn text(value: &str) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

pub(super) fn int(value: i64) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

pub(super) fn boolean(value: bool) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

pub(super) fn null() -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::Null)
}

#[track_caller]
pub(super) fn check_as(
    session: &Arc<Session>,
    name: &str,
    arguments: Vec<ColumnarValue>,
    expected: Option<&str>,
) {
    let answer = call(session, name, arguments, 1).unwrap();
    let shown = answer
        .is_valid(0)
        .then(|| array_value_to_string(&answer, 0).unwrap());
    assert_eq!(shown.as_deref(), expected, "{name}");
}

#[track_caller]
pub(super) fn check(name: &str, arguments: Vec<ColumnarValue>, expected: Option<&str>) {
    check_as(&Session::of("analyst"), name, arguments, expected);
}

#[track_caller]
pub(super) fn check_error(name: &str, arguments: Vec<ColumnarValue>, expected: &str) {
    let error = call(&Session::of("analyst"), name, arguments, 1).unwrap_err();
    assert!(error.contains(expected), "{name}: {error}");
}

/// The identifier of a row of the fixture's catalog.
pub(super) fn oid_of(relation: &str, column: &str, name: &str) -> i64 {
    let relations = Relations::of(&super::description());
    relations.select(relation, &["oid"], column, name)[0][0]
        .parse()
        .unwrap()
}
