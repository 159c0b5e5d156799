//! `perennial check`: the configuration against the files.

use anyhow::Result;
use clap::Args;
use perennial_base::counted;
use perennial_unify::{Astray, Doubt, DoubtfulKey, Instead, LoneIdentifier, RejectedRows, UnknownSource};

use crate::command::unify::warn_of_rates;
use crate::command::{ConfigArgument, open};
use crate::exit::{self, DONE, INPUT};
use crate::show;

/// Files of no source that are named one by one.
const SHOWN: usize = 10;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    config: ConfigArgument,
}

impl Check {
    pub(crate) async fn run(self) -> Result<u8> {
        let engine = open(self.config.load()?).await?;
        match perennial_unify::check(&engine).await {
            Ok(report) => {
                for (source, files, rows) in &report.sources {
                    show::line(&format!(
                        "{source}: {}, {}",
                        counted(*files as u64, "file"),
                        counted(*rows, "row")
                    ))?;
                    let astray = report.astray.iter().any(|astray| astray.source == *source);
                    if *files == 0 && !astray {
                        show::note(&format!("warning: source \"{source}\" has no readable files yet"));
                    }
                }
                for (source, path, reason) in &report.quarantined {
                    show::note(&format!(
                        "warning: {path} of {source} would be quarantined: {reason}"
                    ));
                }
                for RejectedRows {
                    source,
                    path,
                    reasons,
                } in &report.rejected
                {
                    let reasons: Vec<String> = reasons
                        .iter()
                        .map(|(reason, rows)| format!("{reason} ({})", counted(*rows, "row")))
                        .collect();
                    show::note(&format!(
                        "warning: rows at the start of {path} of {source} would be rejected: {}",
                        reasons.join(", ")
                    ));
                }
                for (source, path, key, values, reason) in &report.lost {
                    show::note(&format!(
                        "warning: {values} values of {key} at the start of {path} of {source} would be NULL, as they cannot be worked out: {reason}"
                    ));
                }
                for (segment, stage, near) in &report.unknown_stages {
                    let near = near
                        .as_ref()
                        .map_or(String::new(), |near| format!(": did you mean \"{near}\"?"));
                    show::note(&format!(
                        "warning: segment \"{segment}\" asks for the stage \"{stage}\", which the lifecycle does not have{near}"
                    ));
                }
                for (source, path, kind, value) in &report.unusable {
                    show::note(&format!(
                        "warning: no {kind} at the start of {path} of {source} can be used, such as \"{value}\": correct the mapping or the identifier's normalise"
                    ));
                }
                for UnknownSource {
                    source,
                    path,
                    name,
                    near,
                } in report.unknown_sources.iter().take(SHOWN)
                {
                    let remedy = match near {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => "write the name as in perennial.toml".to_owned(),
                    };
                    show::note(&format!(
                        "warning: {path} of {source} speaks of records of source \"{name}\", which does not exist: {remedy}"
                    ));
                }
                for lone in &report.lone_identifiers {
                    show::note(&format!("warning: {}:{}", engine.config().file, named_once(lone)));
                }
                for doubtful in &report.doubtful_keys {
                    show::note(&format!("warning: {}", said(doubtful)));
                }
                warn_of_astray(&report.astray);
                warn_of_strays(&report.of_no_source);
                warn_of_rates(&report.missing_rates);
                show::line("the configuration fits the files")?;
                Ok(DONE)
            }
            Err(errors) => {
                let mut worst = INPUT;
                for error in &errors {
                    worst = worst.max(exit::told(error, Some(engine.lake().url())));
                }
                Ok(worst)
            }
        }
    }
}

/// What is in doubt about a type of identifier.
fn named_once(lone: &LoneIdentifier) -> String {
    let LoneIdentifier {
        name,
        at,
        source,
        near,
    } = lone;
    let near = near.as_ref().map(|near| format!("did you mean \"{near}\"?"));
    match source {
        Some(source) => format!(
            "{at}: identifier \"{name}\" of source \"{source}\" is not listed in [[identity.identifier]], so that it has no limits and comes behind those that are: {}",
            near.unwrap_or_else(|| "list it to say how strong it is".to_owned())
        ),
        None => format!(
            "{at}: no source maps the identifier \"{name}\": {}",
            near.unwrap_or_else(|| "add it to the identifiers of a source, or take it out".to_owned())
        ),
    }
}

/// What is in doubt about a key.
fn said(doubtful: &DoubtfulKey) -> String {
    let DoubtfulKey {
        source,
        key,
        value,
        doubt,
        compared,
    } = doubtful;
    match doubt {
        Doubt::Unordered { keys, rows, by } => {
            let (when, remedy) = match by {
                Some((name, sql)) => (
                    format!("although {name} = {sql} is the same"),
                    "write an updated_at that tells them apart",
                ),
                None => (
                    "and no updated_at says which is the newest".to_owned(),
                    "add updated_at",
                ),
            };
            format!(
                "record_key = {key} of {source} may be no key: rows with one value of it differ ({rows} of {compared} rows, {} such as \"{value}\"), {when}, so that the last by file and row counts: write a key that is unique for each record, or {remedy}",
                counted(*keys, "value")
            )
        }
        Doubt::Versions(older) => {
            format!(
                "record_key = {key} of {source} may be no key: {older} of {compared} rows are older versions of others by it, such as of \"{value}\": is it the key of a record?"
            )
        }
    }
}

/// Names sources whose path leads to no file, and what there is.
pub(crate) fn warn_of_astray(sources: &[Astray]) {
    for Astray {
        source,
        path,
        instead,
    } in sources
    {
        let there = match instead {
            Some(Instead::Near(path)) => format!(": did you mean \"{path}\"?"),
            Some(Instead::Found { folder, names }) => {
                format!("; \"{folder}\" has {}", names.join(", "))
            }
            None => ", which is empty".to_owned(),
        };
        show::note(&format!(
            "warning: source \"{source}\" has no files yet: path = \"{path}\" leads to none of the lake{there}"
        ));
    }
}

/// Names files that no source takes.
pub(crate) fn warn_of_strays(paths: &[String]) {
    for path in paths.iter().take(SHOWN) {
        show::note(&format!(
            "warning: {path} belongs to no source: no `path` of the configuration leads to it"
        ));
    }
    if paths.len() > SHOWN {
        let more = paths.len() - SHOWN;
        show::note(&format!("warning: {more} more files belong to no source"));
    }
}
