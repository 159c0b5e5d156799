//! INSERT, UPDATE and DELETE as the queries that give the rows which are assigned.

use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, CaseWhen, CastKind, CharacterLength, DataType, Delete, Expr, FromTable,
    Ident, Insert, ObjectName, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, Update, Value, WildcardAdditionalOptions, helpers::attached_token::AttachedToken,
};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::functions::postgres::texts;
use crate::session::unsupported;
use crate::sql::names::folded;
use crate::sql::parse::parse_query;
use crate::sql::subquery::call_of;

/// The name of the source of an INSERT, which no user can type.
const SOURCE: &str = "\u{1}source";
/// The column behind those of the table that says which rows an UPDATE changes.
const CHANGED: &str = "\u{1}changed";

/// What an assignment to a column goes by.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The declared type; none where SQL cannot say it.
    pub(crate) sql_type: Option<DataType>,
    pub(crate) default: Option<Expr>,
}

/// The place of a column that an assignment to a relation names.
pub(crate) fn place(columns: &[Column], relation: &str, name: &ObjectName) -> Result<usize> {
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    let name = parts.map(folded).next_back().unwrap_or_default();
    let place = columns.iter().position(|column| column.name == name);
    place.ok_or_else(|| {
        Error::new(
            ErrorClass::UndefinedColumn,
            format!("column \"{name}\" of relation \"{relation}\" does not exist"),
        )
    })
}

/// Where the rows of an INSERT come from.
pub(crate) enum Source<'a> {
    /// `DEFAULT VALUES`.
    Defaults,
    /// `VALUES …`, each of them assigned by itself.
    Values(&'a Query),
    /// Any query.
    Rows(&'a Query),
}

/// The source of an INSERT.
pub(crate) fn source(insert: &Insert) -> Source<'_> {
    match insert.source.as_deref() {
        None => Source::Defaults,
        Some(query) if plain_values(query) => Source::Values(query),
        Some(query) => Source::Rows(query),
    }
}

fn plain_values(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Values(_))
        && query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
}

/// The places of the columns that an INSERT gives values for.
pub(crate) fn targets(insert: &Insert, name: &str, columns: &[Column]) -> Result<Vec<usize>> {
    if insert.columns.is_empty() {
        return Ok((0..columns.len()).collect());
    }
    let mut places = Vec::with_capacity(insert.columns.len());
    for column in &insert.columns {
        let place = place(columns, name, column)?;
        if places.contains(&place) {
            return Err(specified_twice(&column.to_string()));
        }
        places.push(place);
    }
    Ok(places)
}

/// The query of the rows that an INSERT adds, whose columns are those of the table: of `VALUES`, or of a query with `width`
/// columns.
pub(crate) fn inserted(
    insert: &Insert,
    columns: &[Column],
    targets: &[usize],
    source: &Source<'_>,
    width: usize,
) -> Result<Query> {
    let listed = !insert.columns.is_empty();
    let (query, width) = match source {
        Source::Defaults => (None, 0),
        Source::Values(query) => {
            let mut query = (*query).clone();
            let SetExpr::Values(values) = query.body.as_mut() else {
                return Err(unsupported("this form of INSERT"));
            };
            let width = values
                .rows
                .iter()
                .map(|row| row.content.len())
                .max()
                .unwrap_or_default();
            for row in &mut values.rows {
                if row.content.len() != width {
                    return Err(Error::new(
                        ErrorClass::Syntax,
                        "VALUES lists must all be the same length",
                    ));
                }
                fits(width, targets, listed)?;
                for (value, place) in row.content.iter_mut().zip(targets) {
                    if let Some(column) = columns.get(*place) {
                        *value = given(value, column);
                    }
                }
            }
            (Some(query), width)
        }
        Source::Rows(query) => {
            fits(width, targets, listed)?;
            let mut query = (*query).clone();
            parameters_assigned(&mut query, columns, targets);
            (Some(query), width)
        }
    };
    let name = |place: usize| Ident::with_quote('"', format!("{place}"));
    let items = columns.iter().enumerate().map(|(place, column)| {
        let given = targets.iter().take(width).position(|target| *target == place);
        let expr = match given {
            Some(at) => assigned(
                Expr::CompoundIdentifier(vec![Ident::with_quote('"', SOURCE), name(at)]),
                column,
            ),
            None => default(column),
        };
        named(expr, &column.name)
    });
    let items = items.collect();
    let mut outer = parse_query("SELECT 1 FROM source")?;
    let SetExpr::Select(select) = outer.body.as_mut() else {
        return Err(unsupported("this form of INSERT"));
    };
    select.projection = items;
    match query {
        Some(query) => {
            let alias = TableAlias {
                explicit: true,
                name: Ident::with_quote('"', SOURCE),
                columns: (0..width)
                    .map(|at| TableAliasColumnDef {
                        name: name(at),
                        data_type: None,
                    })
                    .collect(),
                at: None,
            };
            if let Some(from) = select.from.first_mut() {
                from.relation = TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(query),
                    alias: Some(alias),
                    sample: None,
                };
            }
        }
        None => select.from.clear(),
    }
    Ok(outer)
}

/// Refuses a source that has more columns than there are places for, or fewer than are listed.
fn fits(width: usize, targets: &[usize], listed: bool) -> Result<()> {
    let message = if width > targets.len() {
        "INSERT has more expressions than target columns"
    } else if listed && width < targets.len() {
        "INSERT has more target columns than expressions"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorClass::Syntax, message))
}

/// Parameters that stand alone in a select list are of the type of the column that they are for.
fn parameters_assigned(query: &mut Query, columns: &[Column], targets: &[usize]) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let items = select.projection.iter_mut().zip(targets);
    let plain = |item: &&mut SelectItem| {
        matches!(
            item,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
        )
    };
    for (item, place) in items.take_while(|(item, _)| plain(item)) {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && let Some(column) = columns.get(*place)
            && matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
        {
            *expr = assigned(expr.clone(), column);
        }
    }
}

/// The query of all rows that a table has after an UPDATE, with a last column that says which of them are changed.
pub(crate) fn updated(update: &Update, name: &str, columns: &[Column]) -> Result<Query> {
    if update.from.is_some() || !update.table.joins.is_empty() {
        return Err(unsupported("UPDATE with FROM")
            .with_hint("Ask for values and rows by subqueries in SET and WHERE."));
    }
    if update.returning.is_some() {
        return Err(returning("UPDATE"));
    }
    let mut values: Vec<Option<Expr>> = vec![None; columns.len()];
    for Assignment { target, value } in &update.assignments {
        let AssignmentTarget::ColumnName(target) = target else {
            return Err(
                unsupported("SET of several columns at once").with_hint("Write one assignment for each.")
            );
        };
        let place = place(columns, name, target)?;
        let (Some(slot), Some(column)) = (values.get_mut(place), columns.get(place)) else {
            continue;
        };
        if slot.is_some() {
            let message = format!("multiple assignments to same column \"{target}\"");
            return Err(Error::new(ErrorClass::Syntax, message));
        }
        *slot = Some(given(value, column));
    }
    let changed = || Expr::Identifier(Ident::with_quote('"', CHANGED));
    let items = columns.iter().zip(values).map(|(column, value)| {
        let kept = Expr::Identifier(Ident::with_quote('"', &column.name));
        let expr = match value {
            Some(value) => either(changed(), value, kept),
            None => kept,
        };
        named(expr, &column.name)
    });
    let items: Vec<SelectItem> = items.chain([named(changed(), CHANGED)]).collect();
    // The condition is asked once, of each row: it may be another the next time.
    let condition = match &update.selection {
        Some(selection) => Expr::IsTrue(Box::new(Expr::Nested(Box::new(selection.clone())))),
        None => Expr::value(Value::Boolean(true)),
    };
    let mut asked = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    asked.push(named(condition, CHANGED));
    let rows = over(&update.table, asked, None)?;
    let mut query = over(&update.table, items, None)?;
    let TableFactor::Table { alias, .. } = &update.table.relation else {
        return Err(unsupported("this form of UPDATE"));
    };
    let alias = alias.clone().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::new(),
        at: None,
    });
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        from.relation = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(rows),
            alias: Some(alias),
            sample: None,
        };
    }
    Ok(query)
}

/// `CASE WHEN condition THEN one ELSE other END`.
fn either(condition: Expr, one: Expr, other: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: one,
        }],
        else_result: Some(Box::new(other)),
    }
}

/// The query of the rows that a DELETE leaves.
pub(crate) fn left(delete: &Delete, columns: &[Column]) -> Result<Query> {
    if delete.using.is_some() {
        return Err(unsupported("DELETE with USING").with_hint("Ask for the rows by a subquery in WHERE."));
    }
    if delete.returning.is_some() {
        return Err(returning("DELETE"));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let Some(from) = from.first() else {
        return Err(unsupported("this form of DELETE"));
    };
    let items = columns.iter().map(|column| {
        let kept = Expr::Identifier(Ident::with_quote('"', &column.name));
        named(kept, &column.name)
    });
    let kept = match &delete.selection {
        Some(selection) => not_true(selection),
        None => Expr::value(Value::Boolean(false)),
    };
    over(from, items.collect(), Some(kept))
}

/// `SELECT items FROM table WHERE selection`.
fn over(table: &TableWithJoins, items: Vec<SelectItem>, selection: Option<Expr>) -> Result<Query> {
    let mut query = parse_query("SELECT 1")?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(unsupported("this statement"));
    };
    select.projection = items;
    select.from = vec![table.clone()];
    select.selection = selection;
    Ok(query)
}

/// The query whose columns are those that a CREATE TABLE declares, with their defaults.
pub(crate) fn declared(columns: &[Column]) -> Result<Query> {
    let mut query = parse_query("SELECT 1")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        let items = columns.iter().map(|column| named(default(column), &column.name));
        select.projection = items.collect();
    }
    Ok(query)
}

pub(crate) fn returning(what: &str) -> Error {
    unsupported(&format!("{what} with RETURNING")).with_hint("Ask for the rows by a SELECT behind it.")
}

pub(crate) fn specified_twice(column: &str) -> Error {
    Error::new(
        ErrorClass::DuplicateColumn,
        format!("column \"{column}\" specified more than once"),
    )
}

/// A value as a column takes it: of its type, and no longer than that says.
fn assigned(value: Expr, column: &Column) -> Expr {
    let Some(sql_type) = &column.sql_type else {
        return value;
    };
    let length = match sql_type {
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Char(length)
        | DataType::Character(length) => length.as_ref(),
        _ => None,
    };
    let fixed = matches!(sql_type, DataType::Char(_) | DataType::Character(_));
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => {
            let text = cast(value, DataType::Text);
            let number = Expr::value(Value::Number(length.to_string(), false));
            let fits = call_of(
                texts::FITS,
                vec![text, number, Expr::value(Value::Boolean(fixed))],
            );
            // Blanks are cut, and `char` is filled up with them.
            cast(fits, sql_type.clone())
        }
        _ => cast(value, sql_type.clone()),
    }
}

/// A value of a list of them, or of SET.
fn given(value: &Expr, column: &Column) -> Expr {
    match is_default(value) {
        true => default(column),
        false => assigned(value.clone(), column),
    }
}

fn default(column: &Column) -> Expr {
    let value = column.default.clone().unwrap_or_else(|| Expr::value(Value::Null));
    assigned(value, column)
}

/// `DEFAULT`, which the parser takes for a name.
fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

fn not_true(condition: &Expr) -> Expr {
    Expr::IsNotTrue(Box::new(Expr::Nested(Box::new(condition.clone()))))
}

fn named(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr,
        alias: Ident::with_quote('"', name),
    }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}
