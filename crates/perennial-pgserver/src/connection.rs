//! One connection after its log-in: the loop over messages, simple queries, and the way of rows to the
//! client.

mod extended;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use perennial_engine::session::{Notice, NoticeKind};
use perennial_engine::{Canceller, Outcome, Request, Rows, Session, StopReason, TransactionState};
use tokio_util::sync::CancellationToken;

use crate::backend;
use crate::connection::extended::{Portal, Statement};
use crate::copy::Copy;
use crate::encode::{self, Layout, write_row};
use crate::error::{Error, Result};
use crate::frame::{Format, Frame, Frontend, MESSAGE_LIMIT};
use crate::transport::{ENOUGH, Transport};
use crate::types::Shape;

/// Rows that are there are sent when the next ones take longer than this.
const PATIENCE: Duration = Duration::from_millis(20);

/// One connection. It ends when [`Connection::run`] returns.
pub(crate) struct Connection {
    transport: Transport,
    session: Session,
    canceller: Canceller,
    /// The server stops: an idle connection ends.
    shutdown: CancellationToken,
    /// The statement without a name.
    unnamed: Option<Statement>,
    portals: HashMap<String, Portal>,
    /// What can be stopped: from a message of the extended protocol to the end of an Execute, or to Sync.
    request: Option<Request>,
    /// After an error in the extended protocol, messages up to Sync are skipped.
    skipping: bool,
    /// Nothing was received since the last ReadyForQuery.
    idle: bool,
    /// Where the output's last whole message ends, while a row is being written.
    whole: Option<usize>,
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    End,
}

impl Connection {
    pub(crate) fn new(transport: Transport, session: Session, shutdown: CancellationToken) -> Self {
        Self {
            canceller: session.canceller(),
            transport,
            session,
            shutdown,
            unnamed: None,
            portals: HashMap::new(),
            request: None,
            skipping: false,
            idle: false,
            whole: None,
        }
    }

    /// Answers messages until the client leaves, an error is fatal or the server stops.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            tracing::debug!(%error, "connection ends");
            if !matches!(error, Error::ClientGone | Error::WriteStalled { .. }) {
                backend::error(&mut self.transport.output, &error, true);
            }
        }
        // The plans stop before the farewell: it may wait for the client.
        let Self {
            transport,
            session,
            portals,
            ..
        } = self;
        drop(portals);
        drop(session);
        transport.close().await;
    }

    async fn serve(&mut self) -> Result<()> {
        self.ready().await?;
        while let Some(frame) = self.next_frame().await? {
            let kind = frame.kind;
            self.idle = false;
            let handled = AssertUnwindSafe(self.handle(frame)).catch_unwind().await;
            let handled = handled.unwrap_or_else(|_| {
                if let Some(whole) = self.whole.take() {
                    self.transport.output.truncate(whole);
                }
                Err(Error::internal("the handling of a message panicked"))
            });
            match handled {
                Ok(Flow::Next) => {}
                Ok(Flow::End) => return Ok(()),
                Err(error) if error.fatal() => return Err(error),
                Err(error) => self.recover(kind, &error).await?,
            }
        }
        Ok(())
    }

    /// The next message, unless the session has been idle for too long or the server stops.
    async fn next_frame(&mut self) -> Result<Option<Frame>> {
        let (name, late) = match self.session.transaction() {
            TransactionState::Idle => ("idle_session_timeout", Error::IdleSession),
            _ => ("idle_in_transaction_session_timeout", Error::IdleInTransaction),
        };
        let limit = if self.idle {
            self.session.timeout(name)
        } else {
            Duration::ZERO
        };
        let waiting = async {
            if limit.is_zero() {
                std::future::pending::<()>().await;
            } else {
                tokio::time::sleep(limit).await;
            }
        };
        if self.session.is_terminated() {
            return Err(Error::Terminated);
        }
        tokio::select! {
            biased;
            frame = self.transport.frame(MESSAGE_LIMIT) => frame,
            () = self.shutdown.cancelled() => Err(Error::Terminated),
            () = self.session.terminated() => Err(Error::Terminated),
            () = waiting => Err(late),
        }
    }

    async fn handle(&mut self, frame: Frame) -> Result<Flow> {
        if self.skipping && !matches!(frame.kind, b'S' | b'X') {
            return Ok(Flow::Next);
        }
        match Frontend::decode(frame)? {
            Frontend::Query { sql } => {
                self.simple(&sql).await?;
                self.ready().await?;
            }
            Frontend::Parse { name, sql, types } => {
                self.begin_request();
                self.parse(name, &sql, &types).await?;
            }
            Frontend::Bind(bind) => {
                self.begin_request();
                self.bind(bind)?;
            }
            Frontend::Describe { target, name } => {
                self.begin_request();
                self.describe(target, &name)?;
            }
            Frontend::Execute { portal, max_rows } => {
                self.begin_request();
                self.execute(&portal, max_rows).await?;
                self.request = None;
            }
            Frontend::Close { target, name } => self.close(target, &name),
            Frontend::Flush => self.transport.flush().await?,
            Frontend::Sync => {
                self.skipping = false;
                self.ready().await?;
            }
            Frontend::Terminate => return Ok(Flow::End),
            Frontend::CopyIn => {}
            Frontend::FunctionCall => return Err(Error::FunctionCall),
        }
        // A client may pipeline for ever without asking for its answers.
        if self.transport.output.len() > ENOUGH {
            self.transport.flush().await?;
        }
        Ok(Flow::Next)
    }

    /// As in Postgres, the time limit of the extended protocol counts from the first message to the end of an Execute.
    fn begin_request(&mut self) {
        if self.request.is_none() {
            self.request = Some(self.session.request());
        }
    }

    /// Tells the client of an error and goes on where Postgres would.
    async fn recover(&mut self, kind: u8, error: &Error) -> Result<()> {
        self.request = None;
        self.session.fail();
        self.session.end_request(true);
        backend::error(&mut self.transport.output, error, false);
        if matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C' | b'H') {
            self.skipping = true;
            // Who waits behind a Flush would wait for ever: up to Sync no message is looked at any more.
            return self.transport.flush().await;
        }
        self.skipping = false;
        self.ready().await
    }

    /// Ends a cycle: what has changed, then ReadyForQuery.
    async fn ready(&mut self) -> Result<()> {
        self.request = None;
        self.session.end_request(false);
        let transaction = self.session.transaction();
        if transaction == TransactionState::Idle {
            // Portals live as long as the transaction that made them, an implicit one too.
            self.portals.clear();
        }
        self.send_notices();
        let out = &mut self.transport.output;
        for (name, value) in self.session.parameter_changes() {
            backend::parameter_status(out, &name, &value);
        }
        let status = match transaction {
            TransactionState::Idle => b'I',
            TransactionState::Open => b'T',
            TransactionState::Failed => b'E',
        };
        backend::ready(out, status);
        self.idle = true;
        self.transport.flush().await
    }

    fn send_notices(&mut self) {
        for Notice { kind, message } in self.session.notices() {
            let (severity, code) = match kind {
                NoticeKind::ActiveTransaction => ("WARNING", "25001"),
                NoticeKind::NoActiveTransaction => ("WARNING", "25P01"),
                NoticeKind::NothingYet => ("WARNING", "01000"),
                NoticeKind::Exists => ("NOTICE", "42P07"),
                _ => ("NOTICE", "00000"),
            };
            backend::notice(&mut self.transport.output, severity, code, &message);
        }
    }

    /// Runs all statements of a simple query, up to the first error.
    async fn simple(&mut self, sql: &str) -> Result<()> {
        self.unnamed = None;
        self.portals.remove("");
        let mut reading_request = Some(self.session.request());
        let canceller = &self.canceller;
        let reading = self.session.parse(sql);
        let statements = self
            .transport
            .attend(reading, |error| stop(canceller, error))
            .await??;
        if statements.is_empty() {
            backend::bare(&mut self.transport.output, b'I');
        }
        for parsed in &statements {
            // The time limit is that of each statement; that of the first has begun.
            let _request = reading_request.take().unwrap_or_else(|| self.session.request());
            let before = self.session.transaction();
            let canceller = &self.canceller;
            let planning = self.session.prepare(parsed, &[]);
            let prepared = self
                .transport
                .attend(planning, |error| stop(canceller, error))
                .await??;
            let starting = self.session.run(&prepared, Vec::new());
            let outcome = self
                .transport
                .attend(starting, |error| stop(canceller, error))
                .await??;
            match outcome {
                Outcome::Rows(rows) => {
                    let shapes = Shape::of(rows.schema());
                    let formats = vec![Format::Text; shapes.len()];
                    backend::row_description(&mut self.transport.output, &shapes, &formats)?;
                    let mut running = Running::new(&self.session, rows, &formats);
                    self.send(&mut running, usize::MAX).await?;
                }
                Outcome::Copy(copy) if copy.file.is_some() => self.write_file(copy).await?,
                Outcome::Copy(copy) => {
                    let mut running = self.open_copy(copy)?;
                    self.send(&mut running, usize::MAX).await?;
                }
                Outcome::Done(tag) => self.done(&tag),
                _ => {
                    return Err(Error::internal(
                        "the engine gave an outcome that the front does not know",
                    ));
                }
            }
            self.leave_transaction(before);
        }
        Ok(())
    }

    /// Announces a COPY … TO STDOUT.
    fn open_copy(&mut self, copy: perennial_engine::CopyOut) -> Result<Running> {
        let writer = Copy::new(&copy);
        let format = writer.format();
        let columns = copy.rows.schema().fields().len();
        backend::copy_out(&mut self.transport.output, format, columns)?;
        let mut running = Running::new(&self.session, copy.rows, &vec![format; columns]);
        running.copy = Some(writer);
        Ok(running)
    }

    /// Writes the rows of a COPY into its file. What fails leaves none behind.
    async fn write_file(&mut self, mut copy: perennial_engine::CopyOut) -> Result<()> {
        let mut writer = Copy::new(&copy);
        let Some(mut file) = copy.file.take() else {
            return Ok(());
        };
        let format = writer.format();
        let columns = copy.rows.schema().fields().len();
        let mut running = Running::new(&self.session, copy.rows, &vec![format; columns]);
        match self.write_rows(&mut running, &mut writer, &mut file).await {
            Ok(count) => {
                self.session.exported(file).await?;
                self.done(&running.rows.tag(count as u64));
                Ok(())
            }
            Err(error) => {
                file.abort().await;
                Err(error)
            }
        }
    }

    async fn write_rows(
        &mut self,
        running: &mut Running,
        writer: &mut Copy,
        file: &mut perennial_engine::ExportWriter,
    ) -> Result<usize> {
        let mut out = BytesMut::new();
        let mut count = 0;
        while let Some(batch) = self.next_batch(&mut running.rows, false).await? {
            let mut rows = encode::Rows::try_new(&running.layout, &batch, &running.style)?;
            while rows.left() > 0 {
                count += rows.write(&mut out, usize::MAX, ENOUGH, |columns, row, out| {
                    writer.write_row(columns, row, out)
                })?;
                file.text(out.split().freeze())
                    .await
                    .map_err(perennial_engine::Error::from)?;
            }
        }
        writer.finish(&mut out);
        file.text(out.freeze())
            .await
            .map_err(perennial_engine::Error::from)?;
        Ok(count)
    }

    /// Answers a statement without rows.
    fn done(&mut self, tag: &str) {
        if tag == "DISCARD ALL" {
            self.portals.clear();
        }
        self.send_notices();
        backend::command_complete(&mut self.transport.output, tag);
    }

    /// Portals end with their transaction.
    fn leave_transaction(&mut self, before: TransactionState) {
        if before != TransactionState::Idle && self.session.transaction() == TransactionState::Idle {
            self.portals.clear();
        }
    }

    /// Sends up to `most` rows; at the end the command tag, otherwise PortalSuspended. Says whether it was
    /// the end.
    async fn send(&mut self, running: &mut Running, most: usize) -> Result<bool> {
        let mut sent = 0;
        loop {
            if let Some(batch) = &mut running.batch {
                let out = &mut self.transport.output;
                self.whole = Some(out.len());
                let copy = &mut running.copy;
                let written = batch.write(out, most - sent, ENOUGH, |columns, row, out| match copy {
                    Some(copy) => copy.write_row(columns, row, out),
                    None => write_row(columns, row, out),
                });
                self.whole = None;
                sent += written?;
                if batch.left() == 0 {
                    running.batch = None;
                }
                if self.transport.output.len() >= ENOUGH {
                    let flushed = self.transport.flush().await;
                    flushed.inspect_err(|error| stop(&self.canceller, error))?;
                }
                if sent >= most {
                    backend::bare(&mut self.transport.output, b's');
                    return Ok(false);
                }
                if running.batch.is_some() {
                    continue;
                }
            }
            match self.next_batch(&mut running.rows, sent > 0).await? {
                Some(batch) => {
                    running.batch = Some(encode::Rows::try_new(&running.layout, &batch, &running.style)?);
                }
                None => break,
            }
        }
        let out = &mut self.transport.output;
        if let Some(copy) = &mut running.copy {
            copy.finish(out);
        }
        self.send_notices();
        backend::command_complete(&mut self.transport.output, &running.rows.tag(sent as u64));
        Ok(true)
    }

    /// The next batch. Rows that wait in the output go out first when it takes its time.
    async fn next_batch(
        &mut self,
        rows: &mut Rows,
        waiting: bool,
    ) -> Result<Option<arrow::array::RecordBatch>> {
        let canceller = &self.canceller;
        if waiting && !self.transport.output.is_empty() {
            let soon = tokio::time::timeout(PATIENCE, rows.next());
            if let Ok(next) = self
                .transport
                .attend(soon, |error| stop(canceller, error))
                .await?
            {
                return Ok(next.transpose()?);
            }
            self.transport
                .flush()
                .await
                .inspect_err(|error| stop(canceller, error))?;
        }
        Ok(self
            .transport
            .attend(rows.next(), |error| stop(canceller, error))
            .await?
            .transpose()?)
    }
}

/// A result on its way to the client; it survives the suspension of its portal.
struct Running {
    rows: Rows,
    layout: Layout,
    style: crate::style::OutputStyle,
    batch: Option<encode::Rows>,
    copy: Option<Copy>,
}

impl Running {
    fn new(session: &Session, rows: Rows, formats: &[Format]) -> Self {
        let names = encode::names_objects(rows.schema())
            .then(|| session.object_names())
            .flatten();
        let layout = Layout::new(rows.schema(), formats, names);
        Self {
            layout,
            rows,
            style: session.output_style(),
            batch: None,
            copy: None,
        }
    }
}

/// Stops the running statement because its connection ends.
fn stop(canceller: &Canceller, error: &Error) {
    canceller.cancel(if matches!(error, Error::Terminated) {
        StopReason::Shutdown
    } else {
        StopReason::ClientGone
    });
}
