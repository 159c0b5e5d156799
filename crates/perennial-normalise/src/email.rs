//! E-mail addresses.
//!
//! # Definition
//! 1. Invisible marks and outer white space go; Unicode form NFKC; lower case.
//! 2. What mail programs put around an address goes: `mailto:` with its query (`?subject=…`), and the display name of
//!    `Jane Doe <jane@example.com>`.
//! 3. What is left is an address when it has exactly one `@`, something on both sides of it, a dot in the domain with
//!    something on both sides of every dot, at most 254 bytes (RFC 5321), and no white space, control character or
//!    any of `< > ( ) [ ] : ; , " \`. Quoted local parts and address literals are legal and nobody's customer address.
//!    Anything else has no normal form.
//! 4. [`EmailRule::Gmail`] also drops the dots and the `+tag` of local parts at gmail.com and googlemail.com, where the
//!    provider ignores both, and writes the domain gmail.com. Other providers' tags stay: they may be other mailboxes.
//!
//! Whether a mailbox exists is not asked. An internationalised domain and its `xn--` spelling stay two addresses.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::fold;

/// Which spellings are one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EmailRule {
    /// Case, outer spaces and Unicode forms do not matter.
    #[default]
    Plain,
    /// Besides, dots and `+tags` do not matter where the provider ignores them.
    Gmail,
}

/// The longest address that mail can be sent to, in bytes (RFC 5321, 4.5.3.1.3 with its erratum).
const LONGEST: usize = 254;

/// The normal form of an e-mail address, or `None` when `text` is not plausibly one. Borrows when `text` contains
/// its normal form.
pub fn normalise(text: &str, rule: EmailRule) -> Option<Cow<'_, str>> {
    let address = fold::slice(fold::lower(text), address)?;
    match rule {
        EmailRule::Plain => Some(address),
        EmailRule::Gmail => without_ignored(address),
    }
}

/// The address within folded text.
fn address(text: &str) -> Option<&str> {
    let text = match text.strip_suffix('>') {
        Some(named) => named.rsplit_once('<')?.1.trim(),
        None => text,
    };
    let text = match text.strip_prefix("mailto:") {
        Some(link) => link.split('?').next()?.trim(),
        None => text,
    };
    plausible(text).then_some(text)
}

fn plausible(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    text.len() <= LONGEST
        && !local.is_empty()
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
        && !domain.contains('@')
        && !holds_foreign(text)
}

fn holds_foreign(text: &str) -> bool {
    match text.is_ascii() {
        true => text
            .bytes()
            .any(|byte| FOREIGN.get(usize::from(byte)).is_some_and(|foreign| *foreign)),
        false => text.contains(foreign),
    }
}

/// Which ASCII characters are [`foreign`].
static FOREIGN: LazyLock<[bool; 128]> =
    LazyLock::new(|| std::array::from_fn(|byte| foreign(char::from(byte as u8))));

fn foreign(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '<' | '>' | '(' | ')' | '[' | ']' | ':' | ';' | ',' | '"' | '\\'
        )
}

fn without_ignored(address: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let Some((local, domain @ ("gmail.com" | "googlemail.com"))) = address.split_once('@') else {
        return Some(address);
    };
    let mailbox = local.split('+').next().unwrap_or(local);
    if mailbox.len() == local.len() && !mailbox.contains('.') && domain == "gmail.com" {
        return Some(address);
    }
    let mailbox: String = mailbox.chars().filter(|c| *c != '.').collect();
    (!mailbox.is_empty()).then(|| Cow::Owned(mailbox + "@gmail.com"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, plain: Option<&str>, gmail: Option<&str>) {
        assert_eq!(
            normalise(text, EmailRule::Plain).as_deref(),
            plain,
            "plain {text:?}"
        );
        assert_eq!(
            normalise(text, EmailRule::Gmail).as_deref(),
            gmail,
            "gmail {text:?}"
        );
    }

    #[track_caller]
    fn check_both(text: &str, expected: Option<&str>) {
        check(text, expected, expected);
    }

    #[test]
    fn spellings_of_one_address() {
        for text in [
            "jane.doe@example.com",
            "  Jane.Doe@Example.COM\t",
            "JANE.DOE@EXAMPLE.COM",
            "\u{FEFF}jane.doe@example.com",
            "\u{61C}jane.doe@example.com\u{200E}",
            "jane.doe\u{200B}@example.com",
            "ｊａｎｅ．ｄｏｅ＠ｅｘａｍｐｌｅ．ｃｏｍ",
            "mailto:jane.doe@example.com",
            "MAILTO:Jane.Doe@example.com?subject=Hi%20there",
            "Jane Doe <jane.doe@example.com>",
            "\"Doe, Jane\" <Jane.Doe@Example.com>",
            "<jane.doe@example.com>",
            "<mailto:jane.doe@example.com>",
        ] {
            check_both(text, Some("jane.doe@example.com"));
        }
    }

    #[test]
    fn the_provider_that_ignores_dots_and_tags() {
        check(
            "J.Doe+shop@gmail.com",
            Some("j.doe+shop@gmail.com"),
            Some("jdoe@gmail.com"),
        );
        check(
            "jdoe@googlemail.com",
            Some("jdoe@googlemail.com"),
            Some("jdoe@gmail.com"),
        );
        check("jdoe@gmail.com", Some("jdoe@gmail.com"), Some("jdoe@gmail.com"));
        check("a+b+c@gmail.com", Some("a+b+c@gmail.com"), Some("a@gmail.com"));
        check("+tag@gmail.com", Some("+tag@gmail.com"), None);
        check("...@gmail.com", Some("...@gmail.com"), None);
        check_both("j.doe+shop@example.com", Some("j.doe+shop@example.com"));
        check_both("j.doe+shop@mail.gmail.com", Some("j.doe+shop@mail.gmail.com"));
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "   ",
            "jane",
            "@",
            "jane@",
            "@example.com",
            "jane@example",
            "jane@.com",
            "jane@example.",
            "jane@exa..mple.com",
            "jane@@example.com",
            "jane@doe@example.com",
            "jane doe@example.com",
            "jane@example.com, joe@example.com",
            "jane@example.com;joe@example.com",
            "mailto:",
            "mailto:mailto:jane@example.com",
            "jane@[192.168.0.1]",
            "\"jane doe\"@example.com",
            "jane\0@example.com",
            "Jane <>",
            "jane@example.com>",
        ] {
            check_both(text, None);
        }
        check_both(
            &format!("{}@example.com", "a".repeat(242)),
            Some(&format!("{}@example.com", "a".repeat(242))),
        );
        check_both(&format!("{}@example.com", "a".repeat(243)), None);
    }

    #[test]
    fn letters_beyond_ascii() {
        check_both("Jörg@Bücher.example", Some("jörg@bücher.example"));
        check_both("Jo\u{308}rg@bücher.example", Some("jörg@bücher.example"));
        check_both("用户@例子.广告", Some("用户@例子.广告"));
        check_both("İ@example.com", Some("i\u{307}@example.com"));
    }

    #[test]
    fn normal_text_is_borrowed() {
        for (text, rule) in [
            ("jane@example.com", EmailRule::Plain),
            (" jane@example.com ", EmailRule::Gmail),
            ("jdoe@gmail.com", EmailRule::Gmail),
            ("jörg@bücher.example", EmailRule::Plain),
        ] {
            assert!(
                matches!(normalise(text, rule), Some(Cow::Borrowed(_))),
                "{text:?}"
            );
        }
    }

    fn address_like() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            r"[ <]{0,2}(mailto:)?[A-Za-z.+ İßＡ\u{200B}]{0,6}@(gmail\.com|GoogleMail\.com|[a-zÜ.]{1,8})[> ]{0,2}",
        ]
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in address_like(), gmail: bool) {
            let rule = if gmail { EmailRule::Gmail } else { EmailRule::Plain };
            if let Some(once) = normalise(&text, rule) {
                prop_assert_eq!(normalise(&once, rule).map(Cow::into_owned), Some(once.to_string()));
            }
        }
    }
}
