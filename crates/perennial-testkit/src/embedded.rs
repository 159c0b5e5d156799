//! The engine in this process as a session that answers in text, through the encoders of the wire.

use std::sync::Arc;

use async_trait::async_trait;
use perennial_base::UserError;
use perennial_engine::{DATABASE, Engine, Login, Outcome, Parsed, Session};
use perennial_pgserver::encode::text_rows;
use perennial_pgserver::{Error, sqlstate, types};

use crate::must;
use crate::slt::{TextError, TextQuery, TextResult};

/// A session of the engine, in UTC.
#[derive(Debug)]
pub(crate) struct EmbeddedSession {
    session: Session,
}

impl EmbeddedSession {
    pub(crate) fn open(engine: &Arc<Engine>) -> Self {
        let login = Login {
            user: "admin".to_owned(),
            database: DATABASE.to_owned(),
            settings: vec![("TimeZone".to_owned(), "UTC".to_owned())],
            client: "embedded".to_owned(),
            pid: 0,
        };
        Self {
            session: must("the session cannot be opened", engine.session(login)),
        }
    }

    async fn run(&self, sql: &str) -> Result<TextResult, Error> {
        let mut last = TextResult::Complete(0);
        for statement in self.session.parse(sql).await? {
            last = self.statement(&statement).await?;
        }
        Ok(last)
    }

    async fn statement(&self, statement: &Parsed) -> Result<TextResult, Error> {
        let prepared = self.session.prepare(statement, &[]).await?;
        let mut answer = match self.session.run(&prepared, Vec::new()).await? {
            Outcome::Rows(rows) => rows,
            Outcome::Copy(copy) => copy.rows,
            Outcome::Done(tag) => {
                let count = tag.rsplit(' ').next().and_then(|word| word.parse().ok());
                return Ok(TextResult::Complete(count.unwrap_or(0)));
            }
            _ => return Ok(TextResult::Complete(0)),
        };
        let columns = answer
            .schema()
            .fields()
            .iter()
            .map(|field| types::pg_type(field))
            .collect();
        let style = self.session.output_style();
        let mut rows = Vec::new();
        while let Some(batch) = answer.next().await {
            rows.extend(text_rows(&batch?, &style)?);
        }
        Ok(TextResult::Rows { columns, rows })
    }
}

#[async_trait]
impl TextQuery for EmbeddedSession {
    async fn query(&mut self, sql: &str) -> Result<TextResult, TextError> {
        self.run(sql).await.map_err(|error| {
            self.session.fail();
            TextError {
                sqlstate: sqlstate::code(&error).to_owned(),
                message: error.to_string(),
                detail: error.detail(),
                hint: error.hint(),
            }
        })
    }
}
