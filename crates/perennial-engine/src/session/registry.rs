//! The sessions of the process, by the number that clients know them by.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use perennial_base::ErrorClass;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, StopReason};
use crate::limits::Reserved;
use crate::session::{Canceller, Login};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<BTreeMap<i32, Entry>>);

#[derive(Debug)]
struct Entry {
    user: String,
    canceller: Canceller,
    terminated: CancellationToken,
    reserved: Reserved,
}

impl Registry {
    /// Adds a session with what stops its statement, what ends it, and what it has reserved.
    pub(crate) fn add(
        &self,
        login: &Login,
        (canceller, terminated, reserved): (Canceller, CancellationToken, Reserved),
    ) {
        let entry = Entry {
            user: login.user.clone(),
            canceller,
            terminated,
            reserved,
        };
        self.0.lock().insert(login.pid, entry);
    }

    pub(crate) fn remove(&self, pid: i32) {
        self.0.lock().remove(&pid);
    }

    /// Stops the statement of the session that has reserved most, and at least so many bytes. Answers whether there is one.
    pub(crate) fn stop_greediest(&self, least: usize) -> bool {
        let sessions = self.0.lock();
        let need = |entry: &&Entry| entry.reserved.load(Ordering::Relaxed);
        let mut greedy: Vec<&Entry> = sessions.values().filter(|entry| need(entry) >= least).collect();
        greedy.sort_by_key(|entry| std::cmp::Reverse(need(entry)));
        greedy
            .iter()
            .any(|entry| entry.canceller.cancel(StopReason::Memory))
    }

    /// Stops what the session of `pid` runs, or with `terminate` the session, which may be idle. Answers whether there is
    /// such a session. An owner may stop everybody's, others those of their own role.
    pub(crate) fn signal(&self, user: &str, owner: bool, pid: i32, terminate: bool) -> Result<bool> {
        let sessions = self.0.lock();
        let Some(entry) = sessions.get(&pid) else {
            return Ok(false);
        };
        if entry.user != user && !owner {
            let what = if terminate {
                "process is being terminated"
            } else {
                "query is being canceled"
            };
            return Err(Error::new(
                ErrorClass::PermissionDenied,
                format!("must be a member of the role whose {what} or member of pg_signal_backend"),
            ));
        }
        if terminate {
            entry.terminated.cancel();
            entry.canceller.cancel(StopReason::Terminated);
        } else {
            entry.canceller.cancel(StopReason::User);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use perennial_base::UserError;

    use super::*;
    use crate::session::request::Stop;

    #[test]
    fn where_memory_is_short_the_statement_that_has_reserved_most_ends() {
        let registry = Registry::default();
        let statement = |pid, reserved| {
            let login = Login {
                user: "ada".to_owned(),
                database: String::new(),
                settings: Vec::new(),
                client: String::new(),
                pid,
            };
            let (canceller, stop) = Canceller::running();
            let reserved = Arc::new(AtomicUsize::new(reserved));
            registry.add(&login, (canceller, CancellationToken::new(), reserved));
            stop
        };
        let (small, large, none) = (statement(1, 10), statement(2, 1_000), statement(3, 0));
        let stopped = |stop: &Stop| stop.error().map(|error| error.class());
        assert!(!registry.stop_greediest(1_001));
        assert!(registry.stop_greediest(1_000));
        assert_eq!(stopped(&large), Some(ErrorClass::OutOfMemory));
        assert_eq!((stopped(&small), stopped(&none)), (None, None));
    }
}
