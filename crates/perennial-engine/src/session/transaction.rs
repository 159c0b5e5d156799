//! Transactions: read only, each over the one snapshot that it began with.

use std::sync::Arc;

use crate::release::Release;
use crate::session::settings::Values;
use crate::session::temporary::Temporary;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionState {
    /// Outside of a transaction.
    #[default]
    Idle,
    /// Inside of one.
    Open,
    /// Inside of one that has failed: only its end is accepted.
    Failed,
}

/// The transaction of a session.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    state: TransactionState,
    release: Option<Arc<Release>>,
    /// The moment that `now()` gives.
    started: Option<i64>,
    savepoints: Vec<Savepoint>,
    /// How many cursors the session had opened when it began.
    cursors: u64,
    /// The temporary relations that it began with.
    temporary: Temporary,
}

/// What a way back to a savepoint restores.
#[derive(Debug, Clone)]
pub(crate) struct Savepoint {
    pub(crate) name: String,
    pub(crate) settings: Values,
    /// How many cursors the session had opened.
    pub(crate) cursors: u64,
    /// The temporary relations that it had.
    pub(crate) temporary: Temporary,
}

impl Transaction {
    pub(crate) fn state(&self) -> TransactionState {
        self.state
    }

    pub(crate) fn begin(&mut self, release: Arc<Release>, now: i64, cursors: u64, temporary: Temporary) {
        *self = Self {
            state: TransactionState::Open,
            release: Some(release),
            started: Some(now),
            savepoints: Vec::new(),
            cursors,
            temporary,
        };
    }

    /// Ends it; gives the temporary relations that it began with.
    pub(crate) fn end(&mut self) -> Temporary {
        std::mem::take(self).temporary
    }

    pub(crate) fn fail(&mut self) {
        if self.state == TransactionState::Open {
            self.state = TransactionState::Failed;
        }
    }

    /// The snapshot that statements of the transaction read.
    pub(crate) fn pinned(&self) -> Option<Arc<Release>> {
        self.release.clone()
    }

    /// The moment at which the transaction, or the statement outside of one, began.
    pub(crate) fn now(&self, clock: i64) -> i64 {
        self.started.unwrap_or(clock)
    }

    /// How many cursors the session had opened when the transaction began.
    pub(crate) fn cursors(&self) -> u64 {
        self.cursors
    }

    pub(crate) fn savepoint(&mut self, savepoint: Savepoint) {
        self.savepoints.push(savepoint);
    }

    /// Forgets a savepoint and all after it; answers whether it was there.
    pub(crate) fn release_savepoint(&mut self, name: &str) -> bool {
        match self.savepoints.iter().rposition(|known| known.name == name) {
            Some(at) => {
                self.savepoints.truncate(at);
                true
            }
            None => false,
        }
    }

    /// Goes back to a savepoint, which stays; gives it, if it was there.
    pub(crate) fn rollback_to(&mut self, name: &str) -> Option<Savepoint> {
        let at = self.savepoints.iter().rposition(|known| known.name == name)?;
        self.savepoints.truncate(at + 1);
        self.state = TransactionState::Open;
        self.savepoints.last().cloned()
    }
}
