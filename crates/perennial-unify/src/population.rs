//! The population's median gaps between orders, as a run worked them out: windows that adapt follow them, and what tells
//! why a customer is in a stage reads them again.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use perennial_lake::Manifest;
use perennial_udf_lifecycle::model::PopulationGaps;

use crate::columns::instants;
use crate::error::Result;
use crate::output::Output;
use crate::stored::Tables;

/// The table, one row a month; not served. Snapshots without windows that adapt have none.
const TABLE: &str = "internal.population_gaps";
const START: &str = "start_at";
/// In microseconds.
const MEDIAN: &str = "median_gap";

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(START, perennial_engine::schema::timestamp(), false),
        Field::new(MEDIAN, DataType::Int64, true),
    ]))
}

/// Puts the medians into the snapshot.
pub(crate) async fn write(gaps: &PopulationGaps, output: &Output) -> Result<()> {
    let months = gaps.months();
    let medians: Int64Array = months.iter().map(|(_, median)| *median).collect();
    let columns: Vec<ArrayRef> = vec![
        instants(months.iter().map(|(start, _)| Some(*start))),
        Arc::new(medians),
    ];
    let batch = RecordBatch::try_new(schema(), columns)?;
    output.write(TABLE, None, &batch, None, &[START]).await
}

/// The medians of a snapshot; `None` when it has none.
pub(crate) async fn read(tables: &Tables, manifest: Option<&Manifest>) -> Result<Option<PopulationGaps>> {
    if manifest.is_none_or(|manifest| !manifest.tables.contains_key(TABLE)) {
        return Ok(None);
    }
    let mut months = Vec::new();
    for batch in tables.rows(manifest, TABLE, &[START, MEDIAN]).await? {
        let starts = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let medians = batch.column(1).as_primitive::<Int64Type>();
        months.extend((0..batch.num_rows()).map(|row| {
            let median = medians.is_valid(row).then(|| medians.value(row));
            (starts.value(row), median)
        }));
    }
    months.sort_unstable();
    Ok(Some(PopulationGaps::new(months)))
}
