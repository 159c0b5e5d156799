//! The columns that the files of a source agree on, and how far a new file may differ.
//!
//! A contract only ever grows: to the next wider type, by columns, from required to nullable. Every file that
//! fitted once is therefore readable under every later contract without loss.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Arrow schema in the form that a manifest keeps: names, types and nullability; no metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchema(SchemaRef);

impl StoredSchema {
    /// The schema without its metadata.
    ///
    /// # Errors
    /// A [`Misfit`] for two columns of one name, and for a type that has no text that reads back.
    pub fn try_new(schema: &Schema) -> Result<Self, Misfit> {
        let mut names = HashSet::new();
        let mut fields = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let data_type = without_metadata(field.data_type());
            if !names.insert(field.name()) {
                return Err(Misfit::new(field.name(), "stands in the file twice"));
            }
            if data_type.to_string().parse().ok().as_ref() != Some(&data_type) {
                return Err(Misfit::new(
                    field.name(),
                    format!("has the type {}, which is not supported", type_name(&data_type)),
                ));
            }
            fields.push(Field::new(field.name(), data_type, field.is_nullable()));
        }
        Ok(Self(Arc::new(Schema::new(fields))))
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.0
    }
}

impl Default for StoredSchema {
    fn default() -> Self {
        Self(Arc::new(Schema::empty()))
    }
}

/// One column in a manifest.
#[derive(Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
}

impl Serialize for StoredSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.fields().iter().map(|field| StoredColumn {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        }))
    }
}

impl<'de> Deserialize<'de> for StoredSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let columns = Vec::<StoredColumn>::deserialize(deserializer)?;
        let fields = columns.into_iter().map(|column| {
            let data_type: DataType = column
                .data_type
                .parse()
                .map_err(|_| D::Error::custom(format!("\"{}\" is not a type", column.data_type)))?;
            Ok(Field::new(column.name, data_type, column.nullable))
        });
        Ok(Self(Arc::new(Schema::new(
            fields.collect::<Result<Vec<_>, D::Error>>()?,
        ))))
    }
}

/// The columns that a source's files have together. The default is that of a source without files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contract(StoredSchema);

impl Contract {
    /// The contract after a file of `schema` has joined: the same, or extended.
    ///
    /// Accepted are wider integers of one signedness (an unsigned one also widens to a larger signed one), wider
    /// floats, decimals of more digits, dates where there were timestamps and the reverse, other units of
    /// timestamps, every form of text, of bytes and of dictionary, columns in another order, new columns (nullable
    /// from then on), and files without a nullable column.
    ///
    /// # Errors
    /// A [`Misfit`] that names the column and both types.
    pub fn fit(&self, schema: &Schema) -> Result<Self, Misfit> {
        let file = StoredSchema::try_new(schema)?;
        let first = self.schema().fields().is_empty();
        let mut fields: Vec<FieldRef> = Vec::with_capacity(file.0.fields().len());
        for expected in self.schema().fields() {
            fields.push(match file.0.field_with_name(expected.name()) {
                Ok(found) => {
                    let data_type = common_type(expected.data_type(), &canonical(found.data_type(), true))
                        .ok_or_else(|| Misfit {
                            column: expected.name().clone(),
                            expected: Some(expected.data_type().clone()),
                            found: Some(found.data_type().clone()),
                            problem: "has another type".to_owned(),
                        })?;
                    let nullable = expected.is_nullable() || found.is_nullable();
                    Arc::new(Field::new(expected.name(), data_type, nullable))
                }
                Err(_) if expected.is_nullable() => Arc::clone(expected),
                Err(_) => {
                    return Err(Misfit {
                        column: expected.name().clone(),
                        expected: Some(expected.data_type().clone()),
                        found: None,
                        problem: "is missing, and is required in the files before".to_owned(),
                    });
                }
            });
        }
        for found in file.0.fields() {
            if self.schema().field_with_name(found.name()).is_err() {
                let nullable = found.is_nullable() || !first;
                fields.push(Arc::new(Field::new(
                    found.name(),
                    canonical(found.data_type(), true),
                    nullable,
                )));
            }
        }
        Ok(Self(StoredSchema(Arc::new(Schema::new(fields)))))
    }

    /// The columns in order of their first appearance. Text is Utf8View and bytes are BinaryView at the top level
    /// (Utf8 and Binary inside of lists and structs); there are no dictionaries.
    pub fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }
}

/// Why a file does not fit a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The column.
    pub column: String,
    /// The contract's type, if the column is of the contract.
    pub expected: Option<DataType>,
    /// The file's type, if the file has the column.
    pub found: Option<DataType>,
    problem: String,
}

impl Misfit {
    fn new(column: &str, problem: impl Into<String>) -> Self {
        Self {
            column: column.to_owned(),
            expected: None,
            found: None,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "column \"{}\" {}", self.column, self.problem)?;
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(
                formatter,
                ": {} in this file, {} in the files before",
                type_name(found),
                type_name(expected)
            ),
            (Some(expected), None) => write!(formatter, " ({})", type_name(expected)),
            (None, _) => Ok(()),
        }
    }
}

impl std::error::Error for Misfit {}

/// The type in the words of SQL, which a person who writes such files knows. Types that SQL has no word for keep their
/// own.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".to_owned()
        }
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "8-bit integer".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::UInt8 => "unsigned 8-bit integer".to_owned(),
        DataType::UInt16 => "unsigned smallint".to_owned(),
        DataType::UInt32 => "unsigned integer".to_owned(),
        DataType::UInt64 => "unsigned bigint".to_owned(),
        DataType::Float16 => "half precision".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp without time zone".to_owned(),
        DataType::Timestamp(_, Some(zone)) if matches!(zone.as_ref(), "UTC" | "+00:00") => {
            "timestamp with time zone".to_owned()
        }
        DataType::Timestamp(_, Some(zone)) => format!("timestamp with time zone {zone}"),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("{}[]", type_name(item.data_type())),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::RunEndEncoded(_, value) => type_name(value.data_type()),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("struct({})", fields.join(", "))
        }
        DataType::Map(..) => "map".to_owned(),
        DataType::Null => "no type (all null)".to_owned(),
        other => other.to_string(),
    }
}

/// The type without metadata in nested fields (Parquet readers put field ids there).
fn without_metadata(data_type: &DataType) -> DataType {
    map_children(data_type, &without_metadata)
}

/// The one form in which a contract keeps all encodings of the same values.
fn canonical(data_type: &DataType, top: bool) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => canonical(value, top),
        DataType::RunEndEncoded(_, values) => canonical(values.data_type(), top),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if top => DataType::Utf8View,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView if top => DataType::BinaryView,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        nested => map_children(nested, &|child| canonical(child, false)),
    }
}

/// The type with `change` applied to the types of its children.
fn map_children(data_type: &DataType, change: &dyn Fn(&DataType) -> DataType) -> DataType {
    let map = |field: &FieldRef| -> FieldRef {
        Arc::new(Field::new(
            field.name(),
            change(field.data_type()),
            field.is_nullable(),
        ))
    };
    match data_type {
        DataType::List(field) => DataType::List(map(field)),
        DataType::LargeList(field) => DataType::LargeList(map(field)),
        DataType::ListView(field) => DataType::ListView(map(field)),
        DataType::LargeListView(field) => DataType::LargeListView(map(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(map(field), *size),
        DataType::Map(field, sorted) => DataType::Map(map(field), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(map).collect()),
        DataType::Dictionary(key, value) => DataType::Dictionary(key.clone(), Box::new(change(value))),
        DataType::RunEndEncoded(ends, values) => DataType::RunEndEncoded(map(ends), map(values)),
        flat => flat.clone(),
    }
}

/// The narrowest type that holds every value of both without loss; none when the two do not go together.
fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Date32, Date64, Float16, Float32, Float64, LargeList, List, Map, Null, Struct, Timestamp,
    };
    if a == b {
        return Some(a.clone());
    }
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return wider_integer(a, b);
    }
    if let (Some((a, wide_a)), Some((b, wide_b))) = (decimal(a), decimal(b)) {
        return wider_decimal(a, b, wide_a || wide_b);
    }
    Some(match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (Float16, Float32) | (Float32, Float16) => Float32,
        (Float16 | Float32, Float64) | (Float64, Float16 | Float32) => Float64,
        (Date32, Date64) | (Date64, Date32) => Date64,
        // A day becomes its midnight; nanoseconds reach only from 1677 to 2262, so that days do not go there.
        (Date32 | Date64, Timestamp(unit, None)) | (Timestamp(unit, None), Date32 | Date64) => {
            Timestamp(finer(*unit, TimeUnit::Second), None)
        }
        (Timestamp(unit_a, zone_a), Timestamp(unit_b, zone_b)) => {
            let zone = match (zone_a, zone_b) {
                (None, None) => None,
                (Some(a), Some(b)) if a == b => Some(Arc::clone(a)),
                (Some(_), Some(_)) => Some("UTC".into()),
                // A wall clock and an instant are not the same thing.
                _ => return None,
            };
            let unit = if unit_a == unit_b {
                *unit_a
            } else {
                finer(*unit_a, *unit_b)
            };
            Timestamp(unit, zone)
        }
        (List(a), List(b)) => List(common_field(a, b)?),
        (List(a) | LargeList(a), List(b) | LargeList(b)) => LargeList(common_field(a, b)?),
        (Struct(a), Struct(b)) => Struct(common_struct(a, b)?),
        (Map(a, sorted_a), Map(b, sorted_b)) => Map(common_field(a, b)?, *sorted_a && *sorted_b),
        _ => return None,
    })
}

/// The finer of two units, at most microseconds, which are what is served.
fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    a.max(b).min(TimeUnit::Microsecond)
}

/// The width in bits of an integer type, negative when unsigned.
fn integer(data_type: &DataType) -> Option<i16> {
    Some(match data_type {
        DataType::Int8 => 8,
        DataType::Int16 => 16,
        DataType::Int32 => 32,
        DataType::Int64 => 64,
        DataType::UInt8 => -8,
        DataType::UInt16 => -16,
        DataType::UInt32 => -32,
        DataType::UInt64 => -64,
        _ => return None,
    })
}

fn wider_integer(a: i16, b: i16) -> Option<DataType> {
    let width = match (a > 0, b > 0) {
        (true, true) => a.max(b),
        (false, false) => a.min(b),
        // The signed one must have room for the sign beside the unsigned one's bits.
        _ => a.max(b).max(a.min(b).abs() * 2),
    };
    Some(match width {
        8 => DataType::Int8,
        16 => DataType::Int16,
        32 => DataType::Int32,
        64 => DataType::Int64,
        -8 => DataType::UInt8,
        -16 => DataType::UInt16,
        -32 => DataType::UInt32,
        -64 => DataType::UInt64,
        _ => return None,
    })
}

/// Precision and scale of a decimal, and whether it takes 256 bits.
fn decimal(data_type: &DataType) -> Option<((i16, i16), bool)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => Some(((i16::from(*precision), i16::from(*scale)), false)),
        DataType::Decimal256(precision, scale) => Some(((i16::from(*precision), i16::from(*scale)), true)),
        _ => None,
    }
}

fn wider_decimal(a: (i16, i16), b: (i16, i16), wide: bool) -> Option<DataType> {
    let scale = a.1.max(b.1);
    let precision = (a.0 - a.1).max(b.0 - b.1) + scale;
    let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
    match precision {
        0..=38 if !wide => Some(DataType::Decimal128(precision, scale)),
        0..=76 => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}

/// The common field of two element fields; writers name the element differently, the first name stays.
fn common_field(a: &FieldRef, b: &FieldRef) -> Option<FieldRef> {
    let data_type = common_type(a.data_type(), b.data_type())?;
    Some(Arc::new(Field::new(
        a.name(),
        data_type,
        a.is_nullable() || b.is_nullable(),
    )))
}

/// The fields of both structs by name; one that either lacks is nullable.
fn common_struct(a: &Fields, b: &Fields) -> Option<Fields> {
    let optional = |field: &FieldRef| -> FieldRef { Arc::new(field.as_ref().clone().with_nullable(true)) };
    let mut fields: Vec<FieldRef> = Vec::with_capacity(a.len());
    for field in a {
        fields.push(match b.find(field.name()) {
            Some((_, other)) => common_field(field, other)?,
            None => optional(field),
        });
    }
    fields.extend(
        b.iter()
            .filter(|field| a.find(field.name()).is_none())
            .map(optional),
    );
    Some(fields.into())
}

#[cfg(test)]
mod tests;
