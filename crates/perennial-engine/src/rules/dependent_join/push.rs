//! Takes values of the outside into a subquery: they are joined in below the lowest place that asks for them, and carried up.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Join, LogicalPlan, LogicalPlanBuilder, Projection, Subquery,
};

use super::recursive::WorkTable;
use super::{KEPT, over_no_rows, step_defaults};

/// Rewrites a subquery so that it no longer refers to the outside.
pub(super) struct Push<'a> {
    pub(super) keys: &'a [Column],
    /// The values, and the columns that have them.
    pub(super) domain: LogicalPlan,
    pub(super) bound: Vec<Column>,
    /// Whether it stands in FROM, where it may have any number of rows.
    pub(super) lateral: bool,
    /// In the step of a recursive query, the rows of the step before, which carry the values.
    pub(super) work: Option<WorkTable>,
    /// Aggregates that give one row, met so far, of a subquery that is one value.
    pub(super) aggregates: usize,
    /// What the columns above the aggregate are over no rows, in terms of the outside.
    pub(super) empty: Vec<(String, Expr)>,
    /// Says of a group whether every filter above the aggregate let it through. Such a filter must not drop the group: a
    /// value of no rows and a refused one differ.
    pub(super) kept: Option<Column>,
    /// The same of the group of no rows.
    pub(super) kept_empty: Option<Expr>,
}

/// A plan with the outer values joined in, and the columns that carry them. None for shapes that are left to the planner.
pub(super) type Pushed = Result<Option<(LogicalPlan, Vec<Column>)>>;

impl<'a> Push<'a> {
    pub(super) fn new(
        keys: &'a [Column],
        (domain, bound): (LogicalPlan, Vec<Column>),
        lateral: bool,
    ) -> Self {
        Self {
            keys,
            domain,
            bound,
            lateral,
            work: None,
            aggregates: 0,
            empty: Vec::new(),
            kept: None,
            kept_empty: None,
        }
    }

    /// Takes the outer values into a plan.
    pub(super) fn down(&mut self, plan: &LogicalPlan) -> Pushed {
        if !self.concerns(plan)? {
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
                let predicate = self.bind(filter.predicate.clone(), &filter.input, &carried)?;
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
                self.project(projection, below, carried).map(Some)
            }
            LogicalPlan::Sort(sort) => self.down(&sort.input),
            LogicalPlan::Limit(limit) => self.limited(&limit.input, limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let Some((below, carried)) = self.down(input)? else {
                    return Ok(None);
                };
                if self.is_one_row() {
                    return Ok(None);
                }
                Ok(Some((
                    LogicalPlanBuilder::from(below).distinct()?.build()?,
                    carried,
                )))
            }
            LogicalPlan::Aggregate(aggregate) if self.lateral => self.grouped(aggregate),
            LogicalPlan::Union(union) if self.lateral => self.united(union),
            LogicalPlan::Aggregate(Aggregate {
                input,
                group_expr,
                aggr_expr,
                ..
            }) if group_expr.is_empty() => {
                let Some((below, carried)) = self.down(input)? else {
                    return Ok(None);
                };
                let exprs = self.bind_all(aggr_expr, input, &carried)?;
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
            LogicalPlan::RecursiveQuery(query) => self.recursive(query),
            LogicalPlan::TableScan(scan) => self.work.as_ref().map_or(Ok(None), |work| work.scan(scan)),
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

    /// Whether what has been met so far is the one row of an aggregate, which has to stay for each of the outer values.
    pub(super) fn is_one_row(&self) -> bool {
        !self.lateral && self.aggregates > 0
    }

    /// Whether a plan asks for the outer values, or has them.
    fn concerns(&self, plan: &LogicalPlan) -> Result<bool> {
        let has = |work: &WorkTable| work.is_in(plan);
        Ok(refers_to(plan, self.keys)? || self.work.as_ref().map_or(Ok(false), has)?)
    }

    /// A projection over what has the outer values.
    pub(super) fn project(
        &mut self,
        projection: &Projection,
        below: LogicalPlan,
        carried: Vec<Column>,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let mut exprs = self.bind_all(&projection.expr, &projection.input, &carried)?;
        if self.aggregates > 0 {
            let names = projection.schema.columns();
            let values = projection.expr.iter().zip(names);
            self.empty = values
                .map(|(expr, column)| Ok((column.name, over_no_rows(expr, &self.empty)?)))
                .collect::<Result<_>>()?;
        }
        exprs.extend(carried.iter().chain(&self.kept).cloned().map(Expr::Column));
        let plan = LogicalPlanBuilder::from(below).project(exprs)?.build()?;
        Ok((plan, carried))
    }

    /// Through a join of which one side refers to the outside.
    fn down_join(&mut self, join: &Join) -> Pushed {
        let (left, right) = (self.concerns(&join.left)?, self.concerns(&join.right)?);
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
        let whole = LogicalPlan::Join(join.clone());
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let conditions = on
            .chain(join.filter.iter().cloned())
            .map(|condition| self.bind(condition, &whole, &carried))
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

    pub(super) fn bind_all(
        &self,
        exprs: &[Expr],
        input: &LogicalPlan,
        carried: &[Column],
    ) -> Result<Vec<Expr>> {
        let names = NamePreserver::new_for_projection();
        exprs
            .iter()
            .map(|expr| {
                let name = names.save(expr);
                Ok(name.restore(self.bind(expr.clone(), input, carried)?))
            })
            .collect()
    }

    /// Replaces references to the outside by the columns that carry its values, in an expression over an input.
    pub(super) fn bind(&self, expr: Expr, input: &LogicalPlan, carried: &[Column]) -> Result<Expr> {
        let values = self.keys.iter().zip(carried);
        // A subquery inside means a column of the input first.
        let seen = values.clone().filter(|(key, _)| !input.schema().has_column(key));
        let seen: Vec<(&Column, &Column)> = seen.collect();
        let bound = expr.transform_up(|expr| match expr {
            Expr::OuterReferenceColumn(field, column) => {
                let value = values.clone().find(|(key, _)| **key == column);
                Ok(match value {
                    Some((_, carried)) => Transformed::yes(Expr::Column(carried.clone())),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                })
            }
            expr => in_subquery(expr, &seen),
        })?;
        Ok(bound.data)
    }
}

/// Replaces what a subquery in an expression asks of the outside of the query that it stands in.
fn in_subquery(expr: Expr, values: &[(&Column, &Column)]) -> Result<Transformed<Expr>> {
    let asks = |subquery: &Subquery| {
        subquery.outer_ref_columns.iter().any(|outer| {
            matches!(outer, Expr::OuterReferenceColumn(_, column) if values.iter().any(|(key, _)| **key == *column))
        })
    };
    Ok(match expr {
        Expr::ScalarSubquery(subquery) if asks(&subquery) => {
            Transformed::yes(Expr::ScalarSubquery(moved(subquery, values)?))
        }
        Expr::Exists(Exists { subquery, negated }) if asks(&subquery) => {
            let subquery = moved(subquery, values)?;
            Transformed::yes(Expr::Exists(Exists { subquery, negated }))
        }
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) if asks(&subquery) => {
            let subquery = moved(subquery, values)?;
            Transformed::yes(Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }))
        }
        other => Transformed::no(other),
    })
}

/// A subquery that asks for other columns of the outside.
fn moved(subquery: Subquery, values: &[(&Column, &Column)]) -> Result<Subquery> {
    let rename = |expr: Expr| {
        expr.transform_up(|expr| match expr {
            Expr::OuterReferenceColumn(field, column) => {
                let value = values.iter().find(|(key, _)| **key == column);
                Ok(match value {
                    Some((_, carried)) => {
                        Transformed::yes(Expr::OuterReferenceColumn(field, (*carried).clone()))
                    }
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                })
            }
            expr => in_subquery(expr, values),
        })
    };
    let plan = Arc::unwrap_or_clone(subquery.subquery);
    let plan = plan.transform_up(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(rename(expr)?.update_data(|expr| name.restore(expr)))
        })
    })?;
    let outer = subquery.outer_ref_columns.into_iter();
    Ok(Subquery {
        subquery: Arc::new(plan.data.recompute_schema()?),
        outer_ref_columns: outer
            .map(|outer| Ok(rename(outer)?.data))
            .collect::<Result<_>>()?,
        spans: subquery.spans,
    })
}

/// The columns of the outside that a plan asks for, and subqueries in its expressions that do not find them in it.
pub(super) fn outer_references(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    plan.apply(|node| {
        let inputs = node.inputs();
        let own = |column: &Column| inputs.iter().any(|input| input.schema().has_column(column));
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let asked = match expr {
                    Expr::OuterReferenceColumn(_, column) => vec![column.clone()],
                    Expr::ScalarSubquery(subquery)
                    | Expr::Exists(Exists { subquery, .. })
                    | Expr::InSubquery(InSubquery { subquery, .. })
                    | Expr::SetComparison(SetComparison { subquery, .. }) => {
                        let mut asked = outer_references(&subquery.subquery)?;
                        asked.retain(|column| !own(column));
                        asked
                    }
                    _ => Vec::new(),
                };
                for column in asked {
                    if !columns.contains(&column) {
                        columns.push(column);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(columns)
}

/// Whether a plan asks for columns of the outside.
pub(super) fn refers_to(plan: &LogicalPlan, keys: &[Column]) -> Result<bool> {
    Ok(outer_references(plan)?.iter().any(|column| keys.contains(column)))
}
