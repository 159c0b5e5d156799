//! Real clients against a real server on port 0.

mod errors;
