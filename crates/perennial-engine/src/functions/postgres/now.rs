//! `now()` and `current_timestamp` in microseconds, as every other instant is. The engine's own are in nanoseconds, in
//! which there is no time before 1677 or after 2262: `valid_to > now()` failed over 9999-12-31.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::schema::timestamp;

/// The function. What it says of itself is what the engine's own says.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Present {
        signature: Signature::nullary(Volatility::Stable),
        aliases: vec!["current_timestamp".to_owned()],
        replaced: datafusion::functions::datetime::now(&Default::default()),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Present {
    signature: Signature,
    aliases: Vec<String>,
    replaced: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Present {
    fn name(&self) -> &'static str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(timestamp())
    }

    fn is_nullable(&self, _: &[Expr], _: &dyn datafusion::common::ExprSchema) -> bool {
        false
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("now() is a constant of its statement")
    }

    /// The moment of the statement, or of the transaction.
    fn simplify(&self, arguments: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match info.query_execution_start_time() {
            Some(now) => ExprSimplifyResult::Simplified(Expr::Literal(
                ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), Some("UTC".into())),
                None,
            )),
            None => ExprSimplifyResult::Original(arguments),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.replaced.documentation()
    }
}
