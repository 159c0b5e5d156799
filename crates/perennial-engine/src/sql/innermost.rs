//! Where a text that cannot be parsed is wrong. The parser tries what else a query in brackets or a CASE might be, and gives
//! up at its beginning; Postgres names the token inside that does not fit.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// A query in brackets, without these, or a CASE with its END.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// The bracket behind a query, or the END.
    pub(super) closing: TokenWithSpan,
    pub(super) is_case: bool,
}

/// The parts of a text, the inner ones before those around them.
pub(super) fn parts(tokens: &[TokenWithSpan]) -> Vec<Part> {
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut parts = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (&token.token, open.last().copied()) {
            (Token::LParen, _) => open.push((at, false)),
            (Token::RParen, Some((from, false))) => {
                open.pop();
                let inside = tokens.get(from + 1..at).unwrap_or_default();
                if begins_a_query(inside) {
                    parts.push(Part {
                        tokens: inside.to_vec(),
                        closing: token.clone(),
                        is_case: false,
                    });
                }
            }
            (Token::Word(word), _) if word.keyword == Keyword::CASE => open.push((at, true)),
            (Token::Word(word), Some((from, true))) if word.keyword == Keyword::END => {
                open.pop();
                parts.push(Part {
                    tokens: tokens.get(from..=at).unwrap_or_default().to_vec(),
                    closing: token.clone(),
                    is_case: true,
                });
            }
            _ => {}
        }
    }
    parts
}

fn begins_a_query(tokens: &[TokenWithSpan]) -> bool {
    let words = tokens.iter().map(|token| &token.token);
    let mut words = words.skip_while(|token| matches!(token, Token::Whitespace(_)));
    let begins = |word: &Keyword| matches!(word, Keyword::SELECT | Keyword::WITH | Keyword::VALUES);
    matches!(words.next(), Some(Token::Word(word)) if begins(&word.keyword))
}
