//! A store that fails on demand.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::{Lake, StoreWrapper};

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
    /// The process dies at once, before the request has an effect.
    Kill,
    /// The request takes this much longer.
    Slow(Duration),
    /// The request waits until it is let go: see [`Faults::held`].
    Hold,
    /// The request has no effect, and fails with this HTTP status.
    Status(u16),
    /// A get delivers the first half of what was asked for, and then fails; others fail.
    Break,
    /// What the request is about is not there.
    Vanish,
}

/// A store in front of another one; requests of a kind go wrong as planned.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<Plan>,
    unconditional: bool,
}

/// What is to go wrong with a store, to be changed while it is in use. Clones share one plan.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Plan>);

#[derive(Debug, Default)]
struct Plan {
    faults: Mutex<Vec<(Operation, When, Fault)>>,
    counts: [AtomicUsize; 5],
    dead: AtomicBool,
    /// Told when a request is held, and told to let it go.
    held: Notify,
    let_go: Notify,
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// The request of this number, from 1.
    Nth(usize),
    /// Every so many requests.
    Every(usize),
}

impl Faults {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `nth` request of the kind, counted from 1 and from the beginning, goes wrong.
    pub fn nth(&self, operation: Operation, nth: usize, fault: Fault) {
        self.0.faults.lock().push((operation, When::Nth(nth), fault));
    }

    /// Every so many requests of the kind, one goes wrong.
    pub fn every(&self, operation: Operation, requests: usize, fault: Fault) {
        let when = When::Every(requests.max(1));
        self.0.faults.lock().push((operation, when, fault));
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        self.0.faults.lock().clear();
        self.0.dead.store(false, Ordering::SeqCst);
    }

    /// Completes when a request is held.
    pub async fn held(&self) {
        self.0.held.notified().await;
    }

    /// Lets the request go that is held, or is held next.
    pub fn let_go(&self) {
        self.0.let_go.notify_one();
    }

    /// How many requests of the kind there have been.
    pub fn requests(&self, operation: Operation) -> usize {
        self.0.count(operation).load(Ordering::SeqCst)
    }

    /// Puts a store that fails by this plan in front of others.
    pub fn wrapper(&self) -> StoreWrapper {
        let plan = Arc::clone(&self.0);
        Arc::new(move |inner| {
            Arc::new(FaultyStore {
                inner,
                plan: Arc::clone(&plan),
                unconditional: false,
            })
        })
    }
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
        self.plan.faults.lock().push((operation, When::Nth(nth), fault));
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
        let planned = faults.iter().find(|(kind, when, _)| {
            let count = match kind {
                Operation::Any => any,
                kind if *kind == operation => own,
                _ => return false,
            };
            match when {
                When::Nth(nth) => count == *nth,
                When::Every(requests) => count.is_multiple_of(*requests),
            }
        });
        let fault = planned.map(|(_, _, fault)| *fault);
        match fault {
            Some(Fault::Die) => self.dead.store(true, Ordering::SeqCst),
            // Nothing of the process runs on, as after `kill -9`.
            Some(Fault::Kill) => std::process::abort(),
            _ => {}
        }
        fault
    }

    /// Waits for as long as a request is late.
    async fn late(&self, fault: Fault) {
        match fault {
            Fault::Slow(by) => tokio::time::sleep(by).await,
            _ => {
                self.held.notify_one();
                self.let_go.notified().await;
            }
        }
    }

    /// Runs a request, or has it go wrong.
    async fn run<T>(&self, operation: Operation, request: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next(operation) {
            None => request.await,
            Some(fault @ (Fault::Slow(_) | Fault::Hold)) => {
                self.late(fault).await;
                request.await
            }
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
        Fault::Status(status) => {
            return Error::Generic {
                store: "FaultyStore",
                source: format!("Server returned non-2xx status code: {status} : busy").into(),
            };
        }
        Fault::Vanish => {
            return Error::NotFound {
                path: "a place that nobody is told".to_owned(),
                source: "no such object".into(),
            };
        }
        Fault::Refuse
        | Fault::Cut
        | Fault::Die
        | Fault::Kill
        | Fault::Slow(_)
        | Fault::Hold
        | Fault::Break => io::ErrorKind::ConnectionReset,
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
            None | Some(Fault::Cut | Fault::Break) => {}
            Some(fault @ (Fault::Slow(_) | Fault::Hold)) => self.plan.late(fault).await,
            Some(fault) => return Err(failure(fault)),
        }
        let head = options.head;
        let whole = self.inner.get_opts(location, options).await?;
        if head || !matches!(fault, Some(Fault::Cut | Fault::Break)) {
            return Ok(whole);
        }
        let (meta, range, attributes) = (whole.meta.clone(), whole.range.clone(), whole.attributes.clone());
        let bytes = whole.bytes().await?;
        let half = bytes.slice(..bytes.len() / 2);
        let end = (fault == Some(Fault::Break)).then(|| Err(failure(Fault::Break)));
        let pieces = stream::iter(std::iter::once(Ok(half)).chain(end));
        let payload = GetResultPayload::Stream(pieces.boxed());
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes,
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let fault = self.plan.next(Operation::Get);
        match fault {
            None | Some(Fault::Cut) => {}
            Some(fault @ (Fault::Slow(_) | Fault::Hold)) => self.plan.late(fault).await,
            Some(fault) => return Err(failure(fault)),
        }
        let mut whole = self.inner.get_ranges(location, ranges).await?;
        if fault == Some(Fault::Cut) {
            for bytes in &mut whole {
                bytes.truncate(bytes.len() / 2);
            }
        }
        Ok(whole)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let plan = Arc::clone(&self.plan);
        let checked = locations.then(move |location| {
            let plan = Arc::clone(&plan);
            async move {
                match plan.next(Operation::Delete) {
                    None => location,
                    Some(fault @ (Fault::Slow(_) | Fault::Hold)) => {
                        plan.late(fault).await;
                        location
                    }
                    Some(fault) => Err(failure(fault)),
                }
            }
        });
        self.inner.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.plan.next(Operation::List) {
            None => self.inner.list(prefix),
            Some(fault @ (Fault::Slow(_) | Fault::Hold)) => {
                let (inner, plan) = (Arc::clone(&self.inner), Arc::clone(&self.plan));
                let prefix = prefix.cloned();
                let late = async move {
                    plan.late(fault).await;
                    inner.list(prefix.as_ref())
                };
                stream::once(late).flatten().boxed()
            }
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
            Some(fault @ (Fault::Slow(_) | Fault::Hold)) => {
                let plan = Arc::clone(&self.plan);
                Box::pin(async move {
                    plan.late(fault).await;
                    part.await
                })
            }
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

/// Puts an object into a lake.
///
/// # Errors
/// Whatever the store answers.
pub async fn put(lake: &Lake, relative: &str, bytes: Bytes) -> crate::error::Result<()> {
    let put = lake.store().put(&lake.path(relative)?, bytes.into()).await;
    put.map(|_| ())
        .map_err(|error| crate::Error::store("write", relative, &error))
}

/// Removes an object from a lake.
///
/// # Errors
/// Whatever the store answers.
pub async fn remove(lake: &Lake, relative: &str) -> crate::error::Result<()> {
    let removed = lake.store().delete(&lake.path(relative)?).await;
    removed.map_err(|error| crate::Error::store("delete", relative, &error))
}

/// The paths of all objects below a folder of a lake, in order.
///
/// # Errors
/// Whatever the store answers.
pub async fn names(lake: &Lake, folder: &str) -> crate::error::Result<Vec<String>> {
    let prefix = lake.path(folder)?;
    let listed: Vec<Result<ObjectMeta>> = lake.store().list(Some(&prefix)).collect().await;
    let mut names = Vec::new();
    for meta in listed {
        let meta = meta.map_err(|error| crate::Error::store("list", folder, &error))?;
        names.extend(lake.relative(&meta.location));
    }
    names.sort();
    Ok(names)
}
