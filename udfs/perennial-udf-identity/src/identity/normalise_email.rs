//! The form of an e-mail address in which two spellings of it are equal.
//!
//! # Signature
//! `normalise_email(address text [, variant text]) → text`; null if the address is null or is none.
//! # Shape
//! n rows in, n rows out. Each text of a dictionary is normalised once.
//! # Units
//! None.
//! # Definition
//! See [`perennial_normalise::email`]: invisible marks and outer white space go, NFKC, lower case, `mailto:` and display
//! names go; what is left has exactly one `@`, something on both sides and a dot in the domain, or the answer is null. The
//! variant `gmail` also drops dots and `+tags` at gmail.com and googlemail.com.
//! # Errors
//! Invalid argument when the variant is another one.
//! # Cost
//! O(length); text that is normal already is not rewritten.
//! # Source
//! RFC 5321 for lengths; Google's help page "Dots don't matter in Gmail addresses" for the variant.
//! # Example
//! `SELECT normalise_email(' Jane.Doe+news@GMAIL.com ', 'gmail')` gives `janedoe@gmail.com`.

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;
use perennial_normalise::{EmailRule, email};
use perennial_udf_kit::{FunctionError, Kind, Parameter, Parameters, columns};

const PARAMETERS: Parameters = Parameters {
    function: "normalise_email",
    syntax: "normalise_email(address text [, variant text])",
    required: &[Parameter::new("address", Kind::Text)],
    optional: &[Parameter::new("variant", Kind::Text)],
    rest: None,
    last: None,
};

/// The SQL function `normalise_email`.
#[user_doc(
    doc_section(label = "identity"),
    description = "The form of an e-mail address in which two spellings of it are equal: without outer white space, `mailto:` and display name, in Unicode form NFKC and in lower case. Null when the text is not plausibly an address: exactly one `@`, something on both sides of it, a dot in the domain.",
    syntax_example = "normalise_email(address text [, variant text]) → text",
    sql_example = r#"```sql
SELECT normalise_email(' Jane.Doe+news@GMAIL.com '), normalise_email('Jane.Doe@googlemail.com', 'gmail');
+-------------------------+-------------------+
| normalise_email         | normalise_email   |
+-------------------------+-------------------+
| jane.doe+news@gmail.com | janedoe@gmail.com |
+-------------------------+-------------------+
```"#,
    argument(name = "address", description = "The text to normalise."),
    argument(
        name = "variant",
        description = "`gmail` also drops dots and `+tags` where the provider ignores them: at gmail.com and googlemail.com, which become gmail.com. Null or not given: they stay."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct NormaliseEmail {
    signature: Signature,
}

impl NormaliseEmail {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for NormaliseEmail {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for NormaliseEmail {
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
        let [address, variant @ ..] = args.args.as_slice() else {
            return PARAMETERS.missing();
        };
        columns::map_texts_with(address, variant.first(), &read_variant, &|text, rule| {
            email::normalise(text, *rule)
        })
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn read_variant(variant: Option<&str>) -> Result<Option<EmailRule>> {
    match variant {
        None => Ok(Some(EmailRule::Plain)),
        Some("gmail") => Ok(Some(EmailRule::Gmail)),
        Some(other) => {
            let reason = format!("is \"{other}\", which is not a variant");
            Err(FunctionError::invalid(PARAMETERS.function, "variant", reason)
                .with_hint("There is \"gmail\".")
                .into())
        }
    }
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

    #[track_caller]
    fn check(arguments: &[ArrayRef], expected: &[Option<&str>]) {
        let expected: ArrayRef = Arc::new(StringViewArray::from(expected.to_vec()));
        check_scalar(&ScalarUDF::from(NormaliseEmail::new()), arguments, &expected);
    }

    #[test]
    fn spellings_become_equal_and_other_text_null() {
        check(
            &[texts(&[
                Some(" A.B@Gmail.com"),
                None,
                Some("mailto:x@y.zz"),
                Some("nobody"),
                Some(""),
            ])],
            &[Some("a.b@gmail.com"), None, Some("x@y.zz"), None, None],
        );
        check(&[texts(&[None, None])], &[None, None]);
    }

    #[test]
    fn the_variant_may_differ_by_row() {
        let address = Some("A.B+c@googlemail.com");
        check(
            &[
                texts(&[address, address, None]),
                texts(&[Some("gmail"), None, Some("gmail")]),
            ],
            &[Some("ab@gmail.com"), Some("a.b+c@googlemail.com"), None],
        );
    }

    #[test]
    fn other_variants_and_types_are_errors() {
        let function = ScalarUDF::from(NormaliseEmail::new());
        check_scalar_error(
            &function,
            &[texts(&[Some("a@b.cc")]), texts(&[Some("yahoo")])],
            "argument \"variant\" of function normalise_email is \"yahoo\", which is not a variant",
        );
        let number: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1]));
        check_scalar_error(
            &function,
            &[number],
            "function normalise_email(bigint) does not exist",
        );
        check_scalar_error(&function, &[], "function normalise_email() does not exist");
    }
}
