//! The two byte streams of a connection: frames in, buffered messages out.
//!
//! While a statement runs or its rows are sent, the reading side is watched too, so that a client that has
//! gone is noticed at once and not at the next write. What it sends meanwhile is kept, up to a bound.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::frame::{self, Frame};

/// Bytes that are gathered before they are sent.
pub(crate) const ENOUGH: usize = 128 << 10;
/// Bytes that are read ahead while a statement runs.
const AHEAD: usize = 256 << 10;
/// Smallest free space for a read.
const READ: usize = 8 << 10;
/// A buffer that grew beyond this, for one huge row, is given back.
const KEPT: usize = 1 << 20;

/// Anything that a connection runs over: TCP, TLS, a Unix socket.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct Transport {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    input: BytesMut,
    /// Messages that wait to be sent.
    pub(crate) output: BytesMut,
    /// Ends all waiting: the server stops now.
    pub(crate) kill: CancellationToken,
    stall: Duration,
}

impl Transport {
    pub(crate) fn new(stream: Box<dyn Stream>, kill: CancellationToken, stall: Duration) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let (input, output) = (BytesMut::with_capacity(READ), BytesMut::with_capacity(READ));
        Self {
            reader,
            writer,
            input,
            output,
            kill,
            stall,
        }
    }

    /// The next message; `None` when the client has closed. May be dropped and called again.
    pub(crate) async fn frame(&mut self, limit: usize) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = frame::split(&mut self.input, limit)? {
                return Ok(Some(frame));
            }
            self.input.reserve(READ);
            match self.reader.read_buf(&mut self.input).await {
                Ok(0) if self.input.is_empty() => return Ok(None),
                Ok(0) | Err(_) => return Err(Error::ClientGone),
                Ok(_) => {}
            }
        }
    }

    /// Does `work` while watching the client and the server's end. `stop` is called when `work` is given up.
    pub(crate) async fn attend<T>(
        &mut self,
        work: impl Future<Output = T>,
        stop: impl FnOnce(&Error),
    ) -> Result<T> {
        let Self {
            reader, input, kill, ..
        } = self;
        let error = tokio::select! {
            biased;
            value = work => return Ok(value),
            () = gone(reader, input) => Error::ClientGone,
            () = kill.cancelled() => Error::Terminated,
        };
        stop(&error);
        Err(error)
    }

    /// Sends what is buffered.
    ///
    /// # Errors
    /// The client has gone, takes nothing, or the server stops.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let Self {
            reader,
            writer,
            input,
            output,
            kill,
            stall,
        } = self;
        let send = async {
            while !output.is_empty() {
                match tokio::time::timeout(*stall, writer.write_buf(output)).await {
                    Ok(Ok(1..)) => {}
                    Ok(Ok(0) | Err(_)) => return Err(Error::ClientGone),
                    Err(_) => {
                        return Err(Error::WriteStalled {
                            seconds: stall.as_secs(),
                        });
                    }
                }
            }
            tokio::time::timeout(*stall, writer.flush())
                .await
                .map_err(|_| Error::WriteStalled {
                    seconds: stall.as_secs(),
                })?
                .map_err(|_| Error::ClientGone)
        };
        tokio::select! {
            biased;
            sent = send => sent?,
            () = gone(reader, input) => return Err(Error::ClientGone),
            () = kill.cancelled() => return Err(Error::Terminated),
        }
        if self.output.capacity() > KEPT {
            self.output = BytesMut::with_capacity(READ);
        }
        Ok(())
    }

    /// Says a last word and closes; a client that does not listen is not waited for.
    pub(crate) async fn close(mut self) {
        let Self { writer, output, .. } = &mut self;
        let farewell = async {
            writer.write_all(output).await?;
            writer.shutdown().await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("input", &self.input.len())
            .field("output", &self.output.len())
            .finish()
    }
}

/// Reads ahead; completes when the client has closed its side or cannot be read.
async fn gone(reader: &mut ReadHalf<Box<dyn Stream>>, input: &mut BytesMut) {
    while input.len() < AHEAD {
        input.reserve(READ);
        if !matches!(reader.read_buf(input).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending::<()>().await;
}
