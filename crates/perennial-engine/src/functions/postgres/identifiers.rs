//! `gen_random_uuid`, and `parse_ident`, which takes a qualified name apart.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::functions::string;
use datafusion::logical_expr::{ScalarFunctionArgs, ScalarUDF, Volatility};
use perennial_base::ErrorClass;

use super::rowwise::{Call, Function, Taken, Typed, form};
use crate::Error;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Bool, Text};
    const RANDOM: Function = Function {
        volatility: Volatility::Volatile,
        typed: Typed::As("uuid"),
        ..Function::new("gen_random_uuid", &[form(&[], random)], |_| DataType::Utf8)
    };
    const NAMES: Function = Function::new(
        "parse_ident",
        &[form(&[Text], names), form(&[Text, Bool], names)],
        |_| DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
    );
    vec![RANDOM.udf(), NAMES.udf()]
}

/// The engine's own, which has another name and gives text.
fn random(call: &Call<'_>) -> Result<ArrayRef> {
    let made = string::uuid().invoke_with_args(ScalarFunctionArgs {
        args: Vec::new(),
        arg_fields: Vec::new(),
        number_rows: call.rows,
        return_field: Arc::new(call.returns.clone()),
        config_options: Arc::new(call.options.clone()),
    })?;
    made.to_array(call.rows)
}

fn names(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let strict = match call.columns.get(1) {
            None => Some(true),
            Some(column) => column.is_valid(row).then(|| column.as_boolean().value(row)),
        };
        let (Some(text), Some(strict)) = (call.text(0, row), strict) else {
            lists.append_null();
            continue;
        };
        for name in parts(text, strict)? {
            lists.values().append_value(name);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// As `parse_ident` in misc.c.
fn parts(text: &str, strict: bool) -> Result<Vec<String>, Error> {
    let refused = |detail: &str| {
        let message = format!("string is not a valid identifier: \"{text}\"");
        let error = Error::new(ErrorClass::InvalidArgument, message);
        if detail.is_empty() {
            error
        } else {
            error.with_detail(detail)
        }
    };
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let mut rest = text.trim_start_matches(blank);
    let mut names = Vec::new();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (name, behind) =
                unquoted(quoted).ok_or_else(|| refused("String has unclosed double quotes."))?;
            if name.is_empty() {
                return Err(refused("Quoted identifier must not be empty."));
            }
            names.push(name);
            rest = behind;
        } else {
            let starts = rest.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic() || !c.is_ascii());
            let inside = |c: char| c == '_' || c == '$' || c.is_ascii_alphanumeric() || !c.is_ascii();
            let end = rest.find(|c: char| !inside(c)).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if !starts {
                return Err(refused(if rest.starts_with('.') {
                    "No valid identifier before \".\"."
                } else if names.is_empty() {
                    ""
                } else {
                    "No valid identifier after \".\"."
                }));
            }
            names.push(name.to_ascii_lowercase());
            rest = behind;
        }
        rest = rest.trim_start_matches(blank);
        match rest.strip_prefix('.') {
            Some(behind) => rest = behind.trim_start_matches(blank),
            None if rest.is_empty() || !strict => return Ok(names),
            None => return Err(refused("")),
        }
    }
}

/// The name up to the quote that closes it, and what stands behind that.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (before, behind) = rest.split_once('"')?;
        name.push_str(before);
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.push('"');
                rest = behind;
            }
            None => return Some((name, behind)),
        }
    }
}
