//! What a reader of the function reference relies on.

use datafusion_expr::Documentation;

use crate::{family, function_set::FunctionSet};

/// Checks what a reader of the reference relies on: every function is documented, in a family that exists, with an
/// example that shows its answer, under its own name.
#[track_caller]
pub fn check_set(set: &FunctionSet) {
    for function in &set.scalar {
        check_documentation(function.name(), function.documentation());
    }
    for function in &set.aggregate {
        check_documentation(function.name(), function.documentation());
    }
    for function in &set.window {
        check_documentation(function.name(), function.documentation());
    }
}

#[track_caller]
fn check_documentation(name: &str, documentation: Option<&Documentation>) {
    let documentation = documentation.unwrap_or_else(|| panic!("{name} is not documented"));
    let family = documentation.doc_section.label;
    assert!(
        family::ALL.contains(&family),
        "{name} is of the unknown family {family}"
    );
    assert!(
        documentation.syntax_example.starts_with(&format!("{name}(")),
        "{name}'s syntax"
    );
    assert!(
        documentation.description.ends_with('.'),
        "{name}'s description is no sentence"
    );
    let example = documentation.sql_example.as_deref().unwrap_or_default();
    assert!(
        example.starts_with("```sql\n") && example.ends_with("```"),
        "{name}'s example is no block of SQL"
    );
    assert!(
        example.contains(&format!("{name}(")),
        "{name}'s example calls something else"
    );
    assert!(example.contains("+--"), "{name}'s example shows no answer");
    assert!(
        documentation
            .arguments
            .as_ref()
            .is_some_and(|arguments| !arguments.is_empty()),
        "{name}'s arguments"
    );
}
