//! `cargo xtask test`: sets up what the tests need and runs them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::postgres::Cluster;
use crate::setup::{self, Tools};
use crate::shell::{Repository, call, environment, say};
use crate::stores::Stores;

/// Names the folder of the real data sets; by default the one beside the checkout.
const DATA: &str = "PERENNIAL_TEST_DATA";
/// Names the file in which tests that are skipped say so.
const SKIPPED: &str = "PERENNIAL_TEST_SKIPPED";

/// The page of clients, and what stands above its rows.
const CLIENTS: &str = "crates/perennial-pgserver/CLIENTS.md";
const HEADING: &str = "\
# Clients

Written by `cargo xtask clients`. Each suite is what users of the client do; it is played by the client itself on PostgreSQL 15 and on
Perennial with the same relations, and PostgreSQL's answers are the expected ones. Checks that differ are listed with their reasons in
`crates/perennial-cli/tests/clients/differences.txt`.

| client | version | checks | that differ | what is exercised |
|---|---|---|---|---|
";

/// Runs `cargo test` over the workspace; `arguments` go to it. Nothing is printed after its last line.
pub(crate) fn run(repository: &Repository, arguments: &[String]) -> Result<()> {
    let mut command = command(repository);
    command.args(arguments);
    with_tools(&mut command)
}

/// `cargo xtask faults`: every fault, the heavy ones too, against the binary and against PostgreSQL; `arguments` go to
/// `cargo test`.
///
/// The profile is that of the tests: the same artifacts, deeper frames on the stack, checks of overflow, and less speed, so
/// that whoever passes in it passes in the other. `--release` plays them against what users run.
pub(crate) fn faults(repository: &Repository, arguments: &[String]) -> Result<()> {
    let mut command = command(repository);
    command
        .args(["--test", "faults"])
        .args(arguments)
        .env("PERENNIAL_TEST_HEAVY", "1");
    with_tools(&mut command)
}

/// `cargo xtask clients`: the suites of all clients against the binary and against PostgreSQL; `arguments` go to `cargo test`.
/// When all have been played, the page of clients is written from what came of them.
pub(crate) fn clients(repository: &Repository, arguments: &[String]) -> Result<()> {
    let results = std::env::temp_dir().join(format!("perennial-clients-{}", std::process::id()));
    // One of a run that was killed says nothing of this one.
    let _ = fs::remove_file(&results);
    let mut command = command(repository);
    command
        .args(["--test", "clients"])
        .args(arguments)
        .envs(setup::clients()?)
        .env("PERENNIAL_TEST_CLIENTS", &results);
    let outcome = with_tools(&mut command);
    let lines = fs::read_to_string(&results).unwrap_or_default();
    // It is there only when a suite agreed.
    let _ = fs::remove_file(results);
    outcome?;
    if arguments.is_empty() {
        fs::write(repository.root.join(CLIENTS), page(&lines))?;
        say(CLIENTS);
    }
    Ok(())
}

/// The page of clients from the lines of their suites.
fn page(lines: &str) -> String {
    let mut rows: Vec<String> = lines
        .lines()
        .map(|line| format!("| {} |", line.replace('\t', " | ")))
        .collect();
    rows.sort_by_key(|row| row.to_lowercase());
    format!("{HEADING}{}\n", rows.join("\n"))
}

/// `cargo test` over the workspace, with the real data sets where they are.
pub(crate) fn command(repository: &Repository) -> Command {
    let mut command = repository.command("cargo");
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    if environment(DATA).is_none() {
        let beside = repository.root.join("../shared/data");
        if beside.is_dir() {
            command.env(DATA, beside);
        } else {
            say(format_args!(
                "no real data sets, so the tests on them are skipped: name their folder in {DATA} to run them"
            ));
        }
    }
    command
}

/// Installs the tools, names them in the command's environment and runs it.
///
/// Tests and benches find their tools through the environment. A variable is set only where the tool is there: a test whose
/// variable is absent says so and is skipped, one whose variable names something absent fails. Where `CI` is set nothing may
/// be absent: a run that skips what the machine could not install proves less than it says.
pub(crate) fn with_tools(command: &mut Command) -> Result<()> {
    let tools = setup::run()?;
    let stores = Stores::start(&tools);
    let absent: Vec<&str> = tools.absent().chain(stores.absent()).collect();
    if environment("CI").is_some() && !absent.is_empty() {
        bail!(
            "{} absent, and CI runs every test: install what the lines above name, or unset CI to skip the tests with it",
            absent.join(", ")
        );
    }
    let Tools {
        python,
        pgjdbc,
        postgres,
        ..
    } = tools;
    command.envs(stores.environment.iter().map(|(name, value)| (name, value)));
    if let Some(python) = python {
        command.env("PERENNIAL_TEST_PYTHON", python);
    }
    if let Some(pgjdbc) = pgjdbc {
        command.env("PERENNIAL_TEST_PGJDBC", pgjdbc);
    }
    let cluster = match postgres {
        Some(programs) if environment("PERENNIAL_TEST_POSTGRES").is_none() => cluster(&programs),
        _ => None,
    };
    if let Some(cluster) = &cluster {
        command.env("PERENNIAL_TEST_POSTGRES", cluster.connection_string());
    }
    let skipped = std::env::temp_dir().join(format!("perennial-skipped-{}", std::process::id()));
    // One of a run that was killed says nothing of this one.
    let _ = fs::remove_file(&skipped);
    let outcome = call(command.env(SKIPPED, &skipped));
    say_skipped(&fs::read_to_string(&skipped).unwrap_or_default());
    // It is there only when a test was skipped.
    let _ = fs::remove_file(skipped);
    outcome
}

/// Counts the tests that said they were skipped, by reason.
fn say_skipped(lines: &str) {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (test, why) in lines.lines().filter_map(|line| line.split_once(": ")) {
        tests.entry(why).or_default().push(test);
    }
    for (why, tests) in tests {
        say(format_args!(
            "skipped, because {why}: {} ({})",
            tests.len(),
            tests.join(", ")
        ));
    }
}

/// A machine that cannot run PostgreSQL runs the other tests.
fn cluster(programs: &Path) -> Option<Cluster> {
    match Cluster::start(programs) {
        Ok(cluster) => Some(cluster),
        Err(error) => {
            say(format_args!(
                "no PostgreSQL, so the tests that compare with it are skipped: {error:#}"
            ));
            None
        }
    }
}
