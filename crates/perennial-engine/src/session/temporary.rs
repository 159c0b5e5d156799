//! The tables and views that a session has of its own: rows in memory, within a bound, gone with the session.
//!
//! What a session has at a moment is one value, [`Temporary`], which never changes. A statement that changes something makes
//! another one of it, and ROLLBACK goes back to the one that was. Rows are shared between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::sql::sqlparser::ast::{ObjectName, OnCommit, Query};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::session::settings::OutputStyle;
use crate::sql::assignment::Column;
use crate::sql::names::folded;

pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod shown;

/// The name by which every session calls the schema of what it has of its own.
pub(crate) const ALIAS: &str = "pg_temp";

/// Rows up to which batches that come one by one are put together.
const BATCH_ROWS: usize = 8_192;

/// What tells one value from any other.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Temporary {
    relations: Arc<BTreeMap<String, Own>>,
    version: u64,
}

/// A relation of a session.
#[derive(Debug, Clone)]
pub(crate) enum Own {
    Table(Arc<Table>),
    View(Arc<View>),
}

/// A table: its columns, and its rows.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    /// The columns as the rows have them.
    pub(crate) schema: SchemaRef,
    pub(crate) on_commit: OnCommit,
    /// Tells it from another one of its name; it stays while rows come and go.
    pub(crate) id: u64,
    parts: Vec<Arc<Part>>,
}

/// Rows, and the memory that they are allowed.
#[derive(Debug)]
struct Part {
    rows: RecordBatch,
    _memory: MemoryReservation,
}

/// A query with a name. It is planned anew over each snapshot.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) query: Query,
    /// Names and types of the columns, as they were when it was made.
    pub(crate) schema: SchemaRef,
    /// The relations of the session that it reads.
    pub(crate) reads: Vec<String>,
    /// Where its names were looked for, and how its constants were read.
    pub(crate) path: Vec<String>,
    pub(crate) style: OutputStyle,
}

impl Temporary {
    /// Which value it is; no other has this number.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Own> {
        self.relations.get(name)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (&String, &Arc<Table>)> {
        self.relations.iter().filter_map(|(name, own)| match own {
            Own::Table(table) => Some((name, table)),
            Own::View(_) => None,
        })
    }

    /// The views, each behind those that it reads.
    pub(crate) fn views(&self) -> Vec<(&String, &Arc<View>)> {
        let views = self.relations.iter().filter_map(|(name, own)| match own {
            Own::View(view) => Some((name, view)),
            Own::Table(_) => None,
        });
        let mut waiting: Vec<_> = views.collect();
        let mut ordered = Vec::with_capacity(waiting.len());
        // None reads itself, so that each round finds one at least.
        while !waiting.is_empty() {
            let names: Vec<&String> = waiting.iter().map(|(name, _)| *name).collect();
            let (ready, rest): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|(_, view)| !view.reads.iter().any(|read| names.contains(&read)));
            if ready.is_empty() {
                break;
            }
            ordered.extend(ready);
            waiting = rest;
        }
        ordered
    }

    /// The views that read a relation, themselves or through others.
    pub(crate) fn dependents(&self, name: &str) -> Vec<String> {
        let mut found = vec![name.to_owned()];
        for (view, definition) in self.views() {
            if definition.reads.iter().any(|read| found.contains(read)) {
                found.push(view.clone());
            }
        }
        found.remove(0);
        found
    }

    /// Says on what a view depends that reads a relation, itself or through others.
    fn dependency(&self, view: &str, relation: &str) -> String {
        let through = self.dependents(relation);
        let reads = match self.get(view) {
            Some(Own::View(view)) => view.reads.as_slice(),
            _ => &[],
        };
        let mut on = reads
            .iter()
            .filter(|read| *read == relation || through.contains(read));
        let on = on.next().map_or(relation, String::as_str);
        let what = match self.get(on) {
            Some(Own::View(_)) => "view",
            _ => "table",
        };
        format!("view {view} depends on {what} {on}")
    }

    /// How many relations there are.
    pub(crate) fn len(&self) -> usize {
        self.relations.len()
    }

    /// The same with another relation of a name, or without one.
    pub(crate) fn with(&self, name: &str, own: Option<Own>) -> Self {
        let mut relations = self.relations.as_ref().clone();
        match own {
            Some(own) => relations.insert(name.to_owned(), own),
            None => relations.remove(name),
        };
        Self::of(relations)
    }

    /// What is left of it behind a COMMIT.
    pub(crate) fn committed(self) -> Self {
        let lasting = |table: &Table| table.on_commit == OnCommit::PreserveRows;
        if self.tables().all(|(_, table)| lasting(table)) {
            return self;
        }
        let mut left = self.clone();
        for (name, table) in self.tables().filter(|(_, table)| !lasting(table)) {
            if table.on_commit == OnCommit::Drop {
                for gone in self.dependents(name).iter().chain([name]) {
                    left = left.with(gone, None);
                }
            } else {
                left = left.with(name, Some(Own::Table(Arc::new(table.emptied()))));
            }
        }
        left
    }

    fn of(relations: BTreeMap<String, Own>) -> Self {
        Self {
            relations: Arc::new(relations),
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>, schema: SchemaRef, on_commit: OnCommit) -> Self {
        Self {
            columns,
            schema,
            on_commit,
            id: VERSIONS.fetch_add(1, Ordering::Relaxed),
            parts: Vec::new(),
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows.num_rows() as u64).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| size_of(&part.rows) as u64).sum()
    }

    pub(crate) fn batches(&self) -> Vec<RecordBatch> {
        self.parts.iter().map(|part| part.rows.clone()).collect()
    }

    /// The same table without rows.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            parts: Vec::new(),
            ..self.clone()
        }
    }

    /// Adds rows, whose columns are those of the table. Such that come one by one end in batches of a size, and each is copied
    /// a dozen times at most.
    ///
    /// # Errors
    /// `OutOfMemory` where the session, or all of them, would have too much.
    pub(crate) fn push(&mut self, rows: RecordBatch, name: &str, pool: &Arc<dyn MemoryPool>) -> Result<()> {
        let mut rows = rows;
        while let Some(last) = self.parts.last()
            && last.rows.num_rows() <= rows.num_rows()
            && last.rows.num_rows() + rows.num_rows() <= BATCH_ROWS
        {
            rows = concat_batches(&self.schema, [&last.rows, &rows])?;
            self.parts.pop();
        }
        let memory = MemoryConsumer::new("temporary tables").register(pool);
        memory.try_grow(size_of(&rows)).map_err(|error| {
            Error::new(
                ErrorClass::OutOfMemory,
                format!("there is no memory for more rows of the temporary table \"{name}\""),
            )
            .with_detail(format!("{}.", Error::from(error)))
            .with_hint("Drop temporary tables that are not needed, or keep fewer rows and columns.")
        })?;
        self.parts.push(Arc::new(Part {
            rows,
            _memory: memory,
        }));
        Ok(())
    }
}

/// The name of the schema of what the session of a number has.
pub(crate) fn schema_name(pid: i32) -> String {
    format!("pg_temp_{pid}")
}

/// The name of a relation of the session's own, if a statement can mean one by it: it stands alone, or behind the schema.
pub(crate) fn own_name(name: &ObjectName, pid: i32) -> Option<String> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(folded)
        .collect();
    match parts.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == ALIAS || *schema == schema_name(pid) => Some(name.clone()),
        _ => None,
    }
}

fn size_of(rows: &RecordBatch) -> usize {
    rows.columns()
        .iter()
        .map(|column| column.get_array_memory_size())
        .sum()
}
