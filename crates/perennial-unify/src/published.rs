//! What a run keeps for the next one: the published customer ids, and who has been in a segment since when.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder, UInt32Array, new_null_array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType, UInt32Type};
use futures::StreamExt;
use perennial_base::config::Config;
use perennial_base::relation::{PUBLIC, relation};
use perennial_base::{ErrorClass, Kind};
use perennial_identity::{
    Change, ChangeKind, CustomerId, Fate, Normaliser, Outcome as Normalised, Partition, PreviousIds,
    PublishedId, Resolution, Rules, SignatureId,
};
use perennial_lake::Manifest;

use crate::columns::{counts, instants, texts, written_schema};
use crate::error::{Error, Result};
use crate::groups::owner;
use crate::stored::{GROUP, Tables, Touched};
use crate::versions::change_key;

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
    let columns: Vec<ArrayRef> = vec![
        written(ids, |id, text| write!(text, "{}", id.id)),
        counts(ids.iter().map(|id| id.minted_snapshot)),
        texts(ids.iter().map(|id| Some(id.founding_source.as_ref()))),
        instants(ids.iter().map(|id| Some(id.founding_at))),
        written(ids, |id, text| write!(text, "{:032x}", id.founding_hash)),
        texts(fate),
        texts(to.iter().map(Option::as_deref)),
        Arc::new(since.into_iter().collect::<arrow::array::Int64Array>()),
        instants(ids.iter().map(|id| Some(id.fate_at))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// A text of each id.
fn written(ids: &[PublishedId], write: impl Fn(&PublishedId, &mut String) -> std::fmt::Result) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(ids.len(), 0);
    let mut text = String::new();
    for id in ids {
        text.clear();
        // Writing to a string cannot fail.
        let _ = write(id, &mut text);
        texts.append_value(&text);
    }
    Arc::new(texts.finish())
}

/// The ids that are not current.
pub(crate) fn retired(resolution: &Resolution) -> impl Iterator<Item = &PublishedId> {
    resolution.ids().iter().filter(|id| id.fate != Fate::Current)
}

/// The redirects, and the ids that are gone.
pub(crate) fn redirects(resolution: &Resolution) -> Result<RecordBatch> {
    let retired: Vec<(String, Option<String>, u64, i64)> = retired(resolution)
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

/// The groups of ids: of the customer that each is or leads to, by the groups of customers.
pub(crate) fn groups<'a>(
    resolution: &Resolution,
    ids: impl Iterator<Item = &'a PublishedId>,
    of_customer: &[u32],
) -> ArrayRef {
    let groups = ids.map(|id| of_customer.get(owner(resolution, id)? as usize).copied());
    Arc::new(groups.collect::<UInt32Array>())
}

/// The ids that the snapshot before published; when groups are named, those of them and the ids that are gone, and of which
/// group each is.
pub(crate) async fn previous(
    tables: &Tables,
    manifest: Option<&Manifest>,
    touched: Option<&Touched>,
) -> Result<(PreviousIds, HashMap<CustomerId, u32>)> {
    let schema = schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let columns: Vec<&str> = names.chain([GROUP]).collect();
    let batches = tables.of_touched(manifest, TABLE, &columns, touched).await?;
    let (mut ids, mut groups) = (Vec::new(), HashMap::new());
    for batch in batches {
        let group = batch
            .column_by_name(GROUP)
            .map(|groups| groups.as_primitive::<UInt32Type>());
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
            let id = id(text(0).value(row))?;
            if let Some(group) = group.filter(|group| touched.is_some() && group.is_valid(row)) {
                groups.insert(id, group.value(row));
            }
            ids.push(PublishedId {
                id,
                minted_snapshot: minted.value(row) as u64,
                founding_source: text(2).value(row).into(),
                founding_at: founded.value(row),
                founding_hash: u128::from_str_radix(text(4).value(row), 16).map_err(|_| damaged(TABLE))?,
                fate,
                fate_at: fate_at.map_or(committed_at, |fate_at| fate_at.value(row)),
            });
        }
    }
    Ok((PreviousIds::try_new(ids)?, groups))
}

/// Whether any of the ids that were made in this snapshot has been published before, for a group that the run has not
/// looked at.
pub(crate) async fn taken(
    tables: &Tables,
    manifest: &Manifest,
    resolution: &Resolution,
    number: u64,
) -> Result<bool> {
    let minted = resolution.ids().iter().filter(|id| id.minted_snapshot == number);
    let minted: HashSet<[u8; CustomerId::TEXT_LENGTH]> = minted.map(|id| id.id.to_text()).collect();
    if minted.is_empty() {
        return Ok(false);
    }
    let published = tables.rows(Some(manifest), TABLE, &["id"]).await?;
    Ok(published.iter().any(|batch| {
        let ids = batch.column(0).as_string::<i32>().iter().flatten();
        ids.filter_map(|id| id.as_bytes().try_into().ok())
            .any(|id: [u8; CustomerId::TEXT_LENGTH]| minted.contains(&id))
    }))
}

/// Tells a partition what it asks of the snapshot before, or of the touched groups in it: which identifiers its customers
/// held, and whose the founding records of new customers were, if they were there `before`.
pub(crate) async fn tell(
    partition: &mut Partition,
    tables: &Tables,
    manifest: Option<&Manifest>,
    touched: Option<&Touched>,
    (config, rules): (&Config, &Rules),
    before: impl Fn(SignatureId) -> bool,
) -> Result<()> {
    if partition.asks_for_previous() {
        // The values are compared as the rules compare them now.
        let (mut normaliser, mut now) = (Normaliser::new(rules), String::new());
        identities(tables, manifest, touched, |id, kind, value| {
            let Some(kind) = rules.index_of(kind) else { return };
            partition.held(id, kind, value);
            if normaliser.normalise(kind, value, &mut now) == Normalised::Value && now != value {
                partition.held(id, kind, &now);
            }
        })
        .await?;
    }
    let asked = partition.asks_for_founders(before);
    let sources = config.sources.iter();
    let kinds: BTreeSet<Kind> = sources
        .filter(|source| asked.contains(source.name.as_str()))
        .map(|source| source.kind)
        .collect();
    for kind in kinds {
        records(kind, tables, manifest, touched, |id, source, key, time| {
            partition.belonged(id, source, key, time);
        })
        .await?;
    }
    Ok(())
}

/// Calls `with` for the records of a kind in the snapshot before, or in the touched groups of it, that are a customer's: id,
/// source, key as the graph knows it, and time.
async fn records(
    kind: Kind,
    tables: &Tables,
    manifest: Option<&Manifest>,
    touched: Option<&Touched>,
    mut with: impl FnMut(&str, &str, &str, i64),
) -> Result<()> {
    let (name, key) = match kind {
        Kind::Profile => ("profiles", "record_key"),
        Kind::Order => ("orders", "order_id"),
        Kind::Subscription => ("subscriptions", "subscription_id"),
        kind => (kind.relation().unwrap_or_default(), "record_key"),
    };
    let columns = ["customer_id", "source", key, "time"];
    let table = format!("{PUBLIC}.{name}");
    let files = tables.files(manifest, &table, touched).await?;
    let mut read = tables.read(files, &columns);
    while let Some(batches) = read.next().await {
        for batch in batches? {
            let text = |column: usize| batch.column(column).as_string::<i32>();
            let (owner, source, key) = (text(0), text(1), text(2));
            let time = batch.column(3).as_primitive::<TimestampMicrosecondType>();
            for row in (0..batch.num_rows()).filter(|row| owner.is_valid(*row)) {
                let (key, time) = (key.value(row), time.value(row));
                let of_moment = (kind == Kind::Subscription).then(|| change_key(key, time));
                let key = of_moment.as_deref().unwrap_or(key);
                with(owner.value(row), source.value(row), key, time);
            }
        }
    }
    Ok(())
}

/// Calls `with` for every identity of the snapshot before, or of the touched groups in it: id, type and value.
async fn identities(
    tables: &Tables,
    manifest: Option<&Manifest>,
    touched: Option<&Touched>,
    mut with: impl FnMut(CustomerId, &str, &str),
) -> Result<()> {
    let columns = ["customer_id", "type", "value"];
    let files = tables.files(manifest, "public.identities", touched).await?;
    let mut read = tables.read(files, &columns);
    while let Some(batches) = read.next().await {
        for batch in batches? {
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

/// What happened to ids: what the snapshot before tells, and what this one, of a number and a moment, adds.
pub(crate) async fn changes(
    tables: &Tables,
    before: Option<&Manifest>,
    resolution: &Resolution,
    (snapshot, at): (u64, i64),
    cause: Option<&str>,
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
            texts(rows.iter().map(|_| cause)),
        ],
    )?;
    let schema = written_schema(relation);
    let columns: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let mut batches = Vec::new();
    for batch in tables.rows(before, "public.identity_changes", &columns).await? {
        // An earlier version did not tell all of it.
        let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
            Some(column) => Arc::clone(column),
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        let told = schema.fields().iter().map(column).collect();
        batches.push(RecordBatch::try_new(Arc::clone(&schema), told)?);
    }
    batches.push(added);
    Ok(Some(concat_batches(&schema, &batches)?))
}

/// Since when somebody has been a member of a segment; when groups are named, of their customers.
pub(crate) async fn members(
    tables: &Tables,
    manifest: Option<&Manifest>,
    touched: Option<&Touched>,
) -> Result<BTreeMap<(String, String), i64>> {
    let mut out = BTreeMap::new();
    let (name, columns) = ("public.segment_members", ["segment", "customer_id", "entered_at"]);
    let batches = tables.of_touched(manifest, name, &columns, touched).await?;
    for batch in batches {
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

/// How many members each segment had in the snapshot before.
pub(crate) async fn sizes(tables: &Tables, manifest: &Manifest) -> Result<BTreeMap<String, u64>> {
    let mut out = BTreeMap::new();
    let columns = ["segment", "members"];
    for batch in tables.rows(Some(manifest), "public.segments", &columns).await? {
        let segment = batch.column(0).as_string::<i32>();
        let members = batch.column(1).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            out.insert(segment.value(row).to_owned(), members.value(row) as u64);
        }
    }
    Ok(out)
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
