//! `width_bucket`: in which of several ranges a number lies, which are of one width, or begin at the elements of an array.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, make_comparator};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Function, Taken, form};

pub(super) fn function() -> Arc<ScalarUDF> {
    use Taken::{Any, Float, Int};
    const BUCKET: Function = Function::new(
        "width_bucket",
        &[
            form(&[Float, Float, Float, Int], of_one_width),
            form(&[Any, Any], between),
        ],
        |_| DataType::Int32,
    );
    BUCKET.udf()
}

fn undefined() -> DataFusionError {
    raised(
        ErrorClass::UndefinedFunction,
        "width_bucket takes a value and an array of thresholds of its type, or a value, two bounds and a count",
    )
}

/// As `width_bucket_float8` in float.c.
fn of_one_width(call: &Call<'_>) -> Result<ArrayRef> {
    let [value, low, high, count] = call.columns.as_slice() else {
        return Err(undefined());
    };
    let (value, low, high, count) = (
        value.as_primitive::<Float64Type>(),
        low.as_primitive::<Float64Type>(),
        high.as_primitive::<Float64Type>(),
        count.as_primitive::<Int32Type>(),
    );
    let answers = (0..call.rows)
        .map(|row| {
            if value.is_null(row) || low.is_null(row) || high.is_null(row) || count.is_null(row) {
                return Ok(None);
            }
            let bounds = (low.value(row), high.value(row));
            bucket(value.value(row), bounds, count.value(row)).map(Some)
        })
        .collect::<Result<Int32Array>>()?;
    Ok(Arc::new(answers))
}

fn bucket(value: f64, (low, high): (f64, f64), count: i32) -> Result<i32> {
    let invalid = |message: &str| Err(raised(ErrorClass::InvalidBucket, message));
    if count <= 0 {
        return invalid("count must be greater than zero");
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return invalid("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return invalid("lower and upper bounds must be finite");
    }
    if low == high {
        return invalid("lower bound cannot equal upper bound");
    }
    let share = if low < high {
        (value - low) / (high - low)
    } else {
        (low - value) / (low - high)
    };
    Ok(if share < 0.0 {
        0
    } else if share >= 1.0 {
        count.saturating_add(1)
    } else {
        (share * f64::from(count)).floor() as i32 + 1
    })
}

/// How many thresholds are not above the value; they are in order.
fn between(call: &Call<'_>) -> Result<ArrayRef> {
    let [values, lists] = call.columns.as_slice() else {
        return Err(undefined());
    };
    let DataType::List(item) = lists.data_type() else {
        return Err(undefined());
    };
    let common = comparison_coercion(values.data_type(), item.data_type());
    let common = common
        .filter(|_| !item.data_type().is_nested())
        .ok_or_else(undefined)?;
    let lists = lists.as_list::<i32>();
    let (values, thresholds) = (cast(values, &common)?, cast(lists.values(), &common)?);
    let order = make_comparator(&thresholds, &values, SortOptions::default())?;
    let one = |row: usize| {
        if values.is_null(row) || lists.is_null(row) {
            return Ok(None);
        }
        let [begin, end] =
            [row, row + 1].map(|at| lists.value_offsets().get(at).copied().unwrap_or_default());
        let (mut least, mut most) = (begin, end);
        while least < most {
            let middle = least + (most - least) / 2;
            let at = usize::try_from(middle).unwrap_or_default();
            if thresholds.is_null(at) {
                let message = "thresholds array must not contain NULLs";
                return Err(raised(ErrorClass::InvalidArgument, message));
            }
            if order(at, row).is_le() {
                least = middle + 1;
            } else {
                most = middle;
            }
        }
        Ok(Some(least - begin))
    };
    let answers = (0..call.rows).map(one).collect::<Result<Int32Array>>()?;
    Ok(Arc::new(answers))
}
