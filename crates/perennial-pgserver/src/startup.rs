//! The packets before the log-in: requests for encryption, cancel requests and the startup packet. They are
//! read byte by byte as their length says, so that nothing behind them can be taken for part of a later,
//! encrypted stream.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::{Error, Result};
use crate::frame::{Body, FrameError, STARTUP_LIMIT};

/// Bytes of a name.
const MAX_NAME: usize = 63;
/// Minor version of protocol 3 that is spoken at most.
pub(crate) const NEWEST_MINOR: u16 = 2;

/// A packet before the log-in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// Asks for TLS.
    Tls,
    /// Asks for GSSAPI encryption, which is not served.
    Gss,
    /// Asks to stop a statement of another connection.
    Cancel { pid: i32, secret: Bytes },
    /// Begins the log-in.
    Startup(Startup),
}

/// What a client says of itself and of the session that it wants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Startup {
    /// Minor version asked for.
    pub(crate) minor: u16,
    pub(crate) user: String,
    /// The database asked for; none = the one there is.
    pub(crate) database: Option<String>,
    /// Settings, those of `options` first, so that explicit ones win.
    pub(crate) settings: Vec<(String, String)>,
    /// Protocol options that nobody here knows.
    pub(crate) unknown: Vec<String>,
}

/// Reads one packet; `None` when the client closes before it sends one.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Packet>> {
    let mut word = [0; 4];
    match stream.read(&mut word).await {
        Ok(0) | Err(_) => return Ok(None),
        Ok(read) => {
            let rest = word.get_mut(read..).unwrap_or_default();
            stream.read_exact(rest).await.map_err(|_| Error::ClientGone)?;
        }
    }
    let length = i32::from_be_bytes(word);
    let body = usize::try_from(length)
        .ok()
        .filter(|length| (8..=STARTUP_LIMIT).contains(length));
    let body = body.ok_or(FrameError::Length { length })? - 4;
    let mut bytes = vec![0; body];
    stream
        .read_exact(&mut bytes)
        .await
        .map_err(|_| Error::ClientGone)?;
    parse(Bytes::from(bytes)).map(Some)
}

fn parse(bytes: Bytes) -> Result<Packet> {
    let mut body = Body(bytes);
    let (major, minor) = (
        u16::from_be_bytes(body.fixed()?),
        u16::from_be_bytes(body.fixed()?),
    );
    match (major, minor) {
        (1234, 5678) => {
            let pid = body.word()?;
            let secret = body.rest();
            if secret.is_empty() || secret.len() > 256 {
                return Err(Error::protocol("invalid length of cancel request"));
            }
            Ok(Packet::Cancel { pid, secret })
        }
        (1234, 5679) => body.end().map(|()| Packet::Tls),
        (1234, 5680) => body.end().map(|()| Packet::Gss),
        (3, minor) => parameters(body, minor).map(Packet::Startup),
        _ => Err(Error::UnsupportedProtocol { major, minor }),
    }
}

fn parameters(mut body: Body, minor: u16) -> Result<Startup> {
    let mut startup = Startup {
        minor,
        ..Startup::default()
    };
    let mut options = Vec::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            break;
        }
        let value = body.text()?;
        match name.as_str() {
            "user" => startup.user = as_name(value),
            "database" => startup.database = Some(as_name(value)),
            "options" => options = read_options(&value)?,
            "replication" => {
                if !matches!(value.as_str(), "false" | "off" | "no" | "0") {
                    return Err(Error::Replication);
                }
            }
            _ if name.starts_with("_pq_.") => startup.unknown.push(name),
            _ => startup.settings.push((name, value)),
        }
    }
    body.end()?;
    if startup.user.is_empty() {
        return Err(Error::MissingUser);
    }
    options.append(&mut startup.settings);
    startup.settings = options;
    startup.database = startup.database.filter(|name| !name.is_empty());
    Ok(startup)
}

/// What Postgres keeps of a longer name.
fn as_name(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_NAME));
    text
}

/// Settings in the manner of the server's command line: `-c name=value`, `-cname=value`, `--name=value`, with
/// blanks and backslashes escaped by a backslash.
fn read_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => characters.next().unwrap_or('\\'),
            blank if blank.is_ascii_whitespace() => {
                open = false;
                continue;
            }
            other => other,
        };
        if !open {
            words.push(String::new());
            open = true;
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (written, assignment) = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(long), _) => (word.clone(), Some(long.to_owned())),
            (None, Some("")) => {
                let next = words.next();
                (format!("-c {}", next.as_deref().unwrap_or_default()), next)
            }
            (None, Some(rest)) => (format!("-c {rest}"), Some(rest.to_owned())),
            (None, None) => (word.clone(), None),
        };
        let assignment = assignment.ok_or_else(|| Error::invalid_option(&word))?;
        let pair = assignment.split_once('=');
        let (name, value) = pair.ok_or_else(|| Error::option_without_value(&written))?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use perennial_base::UserError;
    use proptest::prelude::*;

    use super::*;
    use crate::sqlstate;

    fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
        let mut bytes = (rest.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend(code.to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Option<Packet>> {
        let mut stream = bytes;
        futures::executor::block_on(read(&mut stream))
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: std::result::Result<Packet, &str>) {
        match (read_all(bytes), expected) {
            (Ok(Some(packet)), Ok(expected)) => assert_eq!(packet, expected),
            (Err(error), Err(code)) => {
                assert_eq!(sqlstate::code(&error), code, "{error} ({:?})", error.class());
            }
            (packet, expected) => panic!("{packet:?} where {expected:?} is due"),
        }
    }

    #[test]
    fn packets_are_read_or_refused() {
        const V3: u32 = 3 << 16;
        let startup = |minor, database: Option<&str>, settings: &[(&str, &str)], unknown: &[&str]| {
            Ok(Packet::Startup(Startup {
                minor,
                user: "ann".into(),
                database: database.map(str::to_owned),
                settings: settings
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                unknown: unknown.iter().map(|name| (*name).to_owned()).collect(),
            }))
        };
        check(&packet(80_877_103, b""), Ok(Packet::Tls));
        check(&packet(80_877_104, b""), Ok(Packet::Gss));
        check(&packet(80_877_103, b"extra"), Err("08P01"));
        let cancel = Packet::Cancel {
            pid: 7,
            secret: Bytes::from_static(b"abcd"),
        };
        check(&packet(80_877_102, b"\0\0\0\x07abcd"), Ok(cancel));
        check(&packet(80_877_102, b"\0\0\0\x07"), Err("08P01"));
        check(&packet(V3, b"user\0ann\0\0"), startup(0, None, &[], &[]));
        check(
            &packet(V3 + 9, b"user\0ann\0_pq_.x\x001\0\0"),
            startup(9, None, &[], &["_pq_.x"]),
        );
        check(
            &packet(
                V3,
                b"user\0ann\0database\0d\0TimeZone\0UTC\0options\0-c a=b\\ c --x-y=1 -cq=2\0\0",
            ),
            startup(
                0,
                Some("d"),
                &[("a", "b c"), ("x_y", "1"), ("q", "2"), ("TimeZone", "UTC")],
                &[],
            ),
        );
        // As Postgres, which keeps so much of a name.
        check(
            &packet(
                V3,
                format!("user\0ann\0database\0{}\0\0", "d".repeat(70)).as_bytes(),
            ),
            startup(0, Some(&"d".repeat(63)), &[], &[]),
        );
        for options in ["-x", "-c", "-c search_path", "--search_path"] {
            let packet = packet(V3, format!("user\0ann\0options\0{options}\0\0").as_bytes());
            check(&packet, Err("42601"));
        }
        check(&packet(V3, b"database\0d\0\0"), Err("28000"));
        check(&packet(V3, b"user\0ann\0"), Err("08P01"));
        check(&packet(V3, b"user\0ann\0\0junk"), Err("08P01"));
        check(&packet(V3, b"user\0\xff\0\0"), Err("22021"));
        check(&packet(V3, b"user\0ann\0replication\0database\0\0"), Err("0A000"));
        check(&packet(2 << 16, b"user\0ann\0\0"), Err("0A000"));
        check(b"\0\0\0\0\0\0\0\0", Err("08P01"));
        check(b"\0\0\0\x07\0\x03\0", Err("08P01"));
        check(b"\x7f\xff\xff\xff\0\x03\0\0", Err("08P01"));
        check(b"GET / HTTP/1.1\r\n\r\n", Err("08P01"));
        assert_eq!(read_all(b"").unwrap(), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_all(&packet(3 << 16, &bytes));
            let _ = read_all(&bytes);
        }
    }
}
