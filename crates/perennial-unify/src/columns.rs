//! Reading and building the columns of a bucket.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray, UInt16Array, UInt32Array,
};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Float64Type, Schema, SchemaRef, TimestampMicrosecondType, UInt16Type,
    UInt32Type,
};
use perennial_base::relation::Relation;
use perennial_engine::schema::MONEY;

use crate::error::Result;
use crate::route::{CUSTOMER, MOMENT, NEWER, RECORD_KEY, SOURCE, VERSION_AT};

/// Routed rows in the order of customer, time, source, key and version, oldest first.
pub(crate) fn sorted(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = [CUSTOMER, MOMENT, SOURCE, RECORD_KEY, NEWER].map(|at| SortColumn {
        values: Arc::clone(batch.column(at)),
        options: Some(SortOptions {
            descending: at == NEWER,
            nulls_first: false,
        }),
    });
    let indices = lexsort_to_indices(&columns, None)?;
    Ok(take_record_batch(batch, &indices)?)
}

/// Routed rows with typed leading columns.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) batch: RecordBatch,
    customer: UInt32Array,
    source: UInt16Array,
    key: StringArray,
    time: TimestampMicrosecondArray,
    version: TimestampMicrosecondArray,
    newer: UInt32Array,
}

impl Facts {
    /// Sorts the rows; none is an empty table of these columns.
    pub(crate) fn new(batch: Option<RecordBatch>, schema: &SchemaRef) -> Result<Self> {
        let batch = match batch {
            Some(batch) => sorted(&batch)?,
            None => RecordBatch::new_empty(Arc::clone(schema)),
        };
        Ok(Self {
            customer: batch.column(CUSTOMER).as_primitive::<UInt32Type>().clone(),
            source: batch.column(SOURCE).as_primitive::<UInt16Type>().clone(),
            key: batch.column(RECORD_KEY).as_string::<i32>().clone(),
            time: batch
                .column(MOMENT)
                .as_primitive::<TimestampMicrosecondType>()
                .clone(),
            version: batch
                .column(VERSION_AT)
                .as_primitive::<TimestampMicrosecondType>()
                .clone(),
            newer: batch.column(NEWER).as_primitive::<UInt32Type>().clone(),
            batch,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub(crate) fn customer(&self, row: usize) -> u32 {
        self.customer.value(row)
    }

    pub(crate) fn source(&self, row: usize) -> u16 {
        self.source.value(row)
    }

    pub(crate) fn key(&self, row: usize) -> &str {
        self.key.value(row)
    }

    pub(crate) fn time(&self, row: usize) -> i64 {
        self.time.value(row)
    }

    pub(crate) fn version_at(&self, row: usize) -> i64 {
        self.version.value(row)
    }

    /// How many newer versions of the row's record there are.
    pub(crate) fn newer(&self, row: usize) -> u32 {
        self.newer.value(row)
    }

    pub(crate) fn current(&self, row: usize) -> bool {
        self.newer(row) == 0
    }

    pub(crate) fn column(&self, name: &str) -> Result<&ArrayRef> {
        Ok(self.batch.column(self.batch.schema_ref().index_of(name)?))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&StringArray> {
        Ok(self.column(name)?.as_string::<i32>())
    }

    pub(crate) fn money(&self, name: &str) -> Result<&Decimal128Array> {
        Ok(self.column(name)?.as_primitive::<Decimal128Type>())
    }

    pub(crate) fn float(&self, name: &str) -> Result<&Float64Array> {
        Ok(self.column(name)?.as_primitive::<Float64Type>())
    }

    /// The rows of a customer, when called for customers in ascending order with the end of the last call.
    pub(crate) fn rows_of(&self, customer: u32, from: &mut usize) -> std::ops::Range<usize> {
        while *from < self.len() && self.customer(*from) < customer {
            *from += 1;
        }
        let start = *from;
        while *from < self.len() && self.customer(*from) == customer {
            *from += 1;
        }
        start..*from
    }
}

/// Text that may be NULL.
pub(crate) fn optional(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

/// Instants.
pub(crate) fn instants(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(
        values
            .into_iter()
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
    )
}

/// Money in ten-thousandths.
///
/// # Errors
/// Never for amounts that came out of a column of money.
pub(crate) fn money(values: impl IntoIterator<Item = Option<i128>>) -> Result<ArrayRef> {
    // A sum beyond the type's range is unknown rather than wrong.
    let limit = 10_i128.pow(u32::from(MONEY.0));
    let values = values
        .into_iter()
        .map(|value| value.filter(|value| value.abs() < limit));
    Ok(Arc::new(
        values
            .collect::<Decimal128Array>()
            .with_precision_and_scale(MONEY.0, MONEY.1)?,
    ))
}

/// Counts.
pub(crate) fn counts(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(
        values.into_iter().map(|value| value as i64),
    ))
}

/// Text.
pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Floats.
pub(crate) fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

/// Lists of texts.
pub(crate) fn text_lists<'a, L: IntoIterator<Item = &'a str>>(
    lists: impl IntoIterator<Item = L>,
) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        for text in list {
            builder.values().append_value(text);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// A relation's declared columns as they are written: text without shared buffers.
pub(crate) fn written_schema(relation: &Relation) -> SchemaRef {
    let declared = perennial_engine::schema::schema(relation);
    Arc::new(Schema::new(
        declared
            .fields()
            .iter()
            .map(|field| written_field(field))
            .collect::<Vec<_>>(),
    ))
}

fn written_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::List(item) => DataType::List(Arc::new(written_field(item))),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// The names of columns for somebody who has named one that is not there: the first of many.
pub(crate) fn columns_told(schema: &Schema) -> String {
    const TOLD: usize = 20;
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .take(TOLD)
        .map(|field| field.name().as_str())
        .collect();
    let more = match schema.fields().len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("The files have the columns {}{more}.", names.join(", "))
}
