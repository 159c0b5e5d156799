//! Pages of sorted files, found by their bounds and kept as they were decoded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use futures::TryStreamExt;
use object_store::path::Path;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use perennial_lake::RowSet;
use tokio::sync::OnceCell;

use crate::provider::with_views;

/// A reader of one file.
pub(super) type Reader = Box<dyn AsyncFileReader + Send>;
/// Columns by their names.
type Columns = HashMap<String, ArrayRef>;

/// Decoded pages, up to a number of bytes. Those that nobody asked for while half as many bytes came are dropped.
///
/// Files of a table never change, so that pages are never stale.
#[derive(Debug)]
pub(crate) struct Pages {
    limit: usize,
    generations: Mutex<Generations>,
}

/// The pages that were asked for since the last change of generations, and those of before.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<(Path, usize), Arc<Page>>,
    old: HashMap<(Path, usize), Arc<Page>>,
    /// Of the young.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Page {
    columns: Columns,
    bytes: usize,
}

impl Pages {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            generations: Mutex::default(),
        }
    }

    fn get(&self, key: &(Path, usize)) -> Option<Arc<Page>> {
        let mut generations = self.generations.lock();
        if let Some(page) = generations.young.get(key) {
            return Some(Arc::clone(page));
        }
        let page = generations.old.remove(key)?;
        self.add(&mut generations, key, &page);
        Some(page)
    }

    fn put(&self, key: &(Path, usize), page: &Arc<Page>) {
        self.add(&mut self.generations.lock(), key, page);
    }

    fn add(&self, generations: &mut Generations, key: &(Path, usize), page: &Arc<Page>) {
        if page.bytes > self.limit / 2 {
            return;
        }
        if generations.bytes + page.bytes > self.limit / 2 {
            generations.old = std::mem::take(&mut generations.young);
            generations.bytes = 0;
        }
        generations.bytes += page.bytes;
        if let Some(before) = generations.young.insert(key.clone(), Arc::clone(page)) {
            generations.bytes -= before.bytes;
        }
    }
}

/// A file that is sorted by a column of text.
#[derive(Debug)]
pub(crate) struct KeyedFile {
    file: PartitionedFile,
    /// What no value of the column is beyond; none where that is not known.
    least: Option<String>,
    most: Option<String>,
    /// Whether every row has NULL for it.
    nobody: bool,
    /// The rows that do not count.
    mask: Option<Arc<RowSet>>,
    bounds: OnceCell<Bounds>,
}

impl KeyedFile {
    pub(super) fn new(file: &PartitionedFile, column: usize, rows: u64, mask: Option<Arc<RowSet>>) -> Self {
        let statistics = file.statistics.as_ref();
        let of_column = statistics.and_then(|statistics| statistics.column_statistics.get(column));
        let text = |bound: &datafusion::common::ScalarValue| bound.try_as_str().flatten().map(str::to_owned);
        Self {
            file: file.clone(),
            least: of_column.and_then(|column| text(column.min_value.get_value()?)),
            most: of_column.and_then(|column| text(column.max_value.get_value()?)),
            nobody: of_column
                .and_then(|column| column.null_count.get_value())
                .is_some_and(|nulls| *nulls as u64 == rows),
            mask,
            bounds: OnceCell::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.object_meta.location
    }

    /// The file as a plan names it.
    pub(super) fn planned(&self) -> PartitionedFile {
        PartitionedFile::new_from_meta(self.file.object_meta.clone())
    }

    /// Whether it may have rows of any of the keys, which are in order.
    pub(super) fn may_have(&self, keys: &[String]) -> bool {
        !self.nobody && within(self.least.as_deref(), self.most.as_deref(), keys)
    }

    /// Which of `count` rows from `first` on count; none when all do.
    pub(super) fn left(&self, first: u64, count: usize) -> Option<BooleanArray> {
        let end = first + count as u64;
        let runs = self.mask.as_ref()?.runs();
        let next = runs.partition_point(|(_, until)| *until <= first);
        let here: Vec<_> = runs
            .iter()
            .skip(next)
            .take_while(|(from, _)| *from < end)
            .collect();
        if here.is_empty() {
            return None;
        }
        let masked = |row: u64| here.iter().any(|(from, until)| (*from..*until).contains(&row));
        Some((first..end).map(|row| Some(!masked(row))).collect())
    }

    /// What the file's footer says of its pages; it is read once.
    pub(super) async fn bounds(&self, column: &str, open: impl Fn() -> Result<Reader>) -> Result<&Bounds> {
        self.bounds
            .get_or_try_init(|| async {
                let (_, metadata) = opened(open()?).await?;
                Bounds::new(metadata.metadata(), column)
            })
            .await
    }
}

/// Whether any of the keys, which are in order, is within bounds.
fn within(least: Option<&str>, most: Option<&str>, keys: &[String]) -> bool {
    let from = least.map_or(0, |least| keys.partition_point(|key| key.as_str() < least));
    let first = keys.get(from);
    first.is_some_and(|first| most.is_none_or(|most| first.as_str() <= most))
}

/// Pages of the column that a file is sorted by. Rows of the other columns are read in the same ranges.
#[derive(Debug)]
pub(super) struct Bounds {
    /// The columns that the file has.
    columns: HashSet<String>,
    pages: Vec<PageBounds>,
}

#[derive(Debug)]
struct PageBounds {
    group: usize,
    /// The number of its first row in the file.
    place: u64,
    /// The number of its first row in the group.
    first: usize,
    rows: usize,
    least: Option<String>,
    most: Option<String>,
}

impl Bounds {
    fn new(metadata: &ParquetMetaData, column: &str) -> Result<Self> {
        let parquet_schema = metadata.file_metadata().schema_descr();
        let key_value = metadata.file_metadata().key_value_metadata();
        let schema = with_views(&parquet_to_arrow_schema(parquet_schema, key_value)?);
        let converter = StatisticsConverter::try_new(column, &schema, parquet_schema)?;
        let mut pages = Vec::new();
        let mut before = 0;
        for (group, rows) in metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(rows.num_rows()).unwrap_or(0);
            let start = before;
            before += rows as u64;
            let indexed = metadata.column_index().zip(metadata.offset_index());
            let known = match indexed {
                Some((columns, offsets)) => converter
                    .data_page_row_counts(offsets, metadata.row_groups(), [&group])?
                    .map(|counts| -> Result<_> {
                        let least = converter.data_page_mins(columns, offsets, [&group])?;
                        let most = converter.data_page_maxes(columns, offsets, [&group])?;
                        Ok((counts, text(&least)?, text(&most)?))
                    })
                    .transpose()?,
                None => None,
            };
            let Some((counts, least, most)) = known else {
                // Without an index the whole group is one page, which may have anything.
                pages.push(PageBounds {
                    group,
                    place: start,
                    first: 0,
                    rows,
                    least: None,
                    most: None,
                });
                continue;
            };
            let mut first = 0;
            for (at, count) in counts.iter().enumerate() {
                let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0);
                let bound = |of: &StringViewArray| of.is_valid(at).then(|| of.value(at).to_owned());
                pages.push(PageBounds {
                    group,
                    place: start + first as u64,
                    first,
                    rows: count,
                    least: bound(&least),
                    most: bound(&most),
                });
                first += count;
            }
        }
        Ok(Self {
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
            pages,
        })
    }

    /// The number of a page's first row in the file.
    pub(super) fn place(&self, page: usize) -> u64 {
        self.pages.get(page).map_or(0, |page| page.place)
    }

    /// The numbers of the pages that may have rows of the keys, which are in order.
    pub(super) fn with(&self, keys: &[String]) -> impl Iterator<Item = usize> {
        let pages = self.pages.iter().enumerate();
        pages
            .filter(move |(_, page)| within(page.least.as_deref(), page.most.as_deref(), keys))
            .map(|(at, _)| at)
    }

    /// The named columns of a page, as far as the file has them, and whether any had to be decoded.
    pub(super) async fn page<'a>(
        &self,
        number: usize,
        names: impl Iterator<Item = &'a str> + Send,
        pages: &Pages,
        file: &KeyedFile,
        open: impl Fn() -> Result<Reader>,
    ) -> Result<(Found, bool)> {
        let key = (file.path().clone(), number);
        let known = pages.get(&key).unwrap_or_default();
        let missing: HashSet<&str> = names
            .filter(|name| !known.columns.contains_key(*name) && self.columns.contains(*name))
            .collect();
        let Some(bounds) = self.pages.get(number).filter(|_| !missing.is_empty()) else {
            return Ok((Found(known), false));
        };
        let mut columns = known.columns.clone();
        columns.extend(decoded(open()?, bounds, &missing).await?);
        let bytes = columns
            .values()
            .map(|column| column.get_array_memory_size())
            .sum();
        let page = Arc::new(Page { columns, bytes });
        pages.put(&key, &page);
        Ok((Found(page), true))
    }
}

/// The columns of a page that is kept.
#[derive(Debug)]
pub(super) struct Found(Arc<Page>);

impl Found {
    pub(super) fn get(&self, name: &str) -> Option<&ArrayRef> {
        self.0.columns.get(name)
    }
}

/// A file's reader and its footer, columns of text to be read without copies.
async fn opened(reader: Reader) -> Result<(Box<dyn AsyncFileReader>, ArrowReaderMetadata)> {
    let mut reader: Box<dyn AsyncFileReader> = reader;
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let found = ArrowReaderMetadata::load_async(&mut reader, options.clone()).await?;
    let options = options.with_schema(with_views(found.schema()));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options)?;
    Ok((reader, metadata))
}

async fn decoded(reader: Reader, page: &PageBounds, names: &HashSet<&str>) -> Result<Columns> {
    let (reader, metadata) = opened(reader).await?;
    let fields = metadata.schema().fields().iter().enumerate();
    let roots = fields.filter(|(_, field)| names.contains(field.name().as_str()));
    let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.map(|(root, _)| root));
    let rows = RowSelection::from(vec![
        RowSelector::skip(page.first),
        RowSelector::select(page.rows),
    ]);
    let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
        .with_row_groups(vec![page.group])
        .with_row_selection(rows)
        .with_projection(mask)
        .with_batch_size(page.rows.max(1))
        .build()?;
    let schema = Arc::clone(stream.schema());
    let batches: Vec<_> = stream.try_collect().await?;
    let batch = concat_batches(&schema, &batches)?;
    let names = schema.fields().iter().map(|field| field.name().clone());
    Ok(names.zip(batch.columns().iter().cloned()).collect())
}

fn text(array: &ArrayRef) -> Result<StringViewArray> {
    let array = cast(array, &DataType::Utf8View)?;
    let text = array.as_any().downcast_ref::<StringViewArray>();
    text.cloned()
        .ok_or_else(|| DataFusionError::Internal("bounds of text are no text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(page: usize) -> (Path, usize) {
        (Path::from("data/a.parquet"), page)
    }

    fn of(bytes: usize) -> Arc<Page> {
        Arc::new(Page {
            columns: Columns::new(),
            bytes,
        })
    }

    #[test]
    fn pages_that_are_asked_for_stay_and_the_others_go() {
        let pages = Pages::new(100);
        for page in 0..1_000 {
            pages.put(&key(page), &of(9));
            assert!(pages.get(&key(0)).is_some(), "{page}");
            let generations = pages.generations.lock();
            let kept = generations.young.values().chain(generations.old.values());
            assert!(kept.map(|page| page.bytes).sum::<usize>() <= 100, "{page}");
        }
        assert!(pages.get(&key(900)).is_none());
        assert!(pages.get(&key(999)).is_some());
    }

    #[test]
    fn a_page_counts_once_however_often_columns_are_added_and_one_too_large_is_not_kept() {
        let pages = Pages::new(100);
        for bytes in [10, 20, 30] {
            pages.put(&key(0), &of(bytes));
        }
        assert_eq!(pages.generations.lock().bytes, 30);
        pages.put(&key(1), &of(51));
        assert!(pages.get(&key(1)).is_none());
    }

    #[test]
    fn masked_rows_are_left_out_wherever_a_range_begins() {
        let mut mask = RowSet::default();
        for (from, until) in [(2, 4), (7, 8), (9, 12)] {
            mask.push(from, until);
        }
        let file = PartitionedFile::new("data/a.parquet", 1);
        let file = KeyedFile::new(&file, 0, 20, Some(Arc::new(mask)));
        for first in 0..20_u64 {
            for count in 0..(20 - first) {
                let kept = |row: u64| !matches!(row, 2 | 3 | 7 | 9..12);
                let expected: Vec<bool> = (first..first + count).map(kept).collect();
                let left = file.left(first, count as usize);
                let found = left.map_or_else(
                    || vec![true; count as usize],
                    |left| left.iter().flatten().collect(),
                );
                assert_eq!(found, expected, "{count} rows from {first}");
            }
        }
    }

    #[test]
    fn a_bound_that_is_not_known_leaves_nothing_out() {
        #[track_caller]
        fn check(least: Option<&str>, most: Option<&str>, keys: &[&str], expected: bool) {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(within(least, most, &keys), expected);
        }
        check(None, None, &["b"], true);
        check(Some("b"), None, &["b"], true);
        check(None, Some("b"), &["b"], true);
        check(Some("c"), None, &["b"], false);
        check(None, Some("a"), &["b"], false);
        check(Some("b"), Some("d"), &["a", "c", "e"], true);
        check(Some("b"), Some("d"), &["a", "e"], false);
        check(None, None, &[], false);
    }
}
