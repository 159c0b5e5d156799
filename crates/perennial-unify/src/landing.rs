//! What has landed since the snapshot before: files admitted, quarantined, gone.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use datafusion::execution::SessionState;
use futures::{StreamExt, TryStreamExt, stream};
use perennial_base::Kind;
use perennial_base::config::SourceConfig;
use perennial_engine::Engine;
use perennial_identity::Rules;
use perennial_lake::{
    Blame, Contract, FileFacts, FileState, Inspection, Lake, Landed, Manifest, Rejection, Settling,
    SourceFile, SourceManifest, SourcePath, discover, inspect, unclaimed,
};

use crate::error::{Error, Result};
use crate::fitting::{Fitting, Needs};
use crate::nameless::nameless;
use crate::reader::CHANGING;
use crate::records::partition_names;
use crate::rules::rules;
use crate::run::READ_MEMORY;
use crate::whole;

/// Files that are looked into at once: most of the time goes to waiting for the store.
const INSPECTIONS: usize = 16;

/// How often, and how long after the last time, a run looks again for files that are being written.
const SETTLING_LOOKS: usize = 10;
const SETTLING_PAUSE: Duration = Duration::from_millis(500);
/// How many looks in a row a run waits for a served file that is being written anew.
const POSTPONEMENTS: u32 = 3;
/// How many looks in a row may find no verdict on a file that is new.
const UNJUDGED_LOOKS: u32 = 3;
/// Why a file is left out that is no source's.
const UNCLAIMED: &str = "no path of the configuration leads to it: add a [[source]] for it, or move it";
/// How often files are looked for that no source takes, in microseconds.
const UNCLAIMED_LOOKS: i64 = 60_000_000;
/// Why a file is left out that never comes to rest.
const RESTLESS: &str = "is being written again and again";

/// What each source looked like at the last look, so that files still being written are left for the next one.
#[derive(Debug, Default)]
pub struct Looks {
    sources: HashMap<String, Settling>,
    postponed: u32,
    /// By path, how many looks in a row have found no verdict on a file.
    unjudged: HashMap<String, u32>,
    /// The snapshot of another configuration that was last warned of.
    foreign: Option<u64>,
    /// What the runs fail with, and the first of those in a row that failed so.
    failing: Option<Failing>,
    /// The Parquet files that no source takes and why, and when they were looked for.
    unclaimed: Option<(i64, Vec<(Landed, &'static str)>)>,
}

/// See [`Looks::failing`].
#[derive(Debug)]
struct Failing {
    /// See [`Error::alike`].
    alike: String,
    /// The id of the first run.
    id: String,
    since: i64,
}

/// The state of all sources.
#[derive(Debug, Default, Clone)]
pub(crate) struct Landing {
    /// In the order of the configuration.
    pub(crate) sources: Vec<SourceManifest>,
    pub(crate) files_new: u64,
    pub(crate) files_removed: u64,
    pub(crate) files_quarantined: u64,
    pub(crate) rows_new: u64,
    /// A file that is served is being written anew: its rows are there again when it is done.
    pub(crate) rewriting: Option<String>,
    /// Parquet files that no source takes.
    pub(crate) unclaimed: Vec<SourceFile>,
    /// They are others than those of the snapshot before.
    unclaimed_changed: bool,
}

impl Looks {
    /// Whether a file of the last look is still being written, as far as can be told.
    pub(crate) fn waiting(&self) -> bool {
        self.sources.values().any(|settling| settling.waiting() > 0)
            || self.unjudged.values().any(|looks| *looks < UNJUDGED_LOOKS)
    }

    /// Warns, once for each snapshot, that it was made with another configuration than this process has; whether it did.
    #[must_use]
    pub(crate) fn warn_once(&mut self, snapshot: u64) -> bool {
        let first = self.foreign.replace(snapshot) != Some(snapshot);
        if first {
            tracing::warn!(
                snapshot,
                "another process has unified the lake with another configuration; this one serves it, and runs no more until the lake is unified with its own again: restart it to read the changed file"
            );
        }
        first
    }

    /// Says, once, that the newest snapshot is of this process's configuration again after one that was not.
    pub(crate) fn own(&mut self, snapshot: u64) {
        if self.foreign.take().is_some() {
            tracing::warn!(
                snapshot,
                "the newest snapshot is of this process's configuration again: runs go on"
            );
        }
    }

    /// Notes that a run has failed, and gives id and beginning of the first one that failed so, of those in a row.
    pub(crate) fn failing(&mut self, alike: String, id: &str, began: i64) -> (String, i64) {
        let known = self.failing.take_if(|known| known.alike == alike);
        let first = self.failing.insert(known.unwrap_or_else(|| Failing {
            alike,
            id: id.to_owned(),
            since: began,
        }));
        (first.id.clone(), first.since)
    }

    /// Notes that a run has not failed.
    pub(crate) fn done(&mut self) {
        self.failing = None;
    }

    /// The Parquet files that no source takes, as they were a minute ago at most.
    async fn unclaimed(
        &mut self,
        lake: &Lake,
        sources: &[SourcePath],
        now: i64,
    ) -> Result<&[(Landed, &'static str)]> {
        let recent = self
            .unclaimed
            .take()
            .filter(|(at, _)| now.saturating_sub(*at) < UNCLAIMED_LOOKS);
        let found = match recent {
            Some(recent) => recent,
            None => {
                let astray = unclaimed(lake, sources).await?.into_iter();
                let astray = astray.filter(|file| file.path.ends_with(".parquet"));
                let mut found: Vec<(Landed, &str)> = astray.map(|file| (file, UNCLAIMED)).collect();
                found.extend(nameless(lake, now).await?);
                (now, found)
            }
        };
        Ok(&self.unclaimed.insert(found).1)
    }

    /// Whether a run waits once more for a file that is being written anew: not for ever, as there is other news.
    pub(crate) fn postpone(&mut self, landing: &Landing) -> bool {
        if landing.rewriting.is_none() {
            self.postponed = 0;
            return false;
        }
        self.postponed += 1;
        self.postponed <= POSTPONEMENTS
    }
}

impl Landing {
    /// Whether no source has a file, not even one that is refused.
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.iter().all(|source| source.files.is_empty())
    }

    pub(crate) fn changed(&self) -> bool {
        self.files_new + self.files_removed > 0 || self.unclaimed_changed
    }

    /// The paths of files that no source takes, each with the reason.
    pub(crate) fn strays(&self) -> Vec<(String, String)> {
        let strays = self.unclaimed.iter();
        let strays = strays.filter_map(|file| Some((file.path.clone(), file.reason.clone()?)));
        strays.collect()
    }

    /// Notes the files that no source takes.
    fn unclaimed(&mut self, found: &[(Landed, &str)], previous: Option<&Manifest>, now: i64) {
        let known: HashMap<&str, i64> = previous
            .into_iter()
            .flat_map(|previous| &previous.unclaimed)
            .map(|file| (file.path.as_str(), file.first_seen_at))
            .collect();
        // A name that no object can have is told as it is written, which may be the name of another file.
        let mut paths = HashSet::new();
        let found: Vec<_> = found
            .iter()
            .filter(|(file, _)| paths.insert(file.path.as_str()))
            .collect();
        let kept = found.iter().take(Manifest::UNCLAIMED);
        self.unclaimed_changed = kept.len() != known.len()
            || kept
                .clone()
                .any(|(file, _)| !known.contains_key(file.path.as_str()));
        self.unclaimed = found
            .into_iter()
            .map(|(file, reason)| SourceFile {
                path: file.path.clone(),
                size: file.size,
                e_tag: file.e_tag.clone(),
                last_modified: file.last_modified,
                state: FileState::Unclaimed,
                reason: Some((*reason).to_owned()),
                first_seen_at: known.get(file.path.as_str()).copied().unwrap_or(now),
                ..SourceFile::default()
            })
            .collect();
    }
}

/// Looks at all sources, and with `settle` again, a few times, while a file is being written. Answers when the last look
/// was, too.
pub(crate) async fn look_at_rest(
    engine: &Engine,
    previous: Option<&Manifest>,
    looks: &mut Looks,
    afresh: bool,
    settle: bool,
) -> Result<(Landing, i64)> {
    let mut now = engine.clock().now();
    let mut landing = look(engine, previous, looks, now, afresh).await?;
    for _ in 0..SETTLING_LOOKS {
        if !settle || !(looks.waiting() || landing.rewriting.is_some()) {
            break;
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
        now = engine.clock().now();
        landing = look(engine, previous, looks, now, afresh).await?;
    }
    Ok((landing, now))
}

/// Looks at all sources. With `afresh`, files that were quarantined are judged anew even if nothing else has changed.
pub(crate) async fn look(
    engine: &Engine,
    previous: Option<&Manifest>,
    looks: &mut Looks,
    now: i64,
    afresh: bool,
) -> Result<Landing> {
    let config = engine.config();
    let judge = Judge {
        engine,
        state: &engine.work_state(READ_MEMORY)?,
        rules: &rules(config)?,
        now,
        afresh,
    };
    let mut landing = Landing::default();
    let mut paths = Vec::with_capacity(config.sources.len());
    for source in &config.sources {
        let path = SourcePath::parse(&source.path).map_err(|cause| {
            let (name, at, cause) = (source.name.clone(), source.path_at, Box::new(cause));
            Error::Path { name, at, cause }.of_file(&config.file)
        })?;
        let landed = discover(engine.lake(), &path).await?;
        let listed: HashSet<String> = landed.iter().map(|file| file.path.clone()).collect();
        let settled = looks
            .sources
            .entry(source.name.clone())
            .or_default()
            .look(landed, now);
        let known = previous.and_then(|previous| previous.sources.get(&source.name));
        judge
            .source(source, known, &listed, settled, &mut looks.unjudged, &mut landing)
            .await?;
        paths.push(path);
    }
    let unclaimed = looks.unclaimed(engine.lake(), &paths, now).await?;
    landing.unclaimed(unclaimed, previous, now);
    Ok(landing)
}

/// Decides which files are served.
struct Judge<'a> {
    engine: &'a Engine,
    state: &'a SessionState,
    rules: &'a Rules,
    now: i64,
    afresh: bool,
}

impl Judge<'_> {
    /// Looks into a file; `None` when it went or changed meanwhile.
    async fn inspected(&self, source: &SourceConfig, file: &Landed) -> Result<Option<Inspection>> {
        let inspection = inspected(self.engine.lake(), file).await?;
        let Some(Ok(facts)) = inspection else {
            return Ok(inspection);
        };
        if source.kind != Kind::Table {
            return Ok(Some(Ok(facts)));
        }
        match whole::read(self.engine, self.state, file, facts).await {
            Ok(inspection) => Ok(Some(inspection)),
            Err(Error::Lake(perennial_lake::Error::Replaced { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn source(
        &self,
        source: &SourceConfig,
        was: Option<&SourceManifest>,
        listed: &HashSet<String>,
        settled: Vec<Landed>,
        unjudged: &mut HashMap<String, u32>,
        landing: &mut Landing,
    ) -> Result<()> {
        let known = was.filter(|was| was.kind == source.kind.name());
        let before: HashMap<&str, &SourceFile> = known
            .into_iter()
            .flat_map(|known| &known.files)
            .map(|file| (file.path.as_str(), file))
            .collect();
        let unchanged = |file: &Landed| {
            before.get(file.path.as_str()).copied().filter(|known| {
                file.unchanged(known.size, known.e_tag.as_deref())
                    && file.last_modified == known.last_modified
            })
        };
        let gone = before.keys().filter(|path| !listed.contains(**path)).count() as u64;
        let done: HashSet<&str> = settled.iter().map(|file| file.path.as_str()).collect();
        let mut restless: Vec<&SourceFile> = before
            .values()
            .copied()
            .filter(|file| listed.contains(&file.path) && !done.contains(file.path.as_str()))
            .collect();
        restless.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(file) = restless.iter().find(|file| file.state == FileState::Live) {
            landing.rewriting = Some(file.path.clone());
        }
        // A verdict depends on the files beside and on the configuration: when those change, it is given anew.
        let anew = self.afresh || gone > 0 || settled.iter().any(|file| unchanged(file).is_none());
        let keeps = |file: &Landed| {
            unchanged(file)
                .filter(|known| known.state == FileState::Live || !(anew || known.blame == Blame::Access))
        };
        let judged =
            settled
                .iter()
                .filter(|file| keeps(file).is_none())
                .map(|file| async move {
                    Ok::<_, Error>((file.path.clone(), self.inspected(source, file).await?))
                });
        let mut inspections: HashMap<String, Option<Inspection>> = stream::iter(judged.collect::<Vec<_>>())
            .buffered(INSPECTIONS)
            .try_collect()
            .await?;

        let live = settled
            .iter()
            .any(|file| keeps(file).is_some_and(|known| known.state == FileState::Live));
        let candidates: Vec<&FileFacts> = settled
            .iter()
            .filter_map(|file| inspections.get(&file.path)?.as_ref()?.as_ref().ok())
            .collect();
        let had = known.map(|known| known.partitions.clone()).unwrap_or_default();
        let partitions = partition_names(had.clone(), settled.iter().map(|file| file.partitions.as_slice()));
        let fitting = Fitting {
            state: self.state,
            config: self.engine.config(),
            rules: self.rules,
            source,
            partitions: &partitions,
        };
        let (mut contract, needs) = match known.map(|known| &known.contract) {
            _ if candidates.is_empty() => (
                known.map(|known| known.contract.clone()).unwrap_or_default(),
                None,
            ),
            Some(known) => fitting.continued(known, live, &candidates),
            None => fitting.founded(&candidates),
        };
        let mut files = Vec::with_capacity(settled.len());
        let mut judged: Vec<(String, bool)> = Vec::new();
        let mut refused: Vec<(usize, FileFacts)> = Vec::new();
        for file in settled {
            if let Some(known) = keeps(&file) {
                files.push(known.clone());
                continue;
            }
            let was = before.get(file.path.as_str()).copied();
            let same = unchanged(&file).is_some();
            // It went or changed while it was looked at: the next look sees what it is then.
            let inspection = match inspections.remove(&file.path) {
                Some(Some(inspection)) => {
                    unjudged.remove(&file.path);
                    inspection
                }
                _ if was.is_some_and(|known| known.state == FileState::Live) => {
                    landing.rewriting = Some(file.path.clone());
                    continue;
                }
                _ => {
                    let looks = unjudged.entry(file.path.clone()).or_default();
                    *looks += 1;
                    if *looks < UNJUDGED_LOOKS {
                        continue;
                    }
                    Err(Rejection::new(CHANGING))
                }
            };
            let first_seen_at = was.map_or(self.now, |known| known.first_seen_at);
            let mut admitted = as_landed(file, first_seen_at);
            judged.push((admitted.path.clone(), same));
            match inspection {
                Ok(facts) => {
                    admit(&fitting, needs.as_ref(), &mut admitted, &facts, &mut contract);
                    if admitted.state != FileState::Live {
                        refused.push((files.len(), facts));
                    }
                }
                Err(rejection) => {
                    admitted.landed = rejection.rows;
                    let passing = matches!(rejection.reason.as_str(), NOT_ALLOWED | CHANGING);
                    let blame = if passing { Blame::Access } else { Blame::File };
                    admitted.refuse(blame, rejection.to_string());
                    admitted.row_group = rejection.row_group.map(|group| group as u64);
                }
            }
            files.push(admitted);
        }
        // What a file needs may come with one behind it: no verdict depends on how they are called.
        let mut grown = Contract::default();
        while grown != contract {
            grown.clone_from(&contract);
            for (at, facts) in &refused {
                if let Some(file) = files.get_mut(*at).filter(|file| file.state != FileState::Live) {
                    admit(&fitting, needs.as_ref(), file, facts, &mut contract);
                }
            }
        }
        let live = files.iter().filter(|file| file.state == FileState::Live);
        let partitions = partition_names(had, live.map(|file| file.partitions.as_slice()));
        let fitting = Fitting {
            partitions: &partitions,
            ..fitting
        };
        let mut unfit = known
            .and_then(|known| known.unfit.clone())
            .filter(|_| !files.is_empty());
        if !judged.is_empty() || self.afresh {
            unfit = fitting.unplanned(&contract, &mut files, was);
        }
        for (path, same) in judged {
            let Some(file) = files.iter().find(|file| file.path == path) else {
                continue;
            };
            match file.state {
                FileState::Live => {
                    landing.files_new += 1;
                    landing.rows_new += file.landed;
                }
                // Nothing new: it was refused before.
                _ if same => {}
                _ => {
                    landing.files_new += 1;
                    landing.files_quarantined += 1;
                }
            }
        }
        for file in restless {
            files.push(SourceFile {
                path: file.path.clone(),
                partitions: file.partitions.clone(),
                first_seen_at: file.first_seen_at,
                state: FileState::Quarantined,
                reason: Some(RESTLESS.to_owned()),
                blame: Blame::Access,
                ..SourceFile::default()
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let kept_next = known.map_or(1, |known| known.next_file.max(1));
        landing.files_removed += gone;
        landing.sources.push(SourceManifest {
            kind: source.kind.name().to_owned(),
            partitions,
            identifiers: source.identifiers.iter().map(|(name, _)| name.clone()).collect(),
            unused_identifiers: known.and_then(|known| known.unused_identifiers.clone()),
            contract,
            unfit,
            files,
            next_file: kept_next,
        });
        Ok(())
    }
}

/// Why a file is refused that the store, or the operating system, does not let us read. It is asked again at every look.
const NOT_ALLOWED: &str = "may not be read: access is denied";

/// Looks into a file; `None` when it went or changed meanwhile.
async fn inspected(lake: &Lake, file: &Landed) -> Result<Option<Inspection>> {
    match inspect(lake, file).await {
        Ok(inspection) => Ok(Some(inspection)),
        Err(perennial_lake::Error::Replaced { .. } | perennial_lake::Error::NotFound { .. }) => Ok(None),
        // One file that may not be read says nothing about the others.
        Err(perennial_lake::Error::NotAllowed { .. }) => Ok(Some(Err(Rejection::new(NOT_ALLOWED)))),
        Err(error) => Err(error.into()),
    }
}

/// A file of which nothing is known but what the store lists.
fn as_landed(file: Landed, first_seen_at: i64) -> SourceFile {
    SourceFile {
        path: file.path,
        size: file.size,
        e_tag: file.e_tag,
        last_modified: file.last_modified,
        partitions: file.partitions,
        state: FileState::Quarantined,
        first_seen_at,
        ..SourceFile::default()
    }
}

/// Judges one file that can be read; the contract grows by what it brings.
fn admit(
    fitting: &Fitting<'_>,
    needs: Option<&Needs>,
    file: &mut SourceFile,
    facts: &FileFacts,
    contract: &mut Contract,
) {
    file.landed = facts.rows;
    let fitted = match needs.and_then(|needs| fitting.refusal(needs, &facts.schema)) {
        Some(reason) => Err((Blame::Mapping, reason)),
        None => contract
            .fit(&facts.schema)
            .map_err(|misfit| (Blame::File, misfit.to_string())),
    };
    let fitted = fitted.and_then(|extended| match fitting.broken_by(contract, &extended) {
        Some(reason) => Err((Blame::Mapping, reason)),
        None => Ok(extended),
    });
    match fitted {
        Ok(extended) => {
            *contract = extended;
            file.state = FileState::Live;
            file.reason = None;
            file.stats.clone_from(&facts.stats);
        }
        Err((blame, reason)) => file.refuse(blame, reason),
    }
}
