//! The two servers that faults are played against.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::client::{Address, Connection};
use crate::process::{LAKE, PATIENCE, Process, VERIFIER, variable, word};

/// Names a real PostgreSQL; `cargo xtask test` starts one.
pub(crate) const POSTGRES: &str = "PERENNIAL_TEST_POSTGRES";
/// In this time the work of a client that has gone ends.
pub(crate) const WINDS_DOWN: Duration = Duration::from_secs(10);
/// How long processor time is watched to know whether anything computes, and the part of it that is nothing.
const WATCHED: Duration = Duration::from_millis(400);
const IDLE: f64 = 0.25;
/// Ticks a second of `/proc/<pid>/stat`.
const TICKS: f64 = 100.0;

/// The role of every fault and observer: it may read.
pub(crate) const READER: &str = "reader";
/// A role whose statements end after a second.
pub(crate) const TIMED: &str = "timed";
/// A role whose statements may have 64 megabytes.
pub(crate) const THRIFTY: &str = "thrifty";
/// The role of those who guess passwords: what they are made to wait for is not the reader's.
pub(crate) const GUESSED: &str = "guessed";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Perennial,
    Postgres,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Perennial => "perennial",
            Self::Postgres => "postgres",
        }
    }
}

/// A running server with a database `perennial`, a table `orders`, four roles and log-ins that time out after three seconds.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) address: Address,
    kind: Kind,
}

enum Kind {
    Perennial(Process),
    /// A session of the superuser, and when the server was started.
    Postgres(Mutex<Connection>, String),
}

impl Server {
    /// Starts the server; nothing where the control is not there.
    pub(crate) fn start(engine: Engine) -> Result<Option<Self>, Failed> {
        match engine {
            Engine::Perennial => perennial().map(Some),
            Engine::Postgres => variable(POSTGRES).map(|found| postgres(&found)).transpose(),
        }
    }

    /// A session of the reader.
    pub(crate) fn session(&self) -> Result<Connection, Failed> {
        self.session_with(READER, &[])
    }

    /// A session of a role, with settings of its startup packet.
    pub(crate) fn session_with(&self, role: &str, settings: &[(&str, &str)]) -> Result<Connection, Failed> {
        Connection::log_in(&self.address, role, settings)?
            .map_err(|refused| format!("{role} is refused: {refused:?}").into())
    }

    /// A session of the reader in a given time. Places that a fault has taken may become free in that time.
    pub(crate) fn session_within(&self, limit: Duration) -> Result<Connection, Failed> {
        let start = Instant::now();
        loop {
            match Connection::log_in(&self.address, READER, &[])? {
                Ok(session) if start.elapsed() < limit => return Ok(session),
                Err(refused) if refused.outcome() == "53300" && start.elapsed() < limit => {}
                Ok(_) => return Err(format!("a log-in takes {:?}", start.elapsed()).into()),
                Err(refused) => return Err(format!("nobody gets in: {refused:?}").into()),
            }
        }
    }

    /// Waits until no statement runs, but those that wait for their client to read.
    pub(crate) fn winds_down(&self) -> Result<(), Failed> {
        let start = Instant::now();
        while start.elapsed() < WINDS_DOWN {
            let quiet = match &self.kind {
                Kind::Perennial(process) => is_idle(process)?,
                Kind::Postgres(admin, _) => {
                    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                               AND backend_type = 'client backend' AND wait_event IS DISTINCT FROM 'ClientWrite'";
                    ask(admin, sql)? == "0"
                }
            };
            if quiet {
                return Ok(());
            }
        }
        Err(format!("work goes on for {WINDS_DOWN:?} after its client").into())
    }

    /// Measures the peak of memory from here on; gives what is resident now, in bytes.
    pub(crate) fn forget_peak(&self) -> Result<u64, Failed> {
        match &self.kind {
            Kind::Perennial(process) => {
                // As proc(5) has it: the peak becomes what is resident now.
                fs::write(process.file("clear_refs"), "5")?;
                process.memory("VmRSS:")
            }
            Kind::Postgres(..) => Ok(0),
        }
    }

    /// How much more memory than `before` the server has had since; of PostgreSQL nobody counts it.
    pub(crate) fn growth(&self, before: u64) -> Result<u64, Failed> {
        match &self.kind {
            Kind::Perennial(process) => Ok(process.memory("VmHWM:")?.saturating_sub(before)),
            Kind::Postgres(..) => Ok(0),
        }
    }

    /// Descriptors that are open.
    pub(crate) fn descriptors(&self) -> Result<usize, Failed> {
        match &self.kind {
            Kind::Perennial(process) => Ok(fs::read_dir(process.file("fd"))?.count()),
            Kind::Postgres(admin, _) => Ok(ask(admin, "SELECT count(*) FROM pg_stat_activity")?.parse()?),
        }
    }

    /// Threads; of PostgreSQL nobody counts them.
    pub(crate) fn threads(&self) -> Result<usize, Failed> {
        match &self.kind {
            Kind::Perennial(process) => Ok(fs::read_dir(process.file("task"))?.count()),
            Kind::Postgres(..) => Ok(0),
        }
    }

    /// All files of the lake, with their sizes; none of PostgreSQL.
    pub(crate) fn files(&self) -> Result<Vec<(PathBuf, u64)>, Failed> {
        let mut files = Vec::new();
        if let Kind::Perennial(process) = &self.kind {
            list(&process.folder.path().join(LAKE), &mut files)?;
            files.sort();
        }
        Ok(files)
    }

    /// Waits until no file of a statement is left; of PostgreSQL nobody looks for them.
    pub(crate) fn has_no_spilled_files(&self) -> Result<(), Failed> {
        let Kind::Perennial(process) = &self.kind else {
            return Ok(());
        };
        let start = Instant::now();
        loop {
            let mut files = Vec::new();
            // A file that goes while it is listed is an error.
            let listed = list(process.folder.path(), &mut files);
            files.retain(|(path, _)| !path.starts_with(process.folder.path().join(LAKE)));
            if listed.is_ok() && files.is_empty() {
                return Ok(());
            }
            if start.elapsed() > WINDS_DOWN {
                return Err(format!("files are left: {files:?}").into());
            }
        }
    }

    /// It is the process that it was, and its memory was never above the bound.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        match &self.kind {
            Kind::Perennial(process) => process.check(),
            Kind::Postgres(admin, started) => {
                let now = ask(admin, STARTED)?;
                if now == *started {
                    Ok(())
                } else {
                    Err("it was started again".into())
                }
            }
        }
    }
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<(), Failed> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(())
}

/// Whether hardly any processor time passes.
fn is_idle(process: &Process) -> Result<bool, Failed> {
    let (before, start) = (processor_seconds(process)?, Instant::now());
    while start.elapsed() < WATCHED {
        std::thread::yield_now();
    }
    Ok(processor_seconds(process)? - before < IDLE * WATCHED.as_secs_f64())
}

fn processor_seconds(process: &Process) -> Result<f64, Failed> {
    let stat = fs::read_to_string(process.file("stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
    // Fields 14 and 15 of the line: user and system; behind the name the first is field 3.
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// Serves the small demo. A statement may have a gigabyte; all of them, with all that is not counted, stay below the bound.
fn perennial() -> Result<Server, Failed> {
    let (process, address) = Process::serve(|demo| {
        let role = |name: &str| format!("[[role]]\nname = \"{name}\"\npassword = \"{VERIFIER}\"\n");
        let roles = [READER, GUESSED].map(role).concat();
        let thrifty = format!("{}statement_memory = \"64MB\"\n", role(THRIFTY));
        let timed = format!("{}statement_timeout = \"1s\"\n", role(TIMED));
        let server = "authentication = \"scram-sha-256\"\nunix_socket = \"off\"\nmemory = \"2GB\"\n\
                      statement_memory = \"1GB\"\nspill_limit = \"100MB\"\nlogin_timeout = \"3s\"\n";
        Ok(format!("{server}{}{roles}{thrifty}{timed}", certificate(demo)?))
    })?;
    Ok(Server {
        engine: Engine::Perennial,
        address: Address::Tcp(address),
        kind: Kind::Perennial(process),
    })
}

/// The keys of a certificate made for this run; none without openssl, and then no encryption is offered.
fn certificate(folder: &Path) -> Result<String, Failed> {
    let (pem, key) = (folder.join("server.pem"), folder.join("server.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&pem)
        .output();
    Ok(match made {
        Ok(made) if made.status.success() => {
            format!("tls_certificate = {pem:?}\ntls_key = {key:?}\n")
        }
        _ => String::new(),
    })
}

const STARTED: &str = "SELECT pg_postmaster_start_time()";

/// Sets the control up, in a database of its own. What its configuration has to say is in `xtask::postgres`.
fn postgres(connection_string: &str) -> Result<Server, Failed> {
    let part = |name| word(connection_string, name);
    let address = Address::Unix(Path::new(part("host")?).join(format!(".s.PGSQL.{}", part("port")?)));
    let superuser = part("user")?;
    let log_in = |database| {
        Connection::log_in(&address, superuser, &[("database", database)])?
            .map_err(|refused| Failed::from(format!("{superuser} is refused: {refused:?}")))
    };
    let mut admin = log_in("postgres")?;
    admin.ask("DROP DATABASE IF EXISTS perennial")?;
    admin.ask("CREATE DATABASE perennial")?;
    for role in [READER, GUESSED, THRIFTY, TIMED] {
        admin.ask(&format!("DROP ROLE IF EXISTS {role}"))?;
        admin.ask(&format!("CREATE ROLE {role} LOGIN PASSWORD '{VERIFIER}'"))?;
        // It does not look for clients that have gone unless it is told to.
        admin.ask(&format!(
            "ALTER ROLE {role} SET client_connection_check_interval = '1s'"
        ))?;
    }
    admin.ask(&format!("ALTER ROLE {TIMED} SET statement_timeout = '1s'"))?;
    let mut admin = log_in("perennial")?;
    admin.ask("CREATE TABLE orders (order_id text, customer_id text, amount numeric, status text)")?;
    admin.ask("INSERT INTO orders SELECT x, x % 7, x, 'paid' FROM generate_series(1, 1000) AS t(x)")?;
    admin.ask("GRANT SELECT ON orders TO PUBLIC")?;
    let started = admin.ask(STARTED)?;
    Ok(Server {
        engine: Engine::Postgres,
        address,
        kind: Kind::Postgres(Mutex::new(admin), started),
    })
}

fn ask(admin: &Mutex<Connection>, sql: &str) -> Result<String, Failed> {
    let mut admin = admin.lock().unwrap_or_else(PoisonError::into_inner);
    admin.within(PATIENCE).ask(sql)
}
