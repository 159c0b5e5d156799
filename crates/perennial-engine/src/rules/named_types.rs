//! Types that Arrow lacks, which fields name in their metadata: what is cast to them and from them, and which expressions
//! are of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, Cast, InList, Placeholder, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Projection, ScalarUDF, lit};
use datafusion::optimizer::analyzer::AnalyzerRule;
use perennial_base::ErrorClass;

use crate::description::SystemCatalog;
use crate::error::Error;
use crate::functions::postgres::{json_build, typed as as_typed};
use crate::rules::{Place, comparisons, each_expression};
use crate::schema::{named_type, typed};
use crate::session::settings::OutputStyle;
use crate::sql::types::{list_of, stored};

/// Types of text that is like any other.
const TEXTS: [&str; 4] = ["varchar", "bpchar", "name", "char"];

/// A text as it is written beside a value of a type that is more than text is of that type. Asked before types meet.
#[derive(Debug)]
pub(crate) struct Beside;

impl AnalyzerRule for Beside {
    fn name(&self) -> &'static str {
        "postgres_beside_named_types"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        each_expression(plan, |expr, schema, _| {
            expr.transform_up(|expr| {
                Ok(match expr {
                    Expr::InList(InList { expr, list, negated }) => match more_than_text(&expr, schema) {
                        Some(field) => Transformed::yes(Expr::InList(InList {
                            list: list.into_iter().map(|item| read_as(item, &field)).collect(),
                            expr,
                            negated,
                        })),
                        None => Transformed::no(Expr::InList(InList { expr, list, negated })),
                    },
                    Expr::Between(mut between) => match more_than_text(&between.expr, schema) {
                        Some(field) => {
                            between.low = Box::new(read_as(*between.low, &field));
                            between.high = Box::new(read_as(*between.high, &field));
                            Transformed::yes(Expr::Between(Between { ..between }))
                        }
                        None => Transformed::no(Expr::Between(between)),
                    },
                    Expr::BinaryExpr(BinaryExpr { left, op, right }) if comparisons::symbol(op).is_some() => {
                        let (left, right, changed) = beside(*left, *right, schema);
                        let binary = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
                        if changed {
                            Transformed::yes(binary)
                        } else {
                            Transformed::no(binary)
                        }
                    }
                    Expr::ScalarFunction(mut call) if ALIKE.contains(&call.name()) => {
                        match call.args.iter().find_map(|part| more_than_text(part, schema)) {
                            Some(field) => {
                                call.args = call.args.into_iter().map(|part| read_as(part, &field)).collect();
                                Transformed::yes(Expr::ScalarFunction(call))
                            }
                            None => Transformed::no(Expr::ScalarFunction(call)),
                        }
                    }
                    Expr::Case(case) => in_case(case, schema),
                    other => Transformed::no(other),
                })
            })
        })
    }
}

/// Functions whose arguments are of one type, which is theirs.
const ALIKE: [&str; 4] = ["coalesce", "nullif", "greatest", "least"];

/// What a CASE compares is of one type, and what it gives.
fn in_case(mut case: Case, schema: &dyn ExprSchema) -> Transformed<Expr> {
    let compared = case.expr.as_ref().and_then(|expr| more_than_text(expr, schema));
    let results = case
        .when_then_expr
        .iter()
        .map(|(_, then)| then)
        .chain(&case.else_expr);
    let given = results.into_iter().find_map(|then| more_than_text(then, schema));
    if compared.is_none() && given.is_none() {
        return Transformed::no(Expr::Case(case));
    }
    let read = |expr: Box<Expr>, field: &Option<FieldRef>| match field {
        Some(field) => Box::new(read_as(*expr, field)),
        None => expr,
    };
    let branches = case.when_then_expr.into_iter();
    case.when_then_expr = branches
        .map(|(when, then)| (read(when, &compared), read(then, &given)))
        .collect();
    case.else_expr = case.else_expr.map(|otherwise| read(otherwise, &given));
    Transformed::yes(Expr::Case(case))
}

/// Both sides of a comparison, and whether a text of one became a value of the other's type.
pub(crate) fn beside(left: Expr, right: Expr, schema: &dyn ExprSchema) -> (Expr, Expr, bool) {
    match (more_than_text(&left, schema), more_than_text(&right, schema)) {
        (Some(field), None) if is_text(&right) => (left, read_as(right, &field), true),
        (None, Some(field)) if is_text(&left) => (read_as(left, &field), right, true),
        // A file may store as bytes what is text here.
        (Some(one), Some(other)) if named_type(&one) == named_type(&other) => {
            match (one.data_type().is_string(), other.data_type().is_string()) {
                (true, false) => (cast_to(left, &other), right, true),
                (false, true) => (left, cast_to(right, &one), true),
                _ => (left, right, false),
            }
        }
        _ if is_text(&right) => match read_by_itself(&left, schema) {
            Some(field) => (left, read_as(right, &field), true),
            None => (left, right, false),
        },
        _ if is_text(&left) => match read_by_itself(&right, schema) {
            Some(field) => (read_as(left, &field), right, true),
            None => (left, right, false),
        },
        _ => (left, right, false),
    }
}

/// The field of a value that the planner does not compare with a text, whatever the text is.
fn read_by_itself(expr: &Expr, schema: &dyn ExprSchema) -> Option<FieldRef> {
    let data_type = expr.get_type(schema).ok()?;
    let reads = matches!(data_type, DataType::Boolean | DataType::Interval(_));
    reads.then(|| Field::new("", data_type, true).into())
}

/// The field of an expression of a type that Arrow lacks, and whose values are more than their text.
fn more_than_text(expr: &Expr, schema: &dyn ExprSchema) -> Option<FieldRef> {
    let field = named_field(expr, schema)?;
    let name = named_type(&field)?;
    (!TEXTS.contains(&name) && stored(name).is_some()).then_some(field)
}

/// The field of an expression of a named type. What a plain cast gives is said to be of the type that it has left.
fn named_field(expr: &Expr, schema: &dyn ExprSchema) -> Option<FieldRef> {
    match expr {
        Expr::Alias(alias) if alias.metadata.is_none() => named_field(&alias.expr, schema),
        Expr::Cast(Cast { field, .. }) => typed_field(field),
        expr => typed_field(&expr.to_field(schema).ok()?.1),
    }
}

/// The field of a value of a named type, without its name.
fn typed_field(field: &Field) -> Option<FieldRef> {
    named_type(field).map(|name| typed(name, field.data_type().clone()))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.data_type().is_string())
}

fn read_as(expr: Expr, field: &FieldRef) -> Expr {
    if is_text(&expr) {
        cast_to(expr, field)
    } else {
        expr
    }
}

fn cast_to(expr: Expr, field: &FieldRef) -> Expr {
    Expr::Cast(Cast {
        expr: Box::new(expr),
        field: Arc::clone(field),
    })
}

/// Casts, and expressions whose parts are of one such type; when all types are known.
#[derive(Debug)]
pub(crate) struct NamedTypes {
    front: Arc<dyn SystemCatalog>,
    style: OutputStyle,
    writer: Arc<ScalarUDF>,
    json: Arc<ScalarUDF>,
    /// By its name, what turns names of objects into their numbers, and those into names.
    objects: HashMap<String, Arc<ScalarUDF>>,
}

impl NamedTypes {
    /// `functions` are those that answer from the session.
    pub(crate) fn new(
        front: Arc<dyn SystemCatalog>,
        style: OutputStyle,
        functions: impl Iterator<Item = Arc<ScalarUDF>>,
    ) -> Self {
        Self {
            writer: Arc::new(front.writer(style)),
            json: Arc::new(front.json_writer(style)),
            objects: functions
                .filter(|function| function.name().starts_with("perennial_reg"))
                .map(|function| (function.name().to_owned(), function))
                .collect(),
            front,
            style,
        }
    }

    fn rewritten(&self, expr: Expr, schema: &dyn ExprSchema, place: Place) -> Result<Transformed<Expr>> {
        match expr {
            // What it has to be is not known yet.
            Expr::Cast(cast) if is_untyped(&cast.expr) => Ok(Transformed::no(Expr::Cast(cast))),
            Expr::Cast(Cast { expr: inner, field }) => {
                let Ok((_, given)) = inner.to_field(schema) else {
                    return Ok(Transformed::no(Expr::Cast(Cast { expr: inner, field })));
                };
                match (named_type(&given), named_type(&field)) {
                    (None, None) => Ok(Transformed::no(Expr::Cast(Cast { expr: inner, field }))),
                    (Some(from), Some(to)) if from == to && given.data_type() == field.data_type() => {
                        Ok(Transformed::yes(*inner))
                    }
                    (_, Some(_)) => Ok(Transformed::yes(self.to_named(*inner, &given, &field, place)?)),
                    (Some(_), None) => Ok(Transformed::yes(self.to_plain(*inner, &given, field.data_type()))),
                }
            }
            Expr::Case(case) => {
                let branches = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
                let name = common(branches.chain(case.else_expr.as_deref()), schema);
                Ok(as_common(Expr::Case(Case { ..case }), name, place))
            }
            Expr::ScalarFunction(call) if ALIKE.contains(&call.name()) => {
                let name = common(call.args.iter(), schema);
                Ok(as_common(Expr::ScalarFunction(call), name, place))
            }
            Expr::ScalarFunction(mut call) if call.name() == "array_element" => {
                if let [array, place] = call.args.as_mut_slice() {
                    from_zero(array, place, schema);
                }
                let array = call.args.first().and_then(|array| array.to_field(schema).ok());
                let item = array.and_then(|(_, array)| {
                    let DataType::List(item) = array.data_type() else {
                        return None;
                    };
                    Some(typed(
                        named_type(&array)?.strip_suffix("[]")?,
                        item.data_type().clone(),
                    ))
                });
                Ok(as_common(Expr::ScalarFunction(call), item, place))
            }
            Expr::ScalarFunction(call) => self.shown(call, schema),
            other => Ok(Transformed::no(other)),
        }
    }

    /// A value as one of a named type.
    fn to_named(&self, inner: Expr, given: &Field, to: &FieldRef, place: Place) -> Result<Expr> {
        let name = named_type(to).unwrap_or_default();
        let from = given.data_type();
        let refused = || {
            let message = format!(
                "cannot cast type {} to {name}",
                named_type(given).map_or_else(|| crate::error::type_name(from), str::to_owned)
            );
            Err(Error::new(ErrorClass::CannotCoerce, message).into())
        };
        let text = from.is_string() || from.is_null();
        match name {
            "json" | "jsonb" => {
                let document = if text {
                    cast(inner, given, &DataType::Utf8)
                } else if from.is_nested() {
                    self.json.call(vec![inner])
                } else {
                    return refused();
                };
                let read = json_build::READ[usize::from(name == "jsonb")];
                Ok(json_build::reader(read).call(vec![document]))
            }
            name if TEXTS.contains(&name) => {
                let text = match named_type(given) {
                    Some(_) => self.to_plain(inner, given, to.data_type()),
                    None => cast(inner, given, to.data_type()),
                };
                Ok(named(text, to, place))
            }
            _ if text => match self.objects.get(&format!("perennial_{}_in", object(name))) {
                Some(function) => Ok(function.call(vec![inner])),
                None => {
                    let text = cast(inner, given, &DataType::Utf8);
                    Ok(Arc::new(self.front.reader(to, self.style)).call(vec![text]))
                }
            },
            "uuid" if named_type(given) == Some(name) => Ok(self.to_plain(inner, given, to.data_type())),
            "uuid" => refused(),
            _ if name.ends_with("[]") && of_text(from) && !TEXTS.contains(&name.trim_end_matches("[]")) => {
                let text = self.writer.call(vec![inner]);
                Ok(Arc::new(self.front.reader(to, self.style)).call(vec![text]))
            }
            _ if from.is_integer() || name.ends_with("[]") && from.is_list() => {
                Ok(named(cast(inner, given, to.data_type()), to, place))
            }
            _ => refused(),
        }
    }

    /// A value of a named type as one of a type that Arrow has.
    fn to_plain(&self, inner: Expr, given: &Field, to: &DataType) -> Expr {
        let from = named_type(given).unwrap_or_default();
        if to.is_string() {
            let shown = match self.objects.get(&format!("perennial_{}_out", object(from))) {
                Some(function) => Some(function),
                None => (!given.data_type().is_string()).then_some(&self.writer),
            };
            if let Some(function) = shown {
                return cast(
                    function.call(vec![inner]),
                    &Field::new("", DataType::Utf8, true),
                    to,
                );
            }
        }
        cast(inner, given, to)
    }

    /// Arguments that are taken as text: objects by their names.
    fn shown(&self, mut call: ScalarFunction, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
        let mut changed = false;
        for (place, argument) in call.args.iter_mut().enumerate() {
            if json_build::written_as(call.func.name(), place).is_none() {
                continue;
            }
            let (_, field) = argument.to_field(schema)?;
            let name = named_type(&field).map(|name| format!("perennial_{}_out", object(name)));
            if let Some(function) = name.and_then(|name| self.objects.get(&name)) {
                *argument = function.call(vec![argument.clone()]);
                changed = true;
            }
        }
        let call = Expr::ScalarFunction(call);
        Ok(if changed {
            Transformed::yes(call)
        } else {
            Transformed::no(call)
        })
    }
}

impl AnalyzerRule for NamedTypes {
    fn name(&self) -> &'static str {
        "postgres_named_types"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = self.expressions(plan)?;
        let gathered = all_gathered(plan)?;
        match gathered.transformed {
            true => self.expressions(gathered.data),
            false => Ok(gathered.data),
        }
    }
}

impl NamedTypes {
    fn expressions(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut changed = false;
        let plan = each_expression(plan, |expr, schema, place| {
            let rewritten = expr.transform_up(|expr| self.rewritten(expr, schema, place))?;
            changed |= rewritten.transformed;
            Ok(rewritten)
        })?;
        if !changed {
            return Ok(plan);
        }
        // The types of columns go up to where they are told.
        let plan = plan.transform_up_with_subqueries(|plan| plan.recompute_schema().map(Transformed::yes))?;
        Ok(plan.data)
    }
}

/// Whether a type is of arrays of text.
fn of_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(item) if item.data_type().is_string())
}

/// Whether an expression is NULL, of whatever type.
fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(Cast { expr, .. }) => is_null(expr),
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    }
}

/// The names of operators and functions are found without the types of their arguments.
fn object(name: &str) -> &str {
    match name {
        "regprocedure" => "regproc",
        other => other,
    }
}

/// The vectors of the catalog begin with 0.
fn from_zero(array: &mut Expr, place: &mut Expr, schema: &dyn ExprSchema) {
    if let Ok((_, field)) = array.to_field(schema)
        && named_type(&field).is_some_and(|name| name.ends_with("vector"))
    {
        let plain = Field::new("array", field.data_type().clone(), true);
        *array = as_typed::function(&plain.into()).call(vec![array.clone()]);
        *place = place.clone() + lit(1_i64);
    }
}

/// Whether an expression is a parameter of whatever type.
fn is_untyped(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(Placeholder { field: None, .. }))
}

/// The type that all parts of an expression have, but for constants without one.
fn common<'e>(parts: impl Iterator<Item = &'e Expr>, schema: &dyn ExprSchema) -> Option<FieldRef> {
    let mut known: Option<FieldRef> = None;
    for part in parts {
        if is_text(part) || is_null(part) {
            continue;
        }
        let field = named_field(part, schema)?;
        match &known {
            Some(known) if named_type(known) != named_type(&field) => return None,
            _ => known = Some(field),
        }
    }
    known
}

fn as_common(expr: Expr, field: Option<FieldRef>, place: Place) -> Transformed<Expr> {
    match field.as_deref().and_then(typed_field) {
        Some(field) => Transformed::yes(named(expr, &field, place)),
        None => Transformed::no(expr),
    }
}

/// An expression that is stored as a field is, and of its type. Of text it is said in select lists alone, by a name, so that
/// comparisons see through it.
fn named(expr: Expr, field: &FieldRef, place: Place) -> Expr {
    if !field.data_type().is_string() {
        return as_typed::function(field).call(vec![expr]);
    }
    if place != Place::Selected {
        return expr;
    }
    let name = expr.schema_name().to_string();
    expr.alias_with_metadata(name, Some(FieldMetadata::from(field.as_ref())))
}

/// Functions that give one of the values that they are asked of.
const ONE_OF: [&str; 10] = [
    "percentile_disc",
    "min",
    "max",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
    "any_value",
    "mode",
];

/// What aggregates and windows give of values of a type is of that type too, or an array of it.
fn all_gathered(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut changed = false;
    plan.transform_up_with_subqueries(|plan| {
        let plan = gathered(plan)?;
        changed |= plan.transformed;
        match plan.transformed {
            false if changed => plan.map_data(LogicalPlan::recompute_schema),
            _ => Ok(plan),
        }
    })
}

fn gathered(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let (expressions, input) = match &plan {
        LogicalPlan::Aggregate(aggregate) => (&aggregate.aggr_expr, &aggregate.input),
        LogicalPlan::Window(window) => (&window.window_expr, &window.input),
        _ => return Ok(Transformed::no(plan)),
    };
    let before = plan.schema().fields().len() - expressions.len();
    let found: Vec<Option<FieldRef>> = expressions
        .iter()
        .map(|expr| gathered_as(expr, input.schema()))
        .collect();
    if found.iter().all(Option::is_none) {
        return Ok(Transformed::no(plan));
    }
    let columns = plan
        .schema()
        .columns()
        .into_iter()
        .enumerate()
        .map(|(at, column)| {
            let field = at.checked_sub(before).and_then(|at| found.get(at)?.as_ref());
            let (relation, name) = (column.relation.clone(), column.name.clone());
            match field {
                Some(field) => {
                    named(Expr::Column(column), field, Place::Selected).alias_qualified(relation, name)
                }
                None => Expr::Column(column),
            }
        });
    let columns: Vec<Expr> = columns.collect();
    let projection = Projection::try_new(columns, Arc::new(plan))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

/// The field of what an aggregate or a window gives, where Arrow lacks its type.
fn gathered_as(expr: &Expr, schema: &DFSchema) -> Option<FieldRef> {
    let (name, argument) = match expr {
        Expr::Alias(alias) => return gathered_as(&alias.expr, schema),
        Expr::AggregateFunction(call) => (call.func.name(), call.params.args.first()?),
        Expr::WindowFunction(call) => (call.fun.name(), call.params.args.first()?),
        _ => return None,
    };
    let of = named_field(argument, schema)?;
    match name {
        "array_agg" => Some(list_of(&of)),
        name if ONE_OF.contains(&name) => Some(of),
        _ => None,
    }
}

/// A value of `given` as one of a type that Arrow has.
fn cast(expr: Expr, given: &Field, to: &DataType) -> Expr {
    let field = match named_type(given) {
        // A cast to a field without a name keeps what is said of the type.
        Some(_) => Field::new("plain", to.clone(), given.is_nullable()),
        None if given.data_type() == to => return expr,
        None => Field::new("", to.clone(), true),
    };
    Expr::Cast(Cast {
        expr: Box::new(expr),
        field: field.into(),
    })
}
