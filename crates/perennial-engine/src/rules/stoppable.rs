//! Joins whose conditions end them: a statement that is over gives its threads back within one batch.
//!
//! A task is aborted where it yields. A nested loop that finds no match pairs the whole of one side with a batch of the
//! other before it does (`nested_loop_join.rs`, `process_probe_batch`), which takes minutes when both are large. Its
//! condition is evaluated once for each stretch of pairs, so there it is asked whether anybody still waits.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use tokio_util::sync::CancellationToken;

/// The plan with joins that end with an error soon after `over` is cancelled.
pub(crate) fn stoppable(
    plan: Arc<dyn ExecutionPlan>,
    over: &CancellationToken,
) -> Result<Arc<dyn ExecutionPlan>> {
    let done = plan.transform_up(|node| {
        let Some((join, filter)) = node
            .downcast_ref::<NestedLoopJoinExec>()
            .and_then(|join| Some((join, join.filter()?)))
        else {
            return Ok(Transformed::no(node));
        };
        let condition = Arc::new(UntilOver {
            inner: Arc::clone(filter.expression()),
            over: over.clone(),
        });
        let filter = JoinFilter::new(
            condition,
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        );
        let join = NestedLoopJoinExecBuilder::from(join)
            .with_filter(Some(filter))
            .build()?;
        Ok(Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(done.data)
}

/// A condition that fails once the statement is over.
#[derive(Debug, Clone)]
struct UntilOver {
    inner: Arc<dyn PhysicalExpr>,
    over: CancellationToken,
}

impl PartialEq for UntilOver {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for UntilOver {}

impl Hash for UntilOver {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for UntilOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for UntilOver {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.over.is_cancelled() {
            return Err(DataFusionError::Execution("the statement is over".to_owned()));
        }
        self.inner.evaluate(batch)
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [inner] = children.as_slice() else {
            return internal_err!("a condition has one child");
        };
        Ok(Arc::new(Self {
            inner: Arc::clone(inner),
            over: self.over.clone(),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
