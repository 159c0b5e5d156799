//! `json_build_object(key, value, …)`: a JSON object of its arguments, written as Postgres writes it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use perennial_base::ErrorClass;

use crate::error::Error;
use crate::schema::PG_TYPE;

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(JsonBuildObject {
        signature: Signature::one_of(
            vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
            Volatility::Stable,
        ),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonBuildObject {
    signature: Signature,
}

impl ScalarUDFImpl for JsonBuildObject {
    fn name(&self) -> &str {
        "json_build_object"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let json = [(PG_TYPE.to_owned(), "json".to_owned())];
        let field = Field::new(self.name(), DataType::Utf8, false);
        Ok(Arc::new(field.with_metadata(json.into())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !arguments.args.len().is_multiple_of(2) {
            let hint = "The arguments of json_build_object() must consist of alternating keys and values.";
            return Err(refused("argument list must have even number of elements", hint));
        }
        let scalar = arguments
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let values = arguments
            .args
            .iter()
            .map(|value| Values::try_new(&value.to_array(rows)?))
            .collect::<Result<Vec<_>>>()?;
        let object = |row: usize| -> Result<String> {
            let mut members = Vec::with_capacity(values.len() / 2);
            for (place, pair) in values.chunks_exact(2).enumerate() {
                let [key, value] = pair else { continue };
                let Some(key) = key.text(row) else {
                    let message = format!("argument {} cannot be null", 2 * place + 1);
                    return Err(refused(&message, "Object keys should be text."));
                };
                members.push(format!("{} : {}", quoted(key), value.json(row)));
            }
            Ok(format!("{{{}}}", members.join(", ")))
        };
        let objects = (0..rows).map(object).collect::<Result<Vec<_>>>()?;
        let objects: ArrayRef = Arc::new(StringArray::from(objects));
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&objects, 0)?)
        } else {
            ColumnarValue::Array(objects)
        })
    }
}

/// What is given to a function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Given {
    /// A value, of which JSON is made.
    Value,
    /// Likewise, and NULL is `null`.
    Element,
    /// The text of a document.
    Document,
}

/// `to_json(value)` and its like.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToJson {
    name: &'static str,
    given: Given,
    signature: Signature,
}

/// The functions of one value.
pub(crate) fn of_one() -> Vec<Arc<ScalarUDF>> {
    let one = |name, given| {
        Arc::new(ScalarUDF::from(ToJson {
            name,
            given,
            signature: Signature::any(1, Volatility::Stable),
        }))
    };
    vec![
        one("to_json", Given::Value),
        one("to_jsonb", Given::Value),
        one(ELEMENT, Given::Element),
        one(TEXT, Given::Document),
        one(TEXT_B, Given::Document),
    ]
}

/// The function behind the elements of `json_agg`.
pub(crate) const ELEMENT: &str = "perennial_json_element";
/// The functions that say of a text that it is `json`, and `jsonb`.
pub(crate) const TEXT: &str = "perennial_json";
pub(crate) const TEXT_B: &str = "perennial_jsonb";

impl ScalarUDFImpl for ToJson {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let name = if self.name.ends_with("jsonb") {
            "jsonb"
        } else {
            "json"
        };
        let json = [(PG_TYPE.to_owned(), name.to_owned())];
        let field = Field::new(self.name(), DataType::Utf8, true);
        Ok(Arc::new(field.with_metadata(json.into())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let Some(column) = columns.first() else {
            return plan_err!("function {} takes one value", self.name);
        };
        // Documents are themselves.
        let document = self.given == Given::Document
            || arguments.arg_fields.first().is_some_and(|field| {
                field
                    .metadata()
                    .get(PG_TYPE)
                    .is_some_and(|name| name.starts_with("json"))
            });
        let values = Values::try_new(column)?;
        let texts: StringArray = (0..column.len())
            .map(|row| match values.text(row) {
                None if self.given != Given::Element => None,
                Some(text) if document => Some(text.to_owned()),
                _ => Some(values.json(row)),
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

/// The values of an argument.
struct Values {
    texts: StringArray,
    /// Written without quotes: numbers and booleans.
    bare: bool,
}

impl Values {
    fn try_new(array: &ArrayRef) -> Result<Self> {
        let data_type = array.data_type();
        if data_type.is_nested() {
            let message = "JSON is made of no arrays and no records";
            return Err(DataFusionError::External(Box::new(Error::new(
                ErrorClass::Unsupported,
                message,
            ))));
        }
        Ok(Self {
            texts: cast(array, &DataType::Utf8)?.as_string::<i32>().clone(),
            bare: data_type.is_numeric() || data_type == &DataType::Boolean,
        })
    }

    fn text(&self, row: usize) -> Option<&str> {
        self.texts.is_valid(row).then(|| self.texts.value(row))
    }

    fn json(&self, row: usize) -> String {
        match self.text(row) {
            None => "null".to_owned(),
            // Numbers that JSON does not have, such as NaN, are text.
            Some(text) if self.bare && serde_json::from_str::<serde_json::Value>(text).is_ok() => {
                text.to_owned()
            }
            Some(text) => quoted(text),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn refused(message: &str, hint: &str) -> DataFusionError {
    let error = Error::new(ErrorClass::InvalidArgument, message).with_hint(hint);
    DataFusionError::External(Box::new(error))
}
