//! How a fault is declared: what is done to a server, and what may come of it.

use std::time::Duration;

use libtest_mimic::Failed;

use crate::bytes::terminate;
use crate::client::Connection;
use crate::server::{Engine, Server};

/// The `statement_timeout` under which every statement of a fault runs.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
/// How much later than at its limit a statement may end.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// What a server may grow by for bytes that make no statement, in bytes.
const FLAT: u64 = 128 << 20;

type Deed = Box<dyn Fn(&Server) -> Result<String, Failed> + Send + Sync>;

/// One fault. What comes of it is a SQLSTATE; rows behind `= `; or, of bytes, a transcript as `Connection::transcript`
/// gives it, in which an empty one is a connection that was closed without a word.
pub(crate) struct Fault {
    pub(crate) area: &'static str,
    pub(crate) name: &'static str,
    deed: Deed,
    /// What may come of it; `=` is any rows.
    expected: Vec<&'static str>,
    control: Control,
    /// Too heavy for every run of the tests: `cargo xtask faults` plays it.
    pub(crate) heavy: bool,
}

/// What PostgreSQL makes of the fault.
enum Control {
    /// The same.
    Same,
    /// It does not fulfil the expectation, for this reason; this is what comes of it there.
    Differs(Vec<&'static str>, &'static str),
}

impl Fault {
    /// Does anything to a server, and tells what came of it.
    pub(crate) fn new(
        area: &'static str,
        name: &'static str,
        expected: &[&'static str],
        deed: impl Fn(&Server) -> Result<String, Failed> + Send + Sync + 'static,
    ) -> Self {
        Self {
            area,
            name,
            deed: Box::new(deed),
            expected: expected.to_vec(),
            control: Control::Same,
            heavy: false,
        }
    }

    /// One statement, by itself.
    pub(crate) fn sql(
        area: &'static str,
        name: &'static str,
        sql: &'static str,
        expected: &[&'static str],
    ) -> Self {
        Self::made(area, name, expected, || sql.to_owned())
    }

    /// One statement that is too long to be written down.
    pub(crate) fn made(
        area: &'static str,
        name: &'static str,
        expected: &[&'static str],
        sql: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self::new(area, name, expected, move |server| run(server, &sql()))
    }

    /// Bytes after the log-in, and goodbye.
    pub(crate) fn bytes(
        area: &'static str,
        name: &'static str,
        expected: &[&'static str],
        bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::new(area, name, expected, move |server| {
            let bytes = [bytes(), terminate()].concat();
            play(server, &mut server.session()?, &bytes)
        })
    }

    /// Bytes after the log-in, with which the client's side ends.
    pub(crate) fn last_bytes(
        area: &'static str,
        name: &'static str,
        expected: &[&'static str],
        bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::new(area, name, expected, move |server| {
            play(server, &mut server.session()?.ending(), &bytes())
        })
    }

    /// Bytes on a connection on which nothing was sent before, with which the client's side ends.
    pub(crate) fn first_bytes(
        area: &'static str,
        name: &'static str,
        expected: &[&'static str],
        bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::new(area, name, expected, move |server| {
            play(server, &mut Connection::open(&server.address)?.ending(), &bytes())
        })
    }

    /// See [`Fault::heavy`].
    pub(crate) fn heavy(mut self) -> Self {
        self.heavy = true;
        self
    }

    /// See [`Control::Differs`].
    pub(crate) fn postgres(mut self, expected: &[&'static str], reason: &'static str) -> Self {
        self.control = Control::Differs(expected.to_vec(), reason);
        self
    }

    /// Plays it, and compares what came of it with what may.
    pub(crate) fn play(&self, server: &Server) -> Result<(), Failed> {
        let (expected, reason) = match &self.control {
            Control::Differs(expected, reason) if server.engine == Engine::Postgres => (expected, *reason),
            _ => (&self.expected, ""),
        };
        let outcome = (self.deed)(server)?;
        let fits = |expected: &&str| *expected == outcome || (*expected == "=" && outcome.starts_with("= "));
        if expected.iter().any(fits) {
            return Ok(());
        }
        let shown: String = outcome.chars().take(300).collect();
        Err(format!("what came of it is \"{shown}\", and not one of {expected:?} {reason}").into())
    }
}

/// Sends bytes and gives the transcript, if the server takes no memory for what they announce.
pub(crate) fn play(server: &Server, connection: &mut Connection, bytes: &[u8]) -> Result<String, Failed> {
    let before = server.forget_peak()?;
    let transcript = connection.play(bytes)?;
    let grown = server.growth(before)?;
    if grown > FLAT {
        return Err(format!("{} MiB more", grown >> 20).into());
    }
    Ok(transcript)
}

/// Runs a statement under the limit: it ends in time, and its session goes on.
pub(crate) fn run(server: &Server, sql: &str) -> Result<String, Failed> {
    let mut session = server.session()?;
    session.ask("SET statement_timeout = '5s'")?;
    let reply = session.within(LIMIT + GRACE).query(sql)?;
    if !reply.closed {
        session.ask("SET statement_timeout = 0")?;
        let answer = session.ask("SELECT 1")?;
        if answer != "1" {
            return Err(format!("its session answers {answer:?} afterwards").into());
        }
    }
    Ok(reply.outcome())
}
