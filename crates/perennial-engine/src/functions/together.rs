//! `perennial_together(boolean)`: its argument.
//!
//! The optimiser takes chains of AND and OR apart and puts them together again one term below the other, as deep as they
//! are long, and compares each term with all others. What stands in a function it leaves alone: `sql::depth` puts the
//! terms of long chains into calls of this one.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Its name.
pub(crate) const NAME: &str = "perennial_together";

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Together {
        signature: Signature::exact(vec![DataType::Boolean], Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Together {
    signature: Signature,
}

impl ScalarUDFImpl for Together {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(condition) => Ok(condition),
            None => plan_err!("{NAME} takes a condition"),
        }
    }
}
