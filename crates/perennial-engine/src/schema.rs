//! The declared relations as Arrow schemas.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use perennial_base::relation::{Column, ColumnType, Relation};

/// The metadata key that names a Postgres type which Arrow lacks.
pub const PG_TYPE: &str = "pg_type";

/// Precision and scale of money.
pub const MONEY: (u8, i8) = (18, 4);

/// The Arrow type of a served column.
pub fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text | ColumnType::Json => DataType::Utf8View,
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
    let field = Field::new(column.name, data_type(column.column_type), column.nullable);
    match column.column_type {
        ColumnType::Json => field.with_metadata(HashMap::from([(PG_TYPE.to_owned(), "jsonb".to_owned())])),
        _ => field,
    }
}

/// The schema of a relation's declared columns.
pub fn schema(relation: &Relation) -> SchemaRef {
    Arc::new(Schema::new(
        relation.columns.iter().map(field).collect::<Vec<_>>(),
    ))
}
