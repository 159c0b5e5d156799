//! Where in a text something stands that an error is about.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::parse::position;

/// Where a name stands, if it stands once: 1-based characters.
pub(crate) fn position_of_name(sql: &str, name: &str) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .ok()?;
    let mut places = tokens.iter().filter(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_some() => word.value == name,
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        _ => false,
    });
    match (places.next(), places.next()) {
        (Some(place), None) => Some(position(sql, place.span.start)),
        _ => None,
    }
}

/// Where a constant in quotes stands, if it stands once: 1-based characters.
pub(crate) fn position_of_text(sql: &str, text: &str) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .ok()?;
    let mut places = tokens.iter().filter(|token| match &token.token {
        Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) => value == text,
        _ => false,
    });
    match (places.next(), places.next()) {
        (Some(place), None) => Some(position(sql, place.span.start)),
        _ => None,
    }
}

/// Where an operator stands: the first behind a place, or the only one. 1-based characters.
pub(crate) fn position_of_operator(sql: &str, symbol: &str, behind: Option<Location>) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .ok()?;
    let mut places = tokens
        .iter()
        .map(|token| (token.span.start, &token.token))
        .filter(|(_, token)| token.to_string().eq_ignore_ascii_case(symbol))
        .map(|(start, _)| start);
    match behind {
        Some(behind) => places
            .find(|start| (start.line, start.column) >= (behind.line, behind.column))
            .map(|start| position(sql, start)),
        None => match (places.next(), places.next()) {
            (Some(place), None) => Some(position(sql, place)),
            _ => None,
        },
    }
}
