//! Real clients, from psql to BI tools, each with a suite of what its users do: played on the binary as a process over a small
//! lake, and on a PostgreSQL that has the same relations, whose answers are the expected ones. `tests/README.md` says how a
//! suite is added.

#![cfg(test)]

#[path = "../shared/process.rs"]
mod process;
mod rust;
mod servers;
mod suite;
mod transcript;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::process::variable;
use crate::servers::{POSTGRES, Server};
use crate::suite::{SUITES, Suite};
use crate::transcript::Transcript;

/// Names the file to which a suite that agrees adds its line of the page of clients, and has all suites played; `cargo xtask
/// clients` sets it.
const PAGE: &str = "PERENNIAL_TEST_CLIENTS";

/// The checks that do not have PostgreSQL's answer yet, `SUITE / NAME` behind a line that says why. One that has it by now
/// fails until it is taken out.
const DIFFERENCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/differences.txt");

/// The servers, started when the first suite needs them.
#[derive(Default)]
struct Stage {
    perennial: OnceLock<Result<Server, String>>,
    postgres: OnceLock<Result<Server, String>>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Clients ask who else is there.
    arguments.test_threads = Some(1);
    let stage = Arc::<Stage>::default();
    let trials = SUITES
        .iter()
        .map(|suite| {
            let stage = Arc::clone(&stage);
            Trial::ignorable_test(suite.name, move || trial(&stage, suite))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A suite is held against the control first: what PostgreSQL fails is no check.
fn trial(stage: &Stage, suite: &Suite) -> Result<Completion, Failed> {
    if suite.heavy && variable(PAGE).is_none() {
        return Ok(Completion::ignored_with("cargo xtask clients plays it"));
    }
    if let Some(absent) = suite.absent() {
        return Ok(Completion::ignored_with(absent));
    }
    let Some(control) = variable(POSTGRES) else {
        return Ok(Completion::ignored_with(format!("{POSTGRES} is not set")));
    };
    let start = || told(Server::perennial());
    let perennial = stage.perennial.get_or_init(start).as_ref()?;
    let mirror = || told(Server::mirror(perennial, &control));
    let postgres = stage.postgres.get_or_init(mirror).as_ref()?;
    let expected = play(suite, postgres)?;
    let failed = expected.failed();
    if !failed.is_empty() {
        return Err(format!("PostgreSQL itself does not pass:\n{}", failed.join("\n")).into());
    }
    let answered = play(suite, perennial)?;
    perennial.check()?;
    let known = known(suite)?;
    let differ = answered.differences(&expected);
    let new: Vec<String> = differ
        .iter()
        .filter(|name| !known.contains(name))
        .map(|name| answered.beside(&expected, name))
        .collect();
    if !new.is_empty() {
        return Err(format!(
            "{} of {} checks differ:\n{}",
            new.len(),
            expected.len(),
            new.join("\n")
        )
        .into());
    }
    let over: Vec<String> = known.into_iter().filter(|name| !differ.contains(name)).collect();
    if !over.is_empty() {
        return Err(format!(
            "these differ no more, take them out of {DIFFERENCES}: {}",
            over.join(", ")
        )
        .into());
    }
    if let Some(page) = variable(PAGE) {
        transcript::append(&page, &answered.line(differ.len()))?;
    }
    Ok(Completion::Completed)
}

fn play(suite: &Suite, server: &Server) -> Result<Transcript, Failed> {
    let printed = suite.play(server)?;
    Transcript::read(&printed).map_err(|problem| format!("{}: {problem}\n{printed}", server.name()).into())
}

/// The names of the suite's checks that are known to differ.
fn known(suite: &Suite) -> Result<Vec<String>, Failed> {
    let text = std::fs::read_to_string(DIFFERENCES)?;
    let named = text.lines().filter_map(|line| line.split_once(" / "));
    let ours = named.filter(|(name, _)| *name == suite.name);
    Ok(ours.map(|(_, check)| check.to_owned()).collect())
}

fn told<T>(result: Result<T, Failed>) -> Result<T, String> {
    result.map_err(|error| error.message().unwrap_or_default().to_owned())
}
