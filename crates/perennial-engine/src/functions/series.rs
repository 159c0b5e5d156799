//! `generate_series` of integers in FROM, whose rows are integers as well: the planner's own counts in bigint.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_table::generate_series::{GenSeriesArgs, GenerateSeriesTable};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::memory::{LazyBatchGenerator, LazyMemoryExec};
use parking_lot::RwLock;
use perennial_base::ErrorClass;

use crate::error::Error;

/// The name that stands in a plan, which nobody calls.
pub(crate) const NAME: &str = "perennial_series";
const COLUMN: &str = "value";

/// See the module.
#[derive(Debug)]
pub(crate) struct Series;

impl TableFunctionImpl for Series {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let bounds: Vec<i64> = args.exprs().iter().filter_map(integer).collect();
        let (start, end, step) = match bounds.as_slice() {
            [start, end] => (*start, *end, 1),
            [start, end, step] => (*start, *end, *step),
            _ => {
                return Err(Error::new(
                    ErrorClass::UndefinedFunction,
                    "function generate_series does not exist for these arguments",
                )
                .into());
            }
        };
        if step == 0 {
            let message = "step size cannot equal zero";
            return Err(Error::new(ErrorClass::InvalidArgument, message).into());
        }
        let args = GenSeriesArgs::Int64Args {
            start,
            end,
            step,
            include_end: true,
            name: "generate_series",
        };
        Ok(Arc::new(Integers {
            wide: GenerateSeriesTable::new(schema(DataType::Int64), args),
            descending: step < 0,
        }))
    }
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        Expr::Literal(ScalarValue::Int32(value), _) => value.map(i64::from),
        _ => None,
    }
}

fn schema(data_type: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(COLUMN, data_type, false)]))
}

#[derive(Debug)]
struct Integers {
    wide: GenerateSeriesTable,
    descending: bool,
}

#[async_trait]
impl TableProvider for Integers {
    fn schema(&self) -> SchemaRef {
        schema(DataType::Int32)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = state.config_options().execution.batch_size.get();
        let narrow = Narrow {
            wide: self.wide.as_generator(rows)?,
        };
        let mut plan = LazyMemoryExec::try_new(self.schema(), vec![Arc::new(RwLock::new(narrow))])?
            .with_projection(projection.cloned());
        if !plan.schema().fields().is_empty() {
            let options = SortOptions {
                descending: self.descending,
                nulls_first: false,
            };
            plan.add_ordering([PhysicalSortExpr::new(Arc::new(Column::new(COLUMN, 0)), options)]);
        }
        Ok(Arc::new(plan))
    }
}

/// The batches of a series in bigint as integers.
#[derive(Debug)]
struct Narrow {
    wide: Arc<RwLock<dyn LazyBatchGenerator>>,
}

impl LazyBatchGenerator for Narrow {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn generate_next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.wide.write().generate_next_batch()? else {
            return Ok(None);
        };
        let values = cast(batch.column(0), &DataType::Int32)?;
        Ok(Some(RecordBatch::try_new(schema(DataType::Int32), vec![values])?))
    }

    fn reset_state(&self) -> Arc<RwLock<dyn LazyBatchGenerator>> {
        Arc::new(RwLock::new(Self {
            wide: self.wide.read().reset_state(),
        }))
    }
}

impl fmt::Display for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wide.read())
    }
}
