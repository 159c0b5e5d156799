//! Functions on numbers whose domain or type is another in Postgres than in the engine.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Body, Call, Form, Function, Taken, form};

fn float(_: &[DataType]) -> DataType {
    DataType::Float64
}

const fn real(takes: &'static [Taken], body: Body) -> Form {
    form(takes, body)
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Big, Exact, Float};
    const ALL: &[Function] = &[
        Function::new(
            "ln",
            &[real(&[Float], |call| one(call, |x| logarithm(x, f64::ln)))],
            float,
        ),
        Function::new(
            "log",
            &[
                real(&[Float], |call| one(call, |x| logarithm(x, f64::log10))),
                real(&[Float, Float], |call| {
                    two(call, |base, x| {
                        Ok(logarithm(x, f64::ln)? / logarithm(base, f64::ln)?)
                    })
                }),
            ],
            float,
        ),
        Function::new(
            "log10",
            &[real(&[Float], |call| one(call, |x| logarithm(x, f64::log10)))],
            float,
        ),
        Function::new(
            "exp",
            &[real(&[Float], |call| {
                one(call, |x| bounded(x.exp(), x.is_finite(), true))
            })],
            float,
        ),
        Function::new("sqrt", &[real(&[Float], |call| one(call, root))], float),
        Function::new("power", &[real(&[Float, Float], |call| two(call, power))], float).also(&["pow"]),
        Function::new(
            "acos",
            &[real(&[Float], |call| one(call, |x| within(x, f64::acos)))],
            float,
        ),
        Function::new(
            "asin",
            &[real(&[Float], |call| one(call, |x| within(x, f64::asin)))],
            float,
        ),
        Function::new(
            "sign",
            &[
                real(&[Big], whole_sign),
                form(&[Exact], sign),
                real(&[Float], |call| one(call, |x| Ok(signum(x)))),
            ],
            |taken| match taken.first() {
                Some(decimal) if decimal.is_decimal() => DataType::Decimal128(1, 0),
                _ => DataType::Float64,
            },
        ),
        Function::new("div", &[form(&[Exact, Exact], div)], |_| {
            DataType::Decimal128(38, 0)
        }),
        Function::new("scale", &[form(&[Exact], scale)], |_| DataType::Int32),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

fn arguments() -> DataFusionError {
    raised(
        ErrorClass::UndefinedFunction,
        "a function of numbers has other arguments",
    )
}

fn one(call: &Call<'_>, of: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let column = call.columns.first().ok_or_else(arguments)?;
    let answers: Float64Array = column.as_primitive::<Float64Type>().try_unary(of)?;
    Ok(Arc::new(answers))
}

fn two(call: &Call<'_>, of: impl Fn(f64, f64) -> Result<f64>) -> Result<ArrayRef> {
    let [left, right] = call.columns.as_slice() else {
        return Err(arguments());
    };
    let answers = left
        .as_primitive::<Float64Type>()
        .iter()
        .zip(right.as_primitive::<Float64Type>())
        .map(|pair| match pair {
            (Some(left), Some(right)) => of(left, right).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<Float64Array>>()?;
    Ok(Arc::new(answers))
}

fn logarithm(x: f64, of: fn(f64) -> f64) -> Result<f64> {
    if x == 0.0 {
        return Err(raised(
            ErrorClass::InvalidLogarithm,
            "cannot take logarithm of zero",
        ));
    }
    if x < 0.0 {
        return Err(raised(
            ErrorClass::InvalidLogarithm,
            "cannot take logarithm of a negative number",
        ));
    }
    Ok(of(x))
}

fn root(x: f64) -> Result<f64> {
    if x < 0.0 {
        return Err(raised(
            ErrorClass::InvalidPower,
            "cannot take square root of a negative number",
        ));
    }
    Ok(x.sqrt())
}

/// A result of finite arguments is finite, and not zero where only its smallness makes it so.
fn bounded(result: f64, finite: bool, never_zero: bool) -> Result<f64> {
    if finite && result.is_infinite() {
        return Err(raised(
            ErrorClass::NumericOverflow,
            "value out of range: overflow",
        ));
    }
    if finite && never_zero && result == 0.0 {
        return Err(raised(
            ErrorClass::NumericOverflow,
            "value out of range: underflow",
        ));
    }
    Ok(result)
}

fn power(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(raised(
            ErrorClass::InvalidPower,
            "zero raised to a negative power is undefined",
        ));
    }
    if base < 0.0 && exponent.fract() != 0.0 {
        return Err(raised(
            ErrorClass::InvalidPower,
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    bounded(
        base.powf(exponent),
        base.is_finite() && exponent.is_finite(),
        base != 0.0,
    )
}

fn within(x: f64, of: fn(f64) -> f64) -> Result<f64> {
    if x.abs() > 1.0 {
        return Err(raised(ErrorClass::NumericOverflow, "input is out of range"));
    }
    Ok(of(x))
}

fn signum(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

/// Of an integer, Postgres has the one of floats.
fn whole_sign(call: &Call<'_>) -> Result<ArrayRef> {
    let column = call.columns.first().ok_or_else(arguments)?;
    let signs: Float64Array = column.as_primitive::<Int64Type>().unary(|x| match x {
        0 => 0.0,
        positive if positive > 0 => 1.0,
        _ => -1.0,
    });
    Ok(Arc::new(signs))
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    let column = call.columns.first().ok_or_else(arguments)?;
    let signs: Decimal128Array = match column.data_type() {
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().unary(i128::signum),
        _ => {
            let wide = column.as_primitive::<arrow::datatypes::Decimal256Type>();
            wide.unary(|value| i128::from(value.is_positive()) - i128::from(value.is_negative()))
        }
    };
    Ok(Arc::new(signs.with_precision_and_scale(1, 0)?))
}

fn div(call: &Call<'_>) -> Result<ArrayRef> {
    let [left, right] = call.columns.as_slice() else {
        return Err(arguments());
    };
    let (DataType::Decimal128(_, one), DataType::Decimal128(_, other)) =
        (left.data_type(), right.data_type())
    else {
        return plan_err!("div takes numbers of 38 digits at most");
    };
    let beyond = || raised(ErrorClass::NumericOverflow, "numeric field overflow");
    // Both at the larger scale, the quotient has no fraction.
    let common = (*one).max(*other);
    let factor = |scale: i8| 10_i128.checked_pow(u32::from((common - scale).unsigned_abs()));
    let (Some(left_factor), Some(right_factor)) = (factor(*one), factor(*other)) else {
        return Err(beyond());
    };
    let answers = left
        .as_primitive::<Decimal128Type>()
        .iter()
        .zip(right.as_primitive::<Decimal128Type>())
        .map(|pair| match pair {
            (Some(_), Some(0)) => Err(raised(ErrorClass::DivisionByZero, "division by zero")),
            (Some(left), Some(right)) => {
                let left = left.checked_mul(left_factor).ok_or_else(beyond)?;
                let right = right.checked_mul(right_factor).ok_or_else(beyond)?;
                Ok(Some(left / right))
            }
            _ => Ok(None),
        })
        .collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(answers.with_precision_and_scale(38, 0)?))
}

fn scale(call: &Call<'_>) -> Result<ArrayRef> {
    let column = call.columns.first().ok_or_else(arguments)?;
    let scale = i32::from(super::quotient::scale(column.data_type()).max(0));
    let answers: Int32Array = (0..column.len())
        .map(|row| column.is_valid(row).then_some(scale))
        .collect();
    Ok(Arc::new(answers))
}
