//! What records said before their newest version: what `perennial.as_of` reads beside the tables of current rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use perennial_base::Kind;
use perennial_base::relation::{PUBLIC, Relation, relation};
use perennial_engine::release::past_fields;

use crate::bucket::Shared;
use crate::columns::{Facts, instants, written_schema};
use crate::error::Result;
use crate::facts::{OrderFacts, table};
use crate::route::GROUPS;
use crate::stages::{each_record, effective_at};

/// The kinds whose superseded rows stay with a run and its snapshot.
pub(crate) const VERSIONED: [Kind; 7] = [
    Kind::Event,
    Kind::Order,
    Kind::Refund,
    Kind::Subscription,
    Kind::Survey,
    Kind::Interaction,
    Kind::Consent,
];

/// The relations of [`VERSIONED`].
pub(crate) fn relations() -> impl Iterator<Item = (Kind, &'static Relation)> {
    VERSIONED
        .into_iter()
        .filter_map(|kind| Some((kind, relation(PUBLIC, kind.relation()?)?)))
}

/// The columns of a relation, and in which time a version was the newest.
pub(crate) fn schema(relation: &'static Relation) -> SchemaRef {
    let mut fields: Vec<FieldRef> = written_schema(relation).fields().iter().cloned().collect();
    fields.extend(past_fields());
    Arc::new(Schema::new(fields))
}

/// The superseded versions of a bucket's records that were the newest at some moment. A record that is another customer's
/// by now has none: it counts for nobody before. With each, the groups of its rows.
pub(crate) fn superseded(
    shared: &Shared,
    facts: &HashMap<Kind, Facts>,
    order_facts: &OrderFacts,
) -> Result<Vec<(&'static Relation, RecordBatch, ArrayRef)>> {
    let mut out = Vec::new();
    for (kind, relation) in relations() {
        let Some(facts) = facts.get(&kind) else { continue };
        let (mut rows, mut from, mut until) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = 0;
        while next < facts.len() {
            let of_customer = facts.rows_of(facts.customer(next), &mut next);
            each_record(facts, of_customer, kind == Kind::Subscription, |versions| {
                let mut since = i64::MIN;
                let moments: Vec<i64> = versions
                    .iter()
                    .enumerate()
                    .map(|(place, row)| {
                        since = effective_at(facts, *row, place == 0).max(since);
                        since
                    })
                    .collect();
                for (row, times) in versions.iter().zip(moments.windows(2)) {
                    if let [begin, end] = times
                        && begin < end
                    {
                        rows.push(*row);
                        from.push(Some(*begin));
                        until.push(Some(*end));
                    }
                }
            });
        }
        if rows.is_empty() {
            continue;
        }
        let places = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
        let groups = take(facts.batch.column(GROUPS), &places, None)?;
        let batch = table(shared, kind, relation, facts, order_facts, rows.into_iter())?;
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.extend([instants(from), instants(until)]);
        out.push((relation, RecordBatch::try_new(schema(relation), columns)?, groups));
    }
    Ok(out)
}
