//! A join of few rows with a table that is sorted by what they are joined on: their keys are looked up there.
//!
//! The join itself is the engine's: it gets the few rows as they were gathered, and of the table the rows of their keys
//! alone. Both reach it by the context in which it runs, so that a plan can be kept and run again.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use crate::keyed::{ROWS_OF_A_KEY, in_order, texts};

/// The side of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    pub(crate) fn of<T>(self, (left, right): (T, T)) -> T {
        match self {
            Self::Left => left,
            Self::Right => right,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct LookUpJoin {
    few: Arc<dyn ExecutionPlan>,
    /// On which side of the join the few rows are.
    side: Side,
    /// What of them is looked up.
    key: Arc<dyn PhysicalExpr>,
    /// Over the gathered rows and the look-up.
    join: HashJoinExec,
    properties: Arc<PlanProperties>,
}

impl LookUpJoin {
    /// The join with its rows on one side few, `found` the look-up by `key` in the place of its other side.
    pub(crate) fn try_new(
        join: &HashJoinExec,
        side: Side,
        key: &Arc<dyn PhysicalExpr>,
        found: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let few = Arc::clone(side.of((join.left(), join.right())));
        let gathered = Arc::new(GatheredRows::new(&few));
        // What was planned for both of its sides is not what it has now.
        let join = join
            .builder()
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()?;
        Self::over(&join, few, gathered, side, key, found)
    }

    fn over(
        join: &HashJoinExec,
        few: Arc<dyn ExecutionPlan>,
        gathered: Arc<dyn ExecutionPlan>,
        side: Side,
        key: &Arc<dyn PhysicalExpr>,
        found: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let children = match side {
            Side::Left => vec![gathered, found],
            Side::Right => vec![found, gathered],
        };
        let join = join.builder().with_new_children(children)?.build()?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(join.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            few,
            side,
            key: Arc::clone(key),
            join,
            properties: Arc::new(properties),
        })
    }

    fn found(&self) -> &Arc<dyn ExecutionPlan> {
        self.side.other().of((self.join.left(), self.join.right()))
    }
}

/// Whether rows of a side of a join that match nothing on the other one are not in what it gives.
pub(crate) fn leaves_out_unmatched(join: JoinType, side: Side) -> bool {
    use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
    match join {
        Inner | LeftSemi | RightSemi => true,
        Left | LeftAnti | LeftMark => side == Side::Right,
        Right | RightAnti | RightMark => side == Side::Left,
        Full => false,
    }
}

impl DisplayAs for LookUpJoin {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.join.on().iter();
        let on: Vec<_> = on.map(|(left, right)| format!("({left}, {right})")).collect();
        write!(
            f,
            "LookUpJoinExec: join_type={:?}, on=[{}], look up {}",
            self.join.join_type(),
            on.join(", "),
            self.key
        )?;
        match self.join.filter() {
            Some(filter) => write!(f, ", filter={}", filter.expression()),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for LookUpJoin {
    fn name(&self) -> &'static str {
        "LookUpJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// The few rows, and the look-up.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.few, self.found()]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; 2])
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(found), Some(few)) = (children.pop(), children.pop()) else {
            return internal_err!("a join has two sides");
        };
        // Of rows with the same properties as before the gathered ones are the same.
        let gathered: Arc<dyn ExecutionPlan> = match options.children_properties {
            ChildrenPropertiesMode::Keep => Arc::clone(self.side.of((self.join.left(), self.join.right()))),
            ChildrenPropertiesMode::Recompute => Arc::new(GatheredRows::new(&few)),
        };
        let join = Self::over(&self.join, few, gathered, self.side, &self.key, found)?;
        Ok(Arc::new(join))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut rows = self.few.execute(partition, Arc::clone(&context))?;
        let reserved = MemoryConsumer::new(self.name()).register(context.memory_pool());
        let join = self.join.builder().reset_state().build()?;
        let key = Arc::clone(&self.key);
        let joined = async move {
            let (mut batches, mut keys) = (Vec::new(), Vec::new());
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                if batch.num_rows() == 0 {
                    continue;
                }
                reserved.try_grow(batch.get_array_memory_size())?;
                texts(&key.evaluate(&batch)?.into_array(batch.num_rows())?, &mut keys)?;
                batches.push(batch);
            }
            let gathered = Gathered {
                batches,
                keys: Arc::new(in_order(keys)),
            };
            let joined = join.execute(partition, gathered.within(&context))?;
            // What was gathered is held as long as there are rows to come.
            Ok::<_, DataFusionError>(joined.inspect(move |_| {
                let _ = &reserved;
            }))
        };
        let joined = stream::once(joined).try_flatten().boxed();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.join.schema(),
            joined,
        )))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.join.schema());
        statistics.num_rows = Precision::Inexact(ROWS_OF_A_KEY);
        Ok(Arc::new(statistics))
    }
}

/// The few rows of a join that runs, and their keys in order.
#[derive(Debug)]
pub(super) struct Gathered {
    batches: Vec<RecordBatch>,
    keys: Arc<Vec<String>>,
}

impl Gathered {
    /// What the innermost join around has gathered.
    pub(super) fn of(context: &TaskContext) -> Result<Arc<Self>> {
        match context.session_config().get_extension::<Self>() {
            Some(gathered) => Ok(gathered),
            None => internal_err!("a look-up for a join outside of it"),
        }
    }

    pub(super) fn keys(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.keys)
    }

    /// The context in which a join has gathered this.
    fn within(self, context: &TaskContext) -> Arc<TaskContext> {
        Arc::new(TaskContext::new(
            context.task_id(),
            context.session_id(),
            context.session_config().clone().with_extension(Arc::new(self)),
            context.scalar_functions().clone(),
            context.higher_order_functions().clone(),
            context.aggregate_functions().clone(),
            context.window_functions().clone(),
            context.runtime_env(),
        ))
    }
}

/// The few rows of a join, where it reads them.
#[derive(Debug)]
struct GatheredRows(Arc<PlanProperties>);

impl GatheredRows {
    fn new(few: &Arc<dyn ExecutionPlan>) -> Self {
        Self(Arc::new(PlanProperties::new(
            EquivalenceProperties::new(few.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )))
    }
}

impl DisplayAs for GatheredRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatheredRows")
    }
}

impl ExecutionPlan for GatheredRows {
    fn name(&self) -> &'static str {
        "GatheredRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.0
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = Gathered::of(&context)?.batches.clone();
        let rows = stream::iter(rows.into_iter().map(Ok));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
