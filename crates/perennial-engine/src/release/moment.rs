//! A release as of a moment: `perennial.as_of`.
//!
//! # Definition
//! The identities are those of the snapshot; its facts are cut. A fact counts from its time on, and of a record with several
//! versions the one counts that was the newest then, as in the history of stages. A stage that ends later has not ended.
//! What cannot be told from the facts of a snapshot (golden records, sums, memberships) is refused, never told as of now.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use perennial_base::relation::{PUBLIC, Relation, unified};
use perennial_base::{Config, ErrorClass, Kind};
use perennial_lake::{FileState, Lake, Manifest};

use super::{PAST_FROM, PAST_UNTIL, Release, ViewPlanner, past_table_name, stored_table};
use crate::catalog::Relations;
use crate::error::{Error, Result};
use crate::views::VIEWS;

/// The schema of what is only read here. No user can type this name.
const PAST: &str = "\u{1}past";

impl Release {
    /// This release as of a moment, in microseconds.
    pub(crate) async fn as_of(
        whole: &Arc<Self>,
        lake: &Lake,
        config: &Config,
        template: &SessionState,
        moment: i64,
    ) -> Result<Self> {
        let config = Arc::new(Config {
            as_of: Some(moment),
            ..config.clone()
        });
        let planner = ViewPlanner {
            template,
            config: &config,
        };
        let mut schemas = BTreeMap::clone(&whole.schemas);
        let mut public = schemas
            .get(PUBLIC)
            .map(|public| Relations::clone(public))
            .unwrap_or_default();
        let cut = Cut {
            manifest: whole.manifest.as_deref(),
            config: &config,
            moment,
        };
        let mut past = Relations::default();
        for relation in unified() {
            let name = past_table_name(relation);
            if let Some(table) = whole.manifest.as_ref().and_then(|known| known.tables.get(&name)) {
                past.insert(relation.name, Arc::new(stored_table(lake, &whole.masks, table)?));
            }
        }
        schemas.insert(PAST.to_owned(), Arc::new(past));
        let known = Arc::new(schemas.clone());
        for relation in unified() {
            let Some(table) = public.relation(relation.name).cloned() else {
                continue;
            };
            match cut.of(relation, &table.schema()) {
                Told::Whole => {}
                Told::Cut(sql) => {
                    let plan = planner.plan(&sql, Arc::clone(&known)).await?;
                    public.insert(relation.name, Arc::new(ViewTable::new(plan, None)));
                }
                Told::Not(hint) => {
                    let schema = table.schema();
                    let name = relation.name;
                    public.insert(name, Arc::new(Untold { name, schema, hint }));
                }
            }
        }
        schemas.remove(PAST);
        schemas.insert(PUBLIC.to_owned(), Arc::new(public.clone()));
        let known = Arc::new(schemas.clone());
        for view in VIEWS {
            let plan = planner.plan(&view.sql(), Arc::clone(&known)).await?;
            public.insert(view.name, Arc::new(ViewTable::new(plan, Some(view.sql()))));
        }
        schemas.insert(PUBLIC.to_owned(), Arc::new(public));
        Ok(Self {
            number: whole.number,
            manifest: whole.manifest.clone(),
            masks: Arc::clone(&whole.masks),
            schemas: Arc::new(schemas),
            description: Arc::clone(&whole.description),
            moment: Some(Moment {
                whole: Arc::clone(whole),
                config,
                at: moment,
            }),
        })
    }
}

/// What a release as of a moment knows besides.
#[derive(Debug)]
pub(super) struct Moment {
    /// The release that is cut: held as long as this one is.
    pub(super) whole: Arc<Release>,
    /// The configuration, of which the moment is the present.
    pub(super) config: Arc<Config>,
    pub(super) at: i64,
}

/// How a relation is told at a moment.
enum Told {
    /// As it is.
    Whole,
    /// By a query over the snapshot's relations.
    Cut(String),
    /// Not at all, with what to do instead.
    Not(&'static str),
}

struct Cut<'a> {
    manifest: Option<&'a Manifest>,
    config: &'a Config,
    moment: i64,
}

impl Cut<'_> {
    fn of(&self, relation: &'static Relation, columns: &SchemaRef) -> Told {
        let moment = self.literal();
        let select = |replaced: &[(&str, String)]| select(columns, "", replaced);
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.relation() == Some(relation.name));
        match (relation.name, kind) {
            // What the platform did with ids, and what the configuration says.
            ("identity_history" | "identity_link_history" | "identity_redirects" | "identity_changes", _) => {
                Told::Whole
            }
            ("lifecycle_history", _) => {
                let left_at = format!("CASE WHEN left_at <= {moment} THEN left_at END");
                let columns = select(&[("left_at", left_at)]);
                Told::Cut(format!(
                    "SELECT {columns} FROM public.lifecycle_history WHERE entered_at <= {moment}"
                ))
            }
            ("identities", _) => {
                // Of a value that came again later nobody knows how often it had come by then.
                let until = |name| {
                    (
                        name,
                        format!("CASE WHEN last_seen_at <= {moment} THEN {name} END"),
                    )
                };
                let columns = select(&["last_seen_at", "sources", "records"].map(until));
                Told::Cut(format!(
                    "SELECT {columns} FROM public.identities WHERE first_seen_at <= {moment}"
                ))
            }
            ("spend", Some(kind)) if !self.has_superseded(kind) => {
                let day = DateTime::from_timestamp_micros(self.moment).unwrap_or_default();
                let day = day.with_timezone(&self.config.zone).date_naive();
                let columns = select(&[]);
                Told::Cut(format!(
                    "SELECT {columns} FROM public.spend WHERE date <= DATE '{day}'"
                ))
            }
            ("order_items", Some(kind)) if !self.has_superseded(kind) => {
                let columns = select(&[]);
                Told::Cut(format!(
                    "SELECT {columns} FROM public.order_items WHERE time <= {moment}"
                ))
            }
            ("spend" | "order_items", _) => Told::Not(
                "Rows with newer versions are not kept for this relation; the sources as they landed are in schema raw.",
            ),
            ("orders" | "refunds", Some(kind)) => {
                let facts = (
                    self.facts("orders", "order_id"),
                    self.facts("refunds", "record_key"),
                );
                match (facts, kind) {
                    ((Some(orders), Some(refunds)), Kind::Order) => {
                        Told::Cut(self.orders(columns, &orders, &refunds))
                    }
                    ((Some(orders), Some(refunds)), _) => Told::Cut(self.refunds(columns, &orders, &refunds)),
                    _ => Told::Not(OLD),
                }
            }
            (name, Some(_)) if columns.index_of("time").is_ok() => match self.facts(name, key(relation)) {
                Some(facts) => Told::Cut(format!("SELECT {} FROM ({facts})", select(&[]))),
                None => Told::Not(OLD),
            },
            _ => Told::Not(
                "RESET perennial.as_of reads it as of the snapshot, SET perennial.snapshot as it was in an older one; \
                 stages of a moment are in lifecycle_history.",
            ),
        }
    }

    /// The versions of records that counted at the moment; none when the snapshot does not keep them.
    fn facts(&self, relation: &str, key: &str) -> Option<String> {
        let moment = self.literal();
        let current = format!("SELECT * FROM public.{relation} c WHERE c.time <= {moment}");
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.relation() == Some(relation))?;
        let stored = self.manifest.map(|manifest| &manifest.tables);
        let past = stored.and_then(|tables| tables.get(&format!("internal.past_{relation}")));
        match past {
            None if self.has_superseded(kind) => None,
            Some(past) if past.rows() > 0 => {
                let columns = past.schema.schema();
                let columns: Vec<String> = columns
                    .fields()
                    .iter()
                    .filter(|field| ![PAST_FROM, PAST_UNTIL].contains(&field.name().as_str()))
                    .map(|field| quoted(field.name()))
                    .collect();
                let columns = columns.join(", ");
                // A change of a subscription is a record of its own moment.
                let moments = match kind {
                    Kind::Subscription => " AND p.time = c.time",
                    _ => "",
                };
                let past = format!("{}.{relation}", quoted(PAST));
                Some(format!(
                    "SELECT {columns} FROM ({current} AND NOT EXISTS (SELECT 1 FROM {past} p WHERE p.source = c.source \
                       AND p.{key} = c.{key}{moments} AND p.{PAST_UNTIL} > {moment})) \
                     UNION ALL SELECT {columns} FROM {past} WHERE {PAST_FROM} <= {moment} AND {PAST_UNTIL} > {moment}"
                ))
            }
            _ => Some(current),
        }
    }

    /// Orders, with what was given back by the moment. Of two sources that use one key, the first holds the order.
    fn orders(&self, columns: &SchemaRef, orders: &str, refunds: &str) -> String {
        let given = "CASE WHEN g.order_id IS NULL THEN CAST(0 AS numeric(18, 4)) ELSE g.refunded END";
        let columns = select(columns, "o.", &[("refunded", given.to_owned())]);
        let places: Vec<String> = self
            .config
            .sources
            .iter()
            .filter(|source| source.kind == Kind::Order)
            .enumerate()
            .map(|(place, source)| format!("WHEN '{}' THEN {place}", source.name.replace('\'', "''")))
            .collect();
        let (place, holds) = match places.as_slice() {
            [] | [_] => (String::new(), ""),
            places => (
                format!(
                    ", row_number() OVER (PARTITION BY customer_id, order_id ORDER BY CASE source {} END) AS place",
                    places.join(" ")
                ),
                " AND o.place = 1",
            ),
        };
        format!(
            "SELECT {columns} FROM (SELECT *{place} FROM ({orders})) o LEFT JOIN (\
               SELECT customer_id, order_id, \
                 CAST(CASE WHEN count(*) = count(amount) THEN sum(amount) END AS numeric(18, 4)) AS refunded \
               FROM ({refunds}) GROUP BY customer_id, order_id) g \
             ON g.order_id = o.order_id AND (g.customer_id IS NOT DISTINCT FROM o.customer_id){holds}"
        )
    }

    /// Refunds: of an order that was placed later, nobody knew yet whose it is and in which currency.
    fn refunds(&self, columns: &SchemaRef, orders: &str, refunds: &str) -> String {
        let reporting = format!("'{}'", self.config.currency.to_uppercase());
        let known = [
            ("customer_id", "NULL"),
            ("amount", "NULL"),
            ("currency", &reporting),
        ];
        let known = known.map(|(name, otherwise)| {
            let known = format!("CASE WHEN o.order_id IS NOT NULL THEN r.{name} ELSE {otherwise} END");
            (name, known)
        });
        let columns = select(columns, "r.", &known);
        format!(
            "SELECT {columns} FROM ({refunds}) r LEFT JOIN (SELECT DISTINCT customer_id, order_id FROM ({orders})) o \
             ON o.order_id = r.order_id AND o.customer_id IS NOT DISTINCT FROM r.customer_id"
        )
    }

    /// Whether a live file of the kind has rows that newer versions have taken the place of.
    fn has_superseded(&self, kind: Kind) -> bool {
        let sources = self.config.sources.iter().filter(|source| source.kind == kind);
        let files = sources
            .filter_map(|source| self.manifest?.sources.get(&source.name))
            .flat_map(|source| &source.files);
        files
            .filter(|file| file.state == FileState::Live)
            .any(|file| file.superseded > 0)
    }

    /// The moment in SQL.
    fn literal(&self) -> String {
        let moment = DateTime::from_timestamp_micros(self.moment).unwrap_or_default();
        format!(
            "CAST('{}' AS timestamptz)",
            moment.format("%Y-%m-%dT%H:%M:%S%.6fZ")
        )
    }
}

const OLD: &str = "The snapshot is of a version that did not keep what records said before; `perennial unify --full` makes one that does.";

/// Columns, each as it is or replaced by an expression.
fn select(columns: &SchemaRef, of: &str, replaced: &[(&str, String)]) -> String {
    let column = |name: &str| {
        let quoted = quoted(name);
        match replaced.iter().find(|(of, _)| *of == name) {
            Some((_, sql)) => format!("{sql} AS {quoted}"),
            None => format!("{of}{quoted}"),
        }
    };
    let columns: Vec<String> = columns
        .fields()
        .iter()
        .map(|field| column(field.name()))
        .collect();
    columns.join(", ")
}

/// The column that names a record in its source.
fn key(relation: &'static Relation) -> &'static str {
    let named = |name: &str| relation.columns.iter().any(|column| column.name == name);
    match named("record_key") {
        true => "record_key",
        false => "subscription_id",
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A relation that is not told at a moment: it can be described, and not read.
#[derive(Debug)]
struct Untold {
    name: &'static str,
    schema: SchemaRef,
    hint: &'static str,
}

#[async_trait]
impl TableProvider for Untold {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let message = format!("relation \"{}\" is not served as of a moment", self.name);
        Err(Error::new(ErrorClass::Unsupported, message)
            .with_hint(self.hint)
            .into())
    }
}
