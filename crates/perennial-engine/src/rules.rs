//! Rules of ours over plans.

pub(crate) mod all_of_sets;
pub(crate) mod array_literal;
pub(crate) mod casts;
pub(crate) mod comparisons;
pub(crate) mod dependent_join;
pub(crate) mod few_rows;
pub(crate) mod floats;
pub(crate) mod guarded;
pub(crate) mod look_ups;
pub(crate) mod ordered_scan;
pub(crate) mod postgres;
pub(crate) mod stoppable;
pub(crate) mod yielding;
