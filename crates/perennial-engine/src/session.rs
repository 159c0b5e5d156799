//! One client's session: settings, transaction, cursors and prepared statements over the shared engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::sql::sqlparser::ast::Statement;
use parking_lot::Mutex;
use perennial_base::ErrorClass;
use tokio_util::sync::CancellationToken;

use crate::description::SessionFacts;
use crate::engine::{Engine, Taken, session_defaults};
use crate::error::{Error, Result, StopReason};
use crate::release::Release;
use crate::rows::Rows;
use crate::session::cursor::Cursor;
use crate::session::facts::Facts;
use crate::session::listed::Lists;
use crate::session::planning::{CachedState, Described};
use crate::session::plans::Planned;
use crate::session::scroll::Kept;
use crate::session::settings::{Given, OutputStyle, Settings};
use crate::session::temporary::Temporary;
use crate::sql::names::folded;
use crate::sql::parse::Parsed;

pub(crate) mod copy;
pub(crate) mod cursor;
pub(crate) mod explained;
pub(crate) mod export;
pub(crate) mod facts;
pub(crate) mod listed;
pub(crate) mod meant;
pub(crate) mod parameters;
pub(crate) mod planning;
pub(crate) mod plans;
pub(crate) mod registry;
pub(crate) mod request;
pub(crate) mod scroll;
pub mod settings;
pub(crate) mod shown;
pub(crate) mod statements;
pub(crate) mod temporary;
pub(crate) mod transaction;
pub(crate) mod utility;

pub use copy::{CopyFormat, CopyOut};
pub use request::{Canceller, Request};
pub use statements::Held;
pub use transaction::TransactionState;

/// Who opens a session, and from where.
#[derive(Debug, Clone)]
pub struct Login {
    /// The role.
    pub user: String,
    /// The database asked for.
    pub database: String,
    /// Settings that the client asks for at log-in, such as `application_name`.
    pub settings: Vec<(String, String)>,
    /// The client's address.
    pub client: String,
    /// The number by which other sessions name this one.
    pub pid: i32,
}

/// A warning for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The message.
    pub message: String,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// BEGIN inside of a transaction.
    ActiveTransaction,
    /// COMMIT or ROLLBACK outside of a transaction.
    NoActiveTransaction,
    /// The lake has not been unified.
    NothingYet,
    /// What was to be made is there already.
    Exists,
    /// Anything else.
    Notice,
}

/// A statement, parsed and planned.
#[derive(Debug, Clone)]
pub struct Prepared(pub(crate) Arc<PreparedStatement>);

#[derive(Debug)]
pub(crate) struct PreparedStatement {
    pub(crate) parsed: Parsed,
    pub(crate) parameters: Vec<FieldRef>,
    pub(crate) output: Option<SchemaRef>,
    /// Whether values of parameters decide what the plan is: the kept one is for its columns alone.
    pub(crate) late: bool,
    /// What stands inside of a DECLARE, COPY or PREPARE, and the query of a change of a temporary table.
    pub(crate) inner: Option<Prepared>,
    /// The temporary table that is changed.
    pub(crate) changes: Option<u64>,
    /// The newest plan of a query; none of other statements.
    pub(crate) plan: Option<Mutex<Arc<Planned>>>,
}

impl Prepared {
    /// The types of `$1`, `$2`, ….
    pub fn parameters(&self) -> &[FieldRef] {
        &self.0.parameters
    }

    /// The columns of the result; none for a statement that gives no rows.
    pub fn output(&self) -> Option<&SchemaRef> {
        self.0.output.as_ref()
    }

    /// Whether it reads relations that have rows only when a run has committed, as it was planned last.
    pub fn reads_the_lake(&self) -> bool {
        let plan = self.0.plan.as_ref();
        plan.is_some_and(|plan| plan.lock().reads_the_lake())
    }

    /// The statement's text.
    pub fn text(&self) -> &str {
        self.0.parsed.text()
    }

    /// Whether it is a query, whose rows a cursor can give.
    pub fn is_query(&self) -> bool {
        self.0.plan.is_some() && !matches!(self.0.parsed.statement(), Statement::Explain { .. })
    }
}

/// What running a statement gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A result set.
    Rows(Rows),
    /// Nothing but a command tag.
    Done(String),
    /// `COPY … TO STDOUT`.
    Copy(CopyOut),
}

/// See the module. All methods take `&self`; one connection uses it.
#[derive(Debug)]
pub struct Session {
    pub(crate) engine: Arc<Engine>,
    pub(crate) login: Login,
    /// Whether the role may do everything.
    pub(crate) owner: bool,
    /// Memory for one statement of the role, bytes; `None` = what everybody has.
    memory: Option<u64>,
    /// The threads that its statements have.
    lanes: Taken,
    pub(crate) shared: Arc<Shared>,
    pub(crate) cursors: Mutex<HashMap<String, Cursor>>,
    /// What cursors with SCROLL keep of what they gave.
    pub(crate) scrolled: Kept,
    /// Cursors opened so far.
    pub(crate) opened: AtomicU64,
    /// Prepared statements with a name.
    statements: Mutex<HashMap<String, Held>>,
    canceller: Canceller,
    /// Set by `pg_terminate_backend`.
    terminated: CancellationToken,
    state: Mutex<Option<CachedState>>,
    /// What the session had of its own before statements outside of a transaction changed it.
    before_request: Mutex<Option<Temporary>>,
    /// The memory of the relations of the session's own.
    temporary_pool: Arc<dyn MemoryPool>,
    /// What catalogs tell of a release and the relations of the session's own.
    described: Mutex<Option<Described>>,
    /// The release that `perennial.snapshot` selects.
    chosen: Mutex<Option<Arc<Release>>>,
    /// The same as of the moment that `perennial.as_of` gives.
    cut: Mutex<Option<Arc<Release>>>,
}

/// What functions of the session (`current_setting`, …) see as well.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Mutex<Settings>,
    pub(crate) transaction: Mutex<transaction::Transaction>,
    pub(crate) notices: Mutex<Vec<Notice>>,
    pub(crate) lists: Arc<Lists>,
    /// The relations of its own.
    pub(crate) temporary: Mutex<Temporary>,
}

impl Session {
    pub(crate) fn new(engine: Arc<Engine>, login: Login) -> Result<Self> {
        let mut defaults = session_defaults(engine.config());
        defaults.insert("session_authorization".to_owned(), Given::by_login(&login.user));
        let roles = &engine.config().roles;
        let role = roles.iter().find(|role| role.name == login.user);
        let owner = role.is_some_and(|role| role.owner);
        let memory = role.and_then(|role| role.statement_memory);
        if let Some(timeout) = role.and_then(|role| role.statement_timeout) {
            defaults.insert(
                "statement_timeout".to_owned(),
                Given::by_role(format!("{}ms", timeout.as_millis())),
            );
        }
        defaults.insert(
            "is_superuser".to_owned(),
            Given::by_login(if owner { "on" } else { "off" }),
        );
        let mut settings = Settings::new(defaults);
        for (name, value) in &login.settings {
            settings.set(name, value, false)?;
        }
        settings.make_default();
        let nothing_yet =
            (engine.release().number() == 0 && !engine.config().sources.is_empty()).then(|| Notice {
                kind: NoticeKind::NothingYet,
                message: "nothing has been unified yet: the relations have no rows until a run has committed"
                    .to_owned(),
            });
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            transaction: Mutex::default(),
            notices: Mutex::new(nothing_yet.into_iter().collect()),
            lists: Arc::default(),
            temporary: Mutex::default(),
        });
        let temporary_pool = engine.temporary_pool(memory);
        let canceller = Canceller::default();
        let terminated = CancellationToken::new();
        engine
            .sessions()
            .add(&login, canceller.clone(), terminated.clone());
        Ok(Self {
            engine,
            login,
            owner,
            memory,
            lanes: Taken::default(),
            shared,
            cursors: Mutex::default(),
            scrolled: Kept::default(),
            opened: AtomicU64::new(0),
            statements: Mutex::default(),
            canceller,
            terminated,
            state: Mutex::default(),
            described: Mutex::default(),
            before_request: Mutex::default(),
            temporary_pool,
            chosen: Mutex::default(),
            cut: Mutex::default(),
        })
    }

    /// The statements of a request; none for an empty one.
    ///
    /// # Errors
    /// Class `Syntax` with a position, `TooComplex`.
    pub async fn parse(&self, sql: &str) -> Result<Vec<Parsed>> {
        self.read(sql).await
    }

    /// Plans a statement. `declared` are the types that the client gave for its parameters; the others are
    /// inferred, and are text where nothing says otherwise.
    ///
    /// # Errors
    /// Everything that planning finds wrong, in Postgres' words; `TransactionAborted` in a failed transaction.
    pub async fn prepare(&self, parsed: &Parsed, declared: &[Option<FieldRef>]) -> Result<Prepared> {
        self.check_transaction(parsed.statement())?;
        let result = self.plan(parsed, declared).await;
        self.fail_on_error(result)
    }

    /// Runs a prepared statement. The rows start to flow when they are asked for.
    ///
    /// # Errors
    /// As [`Session::prepare`], and everything that starting the plan finds wrong. Errors of running plans come
    /// out of the rows.
    pub async fn run(&self, prepared: &Prepared, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        self.check_transaction(prepared.0.parsed.statement())?;
        let result = match &prepared.0.plan {
            Some(_) => self.start(prepared, parameters).await.map(Outcome::Rows),
            None => self.utility(prepared, parameters).await,
        };
        self.fail_on_error(result)
    }

    /// Where the session stands in a transaction.
    pub fn transaction(&self) -> TransactionState {
        self.shared.transaction.lock().state()
    }

    /// Takes note of an error that the front met: an open transaction has failed.
    pub fn fail(&self) {
        self.shared.transaction.lock().fail();
    }

    /// What stops the session's running statement.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Whether somebody has ended the session.
    pub fn is_terminated(&self) -> bool {
        self.terminated.is_cancelled()
    }

    /// Completes when somebody ends the session, idle or not.
    pub async fn terminated(&self) {
        self.terminated.cancelled().await;
    }

    /// Reported settings that changed since the last call.
    pub fn parameter_changes(&self) -> Vec<(String, String)> {
        self.shared.settings.lock().drain_reported_changes()
    }

    /// The settings that a client is told of at log-in.
    pub fn reported_settings(&self) -> Vec<(String, String)> {
        self.shared.settings.lock().reported()
    }

    /// How values look in text.
    pub fn output_style(&self) -> OutputStyle {
        self.shared.settings.lock().output_style()
    }

    /// A duration setting such as `idle_session_timeout`; zero = none.
    pub fn timeout(&self, name: &str) -> Duration {
        Duration::from_millis(self.shared.settings.lock().milliseconds(name))
    }

    /// Warnings since the last call.
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.shared.notices.lock())
    }

    /// The columns of an open cursor.
    pub fn cursor(&self, name: &str) -> Option<SchemaRef> {
        self.cursors
            .lock()
            .get(name)
            .map(|cursor| Arc::clone(cursor.schema()))
    }

    /// The columns that a prepared statement would give now: those of a FETCH or EXECUTE are of what it names.
    pub fn columns(&self, prepared: &Prepared) -> Option<SchemaRef> {
        let current = match prepared.0.parsed.statement() {
            Statement::Fetch { name, into: None, .. } => self.cursor(&folded(name)),
            Statement::Execute { name, .. } => {
                let named = self.statement_named(name.as_ref()).ok();
                named.and_then(|named| named.output().cloned())
            }
            _ => None,
        };
        current.or_else(|| prepared.output().cloned())
    }

    /// What session functions answer.
    pub fn facts(&self) -> Arc<dyn SessionFacts> {
        let chosen = self.chosen.lock().clone();
        Arc::new(Facts::new(self, &chosen.unwrap_or_else(|| self.release())))
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn notice(&self, kind: NoticeKind, message: impl Into<String>) {
        self.shared.notices.lock().push(Notice {
            kind,
            message: message.into(),
        });
    }

    /// The release that a statement which starts now reads, as `perennial.snapshot` and `perennial.as_of` say.
    pub(crate) async fn selected(&self) -> Result<Arc<Release>> {
        let whole = self.snapshot().await?;
        let Some(moment) = self.shared.settings.lock().as_of() else {
            *self.cut.lock() = None;
            return Ok(whole);
        };
        let known = self.cut.lock().clone();
        if let Some(known) = known.filter(|known| known.cuts(&whole, moment)) {
            return Ok(known);
        }
        let cut = self.engine.release_as_of(&whole, moment).await?;
        *self.cut.lock() = Some(Arc::clone(&cut));
        Ok(cut)
    }

    /// The release that `perennial.snapshot` selects.
    async fn snapshot(&self) -> Result<Arc<Release>> {
        let Some(number) = self.shared.settings.lock().snapshot() else {
            *self.chosen.lock() = None;
            return Ok(self.release());
        };
        let known = self.chosen.lock().clone();
        if let Some(known) = known.filter(|known| known.number() == number) {
            return Ok(known);
        }
        let chosen = self.engine.release_at(number).await?;
        *self.chosen.lock() = Some(Arc::clone(&chosen));
        Ok(chosen)
    }

    /// The release that a statement which starts now reads where no other one is selected.
    pub(crate) fn release(&self) -> Arc<Release> {
        self.shared
            .transaction
            .lock()
            .pinned()
            .unwrap_or_else(|| self.engine.release())
    }

    fn fail_on_error<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|_| self.fail())
    }

    /// Refuses everything but the end of a failed transaction.
    fn check_transaction(&self, statement: &Statement) -> Result<()> {
        let ends = matches!(statement, Statement::Commit { .. } | Statement::Rollback { .. });
        if self.transaction() == TransactionState::Failed && !ends {
            return Err(Error::TransactionAborted);
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.canceller.cancel(StopReason::ClientGone);
        self.engine.sessions().remove(self.login.pid);
    }
}

pub(crate) fn no_cursor(name: &str) -> Error {
    Error::new(
        ErrorClass::UndefinedCursor,
        format!("cursor \"{name}\" does not exist"),
    )
}

/// An error about something that is not served.
pub(crate) fn unsupported(what: &str) -> Error {
    Error::new(ErrorClass::Unsupported, format!("{what} is not supported"))
}
