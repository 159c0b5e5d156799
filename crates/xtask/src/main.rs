//! Tasks of the repository: `cargo xtask <task>`. The tasks run programs and read files; they link no engine, so that
//! they build in seconds.

mod benches;
mod ci;
mod docs;
mod examples;
mod postgres;
mod setup;
mod shell;
mod soak;
mod stores;
mod suite;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::shell::{Failed, Repository, say};

const HELP: &str = "\
usage: cargo xtask <task>

  ci [--explain] [STEP…]   what CI runs, or the steps named; --explain prints them
  test [ARGUMENT…]         set up what the tests need and run them; arguments go to cargo test
  clients [ARGUMENT…]      every client against the binary and against PostgreSQL; arguments go to cargo test
  faults [ARGUMENT…]       every fault against the binary and against PostgreSQL; arguments go to cargo test
  setup                    install what the tests need, once, outside of the clone
  tidy                     the rules of the house that need no compiler
  docs [--check]           write the pages that the product generates, or compare them
  examples                 run every example and compare what it prints
  bench [NAME [ARGUMENT…]]  run a bench beside its peers, or list the benches
  soak [MINUTES]           the property and fault suites with more cases and new seeds, 30 minutes by default
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // The program has said what is wrong; its last line stays the last line.
        Err(error) if error.is::<Failed>() => ExitCode::FAILURE,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((task, rest)) = arguments.split_first() else {
        say(HELP);
        return Ok(());
    };
    if matches!(task.as_str(), "help" | "--help" | "-h") {
        say(HELP);
        return Ok(());
    }
    let repository = Repository::locate()?;
    match (task.as_str(), rest) {
        ("ci", steps) => ci::run(&repository, steps),
        ("test", arguments) => suite::run(&repository, arguments),
        ("clients", arguments) => suite::clients(&repository, arguments),
        ("faults", arguments) => suite::faults(&repository, arguments),
        ("setup", []) => setup::run().map(|_| ()),
        ("tidy", []) => tidy::run(&repository),
        ("docs", []) => docs::write(&repository),
        ("docs", [flag]) if flag == "--check" => docs::check(&repository),
        ("examples", []) => examples::run(&repository),
        ("bench", arguments) => benches::run(&repository, arguments),
        ("soak", [] | [_]) => soak::run(&repository, rest.first()),
        _ => bail!("there is no such task\n\n{HELP}"),
    }
}
