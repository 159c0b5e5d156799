//! Values that identify nobody: what systems and people write where a value is missing, and mailboxes of offices.

use hashbrown::HashSet;
use perennial_normalise::Rule as Normalisation;

use crate::Error;

const ZEROS: &str = "<zeros only>";
const ONE_DIGIT: &str = "<phone of one digit>";
const COUNTING: &str = "<phone that counts up or down>";

/// From how many equal digits at its end a phone number is made up.
const EQUAL_DIGITS: usize = 8;
/// From how many digits in a row that count up or down a phone number is made up.
const COUNTED_DIGITS: usize = 8;

/// The built-in block list. A plain entry is a value of any type, in any case; an entry that ends with an at sign is a
/// mailbox in every domain; an entry in angle brackets names a pattern.
const BUILTIN: &[&str] = &[
    // Placeholders of programs.
    "null",
    "(null)",
    "nil",
    "none",
    "nan",
    "undefined",
    "[object object]",
    "true",
    "false",
    "-1",
    "-",
    "--",
    ".",
    "?",
    "x",
    "xx",
    "xxx",
    ZEROS,
    // Placeholders of people.
    "unknown",
    "unbekannt",
    "anonymous",
    "anonym",
    "guest",
    "gast",
    "test",
    "tester",
    "dummy",
    "default",
    "empty",
    "blank",
    "missing",
    "deleted",
    "not set",
    "(not set)",
    "not available",
    "not provided",
    "not applicable",
    "n/a",
    "n.a.",
    "na",
    "#n/a",
    "tbd",
    "keine",
    "keine angabe",
    "k.a.",
    // Phones that somebody typed to get past a form.
    ONE_DIGIT,
    COUNTING,
    // Mailboxes without a person.
    "test@",
    "none@",
    "null@",
    "na@",
    "unknown@",
    "anonymous@",
    "guest@",
    "noemail@",
    "no-email@",
    "noreply@",
    "no-reply@",
    "no_reply@",
    "donotreply@",
    "do-not-reply@",
    "mailer-daemon@",
    "nobody@",
    // Mailboxes of many.
    "info@",
    "mail@",
    "email@",
    "team@",
    "support@",
    "help@",
    "helpdesk@",
    "service@",
    "customerservice@",
    "kundenservice@",
    "sales@",
    "vertrieb@",
    "marketing@",
    "newsletter@",
    "admin@",
    "administrator@",
    "root@",
    "office@",
    "buero@",
    "hello@",
    "hallo@",
    "hi@",
    "contact@",
    "kontakt@",
    "enquiries@",
    "inquiries@",
    "feedback@",
    "orders@",
    "billing@",
    "accounting@",
    "accounts@",
    "invoice@",
    "rechnung@",
    "buchhaltung@",
    "hr@",
    "jobs@",
    "careers@",
    "press@",
    "presse@",
    "legal@",
    "privacy@",
    "datenschutz@",
    "security@",
    "abuse@",
    "webmaster@",
    "postmaster@",
    "hostmaster@",
];

/// The built-in block list, as a user sees it. A plain entry blocks the value in every type, whatever its case and in
/// every spelling that the type's normalisation makes equal; an entry
/// that ends with an at sign blocks the mailbox in every domain; an entry in angle brackets names a pattern. Every entry
/// can be taken off by configuring it with an exclamation mark in front: `"!info@"`.
pub fn builtin_blocked() -> &'static [&'static str] {
    BUILTIN
}

/// The block list in force.
#[derive(Debug, Clone)]
pub(crate) struct Blocklist {
    entries: Vec<String>,
    values: Words,
    /// The values as each normalisation spells them: one entry blocks every spelling.
    spelt: Vec<(Normalisation, Words)>,
    mailboxes: Words,
    zeros: bool,
    one_digit: bool,
    counting: bool,
}

/// Words, and the lengths and first letters that they have: most text is none of them at a glance.
#[derive(Debug, Clone, Default)]
struct Words {
    words: HashSet<String>,
    shapes: [u64; 16],
}

impl FromIterator<String> for Words {
    fn from_iter<I: IntoIterator<Item = String>>(words: I) -> Self {
        let words: HashSet<String> = words.into_iter().collect();
        let mut shapes = [0; 16];
        for word in &words {
            let (place, bit) = Self::shape(word);
            shapes[place] |= bit;
        }
        Self { words, shapes }
    }
}

impl Words {
    fn contains(&self, text: &str) -> bool {
        let (place, bit) = Self::shape(text);
        self.shapes[place] & bit != 0 && self.words.contains(text)
    }

    /// A bit for the length and the first letter of a text.
    fn shape(text: &str) -> (usize, u64) {
        let first = usize::from(text.bytes().next().unwrap_or_default());
        let shape = first * 37 + text.len();
        (shape / 64 % 16, 1 << (shape % 64))
    }
}

impl Blocklist {
    /// `normalisations` are those in use.
    pub(crate) fn try_new(
        configured: &[String],
        normalisations: impl Iterator<Item = Normalisation>,
    ) -> Result<Self, Error> {
        let mut entries: Vec<String> = BUILTIN.iter().map(|entry| (*entry).to_owned()).collect();
        for entry in configured {
            let entry = entry.trim().to_lowercase();
            if let Some(taken_off) = entry.strip_prefix('!') {
                let taken_off = taken_off.trim();
                if !BUILTIN.contains(&taken_off) {
                    return Err(Error::NotBlocked {
                        entry: taken_off.to_owned(),
                    });
                }
                entries.retain(|other| other != taken_off);
            } else if !entry.is_empty() && !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        let holds = |pattern: &str| entries.iter().any(|entry| entry == pattern);
        let (zeros, one_digit, counting) = (holds(ZEROS), holds(ONE_DIGIT), holds(COUNTING));
        let mailboxes = entries
            .iter()
            .filter_map(|entry| entry.strip_suffix('@'))
            .map(str::to_owned)
            .collect();
        let values: Words = entries
            .iter()
            .filter(|entry| !entry.ends_with('@'))
            .cloned()
            .collect();
        let mut spelt: Vec<(Normalisation, Words)> = Vec::new();
        for normalisation in normalisations {
            if spelt.iter().all(|(known, _)| *known != normalisation) {
                let spellings = values.words.iter().filter_map(|value| {
                    let spelling = normalisation.normalise(value)?.into_owned();
                    (spelling != *value).then_some(spelling)
                });
                spelt.push((normalisation, spellings.collect()));
            }
        }
        Ok(Self {
            entries,
            values,
            spelt,
            mailboxes,
            zeros,
            one_digit,
            counting,
        })
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(String::as_str)
    }

    /// Whether `value`, raw or normalised and without outer white space, identifies nobody.
    pub(crate) fn blocks(&self, value: &str, normalisation: Normalisation) -> bool {
        self.blocks_value(value)
            || self.blocks_spelling(value, normalisation)
            || self.zeros && zeros_only(value)
            || matches!(normalisation, Normalisation::Phone(_)) && self.blocks_phone(value)
    }

    fn blocks_value(&self, value: &str) -> bool {
        let lower;
        let capital = |value: &str| match value.is_ascii() {
            true => value.bytes().any(|byte| byte.is_ascii_uppercase()),
            false => value.chars().any(char::is_uppercase),
        };
        let value = if capital(value) {
            lower = value.to_lowercase();
            &lower
        } else {
            value
        };
        self.values.contains(value)
            || value.rsplit_once('@').is_some_and(|(mailbox, _)| {
                // The tag of `info+shop@…` is the office's own.
                let mailbox = mailbox.split_once('+').map_or(mailbox, |(mailbox, _)| mailbox);
                self.mailboxes.contains(mailbox)
            })
    }

    fn blocks_spelling(&self, value: &str, normalisation: Normalisation) -> bool {
        self.spelt
            .iter()
            .any(|(known, spellings)| *known == normalisation && spellings.contains(value))
    }

    fn blocks_phone(&self, value: &str) -> bool {
        let digits = || {
            value
                .bytes()
                .rev()
                .filter(u8::is_ascii_digit)
                .map(|digit| i16::from(digit - b'0'))
        };
        let run_of = |step: i16| {
            // The digits after 9 and before 0 are 0 and 9: 1234567890 counts up to its end.
            let pairs = digits().zip(digits().skip(1));
            1 + pairs
                .take_while(|(digit, before)| *digit == (before + step).rem_euclid(10))
                .count()
        };
        let equal = run_of(0);
        self.one_digit && (equal >= EQUAL_DIGITS || equal == digits().count() && equal > 2)
            || self.counting && run_of(1).max(run_of(-1)) >= COUNTED_DIGITS
    }
}

/// Zeros and nothing else that says anything: `0`, `0000`, `00000000-0000-0000-0000-000000000000`, `0.0`.
fn zeros_only(value: &str) -> bool {
    value.contains('0') && value.chars().all(|c| matches!(c, '0' | '-' | '.' | '+' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, value: &str, expected: bool) {
        let configured = ["@staging", "Jane@Doe.com", "!hi@"].map(str::to_owned);
        let list = Blocklist::try_new(&configured, [rule.parse().unwrap()].into_iter()).unwrap();
        assert_eq!(
            list.blocks(value, rule.parse().unwrap()),
            expected,
            "{rule} {value:?}"
        );
    }

    #[test]
    fn placeholders_and_mailboxes_are_blocked() {
        for value in [
            "null",
            "NULL",
            "N/A",
            "-1",
            "0",
            "0000",
            "00000000-0000-0000-0000-000000000000",
            "jane@doe.com",
        ] {
            check("exact", value, true);
        }
        for value in [
            "info@acme.com",
            "info+shop@acme.com",
            "NoReply@acme.com",
            "test@a.b",
            "INFO@x.de",
        ] {
            check("email", value, true);
        }
        for value in [
            "+49111111111",
            "00000",
            "5555555555",
            "+15555555555",
            "1234567890",
            "+4912345678",
            "987654321",
        ] {
            check("phone:DE", value, true);
        }
    }

    #[test]
    fn values_of_people_are_not() {
        for value in [
            "1",
            "7777777777",
            "12345678",
            "10",
            "nullmann",
            "0a",
            "",
            "hi@acme.com",
        ] {
            check("exact", value, false);
        }
        for value in ["jane.info@acme.com", "testa@example.com", "info.jane@acme.com"] {
            check("email", value, false);
        }
        for value in ["+4930123456", "+493012344444", "+18005551234", ""] {
            check("phone:DE", value, false);
        }
    }

    #[test]
    fn only_builtin_entries_can_be_taken_off() {
        let list = Blocklist::try_new(&["!<zeros only>".to_owned()], std::iter::empty()).unwrap();
        assert!(!list.blocks("000", Normalisation::Exact));
        assert!(!list.entries().any(|entry| entry == ZEROS));
        assert!(matches!(
            Blocklist::try_new(&["!jane".to_owned()], std::iter::empty()),
            Err(Error::NotBlocked { entry }) if entry == "jane"
        ));
    }

    #[test]
    fn builtin_entries_are_lower_case_and_stand_once() {
        for (place, entry) in BUILTIN.iter().enumerate() {
            assert_eq!(entry.to_lowercase(), *entry);
            assert!(!BUILTIN[..place].contains(entry), "{entry}");
        }
    }
}
