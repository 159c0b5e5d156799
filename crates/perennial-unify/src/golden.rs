//! Golden records: one row per customer, each trait by its survivorship rule, and where each value came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use perennial_base::relation::{PUBLIC, relation};
use perennial_identity::survivorship::Candidate;
use perennial_identity::{OverrideLink, Record};

use crate::bucket::Shared;
use crate::columns::{Facts, counts, instants, text_lists, texts, written_schema};
use crate::error::Result;
use crate::past::{Past, Times};
use crate::route::CANONICAL;

/// The golden records of a bucket.
#[derive(Debug)]
pub(crate) struct Golden {
    /// Best identifiers and traits, by name, one value per customer.
    pub(crate) added: Vec<(FieldRef, ArrayRef)>,
    pub(crate) customers: RecordBatch,
    pub(crate) identities: RecordBatch,
    pub(crate) history: RecordBatch,
    pub(crate) links: RecordBatch,
    pub(crate) link_history: RecordBatch,
    pub(crate) lineage: RecordBatch,
}

/// Where a value came from.
struct Chosen {
    customer: u32,
    row: usize,
    rule: &'static str,
    candidates: u64,
}

/// Works out the golden records of customers from their profiles, sorted by customer.
pub(crate) async fn golden(
    shared: &Shared,
    customers: Range<u32>,
    profiles: &Facts,
    past: Past,
) -> Result<Golden> {
    let (best, identities) = identities(shared, customers.clone(), &past.identities)?;
    let mut added: Vec<(FieldRef, ArrayRef)> = Vec::new();
    for (kind, values) in best {
        let name = shared.identifier_name(kind);
        let field = Arc::new(commented(
            name,
            DataType::Utf8,
            format!("Latest {name} of the customer, normalised"),
        ));
        added.push((field, texts(values.iter().map(|value| value.as_deref()))));
    }
    let (traits, lineage) = traits(shared, customers.clone(), profiles)?;
    added.extend(
        traits
            .into_iter()
            .filter(|(field, _)| !shared.is_identifier(field.name())),
    );
    let customers_table = customers_table(shared, customers.clone(), &added)?;
    let links = links(shared, customers, &past.links)?;
    let link_history = past.links.history(&links).await?;
    let history = past.identities.history(&identities).await?;
    Ok(Golden {
        added,
        customers: customers_table,
        identities,
        history,
        links,
        link_history,
        lineage,
    })
}

fn commented(name: &str, data_type: DataType, comment: String) -> Field {
    Field::new(name, data_type, true).with_metadata([("comment".to_owned(), comment)].into())
}

/// Identities of the customers, and for each identifier type the value of each customer that was seen last.
#[expect(clippy::type_complexity, reason = "two results of one pass")]
fn identities(
    shared: &Shared,
    customers: Range<u32>,
    past: &Times,
) -> Result<(BTreeMap<usize, Vec<Option<String>>>, RecordBatch)> {
    let mut best: BTreeMap<usize, Vec<Option<String>>> = (0..shared.identifier_types())
        .map(|kind| (kind, vec![None; customers.len()]))
        .collect();
    let mut seen_last: BTreeMap<(u32, usize), i64> = BTreeMap::new();
    let mut rows = Vec::new();
    for customer in customers.clone() {
        seen_last.clear();
        for identity in shared.resolution.identities_of(customer) {
            let latest = seen_last
                .entry((customer, identity.identifier_type))
                .or_insert(i64::MIN);
            // Values come in text order: of two seen last at one moment, the first in text order stays.
            if identity.last_seen_at > *latest {
                *latest = identity.last_seen_at;
                if let Some(slot) = best
                    .get_mut(&identity.identifier_type)
                    .and_then(|values| values.get_mut((customer - customers.start) as usize))
                {
                    *slot = Some(identity.value.clone().into_owned());
                }
            }
            rows.push(identity);
        }
    }
    let since: Vec<(i64, i64)> = rows
        .iter()
        .map(|row| {
            let kind = shared.identifier_name(row.identifier_type);
            past.since(&[shared.customer_id(row.customer), kind, &row.value])
        })
        .collect();
    let batch = match relation(PUBLIC, "identities") {
        Some(relation) => RecordBatch::try_new(
            written_schema(relation),
            vec![
                texts(rows.iter().map(|row| Some(shared.customer_id(row.customer)))),
                texts(
                    rows.iter()
                        .map(|row| Some(shared.identifier_name(row.identifier_type))),
                ),
                texts(rows.iter().map(|row| Some(row.value.as_ref()))),
                instants(rows.iter().map(|row| Some(row.first_seen_at))),
                instants(rows.iter().map(|row| Some(row.last_seen_at))),
                text_lists(
                    rows.iter()
                        .map(|row| row.sources.iter().map(|source| shared.source_name(source))),
                ),
                counts(rows.iter().map(|row| row.records)),
                instants(since.iter().map(|(from, _)| Some(*from))),
                counts(since.iter().map(|(_, snapshot)| *snapshot as u64)),
            ],
        )?,
        None => RecordBatch::new_empty(Arc::new(Schema::empty())),
    };
    Ok((best, batch))
}

/// Two records of one customer, and why they are.
struct Joined<'a> {
    customer: u32,
    earliest: Record<'a>,
    /// The source of the later record, and its key; none for all with the identifiers of the earliest.
    other: (u16, Option<Cow<'a, str>>),
    reason: &'static str,
    shared: Option<(usize, Cow<'a, str>)>,
    at: i64,
    records: u64,
}

impl Joined<'_> {
    fn order(&self) -> impl Ord {
        (self.at, &self.shared, &self.other, &self.earliest)
    }

    fn value(&self) -> Option<&str> {
        self.shared.as_ref().map(|(_, value)| value.as_ref())
    }
}

fn links(shared: &Shared, customers: Range<u32>, past: &Times) -> Result<RecordBatch> {
    let Some(relation) = relation(PUBLIC, "identity_links") else {
        return Ok(RecordBatch::new_empty(Arc::new(Schema::empty())));
    };
    let mut said: BTreeMap<u32, Vec<OverrideLink<'_>>> = BTreeMap::new();
    for link in shared.resolution.override_links() {
        said.entry(link.customer).or_default().push(link);
    }
    let mut rows: Vec<Joined<'_>> = Vec::new();
    for customer in customers {
        let start = rows.len();
        rows.extend(shared.resolution.links_of_customer(customer).map(|link| Joined {
            customer,
            earliest: link.earliest,
            other: (link.other.source, Some(link.other.key)),
            reason: "shared_identifier",
            shared: Some((link.identifier_type, link.value)),
            at: link.at,
            records: link.records,
        }));
        rows.extend(said.remove(&customer).into_iter().flatten().map(|link| Joined {
            customer,
            earliest: link.earliest,
            other: (link.other.source, Some(link.other.key)),
            reason: "override",
            shared: None,
            at: link.at,
            records: 1,
        }));
        rows.extend(
            shared
                .resolution
                .groups_of_customer(customer)
                .map(|group| Joined {
                    customer,
                    other: (group.earliest.source, None),
                    earliest: group.earliest,
                    reason: "equal_identifiers",
                    shared: None,
                    at: group.last_at,
                    records: group.records,
                }),
        );
        if let Some(of_customer) = rows.get_mut(start..) {
            of_customer.sort_by(|a, b| a.order().cmp(&b.order()));
        }
    }
    let kind = |row: &Joined<'_>| {
        let of_type = row.shared.as_ref().map(|(of_type, _)| *of_type);
        of_type.map(|of_type| shared.identifier_name(of_type))
    };
    let since = |row: &Joined<'_>| {
        past.since(&[
            shared.customer_id(row.customer),
            shared.source_name(row.earliest.source),
            &row.earliest.key,
            shared.source_name(row.other.0),
            row.other.1.as_deref().unwrap_or_default(),
            row.reason,
            kind(row).unwrap_or_default(),
            row.value().unwrap_or_default(),
        ])
    };
    let since: Vec<(i64, i64)> = rows.iter().map(since).collect();
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.iter().map(|row| Some(shared.customer_id(row.customer)))),
            texts(
                rows.iter()
                    .map(|row| Some(shared.source_name(row.earliest.source))),
            ),
            texts(rows.iter().map(|row| Some(row.earliest.key.as_ref()))),
            texts(rows.iter().map(|row| Some(shared.source_name(row.other.0)))),
            texts(rows.iter().map(|row| row.other.1.as_deref())),
            texts(rows.iter().map(|row| Some(row.reason))),
            texts(rows.iter().map(kind)),
            texts(rows.iter().map(Joined::value)),
            instants(rows.iter().map(|row| Some(row.at))),
            counts(rows.iter().map(|row| row.records)),
            instants(since.iter().map(|(from, _)| Some(*from))),
            counts(since.iter().map(|(_, snapshot)| *snapshot as u64)),
        ],
    )?)
}

/// Text without the white space around it, which says nothing of a person; other values as they are.
fn without_margins(column: &ArrayRef) -> ArrayRef {
    match column.as_string_opt::<i32>() {
        Some(texts) => Arc::new(
            texts
                .iter()
                .map(|text| text.map(str::trim))
                .collect::<StringArray>(),
        ),
        None => Arc::clone(column),
    }
}

/// Traits of the customers, one value each, and the lineage of the values.
fn traits(
    shared: &Shared,
    customers: Range<u32>,
    profiles: &Facts,
) -> Result<(Vec<(FieldRef, ArrayRef)>, RecordBatch)> {
    let schema = profiles.batch.schema();
    let names: Vec<&FieldRef> = schema.fields().iter().skip(CANONICAL).collect();
    let mut columns = Vec::with_capacity(names.len());
    let mut lineage: Vec<(usize, Chosen)> = Vec::new();
    let mut as_text: Vec<StringArray> = Vec::new();
    for (at, field) in names.iter().enumerate() {
        let column = without_margins(profiles.column(field.name())?);
        let text = cast(&column, &DataType::Utf8)?.as_string::<i32>().clone();
        let (rule, order) = shared.rule(field.name());
        let mut winners: Vec<Option<u32>> = Vec::with_capacity(customers.len());
        let mut from = 0;
        for customer in customers.clone() {
            let rows = profiles.rows_of(customer, &mut from);
            let candidates: Vec<Candidate<'_>> = rows
                .clone()
                .map(|row| Candidate {
                    value: text.is_valid(row).then(|| text.value(row)),
                    time: profiles.time(row),
                    source: profiles.source(row),
                    key: profiles.key(row),
                })
                .collect();
            let winner = rule.choose(&candidates, order).map(|place| rows.start + place);
            winners.push(winner.map(|row| row as u32));
            if let Some(row) = winner {
                let offered = candidates
                    .iter()
                    .filter(|candidate| candidate.value.is_some_and(|value| !value.trim().is_empty()))
                    .count();
                lineage.push((
                    at,
                    Chosen {
                        customer,
                        row,
                        rule: rule.name(),
                        candidates: offered as u64,
                    },
                ));
            }
        }
        let values = take(&column, &UInt32Array::from(winners), None)?;
        let comment = format!("Trait {}, chosen by the rule {}", field.name(), rule.name());
        columns.push((
            Arc::new(commented(field.name(), field.data_type().clone(), comment)),
            values,
        ));
        as_text.push(text);
    }
    lineage.sort_by(|(a_trait, a), (b_trait, b)| {
        let name = |at: &usize| names.get(*at).map(|field| field.name().as_str());
        (a.customer, name(a_trait)).cmp(&(b.customer, name(b_trait)))
    });
    let Some(relation) = relation(PUBLIC, "trait_lineage") else {
        return Ok((columns, RecordBatch::new_empty(Arc::new(Schema::empty()))));
    };
    let batch = RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(
                lineage
                    .iter()
                    .map(|(_, chosen)| Some(shared.customer_id(chosen.customer))),
            ),
            texts(
                lineage
                    .iter()
                    .map(|(at, _)| names.get(*at).map(|field| field.name().as_str())),
            ),
            texts(
                lineage
                    .iter()
                    .map(|(at, chosen)| as_text.get(*at).map(|text| text.value(chosen.row))),
            ),
            texts(
                lineage
                    .iter()
                    .map(|(_, chosen)| Some(shared.source_name(profiles.source(chosen.row)))),
            ),
            texts(lineage.iter().map(|(_, chosen)| Some(profiles.key(chosen.row)))),
            instants(lineage.iter().map(|(_, chosen)| Some(profiles.time(chosen.row)))),
            texts(lineage.iter().map(|(_, chosen)| Some(chosen.rule))),
            counts(lineage.iter().map(|(_, chosen)| chosen.candidates)),
        ],
    )?;
    Ok((columns, batch))
}

fn customers_table(
    shared: &Shared,
    range: Range<u32>,
    added: &[(FieldRef, ArrayRef)],
) -> Result<RecordBatch> {
    let customers = shared.customers(range.clone());
    let declared: Vec<ArrayRef> = vec![
        texts(range.map(|customer| Some(shared.customer_id(customer)))),
        instants(customers.iter().map(|customer| Some(customer.first_seen_at))),
        instants(customers.iter().map(|customer| Some(customer.last_seen_at))),
        instants(customers.iter().map(|customer| customer.identified_at)),
        counts(customers.iter().map(|customer| customer.records)),
        text_lists(
            customers
                .iter()
                .map(|customer| customer.sources.iter().map(|source| shared.source_name(source))),
        ),
    ];
    let fields = relation(PUBLIC, "customers")
        .map(|relation| written_schema(relation).fields().clone())
        .unwrap_or_default();
    with_added(fields.iter().cloned().zip(declared).collect(), added)
}

/// Puts the added columns behind the first, `customer_id`; a declared name is not added again.
pub(crate) fn with_added(
    declared: Vec<(FieldRef, ArrayRef)>,
    added: &[(FieldRef, ArrayRef)],
) -> Result<RecordBatch> {
    let fresh: Vec<(FieldRef, ArrayRef)> = added
        .iter()
        .filter(|(field, _)| declared.iter().all(|(known, _)| known.name() != field.name()))
        .cloned()
        .collect();
    let mut columns = declared;
    let behind = columns.len().min(1);
    columns.splice(behind..behind, fresh);
    let (fields, arrays): (Vec<FieldRef>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
