//! SQL functions that predict: BG/NBD and its relatives.

pub mod prediction;

use perennial_udf_kit::FunctionSet;

/// The functions of this crate.
pub fn functions() -> FunctionSet {
    FunctionSet::new().with_scalar(prediction::bgnbd_p_alive::BgnbdPAlive::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_documented() {
        perennial_udf_kit::testing::check_set(&super::functions());
    }
}
