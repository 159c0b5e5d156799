//! The second half of a run: from resolved identities to the tables of the snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use perennial_base::Kind;
use perennial_base::config::{Config, SegmentConfig, SurvivorshipRule as WrittenRule};
use perennial_base::relation::{PERENNIAL, PUBLIC, Relation, relation, unified};
use perennial_engine::Engine;
use perennial_engine::expression::predicate;
use perennial_engine::release::{past_table_name, table_name};
use perennial_identity::survivorship::SurvivorshipRule;
use perennial_identity::{Resolution, Rules, WarningKind};
use perennial_lake::{Manifest, SourceManifest};
use perennial_udf_lifecycle::model::{Kind as FactKind, StageModel};
use tokio::task::JoinSet;

use crate::bucket::{Names, Shared, gaps, process};
use crate::columns::{Facts, counts, instants, texts, written_schema};
use crate::error::{Error, Result};
use crate::facts::spend;
use crate::journal::Journal;
use crate::landing::Landing;
use crate::money::{MissingRate, Rates};
use crate::output::{Output, name_of, sort_of};
use crate::overrides;
use crate::past::Before;
use crate::published;
use crate::records::{Orders, Staged};
use crate::route::{Buckets, Routed, route};
use crate::scratch::Scratch;
use crate::segments::{Members, Segments};
use crate::stages::{PlannedFact, fixed_columns, versioned_kinds};
use crate::superseded;
use crate::values::from_wall_clock;

/// The second half of a run: from resolved identities to tables.
pub(crate) struct Writing<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) config: &'a Arc<Config>,
    pub(crate) landing: &'a Landing,
    pub(crate) state: &'a SessionState,
    pub(crate) scratch: &'a Arc<Scratch>,
    pub(crate) journal: &'a Journal<'a>,
    pub(crate) now: i64,
    pub(crate) rows: u64,
    pub(crate) model: StageModel,
}

impl Writing<'_> {
    pub(crate) async fn tables(
        &self,
        staged: Vec<Staged>,
        resolution: Resolution,
        orders: Orders,
        rules: &Rules,
        output: &Arc<Output>,
        previous: Option<&Manifest>,
    ) -> Result<(BTreeMap<String, perennial_lake::TableManifest>, Vec<MissingRate>)> {
        let buckets = Buckets::new(&resolution);
        self.journal.phase("sort by customer", Some(self.rows));
        let with_files: Vec<(Staged, &SourceManifest)> = staged
            .into_iter()
            .filter_map(|staged| {
                self.landing
                    .sources
                    .get(usize::from(staged.source))
                    .map(|manifest| (staged, manifest))
            })
            .collect();
        let routed = route(
            self.config,
            with_files,
            &resolution,
            &orders,
            &buckets,
            &versioned_kinds(&self.model, &self.config.lifecycle.facts),
            self.scratch,
            |rows| self.journal.advance(rows),
        )?;
        drop(orders);

        let rates = self.rates(&routed, buckets.unowned())?;
        let mut model = self.model.clone();
        let named_facts = self.named_facts(&model)?;
        let (count, with_nobody) = (buckets.len(), buckets.with_nobody());
        let ids = resolution
            .customers()
            .iter()
            .map(|customer| customer.id.to_text())
            .collect();
        let adaptive = model.adaptive();
        let mut shared = Shared {
            model: model.clone(),
            named_facts,
            rates,
            zone: self.config.zone,
            now: self.config.as_of.unwrap_or(self.now),
            unpaid: self
                .config
                .lifecycle
                .unpaid_statuses
                .iter()
                .map(|status| status.to_lowercase())
                .collect(),
            buckets,
            routed,
            output: Arc::clone(output),
            before: Before::new(previous, self.now),
            segments: Segments::new(self.config.segments.clone(), self.segment_planner()),
            names: names(self.config, rules),
            ids,
            resolution,
        };
        if adaptive {
            let starts = month_starts(&shared, self.config.zone);
            let mut population = perennial_udf_lifecycle::model::PopulationGaps::builder(&model, starts);
            for bucket in 0..count {
                gaps(&shared, bucket, &mut population)?;
            }
            let population = population.finish();
            model = model.with_population(population);
            shared.model = model;
        }
        self.declare(&shared)?;
        self.unowned(&shared, previous).await?;
        let shared = Arc::new(shared);
        self.journal.phase("write customers", Some(with_nobody as u64));
        let mut members = Members::default();
        let side_by_side = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut waiting = 0..with_nobody;
        let mut running = JoinSet::new();
        loop {
            while running.len() < side_by_side
                && let Some(bucket) = waiting.next()
            {
                running.spawn_on(process(Arc::clone(&shared), bucket), self.engine.cpu());
            }
            let Some(done) = running.join_next().await else {
                break;
            };
            let outcome = done.map_err(|_| {
                perennial_engine::Error::new(
                    perennial_base::ErrorClass::Internal,
                    "a bucket of customers could not be written",
                )
            });
            match outcome.map_err(Error::from).and_then(|outcome| outcome) {
                Ok(of_bucket) => {
                    for (segment, ids) in of_bucket.0 {
                        members.0.entry(segment).or_default().extend(ids);
                    }
                }
                Err(error) => {
                    // Nothing is written any more when the run cleans up behind itself.
                    running.shutdown().await;
                    return Err(error);
                }
            }
            self.journal.advance(1);
        }
        let before = published::members(self.engine.lake(), previous).await?;
        for (name, batch) in shared.segments.tables(&mut members, &before, shared.now)? {
            self.write(&shared, PUBLIC, name, &batch).await?;
        }
        Ok((shared.output.finish(), shared.rates.missing()))
    }

    async fn write(&self, shared: &Shared, schema: &str, name: &str, batch: &RecordBatch) -> Result<()> {
        match relation(schema, name) {
            Some(relation) => {
                shared
                    .output
                    .write(&name_of(relation), None, batch, &sort_of(relation))
                    .await
            }
            None => Ok(()),
        }
    }

    /// Every unified relation is there, also without rows.
    fn declare(&self, shared: &Shared) -> Result<()> {
        for relation in unified().filter(|relation| !matches!(relation.name, "customers" | "customer_360")) {
            shared.output.declare(
                &table_name(relation),
                &written_schema(relation),
                &sort_of(relation),
            )?;
        }
        for (_, relation) in superseded::relations() {
            let (name, schema) = (past_table_name(relation), superseded::schema(relation));
            shared.output.declare(&name, &schema, &sort_of(relation))?;
        }
        Ok(())
    }

    /// The tables that belong to no customer.
    async fn unowned(&self, shared: &Shared, previous: Option<&Manifest>) -> Result<()> {
        let unowned = shared.buckets.unowned();
        if let (Some(batch), Some(schema)) = (
            shared.routed.load(Kind::Spend, unowned)?,
            shared.routed.schema(Kind::Spend),
        ) {
            let facts = Facts::new(Some(batch), schema)?;
            self.write(shared, PUBLIC, "spend", &spend(shared, &facts)?)
                .await?;
        }
        if let (Some(batch), Some(schema)) = (
            shared.routed.load(Kind::FxRate, unowned)?,
            shared.routed.schema(Kind::FxRate),
        ) {
            let facts = Facts::new(Some(batch), schema)?;
            if let Some(relation) = relation(PERENNIAL, "fx_rates") {
                let source = texts((0..facts.len()).map(|row| Some(shared.source_name(facts.source(row)))));
                let columns = vec![
                    Arc::clone(facts.column("date")?),
                    Arc::clone(facts.column("currency")?),
                    Arc::clone(facts.column("rate")?),
                    source,
                ];
                let batch = RecordBatch::try_new(written_schema(relation), columns)?;
                self.write(shared, PERENNIAL, "fx_rates", &batch).await?;
            }
        }
        self.write(
            shared,
            PUBLIC,
            "identity_redirects",
            &published::redirects(&shared.resolution)?,
        )
        .await?;
        let number = previous.map_or(1, |previous| previous.number + 1);
        let changes =
            published::changes(self.engine.lake(), previous, &shared.resolution, number, self.now).await?;
        if let Some(batch) = changes {
            self.write(shared, PUBLIC, "identity_changes", &batch).await?;
        }
        shared
            .output
            .write(
                published::TABLE,
                None,
                &published::table(shared.resolution.ids())?,
                &["id"],
            )
            .await?;
        if let Some(relation) = relation(PERENNIAL, "identity_conflicts") {
            self.write(shared, PERENNIAL, relation.name, &conflicts(shared, relation)?)
                .await?;
        }
        if let Some(batch) = overrides::table(shared)? {
            self.write(shared, PERENNIAL, "identity_overrides", &batch)
                .await?;
        }
        if let Some(relation) = relation(PERENNIAL, "identity_warnings") {
            self.write(shared, PERENNIAL, relation.name, &warnings(shared, relation)?)
                .await?;
        }
        Ok(())
    }

    fn rates(&self, routed: &Routed, unowned: usize) -> Result<Rates> {
        let mut rates = Rates::new(&self.config.currency);
        if let Some(batch) = routed.load(Kind::FxRate, unowned)? {
            rates.add(&batch)?;
        }
        rates.finish();
        Ok(rates)
    }

    fn named_facts(&self, model: &StageModel) -> Result<Vec<PlannedFact>> {
        let mut planned = Vec::new();
        for fact in &self.config.lifecycle.facts {
            let kind = FactKind::of_fact(&fact.name);
            // A fact that no rule asks for is not collected.
            let (Some(kind), Some(relation)) = (model.kind(&kind), relation(PUBLIC, &fact.relation)) else {
                continue;
            };
            let schema = DFSchema::try_from(written_schema(relation))?;
            let predicate =
                predicate(self.state, &fact.predicate.sql, &schema).map_err(|cause| Error::Predicate {
                    what: "lifecycle fact",
                    name: fact.name.clone(),
                    line: fact.predicate.line,
                    cause: Box::new(cause),
                })?;
            fixed_columns(relation.name, &predicate).map_err(|cause| Error::Predicate {
                what: "lifecycle fact",
                name: fact.name.clone(),
                line: fact.predicate.line,
                cause: Box::new(cause),
            })?;
            planned.push(PlannedFact {
                kind,
                relation: relation.name,
                predicate,
                name: fact.name.clone(),
                line: fact.predicate.line,
            });
        }
        Ok(planned)
    }

    fn segment_planner(&self) -> crate::segments::PlanPredicate {
        let state = self.state.clone();
        Box::new(move |summary: &RecordBatch, segment: &SegmentConfig| {
            let schema = DFSchema::try_from(summary.schema())?;
            predicate(&state, &segment.filter.sql, &schema).map_err(|cause| Error::Predicate {
                what: "segment",
                name: segment.name.clone(),
                line: segment.filter.line,
                cause: Box::new(cause),
            })
        })
    }
}

fn names(config: &Config, rules: &Rules) -> Names {
    let sources: Vec<String> = config.sources.iter().map(|source| source.name.clone()).collect();
    let rule = |written: &WrittenRule| match written {
        WrittenRule::MostRecent => (SurvivorshipRule::MostRecent, Vec::new()),
        WrittenRule::MostFrequent => (SurvivorshipRule::MostFrequent, Vec::new()),
        WrittenRule::First => (SurvivorshipRule::First, Vec::new()),
        WrittenRule::Longest => (SurvivorshipRule::Longest, Vec::new()),
        WrittenRule::SourcePriority(order) => {
            let places = order
                .iter()
                .filter_map(|name| sources.iter().position(|source| source == name));
            (
                SurvivorshipRule::SourcePriority,
                places.map(|place| place as u16).collect(),
            )
        }
    };
    Names {
        identifiers: rules
            .identifiers()
            .iter()
            .map(|identifier| identifier.name.clone())
            .collect(),
        default_rule: rule(&config.identity.default_rule),
        rules: config
            .identity
            .trait_rules
            .iter()
            .map(|(name, written)| (name.clone(), rule(written)))
            .collect::<HashMap<_, _>>(),
        sources,
    }
}

fn conflicts(shared: &Shared, relation: &'static Relation) -> Result<RecordBatch> {
    let mut rows: Vec<_> = shared.resolution.conflicts().collect();
    rows.sort_by(|a, b| {
        (a.record.source, a.record.key, a.value).cmp(&(b.record.source, b.record.key, b.value))
    });
    let id = |customer: Option<u32>| customer.map(|customer| shared.customer_id(customer));
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.iter().map(|row| {
                Some(match row.limited_type {
                    Some(_) => "limit",
                    None => "override",
                })
            })),
            texts(
                rows.iter()
                    .map(|row| row.limited_type.map(|of_type| shared.identifier_name(of_type))),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.limit.map(i64::from))
                    .collect::<Int64Array>(),
            ),
            texts(rows.iter().map(|row| Some(shared.source_name(row.record.source)))),
            texts(rows.iter().map(|row| Some(row.record.key))),
            texts(
                rows.iter()
                    .map(|row| Some(shared.identifier_name(row.identifier_type))),
            ),
            texts(rows.iter().map(|row| Some(row.value))),
            texts(rows.iter().map(|row| id(row.record_customer))),
            texts(rows.iter().map(|row| id(row.value_customer))),
            counts(rows.iter().map(|row| row.records)),
            instants(rows.iter().map(|row| Some(row.at))),
        ],
    )?)
}

fn warnings(shared: &Shared, relation: &'static Relation) -> Result<RecordBatch> {
    let reason = |kind: WarningKind| match kind {
        WarningKind::Blocked => "blocked",
        WarningKind::Malformed => "malformed",
        _ => "shared",
    };
    // A value may be warned of once for each source.
    let mut rows: BTreeMap<_, (u64, Option<i64>)> = BTreeMap::new();
    for warning in shared.resolution.warnings() {
        let value = warning.value.as_deref().unwrap_or("(more values)");
        let name = shared.identifier_name(warning.identifier_type);
        let (records, customers) = rows.entry((name, value, reason(warning.kind))).or_default();
        *records += warning.records;
        if let WarningKind::OverMaxCustomers { customers: held, .. } = warning.kind {
            *customers = Some(i64::from(held));
        }
    }
    Ok(RecordBatch::try_new(
        written_schema(relation),
        vec![
            texts(rows.keys().map(|(name, ..)| Some(*name))),
            texts(rows.keys().map(|(_, value, _)| Some(*value))),
            texts(rows.keys().map(|(.., reason)| Some(*reason))),
            counts(rows.values().map(|(records, _)| *records)),
            Arc::new(
                rows.values()
                    .map(|(_, customers)| *customers)
                    .collect::<Int64Array>(),
            ),
        ],
    )?)
}

/// The starts of the months from the first customer to now, in the lake's zone.
fn month_starts(shared: &Shared, zone: chrono_tz::Tz) -> Vec<i64> {
    use chrono::Datelike;
    let first = shared
        .resolution
        .customers()
        .iter()
        .map(|customer| customer.first_seen_at)
        .min()
        .unwrap_or(shared.now);
    let Some(first) = chrono::DateTime::from_timestamp_micros(first) else {
        return Vec::new();
    };
    let local = first.with_timezone(&zone);
    let (mut year, mut month) = (local.year(), local.month());
    let mut starts = Vec::new();
    let midnight = |year, month| {
        let day = chrono::NaiveDate::from_ymd_opt(year, month, 1)?;
        from_wall_clock(
            day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros(),
            zone,
        )
    };
    while let Some(start) = midnight(year, month) {
        if start > shared.now {
            break;
        }
        starts.push(start);
        (year, month) = if month == 12 {
            (year + 1, 1)
        } else {
            (year, month + 1)
        };
    }
    starts
}
