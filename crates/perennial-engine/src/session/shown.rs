//! `pg_settings`: the settings of the session that reads it, as they stand at that moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session as PlanningSession, TableProvider};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::catalog::Relations;
use crate::description::SystemCatalog;
use crate::error::Result;
use crate::session::Shared;

/// The schemas of a release with the relations that a session has of its own.
pub(crate) fn with_own(
    schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
    front: &Arc<dyn SystemCatalog>,
    shared: &Arc<Shared>,
) -> Result<Arc<BTreeMap<String, Arc<Relations>>>> {
    let own = front.settings(&[])?;
    let table = SettingsTable {
        schema: own.rows.schema(),
        front: Arc::clone(front),
        shared: Arc::clone(shared),
    };
    let mut schemas = schemas.as_ref().clone();
    let schema = schemas.entry(own.schema.to_owned()).or_default();
    Arc::make_mut(schema).insert(own.name, Arc::new(table));
    Ok(Arc::new(schemas))
}

#[derive(Debug)]
struct SettingsTable {
    schema: SchemaRef,
    front: Arc<dyn SystemCatalog>,
    shared: Arc<Shared>,
}

#[async_trait]
impl TableProvider for SettingsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn PlanningSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let settings = self.shared.settings.lock().states();
        let rows = self.front.settings(&settings)?.rows;
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}
