//! Sequences of what customers do.

pub mod sessionize;
pub mod window_funnel;
