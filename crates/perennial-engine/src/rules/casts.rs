//! Casts, and comparisons of intervals, as Postgres has them: text is read and written as on the wire, and what has a zone
//! is told on the session's wall clock.
//!
//! Runs when all types are known and the planner has added casts of its own, so that `time >= '2026-01-01'` and
//! `time >= date '2026-01-01'` mean the same midnight as their casts do.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, lit};
use datafusion::optimizer::analyzer::AnalyzerRule;

use crate::description::SystemCatalog;
use crate::functions::postgres::json_build::{self, Written};
use crate::functions::postgres::{intervals, timezone};
use crate::rules::{Place, each_expression};
use crate::schema::PG_TYPE;
use crate::session::settings::{OutputStyle, Zone};

/// See the module.
#[derive(Debug)]
pub(crate) struct Casts {
    front: Arc<dyn SystemCatalog>,
    style: OutputStyle,
    /// The session's zone; none where it is that of all stored times.
    zone: Option<String>,
    writer: Arc<ScalarUDF>,
    json: Arc<ScalarUDF>,
    key: Arc<ScalarUDF>,
    timezone: Arc<ScalarUDF>,
}

impl Casts {
    pub(crate) fn new(front: Arc<dyn SystemCatalog>, style: OutputStyle) -> Self {
        Self {
            writer: Arc::new(front.writer(style)),
            json: Arc::new(front.json_writer(style)),
            zone: match style.time_zone {
                Zone::Named(chrono_tz::Tz::UTC) => None,
                zone => Some(zone.engine_name()),
            },
            key: intervals::key_function(),
            timezone: timezone::function(),
            front,
            style,
        }
    }

    /// The name of the session's zone as `AT TIME ZONE` reads it, which counts offsets west of Greenwich.
    fn zone_argument(&self) -> Option<String> {
        let name = self.zone.as_ref()?;
        Some(match (name.strip_prefix('+'), name.strip_prefix('-')) {
            (Some(offset), _) => format!("-{offset}"),
            (_, Some(offset)) => format!("+{offset}"),
            _ => name.clone(),
        })
    }

    fn rewritten(&self, expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr: inner, field }) => {
                let (Ok((_, given)), to) = (inner.to_field(schema), field.data_type().clone()) else {
                    return Ok(Transformed::no(Expr::Cast(Cast { expr: inner, field })));
                };
                let from = given.data_type().clone();
                Ok(match self.cast(inner.as_ref(), &from, &to)? {
                    Some(replaced) => Transformed::yes(replaced),
                    None => Transformed::no(Expr::Cast(Cast { expr: inner, field })),
                })
            }
            Expr::ScalarFunction(call) => self.written(call, schema),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => Ok(self.binary(*left, op, *right, schema)),
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) if is_interval(&expr, schema) => Ok(Transformed::yes(Expr::Between(Between {
                expr: Box::new(self.key_of(*expr)),
                negated,
                low: Box::new(self.key_of(*low)),
                high: Box::new(self.key_of(*high)),
            }))),
            Expr::InList(InList { expr, list, negated }) if is_interval(&expr, schema) => {
                Ok(Transformed::yes(Expr::InList(InList {
                    expr: Box::new(self.key_of(*expr)),
                    list: list.into_iter().map(|one| self.key_of(one)).collect(),
                    negated,
                })))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    /// The arguments of functions that make text or JSON of any value.
    fn written(&self, mut call: ScalarFunction, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
        let mut changed = false;
        let mut nested = false;
        for (place, argument) in call.args.iter_mut().enumerate() {
            let Some(written) = json_build::written_as(call.func.name(), place) else {
                continue;
            };
            let (_, field) = argument.to_field(schema)?;
            let is_json = field
                .metadata()
                .get(PG_TYPE)
                .is_some_and(|name| name.starts_with("json"));
            nested |= written == Written::Json && field.data_type().is_nested();
            let writer = match written {
                // A key of an object is refused by its type.
                Written::Text
                    if field.data_type().is_string()
                        || field.data_type().is_nested() && call.func.name().contains("json") =>
                {
                    continue;
                }
                Written::Json if is_json => continue,
                Written::Text => &self.writer,
                Written::Json => &self.json,
            };
            *argument = writer.call(vec![argument.clone()]);
            changed = true;
        }
        if nested && call.func.name() == json_build::ELEMENT {
            call.args.push(lit(true));
        }
        let call = Expr::ScalarFunction(call);
        Ok(if changed {
            Transformed::yes(call)
        } else {
            Transformed::no(call)
        })
    }

    fn cast(&self, inner: &Expr, from: &DataType, to: &DataType) -> Result<Option<Expr>> {
        if from.is_string() {
            return self.read(inner, to);
        }
        if to.is_string() {
            let write = || cast_unless(self.writer.call(vec![inner.clone()]), &DataType::Utf8, to);
            return Ok(written(from).then(write));
        }
        Ok(self.at_zone(inner, from, to))
    }

    /// What has a zone from or to what has none, on the session's wall clock.
    fn at_zone(&self, inner: &Expr, from: &DataType, to: &DataType) -> Option<Expr> {
        let zone = self.zone_argument()?;
        let moved = |moment: Expr| self.timezone.call(vec![lit(zone.clone()), moment]);
        let wall_clock = DataType::Timestamp(TimeUnit::Microsecond, None);
        match (from, to) {
            (
                DataType::Timestamp(_, Some(_)),
                DataType::Date32 | DataType::Date64 | DataType::Time64(_) | DataType::Timestamp(_, None),
            ) => Some(cast_unless(moved(inner.clone()), &wall_clock, to)),
            (
                DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None),
                DataType::Timestamp(_, Some(_)),
            ) => {
                let local = cast_unless(inner.clone(), from, &wall_clock);
                Some(cast_unless(moved(local), &DataType::Null, to))
            }
            _ => None,
        }
    }

    /// The value of a text. Of a constant it is tried at once: Postgres refuses it wherever it stands.
    fn read(&self, inner: &Expr, to: &DataType) -> Result<Option<Expr>> {
        let target = match to {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
            DataType::Boolean
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Binary
            | DataType::Date32
            | DataType::Interval(_) => to.clone(),
            DataType::List(item)
                if item.data_type().is_string()
                    || item.data_type().is_primitive()
                    || *item.data_type() == DataType::Binary =>
            {
                to.clone()
            }
            _ => return Ok(None),
        };
        if let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = inner {
            self.front.read(text, &target, &self.style)?;
        }
        let reader = Arc::new(
            self.front
                .reader(&Field::new("", target.clone(), true).into(), self.style),
        );
        Ok(Some(cast_unless(reader.call(vec![inner.clone()]), &target, to)))
    }

    fn binary(&self, left: Expr, op: Operator, right: Expr, schema: &dyn ExprSchema) -> Transformed<Expr> {
        let compares = matches!(
            op,
            Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
        );
        let binary = |left: Expr, right: Expr| {
            Expr::BinaryExpr(BinaryExpr {
                left: Box::new(left),
                op,
                right: Box::new(right),
            })
        };
        if compares && is_interval(&left, schema) && is_interval(&right, schema) {
            return Transformed::yes(binary(self.key_of(left), self.key_of(right)));
        }
        // A day of the session's zone may have 23 hours.
        if matches!(op, Operator::Plus | Operator::Minus)
            && let Some(zone) = &self.zone
            && let Ok(DataType::Timestamp(unit, Some(stored))) = left.get_type(schema)
            && *stored != **zone
            && is_interval(&right, schema)
        {
            let here = DataType::Timestamp(unit, Some(zone.as_str().into()));
            let sum = binary(cast_unless(left, &DataType::Null, &here), right);
            let back = DataType::Timestamp(unit, Some(stored));
            return Transformed::yes(cast_unless(sum, &here, &back));
        }
        Transformed::no(binary(left, right))
    }

    fn key_of(&self, interval: Expr) -> Expr {
        self.key.call(vec![interval])
    }
}

fn is_interval(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(_)))
}

/// Types that the engine writes otherwise than Postgres.
fn written(from: &DataType) -> bool {
    match from {
        DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::List(_)
        | DataType::LargeList(_)
        | DataType::Struct(_) => true,
        other => other.is_decimal(),
    }
}

fn cast_unless(expr: Expr, from: &DataType, to: &DataType) -> Expr {
    if from == to {
        return expr;
    }
    Expr::Cast(Cast::new(Box::new(expr), to.clone()))
}

impl AnalyzerRule for Casts {
    fn name(&self) -> &'static str {
        "postgres_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        each_expression(plan, |expr, schema, place| {
            let mut rewritten = expr.transform_up(|expr| self.rewritten(expr, schema))?;
            if place == Place::Sorting && is_interval(&rewritten.data, schema) {
                rewritten = Transformed::yes(self.key_of(rewritten.data));
            }
            Ok(rewritten)
        })
    }
}

/// A constant of an interval for the planner, which reads fewer forms of it than Postgres does.
pub(crate) fn interval_text(value: &ScalarValue) -> Option<String> {
    let ScalarValue::IntervalMonthDayNano(Some(value)) = value else {
        return None;
    };
    Some(format!(
        "{} months {} days {} nanoseconds",
        value.months, value.days, value.nanoseconds
    ))
}
