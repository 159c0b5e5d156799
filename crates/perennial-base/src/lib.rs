//! The vocabulary of Perennial without an engine in it: error classes, kinds of sources, served relations, time,
//! and the configuration file. Every other crate speaks these words.

pub mod clock;
pub mod config;
pub mod currency;
pub mod error;
pub mod kind;
pub mod propose;
pub mod relation;

pub use clock::{Clock, FixedClock, SystemClock};
pub use config::Config;
pub use error::{ErrorClass, UserError, counted, nearest};
pub use kind::Kind;
