//! Masks: text that tells an analyst the kind of a value, and not the value.

use std::borrow::Cow;

use crate::fold;

/// What stands for hidden characters, however many they are: a length identifies as well.
const HIDDEN: &str = "***";

/// An e-mail address with its first character and domain: `j***@example.com`.
///
/// The text is folded as [`crate::email::normalise`] folds it, so that two spellings of an address have one mask. A local part of one character
/// is hidden whole. Text that is not plausibly an e-mail address becomes `***`, since nothing says what a part of it would
/// give away. Blank text stays blank: there is nothing to hide, and a count of blanks stays right.
pub fn email(text: &str) -> Cow<'_, str> {
    let Some(address) = crate::email::normalise(text, crate::EmailRule::Plain) else {
        return Cow::Borrowed(if fold::compatible(text).is_empty() {
            ""
        } else {
            HIDDEN
        });
    };
    let Some((local, domain)) = address.split_once('@') else {
        return Cow::Borrowed(HIDDEN);
    };
    let mut characters = local.chars();
    let shown = characters.next().filter(|_| characters.next().is_some());
    let mut masked = String::with_capacity(HIDDEN.len() + domain.len() + 5);
    masked.extend(shown);
    masked.push_str(HIDDEN);
    masked.push('@');
    masked.push_str(domain);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(email(text), expected, "{text:?}");
    }

    #[test]
    fn addresses_show_a_character_and_the_domain() {
        check("john@example.com", "j***@example.com");
        check(" John.Doe@Example.com ", "j***@example.com");
        check("jo@example.com", "j***@example.com");
        check("Jane Doe <jane@example.com>", "j***@example.com");
        check("örjan@example.se", "ö***@example.se");
    }

    #[test]
    fn short_and_foreign_text_shows_nothing() {
        check("j@example.com", "***@example.com");
        check("john", "***");
        check("+49 30 123456", "***");
        check("a@b@example.com", "***");
        check("", "");
        check("  ", "");
    }
}
