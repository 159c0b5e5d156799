//! What the benches of whole processes share: how a process is measured, the demo lakes, the product and its peers.
//!
//! A figure is a whole process as the operating system sees it: wall time, processor time over all threads, and peak
//! resident memory. A peer runs in the same bench, turn by turn with the product, and the ratio is what counts: machines
//! differ, and one machine differs from minute to minute.

mod lake;
mod peers;
mod process;
mod product;
mod report;

pub use crate::lake::{DemoLake, demo_lake};
pub use crate::peers::{DuckDb, postgres, python};
pub use crate::process::{Meter, Run, run};
pub use crate::product::{Served, perennial};
pub use crate::report::{Samples, Table, canonical, say};

/// A bench stops at the first thing that goes wrong and shows it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The arguments behind `--` that are not cargo's own.
pub fn arguments() -> Vec<String> {
    std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect()
}
