//! Keeping files few: what many runs have added to a table becomes one file.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use perennial_engine::Engine;
use perennial_engine::provider::FileTable;
use perennial_lake::{DataFile, Masks, TableManifest};

use crate::error::Result;
use crate::increment::grows;
use crate::output::{Output, row_group_rows};
use crate::stored::{GROUP, Tables, group_field};

/// Files beside those of the last full run that a table may have.
const MOST_FILES: usize = 8;
/// Rows of a row group of what only runs read.
const STORED_ROWS: usize = 131_072;

/// Merges the files that runs have added to tables which have too many of them.
pub(crate) async fn compact(
    engine: &Engine,
    state: &SessionState,
    stored: &Tables,
    tables: &mut BTreeMap<String, TableManifest>,
    masks: &Masks,
    output: &Output,
) -> Result<()> {
    let many = |table: &TableManifest| table.files.iter().filter(|file| file.delta).count() > MOST_FILES;
    let names: Vec<String> = tables
        .iter()
        .filter(|(name, table)| grows(name) && many(table) && !table.sort.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let Some(table) = tables.get_mut(&name) else {
            continue;
        };
        let (added, base): (Vec<DataFile>, Vec<DataFile>) = std::mem::take(&mut table.files)
            .into_iter()
            .partition(|file| file.delta);
        let mut fields: Vec<Arc<Field>> = table.schema.schema().fields().iter().cloned().collect();
        if fields.iter().all(|field| field.name() != GROUP) {
            fields.push(Arc::new(group_field()));
        }
        let schema = Arc::new(Schema::new(fields));
        let files = added
            .iter()
            .map(|file| stored.file(file, masks.of(&file.path).cloned()))
            .collect::<Result<_>>()?;
        let merged = FileTable::new(engine.lake(), Arc::clone(&schema), Vec::new(), files, &table.sort)?;
        let plan = merged.scan(state, None, &[], None).await?;
        let order = table
            .sort
            .iter()
            .map(|name| {
                let column = Arc::new(Column::new(name, schema.index_of(name)?));
                Ok(PhysicalSortExpr::new_default(column).nulls_last())
            })
            .collect::<Result<Vec<_>>>()?;
        let Some(order) = LexOrdering::new(order) else {
            continue;
        };
        let plan = Arc::new(SortPreservingMergeExec::new(order, plan));
        let stream = execute_stream(plan, state.task_ctx())?;
        let sort: Vec<&str> = table.sort.iter().map(String::as_str).collect();
        let rows = if name.starts_with("internal.") {
            STORED_ROWS
        } else {
            row_group_rows(&name)
        };
        output.stream(&name, &schema, &sort, rows, stream).await?;
        output.withdraw(&added).await;
        let mut written = output.finish();
        table.files = base;
        table
            .files
            .extend(written.remove(&name).map(|table| table.files).unwrap_or_default());
        tracing::debug!(table = name, files = added.len(), "files of earlier runs merged");
    }
    Ok(())
}
