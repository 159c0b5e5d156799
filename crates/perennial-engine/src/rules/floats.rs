//! UNION of floats and numerics: Postgres makes floats of both, the planner numerics. Of dates and timestamps it makes
//! timestamps in microseconds.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::coerce_plan_expr_for_schema;
use datafusion::logical_expr::{LogicalPlan, Union};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::moments::met;

/// Runs before the planner looks for the types in which the sides meet.
#[derive(Debug)]
pub(crate) struct Floats;

impl AnalyzerRule for Floats {
    fn name(&self) -> &'static str {
        "postgres_floats"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut meet = false;
        plan.apply_with_subqueries(|plan| {
            meet = meet || matches!(plan, LogicalPlan::Union(union) if floats(union).is_some());
            Ok(if meet {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })?;
        if !meet {
            return Ok(plan);
        }
        let plan = plan.transform_up_with_subqueries(|plan| {
            let plan = match plan {
                // Its types are those of its first side.
                LogicalPlan::Union(union) => {
                    let floats = floats(&union).unwrap_or_default();
                    let inputs = union.inputs.iter().map(|input| with_floats(input, &floats));
                    LogicalPlan::Union(Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)?)
                }
                plan => plan.recompute_schema()?,
            };
            Ok(Transformed::yes(plan))
        })?;
        Ok(plan.data)
    }
}

/// For each column in which floats meet numerics, or dates timestamps, what both become; nothing where there is no such
/// column.
fn floats(union: &Union) -> Option<Vec<Option<DataType>>> {
    let columns = union.schema.fields().len();
    let even = |input: &Arc<LogicalPlan>| input.schema().fields().len() == columns;
    if !union.inputs.iter().all(even) {
        return None;
    }
    let float = |column: usize| {
        let types = || {
            let inputs = union.inputs.iter();
            inputs.map(move |input| input.schema().field(column).data_type())
        };
        let numbers = types().all(|found| found.is_numeric() || found.is_null());
        let meets = numbers && types().any(DataType::is_decimal);
        let floats = types().filter(|found| found.is_floating());
        floats
            .max_by_key(|found| found.primitive_width())
            .filter(|_| meets)
            .cloned()
            .or_else(|| met(types()))
    };
    let floats: Vec<Option<DataType>> = (0..columns).map(float).collect();
    floats.iter().any(Option::is_some).then_some(floats)
}

/// The same rows with floats in the place of numerics, and timestamps in that of dates.
fn with_floats(input: &Arc<LogicalPlan>, floats: &[Option<DataType>]) -> Result<Arc<LogicalPlan>> {
    if floats.is_empty() {
        return Ok(Arc::clone(input));
    }
    let schema = input.schema();
    let fields = schema.iter().zip(floats).map(|((qualifier, field), float)| {
        let field = match float {
            Some(float) if field.data_type().is_decimal() || *field.data_type() == DataType::Date32 => {
                Arc::new(field.as_ref().clone().with_data_type(float.clone()))
            }
            _ => Arc::clone(field),
        };
        (qualifier.cloned(), field)
    });
    let target = DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?;
    coerce_plan_expr_for_schema(input.as_ref().clone(), &target).map(Arc::new)
}
