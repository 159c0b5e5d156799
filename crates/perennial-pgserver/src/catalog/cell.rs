//! One value of a system relation on its way into an Arrow column, and the columns made of them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, Float32Array, Float64Array, Int16Array, Int16Builder,
    Int32Array, Int32Builder, Int64Array, Int64Builder, IntervalMonthDayNanoArray, ListBuilder,
    PrimitiveBuilder, StringBuilder, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, IntervalUnit, TimeUnit};

/// One value. Which Arrow type it takes is the column's matter: `Int` serves every integer, identifiers, instants
/// and intervals (both in microseconds).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// No value; zero, false or empty in a column that cannot be null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text, names and the single-character type.
    Text(Cow<'a, str>),
    /// An array or vector of integers.
    Ints(Vec<i64>),
    /// An array of text.
    Texts(Vec<Cow<'a, str>>),
}

impl<'a> Cell<'a> {
    /// Text that outlives the row.
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Text made for the row.
    pub(crate) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    /// Text or none.
    pub(crate) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// An integer or none.
    pub(crate) fn maybe_int(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }

    /// `YES` or `NO`, the booleans of information_schema.
    pub(crate) fn yes(value: bool) -> Self {
        Self::text(if value { "YES" } else { "NO" })
    }

    /// A value of `COPY … TO` as it stands in a file, without escapes; null where it does not read as the type.
    pub(crate) fn parse(data_type: &DataType, text: &'a str) -> Self {
        if text == r"\N" {
            return Self::Null;
        }
        match data_type {
            DataType::Boolean => Self::Bool(text == "t"),
            DataType::Float32 | DataType::Float64 => text.parse().map_or(Self::Null, Self::Float),
            DataType::Utf8 => Self::text(text),
            DataType::List(item) if item.data_type() == &DataType::Utf8 => {
                Self::Texts(elements(text).map(Cow::Borrowed).collect())
            }
            DataType::List(_) => Self::Ints(
                elements(text)
                    .filter_map(|element| element.parse().ok())
                    .collect(),
            ),
            _ => text.parse().map_or(Self::Null, Self::Int),
        }
    }

    fn into_bool(self) -> Option<bool> {
        if let Self::Bool(value) = self {
            Some(value)
        } else {
            None
        }
    }

    fn into_float(self, required: bool) -> Option<f64> {
        if let Self::Float(value) = self {
            Some(value)
        } else {
            required.then_some(0.0)
        }
    }
}

/// The elements of an array (`{1,2}`) or of a vector (`1 2`), neither quoted nor nested.
fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.trim_matches(['{', '}'])
        .split([',', ' '])
        .filter(|element| !element.is_empty())
}

/// The column of `field` that holds `cells`. A cell that does not fit the field's type becomes null; a null in a
/// column that has none becomes zero, false or empty, which is what PostgreSQL's catalogs hold there.
pub(crate) fn column(field: &Field, cells: &mut dyn Iterator<Item = Cell<'_>>) -> ArrayRef {
    let required = !field.is_nullable();
    match field.data_type() {
        DataType::Boolean => Arc::new(
            cells
                .map(|cell| cell.into_bool().or(required.then_some(false)))
                .collect::<BooleanArray>(),
        ),
        DataType::Int16 => Arc::new(integers(cells, required).collect::<Int16Array>()),
        DataType::Int32 => Arc::new(integers(cells, required).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(integers(cells, required).collect::<Int64Array>()),
        DataType::Float32 => Arc::new(
            cells
                .map(|cell| cell.into_float(required).map(|value| value as f32))
                .collect::<Float32Array>(),
        ),
        DataType::Float64 => Arc::new(
            cells
                .map(|cell| cell.into_float(required))
                .collect::<Float64Array>(),
        ),
        DataType::Utf8 => texts(cells, required),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
            integers(cells, required)
                .collect::<TimestampMicrosecondArray>()
                .with_timezone_opt(zone.as_ref().map(Arc::clone)),
        ),
        DataType::Interval(IntervalUnit::MonthDayNano) => Arc::new(
            integers::<i64>(cells, required)
                .map(|micros| {
                    micros.map(|micros| IntervalMonthDayNano::new(0, 0, micros.saturating_mul(1_000)))
                })
                .collect::<IntervalMonthDayNanoArray>(),
        ),
        DataType::List(item) => match item.data_type() {
            DataType::Utf8 => text_lists(cells, required),
            DataType::Int16 => integer_lists(cells, required, Int16Builder::new()),
            DataType::Int32 => integer_lists(cells, required, Int32Builder::new()),
            DataType::Int64 => integer_lists(cells, required, Int64Builder::new()),
            _ => new_null_array(field.data_type(), cells.count()),
        },
        _ => new_null_array(field.data_type(), cells.count()),
    }
}

fn integers<'a, T: TryFrom<i64> + Default>(
    cells: &mut dyn Iterator<Item = Cell<'a>>,
    required: bool,
) -> impl Iterator<Item = Option<T>> {
    cells.map(move |cell| {
        let value = if let Cell::Int(value) = cell {
            T::try_from(value).ok()
        } else {
            None
        };
        value.or_else(|| required.then(T::default))
    })
}

fn texts(cells: &mut dyn Iterator<Item = Cell<'_>>, required: bool) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for cell in cells {
        match cell {
            Cell::Text(text) => builder.append_value(text),
            _ if required => builder.append_value(""),
            _ => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn text_lists(cells: &mut dyn Iterator<Item = Cell<'_>>, required: bool) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for cell in cells {
        if let Cell::Texts(elements) = cell {
            builder.append_value(elements.into_iter().map(Some));
        } else {
            builder.append(required);
        }
    }
    Arc::new(builder.finish())
}

fn integer_lists<T>(
    cells: &mut dyn Iterator<Item = Cell<'_>>,
    required: bool,
    elements: PrimitiveBuilder<T>,
) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64>,
{
    let mut builder = ListBuilder::new(elements);
    for cell in cells {
        if let Cell::Ints(elements) = cell {
            builder.append_value(
                elements
                    .into_iter()
                    .map(|element| T::Native::try_from(element).ok()),
            );
        } else {
            builder.append(required);
        }
    }
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use arrow::util::display::array_value_to_string;

    use super::*;

    #[track_caller]
    fn check(data_type: DataType, nullable: bool, cells: Vec<Cell<'_>>, expected: &[&str]) {
        let array = column(
            &Field::new("c", data_type.clone(), nullable),
            &mut cells.into_iter(),
        );
        assert_eq!(array.data_type(), &data_type);
        let shown: Vec<String> = (0..array.len())
            .map(|row| array_value_to_string(&array, row).unwrap())
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn cells_become_columns_of_every_served_type() {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        check(
            DataType::Boolean,
            true,
            vec![Cell::Bool(true), Cell::Null],
            &["true", ""],
        );
        check(DataType::Boolean, false, vec![Cell::Null], &["false"]);
        check(
            DataType::Int16,
            true,
            vec![Cell::Int(3), Cell::Int(70_000)],
            &["3", ""],
        );
        check(
            DataType::Int64,
            false,
            vec![Cell::Int(-1), Cell::Null],
            &["-1", "0"],
        );
        check(
            DataType::Float32,
            false,
            vec![Cell::Float(1.5), Cell::Null],
            &["1.5", "0.0"],
        );
        check(
            DataType::Utf8,
            true,
            vec![Cell::text("a"), Cell::Null],
            &["a", ""],
        );
        check(
            list(DataType::Utf8),
            true,
            vec![Cell::Texts(vec!["a".into(), "b".into()])],
            &["[a, b]"],
        );
        check(
            list(DataType::Int16),
            false,
            vec![Cell::Ints(vec![1, 2]), Cell::Null],
            &["[1, 2]", "[]"],
        );
        check(
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
            vec![Cell::Int(0)],
            &["1970-01-01T00:00:00Z"],
        );
        check(
            DataType::Interval(IntervalUnit::MonthDayNano),
            true,
            vec![Cell::Int(3_600_000_000)],
            &["1 hours"],
        );
        check(DataType::Binary, true, vec![Cell::Int(1)], &[""]);
    }

    #[test]
    fn text_of_copy_is_read_by_type() {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        assert_eq!(Cell::parse(&DataType::Utf8, r"\N"), Cell::Null);
        assert_eq!(Cell::parse(&DataType::Boolean, "t"), Cell::Bool(true));
        assert_eq!(Cell::parse(&DataType::Int64, "2276"), Cell::Int(2276));
        assert_eq!(Cell::parse(&DataType::Float32, "0.5"), Cell::Float(0.5));
        assert_eq!(
            Cell::parse(&list(DataType::Int64), "23 25"),
            Cell::Ints(vec![23, 25])
        );
        assert_eq!(
            Cell::parse(&list(DataType::Utf8), "{i,o}"),
            Cell::Texts(vec!["i".into(), "o".into()])
        );
        assert_eq!(Cell::parse(&list(DataType::Int64), ""), Cell::Ints(vec![]));
    }
}
