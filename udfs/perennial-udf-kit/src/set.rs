//! A crate's functions in one value.

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};

/// All functions of a crate.
#[derive(Debug, Default, Clone)]
pub struct FunctionSet {
    /// One value for each row.
    pub scalar: Vec<Arc<ScalarUDF>>,
    /// One value for a group.
    pub aggregate: Vec<Arc<AggregateUDF>>,
    /// One value for each row of a window.
    pub window: Vec<Arc<WindowUDF>>,
}
