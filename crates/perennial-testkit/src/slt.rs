//! The driver of the SQL logic tests: any session that answers in Postgres' text, as a database of `sqllogictest`.

use std::fmt;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, ColumnType, DBOutput};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A session that answers in text, as Postgres' simple query protocol does.
#[async_trait]
pub trait TextQuery: Send {
    /// Runs what a client would send as one simple query, and gives the result of its last statement.
    ///
    /// # Errors
    /// What a client would be sent.
    async fn query(&mut self, sql: &str) -> Result<TextResult, TextError>;
}

/// What a statement answers.
#[derive(Debug, Clone, PartialEq)]
pub enum TextResult {
    /// A statement without a result set, and the number of rows in its command tag.
    Complete(u64),
    /// A result set.
    Rows {
        /// The type of every column; `unknown` where the protocol does not tell.
        columns: Vec<Type>,
        /// The values in text, NULL as nothing.
        rows: Vec<Vec<Option<String>>>,
    },
}

/// An error as a client sees it. `Display` shows the message, then detail and hint on lines of their own, as psql does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// Five characters; empty where the failure is not the server's answer, such as a refused connection.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// More facts.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for TextError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        for (label, text) in [("DETAIL", &self.detail), ("HINT", &self.hint)] {
            if let Some(text) = text {
                write!(formatter, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for TextError {}

impl From<tokio_postgres::Error> for TextError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) => Self {
                sqlstate: server.code().code().to_owned(),
                message: server.message().to_owned(),
                detail: server.detail().map(str::to_owned),
                hint: server.hint().map(str::to_owned),
            },
            None => Self {
                sqlstate: String::new(),
                message: error.to_string(),
                detail: None,
                hint: None,
            },
        }
    }
}

/// A session over the wire, of our server or of a real PostgreSQL.
#[derive(Debug)]
pub struct WireSession {
    client: Client,
}

impl WireSession {
    /// Connects without TLS, with a connection string of `tokio-postgres`, and sets the session's time zone to UTC.
    /// The connection lives on the current tokio runtime until the session is dropped.
    ///
    /// # Errors
    /// What the server, or the network, answers.
    pub async fn connect(connection_string: &str) -> Result<Self, TextError> {
        let (client, connection) = tokio_postgres::connect(connection_string, NoTls).await?;
        // It ends when the client is dropped; its error reaches the client's next call.
        tokio::spawn(connection);
        client.batch_execute("SET TIME ZONE 'UTC'").await?;
        Ok(Self { client })
    }
}

#[async_trait]
impl TextQuery for WireSession {
    async fn query(&mut self, sql: &str) -> Result<TextResult, TextError> {
        let mut described = None;
        let mut rows = Vec::new();
        let mut result_sets = 0;
        let mut affected = 0;
        for message in self.client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    described = Some(columns.len());
                    result_sets += 1;
                    rows.clear();
                }
                SimpleQueryMessage::Row(row) => {
                    rows.push(
                        (0..row.len())
                            .map(|index| row.get(index).map(str::to_owned))
                            .collect(),
                    );
                }
                SimpleQueryMessage::CommandComplete(count) => affected = count,
                _ => {}
            }
        }
        let Some(width) = described else {
            return Ok(TextResult::Complete(affected));
        };
        // The client hides the types of a simple query; only a single statement can be asked for them afterwards.
        let columns = match self.client.prepare(sql).await {
            Ok(statement) => statement
                .columns()
                .iter()
                .map(|column| column.type_().clone())
                .collect(),
            Err(_) if result_sets > 1 => vec![Type::UNKNOWN; width],
            Err(error) => return Err(error.into()),
        };
        Ok(TextResult::Rows { columns, rows })
    }
}

/// A session as `sqllogictest` wants it, under the name of its engine.
pub struct SltSession {
    engine: &'static str,
    session: Box<dyn TextQuery>,
}

impl fmt::Debug for SltSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SltSession")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl SltSession {
    /// A database for `onlyif` and `skipif` to know as `engine`.
    pub fn new(engine: &'static str, session: Box<dyn TextQuery>) -> Self {
        Self { engine, session }
    }
}

#[async_trait]
impl AsyncDB for SltSession {
    type Error = TextError;
    type ColumnType = ColumnKind;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<ColumnKind>, TextError> {
        Ok(match self.session.query(sql).await? {
            TextResult::Complete(count) => DBOutput::StatementComplete(count),
            TextResult::Rows { columns, rows } => DBOutput::Rows {
                types: columns.iter().map(ColumnKind::from).collect(),
                rows: rows
                    .into_iter()
                    .map(|row| row.into_iter().map(shown).collect())
                    .collect(),
            },
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.engine
    }

    fn error_sql_state(error: &TextError) -> Option<String> {
        Some(error.sqlstate.clone())
    }
}

/// A value as a file shows it: one line, and never nothing.
fn shown(value: Option<String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text.replace('\n', "\\n"),
    }
}

/// What a letter after `query` in a file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// `B`: boolean.
    Boolean,
    /// `D`: date.
    Date,
    /// `I`: an integer of any size.
    Integer,
    /// `?`: everything else.
    Other,
    /// `R`: a number with a fraction, exact or not.
    Real,
    /// `T`: text, and what is written as text.
    Text,
    /// `P`: a point in time, with and without time zone.
    Timestamp,
}

impl ColumnType for ColumnKind {
    fn from_char(letter: char) -> Option<Self> {
        Some(match letter {
            'B' => Self::Boolean,
            'D' => Self::Date,
            'I' => Self::Integer,
            '?' => Self::Other,
            'R' => Self::Real,
            'T' => Self::Text,
            'P' => Self::Timestamp,
            _ => return None,
        })
    }

    fn to_char(&self) -> char {
        match self {
            Self::Boolean => 'B',
            Self::Date => 'D',
            Self::Integer => 'I',
            Self::Other => '?',
            Self::Real => 'R',
            Self::Text => 'T',
            Self::Timestamp => 'P',
        }
    }
}

impl From<&Type> for ColumnKind {
    fn from(column: &Type) -> Self {
        match *column {
            Type::BOOL => Self::Boolean,
            Type::DATE => Self::Date,
            Type::INT2 | Type::INT4 | Type::INT8 => Self::Integer,
            Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Self::Real,
            Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::JSON
            | Type::JSONB
            | Type::UUID => Self::Text,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Self::Timestamp,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_one_line() {
        #[track_caller]
        fn check(value: Option<&str>, expected: &str) {
            assert_eq!(shown(value.map(str::to_owned)), expected);
        }
        check(None, "NULL");
        check(Some(""), "(empty)");
        check(Some("a\nb"), "a\\nb");
        check(Some("t"), "t");
    }

    #[test]
    fn every_letter_stands_for_one_kind() {
        for letter in "BDI?RTP".chars() {
            assert_eq!(
                ColumnKind::from_char(letter).map(|kind| kind.to_char()),
                Some(letter)
            );
        }
        assert_eq!(ColumnKind::from_char('X'), None);
        assert_eq!(ColumnKind::from(&Type::INT4_ARRAY), ColumnKind::Other);
    }

    #[test]
    fn an_error_shows_detail_and_hint_on_lines_of_their_own() {
        let error = TextError {
            sqlstate: "22023".to_owned(),
            message: "score 11 is out of range".to_owned(),
            detail: None,
            hint: Some("Scores go from 0 to 10.".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            "score 11 is out of range\nHINT: Scores go from 0 to 10."
        );
    }
}
