//! The declared relations as Arrow schemas.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use perennial_base::relation::{Column, ColumnType, Relation};

/// The metadata key that names a Postgres type which Arrow lacks.
pub const PG_TYPE: &str = "pg_type";

/// The name in `pg_type` of the type of a field that Arrow lacks: what its metadata say under [`PG_TYPE`], or an extension
/// type of Arrow that Postgres has. None of a type that both have.
pub fn named_type(field: &Field) -> Option<&str> {
    if let Some(name) = field.metadata().get(PG_TYPE) {
        return Some(name);
    }
    match field.extension_type_name()? {
        "arrow.uuid" => Some("uuid"),
        "arrow.json" => Some("json"),
        _ => None,
    }
}

/// A field of a type that Arrow lacks.
pub fn typed(name: &str, data_type: DataType) -> FieldRef {
    let metadata = [(PG_TYPE.to_owned(), name.to_owned())].into();
    Arc::new(Field::new(name, data_type, true).with_metadata(metadata))
}

/// The metadata key that the fields of a record have, as no other struct has it.
pub const RECORD: &str = "perennial.record";

/// Whether fields are those of a record, which is written as `(1,x)`.
pub fn is_record(fields: &Fields) -> bool {
    fields
        .first()
        .is_some_and(|field| field.metadata().contains_key(RECORD))
}

/// Precision and scale of money.
pub const MONEY: (u8, i8) = (18, 4);

/// The Arrow type of a served column.
pub fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::Utf8View,
        ColumnType::TextList => DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true))),
        ColumnType::Int => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => timestamp(),
        ColumnType::Money => DataType::Decimal128(MONEY.0, MONEY.1),
        ColumnType::Rate => DataType::Decimal128(24, 10),
        _ => DataType::Utf8View,
    }
}

/// `timestamp with time zone`: microseconds in UTC.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The field of a served column.
pub fn field(column: &Column) -> Field {
    Field::new(column.name, data_type(column.column_type), column.nullable)
}

/// The schema of a relation's declared columns.
pub fn schema(relation: &Relation) -> SchemaRef {
    Arc::new(Schema::new(
        relation.columns.iter().map(field).collect::<Vec<_>>(),
    ))
}

/// The metadata key of a numeric column whose values have digits of their own: how many there are behind the point at least.
pub const DIGITS: &str = "perennial.digits";

/// The digits behind the point of a quotient that has `length` digits when it is written with `scale` of them behind the
/// point: sixteen significant ones at least, counted in Postgres' groups of four (`select_div_scale` in numeric.c).
pub fn own_digits(length: usize, scale: i8, minimum: i8) -> i8 {
    let whole = i64::try_from(length).unwrap_or(i64::MAX) - i64::from(scale);
    // Zero has no digits before the point, and none behind it.
    let weight = if length == 0 {
        -1
    } else {
        (whole - 1).div_euclid(4)
    };
    let digits = (16 - 4 * weight).max(i64::from(minimum));
    i8::try_from(digits.clamp(0, i64::from(scale.max(0)))).unwrap_or(scale)
}

/// The value of [`DIGITS`] for numerics that are shown without zeros at their end.
pub const WRITTEN: &str = "written";
