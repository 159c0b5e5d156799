//! Seeds of random cases: printed, so that a failure can be repeated.

use std::sync::OnceLock;

use proptest::test_runner::{Config, RngSeed};

const CASES: u32 = 2_000;

/// Thousands of cases (or `PROPTEST_CASES`) from a seed that is printed, or from `PROPTEST_RNG_SEED`.
#[expect(
    clippy::disallowed_methods,
    reason = "the cases of a test are no settings of the product"
)]
pub(super) fn config() -> Config {
    static SEED: OnceLock<u64> = OnceLock::new();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = *SEED.get_or_init(|| {
        let random = || std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0);
        number("PROPTEST_RNG_SEED").unwrap_or_else(random)
    });
    println!("PROPTEST_RNG_SEED={seed} repeats these cases");
    Config {
        cases: number("PROPTEST_CASES").map_or(CASES, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}
