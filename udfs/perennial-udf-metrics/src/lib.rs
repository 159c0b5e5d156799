//! SQL functions for acquisition, value, retention and satisfaction metrics.

pub mod acquisition;
pub mod satisfaction;

use perennial_udf_kit::FunctionSet;

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Money, in the currency of what it is worked out from.
    Money,
    /// Points of a score.
    Points,
}

/// The functions of this crate that are metrics, each with its unit.
pub const METRICS: [(&str, Unit); 2] = [("cac", Unit::Money), ("nps", Unit::Points)];

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

    #[test]
    fn every_metric_is_a_function_and_every_function_a_metric() {
        let set = super::functions();
        let scalar = set.scalar.iter().map(|function| function.name());
        let mut functions: Vec<&str> = scalar
            .chain(set.aggregate.iter().map(|function| function.name()))
            .collect();
        functions.sort_unstable();
        assert_eq!(functions, super::METRICS.map(|(name, _)| name));
    }
}
