//! What a run tells while it goes on.

/// Somebody who watches a run.
pub trait Progress: Send + Sync {
    /// A phase begins; `total` rows or buckets are expected, where that is known.
    fn phase(&self, name: &'static str, total: Option<u64>);
    /// So many more rows or buckets of the phase are done.
    fn advance(&self, by: u64);
    /// A file is read to its end, and so many rows of the phase with it.
    fn file(&self, rows: u64);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn phase(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn file(&self, _: u64) {}
}
