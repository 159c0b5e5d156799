//! SET, RESET and SHOW.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    ContextModifier, Expr, Ident, ObjectName, Set, TransactionIsolationLevel, TransactionMode, Value,
};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::session::Settings;
use crate::session::{NoticeKind, Outcome, Session, TransactionState, unsupported};

use super::{done, folded};

impl Session {
    pub(super) fn set(&self, set: &Set, deferrable: Option<bool>) -> Result<Outcome> {
        match set {
            Set::SingleAssignment {
                scope,
                variable,
                values,
                ..
            } => {
                let local = matches!(scope, Some(ContextModifier::Local));
                self.set_value(&setting_name(variable), values, local)?;
            }
            Set::SetTimeZone { local, value } => {
                self.set_value("TimeZone", std::slice::from_ref(value), *local)?;
            }
            Set::SetNames { charset_name, .. } => {
                self.assign("client_encoding", &charset_name.value, false)?;
            }
            Set::SetTransaction { modes, session, .. } => {
                self.transaction_modes(modes, deferrable, *session)?;
            }
            Set::SetRole { role_name: None, .. } => {}
            Set::SetRole {
                role_name: Some(name),
                ..
            } if folded(name) == self.login.user => {}
            Set::SetRole {
                role_name: Some(name),
                ..
            } => {
                return Err(Error::new(
                    ErrorClass::PermissionDenied,
                    format!("permission denied to set role \"{}\"", folded(name)),
                ));
            }
            other => return Err(unsupported(&other.to_string())),
        }
        done("SET")
    }

    fn set_value(&self, name: &str, values: &[Expr], local: bool) -> Result<()> {
        let texts: Vec<String> = values.iter().map(value_text).collect::<Result<_>>()?;
        match texts.as_slice() {
            [word] if word.eq_ignore_ascii_case("default") => self.shared.settings.lock().reset(name),
            texts => self.assign(name, &texts.join(", "), local),
        }
    }

    fn assign(&self, name: &str, value: &str, local: bool) -> Result<()> {
        if local && self.transaction() == TransactionState::Idle {
            self.notice(
                NoticeKind::NoActiveTransaction,
                "SET LOCAL can only be used in transaction blocks",
            );
            return Ok(());
        }
        self.shared.settings.lock().set(name, value, local)?;
        Ok(())
    }

    pub(super) fn transaction_modes(
        &self,
        modes: &[TransactionMode],
        deferrable: Option<bool>,
        session: bool,
    ) -> Result<()> {
        let set = |name: &str, value: &str| {
            let name = match session {
                true => format!("default_{name}"),
                false => name.to_owned(),
            };
            let local = !session && self.transaction() != TransactionState::Idle;
            self.shared.settings.lock().set(&name, value, local)
        };
        if let Some(deferrable) = deferrable {
            set("transaction_deferrable", if deferrable { "on" } else { "off" })?;
        }
        for mode in modes {
            match mode {
                // Every transaction reads one snapshot, which is stronger than what was asked for.
                TransactionMode::IsolationLevel(level) => {
                    let text = match level {
                        TransactionIsolationLevel::ReadUncommitted => "read uncommitted",
                        TransactionIsolationLevel::ReadCommitted => "read committed",
                        TransactionIsolationLevel::RepeatableRead | TransactionIsolationLevel::Snapshot => {
                            "repeatable read"
                        }
                        TransactionIsolationLevel::Serializable => "serializable",
                    };
                    set("transaction_isolation", text)?;
                }
                TransactionMode::AccessMode(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn show(&self, name: &str) -> Result<Rows> {
        let settings = self.shared.settings.lock();
        let columns: Vec<Vec<String>> = if name.eq_ignore_ascii_case("all") {
            let all = settings.all();
            vec![
                all.iter().map(|row| row.0.clone()).collect(),
                all.iter().map(|row| row.1.clone()).collect(),
                all.iter().map(|row| row.2.clone()).collect(),
            ]
        } else {
            vec![vec![settings.value(name)?]]
        };
        let schema = show_schema(name);
        let arrays = columns
            .into_iter()
            .map(|values| Arc::new(StringArray::from(values)) as ArrayRef)
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        Ok(Rows::ready("SHOW", schema, vec![batch]))
    }
}

/// The columns of SHOW: a setting is called as the list spells it, however it was asked for.
pub(super) fn show_schema(name: &str) -> SchemaRef {
    let listed = Settings::resolve(name);
    let names: Vec<&str> = if name.eq_ignore_ascii_case("all") {
        vec!["name", "setting", "description"]
    } else {
        vec![listed.as_deref().unwrap_or(name)]
    };
    Arc::new(Schema::new(
        names
            .into_iter()
            .map(|name| Field::new(name, DataType::Utf8, false))
            .collect::<Vec<_>>(),
    ))
}

/// `time zone` and `transaction isolation level` are two spellings of settings.
pub(super) fn variable_name(variable: &[Ident]) -> String {
    let words: Vec<String> = variable.iter().map(folded).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["time", "zone"] => "TimeZone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        [one] => (*one).to_owned(),
        many => many.join("."),
    }
}

pub(super) fn setting_name(name: &ObjectName) -> String {
    name.0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(folded)
        .collect::<Vec<_>>()
        .join(".")
}

/// The text that a value of SET stands for.
fn value_text(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => Ok(match &value.value {
            Value::SingleQuotedString(text)
            | Value::DoubleQuotedString(text)
            | Value::EscapedStringLiteral(text) => text.clone(),
            Value::Number(number, _) => number.to_string(),
            Value::Boolean(value) => if *value { "on" } else { "off" }.to_owned(),
            other => other.to_string(),
        }),
        Expr::Identifier(ident) => Ok(ident.value.clone()),
        Expr::UnaryOp { op, expr } => Ok(format!("{op}{}", value_text(expr)?)),
        Expr::Interval(interval) => value_text(&interval.value),
        other => Err(Error::new(
            ErrorClass::Syntax,
            format!("syntax error at or near \"{other}\""),
        )),
    }
}
