//! A recursive query that asks for values of the outside: its rows carry them from the first term through each step.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, TableScan, TableSource,
};

use super::push::{Push, Pushed};

/// The rows of the step before, with the outer values behind the query's own columns.
#[derive(Clone)]
pub(super) struct WorkTable {
    name: String,
    source: Arc<dyn TableSource>,
    /// How many columns are the query's own.
    width: usize,
}

impl WorkTable {
    /// Whether a plan reads it.
    pub(super) fn is_in(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut found = false;
        plan.apply(|node| {
            found |= matches!(node, LogicalPlan::TableScan(scan) if self.is_read_by(scan));
            Ok(match found {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })?;
        Ok(found)
    }

    fn is_read_by(&self, scan: &TableScan) -> bool {
        let table = source_as_provider(&scan.source);
        table.is_ok_and(|table| {
            let table = table.downcast_ref::<CteWorkTable>();
            table.is_some_and(|table| table.name() == self.name)
        })
    }

    /// A scan of it in the place of one that has the query's own columns.
    pub(super) fn scan(&self, scan: &TableScan) -> Pushed {
        if !self.is_read_by(scan) || scan.projection.is_some() {
            return Ok(None);
        }
        let plan =
            LogicalPlanBuilder::scan(scan.table_name.clone(), Arc::clone(&self.source), None)?.build()?;
        let carried = plan.schema().columns().into_iter().skip(self.width).collect();
        Ok(Some((plan, carried)))
    }
}

impl Push<'_> {
    /// Takes the outer values into both terms.
    pub(super) fn recursive(&mut self, query: &RecursiveQuery) -> Pushed {
        // The terms are whole queries: no aggregate is above them but those of the query around.
        if self.work.is_some() {
            return Ok(None);
        }
        let mut first = Push::new(self.keys, (self.domain.clone(), self.bound.clone()), true);
        let Some((first, carried)) = first.down(&query.static_term)? else {
            return Ok(None);
        };
        let names: Vec<String> = (0..carried.len())
            .map(|place| format!("{CARRIED}{place}"))
            .collect();
        let first = with_carried(first, &query.static_term, &carried, &names)?;
        let width = query.schema.fields().len();
        let mut fields: Vec<Arc<Field>> = query.schema.fields().iter().cloned().collect();
        fields.extend(first.schema().fields().iter().skip(width).cloned());
        let nullable = fields
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Schema::new_with_metadata(nullable.collect::<Vec<_>>(), HashMap::new());
        let table = CteWorkTable::new(&query.name, Arc::new(schema));
        let mut step = Push::new(self.keys, (self.domain.clone(), self.bound.clone()), true);
        step.work = Some(WorkTable {
            name: query.name.clone(),
            source: provider_as_source(Arc::new(table)),
            width,
        });
        let Some((step, carried)) = step.down(&query.recursive_term)? else {
            return Ok(None);
        };
        let step = with_carried(step, &query.recursive_term, &carried, &names)?;
        let plan = LogicalPlanBuilder::from(first)
            .to_recursive_query(query.name.clone(), step, query.is_distinct)?
            .build()?;
        let carried = plan.schema().columns().into_iter().skip(width).collect();
        Ok(Some((plan, carried)))
    }
}

/// The names of carried columns, which no user can type.
const CARRIED: &str = "\u{1}outer";

/// The columns of a term as it was, and behind them the outer values.
fn with_carried(
    plan: LogicalPlan,
    was: &LogicalPlan,
    carried: &[Column],
    names: &[String],
) -> Result<LogicalPlan> {
    let own = was.schema().columns().into_iter().map(Expr::Column);
    let values = carried.iter().zip(names);
    let values = values.map(|(column, name)| Expr::Column(column.clone()).alias(name));
    LogicalPlanBuilder::from(plan).project(own.chain(values))?.build()
}
