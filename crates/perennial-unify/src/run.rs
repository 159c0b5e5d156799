//! One run from the look at the lake to the commit.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use perennial_base::config::{Config, Normalise};
use perennial_base::{Kind, UserError};
use perennial_engine::Engine;
use perennial_identity::{GraphBuilder, IdentifierRule, Normalisation, Resolution, Rules, Source};
use perennial_lake::{Commit, Manifest, Phase, RunSummary};
use perennial_udf_lifecycle::model::StageModel;

use crate::error::{Error, Result};
use crate::landing::{Landing, Looks, look};
use crate::output::Output;
use crate::progress::Progress;
use crate::published;
use crate::records::{Orders, Reading, Staged};
use crate::scratch::Scratch;
use crate::writing::Writing;

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
    let state = engine
        .work_state(READ_MEMORY)
        .map_err(|error| vec![error.into()])?;
    let mut looks = Looks::default();
    let landing = look(config, engine.lake(), None, &mut looks, i64::MAX)
        .await
        .map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    let mut report = CheckReport::default();
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        let live = manifest
            .files
            .iter()
            .filter(|file| file.state == perennial_lake::FileState::Live)
            .count();
        let rows = manifest.files.iter().map(|file| file.landed).sum();
        report.sources.push((source.name.clone(), live, rows));
        for file in &manifest.files {
            if let Some(reason) = &file.reason {
                report
                    .quarantined
                    .push((source.name.clone(), file.path.clone(), reason.clone()));
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
    if errors.is_empty() {
        Ok(report)
    } else {
        Err(errors)
    }
}

/// What `check` found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Name, live files and rows of each source.
    pub sources: Vec<(String, usize, u64)>,
    /// Source, path and reason of files that would be quarantined.
    pub quarantined: Vec<(String, String, String)>,
}

/// What a run spends its time on.
pub(crate) struct Clocked {
    started: std::time::Instant,
    phases: Vec<Phase>,
}

impl Clocked {
    /// Notes the end of a phase.
    pub(crate) fn phase(&mut self, name: &str, rows: u64) {
        let millis = self.started.elapsed().as_millis() as u64;
        let before: u64 = self.phases.iter().map(|phase| phase.millis).sum();
        self.phases.push(Phase {
            name: name.to_owned(),
            millis: millis.saturating_sub(before),
            rows,
        });
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
    let mut clocked = Clocked {
        started: std::time::Instant::now(),
        phases: Vec::new(),
    };
    let previous = engine.snapshots().newest().await?;
    progress.phase("look at the lake", None);
    let mut landing = look(&config, engine.lake(), previous.as_ref(), looks, now).await?;
    for _ in 0..SETTLING_LOOKS {
        if !options.settle || !looks.waiting() {
            break;
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
        landing = look(
            &config,
            engine.lake(),
            previous.as_ref(),
            looks,
            engine.clock().now(),
        )
        .await?;
    }
    let same_config = previous
        .as_ref()
        .is_some_and(|previous| previous.config_hash == config.hash);
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
    let rows: u64 = landing
        .sources
        .iter()
        .flat_map(|source| &source.files)
        .map(|file| file.landed)
        .sum();
    progress.phase("read files", Some(rows));
    let reading = Reading {
        engine,
        state: &state,
        scratch: &scratch,
        rules: &rules,
        graph: &graph,
        progress,
    };
    let mut orders = Orders::new();
    let mut staged: Vec<Staged> = Vec::new();
    for (number, source) in config.sources.iter().enumerate() {
        if let Some(manifest) = landing.sources.get_mut(number) {
            staged.extend(
                reading
                    .source(number as u16, source, manifest, &mut orders)
                    .await?,
            );
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
    let written = Writing {
        engine,
        config: &config,
        landing: &landing,
        state: &state,
        scratch: &scratch,
        progress,
        now,
        rows,
    };
    let (tables, missing_rates) = written
        .tables(
            staged,
            resolution,
            orders,
            &rules,
            output,
            previous.as_ref(),
            &mut clocked,
        )
        .await?;

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

fn report(
    landing: &Landing,
    manifest: Option<&Manifest>,
    snapshot: Option<u64>,
    missing_rates: u64,
) -> Report {
    let quarantined = manifest
        .into_iter()
        .flat_map(|manifest| &manifest.sources)
        .flat_map(|(name, source)| source.files.iter().map(move |file| (name, file)))
        .filter_map(|(name, file)| Some((name.clone(), file.path.clone(), file.reason.clone()?)))
        .collect();
    Report {
        snapshot,
        customers: manifest
            .and_then(|manifest| manifest.tables.get("public.customers"))
            .map_or(0, |table| table.rows()),
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
    format!(
        "{run}-{:016x}",
        xxhash_rust::xxh3::xxh3_64(format!("{run}{:?}", std::thread::current().id()).as_bytes())
    )
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
            let normalisation: Normalisation =
                rule.parse().map_err(|error: perennial_normalise::Error| {
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
        perennial_engine::Error::new(
            perennial_base::ErrorClass::Internal,
            "a reader still holds the identity graph",
        )
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
