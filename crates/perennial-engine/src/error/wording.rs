//! Sentences of the planner that name a fault which Postgres words, and classes, in a way of its own.

use datafusion::common::Column;
use perennial_base::ErrorClass;

use super::{Error, between, calls, first_line, input_type, named_in, sentence, strip_prefixes};

/// The error that Postgres would give, if the sentence is one of those known here.
pub(super) fn reworded(message: &str) -> Option<Error> {
    let message = strip_prefixes(message);
    let line = first_line(message.strip_prefix("Internal error: ").unwrap_or(message));
    let plain = |class, text: &str| Some(Error::new(class, text));
    if let Some(error) = calls::reworded(line) {
        return Some(error);
    }
    for (start, class, what) in [
        ("Aggregate", ErrorClass::Grouping, "aggregate"),
        ("Window", ErrorClass::Windowing, "window"),
    ] {
        if line.starts_with(&format!("{start} function calls cannot be nested")) {
            return plain(class, &format!("{what} function calls cannot be nested"));
        }
        if line.to_ascii_lowercase().starts_with(&format!(
            "physical plan does not support logical expression {what}function"
        )) {
            return plain(class, &format!("{what} functions are not allowed in this place"));
        }
    }
    if line.starts_with("Too many columns! The subquery should only return one column") {
        return plain(ErrorClass::Syntax, "subquery must return only one column");
    }
    if let Some((name, _)) = between(line, "The window ", " is not defined") {
        return plain(
            ErrorClass::UndefinedObject,
            &format!("window \"{name}\" does not exist"),
        );
    }
    if let Some((value, data_type)) = between(line, "Cannot cast string '", "' to value of ")
        .or_else(|| between(line, "Cannot cast value '", "' to value of "))
    {
        return Some(invalid(value, &input_type(data_type.trim_end_matches(" type"))));
    }
    if line.starts_with("regex parse error")
        || line.starts_with("Regular expression did not compile: Syntax(")
    {
        let why = message
            .lines()
            .find_map(|line| line.trim().strip_prefix("error: "))
            .unwrap_or_else(|| message.lines().last().unwrap_or_default());
        let why = pattern(why);
        return Some(Error::new(
            ErrorClass::InvalidRegex,
            format!("invalid regular expression: {why}"),
        ));
    }
    if line.contains("did not compile: CompiledTooBig") {
        return plain(
            ErrorClass::InvalidRegex,
            "invalid regular expression: regular expression is too complex",
        );
    }
    if line.starts_with("Invalid input syntax for type interval") {
        return plain(ErrorClass::InvalidDatetime, &line.replacen('I', "i", 1));
    }
    if line.starts_with("cannot take square root of a negative number") {
        return plain(ErrorClass::InvalidPower, line);
    }
    if let Some(name) = line.strip_prefix("Unsupported SQL type ") {
        // The parser writes the types that it knows in capital letters.
        let name = name.trim_end_matches('.');
        let known = !name.contains(char::is_lowercase);
        let name = if known {
            name.to_lowercase()
        } else {
            name.to_owned()
        };
        return Some(Error::new(
            ErrorClass::UndefinedObject,
            format!("type \"{name}\" does not exist"),
        ));
    }
    if let Some((name, _)) = between(line, "Placeholder '", "' was not provided a value") {
        return Some(Error::new(
            ErrorClass::UndefinedParameter,
            format!("there is no parameter {name}"),
        ));
    }
    if line.starts_with("Inconsistent data length across values list") {
        return plain(ErrorClass::Syntax, "VALUES lists must all be the same length");
    }
    if let Some((operation, _)) = line.split_once(" queries have different number of columns") {
        return Some(Error::new(
            ErrorClass::Syntax,
            format!("each {operation} query must have the same number of columns"),
        ));
    }
    if line.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        return plain(
            ErrorClass::Grouping,
            "aggregate functions are not allowed in WHERE",
        );
    }
    if let Some((_, data_type)) = between(
        line,
        "Cannot create filter with non-boolean predicate '",
        "' returning ",
    ) {
        return Some(Error::new(
            ErrorClass::TypeMismatch,
            format!(
                "argument of WHERE must be type boolean, not type {}",
                named_in(data_type)
            ),
        ));
    }
    if line
        .to_ascii_lowercase()
        .starts_with("physical plan does not support logical expression")
    {
        return Some(
            Error::new(
                ErrorClass::Unsupported,
                "a subquery in this place is not supported",
            )
            .with_hint("Join it in FROM, or ask with IN, EXISTS or = in WHERE."),
        );
    }
    if let Some((position, _)) = between(line, "Order by column out of bounds, specified: ", ", max") {
        return Some(Error::new(
            ErrorClass::InvalidColumnReference,
            format!("ORDER BY position {position} is not in select list"),
        ));
    }
    for (clause, class) in [
        ("LIMIT", ErrorClass::InvalidLimit),
        ("OFFSET", ErrorClass::InvalidOffset),
    ] {
        if line.starts_with(&format!("{clause} must be >=")) {
            return Some(Error::new(class, format!("{clause} must not be negative")));
        }
    }
    if let Some((from, to)) = between(line, "Unsupported CAST from ", " to ").or_else(|| {
        between(line, "Casting from ", " to ")
            .and_then(|(from, to)| Some((from, to.strip_suffix(" not supported")?)))
    }) {
        return Some(Error::new(
            ErrorClass::CannotCoerce,
            format!("cannot cast type {} to {}", named_in(from), named_in(to)),
        ));
    }
    if let Some((operands, _)) = between(line, "Cannot coerce arithmetic expression ", " to valid types") {
        return Some(
            Error::new(
                ErrorClass::UndefinedFunction,
                format!("operator does not exist: {}", named_in(operands)),
            )
            .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts."),
        );
    }
    if let Some((name, rest)) = between(line, "Function '", "' failed to match any signature") {
        // What a function says of its own types stands behind its name once more.
        let name = name.split('\'').next().unwrap_or(name);
        let data_type = rest
            .split("(DataType: ")
            .nth(1)
            .and_then(|rest| match rest.split_once(").") {
                Some((data_type, _)) => Some(data_type),
                None => rest.trim_end().strip_suffix(')'),
            })
            .map_or_else(String::new, named_in);
        return Some(
            Error::new(
                ErrorClass::UndefinedFunction,
                format!("function {name}({data_type}) does not exist"),
            )
            .with_hint("No function matches the given name and argument types. You might need to add explicit type casts."),
        );
    }
    None
}

/// What is wrong with a pattern, as Postgres says it (`regerrs.h`).
fn pattern(why: &str) -> &str {
    let known = [
        ("unclosed group", "parentheses () not balanced"),
        ("unopened group", "parentheses () not balanced"),
        ("unclosed character class", "brackets [] not balanced"),
        ("unclosed counted repetition", "braces {} not balanced"),
        (
            "repetition operator missing expression",
            "quantifier operand invalid",
        ),
        ("invalid repetition count range", "invalid repetition count(s)"),
        ("invalid character class range", "invalid character range"),
        ("unrecognized escape sequence", "invalid escape \\ sequence"),
        ("incomplete escape sequence", "invalid escape \\ sequence"),
    ];
    let found = known.into_iter().find(|(start, _)| why.starts_with(start));
    found.map_or(why, |(_, words)| words)
}

/// A number that its type does not have.
pub(super) fn out_of_range(line: &str) -> Option<Error> {
    if !line.contains("is too large to store in a") && !line.contains("cannot be represented") {
        return None;
    }
    let range = || Error::new(ErrorClass::NumericOverflow, "value out of range").with_detail(sentence(line));
    Some(field_overflow(line).unwrap_or_else(range))
}

/// A number of more digits than its type has: `12345.00 is too large to store in a Decimal128 of precision 4. Max is 99.99`.
fn field_overflow(line: &str) -> Option<Error> {
    let (_, rest) = line.split_once(" to store in a Decimal")?;
    let (_, rest) = rest.split_once(" of precision ")?;
    let (precision, most) = rest.split_once(". M")?;
    let (_, most) = most.split_once(" is ")?;
    let scale = most
        .trim_end_matches('.')
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len());
    let precision: usize = precision.parse().ok()?;
    let below = match precision.checked_sub(scale)? {
        0 => "1".to_owned(),
        whole => format!("10^{whole}"),
    };
    Some(
        Error::new(ErrorClass::NumericOverflow, "numeric field overflow").with_detail(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {below}."
        )),
    )
}

/// A text that is no value of a type. A date that is written well and is not in the calendar is out of range.
fn invalid(value: &str, type_name: &str) -> Error {
    let datetime = matches!(type_name, "date" | "time" | "interval") || type_name.starts_with("timestamp");
    if datetime && value.get(..10).is_some_and(is_date) {
        return Error::new(
            ErrorClass::DatetimeOverflow,
            format!("date/time field value out of range: \"{value}\""),
        );
    }
    let class = if datetime {
        ErrorClass::InvalidDatetime
    } else {
        ErrorClass::InvalidText
    };
    Error::new(
        class,
        format!("invalid input syntax for type {type_name}: \"{value}\""),
    )
}

/// Whether a text has the form of a date.
fn is_date(text: &str) -> bool {
    text.char_indices().all(|(at, character)| match at {
        4 | 7 => character == '-',
        _ => character.is_ascii_digit(),
    })
}
/// The hint that names the column which was meant, with its table where it has one.
pub(super) fn column(near: &str, valid: &[Column]) -> String {
    let found = valid.iter().find(|column| column.name == near);
    let table = found.and_then(|column| column.relation.as_ref());
    let table = table.map_or_else(String::new, |table| format!("{}.", table.table()));
    format!("Perhaps you meant to reference the column \"{table}{near}\".")
}
