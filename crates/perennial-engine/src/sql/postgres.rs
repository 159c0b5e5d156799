//! Operators of Postgres' grammar that are functions: zones, patterns, the parts of a time, and text of a length.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, UnaryOperator, Value, ValueWithSpan,
};

use crate::functions::postgres::{json_object, like, similar, timezone, zoned};
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
        // A place is a number; a text is a pattern.
        Expr::Substring {
            expr,
            substring_from: Some(pattern),
            substring_for: None,
            ..
        } if matches!(pattern.as_ref(), Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_))) => {
            Some(call_with(
                "substring_pattern",
                [expr.as_ref().clone(), pattern.as_ref().clone()],
            ))
        }
        _ => None,
    }
}

/// `json_agg(x ORDER BY y)` is the text of its elements between brackets.
pub(crate) fn json_array(called: &Function) -> Option<Expr> {
    let behind = match called.name.to_string().to_lowercase().as_str() {
        "json_agg" => json_object::TEXT,
        "jsonb_agg" => json_object::TEXT_B,
        _ => return None,
    };
    let mut joined = called.clone();
    joined.name = ObjectName::from(vec![Ident::new("string_agg")]);
    let FunctionArguments::List(list) = &mut joined.args else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(element))] = list.args.as_mut_slice() else {
        return None;
    };
    *element = call_with(json_object::ELEMENT, [element.clone()]);
    let text = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
    list.args
        .push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(", "))));
    let beside = |left: Expr, right: Expr| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::StringConcat,
        right: Box::new(right),
    };
    let array = beside(beside(text("["), Expr::Function(joined)), text("]"));
    Some(call_with(behind, [array]))
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
