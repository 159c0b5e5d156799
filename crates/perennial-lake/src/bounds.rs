//! Bounds of columns, worked out from the values themselves: a footer may say anything.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringViewArray,
    downcast_primitive_array,
};
use arrow::compute::{
    max, max_boolean, max_string, max_string_view, min, min_boolean, min_string, min_string_view,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType};

use crate::manifest::{ColumnStats, Scalar};
use crate::statistics::{Bound, scalar_at};

/// How many bytes of a text are kept.
const TEXT: usize = 64;

/// The bounds of what has been read so far.
#[derive(Debug, Default)]
pub struct Bounds(Vec<Column>);

#[derive(Debug)]
struct Column {
    name: String,
    nulls: u64,
    lower: Side,
    upper: Side,
}

/// The outermost value on one side.
#[derive(Debug, Default)]
enum Side {
    /// No value yet.
    #[default]
    None,
    Known(Scalar),
    /// One value has no place in the order.
    Lost,
}

impl Bounds {
    /// Takes in rows: always of the same columns.
    pub fn take(&mut self, batch: &RecordBatch) {
        if self.0.is_empty() {
            let column = |name: &String| Column {
                name: name.clone(),
                nulls: 0,
                lower: Side::None,
                upper: Side::None,
            };
            let schema = batch.schema();
            self.0 = schema.fields().iter().map(|field| column(field.name())).collect();
        }
        for (column, values) in self.0.iter_mut().zip(batch.columns()) {
            let nulls = values.logical_null_count();
            column.nulls += nulls as u64;
            if nulls < values.len() {
                column.lower.take(values, Bound::Lower);
                column.upper.take(values, Bound::Upper);
            }
        }
    }

    /// The bounds of every column. Texts are cut, an upper bound to the next greater one.
    pub fn finish(self) -> Vec<ColumnStats> {
        let stats = |column: Column| ColumnStats {
            name: column.name,
            min: column.lower.finish(Bound::Lower),
            max: column.upper.finish(Bound::Upper),
            nulls: Some(column.nulls),
            distinct: None,
        };
        self.0.into_iter().map(stats).collect()
    }
}

impl Side {
    fn take(&mut self, values: &ArrayRef, bound: Bound) {
        let further = match self {
            Self::Lost => return,
            Self::None => None,
            Self::Known(known) => Some(known),
        };
        let found = outermost(values, bound).and_then(|value| scalar_at(&value, 0, bound));
        let Some(found) = found else {
            *self = Self::Lost;
            return;
        };
        let further = further.map(|known| found.compare(known));
        match (further, bound) {
            (None, _) => *self = Self::Known(found),
            (Some(Some(order)), Bound::Lower) if order.is_lt() => *self = Self::Known(found),
            (Some(Some(order)), Bound::Upper) if order.is_gt() => *self = Self::Known(found),
            (Some(Some(_)), _) => {}
            (Some(None), _) => *self = Self::Lost,
        }
    }

    fn finish(self, bound: Bound) -> Option<Scalar> {
        match self {
            Self::Known(Scalar::Text(text)) => cut(text, bound).map(Scalar::Text),
            Self::Known(value) => Some(value),
            Self::None | Self::Lost => None,
        }
    }
}

/// The least or the greatest value of an array that has one, as an array; none of types without an order.
fn outermost(values: &ArrayRef, bound: Bound) -> Option<ArrayRef> {
    let lower = bound == Bound::Lower;
    let values = values.as_ref();
    Some(downcast_primitive_array! {
        values => one(values, lower)?,
        DataType::Utf8View => {
            let values = values.as_string_view();
            let found = if lower { min_string_view(values) } else { max_string_view(values) }?;
            Arc::new(StringViewArray::from(vec![found]))
        }
        DataType::Utf8 => {
            let values = values.as_string::<i32>();
            let found = if lower { min_string(values) } else { max_string(values) }?;
            Arc::new(StringViewArray::from(vec![found]))
        }
        DataType::Boolean => {
            let values = values.as_boolean();
            let found = if lower { min_boolean(values) } else { max_boolean(values) }?;
            Arc::new(BooleanArray::from(vec![found]))
        }
        _ => return None
    })
}

fn one<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, lower: bool) -> Option<ArrayRef> {
    let found = if lower { min(values) } else { max(values) }?;
    let one = PrimitiveArray::<T>::from_value(found, 1);
    Some(Arc::new(one.with_data_type(values.data_type().clone())))
}

/// A text that is short, and as a bound on its side still good; none where there is none.
fn cut(mut text: String, bound: Bound) -> Option<String> {
    if text.len() <= TEXT {
        return Some(text);
    }
    text.truncate(text.floor_char_boundary(TEXT));
    if bound == Bound::Lower {
        return Some(text);
    }
    while let Some(last) = text.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array, StringArray, TimestampNanosecondArray};

    use super::*;

    #[track_caller]
    fn check(batches: Vec<ArrayRef>, min: Option<Scalar>, max: Option<Scalar>, nulls: u64) {
        let mut bounds = Bounds::default();
        for values in batches {
            bounds.take(&RecordBatch::try_from_iter_with_nullable([("x", values, true)]).unwrap());
        }
        let name = "x".to_owned();
        let nulls = Some(nulls);
        let distinct = None;
        assert_eq!(
            bounds.finish(),
            [ColumnStats {
                name,
                min,
                max,
                nulls,
                distinct
            }]
        );
    }

    #[test]
    fn bounds_hold_every_value() {
        let ints = |values: &[Option<i32>]| Arc::new(Int32Array::from(values.to_vec())) as ArrayRef;
        let int = |value| Some(Scalar::Int(value));
        check(
            vec![ints(&[Some(3), None]), ints(&[None]), ints(&[Some(-7), Some(5)])],
            int(-7),
            int(5),
            2,
        );
        check(vec![ints(&[None, None])], None, None, 2);
        check(vec![ints(&[])], None, None, 0);
        let floats = |values: &[f64]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        check(
            vec![floats(&[1.5]), floats(&[f64::NAN, -2.0])],
            Some(Scalar::Float(-2.0)),
            None,
            0,
        );
        // Rounded outwards, to microseconds.
        let nanos = Arc::new(TimestampNanosecondArray::from(vec![1_001, 2_001]));
        check(
            vec![nanos],
            Some(Scalar::Timestamp(1)),
            Some(Scalar::Timestamp(3)),
            0,
        );
    }

    #[test]
    fn long_texts_are_cut_to_a_bound_that_holds() {
        let texts = |values: &[&str]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let text = |value: String| Some(Scalar::Text(value));
        check(vec![texts(&["b", "a"])], text("a".into()), text("b".into()), 0);
        let long = "y".repeat(100);
        check(
            vec![texts(&[&long])],
            text("y".repeat(64)),
            text(format!("{}z", "y".repeat(63))),
            0,
        );
        // Characters of several bytes are not cut in two; of the greatest there is no greater one.
        let wide = "\u{e9}".repeat(50);
        check(
            vec![texts(&[&format!("a{wide}")])],
            text(format!("a{}", "\u{e9}".repeat(31))),
            text(format!("a{}\u{ea}", "\u{e9}".repeat(30))),
            0,
        );
        let last = "\u{10ffff}".repeat(20);
        check(vec![texts(&[&last])], text("\u{10ffff}".repeat(16)), None, 0);
    }
}
