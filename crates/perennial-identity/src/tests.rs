//! What a user relies on, on small cases by name and on random ones against independent answers.

mod cases;
mod ids;
mod invariants;
mod memory;
mod oracle;
mod overrides;
mod seeds;
mod world;
