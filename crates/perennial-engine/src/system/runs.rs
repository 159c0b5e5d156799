//! `perennial.runs`: the runs whose snapshots are kept, and those of this process, as they stand when the relation is read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use perennial_lake::Manifest;

use super::{count, instant, text};

/// Runs that a process remembers.
const REMEMBERED: usize = 1_000;

/// A unify run of this process, as `perennial.runs` shows it.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// When it started, microseconds.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// `running`, `committed` or `failed`.
    pub state: &'static str,
    /// What it does or did last.
    pub phase: Option<String>,
    /// The snapshot that it committed.
    pub snapshot: Option<u64>,
    /// Rows, or buckets of customers, of the phase that are done.
    pub done: u64,
    /// How many there are to do, where that is known.
    pub total: Option<u64>,
    /// When the phase is expected to end, microseconds.
    pub expected_at: Option<i64>,
    /// Files read.
    pub files_read: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Customers after it.
    pub customers: u64,
    /// Sources of which no file is served.
    pub sources_unfit: Option<String>,
    /// Whether it worked out everything, where it has come so far.
    pub full: Option<bool>,
    /// Why it worked out everything; none where it did not.
    pub why_full: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The runs of this process.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<Vec<Run>>);

impl Runs {
    /// Takes note of a run; one of the same id is replaced.
    pub(crate) fn record(&self, run: Run) {
        let own = run.id.clone();
        self.record_with(&own, run);
    }

    /// Takes note of a run that was noted as `own`; under another id it is one with that run.
    pub(crate) fn record_with(&self, own: &str, run: Run) {
        let mut runs = self.0.lock();
        runs.retain(|known| known.id != own || known.id == run.id);
        match runs.iter_mut().find(|known| known.id == run.id) {
            Some(known) => *known = run,
            None => runs.push(run),
        }
        let excess = runs.len().saturating_sub(REMEMBERED);
        runs.drain(..excess);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RunsTable {
    schema: SchemaRef,
    committed: Vec<Run>,
    own: Arc<Runs>,
}

impl RunsTable {
    pub(crate) fn new(schema: SchemaRef, snapshots: &[Arc<Manifest>], own: &Arc<Runs>) -> Self {
        Self {
            schema,
            committed: snapshots.iter().map(|manifest| committed(manifest)).collect(),
            own: Arc::clone(own),
        }
    }

    fn rows(&self) -> datafusion::common::Result<RecordBatch> {
        let own = self.own.0.lock().clone();
        let kept = self.committed.iter();
        let kept = kept.filter(|run| own.iter().all(|other| other.id != run.id));
        let mut all: Vec<Run> = kept.chain(&own).cloned().collect();
        all.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        let columns: Vec<ArrayRef> = vec![
            text(all.iter().map(|run| Some(run.id.as_str()))),
            instant(all.iter().map(|run| Some(run.started_at))),
            instant(all.iter().map(|run| run.finished_at)),
            text(all.iter().map(|run| Some(run.state))),
            text(all.iter().map(|run| run.phase.as_deref())),
            count(all.iter().map(|run| Some(run.done))),
            count(all.iter().map(|run| run.total)),
            instant(all.iter().map(|run| run.expected_at)),
            count(all.iter().map(|run| run.snapshot)),
            count(all.iter().map(|run| Some(run.files_read))),
            count(all.iter().map(|run| Some(run.rows_read))),
            count(all.iter().map(|run| Some(run.customers))),
            text(all.iter().map(|run| run.sources_unfit.as_deref())),
            text(all.iter().map(|run| run.full.map(scope))),
            text(all.iter().map(|run| run.why_full.as_deref())),
            text(all.iter().map(|run| run.error.as_deref())),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn scope(full: bool) -> &'static str {
    match full {
        true => "full",
        false => "increment",
    }
}

/// Names in one text; none of none.
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn committed(manifest: &Manifest) -> Run {
    let customers = manifest.tables.get("public.customers");
    let last = manifest.run.phases.last();
    Run {
        id: manifest.run.id.clone(),
        started_at: manifest.run.started_at,
        finished_at: Some(manifest.run.finished_at),
        state: "committed",
        phase: last.map(|phase| phase.name.clone()),
        snapshot: Some(manifest.number),
        done: last.map_or(0, |phase| phase.rows),
        total: None,
        expected_at: None,
        files_read: manifest.run.files,
        rows_read: manifest.run.rows,
        customers: customers.map_or(0, |table| table.rows()),
        sources_unfit: listed(manifest.unfit().map(|(source, _)| source)),
        full: Some(manifest.run.full),
        why_full: manifest.run.why_full.clone(),
        error: None,
    }
}

#[async_trait]
impl TableProvider for RunsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let rows = MemTable::try_new(Arc::clone(&self.schema), vec![vec![self.rows()?]])?;
        rows.scan(state, projection, filters, limit).await
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use perennial_base::relation::{PERENNIAL, relation};

    use super::*;
    use crate::schema::schema;

    #[test]
    fn a_run_is_shown_as_it_stands_now() {
        let own = Arc::<Runs>::default();
        let declared = relation(PERENNIAL, "runs").unwrap();
        let table = RunsTable::new(schema(declared), &[], &own);
        let states = || {
            let rows = table.rows().unwrap();
            let column = rows.column_by_name("state").unwrap();
            let states = column.as_string_view().iter().flatten();
            states.map(str::to_owned).collect::<Vec<_>>()
        };
        let run = |id: &str, started_at: i64, state: &'static str| Run {
            id: id.to_owned(),
            started_at,
            state,
            ..Run::default()
        };
        assert!(states().is_empty());
        own.record(run("a", 1, "running"));
        own.record(run("b", 2, "running"));
        own.record(run("a", 1, "failed"));
        assert_eq!(states(), ["failed", "running"]);
        own.record(run("b", 2, "committed"));
        assert_eq!(states(), ["failed", "committed"]);
        own.record(run("c", 3, "running"));
        own.record_with("c", run("a", 1, "failed"));
        assert_eq!(states(), ["failed", "committed"]);
    }
}
