//! How to run.

use crate::compact::Bounds;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Run although nothing has changed, and work out everything.
    pub full: bool,
    /// Look again, a few times, while a file seems to be written still; otherwise such files are left for the next run.
    pub settle: bool,
    /// Leave a snapshot in force that was made with another configuration by a run which began after this process had
    /// read its own: somebody has changed the file since.
    pub yields: bool,
    /// Let rows go that are served and whose files are there, when the configuration leaves them out.
    pub allow_removal: bool,
    /// From when on the run does more than to add to what there is.
    pub bounds: Bounds,
}

impl RunOptions {
    /// How a user runs: what is new, as soon as it is at rest.
    pub const SETTLED: Self = Self {
        full: false,
        settle: true,
        yields: false,
        allow_removal: false,
        bounds: Bounds::DEFAULT,
    };
}
