//! A folder as an object store that keeps two promises which the library's own does not: links are not followed,
//! and what was put is on the disk when the put returns.

use std::collections::hash_map::RandomState;
use std::fs::{File, Metadata};
use std::hash::BuildHasher;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};

use super::names::{object_path, upload_of};
use crate::error::AWAY;

/// The store of one local lake; paths are relative to its folder.
#[derive(Debug)]
pub(super) struct LocalStore {
    inner: LocalFileSystem,
    root: PathBuf,
    /// Tells the staged files of this process from those of every other one over the same folder.
    process: u64,
    staged: AtomicU64,
}

impl LocalStore {
    pub(super) fn try_new(folder: &FilePath) -> Result<Self> {
        let root = std::fs::canonicalize(folder).map_err(generic)?;
        let inner = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self {
            inner,
            root,
            process: RandomState::new().hash_one(0_u8),
            staged: AtomicU64::new(0),
        })
    }

    async fn refuse_links(&self, location: &Path) -> Result<()> {
        let joined = self.inner.path_to_filesystem(location)?;
        let location = location.clone();
        blocking(move || refuse_links(&location, &joined)).await
    }

    async fn sync(&self, location: &Path) -> Result<()> {
        sync(self.inner.path_to_filesystem(location)?).await
    }

    fn walk(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let root = self.root.clone();
        // What goes while it is listed would look like a folder in which nothing is left.
        let there = || stream::once(is_there(self.root.clone())).try_filter_map(async |()| Ok(None));
        let (before, after) = (there(), there());
        let start = match prefix {
            Some(prefix) if !prefix.is_root() => root.join(prefix.as_ref()),
            _ => root.clone(),
        };
        let files = stream::try_unfold(vec![start], move |mut folders| {
            let root = root.clone();
            async move {
                let Some(folder) = folders.pop() else {
                    return Ok(None);
                };
                let (files, below) = blocking(move || read_folder(&root, &folder)).await?;
                folders.extend(below);
                Ok::<_, Error>(Some((stream::iter(files.into_iter().map(Ok)), folders)))
            }
        })
        .try_flatten();
        before.chain(files).chain(after).boxed()
    }
}

impl std::fmt::Display for LocalStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LocalStore")
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        is_there(self.root.clone()).await?;
        if options.mode != PutMode::Create {
            let put = async {
                let result = self.inner.put_opts(location, payload, options).await?;
                self.sync(location).await?;
                Ok(result)
            };
            return while_there(&self.root, put.await).await;
        }
        // The name must appear last and at once: the content is on the disk before it is linked under its name.
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        let staged = Path::parse(format!("{location}.{:016x}-{number}.tmp", self.process))?;
        let written = async {
            let result = self
                .inner
                .put_opts(&staged, payload, PutOptions::default())
                .await?;
            self.sync(&staged).await?;
            let create = CopyOptions {
                mode: CopyMode::Create,
                ..CopyOptions::default()
            };
            self.inner.copy_opts(&staged, location, create).await?;
            Ok(result)
        }
        .await;
        // What cannot be removed is removed by garbage collection.
        let _ = self.inner.delete(&staged).await;
        if written.is_ok() {
            self.sync(location).await?;
        }
        while_there(&self.root, written).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        is_there(self.root.clone()).await?;
        let upload = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload {
            upload,
            path: self.inner.path_to_filesystem(location)?,
            root: self.root.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.refuse_links(location).await?;
        let pinned = options.if_match.is_some() && !options.head;
        let found = self.inner.get_opts(location, options).await;
        let found = while_there(&self.root, found).await?;
        if pinned { unwritten(found).await } else { Ok(found) }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let joined = self.inner.path_to_filesystem(location)?;
        let (location, ranges) = (location.clone(), ranges.to_vec());
        // One task does all of it: to hand over work costs as much as to read a few pages.
        let read = blocking(move || {
            refuse_links(&location, &joined)?;
            let mut file = File::open(&joined).map_err(|error| match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Error::NotFound {
                    path: location.to_string(),
                    source: Box::new(error),
                },
                _ => generic(error),
            })?;
            let read = |range: Range<u64>| {
                let bytes = read(&mut file, &range)?;
                if bytes.len() as u64 != range.end.saturating_sub(range.start) {
                    let end = range.start + bytes.len() as u64;
                    return Err(generic(std::io::Error::new(
                        ErrorKind::UnexpectedEof,
                        format!("the file ends at {end}, before {}", range.end),
                    )));
                }
                Ok(bytes)
            };
            ranges.into_iter().map(read).collect()
        });
        while_there(&self.root, read.await).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.walk(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.map_or_else(|| self.root.clone(), |prefix| self.root.join(prefix.as_ref()));
        let root = self.root.clone();
        is_there(root.clone()).await?;
        let (objects, folders) = blocking({
            let root = root.clone();
            move || read_folder(&root, &folder)
        })
        .await?;
        let common_prefixes = folders
            .iter()
            .filter_map(|folder| object_path(&root, folder))
            .collect();
        Ok(ListResult {
            common_prefixes,
            objects,
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.refuse_links(from).await?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.refuse_links(from).await?;
        self.inner.rename_opts(from, to, options).await
    }
}

/// Refuses to go on without the folder of the lake: a disk that is not mounted has no files only as long as it is away, and
/// what is written meanwhile would stand in their way when it is back.
async fn is_there(root: PathBuf) -> Result<()> {
    let away = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Error::Generic {
            store: "LocalStore",
            source: AWAY.into(),
        },
        _ => generic(error),
    };
    blocking(move || std::fs::metadata(root).map(drop).map_err(away)).await
}

/// The outcome, or without the folder of the lake that it is not there: then the one file is not to blame.
async fn while_there<T>(root: &FilePath, outcome: Result<T>) -> Result<T> {
    if outcome.is_err() {
        is_there(root.to_owned()).await?;
    }
    outcome
}

/// Refuses a path that leads through a link: the folder's own path is canonical, so a canonical path differs from the
/// joined one exactly when there is a link below the folder.
fn refuse_links(location: &Path, joined: &FilePath) -> Result<()> {
    match std::fs::canonicalize(joined) {
        Ok(canonical) if canonical != joined => Err(Error::NotFound {
            path: location.to_string(),
            source: "links are not followed".into(),
        }),
        // What is wrong with the path is better said by the operation itself.
        _ => Ok(()),
    }
}

/// The bytes of a range, fewer where the file ends before it does.
fn read(file: &mut File, range: &Range<u64>) -> Result<Bytes> {
    let length = range.end.saturating_sub(range.start);
    // What a damaged footer announces is not asked for in memory.
    let there = file
        .metadata()
        .map_err(generic)?
        .len()
        .saturating_sub(range.start);
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(there)).unwrap_or_default());
    file.seek(SeekFrom::Start(range.start)).map_err(generic)?;
    file.take(length).read_to_end(&mut bytes).map_err(generic)?;
    Ok(bytes.into())
}

/// Reads what was asked for, and makes sure that nobody has written into the file meanwhile: the condition on the tag
/// was checked when it was opened, which a file that takes another one's place cannot undo, and a writer can.
async fn unwritten(found: GetResult) -> Result<GetResult> {
    let GetResult {
        payload,
        meta,
        range,
        attributes,
    } = found;
    let GetResultPayload::File(mut file, path) = payload else {
        return Ok(GetResult {
            payload,
            meta,
            range,
            attributes,
        });
    };
    let length = range.end.saturating_sub(range.start);
    let (location, wanted) = (meta.location.clone(), range.clone());
    let (bytes, now) = blocking(move || {
        let bytes = read(&mut file, &wanted)?;
        let now = describe(location, &file.metadata().map_err(generic)?);
        Ok((bytes, now))
    })
    .await?;
    if now.e_tag != meta.e_tag || bytes.len() as u64 != length {
        return Err(Error::Precondition {
            path: path.display().to_string(),
            source: "the file was written to while it was read".into(),
        });
    }
    let whole = stream::once(std::future::ready(Ok(bytes))).boxed();
    Ok(GetResult {
        payload: GetResultPayload::Stream(whole),
        meta,
        range,
        attributes,
    })
}

/// Removes the files below a folder that the library has begun and nobody has written to for so long.
pub(super) fn stale_staged(folder: &FilePath, now: i64, grace: i64) -> Result<usize> {
    let mut removed = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(generic(error)),
        };
        for entry in entries {
            let entry = entry.map_err(generic)?;
            let kind = entry.file_type().map_err(generic)?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let staged =
                object_path(&folder, &path).is_some_and(|location| upload_of(location.as_ref()).is_some());
            let Some(written) = entry.metadata().ok().filter(|_| kind.is_file() && staged) else {
                continue;
            };
            let written = describe(Path::default(), &written)
                .last_modified
                .timestamp_micros();
            if now.saturating_sub(written) >= grace {
                match std::fs::remove_file(&path) {
                    Ok(()) => removed += 1,
                    // Another process was first.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(generic(error)),
                }
            }
        }
    }
    Ok(removed)
}

/// An upload whose end waits for the disk.
#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    path: PathBuf,
    root: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await;
        let result = while_there(&self.root, result).await?;
        sync(self.path.clone()).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

/// The regular files of one folder, and the folders in it. A folder that is not there has none of either.
fn read_folder(root: &FilePath, folder: &FilePath) -> Result<(Vec<ObjectMeta>, Vec<PathBuf>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    match std::fs::canonicalize(folder) {
        Ok(canonical) if canonical == folder => {}
        _ => return Ok((files, folders)),
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok((files, folders));
        }
        Err(error) => return Err(unlisted(root, folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(generic)?;
        let path = entry.path();
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() || kind.is_file() => kind,
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(generic(error)),
        };
        let Some(location) = object_path(root, &path) else {
            // `unnameable` tells of it.
            continue;
        };
        if kind.is_dir() {
            folders.push(path);
        } else if upload_of(location.as_ref()).is_none() {
            match entry.metadata() {
                Ok(metadata) => files.push(describe(location, &metadata)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(generic(error)),
            }
        }
    }
    Ok((files, folders))
}

/// Why a folder could not be listed: of one that may not be, which one.
fn unlisted(root: &FilePath, folder: &FilePath, error: std::io::Error) -> Error {
    match object_path(root, folder) {
        Some(path) if error.kind() == ErrorKind::PermissionDenied => Error::PermissionDenied {
            path: path.to_string(),
            source: Box::new(error),
        },
        _ => generic(error),
    }
}

/// The same description, tag included, that the library gives of an opened file (object_store `local.rs`,
/// `get_etag`): a tag from a listing must satisfy a condition on a read.
pub(super) fn describe(location: Path, metadata: &Metadata) -> ObjectMeta {
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    let micros = modified
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros();
    ObjectMeta {
        location,
        last_modified: DateTime::<Utc>::from(modified),
        size: metadata.len(),
        e_tag: Some(format!("{:x}-{micros:x}-{:x}", inode(metadata), metadata.len())),
        version: None,
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// Waits until a file and its name are on the disk.
async fn sync(path: PathBuf) -> Result<()> {
    blocking(move || {
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(generic)?;
        // A folder cannot be opened everywhere; where it can, the name is made durable as well.
        if let Some(Ok(folder)) = path.parent().map(File::open) {
            folder.sync_all().map_err(generic)?;
        }
        Ok(())
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| Error::JoinError { source })?
}

pub(super) fn generic(error: std::io::Error) -> Error {
    Error::Generic {
        store: "LocalStore",
        source: Box::new(error),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
