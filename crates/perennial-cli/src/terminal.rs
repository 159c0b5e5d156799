//! Progress on a terminal, and logs.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use parking_lot::Mutex;
use perennial_unify::Progress;
use tracing_subscriber::EnvFilter;

use crate::command::{Arguments, DEFAULT_LOG, LogFormat};

/// Starts the log on standard error.
pub(crate) fn log(arguments: &Arguments) {
    // Warnings of the engine's libraries are for its developers: `--log debug` and filters of one's own show them.
    let filter = match arguments.log.trim() {
        // A variable that is set and empty says nothing.
        "" => DEFAULT_LOG,
        given => given,
    };
    let filter = match filter {
        level @ ("warn" | "info") => format!("{level},datafusion=error,parquet=error,arrow=error"),
        given => given.to_owned(),
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // Only a second call could fail, and there is none.
    let _ = match arguments.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// A bar on a terminal; a line for each phase elsewhere.
pub(crate) struct Bar {
    bar: ProgressBar,
    terminal: bool,
    /// The phase, and how many files it has read.
    phase: Mutex<(&'static str, u64)>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            terminal,
            phase: Mutex::default(),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn phase(&self, name: &'static str, total: Option<u64>) {
        self.bar.reset();
        *self.phase.lock() = (name, 0);
        match total {
            Some(total) => {
                self.bar.set_length(total);
                self.bar.set_position(0);
                // The template is a constant of ours.
                if let Ok(style) = ProgressStyle::with_template(
                    "{msg:20} {bar:30} {human_pos}/{human_len}  {per_second}  ETA {eta}",
                ) {
                    // Tenths of rows tell nobody anything.
                    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                        let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
                    };
                    self.bar.set_style(style.with_key("per_second", rate));
                }
            }
            None => {
                if let Ok(style) = ProgressStyle::with_template("{msg:20} {spinner}") {
                    self.bar.set_style(style);
                }
            }
        }
        self.bar.set_message(name);
        if !self.terminal {
            crate::show::note(&format!("{name} …"));
        }
    }

    fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    fn file(&self, rows: u64) {
        self.bar.inc(rows);
        let mut phase = self.phase.lock();
        phase.1 += 1;
        self.bar
            .set_message(format!("{} ({})", phase.0, HumanCount(phase.1)));
    }
}
