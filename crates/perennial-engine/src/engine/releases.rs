//! The newest release, and how the next one takes its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use parking_lot::RwLock;
use perennial_lake::Manifest;

use crate::engine::Engine;
use crate::error::Result;
use crate::release::{Release, ViewPlanner};

/// Manifests that are read at once.
const READS: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Releases {
    current: RwLock<Arc<Release>>,
    /// The manifests read so far, which never change. Held while a release is made: of two makers the later would
    /// otherwise put the older release into force.
    manifests: tokio::sync::Mutex<BTreeMap<u64, Arc<Manifest>>>,
}

impl Releases {
    pub(super) fn new(first: Release) -> Self {
        Self {
            current: RwLock::new(Arc::new(first)),
            manifests: tokio::sync::Mutex::default(),
        }
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
        let release = self.release_of(Some(newest), &kept).await?;
        *self.releases.current.write() = Arc::new(release);
        Ok(number)
    }

    /// Serves a lake that was never unified: every relation is there, and empty.
    pub(super) async fn serve_no_snapshot(&self) -> Result<()> {
        let release = self.release_of(None, &[]).await?;
        *self.releases.current.write() = Arc::new(release);
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
