//! The newest release, and how the next one takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::{StreamExt, stream};
use parking_lot::{Mutex, RwLock};
use perennial_base::ErrorClass;
use perennial_lake::{Leases, Manifest};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::release::{Release, ViewPlanner};

/// Manifests that are read at once.
const READS: usize = 8;
/// How often a process looks whether it reads other snapshots than before.
const LEASE_TICK: Duration = Duration::from_secs(1);
/// After so many looks a lease is renewed in any case: three times before it expires.
const RENEWALS: u32 = 20;

/// See [`Engine::lease`].
#[derive(Debug)]
pub struct LeaseGuard {
    engine: Weak<Engine>,
    leases: Arc<Leases>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl LeaseGuard {
    /// Gives the leases up at once; when the guard is dropped instead, they expire.
    pub async fn release(mut self) {
        if let Some(engine) = self.engine.upgrade() {
            *engine.releases.leases.lock() = None;
        }
        // A put that is under way must not arrive behind the withdrawal.
        self.stop.cancel();
        let _ended = (&mut self.task).await;
        if let Err(error) = self.leases.withdraw().await {
            tracing::debug!(%error, "a lease could not be withdrawn; it expires");
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Releases {
    current: RwLock<Arc<Release>>,
    /// The manifests read so far, which never change. Held while a release is made: of two makers the later would
    /// otherwise put the older release into force.
    manifests: tokio::sync::Mutex<BTreeMap<u64, Arc<Manifest>>>,
    /// The releases that somebody may still hold.
    held: Mutex<Vec<(u64, Weak<Release>)>>,
    /// The snapshots that somebody is about to hold, with how many of them there are.
    wanted: Mutex<BTreeMap<u64, usize>>,
    /// What this process leases, while it does.
    pub(super) leases: Mutex<Option<Arc<Leases>>>,
}

/// A snapshot that is about to be held: garbage collection keeps away from it.
struct Wanted<'a> {
    releases: &'a Releases,
    number: u64,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        let mut wanted = self.releases.wanted.lock();
        if let Some(count) = wanted.get_mut(&self.number) {
            *count -= 1;
            if *count == 0 {
                wanted.remove(&self.number);
            }
        }
    }
}

impl Releases {
    pub(super) fn new(first: Release) -> Self {
        Self {
            current: RwLock::new(Arc::new(first)),
            manifests: tokio::sync::Mutex::default(),
            held: Mutex::default(),
            wanted: Mutex::default(),
            leases: Mutex::default(),
        }
    }

    fn want(&self, number: u64) -> Wanted<'_> {
        *self.wanted.lock().entry(number).or_default() += 1;
        Wanted {
            releases: self,
            number,
        }
    }

    /// Puts a release among those that somebody may hold.
    fn hold(&self, release: Release) -> Arc<Release> {
        let release = Arc::new(release);
        let mut held = self.held.lock();
        held.retain(|(_, known)| known.strong_count() > 0);
        held.push((release.number(), Arc::downgrade(&release)));
        release
    }

    pub(super) fn current(&self) -> Arc<Release> {
        Arc::clone(&self.current.read())
    }
}

impl Engine {
    /// Looks for a newer snapshot and serves it to statements that start later. Answers the number of the snapshot served;
    /// when there is nothing newer that costs one listing.
    ///
    /// # Errors
    /// When the lake cannot be read, or the newest snapshot is damaged; the former release stays in force. An older
    /// snapshot that cannot be read is left out of `perennial.snapshots` and logged.
    pub async fn refresh(&self) -> Result<u64> {
        let mut manifests = self.releases.manifests.lock().await;
        let known = self.release().number();
        let Some(newest) = self.snapshots.newest_after(known).await? else {
            return Ok(known);
        };
        let newest = Arc::new(newest);
        let numbers = self.snapshots.list().await?;
        manifests.retain(|number, _| numbers.contains(number));
        manifests.insert(newest.number, Arc::clone(&newest));
        let older = numbers.into_iter().filter(|number| *number < newest.number);
        let absent: Vec<u64> = older.filter(|number| !manifests.contains_key(number)).collect();
        let reads = absent.into_iter().map(|number| async move {
            let read = self.snapshots.read(number).await;
            (number, read)
        });
        let read: Vec<_> = stream::iter(reads).buffer_unordered(READS).collect().await;
        for (number, manifest) in read {
            match manifest {
                Ok(manifest) => drop(manifests.insert(number, Arc::new(manifest))),
                Err(error) => {
                    tracing::warn!(number, %error, "an older snapshot cannot be read and is not listed");
                }
            }
        }
        let kept: Vec<_> = manifests.values().cloned().collect();
        let number = newest.number;
        let _wanted = self.releases.want(number);
        self.renew_leases().await;
        let release = self.release_of(Some(newest), &kept).await?;
        *self.releases.current.write() = self.releases.hold(release);
        Ok(number)
    }

    /// Takes note of snapshots that are no longer kept: later statements do not find them in `perennial.snapshots`.
    ///
    /// # Errors
    /// When the release cannot be made anew; the present one stays in force.
    pub async fn forget(&self, snapshots: &[u64]) -> Result<()> {
        let mut manifests = self.releases.manifests.lock().await;
        let before = manifests.len();
        manifests.retain(|number, _| !snapshots.contains(number));
        let current = self.release();
        let Some(manifest) = current.manifest().filter(|_| manifests.len() < before) else {
            return Ok(());
        };
        let kept: Vec<_> = manifests.values().cloned().collect();
        let release = self.release_of(Some(Arc::clone(manifest)), &kept).await?;
        *self.releases.current.write() = self.releases.hold(release);
        Ok(())
    }

    /// The release of a snapshot that is kept: what was known then.
    ///
    /// # Errors
    /// Class `UndefinedObject` when it is not kept, and when it cannot be read.
    pub async fn release_at(&self, number: u64) -> Result<Arc<Release>> {
        let current = self.release();
        if current.number() == number {
            return Ok(current);
        }
        let held = self.releases.held.lock().clone();
        let mut held = held.iter().rev().filter(|(held, _)| *held == number);
        if let Some(held) = held.find_map(|(_, release)| release.upgrade()) {
            return Ok(held);
        }
        // Leased first, then read: what is there then stays.
        let _wanted = self.releases.want(number);
        self.renew_leases().await;
        let manifests = self.releases.manifests.lock().await;
        let manifest = match self.snapshots.read(number).await {
            Ok(manifest) => manifest,
            Err(perennial_lake::Error::NotFound { .. }) => {
                return Err(Error::new(
                    ErrorClass::UndefinedObject,
                    format!("snapshot {number} is not kept"),
                )
                .with_hint("SELECT snapshot FROM perennial.snapshots lists those that are."));
            }
            Err(error) => return Err(error.into()),
        };
        let kept: Vec<_> = manifests.values().cloned().collect();
        let release = self.release_of(Some(Arc::new(manifest)), &kept).await?;
        Ok(self.releases.hold(release))
    }

    /// A release as of a moment in microseconds: see `perennial.as_of`.
    ///
    /// # Errors
    /// Class `InvalidArgument` when the moment is to come.
    pub(crate) async fn release_as_of(&self, whole: &Arc<Release>, moment: i64) -> Result<Arc<Release>> {
        let (present, of) = match self.config.as_of {
            Some(moment) => (moment, "[time] as_of, which the lake describes"),
            None => (self.clock.now(), "now"),
        };
        if moment > present {
            let message = format!("perennial.as_of is later than {of}");
            return Err(Error::new(ErrorClass::InvalidArgument, message)
                .with_hint("Give a moment that has been, or '' for the present."));
        }
        let release = Release::as_of(whole, &self.lake, &self.config, &self.template, moment).await?;
        Ok(Arc::new(release))
    }

    /// The snapshots that statements, transactions and cursors of this process read, or may read next.
    pub fn held(&self) -> BTreeSet<u64> {
        let held = self.releases.held.lock();
        let live = held.iter().filter(|(_, release)| release.strong_count() > 0);
        let mut numbers: BTreeSet<u64> = live.map(|(number, _)| *number).collect();
        numbers.extend(self.releases.wanted.lock().keys());
        numbers.insert(self.release().number());
        numbers.remove(&0);
        numbers
    }

    /// Tells other processes, now and until the guard is dropped or released, which snapshots this one reads: they do not
    /// remove those. A store that cannot be written keeps nothing.
    pub async fn lease(self: &Arc<Self>, name: &str) -> LeaseGuard {
        let leases = Arc::new(Leases::new(self.lake.as_ref().clone(), name));
        *self.releases.leases.lock() = Some(Arc::clone(&leases));
        self.renew_leases().await;
        let engine = Arc::downgrade(self);
        let stop = CancellationToken::new();
        let renewing = renew(Weak::clone(&engine), stop.clone());
        LeaseGuard {
            task: self.cpu().spawn(renewing),
            engine,
            leases,
            stop,
        }
    }

    /// As [`Engine::lease`], and the snapshot that is served is leased and there when this answers.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn leased(self: &Arc<Self>, name: &str) -> Result<LeaseGuard> {
        let guard = self.lease(name).await;
        while !self.keeps(&self.release()).await? {
            // It was removed before it was leased: there is a newer one.
            self.refresh().await?;
        }
        Ok(guard)
    }

    /// Whether this process leases what it reads.
    pub fn leases(&self) -> bool {
        self.releases.leases.lock().is_some()
    }

    /// Publishes the lease of what is held, a release among it, and answers whether its snapshot is there still: then it
    /// stays.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn keeps(&self, release: &Release) -> Result<bool> {
        self.renew_leases().await;
        Ok(release.number() == 0 || self.snapshots.contains(release.number()).await?)
    }

    /// Publishes what is held, if this process leases at all.
    pub async fn renew_leases(&self) {
        let leases = self.releases.leases.lock().clone();
        let Some(leases) = leases else { return };
        let held = self.held();
        if held.is_empty() {
            return;
        }
        // Whoever may not write relies on `lake.keep_for`.
        if let Err(error) = leases.publish(&held, self.clock.now()).await {
            tracing::debug!(%error, "the snapshots that are read could not be leased");
        }
    }

    /// Serves a lake that was never unified: every relation is there, and empty.
    pub(super) async fn serve_no_snapshot(&self) -> Result<()> {
        let release = self.release_of(None, &[]).await?;
        *self.releases.current.write() = self.releases.hold(release);
        Ok(())
    }

    async fn release_of(&self, newest: Option<Arc<Manifest>>, kept: &[Arc<Manifest>]) -> Result<Release> {
        let planner = ViewPlanner {
            template: &self.template,
            config: &self.config,
        };
        Release::new(
            &self.config,
            &self.lake,
            newest,
            kept,
            &self.runs,
            self.functions.clone(),
            self.front.as_deref(),
            &planner,
        )
        .await
    }
}

/// Renews the leases of an engine until it is told to stop, or is gone.
async fn renew(engine: Weak<Engine>, stop: CancellationToken) {
    let mut known = BTreeSet::new();
    let mut ticks = 0_u32;
    loop {
        // A lease expires by the clock, so it is renewed by the clock.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LEASE_TICK) => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        let held = engine.held();
        if held != known || ticks.is_multiple_of(RENEWALS) {
            engine.renew_leases().await;
            known = held;
        }
        ticks = ticks.wrapping_add(1);
    }
}
