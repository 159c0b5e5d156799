//! Who a person truly is, before any system has had the chance to write it down wrongly.

use crate::{
    calendar::FIRST_DAY,
    places::{COUNTRIES, Country, MAIL_PROVIDERS, SHARED_MAILBOXES, ascii},
    random::{Chance, Purpose},
};

/// How a person is known to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bond {
    /// Has an account in the shop.
    Member,
    /// Orders without an account.
    Guest,
    /// Has left an address, and never ordered.
    Lead,
}

/// A person whom the business knows.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// The person's number, counted from 0.
    pub(crate) index: u64,
    pub(crate) bond: Bond,
    pub(crate) country: &'static Country,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) city: &'static str,
    /// The day of birth, in days since 1970-01-01.
    pub(crate) birth_day: i32,
    /// The mailbox that the person uses for almost everything.
    pub(crate) email: String,
    /// The mailbox that the person also has.
    pub(crate) second_email: String,
    /// The number of the telephone that the person shares with everybody who has the same one.
    telephone: u64,
}

/// The share of persons who have their telephone in common with the person before them.
const SHARED_TELEPHONES: f64 = 0.02;
/// The share of guests who order from the mailbox of the company where they work.
const COMPANY_MAILBOXES: f64 = 0.012;

impl Person {
    /// The person with number `index`.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut chance = Chance::new(seed, Purpose::Person, index);
        let mut person = Self::alone(&mut chance, index);
        if index > 0 && chance.happens(SHARED_TELEPHONES) {
            let other = Self::alone(&mut Chance::new(seed, Purpose::Person, index - 1), index - 1);
            person.country = other.country;
            person.city = other.city;
            person.last_name = other.last_name;
            person.telephone = other.telephone;
            person.first_name = chance.pick(other.country.first_names);
        }
        (person.email, person.second_email) = mailboxes(&mut chance, &person);
        // One guest is at work in any case, so that even the smallest lake has a shared mailbox.
        if index < 2 || (person.bond == Bond::Guest && chance.happens(COMPANY_MAILBOXES)) {
            person.bond = Bond::Guest;
            person.email = if index < 2 {
                SHARED_MAILBOXES[0]
            } else {
                chance.pick(&SHARED_MAILBOXES)
            }
            .to_owned();
        }
        person
    }

    /// The number that the answers call this person by.
    pub(crate) fn id(&self) -> u64 {
        self.index + 1
    }

    /// The telephone number, without the calling code and without a trunk zero.
    pub(crate) fn national_number(&self) -> String {
        // A prime that shares no factor with ten keeps the last seven digits apart for ten million telephones.
        let digits = (self.telephone * 6_700_417 + 2_345_678) % 10_000_000;
        let prefixes = self.country.mobile_prefixes;
        let position = usize::try_from(self.telephone).unwrap_or_default() % prefixes.len();
        match self.country.code {
            // North American exchanges do not begin with 0 or 1.
            "US" => format!(
                "{}{}{:06}",
                prefixes[position],
                2 + digits / 1_000_000 % 8,
                digits % 1_000_000
            ),
            _ => format!("{}{digits:07}", prefixes[position]),
        }
    }

    fn alone(chance: &mut Chance, index: u64) -> Self {
        let country = chance.weighted(&COUNTRIES, |country| country.share);
        let bond = match chance.uniform() {
            share if share < 0.78 => Bond::Member,
            share if share < 0.90 => Bond::Guest,
            _ => Bond::Lead,
        };
        let years = (18.0 + chance.gamma(3.2, 0.15)).min(94.0);
        Self {
            index,
            bond,
            country,
            first_name: chance.pick(country.first_names),
            last_name: chance.pick(country.last_names),
            // Squaring prefers the large cities, which come first.
            city: country.cities[(chance.uniform().powi(2) * country.cities.len() as f64) as usize],
            birth_day: FIRST_DAY - (years * 365.25) as i32,
            email: String::new(),
            second_email: String::new(),
            telephone: index,
        }
    }
}

/// Two mailboxes, of which nobody else has one: the person's number is part of both.
fn mailboxes(chance: &mut Chance, person: &Person) -> (String, String) {
    let (first, last) = (ascii(person.first_name), ascii(person.last_name));
    let number = person.index + 1;
    let mut provider = || chance.weighted(&MAIL_PROVIDERS, |(_, share)| *share).0;
    let (domain, second_domain) = (provider(), provider());
    let local = match chance.below(4) {
        0 => format!("{first}.{last}{number}"),
        1 => format!("{first}{last}{number}"),
        2 => format!("{first}.{number}"),
        _ => format!("{}.{last}{number}", &first[..1]),
    };
    (
        format!("{local}@{domain}"),
        format!("{last}.{first}-{number}@{second_domain}"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nobody_shares_a_mailbox_but_at_work() {
        let persons: Vec<Person> = (0..5_000).map(|index| Person::new(7, index)).collect();
        let normal = |email: &str| match email.split_once('@') {
            Some((local, "gmail.com" | "googlemail.com")) => local.replace('.', ""),
            _ => email.to_owned(),
        };
        let private = persons
            .iter()
            .filter(|person| !SHARED_MAILBOXES.contains(&person.email.as_str()));
        let mailboxes: Vec<String> = private
            .flat_map(|person| [normal(&person.email), normal(&person.second_email)])
            .collect();
        assert_eq!(mailboxes.iter().collect::<HashSet<_>>().len(), mailboxes.len());
        assert!(
            persons
                .iter()
                .filter(|person| person.email == SHARED_MAILBOXES[0])
                .count()
                > 1
        );
    }

    #[test]
    fn telephones_are_shared_by_few() {
        let numbers: Vec<String> = (0..5_000)
            .map(|index| Person::new(7, index))
            .map(|person| format!("+{}{}", person.country.calling_code, person.national_number()))
            .collect();
        let shared = numbers.len() - numbers.iter().collect::<HashSet<_>>().len();
        assert!((60..140).contains(&shared), "{shared} of {}", numbers.len());
    }
}
