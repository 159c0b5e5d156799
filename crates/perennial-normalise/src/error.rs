//! What can be wrong with the name of a rule.

use perennial_base::{ErrorClass, UserError};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in the choice of a rule. No text to be normalised is ever an error: it has a normal form or none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A normalisation rule that does not exist.
    #[error("normalisation rule \"{rule}\" does not exist")]
    UnknownRule {
        /// The rule as it was written.
        rule: String,
    },
    /// A region without a telephone numbering plan.
    #[error("region \"{region}\" does not exist")]
    UnknownRegion {
        /// The region as it was written.
        region: String,
    },
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        ErrorClass::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownRule { .. } => {
                "The rules are \"email\", \"email_gmail\", \"phone:<region>\" such as \"phone:DE\", \"name\" and \"exact\"."
                    .to_owned()
            }
            Self::UnknownRegion { .. } => {
                "A region is a two-letter country code of ISO 3166-1, such as \"DE\" or \"US\".".to_owned()
            }
        })
    }
}
