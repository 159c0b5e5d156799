//! One client's session: settings, transaction, cursors and prepared statements over the shared engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::sql::sqlparser::ast::Statement;
use futures::FutureExt;
use parking_lot::Mutex;
use perennial_base::ErrorClass;

use crate::catalog::{SessionCatalog, relation_columns};
use crate::description::SessionFacts;
use crate::engine::{Engine, session_defaults};
use crate::error::{Error, Result, StopReason};
use crate::release::Release;
use crate::rows::{Rows, Stop, panicked};
use crate::session::cursor::Cursor;
use crate::session::facts::Facts;
use crate::session::settings::{OutputStyle, Settings};
use crate::sql::names::shown_schema;
use crate::sql::normalise::{Context, normalise};
use crate::sql::parse::{Parsed, parse};

pub(crate) mod copy;
pub(crate) mod cursor;
pub(crate) mod facts;
pub(crate) mod parameters;
pub(crate) mod registry;
pub mod settings;
pub(crate) mod transaction;
pub(crate) mod utility;

pub use copy::{CopyFormat, CopyOut};
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
    /// Anything else.
    Notice,
}

/// A statement, parsed and planned.
#[derive(Debug, Clone)]
pub struct Prepared(pub(crate) Arc<PreparedStatement>);

#[derive(Debug)]
pub(crate) struct PreparedStatement {
    pub(crate) parsed: Parsed,
    pub(crate) parameters: Vec<DataType>,
    pub(crate) output: Option<SchemaRef>,
    pub(crate) plan: Option<Planned>,
}

/// A plan, and what it holds for.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    release: u64,
    settings: u64,
}

impl Prepared {
    /// The types of `$1`, `$2`, ….
    pub fn parameters(&self) -> &[DataType] {
        &self.0.parameters
    }

    /// The columns of the result; none for a statement that gives no rows.
    pub fn output(&self) -> Option<&SchemaRef> {
        self.0.output.as_ref()
    }

    /// The statement's text.
    pub fn text(&self) -> &str {
        self.0.parsed.text()
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

/// Stops what a session runs; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Canceller(Arc<Mutex<Option<Stop>>>);

impl Canceller {
    /// Stops the running statement, if there is one; answers whether there was.
    pub fn cancel(&self, reason: StopReason) -> bool {
        match self.0.lock().as_ref() {
            Some(stop) => {
                stop.stop(reason);
                true
            }
            None => false,
        }
    }
}

/// See the module. All methods take `&self`; one connection uses it.
#[derive(Debug)]
pub struct Session {
    pub(crate) engine: Arc<Engine>,
    pub(crate) login: Login,
    pub(crate) shared: Arc<Shared>,
    pub(crate) cursors: Mutex<HashMap<String, Cursor>>,
    pub(crate) statements: Mutex<HashMap<String, Prepared>>,
    canceller: Canceller,
    state: Mutex<Option<CachedState>>,
}

/// What functions of the session (`current_setting`, …) see as well.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Mutex<Settings>,
    /// Goes up with every change of a setting.
    pub(crate) settings_epoch: std::sync::atomic::AtomicU64,
    pub(crate) transaction: Mutex<transaction::Transaction>,
    pub(crate) notices: Mutex<Vec<Notice>>,
}

/// The state of a release under the session's settings.
#[derive(Debug)]
struct CachedState {
    release: u64,
    settings: u64,
    state: Arc<SessionState>,
}

impl Session {
    pub(crate) fn new(engine: Arc<Engine>, login: Login) -> Result<Self> {
        let mut defaults = session_defaults(engine.config());
        defaults.insert("session_authorization".to_owned(), login.user.clone());
        let owner = engine
            .config()
            .roles
            .iter()
            .any(|role| role.name == login.user && role.owner);
        defaults.insert(
            "is_superuser".to_owned(),
            if owner { "on" } else { "off" }.to_owned(),
        );
        let mut settings = Settings::new(defaults);
        for (name, value) in &login.settings {
            settings.set(name, value, false)?;
        }
        settings.make_default();
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            settings_epoch: std::sync::atomic::AtomicU64::new(0),
            transaction: Mutex::default(),
            notices: Mutex::default(),
        });
        let canceller = Canceller::default();
        engine.sessions().add(&login, canceller.clone());
        Ok(Self {
            engine,
            login,
            shared,
            cursors: Mutex::default(),
            statements: Mutex::default(),
            canceller,
            state: Mutex::default(),
        })
    }

    /// The statements of a request; none for an empty one.
    ///
    /// # Errors
    /// Class `Syntax` with a position, `TooComplex`.
    pub fn parse(&self, sql: &str) -> Result<Vec<Parsed>> {
        parse(sql)
    }

    /// Plans a statement. `declared` are the types that the client gave for its parameters; the others are
    /// inferred, and are text where nothing says otherwise.
    ///
    /// # Errors
    /// Everything that planning finds wrong, in Postgres' words; `TransactionAborted` in a failed transaction.
    pub async fn prepare(&self, parsed: &Parsed, declared: &[Option<DataType>]) -> Result<Prepared> {
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

    /// What session functions answer.
    pub fn facts(&self) -> Arc<dyn SessionFacts> {
        Arc::new(Facts::new(self))
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

    /// The release that a statement which starts now reads.
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

    fn settings_epoch(&self) -> u64 {
        self.shared
            .settings_epoch
            .load(std::sync::atomic::Ordering::Acquire)
    }

    /// The session state for a release, made anew when the release or a setting has changed.
    fn state(&self, release: &Release) -> Result<Arc<SessionState>> {
        let settings = self.settings_epoch();
        let mut cached = self.state.lock();
        if let Some(cached) = cached.as_ref()
            && cached.release == release.number()
            && cached.settings == settings
        {
            return Ok(Arc::clone(&cached.state));
        }
        let (path, zone) = {
            let settings = self.shared.settings.lock();
            (settings.search_path(), settings.zone().engine_name())
        };
        let catalog = SessionCatalog::new(Arc::clone(release.schemas()), &path);
        let mut config = self.engine.template().config().clone();
        config.options_mut().execution.time_zone = Some(zone);
        let mut state = SessionStateBuilder::new_from_existing(self.engine.template().clone())
            .with_config(config)
            .with_catalog_list(Arc::new(catalog))
            .build();
        if let Some(front) = self.engine.front() {
            for function in front.functions(self.facts()) {
                state.register_udf(Arc::new(function))?;
            }
        }
        let state = Arc::new(state);
        *cached = Some(CachedState {
            release: release.number(),
            settings,
            state: Arc::clone(&state),
        });
        Ok(state)
    }

    /// Plans on the runtime for computing, whose threads have deep stacks.
    async fn plan(&self, parsed: &Parsed, declared: &[Option<DataType>]) -> Result<Prepared> {
        let mut statement = parsed.statement().clone();
        if !utility::is_query(&statement)? {
            return self.plan_utility(parsed).await;
        }
        let release = self.release();
        let settings = self.settings_epoch();
        let state = self.state(&release)?;
        normalised(&mut statement, &state, self.engine.config().zone.name())?;
        let declared = declared.to_vec();
        let text = parsed.text().to_owned();
        let (plan, parameters) = self
            .on_cpu(async move { parameters::plan(&state, statement, &declared, &text).await })
            .await?;
        let output = shown_schema(plan.schema().as_arrow());
        Ok(Prepared(Arc::new(PreparedStatement {
            parsed: parsed.clone(),
            parameters,
            output: Some(output),
            plan: Some(Planned {
                plan,
                release: release.number(),
                settings,
            }),
        })))
    }

    async fn on_cpu<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let stop = Stop::default();
        *self.canceller.0.lock() = Some(stop.clone());
        let timeout = self.timeout("statement_timeout");
        let _timer = stop.after(timeout);
        let task = self
            .engine
            .cpu()
            .spawn(std::panic::AssertUnwindSafe(work).catch_unwind());
        let abort = task.abort_handle();
        tokio::select! {
            biased;
            error = stop.stopped() => { abort.abort(); Err(error) }
            joined = task => match joined {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(panicked(&panic)),
                Err(_) => Err(Error::Stopped(StopReason::Shutdown)),
            }
        }
    }

    /// Binds parameters and starts the plan.
    pub(crate) async fn start(&self, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Rows> {
        let release = self.release();
        let settings = self.settings_epoch();
        let state = self.state(&release)?;
        let statement = Arc::clone(&prepared.0);
        let runtime = self.engine.statement_runtime(None)?;
        let started = self.shared.transaction.lock().now(self.engine.clock().now());
        let prepared = Arc::clone(&statement);
        let zone = self.engine.config().zone.name();
        let (physical, context) = self
            .on_cpu(async move {
                let mut state = SessionStateBuilder::new_from_existing(state.as_ref().clone())
                    .with_runtime_env(runtime)
                    .build();
                state.execution_props_mut().query_execution_start_time =
                    chrono::DateTime::from_timestamp_micros(started);
                let current = prepared
                    .plan
                    .as_ref()
                    .filter(|plan| plan.release == release.number() && plan.settings == settings);
                let plan = match current {
                    Some(planned) => planned.plan.clone(),
                    None => {
                        let mut ast = prepared.parsed.statement().clone();
                        normalised(&mut ast, &state, zone)?;
                        let declared: Vec<_> = prepared.parameters.iter().cloned().map(Some).collect();
                        parameters::plan(&state, ast, &declared, prepared.parsed.text())
                            .await?
                            .0
                    }
                };
                let plan = if values.is_empty() {
                    plan
                } else {
                    plan.replace_params_with_values(&ParamValues::from(values))?
                };
                let optimized = state.optimize(&plan)?;
                let physical = state
                    .query_planner()
                    .create_physical_plan(&optimized, &state)
                    .await?;
                Ok((physical, state.task_ctx()))
            })
            .await?;
        let output = statement.output.clone().unwrap_or_else(|| physical.schema());
        let stop = Stop::default();
        *self.canceller.0.lock() = Some(stop.clone());
        let timer = stop.after(self.timeout("statement_timeout"));
        let tag = if matches!(statement.parsed.statement(), Statement::Explain { .. }) {
            "EXPLAIN"
        } else {
            "SELECT"
        };
        Ok(Rows::start(self.engine.cpu(), physical, context, output, stop, timer).with_tag(tag))
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

/// Plans a query of ours that takes no parameters.
pub(crate) async fn plan_query(state: &SessionState, sql: &str, zone: &str) -> Result<LogicalPlan> {
    let parsed = parse(sql)?;
    let [parsed] = parsed.as_slice() else {
        return Err(unsupported("more than one statement"));
    };
    let mut statement = parsed.statement().clone();
    normalised(&mut statement, state, zone)?;
    Ok(parameters::plan(state, statement, &[], sql).await?.0)
}

fn normalised(statement: &mut Statement, state: &SessionState, zone: &str) -> Result<()> {
    let aggregates = |name: &str| state.aggregate_functions().contains_key(name);
    normalise(
        statement,
        &Context {
            zone,
            aggregates: &aggregates,
            relations: &|name| relation_columns(state, name),
        },
    )
}

/// An error about something that is not served.
pub(crate) fn unsupported(what: &str) -> Error {
    Error::new(ErrorClass::Unsupported, format!("{what} is not supported"))
}
