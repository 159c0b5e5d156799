//! What the configuration says of customers and facts: segments, facts of the lifecycle and metrics, planned before there
//! are rows.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use perennial_base::config::{Config, Expression, SourceConfig, Spot};
use perennial_base::relation::{PUBLIC, relation};
use perennial_base::{ErrorClass, Kind, nearest};
use perennial_engine::Engine;
use perennial_engine::expression::{expression, predicate, selected};
use perennial_identity::Rules;
use perennial_lake::{FileState, SourceManifest};
use perennial_udf_lifecycle::model::StageModel;

use crate::columns::written_schema;
use crate::error::{Error, Result};
use crate::mapping::Mapping;
use crate::records::input;
use crate::stage_names::unknown_stages;
use crate::stages::fixed_columns;

/// A segment that compares a lifecycle stage with what is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStage {
    /// The segment.
    pub segment: String,
    /// Where its condition stands in the file.
    pub at: Spot,
    /// What it asks for.
    pub stage: String,
    /// The nearest stage.
    pub near: Option<String>,
}

/// The traits of customers and their types, as far as the files tell, or those told that there were.
#[derive(Debug, Default)]
pub(crate) struct Traits(Vec<(String, DataType)>);

impl Traits {
    /// The traits of all sources. The types are those of the contracts: they stay when the last file of a source has gone.
    ///
    /// # Errors
    /// When a mapping does not fit the files of its source.
    pub(crate) fn of<'a>(
        config: &Config,
        state: &SessionState,
        rules: &Rules,
        sources: impl Iterator<Item = (&'a SourceConfig, &'a SourceManifest)>,
    ) -> Result<Self> {
        let mut traits = Self::default();
        for (source, manifest) in sources {
            let live = manifest.files.iter().any(|file| file.state == FileState::Live);
            match traits.landed(config, state, rules, source, manifest) {
                Err(error) if live => return Err(error),
                // Without files there is nothing that it would have to fit.
                _ => {}
            }
        }
        Ok(traits)
    }

    /// Adds those of a source whose files have, or had, these columns.
    ///
    /// # Errors
    /// When its mapping cannot be planned over them.
    pub(crate) fn landed(
        &mut self,
        config: &Config,
        state: &SessionState,
        rules: &Rules,
        source: &SourceConfig,
        manifest: &SourceManifest,
    ) -> Result<()> {
        if source.kind != Kind::Profile {
            return Ok(());
        }
        let (columns, _) = input(manifest);
        let mapping = Mapping::try_new(state, source, &columns, config.zone, config.as_of, |name| {
            rules.index_of(name)
        })?;
        self.add(&mapping.schema());
        Ok(())
    }

    /// The type of a trait; of one that no file has had it is text.
    pub(crate) fn type_of(&self, name: &str) -> DataType {
        self.known(name).unwrap_or(DataType::Utf8)
    }

    fn known(&self, name: &str) -> Option<DataType> {
        let known = self.0.iter().find(|(known, _)| known == name);
        known.map(|(_, data_type)| data_type.clone())
    }

    /// Adds those of one source; two that disagree on a type meet as text.
    pub(crate) fn add(&mut self, found: &Schema) {
        for field in found.fields() {
            match self.0.iter_mut().find(|(name, _)| name == field.name()) {
                Some((_, known)) if known != field.data_type() => *known = DataType::Utf8,
                Some(_) => {}
                None => self.0.push((field.name().clone(), field.data_type().clone())),
            }
        }
    }
}

/// See the module.
pub(crate) struct Conditions<'a> {
    engine: &'a Engine,
    config: &'a Config,
    state: &'a SessionState,
    /// The columns of `customer_360`.
    summary: SchemaRef,
    /// Those of them that no file has had: they may come to be of any type.
    open: HashSet<&'a str>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(engine: &'a Engine, state: &'a SessionState, rules: &Rules, traits: &Traits) -> Self {
        let config: &Config = engine.config();
        let mut fields: Vec<Field> = relation(PUBLIC, "customer_360")
            .map(written_schema)
            .into_iter()
            .flat_map(|schema| {
                let fields = schema.fields().iter();
                fields.map(|field| field.as_ref().clone()).collect::<Vec<_>>()
            })
            .collect();
        let identifiers = rules.identifiers().iter();
        let identifiers = identifiers.map(|identifier| (identifier.name.clone(), DataType::Utf8));
        let written = config.sources.iter().flat_map(|source| &source.traits);
        let open = written.clone().map(|(name, _)| name.as_str());
        let open = open.filter(|name| traits.known(name).is_none()).collect();
        let written = written.map(|(name, _)| (name.clone(), traits.type_of(name)));
        for (name, data_type) in identifiers.chain(written) {
            if fields.iter().all(|field| *field.name() != name) {
                fields.push(Field::new(name, data_type, true));
            }
        }
        Self {
            engine,
            config,
            state,
            summary: Arc::new(Schema::new(fields)),
            open,
        }
    }

    /// What keeps facts of the lifecycle, segments and metrics from being planned, and metrics that have a name of the
    /// platform's own.
    pub(crate) async fn problems(&self) -> Vec<Error> {
        let mut problems = Vec::new();
        for fact in &self.config.lifecycle.facts {
            if let Some(relation) = relation(PUBLIC, &fact.relation) {
                let schema = written_schema(relation);
                let planned = self.planned(relation.name, &fact.predicate, &schema).await;
                problems.extend(problem("lifecycle fact", &fact.name, fact.predicate.at, planned));
            }
        }
        for segment in &self.config.segments {
            let planned = self.planned("customer_360", &segment.filter, &self.summary).await;
            problems.extend(problem("segment", &segment.name, segment.filter.at, planned));
        }
        for metric in &self.config.metrics {
            let asked = self
                .selected("customer_360", &metric.sql.sql, &self.summary)
                .await;
            let name = &metric.name;
            problems.extend(problem("metric", name, metric.name_at, self.free(name)));
            problems.extend(problem("metric", name, metric.sql.at, asked));
        }
        problems
    }

    /// Whether a query can select an expression from a relation, as far as the types of its columns are known.
    async fn selected(
        &self,
        relation: &str,
        sql: &str,
        columns: &SchemaRef,
    ) -> Result<(), perennial_engine::Error> {
        let schema = DFSchema::try_from(Arc::clone(columns))?;
        let read = expression(self.state, sql, &schema)?;
        let open = |name: &str| relation == "customer_360" && self.open.contains(name);
        if read.column_refs().iter().any(|column| open(&column.name)) {
            return Ok(());
        }
        selected(self.engine, sql, relation, columns).await
    }

    /// Whether nothing of the platform has a name that is wanted for a metric.
    fn free(&self, name: &str) -> Result<(), perennial_engine::Error> {
        let columns = relation(PUBLIC, "customer_360").map_or(&[][..], |relation| relation.columns);
        let taken = if columns.iter().any(|column| column.name == name) {
            "is a column of customer_360 already"
        } else if self.state.scalar_functions().contains_key(name)
            || self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
        {
            "is a function already"
        } else {
            return Ok(());
        };
        let taken = perennial_engine::Error::new(ErrorClass::DuplicateObject, format!("\"{name}\" {taken}"));
        Err(taken.with_hint("Choose another name."))
    }

    /// Whether a condition can be worked out on rows, and means in a query of its relation what it means here.
    async fn planned(
        &self,
        relation: &str,
        written: &Expression,
        columns: &SchemaRef,
    ) -> Result<(), perennial_engine::Error> {
        let schema = DFSchema::try_from(Arc::clone(columns))?;
        let planned = predicate(self.state, &written.sql, &schema)?;
        fixed_columns(relation, &planned)?;
        self.selected(relation, &written.sql, columns).await
    }

    /// The segments that compare a stage with what is none.
    pub(crate) fn unknown_stages(&self) -> Vec<UnknownStage> {
        let model = StageModel::from_config(&self.config.lifecycle);
        let (Ok(model), Ok(schema)) = (model, DFSchema::try_from(Arc::clone(&self.summary))) else {
            return Vec::new();
        };
        let known: Vec<&str> = model.stages().iter().map(|stage| stage.name.as_str()).collect();
        let mut unknown = Vec::new();
        for segment in &self.config.segments {
            // What cannot be planned is an error already.
            let Ok(condition) = expression(self.state, &segment.filter.sql, &schema) else {
                continue;
            };
            let stages = unknown_stages(&condition, &known);
            unknown.extend(stages.into_iter().map(|stage| UnknownStage {
                segment: segment.name.clone(),
                at: segment.filter.at,
                near: nearest(&stage, known.iter().copied()).map(str::to_owned),
                stage,
            }));
        }
        unknown
    }
}

fn problem(
    what: &'static str,
    name: &str,
    at: Spot,
    planned: Result<(), perennial_engine::Error>,
) -> Option<Error> {
    let cause = planned.err()?;
    Some(Error::Predicate {
        what,
        name: name.to_owned(),
        at,
        cause: Box::new(cause),
    })
}
