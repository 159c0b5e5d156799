//! `cargo xtask setup`: installs what the tests need and the machine lacks. System packages come from `apt-get` when it
//! is there and the user is root; the rest goes to a folder of its own outside of the clone. What is there stays.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{answers, cache_folder, output, say};

/// What the tests can use. What could not be installed is absent.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The interpreter of an environment with the drivers in [`PYTHON_PACKAGES`].
    pub(crate) python: Option<PathBuf>,
    /// The class path of the JDBC driver.
    pub(crate) pgjdbc: Option<OsString>,
    /// The folder with PostgreSQL's programs.
    pub(crate) postgres: Option<PathBuf>,
    /// The interpreter of an environment with an S3 server.
    pub(crate) moto: Option<PathBuf>,
    /// The program that is an Azure server, for `node`.
    pub(crate) azurite: Option<PathBuf>,
}

impl Tools {
    /// The names of those that could not be installed.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &'static str> {
        let programs = REQUIREMENTS.iter().filter(|requirement| !(requirement.present)());
        let tools = [
            ("the Python environment", self.python.is_none()),
            ("the JDBC driver", self.pgjdbc.is_none()),
            ("the S3 server", self.moto.is_none()),
            ("the Azure server", self.azurite.is_none()),
        ];
        let tools = tools
            .into_iter()
            .filter_map(|(name, absent)| absent.then_some(name));
        programs.map(|requirement| requirement.package).chain(tools)
    }
}

/// The drivers that suites of clients use, and the databases that answer beside us.
const PYTHON_PACKAGES: &str = include_str!("../../perennial-cli/tests/clients/packages/python.txt");
/// Those that `cargo xtask clients` alone plays: the drivers for Node, and programs with an environment of their own, each
/// with the variable that names its interpreter. A line may be an option of pip: pgAdmin has parts that come as sources only.
const NODE_PACKAGES: &str = include_str!("../../perennial-cli/tests/clients/packages/node.txt");
const PYTHON_PROGRAMS: [(&str, &str, &str); 4] = [
    (
        "PERENNIAL_TEST_PGCLI",
        "tools/clients-pgcli",
        include_str!("../../perennial-cli/tests/clients/packages/pgcli.txt"),
    ),
    (
        "PERENNIAL_TEST_PGADMIN",
        "tools/clients-pgadmin",
        include_str!("../../perennial-cli/tests/clients/packages/pgadmin.txt"),
    ),
    (
        "PERENNIAL_TEST_SUPERSET",
        "tools/clients-superset",
        include_str!("../../perennial-cli/tests/clients/packages/superset.txt"),
    ),
    (
        "PERENNIAL_TEST_DBT",
        "tools/clients-dbt",
        include_str!("../../perennial-cli/tests/clients/packages/dbt.txt"),
    ),
];

/// The S3 server of the store tests.
const MOTO: &str = "moto[s3,server]==5.2.5\n";
/// The Azure server of the store tests.
const AZURITE: &str = "azurite@3.37.0";

/// The driver and what it needs for SCRAM.
const PGJDBC_PACKAGES: [&str; 3] = ["libpostgresql-jdbc-java", "libscram-java", "libstringprep-java"];

/// The driver of ODBC and the libraries that it and pyodbc are linked with.
const PSQLODBC_PACKAGES: [&str; 4] = ["odbc-postgresql", "libodbcinst2", "libodbc2", "libltdl7"];

const POSTGRES_PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A program from a system package.
struct Requirement {
    package: &'static str,
    present: fn() -> bool,
    used_by: &'static str,
}

const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        package: "python3-venv",
        present: || answers("python3", &["-c", "import venv, ensurepip"]),
        used_by: "the tests with Python drivers",
    },
    Requirement {
        package: "postgresql-15",
        present: || Path::new(POSTGRES_PROGRAMS).join("postgres").is_file(),
        used_by: "the tests that compare with PostgreSQL",
    },
    Requirement {
        package: "postgresql-client-15",
        present: || answers("psql", &["--version"]),
        used_by: "the tests with psql",
    },
    Requirement {
        package: "openssl",
        present: || answers("openssl", &["version"]),
        used_by: "the tests with TLS",
    },
    Requirement {
        package: "default-jdk-headless",
        present: || answers("javac", &["--version"]),
        used_by: "the tests with the JDBC driver",
    },
    Requirement {
        package: "npm",
        present: || answers("npm", &["--version"]),
        used_by: "the tests with an Azure store",
    },
];

/// Installs what is absent and says what could not be installed; whether that is an error is the caller's to say.
pub(crate) fn run() -> Result<Tools> {
    install_packages();
    let folder = cache_folder()?.join("tools");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let postgres = PathBuf::from(POSTGRES_PROGRAMS);
    Ok(Tools {
        python: optional(
            "the Python environment",
            install_python(&folder.join("python"), PYTHON_PACKAGES),
        ),
        pgjdbc: optional("the JDBC driver", install_pgjdbc(&folder.join("pgjdbc"))),
        postgres: postgres.join("postgres").is_file().then_some(postgres),
        moto: optional("the S3 server", install_python(&folder.join("moto"), MOTO)),
        azurite: optional("the Azure server", install_azurite(&folder.join("azurite"))),
    })
}

fn optional<T>(what: &str, result: Result<T>) -> Option<T> {
    match result {
        Ok(tool) => Some(tool),
        Err(error) => {
            say(format_args!(
                "{what} is absent, so the tests with it are skipped: {error:#}"
            ));
            None
        }
    }
}

fn install_packages() {
    let absent = || REQUIREMENTS.iter().filter(|requirement| !(requirement.present)());
    let packages: Vec<_> = absent().map(|requirement| requirement.package).collect();
    if packages.is_empty() {
        return;
    }
    if is_root() && answers("apt-get", &["--version"]) {
        say(format_args!("installing {}", packages.join(", ")));
        if let Err(error) = apt_install(&packages) {
            say(format_args!("{error:#}"));
        }
    }
    for Requirement { package, used_by, .. } in absent() {
        say(format_args!(
            "{used_by} are skipped: install the package \"{package}\" to run them"
        ));
    }
}

fn apt_install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    output(apt().arg("update"))?;
    output(
        apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )?;
    Ok(())
}

fn is_root() -> bool {
    output(Command::new("id").arg("--user")).is_ok_and(|user| user.trim() == "0")
}

fn install_python(folder: &Path, packages: &str) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    once(folder, packages, || {
        output(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary=:all:",
        ];
        output(Command::new(&python).args(pip).args(packages.lines()))?;
        Ok(())
    })?;
    Ok(python)
}

fn install_azurite(folder: &Path) -> Result<PathBuf> {
    install_node(folder, AZURITE)?;
    Ok(folder.join("node_modules/azurite/dist/src/blob/main.js"))
}

/// Packages, a line each, in `node_modules` of the folder.
fn install_node(folder: &Path, packages: &str) -> Result<()> {
    once(folder, packages, || {
        fs::create_dir_all(folder)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        output(npm.arg(folder).args(packages.lines()))?;
        Ok(())
    })
}

/// Installs what the suites of all clients need beside the tools of every test, and gives the variables that name it.
///
/// # Errors
/// When something cannot be installed: whoever asks for all clients wants none left out.
pub(crate) fn clients() -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = cache_folder()?;
    let node = cache.join("tools/clients-node");
    install_node(&node, NODE_PACKAGES)?;
    let psqlodbc = install_psqlodbc(&cache.join("tools/clients-psqlodbc"))?;
    let mut named = vec![
        ("PERENNIAL_TEST_NODE", node),
        ("PERENNIAL_TEST_PSQLODBC", psqlodbc),
    ];
    for (variable, folder, packages) in PYTHON_PROGRAMS {
        named.push((variable, install_python(&cache.join(folder), packages)?));
    }
    Ok(named)
}

/// Debian's driver, which brings no second Java.
fn install_pgjdbc(folder: &Path) -> Result<OsString> {
    unpack(folder, &PGJDBC_PACKAGES)?;
    let jars = files_ending(&folder.join("usr/share/java"), ".jar")?;
    std::env::join_paths(jars).context("a folder with a colon in its name cannot be on a class path")
}

/// Debian's driver; gives the folder of its libraries, which is named after the machine.
fn install_psqlodbc(folder: &Path) -> Result<PathBuf> {
    unpack(folder, &PSQLODBC_PACKAGES)?;
    let folders = files_ending(&folder.join("usr/lib"), "-linux-gnu")?;
    let libraries = folders
        .into_iter()
        .find(|libraries| libraries.join("odbc").is_dir());
    libraries.context("the packages have no driver of ODBC")
}

/// Packages of Debian, unpacked into `folder`: this needs no root.
fn unpack(folder: &Path, packages: &[&str]) -> Result<()> {
    once(folder, &packages.join("\n"), || {
        fs::create_dir_all(folder)?;
        output(
            Command::new("apt-get")
                .current_dir(folder)
                .args(["-qq", "download"])
                .args(packages),
        )?;
        for archive in files_ending(folder, ".deb")? {
            output(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(&archive)
                    .arg(folder),
            )?;
        }
        Ok(())
    })
}

/// Fills `folder` by `install`, unless an earlier call has done so for the same `recipe`. What an interrupted call has left
/// is removed first: the recipe is written last.
fn once(folder: &Path, recipe: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let marker = folder.join("recipe");
    if fs::read_to_string(&marker).is_ok_and(|done| done == recipe) {
        return Ok(());
    }
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    say(format_args!("installing into {}", folder.display()));
    install()?;
    fs::write(&marker, recipe).with_context(|| format!("cannot write {}", marker.display()))
}

fn files_ending(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(ending) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_installed_once_and_again_when_it_changes() {
        let base = std::env::temp_dir().join(format!("perennial-setup-{}", std::process::id()));
        let folder = base.join("tool");
        let install = |recipe: &str, result: Result<()>| {
            let mut ran = false;
            let outcome = once(&folder, recipe, || {
                ran = true;
                fs::create_dir_all(&folder)?;
                result
            });
            (ran, outcome.is_ok())
        };
        assert_eq!(install("1", Err(anyhow::anyhow!("no network"))), (true, false));
        assert_eq!(install("1", Ok(())), (true, true));
        assert_eq!(install("1", Ok(())), (false, true));
        assert_eq!(install("2", Ok(())), (true, true));
        fs::remove_dir_all(base).unwrap();
    }
}
