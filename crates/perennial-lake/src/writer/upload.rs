//! The way of a file into a store: in one put while it is small, in parts when it is not, and not at all when a
//! part fails.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayloadMut, PutResult, Result};
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use tokio::task::{JoinError, JoinSet};

/// All parts but the last have this size, which some stores insist upon; S3 takes 10,000 parts.
const PART: usize = 8 << 20;
/// How many parts may be under way at once.
const CONCURRENCY: usize = 2;

/// A file on its way. A failure withdraws what was sent, and everything after it fails as well.
///
/// The library's own buffer (`object_store::buffered::BufWriter`) panics when it is used after a failure and leaves
/// parts behind when its last one fails.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    buffer: PutPayloadMut,
    parts: Option<Box<dyn MultipartUpload>>,
    pending: JoinSet<Result<()>>,
    failed: bool,
    size: u64,
    result: Option<PutResult>,
}

impl Upload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        let buffer = PutPayloadMut::new();
        Self {
            store,
            path,
            buffer,
            parts: None,
            pending: JoinSet::new(),
            failed: false,
            size: 0,
            result: None,
        }
    }

    /// The size and tag of the completed file.
    pub(crate) fn completed(self) -> Option<(u64, Option<String>)> {
        let size = self.size;
        self.result.map(|result| (size, result.e_tag))
    }

    /// Withdraws what was sent.
    pub(crate) async fn abort(&mut self) -> Result<()> {
        self.failed = true;
        self.buffer = PutPayloadMut::new();
        self.pending.shutdown().await;
        match self.parts.take() {
            Some(mut parts) => parts.abort().await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, mut bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        loop {
            let room = PART.saturating_sub(self.buffer.content_length());
            if bytes.len() < room {
                self.buffer.push(bytes);
                return Ok(());
            }
            self.buffer.push(bytes.split_to(room));
            if self.parts.is_none() {
                self.parts = Some(self.store.put_multipart(&self.path).await?);
            }
            self.begin_part();
            self.wait(CONCURRENCY).await?;
        }
    }

    async fn end(&mut self) -> Result<PutResult> {
        if self.parts.is_none() {
            let whole = std::mem::take(&mut self.buffer).freeze();
            return self.store.put(&self.path, whole).await;
        }
        self.begin_part();
        self.wait(0).await?;
        match self.parts.as_mut() {
            Some(parts) => parts.complete().await,
            None => self.store.put(&self.path, Bytes::new().into()).await,
        }
    }

    /// Sends what is buffered as a part.
    fn begin_part(&mut self) {
        if let Some(parts) = self.parts.as_mut()
            && !self.buffer.is_empty()
        {
            let part = std::mem::take(&mut self.buffer).freeze();
            self.pending.spawn(parts.put_part(part));
        }
    }

    /// Waits until at most `running` parts are under way.
    async fn wait(&mut self, running: usize) -> Result<()> {
        let lost = |source: JoinError| object_store::Error::JoinError { source };
        while self.pending.len() > running {
            if let Some(outcome) = self.pending.join_next().await {
                outcome.map_err(lost)??;
            }
        }
        Ok(())
    }

    /// The error to be told, after everything sent has been withdrawn.
    async fn fail(&mut self, error: object_store::Error) -> ParquetError {
        // The first error is the one to be told; what cannot be withdrawn is left to garbage collection.
        let _ = self.abort().await;
        ParquetError::External(Box::new(error))
    }

    fn check(&self) -> parquet::errors::Result<()> {
        match self.failed {
            true => Err(ParquetError::General(
                "an earlier write of the file failed".to_owned(),
            )),
            false => Ok(()),
        }
    }
}

impl AsyncFileWriter for Upload {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async move {
            self.check()?;
            match self.send(bytes).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.fail(error).await),
            }
        })
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async move {
            self.check()?;
            match self.end().await {
                Ok(result) => {
                    self.result = Some(result);
                    self.parts = None;
                    Ok(())
                }
                Err(error) => Err(self.fail(error).await),
            }
        })
    }
}
