//! From landed files to records: rows in canonical form, their versions, and the identifiers that point to people.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use futures::StreamExt;
use parking_lot::Mutex;
use perennial_base::config::SourceConfig;
use perennial_base::{ErrorClass, Kind};
use perennial_engine::Engine;
use perennial_engine::provider::{FileTable, StoredFile, with_views};
use perennial_engine::schema::timestamp;
use perennial_identity::{GraphBuilder, Rules, SetId, SignatureId, Tally};
use perennial_lake::{ColumnStats, Contract, FileState, SourceFile, SourceManifest};
use xxhash_rust::xxh3::xxh3_128;

use crate::bounded::bound;
use crate::error::Result;
use crate::journal::Journal;
use crate::mapping::Mapping;
use crate::reader::{FileReader, UNDECODABLE, still};
use crate::scratch::{Heap, Scratch, Stored};

/// No signature, no customer.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Rows of a heap that are sorted in memory at once.
const ROWS_PER_HEAP: u64 = 500_000;
/// A row that is left out: it is of a file that was quarantined while it was read.
pub(crate) const DROPPED: u32 = u32::MAX;

/// The columns in front of the canonical ones.
const FILE: usize = 0;
const ROW: usize = 1;
const SET: usize = 2;
const KEY: usize = 3;
const TIME: usize = 4;
const UPDATED: usize = 5;
pub(crate) const LEADING: usize = 6;
const LEADING_COLUMNS: [usize; LEADING] = [FILE, ROW, SET, KEY, TIME, UPDATED];

/// The rows of one source.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) source: u16,
    pub(crate) kind: Kind,
    pub(crate) schema: SchemaRef,
    pub(crate) heaps: Vec<Stored>,
    /// Per heap, in the order of its rows: the signature, and how many newer versions of the record there are
    /// ([`DROPPED`] for a row that is left out).
    pub(crate) sides: Vec<Vec<(u32, u32)>>,
    pub(crate) keyed: bool,
}

/// What a run needs while it reads sources.
pub(crate) struct Reading<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) state: &'a SessionState,
    pub(crate) scratch: &'a Arc<Scratch>,
    pub(crate) rules: &'a Arc<Rules>,
    pub(crate) graph: &'a Arc<Mutex<GraphBuilder>>,
    pub(crate) journal: &'a Journal<'a>,
}

/// Where the rows of one file went.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) filtered: u64,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    superseded: u64,
    unified: u64,
    /// Identifiers that identify nobody: they are told of a file that stays.
    pub(crate) warnings: Tally,
    pub(crate) failed: Option<String>,
    /// The bounds of the values that were read, of a file that could be read to its end.
    pub(crate) stats: Vec<ColumnStats>,
}

/// Signatures of orders by the hash of their key: refunds and items belong to their order's customer.
pub(crate) type Orders = HashMap<u128, u32>;

/// The hash by which an order is found.
pub(crate) fn order_hash(key: &str) -> u128 {
    xxh3_128(key.as_bytes())
}

impl Reading<'_> {
    /// Reads all live files of a source; files that prove bad are quarantined in `manifest`.
    pub(crate) async fn source(
        &self,
        number: u16,
        source: &SourceConfig,
        manifest: &mut SourceManifest,
        orders: &mut Orders,
    ) -> Result<Option<Staged>> {
        let live: Vec<usize> = (0..manifest.files.len())
            .filter(|at| {
                manifest
                    .files
                    .get(*at)
                    .is_some_and(|file| file.state == FileState::Live)
            })
            .collect();
        for file in &mut manifest.files {
            (file.unified, file.superseded, file.filtered, file.rejected) = (0, 0, 0, 0);
            file.rejections.clear();
        }
        if live.is_empty() {
            return Ok(None);
        }
        if source.kind == Kind::Table {
            for at in live {
                if let Some(file) = manifest.files.get_mut(at) {
                    file.unified = file.landed;
                }
            }
            return Ok(None);
        }
        let (columns, partitions) = input(manifest);
        let config = self.engine.config();
        let mapping = Mapping::try_new(self.state, source, &columns, config.zone, config.as_of, |name| {
            self.rules.index_of(name)
        })
        .map(Arc::new)?;
        let schema = staged_schema(&mapping.schema());
        let rows: u64 = live
            .iter()
            .filter_map(|at| manifest.files.get(*at))
            .map(|file| file.landed)
            .sum();
        let heaps = if mapping.keyed() {
            rows.div_ceil(ROWS_PER_HEAP).max(1)
        } else {
            1
        };
        let spool = self.scratch.spool();
        let heaps: Arc<Vec<Mutex<Heap>>> = Arc::new(
            (0..heaps)
                .map(|_| Mutex::new(Heap::new(&spool, Arc::clone(&schema))))
                .collect(),
        );
        let counts = self
            .read_files(number, &mapping, &partitions, &heaps, &schema, manifest, &live)
            .await?;
        let heaps = Arc::try_unwrap(heaps).unwrap_or_default();
        let mut staged = Staged {
            source: number,
            kind: source.kind,
            schema,
            heaps: heaps.into_iter().map(|heap| heap.into_inner().finish()).collect(),
            sides: Vec::new(),
            keyed: mapping.keyed(),
        };
        let mut counts = judge(source, manifest, &live, counts);
        self.versions(source, &mut staged, manifest, &mut counts, orders)?;
        for (at, counted) in counts.iter().enumerate() {
            if let Some(file) = manifest.files.get_mut(at)
                && file.state == FileState::Live
            {
                file.filtered = counted.filtered;
                file.superseded = counted.superseded;
                file.unified = counted.unified;
                file.rejected = counted.rejected.values().sum();
                // What the footer says of them is of the file's writer.
                file.stats.clone_from(&counted.stats);
                file.rejections = counted
                    .rejected
                    .iter()
                    .map(|(reason, rows)| ((*reason).to_owned(), *rows))
                    .collect();
            }
        }
        Ok(Some(staged))
    }

    /// Reads files side by side. A file that cannot be read to its end is noted, not an error of the run.
    #[expect(clippy::too_many_arguments, reason = "the pieces of one loop, named")]
    async fn read_files(
        &self,
        number: u16,
        mapping: &Arc<Mapping>,
        partitions: &[String],
        heaps: &Arc<Vec<Mutex<Heap>>>,
        schema: &SchemaRef,
        manifest: &SourceManifest,
        live: &[usize],
    ) -> Result<Vec<Counts>> {
        let mut counts = vec![Counts::default(); manifest.files.len()];
        let read = Arc::new(mapping.reads());
        let tasks = live
            .iter()
            .filter_map(|at| manifest.files.get(*at).map(|file| (*at, file)))
            .map(|(at, file)| {
                let reader = FileReader {
                    at,
                    path: file.path.clone(),
                    number,
                    mapping: Arc::clone(mapping),
                    heaps: Arc::clone(heaps),
                    schema: Arc::clone(schema),
                    rules: Arc::clone(self.rules),
                    graph: Arc::clone(self.graph),
                    state: self.state.clone(),
                    read: Arc::clone(&read),
                    bound: bound(file.size),
                };
                let table = one_file(self.engine, mapping.input(), partitions, file);
                async move {
                    let table = table?;
                    let read = self.engine.cpu().spawn(reader.read(table));
                    let outcome = match read.await {
                        Ok(outcome) => outcome?,
                        // Whatever it is that panics over the bytes of one file, the others are read.
                        Err(error) if error.is_panic() => Counts {
                            failed: Some(UNDECODABLE.to_owned()),
                            ..Counts::default()
                        },
                        Err(_) => {
                            let message = format!("\"{}\" could not be read", file.path);
                            return Err(perennial_engine::Error::new(ErrorClass::Internal, message).into());
                        }
                    };
                    // What was read of a file that changed meanwhile is of neither version.
                    still(self.engine.lake(), file).await?;
                    Ok::<_, crate::error::Error>((at, outcome, file.landed))
                }
            });
        let side_by_side = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut tasks = futures::stream::iter(tasks.collect::<Vec<_>>()).buffer_unordered(side_by_side);
        while let Some(done) = tasks.next().await {
            let (at, outcome, landed) = done?;
            self.journal.file(landed);
            if let Some(slot) = counts.get_mut(at) {
                *slot = outcome;
            }
        }
        Ok(counts)
    }

    /// Finds the versions of each record, and tells the graph of the records.
    fn versions(
        &self,
        source: &SourceConfig,
        staged: &mut Staged,
        manifest: &SourceManifest,
        counts: &mut [Counts],
        orders: &mut Orders,
    ) -> Result<()> {
        let dropped: Vec<bool> = manifest
            .files
            .iter()
            .map(|file| file.state != FileState::Live)
            .collect();
        let mut graph = self.graph.lock();
        for (counted, dropped) in counts.iter_mut().zip(&dropped) {
            let warnings = std::mem::take(&mut counted.warnings);
            if !dropped {
                graph.warned(&warnings);
            }
        }
        for heap in &staged.heaps {
            let side = if staged.keyed {
                keyed(&mut graph, source.kind, staged, heap, &dropped, counts, orders)?
            } else {
                unkeyed(
                    &mut graph,
                    source.kind,
                    staged,
                    heap,
                    manifest,
                    &dropped,
                    counts,
                    orders,
                )?
            };
            staged.sides.push(side);
        }
        Ok(())
    }
}

/// The rows of a heap that have keys: which of them are versions of one record, and whose it is.
fn keyed(
    graph: &mut GraphBuilder,
    kind: Kind,
    staged: &Staged,
    heap: &Stored,
    dropped: &[bool],
    counts: &mut [Counts],
    orders: &mut Orders,
) -> Result<Vec<(u32, u32)>> {
    let batch = heap.load(&staged.schema, Some(&LEADING_COLUMNS))?;
    let rows = Rows::new(&batch);
    let mut side = vec![(NOBODY, DROPPED); batch.num_rows()];
    let mut order: Vec<u32> = (0..batch.num_rows() as u32)
        .filter(|row| dropped.get(rows.file(*row)) == Some(&false))
        .collect();
    // Every change of a subscription is a fact of its own moment.
    let by_time = kind == Kind::Subscription;
    let moment = |row: u32| if by_time { rows.time(row) } else { 0 };
    let version = |row: u32| {
        (
            rows.key(row),
            moment(row),
            rows.updated(row),
            rows.file(row),
            rows.row(row),
        )
    };
    order.sort_unstable_by(|a, b| version(*a).cmp(&version(*b)));
    let mut key = String::new();
    let mut sightings: Vec<(SetId, i64)> = Vec::new();
    for versions in order.chunk_by(|a, b| rows.key(*a) == rows.key(*b) && moment(*a) == moment(*b)) {
        let Some((newest, _)) = versions.split_last() else {
            continue;
        };
        sightings.clear();
        sightings.extend(versions.iter().map(|row| (rows.set(*row), rows.time(*row))));
        let record_key = if by_time {
            key.clear();
            key.push_str(rows.key(*newest));
            key.push('@');
            key.push_str(&rows.time(*newest).to_string());
            key.as_str()
        } else {
            rows.key(*newest)
        };
        let signature = if kind.person_bearing() {
            graph.versions(staged.source, &sightings, record_key)?
        } else {
            None
        };
        let number = signature.map_or(NOBODY, SignatureId::number);
        if kind == Kind::Order {
            orders.entry(order_hash(rows.key(*newest))).or_insert(number);
        }
        for (place, row) in versions.iter().enumerate() {
            let newer = (versions.len() - 1 - place) as u32;
            if let Some(slot) = side.get_mut(*row as usize) {
                *slot = (number, newer);
            }
            if let Some(counts) = counts.get_mut(rows.file(*row)) {
                let count = if newer == 0 {
                    &mut counts.unified
                } else {
                    &mut counts.superseded
                };
                *count += 1;
            }
        }
    }
    Ok(side)
}

/// The rows of a heap without keys: each is a record of its own, known by its place.
#[expect(clippy::too_many_arguments, reason = "the pieces of one loop, named")]
fn unkeyed(
    graph: &mut GraphBuilder,
    kind: Kind,
    staged: &Staged,
    heap: &Stored,
    manifest: &SourceManifest,
    dropped: &[bool],
    counts: &mut [Counts],
    orders: &mut Orders,
) -> Result<Vec<(u32, u32)>> {
    let mut side = Vec::with_capacity(heap.rows());
    let mut key = String::new();
    for batch in heap.batches(Some(&LEADING_COLUMNS)) {
        let batch = batch?;
        let rows = Rows::new(&batch);
        for row in 0..batch.num_rows() as u32 {
            let file = rows.file(row);
            if dropped.get(file) != Some(&false) {
                side.push((NOBODY, DROPPED));
                continue;
            }
            let set = rows.set(row);
            let mut number = NOBODY;
            if set != SetId::EMPTY || matches!(kind, Kind::Profile | Kind::Order) {
                place(&mut key, manifest.files.get(file), rows.row(row));
                number = person(graph, kind, staged.source, set, rows.time(row), &key)?
                    .map_or(NOBODY, SignatureId::number);
                if kind == Kind::Order {
                    orders.entry(order_hash(&key)).or_insert(number);
                }
            }
            side.push((number, 0));
            if let Some(counts) = counts.get_mut(file) {
                counts.unified += 1;
            }
        }
    }
    Ok(side)
}

fn person(
    graph: &mut GraphBuilder,
    kind: Kind,
    source: u16,
    set: SetId,
    time: i64,
    key: &str,
) -> Result<Option<SignatureId>> {
    if !kind.person_bearing() {
        return Ok(None);
    }
    Ok(graph.record(source, set, time, key)?)
}

/// The key of a row in a source without one: its place.
pub(crate) fn place(key: &mut String, file: Option<&SourceFile>, row: i64) {
    use std::fmt::Write;
    key.clear();
    key.push_str(file.map_or("", |file| file.path.as_str()));
    // Writing to a string cannot fail.
    let _ = write!(key, ":{row}");
}

/// Quarantines files that could not be read, or of which too many rows are rejected.
fn judge(
    source: &SourceConfig,
    manifest: &mut SourceManifest,
    live: &[usize],
    counts: Vec<Counts>,
) -> Vec<Counts> {
    for at in live {
        let (Some(file), Some(counted)) = (manifest.files.get_mut(*at), counts.get(*at)) else {
            continue;
        };
        let rejected: u64 = counted.rejected.values().sum();
        let share = rejected as f64 / (file.landed.max(1)) as f64;
        let reason = match &counted.failed {
            Some(reason) => Some(reason.clone()),
            None if share > source.max_bad_rows => {
                let reasons: Vec<String> = counted
                    .rejected
                    .iter()
                    .map(|(reason, rows)| format!("{reason} ({rows} rows)"))
                    .collect();
                Some(format!(
                    "has {rejected} bad rows of {}, above max_bad_rows = {} of its [[source]]: {}",
                    file.landed,
                    source.max_bad_rows,
                    reasons.join(", ")
                ))
            }
            None => None,
        };
        if let Some(reason) = reason {
            file.state = FileState::Quarantined;
            file.reason = Some(reason);
        }
    }
    counts
}

/// The columns of a source's files, hive partition columns last, and the names of those.
pub(crate) fn input(manifest: &SourceManifest) -> (SchemaRef, Vec<String>) {
    let live = manifest.files.iter().filter(|file| file.state == FileState::Live);
    let mut names = partition_names(live.map(|file| file.partitions.as_slice()));
    names.retain(|name| manifest.contract.schema().index_of(name).is_err());
    (with_partitions(&manifest.contract, &names), names)
}

/// The names of hive partition columns, in the order in which files bring them.
pub(crate) fn partition_names<'a>(files: impl Iterator<Item = &'a [(String, String)]>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in files.flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The columns of a contract, and the partition columns that are not among them.
pub(crate) fn with_partitions(contract: &Contract, names: &[String]) -> SchemaRef {
    let columns = with_views(contract.schema());
    let partitions = names
        .iter()
        .filter(|name| columns.index_of(name).is_err())
        .map(|name| Arc::new(Field::new(name, DataType::Utf8, true)));
    let fields = columns.fields().iter().cloned().chain(partitions);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(crate) fn one_file(
    engine: &Engine,
    input: &SchemaRef,
    partitions: &[String],
    file: &SourceFile,
) -> Result<FileTable> {
    let own = input.fields().len() - partitions.len();
    let columns = Arc::new(Schema::new(
        input.fields().iter().take(own).cloned().collect::<Vec<_>>(),
    ));
    let partition_columns = input.fields().iter().skip(own).cloned().collect();
    let values = partitions
        .iter()
        .map(|name| ScalarValue::Utf8(file.partition(name).map(str::to_owned)))
        .collect();
    let stored = StoredFile {
        path: engine.lake().path(&file.path)?,
        bytes: file.size,
        rows: file.landed,
        columns: Vec::new(),
        partitions: values,
        last_modified: file.last_modified,
        e_tag: file.e_tag.clone(),
    };
    let lake = engine.lake();
    let table = FileTable::new(lake, columns, partition_columns, vec![stored], &[])?;
    Ok(table.landed())
}

fn staged_schema(columns: &SchemaRef) -> SchemaRef {
    let mut fields = vec![
        Arc::new(Field::new("_file", DataType::Int32, false)),
        Arc::new(Field::new("_row", DataType::Int64, false)),
        Arc::new(Field::new("_set", DataType::UInt32, false)),
        Arc::new(Field::new("_key", DataType::Utf8, true)),
        Arc::new(Field::new("_time", timestamp(), false)),
        Arc::new(Field::new("_updated", timestamp(), false)),
    ];
    fields.extend(columns.fields().iter().cloned());
    Arc::new(Schema::new(fields))
}

/// The leading columns of a staged batch.
pub(crate) struct Rows<'a> {
    file: &'a Int32Array,
    row: &'a Int64Array,
    set: &'a UInt32Array,
    key: &'a StringArray,
    time: &'a TimestampMicrosecondArray,
    updated: &'a TimestampMicrosecondArray,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(batch: &'a RecordBatch) -> Self {
        use arrow::array::AsArray;
        use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType, UInt32Type};
        Self {
            file: batch.column(FILE).as_primitive::<Int32Type>(),
            row: batch.column(ROW).as_primitive::<Int64Type>(),
            set: batch.column(SET).as_primitive::<UInt32Type>(),
            key: batch.column(KEY).as_string::<i32>(),
            time: batch.column(TIME).as_primitive::<TimestampMicrosecondType>(),
            updated: batch.column(UPDATED).as_primitive::<TimestampMicrosecondType>(),
        }
    }

    pub(crate) fn file(&self, row: u32) -> usize {
        self.file.value(row as usize) as usize
    }

    pub(crate) fn row(&self, row: u32) -> i64 {
        self.row.value(row as usize)
    }

    fn set(&self, row: u32) -> SetId {
        SetId::from_number(self.set.value(row as usize))
    }

    pub(crate) fn key(&self, row: u32) -> &'a str {
        if self.key.is_valid(row as usize) {
            self.key.value(row as usize)
        } else {
            ""
        }
    }

    pub(crate) fn time(&self, row: u32) -> i64 {
        self.time.value(row as usize)
    }

    pub(crate) fn updated(&self, row: u32) -> i64 {
        self.updated.value(row as usize)
    }
}
