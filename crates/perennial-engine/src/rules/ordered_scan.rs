//! A scan whose order the plan relies on keeps it.
//!
//! When DataFusion pushes a limit through a merge of sorted streams into the scan below, it forgets that the order
//! matters (`limit_pushdown.rs`, 55.2: only a limit's own ordering counts, not that of a `SortPreservingMergeExec`). The
//! streams of the scan then take files from each other, none of them is in order any more, and the rows that come first
//! are not the first.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// See the module.
#[derive(Debug)]
pub(crate) struct OrderedScans;

impl PhysicalOptimizerRule for OrderedScans {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            let scan = plan.downcast_ref::<DataSourceExec>();
            let files = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
            let forgotten =
                files.is_some_and(|files| !files.preserve_order && !files.output_ordering.is_empty());
            let kept = forgotten.then(|| plan.with_preserve_order(true)).flatten();
            Ok(match kept {
                Some(plan) => Transformed::yes(plan),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "ordered_scans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
