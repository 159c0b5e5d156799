//! Following the lake while it is served: a run whenever something is new.

use std::sync::Arc;
use std::time::Duration;

use perennial_base::UserError;
use perennial_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::landing::Looks;
use crate::progress::Quiet;
use crate::run::{RunOptions, run};

/// Looks at the lake every `refresh` until `stop`, and runs when something is new. A run that fails is logged and tried
/// again at the next look; the former snapshot is served on.
pub async fn follow(engine: Arc<Engine>, refresh: Duration, stop: CancellationToken) {
    let mut looks = Looks::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(refresh) => {}
        }
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = run(&engine, &mut looks, RunOptions::default(), &Quiet) => outcome,
        };
        match outcome {
            Ok(report) => {
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
                detail = error.detail().unwrap_or_default(),
                hint = error.hint().unwrap_or_default(),
                "run failed; the former snapshot stays in force"
            ),
        }
        // Another process may have committed.
        if let Err(error) = engine.refresh().await {
            tracing::error!(%error, "the lake cannot be read; the former snapshot stays in force");
        }
    }
}
