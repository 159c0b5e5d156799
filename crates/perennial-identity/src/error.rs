//! What can be wrong with the rules, the ids of the past, or the amount of data.

use perennial_base::{ErrorClass, UserError};
use thiserror::Error;

/// An error of identity resolution.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// More identifier types than a set of types has places.
    #[error("{count} identifier types are configured, at most {limit} can be")]
    TooManyIdentifierTypes {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An identifier type without a name.
    #[error("an identifier type has no name")]
    UnnamedIdentifierType,
    /// A name that stands for two identifier types.
    #[error("identifier type \"{name}\" is configured twice")]
    DuplicateIdentifierType {
        /// The name.
        name: String,
    },
    /// A bound of zero.
    #[error("{setting} of identifier type \"{name}\" is 0")]
    ZeroBound {
        /// The identifier type.
        name: String,
        /// `limit` or `max_customers`.
        setting: &'static str,
    },
    /// An entry of the block list that takes off what is not on the built-in list.
    #[error("\"{entry}\" is not on the built-in block list")]
    NotBlocked {
        /// The entry without its exclamation mark.
        entry: String,
    },
    /// A survivorship rule that does not exist.
    #[error("survivorship rule \"{text}\" does not exist")]
    UnknownSurvivorshipRule {
        /// The rule as it was written.
        text: String,
    },
    /// More sources than a set of sources has places.
    #[error("{count} sources carry identifiers, at most {limit} can")]
    TooManySources {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A name that stands for two sources.
    #[error("source \"{name}\" is given twice")]
    DuplicateSource {
        /// The name.
        name: String,
    },
    /// An index of an identifier type, a source or an interned thing that nobody handed out.
    #[error("there is no {what} number {index}")]
    UnknownIndex {
        /// What the index counts.
        what: &'static str,
        /// The index.
        index: usize,
    },
    /// More of a thing than 32-bit numbers can tell apart.
    #[error("more than {} {what}", u32::MAX - 1)]
    TooMany {
        /// What there is too much of.
        what: &'static str,
    },
    /// More memory than there may be.
    #[error("identity resolution needs {} MB of memory, which is more than it may have", bytes.div_ceil(1_000_000))]
    OutOfMemory {
        /// What it would hold, in bytes.
        bytes: usize,
    },
    /// What was sent away from memory, or should have been, cannot be written or read.
    #[error("what identity resolution has no memory for cannot be kept elsewhere: {cause}")]
    Spill {
        /// The system's answer.
        cause: String,
        /// Whether the disk is full.
        full: bool,
    },
    /// Text that is not a customer id.
    #[error("\"{text}\" is not a customer id")]
    InvalidCustomerId {
        /// The text.
        text: String,
    },
    /// An id that stands twice among the published ones.
    #[error("customer id \"{id}\" is recorded twice")]
    DuplicatePublishedId {
        /// The id.
        id: String,
    },
    /// A redirect that does not lead to a current id.
    #[error("customer id \"{id}\" is redirected to \"{to}\", which is not a current id")]
    BrokenRedirect {
        /// The retired id.
        id: String,
        /// Where it leads.
        to: String,
    },
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::TooManyIdentifierTypes { .. }
            | Self::UnnamedIdentifierType
            | Self::DuplicateIdentifierType { .. }
            | Self::ZeroBound { .. }
            | Self::NotBlocked { .. }
            | Self::UnknownSurvivorshipRule { .. }
            | Self::TooManySources { .. }
            | Self::DuplicateSource { .. } => ErrorClass::InvalidArgument,
            Self::InvalidCustomerId { .. } => ErrorClass::InvalidText,
            Self::TooMany { .. } => ErrorClass::TooLarge,
            Self::OutOfMemory { .. } => ErrorClass::OutOfMemory,
            Self::Spill { full: true, .. } => ErrorClass::DiskFull,
            Self::Spill { .. } => ErrorClass::Unavailable,
            Self::DuplicatePublishedId { .. } | Self::BrokenRedirect { .. } => ErrorClass::DamagedFile,
            Self::UnknownIndex { .. } => ErrorClass::Internal,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::OutOfMemory { .. } => Some(
                "Of every distinct value of an identifier, of every set of values and of every record of a person some \
                 fifty bytes are held in memory until customers are known."
                    .to_owned(),
            ),
            Self::BrokenRedirect { .. } => Some("A redirect leads to a current id in one hop.".to_owned()),
            Self::InvalidCustomerId { .. } => Some(
                "A customer id has 16 characters of the lower-case Crockford base32 alphabet: digits and letters \
                 without i, l, o and u."
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::OutOfMemory { .. } => Some("Raise server.memory.".to_owned()),
            Self::Spill { full: true, .. } => {
                Some("Free space, or set server.spill_dir to a folder on a larger disk.".to_owned())
            }
            Self::Spill { .. } => Some("Set server.spill_dir to a folder that can be written.".to_owned()),
            Self::ZeroBound { .. } => Some("Leave the setting out for no bound, or give a number from 1.".to_owned()),
            Self::NotBlocked { .. } => {
                Some("An entry that starts with \"!\" takes a built-in entry off the block list.".to_owned())
            }
            Self::UnknownSurvivorshipRule { .. } => Some(
                "The rules are \"most_recent\", \"most_frequent\", \"first\", \"source_priority\" and \"longest\"."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
