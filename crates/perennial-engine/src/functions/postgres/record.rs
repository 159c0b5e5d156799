//! Records: `ROW(a, b)`, and the whole row of a table, which is the record of its columns.
//!
//! A record is a struct whose fields are marked, so that its text is `(1,"x y")` wherever it goes; other structs are served
//! as JSON.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StructArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::schema::RECORD;

/// `ROW(a, b)`, whose fields are called f1, f2 and so on.
pub(crate) const ROW: &str = "perennial_row";
/// The record of columns with their names: `perennial_record('a', t.a, 'b', t.b)`.
pub(crate) const NAMED: &str = "perennial_record";
/// Likewise, of a table that an outer join may have found no row of: NULL where all columns are.
pub(crate) const JOINED: &str = "perennial_joined_record";

/// All functions of records.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![function(ROW), function(NAMED), function(JOINED)]
}

fn function(name: &'static str) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Record {
        name,
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Record {
    name: &'static str,
    signature: Signature,
}

impl Record {
    /// How many arguments a field takes.
    fn step(&self) -> usize {
        if self.name == ROW { 1 } else { 2 }
    }
}

impl ScalarUDFImpl for Record {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of a record depends on the names of its fields")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let step = self.step();
        let mut fields = Vec::with_capacity(arguments.arg_fields.len() / step);
        for (place, given) in arguments
            .arg_fields
            .iter()
            .skip(step - 1)
            .step_by(step)
            .enumerate()
        {
            let name = match arguments.scalar_arguments.get(place * step) {
                _ if step == 1 => format!("f{}", place + 1),
                Some(Some(name)) => name.try_as_str().flatten().unwrap_or_default().to_owned(),
                _ => return plan_err!("the name of a field of a record is no constant"),
            };
            let mut metadata = given.metadata().clone();
            metadata.insert(RECORD.to_owned(), String::new());
            let field = Field::new(name, given.data_type().clone(), true);
            fields.push(field.with_metadata(metadata));
        }
        Ok(Arc::new(Field::new(
            self.name,
            DataType::Struct(fields.into()),
            self.name == JOINED,
        )))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Struct(fields) = arguments.return_field.data_type() else {
            return internal_err!("a record is no struct");
        };
        let step = self.step();
        let values = || arguments.args.iter().skip(step - 1).step_by(step);
        let constant = values().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let columns = values()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let nulls = (self.name == JOINED).then(|| found(&columns, rows));
        let record = of_columns(fields.clone(), columns, nulls, rows)?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&record, 0)?)
        } else {
            ColumnarValue::Array(record)
        })
    }
}

fn of_columns(
    fields: Fields,
    columns: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
    rows: usize,
) -> Result<ArrayRef> {
    Ok(Arc::new(StructArray::try_new_with_length(
        fields, columns, nulls, rows,
    )?))
}

/// The rows in which a column has a value.
fn found(columns: &[ArrayRef], rows: usize) -> NullBuffer {
    let nulls: Vec<_> = columns.iter().map(Array::logical_nulls).collect();
    let has = |row| {
        let mut each = nulls.iter();
        each.any(|nulls| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)))
    };
    NullBuffer::new(BooleanBuffer::collect_bool(rows, has))
}
