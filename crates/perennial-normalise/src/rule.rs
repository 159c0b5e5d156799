//! Rules by name, as a configuration chooses them for a type of identifier.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{
    email::{self, EmailRule},
    error::{Error, Result},
    fold, name,
    phone::{self, Region},
};

/// How the values of one type of identifier are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Rule {
    /// `exact`: outer white space and invisible marks go, and Unicode form NFKC; case matters. Blank text has no
    /// normal form. Right for ids that a system gave out.
    #[default]
    Exact,
    /// `email` and `email_gmail`.
    Email(EmailRule),
    /// `phone:<region>`.
    Phone(Region),
    /// `name`.
    Name,
}

impl Rule {
    /// The normal form of `text` by this rule, or `None` when it has none. Borrows when `text` contains it.
    pub fn normalise<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Self::Exact => Some(fold::compatible(text)).filter(|text| !text.is_empty()),
            Self::Email(rule) => email::normalise(text, *rule),
            Self::Phone(region) => phone::normalise(text, *region),
            Self::Name => name::normalise(text),
        }
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "exact" => Ok(Self::Exact),
            None if text == "email" => Ok(Self::Email(EmailRule::Plain)),
            None if text == "email_gmail" => Ok(Self::Email(EmailRule::Gmail)),
            None if text == "name" => Ok(Self::Name),
            Some(("phone", region)) => region.parse().map(Self::Phone),
            _ => Err(Error::UnknownRule {
                rule: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Email(EmailRule::Plain) => f.write_str("email"),
            Self::Email(EmailRule::Gmail) => f.write_str("email_gmail"),
            Self::Phone(region) => write!(f, "phone:{}", region.code()),
            Self::Name => f.write_str("name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, text: &str, expected: Option<&str>) {
        let parsed: Rule = rule.parse().unwrap();
        assert_eq!(parsed.normalise(text).as_deref(), expected, "{rule} {text:?}");
        assert_eq!(parsed.to_string(), rule);
    }

    #[test]
    fn rules_by_name() {
        check("exact", " A-17 ", Some("A-17"));
        check("exact", "", None);
        check("exact", " \u{FEFF}", None);
        check("email", "A.B+c@Gmail.com", Some("a.b+c@gmail.com"));
        check("email_gmail", "A.B+c@Gmail.com", Some("ab@gmail.com"));
        check("phone:DE", "030 123456", Some("+4930123456"));
        check("name", " Anna  Maria", Some("anna maria"));
    }

    #[test]
    fn unknown_names_are_errors() {
        for rule in ["", "Email", "phone", "email:DE", "phone_de"] {
            assert_eq!(
                rule.parse::<Rule>(),
                Err(Error::UnknownRule {
                    rule: rule.to_owned()
                })
            );
        }
        assert_eq!(
            "phone:XX".parse::<Rule>(),
            Err(Error::UnknownRegion {
                region: "XX".to_owned()
            })
        );
    }
}
