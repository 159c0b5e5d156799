//! The variables by which the test set-up tells the tests what is there; `tests/README.md` lists them.

use std::env;

/// The value of a variable that is set to something. Where it is absent, the test that asks says so and is skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are configured by the environment alone"
)]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
