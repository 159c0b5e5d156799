//! `round`: of double precision to the nearest even whole number, as Postgres has it; of numeric away from zero.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The function, in the place of the engine's.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Round {
        engine: datafusion::functions::math::round(),
    }))
}

/// The engine's function does all but the rounding of floats to whole numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    engine: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        "round"
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.engine.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<arrow::datatypes::FieldRef> {
        self.engine.return_field_from_args(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [number] if number.data_type().is_floating() => {
                let scalar = matches!(number, ColumnarValue::Scalar(_));
                let rounded = half_even(&number.to_array(arguments.number_rows)?);
                if scalar && !rounded.is_empty() {
                    return Ok(ColumnarValue::Scalar(
                        datafusion::common::ScalarValue::try_from_array(&rounded, 0)?,
                    ));
                }
                Ok(ColumnarValue::Array(rounded))
            }
            _ => self.engine.invoke_with_args(arguments),
        }
    }
}

fn half_even(numbers: &ArrayRef) -> ArrayRef {
    match numbers.data_type() {
        DataType::Float64 => {
            let rounded: Float64Array = numbers.as_primitive::<Float64Type>().unary(f64::round_ties_even);
            Arc::new(rounded)
        }
        DataType::Float32 => {
            let rounded: Float32Array = numbers.as_primitive::<Float32Type>().unary(f32::round_ties_even);
            Arc::new(rounded)
        }
        _ => Arc::clone(numbers),
    }
}
