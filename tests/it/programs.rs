//! Real programs, where this machine has them.

use std::process::{Command, ExitStatus, Output};

use perennial_testkit::environment::{skipped, variable};
use perennial_testkit::{TestLake, TestServer};

/// How a program ends and what it prints; nothing where it is absent.
pub(crate) fn ended(command: &mut Command) -> Option<(ExitStatus, String, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skipped(format_args!("there is no {program}"));
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some((status, text(stdout), text(stderr)))
}

/// What a program prints when it succeeds; nothing where it is absent.
#[track_caller]
pub(crate) fn printed(command: &mut Command) -> Option<String> {
    let (status, stdout, stderr) = ended(command)?;
    assert!(
        status.success() && stderr.is_empty(),
        "{command:?} {status}\n{stdout}\n{stderr}"
    );
    Some(stdout)
}

/// The interpreter that has the drivers; nothing where none is named.
pub(crate) fn python() -> Option<Command> {
    let named = variable("PERENNIAL_TEST_PYTHON");
    if named.is_none() {
        skipped("PERENNIAL_TEST_PYTHON is not set");
    }
    named.map(Command::new)
}

fn psql(server: &TestServer, commands: &[&str]) -> Option<String> {
    let mut command = Command::new("psql");
    command.args(["-X", "-v", "ON_ERROR_STOP=1", "-d", &server.connection_string()]);
    for text in commands {
        command.args(["-c", text]);
    }
    printed(&mut command)
}

/// What PostgreSQL has not, and the suites of clients do not ask for therefore.
#[test]
fn psql_describes_what_is_served_here_alone() {
    let server = TestServer::start(TestLake::demo_small());
    for (command, parts) in [
        (
            "\\df",
            vec![
                "bgnbd_p_alive",
                "cohort_retention",
                "| SETOF record ",
                "mask_email",
                "address text",
                "ts timestamp without time zone, gap interval",
            ],
        ),
        (
            "\\df nps",
            vec!["nps", "| double precision", "score numeric, strict boolean"],
        ),
        ("\\du", vec!["perennial", "Superuser"]),
        (
            "\\d+ cohort_retention_monthly",
            vec!["SELECT * FROM cohort_retention('month');"],
        ),
    ] {
        let Some(shown) = psql(&server, &[command]) else {
            return;
        };
        for part in parts {
            assert!(shown.contains(part), "{command} lacks {part:?}:\n{shown}");
        }
    }
}

/// The commands of psql 15 that describe something, without their letters for the system's own and for more. `\dp` and `\z`
/// are answered with an error, as the list of differences says.
const DESCRIBES: &str = "d da dA dAc dAf dAo dAp db dc dC dd dD ddp dE des det deu dew df dF dFd dFp dFt dg di dl dL dm dn do dO \
                         dP dPi dPt drds dRp dRs ds dt dT du dv dx dX dy l sf|now sv|pg_views";

/// Those of [`DESCRIBES`], in all their forms, that a server answers with an error, each with the error.
fn refused_describes(connection: &str, folder: &std::path::Path) -> Option<Vec<String>> {
    let mut script = String::new();
    for command in DESCRIBES.split_ascii_whitespace() {
        let (command, argument) = command.split_once('|').unwrap_or((command, ""));
        for form in ["", "+", "S", "S+"] {
            script.push_str(&format!(
                "\\warn '>' {command}{form}\n\\{command}{form} {argument}\n"
            ));
        }
    }
    let file = folder.join("describes.sql");
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new("psql");
    command.args(["-X", "-d", connection, "-f"]).arg(&file);
    let (_, _, errors) = ended(&mut command)?;
    let mut refused = Vec::new();
    let mut asked = "";
    for line in errors.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            asked = command;
        } else if line.contains("ERROR:") {
            refused.push(format!("{asked}: {line}"));
        }
    }
    Some(refused)
}

#[test]
fn psql_describes_all_that_it_describes_on_postgres() {
    let server = TestServer::start(TestLake::demo_small());
    let folder = server.lake().folder();
    let Some(ours) = refused_describes(&server.connection_string(), folder) else {
        return;
    };
    assert_eq!(ours, Vec::<String>::new());
    // PostgreSQL answers all of them too.
    if let Some(postgres) = variable("PERENNIAL_TEST_POSTGRES") {
        let theirs = refused_describes(&postgres, folder);
        assert_eq!(theirs, Some(Vec::new()));
    }
}
