//! What of a statement's plan is kept from one execution to the next.
//!
//! A plan holds for a release, a search path and forms of values ([`Basis`]); a release never changes. From the second execution
//! on, what does not depend on the values of parameters is kept: the optimised logical plan, and where the whole plan runs as
//! it is with any values, that as well. Plans with functions that are not the same for ever, such as `now()`, are made for
//! each execution.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arrow::datatypes::SchemaRef;
use chrono::DateTime;
use datafusion::common::metadata::{FieldMetadata, ScalarAndMetadata};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, Result as PlanResult, ScalarValue};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, TableScan, Volatility, WindowFunctionDefinition};
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use parking_lot::Mutex;
use perennial_base::relation::{PERENNIAL, PUBLIC, relation};

use crate::error::Result;
use crate::keyed::KeyScan;
use crate::keyed::join::LookUpJoin;
use crate::release::Release;
use crate::session::parameters::open::{Values, opened};
use crate::session::settings::OutputStyle;

/// What planning depends on besides the statement.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) release: Weak<Release>,
    pub(super) path: Vec<String>,
    pub(super) style: OutputStyle,
    /// Which relations the session has of its own.
    pub(super) temporary: u64,
}

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        self.release.ptr_eq(&other.release)
            && self.path == other.path
            && self.style == other.style
            && self.temporary == other.temporary
    }
}

/// A plan, and what it holds for.
#[derive(Debug)]
pub(crate) struct Planned {
    plan: LogicalPlan,
    /// The columns as the client sees them.
    pub(super) output: SchemaRef,
    pub(super) basis: Basis,
    /// Whether it was executed before.
    used: AtomicBool,
    /// The optimised plan, its parameters open; none for plans that are made each time.
    optimised: OnceLock<Option<LogicalPlan>>,
    /// The whole plan, its parameters open; none where it depends on their values.
    standing: OnceLock<Option<Mutex<Arc<Standing>>>>,
}

/// A plan that runs as it is with any values, for one execution at a time.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    values: Arc<Values>,
}

impl Planned {
    pub(super) fn new(plan: LogicalPlan, output: SchemaRef, basis: Basis) -> Self {
        Self {
            plan,
            output,
            basis,
            used: AtomicBool::new(false),
            optimised: OnceLock::new(),
            standing: OnceLock::new(),
        }
    }

    /// Whether its rows come from a table of the lake, and not from the catalog and the platform alone.
    pub(super) fn reads_the_lake(&self) -> bool {
        let of_the_lake = |scan: &TableScan| {
            let named = match scan.table_name.schema() {
                Some(schema) => ![PERENNIAL, "pg_catalog", "information_schema"].contains(&schema),
                None => relation(PUBLIC, scan.table_name.table()).is_some(),
            };
            let table = source_as_provider(&scan.source);
            // A query that reads itself may have the name of a relation.
            named && !table.is_ok_and(|table| table.is::<CteWorkTable>())
        };
        let mut reads = false;
        // The walk ends early by its own account alone.
        let _ = self.plan.apply_with_subqueries(|node| {
            reads |= matches!(node, LogicalPlan::TableScan(scan) if of_the_lake(scan));
            Ok(match node {
                _ if reads => TreeNodeRecursion::Stop,
                LogicalPlan::Explain(_) => TreeNodeRecursion::Jump,
                _ => TreeNodeRecursion::Continue,
            })
        });
        reads
    }

    /// The standing plan with these values, if there is one and no other execution has it.
    pub(super) fn standing(&self, values: &[ScalarValue]) -> Option<Arc<Standing>> {
        let mut slot = self.standing.get()?.as_ref()?.lock();
        let idle = Arc::get_mut(&mut slot)?;
        idle.plan = reset_plan_states(Arc::clone(&idle.plan)).ok()?;
        idle.values.set(values.to_vec());
        Some(Arc::clone(&slot))
    }

    /// The plan to execute with these values, for a statement that started at a moment.
    pub(super) async fn physical(
        &self,
        state: &SessionState,
        started: i64,
        values: Vec<ScalarValue>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.used.swap(true, Ordering::Relaxed)
            && let Some(kept) = self.optimised(state)?
        {
            if self.standing.get().is_none() {
                let standing = standing(state, kept).await?;
                // Another execution may have been faster.
                let _ = self.standing.set(standing.map(|plan| Mutex::new(Arc::new(plan))));
            }
            if values.is_empty() {
                return Ok(physical(state, kept).await?);
            }
            let values = typed(kept, values)?;
            let plan = simplified(state, bound(kept, values)?)?;
            return Ok(physical(state, &plan).await?);
        }
        let mut state = state.clone();
        state.execution_props_mut().query_execution_start_time = DateTime::from_timestamp_micros(started);
        let plan = state.optimize(&bound(&self.plan, values)?)?;
        Ok(physical(&state, &plan).await?)
    }

    fn optimised(&self, state: &SessionState) -> Result<Option<&LogicalPlan>> {
        if let Some(known) = self.optimised.get() {
            return Ok(known.as_ref());
        }
        let plan = if lasting(&self.plan)? {
            let plan = state.optimize(&self.plan)?;
            // A parameter that counts as two types would have to be two values.
            plan.get_parameter_types().is_ok().then_some(plan)
        } else {
            None
        };
        Ok(self.optimised.get_or_init(|| plan).as_ref())
    }
}

/// The plan with values in the place of its parameters.
fn bound(plan: &LogicalPlan, values: Vec<ScalarValue>) -> PlanResult<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan.clone());
    }
    let fields = plan.get_parameter_fields()?;
    let values = values.into_iter().enumerate().map(|(index, value)| {
        let field = fields.get(&format!("${}", index + 1)).cloned().flatten();
        ScalarAndMetadata::new(value, field.map(|field| FieldMetadata::from(field.as_ref())))
    });
    plan.clone()
        .replace_params_with_values(&ParamValues::List(values.collect()))
}

/// Values as what a plan takes its parameters for: after the analysis nothing else makes types meet.
fn typed(plan: &LogicalPlan, values: Vec<ScalarValue>) -> PlanResult<Vec<ScalarValue>> {
    let types = plan.get_parameter_types()?;
    let typed = |(index, value): (usize, ScalarValue)| match types.get(&format!("${}", index + 1)) {
        Some(Some(known)) if *known != value.data_type() => value.cast_to(known),
        _ => Ok(value),
    };
    values.into_iter().enumerate().map(typed).collect()
}

async fn physical(state: &SessionState, plan: &LogicalPlan) -> PlanResult<Arc<dyn ExecutionPlan>> {
    state.query_planner().create_physical_plan(plan, state).await
}

/// An optimised plan after values have taken the place of its parameters.
fn simplified(state: &SessionState, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let context = OptimizerContext::new_with_config_options(Arc::clone(state.config().options()));
    let rules = Optimizer::with_rules(vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(PropagateEmptyRelation::new()),
    ]);
    rules.optimize(plan, &context.with_max_passes(1), |_, _| {})
}

/// Whether a plan is the same at any time: none of its functions looks at a clock, a session or a die, and none of its limits
/// is a parameter, by which plans are chosen.
fn lasting(plan: &LogicalPlan) -> PlanResult<bool> {
    let mut lasting = true;
    plan.apply_with_subqueries(|node| {
        lasting &= match node {
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::RecursiveQuery(_) => false,
            LogicalPlan::Limit(Limit { skip, fetch, .. }) => {
                let fixed = |limit: &Option<Box<Expr>>| {
                    limit
                        .as_ref()
                        .is_none_or(|limit| matches!(**limit, Expr::Literal(..)))
                };
                fixed(skip) && fixed(fetch)
            }
            _ => true,
        };
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let volatility = match expr {
                    Expr::ScalarFunction(ScalarFunction { func, .. }) => func.signature().volatility,
                    Expr::AggregateFunction(AggregateFunction { func, .. }) => func.signature().volatility,
                    Expr::WindowFunction(call) => {
                        let WindowFunction { fun, .. } = call.as_ref();
                        match fun {
                            WindowFunctionDefinition::AggregateUDF(function) => {
                                function.signature().volatility
                            }
                            WindowFunctionDefinition::WindowUDF(function) => function.signature().volatility,
                        }
                    }
                    _ => Volatility::Immutable,
                };
                lasting &= volatility == Volatility::Immutable;
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if lasting {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(lasting)
}

/// The physical plan with open parameters: of nodes that keep nothing from one execution to the next, and over rows that are
/// found by the values when it runs. With other scans the values decide what is read, which is worth a plan.
async fn standing(state: &SessionState, plan: &LogicalPlan) -> PlanResult<Option<Standing>> {
    let values = Arc::<Values>::default();
    let Some(plan) = opened(plan.clone(), &values)? else {
        return Ok(None);
    };
    let Ok(plan) = physical(state, &plan).await else {
        return Ok(None);
    };
    let stands = plan.exists(|node| Ok(!stateless(node)))?;
    Ok((!stands).then_some(Standing { plan, values }))
}

fn stateless(node: &Arc<dyn ExecutionPlan>) -> bool {
    // The threshold of the first rows of an order is state.
    let sort = node.downcast_ref::<SortExec>();
    sort.is_some_and(|sort| sort.fetch().is_none())
        || node.is::<KeyScan>()
        || node.is::<LookUpJoin>()
        || node.is::<PlaceholderRowExec>()
        || node.is::<FilterExec>()
        || node.is::<ProjectionExec>()
        || node.is::<CooperativeExec>()
        || node.is::<CoalescePartitionsExec>()
        || node.is::<SortPreservingMergeExec>()
        || node.is::<GlobalLimitExec>()
        || node.is::<LocalLimitExec>()
}
