//! The names that Postgres gives to columns without one (`FigureColname` in parse_target.c), and the road around
//! the planner's demand that the output names of a query differ.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, DataType, ExactNumberInfo, Expr, Ident, Query, Select, SelectItem, SetExpr,
    TimezoneInfo, TrimWhereField,
};

use crate::functions::together;
use crate::sql::subquery::function;

/// Separates a name from the number that tells it from others of the same name. No identifier that a user can
/// type holds this character.
const MARK: char = '\u{1}';

/// Gives every unnamed column of a select list Postgres' name, and a hidden number where names repeat.
pub(crate) fn name_columns(select: &mut Select) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    // `*` brings names of its own: `SELECT x, * FROM t` has x twice.
    let wild = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    for item in &mut select.projection {
        let (name, plain) = match item {
            SelectItem::UnnamedExpr(expr) => (
                column_name(expr),
                matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
            ),
            SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), false),
            _ => continue,
        };
        let count = seen.entry(name.clone()).or_insert(0);
        *count += 1;
        let repeated = *count > 1;
        if plain && !repeated && !wild {
            continue;
        }
        let shown = if repeated || (plain && wild) {
            format!("{name}{MARK}{count}")
        } else {
            name
        };
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let alias = Ident::with_quote('"', shown);
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias,
                };
            }
            SelectItem::ExprWithAlias { alias, .. } if repeated => *alias = Ident::with_quote('"', shown),
            _ => {}
        }
    }
}

/// A name without its hidden number.
pub(super) fn shown_name(name: &str) -> &str {
    name.split_once(MARK).map_or(name, |(name, _)| name)
}

/// The schema as the client sees it: without the hidden numbers.
pub(crate) fn shown_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.name().split_once(MARK) {
            Some((name, _)) => field.as_ref().clone().with_name(name),
            None => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The name that Postgres would give.
pub(crate) fn column_name(expr: &Expr) -> String {
    figure(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// A name, and whether it is a good one: a type's name gives way to a better one inside of a cast.
fn figure(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(ident) => Some((folded(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| (folded(ident), true)),
        Expr::Function(function) => function
            .name
            .0
            .last()
            .and_then(|part| part.as_ident())
            // A long condition has no name, wherever it stands.
            .filter(|ident| ident.value != together::NAME)
            .map(|ident| (folded(ident), true)),
        Expr::CompoundFieldAccess { access_chain, .. } if field(access_chain).is_some() => {
            field(access_chain).map(|name| (folded(name), true))
        }
        Expr::Nested(inner)
        | Expr::Collate { expr: inner, .. }
        | Expr::CompoundFieldAccess { root: inner, .. } => figure(inner),
        Expr::Cast {
            expr: inner,
            data_type,
            ..
        } => match figure(inner) {
            Some((name, true)) => Some((name, true)),
            _ => type_name(data_type).map(|name| (name, false)),
        },
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(figure) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_owned(), false)),
        },
        Expr::Extract { .. } => strong("extract"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { shorthand: true, .. } => strong("substr"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Subquery(query) => subquery_name(query).map(|name| (name, true)),
        Expr::Interval(_) => Some(("interval".to_owned(), false)),
        Expr::TypedString(typed) => type_name(&typed.data_type).map(|name| (name, false)),
        _ => None,
    }
}

/// The field that a composite value is asked for at last.
fn field(access_chain: &[AccessExpr]) -> Option<&Ident> {
    access_chain.iter().rev().find_map(|access| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name),
        _ => None,
    })
}

/// A scalar subquery is called as its only column.
fn subquery_name(query: &Query) -> Option<String> {
    match query.body.as_ref() {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => figure(expr).map(|(name, _)| name),
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        },
        SetExpr::Query(inner) => subquery_name(inner),
        _ => None,
    }
}

/// A name as Postgres compares it.
pub(crate) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// `CURRENT_SCHEMA` and `CURRENT_ROLE` are functions that stand without brackets, as `CURRENT_USER` does, which the parser
/// knows.
pub(super) fn without_brackets(name: &Ident) -> Option<Expr> {
    let called = ["current_schema", "current_role"]
        .into_iter()
        .find(|known| name.quote_style.is_none() && name.value.eq_ignore_ascii_case(known))?;
    Some(Expr::Function(function(called, Vec::new())))
}

/// The internal name of a type, as in pg_type.
fn type_name(data_type: &DataType) -> Option<String> {
    let name = match data_type {
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(_) => "float8",
        DataType::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => "float4",
        DataType::Float(_) => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Text => "text",
        DataType::Bytea => "bytea",
        DataType::Bool | DataType::Boolean => "bool",
        DataType::Date => "date",
        DataType::Time(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timetz",
        DataType::Time(..) => "time",
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Interval { .. } => "interval",
        DataType::Uuid => "uuid",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Regclass => "regclass",
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(item, _)
            | ArrayElemTypeDef::AngleBracket(item)
            | ArrayElemTypeDef::Parenthesis(item),
        ) => return type_name(item),
        DataType::Custom(name, _) => {
            return name.0.last().and_then(|part| part.as_ident()).map(folded);
        }
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;

    use super::*;
    use crate::sql::parse::parse;

    #[track_caller]
    fn names(sql: &str) -> Vec<String> {
        let parsed = parse(sql).unwrap();
        let Statement::Query(mut query) = parsed[0].statement().clone() else {
            panic!("not a query")
        };
        let SetExpr::Select(select) = query.body.as_mut() else {
            panic!("not a select")
        };
        name_columns(select);
        select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    alias.value.split(MARK).next().unwrap_or_default().to_owned()
                }
                SelectItem::UnnamedExpr(expr) => column_name(expr),
                other => other.to_string(),
            })
            .collect()
    }

    // Read off psql against PostgreSQL 15.18 for the same statements.
    #[test]
    fn unnamed_columns_are_called_as_in_postgres() {
        for (sql, expected) in [
            ("select 1, 'a', null, 1 + 1", vec!["?column?"; 4]),
            ("select count(*), sum(x), Max(x)", vec!["count", "sum", "max"]),
            (
                "select x::int, '1'::int, cast(lower(x) as text), 1::numeric",
                vec!["x", "int4", "lower", "numeric"],
            ),
            (
                "select case when a then 1 end, case when a then 1 else b end",
                vec!["case", "b"],
            ),
            (
                "select extract(year from t), t at time zone 'UTC', trim(x)",
                vec!["extract", "timezone", "btrim"],
            ),
            (
                "select substring(x from 2), substring(x, 2), substr(x, 2)",
                vec!["substring", "substring", "substr"],
            ),
            (
                "select true, date '2020-01-01', interval '1 day', array[1]",
                vec!["?column?", "date", "interval", "array"],
            ),
            (
                "select (select max(x) from t), exists (select 1)",
                vec!["max", "exists"],
            ),
            ("select 1 as a, 2 as a, t.id, u.id", vec!["a", "a", "id", "id"]),
        ] {
            assert_eq!(names(sql), expected, "{sql}");
        }
    }
}
