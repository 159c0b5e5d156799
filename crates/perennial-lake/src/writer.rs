//! The writer of the platform's own data files: sorted, bucketed, immutable Parquet.

pub(crate) mod upload;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, AsyncArrowWriter};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::error::{Error, Result};
use crate::manifest::DataFile;
use crate::snapshots::DATA_FOLDER;
use crate::statistics::column_stats;
use crate::store::Lake;
use crate::writer::upload::Upload;

/// Rows of a page: who looks up one customer decodes this many of each column.
const PAGE_ROWS: usize = 2_048;
/// The same of tables that are not served: a run reads the rows of a few of many groups.
const UNSERVED_PAGE_ROWS: usize = 512;

/// How a table's files are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterOptions {
    /// The columns that the rows come sorted by, ascending, NULLs last. Noted in the file, not checked.
    pub sort: Vec<String>,
    /// The columns that get a bloom filter.
    pub bloom: Vec<String>,
    /// The columns whose values hardly repeat: a dictionary of them would cost time and save nothing.
    pub distinct: Vec<String>,
    /// The columns whose bytes hardly repeat: compressing them would cost time and save little.
    pub dense: Vec<String>,
    /// The most rows of a row group. Small groups make one customer's rows cheap to find.
    pub row_group_rows: usize,
    /// Whether statements read the table; what only runs read has smaller pages, no bounds of each, and a compression that
    /// takes half the time for files some two fifths larger.
    pub served: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            sort: Vec::new(),
            bloom: Vec::new(),
            distinct: Vec::new(),
            dense: Vec::new(),
            row_group_rows: 131_072,
            served: true,
        }
    }
}

/// Writes one data file straight into the store, a row group at a time.
pub struct DataFileWriter {
    /// Relative to the lake.
    path: String,
    bucket: Option<u32>,
    schema: SchemaRef,
    rows: u64,
    writer: AsyncArrowWriter<Upload>,
}

impl std::fmt::Debug for DataFileWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DataFileWriter")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl DataFileWriter {
    /// Begins the file `_perennial/data/<table>/<bucket>-<unique>.parquet` (without a bucket, `all-<unique>`).
    /// `unique` must never have been used for the table and bucket: a run's random id and a counter.
    ///
    /// The file has zstd pages, or LZ4 ones where it is not served, none of either for dense columns, a page index, statistics of columns and, where it is served, of pages, and the declared order.
    ///
    /// # Errors
    /// When `table` or `unique` is not part of a path, or an option names a column that the schema does not have
    /// or that is nested.
    pub fn try_new(
        lake: &Lake,
        table: &str,
        bucket: Option<u32>,
        unique: &str,
        schema: SchemaRef,
        options: &WriterOptions,
    ) -> Result<Self> {
        let bucket_name = bucket.map_or_else(|| "all".to_owned(), |bucket| bucket.to_string());
        let path = format!("{DATA_FOLDER}/{table}/{bucket_name}-{unique}.parquet");
        if table.is_empty() || unique.is_empty() || table.contains('/') || unique.contains('/') {
            return Err(Error::InvalidPath {
                path,
                reason: "not the name of one file of one table".to_owned(),
            });
        }
        let malformed = |reason: String| Error::Malformed {
            path: path.clone(),
            reason,
        };
        let parquet_schema = ArrowSchemaConverter::new()
            .convert(&schema)
            .map_err(|error| Error::write(&path, &error))?;
        let properties = properties(&parquet_schema, options).map_err(malformed)?;
        let upload = Upload::new(lake.store(), lake.path(&path)?);
        let writer = AsyncArrowWriter::try_new(upload, Arc::clone(&schema), Some(properties))
            .map_err(|error| Error::write(&path, &error))?;
        Ok(Self {
            path,
            bucket,
            schema,
            rows: 0,
            writer,
        })
    }

    /// Appends rows. Those of a full row group leave for the store.
    ///
    /// # Errors
    /// When the batch is not of the schema, or the store fails: [`Error::DiskFull`] when it has no space.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer
            .write(batch)
            .await
            .map_err(|error| Error::write(&self.path, &error))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// How many rows have been written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes of memory the open row group takes.
    pub fn memory(&self) -> usize {
        self.writer.memory_size()
    }

    /// How many bytes the file has so far, the open row group as an estimate.
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Completes the file. It is in the store when this returns, and belongs to no table before a commit says so.
    ///
    /// # Errors
    /// When the store fails; what was sent is then withdrawn.
    pub async fn finish(mut self) -> Result<DataFile> {
        let metadata = self
            .writer
            .finish()
            .await
            .map_err(|error| Error::write(&self.path, &error))?;
        let Some((bytes, e_tag)) = self.writer.into_inner().completed() else {
            return Err(Error::Malformed {
                path: self.path,
                reason: "the file has no end".to_owned(),
            });
        };
        Ok(DataFile {
            columns: column_stats(&metadata, &self.schema),
            path: self.path,
            rows: self.rows,
            bytes,
            e_tag,
            bucket: self.bucket,
            masked: 0,
            delta: false,
        })
    }

    /// Gives the file up; what has been sent to the store is withdrawn as far as the store allows.
    pub async fn abort(self) {
        let path = self.path;
        // What remains is an orphan, which garbage collection removes.
        if let Err(error) = self.writer.into_inner().abort().await {
            tracing::debug!(%path, reason = %Error::store("delete", &path, &error), "upload not withdrawn");
        }
    }
}

fn properties(
    schema: &SchemaDescriptor,
    options: &WriterOptions,
) -> std::result::Result<WriterProperties, String> {
    let leaf = |name: &String| {
        let path = ColumnPath::new(vec![name.clone()]);
        let index = schema.columns().iter().position(|column| *column.path() == path);
        index
            .map(|index| (index, path))
            .ok_or_else(|| format!("\"{name}\" is not a flat column of the table"))
    };
    let sorting = options.sort.iter().map(|name| {
        let column_idx = i32::try_from(leaf(name)?.0).map_err(|_| "too many columns".to_owned())?;
        Ok(SortingColumn {
            column_idx,
            descending: false,
            nulls_first: false,
        })
    });
    let sorting = sorting.collect::<std::result::Result<Vec<_>, String>>()?;
    // Level 1 costs half of level 3's time for files some 5 % larger, and is decoded as fast.
    let level = ZstdLevel::try_new(1).map_err(|error| error.to_string())?;
    let rows = options.row_group_rows.max(1);
    let (page_rows, statistics, compression) = match options.served {
        true => (PAGE_ROWS, EnabledStatistics::Page, Compression::ZSTD(level)),
        false => (UNSERVED_PAGE_ROWS, EnabledStatistics::Chunk, Compression::LZ4_RAW),
    };
    let mut builder = WriterProperties::builder()
        .set_compression(compression)
        .set_created_by(concat!("perennial ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(rows))
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(page_rows)
        .set_statistics_enabled(statistics)
        .set_sorting_columns((!sorting.is_empty()).then_some(sorting));
    for name in &options.bloom {
        let (_, path) = leaf(name)?;
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_max_ndv(path, rows as u64);
    }
    for name in &options.distinct {
        builder = builder.set_column_dictionary_enabled(leaf(name)?.1, false);
    }
    for name in &options.dense {
        builder = builder.set_column_compression(leaf(name)?.1, Compression::UNCOMPRESSED);
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests;
