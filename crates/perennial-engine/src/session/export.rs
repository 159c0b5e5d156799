//! `COPY … TO 'file'`: the rows of a query as a file in the lake, for roles that may do everything. Parquet and JSON are
//! written here, the forms that COPY has for clients by the front.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use bytes::{BufMut, Bytes, BytesMut};
use datafusion::sql::sqlparser::ast::{
    CopyLegacyOption, CopyOption, CopyTarget, Query, SetExpr, Statement, TableFactor,
};
use perennial_base::ErrorClass;
use perennial_lake::ExportWriter;

use crate::error::{Error, Result};
use crate::session::copy::{self, CopyFormat, CopyOut};
use crate::session::{NoticeKind, Outcome, Prepared, Session, unsupported};
use crate::sql::parse::{Parsed, parse_query};

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Parquet,
    /// One object on each line.
    Json,
    /// As it would be sent to a client.
    Copy(CopyFormat),
}

impl Form {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "parquet" => Self::Parquet,
            "json" | "jsonl" | "ndjson" => Self::Json,
            "csv" => Self::Copy(CopyFormat::Csv),
            "text" | "txt" | "tsv" => Self::Copy(CopyFormat::Text),
            "binary" => Self::Copy(CopyFormat::Binary),
            _ => return None,
        })
    }
}

/// The file that a COPY writes, and its form: as the statement says, and else as the name ends.
fn target(statement: &Statement) -> Result<(&str, Form)> {
    let Statement::Copy {
        target: CopyTarget::File { filename },
        options,
        legacy_options,
        ..
    } = statement
    else {
        return Err(unsupported("this form of COPY"));
    };
    let said = options.iter().find_map(|option| match option {
        CopyOption::Format(name) => Some(name.value.as_str()),
        _ => None,
    });
    let said = said.or_else(|| {
        legacy_options.iter().find_map(|option| match option {
            CopyLegacyOption::Csv(_) => Some("csv"),
            CopyLegacyOption::Binary => Some("binary"),
            _ => None,
        })
    });
    let name = said.or_else(|| filename.rsplit_once('.').map(|(_, ending)| ending));
    let form = Form::of(name.unwrap_or_default()).ok_or_else(|| {
        Error::new(
            ErrorClass::InvalidArgument,
            format!("the form of the file \"{filename}\" is not known"),
        )
        .with_hint("Write WITH (FORMAT parquet), csv, json, text or binary, or end the name so.")
    })?;
    Ok((filename, form))
}

/// Whether a statement writes a file.
pub(crate) fn is_export(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Copy {
            target: CopyTarget::File { .. },
            to: true,
            ..
        }
    )
}

impl Session {
    /// The query of the rows of a file, planned.
    pub(super) async fn plan_export(&self, parsed: &Parsed) -> Result<Prepared> {
        if !self.owner {
            return Err(Error::new(
                ErrorClass::PermissionDenied,
                "permission denied to COPY to a file",
            )
            .with_detail("Only a role with owner = true may write into the lake.")
            .with_hint("psql's \\copy writes a file on the client's side."));
        }
        let (_, form) = target(parsed.statement())?;
        let query = copy::query(parsed.statement())?;
        let query = match form {
            Form::Json => in_json(query)?,
            _ => query,
        };
        Box::pin(self.plan(&parsed.inner(Statement::Query(query)), &[])).await
    }

    /// Writes the file, or gives the rows to whoever does.
    pub(super) async fn export(&self, statement: &Statement, query: &Prepared) -> Result<Outcome> {
        let (name, form) = target(statement)?;
        let rows = self.start(query, Vec::new()).await?;
        let lake = self.engine.lake();
        let mut writer = match form {
            Form::Parquet => ExportWriter::parquet(lake, name, Arc::new(named_once(rows.schema())?))?,
            Form::Json | Form::Copy(_) => ExportWriter::bytes(lake, name)?,
        };
        if let Form::Copy(format) = form {
            let options = copy::options(statement, rows.schema(), Some(format))?;
            return Ok(Outcome::Copy(CopyOut {
                rows: rows.with_tag("COPY"),
                options,
                file: Some(writer),
            }));
        }
        let mut rows = rows;
        let mut count = 0;
        let written: Result<()> = async {
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                count += batch.num_rows();
                match form {
                    Form::Parquet => writer.rows(&batch).await?,
                    _ => writer.text(lines(&batch)?).await?,
                }
            }
            Ok(())
        }
        .await;
        if let Err(error) = written {
            writer.abort().await;
            return Err(error);
        }
        self.exported(writer).await?;
        Ok(Outcome::Done(format!("COPY {count}")))
    }

    /// Completes a file, and says where it is.
    ///
    /// # Errors
    /// When the store fails; the file is not there then.
    pub async fn exported(&self, writer: ExportWriter) -> Result<()> {
        let path = writer.path().to_owned();
        writer.finish().await?;
        let lake = self.engine.lake().url().trim_end_matches('/');
        self.notice(NoticeKind::Notice, format!("the file is {lake}/{path}"));
        Ok(())
    }
}

/// The rows of a query as objects.
fn in_json(query: Box<Query>) -> Result<Box<Query>> {
    let mut around = parse_query("SELECT CAST(row_to_json(exported) AS text) FROM (SELECT 1) AS exported")?;
    if let SetExpr::Select(select) = around.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
    {
        *subquery = query;
    }
    Ok(Box::new(around))
}

/// The columns of a file, which are told by their names.
fn named_once(schema: &Schema) -> Result<Schema> {
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        Some(field) => Err(Error::new(
            ErrorClass::DuplicateColumn,
            format!("column \"{}\" specified more than once", field.name()),
        )
        .with_hint("Give each column of the file a name of its own with AS.")),
        None => Ok(schema.clone()),
    }
}

/// Texts, each on a line.
fn lines(batch: &RecordBatch) -> Result<Bytes> {
    let mut out = BytesMut::new();
    let texts = cast(batch.column(0), &DataType::Utf8)?;
    for text in texts.as_string::<i32>().iter().flatten() {
        out.put_slice(text.as_bytes());
        out.put_u8(b'\n');
    }
    Ok(out.freeze())
}
