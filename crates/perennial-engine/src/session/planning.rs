//! From a statement to its plan, and from the plan to its rows, on the threads of its lane.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::{Documentation, LogicalPlan, ScalarUDF, Signature};
use datafusion::sql::sqlparser::ast::Statement;
use futures::FutureExt;
use parking_lot::Mutex;
use perennial_base::relation::PUBLIC;
use perennial_base::{Config, ErrorClass, UserError};

use crate::catalog::{Relations, SessionCatalog, relation_columns};
use crate::description::CatalogDescription;
use crate::engine::{Engine, Lane, session_defaults};
use crate::error::{Error, Result, StopReason};
use crate::functions;
use crate::functions::table::late::write_late;
use crate::release::Release;
use crate::rows::{Plan, Rows, panicked};
use crate::rules::casts::Casts;
use crate::rules::named_types::NamedTypes;
use crate::session::explained::{lines, of_the_engine, output_of};
use crate::session::facts::Facts;
use crate::session::meant::{elsewhere, meant, not_in_from};
use crate::session::plans::{Basis, Planned};
use crate::session::settings::{OutputStyle, Settings};
use crate::session::temporary::{View, shown as shown_own};
use crate::session::{Prepared, PreparedStatement, Session, parameters, shown, unsupported, utility};
use crate::sql::calls::Sort;
use crate::sql::literals::Reading;
use crate::sql::normalise::{Context, normalise};
use crate::sql::parse::{Parsed, parse};
use crate::sql::undefined::told_of;

/// Bytes of a text that is read where it is received.
const LONG: usize = 64 << 10;

/// The state of a release under the session's settings.
#[derive(Debug)]
pub(super) struct CachedState {
    basis: Basis,
    state: Arc<SessionState>,
}

/// The description of a release with relations of a session's own.
#[derive(Debug)]
pub(super) struct Described {
    /// Where the release's own description is, which stays there, and which relations of the session's.
    of: (usize, u64),
    _release: Arc<CatalogDescription>,
    description: Arc<CatalogDescription>,
}

impl Session {
    fn basis(&self, release: &Arc<Release>) -> Basis {
        let settings = self.shared.settings.lock();
        Basis {
            release: Arc::downgrade(release),
            path: settings.search_path(),
            style: settings.output_style(),
            temporary: self.shared.temporary.lock().version(),
        }
    }

    fn reading(&self, basis: &Basis) -> Option<Reading> {
        self.engine.front().map(|front| Reading {
            front: Arc::clone(front),
            style: basis.style,
        })
    }

    /// The session state for a release, made anew when what planning depends on has changed.
    async fn state(&self, release: &Arc<Release>, basis: &Basis) -> Result<Arc<SessionState>> {
        let known = self
            .state
            .lock()
            .as_ref()
            .filter(|cached| cached.basis == *basis)
            .map(|cached| Arc::clone(&cached.state));
        if let Some(state) = known {
            return Ok(state);
        }
        let temporary = self.temporary();
        let mut schemas = Arc::clone(release.schemas());
        let mut functions = Vec::new();
        if let Some(front) = self.engine.front() {
            if !temporary.is_empty() {
                schemas = shown_own::with_described(&schemas, front, &self.described(release));
            }
            schemas = shown::with_own(&schemas, front, &self.shared)?;
            functions = front.functions(Arc::new(Facts::new(self, release)));
        }
        let functions: Vec<Arc<ScalarUDF>> = functions.into_iter().map(Arc::new).collect();
        if !temporary.is_empty() {
            schemas = shown_own::with_tables(&schemas, &temporary, &self.own_schema(), &self.shared);
            for (name, view) in temporary.views() {
                let planned = self.view(release, view, &schemas, &functions).await;
                let provider = planned.unwrap_or_else(|error| shown_own::broken(view, error));
                schemas = shown_own::with_view(&schemas, &self.own_schema(), name, provider);
            }
        }
        let state = self.session_state(SessionCatalog::new(schemas, &basis.path), basis.style, &functions)?;
        *self.state.lock() = Some(CachedState {
            basis: basis.clone(),
            state: Arc::clone(&state),
        });
        Ok(state)
    }

    /// The state over a catalog, with functions that answer from the session.
    fn session_state(
        &self,
        catalog: SessionCatalog,
        style: OutputStyle,
        functions: &[Arc<ScalarUDF>],
    ) -> Result<Arc<SessionState>> {
        let mut state = state_over(&self.engine, catalog, style, functions);
        // Functions see the session's zone.
        state.mark_start_execution();
        for function in functions {
            state.register_udf(Arc::clone(function))?;
        }
        Ok(Arc::new(state))
    }

    /// A view of the session's own, planned over the relations before it. One that cannot be planned any more, over another
    /// snapshot, says so where it is read.
    async fn view(
        &self,
        release: &Arc<Release>,
        view: &Arc<View>,
        schemas: &Arc<BTreeMap<String, Arc<Relations>>>,
        functions: &[Arc<ScalarUDF>],
    ) -> Result<Arc<dyn TableProvider>> {
        let catalog = SessionCatalog::new(Arc::clone(schemas), &view.path);
        let state = self.session_state(catalog, view.style, functions)?;
        let reading = self.engine.front().map(|front| Reading {
            front: Arc::clone(front),
            style: view.style,
        });
        let config = Arc::clone(release.config(self.engine.config()));
        let view = Arc::clone(view);
        let planning = async move {
            let mut statement = Statement::Query(Box::new(view.query.clone()));
            let text = statement.to_string();
            write_late(&mut statement, None)?;
            normalised(&mut statement, &text, &state, &config, reading.as_ref())?;
            let (plan, _) = parameters::plan(&state, statement, &[], &text).await?;
            shown_own::named(plan, &view.schema, text)
        };
        self.on_lane(&self.lane(), planning).await
    }

    /// What the catalog of a release tells the session: with the relations of its own.
    pub(super) fn described(&self, release: &Release) -> Arc<CatalogDescription> {
        let temporary = self.temporary();
        if temporary.is_empty() {
            return Arc::clone(release.description());
        }
        let mut known = self.described.lock();
        let of = (Arc::as_ptr(release.description()) as usize, temporary.version());
        if let Some(known) = known.as_ref().filter(|known| known.of == of) {
            return Arc::clone(&known.description);
        }
        let description = shown_own::described(release.description(), &temporary, &self.own_schema());
        let description = Arc::new(description);
        *known = Some(Described {
            of,
            _release: Arc::clone(release.description()),
            description: Arc::clone(&description),
        });
        description
    }

    /// The statements of a text. What may take long is read on a lane.
    pub(super) async fn read(&self, sql: &str) -> Result<Vec<Parsed>> {
        if sql.len() < LONG {
            return parse(sql);
        }
        let sql = sql.to_owned();
        self.on_lane(&self.lane(), async move { parse(&sql) }).await
    }

    /// Plans on a lane, whose threads have deep stacks.
    pub(super) async fn plan(&self, parsed: &Parsed, declared: &[Option<FieldRef>]) -> Result<Prepared> {
        if !utility::is_query(parsed.statement())? {
            return self.plan_utility(parsed, declared).await;
        }
        let release = self.selected().await?;
        let basis = self.basis(&release);
        let state = self.state(&release, &basis).await?;
        let reading = self.reading(&basis);
        let config = Arc::clone(release.config(self.engine.config()));
        let mut statement = parsed.statement().clone();
        let late = write_late(&mut statement, None)?;
        let mut declared = declared.to_vec();
        for index in &late {
            declared.resize(declared.len().max(index + 1), None);
            if let Some(text) = declared.get_mut(*index) {
                text.get_or_insert_with(parameters::text);
            }
        }
        let source = parsed.clone();
        let planning = async move {
            normalised(&mut statement, source.text(), &state, &config, reading.as_ref())
                .map_err(|error| parameters::placed_by_name(error, source.text()))?;
            let error = match parameters::plan(&state, statement, &declared, source.text()).await {
                Err(error) if error.class() == ErrorClass::UndefinedFunction => error,
                planned => return planned,
            };
            let mut again = source.statement().clone();
            write_late(&mut again, None)?;
            normalised(&mut again, source.text(), &state, &config, reading.as_ref())?;
            Err(with_types(error, again, &source, &state, &declared).await)
        };
        let (plan, parameters) = self
            .on_lane(&self.lane(), planning)
            .await
            .map_err(|error| not_in_from(error, parsed.statement()))
            .map_err(|error| elsewhere(error, release.schemas()))
            .map_err(|error| meant(error, self.engine.config(), parsed.text()))?;
        let output = output_of(&plan);
        Ok(Prepared(Arc::new(PreparedStatement {
            parsed: parsed.clone(),
            parameters,
            output: Some(Arc::clone(&output)),
            late: !late.is_empty(),
            inner: None,
            changes: None,
            plan: Some(Mutex::new(Arc::new(Planned::new(plan, output, basis)))),
        })))
    }

    fn lane(&self) -> Lane {
        self.engine.lane(&self.lanes)
    }

    async fn on_lane<T: Send + 'static>(
        &self,
        lane: &Lane,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let _request = self.own_request();
        self.canceller.check()?;
        let task = lane
            .handle()
            .spawn(std::panic::AssertUnwindSafe(work).catch_unwind());
        let abort = task.abort_handle();
        tokio::select! {
            biased;
            error = self.canceller.stopped() => { abort.abort(); Err(error) }
            joined = task => match joined {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(panicked(&panic)),
                Err(_) => Err(Error::Stopped(StopReason::Shutdown)),
            }
        }
    }

    /// Binds parameters and starts the plan.
    pub(crate) async fn start(&self, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Rows> {
        let request = self.own_request();
        let release = self.selected().await?;
        let basis = self.basis(&release);
        let state = self.state(&release, &basis).await?;
        let statement = Arc::clone(&prepared.0);
        let (runtime, stop) = self.engine.statement_runtime(self.memory)?;
        let started = self.shared.transaction.lock().now(self.engine.clock().now());
        let config = Arc::clone(release.config(self.engine.config()));
        // Functions are in the plan; their names are looked up no more.
        let context = Arc::new(TaskContext::new(
            None,
            state.session_id().to_owned(),
            state.config().clone(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            runtime,
        ));
        let known = prepared.0.plan.as_ref().map(|known| Arc::clone(&known.lock()));
        let known = known.filter(|known| known.basis == basis);
        let standing = known.and_then(|known| Some((known.standing(&values)?, Arc::clone(&known.output))));
        let reading = self.reading(&basis);
        let lane = self.lane();
        let (plan, output) = match standing {
            Some((standing, output)) => (Plan::Standing(standing), output),
            None => {
                let planning = async move {
                    let planned =
                        current(&statement, &state, basis, &config, reading.as_ref(), &values).await?;
                    let physical = planned.physical(&state, started, values).await?;
                    Ok((Plan::Once(physical), Arc::clone(&planned.output)))
                };
                // Constants are worked out here.
                let planned = self.on_lane(&lane, planning).await;
                planned.map_err(|error| parameters::placed_by_name(error, prepared.text()))?
            }
        };
        let canceller = self.canceller();
        let explains = matches!(prepared.0.parsed.statement(), Statement::Explain { .. });
        let given = if explains { of_the_engine() } else { output };
        let rows = Rows::start((lane, stop), plan, context, given, canceller, request);
        let rows = match explains {
            true => lines(rows).with_tag("EXPLAIN"),
            false => rows,
        };
        Ok(rows.of(release).telling(Arc::clone(self.engine.outdated())))
    }
}

/// The plan of a prepared statement, made anew when its basis has changed.
async fn current(
    prepared: &PreparedStatement,
    state: &SessionState,
    basis: Basis,
    config: &Config,
    reading: Option<&Reading>,
    values: &[ScalarValue],
) -> Result<Arc<Planned>> {
    let slot = prepared
        .plan
        .as_ref()
        .ok_or_else(|| unsupported("running this statement as a query"))?;
    let known = Arc::clone(&slot.lock());
    if known.basis == basis && !prepared.late {
        return Ok(known);
    }
    let mut ast = prepared.parsed.statement().clone();
    write_late(&mut ast, Some(values))?;
    normalised(&mut ast, prepared.parsed.text(), state, config, reading)?;
    let declared: Vec<_> = prepared.parameters.iter().cloned().map(Some).collect();
    let (plan, _) = parameters::plan(state, ast, &declared, prepared.parsed.text()).await?;
    let output = output_of(&plan);
    if let Some(described) = &prepared.output
        && !same_columns(described, &output)
    {
        return Err(match prepared.late {
            true => Error::new(
                ErrorClass::Unsupported,
                "the value of a parameter decides the types of the columns",
            )
            .with_hint("Write the argument of the table function that decides them as a constant."),
            false => Error::new(ErrorClass::Unsupported, "cached plan must not change result type"),
        });
    }
    let planned = Arc::new(Planned::new(plan, output, basis));
    if !prepared.late {
        *slot.lock() = Arc::clone(&planned);
    }
    Ok(planned)
}

/// The error of a function that is not there, with the types of its arguments. `again` is the statement before it was planned.
async fn with_types(
    error: Error,
    mut again: Statement,
    source: &Parsed,
    state: &SessionState,
    declared: &[Option<FieldRef>],
) -> Error {
    let message = error.to_string();
    let name = message
        .strip_prefix("function ")
        .and_then(|rest| rest.strip_suffix(" does not exist"))
        .filter(|name| !name.contains('('));
    if !name.is_some_and(|name| told_of(&mut again, name)) {
        return error;
    }
    let Err(told) = parameters::plan(state, again, declared, source.text()).await else {
        return error;
    };
    match (told.class(), error.hint()) {
        (ErrorClass::UndefinedFunction, Some(hint)) => told.with_hint(hint),
        // Postgres works out the arguments first.
        (ErrorClass::UndefinedColumn | ErrorClass::UndefinedFunction, _) => told,
        _ => error,
    }
}

/// Whether a client that was told of one schema can read rows of the other.
fn same_columns(described: &Schema, found: &Schema) -> bool {
    let pairs = described.fields().iter().zip(found.fields());
    described.fields().len() == found.fields().len()
        && pairs.into_iter().all(|(described, found)| {
            described.name() == found.name() && same_type(described.data_type(), found.data_type())
        })
}

/// Whether two types are one to a client. A zone is how an instant is shown, a precision how a number is stored.
fn same_type(one: &DataType, other: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Decimal128, Decimal256, FixedSizeList, LargeBinary, LargeList, LargeUtf8, List,
        Timestamp, Utf8, Utf8View,
    };
    match (one, other) {
        (Timestamp(_, one), Timestamp(_, other)) => one.is_some() == other.is_some(),
        (Decimal128(..) | Decimal256(..), Decimal128(..) | Decimal256(..))
        | (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View)
        | (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (
            List(one) | LargeList(one) | FixedSizeList(one, _),
            List(other) | LargeList(other) | FixedSizeList(other, _),
        ) => same_type(one.data_type(), other.data_type()),
        (one, other) => one == other,
    }
}

/// The state of a session over a catalog, in which text is read and written in a style; `functions` answer from the session.
fn state_over(
    engine: &Engine,
    catalog: SessionCatalog,
    style: OutputStyle,
    functions: &[Arc<ScalarUDF>],
) -> SessionState {
    let mut config = engine.template().config().clone();
    config.options_mut().execution.time_zone = Some(style.time_zone.engine_name());
    let builder = SessionStateBuilder::new_from_existing(engine.template().clone())
        .with_config(config)
        .with_catalog_list(Arc::new(catalog));
    match engine.front() {
        Some(front) => {
            let functions = functions.iter().cloned();
            builder
                .with_analyzer_rule(Arc::new(NamedTypes::new(Arc::clone(front), style, functions)))
                .with_analyzer_rule(Arc::new(Casts::new(Arc::clone(front), style)))
        }
        None => builder,
    }
    .build()
}

/// Plans a query of a session with nothing set, for which there is one relation, up to how it would run.
///
/// # Errors
/// Everything that such a query is refused for before it runs, in Postgres' words.
pub(crate) async fn plans_over(
    engine: &Engine,
    sql: &str,
    relation: &str,
    columns: &SchemaRef,
) -> Result<()> {
    let mut relations = Relations::default();
    relations.insert(relation, Arc::new(EmptyTable::new(Arc::clone(columns))));
    let schemas = BTreeMap::from([(PUBLIC.to_owned(), Arc::new(relations))]);
    let catalog = SessionCatalog::new(Arc::new(schemas), &[PUBLIC.to_owned()]);
    let style = Settings::new(session_defaults(engine.config())).output_style();
    let mut state = state_over(engine, catalog, style, &[]);
    state.mark_start_execution();
    let parsed = parse(sql)?;
    let [parsed] = parsed.as_slice() else {
        return Err(unsupported("more than one statement"));
    };
    let mut statement = parsed.statement().clone();
    let reading = engine.front().map(|front| Reading {
        front: Arc::clone(front),
        style,
    });
    normalised(&mut statement, sql, &state, engine.config(), reading.as_ref())?;
    let (plan, parameters) = parameters::plan(&state, statement, &[], sql).await?;
    if !parameters.is_empty() {
        return Err(Error::new(
            ErrorClass::UndefinedParameter,
            "there is no parameter $1",
        ));
    }
    state.create_physical_plan(&plan).await?;
    Ok(())
}

/// Plans a query of ours that takes no parameters.
pub(crate) async fn plan_query(state: &SessionState, sql: &str, config: &Config) -> Result<LogicalPlan> {
    let parsed = parse(sql)?;
    let [parsed] = parsed.as_slice() else {
        return Err(unsupported("more than one statement"));
    };
    let mut statement = parsed.statement().clone();
    normalised(&mut statement, sql, state, config, None)?;
    Ok(parameters::plan(state, statement, &[], sql).await?.0)
}

fn normalised(
    statement: &mut Statement,
    text: &str,
    state: &SessionState,
    config: &Config,
    reading: Option<&Reading>,
) -> Result<()> {
    normalise(
        statement,
        &Context {
            text,
            config: Some(config),
            functions: &|name| sort_of(state, name),
            parameters: &|name| parameter_names(state, name),
            relations: &|name| relation_columns(state, name),
            reading,
        },
    )
}

/// What a function is, if there is one of that name.
pub(crate) fn sort_of(state: &SessionState, name: &str) -> Option<Sort> {
    if state.aggregate_functions().contains_key(name) {
        let own = functions::is_own_aggregate(name);
        Some(Sort::Aggregate { own })
    } else if state.window_functions().contains_key(name) {
        Some(Sort::Window)
    } else {
        let scalar = state.scalar_functions().contains_key(name);
        scalar.then_some(Sort::Scalar)
    }
}

/// The names of a function's parameters in order, and how many of them must be given: those before the first bracket of
/// its declared syntax.
pub(crate) fn parameter_names(state: &SessionState, name: &str) -> Option<(Vec<String>, usize)> {
    let of = |signature: &Signature, documentation: Option<&Documentation>| {
        let names = signature.parameter_names.clone()?;
        let syntax = documentation?.syntax_example.as_str();
        let required = syntax.split_once('[').map_or(names.len(), |(required, _)| {
            let given = required.split_once('(').map_or("", |(_, given)| given);
            given
                .split(',')
                .filter(|parameter| !parameter.trim().is_empty())
                .count()
        });
        Some((names, required))
    };
    if let Some(function) = state.scalar_functions().get(name) {
        return of(function.signature(), function.documentation());
    }
    if let Some(function) = state.aggregate_functions().get(name) {
        return of(function.signature(), function.documentation());
    }
    let function = state.window_functions().get(name)?;
    of(function.signature(), function.documentation())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    #[track_caller]
    fn check(one: DataType, other: DataType, same: bool) {
        let schema = |data_type| Schema::new(vec![Field::new("x", data_type, true)]);
        assert_eq!(same_columns(&schema(one), &schema(other)), same);
    }

    #[test]
    fn a_client_tells_types_apart_by_what_postgres_calls_them() {
        let instant = |zone: &str| DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(zone)));
        check(instant("UTC"), instant("Asia/Tokyo"), true);
        check(
            instant("UTC"),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            false,
        );
        check(DataType::Decimal128(10, 2), DataType::Decimal128(20, 4), true);
        check(DataType::Int64, DataType::Int32, false);
        check(DataType::Int64, DataType::Utf8, false);
        check(DataType::Utf8, DataType::Utf8View, true);
    }
}
