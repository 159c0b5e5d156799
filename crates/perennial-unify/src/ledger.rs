//! The ledger: every row of the landed files in canonical form, kept from run to run with its group, so that a run can
//! work out the groups that new rows touch without reading the files again. There is one table for each source; rows are
//! added and never change; those of files that are served no more are masked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray, StringBuilder, UInt32Array,
};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{SortOptions, is_null, nullif, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use parking_lot::Mutex;
use perennial_base::config::Config;
use perennial_engine::schema::timestamp;
use perennial_identity::{GraphBuilder, IdentifierId, Resolution};
use perennial_lake::SourceManifest;
use tokio::task::JoinSet;

use crate::error::Result;
use crate::groups::Labels;
use crate::output::Output;
use crate::reader::share;
use crate::records::{DROPPED, LEADING, Pending, Rows, Staged};
use crate::scratch::{Heap, Scratch, Stored};
use crate::stored::{GROUP, stopped};

/// The version of the shape of the tables that runs keep for the next one.
pub(crate) const STATE_VERSION: u32 = 5;

/// The columns in front of the identifiers.
const GROUPS: usize = 0;
const FILES: usize = 1;
const FRONT: usize = 6;
/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 131_072;

const PREFIX: &str = "internal.ledger.";

/// The table of a source.
pub(crate) fn table_of(source: &str) -> String {
    format!("{PREFIX}{source}")
}

/// Whether a table is the ledger of a source.
pub(crate) fn holds(table: &str) -> bool {
    table.starts_with(PREFIX)
}

/// The columns of a ledger: of rows that may carry these types of identifiers and have the canonical columns of `staged`.
pub(crate) fn schema(types: &[usize], staged: &SchemaRef) -> SchemaRef {
    let mut fields = places();
    fields.extend([
        Field::new("_row", DataType::Int64, false),
        Field::new("_key", DataType::Utf8, true),
        Field::new("_time", timestamp(), false),
        // None where it is the time of the row.
        Field::new("_updated", timestamp(), true),
    ]);
    fields.extend(
        types
            .iter()
            .map(|kind| Field::new(format!("_id_{kind}"), DataType::Utf8, true)),
    );
    fields.extend(staged.fields().iter().skip(LEADING).map(|field| {
        let name = format!("c_{}", field.name());
        field.as_ref().clone().with_name(name)
    }));
    Arc::new(Schema::new(fields))
}

/// The first columns of every ledger: the group of a row, and the number of its file.
pub(crate) fn places() -> Vec<Field> {
    vec![
        Field::new(GROUP, DataType::UInt32, false),
        Field::new("_file", DataType::UInt32, false),
    ]
}

/// New rows on their way into the ledger, by source and range of groups.
#[derive(Debug)]
pub(crate) struct Ledger {
    sources: BTreeMap<u16, (SchemaRef, Vec<Heap>)>,
    ranges: usize,
}

impl Ledger {
    /// Rows go in as many ranges as there are buckets, so that one is sorted in memory.
    pub(crate) fn new<'a>(
        staged: impl Iterator<Item = &'a Staged>,
        ranges: usize,
        scratch: &Arc<Scratch>,
    ) -> Self {
        let sources = staged.map(|staged| {
            let schema = schema(&staged.types, &staged.schema);
            let spool = scratch.spool();
            let heaps = (0..ranges).map(|_| Heap::new(&spool, Arc::clone(&schema)));
            (staged.source, (Arc::clone(&schema), heaps.collect()))
        });
        Self {
            sources: sources.collect(),
            ranges,
        }
    }

    /// Takes in the rows of a batch that are not in the ledger yet.
    pub(crate) fn take(
        &mut self,
        staged: &Staged,
        manifest: &SourceManifest,
        batch: &RecordBatch,
        side: &[(u32, u32)],
        resolution: &Resolution,
        labels: &Labels,
    ) -> Result<()> {
        let Some((schema, heaps)) = self.sources.get_mut(&staged.source) else {
            return Ok(());
        };
        let leading = Rows::new(batch);
        let mut shares: Vec<Vec<u32>> = vec![Vec::new(); self.ranges];
        for (row, (_, newer)) in (0_u32..).zip(side) {
            if *newer == DROPPED || staged.stored.get(leading.file(row)) == Some(&true) {
                continue;
            }
            let group = labels.of(leading.element(row)) as u64;
            let range = group * self.ranges as u64 / u64::from(labels.groups.max(1));
            if let Some(share) = shares.get_mut(range as usize) {
                share.push(row);
            }
        }
        for (rows, heap) in shares.into_iter().zip(heaps) {
            if !rows.is_empty() {
                heap.push(stored(staged, manifest, schema, batch, rows, resolution, labels)?)?;
            }
        }
        Ok(())
    }

    /// Ends the taking in.
    pub(crate) fn finish(self) -> Full {
        let sources = self.sources.into_iter().map(|(source, (schema, heaps))| {
            let heaps = heaps.into_iter().map(Heap::finish).collect();
            (source, schema, heaps)
        });
        Full(sources.collect())
    }
}

/// Rows for the ledger, all of them.
#[derive(Debug)]
pub(crate) struct Full(Vec<(u16, SchemaRef, Vec<Stored>)>);

impl Full {
    /// Writes one file for each source.
    pub(crate) async fn write(
        self,
        config: &Config,
        output: &Arc<Output>,
        cpu: &tokio::runtime::Handle,
    ) -> Result<()> {
        let mut running: JoinSet<Result<()>> = JoinSet::new();
        let side_by_side = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut outcome = Ok(());
        for (source, schema, heaps) in self.0 {
            let name = table_of(
                config
                    .sources
                    .get(usize::from(source))
                    .map_or("", |source| &source.name),
            );
            let output = Arc::clone(output);
            while running.len() >= side_by_side
                && let Some(done) = running.join_next().await
            {
                outcome = outcome.and(done.map_err(|_| stopped().into()).and_then(|done| done));
            }
            let write = async move {
                let parts = heaps
                    .iter()
                    .filter(|heap| heap.rows() > 0)
                    .map(|heap| by_group(&heap.load(&schema, None)?));
                output
                    .parts(&name, &schema, &[GROUP], ROW_GROUP_ROWS, parts)
                    .await
            };
            running.spawn_on(write, cpu);
        }
        while let Some(done) = running.join_next().await {
            outcome = outcome.and(done.map_err(|_| stopped().into()).and_then(|done| done));
        }
        outcome
    }
}

fn by_group(batch: &RecordBatch) -> Result<RecordBatch> {
    let options = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let order = sort_to_indices(batch.column(GROUPS), Some(options), None)?;
    Ok(take_record_batch(batch, &order)?)
}

fn stored(
    staged: &Staged,
    manifest: &SourceManifest,
    schema: &SchemaRef,
    batch: &RecordBatch,
    rows: Vec<u32>,
    resolution: &Resolution,
    labels: &Labels,
) -> Result<RecordBatch> {
    let leading = Rows::new(batch);
    let groups = UInt32Array::from_iter_values(rows.iter().map(|row| labels.of(leading.element(*row))));
    let files = UInt32Array::from_iter_values(rows.iter().map(|row| {
        let file = manifest.files.get(leading.file(*row));
        file.map_or(0, |file| file.id)
    }));
    let mut identifiers: Vec<StringBuilder> = staged.types.iter().map(|_| StringBuilder::new()).collect();
    for row in &rows {
        for (kind, builder) in staged.types.iter().zip(&mut identifiers) {
            let value = resolution
                .members(leading.set(*row))
                .find(|member| member.0 == *kind);
            builder.append_option(value.map(|(_, value)| value));
        }
    }
    let indices = UInt32Array::from(rows);
    let taken =
        |at: usize| -> Result<ArrayRef> { Ok(arrow::compute::take(batch.column(at), &indices, None)?) };
    let (times, updated) = (taken(Rows::TIME)?, taken(Rows::UPDATED)?);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(groups),
        Arc::new(files),
        taken(Rows::ROW)?,
        taken(Rows::KEY)?,
        Arc::clone(&times),
        nullif(&updated, &eq(&updated, &times)?)?,
    ];
    columns.extend(
        identifiers
            .into_iter()
            .map(|mut builder| Arc::new(builder.finish()) as ArrayRef),
    );
    for at in LEADING..batch.num_columns() {
        columns.push(taken(at)?);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// The columns of a ledger by name, as far as those that were just read have them too.
pub(crate) fn columns_like(pending: &Pending) -> SchemaRef {
    schema(&pending.mapping.types(), &pending.schema)
}

/// Brings stored rows of a source beside those that were just read.
pub(crate) struct Loading<'a> {
    graph: &'a Mutex<GraphBuilder>,
    pending: &'a Pending,
    types: Vec<usize>,
    /// By the id of a file, its place in the source.
    files: HashMap<u32, i32>,
}

impl<'a> Loading<'a> {
    pub(crate) fn new(
        graph: &'a Mutex<GraphBuilder>,
        manifest: &SourceManifest,
        pending: &'a Pending,
    ) -> Self {
        let files = (0_i32..)
            .zip(&manifest.files)
            .filter(|(_, file)| file.id > 0)
            .map(|(at, file)| (file.id, at))
            .collect();
        Self {
            graph,
            pending,
            types: pending.mapping.types(),
            files,
        }
    }

    /// Takes rows of a ledger; `element` gives that of a stored group.
    pub(crate) fn take(&self, rows: &[RecordBatch], element: &mut impl FnMut(u32) -> u32) -> Result<()> {
        for batch in rows {
            let batch = self.staged(batch, element)?;
            let key = batch.column(Rows::KEY).as_string::<i32>().clone();
            let key = self.pending.mapping.keyed().then_some(&key);
            share(&self.pending.heaps, batch, key)?;
        }
        Ok(())
    }

    fn staged(&self, batch: &RecordBatch, element: &mut impl FnMut(u32) -> u32) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let groups = batch.column(GROUPS).as_primitive::<UInt32Type>();
        let of_file = batch.column(FILES).as_primitive::<UInt32Type>();
        let places = of_file
            .values()
            .iter()
            .map(|id| self.files.get(id).copied().unwrap_or(-1));
        let values: Vec<(usize, &StringArray)> = self
            .types
            .iter()
            .enumerate()
            .map(|(at, kind)| (*kind, batch.column(FRONT + at).as_string::<i32>()))
            .collect();
        let mut sets = Vec::with_capacity(rows);
        let mut members: Vec<IdentifierId> = Vec::new();
        let mut graph = self.graph.lock();
        for row in 0..rows {
            members.clear();
            for (kind, values) in &values {
                if values.is_valid(row) {
                    members.push(graph.intern(*kind, values.value(row))?);
                }
            }
            sets.push(graph.set(&members)?.number());
        }
        drop(graph);
        let (times, updated) = (batch.column(4), batch.column(5));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values(places)),
            Arc::clone(batch.column(2)),
            Arc::new(UInt32Array::from(sets)),
            Arc::clone(batch.column(3)),
            Arc::clone(times),
            zip(&is_null(updated)?, times, updated)?,
            Arc::new(UInt32Array::from_iter_values(
                groups.values().iter().map(|group| element(*group)),
            )),
        ];
        columns.extend(batch.columns().iter().skip(FRONT + self.types.len()).cloned());
        Ok(RecordBatch::try_new(Arc::clone(&self.pending.schema), columns)?)
    }
}
