//! `perennial_equals_any(array, value)`, which is `value = ANY(array)`: NULL where no element is equal and one is NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

/// Its name.
pub(crate) const NAME: &str = "perennial_equals_any";

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(EqualsAny {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EqualsAny {
    signature: Signature,
}

impl ScalarUDFImpl for EqualsAny {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [list, value] = given else {
            return plan_err!("ANY takes one array");
        };
        let item = match list {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                item.data_type()
            }
            DataType::Null => value,
            _ => return plan_err!("op ANY/ALL (array) requires array on right side"),
        };
        let both = match (item, value) {
            (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
            // A column keeps its form of text, so that its values can be looked up.
            (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, text) if text.is_string() => {
                Some(text.clone())
            }
            (item, value) => comparison_coercion(item, value),
        };
        match both {
            Some(both) => Ok(vec![
                DataType::List(Arc::new(Field::new_list_field(both.clone(), true))),
                both,
            ]),
            None => plan_err!("Cannot infer common argument type for comparison operation {value} = {item}"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn simplify(&self, mut arguments: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // A list that is known is IN, which is pruned by and looked up.
        let items = match arguments.first() {
            Some(Expr::Literal(list @ ScalarValue::List(values), _)) if !list.is_null() => {
                let values = values.value(0);
                (0..values.len())
                    .map(|place| ScalarValue::try_from_array(&values, place).map(lit))
                    .collect::<Result<Vec<_>>>()?
            }
            _ => return Ok(ExprSimplifyResult::Original(arguments)),
        };
        if items.is_empty() {
            return Ok(ExprSimplifyResult::Simplified(lit(false)));
        }
        Ok(match arguments.pop() {
            Some(value) => {
                ExprSimplifyResult::Simplified(Expr::InList(InList::new(Box::new(value), items, false)))
            }
            None => ExprSimplifyResult::Original(arguments),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [lists, values] = columns.as_slice() else {
            return plan_err!("ANY takes one array");
        };
        Ok(ColumnarValue::Array(equal(lists, values)?))
    }
}

fn equal(lists: &ArrayRef, values: &ArrayRef) -> Result<ArrayRef> {
    let lists = lists.as_list::<i32>();
    let items = lists.values();
    let order = arrow::array::make_comparator(items, values, SortOptions::default())?;
    let answers: BooleanArray = (0..lists.len())
        .map(|row| {
            if lists.is_null(row) {
                return None;
            }
            let places = lists.value_offsets().get(row..row + 2).map_or(0..0, places);
            let mut known = true;
            for place in places {
                if items.is_null(place) || values.is_null(row) {
                    known = false;
                } else if order(place, row).is_eq() {
                    return Some(true);
                }
            }
            known.then_some(false)
        })
        .collect();
    Ok(Arc::new(answers))
}

fn places(ends: &[i32]) -> std::ops::Range<usize> {
    let end = |place: usize| {
        ends.get(place)
            .and_then(|end| usize::try_from(*end).ok())
            .unwrap_or_default()
    };
    end(0)..end(1)
}
