//! Who may stop whom by a cancel request: the number of a session together with its secret.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use perennial_engine::{Canceller, StopReason};

/// A secret, and what it stops once the session is open.
type Entry = (Vec<u8>, Option<Canceller>);

/// The keys of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    last: AtomicI32,
    sessions: Mutex<HashMap<i32, Entry>>,
}

impl Keys {
    /// A number and a secret of so many bytes for a new session; they are forgotten with the guard.
    pub(crate) fn issue(self: &Arc<Self>, length: usize) -> Key {
        let mut sessions = self.sessions.lock();
        let pid = loop {
            // Positive, as process numbers are, also after two thousand million connections.
            let pid = (self.last.fetch_add(1, Ordering::Relaxed) & i32::MAX).wrapping_add(1);
            if pid > 0 && !sessions.contains_key(&pid) {
                break pid;
            }
        };
        let secret: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        sessions.insert(pid, (secret.clone(), None));
        Key {
            pid,
            secret,
            keys: Arc::clone(self),
        }
    }

    /// Stops the statement of a session, if the secret is the right one. A wrong one has no effect and no
    /// answer.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) {
        let canceller = match self.sessions.lock().get(&pid) {
            Some((known, canceller)) if same(known, secret) => canceller.clone(),
            _ => None,
        };
        if let Some(canceller) = canceller {
            canceller.cancel(StopReason::User);
        }
    }
}

/// The key of one session.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) pid: i32,
    pub(crate) secret: Vec<u8>,
    keys: Arc<Keys>,
}

impl Key {
    /// From now on a cancel request reaches `canceller`.
    pub(crate) fn arm(&self, canceller: Canceller) {
        if let Some((_, armed)) = self.keys.sessions.lock().get_mut(&self.pid) {
            *armed = Some(canceller);
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.keys.sessions.lock().remove(&self.pid);
    }
}

/// Compares in a time that does not depend on where the difference is.
fn same(known: &[u8], given: &[u8]) -> bool {
    let difference = known
        .iter()
        .zip(given)
        .fold(0, |difference, (left, right)| difference | (left ^ right));
    known.len() == given.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_their_own_and_end_with_their_session() {
        let keys = Arc::new(Keys::default());
        let (first, second) = (keys.issue(4), keys.issue(32));
        assert_ne!(first.pid, second.pid);
        assert_eq!((first.secret.len(), second.secret.len()), (4, 32));
        drop(first);
        assert_eq!(keys.sessions.lock().len(), 1);
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same(&[1, 2, 3, 4], &[1, 2, 3, 4]));
        assert!(!same(&[1, 2, 3, 4], &[1, 2, 3, 5]));
        assert!(!same(&[1, 2, 3, 4], &[1, 2, 3]));
        assert!(!same(&[1, 2, 3, 4], &[]));
    }
}
