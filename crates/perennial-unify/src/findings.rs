//! What identity resolution has found out besides customers: joins that limits refused, values that identify nobody.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use perennial_base::relation::Relation;
use perennial_engine::release::table_name;
use perennial_identity::{BlockedEntry, BlockedForm, Rules, Warning, WarningKind};
use perennial_lake::{FileState, Manifest};

use crate::bucket::Shared;
use crate::columns::{counts, instants, texts, written_schema};
use crate::error::Result;
use crate::landing::Landing;
use crate::stored::Tables;
use crate::versions::Warned;

/// The counts of blocked and malformed values by file, as the next run takes them over.
pub(crate) const TALLY: &str = "internal.tally";
pub(crate) const TALLY_ORDER: &[&str] = &["reason", "type", "source"];

/// Makes the tables of findings.
pub(crate) struct Findings<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) stored: &'a Tables,
    /// The snapshot whose findings about what is not worked out anew still hold.
    pub(crate) previous: Option<&'a Manifest>,
}

impl Findings<'_> {
    pub(crate) async fn conflicts(&self, relation: &'static Relation) -> Result<RecordBatch> {
        let fresh = conflicts(self.shared, relation)?;
        self.with_others(relation, fresh, "value_type", |_| true).await
    }

    pub(crate) async fn warnings(&self, relation: &'static Relation) -> Result<RecordBatch> {
        let fresh = warnings(self.shared, relation)?;
        // What is blocked or malformed has been counted anew.
        self.with_others(relation, fresh, "type", |reason| reason == "shared")
            .await
    }

    /// Findings of the snapshot before about values that this run has not met, beside the fresh ones.
    async fn with_others(
        &self,
        relation: &'static Relation,
        fresh: RecordBatch,
        kind: &str,
        holds: impl Fn(&str) -> bool,
    ) -> Result<RecordBatch> {
        let schema = fresh.schema();
        let columns: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let before = match self.previous {
            Some(previous) => {
                self.stored
                    .rows(Some(previous), &table_name(relation), &columns)
                    .await?
            }
            None => return Ok(fresh),
        };
        let before = concat_batches(&schema, &before)?;
        let text = |name: &str| {
            Ok::<_, crate::error::Error>(before.column(schema.index_of(name)?).as_string::<i32>())
        };
        let (kinds, values) = (text(kind)?, text("value")?);
        let reasons = before
            .column_by_name("reason")
            .map(|reasons| reasons.as_string::<i32>());
        let named: HashSet<(&str, &str)> = (0..before.num_rows())
            .map(|row| (kinds.value(row), values.value(row)))
            .collect();
        let met: HashSet<(&str, Cow<'_, str>)> = self
            .shared
            .resolution
            .identifier_values()
            .map(|(kind, value)| (self.shared.identifier_name(kind), value))
            .filter(|(kind, value)| named.contains(&(*kind, value.as_ref())))
            .collect();
        let stay: BooleanArray = (0..before.num_rows())
            .map(|row| {
                Some(
                    reasons.is_none_or(|reasons| holds(reasons.value(row)))
                        && !met.contains(&(kinds.value(row), Cow::Borrowed(values.value(row)))),
                )
            })
            .collect();
        Ok(concat_batches(
            &schema,
            &[filter_record_batch(&before, &stay)?, fresh],
        )?)
    }

    /// The counts of blocked and malformed values by file, of the files that are served.
    pub(crate) async fn tally(&self, warned: &[Warned], landing: &Landing) -> Result<RecordBatch> {
        let fresh = tally(warned)?;
        let mut batches = match self.previous {
            Some(previous) => served(self.stored, previous, landing).await?,
            None => Vec::new(),
        };
        batches.push(fresh);
        Ok(concat_batches(&tally_schema(), &batches)?)
    }

    /// The block list in force, and what each entry has kept apart.
    pub(crate) fn blocked(&self, relation: &'static Relation, rules: &Rules) -> Result<RecordBatch> {
        let mut rows: Vec<(BlockedEntry<'_>, u64)> = rules.blocked().map(|entry| (entry, 0)).collect();
        for warning in self.shared.resolution.warnings() {
            if let Some((_, records)) = entry(warning.kind).and_then(|entry| rows.get_mut(usize::from(entry)))
            {
                *records += warning.records;
            }
        }
        rows.sort_unstable_by_key(|(entry, _)| entry.text);
        Ok(RecordBatch::try_new(
            written_schema(relation),
            vec![
                texts(rows.iter().map(|(entry, _)| Some(entry.text))),
                texts(rows.iter().map(|(entry, _)| {
                    Some(match entry.builtin {
                        true => "built in",
                        false => "configuration",
                    })
                })),
                texts(rows.iter().map(|(entry, _)| {
                    Some(match entry.form {
                        BlockedForm::Value => "value",
                        BlockedForm::Mailbox => "mailbox",
                        BlockedForm::Pattern => "pattern",
                    })
                })),
                counts(rows.iter().map(|(_, records)| *records)),
            ],
        )?)
    }
}

/// The word for a reason, the numbers of source and file, and what was counted.
type Counted = (&'static str, u16, u32, Warning);

/// The counts of blocked and malformed values of files that were read.
fn tally(warned: &[Warned]) -> Result<RecordBatch> {
    let counted: Vec<Counted> = warned
        .iter()
        .flat_map(|warned| {
            let warnings = warned.tally.warnings();
            warnings.map(|warning| (warned.source, warned.file, warning))
        })
        .filter_map(|(source, file, warning)| Some((reason(warning.kind)?, source, file, warning)))
        .collect();
    let numbers =
        |of: &dyn Fn(&Counted) -> Option<i64>| Arc::new(counted.iter().map(of).collect::<Int64Array>());
    Ok(RecordBatch::try_new(
        tally_schema(),
        vec![
            texts(counted.iter().map(|(reason, ..)| Some(*reason))),
            numbers(&|(.., warning)| Some(warning.identifier_type as i64)),
            numbers(&|(_, source, ..)| Some(i64::from(*source))),
            texts(counted.iter().map(|(.., warning)| warning.value.as_deref())),
            counts(counted.iter().map(|(.., warning)| warning.records)),
            numbers(&|(.., warning)| entry(warning.kind).map(i64::from)),
            numbers(&|(_, _, file, _)| Some(i64::from(*file))),
        ],
    )?)
}

/// The word for a reason that is counted when rows are read.
fn reason(kind: WarningKind) -> Option<&'static str> {
    match kind {
        WarningKind::Blocked { .. } => Some("blocked"),
        WarningKind::Malformed => Some("malformed"),
        _ => None,
    }
}

/// The number of the entry of the block list that is the reason.
fn entry(kind: WarningKind) -> Option<u16> {
    match kind {
        WarningKind::Blocked { entry } => Some(entry),
        _ => None,
    }
}

fn tally_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("reason", DataType::Utf8, false),
        Field::new("type", DataType::Int64, false),
        Field::new("source", DataType::Int64, false),
        Field::new("value", DataType::Utf8, true),
        Field::new("records", DataType::Int64, false),
        // The number of the entry of the block list; null where none is the reason.
        Field::new("entry", DataType::Int64, true),
        // The number of the file in its source.
        Field::new("file", DataType::Int64, false),
    ]))
}

/// What the runs before have counted in files that are served still.
async fn served(tables: &Tables, previous: &Manifest, landing: &Landing) -> Result<Vec<RecordBatch>> {
    let live: HashSet<(i64, i64)> = (0..)
        .zip(&landing.sources)
        .flat_map(|(source, landed)| landed.files.iter().map(move |file| (source, file)))
        .filter(|(_, file)| file.state == FileState::Live && file.id > 0)
        .map(|(source, file)| (source, i64::from(file.id)))
        .collect();
    let schema = tally_schema();
    let columns: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let mut batches = Vec::new();
    for batch in tables.rows(Some(previous), TALLY, &columns).await? {
        let number = |at: usize| batch.column(at).as_primitive::<Int64Type>();
        let (sources, files) = (number(2), number(6));
        let served = |row: usize| Some(live.contains(&(sources.value(row), files.value(row))));
        let served: BooleanArray = (0..batch.num_rows()).map(served).collect();
        batches.push(filter_record_batch(&batch, &served)?);
    }
    Ok(batches)
}

/// As warnings, what the runs before have counted of blocked and malformed values in files that are served still.
pub(crate) async fn counted(tables: &Tables, previous: &Manifest, landing: &Landing) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    for batch in served(tables, previous, landing).await? {
        let reasons = batch.column(0).as_string::<i32>();
        let number = |at: usize| batch.column(at).as_primitive::<Int64Type>();
        let values = batch.column(3).as_string::<i32>();
        warnings.extend((0..batch.num_rows()).map(|row| Warning {
            kind: match reasons.value(row) {
                "blocked" => WarningKind::Blocked {
                    entry: number(5).value(row) as u16,
                },
                _ => WarningKind::Malformed,
            },
            identifier_type: number(1).value(row) as usize,
            source: Some(number(2).value(row) as u16),
            value: values.is_valid(row).then(|| values.value(row).to_owned()),
            records: number(4).value(row) as u64,
        }));
    }
    Ok(warnings)
}

fn conflicts(shared: &Shared, relation: &'static Relation) -> Result<RecordBatch> {
    let mut rows: Vec<_> = shared.resolution.conflicts().collect();
    rows.sort_by(|a, b| (&a.record, &a.value).cmp(&(&b.record, &b.value)));
    let id = |customer: Option<u32>| customer.map(|customer| shared.customer_id(customer));
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.iter().map(|row| {
                Some(match row.limited_type {
                    Some(_) => "limit",
                    None => "override",
                })
            })),
            texts(
                rows.iter()
                    .map(|row| row.limited_type.map(|of_type| shared.identifier_name(of_type))),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.limit.map(i64::from))
                    .collect::<Int64Array>(),
            ),
            texts(rows.iter().map(|row| Some(shared.source_name(row.record.source)))),
            texts(rows.iter().map(|row| Some(row.record.key.as_ref()))),
            texts(
                rows.iter()
                    .map(|row| Some(shared.identifier_name(row.identifier_type))),
            ),
            texts(rows.iter().map(|row| Some(row.value.as_ref()))),
            texts(rows.iter().map(|row| id(row.record_customer))),
            texts(rows.iter().map(|row| id(row.value_customer))),
            counts(rows.iter().map(|row| row.records)),
            instants(rows.iter().map(|row| Some(row.at))),
        ],
    )?)
}

fn warnings(shared: &Shared, relation: &'static Relation) -> Result<RecordBatch> {
    let reason = |kind: WarningKind| match kind {
        WarningKind::Blocked { .. } => "blocked",
        WarningKind::Malformed => "malformed",
        _ => "shared",
    };
    // A value may be warned of once for each source.
    let mut rows: BTreeMap<_, (u64, Option<i64>)> = BTreeMap::new();
    for warning in shared.resolution.warnings() {
        let value = warning.value.as_deref().unwrap_or("(more values)");
        let name = shared.identifier_name(warning.identifier_type);
        let (records, customers) = rows.entry((name, value, reason(warning.kind))).or_default();
        *records += warning.records;
        if let WarningKind::OverMaxCustomers { customers: held, .. } = warning.kind {
            *customers = Some(i64::from(held));
        }
    }
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.keys().map(|(name, ..)| Some(*name))),
            texts(rows.keys().map(|(_, value, _)| Some(*value))),
            texts(rows.keys().map(|(.., reason)| Some(*reason))),
            counts(rows.values().map(|(records, _)| *records)),
            Arc::new(
                rows.values()
                    .map(|(_, customers)| *customers)
                    .collect::<Int64Array>(),
            ),
        ],
    )?)
}
