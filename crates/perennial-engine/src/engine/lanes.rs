//! Threads for computing, and lanes of them that a statement has to itself.
//!
//! A task can be stopped, and others come to their turn, where it yields. Not all work of a statement does: sorting a
//! batch, giving out the groups of an aggregate or planning a long condition takes a thread for as long as it takes, also
//! when nobody waits for the answer any more. On threads of its own it takes time from others only as the system deals
//! time out, so that a short statement is answered at once beside any number of long ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
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
/// Lanes of one session: cursors that are open and portals that are suspended keep theirs. Statements of the session
/// beyond that share one of its lanes, so that who opens cursors by the thousand takes none from others.
const MOST_LANES: usize = 8;
/// A lane that was used for longer ends with its statement, and with its threads what the allocator holds for them and
/// work that nobody stops. Making another one takes a small part of this.
const KEPT: Duration = Duration::from_millis(100);
/// A lane that nobody has needed for so long goes when another one is given back: there are as many as were needed at once
/// of late.
const UNUSED: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Threads of a lane.
    threads: usize,
    /// Threads of all of them.
    most: usize,
    /// Threads that there are.
    alive: Arc<AtomicUsize>,
    spare: Arc<Spare>,
    shared: Threads,
}

/// Lanes without a statement, the one that was left last at the end.
#[derive(Debug)]
struct Spare {
    free: Mutex<Vec<Free>>,
    /// See [`UNUSED`].
    unused: Duration,
}

/// A lane without a statement.
#[derive(Debug)]
struct Free {
    threads: Threads,
    since: Instant,
}

/// The threads of one statement, until the last of its clones is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    handle: Handle,
    own: Option<Arc<Own>>,
}

#[derive(Debug)]
struct Own {
    threads: Option<Threads>,
    since: Instant,
    spare: Arc<Spare>,
}

/// The lanes that a session has.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<Vec<Weak<Own>>>);

impl Lanes {
    /// # Errors
    /// Class `Unavailable` when the system gives no threads.
    pub(crate) fn new(threads: usize) -> Result<Self> {
        Self::of(threads, MOST_THREADS, UNUSED)
    }

    fn of(threads: usize, most: usize, unused: Duration) -> Result<Self> {
        recursive::set_minimum_stack_size(STACK_LEFT);
        recursive::set_stack_allocation_size(STACK_BYTES);
        let threads = threads.max(1);
        let free = Mutex::default();
        Ok(Self {
            threads,
            most,
            alive: Arc::default(),
            spare: Arc::new(Spare { free, unused }),
            shared: Threads::new(threads, None)?,
        })
    }

    /// The threads that no statement has: for runs and what else the process does by itself.
    pub(crate) fn shared(&self) -> &Handle {
        &self.shared.handle
    }

    /// A lane for a statement of the session that has taken these.
    pub(crate) fn enter(&self, taken: &Taken) -> Lane {
        let mut taken = taken.0.lock();
        taken.retain(|own| own.strong_count() > 0);
        if taken.len() >= MOST_LANES
            && let Some(lane) = taken.last().and_then(Weak::upgrade).and_then(Lane::again)
        {
            return lane;
        }
        let lane = self.lane();
        taken.extend(lane.own.as_ref().map(Arc::downgrade));
        lane
    }

    fn lane(&self) -> Lane {
        // Where the system has no more threads, the shared ones do.
        let threads = self.spare.idle().or_else(|| {
            let counted = Counted::some(self.threads, self.most, &self.alive)?;
            Threads::new(self.threads, Some(counted)).ok()
        });
        match threads {
            Some(threads) => Lane {
                handle: threads.handle.clone(),
                own: Some(Arc::new(Own {
                    threads: Some(threads),
                    since: Instant::now(),
                    spare: Arc::clone(&self.spare),
                })),
            },
            None => Lane::on(self.shared().clone()),
        }
    }
}

impl Spare {
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

    /// Takes a lane back; those that nobody needs go.
    fn give(&self, threads: Threads) {
        let mut free = self.free.lock();
        let needless = free.partition_point(|lane| lane.since.elapsed() >= self.unused);
        let needless: Vec<Free> = free.drain(..needless).collect();
        free.push(Free {
            threads,
            since: Instant::now(),
        });
        drop(free);
        drop(needless);
    }
}

impl Lane {
    /// Threads that others use as well.
    pub(crate) fn on(handle: Handle) -> Self {
        Self { handle, own: None }
    }

    fn again(own: Arc<Own>) -> Option<Self> {
        let handle = own.threads.as_ref()?.handle.clone();
        let own = Some(own);
        Some(Self { handle, own })
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
            self.spare.give(threads);
        }
    }
}

/// Threads that are counted from before they are made until all of them have ended.
#[derive(Debug)]
struct Counted {
    threads: usize,
    alive: Arc<AtomicUsize>,
}

impl Counted {
    /// So many more, if they do not take all above a number.
    fn some(threads: usize, most: usize, alive: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |alive: usize| alive.checked_add(threads).filter(|sum| *sum <= most);
        alive
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        let alive = Arc::clone(alive);
        Some(Self { threads, alive })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.threads, Ordering::Relaxed);
    }
}

/// Threads apart from those that serve sockets: a log-in and a cancel answer while every core computes.
#[derive(Debug)]
struct Threads {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    /// Threads without sockets: requests to a store go where the lake was opened, and reads of files to threads for them.
    /// So they take no descriptors.
    fn new(threads: usize, counted: Option<Counted>) -> Result<Self> {
        let build = || {
            Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("compute")
                .thread_stack_size(STACK_BYTES)
                // Each of the threads has it for as long as there are threads.
                .on_thread_stop(move || {
                    let _counted = &counted;
                })
                .enable_time()
                .build()
        };
        let failed = |detail: Option<String>| {
            let error = Error::new(
                ErrorClass::Unavailable,
                "the threads for computing cannot be started",
            );
            match detail {
                Some(detail) => error.with_detail(detail),
                None => error,
            }
        };
        // Where the system refuses a thread, the builder panics.
        let runtime = catch_unwind(AssertUnwindSafe(build))
            .map_err(|_| failed(None))?
            .map_err(|error| failed(Some(format!("{error}."))))?;
        let handle = runtime.handle().clone();
        let runtime = Some(runtime);
        Ok(Self { runtime, handle })
    }

    fn are_idle(&self) -> bool {
        self.handle.metrics().num_alive_tasks() == 0
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not be dropped inside of another one's task; running plans are abandoned.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc::channel;

    use tokio::runtime::Id;

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
        let (first, second) = (lanes.lane(), lanes.lane());
        let leave = [stuck(&first, 2), stuck(&second, 2)];
        let third = lanes.lane();
        let main = Builder::new_current_thread().build().unwrap();
        assert_eq!(main.block_on(third.handle().spawn(async { 7 })).unwrap(), 7);
        // Nobody waits for the first any more: its threads are still not given to another.
        drop(first);
        let fourth = lanes.lane();
        assert_eq!(main.block_on(fourth.handle().spawn(async { 7 })).unwrap(), 7);
        drop(leave);
    }

    /// Whose threads the lanes have.
    fn threads(lanes: &[Lane]) -> HashSet<Id> {
        lanes.iter().map(|lane| lane.handle().id()).collect()
    }

    #[test]
    fn statements_beyond_all_threads_share_those_of_the_process() {
        let lanes = Lanes::of(2, 41, UNUSED).unwrap();
        // All at once: whether the threads of the others have started does not matter.
        let entered: Vec<Lane> = std::thread::scope(|scope| {
            let entering: Vec<_> = (0..100).map(|_| scope.spawn(|| lanes.lane())).collect();
            entering
                .into_iter()
                .map(|entering| entering.join().unwrap())
                .collect()
        });
        let own = entered.iter().filter(|lane| lane.own.is_some()).count();
        assert_eq!(own, 20);
        let shared = entered.iter().find(|lane| lane.own.is_none()).unwrap();
        let main = Builder::new_current_thread().build().unwrap();
        assert_eq!(main.block_on(shared.handle().spawn(async { 7 })).unwrap(), 7);
    }

    #[test]
    fn cursors_of_one_session_beyond_its_lanes_share_one_of_them() {
        let lanes = Lanes::new(1).unwrap();
        let (greedy, other) = (Taken::default(), Taken::default());
        let cursors: Vec<Lane> = (0..2_000).map(|_| lanes.enter(&greedy)).collect();
        assert_eq!(threads(&cursors).len(), MOST_LANES);
        assert!(cursors.iter().all(|lane| lane.own.is_some()));
        let others: Vec<Lane> = (0..2).map(|_| lanes.enter(&other)).collect();
        assert_eq!(threads(&others).len(), 2);
        assert!(threads(&others).is_disjoint(&threads(&cursors)));
        // What is given back is there again.
        drop(cursors);
        let again: Vec<Lane> = (0..MOST_LANES).map(|_| lanes.enter(&greedy)).collect();
        assert_eq!(threads(&again).len(), MOST_LANES);
    }

    #[test]
    fn lanes_that_nobody_needs_go() {
        let free = |unused| {
            let lanes = Lanes::of(1, 100, unused).unwrap();
            let burst: Vec<Lane> = (0..10).map(|_| lanes.lane()).collect();
            drop(burst);
            drop(lanes.lane());
            lanes.spare.free.lock().len()
        };
        assert_eq!(free(UNUSED), 10);
        assert_eq!(free(Duration::ZERO), 1);
    }

    #[test]
    fn threads_that_have_ended_are_not_counted() {
        let alive = Arc::new(AtomicUsize::new(0));
        let counted = Counted::some(2, 2, &alive).unwrap();
        let threads = Threads::new(2, Some(counted)).unwrap();
        assert!(Counted::some(1, 2, &alive).is_none());
        drop(threads);
        while alive.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn lanes_take_no_descriptors() {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let lanes = Lanes::new(1).unwrap();
        let before = descriptors();
        let hundred: Vec<Lane> = (0..100).map(|_| lanes.lane()).collect();
        let main = Builder::new_current_thread().build().unwrap();
        for lane in &hundred {
            main.block_on(lane.handle().spawn(async {})).unwrap();
        }
        // Other tests of this process open some, too.
        assert!(descriptors() < before + 100, "{} descriptors", descriptors());
    }
}
