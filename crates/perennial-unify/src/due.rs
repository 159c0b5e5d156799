//! What time alone changes. A run that does not work out everything takes, besides what new files touch, the groups of which
//! something changes between the moment that the snapshot before describes and its own: a window that ends, a stage that
//! runs out, a fact of what was the future then.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType, UInt32Type};
use datafusion::common::DFSchema;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ident};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use perennial_base::config::{Config, SegmentConfig};
use perennial_base::relation::{PUBLIC, Relation, relation};
use perennial_engine::expression::expression;
use perennial_engine::moving::{expression_at, moves};
use perennial_engine::schema::timestamp;
use perennial_lake::{DataFile, Manifest, Scalar};

use crate::bucket::Shared;
use crate::columns::{Facts, instants};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::route::GROUPS;
use crate::stored::{GROUP, Tables};
use crate::values::day_of;

/// The table of the next moments at which something of a group changes; not served.
const TABLE: &str = "internal.due";
const AT: &str = "due_at";
/// Clocks of machines that write to one lake may differ by so much.
const SKEW: i64 = 300_000_000;

/// The moment that a run describes: the configured one, or now. It is never before that of the snapshot before, unless the
/// clock was set back by more than clocks differ.
pub(crate) fn moment(config: &Config, previous: Option<&Manifest>, now: i64) -> i64 {
    let before = previous.and_then(|previous| Some(previous.state.as_ref()?.as_of));
    match (config.as_of, before) {
        (Some(as_of), _) => as_of,
        (None, Some(before)) if (now..=now.saturating_add(SKEW)).contains(&before) => before,
        (None, _) => now,
    }
}

/// Collects, in a bucket, when something of a group changes next.
#[derive(Debug)]
pub(crate) struct Due {
    now: i64,
    /// Whether runs describe ever later moments at all.
    moves: bool,
    due: Vec<(i64, u32)>,
}

impl Due {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            now: shared.now,
            moves: shared.moves,
            due: Vec::new(),
        }
    }

    fn note(&mut self, at: i64, group: u32) {
        if self.moves {
            self.due.push((at, group));
        }
    }

    /// Notes when something of a customer changes, if it does.
    pub(crate) fn customer(&mut self, shared: &Shared, customer: u32, at: Option<i64>) {
        if let (Some(at), Some(group)) = (at, shared.groups.get(customer as usize)) {
            self.note(at, *group);
        }
    }

    /// Notes the facts that are in the future.
    pub(crate) fn facts(&mut self, facts: &Facts) {
        let groups = facts.batch.column(GROUPS).as_primitive::<UInt32Type>();
        for row in 0..facts.len() {
            if facts.time(row) > self.now {
                self.note(facts.time(row), groups.value(row));
            }
        }
    }

    /// Writes them; of each group the first moment.
    pub(crate) async fn write(mut self, output: &Output, bucket: Option<u32>) -> Result<()> {
        self.due.sort_unstable_by_key(|(at, group)| (*group, *at));
        self.due.dedup_by_key(|(_, group)| *group);
        self.due.sort_unstable();
        let schema = Arc::new(Schema::new(vec![Field::new(AT, timestamp(), false)]));
        let moments = instants(self.due.iter().map(|(at, _)| Some(*at)));
        let groups = Arc::new(UInt32Array::from_iter_values(
            self.due.iter().map(|(_, group)| *group),
        ));
        let batch = RecordBatch::try_new(schema, vec![moments])?;
        output.write(TABLE, bucket, &batch, Some(groups), &[AT]).await
    }
}

/// The groups of which something changes after the moment that a snapshot describes, up to `now`.
pub(crate) async fn due(
    stored: &Tables,
    state: &SessionState,
    config: &Config,
    previous: &Manifest,
    now: i64,
) -> Result<Vec<u32>> {
    let mut groups = Vec::new();
    let before = previous.state.as_ref().map_or(now, |state| state.as_of);
    if before >= now {
        return Ok(groups);
    }
    let mut files = stored.files(Some(previous), TABLE, None).await?;
    files.retain(|file| first(file.file()).is_none_or(|first| first <= now));
    let mut read = stored.read(files, &[AT, GROUP]);
    while let Some(batches) = read.next().await {
        for batch in batches? {
            let moments = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            let of = batch.column(1).as_primitive::<UInt32Type>();
            let due = moments.values().iter().zip(of.values());
            groups.extend(due.filter(|(at, _)| **at <= now).map(|(_, group)| *group));
        }
    }
    groups.extend(moved(stored, state, config, previous, (before, now)).await?);
    Ok(groups)
}

/// The first moment in a file of the table.
fn first(file: &DataFile) -> Option<i64> {
    let stats = file.columns.iter().find(|column| column.name == AT)?;
    match stats.min {
        Some(Scalar::Timestamp(first)) => Some(first),
        _ => None,
    }
}

/// The groups of customers who come into a segment, or leave one, by columns that change with every moment.
async fn moved(
    stored: &Tables,
    state: &SessionState,
    config: &Config,
    previous: &Manifest,
    (before, now): (i64, i64),
) -> Result<Vec<u32>> {
    let (Some(summaries), Some(relation)) = (
        previous.tables.get("public.customer_360"),
        relation(PUBLIC, "customer_360"),
    ) else {
        return Ok(Vec::new());
    };
    let served = with_moving(summaries.schema.schema(), relation);
    let mut changed = Vec::new();
    for segment in &config.segments {
        changed.extend(changes(state, segment, &served, relation, (before, now))?);
    }
    let Some(changed) = disjunction(changed) else {
        return Ok(Vec::new());
    };
    let table = Arc::new(stored.table(summaries)?);
    let plan = LogicalPlanBuilder::scan(relation.name, provider_as_source(table), None)?
        .filter(changed)?
        .project([ident(GROUP)])?
        .build()?;
    let plan = state.create_physical_plan(&plan).await?;
    let mut stream = execute_stream(plan, state.task_ctx())?;
    let mut groups = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        groups.extend(batch.column(0).as_primitive::<UInt32Type>().iter().flatten());
    }
    Ok(groups)
}

/// The stored columns of a relation, and behind them those that move.
fn with_moving(stored: &SchemaRef, relation: &Relation) -> Schema {
    let moving = relation.columns.iter().filter(|column| column.moving);
    let moving = moving.map(|column| Arc::new(perennial_engine::schema::field(column)));
    Schema::new(stored.fields().iter().cloned().chain(moving).collect::<Vec<_>>())
}

/// Whether a customer is a member of a segment at one of two moments and not at the other; none where no moment matters.
fn changes(
    state: &SessionState,
    segment: &SegmentConfig,
    served: &Schema,
    relation: &Relation,
    (before, now): (i64, i64),
) -> Result<Option<Expr>> {
    let of_segment = |cause: perennial_engine::Error| Error::Predicate {
        what: "segment",
        name: segment.name.clone(),
        at: segment.filter.at,
        cause: Box::new(cause),
    };
    let schema = DFSchema::try_from(served.clone())?;
    let predicate = expression(state, &segment.filter.sql, &schema).map_err(of_segment)?;
    let moving = |column: &&datafusion::common::Column| moves(relation, column.name());
    if !predicate.column_refs().iter().any(moving) {
        return Ok(None);
    }
    let member = |moment: i64| Ok::<_, Error>(expression_at(predicate.clone(), relation, moment)?.is_true());
    Ok(Some(member(before)?.not_eq(member(now)?)))
}

/// Whether a snapshot describes another day: stages and windows change as time passes, without any new file.
pub(crate) fn aged(config: &Config, previous: &Manifest, moment: i64) -> bool {
    let day = |at: i64| day_of(at, config.zone);
    let before = previous.state.as_ref().map(|state| day(state.as_of));
    config.as_of.is_none() && before != Some(day(moment))
}
