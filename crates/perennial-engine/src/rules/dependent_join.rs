//! Correlated scalar subqueries and lateral joins as joins, whatever the correlation.
//!
//! DataFusion turns a scalar subquery into a join when it is tied to its surroundings by equalities alone
//! (`scalar_subquery_to_join.rs`), and may keep what it does right. Here the distinct values of the outer columns are
//! joined into the subquery, which then aggregates per value, and its answer is joined back: the dependent join of
//! Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, Subquery, lit, when,
};
use datafusion::optimizer::AnalyzerRule;

use self::push::{Push, outer_references};
use self::sets::{Compared, compares, unsure};
use crate::functions::single_value;

mod lateral;
mod push;
mod recursive;
mod sets;

/// The column of a group that says whether HAVING let it through.
const KEPT: &str = "__kept";

/// The column of an outer value.
fn key_name(at: usize) -> String {
    format!("__key_{at}")
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct DependentJoin {
    next: AtomicUsize,
}

impl AnalyzerRule for DependentJoin {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        // What is in FROM of a lateral subquery is of its own; what stands in a subquery that is a value may ask for that
        // one's columns, and is joined to them once they have been joined to those around.
        plan.transform_up_with_subqueries(|node| self.lateral(node))?
            .data
            .transform_down_with_subqueries(|node| self.rewrite(node))
            .map(|done| done.data)
    }

    fn name(&self) -> &str {
        "dependent_join"
    }
}

impl DependentJoin {
    fn rewrite(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match node {
            LogicalPlan::Projection(projection)
                if correlated(&projection.expr) || compares(&projection.expr) =>
            {
                let names = NamePreserver::new_for_projection();
                let mut input = Arc::unwrap_or_clone(Arc::clone(&projection.input));
                let mut exprs = Vec::with_capacity(projection.expr.len());
                let mut changed = false;
                for expr in projection.expr.clone() {
                    let name = names.save(&expr);
                    let sets = self.replace_sets(expr, &mut input)?;
                    changed |= sets.transformed;
                    let done = self.replace(sets.data, &mut input, false)?;
                    changed |= done.transformed;
                    exprs.push(name.restore(done.data));
                }
                if !changed {
                    return Ok(Transformed::no(LogicalPlan::Projection(projection)));
                }
                let rewritten = Projection::try_new_with_schema(exprs, Arc::new(input), projection.schema)?;
                Ok(Transformed::yes(LogicalPlan::Projection(rewritten)))
            }
            LogicalPlan::Filter(filter)
                if correlated(std::slice::from_ref(&filter.predicate))
                    || split_conjunction(&filter.predicate).into_iter().any(unsure) =>
            {
                let columns: Vec<Expr> = filter
                    .input
                    .schema()
                    .columns()
                    .into_iter()
                    .map(Expr::Column)
                    .collect();
                let mut input = Arc::unwrap_or_clone(Arc::clone(&filter.input));
                let mut changed = false;
                let mut parts = Vec::new();
                for part in split_conjunction(&filter.predicate) {
                    let sets = match unsure(part) {
                        true => self.replace_sets(part.clone(), &mut input)?,
                        false => Transformed::no(part.clone()),
                    };
                    let done = self.replace(sets.data, &mut input, false)?;
                    changed |= sets.transformed || done.transformed;
                    parts.push(done.data);
                }
                let Some(predicate) = conjunction(parts).filter(|_| changed) else {
                    return Ok(Transformed::no(LogicalPlan::Filter(filter)));
                };
                let filtered = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?);
                Ok(Transformed::yes(
                    LogicalPlanBuilder::from(filtered).project(columns)?.build()?,
                ))
            }
            LogicalPlan::Aggregate(aggregate)
                if [&aggregate.aggr_expr, &aggregate.group_expr]
                    .into_iter()
                    .any(|exprs| correlated(exprs) || compares(exprs)) =>
            {
                let names = NamePreserver::new_for_projection();
                let mut input = Arc::unwrap_or_clone(Arc::clone(&aggregate.input));
                let mut changed = false;
                let mut replaced = |exprs: &[Expr]| {
                    let all = exprs.iter().map(|expr| {
                        let name = names.save(expr);
                        let sets = self.replace_sets(expr.clone(), &mut input)?;
                        changed |= sets.transformed;
                        let done = self.replace(sets.data, &mut input, true)?;
                        changed |= done.transformed;
                        Ok(name.restore(done.data))
                    });
                    all.collect::<Result<Vec<_>>>()
                };
                let groups = replaced(&aggregate.group_expr)?;
                let aggregates = replaced(&aggregate.aggr_expr)?;
                if !changed {
                    return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
                }
                let rewritten =
                    Aggregate::try_new_with_schema(Arc::new(input), groups, aggregates, aggregate.schema)?;
                Ok(Transformed::yes(LogicalPlan::Aggregate(rewritten)))
            }
            node => Ok(Transformed::no(node)),
        }
    }

    /// A name that no other join of the statement has.
    fn fresh(&self, what: &str) -> String {
        format!("__{what}_{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The values of columns as a relation of its own, and its columns.
    fn domain(
        &self,
        input: &LogicalPlan,
        keys: &[Column],
        distinct: bool,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let outer = self.fresh("outer");
        let values = keys
            .iter()
            .enumerate()
            .map(|(at, key)| Expr::Column(key.clone()).alias(key_name(at)));
        let values = LogicalPlanBuilder::from(input.clone()).project(values)?;
        let values = if distinct { values.distinct()? } else { values };
        let bound = (0..keys.len()).map(|at| Column::new(Some(outer.as_str()), key_name(at)));
        Ok((values.alias(outer.as_str())?.build()?, bound.collect()))
    }

    /// Replaces the correlated subqueries of an expression by columns of `input`, which grows by joins. But for `all` of them
    /// the planner does those that it can.
    fn replace(&self, expr: Expr, input: &mut LogicalPlan, all: bool) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| match expr {
            Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty() => {
                if !all && tied_by_equalities(&subquery.subquery)? {
                    return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
                }
                match self.join(&subquery, input)? {
                    Some((joined, value)) => {
                        *input = joined;
                        Ok(Transformed::yes(value))
                    }
                    None => Ok(Transformed::no(Expr::ScalarSubquery(subquery))),
                }
            }
            expr => Ok(Transformed::no(expr)),
        })
    }

    /// Replaces the comparisons of an expression with the rows of queries by columns of `input`, which grows by joins.
    fn replace_sets(&self, expr: Expr, input: &mut LogicalPlan) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| {
            let compared = match Compared::of(&expr) {
                Some(compared) => self.compared(&compared, input)?,
                None => None,
            };
            Ok(match compared {
                Some((joined, value)) => {
                    *input = joined;
                    Transformed::yes(value)
                }
                None => Transformed::no(expr),
            })
        })
    }

    /// The input joined with the answers of a subquery, and the expression of the answer. None for shapes that are
    /// left to the planner.
    fn join(&self, subquery: &Subquery, input: &LogicalPlan) -> Result<Option<(LogicalPlan, Expr)>> {
        let mut keys: Vec<Column> = Vec::new();
        for outer in &subquery.outer_ref_columns {
            let Expr::OuterReferenceColumn(_, column) = outer else {
                return Ok(None);
            };
            if !input.schema().has_column(column) {
                return Ok(None);
            }
            if !keys.contains(column) {
                keys.push(column.clone());
            }
        }
        let domain = self.domain(input, &keys, true)?;
        let Some(answers) = answers(&subquery.subquery, &keys, domain)? else {
            return Ok(None);
        };
        let answer = self.fresh("answer");
        let shown = answers
            .keys
            .iter()
            .enumerate()
            .map(|(at, key)| Expr::Column(key.clone()).alias(key_name(at)));
        let shown: Vec<Expr> = shown
            .chain([answers.value.alias("__value"), lit(true).alias("__found")])
            .collect();
        let right = LogicalPlanBuilder::from(answers.plan)
            .project(shown)?
            .alias(answer.as_str())?
            .build()?;
        let right_keys: Vec<Column> = (0..keys.len())
            .map(|at| Column::new(Some(answer.as_str()), key_name(at)))
            .collect();
        let joined = LogicalPlanBuilder::from(input.clone())
            .join_detailed(
                right,
                JoinType::Left,
                (keys, right_keys),
                None,
                NullEquality::NullEqualsNull,
            )?
            .build()?;
        let value = Expr::Column(Column::new(Some(answer.as_str()), "__value"));
        let value = match answers.without_rows {
            // No row for these outer values: count is 0, not NULL, unless HAVING says otherwise.
            Some(default) => {
                let found = Expr::Column(Column::new(Some(answer.as_str()), "__found"));
                when(found.is_not_null(), value).otherwise(default)?
            }
            None => value,
        };
        Ok(Some((joined, value)))
    }
}

/// A subquery's answers by the outer values.
struct Answers {
    plan: LogicalPlan,
    /// The columns of the outer values.
    keys: Vec<Column>,
    value: Expr,
    /// What the subquery gives over no rows, when that is not NULL.
    without_rows: Option<Expr>,
}

/// Joins the outer values below the lowest reference to them, and carries them up through the aggregate.
fn answers(
    plan: &LogicalPlan,
    keys: &[Column],
    domain: (LogicalPlan, Vec<Column>),
) -> Result<Option<Answers>> {
    let mut push = Push::new(keys, domain, false);
    let Some((plan, carried)) = push.down(plan)? else {
        return Ok(None);
    };
    if push.aggregates != 1 {
        return Ok(None);
    }
    let shown = |column: &Column| !carried.contains(column) && push.kept.as_ref() != Some(column);
    let Some(column) = plan.schema().columns().into_iter().find(shown) else {
        return Ok(None);
    };
    let without_rows = push.empty.iter().find(|(name, _)| *name == column.name);
    let without_rows = without_rows.map(|(_, value)| value.clone());
    let only_if = |kept: Option<Expr>, value: Expr| match kept {
        Some(kept) => when(kept, value).end(),
        None => Ok(value),
    };
    let without_rows = match without_rows {
        Some(Expr::Literal(value, _)) if value.is_null() => None,
        Some(value) => Some(only_if(push.kept_empty, value)?),
        None => None,
    };
    let value = only_if(push.kept.map(Expr::Column), Expr::Column(column))?;
    Ok(Some(Answers {
        plan,
        keys: carried,
        value,
        without_rows,
    }))
}

/// What the aggregates give over no rows, by their column.
fn step_defaults(aggregates: &[Expr], step: &LogicalPlan) -> Result<Vec<(String, Expr)>> {
    let LogicalPlan::Aggregate(aggregate) = step else {
        return Ok(Vec::new());
    };
    aggregates
        .iter()
        .zip(aggregate.schema.columns())
        .map(|(expr, column)| {
            let data_type = expr.get_type(aggregate.input.schema().as_ref())?;
            let default = match unaliased(expr) {
                Expr::AggregateFunction(AggregateFunction { func, .. }) => func.default_value(&data_type)?,
                _ => ScalarValue::try_from(&data_type)?,
            };
            Ok((column.name, lit(default)))
        })
        .collect()
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}

/// An expression over the aggregates' columns, over no rows and seen from the outside.
fn over_no_rows(expr: &Expr, empty: &[(String, Expr)]) -> Result<Expr> {
    let replaced = unaliased(expr).clone().transform_up(|expr| {
        Ok(match &expr {
            Expr::Column(column) => match empty.iter().find(|(name, _)| *name == column.name) {
                Some((_, value)) => Transformed::yes(value.clone()),
                None => Transformed::no(expr),
            },
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column.clone())),
            _ => Transformed::no(expr),
        })
    })?;
    Ok(replaced.data)
}

/// Whether the planner's own rule does a subquery, at the cost of one join fewer: an aggregate without HAVING over a
/// filter that compares columns with outer ones for equality. It aggregates groups that no outer row asks for too, so
/// an aggregate that may fail is none of these.
fn tied_by_equalities(plan: &LogicalPlan) -> Result<bool> {
    let plain = |exprs: &[Expr]| !exprs.iter().any(Expr::contains_outer) && !correlated(exprs);
    Ok(match plan {
        LogicalPlan::Subquery(subquery) => tied_by_equalities(&subquery.subquery)?,
        LogicalPlan::Projection(projection) => {
            plain(&projection.expr) && tied_by_equalities(&projection.input)?
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            let total = aggregate.aggr_expr.iter().all(|expr| {
                matches!(unaliased(expr), Expr::AggregateFunction(call) if call.func.name() != single_value::NAME)
            });
            let LogicalPlan::Filter(filter) = aggregate.input.as_ref() else {
                return Ok(false);
            };
            total
                && plain(&aggregate.aggr_expr)
                && outer_references(&filter.input)?.is_empty()
                && !correlated(std::slice::from_ref(&filter.predicate))
                && split_conjunction(&filter.predicate)
                    .into_iter()
                    .all(|part| !part.contains_outer() || compares_columns(part))
        }
        _ => false,
    })
}

fn compares_columns(expr: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = expr
    else {
        return false;
    };
    matches!(
        (left.as_ref(), right.as_ref()),
        (Expr::OuterReferenceColumn(..), Expr::Column(_)) | (Expr::Column(_), Expr::OuterReferenceColumn(..))
    )
}

fn correlated(exprs: &[Expr]) -> bool {
    exprs.iter().any(|expr| {
        // The test itself never fails.
        expr.exists(|expr| {
            Ok(matches!(expr, Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty()))
        })
        .unwrap_or(false)
    })
}
