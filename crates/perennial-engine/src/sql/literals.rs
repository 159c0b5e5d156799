//! Constants as Postgres takes them: a whole number is an integer where it fits, and the text of a date, a time or an
//! interval is read as a parameter of that type is.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, IntervalUnit, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Interval, LimitClause, Query, Select, SelectItem, SetExpr, TimezoneInfo,
    UnaryOperator, Value,
};

use perennial_base::ErrorClass;

use crate::description::SystemCatalog;
use crate::error::{Error, Result, type_name};
use crate::functions::postgres::intervals;
use crate::rules::casts::interval_text;
use crate::session::settings::OutputStyle;
use crate::sql::postgres;
use crate::sql::subquery::call;

/// How a session reads text.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) front: Arc<dyn SystemCatalog>,
    pub(crate) style: OutputStyle,
}

/// Functions whose answer has the type of their arguments.
const SAME_TYPE: [&str; 10] = [
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "sum",
    "avg",
    "min",
    "max",
    "abs",
    "array_agg",
];

/// Whole numbers of a select list.
pub(crate) fn in_select(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            integer(expr);
        }
    }
}

/// Whole numbers of VALUES.
pub(crate) fn in_values(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => values
            .rows
            .iter_mut()
            .flat_map(|row| row.content.iter_mut())
            .for_each(integer),
        SetExpr::SetOperation { left, right, .. } => {
            in_values(left);
            in_values(right);
        }
        _ => {}
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT.
pub(crate) fn fetched(query: &mut Query) {
    let Some(fetch) = query.fetch.take_if(|fetch| !fetch.with_ties && !fetch.percent) else {
        return;
    };
    let limit = Some(
        fetch
            .quantity
            .unwrap_or_else(|| Expr::value(Value::Number("1".to_owned(), false))),
    );
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: known, .. }) => *known = limit,
        _ => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit,
                offset: None,
                limit_by: Vec::new(),
            });
        }
    }
}

/// Constants right below an expression.
pub(crate) fn in_expr(expr: &mut Expr, reading: &Reading) -> Result<()> {
    match expr {
        Expr::BinaryOp { left, op, right } if arithmetic(op) => {
            integer(left);
            integer(right);
        }
        Expr::Case {
            conditions,
            else_result,
            ..
        } => {
            conditions.iter_mut().for_each(|when| integer(&mut when.result));
            if let Some(otherwise) = else_result {
                integer(otherwise);
            }
        }
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } if matches!(inner.as_ref(), Expr::Interval(_)) => {
            // The planner forgets the sign.
            let zero = Expr::Interval(Interval {
                value: Box::new(Expr::value(Value::SingleQuotedString("0 days".to_owned()))),
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            });
            *expr = Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new(zero),
                op: BinaryOperator::Minus,
                right: inner.clone(),
            }));
        }
        Expr::Array(array) => array.elem.iter_mut().for_each(integer),
        Expr::Function(function) => arguments(function),
        Expr::Interval(interval) => self::interval(interval, reading)?,
        Expr::TypedString(typed)
            if matches!(
                typed.data_type,
                DataType::Numeric(ExactNumberInfo::None)
                    | DataType::Decimal(ExactNumberInfo::None)
                    | DataType::Dec(ExactNumberInfo::None)
            ) =>
        {
            *expr = numeric(&Expr::Value(typed.value.clone()));
        }
        Expr::TypedString(typed) => {
            if let Value::SingleQuotedString(text) = &typed.value.value
                && let Some(replaced) = moment(text, &mut typed.data_type, reading)?
            {
                *expr = replaced;
            }
        }
        Expr::Cast {
            expr: inner,
            data_type,
            ..
        } => {
            if let Some((mut whole, digits)) = postgres::interval_digits(inner, data_type) {
                in_expr(&mut whole, reading)?;
                *expr = Expr::Function(crate::sql::subquery::function(
                    intervals::DIGITS,
                    vec![whole, digits],
                ));
                return Ok(());
            }
            microseconds(data_type);
            if matches!(
                data_type,
                DataType::Numeric(ExactNumberInfo::None)
                    | DataType::Decimal(ExactNumberInfo::None)
                    | DataType::Dec(ExactNumberInfo::None)
            ) {
                *expr = numeric(inner);
            } else if let Expr::Value(value) = strip(inner)
                && let Value::SingleQuotedString(text) = &value.value
            {
                if let Some(replaced) = moment(&text.clone(), data_type, reading)? {
                    *expr = replaced;
                }
            } else if matches!(
                data_type,
                DataType::Real
                    | DataType::DoublePrecision
                    | DataType::Float(_)
                    | DataType::Float4
                    | DataType::Float8
            ) && let Expr::Value(value) = strip(inner)
                && let Value::Number(digits, _) = &value.value
            {
                // Straight from its digits, not over a decimal.
                value.value = Value::SingleQuotedString(digits.clone());
            }
        }
        Expr::Value(value) => {
            if let Value::Number(digits, _) = &value.value
                && let Some(plain) = without_exponent(digits)
            {
                let whole = !plain.contains('.');
                value.value = Value::Number(plain, false);
                if whole {
                    *expr = exact(expr.clone());
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// A number without digits that are asked for; a constant has those that it is written with.
fn numeric(inner: &Expr) -> Expr {
    if let Expr::Value(value) = inner
        && let Value::SingleQuotedString(text) = &value.value
    {
        let plain = text.trim();
        let digits = plain.bytes().filter(u8::is_ascii_digit).count();
        let number = plain.starts_with(|first: char| first.is_ascii_digit())
            && plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && plain.matches('.').count() == 1
            && !plain.ends_with('.')
            && digits <= 38;
        if number {
            return Expr::value(Value::Number(plain.to_owned(), false));
        }
    }
    if matches!(inner, Expr::Value(value) if matches!(&value.value, Value::Number(digits, _) if !digits.contains('.')))
    {
        return exact(inner.clone());
    }
    call(crate::functions::postgres::numeric::NAME, inner.clone())
}

/// A whole number as a numeric of as many digits.
fn exact(number: Expr) -> Expr {
    let digits = number.to_string().len();
    let digits = u64::try_from(digits).unwrap_or(38).min(38);
    cast(
        number,
        DataType::Numeric(ExactNumberInfo::PrecisionAndScale(digits, 0)),
    )
}

/// The arguments of `generate_series` in FROM, which wants timestamps of nanoseconds and a step that is an interval.
pub(crate) fn in_series(arguments: &mut [FunctionArg], reading: &Reading) -> Result<()> {
    typed_bounds(arguments, reading)?;
    for (place, argument) in arguments.iter_mut().enumerate() {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
            continue;
        };
        if let Expr::Cast {
            data_type: DataType::Timestamp(precision, _),
            ..
        } = expr
        {
            *precision = None;
        }
        if place == 2
            && let Expr::Value(value) = &*expr
            && let Value::SingleQuotedString(text) = &value.value
        {
            let mut data_type = DataType::Interval {
                fields: None,
                precision: None,
            };
            if let Some(step) = moment(&text.clone(), &mut data_type, reading)? {
                *expr = step;
            }
        }
    }
    Ok(())
}

/// A bound in quotes has the type of the other one.
fn typed_bounds(arguments: &mut [FunctionArg], reading: &Reading) -> Result<()> {
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(from)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(to)),
        ..,
    ] = arguments
    else {
        return Ok(());
    };
    let typed = |expr: &Expr| match expr {
        Expr::TypedString(typed) => Some(typed.data_type.clone()),
        Expr::Cast { data_type, .. } => Some(data_type.clone()),
        Expr::Value(value) if matches!(value.value, Value::Number(..)) => Some(DataType::BigInt(None)),
        _ => None,
    };
    let types = [typed(to), typed(from)];
    for (bound, data_type) in [from, to].into_iter().zip(types) {
        if let Expr::Value(value) = &*bound
            && let Value::SingleQuotedString(text) = &value.value
            && let Some(mut data_type) = data_type
        {
            *bound = match moment(&text.clone(), &mut data_type, reading)? {
                Some(read) => read,
                None => Expr::Cast {
                    kind: CastKind::DoubleColon,
                    expr: Box::new(bound.clone()),
                    data_type,
                    array: false,
                    format: None,
                },
            };
        }
    }
    Ok(())
}

fn strip(expr: &mut Expr) -> &mut Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

fn arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{
        BitwiseAnd, BitwiseOr, Divide, Minus, Modulo, Multiply, PGBitwiseShiftLeft, PGBitwiseShiftRight,
        PGBitwiseXor, Plus,
    };
    matches!(
        op,
        Plus | Minus
            | Multiply
            | Divide
            | Modulo
            | BitwiseAnd
            | BitwiseOr
            | PGBitwiseXor
            | PGBitwiseShiftLeft
            | PGBitwiseShiftRight
    )
}

fn arguments(function: &mut Function) {
    let name = function.name.0.last().and_then(|part| part.as_ident());
    if !name.is_some_and(|name| SAME_TYPE.contains(&name.value.to_lowercase().as_str())) {
        return;
    }
    if let FunctionArguments::List(list) = &mut function.args {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                integer(expr);
            }
        }
    }
}

/// A whole number that fits is an integer; the sign before it counts.
pub(super) fn integer(expr: &mut Expr) {
    let fits = match &*expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse::<i32>().is_ok(),
            _ => false,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => match inner.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, false) => format!("-{digits}").parse::<i32>().is_ok(),
                _ => false,
            },
            _ => false,
        },
        Expr::Nested(_) => {
            if let Expr::Nested(inner) = expr {
                integer(inner);
            }
            return;
        }
        _ => false,
    };
    if fits {
        *expr = cast(expr.clone(), DataType::Integer(None));
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// `1.5e3` is 1500.
fn without_exponent(digits: &str) -> Option<String> {
    let (mantissa, exponent) = digits.split_once(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    if exponent.abs() > 70 {
        return None;
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (all, point) = (
        format!("{whole}{fraction}"),
        i32::try_from(whole.len()).ok()? + exponent,
    );
    Some(match usize::try_from(point) {
        Ok(point) if point >= all.len() => format!("{all}{}.", "0".repeat(point - all.len()))
            .trim_end_matches('.')
            .to_owned(),
        Ok(point) => {
            let (whole, fraction) = all.split_at_checked(point)?;
            format!("{}.{fraction}", if whole.is_empty() { "0" } else { whole })
        }
        Err(_) => format!("0.{}{all}", "0".repeat(usize::try_from(-point).ok()?)),
    })
}

/// Timestamps are of microseconds, whatever fewer digits are asked for.
fn microseconds(data_type: &mut DataType) {
    if let DataType::Timestamp(precision, _) = data_type
        && !matches!(precision, Some(0 | 3))
    {
        *precision = Some(6);
    }
}

fn interval(interval: &mut Interval, reading: &Reading) -> Result<()> {
    let Expr::Value(value) = interval.value.as_mut() else {
        return Ok(());
    };
    let (Value::SingleQuotedString(text) | Value::Number(text, _)) = &value.value else {
        return Ok(());
    };
    let bare = text.trim().trim_start_matches(['+', '-']);
    let number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // A number alone is in the last of the units that are named.
    let unit = interval.last_field.as_ref().or(interval.leading_field.as_ref());
    let text = match unit {
        Some(unit) if number => format!("{text} {unit}"),
        _ => text.clone(),
    };
    if let Some(read) = interval_text(&read(
        &text,
        &ArrowType::Interval(IntervalUnit::MonthDayNano),
        reading,
    )?) {
        value.value = Value::SingleQuotedString(read);
        interval.leading_field = None;
        interval.last_field = None;
        interval.leading_precision = None;
        interval.fractional_seconds_precision = None;
    }
    Ok(())
}

fn read(text: &str, target: &ArrowType, reading: &Reading) -> Result<ScalarValue> {
    reading.front.read(text, target, &reading.style)
}

/// The text of a date, a time, a timestamp or an interval as a constant that the planner reads the same way.
fn moment(text: &str, data_type: &mut DataType, reading: &Reading) -> Result<Option<Expr>> {
    let zoned = matches!(
        data_type,
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
    );
    let target = match data_type {
        DataType::Date => ArrowType::Date32,
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            ArrowType::Time64(TimeUnit::Microsecond)
        }
        DataType::Timestamp(..) => ArrowType::Timestamp(TimeUnit::Microsecond, zoned.then(|| "UTC".into())),
        DataType::Interval { .. } => ArrowType::Interval(IntervalUnit::MonthDayNano),
        _ => return Ok(None),
    };
    microseconds(data_type);
    let word = text.trim().to_ascii_lowercase();
    let today = |days: &str| {
        let today = Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(Expr::Function(crate::sql::subquery::function(
                "current_date",
                Vec::new(),
            ))),
            op: BinaryOperator::Plus,
            right: Box::new(Expr::value(Value::Number(days.to_owned(), false))),
        }));
        cast(today, data_type.clone())
    };
    match word.as_str() {
        "now" if !matches!(target, ArrowType::Interval(_)) => {
            let now = Expr::Function(crate::sql::subquery::function("now", Vec::new()));
            return Ok(Some(cast(now, data_type.clone())));
        }
        "infinity" | "-infinity" if !matches!(target, ArrowType::Interval(_) | ArrowType::Time64(_)) => {
            return Err(Error::new(
                ErrorClass::Unsupported,
                format!("{word} is no {} here", type_name(&target)),
            )
            .with_hint("Leave the bound out, or take one beyond all rows, such as '9999-12-31'."));
        }
        "today" | "tomorrow" | "yesterday"
            if !matches!(target, ArrowType::Interval(_) | ArrowType::Time64(_)) =>
        {
            return Ok(Some(today(match word.as_str() {
                "today" => "0",
                "tomorrow" => "1",
                _ => "-1",
            })));
        }
        _ => {}
    }
    let value = read(text, &target, reading)?;
    if let Some(interval) = interval_text(&value) {
        return Ok(Some(Expr::Interval(Interval {
            value: Box::new(Expr::value(Value::SingleQuotedString(interval))),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        })));
    }
    let column = value.to_array()?;
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(&column, &options)?;
    // Arrow writes neither 24:00 nor years before the first one as it reads them.
    let plain = formatter.value(0).try_to_string().ok();
    let plain = plain.filter(|plain| !plain.starts_with('-')).ok_or_else(|| {
        let message = format!("{} is no {} here", text.trim(), type_name(&target));
        Error::new(ErrorClass::Unsupported, message)
    })?;
    Ok(Some(cast(
        Expr::value(Value::SingleQuotedString(plain)),
        data_type.clone(),
    )))
}

/// Functions that stand for an expression.
pub(crate) fn instead(function: &Function) -> Option<Expr> {
    let name = function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())?
        .value
        .to_lowercase();
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let argument = |place: usize| match list.args.get(place) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr.clone()),
        _ => None,
    };
    if let (Some(data_type), [_]) = (postgres::called_as(&name), list.args.as_slice()) {
        return Some(cast(argument(0)?, data_type));
    }
    match (name.as_str(), list.args.len()) {
        ("mod", 2) => {
            let mut expr = Expr::BinaryOp {
                left: Box::new(Expr::Nested(Box::new(argument(0)?))),
                op: BinaryOperator::Modulo,
                right: Box::new(Expr::Nested(Box::new(argument(1)?))),
            };
            if let Expr::BinaryOp { left, right, .. } = &mut expr {
                integer(left);
                integer(right);
            }
            Some(Expr::Nested(Box::new(expr)))
        }
        ("age", 1) => {
            let today = cast(
                Expr::Function(crate::sql::subquery::function("current_date", Vec::new())),
                DataType::Timestamp(Some(6), TimezoneInfo::None),
            );
            Some(Expr::Function(crate::sql::subquery::function(
                "age",
                vec![today, argument(0)?],
            )))
        }
        ("transaction_timestamp" | "statement_timestamp" | "clock_timestamp", 0) => {
            Some(Expr::Function(crate::sql::subquery::function("now", Vec::new())))
        }
        ("every", 1) if function.over.is_none() => {
            let mut same = function.clone();
            same.name = datafusion::sql::sqlparser::ast::ObjectName::from(vec![
                datafusion::sql::sqlparser::ast::Ident::new("bool_and"),
            ]);
            Some(Expr::Function(same))
        }
        ("array_length", 2) => {
            // An array without items has no length.
            let zero = Expr::value(Value::Number("0".to_owned(), false));
            let length = Expr::Function(function.clone());
            let length = Expr::Function(crate::sql::subquery::function("nullif", vec![length, zero]));
            Some(cast(length, DataType::Integer(None)))
        }
        ("cardinality", 1) | ("array_ndims", 1) | ("array_position", 2 | 3) => {
            Some(cast(Expr::Function(function.clone()), DataType::Integer(None)))
        }
        ("regr_count", 2) => Some(cast(Expr::Function(function.clone()), DataType::BigInt(None))),
        ("variance", 1) => {
            let mut same = function.clone();
            same.name = datafusion::sql::sqlparser::ast::ObjectName::from(vec![
                datafusion::sql::sqlparser::ast::Ident::new("var_samp"),
            ]);
            Some(Expr::Function(same))
        }
        _ => None,
    }
}
