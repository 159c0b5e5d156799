//! SQL functions on sequences of events: funnels, sessions, retention.

pub mod behaviour;

use perennial_udf_kit::FunctionSet;

/// The functions of this crate.
pub fn functions() -> FunctionSet {
    FunctionSet::new()
        .with_aggregate(behaviour::window_funnel::WindowFunnel::new())
        .with_window(behaviour::sessionize::Sessionize::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_documented() {
        perennial_udf_kit::testing::check_set(&super::functions());
    }
}
