//! Where names are looked for: the schemas of a release, and the search path of a session over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::FutureExt;

use crate::description::DATABASE;
use crate::session::temporary::ALIAS;
use crate::sql::names::folded;

/// The hidden schema in which names without a schema are looked for. No user can type this name.
pub(crate) const SEARCH_PATH: &str = "\u{1}path";

/// The relations of one schema, fixed for a release.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    tables: BTreeMap<String, Arc<dyn TableProvider>>,
}

impl Relations {
    /// Adds a relation.
    pub fn insert(&mut self, name: impl Into<String>, table: Arc<dyn TableProvider>) {
        self.tables.insert(name.into(), table);
    }

    /// The relations' names and columns.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&String, SchemaRef)> {
        self.tables.iter().map(|(name, table)| (name, table.schema()))
    }

    /// The relation of a name.
    pub fn relation(&self, name: &str) -> Option<&Arc<dyn TableProvider>> {
        self.tables.get(name)
    }
}

#[async_trait]
impl SchemaProvider for Relations {
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.tables.get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }
}

/// All schemas that a session sees, and its search path.
#[derive(Debug, Clone)]
pub(crate) struct SessionCatalog {
    schemas: Arc<BTreeMap<String, Arc<Relations>>>,
    path: Arc<SearchPath>,
}

impl SessionCatalog {
    /// What the session has of its own is searched first, and then `pg_catalog`, unless the path names them, as in Postgres.
    pub(crate) fn new(schemas: Arc<BTreeMap<String, Arc<Relations>>>, path: &[String]) -> Self {
        let named = |name: &str| path.iter().any(|schema| schema == name);
        let searched = [ALIAS, "pg_catalog"]
            .into_iter()
            .filter(|implicit| !named(implicit))
            .chain(path.iter().map(String::as_str))
            .filter_map(|name| schemas.get(name).cloned())
            .collect();
        Self {
            schemas,
            path: Arc::new(SearchPath(searched)),
        }
    }
}

impl CatalogProvider for SessionCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == SEARCH_PATH {
            return Some(Arc::clone(&self.path) as Arc<dyn SchemaProvider>);
        }
        self.schemas
            .get(name)
            .map(|schema| Arc::clone(schema) as Arc<dyn SchemaProvider>)
    }
}

impl CatalogProviderList for SessionCatalog {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == DATABASE).then(|| Arc::new(self.clone()) as Arc<dyn CatalogProvider>)
    }
}

/// The columns of the relation that a statement names, if there is one. Nothing is waited for: relations are in memory.
pub(crate) fn relation_columns(state: &SessionState, name: &ObjectName) -> Option<Vec<String>> {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| part.as_ident().map(folded))
        .collect::<Option<_>>()?;
    let (schema, table) = match parts.as_slice() {
        [table] => (SEARCH_PATH, table),
        [.., schema, table] => (schema.as_str(), table),
        [] => return None,
    };
    let schema = state.catalog_list().catalog(DATABASE)?.schema(schema)?;
    let table = schema.table(table).now_or_never()?.ok()??;
    let fields = table.schema().fields().clone();
    Some(fields.iter().map(|field| field.name().clone()).collect())
}

#[derive(Debug)]
struct SearchPath(Vec<Arc<Relations>>);

#[async_trait]
impl SchemaProvider for SearchPath {
    fn table_names(&self) -> Vec<String> {
        self.0.iter().flat_map(|schema| schema.table_names()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.0.iter().find_map(|schema| schema.relation(name).cloned()))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.iter().any(|schema| schema.table_exist(name))
    }
}
