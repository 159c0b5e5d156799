//! Stages of the customer lifecycle.

pub mod lifecycle_stage;
