//! Readers of arguments: an array, or one value for all rows, read in the same way.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringViewArray,
        StringViewBuilder,
    },
    compute::{cast, take},
    datatypes::{DataType, IntervalMonthDayNano},
};
use datafusion_common::{Result, ScalarValue, exec_datafusion_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs};

/// How many rows a scalar function has to compute: one when all its arguments are one value for all rows.
pub fn rows(args: &ScalarFunctionArgs) -> usize {
    if constant(&args.args) { 1 } else { args.number_rows }
}

/// The answer to a call, from as many rows as [`rows`] said.
///
/// # Errors
/// When there is no row to answer a call on constants with.
pub fn answer(args: &ScalarFunctionArgs, values: ArrayRef) -> Result<ColumnarValue> {
    if constant(&args.args) {
        ScalarValue::try_from_array(&values, 0).map(ColumnarValue::Scalar)
    } else {
        Ok(ColumnarValue::Array(values))
    }
}

/// Numbers, instants or intervals, by row.
#[derive(Debug, Clone)]
pub struct Column<T: ArrowPrimitiveType> {
    values: PrimitiveArray<T>,
    constant: bool,
}

impl<T: ArrowPrimitiveType> Column<T> {
    /// Reads an argument.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn try_new(argument: &ColumnarValue) -> Result<Self> {
        let (array, constant) = flat(argument)?;
        let values = primitive(&array)?;
        Ok(Self { values, constant })
    }

    /// The value of a row, or `None` when it is null or there is no such row.
    pub fn at(&self, row: usize) -> Option<T::Native> {
        let row = if self.constant { 0 } else { row };
        (row < self.values.len() && self.values.is_valid(row)).then(|| self.values.value(row))
    }
}

/// Booleans, by row.
#[derive(Debug, Clone)]
pub struct Booleans {
    values: BooleanArray,
    constant: bool,
}

impl Booleans {
    /// Reads an argument.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn try_new(argument: &ColumnarValue) -> Result<Self> {
        let (array, constant) = flat(argument)?;
        let values = array.as_boolean_opt().ok_or_else(|| unexpected(&array))?.clone();
        Ok(Self { values, constant })
    }

    /// The value of a row, or `None` when it is null or there is no such row.
    pub fn at(&self, row: usize) -> Option<bool> {
        let row = if self.constant { 0 } else { row };
        (row < self.values.len() && self.values.is_valid(row)).then(|| self.values.value(row))
    }
}

/// Text of any encoding, by row.
#[derive(Debug, Clone)]
pub struct Texts {
    values: StringViewArray,
    constant: bool,
}

impl Texts {
    /// Reads an argument.
    ///
    /// # Errors
    /// When it is not text.
    pub fn try_new(argument: &ColumnarValue) -> Result<Self> {
        let (array, constant) = flat(argument)?;
        let array = cast(&array, &DataType::Utf8View)?;
        let values = array
            .as_string_view_opt()
            .ok_or_else(|| unexpected(&array))?
            .clone();
        Ok(Self { values, constant })
    }

    /// The value of a row, or `None` when it is null or there is no such row.
    pub fn at(&self, row: usize) -> Option<&str> {
        let row = if self.constant { 0 } else { row };
        (row < self.values.len() && self.values.is_valid(row)).then(|| self.values.value(row))
    }
}

/// Maps every text of an argument to a text or null; null stays null. Each text of a dictionary is mapped once. The
/// answer is `Utf8View`.
///
/// # Errors
/// When the argument is not text.
pub fn map_texts(
    argument: &ColumnarValue,
    map: &dyn for<'a> Fn(&'a str) -> Option<Cow<'a, str>>,
) -> Result<ColumnarValue> {
    match argument {
        ColumnarValue::Array(array) => map_text_array(array, map).map(ColumnarValue::Array),
        ColumnarValue::Scalar(scalar) => {
            let mapped = map_text_array(&scalar.to_array()?, map)?;
            ScalarValue::try_from_array(&mapped, 0).map(ColumnarValue::Scalar)
        }
    }
}

/// [`map_texts`] with an option beside the text: `read` turns the option (`None` when it is null or not given) into what
/// `map` needs, or into `None` for a null answer.
///
/// # Errors
/// When an argument is not text, and those of `read`.
pub fn map_texts_with<R>(
    argument: &ColumnarValue,
    option: Option<&ColumnarValue>,
    read: &dyn Fn(Option<&str>) -> Result<Option<R>>,
    map: &dyn for<'a> Fn(&'a str, &R) -> Option<Cow<'a, str>>,
) -> Result<ColumnarValue> {
    let options = option.map(Texts::try_new).transpose()?;
    let option_at = |row| options.as_ref().and_then(|options| options.at(row));
    if options.as_ref().is_none_or(|options| options.constant) {
        let option = read(option_at(0))?;
        return map_texts(argument, &|text| {
            option.as_ref().and_then(|option| map(text, option))
        });
    }
    let texts = Texts::try_new(argument)?;
    let rows = options.as_ref().map_or(0, |options| options.values.len());
    let mut mapped = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        let option = read(option_at(row))?;
        mapped.append_option(
            texts
                .at(row)
                .and_then(|text| option.and_then(|option| map(text, &option))),
        );
    }
    Ok(ColumnarValue::Array(Arc::new(mapped.finish())))
}

/// The values of a primitive array.
///
/// # Errors
/// When the array is of another type.
pub fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<PrimitiveArray<T>> {
    array
        .as_primitive_opt::<T>()
        .cloned()
        .ok_or_else(|| unexpected(array))
}

/// The length of an interval in microseconds, when it says one: no months, whose length depends on when they are, and
/// days of 24 hours. A length beyond what fits, some 290,000 years, is the longest one.
pub fn interval_micros(interval: IntervalMonthDayNano) -> Option<i64> {
    let days = i64::from(interval.days).saturating_mul(86_400_000_000);
    (interval.months == 0).then(|| days.saturating_add(interval.nanoseconds / 1_000))
}

fn constant(args: &[ColumnarValue]) -> bool {
    args.iter()
        .all(|argument| matches!(argument, ColumnarValue::Scalar(_)))
}

/// The argument as an array without a dictionary, and whether its one row stands for all.
fn flat(argument: &ColumnarValue) -> Result<(ArrayRef, bool)> {
    let (array, constant) = match argument {
        ColumnarValue::Array(array) => (Arc::clone(array), false),
        ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
    };
    Ok(match array.data_type() {
        DataType::Dictionary(_, value) => (cast(&array, value)?, constant),
        _ => (array, constant),
    })
}

fn map_text_array(
    array: &ArrayRef,
    map: &dyn for<'a> Fn(&'a str) -> Option<Cow<'a, str>>,
) -> Result<ArrayRef> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let values = map_text_array(dictionary.values(), map)?;
        return Ok(take(&values, dictionary.keys(), None)?);
    }
    let texts = cast(array, &DataType::Utf8View)?;
    let texts = texts.as_string_view_opt().ok_or_else(|| unexpected(array))?;
    let mut mapped = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        match text {
            Some(text) => mapped.append_option(map(text)),
            None => mapped.append_null(),
        }
    }
    Ok(Arc::new(mapped.finish()))
}

fn unexpected(array: &ArrayRef) -> datafusion_common::DataFusionError {
    exec_datafusion_err!("an argument of type {} was not coerced", array.data_type())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn a_constant_stands_for_every_row() {
        let constant =
            Column::<Int64Type>::try_new(&ColumnarValue::Scalar(ScalarValue::Int64(Some(7)))).unwrap();
        assert_eq!((constant.at(0), constant.at(99)), (Some(7), Some(7)));
        let array: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(1), None, Some(3)]));
        let array = Column::<Int64Type>::try_new(&ColumnarValue::Array(array.slice(1, 2))).unwrap();
        assert_eq!((array.at(0), array.at(1), array.at(2)), (None, Some(3), None));
    }

    #[test]
    fn another_type_is_an_error() {
        assert!(Column::<Int64Type>::try_new(&ColumnarValue::Scalar(ScalarValue::from("x"))).is_err());
        assert!(Booleans::try_new(&ColumnarValue::Scalar(ScalarValue::Int64(None))).is_err());
    }

    #[test]
    fn only_intervals_without_months_have_a_length() {
        let day = 86_400_000_000;
        assert_eq!(
            interval_micros(IntervalMonthDayNano::new(0, 2, 5_000)),
            Some(2 * day + 5)
        );
        assert_eq!(interval_micros(IntervalMonthDayNano::new(1, 0, 0)), None);
        assert_eq!(
            interval_micros(IntervalMonthDayNano::new(0, i32::MAX, i64::MAX)),
            Some(i64::MAX)
        );
    }
}
