//! The lakes that test files name, served once for all of them.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::{TestLake, TestServer};

/// The relations that a test file finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lake {
    /// The small demo lake, unified.
    Demo,
    /// Functions and the platform's own relations.
    #[default]
    Empty,
}

/// A server for each [`Lake`]: the first test that asks starts it, and it serves all others.
#[derive(Debug, Default)]
pub struct Servers {
    demo: OnceLock<TestServer>,
    empty: OnceLock<TestServer>,
}

impl Servers {
    /// The server of a lake.
    pub fn of(&self, lake: Lake) -> &TestServer {
        match lake {
            Lake::Demo => self
                .demo
                .get_or_init(|| TestServer::start(TestLake::demo_small())),
            Lake::Empty => self.empty.get_or_init(|| TestServer::start(TestLake::empty())),
        }
    }
}
