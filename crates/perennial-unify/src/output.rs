//! The tables of the snapshot that a run writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::{
    LexicographicalComparator, SortColumn, SortOptions, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::SchemaRef;
use object_store::ObjectStoreExt;
use parking_lot::Mutex;
use perennial_base::relation::Relation;
use perennial_engine::release::table_name;
use perennial_lake::{DataFile, DataFileWriter, Lake, StoredSchema, TableManifest, WriterOptions};

use crate::error::Result;

/// Rows of a row group: a customer's rows are found by reading few of them.
const ROW_GROUP_ROWS: usize = 32_768;
/// The same of tables with a row for each customer: one of them is looked up with all its columns.
const PERSON_GROUP_ROWS: usize = 4_096;
/// Columns that rows are looked up by, besides those that files are sorted by.
const LOOK_UPS: [&str; 2] = ["order_id", "value"];

/// Collects the files of all tables.
#[derive(Debug)]
pub(crate) struct Output {
    lake: Arc<Lake>,
    run: String,
    next: AtomicU64,
    tables: Mutex<BTreeMap<String, TableManifest>>,
    /// The paths of all files written.
    written: Mutex<Vec<String>>,
}

impl Output {
    pub(crate) fn new(lake: Arc<Lake>, run: &str) -> Self {
        Self {
            lake,
            run: run.to_owned(),
            next: AtomicU64::new(0),
            tables: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// The lake that is written to.
    pub(crate) fn lake(&self) -> &Lake {
        &self.lake
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
    pub(crate) async fn write(
        &self,
        name: &str,
        bucket: Option<u32>,
        batch: &RecordBatch,
        sort: &[&str],
    ) -> Result<()> {
        self.declare(name, &batch.schema(), sort)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = &ordered(batch, sort)?;
        let options = WriterOptions {
            sort: sort.iter().map(|column| (*column).to_owned()).collect(),
            bloom: LOOK_UPS
                .iter()
                .filter(|column| batch.schema().index_of(column).is_ok() && sort.first() != Some(column))
                .map(|column| (*column).to_owned())
                .collect(),
            row_group_rows: match name {
                "public.customers" | "public.customer_360" => PERSON_GROUP_ROWS,
                _ => ROW_GROUP_ROWS,
            },
        };
        let unique = format!("{}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed));
        let folder = name.rsplit('.').next().unwrap_or(name);
        let mut writer =
            DataFileWriter::try_new(&self.lake, folder, bucket, &unique, batch.schema(), &options)?;
        let written = writer.write(batch).await;
        if let Err(error) = written {
            writer.abort().await;
            return Err(error.into());
        }
        let file = writer.finish().await?;
        self.add(name, file);
        Ok(())
    }

    /// Removes everything that was written, because no snapshot will name it. What cannot be removed is left to garbage
    /// collection.
    pub(crate) async fn discard(&self) {
        let written = std::mem::take(&mut *self.written.lock());
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

    fn add(&self, name: &str, file: DataFile) {
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
