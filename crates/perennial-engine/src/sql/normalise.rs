//! What Postgres' grammar has and the planner lacks, expressed in what the planner has. Every rule holds for any
//! statement; none looks at its text.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectName, ObjectNamePart, Query, Select, SelectItem, Statement, TableFactor, Value,
    VisitMut, VisitorMut,
};

use perennial_base::Config;
use perennial_base::ErrorClass;

use crate::error::{Error, Result, specified_twice};
use crate::functions::postgres::equals_any;
use crate::functions::table;
use crate::rules::array_literal::elements;
use crate::schema::named_type;
use crate::sql::calls::{self, Sort};
use crate::sql::floats;
use crate::sql::from;
use crate::sql::literals::{self, Reading};
use crate::sql::names::{folded, name_columns, without_brackets};
use crate::sql::offset;
use crate::sql::partitions;
use crate::sql::postgres;
use crate::sql::rows;
use crate::sql::sets;
use crate::sql::spelt;
use crate::sql::subquery;
use crate::sql::tableoid;
use crate::sql::types::Types;
use crate::sql::using::{self, Names};
use crate::sql::whole_row;
use crate::sql::windows;

/// The names of a function's parameters in order, and how many of them must be given.
pub(crate) type ParametersOf<'a> = dyn Fn(&str) -> Option<(Vec<String>, usize)> + 'a;

/// What the rules have to know.
pub(crate) struct Context<'a> {
    /// The text that places of errors are of.
    pub(crate) text: &'a str,
    /// What table functions go by: calendar, present moment, stages.
    pub(crate) config: Option<&'a Config>,
    /// What a function of this name is, if there is one.
    pub(crate) functions: &'a dyn Fn(&str) -> Option<Sort>,
    /// The names of a function's parameters in order, and how many of them must be given.
    pub(crate) parameters: &'a ParametersOf<'a>,
    /// The columns of a served relation.
    pub(crate) relations: using::Relations<'a>,
    /// How constants are read; where there is nothing, they are the planner's.
    pub(crate) reading: Option<&'a Reading>,
}

/// Rewrites a statement in place.
///
/// # Errors
/// When a table function is called with arguments that it does not take.
pub(crate) fn normalise(statement: &mut Statement, context: &Context<'_>) -> Result<()> {
    let mut rules = Rules {
        context,
        names: Names::default(),
        sets: calls::calls(statement, "set_config"),
        of_rows: Vec::new(),
    };
    match statement.visit(&mut rules) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn unconditional() -> Error {
    Error::new(ErrorClass::Syntax, "a JOIN has neither ON nor USING")
        .with_hint("Write CROSS JOIN for all pairs of rows.")
}

struct Rules<'a> {
    context: &'a Context<'a>,
    names: Names,
    /// Whether the statement changes settings while it runs.
    sets: bool,
    /// Where the queries are that ANY and ALL compare a value with: they are no values.
    of_rows: Vec<usize>,
}

impl Rules<'_> {
    fn aggregate(&self, name: &str) -> bool {
        matches!((self.context.functions)(name), Some(Sort::Aggregate { .. }))
    }
}

impl Rules<'_> {
    /// Whether a query that stands as an expression is one value, and not the rows that ANY or ALL compare with.
    fn is_value(&mut self, query: &Query) -> bool {
        let place = std::ptr::from_ref(query) as usize;
        self.of_rows.pop_if(|of| *of == place).is_none()
    }
}

impl VisitorMut for Rules<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Err(error) = windows::in_order(query).and_then(|()| rows::with_queries(query)) {
            return ControlFlow::Break(error);
        }
        if self.context.reading.is_some() {
            postgres::typed_in_values(&mut query.body);
            literals::in_values(&mut query.body);
            floats::in_values(&mut query.body);
            literals::fetched(query);
        }
        self.names.enter(query, self.context.relations);
        using::merge(query, &self.names, self.context.relations);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if self.context.reading.is_some() {
            whole_row::in_query(query, &self.names, self.context.relations);
        }
        self.names.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Some(name) = named_twice(select) {
            return ControlFlow::Break(specified_twice(&name));
        }
        if using::unconditional(&select.from) {
            return ControlFlow::Break(unconditional());
        }
        if let Err(error) = calls::in_where(select, self.context.functions, self.context.text) {
            return ControlFlow::Break(error);
        }
        name_columns(select);
        spelt::in_select(select);
        if self.context.reading.is_some() {
            literals::in_select(select);
        }
        let written = windows::in_select(select)
            .and_then(|()| partitions::in_select_list(select))
            .and_then(|()| sets::in_select_list(select));
        if let Err(error) = written {
            return ControlFlow::Break(error);
        }
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                subquery::values_of_exists(expr, &|name| self.aggregate(name));
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if self.context.reading.is_some() {
            tableoid::in_select(select, &self.names, self.context.relations);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        from::plain(factor);
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor
            && using::unconditional([&**table_with_joins])
        {
            return ControlFlow::Break(unconditional());
        }
        if let TableFactor::Table {
            name, args: Some(_), ..
        } = factor
            && name.0.len() == 2
            && part(&name.0[0]) == "pg_catalog"
        {
            name.0.remove(0);
        }
        let replaced = partitions::in_from(factor)
            .and_then(|()| sets::in_from(factor))
            .and_then(|()| table::expand(factor, self.context.config))
            .and_then(|()| from::expand(factor, self.context.functions));
        match replaced {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table {
            name,
            args: Some(arguments),
            ..
        } = factor
            && let Some(reading) = self.context.reading
            && name.0.last().map(part).as_deref() == Some("generate_series")
            && let Err(error) = literals::in_series(&mut arguments.args, reading)
        {
            return ControlFlow::Break(error);
        }
        if let TableFactor::Table { name, .. } = factor {
            drop_database(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
            && let Expr::Subquery(query) = right.as_ref()
        {
            self.of_rows.push(std::ptr::from_ref(query.as_ref()) as usize);
        }
        if let Some(spelt) = spelt::expression(expr) {
            *expr = spelt;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(function) = expr
            && let Some(called) = function.name.0.last().map(part)
            && let Some(sort) = (self.context.functions)(&called)
            && let Err(error) = calls::check(function, sort)
        {
            return ControlFlow::Break(error);
        }
        if let Some(reading) = self.context.reading {
            if let Expr::Function(function) = expr
                && let Some(replaced) = literals::instead(function)
            {
                *expr = replaced;
            }
            if let Err(error) = literals::in_expr(expr, reading) {
                return ControlFlow::Break(error);
            }
        }
        match expr {
            Expr::BinaryOp { op, .. } => named_operator(op),
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
                array_of_text(right);
                if let Some(replaced) = one_of(expr) {
                    *expr = replaced;
                }
            }
            Expr::Value(value) if matches!(value.value, Value::SingleQuotedByteStringLiteral(_)) => {
                let error = Error::new(ErrorClass::UndefinedObject, "type \"bit\" does not exist");
                return ControlFlow::Break(error);
            }
            Expr::Collate { expr: inner, .. } => *expr = inner.as_ref().clone(),
            Expr::Identifier(ident) => {
                if let Some(called) = without_brackets(ident) {
                    *expr = called;
                }
            }
            Expr::Function(function) => match subquery::array(function, &|name| self.aggregate(name)) {
                Some(array) => *expr = array,
                None => {
                    function_name(function);
                    if self.sets {
                        postgres::settings_of_then(function);
                    }
                    postgres::untyped(function);
                    postgres::age(function);
                    whole_row::row(function);
                    skipped_arguments(function, self.context.parameters);
                    if let Some(array) = postgres::json_aggregate(function) {
                        *expr = array;
                    }
                }
            },
            Expr::TypedString(typed) => offset::literal(&mut typed.value.value, &typed.data_type),
            Expr::Subquery(query) if self.is_value(query) => {
                subquery::scalar(query, &|name| self.aggregate(name));
            }
            Expr::Exists { subquery, negated }
                if subquery::always_exists(subquery, &|name| self.aggregate(name)) =>
            {
                *expr = Expr::value(Value::Boolean(!*negated));
            }
            Expr::Like {
                pattern, escape_char, ..
            }
            | Expr::ILike {
                pattern, escape_char, ..
            } => {
                postgres::escape(pattern, escape_char);
            }
            Expr::CompoundFieldAccess { .. } => {
                if let Some(replaced) = sets::field_of_record(expr) {
                    *expr = replaced;
                }
            }
            Expr::Tuple(fields) => *expr = whole_row::tuple(fields),
            Expr::IsNull(_) | Expr::IsNotNull(_) => {
                if let Some(replaced) = whole_row::tested(expr) {
                    *expr = replaced;
                }
            }
            Expr::AtTimeZone { .. }
            | Expr::SimilarTo { .. }
            | Expr::Extract { .. }
            | Expr::Substring { .. } => {
                if let Some(replaced) = postgres::operator(expr) {
                    *expr = replaced;
                }
            }
            Expr::Cast {
                expr: inner,
                data_type,
                ..
            } => {
                if self.context.reading.is_none() || of_items(data_type) {
                    literal(inner, data_type);
                }
                if let Some(replaced) = postgres::cut(inner, data_type) {
                    *expr = replaced;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A name that two tables of FROM are called by. Tables of different schemas may share theirs.
fn named_twice(select: &Select) -> Option<String> {
    let mut seen = HashSet::new();
    let joined = select.from.iter().flat_map(|item| {
        let others = item.joins.iter().map(|join| &join.relation);
        std::iter::once(&item.relation).chain(others)
    });
    for factor in joined {
        let name = match factor {
            TableFactor::Table {
                alias: Some(alias), ..
            }
            | TableFactor::Derived {
                alias: Some(alias), ..
            } => folded(&alias.name),
            TableFactor::Table { name, args: None, .. } => {
                let parts: Vec<String> = name.0.iter().map(part).collect();
                parts.join(".")
            }
            _ => continue,
        };
        if !seen.insert(name.clone()) {
            return Some(name);
        }
    }
    None
}

/// `perennial.public.orders` is `public.orders`: there is one database.
fn drop_database(name: &mut ObjectName) {
    if name.0.len() == 3 && part(&name.0[0]).eq_ignore_ascii_case(crate::description::DATABASE) {
        name.0.remove(0);
    }
}

/// `OPERATOR(pg_catalog.~)` is `~`.
fn named_operator(op: &mut BinaryOperator) {
    if let BinaryOperator::PGCustomBinaryOperator(parts) = op
        && let Some(symbol) = parts.last()
    {
        *op = match symbol.as_str() {
            "~" => BinaryOperator::PGRegexMatch,
            "~*" => BinaryOperator::PGRegexIMatch,
            "!~" => BinaryOperator::PGRegexNotMatch,
            "!~*" => BinaryOperator::PGRegexNotIMatch,
            "~~" => BinaryOperator::PGLikeMatch,
            "~~*" => BinaryOperator::PGILikeMatch,
            "!~~" => BinaryOperator::PGNotLikeMatch,
            "!~~*" => BinaryOperator::PGNotILikeMatch,
            "=" => BinaryOperator::Eq,
            "<>" => BinaryOperator::NotEq,
            "<" => BinaryOperator::Lt,
            "<=" => BinaryOperator::LtEq,
            ">" => BinaryOperator::Gt,
            ">=" => BinaryOperator::GtEq,
            "+" => BinaryOperator::Plus,
            "-" => BinaryOperator::Minus,
            "*" => BinaryOperator::Multiply,
            "/" => BinaryOperator::Divide,
            "||" => BinaryOperator::StringConcat,
            _ => return,
        };
    }
}

/// `x = ANY('{a,b}')` is `x = ANY(ARRAY['a','b'])`.
fn array_of_text(expr: &mut Expr) {
    let text = match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            _ => return,
        },
        Expr::Nested(inner) => return array_of_text(inner),
        Expr::Cast {
            expr: inner,
            data_type: DataType::Array(_),
            ..
        } => return array_of_text(inner),
        _ => return,
    };
    if let Some(elements) = elements(&text) {
        let element =
            |element: Option<String>| Expr::value(element.map_or(Value::Null, Value::SingleQuotedString));
        *expr = Expr::Array(Array {
            elem: elements.into_iter().map(element).collect(),
            named: true,
        });
    }
}

/// `x = ANY(ARRAY[a, b])` is `x IN (a, b)`, and `x <> ALL(ARRAY[a, b])` is `x NOT IN (a, b)`. Of another array it is asked
/// by a function.
fn one_of(expr: &Expr) -> Option<Expr> {
    let (left, right, negated) = match expr {
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => (left, right, false),
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        } => (left, right, true),
        _ => return None,
    };
    match right.as_ref() {
        Expr::Array(array)
            if !array.elem.is_empty() && !array.elem.iter().any(|item| matches!(item, Expr::Array(_))) =>
        {
            Some(Expr::InList {
                expr: left.clone(),
                list: array.elem.clone(),
                negated,
            })
        }
        Expr::Subquery(_) => None,
        _ if negated => None,
        other => Some(Expr::Function(subquery::function(
            equals_any::NAME,
            vec![other.clone(), left.as_ref().clone()],
        ))),
    }
}

/// `pg_catalog.format_type(…)` is `format_type(…)`; functions have no schemas of their own in the planner.
fn function_name(function: &mut Function) {
    let parts = &mut function.name.0;
    if parts.len() == 2
        && matches!(
            part(&parts[0]).as_str(),
            "pg_catalog" | "public" | "information_schema"
        )
    {
        parts.remove(0);
    }
}

/// Functions of Postgres whose arguments have names that somebody writes; those that are skipped are 0.
const NAMED_PARAMETERS: [(&str, &str); 1] = [("make_interval", "years months weeks days hours mins secs")];

/// Arguments by name become arguments by place; optional ones that are skipped are NULL, which means the same.
fn skipped_arguments(function: &mut Function, parameters: &ParametersOf<'_>) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    if list.args.iter().all(|arg| matches!(arg, FunctionArg::Unnamed(_))) {
        return;
    }
    let name = function.name.0.last().map(part).unwrap_or_default();
    let known = parameters(&name).map(|(names, required)| (names, required, Value::Null));
    let of_postgres = || {
        let (_, names) = NAMED_PARAMETERS.iter().find(|(known, _)| *known == name)?;
        let names = names.split(' ').map(str::to_owned).collect();
        Some((names, 0, Value::Number("0".to_owned(), false)))
    };
    let Some((names, required, skipped)) = known.or_else(of_postgres) else {
        return;
    };
    let mut given: Vec<Option<FunctionArgExpr>> = vec![None; names.len()];
    for (place, arg) in list.args.iter().enumerate() {
        let (place, arg) = match arg {
            FunctionArg::Unnamed(arg) => (Some(place), arg),
            FunctionArg::Named { name, arg, .. } => {
                (names.iter().position(|known| *known == folded(name)), arg)
            }
            FunctionArg::ExprNamed { .. } => return,
        };
        match place.and_then(|place| given.get_mut(place)) {
            // A name that is not known or given twice is told of by the planner.
            Some(slot @ None) => *slot = Some(arg.clone()),
            _ => return,
        }
    }
    let until = given.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    if given.iter().take(required).any(Option::is_none) {
        return;
    }
    let skipped = || FunctionArgExpr::Expr(Expr::value(skipped.clone()));
    list.args = given
        .into_iter()
        .take(until)
        .map(|arg| FunctionArg::Unnamed(arg.unwrap_or_else(skipped)))
        .collect();
}

/// Whether a constant of a type is spelt out for the planner: bytes, and arrays of what Arrow has and reads in the same way.
fn of_items(data_type: &DataType) -> bool {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _))
            if matches!(
                item.as_ref(),
                DataType::Bytea
                    | DataType::Date
                    | DataType::Time(..)
                    | DataType::Timestamp(..)
                    | DataType::Interval { .. }
            ) =>
        {
            false
        }
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => {
            !matches!(Types.plan_type_field(item), Ok(Some(field)) if named_type(&field).is_some())
        }
        other => matches!(other, DataType::Bytea | DataType::Array(_)),
    }
}

/// The text of an array or of bytes, as Postgres reads it.
fn literal(inner: &mut Expr, data_type: &DataType) {
    if matches!(data_type, DataType::Array(_)) {
        return array_of_text(inner);
    }
    let mut inner = inner;
    while let Expr::Nested(nested) = inner {
        inner = nested.as_mut();
    }
    let Expr::Value(value) = inner else { return };
    offset::literal(&mut value.value, data_type);
    if let (DataType::Bytea, Value::SingleQuotedString(text)) = (data_type, &value.value)
        && let Some(digits) = text.strip_prefix("\\x")
        && digits.len().is_multiple_of(2)
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        value.value = Value::HexStringLiteral(digits.to_owned());
    }
}

fn part(part: &ObjectNamePart) -> String {
    match part.as_ident() {
        Some(ident) if ident.quote_style.is_none() => ident.value.to_lowercase(),
        Some(ident) => ident.value.clone(),
        None => String::new(),
    }
}
