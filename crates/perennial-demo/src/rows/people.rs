//! Rows about persons: the CRM, accounts, the newsletter, consents, support and surveys.

use std::sync::Arc;

use arrow::{
    array::{BooleanArray, Date32Array, Int32Array, TimestampMicrosecondArray},
    error::ArrowError,
};

use super::{Column, Row, integers, text, times};
use crate::source::Source;

/// A version of a contact in the CRM.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    pub(crate) key: u64,
    /// The export that it is in: a contact is exported again when nothing has changed, too.
    pub(crate) export: i32,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) birth_day: Option<i32>,
    pub(crate) city: Option<&'static str>,
    pub(crate) country: Option<String>,
    pub(crate) modified_at: i64,
}

impl Row for Contact {
    const SOURCE: Source = Source::Contacts;

    fn at(&self) -> i64 {
        self.modified_at
    }

    fn part(&self) -> i32 {
        self.export
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "contact_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            ("email", text(rows, |row| row.email.as_deref()), true),
            ("phone", text(rows, |row| row.phone.as_deref()), true),
            ("fname", text(rows, |row| row.first_name.as_deref()), true),
            ("lname", text(rows, |row| row.last_name.as_deref()), true),
            (
                "dob",
                Arc::new(rows.iter().map(|row| row.birth_day).collect::<Date32Array>()),
                true,
            ),
            ("city", text(rows, |row| row.city), true),
            ("country", text(rows, |row| row.country.as_deref()), true),
            // The CRM writes wall-clock time without a zone.
            (
                "modified_at",
                Arc::new(
                    rows.iter()
                        .map(|row| Some(row.modified_at))
                        .collect::<TimestampMicrosecondArray>(),
                ),
                false,
            ),
        ])
    }
}

/// An account in the shop.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) key: u64,
    pub(crate) email: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) country: &'static str,
    pub(crate) registered_at: i64,
}

impl Row for Account {
    const SOURCE: Source = Source::Accounts;

    fn at(&self) -> i64 {
        self.registered_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "user_id",
                integers(rows, |row| i64::try_from(row.key).ok()),
                false,
            ),
            ("email", text(rows, |row| Some(&row.email)), false),
            ("first_name", text(rows, |row| row.first_name.as_deref()), true),
            ("last_name", text(rows, |row| row.last_name.as_deref()), true),
            ("country", text(rows, |row| Some(row.country)), false),
            ("registered_at", times(rows, |row| row.registered_at), false),
        ])
    }
}

/// A subscription to the newsletter.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) key: u64,
    pub(crate) email: String,
    pub(crate) first_name: Option<String>,
    pub(crate) subscribed_at: i64,
}

impl Row for Reader {
    const SOURCE: Source = Source::Newsletter;

    fn at(&self) -> i64 {
        self.subscribed_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "subscriber_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            ("email", text(rows, |row| Some(&row.email)), false),
            ("first_name", text(rows, |row| row.first_name.as_deref()), true),
            ("subscribed_at", times(rows, |row| row.subscribed_at), false),
        ])
    }
}

/// What a person allowed or forbade.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) email: String,
    pub(crate) at: i64,
    pub(crate) purpose: &'static str,
    pub(crate) granted: bool,
}

impl Row for Consent {
    const SOURCE: Source = Source::Consents;

    fn at(&self) -> i64 {
        self.at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            ("email", text(rows, |row| Some(&row.email)), false),
            ("at", times(rows, |row| row.at), false),
            ("purpose", text(rows, |row| Some(row.purpose)), false),
            (
                "granted",
                Arc::new(rows.iter().map(|row| Some(row.granted)).collect::<BooleanArray>()),
                false,
            ),
        ])
    }
}

/// A conversation with the support team.
#[derive(Debug, Clone)]
pub(crate) struct Interaction {
    pub(crate) key: u64,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) opened_at: i64,
    pub(crate) channel: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) sentiment: &'static str,
}

impl Row for Interaction {
    const SOURCE: Source = Source::Interactions;

    fn at(&self) -> i64 {
        self.opened_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "ticket_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            ("email", text(rows, |row| row.email.as_deref()), true),
            ("phone", text(rows, |row| row.phone.as_deref()), true),
            ("opened_at", times(rows, |row| row.opened_at), false),
            ("channel", text(rows, |row| Some(row.channel)), false),
            ("topic", text(rows, |row| Some(row.topic)), false),
            ("direction", text(rows, |row| Some(row.direction)), false),
            ("outcome", text(rows, |row| Some(row.outcome)), false),
            ("sentiment", text(rows, |row| Some(row.sentiment)), false),
        ])
    }
}

/// An answer to a survey.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) key: u64,
    pub(crate) email: String,
    pub(crate) survey: &'static str,
    pub(crate) score: i32,
    pub(crate) comment: Option<&'static str>,
    pub(crate) answered_at: i64,
}

impl Row for Response {
    const SOURCE: Source = Source::Responses;

    fn at(&self) -> i64 {
        self.answered_at
    }

    fn columns(rows: &[Self]) -> Result<Vec<Column>, ArrowError> {
        Ok(vec![
            (
                "response_id",
                text(rows, |row| Some(Self::SOURCE.key_text(row.key))),
                false,
            ),
            ("email", text(rows, |row| Some(&row.email)), false),
            ("survey", text(rows, |row| Some(row.survey)), false),
            (
                "score",
                Arc::new(rows.iter().map(|row| Some(row.score)).collect::<Int32Array>()),
                false,
            ),
            ("comment", text(rows, |row| row.comment), true),
            ("answered_at", times(rows, |row| row.answered_at), false),
        ])
    }
}
