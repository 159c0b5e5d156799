//! What a session has of its own, in its catalog: for the planner, and in the system relations.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, Weak};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{MemTable, Session as PlanningSession, TableProvider};
use datafusion::logical_expr::{Expr as LogicalExpr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use perennial_base::ErrorClass;

use super::{ALIAS, Own, Temporary, View};
use crate::catalog::Relations;
use crate::description::{
    CatalogDescription, ColumnDescription, RelationDescription, RelationKind, SchemaDescription,
    SystemCatalog,
};
use crate::error::{Error, Result};
use crate::schema::named_type;
use crate::session::Shared;

/// The schemas of a session: those that all have, and its own tables.
pub(crate) fn with_tables(
    schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
    temporary: &Temporary,
    own_schema: &str,
    shared: &Arc<Shared>,
) -> Arc<BTreeMap<String, Arc<Relations>>> {
    let mut relations = Relations::default();
    for (name, table) in temporary.tables() {
        let own = OwnTable {
            name: name.clone(),
            schema: Arc::clone(&table.schema),
            shared: Arc::downgrade(shared),
        };
        relations.insert(name, Arc::new(own));
    }
    with_own(schemas, relations, own_schema)
}

/// The schemas with another relation of the session's own.
pub(crate) fn with_view(
    schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
    own_schema: &str,
    name: &str,
    view: Arc<dyn TableProvider>,
) -> Arc<BTreeMap<String, Arc<Relations>>> {
    let mut relations = schemas
        .get(ALIAS)
        .map(|own| own.as_ref().clone())
        .unwrap_or_default();
    relations.insert(name, view);
    with_own(schemas, relations, own_schema)
}

fn with_own(
    schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
    relations: Relations,
    own_schema: &str,
) -> Arc<BTreeMap<String, Arc<Relations>>> {
    let mut schemas = schemas.as_ref().clone();
    let relations = Arc::new(relations);
    for name in [ALIAS, own_schema] {
        schemas.insert(name.to_owned(), Arc::clone(&relations));
    }
    Arc::new(schemas)
}

/// A view over its plan, whose columns have the names of a schema.
pub(crate) fn named(
    plan: LogicalPlan,
    schema: &SchemaRef,
    definition: String,
) -> Result<Arc<dyn TableProvider>> {
    let columns = plan.schema().columns().into_iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| LogicalExpr::Column(column).alias(field.name()));
    let columns: Vec<LogicalExpr> = columns.collect();
    let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, Some(definition))))
}

/// A view that cannot be planned, over another snapshot than the one that it was made over. Who reads it is told why.
pub(crate) fn broken(view: &View, error: Error) -> Arc<dyn TableProvider> {
    Arc::new(Broken {
        schema: Arc::clone(&view.schema),
        error,
    })
}

#[derive(Debug)]
struct Broken {
    schema: SchemaRef,
    error: Error,
}

#[async_trait]
impl TableProvider for Broken {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn PlanningSession,
        _: Option<&Vec<usize>>,
        _: &[LogicalExpr],
        _: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        Err(Error::from_user(&self.error).into())
    }
}

/// A table of the session's own. Its rows are looked up when it is read: a plan that waits holds none of them.
#[derive(Debug)]
struct OwnTable {
    name: String,
    schema: SchemaRef,
    shared: Weak<Shared>,
}

#[async_trait]
impl TableProvider for OwnTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn PlanningSession,
        projection: Option<&Vec<usize>>,
        filters: &[LogicalExpr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let shared = self.shared.upgrade();
        let own = shared.and_then(|shared| shared.temporary.lock().get(&self.name).cloned());
        let rows = match own {
            Some(Own::Table(table)) if table.schema == self.schema => table.batches(),
            // A plan over what was before is made anew before it runs.
            _ => {
                return Err(Error::new(
                    ErrorClass::NotInState,
                    format!(
                        "temporary table \"{}\" has changed since the statement was planned",
                        self.name
                    ),
                )
                .into());
            }
        };
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![rows])?;
        table.scan(state, projection, filters, limit).await
    }
}

/// The description of a release with what a session has of its own.
pub(crate) fn described(
    release: &CatalogDescription,
    temporary: &Temporary,
    own_schema: &str,
) -> CatalogDescription {
    let relations = temporary.relations.iter().map(|(name, own)| {
        let (schema, kind) = match own {
            Own::Table(table) => (&table.schema, RelationKind::Table),
            Own::View(view) => (&view.schema, RelationKind::View),
        };
        RelationDescription {
            name: name.clone(),
            kind,
            comment: String::new(),
            columns: schema
                .fields()
                .iter()
                .map(|field| ColumnDescription {
                    name: field.name().clone(),
                    data_type: field.data_type().clone(),
                    named_type: named_type(field).map(str::to_owned),
                    nullable: field.is_nullable(),
                    comment: String::new(),
                })
                .collect(),
            rows: match own {
                Own::Table(table) => Some(table.rows()),
                Own::View(_) => None,
            },
            bytes: match own {
                Own::Table(table) => Some(table.bytes()),
                Own::View(_) => None,
            },
            definition: match own {
                Own::Table(_) => None,
                Own::View(view) => Some(view.query.to_string()),
            },
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
        }
    });
    let mut description = release.clone();
    description.schemas.push(SchemaDescription {
        name: own_schema.to_owned(),
        temporary: true,
        comment: String::new(),
        relations: relations.collect(),
    });
    description
}

/// The schemas with system relations that tell of what the session has of its own, in the place of those that tell of what
/// all have. Their rows are made when the first of them is read.
pub(crate) fn with_described(
    schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
    front: &Arc<dyn SystemCatalog>,
    description: &Arc<CatalogDescription>,
) -> Arc<BTreeMap<String, Arc<Relations>>> {
    let system = Arc::new(Described {
        front: Arc::clone(front),
        description: Arc::clone(description),
        rows: OnceLock::new(),
    });
    let mut schemas = schemas.as_ref().clone();
    for schema in ["pg_catalog", "information_schema"] {
        let Some(relations) = schemas.get_mut(schema) else {
            continue;
        };
        let mut told = Relations::default();
        for (name, columns) in relations.schemas() {
            let relation = SystemTable {
                schema,
                name: name.clone(),
                columns,
                system: Arc::clone(&system),
            };
            told.insert(name, Arc::new(relation));
        }
        *relations = Arc::new(told);
    }
    Arc::new(schemas)
}

/// The rows of all system relations over a description.
#[derive(Debug)]
struct Described {
    front: Arc<dyn SystemCatalog>,
    description: Arc<CatalogDescription>,
    rows: OnceLock<HashMap<(&'static str, &'static str), RecordBatch>>,
}

impl Described {
    fn rows(&self) -> Result<&HashMap<(&'static str, &'static str), RecordBatch>> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let relations = self.front.relations(&self.description)?.into_iter();
        let rows = relations.map(|relation| ((relation.schema, relation.name), relation.rows));
        Ok(self.rows.get_or_init(|| rows.collect()))
    }
}

#[derive(Debug)]
struct SystemTable {
    schema: &'static str,
    name: String,
    columns: SchemaRef,
    system: Arc<Described>,
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn PlanningSession,
        projection: Option<&Vec<usize>>,
        filters: &[LogicalExpr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let rows = self
            .system
            .rows()?
            .get(&(self.schema, self.name.as_str()))
            .cloned();
        let table = MemTable::try_new(Arc::clone(&self.columns), vec![rows.into_iter().collect()])?;
        table.scan(state, projection, filters, limit).await
    }
}
