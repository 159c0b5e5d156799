//! Tests of `contract`.

use std::collections::HashMap;

use super::*;

fn contract(data_type: DataType) -> Contract {
    Contract::default()
        .fit(&Schema::new(vec![Field::new("c", data_type, true)]))
        .unwrap()
}

/// Types by their Arrow text, so that the table reads as a table.
#[track_caller]
fn check(before: &str, file: &str, after: Option<&str>) {
    let parse = |text: &str| text.parse::<DataType>().unwrap();
    let file = Schema::new(vec![Field::new("c", parse(file), true)]);
    let fitted = contract(parse(before)).fit(&file);
    let found = fitted
        .as_ref()
        .ok()
        .map(|contract| contract.schema().field(0).data_type().clone());
    assert_eq!(found, after.map(parse), "{before} then {file:?}");
    if let Err(misfit) = fitted {
        let text = misfit.to_string();
        assert!(text.starts_with("column \"c\" has another type: "), "{text}");
    } else {
        // A file that fitted fits the extended contract without another change.
        let after = fitted.unwrap();
        assert_eq!(after.fit(&file).as_ref(), Ok(&after));
    }
}

#[test]
fn types_widen_and_nothing_else() {
    check("Int32", "Int64", Some("Int64"));
    check("Int64", "Int32", Some("Int64"));
    check("Int8", "UInt8", Some("Int16"));
    check("UInt32", "Int64", Some("Int64"));
    check("UInt32", "UInt64", Some("UInt64"));
    check("UInt64", "Int64", None);
    check("Int32", "Float64", None);
    check("Int32", "Utf8", None);
    check("Float32", "Float64", Some("Float64"));
    check("Float64", "Float32", Some("Float64"));
    check(
        "Decimal128(10, 2)",
        "Decimal128(12, 2)",
        Some("Decimal128(12, 2)"),
    );
    check(
        "Decimal128(10, 2)",
        "Decimal128(10, 4)",
        Some("Decimal128(12, 4)"),
    );
    check(
        "Decimal128(38, 0)",
        "Decimal128(38, 10)",
        Some("Decimal256(48, 10)"),
    );
    check("Decimal256(76, 0)", "Decimal256(76, 10)", None);
    check("Decimal128(10, 2)", "Int64", None);
    check("Date32", "Timestamp(µs)", Some("Timestamp(µs)"));
    check("Timestamp(ms)", "Date32", Some("Timestamp(ms)"));
    check("Timestamp(ns)", "Date32", Some("Timestamp(µs)"));
    check("Date32", "Timestamp(µs, \"UTC\")", None);
    check("Timestamp(ms)", "Timestamp(ns)", Some("Timestamp(µs)"));
    check("Timestamp(ns)", "Timestamp(ns)", Some("Timestamp(ns)"));
    check(
        "Timestamp(µs, \"UTC\")",
        "Timestamp(µs, \"+02:00\")",
        Some("Timestamp(µs, \"UTC\")"),
    );
    check("Timestamp(µs, \"UTC\")", "Timestamp(µs)", None);
    check("Utf8", "LargeUtf8", Some("Utf8View"));
    check("Utf8", "Dictionary(Int32, Utf8)", Some("Utf8View"));
    check(
        "Dictionary(Int8, Utf8)",
        "Dictionary(Int32, LargeUtf8)",
        Some("Utf8View"),
    );
    check("Dictionary(Int8, Int32)", "Int64", Some("Int64"));
    check("Binary", "BinaryView", Some("BinaryView"));
    check("Binary", "Utf8", None);
    check("Null", "Utf8", Some("Utf8View"));
    check("Int64", "Null", Some("Int64"));
    check("Boolean", "Int8", None);
    check(
        "List(Int32)",
        "List(Int64, field: 'element')",
        Some("List(Int64)"),
    );
    check("List(Utf8View)", "LargeList(Utf8)", Some("LargeList(Utf8)"));
    check("List(Int32)", "Int32", None);
    check(
        "Struct(\"a\": Int32, \"b\": non-null Utf8)",
        "Struct(\"c\": Date32, \"a\": Int64)",
        Some("Struct(\"a\": Int64, \"b\": Utf8, \"c\": Date32)"),
    );
}

#[test]
fn columns_come_and_go_as_far_as_they_may() {
    let schema = |columns: &[(&str, bool)]| {
        Schema::new(
            columns
                .iter()
                .map(|(name, nullable)| Field::new(*name, DataType::Int64, *nullable))
                .collect::<Vec<_>>(),
        )
    };
    let first = Contract::default()
        .fit(&schema(&[("id", false), ("a", true)]))
        .unwrap();
    assert!(!first.schema().field(0).is_nullable());

    // Another order, a column less, a new one that the file requires.
    let second = first.fit(&schema(&[("b", false), ("id", false)])).unwrap();
    let columns: Vec<_> = second
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field.is_nullable()))
        .collect();
    assert_eq!(columns, [("id", false), ("a", true), ("b", true)]);
    assert_eq!(second.fit(&schema(&[("id", false)])).as_ref(), Ok(&second));

    let misfit = first.fit(&schema(&[("a", true)])).unwrap_err();
    assert_eq!(
        misfit.to_string(),
        "column \"id\" is missing, and is required in the files before (bigint)"
    );
    let twice = first
        .fit(&schema(&[("id", false), ("a", true), ("a", true)]))
        .unwrap_err();
    assert_eq!(twice.to_string(), "column \"a\" stands in the file twice");
    assert!(
        first
            .fit(&schema(&[("id", true)]))
            .unwrap()
            .schema()
            .field(0)
            .is_nullable()
    );
}

#[test]
fn a_misfit_is_told_in_the_words_of_sql() {
    let zone = || Some("UTC".into());
    let item = |data_type| Arc::new(Field::new_list_field(data_type, true));
    for (before, found, told) in [
        (
            DataType::Float64,
            DataType::Utf8,
            "text in this file, double precision in the files before",
        ),
        (
            DataType::Utf8View,
            DataType::Int64,
            "bigint in this file, text in the files before",
        ),
        (
            DataType::Boolean,
            DataType::Int32,
            "integer in this file, boolean in the files before",
        ),
        (
            DataType::Timestamp(TimeUnit::Microsecond, zone()),
            DataType::Decimal128(18, 2),
            "numeric(18,2) in this file, timestamp with time zone in the files before",
        ),
        (
            DataType::List(item(DataType::Utf8)),
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            "text in this file, text[] in the files before",
        ),
    ] {
        let schema = Schema::new(vec![Field::new("c", found, true)]);
        let misfit = contract(before).fit(&schema).unwrap_err();
        assert_eq!(
            misfit.to_string(),
            format!("column \"c\" has another type: {told}")
        );
    }
}

#[test]
fn a_schema_reads_back_as_it_was_written() {
    let with_id =
        |field: Field| field.with_metadata(HashMap::from([("PARQUET:field_id".to_owned(), "7".to_owned())]));
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    let schema = Schema::new(vec![
        Field::new(
            "größe \"x\"",
            DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
            true,
        ),
        Field::new(
            "d",
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            false,
        ),
        Field::new("n", DataType::Decimal128(18, 4), true),
        Field::new(
            "l",
            DataType::List(Arc::new(with_id(Field::new("element", DataType::Int64, true)))),
            true,
        ),
        Field::new(
            "s",
            DataType::Struct(Fields::from(vec![with_id(Field::new(
                "it's",
                DataType::Float64,
                false,
            ))])),
            true,
        ),
        Field::new(
            "m",
            DataType::Map(
                Arc::new(Field::new("entries", DataType::Struct(entries), false)),
                false,
            ),
            true,
        ),
        Field::new("f", DataType::FixedSizeBinary(16), true),
    ]);
    let stored = StoredSchema::try_new(&schema).unwrap();
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<StoredSchema>(&text).unwrap(), stored);
    assert_eq!(stored.schema().field(1), schema.field(1));
    assert!(
        serde_json::from_str::<StoredSchema>(r#"[{"name":"a","type":"Int65","nullable":true}]"#).is_err()
    );

    let odd = Schema::new(vec![Field::new(
        "l",
        DataType::List(Arc::new(Field::new("it's", DataType::Int64, true))),
        true,
    )]);
    assert!(StoredSchema::try_new(&odd).is_err_and(|misfit| misfit.to_string().contains("not supported")));
}
