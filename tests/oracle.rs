//! The oracles: one test per folder of `oracle/`, every case on the embedded engine. `README.md` has the format.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use perennial_testkit::oracle::{Case, Oracle};
use perennial_testkit::servers::Servers;
use perennial_testkit::slt::{TextQuery, TextResult};
use tokio::runtime::Runtime;

/// Cases that a failing test shows; the others are counted.
const SHOWN: usize = 10;

/// The scripts that made the answers.
const SCRIPTS: &str = "generate";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle");
    let servers = Arc::new(Servers::default());
    let trial = |folder: PathBuf| {
        let servers = Arc::clone(&servers);
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Trial::test(name, move || run(&servers, &folder).map_err(Failed::from))
    };
    match folders(&root) {
        Ok(folders) => libtest_mimic::run(&arguments, folders.into_iter().map(trial).collect()).exit_code(),
        Err(error) => {
            let problem = format!("cannot read {}: {error}", root.display());
            libtest_mimic::run(&arguments, vec![Trial::test("oracle", || Err(problem.into()))]).exit_code()
        }
    }
}

fn folders(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != SCRIPTS {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn run(servers: &Servers, folder: &Path) -> Result<(), String> {
    let oracle = Oracle::read(folder).map_err(|error| error.to_string())?;
    // A server brings a runtime of its own, so it is started outside of ours.
    let server = servers.of(oracle.lake());
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let mut session = server.embedded_session();
    let mut failed = 0;
    let mut report = String::new();
    for case in oracle.cases() {
        let answer = runtime.block_on(ask(session.as_mut(), case));
        if answer
            .as_ref()
            .is_ok_and(|answer| oracle.agrees(case, answer.as_deref()))
        {
            continue;
        }
        failed += 1;
        if failed <= SHOWN {
            let expected = case.expected.as_deref().unwrap_or("NULL");
            let answer = answer.map_or_else(
                |error| error,
                |answer| answer.unwrap_or_else(|| "NULL".to_owned()),
            );
            let _infallible = writeln!(
                report,
                "line {}: expected {expected}\n  answer: {answer}\n  query: {}",
                case.line, case.sql
            );
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(format!(
        "{failed} of {} cases of {} differ\n{report}",
        oracle.cases().len(),
        folder.display()
    ))
}

/// The one value of a query.
async fn ask(session: &mut dyn TextQuery, case: &Case) -> Result<Option<String>, String> {
    match session.query(&case.sql).await {
        Err(error) => Err(error.to_string()),
        Ok(TextResult::Complete(_)) => Err("no result set".to_owned()),
        Ok(TextResult::Rows { rows, .. }) => match <[Vec<Option<String>>; 1]>::try_from(rows) {
            Ok([row]) => match <[Option<String>; 1]>::try_from(row) {
                Ok([value]) => Ok(value),
                Err(row) => Err(format!("{} columns", row.len())),
            },
            Err(rows) => Err(format!("{} rows", rows.len())),
        },
    }
}
