//! Sentences of the planner about calls and operators that do not fit, which Postgres words by names and types alone.

use perennial_base::ErrorClass;

use super::{Error, between, named_in};

/// What Postgres adds to a call that does not fit.
pub(super) const NO_FUNCTION: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";

/// The error of a call or an operator that does not fit, if the sentence is about one.
pub(super) fn reworded(line: &str) -> Option<Error> {
    // However the planner came to it, at the end it says which call it was.
    if let Some((_, rest)) = line.split_once("No function matches the given name and argument types '")
        && let Some((call, _)) = rest.split_once("'.")
    {
        return Some(undefined(call));
    }
    if line.starts_with("substring without for/from is not valid") {
        return Some(undefined_call(
            "function substring takes a text and where to begin".to_owned(),
        ));
    }
    if line.starts_with("Unsupported binary operator: ")
        || line.contains("is not supported in the physical expr")
    {
        return Some(Error::new(
            ErrorClass::UndefinedFunction,
            "operator does not exist for values of these types",
        ));
    }
    if let Some((operands, _)) = between(
        line,
        "There isn't a common type to coerce ",
        " in LIKE expression",
    ) && let Some((text, pattern)) = operands.split_once(" and ")
    {
        return Some(undefined_operator(text, "~~", pattern));
    }
    for (start, middle, what) in [
        (
            "Incompatible inputs for Union: Previous inputs were of type ",
            ", but got incompatible type ",
            "UNION",
        ),
        (
            "Inconsistent data type across values list at row ",
            " but found ",
            "VALUES",
        ),
    ] {
        if let Some((one, other)) = between(line, start, middle) {
            let one = one.rsplit("Was ").next().unwrap_or(one);
            let other = other.split(" on column ").next().unwrap_or(other);
            return Some(unmatched(what, one, other));
        }
    }
    for (start, what) in [
        ("Join condition must be boolean type, but got ", "JOIN/ON"),
        ("Unary operator 'NOT' requires a boolean expression, got ", "NOT"),
    ] {
        if let Some(data_type) = line.strip_prefix(start) {
            return Some(not_boolean(what, Some(data_type)));
        }
    }
    for what in ["LIMIT", "OFFSET"] {
        if let Some(data_type) =
            line.strip_prefix(&format!("Expected {what} to be an integer or null, but got "))
        {
            let data_type = named_in(data_type);
            return Some(Error::new(
                ErrorClass::TypeMismatch,
                format!("argument of {what} must be type bigint, not type {data_type}"),
            ));
        }
    }
    // A constant is no column that could be grouped by.
    if let Some((constant, _)) = between(
        line,
        "HAVING clause references: ",
        " must appear in the GROUP BY clause",
    ) && is_literal(constant)
    {
        return Some(not_boolean("HAVING", None));
    }
    if let Some((expected, _)) = line.split_once(" or NULL, got ")
        && expected.to_ascii_lowercase().contains("argument")
    {
        return Some(Error::new(
            ErrorClass::InvalidArgument,
            format!("{} or null", super::lower_first(expected)),
        ));
    }
    None
}

/// Whether a text is one constant of another type than boolean, as the planner writes it: `Int64(3)`.
fn is_literal(text: &str) -> bool {
    text.split_once('(').is_some_and(|(data_type, value)| {
        data_type.starts_with(|first: char| first.is_ascii_uppercase())
            && data_type
                .chars()
                .all(|character| character.is_ascii_alphanumeric())
            && data_type != "Boolean"
            && value.ends_with(')')
            && !value.contains('(')
    })
}

/// `f(Int64, Utf8)` is not there.
fn undefined(call: &str) -> Error {
    let (name, types) = call.split_once('(').unwrap_or((call, ""));
    let types = named_in(types.strip_suffix(')').unwrap_or(types));
    if name == "make_array" {
        let mut types = types.split(", ");
        let one = types.next().unwrap_or_default();
        let other = types.find(|other| *other != one).unwrap_or(one);
        return unmatched("ARRAY", one, other);
    }
    // What stands behind operators has a name of its own.
    let name = name.strip_prefix("perennial_").unwrap_or(name);
    undefined_call(format!("function {name}({types}) does not exist"))
}

fn undefined_call(message: String) -> Error {
    Error::new(ErrorClass::UndefinedFunction, message).with_hint(NO_FUNCTION)
}

fn undefined_operator(left: &str, operator: &str, right: &str) -> Error {
    Error::new(
        ErrorClass::UndefinedFunction,
        format!(
            "operator does not exist: {} {operator} {}",
            named_in(left),
            named_in(right)
        ),
    )
    .with_hint(
        "No operator matches the given name and argument types. You might need to add explicit type casts.",
    )
}

fn unmatched(what: &str, one: &str, other: &str) -> Error {
    Error::new(
        ErrorClass::TypeMismatch,
        format!(
            "{what} types {} and {} cannot be matched",
            named_in(one),
            named_in(other)
        ),
    )
}

fn not_boolean(what: &str, data_type: Option<&str>) -> Error {
    let found = data_type.map(|found| format!(", not type {}", named_in(found)));
    Error::new(
        ErrorClass::TypeMismatch,
        format!(
            "argument of {what} must be type boolean{}",
            found.unwrap_or_default()
        ),
    )
}
