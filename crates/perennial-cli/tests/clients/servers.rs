//! The two servers that suites are played on, with the same relations.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::process::{PASSWORD, Process, VERIFIER, word};

/// Names a real PostgreSQL; `cargo xtask test` starts one.
pub(crate) const POSTGRES: &str = "PERENNIAL_TEST_POSTGRES";
const DATABASE: &str = "perennial";
/// Who the clients are.
const ROLE: &str = "analyst";
/// Statements that make the same relations elsewhere, as `psql` prints them from our catalog.
const MIRROR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/mirror.sql");
/// The tables of a database of ours, as they are named in statements.
const TABLES: &str = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
                      WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'";

/// A server with the role and its password.
pub(crate) struct Server {
    host: String,
    port: String,
    kind: Kind,
}

enum Kind {
    Perennial(Process),
    /// With a folder for what clients write.
    Postgres(TempDir),
}

impl Server {
    /// The binary over a small demo.
    pub(crate) fn perennial() -> Result<Self, Failed> {
        let (process, address) = Process::serve(|_| {
            let role = format!("[[role]]\nname = \"{ROLE}\"\npassword = \"{VERIFIER}\"\n");
            Ok(format!(
                "authentication = \"scram-sha-256\"\nunix_socket = \"off\"\n{role}"
            ))
        })?;
        let SocketAddr::V4(address) = address else {
            return Err("it does not listen where it was told to".into());
        };
        Ok(Self {
            host: address.ip().to_string(),
            port: address.port().to_string(),
            kind: Kind::Perennial(process),
        })
    }

    /// PostgreSQL with a copy of everything that `other` serves; nothing where there is none.
    pub(crate) fn mirror(other: &Self, connection_string: &str) -> Result<Self, Failed> {
        let superuser = |database: &str| {
            let mut psql = Command::new("psql");
            psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d"])
                .arg(format!("{connection_string} dbname={database}"))
                .env("PGOPTIONS", "-c client_min_messages=warning");
            psql
        };
        output(superuser("postgres").args([
            "-c",
            &format!("DROP DATABASE IF EXISTS {DATABASE}"),
            "-c",
            &format!("CREATE DATABASE {DATABASE}"),
            "-c",
            &format!("DROP ROLE IF EXISTS {ROLE}"),
            "-c",
            &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{VERIFIER}'"),
        ]))?;
        let folder = tempfile::Builder::new().prefix("perennial-mirror-").tempdir()?;
        let script = folder.path().join("mirror.sql");
        std::fs::write(&script, output(other.psql().args(["-f", MIRROR]))?)?;
        output(superuser(DATABASE).arg("-f").arg(&script))?;
        for table in output(other.psql().args(["-c", TABLES]))?.lines() {
            let rows = folder.path().join("rows");
            let shown = rows.display();
            output(other.psql().args(["-c", &format!("\\copy {table} TO '{shown}'")]))?;
            // Rows come in any order of tables: what they refer to may come later.
            output(superuser(DATABASE).args([
                "-c",
                "SET session_replication_role = replica",
                "-c",
                &format!("\\copy {table} FROM '{shown}'"),
            ]))?;
        }
        Ok(Self {
            host: "127.0.0.1".to_owned(),
            port: word(connection_string, "port")?.to_owned(),
            kind: Kind::Postgres(folder),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Perennial(_) => "perennial",
            Kind::Postgres(_) => "PostgreSQL",
        }
    }

    /// The variables by which every client finds it.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 5] {
        [
            ("PGHOST", &self.host),
            ("PGPORT", &self.port),
            ("PGUSER", ROLE),
            ("PGPASSWORD", PASSWORD),
            ("PGDATABASE", DATABASE),
        ]
    }

    /// Where clients may write files.
    pub(crate) fn folder(&self) -> &Path {
        match &self.kind {
            Kind::Perennial(process) => process.folder.path(),
            Kind::Postgres(folder) => folder.path(),
        }
    }

    /// It is the process that it was.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        match &self.kind {
            Kind::Perennial(process) => process.check(),
            Kind::Postgres(_) => Ok(()),
        }
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1"])
            .envs(self.variables());
        psql
    }
}

/// What a program prints, if it ends well.
pub(crate) fn output(command: &mut Command) -> Result<String, Failed> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let (printed, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.success() {
        Ok(printed.into_owned())
    } else {
        Err(format!("{command:?}: {}\n{printed}\n{said}", output.status).into())
    }
}
