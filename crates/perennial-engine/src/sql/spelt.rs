//! Operators and words of Postgres that are spelt as others here: `|/ x`, `x LIKE ANY (…)`, `(a, b) OVERLAPS (c, d)`,
//! `localtimestamp`, `U&'…'` and `GROUP BY ()`.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, FunctionArguments, GroupByExpr, Select, TimezoneInfo,
    UnaryOperator, Value,
};

use super::subquery::call_of;
use crate::rules::array_literal::elements;

/// What stands for an expression, if something does.
pub(crate) fn expression(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryOp { op, .. } if is_arithmetic(op) => before_all(expr),
        Expr::UnaryOp { op, expr } => unary(*op, expr),
        Expr::Like {
            any: true, pattern, ..
        }
        | Expr::ILike {
            any: true, pattern, ..
        } => any_of(expr, pattern),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Overlaps,
            right,
        } => match (left.as_ref(), right.as_ref()) {
            (Expr::Tuple(one), Expr::Tuple(other)) => overlap(one, other),
            _ => None,
        },
        Expr::Identifier(name) if name.quote_style.is_none() => local(&name.value),
        Expr::Function(function) if function.args == FunctionArguments::None => {
            local(&function.name.to_string())
        }
        Expr::Value(value) => match &value.value {
            Value::UnicodeStringLiteral(text) => Some(Expr::value(Value::SingleQuotedString(text.clone()))),
            _ => None,
        },
        _ => None,
    }
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, PGExp, Plus};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo | PGExp)
}

/// `|/ 4 + 5` is `|/ (4 + 5)`: these operators bind less than arithmetic.
fn before_all(expr: &Expr) -> Option<Expr> {
    let mut first = expr;
    while let Expr::BinaryOp { left, op, .. } = first
        && is_arithmetic(op)
    {
        first = left;
    }
    if !matches!(first, Expr::UnaryOp { op, .. } if is_late(*op)) {
        return None;
    }
    let mut inner = expr.clone();
    let op = without_first(&mut inner)?;
    unary(op, &Expr::Nested(Box::new(inner)))
}

fn is_late(op: UnaryOperator) -> bool {
    use UnaryOperator::{BitwiseNot, PGAbs, PGCubeRoot, PGSquareRoot};
    matches!(op, BitwiseNot | PGAbs | PGCubeRoot | PGSquareRoot)
}

/// Takes the operator off the first operand.
fn without_first(expr: &mut Expr) -> Option<UnaryOperator> {
    match expr {
        Expr::BinaryOp { left, .. } => without_first(left),
        Expr::UnaryOp { op, expr: operand } => {
            let (op, operand) = (*op, operand.as_ref().clone());
            *expr = operand;
            Some(op)
        }
        _ => None,
    }
}

fn unary(op: UnaryOperator, expr: &Expr) -> Option<Expr> {
    let name = match op {
        UnaryOperator::PGSquareRoot => "sqrt",
        UnaryOperator::PGCubeRoot => "cbrt",
        UnaryOperator::PGAbs => "abs",
        // In two's complement.
        UnaryOperator::BitwiseNot => {
            return Some(Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new(Expr::value(Value::Number("-1".into(), false))),
                op: BinaryOperator::Minus,
                right: Box::new(expr.clone()),
            })));
        }
        _ => return None,
    };
    Some(call_of(name, vec![expr.clone()]))
}

/// `x LIKE ANY (ARRAY[a, b])` is `x LIKE a OR x LIKE b`, and `x NOT LIKE ANY (…)` likewise.
fn any_of(expr: &Expr, patterns: &Expr) -> Option<Expr> {
    let patterns: Vec<Expr> = match patterns {
        Expr::Nested(inner) => return any_of(expr, inner),
        Expr::Array(array) => array.elem.clone(),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => elements(text)?
                .into_iter()
                .map(|item| Expr::value(item.map_or(Value::Null, Value::SingleQuotedString)))
                .collect(),
            _ => return None,
        },
        _ => return None,
    };
    let each = patterns.into_iter().map(|wanted| {
        let mut one = expr.clone();
        if let Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } = &mut one {
            (*any, **pattern) = (false, wanted);
        }
        one
    });
    let chain = each.reduce(|left, right| binary(left, BinaryOperator::Or, right))?;
    Some(Expr::Nested(Box::new(chain)))
}

/// Whether two spans of time have a moment in common. The ends of a span may stand in any order, the second may be its
/// length, and a span without length is its moment.
fn overlap(one: &[Expr], other: &[Expr]) -> Option<Expr> {
    let ([from, to], [begin, end]) = (one, other) else {
        return None;
    };
    let ends = |from: &Expr, to: &Expr| {
        let to = match to {
            Expr::Interval(_) => binary(from.clone(), BinaryOperator::Plus, to.clone()),
            to => to.clone(),
        };
        let of = |name: &str| call_of(name, vec![from.clone(), to.clone()]);
        (of("least"), of("greatest"))
    };
    let unknown = call_of(
        "num_nulls",
        vec![from.clone(), to.clone(), begin.clone(), end.clone()],
    );
    let ((from, to), (begin, end)) = (ends(from, to), ends(begin, end));
    let before = |left: &Expr, right: &Expr| binary(left.clone(), BinaryOperator::Lt, right.clone());
    let common = binary(before(&from, &end), BinaryOperator::And, before(&begin, &to));
    let together = binary(from, BinaryOperator::Eq, begin);
    let overlap = binary(Expr::Nested(Box::new(common)), BinaryOperator::Or, together);
    let zero = Expr::value(Value::Number("0".into(), false));
    Some(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: binary(unknown, BinaryOperator::Eq, zero),
            result: overlap,
        }],
        else_result: None,
    })
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

/// The time of a session's clock.
fn local(name: &str) -> Option<Expr> {
    let data_type = match name.to_lowercase().as_str() {
        "localtimestamp" => DataType::Timestamp(None, TimezoneInfo::None),
        "localtime" => DataType::Time(None, TimezoneInfo::None),
        _ => return None,
    };
    Some(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(call_of("now", Vec::new())),
        data_type,
        array: false,
        format: None,
    })
}

/// `GROUP BY ()` is one group.
pub(crate) fn in_select(select: &mut Select) {
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.retain(|key| !matches!(key, Expr::Tuple(items) if items.is_empty()));
    }
}
