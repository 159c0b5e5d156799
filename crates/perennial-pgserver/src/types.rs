//! Which Postgres type an Arrow field is described with, and which Arrow type a declared parameter has.
//!
//! Postgres has types that Arrow lacks (`oid`, `name`, `json`, …): a field names them in its metadata under
//! [`PG_TYPE`]. A name is followed only where the storage fits it.

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema, TimeUnit};
pub use perennial_engine::schema::PG_TYPE;
pub(crate) use perennial_engine::schema::named_type;
use perennial_engine::schema::{DIGITS, is_record, typed};
use pgwire::api::Type;

/// How a result column is described to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The column's name.
    pub name: String,
    /// Its type.
    pub pg_type: Type,
    /// Bytes of a value as in `pg_type.typlen`; -1 = variable.
    pub size: i16,
    /// Type modifier: precision and scale of `numeric`; -1 = none.
    pub modifier: i32,
}

impl Shape {
    /// Describes every column of a result.
    pub fn of(schema: &Schema) -> Vec<Self> {
        let describe = |field: &Field| {
            let pg_type = pg_type(field);
            let modifier = if pg_type == Type::NUMERIC && !field.metadata().contains_key(DIGITS) {
                numeric_modifier(field.data_type())
            } else {
                -1
            };
            Self {
                name: field.name().clone(),
                size: size(&pg_type),
                pg_type,
                modifier,
            }
        };
        schema.fields().iter().map(|field| describe(field)).collect()
    }
}

/// The Postgres type that a field is served as. Nested values without a Postgres counterpart (structs that are no records,
/// maps, unions, and lists of them) are `json`.
pub fn pg_type(field: &Field) -> Type {
    named_type(field)
        .and_then(|name| named(name, field.data_type()))
        .unwrap_or_else(|| natural(field.data_type()))
}

fn natural(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 => Type::INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Type::BYTEA
        }
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, values) => natural(values),
        DataType::RunEndEncoded(_, values) => pg_type(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            let of_item = pg_type(item);
            // Postgres has no arrays of arrays: dimensions belong to one array type.
            if element(&of_item).is_some() {
                of_item
            } else {
                array_of(&of_item).unwrap_or(Type::JSON)
            }
        }
        DataType::Struct(fields) if is_record(fields) => Type::RECORD,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Type::JSON,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::TEXT,
    }
}

/// What a type with a name of its own may be stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    Text,
    Number,
    Uuid,
    List,
}

fn storage(data_type: &DataType) -> Option<Storage> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Storage::Text),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(Storage::Number),
        DataType::FixedSizeBinary(16) => Some(Storage::Uuid),
        DataType::Dictionary(_, values) => storage(values),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Some(Storage::List),
        _ => None,
    }
}

fn named(name: &str, data_type: &DataType) -> Option<Type> {
    let item = name.strip_suffix("[]").or_else(|| name.strip_prefix('_'));
    if let Some(item) = item {
        let (DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _)) =
            data_type
        else {
            return None;
        };
        return array_of(&named(item, field.data_type())?);
    }
    let found = match (storage(data_type)?, name) {
        (Storage::Text, "name") => Type::NAME,
        (Storage::Text, "char") => Type::CHAR,
        (Storage::Text, "bpchar") => Type::BPCHAR,
        (Storage::Text, "varchar") => Type::VARCHAR,
        (Storage::Text, "json") => Type::JSON,
        (Storage::Text, "jsonb") => Type::JSONB,
        (Storage::Text, "xml") => Type::XML,
        (Storage::Text | Storage::Uuid, "uuid") => Type::UUID,
        (Storage::Text, "pg_node_tree") => Type::PG_NODE_TREE,
        (Storage::Text, "aclitem") => Type::ACLITEM,
        (Storage::Text, "pg_lsn") => Type::PG_LSN,
        (Storage::Text, "inet") => Type::INET,
        (Storage::Text, "anyarray") => Type::ANYARRAY,
        (Storage::Number, "oid") => Type::OID,
        (Storage::Number, "xid") => Type::XID,
        (Storage::Number, "cid") => Type::CID,
        (Storage::Number, "regclass") => Type::REGCLASS,
        (Storage::Number, "regtype") => Type::REGTYPE,
        (Storage::Number, "regproc") => Type::REGPROC,
        (Storage::Number, "regprocedure") => Type::REGPROCEDURE,
        (Storage::Number, "regoper") => Type::REGOPER,
        (Storage::Number, "regoperator") => Type::REGOPERATOR,
        (Storage::Number, "regnamespace") => Type::REGNAMESPACE,
        (Storage::Number, "regrole") => Type::REGROLE,
        (Storage::List, "int2vector") => Type::INT2_VECTOR,
        (Storage::List, "oidvector") => Type::OID_VECTOR,
        _ => return None,
    };
    Some(found)
}

/// Types that are four unsigned bytes in binary form.
pub(crate) fn oid_like(pg_type: &Type) -> bool {
    [
        Type::OID,
        Type::XID,
        Type::CID,
        Type::REGCLASS,
        Type::REGTYPE,
        Type::REGPROC,
        Type::REGPROCEDURE,
        Type::REGOPER,
        Type::REGOPERATOR,
        Type::REGNAMESPACE,
        Type::REGROLE,
    ]
    .contains(pg_type)
}

const ARRAYS: [(Type, Type); 34] = [
    (Type::BOOL, Type::BOOL_ARRAY),
    (Type::BYTEA, Type::BYTEA_ARRAY),
    (Type::CHAR, Type::CHAR_ARRAY),
    (Type::NAME, Type::NAME_ARRAY),
    (Type::INT2, Type::INT2_ARRAY),
    (Type::INT4, Type::INT4_ARRAY),
    (Type::INT8, Type::INT8_ARRAY),
    (Type::TEXT, Type::TEXT_ARRAY),
    (Type::BPCHAR, Type::BPCHAR_ARRAY),
    (Type::VARCHAR, Type::VARCHAR_ARRAY),
    (Type::OID, Type::OID_ARRAY),
    (Type::XID, Type::XID_ARRAY),
    (Type::CID, Type::CID_ARRAY),
    (Type::FLOAT4, Type::FLOAT4_ARRAY),
    (Type::FLOAT8, Type::FLOAT8_ARRAY),
    (Type::NUMERIC, Type::NUMERIC_ARRAY),
    (Type::DATE, Type::DATE_ARRAY),
    (Type::TIME, Type::TIME_ARRAY),
    (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
    (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
    (Type::INTERVAL, Type::INTERVAL_ARRAY),
    (Type::UUID, Type::UUID_ARRAY),
    (Type::JSONB, Type::JSONB_ARRAY),
    (Type::XML, Type::XML_ARRAY),
    (Type::ACLITEM, Type::ACLITEM_ARRAY),
    (Type::PG_LSN, Type::PG_LSN_ARRAY),
    (Type::INET, Type::INET_ARRAY),
    (Type::REGCLASS, Type::REGCLASS_ARRAY),
    (Type::REGTYPE, Type::REGTYPE_ARRAY),
    (Type::REGPROC, Type::REGPROC_ARRAY),
    (Type::REGNAMESPACE, Type::REGNAMESPACE_ARRAY),
    (Type::REGROLE, Type::REGROLE_ARRAY),
    (Type::INT2_VECTOR, Type::INT2_VECTOR_ARRAY),
    (Type::RECORD, Type::RECORD_ARRAY),
];

/// The array type of an element type; `None` for `json`, which nests by itself, and for what is an array
/// already.
pub(crate) fn array_of(item: &Type) -> Option<Type> {
    ARRAYS
        .iter()
        .find(|(element, _)| element == item)
        .map(|(_, array)| array.clone())
}

/// The element type of an array type, the vectors of the catalog included.
pub(crate) fn element(array: &Type) -> Option<Type> {
    match *array {
        Type::INT2_VECTOR => Some(Type::INT2),
        Type::OID_VECTOR => Some(Type::OID),
        Type::JSON_ARRAY => Some(Type::JSON),
        _ => ARRAYS
            .iter()
            .find(|(_, known)| known == array)
            .map(|(element, _)| element.clone()),
    }
}

/// `pg_type.typlen`.
fn size(pg_type: &Type) -> i16 {
    match *pg_type {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::PG_LSN => 8,
        Type::INTERVAL | Type::UUID | Type::ACLITEM => 16,
        Type::NAME => 64,
        _ if oid_like(pg_type) => 4,
        _ => -1,
    }
}

/// Precision and scale as `numeric` keeps them in `atttypmod`.
fn numeric_modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
        }
        DataType::Dictionary(_, values) => numeric_modifier(values),
        _ => -1,
    }
}

/// The Arrow type of a parameter that a client declares by OID; `None` for a type that is not served.
pub(crate) fn data_type(pg_type: &Type) -> Option<DataType> {
    let found = match *pg_type {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::JSON
        | Type::JSONB
        | Type::UUID
        | Type::XML => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        _ if oid_like(pg_type) => DataType::Int64,
        _ => {
            let item = data_type(&element(pg_type)?)?;
            DataType::List(Field::new_list_field(item, true).into())
        }
    };
    Some(found)
}

/// The field of a parameter that a client declares by OID; `None` for a type that is not served.
pub(crate) fn field(pg_type: &Type) -> Option<FieldRef> {
    let data_type = data_type(pg_type)?;
    let plain = Field::new("", data_type.clone(), true);
    // A text is one, whatever a driver calls it.
    let text = [Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::CHAR, Type::XML].contains(pg_type);
    if text || self::pg_type(&plain) == *pg_type {
        return Some(plain.into());
    }
    let name = match element(pg_type) {
        Some(item) => format!("{}[]", item.name()),
        None => pg_type.name().to_owned(),
    };
    Some(typed(&name, data_type))
}

/// The name that Postgres' messages use for a type.
pub(crate) fn sql_name(pg_type: &Type) -> String {
    let name = match *pg_type {
        Type::BOOL => "boolean",
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::BPCHAR => "character",
        Type::VARCHAR => "character varying",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::TIMESTAMP => "timestamp",
        _ => {
            return pg_type
                .name()
                .strip_prefix('_')
                .map_or_else(|| pg_type.name().to_owned(), |item| format!("{item}[]"));
        }
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;

    #[track_caller]
    fn check(data_type: DataType, name: Option<&str>, expected: Type, size: i16, modifier: i32) {
        let metadata: HashMap<_, _> = name
            .map(|name| (PG_TYPE.to_owned(), name.to_owned()))
            .into_iter()
            .collect();
        let schema = Schema::new(vec![Field::new("c", data_type, true).with_metadata(metadata)]);
        let shape = Shape {
            name: "c".into(),
            pg_type: expected,
            size,
            modifier,
        };
        assert_eq!(Shape::of(&schema), vec![shape]);
    }

    #[test]
    fn fields_are_described_as_postgres_describes_its_own() {
        let list = |item: DataType| DataType::List(Field::new_list_field(item, true).into());
        check(DataType::Int64, None, Type::INT8, 8, -1);
        check(DataType::UInt8, None, Type::INT2, 2, -1);
        check(DataType::UInt64, None, Type::NUMERIC, -1, -1);
        // psql \gdesc of numeric(12,2) and numeric(10,-2), PostgreSQL 15.
        check(DataType::Decimal128(12, 2), None, Type::NUMERIC, -1, 786_438);
        check(DataType::Decimal128(10, -2), None, Type::NUMERIC, -1, 657_410);
        check(DataType::Utf8View, None, Type::TEXT, -1, -1);
        check(DataType::Utf8, Some("name"), Type::NAME, 64, -1);
        check(DataType::Int64, Some("oid"), Type::OID, 4, -1);
        check(DataType::Utf8, Some("oid"), Type::TEXT, -1, -1);
        check(DataType::Utf8, Some("jsonb"), Type::JSONB, -1, -1);
        check(DataType::FixedSizeBinary(16), Some("uuid"), Type::UUID, 16, -1);
        check(DataType::FixedSizeBinary(16), None, Type::BYTEA, -1, -1);
        check(
            list(DataType::Int16),
            Some("int2vector"),
            Type::INT2_VECTOR,
            -1,
            -1,
        );
        check(list(DataType::Int64), Some("oid[]"), Type::OID_ARRAY, -1, -1);
        check(
            list(DataType::Utf8),
            Some("_aclitem"),
            Type::ACLITEM_ARRAY,
            -1,
            -1,
        );
        check(list(list(DataType::Utf8)), None, Type::TEXT_ARRAY, -1, -1);
        let record = DataType::Struct(vec![Arc::new(Field::new("a", DataType::Int32, true))].into());
        check(record.clone(), None, Type::JSON, -1, -1);
        check(list(record), None, Type::JSON, -1, -1);
        let dictionary = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        check(dictionary, None, Type::TEXT, -1, -1);
        check(
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            None,
            Type::TIMESTAMPTZ,
            8,
            -1,
        );
        check(DataType::Null, None, Type::TEXT, -1, -1);
    }

    #[test]
    fn a_declared_type_comes_back_as_itself_under_its_name() {
        for (item, array) in ARRAYS {
            for declared in [item, array] {
                if let Some(data_type) = data_type(&declared) {
                    let name = declared.name().to_owned();
                    let field =
                        Field::new("c", data_type, true).with_metadata([(PG_TYPE.to_owned(), name)].into());
                    assert_eq!(pg_type(&field), declared);
                }
            }
        }
    }
}
