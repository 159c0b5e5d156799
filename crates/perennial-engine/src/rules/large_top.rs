//! The first rows of an order are kept in memory while the others pass by. Where they are too many for it, as behind a large
//! OFFSET, all rows are sorted instead, beside the disk.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;

/// Bytes that a value without a fixed width takes, about.
const TEXT: usize = 64;
/// How often a row is there, about: among those that came with it, and as what it is compared by.
const COPIES: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct LargeTop {
    /// Bytes for the first rows of all streams of a statement.
    pub(crate) room: usize,
}

impl PhysicalOptimizerRule for LargeTop {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let sort = node.downcast_ref::<SortExec>();
            let large = sort.and_then(|sort| Some((sort, sort.fetch()?)));
            let Some((sort, first)) = large.filter(|(sort, first)| self.is_large(sort, *first)) else {
                return Ok(Transformed::no(node));
            };
            let whole: Arc<dyn ExecutionPlan> = Arc::new(sort.with_fetch(None));
            Ok(Transformed::yes(if sort.preserve_partitioning() {
                Arc::new(LocalLimitExec::new(whole, first))
            } else {
                Arc::new(GlobalLimitExec::new(whole, 0, Some(first)))
            }))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "large_top"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl LargeTop {
    fn is_large(&self, sort: &SortExec, first: usize) -> bool {
        let streams = sort.properties().output_partitioning().partition_count();
        let bytes = width(&sort.schema())
            .saturating_mul(COPIES * streams)
            .saturating_mul(first);
        bytes > self.room
    }
}

/// Bytes of a row, about.
fn width(schema: &Schema) -> usize {
    let fields = schema.fields().iter();
    fields
        .map(|field| field.data_type().primitive_width().unwrap_or(TEXT))
        .sum()
}
