//! What statements reserve is less than what they take: the allocator keeps pages, and not all memory is reserved before
//! it is taken. Where the process comes to have much more than it may reserve, the statement that has reserved most ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use parking_lot::Mutex;

use crate::engine::Engine;
use crate::error::StopReason;
use crate::limits::{StatementPool, machine_memory};
use crate::session::request::Stop;

/// How often the process's memory is measured.
const PERIOD: Duration = Duration::from_millis(50);
/// Time for a statement that was ended to give its memory back, before another one is.
const PATIENCE: Duration = Duration::from_millis(500);
/// A statement that has reserved less than this part of what all may is not to blame: one in so many.
const GREEDY: u64 = 16;
/// What the process may have beside what is reserved: half of that again, and at least so many bytes.
const LEAST_BESIDE: u64 = 512 << 20;

/// The statements that have something reserved, cursors between two FETCHes and those that nobody waits for any more
/// included.
#[derive(Debug, Default)]
pub(super) struct Statements(Mutex<Vec<Statement>>);

#[derive(Debug)]
struct Statement {
    /// Gone when all of the statement has ended.
    pool: Weak<StatementPool>,
    stop: Stop,
}

impl Statements {
    /// Adds a statement with what it reserves from; answers what ends it.
    pub(super) fn add(&self, pool: &Arc<StatementPool>) -> Stop {
        let (pool, stop) = (Arc::downgrade(pool), Stop::default());
        let mut statements = self.0.lock();
        statements.retain(|statement| statement.pool.strong_count() > 0);
        statements.push(Statement {
            pool,
            stop: stop.clone(),
        });
        stop
    }

    /// Ends the statement that has reserved most, and at least so many bytes, of those that are not over. Answers whether
    /// there is one.
    fn stop_greediest(&self, least: usize) -> bool {
        let statements = self.0.lock();
        let need = |statement: &Statement| statement.pool.upgrade().map_or(0, |pool| pool.reserved());
        let greediest = statements
            .iter()
            .filter(|statement| !statement.stop.is_stopped())
            .map(|statement| (need(statement), statement))
            .filter(|(need, _)| *need >= least)
            .max_by_key(|(need, _)| *need);
        if let Some((_, statement)) = greediest {
            statement.stop.stop(StopReason::Memory);
        }
        greediest.is_some()
    }
}

/// Watches the memory of the process while the engine is there. Where the system does not say how much the process has,
/// nothing is watched.
pub(super) fn watch(engine: Weak<Engine>, reserved: u64) {
    if resident().is_none() {
        return;
    }
    let limit = limit(reserved, machine_memory());
    let watching = move || {
        loop {
            std::thread::sleep(PERIOD);
            let Some(engine) = engine.upgrade() else { return };
            let Some(resident) = resident().filter(|resident| *resident > limit) else {
                continue;
            };
            let greedy = usize::try_from(reserved / GREEDY).unwrap_or(usize::MAX);
            if engine.statements.stop_greediest(greedy) {
                tracing::warn!(resident, limit, "memory is short: a statement was ended");
                drop(engine);
                std::thread::sleep(PATIENCE);
            }
        }
    };
    // The memory of statements is bounded without it.
    if let Err(error) = std::thread::Builder::new()
        .name("memory".to_owned())
        .spawn(watching)
    {
        tracing::warn!(%error, "the memory of the process is not watched");
    }
}

/// The bytes above which a statement is ended.
fn limit(reserved: u64, machine: Option<u64>) -> u64 {
    let limit = reserved.saturating_add(LEAST_BESIDE.max(reserved / 2));
    machine.map_or(limit, |machine| limit.min(machine / 10 * 9))
}

/// What the process alone has in memory, in bytes, as proc(5) has it; files that are mapped are not counted.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
    use perennial_base::{ErrorClass, UserError};

    use super::*;
    use crate::limits::ProcessPool;

    /// A statement that has reserved so much.
    fn statement(statements: &Statements, bytes: usize) -> (Stop, MemoryReservation) {
        let pool = Arc::new(StatementPool::new(ProcessPool::new(usize::MAX), usize::MAX));
        let stop = statements.add(&pool);
        let pool: Arc<dyn MemoryPool> = pool;
        let reservation = MemoryConsumer::new("rows").register(&pool);
        reservation.try_grow(bytes).unwrap();
        (stop, reservation)
    }

    fn stopped(stop: &Stop) -> Option<ErrorClass> {
        stop.error().map(|error| error.class())
    }

    #[test]
    fn where_memory_is_short_the_statement_that_has_reserved_most_ends() {
        let statements = Statements::default();
        let (small, _ten) = statement(&statements, 10);
        let (large, _thousand) = statement(&statements, 1_000);
        let (none, _nothing) = statement(&statements, 0);
        assert!(!statements.stop_greediest(1_001));
        assert!(statements.stop_greediest(1_000));
        assert_eq!(stopped(&large), Some(ErrorClass::OutOfMemory));
        assert_eq!((stopped(&small), stopped(&none)), (None, None));
    }

    #[test]
    fn what_a_statement_that_is_over_has_still_is_not_held_against_another() {
        let statements = Statements::default();
        let (over, thousand) = statement(&statements, 1_000);
        over.stop(StopReason::Memory);
        let (next, _ten) = statement(&statements, 10);
        assert!(!statements.stop_greediest(100));
        assert_eq!(stopped(&next), None);
        // It is known until it has ended.
        assert_eq!(statements.0.lock().len(), 2);
        drop(thousand);
        let _ = statement(&statements, 0);
        assert_eq!(statements.0.lock().len(), 2);
    }

    #[test]
    fn the_limit_is_above_what_is_reserved_and_below_the_machine() {
        const GIB: u64 = 1 << 30;
        assert_eq!(limit(2 * GIB, Some(16 * GIB)), 3 * GIB);
        assert_eq!(limit(GIB / 4, Some(16 * GIB)), 3 * GIB / 4);
        assert_eq!(limit(2 * GIB, None), 3 * GIB);
        assert_eq!(limit(6_000_000_000, Some(10_000_000_000)), 9_000_000_000);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_allocated_and_written_is_resident() {
        const TAKEN: usize = 256 << 20;
        let taken = vec![1_u8; TAKEN];
        assert!(resident().unwrap() >= std::hint::black_box(&taken).len() as u64);
    }
}
