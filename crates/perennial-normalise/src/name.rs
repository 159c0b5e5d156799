//! Names of people, for comparison.
//!
//! # Definition
//! Invisible marks and outer white space go, Unicode form NFKC, every run of white space becomes one space, lower case.
//! Accents, hyphens, apostrophes and titles stay: what they mean differs by language, and a comparison by similarity
//! bears them. Text with nothing left has no normal form.

use std::borrow::Cow;

use crate::fold;

/// The normal form of a name, or `None` when `text` is blank. Borrows when `text` contains its normal form.
pub fn normalise(text: &str) -> Option<Cow<'_, str>> {
    let folded = fold::lower(text);
    if folded.is_empty() {
        return None;
    }
    if single_spaced(&folded) {
        return Some(folded);
    }
    let mut name = String::with_capacity(folded.len());
    for word in folded.split_whitespace() {
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(word);
    }
    Some(Cow::Owned(name))
}

fn single_spaced(text: &str) -> bool {
    let mut after_space = false;
    text.chars().all(|c| {
        let doubled = c.is_whitespace() && (after_space || c != ' ');
        after_space = c == ' ';
        !doubled
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(normalise(text).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn names() {
        check("anna maria", Some("anna maria"));
        check("  Anna\t \u{A0}MARIA\n", Some("anna maria"));
        check("O'Brien-Smith", Some("o'brien-smith"));
        check("ＡＮＮＡ", Some("anna"));
        check("Zoe\u{308}", Some("zoë"));
        check("STRASSE", Some("strasse"));
        check("Straße", Some("straße"));
        check("José", Some("josé"));
        check("李 小龍", Some("李 小龍"));
        check("ﬁona", Some("fiona"));
    }

    #[test]
    fn blank_text_is_no_name() {
        check("", None);
        check(" \t\u{3000}", None);
        check("\u{200B}\u{FEFF}", None);
    }

    #[test]
    fn normal_text_is_borrowed() {
        for text in ["anna maria", "  anna ", "zoë"] {
            assert!(matches!(normalise(text), Some(Cow::Borrowed(_))), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text: String) {
            if let Some(once) = normalise(&text) {
                prop_assert_eq!(normalise(&once).map(Cow::into_owned), Some(once.to_string()));
            }
        }
    }
}
