//! Rules on the text of files.

use crate::tidy::Finding;
use crate::tidy::layers::has_word;
use crate::tidy::tree::Tree;

const MAX_LINES: usize = 600;

/// What people write. Data and what other programs wrote are left alone.
const WRITTEN: [&str; 10] = [
    ".ci/run", ".md", ".part", ".py", ".rs", ".sh", ".slt", ".sql", ".toml", ".yml",
];

/// Statements and messages of other programs, byte for byte.
const RECORDED: [&str; 2] = ["tests/captured/", "tests/wire/"];

pub(crate) fn module_docs(tree: &Tree) -> Vec<Finding> {
    tree.ending(&[".rs"])
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| {
            Finding::new(
                path,
                1,
                "no module docs; begin the file with `//!` and what it is for",
            )
        })
        .collect()
}

pub(crate) fn no_mod_rs(tree: &Tree) -> Vec<Finding> {
    tree.ending(&["/mod.rs"])
        .map(|(path, _)| {
            let folder = path.trim_end_matches("/mod.rs");
            Finding::new(
                path,
                1,
                format!("the house has no mod.rs; move it to {folder}.rs"),
            )
        })
        .collect()
}

pub(crate) fn short_files(tree: &Tree) -> Vec<Finding> {
    tree.ending(&[".rs"])
        .filter(|(_, text)| text.lines().count() > MAX_LINES)
        .map(|(path, _)| {
            Finding::new(
                path,
                MAX_LINES + 1,
                format!("more than {MAX_LINES} lines; split the file by what it does"),
            )
        })
        .collect()
}

pub(crate) fn no_trailing_white_space(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in written(tree) {
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        {
            let at = line.trim_end().chars().count() + 1;
            findings.push(Finding::new(
                path,
                index + 1,
                format!("white space at the end, from column {at}; remove it"),
            ));
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            findings.push(Finding::new(
                path,
                text.lines().count(),
                "the file does not end in one line break; fix its end",
            ));
        }
    }
    findings
}

/// The words are in pieces here, so that this file passes.
pub(crate) fn no_banned_words(tree: &Tree) -> Vec<Finding> {
    let exact = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let phrase = concat!("for", " now");
    let mut findings = Vec::new();
    for (path, text) in written(tree) {
        for (index, line) in text.lines().enumerate() {
            let found = exact.into_iter().find(|word| has_word(line, word));
            if let Some(word) = found.or_else(|| has_word(&line.to_lowercase(), phrase).then_some(phrase)) {
                let message =
                    format!("\"{word}\": nothing waits in the code; do it, or write it down elsewhere");
                findings.push(Finding::new(path, index + 1, message));
            }
        }
    }
    findings
}

pub(crate) fn no_glob_imports(tree: &Tree) -> Vec<Finding> {
    let glob = |line: &str| {
        let line = line.trim_start();
        let import = ["use ", "pub use ", "pub(crate) use "]
            .iter()
            .any(|start| line.starts_with(start));
        import
            && ["::*;", "::*}", "::*,", "{*"]
                .iter()
                .any(|part| line.contains(part))
    };
    tree.ending(&[".rs"])
        .flat_map(|(path, text)| {
            product_code(path, text)
                .filter(move |(_, code)| glob(code))
                .map(move |(line, _)| {
                    Finding::new(
                        path,
                        line,
                        "a glob import hides where names come from; name what you use",
                    )
                })
        })
        .collect()
}

pub(crate) fn no_ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".rs"]) {
        let ignored = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(concat!("#[", "ignore")));
        findings.extend(ignored.map(|(index, _)| {
            Finding::new(
                path,
                index + 1,
                "an ignored test asserts nothing; make it run, or remove it",
            )
        }));
    }
    findings
}

/// A test waits on a condition. Only code of the product, such as a retry, may wait for time to pass.
pub(crate) fn no_sleeping_tests(tree: &Tree) -> Vec<Finding> {
    let remedy = "a sleep is too short on a slow machine and too long on a fast one; wait on a condition";
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".rs"]) {
        let test_lines = text.lines().enumerate().skip(product_code(path, text).count());
        let sleeping = test_lines.filter(|(_, line)| line.contains(concat!("thread", "::sleep")));
        findings.extend(sleeping.map(|(index, _)| Finding::new(path, index + 1, remedy)));
    }
    for (path, text) in tree.ending(&[".slt", ".part"]) {
        let sleeping = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with("sleep "));
        findings.extend(sleeping.map(|(index, _)| Finding::new(path, index + 1, remedy)));
    }
    findings
}

/// The lines of a Rust file that are not tests, numbered from 1, without their comments. Tests come last in a file, so
/// everything from a `#[cfg(test)]`, or a stricter one, before a `mod` with a body on is left out, and so is a file of tests as a whole.
pub(crate) fn product_code<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| match pair {
        [attribute, module] => {
            let (attribute, module) = (attribute.trim(), module.trim());
            attribute.starts_with("#[cfg(")
                && has_word(attribute, "test")
                && module.contains("mod ")
                && module.ends_with('{')
        }
        _ => false,
    });
    let product = if is_test_file(path) {
        0
    } else {
        tests.unwrap_or(lines.len())
    };
    lines.into_iter().take(product).enumerate().map(|(index, line)| {
        let code = line
            .find("//")
            .filter(|start| !line[..*start].ends_with(':'))
            .map_or(line, |start| &line[..start]);
        (index + 1, code)
    })
}

/// `tests.rs` beside the code, its parts, the package `tests/` and what serves it.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.starts_with("tests/")
        || path.contains("/tests/")
        || path.contains("-testkit/")
}

fn written(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.ending(&WRITTEN)
        .filter(|(path, _)| !RECORDED.iter().any(|folder| path.starts_with(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&Tree) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let tree = Tree {
            files: [(path.to_owned(), text.to_owned())].into(),
            ..Tree::default()
        };
        let found: Vec<usize> = rule(&tree).into_iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text:?}");
    }

    #[test]
    fn files_begin_with_docs_and_are_short() {
        check(module_docs, "a/src/x.rs", "//! It is.\n", &[]);
        check(module_docs, "a/src/x.rs", "use std::fmt;\n", &[1]);
        check(no_mod_rs, "a/src/x/mod.rs", "//! It is.\n", &[1]);
        check(no_mod_rs, "a/src/x.rs", "//! It is.\n", &[]);
        check(short_files, "a/src/x.rs", &"\n".repeat(MAX_LINES), &[]);
        check(
            short_files,
            "a/src/x.rs",
            &"\n".repeat(MAX_LINES + 1),
            &[MAX_LINES + 1],
        );
    }

    #[test]
    fn white_space_ends_no_line() {
        check(no_trailing_white_space, "a.md", "a\nb \n", &[2]);
        check(no_trailing_white_space, "a.md", "a\r\n", &[]);
        check(no_trailing_white_space, "a.md", "a\n\n", &[2]);
        check(no_trailing_white_space, "a.md", "a", &[1]);
        check(no_trailing_white_space, "a.csv", "a ", &[]);
        check(
            no_trailing_white_space,
            "tests/captured/psql.sql",
            "SELECT 1 ",
            &[],
        );
    }

    #[test]
    fn banned_words_are_found_as_words() {
        check(no_banned_words, "a.rs", concat!("// TO", "DO: it\n"), &[1]);
        check(no_banned_words, "a.rs", concat!("// For", " now\n"), &[1]);
        check(
            no_banned_words,
            "a.rs",
            concat!("// XX", "XX and TO", "DOS, before", " nowhere\n"),
            &[],
        );
        check(no_banned_words, "a.csv", concat!("TO", "DO\n"), &[]);
    }

    #[test]
    fn tests_do_what_the_product_may_not() {
        let text =
            "use a::*;\nuse b::{c::*, d};\n/* fine */\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        check(no_glob_imports, "a.rs", text, &[1, 2]);
        check(no_glob_imports, "a/src/x/tests.rs", "use super::*;\n", &[]);
        check(no_glob_imports, "a.rs", "let x = 2 * y; // use a::*;\n", &[]);
    }

    #[test]
    fn the_product_does_what_tests_may_not() {
        let sleep = concat!("std::thread", "::sleep(d);");
        let text = format!("{sleep}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n");
        check(no_sleeping_tests, "a/src/x.rs", &text, &[4]);
        check(no_sleeping_tests, "tests/it/main.rs", sleep, &[1]);
        check(no_sleeping_tests, "tests/slt/x.slt", "sleep 1s\n", &[1]);
        check(no_ignored_tests, "a/src/x.rs", concat!("#[", "ignore]\n"), &[1]);
    }
}
