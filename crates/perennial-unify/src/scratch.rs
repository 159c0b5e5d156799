//! Intermediate data of a run: batches that are written once, read back in order, and gone with the run. Small
//! heaps stay in memory; what grows goes to files.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use tempfile::TempDir;

use crate::error::{Error, Result};

/// The folder of a run's intermediate data, and the memory that its heaps may take together.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    next: AtomicU64,
    held: AtomicUsize,
    memory: usize,
}

impl Scratch {
    /// A new folder inside of `parent`, or of the system's folder for temporary files.
    pub(crate) fn new(parent: Option<&Path>, memory: usize) -> Result<Arc<Self>> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let folder = tempfile::Builder::new()
            .prefix("perennial-run-")
            .tempdir_in(&parent)
            .map_err(|error| failed("created", &parent, &error))?;
        Ok(Arc::new(Self {
            folder,
            next: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            memory,
        }))
    }

    fn file(&self) -> PathBuf {
        self.folder
            .path()
            .join(format!("{}.arrow", self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Batches of one schema.
pub(crate) struct Heap {
    scratch: Arc<Scratch>,
    schema: SchemaRef,
    buffered: Vec<RecordBatch>,
    buffered_bytes: usize,
    file: Option<(PathBuf, StreamWriter<BufWriter<File>>)>,
    rows: usize,
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// What a heap holds in memory before it goes to its file, when the run's memory is used up.
const FLUSH_BYTES: usize = 256 << 10;

impl Heap {
    pub(crate) fn new(scratch: &Arc<Scratch>, schema: SchemaRef) -> Self {
        Self {
            scratch: Arc::clone(scratch),
            schema,
            buffered: Vec::new(),
            buffered_bytes: 0,
            file: None,
            rows: 0,
        }
    }

    /// Adds a batch behind the others.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows();
        let bytes = batch.get_array_memory_size();
        self.buffered.push(batch);
        self.buffered_bytes += bytes;
        let held = self.scratch.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > self.scratch.memory && self.buffered_bytes >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.file.is_none() {
            let path = self.scratch.file();
            let file = File::create(&path).map_err(|error| failed("created", &path, &error))?;
            let writer = StreamWriter::try_new(BufWriter::with_capacity(1 << 18, file), &self.schema)
                .map_err(|error| broken("written", &path, &error))?;
            self.file = Some((path, writer));
        }
        let batches = self.take_buffered();
        if let Some((path, writer)) = &mut self.file {
            for batch in &batches {
                writer
                    .write(batch)
                    .map_err(|error| broken("written", path, &error))?;
            }
        }
        Ok(())
    }

    fn take_buffered(&mut self) -> Vec<RecordBatch> {
        self.scratch
            .held
            .fetch_sub(self.buffered_bytes, Ordering::Relaxed);
        self.buffered_bytes = 0;
        std::mem::take(&mut self.buffered)
    }

    /// Ends the writing.
    pub(crate) fn finish(mut self) -> Result<Stored> {
        let mut path = None;
        if let Some((file, mut writer)) = self.file.take() {
            writer
                .finish()
                .map_err(|error| broken("written", &file, &error))?;
            let buffer = writer
                .into_inner()
                .map_err(|error| broken("written", &file, &error))?;
            buffer
                .into_inner()
                .map_err(|error| failed("written", &file, error.error()))?;
            path = Some(file);
        }
        let held = self.buffered_bytes;
        self.buffered_bytes = 0;
        Ok(Stored {
            scratch: Arc::clone(&self.scratch),
            path,
            rest: std::mem::take(&mut self.buffered),
            held,
            rows: self.rows,
        })
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        self.scratch
            .held
            .fetch_sub(self.buffered_bytes, Ordering::Relaxed);
    }
}

/// A finished heap: it can be read from the start as often as needed.
#[derive(Debug)]
pub(crate) struct Stored {
    scratch: Arc<Scratch>,
    path: Option<PathBuf>,
    rest: Vec<RecordBatch>,
    held: usize,
    rows: usize,
}

impl Stored {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// All batches in the order in which they were pushed.
    pub(crate) fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + '_> {
        let reader = match &self.path {
            Some(path) => {
                let file = File::open(path).map_err(|error| failed("read", path, &error))?;
                let reader = StreamReader::try_new(BufReader::with_capacity(1 << 18, file), None)
                    .map_err(|error| broken("read", path, &error))?;
                Some((path, reader))
            }
            None => None,
        };
        let stored = reader.into_iter().flat_map(|(path, reader)| {
            reader.map(move |batch| batch.map_err(|error| broken("read", path, &error)))
        });
        Ok(stored.chain(self.rest.iter().cloned().map(Ok)))
    }

    /// Everything as one batch.
    pub(crate) fn load(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let batches = self.batches()?.collect::<Result<Vec<_>>>()?;
        Ok(arrow::compute::concat_batches(schema, &batches)?)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.scratch.held.fetch_sub(self.held, Ordering::Relaxed);
        if let Some(path) = &self.path
            && let Err(error) = std::fs::remove_file(path)
        {
            // The run's folder goes in the end anyway.
            tracing::debug!(%error, "intermediate file not removed");
        }
    }
}

fn failed(action: &'static str, path: &Path, error: &std::io::Error) -> Error {
    Error::Scratch {
        action,
        folder: path.parent().unwrap_or(path).display().to_string(),
        cause: error.to_string(),
        full: error.kind() == std::io::ErrorKind::StorageFull,
    }
}

fn broken(action: &'static str, path: &Path, error: &dyn std::error::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = error.source();
    let mut full = error.to_string().contains("No space left");
    while let Some(inner) = source {
        full |= inner
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull);
        source = inner.source();
    }
    Error::Scratch {
        action,
        folder: path.parent().unwrap_or(path).display().to_string(),
        cause: error.to_string(),
        full,
    }
}
