//! One request of a client, and what stops it: its user, `statement_timeout`, or the end of its connection.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, StopReason};
use crate::session::Session;

/// Stops what a session runs; cheap to clone. Between requests there is nothing to stop: what comes too late has no
/// effect on the next one.
#[derive(Debug, Clone, Default)]
pub struct Canceller(Arc<Mutex<Option<Stop>>>);

impl Canceller {
    /// Stops the running request, if there is one; answers whether there was.
    pub fn cancel(&self, reason: StopReason) -> bool {
        match self.0.lock().as_ref() {
            Some(stop) => {
                stop.stop(reason);
                true
            }
            None => false,
        }
    }

    /// What stops the running request.
    pub(crate) fn current(&self) -> Option<Stop> {
        self.0.lock().clone()
    }

    /// The error of a request that was stopped.
    pub(crate) fn check(&self) -> Result<()> {
        match self.current().and_then(|stop| stop.error()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Completes when the running request is stopped.
    pub(crate) async fn stopped(&self) -> Error {
        match self.current() {
            Some(stop) => stop.stopped().await,
            None => std::future::pending().await,
        }
    }
}

/// A request that runs, until this is dropped.
#[derive(Debug)]
pub struct Request {
    canceller: Canceller,
    stop: Stop,
    _timer: Option<Timer>,
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut current = self.canceller.0.lock();
        if current.as_ref().is_some_and(|current| current.same(&self.stop)) {
            *current = None;
        }
    }
}

impl Session {
    /// Begins a request: from now on the session's canceller reaches what it runs, and `statement_timeout` counts.
    pub fn request(&self) -> Request {
        let stop = Stop::default();
        *self.canceller.0.lock() = Some(stop.clone());
        Request {
            canceller: self.canceller.clone(),
            _timer: stop.after(self.timeout("statement_timeout")),
            stop,
        }
    }

    /// A request for a caller who began none.
    pub(crate) fn own_request(&self) -> Option<Request> {
        let idle = self.canceller.current().is_none();
        idle.then(|| self.request())
    }
}

/// Stops one request, or one statement; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    reason: Arc<Mutex<Option<StopReason>>>,
}

impl Stop {
    /// Stops it for a reason; the first reason counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.reason.lock().get_or_insert(reason);
        self.token.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Cancelled when stopped.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The error once stopped.
    pub(crate) fn error(&self) -> Option<Error> {
        self.token
            .is_cancelled()
            .then(|| Error::Stopped(self.reason.lock().unwrap_or(StopReason::User)))
    }

    /// Completes when stopped.
    pub(crate) async fn stopped(&self) -> Error {
        self.token.cancelled().await;
        Error::Stopped(self.reason.lock().unwrap_or(StopReason::User))
    }

    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reason, &other.reason)
    }

    /// Stops by itself after `timeout`; zero = never. The timer ends with the guard. It runs where its caller runs, not
    /// where plans do: a plan that keeps its threads busy cannot hold it back.
    fn after(&self, timeout: Duration) -> Option<Timer> {
        (!timeout.is_zero()).then(|| {
            let stop = self.clone();
            let task = tokio::spawn(async move {
                tokio::time::sleep(timeout).await;
                stop.stop(StopReason::Timeout);
            });
            Timer(task.abort_handle())
        })
    }
}

/// A running `statement_timeout`.
#[derive(Debug)]
struct Timer(AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
