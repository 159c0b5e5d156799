//! A scan of many files whose order nobody needs has as many streams as there are threads.
//!
//! A table in an order is read in streams of files that follow each other in it. Files that do not, which are those of
//! nobody and those of runs over new files, are streams of their own: a large table has a hundred. Each stream has its
//! buffers, and sorts that spill share the memory of their statement among as many.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::tree_node::PlanContext;
use datafusion::physical_plan::udaf::AggregateFunctionExpr;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, InputOrderMode};

use crate::provider::shared;

/// See the module.
#[derive(Debug)]
pub(crate) struct ManyFiles;

impl PhysicalOptimizerRule for ManyFiles {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let streams = config.execution.target_partitions;
        // Of an answer in several streams no order is promised.
        let ordered = plan.output_partitioning().partition_count() == 1;
        let mut plan = PlanContext::<bool>::new_default(plan);
        plan.data = ordered;
        let plan = plan.transform_down(|mut node| {
            let needed = needs_order(&node.plan, node.data);
            for child in &mut node.children {
                child.data = needed;
            }
            let fewer = if node.data {
                None
            } else {
                in_streams(&node.plan, streams)
            };
            Ok(match fewer {
                Some(plan) => {
                    node.plan = plan;
                    Transformed::yes(node)
                }
                None => Transformed::no(node),
            })
        })?;
        Ok(plan.data.plan)
    }

    fn name(&self) -> &'static str {
        "many_files"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether a node may rely on the order of its inputs, or hands it on to one that may. Operators use an order without a
/// word where they find one: of all but those that are known not to, it is taken for granted.
fn needs_order(plan: &Arc<dyn ExecutionPlan>, above: bool) -> bool {
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        // The first rows of what is sorted in part are found early.
        return sort.fetch().is_some();
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let ordered = |aggregate: &Arc<AggregateFunctionExpr>| !aggregate.order_bys().is_empty();
        return *aggregate.input_order_mode() != InputOrderMode::Linear
            || aggregate.aggr_expr().iter().any(ordered);
    }
    if let Some(repartition) = plan.downcast_ref::<RepartitionExec>() {
        return repartition.preserve_order();
    }
    if plan.is::<CoalescePartitionsExec>() {
        return false;
    }
    if plan.is::<FilterExec>() || plan.is::<ProjectionExec>() || plan.is::<CooperativeExec>() {
        return above;
    }
    true
}

/// A scan of more streams in so many of them, without an order.
fn in_streams(plan: &Arc<dyn ExecutionPlan>, streams: usize) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let files = scan.data_source().downcast_ref::<FileScanConfig>()?;
    if files.file_groups.len() <= streams {
        return None;
    }
    let groups = files.file_groups.iter();
    let all = groups.flat_map(|group| group.iter().cloned()).collect();
    let config = FileScanConfigBuilder::from(files.clone())
        .with_file_groups(shared(all, streams))
        .with_output_ordering(Vec::new())
        .with_preserve_order(false)
        .build();
    Some(DataSourceExec::from_data_source(config))
}
