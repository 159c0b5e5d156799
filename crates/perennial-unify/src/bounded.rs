//! How much a batch is when every value stands for itself: a dictionary makes a gigabyte of text out of a kilobyte of
//! file, and the canonical columns have no dictionaries.

use std::ops::Range;

use arrow::array::{AnyDictionaryArray, Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use perennial_lake::{Rejection, most_unpacked};

/// The longest value of a row that is taken.
pub(crate) const LONGEST_VALUE: u64 = 16 << 20;
/// What a piece of a batch has at most.
const PIECE: u64 = 64 << 20;

/// What the values of a file take, column by column, those that no mapping reads among them: statements do.
#[derive(Debug)]
pub(crate) struct Unpacked {
    bound: u64,
    columns: Vec<u64>,
}

impl Unpacked {
    /// Nothing yet of a file of `size` bytes.
    pub(crate) fn new(size: u64) -> Self {
        Self {
            bound: most_unpacked(size),
            columns: Vec::new(),
        }
    }

    /// Takes in rows, always of the same columns.
    ///
    /// # Errors
    /// Why the file is refused, as soon as it is too much; the column is the one that takes most.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> Result<(), Rejection> {
        self.columns.resize(batch.num_columns(), 0);
        for (bytes, column) in self.columns.iter_mut().zip(batch.columns()) {
            *bytes = bytes.saturating_add(taken(column.as_ref()));
        }
        let all = self.columns.iter().copied().fold(0, u64::saturating_add);
        if all <= self.bound {
            return Ok(());
        }
        let schema = batch.schema();
        let columns = self.columns.iter().zip(schema.fields());
        let most = columns.max_by_key(|(bytes, _)| **bytes);
        Err(Rejection {
            column: most.map(|(_, field)| field.name().clone()),
            ..Rejection::new(format!("unpacks to more than {} bytes", self.bound))
        })
    }
}

/// A part of a batch.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    Rows(Range<usize>),
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
            pieces.push(Piece::Rows(start..row));
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
        pieces.push(Piece::Rows(start..batch.num_rows()));
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

/// The bytes of all values of a column.
fn taken(column: &dyn Array) -> u64 {
    let of_views = |views: &[u128]| -> u64 {
        let nulls = column.nulls();
        let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        let views = views.iter().enumerate().filter(|(row, _)| valid(*row));
        views.map(|(_, view)| view_length(Some(view))).sum()
    };
    match column.data_type() {
        DataType::Utf8View => of_views(column.as_string_view().views()),
        DataType::BinaryView => of_views(column.as_binary_view().views()),
        DataType::Utf8 => span(column.as_string::<i32>().offsets()).len() as u64,
        DataType::Binary => span(column.as_binary::<i32>().offsets()).len() as u64,
        DataType::LargeUtf8 => span(column.as_string::<i64>().offsets()).len() as u64,
        DataType::LargeBinary => span(column.as_binary::<i64>().offsets()).len() as u64,
        DataType::List(_) => taken_in(
            column.as_list::<i32>().values(),
            column.as_list::<i32>().offsets(),
        ),
        DataType::LargeList(_) => taken_in(
            column.as_list::<i64>().values(),
            column.as_list::<i64>().offsets(),
        ),
        DataType::Map(..) => {
            let fields = column.as_map().entries().columns();
            let offsets = column.as_map().offsets();
            fields.iter().map(|field| taken_in(field, offsets)).sum()
        }
        DataType::Struct(_) => {
            let fields = column.as_struct().columns();
            fields.iter().map(|field| taken(field.as_ref())).sum()
        }
        DataType::Dictionary(..) => taken_by_key(column.as_any_dictionary()),
        DataType::FixedSizeList(..) => taken(column.as_fixed_size_list().values().as_ref()),
        DataType::FixedSizeBinary(width) => of_fixed(column, u64::from(width.unsigned_abs())),
        fixed => of_fixed(column, fixed.primitive_width().unwrap_or(1) as u64),
    }
}

fn of_fixed(column: &dyn Array, width: u64) -> u64 {
    (column.len() - column.null_count()) as u64 * width
}

/// Every row has the value of its key.
fn taken_by_key(dictionary: &dyn AnyDictionaryArray) -> u64 {
    let values = dictionary.values().as_ref();
    if values.is_empty() {
        return 0;
    }
    let lengths: Vec<u64> = (0..values.len()).map(|key| length(values, key)).collect();
    let keys = dictionary.normalized_keys().into_iter().enumerate();
    let keys = keys.filter(|(row, _)| dictionary.keys().is_valid(*row));
    keys.filter_map(|(_, key)| lengths.get(key)).sum()
}

fn taken_in<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &OffsetBuffer<O>) -> u64 {
    let span = span(offsets);
    taken(values.slice(span.start, span.len()).as_ref())
}

/// From where to where the elements of an array are in what it points to.
fn span<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Range<usize> {
    let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
    at(offsets.first())..at(offsets.last())
}

/// The low half of a view is the length of its value.
fn view_length(view: Option<&u128>) -> u64 {
    view.map_or(0, |view| u64::from(*view as u32))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, StringViewArray, StructArray,
    };
    use arrow::compute::cast;
    use arrow::datatypes::Field;

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
        check(&[1, 2, 3], &[0], &[Piece::Rows(0..3)]);
        check(&[1, 2, 3], &[0, 1], &[Piece::Rows(0..3)]);
        let ten = 10 * MEGABYTE;
        check(&[ten; 8], &[0], &[Piece::Rows(0..6), Piece::Rows(6..8)]);
        check(
            &[1, 17 * MEGABYTE, 2],
            &[0],
            &[Piece::Rows(0..1), Piece::TooLong, Piece::Rows(2..3)],
        );
        check(&[17 * MEGABYTE], &[0], &[Piece::TooLong]);
        // A column that nobody reads may be as long as it likes.
        check(&[17 * MEGABYTE], &[1], &[Piece::Rows(0..1)]);
    }
    #[test]
    fn every_value_of_every_column_counts_as_often_as_it_stands() {
        #[track_caller]
        fn check(column: ArrayRef, bytes: u64) {
            assert_eq!(taken(column.as_ref()), bytes, "{}", column.data_type());
        }
        let texts = [
            Some("abc"),
            None,
            Some("a text that does not fit into a view"),
            Some(""),
        ];
        let length = 3 + 36;
        let views: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
        check(views.clone(), length);
        check(views.slice(2, 2), 36);
        for other in [
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::BinaryView,
            DataType::LargeBinary,
        ] {
            let other = cast(&views, &other).unwrap();
            check(other.slice(1, 3), 36);
            check(other, length);
        }
        let keys = Int32Array::from(vec![Some(1), None, Some(0), Some(1)]);
        let values = Arc::new(StringArray::from(vec!["a", "bc"])) as ArrayRef;
        let dictionary = DictionaryArray::new(keys, values);
        check(Arc::new(dictionary.slice(1, 2)), 1);
        check(Arc::new(dictionary), 2 + 1 + 2);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)]));
        check(numbers.clone(), 3 * 8);
        let text = || Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let field = Arc::new(Field::new("item", DataType::Utf8, true));
        let lists = ListArray::new(field, OffsetBuffer::from_lengths([3, 0, 1]), text(), None);
        check(Arc::new(lists.slice(1, 2)), 0);
        check(Arc::new(lists), length);
        let both = StructArray::try_from(vec![("number", numbers), ("text", text())]).unwrap();
        check(Arc::new(both.slice(2, 1)), 8 + 36);
        check(Arc::new(both), 3 * 8 + length);
    }

    #[test]
    fn what_is_too_much_is_said_of_the_column_that_takes_most() {
        const MEGABYTE: usize = 1 << 20;
        let mut unpacked = Unpacked::new(100);
        assert_eq!(unpacked.take(&batch(&[100 * MEGABYTE; 2])), Ok(()));
        let refused = unpacked.take(&batch(&[60 * MEGABYTE])).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "unpacks to more than 268435456 bytes (column \"text\")"
        );
        // A large file may unpack to more.
        let mut unpacked = Unpacked::new(MEGABYTE as u64);
        assert_eq!(unpacked.take(&batch(&[100 * MEGABYTE; 3])), Ok(()));
    }
}
