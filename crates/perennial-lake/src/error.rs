//! The errors of the lake. Neither credentials nor paths beyond what the user configured are ever part of one.

use std::error::Error as StdError;
use std::io;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use perennial_base::{ErrorClass, UserError};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between the platform and its store. Paths are relative to the lake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A lake's url that cannot be understood.
    #[error("invalid lake url \"{url}\": {reason}")]
    InvalidUrl {
        /// The url, without what could be a credential.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A lake's folder that does not exist or cannot be used.
    #[error("cannot open the lake \"{url}\": {reason}")]
    Folder {
        /// The url as configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path or pattern that names nothing inside of a lake.
    #[error("invalid path \"{path}\": {reason}")]
    InvalidPath {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store did not do what was asked of it.
    #[error("cannot {operation} \"{path}\": {reason}")]
    Unavailable {
        /// What was asked: read, write, list, delete.
        operation: &'static str,
        /// Of which object.
        path: String,
        /// What the store or the network said, as far as it is safe to repeat.
        reason: String,
    },
    /// The store refused the credentials, or the operating system the access.
    #[error("not allowed to {operation} \"{path}\"")]
    NotAllowed {
        /// What was asked.
        operation: &'static str,
        /// Of which object.
        path: String,
    },
    /// The disk, or a quota on it, is used up.
    #[error("no space left to write \"{path}\"")]
    DiskFull {
        /// Which object was being written.
        path: String,
    },
    /// An object that a snapshot or a listing names is gone.
    #[error("file \"{path}\" is no longer there")]
    NotFound {
        /// The object.
        path: String,
    },
    /// An object was replaced while it was read.
    #[error("file \"{path}\" was replaced while it was read")]
    Replaced {
        /// The object.
        path: String,
    },
    /// A data file of ours that is not what was written.
    #[error("data file \"{path}\" is damaged: {reason}")]
    DamagedData {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A snapshot's document that cannot be read.
    #[error("snapshot {number} is damaged: {reason}")]
    DamagedSnapshot {
        /// The snapshot.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A snapshot that a newer version of the platform wrote.
    #[error("snapshot {number} has format {format}, this version reads up to {newest}")]
    NewerFormat {
        /// The snapshot.
        number: u64,
        /// Its format.
        format: u32,
        /// The newest format that this build reads.
        newest: u32,
    },
    /// The reply to a commit was lost and the outcome could not be read back.
    #[error("snapshot {number} may or may not have been committed: {reason}")]
    Unconfirmed {
        /// The snapshot.
        number: u64,
        /// What prevented the answer.
        reason: String,
    },
    /// The store accepts a second object under a name that must be given once.
    #[error("the store of \"{url}\" ignores create-if-absent")]
    Unconditional {
        /// The lake.
        url: String,
    },
    /// A manifest or file that the caller put together wrongly.
    #[error("cannot write \"{path}\": {reason}")]
    Malformed {
        /// What was to be written.
        path: String,
        /// Which rule it breaks.
        reason: String,
    },
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Folder { reason, .. } if is_denied(reason) => ErrorClass::Unavailable,
            Self::InvalidUrl { .. } | Self::Folder { .. } | Self::InvalidPath { .. } => {
                ErrorClass::InvalidArgument
            }
            // A store's refusal is the operator's to settle; no right of a role changes it.
            Self::Unavailable { .. } | Self::NotAllowed { .. } | Self::Unconfirmed { .. } => {
                ErrorClass::Unavailable
            }
            Self::DiskFull { .. } => ErrorClass::DiskFull,
            Self::NotFound { .. } => ErrorClass::MissingFile,
            Self::DamagedSnapshot { .. } | Self::DamagedData { .. } => ErrorClass::DamagedFile,
            Self::Replaced { .. } => ErrorClass::Conflict,
            Self::NewerFormat { .. } | Self::Unconditional { .. } => ErrorClass::Unsupported,
            Self::Malformed { .. } => ErrorClass::Internal,
        }
    }

    fn detail(&self) -> Option<String> {
        let text = match self {
            Self::DiskFull { .. } => "Nothing was committed: what is served stays as it is.",
            Self::DamagedData { .. } => "A snapshot names it, and nobody but Perennial writes there.",
            Self::NotFound { .. } => "Somebody removed it after it was admitted.",
            Self::Unconfirmed { .. } => "The store was asked to commit, and its answer did not arrive.",
            Self::Unconditional { .. } => {
                "Commits rely on it: without it two processes could overwrite each other's snapshot."
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::InvalidUrl { .. } => {
                "Use a folder such as \"./lake\", or s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."
            }
            Self::Folder { reason, .. } if is_denied(reason) => {
                "Grant the operating system's user access to the folder."
            }
            Self::Folder { .. } => "Create the folder, or correct \"url\" in the section [lake].",
            Self::InvalidPath { .. } => {
                "Give a path below the lake, such as \"shop/orders/\" or \"shop/**/*.parquet\"."
            }
            Self::Unavailable { reason, .. } if reason == NO_BUCKET => {
                "Create it, or correct \"url\" in the section [lake]."
            }
            Self::Unavailable { reason, .. } if reason == PLAIN_HTTP => {
                "Set AWS_ALLOW_HTTP, AZURE_ALLOW_HTTP or GOOGLE_ALLOW_HTTP to true in the environment, or use https://."
            }
            Self::Unavailable { reason, .. } if reason == AWAY || reason == ELSEWHERE => {
                "Mount its disk, or move it back to its place, and try again."
            }
            Self::Unavailable { .. } => {
                "Check that the store can be reached from here; the same call may succeed later."
            }
            Self::NotAllowed { .. } => {
                "Grant access to the operating system's user, or check the credentials in the environment."
            }
            Self::DiskFull { .. } => "Free space on the disk of the lake, or raise the quota, and run again.",
            Self::NotFound { .. } | Self::Replaced { .. } => {
                "Run the statement again; it then reads the newest snapshot."
            }
            Self::DamagedData { .. } => {
                "`perennial unify --full` makes all data files anew from what has landed; where it needs this one, restore it from a backup."
            }
            Self::DamagedSnapshot { .. } => {
                "Restore the file from a backup, or remove it to go back to the snapshot before."
            }
            Self::NewerFormat { .. } => "Use the newer version of the platform for this lake.",
            Self::Unconfirmed { .. } => {
                "Run again: what was committed is recognised, what was not is made anew."
            }
            Self::Unconditional { .. } => {
                "Use a store or a version of it that honours the header If-None-Match."
            }
            Self::Malformed { .. } => return None,
        };
        Some(text.to_owned())
    }
}

impl Error {
    /// The error that a failed `operation` on `path` (relative to the lake) amounts to.
    pub fn store(operation: &'static str, path: &str, error: &object_store::Error) -> Self {
        use object_store::Error as Store;
        let path = path.to_owned();
        match error {
            // A folder without files is an empty listing.
            Store::NotFound { .. } if operation == "list" => Self::Unavailable {
                operation,
                path,
                reason: NO_BUCKET.to_owned(),
            },
            Store::NotFound { .. } => Self::NotFound { path },
            Store::Precondition { .. } | Store::NotModified { .. } => Self::Replaced { path },
            // A folder that may be listed can have one in it that may not.
            Store::PermissionDenied { path: below, .. }
                if below
                    .strip_prefix(&path)
                    .is_some_and(|rest| rest.starts_with('/')) =>
            {
                Self::NotAllowed {
                    operation,
                    path: below.clone(),
                }
            }
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
                Self::NotAllowed { operation, path }
            }
            Store::InvalidPath { .. } => Self::InvalidPath {
                path,
                reason: "not the name of an object".to_owned(),
            },
            _ => Self::from_chain(operation, path, error),
        }
    }

    /// The error that a failed write of a Parquet file amounts to.
    pub(crate) fn write(path: &str, error: &ParquetError) -> Self {
        match error {
            // The library hands errors of the schema through as foreign ones, like those of the store.
            ParquetError::External(inner) if !inner.is::<ArrowError>() => {
                Self::from_chain("write", path.to_owned(), error)
            }
            other => Self::Malformed {
                path: path.to_owned(),
                reason: lower_first(&strip_prefix(&other.to_string())),
            },
        }
    }

    /// The error that a failure of the operating system amounts to.
    fn from_chain(operation: &'static str, path: String, error: &(dyn StdError + 'static)) -> Self {
        match io_kind(error) {
            Some(kind) if no_room(kind) => Self::DiskFull { path },
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                Self::NotAllowed { operation, path }
            }
            Some(io::ErrorKind::NotFound) if operation == "read" => Self::NotFound { path },
            Some(kind) => Self::Unavailable {
                operation,
                path,
                reason: kind.to_string(),
            },
            None => match http_status(error).as_deref() {
                Some("401" | "403") => Self::NotAllowed { operation, path },
                // S3 answers so to a listing; one of a folder without files is empty.
                Some("404") if operation == "list" => Self::Unavailable {
                    operation,
                    path,
                    reason: NO_BUCKET.to_owned(),
                },
                status => Self::Unavailable {
                    operation,
                    path,
                    reason: match status {
                        Some(status) => format!("the store answered with HTTP status {status}"),
                        None if says(error, "URL scheme is not allowed") => PLAIN_HTTP.to_owned(),
                        None if says(error, AWAY) => AWAY.to_owned(),
                        None => "the store gave no usable answer".to_owned(),
                    },
                },
            },
        }
    }
}

/// What a listing says when there is nothing to list in.
const NO_BUCKET: &str = "the bucket or container does not exist";
/// What a local store says to everything while its folder is not there.
pub(crate) const AWAY: &str = "the folder of the lake is not there";
/// What is wrong with a folder that has no snapshots, and had what is read: see [`crate::Lake::is_elsewhere`].
pub(crate) const ELSEWHERE: &str = "the lake is not in its folder";
/// What the network says to an endpoint without encryption.
const PLAIN_HTTP: &str = "the endpoint is http://, which the environment does not allow";

/// Whether an error, or one behind it, says just this.
fn says(error: &(dyn StdError + 'static), text: &str) -> bool {
    error.to_string() == text || error.source().is_some_and(|cause| says(cause, text))
}

/// Whether the operating system refused the access to a folder.
fn is_denied(reason: &str) -> bool {
    reason == io::ErrorKind::PermissionDenied.to_string()
}

/// Whether there was no room for what was written: a limit on the size of a file is a quota too.
pub fn no_room(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// The most telling kind of the operating system's errors in a chain. An [`io::Error`] may wrap another error
/// that its `source` jumps over, so that both ways are followed.
pub fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let own = error.downcast_ref::<io::Error>();
    let wrapped = own
        .and_then(|error| error.get_ref())
        .and_then(|inner| io_kind(inner));
    wrapped.or_else(|| error.source().and_then(io_kind)).or_else(|| {
        own.map(io::Error::kind)
            .filter(|kind| *kind != io::ErrorKind::Other)
    })
}

/// The HTTP status in a store's failure. Its own text can hold signed urls and keys, so only the status, and the kind of
/// the operating system's error, are taken from it.
fn http_status(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(current) = cause {
        let text = current.to_string();
        if let Some((_, rest)) = text.split_once("status code: ") {
            let status: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !status.is_empty() {
                return Some(status);
            }
        }
        cause = current.source();
    }
    None
}

/// A message of the Parquet or Arrow library without the word that names its variant.
pub(crate) fn strip_prefix(text: &str) -> String {
    let prefixes = [
        "Parquet error: ",
        "Arrow: ",
        "Parquet argument error: ",
        "EOF: ",
        "External: ",
        "NYI: ",
    ];
    let mut rest = text;
    while let Some(shorter) = prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    let mut cut: String = rest
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    cut.truncate(cut.trim_end_matches(['.', ' ']).len());
    cut
}

/// The text with its first letter in lower case, unless the word is in capitals.
pub(crate) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_found_behind_every_wrapping() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let generic = |source| object_store::Error::Generic {
            store: "local",
            source,
        };
        let deep = generic(Box::new(io::Error::other(generic(Box::new(full())))));
        assert!(matches!(
            Error::store("write", "a", &generic(Box::new(full()))),
            Error::DiskFull { .. }
        ));
        assert!(matches!(
            Error::store("write", "a", &deep),
            Error::DiskFull { .. }
        ));
        let parquet = ParquetError::External(Box::new(io::Error::other(generic(Box::new(full())))));
        let error = Error::write("_perennial/data/t/a", &parquet);
        assert_eq!(error.class(), ErrorClass::DiskFull);
        assert_eq!(
            error.to_string(),
            "no space left to write \"_perennial/data/t/a\""
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("Free space")));
    }

    #[test]
    fn a_file_that_goes_while_it_is_read_says_nothing_of_the_lake() {
        let gone = object_store::Error::Generic {
            store: "local",
            source: Box::new(io::Error::from(io::ErrorKind::NotFound)),
        };
        let error = Error::store("read", "shop/a.parquet", &gone);
        assert_eq!(error.to_string(), "file \"shop/a.parquet\" is no longer there");
        let error = Error::store("delete", "_perennial/a", &gone);
        assert!(!error.to_string().contains("folder of the lake"), "{error}");
    }

    #[test]
    fn a_folder_that_may_not_be_listed_is_named_itself() {
        let denied = |path: &str| object_store::Error::PermissionDenied {
            path: path.to_owned(),
            source: "denied".into(),
        };
        let told = |path: &str| Error::store("list", "orders", &denied(path)).to_string();
        assert_eq!(told("orders/2026"), "not allowed to list \"orders/2026\"");
        for other in ["orders", "", "orders2/x", "prefix/orders/2026"] {
            assert_eq!(told(other), "not allowed to list \"orders\"");
        }
    }

    #[test]
    fn a_stores_text_is_not_repeated() {
        let text = "Error performing GET https://b.blob.core.windows.net/c?sig=SECRET - Server returned non-2xx status code: 503: busy";
        let error = object_store::Error::Generic {
            store: "azure",
            source: text.into(),
        };
        let shown = Error::store("read", "a", &error).to_string();
        assert_eq!(
            shown,
            "cannot read \"a\": the store answered with HTTP status 503"
        );
    }

    #[test]
    fn what_an_operator_can_set_right_is_told() {
        let source = || "NoSuchBucket".into();
        let path = String::new();
        let error = Error::store(
            "list",
            "crm",
            &object_store::Error::NotFound {
                path,
                source: source(),
            },
        );
        assert_eq!(
            error.to_string(),
            "cannot list \"crm\": the bucket or container does not exist"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("[lake]")));
        assert_eq!(error.class(), ErrorClass::Unavailable);
        let source = io::Error::other("URL scheme is not allowed");
        let http = object_store::Error::Generic {
            store: "S3",
            source: Box::new(object_store::Error::Generic {
                store: "HTTP client",
                source: Box::new(Caused(source)),
            }),
        };
        let error = Error::store("list", "crm", &http);
        assert!(
            error.hint().is_some_and(|hint| hint.contains("AWS_ALLOW_HTTP")),
            "{error}"
        );
    }

    /// A failure of the network whose cause is told by `source` alone.
    #[derive(Debug, thiserror::Error)]
    #[error("builder error")]
    struct Caused(#[source] io::Error);

    #[test]
    fn a_refusal_is_told_apart_from_a_failure() {
        #[track_caller]
        fn check(status: u16, expected: &str) {
            let text = format!("Server returned non-2xx status code: {status} Forbidden: <Error/>");
            let error = object_store::Error::Generic {
                store: "S3",
                source: text.into(),
            };
            assert_eq!(Error::store("list", "a", &error).to_string(), expected);
        }
        check(401, "not allowed to list \"a\"");
        check(403, "not allowed to list \"a\"");
        check(500, "cannot list \"a\": the store answered with HTTP status 500");
        check(404, "cannot list \"a\": the bucket or container does not exist");
    }
}
