//! `cargo xtask tidy`: the rules of the house that need no compiler. A rule is one function over the files, the manifests
//! and the lock file; what it finds names the place and the remedy.

mod functions;
mod layers;
mod links;
mod manifests;
mod sources;
mod tree;

use std::fmt;

use anyhow::{Result, bail};

use crate::shell::{Repository, say};
use crate::tidy::tree::Tree;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// 1-based.
    line: usize,
    /// What is wrong, a semicolon, what to do.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.message)
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[Rule] = &[
    layers::every_crate_has_a_tier,
    layers::dependencies_point_downward,
    layers::owned_dependencies,
    layers::owned_names,
    manifests::lints_are_the_workspace_s,
    manifests::one_version_of_what_must_fit,
    manifests::no_second_crypto_library,
    sources::module_docs,
    sources::no_mod_rs,
    sources::short_files,
    sources::no_trailing_white_space,
    sources::no_banned_words,
    sources::no_glob_imports,
    sources::no_ignored_tests,
    sources::no_sleeping_tests,
    functions::every_function_has_a_sql_test,
    functions::every_sql_test_has_its_cases,
    functions::every_head_is_whole,
    links::relative_links_resolve,
];

/// Applies every rule and prints what they find, sorted by place.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let tree = Tree::read(repository)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    findings.iter().for_each(say);
    match findings.len() {
        0 => Ok(()),
        1 => bail!("tidy has one finding"),
        count => bail!("tidy has {count} findings"),
    }
}
