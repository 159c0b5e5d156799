//! Limits of time, and statements that are cancelled.

use std::time::Duration;

use libtest_mimic::Failed;

use crate::bytes::{cancellation, query, startup};
use crate::client::Connection;
use crate::fault::{Fault, GRACE};
use crate::server::{READER, Server, TIMED};

/// Days of work without a row.
pub(crate) const SILENT: &str = "SELECT count(*) FROM generate_series(1, 10000000) AS a(x), \
                                 generate_series(1, 10000000) AS b(y) WHERE x::bigint * y = 7";
/// Days of rows.
pub(crate) const ROWS: &str =
    "SELECT x FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(y)";
/// Rows that fill a server's buffer, and then days of work without one.
fn rows_and_silence() -> String {
    format!(
        "SELECT repeat('x', 10000) FROM generate_series(1, 10) AS t(x) UNION ALL SELECT n::text FROM ({SILENT}) AS s(n)"
    )
}

/// The limit of time of these tests: that of the role `timed`.
const SECOND: Duration = Duration::from_secs(1);
/// The time for a log-in.
const LOGIN: Duration = Duration::from_secs(3);

pub(crate) fn faults() -> Vec<Fault> {
    [time(), cancel()].into_iter().flatten().collect()
}

fn time() -> Vec<Fault> {
    const AREA: &str = "time";
    let by =
        |name, sql: &'static str, role: &'static str, option: Option<&'static str>, set: &'static str| {
            Fault::new(AREA, name, &["57014"], move |server| {
                let options: Vec<_> = option.map(|option| ("options", option)).into_iter().collect();
                let mut session = server.session_with(role, &options)?;
                session.ask(set)?;
                let reply = session.within(SECOND + GRACE).query(sql)?;
                usable(&mut session, reply.outcome())
            })
        };
    const SET: &str = "SET statement_timeout = '1s'";
    const OPTION: Option<&str> = Some("-c statement_timeout=1s");
    vec![
        by("limit_by_set", SILENT, READER, None, SET),
        by("limit_by_set_while_rows_flow", ROWS, READER, None, SET),
        by("limit_by_role", SILENT, TIMED, None, ""),
        by("limit_by_role_while_rows_flow", ROWS, TIMED, None, ""),
        by("limit_by_startup_option", SILENT, READER, OPTION, ""),
        by(
            "limit_by_startup_option_while_rows_flow",
            ROWS,
            READER,
            OPTION,
            "",
        ),
        by(
            "limit_in_a_transaction",
            SILENT,
            READER,
            None,
            "BEGIN; SET LOCAL statement_timeout = '1s'",
        ),
        Fault::new(AREA, "idle_in_a_transaction", &["25P03"], |server| {
            let mut session = server.session()?;
            session.ask("SET idle_in_transaction_session_timeout = '1s'")?;
            session.ask("BEGIN")?;
            session.within(SECOND + GRACE).transcript()
        }),
        Fault::new(AREA, "idle", &["57P05"], |server| {
            let mut session = server.session()?;
            session.ask("SET idle_session_timeout = '1s'")?;
            session.within(SECOND + GRACE).transcript()
        }),
        Fault::new(AREA, "login_that_never_begins", &[""], |server| {
            Connection::open(&server.address)?
                .within(LOGIN + GRACE)
                .transcript()
        }),
        Fault::new(
            AREA,
            "login_without_a_password",
            &["R10", "R10 57014"],
            |server| {
                let mut connection = Connection::open(&server.address)?;
                connection.send(&startup(READER, &[]))?;
                connection.within(LOGIN + GRACE).transcript()
            },
        ),
    ]
}

fn cancel() -> Vec<Fault> {
    const AREA: &str = "cancel";
    vec![
        Fault::new(AREA, "while_computing", &["57014 user request"], |server| {
            cancelled(server, &rows_and_silence())
        }),
        Fault::new(AREA, "while_sending", &["57014 user request"], |server| {
            cancelled(server, ROWS)
        }),
        Fault::new(AREA, "wrong_keys", &["57014 statement timeout"], |server| {
            let mut session = server.session()?;
            session.ask("SET statement_timeout = '3s'")?;
            session.send(&query(&rows_and_silence()))?;
            session.first_row()?;
            let (pid, secret) = session.key.split_first_chunk::<4>().ok_or("no key")?;
            let secret = u32::from_be_bytes(*secret.first_chunk::<4>().ok_or("no secret")?);
            let wrong: Vec<_> = (1..=300_u32)
                .map(|wrong| [*pid, secret.wrapping_add(wrong).to_be_bytes()].concat())
                .collect();
            for key in wrong {
                ask_to_cancel(server, &key)?;
            }
            stopped(&mut session)
        }),
        Fault::new(AREA, "while_idle", &["= 1"], |server| {
            let mut session = server.session()?;
            ask_to_cancel(server, &session.key)?;
            Ok(session.query("SELECT 1")?.outcome())
        }),
        Fault::new(AREA, "of_nobody", &[""], |server| ask_to_cancel(server, &[0; 8])),
        Fault::new(AREA, "without_a_secret", &["", "08P01"], |server| {
            ask_to_cancel(server, &[0; 4])
        }),
    ]
}

/// Starts a statement, cancels it once it has given a row, and tells by what it was stopped.
fn cancelled(server: &Server, sql: &str) -> Result<String, Failed> {
    let mut session = server.session()?;
    session.send(&query(sql))?;
    session.first_row()?;
    let answer = ask_to_cancel(server, &session.key)?;
    if !answer.is_empty() {
        return Err(format!("a request to cancel is answered {answer:?}").into());
    }
    stopped(&mut session)
}

/// Sends a request to cancel, and gives what is said to it.
fn ask_to_cancel(server: &Server, key: &[u8]) -> Result<String, Failed> {
    let mut connection = Connection::open(&server.address)?;
    connection.send(&cancellation(key))?;
    connection.transcript()
}

/// How a running statement ends: its SQLSTATE and the reason.
fn stopped(session: &mut Connection) -> Result<String, Failed> {
    let reply = session.within(2 * GRACE).reply()?;
    let reason = reply.message().rsplit(" due to ").next().unwrap_or_default();
    let outcome = format!("{} {reason}", reply.outcome());
    session.ask("SET statement_timeout = 0")?;
    usable(session, outcome)
}

/// The outcome, of a session that goes on.
fn usable(session: &mut Connection, outcome: String) -> Result<String, Failed> {
    session.ask("ROLLBACK")?;
    match session.ask("SELECT 1")?.as_str() {
        "1" => Ok(outcome),
        other => Err(format!("its session answers {other:?} afterwards").into()),
    }
}
