//! What identifies a person, and how far it may be trusted.

use perennial_normalise::Rule as Normalisation;

use crate::Error;
use crate::blocklist::{BlockedEntry, Blocklist};

/// How many identifier types there may be: as many as a set of types has places.
const MAX_TYPES: usize = 64;

/// The rules of identity resolution: identifier types in order of priority, strongest first, and values that
/// identify nobody.
#[derive(Debug, Clone)]
pub struct Rules {
    identifiers: Vec<IdentifierRule>,
    blocklist: Blocklist,
}

/// A type of identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierRule {
    /// The name of the type, such as `email`.
    pub name: String,
    /// How its values are made comparable.
    pub normalise: Normalisation,
    /// Whether a value of it makes an identified person of an anonymous visitor.
    pub strong: bool,
    /// How many values of it a customer holds at most, from 1; no bound when absent.
    pub limit: Option<u32>,
    /// How many customers, as built from stronger identifiers alone, a value of it may join, from 1: a value of more
    /// joins nobody. No bound when absent.
    pub max_customers: Option<u32>,
}

impl Rules {
    /// Checks the rules. `blocked` is joined to the built-in list: a plain entry blocks the value in every
    /// type (in any case, and however the type's normalisation lets it be spelt), one that ends with an at sign blocks the mailbox in every domain, and one that starts
    /// with an exclamation mark takes a built-in entry off the list. Without any type nothing joins records.
    ///
    /// # Errors
    /// More than 64 types, a type without a name, two of one name, a bound of 0, an entry that takes off what is
    /// not on the built-in list.
    pub fn try_new(identifiers: Vec<IdentifierRule>, blocked: &[String]) -> Result<Self, Error> {
        if identifiers.len() > MAX_TYPES {
            return Err(Error::TooManyIdentifierTypes {
                count: identifiers.len(),
                limit: MAX_TYPES,
            });
        }
        for (place, rule) in identifiers.iter().enumerate() {
            if rule.name.trim().is_empty() {
                return Err(Error::UnnamedIdentifierType);
            }
            if identifiers
                .iter()
                .take(place)
                .any(|other| other.name == rule.name)
            {
                return Err(Error::DuplicateIdentifierType {
                    name: rule.name.clone(),
                });
            }
            for (setting, bound) in [("limit", rule.limit), ("max_customers", rule.max_customers)] {
                if bound == Some(0) {
                    return Err(Error::ZeroBound {
                        name: rule.name.clone(),
                        setting,
                    });
                }
            }
        }
        let blocklist = Blocklist::try_new(blocked, identifiers.iter().map(|rule| rule.normalise))?;
        Ok(Self {
            identifiers,
            blocklist,
        })
    }

    /// The types in order of priority, strongest first. The place in this order is a type's index everywhere else.
    pub fn identifiers(&self) -> &[IdentifierRule] {
        &self.identifiers
    }

    /// The index of the type of this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.identifiers.iter().position(|rule| rule.name == name)
    }

    /// Every entry of the block list that is in force, built-in ones first. The place in this order is an entry's number
    /// everywhere else.
    pub fn blocked(&self) -> impl Iterator<Item = BlockedEntry<'_>> {
        self.blocklist.entries()
    }

    pub(crate) fn blocklist(&self) -> &Blocklist {
        &self.blocklist
    }
}

impl IdentifierRule {
    /// A weak type without bounds whose values are compared exactly.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            normalise: Normalisation::Exact,
            strong: false,
            limit: None,
            max_customers: None,
        }
    }

    /// The same, normalised in another way.
    #[must_use]
    pub fn with_normalise(mut self, normalise: Normalisation) -> Self {
        self.normalise = normalise;
        self
    }

    /// The same as a strong type.
    #[must_use]
    pub fn with_strong(mut self) -> Self {
        self.strong = true;
        self
    }

    /// The same with a bound on the values of a customer.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same with a bound on the customers of a value.
    #[must_use]
    pub fn with_max_customers(mut self, max_customers: u32) -> Self {
        self.max_customers = Some(max_customers);
        self
    }
}
