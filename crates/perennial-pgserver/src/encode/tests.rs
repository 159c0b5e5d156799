//! Tests of `encode`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal256Array, DictionaryArray, Float64Array, Int32Array, ListArray, MapArray,
    RecordBatch, StringArray, StructArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Int32Type, i256};
use proptest::prelude::*;

use super::*;
use crate::facts::{self, default_style};
use crate::parameters;

fn encoded(array: &ArrayRef, pg_type: &Type, format: Format, style: &OutputStyle) -> Vec<u8> {
    let column = Column::try_new(array, pg_type, format, style).unwrap();
    let mut out = BytesMut::new();
    column.write(0, &mut out).unwrap();
    out.to_vec()
}

fn text(array: ArrayRef) -> Vec<Option<String>> {
    let field = Field::new("c", array.data_type().clone(), true);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
    text_rows(&batch, &default_style())
        .unwrap()
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn every_value_is_written_as_postgres_writes_it() {
    let mut wrong = Vec::new();
    for fact in facts::all() {
        let binary = Some(fact.binary.clone());
        let value = parameters::decode(
            binary,
            Format::Binary,
            &fact.pg_type,
            &fact.data_type,
            1,
            &fact.style,
        )
        .unwrap_or_else(|error| panic!("{}: {error}", fact.what));
        let array = value.to_array().unwrap();
        // A slice of more rows must give the same.
        let array = arrow::compute::concat(&[&arrow::array::new_null_array(array.data_type(), 2), &array])
            .unwrap()
            .slice(2, 1);
        let described = types::pg_type(&fact.field());
        if described != fact.pg_type {
            wrong.push(format!("{}: described as {described}", fact.what));
        }
        let written = String::from_utf8(encoded(&array, &fact.pg_type, Format::Text, &fact.style)).unwrap();
        if written != fact.text {
            wrong.push(format!(
                "{}: text {written} where Postgres has {}",
                fact.what, fact.text
            ));
        }
        let written = encoded(&array, &fact.pg_type, Format::Binary, &fact.style);
        if written != fact.binary {
            wrong.push(format!(
                "{}: binary {written:02x?} where Postgres has {:02x?}",
                fact.what,
                fact.binary.as_ref()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_string_encoding_and_dictionaries_give_the_same() {
    let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("bc")]));
    let expected = vec![Some("a".to_owned()), None, Some("bc".to_owned())];
    assert_eq!(text(Arc::clone(&plain)), expected);
    for data_type in [DataType::LargeUtf8, DataType::Utf8View] {
        assert_eq!(text(arrow::compute::cast(&plain, &data_type).unwrap()), expected);
    }
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("bc")].into_iter().collect();
    assert_eq!(text(Arc::new(dictionary)), expected);
    let nulls: DictionaryArray<Int32Type> = vec![None::<&str>, None].into_iter().collect();
    assert_eq!(text(Arc::new(nulls)), vec![None, None]);
    assert_eq!(
        text(arrow::array::new_null_array(&DataType::Null, 2)),
        vec![None, None]
    );
}

#[test]
fn units_below_a_microsecond_are_cut_towards_the_past() {
    let nanos = TimestampNanosecondArray::from(vec![1_999, -1, i64::MAX]);
    let expected = [
        "1970-01-01 00:00:00.000001",
        "1969-12-31 23:59:59.999999",
        "infinity",
    ];
    assert_eq!(text(Arc::new(nanos)), expected.map(|text| Some(text.to_owned())));
    let beyond: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX / 2]));
    let column = Column::try_new(&beyond, &Type::TIMESTAMP, Format::Text, &default_style()).unwrap();
    assert!(matches!(
        column.write(0, &mut BytesMut::new()),
        Err(Error::DatetimeOverflow { .. })
    ));
}

#[test]
fn nested_values_are_json() {
    let names = StringArray::from(vec![Some("a\"\n\u{1}"), None]);
    let scores = Float64Array::from(vec![1.5, f64::NAN]);
    let record = StructArray::from(vec![
        (
            Arc::new(Field::new("name", DataType::Utf8, true)),
            Arc::new(names) as ArrayRef,
        ),
        (
            Arc::new(Field::new("score", DataType::Float64, true)),
            Arc::new(scores) as ArrayRef,
        ),
    ]);
    let first = r#"{"name":"a\"\n\u0001","score":1.5}"#;
    let second = r#"{"name":null,"score":"NaN"}"#;
    assert_eq!(
        text(Arc::new(record.clone())),
        [first, second].map(|text| Some(text.to_owned()))
    );
    let item = Arc::new(Field::new_list_field(record.data_type().clone(), true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([2]), Arc::new(record), None);
    assert_eq!(text(Arc::new(list)), vec![Some(format!("[{first},{second}]"))]);
    let map = MapArray::new_from_strings(["k"].into_iter(), &Int32Array::from(vec![7]), &[0, 1]).unwrap();
    assert_eq!(text(Arc::new(map)), vec![Some(r#"{"k":7}"#.to_owned())]);
}

#[test]
fn ragged_arrays_have_no_binary_form() {
    let inner = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1)]),
        Some(vec![Some(2), None]),
    ]);
    let item = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let ragged: ArrayRef = Arc::new(ListArray::new(
        item,
        OffsetBuffer::from_lengths([2]),
        Arc::new(inner),
        None,
    ));
    assert_eq!(text(Arc::clone(&ragged)), vec![Some("{{1},{2,NULL}}".to_owned())]);
    let column = Column::try_new(&ragged, &Type::INT4_ARRAY, Format::Binary, &default_style()).unwrap();
    assert!(matches!(
        column.write(0, &mut BytesMut::new()),
        Err(Error::RaggedArray)
    ));
}

#[test]
fn a_batch_is_written_in_portions_and_ends_with_whole_rows() {
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("ab"), None, Some("c")]));
    let schema = Arc::new(Schema::new(vec![Field::new("c", DataType::Utf8, true)]));
    let layout = Layout::new(&schema, &[Format::Text], None);
    let batch = RecordBatch::try_new(schema, vec![values]).unwrap();
    let mut rows = Rows::try_new(&layout, &batch, &default_style()).unwrap();
    let mut out = BytesMut::new();
    assert_eq!(rows.write(&mut out, 1, usize::MAX, write_row).unwrap(), 1);
    assert_eq!(out.as_ref(), b"D\0\0\0\x0c\0\x01\0\0\0\x02ab");
    out.clear();
    assert_eq!(rows.write(&mut out, usize::MAX, 1, write_row).unwrap(), 1);
    assert_eq!(out.as_ref(), b"D\0\0\0\x0a\0\x01\xff\xff\xff\xff");
    let failing = |_: &[Column], _: usize, out: &mut BytesMut| {
        out.put_u8(b'D');
        Err(Error::RaggedArray)
    };
    assert!(rows.write(&mut out, usize::MAX, usize::MAX, failing).is_err());
    assert_eq!(out.len(), 11, "half a row is taken back");
    assert_eq!(rows.left(), 1);
}

proptest! {
    #[test]
    fn numeric_binary_agrees_with_its_text(value: i128, shift in 0_u32..128, scale in 0_i8..=38) {
        let value = (value >> shift) % 10_i128.pow(38);
        let mut text = BytesMut::new();
        let digits = value.unsigned_abs().to_string();
        numeric::put_text(value < 0, digits.as_bytes(), scale, &mut text);
        let (mut fast, mut slow) = (BytesMut::new(), BytesMut::new());
        numeric::put_binary(value < 0, value.unsigned_abs(), scale.unsigned_abs().into(), &mut fast);
        numeric::put_binary_digits(value < 0, digits.as_bytes(), scale, &mut slow);
        prop_assert_eq!(&fast, &slow);
        prop_assert_eq!(from_groups(&fast), String::from_utf8(text.to_vec()).unwrap());
    }

    #[test]
    fn wide_numerics_agree_too(high: i128, low: u128, scale in -20_i8..=76) {
        let value = i256::from_parts(low, high >> 4);
        let array: ArrayRef = Arc::new(
            Decimal256Array::from(vec![value]).with_precision_and_scale(76, scale).unwrap(),
        );
        let text = encoded(&array, &Type::NUMERIC, Format::Text, &default_style());
        let text = String::from_utf8(text).unwrap();
        let binary = encoded(&array, &Type::NUMERIC, Format::Binary, &default_style());
        prop_assert_eq!(from_groups(&binary), text);
    }

    #[test]
    fn floats_read_back_as_themselves(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(!value.is_nan());
        let mut out = BytesMut::new();
        number::put_float8(value, 1, &mut out);
        prop_assert_eq!(std::str::from_utf8(&out).unwrap().parse::<f64>().unwrap().to_bits(), bits);
        let value = f32::from_bits(bits as u32);
        prop_assume!(!value.is_nan());
        let mut out = BytesMut::new();
        number::put_float4(value, 1, &mut out);
        prop_assert_eq!(std::str::from_utf8(&out).unwrap().parse::<f32>().unwrap(), value);
    }

    #[test]
    fn the_calendar_agrees_with_chrono(days in -90_000_000_i64..90_000_000) {
        let date = chrono::NaiveDate::from_epoch_days(days as i32).unwrap();
        use chrono::Datelike;
        let expected = (i64::from(date.year()), date.month(), date.day());
        prop_assert_eq!(datetime::civil(days), expected);
        prop_assert_eq!(days_from_civil(expected.0, expected.1, expected.2), days);
    }
}

/// Reads the binary form as its definition in Postgres' `numeric.c` says.
fn from_groups(bytes: &[u8]) -> String {
    let word = |at: usize| u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]]);
    let (count, weight, sign, scale) = (
        usize::from(word(0)),
        word(1) as i16,
        word(2),
        usize::from(word(3)),
    );
    assert_eq!(bytes.len(), 8 + 2 * count);
    let group = |index: i32| {
        let at = i32::from(weight) - index;
        if (0..count as i32).contains(&at) {
            word(4 + at as usize)
        } else {
            0
        }
    };
    let whole: String = (0..=i32::from(weight).max(0))
        .rev()
        .map(|index| format!("{:04}", group(index)))
        .collect();
    let fraction: String = (1..=scale.div_ceil(4) as i32)
        .map(|index| format!("{:04}", group(-index)))
        .collect();
    let whole = whole.trim_start_matches('0');
    let sign = if sign == NEGATIVE { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{}", &fraction[..scale])
    }
}

#[test]
fn a_record_is_written_as_postgres_writes_it() {
    // select record_send(row(1::int4, 'a b'::text, null::int8)), PostgreSQL 15.
    let field = |name, data_type| {
        let mark = (perennial_engine::schema::RECORD.to_owned(), String::new());
        Field::new(name, data_type, true).with_metadata([mark].into())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["a b"])),
        arrow::array::new_null_array(&DataType::Int64, 1),
    ];
    let fields = vec![
        field("f1", DataType::Int32),
        field("f2", DataType::Utf8),
        field("f3", DataType::Int64),
    ];
    let record: ArrayRef = Arc::new(StructArray::new(fields.into(), columns, None));
    assert_eq!(text(Arc::clone(&record)), [Some(r#"(1,"a b",)"#.to_owned())]);
    let field = Field::new("r", record.data_type().clone(), true);
    assert_eq!(types::pg_type(&field), Type::RECORD);
    let written = encoded(&record, &Type::RECORD, Format::Binary, &default_style());
    let expected = [
        &3_i32.to_be_bytes()[..],
        &23_i32.to_be_bytes(),
        &4_i32.to_be_bytes(),
        &1_i32.to_be_bytes(),
        &25_i32.to_be_bytes(),
        &3_i32.to_be_bytes(),
        b"a b",
        &20_i32.to_be_bytes(),
        &(-1_i32).to_be_bytes(),
    ];
    assert_eq!(written, expected.concat());
}
