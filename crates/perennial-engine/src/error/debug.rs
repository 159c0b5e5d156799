//! Sentences of the planner that no rule knows: told with the names of Postgres, and not at all where they hold a value as
//! the engine's code sees it.

use super::{lower_first, named_in};

/// What only the engine's own forms of values, types and expressions have.
const MARKS: [&str; 16] = [
    " { ",
    "Some(",
    "None)",
    "Literal(",
    "Exact(",
    "OneOf(",
    "Uniform(",
    "Coercible(",
    "Signature",
    "UserDefined",
    "Column(",
    "ScalarValue",
    "Utf8",
    "Decimal128",
    "Int64(",
    "Int32(",
];

/// A sentence for a user.
pub(super) fn told(sentence: &str) -> String {
    let named = lower_first(&named_in(sentence));
    if !MARKS.iter().any(|mark| unquoted(&named).contains(mark)) {
        return named;
    }
    tracing::info!(sentence, "a sentence of the planner was not passed on");
    "the statement asks for something in a form that is not supported".to_owned()
}

/// The text without what stands in quotes: a value may be called anything.
fn unquoted(text: &str) -> String {
    let (mut quote, mut before) = (None, ' ');
    let mut kept = String::with_capacity(text.len());
    for next in text.chars() {
        match quote {
            Some(open) if next == open => quote = None,
            Some(_) => {}
            // An apostrophe begins no quotation.
            None if ['\'', '"'].contains(&next) && !before.is_alphanumeric() => quote = Some(next),
            None => kept.push(next),
        }
        before = next;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn forms_of_the_engines_code_are_not_passed_on() {
        let hidden = "the statement asks for something in a form that is not supported";
        #[track_caller]
        fn check(sentence: &str, expected: &str) {
            assert_eq!(told(sentence), expected);
        }
        check("Expected an integer, got Literal(Utf8(\"a\"), None)", hidden);
        check("Coercion to the signature OneOf(Exact(Utf8))", hidden);
        check("Cannot use Column { name: \"a\" } here", hidden);
        check("Cannot add Utf8 to Int64", "cannot add text to bigint");
        check("it isn't Some(1) what's asked for", hidden);
        check("unit 'Some(x)' is not known", "unit 'Some(x)' is not known");
    }
}
