//! What a run tells while it goes on: to its watcher, in `perennial.runs`, and afterwards in the manifest.

use parking_lot::Mutex;
use perennial_engine::{Engine, Run, listed};
use perennial_lake::Phase;

use crate::error::{Error, Result};
use crate::landing::Looks;
use crate::progress::Progress;
use crate::report::Report;

/// The phase before there is anything to write about.
pub(crate) const LOOK: &str = "look at the lake";

/// The journal of a run under way.
pub(crate) struct Journal<'a> {
    engine: &'a Engine,
    progress: &'a dyn Progress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: Run,
    /// When the present phase began, microseconds.
    since: i64,
    /// The phases that have ended, and the present one.
    phases: Vec<Phase>,
}

impl<'a> Journal<'a> {
    /// The journal of a run that has looked at the lake from `began` until now.
    pub(crate) fn new(
        engine: &'a Engine,
        progress: &'a dyn Progress,
        id: &str,
        started_at: i64,
        began: i64,
    ) -> Self {
        let run = Run {
            id: id.to_owned(),
            started_at,
            state: "running",
            ..Run::default()
        };
        let state = State {
            run,
            since: began,
            phases: vec![named(LOOK)],
        };
        Self {
            engine,
            progress,
            state: Mutex::new(state),
        }
    }

    /// Notes a run that has failed before it knew whether there is something to do.
    pub(crate) fn failed(
        engine: &'a Engine,
        progress: &'a dyn Progress,
        looks: &mut Looks,
        began: i64,
        error: &Error,
    ) {
        let id = format!("{}-{began}", engine.release().number() + 1);
        Self::new(engine, progress, &id, began, began).fails(looks, error);
    }

    /// Notes that this process runs no more, as another one has unified the lake with another configuration since.
    pub(crate) fn outdated(engine: &'a Engine, progress: &'a dyn Progress, began: i64, snapshot: u64) {
        // It stays one row, whoever looks.
        let id = format!("{}-outdated", snapshot + 1);
        let journal = Self::new(engine, progress, &id, began, began);
        journal.ended(|run| {
            run.state = "failed";
            run.error = Some(format!(
                "another process has made snapshot {snapshot} with another configuration: this one serves it, and looks for no files until it is restarted"
            ));
        });
    }

    /// A phase begins, and the one before has ended; `total` rows, or buckets of customers, are expected.
    pub(crate) fn phase(&self, name: &'static str, total: Option<u64>) {
        self.progress.phase(name, total);
        let mut state = self.state.lock();
        state.end_phase(self.engine.clock().now());
        state.phases.push(named(name));
        let run = &mut state.run;
        run.phase = Some(name.to_owned());
        (run.done, run.total, run.expected_at) = (0, total, None);
        self.engine.record_run(run.clone());
    }

    /// Everything is worked out, for this reason, or without one what is touched alone.
    pub(crate) fn scope(&self, why_full: Option<&str>) {
        if let Some(why) = why_full {
            tracing::info!(why, "everything is worked out");
        }
        let run = &mut self.state.lock().run;
        run.full = Some(why_full.is_some());
        run.why_full = why_full.map(str::to_owned);
    }

    /// So many more rows, or buckets, of the phase are done.
    pub(crate) fn advance(&self, by: u64) {
        self.progress.advance(by);
        self.note(by, |_| {});
    }

    /// A file has been read to its end.
    pub(crate) fn file(&self, rows: u64) {
        self.progress.file(rows);
        self.note(rows, |run| {
            run.rows_read += rows;
            run.files_read += 1;
        });
    }

    fn note(&self, by: u64, note: impl FnOnce(&mut Run)) {
        let now = self.engine.clock().now();
        let mut state = self.state.lock();
        let since = state.since;
        let run = &mut state.run;
        note(run);
        run.done += by;
        run.expected_at = run
            .total
            .and_then(|total| expected_at(since, now, run.done, total));
        self.engine.record_run(run.clone());
    }

    /// The phases so far, the present one as if it ended now.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let mut state = self.state.lock();
        state.end_phase(self.engine.clock().now());
        state.phases.clone()
    }

    pub(crate) fn finished(self, looks: &mut Looks, outcome: &Result<Option<Report>>) {
        match outcome {
            Ok(Some(report)) => self.ended(|run| {
                run.state = "committed";
                run.snapshot = report.snapshot;
                run.customers = report.customers;
                run.sources_unfit = listed(report.unfit.iter().map(|(source, _)| source.as_str()));
            }),
            Ok(None) => self.ended(|run| {
                run.state = "failed";
                run.error = Some("another run committed first".to_owned());
            }),
            Err(error) => self.fails(looks, error),
        }
    }

    /// It has failed. Runs that fail alike one after the other are one row, from the start of the first to the end of the
    /// last.
    fn fails(self, looks: &mut Looks, error: &Error) {
        self.ended(|run| {
            (run.id, run.started_at) = looks.failing(error.alike(), &run.id, run.started_at);
            run.state = "failed";
            run.error = Some(error.without_places());
        });
    }

    fn ended(self, how: impl FnOnce(&mut Run)) {
        let mut run = self.state.into_inner().run;
        let own = run.id.clone();
        run.finished_at = Some(self.engine.clock().now());
        run.expected_at = None;
        how(&mut run);
        self.engine.record_run_with(&own, run);
    }
}

fn named(name: &str) -> Phase {
    Phase {
        name: name.to_owned(),
        ..Phase::default()
    }
}

impl State {
    fn end_phase(&mut self, now: i64) {
        let millis = now.saturating_sub(self.since) / 1_000;
        if let Some(phase) = self.phases.last_mut() {
            phase.millis = u64::try_from(millis).unwrap_or_default();
            phase.rows = self.run.done;
            self.since = now;
        }
    }
}

/// When `total` are done if it goes on as from `since` to `now`, in microseconds; none before the first is done.
fn expected_at(since: i64, now: i64, done: u64, total: u64) -> Option<i64> {
    let (elapsed, left) = (i128::from(now) - i128::from(since), total.saturating_sub(done));
    let rest = (elapsed * i128::from(left)).checked_div(i128::from(done))?;
    now.checked_add(i64::try_from(rest).ok()?)
}

#[cfg(test)]
mod tests {
    use super::expected_at;

    #[test]
    fn the_rest_takes_as_long_for_each_row_as_those_before() {
        assert_eq!(expected_at(1_000, 1_000, 0, 10), None);
        // Three of twelve in 300: nine more take 900.
        assert_eq!(expected_at(1_000, 1_300, 3, 12), Some(2_200));
        assert_eq!(expected_at(1_000, 1_300, 12, 12), Some(1_300));
        assert_eq!(expected_at(0, i64::MAX - 1, 1, u64::MAX), None);
    }
}
