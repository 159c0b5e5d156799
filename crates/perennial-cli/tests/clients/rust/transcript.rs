//! The transcript of a suite: one line for each thing that a client observes. `../python/transcript.py` is the same for Python.

use std::fmt::{Debug, Display, Write};

use tokio_postgres::Error;
use tokio_postgres::error::ErrorPosition;

/// A query that does not end by itself.
pub(super) const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 90000) AS a(x), generate_series(1, 90000) AS b(y), \
                                  generate_series(1, 90000) AS c(z) WHERE x + y + z = 0";

pub(super) struct Transcript(String);

impl Transcript {
    pub(super) fn of(client: &str, version: &str) -> Self {
        Self(format!("client {client} {version}\n"))
    }

    pub(super) fn part(&mut self, words: &str) {
        self.line(format_args!("part {words}"));
    }

    /// Tells an answer, as Rust shows it.
    pub(super) fn check(&mut self, name: &str, answer: Result<impl Debug, Error>) {
        match answer {
            Ok(answer) => self.line(format_args!("check {name}\t{answer:?}")),
            Err(error) => self.line(format_args!("failed {name}\t{}", refusal(&error))),
        }
    }

    /// Tells the error of the server with which it ends.
    pub(super) fn refused(&mut self, name: &str, answer: Result<impl Debug, Error>) {
        match answer {
            Ok(answer) => self.line(format_args!("failed {name}\tanswered {answer:?}")),
            Err(error) => {
                let outcome = if error.as_db_error().is_some() {
                    "refused"
                } else {
                    "failed"
                };
                self.line(format_args!("{outcome} {name}\t{}", refusal(&error)));
            }
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "{line}");
    }

    pub(super) fn done(mut self) -> String {
        self.line("done");
        self.0
    }
}

/// What the server said, or what the client says itself.
pub(super) fn refusal(error: &Error) -> String {
    let line = match error.as_db_error() {
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
        Some(told) => {
            let position = match told.position() {
                Some(ErrorPosition::Original(place)) => Some(place.to_string()),
                Some(ErrorPosition::Internal { .. }) => Some("internal".to_owned()),
                None => None,
            };
            let named = [
                ("DETAIL", told.detail().map(str::to_owned)),
                ("HINT", told.hint().map(str::to_owned)),
                ("POSITION", position),
            ];
            let mut line = format!("{} {}", told.code().code(), told.message());
            for (name, value) in named {
                if let Some(value) = value {
                    line.push_str(&format!(" | {name} {value}"));
                }
            }
            line
        }
    };
    line.replace('\t', " ").replace('\n', "\\n")
}
