//! The ready-made analyses: views that call a table function with its usual arguments.

use crate::functions::lifecycle::{lifecycle_funnel, stage_transitions, time_in_stage};
use crate::functions::{cohort_retention, table::TableFunction};

/// A served view.
#[derive(Debug)]
pub struct View {
    /// Its name in schema `public`.
    pub name: &'static str,
    /// What a row is.
    pub comment: &'static str,
    /// What it calls.
    function: &'static TableFunction,
    /// With what.
    arguments: &'static str,
}

/// Every view.
pub const VIEWS: &[View] = &[
    View {
        name: "cohort_retention_monthly",
        comment: "One row per month of first order and month after it: how many customers ordered again",
        function: &cohort_retention::FUNCTION,
        arguments: "'month'",
    },
    View {
        name: "lifecycle_funnel",
        comment: "One row per stage of the way up: how many customers ever reached it, and how many the next one after it",
        function: &lifecycle_funnel::FUNCTION,
        arguments: "",
    },
    View {
        name: "stage_transitions_monthly",
        comment: "One row per month and pair of stages: how often customers went from one to the other",
        function: &stage_transitions::FUNCTION,
        arguments: "period => 'month'",
    },
    View {
        name: "time_in_stage_monthly",
        comment: "One row per month of first sight and stage: how long customers are in it",
        function: &time_in_stage::FUNCTION,
        arguments: "'month'",
    },
];

impl View {
    /// Its query.
    pub fn sql(&self) -> String {
        format!("SELECT * FROM {}({})", self.function.name, self.arguments)
    }

    /// Its columns in order, each with what it says.
    pub fn columns(&self) -> &'static [(&'static str, &'static str)] {
        self.function.columns
    }
}
