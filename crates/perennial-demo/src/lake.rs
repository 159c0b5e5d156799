//! Rows to Parquet files, the same bytes for the same rows.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema},
    error::ArrowError,
};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    error::{Error, Result},
    rows::{Column, Row, Truth},
    source::Source,
};

/// Rows are turned into columns this many at a time, so that the columns of a large file are never all in memory.
const ROWS_PER_BATCH: usize = 32_768;
const ROWS_PER_GROUP: usize = 131_072;

/// A Parquet file that is being written.
pub(crate) struct Table {
    name: &'static str,
    path: PathBuf,
    writer: Option<ArrowWriter<BufWriter<File>>>,
    rows: u64,
}

impl Table {
    /// A new file at `path` with rows of the table `name`. It comes into being with the first rows.
    pub(crate) fn new(name: &'static str, path: PathBuf) -> Self {
        Self {
            name,
            path,
            writer: None,
            rows: 0,
        }
    }

    /// Adds rows.
    pub(crate) fn write<R>(
        &mut self,
        rows: &[R],
        columns: impl Fn(&[R]) -> Result<Vec<Column>, ArrowError>,
    ) -> Result<()> {
        for rows in rows.chunks(ROWS_PER_BATCH) {
            let unfit = |source| Error::Columns {
                table: self.name,
                source,
            };
            let batch = columns(rows).and_then(batch).map_err(unfit)?;
            let writer = match &mut self.writer {
                Some(writer) => writer,
                none => none.insert(open(&self.path, &batch)?),
            };
            writer.write(&batch).map_err(|source| Error::Parquet {
                path: self.path.clone(),
                source,
            })?;
            self.rows += rows.len() as u64;
        }
        Ok(())
    }

    /// Ends the file and says how many rows and bytes it has.
    pub(crate) fn finish(self) -> Result<(u64, u64)> {
        let Self {
            path, writer, rows, ..
        } = self;
        if let Some(writer) = writer {
            writer.close().map_err(|source| Error::Parquet {
                path: path.clone(),
                source,
            })?;
        }
        let bytes = fs::metadata(&path)
            .map_err(|source| Error::Io { path, source })?
            .len();
        Ok((rows, bytes))
    }
}

/// How much of a source has been written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The folder of the lake.
#[derive(Debug)]
pub(crate) struct Lake<'a> {
    root: PathBuf,
    stop: &'a AtomicBool,
    written: [Written; Source::ALL.len()],
}

impl<'a> Lake<'a> {
    /// The lake in the folder `root`; no file is begun after `stop` is set.
    pub(crate) fn new(root: PathBuf, stop: &'a AtomicBool) -> Self {
        Self {
            root,
            stop,
            written: Default::default(),
        }
    }

    /// Ends the work when somebody has asked for it.
    pub(crate) fn go_on(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// Writes the rows of a batch of customers, in the order of time, to one file for each part of their source.
    pub(crate) fn write<R: Row>(&mut self, mut rows: Vec<R>, batch: u64) -> Result<()> {
        // Stable, so that equal times keep the order in which they were made up.
        rows.sort_by_key(|row| (row.part(), row.at()));
        for rows in rows.chunk_by(|a, b| a.part() == b.part()) {
            let Some(part) = rows.first().map(Row::part) else {
                continue;
            };
            self.go_on()?;
            let mut table = Table::new(R::SOURCE.name(), self.root.join(R::SOURCE.file(part, batch)));
            table.write(rows, R::columns)?;
            let (rows, bytes) = table.finish()?;
            let written = &mut self.written[R::SOURCE as usize];
            written.files += 1;
            written.rows += rows;
            written.bytes += bytes;
        }
        Ok(())
    }

    /// How much of a source has been written.
    pub(crate) fn written(&self, source: Source) -> Written {
        self.written[source as usize]
    }
}

/// Writes answers.
pub(crate) fn write_truth(table: &mut Table, rows: &[Truth]) -> Result<()> {
    table.write(rows, |rows| Ok(Truth::columns(rows)))
}

fn batch(columns: Vec<Column>) -> Result<RecordBatch, ArrowError> {
    let (fields, arrays): (Vec<Field>, Vec<_>) = columns
        .into_iter()
        .map(|(name, array, nullable)| (Field::new(name, array.data_type().clone(), nullable), array))
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

fn open(path: &Path, batch: &RecordBatch) -> Result<ArrowWriter<BufWriter<File>>> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let file = BufWriter::new(File::create(path).map_err(io)?);
    // The files look like those of any other system: no schema of Arrow's in them, nothing of the machine or the day.
    let properties = WriterProperties::builder()
        .set_created_by("perennial-demo version 1".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(file, batch.schema(), options).map_err(|source| Error::Parquet {
        path: path.to_owned(),
        source,
    })
}
