//! The binary as a process that serves the small demo, for the suites that play something on it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use tempfile::TempDir;

/// Longest wait for an answer that is sure to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The memory that a server may ever have, in bytes.
const BOUND: u64 = 4 << 30;
/// The password of every role, and what PostgreSQL and a configuration keep of it.
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const VERIFIER: &str = "SCRAM-SHA-256$4096:OE668UD5xE0d4gEfJL/Dsg==$crnEVm7+AKHvRGbFb0qF4pu8E9Uj/LIIqVcg3EMrJDk=:cD5O/w2+qUF6spYVX777EntPjbEgcsfsal4FQZFdST8=";
/// The folder of the lake and its configuration.
pub(crate) const LAKE: &str = "demo";

/// The binary under way.
pub(crate) struct Process {
    child: Mutex<Child>,
    pid: u32,
    /// Everything that it has, and what is put beside.
    pub(crate) folder: TempDir,
    /// The last that it said.
    said: Arc<Mutex<Vec<String>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Process {
    /// Makes the demo and serves it; `configured` gives what its configuration has of `[server]` on, and may put files into
    /// the folder of the demo, which it is given.
    pub(crate) fn serve(
        configured: impl FnOnce(&Path) -> Result<String, Failed>,
    ) -> Result<(Self, SocketAddr), Failed> {
        let folder = tempfile::Builder::new().prefix("perennial-served-").tempdir()?;
        let demo = folder.path().join(LAKE);
        let mut made = binary(&folder);
        made.args(["demo", "--no-serve", "--customers", "300", "--dir"])
            .arg(&demo);
        let output = made.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let config = demo.join("perennial.toml");
        let text = fs::read_to_string(&config)?;
        let (sources, _) = text.split_once("\n[server]").ok_or("the demo has no [server]")?;
        fs::write(&config, format!("{sources}\n[server]\n{}", configured(&demo)?))?;

        let mut child = binary(&folder)
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .env("PERENNIAL__LAKE__REFRESH", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let process = Self {
            pid: child.id(),
            child: Mutex::new(child),
            folder,
            said: Arc::default(),
        };
        let (sender, address) = channel();
        let said = Arc::clone(&process.said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("serving on ") {
                    let _ = sender.send(address.trim().to_owned());
                }
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.len() == 20 {
                    said.remove(0);
                }
                said.push(line);
            }
        });
        let address = address.recv_timeout(PATIENCE);
        let address = address.map_err(|_| format!("it does not serve: {:?}", process.said))?;
        Ok((process, address.parse()?))
    }

    /// A file of `/proc/<pid>`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    /// A line of `/proc/<pid>/status`, in bytes.
    pub(crate) fn memory(&self, key: &str) -> Result<u64, Failed> {
        let status = fs::read_to_string(self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let line = line.ok_or("the process has ended")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
    }

    /// It runs, and its memory was never above the bound.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        let ended = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()?;
        if let Some(status) = ended {
            let said = self
                .said
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .join("\n");
            return Err(format!("the server has ended: {status}\n{said}").into());
        }
        let peak = self.memory("VmHWM:")?;
        if peak >= BOUND {
            return Err(format!("it has had {} MiB of memory", peak >> 20).into());
        }
        Ok(())
    }
}

/// The binary, without the settings of whoever runs the tests.
fn binary(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PERENNIAL_"))
    {
        command.env_remove(name);
    }
    command.current_dir(folder.path()).env("TMPDIR", folder.path());
    command
}

/// A word of a connection string, such as that of `host`.
pub(crate) fn word<'a>(connection_string: &'a str, name: &str) -> Result<&'a str, Failed> {
    let found = connection_string
        .split_whitespace()
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| format!("the connection string has no {name}").into())
}

/// A variable of the environment that is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are configured by the environment alone"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
