//! The sessions of the process, by the number that clients know them by.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::error::StopReason;
use crate::session::{Canceller, Login};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<BTreeMap<i32, (String, Canceller)>>);

impl Registry {
    pub(crate) fn add(&self, login: &Login, canceller: Canceller) {
        self.0.lock().insert(login.pid, (login.user.clone(), canceller));
    }

    pub(crate) fn remove(&self, pid: i32) {
        self.0.lock().remove(&pid);
    }

    /// Stops what the session of `pid` runs, if it is the same role's.
    pub(crate) fn signal(&self, user: &str, pid: i32, reason: StopReason) -> bool {
        match self.0.lock().get(&pid) {
            Some((owner, canceller)) if owner == user => {
                canceller.cancel(reason);
                true
            }
            _ => false,
        }
    }
}
