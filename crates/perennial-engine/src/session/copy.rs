//! `COPY … TO STDOUT`: which rows, in which form.

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Expr, Ident, Query,
    SelectItem, SetExpr, Statement, TableFactor,
};
use perennial_base::ErrorClass;
use perennial_lake::ExportWriter;

use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::session::unsupported;
use crate::sql::parse::parse_query;

/// The form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    /// Tab-separated text.
    Text,
    /// Comma-separated values.
    Csv,
    /// Postgres' binary form.
    Binary,
}

/// Rows for `COPY … TO STDOUT` and how to write them.
#[derive(Debug)]
pub struct CopyOut {
    /// The rows.
    pub rows: Rows,
    /// How to write them.
    pub options: CopyOptions,
    /// The file that they go into, where it is not the client that gets them.
    pub file: Option<ExportWriter>,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// The form.
    pub format: CopyFormat,
    /// Whether the first line has the names of the columns.
    pub header: bool,
    /// Between columns.
    pub delimiter: char,
    /// What stands for NULL.
    pub null: String,
    /// Around values that need it.
    pub quote: char,
    /// Before a quote inside of a value.
    pub escape: char,
    /// Columns that are always quoted, by index.
    pub force_quote: Vec<usize>,
}

/// The query of a COPY statement.
pub(crate) fn query(statement: &Statement) -> Result<Box<Query>> {
    let Statement::Copy {
        source, to, target, ..
    } = statement
    else {
        return Err(unsupported("this form of COPY"));
    };
    if !to {
        return Err(Error::new(
            ErrorClass::ReadOnly,
            "served relations cannot be written by COPY FROM",
        )
        .with_hint("Land a Parquet file in the lake; the next run unifies it."));
    }
    match target {
        CopyTarget::Stdout | CopyTarget::File { .. } => {}
        CopyTarget::Program { .. } | CopyTarget::Stdin => {
            return Err(Error::new(
                ErrorClass::PermissionDenied,
                "COPY writes to STDOUT or to a file of the lake",
            )
            .with_hint("psql's \\copy writes a file on the client's side."));
        }
    }
    let (table_name, columns) = match source {
        CopySource::Query(query) => return Ok(query.clone()),
        CopySource::Table { table_name, columns } => (table_name, columns),
    };
    // Names keep the places at which they were written.
    let mut query = parse_query("SELECT * FROM copied")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        if !columns.is_empty() {
            let columns = columns.iter().cloned().map(Expr::Identifier);
            select.projection = columns.map(SelectItem::UnnamedExpr).collect();
        }
        if let Some(TableFactor::Table { name, .. }) = select.from.first_mut().map(|from| &mut from.relation)
        {
            *name = table_name.clone();
        }
    }
    Ok(Box::new(query))
}

/// The options of a COPY statement over columns of a schema. A file's form is known.
pub(crate) fn options(
    statement: &Statement,
    schema: &SchemaRef,
    form: Option<CopyFormat>,
) -> Result<CopyOptions> {
    let Statement::Copy {
        options,
        legacy_options,
        ..
    } = statement
    else {
        return Err(unsupported("this form of COPY"));
    };
    let mut given = Given::default();
    for option in options {
        match option {
            CopyOption::Format(_) if form.is_some() => {}
            option => given.take(option, schema)?,
        }
    }
    for option in legacy_options {
        given.take_legacy(option, schema)?;
    }
    given.format = form.or(given.format);
    given.finish()
}

#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    header: bool,
    delimiter: Option<char>,
    null: Option<String>,
    quote: Option<char>,
    escape: Option<char>,
    force_quote: Vec<usize>,
}

impl Given {
    fn take(&mut self, option: &CopyOption, schema: &SchemaRef) -> Result<()> {
        match option {
            CopyOption::Format(name) => {
                self.format = Some(match name.value.to_lowercase().as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => {
                        return Err(Error::new(
                            ErrorClass::InvalidArgument,
                            format!("COPY format \"{other}\" not recognized"),
                        ));
                    }
                });
            }
            CopyOption::Delimiter(delimiter) => self.delimiter = Some(*delimiter),
            CopyOption::Null(text) => self.null = Some(text.clone()),
            CopyOption::Header(header) => self.header = *header,
            CopyOption::Quote(quote) => self.quote = Some(*quote),
            CopyOption::Escape(escape) => self.escape = Some(*escape),
            CopyOption::ForceQuote(columns) => self.force(columns, schema)?,
            CopyOption::Encoding(name)
                if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("utf-8") => {}
            CopyOption::Encoding(name) => return Err(unsupported(&format!("encoding \"{name}\""))),
            CopyOption::Freeze(_) | CopyOption::ForceNotNull(_) | CopyOption::ForceNull(_) => {
                return Err(Error::new(
                    ErrorClass::Unsupported,
                    format!("COPY option {option} is for COPY FROM"),
                ));
            }
        }
        Ok(())
    }

    fn take_legacy(&mut self, option: &CopyLegacyOption, schema: &SchemaRef) -> Result<()> {
        match option {
            CopyLegacyOption::Binary => self.format = Some(CopyFormat::Binary),
            CopyLegacyOption::Delimiter(delimiter) => self.delimiter = Some(*delimiter),
            CopyLegacyOption::Null(text) => self.null = Some(text.clone()),
            CopyLegacyOption::Header => self.header = true,
            CopyLegacyOption::Csv(options) => {
                self.format = Some(CopyFormat::Csv);
                for option in options {
                    match option {
                        CopyLegacyCsvOption::Header => self.header = true,
                        CopyLegacyCsvOption::Quote(quote) => self.quote = Some(*quote),
                        CopyLegacyCsvOption::Escape(escape) => self.escape = Some(*escape),
                        CopyLegacyCsvOption::ForceQuote(columns) => self.force(columns, schema)?,
                        CopyLegacyCsvOption::ForceNotNull(_) => {
                            return Err(Error::new(
                                ErrorClass::Unsupported,
                                "FORCE NOT NULL is for COPY FROM",
                            ));
                        }
                    }
                }
            }
            other => return Err(unsupported(&format!("COPY option {other}"))),
        }
        Ok(())
    }

    fn force(&mut self, columns: &[Ident], schema: &SchemaRef) -> Result<()> {
        for column in columns {
            if column.value == "*" {
                self.force_quote = (0..schema.fields().len()).collect();
                continue;
            }
            let index = schema.index_of(&column.value).map_err(|_| {
                Error::new(
                    ErrorClass::UndefinedColumn,
                    format!("column \"{}\" does not exist", column.value),
                )
            })?;
            self.force_quote.push(index);
        }
        Ok(())
    }

    fn finish(self) -> Result<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let csv = format == CopyFormat::Csv;
        let only_csv = |name: &str| {
            Error::new(
                ErrorClass::Unsupported,
                format!("COPY {name} available only in CSV mode"),
            )
        };
        if !csv && self.quote.is_some() {
            return Err(only_csv("quote"));
        }
        if !csv && self.escape.is_some() {
            return Err(only_csv("escape"));
        }
        if !csv && !self.force_quote.is_empty() {
            return Err(only_csv("force quote"));
        }
        if format == CopyFormat::Binary && (self.delimiter.is_some() || self.null.is_some() || self.header) {
            return Err(Error::new(
                ErrorClass::Syntax,
                "cannot specify DELIMITER, NULL or HEADER in BINARY mode",
            ));
        }
        let quote = self.quote.unwrap_or('"');
        Ok(CopyOptions {
            format,
            header: self.header,
            delimiter: self.delimiter.unwrap_or(if csv { ',' } else { '\t' }),
            null: self
                .null
                .unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() }),
            quote,
            escape: self.escape.unwrap_or(quote),
            force_quote: self.force_quote,
        })
    }
}
