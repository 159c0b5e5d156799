//! The probability that a customer is still one, by the BG/NBD model.
//!
//! # Signature
//! `bgnbd_p_alive(model record, x numeric, t_x numeric, T numeric) → double precision`; null if an argument, or a
//! parameter of the model, is null.
//! # Shape
//! n rows in, n rows out.
//! # Units
//! `t_x` and `T` in the unit of time that the model was fitted in.
//! # Definition
//! `1 / (1 + a/(b + x − 1) · ((alpha + T)/(alpha + t_x))^(r + x))` for x > 0, computed in logarithms, so that it is 0 and
//! not NaN where the power overflows. For x = 0 it is 1 by construction: the model lets a customer leave only after a
//! repeat purchase.
//! # Errors
//! Invalid argument when x is not a whole number from 0 on, t_x is not within 0 and T, or a parameter of the model is not
//! positive; undefined function when the record lacks one of r, alpha, a, b.
//! # Cost
//! O(1).
//! # Source
//! Fader, Hardie and Lee, "Counting Your Customers the Easy Way", Marketing Science 24 (2005); P(alive) from their note
//! "Computing P(alive) Using the BG/NBD Model" (2008).
//! # Example
//! `SELECT bgnbd_p_alive(named_struct('r', 0.243, 'alpha', 4.414, 'a', 0.793, 'b', 2.426), 26, 30.857143, 31)`
//! gives `0.9688`, to four decimals.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, StructArray},
    compute::cast,
    datatypes::{DataType, Float64Type},
};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_udf_kit::{
    FunctionError, Kind, Parameter, Parameters,
    columns::{self, Column},
};

const PARAMETERS: Parameters = Parameters {
    function: "bgnbd_p_alive",
    syntax: "bgnbd_p_alive(model record, x numeric, t_x numeric, T numeric)",
    required: &[
        Parameter::new("model", Kind::Record),
        Parameter::new("x", Kind::Float),
        Parameter::new("t_x", Kind::Float),
        Parameter::new("T", Kind::Float),
    ],
    optional: &[],
    rest: None,
    last: None,
};

/// The parameters of the model, by their names in the paper.
const MODEL: [&str; 4] = ["r", "alpha", "a", "b"];

/// The SQL function `bgnbd_p_alive`.
#[user_doc(
    doc_section(label = "prediction"),
    description = "The probability that a customer is still one, by a fitted BG/NBD model. It is 1 for a customer without a repeat purchase, by construction of the model.",
    syntax_example = "bgnbd_p_alive(model record, x numeric, t_x numeric, T numeric) → double precision",
    sql_example = r#"```sql
SELECT round(bgnbd_p_alive(named_struct('r', 0.243, 'alpha', 4.414, 'a', 0.793, 'b', 2.426), 2, 30.43, 38.86)::numeric, 4) AS p_alive;
+---------+
| p_alive |
+---------+
| 0.7266  |
+---------+
```"#,
    argument(
        name = "model",
        description = "A record with the fields r, alpha, a and b: the answer of bgnbd_fit, or named_struct('r', 0.243, …). Further fields are not looked at."
    ),
    argument(
        name = "x",
        description = "How many repeat purchases the customer made: periods with a purchase, less the first."
    ),
    argument(
        name = "t_x",
        description = "Time from the first to the last purchase, in the unit that the model was fitted in; 0 when x is 0."
    ),
    argument(
        name = "T",
        description = "Time from the first purchase to now, in the same unit."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct BgnbdPAlive {
    signature: Signature,
}

impl BgnbdPAlive {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for BgnbdPAlive {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for BgnbdPAlive {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(arg_types)?;
        if let Some(DataType::Struct(fields)) = arg_types.first() {
            for parameter in MODEL {
                let field = fields
                    .iter()
                    .find(|field| field.name().eq_ignore_ascii_case(parameter));
                if !field.is_some_and(|field| field.data_type().is_numeric() || field.data_type().is_null()) {
                    let reason = format!("has no number \"{parameter}\"");
                    let hint = "A model has the fields r, alpha, a and b.";
                    return Err(FunctionError::invalid(PARAMETERS.function, "model", reason)
                        .with_hint(hint)
                        .into());
                }
            }
        }
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [model, x, t_x, age] = args.args.as_slice() else {
            return PARAMETERS.missing();
        };
        let models = Models::try_new(model)?;
        let [x, t_x, age] = [x, t_x, age].map(Column::<Float64Type>::try_new);
        let (x, t_x, age) = (x?, t_x?, age?);
        let p_alive = |row| -> Result<Option<f64>> {
            let (Some(model), Some(x), Some(t_x), Some(age)) =
                (models.at(row)?, x.at(row), t_x.at(row), age.at(row))
            else {
                return Ok(None);
            };
            let history = History::try_new(x, t_x, age)?;
            Ok(Some(model.p_alive(history)))
        };
        let values: Float64Array = (0..columns::rows(&args)).map(p_alive).collect::<Result<_>>()?;
        columns::answer(&args, Arc::new(values))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// A fitted model.
#[derive(Debug, Clone, Copy)]
struct Model {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

impl Model {
    fn try_new([r, alpha, a, b]: [f64; 4]) -> Result<Self> {
        for (name, value) in MODEL.into_iter().zip([r, alpha, a, b]) {
            if !(value.is_finite() && value > 0.0) {
                let reason = format!("has the {name} {value}, which is not a positive number");
                return Err(FunctionError::invalid(PARAMETERS.function, "model", reason).into());
            }
        }
        Ok(Self { r, alpha, a, b })
    }

    fn p_alive(&self, History { x, t_x, age }: History) -> f64 {
        if x == 0.0 {
            return 1.0;
        }
        // ln((alpha + T) / (alpha + t_x)), exact where the two are close.
        let growth = ((age - t_x) / (self.alpha + t_x)).ln_1p();
        let log_odds_against = self.a.ln() - (self.b + x - 1.0).ln() + (self.r + x) * growth;
        1.0 / (1.0 + log_odds_against.exp())
    }
}

/// A customer's purchases.
#[derive(Debug, Clone, Copy)]
struct History {
    x: f64,
    t_x: f64,
    age: f64,
}

impl History {
    fn try_new(x: f64, t_x: f64, age: f64) -> Result<Self> {
        let out_of_range = |argument, value: f64, expected| {
            let (function, value) = (PARAMETERS.function, value.to_string());
            Err(FunctionError::OutOfRange {
                function,
                argument,
                value,
                expected,
            }
            .into())
        };
        if !(x.is_finite() && x >= 0.0 && x.fract() == 0.0) {
            return out_of_range("x", x, "whole numbers from 0 on");
        }
        if !(age.is_finite() && age >= 0.0) {
            return out_of_range("T", age, "times from 0 on");
        }
        if !(0.0..=age).contains(&t_x) {
            return out_of_range("t_x", t_x, "times from 0 to T");
        }
        Ok(Self { x, t_x, age })
    }
}

/// The models of the rows, or one for all of them.
struct Models {
    valid: ArrayRef,
    parameters: [Float64Array; 4],
    constant: bool,
}

impl Models {
    fn try_new(argument: &ColumnarValue) -> Result<Self> {
        let (array, constant) = match argument {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let parameters = match array.as_struct_opt() {
            Some(records) => MODEL.map(|parameter| numbers(records, parameter)),
            // An untyped null.
            None => MODEL.map(|_| Ok(Float64Array::new_null(array.len()))),
        };
        let [r, alpha, a, b] = parameters;
        Ok(Self {
            valid: array,
            parameters: [r?, alpha?, a?, b?],
            constant,
        })
    }

    fn at(&self, row: usize) -> Result<Option<Model>> {
        let row = if self.constant { 0 } else { row };
        if row >= self.valid.len()
            || self.valid.is_null(row)
            || self.parameters.iter().any(|p| p.is_null(row))
        {
            return Ok(None);
        }
        Model::try_new(self.parameters.each_ref().map(|parameter| parameter.value(row))).map(Some)
    }
}

fn numbers(records: &StructArray, parameter: &str) -> Result<Float64Array> {
    let place = records
        .fields()
        .iter()
        .position(|field| field.name().eq_ignore_ascii_case(parameter));
    let column = place.and_then(|place| records.columns().get(place));
    let column = column.ok_or_else(|| exec_datafusion_err!("a model without {parameter} passed planning"))?;
    columns::primitive::<Float64Type>(&cast(column, &DataType::Float64)?)
}

#[cfg(test)]
mod tests {
    use arrow::{array::Decimal128Array, datatypes::Field};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ScalarUDF;
    use perennial_udf_kit::testing::{call, check_scalar, check_scalar_error};
    use proptest::prelude::*;

    use super::*;

    fn model(rows: usize, parameters: [f64; 4]) -> ArrayRef {
        let column = |value| -> ArrayRef { Arc::new(Float64Array::from(vec![value; rows])) };
        let field = |name| Arc::new(Field::new(name, DataType::Float64, true));
        let columns = MODEL
            .into_iter()
            .zip(parameters)
            .map(|(name, value)| (field(name), column(value)));
        Arc::new(StructArray::from(columns.collect::<Vec<_>>()))
    }

    /// The model of Fader, Hardie and Lee (2005) for CDNOW, in weeks.
    const CDNOW: [f64; 4] = [0.243, 4.414, 0.793, 2.426];

    fn floats(values: &[Option<f64>]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    #[track_caller]
    fn p_alive(parameters: [f64; 4], x: f64, t_x: f64, age: f64) -> f64 {
        let arguments = [
            model(1, parameters),
            floats(&[Some(x)]),
            floats(&[Some(t_x)]),
            floats(&[Some(age)]),
        ];
        let arguments = arguments.map(ColumnarValue::Array);
        let answer = call(&ScalarUDF::from(BgnbdPAlive::new()), &arguments, 1)
            .unwrap()
            .into_array(1)
            .unwrap();
        answer.as_primitive::<Float64Type>().value(0)
    }

    // lifetimes' test_fitters.py, from the R package BTYD's documentation, with the parameters of its own fit.
    #[test]
    fn published_figures() {
        let fit = [0.2425945, 4.4136019, 0.7929199, 2.4258881];
        assert!((p_alive(fit, 26.0, 30.857143, 31.0) - 0.9688523).abs() < 1e-5);
        assert_eq!(p_alive(CDNOW, 1000.0, 10.0, 100.0), 0.0);
        assert_eq!(p_alive(CDNOW, 0.0, 0.0, 100.0), 1.0);
    }

    /// Two purchases in 38.86 weeks, the last after 30.43: as lifetimes has it, in every form of the arguments.
    #[test]
    fn a_row_does_not_depend_on_those_beside_it() {
        let alive = p_alive(CDNOW, 2.0, 30.43, 38.86);
        assert!((alive - 0.726_578_570_080_673).abs() < 1e-9, "{alive}");
        let x = floats(&[Some(2.0), Some(0.0), None, Some(2.0)]);
        let t_x = floats(&[Some(30.43), Some(0.0), Some(1.0), Some(30.43)]);
        let age = floats(&[Some(38.86); 4]);
        let expected = floats(&[Some(alive), Some(1.0), None, Some(alive)]);
        check_scalar(
            &ScalarUDF::from(BgnbdPAlive::new()),
            &[model(4, CDNOW), x, t_x, age],
            &expected,
        );
    }

    #[test]
    fn nulls_give_null() {
        let x = floats(&[None, Some(0.0), Some(0.0), Some(0.0)]);
        let t_x = floats(&[Some(0.0), None, Some(0.0), Some(0.0)]);
        let age = floats(&[Some(1.0), Some(1.0), None, Some(1.0)]);
        let expected = floats(&[None, None, None, Some(1.0)]);
        check_scalar(
            &ScalarUDF::from(BgnbdPAlive::new()),
            &[model(4, CDNOW), x, t_x, age],
            &expected,
        );
        let nothing = [ScalarValue::Null, 1.0.into(), 1.0.into(), 1.0.into()].map(ColumnarValue::Scalar);
        let answer = call(&ScalarUDF::from(BgnbdPAlive::new()), &nothing, 5).unwrap();
        assert!(
            matches!(answer, ColumnarValue::Scalar(ScalarValue::Float64(None))),
            "{answer:?}"
        );
    }

    #[test]
    fn models_of_decimals_with_other_fields_and_cases_are_models() {
        let decimal = |value: i128| -> ArrayRef {
            Arc::new(
                Decimal128Array::from(vec![value])
                    .with_precision_and_scale(4, 3)
                    .unwrap(),
            )
        };
        let field =
            |name, array: ArrayRef| (Arc::new(Field::new(name, array.data_type().clone(), true)), array);
        let unit: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["week"]));
        let model: ArrayRef = Arc::new(StructArray::from(vec![
            field("unit", unit),
            field("B", decimal(2426)),
            field("A", decimal(793)),
            field("Alpha", decimal(4414)),
            field("r", decimal(243)),
        ]));
        let arguments = [
            model,
            floats(&[Some(2.0)]),
            floats(&[Some(30.43)]),
            floats(&[Some(38.86)]),
        ];
        let expected = floats(&[Some(p_alive(CDNOW, 2.0, 30.43, 38.86))]);
        check_scalar(&ScalarUDF::from(BgnbdPAlive::new()), &arguments, &expected);
    }

    #[test]
    fn impossible_histories_and_models_are_errors() {
        let check = |parameters, x, t_x, age, message: &str| {
            let arguments = [
                model(1, parameters),
                floats(&[Some(x)]),
                floats(&[Some(t_x)]),
                floats(&[Some(age)]),
            ];
            check_scalar_error(&ScalarUDF::from(BgnbdPAlive::new()), &arguments, message);
        };
        check(CDNOW, -1.0, 0.0, 1.0, "x -1 is out of range");
        check(CDNOW, 0.5, 0.0, 1.0, "x 0.5 is out of range");
        check(CDNOW, 1.0, 2.0, 1.0, "t_x 2 is out of range");
        check(CDNOW, 1.0, f64::NAN, 1.0, "t_x NaN is out of range");
        check(CDNOW, 1.0, 0.0, f64::INFINITY, "T inf is out of range");
        let message =
            "argument \"model\" of function bgnbd_p_alive has the a 0, which is not a positive number";
        check([1.0, 1.0, 0.0, 1.0], 1.0, 1.0, 1.0, message);
        let field = Arc::new(Field::new("r", DataType::Float64, true));
        let incomplete: ArrayRef = Arc::new(StructArray::from(vec![(field, floats(&[Some(1.0)]))]));
        let one = floats(&[Some(1.0)]);
        check_scalar_error(
            &ScalarUDF::from(BgnbdPAlive::new()),
            &[incomplete, Arc::clone(&one), Arc::clone(&one), one],
            "argument \"model\" of function bgnbd_p_alive has no number \"alpha\"",
        );
    }

    proptest! {
        #[test]
        fn it_is_a_probability_that_falls_with_silence(
            parameters in prop::array::uniform4(0.01..50.0),
            x in 0..100_000_u32,
            t_x in 0.0..1e6,
            silence in 0.0..1e6,
            more in 0.0..1e6,
        ) {
            let x = f64::from(x);
            let now = p_alive(parameters, x, t_x, t_x + silence);
            let later = p_alive(parameters, x, t_x, t_x + silence + more);
            prop_assert!((0.0..=1.0).contains(&now));
            prop_assert!(later <= now);
        }
    }
}
