//! The suites: which program plays each, and on what.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use crate::process::variable;
use crate::rust;
use crate::servers::{Server, output};
use crate::transcript::of_psql;

/// The programs of suites, each below a folder for its language.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// One client, and the program that is its user.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    player: Player,
    /// Names what else has to be installed.
    needs: Option<&'static str>,
    /// Not for every run of the tests: `cargo xtask clients` plays it.
    pub(crate) heavy: bool,
}

/// What a program runs in. A variable of the environment names what was installed for it.
enum Player {
    /// An interpreter with the drivers.
    Python(&'static str),
    /// Statements of a tool that is not here itself: `python/statements.py` plays them as the tool sends them.
    Statements,
    /// A folder with `node_modules`.
    Node,
    /// This process.
    Rust,
    /// A class with a `main`, beside those of `java/`; the class path has the driver.
    Java(&'static str),
    /// A script, in which `\echo == NAME` stands before each check, and `\echo == part WORDS` before each part; all that is
    /// printed below is the answer.
    Psql,
}

/// The interpreter of the drivers that have no environment of their own.
const DRIVERS: &str = "PERENNIAL_TEST_PYTHON";
const NODE: &str = "PERENNIAL_TEST_NODE";
const PGJDBC: &str = "PERENNIAL_TEST_PGJDBC";

pub(crate) const SUITES: &[Suite] = &[
    Suite::of("psql", Player::Psql),
    Suite::of("describe", Player::Psql),
    Suite::of("completion", Player::Psql),
    Suite::of("psycopg", Player::Python(DRIVERS)),
    Suite::of("sqlalchemy", Player::Python(DRIVERS)),
    Suite::of("adbc", Player::Python(DRIVERS)),
    Suite::of("asyncpg", Player::Python(DRIVERS)),
    Suite::of("tokio_postgres", Player::Rust),
    Suite::of("pgjdbc", Player::Java("Pgjdbc")),
    Suite::of("psycopg2", Player::Python(DRIVERS)).heavy(),
    Suite::of("pg8000", Player::Python(DRIVERS)).heavy(),
    Suite::of("psqlodbc", Player::Python(DRIVERS))
        .with("PERENNIAL_TEST_PSQLODBC")
        .heavy(),
    Suite::of("pandas", Player::Python(DRIVERS)).heavy(),
    Suite::of("polars", Player::Python(DRIVERS)).heavy(),
    Suite::of("connectorx", Player::Python(DRIVERS)).heavy(),
    Suite::of("ibis", Player::Python(DRIVERS)).heavy(),
    Suite::of("pgcli", Player::Python("PERENNIAL_TEST_PGCLI")).heavy(),
    Suite::of("pgadmin", Player::Python("PERENNIAL_TEST_PGADMIN")).heavy(),
    Suite::of("superset", Player::Python("PERENNIAL_TEST_SUPERSET")).heavy(),
    Suite::of("dbt", Player::Python("PERENNIAL_TEST_DBT")).heavy(),
    Suite::of("node_postgres", Player::Node).heavy(),
    Suite::of("postgres_js", Player::Node).heavy(),
    Suite::of("pgadmin_statements", Player::Statements).heavy(),
    Suite::of("metabase", Player::Statements).heavy(),
    Suite::of("grafana", Player::Statements).heavy(),
    Suite::of("dbeaver", Player::Statements).heavy(),
    Suite::of("datagrip", Player::Statements).heavy(),
    Suite::of("tableau", Player::Statements).heavy(),
    Suite::of("npgsql", Player::Statements).heavy(),
    Suite::of("excel", Player::Statements).heavy(),
];

impl Suite {
    const fn of(name: &'static str, player: Player) -> Self {
        Self {
            name,
            player,
            needs: None,
            heavy: false,
        }
    }

    const fn with(self, needed: &'static str) -> Self {
        Self {
            needs: Some(needed),
            ..self
        }
    }

    const fn heavy(self) -> Self {
        Self { heavy: true, ..self }
    }

    /// Why it cannot be played, where something is absent.
    pub(crate) fn absent(&self) -> Option<String> {
        let player = match self.player {
            Player::Python(interpreter) => Some(interpreter),
            Player::Statements => Some(DRIVERS),
            Player::Node => Some(NODE),
            Player::Java(_) => Some(PGJDBC),
            Player::Psql | Player::Rust => None,
        };
        let mut needed = player.into_iter().chain(self.needs);
        if let Some(absent) = needed.find(|named| variable(named).is_none()) {
            return Some(format!("{absent} is not set"));
        }
        // A Java without a compiler runs no source.
        let compiles = || Command::new("javac").arg("--version").output().is_ok();
        (matches!(self.player, Player::Java(_)) && !compiles()).then(|| "there is no javac".to_owned())
    }

    /// Plays it on a server, and gives what it prints.
    ///
    /// # Errors
    /// When the program cannot be run, or does not end well.
    pub(crate) fn play(&self, server: &Server) -> Result<String, Failed> {
        let Some(mut command) = self.command(server)? else {
            return rust::play(server);
        };
        let printed = output(command.envs(server.variables()).current_dir(server.folder()))?;
        match self.player {
            Player::Psql => of_psql(&output(Command::new("psql").arg("--version"))?, &printed),
            _ => Ok(printed),
        }
    }

    /// The program, where there is one beside this process.
    fn command(&self, server: &Server) -> Result<Option<Command>, Failed> {
        let program = |folder, ending| {
            Path::new(FOLDER)
                .join(folder)
                .join(format!("{}.{ending}", self.name))
        };
        Ok(Some(match self.player {
            Player::Rust => return Ok(None),
            Player::Python(interpreter) => {
                let mut command = Command::new(installed(interpreter)?);
                command.arg("-B").arg(program("python", "py"));
                command
            }
            Player::Statements => {
                let mut command = Command::new(installed(DRIVERS)?);
                command
                    .arg("-B")
                    .arg(Path::new(FOLDER).join("python/statements.py"))
                    .arg(program("statements", "sql"));
                command
            }
            Player::Node => {
                let mut command = Command::new("node");
                command.arg(beside_its_packages(server)?.join(format!("{}.mjs", self.name)));
                command
            }
            Player::Java(class) => {
                let mut command = Command::new("java");
                command.arg("-cp").arg(compiled(server)?).arg(class);
                command
            }
            Player::Psql => {
                let mut command = Command::new("sh");
                command
                    .args(["-c", "exec psql -X -q -P pager=off -f \"$0\" 2>&1"])
                    .arg(program("psql", "sql"));
                command
            }
        }))
    }
}

/// Copies the programs for Node to where it finds what they import, and gives the folder.
fn beside_its_packages(server: &Server) -> Result<PathBuf, Failed> {
    let folder = server.folder().join("node");
    if !folder.exists() {
        fs::create_dir(&folder)?;
        symlink(
            Path::new(&installed(NODE)?).join("node_modules"),
            folder.join("node_modules"),
        )?;
        for entry in fs::read_dir(Path::new(FOLDER).join("node"))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    Ok(folder)
}

/// Compiles the programs in Java, and gives the class path with them and the driver.
fn compiled(server: &Server) -> Result<String, Failed> {
    let driver = installed(PGJDBC)?;
    let classes = server.folder().join("java");
    if !classes.exists() {
        let mut javac = Command::new("javac");
        javac
            .args(["-encoding", "UTF-8", "-cp", &driver, "-d"])
            .arg(&classes);
        for entry in fs::read_dir(Path::new(FOLDER).join("java"))? {
            javac.arg(entry?.path());
        }
        output(&mut javac)?;
    }
    Ok(format!("{}:{driver}", classes.display()))
}

fn installed(name: &str) -> Result<String, Failed> {
    variable(name).ok_or_else(|| format!("{name} is not set").into())
}
