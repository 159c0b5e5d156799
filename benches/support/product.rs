//! The product as its users run it: the release binary.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::run;
use crate::{DemoLake, Meter, Result, demo_lake};

/// Cargo's target folder: a bench is `<target>/release/deps/<name>-<hash>`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let bench = std::env::current_exe()?;
    let folder = bench
        .ancestors()
        .nth(3)
        .ok_or("a bench outside of a target folder")?;
    Ok(folder.to_owned())
}

/// The release binary; cargo builds it when it is not fresh.
///
/// # Errors
/// When it cannot be built.
pub fn perennial() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells this bench of its own package makes build scripts run again, and DataFusion with them.
    for (name, _) in std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    }) {
        cargo.env_remove(name);
    }
    let status = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "perennial-cli",
        ])
        .status()?;
    if !status.success() {
        return Err("the product cannot be built".into());
    }
    Ok(target_folder()?.join("release/perennial"))
}

/// A running `perennial serve`, ended with this value.
#[derive(Debug)]
pub struct Served {
    process: Child,
    address: String,
}

impl Served {
    /// Serves a demo of `customers` people, unified before by this program: a server that does so itself would be measured
    /// while it works.
    ///
    /// # Errors
    /// When the demo cannot be made or unified, and when the server does not come up.
    pub fn demo(customers: u64) -> Result<(DemoLake, Self)> {
        let program = perennial()?;
        let lake = demo_lake(customers)?;
        let mut unify = Command::new(&program);
        run(
            unify.arg("unify").arg("--config").arg(lake.config()),
            &lake.folder,
        )?;
        let served = Self::start(&program, &lake.config())?;
        Ok((lake, served))
    }

    /// Serves the lake of `config` on a free port of the loopback.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(program: &Path, config: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(config)
            .args(["--listen", "127.0.0.1:0"])
            .env("PERENNIAL__LAKE__REFRESH", "off")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let told = process.stderr.take().ok_or("no standard error")?;
        let mut served = Self {
            process,
            address: String::new(),
        };
        let mut lines = BufReader::new(told).lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some(address) = line.strip_prefix("serving on ") {
                served.address = address.trim().to_owned();
                // What it says later must not fill the pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(served);
            }
        }
        Err("the server has ended before it served".into())
    }

    /// How tokio-postgres connects.
    ///
    /// # Errors
    /// When the address that was printed is none.
    pub fn connection_string(&self) -> Result<String> {
        let (host, port) = self.address.rsplit_once(':').ok_or("no address")?;
        Ok(format!("host={host} port={port} user=admin dbname=perennial"))
    }

    /// What the system counts of the server.
    pub fn meter(&self) -> Meter {
        Meter::new(self.process.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
