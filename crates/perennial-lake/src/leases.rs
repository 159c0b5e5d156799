//! Which snapshots have readers, in whatever process: a reader says so in an object of its own, which expires.
//!
//! A reader leases a snapshot and then makes sure that it is still there; garbage collection removes a snapshot and then
//! asks for leases once more, and puts it back where it finds one. So one of the two always sees the other.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::Lake;

const FOLDER: &str = "_perennial/leases";

/// How long a lease holds that is not renewed, in microseconds.
pub const LEASE: i64 = 60_000_000;

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    snapshots: BTreeSet<u64>,
    /// Microseconds, by the clock of the reader.
    expires_at: i64,
}

/// The leases of one reader.
#[derive(Debug)]
pub struct Leases {
    lake: Lake,
    path: String,
}

impl Leases {
    /// The leases of the reader of this name, which no other process has.
    pub fn new(lake: Lake, name: &str) -> Self {
        Self {
            lake,
            path: format!("{FOLDER}/{name}.json"),
        }
    }

    /// Leases these snapshots, and no others any more, until [`LEASE`] after `now`.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn publish(&self, snapshots: &BTreeSet<u64>, now: i64) -> Result<()> {
        let lease = Lease {
            snapshots: snapshots.clone(),
            expires_at: now.saturating_add(LEASE),
        };
        let text = serde_json::to_vec(&lease).map_err(|error| Error::Malformed {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        let path = self.lake.path(&self.path)?;
        let put = self.lake.store().put(&path, text.into()).await;
        put.map(|_| ())
            .map_err(|error| Error::store("write", &self.path, &error))
    }

    /// Gives all up.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn withdraw(&self) -> Result<()> {
        match self.lake.store().delete(&self.lake.path(&self.path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::store("delete", &self.path, &error)),
        }
    }
}

/// The snapshots that somebody leases at `now`. Leases that expired long ago are removed on the way.
///
/// # Errors
/// Whatever the store answers: who does not know the leases removes nothing.
pub async fn leased(lake: &Lake, now: i64) -> Result<BTreeSet<u64>> {
    let failed = |error: object_store::Error| Error::store("read", FOLDER, &error);
    let store = lake.store();
    let listing = store.list(Some(&lake.path(FOLDER)?));
    let files: Vec<ObjectMeta> = listing.try_collect().await.map_err(failed)?;
    let mut snapshots = BTreeSet::new();
    for file in files {
        // Clocks differ: by the store's or by the reader's, the later counts.
        let written = file.last_modified.timestamp_micros();
        let bytes = match store.get(&file.location).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(failed(error)),
        };
        let lease: Option<Lease> = serde_json::from_slice(&bytes).ok();
        let expires = lease.as_ref().map_or(0, |lease| lease.expires_at);
        let expires = expires.max(written.saturating_add(LEASE));
        if now <= expires {
            snapshots.extend(lease.into_iter().flat_map(|lease| lease.snapshots));
        } else if now > expires.saturating_add(10 * LEASE) {
            // Its reader died; what cannot be removed is removed the next time.
            let _ = store.delete(&file.location).await;
        }
    }
    Ok(snapshots)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use perennial_base::{Clock, SystemClock};

    use super::*;

    #[tokio::test]
    async fn a_lease_holds_until_it_expires_or_is_withdrawn() {
        let lake = Lake::with_store(Arc::new(InMemory::new()), "s3://b", "").unwrap();
        let now = SystemClock.now();
        let (one, other) = (
            Leases::new(lake.clone(), "one"),
            Leases::new(lake.clone(), "other"),
        );
        assert!(leased(&lake, now).await.unwrap().is_empty());
        one.publish(&BTreeSet::from([3, 5]), now).await.unwrap();
        other.publish(&BTreeSet::from([5, 6]), now + LEASE).await.unwrap();
        let at = async |after: i64| -> Vec<u64> {
            leased(&lake, now + after).await.unwrap().into_iter().collect()
        };
        assert_eq!(at(0).await, [3, 5, 6]);
        assert_eq!(at(LEASE + LEASE / 2).await, [5, 6]);
        one.publish(&BTreeSet::from([4]), now).await.unwrap();
        assert_eq!(at(0).await, [4, 5, 6]);
        other.withdraw().await.unwrap();
        other.withdraw().await.unwrap();
        assert_eq!(at(0).await, [4]);
        // Long after its reader died the lease itself goes.
        assert!(at(20 * LEASE).await.is_empty());
        let left: Vec<ObjectMeta> = lake.store().list(None).try_collect().await.unwrap();
        assert!(left.is_empty());
    }
}
