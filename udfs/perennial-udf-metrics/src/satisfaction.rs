//! What customers say of the business.

pub mod nps;
