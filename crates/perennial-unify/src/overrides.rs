//! Rows of kind `identity_override`: what persons say of records.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use parking_lot::Mutex;
use perennial_base::nearest;
use perennial_base::relation::{PERENNIAL, relation};
use perennial_identity::{GraphBuilder, Override, OverrideOutcome, OverrideState, Verdict};
use perennial_lake::SourceManifest;

use crate::bucket::Shared;
use crate::columns::{instants, texts, written_schema};
use crate::error::Result;
use crate::groups::Labels;
use crate::noticed::Unheard;
use crate::records::{Rows, Staged};
use crate::versions::{path_of, place};

/// The word of a row.
pub(crate) fn verdict(text: &str) -> Option<Verdict> {
    match text.trim().to_lowercase().as_str() {
        "same" => Some(Verdict::Same),
        "different" => Some(Verdict::Different),
        _ => None,
    }
}

/// By source and key of each word, an element of its group.
pub(crate) type Words = HashMap<(String, String), u32>;

/// Tells the graph the current rows of a source.
pub(crate) fn hear(
    staged: &Staged,
    name: &str,
    manifest: &SourceManifest,
    graph: &Mutex<GraphBuilder>,
    words: &mut Words,
) -> Result<()> {
    for (heap, side) in staged.heaps.iter().zip(&staged.sides) {
        let batch = heap.load(&staged.schema, None)?;
        let side = side.read().next(batch.num_rows())?;
        let rows = Rows::new(&batch);
        let text = |column: &str, row: usize| -> String {
            let column = batch.column_by_name(column);
            let column = column.and_then(|column| column.as_string_opt::<i32>());
            column
                .filter(|column| column.is_valid(row))
                .map_or_else(String::new, |column| column.value(row).trim().to_owned())
        };
        let mut key = String::new();
        for (row, (_, newer)) in side.iter().enumerate() {
            if *newer > 0 {
                continue;
            }
            let number = row as u32;
            if staged.keyed {
                key.clear();
                key.push_str(rows.key(number));
            } else {
                place(&mut key, path_of(manifest, rows.file(number)), rows.row(number));
            }
            let Some(verdict) = verdict(&text("verdict", row)) else {
                continue;
            };
            words.insert((name.to_owned(), key.clone()), rows.element(number));
            graph.lock().overrides([Override {
                a: (text("source_a", row), text("record_a", row)),
                b: (text("source_b", row), text("record_b", row)),
                verdict,
                time: rows.updated(number),
                source: name.to_owned(),
                key: key.clone(),
            }]);
        }
    }
    Ok(())
}

/// What was said and what became of it, and the group of each word.
pub(crate) fn table(
    shared: &Shared,
    words: &Words,
    labels: &Labels,
) -> Result<Option<(RecordBatch, ArrayRef)>> {
    let Some(relation) = relation(PERENNIAL, "identity_overrides") else {
        return Ok(None);
    };
    let rows: Vec<_> = shared.resolution.overrides().collect();
    let groups = rows.iter().map(|row| {
        let element = words.get(&(row.word.source.clone(), row.word.key.clone()))?;
        Some(labels.of(*element))
    });
    let groups: ArrayRef = Arc::new(groups.collect::<UInt32Array>());
    let id = |customer: Option<u32>| customer.map(|customer| shared.customer_id(customer));
    let batch = RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.iter().map(|row| Some(row.word.a.0.as_str()))),
            texts(rows.iter().map(|row| Some(row.word.a.1.as_str()))),
            texts(rows.iter().map(|row| Some(row.word.b.0.as_str()))),
            texts(rows.iter().map(|row| Some(row.word.b.1.as_str()))),
            texts(rows.iter().map(|row| {
                Some(match row.word.verdict {
                    Verdict::Same => "same",
                    Verdict::Different => "different",
                })
            })),
            instants(rows.iter().map(|row| Some(row.word.time))),
            texts(rows.iter().map(|row| Some(row.word.source.as_str()))),
            texts(rows.iter().map(|row| Some(row.word.key.as_str()))),
            texts(rows.iter().map(|row| {
                Some(match row.state {
                    OverrideState::Applied => "applied",
                    _ if unknown_sources(shared, row).next().is_some() => "unknown source",
                    OverrideState::UnknownRecord => "unknown record",
                    OverrideState::OneRecord => "one record",
                    _ => "overruled",
                })
            })),
            texts(rows.iter().map(|row| id(row.customer_a))),
            texts(rows.iter().map(|row| id(row.customer_b))),
        ],
    )?;
    Ok(Some((batch, groups)))
}

/// The names of sources in a word that the configuration does not have.
fn unknown_sources<'a>(shared: &Shared, row: &OverrideOutcome<'a>) -> impl Iterator<Item = &'a str> {
    let named = [row.word.a.0.as_str(), row.word.b.0.as_str()];
    named
        .into_iter()
        .filter(|name| shared.names.sources.iter().all(|source| source != name))
}

/// The words that have no effect as what they name does not exist, by their source.
pub(crate) fn unheard(shared: &Shared) -> Vec<Unheard> {
    let mut found: BTreeMap<(&str, &'static str), Unheard> = BTreeMap::new();
    for row in shared.resolution.overrides() {
        if row.state != OverrideState::UnknownRecord {
            continue;
        }
        let source = row.word.source.as_str();
        let mut names: Vec<String> = unknown_sources(shared, &row)
            .map(|name| format!("\"{name}\""))
            .collect();
        let known = || shared.names.sources.iter().map(String::as_str);
        let near = unknown_sources(shared, &row).find_map(|name| nearest(name, known()));
        let what = if names.is_empty() { "record" } else { "source" };
        if names.is_empty() {
            let sides = [(&row.word.a, row.customer_a), (&row.word.b, row.customer_b)];
            let lost = sides.into_iter().filter(|(_, customer)| customer.is_none());
            names.extend(lost.map(|((source, key), _)| format!("\"{key}\" of {source}")));
        }
        let unheard = found
            .entry((source, what))
            .or_insert_with(|| Unheard::none(source, what));
        unheard.word(names);
        unheard.near = unheard.near.take().or(near.map(str::to_owned));
    }
    found.into_values().collect()
}
