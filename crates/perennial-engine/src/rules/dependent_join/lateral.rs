//! Subqueries in FROM that ask for columns of what stands before them.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprFunctionExt, Join, Limit, LogicalPlan, LogicalPlanBuilder, SortExpr, Subquery,
    SubqueryAlias, Union, cast, lit, when,
};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::push::{Push, Pushed, outer_references, refers_to};
use super::{DependentJoin, compares_columns, key_name, step_defaults};

/// The place of a row among those of its outer values.
const PLACE: &str = "__place";
/// Says of outer values that an aggregate had rows of them.
const FOUND: &str = "__found";

impl DependentJoin {
    /// Replaces a join with a subquery that refers to the other side by one that does not. What the planner's own rule
    /// (`decorrelate_lateral_join.rs`) takes apart is left to it.
    pub(super) fn lateral(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = &node else {
            return Ok(Transformed::no(node));
        };
        let Some(subquery) = subquery_of(&join.right) else {
            return Ok(Transformed::no(node));
        };
        let asked = outer_references(&subquery.subquery)?.into_iter();
        let keys: Vec<Column> = asked
            .filter(|column| join.left.schema().has_column(column))
            .collect();
        let taken = matches!(join.join_type, JoinType::Inner | JoinType::Left)
            && !keys.is_empty()
            && !pulled_up(&join.right, &keys)?;
        if !taken {
            return Ok(Transformed::no(node));
        }
        let replaced = match join.join_type == JoinType::Inner && row_by_row(&join.right, &keys)? {
            true => self.carried_along(join)?,
            false => self.joined_back(join, keys)?,
        };
        Ok(replaced.map_or_else(|| Transformed::no(node), Transformed::yes))
    }

    /// Where each row gives its own rows alone, the other side goes into the subquery with all its columns.
    fn carried_along(&self, join: &Join) -> Result<Option<LogicalPlan>> {
        let keys = join.left.schema().columns();
        let domain = self.domain(&join.left, &keys, false)?;
        let Some((plan, carried)) = Push::new(&keys, domain, true).down(&join.right)? else {
            return Ok(None);
        };
        let conditions = conditions(join).map(|condition| at_carried(condition, &keys, &carried));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        let mut plan = LogicalPlanBuilder::from(plan);
        for condition in conditions {
            plan = plan.filter(condition)?;
        }
        let left = keys
            .into_iter()
            .zip(carried)
            .map(|(key, carried)| Expr::Column(carried).alias_qualified(key.relation, key.name));
        let right = join.right.schema().columns().into_iter().map(Expr::Column);
        Ok(Some(plan.project(left.chain(right))?.build()?))
    }

    /// Elsewhere the rows of all values that are asked for are worked out, and joined with the other side by these.
    fn joined_back(&self, join: &Join, keys: Vec<Column>) -> Result<Option<LogicalPlan>> {
        let domain = self.domain(&join.left, &keys, true)?;
        let Some((plan, carried)) = Push::new(&keys, domain, true).down(&join.right)? else {
            return Ok(None);
        };
        let answer = self.fresh("answer");
        let shown = join.right.schema().columns().into_iter().map(Expr::Column);
        let values = carried.into_iter().enumerate();
        let values = values
            .map(|(at, value)| Expr::Column(value).alias_qualified(Some(answer.as_str()), key_name(at)));
        let right = LogicalPlanBuilder::from(plan)
            .project(shown.chain(values))?
            .build()?;
        let right_keys: Vec<Column> = (0..keys.len())
            .map(|at| Column::new(Some(answer.as_str()), key_name(at)))
            .collect();
        let joined = LogicalPlanBuilder::from(join.left.as_ref().clone())
            .join_detailed(
                right,
                join.join_type,
                (keys, right_keys),
                conditions(join).reduce(Expr::and),
                NullEquality::NullEqualsNull,
            )?
            .project(join.schema.columns().into_iter().map(Expr::Column))?
            .build()?;
        Ok(Some(joined))
    }
}

impl Push<'_> {
    /// Rows from the first that is not skipped on, of each of the outer values.
    pub(super) fn limited(&mut self, plan: &LogicalPlan, limit: &Limit) -> Pushed {
        let (input, keys) = match plan {
            LogicalPlan::Projection(projection) => {
                let Some((below, carried)) = self.limited(&projection.input, limit)? else {
                    return Ok(None);
                };
                return self.project(projection, below, carried).map(Some);
            }
            LogicalPlan::Sort(sort) => (sort.input.as_ref(), sort.expr.as_slice()),
            other => (other, [].as_slice()),
        };
        let Some((below, carried)) = self.down(input)? else {
            return Ok(None);
        };
        if self.is_one_row() {
            return Ok(None);
        }
        let bound = |key: &SortExpr| {
            let expr = self.bind(key.expr.clone(), input, &carried)?;
            Ok(SortExpr { expr, ..key.clone() })
        };
        let order = keys.iter().map(bound).collect::<Result<Vec<_>>>()?;
        let columns: Vec<Expr> = below.schema().columns().into_iter().map(Expr::Column).collect();
        let place = row_number().partition_by(carried.iter().cloned().map(Expr::Column).collect());
        let place = match order.is_empty() {
            true => place.build()?,
            false => place.order_by(order).build()?,
        };
        let place = place.alias(PLACE);
        let number =
            |expr: &Option<Box<Expr>>| expr.as_deref().map(|expr| cast(expr.clone(), DataType::Int64));
        let place_of = || cast(Expr::Column(Column::new_unqualified(PLACE)), DataType::Int64);
        let mut plan = LogicalPlanBuilder::from(below).window([place])?;
        let skip = number(&limit.skip);
        if let Some(fetch) = number(&limit.fetch) {
            let last = skip
                .clone()
                .map_or_else(|| fetch.clone(), |skip| skip + fetch.clone());
            plan = plan.filter(place_of().lt_eq(last))?;
        }
        if let Some(skip) = skip {
            plan = plan.filter(place_of().gt(skip))?;
        }
        Ok(Some((plan.project(columns)?.build()?, carried)))
    }

    /// Groups of each of the outer values. Without GROUP BY there is a row also where there were none to count.
    pub(super) fn grouped(&mut self, aggregate: &Aggregate) -> Pushed {
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            return Ok(None);
        }
        let Some((below, carried)) = self.down(&aggregate.input)? else {
            return Ok(None);
        };
        let mut groups = self.bind_all(&aggregate.group_expr, &aggregate.input, &carried)?;
        let exprs = self.bind_all(&aggregate.aggr_expr, &aggregate.input, &carried)?;
        groups.extend(carried.iter().cloned().map(Expr::Column));
        let plan = LogicalPlanBuilder::from(below)
            .aggregate(groups, exprs)?
            .build()?;
        if !aggregate.group_expr.is_empty() {
            return Ok(Some((plan, carried)));
        }
        self.of_all(aggregate, plan, carried).map(Some)
    }

    /// The outer values go into each of the queries that are put together.
    pub(super) fn united(&mut self, union: &Union) -> Pushed {
        let mut all: Option<LogicalPlanBuilder> = None;
        for input in &union.inputs {
            let Some((below, carried)) = self.down(input)? else {
                return Ok(None);
            };
            let shown = input.schema().columns().into_iter().map(Expr::Column);
            let values = carried.into_iter().enumerate();
            let values = values.map(|(at, value)| Expr::Column(value).alias(key_name(at)));
            let next = LogicalPlanBuilder::from(below).project(shown.chain(values))?;
            all = Some(match all {
                Some(all) => all.union(next.build()?)?,
                None => next,
            });
        }
        let Some(all) = all else { return Ok(None) };
        let found = all.schema().columns();
        let named = union.schema.columns().into_iter().zip(found.clone());
        let shown =
            named.map(|(column, found)| Expr::Column(found).alias_qualified(column.relation, column.name));
        let carried: Vec<Column> = found.into_iter().skip(union.schema.fields().len()).collect();
        let values = carried.iter().cloned().map(Expr::Column);
        let plan = all.project(shown.chain(values))?.build()?;
        Ok(Some((plan, carried)))
    }

    /// Adds the outer values of which an aggregate had no rows, with what it gives over none.
    fn of_all(
        &self,
        aggregate: &Aggregate,
        plan: LogicalPlan,
        carried: Vec<Column>,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let defaults = step_defaults(&aggregate.aggr_expr, &LogicalPlan::Aggregate(aggregate.clone()))?;
        let all = self.bound.first().and_then(|bound| bound.relation.as_ref());
        let all = format!("{}_all", all.map_or("__outer", |outer| outer.table()));
        let bound: Vec<Column> = self
            .bound
            .iter()
            .map(|bound| Column::new(Some(all.as_str()), bound.name.clone()))
            .collect();
        let answers = plan.schema().columns().into_iter().map(Expr::Column);
        let answers = LogicalPlanBuilder::from(plan)
            .project(answers.chain([lit(true).alias(FOUND)]))?
            .build()?;
        let joined = LogicalPlanBuilder::from(self.domain.clone())
            .alias(all.as_str())?
            .join_detailed(
                answers,
                JoinType::Left,
                (bound.clone(), carried),
                None,
                NullEquality::NullEqualsNull,
            )?;
        let found = || Expr::Column(Column::new_unqualified(FOUND)).is_not_null();
        let values = aggregate.schema.columns().into_iter().map(|column| {
            let default = defaults.iter().find(|(name, _)| *name == column.name);
            let value = Expr::Column(column.clone());
            let value = match default {
                Some((_, default)) => when(found(), value).otherwise(default.clone())?,
                None => value,
            };
            Ok(value.alias_qualified(column.relation, column.name))
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        let keys = bound.iter().cloned().map(Expr::Column);
        let plan = joined.project(values.into_iter().chain(keys))?.build()?;
        Ok((plan, bound))
    }
}

/// The subquery that a side of a join is, under its name and with names for its columns.
fn subquery_of(side: &LogicalPlan) -> Option<&Subquery> {
    match side {
        LogicalPlan::Subquery(subquery) => Some(subquery),
        LogicalPlan::SubqueryAlias(alias) => subquery_of(&alias.input),
        LogicalPlan::Projection(projection) => subquery_of(&projection.input),
        _ => None,
    }
}

/// Whether the planner's own rule takes a side of a join apart, so that it asks for none of the keys any more.
fn pulled_up(side: &LogicalPlan, keys: &[Column]) -> Result<bool> {
    let subquery = match side {
        LogicalPlan::Subquery(subquery) => subquery,
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => match input.as_ref() {
            LogicalPlan::Subquery(subquery) => subquery,
            _ => return Ok(false),
        },
        _ => return Ok(false),
    };
    if gathers_by_more(&subquery.subquery)? {
        return Ok(false);
    }
    let mut pulling = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    let pulled = subquery.subquery.as_ref().clone().rewrite(&mut pulling).data()?;
    Ok(pulling.can_pull_up && pulling.pull_up_having_expr.is_none() && !refers_to(&pulled, keys)?)
}

/// Whether a plan gathers rows that are tied to the outside by anything but equality: the planner's rule gathers them by the
/// columns that it compares, too.
fn gathers_by_more(plan: &LogicalPlan) -> Result<bool> {
    let (mut gathers, mut by_more) = (false, false);
    plan.apply(|node| {
        match node {
            LogicalPlan::Distinct(_) | LogicalPlan::Aggregate(_) => gathers = true,
            LogicalPlan::Filter(filter) => {
                let mut parts = split_conjunction(&filter.predicate).into_iter();
                by_more |= parts.any(|part| part.contains_outer() && !compares_columns(part));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(gathers && by_more)
}

/// Whether what a plan gives for one row of the outside depends on no other row, and is not counted.
fn row_by_row(plan: &LogicalPlan, keys: &[Column]) -> Result<bool> {
    if !refers_to(plan, keys)? {
        return Ok(true);
    }
    let plain = match plan {
        LogicalPlan::Filter(_)
        | LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Unnest(_) => true,
        LogicalPlan::Join(join) => join.join_type == JoinType::Inner,
        _ => false,
    };
    if !plain {
        return Ok(false);
    }
    for input in plan.inputs() {
        if !row_by_row(input, keys)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a join asks of its pairs.
fn conditions(join: &Join) -> impl Iterator<Item = Expr> {
    let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    on.chain(join.filter.clone())
}

/// An expression over the columns of one side of a join, where these are carried.
fn at_carried(expr: Expr, keys: &[Column], carried: &[Column]) -> Result<Expr> {
    let moved = expr.transform_up(|expr| match &expr {
        Expr::Column(column) => {
            let place = keys.iter().position(|key| key == column);
            Ok(match place.and_then(|place| carried.get(place)) {
                Some(carried) => Transformed::yes(Expr::Column(carried.clone())),
                None => Transformed::no(expr),
            })
        }
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(moved.data)
}
