//! The variables by which the test set-up tells the tests what is there; `tests/README.md` lists them.

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

use crate::must;

/// The value of a variable that is set to something. Where it is absent, the test that asks says so and is skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are configured by the environment alone"
)]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The file in which `cargo xtask test` counts the tests that were skipped.
const SKIPPED: &str = "PERENNIAL_TEST_SKIPPED";

/// Says that the test of this thread is skipped, and why: past the harness, which shows what a test prints only when it
/// fails, and to whoever counts.
///
/// # Panics
///
/// If the file that counts cannot be written.
pub fn skipped(why: impl Display) {
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    // Nobody may be reading.
    let _ = write!(std::io::stderr(), "skipped {line}");
    if let Some(file) = variable(SKIPPED) {
        let opened = OpenOptions::new().append(true).create(true).open(file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        must("counting a skipped test", written);
    }
}
