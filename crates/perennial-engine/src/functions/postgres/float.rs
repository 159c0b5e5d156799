//! `perennial_float(value)`, which is a cast of a numeric to `double precision`: the one nearest to its digits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

const NAME: &str = "perennial_float";

/// Whole numbers up to this are exact as double precision.
const EXACT: u128 = 1 << 53;
/// Powers of ten that are exact as double precision.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Float {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Float {
    signature: Signature,
}

impl ScalarUDFImpl for Float {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [numbers] = columns.as_slice() else {
            return plan_err!("a cast takes one value");
        };
        Ok(ColumnarValue::Array(nearest(numbers)?))
    }
}

fn nearest(numbers: &ArrayRef) -> Result<ArrayRef> {
    let floats: Float64Array = match numbers.data_type() {
        DataType::Decimal128(_, scale) => {
            let divisor = usize::try_from(*scale).ok().and_then(|scale| POWERS.get(scale));
            let numbers = numbers.as_primitive::<Decimal128Type>();
            numbers.unary::<_, Float64Type>(|number| match divisor {
                // One division of two exact numbers is rounded once.
                #[expect(clippy::cast_precision_loss, reason = "it is exact")]
                Some(divisor) if number.unsigned_abs() <= EXACT => number as f64 / divisor,
                _ => read(&number.to_string(), *scale),
            })
        }
        DataType::Decimal256(_, scale) => {
            let numbers = numbers.as_primitive::<Decimal256Type>();
            numbers.unary::<_, Float64Type>(|number| read(&number.to_string(), *scale))
        }
        other => return plan_err!("{other} is not numeric"),
    };
    Ok(Arc::new(floats))
}

/// The number of so many digits behind the point.
fn read(digits: &str, scale: i8) -> f64 {
    // Digits and an exponent are always a number.
    format!("{digits}e{}", -i32::from(scale))
        .parse()
        .unwrap_or(f64::NAN)
}
