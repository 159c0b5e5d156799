//! Who may depend on whom, and who may name what: `crates/layers.toml` against the manifests and the sources.

use serde::Deserialize;

use crate::tidy::Finding;
use crate::tidy::sources::product_code;
use crate::tidy::tree::{Package, Tree};

/// `crates/layers.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layers {
    /// From the bottom.
    tier: Vec<Tier>,
    development: Development,
    inside: Vec<Edge>,
    forbidden: Vec<Edge>,
    owned: Vec<Owned>,
    name: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    what: String,
    crates: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Development {
    crates: Vec<String>,
}

/// An edge between crates; each end may close with `*`, which stands for any ending.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edge {
    from: String,
    to: String,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owned {
    dependency: String,
    by: Vec<String>,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    names: Vec<String>,
    by: String,
    reason: String,
}

impl Layers {
    pub(crate) const PATH: &str = "crates/layers.toml";

    fn tier_of(&self, name: &str) -> Option<usize> {
        self.tier
            .iter()
            .position(|tier| tier.crates.iter().any(|member| member == name))
    }

    fn is_development(&self, name: &str) -> bool {
        self.development.crates.iter().any(|member| member == name)
    }

    /// Why `from` may not depend on `to`, if it may not. Crates that are not ours have no tier.
    fn objection(&self, from: &str, to: &str, dev: bool) -> Option<String> {
        if let Some(edge) = self.forbidden.iter().find(|edge| edge.joins(from, to)) {
            return Some(edge.reason.clone());
        }
        if self.is_development(from) || dev {
            return None;
        }
        if self.is_development(to) {
            return Some("it belongs to development; name it under [dev-dependencies]".to_owned());
        }
        let (from_tier, to_tier) = (self.tier_of(from)?, self.tier_of(to)?);
        let tier = self.tier.get(to_tier)?;
        if to_tier > from_tier {
            return Some(format!(
                "it lies in a higher tier ({}); move what both need downward",
                tier.what
            ));
        }
        let listed = self.inside.iter().any(|edge| edge.joins(from, to));
        (to_tier == from_tier && !listed).then(|| {
            format!(
                "both lie in one tier ({}); move what both need downward, or list the edge as `inside`",
                tier.what
            )
        })
    }
}

impl Edge {
    fn joins(&self, from: &str, to: &str) -> bool {
        matches(&self.from, from) && matches(&self.to, to)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

pub(crate) fn every_crate_has_a_tier(tree: &Tree) -> Vec<Finding> {
    let layers = &tree.layers;
    tree.packages
        .iter()
        .filter(|package| layers.tier_of(&package.name).is_none() && !layers.is_development(&package.name))
        .map(|package| {
            let message = format!("\"{}\" has no tier; add it to {}", package.name, Layers::PATH);
            Finding::new(&package.manifest_path, 1, message)
        })
        .collect()
}

pub(crate) fn dependencies_point_downward(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        for dependency in &package.dependencies {
            let dev = dependency.kind.as_deref() == Some("dev");
            if let Some(objection) = tree.layers.objection(&package.name, &dependency.name, dev) {
                let message = format!(
                    "\"{}\" may not depend on \"{}\": {objection}",
                    package.name, dependency.name
                );
                findings.push(at_dependency(tree, package, &dependency.name, message));
            }
        }
    }
    findings
}

/// `perennial-hack` names many to pin their features, and uses none.
pub(crate) fn owned_dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree
        .packages
        .iter()
        .filter(|package| package.name != "perennial-hack")
    {
        for Owned {
            dependency,
            by,
            reason,
        } in &tree.layers.owned
        {
            let names_it = package.dependencies.iter().any(|named| named.name == *dependency);
            if names_it && !by.contains(&package.name) {
                let message = format!(
                    "only {} may depend on \"{dependency}\": {reason}",
                    by.join(" and ")
                );
                findings.push(at_dependency(tree, package, dependency, message));
            }
        }
    }
    findings
}

pub(crate) fn owned_names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".rs"]) {
        let owner = tree.packages.iter().find(|package| {
            package
                .manifest_path
                .strip_suffix("Cargo.toml")
                .is_some_and(|folder| path.starts_with(folder))
        });
        let Some(package) = owner else { continue };
        if tree.layers.is_development(&package.name) {
            continue;
        }
        let foreign: Vec<&Name> = tree
            .layers
            .name
            .iter()
            .filter(|name| name.by != package.name)
            .collect();
        for (line, code) in product_code(path, text) {
            for Name { names, by, reason } in &foreign {
                for name in names.iter().filter(|name| has_word(code, name)) {
                    findings.push(Finding::new(
                        path,
                        line,
                        format!("only {by} names `{name}`: {reason}"),
                    ));
                }
            }
        }
    }
    findings
}

fn at_dependency(tree: &Tree, package: &Package, dependency: &str, message: String) -> Finding {
    let text = tree
        .files
        .get(&package.manifest_path)
        .map(String::as_str)
        .unwrap_or_default();
    let names_it = |line: &str| {
        let name = line
            .trim_start()
            .split(['.', ' ', '='])
            .next()
            .unwrap_or_default();
        name == dependency
    };
    let line = text.lines().position(names_it).map_or(1, |index| index + 1);
    Finding::new(&package.manifest_path, line, message)
}

/// Whether `word` stands in `text` as a word of its own.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part_of_a_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &str = r#"
        [[tier]]
        what = "vocabulary"
        crates = ["hack", "base"]
        [[tier]]
        what = "functions"
        crates = ["udf-kit", "udf-metrics", "demo"]
        [[tier]]
        what = "server"
        crates = ["server"]
        [development]
        crates = ["testkit"]
        [[inside]]
        from = "*"
        to = "hack"
        [[inside]]
        from = "udf-*"
        to = "udf-kit"
        [[forbidden]]
        from = "server"
        to = "demo"
        reason = "nothing made up is served"
        [[owned]]
        dependency = "pgwire"
        by = ["server"]
        reason = "only it knows the wire"
        [[name]]
        names = ["SessionContext"]
        by = "server"
        reason = "ask it"
    "#;

    #[test]
    fn dependencies_follow_the_tiers() {
        let layers: Layers = toml::from_str(LAYERS).unwrap();
        #[track_caller]
        fn check(layers: &Layers, from: &str, to: &str, objection: Option<&str>) {
            let found = layers.objection(from, to, false);
            match objection {
                None => assert_eq!(found, None),
                Some(part) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(part)),
                    "{found:?}"
                ),
            }
        }
        check(&layers, "server", "base", None);
        check(&layers, "base", "hack", None);
        check(&layers, "udf-metrics", "udf-kit", None);
        check(&layers, "server", "serde", None);
        check(&layers, "testkit", "server", None);
        check(&layers, "base", "server", Some("higher tier (server)"));
        check(&layers, "demo", "udf-kit", Some("one tier"));
        check(&layers, "udf-kit", "udf-metrics", Some("one tier"));
        check(&layers, "server", "demo", Some("nothing made up"));
        check(&layers, "server", "testkit", Some("[dev-dependencies]"));
        assert_eq!(layers.objection("server", "testkit", true), None);
    }

    #[test]
    fn owned_things_stay_with_their_owner() {
        let manifest = "[package]\nname = \"demo\"\n[dependencies]\npgwire.workspace = true\n";
        let package = r#"{"name": "demo", "manifest_path": "demo/Cargo.toml", "dependencies": [{"name": "pgwire", "kind": null}]}"#;
        let source = "//! Docs on SessionContext.\nuse x::SessionContext;\n\n#[cfg(test)]\nmod tests {\n    use x::SessionContext;\n}\n";
        let tree = Tree {
            files: [("demo/Cargo.toml", manifest), ("demo/src/lib.rs", source)]
                .map(|(p, t)| (p.to_owned(), t.to_owned()))
                .into(),
            packages: vec![serde_json::from_str(package).unwrap()],
            layers: toml::from_str(LAYERS).unwrap(),
            ..Tree::default()
        };
        let found: Vec<_> = owned_dependencies(&tree)
            .into_iter()
            .chain(owned_names(&tree))
            .map(|f| (f.path, f.line))
            .collect();
        assert_eq!(
            found,
            [
                ("demo/Cargo.toml".to_owned(), 4),
                ("demo/src/lib.rs".to_owned(), 2)
            ]
        );
        assert!(every_crate_has_a_tier(&tree).is_empty());
    }

    #[test]
    fn words_have_borders() {
        assert!(has_word("a XY.", "XY"));
        assert!(has_word("aXY XY", "XY"));
        assert!(!has_word("XY_Z aXY", "XY"));
    }
}
