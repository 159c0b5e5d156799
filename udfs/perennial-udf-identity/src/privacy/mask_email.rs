//! An e-mail address that shows its domain and hides its owner.
//!
//! # Signature
//! `mask_email(address text) → text`; null if the address is null.
//! # Shape
//! n rows in, n rows out. Each text of a dictionary is masked once.
//! # Units
//! None.
//! # Definition
//! The first character of the local part, `***`, `@` and the domain, of the address as `normalise_email` gives it. A local
//! part of one character is hidden whole, text that is no address becomes `***`, and blank text the empty one. See
//! [`perennial_normalise::mask::email`].
//! # Errors
//! None.
//! # Cost
//! O(length).
//! # Source
//! Our own; the number of stars is fixed, because a length identifies as well.
//! # Example
//! `SELECT mask_email('john@example.com')` gives `j***@example.com`.

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_normalise::mask;
use perennial_udf_kit::{Kind, Parameter, Parameters, columns};

const PARAMETERS: Parameters = Parameters {
    function: "mask_email",
    syntax: "mask_email(address text)",
    required: &[Parameter::new("address", Kind::Text)],
    optional: &[],
    rest: None,
    last: None,
};

/// The SQL function `mask_email`.
#[user_doc(
    doc_section(label = "privacy"),
    description = "An e-mail address that shows its first character and its domain. Text that is not plausibly an address becomes `***`.",
    syntax_example = "mask_email(address text) → text",
    sql_example = r#"```sql
SELECT mask_email('John.Doe@example.com'), mask_email('call me');
+------------------+------------+
| mask_email       | mask_email |
+------------------+------------+
| j***@example.com | ***        |
+------------------+------------+
```"#,
    argument(name = "address", description = "The address to mask.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct MaskEmail {
    signature: Signature,
}

impl MaskEmail {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for MaskEmail {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for MaskEmail {
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
        let [address] = args.args.as_slice() else {
            return PARAMETERS.missing();
        };
        columns::map_texts(address, &|text| Some(mask::email(text)))
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
    fn check(addresses: &[Option<&str>], expected: &[Option<&str>]) {
        let addresses: ArrayRef = Arc::new(StringArray::from(addresses.to_vec()));
        let expected: ArrayRef = Arc::new(StringViewArray::from(expected.to_vec()));
        check_scalar(&ScalarUDF::from(MaskEmail::new()), &[addresses], &expected);
    }

    #[test]
    fn the_owner_is_hidden() {
        check(
            &[
                Some("John@example.com"),
                Some("j@example.com"),
                None,
                Some("call me"),
                Some(""),
            ],
            &[
                Some("j***@example.com"),
                Some("***@example.com"),
                None,
                Some("***"),
                Some(""),
            ],
        );
        check(&[None], &[None]);
    }

    #[test]
    fn other_types_are_errors() {
        let truth: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true]));
        let message = "function mask_email(boolean) does not exist";
        check_scalar_error(&ScalarUDF::from(MaskEmail::new()), &[truth], message);
    }
}
