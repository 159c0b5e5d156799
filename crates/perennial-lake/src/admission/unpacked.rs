//! What values take that are copied when a file is read: those inside of structs, those of a fixed width, and those
//! that repeat the beginning of the one before. What they come to has to be known before. Other texts and bytes point to a
//! page or a dictionary, and are counted as they are read.

use std::sync::Arc;

use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::admission::source::Source;
use crate::admission::{PREFETCH, Rejection, check_pages, shown};

/// What any file may unpack to.
const LEAST: u64 = 256 << 20;
/// How many times its own size a larger file may unpack to.
const RATIO: u64 = 1_000;
/// A width up to which values are none to count: of numbers and the like.
const NARROW: i32 = 16;
/// Rows that are counted at once, and of texts each of which may be as long as a page.
const ROWS: usize = 256;
const FEW_ROWS: usize = 8;

/// How many bytes the values of a file of `size` bytes may take, each counted as often as it stands in a row.
pub fn most_unpacked(size: u64) -> u64 {
    LEAST.max(size.saturating_mul(RATIO))
}

/// Refuses a file whose copied values take more than [`most_unpacked`]. Of nearly all files the longest entries of the
/// dictionaries, one page of a column chunk, show that they do not; where they cannot, the values are counted.
/// Files that are not in memory by now are left to the sample: what they may unpack to is no small amount, and each page of
/// theirs is a request.
pub(super) fn check(source: &Source, arrow: &ArrowReaderMetadata, size: u64) -> Result<(), Rejection> {
    if size > PREFETCH {
        return Ok(());
    }
    let bound = most_unpacked(size);
    let (metadata, leaves) = (arrow.metadata(), arrow.parquet_schema());
    for (root, field) in arrow.schema().fields().iter().enumerate() {
        let copied: Vec<usize> = (0..leaves.num_columns())
            .filter(|leaf| leaves.get_column_root_idx(*leaf) == root && is_copied(metadata, *leaf))
            .collect();
        // By `of`, over all row groups; more than the bound is as good as all.
        let sum = |of: &dyn Fn(&Chunk<'_>) -> Result<u64, String>| {
            let mut bytes = 0_u64;
            for (group, chunk) in copied.iter().flat_map(|leaf| chunks(metadata, *leaf)) {
                let own = of(&chunk).map_err(|reason| {
                    Rejection::new(format!("has a damaged column: {reason}")).at(group, field.name())
                })?;
                bytes = bytes.saturating_add(own);
                if bytes > bound {
                    break;
                }
            }
            Ok(bytes)
        };
        if sum(&|chunk| chunk.at_most(source))? > bound && sum(&|chunk| chunk.count(source, bound))? > bound {
            return Err(Rejection {
                column: Some(field.name().clone()),
                ..Rejection::new(format!("unpacks to more than {bound} bytes"))
            });
        }
    }
    Ok(())
}

fn is_copied(metadata: &ParquetMetaData, leaf: usize) -> bool {
    let column = metadata.file_metadata().schema_descr().column(leaf);
    // A record of a list is decoded as a whole, whatever it takes: the sample, which ends at 2 GiB, judges those.
    if column.max_rep_level() > 0 {
        return false;
    }
    match column.physical_type() {
        Type::BYTE_ARRAY => {
            column.path().parts().len() > 1 || chunks(metadata, leaf).any(|(_, chunk)| chunk.repeats())
        }
        Type::FIXED_LEN_BYTE_ARRAY => column.type_length() > NARROW,
        _ => false,
    }
}

/// A column of a row group.
struct Chunk<'a> {
    group: &'a RowGroupMetaData,
    chunk: &'a ColumnChunkMetaData,
}

/// The chunks of a column, each with the number of its row group.
fn chunks(metadata: &ParquetMetaData, leaf: usize) -> impl Iterator<Item = (usize, Chunk<'_>)> {
    let groups = metadata.row_groups().iter().enumerate();
    groups.filter_map(move |(number, group)| {
        let chunk = group.columns().get(leaf)?;
        Some((number, Chunk { group, chunk }))
    })
}

impl Chunk<'_> {
    /// As much as the values take, or more.
    fn at_most(&self, source: &Source) -> Result<u64, String> {
        let values = u64::try_from(self.chunk.num_values()).unwrap_or(u64::MAX);
        let longest = match self.chunk.column_type() {
            Type::FIXED_LEN_BYTE_ARRAY => u64::from(self.chunk.column_descr().type_length().unsigned_abs()),
            _ if self.repeats() => u64::MAX,
            _ => self.longest_entry(source)?,
        };
        // What is in no dictionary stands in a page.
        let plain = u64::try_from(self.chunk.uncompressed_size()).unwrap_or(u64::MAX);
        Ok(values.saturating_mul(longest).saturating_add(plain))
    }

    /// Whether a value may repeat the one before.
    fn repeats(&self) -> bool {
        let mut encodings = self.chunk.encodings();
        encodings.any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY)
    }

    /// The length of the longest entry of the dictionary; 0 without one.
    fn longest_entry(&self, source: &Source) -> Result<u64, String> {
        if self.chunk.num_values() == 0 {
            return Ok(0);
        }
        check_pages(source, self.chunk)?;
        let page = self.pages(source).and_then(|mut pages| pages.get_next_page());
        let Some(Page::DictionaryPage { buf, .. }) = page.map_err(|error| shown(&error))? else {
            return Ok(0);
        };
        let (mut rest, mut longest) = (buf.as_ref(), 0_usize);
        while let Some((length, entries)) = rest.split_first_chunk() {
            let length = u32::from_le_bytes(*length) as usize;
            longest = longest.max(length);
            rest = entries.get(length..).unwrap_or_default();
        }
        Ok(longest as u64)
    }

    /// What the values take, as far as it is no more than `bound`.
    fn count(&self, source: &Source, bound: u64) -> Result<u64, String> {
        let rows = if self.repeats() { FEW_ROWS } else { ROWS };
        let column = self.chunk.column_descr_ptr();
        let counted = self
            .pages(source)
            .and_then(|pages| match get_column_reader(column, Box::new(pages)) {
                ColumnReader::ByteArrayColumnReader(mut reader) => {
                    count(&mut reader, rows, bound, |value| value.len())
                }
                ColumnReader::FixedLenByteArrayColumnReader(mut reader) => {
                    count(&mut reader, rows, bound, |value| value.len())
                }
                _ => Ok(0),
            });
        counted.map_err(|error| shown(&error))
    }

    fn pages(&self, source: &Source) -> Result<SerializedPageReader<Source>, ParquetError> {
        let rows = usize::try_from(self.group.num_rows()).unwrap_or_default();
        SerializedPageReader::new(Arc::new(source.clone()), self.chunk, rows, None)
    }
}

/// Values that are one entry of a dictionary share it, so that this takes little.
fn count<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    bound: u64,
    length: impl Fn(&T::T) -> usize,
) -> Result<u64, ParquetError> {
    let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0_u64;
    while bytes <= bound {
        definitions.clear();
        repetitions.clear();
        values.clear();
        let (records, ..) =
            reader.read_records(rows, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
        if records == 0 {
            break;
        }
        bytes += values.iter().map(|value| length(value) as u64).sum::<u64>();
    }
    Ok(bytes)
}
