//! Progress on a terminal, and logs.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use parking_lot::Mutex;
use perennial_unify::Progress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::command::{Arguments, DEFAULT_LOG, LogFormat};

/// Who writes into the log.
const TARGETS: [&str; 4] = [
    "perennial_engine",
    "perennial_lake",
    "perennial_pgserver",
    "perennial_unify",
];

/// What is written behind `--log`.
///
/// # Errors
/// A text that is no filter, and one by which nothing of ours would be logged for a slip of the pen: a word that is neither
/// a level nor a part of Perennial, or parts of others alone.
pub(crate) fn log_filter(given: &str) -> Result<String, String> {
    // A variable that is set and empty says nothing.
    let given = match given.trim() {
        "" => DEFAULT_LOG,
        given => given,
    };
    let valid = format!(
        "write error, warn, info, debug, trace or off, or a part of Perennial with one of these, such as perennial_unify=debug, of {}",
        TARGETS.join(", ")
    );
    let directives: Vec<&str> = given
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    let mut ours = false;
    for directive in &directives {
        let end = directive.find(['=', '[']).unwrap_or(directive.len());
        let (target, rest) = directive.split_at(end);
        let of_ours = target.starts_with("perennial");
        let part = |known: &&str| known.starts_with(target) || target.starts_with(&format!("{known}::"));
        let known = match of_ours {
            true => TARGETS.iter().any(part),
            false => !rest.is_empty() || target.parse::<LevelFilter>().is_ok(),
        };
        if !known {
            return Err(format!(
                "\"{target}\" is neither a level nor a part of Perennial: {valid}"
            ));
        }
        ours |= of_ours || rest.is_empty();
    }
    let filter = directives.join(",");
    EnvFilter::try_new(&filter).map_err(|error| format!("{error}: {valid}"))?;
    match ours {
        true => Ok(filter),
        false => Err(format!("nothing of Perennial would be logged: {valid}")),
    }
}

/// Starts the log on standard error.
pub(crate) fn log(arguments: &Arguments) {
    // Warnings of the engine's libraries are for its developers: `--log debug` and filters of one's own show them.
    let filter = match arguments.log.as_str() {
        level @ ("warn" | "info") => format!("{level},datafusion=error,parquet=error,arrow=error"),
        given => given.to_owned(),
    };
    let filter = EnvFilter::new(filter);
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
