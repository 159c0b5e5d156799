//! Planning a statement whose parameters have declared types, inferred ones, or none.

mod inference;
pub(crate) mod open;

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan, Statement as PlanStatement};
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion::sql::sqlparser::ast::{
    self, ArrayElemTypeDef, ExactNumberInfo, Ident, Statement, TimezoneInfo, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use perennial_base::{ErrorClass, UserError, nearest};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::rules::{all_of_sets, comparisons};
use crate::schema::named_type;
use crate::sql::parse::position;
use crate::sql::places::{position_of_name, position_of_operator, position_of_text};

/// Parameters that one statement may have.
const MAX_PARAMETERS: usize = 65_535;

/// The plan, and the types of all parameters from `$1` on.
pub(crate) async fn plan(
    state: &SessionState,
    statement: Statement,
    declared: &[Option<FieldRef>],
    text: &str,
) -> Result<(LogicalPlan, Vec<FieldRef>)> {
    let count = placeholders(&statement)?.max(declared.len());
    if count == 0 {
        return Ok((to_plan(state, statement, text).await?, Vec::new()));
    }
    let mut types: Vec<Option<FieldRef>> = (0..count)
        .map(|index| declared.get(index).cloned().flatten())
        .collect();
    if types.iter().any(Option::is_none) {
        let inferred = match to_plan(state, typed(statement.clone(), &types), text).await {
            Ok(plan) => inferred_types(&plan)?,
            // Without their types some statements cannot be planned; as text they can.
            Err(_) => BTreeMap::new(),
        };
        for (index, slot) in types.iter_mut().enumerate() {
            if slot.is_none() {
                *slot = Some(inferred.get(&index).cloned().unwrap_or_else(self::text));
            }
        }
    }
    let plan = to_plan(state, typed(statement, &types), text).await?;
    Ok((
        plan,
        types
            .into_iter()
            .map(|slot| slot.unwrap_or_else(self::text))
            .collect(),
    ))
}

async fn to_plan(state: &SessionState, statement: Statement, text: &str) -> Result<LogicalPlan> {
    let plan = state
        .statement_to_plan(PlannerStatement::Statement(Box::new(statement)))
        .await
        .map_err(|error| suggested(placed(error, text), state))?;
    let plan = match plan {
        LogicalPlan::Statement(PlanStatement::Prepare(prepare)) => prepare.input.as_ref().clone(),
        plan => plan,
    };
    let plan = comparisons::checked(&plan, text)
        .and_then(|()| all_of_sets::counted(plan))
        .map_err(|error| placed(error, text))?;
    // Only the analyzed plan has the types that the rows will have: both sides of a UNION meet in it.
    let analyzed = state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {});
    analyzed.map_err(|error| placed(error, text))
}

/// Adds where in the statement an error is, when the planner knows.
fn placed(error: DataFusionError, text: &str) -> Error {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let error = Error::from(error);
    match span {
        Some(span) if error.position().is_none() => error.with_position(position(
            text,
            Location {
                line: span.start.line,
                column: span.start.column,
            },
        )),
        _ => placed_by_name(error, text),
    }
}

/// Adds where the name stands that an error is about, when it has no place yet.
pub(super) fn placed_by_name(error: Error, text: &str) -> Error {
    match place(&error, text) {
        Some(at) if error.position().is_none() => error.with_position(at),
        _ => error,
    }
}

/// Where the name, the operator or the constant stands that an error is about.
fn place(error: &Error, text: &str) -> Option<usize> {
    let message = error.to_string();
    if matches!(
        error.class(),
        ErrorClass::InvalidText
            | ErrorClass::InvalidDatetime
            | ErrorClass::DatetimeOverflow
            | ErrorClass::NumericOverflow
    ) {
        let (_, value) = message.split_once('"')?;
        return position_of_text(text, value.rsplit_once('"')?.0);
    }
    match message.strip_prefix("operator does not exist: ") {
        Some(operands) => {
            let symbol = operands
                .split(' ')
                .find(|word| !word.starts_with(|first: char| first.is_ascii_alphanumeric()))?;
            position_of_operator(text, symbol, None)
        }
        None => position_of_name(text, &named(error)?),
    }
}

/// Adds the function that was meant, when a name is nearly right.
fn suggested(error: Error, state: &SessionState) -> Error {
    if error.class() != ErrorClass::UndefinedFunction {
        return error;
    }
    let functions = state
        .scalar_functions()
        .keys()
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys());
    // A function of that name is there: its arguments are at fault.
    match named(&error).and_then(|name| Some((nearest(&name, functions.map(String::as_str))?, name))) {
        Some((near, name)) if near != name => error.with_hint(format!("Perhaps you meant \"{near}\".")),
        _ => error,
    }
}

/// The name that is not known.
fn named(error: &Error) -> Option<String> {
    let message = error.to_string();
    let name = match error.class() {
        ErrorClass::UndefinedColumn | ErrorClass::UndefinedTable | ErrorClass::UndefinedObject => {
            message.split('"').nth(1)
        }
        ErrorClass::UndefinedFunction => message
            .strip_prefix("function ")
            .and_then(|rest| rest.split(['(', ' ']).next()),
        ErrorClass::WrongObjectType => message
            .strip_prefix("window function ")
            .or_else(|| message.split(" specified, but ").nth(1))
            .and_then(|rest| rest.split(' ').next()),
        _ => None,
    };
    name.map(str::to_owned)
}

/// The highest number of a placeholder.
fn placeholders(statement: &Statement) -> Result<usize> {
    struct Highest(usize);
    impl Visitor for Highest {
        type Break = String;
        fn pre_visit_value(&mut self, value: &ast::ValueWithSpan) -> ControlFlow<String> {
            if let Value::Placeholder(name) = &value.value {
                match name
                    .strip_prefix('$')
                    .and_then(|number| number.parse::<usize>().ok())
                {
                    Some(number) if (1..=MAX_PARAMETERS).contains(&number) => self.0 = self.0.max(number),
                    _ => return ControlFlow::Break(name.clone()),
                }
            }
            ControlFlow::Continue(())
        }
    }
    let mut highest = Highest(0);
    match statement.visit(&mut highest) {
        ControlFlow::Continue(()) => Ok(highest.0),
        ControlFlow::Break(name) => Err(Error::new(
            ErrorClass::UndefinedParameter,
            format!("there is no parameter {name}"),
        )),
    }
}

/// A parameter that nothing tells the type of.
pub(super) fn text() -> FieldRef {
    Field::new("", DataType::Utf8, true).into()
}

fn inferred_types(plan: &LogicalPlan) -> Result<BTreeMap<usize, FieldRef>> {
    let mut types = inference::by_use(plan)?;
    types.extend(planned_types(plan)?);
    types.extend(inference::lengths(plan)?);
    // An object is named by its text.
    let objects = types.values_mut().filter(|field| {
        named_type(field).is_some_and(|name| name.starts_with("reg") && field.data_type().is_integer())
    });
    objects.for_each(|field| *field = text());
    Ok(types)
}

/// The types that the planner knows: of several places the first counts.
fn planned_types(plan: &LogicalPlan) -> Result<BTreeMap<usize, FieldRef>> {
    let mut types = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder {
                    id,
                    field: Some(field),
                }) = expr
                    && !field.data_type().is_null()
                    && let Some(number) = id
                        .strip_prefix('$')
                        .and_then(|number| number.parse::<usize>().ok())
                    && let Some(index) = number.checked_sub(1)
                {
                    types.entry(index).or_insert_with(|| Arc::clone(field));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}

/// `PREPARE p(types) AS statement`, which is how the planner is told of types. The leading types that are known
/// are given; the planner takes no gaps.
fn typed(statement: Statement, types: &[Option<FieldRef>]) -> Statement {
    let known: Option<Vec<ast::DataType>> = types
        .iter()
        .map(|slot| slot.as_ref().and_then(|field| sql_type_of(field)))
        .collect();
    match known {
        Some(data_types) if !data_types.is_empty() => Statement::Prepare {
            name: Ident::new("p"),
            data_types,
            statement: Box::new(statement),
        },
        _ => statement,
    }
}

/// The SQL spelling of the type of a field.
pub(crate) fn sql_type_of(field: &Field) -> Option<ast::DataType> {
    let Some(name) = named_type(field) else {
        return sql_type(field.data_type());
    };
    let custom = |name: &str| {
        let name = ast::ObjectName::from(vec![Ident::with_quote('"', name)]);
        ast::DataType::Custom(name, Vec::new())
    };
    Some(match name.strip_suffix("[]") {
        Some(item) => ast::DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(custom(item)), None)),
        None => custom(name),
    })
}

/// The SQL spelling of a type.
pub(crate) fn sql_type(data_type: &DataType) -> Option<ast::DataType> {
    Some(match data_type {
        DataType::Boolean => ast::DataType::Boolean,
        DataType::Int8 | DataType::Int16 => ast::DataType::SmallInt(None),
        DataType::Int32 => ast::DataType::Integer(None),
        DataType::Int64 | DataType::UInt32 => ast::DataType::BigInt(None),
        DataType::UInt8 | DataType::UInt16 => ast::DataType::Integer(None),
        DataType::UInt64 => ast::DataType::Numeric(ExactNumberInfo::PrecisionAndScale(20, 0)),
        DataType::Float16 | DataType::Float32 => ast::DataType::Real,
        DataType::Float64 => ast::DataType::DoublePrecision,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ast::DataType::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ast::DataType::Bytea,
        DataType::Date32 | DataType::Date64 => ast::DataType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ast::DataType::Time(None, TimezoneInfo::None),
        DataType::Timestamp(unit, zone) => {
            let zone = if zone.is_some() {
                TimezoneInfo::WithTimeZone
            } else {
                TimezoneInfo::None
            };
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            ast::DataType::Timestamp(Some(digits), zone)
        }
        DataType::Interval(_) | DataType::Duration(_) => ast::DataType::Interval {
            fields: None,
            precision: None,
        },
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            ast::DataType::Numeric(ExactNumberInfo::PrecisionAndScale(
                u64::from(*precision),
                i64::from(*scale),
            ))
        }
        DataType::List(field) | DataType::LargeList(field) => ast::DataType::Array(
            ArrayElemTypeDef::SquareBracket(Box::new(sql_type(field.data_type())?), None),
        ),
        _ => return None,
    })
}
