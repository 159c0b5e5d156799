//! One run from the look at the lake to the commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use futures::StreamExt;
use parking_lot::Mutex;
use perennial_base::{Kind, UserError};
use perennial_base::config::{Config, Normalise, SegmentConfig, SurvivorshipRule as WrittenRule};
use perennial_base::relation::{PERENNIAL, PUBLIC, Relation, relation, unified};
use perennial_engine::Engine;
use perennial_engine::expression::predicate;
use perennial_engine::release::table_name;
use perennial_identity::survivorship::SurvivorshipRule;
use perennial_identity::{GraphBuilder, IdentifierRule, Normalisation, Resolution, Rules, Source, WarningKind};
use perennial_lake::{Commit, Manifest, Phase, RunSummary, SourceManifest};
use perennial_udf_lifecycle::model::{Kind as FactKind, StageModel};

use crate::bucket::{Names, Shared, gaps, process};
use crate::columns::{Facts, counts, texts, written_schema};
use crate::error::{Error, Result};
use crate::facts::spend;
use crate::landing::{Landing, Looks, look};
use crate::money::Rates;
use crate::output::{Output, name_of, sort_of};
use crate::progress::Progress;
use crate::published;
use crate::records::{Orders, Reading, Staged};
use crate::route::{Buckets, Routed, route};
use crate::scratch::Scratch;
use crate::segments::{Members, Segments};
use crate::stages::PlannedFact;

/// How often, and how long after the last time, a run looks again for files that are being written.
const SETTLING_LOOKS: usize = 10;
const SETTLING_PAUSE: Duration = Duration::from_millis(500);
/// How often a run starts again when others commit first.
const ATTEMPTS: usize = 3;
/// Memory that the intermediate data of a run takes before it goes to files.
const SCRATCH_MEMORY: usize = 1 << 30;
/// Memory of a plan that reads one file.
const READ_MEMORY: usize = 1 << 30;

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Run although nothing has changed.
    pub full: bool,
    /// Look again, a few times, while a file seems to be written still; otherwise such files are left for the next run.
    pub settle: bool,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The snapshot committed; none when nothing was new.
    pub snapshot: Option<u64>,
    /// Customers in it.
    pub customers: u64,
    /// Files admitted for the first time, or anew.
    pub files_new: u64,
    /// Files that left the lake.
    pub files_removed: u64,
    /// All files that are quarantined now: source, path and reason.
    pub quarantined: Vec<(String, String, String)>,
    /// Rows read.
    pub rows: u64,
    /// Sources with amounts for which no rate is known.
    pub missing_rates: u64,
}

/// Runs once: reads the lake, and commits a snapshot when something is new.
///
/// # Errors
/// When the lake cannot be read or written, a mapping does not fit its files, or the disk is full. The former snapshot
/// stays in force; files of the failed run belong to nothing and are removed by garbage collection.
pub async fn run(
    engine: &Arc<Engine>,
    looks: &mut Looks,
    options: RunOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    for _ in 0..ATTEMPTS {
        if let Some(report) = attempt(engine, looks, options, progress).await? {
            engine.refresh().await?;
            return Ok(report);
        }
    }
    Err(Error::Contended { attempts: ATTEMPTS })
}

/// Validates the configuration against the files without writing anything: every mapping is planned over its files.
///
/// # Errors
/// All that does not fit, in the order of the configuration. Sources without files are listed in the answer.
pub async fn check(engine: &Arc<Engine>) -> std::result::Result<CheckReport, Vec<Error>> {
    let config = engine.config();
    let state = engine.work_state(READ_MEMORY).map_err(|error| vec![error.into()])?;
    let mut looks = Looks::default();
    let landing = look(config, engine.lake(), None, &mut looks, i64::MAX).await.map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    let mut report = CheckReport::default();
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        let live = manifest.files.iter().filter(|file| file.state == perennial_lake::FileState::Live).count();
        let rows = manifest.files.iter().map(|file| file.landed).sum();
        report.sources.push((source.name.clone(), live, rows));
        for file in &manifest.files {
            if let Some(reason) = &file.reason {
                report.quarantined.push((source.name.clone(), file.path.clone(), reason.clone()));
            }
        }
        if live == 0 || source.kind == Kind::Table {
            continue;
        }
        if let Err(error) = crate::records::plan(&state, source, manifest, config.zone) {
            errors.push(error);
        }
    }
    if let Err(error) = StageModel::from_config(&config.lifecycle) {
        errors.push(error.into());
    }
    if errors.is_empty() { Ok(report) } else { Err(errors) }
}

/// What `check` found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Name, live files and rows of each source.
    pub sources: Vec<(String, usize, u64)>,
    /// Source, path and reason of files that would be quarantined.
    pub quarantined: Vec<(String, String, String)>,
}

struct Clocked {
    started: std::time::Instant,
    phases: Vec<Phase>,
}

impl Clocked {
    fn phase(&mut self, name: &str, rows: u64) {
        let millis = self.started.elapsed().as_millis() as u64;
        let before: u64 = self.phases.iter().map(|phase| phase.millis).sum();
        self.phases.push(Phase { name: name.to_owned(), millis: millis.saturating_sub(before), rows });
    }
}

/// One attempt; none when another run committed first.
async fn attempt(
    engine: &Arc<Engine>,
    looks: &mut Looks,
    options: RunOptions,
    progress: &dyn Progress,
) -> Result<Option<Report>> {
    let config = Arc::clone(engine.config());
    let now = engine.clock().now();
    let mut clocked = Clocked { started: std::time::Instant::now(), phases: Vec::new() };
    let previous = engine.snapshots().newest().await?;
    progress.phase("look at the lake", None);
    let mut landing = look(&config, engine.lake(), previous.as_ref(), looks, now).await?;
    for _ in 0..SETTLING_LOOKS {
        if !options.settle || !looks.waiting() {
            break;
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
        landing = look(&config, engine.lake(), previous.as_ref(), looks, engine.clock().now()).await?;
    }
    let same_config = previous.as_ref().is_some_and(|previous| previous.config_hash == config.hash);
    if !options.full && same_config && !landing.changed() {
        return Ok(Some(report(&landing, previous.as_ref(), None, 0)));
    }
    clocked.phase("look", landing.rows_new);

    let state = engine.work_state(READ_MEMORY)?;
    let scratch = Scratch::new(config.server.spill_dir.as_deref(), SCRATCH_MEMORY)?;
    let rules = Arc::new(rules(&config)?);
    let sources = config.sources.iter().map(|source| match source.kind {
        Kind::Profile => Source::persons(source.name.as_str()),
        _ => Source::facts(source.name.as_str()),
    });
    let ids = published::previous(engine.lake(), previous.as_ref()).await?;
    let graph = Arc::new(Mutex::new(GraphBuilder::try_new(&rules, sources.collect(), ids)?));
    let rows: u64 = landing.sources.iter().flat_map(|source| &source.files).map(|file| file.landed).sum();
    progress.phase("read files", Some(rows));
    let reading = Reading { engine, state: &state, scratch: &scratch, rules: &rules, graph: &graph, progress };
    let mut orders = Orders::new();
    let mut staged: Vec<Staged> = Vec::new();
    for (number, source) in config.sources.iter().enumerate() {
        if let Some(manifest) = landing.sources.get_mut(number) {
            staged.extend(reading.source(number as u16, source, manifest, &mut orders).await?);
        }
    }
    clocked.phase("read", rows);

    progress.phase("resolve identities", None);
    let number = previous.as_ref().map_or(1, |previous| previous.number + 1);
    let resolution = resolve(engine, graph, previous.as_ref(), &rules, number).await?;
    let customers = resolution.customers().len() as u64;
    clocked.phase("resolve", customers);

    let run_id = run_id(now, number);
    let output = Output::new(Arc::clone(engine.lake()), &run_id);
    let written = Writing { engine, config: &config, landing: &landing, state: &state, scratch: &scratch, progress, now, rows };
    let (tables, missing_rates) =
        written.tables(staged, resolution, orders, &rules, output, previous.as_ref(), &mut clocked).await?;

    progress.phase("commit", None);
    let mut manifest = Manifest::successor(previous.as_ref(), writer_id(&run_id), config.hash.as_str());
    manifest.committed_at = engine.clock().now();
    manifest.tables = tables;
    manifest.sources = config
        .sources
        .iter()
        .zip(landing.sources.iter().cloned())
        .map(|(source, manifest)| (source.name.clone(), manifest))
        .collect();
    manifest.run = RunSummary {
        id: run_id,
        started_at: now,
        finished_at: manifest.committed_at,
        full: true,
        files_new: landing.files_new,
        files_removed: landing.files_removed,
        files_quarantined: landing.files_quarantined,
        rows,
        phases: clocked.phases,
    };
    match engine.snapshots().commit(&manifest).await? {
        Commit::Done => {
            let mut report = report(&landing, Some(&manifest), Some(manifest.number), missing_rates);
            report.rows = rows;
            Ok(Some(report))
        }
        Commit::Conflict { .. } => Ok(None),
    }
}

fn report(landing: &Landing, manifest: Option<&Manifest>, snapshot: Option<u64>, missing_rates: u64) -> Report {
    let quarantined = manifest
        .into_iter()
        .flat_map(|manifest| &manifest.sources)
        .flat_map(|(name, source)| source.files.iter().map(move |file| (name, file)))
        .filter_map(|(name, file)| Some((name.clone(), file.path.clone(), file.reason.clone()?)))
        .collect();
    Report {
        snapshot,
        customers: manifest.and_then(|manifest| manifest.tables.get("public.customers")).map_or(0, |table| table.rows()),
        files_new: landing.files_new,
        files_removed: landing.files_removed,
        quarantined,
        rows: 0,
        missing_rates,
    }
}

/// Unique among runs: the moment, the number of the snapshot aimed at, and the process.
fn run_id(now: i64, number: u64) -> String {
    format!("{number}-{now:x}-{:x}", std::process::id())
}

fn writer_id(run: &str) -> String {
    format!("{run}-{:016x}", xxhash_rust::xxh3::xxh3_64(format!("{run}{:?}", std::thread::current().id()).as_bytes()))
}

fn rules(config: &Config) -> Result<Rules> {
    let identifiers = config
        .identity
        .identifiers
        .iter()
        .map(|identifier| {
            let rule = match &identifier.normalise {
                Normalise::Text => "exact".to_owned(),
                Normalise::Email => "email".to_owned(),
                Normalise::EmailGmail => "email_gmail".to_owned(),
                Normalise::Phone(region) => format!("phone:{region}"),
            };
            let normalisation: Normalisation = rule.parse().map_err(|error: perennial_normalise::Error| {
                perennial_engine::Error::new(error.class(), error.to_string())
            })?;
            let mut rule = IdentifierRule::new(identifier.name.as_str()).with_normalise(normalisation);
            if identifier.strong {
                rule = rule.with_strong();
            }
            if let Some(limit) = identifier.limit {
                rule = rule.with_limit(limit);
            }
            if let Some(max_customers) = identifier.max_customers {
                rule = rule.with_max_customers(max_customers);
            }
            Ok(rule)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Rules::try_new(identifiers, &config.identity.blocked)?)
}

async fn resolve(
    engine: &Arc<Engine>,
    graph: Arc<Mutex<GraphBuilder>>,
    previous: Option<&Manifest>,
    rules: &Rules,
    number: u64,
) -> Result<Resolution> {
    let graph = Arc::try_unwrap(graph).map_err(|_| {
        perennial_engine::Error::new(perennial_base::ErrorClass::Internal, "a reader still holds the identity graph")
    })?;
    let mut partition = graph.into_inner().resolve()?;
    let orphans = partition.orphans();
    if !orphans.is_empty() {
        for (id, kind, value) in published::held(engine.lake(), previous, &orphans).await? {
            if let Some(kind) = rules.index_of(&kind) {
                partition.held(id, kind, &value);
            }
        }
    }
    Ok(partition.publish(number)?)
}

/// The second half of a run: from resolved identities to tables.
struct Writing<'a> {
    engine: &'a Arc<Engine>,
    config: &'a Arc<Config>,
    landing: &'a Landing,
    state: &'a SessionState,
    scratch: &'a Arc<Scratch>,
    progress: &'a dyn Progress,
    now: i64,
    rows: u64,
}

impl Writing<'_> {
    #[expect(clippy::too_many_arguments, reason = "the first half's results, each named")]
    async fn tables(
        &self,
        staged: Vec<Staged>,
        resolution: Resolution,
        orders: Orders,
        rules: &Rules,
        output: Output,
        previous: Option<&Manifest>,
        clocked: &mut Clocked,
    ) -> Result<(BTreeMap<String, perennial_lake::TableManifest>, u64)> {
        let buckets = Buckets::new(&resolution);
        self.progress.phase("sort by customer", Some(self.rows));
        let with_files: Vec<(Staged, &SourceManifest)> = staged
            .into_iter()
            .filter_map(|staged| self.landing.sources.get(usize::from(staged.source)).map(|manifest| (staged, manifest)))
            .collect();
        let routed = route(with_files, &resolution, &orders, &buckets, self.scratch, |rows| self.progress.advance(rows))?;
        drop(orders);
        clocked.phase("route", self.rows);

        let rates = self.rates(&routed)?;
        let mut model = StageModel::from_config(&self.config.lifecycle)?;
        let named_facts = self.named_facts(&model)?;
        let count = buckets.len();
        let ids = resolution.customers().iter().map(|customer| customer.id.to_text()).collect();
        let adaptive = model.adaptive();
        let mut shared = Shared {
            model: model.clone(),
            named_facts,
            rates,
            zone: self.config.zone,
            now: self.config.as_of.unwrap_or(self.now),
            unpaid: self.config.lifecycle.unpaid_statuses.iter().map(|status| status.to_lowercase()).collect(),
            buckets,
            routed,
            output,
            segments: Segments::new(self.config.segments.clone(), self.segment_planner()),
            names: names(self.config, rules),
            ids,
            resolution,
        };
        if adaptive {
            let starts = month_starts(&shared, self.config.zone);
            let mut population = perennial_udf_lifecycle::model::PopulationGaps::builder(&model, starts);
            for bucket in 0..count {
                gaps(&shared, bucket, &mut population)?;
            }
            let population = population.finish();
            model = model.with_population(population);
            shared.model = model;
        }
        self.declare(&shared)?;
        self.unowned(&shared).await?;
        let shared = Arc::new(shared);
        self.progress.phase("write customers", Some(count as u64 + 1));
        let mut members = Members::default();
        let side_by_side = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut tasks = futures::stream::iter((0..=count).map(|bucket| {
            let shared = Arc::clone(&shared);
            self.engine.cpu().spawn(async move { process(shared, bucket).await })
        }))
        .buffer_unordered(side_by_side);
        while let Some(done) = tasks.next().await {
            let of_bucket = done.map_err(|_| {
                perennial_engine::Error::new(perennial_base::ErrorClass::Internal, "a bucket of customers could not be written")
            })??;
            for (segment, ids) in of_bucket.0 {
                members.0.entry(segment).or_default().extend(ids);
            }
            self.progress.advance(1);
        }
        drop(tasks);
        let before = published::members(self.engine.lake(), previous).await?;
        for (name, batch) in shared.segments.tables(&mut members, &before, shared.now)? {
            self.write(&shared, PUBLIC, name, &batch).await?;
        }
        clocked.phase("write", shared.resolution.customers().len() as u64);
        Ok((shared.output.finish(), 0))
    }

    async fn write(&self, shared: &Shared, schema: &str, name: &str, batch: &RecordBatch) -> Result<()> {
        match relation(schema, name) {
            Some(relation) => shared.output.write(&name_of(relation), None, batch, &sort_of(relation)).await,
            None => Ok(()),
        }
    }

    /// Every unified relation is there, also without rows.
    fn declare(&self, shared: &Shared) -> Result<()> {
        for relation in unified().filter(|relation| !matches!(relation.name, "customers" | "customer_360")) {
            shared.output.declare(&table_name(relation), &written_schema(relation), &sort_of(relation))?;
        }
        Ok(())
    }

    /// The tables that belong to no customer.
    async fn unowned(&self, shared: &Shared) -> Result<()> {
        let last = shared.buckets.len();
        if let (Some(batch), Some(schema)) = (shared.routed.load(Kind::Spend, last)?, shared.routed.schema(Kind::Spend)) {
            let facts = Facts::new(Some(batch), schema)?;
            self.write(shared, PUBLIC, "spend", &spend(shared, &facts)?).await?;
        }
        if let (Some(batch), Some(schema)) = (shared.routed.load(Kind::FxRate, last)?, shared.routed.schema(Kind::FxRate)) {
            let facts = Facts::new(Some(batch), schema)?;
            if let Some(relation) = relation(PERENNIAL, "fx_rates") {
                let source = texts((0..facts.len()).map(|row| Some(shared.source_name(facts.source(row)))));
                let columns = vec![
                    Arc::clone(facts.column("date")?),
                    Arc::clone(facts.column("currency")?),
                    Arc::clone(facts.column("rate")?),
                    source,
                ];
                let batch = RecordBatch::try_new(written_schema(relation), columns)?;
                self.write(shared, PERENNIAL, "fx_rates", &batch).await?;
            }
        }
        self.write(shared, PUBLIC, "identity_redirects", &published::redirects(&shared.resolution)?).await?;
        shared.output.write(published::TABLE, None, &published::table(shared.resolution.ids())?, &["id"]).await?;
        if let Some(relation) = relation(PERENNIAL, "identity_conflicts") {
            self.write(shared, PERENNIAL, relation.name, &conflicts(shared, relation)?).await?;
        }
        if let Some(relation) = relation(PERENNIAL, "identity_warnings") {
            self.write(shared, PERENNIAL, relation.name, &warnings(shared, relation)?).await?;
        }
        Ok(())
    }

    fn rates(&self, routed: &Routed) -> Result<Rates> {
        let mut rates = Rates::new(&self.config.currency);
        // Rates belong to nobody: they are in the bucket behind the last, wherever that is.
        for bucket in 0..=routed.last_bucket(Kind::FxRate) {
            if let Some(batch) = routed.load(Kind::FxRate, bucket)? {
                rates.add(&batch)?;
            }
        }
        rates.finish();
        Ok(rates)
    }

    fn named_facts(&self, model: &StageModel) -> Result<Vec<PlannedFact>> {
        let mut planned = Vec::new();
        for fact in &self.config.lifecycle.facts {
            let kind = match fact.name.as_str() {
                "closing" => FactKind::Closing,
                "referral" => FactKind::Referral,
                own => FactKind::Fact(own.to_owned()),
            };
            // A fact that no rule asks for is not collected.
            let (Some(kind), Some(relation)) = (model.kind(&kind), relation(PUBLIC, &fact.relation)) else { continue };
            let schema = DFSchema::try_from(written_schema(relation))?;
            let predicate = predicate(self.state, &fact.predicate.sql, &schema).map_err(|cause| Error::Predicate {
                what: "lifecycle fact",
                name: fact.name.clone(),
                line: fact.predicate.line,
                cause: Box::new(cause),
            })?;
            planned.push(PlannedFact { kind, relation: relation.name, predicate });
        }
        Ok(planned)
    }

    fn segment_planner(&self) -> crate::segments::PlanPredicate {
        let state = self.state.clone();
        Box::new(move |summary: &RecordBatch, segment: &SegmentConfig| {
            let schema = DFSchema::try_from(summary.schema())?;
            predicate(&state, &segment.filter.sql, &schema).map_err(|cause| Error::Predicate {
                what: "segment",
                name: segment.name.clone(),
                line: segment.filter.line,
                cause: Box::new(cause),
            })
        })
    }
}

fn names(config: &Config, rules: &Rules) -> Names {
    let sources: Vec<String> = config.sources.iter().map(|source| source.name.clone()).collect();
    let rule = |written: &WrittenRule| match written {
        WrittenRule::MostRecent => (SurvivorshipRule::MostRecent, Vec::new()),
        WrittenRule::MostFrequent => (SurvivorshipRule::MostFrequent, Vec::new()),
        WrittenRule::First => (SurvivorshipRule::First, Vec::new()),
        WrittenRule::Longest => (SurvivorshipRule::Longest, Vec::new()),
        WrittenRule::SourcePriority(order) => {
            let places = order.iter().filter_map(|name| sources.iter().position(|source| source == name));
            (SurvivorshipRule::SourcePriority, places.map(|place| place as u16).collect())
        }
    };
    Names {
        identifiers: rules.identifiers().iter().map(|identifier| identifier.name.clone()).collect(),
        default_rule: rule(&config.identity.default_rule),
        rules: config.identity.trait_rules.iter().map(|(name, written)| (name.clone(), rule(written))).collect::<HashMap<_, _>>(),
        sources,
    }
}

fn conflicts(shared: &Shared, relation: &'static Relation) -> Result<RecordBatch> {
    let mut rows: Vec<_> = shared.resolution.conflicts().collect();
    rows.sort_by(|a, b| (a.record.source, a.record.key, a.value).cmp(&(b.record.source, b.record.key, b.value)));
    let id = |customer: Option<u32>| customer.map(|customer| shared.customer_id(customer));
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.iter().map(|row| Some(shared.identifier_name(row.limited_type)))),
            counts(rows.iter().map(|row| u64::from(row.limit))),
            texts(rows.iter().map(|row| Some(shared.source_name(row.record.source)))),
            texts(rows.iter().map(|row| Some(row.record.key))),
            texts(rows.iter().map(|row| Some(row.value))),
            texts(rows.iter().map(|row| id(row.record_customer))),
            texts(rows.iter().map(|row| id(row.value_customer))),
        ],
    )?)
}

fn warnings(shared: &Shared, relation: &'static Relation) -> Result<RecordBatch> {
    let rows = shared.resolution.warnings();
    let customers = rows.iter().map(|row| match row.kind {
        WarningKind::OverMaxCustomers { customers, .. } => Some(i64::from(customers)),
        _ => None,
    });
    let reason = |kind: WarningKind| match kind {
        WarningKind::Blocked => "blocked",
        WarningKind::Malformed => "malformed",
        _ => "shared",
    };
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(more values)".to_owned());
    let values: Vec<String> = rows.iter().map(|row| value(&row.value)).collect();
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.iter().map(|row| Some(shared.identifier_name(row.identifier_type)))),
            texts(values.iter().map(|value| Some(value.as_str()))),
            texts(rows.iter().map(|row| Some(reason(row.kind)))),
            counts(rows.iter().map(|row| row.records)),
            Arc::new(customers.collect::<arrow::array::Int64Array>()),
        ],
    )?)
}

/// The starts of the months from the first customer to now, in the lake's zone.
fn month_starts(shared: &Shared, zone: chrono_tz::Tz) -> Vec<i64> {
    use chrono::{Datelike, TimeZone};
    let first = shared.resolution.customers().iter().map(|customer| customer.first_seen_at).min().unwrap_or(shared.now);
    let Some(first) = chrono::DateTime::from_timestamp_micros(first) else { return Vec::new() };
    let local = first.with_timezone(&zone);
    let (mut year, mut month) = (local.year(), local.month());
    let mut starts = Vec::new();
    loop {
        let Some(start) = zone.with_ymd_and_hms(year, month, 1, 0, 0, 0).earliest() else { break };
        let start = start.timestamp_micros();
        if start > shared.now {
            break;
        }
        starts.push(start);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    starts
}
