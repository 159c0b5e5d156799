//! The sessions of the process, by the number that clients know them by.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use perennial_base::ErrorClass;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, StopReason};
use crate::session::{Canceller, Login};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<BTreeMap<i32, Entry>>);

#[derive(Debug)]
struct Entry {
    user: String,
    canceller: Canceller,
    terminated: CancellationToken,
}

impl Registry {
    /// Adds a session with what stops its statement, and what ends it.
    pub(crate) fn add(&self, login: &Login, canceller: Canceller, terminated: CancellationToken) {
        let entry = Entry {
            user: login.user.clone(),
            canceller,
            terminated,
        };
        self.0.lock().insert(login.pid, entry);
    }

    pub(crate) fn remove(&self, pid: i32) {
        self.0.lock().remove(&pid);
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
