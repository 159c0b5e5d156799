//! What a run keeps for the next one: the published customer ids, and who has been in a segment since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_base::ErrorClass;
use perennial_base::relation::{PUBLIC, relation};
use perennial_identity::{CustomerId, Fate, PreviousIds, PublishedId, Resolution};
use perennial_lake::{Lake, Manifest};

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
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The redirects, and the ids that are gone.
pub(crate) fn redirects(resolution: &Resolution) -> Result<RecordBatch> {
    let retired: Vec<(String, Option<String>, u64)> = resolution
        .ids()
        .iter()
        .filter_map(|id| match id.fate {
            Fate::Current => None,
            Fate::Redirected { to, snapshot } => Some((id.id.to_string(), Some(to.to_string()), snapshot)),
            Fate::Gone { snapshot } => Some((id.id.to_string(), None, snapshot)),
        })
        .collect();
    let columns = vec![
        texts(retired.iter().map(|row| Some(row.0.as_str()))),
        texts(retired.iter().map(|row| row.1.as_deref())),
        counts(retired.iter().map(|row| row.2)),
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
            });
        }
    }
    Ok(PreviousIds::try_new(ids)?)
}

/// The identifiers that ids held in the snapshot before: (id, type, value).
pub(crate) async fn held(
    lake: &Lake,
    manifest: Option<&Manifest>,
    ids: &[CustomerId],
) -> Result<Vec<(CustomerId, String, String)>> {
    let mut out = Vec::new();
    for batch in read(lake, manifest, "public.identities").await? {
        let owner = batch.column(0).as_string::<i32>();
        let kind = batch.column(1).as_string::<i32>();
        let value = batch.column(2).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let owner = id(owner.value(row))?;
            if ids.binary_search(&owner).is_ok() {
                out.push((owner, kind.value(row).to_owned(), value.value(row).to_owned()));
            }
        }
    }
    Ok(out)
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
    let Some(table) = manifest.and_then(|manifest| manifest.tables.get(table)) else {
        return Ok(Vec::new());
    };
    let mut batches = Vec::new();
    for file in &table.files {
        let failed = |error: object_store::Error| {
            Error::Lake(perennial_lake::Error::store("read", &file.path, &error))
        };
        let path = lake.path(&file.path)?;
        let bytes = lake
            .store()
            .get(&path)
            .await
            .map_err(failed)?
            .bytes()
            .await
            .map_err(failed)?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(|_| damaged(&file.path))?;
        for batch in reader {
            batches.push(batch?);
        }
    }
    Ok(batches)
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
