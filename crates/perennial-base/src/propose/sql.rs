//! Columns as SQL expressions.

use super::moments::{TimeForm, time_form};
use super::words::{plain, without_cents};
use super::{ColumnFacts, ColumnShape};
use crate::config::{Expression, Spot};

/// Words that are not usable as column names without quotes.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "asc",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "column",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "false",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "interval",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "primary",
    "references",
    "right",
    "select",
    "table",
    "then",
    "to",
    "true",
    "union",
    "user",
    "using",
    "when",
    "where",
    "with",
];

pub(super) fn expression(sql: String) -> Expression {
    Expression {
        sql,
        at: Spot::default(),
    }
}

pub(super) fn column_sql(column: &ColumnFacts) -> Expression {
    expression(quote(&column.name))
}

/// The column's name as SQL: in quotes where it would be folded or read as something else.
pub(super) fn quote(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !RESERVED.contains(&name);
    if bare {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A text as SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The value of a trait, with a reason where it is more than the column itself.
pub(super) fn trait_sql(name: &str, column: &ColumnFacts) -> (String, Option<&'static str>) {
    let code =
        |text: &String| (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let lower = |text: &String| text.bytes().any(|byte| byte.is_ascii_lowercase());
    let sql = quote(&column.name);
    if name == "country" && column.samples.iter().all(code) && column.samples.iter().any(lower) {
        return (
            format!("upper({sql})"),
            Some("codes that are not all in capitals"),
        );
    }
    match time_form(column) {
        Some(TimeForm::IsoText) if name == "birth_date" => {
            (format!("CAST({sql} AS DATE)"), Some("days as text"))
        }
        Some(TimeForm::Digits) if name == "birth_date" => (time_sql(column).0, Some("days in eight digits")),
        Some(TimeForm::OtherText(_)) if name == "birth_date" => (
            format!("CAST({} AS DATE)", time_sql(column).0),
            Some("days as text"),
        ),
        _ => (sql, None),
    }
}

/// The moment that a column says, and a remark on how.
pub(super) fn time_sql(column: &ColumnFacts) -> (String, &'static str) {
    let name = quote(&column.name);
    match time_form(column) {
        Some(TimeForm::IsoText) => (name, "; text in the form of ISO 8601"),
        Some(TimeForm::OtherText(form)) => (
            format!("CAST(to_timestamp({name}, '{form}') AS TIMESTAMP)"),
            "; text in the form of most samples",
        ),
        Some(TimeForm::Digits) if column.shape == ColumnShape::Int => (
            format!("CAST(CAST({name} AS TEXT) AS DATE)"),
            "; days in eight digits",
        ),
        Some(TimeForm::Digits) => (format!("CAST({name} AS DATE)"), "; days in eight digits"),
        Some(TimeForm::Seconds) => (format!("to_timestamp({name})"), "; seconds since 1970"),
        Some(TimeForm::Milliseconds) => (
            format!("to_timestamp_millis({name})"),
            "; milliseconds since 1970",
        ),
        Some(TimeForm::Microseconds) => (
            format!("to_timestamp_micros({name})"),
            "; microseconds since 1970",
        ),
        Some(TimeForm::Native) | None => (name, ""),
    }
}

/// The value of a canonical column, with a reason where it is more than the column itself.
pub(super) fn value_sql(canonical: &str, column: &ColumnFacts) -> (String, Option<String>) {
    let name = quote(&column.name);
    let plain_name = plain(&column.name);
    let money = ["amount", "discount", "cost", "unit_price", "mrr"].contains(&canonical);
    if money && column.shape == ColumnShape::Int && without_cents(&plain_name).is_some() {
        return (
            format!("{name} / 100.0"),
            Some("whole numbers of hundredths, by the name".to_owned()),
        );
    }
    let numeric = money || ["quantity", "score", "rate"].contains(&canonical);
    if numeric && column.shape == ColumnShape::Text {
        let target = if money {
            "DECIMAL(18,4)"
        } else {
            "DOUBLE PRECISION"
        };
        return (
            format!("CAST({name} AS {target})"),
            Some("numbers stored as text".to_owned()),
        );
    }
    if canonical == "granted" && column.shape != ColumnShape::Bool {
        return (
            format!("CAST({name} AS BOOLEAN)"),
            Some("yes and no, as text or numbers".to_owned()),
        );
    }
    if canonical == "date" && column.shape != ColumnShape::Date {
        return (
            format!("CAST({} AS DATE)", time_sql(column).0),
            Some("the day of a time".to_owned()),
        );
    }
    if money && column.shape == ColumnShape::Int {
        let why = format!("whole numbers: write {name} / 100.0 where they are hundredths");
        return (name, Some(why));
    }
    let why = match canonical {
        "rate" => Some(format!(
            "taken for what one unit of the currency is worth in that of [money]; where it is the other way round, write 1.0 / {name}"
        )),
        "amount" if plain_name != "amount" => Some("by its name and numbers".to_owned()),
        _ => None,
    };
    (name, why)
}
