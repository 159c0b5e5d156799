//! What is doubtful in a configuration that fits, as far as it costs next to nothing to tell.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::expr_fn::{count, min};
use datafusion::logical_expr::{LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::collect;

use perennial_base::Kind;
use perennial_engine::Engine;
use perennial_lake::{FileState, Manifest, SourceManifest};

use crate::conditions::{Conditions, Traits, UnknownStage};
use crate::error::Result;
use crate::identifiers::{LoneIdentifier, lone_identifiers};
use crate::keys::{DoubtfulKey, doubtful_key};
use crate::mapping::Mapping;
use crate::money::MissingRate;
use crate::records::input;
use crate::repriced::rates_before;
use crate::rules::rules;
use crate::run::READ_MEMORY;
use crate::stored::Tables;
use crate::values::day_of;

/// Rows up to which the key of a source is looked at: of larger ones `check` does it.
const FEW_ROWS: u64 = 100_000;

/// Those of the warnings of `check` that a run and a server repeat.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Cautions {
    /// Types of identifiers that the list or the sources alone name.
    pub lone_identifiers: Vec<LoneIdentifier>,
    /// Segments that compare a lifecycle stage with what is none.
    pub unknown_stages: Vec<UnknownStage>,
    /// Keys of small sources that may be none.
    pub doubtful_keys: Vec<DoubtfulKey>,
    /// Currencies of amounts that have no rate.
    pub missing_rates: Vec<MissingRate>,
}

/// What is doubtful in the configuration over the newest snapshot.
///
/// # Errors
/// When the configuration does not fit the files, or they cannot be read.
pub async fn cautions(engine: &Arc<Engine>) -> Result<Cautions> {
    let config = engine.config();
    let state = engine.work_state(READ_MEMORY)?;
    let rules = rules(config)?;
    let release = engine.release();
    let manifest = release.manifest();
    let known = || {
        config
            .sources
            .iter()
            .filter_map(|source| Some((source, manifest?.sources.get(&source.name)?)))
    };
    let traits = Traits::of(config, &state, &rules, known())?;
    let mut cautions = Cautions {
        lone_identifiers: lone_identifiers(config),
        unknown_stages: Conditions::new(engine, &state, &rules, &traits).unknown_stages(),
        doubtful_keys: Vec::new(),
        missing_rates: Vec::new(),
    };
    if let Some(manifest) = manifest {
        cautions.missing_rates = missing_rates(engine, &state, manifest).await?;
    }
    let few = |manifest: &SourceManifest| {
        let live = manifest.files.iter().filter(|file| file.state == FileState::Live);
        (1..=FEW_ROWS).contains(&live.map(|file| file.landed).sum())
    };
    for (source, manifest) in known().filter(|(source, manifest)| source.kind != Kind::Table && few(manifest))
    {
        let (columns, _) = input(manifest);
        let zone = config.zone;
        let mapping = Mapping::try_new(&state, source, &columns, zone, config.as_of, |name| {
            rules.index_of(name)
        })?;
        let doubtful = doubtful_key(engine, &state, source, manifest, &mapping).await?;
        cautions.doubtful_keys.extend(doubtful);
    }
    Ok(cautions)
}

/// The currencies of the amounts of a snapshot that have no rate, each with the first day that lacks it.
async fn missing_rates(
    engine: &Arc<Engine>,
    state: &SessionState,
    manifest: &Manifest,
) -> Result<Vec<MissingRate>> {
    let config = engine.config();
    let stored = Tables::new(engine, state, Some(manifest)).await?;
    let rates = rates_before(&stored, config, manifest).await?;
    for (table, day) in [("public.orders", "time"), ("public.spend", "date")] {
        let Some(table) = manifest.tables.get(table) else {
            continue;
        };
        let rows = provider_as_source(Arc::new(stored.table(table)?));
        // Where no amount is NULL the files say so, and are not read.
        let plan = LogicalPlanBuilder::scan("facts", rows, None)?
            .filter(ident("amount").is_null())?
            .aggregate([ident("currency")], [min(ident(day)), count(lit(1))])?
            .build()?;
        let plan = state.create_physical_plan(&plan).await?;
        for batch in collect(plan, state.task_ctx()).await? {
            let currencies = batch.column(0).as_string::<i32>();
            let amounts = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                // An amount may be NULL although there is a rate: with it, it is too large.
                let (day, amounts) = (
                    day_at(&batch, row, config.zone),
                    amounts.value(row).unsigned_abs(),
                );
                rates.wants(Some(currencies.value(row)), day, amounts);
            }
        }
    }
    Ok(rates.missing())
}

/// The day of a row in the second column; the last of all for an instant beyond the calendar.
fn day_at(batch: &RecordBatch, row: usize, zone: chrono_tz::Tz) -> i32 {
    let days = batch.column(1).as_primitive_opt::<Date32Type>();
    let instants = batch.column(1).as_primitive_opt::<TimestampMicrosecondType>();
    match (days, instants) {
        (Some(days), _) => days.value(row),
        (_, Some(instants)) => day_of(instants.value(row), zone).unwrap_or(i32::MAX),
        _ => i32::MAX,
    }
}
