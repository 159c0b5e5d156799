//! One run from the look at the lake to the commit.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use perennial_base::config::{Config, Normalise};
use perennial_base::{Kind, UserError};
use perennial_engine::Engine;
use perennial_identity::{
    GraphBuilder, IdentifierRule, Normalisation, Normaliser, Outcome, Resolution, Rules, Source,
};
use perennial_lake::{Commit, FileState, Manifest, Retention, RunSummary, SourceFile};
use perennial_udf_lifecycle::model::StageModel;

use crate::error::{Error, Result};
use crate::journal::{Journal, LOOK};
use crate::landing::{Landing, Looks, look};
use crate::money::MissingRate;
use crate::output::Output;
use crate::overrides::overrides;
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
const SCRATCH_MEMORY: usize = 256 << 20;
/// Memory of a plan that reads one file.
pub(crate) const READ_MEMORY: usize = 1 << 30;
/// How long a file that no snapshot names may be of a run that is under way.
const LONGEST_RUN: i64 = 24 * 3_600_000_000;

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Run although nothing has changed.
    pub full: bool,
    /// Look again, a few times, while a file seems to be written still; otherwise such files are left for the next run.
    pub settle: bool,
    /// Leave a snapshot in force that was made with another configuration by a run which began after this process had
    /// read its own: somebody has changed the file since.
    pub yields: bool,
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
    /// Those of them that the snapshot before did not quarantine for the same reason.
    pub quarantined_anew: Vec<(String, String, String)>,
    /// Rows read.
    pub rows: u64,
    /// Currencies of amounts that could not be converted.
    pub missing_rates: Vec<MissingRate>,
}

impl Report {
    /// The report of a run that leaves a snapshot as it is.
    fn unchanged(snapshot: &Manifest) -> Self {
        report(&Landing::default(), Some(snapshot), None, Vec::new())
    }
}

/// Runs once: reads the lake, and commits a snapshot when something is new.
///
/// # Errors
/// When the lake cannot be read or written, a mapping does not fit its files, or the disk is full. The former snapshot
/// stays in force, and the files of the failed run are removed.
pub async fn run(
    engine: &Arc<Engine>,
    looks: &mut Looks,
    options: RunOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    for attempt in 1..=ATTEMPTS {
        match self::attempt(engine, looks, options, progress).await {
            Ok(Some(report)) => {
                engine.refresh().await?;
                if report.snapshot.is_some() {
                    collect_garbage(engine).await;
                }
                return Ok(report);
            }
            Ok(None) => {}
            // A file went or changed while it was read: the next attempt sees what is there then.
            Err(Error::Lake(perennial_lake::Error::Replaced { .. })) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Contended { attempts: ATTEMPTS })
}

/// Removes snapshots that nobody needs any more, and what runs that died have left. That it fails is no reason for a run
/// to fail: the next one tries again.
async fn collect_garbage(engine: &Engine) {
    let lake = &engine.config().lake;
    let retention = Retention {
        keep: lake.keep_snapshots,
        min_age: i64::try_from(lake.keep_for.as_micros()).unwrap_or(i64::MAX),
        grace: LONGEST_RUN,
        pinned: engine.held(),
    };
    let now = engine.clock().now();
    match engine.snapshots().collect_garbage(&retention, now).await {
        Ok(collected) => {
            tracing::debug!(
                snapshots = collected.snapshots.len(),
                files = collected.files.len(),
                "garbage collected"
            );
            if let Err(error) = engine.forget(&collected.snapshots).await {
                tracing::warn!(%error, "snapshots that were removed are listed still");
            }
        }
        Err(error) => tracing::warn!(%error, "old snapshots could not be removed"),
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
    let began = engine.clock().now();
    let mut now = began;
    let previous = engine.snapshots().newest().await?;
    let same_config = previous
        .as_ref()
        .is_some_and(|previous| previous.config_hash == config.hash);
    if let Some(previous) = &previous
        && options.yields
        && !same_config
        && previous.run.started_at > engine.opened_at()
    {
        looks.warn_once(previous.number);
        return Ok(Some(Report::unchanged(previous)));
    }
    let afresh = options.full || !same_config;
    progress.phase(LOOK, None);
    let mut landing = look(engine, previous.as_ref(), looks, now, afresh).await?;
    for _ in 0..SETTLING_LOOKS {
        if !options.settle || !(looks.waiting() || landing.rewriting.is_some()) {
            break;
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
        now = engine.clock().now();
        landing = look(engine, previous.as_ref(), looks, now, afresh).await?;
    }
    if looks.postpone(&landing) && !options.settle && !afresh {
        tracing::info!(
            file = landing.rewriting,
            "a file is being written anew; the run waits for it"
        );
        return Ok(Some(report(&landing, previous.as_ref(), None, Vec::new())));
    }
    let aged = previous
        .as_ref()
        .is_some_and(|previous| aged(&config, previous, now));
    if !afresh && !aged && !landing.changed() {
        return Ok(Some(report(&landing, previous.as_ref(), None, Vec::new())));
    }

    let number = previous.as_ref().map_or(1, |previous| previous.number + 1);
    let id = format!("{number}-{:032x}", random()?);
    let journal = Journal::new(engine, progress, &id, now, began);
    let output = Arc::new(Output::new(Arc::clone(engine.lake()), &id));
    let outcome = commit(
        engine,
        &config,
        &mut landing,
        previous.as_ref(),
        &id,
        now,
        &output,
        &journal,
    )
    .await
    .map_err(|error| error.of_file(&config.file));
    // Without a confirmation the snapshot may be there; then its files are needed.
    if !matches!(
        outcome,
        Ok(Some(_)) | Err(Error::Lake(perennial_lake::Error::Unconfirmed { .. }))
    ) {
        output.discard().await;
    }
    journal.finished(&outcome);
    outcome
}

/// Whether a snapshot describes an earlier day: stages and windows change as time passes, without any new file.
fn aged(config: &Config, previous: &Manifest, now: i64) -> bool {
    let day = |at: i64| crate::values::day_of(at, config.zone);
    config.as_of.is_none() && day(previous.run.started_at) != day(now)
}

/// Everything of a run behind the look.
#[expect(
    clippy::too_many_arguments,
    reason = "what an attempt has found out, each part named"
)]
async fn commit(
    engine: &Arc<Engine>,
    config: &Arc<Config>,
    landing: &mut Landing,
    previous: Option<&Manifest>,
    id: &str,
    now: i64,
    output: &Arc<Output>,
    journal: &Journal<'_>,
) -> Result<Option<Report>> {
    let number = previous.map_or(1, |previous| previous.number + 1);
    // A model that cannot be is told before anything is read.
    let model = StageModel::from_config(&config.lifecycle)?;
    engine.lake().verify(id).await?;

    let state = engine.work_state(READ_MEMORY)?;
    let scratch = Scratch::new(config.server.spill_dir.as_deref(), SCRATCH_MEMORY)?;
    let rules = Arc::new(rules(config)?);
    let sources = config.sources.iter().map(|written| {
        let source = match written.kind {
            Kind::Profile => Source::persons(written.name.as_str()),
            _ => Source::facts(written.name.as_str()),
        };
        match written.record_key {
            Some(_) => source,
            None => source.without_keys(),
        }
    });
    let ids = published::previous(engine.lake(), previous).await?;
    let graph = Arc::new(Mutex::new(GraphBuilder::try_new(&rules, sources.collect(), ids)?));
    let rows: u64 = landing
        .sources
        .iter()
        .flat_map(|source| &source.files)
        .filter(|file| file.state == FileState::Live)
        .map(|file| file.landed)
        .sum();
    journal.phase("read files", Some(rows));
    let reading = Reading {
        engine,
        state: &state,
        scratch: &scratch,
        rules: &rules,
        graph: &graph,
        journal,
    };
    let mut orders = Orders::new();
    let mut staged: Vec<Staged> = Vec::new();
    // What persons say comes first: the graph has to know of whom they speak before the records come.
    let spoken = |kind: Kind| kind == Kind::IdentityOverride;
    let (first, rest): (Vec<_>, Vec<_>) = config
        .sources
        .iter()
        .enumerate()
        .partition(|(_, source)| spoken(source.kind));
    for (number, source) in first.into_iter().chain(rest) {
        let Some(manifest) = landing.sources.get_mut(number) else {
            continue;
        };
        let read = reading
            .source(number as u16, source, manifest, &mut orders)
            .await?;
        match read {
            Some(said) if spoken(source.kind) => {
                let words = overrides(&said, &source.name, manifest)?;
                graph.lock().overrides(words);
            }
            read => staged.extend(read),
        }
    }

    journal.phase("resolve identities", None);
    let resolution = resolve(engine, graph, previous, &rules, number, now).await?;

    let written = Writing {
        engine,
        config,
        landing,
        state: &state,
        scratch: &scratch,
        journal,
        now,
        rows,
        model,
    };
    let (tables, missing_rates) = written
        .tables(staged, resolution, orders, &rules, output, previous)
        .await?;

    journal.phase("commit", None);
    let mut manifest = Manifest::successor(previous, id, config.hash.as_str());
    manifest.committed_at = engine.clock().now();
    manifest.tables = tables;
    manifest.sources = config
        .sources
        .iter()
        .zip(landing.sources.iter().cloned())
        .map(|(source, manifest)| (source.name.clone(), manifest))
        .collect();
    manifest.run = RunSummary {
        id: id.to_owned(),
        started_at: now,
        finished_at: manifest.committed_at,
        full: true,
        files_new: landing.files_new,
        files_removed: landing.files_removed,
        files_quarantined: landing.files_quarantined,
        rows,
        phases: journal.phases(),
    };
    match engine.snapshots().commit(&manifest).await? {
        Commit::Done => {
            let mut report = report(landing, Some(&manifest), Some(manifest.number), missing_rates);
            report.rows = rows;
            report.quarantined_anew = quarantined(&manifest)
                .filter(|(name, file, _)| previous.is_none_or(|previous| !knew(previous, name, file)))
                .map(named)
                .collect();
            Ok(Some(report))
        }
        Commit::Conflict { .. } => Ok(None),
    }
}

fn report(
    landing: &Landing,
    manifest: Option<&Manifest>,
    snapshot: Option<u64>,
    missing_rates: Vec<MissingRate>,
) -> Report {
    Report {
        snapshot,
        customers: manifest
            .and_then(|manifest| manifest.tables.get("public.customers"))
            .map_or(0, |table| table.rows()),
        files_new: landing.files_new,
        files_removed: landing.files_removed,
        quarantined: manifest.into_iter().flat_map(quarantined).map(named).collect(),
        quarantined_anew: Vec::new(),
        rows: 0,
        missing_rates,
    }
}

/// The quarantined files of a snapshot: source, file and reason.
fn quarantined(manifest: &Manifest) -> impl Iterator<Item = (&str, &SourceFile, &str)> {
    manifest.sources.iter().flat_map(|(name, source)| {
        source
            .files
            .iter()
            .filter_map(move |file| Some((name.as_str(), file, file.reason.as_deref()?)))
    })
}

fn named((source, file, reason): (&str, &SourceFile, &str)) -> (String, String, String) {
    (source.to_owned(), file.path.clone(), reason.to_owned())
}

/// Whether a snapshot quarantines the very file for the same reason.
fn knew(previous: &Manifest, source: &str, file: &SourceFile) -> bool {
    let mut known = previous
        .sources
        .get(source)
        .into_iter()
        .flat_map(|known| &known.files);
    known.any(|known| {
        known.path == file.path
            && known.size == file.size
            && known.e_tag == file.e_tag
            && known.last_modified == file.last_modified
            && known.reason == file.reason
    })
}

/// What tells a run, or a process, from every other one, on other machines too.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random() -> Result<u128> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        perennial_engine::Error::new(
            perennial_base::ErrorClass::Unavailable,
            format!("the system gives no random bytes: {error}"),
        )
    })?;
    Ok(u128::from_le_bytes(bytes))
}

pub(crate) fn rules(config: &Config) -> Result<Rules> {
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
                    let message = format!(
                        "identifier \"{}\": normalise = \"{rule}\": {error}",
                        identifier.name
                    );
                    perennial_engine::Error::new(error.class(), message)
                        .with_hint("A region has two letters, as in \"phone:DE\".")
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
    at: i64,
) -> Result<Resolution> {
    let graph = Arc::try_unwrap(graph).map_err(|_| {
        perennial_engine::Error::new(
            perennial_base::ErrorClass::Internal,
            "a reader still holds the identity graph",
        )
    })?;
    let mut partition = graph.into_inner().resolve()?;
    if partition.asks_for_previous() {
        // The values are compared as the rules compare them now.
        let (mut normaliser, mut now) = (Normaliser::new(rules), String::new());
        published::identities(engine.lake(), previous, |id, kind, value| {
            let Some(kind) = rules.index_of(kind) else { return };
            partition.held(id, kind, value);
            if normaliser.normalise(kind, value, &mut now) == Outcome::Value && now != value {
                partition.held(id, kind, &now);
            }
        })
        .await?;
    }
    Ok(partition.publish(number, at)?)
}
