//! Development only: seeded lakes, a server on port 0, the slt driver, the oracle reader.

mod embedded;
pub mod environment;
pub mod gcs;
pub mod lake;
pub mod oracle;
mod proxy;
mod server;
pub mod servers;
pub mod slt;

pub use lake::TestLake;
pub use perennial_base::{Clock, FixedClock, SystemClock};
pub use perennial_demo::QUERIES as DEMO_QUERIES;
pub use perennial_lake::testing::{Fault, Faults, Operation};
pub use perennial_unify::{
    Bounds, Doubt, LifecycleExplanation, Looks, Noticed, RateDoubts, Renamed, Report, RunOptions,
};
pub use proxy::{Proxy, Wire};
pub use server::{Setup, TestServer};

/// The value, or the end of the test.
#[expect(clippy::panic, reason = "a test that cannot be set up has failed")]
#[track_caller]
pub(crate) fn must<T>(what: &str, result: Result<T, impl std::fmt::Display>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}
