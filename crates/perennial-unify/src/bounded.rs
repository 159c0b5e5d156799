//! How much a batch is when every value stands for itself: a dictionary makes a gigabyte of text out of a kilobyte of
//! file, and the canonical columns have no dictionaries.

use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

/// The longest value of a row that is taken.
pub(crate) const LONGEST_VALUE: u64 = 16 << 20;
/// What a piece of a batch has at most.
const PIECE: u64 = 64 << 20;
/// What any file may unpack to.
const LEAST_BOUND: u64 = 256 << 20;
/// How many times its own size a larger file may unpack to.
const MAX_RATIO: u64 = 1_000;

/// What a file of `size` bytes may unpack to.
pub(crate) fn bound(size: u64) -> u64 {
    LEAST_BOUND.max(size.saturating_mul(MAX_RATIO))
}

/// A part of a batch.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// Rows, and the bytes of them.
    Rows(Range<usize>, u64),
    /// A row with a value that is too long.
    TooLong,
}

/// Cuts a batch into pieces of rows that fit into memory as plain columns; `columns` are those that are read.
pub(crate) fn pieces(batch: &RecordBatch, columns: &[usize]) -> Vec<Piece> {
    let columns: Vec<&dyn Array> = columns
        .iter()
        .filter_map(|at| batch.columns().get(*at))
        .map(AsRef::as_ref)
        .collect();
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0_u64);
    for row in 0..batch.num_rows() {
        let (mut own, mut longest) = (0_u64, 0);
        for column in &columns {
            let length = length(*column, row);
            own += length;
            longest = longest.max(length);
        }
        let cut = longest > LONGEST_VALUE || bytes + own > PIECE;
        if cut && start < row {
            pieces.push(Piece::Rows(start..row, bytes));
        }
        if longest > LONGEST_VALUE {
            pieces.push(Piece::TooLong);
            (start, bytes) = (row + 1, 0);
        } else if cut {
            (start, bytes) = (row, own);
        } else {
            bytes += own;
        }
    }
    if start < batch.num_rows() {
        pieces.push(Piece::Rows(start..batch.num_rows(), bytes));
    }
    pieces
}

/// The bytes of one value; of what has a fixed size, next to nothing.
fn length(column: &dyn Array, row: usize) -> u64 {
    if column.is_null(row) {
        return 0;
    }
    match column.data_type() {
        DataType::Utf8View => view_length(column.as_string_view().views().get(row)),
        DataType::BinaryView => view_length(column.as_binary_view().views().get(row)),
        DataType::Utf8 => u64::from(column.as_string::<i32>().value_length(row).unsigned_abs()),
        DataType::LargeUtf8 => column.as_string::<i64>().value_length(row).unsigned_abs(),
        DataType::List(_) => elements(column.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => elements(column.as_list::<i64>().value(row).as_ref()),
        DataType::Struct(_) => {
            let fields = column.as_struct().columns();
            fields.iter().map(|field| length(field.as_ref(), row)).sum()
        }
        DataType::Map(..) => elements(&column.as_map().value(row)),
        _ => 16,
    }
}

fn elements(values: &dyn Array) -> u64 {
    (0..values.len()).map(|row| length(values, row)).sum()
}

/// The low half of a view is the length of its value.
fn view_length(view: Option<&u128>) -> u64 {
    view.map_or(0, |view| u64::from(*view as u32))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringViewArray};

    use super::*;

    /// A batch whose rows have texts of so many bytes, without the texts being there once each.
    fn batch(lengths: &[usize]) -> RecordBatch {
        let text: ArrayRef = Arc::new(
            lengths
                .iter()
                .map(|length| Some("x".repeat(*length)))
                .collect::<StringViewArray>(),
        );
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1; lengths.len()]));
        RecordBatch::try_from_iter([("text", text), ("number", number)]).unwrap()
    }

    #[test]
    fn a_batch_is_cut_where_it_grows_too_large() {
        const MEGABYTE: usize = 1 << 20;
        #[track_caller]
        fn check(lengths: &[usize], columns: &[usize], expected: &[Piece]) {
            assert_eq!(pieces(&batch(lengths), columns), expected);
        }
        check(&[], &[0, 1], &[]);
        check(&[1, 2, 3], &[0], &[Piece::Rows(0..3, 6)]);
        check(&[1, 2, 3], &[0, 1], &[Piece::Rows(0..3, 6 + 48)]);
        let ten = 10 * MEGABYTE;
        check(
            &[ten; 8],
            &[0],
            &[
                Piece::Rows(0..6, 6 * ten as u64),
                Piece::Rows(6..8, 2 * ten as u64),
            ],
        );
        check(
            &[1, 17 * MEGABYTE, 2],
            &[0],
            &[Piece::Rows(0..1, 1), Piece::TooLong, Piece::Rows(2..3, 2)],
        );
        check(&[17 * MEGABYTE], &[0], &[Piece::TooLong]);
        // A column that nobody reads may be as long as it likes.
        check(&[17 * MEGABYTE], &[1], &[Piece::Rows(0..1, 16)]);
    }
}
