//! The folding that every rule begins with.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfkc};

/// Marks that nobody sees and that copying from mail, chat and spreadsheets leaves behind: soft hyphen, zero-width
/// space, word joiner, byte order mark and the marks of writing direction. The zero-width joiners stay, because they
/// change how words of Persian and Indic scripts read.
fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{61C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
    )
}

/// `text` without invisible marks and outer white space, in Unicode form NFKC.
pub(crate) fn compatible(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    if trimmed.is_ascii() {
        return Cow::Borrowed(trimmed);
    }
    if is_nfkc(trimmed) && !trimmed.contains(invisible) {
        return Cow::Borrowed(trimmed);
    }
    let composed: String = trimmed.chars().filter(|c| !invisible(*c)).nfkc().collect();
    // What NFKC takes apart may leave a space at an end.
    Cow::Owned(trim_owned(composed))
}

/// [`compatible`], in lower case.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    let compatible = compatible(text);
    if compatible.is_ascii() {
        return if compatible.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(compatible.to_ascii_lowercase())
        } else {
            compatible
        };
    }
    let lowered = compatible.to_lowercase();
    if lowered == compatible {
        return compatible;
    }
    // Lower case can take a letter apart (İ), which NFKC joins again.
    Cow::Owned(lowered.nfkc().collect())
}

/// The part of `text` that `part` picks, borrowed for as long as `text` is borrowed.
pub(crate) fn slice<'a>(text: Cow<'a, str>, part: impl Fn(&str) -> Option<&str>) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => part(text).map(Cow::Borrowed),
        Cow::Owned(text) => match part(&text)? {
            part if part.len() == text.len() => Some(Cow::Owned(text)),
            part => Some(Cow::Owned(part.to_owned())),
        },
    }
}

fn trim_owned(text: String) -> String {
    if text.trim().len() == text.len() {
        text
    } else {
        text.trim().to_owned()
    }
}
