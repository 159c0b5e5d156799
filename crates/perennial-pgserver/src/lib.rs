//! The Postgres wire protocol over the engine.
//!
//! A [`Server`] listens, admits clients and gives each a session of the engine. Bytes are this crate's
//! business: frames, TLS, authentication, parameters and the text and binary forms of values. What a
//! statement means is the engine's.

mod auth;
mod backend;
mod cancel;
mod casts;
pub mod catalog;
mod connection;
mod copy;
pub mod encode;
mod error;
#[cfg(test)]
mod facts;
mod frame;
mod parameters;
pub mod scram;
mod server;
pub mod sqlstate;
mod startup;
mod style;
mod tls;
mod transport;
pub mod types;

pub use catalog::PgCatalog;
pub use error::{Error, Result};
pub use frame::FrameError;
pub use server::{ServeOptions, Server};
pub use tls::TlsFiles;
