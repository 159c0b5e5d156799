//! A scan of which the rows of keys may be looked up instead, until it is known whether they are ([`crate::rules::look_ups`]).

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::keyed::{KeyScan, KeyedFiles, Keys};

/// See the module. It is its scan.
#[derive(Debug)]
pub(crate) struct Sought {
    scan: Arc<dyn ExecutionPlan>,
    table: Arc<KeyedFiles>,
    projection: Option<Vec<usize>>,
}

impl Sought {
    pub(crate) fn new(
        scan: Arc<dyn ExecutionPlan>,
        table: &Arc<KeyedFiles>,
        projection: Option<&Vec<usize>>,
    ) -> Self {
        Self {
            scan,
            table: Arc::clone(table),
            projection: projection.cloned(),
        }
    }

    pub(crate) fn scan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.scan
    }

    /// The look-up of what a join gathers, when `column` of the scan is what the files are sorted by.
    pub(crate) fn gathered(&self, column: usize) -> Result<Option<KeyScan>> {
        let place = match &self.projection {
            Some(columns) => columns.get(column).copied(),
            None => Some(column),
        };
        if place != Some(self.table.column()) {
            return Ok(None);
        }
        let scan = KeyScan::try_new(Arc::clone(&self.table), Keys::Gathered, self.projection.as_ref())?;
        Ok(Some(scan))
    }
}

impl DisplayAs for Sought {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sought")
    }
}

impl ExecutionPlan for Sought {
    fn name(&self) -> &'static str {
        "Sought"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(scan) => Arc::new(Self::new(scan, &self.table, self.projection.as_ref())),
            None => self,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.scan.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match inputs {
            [scan] => Ok(Arc::clone(scan)),
            _ => internal_err!("a scan without statistics"),
        }
    }
}
