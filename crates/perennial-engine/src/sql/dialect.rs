//! The dialect that statements are parsed in: the parser's of Postgres, but one in which no text takes long.
//!
//! The parser tries what tokens might be and comes back; where it does so at each level of nesting, time doubles with
//! each. Two things are against that: an argument's name is an identifier here, as in Postgres, and not any expression,
//! which was parsed twice for each call around it; and there is a bound on all tries of a statement.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

/// Operands that may be tried for each token, beside [`TRIES`]; one that is right takes one or two.
const TRIES_PER_TOKEN: usize = 20;
/// Operands that may be tried in any statement: what takes a part of a second.
const TRIES: usize = 50_000;

/// See the module. For one statement.
#[derive(Debug)]
pub(super) struct Bounded {
    base: PostgreSqlDialect,
    tries: Cell<usize>,
}

impl Bounded {
    /// For a statement of so many tokens.
    pub(super) fn of(tokens: usize) -> Self {
        Self {
            base: PostgreSqlDialect {},
            tries: Cell::new(tokens.saturating_mul(TRIES_PER_TOKEN).saturating_add(TRIES)),
        }
    }

    /// Whether the statement was given up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.tries.get() == 0
    }
}

/// What Postgres' dialect answers otherwise than a dialect does by itself.
macro_rules! as_in_postgres {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $method(&self $(, $argument: $type)*) -> $answer {
            self.base.$method($($argument),*)
        })*
    };
}

impl Dialect for Bounded {
    fn dialect(&self) -> TypeId {
        self.base.dialect()
    }

    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.tries.get().checked_sub(1) {
            Some(left) => {
                self.tries.set(left);
                None
            }
            // Unlike other errors, this one is not followed by another try.
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        false
    }

    // A star has no name, and there are no factorials since Postgres 14.
    fn supports_select_wildcard_with_alias(&self) -> bool {
        false
    }

    fn supports_factorial_operator(&self) -> bool {
        false
    }

    as_in_postgres! {
        identifier_quote_style(identifier: &str) -> Option<char>;
        is_delimited_identifier_start(start: char) -> bool;
        is_identifier_start(start: char) -> bool;
        is_identifier_part(part: char) -> bool;
        is_reserved_for_identifier(keyword: Keyword) -> bool;
        is_custom_operator_part(part: char) -> bool;
        get_next_precedence(parser: &Parser<'_>) -> Option<Result<u8, ParserError>>;
        prec_value(precedence: Precedence) -> u8;
        supports_unicode_string_literal() -> bool;
        supports_filter_during_aggregation() -> bool;
        supports_group_by_expr() -> bool;
        allow_extract_custom() -> bool;
        allow_extract_single_quotes() -> bool;
        supports_create_index_with_clause() -> bool;
        supports_explain_with_utility_options() -> bool;
        supports_listen_notify() -> bool;
        supports_bitwise_shift_operators() -> bool;
        supports_comment_on() -> bool;
        supports_load_extension() -> bool;
        supports_empty_projections() -> bool;
        supports_nested_comments() -> bool;
        supports_string_escape_constant() -> bool;
        supports_numeric_literal_underscores() -> bool;
        supports_array_typedef_with_brackets() -> bool;
        supports_geometric_types() -> bool;
        supports_set_names() -> bool;
        supports_alter_column_type_using() -> bool;
        supports_notnull_operator() -> bool;
        supports_interval_options() -> bool;
        supports_insert_table_alias() -> bool;
        supports_create_table_like_parenthesized() -> bool;
        supports_comma_separated_trim() -> bool;
        supports_xml_expressions() -> bool;
        supports_comment_optimizer_hint() -> bool;
    }
}
