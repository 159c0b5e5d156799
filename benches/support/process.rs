//! Processes as the operating system accounts for them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// Ticks a second of `/proc/<pid>/stat`: `USER_HZ` is 100 on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;
/// How often the peak of a running process is read.
const PERIOD: Duration = Duration::from_millis(10);

/// Reads what the system counts of one process.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    pid: u32,
}

impl Meter {
    /// A meter of the process `pid`.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Processor seconds of all its threads so far, user and system.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields = after_name(&stat)?;
        let ticks = |index: usize| -> Result<f64> {
            Ok(fields
                .split_ascii_whitespace()
                .nth(index)
                .ok_or("short stat")?
                .parse::<f64>()?)
        };
        // Fields 14 and 15 of the line; behind the name the first is field 3.
        Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
    }

    /// Resident memory now, in MB.
    pub fn resident_mb(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The most that was ever resident, in MB.
    pub fn peak_mb(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .ok_or("the process has ended")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    fn ended(&self) -> Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        Ok(after_name(&stat)?.trim_start().starts_with('Z'))
    }
}

fn after_name(stat: &str) -> Result<&str> {
    Ok(stat.rsplit_once(')').ok_or("no name in stat")?.1)
}

/// One finished process.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// From the start to the end.
    pub wall_seconds: f64,
    /// Over all threads, user and system.
    pub cpu_seconds: f64,
    /// The most that was ever resident.
    pub peak_mb: f64,
    /// What it printed on standard output.
    pub printed: String,
}

/// Runs a program to its end and measures it; what it says on standard error passes through.
///
/// # Errors
/// When it cannot be started, and when it fails.
pub fn run(command: &mut Command, scratch: &Path) -> Result<Run> {
    let output = scratch.join(format!("bench-output-{}", std::process::id()));
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(fs::File::create(&output)?)
        .spawn()?;
    let meter = Meter::new(child.id());
    let mut peak_mb = 0.0_f64;
    // A process that has ended keeps its times, but not its memory, until it is waited for.
    while !meter.ended()? {
        peak_mb = peak_mb.max(meter.peak_mb().unwrap_or(0.0));
        std::thread::sleep(PERIOD);
    }
    let wall_seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = meter.cpu_seconds()?;
    let status = child.wait()?;
    let printed = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    if !status.success() {
        return Err(format!("{command:?} has failed ({status}): {printed}").into());
    }
    Ok(Run {
        wall_seconds,
        cpu_seconds,
        peak_mb,
        printed,
    })
}
