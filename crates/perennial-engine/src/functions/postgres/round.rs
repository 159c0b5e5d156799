//! `round`, `trunc`, `ceil` and `floor` of numerics have the digits that are asked for, as in Postgres; `round` of double
//! precision goes to the nearest even whole number.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array};
use arrow::compute::cast;
use arrow::compute::kernels::arity::binary;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int32Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::quotient::scale;

/// The functions, in the place of the engine's.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let of = |engine: Arc<ScalarUDF>, way: Way| {
        Arc::new(ScalarUDF::from(Round {
            engine,
            way,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: if way == Way::Up {
                vec!["ceiling".to_owned()]
            } else {
                Vec::new()
            },
        }))
    };
    vec![
        function(),
        of(datafusion::functions::math::trunc(), Way::Cut),
        of(datafusion::functions::math::ceil(), Way::Up),
        of(datafusion::functions::math::floor(), Way::Down),
    ]
}

/// `round`.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Round {
        engine: datafusion::functions::math::round(),
        way: Way::Nearest,
        signature: Signature::user_defined(Volatility::Immutable),
        aliases: Vec::new(),
    }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Nearest,
    Cut,
    Up,
    Down,
}

/// The engine's function does all but what stands above.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    engine: Arc<ScalarUDF>,
    way: Way,
    signature: Signature,
    aliases: Vec<String>,
}

/// Digits behind the point that a decimal is rounded to: none without a second argument, what a constant says with one.
fn digits(arguments: &[Option<&ScalarValue>]) -> Option<i64> {
    match arguments {
        [_] => Some(0),
        [_, Some(digits)] => match digits.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(digits)) => digits,
            _ => None,
        },
        _ => None,
    }
}

fn kept(digits: i64) -> i8 {
    i8::try_from(digits.clamp(0, 30)).unwrap_or(0)
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [decimal, rest @ ..] if decimal.is_decimal() => {
                let number = match decimal {
                    DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                        DataType::Decimal128(*precision, *scale)
                    }
                    other => other.clone(),
                };
                Ok(std::iter::once(number)
                    .chain(rest.iter().map(|_| DataType::Int64))
                    .collect())
            }
            // A number with digits is numeric; alone it is double precision.
            [whole, _] if whole.is_integer() => Ok(vec![DataType::Decimal128(20, 0), DataType::Int64]),
            [_] => Ok(vec![if given.first() == Some(&DataType::Float32) {
                DataType::Float32
            } else {
                DataType::Float64
            }]),
            [float, _] if *float == DataType::Float32 => Ok(vec![DataType::Float32, DataType::Int32]),
            [_, _] => Ok(vec![DataType::Float64, DataType::Int32]),
            _ => datafusion::common::plan_err!("function {} takes a number and its digits", self.name()),
        }
    }

    fn return_type(&self, taken: &[DataType]) -> Result<DataType> {
        Ok(taken.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let number = arguments
            .arg_fields
            .first()
            .map_or(&DataType::Null, |field| field.data_type());
        let data_type = match (number.is_decimal(), digits(arguments.scalar_arguments)) {
            // Rounded they fit in fewer digits, and one more before the point.
            (true, Some(digits)) => DataType::Decimal128(38, kept(digits)),
            _ => number.clone(),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(number) = arguments.args.first() else {
            return self.engine.invoke_with_args(arguments);
        };
        let scalar = matches!(number, ColumnarValue::Scalar(_));
        let answer = |column: ArrayRef| {
            Ok(if scalar {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?)
            } else {
                ColumnarValue::Array(column)
            })
        };
        let rows = if scalar { 1 } else { arguments.number_rows };
        if number.data_type().is_decimal() {
            let constants: Vec<Option<&ScalarValue>> = arguments
                .args
                .iter()
                .map(|value| match value {
                    ColumnarValue::Scalar(constant) => Some(constant),
                    ColumnarValue::Array(_) => None,
                })
                .collect();
            let constants: Vec<_> = match constants.as_slice() {
                [_] => vec![None],
                [_, digits] => vec![None, *digits],
                _ => constants,
            };
            if let Some(digits) = digits(&constants) {
                return answer(self.decimals(&number.to_array(rows)?, digits)?);
            }
        }
        if number.data_type().is_floating() {
            if let [_, digits] = arguments.args.as_slice() {
                let one = scalar && matches!(digits, ColumnarValue::Scalar(_));
                let rows = if one { 1 } else { arguments.number_rows };
                let rounded = self.floats(&number.to_array(rows)?, &digits.to_array(rows)?)?;
                return Ok(if one {
                    ColumnarValue::Scalar(ScalarValue::try_from_array(&rounded, 0)?)
                } else {
                    ColumnarValue::Array(rounded)
                });
            }
            if self.way == Way::Nearest {
                return answer(half_even(&number.to_array(rows)?));
            }
        }
        self.engine.invoke_with_args(arguments)
    }
}

impl Round {
    /// Floats have no digits of their own: what is nearest to the decimal number.
    fn floats(&self, numbers: &ArrayRef, digits: &ArrayRef) -> Result<ArrayRef> {
        let digits = digits.as_primitive::<Int32Type>();
        let way = self.way;
        Ok(match numbers.data_type() {
            DataType::Float32 => {
                let numbers = numbers.as_primitive::<Float32Type>();
                Arc::new(binary::<_, _, _, Float32Type>(
                    numbers,
                    digits,
                    |number, digits| {
                        // The decimal number that a real stands for is the shortest that is nearest to it.
                        let shortest = number.to_string().parse().unwrap_or(f64::from(number));
                        rounded(shortest, digits, way) as f32
                    },
                )?)
            }
            _ => {
                let numbers = numbers.as_primitive::<Float64Type>();
                Arc::new(binary::<_, _, _, Float64Type>(
                    numbers,
                    digits,
                    |number, digits| rounded(number, digits, way),
                )?)
            }
        })
    }

    fn decimals(&self, numbers: &ArrayRef, digits: i64) -> Result<ArrayRef> {
        let (from, to) = (scale(numbers.data_type()), kept(digits));
        let target = DataType::Decimal128(38, to);
        if digits >= 0 && (self.way == Way::Nearest || from <= to) {
            return Ok(cast(numbers, &target)?);
        }
        let same = DataType::Decimal128(38, from);
        let numbers = if *numbers.data_type() == same {
            Arc::clone(numbers)
        } else {
            cast(numbers, &same)?
        };
        let dropped = i64::from(from) - digits;
        let unit = u32::try_from(dropped)
            .ok()
            .and_then(|dropped| 10_i128.checked_pow(dropped));
        let back = 10_i128.pow(u32::try_from(-digits.min(0)).unwrap_or(0).min(37));
        let way = self.way;
        let rounded: Decimal128Array = numbers.as_primitive::<Decimal128Type>().unary(|value| {
            let Some(unit) = unit else { return 0 };
            let whole = match way {
                Way::Cut => value / unit,
                Way::Up => -((-value).div_euclid(unit)),
                Way::Down => value.div_euclid(unit),
                Way::Nearest => {
                    let half = unit / 2;
                    if value < 0 {
                        (value - half) / unit
                    } else {
                        (value + half) / unit
                    }
                }
            };
            whole * back
        });
        Ok(Arc::new(rounded.with_precision_and_scale(38, to)?))
    }
}

/// Whole numbers up to this are told from halves, and from one another, by far more than a float's error.
const CLEAR: f64 = 1e9;
/// What is further from the next half, or whole number, is not meant to be one.
const APART: f64 = 1e-5;
/// Powers of ten up to this are exact as floats.
const EXACT: i32 = 22;
/// Digits of a float behind its first one that a numeric has.
const BEHIND: i32 = 14;

/// A number with so many digits behind the point, or zeros before it: of the numeric that it is in Postgres, which has
/// fifteen digits. One that has no such digits stays what it is.
fn rounded(number: f64, digits: i32, way: Way) -> f64 {
    if !number.is_finite() || number == 0.0 {
        return number;
    }
    if digits.abs() <= EXACT {
        let unit = 10_f64.powi(digits.abs());
        let scaled = if digits >= 0 { number * unit } else { number / unit };
        let part = scaled.fract().abs();
        let apart = match way {
            Way::Nearest => (part - 0.5).abs(),
            Way::Cut | Way::Up | Way::Down => part.min(1.0 - part),
        };
        if scaled.abs() < CLEAR && apart > APART {
            let whole = match way {
                Way::Nearest => scaled.round(),
                Way::Cut => scaled.trunc(),
                Way::Up => scaled.ceil(),
                Way::Down => scaled.floor(),
            };
            // There is no zero below zero in numerics.
            return 0.0 + if digits >= 0 { whole / unit } else { whole * unit };
        }
    }
    by_digits(number, digits, way).unwrap_or(number)
}

/// The same by the digits of the number; none where all of them are kept.
fn by_digits(number: f64, digits: i32, way: Way) -> Option<f64> {
    let text = format!("{number:.14e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let mantissa: i64 = mantissa.replacen('.', "", 1).parse().ok()?;
    let dropped = BEHIND.checked_sub(exponent.parse().ok()?)?.checked_sub(digits)?;
    let dropped = u32::try_from(dropped).ok().filter(|dropped| *dropped > 0)?;
    // Of fifteen digits nothing is left of so many.
    let unit = 10_i64.pow(dropped.min(17));
    let whole = match way {
        Way::Nearest => (mantissa + mantissa.signum() * (unit / 2)) / unit,
        Way::Cut => mantissa / unit,
        Way::Up => -((-mantissa).div_euclid(unit)),
        Way::Down => mantissa.div_euclid(unit),
    };
    format!("{whole}e{}", digits.checked_neg()?).parse().ok()
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
