//! Words that the parser lacks or wants. `FETCH c`, `FETCH FROM c`, `FETCH FORWARD IN c`: the parser wants every word that Postgres leaves out.
//! `MOVE` is a FETCH whose rows go elsewhere than to the client. `trim(trailing FROM x)` says what is trimmed. `FETCH FIRST (2) ROWS ONLY` is a LIMIT, and the star of
//! `FORCE_QUOTE *` a column of that name.

use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// Directions that take a number, 1 where none stands.
const COUNTED: [&str; 2] = ["FORWARD", "BACKWARD"];

/// Adds what is left out of a FETCH and of a TRIM, and makes MOVE a FETCH with INTO; other statements are as they are.
pub(crate) fn written_out(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let tokens = trimmed(tokens);
    let mut words = tokens.iter().filter(|token| !is_space(token));
    let Some(first) = words.next().filter(|first| is(first, &["FETCH", "MOVE"])) else {
        return tokens;
    };
    let rest: Vec<&TokenWithSpan> = words.collect();
    let Some((name, before)) = rest.split_last() else {
        return tokens;
    };
    let (source, direction) = match before.split_last() {
        Some((last, direction)) if is(last, &["FROM", "IN"]) => (Some(*last), direction),
        _ => (None, before),
    };
    let added = |text: &str| TokenWithSpan::new(Token::make_keyword(text), name.span);
    let number = |text: &str| TokenWithSpan::new(Token::Number(text.to_owned(), false), name.span);
    let moves = is(first, &["MOVE"]);
    let mut out = vec![TokenWithSpan::new(Token::make_keyword("FETCH"), first.span)];
    let direction = signed(direction);
    out.extend(direction.iter().cloned());
    match direction.as_slice() {
        [] => out.push(added("NEXT")),
        [only] if is(only, &COUNTED) => out.push(number("1")),
        _ => {}
    }
    out.push(source.map_or_else(|| added("FROM"), TokenWithSpan::clone));
    out.push((*name).clone());
    if moves {
        out.extend([added("INTO"), (*name).clone()]);
    }
    out
}

/// `trim(trailing FROM x)` takes blanks away: the parser wants to be told so.
fn trimmed(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is(token, &["TRIM"])) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if is(&token, &["FROM"]) {
            let mut before = out.iter().rev().filter(|token| !is_space(token));
            if before
                .next()
                .is_some_and(|side| is(side, &["LEADING", "TRAILING", "BOTH"]))
                && before
                    .next()
                    .is_some_and(|bracket| bracket.token == Token::LParen)
                && before.next().is_some_and(|called| is(called, &["TRIM"]))
            {
                let added = |becomes: Token| TokenWithSpan::new(becomes, token.span);
                out.push(added(Token::SingleQuotedString(" ".to_owned())));
                out.push(added(Token::Whitespace(Whitespace::Space)));
            }
        }
        out.push(token);
    }
    out
}

/// A number together with the sign before it.
fn signed(direction: &[&TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(direction.len());
    for token in direction {
        let sign = match &token.token {
            Token::Number(..) => out.pop_if(|last| matches!(last.token, Token::Minus | Token::Plus)),
            _ => None,
        };
        out.push(match (sign, &token.token) {
            (Some(sign), Token::Number(digits, long)) if sign.token == Token::Minus => {
                TokenWithSpan::new(Token::Number(format!("-{digits}"), *long), sign.span)
            }
            _ => (*token).clone(),
        });
    }
    out
}

/// `TABLE x` where a query stands is `SELECT * FROM x`.
pub(crate) fn whole_tables(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is(token, &["TABLE"])) {
        return tokens;
    }
    const BEFORE: [&str; 9] = [
        "ALL",
        "ANALYZE",
        "AS",
        "DISTINCT",
        "EXCEPT",
        "EXPLAIN",
        "FOR",
        "INTERSECT",
        "UNION",
    ];
    let mut out = Vec::with_capacity(tokens.len());
    let mut begins = true;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.iter().skip(at + 1).find(|token| !is_space(token));
        // Behind a column that is called so something else goes on.
        let named = next.is_some_and(|next| {
            matches!(&next.token, Token::Word(word) if !RESERVED_FOR_COLUMN_ALIAS.contains(&word.keyword))
        });
        if begins && named && is(token, &["TABLE"]) {
            let span = token.span;
            let words = [
                Token::make_keyword("SELECT"),
                Token::Mul,
                Token::make_keyword("FROM"),
            ];
            for word in words {
                out.push(TokenWithSpan { token: word, span });
                out.push(TokenWithSpan {
                    token: Token::Whitespace(Whitespace::Space),
                    span,
                });
            }
        } else {
            out.push(token.clone());
        }
        if is_space(token) {
            continue;
        }
        begins = token.token == Token::LParen || is(token, &BEFORE);
    }
    out
}

/// `FETCH FIRST (n) ROWS ONLY` is `LIMIT (n)`: the parser reads it with a plain number alone.
pub(crate) fn fetch_first(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is(token, &["FETCH"])) {
        return tokens;
    }
    let places: Vec<usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !is_space(token))
        .map(|(place, _)| place)
        .collect();
    let token = |at: usize| places.get(at).and_then(|place| tokens.get(*place));
    let is_at = |at: usize, words: &[&str]| token(at).is_some_and(|token| is(token, words));
    let sign_at = |at: usize, sign: Token| token(at).is_some_and(|token| token.token == sign);
    let mut out = tokens.clone();
    for at in 0..places.len() {
        if !is_at(at, &["FETCH"]) || !is_at(at + 1, &["FIRST", "NEXT"]) || !sign_at(at + 2, Token::LParen) {
            continue;
        }
        let Some(behind) = closing(&tokens, &places, at + 2).map(|closing| closing + 1) else {
            continue;
        };
        if !is_at(behind, &["ROW", "ROWS"]) || !is_at(behind + 1, &["ONLY"]) {
            continue;
        }
        for (place, becomes) in [
            (at, Token::make_keyword("LIMIT")),
            (at + 1, Token::Whitespace(Whitespace::Space)),
            (behind, Token::Whitespace(Whitespace::Space)),
            (behind + 1, Token::Whitespace(Whitespace::Space)),
        ] {
            if let Some(token) = places.get(place).and_then(|place| out.get_mut(*place)) {
                token.token = becomes;
            }
        }
    }
    out
}

/// Which of the places has the bracket that closes the one at a place.
fn closing(tokens: &[TokenWithSpan], places: &[usize], opening: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, place) in places.iter().enumerate().skip(opening) {
        match tokens.get(*place).map(|token| &token.token) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) if depth == 1 => return Some(at),
            Some(Token::RParen) => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// `FORCE_QUOTE *` of a COPY, and `FORCE QUOTE *` of its older form, name a column that is called `*`.
pub(crate) fn force_quote(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut words = tokens.iter().filter(|token| !is_space(token));
    if !words.next().is_some_and(|first| is(first, &["COPY"])) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 2);
    for token in tokens {
        let mut before = out.iter().rev().filter(|token| !is_space(token));
        let (last, earlier) = (before.next(), before.next());
        let is_last = |word: &str| last.is_some_and(|last| is(last, &[word]));
        let listed = is_last("FORCE_QUOTE");
        let plain = is_last("QUOTE") && earlier.is_some_and(|earlier| is(earlier, &["FORCE"]));
        if token.token != Token::Mul || !(listed || plain) {
            out.push(token);
            continue;
        }
        let added = |becomes: Token| TokenWithSpan::new(becomes, token.span);
        let star = added(Token::make_word("*", Some('"')));
        match listed {
            true => out.extend([added(Token::LParen), star, added(Token::RParen)]),
            false => out.push(star),
        }
    }
    out
}

/// Whether a keyword may be the name of a column.
fn named_by(keyword: Keyword) -> bool {
    !RESERVED_FOR_COLUMN_ALIAS.contains(&keyword)
        && !matches!(
            keyword,
            Keyword::SELECT
                | Keyword::DISTINCT
                | Keyword::AS
                | Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE
                | Keyword::CASE
                | Keyword::ON
                | Keyword::BY
                | Keyword::IN
                | Keyword::ALL
        )
}

/// `x ISNULL` is `x IS NULL`, and `x NOTNULL` is `x IS NOT NULL`. Postgres has neither word as the name of a column without
/// AS; as the name of a function it stands before a bracket.
pub(crate) fn null_tests(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is(token, &["ISNULL", "NOTNULL"])) {
        return tokens;
    }
    let next = |place: usize| {
        let mut rest = tokens.iter().skip(place + 1);
        rest.find(|token| !matches!(token.token, Token::Whitespace(_)))
    };
    let mut out = Vec::with_capacity(tokens.len() + 4);
    let mut operand = false;
    for (place, token) in tokens.iter().enumerate() {
        let called = next(place).is_some_and(|next| next.token == Token::LParen);
        let added = |text: &str| TokenWithSpan::new(Token::make_keyword(text), token.span);
        let space = || TokenWithSpan::new(Token::Whitespace(Whitespace::Space), token.span);
        match token {
            test if operand && !called && is(test, &["ISNULL"]) => {
                out.extend([added("IS"), space(), added("NULL")]);
            }
            test if operand && !called && is(test, &["NOTNULL"]) => {
                out.extend([added("IS"), space(), added("NOT"), space(), added("NULL")]);
            }
            other => out.push(other.clone()),
        }
        match &token.token {
            Token::Whitespace(_) => {}
            Token::Word(word) => {
                let constant = is(token, &["NULL", "TRUE", "FALSE", "END", "ISNULL", "NOTNULL"]);
                operand = constant || word.keyword == Keyword::NoKeyword || named_by(word.keyword);
            }
            other => {
                operand = matches!(
                    other,
                    Token::Number(..)
                        | Token::SingleQuotedString(_)
                        | Token::EscapedStringLiteral(_)
                        | Token::Placeholder(_)
                        | Token::RParen
                        | Token::RBracket
                );
            }
        }
    }
    out
}

/// Whether a token is no word or sign.
pub(super) fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

/// Whether a token is one of these words, without quotes.
pub(super) fn is(token: &TokenWithSpan, words: &[&str]) -> bool {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => {
            words.iter().any(|known| word.value.eq_ignore_ascii_case(known))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    #[test]
    fn what_is_left_out_is_added() {
        #[track_caller]
        fn check(sql: &str, expected: &str) {
            let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
                .tokenize_with_location()
                .unwrap();
            let words: Vec<String> = written_out(tokens)
                .iter()
                .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
                .map(|token| token.token.to_string())
                .collect();
            assert_eq!(words.join(" "), expected);
        }
        // The forms of PostgreSQL's manual, section FETCH.
        check("FETCH c", "FETCH NEXT FROM c");
        check("fetch from c", "FETCH NEXT from c");
        check("MOVE 2 c", "FETCH 2 FROM c INTO c");
        check("move forward all in c", "FETCH forward all in c INTO c");
        check("FETCH 2 IN c", "FETCH 2 IN c");
        check("FETCH ALL c", "FETCH ALL FROM c");
        check("FETCH FORWARD FROM c", "FETCH FORWARD 1 FROM c");
        check("FETCH FORWARD ALL IN c", "FETCH FORWARD ALL IN c");
        check("FETCH BACKWARD 3 c", "FETCH BACKWARD 3 FROM c");
        check("FETCH -2 FROM c", "FETCH -2 FROM c");
        check("MOVE FORWARD - 2 c", "FETCH FORWARD -2 FROM c INTO c");
        check("FETCH RELATIVE +1 c", "FETCH RELATIVE 1 FROM c");
        check("FETCH \"from\"", "FETCH NEXT FROM \"from\"");
        check("SELECT 1", "SELECT 1");
    }
}
