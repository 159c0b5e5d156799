//! The order of a query in FROM. Postgres gives its rows on in that order, to whoever takes rows as they come: to the client,
//! to LIMIT, and to aggregates that keep an order. Here they are told of it, and the sorts inside, on which nothing depends
//! any more, are dropped.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortExpr};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Explain, Expr, Limit, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;
use recursive::recursive;

/// The aggregates that keep an order.
const KEEP: [&str; 4] = ["array_agg", "string_agg", "first_value", "last_value"];
/// Names of columns that no user can type.
const HIDDEN: &str = "\u{1}order";

/// See the module.
#[derive(Debug)]
pub(crate) struct OrderedInput;

impl AnalyzerRule for OrderedInput {
    fn name(&self) -> &'static str {
        "ordered_input"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        if !sorts(&plan)? {
            return Ok(plan);
        }
        let told = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(keeps) => ordered(aggregate),
            LogicalPlan::Limit(limit) => limited(limit),
            node => Ok(Transformed::no(node)),
        })?;
        let told = match told.data {
            LogicalPlan::Explain(explain) => {
                let plan = sorted(explain.plan.as_ref().clone())?;
                LogicalPlan::Explain(Explain {
                    plan: Arc::new(plan),
                    ..explain
                })
            }
            plan => sorted(plan)?,
        };
        without_sorts(told, true)
    }
}

/// Whether there is an order anywhere.
fn sorts(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Sort(_));
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// Whether an aggregate keeps an order and is not told which.
fn keeps(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => keeps(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            KEEP.contains(&func.name()) && params.order_by.is_empty() && !params.distinct
        }
        _ => false,
    }
}

/// Tells aggregates of the order of their input.
fn ordered(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let Some((input, order)) = with_order(&aggregate.input, &mut 0)? else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    let names = NamePreserver::new_for_projection();
    let told = aggregate.aggr_expr.iter().map(|expr| {
        if !keeps(expr) {
            return Ok(expr.clone());
        }
        let name = names.save(expr);
        let told = expr.clone().transform_up(|expr| match expr {
            Expr::AggregateFunction(mut call) => {
                call.params.order_by.clone_from(&order);
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            expr => Ok(Transformed::no(expr)),
        })?;
        Ok(name.restore(told.data))
    });
    let told = told.collect::<Result<Vec<_>>>()?;
    let rewritten =
        Aggregate::try_new_with_schema(Arc::new(input), aggregate.group_expr, told, aggregate.schema)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(rewritten)))
}

/// Takes the first rows of an order inside.
fn limited(limit: Limit) -> Result<Transformed<LogicalPlan>> {
    let input = sorted(limit.input.as_ref().clone())?;
    Ok(Transformed::yes(LogicalPlan::Limit(Limit {
        input: Arc::new(input),
        ..limit
    })))
}

/// A plan whose order inside is that of its rows.
fn sorted(plan: LogicalPlan) -> Result<LogicalPlan> {
    if is_sorted(&plan) {
        return Ok(plan);
    }
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    match with_order(&plan, &mut 0)? {
        Some((below, order)) => LogicalPlanBuilder::from(below)
            .sort(order)?
            .project(columns)?
            .build(),
        None => Ok(plan),
    }
}

/// Whether a plan sorts by itself, or has no order.
#[recursive]
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::Limit(limit) => is_sorted(&limit.input),
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => false,
        _ => true,
    }
}

/// A plan whose rows come from a query with an order, and that order by its columns, of which some may be added.
#[recursive]
fn with_order(plan: &LogicalPlan, added: &mut usize) -> Result<Option<(LogicalPlan, Vec<SortExpr>)>> {
    let inner = match plan {
        LogicalPlan::Sort(sort) if sort.expr.iter().all(|key| matches!(key.expr, Expr::Column(_))) => {
            return Ok(Some((plan.clone(), sort.expr.clone())));
        }
        LogicalPlan::Sort(sort) => {
            let columns = sort.input.schema().columns().into_iter().map(Expr::Column);
            let mut exprs: Vec<Expr> = columns.collect();
            let keys = behind(&mut exprs, &sort.expr, added);
            let sorted = LogicalPlanBuilder::from(sort.input.as_ref().clone())
                .project(exprs)?
                .sort_with_limit(keys.clone(), sort.fetch)?;
            return Ok(Some((sorted.build()?, keys)));
        }
        LogicalPlan::Limit(limit) => &limit.input,
        LogicalPlan::Filter(filter) => &filter.input,
        LogicalPlan::SubqueryAlias(alias) => &alias.input,
        LogicalPlan::Projection(projection) => &projection.input,
        _ => return Ok(None),
    };
    let Some((below, order)) = with_order(inner, added)? else {
        return Ok(None);
    };
    let below = LogicalPlanBuilder::from(below);
    let outcome = match plan {
        LogicalPlan::Limit(limit) => {
            let limited = LogicalPlan::Limit(Limit {
                input: Arc::new(below.build()?),
                ..limit.clone()
            });
            (limited, order)
        }
        LogicalPlan::Filter(filter) => (below.filter(filter.predicate.clone())?.build()?, order),
        LogicalPlan::SubqueryAlias(alias) => {
            let renamed = order.into_iter().map(|key| match key.expr {
                Expr::Column(column) => SortExpr {
                    expr: Expr::Column(Column::new(Some(alias.alias.clone()), column.name)),
                    ..key
                },
                _ => key,
            });
            (below.alias(alias.alias.clone())?.build()?, renamed.collect())
        }
        LogicalPlan::Projection(projection) => {
            let mut exprs = projection.expr.clone();
            let keys = behind(&mut exprs, &order, added);
            (below.project(exprs)?.build()?, keys)
        }
        _ => return Ok(None),
    };
    Ok(Some(outcome))
}

/// Puts the keys of an order behind other expressions, and gives the order by these columns.
fn behind(exprs: &mut Vec<Expr>, order: &[SortExpr], added: &mut usize) -> Vec<SortExpr> {
    let named = |key: &SortExpr| {
        *added += 1;
        let name = format!("{HIDDEN}{added}");
        exprs.push(key.expr.clone().alias(&name));
        SortExpr {
            expr: Expr::Column(Column::new_unqualified(name)),
            asc: key.asc,
            nulls_first: key.nulls_first,
        }
    };
    order.iter().map(named).collect()
}

/// The plan without sorts on which nothing depends. `kept` says whether the order of its rows counts.
#[recursive]
fn without_sorts(plan: LogicalPlan, kept: bool) -> Result<LogicalPlan> {
    if let LogicalPlan::Sort(sort) = &plan
        && !kept
        && sort.fetch.is_none()
    {
        return without_sorts(sort.input.as_ref().clone(), false);
    }
    let counts = match &plan {
        LogicalPlan::Limit(_) | LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::Subquery(_) => kept,
        _ => false,
    };
    let plan = plan.map_subqueries(|subquery| {
        let without = without_sorts(subquery, false)?;
        Ok(Transformed::yes(without))
    })?;
    let plan = plan
        .data
        .map_children(|child| Ok(Transformed::yes(without_sorts(child, counts)?)))?;
    Ok(plan.data)
}
