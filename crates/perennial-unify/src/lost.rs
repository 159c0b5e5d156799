//! Values of optional expressions that cannot be worked out. They are NULL, their rows are served, and they are counted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::util::display::array_value_to_string;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use perennial_engine::expression::{cast_fails, physical};
use perennial_engine::type_name;
use perennial_lake::{Manifest, SourceFile};

use crate::error::Result;

/// Characters of a value that are told.
const SHOWN: usize = 80;

/// How the casts in an expression fail, of one that has casts.
#[derive(Debug)]
pub(crate) struct Casts {
    /// Whether one of them does.
    fails: Arc<dyn PhysicalExpr>,
    /// The expression that fails where they do.
    strict: Arc<dyn PhysicalExpr>,
}

impl Casts {
    /// Of an expression as it is written; none without casts.
    pub(crate) fn of(state: &SessionState, expr: Expr, schema: &DFSchema) -> Result<Option<Self>> {
        let Some(fails) = cast_fails(&expr)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            fails: physical(state, fails, schema)?,
            strict: physical(state, expr, schema)?,
        }))
    }
}

/// A column of a batch that may lose values: what its expression gives, and what became of that.
pub(crate) struct Worked<'a> {
    /// Its key in the mapping.
    pub(crate) key: &'a str,
    pub(crate) given: ArrayRef,
    /// The rows at which the expression failed, in their order, and the first error.
    pub(crate) failed: Vec<usize>,
    pub(crate) error: Option<String>,
    pub(crate) taken: ArrayRef,
    pub(crate) casts: Option<&'a Casts>,
}

/// The values of a column that were lost in a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) key: String,
    pub(crate) values: u64,
    /// The place of the first row.
    pub(crate) place: usize,
    /// Why that one is lost.
    pub(crate) reason: String,
}

impl Worked<'_> {
    /// The values that are lost of the rows at these places.
    pub(crate) fn lost(self, batch: &RecordBatch, places: &[usize]) -> Option<Lost> {
        if self.taken.null_count() == 0 {
            return None;
        }
        let fails = self.casts.and_then(|casts| {
            let fails = casts.fails.evaluate(batch).ok()?;
            fails.into_array(batch.num_rows()).ok()
        });
        let fails = fails.as_ref().and_then(|fails| fails.as_boolean_opt());
        let failed = |row: usize| self.failed.binary_search(&row).is_ok();
        let refused = |row: usize| self.given.is_valid(row) && !blank(&self.given, row);
        let uncast = |row: usize| fails.is_some_and(|fails| fails.is_valid(row) && fails.value(row));
        let mut lost = places
            .iter()
            .copied()
            .filter(|row| self.taken.is_null(*row) && (failed(*row) || refused(*row) || uncast(*row)));
        let first = lost.next()?;
        let values = 1 + lost.count() as u64;
        let reason = if failed(first) {
            self.error.clone()
        } else if refused(first) {
            let value = array_value_to_string(&self.given, first).unwrap_or_default();
            let to = type_name(self.taken.data_type());
            Some(format!("\"{value}\" cannot become a value of type {to}"))
        } else {
            let row = batch.slice(first, 1);
            let strict = self.casts.map(|casts| casts.strict.evaluate(&row));
            strict.and_then(|strict| Some(said(strict.err()?)))
        };
        let reason = reason.unwrap_or_else(|| "a value cannot be cast".to_owned());
        Some(Lost {
            key: self.key.to_owned(),
            values,
            place: first,
            reason: reason.chars().take(2 * SHOWN).collect(),
        })
    }
}

/// How many values of optional expressions could not be worked out, by source with some.
pub(crate) fn by_source(manifest: &Manifest) -> Vec<(String, u64)> {
    let sources = manifest.sources.iter();
    sources
        .map(|(name, source)| {
            (
                name.clone(),
                source.files.iter().map(SourceFile::values_lost).sum(),
            )
        })
        .filter(|(_, values)| *values > 0)
        .collect()
}

/// An error of the engine in its words.
pub(crate) fn said(error: datafusion::common::DataFusionError) -> String {
    perennial_engine::Error::from(error).to_string()
}

/// Blank text is no value that could be lost.
fn blank(array: &ArrayRef, row: usize) -> bool {
    let text = array_value_to_string(array, row);
    text.is_ok_and(|text| text.trim().is_empty())
}
