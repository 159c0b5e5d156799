//! A value as it is, of a type that Arrow lacks.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function that gives its argument as a value of the type of `field`, which is stored alike.
pub(crate) fn function(field: &FieldRef) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Typed {
        name: format!("perennial_{}", field.name()),
        field: Arc::clone(field),
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Typed {
    name: String,
    field: FieldRef,
    signature: Signature,
}

impl ScalarUDFImpl for Typed {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = arguments.args.into_iter().next();
        let value = value.ok_or_else(|| super::raised(perennial_base::ErrorClass::Internal, "no value"))?;
        value.cast_to(self.field.data_type(), None)
    }
}
