//! Values of an expression over the rows of a file, of which one that fails fails no other.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::DataType;
use datafusion::physical_expr::PhysicalExpr;

use crate::error::Result;
use crate::lost::said;

/// Evaluates over a batch; where that fails, row by row, with NULL for the rows at fault.
pub(crate) fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    Ok(attempted(expr, batch)?.0)
}

/// As [`evaluate`], with the numbers of the rows at fault, and what the first of them says.
pub(crate) fn attempted(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Result<(ArrayRef, Vec<usize>, Option<String>)> {
    let whole = expr
        .evaluate(batch)
        .and_then(|value| value.into_array(batch.num_rows()));
    let Err(error) = whole else {
        return Ok((whole?, Vec::new(), None));
    };
    tracing::debug!(%error, "rows evaluated one by one");
    let data_type = expr.data_type(batch.schema_ref())?;
    let (mut failed, mut first) = (Vec::new(), None);
    let rows: Vec<ArrayRef> = (0..batch.num_rows())
        .map(|row| {
            expr.evaluate(&batch.slice(row, 1))
                .and_then(|value| value.into_array(1))
                .unwrap_or_else(|error| {
                    failed.push(row);
                    first.get_or_insert_with(|| said(error));
                    new_null_array(&data_type, 1)
                })
        })
        .collect();
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    Ok((arrow::compute::concat(&rows)?, failed, first))
}

/// Values as text.
pub(crate) fn text(array: &ArrayRef) -> Result<StringArray> {
    let cast = arrow::compute::cast(array, &DataType::Utf8)?;
    Ok(cast
        .as_any()
        .downcast_ref::<StringArray>()
        .cloned()
        .unwrap_or_else(|| StringArray::new_null(array.len())))
}
