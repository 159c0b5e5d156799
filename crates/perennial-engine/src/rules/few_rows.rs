//! The rows of a few keys are not shared among threads: there are few of them, and handing them over takes longer than what is
//! done with them.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};

use crate::keyed::KeyScan;
use crate::keyed::join::LookUpJoin;

/// See the module.
#[derive(Debug)]
pub(crate) struct FewRows;

impl PhysicalOptimizerRule for FewRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let shared = node
                .downcast_ref::<RepartitionExec>()
                .filter(|share| matches!(share.partitioning(), Partitioning::RoundRobinBatch(_)))
                .map(RepartitionExec::input)
                .filter(|input| input.is::<KeyScan>() || input.is::<LookUpJoin>())
                .map(Arc::clone);
            Ok(match shared {
                Some(scan) => Transformed::yes(scan),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "few_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
