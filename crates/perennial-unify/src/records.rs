//! From landed files to records: rows in canonical form, their versions, and the identifiers that point to people.

use std::collections::BTreeMap;
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
use perennial_identity::{GraphBuilder, Rules, SetId, Tally};
use perennial_lake::{Blame, ColumnStats, Contract, FileState, Loss, SourceFile, SourceManifest};

use crate::bad_rows::too_bad;
use crate::error::{Error, Result};
use crate::gone::is_gone;
use crate::groups::Nodes;
use crate::journal::Journal;
use crate::mapping::Mapping;
use crate::odd_times::Times;
use crate::reader::{CHANGING, FileReader, UNDECODABLE, still};
use crate::scratch::{Heap, Scratch, Stored};
use crate::side::{Side, SideBuilder};
use crate::useless::{Used, read, telling, useless};
use crate::versions::{Known, Warned, keyed, unkeyed};

/// No signature, no customer.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Rows of a heap that are sorted in memory at once.
const ROWS_PER_HEAP: u64 = 500_000;
/// Stored rows that are touched for each new one, about.
const TOUCHED_PER_NEW: u64 = 8;
/// A row that is left out: it is of a file that was quarantined while it was read.
pub(crate) const DROPPED: u32 = u32::MAX;

/// The columns in front of the canonical ones.
const FILE: usize = 0;
const ROW: usize = 1;
const SET: usize = 2;
const KEY: usize = 3;
const TIME: usize = 4;
const UPDATED: usize = 5;
const ELEMENT: usize = 6;
pub(crate) const LEADING: usize = 7;
pub(crate) const LEADING_COLUMNS: [usize; LEADING] = [FILE, ROW, SET, KEY, TIME, UPDATED, ELEMENT];

/// The rows of one source.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) source: u16,
    pub(crate) kind: Kind,
    pub(crate) schema: SchemaRef,
    pub(crate) heaps: Vec<Stored>,
    /// What stands beside the rows of each heap.
    pub(crate) sides: Vec<Side>,
    pub(crate) keyed: bool,
    /// The identifier types that its rows may carry.
    pub(crate) types: Vec<usize>,
    /// By file, whether its rows are stored already: an earlier run has read it.
    pub(crate) stored: Vec<bool>,
    /// By file, whether an earlier run may have read its records: it has read the file, or, where keys name records in
    /// whatever file, and no stored rows tell, any of the source.
    pub(crate) before: Vec<bool>,
}

/// A source whose new files have been read.
pub(crate) struct Pending {
    source: u16,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) schema: SchemaRef,
    pub(crate) heaps: Arc<Vec<Mutex<Heap>>>,
    counts: Vec<Counts>,
    read: Vec<usize>,
}

/// What a run needs while it reads sources.
pub(crate) struct Reading<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) state: &'a SessionState,
    pub(crate) scratch: &'a Arc<Scratch>,
    pub(crate) rules: &'a Arc<Rules>,
    pub(crate) graph: &'a Arc<Mutex<GraphBuilder>>,
    pub(crate) nodes: &'a Arc<Mutex<Nodes>>,
    pub(crate) journal: &'a Journal<'a>,
    /// Whether the rows of files that have a number are stored, and not read again.
    pub(crate) part: bool,
    /// Whether no other try follows: a file that changes while it is read is left to the next run then.
    pub(crate) last: bool,
}

/// Where the rows of one file went.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) filtered: u64,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    pub(crate) superseded: u64,
    pub(crate) unified: u64,
    /// Rows of a file read earlier that a new row supersedes.
    pub(crate) outdated: u64,
    /// Rows of a file read earlier whose newer version is in a file that is served no more.
    pub(crate) revived: u64,
    /// Identifiers that identify nobody: they are told of a file that stays.
    pub(crate) warnings: Tally,
    /// By type of identifier, the values that can be used.
    pub(crate) usable: BTreeMap<usize, Used>,
    /// Values of optional expressions that could not be worked out.
    pub(crate) losses: BTreeMap<String, Loss>,
    pub(crate) failed: Option<(Blame, String)>,
    pub(crate) times: Times,
    /// The bounds of the values that were read, of a file that could be read to its end.
    pub(crate) stats: Vec<ColumnStats>,
}

impl Reading<'_> {
    /// Whether the rows of a file are stored already.
    fn stored(&self, file: &SourceFile) -> bool {
        self.part && file.id > 0
    }

    /// Reads the live files of a source; those alone whose rows are not stored, where there are stored rows.
    pub(crate) async fn source(
        &self,
        number: u16,
        source: &SourceConfig,
        manifest: &mut SourceManifest,
    ) -> Result<Option<Pending>> {
        let of_state = |wanted: &dyn Fn(&SourceFile) -> bool| -> Vec<usize> {
            let files = manifest.files.iter().enumerate();
            let live = files.filter(|(_, file)| file.state == FileState::Live && wanted(file));
            live.map(|(at, _)| at).collect()
        };
        let live = of_state(&|_| true);
        let read = of_state(&|file| !self.stored(file));
        for file in manifest.files.iter_mut().filter(|file| !self.stored(file)) {
            (file.unified, file.superseded, file.filtered, file.rejected) = (0, 0, 0, 0);
            file.rejections.clear();
            file.losses.clear();
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
        let rows: u64 = read
            .iter()
            .filter_map(|at| manifest.files.get(*at))
            .map(|file| file.landed)
            .sum();
        let heaps = if mapping.keyed() {
            // Stored rows that are touched come on top of new ones.
            let rows = if self.part { rows * TOUCHED_PER_NEW } else { rows };
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
            .read_files(
                number,
                source,
                &mapping,
                &partitions,
                &heaps,
                &schema,
                manifest,
                &read,
            )
            .await?;
        let counts = judge(source, manifest, &read, counts);
        for (counted, file) in counts.iter().zip(&manifest.files) {
            if file.state == FileState::Live {
                self.graph.lock().warned(&counted.warnings);
            }
        }
        Ok(Some(Pending {
            source: number,
            mapping,
            schema,
            heaps,
            counts,
            read,
        }))
    }

    /// Finds the versions of the records of a source; files that proved bad are quarantined in `manifest`.
    pub(crate) fn finish(
        &self,
        pending: Pending,
        source: &SourceConfig,
        manifest: &mut SourceManifest,
        known: &mut Known,
    ) -> Result<Option<Staged>> {
        let heaps = Arc::try_unwrap(pending.heaps).unwrap_or_default();
        let mut staged = Staged {
            source: pending.source,
            kind: source.kind,
            schema: pending.schema,
            heaps: heaps.into_iter().map(|heap| heap.into_inner().finish()).collect(),
            sides: Vec::new(),
            keyed: pending.mapping.keyed(),
            types: pending.mapping.types(),
            stored: manifest.files.iter().map(|file| self.stored(file)).collect(),
            before: match pending.mapping.keyed() && !self.part {
                true => vec![manifest.next_file > 1; manifest.files.len()],
                false => manifest.files.iter().map(|file| file.id > 0).collect(),
            },
        };
        let mut counts = pending.counts;
        self.versions(source, &mut staged, manifest, &mut counts, known)?;
        for (at, counted) in counts.iter().enumerate() {
            let Some(file) = manifest.files.get_mut(at) else {
                continue;
            };
            file.unified = (file.unified + counted.revived).saturating_sub(counted.outdated);
            file.superseded = (file.superseded + counted.outdated).saturating_sub(counted.revived);
            if file.state == FileState::Live && pending.read.contains(&at) {
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
                file.losses.clone_from(&counted.losses);
            }
        }
        let doubtful = useless(source, self.rules, &staged, &counts, manifest);
        known.useless.extend(doubtful.useless);
        known.few_values.extend(doubtful.few);
        manifest.unused_identifiers = match manifest.unused_identifiers.take() {
            _ if !self.part => Some(doubtful.unused),
            // What has gone may be all that there was of one.
            _ if manifest.files.iter().any(is_gone) => None,
            known => known.map(|mut known| {
                known.retain(|name| doubtful.unused.contains(name));
                known
            }),
        };
        let times = read(&counts, manifest).fold(Times::default(), |times, file| times.and(file.times));
        known.odd_times.extend(times.told(source, telling(&staged)));
        number_files(manifest, &pending.read);
        for (counted, file) in counts.into_iter().zip(&manifest.files) {
            if file.state == FileState::Live && !counted.warnings.is_empty() {
                known.warned.push(Warned {
                    source: pending.source,
                    file: file.id,
                    tally: counted.warnings,
                });
            }
        }
        // A source of which no file is served is as if there were no files.
        let live = manifest.files.iter().any(|file| file.state == FileState::Live);
        Ok(live.then_some(staged))
    }

    /// Reads files side by side. A file that cannot be read to its end is noted, not an error of the run.
    #[expect(clippy::too_many_arguments, reason = "the pieces of one loop, named")]
    async fn read_files(
        &self,
        number: u16,
        source: &SourceConfig,
        mapping: &Arc<Mapping>,
        partitions: &[String],
        heaps: &Arc<Vec<Mutex<Heap>>>,
        schema: &SchemaRef,
        manifest: &SourceManifest,
        live: &[usize],
    ) -> Result<Vec<Counts>> {
        let mut counts = vec![Counts::default(); manifest.files.len()];
        let read = Arc::new(mapping.reads());
        let now = self.engine.clock().now();
        let tasks = live
            .iter()
            .filter_map(|at| manifest.files.get(*at).map(|file| (*at, file)))
            .map(|(at, file)| {
                let reader = FileReader {
                    at,
                    path: file.path.clone(),
                    number,
                    kind: source.kind,
                    source: source.name.as_str().into(),
                    mapping: Arc::clone(mapping),
                    heaps: Arc::clone(heaps),
                    schema: Arc::clone(schema),
                    rules: Arc::clone(self.rules),
                    graph: Arc::clone(self.graph),
                    nodes: Arc::clone(self.nodes),
                    state: self.state.clone(),
                    read: Arc::clone(&read),
                    size: file.size,
                    now,
                };
                let table = one_file(self.engine, mapping.input(), partitions, file);
                async move {
                    let table = table?;
                    let read = self.engine.cpu().spawn(reader.read(table));
                    let failed = |blame: Blame, why: &str| Counts {
                        failed: Some((blame, why.to_owned())),
                        ..Counts::default()
                    };
                    let outcome = match read.await {
                        Ok(outcome) => outcome,
                        // Whatever it is that panics over the bytes of one file, the others are read.
                        Err(error) if error.is_panic() => Ok(failed(Blame::File, UNDECODABLE)),
                        Err(_) => {
                            let message = format!("\"{}\" could not be read", file.path);
                            return Err(perennial_engine::Error::new(ErrorClass::Internal, message).into());
                        }
                    };
                    let outcome = match outcome {
                        // What was read of a file that changed meanwhile is of neither version.
                        Ok(counts) => still(self.engine.lake(), file).await.map(|()| counts),
                        failed => failed,
                    };
                    let counts = match outcome {
                        Err(Error::Lake(perennial_lake::Error::Replaced { .. })) if self.last => {
                            failed(Blame::Access, CHANGING)
                        }
                        outcome => outcome?,
                    };
                    Ok::<_, Error>((at, counts, file.landed))
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
        known: &mut Known,
    ) -> Result<()> {
        let dropped: Vec<bool> = manifest
            .files
            .iter()
            .map(|file| file.state != FileState::Live)
            .collect();
        let mut graph = self.graph.lock();
        let spool = self.scratch.spool();
        for heap in &staged.heaps {
            let mut side = SideBuilder::new(&spool);
            if staged.keyed {
                keyed(
                    &mut graph,
                    source.kind,
                    staged,
                    heap,
                    &dropped,
                    counts,
                    known,
                    &mut side,
                )?;
            } else {
                unkeyed(
                    &mut graph,
                    source.kind,
                    staged,
                    heap,
                    manifest,
                    &dropped,
                    counts,
                    known,
                    &mut side,
                )?;
            }
            staged.sides.push(side.finish());
        }
        Ok(())
    }
}

/// Gives the files that were read the numbers by which stored rows name them.
fn number_files(manifest: &mut SourceManifest, read: &[usize]) {
    for at in read {
        if let Some(file) = manifest.files.get_mut(*at) {
            file.id = 0;
            if file.state == FileState::Live {
                file.id = manifest.next_file.max(1);
                manifest.next_file = file.id + 1;
            }
        }
    }
}

/// Quarantines files that could not be read, or of which too many rows are rejected.
fn judge(
    source: &SourceConfig,
    manifest: &mut SourceManifest,
    live: &[usize],
    counts: Vec<Counts>,
) -> Vec<Counts> {
    for at in live {
        let (Some(file), Some(found)) = (manifest.files.get_mut(*at), counts.get(*at)) else {
            continue;
        };
        let rejected = found.rejected.iter().map(|(reason, rows)| (*reason, *rows));
        let refused = match &found.failed {
            Some(refused) => Some(refused.clone()),
            None => too_bad(source, file.landed, rejected).map(|reason| (Blame::Rows, reason)),
        };
        if let Some((blame, reason)) = refused {
            file.refuse(blame, reason);
        }
    }
    counts
}

/// The columns of a source's files, hive partition columns last, and the names of those.
pub(crate) fn input(manifest: &SourceManifest) -> (SchemaRef, Vec<String>) {
    let live = manifest.files.iter().filter(|file| file.state == FileState::Live);
    let had = manifest.partitions.clone();
    let mut names = partition_names(had, live.map(|file| file.partitions.as_slice()));
    names.retain(|name| manifest.contract.schema().index_of(name).is_err());
    (with_partitions(&manifest.contract, &names), names)
}

/// The names of hive partition columns: those that there were, and then others in the order in which files bring them.
pub(crate) fn partition_names<'a>(
    mut names: Vec<String>,
    files: impl Iterator<Item = &'a [(String, String)]>,
) -> Vec<String> {
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
        mask: None,
        apart: false,
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
        Arc::new(Field::new("_element", DataType::UInt32, false)),
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
    element: &'a UInt32Array,
}

impl Rows<'_> {
    pub(crate) const ROW: usize = ROW;
    pub(crate) const KEY: usize = KEY;
    pub(crate) const TIME: usize = TIME;
    pub(crate) const UPDATED: usize = UPDATED;
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
            element: batch.column(ELEMENT).as_primitive::<UInt32Type>(),
        }
    }

    pub(crate) fn file(&self, row: u32) -> usize {
        self.file.value(row as usize) as usize
    }

    pub(crate) fn row(&self, row: u32) -> i64 {
        self.row.value(row as usize)
    }

    pub(crate) fn element(&self, row: u32) -> u32 {
        self.element.value(row as usize)
    }

    pub(crate) fn set(&self, row: u32) -> SetId {
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
