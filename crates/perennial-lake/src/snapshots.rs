//! The sequence of snapshots, and the one operation that extends it.
//!
//! A commit creates `_perennial/snapshots/<number>.json` if that name is still free; the store decides who was
//! first. Readers look for the highest number. Nothing else is needed for atomicity: before the create the files
//! of a run are orphans, after it they are the lake.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;

use crate::document::{decode, encode};
use crate::error::{Error, Result};
use crate::leases::leased;
use crate::manifest::Manifest;
use crate::store::{Lake, PLATFORM_FOLDER, create_only, is_there};

pub(crate) const FOLDER: &str = "_perennial/snapshots";
/// The folder of all data files.
pub(crate) const DATA_FOLDER: &str = "_perennial/data";
/// Where stores are tried out; what is left there is of a process that died.
pub(crate) const PROBE_FOLDER: &str = "_perennial/probe";
/// How often a request is repeated that met another one under way.
const ATTEMPTS: u32 = 5;

/// What the name of a snapshot ends in that is being removed.
const ASIDE: &str = ".gone";

/// What a listing says of a snapshot.
#[derive(Debug)]
struct Document {
    number: u64,
    /// Whether it is being removed.
    aside: bool,
    /// Microseconds.
    written: i64,
}

/// The snapshots of a lake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshots {
    lake: Lake,
    /// The files that snapshots name, by number: a snapshot never changes.
    named: Arc<Mutex<BTreeMap<u64, Arc<HashSet<String>>>>>,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a commit may have lost the race"]
pub enum Commit {
    /// The snapshot is in force.
    Done,
    /// Somebody else was first; read `newest`, apply the run to it and commit again.
    Conflict {
        /// The newest snapshot.
        newest: u64,
    },
}

/// What garbage collection keeps. Times are in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How many of the newest snapshots stay in any case; the newest one always does.
    pub keep: usize,
    /// Snapshots stay for this long after a newer one has taken their place: who reads them began before.
    pub min_age: i64,
    /// Files that no snapshot names stay for this long: it must exceed the longest run.
    pub grace: i64,
    /// Snapshots that have readers.
    pub pinned: BTreeSet<u64>,
}

/// What garbage collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Numbers of snapshots.
    pub snapshots: Vec<u64>,
    /// Paths of files, relative to the lake.
    pub files: Vec<String>,
}

impl Snapshots {
    /// The snapshots of `lake`.
    pub fn new(lake: Lake) -> Self {
        Self {
            lake,
            named: Arc::default(),
        }
    }

    /// The newest snapshot; none in a lake that has not been unified.
    ///
    /// # Errors
    /// When the store fails, and when the newest snapshot is damaged or of a newer format.
    pub async fn newest(&self) -> Result<Option<Manifest>> {
        self.newest_after(0).await
    }

    /// The newest snapshot if its number is above `known`; otherwise none, at the cost of one listing that begins
    /// behind `known`.
    ///
    /// # Errors
    /// As [`Snapshots::newest`].
    pub async fn newest_after(&self, known: u64) -> Result<Option<Manifest>> {
        let mut attempt = 0;
        loop {
            let Some(number) = self.newest_number(known).await? else {
                return Ok(None);
            };
            match self.read(number).await {
                // Garbage collection may have removed it since, which it does only when there is a newer one.
                Err(Error::NotFound { .. }) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome.map(Some),
            }
        }
    }

    /// Reads one snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::DamagedSnapshot`], [`Error::NewerFormat`], and whatever the store answers.
    pub async fn read(&self, number: u64) -> Result<Manifest> {
        self.read_document(number, snapshot_path(number)).await
    }

    async fn read_document(&self, number: u64, relative: String) -> Result<Manifest> {
        let failed = |error: object_store::Error| Error::store("read", &relative, &error);
        let found = self
            .lake
            .store()
            .get(&self.lake.path(&relative)?)
            .await
            .map_err(failed)?;
        let size = found.meta.size;
        let bytes = found.bytes().await.map_err(failed)?;
        if bytes.len() as u64 != size {
            let reason = "the store delivered less than the whole file".to_owned();
            return Err(Error::Unavailable {
                operation: "read",
                path: relative,
                reason,
            });
        }
        decode(number, &bytes)
    }

    /// The numbers of all snapshots, ascending.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<u64>> {
        self.numbers(0).await
    }

    /// Makes `manifest` the newest snapshot, if its number is still free. The files that it names must have been
    /// finished before.
    ///
    /// A reply that is lost is told from a race that is lost by the manifest's `writer`: calling again with the
    /// same manifest after an error is safe, and commits once.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the manifest is not the successor of the newest snapshot's number or is not
    /// balanced, [`Error::Unconfirmed`] when the outcome cannot be found out, and whatever the store answers.
    pub async fn commit(&self, manifest: &Manifest) -> Result<Commit> {
        let relative = snapshot_path(manifest.number);
        let malformed = |reason: String| Error::Malformed {
            path: relative.clone(),
            reason,
        };
        check(manifest).map_err(malformed)?;
        let payload = PutPayload::from(encode(manifest).map_err(malformed)?);

        // The name of a snapshot that was collected is free, and must not be given again.
        let newest = self.newest_number(0).await?.unwrap_or(0);
        if newest >= manifest.number {
            return self.settle(manifest, newest).await;
        }
        if newest + 1 != manifest.number {
            return Err(malformed(format!("the newest snapshot is {newest}")));
        }
        let path = self.lake.path(&relative)?;
        let mut attempt = 0;
        loop {
            let put = self
                .lake
                .store()
                .put_opts(&path, payload.clone(), create_only())
                .await;
            let Err(error) = put else {
                return self.confirmed(manifest).await;
            };
            // Whatever the store said, what counts is what is there now.
            match self.read(manifest.number).await {
                Ok(stored) if stored.writer == manifest.writer => return self.confirmed(manifest).await,
                Ok(_) | Err(Error::DamagedSnapshot { .. } | Error::NewerFormat { .. }) => {
                    let newest = self.newest_number(0).await?.unwrap_or(manifest.number);
                    return Ok(Commit::Conflict { newest });
                }
                Err(Error::NotFound { .. }) => {
                    // S3 answers a create that meets another one under way before either is decided.
                    if !is_there(&error) || attempt == ATTEMPTS {
                        return Err(match Error::store("write", &relative, &error) {
                            // The answer is lost, and the snapshot may still arrive.
                            Error::Unavailable { reason, .. } => Error::Unconfirmed {
                                number: manifest.number,
                                reason,
                            },
                            definite => definite,
                        });
                    }
                    tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
                    attempt += 1;
                }
                Err(unreadable) => {
                    return Err(Error::Unconfirmed {
                        number: manifest.number,
                        reason: unreadable.to_string(),
                    });
                }
            }
        }
    }

    /// The files below `_perennial/` that no snapshot names and that nobody has written to for `grace`
    /// microseconds before `now`: data files of runs that did not commit, and staged files.
    ///
    /// # Errors
    /// When the store fails or a snapshot cannot be read: without all of them nothing is known to be an orphan.
    pub async fn orphans(&self, now: i64, grace: i64) -> Result<Vec<String>> {
        self.disposable(now, grace, &HashSet::new(), &HashSet::new())
            .await
    }

    /// The orphans, and those of the files `freed` that no snapshot names, whatever their age. The snapshots `gone`
    /// name none any more.
    async fn disposable(
        &self,
        now: i64,
        grace: i64,
        freed: &HashSet<String>,
        gone: &HashSet<u64>,
    ) -> Result<Vec<String>> {
        // The files first: what is committed after this listing is then in a snapshot of the second.
        let failed = |error: object_store::Error| Error::store("list", PLATFORM_FOLDER, &error);
        let folder = self.lake.path(PLATFORM_FOLDER)?;
        let files: Vec<ObjectMeta> = self
            .lake
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(failed)?;
        let mut named = Vec::new();
        let documents = self.documents(0).await?;
        let known: BTreeSet<u64> = documents.iter().map(|document| document.number).collect();
        self.named.lock().retain(|number, _| known.contains(number));
        // One that was given back meanwhile names its files again.
        let names = |document: &&Document| !document.aside || !gone.contains(&document.number);
        let naming: BTreeSet<u64> = documents
            .iter()
            .filter(names)
            .map(|document| document.number)
            .collect();
        for number in naming {
            match self.named(number).await {
                Ok(files) => named.push(files),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let named = |path: &String| named.iter().any(|files| files.contains(path));
        let old = |meta: &ObjectMeta| now.saturating_sub(meta.last_modified.timestamp_micros()) >= grace;
        let disposable = |path: &String| {
            let data = path
                .strip_prefix(DATA_FOLDER)
                .is_some_and(|rest| rest.starts_with('/'));
            let probe = path
                .strip_prefix(PROBE_FOLDER)
                .is_some_and(|rest| rest.starts_with('/'));
            (data || probe || path.ends_with(".tmp")) && !named(path)
        };
        Ok(files
            .iter()
            .filter_map(|meta| Some((meta, self.lake.relative(&meta.location)?)))
            .filter(|(meta, path)| old(meta) || freed.contains(path))
            .map(|(_, path)| path)
            .filter(disposable)
            .collect())
    }

    /// Removes snapshots that `retention` does not keep, oldest first, and then the files that no snapshot names
    /// any more. A crash in the middle leaves the rest for the next time.
    ///
    /// A snapshot goes in two steps: it is set aside under another name, which still names its files, and when nobody
    /// leases it even then, its files go. A reader leases a snapshot before it looks whether it is there: so either it
    /// does not find it, or it gets it back.
    ///
    /// # Errors
    /// When the store fails; what was removed until then stays removed.
    pub async fn collect_garbage(&self, retention: &Retention, now: i64) -> Result<Collected> {
        let documents = self.documents(0).await?;
        let all: Vec<_> = documents.iter().filter(|document| !document.aside).collect();
        let free = all.len().saturating_sub(retention.keep.max(1));
        let replaced = |successor: &Document| now.saturating_sub(successor.written) >= retention.min_age;
        let candidates = all.iter().zip(all.iter().skip(1)).take(free);
        let mut superfluous: Vec<u64> = candidates
            .filter(|(_, successor)| replaced(successor))
            .map(|(document, _)| document.number)
            .filter(|number| !retention.pinned.contains(number))
            .collect();
        if !superfluous.is_empty() {
            let leased = leased(&self.lake, now).await?;
            superfluous.retain(|number| !leased.contains(number));
        }
        for number in &superfluous {
            self.set_aside(*number).await?;
        }
        // Those too that a collector which died has left.
        let dead = documents.iter().filter(|document| document.aside);
        let dead = dead.map(|document| document.number);
        let aside: BTreeSet<u64> = superfluous.into_iter().chain(dead).collect();
        let snapshots = self.unless_leased(aside, now).await?;
        let mut freed = HashSet::new();
        for number in &snapshots {
            match self.named(*number).await {
                Ok(files) => freed.extend(files.iter().cloned()),
                // Its files are orphans then, which go when they are old.
                Err(Error::NotFound { .. } | Error::DamagedSnapshot { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let gone = snapshots.iter().copied().collect();
        let files = self.disposable(now, retention.grace, &freed, &gone).await?;
        self.delete(&files).await?;
        let aside: Vec<String> = snapshots.iter().map(|number| aside_path(*number)).collect();
        self.delete(&aside).await?;
        self.lake.remove_staged(now, retention.grace).await?;
        Ok(Collected { snapshots, files })
    }

    /// Takes a snapshot away from readers that come from now on. Its files stay named.
    async fn set_aside(&self, number: u64) -> Result<()> {
        if let Some(bytes) = self.bytes(&snapshot_path(number)).await? {
            let relative = aside_path(number);
            let path = self.lake.path(&relative)?;
            let put = self.lake.store().put(&path, bytes.into()).await;
            put.map_err(|error| Error::store("write", &relative, &error))?;
        }
        self.delete(&[snapshot_path(number)]).await
    }

    /// Those of the snapshots set aside that nobody reads; the others are given back to their readers.
    async fn unless_leased(&self, aside: BTreeSet<u64>, now: i64) -> Result<Vec<u64>> {
        if aside.is_empty() {
            return Ok(Vec::new());
        }
        // What is there still, or again, has not been taken away.
        let there: HashSet<u64> = self.list().await?.into_iter().collect();
        let leased = leased(&self.lake, now).await?;
        let mut free = Vec::new();
        for number in aside {
            if there.contains(&number) {
                continue;
            }
            if !leased.contains(&number) {
                free.push(number);
                continue;
            }
            // What is set aside stays as well: it names the files until they are free.
            if let Some(bytes) = self.bytes(&aside_path(number)).await? {
                let relative = snapshot_path(number);
                let path = self.lake.path(&relative)?;
                let put = self
                    .lake
                    .store()
                    .put_opts(&path, bytes.into(), create_only())
                    .await;
                match put {
                    Ok(_) => {}
                    Err(error) if is_there(&error) => {}
                    Err(error) => return Err(Error::store("write", &relative, &error)),
                }
            }
        }
        Ok(free)
    }

    /// Whether a snapshot is there. Who leased it before keeps it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn contains(&self, number: u64) -> Result<bool> {
        let relative = snapshot_path(number);
        match self.lake.store().head(&self.lake.path(&relative)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::store("read", &relative, &error)),
        }
    }

    /// A document as it is; none when it is not there.
    async fn bytes(&self, relative: &str) -> Result<Option<Bytes>> {
        let failed = |error: object_store::Error| Error::store("read", relative, &error);
        match self.lake.store().get(&self.lake.path(relative)?).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The files that a snapshot names, one that is set aside too.
    async fn named(&self, number: u64) -> Result<Arc<HashSet<String>>> {
        if let Some(known) = self.named.lock().get(&number) {
            return Ok(Arc::clone(known));
        }
        let manifest = match self.read(number).await {
            Err(Error::NotFound { .. }) => self.read_document(number, aside_path(number)).await?,
            outcome => outcome?,
        };
        let files: Arc<HashSet<String>> = Arc::new(manifest.data_files().map(str::to_owned).collect());
        self.named.lock().insert(number, Arc::clone(&files));
        Ok(files)
    }

    /// The answer to a commit whose number is taken already.
    async fn settle(&self, manifest: &Manifest, newest: u64) -> Result<Commit> {
        match self.read(manifest.number).await {
            Ok(stored) if stored.writer == manifest.writer => Ok(Commit::Done),
            Err(error @ (Error::Unavailable { .. } | Error::NotAllowed { .. })) => Err(error),
            _ => Ok(Commit::Conflict { newest }),
        }
    }

    /// Looks whether what was created is in force. A writer that stood still between its look and its write creates a name
    /// that was given before, when the snapshot of that name has been collected meanwhile.
    async fn confirmed(&self, manifest: &Manifest) -> Result<Commit> {
        let newest = self.newest_number(0).await?.unwrap_or(manifest.number);
        if newest <= manifest.number {
            return Ok(Commit::Done);
        }
        let unconfirmed = |reason: String| Error::Unconfirmed {
            number: manifest.number,
            reason,
        };
        let next = self
            .read(manifest.number + 1)
            .await
            .map_err(|error| unconfirmed(format!("there is a newer one, and of the next one {error}")))?;
        match next.parent_writer {
            Some(parent) if parent != manifest.writer => {
                // Nobody builds on it, and its files go with this run.
                let path = self.lake.path(&snapshot_path(manifest.number))?;
                let removed = self.lake.store().delete(&path).await;
                removed.map_err(|error| unconfirmed(format!("it is behind others, and stays: {error}")))?;
                Ok(Commit::Conflict { newest })
            }
            _ => Ok(Commit::Done),
        }
    }

    async fn newest_number(&self, known: u64) -> Result<Option<u64>> {
        Ok(self.numbers(known).await?.last().copied())
    }

    /// The numbers of snapshots above `known`, ascending.
    async fn numbers(&self, known: u64) -> Result<Vec<u64>> {
        let documents = self.documents(known).await?.into_iter();
        let there = documents.filter(|document| !document.aside);
        Ok(there.map(|document| document.number).collect())
    }

    /// Snapshots above `known` and those set aside, ascending.
    async fn documents(&self, known: u64) -> Result<Vec<Document>> {
        let folder = self.lake.path(FOLDER)?;
        let offset = self.lake.path(&snapshot_path(known))?;
        let listing = self.lake.store().list_with_offset(Some(&folder), &offset);
        let found: Vec<ObjectMeta> = listing
            .try_collect()
            .await
            .map_err(|error| Error::store("list", FOLDER, &error))?;
        let mut documents: Vec<_> = found
            .iter()
            .filter_map(|meta| {
                let name = meta.location.filename()?;
                Some(Document {
                    number: snapshot_number(name.strip_suffix(ASIDE).unwrap_or(name))?,
                    aside: name.ends_with(ASIDE),
                    written: meta.last_modified.timestamp_micros(),
                })
            })
            .filter(|document| document.number > known)
            .collect();
        documents.sort_by_key(|document| (document.number, document.aside));
        Ok(documents)
    }

    async fn delete(&self, relative: &[String]) -> Result<()> {
        let paths: Vec<_> = relative
            .iter()
            .map(|path| self.lake.path(path))
            .collect::<Result<_>>()?;
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let outcomes: Vec<_> = self.lake.store().delete_stream(paths).collect().await;
        for outcome in outcomes {
            match outcome {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::store("delete", PLATFORM_FOLDER, &error)),
            }
        }
        Ok(())
    }
}

/// The path of a snapshot: twenty digits hold every number and sort as numbers do.
fn snapshot_path(number: u64) -> String {
    format!("{FOLDER}/{number:020}.json")
}

/// The path of a snapshot that is being removed. Behind the other one, so that a listing never misses both.
fn aside_path(number: u64) -> String {
    format!("{}{ASIDE}", snapshot_path(number))
}

fn snapshot_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// What must hold of every manifest.
fn check(manifest: &Manifest) -> std::result::Result<(), String> {
    if manifest.format != Manifest::FORMAT {
        return Err(format!(
            "its format is {}, not {}",
            manifest.format,
            Manifest::FORMAT
        ));
    }
    if manifest.number == 0 || manifest.parent != manifest.number.checked_sub(1).filter(|parent| *parent > 0)
    {
        return Err(format!("number {} does not follow its parent", manifest.number));
    }
    if manifest.writer.is_empty() {
        return Err("it names no writer".to_owned());
    }
    let mut paths = HashSet::new();
    if let Some(twice) = manifest.data_files().find(|path| !paths.insert(*path)) {
        return Err(format!("the file \"{twice}\" is named twice"));
    }
    let files = manifest.sources.values().flat_map(|source| &source.files);
    match files.into_iter().find(|file| !file.balanced()) {
        Some(file) => Err(format!("the rows of \"{}\" do not add up", file.path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
