//! What every task needs: the repository's folder, programs, the environment, and lines for the user.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program that ended with an error and has already told the user why.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) command: String,
}

impl Display for Failed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "`{}` failed", self.command)
    }
}

impl std::error::Error for Failed {}

/// The checkout that the task works on.
#[derive(Debug)]
pub(crate) struct Repository {
    /// The folder of the workspace's manifest.
    pub(crate) root: PathBuf,
}

impl Repository {
    /// The checkout around the current folder.
    pub(crate) fn locate() -> Result<Self> {
        let manifest = output(Command::new("cargo").args([
            "locate-project",
            "--workspace",
            "--message-format",
            "plain",
        ]))?;
        let root = Path::new(manifest.trim())
            .parent()
            .context("the workspace has no folder")?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// A program that runs in the root of the checkout.
    ///
    /// It does not see what cargo tells its own child of this package: build scripts watch these variables (ring's does),
    /// and everything behind them, DataFusion included, would be built anew whenever a task and a user take turns.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        let told = std::env::vars_os().map(|(name, _)| name);
        for name in told.filter(|name| is_of_this_package(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command line without quotes in the root of the checkout.
    pub(crate) fn run_line(&self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let program = words.next().context("an empty command line")?;
        call(self.command(program).args(words))
    }
}

fn is_of_this_package(variable: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
        "OUT_DIR",
    ]
    .iter()
    .any(|prefix| variable.starts_with(prefix))
}

/// Runs a program that talks to the user itself.
pub(crate) fn call(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed {
            command: line(command),
        }
        .into())
    }
}

/// Runs a program for what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` failed: {}",
            line(command),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` prints no UTF-8", line(command)))
}

/// Whether a program is there and answers.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    output(Command::new(program).args(arguments)).is_ok()
}

/// The command as one types it.
pub(crate) fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A line for the user. A closed pipe is no reason to stop.
pub(crate) fn say(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A variable of the environment that is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "a task of the repository has no configuration file"
)]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// How long a server may take until it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until a server is ready. A program of somebody else tells nobody when it is, so it is asked again and again.
pub(crate) fn wait_until(server: &mut Child, mut ready: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < START_TIMEOUT {
        if ready() {
            return Ok(());
        }
        if let Some(status) = server.try_wait()? {
            bail!("the server has stopped: {status}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the server is not ready after {} s", START_TIMEOUT.as_secs())
}

/// The folder for what can be made again: `$XDG_CACHE_HOME/perennial`, by default `~/.cache/perennial`.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let base = match environment("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(environment("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("perennial"))
}
