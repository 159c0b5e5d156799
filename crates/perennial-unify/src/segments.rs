//! Segments: who fulfils a predicate over `customer_360`, and since which snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use datafusion::physical_expr::PhysicalExpr;
use parking_lot::Mutex;
use perennial_base::config::SegmentConfig;
use perennial_base::relation::{PUBLIC, relation};

use crate::columns::{counts, instants, texts, written_schema};
use crate::error::Result;
use crate::undecided::{Condition, Failures};

/// A predicate, planned when the columns of `customer_360` are known.
pub(crate) type PlanPredicate =
    Box<dyn Fn(&RecordBatch, &SegmentConfig) -> Result<Arc<dyn PhysicalExpr>> + Send + Sync>;

/// The segments of the configuration.
pub(crate) struct Segments {
    pub(crate) segments: Vec<SegmentConfig>,
    pub(crate) plan: PlanPredicate,
    planned: Mutex<Option<Vec<Arc<dyn PhysicalExpr>>>>,
}

impl std::fmt::Debug for Segments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments")
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// Customers by segment.
#[derive(Debug, Default)]
pub(crate) struct Members(pub(crate) BTreeMap<String, Vec<String>>);

impl Segments {
    pub(crate) fn new(segments: Vec<SegmentConfig>, plan: PlanPredicate) -> Self {
        Self {
            segments,
            plan,
            planned: Mutex::default(),
        }
    }

    fn planned(&self, summary: &RecordBatch) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let mut planned = self.planned.lock();
        if let Some(planned) = planned.as_ref() {
            return Ok(planned.clone());
        }
        let fresh = self
            .segments
            .iter()
            .map(|segment| (self.plan)(summary, segment))
            .collect::<Result<Vec<_>>>()?;
        *planned = Some(fresh.clone());
        Ok(fresh)
    }

    /// The members among the customers of a bucket.
    pub(crate) fn members(&self, summary: &RecordBatch, failures: &Failures) -> Result<Members> {
        let mut members = Members::default();
        let ids = summary
            .column(summary.schema().index_of("customer_id")?)
            .as_string::<i32>()
            .clone();
        for (segment, predicate) in self.segments.iter().zip(self.planned(summary)?) {
            let condition = Condition {
                what: "segment",
                name: &segment.name,
                at: segment.filter.at,
                predicate: &predicate,
            };
            let fulfilled = failures.ask(condition, summary)?;
            let of_segment = members.0.entry(segment.name.clone()).or_default();
            let rows = fulfilled.iter().enumerate().filter(|(_, fulfilled)| **fulfilled);
            of_segment.extend(rows.map(|(row, _)| ids.value(row).to_owned()));
        }
        Ok(members)
    }

    /// The tables `segments` and `segment_members`. `before` tells since when somebody has been a member, `others` how many
    /// members there are besides these.
    pub(crate) fn tables(
        &self,
        members: &mut Members,
        others: &BTreeMap<String, u64>,
        before: &BTreeMap<(String, String), i64>,
        now: i64,
    ) -> Result<Vec<(&'static str, RecordBatch)>> {
        let mut out = Vec::new();
        let empty = Vec::new();
        for of_segment in members.0.values_mut() {
            of_segment.sort_unstable();
        }
        let mut ordered: Vec<&SegmentConfig> = self.segments.iter().collect();
        ordered.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(relation) = relation(PUBLIC, "segments") {
            let columns = vec![
                texts(ordered.iter().map(|segment| Some(segment.name.as_str()))),
                texts(ordered.iter().map(|segment| segment.description.as_deref())),
                texts(ordered.iter().map(|segment| Some(segment.filter.sql.as_str()))),
                counts(ordered.iter().map(|segment| {
                    let others = others.get(&segment.name).copied().unwrap_or(0);
                    others + members.0.get(&segment.name).map_or(0, |of| of.len() as u64)
                })),
            ];
            out.push((
                "segments",
                RecordBatch::try_new(written_schema(relation), columns)?,
            ));
        }
        if let Some(relation) = relation(PUBLIC, "segment_members") {
            let rows: Vec<(&str, &str)> = ordered
                .iter()
                .flat_map(|segment| {
                    let of_segment = members.0.get(&segment.name).unwrap_or(&empty);
                    of_segment
                        .iter()
                        .map(|member| (segment.name.as_str(), member.as_str()))
                })
                .collect();
            let since = |segment: &str, member: &str| {
                before
                    .get(&(segment.to_owned(), member.to_owned()))
                    .copied()
                    .unwrap_or(now)
            };
            let columns = vec![
                texts(rows.iter().map(|(segment, _)| Some(*segment))),
                texts(rows.iter().map(|(_, member)| Some(*member))),
                instants(rows.iter().map(|(segment, member)| Some(since(segment, member)))),
            ];
            out.push((
                "segment_members",
                RecordBatch::try_new(written_schema(relation), columns)?,
            ));
        }
        Ok(out)
    }
}
