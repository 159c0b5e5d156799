//! Runs that work out no more than what new files touch: whether that is possible, which groups it is, and how their stored
//! rows come beside the new ones. From there on such a run is like any other, over fewer rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use perennial_base::Kind;
use perennial_base::config::{Config, SourceConfig};
use perennial_identity::CustomerId;
use perennial_lake::{DataFile, FileState, Manifest, Masks, RowSet, RunState, SourceManifest, TableManifest};
use perennial_udf_lifecycle::model::StageModel;

use crate::compact::Bounds;
use crate::error::Result;
use crate::findings::TALLY;
use crate::gone::{Gone, gone};
use crate::groups::{Labels, Merged, Nodes};
use crate::landing::Landing;
use crate::ledger::{self, Loading, STATE_VERSION};
use crate::output::Output;
use crate::records::{Pending, Reading, input};
use crate::repriced::RATES;
use crate::stored::{Ahead, GROUP, Tables, Touched};

/// The tables of nodes and of groups that have become part of others; not served.
const NODES: &str = "internal.nodes";
const GROUPS: &str = "internal.groups";
const NODES_PER_ROW_GROUP: usize = 1 << 20;
/// Tables that every run writes as a whole, if it writes them.
const WHOLE: [&str; 10] = [
    Masks::TABLE,
    GROUPS,
    "public.segments",
    "public.spend",
    "public.identity_changes",
    RATES,
    TALLY,
    "perennial.identity_conflicts",
    "perennial.identity_warnings",
    "perennial.identity_blocked",
];

/// Whether runs add to a table what they work out, and mask what it replaces.
pub(crate) fn grows(table: &str) -> bool {
    !WHOLE.contains(&table)
}

/// Whether rows of a table are replaced.
pub(crate) fn replaced(table: &str) -> bool {
    grows(table) && table != NODES && !ledger::holds(table)
}

/// Why everything has to be worked out anew; none when what new files touch is enough.
pub(crate) fn obstacle(
    config: &Config,
    landing: &Landing,
    previous: &Manifest,
    moment: i64,
) -> Result<Option<String>> {
    if previous.state.as_ref().map(|state| state.version) != Some(STATE_VERSION) {
        return Ok(Some(
            "the snapshot before keeps no state of this version".to_owned(),
        ));
    }
    if moment < previous.state.as_ref().map_or(i64::MIN, |state| state.as_of) {
        return Ok(Some(
            "the clock was set back: it stands before the moment that is served".to_owned(),
        ));
    }
    if StageModel::from_config(&config.lifecycle)?.adaptive() {
        return Ok(Some("windows that adapt depend on all customers".to_owned()));
    }
    for (source, landed) in config.sources.iter().zip(&landing.sources) {
        let Some(before) = previous.sources.get(&source.name) else {
            return Ok(Some(format!("source \"{}\" is new", source.name)));
        };
        if source.kind == Kind::Table {
            continue;
        }
        if let Some(why) = changed(before, landed) {
            return Ok(Some(format!("source \"{}\": {why}", source.name)));
        }
    }
    Ok(None)
}

/// What has happened to a source besides files that were added, replaced or removed.
fn changed(before: &SourceManifest, landed: &SourceManifest) -> Option<String> {
    let live = |source: &SourceManifest| source.files.iter().any(|file| file.state == FileState::Live);
    // Nothing of it is stored.
    if !live(before) {
        return None;
    }
    if !live(landed) {
        return Some("no file of it is served any more".to_owned());
    }
    if let Some(file) = gone(before, landed).find(|file| file.id == 0) {
        return Some(format!("\"{}\" has gone or changed", file.path));
    }
    let ((columns, partitions), (columns_now, partitions_now)) = (input(before), input(landed));
    let typed = |field: &Arc<Field>| {
        let now = columns_now.field_with_name(field.name());
        now.is_ok_and(|now| now.data_type() == field.data_type())
    };
    let kept =
        columns.fields().iter().all(typed) && partitions.iter().all(|name| partitions_now.contains(name));
    (!kept).then(|| "the type of a column has changed".to_owned())
}

/// The groups that new rows touch.
#[derive(Debug)]
pub(crate) struct Increment<'a> {
    previous: &'a Manifest,
    stored: &'a Tables,
    state: RunState,
    /// Groups that are part of others.
    parts: Vec<(u32, u32)>,
    merged: Merged,
    /// Nodes that are not stored yet, with their elements.
    fresh: Vec<(u64, u32)>,
    /// An element of each touched group.
    known: HashMap<u32, u32>,
    pub(crate) touched: Touched,
    /// The groups of the ids that the snapshot before published of them.
    pub(crate) of_ids: HashMap<CustomerId, u32>,
    /// Whether spend has landed, has gone or is worth something else: its table is made as a whole.
    pub(crate) spend: bool,
    /// Whether rates have landed or gone: their table is made as a whole.
    pub(crate) rates: bool,
    /// The stored rows of files that are served no more.
    gone: Gone,
    /// By ledger and file, the rows to load.
    wanted: BTreeMap<String, Vec<RowSet>>,
}

impl<'a> Increment<'a> {
    /// Finds out what the new rows touch; `others` are touched whatever has landed.
    pub(crate) async fn find(
        previous: &'a Manifest,
        stored: &'a Tables,
        others: &[u32],
        gone: Gone,
        nodes: &Mutex<Nodes>,
    ) -> Result<Self> {
        let state = previous.state.clone().unwrap_or_default();
        let parts = parts(stored, previous).await?;
        let merged = Merged::new(state.groups, &parts);
        let settled = nodes.lock().settle()?;
        let settled: Vec<(u64, u32)> = settled.parts().collect::<Result<Vec<_>>>()?.concat();
        let mut found = vec![false; settled.len()];
        let mut known: HashMap<u32, u32> = HashMap::new();
        let table = previous.tables.get(NODES);
        for file in table.into_iter().flat_map(|table| &table.files) {
            let mut stream = stored.all(nodes_schema(), file).await?;
            let mut at = 0;
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                let hashes = batch.column(0).as_primitive::<UInt64Type>().values();
                let groups = batch.column(1).as_primitive::<UInt32Type>().values();
                let mut nodes = nodes.lock();
                for (hash, group) in hashes.iter().zip(groups) {
                    while settled.get(at).is_some_and(|(wanted, _)| wanted < hash) {
                        at += 1;
                    }
                    let Some((wanted, element)) = settled.get(at) else {
                        break;
                    };
                    if wanted != hash {
                        continue;
                    }
                    let of_group = *known
                        .entry(merged.root(*group))
                        .or_insert_with(|| nodes.element());
                    nodes.join(of_group, *element);
                    if let Some(slot) = found.get_mut(at) {
                        *slot = true;
                    }
                }
            }
        }
        for group in others {
            known
                .entry(merged.root(*group))
                .or_insert_with(|| nodes.lock().element());
        }
        let touched = (0..merged.len() as u32).map(|group| known.contains_key(&merged.root(group)));
        let touched = Touched::new(touched.collect());
        let stays = nodes.lock();
        let fresh = settled
            .into_iter()
            .zip(found)
            .filter_map(|(node, found)| (!found).then_some(node))
            .filter(|(hash, _)| stays.stays(*hash))
            .collect();
        drop(stays);
        Ok(Self {
            previous,
            stored,
            state,
            parts,
            merged,
            fresh,
            known,
            touched,
            of_ids: HashMap::new(),
            spend: false,
            rates: false,
            gone,
            wanted: BTreeMap::new(),
        })
    }

    /// Chooses the rows to load. Answers why everything has to be worked out anew where it is too much.
    pub(crate) async fn choose(
        &mut self,
        config: &Config,
        pending: &[(usize, Pending)],
        bounds: Bounds,
    ) -> Result<Option<String>> {
        let (mut rows, mut of) = (0, 0);
        for (number, pending) in pending {
            let Some(source) = config.sources.get(*number) else {
                continue;
            };
            let name = ledger::table_of(&source.name);
            let Some(table) = self.previous.tables.get(&name) else {
                continue;
            };
            if let Some(why) = other_columns(&source.name, table, pending) {
                return Ok(Some(why));
            }
            let files: Vec<&DataFile> = table.files.iter().collect();
            let wanted = match source.kind {
                Kind::FxRate => left(self.stored, &files),
                Kind::Spend if self.spend => left(self.stored, &files),
                Kind::Spend => files.iter().map(|_| RowSet::default()).collect(),
                _ => {
                    let touched = self.stored.touched_in(&files, &self.touched).await?;
                    let wanted = touched.iter().zip(left(self.stored, &files)).zip(&files);
                    // Those that are touched, and not masked.
                    let wanted: Vec<RowSet> = wanted
                        .map(|((touched, left), file)| touched.without(&left.complement(file.rows)))
                        .collect();
                    rows += wanted.iter().map(RowSet::count).sum::<u64>();
                    of += files.iter().map(|file| file.rows_left()).sum::<u64>();
                    wanted
                }
            };
            self.wanted.insert(name, wanted);
        }
        let much = rows.saturating_mul(100) > of.saturating_mul(bounds.touched);
        let by = match self.rates {
            true => ", exchange rates that have landed or gone among the reasons",
            false => "",
        };
        Ok((of > bounds.small && much).then(|| format!("{rows} of {of} stored rows are touched{by}")))
    }

    /// Puts sources with many chosen rows first: while those are taken in, the others are read. What is said of records comes
    /// before them, and sources of orders stay in their order, of which the first that tells of an order counts.
    pub(crate) fn largest_first(&self, config: &Config, pending: &mut [(usize, Pending)]) {
        let source = |number: usize| config.sources.get(number);
        let chosen = |number: usize| -> u64 {
            let wanted = source(number).and_then(|source| self.wanted.get(&ledger::table_of(&source.name)));
            wanted.into_iter().flatten().map(RowSet::count).sum()
        };
        let is = |number: usize, kind: Kind| source(number).is_some_and(|source| source.kind == kind);
        let orders = pending
            .iter()
            .map(|(number, _)| *number)
            .filter(|number| is(*number, Kind::Order));
        let orders = orders.map(chosen).max().unwrap_or_default();
        pending.sort_by_key(|(number, _)| {
            Reverse(match *number {
                number if is(number, Kind::IdentityOverride) => u64::MAX,
                number if is(number, Kind::Order) => orders,
                number => chosen(number),
            })
        });
    }

    /// The chosen rows, source by source, each by its number: while one is taken in, the next one is read.
    pub(crate) fn chosen(
        &mut self,
        config: &Config,
        pending: &[(usize, Pending)],
    ) -> BoxStream<'static, Result<(usize, Vec<RecordBatch>)>> {
        let mut reads = Vec::new();
        for (number, pending) in pending {
            let name = config
                .sources
                .get(*number)
                .map(|source| ledger::table_of(&source.name));
            let table = name.as_ref().and_then(|name| self.previous.tables.get(name));
            let wanted = name.as_ref().and_then(|name| self.wanted.remove(name));
            if let (Some(table), Some(wanted)) = (table, wanted) {
                let columns = ledger::columns_like(pending);
                let files = table.files.iter().cloned().zip(wanted);
                reads.extend(files.map(|(file, rows)| (*number, Arc::clone(&columns), file, rows)));
            }
        }
        self.stored.read_for(reads)
    }

    /// The elements of stored groups. Rows that belong to nobody are read whole, whatever groups they are of.
    pub(crate) fn elements(&self, nodes: &Mutex<Nodes>) -> impl FnMut(u32) -> u32 {
        let apart = nodes.lock().element();
        move |group| {
            let root = self.merged.root(group);
            self.known.get(&root).copied().unwrap_or(apart)
        }
    }

    /// What is touched, of the groups that are one with any of these elements, or that these ids are of.
    pub(crate) fn around(
        &self,
        elements: impl Iterator<Item = u32>,
        ids: &[CustomerId],
        nodes: &mut Nodes,
    ) -> Touched {
        let roots: HashSet<u32> = elements.map(|element| nodes.root(element)).collect();
        let known = self
            .known
            .iter()
            .filter(|(_, element)| roots.contains(&nodes.root(**element)));
        let mut known: HashSet<u32> = known.map(|(group, _)| *group).collect();
        let of_ids = ids.iter().filter_map(|id| self.of_ids.get(id));
        known.extend(of_ids.map(|group| self.merged.root(*group)));
        let groups = (0..self.merged.len() as u32).filter(|group| known.contains(&self.merged.root(*group)));
        self.touched.within(&groups.collect())
    }

    /// Numbers the groups and writes what has become of them.
    pub(crate) async fn number(&mut self, nodes: Nodes, output: &Output) -> Result<Labels> {
        let (labels, merged) = nodes.renumbered(&self.known, self.state.groups);
        self.parts.extend(merged);
        let fresh = self.fresh.iter();
        let mut named: Vec<(u64, u32)> = fresh
            .map(|(hash, element)| (*hash, labels.of(*element)))
            .collect();
        named.sort_unstable();
        write_nodes(output, std::iter::once(Ok(named))).await?;
        write_groups(output, &self.parts).await?;
        Ok(labels)
    }

    /// The files of tables of which what is worked out anew is masked, each with its table.
    fn replaced(&self) -> impl Iterator<Item = &'a DataFile> {
        let tables = self.previous.tables.iter().filter(|(name, _)| replaced(name));
        tables.flat_map(|(_, table)| &table.files)
    }

    /// Begins to look for the rows that will be masked, on a thread that others leave idle; [`Self::tables`] finds what it
    /// has found.
    pub(crate) fn look_ahead(&self) -> Ahead {
        let files: Vec<DataFile> = self.replaced().cloned().collect();
        self.stored.look_ahead(files, self.touched.clone())
    }

    /// The tables of the snapshot: those before, of which what was worked out anew is masked, and what was written. None when
    /// a table has other columns now.
    pub(crate) async fn tables(
        &self,
        written: BTreeMap<String, TableManifest>,
    ) -> Result<Option<(BTreeMap<String, TableManifest>, Masks)>> {
        let mut masks = Masks::clone(&self.stored.masks);
        let mut tables = self.previous.tables.clone();
        let files: Vec<&DataFile> = self.replaced().collect();
        let replaced = self.stored.touched_in(&files, &self.touched).await?;
        for (file, rows) in files.iter().zip(replaced) {
            let rows = match masks.of(&file.path) {
                Some(mask) => mask.union(&rows),
                None => rows,
            };
            masks.set(&file.path, rows);
        }
        for (path, rows) in &self.gone.rows {
            let rows = match masks.of(path) {
                Some(mask) => mask.union(rows),
                None => rows.clone(),
            };
            masks.set(path, rows);
        }
        for table in tables.values_mut() {
            for file in &mut table.files {
                file.masked = masks.of(&file.path).map_or(0, |mask| mask.count());
            }
            table
                .files
                .retain(|file| file.masked == 0 || file.rows_left() > 0);
        }
        // What is made as a whole is not there where none is left of it.
        for (whole, anew) in [("public.spend", self.spend), (RATES, self.rates)] {
            if anew && !written.contains_key(whole) {
                tables.remove(whole);
            }
        }
        for (name, fresh) in written {
            let keep = match name.as_str() {
                "public.spend" => !self.spend,
                RATES => !self.rates,
                _ => grows(&name),
            };
            match tables.get_mut(&name) {
                Some(known) if known.schema != fresh.schema && known.rows() > 0 => return Ok(None),
                Some(known) if keep => {
                    known.schema = fresh.schema;
                    known.files.extend(fresh.files);
                }
                _ => {
                    tables.insert(name, fresh);
                }
            }
        }
        Ok(Some((tables, masks)))
    }
}

/// Numbers the groups of a run over everything, and writes what the next run needs of them.
pub(crate) async fn number_all(mut nodes: Nodes, output: &Output) -> Result<Labels> {
    let settled = nodes.settle()?;
    let labels = nodes.numbered();
    let named = settled.parts().map(|part| {
        let mut part = part?;
        for (_, group) in &mut part {
            *group = labels.of(*group);
        }
        Ok(part)
    });
    write_nodes(output, named).await?;
    write_groups(output, &[]).await?;
    Ok(labels)
}

fn nodes_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("hash", DataType::UInt64, false),
        Field::new(GROUP, DataType::UInt32, false),
    ]))
}

fn groups_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::UInt32, false),
        Field::new("whole", DataType::UInt32, false),
    ]))
}

async fn write_nodes(
    output: &Output,
    parts: impl Iterator<Item = Result<Vec<(u64, u32)>>> + Send,
) -> Result<()> {
    let parts = parts.map(|part| {
        let (hashes, groups): (Vec<u64>, Vec<u32>) = part?.into_iter().unzip();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(hashes)),
            Arc::new(UInt32Array::from(groups)),
        ];
        Ok(RecordBatch::try_new(nodes_schema(), columns)?)
    });
    output
        .parts(NODES, &nodes_schema(), &["hash"], NODES_PER_ROW_GROUP, parts)
        .await
}

async fn write_groups(output: &Output, parts: &[(u32, u32)]) -> Result<()> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(parts.iter().map(|pair| pair.0))),
        Arc::new(UInt32Array::from_iter_values(parts.iter().map(|pair| pair.1))),
    ];
    let batch = RecordBatch::try_new(groups_schema(), columns)?;
    output.write(GROUPS, None, &batch, None, &[]).await
}

async fn parts(stored: &Tables, previous: &Manifest) -> Result<Vec<(u32, u32)>> {
    let mut parts = Vec::new();
    for batch in stored.rows(Some(previous), GROUPS, &["part", "whole"]).await? {
        let column = |at: usize| batch.column(at).as_primitive::<UInt32Type>();
        let pairs = column(0).values().iter().zip(column(1).values());
        parts.extend(pairs.map(|(part, whole)| (*part, *whole)));
    }
    Ok(parts)
}

/// The rows of files that are not masked.
fn left(stored: &Tables, files: &[&DataFile]) -> Vec<RowSet> {
    let mask = |file: &DataFile| stored.masks.of(&file.path).map(|mask| RowSet::clone(mask));
    let files = files.iter();
    files
        .map(|file| mask(file).unwrap_or_default().complement(file.rows))
        .collect()
}

/// Loads all stored rows of a source that belongs to nobody beside the new ones. Answers why everything has to be worked
/// out anew where they do not fit together.
pub(crate) async fn load_whole(
    previous: &Manifest,
    stored: &Tables,
    reading: &Reading<'_>,
    source: &SourceConfig,
    manifest: &SourceManifest,
    pending: &Pending,
) -> Result<Option<String>> {
    let Some(table) = previous.tables.get(&ledger::table_of(&source.name)) else {
        return Ok(None);
    };
    if let Some(why) = other_columns(&source.name, table, pending) {
        return Ok(Some(why));
    }
    let apart = reading.nodes.lock().element();
    let loading = Loading::new(reading.graph, manifest, pending);
    let columns = ledger::columns_like(pending);
    let files: Vec<&DataFile> = table.files.iter().collect();
    let reads = files.iter().zip(left(stored, &files));
    let reads = reads.map(|(file, rows)| ((), Arc::clone(&columns), (*file).clone(), rows));
    let mut read = stored.read_for(reads.collect());
    while let Some(rows) = read.next().await {
        loading.take(&rows?.1, &mut |_| apart)?;
    }
    Ok(None)
}

fn other_columns(source: &str, table: &TableManifest, pending: &Pending) -> Option<String> {
    let wanted = ledger::columns_like(pending);
    (!same_columns(table, &wanted))
        .then(|| format!("source \"{source}\" has other columns than its stored rows"))
}

fn same_columns(table: &TableManifest, wanted: &SchemaRef) -> bool {
    let named = |field: &Arc<Field>| (field.name().clone(), field.data_type().clone());
    let known = table.schema.schema().fields().iter().map(named);
    known.eq(wanted.fields().iter().map(named))
}
