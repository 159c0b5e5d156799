//! `perennial_undefined(name, untyped, …)` stands for a call of a function that is not there: it is refused with the types of
//! its arguments, which are known only when they have been planned.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use perennial_base::ErrorClass;

use crate::error::{Error, type_name};
use crate::schema::PG_TYPE;

/// Its name.
pub(crate) const NAME: &str = "perennial_undefined";
/// What the second argument has for each of the others that is a constant in quotes, which has no type yet.
pub(crate) const UNTYPED: char = 'u';

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Undefined {
        signature: Signature::variadic_any(Volatility::Volatile),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Undefined {
    signature: Signature,
}

impl ScalarUDFImpl for Undefined {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Null)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let text = |place: usize| {
            let value = arguments.scalar_arguments.get(place).copied().flatten();
            value
                .and_then(|value| value.try_as_str().flatten())
                .unwrap_or_default()
        };
        let mut untyped = text(1).chars();
        let types = arguments
            .arg_fields
            .iter()
            .skip(2)
            .map(|field| match untyped.next() {
                Some(UNTYPED) => "unknown".to_owned(),
                _ => called(field),
            });
        let types: Vec<String> = types.collect();
        let message = format!("function {}({}) does not exist", text(0), types.join(", "));
        Err(DataFusionError::External(Box::new(Error::new(
            ErrorClass::UndefinedFunction,
            message,
        ))))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        plan_err!("{NAME} has no value")
    }
}

/// The type of an argument as Postgres names it.
fn called(field: &Field) -> String {
    match field.metadata().get(PG_TYPE) {
        Some(name) => name.clone(),
        None if field.data_type().is_null() => "unknown".to_owned(),
        None => type_name(field.data_type()),
    }
}
