//! What can go wrong while a demo lake is written.

use std::{io, path::PathBuf};

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use perennial_base::{ErrorClass, UserError};

/// The result of writing a demo lake.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a demo lake was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number of customers asked for is outside of what the generator makes.
    #[error("cannot make {customers} customers")]
    Customers {
        /// The number asked for.
        customers: u64,
        /// The largest number that can be asked for.
        most: u64,
    },
    /// The folder holds a demo already.
    #[error("\"{}\" already exists", path.display())]
    AlreadyExists {
        /// Its configuration.
        path: PathBuf,
    },
    /// The folder holds something that is no demo.
    #[error("the folder \"{}\" is not empty, and what it has is no demo", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has a configuration that is not of a demo.
    #[error("\"{}\" is not of a demo", path.display())]
    NoDemo {
        /// The configuration.
        path: PathBuf,
    },
    /// It was asked to stop.
    #[error("the making of the demo was interrupted")]
    Interrupted,
    /// The file system refused.
    #[error("cannot write \"{}\"", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A Parquet file could not be written.
    #[error("cannot write the Parquet file \"{}\"", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        source: ParquetError,
    },
    /// Rows did not fit the columns of their table, which is a defect of the generator.
    #[error("the rows of \"{table}\" do not fit its columns")]
    Columns {
        /// The source's name.
        table: &'static str,
        /// What does not fit.
        source: ArrowError,
    },
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Customers { .. } => ErrorClass::InvalidArgument,
            Self::AlreadyExists { .. } | Self::NotEmpty { .. } | Self::NoDemo { .. } => {
                ErrorClass::DuplicateObject
            }
            Self::Interrupted => ErrorClass::Cancelled,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => ErrorClass::DiskFull,
            Self::Io { .. } | Self::Parquet { .. } => ErrorClass::Unavailable,
            Self::Columns { .. } => ErrorClass::Internal,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Customers { most, .. } => Some(format!("A demo lake has between 1 and {most} customers.")),
            Self::AlreadyExists { .. } | Self::Interrupted => None,
            Self::NotEmpty { .. } => {
                Some("A demo is a folder of its own: whoever is done with it removes the folder.".to_owned())
            }
            Self::NoDemo { .. } => {
                Some("The first line of a demo's says how `perennial demo` made it.".to_owned())
            }
            Self::Io { source, .. } => Some(format!("The system says: {source}.")),
            Self::Parquet { source, .. } => Some(format!("The writer says: {source}.")),
            Self::Columns { source, .. } => Some(format!("The columns say: {source}.")),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::AlreadyExists { .. } => {
                Some("Choose another folder, or remove the demo lake that is there.".to_owned())
            }
            Self::NotEmpty { .. } => Some(
                "Choose another folder with --dir: an empty one, or one that is not there yet.".to_owned(),
            ),
            Self::NoDemo { path } => Some(format!(
                "Choose another folder with --dir; `perennial serve --config {}` serves this one.",
                path.display()
            )),
            Self::Io { .. } | Self::Parquet { .. } => {
                Some("Choose a folder that can be written, on a disk with room.".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_a_refusal() {
        let class = |kind: io::ErrorKind| {
            Error::Io {
                path: "lake".into(),
                source: kind.into(),
            }
            .class()
        };
        assert_eq!(class(io::ErrorKind::StorageFull), ErrorClass::DiskFull);
        assert_eq!(class(io::ErrorKind::PermissionDenied), ErrorClass::Unavailable);
    }
}
