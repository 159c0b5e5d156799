//! The tables of the snapshot before, read again: rows that masks leave, or those of some groups alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::catalog::TableProvider;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_plan::execute_stream;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use perennial_base::ErrorClass;
use perennial_engine::Engine;
use perennial_engine::provider::{FileTable, StoredFile};
use perennial_lake::{DataFile, Manifest, Masks, RowSet, TableManifest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Result;

/// The column that says of which group a row is; it stands behind those of the table and is not served.
pub(crate) const GROUP: &str = "_group";

/// Rows of a file that are read before others are, so that there is something to do with them.
const ROWS_AT_ONCE: u64 = 65_536;
/// For each core, how many parts that were read may wait.
const AHEAD: usize = 4;

/// The tables of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    engine: Arc<Engine>,
    state: Arc<SessionState>,
    pub(crate) masks: Arc<Masks>,
}

/// Which groups are worked out anew. A row of no group always is.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    /// One bit each: all rows of all tables ask, in no order.
    groups: BooleanBuffer,
    /// Where rows of these groups are, of the files that have been asked for.
    rows: Arc<Mutex<HashMap<String, Vec<Run>>>>,
    /// What these groups are some of: where its rows are is asked first, and found out once.
    of: Option<Arc<Self>>,
}

/// Rows of a group that stand together; none is a group where there is none.
#[derive(Debug, Clone, Copy)]
struct Run {
    group: Option<u32>,
    start: u64,
    end: u64,
}

impl Touched {
    pub(crate) fn new(groups: Vec<bool>) -> Self {
        Self {
            groups: groups.into(),
            rows: Arc::default(),
            of: None,
        }
    }

    /// Those of these groups that are in a set too.
    pub(crate) fn within(&self, set: &HashSet<u32>) -> Self {
        let groups = 0..self.groups.len();
        let groups = groups.map(|group| self.groups.value(group) && set.contains(&(group as u32)));
        Self {
            groups: groups.collect(),
            rows: Arc::default(),
            of: Some(Arc::new(self.clone())),
        }
    }

    /// Notes where rows of these groups are among those of the groups that they are part of.
    fn note_within(&self, path: &str) {
        let Some(of) = &self.of else { return };
        let runs = of.rows.lock().get(path).map(|runs| {
            let runs = runs
                .iter()
                .filter(|run| run.group.is_none_or(|group| self.holds(group)));
            runs.copied().collect()
        });
        if let Some(runs) = runs {
            self.rows.lock().insert(path.to_owned(), runs);
        }
    }

    /// The rows of a file, if it has been asked for.
    fn known(&self, path: &str) -> Option<RowSet> {
        let known = self.rows.lock();
        let mut rows = RowSet::default();
        for run in known.get(path)? {
            rows.push(run.start, run.end);
        }
        Some(rows)
    }

    fn holds(&self, group: u32) -> bool {
        let group = group as usize;
        group < self.groups.len() && self.groups.value(group)
    }
}

/// The column of groups.
pub(crate) fn group_field() -> Field {
    Field::new(GROUP, DataType::UInt32, true)
}

impl Tables {
    pub(crate) async fn new(
        engine: &Arc<Engine>,
        state: &SessionState,
        manifest: Option<&Manifest>,
    ) -> Result<Self> {
        let masks = match manifest {
            Some(manifest) => Masks::read(engine.lake(), manifest).await?,
            None => Masks::default(),
        };
        Ok(Self {
            engine: Arc::clone(engine),
            state: Arc::new(state.clone()),
            masks: Arc::new(masks),
        })
    }

    /// The columns named `columns` of a table, of rows in one file: of all that are not masked, or of those `wanted`.
    async fn scan(
        &self,
        columns: SchemaRef,
        file: &DataFile,
        mask: Option<Arc<RowSet>>,
    ) -> Result<SendableRecordBatchStream> {
        let file = self.file(file, mask)?;
        let table = FileTable::new(self.engine.lake(), columns, Vec::new(), vec![file], &[])?;
        let plan = table.scan(self.state.as_ref(), None, &[], None).await?;
        Ok(execute_stream(plan, self.state.task_ctx())?)
    }

    /// All rows of a file in their order, masked or not.
    pub(crate) async fn all(&self, columns: SchemaRef, file: &DataFile) -> Result<SendableRecordBatchStream> {
        self.scan(columns, file, None).await
    }

    pub(crate) fn file(&self, file: &DataFile, mask: Option<Arc<RowSet>>) -> Result<StoredFile> {
        Ok(StoredFile {
            path: self.engine.lake().path(&file.path)?,
            bytes: file.bytes,
            rows: file.rows,
            mask,
            apart: true,
            columns: Vec::new(),
            partitions: Vec::new(),
            last_modified: 0,
            e_tag: None,
        })
    }

    /// A table with its groups, without the rows that are masked.
    pub(crate) fn table(&self, table: &TableManifest) -> Result<FileTable> {
        let columns = table.schema.schema().fields().iter().cloned();
        let columns = columns.chain([Arc::new(group_field())]).collect::<Vec<_>>();
        self.columns(table, Arc::new(Schema::new(columns)))
    }

    /// Some columns of a table, of the rows that are not masked.
    pub(crate) fn columns(&self, table: &TableManifest, columns: SchemaRef) -> Result<FileTable> {
        let files = table.files.iter().map(|file| {
            Ok(StoredFile {
                columns: file.columns.clone(),
                ..self.file(file, self.masks.of(&file.path).cloned())?
            })
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        Ok(FileTable::new(
            self.engine.lake(),
            columns,
            Vec::new(),
            files,
            &table.sort,
        )?)
    }

    /// All rows of a table that are not masked, by batch; nothing where there is no such table.
    pub(crate) async fn rows(
        &self,
        manifest: Option<&Manifest>,
        table: &str,
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>> {
        self.of_touched(manifest, table, columns, None).await
    }

    /// As [`Self::rows`], of the groups that are touched where any are named.
    pub(crate) async fn of_touched(
        &self,
        manifest: Option<&Manifest>,
        table: &str,
        columns: &[&str],
        touched: Option<&Touched>,
    ) -> Result<Vec<RecordBatch>> {
        let files = self.files(manifest, table, touched).await?;
        self.read(files, columns).try_concat().await
    }

    /// The columns of these names of files, in their order.
    pub(crate) fn read(
        &self,
        files: Vec<FileRows>,
        columns: &[&str],
    ) -> BoxStream<'static, Result<Vec<RecordBatch>>> {
        let reads = files.into_iter().map(|file| {
            let columns = columns_of(&file.schema, columns);
            ((), columns, file.file, file.rows)
        });
        self.read_for(reads.collect()).map_ok(|((), rows)| rows).boxed()
    }

    /// Reads rows of files, each for a purpose, in their order and of many rows a part at a time.
    pub(crate) fn read_for<For: Copy + Send + 'static>(
        &self,
        reads: Vec<(For, SchemaRef, DataFile, RowSet)>,
    ) -> BoxStream<'static, Result<(For, Vec<RecordBatch>)>> {
        let reads = reads.into_iter().flat_map(|(purpose, columns, file, rows)| {
            rows.parts(ROWS_AT_ONCE).into_iter().map(move |rows| {
                let read = self.clone().wanted(Arc::clone(&columns), file.clone(), rows);
                async move { Ok((purpose, read.await?)) }
            })
        });
        self.side_by_side(reads.collect())
    }

    /// What tasks give, in their order. They run side by side on the threads of the engine, as many as there are cores, and
    /// what they give waits for whoever asks: of [`AHEAD`] times as many, as who asks may be long with what was before.
    fn side_by_side<T: Send + 'static>(
        &self,
        tasks: Vec<impl Future<Output = Result<T>> + Send + 'static>,
    ) -> BoxStream<'static, Result<T>> {
        let cpu = self.engine.cpu().clone();
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let (sender, receiver) = mpsc::channel(AHEAD * cores);
        let (running, count) = (cpu.clone(), tasks.len());
        let tasks = tasks.into_iter().map(move |task| {
            let cpu = running.clone();
            async move { cpu.spawn(task).await.map_err(|_| stopped())? }
        });
        cpu.spawn(async move {
            let mut given = stream::iter(tasks).buffered(cores);
            while let Some(given) = given.next().await {
                // Nobody wants the rest.
                if sender.send(given).await.is_err() {
                    break;
                }
            }
        });
        let given = stream::unfold((receiver, count), |(mut receiver, left)| async move {
            // Less than all would be taken for all.
            let given = receiver
                .recv()
                .await
                .or((left > 0).then(|| Err(stopped().into())))?;
            Some((given, (receiver, left.saturating_sub(1))))
        });
        given.boxed()
    }

    /// The rows of a file whose group is touched, masked ones too.
    async fn touched(&self, file: &DataFile, touched: &Touched) -> Result<RowSet> {
        if let Some(known) = touched.known(&file.path) {
            return Ok(known);
        }
        if let Some(of) = &touched.of {
            Box::pin(self.touched(file, of)).await?;
            touched.note_within(&file.path);
            return Ok(touched.known(&file.path).unwrap_or_default());
        }
        let columns = Arc::new(Schema::new(vec![group_field()]));
        let mut stream = self.scan(columns, file, None).await?;
        let (mut runs, mut at) = (Vec::<Run>::new(), 0_u64);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for group in batch.column(0).as_primitive::<UInt32Type>() {
                if group.is_none_or(|group| touched.holds(group)) {
                    // Rows of one group mostly stand together.
                    match runs.last_mut() {
                        Some(run) if run.group == group && run.end == at => run.end += 1,
                        _ => runs.push(Run {
                            group,
                            start: at,
                            end: at + 1,
                        }),
                    }
                }
                at += 1;
            }
        }
        touched.rows.lock().insert(file.path.clone(), runs);
        Ok(touched.known(&file.path).unwrap_or_default())
    }

    /// As [`Self::touched`] of many files, side by side.
    pub(crate) async fn touched_in(&self, files: &[&DataFile], touched: &Touched) -> Result<Vec<RowSet>> {
        let tasks = files.iter().map(|file| {
            let (tables, file, touched) = (self.clone(), (*file).clone(), touched.clone());
            async move { tables.touched(&file, &touched).await }
        });
        self.side_by_side(tasks.collect()).try_collect().await
    }

    /// As [`Self::touched`] of one file after the other, while something else goes on.
    pub(crate) fn look_ahead(&self, files: Vec<DataFile>, touched: Touched) -> Ahead {
        let tables = self.clone();
        Ahead(self.engine.cpu().spawn(async move {
            for file in &files {
                // Who needs it asks again, and is told then.
                if tables.touched(file, &touched).await.is_err() {
                    break;
                }
            }
        }))
    }

    /// The columns of the rows of a file that are in `wanted`.
    async fn wanted(self, columns: SchemaRef, file: DataFile, wanted: RowSet) -> Result<Vec<RecordBatch>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mask = Arc::new(wanted.complement(file.rows));
        let stream = self.scan(columns, &file, Some(mask)).await?;
        Ok(stream.try_collect().await?)
    }

    /// The files of a table of a snapshot, each with the rows of it to be read: those that are not masked and, where groups
    /// are named, whose group is touched.
    pub(crate) async fn files(
        &self,
        manifest: Option<&Manifest>,
        table: &str,
        touched: Option<&Touched>,
    ) -> Result<Vec<FileRows>> {
        match manifest.and_then(|manifest| manifest.tables.get(table)) {
            Some(table) => self.files_of(table, touched).await,
            None => Ok(Vec::new()),
        }
    }

    /// As [`Self::files`], of a table that is known.
    pub(crate) async fn files_of(
        &self,
        table: &TableManifest,
        touched: Option<&Touched>,
    ) -> Result<Vec<FileRows>> {
        let files: Vec<&DataFile> = table.files.iter().collect();
        let wanted = match touched {
            Some(touched) => self.touched_in(&files, touched).await?,
            None => files
                .iter()
                .map(|file| RowSet::default().complement(file.rows))
                .collect(),
        };
        let left = files.into_iter().zip(wanted).map(|(file, wanted)| FileRows {
            schema: Arc::clone(table.schema.schema()),
            rows: match self.masks.of(&file.path) {
                Some(mask) => wanted.without(mask),
                None => wanted,
            },
            file: file.clone(),
        });
        Ok(left.collect())
    }
}

/// See [`Tables::look_ahead`]. It looks no further when it is dropped.
#[derive(Debug)]
pub(crate) struct Ahead(JoinHandle<()>);

impl Ahead {
    /// Waits for all that it looks for.
    pub(crate) async fn found(mut self) {
        // One that has been stopped has found less.
        let _ended = (&mut self.0).await;
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Rows of a file of a table.
#[derive(Debug)]
pub(crate) struct FileRows {
    schema: SchemaRef,
    file: DataFile,
    rows: RowSet,
}

impl FileRows {
    pub(crate) fn file(&self) -> &DataFile {
        &self.file
    }
}

/// Columns by name, as they are written; a table of an earlier version may not have all of them.
fn columns_of(schema: &Schema, names: &[&str]) -> SchemaRef {
    let fields = names.iter().filter_map(|name| match *name {
        GROUP => Some(group_field()),
        name => schema.field_with_name(name).ok().cloned(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A task of ours has died.
pub(crate) fn stopped() -> perennial_engine::Error {
    perennial_engine::Error::new(ErrorClass::Internal, "stored rows could not be read")
}
