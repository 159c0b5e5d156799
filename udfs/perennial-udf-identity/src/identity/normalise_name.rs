//! The form of a person's name in which two spellings of it are equal.
//!
//! # Signature
//! `normalise_name(name text) → text`; null if the name is null or blank.
//! # Shape
//! n rows in, n rows out. Each text of a dictionary is normalised once.
//! # Units
//! None.
//! # Definition
//! See [`perennial_normalise::name`]: invisible marks and outer white space go, NFKC, every run of white space becomes one
//! space, lower case. Accents, hyphens and titles stay.
//! # Errors
//! None.
//! # Cost
//! O(length); text that is normal already is not rewritten.
//! # Source
//! Unicode Standard Annex 15.
//! # Example
//! `SELECT normalise_name(' Anna  MARIA')` gives `anna maria`.

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_normalise::name;
use perennial_udf_kit::{Kind, Parameter, Parameters, columns};

const PARAMETERS: Parameters = Parameters {
    function: "normalise_name",
    syntax: "normalise_name(name text)",
    required: &[Parameter::new("name", Kind::Text)],
    optional: &[],
    rest: None,
    last: None,
};

/// The SQL function `normalise_name`.
#[user_doc(
    doc_section(label = "identity"),
    description = "The form of a name in which two spellings of it are equal: without outer white space, with single spaces, in Unicode form NFKC and in lower case. Accents, hyphens and titles stay. Null when nothing is left.",
    syntax_example = "normalise_name(name text) → text",
    sql_example = r#"```sql
SELECT normalise_name('  Anna   MARIA ');
+----------------+
| normalise_name |
+----------------+
| anna maria     |
+----------------+
```"#,
    argument(name = "name", description = "The text to normalise.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct NormaliseName {
    signature: Signature,
}

impl NormaliseName {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for NormaliseName {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for NormaliseName {
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
        let [name] = args.args.as_slice() else {
            return PARAMETERS.missing();
        };
        columns::map_texts(name, &|text| name::normalise(text))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray, StringViewArray};
    use datafusion_expr::ScalarUDF;
    use perennial_udf_kit::testing::{check_scalar, check_scalar_error};

    use super::*;

    #[track_caller]
    fn check(names: &[Option<&str>], expected: &[Option<&str>]) {
        let names: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
        let expected: ArrayRef = Arc::new(StringViewArray::from(expected.to_vec()));
        check_scalar(&ScalarUDF::from(NormaliseName::new()), &[names], &expected);
    }

    #[test]
    fn spellings_become_equal() {
        check(
            &[
                Some(" Anna  MARIA"),
                Some("anna maria"),
                None,
                Some("\t"),
                Some("José"),
            ],
            &[Some("anna maria"), Some("anna maria"), None, None, Some("josé")],
        );
        check(&[None], &[None]);
    }

    #[test]
    fn other_types_are_errors() {
        let number: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![1.0]));
        let message = "function normalise_name(double precision) does not exist";
        check_scalar_error(&ScalarUDF::from(NormaliseName::new()), &[number], message);
    }
}
