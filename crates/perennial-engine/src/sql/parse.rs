//! From the text of a request to its statements.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, Query, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use perennial_base::{ErrorClass, UserError};

use crate::error::{Error, Result};
use crate::sql::brackets::{doubled, nesting, parts};
use crate::sql::depth::{balance, within_bounds};
use crate::sql::dialect::Bounded;
use crate::sql::fetch::{fetch_first, force_quote, null_tests, whole_tables, written_out};
use crate::sql::modes::{column_names, deferrable, with_data};
use crate::sql::precedence::distinct_from;
use crate::sql::slip::remedy;

/// Nesting that the parser follows before it gives up.
pub(crate) const MAX_DEPTH: usize = 1_000;
/// The parser's own limit, of which a bracket takes several; `nesting` is the bound that holds.
const PARSER_DEPTH: usize = 8 * MAX_DEPTH;
/// Queries behind two brackets each that may nest: what is in them is read twice for each.
const MAX_DOUBLED: usize = 12;
/// Expressions and queries that a statement may consist of.
pub(crate) const MAX_NODES: usize = 200_000;
/// Bytes of a request's text.
const MAX_BYTES: usize = 16 << 20;
/// Words, signs and blanks of a statement.
const MAX_TOKENS: usize = 1_000_000;
/// Statements of more tokens than this are parsed on a stack of their own.
const DEEP_TOKENS: usize = 2_000;
/// A stack for a chain of as many operators as there can be, with its frames of about a kilobyte; only what is used of it
/// takes memory.
const DEEP_STACK: usize = 512 << 20;

/// One statement of a request: its text and its tree. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Parsed(Arc<Source>);

#[derive(Debug)]
struct Source {
    text: String,
    /// What it was sent in, with the statements before and behind it.
    submitted: Arc<str>,
    statement: Statement,
    /// What the statement says of its transaction.
    deferrable: Option<bool>,
    /// Whether a table that is made of a query has its rows.
    with_data: bool,
    /// The names that it gives to the columns of such a table.
    column_names: Vec<Ident>,
}

impl Parsed {
    /// The statement's own text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The whole text that it was sent in.
    pub(crate) fn submitted(&self) -> &str {
        &self.0.submitted
    }

    pub(crate) fn statement(&self) -> &Statement {
        &self.0.statement
    }

    /// Whether a statement that opens a transaction or sets its modes makes it `DEFERRABLE` or `NOT DEFERRABLE`.
    pub(crate) fn deferrable(&self) -> Option<bool> {
        self.0.deferrable
    }

    /// Whether a table that is made of a query has its rows: not where it says `WITH NO DATA`.
    pub(crate) fn with_data(&self) -> bool {
        self.0.with_data
    }

    /// The names that it gives to the columns of such a table.
    pub(crate) fn column_names(&self) -> &[Ident] {
        &self.0.column_names
    }

    /// A statement that stands inside of this one; places are those of the whole text.
    pub(crate) fn inner(&self, statement: Statement) -> Self {
        Self(Arc::new(Source {
            text: self.text().to_owned(),
            submitted: Arc::clone(&self.0.submitted),
            statement,
            deferrable: None,
            with_data: true,
            column_names: Vec::new(),
        }))
    }
}

/// Splits and parses all statements of `sql`; none for an empty request.
///
/// # Errors
/// Class `Syntax` with the position of the token that does not fit, `TooLarge` for a text that is too long, `TooComplex`
/// for a statement that is nested too deeply or has too many parts.
pub(crate) fn parse(sql: &str) -> Result<Vec<Parsed>> {
    if sql.len() > MAX_BYTES {
        return Err(Error::new(
            ErrorClass::TooLarge,
            format!(
                "a statement of {} bytes is longer than the {MAX_BYTES} that are accepted",
                sql.len()
            ),
        )
        .with_hint("Give long values as parameters."));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| {
            Error::new(
                ErrorClass::Syntax,
                unterminated(
                    &error.message,
                    sql.get(offset(sql, error.location)..).unwrap_or_default(),
                ),
            )
            .with_position(position(sql, error.location))
        })?;
    let mut statements = Vec::new();
    let submitted: Arc<str> = Arc::from(sql);
    for segment in split(tokens) {
        statements.push(parse_one(&submitted, segment)?);
    }
    Ok(statements)
}

/// A query of our own making as a tree.
pub(crate) fn parse_query(sql: &str) -> Result<Query> {
    match parse(sql)?.first().map(Parsed::statement) {
        Some(Statement::Query(query)) => Ok(query.as_ref().clone()),
        _ => Err(Error::new(
            ErrorClass::Internal,
            "a table function does not stand for a query",
        )),
    }
}

/// What the tokenizer misses, in Postgres' words; `rest` begins with what is not ended.
fn unterminated(message: &str, rest: &str) -> String {
    let what = match message {
        message if message.starts_with("Unterminated string literal") => "quoted string",
        message if message.starts_with("Expected close delimiter '\"'") => "quoted identifier",
        message if message.contains("multi-line comment") => "/* comment",
        other => return other.to_lowercase(),
    };
    format!("unterminated {what} at or near \"{rest}\"")
}

/// The tokens between semicolons, without segments of only white space and comments.
fn split(tokens: Vec<TokenWithSpan>) -> Vec<Vec<TokenWithSpan>> {
    let mut segments = vec![Vec::new()];
    for token in tokens {
        if token.token == Token::SemiColon {
            segments.push(Vec::new());
        } else if let Some(segment) = segments.last_mut() {
            segment.push(token);
        }
    }
    segments.retain(|segment| {
        segment
            .iter()
            .any(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
    });
    segments
}

fn parse_one(sql: &Arc<str>, mut tokens: Vec<TokenWithSpan>) -> Result<Parsed> {
    let significant = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
    let start = tokens
        .iter()
        .find(significant)
        .map_or(0, |token| offset(sql, token.span.start));
    let end = tokens
        .iter()
        .rev()
        .find(significant)
        .map_or(sql.len(), |token| offset(sql, token.span.end));
    let text = sql.get(start..end.max(start)).unwrap_or(sql).to_owned();

    // The parser comes back from its limit by trying what else the tokens might be, at each level anew.
    if nesting(&tokens) > MAX_DEPTH || doubled(&tokens) > MAX_DOUBLED {
        return Err(too_complex());
    }
    // What few tokens make is not deep.
    let deferrable = deferrable(&mut tokens);
    let column_names = column_names(&mut tokens);
    let with_data = with_data(&mut tokens);
    let statement = if tokens.len() < DEEP_TOKENS {
        tree(sql, end, tokens)?
    } else if tokens.len() > MAX_TOKENS {
        return Err(too_complex());
    } else {
        stacker::grow(DEEP_STACK, || tree(sql, end, tokens))?
    };
    Ok(Parsed(Arc::new(Source {
        text,
        submitted: Arc::clone(sql),
        statement,
        deferrable,
        with_data,
        column_names,
    })))
}

/// The tree of one statement, which ends at a byte of the text. One that is too deep is also taken apart here, where the stack is large enough for it.
fn tree(sql: &str, end: usize, mut tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let dialect = Bounded::of(tokens.len());
    let behind_top = without_top(&mut tokens);
    let with_remedy = |error: Error| {
        let place = error.position();
        if behind_top.iter().any(|at| Some(position(sql, *at)) == place) {
            error.with_hint("Postgres has no TOP: write LIMIT and the number at the end of the query.")
        } else {
            match place.and_then(|place| remedy(sql, place)) {
                Some(remedy) if error.hint().is_none() => error.with_hint(remedy),
                _ => error,
            }
        }
    };
    let tokens = force_quote(fetch_first(null_tests(written_out(whole_tables(tokens)))));
    let (tree, tokens) = read(sql, end, &dialect, tokens, Parser::parse_statement);
    let mut statement = match tree {
        Ok(statement) => statement,
        Err(error) if error.class() != ErrorClass::Syntax || tokens.len() >= DEEP_TOKENS => {
            return Err(with_remedy(error));
        }
        Err(error) => return Err(with_remedy(innermost(sql, end, &tokens, error))),
    };
    distinct_from(&mut statement);
    with_inside(&mut statement);
    balance(&mut statement);
    if within_bounds(&statement) {
        Ok(statement)
    } else {
        Err(too_complex())
    }
}

/// `WITH x AS (…) INSERT INTO t SELECT …` is `INSERT INTO t WITH x AS (…) SELECT …`.
fn with_inside(statement: &mut Statement) {
    let Statement::Query(query) = statement else {
        return;
    };
    if let SetExpr::Insert(inner) = query.body.as_mut()
        && let Statement::Insert(insert) = inner
        && let Some(source) = insert.source.as_mut().filter(|source| source.with.is_none())
    {
        source.with = query.with.take();
        let insert = insert.clone();
        *statement = Statement::Insert(insert);
    }
}

/// What tokens are that are to be one thing, and the tokens.
fn read<'d, T>(
    sql: &str,
    end: usize,
    dialect: &'d Bounded,
    tokens: Vec<TokenWithSpan>,
    parse: impl FnOnce(&mut Parser<'d>) -> std::result::Result<T, ParserError>,
) -> (Result<T>, Vec<TokenWithSpan>) {
    let mut parser = Parser::new(dialect)
        .with_recursion_limit(PARSER_DEPTH)
        .with_tokens_with_locations(tokens);
    let tree = match parse(&mut parser) {
        Ok(tree) => match parser.peek_token() {
            next if next.token == Token::EOF => Ok(tree),
            next => Err(at_token(sql, &next)),
        },
        Err(ParserError::RecursionLimitExceeded) => Err(too_complex()),
        Err(_) if dialect.is_exhausted() => Err(too_complex()),
        Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => {
            Err(syntax_error(sql, end, &message, &parser))
        }
    };
    (tree, parser.into_tokens())
}

/// The error of a text that does not parse, where it is: the parser gives up at the beginning of a query in brackets, or of a
/// CASE, that it does not understand, and Postgres names the first token inside that does not fit.
fn innermost(sql: &str, end: usize, tokens: &[TokenWithSpan], outer: Error) -> Error {
    // One bound for all parts together, as for a statement.
    let dialect = Bounded::of(tokens.len());
    let case = |parser: &mut Parser<'_>| {
        parser.next_token();
        parser.parse_case_expr()
    };
    let mut found = outer;
    for part in parts(tokens) {
        if found.position() <= Some(position(sql, part.opening.span.start)) {
            // What is wrong stands before it, or is that it stands there.
            break;
        }
        let tokens = part.tokens.to_vec();
        let error = match part.is_case {
            true => read(sql, end, &dialect, tokens, case).0.err(),
            false => read(sql, end, &dialect, tokens, Parser::parse_statement).0.err(),
        };
        match error {
            Some(error) if error.class() != ErrorClass::Syntax => break,
            // A word that is missing is missed where the part ends.
            Some(error) if error.position() == end_of_input(sql, end).position() => {
                found = part.closing.map_or(error, |closing| at_token(sql, closing));
            }
            Some(error) => found = error,
            // It lacks its bracket and nothing else.
            None if part.closing.is_none() => found = end_of_input(sql, end),
            None => {}
        }
    }
    found
}

/// `TOP` is a name in Postgres, of a column or table as may be; the parser has it as a keyword of another database.
/// Gives where numbers stand right behind it, which is that database's LIMIT.
fn without_top(tokens: &mut [TokenWithSpan]) -> Vec<Location> {
    let mut numbers = Vec::new();
    let mut behind_top = false;
    for token in tokens {
        match &mut token.token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.keyword == Keyword::TOP => {
                word.keyword = Keyword::NoKeyword;
                behind_top = true;
                continue;
            }
            Token::Number(..) if behind_top => numbers.push(token.span.start),
            _ => {}
        }
        behind_top = false;
    }
    numbers
}

fn too_complex() -> Error {
    Error::new(ErrorClass::TooComplex, "statement is too complex")
        .with_detail(format!(
            "A statement may nest {MAX_DEPTH} levels and have {MAX_NODES} expressions."
        ))
        .with_hint("Split it, or put long lists of values in a table.")
}

/// The parser says what it expected; Postgres names the token that did not fit.
fn syntax_error(sql: &str, end: usize, message: &str, parser: &Parser<'_>) -> Error {
    match location(message) {
        Some(at) => {
            let from = offset(sql, at);
            let rest = sql.get(from..).unwrap_or_default();
            let mut tokenizer = Tokenizer::new(&PostgreSqlDialect {}, rest);
            let token = tokenizer.tokenize().ok().and_then(|tokens| {
                tokens
                    .into_iter()
                    .find(|token| !matches!(token, Token::Whitespace(_)))
            });
            match token {
                Some(token) if token != Token::EOF => Error::new(
                    ErrorClass::Syntax,
                    format!("syntax error at or near \"{}\"", source_of(rest, &token)),
                )
                .with_position(position(sql, at)),
                _ => end_of_input(sql, end),
            }
        }
        None if message.contains("EOF") => end_of_input(sql, end),
        None => {
            let token = parser.peek_token();
            if token.token == Token::EOF {
                end_of_input(sql, end).with_detail(format!("{message}."))
            } else {
                at_token(sql, &token)
            }
        }
    }
}

/// The token as the user typed it.
fn source_of(rest: &str, token: &Token) -> String {
    let shown = token.to_string();
    let rest = rest.trim_start();
    match rest.get(..shown.len()) {
        Some(typed) if typed.eq_ignore_ascii_case(&shown) => typed.to_owned(),
        _ => shown,
    }
}

fn at_token(sql: &str, token: &TokenWithSpan) -> Error {
    Error::new(
        ErrorClass::Syntax,
        format!("syntax error at or near \"{}\"", token.token),
    )
    .with_position(position(sql, token.span.start))
}

/// What a statement is told that ends too early.
pub(crate) const END_OF_INPUT: &str = "syntax error at end of input";

/// Of a statement that ends at a byte: with the text, or at the `;` behind it.
fn end_of_input(sql: &str, end: usize) -> Error {
    let rest = sql.get(end..).unwrap_or_default().trim_start();
    let behind = sql.chars().count() + 1;
    let (message, place) = match rest.starts_with(';') {
        true => ("syntax error at or near \";\"", behind - rest.chars().count()),
        false => (END_OF_INPUT, behind),
    };
    Error::new(ErrorClass::Syntax, message).with_position(place)
}

/// The place that the parser's message ends with: `… at Line: 1, Column: 8`.
fn location(message: &str) -> Option<Location> {
    let (_, place) = message.rsplit_once("at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some(Location {
        line: line.trim().parse().ok()?,
        column: column.parse().ok()?,
    })
}

/// Byte offset of a location.
fn offset(sql: &str, at: Location) -> usize {
    let Some(line) = at.line.checked_sub(1) else {
        return 0;
    };
    let mut start = 0;
    for _ in 0..line {
        match sql.get(start..).and_then(|rest| rest.find('\n')) {
            Some(end) => start += end + 1,
            None => return sql.len(),
        }
    }
    let rest = sql.get(start..).unwrap_or_default();
    let column = usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX);
    rest.char_indices()
        .nth(column)
        .map_or(sql.len(), |(at, _)| start + at)
}

/// 1-based character count of a location, as the wire protocol has it.
pub(crate) fn position(sql: &str, at: Location) -> usize {
    sql.get(..offset(sql, at))
        .map_or(0, |before| before.chars().count())
        + 1
}

/// Whether a query has no side that reads or computes anything but literals, such as a driver's ping.
pub(crate) fn query_of(statement: &Statement) -> Option<&Query> {
    match statement {
        Statement::Query(query) => Some(query),
        Statement::Explain { statement, .. } => query_of(statement),
        _ => None,
    }
}

/// Whether the query only reads: no `SELECT … INTO`, no data-changing CTE.
pub(crate) fn read_only(query: &Query) -> bool {
    let changing = |body: &SetExpr| {
        matches!(
            body,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        )
    };
    let into = matches!(query.body.as_ref(), SetExpr::Select(select) if select.into.is_some());
    !into
        && !changing(&query.body)
        && query
            .with
            .iter()
            .flat_map(|with| &with.cte_tables)
            .all(|cte| !changing(&cte.query.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fails(sql: &str, message: &str, at: usize) {
        let error = parse(sql).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.position()),
            (message, Some(at)),
            "{sql}"
        );
    }

    // Messages and positions as PostgreSQL 15 gives them for the same text.
    #[test]
    fn syntax_errors_name_the_token_and_its_place() {
        fails("selec 1", "syntax error at or near \"selec\"", 1);
        fails("select * fro customers", "syntax error at or near \"fro\"", 10);
        fails("select 1 +", "syntax error at end of input", 11);
        fails("select\n  *\nfrom x)", "syntax error at or near \")\"", 18);
        fails("select 'ä', , 1", "syntax error at or near \",\"", 13);
        fails("select * orders", "syntax error at or near \"orders\"", 10);
        fails("select (2 ; select 1", "syntax error at or near \";\"", 11);
    }

    // As PostgreSQL 15 has them, too.
    #[test]
    fn syntax_errors_inside_of_subqueries_and_cases_have_their_place() {
        let near = |token: &str| format!("syntax error at or near \"{token}\"");
        for (sql, token, at) in [
            ("select * from (select a form t) q", "t", 30),
            ("select * from (select a from t where) q", ")", 37),
            ("select (select max(a) from (select b c d from t) x)", "d", 40),
            ("select case when a = 1 then 2 els 3 end from t", "els", 31),
            ("select case when a then end from t", "end", 25),
            ("select case when a then b else 'c' from t", "from", 36),
            ("select a from t where b in (select 1 union all values)", ")", 54),
            // Of two errors the first one.
            ("selec a from (select b c d from t) q", "selec", 1),
            ("select 1 frm (select 1 2 3) q", "(", 14),
            ("select * from (select a b c from (select 1 2 3) y) z", "c", 27),
            ("select 1 from (select 1) a, (select b c d from t) q", "d", 41),
            // Words that are names here.
            (
                "select case when e.end > 1 then 2 end, t.case from t wher e.x = 1",
                "e",
                59,
            ),
            ("select sum(values) from orders where 1 1", "1", 40),
        ] {
            fails(sql, &near(token), at);
        }
        let open = "select * from (select * from orders";
        fails(open, END_OF_INPUT, open.len() + 1);
    }

    // As in PostgreSQL 15, where TOP is no keyword.
    #[test]
    fn top_is_a_name_and_a_number_behind_it_is_answered_with_limit() {
        for (sql, at) in [
            ("SELECT TOP 5 x FROM t", 12),
            ("SELECT * FROM (SELECT top 5 x FROM t) q", 27),
        ] {
            fails(sql, "syntax error at or near \"5\"", at);
            let hint = parse(sql).unwrap_err().hint().unwrap();
            assert!(hint.contains("LIMIT"), "{hint}");
        }
        let hint = parse("SELECT 1 5").unwrap_err().hint();
        assert!(hint.is_some_and(|hint| !hint.contains("LIMIT")));
        for sql in [
            "SELECT top FROM t",
            "SELECT 1 FROM t AS top",
            "SELECT t.top AS top FROM t",
        ] {
            assert!(parse(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn statements_are_split_at_semicolons_outside_of_literals() {
        let statements = parse("select ';'; /* ; */ ;\n-- ;\n show all;").unwrap();
        let texts: Vec<_> = statements.iter().map(Parsed::text).collect();
        assert_eq!(texts, ["select ';'", "show all"]);
        assert!(parse("  ; ;").unwrap().is_empty());
    }

    #[test]
    fn no_text_takes_long() {
        let doubled = |depth: usize, item: &str, join: &str| {
            let (open, close) = (format!("((select {item} from "), format!(") q {join})"));
            format!(
                "select {item} from {}t{}",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        for item in ["*", "1"] {
            let joined = |depth| parse(&doubled(depth, item, "join t using (a)"));
            let read = joined(if item == "*" { MAX_DOUBLED } else { 8 }).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(
                joined(MAX_DOUBLED + 1).unwrap_err().class(),
                ErrorClass::TooComplex
            );
            // With an error before it, and with one at each level.
            let error = parse(&format!("select 1 1, ({})", doubled(12, item, ""))).unwrap_err();
            assert_eq!(error.to_string(), "syntax error at or near \"1\"");
            let error = parse(&doubled(4, item, "x y z")).unwrap_err();
            assert_eq!(error.to_string(), "syntax error at or near \"x\"");
        }
    }

    #[test]
    fn too_deep_is_an_error_and_not_the_end() {
        let deep = format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(parse(&deep).unwrap_err().class(), ErrorClass::TooComplex);
    }
}
