//! What settings there are, and what values they take.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use perennial_base::ErrorClass;
use perennial_base::clock::HAPPENS;

use super::style::Zone;
use crate::error::{Error, Result};

/// What values a setting takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Domain {
    Text,
    Bool,
    /// An integer between bounds, in the setting's unit.
    Int(i64, i64),
    /// Milliseconds, with units.
    Duration,
    Words(&'static [&'static str]),
    Zone,
    DateStyle,
    Encoding,
    /// The number of a snapshot, or nothing.
    Snapshot,
    /// An instant, or nothing.
    Moment,
    /// Cannot be changed.
    Fixed,
}

impl Domain {
    /// What values there are, in words.
    pub(super) fn takes(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Bool => "`on` or `off`".to_owned(),
            Self::Int(low, high) => format!("a whole number from {low} to {high}"),
            Self::Duration => {
                "a duration such as `90s`; a number without a unit is in milliseconds".to_owned()
            }
            Self::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(", ")
            }
            Self::Zone => "a time zone such as `Europe/Berlin` or `+02:00`".to_owned(),
            Self::DateStyle => "`ISO`, `SQL`, `Postgres` or `German`, and `DMY`, `MDY` or `YMD`".to_owned(),
            Self::Encoding => "`UTF8`".to_owned(),
            Self::Snapshot => "the number of a snapshot, or nothing".to_owned(),
            Self::Moment => "a day or a time, or nothing".to_owned(),
            Self::Fixed => "cannot be changed".to_owned(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) domain: Domain,
    /// Sent to the client at log-in and on change.
    pub(super) reported: bool,
    pub(super) unit: Option<&'static str>,
    pub(super) description: &'static str,
}

/// The version of Postgres whose catalogs, types and behaviour are served.
pub const SERVER_VERSION: &str = "15.10";
/// The same as a number.
pub const SERVER_VERSION_NUM: &str = "150010";

const fn setting(
    name: &'static str,
    default: &'static str,
    domain: Domain,
    description: &'static str,
) -> Setting {
    Setting {
        name,
        default,
        domain,
        reported: false,
        unit: None,
        description,
    }
}

const fn reported(
    name: &'static str,
    default: &'static str,
    domain: Domain,
    description: &'static str,
) -> Setting {
    Setting {
        name,
        default,
        domain,
        reported: true,
        unit: None,
        description,
    }
}

const fn milliseconds(name: &'static str, description: &'static str) -> Setting {
    Setting {
        name,
        default: "0",
        domain: Domain::Duration,
        reported: false,
        unit: Some("ms"),
        description,
    }
}

/// Every setting, by name as `SHOW ALL` prints it.
pub(super) const SETTINGS: &[Setting] = &[
    reported(
        "application_name",
        "",
        Domain::Text,
        "Name of the application, shown in pg_stat_activity",
    ),
    setting(
        "bytea_output",
        "hex",
        Domain::Words(&["hex", "escape"]),
        "Text form of bytea values",
    ),
    reported(
        "client_encoding",
        "UTF8",
        Domain::Encoding,
        "Encoding of the client; UTF8 is the one served",
    ),
    setting(
        "client_min_messages",
        "notice",
        Domain::Words(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
        ]),
        "Least severe message sent to the client",
    ),
    reported(
        "DateStyle",
        "ISO, MDY",
        Domain::DateStyle,
        "Text form of dates and times, and the order of ambiguous input",
    ),
    setting(
        "default_table_access_method",
        "heap",
        Domain::Text,
        "Nothing is created, so that nothing has it",
    ),
    setting(
        "default_transaction_deferrable",
        "off",
        Domain::Bool,
        "Whether new transactions are deferrable; accepted for clients that set it",
    ),
    setting(
        "default_transaction_isolation",
        "repeatable read",
        Domain::Words(ISOLATION),
        "Isolation of new transactions; every transaction sees one snapshot",
    ),
    reported(
        "default_transaction_read_only",
        "on",
        Domain::Bool,
        "Whether new transactions are read only; served relations always are",
    ),
    setting(
        "extra_float_digits",
        "1",
        Domain::Int(-15, 3),
        "Digits of float values in text form; above 0 the shortest exact form",
    ),
    milliseconds(
        "idle_in_transaction_session_timeout",
        "Longest time that a session may stay idle inside of a transaction; 0 = no limit",
    ),
    milliseconds(
        "idle_session_timeout",
        "Longest time that a session may stay idle outside of a transaction; 0 = no limit",
    ),
    reported(
        "in_hot_standby",
        "off",
        Domain::Fixed,
        "Whether the server replays another's log",
    ),
    reported(
        "integer_datetimes",
        "on",
        Domain::Fixed,
        "Whether times are integers",
    ),
    reported(
        "IntervalStyle",
        "postgres",
        Domain::Words(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "Text form of intervals",
    ),
    reported(
        "is_superuser",
        "off",
        Domain::Fixed,
        "Whether the role may do everything",
    ),
    setting("jit", "off", Domain::Bool, "Accepted for clients that set it"),
    setting("lc_collate", "C", Domain::Fixed, "Order of text"),
    setting("lc_ctype", "C.UTF-8", Domain::Fixed, "Classes of characters"),
    setting("lc_messages", "C", Domain::Text, "Language of messages"),
    setting("lc_monetary", "C", Domain::Text, "Form of the type money"),
    setting("lc_numeric", "C", Domain::Text, "Form of numbers in to_char"),
    setting(
        "lc_time",
        "C",
        Domain::Text,
        "Names of days and months in to_char",
    ),
    milliseconds("lock_timeout", "Longest wait for a lock; there are none"),
    setting("max_connections", "100", Domain::Fixed, "Connections in all"),
    setting(
        "max_identifier_length",
        "63",
        Domain::Fixed,
        "Longest name that other tools may expect",
    ),
    setting("max_index_keys", "32", Domain::Fixed, "Columns of a key"),
    setting(
        AS_OF,
        "",
        Domain::Moment,
        "The moment of the selected snapshot that is read: facts until then, in the versions of then; empty = the present",
    ),
    setting(
        SNAPSHOT,
        "",
        Domain::Snapshot,
        "The snapshot that is read: what was known when it was committed; empty = the newest",
    ),
    setting(
        "row_security",
        "on",
        Domain::Bool,
        "Whether row policies hold; they always do",
    ),
    setting(
        "search_path",
        "\"$user\", public",
        Domain::Text,
        "Schemas in which names without a schema are looked for",
    ),
    reported("server_encoding", "UTF8", Domain::Fixed, "Encoding of the server"),
    reported(
        "server_version",
        SERVER_VERSION,
        Domain::Fixed,
        "Version of Postgres that is served",
    ),
    setting(
        "server_version_num",
        SERVER_VERSION_NUM,
        Domain::Fixed,
        "The same as a number",
    ),
    reported(
        "session_authorization",
        "",
        Domain::Fixed,
        "The role that logged in",
    ),
    setting("ssl", "off", Domain::Fixed, "Whether TLS is offered"),
    reported(
        "standard_conforming_strings",
        "on",
        Domain::Words(&["on"]),
        "Whether backslashes in plain literals are plain",
    ),
    milliseconds(
        "statement_timeout",
        "Longest time that a statement may take; 0 = no limit",
    ),
    reported(
        "TimeZone",
        "UTC",
        Domain::Zone,
        "Zone of times in text form and in calendar functions",
    ),
    setting(
        "transaction_deferrable",
        "off",
        Domain::Bool,
        "Accepted for clients that set it",
    ),
    setting(
        "transaction_isolation",
        "repeatable read",
        Domain::Words(ISOLATION),
        "Isolation of this transaction",
    ),
    setting(
        "transaction_read_only",
        "on",
        Domain::Bool,
        "Whether this transaction is read only",
    ),
    setting(
        "work_mem",
        "4MB",
        Domain::Text,
        "Accepted for clients that set it; server.statement_memory bounds a statement",
    ),
    setting(
        "xmlbinary",
        "base64",
        Domain::Words(&["base64", "hex"]),
        "Accepted for clients that set it",
    ),
];

/// The setting that cuts facts at a moment.
pub(super) const AS_OF: &str = "perennial.as_of";
/// The setting that selects a snapshot.
pub(super) const SNAPSHOT: &str = "perennial.snapshot";

const ISOLATION: &[&str] = &[
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
];

pub(super) fn declared(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

pub(super) fn fixed(name: &str) -> Error {
    Error::new(
        ErrorClass::FixedSetting,
        format!("parameter \"{name}\" cannot be changed"),
    )
}

/// Checks a value against the setting's domain and gives it in its stored form; a time without a zone is of `zone`.
pub(super) fn check(name: &str, value: &str, zone: &Zone) -> Result<String> {
    let Some(setting) = declared(name) else {
        return Ok(value.to_owned());
    };
    let invalid = || {
        Error::new(
            ErrorClass::InvalidArgument,
            format!("invalid value for parameter \"{name}\": \"{value}\""),
        )
    };
    match setting.domain {
        Domain::Text => Ok(value.to_owned()),
        Domain::Fixed => Err(fixed(name)),
        Domain::Snapshot => match value.trim() {
            "" => Ok(String::new()),
            number => match number.parse::<u64>() {
                Ok(number) if number > 0 => Ok(number.to_string()),
                _ => Err(invalid().with_hint(
                    "Give the number of a snapshot, or '' for the newest; SELECT snapshot FROM perennial.snapshots lists them.",
                )),
            },
        },
        Domain::Moment => match value.trim() {
            "" => Ok(String::new()),
            text => moment(text, zone),
        },
        Domain::Bool => match value.to_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" | "f" => Ok("off".to_owned()),
            _ => Err(Error::new(
                ErrorClass::InvalidArgument,
                format!("parameter \"{name}\" requires a Boolean value"),
            )),
        },
        Domain::Int(low, high) => {
            let number: i64 = value.parse().map_err(|_| invalid())?;
            if (low..=high).contains(&number) {
                Ok(number.to_string())
            } else {
                Err(Error::new(
                    ErrorClass::InvalidArgument,
                    format!("{number} is outside the valid range for parameter \"{name}\" ({low} .. {high})"),
                ))
            }
        }
        Domain::Duration => {
            let ms = duration_ms(value).ok_or_else(|| {
                invalid().with_hint(
                    "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
                )
            })?;
            Ok(shown_duration(ms))
        }
        Domain::Words(words) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(value))
            .map(|word| (*word).to_owned())
            .ok_or_else(|| invalid().with_hint(format!("Available values: {}.", words.join(", ")))),
        Domain::Zone => match Zone::parse(value) {
            Some(Zone::Named(zone)) => Ok(zone.name().to_owned()),
            Some(Zone::Fixed(offset)) => Ok(offset.to_string()),
            None if matches!(value.to_lowercase().as_str(), "default" | "local") => {
                Ok(setting.default.to_owned())
            }
            None => Err(invalid()),
        },
        Domain::DateStyle => date_style(value).ok_or_else(invalid),
        Domain::Encoding => match value.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
            "UTF8" | "UNICODE" | "SQLASCII" => Ok("UTF8".to_owned()),
            _ => Err(invalid().with_hint("UTF8 is the one encoding served.")),
        },
    }
}

/// An instant as RFC 3339 in UTC, from a day or a time.
fn moment(text: &str, zone: &Zone) -> Result<String> {
    let invalid = || {
        Error::new(
            ErrorClass::InvalidDatetime,
            format!("invalid input syntax for type timestamp with time zone: \"{text}\""),
        )
        .with_hint("Write it as '2026-01-01', '2026-01-01 18:30:00' or '2026-01-01T18:30:00+02:00'.")
    };
    let zone: arrow::array::timezone::Tz = zone.engine_name().parse().map_err(|_| invalid())?;
    let moment = string_to_datetime(&zone, text).map_err(|_| invalid())?;
    let micros = moment.timestamp_micros();
    if !HAPPENS.contains(&micros) {
        return Err(Error::new(
            ErrorClass::DatetimeOverflow,
            format!("invalid value for parameter \"{AS_OF}\": \"{text}\""),
        )
        .with_detail("It goes from 1900-01-01 to 2199-12-31, as the times of facts do."));
    }
    let moment = chrono::DateTime::from_timestamp_micros(micros).ok_or_else(invalid)?;
    Ok(moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

/// `ISO, DMY` from any mixture of its words.
fn date_style(value: &str) -> Option<String> {
    let (mut form, mut order) = ("ISO", "MDY");
    for word in value.split(',').map(|word| word.trim().to_lowercase()) {
        match word.as_str() {
            "iso" => form = "ISO",
            "sql" => form = "SQL",
            "postgres" => form = "Postgres",
            "german" => (form, order) = ("German", "DMY"),
            "dmy" | "euro" | "european" => order = "DMY",
            "mdy" | "us" | "noneuropean" | "default" | "" => order = "MDY",
            "ymd" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("{form}, {order}"))
}

/// Milliseconds of `1500`, `1.5s`, `2 min`.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let text = text.trim().trim_matches('\'');
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let factor = match unit.trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let ms = (number * factor).round();
    (0.0..=2_147_483_647.0).contains(&ms).then_some(ms as u64)
}

/// The largest unit that gives a whole number, as Postgres prints it.
fn shown_duration(ms: u64) -> String {
    if ms == 0 {
        return "0".to_owned();
    }
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")]
        .into_iter()
        .find(|(unit, _)| ms.is_multiple_of(*unit))
        .map_or_else(
            || format!("{ms}ms"),
            |(unit, name)| format!("{}{name}", ms / unit),
        )
}
