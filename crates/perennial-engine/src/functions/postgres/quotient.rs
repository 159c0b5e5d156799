//! `perennial_divide`, which is `/` of numerics and floats: quotients have the digits that Postgres gives them, at least
//! sixteen, and nothing is divided by zero.
//!
//! A numeric of Postgres has its digits with the value, a decimal of the engine with the column. Quotients are therefore kept
//! with twenty digits behind the point, each is rounded to its own, and the field tells whoever writes it as text to leave
//! aside what is behind them ([`DIGITS`]).

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, Decimal128Array, Decimal256Array};
use arrow::compute::{cast, kernels::numeric};
use arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type,
    Decimal256Type, Field, FieldRef, Float32Type, Float64Type, i256,
};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use perennial_base::ErrorClass;

use super::raised;
use crate::schema::{DIGITS, own_digits};

/// Digits behind the point that a quotient is kept with.
const KEPT: i8 = 20;

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(Divide {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
});

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::clone(&FUNCTION)
}

/// Digits before the point that numbers of a type can have.
pub(super) fn whole_digits(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            u8::try_from(i16::from(*precision) - i16::from(*scale)).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Digits behind the point.
pub(super) fn scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    }
}

/// The type of quotients with so many digits before the point, of numbers with so many behind it.
pub(super) fn data_type(whole: u8, one: i8, other: i8) -> DataType {
    let kept = KEPT.max(one).max(other);
    let room = i8::try_from(DECIMAL128_MAX_PRECISION.saturating_sub(whole)).unwrap_or(0);
    if room >= kept {
        DataType::Decimal128(DECIMAL128_MAX_PRECISION, kept)
    } else {
        DataType::Decimal256(DECIMAL256_MAX_PRECISION, kept)
    }
}

/// A field whose values are shown with digits of their own, `minimum` behind the point at least.
pub(super) fn shown(field: Field, minimum: i8) -> Field {
    field.with_metadata([(DIGITS.to_owned(), minimum.max(0).to_string())].into())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Divide {
    signature: Signature,
}

impl ScalarUDFImpl for Divide {
    fn name(&self) -> &'static str {
        "perennial_divide"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [one, other] = arguments else {
            return plan_err!("a division has two sides");
        };
        if *one == DataType::Float32 && *other == DataType::Float32 {
            return Ok(arguments.to_vec());
        }
        if one.is_floating() || other.is_floating() {
            return Ok(vec![DataType::Float64; 2]);
        }
        let exact = |side: &DataType| match side {
            whole if whole.is_integer() => DataType::Decimal128(whole_digits(whole), 0),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                DataType::Decimal128(*precision, *scale)
            }
            DataType::Null => DataType::Decimal128(1, 0),
            other => other.clone(),
        };
        Ok(vec![exact(one), exact(other)])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [one, other] if one.is_decimal() && other.is_decimal() => Ok(data_type(
                whole_digits(one).saturating_add(scale(other).max(0).unsigned_abs()),
                scale(one),
                scale(other),
            )),
            [one, _] => Ok(one.clone()),
            _ => plan_err!("a division has two sides"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        Ok(Arc::new(match types.as_slice() {
            [one, other] if one.is_decimal() => shown(field, scale(one).max(scale(other))),
            _ => field,
        }))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [one, other] = arguments.args.as_slice() else {
            return plan_err!("a division has two sides");
        };
        let scalar = matches!((one, other), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let minimum = scale(&one.data_type()).max(scale(&other.data_type()));
        let quotients = divide(
            &one.to_array(rows)?,
            &other.to_array(rows)?,
            arguments.return_field.data_type(),
            minimum,
        )?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&quotients, 0)?));
        }
        Ok(ColumnarValue::Array(quotients))
    }
}

/// Quotients of floating-point numbers; by zero it is an error, and not infinity.
fn floats<T: ArrowPrimitiveType>(one: &ArrayRef, other: &ArrayRef) -> Result<ArrayRef> {
    let (one, other) = (one.as_primitive::<T>(), other.as_primitive::<T>());
    let by_zero = one
        .iter()
        .zip(other)
        .any(|pair| matches!(pair, (Some(_), Some(divisor)) if divisor.is_zero()));
    if by_zero {
        return Err(raised(ErrorClass::DivisionByZero, "division by zero"));
    }
    Ok(numeric::div(one, other)?)
}

/// The quotients of two columns in a type; NULL where one side is.
///
/// # Errors
/// 22012 where the divisor is zero and the dividend is not NULL, 22003 where the type does not hold a quotient.
pub(super) fn divide(
    one: &ArrayRef,
    other: &ArrayRef,
    data_type: &DataType,
    minimum: i8,
) -> Result<ArrayRef> {
    let zero = || raised(ErrorClass::DivisionByZero, "division by zero");
    match data_type {
        DataType::Float64 => floats::<Float64Type>(one, other),
        DataType::Float32 => floats::<Float32Type>(one, other),
        DataType::Decimal128(precision, kept) => {
            let one = decimal(one)?;
            let other = decimal(other)?;
            let shift = *kept - scale(one.data_type()) + scale(other.data_type());
            let factor = 10_i128.checked_pow(u32::try_from(shift).unwrap_or(0));
            let narrow = |left: i128, right: i128| -> Option<i128> {
                let left = left.checked_mul(factor?)?;
                Some(rounded(left / right, left % right, right, *kept, minimum))
            };
            if let (Some(ones), Some(others)) = (
                one.as_primitive_opt::<Decimal128Type>(),
                other.as_primitive_opt::<Decimal128Type>(),
            ) {
                let quotients = ones
                    .iter()
                    .zip(others)
                    .map(|pair| {
                        let (Some(left), Some(right)) = pair else {
                            return Ok(None);
                        };
                        if right == 0 {
                            return Err(zero());
                        }
                        match narrow(left, right) {
                            Some(quotient) => Ok(Some(quotient)),
                            None => wide(
                                i256::from_i128(left),
                                i256::from_i128(right),
                                shift,
                                *kept,
                                minimum,
                            )
                            .and_then(i256::to_i128)
                            .map(Some)
                            .ok_or_else(beyond),
                        }
                    })
                    .collect::<Result<Decimal128Array>>()?;
                return Ok(Arc::new(quotients.with_precision_and_scale(*precision, *kept)?));
            }
            let wider = divide(
                &one,
                &other,
                &DataType::Decimal256(DECIMAL256_MAX_PRECISION, *kept),
                minimum,
            )?;
            Ok(cast(&wider, data_type)?)
        }
        DataType::Decimal256(precision, kept) => {
            let as_wide = |side: &ArrayRef| {
                let wide = DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale(side.data_type()));
                cast(side, &wide)
            };
            let (one, other) = (as_wide(&decimal(one)?)?, as_wide(&decimal(other)?)?);
            let shift = *kept - scale(one.data_type()) + scale(other.data_type());
            let (ones, others) = (
                one.as_primitive::<Decimal256Type>(),
                other.as_primitive::<Decimal256Type>(),
            );
            let quotients = ones
                .iter()
                .zip(others)
                .map(|pair| {
                    let (Some(left), Some(right)) = pair else {
                        return Ok(None);
                    };
                    if right == i256::ZERO {
                        return Err(zero());
                    }
                    wide(left, right, shift, *kept, minimum)
                        .map(Some)
                        .ok_or_else(beyond)
                })
                .collect::<Result<Decimal256Array>>()?;
            Ok(Arc::new(quotients.with_precision_and_scale(*precision, *kept)?))
        }
        other => plan_err!(
            "there are no quotients of type {}",
            crate::error::type_name(other)
        ),
    }
}

fn beyond() -> datafusion::common::DataFusionError {
    raised(ErrorClass::NumericOverflow, "numeric field overflow")
}

/// Integers as decimals; decimals as they are.
fn decimal(side: &ArrayRef) -> Result<ArrayRef> {
    if side.data_type().is_decimal() {
        return Ok(Arc::clone(side));
    }
    Ok(cast(
        side,
        &DataType::Decimal128(whole_digits(side.data_type()).max(1), 0),
    )?)
}

fn wide(left: i256, right: i256, shift: i8, kept: i8, minimum: i8) -> Option<i256> {
    let factor = i256::from_i128(10).checked_pow(u32::try_from(shift).ok()?)?;
    let left = left.checked_mul(factor)?;
    let (quotient, rest) = (left.checked_div(right)?, left.checked_rem(right)?);
    if let (Some(quotient), Some(rest), Some(right)) = (quotient.to_i128(), rest.to_i128(), right.to_i128()) {
        return Some(i256::from_i128(rounded(quotient, rest, right, kept, minimum)));
    }
    let dropped = u32::from(
        (kept - own_digits(quotient.to_string().trim_start_matches('-').len(), kept, minimum)).unsigned_abs(),
    );
    let unit = i256::from_i128(10).checked_pow(dropped)?;
    let half = unit.checked_div(i256::from_i128(2))?;
    let away = if quotient.is_negative() {
        half.checked_neg()?
    } else {
        half
    };
    if dropped == 0 {
        return Some(quotient);
    }
    quotient.checked_add(away)?.checked_div(unit)?.checked_mul(unit)
}

/// A quotient at its own digits, half away from zero.
fn rounded(quotient: i128, rest: i128, divisor: i128, kept: i8, minimum: i8) -> i128 {
    let length = quotient
        .unsigned_abs()
        .checked_ilog10()
        .map_or(0, |log| log as usize + 1);
    let dropped = kept - own_digits(length, kept, minimum);
    if dropped <= 0 {
        let away = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
        let sign = if (rest < 0) == (divisor < 0) { 1 } else { -1 };
        return if away && rest != 0 {
            quotient + sign
        } else {
            quotient
        };
    }
    let unit = 10_i128.pow(u32::from(dropped.unsigned_abs()));
    let half = unit / 2;
    let away = if quotient < 0 {
        quotient - half
    } else {
        quotient + half
    };
    away / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    // SELECT one / other of PostgreSQL 15, without the zeros behind the digits that a quotient has of its own.
    #[test]
    fn quotients_are_those_of_postgres() {
        #[track_caller]
        fn check(one: (i128, i8), other: (i128, i8), expected: &str) {
            let decimal = |(value, scale)| -> ArrayRef {
                Arc::new(
                    Decimal128Array::from(vec![value])
                        .with_precision_and_scale(18, scale)
                        .unwrap(),
                )
            };
            let minimum = one.1.max(other.1);
            let quotient = divide(
                &decimal(one),
                &decimal(other),
                &DataType::Decimal128(38, 20),
                minimum,
            )
            .unwrap();
            let shown = quotient.as_primitive::<Decimal128Type>().value_as_string(0);
            assert_eq!(shown.trim_end_matches('0'), expected);
        }
        check((1, 0), (3, 0), "0.33333333333333333333");
        check((2, 0), (3, 0), "0.66666666666666666667");
        check((-2, 0), (3, 0), "-0.66666666666666666667");
        check((10, 0), (3, 0), "3.3333333333333333");
        check((1_000_000, 1), (3, 0), "33333.333333333333");
        check((12_345_678, 3), (7, 0), "1763.6682857142857143");
        check((1_000_000_000, 0), (7, 0), "142857142.85714286");
    }
}
