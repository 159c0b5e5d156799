//! From the columns of a source to the canonical columns of its kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Field, Schema, SchemaRef};
use chrono_tz::Tz;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use perennial_base::config::{Expression, SourceConfig, Spot};
use perennial_base::relation::ColumnType;
use perennial_base::{ErrorClass, Kind, UserError};
use perennial_engine::expression::{expression, lenient, physical};
use perennial_engine::schema::data_type;
use perennial_engine::type_name;

use crate::columns::columns_told;
use crate::error::{Error, Result};
use crate::evaluating::{attempted, evaluate, text};
use crate::lost::{Casts, Lost, Worked};
use crate::money::currencies;
use crate::overrides::verdict;
use crate::values::{convert, instants, may_be_moments, trait_type};

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
    timed: bool,
    /// Nothing later is known: the run describes this moment.
    until: Option<i64>,
}

#[derive(Debug)]
struct MappedColumn {
    name: String,
    target: DataType,
    required: bool,
    /// Whether it is the word of a person.
    verdict: bool,
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
    /// Plans the expressions of a source; `type_index` gives the place of an identifier type in the rules.
    pub(crate) fn try_new(
        state: &SessionState,
        source: &SourceConfig,
        input: &SchemaRef,
        zone: Tz,
        until: Option<i64>,
        type_index: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self> {
        let schema = DFSchema::try_from(Arc::clone(input))?;
        let unfit = |key: &str, at: Spot, cause: perennial_engine::Error| Error::Mapping {
            name: source.name.clone(),
            key: key.to_owned(),
            at,
            cause: Box::new(match (cause.class(), cause.hint()) {
                (ErrorClass::UndefinedColumn, None) => cause.with_hint(columns_told(input)),
                _ => cause,
            }),
        };
        let castable = |key: &str, at: Spot, from: &DataType, to: &DataType| -> Result<()> {
            if arrow::compute::can_cast_types(from, to) {
                return Ok(());
            }
            let message = format!(
                "a value of type {} cannot become {}",
                type_name(from),
                type_name(to)
            );
            let cause = perennial_engine::Error::new(ErrorClass::TypeMismatch, message);
            Err(unfit(
                key,
                at,
                cause.with_hint("Write an expression of one value of that type."),
            ))
        };
        let moment = |key: &str, at: Spot, from: &DataType| -> Result<()> {
            may_be_moments(from).map_err(|cause| unfit(key, at, cause))
        };
        let planned = |key: &str, written: &Expression| -> Result<Arc<dyn PhysicalExpr>> {
            expression(state, &written.sql, &schema)
                .and_then(lenient)
                .and_then(|expr| physical(state, expr, &schema))
                .map_err(|cause| unfit(key, written.at, cause))
        };
        // A value that cannot be cast is NULL everywhere but here: it would leave its row out without a word.
        let condition = |written: &Expression| -> Result<Arc<dyn PhysicalExpr>> {
            let expr = expression(state, &written.sql, &schema)
                .and_then(|expr| physical(state, expr, &schema))
                .map_err(|cause| unfit("where", written.at, cause))?;
            match expr.data_type(input)? {
                DataType::Boolean | DataType::Null => Ok(expr),
                other => {
                    let message = format!("a value of type {} is no condition", type_name(&other));
                    let cause = perennial_engine::Error::new(ErrorClass::TypeMismatch, message);
                    let hint = format!(
                        "Write what has to be true of a row, such as {} IS NOT NULL.",
                        written.sql
                    );
                    Err(unfit("where", written.at, cause.with_hint(hint)))
                }
            }
        };
        let required = |key: &str, written: &Option<Expression>| {
            written.as_ref().map(|written| planned(key, written)).transpose()
        };
        let optional = |key: &str, written: &Expression| -> Result<Optional> {
            let expr = planned(key, written)?;
            let strict = expression(state, &written.sql, &schema)?;
            Ok(Optional {
                key: key.to_owned(),
                expr,
                casts: Casts::of(state, strict, &schema)?,
            })
        };
        let mut identifiers = Vec::new();
        for (name, written) in &source.identifiers {
            if let Some(index) = type_index(name) {
                let key = format!("identifiers.{name}");
                let expr = optional(&key, written)?;
                castable(&key, written.at, &expr.expr.data_type(input)?, &DataType::Utf8)?;
                identifiers.push((index, expr));
            }
        }
        let mut columns = Vec::new();
        if source.kind == Kind::Profile {
            for (name, written) in &source.traits {
                let expr = optional(&format!("traits.{name}"), written)?;
                let found = expr.expr.data_type(input)?;
                let target = trait_type(&found);
                castable(&format!("traits.{name}"), written.at, &found, &target)?;
                columns.push(MappedColumn {
                    name: name.clone(),
                    target,
                    required: false,
                    verdict: false,
                    expr: Some(expr),
                });
            }
        }
        for column in source.kind.columns() {
            let written = source.column(column.name);
            let expr = written
                .map(|written| optional(&format!("columns.{}", column.name), written))
                .transpose()?;
            let target = plain(column.column_type);
            if let (Some(written), Some(expr)) = (written, &expr) {
                let key = format!("columns.{}", column.name);
                castable(&key, written.at, &expr.expr.data_type(input)?, &target)?;
            }
            columns.push(MappedColumn {
                name: column.name.to_owned(),
                target,
                required: column.required,
                verdict: source.kind == Kind::IdentityOverride && column.name == "verdict",
                expr,
            });
        }
        let keep = source.filter.as_ref().map(condition).transpose()?;
        let key = required("record_key", &source.record_key).map_err(Error::of_key)?;
        if let (Some(written), Some(key)) = (&source.record_key, &key) {
            castable("record_key", written.at, &key.data_type(input)?, &DataType::Utf8)
                .map_err(Error::of_key)?;
        }
        let time = required("time", &source.time)?;
        if let (Some(written), Some(time)) = (&source.time, &time) {
            moment("time", written.at, &time.data_type(input)?)?;
        }
        let updated = source.updated_at.as_ref();
        let updated = updated
            .map(|written| {
                let updated = optional("updated_at", written)?;
                moment("updated_at", written.at, &updated.expr.data_type(input)?)?;
                Ok::<_, Error>(updated)
            })
            .transpose()?;
        let mut named = BTreeSet::new();
        let single = [&keep, &key, &time].into_iter().flatten();
        let many = identifiers
            .iter()
            .map(|(_, expr)| expr)
            .chain(columns.iter().filter_map(|column| column.expr.as_ref()))
            .chain(&updated)
            .map(|optional| &optional.expr);
        for expr in single.chain(many) {
            named.extend(collect_columns(expr).into_iter().map(|column| column.index()));
        }
        let rest = if source.kind == Kind::Event {
            (0..input.fields().len())
                .filter(|index| !named.contains(index))
                .collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            input: Arc::clone(input),
            keep,
            key,
            time,
            updated,
            identifiers,
            columns,
            rest,
            named: named.into_iter().collect(),
            zone: source.zone.unwrap_or(zone),
            timed: source.kind.timed(),
            until,
        })
    }

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
                self.timed,
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
        if self.timed {
            let present = |row: usize| time.as_ref().is_some_and(|time| time.is_valid(row));
            require(&present, "time is NULL or is not a time");
        }
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
            let array = match &column.expr {
                Some(optional) => {
                    let (given, failed, error) = attempted(&optional.expr, batch)?;
                    let array = if column.name == "currency" {
                        currencies(&text(&given)?)
                    } else {
                        convert(&given, &column.target, self.zone)?
                    };
                    if !column.required {
                        worked.push(optional.worked(given, failed, error, Arc::clone(&array)));
                    }
                    array
                }
                None => new_null_array(&column.target, rows),
            };
            if column.required {
                require(&|row| array.is_valid(row), missing(&column.name));
            }
            if let (true, "rate", Some(rates)) = (
                column.required,
                column.name.as_str(),
                array.as_primitive_opt::<Decimal128Type>(),
            ) {
                let sound = |row: usize| rates.is_null(row) || rates.value(row) > 0;
                require(&sound, "rate is not above zero");
            }
            if let (true, Some(words)) = (column.verdict, array.as_string_opt::<i32>()) {
                let known = |row: usize| words.is_null(row) || verdict(words.value(row)).is_some();
                require(&known, "verdict is neither same nor different");
            }
            columns.push(array);
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
