//! What a statement that cannot be parsed was probably meant to be.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use perennial_base::nearest;

/// The words of a query of which a misspelt one is told.
const WORDS: [&str; 24] = [
    "BETWEEN",
    "DISTINCT",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FILTER",
    "FROM",
    "GROUP",
    "HAVING",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIMIT",
    "OFFSET",
    "ORDER",
    "OVER",
    "PARTITION",
    "SELECT",
    "UNION",
    "VALUES",
    "WHERE",
];
/// The parts of a query in their order.
const PARTS: [(Keyword, &str); 7] = [
    (Keyword::FROM, "FROM"),
    (Keyword::WHERE, "WHERE"),
    (Keyword::GROUP, "GROUP BY"),
    (Keyword::HAVING, "HAVING"),
    (Keyword::ORDER, "ORDER BY"),
    (Keyword::LIMIT, "LIMIT"),
    (Keyword::OFFSET, "OFFSET"),
];

/// Words behind which a bracket is none of a call.
const NO_CALLS: [Keyword; 10] = [
    Keyword::ALL,
    Keyword::ANY,
    Keyword::AS,
    Keyword::EXISTS,
    Keyword::FILTER,
    Keyword::FROM,
    Keyword::IN,
    Keyword::JOIN,
    Keyword::OVER,
    Keyword::USING,
];

/// What to do about a statement that does not fit at a token, which stands at a place counted in characters from 1; behind
/// the last one for a statement that ends too early.
pub(super) fn remedy(sql: &str, place: usize) -> Option<String> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location();
    let tokens = tokens.ok()?.into_iter();
    let place = location(sql, place);
    let mut before: Vec<Token> = Vec::new();
    let mut rest = tokens.filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let at = loop {
        let Some(token) = rest.next() else { break None };
        let start = token.span.start;
        match token.token {
            token if (start.line, start.column) >= place => break Some(token),
            Token::SemiColon => before.clear(),
            token => before.push(token),
        }
    };
    let at = at.filter(|token| *token != Token::SemiColon);
    let next = rest.next().map(|next| next.token);
    let followed = next
        .as_ref()
        .is_some_and(|next| keyword(next) == Some(Keyword::BY));
    let open = open(&before);
    let (last, behind) = (before.last(), before.len().checked_sub(2));
    let behind = behind.and_then(|behind| before.get(behind));
    let misspelt = || {
        let of_last = last.and_then(|last| Some((last, near(last, behind)?)));
        of_last.or_else(|| at.as_ref().and_then(|at| Some((at, near(at, last)?))))
    };
    let Some(at) = &at else {
        let last = last?;
        return Some(match open {
            0 => format!("Something is missing behind \"{last}\"."),
            _ => "A bracket is open that is not closed.".to_owned(),
        });
    };
    if *at == Token::RParen && open == 0 {
        return Some("No bracket is open that it could close.".to_owned());
    }
    if let Some((token, meant)) = misspelt() {
        return Some(format!("Perhaps you meant \"{meant}\" by \"{token}\"."));
    }
    if let Some(later) = later(at, &before) {
        return Some(format!("It stands before {later}."));
    }
    let last = last?;
    if *at == Token::ExclamationMark && next == Some(Token::Eq) {
        return Some("\"!=\" is written without a space.".to_owned());
    }
    match keyword(at) {
        _ if *last == Token::Comma => Some("Is the comma before it one too many?".to_owned()),
        // The parser takes a word behind a comma for a name.
        _ if behind == Some(&Token::Comma) && begins_a_part(last) => Some(format!(
            "Is the comma before {} one too many?",
            last.to_string().to_uppercase()
        )),
        Some(Keyword::GROUP | Keyword::ORDER | Keyword::PARTITION) if !followed => Some(format!(
            "\"{at}\" is followed by BY; a column of that name stands in quotes."
        )),
        // Behind a star of all columns; a product would fit.
        _ if *last == Token::Mul && is_operand(at) => {
            Some("Is FROM or a comma missing before it?".to_owned())
        }
        _ if is_operand(last) && is_operand(at) => {
            Some("Is a comma or an operator missing before it?".to_owned())
        }
        Some(_) if begins_a_part(at) && calls(&before) => {
            Some("Is a closing bracket missing before it?".to_owned())
        }
        _ => None,
    }
}

/// The part of a query that stands before a token which begins an earlier part, within the same brackets.
fn later(at: &Token, before: &[Token]) -> Option<&'static str> {
    let part = |token: &Token| PARTS.iter().position(|(word, _)| keyword(token) == Some(*word));
    let own = part(at)?;
    let mut depth = 0;
    let mut found = None;
    for token in before.iter().rev() {
        match token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen => depth -= 1,
            // Another query of a set.
            token if depth == 0 && keyword(token) == Some(Keyword::SELECT) => break,
            token if depth == 0 => found = part(token).filter(|part| *part > own).or(found),
            _ => {}
        }
    }
    PARTS.get(found?).map(|(_, name)| *name)
}

/// Whether a token begins a part of a query.
fn begins_a_part(token: &Token) -> bool {
    PARTS.iter().any(|(word, _)| keyword(token) == Some(*word))
}

/// Whether the innermost open bracket is that of a call, and of no query.
fn calls(before: &[Token]) -> bool {
    let mut depth = 0;
    for (at, token) in before.iter().enumerate().rev() {
        match token {
            Token::RParen => depth += 1,
            Token::LParen if depth > 0 => depth -= 1,
            Token::LParen => {
                let behind = at.checked_sub(1).and_then(|behind| before.get(behind));
                let called = matches!(behind, Some(Token::Word(word)) if !NO_CALLS.contains(&word.keyword));
                return called && before.get(at + 1).and_then(keyword) != Some(Keyword::SELECT);
            }
            _ => {}
        }
    }
    false
}

/// How many brackets are open.
fn open(before: &[Token]) -> usize {
    before.iter().fold(0_usize, |open, token| match token {
        Token::LParen => open + 1,
        Token::RParen => open.saturating_sub(1),
        _ => open,
    })
}

/// Line and column of a character, all counted from 1.
fn location(sql: &str, place: usize) -> (u64, u64) {
    let before = sql.chars().take(place.saturating_sub(1));
    before.fold((1, 1), |(line, column), character| match character {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    })
}

/// The word of a query that a token was probably meant to be: a word that is none of the language, where no name stands.
fn near(token: &Token, behind: Option<&Token>) -> Option<&'static str> {
    let Token::Word(word) = token else { return None };
    let named = match behind {
        Some(Token::Comma | Token::Period | Token::LParen) => true,
        Some(behind) => matches!(keyword(behind), Some(Keyword::FROM | Keyword::JOIN | Keyword::AS)),
        None => false,
    };
    let unknown = word.quote_style.is_none() && word.keyword == Keyword::NoKeyword;
    let meant = nearest(&word.value, WORDS).filter(|_| unknown && !named)?;
    // A name may be such a word in the plural, as orders and values are.
    let plural = word.value.to_uppercase().strip_suffix('S') == Some(meant);
    (!plural).then_some(meant)
}

/// The word of the language that a token is.
fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword != Keyword::NoKeyword => {
            Some(word.keyword)
        }
        _ => None,
    }
}

/// Whether a token is a value or a name.
fn is_operand(token: &Token) -> bool {
    match token {
        Token::Word(_) => keyword(token).is_none(),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::RParen => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use perennial_base::UserError;

    use crate::sql::parse::parse;

    #[track_caller]
    fn check(sql: &str, expected: Option<&str>) {
        let error = parse(sql).unwrap_err();
        assert_eq!(error.hint().as_deref(), expected, "{sql}: {error}");
    }

    #[test]
    fn a_misspelt_word_is_told_with_the_one_that_was_meant() {
        for (sql, meant) in [
            ("SELECT * FORM customers", "\"FROM\" by \"FORM\""),
            ("selec 1", "\"SELECT\" by \"selec\""),
            ("SELECT 1 FROM t WEHRE a = 1", "\"WHERE\" by \"WEHRE\""),
            ("SELECT 'ä',\n  a b\nFROM c d\nWERE e", "\"WHERE\" by \"WERE\""),
        ] {
            check(sql, Some(&format!("Perhaps you meant {meant}.")));
        }
    }

    #[test]
    fn names_and_words_of_the_language_are_no_misspelt_ones() {
        let closing = "A bracket is open that is not closed.";
        check("SELECT (SELECT count(*) FROM orders", Some(closing));
        let surplus = "No bracket is open that it could close.";
        check("SELECT count(*) FROM orders)", Some(surplus));
        check("SELECT (1))", Some(surplus));
        let missing = "Is a closing bracket missing before it?";
        check("SELECT count(* FROM t", Some(missing));
        check("SELECT max(value FROM identities", Some(missing));
        check("SELECT sum(gross FROM t", Some(missing));
        let between = "Is a comma or an operator missing before it?";
        check("SELECT a b c FROM t", Some(between));
        check("SELECT a \"form\" c FROM t", Some(between));
        check("SELECT a FROM t WHERE orders 5", Some(between));
        check("SELECT 1 IN (1 2)", Some(between));
    }

    #[test]
    fn parts_of_a_query_in_another_order_are_told() {
        check(
            "SELECT a FROM t GROUP BY a WHERE b",
            Some("It stands before GROUP BY."),
        );
        check(
            "SELECT (SELECT 1 LIMIT 1), a FROM t LIMIT 10 ORDER BY a",
            Some("It stands before LIMIT."),
        );
        check(
            "SELECT a FROM t WHERE",
            Some("Something is missing behind \"WHERE\"."),
        );
        check(
            "SELECT a FROM t ORDER a",
            Some("\"ORDER\" is followed by BY; a column of that name stands in quotes."),
        );
        check("SELECT a, FROM t", Some("Is the comma before FROM one too many?"));
        check(
            "SELECT sum(a) OVER (PARTITION BY c, ORDER BY d) FROM t",
            Some("Is the comma before ORDER one too many?"),
        );
        check(
            "SELECT a, 1, FROM t",
            Some("Is the comma before FROM one too many?"),
        );
        check("SELECT (1, )", Some("Is the comma before it one too many?"));
        check("SELECT 1 = = 2", None);
        check("SELECT * orders", Some("Is FROM or a comma missing before it?"));
        check("SELECT 1 ! = 2", Some("\"!=\" is written without a space."));
    }

    #[test]
    fn of_several_statements_each_has_its_own_brackets() {
        check(
            "SELECT (1);\nSELECT (2;\nSELECT 3",
            Some("A bracket is open that is not closed."),
        );
        check(
            "SELECT 1;\nSELECT (2);\nSELECT 3)",
            Some("No bracket is open that it could close."),
        );
    }
}
