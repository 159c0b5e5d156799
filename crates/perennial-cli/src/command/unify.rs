//! `perennial unify`: one run, with progress.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use perennial_base::counted;
use perennial_engine::Engine;
use perennial_lake::FileState;
use perennial_unify::{DoubtfulKey, Looks, Report, RunOptions};

use crate::command::warnings::{
    nothing_served, warn_of_astray, warn_of_doubts, warn_of_noticed, warn_of_rates, warn_of_renamed,
    warn_of_strays,
};
use crate::command::{ConfigArgument, open};
use crate::exit::{DONE, INPUT, InLake};
use crate::show;
use crate::terminal::Bar;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Unify {
    #[command(flatten)]
    config: ConfigArgument,
    /// Run although no file and no setting has changed, and work out everything anew
    #[arg(long)]
    full: bool,
    /// Let rows go that are served and whose files are in the lake still, because the configuration leaves these out now
    #[arg(long)]
    allow_removal: bool,
}

impl Unify {
    pub(crate) async fn run(self) -> Result<u8> {
        let engine = open(self.config.load()?).await?;
        let options = RunOptions {
            full: self.full,
            allow_removal: self.allow_removal,
            ..RunOptions::SETTLED
        };
        let outcome = once(&engine, options).await;
        if let Err(error) = &outcome
            && let Some(perennial_unify::Error::Nothing { waiting: false, .. }) = error.downcast_ref()
        {
            tell_astray(&engine).await;
        }
        let report = outcome?;
        let file = &engine.config().file;
        told(file, &report);
        warn_of_renamed(file, &report.renamed);
        // What it said is done, whether or not more can be found out.
        match perennial_unify::cautions(&engine).await {
            Ok(cautions) => {
                warn_of_doubts(file, &cautions);
                warn_of_keys(&engine, &cautions.doubtful_keys);
            }
            Err(error) => show::note(&format!("warning: {file} was not looked at for doubts: {error}")),
        }
        match perennial_unify::rate_doubts(&engine).await {
            Ok(doubts) => warn_of_rates(&doubts),
            Err(error) => show::note(&format!(
                "warning: amounts without an exchange rate were not looked for: {error}"
            )),
        }
        tell_astray(&engine).await;
        warn_of_strays(&report.unclaimed);
        match shut_out(&engine).as_slice() {
            [] => Ok(DONE),
            // Who runs this by the clock reads the exit code alone.
            sources => {
                show::problem(&nothing_served(sources), None, None);
                Ok(INPUT)
            }
        }
    }
}

/// The sources that have files, of which none is served.
fn shut_out(engine: &Engine) -> Vec<String> {
    let release = engine.release();
    let sources = release
        .manifest()
        .into_iter()
        .flat_map(|manifest| &manifest.sources);
    let shut = sources.filter(|(_, source)| {
        let any = |state| source.files.iter().any(|file| file.state == state);
        any(FileState::Quarantined) && !any(FileState::Live)
    });
    shut.map(|(name, _)| format!("\"{name}\"")).collect()
}

/// Names the sources whose paths lead to no file.
async fn tell_astray(engine: &Engine) {
    match perennial_unify::sources_astray(engine).await {
        Ok(astray) => warn_of_astray(&astray),
        Err(error) => show::note(&format!(
            "warning: the paths of {} were not looked at: {error}",
            engine.config().file
        )),
    }
}

/// One run with progress on the terminal.
pub(crate) async fn once(engine: &Arc<Engine>, options: RunOptions) -> Result<Report> {
    let bar = Bar::new();
    let report = perennial_unify::run(engine, &mut Looks::default(), options, &bar).await;
    bar.finish();
    report.context(InLake(engine.lake().url().to_owned()))
}

/// Names the sources of which most rows are older versions of others: their key may be no key. Of some that is `said`.
fn warn_of_keys(engine: &Engine, said: &[DoubtfulKey]) {
    let release = engine.release();
    let Some(manifest) = release.manifest() else {
        return;
    };
    for source in &engine.config().sources {
        let (Some(key), Some(known)) = (&source.record_key, manifest.sources.get(&source.name)) else {
            continue;
        };
        let live = || known.files.iter().filter(|file| file.state == FileState::Live);
        let (rows, superseded) = live().fold((0, 0), |(rows, superseded), file| {
            (rows + file.landed, superseded + file.superseded)
        });
        // Of exports of the same records all files but the newest are older versions.
        let newest = live().max_by_key(|file| file.id);
        let newest = newest.is_some_and(|file| file.superseded > file.landed / 2);
        if superseded > rows / 2 && newest && said.iter().all(|doubtful| doubtful.source != source.name) {
            show::note(&format!(
                "warning: {superseded} of {rows} rows of {} are older versions of others by record_key = {}: is it the key of a record?",
                source.name, key.sql
            ));
        }
    }
}

/// Tells what a run did by the configuration of a file.
pub(crate) fn told(file: &str, report: &Report) {
    match report.snapshot {
        Some(snapshot) => show::note(&format!(
            "snapshot {snapshot}: {}{}{}",
            counted(report.customers, "customer"),
            match report.files {
                0 if report.full => ", as there are no files to read".to_owned(),
                0 => ", by what was read before".to_owned(),
                files => format!(
                    " from {} of {}",
                    counted(report.rows, "row"),
                    counted(files, "file")
                ),
            },
            match report.files_removed {
                0 => String::new(),
                removed => format!(" ({} read no more)", counted(removed, "file")),
            }
        )),
        None => show::note(&match report.overtaken {
            Some(snapshot) => {
                format!("nothing is new: snapshot {snapshot}, which another process has committed, has it")
            }
            None => "nothing is new".to_owned(),
        }),
    }
    for departed in &report.departed {
        show::note(&departed.to_string());
    }
    // Before the first run there was nothing that could have been kept.
    if let Some(why) = report.why_full.as_ref().filter(|_| report.snapshot > Some(1)) {
        show::note(&format!("everything was worked out anew: {why}"));
    }
    warn_of_noticed(file, &report.noticed);
    for (source, values) in &report.values_lost {
        show::note(&format!(
            "warning: {values} values of {source} could not be worked out and are NULL: SELECT path, losses FROM perennial.files WHERE source = '{source}' says which, and why"
        ));
    }
    for (source, reason) in &report.unfit {
        show::note(&format!(
            "warning: nothing of source \"{source}\" is served, as its mapping does not fit its files: {reason}"
        ));
    }
    let of_an_unfit_source = |name: &str| report.unfit.iter().any(|(source, _)| source == name);
    let mut files = report
        .quarantined
        .iter()
        .filter(|(source, ..)| !of_an_unfit_source(source));
    for (source, path, reason) in files.clone() {
        show::note(&format!("quarantined: {path} of {source}: {reason}"));
    }
    if !report.unfit.is_empty() {
        show::note(
            "hint: Correct the mapping, or land files with its columns; `perennial check` tells more.",
        );
    }
    if files.next().is_some() {
        show::note(
            "hint: Land a repaired file in its place, and it is judged anew; all other files are served.",
        );
    }
}
