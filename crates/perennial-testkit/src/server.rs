//! A server in this process: a port of its own, a runtime of its own, and the same engine without a wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use perennial_base::propose::propose;
use perennial_base::{Clock, SystemClock, UserError};
use perennial_engine::{DATABASE, Engine, EngineOptions};
use perennial_lake::StoreWrapper;
use perennial_lake::testing::Faults;
use perennial_pgserver::{PgCatalog, ServeOptions, Server};
use perennial_unify::{
    CheckReport, LifecycleExplanation, Looks, Quiet, RateDoubts, Report, RunOptions, explain_lifecycle,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::embedded::EmbeddedSession;
use crate::lake::TestLake;
use crate::must;
use crate::slt::{TextQuery, TextResult};

/// What an engine of a test has of the test's own.
#[derive(Clone, Default)]
pub struct Setup {
    /// Something between the engine and its store.
    pub store: Option<StoreWrapper>,
    /// The clock; the system's when absent.
    pub clock: Option<Arc<dyn Clock>>,
}

impl Setup {
    /// A store that fails as planned.
    pub fn failing(faults: &Faults) -> Self {
        Self {
            store: Some(faults.wrapper()),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Setup").finish_non_exhaustive()
    }
}

/// A server over a lake. It stops when it is dropped; the lake's folder goes with its last owner.
#[derive(Debug)]
pub struct TestServer {
    lake: TestLake,
    engine: Arc<Engine>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Serves a lake on a free port of the loopback. Landed files are unified first, unless the lake has a snapshot or no
    /// source has a file;
    /// with a `refresh` in the configuration the lake is followed, as `perennial serve` does.
    pub fn start(lake: TestLake) -> Self {
        Self::start_with(lake, Setup::default())
    }

    /// As [`TestServer::start`], with a store or a clock of the test's own.
    pub fn start_with(lake: TestLake, setup: Setup) -> Self {
        let stop = CancellationToken::new();
        let (sender, receiver) = channel();
        let (config, stopped) = (lake.config(), stop.clone());
        // The runtime lives on a thread of its own, so that a test may be asynchronous itself.
        let serving = std::thread::spawn(move || {
            let runtime = must("the server's threads cannot be started", runtime());
            runtime.block_on(async {
                let engine = told("the engine cannot be opened", open(config, setup).await);
                if engine.release().manifest().is_none() {
                    unify_what_is_there(&engine).await;
                }
                let options = told(
                    "the server cannot be set up",
                    ServeOptions::try_new(&engine.config().server),
                );
                let server = told(
                    "the server cannot listen",
                    Server::bind(Arc::clone(&engine), options).await,
                );
                let following = engine.config().lake.refresh.map(|refresh| {
                    let follow =
                        perennial_unify::follow(Arc::clone(&engine), Some(refresh), stopped.clone(), || {});
                    tokio::spawn(follow)
                });
                if sender.send((engine, server.local_addr())).is_ok() {
                    told("the server has failed", server.serve(stopped).await);
                }
                if let Some(following) = following {
                    // It ends with the server; a panic of it was shown where it happened.
                    let _ended = following.await;
                }
            });
        });
        let (engine, address) = must("the server did not start", receiver.recv());
        Self {
            lake,
            engine,
            address,
            stop,
            serving: Some(serving),
        }
    }

    /// How a client of `tokio-postgres` or libpq connects, as a role with all rights.
    pub fn connection_string(&self) -> String {
        format!(
            "host={} port={} user=admin dbname={DATABASE}",
            self.address.ip(),
            self.port()
        )
    }

    /// A session on the engine itself, in UTC.
    pub fn embedded_session(&self) -> Box<dyn TextQuery> {
        Box::new(EmbeddedSession::open(&self.engine))
    }

    /// The engine that is served.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// One look at the lake, as a server takes it that follows: a run when something is new.
    pub async fn look(&self) -> Report {
        let engine = Arc::clone(&self.engine);
        let looking = self.engine.cpu().spawn(async move {
            let options = RunOptions {
                yields: true,
                ..RunOptions::SETTLED
            };
            run(&engine, options).await
        });
        must("the look has failed", looking.await)
    }

    /// A look as [`TestServer::look`], which remembers those before and waits for no file that is being written.
    pub async fn look_again(&self, mut looks: Looks) -> (Report, Looks) {
        let engine = Arc::clone(&self.engine);
        let looking = self.engine.cpu().spawn(async move {
            let options = RunOptions {
                yields: true,
                ..RunOptions::default()
            };
            let ran = perennial_unify::run(&engine, &mut looks, options, &Quiet).await;
            (told("the run has failed", ran), looks)
        });
        must("the look has failed", looking.await)
    }

    /// Why a customer is in a stage at a moment, as `perennial lifecycle explain` tells it, or the error.
    pub async fn explained(&self, customer: &str, at: &str) -> Result<LifecycleExplanation, String> {
        let told = explain_lifecycle(&self.engine, customer, Some(at)).await;
        told.map_err(|error| error.to_string())
    }

    /// The lake that is served.
    pub fn lake(&self) -> &TestLake {
        &self.lake
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            // A panic of the server was shown where it happened.
            let _ = serving.join();
        }
    }
}

impl TestLake {
    /// One full run over all files, as `perennial unify --full`.
    pub fn unify(&self) -> Report {
        let config = self.config();
        apart(move || async move {
            let options = RunOptions {
                full: true,
                ..RunOptions::SETTLED
            };
            let engine = told(
                "the engine cannot be opened",
                open(config, Setup::default()).await,
            );
            run(&engine, options).await
        })
    }

    /// One run in an engine of its own, as a process of its own; what a user is told when it fails.
    ///
    /// # Errors
    /// As `perennial_unify::run`, and when the engine cannot be opened.
    pub fn try_run(&self, setup: Setup, options: RunOptions) -> Result<Report, String> {
        let config = self.config();
        apart(move || async move {
            let engine = open(config, setup).await.map_err(|error| shown(&error))?;
            let ran = perennial_unify::run(&engine, &mut Looks::default(), options, &Quiet).await;
            ran.map_err(|error| shown(&error))
        })
    }

    /// Rows of a query in an engine of its own, each in text; what a user is told when it fails.
    ///
    /// # Errors
    /// As a statement, and when the engine cannot be opened.
    pub fn try_query(&self, setup: Setup, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        self.try_queries(setup, &[sql])
    }

    /// Rows of several queries, one after the other, in one engine.
    ///
    /// # Errors
    /// As [`TestLake::try_query`].
    pub fn try_queries(&self, setup: Setup, queries: &[&str]) -> Result<Vec<Vec<Option<String>>>, String> {
        self.try_queries_after(setup, None, queries)
    }

    /// As [`TestLake::try_queries`], after a run in the same engine.
    ///
    /// # Errors
    /// As [`TestLake::try_query`] and [`TestLake::try_run`].
    pub fn try_queries_after(
        &self,
        setup: Setup,
        options: Option<RunOptions>,
        queries: &[&str],
    ) -> Result<Vec<Vec<Option<String>>>, String> {
        let config = self.config();
        let queries: Vec<String> = queries.iter().map(|sql| (*sql).to_owned()).collect();
        apart(move || async move {
            let engine = open(config, setup).await.map_err(|error| shown(&error))?;
            if let Some(options) = options {
                let ran = perennial_unify::run(&engine, &mut Looks::default(), options, &Quiet).await;
                ran.map_err(|error| shown(&error))?;
            }
            let mut session = EmbeddedSession::open(&engine);
            let mut all = Vec::new();
            for sql in queries {
                match session.query(&sql).await {
                    Ok(TextResult::Rows { rows, .. }) => all.extend(rows),
                    Ok(TextResult::Complete(_)) => {}
                    Err(error) => return Err(format!("{}: {}", error.sqlstate, error.message)),
                }
            }
            Ok(all)
        })
    }

    /// One run over what has landed, of everything when it is asked for, and then queries: the rows of each as lines of
    /// values between bars, sorted; a statement without rows has none.
    pub fn answers(&self, full: bool, queries: &[String]) -> (Report, Vec<Vec<String>>) {
        let options = RunOptions {
            full,
            ..RunOptions::SETTLED
        };
        self.answers_of(Setup::default(), options, queries)
    }

    /// As [`TestLake::answers`], with a store or a clock of the test's own.
    pub fn answers_of(
        &self,
        setup: Setup,
        options: RunOptions,
        queries: &[String],
    ) -> (Report, Vec<Vec<String>>) {
        let (config, queries) = (self.config(), queries.to_vec());
        apart(move || async move {
            let engine = must("the engine cannot be opened", open(config, setup).await);
            let report = run(&engine, options).await;
            let mut session = EmbeddedSession::open(&engine);
            let mut answers = Vec::new();
            for query in &queries {
                let rows = match must(query, session.query(query).await) {
                    TextResult::Rows { rows, .. } => rows,
                    TextResult::Complete(_) => Vec::new(),
                };
                let line = |row: Vec<Option<String>>| {
                    let values = row
                        .into_iter()
                        .map(|value| value.unwrap_or_else(|| "∅".to_owned()));
                    values.collect::<Vec<_>>().join("|")
                };
                let mut lines: Vec<String> = rows.into_iter().map(line).collect();
                lines.sort_unstable();
                answers.push(lines);
            }
            (report, answers)
        })
    }

    /// The configuration that `perennial init` proposes at a moment, in microseconds since 1970.
    pub fn proposal(&self, now: i64) -> String {
        let config = self.config();
        let survey = apart(move || async move {
            let engine = told(
                "the engine cannot be opened",
                open(config, Setup::default()).await,
            );
            told(
                "the lake cannot be looked at",
                perennial_unify::survey(&engine).await,
            )
        });
        propose(&survey.folders, now).to_toml("./lake", &[])
    }

    /// What `perennial check` finds; of each thing that does not fit, all that a user is told.
    ///
    /// # Errors
    /// As `perennial_unify::check`.
    pub fn check(&self) -> Result<CheckReport, Vec<String>> {
        let config = self.config();
        let checked = apart(move || async move {
            let engine = told(
                "the engine cannot be opened",
                open(config, Setup::default()).await,
            );
            perennial_unify::check(&engine).await
        });
        checked.map_err(|errors| errors.iter().map(shown).collect())
    }

    /// What is in doubt about exchange rates and served amounts, as `unify` and `serve` tell.
    pub fn rate_doubts(&self) -> RateDoubts {
        let config = self.config();
        apart(move || async move {
            let engine = told(
                "the engine cannot be opened",
                open(config, Setup::default()).await,
            );
            let doubts = perennial_unify::rate_doubts(&engine).await;
            told("the amounts cannot be read", doubts)
        })
    }
}

/// Does work on a thread and a runtime of its own, so that a test may be asynchronous itself.
pub(crate) fn apart<T: Send + 'static, F: Future<Output = T>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> T {
    // The engine goes on on another stack where little is left, which takes a third of the time where it always is little.
    let thread = std::thread::Builder::new().stack_size(perennial_engine::engine::STACK_BYTES);
    let working = thread.spawn(move || {
        let runtime = must("the threads of the work cannot be started", runtime());
        runtime.block_on(work())
    });
    match must("the thread of the work cannot be started", working).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Threads as the binary's.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(perennial_engine::engine::STACK_BYTES)
        .enable_all()
        .build()
}

async fn open(config: Arc<perennial_base::Config>, setup: Setup) -> perennial_engine::Result<Arc<Engine>> {
    let clock: Arc<dyn Clock> = setup.clock.unwrap_or_else(|| Arc::new(SystemClock));
    let front = Arc::new(PgCatalog::new(Arc::clone(&clock)));
    let options = EngineOptions {
        front: Some(front),
        clock: Some(clock),
        store: setup.store,
    };
    Engine::open(config, options).await
}

async fn run(engine: &Arc<Engine>, options: RunOptions) -> Report {
    told(
        "the run has failed",
        perennial_unify::run(engine, &mut Looks::default(), options, &Quiet).await,
    )
}

/// A first run, which a lake without files does not have.
async fn unify_what_is_there(engine: &Arc<Engine>) {
    match perennial_unify::run(engine, &mut Looks::default(), RunOptions::SETTLED, &Quiet).await {
        Err(perennial_unify::Error::Nothing { .. }) => {}
        ran => drop(told("the run has failed", ran)),
    }
}

/// The value, or a panic with all that a user would be told.
fn told<T>(what: &str, result: Result<T, impl UserError>) -> T {
    must(what, result.map_err(|error| shown(&error)))
}

/// All that a user is told of an error.
fn shown(error: &impl UserError) -> String {
    let more = [error.detail(), error.hint()].into_iter().flatten();
    more.fold(error.to_string(), |text, line| format!("{text}\n{line}"))
}
