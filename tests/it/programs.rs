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

#[test]
fn psql_describes_what_is_served() {
    let server = TestServer::start(TestLake::demo_small());
    for (command, parts) in [
        (
            "\\d",
            vec!["public | customer_360", "public | orders", "public | products"],
        ),
        ("\\dt+", vec!["customer_360", "One row per customer"]),
        ("\\dn", vec!["perennial", "public", "raw"]),
        ("\\l", vec!["perennial", "UTF8"]),
        ("\\dv", vec!["cohort_retention_monthly", "| view |"]),
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
            "\\d orders",
            vec![
                "Foreign-key constraints:",
                "FOREIGN KEY (customer_id) REFERENCES customers(customer_id)",
            ],
        ),
        (
            "\\d customers",
            vec!["Referenced by:", "TABLE \"orders\" CONSTRAINT"],
        ),
        (
            "\\d raw.shop_orders",
            vec!["Table \"raw.shop_orders\"", "total_cents", "updated_at"],
        ),
        (
            "\\d customer_360",
            vec![
                "\"public.customer_360\"",
                "customer_id",
                "lifecycle_stage",
                "numeric(18,4)",
                "timestamp with time zone",
                "not null",
            ],
        ),
        ("\\d+ customer_360", vec!["The resolved person"]),
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

#[test]
fn psql_queries_in_portions_and_copies() {
    let server = TestServer::start(TestLake::demo_small());
    let commands = [
        "\\pset tuples_only on",
        "\\pset format unaligned",
        "\\set FETCH_COUNT 7",
        "SELECT x FROM generate_series(1, 20) AS t(x)",
    ];
    let Some(shown) = psql(&server, &commands) else {
        return;
    };
    let numbers: Vec<&str> = shown.lines().filter(|line| line.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers.len(), 20, "{shown}");
    let copy = "\\copy (SELECT 1 AS a, 'x,y' AS b) TO STDOUT WITH (FORMAT csv, HEADER)";
    assert_eq!(psql(&server, &[copy]).as_deref(), Some("a,b\n1,\"x,y\"\n"));
    // Only what comes as a script may follow a statement on its line.
    let script = server.lake().folder().join("gdesc.sql");
    std::fs::write(&script, "SELECT 1::int AS a, 1.5::numeric(10,2) AS b \\gdesc\n").unwrap();
    let described = psql(&server, &[&format!("\\i {}", script.display())]).unwrap_or_default();
    assert!(
        described.contains("integer") && described.contains("numeric(10,2)"),
        "{described}"
    );
}

const PSYCOPG: &str = r#"
import sys, datetime, decimal
import psycopg
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("SET TIME ZONE 'UTC'")
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            cursor.execute("SELECT %s::int, %s::text, %s::numeric, %s::timestamptz, %s::bool, %s::int[]",
                (1, "a'b", decimal.Decimal("1.50"), datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), True, [1, None]), prepare=True)
            row = cursor.fetchone()
            assert row == (1, "a'b", decimal.Decimal("1.50"), datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), True, [1, None]), row
    with connection.cursor(name="portions") as cursor:
        cursor.itersize = 10
        cursor.execute("SELECT x FROM generate_series(1, 95) AS t(x)")
        assert sum(row[0] for row in cursor) == 95 * 96 // 2
    for binary in (False, True):
        with connection.cursor(name="later", binary=binary) as cursor:
            cursor.execute("SELECT customer_id, orders FROM customer_360 WHERE orders >= %s AND lifecycle_stage <> %s ORDER BY 1", (2, "churned"))
            some = cursor.fetchmany(3)
            assert len(some) == 3 and all(orders >= 2 for _, orders in some), some
    # What it sends often it prepares; the columns are those of the cursor that has the name now.
    connection.prepare_threshold = 0
    for query, expected in (("SELECT 1::int8", (1,)), ("SELECT DATE '2026-01-31', 'x'", (datetime.date(2026, 1, 31), "x"))):
        connection.execute("DECLARE f CURSOR FOR " + query)
        assert connection.execute("FETCH 1 FROM f").fetchone() == expected
        connection.execute("CLOSE f")
    connection.prepare_threshold = 5
    with connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT x, 'r' || x FROM generate_series(1, 5) AS t(x)) TO STDOUT") as copy:
            copy.set_types(["int8", "text"])
            assert list(copy.rows()) == [(n, f"r{n}") for n in range(1, 6)]
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (n,)) for n in range(5)]
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(5))
    try:
        connection.execute("SELECT 1/0")
    except psycopg.errors.DivisionByZero:
        connection.rollback()
    stages = connection.execute("SELECT lifecycle_stage, count(*) FROM customer_360 GROUP BY 1").fetchall()
    assert sum(count for _, count in stages) == connection.execute("SELECT count(*) FROM customers").fetchone()[0]
print("done")
"#;

#[test]
fn psycopg_sends_and_reads_every_way_it_has() {
    let Some(mut python) = python() else { return };
    let server = TestServer::start(TestLake::demo_small());
    let shown = printed(python.args(["-c", PSYCOPG, &server.connection_string()]));
    assert_eq!(shown.as_deref(), Some("done\n"), "{python:?} is named and absent");
}

#[test]
fn sqlalchemy_inspects_and_reflects_with_both_of_its_drivers() {
    for driver in ["psycopg", "psycopg2"] {
        let Some(mut python) = python() else { return };
        let server = TestServer::start(TestLake::demo_small());
        let url = format!(
            "postgresql+{driver}://admin@127.0.0.1:{}/perennial",
            server.port()
        );
        let script = include_str!("python/sqlalchemy_inspects.py");
        let shown = printed(python.args(["-c", script, &url]));
        assert_eq!(shown.as_deref(), Some("done\n"), "{python:?} is named and absent");
    }
}

#[test]
fn asyncpg_sends_and_reads_every_way_it_has() {
    let Some(mut python) = python() else { return };
    let server = TestServer::start(TestLake::demo_small());
    let script = include_str!("python/asyncpg_asks.py");
    let shown = printed(python.args(["-c", script, &server.port().to_string()]));
    assert_eq!(shown.as_deref(), Some("done\n"), "{python:?} is named and absent");
}
