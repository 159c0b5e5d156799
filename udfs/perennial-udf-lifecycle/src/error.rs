//! What can be wrong with a stage model.

use perennial_base::config::Spot;
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
    #[error("{}lifecycle stage \"{stage}\" is defined twice", place(*at))]
    DuplicateStage {
        /// The stage.
        stage: String,
        /// Where it stands in the configuration.
        at: Option<Spot>,
    },
    /// The last stage has conditions, so that some customers would be in no stage.
    #[error("{}the last lifecycle stage, \"{stage}\", has conditions", place(*at))]
    NoDefault {
        /// The last stage.
        stage: String,
        /// Where it stands in the configuration.
        at: Option<Spot>,
    },
    /// A stage after one that takes everybody.
    #[error("{}lifecycle stage \"{stage}\" can never be reached", place(*at))]
    Unreachable {
        /// The stage.
        stage: String,
        /// The stage before it without conditions.
        before: String,
        /// Where it stands in the configuration.
        at: Option<Spot>,
    },
    /// A stage whose conditions exclude each other.
    #[error("{}no customer can ever be in lifecycle stage \"{stage}\": {why}", place(*at))]
    NeverHolds {
        /// The stage.
        stage: String,
        /// Where it stands in the configuration.
        at: Option<Spot>,
        /// Which conditions do.
        why: String,
        /// The fact of `[lifecycle.facts]` that one of them asks for and that is not there.
        unmapped: Option<&'static str>,
    },
    /// A stage whose customers are all in earlier ones.
    #[error("{}lifecycle stage \"{stage}\" is never reached: {}", place(*at), taken(before, *twin))]
    Shadowed {
        /// The stage.
        stage: String,
        /// Where it stands in the configuration.
        at: Option<Spot>,
        /// The earlier stages, and where they stand.
        before: Vec<(String, Option<Spot>)>,
        /// Whether the earlier stage says the same.
        twin: bool,
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
    #[error("{}lifecycle stage \"{stage}\" asks for \"{fact}\", which is not a fact", place(*at))]
    UnknownFact {
        /// The stage.
        stage: String,
        /// The fact as it was written.
        fact: String,
        /// Where it stands in the configuration.
        at: Option<Spot>,
    },
    /// A condition that its fact does not understand.
    #[error("{}condition \"{fact}\" of lifecycle stage \"{stage}\" {what}", place(*at))]
    InvalidCondition {
        /// The stage.
        stage: String,
        /// The fact.
        fact: String,
        /// What is wrong, as the end of a sentence.
        what: &'static str,
        /// Where it stands in the configuration.
        at: Option<Spot>,
    },
}

/// The beginning of a message about a place in the configuration; whoever knows the file puts its name in front.
fn place(at: Option<Spot>) -> String {
    at.map(|at| format!("{at}: ")).unwrap_or_default()
}

impl Error {
    /// The place in the configuration with which the message begins.
    pub fn at(&self) -> Option<Spot> {
        match self {
            Self::DuplicateStage { at, .. }
            | Self::NoDefault { at, .. }
            | Self::Unreachable { at, .. }
            | Self::NeverHolds { at, .. }
            | Self::Shadowed { at, .. }
            | Self::UnknownFact { at, .. }
            | Self::InvalidCondition { at, .. } => *at,
            Self::UnknownPreset { .. } | Self::NoStages | Self::InvalidWindow { .. } => None,
        }
    }
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
            Self::NeverHolds {
                unmapped: Some(fact), ..
            } => Some(format!(
                "Add it, as in {fact} = \"events where name = '…'\", or take the stage out."
            )),
            Self::NeverHolds { .. } => Some("Change one of the conditions, or take the stage out.".into()),
            Self::Shadowed {
                stage, twin: true, ..
            } => Some(format!(
                "Take one of the two out, or change the conditions of \"{stage}\"."
            )),
            Self::Shadowed { stage, before, .. } => before.first().map(|(first, _)| {
                format!("The first stage that holds counts: move \"{stage}\" above \"{first}\".")
            }),
            _ => None,
        }
    }
}

/// Who takes the customers of a stage.
fn taken(before: &[(String, Option<Spot>)], twin: bool) -> String {
    let stages: Vec<String> = before
        .iter()
        .map(|(stage, at)| match at {
            Some(at) => format!("\"{stage}\" in line {}", at.line),
            None => format!("\"{stage}\""),
        })
        .collect();
    match (stages.as_slice(), twin) {
        ([stage], true) => format!("stage {stage} takes the very same customers first"),
        ([stage], false) => format!("stage {stage} takes all its customers first"),
        (stages, _) => format!("stages {} take all its customers first", stages.join(" and ")),
    }
}
