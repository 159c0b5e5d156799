//! What can be wrong with a stage model.

use perennial_base::{ErrorClass, UserError, nearest};

use crate::model::PRESETS;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in the definition of a stage model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A preset that does not exist.
    #[error("lifecycle preset \"{preset}\" does not exist")]
    UnknownPreset {
        /// The preset as it was written.
        preset: String,
    },
    /// A model without stages.
    #[error("a lifecycle model needs at least one stage")]
    NoStages,
    /// Two stages of one name.
    #[error("lifecycle stage \"{stage}\" is defined twice")]
    DuplicateStage {
        /// The stage.
        stage: String,
    },
    /// The last stage has conditions, so that some customers would be in no stage.
    #[error("the last lifecycle stage, \"{stage}\", has conditions")]
    NoDefault {
        /// The last stage.
        stage: String,
    },
    /// A stage after one that takes everybody.
    #[error("lifecycle stage \"{stage}\" can never be reached")]
    Unreachable {
        /// The stage.
        stage: String,
        /// The stage before it without conditions.
        before: String,
    },
    /// An adaptive window whose bounds or multiple no customer could satisfy.
    #[error("the \"{window}\" window's {what}")]
    InvalidWindow {
        /// `active` or `lapse`.
        window: &'static str,
        /// What is wrong, as the end of a sentence.
        what: &'static str,
    },
    /// A condition on a fact that does not exist.
    #[error("lifecycle stage \"{stage}\" asks for \"{fact}\", which is not a fact")]
    UnknownFact {
        /// The stage.
        stage: String,
        /// The fact as it was written.
        fact: String,
    },
    /// A condition that its fact does not understand.
    #[error("condition \"{fact}\" of lifecycle stage \"{stage}\" {what}")]
    InvalidCondition {
        /// The stage.
        stage: String,
        /// The fact.
        fact: String,
        /// What is wrong, as the end of a sentence.
        what: &'static str,
    },
}

impl UserError for Error {
    fn class(&self) -> ErrorClass {
        ErrorClass::InvalidArgument
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NoDefault { .. } => {
                Some("A customer is in exactly one stage at every moment, so the last stage takes everybody who is left.".into())
            }
            Self::Unreachable { before, .. } => {
                Some(format!("Stage \"{before}\" before it has no conditions and takes everybody."))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownPreset { preset } => Some(match nearest(preset, PRESETS) {
                Some(name) => format!("Perhaps you meant \"{name}\"."),
                None => format!("There are: {}.", PRESETS.join(", ")),
            }),
            Self::NoDefault { .. } => Some("Add a last stage that has only a name.".into()),
            Self::Unreachable { .. } => Some("Move the stage without conditions to the end.".into()),
            _ => None,
        }
    }
}
