//! The strict frame codec: exactly one message is split off the input, and every count, length and NUL in it
//! is checked against that message alone before anything acts upon it.
//!
//! Two kinds of violation are told apart. A [`FrameError`] means that the stream is out of step (an
//! impossible length, an unknown type) and the connection ends. A decoding error concerns one message whose
//! end is known: it is answered with an error and the next message is read as usual.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, Result};

/// Longest startup packet in bytes, as in Postgres (`MAX_STARTUP_PACKET_LENGTH`).
pub(crate) const STARTUP_LIMIT: usize = 10_000;
/// Longest message after the startup packet, in bytes with its length word.
pub(crate) const MESSAGE_LIMIT: usize = 64 << 20;

/// One message type byte with the body of exactly that message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The type byte.
    pub(crate) kind: u8,
    /// What follows the length word, complete and nothing more.
    pub(crate) body: Bytes,
}

/// Why the stream cannot be read on: a part of the crate's error, which the reader of frames gives without the rest of it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length that no message can have.
    #[error("invalid message length {length}")]
    Length {
        /// The length word as it came.
        length: i32,
    },
    /// A message above the bound.
    #[error("message of {length} bytes is longer than the {limit} that are accepted")]
    TooLong {
        /// The announced length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A type byte that no frontend sends.
    #[error("invalid frontend message type {kind}")]
    Kind {
        /// The byte.
        kind: u8,
    },
}

/// Splits the first message off `input`; `None` until it is there completely. Nothing is allocated from an
/// announced length: memory grows only with the bytes that came.
pub(crate) fn split(input: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameError> {
    let Some((header, _)) = input.split_first_chunk::<5>() else {
        // An unknown type is known by its first byte: nobody waits for the rest of an HTTP request.
        return match input.first() {
            Some(&kind) if !known(kind) => Err(FrameError::Kind { kind }),
            _ => Ok(None),
        };
    };
    let [kind, length @ ..] = *header;
    if !known(kind) {
        return Err(FrameError::Kind { kind });
    }
    let word = i32::from_be_bytes(length);
    let length = usize::try_from(word).ok().filter(|length| *length >= 4);
    let length = length.ok_or(FrameError::Length { length: word })?;
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    if input.len() < length + 1 {
        return Ok(None);
    }
    let mut body = input.split_to(length + 1).freeze();
    body.advance(5);
    Ok(Some(Frame { kind, body }))
}

fn known(kind: u8) -> bool {
    matches!(
        kind,
        b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'd' | b'c' | b'f' | b'F' | b'p'
    )
}

/// Text or binary, of a parameter or a result column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The human-readable form.
    Text,
    /// Postgres' binary form.
    Binary,
}

impl Format {
    /// The code on the wire.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// What `Describe` and `Close` are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// A decoded message of the client after the log-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frontend {
    /// A simple query.
    Query {
        /// The statements.
        sql: String,
    },
    /// Prepares a statement.
    Parse {
        /// Its name; empty = the unnamed one.
        name: String,
        /// The statement.
        sql: String,
        /// Types of the parameters by OID, as far as they are declared; 0 = not declared.
        types: Vec<u32>,
    },
    /// Gives a prepared statement its parameters.
    Bind(Bind),
    /// Asks for the shape of a statement or portal.
    Describe {
        /// Which of the two.
        target: Target,
        /// Its name.
        name: String,
    },
    /// Runs a portal.
    Execute {
        /// Its name.
        portal: String,
        /// Most rows to send; 0 = all.
        max_rows: usize,
    },
    /// Forgets a statement or portal.
    Close {
        /// Which of the two.
        target: Target,
        /// Its name.
        name: String,
    },
    /// Asks for what is buffered.
    Flush,
    /// Ends a group of extended messages.
    Sync,
    /// Says goodbye.
    Terminate,
    /// A part of a COPY FROM that is not running: ignored, as in Postgres.
    CopyIn,
    /// The fast-path function call, which is not served.
    FunctionCall,
}

/// The fields of a Bind message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    /// Name of the portal to make; empty = the unnamed one.
    pub(crate) portal: String,
    /// Name of the prepared statement.
    pub(crate) statement: String,
    /// Formats of the parameters: none = all text, one = for all, or one each.
    pub(crate) parameter_formats: Vec<Format>,
    /// The values; `None` = null.
    pub(crate) parameters: Vec<Option<Bytes>>,
    /// Formats of the result columns, by the same rule.
    pub(crate) result_formats: Vec<Format>,
}

impl Frontend {
    /// Decodes the body of one message.
    ///
    /// # Errors
    /// A protocol violation (08P01) where counts or lengths do not fit the body, where text lacks its NUL or
    /// bytes are left over; 22021 for text that is not UTF-8.
    pub(crate) fn decode(frame: Frame) -> Result<Self> {
        let mut body = Body(frame.body);
        let message = match frame.kind {
            b'Q' => Self::Query { sql: body.text()? },
            b'P' => Self::Parse {
                name: body.text()?,
                sql: body.text()?,
                types: body.list(4, Body::oid)?,
            },
            b'B' => Self::Bind(Bind {
                portal: body.text()?,
                statement: body.text()?,
                parameter_formats: body.list(2, Body::format)?,
                parameters: body.list(4, Body::value)?,
                result_formats: body.list(2, Body::format)?,
            }),
            b'D' => Self::Describe {
                target: body.target()?,
                name: body.text()?,
            },
            b'E' => Self::Execute {
                portal: body.text()?,
                max_rows: body.row_limit()?,
            },
            b'C' => Self::Close {
                target: body.target()?,
                name: body.text()?,
            },
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'd' | b'c' | b'f' => return Ok(Self::CopyIn),
            b'F' => return Ok(Self::FunctionCall),
            kind => return Err(Error::protocol(format!("unexpected message type {kind}"))),
        };
        body.end()?;
        Ok(message)
    }
}

/// The SASL message that opens an authentication: the mechanism and its first data.
pub(crate) fn sasl_initial(frame: Frame) -> Result<(String, Bytes)> {
    let mut body = Body(frame.body);
    let mechanism = body.text()?;
    let data = body
        .value()?
        .ok_or_else(|| Error::protocol("empty SASL response"))?;
    body.end()?;
    Ok((mechanism, data))
}

/// The rest of one message. Every read is checked against what is left.
pub(crate) struct Body(pub(crate) Bytes);

impl Body {
    pub(crate) fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| Error::protocol("text without its closing NUL in message"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        std::str::from_utf8(&text)
            .map(str::to_owned)
            .map_err(|_| Error::NotUtf8)
    }

    pub(crate) fn word(&mut self) -> Result<i32> {
        self.0.try_get_i32().map_err(|_| Self::short())
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.0.len() < length {
            return Err(Self::short());
        }
        Ok(self.0.split_to(length))
    }

    pub(crate) fn end(&self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::protocol("bytes left over at the end of message"))
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N)?;
        <[u8; N]>::try_from(bytes.as_ref()).map_err(|_| Self::short())
    }

    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    fn short() -> Error {
        Error::protocol("insufficient data left in message")
    }

    /// A counted list whose items take at least `width` bytes each, so that a false count reserves nothing.
    fn list<T>(&mut self, width: usize, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = usize::from(self.0.try_get_u16().map_err(|_| Self::short())?);
        if self.0.len() < count * width {
            return Err(Self::short());
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn oid(&mut self) -> Result<u32> {
        self.0.try_get_u32().map_err(|_| Self::short())
    }

    fn format(&mut self) -> Result<Format> {
        match self.0.try_get_i16().map_err(|_| Self::short())? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            code => Err(Error::UnsupportedFormat { code }),
        }
    }

    fn value(&mut self) -> Result<Option<Bytes>> {
        match self.word()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Self::short())?;
                self.take(length).map(Some)
            }
        }
    }

    fn target(&mut self) -> Result<Target> {
        match self.0.try_get_u8().map_err(|_| Self::short())? {
            b'S' => Ok(Target::Statement),
            b'P' => Ok(Target::Portal),
            kind => Err(Error::protocol(format!("invalid message subtype {kind}"))),
        }
    }

    /// Postgres takes a limit of zero or less as none.
    fn row_limit(&mut self) -> Result<usize> {
        Ok(usize::try_from(self.word()?).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use perennial_base::UserError;
    use proptest::prelude::*;

    use super::*;
    use crate::sqlstate;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((body.len() as i32 + 4).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[track_caller]
    fn check(kind: u8, body: &[u8], expected: std::result::Result<Frontend, &str>) {
        let mut input = BytesMut::from(message(kind, body).as_slice());
        input.extend(message(b'S', b""));
        let frame = split(&mut input, MESSAGE_LIMIT).unwrap().unwrap();
        let decoded = Frontend::decode(frame);
        match (decoded, expected) {
            (Ok(decoded), Ok(expected)) => assert_eq!(decoded, expected),
            (Err(error), Err(code)) => {
                assert_eq!(sqlstate::code(&error), code, "{error} ({:?})", error.class());
            }
            (decoded, expected) => panic!("{decoded:?} where {expected:?} is due"),
        }
        let next = split(&mut input, MESSAGE_LIMIT).unwrap().unwrap();
        assert_eq!(
            Frontend::decode(next).unwrap(),
            Frontend::Sync,
            "the next message is intact"
        );
        assert!(input.is_empty());
    }

    #[test]
    fn messages_are_decoded_or_refused_as_a_whole() {
        let query = |sql: &str| Ok(Frontend::Query { sql: sql.to_owned() });
        check(b'Q', b"select 1\0", query("select 1"));
        check(b'Q', b"\0", query(""));
        check(b'Q', b"select 1", Err("08P01"));
        check(b'Q', b"", Err("08P01"));
        check(b'Q', b"select 1\0drop\0", Err("08P01"));
        check(b'Q', b"select '\xff'\0", Err("22021"));
        check(
            b'P',
            b"a\0select $1\0\0\x01\0\0\0\x17",
            Ok(Frontend::Parse {
                name: "a".into(),
                sql: "select $1".into(),
                types: vec![23],
            }),
        );
        check(b'P', b"a\0select $1\0\0\x02\0\0\0\x17", Err("08P01"));
        check(b'P', b"a\0select $1\0\xff\xff\0\0\0\x17", Err("08P01"));
        check(b'P', b"a\0select $1\0\0\x01\0\0\0\x17\0", Err("08P01"));
        check(b'P', b"a\0select $1", Err("08P01"));
        check(
            b'B',
            b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\x01\0\0",
            Ok(Frontend::Bind(Bind {
                portal: String::new(),
                statement: "s".into(),
                parameter_formats: vec![Format::Binary],
                parameters: vec![Some(Bytes::from_static(b"hi")), None],
                result_formats: vec![Format::Text],
            })),
        );
        check(b'B', b"\0s\0\0\0\0\x01\0\0\0\x09hi\0\0", Err("08P01"));
        check(b'B', b"\0s\0\0\0\0\x01\xff\xff\xff\xfehi\0\0", Err("08P01"));
        check(b'B', b"\0s\0\0\x01\0\x07\0\0\0\0", Err("22023"));
        check(b'B', b"\0s\0\0\0\0\0", Err("08P01"));
        check(
            b'D',
            b"Ss\0",
            Ok(Frontend::Describe {
                target: Target::Statement,
                name: "s".into(),
            }),
        );
        check(b'D', b"Xs\0", Err("08P01"));
        check(b'D', b"", Err("08P01"));
        check(
            b'C',
            b"P\0",
            Ok(Frontend::Close {
                target: Target::Portal,
                name: String::new(),
            }),
        );
        check(
            b'E',
            b"p\0\0\0\0\x05",
            Ok(Frontend::Execute {
                portal: "p".into(),
                max_rows: 5,
            }),
        );
        check(
            b'E',
            b"p\0\xff\xff\xff\xff",
            Ok(Frontend::Execute {
                portal: "p".into(),
                max_rows: 0,
            }),
        );
        check(b'E', b"p\0\0\0\0", Err("08P01"));
        check(b'S', b"x", Err("08P01"));
        check(b'H', b"", Ok(Frontend::Flush));
        check(b'X', b"", Ok(Frontend::Terminate));
        check(b'd', b"anything", Ok(Frontend::CopyIn));
        check(b'p', b"secret\0", Err("08P01"));
    }

    #[test]
    fn the_stream_ends_where_it_is_out_of_step() {
        let refused = |bytes: &[u8]| split(&mut BytesMut::from(bytes), 1000).unwrap_err();
        assert_eq!(refused(b"Q\0\0\0\0"), FrameError::Length { length: 0 });
        assert_eq!(refused(b"Q\0\0\0\x03"), FrameError::Length { length: 3 });
        assert_eq!(refused(b"Q\xff\xff\xff\xff"), FrameError::Length { length: -1 });
        assert_eq!(
            refused(b"Q\x7f\xff\xff\xff"),
            FrameError::TooLong {
                length: 0x7fff_ffff,
                limit: 1000
            }
        );
        assert_eq!(refused(b"GET / HTTP/1.1"), FrameError::Kind { kind: b'G' });
        assert_eq!(refused(b"\0"), FrameError::Kind { kind: 0 });
    }

    #[test]
    fn a_message_waits_until_it_is_complete() {
        let whole = message(b'Q', b"select 1\0");
        for cut in 0..whole.len() {
            let mut input = BytesMut::from(&whole[..cut]);
            assert_eq!(split(&mut input, MESSAGE_LIMIT).unwrap(), None);
            assert_eq!(input.len(), cut, "nothing is taken before its time");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut input = BytesMut::from(bytes.as_slice());
            while let Ok(Some(frame)) = split(&mut input, 1000) {
                let _ = Frontend::decode(frame);
            }
        }

        #[test]
        fn random_bodies_never_panic(
            kind in proptest::sample::select(b"QPBDECHSXdcfFp".to_vec()),
            body in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let frame = Frame { kind, body: Bytes::from(body) };
            let _ = Frontend::decode(frame.clone());
            let _ = sasl_initial(frame);
        }
    }
}
