//! `DEFERRABLE` among the modes of a transaction, which the parser does not read.

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
