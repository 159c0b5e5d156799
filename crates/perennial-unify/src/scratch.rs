//! Intermediate data of a run: batches that are written once, read back in order, and gone with the run. What is small
//! stays in memory; what grows goes to files, one for all heaps of a spool, so that a run needs few of them. The files have
//! no names: however the run ends, also by a kill, the system takes them back.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parking_lot::Mutex;
use perennial_identity::Spill;

use crate::error::{Error, Result};

/// The folder of a run's intermediate data, and the memory that its heaps may take together.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    held: AtomicUsize,
    memory: usize,
}

impl Scratch {
    /// Intermediate data in `folder`, or in the system's folder for temporary files. That files can be made there is tried
    /// at once.
    pub(crate) fn new(folder: Option<&Path>, memory: usize) -> Result<Arc<Self>> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
        tempfile::tempfile_in(&folder).map_err(|error| failed("created", &folder, &error))?;
        Ok(Arc::new(Self {
            folder,
            held: AtomicUsize::new(0),
            memory,
        }))
    }

    /// A place for bytes.
    pub(crate) fn bytes(self: &Arc<Self>) -> Bytes {
        Bytes(self.spool())
    }

    /// A place for heaps that are used up together.
    pub(crate) fn spool(self: &Arc<Self>) -> Arc<Spool> {
        Arc::new(Spool {
            scratch: Arc::clone(self),
            end: Mutex::default(),
        })
    }
}

/// The file of some heaps: their batches in segments, as the heaps ran over. It is made when the first one does.
#[derive(Debug)]
pub(crate) struct Spool {
    scratch: Arc<Scratch>,
    /// The open file and its length.
    end: Mutex<Option<(Arc<File>, u64)>>,
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
        let start = self
            .write(&bytes)
            .map_err(|error| failed("written", &self.scratch.folder, &error))?;
        Ok(Segment {
            start,
            bytes: bytes.len() as u64,
        })
    }

    /// Writes bytes at the end of the file, and answers where they start.
    fn write(&self, bytes: &[u8]) -> std::io::Result<u64> {
        let mut end = self.end.lock();
        let (file, length) = match end.as_mut() {
            Some(open) => open,
            None => {
                let file = tempfile::tempfile_in(&self.scratch.folder)?;
                end.insert((Arc::new(file), 0))
            }
        };
        file.as_ref().write_all(bytes)?;
        let start = *length;
        *length += bytes.len() as u64;
        Ok(start)
    }

    fn file(&self) -> Option<Arc<File>> {
        self.end.lock().as_ref().map(|(file, _)| Arc::clone(file))
    }

    fn read(
        &self,
        segment: Segment,
        columns: Option<&[usize]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<'_>> {
        let folder = &self.scratch.folder;
        let stretch = Stretch {
            file: self.file(),
            at: segment.start,
            left: segment.bytes,
        };
        let bytes = BufReader::with_capacity(1 << 18, stretch);
        let reader = StreamReader::try_new(bytes, columns.map(<[usize]>::to_vec))
            .map_err(|error| broken("read", folder, &error))?;
        Ok(reader.map(|batch| batch.map_err(|error| broken("read", folder, &error))))
    }
}

/// Reads a segment, wherever others read or write in the file.
struct Stretch {
    file: Option<Arc<File>>,
    at: u64,
    left: u64,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        let read = file.read_at(buffer, self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Bytes of identity resolution that memory has no room for.
#[derive(Debug)]
pub(crate) struct Bytes(Arc<Spool>);

impl Spill for Bytes {
    fn write(&self, bytes: &[u8]) -> std::io::Result<u64> {
        self.0.write(bytes)
    }

    fn read(&self, start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        match self.0.file() {
            Some(file) => file.read_exact_at(bytes, start),
            None => Err(ErrorKind::NotFound.into()),
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

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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

fn failed(action: &'static str, folder: &Path, error: &std::io::Error) -> Error {
    Error::Scratch {
        action,
        folder: folder.display().to_string(),
        cause: error.to_string(),
        full: perennial_lake::no_room(error.kind()),
    }
}

fn broken(action: &'static str, folder: &Path, error: &dyn std::error::Error) -> Error {
    Error::Scratch {
        action,
        folder: folder.display().to_string(),
        cause: error.to_string(),
        full: false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn numbers(from: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + 1_000));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    #[test]
    fn what_goes_to_a_file_comes_back_and_the_folder_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(folder.path()), 0).unwrap();
        let spool = scratch.spool();
        let schema = numbers(0).schema();
        let mut heaps = [
            Heap::new(&spool, Arc::clone(&schema)),
            Heap::new(&spool, Arc::clone(&schema)),
        ];
        // More than a heap holds back, so that both go to the file in turns.
        for round in 0..100 {
            for (place, heap) in heaps.iter_mut().enumerate() {
                heap.push(numbers(round * 10_000 + place as i64 * 1_000)).unwrap();
            }
        }
        let stored = heaps.map(Heap::finish);
        assert!(stored.iter().all(|heap| heap.segments.len() > 1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        for (place, heap) in stored.iter().enumerate() {
            let all = heap.load(&schema, None).unwrap();
            let expected = (0..100).flat_map(|round| {
                let from = round * 10_000 + place as i64 * 1_000;
                from..from + 1_000
            });
            assert!(
                all.column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .iter()
                    .copied()
                    .eq(expected)
            );
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Scratch::new(Some(Path::new("/nowhere/at/all")), 0).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
