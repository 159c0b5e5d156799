//! How systems and people write things down: the same mailbox in capitals, the same telephone in five formats, names
//! with slips, and values that mean nothing.

use crate::{person::Person, places::ascii, random::Chance};

/// A share of the records carries a value that was typed to get past a form.
const PLACEHOLDERS: f64 = 0.003;
const PLACEHOLDER_EMAILS: [&str; 5] = [
    "test@example.com",
    "noreply@example.com",
    "unknown@example.com",
    "none",
    "noemail@example.com",
];
const PLACEHOLDER_PHONES: [&str; 4] = ["0000000000", "+49 123 456789", "1111111111", "unknown"];
const TAGS: [&str; 4] = ["shop", "coffee", "news", "orders"];

/// A person's e-mail address, as a record has it.
pub(crate) fn email(chance: &mut Chance, person: &Person) -> String {
    if chance.happens(PLACEHOLDERS) {
        return chance.pick(&PLACEHOLDER_EMAILS).to_owned();
    }
    let address = if chance.happens(0.06) {
        &person.second_email
    } else {
        &person.email
    };
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let (mut local, mut domain) = (local.to_owned(), domain.to_owned());
    if chance.happens(0.02) {
        if chance.happens(0.6) {
            local = slip(chance, &local);
        } else {
            domain = domain
                .replace("gmail", "gmial")
                .replace(".example", ".exmaple")
                .replace("mail.", "mial.");
        }
    }
    let ignores_dots_and_tags = domain == "gmail.com" || domain == "googlemail.com";
    if ignores_dots_and_tags && chance.happens(0.10) {
        local = other_dots(chance, &local);
    }
    // People add tags where they know that the provider ignores them, and elsewhere by mistake.
    if chance.happens(if ignores_dots_and_tags { 0.155 } else { 0.02 }) {
        local = format!("{local}+{}", chance.pick(&TAGS));
    }
    let mut text = format!("{local}@{domain}");
    if chance.happens(0.12) {
        text = match chance.below(3) {
            0 => text.to_uppercase(),
            1 => capital(&text),
            _ => format!("{}@{}", capital(&local), capital(&domain)),
        };
    }
    if chance.happens(0.03) {
        text = if chance.happens(0.5) {
            format!(" {text}")
        } else {
            format!("{text}  ")
        };
    }
    text
}

/// A person's telephone number, as a record has it; a quarter has none.
pub(crate) fn phone(chance: &mut Chance, person: &Person) -> Option<String> {
    if chance.happens(0.25) {
        return None;
    }
    if chance.happens(PLACEHOLDERS) {
        return Some(chance.pick(&PLACEHOLDER_PHONES).to_owned());
    }
    let mut number = person.national_number();
    if chance.happens(0.015) {
        let (kept, last) = number.split_at(number.len() - 1);
        let digit = last.bytes().next().map_or(0, |byte| (byte - b'0' + 1) % 10);
        number = format!("{kept}{digit}");
    }
    let code = person.country.calling_code;
    let (area, rest) = number.split_at(3);
    let (middle, end) = rest.split_at(rest.len() / 2);
    // Without a calling code a number is of the home market.
    let at_home = person.country.code == "DE";
    Some(match chance.below(5) {
        0 => format!("+{code}{number}"),
        1 => format!("+{code} {area} {middle} {end}"),
        2 => format!("00{code}{area}{rest}"),
        3 if at_home => format!("0{area}/{rest}"),
        3 => format!("+{code} ({area}) {middle}-{end}"),
        _ if at_home => format!("0{area} {middle}{end}"),
        _ => format!("+{code}-{area}-{middle}{end}"),
    })
}

/// A first and a last name, as a record has them; each may be missing.
pub(crate) fn names(chance: &mut Chance, person: &Person) -> (Option<String>, Option<String>) {
    let (first, last) = (name(chance, person.first_name), name(chance, person.last_name));
    if chance.happens(0.01) {
        (last, first)
    } else {
        (first, last)
    }
}

/// One name, as a record has it.
pub(crate) fn name(chance: &mut Chance, name: &str) -> Option<String> {
    match chance.uniform() {
        share if share < 0.04 => Some(slip(chance, name)),
        share if share < 0.07 => Some(name.to_uppercase()),
        share if share < 0.10 => Some(name.to_lowercase()),
        share if share < 0.15 => Some(capital(&ascii(name))),
        share if share < 0.17 => Some(format!("{name} ")),
        share if share < 0.21 => None,
        _ => Some(name.to_owned()),
    }
}

/// A slip of the fingers: two letters swapped, one left out, or one typed twice.
fn slip(chance: &mut Chance, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let words = letters.iter().take_while(|c| !c.is_ascii_digit()).count();
    // The first letter and the digits, which tell people apart, are looked at more closely by whoever types.
    if words < 3 {
        return text.to_owned();
    }
    let position = 1 + chance.position(words - 2);
    match chance.below(3) {
        0 => letters.swap(position, position + 1),
        1 => {
            letters.remove(position);
        }
        _ => letters.insert(position, letters[position]),
    }
    letters.into_iter().collect()
}

/// The same mailbox with other dots.
fn other_dots(chance: &mut Chance, local: &str) -> String {
    if local.contains('.') {
        return local.replace('.', "");
    }
    let (before, after) = local.split_at(1 + chance.position(local.len() - 1));
    format!("{before}.{after}")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Purpose;

    fn person() -> Person {
        (5..)
            .map(|index| Person::new(7, index))
            .find(|person| person.email.ends_with("@gmail.com"))
            .unwrap()
    }

    /// Holds the share of addresses that something is true of against the rate that it should have.
    #[track_caller]
    fn check(expected: f64, holds: impl Fn(&str) -> bool) {
        let person = person();
        let mut chance = Chance::new(1, Purpose::Life, 1);
        let count = (0..20_000)
            .filter(|_| holds(&email(&mut chance, &person)))
            .count();
        let share = count as f64 / 20_000.0;
        assert!(
            (share - expected).abs() < 0.15 * expected + 0.001,
            "{share}, expected {expected}"
        );
    }

    #[test]
    fn addresses_are_as_dirty_as_they_should_be() {
        check(0.12, |email| email.chars().any(char::is_uppercase));
        check(0.03, |email| email != email.trim());
        check(0.15, |email| email.contains('+'));
        check(0.003, |email| PLACEHOLDER_EMAILS.contains(&email.trim()));
    }

    #[test]
    fn telephones_come_in_five_formats_of_one_number() {
        let person = (0..)
            .map(|index| Person::new(7, index))
            .find(|person| person.country.code == "DE")
            .unwrap();
        let mut chance = Chance::new(1, Purpose::Life, 1);
        let number = person.national_number();
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let formats: BTreeSet<String> = (0..500)
            .filter_map(|_| phone(&mut chance, &person))
            .filter(|text| digits(text).ends_with(&number))
            .collect();
        assert_eq!(formats.len(), 5, "{formats:?}");
    }
}
