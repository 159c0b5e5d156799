//! Threads for computing, and lanes of them that a statement has to itself.
//!
//! A task can be stopped, and others come to their turn, where it yields. Not all work of a statement does: sorting a
//! batch, giving out the groups of an aggregate or planning a long condition takes a thread for as long as it takes, also
//! when nobody waits for the answer any more. On threads of its own it takes time from others only as the system deals
//! time out, so that a short statement is answered at once beside any number of long ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use perennial_base::ErrorClass;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

/// Stack of the threads that hold, plan and run statements: deep expressions recurse. Only what is used of it takes memory.
pub const STACK_BYTES: usize = 64 << 20;
/// The engine's recursive functions go on on another stack when less than this is left, so that what they call and what
/// does not look has this much.
const STACK_LEFT: usize = 4 << 20;
/// Threads of all lanes; statements beyond that share the threads of the process's own work.
const MOST_THREADS: usize = 1_024;
/// A lane that was used for longer ends with its statement, and with its threads what the allocator holds for them and
/// work that nobody stops. Making another one takes a small part of this.
const KEPT: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Threads of a lane.
    threads: usize,
    /// Threads of all of them.
    most: usize,
    /// Threads that there are.
    alive: Arc<AtomicUsize>,
    free: Arc<Mutex<Vec<Free>>>,
    shared: Threads,
}

/// A lane without a statement.
#[derive(Debug)]
struct Free {
    threads: Threads,
    since: Instant,
}

/// The threads of one statement, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lane {
    handle: Handle,
    _own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    threads: Option<Threads>,
    since: Instant,
    free: Arc<Mutex<Vec<Free>>>,
}

impl Lanes {
    /// # Errors
    /// Class `Unavailable` when the system gives no threads.
    pub(crate) fn new(threads: usize) -> Result<Self> {
        Self::of(threads, MOST_THREADS)
    }

    fn of(threads: usize, most: usize) -> Result<Self> {
        recursive::set_minimum_stack_size(STACK_LEFT);
        recursive::set_stack_allocation_size(STACK_BYTES);
        let threads = threads.max(1);
        Ok(Self {
            threads,
            most,
            alive: Arc::default(),
            free: Arc::default(),
            shared: Threads::new(threads, &Arc::default())?,
        })
    }

    /// The threads that no statement has: for runs and what else the process does by itself.
    pub(crate) fn shared(&self) -> &Handle {
        &self.shared.1
    }

    /// A lane for a statement.
    pub(crate) fn enter(&self) -> Lane {
        let threads = self.idle().or_else(|| {
            let room = self.alive.load(Ordering::Relaxed) + self.threads <= self.most;
            // Where the system has no more threads, the shared ones do.
            room.then(|| Threads::new(self.threads, &self.alive).ok())
                .flatten()
        });
        match threads {
            Some(threads) => Lane {
                handle: threads.1.clone(),
                _own: Some(Own {
                    threads: Some(threads),
                    since: Instant::now(),
                    free: Arc::clone(&self.free),
                }),
            },
            None => Lane::on(self.shared().clone()),
        }
    }

    /// The lane that was left last and on which nothing runs any more: the first that is looked at, mostly. One that is
    /// not idle soon after its statement is given up.
    fn idle(&self) -> Option<Threads> {
        let mut free = self.free.lock();
        for at in (0..free.len()).rev() {
            let lane = free.get(at)?;
            if lane.threads.are_idle() {
                return Some(free.remove(at).threads);
            }
            if lane.since.elapsed() >= KEPT {
                free.remove(at);
            }
        }
        None
    }
}

impl Lane {
    /// Threads that others use as well.
    pub(crate) fn on(handle: Handle) -> Self {
        Self { handle, _own: None }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take()
            && self.since.elapsed() < KEPT
        {
            self.free.lock().push(Free {
                threads,
                since: Instant::now(),
            });
        }
    }
}

/// Threads apart from those that serve sockets: a log-in and a cancel answer while every core computes.
#[derive(Debug)]
struct Threads(Option<Runtime>, Handle);

impl Threads {
    fn new(threads: usize, alive: &Arc<AtomicUsize>) -> Result<Self> {
        let (started, stopped) = (Arc::clone(alive), Arc::clone(alive));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("compute")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(move || {
                started.fetch_add(1, Ordering::Relaxed);
            })
            .on_thread_stop(move || {
                stopped.fetch_sub(1, Ordering::Relaxed);
            })
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(
                    ErrorClass::Unavailable,
                    "the threads for computing cannot be started",
                )
                .with_detail(format!("{error}."))
            })?;
        let handle = runtime.handle().clone();
        Ok(Self(Some(runtime), handle))
    }

    fn are_idle(&self) -> bool {
        self.1.metrics().num_alive_tasks() == 0
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not be dropped inside of another one's task; running plans are abandoned.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Work that keeps all threads of a lane until it is told to leave.
    fn stuck(lane: &Lane, threads: usize) -> Vec<std::sync::mpsc::Sender<()>> {
        let (begins, begun) = channel();
        let leave = (0..threads)
            .map(|_| {
                let (leave, left) = channel::<()>();
                let begins = begins.clone();
                lane.handle().spawn(async move {
                    begins.send(()).unwrap();
                    let _ = left.recv();
                });
                leave
            })
            .collect();
        for _ in 0..threads {
            begun.recv().unwrap();
        }
        leave
    }

    #[test]
    fn work_that_does_not_yield_holds_up_nobody_else() {
        let lanes = Lanes::new(2).unwrap();
        let (first, second) = (lanes.enter(), lanes.enter());
        let leave = [stuck(&first, 2), stuck(&second, 2)];
        let third = lanes.enter();
        let main = Builder::new_current_thread().build().unwrap();
        assert_eq!(main.block_on(third.handle().spawn(async { 7 })).unwrap(), 7);
        // Nobody waits for the first any more: its threads are still not given to another.
        drop(first);
        let fourth = lanes.enter();
        assert_eq!(main.block_on(fourth.handle().spawn(async { 7 })).unwrap(), 7);
        drop(leave);
    }

    #[test]
    fn statements_beyond_all_threads_share_those_of_the_process() {
        let lanes = Lanes::of(2, 3).unwrap();
        let first = lanes.enter();
        // Only threads that have started are counted.
        let leave = stuck(&first, 2);
        let second = lanes.enter();
        assert!(first._own.is_some() && second._own.is_none());
        let main = Builder::new_current_thread().build().unwrap();
        assert_eq!(main.block_on(second.handle().spawn(async { 7 })).unwrap(), 7);
        drop(leave);
    }
}
