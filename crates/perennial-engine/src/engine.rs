//! One engine per process: the runtime for computing, the memory, the functions and the newest release.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::optimizer::Analyzer;
use datafusion::prelude::SessionConfig;
use perennial_base::{Clock, Config, ErrorClass, SystemClock};
use perennial_lake::{Lake, Snapshots, StoreWrapper};
use tokio::sync::Notify;

use crate::catalog::SEARCH_PATH;
use crate::description::{DATABASE, FunctionDescription, SystemCatalog};
use crate::engine::lanes::Lanes;
use crate::engine::releases::Releases;
use crate::engine::watchdog::Statements;
use crate::error::{Error, Result};
use crate::functions;
use crate::keyed::pages::Pages;
use crate::limits::{self, ProcessPool, StatementPool};
use crate::release::{Release, ViewPlanner};
use crate::session::request::Stop;
use crate::session::settings::Given;
use crate::session::{Login, Session};
use crate::system::{Run, Runs};

mod lanes;
mod releases;
mod watchdog;

pub use lanes::STACK_BYTES;
pub(crate) use lanes::{Lane, Taken};
pub use releases::LeaseGuard;

/// The part of the memory that is kept for decoded pages of look-ups: one in so many bytes.
const PAGES_SHARE: usize = 16;
/// The part of the memory that temporary tables of all sessions can have: one in so many bytes.
const TEMPORARY_SHARE: usize = 4;
/// The part of its share of a statement's memory that a sort sets aside to merge what it has spilled.
const MERGING: usize = 8;
/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// What an engine can be given.
#[derive(Default)]
pub struct EngineOptions {
    /// The system catalog of the front that serves.
    pub front: Option<Arc<dyn SystemCatalog>>,
    /// The clock; the system's when absent.
    pub clock: Option<Arc<dyn Clock>>,
    /// Something between the engine and the store of its lake, such as one that counts or fails.
    pub store: Option<StoreWrapper>,
}

impl std::fmt::Debug for EngineOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EngineOptions")
            .field("front", &self.front)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    lake: Arc<Lake>,
    snapshots: Snapshots,
    clock: Arc<dyn Clock>,
    opened_at: i64,
    front: Option<Arc<dyn SystemCatalog>>,
    lanes: Lanes,
    runtime: Arc<RuntimeEnv>,
    pool: Arc<ProcessPool>,
    /// What temporary tables of all sessions have of it.
    temporary: Arc<ProcessPool>,
    statement_memory: usize,
    /// Functions and options of every session, without a catalog.
    template: SessionState,
    functions: Vec<FunctionDescription>,
    releases: Releases,
    /// See [`Engine::outdated`].
    outdated: Arc<Notify>,
    runs: Arc<Runs>,
    sessions: crate::session::registry::Registry,
    statements: Statements,
}

impl Engine {
    /// Opens the lake of a configuration and reads its newest snapshot.
    ///
    /// # Errors
    /// When the lake cannot be read, or the limits of the configuration cannot be set up.
    pub async fn open(config: Arc<Config>, options: EngineOptions) -> Result<Arc<Self>> {
        let lake = Lake::open(&config.lake.url, &config.base)?;
        let lake = Arc::new(match &options.store {
            Some(wrap) => lake.wrapped(wrap),
            None => lake,
        });
        let store = ObjectStoreUrl::parse(lake.store_url())?;
        let memory = usize::try_from(limits::of_all(&config)).unwrap_or(usize::MAX);
        let statement = config
            .server
            .statement_memory
            .map_or(memory / 2, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let pages = memory / PAGES_SHARE;
        let memory = memory - pages;
        let runtime = runtime_env(&config, memory)?;
        runtime.register_object_store(store.as_ref(), lake.store());
        let threads = config.server.threads.unwrap_or_else(available_threads);
        let lanes = Lanes::new(threads)?;
        let merging = (statement / threads / MERGING).min(10 << 20);
        let template = template(&runtime, threads, pages, merging)?;
        let functions = functions::descriptions(&template);
        let snapshots = Snapshots::new(lake.as_ref().clone());
        let clock = options.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let planner = ViewPlanner {
            template: &template,
            config: &config,
        };
        let runs = Arc::<Runs>::default();
        let front = options.front;
        let none = Release::new(&config, &lake, None, &[], &runs, Vec::new(), None, &planner).await?;
        let pool = ProcessPool::new(memory);
        let engine = Self {
            releases: Releases::new(none),
            config,
            lake,
            snapshots,
            opened_at: clock.now(),
            clock,
            front,
            lanes,
            runtime,
            temporary: ProcessPool::part_of(&pool, memory / TEMPORARY_SHARE),
            pool,
            statement_memory: statement,
            template,
            functions,
            outdated: Arc::default(),
            runs,
            sessions: crate::session::registry::Registry::default(),
            statements: Statements::default(),
        };
        if engine.refresh().await? == 0 {
            engine.serve_no_snapshot().await?;
        }
        Ok(Arc::new(engine))
    }

    /// A session for a client.
    ///
    /// # Errors
    /// Class `UndefinedDatabase` when the client asks for a database other than the one served.
    pub fn session(self: &Arc<Self>, login: Login) -> Result<Session> {
        if login.database != DATABASE {
            return Err(Error::new(
                ErrorClass::UndefinedDatabase,
                format!("database \"{}\" does not exist", login.database),
            )
            .with_hint(format!("The database is called \"{DATABASE}\".")));
        }
        Session::new(Arc::clone(self), login)
    }

    /// From now on, statements that have reserved most end where this process comes to have much more memory than
    /// `server.memory`. For a process that serves and does nothing else of size.
    pub fn watch_memory(self: &Arc<Self>) {
        watchdog::watch(Arc::downgrade(self), limits::of_all(&self.config));
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The lake.
    pub fn lake(&self) -> &Arc<Lake> {
        &self.lake
    }

    /// The snapshots of the lake.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// When the engine was opened, microseconds: what is configured was read before.
    pub fn opened_at(&self) -> i64 {
        self.opened_at
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The threads for computing what is not a statement of a client.
    pub fn cpu(&self) -> &tokio::runtime::Handle {
        self.lanes.shared()
    }

    /// Threads for a statement of the session that has taken these.
    pub(crate) fn lane(&self, taken: &Taken) -> Lane {
        self.lanes.enter(taken)
    }

    /// The newest release known.
    pub fn release(&self) -> Arc<Release> {
        self.releases.current()
    }

    /// Notified when a statement has found that a landed file is not the one that was admitted, or is gone: it is time to
    /// look at the lake.
    pub fn outdated(&self) -> &Arc<Notify> {
        &self.outdated
    }

    /// Records a run of this process; a run of the same id is replaced. Shown at once.
    pub fn record_run(&self, run: Run) {
        self.runs.record(run);
    }

    /// As [`Engine::record_run`], of a run that was recorded as `own`, and is one row with another from now on.
    pub fn record_run_with(&self, own: &str, run: Run) {
        self.runs.record_with(own, run);
    }

    /// A session state for work that is not a client's: the run's own plans. It sees no catalog.
    pub fn work_state(&self, memory: usize) -> Result<SessionState> {
        let pool = Arc::new(StatementPool::new(Arc::clone(&self.pool), memory));
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.runtime)
            .with_memory_pool(pool)
            .build_arc()?;
        Ok(SessionStateBuilder::new_from_existing(self.template.clone())
            .with_runtime_env(runtime)
            .build())
    }

    /// The descriptions of all functions.
    pub fn functions(&self) -> &[FunctionDescription] {
        &self.functions
    }

    pub(crate) fn front(&self) -> Option<&Arc<dyn SystemCatalog>> {
        self.front.as_ref()
    }

    pub(crate) fn template(&self) -> &SessionState {
        &self.template
    }

    pub(crate) fn sessions(&self) -> &crate::session::registry::Registry {
        &self.sessions
    }

    /// The memory for what a session keeps in temporary tables: as much as one statement may have, and a part of what all have.
    pub(crate) fn temporary_pool(&self, limit: Option<u64>) -> Arc<dyn MemoryPool> {
        Arc::new(StatementPool::new(
            Arc::clone(&self.temporary),
            self.statement_limit(limit),
        ))
    }

    fn statement_limit(&self, limit: Option<u64>) -> usize {
        let limit = limit.map_or(self.statement_memory, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        limit.min(self.statement_memory)
    }

    /// The runtime environment of one statement, with its own memory budget, and what ends the statement where memory is
    /// short.
    pub(crate) fn statement_runtime(&self, limit: Option<u64>) -> Result<(Arc<RuntimeEnv>, Stop)> {
        let pool = Arc::new(StatementPool::new(
            Arc::clone(&self.pool),
            self.statement_limit(limit),
        ));
        let stop = self.statements.add(&pool);
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.runtime)
            .with_memory_pool(pool)
            .build_arc()?;
        Ok((runtime, stop))
    }
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn runtime_env(config: &Config, memory: usize) -> Result<Arc<RuntimeEnv>> {
    let mode = match &config.server.spill_dir {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(config.server.spill_limit);
    Ok(RuntimeEnvBuilder::new()
        .with_memory_pool(limits::background(memory))
        .with_disk_manager_builder(disk)
        .with_metadata_cache_limit(128 << 20)
        .with_object_list_cache_limit(0)
        .build_arc()?)
}

/// Options, functions and planners that all sessions share. Each sort sets `merging` bytes aside for what it has spilled.
fn template(runtime: &Arc<RuntimeEnv>, threads: usize, pages: usize, merging: usize) -> Result<SessionState> {
    let mut options = ConfigOptions::new();
    options.sql_parser.dialect = datafusion::common::config::Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.enable_subquery_sort_elimination = false;
    options.sql_parser.default_null_ordering = "nulls_max".to_owned();
    options.catalog.create_default_catalog_and_schema = false;
    options.catalog.default_catalog = DATABASE.to_owned();
    options.catalog.default_schema = SEARCH_PATH.to_owned();
    options.catalog.information_schema = false;
    options.execution.target_partitions = threads;
    options.execution.sort_spill_reservation_bytes = merging;
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = false;
    options.execution.parquet.bloom_filter_on_read = true;
    options.execution.collect_statistics = true;
    // It compares what is told of the types of columns, of which UNION takes one side's in a plan and another's in the next.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.optimizer.max_passes = 3;
    let mut state = SessionStateBuilder::new()
        .with_config(
            SessionConfig::from(options)
                .with_batch_size(BATCH_ROWS)
                .with_extension(Arc::new(Pages::new(pages))),
        )
        .with_runtime_env(Arc::clone(runtime))
        .with_default_features()
        .with_physical_optimizer_rules(crate::rules::guarded::around_pushdown())
        .with_physical_optimizer_rule(Arc::new(crate::rules::many_files::ManyFiles))
        .with_physical_optimizer_rule(Arc::new(crate::rules::ordered_scan::OrderedScans))
        .with_physical_optimizer_rule(Arc::new(crate::rules::few_rows::FewRows))
        .with_physical_optimizer_rule(Arc::new(crate::rules::yielding::YieldingJoins))
        .with_type_planner(Arc::new(crate::sql::types::Types))
        .with_analyzer_rules(
            [
                vec![
                    Arc::new(crate::rules::named_types::Beside) as _,
                    Arc::new(crate::rules::floats::Floats) as _,
                    Arc::new(crate::rules::moments::Moments) as _,
                ],
                Analyzer::new().rules,
            ]
            .concat(),
        )
        .with_analyzer_rule(Arc::new(crate::rules::ordered_input::OrderedInput))
        .with_analyzer_rule(Arc::new(crate::rules::dependent_join::DependentJoin::default()))
        .with_analyzer_rule(Arc::new(crate::rules::postgres::Numbers))
        .build();
    {
        use datafusion::logical_expr::registry::FunctionRegistry;
        state.register_expr_planner(Arc::new(crate::rules::array_literal::ArrayLiterals))?;
        state.register_expr_planner(Arc::new(crate::rules::postgres::Operators))?;
    }
    state.register_udtf(functions::series::NAME, Arc::new(functions::series::Series));
    for set in functions::sets() {
        use datafusion::logical_expr::registry::FunctionRegistry;
        for function in set.scalar {
            state.register_udf(function)?;
        }
        for function in set.aggregate {
            state.register_udaf(function)?;
        }
        for function in set.window {
            state.register_udwf(function)?;
        }
    }
    {
        use datafusion::logical_expr::registry::FunctionRegistry;
        state.register_udaf(functions::single_value::function())?;
        state.register_udf(functions::or_empty::function())?;
        state.register_udf(functions::together::function())?;
        for function in functions::postgres::functions() {
            state.register_udf(function)?;
        }
        for function in functions::postgres::aggregates() {
            state.register_udaf(function)?;
        }
    }
    Ok(state)
}

/// Settings with which every session of a configuration starts.
pub(crate) fn session_defaults(config: &Config) -> BTreeMap<String, Given> {
    let mut defaults = BTreeMap::new();
    let mut give = |name: &str, value: String| {
        defaults.insert(name.to_owned(), Given::by_configuration(value));
    };
    let timeout = config.server.statement_timeout.as_millis();
    if timeout > 0 {
        give("statement_timeout", format!("{timeout}ms"));
    }
    give("max_connections", config.server.max_connections.to_string());
    let encrypted = config.server.tls_certificate.is_some();
    give("ssl", if encrypted { "on" } else { "off" }.to_owned());
    defaults
}
