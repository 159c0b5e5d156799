//! Following the lake while it is served: a run whenever something is new.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use perennial_base::UserError;
use perennial_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::landing::Looks;
use crate::missing_rates::missing_rates;
use crate::options::RunOptions;
use crate::progress::Quiet;
use crate::run::{random, run};

/// How often a server that does not look for files looks for snapshots of others.
const SNAPSHOTS: Duration = Duration::from_secs(10);
/// A run that has failed again and again is tried this seldom.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Follows the lake until `stop`: every `refresh` it looks for new files, and runs when there are some; without a
/// `refresh` it serves the snapshots that other processes commit. A run that fails is logged and tried again, after
/// pauses that grow; the former snapshot is served on. A statement that finds a file replaced or gone has it look at once. It works on the engine's compute threads.
/// `looked` is called once, when the first look is done, or at once where there is none.
pub async fn follow(
    engine: Arc<Engine>,
    refresh: Option<Duration>,
    stop: CancellationToken,
    looked: impl FnOnce() + Send + 'static,
) {
    let cpu = engine.cpu().clone();
    // Without a name of its own the process leases nothing, and relies on `lake.keep_for`.
    let leasing = match random() {
        Ok(name) => Some(engine.lease(&format!("{name:032x}")).await),
        Err(_) => None,
    };
    let following = match refresh {
        Some(refresh) => cpu.spawn(runs(engine, refresh, stop, looked)),
        None => {
            looked();
            cpu.spawn(snapshots(engine, stop))
        }
    };
    // A panic in it was logged by the runtime.
    let _ = following.await;
    if let Some(leasing) = leasing {
        leasing.release().await;
    }
}

async fn snapshots(engine: Arc<Engine>, stop: CancellationToken) {
    let mut unpriced = Unpriced::default();
    unpriced.look(&engine).await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SNAPSHOTS) => {}
            () = engine.outdated().notified() => {}
        }
        if let Err(error) = engine.refresh().await {
            tracing::error!(%error, "the lake cannot be read; what is served stays as it is");
        }
        unpriced.look(&engine).await;
    }
}

/// The currencies of served amounts that have no rate, each of which is told once while it has none.
#[derive(Debug, Default)]
struct Unpriced {
    told: HashSet<String>,
    /// The snapshot that was looked at.
    snapshot: u64,
}

impl Unpriced {
    async fn look(&mut self, engine: &Arc<Engine>) {
        let newest = engine.release().number();
        if newest == self.snapshot {
            return;
        }
        self.snapshot = newest;
        match missing_rates(engine).await {
            Ok(missing) => {
                for rate in missing.iter().filter(|rate| !self.told.contains(&rate.currency)) {
                    tracing::warn!("{rate}");
                }
                self.told = missing.into_iter().map(|rate| rate.currency).collect();
            }
            Err(error) => tracing::warn!(%error, "amounts without an exchange rate were not looked for"),
        }
    }
}

/// What to do about a run that has failed. This process has read its configuration, and reads it no more.
fn hint(error: &Error) -> Option<String> {
    let hint = error.hint();
    match error {
        Error::Configured { .. } => {
            let hint = hint.map_or_else(String::new, |hint| hint + " ");
            Some(
                hint + "Start the server again after a change of the configuration: it reads the file when it starts.",
            )
        }
        _ => hint,
    }
}

async fn runs(
    engine: Arc<Engine>,
    refresh: Duration,
    stop: CancellationToken,
    looked: impl FnOnce() + Send + 'static,
) {
    let mut looked = Some(looked);
    let mut looks = Looks::default();
    let mut unpriced = Unpriced::default();
    let mut unclaimed: HashSet<String> = HashSet::new();
    // What has landed before the server started is not waited for.
    let mut pause = Duration::ZERO;
    loop {
        let outdated = tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => false,
            () = engine.outdated().notified() => true,
        };
        let options = RunOptions {
            yields: true,
            // A statement has failed for it: the next one shall not.
            settle: outdated,
            ..RunOptions::default()
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = AssertUnwindSafe(run(&engine, &mut looks, options, &Quiet)).catch_unwind() => outcome,
        };
        // The panic was logged where it happened; the next look is a new try.
        let Ok(outcome) = outcome else {
            pause = LONGEST_PAUSE.max(refresh);
            continue;
        };
        pause = match &outcome {
            Ok(_) => refresh,
            Err(_) => (2 * pause).clamp(refresh, LONGEST_PAUSE.max(refresh)),
        };
        let failed = outcome.is_err();
        if !failed && let Some(looked) = looked.take() {
            looked();
        }
        match outcome {
            Ok(report) => {
                for told in report.noticed.told(&engine.config().file) {
                    tracing::warn!("{told}");
                }
                for (source, file, reason) in &report.quarantined_anew {
                    tracing::warn!(
                        source = source.as_str(),
                        file = file.as_str(),
                        reason = reason.as_str(),
                        "file quarantined"
                    );
                }
                for (file, reason) in report.unclaimed {
                    if unclaimed.insert(file.clone()) {
                        tracing::warn!(file, reason, "belongs to no source");
                    }
                }
                for departed in &report.departed {
                    tracing::info!("{departed}");
                }
                if let Some(snapshot) = report.snapshot {
                    tracing::info!(
                        snapshot,
                        customers = report.customers,
                        rows = report.rows,
                        "snapshot committed"
                    );
                }
            }
            Err(error) => tracing::error!(
                %error,
                detail = error.detail().as_deref(),
                hint = hint(&error).as_deref(),
                again_in_seconds = pause.as_secs(),
                "run failed; what is served stays as it is"
            ),
        }
        // Another process may have committed. Of a lake that is away the run has told.
        if let Err(error) = engine.refresh().await
            && !failed
        {
            tracing::error!(%error, "the lake cannot be read; what is served stays as it is");
        }
        unpriced.look(&engine).await;
    }
}
