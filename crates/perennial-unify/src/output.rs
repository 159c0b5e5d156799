//! The tables of the snapshot that a run writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{
    LexicographicalComparator, SortColumn, SortOptions, lexsort_to_indices, partition, take_record_batch,
};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use object_store::ObjectStoreExt;
use parking_lot::Mutex;
use perennial_base::relation::Relation;
use perennial_engine::release::table_name;
use perennial_lake::{DataFile, DataFileWriter, Lake, StoredSchema, TableManifest, WriterOptions};

use crate::error::{Error, Result};
use crate::ledger;
use crate::stored::{GROUP, group_field};

/// Rows of a row group: a customer's rows are found by reading few of them.
const ROW_GROUP_ROWS: usize = 32_768;
/// The same of tables with a row for each customer: one of them is looked up with all its columns.
const PERSON_GROUP_ROWS: usize = 4_096;
/// Columns that rows are looked up by, besides those that files are sorted by.
const LOOK_UPS: [&str; 2] = ["order_id", "value"];
/// Columns of which nearly every row has a value of its own.
const DISTINCT: [&str; 6] = ["record_key", "value", "hash", "_key", "_row", "_time"];
/// Columns that every increment reads as a whole, and whose bytes are as good as random.
const DENSE: [&str; 2] = ["hash", GROUP];

/// The rows of a row group of a table.
pub(crate) fn row_group_rows(name: &str) -> usize {
    match name {
        "public.customers" | "public.customer_360" => PERSON_GROUP_ROWS,
        _ => ROW_GROUP_ROWS,
    }
}

/// Collects the files of all tables.
#[derive(Debug)]
pub(crate) struct Output {
    lake: Arc<Lake>,
    run: String,
    /// Whether the files stand beside those of the snapshot before.
    delta: bool,
    next: AtomicU64,
    tables: Mutex<BTreeMap<String, TableManifest>>,
    /// The paths of all files written.
    written: Mutex<Vec<String>>,
}

impl Output {
    pub(crate) fn new(lake: Arc<Lake>, run: &str, delta: bool) -> Self {
        Self {
            lake,
            run: run.to_owned(),
            delta,
            next: AtomicU64::new(0),
            tables: Mutex::default(),
            written: Mutex::default(),
        }
    }
    /// Makes a table known, so that it is there without rows as well.
    pub(crate) fn declare(&self, name: &str, schema: &SchemaRef, sort: &[&str]) -> Result<()> {
        let schema = StoredSchema::try_new(schema).map_err(|misfit| {
            perennial_engine::Error::new(perennial_base::ErrorClass::Internal, misfit.to_string())
        })?;
        self.tables
            .lock()
            .entry(name.to_owned())
            .or_insert_with(|| TableManifest {
                schema,
                sort: sort.iter().map(|column| (*column).to_owned()).collect(),
                partition_by: None,
                files: Vec::new(),
            });
        Ok(())
    }

    /// Writes a batch as one file of a table, in the order of `sort`, NULLs last: who plans over the table relies on it.
    /// The groups of the rows, where they have any, stand behind the columns of the table.
    pub(crate) async fn write(
        &self,
        name: &str,
        bucket: Option<u32>,
        batch: &RecordBatch,
        groups: Option<ArrayRef>,
        sort: &[&str],
    ) -> Result<()> {
        self.declare(name, &batch.schema(), sort)?;
        let batch = match groups {
            Some(groups) => &with_groups(batch, groups)?,
            None => batch,
        };
        let batch = ordered(batch, sort)?;
        self.file(
            name,
            bucket,
            &batch.schema(),
            sort,
            row_group_rows(name),
            std::iter::once(Ok(batch)),
        )
        .await
    }

    /// Writes batches that follow each other in the order of `sort` as one file of a table.
    pub(crate) async fn parts(
        &self,
        name: &str,
        schema: &SchemaRef,
        sort: &[&str],
        row_group_rows: usize,
        parts: impl Iterator<Item = Result<RecordBatch>> + Send,
    ) -> Result<()> {
        self.declare(name, schema, sort)?;
        self.file(name, None, schema, sort, row_group_rows, parts).await
    }

    async fn file(
        &self,
        name: &str,
        bucket: Option<u32>,
        schema: &SchemaRef,
        sort: &[&str],
        row_group_rows: usize,
        parts: impl Iterator<Item = Result<RecordBatch>> + Send,
    ) -> Result<()> {
        let mut parts = parts.skip_while(|part| part.as_ref().is_ok_and(|part| part.num_rows() == 0));
        let Some(first) = parts.next() else { return Ok(()) };
        let bucket = bucket.filter(|_| !self.delta);
        let mut writer = self.writer(name, bucket, schema, sort, row_group_rows)?;
        for part in std::iter::once(first).chain(parts) {
            let written = match part {
                Ok(part) => writer.write(&part).await.map_err(Error::from),
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                writer.abort().await;
                return Err(error);
            }
        }
        self.add(name, writer.finish().await?);
        Ok(())
    }

    /// Writes the batches of a stream, which has the order of `sort`, as one file of a table, or as files of about
    /// `file_rows` rows of which no two have the same value in the first column of `sort`.
    pub(crate) async fn stream(
        &self,
        name: &str,
        schema: &SchemaRef,
        sort: &[&str],
        row_group_rows: usize,
        file_rows: Option<u64>,
        mut stream: SendableRecordBatchStream,
    ) -> Result<()> {
        self.declare(name, schema, sort)?;
        let mut bucket = file_rows.map(|_| 0);
        let mut open = self.writer(name, bucket, schema, sort, row_group_rows)?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let written = async {
                let mut batch = batch?;
                if file_rows.is_some_and(|most| rows >= most)
                    && let Some(end) = first_change(&batch, sort)?
                {
                    open.write(&batch.slice(0, end)).await?;
                    bucket = bucket.map(|bucket| bucket + 1);
                    let next = self.writer(name, bucket, schema, sort, row_group_rows)?;
                    self.add(name, std::mem::replace(&mut open, next).finish().await?);
                    (batch, rows) = (batch.slice(end, batch.num_rows() - end), 0);
                }
                rows += batch.num_rows() as u64;
                open.write(&batch).await.map_err(Error::from)
            };
            if let Err(error) = written.await {
                open.abort().await;
                return Err(error);
            }
        }
        self.add(name, open.finish().await?);
        Ok(())
    }

    fn writer(
        &self,
        name: &str,
        bucket: Option<u32>,
        schema: &SchemaRef,
        sort: &[&str],
        row_group_rows: usize,
    ) -> Result<DataFileWriter> {
        let of = |names: &[&str]| {
            let known = names.iter().filter(|column| schema.index_of(column).is_ok());
            known.map(|column| (*column).to_owned()).collect::<Vec<_>>()
        };
        let mut bloom = of(&LOOK_UPS);
        bloom.retain(|column| sort.first() != Some(&column.as_str()));
        let options = WriterOptions {
            sort: sort.iter().map(|column| (*column).to_owned()).collect(),
            bloom,
            distinct: of(&DISTINCT),
            dense: of(&DENSE),
            row_group_rows,
            served: !ledger::holds(name),
        };
        let unique = format!("{}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed));
        let folder = name.split('.').nth(1).unwrap_or(name);
        Ok(DataFileWriter::try_new(
            &self.lake,
            folder,
            bucket,
            &unique,
            Arc::clone(schema),
            &options,
        )?)
    }

    /// Removes everything that was written, because no snapshot will name it. What cannot be removed is left to garbage
    /// collection.
    pub(crate) async fn discard(&self) {
        let written = std::mem::take(&mut *self.written.lock());
        self.remove(written).await;
    }

    /// Removes those of the files that this run has written: their rows are in another one.
    pub(crate) async fn withdraw(&self, files: &[DataFile]) {
        let superfluous = |path: &String| files.iter().any(|file| file.path == *path);
        let (gone, rest) = std::mem::take(&mut *self.written.lock())
            .into_iter()
            .partition(superfluous);
        *self.written.lock() = rest;
        self.remove(gone).await;
    }

    async fn remove(&self, written: Vec<String>) {
        for relative in written {
            let removed = match self.lake.path(&relative) {
                Ok(path) => self
                    .lake
                    .store()
                    .delete(&path)
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = removed {
                tracing::debug!(file = relative, error, "a file of a failed run stays");
            }
        }
    }

    fn add(&self, name: &str, mut file: DataFile) {
        file.delta = self.delta;
        self.written.lock().push(file.path.clone());
        if let Some(table) = self.tables.lock().get_mut(name) {
            table.files.push(file);
        }
    }

    /// All tables, their files in the order of buckets.
    pub(crate) fn finish(&self) -> BTreeMap<String, TableManifest> {
        let mut tables = std::mem::take(&mut *self.tables.lock());
        for table in tables.values_mut() {
            table.files.sort_by(|a, b| {
                (a.bucket.unwrap_or(u32::MAX), &a.path).cmp(&(b.bucket.unwrap_or(u32::MAX), &b.path))
            });
        }
        tables
    }
}

/// The first row of a batch that has another value in the first column of `sort` than the row before it.
fn first_change(batch: &RecordBatch, sort: &[&str]) -> Result<Option<usize>> {
    let Some(column) = sort.first().and_then(|name| batch.column_by_name(name)) else {
        return Ok(None);
    };
    let ranges = partition(&[Arc::clone(column)])?.ranges();
    Ok(ranges.get(1).map(|range| range.start))
}

/// A batch with the groups of its rows behind its columns.
fn with_groups(batch: &RecordBatch, groups: ArrayRef) -> Result<RecordBatch> {
    let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(group_field()));
    let mut columns = batch.columns().to_vec();
    columns.push(groups);
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// The rows in the order of the columns named, as they are when they have it already.
fn ordered(batch: &RecordBatch, sort: &[&str]) -> Result<RecordBatch> {
    let columns = sort
        .iter()
        .map(|name| {
            Ok(SortColumn {
                values: Arc::clone(batch.column(batch.schema_ref().index_of(name)?)),
                options: Some(SortOptions {
                    descending: false,
                    nulls_first: false,
                }),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if columns.is_empty() {
        return Ok(batch.clone());
    }
    let comparator = LexicographicalComparator::try_new(&columns)?;
    if (1..batch.num_rows()).all(|row| comparator.compare(row - 1, row).is_le()) {
        return Ok(batch.clone());
    }
    Ok(take_record_batch(batch, &lexsort_to_indices(&columns, None)?)?)
}

/// The sort columns of a relation's files.
pub(crate) fn sort_of(relation: &Relation) -> Vec<&'static str> {
    let customer = relation.person.then_some("customer_id");
    customer
        .into_iter()
        .chain(
            relation
                .sort
                .iter()
                .copied()
                .filter(|column| *column != "customer_id"),
        )
        .collect()
}

/// The table of a relation.
pub(crate) fn name_of(relation: &Relation) -> String {
    table_name(relation)
}
