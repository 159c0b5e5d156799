//! The PostgreSQL type of an engine's column, and types as text.

use arrow::datatypes::DataType;
use perennial_engine::schema::is_record;

use super::builtin::{self, RECORD, TEXT};

/// The type `json`, for values that have parts.
const JSON: i64 = 114;

/// The type of a column in `pg_attribute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnType {
    /// The type's identifier.
    pub(crate) oid: i64,
    /// Length, or precision and scale, as PostgreSQL packs them; -1 without.
    pub(crate) modifier: i64,
    /// Dimensions of an array, 0 for anything else.
    pub(crate) dimensions: i64,
}

impl ColumnType {
    /// A type without a modifier.
    pub(crate) fn plain(oid: i64) -> Self {
        Self {
            oid,
            modifier: -1,
            dimensions: 0,
        }
    }

    /// The type of a name in `pg_type`, and without one that of the engine's type.
    pub(crate) fn named(name: Option<&str>, data_type: &DataType) -> Self {
        let of = Self::of(data_type);
        let name = name.map(|name| name.strip_suffix("[]").unwrap_or(name));
        let Some(built_in) = name.and_then(builtin::type_named) else {
            return of;
        };
        match of.dimensions {
            0 => Self::plain(built_in.oid),
            dimensions if built_in.array => Self {
                oid: built_in.oid,
                dimensions,
                ..of
            },
            dimensions => Self {
                oid: built_in.array_type,
                dimensions,
                ..of
            },
        }
    }

    /// The type that a client is told for a column of the engine's type.
    pub(crate) fn of(data_type: &DataType) -> Self {
        Self::plain(match data_type {
            DataType::Boolean => 16,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => 21,
            DataType::Int32 | DataType::UInt16 => 23,
            DataType::Int64 | DataType::UInt32 => 20,
            DataType::UInt64 => 1700,
            DataType::Float16 | DataType::Float32 => 700,
            DataType::Float64 => 701,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => return Self::numeric(*precision, *scale),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => TEXT,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => 17,
            DataType::Date32 | DataType::Date64 => 1082,
            DataType::Time32(_) | DataType::Time64(_) => 1083,
            DataType::Timestamp(_, None) => 1114,
            DataType::Timestamp(_, Some(_)) => 1184,
            DataType::Interval(_) | DataType::Duration(_) => 1186,
            DataType::Struct(fields) if is_record(fields) => RECORD,
            DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => JSON,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => return Self::of(item.data_type()).array(),
            DataType::Dictionary(_, value) => return Self::of(value),
            DataType::RunEndEncoded(_, value) => return Self::of(value.data_type()),
        })
    }

    /// The array over the type; an array of arrays has the same type and one dimension more, JSON nests by itself.
    fn array(self) -> Self {
        if self.oid == JSON {
            return self;
        }
        let oid = builtin::type_of(self.oid).map_or(self.oid, |built_in| {
            if built_in.array {
                built_in.oid
            } else {
                built_in.array_type
            }
        });
        Self {
            oid,
            dimensions: self.dimensions + 1,
            ..self
        }
    }

    fn numeric(precision: u8, scale: i8) -> Self {
        let scale = i64::from(scale) & 0x7ff;
        Self {
            modifier: ((i64::from(precision) << 16) | scale) + 4,
            ..Self::plain(1700)
        }
    }

    /// Precision and scale of a numeric type that has them.
    pub(crate) fn precision_and_scale(self) -> Option<(i64, i64)> {
        (self.oid == 1700 && self.modifier >= 4).then(|| precision_and_scale(self.modifier))
    }
}

/// A built-in type as SQL writes it, as `format_type` does: without a modifier when it is none, with `bpchar` told
/// apart from `character` when it is -1.
pub(crate) fn format_builtin(oid: i64, modifier: Option<i64>) -> Option<String> {
    let built_in = builtin::type_of(oid)?;
    if built_in.array {
        return Some(format!("{}[]", format_builtin(built_in.element, modifier)?));
    }
    let given = modifier.filter(|modifier| *modifier >= 0);
    Some(match oid {
        16 => "boolean".to_owned(),
        18 => "\"char\"".to_owned(),
        20 => "bigint".to_owned(),
        21 => "smallint".to_owned(),
        23 => "integer".to_owned(),
        700 => "real".to_owned(),
        701 => "double precision".to_owned(),
        1042 => match (given, modifier) {
            (Some(length), _) => format!("character({})", length - 4),
            (None, Some(_)) => "bpchar".to_owned(),
            (None, None) => "character".to_owned(),
        },
        1043 => match given {
            Some(length) => format!("character varying({})", length - 4),
            None => "character varying".to_owned(),
        },
        1083 => format!("time{} without time zone", parenthesised(given)),
        1266 => format!("time{} with time zone", parenthesised(given)),
        1114 => format!("timestamp{} without time zone", parenthesised(given)),
        1184 => format!("timestamp{} with time zone", parenthesised(given)),
        // A keyword, and still no name that needs quotes.
        1186 => "interval".to_owned(),
        1560 => format!("bit{}", parenthesised(given)),
        1562 => format!("bit varying{}", parenthesised(given)),
        1700 => match given {
            Some(modifier) if modifier >= 4 => {
                let (precision, scale) = precision_and_scale(modifier);
                format!("numeric({precision},{scale})")
            }
            _ => "numeric".to_owned(),
        },
        _ => super::text::quote_identifier(built_in.name),
    })
}

/// The type's name in `pg_type` that an SQL spelling of a built-in type means, without modifier: `integer` is
/// `int4`. A name that is no keyword of SQL stays as it is.
pub(crate) fn type_keyword(words: &str) -> &str {
    match words {
        "int" | "integer" => "int4",
        "smallint" => "int2",
        "bigint" => "int8",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "decimal" | "dec" => "numeric",
        "boolean" => "bool",
        "character varying" | "char varying" => "varchar",
        "character" | "char" | "nchar" | "national character" => "bpchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "bit varying" => "varbit",
        other => other,
    }
}

fn parenthesised(precision: Option<i64>) -> String {
    precision
        .map(|precision| format!("({precision})"))
        .unwrap_or_default()
}

/// Unpacks a modifier of `numeric`; the scale is signed and has eleven bits.
fn precision_and_scale(modifier: i64) -> (i64, i64) {
    let packed = modifier - 4;
    (packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    /// Expected: `select format_type(oid, modifier)` of PostgreSQL 15.
    #[test]
    fn types_are_formatted_as_postgres_does() {
        #[track_caller]
        fn check(oid: i64, modifier: Option<i64>, expected: &str) {
            assert_eq!(format_builtin(oid, modifier).as_deref(), Some(expected));
        }
        check(23, None, "integer");
        check(1007, Some(-1), "integer[]");
        check(1043, Some(24), "character varying(20)");
        check(1015, Some(24), "character varying(20)[]");
        check(1042, None, "character");
        check(1042, Some(-1), "bpchar");
        check(1042, Some(14), "character(10)");
        check(1700, Some(1_179_656), "numeric(18,4)");
        check(1700, Some(133_122), "numeric(2,-2)");
        check(1700, Some(-1), "numeric");
        check(1231, Some(1_179_656), "numeric(18,4)[]");
        check(1114, Some(3), "timestamp(3) without time zone");
        check(1184, Some(-1), "timestamp with time zone");
        check(18, None, "\"char\"");
        check(2276, None, "\"any\"");
        check(30, None, "oidvector");
        check(705, None, "unknown");
        assert_eq!(format_builtin(1, None), None);
    }

    #[test]
    fn columns_of_the_engine_have_the_types_of_postgres() {
        #[track_caller]
        fn check(data_type: DataType, expected: &str, dimensions: i64) {
            let column_type = ColumnType::of(&data_type);
            assert_eq!(
                format_builtin(column_type.oid, Some(column_type.modifier)).as_deref(),
                Some(expected)
            );
            assert_eq!(column_type.dimensions, dimensions);
        }
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        check(DataType::Utf8View, "text", 0);
        check(DataType::UInt32, "bigint", 0);
        check(DataType::UInt64, "numeric", 0);
        check(DataType::Decimal128(18, 4), "numeric(18,4)", 0);
        check(DataType::Decimal128(2, -2), "numeric(2,-2)", 0);
        check(
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "timestamp with time zone",
            0,
        );
        check(list(DataType::Utf8), "text[]", 1);
        check(list(list(DataType::Int64)), "bigint[]", 2);
        check(
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            "text",
            0,
        );
        check(
            DataType::Struct(vec![Field::new("a", DataType::Utf8, true)].into()),
            "json",
            0,
        );
        check(
            list(DataType::Struct(
                vec![Field::new("a", DataType::Utf8, true)].into(),
            )),
            "json",
            0,
        );
    }
}
