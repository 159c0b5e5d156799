//! Words that the parser does not read: `DEFERRABLE` among the modes of a transaction, and of a table that is made of a query
//! the names of its columns and `WITH NO DATA`.

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::fetch::{is, is_space};

/// Takes `[NOT] DEFERRABLE` out of a BEGIN, START TRANSACTION or SET TRANSACTION, and gives what it says; other statements
/// are as they are.
pub(crate) fn deferrable(tokens: &mut Vec<TokenWithSpan>) -> Option<bool> {
    let mut words = tokens.iter().filter(|token| !is_space(token));
    let (first, second) = (words.next()?, words.next()?);
    let sets = is(first, &["SET"]) && is(second, &["TRANSACTION", "SESSION"]);
    if !sets && !is(first, &["BEGIN", "START"]) {
        return None;
    }
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut said = None;
    // Behind a mode that was taken out and had no comma before it.
    let mut first = false;
    for token in std::mem::take(tokens) {
        match &token.token {
            _ if is(&token, &["DEFERRABLE"]) => {
                let negated = ends(&mut kept, |last| is(last, &["NOT"]));
                first = !ends(&mut kept, |last| last.token == Token::Comma);
                said = Some(!negated);
                continue;
            }
            Token::Comma if first => {
                first = false;
                continue;
            }
            Token::Whitespace(_) => {}
            _ => first = false,
        }
        kept.push(token);
    }
    *tokens = kept;
    said
}

/// Takes `WITH [NO] DATA` off the end of a CREATE TABLE AS, and gives what it says; other statements are as they are.
pub(crate) fn with_data(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let creates = tokens
        .iter()
        .find(|token| !is_space(token))
        .is_some_and(|first| is(first, &["CREATE"]));
    if !creates {
        return true;
    }
    let before = tokens.clone();
    let data = ends(tokens, |last| is(last, &["DATA"]));
    let none = data && ends(tokens, |last| is(last, &["NO"]));
    if data && ends(tokens, |last| is(last, &["WITH"])) {
        return !none;
    }
    *tokens = before;
    true
}

/// Takes the names of columns, `(a, b)`, out of a CREATE TABLE AS, and gives them; other statements are as they are.
pub(crate) fn column_names(tokens: &mut Vec<TokenWithSpan>) -> Vec<Ident> {
    let significant = |(_, token): &(usize, &TokenWithSpan)| !is_space(token);
    let mut rest = tokens.iter().enumerate().filter(significant);
    if !rest.next().is_some_and(|(_, first)| is(first, &["CREATE"])) {
        return Vec::new();
    }
    let what = rest.find(|(_, token)| is(token, &["TABLE", "VIEW", "INDEX"]));
    if !what.is_some_and(|(_, what)| is(what, &["TABLE"])) {
        return Vec::new();
    }
    let opening = rest.find(|(_, token)| token.token == Token::LParen || is(token, &["AS"]));
    let Some((opening, _)) = opening.filter(|(_, token)| token.token == Token::LParen) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let closing = loop {
        let (Some((_, name)), Some((at, behind))) = (rest.next(), rest.next()) else {
            return Vec::new();
        };
        let Token::Word(word) = &name.token else {
            return Vec::new();
        };
        names.push(word.to_ident(name.span));
        match behind.token {
            Token::Comma => {}
            Token::RParen => break at,
            _ => return Vec::new(),
        }
    };
    if !rest.any(|(_, token)| is(token, &["AS"])) {
        return Vec::new();
    }
    tokens.drain(opening..=closing);
    names
}

/// Takes the last token off when it is the one asked for; says whether it was.
fn ends(tokens: &mut Vec<TokenWithSpan>, wanted: impl Fn(&TokenWithSpan) -> bool) -> bool {
    while tokens.pop_if(|last| is_space(last)).is_some() {}
    tokens.pop_if(|last| wanted(last)).is_some()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    #[test]
    fn tables_of_queries_have_names_and_data_that_the_parser_does_not_read() {
        for (sql, rest, columns, data) in [
            (
                "create temp table t (a, \"B\") as select 1, 2",
                "create temp table t as select 1, 2",
                "a,\"B\"",
                true,
            ),
            (
                "create table t as select 1 with no data",
                "create table t as select 1",
                "",
                false,
            ),
            (
                "create table t(a) as select 1 with data",
                "create table t as select 1",
                "a",
                true,
            ),
            ("create table t (a int)", "create table t (a int)", "", true),
            ("create table t (a)", "create table t (a)", "", true),
            (
                "create view v as select (a), data from t",
                "create view v as select (a), data from t",
                "",
                true,
            ),
            (
                "create table t as select no data",
                "create table t as select no data",
                "",
                true,
            ),
            ("select 1 with no data", "select 1 with no data", "", true),
        ] {
            let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
                .tokenize_with_location()
                .unwrap();
            let names = column_names(&mut tokens);
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(
                (with_data(&mut tokens), names.join(",").as_str()),
                (data, columns),
                "{sql}"
            );
            let words = |tokens: Vec<Token>| -> Vec<String> {
                let words = tokens
                    .iter()
                    .filter(|token| !matches!(token, Token::Whitespace(_)));
                words.map(ToString::to_string).collect()
            };
            let left = tokens.into_iter().map(|token| token.token).collect();
            let expected = Tokenizer::new(&PostgreSqlDialect {}, rest).tokenize().unwrap();
            assert_eq!(words(left), words(expected), "{sql}");
        }
    }

    #[track_caller]
    fn check(sql: &str, rest: &str, expected: Option<bool>) {
        let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
            .tokenize_with_location()
            .unwrap();
        assert_eq!(deferrable(&mut tokens), expected, "{sql}");
        let words: Vec<_> = tokens
            .iter()
            .filter(|token| !is_space(token))
            .map(|token| token.token.to_string())
            .collect();
        assert_eq!(words.join(" "), rest);
    }

    // The forms of PostgreSQL's manual, section SET TRANSACTION: commas between modes may be left out.
    #[test]
    fn the_mode_is_taken_out_wherever_it_stands() {
        check("begin deferrable", "begin", Some(true));
        check(
            "START TRANSACTION READ ONLY, NOT DEFERRABLE",
            "START TRANSACTION READ ONLY",
            Some(false),
        );
        check("BEGIN DEFERRABLE, READ ONLY", "BEGIN READ ONLY", Some(true));
        check(
            "SET TRANSACTION READ ONLY, DEFERRABLE, READ WRITE",
            "SET TRANSACTION READ ONLY , READ WRITE",
            Some(true),
        );
        check(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY DEFERRABLE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            Some(true),
        );
        check("SELECT deferrable FROM t", "SELECT deferrable FROM t", None);
    }
}
