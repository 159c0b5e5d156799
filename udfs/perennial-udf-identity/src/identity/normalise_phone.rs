//! The form of a telephone number in which two spellings of it are equal.
//!
//! # Signature
//! `normalise_phone(number text, region text) → text`; null if an argument is null or the text is no number.
//! # Shape
//! n rows in, n rows out. Each text of a dictionary is normalised once.
//! # Units
//! None.
//! # Definition
//! See [`perennial_normalise::phone`]: E.164 by the numbering plans of Google's libphonenumber; a number without a
//! country is read as dialled within `region`.
//! # Errors
//! Invalid argument when the region has no numbering plan.
//! # Cost
//! Some microseconds per number.
//! # Source
//! ITU-T E.164; libphonenumber's metadata as the `phonenumber` crate carries it.
//! # Example
//! `SELECT normalise_phone('030 123456', 'DE')` gives `+4930123456`.

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_normalise::{Region, phone};
use perennial_udf_kit::{FunctionError, Kind, Parameter, Parameters, columns};

const PARAMETERS: Parameters = Parameters {
    function: "normalise_phone",
    syntax: "normalise_phone(number text, region text)",
    required: &[
        Parameter::new("number", Kind::Text),
        Parameter::new("region", Kind::Text),
    ],
    optional: &[],
    rest: None,
    last: None,
};

/// The SQL function `normalise_phone`.
#[user_doc(
    doc_section(label = "identity"),
    description = "A telephone number in E.164, the form in which two spellings of it are equal. A number that does not name its country is read as dialled within the region. Null when no numbering plan has such a number.",
    syntax_example = "normalise_phone(number text, region text) → text",
    sql_example = r#"```sql
SELECT normalise_phone('030 / 123 456', 'DE'), normalise_phone('+1 (650) 253-0000', 'DE');
+-----------------+-----------------+
| normalise_phone | normalise_phone |
+-----------------+-----------------+
| +4930123456     | +16502530000    |
+-----------------+-----------------+
```"#,
    argument(name = "number", description = "The text to normalise."),
    argument(
        name = "region",
        description = "The two-letter code (ISO 3166-1) of the country that numbers without one belong to."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct NormalisePhone {
    signature: Signature,
}

impl NormalisePhone {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for NormalisePhone {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for NormalisePhone {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(arg_types)?;
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [number, region] = args.args.as_slice() else {
            return PARAMETERS.missing();
        };
        columns::map_texts_with(number, Some(region), &read_region, &|text, region| {
            phone::normalise(text, *region)
        })
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn read_region(region: Option<&str>) -> Result<Option<Region>> {
    let Some(region) = region else { return Ok(None) };
    region.parse().map(Some).map_err(|_| {
        let reason = format!("is \"{region}\", which is not a region");
        FunctionError::invalid(PARAMETERS.function, "region", reason)
            .with_hint("A region is a two-letter country code of ISO 3166-1, such as \"DE\" or \"US\".")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray, StringViewArray};
    use datafusion_expr::ScalarUDF;
    use perennial_udf_kit::testing::{check_scalar, check_scalar_error};

    use super::*;

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn numbers_are_read_in_their_regions() {
        let numbers = texts(&[
            Some("030 123456"),
            Some("020 7031 3000"),
            Some("12"),
            None,
            Some("030 123456"),
        ]);
        let regions = texts(&[Some("DE"), Some("gb"), Some("DE"), Some("DE"), None]);
        let expected: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some("+4930123456"),
            Some("+442070313000"),
            None,
            None,
            None,
        ]));
        check_scalar(
            &ScalarUDF::from(NormalisePhone::new()),
            &[numbers, regions],
            &expected,
        );
    }

    #[test]
    fn other_regions_and_types_are_errors() {
        let function = ScalarUDF::from(NormalisePhone::new());
        check_scalar_error(
            &function,
            &[texts(&[Some("030 123456")]), texts(&[Some("Germany")])],
            "argument \"region\" of function normalise_phone is \"Germany\", which is not a region",
        );
        check_scalar_error(
            &function,
            &[texts(&[None])],
            "function normalise_phone(text) does not exist",
        );
    }
}
