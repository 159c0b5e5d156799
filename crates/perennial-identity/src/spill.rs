//! A place outside of memory, for what is large and seldom read.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};

use crate::Error;

/// A place outside of memory, such as a file without a name, which goes with what was written there.
pub trait Spill: Send + Sync {
    /// Writes bytes behind all that were written before, and answers where they start.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&self, bytes: &[u8]) -> io::Result<u64>;

    /// Reads as many bytes as there is room for, from where `start` says. They have been written.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self, start: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// The place, if there is one, and whether anything of it could not be read. Texts are read in the midst of comparisons,
/// which cannot fail: what could not be read is empty, and [`Self::check`] tells afterwards that all was in vain.
#[derive(Clone, Default)]
pub(crate) struct Away(Option<Arc<Place>>);

struct Place {
    spill: Box<dyn Spill>,
    failed: OnceLock<io::Error>,
}

impl Away {
    pub(crate) fn new(spill: impl Spill + 'static) -> Self {
        Self(Some(Arc::new(Place {
            spill: Box::new(spill),
            failed: OnceLock::new(),
        })))
    }

    /// Whether there is a place.
    pub(crate) fn somewhere(&self) -> bool {
        self.0.is_some()
    }

    /// Where the bytes start from now on; none without a place.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Option<u64>, Error> {
        let Some(place) = &self.0 else { return Ok(None) };
        let start = place.spill.write(bytes).map_err(|error| refused(&error))?;
        Ok(Some(start))
    }

    /// Fills the bytes, with zeros where they cannot be read.
    pub(crate) fn read(&self, start: u64, bytes: &mut [u8]) {
        let Some(place) = &self.0 else { return };
        if let Err(error) = place.spill.read(start, bytes) {
            bytes.fill(0);
            place.failed.get_or_init(|| error);
        }
    }

    /// Whether all that was read could be read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.0.as_ref().and_then(|place| place.failed.get()) {
            Some(error) => Err(refused(error)),
            None => Ok(()),
        }
    }

    /// Does what reads a lot. Texts that cannot be read have no order, which sorting may answer with a panic: then too the
    /// error is that of reading.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let done = catch_unwind(AssertUnwindSafe(work));
        self.check()?;
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl fmt::Debug for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "somewhere" } else { "nowhere" })
    }
}

fn refused(error: &io::Error) -> Error {
    Error::Spill {
        cause: error.to_string(),
        full: matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        ),
    }
}
