//! `perennial_or_empty(list)`: the list, and an empty one for NULL.
//!
//! `ARRAY(SELECT …)` is planned as an aggregate, which over no rows is NULL where Postgres has an empty array.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use datafusion::common::cast::as_list_array;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Its name.
pub(crate) const NAME: &str = "perennial_or_empty";

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(OrEmpty {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OrEmpty {
    signature: Signature,
}

impl ScalarUDFImpl for OrEmpty {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [list @ DataType::List(_)] => Ok(list.clone()),
            _ => plan_err!("{NAME} takes a list"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let mut given = arguments.args.into_iter();
        let Some(list) = given.next() else {
            return plan_err!("{NAME} takes a list");
        };
        Ok(ColumnarValue::Array(or_empty(&list.into_array(rows)?)?))
    }
}

/// The lists without their nulls. What stands behind a null is left out of the list that takes its place.
fn or_empty(lists: &ArrayRef) -> Result<ArrayRef> {
    if lists.null_count() == 0 {
        return Ok(Arc::clone(lists));
    }
    let lists = as_list_array(lists)?;
    let DataType::List(item) = lists.data_type() else {
        return plan_err!("{NAME} takes a list");
    };
    let length = |row| {
        if lists.is_null(row) {
            0
        } else {
            lists.value(row).len()
        }
    };
    let offsets = OffsetBuffer::from_lengths((0..lists.len()).map(length));
    let kept: Vec<ArrayRef> = (0..lists.len())
        .filter(|row| lists.is_valid(*row))
        .map(|row| lists.value(row))
        .collect();
    let values: Vec<&dyn Array> = kept.iter().map(AsRef::as_ref).collect();
    let values = if values.is_empty() {
        arrow::array::new_empty_array(item.data_type())
    } else {
        arrow::compute::concat(&values)?
    };
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        offsets,
        values,
        None,
    )?))
}

#[cfg(test)]
mod tests {
    use arrow::array::types::Int64Type;

    use super::*;

    #[track_caller]
    fn check(lists: Vec<Option<Vec<Option<i64>>>>, expected: Vec<Vec<Option<i64>>>) {
        let list = |lists| Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)) as ArrayRef;
        let expected = list(expected.into_iter().map(Some).collect::<Vec<_>>());
        assert_eq!(or_empty(&list(lists)).unwrap().as_ref(), expected.as_ref());
    }

    #[test]
    fn null_is_empty_and_every_other_list_stays() {
        check(vec![], vec![]);
        check(vec![None], vec![vec![]]);
        check(
            vec![Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(2)])],
            vec![vec![Some(1), None], vec![], vec![], vec![Some(2)]],
        );
    }
}
