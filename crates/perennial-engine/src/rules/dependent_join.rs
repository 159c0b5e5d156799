//! Correlated scalar subqueries as joins, whatever the correlation.
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
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, Subquery, lit, when,
};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::single_value;

/// The column of a group that says whether HAVING let it through.
const KEPT: &str = "__kept";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct DependentJoin {
    next: AtomicUsize,
}

impl AnalyzerRule for DependentJoin {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| self.rewrite(node))
            .map(|done| done.data)
    }

    fn name(&self) -> &str {
        "dependent_join"
    }
}

impl DependentJoin {
    fn rewrite(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match node {
            LogicalPlan::Projection(projection) if correlated(&projection.expr) => {
                let names = NamePreserver::new_for_projection();
                let mut input = Arc::unwrap_or_clone(Arc::clone(&projection.input));
                let mut exprs = Vec::with_capacity(projection.expr.len());
                let mut changed = false;
                for expr in projection.expr.clone() {
                    let name = names.save(&expr);
                    let done = self.replace(expr, &mut input)?;
                    changed |= done.transformed;
                    exprs.push(name.restore(done.data));
                }
                if !changed {
                    return Ok(Transformed::no(LogicalPlan::Projection(projection)));
                }
                let rewritten = Projection::try_new_with_schema(exprs, Arc::new(input), projection.schema)?;
                Ok(Transformed::yes(LogicalPlan::Projection(rewritten)))
            }
            LogicalPlan::Filter(filter) if correlated(std::slice::from_ref(&filter.predicate)) => {
                let columns: Vec<Expr> = filter
                    .input
                    .schema()
                    .columns()
                    .into_iter()
                    .map(Expr::Column)
                    .collect();
                let mut input = Arc::unwrap_or_clone(Arc::clone(&filter.input));
                let done = self.replace(filter.predicate.clone(), &mut input)?;
                if !done.transformed {
                    return Ok(Transformed::no(LogicalPlan::Filter(filter)));
                }
                let filtered = LogicalPlan::Filter(Filter::try_new(done.data, Arc::new(input))?);
                Ok(Transformed::yes(
                    LogicalPlanBuilder::from(filtered).project(columns)?.build()?,
                ))
            }
            node => Ok(Transformed::no(node)),
        }
    }

    /// Replaces the correlated subqueries of an expression by columns of `input`, which grows by joins.
    fn replace(&self, expr: Expr, input: &mut LogicalPlan) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| match expr {
            Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty() => {
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

    /// The input joined with the answers of a subquery, and the expression of the answer. None for shapes that are
    /// left to the planner.
    fn join(&self, subquery: &Subquery, input: &LogicalPlan) -> Result<Option<(LogicalPlan, Expr)>> {
        if tied_by_equalities(&subquery.subquery)? {
            return Ok(None);
        }
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
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let outer = format!("__outer_{number}");
        let name = |at: usize| format!("__key_{at}");
        let values = keys
            .iter()
            .enumerate()
            .map(|(at, key)| Expr::Column(key.clone()).alias(name(at)));
        let domain = LogicalPlanBuilder::from(input.clone())
            .project(values)?
            .distinct()?
            .alias(outer.as_str())?
            .build()?;
        let bound: Vec<Column> = (0..keys.len())
            .map(|at| Column::new(Some(outer.as_str()), name(at)))
            .collect();

        let Some(answers) = answers(&subquery.subquery, &keys, domain, bound)? else {
            return Ok(None);
        };
        let answer = format!("__answer_{number}");
        let shown = answers
            .keys
            .iter()
            .enumerate()
            .map(|(at, key)| Expr::Column(key.clone()).alias(name(at)));
        let shown: Vec<Expr> = shown
            .chain([answers.value.alias("__value"), lit(true).alias("__found")])
            .collect();
        let right = LogicalPlanBuilder::from(answers.plan)
            .project(shown)?
            .alias(answer.as_str())?
            .build()?;
        let right_keys: Vec<Column> = (0..keys.len())
            .map(|at| Column::new(Some(answer.as_str()), name(at)))
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
    domain: LogicalPlan,
    bound: Vec<Column>,
) -> Result<Option<Answers>> {
    let mut push = Push {
        keys,
        domain,
        bound,
        aggregates: 0,
        empty: Vec::new(),
        kept: None,
        kept_empty: None,
    };
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

/// Rewrites a subquery so that it no longer refers to the outside.
struct Push<'a> {
    keys: &'a [Column],
    domain: LogicalPlan,
    bound: Vec<Column>,
    /// Aggregates that give one row, met so far.
    aggregates: usize,
    /// What the columns above the aggregate are over no rows, in terms of the outside.
    empty: Vec<(String, Expr)>,
    /// Says of a group whether every filter above the aggregate let it through. Such a filter must not drop the group: a
    /// value of no rows and a refused one differ.
    kept: Option<Column>,
    /// The same of the group of no rows.
    kept_empty: Option<Expr>,
}

impl Push<'_> {
    /// The plan with the outer values joined in, and the columns that carry them. None for shapes that are left to the
    /// planner.
    fn down(&mut self, plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Vec<Column>)>> {
        if !refers_outside(plan)? {
            let joined = LogicalPlanBuilder::from(plan.clone())
                .cross_join(self.domain.clone())?
                .build()?;
            return Ok(Some((joined, self.bound.clone())));
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let Some((below, carried)) = self.down(&filter.input)? else {
                    return Ok(None);
                };
                let predicate = bind(filter.predicate.clone(), self.keys, &carried)?;
                if self.aggregates > 0 {
                    let marked = self.mark(below, predicate, &filter.predicate)?;
                    return Ok(Some((marked, carried)));
                }
                Ok(Some((
                    LogicalPlanBuilder::from(below).filter(predicate)?.build()?,
                    carried,
                )))
            }
            LogicalPlan::Projection(projection) => {
                let Some((below, carried)) = self.down(&projection.input)? else {
                    return Ok(None);
                };
                let mut exprs = self.bind_all(&projection.expr, &carried)?;
                if self.aggregates > 0 {
                    let names = projection.schema.columns();
                    let values = projection.expr.iter().zip(names);
                    self.empty = values
                        .map(|(expr, column)| Ok((column.name, over_no_rows(expr, &self.empty)?)))
                        .collect::<Result<_>>()?;
                }
                exprs.extend(carried.iter().chain(&self.kept).cloned().map(Expr::Column));
                Ok(Some((
                    LogicalPlanBuilder::from(below).project(exprs)?.build()?,
                    carried,
                )))
            }
            LogicalPlan::Aggregate(Aggregate {
                input,
                group_expr,
                aggr_expr,
                ..
            }) if group_expr.is_empty() => {
                let Some((below, carried)) = self.down(input)? else {
                    return Ok(None);
                };
                let exprs = self.bind_all(aggr_expr, &carried)?;
                self.empty = step_defaults(aggr_expr, plan)?;
                self.aggregates += 1;
                let groups: Vec<Expr> = carried.iter().cloned().map(Expr::Column).collect();
                Ok(Some((
                    LogicalPlanBuilder::from(below)
                        .aggregate(groups, exprs)?
                        .build()?,
                    carried,
                )))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let Some((below, carried)) = self.down(&alias.input)? else {
                    return Ok(None);
                };
                let renamed = |column: Column| Column::new(Some(alias.alias.clone()), column.name);
                let carried = carried.into_iter().map(renamed).collect();
                self.kept = self.kept.take().map(renamed);
                Ok(Some((
                    LogicalPlanBuilder::from(below)
                        .alias(alias.alias.clone())?
                        .build()?,
                    carried,
                )))
            }
            LogicalPlan::Subquery(subquery) => self.down(&subquery.subquery),
            LogicalPlan::Unnest(unnest) => {
                let Some((below, carried)) = self.down(&unnest.input)? else {
                    return Ok(None);
                };
                if self.aggregates > 0 {
                    return Ok(None);
                }
                let plan = LogicalPlanBuilder::from(below)
                    .unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?
                    .build()?;
                Ok(Some((plan, carried)))
            }
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => self.down_join(join),
            _ => Ok(None),
        }
    }

    /// Through a join of which one side refers to the outside.
    fn down_join(&mut self, join: &Join) -> Result<Option<(LogicalPlan, Vec<Column>)>> {
        let (left, right) = (refers_outside(&join.left)?, refers_outside(&join.right)?);
        let (left, right, carried) = match (left, right) {
            (true, true) => return Ok(None),
            (_, false) => {
                let Some((left, carried)) = self.down(&join.left)? else {
                    return Ok(None);
                };
                (left, join.right.as_ref().clone(), carried)
            }
            (false, true) => {
                let Some((right, carried)) = self.down(&join.right)? else {
                    return Ok(None);
                };
                (join.left.as_ref().clone(), right, carried)
            }
        };
        // Over an aggregate a join decides too whether there is a row.
        if self.aggregates > 0 {
            return Ok(None);
        }
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let conditions = on
            .chain(join.filter.iter().cloned())
            .map(|condition| bind(condition, self.keys, &carried))
            .collect::<Result<Vec<_>>>()?;
        let joined = LogicalPlanBuilder::from(left);
        let joined = if conditions.is_empty() {
            joined.cross_join(right)?
        } else {
            joined.join_on(right, JoinType::Inner, conditions)?
        };
        Ok(Some((joined.build()?, carried)))
    }

    /// Notes what a filter above the aggregate says of each group.
    fn mark(&mut self, below: LogicalPlan, predicate: Expr, written: &Expr) -> Result<LogicalPlan> {
        let columns = below.schema().columns().into_iter();
        let mut exprs: Vec<Expr> = columns
            .filter(|column| self.kept.as_ref() != Some(column))
            .map(Expr::Column)
            .collect();
        let all = |before: Option<Expr>, predicate: Expr| match before {
            Some(before) => before.and(predicate),
            None => predicate,
        };
        exprs.push(all(self.kept.take().map(Expr::Column), predicate).alias(KEPT));
        self.kept = Some(Column::new_unqualified(KEPT));
        let empty = over_no_rows(written, &self.empty)?;
        self.kept_empty = Some(all(self.kept_empty.take(), empty));
        LogicalPlanBuilder::from(below).project(exprs)?.build()
    }

    fn bind_all(&self, exprs: &[Expr], carried: &[Column]) -> Result<Vec<Expr>> {
        let names = NamePreserver::new_for_projection();
        exprs
            .iter()
            .map(|expr| {
                let name = names.save(expr);
                Ok(name.restore(bind(expr.clone(), self.keys, carried)?))
            })
            .collect()
    }
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
    let plain = |exprs: &[Expr]| !exprs.iter().any(Expr::contains_outer);
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
                && !refers_outside(&filter.input)?
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

/// Replaces references to the outside by the columns that carry its values.
fn bind(expr: Expr, keys: &[Column], carried: &[Column]) -> Result<Expr> {
    let bound = expr.transform_up(|expr| match &expr {
        Expr::OuterReferenceColumn(_, column) => Ok(
            match keys
                .iter()
                .position(|key| key == column)
                .and_then(|at| carried.get(at))
            {
                Some(carried) => Transformed::yes(Expr::Column(carried.clone())),
                None => Transformed::no(expr),
            },
        ),
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(bound.data)
}

fn refers_outside(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(node.contains_outer_reference()))
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
