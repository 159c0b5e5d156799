//! Operators of Postgres' grammar that are functions: zones, patterns, the parts of a time, and text of a length.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, DateTimeField, Expr, UnaryOperator, Value,
    ValueWithSpan,
};

use crate::functions::postgres::{like, similar, timezone, zoned};
use crate::sql::subquery::function;

fn call_with(name: &str, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::Function(function(name, arguments.into_iter().collect()))
}

/// `time AT TIME ZONE zone`, `text SIMILAR TO pattern` and `extract(field FROM time)` as functions.
pub(crate) fn operator(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::AtTimeZone { timestamp, time_zone } => Some(call_with(
            timezone::NAME,
            [time_zone.as_ref().clone(), timestamp.as_ref().clone()],
        )),
        Expr::SimilarTo {
            negated,
            expr,
            pattern,
            escape_char,
        } => {
            let escape = escape_char.clone().map(Expr::Value);
            let arguments = std::iter::once(pattern.as_ref().clone()).chain(escape);
            let matches = Expr::BinaryOp {
                left: expr.clone(),
                op: BinaryOperator::PGRegexMatch,
                right: Box::new(call_with(similar::NAME, arguments)),
            };
            Some(if *negated {
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(Expr::Nested(Box::new(matches))),
                }
            } else {
                Expr::Nested(Box::new(matches))
            })
        }
        Expr::Extract { field, expr, .. } => Some(extract(field, expr)),
        _ => None,
    }
}

/// A pattern of LIKE with another escape character than the backslash, which the planner has.
pub(crate) fn escape(pattern: &mut Box<Expr>, character: &mut Option<ValueWithSpan>) {
    if let Some(given) =
        character.take_if(|given| !matches!(&given.value, Value::SingleQuotedString(text) if text == "\\"))
    {
        **pattern = call_with(like::NAME, [pattern.as_ref().clone(), Expr::Value(given)]);
    }
}

/// `extract` is numeric.
fn extract(field: &DateTimeField, expr: &Expr) -> Expr {
    let name = match field {
        DateTimeField::Custom(ident) => ident.value.to_lowercase(),
        field => field.to_string().to_lowercase(),
    };
    let name = Expr::value(Value::SingleQuotedString(name.trim_matches('\'').to_owned()));
    call_with(zoned::EXTRACT, [name, expr.clone()])
}

/// A cast to `varchar(n)` cuts, and one to `char(n)` fills up with blanks as well.
pub(crate) fn cut(inner: &Expr, data_type: &DataType) -> Option<Expr> {
    let (length, fills) = match data_type {
        DataType::Varchar(Some(length)) | DataType::CharacterVarying(Some(length)) => (length, false),
        DataType::Char(Some(length)) | DataType::Character(Some(length)) => (length, true),
        _ => return None,
    };
    let CharacterLength::IntegerLength { length, .. } = length else {
        return None;
    };
    let text = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(inner.clone()),
        data_type: DataType::Text,
        array: false,
        format: None,
    };
    let number = || Expr::value(Value::Number(length.to_string(), false));
    let cut = call_with("left", [text, number()]);
    Some(if fills {
        call_with("rpad", [cut, number()])
    } else {
        cut
    })
}
