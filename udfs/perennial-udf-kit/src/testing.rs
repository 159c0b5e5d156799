//! Helpers for the tests of functions: every case runs in every form in which an engine can hand over its arguments.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod documentation;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array},
    compute::{cast, concat, take},
    datatypes::{DataType, Field, FieldRef, Schema},
};
use datafusion_common::{DataFusionError, Result, ScalarValue, config::ConfigOptions};
use datafusion_expr::{
    Accumulator, AggregateUDF, ColumnarValue, EmitTo, GroupsAccumulator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, function::AccumulatorArgs, function::StateFieldsArgs,
};

pub use self::documentation::check_set;
use crate::error::FunctionError;

/// Calls a scalar function on arrays: plain, sliced out of longer ones, in every encoding of text, row by row as
/// constants, and in every place a column beside constants and a constant beside columns. Every form must give `expected`; no rows give none, and in every form nothing but nulls gives nulls.
#[track_caller]
pub fn check_scalar(function: &ScalarUDF, arguments: &[ArrayRef], expected: &ArrayRef) {
    check_forms(function, arguments, expected);
    let nothing: Vec<ArrayRef> = arguments.iter().map(|argument| argument.slice(0, 0)).collect();
    check_forms(function, &nothing, &expected.slice(0, 0));
    let null = new_null_array(expected.data_type(), expected.len());
    check_forms(function, &nulls(arguments), &null);
}

/// Every form in which arrays can be handed over gives `expected`.
#[track_caller]
fn check_forms(function: &ScalarUDF, arguments: &[ArrayRef], expected: &ArrayRef) {
    let plain = call(function, &columns(arguments), expected.len());
    assert_eq!(&array(plain, expected.len()), expected, "plain");
    let sliced: Vec<ArrayRef> = arguments.iter().map(sliced).collect();
    assert_eq!(
        &array(call(function, &columns(&sliced), expected.len()), expected.len()),
        expected,
        "sliced"
    );
    for encoding in text_encodings() {
        let encoded: Vec<ArrayRef> = arguments
            .iter()
            .map(|argument| encode(argument, &encoding))
            .collect();
        let answer = array(call(function, &columns(&encoded), expected.len()), expected.len());
        assert_eq!(&answer, expected, "{encoding}");
    }
    for row in 0..expected.len() {
        let constants: Vec<ColumnarValue> = arguments
            .iter()
            .map(|argument| ScalarValue::try_from_array(argument, row).map(ColumnarValue::Scalar))
            .collect::<Result<_>>()
            .expect("a scalar of an argument");
        let ColumnarValue::Scalar(answer) = call(function, &constants, 3).expect("an answer") else {
            panic!("constants give an array")
        };
        assert_eq!(
            answer,
            ScalarValue::try_from_array(expected, row).expect("a scalar"),
            "row {row} as constants"
        );
        check_mixed(function, &constants, &answer, row);
    }
}

/// In every place a column among constants, and a constant among columns, give `expected` for each row.
#[track_caller]
fn check_mixed(function: &ScalarUDF, constants: &[ColumnarValue], expected: &ScalarValue, row: usize) {
    const ROWS: usize = 3;
    if constants.len() < 2 {
        return;
    }
    let column = |constant: &ColumnarValue| {
        let values = constant.to_array(ROWS).expect("a column of a constant");
        ColumnarValue::Array(sliced(&values))
    };
    let expected = expected.to_array_of_size(ROWS).expect("a column of the answer");
    for place in 0..constants.len() {
        for (form, columns_elsewhere) in [("column", false), ("constant", true)] {
            let mixed: Vec<ColumnarValue> = constants
                .iter()
                .enumerate()
                .map(|(at, constant)| match (at == place) == columns_elsewhere {
                    true => constant.clone(),
                    false => column(constant),
                })
                .collect();
            assert_eq!(
                &array(call(function, &mixed, ROWS), ROWS),
                &expected,
                "row {row}, argument {place} as the only {form}"
            );
        }
    }
}

/// Calls a scalar function; the error must have this message.
#[track_caller]
pub fn check_scalar_error(function: &ScalarUDF, arguments: &[ArrayRef], message: &str) {
    let rows = arguments.first().map_or(1, |argument| argument.len());
    let error = call(function, &columns(arguments), rows).expect_err("the call succeeds");
    assert_eq!(own_message(&error), message);
}

/// Aggregates rows by group in every way an engine may: at once, in two parts that are merged, row by row as converted
/// states, with a filter, from slices, with groups emitted early, and group by group. Every way must give `expected`,
/// one value per group. Rows of nothing but nulls must give in every way what no rows give.
#[track_caller]
pub fn check_aggregate(
    function: &AggregateUDF,
    arguments: &[ArrayRef],
    groups: &[usize],
    expected: &ArrayRef,
) {
    check_ways(function, arguments, groups, expected);
    let nothing: Vec<ArrayRef> = arguments.iter().map(|argument| argument.slice(0, 0)).collect();
    let empty = aggregate(function, &nothing).and_then(|empty| empty.to_array_of_size(expected.len()));
    let empty = empty.expect("an answer without rows");
    check_ways(function, &nothing, &[], &empty);
    check_duplicates_and_order(function, arguments);
    check_ways(function, &nulls_of_groups(function, arguments), groups, &empty);
}

/// DISTINCT is refused, whichever accumulator an engine asks for, and the engine is told that it need not order the rows.
#[track_caller]
fn check_duplicates_and_order(function: &AggregateUDF, arguments: &[ArrayRef]) {
    let arguments = coerce_aggregate(function, arguments).expect("arguments that fit");
    let harness = Harness::new(function, &arguments);
    let distinct = || AccumulatorArgs {
        is_distinct: true,
        ..harness.arguments()
    };
    assert!(!function.groups_accumulator_supported(distinct()));
    let error = function.accumulator(distinct()).expect_err("DISTINCT is taken");
    assert_eq!(
        own_message(&error),
        format!(
            "DISTINCT is not supported for {}: every row counts",
            function.name()
        )
    );
    assert!(function.order_sensitivity().is_insensitive());
}

/// Every way in which an engine may aggregate gives `expected`.
#[track_caller]
fn check_ways(function: &AggregateUDF, arguments: &[ArrayRef], groups: &[usize], expected: &ArrayRef) {
    let arguments = coerce_aggregate(function, arguments).expect("arguments that fit");
    let harness = Harness::new(function, &arguments);
    let count = expected.len();

    let mut at_once = harness.groups();
    at_once
        .update_batch(&arguments, groups, None, count)
        .expect("an update");
    assert!(at_once.size() < 1 << 24, "size {}", at_once.size());
    assert_eq!(
        &at_once.evaluate(EmitTo::All).expect("an answer"),
        expected,
        "at once"
    );
    at_once
        .update_batch(&arguments, groups, None, count)
        .expect("an update after a reset");
    assert_eq!(
        &at_once.evaluate(EmitTo::All).expect("an answer"),
        expected,
        "after a reset"
    );

    let from_slices: Vec<ArrayRef> = arguments.iter().map(sliced).collect();
    let mut slices = harness.groups();
    slices
        .update_batch(&from_slices, groups, None, count)
        .expect("an update");
    assert_eq!(
        &slices.evaluate(EmitTo::All).expect("an answer"),
        expected,
        "from slices"
    );

    for parts in [1, 2] {
        let mut merged = harness.groups();
        for part in 0..parts {
            let rows: Vec<usize> = (0..groups.len()).filter(|row| row % parts == part).collect();
            let (values, groups) = pick(&arguments, groups, &rows);
            let mut partial = harness.groups();
            partial
                .update_batch(&values, &groups, None, count)
                .expect("an update");
            let state = partial.state(EmitTo::All).expect("a state");
            harness.check_state(&state);
            merged
                .merge_batch(&state, &(0..count).collect::<Vec<_>>(), count)
                .expect("a merge");
        }
        assert_eq!(
            &merged.evaluate(EmitTo::All).expect("an answer"),
            expected,
            "{parts} merged"
        );
    }

    let mut converted = harness.groups();
    let state = converted
        .convert_to_state(&arguments, None)
        .expect("states of rows");
    harness.check_state(&state);
    converted.merge_batch(&state, groups, count).expect("a merge");
    assert_eq!(
        &converted.evaluate(EmitTo::All).expect("an answer"),
        expected,
        "converted"
    );

    let twice: Vec<ArrayRef> = arguments
        .iter()
        .map(|a| concat(&[a, a]).expect("rows twice"))
        .collect();
    let groups_twice: Vec<usize> = groups.iter().chain(groups).copied().collect();
    let first_half: BooleanArray = (0..groups.len() * 2)
        .map(|row| Some(row < groups.len()))
        .collect();
    let mut filtered = harness.groups();
    filtered
        .update_batch(&twice, &groups_twice, Some(&first_half), count)
        .expect("an update");
    assert_eq!(
        &filtered.evaluate(EmitTo::All).expect("an answer"),
        expected,
        "filtered"
    );
    let state = filtered
        .convert_to_state(&twice, Some(&first_half))
        .expect("states of rows");
    filtered
        .merge_batch(&state, &groups_twice, count)
        .expect("a merge");
    assert_eq!(
        &filtered.evaluate(EmitTo::All).expect("an answer"),
        expected,
        "converted with a filter"
    );

    if count > 1 {
        let mut early = harness.groups();
        early
            .update_batch(&arguments, groups, None, count)
            .expect("an update");
        let first = early.evaluate(EmitTo::First(1)).expect("the first group");
        let rest = early.evaluate(EmitTo::All).expect("the other groups");
        assert_eq!(
            &concat(&[&first, &rest]).expect("all groups"),
            expected,
            "emitted early"
        );
    }

    for group in 0..count {
        let rows: Vec<usize> = (0..groups.len())
            .filter(|row| groups.get(*row) == Some(&group))
            .collect();
        let (values, _) = pick(&arguments, groups, &rows);
        let expected = ScalarValue::try_from_array(expected, group).expect("a scalar");
        harness.check_accumulator(&values, &expected, group);
    }
}

/// Aggregates rows into one group; the error must have this message.
#[track_caller]
pub fn check_aggregate_error(function: &AggregateUDF, arguments: &[ArrayRef], message: &str) {
    let error = aggregate(function, arguments).expect_err("the aggregate succeeds");
    assert_eq!(own_message(&error), message);
}

/// The message of one of our errors within an engine's error.
pub fn own_message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<FunctionError>() {
            Some(error) => error.to_string(),
            None => inner.to_string(),
        },
        other => other.strip_backtrace(),
    }
}

/// Coerces and calls a scalar function as an engine does.
///
/// # Errors
/// Those of the function.
pub fn call(function: &ScalarUDF, arguments: &[ColumnarValue], rows: usize) -> Result<ColumnarValue> {
    let types: Vec<DataType> = arguments.iter().map(ColumnarValue::data_type).collect();
    let types = function.coerce_types(&types)?;
    let args: Vec<ColumnarValue> = arguments
        .iter()
        .zip(&types)
        .map(|(argument, to)| argument.cast_to(to, None))
        .collect::<Result<_>>()?;
    let arg_fields: Vec<FieldRef> = types
        .into_iter()
        .map(|to| Field::new("a", to, true).into())
        .collect();
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|argument| match argument {
            ColumnarValue::Scalar(scalar) => Some(scalar),
            ColumnarValue::Array(_) => None,
        })
        .collect();
    let return_field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &arg_fields,
        scalar_arguments: &scalars,
    })?;
    let config_options = Arc::new(ConfigOptions::default());
    let answer = function.invoke_with_args(ScalarFunctionArgs {
        args,
        arg_fields,
        number_rows: rows,
        return_field: Arc::clone(&return_field),
        config_options,
    })?;
    assert_eq!(
        &answer.data_type(),
        return_field.data_type(),
        "the type of the answer"
    );
    Ok(answer)
}

/// The answer of an aggregate function over all rows.
///
/// # Errors
/// Those of the function.
pub fn aggregate(function: &AggregateUDF, arguments: &[ArrayRef]) -> Result<ScalarValue> {
    let arguments = coerce_aggregate(function, arguments)?;
    let mut accumulator = Harness::try_new(function, &arguments)?.groups();
    let rows = arguments.first().map_or(0, |argument| argument.len());
    accumulator.update_batch(&arguments, &vec![0; rows], None, 1)?;
    ScalarValue::try_from_array(&accumulator.evaluate(EmitTo::All)?, 0)
}

struct Harness<'a> {
    function: &'a AggregateUDF,
    schema: Schema,
    fields: Vec<FieldRef>,
    return_field: FieldRef,
}

impl<'a> Harness<'a> {
    #[track_caller]
    fn new(function: &'a AggregateUDF, arguments: &[ArrayRef]) -> Self {
        Self::try_new(function, arguments).expect("arguments that fit")
    }

    fn try_new(function: &'a AggregateUDF, arguments: &[ArrayRef]) -> Result<Self> {
        let field = |(at, argument): (usize, &ArrayRef)| -> FieldRef {
            Field::new(format!("a{at}"), argument.data_type().clone(), true).into()
        };
        let fields: Vec<FieldRef> = arguments.iter().enumerate().map(field).collect();
        let return_field = function.return_field(&fields)?;
        Ok(Self {
            function,
            schema: Schema::new(fields.clone()),
            fields,
            return_field,
        })
    }

    fn arguments(&self) -> AccumulatorArgs<'_> {
        AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: false,
            order_bys: &[],
            is_reversed: false,
            name: self.function.name(),
            is_distinct: false,
            exprs: &[],
            expr_fields: &self.fields,
        }
    }

    #[track_caller]
    fn groups(&self) -> Box<dyn GroupsAccumulator> {
        assert!(self.function.groups_accumulator_supported(self.arguments()));
        self.function
            .create_groups_accumulator(self.arguments())
            .expect("an accumulator of groups")
    }

    #[track_caller]
    fn check_state(&self, state: &[ArrayRef]) {
        let declared = self
            .function
            .state_fields(StateFieldsArgs {
                name: self.function.name(),
                input_fields: &self.fields,
                return_field: Arc::clone(&self.return_field),
                ordering_fields: &[],
                is_distinct: false,
            })
            .expect("state fields");
        let declared: Vec<&DataType> = declared.iter().map(|field| field.data_type()).collect();
        let found: Vec<&DataType> = state.iter().map(|array| array.data_type()).collect();
        assert_eq!(found, declared, "the declared state");
    }

    #[track_caller]
    fn check_accumulator(&self, values: &[ArrayRef], expected: &ScalarValue, group: usize) {
        let mut accumulator = self
            .function
            .accumulator(self.arguments())
            .expect("an accumulator");
        accumulator.update_batch(values).expect("an update");
        let state: Vec<ArrayRef> = accumulator
            .state()
            .expect("a state")
            .iter()
            .map(|value| value.to_array())
            .collect::<Result<_>>()
            .expect("arrays of a state");
        self.check_state(&state);
        let mut merged = self
            .function
            .accumulator(self.arguments())
            .expect("an accumulator");
        merged.merge_batch(&state).expect("a merge");
        assert_eq!(
            &merged.evaluate().expect("an answer"),
            expected,
            "group {group} merged"
        );
        let mut sliding = self
            .function
            .create_sliding_accumulator(self.arguments())
            .expect("an accumulator");
        if sliding.supports_retract_batch() {
            check_sliding(sliding.as_mut(), values, expected);
        }
    }
}

/// All rows come twice, and the first of them go.
#[track_caller]
fn check_sliding(accumulator: &mut dyn Accumulator, values: &[ArrayRef], expected: &ScalarValue) {
    accumulator.update_batch(values).expect("an update");
    accumulator.update_batch(values).expect("an update");
    accumulator.retract_batch(values).expect("a retraction");
    assert_eq!(
        &accumulator.evaluate().expect("an answer"),
        expected,
        "after a retraction"
    );
}

fn coerce_aggregate(function: &AggregateUDF, arguments: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let types: Vec<DataType> = arguments
        .iter()
        .map(|argument| argument.data_type().clone())
        .collect();
    let types = function.coerce_types(&types)?;
    arguments
        .iter()
        .zip(&types)
        .map(|(argument, to)| Ok(cast(argument, to)?))
        .collect()
}

/// As many nulls of each argument's type.
fn nulls(arguments: &[ArrayRef]) -> Vec<ArrayRef> {
    arguments
        .iter()
        .map(|argument| new_null_array(argument.data_type(), argument.len()))
        .collect()
}

/// Nulls for every argument, or for all but the one that the aggregate refuses as null, such as the length of a window.
#[track_caller]
fn nulls_of_groups(function: &AggregateUDF, arguments: &[ArrayRef]) -> Vec<ArrayRef> {
    let nulls = nulls(arguments);
    let Err(error) = aggregate(function, &nulls) else {
        return nulls;
    };
    let message = own_message(&error);
    assert!(message.ends_with(" is null"), "nothing but nulls: {message}");
    arguments
        .iter()
        .enumerate()
        .map(|(at, argument)| {
            let mut others = nulls.clone();
            others.splice(at..=at, [Arc::clone(argument)]);
            others
        })
        .find(|others| aggregate(function, others).is_ok())
        .unwrap_or_else(|| panic!("several arguments must not be null: {message}"))
}

#[track_caller]
fn pick(arguments: &[ArrayRef], groups: &[usize], rows: &[usize]) -> (Vec<ArrayRef>, Vec<usize>) {
    let indices: UInt32Array = rows.iter().map(|row| u32::try_from(*row).ok()).collect();
    let values = arguments
        .iter()
        .map(|argument| take(argument, &indices, None).expect("rows"))
        .collect();
    (
        values,
        rows.iter().filter_map(|row| groups.get(*row).copied()).collect(),
    )
}

fn columns(arguments: &[ArrayRef]) -> Vec<ColumnarValue> {
    arguments
        .iter()
        .map(|argument| ColumnarValue::Array(Arc::clone(argument)))
        .collect()
}

#[track_caller]
fn array(answer: Result<ColumnarValue>, rows: usize) -> ArrayRef {
    answer
        .and_then(|answer| answer.into_array(rows))
        .expect("an answer")
}

/// The same rows, as a slice of a longer array.
#[track_caller]
fn sliced(argument: &ArrayRef) -> ArrayRef {
    let nulls = new_null_array(argument.data_type(), 3);
    concat(&[&nulls, argument, &nulls])
        .expect("a longer array")
        .slice(3, argument.len())
}

fn text_encodings() -> Vec<DataType> {
    let dictionary = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
    vec![
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        dictionary(DataType::Int32),
        dictionary(DataType::UInt8),
    ]
}

#[track_caller]
fn encode(argument: &ArrayRef, encoding: &DataType) -> ArrayRef {
    if argument.data_type().is_string() {
        cast(argument, encoding).expect("another encoding")
    } else {
        Arc::clone(argument)
    }
}
