//! What nobody needs any more, after a run.

use perennial_engine::Engine;
use perennial_lake::Retention;

/// How long a file that no snapshot names may be of a run that is under way.
const LONGEST_RUN: i64 = 24 * 3_600_000_000;

/// Removes snapshots that nobody needs any more, and what runs that died have left. That it fails is no reason for a run
/// to fail: the next one tries again.
pub(crate) async fn collect_garbage(engine: &Engine) {
    let lake = &engine.config().lake;
    let retention = Retention {
        keep: lake.keep_snapshots,
        min_age: i64::try_from(lake.keep_for.as_micros()).unwrap_or(i64::MAX),
        grace: LONGEST_RUN,
        pinned: engine.held(),
    };
    let now = engine.clock().now();
    match engine.snapshots().collect_garbage(&retention, now).await {
        Ok(collected) => {
            tracing::debug!(
                snapshots = collected.snapshots.len(),
                files = collected.files.len(),
                "garbage collected"
            );
            if let Err(error) = engine.forget(&collected.snapshots).await {
                tracing::warn!(%error, "snapshots that were removed are listed still");
            }
        }
        Err(error) => tracing::warn!(%error, "old snapshots could not be removed"),
    }
}
