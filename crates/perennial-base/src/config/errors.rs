//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;

use thiserror::Error;

use super::Spot;
use crate::error::{ErrorClass, UserError};

/// No more problems than this are reported at once; the rest is counted.
pub const MAX_PROBLEMS: usize = 50;

/// Everything that is wrong with one configuration file, in the order of the file.
///
/// `Display` prints one block for each problem: place and message on one line, the hint indented below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file as the caller named it.
    pub file: String,
    /// The problems, at most [`MAX_PROBLEMS`].
    pub problems: Vec<ConfigProblem>,
    /// How many more there are.
    pub left_out: usize,
}

/// One problem and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// Where a configured value stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file as a whole.
    Whole,
    /// At a 1-based line and column (counted in characters) of the file.
    Line {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        name: String,
    },
}

impl Place {
    /// The line in the file; 0 for what does not stand in it.
    pub fn line(&self) -> usize {
        self.spot().line
    }

    /// Line and column in the file; 0 for what does not stand in it.
    pub fn spot(&self) -> Spot {
        match self {
            Self::Line { line, column } => Spot {
                line: *line,
                column: *column,
            },
            Self::Whole | Self::Environment { .. } => Spot::default(),
        }
    }
}

/// What can be wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the configuration: {reason}")]
    Unreadable {
        /// Whether it is the machine that does not let it be read, and not what was named.
        class: ErrorClass,
        /// What the system says.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The text is not TOML.
    #[error("{reason}")]
    Grammar {
        /// What the parser says.
        reason: String,
    },
    /// A key that does not exist.
    #[error("unknown key \"{key}\" in {section}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The section, as `[lake]` or `[[source]] "orders"`.
        section: String,
        /// A near key, or the list of all.
        remedy: String,
    },
    /// A section that does not exist.
    #[error("unknown section \"{name}\"")]
    UnknownSection {
        /// Its name.
        name: String,
        /// A near section, or the list of all.
        remedy: String,
    },
    /// A key that must be there.
    #[error("missing key \"{key}\" in {section}")]
    MissingKey {
        /// The key.
        key: String,
        /// The section.
        section: String,
        /// What to write.
        remedy: String,
    },
    /// A value of another type.
    #[error("\"{key}\" in {section} must be {expected}, not {found}")]
    WrongType {
        /// The key.
        key: String,
        /// The section.
        section: String,
        /// The type asked for, with its article.
        expected: String,
        /// The type found, with its article.
        found: String,
        /// What to write.
        remedy: String,
    },
    /// A value of the right type that cannot be.
    #[error("\"{key}\" in {section} {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// The section.
        section: String,
        /// The end of a sentence that begins with the key.
        reason: String,
        /// What to write.
        remedy: String,
    },
    /// A name that means nothing at its place.
    #[error("unknown {what} \"{name}\" in {section}")]
    UnknownName {
        /// What should have that name.
        what: String,
        /// The name.
        name: String,
        /// The section.
        section: String,
        /// A near name, or the list of all.
        remedy: String,
    },
    /// A name that is taken.
    #[error("{what} \"{name}\" exists twice")]
    Duplicate {
        /// What has that name.
        what: String,
        /// The name.
        name: String,
        /// Line of the first.
        first_line: usize,
    },
    /// Something of the design that this version does not serve.
    #[error("\"{key}\" in {section} is not supported by this version")]
    Unsupported {
        /// The key.
        key: String,
        /// The section.
        section: String,
        /// What to do instead.
        remedy: String,
    },
}

impl Problem {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Grammar { .. } => None,
            Self::Duplicate { what, first_line, .. } => Some(format!(
                "the first stands in line {first_line}; give each {what} a name of its own"
            )),
            Self::Unreadable { remedy, .. }
            | Self::UnknownKey { remedy, .. }
            | Self::UnknownSection { remedy, .. }
            | Self::MissingKey { remedy, .. }
            | Self::WrongType { remedy, .. }
            | Self::Invalid { remedy, .. }
            | Self::UnknownName { remedy, .. }
            | Self::Unsupported { remedy, .. } => Some(remedy.clone()).filter(|remedy| !remedy.is_empty()),
        }
    }
}

impl ConfigErrors {
    /// What is wrong, beginning with the place, and what to do about it.
    pub fn told(&self) -> impl Iterator<Item = (String, Option<String>)> {
        self.problems.iter().map(|ConfigProblem { place, problem }| {
            let place = match place {
                Place::Whole => self.file.clone(),
                Place::Line { line, column } => format!("{}:{line}:{column}", self.file),
                Place::Environment { name } => format!("environment variable {name}"),
            };
            (format!("{place}: {problem}"), problem.hint())
        })
    }

    /// How many more problems there are than are told.
    pub fn rest(&self) -> Option<String> {
        match self.left_out {
            0 => None,
            1 => Some("and 1 more problem".to_owned()),
            more => Some(format!("and {more} more problems")),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (problem, hint)) in self.told().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(&problem)?;
            if let Some(hint) = hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        match self.rest() {
            Some(rest) => write!(f, "\n{rest}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl UserError for ConfigErrors {
    fn class(&self) -> ErrorClass {
        if let [
            ConfigProblem {
                problem: Problem::Unreadable { class, .. },
                ..
            },
        ] = self.problems.as_slice()
        {
            return *class;
        }
        let all = |test: fn(&Problem) -> bool| {
            !self.problems.is_empty() && self.problems.iter().all(|entry| test(&entry.problem))
        };
        if all(|problem| matches!(problem, Problem::Grammar { .. })) {
            ErrorClass::Syntax
        } else if all(|problem| matches!(problem, Problem::Unsupported { .. })) {
            ErrorClass::Unsupported
        } else {
            ErrorClass::InvalidArgument
        }
    }
}
