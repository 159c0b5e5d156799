//! Operators of Postgres' grammar that are functions: zones, patterns, the parts of a time, and text of a length.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr, UnaryOperator,
    Value, ValueWithSpan,
};

use crate::functions::postgres::{like, similar, timezone};
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
        Expr::Extract { field, expr, .. } => extract(field, expr),
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

/// `extract` is numeric: whole for all fields but those of the second and the epoch.
fn extract(field: &DateTimeField, expr: &Expr) -> Option<Expr> {
    let part = |name: &str| {
        let name = Expr::value(Value::SingleQuotedString(name.to_owned()));
        call_with("date_part", [name, expr.clone()])
    };
    let numeric = |value: Expr, precision: u64, scale: i64| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value),
        data_type: DataType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)),
        array: false,
        format: None,
    };
    let scaled = |value: Expr, factor: &str| {
        Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(value),
            op: BinaryOperator::Multiply,
            right: Box::new(Expr::value(Value::Number(factor.to_owned(), false))),
        }))
    };
    let name = match field {
        DateTimeField::Custom(ident) => ident.value.to_lowercase(),
        field => field.to_string().to_lowercase(),
    };
    Some(match name.as_str() {
        "second" | "seconds" => {
            let micros = numeric(part("microsecond"), 14, 0);
            scaled(micros, "0.000001")
        }
        "epoch" => numeric(part("epoch"), 20, 6),
        "milliseconds" | "millisecond" => {
            let micros = numeric(part("microsecond"), 14, 0);
            scaled(micros, "0.001")
        }
        name => numeric(part(name), 14, 0),
    })
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
