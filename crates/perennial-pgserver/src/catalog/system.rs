//! The rows of every system relation, written from the model.

mod classes;
mod cluster;
mod information_schema;
mod own;
mod standard_columns;
mod statistics;

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use perennial_engine::description::{OwnRows, SystemRelation};

use super::model::Model;
use super::shape::{Fill, PG_CATALOG, SHAPES, Shape};

pub(crate) use self::classes::{index_definition, view_definition};

/// Every system relation with its rows. One that describes what Perennial does not have (triggers, replication,
/// text search) is empty, and so are those of what each session has of its own. `now`, in microseconds since 1970, decides where summer time is in force.
pub(crate) fn relations(model: &Model, now: i64) -> Result<Vec<SystemRelation>, ArrowError> {
    let mut system = System {
        batches: HashMap::with_capacity(SHAPES.len()),
    };
    classes::fill(model, &mut system)?;
    cluster::fill(model, now, &mut system)?;
    statistics::fill(model, &mut system)?;
    information_schema::fill(model, &mut system)?;
    standard_columns::fill(model, &mut system)?;
    SHAPES.iter().map(|shape| system.take(shape)).collect()
}

/// A relation of what a session has of its own.
pub(crate) fn own(rows: &OwnRows) -> Result<SystemRelation, ArrowError> {
    let mut system = System {
        batches: HashMap::with_capacity(1),
    };
    let name = match rows {
        OwnRows::Settings(settings) => own::fill_settings(settings, &mut system)?,
        OwnRows::Cursors(cursors) => own::fill_cursors(cursors, &mut system)?,
        OwnRows::Statements(statements) => own::fill_statements(statements, &mut system)?,
    };
    system.take(Shape::of(PG_CATALOG, name).ok_or_else(|| unknown(PG_CATALOG, name, ""))?)
}

/// The relations that are filled so far, by schema and name.
struct System {
    batches: HashMap<(&'static str, &'static str), RecordBatch>,
}

impl System {
    /// Fills a relation with one row for each item.
    fn fill<T>(
        &mut self,
        schema: &'static str,
        name: &'static str,
        items: &[T],
        fills: &[Fill<T>],
    ) -> Result<(), ArrowError> {
        let shape = Shape::of(schema, name).ok_or_else(|| unknown(schema, name, ""))?;
        if let Some((column, _)) = fills
            .iter()
            .find(|(column, _)| shape.columns.iter().all(|c| c.name != *column))
        {
            return Err(unknown(schema, name, column));
        }
        self.batches
            .insert((shape.schema, shape.name), shape.rows(items, fills)?);
        Ok(())
    }

    fn take(&mut self, shape: &'static Shape) -> Result<SystemRelation, ArrowError> {
        let rows = match self.batches.remove(&(shape.schema, shape.name)) {
            Some(rows) => rows,
            None => shape.rows::<()>(&[], &[])?,
        };
        Ok(SystemRelation {
            schema: shape.schema,
            name: shape.name,
            rows,
        })
    }
}

/// A fill for what the list of relations does not have: a defect that every test of a relation meets.
fn unknown(schema: &str, relation: &str, column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("{schema}.{relation} has no column \"{column}\""))
}
