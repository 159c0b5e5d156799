//! The least client of the protocol: it sends any bytes, and reads whatever comes back until a deadline.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use crate::bytes::{message, query, sasl_initial, startup};
use crate::process::{PASSWORD, PATIENCE};

/// Rows of an answer that are kept; of longer ones nobody asks for more.
const KEPT: usize = 100;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A socket of either kind.
trait Stream: Read + Write + Send {
    fn patience(&self, limit: Duration) -> io::Result<()>;
    fn no_more(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn patience(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }

    fn no_more(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn patience(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }

    fn no_more(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// What a statement was answered with.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The first rows, values between bars.
    pub(crate) rows: Vec<String>,
    /// The error that ended it: SQLSTATE and message.
    pub(crate) error: Option<(String, String)>,
    /// The server has closed the connection.
    pub(crate) closed: bool,
}

impl Reply {
    /// The SQLSTATE, or the rows behind `=`: what expectations are written in.
    pub(crate) fn outcome(&self) -> String {
        match &self.error {
            Some((code, _)) => code.clone(),
            None if self.closed => "closed".to_owned(),
            None => format!("= {}", self.rows.join(", ")),
        }
    }

    /// The message of the error.
    pub(crate) fn message(&self) -> &str {
        self.error.as_ref().map_or("", |(_, message)| message)
    }
}

/// A connection, before or after its log-in.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// When it is too late for what is waited for.
    deadline: Instant,
    /// The client's side is closed behind the next bytes.
    ends: bool,
    /// Process number and secret, as a request for cancellation names them.
    pub(crate) key: Vec<u8>,
}

impl Connection {
    /// A socket on which nothing was sent.
    pub(crate) fn open(address: &Address) -> io::Result<Self> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        };
        Ok(Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            deadline: Instant::now() + PATIENCE,
            ends: false,
            key: Vec::new(),
        })
    }

    /// Logs in with settings; what the server says instead is the error.
    pub(crate) fn log_in(
        address: &Address,
        user: &str,
        settings: &[(&str, &str)],
    ) -> Result<Result<Self, Reply>, Failed> {
        let mut connection = Self::open(address)?;
        connection.send(&startup(user, settings))?;
        let mut scram = ScramSha256::new(PASSWORD.as_bytes(), ChannelBinding::unsupported());
        loop {
            match connection.message()? {
                Some((b'R', body)) => match body.first_chunk::<4>().map(|code| u32::from_be_bytes(*code)) {
                    Some(10) => {
                        connection.send(&sasl_initial("SCRAM-SHA-256", scram.message()))?;
                    }
                    Some(11) => {
                        scram.update(body.get(4..).unwrap_or_default())?;
                        connection.send(&message(b'p', scram.message()))?;
                    }
                    _ => {}
                },
                Some((b'K', body)) => connection.key = body,
                Some((b'E', body)) => {
                    return Ok(Err(Reply {
                        error: Some(told(&body)?),
                        ..Reply::default()
                    }));
                }
                Some((b'Z', _)) => return Ok(Ok(connection)),
                Some(_) => {}
                None => {
                    return Ok(Err(Reply {
                        closed: true,
                        ..Reply::default()
                    }));
                }
            }
        }
    }

    /// From now on, all that is waited for has to come within this time.
    pub(crate) fn within(&mut self, limit: Duration) -> &mut Self {
        self.deadline = Instant::now() + limit;
        self
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more comes, and still listens.
    pub(crate) fn no_more(&self) -> io::Result<()> {
        self.stream.get_ref().no_more()
    }

    /// The next message; nothing when the server has closed the connection.
    pub(crate) fn message(&mut self) -> Result<Option<(u8, Vec<u8>)>, Failed> {
        let mut header = [0; 5];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let [kind, length @ ..] = header;
        let length = u32::from_be_bytes(length).saturating_sub(4);
        let mut body = vec![0; usize::try_from(length)?];
        if !self.fill(&mut body)? {
            return Err("the server has closed the connection in the middle of a message".into());
        }
        Ok(Some((kind, body)))
    }

    /// Fills a buffer; false when the other side has closed.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, Failed> {
        let mut rest = buffer;
        while !rest.is_empty() {
            if self.stream.buffer().is_empty() {
                let left = self.deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err("no answer before the deadline".into());
                }
                self.stream.get_ref().patience(left)?;
                match self.stream.fill_buf() {
                    Ok([]) => return Ok(false),
                    Ok(_) => {}
                    Err(error) => match error.kind() {
                        io::ErrorKind::Interrupted => continue,
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                            return Err("no answer before the deadline".into());
                        }
                        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Ok(false),
                        _ => return Err(error.into()),
                    },
                }
            }
            let read = self.stream.read(rest)?;
            rest = rest.get_mut(read..).unwrap_or_default();
        }
        Ok(true)
    }

    /// Sends a statement in the simple protocol, and waits for its end.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Reply, Failed> {
        // A server that refuses a message need not read it to its end: what it says counts.
        let sent = self.send(&query(sql));
        let reply = self.reply()?;
        match sent {
            Err(error) if !reply.closed => Err(error.into()),
            _ => Ok(reply),
        }
    }

    /// What is said up to the next ReadyForQuery, or to the end of the connection.
    pub(crate) fn reply(&mut self) -> Result<Reply, Failed> {
        let mut reply = Reply::default();
        loop {
            match self.message()? {
                Some((b'D', row)) if reply.rows.len() < KEPT => reply.rows.push(values(&row)?.join("|")),
                Some((b'E', body)) => reply.error = Some(told(&body)?),
                Some((b'Z', _)) => return Ok(reply),
                Some(_) => {}
                None => {
                    reply.closed = true;
                    return Ok(reply);
                }
            }
        }
    }

    /// Waits for the first row of a running statement.
    pub(crate) fn first_row(&mut self) -> Result<(), Failed> {
        loop {
            match self.message()? {
                Some((b'D', _)) => return Ok(()),
                Some((b'E', body)) => return Err(format!("no row, but {:?}", told(&body)?).into()),
                Some(_) => {}
                None => return Err("no row, but the end of the connection".into()),
            }
        }
    }

    /// The one value that a statement answers.
    pub(crate) fn ask(&mut self, sql: &str) -> Result<String, Failed> {
        let reply = self.query(sql)?;
        match (&reply.error, reply.rows.as_slice()) {
            (None, [value]) => Ok(value.clone()),
            (None, []) if !reply.closed => Ok(String::new()),
            _ => Err(format!("{sql}: {reply:?}").into()),
        }
    }

    /// All that comes until the server closes the connection, a word for each thing that matters: `R10` a step of the
    /// log-in, `v` a negotiation, a SQLSTATE, `=value` a row, `s` a suspended portal, `Z` ReadyForQuery, `N` a byte that
    /// refuses encryption.
    pub(crate) fn transcript(&mut self) -> Result<String, Failed> {
        let mut words = Vec::new();
        while let Some((kind, body)) = self.message()? {
            words.push(match kind {
                b'R' => {
                    let code = body.first_chunk::<4>().map(|code| u32::from_be_bytes(*code));
                    format!("R{}", code.unwrap_or_default())
                }
                b'E' => told(&body)?.0,
                b'D' => format!("={}", values(&body)?.join("|")),
                b'Z' | b's' | b'v' => char::from(kind).to_string(),
                _ => continue,
            });
        }
        Ok(words.join(" "))
    }

    /// What is sent next is the last.
    pub(crate) fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Sends bytes, and gives the transcript.
    pub(crate) fn play(&mut self, bytes: &[u8]) -> Result<String, Failed> {
        // Where the server has closed already, what it said before counts.
        let _ = self.send(bytes);
        if self.ends {
            let _ = self.no_more();
        }
        self.transcript()
    }

    /// The byte that answers a request for encryption, `S` or `N`; 0 where there is another answer.
    pub(crate) fn encryption(&mut self) -> Result<u8, Failed> {
        let answer = self.stream.fill_buf().unwrap_or_default().first().copied();
        match answer {
            Some(answer @ (b'S' | b'N')) => {
                self.stream.consume(1);
                Ok(answer)
            }
            _ => Ok(0),
        }
    }
}

/// Text of the values of a row.
fn values(row: &[u8]) -> Result<Vec<String>, Failed> {
    let short = || Failed::from("a row that is too short");
    let (count, mut rest) = row.split_first_chunk::<2>().ok_or_else(short)?;
    let mut values = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        rest = behind;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, behind) = rest.split_at_checked(length).ok_or_else(short)?;
                values.push(String::from_utf8_lossy(value).into_owned());
                rest = behind;
            }
            Err(_) => values.push("NULL".to_owned()),
        }
    }
    Ok(values)
}

/// SQLSTATE and message of an error. An internal error fails every test, wherever it is met.
fn told(body: &[u8]) -> Result<(String, String), Failed> {
    let text = String::from_utf8_lossy(body);
    let field = |letter| {
        text.split('\0')
            .find_map(|field| field.strip_prefix(letter))
            .unwrap_or_default()
    };
    let (code, message) = (field('C').to_owned(), field('M').to_owned());
    if code == "XX000" {
        return Err(format!("XX000: {message}").into());
    }
    Ok((code, message))
}
