//! What PostgreSQL 15 writes for values of every type, as recorded in `tests/postgres15/output.tsv`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use pgwire::api::Type;

use crate::style::{DateForm, DateStyle, IntervalStyle, OutputStyle, Zone};
use crate::types::{self, PG_TYPE};

/// One recorded value.
pub(crate) struct Fact {
    /// Type, settings and expression, for messages.
    pub(crate) what: String,
    /// Whether the settings are the default ones.
    pub(crate) plain: bool,
    pub(crate) pg_type: Type,
    /// The type that a plan has for it.
    pub(crate) data_type: DataType,
    pub(crate) style: OutputStyle,
    pub(crate) text: String,
    pub(crate) binary: Bytes,
}

impl Fact {
    /// The field that such a value is served in.
    pub(crate) fn field(&self) -> Field {
        let name = self.pg_type.name().to_owned();
        Field::new("c", self.data_type.clone(), true).with_metadata([(PG_TYPE.to_owned(), name)].into())
    }
}

pub(crate) fn default_style() -> OutputStyle {
    OutputStyle {
        time_zone: Zone::Named(chrono_tz::UTC),
        date_style: DateStyle {
            form: DateForm::Iso,
            day_first: false,
        },
        interval_style: IntervalStyle::Postgres,
        hex_bytea: true,
        extra_float_digits: 1,
    }
}

/// All facts.
pub(crate) fn all() -> Vec<Fact> {
    let lines = include_str!("../tests/postgres15/output.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines.map(fact).collect()
}

fn fact(line: &str) -> Fact {
    let [kind, settings, expression, text, binary] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("five columns in {line}");
    };
    let bytes: Vec<u8> = (0..binary.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&binary[at..at + 2], 16).unwrap())
        .collect();
    let (pg_type, data_type) = types_of(kind, expression, &bytes);
    Fact {
        what: format!("{settings} {expression} ({kind})"),
        plain: settings.is_empty()
            || settings == "IntervalStyle='postgres'"
            || settings == "bytea_output=hex",
        pg_type,
        data_type,
        style: style(settings),
        text: text.replace("\\t", "\t").replace("\\\\", "\\"),
        binary: bytes.into(),
    }
}

fn types_of(kind: &str, expression: &str, binary: &[u8]) -> (Type, DataType) {
    if let Some(inner) = kind.strip_prefix("numeric(") {
        let (precision, scale) = inner.trim_end_matches(')').split_once(',').unwrap();
        let (precision, scale) = (precision.parse().unwrap(), scale.parse().unwrap());
        let data_type = if precision > 38 {
            DataType::Decimal256(precision, scale)
        } else {
            DataType::Decimal128(precision, scale)
        };
        return (Type::NUMERIC, data_type);
    }
    let pg_type = match kind {
        "array" => {
            let item = Type::from_oid(u32::from_be_bytes(binary[8..12].try_into().unwrap())).unwrap();
            types::array_of(&item).unwrap()
        }
        "vector" if expression.contains("int2vector") => Type::INT2_VECTOR,
        "vector" => Type::OID_VECTOR,
        "float8" => Type::FLOAT8,
        "float4" => Type::FLOAT4,
        "date" => Type::DATE,
        "time" => Type::TIME,
        "timestamp" => Type::TIMESTAMP,
        "timestamptz" => Type::TIMESTAMPTZ,
        "interval" => Type::INTERVAL,
        "bytea" => Type::BYTEA,
        "bool" => Type::BOOL,
        "uuid" => Type::UUID,
        "int2" => Type::INT2,
        "int4" => Type::INT4,
        "int8" => Type::INT8,
        "oid" => Type::OID,
        "xid" => Type::XID,
        "text" => Type::TEXT,
        "name" => Type::NAME,
        "char" => Type::CHAR,
        "json" => Type::JSON,
        "jsonb" => Type::JSONB,
        other => panic!("type {other} in the facts"),
    };
    let data_type = if expression.contains("::numeric(10,2)[]") {
        DataType::List(Arc::new(Field::new_list_field(DataType::Decimal128(10, 2), true)))
    } else if expression.contains("[[") {
        let inner = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
        DataType::List(Arc::new(Field::new_list_field(inner, true)))
    } else {
        types::data_type(&pg_type).unwrap()
    };
    (pg_type, data_type)
}

fn style(settings: &str) -> OutputStyle {
    let mut style = default_style();
    for setting in settings.split(';').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap();
        let value = value.trim_matches('\'');
        match name {
            "TimeZone" => style.time_zone = Zone::parse(value).unwrap(),
            "extra_float_digits" => style.extra_float_digits = value.parse().unwrap(),
            "bytea_output" => style.hex_bytea = value == "hex",
            "IntervalStyle" => {
                style.interval_style = match value {
                    "postgres" => IntervalStyle::Postgres,
                    "postgres_verbose" => IntervalStyle::PostgresVerbose,
                    "sql_standard" => IntervalStyle::SqlStandard,
                    _ => IntervalStyle::Iso8601,
                }
            }
            _ => {
                let (form, order) = value.split_once(", ").unwrap();
                let form = match form {
                    "ISO" => DateForm::Iso,
                    "SQL" => DateForm::Sql,
                    "Postgres" => DateForm::Postgres,
                    _ => DateForm::German,
                };
                style.date_style = DateStyle {
                    form,
                    day_first: order == "DMY",
                };
            }
        }
    }
    style
}
