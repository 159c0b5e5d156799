//! One run from the look at the lake to the commit.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use perennial_base::config::Config;
use perennial_base::{ErrorClass, Kind};
use perennial_engine::Engine;
use perennial_identity::{GraphBuilder, PreviousIds, Resolution, Rules};
use perennial_lake::{Commit, FileState, Manifest, Masks, RunState, RunSummary, TableManifest};
use perennial_udf_lifecycle::model::StageModel;

use crate::by_value;
use crate::compact::compact;
use crate::conditions::{Conditions, Traits};
use crate::departed::departed;
use crate::due::{aged, moment};
use crate::error::{Error, Result};
use crate::findings;
use crate::garbage::collect_garbage;
use crate::gone::{put_beside, take_away};
use crate::groups::{Nodes, of_customers};
use crate::increment::{Increment, number_all, obstacle};
use crate::journal::{Journal, LOOK};
use crate::landing::{Landing, Looks, look_at_rest};
use crate::ledger::STATE_VERSION;
use crate::left_out::{keep_served, renamed};
use crate::noticed::Noticed;
use crate::options::RunOptions;
use crate::output::Output;
use crate::overrides::hear;
use crate::progress::Progress;
use crate::published;
use crate::records::{Pending, Reading, Staged};
use crate::report::{Report, knew, named, quarantined, report};
use crate::rules::{graph, rules};
use crate::scratch::Scratch;
use crate::stored::Tables;
use crate::unpriced::keep_priced;
use crate::versions::Known;
use crate::writing::{Part, Writing};

mod part;

use part::Touches;

/// How often a run starts again when others commit first.
const ATTEMPTS: usize = 3;
/// Memory that the intermediate data of a run takes before it goes to files.
const SCRATCH_MEMORY: usize = 256 << 20;
/// Memory of a plan that reads one file.
pub(crate) const READ_MEMORY: usize = 1 << 30;

/// Why a run works out everything that has no snapshot to build on.
const FIRST: &str = "it is the first run";

/// Runs once: reads the lake, and commits a snapshot when something is new.
///
/// # Errors
/// When the lake cannot be read or written, a mapping does not fit its files, or the disk is full. The former snapshot
/// stays in force, and the files of the failed run are removed. [`Error::Nothing`] when there is neither a file nor a
/// snapshot: what is not there yet, or is not mounted, is no business without customers.
pub async fn run(
    engine: &Arc<Engine>,
    looks: &mut Looks,
    options: RunOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    // What it builds on is leased, by the process that serves or for this run.
    let leasing = match engine.leases() {
        true => None,
        false => Some(engine.lease(&format!("{:032x}", random()?)).await),
    };
    let outcome = attempts(engine, looks, options, progress).await;
    let leased = leasing.is_none();
    if let Some(leasing) = leasing {
        leasing.release().await;
    }
    let report = outcome?;
    if report.snapshot.is_some() {
        if leased {
            // What it was built on is read no more.
            engine.renew_leases().await;
        }
        collect_garbage(engine).await;
    }
    Ok(report)
}

async fn attempts(
    engine: &Arc<Engine>,
    looks: &mut Looks,
    options: RunOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    let known = engine.release().number();
    for attempt in 1..=ATTEMPTS {
        let last = attempt == ATTEMPTS;
        let outcome = self::attempt(engine, looks, options, last, progress).await;
        if outcome.is_ok() {
            looks.done();
        }
        match outcome {
            Ok(Some(mut report)) => {
                let newest = engine.refresh().await?;
                report.overtaken = (report.snapshot.is_none() && newest > known).then_some(newest);
                return Ok(report);
            }
            Ok(None) => {}
            // A file went or changed while it was read: the next attempt sees what is there then.
            Err(Error::Lake(perennial_lake::Error::Replaced { .. })) if !last => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Contended { attempts: ATTEMPTS })
}

/// One attempt, after which there may be no other; none when another run committed first, or has removed the snapshot that this one would build on.
async fn attempt(
    engine: &Arc<Engine>,
    looks: &mut Looks,
    options: RunOptions,
    last: bool,
    progress: &dyn Progress,
) -> Result<Option<Report>> {
    let config = Arc::clone(engine.config());
    let began = engine.clock().now();
    if let Err(error) = engine.refresh().await {
        let error = error.into();
        Journal::failed(engine, progress, looks, began, &error);
        return Err(error);
    }
    // Held to the end of the attempt.
    let base = engine.release();
    let previous = base.manifest().map(Arc::as_ref);
    let same_config = previous.is_some_and(|previous| previous.config_hash == config.hash);
    if let Some(previous) = previous
        && options.yields
        && !same_config
        && previous.run.started_at > engine.opened_at()
    {
        if looks.warn_once(previous.number) {
            Journal::outdated(engine, progress, began, previous.number);
        }
        return Ok(Some(Report::unchanged(previous)));
    }
    if same_config {
        looks.own(base.number());
    }
    let gone = |looks: &mut Looks| {
        let message = format!(
            "snapshot {}, the newest, is not in the lake any more",
            base.number()
        );
        let error = perennial_engine::Error::new(ErrorClass::MissingFile, message)
            .with_hint("Is all of the lake there? Where _perennial was removed for good, start again to unify everything anew.")
            .into();
        Journal::failed(engine, progress, looks, began, &error);
        error
    };
    // It may be back when the look is done, which then has seen none of its files.
    if previous.is_some() && engine.lake().is_elsewhere().await {
        return Err(gone(looks));
    }
    let afresh = options.full || !same_config;
    progress.phase(LOOK, None);
    let looked = look_at_rest(engine, previous, looks, afresh, options.settle).await;
    let (landing, now) =
        looked.inspect_err(|error| Journal::failed(engine, progress, looks, began, error))?;
    // Nor is a file that is not at rest one that another configuration takes away.
    if looks.postpone(&landing) && !options.settle {
        tracing::info!(
            file = landing.rewriting,
            "a file is being written anew; the run waits for it"
        );
        return Ok(Some(report(&landing, previous, None, Noticed::default())));
    }
    if previous.is_none() && landing.is_empty() {
        return Err(Error::Nothing {
            lake: engine.lake().url().to_owned(),
            sources: config.sources.len(),
            waiting: looks.waiting(),
            unclaimed: landing.unclaimed.len(),
        });
    }
    let moment = moment(&config, previous, now);
    let aged = previous.is_some_and(|previous| aged(&config, previous, moment));
    if !afresh && !aged && !landing.changed() {
        return Ok(Some(report(&landing, previous, None, Noticed::default())));
    }

    if !engine.keeps(&base).await? {
        if engine.refresh().await? > base.number() {
            return Ok(None);
        }
        return Err(gone(looks));
    }
    let number = previous.map_or(1, |previous| previous.number + 1);
    let mut why = match previous {
        None => Some(FIRST.to_owned()),
        Some(_) if options.full => Some("it was asked for".to_owned()),
        Some(_) if !same_config => Some("the configuration is another".to_owned()),
        Some(previous) => obstacle(&config, &landing, previous, moment)?,
    };
    let mut part = why.is_none();
    let id = format!("{number}-{:032x}", random()?);
    let journal = Journal::new(engine, progress, &id, now, began);
    let outcome = loop {
        // Of two tries of one run, neither writes over files of the other.
        let place = if part { format!("{id}-part") } else { id.clone() };
        let output = Arc::new(Output::new(Arc::clone(engine.lake()), &place, part));
        journal.scope(why.as_deref());
        let run = Committing {
            engine,
            config: &config,
            previous,
            part,
            why: why.clone(),
            options,
            last,
            id: &id,
            number,
            now,
            moment,
            output: &output,
            journal: &journal,
        };
        let outcome = run
            .commit(landing.clone())
            .await
            .map_err(|error| error.of_file(&config.file));
        // Without a confirmation the snapshot may be there; then its files are needed.
        if !matches!(
            outcome,
            Ok(Outcome::Committed(_)) | Err(Error::Lake(perennial_lake::Error::Unconfirmed { .. }))
        ) {
            output.discard().await;
        }
        match outcome {
            Ok(Outcome::TooMuch(reason)) => (part, why) = (false, Some(reason)),
            Ok(Outcome::Committed(report)) => break Ok(Some(*report)),
            Ok(Outcome::Lost) => break Ok(None),
            Err(error) => break Err(error),
        }
    };
    journal.finished(looks, &outcome);
    outcome
}

/// How a run ended.
enum Outcome {
    Committed(Box<Report>),
    /// Another run committed first.
    Lost,
    /// It is a part of the work, and everything has to be worked out, for this reason.
    TooMuch(String),
}

/// Everything of a run behind the look.
struct Committing<'a> {
    engine: &'a Arc<Engine>,
    config: &'a Arc<Config>,
    previous: Option<&'a Manifest>,
    /// Whether what new files touch is worked out, and nothing else.
    part: bool,
    /// Why everything is worked out.
    why: Option<String>,
    options: RunOptions,
    /// Whether no other attempt follows.
    last: bool,
    id: &'a str,
    number: u64,
    now: i64,
    /// The moment that the snapshot describes.
    moment: i64,
    output: &'a Arc<Output>,
    journal: &'a Journal<'a>,
}

impl Committing<'_> {
    async fn commit(&self, mut landing: Landing) -> Result<Outcome> {
        let (engine, config, journal) = (self.engine, self.config, self.journal);
        // A model that cannot be is told before anything is read.
        let model = StageModel::from_config(&config.lifecycle)?;
        let removes = self.options.allow_removal;
        keep_served(engine, self.previous, &landing, removes).await?;
        engine.lake().verify(self.id).await?;
        let state = engine.work_state(READ_MEMORY)?;
        // The graph of a part is small.
        let memory = if self.part {
            2 * SCRATCH_MEMORY
        } else {
            SCRATCH_MEMORY
        };
        let scratch = Scratch::new(config.server.spill_dir.as_deref(), memory)?;
        let rules = Arc::new(rules(config)?);
        // What would else come to light when nearly all is written.
        let sources = config.sources.iter().zip(&landing.sources);
        let traits = Traits::of(config, &state, &rules, sources)?;
        let conditions = Conditions::new(engine, &state, &rules, &traits);
        conditions
            .problems()
            .await
            .into_iter()
            .next()
            .map_or(Ok(()), Err)?;
        let stored = Tables::new(engine, &state, self.previous).await?;
        let mut ids = PreviousIds::default();
        if !self.part {
            (ids, _) = published::previous(&stored, self.previous, None).await?;
        }
        let mut graph = graph(engine, config, &rules, ids, &scratch)?;
        if let Some(previous) = self.previous.filter(|_| self.part) {
            for warning in findings::counted(&stored, previous, &landing).await? {
                graph.counted(&warning);
            }
            put_beside(config, previous, &mut landing);
        }
        let graph = Arc::new(Mutex::new(graph));
        let spoken = |kind: Kind| kind == Kind::IdentityOverride;
        // By place only persons know rows.
        let speaks = config.sources.iter().any(|source| spoken(source.kind));
        let unkeyed = config
            .sources
            .iter()
            .filter(|source| speaks && source.record_key.is_none());
        let unkeyed = unkeyed.map(|source| source.name.clone()).collect();
        let nodes = Arc::new(Mutex::new(Nodes::new(self.part, unkeyed, &scratch)));
        let (files, rows, tables) = self.reads(&landing);
        journal.phase("read files", Some(rows));
        for rows in tables {
            journal.file(rows);
        }
        let reading = Reading {
            engine,
            state: &state,
            scratch: &scratch,
            rules: &rules,
            graph: &graph,
            nodes: &nodes,
            journal,
            part: self.part,
            last: self.last,
        };
        let mut known = Known::default();
        let mut staged: Vec<Staged> = Vec::new();
        let mut pending: Vec<(usize, Pending)> = Vec::new();
        // What persons say comes first: the graph has to know of whom they speak before the records come.
        let (first, rest): (Vec<_>, Vec<_>) = config
            .sources
            .iter()
            .enumerate()
            .partition(|(_, source)| spoken(source.kind));
        for (number, source) in first.into_iter().chain(rest) {
            let Some(manifest) = landing.sources.get_mut(number) else {
                continue;
            };
            let Some(read) = reading.source(number as u16, source, manifest).await? else {
                continue;
            };
            if self.part {
                pending.push((number, read));
                continue;
            }
            let read = reading.finish(read, source, manifest, &mut known)?;
            if let Some(said) = read.as_ref().filter(|_| spoken(source.kind)) {
                hear(said, &source.name, manifest, &graph, &mut known.words)?;
            }
            staged.extend(read);
        }
        // What is refused for its rows is known now.
        keep_served(engine, self.previous, &landing, removes).await?;
        if !removes {
            keep_priced(engine, &state, self.previous, &landing, &staged).await?;
        }
        let increment = self
            .touched(&reading, &stored, pending, &mut landing, &mut known, &mut staged)
            .await?;
        let mut increment = match increment {
            Some(Touches::TooMuch(why)) => return Ok(Outcome::TooMuch(why)),
            Some(Touches::Part(increment)) => Some(increment),
            None => None,
        };

        journal.phase("resolve identities", None);
        let ahead = increment.as_ref().map(|increment| increment.look_ahead());
        let around = increment
            .as_ref()
            .map(|increment| (increment.as_ref(), nodes.as_ref()));
        let resolution = self.resolve(graph, &stored, around, &rules, &known).await?;
        if let Some(previous) = self.previous.filter(|_| self.part)
            && published::taken(&stored, previous, &resolution, self.number).await?
        {
            return Ok(Outcome::TooMuch("a new customer id is taken".to_owned()));
        }
        let nodes = Arc::try_unwrap(nodes).map_err(|_| held("groups"))?;
        let mut nodes = nodes.into_inner();
        let labels = match &mut increment {
            Some(increment) => increment.number(nodes, self.output).await?,
            None => {
                nodes.published(&resolution, &of_customers(&resolution, &known.elements))?;
                number_all(nodes, self.output).await?
            }
        };

        let part = increment.as_ref().map(|increment| Part {
            touched: increment.touched.clone(),
            spend: increment.spend,
            rates: increment.rates,
        });
        let written = Writing {
            engine,
            config,
            landing: &landing,
            state: &state,
            scratch: &scratch,
            journal,
            now: self.now,
            moment: self.moment,
            rows: staged
                .iter()
                .flat_map(|staged| &staged.heaps)
                .map(|heap| heap.rows() as u64)
                .sum(),
            model,
            stored: &stored,
            previous: self.previous,
            part: part.as_ref(),
            traits: &traits,
        };
        let noticed = written
            .tables(staged, resolution, known, &labels, &rules, self.output)
            .await?;

        let mut tables = self.output.finish();
        by_value::write(engine, &stored, &mut tables, self.output, self.part).await?;

        journal.phase("commit", None);
        let mut masks = Masks::default();
        if let Some(ahead) = ahead {
            ahead.found().await;
        }
        if let Some(increment) = &increment {
            let Some(merged) = increment.tables(tables).await? else {
                return Ok(Outcome::TooMuch("a table has other columns now".to_owned()));
            };
            (tables, masks) = merged;
            let (state, output) = (&state, self.output);
            compact(
                engine,
                state,
                &stored,
                &mut tables,
                &masks,
                output,
                self.options.bounds,
            )
            .await?;
            let named: HashSet<&str> = tables
                .values()
                .flat_map(|table| table.files.iter().map(|file| file.path.as_str()))
                .collect();
            masks.retain(|path| named.contains(path));
        }
        if !masks.is_empty() {
            self.output
                .write(Masks::TABLE, None, &masks.to_batch()?, None, &[])
                .await?;
            tables.extend(self.output.finish());
        } else {
            tables.remove(Masks::TABLE);
        }
        take_away(&mut landing);
        let run_state = RunState {
            version: STATE_VERSION,
            groups: labels.groups,
            as_of: self.moment,
        };
        self.propose(landing, tables, run_state, (files, rows), noticed)
            .await
    }

    /// How many files the run reads, and their rows: those that are served, but for what a run has read on which this one
    /// builds. And the rows of each file of a table, which has been read when it was admitted.
    fn reads(&self, landing: &Landing) -> (u64, u64, Vec<u64>) {
        let (mut files, mut rows, mut tables) = (0, 0, Vec::new());
        for (source, landed) in self.config.sources.iter().zip(&landing.sources) {
            let before = self.previous.filter(|_| self.part);
            let before = before.and_then(|previous| previous.sources.get(&source.name));
            for file in landed.files.iter().filter(|file| file.state == FileState::Live) {
                let table = source.kind == Kind::Table;
                if before.is_some_and(|before| file.id > 0 || table && before.files.contains(file)) {
                    continue;
                }
                files += 1;
                rows += file.landed;
                if table {
                    tables.push(file.landed);
                }
            }
        }
        (files, rows, tables)
    }

    async fn resolve(
        &self,
        graph: Arc<Mutex<GraphBuilder>>,
        stored: &Tables,
        part: Option<(&Increment<'_>, &Mutex<Nodes>)>,
        rules: &Rules,
        known: &Known,
    ) -> Result<Resolution> {
        let graph = Arc::try_unwrap(graph).map_err(|_| held("identity graph"))?;
        let mut partition = graph.into_inner().resolve()?;
        // New customers ask, and ids that are left over: only groups that they are a part of can tell.
        let touched = part.map(|(increment, nodes)| {
            let founders = partition.newcomers().filter_map(|founder| known.element(founder));
            increment.around(founders, &partition.orphans(), &mut nodes.lock())
        });
        let touched = touched.as_ref();
        let before = |signature| known.before(signature);
        let rules = (self.config.as_ref(), rules);
        published::tell(&mut partition, stored, self.previous, touched, rules, before).await?;
        Ok(partition.publish(self.number, self.now)?)
    }

    /// Commits the snapshot of these tables.
    async fn propose(
        &self,
        landing: Landing,
        tables: BTreeMap<String, TableManifest>,
        state: RunState,
        (files, rows): (u64, u64),
        noticed: Noticed,
    ) -> Result<Outcome> {
        let (engine, config) = (self.engine, self.config);
        let mut manifest = Manifest::successor(self.previous, self.id, config.hash.as_str());
        manifest.committed_at = engine.clock().now();
        manifest.tables = tables;
        manifest.state = Some(state);
        manifest.sources = config
            .sources
            .iter()
            .zip(landing.sources.iter().cloned())
            .map(|(source, manifest)| (source.name.clone(), manifest))
            .collect();
        let unclaimed = landing.unclaimed.iter().take(Manifest::UNCLAIMED);
        manifest.unclaimed = unclaimed.cloned().collect();
        manifest.run = RunSummary {
            id: self.id.to_owned(),
            started_at: self.now,
            finished_at: manifest.committed_at,
            full: !self.part,
            why_full: self.why.clone(),
            files_new: landing.files_new,
            files_removed: landing.files_removed,
            files_quarantined: landing.files_quarantined,
            files,
            rows,
            phases: self.journal.phases(),
        };
        match engine.snapshots().commit(&manifest).await? {
            Commit::Done => {
                let mut report = report(&landing, Some(&manifest), Some(manifest.number), noticed);
                (report.files, report.rows) = (files, rows);
                (report.full, report.why_full) = (!self.part, self.why.clone());
                report.renamed = renamed(config, self.previous, &landing);
                report.departed = departed(config, self.previous, &landing);
                report.quarantined_anew = quarantined(&manifest)
                    .filter(|(name, file, _)| {
                        self.previous.is_none_or(|previous| !knew(previous, name, file))
                    })
                    .map(named)
                    .collect();
                Ok(Outcome::Committed(Box::new(report)))
            }
            Commit::Conflict { .. } => Ok(Outcome::Lost),
        }
    }
}

/// What tells a run, or a process, from every other one, on other machines too.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random() -> Result<u128> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        perennial_engine::Error::new(
            ErrorClass::Unavailable,
            format!("the system gives no random bytes: {error}"),
        )
    })?;
    Ok(u128::from_le_bytes(bytes))
}

fn held(what: &str) -> perennial_engine::Error {
    perennial_engine::Error::new(ErrorClass::Internal, format!("a reader still holds the {what}"))
}
