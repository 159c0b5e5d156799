//! Memory: one pool for the process, a budget for each statement.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use perennial_base::Config;

/// The budget of one statement inside of the process's pool: operators that can spill share it fairly, and leave others a
/// part. What a sort has written to files it merges in memory that it cannot give back, and another sort that still reads
/// would take all that is left meanwhile.
#[derive(Debug)]
pub(crate) struct StatementPool {
    process: Arc<ProcessPool>,
    statement: FairSpillPool,
    limit: usize,
    /// What operators that can spill have reserved, and all others.
    spillable: AtomicUsize,
    fixed: AtomicUsize,
}

/// What all statements together have reserved.
#[derive(Debug)]
pub(crate) struct ProcessPool {
    limit: usize,
    used: AtomicUsize,
}

impl ProcessPool {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
        })
    }

    fn grow(&self, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn try_grow(&self, additional: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(additional).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    fn shrink(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl StatementPool {
    pub(crate) fn new(process: Arc<ProcessPool>, limit: usize) -> Self {
        Self {
            process,
            statement: FairSpillPool::new(limit),
            limit,
            spillable: AtomicUsize::new(0),
            fixed: AtomicUsize::new(0),
        }
    }

    fn reserved_by(&self, consumer: &MemoryConsumer) -> &AtomicUsize {
        match consumer.can_spill() {
            true => &self.spillable,
            false => &self.fixed,
        }
    }

    /// Whether an operator may have more: one that can spill, of three quarters of what others leave.
    fn leaves_room(&self, consumer: &MemoryConsumer, additional: usize) -> bool {
        let others = self.limit.saturating_sub(self.fixed.load(Ordering::Relaxed));
        let spillable = self.spillable.load(Ordering::Relaxed);
        !consumer.can_spill() || spillable.saturating_add(additional) <= others - others / 4
    }
}

impl fmt::Display for StatementPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("statement")
    }
}

impl MemoryPool for StatementPool {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.statement.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.statement.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.statement.grow(reservation, additional);
        self.process.grow(additional);
        self.reserved_by(reservation.consumer())
            .fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, bytes: usize) {
        self.statement.shrink(reservation, bytes);
        self.process.shrink(bytes);
        self.reserved_by(reservation.consumer())
            .fetch_sub(bytes, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        if !self.leaves_room(consumer, additional) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{additional} more bytes for {} would leave others less than a quarter of {} bytes",
                consumer.name(),
                self.limit
            )));
        }
        if !self.process.try_grow(additional) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} more bytes for {} would take all statements together above {} bytes",
                additional,
                reservation.consumer().name(),
                self.process.limit
            )));
        }
        self.statement
            .try_grow(reservation, additional)
            .inspect_err(|_| self.process.shrink(additional))?;
        self.reserved_by(consumer)
            .fetch_add(additional, Ordering::Relaxed);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.statement.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.statement.memory_limit()
    }
}

/// The pool of work that no statement asked for, such as the merging of spilled files.
pub(crate) fn background(limit: usize) -> Arc<dyn MemoryPool> {
    Arc::new(GreedyMemoryPool::new(limit))
}

/// What all statements together may reserve, in bytes.
pub(crate) fn of_all(config: &Config) -> u64 {
    config.server.memory.unwrap_or_else(default_memory)
}

/// 60 % of the machine's memory, or of the control group's where that is less.
fn default_memory() -> u64 {
    machine_memory().unwrap_or(4 << 30) / 10 * 6
}

/// The machine's memory, or the control group's where that is less, in bytes.
pub(crate) fn machine_memory() -> Option<u64> {
    let machine = installed_memory();
    let group = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .into_iter()
    .find_map(|path| {
        std::fs::read_to_string(Path::new(path))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    });
    machine.into_iter().chain(group).min()
}

fn installed_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_that_reads_leaves_room_to_one_that_merges() {
        let process = ProcessPool::new(usize::MAX);
        let pool: Arc<dyn MemoryPool> = Arc::new(StatementPool::new(process, 1_000));
        let consumer =
            |name: &str, spills: bool| MemoryConsumer::new(name).with_can_spill(spills).register(&pool);
        let (merging, reading) = (consumer("merge", false), consumer("sort", true));
        merging.try_grow(200).unwrap();
        let taken = (0..1_000).take_while(|_| reading.try_grow(1).is_ok()).count();
        // Of the 800 that are left.
        assert_eq!(taken, 600);
        merging.try_grow(200).unwrap();
        assert!(merging.try_grow(1).is_err());
        // What it has written to files is free again.
        reading.free();
        merging.try_grow(600).unwrap();
        assert!(reading.try_grow(1).is_err());
        drop((merging, reading));
        assert_eq!(pool.reserved(), 0);
    }
}
