//! What it cost to win a customer.
//!
//! # Signature
//! `cac(spend numeric, new_customers bigint) → numeric`, or `→ double precision` for a spend in double precision; null if
//! an argument is null or no customer was won.
//! # Shape
//! n rows in, n rows out.
//! # Units
//! Money in the spend's currency: both arguments are of one currency and one period.
//! # Definition
//! `spend / new_customers`. A numeric or integer spend gives a numeric of at least four decimals, rounded half away from
//! zero as Postgres rounds; a spend in double precision gives double precision. Spend may be negative (a credit note).
//! # Errors
//! Invalid argument when the number of customers is negative.
//! # Cost
//! O(1).
//! # Source
//! 10,000 spent on 200 customers are 50 each, complete.tools' calculator; an undefined ratio is null as in all of our
//! functions, where others give 0 or infinity.
//! # Example
//! `SELECT cac(10000, 200)` gives `50.0000`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Decimal128Array, Float64Array},
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float64Type, Int64Type},
};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_udf_kit::{
    FunctionError, Kind, Parameter, Parameters,
    columns::{self, Column},
};

const PARAMETERS: Parameters = Parameters {
    function: "cac",
    syntax: "cac(spend numeric, new_customers bigint)",
    required: &[
        Parameter::new("spend", Kind::Number),
        Parameter::new("new_customers", Kind::Integer),
    ],
    optional: &[],
    rest: None,
    last: None,
};

/// Decimals of money, as `numeric(18,4)` stores it.
const MONEY_SCALE: i8 = 4;

/// The SQL function `cac`.
#[user_doc(
    doc_section(label = "acquisition"),
    description = "Customer acquisition cost: the spend of a period divided by the customers won in it. Null when none was won. Money in, money out: a numeric spend gives a numeric of at least four decimals, a spend in double precision gives double precision.",
    syntax_example = "cac(spend numeric, new_customers bigint) → numeric",
    sql_example = r#"```sql
SELECT cac(10000, 200);
+---------+
| cac     |
+---------+
| 50.0000 |
+---------+
```"#,
    argument(
        name = "spend",
        description = "What was spent to win customers, in one currency."
    ),
    argument(
        name = "new_customers",
        description = "How many customers were won in the same period."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Cac {
    signature: Signature,
}

impl Cac {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for Cac {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for Cac {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(arg_types)?;
        Ok(match arg_types {
            [DataType::Decimal128(_, scale), ..] => numeric((*scale).max(MONEY_SCALE)),
            [DataType::Int64, ..] => numeric(MONEY_SCALE),
            _ => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [spend, customers] = args.args.as_slice() else {
            return PARAMETERS.missing();
        };
        let customers = Column::<Int64Type>::try_new(customers)?;
        let rows = columns::rows(&args);
        let values: ArrayRef = match (spend.data_type(), args.return_type()) {
            (DataType::Float64, _) => {
                let spend = Column::<Float64Type>::try_new(spend)?;
                let ratio = |row| -> Result<Option<f64>> {
                    let (Some(spend), Some(count)) = (spend.at(row), divisor(&customers, row)?) else {
                        return Ok(None);
                    };
                    Ok(Some(spend / count as f64))
                };
                Arc::new((0..rows).map(ratio).collect::<Result<Float64Array>>()?)
            }
            (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) => {
                let spend = Column::<Decimal128Type>::try_new(spend)?;
                let values = divide(rows, &customers, |row| spend.at(row), to - from)?;
                Arc::new(values.with_precision_and_scale(*precision, *to)?)
            }
            (_, DataType::Decimal128(precision, to)) => {
                let spend = Column::<Int64Type>::try_new(spend)?;
                let values = divide(rows, &customers, |row| spend.at(row).map(i128::from), *to)?;
                Arc::new(values.with_precision_and_scale(*precision, *to)?)
            }
            (spend, _) => return exec_err!("cac was called with a spend of type {spend}"),
        };
        columns::answer(&args, values)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn numeric(scale: i8) -> DataType {
    DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)
}

/// The customers of a row, or `None` when a division by them has no answer.
fn divisor(customers: &Column<Int64Type>, row: usize) -> Result<Option<i64>> {
    match customers.at(row) {
        Some(count) if count < 0 => Err(FunctionError::OutOfRange {
            function: PARAMETERS.function,
            argument: "new_customers",
            value: count.to_string(),
            expected: "counts from 0 on",
        }
        .into()),
        count => Ok(count.filter(|count| *count > 0)),
    }
}

/// Quotients with `decimals` more decimals than the spend, rounded half away from zero.
fn divide(
    rows: usize,
    customers: &Column<Int64Type>,
    spend: impl Fn(usize) -> Option<i128>,
    decimals: i8,
) -> Result<Decimal128Array> {
    let factor = 10_i128.pow(u32::try_from(decimals).unwrap_or(0));
    let quotient = |row| -> Result<Option<i128>> {
        let (Some(spend), Some(count)) = (spend(row), divisor(customers, row)?) else {
            return Ok(None);
        };
        let count = i128::from(count);
        let Some(scaled) = spend.checked_mul(factor) else {
            let reason = format!("is too large: it needs more than {DECIMAL128_MAX_PRECISION} digits");
            return Err(FunctionError::invalid(PARAMETERS.function, "spend", reason).into());
        };
        let (whole, rest) = (scaled / count, scaled % count);
        let up = rest.abs() * 2 >= count;
        Ok(Some(if up { whole + scaled.signum() } else { whole }))
    };
    (0..rows).map(quotient).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Int32Array};
    use datafusion_expr::ScalarUDF;
    use perennial_udf_kit::testing::{check_scalar, check_scalar_error};

    use super::*;

    fn money(cents: &[Option<i128>], scale: i8) -> ArrayRef {
        Arc::new(
            Decimal128Array::from(cents.to_vec())
                .with_precision_and_scale(18, scale)
                .unwrap(),
        )
    }

    fn counts(counts: &[Option<i32>]) -> ArrayRef {
        Arc::new(Int32Array::from(counts.to_vec()))
    }

    #[track_caller]
    fn check(spend: ArrayRef, customers: &[Option<i32>], expected: ArrayRef) {
        check_scalar(
            &ScalarUDF::from(Cac::new()),
            &[spend, counts(customers)],
            &expected,
        );
    }

    fn answer(values: &[Option<i128>], scale: i8) -> ArrayRef {
        Arc::new(
            Decimal128Array::from(values.to_vec())
                .with_precision_and_scale(DECIMAL128_MAX_PRECISION, scale)
                .unwrap(),
        )
    }

    #[test]
    fn published_figures_and_undefined_ratios() {
        check(
            money(
                &[
                    Some(1_000_000),
                    Some(1_000_000),
                    Some(1_000_000),
                    None,
                    Some(5),
                    Some(0),
                ],
                2,
            ),
            &[Some(200), Some(500), Some(0), Some(5), None, Some(3)],
            answer(&[Some(500_000), Some(200_000), None, None, None, Some(0)], 4),
        );
    }

    #[test]
    fn money_is_rounded_half_away_from_zero_to_four_decimals_at_least() {
        // 10 / 3, 20 / 3, 0.0001 / 2, -0.0001 / 2, -10 / 3.
        check(
            money(
                &[Some(100_000), Some(200_000), Some(1), Some(-1), Some(-100_000)],
                4,
            ),
            &[Some(3), Some(3), Some(2), Some(2), Some(3)],
            answer(&[Some(33_333), Some(66_667), Some(1), Some(-1), Some(-33_333)], 4),
        );
        check(
            money(&[Some(1_000_000)], 6),
            &[Some(3)],
            answer(&[Some(333_333)], 6),
        );
        check(
            counts(&[Some(10), None]),
            &[Some(4), Some(1)],
            answer(&[Some(25_000), None], 4),
        );
    }

    #[test]
    fn floats_give_floats() {
        let spend: ArrayRef = Arc::new(Float32Array::from(vec![Some(10.0), Some(10.0), None]));
        let expected: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.5), None, None]));
        check(spend, &[Some(4), Some(0), Some(1)], expected);
    }

    #[test]
    fn negative_counts_and_too_large_sums_are_errors() {
        let function = ScalarUDF::from(Cac::new());
        let error = |spend, customers: &[Option<i32>], message| {
            check_scalar_error(&function, &[spend, counts(customers)], message);
        };
        error(
            money(&[Some(1)], 2),
            &[Some(-2)],
            "new_customers -2 is out of range",
        );
        let huge = Decimal128Array::from(vec![10_i128.pow(37)])
            .with_precision_and_scale(38, 0)
            .unwrap();
        error(
            Arc::new(huge),
            &[Some(1)],
            "argument \"spend\" of function cac is too large: it needs more than 38 digits",
        );
        check_scalar_error(
            &function,
            &[counts(&[Some(1)])],
            "function cac(integer) does not exist",
        );
    }
}
