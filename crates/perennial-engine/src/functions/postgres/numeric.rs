//! `perennial_numeric(value)`, which is a cast to `numeric` without digits: a number keeps those that it has.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use perennial_base::ErrorClass;

use super::quotient::whole_digits;
use super::raised;
use crate::schema::{DIGITS, WRITTEN};

/// Its name.
pub(crate) const NAME: &str = "perennial_numeric";

/// Digits behind the point that text and floats are kept with.
const KEPT: i8 = 16;

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Numeric {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Numeric {
    signature: Signature,
}

/// What a value becomes, and whether its digits are its own.
fn target(given: &DataType) -> Result<(DataType, bool)> {
    Ok(match given {
        whole if whole.is_integer() => (DataType::Decimal128(whole_digits(whole), 0), false),
        decimal if decimal.is_decimal() => (decimal.clone(), false),
        DataType::Null => (DataType::Decimal128(38, 0), false),
        float if float.is_floating() => (DataType::Decimal128(38, KEPT), true),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (DataType::Decimal128(38, KEPT), true),
        DataType::Dictionary(_, values) => return target(values),
        other => {
            let message = format!("cannot cast type {} to numeric", crate::error::type_name(other));
            return Err(raised(ErrorClass::CannotCoerce, message));
        }
    })
}

impl ScalarUDFImpl for Numeric {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [given] => Ok(target(given)?.0),
            _ => plan_err!("a cast takes one value"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [given] = arguments.arg_fields else {
            return plan_err!("a cast takes one value");
        };
        let (data_type, own) = target(given.data_type())?;
        let field = Field::new(NAME, data_type, true);
        Ok(Arc::new(if own {
            field.with_metadata([(DIGITS.to_owned(), WRITTEN.to_owned())].into())
        } else {
            // A quotient stays one.
            field.with_metadata(given.metadata().clone())
        }))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = arguments.args.as_slice() else {
            return plan_err!("a cast takes one value");
        };
        let scalar = matches!(value, ColumnarValue::Scalar(_));
        let column = value.to_array(if scalar { 1 } else { arguments.number_rows })?;
        let numbers = numbers(&column, arguments.return_field.data_type())?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&numbers, 0)?));
        }
        Ok(ColumnarValue::Array(numbers))
    }
}

fn numbers(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let given = column.data_type();
    let read: Decimal128Array = if given.is_floating() {
        let floats = cast(column, &DataType::Float64)?;
        // Fifteen significant digits are what a double precision is good for, six those of a real.
        let digits = if *given == DataType::Float64 { 14 } else { 5 };
        floats
            .as_primitive::<Float64Type>()
            .iter()
            .map(|float| {
                float
                    .map(|float| parsed(&format!("{float:.digits$e}")))
                    .transpose()
            })
            .collect::<Result<_>>()?
    } else if matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        let texts = cast(column, &DataType::Utf8)?;
        texts
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(parsed).transpose())
            .collect::<Result<_>>()?
    } else {
        return Ok(cast(column, data_type)?);
    };
    Ok(Arc::new(read.with_precision_and_scale(38, KEPT)?))
}

/// A decimal number, with an exponent or without, in units of ten to the power of -[`KEPT`].
fn parsed(text: &str) -> Result<i128> {
    let invalid = || {
        raised(
            ErrorClass::InvalidText,
            format!("invalid input syntax for type numeric: \"{text}\""),
        )
    };
    let beyond =
        || -> DataFusionError { raised(ErrorClass::NumericOverflow, "value overflows numeric format") };
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.split_at_checked(1) {
        Some(("-", rest)) => (true, rest),
        Some(("+", rest)) => (false, rest),
        _ => (false, trimmed),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    let all = all.trim_start_matches('0');
    if all.is_empty() {
        return Ok(0);
    }
    // How many digits of the number stand before what is kept.
    let shift = i32::from(KEPT) + exponent - i32::try_from(fraction.len()).map_err(|_| beyond())?;
    let value = if shift >= 0 {
        let value: i128 = all.parse().map_err(|_| beyond())?;
        10_i128
            .checked_pow(shift.unsigned_abs())
            .and_then(|factor| value.checked_mul(factor))
            .ok_or_else(beyond)?
    } else {
        let dropped = usize::try_from(-shift).map_err(|_| beyond())?;
        let (kept, rest) = all.split_at(all.len().saturating_sub(dropped));
        let value: i128 = if kept.is_empty() {
            0
        } else {
            kept.parse().map_err(|_| beyond())?
        };
        let up = dropped <= all.len() && rest.starts_with(['5', '6', '7', '8', '9']);
        value + i128::from(up)
    };
    Ok(if negative { -value } else { value })
}
