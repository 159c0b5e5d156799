//! What is said of a configuration and of files that do what was probably not meant.

use perennial_base::{Config, counted};
use perennial_unify::{
    Astray, Cautions, Doubt, DoubtfulKey, Instead, LoneIdentifier, Noticed, RateDoubts, Renamed, UnknownStage,
};

use crate::show;

/// Files of no source that are named one by one.
pub(crate) const SHOWN: usize = 10;

/// What is said of sources, by their names in quotes, that have files of which none is served.
pub(crate) fn nothing_served(sources: &[String]) -> String {
    let what = if sources.len() == 1 { "source" } else { "sources" };
    format!("no file of {what} {} can be served", sources.join(", "))
}

/// A warning about a place of the configuration, which `told` begins with.
fn warn_of_place(file: &str, told: &str) {
    show::note(&format!("warning: {file}:{told}"));
}

/// Says what is doubtful in the configuration of this file.
pub(crate) fn warn_of_doubts(file: &str, cautions: &Cautions) {
    for doubt in &cautions.doubtful_stages {
        warn_of_place(file, &doubt.to_string());
    }
    for stage in &cautions.unknown_stages {
        warn_of_place(file, &asked_for(stage));
    }
    for lone in &cautions.lone_identifiers {
        warn_of_place(file, &named_once(lone));
    }
    for doubtful in &cautions.doubtful_keys {
        show::note(&format!("warning: {}", said(doubtful)));
    }
}

/// Says which rules for who may log in no connection reaches.
pub(crate) fn warn_of_rules(config: &Config) {
    for covered in config.server.covered_rules() {
        warn_of_place(&config.file, &covered.to_string());
    }
}

/// Says what is in doubt about exchange rates.
pub(crate) fn warn_of_rates(doubts: &RateDoubts) {
    for (_, told) in doubts.told() {
        show::note(&format!("warning: {told}"));
    }
}

/// Says which sources have another name than before, and what follows from it.
pub(crate) fn warn_of_renamed(file: &str, renamed: &[Renamed]) {
    for renamed in renamed {
        warn_of_place(file, &renamed.to_string());
    }
}

/// Says what was noticed of rows.
pub(crate) fn warn_of_noticed(file: &str, noticed: &Noticed) {
    for told in noticed.told(file) {
        show::note(&format!("warning: {told}"));
    }
}

/// What is in doubt about the stage that a segment asks for.
fn asked_for(unknown: &UnknownStage) -> String {
    let UnknownStage {
        segment,
        at,
        stage,
        near,
    } = unknown;
    let near = near.as_ref();
    let near = near.map_or(String::new(), |near| format!(": did you mean \"{near}\"?"));
    format!(
        "{at}: segment \"{segment}\" asks for the stage \"{stage}\", which the lifecycle does not have{near}"
    )
}

/// What is in doubt about a type of identifier.
fn named_once(lone: &LoneIdentifier) -> String {
    let LoneIdentifier { name, at, source } = lone;
    match source {
        Some(source) => format!(
            "{at}: identifier \"{name}\" of source \"{source}\" is not listed in [[identity.identifier]], so that it has no limits and comes behind those that are: list it to say how strong it is"
        ),
        None => format!(
            "{at}: no source maps the identifier \"{name}\": add it to the identifiers of a source, or take it out"
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
            Instead::Near(path) => format!(": did you mean \"{path}\"?"),
            Instead::Found { folder, names } if !names.is_empty() => {
                format!("; \"{folder}\" has {}", names.join(", "))
            }
            Instead::Found { folder, .. } if folder == "." => ", which has no files yet".to_owned(),
            Instead::Found { folder, .. } => format!("; \"{folder}\" has no files yet"),
        };
        show::note(&format!(
            "warning: source \"{source}\" has no files yet: path = \"{path}\" leads to none of the lake{there}"
        ));
    }
}

/// Names files that no source takes, each with the reason.
pub(crate) fn warn_of_strays(files: &[(String, String)]) {
    for (path, reason) in files.iter().take(SHOWN) {
        show::note(&format!("warning: {path} belongs to no source: {reason}"));
    }
    if files.len() > SHOWN {
        let more = files.len() - SHOWN;
        show::note(&format!("warning: {more} more files belong to no source"));
    }
}
