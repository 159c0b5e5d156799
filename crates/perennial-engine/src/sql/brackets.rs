//! What of a statement's shape its tokens say before, and where, it is parsed: how deep it nests, and the queries in brackets
//! and CASEs in it.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// How deep brackets, CASEs and signs before an operand nest.
pub(super) fn nesting(tokens: &[TokenWithSpan]) -> usize {
    let (mut open, mut signs, mut deepest) = (0_usize, 0, 0);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket => open += 1,
            Token::RParen | Token::RBracket => open = open.saturating_sub(1),
            Token::Word(word) if word.keyword == Keyword::CASE => open += 1,
            Token::Word(word) if word.keyword == Keyword::END => open = open.saturating_sub(1),
            _ => {}
        }
        let sign = match &token.token {
            Token::Minus | Token::Plus | Token::Tilde => true,
            Token::Word(word) => word.keyword == Keyword::NOT,
            _ => false,
        };
        signs = if sign { signs + 1 } else { 0 };
        deepest = deepest.max(open + signs);
    }
    deepest
}

/// How deep queries nest that stand behind two brackets, as in `FROM ((SELECT …) a JOIN b …)`. The parser reads each of them
/// twice, as a query and as tables, and so what is in it twice as often as what is around it.
pub(super) fn doubled(tokens: &[TokenWithSpan]) -> usize {
    let mut open: Vec<bool> = Vec::new();
    let (mut deep, mut deepest) = (0_usize, 0);
    let mut last: [Option<&Token>; 3] = [None; 3];
    for token in significant(tokens) {
        match token {
            Token::LParen => open.push(false),
            Token::RParen => deep -= usize::from(open.pop().unwrap_or(false)),
            token if begins_a_query(token) && last[1..] == [Some(&Token::LParen); 2] && !called(last[0]) => {
                if let Some(innermost) = open.last_mut() {
                    *innermost = true;
                    deep += 1;
                    deepest = deepest.max(deep);
                }
            }
            _ => {}
        }
        last = [last[1], last[2], Some(token)];
    }
    deepest
}

/// Whether what stands before a bracket is the name of a function, whose arguments the parser reads once.
fn called(before: Option<&Token>) -> bool {
    let table = |word: Keyword| matches!(word, Keyword::FROM | Keyword::JOIN | Keyword::LATERAL);
    matches!(before, Some(Token::Word(word)) if !table(word.keyword))
}

/// A query in brackets, without these, or a CASE with its END.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// The bracket before a query, or the CASE.
    pub(super) opening: &'a TokenWithSpan,
    pub(super) tokens: &'a [TokenWithSpan],
    /// The bracket behind a query, or the END; none of what is not closed.
    pub(super) closing: Option<&'a TokenWithSpan>,
    pub(super) is_case: bool,
}

/// The parts of a text, in the order in which they begin.
pub(super) fn parts(tokens: &[TokenWithSpan]) -> Vec<Part<'_>> {
    let mut open: Vec<(usize, &TokenWithSpan, bool)> = Vec::new();
    let mut parts = Vec::new();
    let mut last: Option<&Token> = None;
    for (at, token) in tokens.iter().enumerate() {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        // Behind a dot, or AS, any word is a name.
        let is_name = matches!(last, Some(Token::Period)) || last.is_some_and(|last| is(last, Keyword::AS));
        match (&token.token, open.last().copied()) {
            (Token::LParen, _) => open.push((at, token, false)),
            (Token::RParen, Some((from, opening, false))) => {
                open.pop();
                let inside = tokens.get(from + 1..at).unwrap_or_default();
                let mut words = significant(inside);
                let values = words.next().is_some_and(|first| is(first, Keyword::VALUES));
                if significant(inside).next().is_some_and(begins_a_query)
                    || values && words.next() == Some(&Token::LParen)
                {
                    parts.push((
                        from,
                        Part {
                            opening,
                            tokens: inside,
                            closing: Some(token),
                            is_case: false,
                        },
                    ));
                }
            }
            (word, _) if is(word, Keyword::CASE) && !is_name => open.push((at, token, true)),
            (word, Some((from, opening, true))) if is(word, Keyword::END) && !is_name => {
                open.pop();
                let case = tokens.get(from..=at).unwrap_or_default();
                parts.push((
                    from,
                    Part {
                        opening,
                        tokens: case,
                        closing: Some(token),
                        is_case: true,
                    },
                ));
            }
            _ => {}
        }
        last = Some(&token.token);
    }
    for (from, opening, is_case) in open {
        let inside = tokens.get(from + usize::from(!is_case)..).unwrap_or_default();
        if is_case || significant(inside).next().is_some_and(begins_a_query) {
            parts.push((
                from,
                Part {
                    opening,
                    tokens: inside,
                    closing: None,
                    is_case,
                },
            ));
        }
    }
    parts.sort_by_key(|(from, _)| *from);
    parts.into_iter().map(|(_, part)| part).collect()
}

fn significant(tokens: &[TokenWithSpan]) -> impl Iterator<Item = &Token> {
    let tokens = tokens.iter().map(|token| &token.token);
    tokens.filter(|token| !matches!(token, Token::Whitespace(_)))
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword)
}

fn begins_a_query(token: &Token) -> bool {
    is(token, Keyword::SELECT) || is(token, Keyword::WITH)
}
