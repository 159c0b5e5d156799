//! What nobody thought of: statements and messages that are right, with pieces moved, doubled, lost or made extreme.
//! Cases come from a seed and shrink; `tests/README.md` says how one is repeated.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use libtest_mimic::Failed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use sqllogictest::{DefaultColumnType, Record};

use crate::bytes::{bind, cancellation, describe, execute, message, parse, query, startup, sync};
use crate::client::Connection;
use crate::fault::{Fault, GRACE, LIMIT, play};
use crate::process::variable;
use crate::server::{READER, Server, TIMED};

const SEED: u64 = 7;
const CASES: u32 = 300;
/// Longest statement that is taken, in bytes.
const LONGEST: usize = 1_000;
/// Pieces of a statement that values, names and operators have at their ends.
const ODD: &[&str] = &[
    "NULL",
    "''",
    "'",
    "\"",
    "(",
    ")",
    ",",
    ";",
    "--",
    "/*",
    "$1",
    "::",
    "*",
    "-",
    "[1]",
    "0",
    "-1",
    "0.1",
    "1e308",
    "2147483647",
    "9223372036854775808",
    "'infinity'",
    "'NaN'::float8",
    "DISTINCT",
    "OVER ()",
    "FILTER (WHERE NULL)",
    "GROUP BY 1",
    "ORDER BY 1",
    "LIMIT 0",
    "UNION",
    "LATERAL",
    "ARRAY[]",
    "INTERVAL '1 month'",
    "\u{fffd}",
    "\u{1f600}",
];
/// Words that lengths and counts have at their ends.
const WORDS: &[u32] = &[0, 1, 4, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

pub(crate) fn faults() -> Vec<Fault> {
    const AREA: &str = "random";
    const LIVES: &[&str] = &["answered or refused"];
    vec![
        Fault::new(AREA, "statements", LIVES, |server| {
            let session = Mutex::new(None);
            cases(&statements()?, |sql| answered(server, &session, sql))
        }),
        Fault::new(AREA, "messages", LIVES, |server| {
            cases(&messages(), |bytes| {
                let mut session = server.session_with(TIMED, &[])?.ending();
                play(server, &mut session, bytes).map(drop)
            })
        }),
        Fault::new(AREA, "packets", LIVES, |server| {
            cases(&packets(), |bytes| {
                let mut connection = Connection::open(&server.address)?.ending();
                play(server, &mut connection, bytes).map(drop)
            })
        }),
    ]
}

/// Plays as many cases as `PROPTEST_CASES` says from the seed `PROPTEST_RNG_SEED`, or ours, up to the first that fails. The
/// error has the least that fails.
fn cases<S: Strategy>(
    strategy: &S,
    played: impl Fn(&S::Value) -> Result<(), Failed>,
) -> Result<String, Failed> {
    let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
    let seed = number("PROPTEST_RNG_SEED").unwrap_or(SEED);
    let mut runner = TestRunner::new(Config {
        cases: number("PROPTEST_CASES").map_or(CASES, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    runner
        .run(strategy, |case| {
            played(&case).map_err(|error| TestCaseError::fail(error.message().unwrap_or_default().to_owned()))
        })
        .map_err(|error| format!("PROPTEST_RNG_SEED={seed}: {error}"))?;
    Ok("answered or refused".to_owned())
}

/// A statement ends in time, in an answer or an error that is not internal, and its session goes on.
fn answered(server: &Server, session: &Mutex<Option<Connection>>, sql: &str) -> Result<(), Failed> {
    let mut slot = session.lock().unwrap_or_else(PoisonError::into_inner);
    // After a failure it is another one.
    let mut session = match slot.take() {
        Some(session) => session,
        None => server.session()?,
    };
    session.ask("SET statement_timeout = '5s'")?;
    let reply = session.within(LIMIT + GRACE).query(sql)?;
    if reply.closed {
        return Err(format!("its session is closed: {reply:?}").into());
    }
    *slot = Some(session);
    Ok(())
}

/// The queries of the SQL logic tests, in pieces: words, numbers, texts, operators and what is between them.
fn corpus() -> Result<Vec<Vec<String>>, Failed> {
    let mut files = Vec::new();
    listed(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/slt"),
        &mut files,
    )?;
    files.sort();
    let mut statements = Vec::new();
    for file in files {
        for record in sqllogictest::parse_file::<DefaultColumnType>(&file)? {
            if let Record::Query { sql, .. } = record
                && sql.len() <= LONGEST
            {
                statements.push(pieces(&sql));
            }
        }
    }
    if statements.is_empty() {
        return Err("no SQL logic test has a query".into());
    }
    Ok(statements)
}

fn listed(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failed> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            listed(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    Ok(())
}

fn pieces(sql: &str) -> Vec<String> {
    let kind = |character: char| match character {
        '_' | '.' => 'a',
        letter if letter.is_alphanumeric() => 'a',
        space if space.is_whitespace() => ' ',
        other => other,
    };
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    let mut quoted = false;
    for character in sql.chars() {
        match pieces.last_mut() {
            Some(piece) if quoted || last == Some(kind(character)) => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
        last = Some(kind(character));
        if character == '\'' {
            quoted = !quoted;
            // What follows a text is a piece of its own.
            last = None;
        }
    }
    pieces
}

/// What is done to a row of pieces: to those of a statement, or to the bytes of messages.
#[derive(Debug, Clone)]
enum Change<T> {
    /// A piece is lost.
    Lost(Index),
    /// Two change their places.
    Moved(Index, Index),
    /// So many pieces are there more than once.
    Again(Index, Index, usize),
    /// Pieces that were not there, in place of as many or between others.
    Put(Index, Vec<T>, bool),
    /// The rest is lost.
    Cut(Index),
}

impl<T: Clone> Change<T> {
    fn on(self, pieces: &mut Vec<T>) {
        let count = pieces.len();
        if count == 0 {
            return;
        }
        match self {
            Self::Lost(at) => drop(pieces.remove(at.index(count))),
            Self::Moved(one, other) => pieces.swap(one.index(count), other.index(count)),
            Self::Again(from, to, times) => {
                let (from, to) = (from.index(count), to.index(count));
                let range = from.min(to)..=from.max(to);
                let again: Vec<T> = pieces.get(range.clone()).unwrap_or_default().to_vec();
                let end = range.end() + 1;
                pieces.splice(end..end, std::iter::repeat_n(again, times).flatten());
            }
            Self::Put(at, new, instead) => {
                let at = at.index(count);
                let end = if instead { (at + new.len()).min(count) } else { at };
                pieces.splice(at..end, new);
            }
            Self::Cut(at) => pieces.truncate(at.index(count)),
        }
    }
}

/// Any change, with pieces that `new` gives.
fn change<T: Clone + std::fmt::Debug + 'static>(
    new: impl Strategy<Value = Vec<T>> + 'static,
    most: usize,
) -> impl Strategy<Value = Change<T>> {
    let at = any::<Index>;
    prop_oneof![
        2 => at().prop_map(Change::Lost),
        2 => (at(), at()).prop_map(|(one, other)| Change::Moved(one, other)),
        2 => (at(), at(), 1..=most).prop_map(|(from, to, times)| Change::Again(from, to, times)),
        6 => (at(), new, any::<bool>()).prop_map(|(at, new, instead)| Change::Put(at, new, instead)),
        1 => at().prop_map(Change::Cut),
    ]
}

fn changed<T: Clone>(mut pieces: Vec<T>, changes: Vec<Change<T>>) -> Vec<T> {
    for change in changes {
        change.on(&mut pieces);
    }
    pieces
}

fn statements() -> Result<impl Strategy<Value = String>, Failed> {
    let corpus = Arc::new(corpus()?);
    let others = Arc::clone(&corpus);
    // A part of another statement.
    let part = (any::<Index>(), any::<Index>(), 1..6_usize).prop_map(move |(statement, from, count)| {
        let statement = statement.get(&others);
        let from = from.index(statement.len());
        statement.iter().skip(from).take(count).cloned().collect()
    });
    let odd = select(ODD).prop_map(|piece| vec![format!(" {piece} ")]);
    let new = prop_oneof![part, odd];
    let statement = (any::<Index>(), vec(change(new, 40), 1..6));
    Ok(statement.prop_map(move |(statement, changes)| {
        let sql = changed(statement.get(&corpus).clone(), changes).concat();
        // A text ends there for the protocol.
        sql.replace('\0', "")
    }))
}

/// Bytes: a few of any kind, or a word that is a length somewhere.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..9),
        select(WORDS).prop_map(|word| word.to_be_bytes().to_vec()),
        select(WORDS).prop_map(|word| (word as u16).to_be_bytes().to_vec()),
    ]
}

/// A conversation after the log-in.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        vec![
            query("SELECT 1, 'a', NULL::text, now()"),
            query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 10)"),
            query("FETCH 3 FROM c"),
            query("COPY (SELECT * FROM customers LIMIT 3) TO STDOUT (FORMAT binary)"),
            query(""),
            parse("s", "SELECT $1::int4 + 1, $2::text, $3::timestamptz"),
            bind("", "s", 0, &[b"1", b"a", b"2026-01-01"]),
            bind("p", "s", 1, &[&[0, 0, 0, 1], b"a", &[0; 8]]),
            parse("", "SELECT generate_series(1, 10), $1::numeric, $2::int4[]"),
            bind("", "", 0, &[b"1.50", b"{1,NULL,3}"]),
            describe(b'S', "s"),
            describe(b'P', "p"),
            execute(""),
            message(b'E', b"p\0\0\0\0\x02"),
            message(b'C', b"Ss\0"),
            message(b'C', b"Pp\0"),
            message(b'H', b""),
            message(b'd', b"1\ta\n"),
            message(b'c', b""),
            message(b'f', b"no\0"),
            message(b'F', &[0; 14]),
            sync(),
            sync(),
        ]
    });
    let conversation = vec(select(MESSAGES.as_slice()), 1..12).prop_map(|messages| messages.concat());
    (conversation, vec(change(bytes(), 3), 1..6)).prop_map(|(bytes, changes)| changed(bytes, changes))
}

/// Packets before the log-in. What answers a request for encryption is no message: those are faults of their own.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    static PACKETS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let settings = [
            ("options", "-c statement_timeout=1s"),
            ("client_encoding", "UTF8"),
        ];
        vec![
            startup(READER, &settings),
            startup("nobody", &[("replication", "database")]),
            cancellation(&[0, 0, 0, 1, 0, 0, 0, 2]),
            message(b'p', b"SCRAM-SHA-256\0\0\0\0\x18n,,n=,r=fyko+d2lbbFgONRv"),
            message(b'p', b"c=biws,r=fyko+d2lbbFgONRv,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
        ]
    });
    let conversation = vec(select(PACKETS.as_slice()), 1..4).prop_map(|packets| packets.concat());
    (conversation, vec(change(bytes(), 3), 0..4)).prop_map(|(bytes, changes)| changed(bytes, changes))
}
