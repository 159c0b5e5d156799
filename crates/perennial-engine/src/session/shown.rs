//! `pg_settings`, `pg_cursors` and `pg_prepared_statements`: what the session that reads them has, as it stands at that
//! moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session as PlanningSession, TableProvider};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::catalog::Relations;
use crate::description::{OwnRows, SystemCatalog};
use crate::error::Result;
use crate::session::Shared;

/// What the relations of a session show.
const OWN: [fn(&Shared) -> OwnRows; 3] = [
    |shared| OwnRows::Settings(shared.settings.lock().states()),
    |shared| OwnRows::Cursors(shared.lists.cursors()),
    |shared| OwnRows::Statements(shared.lists.statements()),
];

/// The schemas of a release with the relations that a session has of its own.
pub(crate) fn with_own(
    schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
    front: &Arc<dyn SystemCatalog>,
    shared: &Arc<Shared>,
) -> Result<Arc<BTreeMap<String, Arc<Relations>>>> {
    let mut schemas = schemas.as_ref().clone();
    for rows in OWN {
        let own = front.own(&rows(shared))?;
        let table = OwnTable {
            schema: own.rows.schema(),
            rows,
            front: Arc::clone(front),
            shared: Arc::clone(shared),
        };
        let schema = schemas.entry(own.schema.to_owned()).or_default();
        Arc::make_mut(schema).insert(own.name, Arc::new(table));
    }
    Ok(Arc::new(schemas))
}

#[derive(Debug)]
struct OwnTable {
    schema: SchemaRef,
    rows: fn(&Shared) -> OwnRows,
    front: Arc<dyn SystemCatalog>,
    shared: Arc<Shared>,
}

#[async_trait]
impl TableProvider for OwnTable {
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
        let rows = self.front.own(&(self.rows)(&self.shared))?.rows;
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}
