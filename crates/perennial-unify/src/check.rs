//! The configuration against the files, without writing anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Date32Type, Schema, SchemaRef};
use chrono_tz::Tz;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_plan::{collect, execute_stream};
use futures::StreamExt;
use perennial_base::config::{Config, Expression, SourceConfig};
use perennial_base::relation::{PUBLIC, relation};
use perennial_base::{ErrorClass, Kind, nearest};
use perennial_engine::Engine;
use perennial_engine::expression::{expression, lenient, predicate};
use perennial_engine::release::source_table;
use perennial_identity::{Normaliser, Outcome, Rules};
use perennial_lake::{FileState, SourceFile, SourceManifest};
use perennial_udf_lifecycle::model::StageModel;

use crate::astray::{Astray, astray};
use crate::columns::written_schema;
use crate::error::{Error, Result};
use crate::identifiers::{LoneIdentifier, lone_identifiers};
use crate::keys::{DoubtfulKey, doubtful_key};
use crate::landing::{Looks, look};
use crate::left_out::{Cause, left_out};
use crate::mapping::{Mapping, plain};
use crate::money::{MissingRate, Rates};
use crate::records::{input, one_file};
use crate::rules::rules;
use crate::run::READ_MEMORY;
use crate::stage_names::unknown_stages;
use crate::stages::fixed_columns;
use crate::values::{convert, day_of, instants};

/// What `check` found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Name, live files and rows of each source.
    pub sources: Vec<(String, usize, u64)>,
    /// Source, path and reason of files that would be quarantined.
    pub quarantined: Vec<(String, String, String)>,
    /// Rejected rows among the first of a file.
    pub rejected: Vec<RejectedRows>,
    /// Values of optional expressions among the first rows of a file that could not be worked out: source, path, key of
    /// the mapping, how many, and why the first.
    pub lost: Vec<(String, String, String, u64, String)>,
    /// Identifiers of which no value among the first rows of a file can be used: source, path, type and a value.
    pub unusable: Vec<(String, String, String, String)>,
    /// Sources of records that the first rows of overrides name and that the configuration does not have.
    pub unknown_sources: Vec<UnknownSource>,
    /// Types of identifiers that the list or the sources alone name.
    pub lone_identifiers: Vec<LoneIdentifier>,
    /// Segments that compare a lifecycle stage with what is none: segment, text and the nearest stage.
    pub unknown_stages: Vec<(String, String, Option<String>)>,
    /// Keys that may be none.
    pub doubtful_keys: Vec<DoubtfulKey>,
    /// Sources whose path leads to no file.
    pub astray: Vec<Astray>,
    /// Parquet files that no source takes.
    pub of_no_source: Vec<String>,
    /// Currencies of amounts that could not be converted.
    pub missing_rates: Vec<MissingRate>,
}

/// A source of which a word of a person speaks, and that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSource {
    /// The source of the word.
    pub source: String,
    /// The path of its file.
    pub path: String,
    /// The name that nothing has.
    pub name: String,
    /// The nearest name that a source has.
    pub near: Option<String>,
}

/// Rows of a file that would be rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRows {
    /// The source.
    pub source: String,
    /// The path of the file.
    pub path: String,
    /// Each reason with its rows.
    pub reasons: Vec<(String, u64)>,
}

/// Validates the configuration against the files: every mapping is planned over its files and tried on the first rows of
/// one of them, every segment and lifecycle fact is planned, and currencies are compared with the rates.
///
/// # Errors
/// All that does not fit, in the order of the configuration. Sources without files are listed in the answer.
pub async fn check(engine: &Arc<Engine>) -> std::result::Result<CheckReport, Vec<Error>> {
    let config = engine.config();
    let one = |error: Error| vec![error];
    let state = engine
        .work_state(READ_MEMORY)
        .map_err(|error| one(error.into()))?;
    let rules = rules(config).map_err(one)?;
    let mut looks = Looks::default();
    let landing = look(engine, None, &mut looks, i64::MAX, true)
        .await
        .map_err(one)?;
    let checking = Checking {
        engine,
        config,
        state: &state,
        rules: &rules,
    };
    let mut report = CheckReport::default();
    let mut errors = Vec::new();
    let mut rates = Rates::new(&config.currency);
    let mut traits = Vec::new();
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        report.count(source, manifest);
        // A mapping that does not fit is told with its line, whatever became of the files.
        let files = manifest.unfit.is_some() || live(manifest).next().is_some();
        if !files || source.kind == Kind::Table {
            continue;
        }
        match checking.source(source, manifest, &mut report, &mut traits).await {
            Ok(()) if source.kind == Kind::FxRate => {
                if let Err(error) = checking.rates(source, manifest, &mut rates).await {
                    errors.push(error);
                }
            }
            Ok(()) => {}
            Err(error) => errors.push(error),
        }
    }
    rates.finish();
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        if errors.is_empty()
            && live(manifest).next().is_some()
            && let Err(error) = checking.currencies(source, manifest, &rates).await
        {
            errors.push(error);
        }
    }
    report.missing_rates = rates.missing();
    report.lone_identifiers = lone_identifiers(config);
    let empty = config.sources.iter().zip(&landing.sources);
    let empty = empty.filter(|(_, manifest)| manifest.files.is_empty());
    report.astray = astray(engine.lake(), empty.map(|(source, _)| source))
        .await
        .map_err(one)?;
    let release = engine.release();
    let left = left_out(engine, release.manifest().map(Arc::as_ref), &landing).await;
    // Which rows are refused is known to a run alone, which reads all of them.
    let left = left.map_err(one)?.into_iter();
    let left = left.filter(|left| !matches!(left.cause, Cause::Refused { .. }));
    errors.extend(left.map(|left| Error::LeftOut(Box::new(left))));
    report.of_no_source = landing.strays();
    errors.extend(
        StageModel::problems(&config.lifecycle)
            .into_iter()
            .map(Error::from),
    );
    let summary = checking.summary(traits);
    errors.extend(checking.predicates(&summary));
    report.unknown_stages = checking.unknown_stages(&summary);
    if errors.is_empty() {
        Ok(report)
    } else {
        Err(errors
            .into_iter()
            .map(|error| error.of_file(&config.file))
            .collect())
    }
}

/// The days of instants in a zone.
fn days(instants: &TimestampMicrosecondArray, zone: Tz) -> ArrayRef {
    let days = instants.iter().map(|at| day_of(at?, zone));
    Arc::new(days.collect::<Date32Array>())
}

/// The error of a mapping with which no row at the start of a file can be served, at the expression that is first to blame.
fn nothing_left(source: &SourceConfig, path: &str, reasons: &[(String, u64)]) -> Error {
    let first = reasons.first().map_or("", |(reason, _)| reason.as_str());
    let named = first.split(' ').next().unwrap_or_default();
    let single = match named {
        "time" => &source.time,
        "record_key" => &source.record_key,
        "where" => &source.filter,
        _ => &None,
    };
    let (key, at) = match (single, source.column(named)) {
        (Some(written), _) => (named.to_owned(), written.at),
        (None, Some(written)) => (format!("columns.{named}"), written.at),
        (None, None) => ("the mapping".to_owned(), source.at),
    };
    let reasons: Vec<&str> = reasons.iter().map(|(reason, _)| reason.as_str()).collect();
    let message = format!(
        "every row at the start of {path} would be rejected: {}",
        reasons.join(", ")
    );
    Error::Mapping {
        name: source.name.clone(),
        key,
        at,
        cause: Box::new(
            perennial_engine::Error::new(ErrorClass::InvalidArgument, message)
                .with_hint("Correct the expression, or the files."),
        ),
    }
}

fn live(manifest: &SourceManifest) -> impl Iterator<Item = &SourceFile> {
    manifest.files.iter().filter(|file| file.state == FileState::Live)
}

impl CheckReport {
    fn count(&mut self, source: &SourceConfig, manifest: &SourceManifest) {
        let rows = live(manifest).map(|file| file.landed).sum();
        self.sources
            .push((source.name.clone(), live(manifest).count(), rows));
        for file in &manifest.files {
            if let Some(reason) = &file.reason {
                self.quarantined
                    .push((source.name.clone(), file.path.clone(), reason.clone()));
            }
        }
    }
}

struct Checking<'a> {
    engine: &'a Arc<Engine>,
    config: &'a Config,
    state: &'a SessionState,
    rules: &'a Rules,
}

impl Checking<'_> {
    /// Plans a mapping and tries it on the first rows of the newest file.
    async fn source(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        report: &mut CheckReport,
        traits: &mut Vec<(String, DataType)>,
    ) -> Result<()> {
        let (columns, partitions) = input(manifest);
        let zone = self.config.zone;
        let mapping = Mapping::try_new(self.state, source, &columns, zone, self.config.as_of, |name| {
            self.rules.index_of(name)
        })?;
        if source.kind == Kind::Profile {
            let found = mapping.schema();
            traits.extend(
                found
                    .fields()
                    .iter()
                    .map(|field| (field.name().clone(), field.data_type().clone())),
            );
        }
        let Some(file) = live(manifest).last() else {
            return Ok(());
        };
        let doubtful = doubtful_key(self.engine, self.state, source, manifest, &mapping).await?;
        report.doubtful_keys.extend(doubtful);
        let table = one_file(self.engine, mapping.input(), &partitions, file)?;
        let plan = table.scan(self.state, None, &[], None).await?;
        let mut stream = execute_stream(plan, self.state.task_ctx())?;
        if let Some(first) = stream.next().await {
            let first = first?;
            let mapped = mapping.apply(&first)?;
            let mut counted: Vec<(String, u64)> = Vec::new();
            for reason in mapped.rejected {
                match counted.iter_mut().find(|(known, _)| known == reason) {
                    Some((_, rows)) => *rows += 1,
                    None => counted.push((reason.to_owned(), 1)),
                }
            }
            if mapped.places.is_empty() && !counted.is_empty() {
                return Err(nothing_left(source, &file.path, &counted));
            }
            let (name, path) = (&source.name, &file.path);
            let lost = mapped.lost.into_iter();
            report
                .lost
                .extend(lost.map(|lost| (name.clone(), path.clone(), lost.key, lost.values, lost.reason)));
            let mut normaliser = Normaliser::new(self.rules);
            for (kind, values) in &mapped.identifiers {
                let mut text = String::new();
                let usable = |value: &str, text: &mut String| {
                    normaliser.normalise(*kind, value, text) == Outcome::Value
                };
                let mut given = values.iter().flatten().filter(|value| !value.trim().is_empty());
                let mut usable = usable;
                if let Some(first) = given.next()
                    && !usable(first, &mut text)
                    && !given.any(|value| usable(value, &mut text))
                {
                    let name = self.rules.identifiers().get(*kind).map(|rule| rule.name.clone());
                    report.unusable.push((
                        source.name.clone(),
                        file.path.clone(),
                        name.unwrap_or_default(),
                        first.to_owned(),
                    ));
                }
            }
            if source.kind == Kind::IdentityOverride {
                let unknown = self.unknown_sources(&mapping, &mapped.columns);
                let known = || self.config.sources.iter().map(|source| source.name.as_str());
                let named = |name: String| UnknownSource {
                    source: source.name.clone(),
                    path: file.path.clone(),
                    near: nearest(&name, known()).map(str::to_owned),
                    name,
                };
                report.unknown_sources.extend(unknown.into_iter().map(named));
            }
            if !counted.is_empty() {
                report.rejected.push(RejectedRows {
                    source: source.name.clone(),
                    path: file.path.clone(),
                    reasons: counted,
                });
            }
        }
        Ok(())
    }

    /// The sources of records that overrides name and that nobody has configured.
    fn unknown_sources(&self, mapping: &Mapping, columns: &[ArrayRef]) -> BTreeSet<String> {
        let schema = mapping.schema();
        let named = schema.fields().iter().zip(columns);
        let named = named.filter(|(field, _)| matches!(field.name().as_str(), "source_a" | "source_b"));
        named
            .flat_map(|(_, column)| column.as_string::<i32>().iter().flatten())
            .map(|name| name.trim().to_owned())
            .filter(|name| self.config.sources.iter().all(|source| source.name != *name))
            .collect()
    }

    /// All rates of a source.
    async fn rates(&self, source: &SourceConfig, manifest: &SourceManifest, rates: &mut Rates) -> Result<()> {
        let names = ["date", "currency", "rate"];
        for batch in self.columns(source, manifest, &names, false).await? {
            rates.add(&batch)?;
        }
        Ok(())
    }

    /// Asks for the rate of every currency of a source on the first day that has it.
    async fn currencies(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        rates: &Rates,
    ) -> Result<()> {
        if !matches!(source.kind, Kind::Order | Kind::Spend) || source.column("currency").is_none() {
            return Ok(());
        }
        for batch in self
            .columns(source, manifest, &["currency", "date"], true)
            .await?
        {
            let currency = batch.column(0).as_string::<i32>();
            let day = batch.column(1).as_primitive::<Date32Type>();
            let last = self
                .config
                .as_of
                .and_then(|until| day_of(until, self.config.zone));
            let known = |row: usize| last.is_none_or(|last| day.value(row) <= last);
            for row in 0..batch.num_rows() {
                if currency.is_valid(row) && day.is_valid(row) && known(row) {
                    rates.convert(0, Some(currency.value(row)), day.value(row));
                }
            }
        }
        Ok(())
    }

    /// Canonical columns of all files of a source, and nothing else of them is read; of timed kinds `date` is the day of
    /// the time. With `earliest`, the last column is the least for each value of the others.
    async fn columns(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        names: &[&str],
        earliest: bool,
    ) -> Result<Vec<RecordBatch>> {
        let table: Arc<dyn TableProvider> = Arc::new(source_table(self.engine.lake(), manifest)?);
        let schema = DFSchema::try_from(table.schema())?;
        let planned = |name: &str| -> Result<Option<Expr>> {
            let written = source
                .column(name)
                .or_else(|| source.time.as_ref().filter(|_| name == "date"));
            let Some(written) = written else { return Ok(None) };
            let expr = expression(self.state, &written.sql, &schema).and_then(lenient)?;
            Ok(Some(expr.alias(name)))
        };
        let exprs: Vec<Expr> = names
            .iter()
            .filter_map(|name| planned(name).transpose())
            .collect::<Result<_>>()?;
        if exprs.len() < names.len() {
            return Ok(Vec::new());
        }
        let mut plan = LogicalPlanBuilder::scan(source.name.as_str(), provider_as_source(table), None)?;
        if let Some(filter) = &source.filter {
            plan = plan.filter(expression(self.state, &filter.sql, &schema).and_then(lenient)?)?;
        }
        plan = plan.project(exprs)?;
        if earliest && let Some((last, others)) = names.split_last() {
            let column = |name: &str| datafusion::logical_expr::ident(name);
            plan = plan.aggregate(
                others.iter().map(|name| column(name)),
                [min(column(last)).alias(*last)],
            )?;
        }
        let plan = self.state.create_physical_plan(&plan.build()?).await?;
        let batches = collect(plan, self.state.task_ctx()).await?;
        let zone = source.zone.unwrap_or(self.config.zone);
        let target = |name: &str| {
            let column = source.kind.columns().iter().find(|column| column.name == name);
            column.map_or(DataType::Date32, |column| plain(column.column_type))
        };
        let canonical = |batch: &RecordBatch| -> Result<RecordBatch> {
            let columns = names.iter().zip(batch.columns()).map(|(name, column)| {
                let column = if *name == "date" && source.kind.timed() {
                    days(&instants(column, zone)?, self.config.zone)
                } else {
                    convert(column, &target(name), zone)?
                };
                Ok((*name, column))
            });
            Ok(RecordBatch::try_from_iter(columns.collect::<Result<Vec<_>>>()?)?)
        };
        batches.iter().map(canonical).collect()
    }

    /// Plans the segments and the facts of the lifecycle.
    fn predicates(&self, summary: &SchemaRef) -> Vec<Error> {
        let mut errors = Vec::new();
        let mut plan =
            |what: &'static str, relation: &str, (name, written): (&str, &Expression), schema: &SchemaRef| {
                let planned = DFSchema::try_from(Arc::clone(schema))
                    .map_err(perennial_engine::Error::from)
                    .and_then(|schema| predicate(self.state, &written.sql, &schema))
                    .and_then(|planned| fixed_columns(relation, &planned));
                if let Err(cause) = planned {
                    errors.push(Error::Predicate {
                        what,
                        name: name.to_owned(),
                        at: written.at,
                        cause: Box::new(cause),
                    });
                }
            };
        for fact in &self.config.lifecycle.facts {
            if let Some(relation) = relation(PUBLIC, &fact.relation) {
                let schema = written_schema(relation);
                plan(
                    "lifecycle fact",
                    relation.name,
                    (&fact.name, &fact.predicate),
                    &schema,
                );
            }
        }
        for segment in &self.config.segments {
            plan(
                "segment",
                "customer_360",
                (&segment.name, &segment.filter),
                summary,
            );
        }
        errors
    }

    /// The segments that compare a stage with what is none.
    fn unknown_stages(&self, summary: &SchemaRef) -> Vec<(String, String, Option<String>)> {
        let model = StageModel::from_config(&self.config.lifecycle);
        let (Ok(model), Ok(schema)) = (model, DFSchema::try_from(Arc::clone(summary))) else {
            return Vec::new();
        };
        let known: Vec<&str> = model.stages().iter().map(|stage| stage.name.as_str()).collect();
        let mut unknown = Vec::new();
        for segment in &self.config.segments {
            // What cannot be planned is an error already.
            let Ok(condition) = expression(self.state, &segment.filter.sql, &schema) else {
                continue;
            };
            for text in unknown_stages(&condition, &known) {
                let near = nearest(&text, known.iter().copied()).map(str::to_owned);
                unknown.push((segment.name.clone(), text, near));
            }
        }
        unknown
    }

    /// The columns of customer_360, as far as the files tell.
    fn summary(&self, traits: Vec<(String, DataType)>) -> SchemaRef {
        let mut fields: Vec<arrow::datatypes::Field> = relation(PUBLIC, "customer_360")
            .map(written_schema)
            .into_iter()
            .flat_map(|schema| {
                schema
                    .fields()
                    .iter()
                    .map(|field| field.as_ref().clone())
                    .collect::<Vec<_>>()
            })
            .collect();
        let identifiers = self.rules.identifiers().iter();
        let identifiers = identifiers.map(|identifier| (identifier.name.clone(), DataType::Utf8));
        let written = self.config.sources.iter().flat_map(|source| &source.traits);
        // A source without files has its traits all the same, as text.
        let written = written.map(|(name, _)| (name.clone(), DataType::Utf8));
        for (name, data_type) in identifiers.chain(traits).chain(written) {
            if fields.iter().all(|field| *field.name() != name) {
                fields.push(arrow::datatypes::Field::new(name, data_type, true));
            }
        }
        Arc::new(Schema::new(fields))
    }
}
