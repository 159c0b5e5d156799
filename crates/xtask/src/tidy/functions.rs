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
    for (path, text) in tree
        .ending(&[".rs"])
        .filter(|(path, _)| path.starts_with("udfs/") && path.contains("/src/"))
    {
        let Some(index) = text
            .lines()
            .position(|line| line.trim_start().starts_with("#[user_doc"))
        else {
            continue;
        };
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        if !tested(name) {
            let message =
                format!("\"{name}\" has no test in SQL; write tests/slt/functions/<family>/{name}.slt");
            findings.push(Finding::new(path, index + 1, message));
        }
    }
    findings
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
    }
}
