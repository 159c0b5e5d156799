//! One landed file, read to its end: rows in canonical form with their sets of identifiers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use futures::{FutureExt, StreamExt};
use object_store::ObjectStoreExt;
use parking_lot::Mutex;
use perennial_base::{ErrorClass, Kind, UserError};
use perennial_engine::named::without_file;
use perennial_engine::pinned::{lake_error, store_error};
use perennial_engine::provider::FileTable;
use perennial_identity::{Batch, GraphBuilder, Normaliser, Outcome, Rules, SetId};
use perennial_lake::{Blame, Bounds, Lake, Loss, SourceFile};
use xxhash_rust::xxh3::xxh3_64;

use crate::bounded::{Piece, Unpacked, pieces};
use crate::error::{Error, Result};
use crate::groups::{Named, Nodes};
use crate::mapping::Mapping;
use crate::records::{Counts, LEADING};
use crate::scratch::Heap;

/// Why a file is left out that is another one whenever it is opened. It is looked at again every time.
pub(crate) const CHANGING: &str = "changes while it is read";
/// Why a file is refused whose bytes are not what they say.
pub(crate) const UNDECODABLE: &str = "cannot be decoded";
/// Why a row is rejected.
const TOO_LONG: &str = "a value is longer than 16 MiB";

/// Reads one file to its end.
pub(crate) struct FileReader {
    pub(crate) at: usize,
    /// The path of the file.
    pub(crate) path: String,
    pub(crate) number: u16,
    pub(crate) kind: Kind,
    /// The name of the source.
    pub(crate) source: Arc<str>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) heaps: Arc<Vec<Mutex<Heap>>>,
    pub(crate) schema: SchemaRef,
    pub(crate) rules: Arc<Rules>,
    pub(crate) graph: Arc<Mutex<GraphBuilder>>,
    pub(crate) nodes: Arc<Mutex<Nodes>>,
    pub(crate) state: SessionState,
    /// The columns that the mapping reads.
    pub(crate) read: Arc<Vec<usize>>,
    /// How many bytes the file has.
    pub(crate) size: u64,
    /// When it is read.
    pub(crate) now: i64,
}

impl FileReader {
    pub(crate) async fn read(self, table: FileTable) -> Result<Counts> {
        let plan = table.scan(&self.state, None, &[], None).await?;
        let mut stream = execute_stream(plan, self.state.task_ctx())?;
        let mut counts = Counts::default();
        let mut next_row = 0;
        let mut unpacked = Unpacked::new(self.size);
        let mut bounds = Bounds::default();
        let mut normaliser = Normaliser::new(&self.rules);
        loop {
            // Bytes that make a decoder panic are bytes that cannot be decoded.
            let next = AssertUnwindSafe(stream.next()).catch_unwind().await;
            let Ok(next) = next else {
                counts.failed = Some((Blame::File, UNDECODABLE.to_owned()));
                return Ok(counts);
            };
            let batch = match next {
                None => {
                    counts.failed =
                        miscounted(next_row as u64, table.rows()).map(|reason| (Blame::File, reason));
                    counts.stats = bounds.finish();
                    return Ok(counts);
                }
                Some(Ok(batch)) => batch,
                Some(Err(error)) if is_of_the_file(&error) => {
                    counts.failed = Some((Blame::File, format!("{UNDECODABLE}: {}", described(error))));
                    return Ok(counts);
                }
                // A store that fails, or too little memory, says nothing about the file.
                Some(Err(error)) => return Err(elsewhere(&self.path, error)),
            };
            if let Err(rejection) = unpacked.take(&batch) {
                counts.failed = Some((Blame::File, rejection.to_string()));
                return Ok(counts);
            }
            bounds.take(&batch);
            for piece in pieces(&batch, &self.read) {
                let Piece::Rows(rows) = piece else {
                    *counts.rejected.entry(TOO_LONG).or_default() += 1;
                    continue;
                };
                let slice = batch.slice(rows.start, rows.len());
                let taken = || self.take(&slice, next_row + rows.start as i64, &mut normaliser, &mut counts);
                match catch_unwind(AssertUnwindSafe(taken)) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) if is_of_the_rows(&error) => {
                        let reason = format!("has values that the mapping cannot take: {error}");
                        counts.failed = Some((Blame::Mapping, reason));
                        return Ok(counts);
                    }
                    Ok(Err(error)) => return Err(error),
                    Err(_) => {
                        let reason = "has values that the mapping cannot take";
                        counts.failed = Some((Blame::Mapping, reason.to_owned()));
                        return Ok(counts);
                    }
                }
            }
            next_row += batch.num_rows() as i64;
        }
    }

    fn take(
        &self,
        batch: &RecordBatch,
        first_row: i64,
        normaliser: &mut Normaliser<'_>,
        counts: &mut Counts,
    ) -> Result<()> {
        let mapped = self.mapping.apply(batch)?;
        counts.filtered += mapped.filtered;
        for reason in &mapped.rejected {
            *counts.rejected.entry(reason).or_default() += 1;
        }
        for lost in mapped.lost {
            let loss = counts.losses.entry(lost.key).or_insert_with(|| Loss {
                values: 0,
                row: first_row as u64 + lost.place as u64,
                reason: lost.reason,
            });
            loss.values += lost.values;
        }
        let rows = mapped.places.len();
        if rows == 0 {
            return Ok(());
        }
        counts.times.take(&mapped.time, self.now);
        let sets = self.sets(&mapped.identifiers, rows, normaliser, counts)?;
        let places: Vec<i64> = mapped
            .places
            .iter()
            .map(|place| first_row + *place as i64)
            .collect();
        let order = match self.kind {
            Kind::OrderItem | Kind::Refund => self.schema.index_of("order_id").ok(),
            _ => None,
        };
        let order = order.and_then(|at| mapped.columns.get(at.checked_sub(LEADING)?));
        let word = |name: &str| {
            let at = self.schema.index_of(name).ok()?.checked_sub(LEADING)?;
            mapped.columns.get(at)?.as_string_opt::<i32>()
        };
        let words = match self.kind {
            Kind::IdentityOverride => word("source_a")
                .zip(word("record_a"))
                .zip(word("source_b").zip(word("record_b")))
                .map(|((source_a, record_a), (source_b, record_b))| [source_a, record_a, source_b, record_b]),
            _ => None,
        };
        let named = Named {
            kind: self.kind,
            number: self.number,
            source: &self.source,
            path: &self.path,
            sets: &sets,
            key: mapped.key.as_ref(),
            order: order.and_then(|order| order.as_string_opt::<i32>()),
            rows: &places,
            time: &mapped.time,
            words,
        };
        let elements = Nodes::take(&self.nodes, &named, &self.graph)?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_value(self.at as i32, rows)),
            Arc::new(Int64Array::from(places)),
            Arc::new(UInt32Array::from(sets)),
            match &mapped.key {
                Some(key) => Arc::new(key.clone()),
                None => Arc::new(StringArray::new_null(rows)),
            },
            Arc::new(TimestampMicrosecondArray::from(mapped.time).with_timezone("UTC")),
            Arc::new(TimestampMicrosecondArray::from(mapped.updated).with_timezone("UTC")),
            Arc::new(UInt32Array::from(elements)),
        ];
        columns.extend(mapped.columns);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        share(&self.heaps, batch, mapped.key.as_ref())
    }

    /// The set of identifiers of each row. All but the numbering is done before the graph is locked.
    fn sets(
        &self,
        identifiers: &[(usize, StringArray)],
        rows: usize,
        normaliser: &mut Normaliser<'_>,
        counts: &mut Counts,
    ) -> Result<Vec<u32>> {
        if identifiers.is_empty() {
            return Ok(vec![SetId::EMPTY.number(); rows]);
        }
        let Counts { warnings, usable, .. } = counts;
        let mut batch = Batch::default();
        let mut value = String::new();
        for row in 0..rows {
            for (kind, array) in identifiers {
                if array.is_null(row) {
                    continue;
                }
                match normaliser.normalise(*kind, array.value(row), &mut value) {
                    Outcome::Value => {
                        batch.push(*kind, &value);
                        usable.entry(*kind).or_default().take(&value);
                    }
                    Outcome::Blocked { entry } => warnings.blocked(entry, *kind, &value, self.number, 1),
                    Outcome::Malformed => warnings.malformed(*kind, &value, self.number, 1),
                    Outcome::Blank => {}
                }
            }
            batch.end_row();
        }
        let sets = self.graph.lock().sets(&batch)?;
        Ok(sets.into_iter().map(SetId::number).collect())
    }
}

/// Makes sure that a file is the one that was admitted.
pub(crate) async fn still(lake: &Lake, file: &SourceFile) -> Result<()> {
    let replaced = || perennial_lake::Error::Replaced {
        path: file.path.clone(),
    };
    match lake.store().head(&lake.path(&file.path)?).await {
        // Times of listings are finer than those of other answers (Google's XML API).
        Ok(found)
            if found.size == file.size
                && found.e_tag == file.e_tag
                && (file.e_tag.is_some()
                    || found.last_modified.timestamp() == file.last_modified.div_euclid(1_000_000)) =>
        {
            Ok(())
        }
        Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(replaced().into()),
        Err(error) => Err(perennial_lake::Error::store("read", &file.path, &error).into()),
    }
}

/// Whether a file is in the lake, as it was or another one.
pub(crate) async fn is_there(lake: &Lake, path: &str) -> Result<bool> {
    match lake.store().head(&lake.path(path)?).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(perennial_lake::Error::store("read", path, &error).into()),
    }
}

/// Adds rows to the heaps: all rows of a key to the same one.
pub(crate) fn share(heaps: &[Mutex<Heap>], batch: RecordBatch, key: Option<&StringArray>) -> Result<()> {
    let count = heaps.len();
    let Some(key) = key.filter(|_| count > 1) else {
        return match heaps.first() {
            Some(heap) => heap.lock().push(batch),
            None => Ok(()),
        };
    };
    let mut shares: Vec<Vec<u32>> = vec![Vec::new(); count];
    for row in 0..batch.num_rows() {
        let share = (xxh3_64(key.value(row).as_bytes()) % count as u64) as usize;
        if let Some(share) = shares.get_mut(share) {
            share.push(row as u32);
        }
    }
    for (share, heap) in shares.into_iter().zip(heaps) {
        if !share.is_empty() {
            heap.lock().push(arrow::compute::take_record_batch(
                &batch,
                &UInt32Array::from(share),
            )?)?;
        }
    }
    Ok(())
}

/// An error that a file is not the cause of.
pub(crate) fn elsewhere(path: &str, error: DataFusionError) -> Error {
    if let Some(own) = lake_error(&error) {
        return match own {
            perennial_lake::Error::NotFound { .. } | perennial_lake::Error::Replaced { .. } => {
                perennial_lake::Error::Replaced {
                    path: path.to_owned(),
                }
                .into()
            }
            _ => error.into(),
        };
    }
    match store_error(&error) {
        Some(cause) => perennial_lake::Error::store("read", path, cause).into(),
        None => error.into(),
    }
}

/// Why a file is refused that does not have the rows that its footer says.
pub(crate) fn miscounted(found: u64, said: u64) -> Option<String> {
    (found != said).then(|| format!("contradicts itself: it has {found} rows, its footer says {said}"))
}

/// Whether the bytes of the file are at fault, and not what delivered them.
pub(crate) fn is_of_the_file(error: &DataFusionError) -> bool {
    let exhausted = matches!(error.find_root(), DataFusionError::ResourcesExhausted(_));
    !exhausted
        && lake_error(error).is_none()
        && store_error(error).is_none()
        && !caused_by::<std::io::Error>(error)
}

/// Whether an expression of the mapping failed over values, such as a division by zero.
fn is_of_the_rows(error: &Error) -> bool {
    let Error::Engine(error) = error else { return false };
    matches!(
        error.class(),
        ErrorClass::DivisionByZero
            | ErrorClass::NumericOverflow
            | ErrorClass::DatetimeOverflow
            | ErrorClass::InvalidText
            | ErrorClass::InvalidDatetime
            | ErrorClass::InvalidRegex
            | ErrorClass::InvalidArgument
            | ErrorClass::DataError
            | ErrorClass::TooLarge
    )
}

fn caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<E>())
}

/// An engine error in one line, for the reason of a quarantine.
pub(crate) fn described(error: DataFusionError) -> String {
    // Whoever reads the reason sees the file beside it.
    let error = perennial_engine::Error::from(without_file(error));
    match error.detail() {
        Some(detail) => format!("{error} ({})", detail.trim_end_matches('.')),
        None => error.to_string(),
    }
}
