//! Columns that a mapping does not name, as one JSON object per row.

use arrow::array::{RecordBatch, StringArray, StringBuilder};
use arrow::json::writer::{LineDelimited, WriterBuilder};

use crate::error::Result;

/// One JSON object per row, without the columns that are NULL; NULL when nothing is left.
pub(crate) fn json(batch: &RecordBatch) -> Result<StringArray> {
    let mut bytes = Vec::with_capacity(batch.num_rows() * 64);
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(false)
        .build::<_, LineDelimited>(&mut bytes);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    let mut out = StringBuilder::with_capacity(batch.num_rows(), bytes.len());
    for line in bytes.split(|byte| *byte == b'\n').take(batch.num_rows()) {
        match std::str::from_utf8(line) {
            Ok("{}") | Err(_) => out.append_null(),
            Ok(object) => out.append_value(object),
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array};

    use super::*;

    #[test]
    fn null_columns_are_left_out_and_newlines_are_escaped() {
        let batch = RecordBatch::try_from_iter([
            (
                "page",
                Arc::new(StringArray::from(vec![Some("/a\n\"b\""), None, None])) as ArrayRef,
            ),
            (
                "n",
                Arc::new(Int64Array::from(vec![Some(1), Some(2), None])) as ArrayRef,
            ),
            (
                "x",
                Arc::new(Float64Array::from(vec![None, Some(0.5), None])) as ArrayRef,
            ),
        ])
        .unwrap();
        let objects = json(&batch).unwrap();
        let shown: Vec<_> = objects.iter().collect();
        assert_eq!(
            shown,
            [
                Some(r#"{"page":"/a\n\"b\"","n":1}"#),
                Some(r#"{"n":2,"x":0.5}"#),
                None
            ]
        );
    }
}
