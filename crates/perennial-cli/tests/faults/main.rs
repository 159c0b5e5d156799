//! What can be done to a server, and that it goes on: every fault is played against the binary as a process over a small
//! lake, and against PostgreSQL as the control. `tests/README.md` says how a fault is added.

#![cfg(test)]

mod bytes;
mod client;
mod clients;
mod fault;
mod login;
#[path = "../shared/process.rs"]
mod process;
mod random;
mod reader;
mod server;
mod sql;
mod time;
mod wire;

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::client::Connection;
use crate::fault::Fault;
use crate::process::variable;
use crate::server::{Engine, POSTGRES, Server};

/// Set to anything, the heavy faults are played too, and all of them against the control; `cargo xtask faults` sets it.
const HEAVY: &str = "PERENNIAL_TEST_HEAVY";
/// In this time the server answers a new client after a fault.
const ANSWER: Duration = Duration::from_secs(2);

type Stage =
    Arc<LazyLock<Result<Option<Server>, String>, Box<dyn FnOnce() -> Result<Option<Server>, String> + Send>>>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // What is measured after a fault is the work of that one.
    arguments.test_threads = Some(1);
    let engines = [Engine::Perennial, Engine::Postgres];
    let mut trials = Vec::new();
    for engine in engines {
        let start =
            move || Server::start(engine).map_err(|error| error.message().unwrap_or_default().to_owned());
        let stage: Stage = Arc::new(LazyLock::new(Box::new(start)));
        trials.extend(faults().into_iter().map(|fault| {
            let stage = Arc::clone(&stage);
            let name = format!("{}::{}::{}", engine.name(), fault.area, fault.name);
            Trial::ignorable_test(name, move || trial(engine, &stage, &fault))
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn faults() -> Vec<Fault> {
    [
        sql::faults(),
        time::faults(),
        clients::faults(),
        wire::faults(),
        login::faults(),
        reader::faults(),
        random::faults(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn trial(engine: Engine, stage: &Stage, fault: &Fault) -> Result<Completion, Failed> {
    if (fault.heavy || engine == Engine::Postgres) && variable(HEAVY).is_none() {
        return Ok(Completion::ignored_with("cargo xtask faults plays it"));
    }
    let server = match &***stage {
        Ok(Some(server)) => server,
        Ok(None) => return Ok(Completion::ignored_with(format!("{POSTGRES} is not set"))),
        Err(error) => return Err(error.into()),
    };
    let mut observer = server.session()?;
    observer.ask("SET application_name = 'observer'")?;
    observer.ask("SET statement_timeout = '17s'")?;
    server.forget_peak()?;
    let played = fault.play(server);
    // What a fault has done to the server and to others says more than what came of it.
    let aftermath = server.check().and_then(|()| undisturbed(server, &mut observer));
    match (aftermath, played) {
        (Ok(()), Ok(())) => Ok(Completion::Completed),
        (Ok(()), Err(wrong)) | (Err(wrong), Ok(())) => Err(wrong),
        (Err(aftermath), Err(played)) => {
            let text = |error: &Failed| error.message().unwrap_or_default().to_owned();
            Err(format!("{}\n{}", text(&played), text(&aftermath)).into())
        }
    }
}

/// A new client is answered in time, and so is one who was there before, with the settings that it made.
fn undisturbed(server: &Server, observer: &mut Connection) -> Result<(), Failed> {
    let mut newcomer = server.session_within(ANSWER)?;
    let answers = [
        (newcomer.within(ANSWER).ask("SELECT 1")?, "1"),
        (observer.within(ANSWER).ask("SELECT 1")?, "1"),
        (observer.ask("SHOW application_name")?, "observer"),
        (observer.ask("SHOW statement_timeout")?, "17s"),
    ];
    match answers.iter().find(|(answer, expected)| answer != expected) {
        Some((answer, expected)) => {
            Err(format!("others are disturbed: {answer:?} instead of {expected:?}").into())
        }
        None => Ok(()),
    }
}
