//! What becomes of the rows of a source, counted before a run reads them: `check` says with it what a run would refuse.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use perennial_base::Kind;
use perennial_base::config::SourceConfig;
use perennial_engine::Engine;
use perennial_identity::{Normaliser, Outcome, Rules};
use perennial_lake::{Blame, FileState, SourceFile, SourceManifest};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::bad_rows::too_bad;
use crate::error::Result;
use crate::mapping::{Mapped, Mapping};
use crate::records::{input, one_file};

/// Rows whose keys are remembered, about. Of a larger source they are the rows of some keys, and how many rows are older
/// versions of others is known by their share.
pub(crate) const COMPARED: u64 = 1_000_000;

/// Rows of one file.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    /// That are neither filtered nor rejected.
    good: u64,
    /// Of these, whose keys are compared.
    compared: u64,
    /// Of these, that are older versions of others.
    older: u64,
}

/// Counts what becomes of the rows of a source's live files, as a run does: filtered, rejected, superseded and unified ones;
/// a file of which too many are bad is quarantined, and the identifiers of which no value can be used are named. Nothing is
/// read but the columns on which that depends.
///
/// # Errors
/// When the mapping does not fit the files, or they cannot be read.
pub(crate) async fn count(
    engine: &Engine,
    state: &SessionState,
    rules: &Rules,
    source: &SourceConfig,
    manifest: &mut SourceManifest,
) -> Result<()> {
    let config = engine.config();
    let mut unused: BTreeSet<usize> = source
        .identifiers
        .iter()
        .filter_map(|(name, _)| rules.index_of(name))
        .collect();
    let mut normaliser = Normaliser::new(rules);
    let mut text = String::new();
    let required = |name: &str| {
        let mut columns = source.kind.columns().iter();
        columns.any(|column| column.required && column.name == name)
    };
    let needed = SourceConfig {
        traits: Vec::new(),
        columns: source
            .columns
            .iter()
            .filter(|(name, _)| required(name))
            .cloned()
            .collect(),
        ..source.clone()
    };
    let (columns, mut partitions) = input(manifest);
    let planned = |columns: &SchemaRef| {
        Mapping::try_new(state, &needed, columns, config.zone, config.as_of, |name| {
            rules.index_of(name)
        })
    };
    let columns = Arc::new(columns.project(planned(&columns)?.named())?);
    let mapping = planned(&columns)?;
    // A partition that the mapping does not read is in no schema any more.
    partitions.retain(|name| columns.index_of(name).is_ok());
    let live = |file: &SourceFile| file.state == FileState::Live;
    let landed: u64 = manifest
        .files
        .iter()
        .filter(|file| live(file))
        .map(|file| file.landed)
        .sum();
    let every = landed.div_ceil(COMPARED).max(1);
    let mut counted = vec![Counted::default(); manifest.files.len()];
    // By key, when the newest version was current, and the place of its file.
    let mut newest: HashMap<u64, (i64, usize)> = HashMap::new();
    for (at, file) in manifest
        .files
        .iter_mut()
        .enumerate()
        .filter(|(_, file)| live(file))
    {
        let table = one_file(engine, &columns, &partitions, file)?;
        let plan = table.scan(state, None, &[], None).await?;
        let mut rows = execute_stream(plan, state.task_ctx())?;
        let mut rejected: BTreeMap<&str, u64> = BTreeMap::new();
        let mut of_file = Counted::default();
        let mut versions: Vec<(u64, i64)> = Vec::new();
        let mut used = Vec::new();
        file.filtered = 0;
        while let Some(batch) = rows.next().await {
            let mapped = mapping.apply(&batch?)?;
            file.filtered += mapped.filtered;
            of_file.good += mapped.places.len() as u64;
            for (kind, values) in &mapped.identifiers {
                let mut usable = |value| {
                    let outcome = normaliser.normalise(*kind, value, &mut text);
                    matches!(outcome, Outcome::Value | Outcome::Blocked { .. })
                };
                if unused.contains(kind) && !used.contains(kind) && values.iter().flatten().any(&mut usable) {
                    used.push(*kind);
                }
            }
            let hashes = hashes(source.kind, &mapped).into_iter().zip(mapped.updated);
            versions.extend(hashes.filter(|(hash, _)| hash.is_multiple_of(every)));
            for reason in mapped.rejected {
                *rejected.entry(reason).or_default() += 1;
            }
        }
        file.rejected = rejected.values().sum();
        let reasons = rejected.iter().map(|(reason, rows)| (*reason, *rows));
        if let Some(reason) = too_bad(source, file.landed, reasons) {
            file.refuse(Blame::Rows, reason);
            continue;
        }
        unused.retain(|kind| !used.contains(kind));
        of_file.compared = versions.len() as u64;
        if let Some(slot) = counted.get_mut(at) {
            *slot = of_file;
        }
        for (hash, updated) in versions {
            let older = match newest.entry(hash) {
                Entry::Vacant(slot) => {
                    slot.insert((updated, at));
                    continue;
                }
                Entry::Occupied(slot) if slot.get().0 > updated => at,
                Entry::Occupied(mut slot) => slot.insert((updated, at)).1,
            };
            if let Some(counted) = counted.get_mut(older) {
                counted.older += 1;
            }
        }
    }
    let names = unused.iter().filter_map(|kind| rules.identifiers().get(*kind));
    manifest.unused_identifiers = Some(names.map(|rule| rule.name.clone()).collect());
    for (file, counted) in manifest.files.iter_mut().zip(counted) {
        if live(file) {
            let older = u128::from(counted.good) * u128::from(counted.older);
            file.superseded = older.checked_div(u128::from(counted.compared)).unwrap_or(0) as u64;
            file.unified = counted.good - file.superseded;
        }
    }
    Ok(())
}

/// What tells the records of rows apart, for each row that has a key.
fn hashes(kind: Kind, mapped: &Mapped) -> Vec<u64> {
    let Some(keys) = &mapped.key else {
        return Vec::new();
    };
    let row = |row: usize| match kind {
        // Every change of a subscription is a fact of its own moment.
        Kind::Subscription => {
            let mut hash = Xxh3::new();
            hash.update(keys.value(row).as_bytes());
            hash.update(&mapped.time.get(row).copied().unwrap_or_default().to_le_bytes());
            hash.digest()
        }
        _ => xxh3_64(keys.value(row).as_bytes()),
    };
    (0..keys.len()).map(row).collect()
}
