//! `perennial check`: the configuration against the files.

use anyhow::Result;
use clap::Args;
use perennial_base::counted;
use perennial_unify::{
    Cautions, CheckReport, CheckedSource, LostValues, QuarantinedFile, RejectedRows, UnknownSource,
    UnusableIdentifier,
};

use crate::command::warnings::{
    SHOWN, nothing_served, warn_of_astray, warn_of_doubts, warn_of_noticed, warn_of_rates, warn_of_renamed,
    warn_of_rules, warn_of_strays,
};
use crate::command::{ConfigArgument, open};
use crate::exit::{self, DONE, INPUT};
use crate::show;

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
                warn_of_rules(engine.config());
                told(&engine.config().file, report)
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

/// Tells what was found in a configuration that fits, and gives the exit code.
fn told(file: &str, report: CheckReport) -> Result<u8> {
    let shut_out: Vec<String> = report
        .sources
        .iter()
        .filter(|source| source.files == 0)
        .filter(|source| report.quarantined.iter().any(|file| file.source == source.name))
        .map(|source| format!("\"{}\"", source.name))
        .collect();
    for CheckedSource { name, files, rows } in &report.sources {
        show::line(&format!(
            "{name}: {}, {}",
            counted(*files, "file"),
            counted(*rows, "row")
        ))?;
        let astray = report.astray.iter().any(|astray| astray.source == *name);
        if *files == 0 && !astray {
            show::note(&format!("warning: source \"{name}\" has no readable files yet"));
        }
    }
    warn_of_renamed(file, &report.renamed);
    for QuarantinedFile { source, path, reason } in &report.quarantined {
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
        let reasons = reasons
            .iter()
            .map(|(reason, rows)| format!("{reason} ({})", counted(*rows, "row")));
        let reasons: Vec<String> = reasons.collect();
        show::note(&format!(
            "warning: rows at the start of {path} of {source} would be rejected: {}",
            reasons.join(", ")
        ));
    }
    for LostValues {
        source,
        path,
        key,
        values,
        reason,
    } in &report.lost
    {
        show::note(&format!(
            "warning: {values} values of {key} at the start of {path} of {source} would be NULL, as they cannot be worked out: {reason}"
        ));
    }
    for UnusableIdentifier {
        source,
        path,
        name,
        values,
        of,
        value,
    } in &report.unusable
    {
        let (few, are) = match values == of {
            true => ("no".to_owned(), "can be used"),
            false => (format!("{values} of {of} values of"), "are none"),
        };
        show::note(&format!(
            "warning: {few} {name} at the start of {path} of {source} {are}, such as \"{value}\": correct the mapping or the identifier's normalise"
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
    let cautions = Cautions {
        lone_identifiers: report.lone_identifiers,
        unknown_stages: report.unknown_stages,
        doubtful_stages: report.doubtful_stages,
        doubtful_keys: report.doubtful_keys,
    };
    warn_of_doubts(file, &cautions);
    warn_of_astray(&report.astray);
    warn_of_strays(&report.of_no_source);
    warn_of_rates(&report.rates);
    warn_of_noticed(file, &report.noticed);
    if shut_out.is_empty() {
        show::line("the configuration fits the files")?;
        return Ok(DONE);
    }
    show::problem(&nothing_served(&shut_out), None, None);
    Ok(INPUT)
}
