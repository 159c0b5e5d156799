//! Conditions that may fail (a division, a cast, a function) are tried on rows that all other conditions leave, above the
//! scan.
//!
//! The scan of a file evaluates conditions in an order of its own, so that `orders > 0 AND revenue / orders > 50` divides
//! by zero, and what fails there is told as an error of the file. Conditions that cannot fail go into the scan as before.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::rules::look_ups::LookUps;

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The engine's rules, with what keeps conditions that may fail out of scans around the one that moves conditions there, and
/// before it what takes the place of scans: which side of a join has fewer rows is known then.
pub(crate) fn around_pushdown() -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut held = false;
    for rule in PhysicalOptimizer::default().rules {
        let moves = !held && rule.name() == "FilterPushdown";
        if moves {
            rules.push(Arc::new(LookUps) as Rule);
            rules.push(Arc::new(Hold));
        }
        rules.push(rule);
        if moves {
            rules.push(Arc::new(Release));
            held = true;
        }
    }
    rules
}

/// Whether no value makes an expression fail.
fn cannot_fail(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let itself = match expr.downcast_ref::<BinaryExpr>() {
        Some(binary) => matches!(
            binary.op(),
            Operator::And
                | Operator::Or
                | Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
        ),
        None => {
            expr.is::<Column>()
                || expr.is::<Literal>()
                || expr.is::<InListExpr>()
                || expr.is::<IsNullExpr>()
                || expr.is::<IsNotNullExpr>()
                || expr.is::<LikeExpr>()
                || expr.is::<NotExpr>()
        }
    };
    itself && expr.children().into_iter().all(cannot_fail)
}

/// Splits filters of which some conditions may fail, and holds those.
#[derive(Debug)]
struct Hold;

impl PhysicalOptimizerRule for Hold {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(filter) = node.downcast_ref::<FilterExec>() else {
                return Ok(Transformed::no(node));
            };
            let conditions = split_conjunction(filter.predicate()).into_iter().cloned();
            let (safe, failing): (Vec<_>, Vec<_>) = conditions.partition(cannot_fail);
            if failing.is_empty() {
                return Ok(Transformed::no(node));
            }
            let mut input = Arc::clone(filter.input());
            if !safe.is_empty() {
                input = Arc::new(FilterExec::try_new(conjunction(safe), input)?);
            }
            let held = FilterExecBuilder::from(filter)
                .with_predicate(conjunction(failing))
                .with_input(Arc::new(Held(input)))
                .build()?;
            Ok(Transformed::yes(Arc::new(held)))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "hold_conditions_that_may_fail"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Ends the hold.
#[derive(Debug)]
struct Release;

impl PhysicalOptimizerRule for Release {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match node.downcast_ref::<Held>() {
                Some(Held(input)) => Transformed::yes(Arc::clone(input)),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "release_conditions_that_may_fail"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Its input, with which no condition from above is moved together.
#[derive(Debug)]
struct Held(Arc<dyn ExecutionPlan>);

impl DisplayAs for Held {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held")
    }
}

impl ExecutionPlan for Held {
    fn name(&self) -> &'static str {
        "Held"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
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
            Some(input) => Arc::new(Self(input)),
            None => self,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}
