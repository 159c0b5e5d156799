//! The types of SQL that the engine's planner does not know, or takes for others than Postgres does.

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, ObjectName};
use perennial_base::ErrorClass;

use crate::error::Error;
use crate::schema::{named_type, timestamp, typed};

/// See the module.
#[derive(Debug)]
pub(crate) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        Ok(match sql_type {
            SqlType::Custom(name, _) => Some(by_name(name)?),
            SqlType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => {
                self.plan_type_field(item)?.map(|item| list_of(&item))
            }
            SqlType::Uuid => stored("uuid"),
            SqlType::JSON => stored("json"),
            SqlType::JSONB => stored("jsonb"),
            SqlType::Regclass => stored("regclass"),
            SqlType::Varchar(_) | SqlType::CharacterVarying(_) | SqlType::CharVarying(_) => stored("varchar"),
            SqlType::Char(_) | SqlType::Character(_) => stored("bpchar"),
            SqlType::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => Some(plain(DataType::Float32)),
            SqlType::Float(_) => Some(plain(DataType::Float64)),
            _ => None,
        })
    }
}

fn plain(data_type: DataType) -> FieldRef {
    Field::new("", data_type, true).into()
}

/// The field of a type by its name in `pg_type`, where Arrow lacks the type.
pub(crate) fn stored(name: &str) -> Option<FieldRef> {
    let data_type = match name.strip_suffix("[]") {
        Some(item) => DataType::List(Field::new_list_field(stored(item)?.data_type().clone(), true).into()),
        None => match name {
            // The order of the text of uuids is theirs, and more functions take text than sixteen bytes.
            "json" | "jsonb" | "uuid" => DataType::Utf8,
            "varchar" | "bpchar" | "name" | "char" => DataType::Utf8View,
            "oid" | "xid" | "cid" | "regclass" | "regtype" | "regproc" | "regprocedure" | "regnamespace"
            | "regrole" | "regoper" | "regoperator" => DataType::Int64,
            _ => return None,
        },
    };
    Some(typed(name, data_type))
}

/// An array. What Arrow lacks is said of the array, so that its items are like any others.
pub(crate) fn list_of(item: &Field) -> FieldRef {
    let list = DataType::List(Field::new_list_field(item.data_type().clone(), true).into());
    match named_type(item) {
        // Dimensions belong to one type.
        Some(name) if name.ends_with("[]") => typed(name, list),
        Some(name) => typed(&format!("{name}[]"), list),
        None => plain(list),
    }
}

/// A type by its internal name, in `pg_catalog` or without a schema.
fn by_name(name: &ObjectName) -> Result<FieldRef> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(super::names::folded)
        .collect();
    let last = match parts.as_slice() {
        [last] => last.as_str(),
        [schema, last] if schema == "pg_catalog" => last.as_str(),
        _ => "",
    };
    let found = match last {
        "text" | "cstring" | "citext" | "unknown" => plain(DataType::Utf8View),
        "int2" => plain(DataType::Int16),
        "int4" => plain(DataType::Int32),
        "int8" => plain(DataType::Int64),
        "float4" => plain(DataType::Float32),
        "float8" => plain(DataType::Float64),
        "bool" => plain(DataType::Boolean),
        "numeric" => plain(DataType::Decimal128(38, 10)),
        "date" => plain(DataType::Date32),
        "timestamp" => plain(DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)),
        "timestamptz" => plain(timestamp()),
        "bytea" => plain(DataType::Binary),
        last => match stored(last) {
            Some(field) => field,
            None => {
                let shown = parts.join(".");
                let message = format!("type \"{shown}\" does not exist");
                return Err(Error::new(ErrorClass::UndefinedObject, message).into());
            }
        },
    };
    Ok(found)
}
