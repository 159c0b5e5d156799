//! Columns of VALUES in which floats and numerics meet: Postgres makes floats of them, the planner numerics.

use std::mem::replace;

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, SetExpr, UnaryOperator, Value, Values};

use crate::sql::depth::nothing;

/// Makes floats of the numerics of each column that has a float, as far as they are constants.
pub(crate) fn in_values(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => in_columns(values),
        SetExpr::SetOperation { left, right, .. } => {
            in_values(left);
            in_values(right);
        }
        _ => {}
    }
}

fn in_columns(values: &mut Values) {
    let columns = values.rows.first().map_or(0, |row| row.content.len());
    for column in 0..columns {
        let cells = values.rows.iter().filter_map(|row| row.content.get(column));
        let floats: Vec<&DataType> = cells
            .filter_map(cast_to)
            .filter(|found| is_double(found) || is_real(found))
            .collect();
        let Some(float) = floats.iter().find(|found| is_double(found)).or(floats.first()) else {
            continue;
        };
        let float = DataType::clone(float);
        let cells = values
            .rows
            .iter_mut()
            .filter_map(|row| row.content.get_mut(column));
        for cell in cells.filter(|cell| is_numeric(cell)) {
            *cell = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(replace(cell, nothing())),
                data_type: float.clone(),
                array: false,
                format: None,
            };
        }
    }
}

/// What is behind signs and brackets.
fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(expr)
        | Expr::UnaryOp {
            op: UnaryOperator::Plus | UnaryOperator::Minus,
            expr,
        } => inner(expr),
        expr => expr,
    }
}

fn cast_to(expr: &Expr) -> Option<&DataType> {
    match inner(expr) {
        Expr::Cast { data_type, .. } => Some(data_type),
        _ => None,
    }
}

fn is_double(found: &DataType) -> bool {
    matches!(
        found,
        DataType::DoublePrecision | DataType::Float8 | DataType::Double(_) | DataType::Float64
    )
}

fn is_real(found: &DataType) -> bool {
    matches!(found, DataType::Real | DataType::Float4 | DataType::Float32)
}

/// Whether a cell is a number with a point or an exponent, or cast to numeric.
fn is_numeric(expr: &Expr) -> bool {
    match inner(expr) {
        Expr::Value(value) => {
            matches!(&value.value, Value::Number(number, _) if number.to_string().contains(['.', 'e', 'E']))
        }
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_)
        ),
        _ => false,
    }
}
