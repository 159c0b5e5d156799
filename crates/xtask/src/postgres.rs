//! A PostgreSQL of the tests' own: fresh, on a Unix socket in a temporary folder and a port of this machine, gone afterwards.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::shell::{output, wait_until};

/// The superuser of the tests is who it says; every other role has a password, as the faults of log-ins need it.
const HBA: &str =
    "local all perennial trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// A running server. It is stopped and its folder removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    owner: Option<Owner>,
    server: Child,
}

/// Whom the server runs as: PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Cluster {
    /// Starts a server with the programs in `programs`. Its text output is that of the product: UTF-8, the C collation, UTC.
    pub(crate) fn start(programs: &Path) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("perennial-postgres-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Self::start_in(programs, &folder).inspect_err(|_| {
            let _removed = fs::remove_dir_all(&folder);
        })
    }

    fn start_in(programs: &Path, folder: &Path) -> Result<Self> {
        let owner = owner()?;
        if let Some(Owner { user, group }) = owner {
            chown(folder, Some(user), Some(group))?;
        }
        let data = folder.join("data");
        let initdb = [
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--username=perennial",
        ];
        output(
            as_owner(&mut Command::new(programs.join("initdb")), owner)
                .args(initdb)
                .arg("-D")
                .arg(&data),
        )?;

        fs::write(data.join("pg_hba.conf"), HBA)?;

        // Free a moment ago: nobody else is given it so soon again.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(programs.join("postgres"));
        as_owner(&mut command, owner)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder)
            .arg("-p")
            .arg(port.to_string())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "timezone=UTC"])
            // Faults wait for it.
            .args(["-c", "authentication_timeout=3s"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?);
        let server = command.spawn().context("cannot start the server")?;
        let mut cluster = Self {
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            port,
            owner,
            server,
        };
        cluster.wait()?;
        Ok(cluster)
    }

    /// Where a client finds the server.
    pub(crate) fn connection_string(&self) -> String {
        let Self { folder, port, .. } = self;
        format!(
            "host={} port={port} user=perennial dbname=postgres",
            folder.display()
        )
    }

    fn wait(&mut self) -> Result<()> {
        let Self {
            programs,
            folder,
            port,
            server,
            ..
        } = self;
        let ready = || {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.arg("--quiet").arg("--host").arg(&*folder);
            output(ready.arg("--port").arg(port.to_string())).is_ok()
        };
        wait_until(server, ready).with_context(|| {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            log.trim().to_owned()
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = Command::new(self.programs.join("pg_ctl"));
        as_owner(&mut stop, self.owner)
            .args(["stop", "--silent", "--mode=immediate", "-D"])
            .arg(self.folder.join("data"));
        // Nobody is left to hear of a failure, and the folder is a temporary one.
        if output(&mut stop).is_err() {
            let _gone = self.server.kill();
        }
        let _reaped = self.server.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// The user that Debian's package made, where the task runs as root; nobody else otherwise.
fn owner() -> Result<Option<Owner>> {
    if output(Command::new("id").arg("--user"))?.trim() != "0" {
        return Ok(None);
    }
    let id = |option| -> Result<u32> {
        let text = output(Command::new("id").args([option, "postgres"]))?;
        text.trim().parse().context("`id` prints no number")
    };
    Ok(Some(Owner {
        user: id("--user")?,
        group: id("--group")?,
    }))
}

fn as_owner(command: &mut Command, owner: Option<Owner>) -> &mut Command {
    // Not the current folder: the server's user may not enter it.
    command.current_dir("/");
    match owner {
        Some(Owner { user, group }) => command.uid(user).gid(group),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_somebody_else_only_for_root() {
        let root = output(Command::new("id").arg("--user")).unwrap().trim() == "0";
        match owner() {
            Ok(owner) => assert_eq!(owner.is_some(), root),
            Err(_) => assert!(root, "only root needs a second user"),
        }
    }
}
