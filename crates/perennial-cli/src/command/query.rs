//! `perennial query`: one statement in this process.

use std::io::{ErrorKind, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::{Args, ValueEnum};
use perennial_base::ErrorClass;
use perennial_engine::{DATABASE, Engine, Login, Outcome, Prepared, Rows};

use crate::command::{ConfigArgument, open};
use crate::exit::{DONE, InStatement};
use crate::show;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    config: ConfigArgument,
    /// The statement
    sql: String,
    /// Form of the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; for results of moderate size.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line.
    Json,
    /// A Parquet file on standard output.
    Parquet,
}

impl Query {
    pub(crate) async fn run(self) -> Result<u8> {
        answer(self.config, &self.sql, self.format).await
    }
}

/// Runs one statement and prints its answer.
pub(crate) async fn answer(config: ConfigArgument, sql: &str, format: Format) -> Result<u8> {
    let engine = open(config.load()?).await?;
    // Other processes keep what this one reads, however long it takes.
    let lease = engine
        .leased(&format!("{:032x}", perennial_unify::random()?))
        .await?;
    let answered = of(&engine, sql, format).await;
    lease.release().await;
    answered?;
    Ok(DONE)
}

async fn of(engine: &Arc<Engine>, sql: &str, format: Format) -> Result<()> {
    let login = Login {
        user: "admin".to_owned(),
        database: DATABASE.to_owned(),
        settings: vec![("application_name".to_owned(), "perennial query".to_owned())],
        client: "local".to_owned(),
        pid: 1,
    };
    let session = engine.session(login)?;
    let in_statement = || InStatement(sql.to_owned());
    let statements = session.parse(sql).await.with_context(in_statement)?;
    let [statement] = statements.as_slice() else {
        bail!("give exactly one statement, not {}", statements.len())
    };
    let prepared = session.prepare(statement, &[]).await;
    if engine.release().manifest().is_none() && !engine.config().sources.is_empty() {
        // No rows would be taken for an answer.
        if prepared.as_ref().is_ok_and(Prepared::reads_the_lake) {
            return Err(nothing_yet(engine).into());
        }
        show::note("nothing has been unified yet: run `perennial unify` first");
    }
    let prepared = prepared.with_context(in_statement)?;
    let outcome = session.run(&prepared, Vec::new()).await;
    match outcome.with_context(in_statement)? {
        Outcome::Rows(rows) => {
            if let Err(error) = print(rows, format).await {
                match refused(&error) {
                    // A reader such as `head` that has seen enough is no error.
                    Some(ErrorKind::BrokenPipe) => {}
                    Some(_) => return Err(error.context(show::UNWRITTEN)),
                    None => return Err(error),
                }
            }
        }
        Outcome::Done(tag) => show::line(&tag)?,
        _ => bail!("COPY is for clients; use --format"),
    }
    Ok(())
}

/// That there is no snapshot to read.
fn nothing_yet(engine: &Engine) -> perennial_engine::Error {
    let lake = engine.lake().url();
    perennial_engine::Error::new(
        ErrorClass::NotInState,
        format!("nothing has been unified yet in the lake \"{lake}\""),
    )
    .with_hint("Run `perennial unify` first; if that was done, look whether this is the lake, and its volume is there.")
}

/// Why standard output takes no more, when that is the error.
fn refused(error: &anyhow::Error) -> Option<ErrorKind> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind)
}

async fn print(mut rows: Rows, format: Format) -> Result<()> {
    let schema = rows.schema().clone();
    match format {
        Format::Table => {
            let mut cells: Vec<Vec<String>> =
                vec![schema.fields().iter().map(|field| field.name().clone()).collect()];
            while let Some(batch) = rows.next().await {
                texts(&batch?, &mut cells)?;
            }
            show::bytes(aligned(&cells).as_bytes())?;
        }
        Format::Csv => {
            let mut header = true;
            let mut any = false;
            while let Some(batch) = rows.next().await {
                let batch = flat(&batch?)?;
                let mut out = Vec::new();
                let mut writer = arrow::csv::WriterBuilder::new()
                    .with_header(header)
                    .build(&mut out);
                writer.write(&batch)?;
                drop(writer);
                (header, any) = (false, true);
                show::bytes(&out)?;
            }
            if !any {
                let names: Vec<&str> = schema
                    .fields()
                    .iter()
                    .map(|field| field.name().as_str())
                    .collect();
                show::bytes(format!("{}\n", names.join(",")).as_bytes())?;
            }
        }
        Format::Json => {
            while let Some(batch) = rows.next().await {
                let mut out = Vec::new();
                let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
                writer.write(&batch?)?;
                writer.finish()?;
                drop(writer);
                show::bytes(&out)?;
            }
        }
        Format::Parquet => {
            let mut writer = parquet::arrow::ArrowWriter::try_new(std::io::stdout(), schema, None)?;
            while let Some(batch) = rows.next().await {
                writer.write(&batch?)?;
            }
            writer.close()?;
        }
    }
    std::io::stdout().flush()?;
    Ok(())
}

/// The batch with lists and their like as text, which CSV has nothing else for.
fn flat(batch: &RecordBatch) -> Result<RecordBatch> {
    let options = FormatOptions::default().with_display_error(true);
    let columns = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if !column.data_type().is_nested() {
                return Ok((field.name(), Arc::clone(column)));
            }
            let formatter = ArrayFormatter::try_new(column, &options)?;
            let texts = (0..column.len()).map(|row| {
                let shown = column.is_valid(row).then(|| formatter.value(row).to_string());
                // As Postgres writes arrays.
                shown.map(
                    |text| match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
                        Some(items) => format!("{{{}}}", items.replace(", ", ",")),
                        None => text,
                    },
                )
            });
            Ok((field.name(), Arc::new(texts.collect::<StringArray>()) as ArrayRef))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn texts(batch: &RecordBatch, cells: &mut Vec<Vec<String>>) -> Result<()> {
    let options = FormatOptions::default().with_display_error(true);
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        cells.push(
            columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect(),
        );
    }
    Ok(())
}

/// Columns side by side, the first row as header.
fn aligned(cells: &[Vec<String>]) -> String {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| {
        cells
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in cells.iter().enumerate() {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!(" {cell:width$} "))
            .collect();
        out.push_str(line.join("|").trim_end());
        out.push('\n');
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            out.push_str(&rule.join("+"));
            out.push('\n');
        }
    }
    let rows = cells.len().saturating_sub(1);
    out.push_str(&format!("({rows} {})\n", if rows == 1 { "row" } else { "rows" }));
    out
}
