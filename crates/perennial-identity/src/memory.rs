//! The memory that identity resolution may take.

use std::fmt;

use crate::Error;

/// Grants memory before it is taken. It is asked with all that is held and about to be taken, in bytes, and holds as much
/// until it is asked again or dropped.
pub(crate) struct Memory(Option<Box<dyn FnMut(usize) -> bool + Send + Sync>>);

impl Memory {
    /// As much as there is.
    pub(crate) fn unbounded() -> Self {
        Self(None)
    }

    pub(crate) fn granted_by(grant: impl FnMut(usize) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(grant)))
    }

    /// Whether this many bytes are held from now on.
    pub(crate) fn grants(&mut self, bytes: usize) -> bool {
        self.0.as_mut().is_none_or(|grant| grant(bytes))
    }

    /// Holds this many bytes from now on.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Error> {
        match self.grants(bytes) {
            true => Ok(()),
            false => Err(Error::OutOfMemory { bytes }),
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "bounded" } else { "unbounded" })
    }
}
