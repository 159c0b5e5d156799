//! `cargo xtask soak`: the property and fault suites, round after round with more cases and a new seed, until the time is over.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{Failed, Repository, say};
use crate::suite;

/// How long without a word.
const MINUTES: u64 = 30;
/// Cases of each property in a round; a usual run has at most 3,000.
const CASES: u64 = 10_000;
/// Random worlds of each test that makes whole lakes.
const WORLDS: u64 = 10;

/// What runs in a round: the arguments of `cargo xtask test`. Properties are beside the code, faults are in `tests/it`.
const SUITES: [&[&str]; 4] = [
    &["--lib"],
    &["--test", "faults", "--", "random"],
    // Processes that are killed, or write and read beside each other: of them it is the moment that differs.
    &[
        "--test",
        "binary",
        "--",
        "interrupted::",
        "readers::",
        "writers::",
    ],
    &[
        "--test",
        "it",
        "--",
        "away::",
        "bombs::",
        "changes::",
        "history_is_what_was_known_then",
        "identity::",
        "incremental::",
        "keys::",
        "kill::",
        "landing::",
        "layout::",
        "left_out::",
        "lookups::",
        "matrix::",
        "pieces::",
        "releases::",
        "retention::",
        "snapshots::",
        "stores::",
        "time::",
        "wires::",
        "words::",
    ],
];

/// Runs rounds for so many minutes; the round that is under way then is finished. Stops at the first failure, and says how
/// to repeat it.
pub(crate) fn run(repository: &Repository, minutes: Option<&String>) -> Result<()> {
    let minutes = match minutes {
        Some(text) => text
            .parse()
            .with_context(|| format!("\"{text}\" is not a number of minutes"))?,
        None => MINUTES,
    };
    let (start, lasts) = (Instant::now(), Duration::from_secs(60 * minutes));
    let mut rounds = 0_u32;
    while rounds == 0 || start.elapsed() < lasts {
        rounds += 1;
        // Short enough to be typed.
        let seed = RandomState::new().hash_one(rounds) >> 40;
        say(format_args!("round {rounds}: seed {seed}"));
        for suite in SUITES {
            round(repository, seed, suite)?;
        }
    }
    say(format_args!("{rounds} rounds without a failure"));
    Ok(())
}

fn round(repository: &Repository, seed: u64, suite: &[&str]) -> Result<()> {
    let mut command = suite::command(repository);
    command.args(suite);
    let variables = [
        ("PROPTEST_RNG_SEED", seed),
        ("PROPTEST_CASES", CASES),
        ("PERENNIAL_TEST_SEED", seed),
        ("PERENNIAL_TEST_WORLDS", WORLDS),
    ];
    for (name, value) in variables {
        command.env(name, value.to_string());
    }
    match suite::with_tools(&mut command) {
        Err(error) if error.is::<Failed>() => {
            let set: Vec<String> = variables
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let words = suite.join(" ");
            bail!(
                "seed {seed} fails; to repeat it:\n{} cargo xtask test {words}",
                set.join(" ")
            );
        }
        outcome => outcome,
    }
}
