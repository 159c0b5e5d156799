//! The settings of a session: one list of what there is, and their values.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{FixedOffset, TimeZone, Utc};
use chrono_tz::Tz;
use perennial_base::{ErrorClass, nearest};

use crate::error::{Error, Result};

/// What values a setting takes.
#[derive(Debug, Clone, Copy)]
enum Domain {
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
    /// Cannot be changed.
    Fixed,
}

#[derive(Debug)]
struct Setting {
    name: &'static str,
    default: &'static str,
    domain: Domain,
    /// Sent to the client at log-in and on change.
    reported: bool,
    unit: Option<&'static str>,
    description: &'static str,
}

/// The version of Postgres whose catalogs, types and behaviour are served.
pub const SERVER_VERSION: &str = "15.10";
/// The same as a number.
pub const SERVER_VERSION_NUM: &str = "150010";

const fn setting(name: &'static str, default: &'static str, domain: Domain, description: &'static str) -> Setting {
    Setting { name, default, domain, reported: false, unit: None, description }
}

const fn reported(name: &'static str, default: &'static str, domain: Domain, description: &'static str) -> Setting {
    Setting { name, default, domain, reported: true, unit: None, description }
}

const fn milliseconds(name: &'static str, description: &'static str) -> Setting {
    Setting { name, default: "0", domain: Domain::Duration, reported: false, unit: Some("ms"), description }
}

/// Every setting, by name as `SHOW ALL` prints it.
const SETTINGS: &[Setting] = &[
    reported("application_name", "", Domain::Text, "Name of the application, shown in pg_stat_activity"),
    setting("bytea_output", "hex", Domain::Words(&["hex", "escape"]), "Text form of bytea values"),
    reported("client_encoding", "UTF8", Domain::Encoding, "Encoding of the client; UTF8 is the one served"),
    setting("client_min_messages", "notice", Domain::Words(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]), "Least severe message sent to the client"),
    reported("DateStyle", "ISO, MDY", Domain::DateStyle, "Text form of dates and times, and the order of ambiguous input"),
    setting("default_transaction_isolation", "repeatable read", Domain::Words(ISOLATION), "Isolation of new transactions; every transaction sees one snapshot"),
    reported("default_transaction_read_only", "on", Domain::Bool, "Whether new transactions are read only; served relations always are"),
    setting("extra_float_digits", "1", Domain::Int(-15, 3), "Digits of float values in text form; above 0 the shortest exact form"),
    milliseconds("idle_in_transaction_session_timeout", "Longest time that a session may stay idle inside of a transaction; 0 = no limit"),
    milliseconds("idle_session_timeout", "Longest time that a session may stay idle outside of a transaction; 0 = no limit"),
    reported("in_hot_standby", "off", Domain::Fixed, "Whether the server replays another's log"),
    reported("integer_datetimes", "on", Domain::Fixed, "Whether times are integers"),
    reported("IntervalStyle", "postgres", Domain::Words(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]), "Text form of intervals"),
    reported("is_superuser", "off", Domain::Fixed, "Whether the role may do everything"),
    setting("jit", "off", Domain::Bool, "Accepted for clients that set it"),
    setting("lc_collate", "C", Domain::Fixed, "Order of text"),
    setting("lc_ctype", "C.UTF-8", Domain::Fixed, "Classes of characters"),
    setting("lc_messages", "C", Domain::Text, "Language of messages"),
    setting("lc_monetary", "C", Domain::Text, "Form of the type money"),
    setting("lc_numeric", "C", Domain::Text, "Form of numbers in to_char"),
    setting("lc_time", "C", Domain::Text, "Names of days and months in to_char"),
    milliseconds("lock_timeout", "Longest wait for a lock; there are none"),
    setting("max_connections", "100", Domain::Fixed, "Connections in all"),
    setting("max_identifier_length", "63", Domain::Fixed, "Longest name that other tools may expect"),
    setting("max_index_keys", "32", Domain::Fixed, "Columns of a key"),
    setting("perennial.as_of", "", Domain::Text, "Only facts at or before this moment count; empty = all"),
    setting("perennial.snapshot", "", Domain::Text, "The snapshot to read; empty = the newest"),
    setting("row_security", "on", Domain::Bool, "Whether row policies hold; they always do"),
    setting("search_path", "\"$user\", public", Domain::Text, "Schemas in which names without a schema are looked for"),
    reported("server_encoding", "UTF8", Domain::Fixed, "Encoding of the server"),
    reported("server_version", SERVER_VERSION, Domain::Fixed, "Version of Postgres that is served"),
    setting("server_version_num", SERVER_VERSION_NUM, Domain::Fixed, "The same as a number"),
    reported("session_authorization", "", Domain::Fixed, "The role that logged in"),
    setting("ssl", "off", Domain::Fixed, "Whether TLS is offered"),
    reported("standard_conforming_strings", "on", Domain::Words(&["on"]), "Whether backslashes in plain literals are plain"),
    milliseconds("statement_timeout", "Longest time that a statement may take; 0 = no limit"),
    reported("TimeZone", "UTC", Domain::Zone, "Zone of times in text form and in calendar functions"),
    setting("transaction_deferrable", "off", Domain::Bool, "Accepted for clients that set it"),
    setting("transaction_isolation", "repeatable read", Domain::Words(ISOLATION), "Isolation of this transaction"),
    setting("transaction_read_only", "on", Domain::Bool, "Whether this transaction is read only"),
    setting("work_mem", "4MB", Domain::Text, "Accepted for clients that set it; server.statement_memory bounds a statement"),
    setting("xmlbinary", "base64", Domain::Words(&["base64", "hex"]), "Accepted for clients that set it"),
];

const ISOLATION: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];

/// The settings as clients see them in `pg_settings`.
pub(crate) fn descriptions() -> Vec<crate::description::SettingDescription> {
    SETTINGS
        .iter()
        .map(|setting| crate::description::SettingDescription {
            name: setting.name.to_owned(),
            default: setting.default.to_owned(),
            unit: setting.unit.map(str::to_owned),
            description: setting.description.to_owned(),
        })
        .collect()
}

/// A zone by name or by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A name of the time-zone database.
    Named(Tz),
    /// A fixed offset.
    Fixed(FixedOffset),
}

impl Zone {
    /// Seconds east of UTC at a moment in microseconds since 1970.
    pub fn offset_seconds(&self, micros: i64) -> i32 {
        use chrono::Offset;
        match self {
            Self::Fixed(offset) => offset.local_minus_utc(),
            Self::Named(zone) => Utc
                .timestamp_micros(micros)
                .single()
                .map_or(0, |moment| zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc()),
        }
    }

    /// The spelling that the engine takes.
    pub fn engine_name(&self) -> String {
        match self {
            Self::Named(zone) => zone.name().to_owned(),
            Self::Fixed(offset) => offset.to_string(),
        }
    }

    /// A zone from its name in any case (`europe/berlin`), or hours or `±HH:MM` east of Greenwich.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text)) {
            return Some(Self::Named(*zone));
        }
        if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
            return Some(Self::Named(Tz::UTC));
        }
        let (sign, digits) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => (1, text),
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let seconds = hours.parse::<i32>().ok()?.checked_mul(3600)?.checked_add(minutes.parse::<i32>().ok()?.checked_mul(60)?)?;
        FixedOffset::east_opt(sign * seconds).map(Self::Fixed)
    }
}

/// The order of day, month and year, and the form of dates in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateStyle {
    /// The form.
    pub form: DateForm,
    /// Whether the day stands before the month.
    pub day_first: bool,
}

/// The form of dates in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DateForm {
    /// `1997-12-17`.
    Iso,
    /// `12/17/1997`.
    Sql,
    /// `Wed Dec 17 1997`.
    Postgres,
    /// `17.12.1997`.
    German,
}

/// The form of intervals in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`.
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`.
    PostgresVerbose,
    /// `1-2 3 4:05:06`.
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`.
    Iso8601,
}

/// Everything that decides how a value looks in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputStyle {
    /// Zone of `timestamp with time zone`.
    pub time_zone: Zone,
    /// Form of dates.
    pub date_style: DateStyle,
    /// Form of intervals.
    pub interval_style: IntervalStyle,
    /// Whether bytea is in hexadecimal digits.
    pub hex_bytea: bool,
    /// Digits of floats.
    pub extra_float_digits: i32,
}

/// The values of one session.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What a reset goes back to: the server's defaults, the role's, and what the client asked for at log-in.
    defaults: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
    /// The values at the start of the transaction.
    before: Option<BTreeMap<String, String>>,
    changed: BTreeSet<String>,
}

impl Settings {
    pub(crate) fn new(defaults: BTreeMap<String, String>) -> Self {
        Self { defaults, values: BTreeMap::new(), local: BTreeMap::new(), before: None, changed: BTreeSet::new() }
    }

    /// Makes the values of now those that a reset goes back to.
    pub(crate) fn make_default(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.defaults.extend(values);
        self.changed.clear();
    }

    /// The name as the list spells it, of a setting or of a placeholder with a dot.
    fn resolve(name: &str) -> Result<String> {
        let wanted = match name.to_lowercase().as_str() {
            "time zone" => "TimeZone".to_owned(),
            "session characteristics" => "default_transaction_isolation".to_owned(),
            "names" => "client_encoding".to_owned(),
            other => other.to_owned(),
        };
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(&wanted)) {
            return Ok(setting.name.to_owned());
        }
        if wanted.contains('.') && !wanted.starts_with("perennial.") && !wanted.starts_with("datafusion.") {
            return Ok(wanted);
        }
        let error = Error::new(ErrorClass::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""));
        Err(match nearest(&wanted, SETTINGS.iter().map(|setting| setting.name)) {
            Some(near) => error.with_hint(format!("Perhaps you meant \"{near}\".")),
            None => error.with_hint("SHOW ALL lists the settings."),
        })
    }

    /// The value in force.
    pub(crate) fn value(&self, name: &str) -> Result<String> {
        let name = Self::resolve(name)?;
        self.known_value(&name).ok_or_else(|| {
            Error::new(ErrorClass::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))
        })
    }

    fn known_value(&self, name: &str) -> Option<String> {
        [&self.local, &self.values, &self.defaults]
            .into_iter()
            .find_map(|map| map.get(name).cloned())
            .or_else(|| declared(name).map(|setting| setting.default.to_owned()))
    }

    /// Sets a value after a check; answers the value as it is stored.
    pub(crate) fn set(&mut self, name: &str, value: &str, local: bool) -> Result<String> {
        let name = Self::resolve(name)?;
        let value = check(&name, value)?;
        if local {
            self.local.insert(name.clone(), value.clone());
        } else {
            self.local.remove(&name);
            self.values.insert(name.clone(), value.clone());
        }
        self.changed.insert(name);
        Ok(value)
    }

    /// Takes a setting back to its default.
    pub(crate) fn reset(&mut self, name: &str) -> Result<()> {
        let name = Self::resolve(name)?;
        if let Some(Setting { domain: Domain::Fixed, .. }) = declared(&name) {
            return Err(fixed(&name));
        }
        self.values.remove(&name);
        self.local.remove(&name);
        self.changed.insert(name);
        Ok(())
    }

    /// Takes all settings back to their defaults.
    pub(crate) fn reset_all(&mut self) {
        self.changed.extend(self.values.keys().chain(self.local.keys()).cloned());
        self.values.clear();
        self.local.clear();
    }

    pub(crate) fn begin(&mut self) {
        self.before = Some(self.values.clone());
    }

    /// Ends the transaction: local values go, and with a rollback all that was set in it.
    pub(crate) fn end(&mut self, committed: bool) {
        self.changed.extend(self.local.keys().cloned());
        self.local.clear();
        if let Some(before) = self.before.take()
            && !committed
            && before != self.values
        {
            self.changed.extend(self.values.keys().chain(before.keys()).cloned());
            self.values = before;
        }
    }

    /// Changed settings that the client is told of, since the last call.
    pub(crate) fn drain_reported_changes(&mut self) -> Vec<(String, String)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter(|name| declared(name).is_some_and(|setting| setting.reported))
            .filter_map(|name| self.known_value(&name).map(|value| (name, value)))
            .collect()
    }

    /// All settings that a client is told of at log-in.
    pub(crate) fn reported(&self) -> Vec<(String, String)> {
        SETTINGS
            .iter()
            .filter(|setting| setting.reported)
            .filter_map(|setting| self.known_value(setting.name).map(|value| (setting.name.to_owned(), value)))
            .collect()
    }

    /// Name, value and description of all, for `SHOW ALL`.
    pub(crate) fn all(&self) -> Vec<(String, String, String)> {
        SETTINGS
            .iter()
            .map(|setting| {
                let value = self.known_value(setting.name).unwrap_or_default();
                (setting.name.to_owned(), value, setting.description.to_owned())
            })
            .collect()
    }

    /// A duration setting in milliseconds.
    pub(crate) fn milliseconds(&self, name: &str) -> u64 {
        self.known_value(name).and_then(|value| duration_ms(&value)).unwrap_or(0)
    }

    pub(crate) fn zone(&self) -> Zone {
        self.known_value("TimeZone").and_then(|value| Zone::parse(&value)).unwrap_or(Zone::Named(Tz::UTC))
    }

    /// The schemas named, `$user` included.
    pub(crate) fn search_path(&self) -> Vec<String> {
        self.known_value("search_path")
            .unwrap_or_default()
            .split(',')
            .map(|schema| schema.trim().trim_matches('"').to_owned())
            .filter(|schema| !schema.is_empty())
            .collect()
    }

    pub(crate) fn output_style(&self) -> OutputStyle {
        let text = |name: &str| self.known_value(name).unwrap_or_default();
        let style = text("DateStyle");
        let form = match style.split(',').next().unwrap_or_default().trim() {
            "SQL" => DateForm::Sql,
            "Postgres" => DateForm::Postgres,
            "German" => DateForm::German,
            _ => DateForm::Iso,
        };
        OutputStyle {
            time_zone: self.zone(),
            date_style: DateStyle { form, day_first: style.contains("DMY") },
            interval_style: match text("IntervalStyle").as_str() {
                "postgres_verbose" => IntervalStyle::PostgresVerbose,
                "sql_standard" => IntervalStyle::SqlStandard,
                "iso_8601" => IntervalStyle::Iso8601,
                _ => IntervalStyle::Postgres,
            },
            hex_bytea: text("bytea_output") != "escape",
            extra_float_digits: text("extra_float_digits").parse().unwrap_or(1),
        }
    }
}

fn declared(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn fixed(name: &str) -> Error {
    Error::new(ErrorClass::FixedSetting, format!("parameter \"{name}\" cannot be changed"))
}

/// Checks a value against the setting's domain and gives it in its stored form.
fn check(name: &str, value: &str) -> Result<String> {
    let Some(setting) = declared(name) else { return Ok(value.to_owned()) };
    let invalid = || Error::new(ErrorClass::InvalidArgument, format!("invalid value for parameter \"{name}\": \"{value}\""));
    match setting.domain {
        Domain::Text => Ok(value.to_owned()),
        Domain::Fixed => Err(fixed(name)),
        Domain::Bool => match value.to_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" | "f" => Ok("off".to_owned()),
            _ => Err(Error::new(ErrorClass::InvalidArgument, format!("parameter \"{name}\" requires a Boolean value"))),
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
                invalid().with_hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".")
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
            None if matches!(value.to_lowercase().as_str(), "default" | "local") => Ok(setting.default.to_owned()),
            None => Err(invalid()),
        },
        Domain::DateStyle => date_style(value).ok_or_else(invalid),
        Domain::Encoding => match value.to_uppercase().replace(['-', '_'], "").as_str() {
            "UTF8" | "UNICODE" | "SQLASCII" => Ok("UTF8".to_owned()),
            _ => Err(invalid().with_hint("UTF8 is the one encoding served.")),
        },
    }
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
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
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
        .find(|(unit, _)| ms % unit == 0)
        .map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(name: &str, value: &str, shown: &str) {
        let mut settings = Settings::new(BTreeMap::new());
        settings.set(name, value, false).unwrap();
        assert_eq!(settings.value(name).unwrap(), shown);
    }

    // What PostgreSQL 15 shows after the same SET.
    #[test]
    fn values_are_stored_as_postgres_shows_them() {
        shows("statement_timeout", "90000", "90s");
        shows("statement_timeout", "1.5s", "1500ms");
        shows("statement_timeout", "2min", "2min");
        shows("timezone", "europe/berlin", "Europe/Berlin");
        shows("datestyle", "dmy", "ISO, DMY");
        shows("datestyle", "German", "German, DMY");
        shows("row_security", "false", "off");
        shows("myapp.tenant", "7", "7");
    }

    #[test]
    fn a_rollback_takes_back_what_was_set() {
        let mut settings = Settings::new(BTreeMap::new());
        settings.set("TimeZone", "Asia/Tokyo", false).unwrap();
        settings.begin();
        settings.set("TimeZone", "UTC", false).unwrap();
        settings.set("DateStyle", "SQL", true).unwrap();
        settings.end(false);
        assert_eq!(settings.value("timezone").unwrap(), "Asia/Tokyo");
        assert_eq!(settings.value("datestyle").unwrap(), "ISO, MDY");
    }

    #[test]
    fn unknown_names_suggest_a_known_one() {
        let error = Settings::resolve("statement_timout").unwrap_err();
        assert_eq!(error.to_string(), "unrecognized configuration parameter \"statement_timout\"");
        assert_eq!(perennial_base::UserError::hint(&error).unwrap(), "Perhaps you meant \"statement_timeout\".");
    }
}
