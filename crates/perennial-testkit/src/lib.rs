//! Development only: seeded lakes, a server on port 0, the slt driver, the oracle reader.

pub mod environment;
pub mod oracle;
pub mod slt;
