//! Every SQL function has a test in SQL.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

/// A function is a file of a function crate with `#[user_doc]`, named as the function is in SQL.
pub(crate) fn every_function_has_a_sql_test(tree: &Tree) -> Vec<Finding> {
    let tested = |name: &str| {
        let file = format!("/{name}.slt");
        tree.ending(&[".slt"])
            .any(|(path, _)| path.starts_with("tests/slt/functions/") && path.ends_with(&file))
    };
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".rs"]) {
        let Some((index, name)) = declared(path, text) else {
            continue;
        };
        if !tested(name) {
            let message =
                format!("\"{name}\" has no test in SQL; write tests/slt/functions/<family>/{name}.slt");
            findings.push(Finding::new(path, index + 1, message));
        }
    }
    findings
}

/// The SQL function that a file declares, and the number of the line, from 0: one of a function crate is called as its file, a
/// table function as its declaration says.
fn declared<'a>(path: &'a str, text: &'a str) -> Option<(usize, &'a str)> {
    let line = |start: &str| text.lines().position(|line| line.trim_start().starts_with(start));
    if path.starts_with("udfs/") && path.contains("/src/") {
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        return Some((line("#[user_doc")?, name));
    }
    if !path.starts_with("crates/perennial-engine/src/functions/") {
        return None;
    }
    let index = line("pub(crate) const FUNCTION: TableFunction = TableFunction {")?;
    let name = text.lines().nth(index + 1)?.trim().strip_prefix("name: \"")?;
    Some((index, name.trim_end_matches("\",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_without_a_test_is_found() {
        let mut tree = Tree::default();
        tree.files.insert(
            "udfs/metrics/src/nps.rs".into(),
            "//! Net promoter score.\n#[user_doc(\n".into(),
        );
        tree.files.insert(
            "udfs/metrics/src/lib.rs".into(),
            "//! `#[user_doc]` is for functions.\n".into(),
        );
        tree.files
            .insert("tests/slt/functions/metrics/other_nps.slt".into(), String::new());
        let findings = every_function_has_a_sql_test(&tree);
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [2]
        );
        tree.files
            .insert("tests/slt/functions/metrics/nps.slt".into(), String::new());
        assert!(every_function_has_a_sql_test(&tree).is_empty());
        tree.files.insert(
            "crates/perennial-engine/src/functions/lifecycle/at.rs".into(),
            "\npub(crate) const FUNCTION: TableFunction = TableFunction {\n    name: \"lifecycle_at\",\n"
                .into(),
        );
        let findings = every_function_has_a_sql_test(&tree);
        assert!(findings.len() == 1 && findings[0].message.contains("\"lifecycle_at\""));
        tree.files.insert(
            "tests/slt/functions/lifecycle/lifecycle_at.slt".into(),
            String::new(),
        );
        assert!(every_function_has_a_sql_test(&tree).is_empty());
    }
}
