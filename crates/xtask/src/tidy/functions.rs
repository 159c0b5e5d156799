//! Every SQL function has a head that says everything, and a test in SQL with the cases that each needs.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

/// What the head of a function's file says, each under a title of its own and in this order.
const TITLES: &[&str] = &[
    "Signature",
    "Shape",
    "Units",
    "Definition",
    "Errors",
    "Cost",
    "Source",
    "Example",
];

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

/// NULL, an error, and rows that are grouped or seen through a window: of these no function is without a case.
pub(crate) fn every_sql_test_has_its_cases(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".slt"]) {
        if !path.starts_with("tests/slt/functions/") {
            continue;
        }
        let lines: Vec<String> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_uppercase)
            .collect();
        let null = |line: &String| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| word == "NULL")
        };
        let error = |line: &String| line.starts_with("STATEMENT ERROR") || line.starts_with("QUERY ERROR");
        let grouped = |line: &String| line.contains("GROUP BY") || line.contains(" OVER (");
        for (missing, case) in [
            (!lines.iter().any(null), "NULL"),
            (!lines.iter().any(error), "\"statement error\" or \"query error\""),
            (!lines.iter().any(grouped), "GROUP BY or a window"),
        ] {
            if missing {
                let message =
                    format!("no case has {case}; add one, see \"SQL logic tests\" in tests/README.md");
                findings.push(Finding::new(path, 1, message));
            }
        }
    }
    findings
}

/// The head of a function's file has all titles, in their order.
pub(crate) fn every_head_is_whole(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".rs"]) {
        if declared(path, text).is_none() {
            continue;
        }
        let titles: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("//! # "))
            .collect();
        if titles != TITLES {
            let message = format!(
                "the head has the titles {}; a function's has {}",
                titles.join(", "),
                TITLES.join(", ")
            );
            findings.push(Finding::new(path, 1, message));
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
            "crates/perennial-engine/src/functions/lifecycle/lifecycle_at.rs".into(),
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

    #[test]
    fn a_test_without_one_of_its_cases_is_found() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            let mut tree = Tree::default();
            tree.files
                .insert("tests/slt/functions/metrics/nps.slt".into(), text.into());
            tree.files
                .insert("tests/slt/pg_compat/text.slt".into(), String::new());
            let found: Vec<String> = every_sql_test_has_its_cases(&tree)
                .into_iter()
                .map(|finding| finding.message)
                .collect();
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(&format!("no case has {expected}")), "{found}");
            }
        }
        let (null, error) = (
            "query R\nSELECT nps(NULL)\n----\nNULL\n",
            "statement error (22023)\nSELECT nps(11)\n",
        );
        let window = "query R\nSELECT nps(score) OVER (ORDER BY n) FROM answers\n----\n1\n";
        check(&format!("{null}\n{error}\n{window}"), &[]);
        check(
            &format!("{null}\n{error}\nquery R\nSELECT nps(s) FROM a GROUP BY c\n----\n1\n"),
            &[],
        );
        check(&format!("{error}\n{window}# NULL is none.\n"), &["NULL"]);
        check(&format!("{null}\n{window}"), &["\"statement error\""]);
        check(null, &["\"statement error\"", "GROUP BY or a window"]);
    }

    #[test]
    fn a_head_without_one_of_its_titles_is_found() {
        let head = |titles: &[&str]| {
            let lines: Vec<String> = titles
                .iter()
                .map(|title| format!("//! # {title}\n//! What it says.\n"))
                .collect();
            let mut tree = Tree::default();
            let text = format!("//! Net promoter score.\n//!\n{}\n#[user_doc(\n", lines.concat());
            tree.files.insert("udfs/metrics/src/nps.rs".into(), text);
            every_head_is_whole(&tree)
        };
        assert_eq!(head(TITLES), []);
        let found = head(&["Definition", "Source"]);
        assert!(
            found.len() == 1
                && found[0]
                    .message
                    .starts_with("the head has the titles Definition, Source;"),
            "{found:?}"
        );
    }
}
