//! One snapshot as it is served: its relations and what clients may know of them. Built once per snapshot and
//! shared by all sessions; never changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use perennial_base::Config;
use perennial_base::config::SourceConfig;
use perennial_base::relation::{PERENNIAL, PUBLIC, RAW, Relation, SCHEMAS, unified};
use perennial_lake::{FileState, Lake, Manifest, Masks, SourceManifest, TableManifest};

use crate::catalog::{Relations, SessionCatalog};
use crate::description::{
    CatalogDescription, ColumnDescription, ForeignKey, FunctionDescription, RelationDescription,
    RelationKind, RoleDescription, SchemaDescription, SystemCatalog,
};
use crate::error::Result;
use crate::landed;
use crate::moving::with_moving;
use crate::provider::{FileTable, StoredFile, with_views};
use crate::release::moment::Moment;
use crate::schema::{named_type, schema, timestamp};
use crate::system;
use crate::views::VIEWS;

mod moment;

/// A snapshot, ready to be queried.
#[derive(Debug)]
pub struct Release {
    number: u64,
    manifest: Option<Arc<Manifest>>,
    /// Rows of its files that do not count.
    masks: Arc<Masks>,
    schemas: Arc<BTreeMap<String, Arc<Relations>>>,
    description: Arc<CatalogDescription>,
    moment: Option<Moment>,
}

impl Release {
    /// The snapshot's number; 0 before the first commit.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The manifest; none before the first commit.
    pub fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.manifest.as_ref()
    }

    /// What clients may know.
    pub fn description(&self) -> &Arc<CatalogDescription> {
        &self.description
    }

    /// What statements over this release go by: the configuration, and the moment that is its present.
    pub(crate) fn config<'a>(&'a self, of_the_engine: &'a Arc<Config>) -> &'a Arc<Config> {
        self.moment
            .as_ref()
            .map_or(of_the_engine, |moment| &moment.config)
    }

    /// Whether this is `whole` as of `moment`.
    pub(crate) fn cuts(&self, whole: &Arc<Self>, moment: i64) -> bool {
        let cut = self.moment.as_ref();
        cut.is_some_and(|cut| cut.at == moment && Arc::ptr_eq(&cut.whole, whole))
    }

    pub(crate) fn schemas(&self) -> &Arc<BTreeMap<String, Arc<Relations>>> {
        &self.schemas
    }

    /// Builds the release of a manifest.
    #[expect(clippy::too_many_arguments, reason = "what a release is made of, each named")]
    pub(crate) async fn new(
        config: &Config,
        lake: &Lake,
        manifest: Option<Arc<Manifest>>,
        snapshots: &[Arc<Manifest>],
        runs: &Arc<system::Runs>,
        functions: Vec<FunctionDescription>,
        front: Option<&dyn SystemCatalog>,
        planner: &ViewPlanner<'_>,
    ) -> Result<Self> {
        let masks = match &manifest {
            Some(manifest) => Arc::new(Masks::read(lake, manifest).await?),
            None => Arc::default(),
        };
        let identifiers = &config.identity.identifiers;
        let state = manifest.as_ref().and_then(|manifest| manifest.state.as_ref());
        let tables = manifest.as_ref().map(|manifest| &manifest.tables);
        let mut builder = Builder {
            lake,
            values: tables.and_then(|tables| tables.get(VALUES)),
            masks: Arc::clone(&masks),
            moment: state.map_or(0, |state| state.as_of),
            identifiers: identifiers
                .iter()
                .map(|identifier| identifier.name.as_str())
                .collect(),
            schemas: BTreeMap::new(),
        };
        for (name, comment) in SCHEMAS {
            builder
                .schemas
                .entry(name.to_owned())
                .or_insert_with(|| Schema::new(comment));
        }
        for relation in unified() {
            let table = manifest
                .as_ref()
                .and_then(|manifest| manifest.tables.get(&table_name(relation)));
            builder.unified(relation, table)?;
        }
        for source in &config.sources {
            let stored = manifest
                .as_ref()
                .and_then(|manifest| manifest.sources.get(&source.name));
            let comment = format!("Source {} of kind {}, as it landed", source.name, source.kind);
            builder.source(RAW, source, comment, stored)?;
            if source.kind == perennial_base::Kind::Table {
                builder.source(
                    &source.schema,
                    source,
                    format!("Reference table {}", source.name),
                    stored,
                )?;
            }
        }
        for (relation, batch) in system::relations(config, manifest.as_deref(), snapshots, &functions)? {
            let rows = batch.num_rows() as u64;
            builder.computed(relation, memory(batch)?, rows);
        }
        if let Some(relation) = perennial_base::relation::relation(PERENNIAL, "runs") {
            let table = system::RunsTable::new(schema(relation), snapshots, runs);
            builder.computed(relation, Arc::new(table), snapshots.len() as u64);
        }
        for name in [
            "identity_conflicts",
            "identity_warnings",
            "identity_blocked",
            "identity_overrides",
            "fx_rates",
        ] {
            if let Some(relation) = perennial_base::relation::relation(PERENNIAL, name) {
                let table = manifest
                    .as_ref()
                    .and_then(|manifest| manifest.tables.get(&table_name(relation)));
                builder.unified(relation, table)?;
            }
        }
        builder.views(planner).await?;
        let description = Arc::new(CatalogDescription {
            snapshot: manifest.as_ref().map_or(0, |manifest| manifest.number),
            schemas: builder.descriptions(),
            functions,
            roles: roles(config),
        });
        if let Some(front) = front {
            for relation in front.relations(&description)? {
                let schema = builder
                    .schemas
                    .entry(relation.schema.to_owned())
                    .or_insert_with(|| Schema::new(""));
                schema.relations.insert(relation.name, memory(relation.rows)?);
            }
        }
        let schemas = builder
            .schemas
            .into_iter()
            .map(|(name, schema)| (name, Arc::new(schema.relations)))
            .collect();
        Ok(Self {
            number: description.snapshot,
            manifest,
            masks,
            schemas: Arc::new(schemas),
            description,
            moment: None,
        })
    }
}

/// Plans the query of a view over the relations that are there.
pub(crate) struct ViewPlanner<'a> {
    /// Functions and options, without a catalog.
    pub(crate) template: &'a SessionState,
    /// What the ready-made views go by.
    pub(crate) config: &'a Config,
}

impl ViewPlanner<'_> {
    async fn plan(&self, sql: &str, schemas: Arc<BTreeMap<String, Arc<Relations>>>) -> Result<LogicalPlan> {
        let catalog = SessionCatalog::new(schemas, &[PUBLIC.to_owned()]);
        let state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_catalog_list(Arc::new(catalog))
            .build();
        crate::session::planning::plan_query(&state, sql, self.config).await
    }
}

/// The name of a relation's table in a manifest.
pub fn table_name(relation: &Relation) -> String {
    format!("{}.{}", relation.schema, relation.name)
}

/// The table of a manifest with the values of `identities` and whom they name, in the order of the values.
pub const VALUES: &str = "internal.values";

/// From when on a superseded version of a record counted, and until when.
pub const PAST_FROM: &str = "_from";
/// See [`PAST_FROM`].
pub const PAST_UNTIL: &str = "_until";

/// The table of a manifest with the superseded versions of a relation's records: its columns, and those of [`past_fields`].
pub fn past_table_name(relation: &Relation) -> String {
    format!("internal.past_{}", relation.name)
}

/// The columns of superseded versions behind those of their relation.
pub fn past_fields() -> [FieldRef; 2] {
    [PAST_FROM, PAST_UNTIL].map(|name| Arc::new(Field::new(name, timestamp(), false)))
}

struct Schema {
    comment: String,
    relations: Relations,
    descriptions: Vec<RelationDescription>,
}

impl Schema {
    fn new(comment: &str) -> Self {
        Self {
            comment: comment.to_owned(),
            relations: Relations::default(),
            descriptions: Vec::new(),
        }
    }
}

struct Builder<'a> {
    lake: &'a Lake,
    /// See [`VALUES`].
    values: Option<&'a TableManifest>,
    /// The types of identifiers, each of which is a column of golden records.
    identifiers: HashSet<&'a str>,
    masks: Arc<Masks>,
    /// The moment that the snapshot describes.
    moment: i64,
    schemas: BTreeMap<String, Schema>,
}

impl Builder<'_> {
    fn schema(&mut self, name: &str) -> &mut Schema {
        self.schemas
            .entry(name.to_owned())
            .or_insert_with(|| Schema::new("Reference tables"))
    }

    /// A relation that runs write; empty with its declared columns before the first run.
    fn unified(&mut self, relation: &'static Relation, stored: Option<&TableManifest>) -> Result<()> {
        let (provider, columns, rows, bytes): (Arc<dyn TableProvider>, SchemaRef, u64, u64) = match stored {
            Some(stored) => {
                let mut table = stored_table(self.lake, &self.masks, stored)?;
                if let Some(values) = self.values.filter(|_| relation.name == "identities") {
                    table = table.with_index(&stored_table(self.lake, &self.masks, values)?);
                }
                let (rows, bytes) = (table.rows(), table.bytes());
                let table = with_moving(Arc::new(table), relation, self.moment)?;
                let columns = table.schema();
                (table, columns, rows, bytes)
            }
            None => {
                let columns = schema(relation);
                (
                    memory(RecordBatch::new_empty(Arc::clone(&columns)))?,
                    columns,
                    0,
                    0,
                )
            }
        };
        let comments: HashMap<&str, &str> = relation
            .columns
            .iter()
            .map(|column| (column.name, column.comment))
            .collect();
        let columns = columns
            .fields()
            .iter()
            .map(|field| ColumnDescription {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                named_type: named_type(field).map(str::to_owned),
                nullable: field.is_nullable(),
                comment: match comments.get(field.name().as_str()) {
                    Some(comment) => (*comment).to_owned(),
                    None => field
                        .metadata()
                        .get("comment")
                        .cloned()
                        .unwrap_or_else(|| added_column(field.name(), &self.identifiers)),
                },
            })
            .collect();
        let foreign_keys = customer_reference(relation);
        let description = RelationDescription {
            name: relation.name.to_owned(),
            kind: RelationKind::Table,
            comment: relation.comment.to_owned(),
            columns,
            rows: Some(rows),
            bytes: Some(bytes),
            definition: None,
            primary_key: relation
                .primary_key
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            foreign_keys,
        };
        let schema = self.schema(relation.schema);
        schema.relations.insert(relation.name, provider);
        schema.descriptions.push(description);
        Ok(())
    }

    /// The live files of a source under their own columns.
    fn source(
        &mut self,
        schema: &str,
        source: &SourceConfig,
        comment: String,
        stored: Option<&SourceManifest>,
    ) -> Result<()> {
        let Some(stored) = stored else { return Ok(()) };
        let name = source.name.as_str();
        let table = source_table(self.lake, stored)?;
        let columns = table
            .schema()
            .fields()
            .iter()
            .map(|field| ColumnDescription {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                named_type: named_type(field).map(str::to_owned),
                nullable: true,
                comment: landed::comment(source, field.name()),
            })
            .collect();
        let description = RelationDescription {
            name: name.to_owned(),
            kind: RelationKind::Table,
            comment,
            columns,
            rows: Some(table.rows()),
            bytes: Some(table.bytes()),
            definition: None,
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
        };
        let schema = self.schema(schema);
        schema.relations.insert(name, Arc::new(table));
        schema.descriptions.push(description);
        Ok(())
    }

    /// A relation whose rows are worked out from the manifest or the process.
    fn computed(&mut self, relation: &'static Relation, provider: Arc<dyn TableProvider>, rows: u64) {
        let columns = relation
            .columns
            .iter()
            .map(|column| ColumnDescription {
                name: column.name.to_owned(),
                data_type: crate::schema::data_type(column.column_type),
                named_type: None,
                nullable: column.nullable,
                comment: column.comment.to_owned(),
            })
            .collect();
        let schema = self.schema(relation.schema);
        schema.relations.insert(relation.name, provider);
        schema.descriptions.push(RelationDescription {
            name: relation.name.to_owned(),
            kind: RelationKind::Table,
            comment: relation.comment.to_owned(),
            columns,
            rows: Some(rows),
            bytes: None,
            definition: None,
            primary_key: relation
                .primary_key
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            foreign_keys: Vec::new(),
        });
    }

    /// The ready-made analyses over what is there already.
    async fn views(&mut self, planner: &ViewPlanner<'_>) -> Result<()> {
        let schemas = self
            .schemas
            .iter()
            .map(|(name, schema)| (name.clone(), Arc::new(schema.relations.clone())))
            .collect();
        let schemas = Arc::new(schemas);
        for declared in VIEWS {
            let sql = declared.sql();
            let plan = planner.plan(&sql, Arc::clone(&schemas)).await?;
            let view = ViewTable::new(plan, Some(sql.clone()));
            let told = |name: &str| declared.columns().iter().find(|(column, _)| *column == name);
            let columns = view
                .schema()
                .fields()
                .iter()
                .map(|field| ColumnDescription {
                    name: field.name().clone(),
                    data_type: field.data_type().clone(),
                    named_type: named_type(field).map(str::to_owned),
                    nullable: field.is_nullable(),
                    comment: told(field.name()).map_or_else(String::new, |(_, what)| (*what).to_owned()),
                })
                .collect();
            let schema = self.schema(PUBLIC);
            schema.relations.insert(declared.name, Arc::new(view));
            schema.descriptions.push(RelationDescription {
                name: declared.name.to_owned(),
                kind: RelationKind::View,
                comment: declared.comment.to_owned(),
                columns,
                rows: None,
                bytes: None,
                definition: Some(sql),
                primary_key: Vec::new(),
                foreign_keys: Vec::new(),
            });
        }
        Ok(())
    }

    fn descriptions(&mut self) -> Vec<SchemaDescription> {
        let mut schemas: Vec<SchemaDescription> = self
            .schemas
            .iter_mut()
            .map(|(name, schema)| {
                schema.descriptions.sort_by(|a, b| a.name.cmp(&b.name));
                SchemaDescription {
                    name: name.clone(),
                    temporary: false,
                    comment: schema.comment.clone(),
                    relations: std::mem::take(&mut schema.descriptions),
                }
            })
            .collect();
        schemas.sort_by_key(|schema| (schema.name != PUBLIC, schema.name.clone()));
        schemas
    }
}

/// The table over the files of a table of a manifest.
fn stored_table(lake: &Lake, masks: &Masks, stored: &TableManifest) -> Result<FileTable> {
    let files = stored
        .files
        .iter()
        .map(|file| {
            Ok(StoredFile {
                path: lake.path(&file.path)?,
                bytes: file.bytes,
                rows: file.rows,
                mask: masks.of(&file.path).cloned(),
                apart: file.delta,
                columns: file.columns.clone(),
                partitions: Vec::new(),
                last_modified: 0,
                e_tag: None,
            })
        })
        .collect::<Result<_>>()?;
    let columns = with_views(stored.schema.schema());
    Ok(FileTable::new(lake, columns, Vec::new(), files, &stored.sort)?)
}

/// The table over the live files of a source; hive partition columns stand last, as text.
pub fn source_table(lake: &Lake, stored: &SourceManifest) -> Result<FileTable> {
    let columns = with_views(stored.contract.schema());
    let mut partition_names: Vec<String> = Vec::new();
    let live = || stored.files.iter().filter(|file| file.state == FileState::Live);
    for file in live() {
        for (name, _) in &file.partitions {
            if !partition_names.contains(name) && columns.index_of(name).is_err() {
                partition_names.push(name.clone());
            }
        }
    }
    let files = live()
        .map(|file| {
            let partitions = partition_names
                .iter()
                .map(|name| ScalarValue::Utf8(file.partition(name).map(str::to_owned)))
                .collect();
            Ok(StoredFile {
                path: lake.path(&file.path)?,
                bytes: file.size,
                rows: file.landed,
                mask: None,
                apart: false,
                columns: file.stats.clone(),
                partitions,
                last_modified: file.last_modified,
                e_tag: file.e_tag.clone(),
            })
        })
        .collect::<Result<_>>()?;
    let partition_columns: Vec<FieldRef> = partition_names
        .iter()
        .map(|name| Arc::new(Field::new(name, DataType::Utf8, true)))
        .collect();
    Ok(FileTable::new(lake, columns, partition_columns, files, &[])?.landed())
}

fn memory(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

/// Traits and identifier types of the configuration stand in golden records.
fn added_column(name: &str, identifiers: &HashSet<&str>) -> String {
    if identifiers.contains(name) {
        format!("The {name} of the customer that was seen last; all of them are in identities")
    } else {
        format!("{name} of the customer, chosen among the records by its survivorship rule")
    }
}

/// Facts and identities refer to the golden record.
fn customer_reference(relation: &Relation) -> Vec<ForeignKey> {
    let refers =
        relation.name != "customers" && relation.columns.iter().any(|column| column.name == "customer_id");
    if !refers {
        return Vec::new();
    }
    vec![ForeignKey {
        columns: vec!["customer_id".to_owned()],
        references_schema: PUBLIC.to_owned(),
        references_relation: "customers".to_owned(),
        references_columns: vec!["customer_id".to_owned()],
    }]
}

fn roles(config: &Config) -> Vec<RoleDescription> {
    config
        .roles
        .iter()
        .map(|role| RoleDescription {
            name: role.name.clone(),
            owner: role.owner,
        })
        .collect()
}
