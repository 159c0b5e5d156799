//! Rows to the bucket of their customer.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringBuilder, UInt16Array, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use perennial_base::{Config, Kind};
use perennial_engine::schema::timestamp;
use perennial_identity::{Resolution, SignatureId};
use perennial_lake::SourceManifest;

use crate::conditions::Traits;
use crate::error::Result;
use crate::groups::Labels;
use crate::ledger::{Full, Ledger};
use crate::mapping::plain;
use crate::noticed::OfNoOrder;
use crate::records::{DROPPED, LEADING, NOBODY, Rows, Staged};
use crate::scratch::{Heap, Scratch, Stored};
use crate::versions::{Orders, order_hash, path_of, place};

/// The columns in front of the canonical ones in a routed batch.
pub(crate) const CUSTOMER: usize = 0;
pub(crate) const SOURCE: usize = 1;
pub(crate) const RECORD_KEY: usize = 2;
pub(crate) const MOMENT: usize = 3;
pub(crate) const VERSION_AT: usize = 4;
pub(crate) const NEWER: usize = 5;
pub(crate) const GROUPS: usize = 6;
pub(crate) const CANONICAL: usize = 7;

/// Which bucket each row is in. Customers are numbered in the order of their ids, so a bucket is a range of them. As many
/// buckets again are for the facts of nobody, spread by the order that they belong to, and the last is for what never
/// belongs to anybody.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// The first customer of each bucket; the end last.
    starts: Vec<u32>,
}

/// Rows that are shared among the buckets at once, and about how many bytes they may have.
const STRETCH_ROWS: usize = 131_072;
const STRETCH_BYTES: usize = 128 << 20;
/// Customers in a bucket, about.
const CUSTOMERS_PER_BUCKET: usize = 32_768;

impl Buckets {
    pub(crate) fn new(resolution: &Resolution) -> Self {
        let customers = resolution.customers();
        let count = customers
            .len()
            .div_ceil(CUSTOMERS_PER_BUCKET)
            .next_power_of_two()
            .clamp(1, 1_024);
        let bits = count.trailing_zeros();
        let starts = (0..=count as u32)
            .map(|bucket| customers.partition_point(|customer| customer.id.bucket(bits) < bucket) as u32)
            .collect();
        Self { starts }
    }

    /// Buckets of customers.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// All buckets with facts: those of customers, then those of nobody.
    pub(crate) fn with_nobody(&self) -> usize {
        2 * self.len()
    }

    /// The bucket of spend and rates.
    pub(crate) fn unowned(&self) -> usize {
        2 * self.len()
    }

    /// The customers of a bucket.
    pub(crate) fn range(&self, bucket: usize) -> std::ops::Range<u32> {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or(0);
        at(bucket)..at(bucket + 1)
    }

    /// The bucket of a customer.
    fn of(&self, customer: u32) -> usize {
        self.starts
            .partition_point(|start| *start <= customer)
            .saturating_sub(1)
    }

    /// The bucket of nobody's facts about an order, or about anything else with a name.
    fn of_nobody(&self, name: &str) -> usize {
        self.len() + (order_hash(name) % self.len() as u128) as usize
    }
}

/// All rows by kind and bucket.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    heaps: BTreeMap<Kind, (SchemaRef, Vec<Stored>)>,
}

impl Routed {
    /// The rows of a kind in a bucket, as one batch.
    pub(crate) fn load(&self, kind: Kind, bucket: usize) -> Result<Option<RecordBatch>> {
        match self.heaps.get(&kind) {
            Some((schema, heaps)) => match heaps.get(bucket) {
                Some(heap) if heap.rows() > 0 => Ok(Some(heap.load(schema, None)?)),
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// The columns of a kind's rows.
    pub(crate) fn schema(&self, kind: Kind) -> Option<&SchemaRef> {
        self.heaps.get(&kind).map(|(schema, _)| schema)
    }
}

/// Sends the rows of all sources to their buckets, of the kinds in `versioned` superseded ones too, and new ones to the
/// ledger. Answers also the sources of which most rows are of no order.
#[expect(clippy::too_many_arguments, reason = "what the rows go by, each part named")]
pub(crate) fn route(
    config: &Config,
    traits: &Traits,
    staged: Vec<(Staged, &SourceManifest)>,
    resolution: &Resolution,
    labels: &Labels,
    orders: &Orders,
    buckets: &Buckets,
    versioned: &[Kind],
    scratch: &Arc<Scratch>,
    mut advance: impl FnMut(u64),
) -> Result<(Routed, Full, Vec<OfNoOrder>)> {
    let mut ledger = Ledger::new(staged.iter().map(|(staged, _)| staged), buckets.len(), scratch);
    let mut open: BTreeMap<Kind, (SchemaRef, Vec<Heap>)> = BTreeMap::new();
    for (staged, _) in &staged {
        let schema = routed_schema(
            staged.kind,
            staged.kind == Kind::Profile,
            &staged.schema,
            open.get(&staged.kind).map(|(schema, _)| schema),
        );
        open.insert(staged.kind, (schema, Vec::new()));
    }
    // A trait is a column of the golden record also while no file has it, of the type that it had.
    let profiles = || {
        config
            .sources
            .iter()
            .filter(|source| source.kind == Kind::Profile)
    };
    if profiles().next().is_some() {
        let (schema, _) = open
            .entry(Kind::Profile)
            .or_insert_with(|| (empty_schema(Kind::Profile), Vec::new()));
        let names: Vec<&String> = profiles()
            .flat_map(|source| &source.traits)
            .map(|(name, _)| name)
            .collect();
        let fields = schema
            .fields()
            .iter()
            .filter(|field| !names.contains(&field.name()));
        let mut fields: Vec<_> = fields.cloned().collect();
        for name in &names {
            if fields.iter().all(|field| field.name() != *name) {
                fields.push(Arc::new(Field::new(*name, traits.type_of(name), true)));
            }
        }
        // Which files there are has no say in the order either.
        fields.sort_by_key(|field| names.iter().position(|name| *name == field.name()));
        *schema = Arc::new(Schema::new(fields));
    }
    for (schema, heaps) in open.values_mut() {
        let spool = scratch.spool();
        *heaps = (0..=buckets.unowned())
            .map(|_| Heap::new(&spool, Arc::clone(schema)))
            .collect();
    }
    let mut of_no_order = Vec::new();
    for (staged, manifest) in staged {
        let Some((schema, heaps)) = open.get_mut(&staged.kind) else {
            continue;
        };
        let (mut current, mut lost) = (0, 0);
        for (heap, side) in staged.heaps.iter().zip(&staged.sides) {
            let (mut batches, mut side) = (heap.batches(None), side.read());
            while let Some(batch) = stretch(&mut batches, &staged.schema)? {
                let rows = batch.num_rows();
                let side = side.next(rows)?;
                let (canonical, customers, of_none) = canonical(
                    &staged, manifest, schema, &batch, &side, resolution, labels, orders,
                )?;
                current += side.iter().filter(|(_, newer)| *newer == 0).count() as u64;
                lost += of_none;
                ledger.take(&staged, manifest, &batch, &side, resolution, labels)?;
                advance(rows as u64);
                let order = match staged.kind {
                    Kind::OrderItem | Kind::Refund => canonical.column_by_name("order_id"),
                    _ => None,
                };
                let name = order
                    .unwrap_or_else(|| canonical.column(RECORD_KEY))
                    .as_string::<i32>();
                let mut shares: Vec<Vec<u32>> = vec![Vec::new(); heaps.len()];
                for (row, (customer, (_, newer))) in customers.iter().zip(&side).enumerate() {
                    // Older versions decide what was known at a past moment.
                    if *newer == DROPPED || (*newer > 0 && !versioned.contains(&staged.kind)) {
                        continue;
                    }
                    let bucket = match (staged.kind, *customer) {
                        (Kind::Spend | Kind::FxRate, _) => buckets.unowned(),
                        (_, NOBODY) => buckets.of_nobody(name.value(row)),
                        (_, customer) => buckets.of(customer),
                    };
                    if let Some(share) = shares.get_mut(bucket) {
                        share.push(row as u32);
                    }
                }
                for (heap, rows) in heaps.iter_mut().zip(shares) {
                    if !rows.is_empty() {
                        heap.push(take_record_batch(&canonical, &UInt32Array::from(rows))?)?;
                    }
                }
            }
        }
        let source = config.sources.get(usize::from(staged.source));
        of_no_order.extend(source.and_then(|source| OfNoOrder::most(source, current, lost)));
    }
    let heaps = open
        .into_iter()
        .map(|(kind, (schema, heaps))| {
            let stored = heaps.into_iter().map(Heap::finish).collect();
            (kind, (schema, stored))
        })
        .collect();
    Ok((Routed { heaps }, ledger.finish(), of_no_order))
}

/// The next rows of a heap as one batch: enough of them that every bucket gets more than a handful at once.
fn stretch(
    batches: &mut impl Iterator<Item = Result<RecordBatch>>,
    schema: &SchemaRef,
) -> Result<Option<RecordBatch>> {
    let (mut held, mut rows, mut bytes) = (Vec::new(), 0, 0);
    while rows < STRETCH_ROWS
        && bytes < STRETCH_BYTES
        && let Some(batch) = batches.next()
    {
        let batch = batch?;
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        held.push(batch);
    }
    if held.is_empty() {
        return Ok(None);
    }
    Ok(Some(concat_batches(schema, &held)?))
}

/// The columns of routed rows: the same for all sources of a kind. Traits are united over the sources.
fn routed_schema(kind: Kind, traits: bool, staged: &SchemaRef, so_far: Option<&SchemaRef>) -> SchemaRef {
    let mut fields: Vec<Field> = match so_far {
        Some(schema) => schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect(),
        None => {
            let mut fields = vec![
                Field::new("_customer", DataType::UInt32, false),
                Field::new("_source", DataType::UInt16, false),
                Field::new("_key", DataType::Utf8, false),
                Field::new("_time", timestamp(), false),
                Field::new("_updated", timestamp(), false),
                Field::new("_newer", DataType::UInt32, false),
                Field::new("_group", DataType::UInt32, false),
            ];
            fields.extend(
                kind.columns()
                    .iter()
                    .map(|column| Field::new(column.name, plain(column.column_type), true)),
            );
            if kind == Kind::Event {
                fields.push(Field::new("properties", DataType::Utf8, true));
            }
            fields
        }
    };
    if traits {
        for field in staged.fields().iter().skip(LEADING) {
            match fields.iter_mut().find(|known| known.name() == field.name()) {
                // Two sources that disagree on a type meet as text.
                Some(known) if known.data_type() != field.data_type() => {
                    *known = known.clone().with_data_type(DataType::Utf8);
                }
                Some(_) => {}
                None => fields.push(field.as_ref().clone()),
            }
        }
    }
    Arc::new(Schema::new(fields))
}

/// The columns of a kind without a source.
pub(crate) fn empty_schema(kind: Kind) -> SchemaRef {
    routed_schema(kind, false, &Arc::new(Schema::empty()), None)
}

/// Rows as they are routed, the customer of each, and how many current ones are of an order that does not exist.
#[expect(clippy::too_many_arguments, reason = "what rows are made of, each named")]
fn canonical(
    staged: &Staged,
    manifest: &SourceManifest,
    schema: &SchemaRef,
    batch: &RecordBatch,
    side: &[(u32, u32)],
    resolution: &Resolution,
    labels: &Labels,
    orders: &Orders,
) -> Result<(RecordBatch, Vec<u32>, u64)> {
    let rows = batch.num_rows();
    let mut of_none = 0;
    let leading = Rows::new(batch);
    let customer_of = |signature: u32| {
        resolution
            .customer_of(SignatureId::from_number(signature))
            .unwrap_or(NOBODY)
    };
    let customers: Vec<u32> = match staged.kind {
        Kind::OrderItem | Kind::Refund => {
            let column = staged.schema.index_of("order_id")?;
            let ids = batch.column(column).as_string::<i32>();
            side.iter()
                .enumerate()
                .map(|(row, (_, newer))| match orders.signature(ids.value(row)) {
                    Some(signature) => customer_of(signature),
                    None => {
                        of_none += u64::from(*newer == 0);
                        NOBODY
                    }
                })
                .collect()
        }
        _ => side
            .iter()
            .map(|(signature, _)| customer_of(*signature))
            .collect(),
    };
    let mut keys = StringBuilder::with_capacity(rows, rows * 16);
    let mut key = String::new();
    for row in 0..rows as u32 {
        if staged.keyed {
            keys.append_value(leading.key(row));
        } else {
            place(&mut key, path_of(manifest, leading.file(row)), leading.row(row));
            keys.append_value(&key);
        }
    }
    let newer = UInt32Array::from_iter_values(side.iter().map(|(_, newer)| *newer));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from(customers.clone())),
        Arc::new(UInt16Array::from_value(staged.source, rows)),
        Arc::new(keys.finish()),
        Arc::clone(batch.column(4)),
        Arc::clone(batch.column(5)),
        Arc::new(newer),
        Arc::new(UInt32Array::from_iter_values(
            (0..rows as u32).map(|row| labels.of(leading.element(row))),
        )),
    ];
    for field in schema.fields().iter().skip(CANONICAL) {
        columns.push(match staged.schema.index_of(field.name()) {
            Ok(index) => cast(batch.column(index), field.data_type())?,
            Err(_) => arrow::array::new_null_array(field.data_type(), rows),
        });
    }
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
    Ok((batch, customers, of_none))
}
