//! Files that people ask for: rows of a query, in a folder of the lake that no source takes files from.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::store::Lake;
use crate::writer::upload::Upload;

/// Where exported files are, below the lake. Runs pass over names that begin with an underscore.
pub const EXPORT_FOLDER: &str = "_exports";

/// Bytes of an open row group after which it is sent.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Writes one file. It is there as a whole when [`Self::finish`] returns, in the place of one of its name, and not before.
pub struct ExportWriter {
    /// Relative to the lake.
    path: String,
    writer: Writer,
}

enum Writer {
    Parquet(Box<AsyncArrowWriter<Upload>>),
    Bytes(Box<Upload>),
}

impl std::fmt::Debug for ExportWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ExportWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl ExportWriter {
    /// Begins a Parquet file of these columns, at a path below [`EXPORT_FOLDER`].
    ///
    /// # Errors
    /// When the path leads elsewhere, and when a column is of a type that Parquet does not have.
    pub fn parquet(lake: &Lake, relative: &str, schema: SchemaRef) -> Result<Self> {
        let (path, upload) = begun(lake, relative)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = AsyncArrowWriter::try_new(upload, schema, Some(properties));
        let writer = writer.map_err(|error| Error::write(&path, &error))?;
        Ok(Self {
            path,
            writer: Writer::Parquet(Box::new(writer)),
        })
    }

    /// Begins a file of any bytes, likewise.
    ///
    /// # Errors
    /// When the path leads elsewhere.
    pub fn bytes(lake: &Lake, relative: &str) -> Result<Self> {
        let (path, upload) = begun(lake, relative)?;
        Ok(Self {
            path,
            writer: Writer::Bytes(Box::new(upload)),
        })
    }

    /// The path relative to the lake.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Appends rows to a Parquet file.
    ///
    /// # Errors
    /// When the rows are of other columns, the file is no Parquet, or the store fails.
    pub async fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let Writer::Parquet(writer) = &mut self.writer else {
            return Err(Error::Malformed {
                path: self.path.clone(),
                reason: "rows for a file of bytes".to_owned(),
            });
        };
        let mut written = writer.write(rows).await;
        if written.is_ok() && writer.memory_size() > ROW_GROUP_BYTES {
            written = writer.flush().await;
        }
        written.map_err(|error| Error::write(&self.path, &error))
    }

    /// Appends bytes to a file of bytes.
    ///
    /// # Errors
    /// When the file is Parquet, or the store fails.
    pub async fn text(&mut self, bytes: Bytes) -> Result<()> {
        let Writer::Bytes(upload) = &mut self.writer else {
            return Err(Error::Malformed {
                path: self.path.clone(),
                reason: "bytes for a file of rows".to_owned(),
            });
        };
        upload
            .write(bytes)
            .await
            .map_err(|error| Error::write(&self.path, &error))
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When the store fails; what was sent is then withdrawn.
    pub async fn finish(mut self) -> Result<()> {
        let ended = match &mut self.writer {
            Writer::Parquet(writer) => writer.finish().await.map(drop),
            Writer::Bytes(upload) => upload.complete().await,
        };
        ended.map_err(|error| Error::write(&self.path, &error))
    }

    /// Gives the file up; what has been sent is withdrawn as far as the store allows.
    pub async fn abort(self) {
        let mut upload = match self.writer {
            Writer::Parquet(writer) => writer.into_inner(),
            Writer::Bytes(upload) => *upload,
        };
        if let Err(error) = upload.abort().await {
            let path = self.path;
            tracing::debug!(%path, reason = %Error::store("delete", &path, &error), "upload not withdrawn");
        }
    }
}

fn begun(lake: &Lake, relative: &str) -> Result<(String, Upload)> {
    let refused = |reason: &str| Error::InvalidPath {
        path: relative.to_owned(),
        reason: reason.to_owned(),
    };
    if relative.starts_with('/') || relative.contains("://") {
        return Err(refused("it must be relative to the folder of exports"));
    }
    if relative.is_empty() || relative.ends_with('/') {
        return Err(refused("it names no file"));
    }
    let path = format!("{EXPORT_FOLDER}/{relative}");
    let upload = Upload::new(lake.store(), lake.path(&path)?);
    Ok((path, upload))
}
