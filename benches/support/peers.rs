//! Who runs beside us. `cargo xtask bench` installs them and names them in the environment.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::{Meter, Result};

/// The interpreter with DuckDB.
///
/// # Errors
/// When the environment names none.
pub fn python() -> Result<PathBuf> {
    variable("PERENNIAL_TEST_PYTHON").map(PathBuf::from)
}

/// How tokio-postgres connects to PostgreSQL.
///
/// # Errors
/// When the environment names none.
pub fn postgres() -> Result<String> {
    variable("PERENNIAL_TEST_POSTGRES")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the peers of a bench are no settings of the product"
)]
fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: run this by `cargo xtask bench`").into())
}

/// A DuckDB that answers statement by statement, in a process of its own.
#[derive(Debug)]
pub struct DuckDb {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl DuckDb {
    /// Starts it with a view over the files of each table.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(tables: &[(String, Vec<PathBuf>)]) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/duckdb_session.py");
        let mut process = Command::new(python()?)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(process.stdout.take().ok_or("no standard output")?);
        let mut peer = Self {
            process,
            input,
            output,
        };
        for (table, files) in tables.iter().filter(|(_, files)| !files.is_empty()) {
            let names: Vec<String> = files
                .iter()
                .map(|file| format!("'{}'", file.display().to_string().replace('\'', "''")))
                .collect();
            peer.query(&format!(
                "CREATE VIEW \"{table}\" AS SELECT * FROM read_parquet([{}])",
                names.join(", ")
            ))?;
        }
        Ok(peer)
    }

    /// The rows of a query as text.
    ///
    /// # Errors
    /// What DuckDB says.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        writeln!(self.input, "{}", json!({ "sql": sql }))?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line)?;
        if let Some(error) = answer["error"].as_str() {
            return Err(format!("DuckDB: {error}\n{sql}").into());
        }
        Ok(serde_json::from_value(answer["rows"].take())?)
    }

    /// What the system counts of its process.
    pub fn meter(&self) -> Meter {
        Meter::new(self.process.id())
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
