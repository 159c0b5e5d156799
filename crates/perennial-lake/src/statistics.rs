//! Bounds of a file's columns, from the statistics in its footer.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ParquetMetaData;

use crate::manifest::{ColumnStats, Scalar};

impl Scalar {
    /// The order of two values of one column; none for NULL, NaN and values of different kinds.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            _ => {
                let ((a, scale_a), (b, scale_b)) = (self.unscaled()?, other.unscaled()?);
                (scale_a == scale_b).then(|| a.cmp(&b))
            }
        }
    }

    /// An integer or decimal as an unscaled integer and its scale.
    fn unscaled(&self) -> Option<(i128, i8)> {
        match self {
            Self::Int(value) => Some((i128::from(*value), 0)),
            Self::Decimal { value, scale, .. } => Some((value.parse().ok()?, *scale)),
            _ => None,
        }
    }
}

/// The bounds of every column of `schema`, in its order. What the footer does not say, or says in a way that
/// cannot be relied upon (deprecated orders, INT96, NaN), stays unknown.
pub fn column_stats(metadata: &ParquetMetaData, schema: &Schema) -> Vec<ColumnStats> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let unknown = ColumnStats {
                name: field.name().clone(),
                ..ColumnStats::default()
            };
            column(metadata, schema, field.name()).unwrap_or(unknown)
        })
        .collect()
}

fn column(metadata: &ParquetMetaData, schema: &Schema, name: &str) -> Option<ColumnStats> {
    let parquet_schema = metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(name, schema, parquet_schema)
        .ok()?
        .with_missing_null_counts_as_zero(false);
    let leaf = converter.parquet_column_index()?;
    let groups = metadata.row_groups();
    let nulls = converter.row_group_null_counts(groups).ok()?;
    let mut stats = ColumnStats {
        name: name.to_owned(),
        ..ColumnStats::default()
    };
    if nulls.null_count() == 0 {
        stats.nulls = nulls.iter().flatten().try_fold(0_u64, u64::checked_add);
    }

    let physical = parquet_schema.column(leaf).physical_type();
    let ordered = matches!(
        physical,
        PhysicalType::INT32 | PhysicalType::INT64 | PhysicalType::BOOLEAN
    );
    let reliable = groups.iter().all(|group| {
        let statistics = group.columns().get(leaf).and_then(|chunk| chunk.statistics());
        statistics.is_none_or(|statistics| ordered || !statistics.is_min_max_deprecated())
    });
    if !reliable || physical == PhysicalType::INT96 {
        return Some(stats);
    }
    let all_null = |index: usize| {
        let rows = groups
            .get(index)
            .and_then(|group| u64::try_from(group.num_rows()).ok());
        !nulls.is_null(index) && Some(nulls.value(index)) == rows
    };
    let mins = converter.row_group_mins(groups).ok()?;
    let maxes = converter.row_group_maxes(groups).ok()?;
    let min = extreme(&mins, Bound::Lower, all_null);
    let max = extreme(&maxes, Bound::Upper, all_null);
    // A file that contradicts itself is believed in nothing.
    if let (Some(min), Some(max)) = (min, max)
        && min.compare(&max).is_some_and(Ordering::is_le)
    {
        (stats.min, stats.max) = (Some(min), Some(max));
    }
    Some(stats)
}

/// Which side of the values a bound is on, and so to which side it is rounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    Lower,
    Upper,
}

/// The outermost of the row groups' bounds; none when one is unknown.
fn extreme(values: &ArrayRef, bound: Bound, all_null: impl Fn(usize) -> bool) -> Option<Scalar> {
    let mut outermost: Option<Scalar> = None;
    for index in (0..values.len()).filter(|index| !all_null(*index)) {
        let value = scalar_at(values, index, bound)?;
        let further = match &outermost {
            None => true,
            Some(known) => match bound {
                Bound::Lower => value.compare(known)?.is_lt(),
                Bound::Upper => value.compare(known)?.is_gt(),
            },
        };
        if further {
            outermost = Some(value);
        }
    }
    outermost
}

pub(crate) fn scalar_at(array: &ArrayRef, index: usize, bound: Bound) -> Option<Scalar> {
    if array.is_null(index) {
        return None;
    }
    match array.data_type() {
        DataType::Boolean => array
            .as_boolean_opt()
            .map(|values| Scalar::Bool(values.value(index))),
        DataType::Int8 => native::<Int8Type>(array, index).map(|value| Scalar::Int(value.into())),
        DataType::Int16 => native::<Int16Type>(array, index).map(|value| Scalar::Int(value.into())),
        DataType::Int32 => native::<Int32Type>(array, index).map(|value| Scalar::Int(value.into())),
        DataType::Int64 => native::<Int64Type>(array, index).map(Scalar::Int),
        DataType::UInt8 => native::<UInt8Type>(array, index).map(|value| Scalar::Int(value.into())),
        DataType::UInt16 => native::<UInt16Type>(array, index).map(|value| Scalar::Int(value.into())),
        DataType::UInt32 => native::<UInt32Type>(array, index).map(|value| Scalar::Int(value.into())),
        DataType::UInt64 => native::<UInt64Type>(array, index).map(|value| match i64::try_from(value) {
            Ok(value) => Scalar::Int(value),
            Err(_) => Scalar::Decimal {
                value: value.to_string(),
                precision: 20,
                scale: 0,
            },
        }),
        DataType::Float16 => native::<Float16Type>(array, index).and_then(|value| float(value.to_f64())),
        DataType::Float32 => native::<Float32Type>(array, index).and_then(|value| float(value.into())),
        DataType::Float64 => native::<Float64Type>(array, index).and_then(float),
        DataType::Utf8 => array
            .as_string_opt::<i32>()
            .map(|values| Scalar::Text(values.value(index).to_owned())),
        DataType::LargeUtf8 => array
            .as_string_opt::<i64>()
            .map(|values| Scalar::Text(values.value(index).to_owned())),
        DataType::Utf8View => array
            .as_string_view_opt()
            .map(|values| Scalar::Text(values.value(index).to_owned())),
        DataType::Date32 => native::<Date32Type>(array, index).map(Scalar::Date),
        DataType::Date64 => {
            let days = divided(native::<Date64Type>(array, index)?, 86_400_000, bound);
            i32::try_from(days).ok().map(Scalar::Date)
        }
        DataType::Timestamp(unit, _) => micros(array, index, *unit, bound).map(Scalar::Timestamp),
        DataType::Decimal32(precision, scale) => {
            native::<Decimal32Type>(array, index).map(|value| decimal(value.to_string(), *precision, *scale))
        }
        DataType::Decimal64(precision, scale) => {
            native::<Decimal64Type>(array, index).map(|value| decimal(value.to_string(), *precision, *scale))
        }
        DataType::Decimal128(precision, scale) => {
            native::<Decimal128Type>(array, index).map(|value| decimal(value.to_string(), *precision, *scale))
        }
        _ => None,
    }
}

fn native<T: ArrowPrimitiveType>(array: &ArrayRef, index: usize) -> Option<T::Native> {
    array.as_primitive_opt::<T>().map(|values| values.value(index))
}

/// A NaN among the bounds tells that the writer did not leave it out as the format asks.
fn float(value: f64) -> Option<Scalar> {
    (!value.is_nan()).then_some(Scalar::Float(value))
}

fn decimal(value: String, precision: u8, scale: i8) -> Scalar {
    Scalar::Decimal {
        value,
        precision,
        scale,
    }
}

fn micros(array: &ArrayRef, index: usize, unit: TimeUnit, bound: Bound) -> Option<i64> {
    match unit {
        TimeUnit::Second => native::<TimestampSecondType>(array, index)?.checked_mul(1_000_000),
        TimeUnit::Millisecond => native::<TimestampMillisecondType>(array, index)?.checked_mul(1_000),
        TimeUnit::Microsecond => native::<TimestampMicrosecondType>(array, index),
        TimeUnit::Nanosecond => Some(divided(
            native::<TimestampNanosecondType>(array, index)?,
            1_000,
            bound,
        )),
    }
}

/// The quotient, rounded away from the values that the bound encloses.
fn divided(value: i64, divisor: i64, bound: Bound) -> i64 {
    let floor = value.div_euclid(divisor);
    if bound == Bound::Upper && value.rem_euclid(divisor) != 0 {
        floor + 1
    } else {
        floor
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int32Array, RecordBatch, StringArray,
        TimestampNanosecondArray, UInt64Array,
    };
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    #[test]
    fn bounds_enclose_the_values_of_all_row_groups() {
        #[track_caller]
        fn check(column: ArrayRef, expected: Option<(Scalar, Scalar)>, nulls: u64) {
            let batch = RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap();
            let properties = WriterProperties::builder()
                .set_max_row_group_row_count(Some(2))
                .build();
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            let metadata = writer.finish().unwrap();
            let stats = column_stats(&metadata, &batch.schema());
            let (min, max) = expected.unzip();
            assert_eq!(
                stats,
                [ColumnStats {
                    name: "c".into(),
                    min,
                    max,
                    nulls: Some(nulls),
                    distinct: None
                }]
            );
        }
        let decimal = |value: &str, precision, scale| Scalar::Decimal {
            value: value.into(),
            precision,
            scale,
        };
        let pair = |min, max| Some((min, max));
        check(
            Arc::new(Int32Array::from(vec![Some(3), None, Some(-7), Some(5)])),
            pair(Scalar::Int(-7), Scalar::Int(5)),
            1,
        );
        // A row group of NULLs alone has no bounds and does not hide the others'.
        check(
            Arc::new(Int32Array::from(vec![None, None, Some(1)])),
            pair(Scalar::Int(1), Scalar::Int(1)),
            2,
        );
        check(Arc::new(Int32Array::from(vec![None, None])), None, 2);
        check(
            Arc::new(UInt64Array::from(vec![1, u64::MAX])),
            pair(Scalar::Int(1), decimal("18446744073709551615", 20, 0)),
            0,
        );
        check(
            Arc::new(Float64Array::from(vec![1.5, f64::INFINITY])),
            pair(Scalar::Float(1.5), Scalar::Float(f64::INFINITY)),
            0,
        );
        check(Arc::new(Float64Array::from(vec![f64::NAN])), None, 0);
        check(
            Arc::new(StringArray::from(vec!["b", "ä", ""])),
            pair(Scalar::Text(String::new()), Scalar::Text("ä".into())),
            0,
        );
        check(
            Arc::new(Date32Array::from(vec![-1, 20_000])),
            pair(Scalar::Date(-1), Scalar::Date(20_000)),
            0,
        );
        check(
            Arc::new(TimestampNanosecondArray::from(vec![-1_001, 1_001])),
            pair(Scalar::Timestamp(-2), Scalar::Timestamp(2)),
            0,
        );
        let money = Decimal128Array::from(vec![-12_345, 99])
            .with_precision_and_scale(18, 4)
            .unwrap();
        check(
            Arc::new(money),
            pair(decimal("-12345", 18, 4), decimal("99", 18, 4)),
            0,
        );
    }

    #[test]
    fn long_text_is_cut_outwards() {
        let long = "z".repeat(500);
        let batch =
            RecordBatch::try_from_iter([("c", Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef)])
                .unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let stats = column_stats(&writer.finish().unwrap(), &batch.schema());
        let [
            ColumnStats {
                min: Some(Scalar::Text(min)),
                max: Some(Scalar::Text(max)),
                ..
            },
        ] = stats.as_slice()
        else {
            unreachable!("text has bounds: {stats:?}");
        };
        assert!(min.as_str() <= long.as_str() && max.as_str() >= long.as_str() && max.len() < 100);
    }
}
