//! Log-ins that must not succeed: a transcript with `Z` in it would be one that has.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use crate::bytes::{announced, message, query, sasl_initial, startup};
use crate::client::Connection;
use crate::fault::Fault;
use crate::process::PASSWORD;
use crate::server::{GUESSED, Server};

const AREA: &str = "login";
/// Both steps of SCRAM, and the refusal.
const REFUSED: &[&str] = &["R10 R11 28P01"];
/// The exchange, and that something is wrong with its form.
const MALFORMED: &[&str] = &["R10 R11 08P01", "R10 R11 28P01"];
/// The first message of a client, as RFC 5802 has it.
const FIRST: &[u8] = b"n,,n=,r=rOprNGfwEbeRWgbNEkqO";
/// From so many failures on, the next one has to wait for more than a second.
const FAILURES: usize = 7;

pub(crate) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(AREA, "wrong_password", REFUSED, |server| {
            scram(server, GUESSED, "wrong", b"")
        }),
        Fault::new(AREA, "empty_password", REFUSED, |server| {
            scram(server, GUESSED, "", b"")
        }),
        Fault::new(AREA, "unknown_user", REFUSED, |server| {
            scram(server, "stranger", PASSWORD, b"")
        }),
        Fault::new(AREA, "unknown_user_looks_like_any", &["the same"], |server| {
            let known = seen(server, GUESSED)?;
            let unknown = seen(server, "stranger")?;
            Ok(if known == unknown {
                "the same".to_owned()
            } else {
                format!("{known:?}, {unknown:?}")
            })
        }),
        Fault::new(AREA, "brute_force", &["28P01 later"], |server| {
            let mut last = Duration::ZERO;
            for _ in 0..FAILURES {
                let start = Instant::now();
                let outcome = scram(server, GUESSED, "guess", b"")?;
                if outcome != "R10 R11 28P01" {
                    return Ok(outcome);
                }
                last = start.elapsed();
            }
            let when = if last > Duration::from_secs(1) {
                "later"
            } else {
                "at once"
            };
            Ok(format!("28P01 {when}"))
        })
        .postgres(&["28P01 at once"], "it waits only with the module auth_delay"),
        Fault::new(AREA, "guesses_side_by_side", &["R10 R11 28P01"], |server| {
            std::thread::scope(|scope| {
                let guesses: Vec<_> = (0..30)
                    .map(|_| scope.spawn(|| scram(server, "somebody", "guess", b"")))
                    .collect();
                let mut outcome = String::new();
                for guess in guesses {
                    outcome = guess.join().map_err(|_| "a guess has panicked")??;
                    if outcome != "R10 R11 28P01" {
                        break;
                    }
                }
                Ok(outcome)
            })
        }),
        Fault::first_bytes(AREA, "query_before_the_login", &["R10 08P01"], || {
            [startup(GUESSED, &[]), query("SELECT 42")].concat()
        }),
        Fault::first_bytes(AREA, "query_in_the_place_of_a_login", &["", "08P01"], || {
            query("SELECT 42")
        }),
        Fault::first_bytes(AREA, "second_startup", &["R10 08P01", "R10"], || {
            [startup(GUESSED, &[]), startup("admin", &[])].concat()
        }),
        Fault::new(
            AREA,
            "second_startup_within_the_exchange",
            &["R10 R11 08P01", "R10 R11"],
            |server| exchange(server, GUESSED, |_| Ok(startup("admin", &[]))),
        ),
        Fault::new(AREA, "query_within_the_exchange", &["R10 R11 08P01"], |server| {
            exchange(server, GUESSED, |_| Ok(query("SELECT 42")))
        }),
        Fault::new(AREA, "junk_behind_the_right_proof", MALFORMED, |server| {
            scram(server, GUESSED, PASSWORD, b"AAAA")
        }),
        Fault::new(AREA, "attribute_behind_the_right_proof", MALFORMED, |server| {
            scram(server, GUESSED, PASSWORD, b",x=y")
        }),
        Fault::new(AREA, "nothing_in_the_place_of_a_proof", MALFORMED, |server| {
            exchange(server, GUESSED, |_| Ok(message(b'p', b"")))
        }),
        Fault::new(AREA, "wrong_nonce", MALFORMED, |server| {
            exchange(server, GUESSED, |_| Ok(message(b'p', b"c=biws,r=absent,p=AAAA")))
        }),
        Fault::new(AREA, "proof_that_is_no_base64", MALFORMED, |server| {
            exchange(server, GUESSED, |first| {
                let nonce = first.split(|byte| *byte == b',').next().unwrap_or_default();
                Ok(message(b'p', &[b"c=biws,", nonce, b",p=\xff\xff"].concat()))
            })
        }),
        malformed("unknown_mechanism", || sasl_initial("PLAIN", FIRST)),
        malformed("no_mechanism", || message(b'p', b"")),
        malformed("mechanism_without_nul", || message(b'p', b"SCRAM-SHA-256")),
        malformed("data_of_a_gigabyte", || {
            message(b'p', b"SCRAM-SHA-256\0\x40\0\0\0n,,")
        }),
        malformed("bytes_behind_the_data", || {
            message(b'p', b"SCRAM-SHA-256\0\0\0\0\x03n,,hidden")
        }),
        malformed("message_of_a_gigabyte", || {
            announced(b'p', 1 << 30, b"SCRAM-SHA-256\0")
        }),
        malformed("no_scram", || sasl_initial("SCRAM-SHA-256", b"hello")),
        malformed("binding_without_tls", || {
            sasl_initial(
                "SCRAM-SHA-256",
                b"p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO",
            )
        }),
        malformed("mechanism_of_tls_without_tls", || {
            sasl_initial(
                "SCRAM-SHA-256-PLUS",
                b"p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO",
            )
        }),
        malformed("another_user_in_the_exchange", || {
            sasl_initial("SCRAM-SHA-256", b"n,a=admin,n=admin,r=rOprNGfwEbeRWgbNEkqO")
        }),
    ]
}

/// A first message of SCRAM that is none.
fn malformed(name: &'static str, first: fn() -> Vec<u8>) -> Fault {
    Fault::first_bytes(
        AREA,
        name,
        &["R10", "R10 08P01", "R10 0A000", "R10 54000", "R10 28P01"],
        move || [startup(GUESSED, &[]), first()].concat(),
    )
}

/// The log-in of a user whose last message is made of the server's, which begins with the nonce.
fn exchange(
    server: &Server,
    user: &str,
    last: impl Fn(&[u8]) -> Result<Vec<u8>, Failed>,
) -> Result<String, Failed> {
    let mut connection = begun(server, user, FIRST)?;
    let challenge = challenge(&mut connection)?;
    connection.send(&last(&challenge)?)?;
    connection.no_more()?;
    Ok(format!("R10 R11 {}", connection.transcript()?)
        .trim_end()
        .to_owned())
}

/// The log-in of a user with a password, and with junk behind the last message.
fn scram(server: &Server, user: &str, password: &str, junk: &[u8]) -> Result<String, Failed> {
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let mut connection = begun(server, user, scram.message())?;
    scram.update(&challenge(&mut connection)?)?;
    connection.send(&message(b'p', &[scram.message(), junk].concat()))?;
    connection.no_more()?;
    Ok(format!("R10 R11 {}", connection.transcript()?)
        .trim_end()
        .to_owned())
}

/// A connection on which a user and the first message of SCRAM were sent.
fn begun(server: &Server, user: &str, first: &[u8]) -> Result<Connection, Failed> {
    let mut connection = Connection::open(&server.address)?;
    connection.send(&[startup(user, &[]), sasl_initial("SCRAM-SHA-256", first)].concat())?;
    Ok(connection)
}

/// The server's first message of SCRAM.
fn challenge(connection: &mut Connection) -> Result<Vec<u8>, Failed> {
    let mut steps = Vec::new();
    while let Some((kind, body)) = connection.message()? {
        if let (b'R', [0, 0, 0, 11, challenge @ ..]) = (kind, body.as_slice()) {
            return Ok(challenge.to_owned());
        }
        steps.push(char::from(kind));
    }
    Err(format!("no challenge, but {steps:?}").into())
}

/// What somebody who tries a user sees: attributes of the challenge without what is random, and the refusal.
fn seen(server: &Server, user: &str) -> Result<Vec<String>, Failed> {
    let mut connection = begun(server, user, FIRST)?;
    let challenge = challenge(&mut connection)?;
    let mut seen: Vec<String> = String::from_utf8(challenge)?
        .split(',')
        .map(|attribute| match attribute.split_once('=') {
            Some(("i", rounds)) => format!("i={rounds}"),
            Some((name, value)) => format!("{name} of {} bytes", value.len()),
            None => attribute.to_owned(),
        })
        .collect();
    let mut scram = ScramSha256::new(b"wrong", ChannelBinding::unsupported());
    let mut connection = begun(server, user, scram.message())?;
    scram.update(&self::challenge(&mut connection)?)?;
    connection.send(&message(b'p', scram.message()))?;
    let reply = connection.reply()?;
    seen.push(format!(
        "{} {}",
        reply.outcome(),
        reply.message().replace(user, "user")
    ));
    Ok(seen)
}
