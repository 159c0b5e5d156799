//! Keeping files few and their rows in force: what many runs have added to a table becomes one file, and a table of which
//! runs have replaced much is written anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use perennial_engine::Engine;
use perennial_engine::provider::{FileTable, StoredFile};
use perennial_lake::{DataFile, Masks, Scalar, TableManifest};

use crate::error::Result;
use crate::increment::{grows, replaced};
use crate::ledger;
use crate::output::{Output, row_group_rows};
use crate::stored::{GROUP, Tables, group_field};

/// From when on a run does more than to add to what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Files beside those of the last full run that a table may have before they are merged.
    pub added_files: usize,
    /// The part of a table that may have been replaced or added before it is written anew, in hundredths of the rows that it
    /// had then.
    pub replaced: u64,
    /// The part of the stored rows that may be touched before everything is worked out, in hundredths.
    pub touched: u64,
    /// A lake of up to so many rows may be touched as a whole, and tables of up to so many are written anew without a
    /// thought; of larger ones, one in a run.
    pub small: u64,
}

impl Bounds {
    /// Those of every lake; tests on small ones take others.
    pub const DEFAULT: Self = Self {
        added_files: 8,
        replaced: 25,
        touched: 25,
        small: 100_000,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Rows of a row group of what only runs read.
const STORED_ROWS: usize = 131_072;

/// Merges the files that runs have added to tables which have too many of them, and writes tables anew of which too many
/// rows have been replaced.
pub(crate) async fn compact(
    engine: &Engine,
    state: &SessionState,
    stored: &Tables,
    tables: &mut BTreeMap<String, TableManifest>,
    masks: &Masks,
    output: &Output,
    bounds: Bounds,
) -> Result<()> {
    let anew = worn(tables, bounds);
    for (name, table) in tables.iter_mut() {
        let whole = anew.contains(name);
        let added = table.files.iter().filter(|file| file.delta).count();
        if !(whole || grows(name) && added > bounds.added_files && !table.sort.is_empty()) {
            continue;
        }
        let (merged, rest): (Vec<DataFile>, Vec<DataFile>) = std::mem::take(&mut table.files)
            .into_iter()
            .partition(|file| whole || file.delta);
        let merging = Merging {
            engine,
            state,
            stored,
            masks,
        };
        let schema = with_group(table.schema.schema());
        let Some(rows) = merging.rows(&schema, &table.sort, &merged).await? else {
            table.files = merged.into_iter().chain(rest).collect();
            continue;
        };
        let sort: Vec<&str> = table.sort.iter().map(String::as_str).collect();
        let per_group = match name.starts_with("internal.") {
            true => STORED_ROWS,
            false => row_group_rows(name),
        };
        let per_file = whole.then(|| rows_of_a_file(&merged));
        output
            .stream(name, &schema, &sort, per_group, per_file, rows)
            .await?;
        output.withdraw(&merged).await;
        table.files = rest;
        let written = output.finish().remove(name).map(|table| table.files);
        table
            .files
            .extend(written.unwrap_or_default().into_iter().map(|file| DataFile {
                delta: !whole,
                ..file
            }));
        tracing::debug!(
            table = name,
            files = merged.len(),
            whole,
            "files of earlier runs merged"
        );
    }
    Ok(())
}

/// The tables to be written anew: small ones, and of large ones that which needs it most.
fn worn(tables: &BTreeMap<String, TableManifest>, bounds: Bounds) -> Vec<String> {
    let mut small = Vec::new();
    let mut large: Option<(u64, &String)> = None;
    for (name, table) in tables
        .iter()
        .filter(|(name, _)| replaced(name) || ledger::holds(name))
    {
        let sum = |of: &dyn Fn(&DataFile) -> u64| table.files.iter().map(of).sum::<u64>();
        let base = sum(&|file| if file.delta { 0 } else { file.rows });
        let added = sum(&|file| if file.delta { file.rows } else { 0 });
        let masked = sum(&|file| file.masked);
        // Rows of a ledger are added, and never replaced.
        let changed = if ledger::holds(name) {
            masked
        } else {
            added.max(masked)
        };
        if table.sort.is_empty() || changed.saturating_mul(100) <= base.saturating_mul(bounds.replaced) {
            continue;
        }
        // In a thousandth of the table.
        let share = changed.saturating_mul(1_000) / base.max(1);
        if base + added <= bounds.small {
            small.push(name.clone());
        } else if large.is_none_or(|(most, _)| share > most) {
            large = Some((share, name));
        }
    }
    small.extend(large.map(|(_, name)| name.clone()));
    small
}

/// How many rows a file of a table has that is written anew: as many as those that it had.
fn rows_of_a_file(files: &[DataFile]) -> u64 {
    let base = files.iter().filter(|file| !file.delta);
    let rows: u64 = files.iter().map(DataFile::rows_left).sum();
    rows.div_ceil(base.count().max(1) as u64).max(1)
}

fn with_group(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    if fields.iter().all(|field| field.name() != GROUP) {
        fields.push(Arc::new(group_field()));
    }
    Arc::new(Schema::new(fields))
}

struct Merging<'a> {
    engine: &'a Engine,
    state: &'a SessionState,
    stored: &'a Tables,
    masks: &'a Masks,
}

impl Merging<'_> {
    /// The rows of files that are not masked, in the order of the table; none where a table has no order.
    async fn rows(
        &self,
        schema: &SchemaRef,
        sort: &[String],
        files: &[DataFile],
    ) -> Result<Option<SendableRecordBatchStream>> {
        let files = self.in_order(sort, files)?;
        let table = FileTable::new(self.engine.lake(), Arc::clone(schema), Vec::new(), files, sort)?;
        let plan = table.scan(self.state, None, &[], None).await?;
        let order = sort
            .iter()
            .map(|name| {
                let column = Arc::new(Column::new(name, schema.index_of(name)?));
                Ok(PhysicalSortExpr::new_default(column).nulls_last())
            })
            .collect::<Result<Vec<_>>>()?;
        let Some(order) = LexOrdering::new(order) else {
            return Ok(None);
        };
        let plan = Arc::new(SortPreservingMergeExec::new(order, plan));
        Ok(Some(execute_stream(plan, self.state.task_ctx())?))
    }

    /// Files whose ranges follow each other are read one after the other, and all others side by side.
    fn in_order(&self, sort: &[String], files: &[DataFile]) -> Result<Vec<StoredFile>> {
        let bounds = |file: &DataFile| -> Option<(String, String)> {
            let first = sort.first()?;
            let stats = file.columns.iter().find(|column| column.name == *first)?;
            match (&stats.min, &stats.max) {
                (Some(Scalar::Text(min)), Some(Scalar::Text(max))) => Some((min.clone(), max.clone())),
                _ => None,
            }
        };
        let mut files: Vec<(Option<(String, String)>, &DataFile)> = files
            .iter()
            .map(|file| (bounds(file).filter(|_| !file.delta), file))
            .collect();
        files.sort_by(|a, b| (&a.0, &a.1.path).cmp(&(&b.0, &b.1.path)));
        let mut until: Option<String> = None;
        let mut ordered = Vec::with_capacity(files.len());
        for (bounds, file) in files {
            let follows = bounds.filter(|(min, _)| until.as_ref().is_none_or(|until| until < min));
            let apart = follows.is_none();
            if let Some((_, max)) = follows {
                until = Some(max);
            }
            ordered.push(StoredFile {
                apart,
                columns: file.columns.clone(),
                ..self.stored.file(file, self.masks.of(&file.path).cloned())?
            });
        }
        Ok(ordered)
    }
}
