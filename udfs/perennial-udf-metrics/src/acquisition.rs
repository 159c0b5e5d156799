//! Getting customers, and what it costs.

pub mod cac;
