//! A file of a store as the Parquet library reads one: by ranges, on a thread that may wait.

use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;

/// How much is read at once where nobody said how much is needed.
const BLOCK: u64 = 64 * 1024;

/// A part of an object, all of it: a body that ends early is the failure of whoever delivers it, not of the file.
pub(super) async fn whole_range(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    range: Range<u64>,
) -> object_store::Result<Bytes> {
    let bytes = store.get_range(path, range.clone()).await?;
    if is_whole(&range, &bytes) {
        Ok(bytes)
    } else {
        Err(cut())
    }
}

fn is_whole(range: &Range<u64>, bytes: &Bytes) -> bool {
    bytes.len() as u64 == range.end - range.start
}

fn cut() -> object_store::Error {
    object_store::Error::Generic {
        store: "a landed file",
        source: Box::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
    }
}

/// A file, some parts of it in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Source {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    parts: Vec<(u64, Bytes)>,
    runtime: Handle,
    /// What the store said when it failed; the library's errors lose it.
    failure: Mutex<Option<object_store::Error>>,
}

impl Source {
    /// A file of `size` bytes, with the contents of `ranges` fetched ahead.
    pub(super) async fn fetch(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size: u64,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Self> {
        let parts = store.get_ranges(&path, ranges).await?;
        if parts.len() != ranges.len()
            || ranges
                .iter()
                .zip(&parts)
                .any(|(range, part)| !is_whole(range, part))
        {
            return Err(cut());
        }
        let parts = ranges.iter().map(|range| range.start).zip(parts).collect();
        let inner = Inner {
            store,
            path,
            size,
            parts,
            runtime: Handle::current(),
            failure: Mutex::new(None),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The store's own failure while the file was read, if there was one.
    pub(super) fn failure(&self) -> Option<object_store::Error> {
        self.inner.failure.lock().take()
    }

    /// Up to `length` bytes from `start`; fewer at the end of the file. Waits for the store, and so must not be
    /// called on a thread of the runtime.
    pub(super) fn read(&self, start: u64, length: u64) -> Result<Bytes> {
        let inner = &self.inner;
        let end = start.saturating_add(length).min(inner.size);
        if start >= end {
            return Ok(Bytes::new());
        }
        for (at, part) in &inner.parts {
            let within = start
                .checked_sub(*at)
                .and_then(|from| Some(from..end.checked_sub(*at)?));
            let within =
                within.and_then(|range| Some(range.start.try_into().ok()?..range.end.try_into().ok()?));
            if let Some(range) = within.filter(|range: &Range<usize>| range.end <= part.len()) {
                return Ok(part.slice(range));
            }
        }
        inner
            .runtime
            .block_on(whole_range(&inner.store, &inner.path, start..end))
            .map_err(|error| {
                let text = ParquetError::General("the store could not be read".to_owned());
                *inner.failure.lock() = Some(error);
                text
            })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.inner.size
    }
}

impl ChunkReader for Source {
    type T = SourceReader;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(SourceReader {
            source: self.clone(),
            next: start,
            block: Cursor::new(Bytes::new()),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.read(start, length as u64)?;
        if bytes.len() == length {
            return Ok(bytes);
        }
        Err(ParquetError::EOF(format!(
            "{length} bytes at {start} reach behind the end of the file"
        )))
    }
}

/// A reader from one place of a file onwards.
#[derive(Debug)]
pub(super) struct SourceReader {
    source: Source,
    next: u64,
    block: Cursor<Bytes>,
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.block.position() >= self.block.get_ref().len() as u64 {
            let block = self
                .source
                .read(self.next, BLOCK)
                .map_err(std::io::Error::other)?;
            self.next += block.len() as u64;
            self.block = Cursor::new(block);
        }
        self.block.read(buffer)
    }
}
