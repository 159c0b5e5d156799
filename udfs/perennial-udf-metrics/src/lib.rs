//! SQL functions for acquisition, value, retention and satisfaction metrics.

pub mod acquisition;
pub mod satisfaction;

use perennial_udf_kit::FunctionSet;

/// The functions of this crate.
pub fn functions() -> FunctionSet {
    FunctionSet::new()
        .with_scalar(acquisition::cac::Cac::new())
        .with_aggregate(satisfaction::nps::Nps::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_documented() {
        perennial_udf_kit::testing::check_set(&super::functions());
    }
}
