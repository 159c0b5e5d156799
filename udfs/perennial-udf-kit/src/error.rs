//! The errors of SQL functions.

use datafusion_common::DataFusionError;
use perennial_base::{ErrorClass, UserError};

/// An error of a SQL function. It travels through the engine as `DataFusionError::External`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// No function of this name takes arguments of these types.
    #[error("function {function}({arguments}) does not exist")]
    Undefined {
        /// The function.
        function: &'static str,
        /// Types of the arguments, separated by commas.
        arguments: String,
        /// How it is called.
        syntax: String,
    },
    /// A value outside of an argument's range.
    #[error("{argument} {value} is out of range")]
    OutOfRange {
        /// The function.
        function: &'static str,
        /// The argument.
        argument: &'static str,
        /// The value.
        value: String,
        /// What the argument takes, as the end of a sentence.
        expected: &'static str,
    },
    /// An argument that is wrong in another way.
    #[error("argument \"{argument}\" of function {function} {reason}")]
    InvalidArgument {
        /// The function.
        function: &'static str,
        /// The argument.
        argument: &'static str,
        /// What is wrong, as the end of a sentence.
        reason: String,
        /// What to do about it, as a sentence.
        hint: Option<String>,
    },
    /// An argument that must be the same for all rows, and is not.
    #[error("argument \"{argument}\" of function {function} must be constant")]
    NotConstant {
        /// The function.
        function: &'static str,
        /// The argument.
        argument: &'static str,
    },
    /// DISTINCT in a call of an aggregate function for which every row counts.
    #[error("DISTINCT is not supported for {function}: every row counts")]
    Distinct {
        /// The function.
        function: String,
    },
}

impl FunctionError {
    /// An invalid argument.
    pub fn invalid(function: &'static str, argument: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidArgument {
            function,
            argument,
            reason: reason.into(),
            hint: None,
        }
    }

    /// The same error with a hint, if it is one about an invalid argument.
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::InvalidArgument { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }
}

impl UserError for FunctionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Undefined { .. } => ErrorClass::UndefinedFunction,
            Self::Distinct { .. } => ErrorClass::Unsupported,
            Self::OutOfRange { .. } | Self::InvalidArgument { .. } | Self::NotConstant { .. } => {
                ErrorClass::InvalidArgument
            }
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::OutOfRange {
                function,
                argument,
                expected,
                ..
            } => Some(format!(
                "Argument \"{argument}\" of function {function} takes {expected}."
            )),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Undefined { syntax, .. } => Some(format!("It is called as {syntax}.")),
            Self::InvalidArgument { hint, .. } => hint.clone(),
            Self::Distinct { .. } => {
                Some("Take the distinct rows in FROM: (SELECT DISTINCT … FROM …).".to_owned())
            }
            _ => None,
        }
    }
}

impl From<FunctionError> for DataFusionError {
    fn from(error: FunctionError) -> Self {
        Self::External(Box::new(error))
    }
}
