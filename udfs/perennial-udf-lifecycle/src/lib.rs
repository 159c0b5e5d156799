//! The lifecycle stage model and its SQL functions.
//!
//! [`model`] is the one place where stages are decided: by the SQL function `lifecycle_stage`, by the sweep that writes
//! `lifecycle_history`, and by every question about a moment. There is no Arrow in it.

pub mod error;
pub mod lifecycle;
pub mod model;

use perennial_udf_kit::FunctionSet;

pub use error::{Error, Result};

/// The functions of this crate.
pub fn functions() -> FunctionSet {
    FunctionSet::new().with_scalar(lifecycle::lifecycle_stage::LifecycleStage::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_documented() {
        perennial_udf_kit::testing::check_set(&super::functions());
    }
}
