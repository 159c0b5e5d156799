//! Rules on manifests and the lock file.

use std::collections::BTreeMap;

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

const LOCK: &str = "Cargo.lock";

pub(crate) fn lints_are_the_workspace_s(tree: &Tree) -> Vec<Finding> {
    let inherits = |manifest: &str| {
        let manifest: toml::Table = manifest.parse().unwrap_or_default();
        manifest.get("lints").and_then(|lints| lints.get("workspace")) == Some(&toml::Value::Boolean(true))
    };
    tree.packages
        .iter()
        .filter(|package| {
            !tree
                .files
                .get(&package.manifest_path)
                .is_some_and(|manifest| inherits(manifest))
        })
        .map(|package| {
            let message = "the lints are not those of the workspace; add `[lints]` with `workspace = true`";
            Finding::new(&package.manifest_path, 1, message)
        })
        .collect()
}

/// Two versions of one of these compile side by side, and the types of one do not fit the other.
pub(crate) fn one_version_of_what_must_fit(tree: &Tree) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for locked in &tree.locked {
        let moves_together = ["arrow", "datafusion", "object_store", "parquet"]
            .iter()
            .any(|name| {
                locked.name == *name
                    || locked
                        .name
                        .strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('-'))
            });
        if moves_together {
            versions.entry(&locked.name).or_default().push(&locked.version);
        }
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| {
            let message = format!(
                "\"{name}\" is there in versions {}; find who wants the other with `cargo tree -i {name}@{}`",
                versions.join(" and "),
                versions.last().unwrap_or(&"")
            );
            Finding::new(LOCK, line_of(tree, name), message)
        })
        .collect()
}

pub(crate) fn no_second_crypto_library(tree: &Tree) -> Vec<Finding> {
    ["aws-lc-rs", "aws-lc-sys"]
        .iter()
        .filter(|name| tree.locked.iter().any(|locked| locked.name == **name))
        .map(|name| {
            let message = format!("\"{name}\" needs a C tool chain and repeats ring; find who wants it with `cargo tree -i {name}`");
            Finding::new(LOCK, line_of(tree, name), message)
        })
        .collect()
}

fn line_of(tree: &Tree, package: &str) -> usize {
    let text = tree.files.get(LOCK).map(String::as_str).unwrap_or_default();
    let entry = format!("name = \"{package}\"");
    text.lines()
        .position(|line| line == entry)
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::{Locked, Package};

    #[test]
    fn what_must_fit_has_one_version() {
        let locked = |name: &str, version: &str| Locked {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        let tree = Tree {
            locked: vec![
                locked("arrow-array", "59.0.0"),
                locked("arrow-array", "58.0.0"),
                locked("arrowhead", "1.0.0"),
                locked("arrowhead", "2.0.0"),
                locked("aws-lc-rs", "1.0.0"),
            ],
            ..Tree::default()
        };
        let messages: Vec<_> = one_version_of_what_must_fit(&tree)
            .into_iter()
            .chain(no_second_crypto_library(&tree))
            .map(|finding| finding.message)
            .collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].contains("59.0.0 and 58.0.0"), "{messages:?}");
    }

    #[test]
    fn lints_are_inherited() {
        #[track_caller]
        fn check(manifest: &str, findings: usize) {
            let tree = Tree {
                files: [("a/Cargo.toml".to_owned(), manifest.to_owned())].into(),
                packages: vec![Package {
                    name: "a".into(),
                    manifest_path: "a/Cargo.toml".into(),
                    dependencies: vec![],
                }],
                ..Tree::default()
            };
            assert_eq!(lints_are_the_workspace_s(&tree).len(), findings);
        }
        check("[lints]\nworkspace = true\n", 0);
        check("lints.workspace = true\n", 0);
        check("[lints.rust]\nunsafe_code = \"warn\"\n", 1);
        check("", 1);
    }
}
