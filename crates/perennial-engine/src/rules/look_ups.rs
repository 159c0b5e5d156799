//! Joins of few rows with a table that is sorted by what they are joined on look their keys up there.
//!
//! A scan of the table would read all of it for the few rows that match. Through filters, projections, groups by the key and
//! other joins on it the look-up takes the place of the scan as well.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::unnest::UnnestExec;

use crate::keyed::join::{LookUpJoin, Side, leaves_out_unmatched};
use crate::keyed::sought::Sought;
use crate::keyed::{FEW, KeyScan};

type Plan = Arc<dyn ExecutionPlan>;

/// See the module.
#[derive(Debug)]
pub(crate) struct LookUps;

impl PhysicalOptimizerRule for LookUps {
    fn optimize(&self, plan: Plan, _: &ConfigOptions) -> Result<Plan> {
        let plan = plan.transform_up(|node| {
            let looked_up = match node.downcast_ref::<HashJoinExec>() {
                Some(join) => look_up(join)?,
                None => None,
            };
            Ok(match looked_up {
                Some(join) => Transformed::yes(Arc::new(join) as Plan),
                None => Transformed::no(node),
            })
        })?;
        let plan = plan.data.transform_up(|node| {
            Ok(match node.downcast_ref::<Sought>() {
                Some(sought) => Transformed::yes(Arc::clone(sought.scan())),
                None => Transformed::no(node),
            })
        });
        plan.data()
    }

    fn name(&self) -> &'static str {
        "look_ups"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The join with the look-up of its few rows, if it has such.
fn look_up(join: &HashJoinExec) -> Result<Option<LookUpJoin>> {
    if join.null_equality() == NullEquality::NullEqualsNull || join.null_aware {
        return Ok(None);
    }
    for side in [Side::Left, Side::Right] {
        let sides = (join.left(), join.right());
        if !leaves_out_unmatched(*join.join_type(), side.other()) || !few(side.of(sides))? {
            continue;
        }
        for (left, right) in join.on() {
            let (key, sought) = (side.of((left, right)), side.other().of((left, right)));
            if let Some(found) = by_key(side.other().of(sides), sought)? {
                return LookUpJoin::try_new(join, side, key, found).map(Some);
            }
        }
    }
    Ok(None)
}

/// Whether a plan gives few rows: those of keys, or of a limit.
fn few(plan: &Plan) -> Result<bool> {
    if plan.is::<KeyScan>() || plan.fetch().is_some_and(|rows| rows <= FEW) {
        return Ok(true);
    }
    let children = plan.children();
    if children.is_empty() {
        let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new())?;
        return Ok(matches!(known.num_rows, Precision::Exact(rows) if rows <= FEW));
    }
    // These make many rows of few.
    if plan.is::<RecursiveQueryExec>() || plan.is::<UnnestExec>() {
        return Ok(false);
    }
    for child in children {
        if !few(child)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The plan without the rows whose `key` is none of those that a join has gathered, where it does not have to scan for it.
fn by_key(plan: &Plan, key: &Arc<dyn PhysicalExpr>) -> Result<Option<Plan>> {
    // Behind a limit other rows would come.
    let column = key
        .downcast_ref::<Column>()
        .filter(|_| plan.fetch().is_none())
        .map(Column::index);
    let Some(column) = column else {
        return Ok(None);
    };
    if let Some(sought) = plan.downcast_ref::<Sought>() {
        return Ok(sought.gathered(column)?.map(|scan| Arc::new(scan) as Plan));
    }
    let below = if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let column = match filter.projection() {
            Some(columns) => columns.get(column).copied(),
            None => Some(column),
        };
        let field = column.and_then(|column| {
            let schema = filter.input().schema();
            let name = schema.fields().get(column)?.name().clone();
            Some(Arc::new(Column::new(&name, column)) as Arc<dyn PhysicalExpr>)
        });
        field.map(|column| (filter.input(), column))
    } else if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let below = projection.expr().get(column);
        below.map(|below| (projection.input(), Arc::clone(&below.expr)))
    } else if let Some(groups) = plan.downcast_ref::<AggregateExec>() {
        let by = groups.group_expr();
        let below = by.expr().get(column).filter(|_| !by.has_grouping_set());
        below.map(|(below, _)| (groups.input(), Arc::clone(below)))
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return joined_by_key(join, column);
    } else {
        None
    };
    let Some((input, key)) = below else {
        return Ok(None);
    };
    let found = by_key(input, &key)?;
    found
        .map(|found| replace_children_if_necessary(Arc::clone(plan), vec![found]))
        .transpose()
}

/// An inner join of which one column is among the keys: so is what it is joined with.
fn joined_by_key(join: &HashJoinExec, column: usize) -> Result<Option<Plan>> {
    if *join.join_type() != JoinType::Inner || join.contains_projection() {
        return Ok(None);
    }
    let (left, right) = (join.left(), join.right());
    let width = left.schema().fields().len();
    let (side, place) = match column.checked_sub(width) {
        None => (Side::Left, column),
        Some(place) => (Side::Right, place),
    };
    let is_key = |of: &Arc<dyn PhysicalExpr>| {
        let column = of.downcast_ref::<Column>();
        column.is_some_and(|column| column.index() == place)
    };
    for pair in join.on() {
        let (mine, other) = (side.of((&pair.0, &pair.1)), side.other().of((&pair.0, &pair.1)));
        if !is_key(mine) {
            continue;
        }
        let (here, there) = (side.of((left, right)), side.other().of((left, right)));
        let (Some(here), Some(there)) = (by_key(here, mine)?, by_key(there, other)?) else {
            continue;
        };
        let children = match side {
            Side::Left => vec![here, there],
            Side::Right => vec![there, here],
        };
        return join
            .builder()
            .recompute_properties()
            .with_new_children(children)?
            .build_exec()
            .map(Some);
    }
    Ok(None)
}
