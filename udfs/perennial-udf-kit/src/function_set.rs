//! The functions of a crate, ready to be registered.

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};

/// The functions of a crate. An engine registers them and reads their documentation.
#[derive(Debug, Clone, Default)]
pub struct FunctionSet {
    /// One row to one value.
    pub scalar: Vec<Arc<ScalarUDF>>,
    /// Many rows to one value; also over a window.
    pub aggregate: Vec<Arc<AggregateUDF>>,
    /// Each row among the rows of its partition.
    pub window: Vec<Arc<WindowUDF>>,
}

impl FunctionSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set with a scalar function.
    pub fn with_scalar(mut self, function: impl Into<ScalarUDF>) -> Self {
        self.scalar.push(Arc::new(function.into()));
        self
    }

    /// The set with an aggregate function.
    pub fn with_aggregate(mut self, function: impl Into<AggregateUDF>) -> Self {
        self.aggregate.push(Arc::new(function.into()));
        self
    }

    /// The set with a window function.
    pub fn with_window(mut self, function: impl Into<WindowUDF>) -> Self {
        self.window.push(Arc::new(function.into()));
        self
    }
}
