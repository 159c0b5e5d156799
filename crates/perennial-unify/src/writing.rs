//! The second half of a run: from resolved identities to the tables of the snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use perennial_base::Kind;
use perennial_base::config::{Config, SegmentConfig, SourceConfig, SurvivorshipRule as WrittenRule};
use perennial_base::relation::{PERENNIAL, PUBLIC, relation, unified};
use perennial_engine::Engine;
use perennial_engine::expression::predicate;
use perennial_engine::release::{past_table_name, table_name};
use perennial_identity::survivorship::SurvivorshipRule;
use perennial_identity::{Resolution, Rules};
use perennial_lake::{FileState, Manifest, SourceManifest};
use perennial_udf_lifecycle::model::{Kind as FactKind, StageModel};
use tokio::task::JoinSet;

use crate::bucket::{Names, Shared, gaps, process};
use crate::cause::cause;
use crate::columns::{Facts, texts, written_schema};
use crate::conditions::Traits;
use crate::error::{Error, Result};
use crate::facts::spend;
use crate::findings::{Findings, TALLY, TALLY_ORDER};
use crate::groups::{Labels, of_customers};
use crate::journal::Journal;
use crate::landing::Landing;
use crate::money::Rates;
use crate::noticed::{IdleFact, NothingLeft, Noticed, Unheard};
use crate::output::{Output, name_of, sort_of};
use crate::overrides::{self, Words};
use crate::past::Before;
use crate::population;
use crate::published;
use crate::records::Staged;
use crate::route::{Buckets, Routed, route};
use crate::scratch::Scratch;
use crate::segments::{Members, Segments};
use crate::stages::{PlannedFact, fixed_columns, versioned_kinds};
use crate::stored::{Tables, Touched};
use crate::superseded;
use crate::undecided::Failures;
use crate::unpaid::Unpaid;
use crate::values::from_wall_clock;
use crate::versions::{Known, Warned};

/// The second half of a run: from resolved identities to tables.
pub(crate) struct Writing<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) config: &'a Arc<Config>,
    pub(crate) landing: &'a Landing,
    pub(crate) state: &'a SessionState,
    pub(crate) scratch: &'a Arc<Scratch>,
    pub(crate) journal: &'a Journal<'a>,
    pub(crate) now: i64,
    /// The moment that the run describes.
    pub(crate) moment: i64,
    pub(crate) rows: u64,
    pub(crate) model: StageModel,
    /// The tables of the snapshot before.
    pub(crate) stored: &'a Tables,
    pub(crate) previous: Option<&'a Manifest>,
    /// What is worked out anew, where that is not everything.
    pub(crate) part: Option<&'a Part>,
    /// The types of traits.
    pub(crate) traits: &'a Traits,
}

/// What a run works out that does not work out everything.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) touched: Touched,
    /// Whether acquisition spend is among it.
    pub(crate) spend: bool,
    /// Whether exchange rates are.
    pub(crate) rates: bool,
}

impl Writing<'_> {
    pub(crate) async fn tables(
        &self,
        staged: Vec<Staged>,
        resolution: Resolution,
        mut known: Known,
        labels: &Labels,
        rules: &Rules,
        output: &Arc<Output>,
    ) -> Result<Noticed> {
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
        let (routed, ledger, of_no_order) = route(
            self.config,
            self.traits,
            with_files,
            &resolution,
            labels,
            &known.orders,
            &buckets,
            &versioned_kinds(&self.model, &self.config.lifecycle.facts),
            self.scratch,
            |rows| self.journal.advance(rows),
        )?;
        let groups = of_customers(&resolution, &known.elements);
        let groups = groups.into_iter().map(|element| labels.of(element)).collect();
        let words = std::mem::take(&mut known.words);
        let warned = std::mem::take(&mut known.warned);
        let useless = std::mem::take(&mut known.useless);
        let few_values = std::mem::take(&mut known.few_values);
        let odd_times = std::mem::take(&mut known.odd_times);
        drop(known);

        let rates = self.rates(&routed, buckets.unowned())?;
        let mut model = self.model.clone();
        let named_facts = self.named_facts(&model)?;
        let (count, with_nobody) = (buckets.len(), buckets.with_nobody());
        let nobody = resolution.customers().is_empty();
        let ids = resolution
            .customers()
            .iter()
            .map(|customer| customer.id.to_text())
            .collect();
        let adaptive = model.adaptive();
        let mut shared = Shared {
            model: model.clone(),
            named_facts,
            met: model.kinds().iter().map(|_| AtomicBool::new(false)).collect(),
            rates,
            zone: self.config.zone,
            now: self.moment,
            moves: self.config.as_of.is_none(),
            unpaid: Unpaid::new(&self.config.lifecycle.unpaid_statuses),
            buckets,
            routed,
            output: Arc::clone(output),
            before: Before::new(
                self.stored,
                self.previous,
                self.part.map(|part| &part.touched),
                self.now,
            ),
            segments: Segments::new(self.config.segments.clone(), self.segment_planner()),
            failures: Failures::default(),
            names: names(self.config, rules),
            ids,
            groups,
            resolution,
        };
        if adaptive {
            let starts = month_starts(&shared, self.config.zone);
            let mut population = perennial_udf_lifecycle::model::PopulationGaps::builder(&model, starts);
            for bucket in 0..count {
                gaps(&shared, bucket, &mut population)?;
            }
            let gaps = population.finish();
            shared.failures.clear();
            population::write(&gaps, output).await?;
            model = model.with_population(gaps);
            shared.model = model;
        }
        self.declare(&shared)?;
        let unheard = self.unowned(&shared, rules, &words, &warned, labels).await?;
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
        self.segments(&shared, &mut members).await?;
        ledger
            .write(self.config, &shared.output, self.engine.cpu())
            .await?;
        shared.resolution.intact()?;
        Ok(Noticed {
            nothing_left: if self.part.is_none() {
                self.nothing_left()
            } else {
                Vec::new()
            },
            nobody_yet: nobody && self.part.is_none() && self.behind(None),
            // Where everything is worked out, every row was looked at.
            // Items of orders behind the moment described are of no order by that alone.
            of_no_order: if self.part.is_none() && !self.behind(Some(Kind::Order)) {
                of_no_order
            } else {
                Vec::new()
            },
            idle_facts: if self.part.is_none() {
                self.idle_facts(&shared)
            } else {
                Vec::new()
            },
            unheard,
            useless,
            few_values,
            undecided: shared.failures.told(),
            odd_times,
            unknown_statuses: if self.part.is_none() {
                shared.unpaid.unknown()
            } else {
                Vec::new()
            },
        })
    }

    /// Whether rows, those of a kind or of any, are left out as they are of later than the moment described.
    fn behind(&self, kind: Option<Kind>) -> bool {
        let sources = self.config.sources.iter().zip(&self.landing.sources);
        let mut of_kind = sources.filter(|(source, _)| kind.is_none_or(|kind| source.kind == kind));
        // What a `where` leaves out is counted with them.
        let filtered = |landed: &SourceManifest| landed.files.iter().any(|file| file.filtered > 0);
        let by_time = |source: &SourceConfig| kind.is_some() || source.filter.is_none();
        self.config.as_of.is_some() && of_kind.any(|(source, landed)| by_time(source) && filtered(landed))
    }

    /// The sources of which `where` leaves no row; what is of later than the moment described is counted with those.
    fn nothing_left(&self) -> Vec<NothingLeft> {
        let sources = self.config.sources.iter().zip(&self.landing.sources);
        let sources = sources.filter(|_| self.config.as_of.is_none());
        let left = sources.filter_map(|(source, landed)| {
            let written = source.filter.as_ref()?;
            let live = landed.files.iter().filter(|file| file.state == FileState::Live);
            let (rows, filtered) = live.fold((0, 0), |(rows, filtered), file| {
                (rows + file.landed, filtered + file.filtered)
            });
            (rows > 0 && filtered == rows).then(|| NothingLeft {
                source: source.name.clone(),
                at: written.at,
                sql: written.sql.clone(),
                rows,
            })
        });
        left.collect()
    }

    /// The facts that the stages ask for and no customer has.
    fn idle_facts(&self, shared: &Shared) -> Vec<IdleFact> {
        let idle = |kind: &FactKind| {
            let kind = shared.model.kind(kind);
            let met = kind.and_then(|kind| shared.met.get(usize::from(kind.0)));
            met.is_some_and(|met| !met.load(Ordering::Relaxed))
        };
        let lifecycle = &self.config.lifecycle;
        let facts = lifecycle.facts.iter().map(|fact| IdleFact {
            name: fact.name.clone(),
            at: fact.predicate.at,
            relation: fact.relation.clone(),
            stage: None,
        });
        let facts = facts.filter(|fact| idle(&FactKind::of_fact(&fact.name)));
        let events = lifecycle.stages.iter().flat_map(|stage| {
            let conditions = stage.conditions.iter().chain(stage.any.iter().flatten());
            let named = conditions.filter_map(|condition| Some((condition.name.as_ref()?, condition.at)));
            named.map(|(name, at)| IdleFact {
                name: name.clone(),
                at,
                relation: "events".to_owned(),
                stage: Some(stage.name.clone()),
            })
        });
        let events = events.filter(|event| idle(&FactKind::Event(event.name.clone())));
        facts.chain(events).collect()
    }

    async fn segments(&self, shared: &Shared, members: &mut Members) -> Result<()> {
        let touched = self.part.map(|part| &part.touched);
        let before = published::members(self.stored, self.previous, touched).await?;
        let mut others = BTreeMap::new();
        if let (Some(_), Some(previous)) = (self.part, self.previous) {
            others = published::sizes(self.stored, previous).await?;
            for (segment, _) in before.keys() {
                if let Some(size) = others.get_mut(segment) {
                    *size = size.saturating_sub(1);
                }
            }
        }
        for (name, batch) in shared.segments.tables(members, &others, &before, shared.now)? {
            let ids = batch.column_by_name("customer_id");
            let groups = ids.map(|ids| shared.groups_of(ids.as_string::<i32>()));
            self.write(shared, PUBLIC, name, &batch, groups).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        shared: &Shared,
        schema: &str,
        name: &str,
        batch: &RecordBatch,
        groups: Option<ArrayRef>,
    ) -> Result<()> {
        match relation(schema, name) {
            Some(relation) => {
                shared
                    .output
                    .write(&name_of(relation), None, batch, groups, &sort_of(relation))
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

    /// The tables that belong to no customer. Answers the words of persons that have no effect.
    async fn unowned(
        &self,
        shared: &Shared,
        rules: &Rules,
        words: &Words,
        warned: &[Warned],
        labels: &Labels,
    ) -> Result<Vec<Unheard>> {
        let unowned = shared.buckets.unowned();
        if self.part.is_none_or(|part| part.spend)
            && let (Some(batch), Some(schema)) = (
                shared.routed.load(Kind::Spend, unowned)?,
                shared.routed.schema(Kind::Spend),
            )
        {
            let facts = Facts::new(Some(batch), schema)?;
            self.write(shared, PUBLIC, "spend", &spend(shared, &facts)?, None)
                .await?;
        }
        if self.part.is_none_or(|part| part.rates)
            && let (Some(batch), Some(schema)) = (
                shared.routed.load(Kind::FxRate, unowned)?,
                shared.routed.schema(Kind::FxRate),
            )
        {
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
                self.write(shared, PERENNIAL, "fx_rates", &batch, None).await?;
            }
        }
        let resolution = &shared.resolution;
        let groups = published::groups(resolution, published::retired(resolution), &shared.groups);
        let redirects = published::redirects(resolution)?;
        self.write(shared, PUBLIC, "identity_redirects", &redirects, Some(groups))
            .await?;
        let number = self.previous.map_or(1, |previous| previous.number + 1);
        let cause = self
            .previous
            .and_then(|previous| cause(self.config, self.landing, previous));
        let changes = published::changes(
            self.stored,
            self.previous,
            resolution,
            (number, self.now),
            cause.as_deref(),
        )
        .await?;
        if let Some(batch) = changes {
            self.write(shared, PUBLIC, "identity_changes", &batch, None)
                .await?;
        }
        let groups = published::groups(resolution, resolution.ids().iter(), &shared.groups);
        let ids = published::table(resolution.ids())?;
        shared
            .output
            .write(published::TABLE, None, &ids, Some(groups), &["id"])
            .await?;
        let findings = Findings {
            shared,
            stored: self.stored,
            previous: self.previous.filter(|_| self.part.is_some()),
        };
        if let Some(relation) = relation(PERENNIAL, "identity_conflicts") {
            let conflicts = findings.conflicts(relation).await?;
            self.write(shared, PERENNIAL, relation.name, &conflicts, None)
                .await?;
        }
        if let Some((batch, groups)) = overrides::table(shared, words, labels)? {
            self.write(shared, PERENNIAL, "identity_overrides", &batch, Some(groups))
                .await?;
        }
        if let Some(relation) = relation(PERENNIAL, "identity_warnings") {
            let warnings = findings.warnings(relation).await?;
            self.write(shared, PERENNIAL, relation.name, &warnings, None)
                .await?;
        }
        if let Some(relation) = relation(PERENNIAL, "identity_blocked") {
            let blocked = findings.blocked(relation, rules)?;
            self.write(shared, PERENNIAL, relation.name, &blocked, None)
                .await?;
        }
        let tally = findings.tally(warned, self.landing).await?;
        shared
            .output
            .write(TALLY, None, &tally, None, TALLY_ORDER)
            .await?;
        Ok(overrides::unheard(shared))
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
                    at: fact.predicate.at,
                    cause: Box::new(cause),
                })?;
            fixed_columns(relation.name, &predicate).map_err(|cause| Error::Predicate {
                what: "lifecycle fact",
                name: fact.name.clone(),
                at: fact.predicate.at,
                cause: Box::new(cause),
            })?;
            planned.push(PlannedFact {
                kind,
                relation: relation.name,
                predicate,
                name: fact.name.clone(),
                at: fact.predicate.at,
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
                at: segment.filter.at,
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
