//! Tests of `parameters`.

use perennial_base::UserError;
use proptest::prelude::*;

use super::*;
use crate::facts::{self, default_style};
use crate::sqlstate;

#[test]
fn text_and_binary_of_postgres_are_read_as_the_same_value() {
    for fact in facts::all().into_iter().filter(|fact| fact.plain) {
        let read = |bytes: Bytes, format| {
            decode(
                Some(bytes),
                format,
                &fact.pg_type,
                &fact.data_type,
                1,
                &fact.style,
            )
            .unwrap_or_else(|error| panic!("{}: {error}", fact.what))
        };
        let binary = read(fact.binary.clone(), Format::Binary);
        let text = read(Bytes::from(fact.text.clone()), Format::Text);
        // Not every type says so by itself: NaN is not equal to NaN.
        assert_eq!(format!("{text:?}"), format!("{binary:?}"), "{}", fact.what);
        assert_eq!(binary.data_type(), fact.data_type, "{}", fact.what);
    }
}

fn read(text: &str, wire: &Type, expected: DataType) -> Result<ScalarValue> {
    decode(
        Some(Bytes::from(text.to_owned())),
        Format::Text,
        wire,
        &expected,
        1,
        &default_style(),
    )
}

#[track_caller]
fn fails(text: &str, wire: Type, code: &str) {
    let expected = types::data_type(&wire).unwrap();
    let error = read(text, &wire, expected).unwrap_err();
    assert_eq!(sqlstate::code(&error), code, "{error} ({:?})", error.class());
}

#[test]
fn text_that_is_no_value_has_postgres_code() {
    // psql: select '…'::type, PostgreSQL 15.
    fails("abc", Type::INT4, "22P02");
    fails("", Type::INT4, "22P02");
    fails("1.5", Type::INT4, "22P02");
    fails("2147483648", Type::INT4, "22003");
    fails("-32769", Type::INT2, "22003");
    fails("1e400", Type::FLOAT8, "22003");
    fails("1,5", Type::FLOAT8, "22P02");
    fails("1.2.3", Type::NUMERIC, "22P02");
    fails("maybe", Type::BOOL, "22P02");
    fails("o", Type::BOOL, "22P02");
    fails("a0eebc99", Type::UUID, "22P02");
    fails("\\xabc", Type::BYTEA, "22P02");
    fails("2024-02-30", Type::DATE, "22008");
    fails("yesterdayish", Type::TIMESTAMP, "22007");
    fails("25:00", Type::TIME, "22008");
    fails("2024-01-01 10:00 Mars/Olympus", Type::TIMESTAMPTZ, "22023");
    fails("9999999-01-01", Type::DATE, "22008");
    fails("1 parsec", Type::INTERVAL, "22007");
    fails("999999999 years", Type::INTERVAL, "22008");
    fails("{1,2", Type::INT4_ARRAY, "22P02");
    fails("{1,,2}", Type::INT4_ARRAY, "22P02");
    fails("{1,a}", Type::INT4_ARRAY, "22P02");
    fails("{{1},{2,3}}", Type::INT4_ARRAY, "2202E");
    fails("a\0b", Type::TEXT, "22021");
}

#[test]
fn times_in_the_forms_of_drivers_are_read() {
    let instant = |text: &str, style: &OutputStyle| {
        let expected = types::data_type(&Type::TIMESTAMPTZ).unwrap();
        let bytes = Some(Bytes::from(text.to_owned()));
        match decode(bytes, Format::Text, &Type::TIMESTAMPTZ, &expected, 1, style).unwrap() {
            ScalarValue::TimestampMicrosecond(Some(micros), _) => micros,
            other => panic!("{other:?}"),
        }
    };
    let mut style = default_style();
    // date -d '2024-03-01 11:00:00 UTC' +%s
    let expected = 1_709_290_800_000_000;
    for text in [
        "2024-03-01 11:00:00Z",
        "2024-03-01T11:00:00+00:00",
        "2024-03-01 12:00:00+01",
        "2024-03-01 12:00:00 +01:00:00",
        "2024-03-01 05:30:00-0530",
        "2024-03-01 12:00 Europe/Berlin",
        "2024-03-01 11:00:00.000000 UTC",
        "20240301 11:00",
        "2024-03-01 11:00",
        "03/01/2024 11:00",
        "01.03.2024 11:00",
    ] {
        assert_eq!(instant(text, &style), expected, "{text}");
    }
    style.time_zone = crate::style::Zone::Named(chrono_tz::Europe::Berlin);
    assert_eq!(instant("2024-03-01 12:00", &style), expected);
    // Without a zone in its type, the zone of the text is left aside.
    let local = read(
        "2024-03-01 12:00:00+01",
        &Type::TIMESTAMP,
        types::data_type(&Type::TIMESTAMP).unwrap(),
    )
    .unwrap();
    assert_eq!(
        local,
        ScalarValue::TimestampMicrosecond(Some(expected + 3_600_000_000), None)
    );
    // pgjdbc sends a date with a zone.
    let date = read("2024-03-01 +02", &Type::DATE, DataType::Date32).unwrap();
    assert_eq!(date, ScalarValue::Date32(Some(19_783)));
}

#[test]
fn intervals_in_all_forms_are_read() {
    let check = |text: &str, months: i32, days: i32, seconds: f64| {
        let expected = types::data_type(&Type::INTERVAL).unwrap();
        let nanoseconds = (seconds * 1e9) as i64;
        let value = IntervalMonthDayNano {
            months,
            days,
            nanoseconds,
        };
        assert_eq!(
            read(text, &Type::INTERVAL, expected).unwrap(),
            ScalarValue::IntervalMonthDayNano(Some(value)),
            "{text}"
        );
    };
    // psql: select extract(…) of interval '…', PostgreSQL 15.
    check("1 year 2 months 3 days 04:05:06", 14, 3, 14_706.0);
    check("P1Y2M3DT4H5M6.5S", 14, 3, 14_706.5);
    check("P2W", 0, 14, 0.0);
    check("-1 day +02:03", 0, -1, 7380.0);
    check("@ 1 hour 30 mins ago", 0, 0, -5400.0);
    check("1-2 3 4:05:06", 14, 3, 14_706.0);
    check("15", 0, 0, 15.0);
    check("1.5 days", 0, 1, 43_200.0);
    check("1.5 months", 1, 15, 0.0);
    check("1.5 years", 18, 0, 0.0);
    check("1day2h", 0, 1, 7200.0);
    check("-1-2 -3 -4:05:06", -14, -3, -14_706.0);
}

#[test]
fn numerics_keep_every_digit() {
    let numeric = |text: &str, precision, scale| {
        read(text, &Type::NUMERIC, DataType::Decimal128(precision, scale)).unwrap()
    };
    let decimal = |value, precision, scale| ScalarValue::Decimal128(Some(value), precision, scale);
    assert_eq!(numeric("1.50", 10, 2), decimal(150, 10, 2));
    assert_eq!(numeric("1.5", 10, 2), decimal(150, 10, 2));
    assert_eq!(numeric("1.500", 10, 2), decimal(150, 10, 2));
    assert_eq!(numeric("1.505", 10, 2), decimal(1505, 38, 3));
    assert_eq!(numeric("12e3", 10, 2), decimal(1_200_000, 10, 2));
    assert_eq!(numeric("-.5", 10, 2), decimal(-50, 10, 2));
    assert_eq!(
        numeric("123456789012.5", 10, 2),
        decimal(1_234_567_890_125, 38, 1)
    );
    assert!(read(&"9".repeat(80), &Type::NUMERIC, DataType::Decimal128(10, 2)).is_err());
    assert!(read("NaN", &Type::NUMERIC, DataType::Decimal128(10, 2)).is_err());
    assert!(matches!(
        read("NaN", &Type::NUMERIC, DataType::Float64),
        Ok(ScalarValue::Float64(Some(value))) if value.is_nan()
    ));
    assert_eq!(
        read("2.5", &Type::NUMERIC, DataType::Float64).unwrap(),
        ScalarValue::Float64(Some(2.5))
    );
}

#[test]
fn nulls_and_conversions_have_the_expected_type() {
    let null = decode(
        None,
        Format::Text,
        &Type::INT4,
        &DataType::Int32,
        1,
        &default_style(),
    )
    .unwrap();
    assert_eq!(null, ScalarValue::Int32(None));
    assert_eq!(
        read("7", &Type::INT2, DataType::Int64).unwrap(),
        ScalarValue::Int64(Some(7))
    );
    assert_eq!(
        read("x", &Type::TEXT, DataType::Utf8View).unwrap(),
        ScalarValue::Utf8View(Some("x".into()))
    );
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    assert_eq!(
        read(uuid, &Type::UUID, DataType::Utf8).unwrap(),
        ScalarValue::Utf8(Some(uuid.into()))
    );
    let mismatch = read("true", &Type::BOOL, DataType::Date32).unwrap_err();
    assert!(matches!(mismatch, Error::Mismatch { .. }), "{mismatch}");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        oid in proptest::sample::select(vec![
            16_u32, 17, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1000, 1007, 1009, 1015, 1082, 1083, 1114, 1182,
            1184,
            1185, 1186, 1231, 1700, 22, 30, 2950, 3802,
        ]),
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        text in "[-+0-9{}:.,\"\\\\ aePTYBCx]{0,30}",
    ) {
        let wire = Type::from_oid(oid).unwrap();
        let expected = types::data_type(&wire).unwrap();
        for (bytes, format) in [
            (Bytes::from(bytes.clone()), Format::Binary),
            (Bytes::from(bytes), Format::Text),
            (Bytes::from(text), Format::Text),
        ] {
            let _ = decode(Some(bytes), format, &wire, &expected, 1, &default_style());
        }
    }

    #[test]
    fn false_array_headers_never_panic_or_allocate(
        dimensions in 0_i32..8,
        lengths in proptest::collection::vec(any::<i32>(), 0..8),
        rest in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = Vec::new();
        for word in [dimensions, 0, 23] {
            bytes.extend(word.to_be_bytes());
        }
        for length in lengths {
            bytes.extend(length.to_be_bytes());
            bytes.extend(1_i32.to_be_bytes());
        }
        bytes.extend(rest);
        let expected = types::data_type(&Type::INT4_ARRAY).unwrap();
        let _ = decode(Some(bytes.into()), Format::Binary, &Type::INT4_ARRAY, &expected, 1, &default_style());
    }
}
