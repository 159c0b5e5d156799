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
    /// How many operators can spill.
    spillers: AtomicUsize,
    /// What all others have reserved.
    fixed: AtomicUsize,
}

/// What all statements together have reserved.
#[derive(Debug)]
pub(crate) struct ProcessPool {
    limit: usize,
    used: AtomicUsize,
    /// That of which it is a part.
    whole: Option<Arc<Self>>,
}

impl ProcessPool {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            whole: None,
        })
    }

    /// A bound of its own on a part of what all have.
    pub(crate) fn part_of(whole: &Arc<Self>, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            whole: Some(Arc::clone(whole)),
        })
    }

    fn grow(&self, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.grow(additional);
        }
    }

    fn try_grow(&self, additional: usize) -> bool {
        let grown = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(additional).filter(|sum| *sum <= self.limit)
            });
        if grown.is_err() {
            return false;
        }
        let whole = self.whole.as_ref();
        let has_room = whole.is_none_or(|whole| whole.try_grow(additional));
        if !has_room {
            self.used.fetch_sub(additional, Ordering::Relaxed);
        }
        has_room
    }

    fn shrink(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.shrink(bytes);
        }
    }
}

impl StatementPool {
    pub(crate) fn new(process: Arc<ProcessPool>, limit: usize) -> Self {
        Self {
            process,
            statement: FairSpillPool::new(limit),
            limit,
            spillers: AtomicUsize::new(0),
            fixed: AtomicUsize::new(0),
        }
    }

    /// Notes that an operator that cannot spill has more, or less.
    fn note(&self, consumer: &MemoryConsumer, change: impl Fn(&AtomicUsize)) {
        if !consumer.can_spill() {
            change(&self.fixed);
        }
    }

    /// Whether an operator may have more: one that can spill, three quarters of its share of what others leave.
    fn leaves_room(&self, reservation: &MemoryReservation, additional: usize) -> bool {
        let others = self.limit.saturating_sub(self.fixed.load(Ordering::Relaxed));
        let spillers = self.spillers.load(Ordering::Relaxed).max(1);
        let share = (others - others / 4) / spillers;
        !reservation.consumer().can_spill()
            || additional == 0
            || reservation.size().saturating_add(additional) <= share
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
        let spills = usize::from(consumer.can_spill());
        self.spillers.fetch_add(spills, Ordering::Relaxed);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.statement.unregister(consumer);
        let spills = usize::from(consumer.can_spill());
        self.spillers.fetch_sub(spills, Ordering::Relaxed);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.statement.grow(reservation, additional);
        self.process.grow(additional);
        self.note(reservation.consumer(), |fixed| {
            fixed.fetch_add(additional, Ordering::Relaxed);
        });
    }

    fn shrink(&self, reservation: &MemoryReservation, bytes: usize) {
        self.statement.shrink(reservation, bytes);
        self.process.shrink(bytes);
        self.note(reservation.consumer(), |fixed| {
            fixed.fetch_sub(bytes, Ordering::Relaxed);
        });
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        if !self.leaves_room(reservation, additional) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{additional} more bytes for {} would be more than three quarters of its share of {} bytes",
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
        self.note(consumer, |fixed| {
            fixed.fetch_add(additional, Ordering::Relaxed);
        });
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
        // Each has its share, whatever the others took before.
        merging.free();
        let other = consumer("sort", true);
        assert!(reading.try_grow(375).is_ok() && reading.try_grow(1).is_err());
        assert!(other.try_grow(375).is_ok() && other.try_grow(1).is_err());
        drop((merging, reading, other));
        assert_eq!(pool.reserved(), 0);
    }
}
