//! `pg_catalog`, `information_schema` and the functions on them, generated from the catalog that a role sees.
//!
//! The shapes of the relations and the rows that PostgreSQL has built in are those of PostgreSQL 15; everything
//! else is read from a [`CatalogDescription`]. Identifiers are hashes of names, so that they are the same in every
//! process. Nothing here knows a client or the text of a query.

mod builtin;
mod cell;
mod function;
mod functions;
mod model;
mod names;
mod oid;
mod shape;
mod system;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod types;

use std::fmt;
use std::sync::{Arc, Weak};

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;
use parking_lot::Mutex;
use perennial_base::Clock;
use perennial_engine::OutputStyle;
use perennial_engine::description::{
    CatalogDescription, ObjectNames, OwnRows, SessionFacts, SystemCatalog, SystemRelation,
};
use perennial_engine::error::{Error, Result};

use self::function::SessionFunction;
use self::model::Model;
use self::names::Names;
use self::shape::Shape;

use crate::casts;

pub use self::names::RegKind;

/// The system catalog of a Postgres server.
#[derive(Debug)]
pub struct PgCatalog {
    models: Arc<Models>,
    process: Arc<Process>,
}

impl PgCatalog {
    /// A catalog for a server that starts now.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let started = clock.now();
        Self {
            models: Arc::default(),
            process: Arc::new(Process { clock, started }),
        }
    }

    /// The columns of a system relation, for whoever fills one with what no snapshot knows (sessions, locks).
    pub fn schema_of(schema: &str, relation: &str) -> Option<SchemaRef> {
        Shape::of(schema, relation).map(|shape| Arc::clone(&shape.arrow))
    }
}

impl SystemCatalog for PgCatalog {
    fn relations(&self, description: &CatalogDescription) -> Result<Vec<SystemRelation>> {
        Ok(system::relations(
            &Model::new(description),
            self.process.clock.now(),
        )?)
    }

    fn own(&self, rows: &OwnRows) -> Result<SystemRelation> {
        Ok(system::own(rows)?)
    }

    fn functions(&self, facts: Arc<dyn SessionFacts>) -> Vec<ScalarUDF> {
        functions::all()
            .map(|function| SessionFunction::bind(*function, &facts, &self.models, &self.process))
            .collect()
    }

    fn object_names(&self, facts: Arc<dyn SessionFacts>) -> Arc<dyn ObjectNames> {
        Arc::new(Objects {
            models: Arc::clone(&self.models),
            facts,
        })
    }

    fn reader(&self, target: &FieldRef, style: OutputStyle) -> ScalarUDF {
        casts::reader(target, style)
    }

    fn writer(&self, style: OutputStyle) -> ScalarUDF {
        casts::writer(style)
    }

    fn json_writer(&self, style: OutputStyle) -> ScalarUDF {
        casts::json_writer(style)
    }

    fn read(&self, text: &str, target: &DataType, style: &OutputStyle) -> Result<ScalarValue> {
        casts::read(text, target, style).map_err(|error| Error::from_user(&error))
    }
}

/// What objects are called in a session.
#[derive(Debug)]
struct Objects {
    models: Arc<Models>,
    facts: Arc<dyn SessionFacts>,
}

impl ObjectNames for Objects {
    fn name(&self, type_name: &str, oid: i64) -> Option<String> {
        let kind = RegKind::of_type(type_name)?;
        let (model, path) = (
            self.models.of(&self.facts.catalog()),
            self.facts.current_schemas(),
        );
        let names = Names {
            model: &model,
            path: &path,
        };
        Some(names.show(kind, oid))
    }
}

/// What functions ask of the server.
#[derive(Debug)]
struct Process {
    clock: Arc<dyn Clock>,
    /// When it started, in microseconds since 1970.
    started: i64,
}

/// The models of the descriptions that are in use, made once for each: sessions of one role in one snapshot share
/// a description and so a model.
#[derive(Default)]
struct Models(Mutex<Vec<(Weak<CatalogDescription>, Arc<Model>)>>);

impl Models {
    fn of(&self, description: &Arc<CatalogDescription>) -> Arc<Model> {
        let mut known = self.0.lock();
        known.retain(|(of, _)| of.strong_count() > 0);
        if let Some((_, model)) = known
            .iter()
            .find(|(of, _)| of.as_ptr() == Arc::as_ptr(description))
        {
            return Arc::clone(model);
        }
        let model = Arc::new(Model::new(description));
        known.push((Arc::downgrade(description), Arc::clone(&model)));
        model
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Models").field(&self.0.lock().len()).finish()
    }
}
