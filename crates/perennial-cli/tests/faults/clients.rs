//! Clients that leave, do not read, do not write, or are too many.

use libtest_mimic::Failed;

use crate::bytes::{bind, message, parse, query, startup, sync};
use crate::client::Connection;
use crate::fault::Fault;
use crate::process::PATIENCE;
use crate::server::{READER, Server};
use crate::time::{ROWS, SILENT};

/// What a server may grow by for clients that take nothing, in bytes.
const FLAT: u64 = 256 << 20;
/// Threads, and descriptors, that a session may take, whatever it opens.
const MORE: usize = 100;

pub(crate) fn faults() -> Vec<Fault> {
    const AREA: &str = "clients";
    let faults = vec![
        Fault::new(AREA, "gone_while_rows_flow", &["winds down"], |server| {
            let mut session = server.session()?;
            session.send(&query(ROWS))?;
            session.first_row()?;
            // What was not read makes the system tell the server with a reset.
            drop(session);
            server.winds_down()?;
            Ok("winds down".to_owned())
        }),
        Fault::new(AREA, "gone_while_computing", &["winds down"], |server| {
            let mut session = server.session()?;
            session.send(&query(SILENT))?;
            drop(session);
            server.winds_down()?;
            Ok("winds down".to_owned())
        }),
        Fault::new(AREA, "half_closed_while_computing", &["winds down"], |server| {
            let mut session = server.session()?;
            session.send(&query(SILENT))?;
            session.no_more()?;
            server.winds_down()?;
            Ok("winds down".to_owned())
        }),
        Fault::new(AREA, "reads_nothing_of_a_terabyte", &["flat"], |server| {
            let before = server.forget_peak()?;
            let mut sessions = Vec::new();
            for _ in 0..4 {
                let mut session = server.session()?;
                session.send(&query(
                    "SELECT repeat('x', 1000) FROM generate_series(1, 100000) AS a(x), generate_series(1, 10000) AS b(y)"
                ))?;
                session.first_row()?;
                sessions.push(session);
            }
            // Each waits for its client now, and takes no processor time.
            server.winds_down()?;
            flat(server, before)
        }),
        Fault::new(AREA, "slow_logins", &["others are served"], |server| {
            let packet = startup(READER, &[]);
            let mut slow = Vec::new();
            for _ in 0..40 {
                slow.push(Connection::open(&server.address)?);
            }
            for byte in packet.iter().take(8) {
                for connection in &mut slow {
                    connection.send(&[*byte])?;
                }
                let mut other = server.session_within(crate::ANSWER)?;
                other.within(crate::ANSWER).ask("SELECT 1")?;
            }
            for mut connection in slow {
                connection.transcript()?;
            }
            Ok("others are served".to_owned())
        }),
        Fault::new(AREA, "600_logins", &["53300"], |server| {
            let mut sessions = Vec::new();
            let mut refused = "all get in".to_owned();
            for _ in 0..600 {
                match Connection::log_in(&server.address, READER, &[])? {
                    Ok(session) => sessions.push(session),
                    Err(reply) => {
                        refused = reply.outcome();
                        if refused != "53300" {
                            return Ok(refused);
                        }
                    }
                }
            }
            for session in &mut sessions {
                session.ask("SELECT 1")?;
            }
            Ok(refused)
        }),
        Fault::new(
            AREA,
            "1000_cursors_and_1000_portals",
            &["others are served"],
            cursors_and_portals,
        ),
        Fault::new(AREA, "churn", &["nothing leaks"], |server| {
            let before = server.descriptors()?;
            for round in 0..300 {
                let mut connection = Connection::open(&server.address)?;
                match round % 3 {
                    0 => {}
                    1 => connection.send(&startup(READER, &[]))?,
                    _ => {
                        server.session()?.ask("SELECT 1")?;
                    }
                }
            }
            server.winds_down()?;
            let start = std::time::Instant::now();
            while server.descriptors()? > before {
                if start.elapsed() > PATIENCE {
                    return Ok(format!("{} descriptors more", server.descriptors()? - before));
                }
            }
            Ok("nothing leaks".to_owned())
        }),
        Fault::new(AREA, "6000_prepared_statements", &["53400", "54000"], |server| {
            let mut session = server.session()?;
            for number in 0..6_000 {
                session.send(&[parse(&format!("s{number}"), "SELECT 1"), sync()].concat())?;
                let reply = session.reply()?;
                if reply.error.is_some() {
                    session.ask("SELECT 1")?;
                    return Ok(reply.outcome());
                }
            }
            Ok("all are kept".to_owned())
        })
        .postgres(&["all are kept"], "it has no bound on them"),
        Fault::new(
            AREA,
            "6000_statements_by_prepare",
            &["53400", "54000"],
            |server| {
                let mut session = server.session()?;
                for number in 0..6_000 {
                    let reply = session.query(&format!("PREPARE p{number} AS SELECT 1"))?;
                    if reply.error.is_some() {
                        session.ask("SELECT 1")?;
                        return Ok(reply.outcome());
                    }
                }
                Ok("all are kept".to_owned())
            },
        )
        .postgres(&["all are kept"], "it has no bound on them"),
    ];
    faults.into_iter().map(Fault::heavy).collect()
}

/// Opens as many cursors and suspends as many portals as a session may have, each in the midst of its rows. What they take
/// leaves threads and descriptors to others.
fn cursors_and_portals(server: &Server) -> Result<String, Failed> {
    const ROWS: &str = "SELECT x FROM generate_series(1, 100000) AS t(x)";
    let (threads, descriptors) = (server.threads()?, server.descriptors()?);
    let mut session = server.session()?;
    session.query("BEGIN")?;
    for number in 0..1_000 {
        let declared = session
            .within(PATIENCE)
            .query(&format!("DECLARE c{number} CURSOR FOR {ROWS}"))?;
        let fetched = session.query(&format!("FETCH 2 FROM c{number}"))?;
        if (declared.outcome(), fetched.outcome()) != ("= ".to_owned(), "= 1, 2".to_owned()) {
            return Ok(format!("cursor {number}: {declared:?}, {fetched:?}"));
        }
    }
    session.send(&[parse("s", ROWS), sync()].concat())?;
    session.reply()?;
    for number in 0..1_000 {
        let name = format!("p{number}");
        let two_rows = message(b'E', &[name.as_bytes(), b"\0\0\0\0\x02"].concat());
        session.send(&[bind(&name, "s", 0, &[]), two_rows, sync()].concat())?;
        let reply = session.within(PATIENCE).reply()?;
        if reply.outcome() != "= 1, 2" {
            return Ok(format!("portal {number}: {reply:?}"));
        }
    }
    let more = (server.threads()? - threads, server.descriptors()? - descriptors);
    if more.0 > MORE || more.1 > MORE {
        return Ok(format!("{} threads and {} descriptors more", more.0, more.1));
    }
    let mut other = server.session_within(crate::ANSWER)?;
    other.within(crate::ANSWER).ask("SELECT count(*) FROM orders")?;
    session.ask("SELECT count(*) FROM orders")?;
    let last = session.query("FETCH 1 FROM c999")?.outcome();
    Ok(if last == "= 3" {
        "others are served".to_owned()
    } else {
        last
    })
}

/// The outcome of a fault that must not take memory.
fn flat(server: &Server, before: u64) -> Result<String, Failed> {
    let grown = server.growth(before)?;
    Ok(if grown <= FLAT {
        "flat".to_owned()
    } else {
        format!("{} MiB more", grown >> 20)
    })
}
