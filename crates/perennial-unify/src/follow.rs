//! Following the lake while it is served: a run whenever something is new.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use perennial_base::{ErrorClass, UserError};
use perennial_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::landing::Looks;
use crate::options::RunOptions;
use crate::progress::Quiet;
use crate::rate_doubts::rate_doubts;
use crate::report::Report;
use crate::run::{random, run};

/// How often a server that does not look for files looks for snapshots of others.
const SNAPSHOTS: Duration = Duration::from_secs(10);
/// A run that has failed again and again is tried this seldom.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// See [`next_pause`].
const LONGEST_PAUSE_OF_A_STORE: Duration = Duration::from_secs(30);

/// Follows the lake until `stop`: every `refresh` it looks for new files, and runs when there are some; without a
/// `refresh` it serves the snapshots that other processes commit. A statement that finds a file replaced or gone has it
/// look at once. It works on the runtime of what the process does by itself, beside the lanes of statements.
///
/// A run that fails is tried again, after pauses that double from `refresh` up to five minutes, or up to half a minute
/// where the store cannot be reached or allows no access; the former snapshot is served on. The log has a failure when it
/// begins or becomes another, and one line when it is over; in `perennial.runs` it is one row from the first try to the
/// last. A lake without any file is no failure: it is said once, and waited for.
///
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
    let (mut trouble, mut unpriced) = (Trouble::default(), Unpriced::default());
    unpriced.look(&engine).await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SNAPSHOTS) => {}
            () = engine.outdated().notified() => {}
        }
        match engine.refresh().await.map_err(Error::from) {
            Ok(_) => trouble.over(),
            Err(error) if trouble.begins(&error) => tracing::error!(
                %error,
                detail = error.detail().as_deref(),
                hint = error.hint().as_deref(),
                "the lake cannot be read; what is served stays as it is, and it is looked at again until it can"
            ),
            Err(_) => {}
        }
        unpriced.look(&engine).await;
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
    let mut unclaimed: HashSet<String> = HashSet::new();
    let (mut trouble, mut unpriced, mut waits) = (Trouble::default(), Unpriced::default(), false);
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
        let failed = match outcome {
            Ok(report) => {
                tell(report, &engine.config().file, &mut unclaimed);
                None
            }
            Err(nothing @ Error::Nothing { waiting, .. }) => {
                if !waiting && !std::mem::replace(&mut waits, true) {
                    tracing::warn!(
                        detail = nothing.detail().as_deref(),
                        hint = nothing.hint().as_deref(),
                        "{nothing}; the server waits for files"
                    );
                }
                None
            }
            Err(error) => Some(error),
        };
        if failed.is_none()
            && let Some(looked) = looked.take()
        {
            looked();
        }
        // Another process may have committed.
        let refreshed = engine.refresh().await;
        let failed = failed.or_else(|| refreshed.err().map(Error::from));
        pause = next_pause(pause, refresh, failed.as_ref());
        match failed {
            None => trouble.over(),
            Some(error) if trouble.begins(&error) => tracing::error!(
                %error,
                detail = error.detail().as_deref(),
                hint = hint(&error).as_deref(),
                "run failed; what is served stays as it is, and it is tried again until it succeeds"
            ),
            Some(_) => {}
        }
        unpriced.look(&engine).await;
    }
}

/// How long after a run the next one is due. A store that cannot be reached, or a lake that is not all there, may be back
/// at any moment, and to ask costs little; what else fails may have read the lake before it does.
fn next_pause(last: Duration, refresh: Duration, failed: Option<&Error>) -> Duration {
    let longest = match failed.map(Error::class) {
        None => return refresh,
        Some(ErrorClass::Unavailable | ErrorClass::MissingFile) => LONGEST_PAUSE_OF_A_STORE,
        Some(_) => LONGEST_PAUSE,
    };
    (2 * last).clamp(refresh, longest.max(refresh))
}

/// What fails at every try: it is told when it begins or becomes another, and when it is over.
#[derive(Debug, Default)]
struct Trouble(Option<String>);

impl Trouble {
    /// Notes a failure; whether it is another one than that of the last try.
    fn begins(&mut self, error: &Error) -> bool {
        let alike = error.alike();
        self.0.replace(alike.clone()) != Some(alike)
    }

    /// Notes that a try has succeeded.
    fn over(&mut self) {
        if self.0.take().is_some() {
            // Who was told of the failure is told of its end.
            tracing::warn!("the lake can be looked at again; what failed is over");
        }
    }
}

/// The currencies whose rates are in doubt, each of which is told once while they are.
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
        match rate_doubts(engine).await {
            Ok(doubts) => {
                let new = doubts
                    .told()
                    .filter(|(currency, _)| !self.told.contains(*currency));
                for (_, told) in new {
                    tracing::warn!("{told}");
                }
                self.told = doubts.told().map(|(currency, _)| currency.to_owned()).collect();
            }
            Err(error) => tracing::warn!(%error, "amounts without an exchange rate were not looked for"),
        }
    }
}

/// Writes into the log what a run has found and done.
fn tell(report: Report, file: &str, unclaimed: &mut HashSet<String>) {
    for told in report.noticed.told(file) {
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
        tracing::warn!("{departed}");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: ErrorClass, message: &str) -> Error {
        perennial_engine::Error::new(class, message).into()
    }

    #[test]
    fn a_store_that_is_back_is_noticed_within_half_a_minute() {
        let refresh = Duration::from_secs(10);
        let pauses = |class: ErrorClass| {
            let error = failure(class, "away");
            let mut pause = Duration::ZERO;
            [(); 8].map(|()| {
                pause = next_pause(pause, refresh, Some(&error));
                pause.as_secs()
            })
        };
        assert_eq!(pauses(ErrorClass::Unavailable), [10, 20, 30, 30, 30, 30, 30, 30]);
        assert_eq!(
            pauses(ErrorClass::UndefinedColumn),
            [10, 20, 40, 80, 160, 300, 300, 300]
        );
        assert_eq!(next_pause(LONGEST_PAUSE, refresh, None), refresh);
        // Nobody is asked more often than the configuration says.
        let (seldom, away) = (
            Duration::from_secs(3_600),
            failure(ErrorClass::Unavailable, "away"),
        );
        assert_eq!(next_pause(seldom, seldom, Some(&away)), seldom);
    }

    #[test]
    fn a_failure_is_told_when_it_begins_or_changes() {
        let mut trouble = Trouble::default();
        let (away, full) = (
            failure(ErrorClass::Unavailable, "away"),
            failure(ErrorClass::DiskFull, "full"),
        );
        let told = [&away, &away, &full, &full, &away].map(|error| trouble.begins(error));
        assert_eq!(told, [true, false, true, false, true]);
        trouble.over();
        assert!(trouble.begins(&away));
    }
}
