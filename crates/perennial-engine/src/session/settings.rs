//! The settings of a session: one list of what there is, and their values.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use perennial_base::{ErrorClass, nearest};

use self::declared::{AS_OF, Domain, SETTINGS, SNAPSHOT, Setting, check, declared, fixed};
use crate::description::{SettingDescription, SettingState};
use crate::error::{Error, Result};

mod declared;
mod style;

pub(crate) use self::declared::duration_ms;
pub use self::declared::{SERVER_VERSION, SERVER_VERSION_NUM};
pub use self::style::{DateForm, DateStyle, IntervalStyle, OutputStyle, Zone};

/// Settings of a transaction that are those of new transactions where nothing was set.
const OF_TRANSACTIONS: [(&str, &str); 2] = [
    ("transaction_deferrable", "default_transaction_deferrable"),
    ("transaction_isolation", "default_transaction_isolation"),
];

/// The settings as clients see them in `pg_settings`, and the reference page shows them.
pub fn descriptions() -> Vec<SettingDescription> {
    SETTINGS.iter().map(described).collect()
}

fn described(setting: &Setting) -> SettingDescription {
    SettingDescription {
        name: setting.name.to_owned(),
        default: setting.default.to_owned(),
        takes: setting.domain.takes(),
        unit: setting.unit.map(str::to_owned),
        description: setting.description.to_owned(),
    }
}

/// A value that a session starts with.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    value: String,
    /// As `pg_settings.source` says it.
    source: &'static str,
}

impl Given {
    /// By `perennial.toml`, for everybody.
    pub(crate) fn by_configuration(value: impl Into<String>) -> Self {
        Self::by("configuration file", value)
    }

    /// By the role.
    pub(crate) fn by_role(value: impl Into<String>) -> Self {
        Self::by("user", value)
    }

    /// By what the log-in is.
    pub(crate) fn by_login(value: impl Into<String>) -> Self {
        Self::by("override", value)
    }

    fn by(source: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { value, source }
    }
}

/// The values of one session.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What a reset goes back to: the server's defaults, the role's, and what the client asked for at log-in.
    defaults: BTreeMap<String, Given>,
    values: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
    /// The values at the start of the transaction.
    before: Option<BTreeMap<String, String>>,
    changed: BTreeSet<String>,
}

/// What was set at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    values: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

impl Settings {
    pub(crate) fn new(defaults: BTreeMap<String, Given>) -> Self {
        Self {
            defaults,
            values: BTreeMap::new(),
            local: BTreeMap::new(),
            before: None,
            changed: BTreeSet::new(),
        }
    }

    /// Makes the values of now, which the client gave at log-in, those that a reset goes back to.
    pub(crate) fn make_default(&mut self) {
        let values = std::mem::take(&mut self.values).into_iter();
        self.defaults
            .extend(values.map(|(name, value)| (name, Given::by("client", value))));
        self.changed.clear();
    }

    /// The name as the list spells it, of a setting or of a placeholder with a dot.
    pub(crate) fn resolve(name: &str) -> Result<String> {
        let wanted = match name.to_lowercase().as_str() {
            "time zone" => "TimeZone".to_owned(),
            "session characteristics" => "default_transaction_isolation".to_owned(),
            "names" => "client_encoding".to_owned(),
            other => other.to_owned(),
        };
        if let Some(setting) = SETTINGS
            .iter()
            .find(|setting| setting.name.eq_ignore_ascii_case(&wanted))
        {
            return Ok(setting.name.to_owned());
        }
        if wanted.contains('.') && !wanted.starts_with("perennial.") && !wanted.starts_with("datafusion.") {
            return Ok(wanted);
        }
        let error = Error::new(
            ErrorClass::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        );
        Err(
            match nearest(&wanted, SETTINGS.iter().map(|setting| setting.name)) {
                Some(near) => error.with_hint(format!("Perhaps you meant \"{near}\".")),
                None => error.with_hint("SHOW ALL lists the settings."),
            },
        )
    }

    /// The value in force.
    pub(crate) fn value(&self, name: &str) -> Result<String> {
        let name = Self::resolve(name)?;
        self.known_value(&name).ok_or_else(|| {
            Error::new(
                ErrorClass::UndefinedObject,
                format!("unrecognized configuration parameter \"{name}\""),
            )
        })
    }

    /// The snapshot that is selected; none for the newest.
    pub(crate) fn snapshot(&self) -> Option<u64> {
        self.known_value(SNAPSHOT)?.parse().ok()
    }

    /// The moment that facts are cut at, in microseconds; none for the present.
    pub(crate) fn as_of(&self) -> Option<i64> {
        let value = self.known_value(AS_OF)?;
        let moment = chrono::DateTime::parse_from_rfc3339(&value).ok()?;
        Some(moment.timestamp_micros())
    }

    fn known_value(&self, name: &str) -> Option<String> {
        self.set_value(name).cloned().or_else(|| self.default_value(name))
    }

    /// What a reset goes back to.
    fn default_value(&self, name: &str) -> Option<String> {
        if let Some((_, of_new)) = OF_TRANSACTIONS.iter().find(|(known, _)| *known == name) {
            return self.known_value(of_new);
        }
        let given = self.defaults.get(name).map(|given| given.value.clone());
        given.or_else(|| declared(name).map(|setting| setting.default.to_owned()))
    }

    /// What the session has set.
    fn set_value(&self, name: &str) -> Option<&String> {
        self.local.get(name).or_else(|| self.values.get(name))
    }

    /// All settings as they stand.
    pub(crate) fn states(&self) -> Vec<SettingState> {
        let state = |setting: &Setting| {
            let given = self.defaults.get(setting.name);
            let reset = given.map_or(setting.default, |given| given.value.as_str());
            let set = self.set_value(setting.name);
            let value = set.map_or(reset, String::as_str);
            let number = |value: &str| match setting.domain {
                Domain::Duration => duration_ms(value).unwrap_or(0).to_string(),
                _ => value.to_owned(),
            };
            SettingState {
                description: described(setting),
                value: number(value),
                reset: number(reset),
                source: match (set, given) {
                    (Some(_), _) => "session",
                    (None, Some(given)) => given.source,
                    (None, None) => "default",
                },
            }
        };
        SETTINGS.iter().map(state).collect()
    }

    /// Sets a value after a check; answers the value as it is stored.
    pub(crate) fn set(&mut self, name: &str, value: &str, local: bool) -> Result<String> {
        let name = Self::resolve(name)?;
        let value = check(&name, value, &self.zone())?;
        if local {
            self.local.insert(name.clone(), value.clone());
        } else {
            self.local.remove(&name);
            self.values.insert(name.clone(), value.clone());
        }
        self.changed.insert(name);
        Ok(value)
    }

    /// Sets what a reset goes back to, which for one that nobody declares, such as `app.tenant`, is nothing; answers the value as it is stored.
    pub(crate) fn set_default(&mut self, name: &str, local: bool) -> Result<String> {
        let name = Self::resolve(name)?;
        let value = self.default_value(&name).unwrap_or_default();
        if local || declared(&name).is_none() {
            return self.set(&name, &value, local);
        }
        self.reset(&name)?;
        Ok(value)
    }

    /// Takes a setting back to its default.
    pub(crate) fn reset(&mut self, name: &str) -> Result<()> {
        let name = Self::resolve(name)?;
        if let Some(Setting {
            domain: Domain::Fixed,
            ..
        }) = declared(&name)
        {
            return Err(fixed(&name));
        }
        self.values.remove(&name);
        self.local.remove(&name);
        self.changed.insert(name);
        Ok(())
    }

    /// Takes all settings back to their defaults.
    pub(crate) fn reset_all(&mut self) {
        self.changed
            .extend(self.values.keys().chain(self.local.keys()).cloned());
        self.values.clear();
        self.local.clear();
    }

    /// The values of now, for a savepoint.
    pub(crate) fn all_values(&self) -> Values {
        Values {
            values: self.values.clone(),
            local: self.local.clone(),
        }
    }

    /// Goes back to the values of a savepoint.
    pub(crate) fn restore(&mut self, to: Values) {
        let now = Values {
            values: std::mem::replace(&mut self.values, to.values),
            local: std::mem::replace(&mut self.local, to.local),
        };
        let all = [&now.values, &now.local, &self.values, &self.local];
        self.changed
            .extend(all.into_iter().flat_map(BTreeMap::keys).cloned());
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
            self.changed
                .extend(self.values.keys().chain(before.keys()).cloned());
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
            .filter_map(|setting| {
                self.known_value(setting.name)
                    .map(|value| (setting.name.to_owned(), value))
            })
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
        self.known_value(name)
            .and_then(|value| duration_ms(&value))
            .unwrap_or(0)
    }

    pub(crate) fn zone(&self) -> Zone {
        self.known_value("TimeZone")
            .and_then(|value| Zone::parse(&value))
            .unwrap_or(Zone::Named(Tz::UTC))
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
            date_style: DateStyle {
                form,
                day_first: style.contains("DMY"),
            },
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

    // What PostgreSQL 15 answers to `set_config(name, NULL, local)`.
    #[test]
    fn without_a_value_a_setting_is_what_a_reset_goes_back_to() {
        let mut settings = Settings::new(BTreeMap::new());
        settings.set("statement_timeout", "7s", false).unwrap();
        settings.make_default();
        settings.begin();
        settings.set("statement_timeout", "1s", false).unwrap();
        assert_eq!(settings.set_default("statement_timeout", true).unwrap(), "7s");
        settings.end(true);
        assert_eq!(settings.value("statement_timeout").unwrap(), "1s");
        assert_eq!(settings.set_default("statement_timeout", false).unwrap(), "7s");
        assert_eq!(settings.value("statement_timeout").unwrap(), "7s");
        assert_eq!(settings.set_default("myapp.tenant", false).unwrap(), "");
        assert_eq!(settings.value("myapp.tenant").unwrap(), "");
        settings.set_default("server_version", false).unwrap_err();
        settings.set_default("server_version", true).unwrap_err();
    }

    #[test]
    fn unknown_names_suggest_a_known_one() {
        let error = Settings::resolve("statement_timout").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unrecognized configuration parameter \"statement_timout\""
        );
        assert_eq!(
            perennial_base::UserError::hint(&error).unwrap(),
            "Perhaps you meant \"statement_timeout\"."
        );
    }
}
