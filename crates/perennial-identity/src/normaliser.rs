//! From raw text to a value that identifies somebody, or to the reason why it identifies nobody.

use perennial_normalise::Rule as Normalisation;
use xxhash_rust::xxh3::xxh3_64;

use crate::Rules;

/// How many answers are remembered per type that is slow to normalise. A power of two.
const REMEMBERED: usize = 4096;
/// The longest raw text that is remembered, in bytes.
const REMEMBERED_LENGTH: usize = 64;

/// What a raw text is as an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A value that identifies somebody.
    Value,
    /// No value: nothing but white space.
    Blank,
    /// A value of the block list: it identifies nobody and is worth a warning.
    Blocked {
        /// The place of the entry in [`Rules::blocked`].
        entry: u16,
    },
    /// Not a value of its type, such as an email without an at sign: it identifies nobody and is worth a warning.
    Malformed,
}

/// Normalises the values of all identifier types. Cheap to make; one per thread, because it remembers recent answers
/// about phone numbers, whose kernel takes microseconds.
#[derive(Debug)]
pub struct Normaliser<'a> {
    rules: &'a Rules,
    memories: Vec<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    answers: Vec<Option<Answer>>,
}

#[derive(Debug)]
struct Answer {
    raw: Box<str>,
    normalised: Box<str>,
    outcome: Outcome,
}

impl<'a> Normaliser<'a> {
    /// A normaliser by these rules.
    pub fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            memories: rules.identifiers().iter().map(|_| Memory::default()).collect(),
        }
    }

    /// Writes to `out`, which is cleared first, the normalised value of `raw` for a value, and for a blocked or
    /// malformed one the text by which a warning names it. A type that the rules do not have makes every value
    /// malformed.
    pub fn normalise(&mut self, identifier_type: usize, raw: &str, out: &mut String) -> Outcome {
        out.clear();
        let trimmed = raw.trim();
        if trimmed.is_empty() {
            return Outcome::Blank;
        }
        let (Some(rule), Some(memory)) = (
            self.rules.identifiers().get(identifier_type),
            self.memories.get_mut(identifier_type),
        ) else {
            out.push_str(trimmed);
            return Outcome::Malformed;
        };
        if matches!(rule.normalise, Normalisation::Phone(_)) && trimmed.len() <= REMEMBERED_LENGTH {
            memory.recall(trimmed, out, |out| {
                evaluate(self.rules, rule.normalise, trimmed, out)
            })
        } else {
            evaluate(self.rules, rule.normalise, trimmed, out)
        }
    }
}

impl Memory {
    /// The remembered answer for `raw`, or that of `evaluate`, which is remembered in the place of the last one whose
    /// hash ended alike.
    fn recall(
        &mut self,
        raw: &str,
        out: &mut String,
        evaluate: impl FnOnce(&mut String) -> Outcome,
    ) -> Outcome {
        if self.answers.is_empty() {
            self.answers.resize_with(REMEMBERED, || None);
        }
        let place = xxh3_64(raw.as_bytes()) as usize % REMEMBERED;
        if let Some(Some(answer)) = self.answers.get(place)
            && *answer.raw == *raw
        {
            out.push_str(&answer.normalised);
            return answer.outcome;
        }
        let outcome = evaluate(out);
        if let Some(answer) = self.answers.get_mut(place) {
            *answer = Some(Answer {
                raw: raw.into(),
                normalised: out.as_str().into(),
                outcome,
            });
        }
        outcome
    }
}

/// The list is asked before normalising, because a placeholder is mostly no value of its type, and after it, because
/// a blocked value can be spelt in many ways.
fn evaluate(rules: &Rules, normalisation: Normalisation, trimmed: &str, out: &mut String) -> Outcome {
    let list = rules.blocklist();
    if let Some(entry) = list.blocked_by(trimmed, normalisation) {
        out.push_str(trimmed);
        return Outcome::Blocked { entry };
    }
    match normalisation.normalise(trimmed) {
        None => {
            out.push_str(trimmed);
            Outcome::Malformed
        }
        Some(value) => {
            out.push_str(&value);
            let differs = *value != *trimmed;
            match differs.then(|| list.blocked_by(&value, normalisation)).flatten() {
                Some(entry) => Outcome::Blocked { entry },
                None => Outcome::Value,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdentifierRule;

    fn rules(rule: &str) -> Rules {
        let identifier = IdentifierRule::new("id").with_normalise(rule.parse().unwrap());
        Rules::try_new(vec![identifier], &["4711".to_owned()]).unwrap()
    }

    fn blocked(entry: &str) -> Outcome {
        let place = rules("exact").blocked().position(|of| of.text == entry);
        Outcome::Blocked {
            entry: place.unwrap() as u16,
        }
    }

    #[track_caller]
    fn check(rule: &str, raw: &str, outcome: Outcome, text: &str) {
        let rules = rules(rule);
        let mut normaliser = Normaliser::new(&rules);
        let mut out = "left over".to_owned();
        // Asked twice: the second answer may be a remembered one.
        for _ in 0..2 {
            assert_eq!(
                (normaliser.normalise(0, raw, &mut out), out.as_str()),
                (outcome, text),
                "{rule} {raw:?}"
            );
        }
    }

    #[test]
    fn every_text_is_a_value_or_has_a_reason() {
        check("exact", " A-17 ", Outcome::Value, "A-17");
        check("exact", "\t \n", Outcome::Blank, "");
        check("exact", " N/A ", blocked("n/a"), "N/A");
        check("exact", "4711", blocked("4711"), "4711");
        check("email", " Jane@Example.COM", Outcome::Value, "jane@example.com");
        check("email", "Jane <INFO@acme.com>", blocked("info@"), "info@acme.com");
        check("email", "unknown", blocked("unknown"), "unknown");
        check(
            "email",
            "jane.example.com",
            Outcome::Malformed,
            "jane.example.com",
        );
        check("phone:DE", "030 / 123 456", Outcome::Value, "+4930123456");
        check("phone:DE", "12", Outcome::Malformed, "12");
        check("phone:DE", "0000000000", blocked("<zeros only>"), "0000000000");
    }

    #[test]
    fn a_blocked_value_is_blocked_in_every_spelling() {
        let types = ["email_gmail", "phone:DE", "exact"];
        let types = types.map(|rule| IdentifierRule::new(rule).with_normalise(rule.parse().unwrap()));
        let blocked = ["Jane.Doe@gmail.com", "030 1234 4321"].map(str::to_owned);
        let rules = Rules::try_new(types.to_vec(), &blocked).unwrap();
        let mut normaliser = Normaliser::new(&rules);
        let mut blocks = |of_type: usize, raw: &str| {
            let outcome = normaliser.normalise(of_type, raw, &mut String::new());
            let blocked = matches!(outcome, Outcome::Blocked { .. });
            assert!(blocked || outcome == Outcome::Value, "{raw}");
            blocked
        };
        for raw in [
            "janedoe@gmail.com",
            "JANE.DOE@gmail.com",
            "j.a.n.e.doe+shop@gmail.com",
        ] {
            assert!(blocks(0, raw), "{raw}");
        }
        for raw in ["+49 30 12344321", "030/12344321", "0049 30 1234 4321"] {
            assert!(blocks(1, raw), "{raw}");
        }
        // Where values are compared exactly, another spelling is another value.
        assert!(blocks(2, "030 1234 4321") && !blocks(2, "03012344321"));
        assert!(!blocks(0, "jane.roe@gmail.com") && !blocks(1, "030 1234 4322"));
    }

    #[test]
    fn an_unknown_type_has_no_values() {
        let rules = Rules::try_new(vec![IdentifierRule::new("id")], &[]).unwrap();
        assert_eq!(
            Normaliser::new(&rules).normalise(1, "a", &mut String::new()),
            Outcome::Malformed
        );
    }
}
