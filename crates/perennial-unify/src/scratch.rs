//! Intermediate data of a run: batches that are written once, read back in order, and gone with the run. What is small
//! stays in memory; what grows goes to files, one for all heaps of a spool, so that a run needs few of them.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parking_lot::Mutex;
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

    /// A place for heaps that are used up together.
    pub(crate) fn spool(self: &Arc<Self>) -> Arc<Spool> {
        let name = format!("{}.arrow", self.next.fetch_add(1, Ordering::Relaxed));
        Arc::new(Spool {
            path: self.folder.path().join(name),
            scratch: Arc::clone(self),
            end: Mutex::default(),
        })
    }
}

/// The file of some heaps: their batches in segments, as the heaps ran over. It is made when the first one does.
#[derive(Debug)]
pub(crate) struct Spool {
    scratch: Arc<Scratch>,
    path: PathBuf,
    /// The open file and its length.
    end: Mutex<Option<(File, u64)>>,
}

/// A stretch of a spool's file: one stream of batches.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: u64,
    bytes: u64,
}

impl Spool {
    fn append(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Segment> {
        let encoded = || {
            let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
            for batch in batches {
                writer.write(batch)?;
            }
            writer.finish()?;
            writer.into_inner()
        };
        let bytes = encoded()?;
        let written = |error: std::io::Error| failed("written", &self.path, &error);
        let mut end = self.end.lock();
        let (file, length) = match end.as_mut() {
            Some(open) => open,
            None => {
                let file = File::create(&self.path).map_err(|error| failed("created", &self.path, &error))?;
                end.insert((file, 0))
            }
        };
        file.write_all(&bytes).map_err(written)?;
        let segment = Segment {
            start: *length,
            bytes: bytes.len() as u64,
        };
        *length += segment.bytes;
        Ok(segment)
    }

    fn read(
        &self,
        segment: Segment,
        columns: Option<&[usize]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<'_>> {
        let unreadable = |error: std::io::Error| failed("read", &self.path, &error);
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(segment.start)).map_err(unreadable)?;
        let bytes = BufReader::with_capacity(1 << 18, file.take(segment.bytes));
        let reader = StreamReader::try_new(bytes, columns.map(<[usize]>::to_vec))
            .map_err(|error| broken("read", &self.path, &error))?;
        Ok(reader.map(|batch| batch.map_err(|error| broken("read", &self.path, &error))))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.end.get_mut().is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            // The run's folder goes in the end anyway.
            tracing::debug!(%error, "intermediate file not removed");
        }
    }
}

/// Batches of one schema.
#[derive(Debug)]
pub(crate) struct Heap {
    spool: Arc<Spool>,
    schema: SchemaRef,
    segments: Vec<Segment>,
    buffered: Vec<RecordBatch>,
    buffered_bytes: usize,
    rows: usize,
}

/// What a heap holds in memory before it goes to its file, when the run's memory is used up.
const FLUSH_BYTES: usize = 256 << 10;

impl Heap {
    pub(crate) fn new(spool: &Arc<Spool>, schema: SchemaRef) -> Self {
        Self {
            spool: Arc::clone(spool),
            schema,
            segments: Vec::new(),
            buffered: Vec::new(),
            buffered_bytes: 0,
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
        let scratch = &self.spool.scratch;
        let held = scratch.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > scratch.memory && self.buffered_bytes >= FLUSH_BYTES {
            self.segments
                .push(self.spool.append(&self.schema, &self.buffered)?);
            scratch.held.fetch_sub(self.buffered_bytes, Ordering::Relaxed);
            self.buffered_bytes = 0;
            self.buffered.clear();
        }
        Ok(())
    }

    /// Ends the writing.
    pub(crate) fn finish(mut self) -> Stored {
        Stored {
            spool: Arc::clone(&self.spool),
            segments: std::mem::take(&mut self.segments),
            rest: std::mem::take(&mut self.buffered),
            held: std::mem::take(&mut self.buffered_bytes),
            rows: self.rows,
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let held = &self.spool.scratch.held;
        held.fetch_sub(self.buffered_bytes, Ordering::Relaxed);
    }
}

/// A finished heap: it can be read from the start as often as needed.
#[derive(Debug)]
pub(crate) struct Stored {
    spool: Arc<Spool>,
    segments: Vec<Segment>,
    rest: Vec<RecordBatch>,
    held: usize,
    rows: usize,
}

impl Stored {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// All batches in the order in which they were pushed; `columns` chooses among the columns.
    pub(crate) fn batches(
        &self,
        columns: Option<&[usize]>,
    ) -> impl Iterator<Item = Result<RecordBatch>> + use<'_> {
        let columns: Option<Vec<usize>> = columns.map(<[usize]>::to_vec);
        let chosen = columns.clone();
        let stored = self.segments.iter().flat_map(move |segment| {
            let (opened, refused) = match self.spool.read(*segment, columns.as_deref()) {
                Ok(reader) => (Some(reader), None),
                Err(error) => (None, Some(Err(error))),
            };
            opened.into_iter().flatten().chain(refused)
        });
        let rest = self.rest.iter().map(move |batch| match &chosen {
            Some(columns) => Ok(batch.project(columns)?),
            None => Ok(batch.clone()),
        });
        stored.chain(rest)
    }

    /// Everything as one batch; `columns` chooses among those of `schema`.
    pub(crate) fn load(&self, schema: &SchemaRef, columns: Option<&[usize]>) -> Result<RecordBatch> {
        let schema = match columns {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => Arc::clone(schema),
        };
        let batches = self.batches(columns).collect::<Result<Vec<_>>>()?;
        Ok(arrow::compute::concat_batches(&schema, &batches)?)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.spool.scratch.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

fn failed(action: &'static str, path: &Path, error: &std::io::Error) -> Error {
    Error::Scratch {
        action,
        folder: path.parent().unwrap_or(path).display().to_string(),
        cause: error.to_string(),
        full: matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        ),
    }
}

fn broken(action: &'static str, path: &Path, error: &dyn std::error::Error) -> Error {
    Error::Scratch {
        action,
        folder: path.parent().unwrap_or(path).display().to_string(),
        cause: error.to_string(),
        full: false,
    }
}
