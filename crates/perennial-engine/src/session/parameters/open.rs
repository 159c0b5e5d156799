//! Parameters whose values a plan looks up while it runs, so that it is made once for all of them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use parking_lot::Mutex;

/// What `$1`, `$2`, … of a plan are at the moment.
#[derive(Debug, Default)]
pub(crate) struct Values(Mutex<Vec<ScalarValue>>);

impl Values {
    pub(crate) fn set(&self, values: Vec<ScalarValue>) {
        *self.0.lock() = values;
    }
}

/// `$n` as a function: it gives the value of the moment.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    name: String,
    index: usize,
    field: FieldRef,
    values: Arc<Values>,
    /// Volatile: no rule may take its value for that of every run.
    signature: Signature,
}

impl Parameter {
    fn value(&self) -> Result<ScalarValue> {
        match self.values.0.lock().get(self.index) {
            Some(value) if value.data_type() == *self.field.data_type() => Ok(value.clone()),
            Some(value) => value.cast_to(self.field.data_type()),
            None => exec_err!("there is no value for {}", self.name),
        }
    }
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.field == other.field && Arc::ptr_eq(&self.values, &other.values)
    }
}

impl Eq for Parameter {}

impl Hash for Parameter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl ScalarUDFImpl for Parameter {
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

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.value().map(ColumnarValue::Scalar)
    }
}

/// The plan with its placeholders open; none when one of them has no type.
pub(crate) fn opened(plan: LogicalPlan, values: &Arc<Values>) -> Result<Option<LogicalPlan>> {
    let mut untyped = false;
    let mut open = |expr: Expr| {
        expr.transform_up(|expr| {
            let Expr::Placeholder(Placeholder { id, field }) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let index = id
                .strip_prefix('$')
                .and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            let (Some(index), Some(field)) = (index, field) else {
                untyped = true;
                return Ok(Transformed::no(expr));
            };
            let parameter = ScalarUDF::from(Parameter {
                name: id.clone(),
                index,
                field: Arc::clone(field),
                values: Arc::clone(values),
                signature: Signature::nullary(Volatility::Volatile),
            });
            let call = ScalarFunction::new_udf(Arc::new(parameter), Vec::new());
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        })
    };
    let plan = plan.transform_up_with_subqueries(|plan| plan.map_expressions(&mut open))?;
    Ok((!untyped).then_some(plan.data))
}

/// The text that a key is compared with: known when the plan is made, or a parameter.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Known(String),
    Open(Parameter),
}

impl Key {
    /// The key that an expression without columns gives.
    pub(crate) fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Literal(value, _) => value
                .try_as_str()
                .flatten()
                .map(|text| Self::Known(text.to_owned())),
            Expr::Cast(cast) if cast.field.data_type().is_string() => Self::of(&cast.expr),
            Expr::ScalarFunction(call) => call
                .func
                .inner()
                .downcast_ref::<Parameter>()
                .filter(|parameter| parameter.field.data_type().is_string())
                .map(|parameter| Self::Open(parameter.clone())),
            _ => None,
        }
    }

    /// The text; none for NULL.
    pub(crate) fn value(&self) -> Result<Option<String>> {
        match self {
            Self::Known(text) => Ok(Some(text.clone())),
            Self::Open(parameter) => Ok(parameter.value()?.try_as_str().flatten().map(str::to_owned)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(text) => f.write_str(text),
            Self::Open(parameter) => f.write_str(&parameter.name),
        }
    }
}
