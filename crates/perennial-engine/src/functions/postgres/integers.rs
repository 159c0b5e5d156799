//! Addition, subtraction and multiplication of integers that do not wrap around: 22003 where the result does not fit.

use std::sync::{Arc, LazyLock};

use arrow::array::Datum;
use arrow::compute::kernels::numeric;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use perennial_base::ErrorClass;

use super::raised;

type Kernel = fn(&dyn Datum, &dyn Datum) -> Result<arrow::array::ArrayRef, ArrowError>;

static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 3]> = LazyLock::new(|| {
    [
        checked("perennial_add", numeric::add),
        checked("perennial_subtract", numeric::sub),
        checked("perennial_multiply", numeric::mul),
    ]
});

/// The functions behind `+`, `-` and `*`.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    FUNCTIONS.to_vec()
}

/// The function behind an operator on integers of one type.
pub(crate) fn behind(operator: Operator) -> Option<Arc<ScalarUDF>> {
    let place = match operator {
        Operator::Plus => 0,
        Operator::Minus => 1,
        Operator::Multiply => 2,
        _ => return None,
    };
    FUNCTIONS.get(place).cloned()
}

fn checked(name: &'static str, kernel: Kernel) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Checked {
        name,
        kernel,
        signature: Signature::any(2, Volatility::Immutable),
    }))
}

#[derive(Debug)]
struct Checked {
    name: &'static str,
    kernel: Kernel,
    signature: Signature,
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Checked {}

impl std::hash::Hash for Checked {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [one, other] if one == other && one.is_integer() => Ok(one.clone()),
            _ => plan_err!("{} takes two integers of one type", self.name),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (kernel, name) = (self.kernel, self.name);
        let of = |one: &dyn Datum, other: &dyn Datum| {
            kernel(one, other).map_err(|error| match error {
                ArrowError::ArithmeticOverflow(_) => beyond(one.get().0.data_type()),
                error => error.into(),
            })
        };
        match arguments.args.as_slice() {
            [ColumnarValue::Scalar(one), ColumnarValue::Scalar(other)] => {
                let sum = of(&one.to_scalar()?, &other.to_scalar()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&sum, 0)?))
            }
            [ColumnarValue::Array(one), ColumnarValue::Array(other)] => {
                Ok(ColumnarValue::Array(of(one, other)?))
            }
            [ColumnarValue::Array(one), ColumnarValue::Scalar(other)] => {
                Ok(ColumnarValue::Array(of(one, &other.to_scalar()?)?))
            }
            [ColumnarValue::Scalar(one), ColumnarValue::Array(other)] => {
                Ok(ColumnarValue::Array(of(&one.to_scalar()?, other)?))
            }
            _ => plan_err!("{name} takes two integers of one type"),
        }
    }
}

fn beyond(data_type: &DataType) -> DataFusionError {
    let name = match data_type {
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        _ => "bigint",
    };
    raised(ErrorClass::NumericOverflow, format!("{name} out of range"))
}
