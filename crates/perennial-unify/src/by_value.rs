//! The index of `identities`: whom a value names, in the order of the values. It is not served: a look-up of a value finds in
//! it the customers whose rows are to be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use perennial_engine::Engine;
use perennial_engine::provider::{FileTable, StoredFile};
use perennial_engine::release::VALUES;
use perennial_lake::TableManifest;

use crate::error::Result;
use crate::output::{Output, row_group_rows};
use crate::stored::{Tables, group_field};

const IDENTITIES: &str = "public.identities";
const SORT: [&str; 2] = ["value", "customer_id"];
/// Memory of the sort; beyond it, it goes to files.
const MEMORY: usize = 256 << 20;
/// How many stretches of the identities are sorted side by side: each takes a part of the memory for itself.
const SORTS: usize = 4;
/// Rows of a file of a run over everything.
const FILE_ROWS: u64 = 1 << 20;

/// Writes the index of the identities that a run has written beside its other tables.
pub(crate) async fn write(
    engine: &Engine,
    stored: &Tables,
    tables: &mut BTreeMap<String, TableManifest>,
    output: &Output,
    part: bool,
) -> Result<()> {
    let Some(identities) = tables.get(IDENTITIES) else {
        return Ok(());
    };
    let columns = identities.schema.schema();
    let columns = SORT.iter().map(|name| Ok(columns.field_with_name(name)?.clone()));
    let columns: Vec<Field> = columns.collect::<Result<_>>()?;
    output.declare(VALUES, &Arc::new(Schema::new(columns.clone())), &SORT)?;
    if identities.rows() > 0 {
        let columns = columns.into_iter().chain([group_field()]);
        let columns: SchemaRef = Arc::new(Schema::new(columns.collect::<Vec<_>>()));
        let files = identities.files.iter().map(|file| {
            Ok(StoredFile {
                apart: false,
                ..stored.file(file, None)?
            })
        });
        let files = files.collect::<Result<_>>()?;
        let table = FileTable::new(engine.lake(), Arc::clone(&columns), Vec::new(), files, &[])?;
        let mut state = engine.work_state(MEMORY)?;
        let execution = &mut state.config_mut().options_mut().execution;
        execution.target_partitions = execution.target_partitions.min(SORTS);
        let plan = table.scan(&state, None, &[], None).await?;
        let order = SORT
            .iter()
            .enumerate()
            .map(|(at, name)| PhysicalSortExpr::new_default(Arc::new(Column::new(name, at))).nulls_last());
        if let Some(order) = LexOrdering::new(order) {
            let plan = SortExec::new(order.clone(), plan).with_preserve_partitioning(true);
            let plan = SortPreservingMergeExec::new(order, Arc::new(plan));
            let rows = execute_stream(Arc::new(plan), state.task_ctx())?;
            let per_file = (!part).then_some(FILE_ROWS);
            output
                .stream(VALUES, &columns, &SORT, row_group_rows(VALUES), per_file, rows)
                .await?;
        }
    }
    tables.extend(output.finish());
    Ok(())
}
