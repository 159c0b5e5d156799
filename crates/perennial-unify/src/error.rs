//! What can go wrong in a run.

use std::path::Path;

use perennial_base::config::Spot;
use perennial_base::{ErrorClass, UserError, counted};
use perennial_lake::PLATFORM_FOLDER;

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
    /// A lake without a snapshot in which no source has a file: nothing is committed.
    #[error("no source has a file in the lake \"{lake}\"")]
    Nothing {
        /// Where the lake is, in the words of the configuration.
        lake: String,
        /// How many sources there are.
        sources: usize,
        /// Whether there are files that are still being written.
        waiting: bool,
        /// Parquet files that no source takes.
        unclaimed: usize,
    },
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

    /// What failures have in common that are alike: the message without the platform's own files, of which every run has
    /// others, and of a store that cannot be reached the reason alone, whatever was asked of it.
    pub(crate) fn alike(&self) -> String {
        let message = self.without_places();
        if self.class() == ErrorClass::Unavailable
            && let Some((_, reason)) = message.split_once("\": ")
        {
            return reason.to_owned();
        }
        let parts = message.split('"');
        parts.filter(|part| !part.starts_with(PLATFORM_FOLDER)).collect()
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
            Self::LeftOut(_) | Self::Nothing { .. } => ErrorClass::InvalidArgument,
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
            Self::Nothing {
                sources,
                waiting,
                unclaimed,
                ..
            } => match (*sources, *waiting, *unclaimed) {
                (0, ..) => Some("The configuration has no [[source]].".to_owned()),
                (_, true, _) => Some("Files are still being written there.".to_owned()),
                (.., 0) => None,
                (.., files) => Some(format!(
                    "No path of a source leads to {}.",
                    counted(files as u64, "Parquet file")
                )),
            },
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
            Self::Nothing {
                sources,
                waiting,
                unclaimed,
                ..
            } => Some(match (*sources, *waiting, *unclaimed) {
                (0, ..) => "Add one for each kind of files; `perennial init` proposes them.".to_owned(),
                (_, true, _) => "Run again when they are done.".to_owned(),
                (.., 0) => {
                    "Land files there, or look whether it is the right folder and its volume is mounted."
                        .to_owned()
                }
                _ => "Correct the paths; `perennial check` says where each source looks.".to_owned(),
            }),
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

    #[test]
    fn failures_of_different_files_of_ours_are_alike_and_of_landed_ones_are_not() {
        let full = |path: &str| {
            Error::from(perennial_lake::Error::DiskFull {
                path: path.to_owned(),
            })
        };
        let (one, other) = (
            full("_perennial/data/orders/1-ab"),
            full("_perennial/data/orders/1-cd"),
        );
        assert_eq!(one.alike(), other.alike());
        let gone = |path: &str| {
            Error::from(perennial_lake::Error::NotFound {
                path: path.to_owned(),
            })
        };
        assert_ne!(gone("orders/a.parquet").alike(), gone("orders/b.parquet").alike());
        assert_ne!(one.alike(), gone("_perennial/data/orders/1-ab").alike());
        let away = |operation, path: &str| {
            Error::from(perennial_lake::Error::Unavailable {
                operation,
                path: path.to_owned(),
                reason: "away".to_owned(),
            })
        };
        assert_eq!(
            away("list", "orders").alike(),
            away("read", "crm/a.parquet").alike()
        );
    }
}
