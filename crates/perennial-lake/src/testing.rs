//! A store that fails on demand.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use parking_lot::Mutex;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Every request of every kind.
    Any,
    /// A put, or a part or the end of an upload in parts.
    Put,
    /// A get.
    Get,
    /// A listing.
    List,
    /// A deletion.
    Delete,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request has no effect and fails.
    Refuse,
    /// The request has its effect, and fails.
    LoseReply,
    /// A get delivers only the first half of what was asked for, and claims success; others fail.
    Cut,
    /// A put fails for want of space; others fail as well.
    Full,
    /// This request and all after it fail without an effect, as after the death of the process.
    Die,
}

/// A store in front of another one; the n-th request of a kind goes wrong as planned.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<Plan>,
    unconditional: bool,
}

#[derive(Debug, Default)]
struct Plan {
    faults: Mutex<Vec<(Operation, usize, Fault)>>,
    counts: [AtomicUsize; 5],
    dead: std::sync::atomic::AtomicBool,
}

impl FaultyStore {
    /// A store that does what `inner` does.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            plan: Arc::default(),
            unconditional: false,
        }
    }

    /// The same store, whose `nth` request (from 1) of the kind goes wrong.
    pub fn with_fault(self, operation: Operation, nth: usize, fault: Fault) -> Self {
        self.plan.faults.lock().push((operation, nth, fault));
        self
    }

    /// The same store, which overwrites where it was asked to create.
    pub fn with_unconditional_puts(mut self) -> Self {
        self.unconditional = true;
        self
    }

    /// How many requests there have been.
    pub fn requests(&self) -> usize {
        self.plan.count(Operation::Any).load(Ordering::SeqCst)
    }
}

impl Plan {
    fn count(&self, operation: Operation) -> &AtomicUsize {
        let [any, put, get, list, delete] = &self.counts;
        match operation {
            Operation::Any => any,
            Operation::Put => put,
            Operation::Get => get,
            Operation::List => list,
            Operation::Delete => delete,
        }
    }

    /// Counts a request and tells what is to go wrong with it.
    fn next(&self, operation: Operation) -> Option<Fault> {
        let any = self.count(Operation::Any).fetch_add(1, Ordering::SeqCst) + 1;
        let own = self.count(operation).fetch_add(1, Ordering::SeqCst) + 1;
        if self.dead.load(Ordering::SeqCst) {
            return Some(Fault::Refuse);
        }
        let faults = self.faults.lock();
        let planned = faults.iter().find(|(kind, nth, _)| {
            *kind == Operation::Any && *nth == any || *kind == operation && *nth == own
        });
        let fault = planned.map(|(_, _, fault)| *fault);
        if fault == Some(Fault::Die) {
            self.dead.store(true, Ordering::SeqCst);
        }
        fault
    }

    /// Runs a request, or has it go wrong.
    async fn run<T>(&self, operation: Operation, request: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next(operation) {
            None => request.await,
            Some(Fault::LoseReply) => {
                request.await?;
                Err(failure(Fault::LoseReply))
            }
            Some(fault) => Err(failure(fault)),
        }
    }
}

fn failure(fault: Fault) -> Error {
    let kind = match fault {
        Fault::Full => io::ErrorKind::StorageFull,
        Fault::LoseReply => io::ErrorKind::TimedOut,
        Fault::Refuse | Fault::Cut | Fault::Die => io::ErrorKind::ConnectionReset,
    };
    Error::Generic {
        store: "FaultyStore",
        source: Box::new(io::Error::from(kind)),
    }
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        if self.unconditional {
            options.mode = PutMode::Overwrite;
        }
        self.plan
            .run(Operation::Put, self.inner.put_opts(location, payload, options))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, options);
        let upload = self.plan.run(Operation::Put, upload).await?;
        Ok(Box::new(FaultyUpload {
            upload,
            plan: Arc::clone(&self.plan),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.plan.next(Operation::Get);
        match fault {
            None | Some(Fault::Cut) => {}
            Some(fault) => return Err(failure(fault)),
        }
        let whole = self.inner.get_opts(location, options).await?;
        if fault.is_none() {
            return Ok(whole);
        }
        let (meta, range, attributes) = (whole.meta.clone(), whole.range.clone(), whole.attributes.clone());
        let bytes = whole.bytes().await?;
        let half = bytes.slice(..bytes.len() / 2);
        let payload = GetResultPayload::Stream(stream::iter([Ok(half)]).boxed());
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes,
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let whole = self
            .plan
            .run(Operation::Get, self.inner.get_ranges(location, ranges));
        whole.await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let plan = Arc::clone(&self.plan);
        let checked = locations.map(move |location| match plan.next(Operation::Delete) {
            None => location,
            Some(fault) => Err(failure(fault)),
        });
        self.inner.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.plan.next(Operation::List) {
            None => self.inner.list(prefix),
            // Fails in the middle, after what the store would have said first.
            Some(fault) => self
                .inner
                .list(prefix)
                .take(1)
                .chain(stream::iter([Err(failure(fault))]))
                .boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.plan
            .run(Operation::List, self.inner.list_with_delimiter(prefix))
            .await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.plan
            .run(Operation::Put, self.inner.copy_opts(from, to, options))
            .await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    plan: Arc<Plan>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.upload.put_part(data);
        match self.plan.next(Operation::Put) {
            None => part,
            Some(fault) => Box::pin(async move { part.await.and(Err(failure(fault))) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.plan.run(Operation::Put, self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
