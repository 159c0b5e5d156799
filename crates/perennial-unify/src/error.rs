//! What can go wrong in a run.

use std::path::Path;

use perennial_base::config::Spot;
use perennial_base::{ErrorClass, UserError};

use crate::left_out::LeftOut;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How a key of several columns is written.
const SEVERAL: &str = "A key of several columns is one text: a || '/' || b. Without one of them a row has no key; write \
                       coalesce(b, '') where b may be absent.";

/// What can go wrong in a run. The former snapshot stays in force in any case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something of the configuration, and the file that it stands in.
    #[error("{file}:{cause}")]
    Configured {
        /// The file as the caller named it.
        file: String,
        /// What is wrong, beginning with the place.
        cause: Box<Self>,
    },
    /// A mapping of the configuration does not fit the files.
    #[error("{at}: {key} of source \"{name}\": {cause}")]
    Mapping {
        /// The source.
        name: String,
        /// The key of its table.
        key: String,
        /// Where it stands in the file.
        at: Spot,
        /// What the expression says wrong.
        cause: Box<perennial_engine::Error>,
    },
    /// An expression of a segment, a named fact or a metric does not fit its relation.
    #[error("{at}: {what} \"{name}\": {cause}")]
    Predicate {
        /// `segment`, `lifecycle fact` or `metric`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where it stands in the file.
        at: Spot,
        /// What it says wrong.
        cause: Box<perennial_engine::Error>,
    },
    /// An identifier's rule that does not exist.
    #[error("{at}: normalise of identifier \"{name}\": {cause}")]
    Identifier {
        /// The type of the identifier.
        name: String,
        /// Where it stands in the file.
        at: Spot,
        /// What is wrong with it.
        cause: perennial_normalise::Error,
    },
    /// The configuration leaves out what is served.
    #[error("{0}")]
    LeftOut(Box<LeftOut>),
    /// A path of a source that is none.
    #[error("{at}: path of source \"{name}\": {cause}")]
    Path {
        /// The source.
        name: String,
        /// Where it stands in the file.
        at: Spot,
        /// What is wrong with it.
        cause: Box<perennial_lake::Error>,
    },
    /// The folder for intermediate data cannot be used.
    #[error("intermediate data cannot be {action} in \"{folder}\": {cause}")]
    Scratch {
        /// What was tried.
        action: &'static str,
        /// The folder.
        folder: String,
        /// The system's answer.
        cause: String,
        /// Whether the disk is full.
        full: bool,
    },
    /// Other runs committed first, again and again.
    #[error("other runs committed first {attempts} times in a row")]
    Contended {
        /// How often it was tried.
        attempts: usize,
    },
    /// A source path of the configuration.
    #[error(transparent)]
    Lake(#[from] perennial_lake::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] perennial_engine::Error),
    /// Identity resolution.
    #[error(transparent)]
    Identity(#[from] perennial_identity::Error),
    /// The stage model.
    #[error(transparent)]
    Lifecycle(#[from] perennial_udf_lifecycle::Error),
}

impl Error {
    /// The error with the configuration that it is about, if it is about one.
    pub(crate) fn of_file(self, file: &str) -> Self {
        let of_a_line = match &self {
            Self::Mapping { .. }
            | Self::Predicate { .. }
            | Self::Identifier { .. }
            | Self::Path { .. }
            | Self::LeftOut(_) => true,
            Self::Lifecycle(error) => error.at().is_some(),
            _ => false,
        };
        if !of_a_line {
            return self;
        }
        Self::Configured {
            file: file.to_owned(),
            cause: Box::new(self),
        }
    }

    /// The error of a `record_key`; of one that is no text, with how a key of several columns is written.
    pub(crate) fn of_key(self) -> Self {
        match self {
            Self::Mapping { name, key, at, cause }
                if matches!(cause.class(), ErrorClass::Syntax | ErrorClass::TypeMismatch) =>
            {
                Self::Mapping {
                    name,
                    key,
                    at,
                    cause: Box::new(cause.with_hint(SEVERAL)),
                }
            }
            other => other,
        }
    }

    /// Why the files of a source, or one of them, are left out, as it stands beside them. Clients read it, who may not
    /// know where the configuration lies: it has the name of its file alone.
    pub(crate) fn of_source(&self, file: &str) -> String {
        match self {
            Self::Mapping { key, at, cause, .. } => {
                let name = Path::new(file).file_name().unwrap_or_default();
                format!("{key} of the source, in {}:{at}: {cause}", name.display())
            }
            other => other.to_string(),
        }
    }

    /// The message for those who may not know where the server keeps its data.
    pub(crate) fn without_places(&self) -> String {
        match self {
            Self::Scratch { full: true, .. } => "the disk for intermediate data is full".to_owned(),
            Self::Scratch { action, .. } => format!("intermediate data cannot be {action}"),
            Self::Configured { file, cause } => {
                let name = Path::new(file).file_name().unwrap_or_default();
                format!("{}:{cause}", name.display())
            }
            other => other.to_string(),
        }
    }
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Configured { cause, .. } => cause.class(),
            Self::Mapping { cause, .. } | Self::Predicate { cause, .. } => cause.class(),
            Self::Identifier { cause, .. } => cause.class(),
            Self::Path { cause, .. } => cause.class(),
            Self::LeftOut(_) => ErrorClass::InvalidArgument,
            Self::Scratch { full: true, .. } => ErrorClass::DiskFull,
            Self::Scratch { .. } => ErrorClass::Unavailable,
            Self::Contended { .. } => ErrorClass::Conflict,
            Self::Lake(error) => error.class(),
            Self::Engine(error) => error.class(),
            Self::Identity(error) => error.class(),
            Self::Lifecycle(error) => error.class(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Configured { cause, .. } => cause.detail(),
            Self::Mapping { cause, .. } | Self::Predicate { cause, .. } => cause.detail(),
            Self::Identifier { cause, .. } => cause.detail(),
            Self::Path { cause, .. } => cause.detail(),
            Self::Lake(error) => error.detail(),
            Self::Engine(error) => error.detail(),
            Self::Identity(error) => error.detail(),
            Self::Lifecycle(error) => error.detail(),
            Self::LeftOut(_) | Self::Scratch { .. } | Self::Contended { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Configured { cause, .. } => cause.hint(),
            Self::Mapping { cause, .. } => cause.hint(),
            Self::Predicate { cause, what, .. } => cause.hint().or_else(|| {
                Some(match *what {
                    "segment" => "A segment is a condition on the columns of customer_360.".to_owned(),
                    "metric" => "A metric is an expression over the columns of customer_360.".to_owned(),
                    _ => "A fact is a condition on the columns of its relation.".to_owned(),
                })
            }),
            Self::Identifier { cause, .. } => cause.hint(),
            Self::Path { cause, .. } => cause.hint(),
            Self::LeftOut(left) => Some(left.hint()),
            Self::Scratch { full: true, .. } => {
                Some("Free space, or set server.spill_dir to a folder on a larger disk.".to_owned())
            }
            Self::Scratch { .. } => Some("Set server.spill_dir to a folder that can be written.".to_owned()),
            Self::Contended { .. } => Some("Run again.".to_owned()),
            Self::Lake(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Identity(error) => error.hint(),
            Self::Lifecycle(error) => error.hint(),
        }
    }
}

impl From<datafusion::common::DataFusionError> for Error {
    fn from(error: datafusion::common::DataFusionError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Engine(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_its_file_and_a_client_is_not_told_the_folder() {
        let error = Error::Mapping {
            name: "shop".to_owned(),
            key: "columns.amount".to_owned(),
            at: Spot { line: 15, column: 22 },
            cause: Box::new(perennial_engine::Error::new(
                ErrorClass::UndefinedColumn,
                "column \"amuont\" does not exist",
            )),
        };
        let error = error.of_file("conf/other.toml");
        let rest = "15:22: columns.amount of source \"shop\": column \"amuont\" does not exist";
        assert_eq!(error.to_string(), format!("conf/other.toml:{rest}"));
        assert_eq!(error.without_places(), format!("other.toml:{rest}"));
        assert_eq!(error.class(), ErrorClass::UndefinedColumn);
    }
}
