//! From the columns of a source to the canonical columns of its kind.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Date32Type, Field, Schema, SchemaRef};
use chrono_tz::Tz;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use perennial_base::Kind;
use perennial_base::clock::HAPPENS;
use perennial_base::relation::ColumnType;
use perennial_engine::schema::data_type;

use crate::error::Result;
use crate::evaluating::{attempted, evaluate, text};
use crate::lost::{Casts, Lost, Worked};
use crate::money::currencies;
use crate::values::{convert, instants, too_large};

mod planning;
mod sound;

use sound::sound;

/// The expressions of a source over the columns of its files.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The columns that the files have, hive partition columns last.
    input: SchemaRef,
    keep: Option<Arc<dyn PhysicalExpr>>,
    key: Option<Arc<dyn PhysicalExpr>>,
    time: Option<Arc<dyn PhysicalExpr>>,
    updated: Option<Optional>,
    identifiers: Vec<(usize, Optional)>,
    columns: Vec<MappedColumn>,
    /// Columns of the files that no expression names, for `properties`.
    rest: Vec<usize>,
    /// Columns of the files that expressions name.
    named: Vec<usize>,
    zone: Tz,
    kind: Kind,
    /// Nothing later is known: the run describes this moment.
    until: Option<i64>,
}

#[derive(Debug)]
struct MappedColumn {
    name: String,
    target: DataType,
    required: bool,
    expr: Option<Optional>,
}

/// An expression that gives NULL where it cannot be worked out, with its key in the mapping.
#[derive(Debug)]
struct Optional {
    key: String,
    expr: Arc<dyn PhysicalExpr>,
    casts: Option<Casts>,
}

/// A batch in canonical form.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// Rows of the input that are left, by their place in it.
    pub(crate) places: Vec<usize>,
    /// The record key; none for sources without one.
    pub(crate) key: Option<StringArray>,
    /// The time of each row in microseconds UTC; 0 for kinds without a time.
    pub(crate) time: Vec<i64>,
    /// What orders the versions of a key.
    pub(crate) updated: Vec<i64>,
    /// Raw identifier texts by type.
    pub(crate) identifiers: Vec<(usize, StringArray)>,
    /// The canonical columns.
    pub(crate) columns: Vec<ArrayRef>,
    /// Rows that the source's filter leaves out, and rows later than the moment that the run describes.
    pub(crate) filtered: u64,
    /// Reasons for which rows were rejected, one for each row.
    pub(crate) rejected: Vec<&'static str>,
    /// Values of rows that are left which could not be worked out.
    pub(crate) lost: Vec<Lost>,
}

impl Optional {
    fn worked(
        &self,
        given: ArrayRef,
        failed: Vec<usize>,
        error: Option<String>,
        taken: ArrayRef,
    ) -> Worked<'_> {
        Worked {
            key: &self.key,
            given,
            failed,
            error,
            taken,
            casts: self.casts.as_ref(),
        }
    }
}

impl Mapping {
    /// The canonical columns, `properties` last where the kind has them.
    pub(crate) fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.target.clone(), true))
            .collect();
        if !self.rest.is_empty() {
            fields.push(Field::new("properties", DataType::Utf8, true));
        }
        Arc::new(Schema::new(fields))
    }

    /// The keys that need a value in every row, each with the columns that it reads.
    pub(crate) fn needs(&self) -> Vec<(String, Vec<String>)> {
        let required = self.columns.iter().filter(|column| column.required);
        let required = required.map(|column| {
            let expr = column.expr.as_ref().map(|optional| &optional.expr);
            (format!("columns.{}", column.name), expr)
        });
        [("record_key", &self.key), ("time", &self.time)]
            .into_iter()
            .map(|(key, expr)| (key.to_owned(), expr.as_ref()))
            .chain(required)
            .filter_map(|(key, expr)| {
                let mut columns: Vec<_> = collect_columns(expr?).into_iter().collect();
                columns.sort_by_key(Column::index);
                Some((
                    key,
                    columns.iter().map(|column| column.name().to_owned()).collect(),
                ))
            })
            .collect()
    }

    /// The columns of the files that expressions name, in their order.
    pub(crate) fn named(&self) -> &[usize] {
        &self.named
    }

    /// The columns of the files that are read.
    pub(crate) fn reads(&self) -> Vec<usize> {
        self.named.iter().chain(&self.rest).copied().collect()
    }

    /// The identifier types that rows may carry, by their place in the rules, each at most once.
    pub(crate) fn types(&self) -> Vec<usize> {
        self.identifiers.iter().map(|(kind, _)| *kind).collect()
    }

    /// Whether rows have a key of their own.
    pub(crate) fn keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Brings a batch of the files into canonical form.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<Mapped> {
        let rows = batch.num_rows();
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| evaluate(expr, batch);
        let mut kept = vec![true; rows];
        let mut undecided = Vec::new();
        if let Some(keep) = &self.keep {
            let (keep, failed, _) = attempted(keep, batch)?;
            let keep = arrow::compute::cast(&keep, &DataType::Boolean)?;
            let keep = keep.as_any().downcast_ref::<BooleanArray>();
            for (row, slot) in kept.iter_mut().enumerate() {
                *slot = keep.is_some_and(|keep| keep.is_valid(row) && keep.value(row));
            }
            for row in &failed {
                if let Some(slot) = kept.get_mut(*row) {
                    *slot = true;
                }
            }
            undecided = failed;
        }
        let time = match &self.time {
            Some(time) => Some(instants(&evaluate(time)?, self.zone)?),
            None => None,
        };
        let mut worked: Vec<Worked<'_>> = Vec::new();
        let updated = match &self.updated {
            Some(updated) => {
                let (given, failed, error) = attempted(&updated.expr, batch)?;
                let taken = instants(&given, self.zone)?;
                worked.push(updated.worked(given, failed, error, Arc::new(taken.clone())));
                Some(taken)
            }
            None => None,
        };
        if let Some(until) = self.until {
            let late = |array: &Option<TimestampMicrosecondArray>, row: usize| {
                array
                    .as_ref()
                    .is_some_and(|array| array.is_valid(row) && array.value(row) > until)
            };
            for (row, slot) in kept.iter_mut().enumerate() {
                *slot &= !late(&time, row) && !late(&updated, row);
            }
            // Spend and rates are of a day.
            let dated = self
                .columns
                .iter()
                .find(|column| column.target == DataType::Date32);
            if let (false, Some(expr), Some(last)) = (
                self.kind.timed(),
                dated.and_then(|column| column.expr.as_ref()),
                crate::values::day_of(until, self.zone),
            ) {
                let days = convert(&evaluate(&expr.expr)?, &DataType::Date32, self.zone)?;
                let days = days.as_primitive::<Date32Type>();
                for (row, slot) in kept.iter_mut().enumerate() {
                    *slot &= days.is_null(row) || days.value(row) <= last;
                }
            }
        }
        let filtered = kept.iter().filter(|kept| !**kept).count() as u64;
        let mut reason: Vec<Option<&'static str>> = vec![None; rows];
        let mut require = |present: &dyn Fn(usize) -> bool, what: &'static str| {
            for (row, slot) in reason.iter_mut().enumerate() {
                if kept.get(row) == Some(&true) && slot.is_none() && !present(row) {
                    *slot = Some(what);
                }
            }
        };
        if !undecided.is_empty() {
            require(
                &|row| undecided.binary_search(&row).is_err(),
                "where cannot be worked out",
            );
        }
        if self.kind.timed() {
            let present = |row: usize| time.as_ref().is_some_and(|time| time.is_valid(row));
            require(&present, "time is NULL or is not a time");
            require(&|row| in_range(&time, row), out_of_range("time"));
        }
        require(&|row| in_range(&updated, row), out_of_range("updated_at"));
        let key = match &self.key {
            Some(key) => {
                let key = text(&evaluate(key)?)?;
                require(
                    &|row| key.is_valid(row) && !key.value(row).trim().is_empty(),
                    "record_key is NULL or empty",
                );
                Some(key)
            }
            None => None,
        };
        let mut columns = Vec::with_capacity(self.columns.len() + 1);
        for column in &self.columns {
            let mut beyond = Vec::new();
            let array = match &column.expr {
                Some(optional) => {
                    let (given, failed, error) = attempted(&optional.expr, batch)?;
                    let array = if column.name == "currency" {
                        currencies(&text(&given)?)
                    } else {
                        convert(&given, &column.target, self.zone)?
                    };
                    if column.required {
                        beyond = too_large(&given, &array)?;
                    } else {
                        worked.push(optional.worked(given, failed, error, Arc::clone(&array)));
                    }
                    array
                }
                None => new_null_array(&column.target, rows),
            };
            if !beyond.is_empty() {
                require(
                    &|row| beyond.binary_search(&row).is_err(),
                    out_of_range(&column.name),
                );
            }
            if column.required {
                require(&|row| array.is_valid(row), missing(&column.name));
                if let Some(days) = array.as_primitive_opt::<Date32Type>() {
                    let happens = |row: usize| DAYS.contains(&days.value(row));
                    require(&happens, out_of_range(&column.name));
                }
            }
            columns.push(array);
        }
        if let Some((what, sound)) = sound(self.kind, &self.columns, &columns) {
            require(&|row| sound.value(row), what);
        }
        let places: Vec<usize> = (0..rows)
            .filter(|row| kept.get(*row) == Some(&true) && reason.get(*row) == Some(&None))
            .collect();
        let rejected = reason.into_iter().flatten().collect();
        let mut identifiers = Vec::with_capacity(self.identifiers.len());
        for (index, optional) in &self.identifiers {
            let (given, failed, error) = attempted(&optional.expr, batch)?;
            let values = text(&given)?;
            worked.push(optional.worked(given, failed, error, Arc::new(values.clone())));
            identifiers.push((*index, values));
        }
        let lost = worked
            .into_iter()
            .filter_map(|worked| worked.lost(batch, &places));
        let lost = lost.collect();
        if !self.rest.is_empty() {
            columns.push(Arc::new(crate::properties::json(&batch.project(&self.rest)?)?));
        }

        let indices = arrow::array::UInt32Array::from_iter_values(places.iter().map(|place| *place as u32));
        let take = |array: &dyn Array| arrow::compute::take(array, &indices, None);
        let take_text = |array: &StringArray| -> Result<StringArray> { text(&take(array)?) };
        let moments = |array: &Option<TimestampMicrosecondArray>| -> Vec<i64> {
            places
                .iter()
                .map(|place| match array {
                    Some(array) if array.is_valid(*place) => array.value(*place),
                    _ => 0,
                })
                .collect()
        };
        let time_values = moments(&time);
        let updated_values = match &updated {
            Some(array) => places
                .iter()
                .zip(&time_values)
                .map(|(place, time)| {
                    if array.is_valid(*place) {
                        array.value(*place)
                    } else {
                        *time
                    }
                })
                .collect(),
            None => time_values.clone(),
        };
        Ok(Mapped {
            key: key.as_ref().map(&take_text).transpose()?,
            time: time_values,
            updated: updated_values,
            identifiers: identifiers
                .iter()
                .map(|(index, array)| Ok((*index, take_text(array)?)))
                .collect::<Result<_>>()?,
            columns: columns
                .iter()
                .map(|array| Ok(take(array)?))
                .collect::<Result<_>>()?,
            places,
            filtered,
            rejected,
            lost,
        })
    }

    /// The columns that the files are read with.
    pub(crate) fn input(&self) -> &SchemaRef {
        &self.input
    }
}

/// Canonical types as a run handles them: text without shared buffers.
pub(crate) fn plain(column_type: ColumnType) -> DataType {
    match data_type(column_type) {
        DataType::Utf8View => DataType::Utf8,
        other => other,
    }
}

/// Reasons are few and fixed, so that they can be counted.
fn missing(column: &str) -> &'static str {
    match column {
        "name" => "name is NULL",
        "amount" => "amount is NULL or is not a number",
        "order_id" => "order_id is NULL",
        "quantity" => "quantity is NULL or is not a number",
        "unit_price" => "unit_price is NULL or is not a number",
        "mrr" => "mrr is NULL or is not a number",
        "survey" => "survey is NULL",
        "score" => "score is NULL or is not a number",
        "purpose" => "purpose is NULL",
        "granted" => "granted is NULL or is not a truth value",
        "date" => "date is NULL or is not a date",
        "channel" => "channel is NULL",
        "currency" => "currency is NULL or empty",
        "rate" => "rate is NULL or is not a number",
        "source_a" | "record_a" | "source_b" | "record_b" => "a record is not named",
        "verdict" => "verdict is NULL",
        _ => "a required column is NULL",
    }
}

/// 1900-01-01 to 2199-12-31, as days since 1970-01-01.
const DAYS: Range<i32> = -25_567..84_006;

/// Whether an instant, if there is one, is one at which something can have happened.
fn in_range(instants: &Option<TimestampMicrosecondArray>, row: usize) -> bool {
    let given = instants.as_ref().filter(|instants| instants.is_valid(row));
    given.is_none_or(|instants| HAPPENS.contains(&instants.value(row)))
}

/// Why a value has no room in its column: amounts of money have 14 digits before the point and 4 behind it, rates 10 behind
/// it; times are [`HAPPENS`].
fn out_of_range(column: &str) -> &'static str {
    match column {
        "amount" => "amount is out of range: it goes from -99999999999999.9999 to 99999999999999.9999",
        "unit_price" => {
            "unit_price is out of range: it goes from -99999999999999.9999 to 99999999999999.9999"
        }
        "mrr" => "mrr is out of range: it goes from -99999999999999.9999 to 99999999999999.9999",
        "time" => "time is out of range: it goes from 1900-01-01 to 2199-12-31",
        "updated_at" => "updated_at is out of range: it goes from 1900-01-01 to 2199-12-31",
        "date" => "date is out of range: it goes from 1900-01-01 to 2199-12-31",
        "rate" => "rate is out of range: it goes up to 99999999999999.9999999999",
        _ => "a number is out of range",
    }
}
