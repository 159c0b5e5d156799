//! Operators of Postgres' grammar that are functions: zones, patterns, the parts of a time, and text of a length.

use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, CharacterLength, DataType, DateTimeField, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, SetExpr, TimezoneInfo, UnaryOperator,
    Value, ValueWithSpan,
};

use crate::functions::postgres::{json_build, like, similar, timezone, zoned};
use crate::schema::named_type;
use crate::sql::subquery::function;
use crate::sql::types::Types;

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

fn quoted(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

/// In a list of VALUES a constant is of the type which another row says of the column, where the planner does not see to it:
/// of those that Arrow lacks, of bytes and arrays.
pub(crate) fn typed_in_values(body: &mut SetExpr) {
    let values = match body {
        SetExpr::Values(values) => values,
        SetExpr::SetOperation { left, right, .. } => {
            typed_in_values(left);
            return typed_in_values(right);
        }
        _ => return,
    };
    let width = values.rows.first().map_or(0, |row| row.content.len());
    for column in 0..width {
        let mut cells = values.rows.iter().filter_map(|row| row.content.get(column));
        let Some((data_type, named)) = cells.find_map(said) else {
            continue;
        };
        for cell in values
            .rows
            .iter_mut()
            .filter_map(|row| row.content.get_mut(column))
        {
            // Of a type that Arrow lacks all have to be.
            if quoted(cell) || named {
                *cell = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(cell.clone()),
                    data_type: data_type.clone(),
                    array: false,
                    format: None,
                };
            }
        }
    }
}

/// The type that a cell of VALUES says of its column, and whether Arrow lacks it.
fn said(cell: &Expr) -> Option<(DataType, bool)> {
    match cell {
        Expr::Cast { data_type, .. } => {
            let field = Types.plan_type_field(data_type).ok().flatten();
            let named = field.is_some_and(|field| named_type(&field).is_some());
            let taken = named || matches!(data_type, DataType::Bytea | DataType::Array(_));
            taken.then(|| (data_type.clone(), named))
        }
        Expr::Array(array) if array.elem.first().is_some_and(quoted) => {
            let item = ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None);
            Some((DataType::Array(item), false))
        }
        _ => None,
    }
}

/// `json_agg(x ORDER BY y)` is the text of its elements between brackets, `json_object_agg(k, v)` that of its members.
pub(crate) fn json_aggregate(called: &Function) -> Option<Expr> {
    let (part, behind) = match called.name.to_string().to_lowercase().as_str() {
        "json_agg" => (json_build::ELEMENT, json_build::ARRAY[0]),
        "jsonb_agg" => (json_build::ELEMENT, json_build::ARRAY[1]),
        "json_object_agg" => (json_build::MEMBER, json_build::OBJECT[0]),
        "jsonb_object_agg" => (json_build::MEMBER, json_build::OBJECT[1]),
        _ => return None,
    };
    let mut joined = called.clone();
    joined.name = ObjectName::from(vec![Ident::new("string_agg")]);
    let FunctionArguments::List(list) = &mut joined.args else {
        return None;
    };
    let mut arguments = Vec::with_capacity(list.args.len());
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => arguments.push(argument.clone()),
            FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                let wild = AttachedToken::empty();
                arguments.push(Expr::QualifiedWildcard(name.clone(), wild));
            }
            _ => return None,
        }
    }
    let taken = if part == json_build::MEMBER { 2 } else { 1 };
    if arguments.len() != taken {
        return None;
    }
    let between = Expr::value(Value::SingleQuotedString(", ".to_owned()));
    let given = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    list.args = vec![given(call_with(part, arguments)), given(between)];
    Some(call_with(behind, [Expr::Function(joined)]))
}

/// `current_setting` beside `set_config` is asked when it stands for, and not when the statement is planned.
pub(crate) fn settings_of_then(function: &mut Function) {
    if function.name.to_string().eq_ignore_ascii_case("current_setting") {
        function.name = ObjectName::from(vec![Ident::new("perennial_current_setting")]);
    }
}

/// `pg_typeof('x')` is asked of a constant that has no type yet, as NULL has none, and a small whole number is an integer.
pub(crate) fn untyped(function: &mut Function) {
    if let FunctionArguments::List(list) = &mut function.args
        && function.name.to_string().eq_ignore_ascii_case("pg_typeof")
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_mut_slice()
        && let Expr::Value(constant) = argument
    {
        match &constant.value {
            Value::SingleQuotedString(_) => constant.value = Value::Null,
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => {
                *argument = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(argument.clone()),
                    data_type: DataType::Integer(None),
                    array: false,
                    format: None,
                };
            }
            _ => {}
        }
    }
}

/// `age(x)` is `age(date_trunc('day', now()), x)`: since the last midnight.
pub(crate) fn age(function: &mut Function) {
    let named = function.name.0.last().and_then(|part| part.as_ident());
    if named.is_some_and(|name| name.value.eq_ignore_ascii_case("age"))
        && let FunctionArguments::List(list) = &mut function.args
        && list.args.len() == 1
    {
        let day = Expr::value(Value::SingleQuotedString("day".to_owned()));
        let midnight = call_with("date_trunc", [day, call_with("now", [])]);
        let midnight = FunctionArg::Unnamed(FunctionArgExpr::Expr(midnight));
        list.args.insert(0, midnight);
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

/// The type whose name is that of a function of one argument, which casts to it, as `date(now())`. What the grammar reads
/// as a type, such as `timestamp(3)`, is none.
pub(super) fn called_as(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "json" => DataType::JSON,
        "jsonb" => DataType::JSONB,
        "regclass" => DataType::Regclass,
        "text" => DataType::Text,
        "timestamptz" => DataType::Timestamp(None, TimezoneInfo::Tz),
        "uuid" => DataType::Uuid,
        "bpchar" | "name" | "oid" | "regtype" => {
            let name = vec![Ident::new(name)];
            DataType::Custom(ObjectName::from(name), Vec::new())
        }
        _ => return None,
    })
}

/// `x::interval(2)` as `x::interval` and the digits that its seconds keep.
pub(super) fn interval_digits(inner: &Expr, data_type: &DataType) -> Option<(Expr, Expr)> {
    let DataType::Interval {
        fields,
        precision: Some(digits),
    } = data_type
    else {
        return None;
    };
    let whole = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(inner.clone()),
        data_type: DataType::Interval {
            fields: *fields,
            precision: None,
        },
        array: false,
        format: None,
    };
    Some((whole, Expr::value(Value::Number(digits.to_string(), false))))
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
    let (expr, data_type) = if fills {
        (call_with("rpad", [cut, number()]), DataType::Char(None))
    } else {
        (cut, DataType::Varchar(None))
    };
    Some(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    })
}
