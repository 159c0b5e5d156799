//! What a run keeps for the next one: the published customer ids, and who has been in a segment since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_base::ErrorClass;
use perennial_base::relation::{PUBLIC, relation};
use perennial_identity::{Change, ChangeKind, CustomerId, Fate, PreviousIds, PublishedId, Resolution};
use perennial_lake::{DataFile, Lake, Manifest};

use crate::columns::{counts, instants, texts, written_schema};
use crate::error::{Error, Result};

/// The table of ids; not served under this name.
pub(crate) const TABLE: &str = "internal.published_ids";

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        text("id"),
        Field::new("minted_snapshot", DataType::Int64, false),
        text("founding_source"),
        Field::new("founding_at", perennial_engine::schema::timestamp(), false),
        text("founding_hash"),
        text("fate"),
        Field::new("to_id", DataType::Utf8, true),
        Field::new("fate_snapshot", DataType::Int64, true),
        Field::new("fate_at", perennial_engine::schema::timestamp(), false),
    ]))
}

/// The ids as a table.
pub(crate) fn table(ids: &[PublishedId]) -> Result<RecordBatch> {
    let (mut fate, mut to, mut since) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        let (word, target, snapshot) = match id.fate {
            Fate::Current => ("current", None, None),
            Fate::Redirected { to, snapshot } => ("redirected", Some(to.to_string()), Some(snapshot as i64)),
            Fate::Gone { snapshot } => ("gone", None, Some(snapshot as i64)),
        };
        fate.push(Some(word));
        to.push(target);
        since.push(snapshot);
    }
    let names: Vec<String> = ids.iter().map(|id| id.id.to_string()).collect();
    let hashes: Vec<String> = ids
        .iter()
        .map(|id| format!("{:032x}", id.founding_hash))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        texts(names.iter().map(|name| Some(name.as_str()))),
        counts(ids.iter().map(|id| id.minted_snapshot)),
        texts(ids.iter().map(|id| Some(id.founding_source.as_ref()))),
        instants(ids.iter().map(|id| Some(id.founding_at))),
        texts(hashes.iter().map(|hash| Some(hash.as_str()))),
        texts(fate),
        texts(to.iter().map(Option::as_deref)),
        Arc::new(since.into_iter().collect::<arrow::array::Int64Array>()),
        instants(ids.iter().map(|id| Some(id.fate_at))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The redirects, and the ids that are gone.
pub(crate) fn redirects(resolution: &Resolution) -> Result<RecordBatch> {
    let retired: Vec<(String, Option<String>, u64, i64)> = resolution
        .ids()
        .iter()
        .filter_map(|id| match id.fate {
            Fate::Current => None,
            Fate::Redirected { to, snapshot } => {
                Some((id.id.to_string(), Some(to.to_string()), snapshot, id.fate_at))
            }
            Fate::Gone { snapshot } => Some((id.id.to_string(), None, snapshot, id.fate_at)),
        })
        .collect();
    let columns = vec![
        texts(retired.iter().map(|row| Some(row.0.as_str()))),
        texts(retired.iter().map(|row| row.1.as_deref())),
        counts(retired.iter().map(|row| row.2)),
        instants(retired.iter().map(|row| Some(row.3))),
    ];
    let schema =
        relation(PUBLIC, "identity_redirects").map_or_else(|| Arc::new(Schema::empty()), written_schema);
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The ids that the snapshot before published.
pub(crate) async fn previous(lake: &Lake, manifest: Option<&Manifest>) -> Result<PreviousIds> {
    let mut ids = Vec::new();
    for batch in read(lake, manifest, TABLE).await? {
        let text = |at: usize| -> &StringArray { batch.column(at).as_string::<i32>() };
        let minted = batch.column(1).as_primitive::<Int64Type>();
        let founded = batch.column(3).as_primitive::<TimestampMicrosecondType>();
        let since = batch.column(7).as_primitive::<Int64Type>();
        // A lake of an earlier version does not know when.
        let fate_at = batch
            .column_by_name("fate_at")
            .map(|column| column.as_primitive::<TimestampMicrosecondType>());
        let committed_at = manifest.map_or(0, |manifest| manifest.committed_at);
        for row in 0..batch.num_rows() {
            let snapshot = if since.is_valid(row) {
                since.value(row) as u64
            } else {
                0
            };
            let fate = match text(5).value(row) {
                "redirected" => Fate::Redirected {
                    to: id(text(6).value(row))?,
                    snapshot,
                },
                "gone" => Fate::Gone { snapshot },
                _ => Fate::Current,
            };
            ids.push(PublishedId {
                id: id(text(0).value(row))?,
                minted_snapshot: minted.value(row) as u64,
                founding_source: text(2).value(row).into(),
                founding_at: founded.value(row),
                founding_hash: u128::from_str_radix(text(4).value(row), 16).map_err(|_| damaged(TABLE))?,
                fate,
                fate_at: fate_at.map_or(committed_at, |fate_at| fate_at.value(row)),
            });
        }
    }
    Ok(PreviousIds::try_new(ids)?)
}

/// Calls `with` for every identity of the snapshot before: id, type and value.
pub(crate) async fn identities(
    lake: &Lake,
    manifest: Option<&Manifest>,
    mut with: impl FnMut(CustomerId, &str, &str),
) -> Result<()> {
    let table = manifest.and_then(|manifest| manifest.tables.get("public.identities"));
    for file in table.into_iter().flat_map(|table| &table.files) {
        for batch in read_file(lake, file).await? {
            let owner = batch.column(0).as_string::<i32>();
            let kind = batch.column(1).as_string::<i32>();
            let value = batch.column(2).as_string::<i32>();
            for row in 0..batch.num_rows() {
                with(id(owner.value(row))?, kind.value(row), value.value(row));
            }
        }
    }
    Ok(())
}

/// What happened to ids: what the snapshot before tells, and what this one adds.
pub(crate) async fn changes(
    lake: &Lake,
    before: Option<&Manifest>,
    resolution: &Resolution,
    snapshot: u64,
    at: i64,
) -> Result<Option<RecordBatch>> {
    let Some(relation) = relation(PUBLIC, "identity_changes") else {
        return Ok(None);
    };
    let rows = resolution.changes();
    let names: Vec<(String, Option<String>)> = rows
        .iter()
        .map(|change| {
            (
                change.customer.to_string(),
                change.other.map(|other| other.to_string()),
            )
        })
        .collect();
    let word = |change: &Change| match change.kind {
        ChangeKind::Merged => "merged",
        ChangeKind::Split => "split",
        ChangeKind::Gone => "gone",
        _ => "returned",
    };
    let added = RecordBatch::try_new(
        written_schema(relation),
        vec![
            counts(rows.iter().map(|_| snapshot)),
            instants(rows.iter().map(|_| Some(at))),
            texts(rows.iter().map(|change| Some(word(change)))),
            texts(names.iter().map(|(customer, _)| Some(customer.as_str()))),
            texts(names.iter().map(|(_, other)| other.as_deref())),
        ],
    )?;
    let mut batches = read(lake, before, "public.identity_changes").await?;
    batches.retain(|batch| batch.num_columns() == added.num_columns());
    let mut batches: Vec<RecordBatch> = batches
        .into_iter()
        .map(|batch| RecordBatch::try_new(added.schema(), batch.columns().to_vec()))
        .collect::<std::result::Result<_, _>>()?;
    batches.push(added);
    Ok(Some(concat_batches(&written_schema(relation), &batches)?))
}

/// Since when somebody has been a member of a segment.
pub(crate) async fn members(
    lake: &Lake,
    manifest: Option<&Manifest>,
) -> Result<BTreeMap<(String, String), i64>> {
    let mut out = BTreeMap::new();
    for batch in read(lake, manifest, "public.segment_members").await? {
        let segment = batch.column(0).as_string::<i32>();
        let customer = batch.column(1).as_string::<i32>();
        let since = batch.column(2).as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            out.insert(
                (segment.value(row).to_owned(), customer.value(row).to_owned()),
                since.value(row),
            );
        }
    }
    Ok(out)
}

/// All rows of a table of a manifest.
async fn read(lake: &Lake, manifest: Option<&Manifest>, table: &str) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    let table = manifest.and_then(|manifest| manifest.tables.get(table));
    for file in table.into_iter().flat_map(|table| &table.files) {
        batches.extend(read_file(lake, file).await?);
    }
    Ok(batches)
}

/// All rows of a file of a table.
pub(crate) async fn read_file(lake: &Lake, file: &DataFile) -> Result<Vec<RecordBatch>> {
    let failed =
        |error: object_store::Error| Error::Lake(perennial_lake::Error::store("read", &file.path, &error));
    let path = lake.path(&file.path)?;
    let got = lake.store().get(&path).await.map_err(failed)?;
    let bytes = got.bytes().await.map_err(failed)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|_| damaged(&file.path))?;
    Ok(reader.collect::<std::result::Result<_, _>>()?)
}

fn id(text: &str) -> Result<CustomerId> {
    text.parse().map_err(|_| damaged(TABLE))
}

fn damaged(what: &str) -> Error {
    perennial_engine::Error::new(
        ErrorClass::DamagedFile,
        format!("\"{what}\" of the newest snapshot cannot be read"),
    )
    .with_hint("Restore the file, or start anew with a full run in an empty _perennial folder.")
    .into()
}
