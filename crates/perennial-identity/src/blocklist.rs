//! Values that identify nobody: what systems and people write where a value is missing, and mailboxes of offices.

use hashbrown::HashMap;
use perennial_normalise::Rule as Normalisation;

use crate::Error;

const ZEROS: &str = "<zeros only>";
const ONE_DIGIT: &str = "<phone of one digit>";
const COUNTING: &str = "<phone that counts up or down>";

/// From how many equal digits at its end a phone number is made up.
const EQUAL_DIGITS: usize = 8;
/// From how many digits in a row that count up or down a phone number is made up.
const COUNTED_DIGITS: usize = 8;

/// The built-in block list. A plain entry blocks the value in every type, whatever its case and in every spelling that the
/// type's normalisation makes equal; an entry that ends with an at sign blocks the mailbox in every domain; an entry in
/// angle brackets names a pattern. Every entry can be taken off by configuring it with an exclamation mark in front:
/// `"!info@"`.
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

/// An entry of the block list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockedEntry<'a> {
    /// The entry as it is written, in lower case.
    pub text: &'a str,
    /// Whether it is on the built-in list.
    pub builtin: bool,
    /// What it is matched with.
    pub form: BlockedForm,
}

/// What an entry of the block list is matched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedForm {
    /// A whole value.
    Value,
    /// The part before the at sign.
    Mailbox,
    /// What the words in angle brackets say.
    Pattern,
}

/// The block list in force.
#[derive(Debug, Clone)]
pub(crate) struct Blocklist {
    entries: Vec<String>,
    values: Words,
    /// The values as each normalisation spells them: one entry blocks every spelling.
    spelt: Vec<(Normalisation, Words)>,
    mailboxes: Words,
    zeros: Option<u16>,
    one_digit: Option<u16>,
    counting: Option<u16>,
}

/// Words with the number of their entry, and the lengths and first letters that they have: most text is none of them at
/// a glance.
#[derive(Debug, Clone, Default)]
struct Words {
    words: HashMap<String, u16>,
    shapes: [u64; 16],
}

/// Of a word that stands twice the first entry counts.
impl FromIterator<(u16, String)> for Words {
    fn from_iter<I: IntoIterator<Item = (u16, String)>>(numbered: I) -> Self {
        let mut all = Self::default();
        for (number, word) in numbered {
            let (place, bit) = Self::shape(&word);
            all.shapes[place] |= bit;
            all.words.entry(word).or_insert(number);
        }
        all
    }
}

impl Words {
    /// The number of a word's entry.
    fn find(&self, text: &str) -> Option<u16> {
        let (place, bit) = Self::shape(text);
        let maybe = self.shapes[place] & bit != 0;
        maybe.then(|| self.words.get(text).copied()).flatten()
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
        let numbered = || (0_u16..).zip(&entries);
        let number =
            |pattern: &str| numbered().find_map(|(number, entry)| (entry == pattern).then_some(number));
        let (zeros, one_digit, counting) = (number(ZEROS), number(ONE_DIGIT), number(COUNTING));
        let mailboxes = numbered()
            .filter_map(|(number, entry)| Some((number, entry.strip_suffix('@')?.to_owned())))
            .collect();
        let values = || numbered().filter(|(_, entry)| !entry.ends_with('@'));
        let mut spelt: Vec<(Normalisation, Words)> = Vec::new();
        for normalisation in normalisations {
            if spelt.iter().all(|(known, _)| *known != normalisation) {
                let spellings = values().filter_map(|(number, value)| {
                    let spelling = normalisation.normalise(value)?.into_owned();
                    (spelling != *value).then_some((number, spelling))
                });
                spelt.push((normalisation, spellings.collect()));
            }
        }
        let values = values().map(|(number, value)| (number, value.clone())).collect();
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

    /// The entries in force, by their numbers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = BlockedEntry<'_>> {
        self.entries.iter().map(|entry| BlockedEntry {
            text: entry,
            builtin: BUILTIN.contains(&entry.as_str()),
            form: match entry.as_str() {
                ZEROS | ONE_DIGIT | COUNTING => BlockedForm::Pattern,
                mailbox if mailbox.ends_with('@') => BlockedForm::Mailbox,
                _ => BlockedForm::Value,
            },
        })
    }

    /// The number of the entry by which `value`, raw or normalised and without outer white space, identifies nobody.
    pub(crate) fn blocked_by(&self, value: &str, normalisation: Normalisation) -> Option<u16> {
        self.by_value(value)
            .or_else(|| self.by_spelling(value, normalisation))
            .or_else(|| self.zeros.filter(|_| zeros_only(value)))
            .or_else(|| match normalisation {
                Normalisation::Phone(_) => self.by_phone(value),
                _ => None,
            })
    }

    fn by_value(&self, value: &str) -> Option<u16> {
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
        self.values.find(value).or_else(|| {
            let (mailbox, _) = value.rsplit_once('@')?;
            // The tag of `info+shop@…` is the office's own.
            let mailbox = mailbox.split_once('+').map_or(mailbox, |(mailbox, _)| mailbox);
            self.mailboxes.find(mailbox)
        })
    }

    fn by_spelling(&self, value: &str, normalisation: Normalisation) -> Option<u16> {
        let (_, spellings) = self.spelt.iter().find(|(known, _)| *known == normalisation)?;
        spellings.find(value)
    }

    fn by_phone(&self, value: &str) -> Option<u16> {
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
        self.one_digit
            .filter(|_| equal >= EQUAL_DIGITS || equal == digits().count() && equal > 2)
            .or_else(|| {
                self.counting
                    .filter(|_| run_of(1).max(run_of(-1)) >= COUNTED_DIGITS)
            })
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
            list.blocked_by(value, rule.parse().unwrap()).is_some(),
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
        assert_eq!(list.blocked_by("000", Normalisation::Exact), None);
        assert!(!list.entries().any(|entry| entry.text == ZEROS));
        assert!(matches!(
            Blocklist::try_new(&["!jane".to_owned()], std::iter::empty()),
            Err(Error::NotBlocked { entry }) if entry == "jane"
        ));
    }

    #[test]
    fn who_blocks_is_the_entry_that_says_so() {
        let configured = ["0301234321", "+49 30 1234321", "Info@acme.com"].map(str::to_owned);
        let rules = ["phone:DE", "email"].map(|rule| rule.parse().unwrap());
        let list = Blocklist::try_new(&configured, rules.into_iter()).unwrap();
        let entries: Vec<_> = list.entries().collect();
        let check = |rule: Normalisation, value: &str, text: &str, builtin: bool, form: BlockedForm| {
            let number = list.blocked_by(value, rule).unwrap();
            let expected = BlockedEntry { text, builtin, form };
            assert_eq!(entries[usize::from(number)], expected, "{value}");
        };
        let [phone, email] = rules;
        check(email, "N/A", "n/a", true, BlockedForm::Value);
        check(email, "info+shop@x.de", "info@", true, BlockedForm::Mailbox);
        check(email, "INFO@acme.com", "info@acme.com", false, BlockedForm::Value);
        check(phone, "000", ZEROS, true, BlockedForm::Pattern);
        check(phone, "5555555555", ONE_DIGIT, true, BlockedForm::Pattern);
        check(phone, "1234567890", COUNTING, true, BlockedForm::Pattern);
        // Both numbers are spelt alike: the first entry counts.
        check(phone, "+49301234321", "0301234321", false, BlockedForm::Value);
        check(
            phone,
            "+49 30 1234321",
            "+49 30 1234321",
            false,
            BlockedForm::Value,
        );
    }

    #[test]
    fn builtin_entries_are_lower_case_and_stand_once() {
        for (place, entry) in BUILTIN.iter().enumerate() {
            assert_eq!(entry.to_lowercase(), *entry);
            assert!(!BUILTIN[..place].contains(entry), "{entry}");
        }
    }
}
