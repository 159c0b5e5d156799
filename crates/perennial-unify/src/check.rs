//! The configuration against the files, without writing anything.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Date32Type};
use chrono_tz::Tz;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use perennial_base::config::{Config, SourceConfig};
use perennial_base::{ErrorClass, Kind, nearest};
use perennial_engine::Engine;
use perennial_engine::expression::{expression, lenient};
use perennial_engine::release::source_table;
use perennial_identity::{Normaliser, Outcome, Rules};
use perennial_lake::{FileState, Manifest, SourceFile, SourceManifest};
use perennial_udf_lifecycle::model::StageModel;
use xxhash_rust::xxh3::xxh3_64;

use crate::astray::astray;
use crate::bad_rows::too_bad;
use crate::checked::{
    CheckReport, LostValues, QuarantinedFile, RejectedRows, UnknownSource, UnusableIdentifier,
};
use crate::conditions::{Conditions, Traits};
use crate::counting::{COMPARED, count};
use crate::error::{Error, Result};
use crate::identifiers::lone_identifiers;
use crate::keys::doubtful_key;
use crate::landing::{Landing, Looks, look};
use crate::left_out::{Cause, left_out, renamed};
use crate::mapping::{Mapping, plain};
use crate::money::Rates;
use crate::noticed::OfNoOrder;
use crate::odd_times::Times;
use crate::rate_doubts::{Missing, RateDoubts, foreign};
use crate::records::{input, one_file};
use crate::rules::rules;
use crate::run::READ_MEMORY;
use crate::unpriced::{Priced, has_currencies, unpriced};
use crate::values::{convert, day_of, instants};

mod words;

/// Files of a source that are tried at most.
const TRIED: usize = 5;

/// Validates the configuration against the files: every mapping is planned over its files and tried on the first rows of
/// the newest of them, every segment, lifecycle fact and metric is planned, and currencies are compared with the rates.
/// Where the served snapshot has another configuration, what becomes of all rows that it serves is counted.
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
    let mut landing = look(engine, None, &mut looks, i64::MAX, true)
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
    // Sources of which an error is told.
    let mut faulty: HashSet<&str> = HashSet::new();
    let mut rates = Rates::new(&config.currency);
    let mut missing = Missing::default();
    let mut traits = Traits::default();
    let release = engine.release();
    let previous = release.manifest().map(Arc::as_ref);
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        report.count(source, manifest);
        // A mapping that does not fit is told with its line, whatever became of the files.
        let files = manifest.unfit.is_some() || live(manifest).next().is_some();
        if !files {
            // What its files were is known, and a run goes by it.
            let was = previous.and_then(|previous| previous.sources.get(&source.name));
            if let Some(was) = was.filter(|was| was.kind == source.kind.name()) {
                let _ = traits.landed(config, &state, &rules, source, was);
            }
            continue;
        }
        if source.kind == Kind::Table {
            continue;
        }
        let mut checked = checking.source(source, manifest, &mut report, &mut traits).await;
        if checked.is_ok() && source.kind == Kind::FxRate {
            checked = checking.rates(source, manifest, &mut rates).await;
        }
        if let Err(error) = checked {
            faulty.insert(&source.name);
            errors.extend(checking.slips(source, manifest, error));
        }
    }
    rates.finish();
    let mut priced = Vec::new();
    for (number, (source, manifest)) in config.sources.iter().zip(&landing.sources).enumerate() {
        if errors.is_empty() && has_currencies(source) && live(manifest).next().is_some() {
            match checking.currencies(source, manifest, &rates, &mut missing).await {
                Ok(amounts) => priced.push((number, amounts)),
                Err(error) => errors.push(error),
            }
        }
    }
    report.rates = RateDoubts {
        missing: missing.told(true),
        foreign: foreign(&rates),
    };
    if errors.is_empty() {
        report.noticed.of_no_order = checking.of_no_order(&landing).await.map_err(one)?;
        report.noticed.unheard = checking.unheard(&landing).await.map_err(one)?;
    }
    report.lone_identifiers = lone_identifiers(config);
    let empty = config.sources.iter().zip(&landing.sources);
    let empty = empty.filter(|(_, manifest)| manifest.files.is_empty());
    report.astray = astray(engine.lake(), empty.map(|(source, _)| source))
        .await
        .map_err(one)?;
    report.renamed = renamed(config, previous, &landing);
    // What becomes of rows that are served: with the configuration that serves them nothing does.
    let served = served(previous.filter(|previous| previous.config_hash != config.hash));
    for (source, manifest) in config.sources.iter().zip(&mut landing.sources) {
        let serves = live(manifest).any(|file| served.contains(file.path.as_str()));
        if serves
            && source.kind != Kind::Table
            && !faulty.contains(source.name.as_str())
            && let Err(error) = count(engine, &state, &rules, source, manifest).await
        {
            errors.push(error);
        }
    }
    let mut left = left_out(engine, previous, &landing).await.map_err(one)?;
    // Of versions of one order, one is served.
    let priced = priced.into_iter().map(|(number, priced): (usize, Priced)| {
        let rows = landing.sources.get(number).into_iter().flat_map(live);
        let source = config.sources.get(number)?;
        Some((source, priced.of(rows.map(|file| file.unified).sum())))
    });
    let priced = priced.flatten().collect();
    let unpriced = unpriced(engine, &state, previous, &landing, priced).await;
    left.extend(unpriced.map_err(one)?);
    let told = |cause: &Cause| matches!(cause, Cause::Refused { by, .. } if faulty.contains(by.as_str()));
    let left = left.into_iter().filter(|left| !told(&left.cause));
    errors.extend(left.map(|left| Error::LeftOut(Box::new(left))));
    report.of_no_source = landing.strays();
    errors.extend(
        StageModel::problems(&config.lifecycle)
            .into_iter()
            .map(Error::from),
    );
    let conditions = Conditions::new(engine, &state, &rules, &traits);
    errors.extend(conditions.problems().await);
    report.unknown_stages = conditions.unknown_stages();
    report.doubtful_stages = StageModel::doubts(&config.lifecycle);
    if errors.is_empty() {
        Ok(report)
    } else {
        Err(errors
            .into_iter()
            .map(|error| error.of_file(&config.file))
            .collect())
    }
}

/// The paths of the files that a snapshot serves.
fn served(snapshot: Option<&Manifest>) -> HashSet<&str> {
    let sources = snapshot
        .into_iter()
        .flat_map(|snapshot| snapshot.sources.values());
    let files = sources.flat_map(live).filter(|file| file.unified > 0);
    files.map(|file| file.path.as_str()).collect()
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

fn live(manifest: &SourceManifest) -> impl DoubleEndedIterator<Item = &SourceFile> {
    manifest.files.iter().filter(|file| file.state == FileState::Live)
}

/// What the first rows of a file come to.
enum Start {
    /// Some of them are served.
    Fits,
    /// None is there that could be served.
    Nothing,
    /// Every one would be rejected.
    Rejected(Error),
}

struct Checking<'a> {
    engine: &'a Arc<Engine>,
    config: &'a Config,
    state: &'a SessionState,
    rules: &'a Rules,
}

impl Checking<'_> {
    /// Plans a mapping and tries it on the first rows of the newest file; where all of those would be rejected, of the one
    /// before it: a run quarantines that one file.
    async fn source(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        report: &mut CheckReport,
        traits: &mut Traits,
    ) -> Result<()> {
        let (columns, partitions) = input(manifest);
        let zone = self.config.zone;
        let mapping = Mapping::try_new(self.state, source, &columns, zone, self.config.as_of, |name| {
            self.rules.index_of(name)
        })?;
        if source.kind == Kind::Profile {
            traits.add(&mapping.schema());
        }
        if live(manifest).next().is_none() {
            return Ok(());
        }
        let doubtful = doubtful_key(self.engine, self.state, source, manifest, &mapping).await?;
        report.doubtful_keys.extend(doubtful);
        let mut refused = None;
        for file in live(manifest).rev().take(TRIED) {
            match self.start(source, &mapping, &partitions, file, report).await? {
                Start::Rejected(error) => refused = refused.or(Some(error)),
                Start::Nothing if refused.is_some() => {}
                Start::Nothing | Start::Fits => return Ok(()),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Tries a mapping on the first rows of a file.
    async fn start(
        &self,
        source: &SourceConfig,
        mapping: &Mapping,
        partitions: &[String],
        file: &SourceFile,
        report: &mut CheckReport,
    ) -> Result<Start> {
        let table = one_file(self.engine, mapping.input(), partitions, file)?;
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
            let mut times = Times::default();
            times.take(&mapped.time, self.engine.clock().now());
            report.noticed.odd_times.extend(times.told(source, 1));
            let refused = (mapped.places.is_empty() && !counted.is_empty())
                .then(|| nothing_left(source, &file.path, &counted));
            let (name, path) = (&source.name, &file.path);
            let lost = mapped.lost.into_iter();
            report.lost.extend(lost.map(|lost| LostValues {
                source: name.clone(),
                path: path.clone(),
                key: lost.key,
                values: lost.values,
                reason: lost.reason,
            }));
            let mut normaliser = Normaliser::new(self.rules);
            for (kind, values) in &mapped.identifiers {
                let mut text = String::new();
                let (mut given, mut usable, mut malformed) = (0, 0, 0);
                let (mut such, mut blocked) = (None, None);
                for value in values.iter().flatten().filter(|value| !value.trim().is_empty()) {
                    given += 1;
                    match normaliser.normalise(*kind, value, &mut text) {
                        Outcome::Value => usable += 1,
                        Outcome::Malformed => {
                            malformed += 1;
                            such = such.or(Some(value));
                        }
                        Outcome::Blocked { .. } => blocked = blocked.or(Some(value)),
                        Outcome::Blank => {}
                    }
                }
                let values = if usable == 0 { given } else { malformed };
                if let Some(such) = such.or(blocked).filter(|_| 2 * values > given) {
                    let name = self.rules.identifiers().get(*kind).map(|rule| rule.name.clone());
                    report.unusable.push(UnusableIdentifier {
                        source: source.name.clone(),
                        path: file.path.clone(),
                        name: name.unwrap_or_default(),
                        values,
                        of: given,
                        value: such.to_owned(),
                    });
                }
            }
            if source.kind == Kind::IdentityOverride {
                let unknown = self.unknown_sources(mapping, &mapped.columns);
                let known = || self.config.sources.iter().map(|source| source.name.as_str());
                let named = |name: String| UnknownSource {
                    source: source.name.clone(),
                    path: file.path.clone(),
                    near: nearest(&name, known()).map(str::to_owned),
                    name,
                };
                report.unknown_sources.extend(unknown.into_iter().map(named));
            }
            let rejected = counted.iter().map(|(reason, rows)| (reason.as_str(), *rows));
            let whole = first.num_rows() as u64 == file.landed;
            let bad = whole.then(|| too_bad(source, file.landed, rejected)).flatten();
            if let Some(reason) = bad {
                report.quarantined.push(QuarantinedFile {
                    source: source.name.clone(),
                    path: file.path.clone(),
                    reason,
                });
            } else if !counted.is_empty() {
                report.rejected.push(RejectedRows {
                    source: source.name.clone(),
                    path: file.path.clone(),
                    reasons: counted,
                });
            }
            return Ok(match refused {
                Some(error) => Start::Rejected(error),
                None if mapped.places.is_empty() => Start::Nothing,
                None => Start::Fits,
            });
        }
        Ok(Start::Nothing)
    }

    /// All that is wrong with a mapping that cannot be planned; with one that can, what trying it has come to.
    fn slips(&self, source: &SourceConfig, manifest: &SourceManifest, tried: Error) -> Vec<Error> {
        let (columns, _) = input(manifest);
        let problems = Mapping::problems(self.state, source, &columns, self.config.zone, |name| {
            self.rules.index_of(name)
        });
        if problems.is_empty() {
            vec![tried]
        } else {
            problems
        }
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
        self.columns(source, manifest, &names, |batch| rates.add(batch))
            .await
    }

    /// Asks for the rates of all amounts of a source, and counts those that have one.
    async fn currencies(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        rates: &Rates,
        missing: &mut Missing,
    ) -> Result<Priced> {
        let mut priced = Priced::default();
        let last = self
            .config
            .as_of
            .and_then(|until| day_of(until, self.config.zone));
        self.columns(source, manifest, &["currency", "date"], |batch| {
            let currency = batch.column(0).as_string::<i32>();
            let day = batch.column(1).as_primitive::<Date32Type>();
            let known = |row: usize| last.is_none_or(|last| day.value(row) <= last);
            for row in 0..batch.num_rows() {
                if day.is_null(row) || !known(row) {
                    continue;
                }
                let currency = currency.is_valid(row).then(|| currency.value(row));
                priced.take(rates, currency, day.value(row));
                if let Some(currency) = currency {
                    missing.wants(rates, currency, day.value(row), (1, 0));
                }
            }
            Ok(())
        })
        .await?;
        Ok(priced)
    }

    /// The sources of which most rows are of an order that no source has. In a large lake those of some orders are looked
    /// at.
    async fn of_no_order(&self, landing: &Landing) -> Result<Vec<OfNoOrder>> {
        let sources = || self.config.sources.iter().zip(&landing.sources);
        let of_kinds = |kinds: &'static [Kind]| {
            sources().filter(move |(source, manifest)| {
                kinds.contains(&source.kind) && live(manifest).next().is_some()
            })
        };
        let mut found = Vec::new();
        let mut referring = of_kinds(&[Kind::OrderItem, Kind::Refund]).peekable();
        if referring.peek().is_none() {
            return Ok(found);
        }
        let landed: u64 = of_kinds(&[Kind::Order])
            .flat_map(|(_, manifest)| live(manifest))
            .map(|file| file.landed)
            .sum();
        let every = landed.div_ceil(COMPARED).max(1);
        let hash = |order: &str| Some(xxh3_64(order.as_bytes())).filter(|hash| hash.is_multiple_of(every));
        let mut orders: HashSet<u64> = HashSet::new();
        for (source, manifest) in of_kinds(&[Kind::Order]) {
            self.columns(source, manifest, &["record_key"], |batch| {
                let keys = batch.column(0).as_string::<i32>();
                orders.extend(keys.iter().flatten().filter_map(hash));
                Ok(())
            })
            .await?;
        }
        for (source, manifest) in referring {
            let (mut rows, mut lost) = (0, 0);
            self.columns(source, manifest, &["order_id"], |batch| {
                for order in batch
                    .column(0)
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .filter_map(hash)
                {
                    rows += 1;
                    lost += u64::from(!orders.contains(&order));
                }
                Ok(())
            })
            .await?;
            found.extend(OfNoOrder::most(source, rows, lost));
        }
        Ok(found)
    }

    /// Canonical columns of all files of a source, and nothing else of them is read; of timed kinds `date` is the day of
    /// the time. Of a source without one of them there is nothing.
    async fn columns(
        &self,
        source: &SourceConfig,
        manifest: &SourceManifest,
        names: &[&str],
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let table: Arc<dyn TableProvider> = Arc::new(source_table(self.engine.lake(), manifest)?);
        let schema = DFSchema::try_from(table.schema())?;
        let planned = |name: &str| -> Result<Option<Expr>> {
            let written = match name {
                "record_key" => source.record_key.as_ref(),
                "date" if source.kind.timed() => source.time.as_ref(),
                name => source.column(name),
            };
            let Some(written) = written else { return Ok(None) };
            let expr = expression(self.state, &written.sql, &schema).and_then(lenient)?;
            Ok(Some(expr.alias(name)))
        };
        let exprs: Vec<Expr> = names
            .iter()
            .filter_map(|name| planned(name).transpose())
            .collect::<Result<_>>()?;
        if exprs.len() < names.len() {
            return Ok(());
        }
        let mut plan = LogicalPlanBuilder::scan(source.name.as_str(), provider_as_source(table), None)?;
        if let Some(filter) = &source.filter {
            plan = plan.filter(expression(self.state, &filter.sql, &schema).and_then(lenient)?)?;
        }
        let plan = plan.project(exprs)?;
        let plan = self.state.create_physical_plan(&plan.build()?).await?;
        let zone = source.zone.unwrap_or(self.config.zone);
        let target = |name: &str| {
            let column = source.kind.columns().iter().find(|column| column.name == name);
            match column {
                Some(column) => plain(column.column_type),
                None if name == "date" => DataType::Date32,
                None => DataType::Utf8,
            }
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
        let mut rows = execute_stream(plan, self.state.task_ctx())?;
        while let Some(batch) = rows.next().await {
            each(&canonical(&batch?)?)?;
        }
        Ok(())
    }
}
