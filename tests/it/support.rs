//! What the tests share: connections, answers in text, values as bytes, Parquet files.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::{BufMut, BytesMut};
use parquet::arrow::ArrowWriter;
use perennial_testkit::TestServer;
use perennial_testkit::environment::variable;
use perennial_testkit::slt::TextError;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Longest wait for something that is sure to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What random numbers of a test begin with: always the same, or `PERENNIAL_TEST_SEED`. It is printed.
pub(crate) fn seed(usual: u64) -> u64 {
    let given = variable("PERENNIAL_TEST_SEED").and_then(|text| text.parse().ok());
    let seed = given.unwrap_or(usual);
    println!("seed {seed}");
    seed
}

/// A connection of `tokio-postgres` in UTC.
pub(crate) async fn connect(server: &TestServer) -> Client {
    connect_with(&format!(
        "{} options='-c TimeZone=UTC'",
        server.connection_string()
    ))
    .await
    .unwrap()
}

/// A connection, or what the server says instead.
pub(crate) async fn connect_with(connection_string: &str) -> Result<Client, TextError> {
    let (client, connection) = tokio_postgres::connect(connection_string, NoTls).await?;
    // It ends when the client is dropped; its error reaches the client's next call.
    tokio::spawn(connection);
    Ok(client)
}

/// The rows of all result sets of a simple query, values in text.
pub(crate) async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client
        .simple_query(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}\n{}", told(&error)));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|index| row.get(index).map(str::to_owned))
                .collect(),
        ),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// The rows of a simple query as psql shows them without alignment: values between bars, NULL as nothing.
pub(crate) async fn lines(client: &Client, sql: &str) -> Vec<String> {
    let line = |row: Vec<Option<String>>| {
        row.into_iter()
            .map(Option::unwrap_or_default)
            .collect::<Vec<_>>()
            .join("|")
    };
    rows(client, sql).await.into_iter().map(line).collect()
}

/// The one value of a simple query; NULL as nothing.
pub(crate) async fn one(client: &Client, sql: &str) -> String {
    let lines = lines(client, sql).await;
    assert_eq!(lines.len(), 1, "{sql}");
    lines.concat()
}

/// The one number of a simple query.
pub(crate) async fn number(client: &Client, sql: &str) -> f64 {
    let value = one(client, sql).await;
    value
        .parse()
        .unwrap_or_else(|_| panic!("{sql}\nanswers {value:?}"))
}

/// Waits until a query answers as it should.
pub(crate) async fn becomes(client: &Client, sql: &str, expected: &str) {
    let arrived = async {
        while one(client, sql).await != expected {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, arrived).await.is_err() {
        panic!("{sql}\nanswers {}, and never {expected}", one(client, sql).await);
    }
}

/// Runs statements that answer nothing of interest.
pub(crate) async fn execute(client: &Client, sql: &str) {
    client
        .batch_execute(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}\n{}", told(&error)));
}

/// The SQLSTATE of an error; empty where it is not the server's.
pub(crate) fn code(error: &tokio_postgres::Error) -> String {
    error
        .code()
        .map(|code| code.code().to_owned())
        .unwrap_or_default()
}

/// An error as psql shows it.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    let Some(server) = error.as_db_error() else {
        return error.to_string();
    };
    let mut text = format!("{}: {}", server.code().code(), server.message());
    for (label, more) in [("DETAIL", server.detail()), ("HINT", server.hint())] {
        if let Some(more) = more {
            let _infallible = write!(text, "\n{label}: {more}");
        }
    }
    text
}

/// A value in binary as it is, of any type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// The bytes behind hexadecimal digits.
    pub(crate) fn of(hex: &str) -> Self {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Self((0..hex.len()).step_by(2).map(byte).collect())
    }

    /// The bytes in hexadecimal digits.
    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl ToSql for Bytes {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl FromSql<'_> for Bytes {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_owned()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A Parquet file.
pub(crate) fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}
