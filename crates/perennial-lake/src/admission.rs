//! The one look at the inside of a landed file that decides whether it is served or quarantined.
//!
//! A file is written by somebody else and may hold anything. What it announces is checked against its size and
//! against fixed bounds before the Parquet library allocates or decodes it, and the library runs where its panics
//! are caught (parquet 59 panics on a footer longer than its file, and on some damaged pages).

mod source;
mod thrift;
mod unpacked;

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::ObjectStoreExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use crate::admission::source::{Source, whole_range};
use crate::admission::thrift::{FooterShape, footer_shape, page_shape};
pub use crate::admission::unpacked::most_unpacked;
use crate::contract::StoredSchema;
use crate::discovery::Landed;
use crate::error::{Error, Result, lower_first, strip_prefix};
use crate::manifest::ColumnStats;
use crate::statistics::column_stats;
use crate::store::Lake;

/// The magic bytes, the footer's length, and the magic bytes: no Parquet file is shorter.
const MIN_FILE: u64 = 12;
/// The largest footer; one of 1,600 columns and 200 row groups is some 40 MiB.
const MAX_FOOTER: u64 = 64 << 20;
/// The most columns, leaves of nested ones counted; PostgreSQL has the same bound.
const MAX_COLUMNS: usize = 1_600;
/// The longest name of a column, in bytes: names are told in catalogs and messages.
const MAX_NAME: usize = 1_024;
/// The deepest nesting of a column.
const MAX_NESTING: usize = 64;
const MAX_ROW_GROUPS: usize = 65_536;
/// Writers cut row groups at about a million rows, the largest default known is 64 Mi.
const MAX_GROUP_ROWS: i64 = 1 << 30;
/// The largest page when unpacked; writers cut them at 1 MiB, few at more than 100 MB.
const MAX_PAGE: i64 = 256 << 20;
/// The most values of a page of a list column: all of them can be of one row, which is decoded at once.
const MAX_LIST_PAGE_VALUES: i64 = 1 << 24;
/// A column chunk above this size must not unpack to more than [`MAX_RATIO`] times what it takes in the file.
const BOMB_SIZE: i64 = 256 << 20;
const MAX_RATIO: i64 = 10_000;
/// The rows decoded of the first and the last row group, fewer when pages hold large values.
const SAMPLE_ROWS: usize = 1_024;
const SAMPLE_BYTES: i64 = 64 << 20;
/// Files up to this size are fetched in one request, of larger ones this much of the sampled row groups.
const PREFETCH: u64 = 16 << 20;

/// What is known of an admitted file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileFacts {
    /// The columns in the file, in its order and with its own types; partition columns are not among them.
    pub schema: SchemaRef,
    /// The hive partition columns from the path.
    pub partitions: Vec<(String, String)>,
    /// How many rows it has.
    pub rows: u64,
    /// In how many row groups.
    pub row_groups: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bounds per column of `schema`.
    pub stats: Vec<ColumnStats>,
}

/// Why a file is quarantined, worded for the person who delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What is wrong, as the predicate of a sentence about the file.
    pub reason: String,
    /// The row group concerned, from 0.
    pub row_group: Option<usize>,
    /// The column concerned.
    pub column: Option<String>,
    /// How many rows the footer says that the file has; 0 where it cannot be read.
    pub rows: u64,
}

impl Rejection {
    /// A refusal of the whole file.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            row_group: None,
            column: None,
            rows: 0,
        }
    }

    /// The refusal of a file whose footer says that it has so many rows.
    #[must_use]
    pub fn of_rows(mut self, rows: u64) -> Self {
        self.rows = rows;
        self
    }

    fn at(mut self, row_group: usize, column: &str) -> Self {
        (self.row_group, self.column) = (Some(row_group), Some(column.to_owned()));
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)?;
        match (self.row_group, &self.column) {
            (Some(group), Some(column)) => write!(formatter, " (row group {group}, column \"{column}\")"),
            (Some(group), None) => write!(formatter, " (row group {group})"),
            (None, Some(column)) => write!(formatter, " (column \"{column}\")"),
            (None, None) => Ok(()),
        }
    }
}

/// The verdict on a landed file: what it holds, or why it is refused.
pub type Inspection = std::result::Result<FileFacts, Rejection>;

/// Opens a landed file, checks it and decodes a sample of every column. The outer error is the store's: the file
/// could not be judged and should be looked at again. The inner one is the verdict.
///
/// Reads the footer and the first pages of the first and last row groups, at most some 32 MiB ahead. Whether the
/// columns are those of the source is for [`Contract::fit`](crate::Contract::fit) to say.
///
/// # Errors
/// [`Error::Replaced`] or [`Error::NotFound`] when the file changes meanwhile, and whatever the store answers.
pub async fn inspect(lake: &Lake, landed: &Landed) -> Result<Inspection> {
    let failed = |error: object_store::Error| Error::store("read", &landed.path, &error);
    let path = lake.path(&landed.path)?;
    let verdict = judge(lake, landed, &path).await;
    // A verdict on a file that changed while it was read is on neither version.
    let now = lake.store().head(&path).await.map_err(failed)?;
    match landed.unchanged(now.size, now.e_tag.as_deref()) {
        true => verdict,
        false => Err(Error::Replaced {
            path: landed.path.clone(),
        }),
    }
}

async fn judge(lake: &Lake, landed: &Landed, path: &object_store::path::Path) -> Result<Inspection> {
    let failed = |error: object_store::Error| Error::store("read", &landed.path, &error);
    let store = lake.store();
    let size = landed.size;
    if size == 0 {
        return Ok(Err(Rejection::new("is empty")));
    }
    let head = whole_range(&store, path, 0..size.min(8)).await.map_err(failed)?;
    let tail = whole_range(&store, path, size.saturating_sub(8)..size)
        .await
        .map_err(failed)?;
    let footer_range = match footer_range(size, &head, &tail) {
        Ok(range) => range,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let footer = whole_range(&store, path, footer_range.clone())
        .await
        .map_err(failed)?;
    let parsed = caught(move || parse_footer(&footer, footer_range.start)).await?;
    let (metadata, arrow) = match parsed {
        Ok(parsed) => parsed,
        Err(rejection) => return Ok(Err(rejection)),
    };

    let rows = footer_rows(&metadata);
    let ranges = prefetch_ranges(&metadata, size);
    let source = Source::fetch(store, path.clone(), size, &ranges)
        .await
        .map_err(failed)?;
    let sampled = caught({
        let (source, arrow) = (source.clone(), arrow.clone());
        move || {
            unpacked::check(&source, &arrow, size)?;
            sample(&source, &arrow)
        }
    })
    .await?;
    if let Some(error) = source.failure() {
        return Err(failed(error));
    }
    let landed = landed.clone();
    let facts = caught(move || {
        sampled?;
        let schema = Arc::clone(arrow.schema());
        Ok(FileFacts {
            stats: column_stats(&metadata, &schema),
            schema,
            partitions: landed.partitions,
            rows,
            row_groups: metadata.num_row_groups() as u64,
            bytes: landed.size,
        })
    })
    .await?;
    Ok(facts.map_err(|rejection| rejection.of_rows(rows)))
}

/// How many rows a footer says that there are in all, which [`check_layout`] compares with its row groups.
fn footer_rows(metadata: &ParquetMetaData) -> u64 {
    u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0)
}

/// Runs work over untrusted bytes on a thread of its own; a panic is the file's fault.
async fn caught<T: Send + 'static>(
    work: impl FnOnce() -> std::result::Result<T, Rejection> + Send + 'static,
) -> Result<std::result::Result<T, Rejection>> {
    let work = move || catch_unwind(AssertUnwindSafe(work));
    let outcome = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Unavailable {
            operation: "read",
            path: "a landed file".to_owned(),
            reason: "the process is going away".to_owned(),
        })?;
    Ok(outcome.unwrap_or_else(|_| Err(Rejection::new("is damaged: it cannot be decoded"))))
}

/// Where the footer is, from the first and the last eight bytes.
fn footer_range(size: u64, head: &[u8], tail: &[u8]) -> std::result::Result<Range<u64>, Rejection> {
    let magic = head.get(..4).unwrap_or(head);
    if magic == b"PARE" {
        return Err(Rejection::new("is encrypted, which is not supported"));
    }
    if magic != b"PAR1" {
        let begin = excerpt(head);
        return Err(Rejection::new(format!(
            "is not a Parquet file: begins with {begin} instead of \"PAR1\""
        )));
    }
    if size < MIN_FILE {
        return Err(Rejection::new(format!(
            "is cut: {size} bytes are fewer than any Parquet file has"
        )));
    }
    let (length, magic) = tail.split_at_checked(4).unwrap_or_default();
    if magic == b"PARE" {
        return Err(Rejection::new("is encrypted, which is not supported"));
    }
    if magic != b"PAR1" {
        return Err(Rejection::new(
            "is cut or still being written: it does not end with \"PAR1\"",
        ));
    }
    let length = u64::from(
        <[u8; 4]>::try_from(length)
            .map(u32::from_le_bytes)
            .unwrap_or_default(),
    );
    if length > size - MIN_FILE {
        let reason = format!("is cut: the footer says that it has {length} bytes, the file has {size}");
        return Err(Rejection::new(reason));
    }
    if length == 0 {
        return Err(Rejection::new("has a damaged footer"));
    }
    if length > MAX_FOOTER {
        return Err(Rejection::new(format!(
            "has a footer of {length} bytes, the bound is {MAX_FOOTER}"
        )));
    }
    Ok(size - 8 - length..size - 8)
}

/// The first bytes as a reader would like to see them: as text when they are, else in hexadecimal digits.
fn excerpt(head: &[u8]) -> String {
    let begin = head.get(..6).unwrap_or(head);
    let text = match std::str::from_utf8(begin) {
        Ok(text) => text,
        // The last letter may go on behind these bytes.
        Err(error) if error.error_len().is_none() => begin
            .get(..error.valid_up_to())
            .and_then(|whole| std::str::from_utf8(whole).ok())
            .unwrap_or_default(),
        Err(_) => "",
    };
    let text = text
        .replace('\r', "\\r")
        .replace('\n', "\\n")
        .replace('\t', "\\t");
    match text {
        text if !text.is_empty() && !text.contains(char::is_control) => format!("\"{text}\""),
        _ => format!(
            "the bytes {}",
            head.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ")
        ),
    }
}

type Parsed = (Arc<ParquetMetaData>, ArrowReaderMetadata);

fn parse_footer(footer: &[u8], data_end: u64) -> std::result::Result<Parsed, Rejection> {
    let shape = footer_shape(footer).ok_or_else(|| Rejection::new("has a damaged footer"))?;
    check_shape(&shape)?;
    let damaged = |error: ParquetError| Rejection::new(format!("has a damaged footer: {}", shown(&error)));
    let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(footer).map_err(damaged)?);
    let arrow =
        check_footer(&metadata, data_end).map_err(|rejection| rejection.of_rows(footer_rows(&metadata)))?;
    Ok((metadata, arrow))
}

/// Checks a footer that can be read.
fn check_footer(
    metadata: &Arc<ParquetMetaData>,
    data_end: u64,
) -> std::result::Result<ArrowReaderMetadata, Rejection> {
    check_layout(metadata, data_end)?;
    let options = ArrowReaderOptions::new();
    let arrow = ArrowReaderMetadata::try_new(Arc::clone(metadata), options)
        .map_err(|error| Rejection::new(format!("has a schema that cannot be read: {}", shown(&error))))?;
    StoredSchema::try_new(arrow.schema()).map_err(|misfit| Rejection {
        column: Some(misfit.column.clone()),
        ..Rejection::new(format!("is not usable: {misfit}"))
    })?;
    Ok(arrow)
}

fn check_shape(shape: &FooterShape) -> std::result::Result<(), Rejection> {
    let bound = |what: &str, found: usize, bound: usize| match found > bound {
        true => Err(Rejection::new(format!(
            "has {found} {what}, the bound is {bound}"
        ))),
        false => Ok(()),
    };
    bound("columns", shape.leaves, MAX_COLUMNS)?;
    // A leaf has at most its depth in groups above it, and most columns have none.
    bound("elements in its schema", shape.elements, MAX_COLUMNS * 8)?;
    bound("bytes in the name of a column", shape.longest_name, MAX_NAME)?;
    bound("levels of nesting", shape.depth, MAX_NESTING)?;
    bound("row groups", shape.row_groups, MAX_ROW_GROUPS)?;
    bound("columns in a row group", shape.row_group_columns, MAX_COLUMNS)
}

/// Checks that everything that the footer names is inside of the file, before the footer itself, and of a size
/// that can be.
fn check_layout(metadata: &ParquetMetaData, data_end: u64) -> std::result::Result<(), Rejection> {
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let mut total: i64 = 0;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let rows = group.num_rows();
        let in_group = |reason: String| Rejection {
            row_group: Some(index),
            ..Rejection::new(reason)
        };
        if !(0..=MAX_GROUP_ROWS).contains(&rows) {
            return Err(in_group(format!(
                "has a row group of {rows} rows, the bound is {MAX_GROUP_ROWS}"
            )));
        }
        total = total.saturating_add(rows);
        if group.num_columns() != columns {
            return Err(in_group(format!(
                "has {} columns in a row group, its schema has {columns}",
                group.num_columns()
            )));
        }
        for chunk in group.columns() {
            check_chunk(chunk, rows, data_end)
                .map_err(|reason| Rejection::new(reason).at(index, &name_of(chunk)))?;
        }
    }
    let announced = metadata.file_metadata().num_rows();
    if announced != total {
        return Err(Rejection::new(format!(
            "contradicts itself: {announced} rows in all, {total} in its row groups"
        )));
    }
    Ok(())
}

fn check_chunk(chunk: &ColumnChunkMetaData, rows: i64, data_end: u64) -> std::result::Result<(), String> {
    if chunk.file_path().is_some_and(|path| !path.is_empty()) {
        return Err("keeps a column in another file, which is not supported".to_owned());
    }
    let (packed, unpacked) = (chunk.compressed_size(), chunk.uncompressed_size());
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or_else(|| chunk.data_page_offset());
    let (Ok(start), Ok(length)) = (u64::try_from(start), u64::try_from(packed)) else {
        return Err("has a column at a negative place".to_owned());
    };
    if start < 4 || start.saturating_add(length) > data_end {
        return Err("is cut: a column lies outside of the file".to_owned());
    }
    if unpacked < 0 || unpacked > BOMB_SIZE && unpacked / packed.max(1) > MAX_RATIO {
        return Err(format!(
            "unpacks {packed} bytes to {unpacked}, more than {MAX_RATIO} times as much"
        ));
    }
    let flat = chunk.column_descr().max_rep_level() == 0;
    if flat && chunk.num_values() != rows {
        return Err(format!(
            "contradicts itself: {} values in {rows} rows",
            chunk.num_values()
        ));
    }
    Ok(())
}

/// The row groups whose first rows are decoded: the first and the last that have any.
fn sampled_groups(metadata: &ParquetMetaData) -> Vec<usize> {
    let groups = metadata.row_groups();
    let filled = |index: &usize| groups.get(*index).is_some_and(|group| group.num_rows() > 0);
    let first = (0..groups.len()).find(filled);
    let last = (0..groups.len()).rev().find(filled);
    let mut sampled: Vec<usize> = first.into_iter().chain(last).collect();
    sampled.dedup();
    sampled
}

/// What the sample will probably need, to be fetched at once.
fn prefetch_ranges(metadata: &ParquetMetaData, size: u64) -> Vec<Range<u64>> {
    if size <= PREFETCH {
        return std::iter::once(0..size).collect();
    }
    let sampled = sampled_groups(metadata);
    let chunks = sampled
        .iter()
        .filter_map(|index| metadata.row_groups().get(*index))
        .flat_map(|group| group.columns());
    let chunks: Vec<_> = chunks.map(ColumnChunkMetaData::byte_range).collect();
    let each = (PREFETCH / (chunks.len() as u64).max(1)).min(256 << 10);
    chunks
        .into_iter()
        .map(|(start, length)| start..start + length.min(each))
        .collect()
}

/// Decodes the first rows of the sampled row groups, one column at a time, so that memory is bounded by a page
/// or two and the culprit is known.
fn sample(source: &Source, arrow: &ArrowReaderMetadata) -> std::result::Result<(), Rejection> {
    let metadata = arrow.metadata();
    let parquet_schema = arrow.parquet_schema();
    for index in sampled_groups(metadata) {
        let Some(group) = metadata.row_groups().get(index) else {
            continue;
        };
        for (root, field) in arrow.schema().fields().iter().enumerate() {
            let column = |reason: String| Rejection::new(reason).at(index, field.name());
            let mut rows = SAMPLE_ROWS;
            for (leaf, chunk) in group.columns().iter().enumerate() {
                if parquet_schema.get_column_root_idx(leaf) == root {
                    rows = rows.min(check_pages(source, chunk).map_err(column)?);
                }
            }
            let decode = || -> std::result::Result<(), String> {
                let reader =
                    ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), arrow.clone())
                        .with_projection(ProjectionMask::roots(parquet_schema, [root]))
                        .with_row_groups(vec![index])
                        .with_batch_size(rows)
                        .with_limit(rows)
                        .build()
                        .map_err(|error| shown(&error))?;
                for batch in reader {
                    batch.map_err(|error| lower_first(&strip_prefix(&error.to_string())))?;
                }
                Ok(())
            };
            let outcome = catch_unwind(AssertUnwindSafe(decode));
            let outcome = outcome.unwrap_or_else(|_| Err("it cannot be decoded".to_owned()));
            outcome.map_err(|reason| column(format!("has a damaged column: {reason}")))?;
        }
    }
    Ok(())
}

/// Checks the sizes of the first pages of a column chunk, up to and with its first data page; answers how many
/// rows may be decoded at once.
fn check_pages(source: &Source, chunk: &ColumnChunkMetaData) -> std::result::Result<usize, String> {
    const HEADER: u64 = 64 << 10;
    let (start, length) = chunk.byte_range();
    let (mut at, end) = (start, start + length);
    let mut rows = SAMPLE_ROWS;
    while at < end {
        let bytes = source
            .read(at, HEADER.min(end - at))
            .map_err(|error| shown(&error))?;
        let page = page_shape(&bytes).ok_or_else(|| "has a damaged page".to_owned())?;
        at += page.header as u64;
        let Some(body) = u64::try_from(page.compressed)
            .ok()
            .filter(|length| at + length <= end)
        else {
            return Err("is cut: a page reaches behind its column".to_owned());
        };
        if !(0..=MAX_PAGE).contains(&page.uncompressed) {
            return Err(format!(
                "has a page that unpacks to {} bytes, the bound is {MAX_PAGE}",
                page.uncompressed
            ));
        }
        if chunk.column_descr().max_rep_level() > 0 && page.values > MAX_LIST_PAGE_VALUES {
            return Err(format!(
                "has a page of {} list elements, the bound is {MAX_LIST_PAGE_VALUES}",
                page.values
            ));
        }
        if !page.dictionary {
            break;
        }
        // One entry of a dictionary can be as large as the page, and every row can be that entry.
        let fitting = SAMPLE_BYTES / page.uncompressed.max(1);
        rows = rows.min(usize::try_from(fitting).unwrap_or(SAMPLE_ROWS)).max(1);
        at += body;
    }
    Ok(rows)
}

fn name_of(chunk: &ColumnChunkMetaData) -> String {
    chunk.column_path().parts().join(".")
}

fn shown(error: &ParquetError) -> String {
    lower_first(&strip_prefix(&error.to_string()))
}

#[cfg(test)]
mod tests;
