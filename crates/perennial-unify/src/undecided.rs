//! Conditions of the configuration that fail over some rows: these do not fulfil them, and all others are judged.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::physical_expr::PhysicalExpr;
use parking_lot::Mutex;
use perennial_base::config::Spot;

use crate::error::Result;
use crate::evaluating::attempted;
use crate::noticed::Undecided;

/// What conditions have failed over so far.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<BTreeMap<(&'static str, String), Undecided>>);

/// A condition of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition<'a> {
    /// `segment` or `lifecycle fact`.
    pub(crate) what: &'static str,
    pub(crate) name: &'a str,
    pub(crate) at: Spot,
    pub(crate) predicate: &'a Arc<dyn PhysicalExpr>,
}

impl Failures {
    /// Whether rows fulfil a condition. Rows over which it fails do not, and are counted.
    pub(crate) fn ask(&self, condition: Condition<'_>, rows: &RecordBatch) -> Result<Vec<bool>> {
        let (answers, failed, first) = attempted(condition.predicate, rows)?;
        if let Some(reason) = first {
            let mut failures = self.0.lock();
            let of_condition = failures
                .entry((condition.what, condition.name.to_owned()))
                .or_insert_with(|| Undecided {
                    what: condition.what,
                    name: condition.name.to_owned(),
                    at: condition.at,
                    rows: 0,
                    reason,
                });
            of_condition.rows += failed.len() as u64;
        }
        let answers = answers.as_boolean();
        let fulfilled = |row| answers.is_valid(row) && answers.value(row);
        Ok((0..answers.len()).map(fulfilled).collect())
    }

    /// Forgets what was counted: the same rows are asked again.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// What was counted, in the order of names.
    pub(crate) fn told(&self) -> Vec<Undecided> {
        self.0.lock().values().cloned().collect()
    }
}
