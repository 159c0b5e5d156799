//! A pattern for times, taken apart.

/// How the letters of a word are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    Capital,
}

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword in upper case, how it was written, without filling (`FM`), and with an ordinal ending.
    Field {
        word: &'static str,
        case: Case,
        fill: bool,
        ordinal: Option<Case>,
    },
    /// Anything else.
    Literal(char),
    /// Anything between quotes, which is never a separator.
    Quoted(char),
}

/// The keywords, each before those that it begins with.
const WORDS: [&str; 54] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "D", "FF1", "FF2", "FF3",
    "FF4", "FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI",
    "MM", "MONTH", "MON", "MS", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ",
    "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y",
];

/// The pieces of a pattern.
pub(super) fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let (mut fill, mut after) = (true, rest);
        loop {
            if let Some(stripped) = after.strip_prefix("FM").or_else(|| after.strip_prefix("fm")) {
                fill = false;
                after = stripped;
            } else if let Some(stripped) = after.strip_prefix("TM").or_else(|| after.strip_prefix("tm")) {
                // Names are English here; with this prefix they are not filled up.
                fill = false;
                after = stripped;
            } else {
                break;
            }
        }
        if let Some((word, case)) = word(after) {
            rest = after.get(word.len()..).unwrap_or_default();
            let ordinal = match rest.get(..2) {
                Some("TH") => Some(Case::Upper),
                Some("th") => Some(Case::Lower),
                _ => None,
            };
            if ordinal.is_some() {
                rest = rest.get(2..).unwrap_or_default();
            }
            tokens.push(Token::Field {
                word,
                case,
                fill,
                ordinal,
            });
            continue;
        }
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
        match next {
            '"' => {
                let mut escaped = false;
                let mut ended = rest.len();
                for (place, character) in rest.char_indices() {
                    if escaped {
                        tokens.push(Token::Quoted(character));
                        escaped = false;
                    } else if character == '\\' {
                        escaped = true;
                    } else if character == '"' {
                        ended = place + 1;
                        break;
                    } else {
                        tokens.push(Token::Quoted(character));
                    }
                }
                rest = rest.get(ended..).unwrap_or_default();
            }
            '\\' if rest.starts_with('"') => {
                tokens.push(Token::Literal('"'));
                rest = rest.get(1..).unwrap_or_default();
            }
            other => tokens.push(Token::Literal(other)),
        }
    }
    tokens
}

fn word(text: &str) -> Option<(&'static str, Case)> {
    for word in WORDS {
        let Some(written) = text.get(..word.len()) else {
            continue;
        };
        if written == word {
            return Some((word, Case::Upper));
        }
        if written.eq_ignore_ascii_case(word) {
            if written == word.to_ascii_lowercase() {
                return Some((word, Case::Lower));
            }
            if matches!(word, "DAY" | "DY" | "MONTH" | "MON")
                && written.get(1..) == word.to_ascii_lowercase().get(1..)
            {
                return Some((word, Case::Capital));
            }
        }
    }
    None
}
